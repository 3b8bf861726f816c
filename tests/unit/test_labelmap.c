/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Label maps beside those of libnetfilter_conntrack, over files of all kinds of lines. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ctsync/labelmap.h>

#define BITS 1100u   /* more than a map has */

static const char *const bits[] = { "0", "1", "2", "127", "128", "1023", "1024", "0x10", "010",
				    "-1", " 5", "\t6", "x", "", "1023x", "08", "4294967296",
				    "99999999999999999999", "+3", "3", "7", "#8" };
static const char *const gaps[] = { " ", "\t", "", "  " };
static const char *const names[] = { "a", "b", "zero", "foo bar", "-x", "x-", "a_b", "a.b", "",
				     "  sp  ", "a\tb", "\xc3\xa9", "5", "A", "a#b", "0x1", " ",
				     "-", "a  b" };
static const char *const ends[] = { "\n", "\n", "\r\n", " \n", " # c\n", "\n\n", "\v\n" };
#define ANY(list) list[(unsigned int)rand() % (sizeof(list) / sizeof(list[0]))]

static char path[] = "/tmp/labelmap.XXXXXX";

static void write_map(void)
{
	FILE *fp = fopen(path, "w");

	assert_non_null(fp);
	for (int lines = rand() % 8; lines; lines--) {
		if (rand() % 5)
			fprintf(fp, "%s%s%s%s", ANY(bits), ANY(gaps), ANY(names), ANY(ends));
		else
			for (int n = rand() % 12; n; n--)
				fputc("01 \tab#-x\r_9\n"[rand() % 13], fp);
	}
	if (rand() % 4 == 0)
		fputs("9 last", fp);
	fclose(fp);
}

/* The library has empty names for bits without one. */
static const char *library_name(struct nfct_labelmap *map, unsigned int bit)
{
	const char *name = nfct_labelmap_get_name(map, bit);

	return name && *name ? name : NULL;
}

static void maps_are_those_of_the_library(void **state)
{
	unsigned int full = 0;

	srand(1);
	for (int i = 0; i < 5000; i++) {
		struct cts_labelmap *ours;
		struct nfct_labelmap *theirs;

		write_map();
		ours = cts_labelmap_load(path);
		if (!ours)
			assert_int_equal(errno, EINVAL);
		theirs = nfct_labelmap_new(path);
		assert_int_equal(!ours, !theirs);
		if (!ours)
			continue;
		full++;
		for (unsigned int bit = 0; bit < BITS; bit++) {
			const char *name = cts_labelmap_name(ours, bit);
			const char *want = library_name(theirs, bit);

			assert_int_equal(!name, !want);
			if (!name)
				continue;
			assert_string_equal(name, want);
			assert_int_equal(cts_labelmap_bit(ours, name), bit);
		}
		assert_int_equal(cts_labelmap_bit(ours, "no such name"), -1);
		assert_int_equal(cts_labelmap_bit(ours, ""), -1);
		cts_labelmap_free(ours);
		nfct_labelmap_destroy(theirs);
	}
	assert_true(full > 2000);
}

static void a_file_that_is_not_there_is_said_so(void **state)
{
	assert_null(cts_labelmap_load("/nonexistent/map"));
	assert_int_equal(errno, ENOENT);
	assert_null(cts_labelmap_load("/"));
	assert_int_equal(errno, EISDIR);
	cts_labelmap_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps_are_those_of_the_library),
		cmocka_unit_test(a_file_that_is_not_there_is_said_so),
	};
	int fd = mkstemp(path), ret;

	if (fd < 0)
		return 99;
	close(fd);
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return ret;
}
