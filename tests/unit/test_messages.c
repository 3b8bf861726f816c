/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bodies of messages: what is built is parsed, and every byte from outside is checked.
 * core/sync/messages.h, the reading side of wire.h. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/sync/base.h"
#include "core/sync/messages.h"
#include "tests/unit/flow_gen.h"

#define EPOCH UINT64_C(0x0102030405060708)

static uint8_t buf[1500];
static struct cts_wire_out out;

static struct cts_wire_out *begin(void)
{
	cts_wire_begin(&out, buf, sizeof(buf));
	return &out;
}

/* What was built, but for the last bytes. */
static struct cts_wire_in body(size_t without)
{
	assert_false(out.full);
	return (struct cts_wire_in){ .buf = buf + CTS_WIRE_HEADER,
				     .len = out.len - CTS_WIRE_HEADER - without };
}

static size_t built(void)
{
	return out.len - CTS_WIRE_HEADER;
}

/* ---- HELLO ---- */

static struct hello a_hello(void)
{
	return (struct hello){ .table_id = 11, .last = SEQUENCE_MAX - 1, .token = 13, .attrs = 14,
			       .waiting = 15, .waiting_ms = 16, .limit = 17, .uptime_s = 18,
			       .highest = 3, .lowest = 1, .capabilities = 21, .mode = 1,
			       .flags = 3, .name_len = 5, .name = "alice" };
}

static bool hello_passes(const struct hello *h, struct hello *read, size_t without)
{
	struct cts_wire_in in;

	build_hello(begin(), h);
	in = body(without);
	return parse_hello(&in, read);
}

static void a_hello_arrives_as_it_was(void **state)
{
	struct hello h = a_hello(), read;

	memset(&read, 0xff, sizeof(read));
	assert_true(hello_passes(&h, &read, 0));
	assert_int_equal(read.table_id, 11);
	assert_int_equal(read.last, h.last);
	assert_int_equal(read.token, 13);
	assert_int_equal(read.attrs, 14);
	assert_int_equal(read.waiting, 15);
	assert_int_equal(read.waiting_ms, 16);
	assert_int_equal(read.limit, 17);
	assert_int_equal(read.uptime_s, 18);
	assert_int_equal(read.highest, 3);
	assert_int_equal(read.lowest, 1);
	assert_int_equal(read.capabilities, 21);
	assert_int_equal(read.mode, 1);
	assert_int_equal(read.flags, 3);
	assert_int_equal(read.name_len, 5);
	assert_string_equal(read.name, "alice");
	for (size_t without = 1; without <= built(); without++)
		assert_false(hello_passes(&h, &read, without));
}

static void a_hello_that_cannot_be_is_refused(void **state)
{
	struct hello h = a_hello(), read;

	h.last++;
	assert_false(hello_passes(&h, &read, 0));
	h = a_hello();
	h.lowest = 3;
	assert_true(hello_passes(&h, &read, 0));
	h.lowest = 4;
	assert_false(hello_passes(&h, &read, 0));
	h = a_hello();
	h.name_len = 0;
	assert_false(hello_passes(&h, &read, 0));
	memset(h.name, 'n', sizeof(h.name));
	h.name_len = CTS_NAME_MAX;
	assert_true(hello_passes(&h, &read, 0));
	assert_int_equal(strlen(read.name), CTS_NAME_MAX);
	h.name_len++;
	assert_false(hello_passes(&h, &read, 0));
}

/* ---- reports and acknowledgements ---- */

static struct report a_report(void)
{
	return (struct report){ .node = 7, .epoch = EPOCH, .start = 5, .high = 100, .equal_at = 90,
				.flags = 6 };
}

static int report_passes(const struct report *r, struct report *read, size_t without)
{
	struct cts_wire_in in;

	build_report(begin(), r);
	in = body(without);
	return parse_report(&in, read);
}

static void a_report_arrives_as_it_was(void **state)
{
	struct report r = a_report(), read;

	assert_int_equal(report_passes(&r, &read, 0), 1);
	assert_int_equal(built(), REPORT_BYTES);
	assert_int_equal(read.node, 7);
	assert_int_equal(read.epoch, EPOCH);
	assert_int_equal(read.start, 5);
	assert_int_equal(read.high, 100);
	assert_int_equal(read.equal_at, 90);
	assert_int_equal(read.flags, 6);
	for (size_t without = 1; without < REPORT_BYTES; without++)
		assert_int_equal(report_passes(&r, &read, without), -1);
	assert_int_equal(report_passes(&r, &read, REPORT_BYTES), 0);
}

static void a_report_that_cannot_be_is_refused(void **state)
{
	struct report r, read;

	r = a_report(), r.epoch = 0;
	assert_int_equal(report_passes(&r, &read, 0), -1);
	r = a_report(), r.start = r.high + 1;        /* nothing yet */
	assert_int_equal(report_passes(&r, &read, 0), 1);
	r.start++;
	assert_int_equal(report_passes(&r, &read, 0), -1);
	r.start = 0;                                 /* out of step */
	assert_int_equal(report_passes(&r, &read, 0), 1);
	r = a_report(), r.high = SEQUENCE_MAX - 1;
	assert_int_equal(report_passes(&r, &read, 0), 1);
	r.high++;
	assert_int_equal(report_passes(&r, &read, 0), -1);
	r = a_report(), r.high = SEQUENCE_MAX - 1, r.start = SEQUENCE_MAX;
	assert_int_equal(report_passes(&r, &read, 0), -1);
	r = a_report(), r.equal_at = r.high;
	assert_int_equal(report_passes(&r, &read, 0), 1);
	r.equal_at++;
	assert_int_equal(report_passes(&r, &read, 0), -1);
}

static bool ack_passes(const struct report *r, const struct gaps *g, struct gaps *read, size_t without)
{
	struct cts_wire_in in;
	struct report got;

	build_ack(begin(), r, g);
	in = body(without);
	return parse_ack(&in, &got, read) && got.high == r->high;
}

static void gaps_arrive_as_they_were(void **state)
{
	struct report r = a_report();
	struct gaps g = { .n = GAPS_MAX }, read;

	r.high = 70000;
	for (uint64_t i = 0; i < GAPS_MAX; i++)
		g.range[i] = (struct cts_range){ r.high - 65535 + i * 1000, r.high - 65535 + i * 1000 + i };
	assert_true(ack_passes(&r, &g, &read, 0));
	assert_true(built() + CTS_WIRE_HEADER <= ACK_BYTES_MAX);
	assert_int_equal(read.n, GAPS_MAX);
	assert_memory_equal(read.range, g.range, sizeof(g.range));
	for (size_t without = 1; without <= built(); without++)
		assert_false(ack_passes(&r, &g, &read, without));
	/* Something behind it: another message than it says. */
	build_ack(begin(), &r, &g);
	cts_put_u8(&out, 0);
	struct cts_wire_in in = body(0);

	assert_false(parse_ack(&in, &r, &read));
}

static void gaps_that_cannot_be_are_refused(void **state)
{
	struct report r = a_report();
	struct gaps g = { .n = 2, .range = { { 10, 20 }, { 21, 30 } } }, read;
	struct cts_wire_in in;

	assert_true(ack_passes(&r, &g, &read, 0));
	g.range[1].from = 20;                        /* they overlap */
	assert_false(ack_passes(&r, &g, &read, 0));
	g = (struct gaps){ .n = 1, .range = { { 10, 100 } } };
	assert_true(ack_passes(&r, &g, &read, 0));   /* up to high */
	g.range[0].to = 101;
	assert_false(ack_passes(&r, &g, &read, 0));
	g.range[0] = (struct cts_range){ 0, 100 };
	assert_true(ack_passes(&r, &g, &read, 0));
	r.high = 99, r.equal_at = 0;
	build_report(begin(), &r);
	cts_put_u8(&out, 1);
	cts_put_u16(&out, 100);                      /* below 0 */
	cts_put_u16(&out, 0);
	in = body(0);
	assert_false(parse_ack(&in, &r, &read));
	build_report(begin(), &r);
	cts_put_u8(&out, GAPS_MAX + 1);
	for (unsigned int i = 0; i <= GAPS_MAX; i++) {
		cts_put_u16(&out, (uint16_t)(90 - i));
		cts_put_u16(&out, 0);
	}
	in = body(0);
	assert_false(parse_ack(&in, &r, &read));
	/* A report that cannot be has no gaps either. */
	r = a_report(), r.epoch = 0;
	g = (struct gaps){ .n = 0 };
	assert_false(ack_passes(&r, &g, &read, 0));
}

/* ---- the others ---- */

static void challenges_and_proofs(void **state)
{
	struct challenge c = { .to = 7, .epoch = EPOCH, .nonce = "fifteen bytes.." }, read;
	const uint8_t other[NONCE_LEN] = { 1 }, *nonce;
	struct cts_wire_in in;
	uint64_t table;

	build_challenge(begin(), &c);
	in = body(0);
	assert_true(parse_challenge(&in, &read));
	assert_int_equal(read.to, 7);
	assert_int_equal(read.epoch, EPOCH);
	assert_memory_equal(read.nonce, c.nonce, NONCE_LEN);
	in = body(1);
	assert_false(parse_challenge(&in, &read));
	c.epoch = 0;
	build_challenge(begin(), &c);
	in = body(0);
	assert_false(parse_challenge(&in, &read));

	build_proof(begin(), 99);
	build_proof_for(&out, 5, other);
	build_proof_for(&out, 7, c.nonce);
	assert_int_equal(built(), 8 + 2 * PROOF_FOR_BYTES);
	in = body(0);
	assert_true(parse_proof(&in, 7, &table, &nonce));
	assert_int_equal(table, 99);
	assert_memory_equal(nonce, c.nonce, NONCE_LEN);
	in = body(0);
	assert_true(parse_proof(&in, 5, &table, &nonce));
	assert_memory_equal(nonce, other, NONCE_LEN);
	in = body(0);
	assert_false(parse_proof(&in, 6, &table, &nonce));
	in = body(1);                                /* the nonce is cut off */
	assert_false(parse_proof(&in, 7, &table, &nonce));
}

static void starts(void **state)
{
	struct start s = { .to = 7, .epoch = EPOCH, .start = SEQUENCE_MAX - 1 }, read;
	struct cts_wire_in in;

	build_start(begin(), &s);
	in = body(0);
	assert_true(parse_start(&in, &read));
	assert_int_equal(read.to, 7);
	assert_int_equal(read.epoch, EPOCH);
	assert_int_equal(read.start, s.start);
	in = body(1);
	assert_false(parse_start(&in, &read));
	s.start++;
	build_start(begin(), &s);
	in = body(0);
	assert_false(parse_start(&in, &read));
}

static void questions(void **state)
{
	struct pull p = { .to = 7, .epoch = EPOCH, .start = 3, .what = PULL_LISTS, .level = 2,
			  .high = SEQUENCE_MAX - 1 }, read;
	struct cts_wire_in in;

	build_pull(begin(), &p);
	in = body(0);
	assert_true(parse_pull(&in, &read));
	assert_int_equal(read.to, 7);
	assert_int_equal(read.epoch, EPOCH);
	assert_int_equal(read.start, 3);
	assert_int_equal(read.what, PULL_LISTS);
	assert_int_equal(read.level, 2);
	assert_int_equal(read.flags, 0);
	assert_int_equal(read.high, p.high);
	pull_mark_last(&out);
	in = body(0);
	assert_true(parse_pull(&in, &read));
	assert_int_equal(read.flags, PULL_LAST);
	assert_int_equal(read.level, 2);
	in = body(1);
	assert_false(parse_pull(&in, &read));
	p.what = PULL_LISTS + 1;
	build_pull(begin(), &p);
	in = body(0);
	assert_false(parse_pull(&in, &read));
	p.what = PULL_LISTS, p.high++;
	build_pull(begin(), &p);
	in = body(0);
	assert_false(parse_pull(&in, &read));
}

static void parts_of_bitmaps(void **state)
{
	uint8_t map[32], read[33], want[33];
	struct cts_wire_in in;

	for (size_t i = 0; i < sizeof(map); i++)
		map[i] = (uint8_t)(i * 7 + 1);
	memset(read, 0, sizeof(read));
	read[10] = 0x80;                             /* what was there stays */
	memcpy(want, read, sizeof(want));
	for (size_t i = 10; i < 32; i++)
		want[i] |= map[i];
	build_bitmap(begin(), map, 10, 22);
	in = body(0);
	assert_true(parse_bitmap(&in, read, 32));
	assert_memory_equal(read, want, sizeof(want));
	in = body(1);
	assert_false(parse_bitmap(&in, read, 32));
	in = body(0);
	assert_false(parse_bitmap(&in, read, 31));   /* beyond the end */
	assert_memory_equal(read, want, sizeof(want));
}

/* ---- reading and writing ---- */

static void numbers_are_in_network_order(void **state)
{
	static const uint8_t want[] = { 0x12, 0x12, 0x34, 0x12, 0x34, 0x56, 0x12, 0x34, 0x56, 0x78,
					0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc,
					0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0 };
	struct cts_wire_in in;

	cts_put_u8(begin(), 0x12);
	cts_put_u16(&out, 0x1234);
	cts_put_u24(&out, 0x123456);
	cts_put_u32(&out, 0x12345678);
	cts_put_u48(&out, UINT64_C(0x123456789abc));
	cts_put_u64(&out, UINT64_C(0x123456789abcdef0));
	assert_int_equal(built(), sizeof(want));
	assert_memory_equal(buf + CTS_WIRE_HEADER, want, sizeof(want));
	in = body(0);
	assert_int_equal(cts_get_u8(&in), 0x12);
	assert_int_equal(cts_get_u16(&in), 0x1234);
	assert_int_equal(cts_get_u24(&in), 0x123456);
	assert_int_equal(cts_get_u32(&in), 0x12345678);
	assert_int_equal(cts_get_u48(&in), UINT64_C(0x123456789abc));
	assert_int_equal(cts_get_u64(&in), UINT64_C(0x123456789abcdef0));
	assert_false(in.bad);
	assert_int_equal(cts_wire_left(&in), 0);
	assert_int_equal(cts_get_u8(&in), 0);
	assert_true(in.bad);
}

/* What was cut off once stays bad, even where a shorter field would fit. */
static void an_overrun_is_remembered(void **state)
{
	struct cts_wire_in in;

	cts_put_u16(begin(), 0x1234);
	in = body(0);
	assert_int_equal(cts_get_u32(&in), 0);
	assert_true(in.bad);
	assert_int_equal(cts_get_u8(&in), 0);
	assert_int_equal(cts_wire_left(&in), 0);

	cts_wire_begin(&out, buf, CTS_WIRE_HEADER + 2);
	cts_put_u32(&out, 1);
	assert_true(out.full);
	cts_put_u8(&out, 1);
	assert_int_equal(out.len, CTS_WIRE_HEADER);
	cts_wire_begin(&out, buf, CTS_WIRE_HEADER - 1);
	assert_true(out.full);
	cts_wire_begin(&out, buf, CTS_WIRE_HEADER);
	assert_false(out.full);
}

static enum cts_wire_error opened(uint8_t type, uint8_t flags, size_t len)
{
	struct cts_wire_header h = { .type = type, .flags = flags, .cluster = 1, .node = 2,
				     .epoch = 3, .number = 4 }, read;
	struct cts_wire_in in;
	size_t n;

	cts_put_u32(begin(), 7);
	n = cts_wire_finish(&out, &h);
	assert_int_equal(n, CTS_WIRE_HEADER + 4);
	enum cts_wire_error error = cts_wire_open(buf, len ? len : n, &read, &in);

	if (!error) {
		assert_int_equal(read.version, CTS_WIRE_VERSION);
		assert_int_equal(read.type, type);
		assert_int_equal(read.flags, flags);
		assert_int_equal(read.length, n);
		assert_int_equal(read.cluster, 1);
		assert_int_equal(read.node, 2);
		assert_int_equal(read.epoch, 3);
		assert_int_equal(read.number, 4);
		assert_int_equal(cts_wire_left(&in), 4);
	}
	return error;
}

static void headers(void **state)
{
	struct cts_wire_header h;
	struct cts_wire_in in;

	for (unsigned int type = 0; type < 256; type++)
		assert_int_equal(opened((uint8_t)type, 0, 0),
				 type >= CTS_MSG_HELLO && type <= CTS_MSG_BYE ? CTS_WIRE_OK
									      : CTS_WIRE_BAD_TYPE);
	for (unsigned int flags = 1; flags < 256; flags++) {
		assert_int_equal(opened(CTS_MSG_DATA, (uint8_t)flags, 0),
				 flags == CTS_WIRE_ACK_NOW ? CTS_WIRE_OK : CTS_WIRE_BAD_TYPE);
		assert_int_equal(opened(CTS_MSG_ACK, (uint8_t)flags, 0), CTS_WIRE_BAD_TYPE);
	}
	assert_int_equal(opened(CTS_MSG_DATA, 0, CTS_WIRE_HEADER - 1), CTS_WIRE_BAD_LENGTH);
	assert_int_equal(opened(CTS_MSG_DATA, 0, CTS_WIRE_HEADER), CTS_WIRE_BAD_LENGTH);
	assert_int_equal(opened(CTS_MSG_DATA, 0, CTS_WIRE_HEADER + 5), CTS_WIRE_BAD_LENGTH);
	/* Shorter than a header, and it says so itself. */
	opened(CTS_MSG_DATA, 0, 0);
	buf[6] = 0;
	buf[7] = 20;
	assert_int_equal(cts_wire_open(buf, 20, &h, &in), CTS_WIRE_BAD_LENGTH);
	opened(CTS_MSG_DATA, 0, 0);
	buf[0]++;
	assert_int_equal(cts_wire_open(buf, CTS_WIRE_HEADER + 4, &h, &in), CTS_WIRE_BAD_MAGIC);
	buf[0]--;
	buf[2]++;
	assert_int_equal(cts_wire_open(buf, CTS_WIRE_HEADER + 4, &h, &in), CTS_WIRE_BAD_VERSION);
	buf[2]--;
	buf[CTS_WIRE_HEADER + 3]++;
	assert_int_equal(cts_wire_open(buf, CTS_WIRE_HEADER + 4, &h, &in), CTS_WIRE_BAD_CRC);
}

static void lengths_have_an_end(void **state)
{
	uint8_t *large = calloc(1, CTS_WIRE_MAX + 2);
	struct cts_wire_header h = { .type = CTS_MSG_DATA };
	struct cts_wire_in in;

	assert_non_null(large);
	cts_wire_begin(&out, large, CTS_WIRE_MAX + 2);
	out.len = CTS_WIRE_MAX + 1;
	assert_int_equal(cts_wire_finish(&out, &h), 0);
	assert_int_equal(cts_wire_open(large, CTS_WIRE_MAX + 1, &h, &in), CTS_WIRE_BAD_LENGTH);
	out.len = CTS_WIRE_MAX;
	assert_int_equal(cts_wire_finish(&out, &h), CTS_WIRE_MAX);
	assert_int_equal(cts_wire_open(large, CTS_WIRE_MAX, &h, &in), CTS_WIRE_OK);
	free(large);
}

static void records_have_short_and_long_lengths(void **state)
{
	struct cts_record rec;
	struct cts_wire_in in;

	cts_put_u8(begin(), 0x7f);
	cts_put_u8(&out, 1);
	cts_put_u8(&out, 0xaa);
	cts_put_u8(&out, 0x80);
	cts_put_u16(&out, 0x0101);
	out.len += 0x0101;
	cts_put_u8(&out, 0x01);
	cts_put_u8(&out, 0);
	in = body(0);
	assert_int_equal(cts_record_next(&in, &rec), 1);
	assert_int_equal(rec.type, 0x7f);
	assert_int_equal(rec.len, 1);
	assert_int_equal(rec.data[0], 0xaa);
	assert_int_equal(cts_record_next(&in, &rec), 1);
	assert_int_equal(rec.type, 0x80);
	assert_int_equal(rec.len, 0x0101);
	assert_int_equal(cts_record_next(&in, &rec), 1);
	assert_int_equal(rec.len, 0);
	assert_int_equal(cts_record_next(&in, &rec), 0);
	in = body(1);
	cts_record_next(&in, &rec);
	cts_record_next(&in, &rec);
	assert_int_equal(cts_record_next(&in, &rec), -1);
	assert_int_equal(cts_record_next(&in, &rec), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hello_arrives_as_it_was),
		cmocka_unit_test(a_hello_that_cannot_be_is_refused),
		cmocka_unit_test(a_report_arrives_as_it_was),
		cmocka_unit_test(a_report_that_cannot_be_is_refused),
		cmocka_unit_test(gaps_arrive_as_they_were),
		cmocka_unit_test(gaps_that_cannot_be_are_refused),
		cmocka_unit_test(challenges_and_proofs),
		cmocka_unit_test(starts),
		cmocka_unit_test(questions),
		cmocka_unit_test(parts_of_bitmaps),
		cmocka_unit_test(numbers_are_in_network_order),
		cmocka_unit_test(an_overrun_is_remembered),
		cmocka_unit_test(headers),
		cmocka_unit_test(lengths_have_an_end),
		cmocka_unit_test(records_have_short_and_long_lengths),
	};

	return cmocka_run_group_tests_name("messages", tests, NULL, NULL);
}
