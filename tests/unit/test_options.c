/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/plugin/option_table.h"

static int check_even(const char *value, char *why, size_t size)
{
	if ((value[strlen(value) - 1] - '0') % 2 == 0)
		return 0;
	snprintf(why, size, "%s is odd, allowed: even numbers", value);
	return -1;
}

static const struct cts_option table[] = {
	{ .name = "on", .type = CTS_OPT_BOOL, .def = "true", .help = "a switch" },
	{ .name = "port", .type = CTS_OPT_INT, .min = 1, .max = 65535, .def = "3780",
	  .help = "a port" },
	{ .name = "big", .type = CTS_OPT_INT, .help = "any number" },
	{ .name = "even", .type = CTS_OPT_INT, .check = check_even, .def = "2", .help = "even" },
	{ .name = "text", .type = CTS_OPT_STRING, .help = "a text" },
	{ .name = "mode", .type = CTS_OPT_CHOICE, .choices = "ftfw alarm notrack", .def = "ftfw",
	  .help = "a word" },
	{ .name = "file", .type = CTS_OPT_PATH, .choices = "- syslog", .def = "-", .help = "a file" },
	{ .name = "address", .type = CTS_OPT_ADDRESS, .help = "an address" },
	{ .name = "interface", .type = CTS_OPT_INTERFACE, .help = "an interface" },
	{ .name = "peers", .type = CTS_OPT_LIST_OF(CTS_OPT_ADDRESS), .max = 3, .help = "peers" },
	{ .name = "events", .type = CTS_OPT_LIST, .choices = "new update destroy",
	  .def = "new destroy", .help = "events" },
	{ .name = NULL }
};

static const struct cts_option strict[] = {
	{ .name = "must", .type = CTS_OPT_INT, .flags = CTS_OPT_REQUIRED, .min = 1, .max = 9,
	  .help = "is needed" },
	{ .name = NULL }
};

struct lines {
	char text[8192];
};

static void take_line(void *ctx, const char *line)
{
	struct lines *l = ctx;
	size_t len = strlen(l->text);

	snprintf(l->text + len, sizeof(l->text) - len, "%s\n", line);
}

static struct lines got;
static struct cts_report report;

static struct cts_options *parse_as(const struct cts_option *rows, const char *conf)
{
	struct cts_options *opt;
	config_t cfg;

	memset(&got, 0, sizeof(got));
	report = (struct cts_report){ .line = take_line, .ctx = &got, .file = "x.cfg" };
	config_init(&cfg);
	if (!config_read_string(&cfg, conf))
		fail_msg("%d: %s", config_error_line(&cfg), config_error_text(&cfg));
	opt = cts_options_parse(rows, config_root_setting(&cfg), "udp", "plugin", &report);
	config_destroy(&cfg);
	return opt;
}

static void refuse(const char *conf, const char *message)
{
	struct cts_options *opt = parse_as(table, conf);

	if (opt)
		fail_msg("accepted: %s", conf);
	assert_string_equal(got.text, message);
}

static void values_outlive_the_file_they_came_from(void **state)
{
	struct cts_options *opt = parse_as(table,
		"plugin = \"udp\"; on = false; port = 1; big = 9000000000L; text = \"hello\";\n"
		"mode = \"alarm\"; file = \"/tmp/x\"; address = \"::1\"; interface = \"eth0\";\n"
		"peers = ( \"10.0.0.1\", \"fe80::1\" ); events = [ \"update\" ];");

	assert_non_null(opt);
	assert_string_equal(got.text, "");
	assert_false(cts_options_bool(opt, "on"));
	assert_int_equal(cts_options_int(opt, "port"), 1);
	assert_true(cts_options_int(opt, "big") == 9000000000LL);
	assert_string_equal(cts_options_string(opt, "text"), "hello");
	assert_string_equal(cts_options_string(opt, "mode"), "alarm");
	assert_string_equal(cts_options_string(opt, "file"), "/tmp/x");
	assert_string_equal(cts_options_string(opt, "address"), "::1");
	assert_string_equal(cts_options_string(opt, "interface"), "eth0");
	assert_int_equal(cts_options_count(opt, "peers"), 2);
	assert_string_equal(cts_options_item(opt, "peers", 1), "fe80::1");
	assert_null(cts_options_item(opt, "peers", 2));
	assert_int_equal(cts_options_count(opt, "events"), 1);
	assert_true(cts_options_is_set(opt, "events"));
	cts_options_free(opt);
}

static void defaults_stand_in_for_what_is_not_set(void **state)
{
	struct cts_options *opt = parse_as(table, "");

	assert_non_null(opt);
	assert_true(cts_options_bool(opt, "on"));
	assert_int_equal(cts_options_int(opt, "port"), 3780);
	assert_int_equal(cts_options_int(opt, "big"), 0);
	assert_null(cts_options_string(opt, "text"));
	assert_string_equal(cts_options_string(opt, "file"), "-");
	assert_int_equal(cts_options_count(opt, "peers"), 0);
	assert_int_equal(cts_options_count(opt, "events"), 2);
	assert_string_equal(cts_options_item(opt, "events", 1), "destroy");
	assert_false(cts_options_is_set(opt, "port"));
	cts_options_free(opt);
}

static void a_single_string_is_a_list_of_one(void **state)
{
	struct cts_options *opt = parse_as(table, "peers = \"10.0.0.1\";");

	assert_non_null(opt);
	assert_int_equal(cts_options_count(opt, "peers"), 1);
	cts_options_free(opt);
}

static void every_mistake_names_its_line_and_what_is_allowed(void **state)
{
	refuse("\nportt = 1;", "x.cfg:2: udp.portt: unknown option, allowed: plugin, on, port, big, "
			       "even, text, mode, file, address, interface, peers, events\n");
	refuse("port = 0;", "x.cfg:1: udp.port: 0 is out of range, allowed: an integer from 1 to "
			    "65535\n");
	refuse("port = \"80\";", "x.cfg:1: udp.port: is a string, allowed: an integer from 1 to "
				 "65535\n");
	refuse("port = 1.5;", "x.cfg:1: udp.port: is a number with a fraction, allowed: an integer "
			      "from 1 to 65535\n");
	refuse("on = 1;", "x.cfg:1: udp.on: is an integer, allowed: true or false\n");
	refuse("text = 5;", "x.cfg:1: udp.text: is an integer, allowed: a string\n");
	refuse("text = \"\";", "x.cfg:1: udp.text: \"\" is empty, allowed: a string\n");
	refuse("mode = \"fast\";", "x.cfg:1: udp.mode: \"fast\" is not one of the choices, allowed: "
				   "ftfw, alarm, notrack\n");
	refuse("file = \"tmp/x\";", "x.cfg:1: udp.file: \"tmp/x\" is not an absolute path, allowed: "
				    "an absolute path, or -, syslog\n");
	refuse("address = \"1.2.3\";", "x.cfg:1: udp.address: \"1.2.3\" is not an address, allowed: "
				       "an IPv4 or IPv6 address\n");
	refuse("interface = \"a-very-long-name\";",
	       "x.cfg:1: udp.interface: \"a-very-long-name\" is not the name of an interface, "
	       "allowed: the name of a network interface (1 to 15 bytes)\n");
	refuse("peers = (\n\"10.0.0.1\",\n\"host\" );",
	       "x.cfg:3: udp.peers: \"host\" is not an address, allowed: a list: an IPv4 or IPv6 "
	       "address\n");
	refuse("peers = { a = 1; };", "x.cfg:1: udp.peers: is a group, allowed: a list: an IPv4 or "
				      "IPv6 address\n");
	refuse("peers = ( \"::1\", \"::2\", \"::3\", \"::4\" );",
	       "x.cfg:1: udp.peers: has too many items, allowed: 3\n");
	refuse("events = ( \"birth\" );", "x.cfg:1: udp.events: \"birth\" is not one of the "
					  "choices, allowed: a list: new, update, destroy\n");
	refuse("even = 3;", "x.cfg:1: udp.even: 3 is odd, allowed: even numbers\n");
	refuse("mode = { };", "x.cfg:1: udp.mode: is a group, allowed: ftfw, alarm, notrack\n");
}

static void all_mistakes_are_reported_in_one_run(void **state)
{
	refuse("port = 0;\non = 3;\nmode = \"x\";\n",
	       "x.cfg:1: udp.port: 0 is out of range, allowed: an integer from 1 to 65535\n"
	       "x.cfg:2: udp.on: is an integer, allowed: true or false\n"
	       "x.cfg:3: udp.mode: \"x\" is not one of the choices, allowed: ftfw, alarm, "
	       "notrack\n");
	assert_int_equal(report.errors, 3);
}

static void a_required_option_that_is_missing_is_reported(void **state)
{
	assert_null(parse_as(strict, ""));
	assert_int_equal(errno, EINVAL);
	assert_string_equal(got.text, "x.cfg: udp.must: is missing, required: an integer from 1 to 9\n");
}

static void values_cannot_write_escape_sequences_to_the_terminal(void **state)
{
	refuse("mode = \"\\x1b[2J\";", "x.cfg:1: udp.mode: \"?[2J\" is not one of the choices, "
				       "allowed: ftfw, alarm, notrack\n");
}

static struct cts_options *from_text(const char *text)
{
	memset(&got, 0, sizeof(got));
	report = (struct cts_report){ .line = take_line, .ctx = &got };
	return cts_options_parse_text(table, text, "log", &report);
}

static void options_can_be_given_as_text(void **state)
{
	struct cts_options *opt = from_text(
		"on=no,port=0x50,events=new+update,text=a\\,b\\\\c,peers=::1");

	assert_non_null(opt);
	assert_false(cts_options_bool(opt, "on"));
	assert_int_equal(cts_options_int(opt, "port"), 80);
	assert_int_equal(cts_options_count(opt, "events"), 2);
	assert_string_equal(cts_options_string(opt, "text"), "a,b\\c");
	cts_options_free(opt);

	opt = from_text("on");
	assert_non_null(opt);
	assert_true(cts_options_bool(opt, "on"));
	cts_options_free(opt);

	opt = from_text(NULL);
	assert_non_null(opt);
	assert_int_equal(cts_options_int(opt, "port"), 3780);
	cts_options_free(opt);
}

static void wrong_text_is_refused(void **state)
{
	static const char *const wrong[] = {
		"nonsense", "port", "port=", "port=1x", "port=99999999999999999999", "port= 1",
		"on=maybe", "events=new+", "port=1,port=2", ",", "mode=FTFW", "=",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (from_text(wrong[i]))
			fail_msg("accepted: %s", wrong[i]);
		assert_true(report.errors >= 1);
	}
	assert_null(from_text("port=70000"));
	assert_string_equal(got.text,
			    "log.port: 70000 is out of range, allowed: an integer from 1 to 65535\n");
}

static void any_text_is_taken_or_refused_with_a_reason(void **state)
{
	static const char alphabet[] = "on=,port\\+1e-x:/\"tfwupdanl \x1b\xff";
	uint32_t seed = 1;

	for (unsigned int i = 0; i < 50000; i++) {
		char text[40];
		size_t len;

		seed = seed * 1664525u + 1013904223u;
		len = (seed >> 8) % sizeof(text);
		for (size_t j = 0; j < len; j++) {
			seed = seed * 1664525u + 1013904223u;
			text[j] = alphabet[(seed >> 8) % (sizeof(alphabet) - 1)];
		}
		text[len ? len - 1 : 0] = '\0';
		struct cts_options *opt = from_text(text);

		assert_true((opt != NULL) == (report.errors == 0));
		assert_null(strchr(got.text, '\x1b'));
		cts_options_free(opt);
	}
}

static void a_table_with_a_mistake_is_refused_as_a_whole(void **state)
{
	static const struct cts_option unknown_type[] = {
		{ .name = "x", .type = 77, .help = "h" }, { .name = NULL } };
	static const struct cts_option twice[] = {
		{ .name = "x", .type = CTS_OPT_BOOL, .help = "h" },
		{ .name = "x", .type = CTS_OPT_BOOL, .help = "h" }, { .name = NULL } };
	static const struct cts_option list_of_lists[] = {
		{ .name = "x", .type = CTS_OPT_LIST_OF(CTS_OPT_LIST), .help = "h" },
		{ .name = NULL } };
	static const struct cts_option bad_default[] = {
		{ .name = "x", .type = CTS_OPT_INT, .def = "many", .help = "h" },
		{ .name = NULL } };

	assert_non_null(cts_option_table_check(unknown_type));
	assert_non_null(cts_option_table_check(twice));
	assert_non_null(cts_option_table_check(list_of_lists));
	assert_null(cts_option_table_check(table));
	assert_null(cts_option_table_check(NULL));
	assert_null(parse_as(bad_default, ""));
	assert_null(parse_as(twice, ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_outlive_the_file_they_came_from),
		cmocka_unit_test(defaults_stand_in_for_what_is_not_set),
		cmocka_unit_test(a_single_string_is_a_list_of_one),
		cmocka_unit_test(every_mistake_names_its_line_and_what_is_allowed),
		cmocka_unit_test(all_mistakes_are_reported_in_one_run),
		cmocka_unit_test(a_required_option_that_is_missing_is_reported),
		cmocka_unit_test(values_cannot_write_escape_sequences_to_the_terminal),
		cmocka_unit_test(options_can_be_given_as_text),
		cmocka_unit_test(wrong_text_is_refused),
		cmocka_unit_test(any_text_is_taken_or_refused_with_a_reason),
		cmocka_unit_test(a_table_with_a_mistake_is_refused_as_a_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
