/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What receivers pulled, walked through in steps (core/sync/send/transfer.h), and the size
 * of messages on a path that drops large ones (core/sync/send/size.h). */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/sync/send/size.h"
#include "core/sync/send/transfer.h"
#include "tests/unit/sync_gen.h"

struct fixture {
	struct base b;
	struct table t;
	struct transfer x;
	uint64_t last;
	unsigned int steps;
};

static struct fixture *create(void)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	gen_base(&f->b, 100000);
	assert_int_equal(table_init(&f->t, &f->b), 0);
	table_read(&f->t);
	return f;
}

static void destroy(struct fixture *f)
{
	table_fini(&f->t);
	free(f);
}

static uint32_t set(struct fixture *f, uint32_t i)
{
	uint8_t buf[GEN_LEN_MAX];
	size_t len = gen_entry(buf, i, 1);
	uint32_t hash = cts_cache_hash(f->t.cache, buf, GEN_KEY_LEN);

	return table_set(&f->t, &f->b, 0, hash, buf, len, true, 0);
}

static void put(struct fixture *f, uint32_t ref)
{
	uint8_t buf[512];
	struct cts_wire_out out;
	uint64_t before;

	cts_wire_begin(&out, buf, sizeof(buf));
	assert_true(table_put(&f->t, &f->b, &out, ++f->last, ref, &before));
}

/* All that waits goes out, as after a while. */
static void drain(struct fixture *f)
{
	uint32_t ref;
	bool lost;

	while ((ref = table_next(&f->t, &f->b, &lost))) {
		put(f, ref);
		table_taken(&f->t, ref, lost);
	}
}

/* Send what the walk yields, in turns. Returns how many entries. */
static unsigned int walk(struct fixture *f)
{
	unsigned int n = 0, looked;
	uint32_t ref;

	f->steps = 0;
	do {
		looked = 0;
		while ((ref = transfer_next(&f->x, &f->t, f->last, &looked))) {
			assert_true(table_is_live(&f->t, ref));
			put(f, ref);
			transfer_taken(&f->x);
			n++;
		}
		f->steps++;
		assert_true(looked <= STEP_ENTRIES);
	} while (transfer_active(&f->x));
	return n;
}

static void all_of_it_goes_once(void **state)
{
	struct fixture *f = create();
	unsigned int looked = 0;

	assert_false(transfer_active(&f->x));
	for (uint32_t i = 0; i < 10000; i++)
		set(f, i);
	drain(f);
	transfer_pull(&f->x, NULL, f->last);
	assert_true(transfer_active(&f->x));
	assert_int_equal(walk(f), 10000);
	assert_int_equal(f->steps, 10000 / STEP_ENTRIES + 1);
	assert_int_equal(walk(f), 0);
	assert_int_equal(transfer_next(&f->x, &f->t, f->last, &looked), 0);
	assert_int_equal(looked, 0);         /* nobody asked: nothing is looked at */
	destroy(f);
}

static void what_was_sent_since_does_not_go_again(void **state)
{
	struct fixture *f = create();
	uint32_t ref[6];

	for (uint32_t i = 0; i < 6; i++)
		ref[i] = set(f, i);
	drain(f);
	transfer_pull(&f->x, NULL, f->last);
	put(f, ref[1]);                      /* it changed meanwhile */
	table_delete(&f->t, &f->b, ref[2]);  /* gone: not its business */
	assert_int_equal(walk(f), 4);
	destroy(f);
}

static void what_is_too_young_is_not_shown(void **state)
{
	struct fixture *f = create();

	set(f, 1);
	drain(f);
	f->t.min_age = 100;
	set(f, 2);
	transfer_pull(&f->x, NULL, f->last);
	assert_int_equal(walk(f), 1);
	destroy(f);
}

/* The entry that the walk stands at waits for room: it may change meanwhile. */
static void the_next_one_is_still_the_next_one(void **state)
{
	struct fixture *f = create();
	unsigned int looked = 0;
	uint32_t ref[3];

	for (uint32_t i = 0; i < 3; i++)
		ref[i] = set(f, i);
	drain(f);
	transfer_pull(&f->x, NULL, f->last);
	assert_int_equal(transfer_next(&f->x, &f->t, f->last, &looked), ref[0]);
	assert_int_equal(transfer_next(&f->x, &f->t, f->last, &looked), ref[0]);
	assert_int_equal(looked, 1);
	put(f, ref[0]);                      /* by another way */
	assert_int_equal(transfer_next(&f->x, &f->t, f->last, &looked), ref[1]);
	cts_cache_remove(f->t.cache, ref[1]);
	assert_int_equal(transfer_next(&f->x, &f->t, f->last, &looked), ref[2]);
	transfer_taken(&f->x);
	assert_int_equal(transfer_next(&f->x, &f->t, f->last, &looked), 0);
	assert_false(transfer_active(&f->x));
	destroy(f);
}

static unsigned int subtree(struct fixture *f, uint32_t ref)
{
	return sums_leaf(table_hash(&f->t, ref)) / CTS_SUMS_FANOUT;
}

static void subtrees_go_and_the_rest_does_not(void **state)
{
	struct fixture *f = create();
	uint8_t map[TRANSFER_MAP] = { 0 };
	unsigned int want = 0, looked = 0;
	uint32_t ref;

	for (uint32_t i = 0; i < 20000; i++)
		set(f, i);
	drain(f);
	cts_bitmap_set(map, 0);
	cts_bitmap_set(map, 4095);
	cts_bitmap_set(map, 77);
	for (ref = 0; (ref = cts_cache_next(f->t.cache, ref));)
		want += cts_bitmap_get(map, subtree(f, ref));
	assert_true(want);
	transfer_pull(&f->x, map, f->last);
	ref = transfer_next(&f->x, &f->t, f->last, &looked);
	assert_true(cts_bitmap_get(map, subtree(f, ref)));
	assert_int_equal(walk(f), want);

	/* Two questions are one walk more, of what either wants. */
	memset(map, 0, sizeof(map));
	cts_bitmap_set(map, 1);
	transfer_pull(&f->x, map, f->last);
	looked = 0;
	ref = transfer_next(&f->x, &f->t, f->last, &looked);
	assert_true(ref);
	transfer_pull(&f->x, map, f->last);
	memset(map, 0, sizeof(map));
	cts_bitmap_set(map, 2);
	transfer_pull(&f->x, map, f->last);
	cts_bitmap_set(map, 1);
	want = 0;
	for (ref = 0; (ref = cts_cache_next(f->t.cache, ref));)
		want += cts_bitmap_get(map, subtree(f, ref)) + (subtree(f, ref) == 1);
	assert_int_equal(walk(f), want);
	/* ... and then nothing is left of them. */
	transfer_pull(&f->x, NULL, f->last);
	assert_int_equal(walk(f), 20000);
	destroy(f);
}

static void a_reset_forgets_what_was_asked(void **state)
{
	struct fixture *f = create();
	uint8_t none[TRANSFER_MAP] = { 0 };
	unsigned int looked = 0;

	set(f, 1);
	set(f, 2);
	drain(f);
	transfer_pull(&f->x, NULL, f->last);
	assert_true(transfer_next(&f->x, &f->t, f->last, &looked));
	transfer_pull(&f->x, NULL, f->last);
	f->x.refresh_cursor = 2;
	transfer_reset(&f->x);
	assert_false(transfer_active(&f->x));
	assert_int_equal(f->x.refresh_cursor, 0);
	assert_int_equal(transfer_next(&f->x, &f->t, f->last, &looked), 0);
	transfer_pull(&f->x, none, f->last);
	assert_int_equal(walk(f), 0);
	transfer_pull(&f->x, NULL, f->last);
	assert_int_equal(walk(f), 2);
	destroy(f);
}

/* ---- ALARM ---- */

static unsigned int refreshed_in(struct fixture *f, unsigned int ms, unsigned int every)
{
	uint64_t before = f->last;

	for (; ms; ms -= every) {
		f->b.now += every * MS;
		transfer_refresh(&f->x, &f->t, &f->b);
		drain(f);
	}
	return (unsigned int)(f->last - before);
}

static void every_entry_again_within_its_time(void **state)
{
	struct fixture *f = create();
	uint64_t before;

	for (uint32_t i = 0; i < 1000; i++)
		set(f, i);
	drain(f);
	f->x.refresh_ns = f->b.now;
	f->b.conf.refresh_s = 15;
	assert_int_equal(refreshed_in(f, 20000, 100), 0);    /* FTFW has no need of it */
	f->b.conf.mode = CTS_MODE_ALARM;
	f->x.refresh_ns = f->b.now;
	before = f->last;
	/* 7 of 1,000 in each 100 ms: 15 s are 150 of these. */
	assert_int_equal(refreshed_in(f, 100, 100), 7);
	assert_in_range(refreshed_in(f, 14900, 100), 1000 - 7, 1060);
	for (uint32_t ref = 0; (ref = cts_cache_next(f->t.cache, ref));)
		assert_true(cts_cache_entry(f->t.cache, ref)->seq > before);
	f->b.now += 99 * MS;                 /* not so often */
	transfer_refresh(&f->x, &f->t, &f->b);
	assert_int_equal(f->t.dirty.len, 0);
	f->b.conf.refresh_s = 0;
	assert_int_equal(refreshed_in(f, 20000, 100), 0);
	destroy(f);
}

/* At the end of the table it goes on with its beginning, in the same turn. */
static void a_refresh_goes_round(void **state)
{
	struct fixture *f = create();
	uint32_t ref[3];

	f->b.conf.mode = CTS_MODE_ALARM;
	f->b.conf.refresh_s = 3;
	for (uint32_t i = 0; i < 3; i++)
		ref[i] = set(f, i);
	drain(f);
	f->x.refresh_ns = f->b.now;
	f->x.refresh_cursor = ref[1];
	f->b.now += 2 * SECOND;
	transfer_refresh(&f->x, &f->t, &f->b);
	assert_int_equal(f->t.dirty.len, 2);
	assert_int_equal(f->x.refresh_cursor, ref[0]);
	destroy(f);
}

static void a_refresh_waits_for_what_waits_already(void **state)
{
	struct fixture *f = create();

	f->b.conf.mode = CTS_MODE_ALARM;
	f->b.conf.refresh_s = 1;
	for (uint32_t i = 0; i < 20000; i++)
		set(f, i);
	drain(f);
	f->b.now += 10 * SECOND;
	transfer_refresh(&f->x, &f->t, &f->b);
	assert_int_equal(f->t.dirty.len, 4096);
	drain(f);
	destroy(f);
	f = create();                        /* nor is an empty table a trap */
	f->b.conf.mode = CTS_MODE_ALARM;
	f->b.conf.refresh_s = 1;
	f->b.now += 10 * SECOND;
	transfer_refresh(&f->x, &f->t, &f->b);
	set(f, 1);
	drain(f);
	cts_cache_clear(f->t.cache);
	f->b.now += 10 * SECOND;
	transfer_refresh(&f->x, &f->t, &f->b);
	destroy(f);
}

/* ---- sizes ---- */

static void sizes_go_down_the_steps_and_up_again(void **state)
{
	static const size_t down[] = { 32768, 16384, 8972, 4096, 1472, 1232, 512 };
	static const size_t up[] = { 1232, 1472, 4096, 8972, 16384, 32768, 40000 };
	const size_t transport = 40000;
	uint64_t now = 5 * SECOND;
	struct size s;

	size_init(&s);
	assert_int_equal(size_of(&s, transport), transport);
	assert_int_equal(size_probe_due(&s, transport, now), 0);
	for (size_t i = 0; i < 7; i++) {
		assert_true(size_shrink(&s, transport, now));
		assert_int_equal(size_of(&s, transport), down[i]);
	}
	assert_false(size_shrink(&s, transport, now));
	assert_int_equal(size_of(&s, transport), 512);
	assert_int_equal(size_of(&s, 400), 400);
	assert_int_equal(size_probe_due(&s, transport, now + SIZE_PROBE_NS - 1), 0);
	now += SIZE_PROBE_NS;
	for (size_t i = 0; i < 7; i++) {
		assert_int_equal(size_probe_due(&s, transport, now), up[i]);
		size_probing(&s, up[i], i + 1, now);
		assert_int_equal(size_probe_due(&s, transport, now), 0);
		assert_false(size_passed(&s, size_of(&s, transport)));
		assert_true(size_passed(&s, up[i]));
		assert_int_equal(size_of(&s, transport), up[i]);
	}
	assert_int_equal(size_probe_due(&s, transport, now), 0);
}

static void what_does_not_pass_is_tried_later_each_time(void **state)
{
	uint64_t now = 5 * SECOND, wait = SIZE_PROBE_NS;
	struct size s;

	size_init(&s);
	assert_true(size_shrink(&s, 1472, now));
	for (int i = 0; i < 12; i++) {
		assert_int_equal(size_probe_due(&s, 1472, now + wait - 1), 0);
		now += wait;
		assert_int_equal(size_probe_due(&s, 1472, now), 1472);
		size_probing(&s, 1472, 1, now);
		if (i)
			wait = wait * 2 < SIZE_PROBE_MAX_NS ? wait * 2 : SIZE_PROBE_MAX_NS;
	}
	assert_int_equal(wait, SIZE_PROBE_MAX_NS);
	/* When it passes and is lost again, it begins again. */
	assert_true(size_passed(&s, 1472));
	assert_true(size_shrink(&s, 1472, now));
	assert_int_equal(size_probe_due(&s, 1472, now + SIZE_PROBE_NS), 1472);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_it_goes_once),
		cmocka_unit_test(what_was_sent_since_does_not_go_again),
		cmocka_unit_test(what_is_too_young_is_not_shown),
		cmocka_unit_test(the_next_one_is_still_the_next_one),
		cmocka_unit_test(subtrees_go_and_the_rest_does_not),
		cmocka_unit_test(a_reset_forgets_what_was_asked),
		cmocka_unit_test(every_entry_again_within_its_time),
		cmocka_unit_test(a_refresh_goes_round),
		cmocka_unit_test(a_refresh_waits_for_what_waits_already),
		cmocka_unit_test(sizes_go_down_the_steps_and_up_again),
		cmocka_unit_test(what_does_not_pass_is_tried_later_each_time),
	};

	return cmocka_run_group_tests_name("transfer", tests, NULL, NULL);
}
