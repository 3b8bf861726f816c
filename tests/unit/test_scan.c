/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The scanner of command lines beside getopt_long(3). */
#include "config.h"

#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cli/conntrack/scan.h"
#include "tests/unit/flow_gen.h"

#define WORDS_MAX 8
#define TEXT_MAX 2048

static const struct { char letter; const char *name; int arg; } rows[] = {
	{ 'L', "list", no_argument }, { 's', "src", required_argument },
	{ 0, "src-nat", optional_argument }, { 'n', "nat", optional_argument },
	{ 'z', "zero", no_argument }, { 0, "zone", required_argument },
	{ 0, "orig-zone", required_argument }, { 'o', "output", required_argument },
	{ 'i', "id", required_argument },
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

/* "source" is another name of "src"; these come in later, as a protocol's do. */
static const char *const extra_rows[] = { "sport", "state", "orig-port" };
#define N_EXTRA (sizeof(extra_rows) / sizeof(extra_rows[0]))

static const char *const vocabulary[] = {
	"-L", "-s", "-sx", "-Lz", "-zLs", "-Ls5", "-n", "-nx", "-Ln7", "-x", "-Lx", "-", "--", "",
	"word", "5", "--list", "--lis", "--l", "--list=1", "--src", "--src=1", "--sr", "--s",
	"--source", "--sou=2", "--src-nat", "--src-nat=3", "--src-", "--zo", "--zon=4", "--z",
	"--ze", "--ori", "--orig-z=", "--orig-p", "--o", "--output", "--id=7", "--i", "--sport",
	"--sport=1", "--st", "--sta=", "--nonsense", "--nonsense=1", "--=", "--=x", "-o", "-io",
	"---", "-=", "--srcx", "-s-L", "-\xff",
};
#define N_WORDS (sizeof(vocabulary) / sizeof(vocabulary[0]))

static void put(char *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(char *text, const char *fmt, ...)
{
	size_t len = strlen(text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + len, TEXT_MAX - len, fmt, ap);
	va_end(ap);
}

static void put_option(char *text, int val, const char *arg)
{
	put(text, "%d(%s) ", val, arg ? arg : "-none-");
}

static void by_getopt(int argc, char **argv, char *text)
{
	static const char shorts[] = "-:Ls:n::zo:i:";   /* words of no option come as they stand */
	struct option longs[N_ROWS + 1 + N_EXTRA + 1];
	size_t i, n = 0;
	int val;

	for (i = 0; i < N_ROWS; i++)
		longs[n++] = (struct option){ rows[i].name, rows[i].arg, NULL,
					      rows[i].letter ? rows[i].letter : 256 + (int)i };
	longs[n++] = (struct option){ "source", required_argument, NULL, 's' };
	for (i = 0; i < N_EXTRA; i++)
		longs[n++] = (struct option){ extra_rows[i], required_argument, NULL, 512 + (int)i };
	longs[n] = (struct option){ NULL, 0, NULL, 0 };
	opterr = 0;
	optind = 0;
	while ((val = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		if (val == '?' || val == ':') {
			put(text, val == ':' ? "no argument" : "unknown");
			return;
		}
		if (val == 1) {
			put(text, "stray %s", optarg);
			return;
		}
		put_option(text, val, optarg);
	}
	if (optind < argc)
		put(text, "stray %s", argv[optind]);
}

static void by_scan(int argc, char **argv, char *text)
{
	struct scan_table table = { 0 }, extra = { 0 };
	struct scan s;
	size_t i;
	int val;

	for (i = 0; i < N_ROWS; i++)
		scan_table_add(&table, rows[i].letter, rows[i].name, rows[i].arg,
			       rows[i].letter ? rows[i].letter : 256 + (int)i);
	scan_table_add(&table, 0, "source", required_argument, 's');
	for (i = 0; i < N_EXTRA; i++)
		scan_table_add(&extra, 0, extra_rows[i], required_argument, 512 + (int)i);
	scan_init(&s, &table, argc, argv);
	s.extra = &extra;
	while ((val = scan_next(&s)) != SCAN_END) {
		if (val == SCAN_STRAY) {
			put(text, "stray %s", s.word);
			return;
		}
		if (val < 0) {
			put(text, val == SCAN_NO_ARGUMENT ? "no argument" : "unknown");
			return;
		}
		put_option(text, val, s.arg);
	}
}

static void compare(int argc, const char *const *words)
{
	char *argv[WORDS_MAX + 1], *permuted[WORDS_MAX + 1];
	char ours[TEXT_MAX] = "", theirs[TEXT_MAX] = "";
	int i;

	for (i = 0; i < argc; i++)
		argv[i] = permuted[i] = (char *)(uintptr_t)words[i];
	argv[argc] = permuted[argc] = NULL;
	by_getopt(argc, permuted, theirs);
	by_scan(argc, argv, ours);
	if (!strcmp(ours, theirs))
		return;
	for (i = 1; i < argc; i++)
		print_error("`%s' ", words[i]);
	fail_msg("ours: %s; getopt: %s", ours, theirs);
}

static void each_word_means_what_getopt_says(void **state)
{
	const char *words[3] = { "program" };
	size_t i, k;

	(void)state;
	for (i = 0; i < N_WORDS; i++) {
		words[1] = vocabulary[i];
		compare(2, words);
		for (k = 0; k < N_WORDS; k++) {
			words[2] = vocabulary[k];
			compare(3, words);
		}
	}
}

static void longer_lines_do_too(void **state)
{
	const char *words[WORDS_MAX] = { "program" };
	struct rng r = { 4711 };
	int i, n, round;

	(void)state;
	for (round = 0; round < 100000; round++) {
		n = 3 + (int)rng_below(&r, WORDS_MAX - 3);
		for (i = 1; i < n; i++)
			words[i] = vocabulary[rng_below(&r, N_WORDS)];
		compare(n, words);
	}
}

static void the_word_that_follows_is_taken_unless_it_is_an_option(void **state)
{
	char a[] = "p", b[] = "-L", c[] = "table", d[] = "-z", e[] = "!x";
	char *argv[] = { a, b, c, d, e, NULL };
	struct scan_table table = { 0 };
	struct scan s;

	(void)state;
	scan_table_add(&table, 'L', "list", no_argument, 1);
	scan_table_add(&table, 'z', "zero", no_argument, 2);
	scan_init(&s, &table, 5, argv);
	assert_int_equal(scan_next(&s), 1);
	assert_string_equal(scan_word(&s), "table");
	assert_null(scan_word(&s));
	assert_int_equal(scan_next(&s), 2);
	assert_null(scan_word(&s));
	assert_int_equal(scan_next(&s), SCAN_STRAY);
	assert_string_equal(s.word, "!x");
	assert_int_equal(scan_next(&s), SCAN_END);
	assert_null(scan_word(&s));
}

static int val_of(const struct scan_table *table, const char *text)
{
	char program[] = "p", word[32];
	char *argv[] = { program, word, NULL };
	struct scan s;

	snprintf(word, sizeof(word), "%s", text);
	scan_init(&s, table, 2, argv);
	return scan_next(&s);
}

static void what_came_later_makes_no_shortened_name_ambiguous(void **state)
{
	struct scan_table table = { 0 };

	(void)state;
	scan_table_add(&table, 'h', "help", no_argument, 1);
	scan_table_add(&table, 0, "helper", no_argument | SCAN_LATER, 2);
	scan_table_add(&table, 0, "hello", no_argument | SCAN_LATER, 3);
	scan_table_add(&table, 0, "sweep", no_argument | SCAN_LATER, 4);
	assert_int_equal(val_of(&table, "--he"), 1);
	assert_int_equal(val_of(&table, "--help"), 1);
	assert_int_equal(val_of(&table, "--helpe"), 2);
	assert_int_equal(val_of(&table, "--hell"), 3);
	assert_int_equal(val_of(&table, "--s"), 4);
	assert_int_equal(val_of(&table, "--helps"), SCAN_UNKNOWN);
}

static void every_name_of_a_full_table_is_found(void **state)
{
	static char names[SCAN_ROWS_MAX][12];
	struct scan_table table = { 0 };
	char program[] = "p", word[32];
	char *argv[] = { program, word, NULL };
	struct scan s;
	int i;

	(void)state;
	for (i = 0; i < (int)SCAN_ROWS_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "name%dx", i);
		scan_table_add(&table, 0, names[i], no_argument, i);
	}
	for (i = 0; i < (int)SCAN_ROWS_MAX; i++) {
		snprintf(word, sizeof(word), "--name%dx", i);
		scan_init(&s, &table, 2, argv);
		assert_int_equal(scan_next(&s), i);
		word[strlen(word) - 1] = 'y';
		scan_init(&s, &table, 2, argv);
		assert_int_equal(scan_next(&s), SCAN_UNKNOWN);
		assert_string_equal(s.word, word);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_word_means_what_getopt_says),
		cmocka_unit_test(longer_lines_do_too),
		cmocka_unit_test(the_word_that_follows_is_taken_unless_it_is_an_option),
		cmocka_unit_test(what_came_later_makes_no_shortened_name_ambiguous),
		cmocka_unit_test(every_name_of_a_full_table_is_found),
	};

	unsetenv("POSIXLY_CORRECT");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
