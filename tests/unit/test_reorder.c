/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages that came before their turn: core/sync/recv/reorder.h. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/sync/recv/reorder.h"
#include "tests/unit/flow_gen.h"

#define SEQUENCES 256u

/* A body that only this sequence number has. */
static size_t body_of(uint64_t seq, uint8_t buf[SEQUENCES])
{
	size_t len = (size_t)(seq % SEQUENCES);

	memset(buf, (int)seq, SEQUENCES);
	return len;
}

static enum reorder_put put(struct reorder *r, uint64_t seq)
{
	uint8_t body[SEQUENCES];
	size_t len = body_of(seq, body);

	return reorder_put(r, seq, body, len);
}

static bool take(struct reorder *r, uint64_t seq)
{
	uint8_t want[SEQUENCES], *body = NULL;
	size_t len = 0;

	if (!reorder_take(r, seq, &body, &len))
		return false;
	assert_int_equal(len, body_of(seq, want));
	assert_memory_equal(body, want, len);
	free(body);
	return true;
}

/* How many are kept above seq. */
static unsigned int reorder_above(const struct reorder *r, uint64_t seq)
{
	unsigned int n = 0;

	for (unsigned int i = 0; r->n && i < REORDER_MAX; i++)
		n += r->held[i].seq > seq;
	return n;
}

struct model {
	bool kept[SEQUENCES];
	unsigned int n;
};

static void check(const struct reorder *r, const struct model *m, uint64_t above)
{
	unsigned int n_above = 0;
	uint64_t lowest = 0;
	size_t bytes = 0;

	for (uint64_t seq = SEQUENCES - 1; seq; seq--) {
		if (!m->kept[seq])
			continue;
		lowest = seq;
		n_above += seq > above;
		bytes += seq % SEQUENCES;
	}
	assert_int_equal(r->n, m->n);
	assert_int_equal(r->bytes, bytes);
	assert_int_equal(reorder_lowest(r), lowest);
	assert_int_equal(reorder_above(r, above), n_above);
}

static void it_keeps_what_a_plain_set_keeps(void **state)
{
	struct rng any = { 1 };
	struct reorder r;
	struct model m;
	unsigned int full = 0;

	memset(&r, 0, sizeof(r));
	memset(&m, 0, sizeof(m));
	for (int i = 0; i < 200000; i++) {
		uint64_t seq = 1 + rng_below(&any, SEQUENCES - 1);

		switch (rng_below(&any, 100)) {
		default: {
			enum reorder_put want = m.kept[seq] ? REORDER_DUPLICATE :
						m.n == REORDER_MAX ? REORDER_FULL : REORDER_KEPT;

			assert_int_equal(put(&r, seq), want);
			full += want == REORDER_FULL;
			m.n += want == REORDER_KEPT;
			m.kept[seq] |= want == REORDER_KEPT;
			break;
		}
		case 0 ... 29:
			assert_int_equal(take(&r, seq), m.kept[seq]);
			m.n -= m.kept[seq];
			m.kept[seq] = false;
			break;
		case 30:
			reorder_drop(&r, seq);
			for (uint64_t s = 1; s <= seq; s++) {
				m.n -= m.kept[s];
				m.kept[s] = false;
			}
			break;
		}
		check(&r, &m, rng_below(&any, SEQUENCES));
	}
	assert_true(full > 1000);
	reorder_drop(&r, UINT64_MAX);
	assert_int_equal(r.n, 0);
	assert_int_equal(r.bytes, 0);
	assert_int_equal(reorder_lowest(&r), 0);
}

static void the_bytes_it_keeps_are_limited(void **state)
{
	size_t half = REORDER_BYTES_MAX / 2;
	uint8_t *large = calloc(1, half), *body;
	struct reorder r;
	size_t len;

	assert_non_null(large);
	memset(&r, 0, sizeof(r));
	assert_int_equal(reorder_put(&r, 1, large, half), REORDER_KEPT);
	assert_int_equal(reorder_put(&r, 2, large, half), REORDER_KEPT);
	assert_int_equal(reorder_put(&r, 3, large, 1), REORDER_FULL);
	assert_int_equal(reorder_put(&r, 3, large, 0), REORDER_KEPT);
	assert_int_equal(reorder_put(&r, 2, large, 1), REORDER_DUPLICATE);
	assert_true(reorder_take(&r, 1, &body, &len));
	assert_int_equal(len, half);
	free(body);
	assert_int_equal(reorder_put(&r, 4, large, half), REORDER_KEPT);
	reorder_drop(&r, UINT64_MAX);
	free(large);
}

static void there_is_no_message_zero(void **state)
{
	struct reorder r;
	uint8_t *body;
	size_t len;

	memset(&r, 0, sizeof(r));
	assert_int_equal(put(&r, 0), REORDER_DUPLICATE);
	assert_false(reorder_take(&r, 0, &body, &len));
	assert_int_equal(put(&r, 9), REORDER_KEPT);
	assert_int_equal(put(&r, 0), REORDER_DUPLICATE);
	assert_false(reorder_take(&r, 0, &body, &len));
	assert_int_equal(reorder_above(&r, 8), 1);
	assert_int_equal(reorder_above(&r, 9), 0);
	reorder_drop(&r, 8);
	assert_int_equal(r.n, 1);
	reorder_drop(&r, 9);
	assert_int_equal(r.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_keeps_what_a_plain_set_keeps),
		cmocka_unit_test(the_bytes_it_keeps_are_limited),
		cmocka_unit_test(there_is_no_message_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
