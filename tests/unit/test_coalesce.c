/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Event coalescing: time, CPU time and events in, a wait out. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/kernel/coalesce.h"

#define MS 1000000u

struct world {
	struct cts_coalesce c;
	uint64_t now_ns, cpu_ns;
	unsigned int measured;       /* times that the CPU's clock was wanted */
};

static void begin(struct world *w, enum cts_coalesce_mode mode)
{
	*w = (struct world){ .now_ns = 5000000 * (uint64_t)MS, .cpu_ns = 77 * MS };
	cts_coalesce_init(&w->c, mode, w->now_ns, w->cpu_ns);
}

/* So many events a second, that cost so much of a core, read each millisecond. */
static void load(struct world *w, unsigned int ms, unsigned int rate, unsigned int percent)
{
	for (unsigned int i = 0; i < ms; i++) {
		w->now_ns += MS;
		w->cpu_ns += MS / 100 * percent;
		if (!cts_coalesce_count(&w->c, rate / 1000, w->now_ns))
			continue;
		w->measured++;
		cts_coalesce_measure(&w->c, w->now_ns, w->cpu_ns);
	}
}

static void a_quiet_daemon_reads_each_event_as_it_comes(void **state)
{
	struct world w;

	begin(&w, CTS_COALESCE_ADAPTIVE);
	assert_int_equal(cts_coalesce_wait_ns(&w.c), 0);
	load(&w, 1000, 20000, CTS_COALESCE_SHARE - 1);
	assert_int_equal(cts_coalesce_wait_ns(&w.c), 0);
}

/* What gathers in a wait is too little to be worth it: something else needs the core. */
static void few_events_do_not_wait_however_busy_the_daemon_is(void **state)
{
	struct world w;

	begin(&w, CTS_COALESCE_ADAPTIVE);
	load(&w, 1000, 11000, 90);
	assert_int_equal(cts_coalesce_wait_ns(&w.c), 0);
}

static void load_makes_events_wait_within_two_windows(void **state)
{
	struct world w;

	begin(&w, CTS_COALESCE_ADAPTIVE);
	load(&w, 39, 20000, 20);
	assert_int_equal(cts_coalesce_wait_ns(&w.c), 0);
	load(&w, 1, 20000, 20);
	assert_int_equal(cts_coalesce_wait_ns(&w.c), CTS_COALESCE_WAIT_NS);
}

static void one_window_of_load_is_not_enough(void **state)
{
	struct world w;

	begin(&w, CTS_COALESCE_ADAPTIVE);
	for (unsigned int i = 0; i < 20; i++) {
		load(&w, 20, 20000, 20);
		load(&w, 20, 20000, 1);
		assert_int_equal(cts_coalesce_wait_ns(&w.c), 0);
	}
}

/* Waiting itself lowers the share: the same rate of events keeps it up. */
static void waiting_goes_on_while_the_rate_lasts(void **state)
{
	struct world w;

	begin(&w, CTS_COALESCE_ADAPTIVE);
	load(&w, 100, 20000, 20);
	load(&w, 10000, 15000, CTS_COALESCE_SHARE / 2);
	assert_int_equal(cts_coalesce_wait_ns(&w.c), CTS_COALESCE_WAIT_NS);
}

static void waiting_ends_when_the_rate_falls(void **state)
{
	struct world w;

	begin(&w, CTS_COALESCE_ADAPTIVE);
	load(&w, 100, 20000, 20);
	load(&w, 60, 13000, 20);
	assert_int_equal(cts_coalesce_wait_ns(&w.c), 0);
}

/* The rate may be as it was: the daemon has next to nothing to do. */
static void waiting_ends_when_the_share_falls(void **state)
{
	struct world w;

	begin(&w, CTS_COALESCE_ADAPTIVE);
	load(&w, 100, 20000, 20);
	load(&w, 60, 20000, 0);
	assert_int_equal(cts_coalesce_wait_ns(&w.c), 0);
}

static void silence_ends_waiting(void **state)
{
	struct world w;

	begin(&w, CTS_COALESCE_ADAPTIVE);
	load(&w, 100, 20000, 20);
	w.now_ns += 3600000 * (uint64_t)MS;
	load(&w, 60, 1000, 1);
	assert_int_equal(cts_coalesce_wait_ns(&w.c), 0);
}

static void the_cpu_clock_is_read_once_in_a_window(void **state)
{
	struct world w;

	begin(&w, CTS_COALESCE_ADAPTIVE);
	load(&w, 1000, 20000, 20);
	assert_int_equal(w.measured, 1000 * (uint64_t)MS / CTS_COALESCE_WINDOW_NS);
}

static void never_and_always_look_at_no_load(void **state)
{
	struct world w;

	begin(&w, CTS_COALESCE_NEVER);
	load(&w, 1000, 100000, 90);
	assert_int_equal(cts_coalesce_wait_ns(&w.c), 0);
	assert_int_equal(w.measured, 0);
	begin(&w, CTS_COALESCE_ALWAYS);
	assert_int_equal(cts_coalesce_wait_ns(&w.c), CTS_COALESCE_WAIT_NS);
	load(&w, 1000, 1000, 0);
	assert_int_equal(cts_coalesce_wait_ns(&w.c), CTS_COALESCE_WAIT_NS);
	assert_int_equal(w.measured, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_quiet_daemon_reads_each_event_as_it_comes),
		cmocka_unit_test(few_events_do_not_wait_however_busy_the_daemon_is),
		cmocka_unit_test(load_makes_events_wait_within_two_windows),
		cmocka_unit_test(one_window_of_load_is_not_enough),
		cmocka_unit_test(waiting_goes_on_while_the_rate_lasts),
		cmocka_unit_test(waiting_ends_when_the_rate_falls),
		cmocka_unit_test(waiting_ends_when_the_share_falls),
		cmocka_unit_test(silence_ends_waiting),
		cmocka_unit_test(the_cpu_clock_is_read_once_in_a_window),
		cmocka_unit_test(never_and_always_look_at_no_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
