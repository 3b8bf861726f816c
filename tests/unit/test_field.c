/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of fields: what it reads of generated flows stands in their text line. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <ctsync/text.h>

#include "core/flow/field.h"
#include "tests/unit/flow_gen.h"

#define FLOWS 20000

static const char *text_of(enum cts_field_id id, const struct cts_flow *f, char *buf, size_t size)
{
	struct cts_line l = { buf, buf + size - 1, false };
	struct cts_field_value v;

	if (!cts_field_read(&cts_fields[id], f, &v))
		assert_int_equal(v.present, 0);
	cts_field_put(&l, &cts_fields[id], &v, NULL);
	assert_false(l.full);
	*l.at = '\0';
	return buf;
}

/* What follows the nth occurrence of key in line, up to a space, NULL: not so many. */
static const char *word_after(const char *line, const char *key, int nth, char *buf, size_t size)
{
	size_t len;

	for (line = strstr(line, key); line && nth; nth--)
		line = strstr(line + 1, key);
	if (!line)
		return NULL;
	line += strlen(key);
	len = strcspn(line, " ");
	assert_true(len < size);
	memcpy(buf, line, len);
	buf[len] = '\0';
	return buf;
}

static const struct {
	enum cts_field_id id;
	const char *key;     /* in the text line */
	int nth;
} in_text[] = {
	{ CTS_FIELD_SRC, " src=", 0 }, { CTS_FIELD_DST, " dst=", 0 },
	{ CTS_FIELD_REPLY_SRC, " src=", 1 }, { CTS_FIELD_REPLY_DST, " dst=", 1 },
	{ CTS_FIELD_SPORT, " sport=", 0 }, { CTS_FIELD_DPORT, " dport=", 0 },
	{ CTS_FIELD_REPLY_SPORT, " sport=", 1 }, { CTS_FIELD_REPLY_DPORT, " dport=", 1 },
	{ CTS_FIELD_ICMP_TYPE, " type=", 0 }, { CTS_FIELD_ICMP_CODE, " code=", 0 },
	{ CTS_FIELD_ICMP_ID, " id=", 0 }, { CTS_FIELD_MARK, " mark=", 0 },
	{ CTS_FIELD_SECMARK, " secmark=", 0 }, { CTS_FIELD_ZONE, " zone=", 0 },
	{ CTS_FIELD_ZONE_ORIG, " zone-orig=", 0 }, { CTS_FIELD_ZONE_REPLY, " zone-reply=", 0 },
	{ CTS_FIELD_HELPER, " helper=", 0 },
};

static void check_flow(const struct cts_flow *f)
{
	char line[CTS_LINE_MAX], got[256], want[256];

	assert_int_not_equal(cts_flow_format(f, 0, 0, NULL, line, sizeof(line)), 0);
	for (size_t i = 0; i < sizeof(in_text) / sizeof(in_text[0]); i++) {
		const char *word = word_after(line, in_text[i].key, in_text[i].nth, want, 256);

		if (f->orig.proto == IPPROTO_GRE && cts_fields[in_text[i].id].type ==
						    CTS_FIELD_TYPE_BE16)
			continue;  /* keys have names of their own there */
		text_of(in_text[i].id, f, got, sizeof(got));
		if (strcmp(got, word ? word : "-")) {
			print_error("%s: `%s' is not that of: %s\n", cts_fields[in_text[i].id].name,
				    got, line);
			fail();
		}
	}
}

static void reads_what_the_text_line_shows(void **state)
{
	struct cts_flow_store store;
	struct rng r = { 20261125 };

	(void)state;
	for (int i = 0; i < FLOWS; i++) {
		gen_flow(&r, &store);
		check_flow(&store.flow);
	}
}

static void names_values(void **state)
{
	struct cts_flow f = { .present = CTS_FLOW_BIT(CTS_FLOW_ORIG) };
	char buf[256];

	(void)state;
	f.orig.proto = IPPROTO_ESP;
	f.orig.family = AF_INET6;
	assert_string_equal(text_of(CTS_FIELD_PROTO, &f, buf, sizeof(buf)), "50");
	assert_string_equal(text_of(CTS_FIELD_FAMILY, &f, buf, sizeof(buf)), "ipv6");
	assert_string_equal(text_of(CTS_FIELD_STATUS, &f, buf, sizeof(buf)), "-");
	assert_string_equal(text_of(CTS_FIELD_STATE, &f, buf, sizeof(buf)), "-");
	f.orig.proto = IPPROTO_TCP;
	f.status = 1 << 1 | 1 << 2;
	f.tcp_state = 3;
	f.labels = (const uint32_t[]){ 1, 0, 0, 0x80000000 };
	f.labels_len = 16;
	f.present |= CTS_FLOW_BIT(CTS_FLOW_STATUS) | CTS_FLOW_BIT(CTS_FLOW_TCP_STATE) |
		     CTS_FLOW_BIT(CTS_FLOW_LABELS);
	assert_string_equal(text_of(CTS_FIELD_PROTO, &f, buf, sizeof(buf)), "tcp");
	assert_string_equal(text_of(CTS_FIELD_STATUS, &f, buf, sizeof(buf)), "SEEN_REPLY,ASSURED");
	assert_string_equal(text_of(CTS_FIELD_STATE, &f, buf, sizeof(buf)), "ESTABLISHED");
	assert_string_equal(text_of(CTS_FIELD_LABEL, &f, buf, sizeof(buf)), "0,127");
}

static void finds_each_by_its_whole_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < CTS_FIELD_MAX; i++) {
		assert_ptr_equal(cts_field_find(cts_fields[i].name, strlen(cts_fields[i].name)), &cts_fields[i]);
		assert_true(cts_fields[i].offset + cts_fields[i].width <= sizeof(struct cts_flow));
		assert_true(cts_fields[i].json && *cts_fields[i].json);
	}
	assert_null(cts_field_find("sr", 2));
	assert_null(cts_field_find("srcs", 4));
	assert_null(cts_field_find("", 0));
}

/* Grouping hashes whole values: what differs to people must differ in bytes. */
static void tells_families_and_protocols_apart(void **state)
{
	struct cts_flow a = { .present = CTS_FLOW_BIT(CTS_FLOW_ORIG) }, b = a;
	struct cts_field_value x, y;

	(void)state;
	a.orig.family = AF_INET;
	b.orig.family = AF_INET6;
	a.orig.src.v4 = b.orig.src.v6[0] = 0x01020304;
	cts_field_read(&cts_fields[CTS_FIELD_SRC], &a, &x);
	cts_field_read(&cts_fields[CTS_FIELD_SRC], &b, &y);
	assert_memory_not_equal(&x, &y, sizeof(x));
	a.present |= CTS_FLOW_BIT(CTS_FLOW_TCP_STATE);
	b.present |= CTS_FLOW_BIT(CTS_FLOW_SCTP_STATE);
	a.tcp_state = b.sctp_state = 4;
	cts_field_read(&cts_fields[CTS_FIELD_STATE], &a, &x);
	cts_field_read(&cts_fields[CTS_FIELD_STATE], &b, &y);
	assert_memory_not_equal(&x, &y, sizeof(x));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_the_text_line_shows),
		cmocka_unit_test(names_values),
		cmocka_unit_test(finds_each_by_its_whole_name),
		cmocka_unit_test(tells_families_and_protocols_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
