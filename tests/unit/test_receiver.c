/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The receiving side of one stream: order, gaps, acknowledgements, digests.
 * core/sync/recv/receiver.h. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/sync/recv/receiver.h"
#include "tests/unit/gaps_look.h"
#include "tests/unit/sync_gen.h"

#define NODE 7u

struct fixture {
	struct base b;
	struct receiver r;
	struct applied a;
	uint64_t floor;              /* of what data() delivers */
};

static struct fixture *create(enum cts_sync_mode mode, uint64_t start)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	gen_base(&f->b, 10000);
	f->b.conf.mode = mode;
	f->b.ctx = f;
	f->floor = 1;
	assert_int_equal(receiver_init(&f->r, &f->b, NODE, &f->a), 0);
	receiver_epoch(&f->r, &f->b, 1000, false);
	if (start) {
		receiver_start(&f->r, &f->b, start);
		receiver_acked(&f->r, &f->b);
	}
	return f;
}

static void destroy(struct fixture *f)
{
	receiver_fini(&f->r);
	free(f);
}

/* A message under construction. */
struct message {
	uint8_t buf[1400];
	struct cts_wire_out o;
};

static struct cts_wire_out *begin(struct message *m, uint16_t below)
{
	m->o = (struct cts_wire_out){ .buf = m->buf, .size = sizeof(m->buf) };
	cts_put_u16(&m->o, below);
	return &m->o;
}

static void put_entry(struct message *m, uint32_t i, uint16_t value)
{
	uint8_t packed[GEN_LEN_MAX];
	size_t len = gen_entry(packed, i, value);

	cts_put_u8(&m->o, value ? CTS_REC_UPSERT : CTS_REC_DELETE);
	cts_put_u8(&m->o, (uint8_t)len);
	cts_put_bytes(&m->o, packed, len);
}

static void put_digest(struct message *m, uint8_t flags, uint64_t count, uint64_t total)
{
	cts_put_u8(&m->o, CTS_REC_DIGEST);
	cts_put_u8(&m->o, 17);
	cts_put_u8(&m->o, flags);
	cts_put_u64(&m->o, count);
	cts_put_u64(&m->o, total);
}

static void deliver(struct fixture *f, uint64_t seq, struct message *m)
{
	receiver_data(&f->r, &f->b, seq, false, cts_crc32c(0, m->buf, m->o.len), m->buf, m->o.len);
}

/* Message seq sets entry seq, and settles what is below floor. */
static void data_floor(struct fixture *f, uint64_t seq, uint64_t floor)
{
	struct message m;

	begin(&m, (uint16_t)(seq - floor));
	put_entry(&m, (uint32_t)seq, 5);
	deliver(f, seq, &m);
}

static void data(struct fixture *f, uint64_t seq)
{
	data_floor(f, seq, f->floor);
}

static uint64_t count(struct fixture *f)
{
	return cts_cache_count(f->r.replica.cache);
}

static void wait(struct fixture *f, uint64_t ns)
{
	f->b.now += ns;
	receiver_run(&f->r, &f->b);
}

static void nothing_is_applied_before_it_has_a_start(void **state)
{
	struct fixture *f = create(CTS_MODE_FTFW, 0);

	data(f, 1);
	assert_int_equal(count(f), 0);
	receiver_acked(&f->r, &f->b);
	receiver_start(&f->r, &f->b, 3);
	assert_true(receiver_ack_due(&f->r, &f->b));
	data(f, 2);
	assert_int_equal(count(f), 0);
	data(f, 3);
	assert_int_equal(count(f), 1);
	assert_int_equal(f->r.high, 3);
	destroy(f);
}

/* A number is used once in an epoch: its owner was reverted, or there are two of it. */
static void another_message_of_the_same_number_ends_the_stream(void **state)
{
	for (uint64_t seq = 1; seq <= 4; seq += 3) {   /* of one that was applied, and that waits */
		struct fixture *f = create(CTS_MODE_FTFW, 1);
		struct message m;

		data(f, 1);
		data(f, 2);
		data(f, 4);
		assert_false(f->r.forked);
		begin(&m, 0);
		put_entry(&m, 1, 99);
		deliver(f, seq, &m);
		assert_true(f->r.forked);
		assert_true(receiver_ack_due(&f->r, &f->b));
		assert_false(receiver_holds(&f->r));
		data(f, 3);
		receiver_start(&f->r, &f->b, 9);
		data(f, 9);
		assert_int_equal(f->b.st.recv_upserts, 2);
		receiver_epoch(&f->r, &f->b, 7, false);
		receiver_start(&f->r, &f->b, 1);
		deliver(f, 1, &m);                     /* the numbers begin again */
		assert_int_equal(f->b.st.recv_upserts, 3);
		destroy(f);
	}
}

static void a_message_counts_once(void **state)
{
	struct fixture *f = create(CTS_MODE_FTFW, 1);

	data(f, 1);
	data(f, 2);
	data(f, 1);                          /* older than what is here */
	assert_int_equal(f->b.st.duplicates, 1);
	assert_int_equal(cts_cache_entry(f->r.replica.cache, 1)->seq, 1);
	assert_int_equal(f->b.st.recv_upserts, 2);
	data(f, 4);
	data(f, 4);                          /* kept already */
	assert_int_equal(f->b.st.duplicates, 2);
	destroy(f);
}

static void what_overtakes_waits_for_its_turn(void **state)
{
	struct fixture *f = create(CTS_MODE_FTFW, 1);

	data(f, 3);
	data(f, 2);
	assert_int_equal(count(f), 0);
	assert_int_equal(f->r.reorder_ns, f->b.now + REORDER_NS);
	wait(f, REORDER_NS - 1);
	assert_int_equal(f->r.gaps.n, 0);
	data(f, 1);
	assert_int_equal(f->r.high, 3);
	assert_int_equal(count(f), 3);
	assert_int_equal(f->r.reorder_ns, NEVER);
	assert_int_equal(f->b.st.gaps_opened, 0);
	destroy(f);
}

static void what_does_not_come_in_time_is_a_gap(void **state)
{
	struct fixture *f = create(CTS_MODE_FTFW, 1);

	data(f, 3);
	data(f, 6);
	wait(f, REORDER_NS);
	assert_int_equal(f->r.high, 6);
	assert_int_equal(f->r.gaps.n, 2);
	assert_int_equal(gaps_messages(&f->r.gaps), 4);
	assert_true(gaps_has(&f->r.gaps, 1) && gaps_has(&f->r.gaps, 2) && gaps_has(&f->r.gaps, 4));
	assert_int_equal(count(f), 2);
	assert_true(receiver_ack_due(&f->r, &f->b));
	assert_int_equal(f->b.st.lost_messages, 4);
	assert_int_equal(f->r.reorder_ns, NEVER);
	data(f, 2);                          /* too late: its entries come again */
	assert_int_equal(count(f), 2);
	destroy(f);
}

static void too_many_that_overtake_are_not_waited_for(void **state)
{
	struct fixture *f = create(CTS_MODE_FTFW, 1);

	for (uint64_t seq = 2; seq < 1 + REORDER_MESSAGES; seq++)
		data(f, seq);
	assert_int_equal(f->r.gaps.n, 0);
	data(f, 1 + REORDER_MESSAGES);
	assert_int_equal(f->r.gaps.n, 1);
	assert_int_equal(f->r.high, 1 + REORDER_MESSAGES);
	assert_int_equal(count(f), REORDER_MESSAGES);
	destroy(f);
}

static void a_gap_is_closed_by_the_floor_alone(void **state)
{
	struct fixture *f = create(CTS_MODE_FTFW, 1);

	data(f, 1);
	data(f, 4);
	wait(f, REORDER_NS);
	receiver_acked(&f->r, &f->b);
	data_floor(f, 5, 2);
	data_floor(f, 6, 3);
	assert_true(gaps_has(&f->r.gaps, 3));
	assert_false(gaps_has(&f->r.gaps, 2));
	assert_int_equal(f->b.st.gaps_closed, 0);
	assert_false(receiver_ack_due(&f->r, &f->b));
	data_floor(f, 7, 4);
	assert_int_equal(f->r.gaps.n, 0);
	assert_int_equal(f->b.st.gaps_closed, 1);
	assert_true(receiver_ack_due(&f->r, &f->b));
	destroy(f);
}

static void acknowledgements_come_in_time(void **state)
{
	struct fixture *f = create(CTS_MODE_FTFW, 1);
	uint64_t seq = 0;

	assert_int_equal(f->r.ack_ns, NEVER);
	data(f, ++seq);
	assert_int_equal(f->r.ack_ns, f->b.now + ACK_NS);
	f->b.now += MS;
	data(f, ++seq);                      /* counts from the first */
	assert_int_equal(f->r.ack_ns, f->b.now + ACK_NS - MS);
	while (seq < ACK_EVERY - 1)
		data(f, ++seq);
	assert_false(receiver_ack_due(&f->r, &f->b));
	data(f, ++seq);
	assert_true(receiver_ack_due(&f->r, &f->b));
	receiver_acked(&f->r, &f->b);
	assert_false(receiver_ack_due(&f->r, &f->b));
	assert_int_equal(f->r.ack_ns, NEVER);
	for (unsigned int i = 1; i < ACK_EVERY; i++) {
		data(f, ++seq);
		assert_false(receiver_ack_due(&f->r, &f->b));
	}
	f->b.now += ACK_NS;
	assert_true(receiver_ack_due(&f->r, &f->b));
	destroy(f);
}

static void one_can_ask_for_an_acknowledgement(void **state)
{
	struct fixture *f = create(CTS_MODE_FTFW, 1);
	struct message m;

	begin(&m, 0);
	receiver_data(&f->r, &f->b, 1, true, cts_crc32c(0, m.buf, m.o.len), m.buf, m.o.len);
	assert_true(receiver_ack_due(&f->r, &f->b));
	receiver_acked(&f->r, &f->b);
	receiver_data(&f->r, &f->b, 1, true, cts_crc32c(0, m.buf, m.o.len), m.buf, m.o.len);        /* a duplicate asks, too */
	assert_true(receiver_ack_due(&f->r, &f->b));
	destroy(f);
}

static void open_gaps_are_named_again_and_again(void **state)
{
	struct fixture *f = create(CTS_MODE_FTFW, 1);

	data(f, 2);
	wait(f, REORDER_NS);
	for (int i = 0; i < 5; i++) {
		assert_true(receiver_ack_due(&f->r, &f->b));
		receiver_acked(&f->r, &f->b);
		assert_int_equal(f->r.ack_ns, f->b.now + ACK_GAPS_NS);
		f->b.now += ACK_GAPS_NS;
	}
	destroy(f);
}

static void a_number_far_ahead_is_not_believed(void **state)
{
	struct fixture *f = create(CTS_MODE_FTFW, 1);

	data(f, 1);
	receiver_acked(&f->r, &f->b);
	data(f, 1 + AHEAD_MAX);              /* as far as a window can be */
	assert_int_equal(f->r.start, 1);
	data(f, 2 + AHEAD_MAX);
	assert_int_equal(f->r.start, 0);
	assert_int_equal(f->r.reorder.n, 0);
	assert_true(receiver_ack_due(&f->r, &f->b));
	assert_int_equal(f->b.st.bad_record, 1);
	destroy(f);
}

static void another_start_begins_again_and_keeps_the_order(void **state)
{
	struct fixture *f = create(CTS_MODE_FTFW, 1);

	data(f, 1);
	data(f, 3);
	wait(f, REORDER_NS);
	f->r.equal_at = 1;
	receiver_start(&f->r, &f->b, 1);     /* the one it goes by */
	assert_int_equal(f->r.gaps.n, 1);
	assert_false(gaps_has(&f->r.gaps, 1));
	assert_int_equal(f->r.equal_at, 1);
	receiver_start(&f->r, &f->b, 9);
	assert_int_equal(f->r.gaps.n, 0);
	assert_int_equal(f->r.high, 8);
	assert_int_equal(f->r.equal_at, 0);  /* it has to be found equal again */
	receiver_start(&f->r, &f->b, 5);     /* overtaken */
	assert_int_equal(f->r.start, 9);
	data(f, 9);
	data(f, 10);
	/* It learned it late: what came meanwhile was applied, and may not be all. */
	receiver_start(&f->r, &f->b, 10);
	assert_int_equal(f->r.high, 10);
	assert_true(gaps_has(&f->r.gaps, 10));
	data_floor(f, 11, 11);
	assert_int_equal(f->r.gaps.n, 0);
	destroy(f);
}

static void out_of_step_it_goes_on_but_nobody_repairs(void **state)
{
	struct fixture *f = create(CTS_MODE_FTFW, 1);

	data(f, 1);
	receiver_start(&f->r, &f->b, 0);
	assert_true(f->r.detached);
	assert_int_equal(f->r.start, 1);
	data(f, 2);
	assert_int_equal(count(f), 2);
	data(f, 5);
	wait(f, REORDER_NS);
	assert_int_equal(count(f), 3);
	assert_int_equal(f->r.gaps.n, 0);
	assert_true(f->r.lossy);
	assert_false(receiver_holds(&f->r));
	receiver_start(&f->r, &f->b, 6);
	assert_false(f->r.detached);
	destroy(f);
}

static void where_nothing_is_acknowledged_loss_shows_by_the_highest(void **state)
{
	struct fixture *f = create(CTS_MODE_NOTRACK, 1);

	data(f, 1);
	assert_int_equal(f->r.ack_ns, NEVER);
	receiver_last(&f->r, &f->b, 1);
	wait(f, REORDER_NS);
	assert_false(f->r.lossy);
	receiver_last(&f->r, &f->b, 3);
	wait(f, REORDER_NS - 1);
	data(f, 2);                          /* it may be on its way */
	assert_false(f->r.lossy);
	wait(f, REORDER_NS);
	assert_true(f->r.lossy);
	assert_int_equal(f->r.high, 3);
	assert_int_equal(f->r.reorder_ns, NEVER);
	receiver_last(&f->r, &f->b, UINT64_C(1) << 62);
	wait(f, REORDER_NS);
	assert_int_equal(f->r.high, 3);
	destroy(f);
}

static void a_hello_cannot_move_a_stream_that_is_acknowledged(void **state)
{
	struct fixture *f = create(CTS_MODE_FTFW, 1);

	data(f, 1);
	receiver_last(&f->r, &f->b, 1000);
	wait(f, SECOND);
	assert_int_equal(f->r.high, 1);
	assert_int_equal(f->r.gaps.n, 0);
	destroy(f);
}

/* ---- digests ---- */

static void digest(struct fixture *f, uint64_t seq, uint8_t flags, int off)
{
	struct message m;

	begin(&m, 0);
	put_digest(&m, flags, f->r.replica.sums.count, f->r.replica.sums.total + (uint64_t)off);
	deliver(f, seq, &m);
}

static void equal_is_said_and_remembered(void **state)
{
	struct fixture *f = create(CTS_MODE_FTFW, 1);
	struct message m;

	data(f, 1);
	assert_false(receiver_holds(&f->r));
	digest(f, 2, 0, 0);
	assert_int_equal(f->r.equal_at, 2);
	assert_true(receiver_ack_due(&f->r, &f->b));
	assert_false(f->r.complete);         /* the owner had more to send */
	assert_false(receiver_holds(&f->r));
	digest(f, 3, CTS_DIGEST_COMPLETE, 0);
	assert_true(f->r.complete);
	assert_true(receiver_holds(&f->r));
	digest(f, 4, 0, 0);
	assert_true(f->r.complete);
	digest(f, 5, 0, 1);
	assert_true(f->r.differs);
	assert_int_equal(f->r.equal_at, 4);
	assert_false(receiver_holds(&f->r));
	assert_true(compare_running(&f->r.compare));
	digest(f, 6, 0, 0);
	assert_false(f->r.differs);
	assert_false(compare_running(&f->r.compare));
	begin(&m, 0);                        /* as many have to be there, too */
	put_digest(&m, 0, f->r.replica.sums.count + 1, f->r.replica.sums.total);
	deliver(f, 7, &m);
	assert_true(f->r.differs);
	destroy(f);
}

/* It is of all before it: of its own message, too. */
static void a_digest_is_judged_when_its_message_is_applied(void **state)
{
	struct fixture *f = create(CTS_MODE_FTFW, 1), *other = create(CTS_MODE_FTFW, 1);
	struct message m;

	begin(&m, 0);
	put_entry(&m, 1, 5);
	deliver(other, 1, &m);
	begin(&m, 0);
	put_digest(&m, 0, other->r.replica.sums.count, other->r.replica.sums.total);
	put_entry(&m, 1, 5);
	deliver(f, 1, &m);
	assert_int_equal(f->r.equal_at, 1);
	destroy(other);
	destroy(f);
}

static void with_a_gap_nothing_is_proven(void **state)
{
	struct fixture *f = create(CTS_MODE_FTFW, 1);

	data(f, 1);
	data(f, 3);
	wait(f, REORDER_NS);
	{
		struct message m;

		begin(&m, 2);                /* the gap stays */
		put_digest(&m, 0, 99, 99);
		deliver(f, 4, &m);
		assert_false(f->r.differs);
		begin(&m, 0);                /* the gap closes with this very message */
		put_digest(&m, 0, 99, 99);
		deliver(f, 5, &m);
		assert_true(f->r.differs);
	}
	destroy(f);
}

static void without_startup_resync_nothing_is_pulled_until_it_is_asked_for(void **state)
{
	struct fixture *f = create(CTS_MODE_FTFW, 1);

	f->r.pulls = false;
	digest(f, 1, 0, 1);
	assert_true(f->r.differs);
	assert_false(compare_running(&f->r.compare));
	receiver_resync(&f->r, &f->b);
	assert_true(f->r.pulls);             /* from now on */
	assert_true(compare_running(&f->r.compare));
	destroy(f);
}

static void only_a_complete_digest_ends_what_a_former_epoch_had(void **state)
{
	struct fixture *f = create(CTS_MODE_FTFW, 1);

	data(f, 1);
	digest(f, 2, CTS_DIGEST_COMPLETE, 0);
	data(f, 5);
	wait(f, REORDER_NS);
	data(f, 8);
	receiver_epoch(&f->r, &f->b, 1001, false);
	assert_int_equal(f->r.start, 0);
	assert_int_equal(f->r.gaps.n, 0);
	assert_int_equal(f->r.reorder.n, 0);
	assert_int_equal(f->r.high, 0);
	receiver_start(&f->r, &f->b, 1);
	assert_int_equal(f->r.replica.stale, 2);
	assert_false(f->r.complete);
	digest(f, 1, 0, 0);
	wait(f, MS);
	assert_int_equal(count(f), 2);
	digest(f, 2, CTS_DIGEST_COMPLETE, 1);        /* complete, and not equal */
	wait(f, MS);
	assert_int_equal(count(f), 2);
	digest(f, 3, CTS_DIGEST_COMPLETE, 0);
	wait(f, MS);
	assert_int_equal(count(f), 0);
	destroy(f);
}

static void holding_all_takes_more_than_an_equal_digest(void **state)
{
	struct fixture *f = create(CTS_MODE_FTFW, 1);

	digest(f, 1, CTS_DIGEST_COMPLETE, 0);
	assert_true(receiver_holds(&f->r));
	f->r.replica.refused = 1;
	assert_false(receiver_holds(&f->r));
	f->r.replica.refused = 0;
	f->r.replica.stale = 1;
	assert_false(receiver_holds(&f->r));
	f->r.replica.stale = 0;
	f->r.replica.trimmed = true;
	assert_false(receiver_holds(&f->r));
	f->r.replica.trimmed = false;
	f->r.complete = false;
	assert_false(receiver_holds(&f->r));
	f->r.complete = true;
	f->r.differs = true;
	assert_false(receiver_holds(&f->r));
	f->r.differs = false;
	f->r.lossy = true;
	assert_false(receiver_holds(&f->r));
	f->r.lossy = false;
	f->r.detached = true;
	assert_false(receiver_holds(&f->r));
	f->r.detached = false;
	gaps_open(&f->r.gaps, 5, 5, 0);
	assert_false(receiver_holds(&f->r));
	gaps_clear(&f->r.gaps);
	assert_true(receiver_holds(&f->r));
	f->r.equal_at = 0;
	assert_false(receiver_holds(&f->r));
	destroy(f);
}

/* Entries that went for another reason than the owner's word: it has to be found equal
 * again, and the owner has to know. */
static void a_trimmed_replica_is_not_equal_any_more(void **state)
{
	struct fixture *f = create(CTS_MODE_FTFW, 1);

	data(f, 1);
	digest(f, 2, CTS_DIGEST_COMPLETE, 0);
	receiver_acked(&f->r, &f->b);
	replica_trim(&f->r.replica, &f->b, cts_cache_next(f->r.replica.cache, 0));
	assert_false(receiver_holds(&f->r));
	wait(f, MS);
	assert_int_equal(f->r.equal_at, 0);
	assert_false(f->r.complete);
	assert_true(receiver_ack_due(&f->r, &f->b));
	digest(f, 3, CTS_DIGEST_COMPLETE, 0);
	assert_true(receiver_holds(&f->r));
	destroy(f);
}

/* ---- damage ---- */

static void damaged_records_are_counted_and_the_rest_is_applied(void **state)
{
	struct fixture *f = create(CTS_MODE_FTFW, 1);
	struct message m;

	begin(&m, 0);
	put_entry(&m, 1, 5);
	cts_put_u8(&m.o, CTS_REC_DROP);      /* too short */
	cts_put_u8(&m.o, 2);
	cts_put_u16(&m.o, 0);
	cts_put_u8(&m.o, CTS_REC_DIGEST);
	cts_put_u8(&m.o, 1);
	cts_put_u8(&m.o, 0);
	cts_put_u8(&m.o, 0x70);              /* a record of later */
	cts_put_u8(&m.o, 1);
	cts_put_u8(&m.o, 0);
	put_entry(&m, 2, 5);
	cts_put_u8(&m.o, CTS_REC_UPSERT);    /* cut off */
	cts_put_u8(&m.o, 30);
	deliver(f, 1, &m);
	assert_int_equal(count(f), 2);
	assert_int_equal(f->b.st.bad_record, 3);
	assert_int_equal(f->b.st.unknown_attributes, 1);
	assert_int_equal(f->r.equal_at, 0);
	destroy(f);
}

static void a_floor_below_nothing_settles_nothing(void **state)
{
	struct fixture *f = create(CTS_MODE_FTFW, 1);
	struct message m;

	data(f, 2);
	wait(f, REORDER_NS);
	begin(&m, 4);                        /* more than its own number */
	deliver(f, 3, &m);
	assert_int_equal(f->r.gaps.n, 1);
	m.o.len = 1;                         /* no floor at all */
	deliver(f, 4, &m);
	assert_int_equal(f->r.gaps.n, 1);
	destroy(f);
}

/* ---- any order ---- */

#define N 2000u

static void any_order_within_reach_ends_in_the_same(void **state)
{
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct fixture *f = create(CTS_MODE_FTFW, 1);
		struct rng r = { seed };
		uint64_t order[N];

		for (uint32_t i = 0; i < N; i++)
			order[i] = i + 1;
		for (uint32_t i = 0; i < N; i++) {
			uint32_t j = i + rng_below(&r, 8 - i % 8);   /* shuffled by eights */
			uint64_t seq = order[i];

			order[i] = order[j];
			order[j] = seq;
		}
		for (uint32_t i = 0; i < N; i++) {
			struct message m;

			/* The last one to set key (seq % 50) wins. */
			begin(&m, (uint16_t)(order[i] - 1));
			put_entry(&m, (uint32_t)(order[i] % 50), (uint16_t)order[i]);
			deliver(f, order[i], &m);
			if (!rng_below(&r, 3))
				deliver(f, order[i], &m);
			f->b.now += rng_below(&r, 100000);
		}
		wait(f, REORDER_NS);
		assert_int_equal(f->r.high, N);
		assert_int_equal(f->r.gaps.n, 0);
		for (uint64_t key = 0; key < 50; key++) {
			uint64_t last = N - (N - key) % 50;
			uint8_t packed[GEN_LEN_MAX];
			uint32_t ref;

			gen_entry(packed, (uint32_t)key, 0);
			ref = cts_cache_find(f->r.replica.cache, packed, GEN_KEY_LEN);
			assert_true(ref);
			assert_int_equal(cts_cache_entry(f->r.replica.cache, ref)->seq, last);
		}
		destroy(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_applied_before_it_has_a_start),
		cmocka_unit_test(a_message_counts_once),
		cmocka_unit_test(another_message_of_the_same_number_ends_the_stream),
		cmocka_unit_test(what_overtakes_waits_for_its_turn),
		cmocka_unit_test(what_does_not_come_in_time_is_a_gap),
		cmocka_unit_test(too_many_that_overtake_are_not_waited_for),
		cmocka_unit_test(a_gap_is_closed_by_the_floor_alone),
		cmocka_unit_test(acknowledgements_come_in_time),
		cmocka_unit_test(one_can_ask_for_an_acknowledgement),
		cmocka_unit_test(open_gaps_are_named_again_and_again),
		cmocka_unit_test(a_number_far_ahead_is_not_believed),
		cmocka_unit_test(another_start_begins_again_and_keeps_the_order),
		cmocka_unit_test(out_of_step_it_goes_on_but_nobody_repairs),
		cmocka_unit_test(where_nothing_is_acknowledged_loss_shows_by_the_highest),
		cmocka_unit_test(a_hello_cannot_move_a_stream_that_is_acknowledged),
		cmocka_unit_test(equal_is_said_and_remembered),
		cmocka_unit_test(a_digest_is_judged_when_its_message_is_applied),
		cmocka_unit_test(with_a_gap_nothing_is_proven),
		cmocka_unit_test(without_startup_resync_nothing_is_pulled_until_it_is_asked_for),
		cmocka_unit_test(only_a_complete_digest_ends_what_a_former_epoch_had),
		cmocka_unit_test(holding_all_takes_more_than_an_equal_digest),
		cmocka_unit_test(a_trimmed_replica_is_not_equal_any_more),
		cmocka_unit_test(damaged_records_are_counted_and_the_rest_is_applied),
		cmocka_unit_test(a_floor_below_nothing_settles_nothing),
		cmocka_unit_test(any_order_within_reach_ends_in_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
