/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The event loop: turns, descriptors, timers, signals; and where log lines go. */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/log/log.h"
#include "core/runtime/loop.h"

struct fixture {
	struct cts_loop *loop;
	struct cts_watch *watch;
	struct cts_timer *timer;
	unsigned int turns, calls, more;
	uint64_t now_ns;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->loop = cts_loop_create();
	*state = f;
	return f->loop ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	cts_watch_destroy(f->watch);
	cts_timer_destroy(f->timer);
	cts_loop_destroy(f->loop);
	free(f);
	return 0;
}

static void stop(void *ctx)
{
	struct fixture *f = ctx;

	f->calls++;
	f->now_ns = cts_loop_now_ns(f->loop);
	cts_loop_stop(f->loop);
}

static void nothing(void *ctx)
{
}

static bool count_turn(void *ctx)
{
	struct fixture *f = ctx;

	f->turns++;
	return f->more && --f->more;
}

static void timer_fires_once_and_never_early(void **state)
{
	static const uint64_t after_us[] = { 0, 200, 1000, 2500, 5000, 7001 };

	for (size_t i = 0; i < 5 * sizeof(after_us) / sizeof(after_us[0]); i++) {
		uint64_t after = after_us[i / 5];
		struct fixture f = { .loop = cts_loop_create() };
		struct timespec ts;
		uint64_t before;

		f.timer = cts_timer_create(f.loop, stop, &f);
		clock_gettime(CLOCK_MONOTONIC, &ts);
		before = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
		assert_int_equal(cts_timer_arm_us(f.timer, after), 0);
		assert_int_equal(cts_loop_run(f.loop), 0);
		assert_int_equal(f.calls, 1);
		assert_true(f.now_ns - before >= after * 1000);
		cts_timer_destroy(f.timer);
		cts_loop_destroy(f.loop);
	}
}

static void stopped_loop_runs_again(void **state)
{
	struct fixture *f = *state;

	f->timer = cts_timer_create(f->loop, stop, f);
	for (unsigned int i = 1; i <= 2; i++) {
		assert_int_equal(cts_timer_arm_us(f->timer, 100), 0);
		assert_int_equal(cts_loop_run(f->loop), 0);
		assert_int_equal(f->calls, i);
	}
}

static void disarmed_timer_does_not_fire(void **state)
{
	struct fixture *f = *state;
	struct cts_timer *other = cts_timer_create(f->loop, stop, f);

	f->timer = cts_timer_create(f->loop, stop, f);
	cts_timer_arm_us(f->timer, 100);
	cts_timer_disarm(f->timer);
	cts_timer_arm_us(other, 2000);
	cts_loop_run(f->loop);
	cts_timer_destroy(other);
	assert_int_equal(f->calls, 1);
}

static void turn_hook_runs_after_each_turn_and_asks_for_more(void **state)
{
	struct fixture *f = *state;
	struct cts_timer *first = cts_timer_create(f->loop, nothing, f);

	f->more = 5; /* five turns in a row without anything to wait for */
	cts_loop_on_turn(f->loop, count_turn, f);
	cts_timer_arm_us(first, 100);
	f->timer = cts_timer_create(f->loop, stop, f);
	cts_timer_arm_us(f->timer, 20000);
	cts_loop_run(f->loop);
	cts_timer_destroy(first);
	assert_true(f->turns >= 6); /* the first timer's, four more, the last timer's */
	assert_int_equal(f->more, 0);
}

static void readable(void *ctx, unsigned int flags)
{
	struct fixture *f = ctx;

	if (flags == CTS_WATCH_READ)
		stop(f);
}

static void watch_reports_readable_descriptors_and_rests_when_asked(void **state)
{
	struct fixture *f = *state;
	int fd[2];

	assert_int_equal(pipe(fd), 0);
	f->watch = cts_watch_create(f->loop, fd[0], 0, readable, f);
	assert_non_null(f->watch);
	assert_int_equal(write(fd[1], "x", 1), 1);
	f->timer = cts_timer_create(f->loop, stop, f);
	cts_timer_arm_us(f->timer, 1000);
	cts_loop_run(f->loop);
	assert_int_equal(f->calls, 1); /* the timer alone */
	assert_int_equal(cts_watch_set(f->watch, CTS_WATCH_READ), 0);
	close(fd[1]);
	close(fd[0]);
}

static void ignore_readable(void *ctx, unsigned int flags)
{
}

static bool three_turns(void *ctx)
{
	struct fixture *f = ctx;

	if (++f->turns == 3)
		cts_loop_stop(f->loop);
	return true;
}

static void a_descriptor_that_stays_ready_does_not_keep_the_hook_out(void **state)
{
	struct fixture *f = *state;
	int fd[2];

	assert_int_equal(pipe(fd), 0);
	assert_int_equal(write(fd[1], "x", 1), 1);
	f->watch = cts_watch_create(f->loop, fd[0], CTS_WATCH_READ, ignore_readable, f);
	cts_loop_on_turn(f->loop, three_turns, f);
	alarm(10);
	cts_loop_run(f->loop);
	alarm(0);
	assert_int_equal(f->turns, 3);
	close(fd[1]);
	close(fd[0]);
}

static void signalled(void *ctx, int signo)
{
	struct fixture *f = ctx;

	if (signo == SIGUSR1)
		stop(f);
}

/* The first pause, of an hour, does not count: there is more to do. The last is cut short
 * by what is due. */
static bool turn_pauses(void *ctx)
{
	struct fixture *f = ctx;
	bool more = ++f->turns == 1;

	f->now_ns = cts_loop_now_ns(f->loop);
	cts_loop_pause(f->loop, f->now_ns + (f->turns == 2 ? 20000000u : 3600000000000u));
	if (f->turns == 3)
		cts_loop_wake_by(f->loop, f->now_ns + 10000000u);
	return more;
}

static void stop_at_the_fourth_call(void *ctx, unsigned int flags)
{
	struct fixture *f = ctx;

	if (++f->calls < 3)
		return;
	assert_true(cts_loop_now_ns(f->loop) - f->now_ns >= (f->calls == 3 ? 20000000 : 10000000));
	if (f->calls == 4)
		cts_loop_stop(f->loop);
}

/* The descriptor is readable all the time: only the pause holds the second call back. */
static void a_pause_holds_events_back_unless_there_is_more_to_do(void **state)
{
	struct fixture *f = *state;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	f->watch = cts_watch_create(f->loop, fds[0], CTS_WATCH_READ, stop_at_the_fourth_call, f);
	assert_non_null(f->watch);
	cts_loop_on_turn(f->loop, turn_pauses, f);
	assert_int_equal(cts_loop_run(f->loop), 0);
	assert_int_equal(f->calls, 4);
	assert_int_equal(f->turns, 4);
	close(fds[0]);
	close(fds[1]);
}

static void signal_comes_as_a_call_from_the_loop(void **state)
{
	struct fixture *f = *state;
	struct cts_signal *s = cts_signal_create(f->loop, SIGUSR1, signalled, f);

	assert_non_null(s);
	raise(SIGUSR1);
	assert_int_equal(f->calls, 0);
	assert_int_equal(cts_loop_run(f->loop), 0);
	assert_int_equal(f->calls, 1);
	cts_signal_destroy(s);
}

/* -- log -- */

static size_t lines_of(const char *path, const char *needle)
{
	FILE *fp = fopen(path, "r");
	char line[2048];
	size_t n = 0;

	assert_non_null(fp);
	while (fgets(line, sizeof(line), fp))
		n += strstr(line, needle) != NULL;
	fclose(fp);
	return n;
}

static void log_file_takes_lines_by_level_and_limits_repeats(void **state)
{
	char path[] = "/tmp/cts_log_XXXXXX", moved[64];
	int fd = mkstemp(path);

	close(fd);
	assert_int_equal(cts_log_open(path, "test", CTS_LOG_WARN), 0);
	cts_info("hidden");
	errno = EBUSY;
	cts_err("shown %d\nforged", 1);
	assert_int_equal(errno, EBUSY);
	for (int i = 0; i < 100; i++)
		cts_warn("again %d", i);
	assert_int_equal(lines_of(path, "hidden"), 0);
	assert_int_equal(lines_of(path, "err: shown 1?forged"), 1);
	assert_int_equal(lines_of(path, "again"), CTS_LOG_BURST);

	snprintf(moved, sizeof(moved), "%s.1", path);
	assert_int_equal(rename(path, moved), 0);
	assert_int_equal(cts_log_reopen(), 0);
	cts_err("after the rotation");
	assert_int_equal(lines_of(path, "after"), 1);
	cts_log_close();
	unlink(path);
	unlink(moved);
}

static void log_keeps_its_target_when_the_new_one_fails(void **state)
{
	errno = 0;
	assert_int_equal(cts_log_open("/nonexistent/log", "test", CTS_LOG_INFO), -1);
	assert_int_equal(errno, ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(timer_fires_once_and_never_early,
						setup, teardown),
		cmocka_unit_test_setup_teardown(stopped_loop_runs_again, setup, teardown),
		cmocka_unit_test_setup_teardown(disarmed_timer_does_not_fire, setup, teardown),
		cmocka_unit_test_setup_teardown(turn_hook_runs_after_each_turn_and_asks_for_more,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			watch_reports_readable_descriptors_and_rests_when_asked, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_descriptor_that_stays_ready_does_not_keep_the_hook_out, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_pause_holds_events_back_unless_there_is_more_to_do, setup, teardown),
		cmocka_unit_test_setup_teardown(signal_comes_as_a_call_from_the_loop, setup,
						teardown),
		cmocka_unit_test(log_file_takes_lines_by_level_and_limits_repeats),
		cmocka_unit_test(log_keeps_its_target_when_the_new_one_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
