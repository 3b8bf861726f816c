/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sending side: which messages are made, when, and for whom. core/sync/send/sender.h */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/sync/send/sender.h"
#include "tests/unit/sync_gen.h"

#define MESSAGE 600u
#define KEPT 4096u
#define PLENTY (1u << 20)            /* bytes that may be under way */

/* What the transport took: one message. */
struct taken {
	struct cts_wire_header h;
	size_t len;
	unsigned int below;          /* the floor */
	unsigned int upserts, deletes, sums, drops, digests, pads;
	bool digest_last;
	uint8_t digest_flags;
	uint64_t digest_count, digest_total;
};

struct fixture {
	struct base b;
	struct sender s;
	size_t max_message;
	unsigned int room;           /* messages that the transport takes */
	unsigned int calls, reports;
	int error;                   /* what it fails with, 0: it does not */
	unsigned int n;
	struct taken *taken;
	uint64_t lagging;
};

static void records_read(struct taken *t, struct cts_wire_in *in)
{
	struct cts_record rec;

	while (cts_record_next(in, &rec) > 0) {
		struct cts_wire_in data = { .buf = rec.data, .len = rec.len };

		t->upserts += rec.type == CTS_REC_UPSERT;
		t->deletes += rec.type == CTS_REC_DELETE;
		t->sums += rec.type == CTS_REC_SUMS;
		t->drops += rec.type == CTS_REC_DROP;
		t->pads += rec.type == CTS_REC_PAD;
		t->digest_last = rec.type == CTS_REC_DIGEST;
		if (rec.type != CTS_REC_DIGEST)
			continue;
		t->digests++;
		t->digest_flags = cts_get_u8(&data);
		t->digest_count = cts_get_u64(&data);
		t->digest_total = cts_get_u64(&data);
		assert_false(data.bad || cts_wire_left(&data));
	}
	assert_false(in->bad);
}

static int send_cb(void *ctx, const struct iovec *msg, unsigned int n, uint32_t to)
{
	struct fixture *f = ctx;
	unsigned int i;

	f->calls++;
	assert_int_equal(to, CTS_NODE_ALL);
	if (f->error || !f->room) {
		errno = f->error ? f->error : EAGAIN;
		return -1;
	}
	for (i = 0; i < n && f->room; i++, f->room--) {
		struct taken *t = &f->taken[f->n++ % KEPT];
		struct cts_wire_in in;

		*t = (struct taken){ .len = msg[i].iov_len };
		assert_int_equal(cts_wire_open(msg[i].iov_base, t->len, &t->h, &in), CTS_WIRE_OK);
		t->below = cts_get_u16(&in);
		records_read(t, &in);
	}
	return (int)i;
}

static size_t max_message(void *ctx)
{
	return ((struct fixture *)ctx)->max_message;
}

static void report_cb(void *ctx, enum cts_sync_report what, uint32_t node, unsigned int link,
		      uint32_t peer, const char *text)
{
	struct fixture *f = ctx;

	assert_int_equal(what, CTS_REPORT_SIZE);
	f->reports++;
}

static struct fixture *create_of(size_t limit, size_t size)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->taken = calloc(KEPT, sizeof(*f->taken));
	assert_non_null(f->taken);
	f->max_message = size;
	f->room = UINT32_MAX;
	gen_base(&f->b, limit);
	f->b.cluster = 5;
	f->b.ctx = f;
	f->b.ops.send = send_cb;
	f->b.ops.max_message = max_message;
	f->b.ops.report = report_cb;
	assert_int_equal(sender_init(&f->s, &f->b), 0);
	f->s.listeners = true;
	return f;
}

static struct fixture *create(void)
{
	return create_of(200000, MESSAGE);
}

static void destroy(struct fixture *f)
{
	sender_fini(&f->s);
	free(f->taken);
	free(f);
}

static uint32_t find(struct fixture *f, uint32_t i)
{
	uint8_t buf[GEN_LEN_MAX];

	gen_entry(buf, i, 0);
	return cts_cache_find(f->s.table.cache, buf, GEN_KEY_LEN);
}

static void set(struct fixture *f, uint32_t i, uint16_t value)
{
	uint8_t buf[GEN_LEN_MAX];
	size_t len = gen_entry(buf, i, value);
	uint32_t hash = cts_cache_hash(f->s.table.cache, buf, GEN_KEY_LEN);

	table_set(&f->s.table, &f->b, find(f, i), hash, buf, len, true, 0);
}

static void set_many(struct fixture *f, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
		set(f, i, 1);
}

static void run(struct fixture *f)
{
	f->lagging = 0;
	while (sender_run(&f->s, &f->lagging))
		;
}

static void enter(struct fixture *f, unsigned int i, uint64_t bytes)
{
	window_enter(&f->s.window, i, bytes, f->b.now);
	f->s.window.view[i].pace.window = bytes;
}

static void ack(struct fixture *f, unsigned int i)
{
	static const struct gaps none;

	assert_true(window_ack(&f->s.window, &f->s.table, i, f->s.window.last, &none, f->b.now));
}

/* All but what is from ... to. */
static void ack_but(struct fixture *f, unsigned int i, uint64_t from, uint64_t to)
{
	struct gaps g = { .n = 0 };

	gaps_open(&g, from, to, 0);
	assert_true(window_ack(&f->s.window, &f->s.table, i, f->s.window.last, &g, f->b.now));
}

static const struct taken *last(const struct fixture *f)
{
	assert_true(f->n);
	return &f->taken[(f->n - 1) % KEPT];
}

/* How many upserts all messages from the n-th on have. */
static unsigned int upserts_from(const struct fixture *f, unsigned int n)
{
	unsigned int sum = 0;

	for (; n < f->n; n++)
		sum += f->taken[n].upserts;
	return sum;
}

/* -- messages -- */

static void messages_name_their_sender_and_their_place(void **state)
{
	struct fixture *f = create();

	enter(f, 0, PLENTY);
	set_many(f, 0, 100);
	run(f);
	assert_in_range(f->n, 3, 5);
	for (unsigned int i = 0; i < f->n; i++) {
		assert_int_equal(f->taken[i].h.type, CTS_MSG_DATA);
		assert_int_equal(f->taken[i].h.cluster, 5);
		assert_int_equal(f->taken[i].h.node, 1);
		assert_int_equal(f->taken[i].h.epoch, f->b.epoch);
		assert_int_equal(f->taken[i].h.number, i + 1);
		assert_in_range(f->taken[i].len, 100, MESSAGE);
		/* Nothing below the first one was ever sent, and it is not settled. */
		assert_int_equal(f->taken[i].below, i);
		assert_int_equal(window_slot(&f->s.window, i + 1)->n, f->taken[i].upserts);
	}
	assert_int_equal(upserts_from(f, 0), 100);
	assert_int_equal(f->s.sent_messages, f->n);
	ack(f, 0);
	set(f, 5, 2);
	run(f);
	assert_int_equal(last(f)->below, 0);         /* nor anything but itself */
	assert_int_equal(f->b.st.window_max, 4);
	destroy(f);
}

/* Those who listen are not in the window yet: all is settled, and no number is below 0. */
static void before_anybody_is_in_the_window_all_is_settled(void **state)
{
	struct fixture *f = create();

	set_many(f, 0, 100);
	run(f);
	assert_true(f->n >= 3);
	for (unsigned int i = 0; i < f->n; i++)
		assert_int_equal(f->taken[i].below, 0);
	destroy(f);
}

/* As full as they get: the next entry would not have had room. */
static void messages_are_filled(void **state)
{
	struct fixture *f = create();

	enter(f, 0, PLENTY);
	set_many(f, 0, 1000);
	run(f);
	for (unsigned int i = 0; i + 1 < f->n; i++)
		assert_in_range(f->taken[i].len, MESSAGE - 20, MESSAGE);
	assert_int_equal(upserts_from(f, 0), 1000);
	destroy(f);
}

static void nobody_listens_and_all_is_settled(void **state)
{
	struct fixture *f = create();

	f->s.listeners = false;
	sender_ready(&f->s);
	set_many(f, 0, 100);
	run(f);
	assert_int_equal(f->calls, 0);
	assert_true(f->s.window.last >= 3);
	assert_int_equal(window_len(&f->s.window), 0);
	assert_int_equal(f->s.table.unsent, 0);
	assert_int_equal(sender_last_handed(&f->s), f->s.window.last);
	destroy(f);
}

/* -- digests -- */

static void a_digest_is_of_all_that_was_sent_before_it(void **state)
{
	struct fixture *f = create();

	enter(f, 0, PLENTY);
	set_many(f, 0, 10);
	run(f);
	assert_int_equal(last(f)->digests, 0);       /* the table is not read yet */
	sender_ready(&f->s);
	set_many(f, 10, 20);
	run(f);
	assert_int_equal(last(f)->upserts, 10);
	assert_int_equal(last(f)->digests, 1);
	assert_true(last(f)->digest_last);
	assert_int_equal(last(f)->digest_count, 20);
	assert_int_equal(last(f)->digest_total, f->s.table.sums.total);
	assert_int_equal(last(f)->digest_flags, CTS_DIGEST_COMPLETE);
	assert_int_equal(f->b.st.digests_sent, 1);
	run(f);
	assert_int_equal(f->b.st.digests_sent, 1);
	sender_ready(&f->s);                         /* read again: what of it is so is said at once */
	run(f);
	assert_int_equal(f->b.st.digests_sent, 2);
	destroy(f);
}

static void a_digest_has_room_in_a_full_message(void **state)
{
	struct fixture *f = create();

	enter(f, 0, PLENTY);
	sender_ready(&f->s);
	set_many(f, 0, 200);
	run(f);
	assert_int_equal(f->taken[0].digests, 1);
	assert_in_range(f->taken[0].len, MESSAGE - 20, MESSAGE);
	/* What waits to be sent for the first time is not in it, and it says so. */
	assert_int_equal(f->taken[0].digest_count, f->taken[0].upserts);
	assert_int_equal(f->taken[0].digest_flags, CTS_DIGEST_BUSY);
	assert_int_equal(f->taken[1].digests, 0);
	destroy(f);
}

static void what_found_no_room_makes_it_incomplete(void **state)
{
	struct fixture *f = create_of(3, MESSAGE);

	enter(f, 0, PLENTY);
	sender_ready(&f->s);
	set_many(f, 0, 4);
	run(f);
	assert_int_equal(last(f)->digest_count, 3);
	assert_int_equal(last(f)->digest_flags, 0);
	destroy(f);
}

static void a_transfer_is_said_to_be_under_way(void **state)
{
	struct fixture *f = create();
	struct pull all = { .what = PULL_ALL };
	unsigned int before;

	enter(f, 0, PLENTY);
	sender_ready(&f->s);
	set_many(f, 0, 100);
	run(f);
	ack(f, 0);
	before = f->n;
	f->s.digest_ns = f->b.now;
	assert_true(sender_pull(&f->s, &all, NULL));
	run(f);
	assert_int_equal(upserts_from(f, before), 100);
	assert_int_equal(f->taken[before].digests, 1);
	assert_int_equal(f->taken[before].digest_flags, CTS_DIGEST_COMPLETE | CTS_DIGEST_BUSY);
	/* When it is over, who waits for it can judge at once. */
	assert_true(f->s.digest_ns > f->b.now);
	before = f->n;
	run(f);
	assert_int_equal(f->n, before + 1);
	assert_int_equal(last(f)->digest_flags, CTS_DIGEST_COMPLETE);
	assert_int_equal(last(f)->upserts, 0);
	destroy(f);
}

static void how_soon_the_next_digest_comes(void **state)
{
	static const struct { enum cts_sync_mode mode; bool wanted; uint64_t ns; } cases[] = {
		{ CTS_MODE_FTFW, false, 5 * SECOND }, { CTS_MODE_FTFW, true, 50 * MS },
		{ CTS_MODE_NOTRACK, false, SECOND }, { CTS_MODE_ALARM, true, 50 * MS },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture *f = create();

		f->b.conf.mode = cases[i].mode;
		f->s.digest_wanted = cases[i].wanted;
		sender_ready(&f->s);
		run(f);
		assert_int_equal(f->n, 1);
		f->b.now += cases[i].ns - 1;
		run(f);
		assert_int_equal(f->n, 1);
		if (f->b.conf.mode != CTS_MODE_ALARM)
			assert_int_equal(sender_deadline(&f->s), f->b.now + 1);
		f->b.now++;
		f->s.listeners = false;
		run(f);
		assert_int_equal(f->n, 1);           /* nobody is there */
		assert_int_not_equal(sender_deadline(&f->s), f->b.now);
		f->s.listeners = true;
		run(f);
		assert_int_equal(f->n, 2);
		destroy(f);
	}
}

/* -- the transport -- */

static void what_the_transport_does_not_take_is_kept(void **state)
{
	struct fixture *f = create();
	uint64_t built;

	enter(f, 0, PLENTY);
	set_many(f, 0, 1000);
	f->room = 5;
	run(f);
	assert_int_equal(f->n, 5);
	assert_int_equal(f->s.sent_messages, 5);
	built = f->s.window.last;
	assert_int_equal(built, SEND_BATCH);
	assert_int_equal(sender_last_handed(&f->s), 5);
	run(f);                                      /* still full: nothing more is built */
	assert_int_equal(f->s.window.last, built);
	assert_int_equal(sender_deadline(&f->s), NEVER);
	f->room = UINT32_MAX;
	run(f);
	for (unsigned int i = 0; i < f->n; i++)
		assert_int_equal(f->taken[i].h.number, i + 1);
	assert_int_equal(upserts_from(f, 0), 1000);
	assert_int_equal(f->s.unsent_n, 0);
	destroy(f);
}

/* An error that is not "later" loses the first message, and nothing else waits for it. */
static void what_cannot_be_sent_is_lost_and_repaired(void **state)
{
	struct fixture *f = create();

	enter(f, 0, PLENTY);
	set(f, 1, 1);
	f->error = ENOBUFS;
	run(f);
	assert_int_equal(f->n, 0);
	assert_int_equal(f->s.unsent_n, 0);
	assert_int_equal(f->s.window.last, 1);
	f->error = 0;
	set(f, 2, 1);
	run(f);
	assert_int_equal(last(f)->h.number, 2);
	ack_but(f, 0, 1, 1);
	run(f);
	assert_int_equal(last(f)->h.number, 3);
	assert_int_equal(last(f)->upserts, 1);
	assert_int_equal(last(f)->below, 0);         /* it carries what was lost: settled */
	assert_int_equal(f->b.st.retransmitted_entries, 1);
	destroy(f);
}

static void how_large_messages_are(void **state)
{
	struct fixture *f = create_of(1000, 100);    /* less than all must carry */

	set_many(f, 0, 100);
	run(f);
	assert_in_range(f->taken[0].len, CTS_WIRE_MIN_MAX - 20, CTS_WIRE_MIN_MAX);
	destroy(f);
	f = create_of(20000, 1 << 20);               /* more than a length can say */
	set_many(f, 0, 10000);
	run(f);
	assert_in_range(f->taken[0].len, CTS_WIRE_MAX - 20, CTS_WIRE_MAX);
	destroy(f);
	f = create_of(1000, 700);
	f->max_message = 2000;                       /* another link: larger than the buffers */
	set_many(f, 0, 100);
	run(f);
	assert_in_range(f->taken[0].len, 680, 700);
	destroy(f);
}

/* -- acknowledgements -- */

static void one_is_asked_for_each_quarter_of_the_smallest_window(void **state)
{
	struct fixture *f = create();
	unsigned int asked = 0;

	enter(f, 0, 40000);
	enter(f, 1, 20000);
	set_many(f, 0, 800);                         /* 14 kB */
	run(f);
	for (unsigned int i = 0; i < f->n; i++)
		asked += f->taken[i].h.flags & CTS_WIRE_ACK_NOW ? 1 : 0;
	assert_in_range(asked, 2, 4);
	assert_int_equal(f->taken[6].h.flags, 0);
	assert_int_equal(f->taken[7].h.flags, CTS_WIRE_ACK_NOW);
	destroy(f);
}

static void nobody_is_asked_where_nothing_is_acknowledged(void **state)
{
	struct fixture *f = create();

	f->b.conf.mode = CTS_MODE_NOTRACK;
	enter(f, 0, 1000);
	set_many(f, 0, 800);
	run(f);
	assert_int_equal(upserts_from(f, 0), 800);
	for (unsigned int i = 0; i < f->n; i++)
		assert_int_equal(f->taken[i].h.flags, 0);
	destroy(f);
}

/* -- the window -- */

static void more_waits_until_it_is_acknowledged(void **state)
{
	struct fixture *f = create();
	unsigned int before;

	enter(f, 0, 10000);
	set_many(f, 0, 2000);
	run(f);
	before = f->n;
	assert_in_range(before, 10000 / (MESSAGE + PACE_OVERHEAD) - 1,
			10000 / (MESSAGE + PACE_OVERHEAD) + 1);
	assert_true(f->s.blocked);
	/* Nor is a digest due that the window keeps from being sent. */
	f->s.table.ready = true;
	f->s.digest_ns = f->b.now;
	assert_int_equal(sender_deadline(&f->s), window_probe_at(&f->s.window));
	f->s.table.ready = false;
	assert_int_equal(f->lagging, 0);             /* there is nobody who would have to wait */
	assert_int_equal(f->s.window.holding_ns, 0);
	ack(f, 0);
	run(f);
	assert_true(f->n > before);
	for (int i = 0; i < 100 && f->s.blocked; i++) {
		ack(f, 0);
		run(f);
	}
	assert_false(f->s.blocked);
	assert_int_equal(upserts_from(f, 0), 2000);
	destroy(f);
}

static void who_keeps_changes_from_others_falls_out_of_step(void **state)
{
	struct fixture *f = create();
	uint64_t began = f->b.now;

	enter(f, 0, PLENTY);
	enter(f, 3, 3000);
	f->s.window.view[3].confirmed = true;
	set_many(f, 0, 2000);
	run(f);
	assert_int_equal(f->lagging, 0);
	assert_true(f->s.blocked);
	assert_int_equal(f->s.window.holding_ns, began);
	assert_int_equal(sender_deadline(&f->s), began + HOLDING_NS);
	f->b.now = began + HOLDING_NS - 1;
	run(f);
	assert_int_equal(f->lagging, 0);
	assert_int_equal(f->s.window.holding_ns, began);
	f->b.now++;
	run(f);
	assert_int_equal(f->lagging, 1 << 3);
	window_leave(&f->s.window, &f->s.table, 3);
	run(f);
	assert_int_equal(upserts_from(f, 0), 2000);
	assert_int_equal(f->s.window.holding_ns, 0);
	destroy(f);
}

/* Its time counts from when it holds the others up, and each time again. */
static void nobody_is_timed_who_holds_nobody_up(void **state)
{
	struct fixture *f = create();
	struct window *w = &f->s.window;

	enter(f, 0, PLENTY);
	enter(f, 3, SEND_BATCH * (MESSAGE + PACE_OVERHEAD) + 3000);
	w->view[3].confirmed = true;
	set_many(f, 0, 3000);
	f->room = 0;
	run(f);                                      /* a batch, and nobody in its way */
	assert_int_equal(f->s.unsent_n, SEND_BATCH);
	assert_int_equal(w->holding_ns, 0);
	f->room = UINT32_MAX;
	run(f);
	assert_int_equal(w->holding_ns, f->b.now);
	/* It acknowledges, and the transport is full before it holds them up again. */
	ack(f, 3);
	w->view[3].pace.window = PLENTY;
	f->room = 0;
	run(f);
	assert_int_equal(w->holding_ns, 0);
	f->room = UINT32_MAX;
	run(f);
	assert_int_equal(w->holding_ns, 0);
	/* It holds up an entry that ends before it is sent. */
	w->view[3].pace.window = 100;
	set(f, 5000, 1);
	run(f);
	assert_int_equal(w->holding_ns, f->b.now);
	table_delete(&f->s.table, &f->b, find(f, 5000));
	run(f);
	assert_int_equal(w->holding_ns, 0);
	assert_int_equal(f->lagging, 0);
	destroy(f);
}

static void a_transfer_waits_longer_for_it(void **state)
{
	struct fixture *f = create();
	struct pull all = { .what = PULL_ALL };

	enter(f, 0, PLENTY);
	sender_ready(&f->s);
	set_many(f, 0, 2000);
	run(f);
	ack(f, 0);
	enter(f, 3, 3000);
	f->s.window.view[3].confirmed = true;
	assert_true(sender_pull(&f->s, &all, NULL));
	run(f);
	assert_int_equal(f->lagging, 0);
	f->b.now += HOLDING_BULK_NS - 1;
	run(f);
	assert_int_equal(f->lagging, 0);
	f->b.now++;
	run(f);
	assert_int_equal(f->lagging, 1 << 3);
	destroy(f);
}

static void who_has_not_confirmed_is_not_waited_for(void **state)
{
	struct fixture *f = create();

	enter(f, 0, PLENTY);
	enter(f, 3, 3000);
	enter(f, 4, 3000);
	f->s.window.view[4].confirmed = true;
	set_many(f, 0, 2000);
	run(f);
	assert_int_equal(f->lagging, 1 << 3);
	destroy(f);
}

/* The numbers are used up: the rest is for what frees some. */
static void a_window_without_numbers_waits_for_its_lowest(void **state)
{
	struct fixture *f = create();
	struct window *w = &f->s.window;

	enter(f, 0, PLENTY);
	enter(f, 1, PLENTY);
	f->s.window.view[0].confirmed = f->s.window.view[1].confirmed = true;
	for (uint32_t i = 0; i < WINDOW_MESSAGES + 100; i++) {
		set(f, i, 1);
		run(f);
		if (i >= 100 && i < 100 + WINDOW_MESSAGES / 2)
			assert_int_equal(f->s.blocked, false);
	}
	assert_int_equal(window_len(w), WINDOW_MESSAGES - WINDOW_RESERVE);
	assert_true(f->s.blocked);
	assert_int_equal(f->lagging, 0);             /* both: nobody would be served by going on */
	ack(f, 1);
	run(f);
	assert_int_equal(f->lagging, 0);
	f->b.now += HOLDING_NS;
	run(f);
	assert_int_equal(f->lagging, 1);
	ack(f, 0);
	run(f);
	assert_false(f->s.blocked);
	destroy(f);
}

/* Only what the lowest message carried may use the last numbers. */
static void the_last_numbers_are_for_what_frees_some(void **state)
{
	struct fixture *f = create();
	struct window *w = &f->s.window;
	uint64_t first;

	enter(f, 0, PLENTY);
	for (uint32_t i = 0; i < WINDOW_MESSAGES + 100; i++) {
		set(f, i, 1);
		run(f);
	}
	assert_int_equal(window_len(w), WINDOW_MESSAGES - WINDOW_RESERVE);
	first = w->lowest;
	/* All was lost; what goes is what the lowest ones carried, one after the other. */
	ack_but(f, 0, first, w->last);
	assert_int_equal(w->lowest, first);
	run(f);
	assert_true(w->lowest > first);
	for (int i = 0; i < 2000 && w->lowest <= w->last; i++) {
		ack(f, 0);
		run(f);
	}
	assert_int_equal(window_len(w), 0);
	for (uint32_t i = 0; i < WINDOW_MESSAGES + 100; i++)
		assert_true(cts_cache_entry(f->s.table.cache, find(f, i))->seq > first);
	destroy(f);
}

/* There are none left but the very last: these are for the lowest message alone. */
static void the_lowest_message_is_rescued(void **state)
{
	struct fixture *f = create();
	struct window *w = &f->s.window;
	unsigned int before;
	uint64_t first;

	enter(f, 0, PLENTY);
	for (uint32_t i = 0; i < WINDOW_MESSAGES; i++) {
		set(f, i, 1);
		run(f);
	}
	for (int i = 0; i < 20; i++) {
		f->b.now = window_probe_at(w);
		run(f);
	}
	assert_int_equal(window_len(w), WINDOW_MESSAGES - WINDOW_RESCUE);   /* no more probes */
	first = w->lowest;
	before = f->n;
	ack_but(f, 0, first, w->last);
	run(f);
	assert_true(f->n > before);
	assert_int_equal(f->taken[before].upserts, 1);
	assert_int_equal(f->taken[before].h.flags, CTS_WIRE_ACK_NOW);
	assert_true(w->lowest > first + 100);
	assert_int_equal(f->s.table.retransmit.waiting, 0);
	destroy(f);
}

/* -- probes -- */

static void silence_is_asked_with_what_was_lost_or_with_nothing(void **state)
{
	struct fixture *f = create();
	unsigned int before;
	uint64_t at;

	enter(f, 0, PLENTY);
	set(f, 1, 1);
	run(f);
	at = sender_deadline(&f->s);
	assert_int_equal(at, window_probe_at(&f->s.window));
	f->b.now = at - 1;
	run(f);
	assert_int_equal(f->n, 1);
	f->b.now = at;
	run(f);
	assert_int_equal(f->n, 2);
	assert_int_equal(f->b.st.probes, 1);
	assert_int_equal(last(f)->h.flags, CTS_WIRE_ACK_NOW);
	assert_int_equal(last(f)->len, CTS_WIRE_HEADER + 2);
	/* The transport is full: what is built already asks as well. */
	f->room = 0;
	set(f, 2, 1);
	run(f);
	before = f->s.window.last;
	f->b.now = window_probe_at(&f->s.window);
	run(f);
	assert_int_equal(f->s.window.last, before);
	destroy(f);
}

static void a_window_without_room_is_probed_all_the_same(void **state)
{
	struct fixture *f = create();
	unsigned int before;

	enter(f, 0, 3000);
	set_many(f, 0, 1000);
	run(f);
	before = f->n;
	assert_true(f->s.blocked);
	f->b.now = window_probe_at(&f->s.window);
	run(f);
	assert_int_equal(f->n, before + 1);
	assert_int_equal(last(f)->upserts, 0);
	assert_int_equal(last(f)->h.flags, CTS_WIRE_ACK_NOW);
	destroy(f);
}

static void a_probe_carries_what_was_lost_and_the_next_one_does_not(void **state)
{
	struct fixture *f = create();
	unsigned int before;

	enter(f, 0, 5000);
	set_many(f, 0, 3000);
	run(f);
	/* All but the last was lost, and there is no room to send it again at once. */
	ack_but(f, 0, 1, f->s.window.last - 1);
	f->s.window.large_lost = 0;
	f->s.window.view[0].pace.window = 600;
	run(f);
	before = f->n;
	assert_true(f->s.table.retransmit.waiting);
	f->s.window.large_lost = 1;                  /* it may be its size: then nothing but a question */
	f->b.now = window_probe_at(&f->s.window);
	run(f);
	assert_int_equal(f->n, ++before);
	assert_int_equal(last(f)->upserts, 0);
	f->s.window.large_lost = 0;
	f->s.window.view[0].pace.probes = 0;
	f->b.now = window_probe_at(&f->s.window);
	run(f);
	assert_int_equal(f->n, before + 1);
	assert_true(last(f)->upserts > 10);
	assert_true(f->s.table.retransmit.waiting);
	f->b.now = window_probe_at(&f->s.window);
	run(f);
	assert_int_equal(f->n, before + 2);
	assert_int_equal(last(f)->upserts, 0);
	f->b.now = window_probe_at(&f->s.window);
	run(f);
	assert_int_equal(f->n, before + 3);
	assert_true(last(f)->upserts > 10);
	destroy(f);
}

/* -- size -- */

static void large_messages_that_vanish_become_smaller(void **state)
{
	struct fixture *f = create_of(200000, 1472);
	unsigned int before;

	enter(f, 0, PLENTY);
	f->s.window.large_lost = SIZE_LOST - 1;
	f->s.window.small_acked = SIZE_PASSED;
	run(f);
	assert_int_equal(f->reports, 0);
	f->s.window.large_lost = SIZE_LOST;
	f->s.window.small_acked = SIZE_PASSED - 1;
	run(f);
	assert_int_equal(f->reports, 0);
	for (int i = 1; i <= 2; i++) {
		f->s.window.large_lost = SIZE_LOST;
		f->s.window.small_acked = SIZE_PASSED;
		run(f);
		assert_int_equal(f->s.window.large_lost, 0);
		assert_int_equal(f->s.window.small_acked, 0);
		assert_int_equal(f->reports, 1);     /* once a minute */
	}
	assert_int_equal(size_of(&f->s.size, 1472), 512);
	set_many(f, 0, 100);
	run(f);
	assert_in_range(f->taken[0].len, 490, 512);
	ack(f, 0);

	/* Larger ones are tried again, with nothing in them that could get lost. */
	before = f->n;
	f->b.now += SIZE_PROBE_NS;
	set(f, 200, 1);
	run(f);
	assert_int_equal(f->n, before + 2);
	assert_int_equal(f->taken[before].len, 1232);
	assert_int_equal(f->taken[before].pads, 1);
	assert_int_equal(f->taken[before].upserts, 0);
	assert_int_equal(f->taken[before].h.flags, CTS_WIRE_ACK_NOW);
	assert_int_equal(last(f)->upserts, 1);
	run(f);
	assert_int_equal(f->n, before + 2);          /* once, until it was time for an answer */
	ack(f, 0);
	run(f);
	assert_int_equal(last(f)->len, 1472);        /* it passed: the next step at once */
	ack(f, 0);
	run(f);
	assert_int_equal(f->n, before + 3);
	assert_int_equal(size_of(&f->s.size, 1472), 1472);
	f->b.now += 61 * SECOND;
	f->s.window.large_lost = SIZE_LOST;
	f->s.window.small_acked = SIZE_PASSED;
	run(f);
	assert_int_equal(f->reports, 2);
	destroy(f);
}

static void nothing_larger_is_tried_while_nobody_would_say_that_it_came(void **state)
{
	struct fixture *f = create_of(200000, 1472);

	f->s.window.large_lost = SIZE_LOST;
	f->s.window.small_acked = SIZE_PASSED;
	run(f);
	f->b.now += SIZE_PROBE_NS;
	run(f);
	assert_int_equal(f->n, 0);
	destroy(f);
}

/* -- what is pulled -- */

static void questions_are_answered_once_the_table_is_read(void **state)
{
	struct fixture *f = create();
	uint8_t part[] = { 0, 0, 0, 1, 0x81 }, list[] = { 0, 7, 1, 1, 2, 3, 4, 5, 6 };
	struct cts_wire_in in = { .buf = part, .len = sizeof(part) };
	struct pull p = { .what = PULL_ALL };
	unsigned int before, sums = 0;

	enter(f, 0, PLENTY);
	set_many(f, 0, 2000);
	run(f);
	ack(f, 0);
	before = f->n;
	assert_true(sender_pull(&f->s, &p, NULL));
	run(f);
	assert_int_equal(f->n, before);
	sender_ready(&f->s);
	run(f);
	before = f->n;
	/* Subtrees 0 and 7. */
	p.what = PULL_SUBTREES;
	assert_true(sender_pull(&f->s, &p, &in));
	run(f);
	assert_in_range(upserts_from(f, before), 0, 10);
	in.pos = 0;
	in.len = 3;
	assert_false(sender_pull(&f->s, &p, &in));
	/* Sums of level 1, and a list with an entry that does not exist. */
	before = f->n;
	p = (struct pull){ .what = PULL_SUMS, .level = 1 };
	in = (struct cts_wire_in){ .buf = NULL };
	assert_true(sender_pull(&f->s, &p, &in));
	run(f);
	for (unsigned int i = before; i < f->n; i++)
		sums += f->taken[i].sums;
	assert_in_range(sums, 3, 4);
	before = f->n;
	p = (struct pull){ .what = PULL_LISTS, .flags = PULL_LAST, .high = f->s.window.last };
	in = (struct cts_wire_in){ .buf = list, .len = sizeof(list) };
	assert_true(sender_pull(&f->s, &p, &in));
	run(f);
	run(f);
	assert_int_equal(f->taken[before].drops, 1);
	destroy(f);
}

static void a_new_epoch_begins_with_all_that_there_is(void **state)
{
	struct fixture *f = create();
	struct pull p = { .what = PULL_ALL }, sums = { .what = PULL_SUMS, .level = 1 };
	struct cts_wire_in in = { .buf = NULL };

	enter(f, 0, PLENTY);
	sender_ready(&f->s);
	set_many(f, 0, 100);
	f->room = 0;
	run(f);
	assert_true(sender_pull(&f->s, &p, NULL));
	assert_true(sender_pull(&f->s, &sums, &in));
	f->room = UINT32_MAX;
	f->b.epoch++;
	sender_renew(&f->s, false);
	assert_int_equal(f->s.unsent_n, 0);
	assert_false(transfer_active(&f->s.transfer));
	assert_true(f->s.table.ready);
	run(f);
	assert_int_equal(f->taken[0].h.number, 1);
	assert_int_equal(upserts_from(f, 0), 100);
	assert_int_equal(last(f)->h.epoch, f->b.epoch);
	for (unsigned int i = 0; i < f->n; i++)
		assert_int_equal(f->taken[i].sums, 0);   /* nobody asked this one */
	sender_renew(&f->s, true);
	assert_false(f->s.table.ready);
	assert_int_equal(table_live(&f->s.table), 0);
	destroy(f);
}

/* -- deadlines -- */

static void entries_that_are_too_young_are_looked_at_again(void **state)
{
	struct fixture *f = create();

	f->s.table.min_age = CTS_AGE_HZ;             /* a second */
	sender_ready(&f->s);
	run(f);
	f->n = 0;
	set(f, 1, 1);
	run(f);
	assert_int_equal(f->n, 0);
	assert_int_equal(sender_deadline(&f->s), f->b.now + 100 * MS);
	f->b.now += SECOND;
	run(f);
	assert_int_equal(upserts_from(f, 0), 1);
	f->b.conf.mode = CTS_MODE_ALARM;
	assert_int_equal(sender_deadline(&f->s), f->b.now + 100 * MS);
	destroy(f);
}

static void lists_that_come_in_parts_have_a_deadline(void **state)
{
	struct fixture *f = create();
	uint8_t list[] = { 0, 7, 0 };
	struct cts_wire_in in = { .buf = list, .len = sizeof(list) };
	struct pull p = { .what = PULL_LISTS };

	sender_ready(&f->s);
	run(f);
	assert_true(sender_pull(&f->s, &p, &in));
	assert_int_equal(sender_deadline(&f->s), f->b.now + LISTS_WAIT_NS);
	destroy(f);
}

/* More than one step of a transfer: it goes on at once. */
static void a_long_walk_goes_on_in_the_next_turn(void **state)
{
	struct fixture *f = create();
	struct pull p = { .what = PULL_ALL };
	unsigned int turns = 1;

	f->b.conf.mode = CTS_MODE_NOTRACK;
	sender_ready(&f->s);
	set_many(f, 0, 3 * STEP_ENTRIES);
	run(f);
	assert_true(sender_pull(&f->s, &p, NULL));
	f->n = 0;
	while (sender_run(&f->s, &f->lagging))
		turns++;
	assert_int_equal(upserts_from(f, 0), 3 * STEP_ENTRIES);
	assert_in_range(turns, 3, 4);
	destroy(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_name_their_sender_and_their_place),
		cmocka_unit_test(before_anybody_is_in_the_window_all_is_settled),
		cmocka_unit_test(messages_are_filled),
		cmocka_unit_test(nobody_listens_and_all_is_settled),
		cmocka_unit_test(a_digest_is_of_all_that_was_sent_before_it),
		cmocka_unit_test(a_digest_has_room_in_a_full_message),
		cmocka_unit_test(what_found_no_room_makes_it_incomplete),
		cmocka_unit_test(a_transfer_is_said_to_be_under_way),
		cmocka_unit_test(how_soon_the_next_digest_comes),
		cmocka_unit_test(what_the_transport_does_not_take_is_kept),
		cmocka_unit_test(what_cannot_be_sent_is_lost_and_repaired),
		cmocka_unit_test(how_large_messages_are),
		cmocka_unit_test(one_is_asked_for_each_quarter_of_the_smallest_window),
		cmocka_unit_test(nobody_is_asked_where_nothing_is_acknowledged),
		cmocka_unit_test(more_waits_until_it_is_acknowledged),
		cmocka_unit_test(who_keeps_changes_from_others_falls_out_of_step),
		cmocka_unit_test(nobody_is_timed_who_holds_nobody_up),
		cmocka_unit_test(a_transfer_waits_longer_for_it),
		cmocka_unit_test(who_has_not_confirmed_is_not_waited_for),
		cmocka_unit_test(a_window_without_numbers_waits_for_its_lowest),
		cmocka_unit_test(the_last_numbers_are_for_what_frees_some),
		cmocka_unit_test(the_lowest_message_is_rescued),
		cmocka_unit_test(silence_is_asked_with_what_was_lost_or_with_nothing),
		cmocka_unit_test(a_window_without_room_is_probed_all_the_same),
		cmocka_unit_test(a_probe_carries_what_was_lost_and_the_next_one_does_not),
		cmocka_unit_test(large_messages_that_vanish_become_smaller),
		cmocka_unit_test(nothing_larger_is_tried_while_nobody_would_say_that_it_came),
		cmocka_unit_test(questions_are_answered_once_the_table_is_read),
		cmocka_unit_test(a_new_epoch_begins_with_all_that_there_is),
		cmocka_unit_test(entries_that_are_too_young_are_looked_at_again),
		cmocka_unit_test(lists_that_come_in_parts_have_a_deadline),
		cmocka_unit_test(a_long_walk_goes_on_in_the_next_turn),
	};

	return cmocka_run_group_tests_name("sender", tests, NULL, NULL);
}
