/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Single rules of the own table and the retransmission window that flows at random do
 * not single out: core/sync/send/table.h, window.h. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/sync/send/window.h"
#include "tests/unit/sync_gen.h"

struct fixture {
	struct base b;
	struct table t;
	struct window w;
};

static struct fixture *create(size_t limit, uint32_t min_age_ms)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	gen_base(&f->b, limit);
	f->b.conf.min_age_ms = min_age_ms;
	assert_int_equal(table_init(&f->t, &f->b), 0);
	table_read(&f->t);
	window_init(&f->w);
	return f;
}

static void destroy(struct fixture *f)
{
	table_fini(&f->t);
	window_fini(&f->w);
	free(f);
}

static uint32_t set_bytes(struct fixture *f, const uint8_t *bytes, size_t len)
{
	uint32_t hash = cts_cache_hash(f->t.cache, bytes, GEN_KEY_LEN);
	uint32_t ref = cts_cache_find_hashed(f->t.cache, hash, bytes, GEN_KEY_LEN);

	return table_set(&f->t, &f->b, ref, hash, bytes, len, true, 0);
}

static uint32_t set(struct fixture *f, uint32_t i)
{
	uint8_t buf[GEN_LEN_MAX];

	return set_bytes(f, buf, gen_entry(buf, i, 1));
}

/* The next entry goes into a message of this number. Returns its ref, 0: none waits. */
static uint32_t put_next(struct fixture *f, uint64_t seq)
{
	uint8_t buf[512];
	struct cts_wire_out out;
	uint64_t before;
	uint32_t ref;
	bool lost;

	ref = table_next(&f->t, &f->b, &lost);
	if (!ref)
		return 0;
	cts_wire_begin(&out, buf, sizeof(buf));
	assert_true(table_put(&f->t, &f->b, &out, seq, ref, &before));
	table_taken(&f->t, ref, lost);
	return ref;
}

/* -- the table -- */

static void a_queue_that_was_emptied_has_no_length(void **state)
{
	struct fixture *f = create(100, 0);

	for (uint32_t i = 0; i < 3; i++)
		assert_true(set(f, i));
	assert_int_equal(f->t.dirty.len, 3);
	for (uint64_t seq = 1; seq <= 3; seq++)
		assert_true(put_next(f, seq));
	assert_int_equal(put_next(f, 4), 0);
	assert_int_equal(f->t.dirty.len, 0);
	destroy(f);
}

static void what_is_deleted_young_is_not_held_back_any_longer(void **state)
{
	struct fixture *f = create(100, 1000);
	uint32_t ref = set(f, 1);

	table_release_held_back(&f->t, &f->b);
	assert_int_equal(put_next(f, 1), 0);
	table_delete(&f->t, &f->b, ref);
	table_release_held_back(&f->t, &f->b);
	/* nobody knew of it: it just goes */
	assert_int_equal(put_next(f, 1), 0);
	assert_int_equal(cts_cache_count(f->t.cache), 0);
	assert_int_equal(f->t.tombstones, 0);
	destroy(f);
}

static void what_is_held_back_is_unsent_from_its_age_on(void **state)
{
	struct fixture *f = create(100, 1000);
	uint32_t ref = set(f, 1);

	assert_int_equal(f->t.unsent, 0);
	table_delete(&f->t, &f->b, ref);
	assert_int_equal(set(f, 1), ref);
	assert_int_equal(f->t.unsent, 0);
	f->b.now += 2 * SECOND;
	table_release_held_back(&f->t, &f->b);
	assert_int_equal(f->t.unsent, 1);
	assert_int_equal(put_next(f, 1), ref);
	assert_int_equal(f->t.unsent, 0);
	destroy(f);
}

static void a_tombstone_stays_until_its_delete_is_acknowledged(void **state)
{
	struct fixture *f = create(100, 0);
	uint32_t ref = set(f, 1);

	assert_int_equal(put_next(f, 1), ref);
	table_delete(&f->t, &f->b, ref);
	/* its last message settles, which was no delete */
	table_settled(&f->t, ref, 1);
	assert_int_equal(f->t.tombstones, 1);
	assert_int_equal(put_next(f, 2), ref);
	/* the delete is lost; the message that lost it settles, as it will be sent again */
	assert_true(table_lost(&f->t, ref));
	table_settled(&f->t, ref, 2);
	assert_int_equal(f->t.tombstones, 1);
	assert_int_equal(put_next(f, 3), ref);
	table_settled(&f->t, ref, 2);
	assert_int_equal(f->t.tombstones, 1);
	table_settled(&f->t, ref, 3);
	assert_int_equal(f->t.tombstones, 0);
	assert_int_equal(cts_cache_count(f->t.cache), 0);
	destroy(f);
}

/* What the lowest message carried is sent again without waiting for its turn. */
static void what_was_sent_out_of_turn_does_not_stop_the_queue(void **state)
{
	struct fixture *f = create(100, 0);
	uint32_t first = set(f, 1), second = set(f, 2);
	struct cts_wire_out out;
	uint8_t buf[512];
	uint64_t before;
	bool lost;

	assert_int_equal(put_next(f, 1), first);
	assert_int_equal(put_next(f, 2), second);
	assert_true(table_lost(&f->t, first));
	assert_true(table_lost(&f->t, second));
	cts_wire_begin(&out, buf, sizeof(buf));
	assert_true(table_put(&f->t, &f->b, &out, 3, first, &before));
	assert_int_equal(before, 1);
	assert_int_equal(f->t.retransmit.waiting, 1);
	assert_int_equal(table_next(&f->t, &f->b, &lost), second);
	assert_true(lost);
	destroy(f);
}

static void less_than_before_is_a_change(void **state)
{
	struct fixture *f = create(100, 0);
	uint8_t longer[GEN_LEN_MAX];
	size_t len = gen_entry(longer, 1, 1);
	uint32_t ref;

	longer[len] = 3 << 3 | 1;   /* a mark, too */
	longer[len + 1] = 9;
	ref = set_bytes(f, longer, len + 2);
	assert_int_equal(put_next(f, 1), ref);
	assert_int_equal(set_bytes(f, longer, len + 2), ref);
	assert_int_equal(table_version(&f->t, ref), 1);
	assert_int_equal(set_bytes(f, longer, len), ref);
	assert_int_equal(table_version(&f->t, ref), 2);
	assert_int_equal(put_next(f, 2), ref);
	destroy(f);
}

static void what_found_no_room_is_missing_until_a_reading_finds_it(void **state)
{
	struct fixture *f = create(1, 0);

	assert_true(set(f, 1));
	assert_int_equal(set(f, 2), 0);
	assert_int_equal(f->t.missing, 1);
	table_read(&f->t);           /* the reading that saw it */
	assert_int_equal(f->t.missing, 1);
	table_read(&f->t);           /* one that did not */
	assert_int_equal(f->t.missing, 0);
	destroy(f);
}

static void in_a_new_epoch_nothing_was_sent(void **state)
{
	struct fixture *f = create(100, 0);
	uint32_t ref = set(f, 1);

	assert_int_equal(put_next(f, 7), ref);
	assert_int_equal(f->t.unsent, 0);
	table_renew(&f->t, &f->b, false);
	assert_int_equal(f->t.unsent, 1);
	table_settled(&f->t, ref, 7);
	assert_int_equal(put_next(f, 1), ref);
	assert_int_equal(f->t.unsent, 0);
	destroy(f);
}

/* -- the window -- */

static struct sent *send_message(struct fixture *f, bool ack_now)
{
	struct sent *s = window_open(&f->w, true, f->b.now);

	window_close(&f->w, &f->t, s, 100, ack_now);
	return s;
}

static void a_window_that_was_reset_is_empty(void **state)
{
	struct fixture *f = create(100, 0);

	static const struct gaps none;

	window_enter(&f->w, 0, 1 << 20, f->b.now);
	for (unsigned int i = 0; i < 5; i++)
		send_message(f, false);
	assert_true(window_ack(&f->w, &f->t, 0, 2, &none, f->b.now));
	assert_int_equal(window_len(&f->w), 3);
	window_reset(&f->w);
	assert_int_equal(window_len(&f->w), 0);
	assert_int_equal(f->w.lowest, 1);
	send_message(f, false);      /* nobody is in it */
	assert_int_equal(window_len(&f->w), 0);
	destroy(f);
}

static void who_enters_has_acknowledged_what_was_before(void **state)
{
	static const struct gaps none;
	struct fixture *f = create(100, 0);
	uint64_t entered = f->b.now;

	window_enter(&f->w, 1, 1 << 20, f->b.now);
	for (unsigned int i = 0; i < 5; i++)
		send_message(f, false);
	assert_int_equal(window_enter(&f->w, 0, 1 << 20, f->b.now), 6);
	f->b.now += SECOND;
	assert_true(window_ack(&f->w, &f->t, 0, 5, &none, f->b.now));
	assert_int_equal(f->w.view[0].progress_ns, entered);   /* nothing new */
	destroy(f);
}

static void without_acknowledgements_all_is_settled_at_once(void **state)
{
	struct fixture *f = create(100, 0);
	struct sent *s;

	window_enter(&f->w, 0, 1 << 20, f->b.now);
	s = window_open(&f->w, false, f->b.now);
	window_close(&f->w, &f->t, s, 100, false);
	assert_int_equal(window_len(&f->w), 0);
	destroy(f);
}

static void a_message_notes_as_many_entries_as_it_carries(void **state)
{
	struct fixture *f = create(100, 0);
	struct sent *s;

	window_enter(&f->w, 0, 1 << 20, f->b.now);
	s = window_open(&f->w, true, f->b.now);
	for (uint32_t i = 0; i < 300; i++)
		assert_true(window_note(s, i));
	assert_int_equal(s->n, 300);
	for (uint32_t i = 0; i < 300; i++)
		assert_int_equal(s->refs[i], i);
	window_close(&f->w, &f->t, s, 100, false);
	destroy(f);
}

static void only_a_lost_message_of_that_number_is_sent_again(void **state)
{
	struct fixture *f = create(100, 0);
	struct sent *s;

	window_enter(&f->w, 0, 1 << 20, f->b.now);
	s = send_message(f, false);
	window_resent(&f->w, &f->t, 1);      /* it was not lost */
	assert_int_equal(s->resending, 0);
	assert_int_equal(s->seq, 1);
	s->resending = 2;
	window_resent(&f->w, &f->t, 1 + WINDOW_MESSAGES);   /* of the same place in the ring */
	assert_int_equal(s->resending, 2);
	s->resending = 0;
	destroy(f);
}

static void bytes_count_until_an_acknowledgement_is_asked_for(void **state)
{
	struct fixture *f = create(100, 0);

	window_enter(&f->w, 0, 1 << 20, f->b.now);
	send_message(f, false);
	send_message(f, false);
	assert_int_equal(f->w.ack_now_bytes, 2 * (100 + PACE_OVERHEAD));
	send_message(f, true);
	assert_int_equal(f->w.ack_now_bytes, 0);
	destroy(f);
}

static void a_small_message_that_is_lost_proves_no_path(void **state)
{
	static const struct gaps first = { .n = 1, .range = { { 1, 1 } } };
	struct fixture *f = create(100, 0);

	window_enter(&f->w, 0, 1 << 20, f->b.now);
	send_message(f, false);
	send_message(f, false);
	assert_true(window_ack(&f->w, &f->t, 0, 2, &first, f->b.now));
	assert_int_equal(f->w.small_acked, 1);
	destroy(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_queue_that_was_emptied_has_no_length),
		cmocka_unit_test(what_is_deleted_young_is_not_held_back_any_longer),
		cmocka_unit_test(what_is_held_back_is_unsent_from_its_age_on),
		cmocka_unit_test(a_tombstone_stays_until_its_delete_is_acknowledged),
		cmocka_unit_test(what_was_sent_out_of_turn_does_not_stop_the_queue),
		cmocka_unit_test(less_than_before_is_a_change),
		cmocka_unit_test(what_found_no_room_is_missing_until_a_reading_finds_it),
		cmocka_unit_test(in_a_new_epoch_nothing_was_sent),
		cmocka_unit_test(a_window_that_was_reset_is_empty),
		cmocka_unit_test(who_enters_has_acknowledged_what_was_before),
		cmocka_unit_test(without_acknowledgements_all_is_settled_at_once),
		cmocka_unit_test(a_message_notes_as_many_entries_as_it_carries),
		cmocka_unit_test(only_a_lost_message_of_that_number_is_sent_again),
		cmocka_unit_test(bytes_count_until_an_acknowledgement_is_asked_for),
		cmocka_unit_test(a_small_message_that_is_lost_proves_no_path),
	};

	return cmocka_run_group_tests_name("sender rules", tests, NULL, NULL);
}
