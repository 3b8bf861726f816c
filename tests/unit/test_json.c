/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/unit/output_fixture.h"

static char path[] = "/tmp/ctsync-json-XXXXXX";

/* The line for a flow whose helper has this name. */
static const char *line_of(const char *helper, size_t len)
{
	static char text[8192];
	struct cts_flow flow = tcp_flow();
	struct cts_event ev = { .flow = &flow, .origin = CTS_ORIGIN_DUMP };
	char options[64];
	struct output o;
	FILE *fp;
	size_t n;

	flow.present |= CTS_FLOW_BIT(CTS_FLOW_HELPER);
	flow.helper = helper;
	flow.helper_len = (uint16_t)len;
	assert_int_equal(truncate(path, 0), 0);
	snprintf(options, sizeof(options), "file=%s", path);
	o = output_open("json", options);
	assert_non_null(o.priv);
	assert_int_equal(output_event(&o, &ev), 0);
	output_close(&o);
	fp = fopen(path, "re");
	assert_non_null(fp);
	n = fread(text, 1, sizeof(text) - 1, fp);
	fclose(fp);
	text[n] = '\0';
	return text;
}

static void check(const char *helper, size_t len, const char *want)
{
	char member[128];

	snprintf(member, sizeof(member), "\"helper\":\"%s\"", want);
	if (!strstr(line_of(helper, len), member))
		fail_msg("no %s in %s", member, line_of(helper, len));
}
#define CHECK(text, want) check(text, sizeof(text) - 1, want)

static void quotes_and_control_characters_are_escaped(void **state)
{
	CHECK("ftp", "ftp");
	CHECK("a\"b\\c", "a\\\"b\\\\c");
	CHECK("\n\x01\x7f", "\\u000a\\u0001\\u007f");
	CHECK("a\0b", "a\\u0000b");
}

static void utf8_stays(void **state)
{
	CHECK("\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80");
	CHECK("\xed\x9f\xbf\xf4\x8f\xbf\xbf", "\xed\x9f\xbf\xf4\x8f\xbf\xbf");
}

static void what_is_no_utf8_is_shown_byte_by_byte(void **state)
{
	CHECK("\xc3", "\\u00c3");
	CHECK("x\xe2\x82", "x\\u00e2\\u0082");
	CHECK("\xc0\xaf", "\\u00c0\\u00af");
	CHECK("\xe0\x80\xaf", "\\u00e0\\u0080\\u00af");
	CHECK("\xed\xa0\x80", "\\u00ed\\u00a0\\u0080");
	CHECK("\xf4\x90\x80\x80", "\\u00f4\\u0090\\u0080\\u0080");
	CHECK("\xff" "a", "\\u00ffa");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quotes_and_control_characters_are_escaped),
		cmocka_unit_test(utf8_stays),
		cmocka_unit_test(what_is_no_utf8_is_shown_byte_by_byte),
	};
	int fd = mkstemp(path), failed;

	if (fd < 0)
		return 1;
	close(fd);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}
