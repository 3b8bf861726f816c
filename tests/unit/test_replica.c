/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The replica of another node's entries: whose they are, and what ends them.
 * core/sync/recv/replica.h. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/sync/recv/replica.h"
#include "tests/unit/sync_gen.h"

#define NODE 7u

struct fixture {
	struct base b;
	struct replica r;
	struct applied a;
	unsigned int calls, upserts, gone;
	uint32_t last_node;
};

static void applied_cb(void *ctx, uint32_t node, const struct cts_applied *list, size_t n)
{
	struct fixture *f = ctx;

	f->calls++;
	f->last_node = node;
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(list[i].gone, !list[i].ref);
		if (list[i].gone) {
			f->gone++;
			assert_int_equal(list[i].len, GEN_KEY_LEN);
		} else {
			f->upserts++;
		}
	}
}

static struct fixture *create(size_t limit)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	gen_base(&f->b, limit);
	f->b.ops.applied = applied_cb;
	f->b.ctx = f;
	assert_int_equal(replica_init(&f->r, &f->b, NODE, &f->a), 0);
	replica_epoch(&f->r, &f->b, 1000, false);
	return f;
}

static void destroy(struct fixture *f)
{
	replica_fini(&f->r);
	free(f);
}

static void upsert(struct fixture *f, uint32_t i, uint16_t value, uint64_t seq)
{
	uint8_t buf[GEN_LEN_MAX];
	struct keyed k = { .rec = { .type = CTS_REC_UPSERT, .data = buf } };

	k.rec.len = gen_entry(buf, i, value);
	replica_prepare(&f->r, &k);
	replica_upsert(&f->r, &f->b, seq, &k);
	applied_flush(&f->a, &f->b);
}

static void drop(struct fixture *f, uint32_t i)
{
	uint8_t buf[GEN_LEN_MAX];
	struct keyed k = { .rec = { .type = CTS_REC_DELETE, .data = buf } };

	k.rec.len = gen_entry(buf, i, 0);
	replica_prepare(&f->r, &k);
	replica_delete(&f->r, &f->b, &k);
	applied_flush(&f->a, &f->b);
}

static uint32_t find(struct fixture *f, uint32_t i)
{
	uint8_t buf[GEN_LEN_MAX];

	gen_entry(buf, i, 0);
	return cts_cache_find(f->r.cache, buf, GEN_KEY_LEN);
}

static void assert_has(struct fixture *f, uint32_t i, uint16_t value)
{
	uint32_t ref = find(f, i);
	const uint8_t *packed;
	size_t len;

	assert_true(ref);
	packed = cts_cache_data(f->r.cache, ref, &len);
	assert_int_equal(gen_value(packed, len), value);
}

static void assert_counts(struct fixture *f, uint64_t live, uint64_t stale, uint64_t orphans)
{
	assert_int_equal(f->r.live, live);
	assert_int_equal(f->r.stale, stale);
	assert_int_equal(f->r.orphans, orphans);
	assert_int_equal(cts_cache_count(f->r.cache), live + stale + orphans);
	assert_int_equal(f->r.sums.count, live);
}

static void run(struct fixture *f)
{
	while (replica_step(&f->r, &f->b))
		;
}

static void what_the_owner_sends_replaces_what_was_there(void **state)
{
	struct fixture *f = create(100);

	upsert(f, 1, 10, 5);
	upsert(f, 1, 300, 6);
	assert_has(f, 1, 300);
	assert_int_equal(cts_cache_entry(f->r.cache, find(f, 1))->seq, 6);
	assert_counts(f, 1, 0, 0);
	assert_int_equal(f->upserts, 2);
	drop(f, 2);                          /* unknown: nothing to say */
	assert_int_equal(f->gone, 0);
	drop(f, 1);
	assert_counts(f, 0, 0, 0);
	assert_int_equal(f->r.sums.total, 0);
	assert_int_equal(f->gone, 1);
	assert_int_equal(f->last_node, NODE);
	destroy(f);
}

static void changes_are_handed_on_in_lists_of_one_node(void **state)
{
	struct fixture *f = create(2000);
	struct replica other = { 0 };
	uint8_t buf[GEN_LEN_MAX];
	struct keyed k = { .rec = { .type = CTS_REC_UPSERT, .data = buf } };

	assert_int_equal(replica_init(&other, &f->b, NODE + 1, &f->a), 0);
	for (uint32_t i = 0; i < 300; i++) {
		k.rec.len = gen_entry(buf, i, 1);
		replica_prepare(&f->r, &k);
		replica_upsert(&f->r, &f->b, 1, &k);
	}
	assert_int_equal(f->calls, 1);
	assert_int_equal(f->upserts, 256);
	replica_prepare(&other, &k);
	replica_upsert(&other, &f->b, 1, &k);
	assert_int_equal(f->calls, 2);
	assert_int_equal(f->upserts, 300);
	assert_int_equal(f->last_node, NODE);
	applied_flush(&f->a, &f->b);
	applied_flush(&f->a, &f->b);
	assert_int_equal(f->calls, 3);
	assert_int_equal(f->last_node, NODE + 1);
	replica_fini(&other);
	destroy(f);
}

static void damaged_records_change_nothing(void **state)
{
	struct fixture *f = create(100);
	uint8_t buf[GEN_LEN_MAX];
	struct keyed k = { .rec = { .type = CTS_REC_UPSERT, .data = buf } };

	upsert(f, 1, 10, 5);
	k.rec.len = gen_entry(buf, 1, 20);
	buf[GEN_KEY_LEN] = 31 << 3 | 4;      /* an attribute that is cut off */
	replica_prepare(&f->r, &k);
	replica_upsert(&f->r, &f->b, 6, &k);
	k.rec.len = 5;
	replica_prepare(&f->r, &k);
	replica_upsert(&f->r, &f->b, 6, &k);
	replica_delete(&f->r, &f->b, &k);
	k.rec.type = CTS_REC_DELETE;         /* a key and more */
	k.rec.len = gen_entry(buf, 1, 10);
	replica_prepare(&f->r, &k);
	replica_delete(&f->r, &f->b, &k);
	assert_int_equal(f->b.st.bad_record, 4);
	assert_has(f, 1, 10);
	assert_counts(f, 1, 0, 0);
	destroy(f);
}

static void unknown_attributes_are_kept_and_counted(void **state)
{
	struct fixture *f = create(100);
	uint8_t buf[GEN_LEN_MAX];
	struct keyed k = { .rec = { .type = CTS_REC_UPSERT, .data = buf } };
	size_t len;

	k.rec.len = gen_entry(buf, 1, 20);
	buf[k.rec.len++] = 25 << 3 | 1;
	buf[k.rec.len++] = 9;
	replica_prepare(&f->r, &k);
	replica_upsert(&f->r, &f->b, 6, &k);
	assert_int_equal(f->b.st.unknown_attributes, 1);
	assert_memory_equal(cts_cache_data(f->r.cache, find(f, 1), &len), buf, k.rec.len);
	assert_int_equal(len, k.rec.len);
	destroy(f);
}

/* ---- epochs ---- */

static void what_a_former_epoch_sent_is_stale_until_it_is_sent_again(void **state)
{
	struct fixture *f = create(100);

	for (uint32_t i = 1; i <= 4; i++)
		upsert(f, i, 10, i);
	replica_epoch(&f->r, &f->b, 1001, false);
	assert_counts(f, 0, 4, 0);
	upsert(f, 1, 11, 1);
	assert_counts(f, 1, 3, 0);
	drop(f, 2);
	assert_counts(f, 1, 2, 0);
	f->b.now += 1000 * SECOND;
	run(f);                              /* time alone ends nothing of it */
	assert_counts(f, 1, 2, 0);
	f->r.stale_ends = true;              /* the owner has all there is, and these are not in it */
	run(f);
	assert_counts(f, 1, 0, 0);
	assert_has(f, 1, 11);
	assert_int_equal(f->b.st.stale_removed, 2);
	assert_int_equal(f->gone, 3);
	assert_false(f->r.stale_ends);
	assert_false(f->r.trimmed);          /* it is the owner's word */
	destroy(f);
}

static void what_a_lost_table_had_is_kept_for_its_time_and_not_longer(void **state)
{
	struct fixture *f = create(100);

	for (uint32_t i = 1; i <= 4; i++)
		upsert(f, i, 10, i);
	replica_epoch(&f->r, &f->b, 1001, false);
	upsert(f, 1, 11, 1);
	replica_epoch(&f->r, &f->b, 1002, true);     /* live and stale ones alike */
	assert_counts(f, 0, 0, 4);
	upsert(f, 2, 12, 1);                 /* the owner has this one again */
	upsert(f, 9, 12, 2);
	assert_counts(f, 2, 0, 3);
	f->r.stale_ends = true;              /* a sweep of stale ones does not reach orphans */
	run(f);
	assert_counts(f, 2, 0, 3);
	f->b.now += f->b.conf.purge_timeout_s * SECOND - 1;
	run(f);
	assert_counts(f, 2, 0, 3);
	f->b.now += 1;
	run(f);
	assert_counts(f, 2, 0, 0);
	assert_has(f, 2, 12);
	assert_has(f, 9, 12);
	destroy(f);
}

static void a_second_loss_keeps_what_is_live_until_then(void **state)
{
	struct fixture *f = create(100);

	upsert(f, 1, 10, 1);
	replica_epoch(&f->r, &f->b, 1001, true);
	f->b.now += 30 * SECOND;
	upsert(f, 2, 10, 1);
	replica_epoch(&f->r, &f->b, 1002, true);
	assert_counts(f, 0, 0, 2);
	f->b.now += 30 * SECOND;
	run(f);
	assert_int_equal(f->r.orphans, 2);
	f->b.now += 30 * SECOND;
	run(f);
	assert_counts(f, 0, 0, 0);
	destroy(f);
}

static void large_tables_end_in_steps(void **state)
{
	struct fixture *f = create(20000);
	unsigned int steps = 0;

	for (uint32_t i = 0; i < 3 * STEP_ENTRIES; i++)
		upsert(f, i, 1, 1 + i);
	replica_epoch(&f->r, &f->b, 1001, true);
	for (uint32_t i = 0; i < 100; i++)
		upsert(f, 100000 + i, 1, 1 + i);
	f->b.now += f->b.conf.purge_timeout_s * SECOND;
	while (replica_step(&f->r, &f->b)) {
		steps++;
		assert_true(f->gone <= steps * STEP_ENTRIES);
	}
	assert_in_range(steps, 3, 4);
	assert_counts(f, 100, 0, 0);
	replica_epoch(&f->r, &f->b, 1002, false);
	for (uint32_t i = 0; i < 2 * STEP_ENTRIES; i++)
		upsert(f, i, 1, 1 + i);
	replica_epoch(&f->r, &f->b, 1003, false);
	f->r.stale_ends = true;
	for (steps = 0; replica_step(&f->r, &f->b); steps++)
		;
	assert_in_range(steps, 2, 3);
	assert_counts(f, 0, 0, 0);
	destroy(f);
}

static void a_flush_leaves_nothing_and_says_nothing(void **state)
{
	struct fixture *f = create(100);

	upsert(f, 1, 10, 1);
	replica_epoch(&f->r, &f->b, 1001, true);
	upsert(f, 2, 10, 1);
	replica_epoch(&f->r, &f->b, 1002, false);
	upsert(f, 3, 10, 1);
	replica_clear(&f->r);
	assert_counts(f, 0, 0, 0);
	assert_int_equal(f->r.sums.total, 0);
	assert_int_equal(sums_node(&f->r.sums, 1, 0), 0);
	assert_int_equal(f->gone, 0);
	upsert(f, 3, 10, 2);
	assert_counts(f, 1, 0, 0);
	destroy(f);
}

/* ---- limits ---- */

static void a_live_entry_is_refused_only_when_nothing_can_make_room(void **state)
{
	struct fixture *f = create(4);

	upsert(f, 1, 10, 1);
	replica_epoch(&f->r, &f->b, 1001, true);     /* 1: an orphan */
	upsert(f, 2, 10, 1);
	replica_epoch(&f->r, &f->b, 1002, false);    /* 2: stale */
	upsert(f, 3, 10, 1);
	upsert(f, 4, 10, 2);
	upsert(f, 5, 10, 3);
	assert_counts(f, 3, 1, 0);
	assert_int_equal(find(f, 1), 0);
	upsert(f, 6, 10, 4);
	assert_counts(f, 4, 0, 0);
	assert_int_equal(f->b.st.evicted, 2);
	upsert(f, 7, 10, 5);
	assert_counts(f, 4, 0, 0);
	assert_int_equal(f->r.refused, 1);
	assert_int_equal(f->b.st.refused_full, 1);
	upsert(f, 3, 11, 6);                 /* what is there may change */
	assert_has(f, 3, 11);
	destroy(f);
}

/* Wherever they stand: it is the orphans that go first, then what is stale. */
static void room_is_made_of_what_is_not_live(void **state)
{
	struct fixture *f = create(6);

	for (uint32_t i = 1; i <= 6; i++)
		upsert(f, i, 10, i);
	replica_epoch(&f->r, &f->b, 1001, true);
	for (uint32_t i = 1; i <= 4; i++)
		upsert(f, i, 11, i);                 /* 5 and 6 stay orphans */
	replica_epoch(&f->r, &f->b, 1002, false);
	for (uint32_t i = 1; i <= 2; i++)
		upsert(f, i, 12, i);                 /* 3 and 4 stay stale */
	assert_counts(f, 2, 2, 2);
	upsert(f, 7, 10, 7);
	upsert(f, 8, 10, 8);
	assert_counts(f, 4, 2, 0);
	assert_int_equal(find(f, 5) | find(f, 6), 0);
	upsert(f, 9, 10, 9);
	upsert(f, 10, 10, 10);
	assert_counts(f, 6, 0, 0);
	for (uint32_t i = 1; i <= 2; i++)
		assert_has(f, i, 12);
	destroy(f);
}

/* What the former epoch's digest ended says nothing of another one. */
static void a_new_epoch_stops_what_ends_stale_entries(void **state)
{
	struct fixture *f = create(100);

	upsert(f, 1, 10, 1);
	f->r.stale_ends = true;
	f->r.stale_cursor = 1;
	replica_epoch(&f->r, &f->b, 1001, false);
	run(f);
	assert_counts(f, 0, 1, 0);
	destroy(f);
}

/* ---- time ---- */

static void upsert_with_timeout(struct fixture *f, uint32_t i, uint8_t seconds, uint64_t seq)
{
	uint8_t buf[GEN_LEN_MAX];
	struct keyed k = { .rec = { .type = CTS_REC_UPSERT, .data = buf } };

	k.rec.len = gen_entry(buf, i, 1);
	buf[k.rec.len++] = 2 << 3 | 1;
	buf[k.rec.len++] = seconds;
	replica_prepare(&f->r, &k);
	replica_upsert(&f->r, &f->b, seq, &k);
	applied_flush(&f->a, &f->b);
}

static void what_a_gone_node_had_ends_at_its_own_timeout(void **state)
{
	struct fixture *f = create(100);
	uint64_t gone;

	upsert_with_timeout(f, 1, 30, 1);
	upsert_with_timeout(f, 2, 120, 2);
	upsert(f, 3, 10, 3);                 /* without one it stays */
	f->b.now += 1000 * SECOND;
	replica_expire(&f->r, &f->b, 0);     /* its owner is there: its silence means it lives */
	assert_counts(f, 3, 0, 0);
	gone = f->b.now;
	f->b.now += 30 * SECOND;
	replica_expire(&f->r, &f->b, gone);
	assert_counts(f, 3, 0, 0);
	f->b.now += 1;
	replica_expire(&f->r, &f->b, gone);
	replica_expire(&f->r, &f->b, gone);
	assert_counts(f, 2, 0, 0);
	assert_int_equal(find(f, 1), 0);
	f->b.now += 3600 * SECOND;
	replica_expire(&f->r, &f->b, gone);
	replica_expire(&f->r, &f->b, gone);
	assert_counts(f, 1, 0, 0);
	assert_int_equal(f->b.st.expired, 2);
	assert_true(f->r.trimmed);           /* not the owner's word: it may differ now */
	destroy(f);
}

static void in_alarm_mode_what_is_not_repeated_ends(void **state)
{
	struct fixture *f = create(100);

	f->b.conf.mode = CTS_MODE_ALARM;
	f->b.conf.expire_s = 10;
	upsert(f, 1, 10, 1);
	upsert(f, 2, 10, 2);
	f->b.now += 8 * SECOND;
	upsert(f, 2, 10, 3);
	f->b.now += 2 * SECOND;
	replica_expire(&f->r, &f->b, 0);
	assert_counts(f, 2, 0, 0);
	f->b.now += SECOND;
	replica_expire(&f->r, &f->b, 0);
	replica_expire(&f->r, &f->b, 0);
	assert_counts(f, 1, 0, 0);
	assert_has(f, 2, 10);
	f->b.conf.expire_s = 0;              /* never */
	f->b.now += 1000 * SECOND;
	replica_expire(&f->r, &f->b, 0);
	assert_counts(f, 1, 0, 0);
	destroy(f);
}

/* ---- any order ---- */

static void counts_and_sums_are_those_of_the_entries(void **state)
{
	struct fixture *f = create(150);
	struct rng any = { 1 };
	uint64_t seq = 0, epoch = 1000;

	for (int step = 0; step < 30000; step++) {
		struct sums s;
		uint64_t live = 0, stale = 0, orphans = 0;
		uint32_t ref = 0;

		switch (rng_below(&any, 200)) {
		case 0:
			replica_epoch(&f->r, &f->b, ++epoch, rng_below(&any, 2));
			break;
		case 1:
			f->r.stale_ends = true;
			break;
		case 2 ... 20:
			f->b.now += SECOND;
			replica_step(&f->r, &f->b);
			break;
		case 21 ... 60:
			drop(f, rng_below(&any, 200));
			break;
		default:
			upsert(f, rng_below(&any, 200), (uint16_t)(1 + rng_below(&any, 1000)), ++seq);
			break;
		}
		if (step % 100)
			continue;
		assert_int_equal(sums_init(&s, epoch), 0);
		while ((ref = cts_cache_next(f->r.cache, ref))) {
			const struct cts_entry *e = cts_cache_entry(f->r.cache, ref);

			orphans += replica_is_orphan(&f->r, e);
			stale += replica_is_stale(&f->r, e);
			if (e->aux != f->r.gen)
				continue;
			live++;
			sums_add(&s, replica_hash(&f->r, ref), e->seq);
		}
		assert_counts(f, live, stale, orphans);
		assert_int_equal(f->r.sums.total, s.total);
		sums_fini(&s);
	}
	assert_true(f->b.st.refused_full && f->b.st.evicted);
	destroy(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_owner_sends_replaces_what_was_there),
		cmocka_unit_test(changes_are_handed_on_in_lists_of_one_node),
		cmocka_unit_test(damaged_records_change_nothing),
		cmocka_unit_test(unknown_attributes_are_kept_and_counted),
		cmocka_unit_test(what_a_former_epoch_sent_is_stale_until_it_is_sent_again),
		cmocka_unit_test(what_a_lost_table_had_is_kept_for_its_time_and_not_longer),
		cmocka_unit_test(a_second_loss_keeps_what_is_live_until_then),
		cmocka_unit_test(large_tables_end_in_steps),
		cmocka_unit_test(a_flush_leaves_nothing_and_says_nothing),
		cmocka_unit_test(a_live_entry_is_refused_only_when_nothing_can_make_room),
		cmocka_unit_test(room_is_made_of_what_is_not_live),
		cmocka_unit_test(a_new_epoch_stops_what_ends_stale_entries),
		cmocka_unit_test(what_a_gone_node_had_ends_at_its_own_timeout),
		cmocka_unit_test(in_alarm_mode_what_is_not_repeated_ends),
		cmocka_unit_test(counts_and_sums_are_those_of_the_entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
