/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dumps that are read ahead and operations that are written behind, on the real kernel. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "core/kernel/behind.h"
#include "core/kernel/dump.h"
#include "core/kernel/table.h"
#include "tests/unit/kernel_net.h"
#include "tests/unit/kernel_write.h"

#define MANY 20000u

static int fresh(void **state)
{
	kernel_raw_flush();
	return 0;
}

/* -- ahead -- */

struct seen {
	unsigned int n, steps;
	uint8_t times[MANY];         /* each was dumped */
};

static void seen_batch(void *ctx, const struct cts_event *const *ev, size_t n)
{
	struct seen *s = ctx;

	for (size_t i = 0; i < n; i++) {
		const struct cts_tuple *t = &ev[i]->flow->orig;
		unsigned int number = (ntohl(t->src.v4) & 0xffffff) * 16 + ntohs(t->sport) - 1024;

		assert_true(number < MANY);
		assert_true(cts_flow_has(ev[i]->flow, CTS_FLOW_TIMEOUT));
		s->times[number]++;
		s->n++;
	}
}

static void a_table_that_is_read_ahead_is_whole(void **state)
{
	const struct cts_dump_conf conf = { .read_ahead = true };
	static struct seen s;
	struct cts_dump *d;
	int more;

	kernel_raw_create(0, MANY);
	memset(&s, 0, sizeof(s));
	d = cts_dump_open(&conf);
	assert_non_null(d);
	while ((more = cts_dump_step(d, seen_batch, &s)) > 0)
		s.steps++;
	assert_int_equal(more, 0);
	assert_int_equal(cts_dump_step(d, seen_batch, &s), 0);
	cts_dump_close(d);
	assert_int_equal(s.n, MANY);
	for (unsigned int i = 0; i < MANY; i++)
		assert_int_equal(s.times[i], 1);
	assert_true(s.steps > 10);
}

static void a_dump_may_be_left_while_chunks_wait(void **state)
{
	const struct cts_dump_conf conf = { .read_ahead = true };
	static struct seen s;

	kernel_raw_create(0, MANY);
	for (unsigned int steps = 0; steps < 30; steps++) {
		struct cts_dump *d = cts_dump_open(&conf);

		memset(&s, 0, sizeof(s));
		assert_non_null(d);
		for (unsigned int i = 0; i < steps; i++)
			assert_int_equal(cts_dump_step(d, seen_batch, &s), 1);
		assert_true(s.n < MANY);
		cts_dump_close(d);
	}
}

/* Deletes while the kernel dumps: what is selected and was there is seen, all of it. */
static void what_is_deleted_meanwhile_hides_nothing(void **state)
{
	const struct cts_dump_conf conf = { .read_ahead = true };
	const struct cts_writer_conf wconf = { 0 };

	for (int round = 0; round < 3; round++) {
		static struct seen s;
		struct cts_writer *w = cts_writer_open(&wconf);
		struct cts_dump *d;
		int more;

		kernel_raw_create(0, MANY);
		memset(&s, 0, sizeof(s));
		d = cts_dump_open(&conf);
		assert_non_null(d);
		do {
			struct cts_flow f;

			more = cts_dump_step(d, seen_batch, &s);
			for (unsigned int i = 0; i < MANY; i++) {
				if (s.times[i] != 1)
					continue;
				kernel_flow(&f, i);
				assert_int_equal(cts_writer_add(w, CTS_OP_DELETE, &f, i), 0);
				s.times[i] = 100;
			}
			assert_int_equal(cts_writer_flush(w), 0);
		} while (more > 0);
		assert_int_equal(more, 0);
		assert_int_equal(cts_table_count(), 0);
		assert_int_equal(cts_writer_counters(w)[CTS_WRITE_DELETED], MANY);
		cts_dump_close(d);
		cts_writer_close(w);
	}
}

/* -- behind -- */

struct reported {
	uint64_t n, failed, cookie_after; /* cookie_after: of the next one, as they are in order */
	uint64_t first_failed, last;
	int err;
};

static void reported_done(void *ctx, uint64_t cookie, enum cts_write_class cls, int err, uint64_t last)
{
	struct reported *t = ctx;

	assert_int_equal(cookie, t->cookie_after);
	assert_true(last >= cookie && last - cookie < CTS_BEHIND_BATCH);
	assert_int_equal(err == 0, cls == CTS_WRITE_CREATED || cls == CTS_WRITE_UPDATED ||
					   cls == CTS_WRITE_DELETED);
	t->cookie_after++;
	t->n++;
	if (err && !t->failed++) {
		t->first_failed = cookie;
		t->last = last;
		t->err = err;
	}
}

static struct cts_behind *behind(struct reported *t, bool keep_going)
{
	const struct cts_behind_conf conf = { .keep_going = keep_going, .ctx = t,
					      .done = reported_done };
	struct cts_behind *b = cts_behind_open(&conf);

	memset(t, 0, sizeof(*t));
	assert_non_null(b);
	return b;
}

static void create(struct cts_behind *b, unsigned int from, unsigned int to)
{
	for (unsigned int i = from; i < to; i++) {
		struct cts_flow f;

		kernel_flow(&f, i);
		assert_int_equal(cts_behind_add(b, CTS_OP_CREATE, &f, i), 0);
	}
}

static void all_is_written_in_order_and_reported(void **state)
{
	struct reported t;
	struct cts_behind *b = behind(&t, false);

	create(b, 0, 10);
	assert_int_equal(t.n, 0);
	assert_int_equal(cts_behind_flush(b), 0);
	assert_int_equal(t.n, 10);
	assert_int_equal(cts_table_count(), 10);
	create(b, 10, MANY);
	assert_int_equal(cts_behind_flush(b), 0);
	assert_int_equal(t.n, MANY);
	assert_int_equal(t.failed, 0);
	assert_int_equal(cts_table_count(), MANY);
	assert_int_equal(cts_behind_flush(b), 0);
	cts_behind_close(b);
}

static void operations_on_one_key_keep_their_order(void **state)
{
	struct reported t;
	struct cts_behind *b = behind(&t, false);
	uint64_t cookie = 0;
	struct cts_flow f;

	kernel_flow(&f, 1);
	for (unsigned int i = 0; i < 500; i++) {
		assert_int_equal(cts_behind_add(b, CTS_OP_CREATE, &f, cookie++), 0);
		assert_int_equal(cts_behind_add(b, CTS_OP_DELETE, &f, cookie++), 0);
	}
	assert_int_equal(cts_behind_flush(b), 0);
	assert_int_equal(t.n, 1000);
	assert_int_equal(t.failed, 0);
	assert_int_equal(cts_table_count(), 0);
	cts_behind_close(b);
}

/* Whatever waits when one fails: of what comes after its batch, nothing is written. */
static void after_a_failure_no_other_batch_is_sent(void **state)
{
	static const unsigned int at[] = { 0, 63, 64, 1000, MANY / 2 };

	for (unsigned int i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		unsigned int last = at[i] | (CTS_BEHIND_BATCH - 1);
		struct cts_behind *b;
		struct reported t;

		kernel_raw_flush();
		kernel_raw_create(at[i], 1);
		b = behind(&t, false);
		create(b, 0, MANY);
		assert_int_equal(cts_behind_flush(b), 0);
		assert_int_equal(t.failed, 1);
		assert_int_equal(t.err, EEXIST);
		assert_int_equal(t.first_failed, at[i]);
		assert_int_equal(t.last, last);
		assert_int_equal(t.n, last + 1);
		assert_int_equal(cts_table_count(), last + 1);
		cts_behind_close(b);
	}
}

static void keep_going_leaves_out_only_what_failed(void **state)
{
	struct reported t;
	struct cts_behind *b;

	kernel_raw_create(100, 1);
	kernel_raw_create(5000, 1);
	b = behind(&t, true);
	create(b, 0, MANY);
	assert_int_equal(cts_behind_flush(b), 0);
	assert_int_equal(t.n, MANY);
	assert_int_equal(t.failed, 2);
	assert_int_equal(cts_table_count(), MANY);
	cts_behind_close(b);
}

static void a_writer_may_be_left_while_batches_wait(void **state)
{
	for (unsigned int i = 0; i < 30; i++) {
		struct reported t;
		struct cts_behind *b;

		kernel_raw_flush();
		b = behind(&t, false);
		create(b, 0, i * 50);
		cts_behind_close(b);
		assert_true(cts_table_count() <= i * 50);
		assert_true((uint64_t)cts_table_count() >= t.n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_table_that_is_read_ahead_is_whole, fresh),
		cmocka_unit_test_setup(a_dump_may_be_left_while_chunks_wait, fresh),
		cmocka_unit_test_setup(what_is_deleted_meanwhile_hides_nothing, fresh),
		cmocka_unit_test_setup(all_is_written_in_order_and_reported, fresh),
		cmocka_unit_test_setup(operations_on_one_key_keep_their_order, fresh),
		cmocka_unit_test_setup(after_a_failure_no_other_batch_is_sent, fresh),
		cmocka_unit_test_setup(keep_going_leaves_out_only_what_failed, fresh),
		cmocka_unit_test_setup(a_writer_may_be_left_while_batches_wait, fresh),
	};

	kernel_net_enter();
	return cmocka_run_group_tests_name("kernel threads", tests, NULL, fresh);
}
