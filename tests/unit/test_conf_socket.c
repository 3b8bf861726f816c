/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "core/config/conf_socket.h"

#define DEFAULT "/run/conntrackd.sock"

static char dir[] = "/tmp/ctsync-socket-XXXXXX";

static const char *file(const char *name, const char *text)
{
	static char path[128];
	FILE *fp;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fp = fopen(path, "we");
	assert_non_null(fp);
	assert_int_equal(fwrite(text, 1, strlen(text), fp), strlen(text));
	fclose(fp);
	return path;
}

static void expect_socket(const char *text, const char *socket)
{
	char buf[64] = "";

	assert_int_equal(cts_conf_socket(file("a.cfg", text), buf, sizeof(buf)), 0);
	assert_string_equal(buf, socket);
}

static void found_in_files_that_are_right(void **state)
{
	expect_socket("control = { socket = \"/a\"; };", "/a");
	expect_socket("node=\"n\"\ncontrol : { mode = \"0600\", socket : \"/a b\" }", "/a b");
	expect_socket("sync = { peers = ( { a = 1; } ); };\ncontrol={socket=\"/a\"}", "/a");
	expect_socket("control = { x = { socket = \"/no\"; }; socket = \"/a\\\"b\"; };", "/a\"b");
}

static void others_of_that_name_are_not_taken(void **state)
{
	expect_socket("", DEFAULT);
	expect_socket("socket = \"/no\"; other = { socket = \"/no\"; };", DEFAULT);
	expect_socket("control = { mode = \"0600\"; }; x = { socket = \"/no\"; };", DEFAULT);
	expect_socket("# control = { socket = \"/no\"; };\n", DEFAULT);
	expect_socket("/* control = { socket = \"/no\"; }; */ // control = { socket = \"/no\"; };",
		      DEFAULT);
	expect_socket("x = \"control = { socket = '/no' }\";", DEFAULT);
	expect_socket("control = { socket = 5; };", DEFAULT);
}

static void a_mistake_elsewhere_does_not_matter(void **state)
{
	expect_socket("sync = { mode = ;;; }}}\ncontrol = { socket = \"/a\"; };", "/a");
	expect_socket("sync = { transports = ( { \ncontrol = { socket = \"/a\"; };", "/a");
	expect_socket("node = \"n;\ncontrol = { socket = \"/a\"; };", "/a");
	expect_socket("control = { mode = = \"x\" socket = \"/a\" ", "/a");
	expect_socket("control = { socket = \"/a\n", "/a");
	expect_socket("/* never closed", DEFAULT);
	expect_socket("\x01\xff { control", DEFAULT);
}

static void included_files_are_looked_into(void **state)
{
	char text[256], buf[64];

	snprintf(text, sizeof(text), "@include \"%s\"\n", file("b.cfg", "control = { socket = \"/b\"; };"));
	expect_socket(text, "/b");
	snprintf(text, sizeof(text), "control = {\n@include \"%s\"\n};", file("b.cfg", "socket = \"/c\";"));
	expect_socket(text, "/c");
	expect_socket("@include \"/nonexistent\"\ncontrol = { socket = \"/a\"; };", "/a");
	snprintf(text, sizeof(text), "@include \"%s/a.cfg\"\n", dir);  /* itself */
	assert_int_equal(cts_conf_socket(file("a.cfg", text), buf, sizeof(buf)), 0);
	assert_string_equal(buf, DEFAULT);
}

static void what_cannot_be_read_or_is_too_long_is_an_error(void **state)
{
	char buf[64], longer[200];

	assert_int_equal(cts_conf_socket("/nonexistent", buf, sizeof(buf)), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(cts_conf_socket(dir, buf, sizeof(buf)), -1);
	snprintf(longer, sizeof(longer), "control = { socket = \"/%0100d\"; };", 0);
	assert_int_equal(cts_conf_socket(file("a.cfg", longer), buf, sizeof(buf)), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	assert_int_equal(cts_conf_socket(NULL, buf, sizeof(buf)), 0);
	assert_string_equal(buf, DEFAULT);
}

/* Any bytes: no read behind the end (sanitizers see it), always an end. */
static void cut_anywhere_it_ends(void **state)
{
	static const char text[] = "x = \"\\\"\"; /* c */ control = { # d\n y = { }; socket = \"/a\"; };";
	char part[sizeof(text)], buf[64];

	for (size_t len = 0; len < sizeof(text); len++) {
		memcpy(part, text, len);
		part[len] = '\0';
		assert_int_equal(cts_conf_socket(file("a.cfg", part), buf, sizeof(buf)), 0);
	}
	assert_string_equal(buf, "/a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found_in_files_that_are_right),
		cmocka_unit_test(others_of_that_name_are_not_taken),
		cmocka_unit_test(a_mistake_elsewhere_does_not_matter),
		cmocka_unit_test(included_files_are_looked_into),
		cmocka_unit_test(what_cannot_be_read_or_is_too_long_is_an_error),
		cmocka_unit_test(cut_anywhere_it_ends),
	};
	char path[64];
	int failed;

	if (!mkdtemp(dir))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	for (const char *name = "ab"; *name; name++) {
		snprintf(path, sizeof(path), "%s/%c.cfg", dir, *name);
		unlink(path);
	}
	rmdir(dir);
	return failed;
}
