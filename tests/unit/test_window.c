/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The retransmission window with real entries: core/sync/send/window.h. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/sync/send/window.h"
#include "tests/unit/sync_gen.h"

#define LIMIT 100000u
#define WINDOW_BYTES (4u << 20)

struct fixture {
	struct base b;
	struct table t;
	struct window w;
};

static const struct gaps no_gaps;

static struct fixture *create(void)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	gen_base(&f->b, LIMIT);
	assert_int_equal(table_init(&f->t, &f->b), 0);
	f->t.ready = true;
	window_init(&f->w);
	return f;
}

static void destroy(struct fixture *f)
{
	table_fini(&f->t);
	window_fini(&f->w);
	free(f);
}

static uint64_t bit(unsigned int i)
{
	return UINT64_C(1) << i;
}

static void enter(struct fixture *f, unsigned int i)
{
	window_enter(&f->w, i, WINDOW_BYTES, f->b.now);
}

static uint32_t find(struct fixture *f, uint32_t i)
{
	uint8_t buf[GEN_LEN_MAX];

	gen_entry(buf, i, 0);
	return cts_cache_find(f->t.cache, buf, GEN_KEY_LEN);
}

static void set(struct fixture *f, uint32_t i, uint16_t value)
{
	uint8_t buf[GEN_LEN_MAX];
	size_t len = gen_entry(buf, i, value);
	uint32_t hash = cts_cache_hash(f->t.cache, buf, GEN_KEY_LEN);

	assert_true(table_set(&f->t, &f->b, find(f, i), hash, buf, len, true, 0));
}

static void drop(struct fixture *f, uint32_t i)
{
	table_delete(&f->t, &f->b, find(f, i));
}

/* A message of at most n entries that wait. Returns its sequence number. */
static uint64_t send_some(struct fixture *f, unsigned int n)
{
	uint8_t buf[1400];
	struct cts_wire_out out = { .buf = buf, .size = sizeof(buf) };
	struct sent *m = window_open(&f->w, true, f->b.now);
	uint64_t seq = m->seq, before;
	uint32_t ref;
	bool lost;

	while (n-- && (ref = table_next(&f->t, &f->b, &lost))) {
		assert_true(window_note(m, ref));
		assert_true(table_put(&f->t, &f->b, &out, seq, ref, &before));
		table_taken(&f->t, ref, lost);
		if (before)
			window_resent(&f->w, &f->t, before);
	}
	window_close(&f->w, &f->t, m, 100 + out.len, false);
	return seq;
}

static bool ack(struct fixture *f, unsigned int i, uint64_t high)
{
	return window_ack(&f->w, &f->t, i, high, &no_gaps, f->b.now);
}

static bool ack_but(struct fixture *f, unsigned int i, uint64_t high, uint64_t from, uint64_t to)
{
	struct gaps g = { .n = 0 };

	gaps_open(&g, from, to, 0);
	return window_ack(&f->w, &f->t, i, high, &g, f->b.now);
}

static void nobody_has_to_acknowledge_what_nobody_gets(void **state)
{
	struct fixture *f = create();

	for (uint32_t i = 1; i <= 3000; i++) {
		set(f, i, 1);
		assert_int_equal(send_some(f, 1), i);
		assert_int_equal(f->w.lowest, i + 1);
		assert_int_equal(window_len(&f->w), 0);
	}
	drop(f, 1);
	send_some(f, 1);
	assert_int_equal(f->t.tombstones, 0);
	destroy(f);
}

static void a_message_is_settled_when_all_have_acknowledged(void **state)
{
	struct fixture *f = create();

	enter(f, 0);
	enter(f, 5);
	set(f, 1, 1);
	send_some(f, 1);
	drop(f, 1);
	send_some(f, 1);
	assert_int_equal(f->t.tombstones, 1);
	assert_true(ack(f, 0, 2));
	assert_int_equal(f->w.lowest, 1);
	assert_int_equal(f->t.tombstones, 1);
	assert_true(ack(f, 5, 1));
	assert_int_equal(f->w.lowest, 2);
	assert_int_equal(f->t.tombstones, 1);
	assert_true(ack(f, 5, 2));
	assert_int_equal(f->w.lowest, 3);
	assert_int_equal(f->t.tombstones, 0);
	assert_int_equal(f->w.view[0].pace.in_flight, 0);
	assert_int_equal(f->w.view[5].pace.in_flight, 0);
	destroy(f);
}

static void who_enters_owes_nothing_of_before(void **state)
{
	struct fixture *f = create();

	enter(f, 0);
	set(f, 1, 1);
	send_some(f, 1);
	assert_int_equal(window_enter(&f->w, 1, WINDOW_BYTES, f->b.now), 2);
	assert_false(f->w.view[1].confirmed);
	assert_true(ack(f, 0, 1));
	assert_int_equal(f->w.lowest, 2);
	set(f, 1, 2);
	send_some(f, 1);
	assert_true(ack(f, 0, 2));
	assert_int_equal(f->w.lowest, 2);            /* the new one owes this */
	assert_true(ack(f, 1, 2));
	assert_true(f->w.view[1].confirmed);
	assert_int_equal(f->w.lowest, 3);
	destroy(f);
}

static void who_leaves_keeps_nobody_waiting(void **state)
{
	struct fixture *f = create();

	enter(f, 0);
	enter(f, 1);
	for (uint32_t i = 1; i <= 10; i++) {
		set(f, i, 1);
		send_some(f, 1);
	}
	ack(f, 0, 7);
	window_leave(&f->w, &f->t, 1);
	assert_int_equal(f->w.lowest, 8);
	assert_int_equal(f->w.members, bit(0));
	assert_int_equal(f->w.view[1].start, 0);
	window_leave(&f->w, &f->t, 0);
	assert_int_equal(f->w.lowest, 11);
	assert_int_equal(f->w.members, 0);
	destroy(f);
}

static void the_entries_of_a_lost_message_are_sent_again_and_it_is_settled(void **state)
{
	struct fixture *f = create();

	enter(f, 0);
	for (uint32_t i = 1; i <= 6; i++)
		set(f, i, 1);
	send_some(f, 2);
	send_some(f, 2);
	send_some(f, 2);
	assert_true(ack_but(f, 0, 3, 2, 2));
	assert_int_equal(f->w.lowest, 2);
	assert_int_equal(f->t.retransmit.waiting, 2);
	assert_int_equal(f->w.view[0].retransmitted, 2);
	assert_int_equal(f->w.view[0].pace.in_flight, 0);
	send_some(f, 1);                             /* half of it */
	assert_int_equal(f->w.lowest, 2);
	send_some(f, 1);
	/* Nothing was acknowledged, and the message is settled: others carry its entries. */
	assert_int_equal(f->w.lowest, 4);
	assert_int_equal(f->t.retransmit.waiting, 0);
	assert_true(ack(f, 0, 5));
	assert_int_equal(f->w.lowest, 6);
	destroy(f);
}

static void what_a_newer_message_carries_is_not_sent_for_an_older_one(void **state)
{
	struct fixture *f = create();

	enter(f, 0);
	set(f, 1, 1);
	send_some(f, 1);
	set(f, 1, 2);
	send_some(f, 1);
	assert_true(ack_but(f, 0, 2, 1, 1));
	assert_int_equal(f->t.retransmit.waiting, 0);
	assert_int_equal(f->w.lowest, 3);
	destroy(f);
}

static void a_delete_that_is_lost_is_sent_again_and_kept_until_it_came(void **state)
{
	struct fixture *f = create();

	enter(f, 0);
	set(f, 1, 1);
	send_some(f, 1);
	drop(f, 1);
	send_some(f, 1);
	set(f, 2, 1);
	send_some(f, 1);
	assert_true(ack_but(f, 0, 3, 2, 2));
	assert_int_equal(f->t.tombstones, 1);
	send_some(f, 1);
	assert_int_equal(f->t.tombstones, 1);
	assert_int_equal(f->b.st.sent_deletes, 2);
	assert_true(ack(f, 0, 4));
	assert_int_equal(f->t.tombstones, 0);
	destroy(f);
}

static void two_that_miss_the_same_get_it_once(void **state)
{
	struct fixture *f = create();
	uint64_t was;

	enter(f, 0);
	enter(f, 1);
	enter(f, 2);
	set(f, 1, 1);
	send_some(f, 1);
	set(f, 2, 1);
	send_some(f, 1);
	was = f->w.view[1].pace.window;
	assert_true(ack_but(f, 0, 2, 1, 1));
	assert_true(ack_but(f, 1, 2, 1, 1));
	assert_true(f->w.view[1].pace.window < was);  /* each has its own congestion */
	assert_int_equal(f->t.retransmit.waiting, 1);
	assert_true(f->w.view[2].pace.in_flight > 0);
	send_some(f, 1);
	/* The third has not said anything: it gets the entry again. */
	assert_int_equal(f->w.lowest, 2);
	assert_int_equal(f->w.view[2].pace.in_flight,
			 window_slot(&f->w, 2)->bytes + window_slot(&f->w, 3)->bytes);
	assert_true(ack(f, 2, 3));
	assert_int_equal(f->w.view[2].pace.in_flight, 0);
	destroy(f);
}

/* The message may be settled on behalf of one when another reports the same loss. */
static void a_gap_below_the_window_is_not_lost_again(void **state)
{
	struct fixture *f = create();
	uint64_t was;

	enter(f, 0);
	enter(f, 1);
	set(f, 1, 1);
	send_some(f, 1);
	set(f, 2, 1);
	send_some(f, 1);
	ack_but(f, 0, 2, 1, 1);
	send_some(f, 1);
	was = f->w.view[1].pace.window;
	assert_true(ack_but(f, 1, 3, 1, 1));
	assert_int_equal(f->t.retransmit.waiting, 0);
	assert_int_equal(f->w.view[1].pace.window, was);
	assert_int_equal(f->w.lowest, 3);
	destroy(f);
}

static void a_receiver_cannot_have_what_was_not_sent(void **state)
{
	struct fixture *f = create();

	enter(f, 0);
	set(f, 1, 1);
	send_some(f, 1);
	assert_false(ack(f, 0, 2));
	assert_false(f->w.view[0].confirmed);
	assert_int_equal(f->w.lowest, 1);
	assert_true(ack(f, 0, 0));                   /* its start, and nothing yet */
	assert_true(f->w.view[0].confirmed);
	assert_int_equal(f->w.lowest, 1);
	destroy(f);
}

static void acknowledgements_may_overtake_each_other(void **state)
{
	struct fixture *f = create();

	enter(f, 0);
	for (uint32_t i = 1; i <= 4; i++) {
		set(f, i, 1);
		send_some(f, 1);
	}
	assert_true(ack(f, 0, 3));
	f->b.now += SECOND;
	assert_true(ack_but(f, 0, 2, 1, 1));         /* an older one */
	assert_true(ack_but(f, 0, 3, 1, 1));         /* the same, before the gap was closed */
	assert_int_equal(f->t.retransmit.waiting, 0);
	assert_int_equal(f->w.view[0].acked, 3);
	assert_int_equal(f->w.view[0].progress_ns, f->b.now - SECOND);
	assert_int_equal(f->w.lowest, 4);
	destroy(f);
}

static void the_reserve_is_for_what_is_urgent(void **state)
{
	struct fixture *f = create();
	unsigned int n = 0;

	enter(f, 0);
	for (; window_free(&f->w, false); n++)
		send_some(f, 0);
	assert_int_equal(n, WINDOW_MESSAGES - WINDOW_RESERVE);
	for (; window_free(&f->w, true); n++)
		send_some(f, 0);
	assert_int_equal(n, WINDOW_MESSAGES - WINDOW_RESCUE);
	/* The lowest keeps all slots above it. */
	assert_true(ack_but(f, 0, f->w.last, 1, 1));
	assert_true(window_free(&f->w, false));      /* it carried nothing: nothing is owed */
	assert_int_equal(window_len(&f->w), 0);
	destroy(f);
}

/* Full but for the last numbers, and the lowest is lost: these are for its entries. */
static void the_last_numbers_free_the_window(void **state)
{
	struct fixture *f = create();

	enter(f, 0);
	set(f, 1, 1);
	send_some(f, 1);
	while (window_free(&f->w, true))
		send_some(f, 0);
	assert_null(window_to_rescue(&f->w));        /* it may arrive still */
	assert_true(ack_but(f, 0, f->w.last, 1, 1));
	assert_false(window_free(&f->w, true));
	assert_ptr_equal(window_to_rescue(&f->w), window_slot(&f->w, 1));
	send_some(f, 1);
	assert_null(window_to_rescue(&f->w));
	assert_true(window_free(&f->w, false));
	/* While there is room nothing needs it. */
	set(f, 2, 1);
	send_some(f, 1);
	send_some(f, 0);
	assert_true(ack_but(f, 0, f->w.last, f->w.last - 1, f->w.last - 1));
	assert_null(window_to_rescue(&f->w));
	destroy(f);
}

static void a_window_that_is_abandoned_owes_nothing(void **state)
{
	struct fixture *f = create();

	enter(f, 0);
	for (uint32_t i = 1; i <= 10; i++) {
		set(f, i, 1);
		send_some(f, 1);
	}
	drop(f, 3);
	send_some(f, 1);
	assert_true(ack_but(f, 0, 5, 2, 2));
	window_abandon(&f->w, &f->t);
	assert_int_equal(window_len(&f->w), 0);
	assert_int_equal(f->w.view[0].pace.in_flight, 0);
	assert_int_equal(f->t.tombstones, 0);
	destroy(f);
}

static void the_lowest_that_is_not_settled_is_the_floor(void **state)
{
	struct fixture *f = create();

	enter(f, 0);
	for (uint32_t i = 1; i <= 5; i++) {
		set(f, i, 1);
		send_some(f, 1);
	}
	assert_true(ack_but(f, 0, 5, 2, 3));
	assert_int_equal(f->w.lowest, 2);
	send_some(f, 1);
	assert_int_equal(f->w.lowest, 3);
	send_some(f, 1);
	assert_int_equal(f->w.lowest, 6);            /* 4 and 5 were acknowledged before */
	destroy(f);
}

static void who_has_enough_under_way_holds(void **state)
{
	struct fixture *f = create();

	enter(f, 0);
	window_enter(&f->w, 63, 1500, f->b.now);
	assert_int_equal(window_holding(&f->w), 0);
	send_some(f, 0);
	window_close(&f->w, &f->t, window_open(&f->w, true, f->b.now), 1400, false);
	assert_int_equal(window_holding(&f->w), bit(63));
	assert_true(ack(f, 63, 2));
	assert_int_equal(window_holding(&f->w), 0);
	destroy(f);
}

static void silence_is_asked_about_later_and_later(void **state)
{
	struct fixture *f = create();
	uint64_t first, at;

	assert_int_equal(window_probe_at(&f->w), NEVER);
	enter(f, 3);
	assert_int_equal(window_probe_at(&f->w), NEVER);
	send_some(f, 0);
	first = window_probe_at(&f->w) - f->b.now;
	assert_in_range(first, ACK_DELAY_NS, 100 * MS);
	f->b.now += 10 * MS;
	send_some(f, 0);                             /* counts from the last one sent */
	assert_int_equal(window_probe_at(&f->w), f->b.now + first);
	for (int i = 0; i < 20; i++) {
		at = window_probe_at(&f->w);
		assert_true(at - f->b.now <= PACE_PROBE_MAX_NS);
		f->b.now = at;
		assert_int_equal(window_probe_unanswered(&f->w), i % 2);
		window_probed(&f->w, f->b.now);
	}
	assert_int_equal(window_probe_at(&f->w), f->b.now + PACE_PROBE_MAX_NS);
	window_probed(&f->w, f->b.now);
	assert_true(window_probe_unanswered(&f->w));
	assert_true(ack(f, 3, 1));
	assert_false(window_probe_unanswered(&f->w));
	assert_int_equal(window_probe_at(&f->w), f->b.now + first);
	window_probed(&f->w, f->b.now);
	assert_true(ack(f, 3, 2));
	assert_false(window_probe_unanswered(&f->w));
	assert_int_equal(window_probe_at(&f->w), NEVER);
	destroy(f);
}

static void who_answers_nothing_for_long_is_found(void **state)
{
	struct fixture *f = create();

	enter(f, 0);
	enter(f, 1);
	f->b.now += 10 * SECOND;
	assert_int_equal(window_unanswered(&f->w, f->b.now), -1);  /* nothing was due */
	send_some(f, 0);
	f->b.now += UNANSWERED_NS / 2;
	send_some(f, 0);
	assert_true(ack(f, 0, 1));
	f->b.now += UNANSWERED_NS / 2 - 1;
	assert_int_equal(window_unanswered(&f->w, f->b.now), -1);
	f->b.now += 1;
	assert_int_equal(window_unanswered(&f->w, f->b.now), 1);
	window_leave(&f->w, &f->t, 1);
	assert_int_equal(window_unanswered(&f->w, f->b.now), -1);
	f->b.now += UNANSWERED_NS;
	assert_int_equal(window_unanswered(&f->w, f->b.now), 0);
	destroy(f);
}

static void it_says_what_a_receiver_lacks_and_since_when(void **state)
{
	struct fixture *f = create();
	uint64_t messages, records, first = f->b.now;

	enter(f, 0);
	enter(f, 1);
	for (uint32_t i = 1; i <= 6; i++) {
		set(f, i, 1);
		send_some(f, 1);
		f->b.now += MS;
	}
	assert_int_equal(window_unacked_since(&f->w, 0, &messages, &records), first);
	assert_int_equal(messages, 6);
	assert_int_equal(records, 6);
	assert_true(ack_but(f, 0, 4, 2, 2));
	assert_int_equal(window_unacked_since(&f->w, 0, &messages, &records), first + MS);
	assert_int_equal(messages, 3);               /* one was lost, two not acknowledged yet */
	assert_true(ack(f, 1, 6));
	set(f, 7, 1);
	send_some(f, 1);                             /* the lost one, again */
	/* what it carried has been missing since it was changed */
	assert_int_equal(window_unacked_since(&f->w, 0, &messages, &records), first + MS);
	assert_true(ack(f, 0, f->w.last));
	assert_int_equal(window_unacked_since(&f->w, 0, &messages, &records), 0);
	assert_int_equal(messages, 0);
	destroy(f);
}

static void large_ones_that_vanish_are_counted(void **state)
{
	struct fixture *f = create();
	static const size_t large = SIZE_SMALL + 1;

	enter(f, 0);
	for (int i = 0; i < 4; i++) {
		window_close(&f->w, &f->t, window_open(&f->w, true, f->b.now), large, false);
		window_close(&f->w, &f->t, window_open(&f->w, true, f->b.now), SIZE_SMALL, false);
		assert_true(ack_but(f, 0, f->w.last, f->w.last - 1, f->w.last - 1));
	}
	assert_int_equal(f->w.large_lost, 4);
	assert_int_equal(f->w.small_acked, 4);
	window_close(&f->w, &f->t, window_open(&f->w, true, f->b.now), large, false);
	assert_true(ack(f, 0, f->w.last));           /* one that came tells that they can */
	assert_int_equal(f->w.large_lost, 0);
	assert_int_equal(f->w.small_acked, 0);
	assert_int_equal(f->w.largest_acked, large);
	destroy(f);
}

static void another_epoch_forgets_all(void **state)
{
	struct fixture *f = create();

	enter(f, 0);
	set(f, 1, 1);
	send_some(f, 1);
	window_reset(&f->w);
	assert_int_equal(f->w.last, 0);
	assert_int_equal(window_len(&f->w), 0);
	assert_int_equal(f->w.members, 0);
	assert_int_equal(window_probe_at(&f->w), NEVER);
	enter(f, 0);
	set(f, 1, 2);
	assert_int_equal(send_some(f, 1), 1);
	assert_true(ack(f, 0, 1));
	assert_int_equal(window_len(&f->w), 0);
	destroy(f);
}

/* ---- against receivers that lose ---- */

#define RECEIVERS 64u
#define KEYS 500u
#define SENT_MAX 20000u

struct receiver {
	bool in;
	uint64_t start, high;
	bool got[SENT_MAX];
};

struct world {
	struct fixture *f;
	struct rng r;
	struct receiver *rx;         /* RECEIVERS of them */
	uint32_t loss;               /* % */
};

/* Messages that carry the newest of an entry and are settled have come to all. */
static void check_settled(struct world *w)
{
	uint32_t ref = 0;

	while ((ref = cts_cache_next(w->f->t.cache, ref))) {
		const struct cts_entry *e = cts_cache_entry(w->f->t.cache, ref);

		if (!e->seq || e->seq >= w->f->w.lowest)
			continue;
		for (unsigned int i = 0; i < RECEIVERS; i++)
			if (w->rx[i].in && w->rx[i].start <= e->seq)
				assert_true(w->rx[i].got[e->seq]);
	}
}

static void check_in_flight(struct world *w)
{
	struct window *win = &w->f->w;

	for (unsigned int i = 0; i < RECEIVERS; i++) {
		uint64_t bytes = 0;

		for (uint64_t seq = win->lowest; seq <= win->last; seq++)
			if (window_slot(win, seq)->unacked_by & bit(i))
				bytes += window_slot(win, seq)->bytes;
		assert_int_equal(w->rx[i].in ? win->view[i].pace.in_flight : 0, bytes);
	}
}

static void world_send(struct world *w)
{
	uint64_t seq;

	if (!window_free(&w->f->w, w->f->t.retransmit.waiting))
		return;
	seq = send_some(w->f, rng_below(&w->r, 20));
	assert_true(seq < SENT_MAX);
	for (unsigned int i = 0; i < RECEIVERS; i++) {
		if (!w->rx[i].in || rng_below(&w->r, 100) < w->loss)
			continue;
		w->rx[i].got[seq] = true;
		w->rx[i].high = seq;
	}
}

static void world_ack(struct world *w, unsigned int i)
{
	struct receiver *rx = &w->rx[i];
	struct gaps g = { .n = 0 };

	if (!rx->in)
		return;
	for (uint64_t seq = w->f->w.lowest > rx->start ? w->f->w.lowest : rx->start;
	     seq <= rx->high; seq++)
		if (!rx->got[seq])
			gaps_open(&g, seq, seq, 0);
	/* Neighbours that had to be merged count as missing: so it is asked for. */
	for (unsigned int n = 0; n < g.n; n++)
		for (uint64_t seq = g.range[n].from; seq <= g.range[n].to; seq++)
			if (seq > w->f->w.view[i].acked)
				rx->got[seq] = false;
	assert_true(window_ack(&w->f->w, &w->f->t, i, rx->high, &g, w->f->b.now));
}

static void world_membership(struct world *w, unsigned int i)
{
	struct receiver *rx = &w->rx[i];

	if (rx->in) {
		window_leave(&w->f->w, &w->f->t, i);
		rx->in = false;
		return;
	}
	rx->start = window_enter(&w->f->w, i, WINDOW_BYTES, w->f->b.now);
	rx->high = rx->start - 1;
	rx->in = true;
}

static void world_step(struct world *w)
{
	uint32_t key = rng_below(&w->r, KEYS);

	w->f->b.now += rng_below(&w->r, 1000000);
	switch (rng_below(&w->r, 20)) {
	case 0 ... 7:
		set(w->f, key, (uint16_t)(1 + rng_below(&w->r, 1000)));
		break;
	case 8:
		drop(w->f, key);
		break;
	case 9 ... 13:
		world_send(w);
		break;
	case 14:
		if (!rng_below(&w->r, 10))
			world_membership(w, rng_below(&w->r, RECEIVERS));
		break;
	default:
		world_ack(w, rng_below(&w->r, RECEIVERS));
		break;
	}
}

static void drain(struct world *w)
{
	w->loss = 0;
	for (int round = 0; window_len(&w->f->w) || table_waiting(&w->f->t); round++) {
		assert_true(round < 1000);
		world_send(w);
		for (unsigned int i = 0; i < RECEIVERS; i++)
			world_ack(w, i);
	}
}

static void sixty_four_receivers_lose_and_all_get_everything(void **state)
{
	for (uint64_t seed = 1; seed <= 8; seed++) {
		struct world w = { .f = create(), .r = { seed }, .loss = (uint32_t)seed * 5 };

		w.rx = calloc(RECEIVERS, sizeof(*w.rx));
		assert_non_null(w.rx);
		for (unsigned int i = 0; i < RECEIVERS; i++)
			if (i % 2 || seed % 2)
				world_membership(&w, i);
		for (int step = 0; step < 20000; step++) {
			world_step(&w);
			if (step % 1000 == 0) {
				check_in_flight(&w);
				check_settled(&w);
			}
		}
		drain(&w);
		check_in_flight(&w);
		check_settled(&w);
		assert_int_equal(w.f->t.tombstones, 0);
		assert_int_equal(w.f->t.retransmit.waiting, 0);
		free(w.rx);
		destroy(w.f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_has_to_acknowledge_what_nobody_gets),
		cmocka_unit_test(a_message_is_settled_when_all_have_acknowledged),
		cmocka_unit_test(who_enters_owes_nothing_of_before),
		cmocka_unit_test(who_leaves_keeps_nobody_waiting),
		cmocka_unit_test(the_entries_of_a_lost_message_are_sent_again_and_it_is_settled),
		cmocka_unit_test(what_a_newer_message_carries_is_not_sent_for_an_older_one),
		cmocka_unit_test(a_delete_that_is_lost_is_sent_again_and_kept_until_it_came),
		cmocka_unit_test(two_that_miss_the_same_get_it_once),
		cmocka_unit_test(a_gap_below_the_window_is_not_lost_again),
		cmocka_unit_test(a_receiver_cannot_have_what_was_not_sent),
		cmocka_unit_test(acknowledgements_may_overtake_each_other),
		cmocka_unit_test(the_reserve_is_for_what_is_urgent),
		cmocka_unit_test(the_last_numbers_free_the_window),
		cmocka_unit_test(a_window_that_is_abandoned_owes_nothing),
		cmocka_unit_test(the_lowest_that_is_not_settled_is_the_floor),
		cmocka_unit_test(who_has_enough_under_way_holds),
		cmocka_unit_test(silence_is_asked_about_later_and_later),
		cmocka_unit_test(who_answers_nothing_for_long_is_found),
		cmocka_unit_test(it_says_what_a_receiver_lacks_and_since_when),
		cmocka_unit_test(large_ones_that_vanish_are_counted),
		cmocka_unit_test(another_epoch_forgets_all),
		cmocka_unit_test(sixty_four_receivers_lose_and_all_get_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
