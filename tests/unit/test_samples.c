/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every sample in conf/ loads; each broken variant gives one line that says where. */
#include "config.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "core/config/conf.h"

/* For LeakSanitizer: libconfig 1.5 forgets a string that a syntax error cuts off. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:strbuf_append\n";
}

static char dir[] = "/tmp/ctsync-samples-XXXXXX";
static char got[16384];

static void take_line(void *ctx, const char *line)
{
	size_t len = strlen(got);

	snprintf(got + len, sizeof(got) - len, "%s\n", line);
}

static struct cts_config *load(const char *path)
{
	struct cts_report report = { .line = take_line };

	got[0] = '\0';
	return cts_config_load(path, &report);
}

static void sample_path(const char *name, char *path, size_t size)
{
	snprintf(path, size, "%s/conf/%s", getenv("CTS_SRC"), name);
}

static void every_sample_loads(void **state)
{
	char path[4096];
	unsigned int n = 0;
	DIR *d;

	sample_path("", path, sizeof(path));
	d = opendir(path);
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));) {
		const char *dot = strrchr(e->d_name, '.');
		struct cts_config *c;

		if (!dot || strcmp(dot, ".cfg") != 0)
			continue;
		sample_path(e->d_name, path, sizeof(path));
		c = load(path);
		if (!c)
			fail_msg("%s", got);
		cts_config_free(c);
		n++;
	}
	closedir(d);
	assert_true(n >= 5);
}

static void each_option_that_exists_stands_in_the_sample_of_all_options(void **state)
{
	static const char *const groups[] = { "", "control", "log", "kernel", "cache", "sync" };
	static char text[65536];
	char path[4096];
	size_t len;
	FILE *fp;

	sample_path("all-options.cfg", path, sizeof(path));
	fp = fopen(path, "re");
	assert_non_null(fp);
	len = fread(text, 1, sizeof(text) - 1, fp);
	text[len] = '\0';
	fclose(fp);
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		for (const struct cts_option *row = cts_config_table(groups[i]); row->name; row++) {
			char want[64];

			snprintf(want, sizeof(want), " %s = ", row->name);
			if (!strstr(text, want) && !strstr(text, want + 1))
				fail_msg("%s.%s", groups[i], row->name);
		}
}

/* The same for the blocks: what is not set there is not in the sample. */
static void each_option_of_the_plugins_stands_there_too(void **state)
{
	struct cts_config_block *b;
	struct cts_config *c;
	char path[4096];

	sample_path("all-options.cfg", path, sizeof(path));
	c = load(path);
	if (!c)
		fail_msg("%s", got);
	for (size_t i = 0; i < c->n_transports + c->n_filters + c->n_outputs; i++) {
		const struct cts_plugin *p;

		b = i < c->n_transports ? &c->transports[i]
		    : i < c->n_transports + c->n_filters
			    ? &c->filters[i - c->n_transports]
			    : &c->outputs[i - c->n_transports - c->n_filters];
		p = b->ops;
		for (const struct cts_option *row = p->options; row && row->name; row++)
			if (!cts_options_is_set(b->options, row->name))
				fail_msg("%s.%s", p->name, row->name);
	}
	cts_config_free(c);
}

/* A change of a sample's text, and the only line that it may give. */
static const struct {
	const char *sample, *from, *to, *line;
} broken[] = {
	{ "two-node-udp.cfg", "mode = \"ftfw\"", "mode = \"fast\"",
	  "13: sync.mode: \"fast\" is not one of the choices, allowed: ftfw, alarm, notrack" },
	{ "two-node-udp.cfg", "plugin = \"udp\"", "plugin = \"upd\"",
	  "15: sync.transports.plugin: \"upd\" cannot be loaded, allowed: a transport plugin: there "
	  "is no file upd.so in" },
	{ "two-node-udp.cfg", "port = 3780", "port = 378000", "18: udp.port: 378000 is out of range" },
	{ "two-node-udp.cfg", "port = 3780", "port = \"3780\"", "18: udp.port: is a string" },
	{ "two-node-udp.cfg", "address = \"10.99.0.1\";", "", "15: udp.address: is missing" },
	{ "two-node-udp.cfg", "\"10.99.0.2\"", "\"fw2\"", "17: udp.peers: \"fw2\"" },
	{ "two-node-udp.cfg", "127.0.0.0/8", "127.0.0.0/80",
	  "25: address.ignore: \"127.0.0.0/80\" has a wrong prefix length, allowed: 0 to 32" },
	{ "two-node-udp.cfg", "\"sctp\"", "\"stcp\"", "26: protocol.accept: \"stcp\" is not a protocol" },
	{ "two-node-udp.cfg", "plugin = \"address\"", "plugin = \"log\"",
	  "25: filters.plugin: \"log\" cannot be loaded, allowed: a filter plugin: log is of kind 2 "
	  "(output), asked for is kind 3 (filter)" },
	{ "two-node-udp.cfg", "level = \"info\"", "level = ;", "10: syntax error" },
	{ "two-node-udp.cfg", "level = \"info\"", "levle = \"info\"",
	  "10: log.levle: unknown option, allowed: target, level" },
	{ "two-node-multicast.cfg", "group = \"225.0.0.50\"", "group = \"here\"",
	  "10: multicast.group: \"here\"" },
	{ "two-node-multicast.cfg", "cluster = \"edge\"", "cluster = \"the edge\"",
	  "8: sync.cluster: \"the edge\" is not a name" },
	{ "active-active.cfg", "external_cache = false", "external_cache = 0",
	  "11: sync.external_cache: is an integer, allowed: true or false" },
	{ "active-active.cfg", "external_cache = false;", "external_cache = false; commit_timeout = 9;",
	  "11: sync.commit_timeout: has no effect with external_cache = false, allowed: 0" },
	{ "active-active.cfg", "node = \"fw1\"", "node = \"fw9\"",
	  "12: sync.nodes: does not name this node, required: \"fw9\" among them" },
	{ "active-active.cfg", "\"local\" ); }", "\"local\" ); },\n  { plugin = \"state\"; ignore = ( \"SYN_RCVD\" ); }",
	  "26: state.ignore: \"SYN_RCVD\"" },
	{ "statistics.cfg", "\"destroy\"", "\"end\"", "14: log.events: \"end\"" },
	{ "statistics.cfg", "/var/log", "log", "13: log.file: \"log/conntrackd-flows.log\" is not an "
					       "absolute path" },
	{ "statistics.cfg", "{ plugin = \"stats\"; }", "{ plugin = \"stats\"; } );\nsync = ( ",
	  "18: sync: is not a group" },
	{ "all-options.cfg", "limit = 0L", "limit = 6000000000",
	  "30: 6000000000 is too large without a suffix, write 6000000000L" },
	{ "all-options.cfg", "poll_interval = 0", "poll_interval = -1",
	  "24: kernel.poll_interval: -1 is out of range, allowed: an integer from 0 to 86400" },
};

static void write_variant(const char *sample, const char *from, const char *to, const char *path)
{
	static char text[65536];
	char source[4096], *at;
	size_t len;
	FILE *fp;

	sample_path(sample, source, sizeof(source));
	fp = fopen(source, "re");
	assert_non_null(fp);
	len = fread(text, 1, sizeof(text) - 1, fp);
	text[len] = '\0';
	fclose(fp);
	at = strstr(text, from);
	if (!at)
		fail_msg("%s has no %s", sample, from);
	fp = fopen(path, "we");
	assert_non_null(fp);
	fprintf(fp, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	fclose(fp);
}

static void each_broken_variant_gives_one_line_that_says_where(void **state)
{
	char path[128], want[512];

	snprintf(path, sizeof(path), "%s/broken.cfg", dir);
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		write_variant(broken[i].sample, broken[i].from, broken[i].to, path);
		if (load(path))
			fail_msg("%s: accepted %s", broken[i].sample, broken[i].to);
		snprintf(want, sizeof(want), "%s:%s", path, broken[i].line);
		if (strncmp(got, want, strlen(want)) != 0)
			fail_msg("%s: %s gave\n%sand not\n%s", broken[i].sample, broken[i].to, got,
				 want);
		/* one mistake, one line */
		if (strchr(got, '\n')[1])
			fail_msg("more than one line:\n%s", got);
	}
	unlink(path);
}

/* -- files that nobody meant -- */

static uint32_t seed = 20261123;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

static size_t damage(char *text, size_t len, size_t size)
{
	static const char *const bits[] = { "(", ")", "{", "}", "\"", ";", "=", "@include \"x\"\n",
					    "99999999999", "-", "/*", "\\", "0x", "L", "1.5", "true",
					    "\xff", "\x1b", "[", "]", ",", "#" };

	for (uint32_t i = 1 + rnd(6); i && len > 2; i--) {
		size_t at = rnd((uint32_t)len), n = rnd(20);
		const char *bit = bits[rnd(sizeof(bits) / sizeof(bits[0]))];

		n = n > len - at ? len - at : n;
		switch (rnd(4)) {
		case 0:   /* leave out */
			memmove(text + at, text + at + n, len - at - n);
			len -= n;
			break;
		case 1:   /* say twice */
			if (len + n > size)
				break;
			memmove(text + at + n, text + at, len - at);
			len += n;
			break;
		case 2:   /* write over */
			n = strlen(bit) > len - at ? len - at : strlen(bit);
			memcpy(text + at, bit, n);
			break;
		default:
			text[at] ^= (char)(1 << rnd(8));
		}
	}
	return len;
}

static void a_thousand_damaged_files_are_read_or_refused_with_a_reason(void **state)
{
	static const char *const samples[] = { "two-node-udp.cfg", "two-node-multicast.cfg",
					       "active-active.cfg", "statistics.cfg",
					       "all-options.cfg" };
	static char whole[65536], text[65536];
	unsigned int refused = 0;
	char path[4096];
	size_t len;

	for (unsigned int i = 0; i < 1000; i++) {
		struct cts_config *c;
		FILE *fp;

		sample_path(samples[i % 5], path, sizeof(path));
		fp = fopen(path, "re");
		assert_non_null(fp);
		len = fread(whole, 1, sizeof(whole) / 2, fp);
		fclose(fp);
		memcpy(text, whole, len);
		len = damage(text, len, sizeof(text));
		snprintf(path, sizeof(path), "%s/broken.cfg", dir);
		fp = fopen(path, "we");
		assert_non_null(fp);
		fwrite(text, 1, len, fp);
		fclose(fp);
		c = load(path);
		refused += !c;
		if (!c)
			assert_true(strchr(got, '\n') != NULL);
		else
			assert_string_equal(got, "");
		for (const char *p = got; *p; p++)
			assert_true(*p == '\n' || (unsigned char)*p >= ' ');
		cts_config_free(c);
	}
	print_message("%u of 1000 were refused\n", refused);
	assert_true(refused > 300);
	unlink(path);
}

static int setup(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_sample_loads),
		cmocka_unit_test(each_option_that_exists_stands_in_the_sample_of_all_options),
		cmocka_unit_test(each_option_of_the_plugins_stands_there_too),
		cmocka_unit_test(each_broken_variant_gives_one_line_that_says_where),
		cmocka_unit_test(a_thousand_damaged_files_are_read_or_refused_with_a_reason),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
