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

#include "core/config/conf.h"

static char dir[] = "/tmp/ctsync-conf-XXXXXX";
static char main_file[64];
static char got[16384];
static struct cts_report report;

static void take_line(void *ctx, const char *line)
{
	size_t len = strlen(got);

	snprintf(got + len, sizeof(got) - len, "%s\n", line);
}

static const char *write_file(const char *name, const char *text, size_t len)
{
	static char path[128];
	FILE *fp;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fp = fopen(path, "we");
	assert_non_null(fp);
	assert_int_equal(fwrite(text, 1, len, fp), len);
	fclose(fp);
	return path;
}

static struct cts_config *load_path(const char *path)
{
	got[0] = '\0';
	report = (struct cts_report){ .line = take_line };
	return cts_config_load(path, &report);
}

static struct cts_config *load(const char *text)
{
	write_file("main.cfg", text, strlen(text));
	return load_path(main_file);
}

/* The file is refused with exactly these lines, less the name of the file. */
static void refuse(const char *text, const char *lines)
{
	struct cts_config *c = load(text);
	char want[16384] = "";
	size_t len = 0;

	if (c)
		fail_msg("accepted: %s", text);
	for (const char *p = lines; *p; p += *p == '\n') {
		int n = (int)strcspn(p, "\n");

		len += (size_t)snprintf(want + len, sizeof(want) - len, "%s:%.*s\n", main_file, n,
					p);
		p += n;
	}
	assert_string_equal(got, want);
}

#define LINKS "transports = ( { plugin = \"t_link\"; port = 1; } );"

static void an_empty_file_is_a_statistics_collector(void **state)
{
	struct cts_config *c = load("");

	if (!c)
		fail_msg("%s", got);
	assert_null(c->sync);
	assert_int_equal(c->n_transports + c->n_filters + c->n_outputs, 0);
	assert_int_equal(cts_options_int(c->kernel, "event_buffer"), 268435456);
	assert_int_equal(cts_config_socket_mode(c), 0600);
	assert_true(strlen(c->node) > 0);
	cts_config_free(c);
	cts_config_free(NULL);
}

static void all_groups_are_read(void **state)
{
	struct cts_config *c = load(
		"node = \"fw1\"; lock = \"/run/l\"; control = { mode = \"0660\"; };\n"
		"log = { target = \"syslog\"; }; kernel = { event_buffer = 16777216L; };\n"
		"cache = { limit = 5000000L; };\n"
		"sync = { mode = \"alarm\"; attributes = ( \"mark\" ); nodes = ( \"fw1\", \"fw2\" );\n"
		"  transports = ( { plugin = \"t_link\"; port = 1; }, { plugin = \"t_link\"; port = 2; } ); };\n"
		"outputs = ( { plugin = \"t_good\"; depth = 4; } );\n");

	if (!c)
		fail_msg("%s", got);
	assert_string_equal(c->node, "fw1");
	assert_int_equal(cts_config_socket_mode(c), 0660);
	assert_string_equal(cts_options_string(c->sync, "mode"), "alarm");
	assert_int_equal(c->n_transports, 2);
	assert_string_equal(c->transports[1].plugin, "t_link");
	assert_int_equal(cts_options_int(c->transports[1].options, "port"), 2);
	assert_int_equal(c->n_outputs, 1);
	assert_int_equal(cts_options_int(c->outputs[0].options, "depth"), 4);
	assert_true(cts_config_attributes(c) & CTS_FLOW_BIT(CTS_FLOW_MARK));
	assert_true(cts_config_attributes(c) & CTS_FLOW_BIT(CTS_FLOW_TCP_STATE));
	assert_false(cts_config_attributes(c) & CTS_FLOW_BIT(CTS_FLOW_STATUS));
	cts_config_free(c);
}

static void mistakes_in_groups_name_their_line(void **state)
{
	refuse("\nkernel = {\n  polling = 5;\n};",
	       "3: kernel.polling: unknown option, allowed: event_buffer, reconcile_interval, "
	       "events_sysctl, reliable_events, poll_interval, collision, coalesce");
	refuse("kernels = { };",
	       "1: kernels: unknown option, allowed: control, log, kernel, cache, sync, filters, "
	       "outputs, node, lock, plugin_path");
	refuse("kernel = 5;", "1: kernel: is not a group, allowed: { name = value; ... }");
	refuse("log = { level = \"loud\"; };",
	       "1: log.level: \"loud\" is not one of the choices, allowed: err, warn, info, debug");
	refuse("cache = { limit = -1; };",
	       "1: cache.limit: -1 is out of range, allowed: an integer from 0 to 1000000000");
	refuse("control = { mode = \"rw\"; };",
	       "1: control.mode: \"rw\" is not a file mode, allowed: octal digits like \"0600\"");
	refuse("node = \"a b\";",
	       "1: node: \"a b\" is not a name, allowed: 1 to 63 of letters, digits, ., _ and -");
	refuse("lock = true;", "1: lock: is a truth value, allowed: an absolute path");
}

static void mistakes_in_blocks_name_their_line(void **state)
{
	refuse("outputs = {\n plugin = \"t_good\"; };",
	       "1: outputs: is not a list, allowed: ( { plugin = \"name\"; ... }, ... )");
	refuse("outputs = ( \"t_good\" );",
	       "1: outputs: is not a list of groups, allowed: ( { plugin = \"name\"; ... }, ... )");
	refuse("outputs = ( {\n depth = 1; } );",
	       "1: outputs.plugin: is missing, required: the name of a plugin");
	refuse("outputs = ( { plugin = 7; } );",
	       "1: outputs.plugin: is not a string, allowed: the name of a plugin");
	refuse("outputs = ( { plugin = \"t_good\"; } );",
	       "1: t_good.depth: is missing, required: an integer from 1 to 9");
	refuse("outputs = (\n { plugin = \"t_good\";\n depth = 77; } );",
	       "3: t_good.depth: 77 is out of range, allowed: an integer from 1 to 9");
	refuse("outputs = ( { plugin = \"t_good\"; depth = 7; shape = 1; } );",
	       "1: t_good.shape: unknown option, allowed: plugin, colour, depth");
}

static void a_plugin_that_cannot_be_loaded_is_reported_with_the_reason(void **state)
{
	assert_null(load("outputs = (\n { plugin = \"t_nowhere\"; } );"));
	assert_non_null(strstr(got, "main.cfg:2: outputs.plugin: \"t_nowhere\" cannot be loaded, "
				    "allowed: an output plugin: there is no file t_nowhere.so in"));
	assert_null(load("filters = ( { plugin = \"t_good\"; depth = 1; } );"));
	assert_non_null(strstr(got, "t_good is of kind 2 (output), asked for is kind 3 (filter)"));
	assert_int_equal(report.errors, 1);
}

static void options_that_do_not_go_together_are_refused(void **state)
{
	refuse("sync = {\n mode = \"ftfw\"; };",
	       "1: sync.transports: is missing, required: 1 to 4 transports");
	refuse("sync = { transports = ( ); };",
	       "1: sync.transports: is missing, required: 1 to 4 transports");
	refuse("sync = { transports = ( {}, {}, {}, {}, {} ); };",
	       "1: sync.transports: has 5 blocks, allowed: at most 4");
	refuse("sync = {\n mode = \"notrack\"; internal_cache = false;\n" LINKS "};",
	       "2: sync.internal_cache: this release needs its copy of the kernel's table in each "
	       "mode, allowed: true");
	refuse("sync = { external_cache = false;\n commit_timeout = 5;\n" LINKS "};",
	       "2: sync.commit_timeout: has no effect with external_cache = false, allowed: 0");
	refuse("sync = { mode = \"alarm\"; external_cache = false; " LINKS "};",
	       "1: sync.external_cache: false is not possible in mode \"alarm\", allowed: ftfw, "
	       "notrack");
	refuse("sync = { refresh_time = 5; " LINKS "};",
	       "1: sync.refresh_time: belongs to mode \"alarm\" alone");
	refuse("sync = { mode = \"alarm\"; expire_time = 5; " LINKS "};",
	       "1: sync.expire_time: flows would expire before they are refreshed, allowed: more "
	       "than refresh_time");
	refuse("node = \"fw3\"; sync = {\n nodes = ( \"fw1\", \"fw2\", \"fw1\" );" LINKS "};",
	       "2: sync.nodes: \"fw1\" is there twice, allowed: each node once\n"
	       "2: sync.nodes: does not name this node, required: \"fw3\" among them");
	refuse("sync = { expectations = ( \"ftp\" ); " LINKS "};",
	       "1: sync.expectations: this release replicates flows alone, allowed: an empty list");
	refuse("sync = { key_file = \"/etc/k\"; " LINKS "};",
	       "1: sync.key_file: this release cannot seal messages, allowed: nothing");
	refuse("kernel = { poll_interval = 5; reliable_events = true; };",
	       "1: kernel.reliable_events: has no effect with poll_interval: there are no events, "
	       "allowed: false");
}

static void all_mistakes_of_a_file_are_found_in_one_run(void **state)
{
	refuse("nodee = 1;\nkernel = { collision = \"maybe\"; };\n"
	       "sync = { mode = \"fast\"; " LINKS "};\noutputs = ( { plugin = \"t_good\"; } );",
	       "1: nodee: unknown option, allowed: control, log, kernel, cache, sync, filters, "
	       "outputs, node, lock, plugin_path\n"
	       "2: kernel.collision: \"maybe\" is not one of the choices, allowed: keep, replace\n"
	       "3: sync.mode: \"fast\" is not one of the choices, allowed: ftfw, alarm, notrack\n"
	       "4: t_good.depth: is missing, required: an integer from 1 to 9");
	assert_int_equal(report.errors, 4);
}

static void syntax_errors_have_the_same_shape(void **state)
{
	refuse("node = \"x\";\nlog = { level = ; };", "2: syntax error");
	refuse("node = \"x\";\nnode = \"y\";", "2: duplicate setting name");
	refuse("node = \"x", "1: syntax error");
}

static void numbers_that_libconfig_would_cut_are_refused(void **state)
{
	refuse("# 99999999999\ncache = { limit = 4294967297; };",
	       "2: 4294967297 is too large without a suffix, write 4294967297L");
	refuse("cache = { limit = 99999999999999999999L; };",
	       "1: 99999999999999999999 is too large a number");
	refuse("cache = { limit = 0xFFFFFFFF; };",
	       "1: 0xFFFFFFFF is too large without a suffix, write 0xFFFFFFFFL");
	/* the like in text and comments is nobody's number */
	cts_config_free(load("/* 99999999999 */ node = \"n99999999999\"; // 99999999999\n"));
	assert_string_equal(got, "");
}

static void included_files_are_found_beside_the_main_file(void **state)
{
	struct cts_config *c;

	write_file("part.cfg", "log = {\n level = \"debug\"; };", 27);
	c = load("@include \"part.cfg\"\nnode = \"fw1\";");
	if (!c)
		fail_msg("%s", got);
	assert_string_equal(cts_options_string(c->log, "level"), "debug");
	cts_config_free(c);

	write_file("part.cfg", "log = {\n level = \"loud\"; };", 26);
	assert_null(load("@include \"part.cfg\"\n"));
	assert_string_equal(got, "part.cfg:2: log.level: \"loud\" is not one of the choices, "
				 "allowed: err, warn, info, debug\n");
}

static void included_files_that_cannot_be_read_are_reported(void **state)
{
	char path[128];

	refuse("\n@include \"none.cfg\"", "2: @include none.cfg: No such file or directory");
	refuse("@include \"/\"", "1: @include /: is a directory, allowed: a regular file");
	refuse("@include \"/dev/zero\"", "1: @include /dev/zero: is not a regular file");
	snprintf(path, sizeof(path), "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	refuse("@include \"fifo\"", "1: @include fifo: is not a regular file");
	/* a file that includes itself */
	assert_null(load("@include \"main.cfg\""));
	assert_non_null(strstr(got, "files include each other too deeply"));
}

static void refuse_path(const char *path, const char *line)
{
	char want[512];

	assert_null(load_path(path));
	snprintf(want, sizeof(want), "%s: %s\n", path, line);
	assert_string_equal(got, want);
}

static void what_is_no_configuration_file_is_refused(void **state)
{
	static char big[CTS_CONFIG_FILE_MAX + 1];

	refuse_path("/nonexistent/x.cfg", "No such file or directory");
	refuse_path(dir, "is a directory, allowed: a regular file");
	refuse_path("/dev/zero", "is not a regular file");
	memset(big, '\n', sizeof(big));
	refuse_path(write_file("big.cfg", big, sizeof(big)),
		    "is too large, allowed: 8 MiB with all included files");
	assert_null(load_path(write_file("nul.cfg", "node\0= 1;", 9)));
	assert_non_null(strstr(got, "nul.cfg:1: there is a NUL byte in it"));
}

static void loading_leaves_the_current_folder_alone(void **state)
{
	char before[4096], after[4096];

	assert_non_null(getcwd(before, sizeof(before)));
	cts_config_free(load(""));
	assert_non_null(getcwd(after, sizeof(after)));
	assert_string_equal(before, after);
}

static void relative_plugin_folders_are_meant_from_where_we_were_started(void **state)
{
	char here[4096], *path = strdup(getenv("CTS_PLUGIN_PATH"));
	struct cts_config *c;

	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(chdir(getenv("CTS_BUILD")), 0);
	setenv("CTS_PLUGIN_PATH", "tests/unit/.libs", 1);
	c = load("outputs = ( { plugin = \"t_good\"; depth = 4; } );");
	if (!c)
		fail_msg("%s", got);
	cts_config_free(c);
	setenv("CTS_PLUGIN_PATH", path, 1);
	free(path);
	assert_int_equal(chdir(here), 0);
}

static void nested_brackets_do_not_crash_the_parser(void **state)
{
	static char deep[200000];

	memset(deep, '(', sizeof(deep) - 1);
	memcpy(deep, "x = ", 4);
	assert_null(load(deep));
	assert_int_equal(report.errors, 1);
}

static int setup(void **state)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/tests/unit/.libs", getenv("CTS_BUILD"));
	setenv("CTS_PLUGIN_PATH", path, 1);
	if (!mkdtemp(dir))
		return -1;
	snprintf(main_file, sizeof(main_file), "%s/main.cfg", dir);
	return 0;
}

static int teardown(void **state)
{
	static const char *const files[] = { "main.cfg", "part.cfg", "fifo", "big.cfg", "nul.cfg" };
	char path[128];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_file_is_a_statistics_collector),
		cmocka_unit_test(all_groups_are_read),
		cmocka_unit_test(mistakes_in_groups_name_their_line),
		cmocka_unit_test(mistakes_in_blocks_name_their_line),
		cmocka_unit_test(a_plugin_that_cannot_be_loaded_is_reported_with_the_reason),
		cmocka_unit_test(options_that_do_not_go_together_are_refused),
		cmocka_unit_test(all_mistakes_of_a_file_are_found_in_one_run),
		cmocka_unit_test(syntax_errors_have_the_same_shape),
		cmocka_unit_test(numbers_that_libconfig_would_cut_are_refused),
		cmocka_unit_test(included_files_are_found_beside_the_main_file),
		cmocka_unit_test(included_files_that_cannot_be_read_are_reported),
		cmocka_unit_test(what_is_no_configuration_file_is_refused),
		cmocka_unit_test(loading_leaves_the_current_folder_alone),
		cmocka_unit_test(relative_plugin_folders_are_meant_from_where_we_were_started),
		cmocka_unit_test(nested_brackets_do_not_crash_the_parser),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
