/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "core/pipeline/pipeline.h"

#define EVENTS 2500u /* more than two batches, and no multiple of 64 */

struct sink {
	size_t calls, seen, largest, flushed;
	uint64_t marks;
	int result;
};

static int sink_consume(void *ctx, const struct cts_batch *batch)
{
	struct sink *s = ctx;
	const struct cts_event *ev;
	size_t i;

	s->calls++;
	if (batch->n > s->largest)
		s->largest = batch->n;
	cts_batch_for_each(i, ev, batch) {
		s->seen++;
		s->marks += ev->flow->mark;
	}
	return s->result;
}

static int sink_flush(void *ctx)
{
	((struct sink *)ctx)->flushed++;
	return 0;
}

struct odd {
	size_t calls, looked_at;
	uint32_t modulus;
};

/* Refuses marks that its number divides. */
static void odd_apply(void *priv, const struct cts_batch *batch)
{
	struct odd *o = priv;
	const struct cts_event *ev;
	size_t i;

	o->calls++;
	cts_batch_for_each(i, ev, batch) {
		o->looked_at++;
		if (ev->flow->mark % o->modulus == 0)
			cts_batch_drop(batch, i);
	}
}

static const struct cts_filter_ops odd_ops = { .apply = odd_apply };

static struct cts_flow flows[EVENTS];
static struct cts_event events[EVENTS];
static const struct cts_event *list[EVENTS];

static void make_events(uint8_t origin)
{
	for (size_t i = 0; i < EVENTS; i++) {
		flows[i].mark = (uint32_t)i;
		events[i] = (struct cts_event){ .origin = origin, .flow = &flows[i] };
		list[i] = &events[i];
	}
}

static void consumers_get_what_every_filter_let_pass(void **state)
{
	struct cts_pipeline *p = cts_pipeline_create();
	struct odd two = { .modulus = 2 }, three = { .modulus = 3 };
	struct sink a = { 0 }, b = { .result = -1 };
	struct cts_consumer ca = { .name = "a", .ctx = &a, .consume = sink_consume,
				   .flush = sink_flush };
	struct cts_consumer cb = { .name = "b", .ctx = &b, .consume = sink_consume };
	size_t want = 0;
	uint64_t marks = 0;

	make_events(CTS_ORIGIN_KERNEL);
	for (uint32_t i = 0; i < EVENTS; i++)
		if (i % 2 && i % 3) {
			want++;
			marks += i;
		}
	assert_int_equal(cts_pipeline_add_filter(p, &odd_ops, &two), 0);
	assert_int_equal(cts_pipeline_add_filter(p, &odd_ops, &three), 0);
	assert_int_equal(cts_pipeline_add_consumer(p, &ca), 0);
	assert_int_equal(cts_pipeline_add_consumer(p, &cb), 0);

	cts_pipeline_push(p, list, EVENTS);
	cts_pipeline_flush(p);

	/* one call for each batch, not for each event */
	assert_int_equal(two.calls, 3);
	assert_int_equal(a.calls, 3);
	assert_int_equal(a.largest, CTS_BATCH_MAX);
	assert_int_equal(two.looked_at, EVENTS);
	assert_int_equal(three.looked_at, EVENTS / 2);
	assert_int_equal(a.seen, want);
	assert_int_equal(a.marks, marks);
	assert_int_equal(b.seen, want);
	assert_int_equal(a.flushed, 1);
	/* one failing consumer neither stops the other nor goes unnoticed */
	assert_int_equal(ca.failures, 0);
	assert_int_equal(cb.failures, 3);
	cts_pipeline_destroy(p);
}

static void a_consumer_gets_only_the_origins_it_wants(void **state)
{
	struct cts_pipeline *p = cts_pipeline_create();
	struct sink a = { 0 };
	struct cts_consumer ca = { .name = "a", .origins = 1u << CTS_ORIGIN_PEER, .ctx = &a,
				   .consume = sink_consume };

	assert_int_equal(cts_pipeline_add_consumer(p, &ca), 0);
	make_events(CTS_ORIGIN_KERNEL);
	cts_pipeline_push(p, list, 10);
	assert_int_equal(a.calls, 0);
	make_events(CTS_ORIGIN_PEER);
	cts_pipeline_push(p, list, 10);
	assert_int_equal(a.seen, 10);
	cts_pipeline_destroy(p);
}

static void an_empty_push_calls_nobody(void **state)
{
	struct cts_pipeline *p = cts_pipeline_create();
	struct sink a = { 0 };
	struct cts_consumer ca = { .name = "a", .ctx = &a, .consume = sink_consume };

	assert_int_equal(cts_pipeline_add_consumer(p, &ca), 0);
	cts_pipeline_push(p, list, 0);
	assert_int_equal(a.calls, 0);
	cts_pipeline_destroy(p);
	cts_pipeline_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(consumers_get_what_every_filter_let_pass),
		cmocka_unit_test(a_consumer_gets_only_the_origins_it_wants),
		cmocka_unit_test(an_empty_push_calls_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
