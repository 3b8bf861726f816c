/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bytes of every message, as doc/WIRE.md prints them, and damage to them. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/sync/engine.h"
#include "core/sync/messages.h"

#define MS UINT64_C(1000000)
#define VECTORS_MAX 1024u

/* A UDP flow of 10.0.0.1:1024 to 10.0.0.2:53, status, timeout and mark. */
static const uint8_t flow[] = {
	0x00, 0x11, 0x0a, 0x00, 0x00, 0x01, 0x0a, 0x00, 0x00, 0x02, 0x04, 0x00, 0x00, 0x35,
	0x0a, 0x01, 0x8a, 0x11, 0xb4, 0x19, 0x07,
};

struct vector {
	uint8_t type;
	char from;
	size_t len;
	uint8_t data[1472];
};

struct end_point {
	struct cts_engine *engine;
	size_t max_message;
	char name;
	uint8_t next_random;
	struct vector *out;
	unsigned int *n_out;
};

static int point_send(void *ctx, const struct iovec *msg, unsigned int n, uint32_t to)
{
	struct end_point *p = ctx;
	unsigned int i;

	(void)to;
	for (i = 0; i < n && *p->n_out < VECTORS_MAX; i++) {
		struct vector *v = &p->out[(*p->n_out)++];

		v->len = msg[i].iov_len;
		memcpy(v->data, msg[i].iov_base, v->len);
		v->type = v->data[3];
		v->from = p->name;
	}
	return (int)n;
}

static size_t point_max_message(void *ctx)
{
	return ((struct end_point *)ctx)->max_message;
}

/* a's random bytes are 11 11 ..., b's 22 22 ... */
static void point_random(void *ctx, void *buf, size_t len)
{
	memset(buf, ((struct end_point *)ctx)->next_random, len);
}

static void point_received(void *ctx, unsigned int link, uint32_t peer, uint32_t node)
{
	(void)ctx;
	(void)link;
	(void)peer;
	(void)node;
}

static void point_start(struct end_point *p, const char *name, uint8_t random, uint64_t table)
{
	static const struct cts_engine_ops ops = {
		.send = point_send, .max_message = point_max_message, .random = point_random,
		.received = point_received,
	};
	const struct cts_engine_conf conf = {
		.cluster = "default", .node_name = name, .table_id = table, .cache_limit = 1000,
		.dead_after_ms = 2000, .purge_timeout_s = 60, .startup_resync = true,
	};

	p->name = *name;
	p->next_random = random;
	p->engine = cts_engine_create(&conf, &ops, p, 0);
	assert_non_null(p->engine);
}

/* Two nodes meet, one has a flow, deletes it and leaves. Returns what they said. */
static unsigned int conversation(struct vector *v)
{
	struct end_point a = { .out = v, .max_message = 1472 }, b = a;
	unsigned int n = 0, done = 0, t;

	a.n_out = b.n_out = &n;
	point_start(&a, "a", 0x11, 1);
	point_start(&b, "b", 0x22, 2);
	cts_engine_put(a.engine, flow, sizeof(flow), true, 0);
	cts_engine_run(a.engine, 0);
	cts_engine_table_ready(a.engine, 0);
	for (t = 1; t < 400; t++) {
		if (t == 350)
			cts_engine_gone(a.engine, cts_engine_find(a.engine, flow, 14), t * MS);
		if (t == 390)
			cts_engine_bye(a.engine, t * MS);
		cts_engine_run(a.engine, t * MS);
		cts_engine_run(b.engine, t * MS);
		for (; done < n; done++) {
			struct iovec msg = { v[done].data, v[done].len };

			cts_engine_receive(v[done].from == 'a' ? b.engine : a.engine, 0, 1, &msg, 1,
					   t * MS);
		}
	}
	assert_true(n < VECTORS_MAX);
	cts_engine_destroy(a.engine);
	cts_engine_destroy(b.engine);
	return n;
}

/* The same two in a conversation that loses messages: a's second flow is lost, so b
 * reports a gap and a repairs it; then nothing arrives for longer than both wait, and a
 * deletes a flow meanwhile: sums are pulled level by level, a list, and the flow is
 * dropped. Messages are small, so that SUMS take a whole one. */
static unsigned int lossy_conversation(struct vector *v)
{
	struct end_point a = { .out = v, .max_message = CTS_WIRE_MIN_MAX }, b = a;
	unsigned int n = 0, done = 0, t;
	uint8_t other[sizeof(flow)];

	memcpy(other, flow, sizeof(other));
	other[10] = 0x05;  /* its port is 1280 */
	a.n_out = b.n_out = &n;
	point_start(&a, "a", 0x11, 1);
	point_start(&b, "b", 0x22, 2);
	cts_engine_put(a.engine, flow, sizeof(flow), true, 0);
	cts_engine_run(a.engine, 0);
	cts_engine_table_ready(a.engine, 0);
	for (t = 1; t < 4000; t++) {
		bool cut = t == 350 || (t >= 1000 && t < 3100);

		if (t == 350)
			cts_engine_put(a.engine, other, sizeof(other), true, t * MS);
		if (t == 1100)
			cts_engine_gone(a.engine, cts_engine_find(a.engine, other, 14), t * MS);
		cts_engine_run(a.engine, t * MS);
		cts_engine_run(b.engine, t * MS);
		for (; done < n; done++) {
			struct iovec msg = { v[done].data, v[done].len };

			if (!cut)
				cts_engine_receive(v[done].from == 'a' ? b.engine : a.engine, 0, 1,
						   &msg, 1, t * MS);
		}
	}
	assert_true(n < VECTORS_MAX);
	cts_engine_destroy(a.engine);
	cts_engine_destroy(b.engine);
	return n;
}

/* What a vector shows: bits 1 to 8 the types, 9 an ACK with a gap, 10 and up what a PULL
 * asks for, 16 and up the records of DATA. */
#define SHOWS_GAP (1u << 9)
#define SHOWS_PULL(what) (1u << (10 + (what)))
#define SHOWS_RECORD(type) (1u << (16 + ((type) & 0x7f) + ((type) & 0x80 ? 4 : 0)))
#define GAPS_AT (CTS_WIRE_HEADER + 37u)    /* how many an ACK has */
#define PULL_AT (CTS_WIRE_HEADER + 20u)    /* what a PULL asks for */

/* SUMS of empty leaves alone would show little. */
static bool all_empty(const struct cts_record *sums)
{
	size_t i;

	for (i = 3; i < sums->len; i++)
		if (sums->data[i])
			return false;
	return true;
}

static uint32_t shows(const struct vector *v)
{
	struct cts_wire_header h;
	struct cts_wire_in in;
	struct cts_record rec;
	uint32_t bits = 0;

	assert_int_equal(cts_wire_open(v->data, v->len, &h, &in), CTS_WIRE_OK);
	if (v->type == CTS_MSG_ACK && v->data[GAPS_AT])
		return SHOWS_GAP;
	if (v->type == CTS_MSG_PULL)
		return 1u << v->type | SHOWS_PULL(v->data[PULL_AT]);
	if (v->type != CTS_MSG_DATA)
		return 1u << v->type;
	cts_get_u16(&in);
	while (cts_record_next(&in, &rec) > 0)
		if (rec.type != CTS_REC_SUMS || !all_empty(&rec))
			bits |= SHOWS_RECORD(rec.type);
	return bits;
}

/* The first of each kind is what doc/WIRE.md prints. */
static bool is_new(const struct vector *v, uint32_t *seen)
{
	uint32_t bits = shows(v);

	if (!(bits & ~*seen))
		return false;
	*seen |= bits;
	return true;
}

static void vector_hex(const struct vector *v, char *out)
{
	size_t i;

	for (i = 0; i < v->len; i++)
		snprintf(out + 2 * i, 3, "%02x", v->data[i]);
}

static bool printed_in(const char *doc, const struct vector *v)
{
	char hex[2 * sizeof(v->data) + 1];

	vector_hex(v, hex);
	return strstr(doc, hex);
}

/* doc/WIRE.md, without white space: its lines of bytes run on. */
static char *read_doc(void)
{
	const char *src = getenv("CTS_SRC");
	char path[4096], *doc = malloc(1 << 20);
	size_t n = 0;
	FILE *fp;
	int c;

	assert_non_null(doc);
	snprintf(path, sizeof(path), "%s/doc/WIRE.md", src ? src : ".");
	fp = fopen(path, "re");
	assert_non_null(fp);
	while ((c = fgetc(fp)) != EOF && n < (1 << 20) - 1)
		if (c != ' ' && c != '\n' && c != '\t')
			doc[n++] = (char)c;
	doc[n] = '\0';
	fclose(fp);
	return doc;
}

/* Those of v[n] that show something new and are not in doc. */
static unsigned int count_missing(const struct vector *v, unsigned int n, const char *doc,
				  uint32_t *seen)
{
	char hex[2 * sizeof(v->data) + 1];
	unsigned int i, missing = 0;

	for (i = 0; i < n; i++) {
		if (!is_new(&v[i], seen) || printed_in(doc, &v[i]))
			continue;
		vector_hex(&v[i], hex);
		fprintf(stderr, "type %u from %c: %s\n", v[i].type, v[i].from, hex);
		missing++;
	}
	return missing;
}

static void every_message_is_as_documented(void **state)
{
	static const uint8_t records[] = { CTS_REC_UPSERT, CTS_REC_DELETE, CTS_REC_DROP,
					   CTS_REC_DIGEST, CTS_REC_SUMS };
	struct vector *v = calloc(VECTORS_MAX, sizeof(*v));
	uint32_t seen = 0, all = SHOWS_GAP | SHOWS_PULL(PULL_ALL) | SHOWS_PULL(PULL_SUMS) |
				 SHOWS_PULL(PULL_LISTS);
	unsigned int i, missing;
	char *doc = read_doc();

	(void)state;
	assert_non_null(v);
	missing = count_missing(v, conversation(v), doc, &seen);
	missing += count_missing(v, lossy_conversation(v), doc, &seen);
	assert_int_equal(missing, 0);
	for (i = CTS_MSG_HELLO; i < CTS_MSG_MAX; i++)
		all |= i == CTS_MSG_DATA ? 0 : 1u << i;  /* that by its records */
	for (i = 0; i < sizeof(records); i++)
		all |= SHOWS_RECORD(records[i]);
	assert_int_equal(seen, all);
	free(doc);
	free(v);
}

static void every_damaged_bit_is_noticed(void **state)
{
	struct vector *v = calloc(VECTORS_MAX, sizeof(*v));
	struct cts_wire_header h;
	struct cts_wire_in in;
	unsigned int i, n;
	size_t bit, len;

	(void)state;
	assert_non_null(v);
	n = conversation(v);
	for (i = 0; i < n; i++) {
		for (bit = 0; bit < v[i].len * 8; bit++) {
			v[i].data[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_int_not_equal(cts_wire_open(v[i].data, v[i].len, &h, &in), CTS_WIRE_OK);
			v[i].data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		for (len = 0; len < v[i].len; len++)
			assert_int_not_equal(cts_wire_open(v[i].data, len, &h, &in), CTS_WIRE_OK);
	}
	free(v);
}

static void the_checksum_is_crc32c(void **state)
{
	const char *text = "123456789";
	uint8_t zeros[32] = { 0 };
	uint32_t crc;

	(void)state;
	assert_int_equal(cts_crc32c(0, text, 9), 0xe3069283u);
	assert_int_equal(cts_crc32c(0, zeros, sizeof(zeros)), 0x8a9136aau);  /* RFC 3720, B.4 */
	crc = cts_crc32c(0, text, 4);
	assert_int_equal(cts_crc32c(crc, text + 4, 5), 0xe3069283u);
}

static void records_that_run_over_are_refused(void **state)
{
	static const uint8_t shorter[] = { CTS_REC_UPSERT, 5, 1, 2, 3, 4 };
	static const uint8_t wide[] = { CTS_REC_SUMS, 0, 4, 1, 2, 3 };
	static const uint8_t whole[] = { 0x7f, 2, 1, 2, 0xff, 0, 1, 9 };
	struct cts_wire_in in = { .buf = shorter, .len = sizeof(shorter) };
	struct cts_record rec;
	size_t len;

	(void)state;
	assert_int_equal(cts_record_next(&in, &rec), -1);
	assert_int_equal(cts_record_next(&in, &rec), -1);
	for (len = 1; len <= sizeof(wide); len++) {
		in = (struct cts_wire_in){ .buf = wide, .len = len };
		assert_int_equal(cts_record_next(&in, &rec), -1);
	}
	in = (struct cts_wire_in){ .buf = whole, .len = sizeof(whole) };
	assert_int_equal(cts_record_next(&in, &rec), 1);  /* unknown types can be skipped */
	assert_int_equal(rec.len, 2);
	assert_int_equal(cts_record_next(&in, &rec), 1);
	assert_int_equal(rec.data[0], 9);
	assert_int_equal(cts_record_next(&in, &rec), 0);
}

static void what_does_not_fit_is_not_sent(void **state)
{
	struct cts_wire_header h = { .type = CTS_MSG_BYE };
	uint8_t buf[CTS_WIRE_HEADER + 3];
	struct cts_wire_out out;

	(void)state;
	cts_wire_begin(&out, buf, sizeof(buf));
	cts_put_u32(&out, 1);
	assert_int_equal(cts_wire_finish(&out, &h), 0);
	cts_wire_begin(&out, buf, CTS_WIRE_HEADER - 1);
	assert_int_equal(cts_wire_finish(&out, &h), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_is_as_documented),
		cmocka_unit_test(every_damaged_bit_is_noticed),
		cmocka_unit_test(the_checksum_is_crc32c),
		cmocka_unit_test(records_that_run_over_are_refused),
		cmocka_unit_test(what_does_not_fit_is_not_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
