/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's reader on the real kernel: when events are read, and that none is left. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/node/reader.h"
#include "tests/unit/kernel_net.h"

#define BATCHES 8u

/* Each batch of events makes another flow, so that there is always one more to read. */
struct world {
	struct cts_loop *loop;
	struct cts_pipeline *pipeline;
	struct cts_consumer consumer;
	struct cts_node_reader *reader;
	uint32_t made, seen, wanted;
	unsigned int batches;
	uint64_t at_ns[BATCHES];     /* of the turn of each */
};

static int consume(void *ctx, const struct cts_batch *batch)
{
	struct world *w = ctx;

	w->seen += (uint32_t)batch->n;
	if (w->batches < BATCHES) {
		w->at_ns[w->batches++] = cts_loop_now_ns(w->loop);
		if (w->made < w->wanted)
			kernel_raw_create(w->made++, 1);
	}
	if (w->seen == w->wanted)
		cts_loop_stop(w->loop);
	return 0;
}

static bool turn(void *ctx)
{
	struct world *w = ctx;

	return cts_node_reader_turn(w->reader);
}

static void run(struct world *w, enum cts_coalesce_mode mode, uint32_t first, uint32_t wanted)
{
	struct cts_node_reader_conf conf = { .event_buffer = 32 << 20, .coalesce = mode };

	*w = (struct world){ .wanted = wanted };
	w->loop = cts_loop_create();
	w->pipeline = cts_pipeline_create();
	assert_non_null(w->loop);
	assert_non_null(w->pipeline);
	w->consumer = (struct cts_consumer){ .name = "test", .ctx = w, .consume = consume };
	assert_int_equal(cts_pipeline_add_consumer(w->pipeline, &w->consumer), 0);
	conf.loop = w->loop;
	conf.pipeline = w->pipeline;
	w->reader = cts_node_reader_create(&conf);
	assert_non_null(w->reader);
	cts_loop_on_turn(w->loop, turn, w);
	w->made = first;
	kernel_raw_create(0, first);
	assert_int_equal(cts_loop_run(w->loop), 0);
	cts_node_reader_destroy(w->reader);
	cts_pipeline_destroy(w->pipeline);
	cts_loop_destroy(w->loop);
	kernel_raw_flush();
}

static void events_gather_for_a_millisecond_when_they_always_shall(void **state)
{
	struct world w;

	run(&w, CTS_COALESCE_ALWAYS, 1, BATCHES);
	assert_int_equal(w.batches, BATCHES);
	for (unsigned int i = 1; i < BATCHES; i++)
		assert_true(w.at_ns[i] - w.at_ns[i - 1] >= CTS_COALESCE_WAIT_NS);
}

/* A read that brought several is followed by another in the same turn: what came while
 * the first was looked at goes out with it. */
static void what_comes_meanwhile_is_read_in_the_same_turn(void **state)
{
	struct world w;

	run(&w, CTS_COALESCE_NEVER, 2, 3);
	assert_int_equal(w.batches, 2);
	assert_true(w.at_ns[0] == w.at_ns[1]);
}

static void one_event_is_handed_on_before_the_next_is_looked_for(void **state)
{
	struct world w;

	run(&w, CTS_COALESCE_NEVER, 1, 2);
	assert_int_equal(w.batches, 2);
	assert_true(w.at_ns[0] < w.at_ns[1]);
}

/* More than one read takes, and more than one turn takes. */
static void a_burst_is_read_to_its_end(void **state)
{
	static const enum cts_coalesce_mode modes[] = {
		CTS_COALESCE_ADAPTIVE, CTS_COALESCE_NEVER, CTS_COALESCE_ALWAYS,
	};
	struct world w;

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		run(&w, modes[i], 5000, 5000);
		assert_int_equal(w.seen, 5000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_gather_for_a_millisecond_when_they_always_shall),
		cmocka_unit_test(what_comes_meanwhile_is_read_in_the_same_turn),
		cmocka_unit_test(one_event_is_handed_on_before_the_next_is_looked_for),
		cmocka_unit_test(a_burst_is_read_to_its_end),
	};

	kernel_net_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
