/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ranges of missing sequence numbers against a bitmap: core/sync/recv/gaps.h. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/sync/recv/gaps.h"
#include "tests/unit/flow_gen.h"
#include "tests/unit/gaps_look.h"

#define SEQUENCES 4096u

/* The model: what is missing. What merging adds is missing there, too. */
struct model {
	bool missing[SEQUENCES];
	uint64_t next;               /* the first sequence number that is not there yet */
};

static void assert_same(const struct gaps *g, const struct model *m)
{
	uint64_t messages = 0, end = 0;

	assert_true(g->n <= GAPS_MAX);
	for (unsigned int i = 0; i < g->n; i++) {
		assert_true(g->range[i].from <= g->range[i].to);
		assert_true(!i || g->range[i].from > end + 1);   /* ascending, never touching */
		end = g->range[i].to;
	}
	assert_true(end < m->next);
	for (uint64_t seq = 0; seq < SEQUENCES; seq++) {
		assert_int_equal(gaps_has(g, seq), m->missing[seq]);
		messages += m->missing[seq];
	}
	assert_int_equal(gaps_messages(g), messages);
}

/* Ranges of the model before and with from..to, counted in another way. */
static unsigned int runs(const struct model *m)
{
	unsigned int n = 0;

	for (uint64_t seq = 1; seq < SEQUENCES; seq++)
		n += m->missing[seq] && !m->missing[seq - 1];
	return n;
}

/* Fill the shortest stretch between two runs; the last one of those that are equal
 * counts as the shortest when it is the new one's. */
static void model_merge(struct model *m, uint64_t from)
{
	uint64_t end = 0, best = UINT64_MAX, best_from = 0, best_end = 0;
	bool open = false;

	for (uint64_t seq = 1; seq < SEQUENCES; seq++) {
		if (!m->missing[seq])
			continue;
		if (open && seq > end + 1 &&
		    (seq - end < best || (seq - end == best && seq == from))) {
			best = seq - end;
			best_from = end;
			best_end = seq;
		}
		end = seq;
		open = true;
	}
	for (uint64_t seq = best_from; seq < best_end; seq++)
		m->missing[seq] = true;
}

static void open_some(struct gaps *g, struct model *m, struct rng *r, uint64_t now_ns)
{
	uint64_t from = m->next + rng_below(r, 8), to = from + rng_below(r, 5);
	bool whole;

	for (uint64_t seq = from; seq <= to; seq++)
		m->missing[seq] = true;
	whole = runs(m) <= GAPS_MAX;
	if (!whole)
		model_merge(m, from);
	m->next = to + 1;
	assert_int_equal(gaps_open(g, from, to, now_ns), whole);
}

static void settle_some(struct gaps *g, struct model *m, struct rng *r)
{
	uint64_t floor = rng_below(r, 4) ? rng_below(r, (uint32_t)m->next + 1) : m->next;
	unsigned int was = runs(m), closed = 0;

	if (rng_below(r, 3))
		floor /= 2;
	for (uint64_t seq = 0; seq < floor && seq < SEQUENCES; seq++)
		m->missing[seq] = false;
	closed = was - runs(m);
	assert_int_equal(gaps_settle(g, floor), closed);
}

static void ranges_are_what_a_bitmap_says(void **state)
{
	struct rng r = { 1 };
	unsigned int merges = 0;

	for (int round = 0; round < 60; round++) {
		struct model m = { .next = 1 };
		struct gaps g = { .n = 0 };

		while (m.next + 16 < SEQUENCES) {
			bool settle = !rng_below(&r, round % 2 ? 10 : 200);

			if (settle)
				settle_some(&g, &m, &r);
			else
				open_some(&g, &m, &r, m.next);
			merges += g.n == GAPS_MAX;
			if (settle || !rng_below(&r, 20))
				assert_same(&g, &m);
		}
		assert_same(&g, &m);
		gaps_clear(&g);
		assert_int_equal(gaps_messages(&g), 0);
		assert_false(gaps_has(&g, m.next - 1));
	}
	assert_true(merges > 300);
}

static void full(struct gaps *g, uint64_t distance)
{
	memset(g, 0, sizeof(*g));
	for (uint64_t i = 0; i < GAPS_MAX; i++)
		assert_true(gaps_open(g, 1000 + i * distance, 1000 + i * distance, 0));
	assert_int_equal(g->n, GAPS_MAX);
}

static void the_closest_two_become_one(void **state)
{
	struct gaps g;
	uint64_t last = 1000 + (GAPS_MAX - 1) * 100;

	/* Two in the middle. */
	full(&g, 100);
	g.range[GAPS_MAX / 2].from -= 50;
	assert_false(gaps_open(&g, last + 60, last + 70, 0));
	assert_int_equal(g.n, GAPS_MAX);
	assert_true(gaps_has(&g, 1000 + (GAPS_MAX / 2) * 100 - 51));
	assert_true(gaps_has(&g, 1000 + (GAPS_MAX / 2 - 1) * 100));
	assert_false(gaps_has(&g, 1000 + (GAPS_MAX / 2 - 1) * 100 - 1));
	assert_false(gaps_has(&g, 1000 + (GAPS_MAX / 2) * 100 + 1));
	assert_int_equal(g.range[GAPS_MAX - 1].from, last + 60);
	assert_int_equal(g.range[GAPS_MAX - 1].to, last + 70);
	/* The last and the new one. */
	full(&g, 100);
	assert_false(gaps_open(&g, last + 60, last + 70, 0));
	assert_int_equal(g.n, GAPS_MAX);
	assert_int_equal(g.range[GAPS_MAX - 1].from, last);
	assert_int_equal(g.range[GAPS_MAX - 1].to, last + 70);
	assert_int_equal(gaps_messages(&g), GAPS_MAX - 1 + 71);
	/* The first two. */
	full(&g, 100);
	g.range[0].to += 50;
	assert_false(gaps_open(&g, last + 90, last + 90, 0));
	assert_int_equal(g.range[0].from, 1000);
	assert_int_equal(g.range[0].to, 1100);
	assert_int_equal(g.range[1].from, 1200);
}

static void a_range_that_goes_on_is_the_same_range(void **state)
{
	struct gaps g = { .n = 0 };

	assert_true(gaps_open(&g, 5, 6, 1));
	assert_true(gaps_open(&g, 7, 9, 2));
	assert_int_equal(g.n, 1);
	assert_int_equal(g.range[0].from, 5);
	assert_int_equal(g.range[0].to, 9);
	assert_true(gaps_open(&g, 11, 11, 3));
	assert_int_equal(g.n, 2);
}

static void settling_cuts_the_range_it_ends_in(void **state)
{
	struct gaps g = { .n = 0 };

	gaps_open(&g, 5, 9, 0);
	gaps_open(&g, 20, 29, 0);
	assert_int_equal(gaps_settle(&g, 5), 0);
	assert_true(gaps_has(&g, 5));
	assert_int_equal(gaps_settle(&g, 6), 0);
	assert_false(gaps_has(&g, 5));
	assert_true(gaps_has(&g, 6));
	assert_int_equal(gaps_settle(&g, 10), 1);
	assert_int_equal(gaps_settle(&g, 25), 0);
	assert_int_equal(gaps_messages(&g), 5);
	assert_int_equal(gaps_settle(&g, 29), 0);
	assert_int_equal(gaps_messages(&g), 1);
	assert_int_equal(gaps_settle(&g, UINT64_MAX), 1);
	assert_int_equal(g.n, 0);
	assert_int_equal(gaps_settle(&g, UINT64_MAX), 0);
}

static void it_says_since_when_something_is_missing(void **state)
{
	struct gaps g = { .n = 0 };

	gaps_open(&g, 5, 9, 100);
	gaps_open(&g, 20, 29, 200);
	assert_int_equal(g.since_ns, 100);
	gaps_settle(&g, 10);                 /* something was missing all the time */
	assert_int_equal(g.since_ns, 100);
	gaps_settle(&g, 30);
	gaps_open(&g, 40, 40, 300);
	assert_int_equal(g.since_ns, 300);
}

static void numbers_may_be_as_large_as_they_get(void **state)
{
	struct gaps g = { .n = 0 };

	gaps_open(&g, UINT64_MAX - 10, UINT64_MAX - 8, 0);
	gaps_open(&g, UINT64_MAX - 5, UINT64_MAX - 1, 0);
	assert_int_equal(g.n, 2);
	assert_int_equal(gaps_messages(&g), 8);
	assert_true(gaps_has(&g, UINT64_MAX - 1));
	assert_false(gaps_has(&g, UINT64_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_are_what_a_bitmap_says),
		cmocka_unit_test(the_closest_two_become_one),
		cmocka_unit_test(a_range_that_goes_on_is_the_same_range),
		cmocka_unit_test(settling_cuts_the_range_it_ends_in),
		cmocka_unit_test(it_says_since_when_something_is_missing),
		cmocka_unit_test(numbers_may_be_as_large_as_they_get),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
