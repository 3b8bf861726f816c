/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Exact questions about single entries, on the real kernel. */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/kernel/lookup.h"
#include "tests/unit/kernel_net.h"

struct answers {
	struct cts_lookup *lookup;
	unsigned int found, absent, failed;
	uint8_t type, origin;
	uint32_t saddr;
	bool again;                  /* ask once more from within the answer */
};

static void note_found(void *ctx, const struct cts_event *const *ev, size_t n)
{
	struct answers *a = ctx;

	assert_int_equal(n, 1);
	assert_true(ev[0]->time_ns > 0);
	a->found++;
	a->type = ev[0]->type;
	a->origin = ev[0]->origin;
	a->saddr = ev[0]->flow->orig.src.v4;
	if (!a->again)
		return;
	a->again = false;
	assert_int_equal(cts_lookup_add(a->lookup, ev[0]->flow), 0);
}

static void note_absent(void *ctx, const struct cts_flow *key)
{
	struct answers *a = ctx;

	a->absent++;
	a->saddr = key->orig.src.v4;
}

static void note_failed(void *ctx, int err)
{
	struct answers *a = ctx;

	a->failed++;
}

static int set_up(void **state)
{
	static struct answers a;

	kernel_raw_flush();
	a = (struct answers){ .found = 0 };
	a.lookup = cts_lookup_open(&(struct cts_lookup_conf){
		.max = 100, .ctx = &a, .found = note_found, .absent = note_absent,
		.failed = note_failed });
	*state = &a;
	return a.lookup ? 0 : -1;
}

static int tear_down(void **state)
{
	struct answers *a = *state;

	cts_lookup_close(a->lookup);
	return 0;
}

/* A dump's entry (NEW) may be older than events that were read, an answer is not: who
 * cannot distinguish them throws it away for an entry that an event gave in part. */
static void an_answer_is_an_update_from_a_dump(void **state)
{
	struct answers *a = *state;
	struct cts_flow f;

	kernel_raw_create(0, 2);
	kernel_flow(&f, 1);
	assert_int_equal(cts_lookup_add(a->lookup, &f), 0);
	assert_int_equal(cts_lookup_run(a->lookup, 64), 0);
	assert_int_equal(a->found, 1);
	assert_int_equal(a->type, CTS_EVENT_UPDATE);
	assert_int_equal(a->origin, CTS_ORIGIN_DUMP);
	assert_int_equal(a->saddr, f.orig.src.v4);
	assert_int_equal(a->absent + a->failed, 0);
	assert_int_equal(cts_lookup_answers(a->lookup), 1);
}

static void what_the_kernel_does_not_have_is_absent(void **state)
{
	struct answers *a = *state;
	struct cts_flow f;

	kernel_flow(&f, 7);
	assert_int_equal(cts_lookup_add(a->lookup, &f), 0);
	assert_int_equal(cts_lookup_run(a->lookup, 64), 0);
	assert_int_equal(a->absent, 1);
	assert_int_equal(a->saddr, f.orig.src.v4);
	assert_int_equal(a->found + a->failed, 0);
}

/* The kernel finds an entry by its reply tuple, too. */
static void the_entry_of_the_other_direction_is_another_one(void **state)
{
	struct answers *a = *state;
	struct cts_flow f, reversed;

	kernel_raw_create(0, 1);
	kernel_flow(&f, 0);
	reversed = f;
	reversed.orig = f.reply;
	reversed.reply = f.orig;
	assert_int_equal(cts_lookup_add(a->lookup, &reversed), 0);
	assert_int_equal(cts_lookup_run(a->lookup, 64), 0);
	assert_int_equal(a->found, 0);
	assert_int_equal(a->absent, 1);
	assert_int_equal(a->saddr, reversed.orig.src.v4);
}

static void questions_go_in_portions_and_have_a_limit(void **state)
{
	struct answers *a = *state;
	struct cts_flow f;

	kernel_raw_create(0, 100);
	for (uint32_t i = 0; i < 100; i++) {
		kernel_flow(&f, i);
		assert_int_equal(cts_lookup_add(a->lookup, &f), 0);
	}
	assert_int_equal(cts_lookup_add(a->lookup, &f), -1);
	assert_int_equal(errno, ENOBUFS);
	assert_int_equal(cts_lookup_run(a->lookup, 30), 1);
	assert_int_equal(a->found, 30);
	assert_int_equal(cts_lookup_run(a->lookup, 30), 1);
	assert_int_equal(cts_lookup_add(a->lookup, &f), 0);
	assert_int_equal(cts_lookup_run(a->lookup, 41), 0);
	assert_int_equal(a->found, 101);
	assert_int_equal(cts_lookup_run(a->lookup, 41), 0);
	memset(&f, 0, sizeof(f));
	assert_int_equal(cts_lookup_add(a->lookup, &f), -1);
	assert_int_equal(errno, EINVAL);
}

/* The same key twice makes the writer answer the first while the second is added: an
 * absent answer must not touch the key that is on its way. */
static void an_answer_may_ask_and_keys_may_repeat(void **state)
{
	struct answers *a = *state;
	struct cts_flow gone, there;

	kernel_raw_create(0, 1);
	kernel_flow(&there, 0);
	kernel_flow(&gone, 9);
	a->again = true;
	assert_int_equal(cts_lookup_add(a->lookup, &gone), 0);
	assert_int_equal(cts_lookup_add(a->lookup, &there), 0);
	assert_int_equal(cts_lookup_add(a->lookup, &there), 0);
	assert_int_equal(cts_lookup_run(a->lookup, 64), 1);
	assert_int_equal(cts_lookup_run(a->lookup, 64), 0);
	assert_int_equal(a->found, 3);
	assert_int_equal(a->absent, 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(an_answer_is_an_update_from_a_dump),
		CASE(what_the_kernel_does_not_have_is_absent),
		CASE(the_entry_of_the_other_direction_is_another_one),
		CASE(questions_go_in_portions_and_have_a_limit),
		CASE(an_answer_may_ask_and_keys_may_repeat),
	};

	kernel_net_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
