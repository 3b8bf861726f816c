/* SPDX-License-Identifier: GPL-2.0-or-later */
/* This node's own entries and what of them is to be sent: core/sync/send/table.h. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/sync/send/table.h"
#include "tests/unit/sync_gen.h"

#define LIMIT 1000u

struct fixture {
	struct base b;
	struct table t;
	uint64_t seq;                /* of the last message */
};

static struct fixture *create(size_t limit, uint32_t min_age_ms)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	gen_base(&f->b, limit);
	f->b.conf.min_age_ms = min_age_ms;
	assert_int_equal(table_init(&f->t, &f->b), 0);
	f->t.ready = true;
	return f;
}

static void destroy(struct fixture *f)
{
	table_fini(&f->t);
	free(f);
}

static uint32_t find(struct fixture *f, uint32_t i)
{
	uint8_t buf[GEN_LEN_MAX];

	gen_entry(buf, i, 0);
	return cts_cache_find(f->t.cache, buf, GEN_KEY_LEN);
}

static uint32_t set_as(struct fixture *f, uint32_t i, uint16_t value, bool replicate,
		       uint32_t above)
{
	uint8_t buf[GEN_LEN_MAX];
	size_t len = gen_entry(buf, i, value);
	uint32_t hash = cts_cache_hash(f->t.cache, buf, GEN_KEY_LEN);

	return table_set(&f->t, &f->b, find(f, i), hash, buf, len, replicate, above);
}

static uint32_t set(struct fixture *f, uint32_t i, uint16_t value)
{
	return set_as(f, i, value, true, 0);
}

/* A record as it was sent. */
struct record {
	uint8_t type;
	uint32_t i, version, ref;
	uint16_t value;
	bool lost;
	uint64_t before;
};

/* Send one entry in a message of its own. false: there is none. */
static bool send_one(struct fixture *f, struct record *r)
{
	uint8_t buf[256];
	struct cts_wire_out out = { .buf = buf, .size = sizeof(buf) };
	struct cts_wire_in in = { .buf = buf };
	struct cts_record rec;

	r->ref = table_next(&f->t, &f->b, &r->lost);
	if (!r->ref)
		return false;
	assert_true(table_waiting(&f->t));
	assert_true(table_put(&f->t, &f->b, &out, ++f->seq, r->ref, &r->before));
	table_taken(&f->t, r->ref, r->lost);
	in.len = out.len;
	assert_int_equal(cts_record_next(&in, &rec), 1);
	r->type = rec.type;
	r->i = gen_number(rec.data);
	r->value = gen_value(rec.data, rec.len);
	r->version = cts_packed_version(rec.data, rec.len);
	assert_int_equal(cts_record_next(&in, &rec), 0);
	return true;
}

static void assert_sent(struct fixture *f, uint8_t type, uint32_t i, uint16_t value,
			uint32_t version)
{
	struct record r;

	assert_true(send_one(f, &r));
	assert_int_equal(r.type, type);
	assert_int_equal(r.i, i);
	assert_int_equal(r.value, value);
	assert_int_equal(r.version, version);
}

static void assert_nothing_waits(struct fixture *f)
{
	bool lost;

	assert_int_equal(table_next(&f->t, &f->b, &lost), 0);
	assert_false(table_waiting(&f->t));
}

static void changes_go_in_order_once_and_as_they_are_then(void **state)
{
	struct fixture *f = create(LIMIT, 0);

	assert_nothing_waits(f);
	for (uint32_t i = 1; i <= 3; i++)
		set(f, i, 10);
	assert_int_equal(f->t.unsent, 3);
	set(f, 1, 11);
	set(f, 1, 12);
	assert_sent(f, CTS_REC_UPSERT, 1, 12, 3);
	set(f, 1, 13);                       /* changed again: behind the others */
	assert_sent(f, CTS_REC_UPSERT, 2, 10, 1);
	assert_sent(f, CTS_REC_UPSERT, 3, 10, 1);
	assert_sent(f, CTS_REC_UPSERT, 1, 13, 4);
	assert_nothing_waits(f);
	assert_int_equal(f->t.unsent, 0);
	assert_int_equal(f->b.st.sent_upserts, 4);
	destroy(f);
}

static void a_version_counts_changes_and_nothing_else(void **state)
{
	struct fixture *f = create(LIMIT, 0);
	uint32_t ref = set(f, 1, 10);

	assert_int_equal(table_version(&f->t, ref), 1);
	assert_sent(f, CTS_REC_UPSERT, 1, 10, 1);
	assert_int_equal(set(f, 1, 10), ref);        /* the same content is no change */
	assert_nothing_waits(f);
	assert_int_equal(table_version(&f->t, ref), 1);
	set(f, 1, 300);
	assert_int_equal(table_version(&f->t, ref), 2);
	set_as(f, 1, 301, false, 0);                 /* kept, not replicated: the same version */
	assert_int_equal(table_version(&f->t, ref), 2);
	assert_sent(f, CTS_REC_UPSERT, 1, 301, 2);
	set_as(f, 1, 301, true, 69999);              /* the same content, adopted */
	assert_int_equal(table_version(&f->t, ref), 70000);
	assert_sent(f, CTS_REC_UPSERT, 1, 301, 70000);
	set_as(f, 1, 302, true, 5);                  /* never less than it was */
	assert_int_equal(table_version(&f->t, ref), 70001);
	set_as(f, 2, 1, true, 7);
	assert_int_equal(table_version(&f->t, find(f, 2)), 8);
	assert_int_equal(table_version(&f->t, 0), 0);
	destroy(f);
}

static void a_deleted_entry_lives_on_with_a_higher_version(void **state)
{
	struct fixture *f = create(LIMIT, 0);
	uint32_t ref = set(f, 1, 10);

	assert_sent(f, CTS_REC_UPSERT, 1, 10, 1);
	table_delete(&f->t, &f->b, ref);
	assert_false(table_is_live(&f->t, ref));
	assert_int_equal(table_live(&f->t), 0);
	assert_int_equal(set_as(f, 1, 10, false, 0), ref);
	assert_true(table_is_live(&f->t, ref));
	assert_int_equal(table_live(&f->t), 1);
	/* That it is new is said even where mere changes are not. */
	assert_sent(f, CTS_REC_UPSERT, 1, 10, 2);
	assert_nothing_waits(f);
	destroy(f);
}

static void what_nobody_knows_of_disappears_in_silence(void **state)
{
	struct fixture *f = create(LIMIT, 0);
	uint32_t ref = set(f, 1, 10);

	set(f, 2, 10);
	table_delete(&f->t, &f->b, ref);
	assert_int_equal(f->t.unsent, 1);
	assert_sent(f, CTS_REC_UPSERT, 2, 10, 1);
	assert_nothing_waits(f);
	assert_int_equal(find(f, 1), 0);
	assert_int_equal(f->t.tombstones, 0);
	assert_int_equal(f->t.unsent, 0);
	assert_int_equal(f->b.st.sent_deletes, 0);
	destroy(f);
}

static void a_tombstone_waits_for_the_message_that_carried_it(void **state)
{
	struct fixture *f = create(LIMIT, 0);
	uint32_t ref = set(f, 1, 10);
	uint64_t upsert, delete;

	assert_sent(f, CTS_REC_UPSERT, 1, 10, 1);
	upsert = f->seq;
	table_settled(&f->t, ref, upsert);           /* a live entry stays */
	assert_true(table_is_live(&f->t, ref));
	table_delete(&f->t, &f->b, ref);
	table_delete(&f->t, &f->b, ref);             /* twice is once */
	assert_int_equal(f->t.tombstones, 1);
	table_settled(&f->t, ref, upsert);           /* it is to be sent still */
	assert_int_equal(find(f, 1), ref);
	assert_sent(f, CTS_REC_DELETE, 1, 0, 1);
	delete = f->seq;
	table_settled(&f->t, ref, upsert);           /* not the one that carried it */
	table_settled(&f->t, ref, delete + 1);
	assert_int_equal(find(f, 1), ref);
	table_settled(&f->t, ref, delete);
	assert_int_equal(find(f, 1), 0);
	assert_int_equal(f->t.tombstones, 0);
	assert_nothing_waits(f);
	destroy(f);
}

static void a_newer_delete_is_not_settled_by_an_older_one(void **state)
{
	struct fixture *f = create(LIMIT, 0);
	uint32_t ref = set(f, 1, 10);

	assert_sent(f, CTS_REC_UPSERT, 1, 10, 1);
	table_delete(&f->t, &f->b, ref);
	assert_sent(f, CTS_REC_DELETE, 1, 0, 1);
	set(f, 1, 11);                               /* alive, and dead again */
	table_delete(&f->t, &f->b, ref);
	table_settled(&f->t, ref, f->seq);
	assert_int_equal(find(f, 1), ref);
	assert_sent(f, CTS_REC_DELETE, 1, 0, 1);
	table_settled(&f->t, ref, f->seq);
	assert_int_equal(find(f, 1), 0);
	destroy(f);
}

/* Sent as lost while it stands in the dirty queue, too. */
static uint32_t settled_in_the_queue(struct fixture *f)
{
	uint32_t ref = set(f, 1, 10);

	assert_sent(f, CTS_REC_UPSERT, 1, 10, 1);
	table_delete(&f->t, &f->b, ref);
	assert_true(table_lost(&f->t, ref));
	assert_sent(f, CTS_REC_DELETE, 1, 0, 1);
	table_settled(&f->t, ref, f->seq);
	assert_int_equal(find(f, 1), ref);
	return ref;
}

static void a_settled_tombstone_goes_when_it_leaves_the_queue(void **state)
{
	struct fixture *f = create(LIMIT, 0);

	settled_in_the_queue(f);
	assert_nothing_waits(f);
	assert_int_equal(find(f, 1), 0);
	assert_int_equal(f->t.tombstones, 0);
	destroy(f);
	f = create(LIMIT, 0);
	settled_in_the_queue(f);
	assert_true(set(f, 1, 11));                  /* alive again before */
	assert_sent(f, CTS_REC_UPSERT, 1, 11, 2);
	assert_nothing_waits(f);
	assert_true(table_is_live(&f->t, find(f, 1)));
	destroy(f);
}

static void what_was_lost_goes_first_and_names_its_message(void **state)
{
	struct fixture *f = create(LIMIT, 0);
	uint32_t refs[4];
	struct record r;

	for (uint32_t i = 1; i <= 3; i++) {
		refs[i] = set(f, i, 10);
		assert_true(send_one(f, &r));
		assert_int_equal(r.before, 0);
	}
	set(f, 3, 20);
	assert_true(table_lost(&f->t, refs[2]));
	assert_true(table_lost(&f->t, refs[3]));
	assert_int_equal(f->t.retransmit.waiting, 2);
	assert_true(send_one(f, &r));
	assert_true(r.lost);
	assert_int_equal(r.i, 2);
	assert_int_equal(r.before, 2);
	assert_true(send_one(f, &r));                /* lost and changed: once, as it is now */
	assert_true(r.lost);
	assert_int_equal(r.i, 3);
	assert_int_equal(r.before, 3);
	assert_int_equal(r.value, 20);
	assert_nothing_waits(f);
	assert_int_equal(f->t.retransmit.waiting, 0);
	assert_int_equal(f->b.st.retransmitted_entries, 2);
	destroy(f);
}

static void a_lost_entry_that_another_way_took_is_not_sent_twice(void **state)
{
	struct fixture *f = create(LIMIT, 0);
	uint8_t buf[256];
	struct cts_wire_out out = { .buf = buf, .size = sizeof(buf) };
	uint32_t ref = set(f, 1, 10);
	struct record r;
	uint64_t before;

	assert_true(send_one(f, &r));
	assert_true(table_lost(&f->t, ref));
	/* A transfer puts it into a message without a queue. */
	assert_true(table_put(&f->t, &f->b, &out, ++f->seq, ref, &before));
	assert_int_equal(before, 1);
	assert_nothing_waits(f);
	assert_true(table_lost(&f->t, ref));         /* and that one is lost, too */
	assert_true(send_one(f, &r));
	assert_int_equal(r.before, 2);
	assert_nothing_waits(f);
	destroy(f);
}

static void more_can_be_lost_than_the_ring_has_room_for(void **state)
{
	struct fixture *f = create(5000, 0);
	struct record r;

	for (uint32_t i = 1; i <= 5000; i++)
		set(f, i, 10);
	while (send_one(f, &r))
		;
	for (uint32_t i = 1; i <= 600; i++)
		assert_true(table_lost(&f->t, find(f, i)));
	for (uint32_t i = 1; i <= 500; i++) {        /* so that the ring begins in its middle */
		assert_true(send_one(f, &r));
		assert_int_equal(r.i, i);
	}
	for (uint32_t i = 601; i <= 5000; i++)
		assert_true(table_lost(&f->t, find(f, i)));
	for (uint32_t i = 501; i <= 5000; i++) {
		assert_true(send_one(f, &r));
		assert_true(r.lost);
		assert_int_equal(r.i, i);
	}
	assert_nothing_waits(f);
	destroy(f);
}

static void what_does_not_fit_changes_nothing(void **state)
{
	struct fixture *f = create(LIMIT, 0);
	uint8_t buf[256];
	struct cts_wire_out out = { .buf = buf, .size = 18 };  /* the record has 16 + 2 + 1 */
	uint32_t ref = set(f, 1, 300);
	uint64_t before, total;
	bool lost;

	assert_int_equal(table_next(&f->t, &f->b, &lost), ref);
	total = f->t.sums.total;
	assert_false(table_put(&f->t, &f->b, &out, 1, ref, &before));
	assert_int_equal(out.len, 0);
	assert_int_equal(f->t.sums.total, total);
	assert_int_equal(f->t.unsent, 1);
	assert_int_equal(table_next(&f->t, &f->b, &lost), ref);
	out.size = 19;
	assert_true(table_put(&f->t, &f->b, &out, 1, ref, &before));
	destroy(f);
}

static void tombstones_never_keep_a_live_entry_out(void **state)
{
	struct fixture *f = create(100, 0);
	struct record r;

	for (uint32_t round = 0; round < 20; round++) {
		for (uint32_t i = 0; i < 100; i++)
			assert_true(set(f, round * 100 + i, 10));
		assert_int_equal(set(f, 999999, 10), 0);
		assert_int_equal(f->t.missing, round + 1);
		while (send_one(f, &r))
			;
		for (uint32_t i = 0; i < 100; i++)
			table_delete(&f->t, &f->b, find(f, round * 100 + i));
	}
	assert_int_equal(f->b.st.refused_full, 20);
	assert_int_equal(f->b.st.tombstones_dropped, 0);
	destroy(f);
}

/* More of them than there may be: the newest one is not kept, and the comparison finds
 * it, as it is in no sum any more. */
static void too_many_tombstones_are_left_to_the_comparison(void **state)
{
	struct fixture *f = create(LIMIT, 0);
	struct record r;

	for (uint32_t i = 1; i <= 20; i++)
		set(f, i, 10);
	while (send_one(f, &r))
		;
	f->t.tombstones_max = 8;
	set(f, 19, 11);                              /* what is queued stays */
	assert_true(table_lost(&f->t, find(f, 20)));
	for (uint32_t i = 1; i <= 20; i++)
		table_delete(&f->t, &f->b, find(f, i));
	assert_int_equal(f->b.st.tombstones_dropped, 10);
	assert_int_equal(f->t.tombstones, 10);
	assert_int_equal(find(f, 9), 0);
	assert_int_equal(f->t.sums.count, 10);
	assert_sent(f, CTS_REC_DELETE, 20, 0, 1);
	assert_sent(f, CTS_REC_DELETE, 19, 0, 1);
	destroy(f);
}

/* Alive again is one more live entry: there may be no room for it. */
static void a_tombstone_is_revived_within_the_limit(void **state)
{
	struct fixture *f = create(2, 0);
	struct record r;

	set(f, 1, 10);
	set(f, 2, 10);
	while (send_one(f, &r))
		;
	table_delete(&f->t, &f->b, find(f, 1));
	assert_true(set(f, 3, 10));
	assert_int_equal(set(f, 1, 10), 0);
	assert_int_equal(f->t.missing, 1);
	assert_false(table_is_live(&f->t, find(f, 1)));
	table_delete(&f->t, &f->b, find(f, 3));
	assert_true(set(f, 1, 10));
	assert_int_equal(table_live(&f->t), 2);
	destroy(f);
}

static void a_lower_limit_keeps_what_is_there(void **state)
{
	struct fixture *f = create(10, 0);

	for (uint32_t i = 0; i < 10; i++)
		assert_true(set(f, i, 10));
	table_set_limit(&f->t, 5);
	assert_int_equal(table_live(&f->t), 10);
	assert_int_equal(set(f, 10, 10), 0);
	assert_true(set(f, 3, 11));                  /* what is there may change */
	for (uint32_t i = 0; i < 6; i++)
		table_delete(&f->t, &f->b, find(f, i));
	assert_true(set(f, 10, 10));
	assert_int_equal(set(f, 11, 10), 0);
	destroy(f);
}

static void young_entries_wait_until_they_are_old_enough(void **state)
{
	struct fixture *f = create(LIMIT, 1000);
	uint32_t ref = set(f, 1, 10);
	struct record r;

	assert_nothing_waits(f);
	assert_int_equal(f->t.unsent, 0);            /* it is not to be sent yet */
	f->b.now += 500 * MS;
	set(f, 2, 10);
	set(f, 1, 11);
	table_release_held_back(&f->t, &f->b);
	assert_nothing_waits(f);
	f->b.now += 501 * MS;
	table_release_held_back(&f->t, &f->b);
	assert_int_equal(f->t.unsent, 1);
	assert_true(send_one(f, &r));
	assert_int_equal(r.ref, ref);
	assert_int_equal(r.value, 11);
	assert_nothing_waits(f);
	f->b.now += 500 * MS;
	table_release_held_back(&f->t, &f->b);
	assert_sent(f, CTS_REC_UPSERT, 2, 10, 1);
	set(f, 1, 12);                               /* old and known: at once */
	assert_sent(f, CTS_REC_UPSERT, 1, 12, 3);
	destroy(f);
}

static void what_dies_young_is_never_sent(void **state)
{
	struct fixture *f = create(LIMIT, 1000);

	set(f, 1, 10);
	set(f, 2, 10);
	table_delete(&f->t, &f->b, find(f, 1));
	assert_int_equal(f->t.unsent, 0);
	f->b.now += 2 * SECOND;
	table_release_held_back(&f->t, &f->b);
	assert_int_equal(f->t.unsent, 1);
	assert_sent(f, CTS_REC_UPSERT, 2, 10, 1);
	assert_nothing_waits(f);
	assert_int_equal(f->b.st.sent_deletes, 0);
	assert_int_equal(f->t.tombstones, 0);
	assert_int_equal(find(f, 1), 0);
	destroy(f);
}

/* Peers may have it from before, and would take it for deleted. */
static void what_the_first_reading_shows_is_not_held_back(void **state)
{
	struct fixture *f = create(LIMIT, 1000);

	f->t.ready = false;
	set(f, 1, 10);
	assert_int_equal(f->t.unsent, 1);
	assert_sent(f, CTS_REC_UPSERT, 1, 10, 1);
	destroy(f);
}

static void another_epoch_sends_all_again_and_no_tombstone(void **state)
{
	struct fixture *f = create(LIMIT, 0);
	struct record r;

	for (uint32_t i = 1; i <= 3; i++)
		set(f, i, 10);
	while (send_one(f, &r))
		;
	table_delete(&f->t, &f->b, find(f, 2));
	assert_true(table_lost(&f->t, find(f, 3)));
	f->b.epoch++;
	f->seq = 0;
	table_renew(&f->t, &f->b, false);
	assert_int_equal(f->t.sums.count, 0);
	assert_int_equal(f->t.unsent, 2);
	assert_sent(f, CTS_REC_UPSERT, 1, 10, 1);
	assert_sent(f, CTS_REC_UPSERT, 3, 10, 1);
	assert_nothing_waits(f);
	assert_int_equal(find(f, 2), 0);
	assert_int_equal(f->t.sums.count, 2);
	table_renew(&f->t, &f->b, true);
	assert_int_equal(table_live(&f->t), 0);
	assert_int_equal(f->t.unsent, 0);
	assert_nothing_waits(f);
	destroy(f);
}

static void the_queue_says_since_when_something_waits(void **state)
{
	struct fixture *f = create(LIMIT, 0);
	struct record r;

	f->b.now += SECOND;
	set(f, 1, 10);
	assert_int_equal(f->t.drained_ns, f->b.now);
	f->b.now += SECOND;
	set(f, 2, 10);
	assert_int_equal(f->t.drained_ns, f->b.now - SECOND);
	assert_true(send_one(f, &r));
	assert_int_equal(f->t.drained_ns, f->b.now - SECOND);
	assert_true(send_one(f, &r));
	assert_nothing_waits(f);
	assert_int_equal(f->t.drained_ns, f->b.now);
	destroy(f);
}

/* ---- against a model ---- */

#define KEYS 300u
#define MESSAGES 4096u

struct model {
	uint16_t value;              /* 0: not there */
	uint16_t peer;               /* what a peer has that got all messages */
	uint64_t peer_seq;           /* of the last upsert; 0: none, or deleted since */
};

static void model_send(struct fixture *f, struct model *m, uint32_t carried[MESSAGES])
{
	struct record r;

	if (!send_one(f, &r))
		return;
	m[r.i].peer = r.type == CTS_REC_UPSERT ? r.value : 0;
	m[r.i].peer_seq = r.type == CTS_REC_UPSERT ? f->seq : 0;
	assert_int_equal(m[r.i].peer, m[r.i].value); /* as it is now */
	carried[f->seq % MESSAGES] = r.ref;
}

static void check_sums(struct fixture *f, const struct model *m)
{
	struct sums s;

	assert_int_equal(sums_init(&s, f->b.epoch), 0);
	for (uint32_t i = 0; i < KEYS; i++) {
		uint8_t key[GEN_LEN_MAX];

		gen_entry(key, i, 0);
		if (m[i].peer_seq)
			sums_add(&s, sums_hash(&s, key, GEN_KEY_LEN), m[i].peer_seq);
	}
	assert_int_equal(f->t.sums.count, s.count);
	assert_int_equal(f->t.sums.total, s.total);
	sums_fini(&s);
}

static void check_counts(struct fixture *f, const struct model *m)
{
	uint64_t live = 0, unsent = 0, tombstones = 0;
	uint32_t ref = 0;

	for (uint32_t i = 0; i < KEYS; i++)
		live += m[i].value != 0;
	while ((ref = cts_cache_next(f->t.cache, ref))) {
		const struct cts_entry *e = cts_cache_entry(f->t.cache, ref);

		if (e->flags & F_TOMBSTONE)
			tombstones++;
		else
			unsent += !e->seq && !(e->flags & F_HELD_BACK);
	}
	assert_int_equal(table_live(&f->t), live);
	assert_int_equal(f->t.tombstones, tombstones);
	assert_int_equal(f->t.unsent, unsent);
}

static void one_step(struct fixture *f, struct model *m, struct rng *r, uint32_t *carried)
{
	uint32_t i = rng_below(r, KEYS), ref = find(f, i);
	uint64_t seq = f->seq - rng_below(r, 40);

	f->b.now += rng_below(r, 100) * MS;
	switch (rng_below(r, 10)) {
	case 0 ... 2:
		m[i].value = (uint16_t)(1 + rng_below(r, 1000));
		assert_true(set(f, i, m[i].value));
		break;
	case 3:
		table_delete(&f->t, &f->b, ref);
		m[i].value = 0;
		break;
	case 4:
		if (ref && cts_cache_entry(f->t.cache, ref)->seq &&
		    !(cts_cache_entry(f->t.cache, ref)->flags & F_LOST))
			assert_true(table_lost(&f->t, ref));
		break;
	case 5:
		if (seq && seq <= f->seq && carried[seq % MESSAGES])
			table_settled(&f->t, carried[seq % MESSAGES], seq);
		break;
	case 6:
		table_release_held_back(&f->t, &f->b);
		break;
	default:
		model_send(f, m, carried);
		break;
	}
}

static void any_order_of_events_ends_with_the_peer_having_all(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct fixture *f = create(LIMIT, seed % 2 ? 0 : 700);
		struct model m[KEYS] = { { 0 } };
		static uint32_t carried[MESSAGES];
		struct rng r = { seed };

		memset(carried, 0, sizeof(carried));
		for (int step = 0; step < 20000; step++) {
			one_step(f, m, &r, carried);
			if (step % 500 == 0) {
				check_sums(f, m);
				check_counts(f, m);
			}
		}
		f->b.now += SECOND;
		table_release_held_back(&f->t, &f->b);
		for (uint64_t was = 0; was != f->seq;) {
			was = f->seq;
			model_send(f, m, carried);
		}
		assert_nothing_waits(f);
		check_sums(f, m);
		check_counts(f, m);
		for (uint32_t i = 0; i < KEYS; i++)
			assert_int_equal(m[i].peer, m[i].value);
		assert_int_equal(f->t.unsent, 0);
		destroy(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_go_in_order_once_and_as_they_are_then),
		cmocka_unit_test(a_version_counts_changes_and_nothing_else),
		cmocka_unit_test(a_deleted_entry_lives_on_with_a_higher_version),
		cmocka_unit_test(what_nobody_knows_of_disappears_in_silence),
		cmocka_unit_test(a_tombstone_waits_for_the_message_that_carried_it),
		cmocka_unit_test(a_newer_delete_is_not_settled_by_an_older_one),
		cmocka_unit_test(a_settled_tombstone_goes_when_it_leaves_the_queue),
		cmocka_unit_test(what_was_lost_goes_first_and_names_its_message),
		cmocka_unit_test(a_lost_entry_that_another_way_took_is_not_sent_twice),
		cmocka_unit_test(more_can_be_lost_than_the_ring_has_room_for),
		cmocka_unit_test(what_does_not_fit_changes_nothing),
		cmocka_unit_test(tombstones_never_keep_a_live_entry_out),
		cmocka_unit_test(too_many_tombstones_are_left_to_the_comparison),
		cmocka_unit_test(a_tombstone_is_revived_within_the_limit),
		cmocka_unit_test(a_lower_limit_keeps_what_is_there),
		cmocka_unit_test(young_entries_wait_until_they_are_old_enough),
		cmocka_unit_test(what_dies_young_is_never_sent),
		cmocka_unit_test(what_the_first_reading_shows_is_not_held_back),
		cmocka_unit_test(another_epoch_sends_all_again_and_no_tombstone),
		cmocka_unit_test(the_queue_says_since_when_something_waits),
		cmocka_unit_test(any_order_of_events_ends_with_the_peer_having_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
