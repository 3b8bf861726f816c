/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Anti-entropy between an owner and a receiver without an engine: comparing the sums
 * (core/sync/recv/compare.h), the answers (core/sync/send/answer.h, transfer.h) and
 * the replica. Entries always arrive, as the window repairs them; questions, sums and
 * drops may get lost.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/sync/recv/compare.h"
#include "core/sync/send/answer.h"
#include "core/sync/send/transfer.h"
#include "tests/unit/sync_gen.h"

#define MESSAGE 1400u
#define DIGEST_NS (100 * MS)

struct world {
	struct base owner, receiver;
	struct table table;
	struct answer answer;
	struct transfer transfer;
	struct replica replica;
	struct compare compare;
	struct applied applied;
	struct rng r;
	uint32_t loss;               /* % of what nobody repairs */
	size_t path;                 /* larger questions are lost; 0: none */
	uint64_t seq;
	uint64_t bytes, messages;    /* both ways */
	uint64_t upserts, removed;
	unsigned int pulls[PULL_LISTS + 1];
	bool equal;
};

static void applied_cb(void *ctx, uint32_t node, const struct cts_applied *list, size_t n)
{
	struct world *w = ctx;

	assert_int_equal(node, 7);
	for (size_t i = 0; i < n; i++)
		w->removed += list[i].gone;
}

static struct world *create(size_t limit)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->r = (struct rng){ 1 };
	gen_base(&w->owner, limit);
	gen_base(&w->receiver, limit);
	w->receiver.ops.applied = applied_cb;
	w->receiver.ctx = w;
	assert_int_equal(table_init(&w->table, &w->owner), 0);
	w->table.ready = true;
	assert_int_equal(replica_init(&w->replica, &w->receiver, 7, &w->applied), 0);
	replica_epoch(&w->replica, &w->receiver, w->owner.epoch, false);
	return w;
}

static void destroy(struct world *w)
{
	table_fini(&w->table);
	answer_fini(&w->answer);
	replica_fini(&w->replica);
	compare_fini(&w->compare);
	free(w);
}

static uint32_t own(struct world *w, uint32_t i)
{
	uint8_t buf[GEN_LEN_MAX];

	gen_entry(buf, i, 0);
	return cts_cache_find(w->table.cache, buf, GEN_KEY_LEN);
}

static uint32_t theirs(struct world *w, uint32_t i)
{
	uint8_t buf[GEN_LEN_MAX];

	gen_entry(buf, i, 0);
	return cts_cache_find(w->replica.cache, buf, GEN_KEY_LEN);
}

static void set(struct world *w, uint32_t i, uint16_t value)
{
	uint8_t buf[GEN_LEN_MAX];
	size_t len = gen_entry(buf, i, value);
	uint32_t hash = cts_cache_hash(w->table.cache, buf, GEN_KEY_LEN);

	assert_true(table_set(&w->table, &w->owner, own(w, i), hash, buf, len, true, 0));
}

/* -- the receiver's side -- */

static void digest_read(struct world *w, struct cts_wire_in *in)
{
	bool busy = cts_get_u8(in) & CTS_DIGEST_BUSY;
	uint64_t count = cts_get_u64(in), total = cts_get_u64(in);

	w->equal = w->replica.sums.count == count && w->replica.sums.total == total;
	if (w->equal)
		compare_equal(&w->compare);
	else
		compare_unequal(&w->compare, &w->replica, count, busy, w->receiver.now);
}

static void record_read(struct world *w, uint64_t seq, const struct cts_record *rec, bool lost)
{
	struct cts_wire_in in = { .buf = rec->data, .len = rec->len };
	struct keyed k = { .rec = *rec };

	switch (rec->type) {
	case CTS_REC_UPSERT:
		replica_prepare(&w->replica, &k);
		replica_upsert(&w->replica, &w->receiver, seq, &k);
		w->upserts++;
		break;
	case CTS_REC_DELETE:
		replica_prepare(&w->replica, &k);
		replica_delete(&w->replica, &w->receiver, &k);
		break;
	case CTS_REC_SUMS:
		assert_true(lost || compare_sums(&w->compare, &w->replica, &in, w->receiver.now));
		break;
	case CTS_REC_DROP:
		assert_true(lost ||
			    compare_drop(&w->compare, &w->replica, &w->receiver, &in));
		break;
	case CTS_REC_DIGEST:
		digest_read(w, &in);
		break;
	}
}

static void pull_received(struct world *w, const uint8_t *body, size_t len)
{
	struct cts_wire_in in = { .buf = body, .len = len };
	uint8_t map[TRANSFER_MAP] = { 0 };
	struct pull p;

	assert_true(parse_pull(&in, &p));
	w->pulls[p.what]++;
	switch (p.what) {
	case PULL_ALL:
		transfer_pull(&w->transfer, NULL, w->seq);
		break;
	case PULL_SUBTREES:
		assert_true(parse_bitmap(&in, map, sizeof(map)));
		transfer_pull(&w->transfer, map, w->seq);
		break;
	default:
		assert_true(answer_pull(&w->answer, &p, &in, w->owner.now));
		break;
	}
}

static void receiver_run(struct world *w)
{
	uint8_t buf[MESSAGE];

	while (compare_step(&w->compare, &w->replica, w->seq, w->receiver.now))
		;
	for (;;) {
		struct cts_wire_out o;
		struct pull p = { .to = 7, .epoch = w->owner.epoch, .start = 1 };

		cts_wire_begin(&o, buf,
			       w->path && compare_asks_small(&w->compare) ? CTS_WIRE_MIN_MAX : sizeof(buf));
		if (!compare_ask(&w->compare, &w->replica, &p, &o, w->receiver.now))
			break;
		w->bytes += o.len;
		w->messages++;
		if (rng_below(&w->r, 100) >= w->loss && (!w->path || o.len <= w->path))
			pull_received(w, buf + CTS_WIRE_HEADER, o.len - CTS_WIRE_HEADER);
	}
	applied_flush(&w->applied, &w->receiver);
}

/* -- the owner's side -- */

static void put_digest(struct world *w, struct cts_wire_out *out)
{
	cts_put_u8(out, CTS_REC_DIGEST);
	cts_put_u8(out, 17);
	cts_put_u8(out, transfer_active(&w->transfer) || answer_busy(&w->answer) ||
				table_waiting(&w->table) ? CTS_DIGEST_BUSY : 0);
	cts_put_u64(out, w->table.sums.count);
	cts_put_u64(out, w->table.sums.total);
}

static void put_entries(struct world *w, struct cts_wire_out *out)
{
	unsigned int looked = 0;
	uint64_t before;
	uint32_t ref;
	bool lost;

	while ((ref = table_next(&w->table, &w->owner, &lost))) {
		if (!table_put(&w->table, &w->owner, out, w->seq, ref, &before))
			return;
		table_taken(&w->table, ref, lost);
	}
	while ((ref = transfer_next(&w->transfer, &w->table, w->seq - 1, &looked))) {
		if (!table_put(&w->table, &w->owner, out, w->seq, ref, &before))
			return;
		transfer_taken(&w->transfer);
	}
}

static bool owner_has_work(struct world *w)
{
	bool lost;

	return table_next(&w->table, &w->owner, &lost) || answer_waiting(&w->answer) ||
	       transfer_active(&w->transfer);
}

static void owner_send(struct world *w, bool digest)
{
	uint8_t buf[MESSAGE];
	struct cts_wire_out out = { .buf = buf, .size = sizeof(buf) - 19 };
	struct cts_wire_in in = { .buf = buf };
	bool message_lost = rng_below(&w->r, 100) < w->loss;
	struct cts_record rec;

	w->seq++;
	answer_put(&w->answer, &w->table, &w->owner, &out);
	put_entries(w, &out);
	out.size = sizeof(buf);
	if (digest)
		put_digest(w, &out);
	in.len = out.len;
	w->bytes += CTS_WIRE_HEADER + 2 + out.len;
	w->messages++;
	while (cts_record_next(&in, &rec) > 0)
		record_read(w, w->seq, &rec, message_lost);
}

static void owner_run(struct world *w)
{
	while (answer_step(&w->answer, &w->table, &w->owner) || owner_has_work(w))
		if (owner_has_work(w))
			owner_send(w, false);
}

/* Digest after digest until they are equal. Returns how many that took. */
static unsigned int converge(struct world *w, unsigned int rounds)
{
	uint64_t end = w->owner.now;
	unsigned int n = 0;

	w->equal = false;
	for (; !w->equal && n < rounds; n++) {
		owner_send(w, true);
		for (end += DIGEST_NS; w->owner.now < end;) {
			receiver_run(w);
			owner_run(w);
			w->owner.now += 5 * MS;
			w->receiver.now += 5 * MS;
		}
	}
	return n;
}

static void assert_equal(struct world *w)
{
	uint32_t ref = 0;

	assert_true(w->equal);
	assert_false(compare_running(&w->compare));
	assert_int_equal(cts_cache_count(w->replica.cache), table_live(&w->table));
	while ((ref = cts_cache_next(w->table.cache, ref))) {
		size_t len, have_len;
		const uint8_t *want = cts_cache_data(w->table.cache, ref, &len);
		uint32_t there = cts_cache_find(w->replica.cache, want, GEN_KEY_LEN);
		const uint8_t *have = there ? cts_cache_data(w->replica.cache, there, &have_len)
					    : NULL;

		assert_non_null(have);
		assert_int_equal(have_len, len);
		assert_memory_equal(have, want, len);
	}
}

/* Both have the same n entries. */
static void equal_at_first(struct world *w, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		set(w, i, (uint16_t)(1 + i % 1000));
	owner_run(w);
	owner_send(w, true);
	assert_equal(w);
	w->bytes = w->messages = w->upserts = w->removed = 0;
}

/* The receiver alone: it has lost i, has an older one, or one that does not exist. */
static void forget(struct world *w, uint32_t i)
{
	assert_true(theirs(w, i));
	replica_remove(&w->replica, &w->receiver, theirs(w, i));
}

static void make_older(struct world *w, uint32_t i)
{
	uint8_t buf[GEN_LEN_MAX];
	struct keyed k = { .rec = { .type = CTS_REC_UPSERT, .data = buf } };

	k.rec.len = gen_entry(buf, i, 2000);
	replica_prepare(&w->replica, &k);
	replica_upsert(&w->replica, &w->receiver,
		       cts_cache_entry(w->replica.cache, theirs(w, i))->seq - 1, &k);
}

static void invent(struct world *w, uint32_t i)
{
	uint8_t buf[GEN_LEN_MAX];
	struct keyed k = { .rec = { .type = CTS_REC_UPSERT, .data = buf } };

	k.rec.len = gen_entry(buf, i, 3000);
	replica_prepare(&w->replica, &k);
	replica_upsert(&w->replica, &w->receiver, 1, &k);
}

/* k differences of all three kinds. Returns how many entries have to be sent again. */
static unsigned int differ(struct world *w, uint32_t n, uint32_t k)
{
	unsigned int again = 0;

	for (uint32_t j = 0; j < k; j++) {
		uint32_t i = (uint32_t)((uint64_t)j * n / k);

		switch (j % 3) {
		case 0:
			make_older(w, i);
			again++;
			break;
		case 1:
			forget(w, i);
			again++;
			break;
		default:
			invent(w, n + j);
			break;
		}
	}
	applied_flush(&w->applied, &w->receiver);
	w->upserts = w->removed = 0;
	return again;
}

#define MANY 100000u

static void the_cost_follows_what_differs(void **state)
{
	static const uint32_t ks[] = { 1, 10, 1000 };
	struct world *w = create(2 * MANY);

	equal_at_first(w, MANY);
	for (size_t i = 0; i < sizeof(ks) / sizeof(ks[0]); i++) {
		uint32_t k = ks[i];
		unsigned int again = differ(w, MANY, k), rounds;
		/* 30 bytes of a real entry; these have 18. */
		uint64_t ideal = k * UINT64_C(30);

		w->bytes = w->messages = 0;
		rounds = converge(w, 20);
		assert_equal(w);
		print_message("%u of %u differ: %llu bytes, %llu messages, %llu sent again, %u digests\n",
			      k, MANY, (unsigned long long)w->bytes,
			      (unsigned long long)w->messages, (unsigned long long)w->upserts, rounds);
		assert_int_equal(w->upserts, again);
		assert_int_equal(w->removed, k / 3);
		assert_true(w->bytes <= 10 * ideal + 16000);
		assert_true(rounds <= 8);
	}
	destroy(w);
}

static void lost_questions_and_answers_are_asked_for_again(void **state)
{
	for (uint64_t seed = 1; seed <= 3; seed++)
		for (uint32_t loss = 10; loss <= 50; loss += 20) {
			struct world *w = create(40000);

			equal_at_first(w, 20000);
			w->r = (struct rng){ seed };
			w->loss = loss;
			differ(w, 20000, 200);
			assert_true(converge(w, 400) < (loss < 50 ? 100 : 400));
			assert_equal(w);
			destroy(w);
		}
}

/* Nobody but who asks sees that its large messages get lost: they are not repaired. */
static void questions_that_are_too_large_for_the_path_become_smaller(void **state)
{
	struct world *w = create(40000);

	equal_at_first(w, 20000);
	w->path = 1000;
	differ(w, 20000, 2000);
	assert_true(converge(w, 100) < 100);
	assert_equal(w);
	assert_false(compare_asks_small(&w->compare));
	destroy(w);
}

static void an_empty_replica_pulls_all(void **state)
{
	struct world *w = create(20000);

	for (uint32_t i = 0; i < 10000; i++)
		set(w, i, 5);
	owner_run(w);
	replica_epoch(&w->replica, &w->receiver, w->owner.epoch, false);
	replica_clear(&w->replica);
	w->bytes = w->upserts = 0;
	assert_true(converge(w, 20) < 20);
	assert_equal(w);
	assert_int_equal(w->upserts, 10000);
	assert_int_equal(w->pulls[PULL_ALL], 1);
	assert_int_equal(w->pulls[PULL_SUMS], 0);
	assert_true(w->bytes < 10000 * 22);
	destroy(w);
}

/* Nearly all differs: lists would cost more than the entries. */
static void where_most_differs_subtrees_are_pulled(void **state)
{
	struct world *w = create(60000);

	equal_at_first(w, 30000);
	differ(w, 30000, 20000);
	assert_true(converge(w, 30) < 30);
	assert_equal(w);
	assert_true(w->upserts >= 13334 && w->upserts <= 60000);
	assert_true(w->pulls[PULL_SUBTREES] > 0);
	assert_int_equal(w->pulls[PULL_ALL], 0);
	destroy(w);
}

static void a_receiver_that_only_has_too_much_drops_it(void **state)
{
	struct world *w = create(2000);

	equal_at_first(w, 1000);
	for (uint32_t i = 0; i < 100; i++)
		invent(w, 5000 + i);
	w->removed = 0;
	assert_true(converge(w, 20) < 20);
	assert_equal(w);
	assert_int_equal(w->upserts, 0);
	assert_int_equal(w->removed, 100);
	/* ... and all of it, when the owner has nothing. */
	for (uint32_t i = 0; i < 1000; i++)
		table_delete(&w->table, &w->owner, own(w, i));
	owner_run(w);
	for (uint32_t i = 0; i < 10; i++)
		invent(w, i);
	assert_true(converge(w, 20) < 20);
	assert_int_equal(cts_cache_count(w->replica.cache), 0);
	destroy(w);
}

/* Changes go on while it compares: they are newer than any list. */
static void changes_in_between_are_not_taken_back(void **state)
{
	struct world *w = create(40000);

	equal_at_first(w, 10000);
	differ(w, 10000, 300);
	for (int round = 0; round < 60; round++) {
		for (int i = 0; i < 50; i++) {
			uint32_t key = rng_below(&w->r, 15000);

			if (rng_below(&w->r, 3))
				set(w, key, (uint16_t)(1 + rng_below(&w->r, 900)));
			else
				table_delete(&w->table, &w->owner, own(w, key));
		}
		owner_send(w, round % 8 == 0);
		receiver_run(w);
		answer_step(&w->answer, &w->table, &w->owner);
		w->owner.now += 13 * MS;
		w->receiver.now += 13 * MS;
	}
	/* The deletes of tombstones are acknowledged. */
	owner_run(w);
	for (uint32_t i = 0; i < 15000; i++)
		if (own(w, i))
			table_settled(&w->table, own(w, i),
				      cts_cache_entry(w->table.cache, own(w, i))->seq);
	assert_true(converge(w, 30) < 30);
	assert_equal(w);
	destroy(w);
}

/* A DROP is of an entry that was listed, and not of one that came since. */
static void a_drop_spares_what_was_sent_since(void **state)
{
	struct world *w = create(2000);
	uint8_t buf[5], again[GEN_LEN_MAX];
	struct cts_wire_out o = { .buf = buf, .size = sizeof(buf) };
	struct cts_wire_in in = { .buf = buf, .len = sizeof(buf) };
	struct keyed k = { .rec = { .type = CTS_REC_UPSERT, .data = again } };
	uint64_t hash;

	equal_at_first(w, 1000);
	invent(w, 5000);
	hash = replica_hash(&w->replica, theirs(w, 5000));
	cts_put_u16(&o, (uint16_t)sums_leaf(hash));
	cts_put_u24(&o, sums_key_part(hash));
	/* It was never listed. */
	assert_true(compare_drop(&w->compare, &w->replica, &w->receiver, &in));
	assert_true(theirs(w, 5000));
	/* Listed, and sent since. */
	compare_begin(&w->compare, false, w->receiver.now);
	w->compare.state = COMPARE_COLLECT;
	cts_bitmap_set(w->compare.differs3, sums_leaf(hash));
	while (compare_step(&w->compare, &w->replica, w->seq, w->receiver.now))
		;
	k.rec.len = gen_entry(again, 5000, 7);
	replica_prepare(&w->replica, &k);
	replica_upsert(&w->replica, &w->receiver, w->seq + 1, &k);
	in.pos = 0;
	assert_true(compare_drop(&w->compare, &w->replica, &w->receiver, &in));
	assert_true(theirs(w, 5000));
	/* Listed, and still the same. */
	compare_begin(&w->compare, false, w->receiver.now);
	w->compare.state = COMPARE_COLLECT;
	cts_bitmap_set(w->compare.differs3, sums_leaf(hash));
	w->compare.n = 0;
	while (compare_step(&w->compare, &w->replica, w->seq + 1, w->receiver.now))
		;
	w->replica.gen++;                    /* of a former epoch by now */
	in.pos = 0;
	assert_true(compare_drop(&w->compare, &w->replica, &w->receiver, &in));
	assert_true(theirs(w, 5000));
	w->replica.gen--;
	in.pos = 0;
	assert_true(compare_drop(&w->compare, &w->replica, &w->receiver, &in));
	assert_int_equal(theirs(w, 5000), 0);
	destroy(w);
}

static void damaged_sums_and_drops_are_refused(void **state)
{
	struct world *w = create(100);
	static const struct {
		uint8_t level;
		uint16_t first;
		size_t bytes;
	} bad[] = {
		{ 0, 0, 6 }, { 4, 0, 96 }, { 1, 256, 6 }, { 1, 250, 42 }, { 1, 0, 5 },
		{ 2, 0, 90 }, { 2, 8, 96 }, { 2, 4096, 96 }, { 3, 16, 102 }, { 2, 0, 0 },
	};
	uint8_t buf[200];

	compare_begin(&w->compare, false, w->receiver.now);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct cts_wire_out o = { .buf = buf, .size = sizeof(buf) };
		struct cts_wire_in in = { .buf = buf };

		memset(buf, 0, sizeof(buf));
		cts_put_u8(&o, bad[i].level);
		cts_put_u16(&o, bad[i].first);
		in.len = o.len + bad[i].bytes;
		assert_false(compare_sums(&w->compare, &w->replica, &in, w->receiver.now));
	}
	buf[0] = 1;
	for (size_t len = 0; len < 3; len++) {       /* no level, or no first node */
		struct cts_wire_in in = { .buf = buf, .len = len };

		assert_false(compare_sums(&w->compare, &w->replica, &in, w->receiver.now));
	}
	for (size_t len = 0; len < 8; len++) {
		struct cts_wire_in in = { .buf = buf, .len = len };

		assert_int_equal(compare_drop(&w->compare, &w->replica, &w->receiver, &in), len == 5);
	}
	assert_int_equal(w->compare.state, COMPARE_LEVEL1);
	destroy(w);
}

static void a_question_without_answer_is_given_up_in_the_end(void **state)
{
	struct world *w = create(2000);
	uint64_t begin;
	uint32_t asked = 0;

	equal_at_first(w, 1000);
	forget(w, 3);
	compare_unequal(&w->compare, &w->replica, 1000, false, w->receiver.now);
	begin = w->receiver.now;
	w->loss = 100;
	while (compare_running(&w->compare)) {
		uint64_t at = compare_deadline(&w->compare);

		assert_true(at != NEVER);
		if (at > w->receiver.now)
			w->receiver.now = at;
		receiver_run(w);
		assert_true(++asked < 100);
	}
	assert_in_range(w->messages, COMPARE_ATTEMPTS, COMPARE_ATTEMPTS + 1);
	assert_true(w->receiver.now - begin >= (COMPARE_ATTEMPTS - 1) * COMPARE_AGAIN_NS);
	assert_int_equal(compare_deadline(&w->compare), NEVER);
	destroy(w);
}

static void a_busy_owner_is_not_asked(void **state)
{
	struct world *w = create(2000);

	equal_at_first(w, 1000);
	forget(w, 3);
	compare_unequal(&w->compare, &w->replica, 1000, true, w->receiver.now);
	assert_false(compare_running(&w->compare));
	compare_unequal(&w->compare, &w->replica, 1000, false, w->receiver.now);
	assert_true(compare_running(&w->compare));
	destroy(w);
}

/* What found no room is not pulled again and again. */
static void a_full_cache_pulls_when_there_is_room_and_not_often(void **state)
{
	struct world *w = create(1000);

	cts_cache_set_limit(w->replica.cache, 500);
	for (uint32_t i = 0; i < 1000; i++)
		set(w, i, 5);
	owner_run(w);
	assert_int_equal(w->replica.refused, 500);
	w->bytes = 0;
	converge(w, 20);
	assert_false(w->equal);
	assert_true(w->bytes < 20 * 100);            /* digests alone */
	for (uint32_t i = 0; i < 600; i++)
		table_delete(&w->table, &w->owner, own(w, i));
	owner_run(w);
	assert_true(converge(w, 20) < 20);
	assert_int_equal(w->replica.refused, 0);
	destroy(w);
}

static void questions_about_no_level_are_refused(void **state)
{
	struct world *w = create(100);

	for (unsigned int level = 0; level < 6; level++) {
		struct pull p = { .what = PULL_SUMS, .level = (uint8_t)level };
		uint8_t map[5] = { 0, 0, 0, 1, 1 };
		struct cts_wire_in in = { .buf = map, .len = sizeof(map) };

		assert_int_equal(answer_pull(&w->answer, &p, &in, w->owner.now),
				 level >= 1 && level <= 3);
	}
	destroy(w);
}

/* ... or for as long as the last part may take. */
static void lists_are_worked_on_when_the_last_part_is_there(void **state)
{
	struct world *w = create(100);
	struct pull p = { .what = PULL_LISTS, .high = 1 };
	uint8_t leaf[] = { 0, 7, 0 };
	struct cts_wire_in in = { .buf = leaf, .len = sizeof(leaf) };

	for (int last = 0; last < 2; last++) {
		uint64_t begin = w->owner.now;

		p.flags = 0;
		in.pos = 0;
		assert_true(answer_pull(&w->answer, &p, &in, w->owner.now));
		w->owner.now += LISTS_WAIT_NS - 1;
		answer_step(&w->answer, &w->table, &w->owner);
		assert_true(answer_busy(&w->answer));
		assert_int_equal(answer_deadline(&w->answer), begin + LISTS_WAIT_NS);
		w->owner.now += !last;
		p.flags = PULL_LAST;
		in.pos = 0;
		if (last)
			assert_true(answer_pull(&w->answer, &p, &in, w->owner.now));
		while (answer_step(&w->answer, &w->table, &w->owner))
			;
		assert_false(answer_busy(&w->answer));
		assert_int_equal(answer_deadline(&w->answer), NEVER);
	}
	destroy(w);
}

static void a_repair_that_is_under_way_is_not_judged_at_once(void **state)
{
	struct world *w = create(2000);
	uint64_t asked;

	equal_at_first(w, 1000);
	w->compare.state = COMPARE_REPAIR;
	w->compare.due_ns = asked = w->receiver.now + COMPARE_REST_NS;
	compare_unequal(&w->compare, &w->replica, 1000, false, asked - 1);
	assert_int_equal(w->compare.state, COMPARE_REPAIR);
	compare_unequal(&w->compare, &w->replica, 1000, false, asked);
	assert_int_equal(w->compare.state, COMPARE_LEVEL1);
	destroy(w);
}

static void room_that_did_not_last_is_tried_later_each_time(void **state)
{
	struct world *w = create(2000);
	uint64_t now = w->receiver.now;

	equal_at_first(w, 1000);
	for (uint64_t wait = 5 * SECOND; wait <= 40 * SECOND; wait *= 2) {
		w->replica.refused = 1;
		compare_unequal(&w->compare, &w->replica, 1000, false, now);
		assert_true(compare_running(&w->compare));
		assert_int_equal(w->replica.refused, 0);
		w->compare.state = COMPARE_IDLE;
		w->replica.refused = 1;              /* and it was full again */
		compare_unequal(&w->compare, &w->replica, 1000, false, now + wait - 1);
		assert_false(compare_running(&w->compare));
		now += wait;
	}
	compare_equal(&w->compare);
	compare_unequal(&w->compare, &w->replica, 1000, false, now);
	assert_true(compare_running(&w->compare));
	destroy(w);
}

/* Answers reach all: what another receiver asked for is not taken. */
static void sums_that_were_not_asked_for_change_nothing(void **state)
{
	struct world *w = create(2000);
	uint8_t buf[3 + 96];
	struct cts_wire_out o = { .buf = buf, .size = sizeof(buf) };
	struct cts_wire_in in = { .buf = buf, .len = sizeof(buf) };
	static const uint8_t none[sizeof(w->compare.differs2)];

	equal_at_first(w, 1000);
	compare_begin(&w->compare, false, w->receiver.now);
	w->compare.state = COMPARE_LEVEL2;
	cts_bitmap_set(w->compare.differs1, 0);
	memset(buf, 0xff, sizeof(buf));
	cts_put_u8(&o, 2);
	cts_put_u16(&o, 16);
	assert_true(compare_sums(&w->compare, &w->replica, &in, w->receiver.now));
	assert_memory_equal(w->compare.differs2, none, sizeof(none));
	assert_int_equal(w->compare.state, COMPARE_LEVEL2);
	destroy(w);
}

static void what_a_former_epoch_sent_is_not_listed(void **state)
{
	struct world *w = create(2000);

	equal_at_first(w, 1000);
	replica_epoch(&w->replica, &w->receiver, w->owner.epoch + 1, false);
	invent(w, 3000);
	compare_begin(&w->compare, false, w->receiver.now);
	w->compare.state = COMPARE_COLLECT;
	memset(w->compare.differs3, 0xff, sizeof(w->compare.differs3));
	while (compare_step(&w->compare, &w->replica, w->seq, w->receiver.now))
		;
	assert_int_equal(w->compare.n, 1);
	destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_cost_follows_what_differs),
		cmocka_unit_test(lost_questions_and_answers_are_asked_for_again),
		cmocka_unit_test(questions_that_are_too_large_for_the_path_become_smaller),
		cmocka_unit_test(an_empty_replica_pulls_all),
		cmocka_unit_test(where_most_differs_subtrees_are_pulled),
		cmocka_unit_test(a_receiver_that_only_has_too_much_drops_it),
		cmocka_unit_test(changes_in_between_are_not_taken_back),
		cmocka_unit_test(a_drop_spares_what_was_sent_since),
		cmocka_unit_test(damaged_sums_and_drops_are_refused),
		cmocka_unit_test(a_question_without_answer_is_given_up_in_the_end),
		cmocka_unit_test(questions_about_no_level_are_refused),
		cmocka_unit_test(lists_are_worked_on_when_the_last_part_is_there),
		cmocka_unit_test(a_repair_that_is_under_way_is_not_judged_at_once),
		cmocka_unit_test(room_that_did_not_last_is_tried_later_each_time),
		cmocka_unit_test(sums_that_were_not_asked_for_change_nothing),
		cmocka_unit_test(what_a_former_epoch_sent_is_not_listed),
		cmocka_unit_test(a_busy_owner_is_not_asked),
		cmocka_unit_test(a_full_cache_pulls_when_there_is_room_and_not_often),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
