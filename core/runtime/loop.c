/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The event loop: libevent's base, with our own idea of a turn around it. */
#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <time.h>

#include "core/runtime/loop.h"

struct cts_loop {
	struct event_base *base; /* owned */
	bool (*turn)(void *ctx);
	void *turn_ctx;
	uint64_t now_ns;     /* 0: not read yet in this turn */
	uint64_t longest_ns; /* a turn took */
	uint64_t pause_ns;   /* until when the next turn waits; 0: for events */
	bool stop;
};

struct cts_watch {
	struct event *read, *write; /* owned */
	void (*ready)(void *ctx, unsigned int flags);
	void *ctx;
	unsigned int flags; /* what is waited for */
};

struct cts_timer {
	struct event *ev; /* owned */
	uint64_t due_ns;  /* CLOCK_MONOTONIC */
	void (*fire)(void *ctx);
	void *ctx;
};

struct cts_signal {
	struct event *ev; /* owned */
	void (*fn)(void *ctx, int signo);
	void *ctx;
};

/* -- the loop -- */

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

struct cts_loop *cts_loop_create(void)
{
	struct cts_loop *loop = calloc(1, sizeof(*loop));
	struct event_config *conf = event_config_new();

	if (!loop || !conf)
		goto err;
	/* No precise timers: they cost a system call or two in each turn, and nothing
	 * here waits for less than milliseconds. */
	event_config_set_flag(conf, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV);
	loop->base = event_base_new_with_config(conf);
	if (!loop->base)
		goto err;
	event_config_free(conf);
	return loop;
err:
	if (conf)
		event_config_free(conf);
	free(loop);
	errno = ENOMEM;
	return NULL;
}

void cts_loop_destroy(struct cts_loop *loop)
{
	if (!loop)
		return;
	event_base_free(loop->base);
	free(loop);
}

/* From the first look at the clock: who did not look at it did little. */
static void note_turn(struct cts_loop *loop)
{
	uint64_t took = loop->now_ns ? clock_ns() - loop->now_ns : 0;

	if (took > loop->longest_ns)
		loop->longest_ns = took;
}

/* A signal ends it early. */
static void loop_sleep(uint64_t until_ns)
{
	struct timespec ts = { .tv_sec = (time_t)(until_ns / 1000000000u),
			       .tv_nsec = (long)(until_ns % 1000000000u) };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

int cts_loop_run(struct cts_loop *loop)
{
	bool more = false;

	/* A stop that was asked for before the first turn counts too. */
	while (!loop->stop) {
		/* ONCE with NONBLOCK too: a descriptor that is read at the end of the
		 * turn stays readable, and without ONCE the turn would not end. */
		int flags = EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY;

		if (loop->pause_ns && !more) {
			loop_sleep(loop->pause_ns);
			more = true;
		}
		loop->pause_ns = 0;
		loop->now_ns = 0;
		if (event_base_loop(loop->base, more ? flags | EVLOOP_NONBLOCK : flags) < 0)
			return -1;
		more = loop->turn && loop->turn(loop->turn_ctx);
		note_turn(loop);
	}
	loop->stop = false; /* it may run again */
	loop->pause_ns = 0;
	return 0;
}

void cts_loop_stop(struct cts_loop *loop)
{
	loop->stop = true;
}

void cts_loop_on_turn(struct cts_loop *loop, bool (*turn)(void *ctx), void *ctx)
{
	loop->turn = turn;
	loop->turn_ctx = ctx;
}

void cts_loop_pause(struct cts_loop *loop, uint64_t until_ns)
{
	loop->pause_ns = until_ns;
}

void cts_loop_wake_by(struct cts_loop *loop, uint64_t when_ns)
{
	if (loop->pause_ns > when_ns)
		loop->pause_ns = when_ns;
}

struct event_base *cts_loop_base(struct cts_loop *loop)
{
	return loop->base;
}

uint64_t cts_loop_now_ns(const struct cts_loop *loop)
{
	/* The first who asks in a turn reads the clock for all: not before the
	 * wait, when the time would be old, and not for nobody. */
	if (!loop->now_ns)
		((struct cts_loop *)loop)->now_ns = clock_ns();
	return loop->now_ns;
}

uint64_t cts_loop_longest_ns(const struct cts_loop *loop)
{
	return loop->longest_ns;
}

/* -- descriptors -- */

static void watch_event(evutil_socket_t fd, short what, void *ctx)
{
	struct cts_watch *w = ctx;

	w->ready(w->ctx, what & EV_WRITE ? CTS_WATCH_WRITE : CTS_WATCH_READ);
}

struct cts_watch *cts_watch_create(struct cts_loop *loop, int fd, unsigned int flags,
				   void (*ready)(void *ctx, unsigned int flags), void *ctx)
{
	struct cts_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->ready = ready;
	w->ctx = ctx;
	w->read = event_new(loop->base, fd, EV_READ | EV_PERSIST, watch_event, w);
	w->write = event_new(loop->base, fd, EV_WRITE | EV_PERSIST, watch_event, w);
	if (!w->read || !w->write || cts_watch_set(w, flags) < 0) {
		cts_watch_destroy(w);
		errno = ENOMEM;
		return NULL;
	}
	return w;
}

static int watch_switch(struct event *ev, bool was, bool wanted)
{
	if (was == wanted)
		return 0;
	return wanted ? event_add(ev, NULL) : event_del(ev);
}

int cts_watch_set(struct cts_watch *w, unsigned int flags)
{
	if (watch_switch(w->read, w->flags & CTS_WATCH_READ, flags & CTS_WATCH_READ) < 0 ||
	    watch_switch(w->write, w->flags & CTS_WATCH_WRITE, flags & CTS_WATCH_WRITE) < 0)
		return -1;
	w->flags = flags;
	return 0;
}

void cts_watch_destroy(struct cts_watch *w)
{
	if (!w)
		return;
	if (w->read)
		event_free(w->read);
	if (w->write)
		event_free(w->write);
	free(w);
}

/* -- timers -- */

static int timer_add(struct cts_timer *t, uint64_t after_us)
{
	struct timeval tv = {
		.tv_sec = (time_t)(after_us / 1000000),
		.tv_usec = (suseconds_t)(after_us % 1000000),
	};

	return event_add(t->ev, &tv);
}

/* libevent counts from its last look at a clock of the kernel's ticks, which may be
 * some milliseconds ago: what comes early waits for the rest. */
static void timer_event(evutil_socket_t fd, short what, void *ctx)
{
	struct cts_timer *t = ctx;
	uint64_t now = clock_ns();

	if (now >= t->due_ns || timer_add(t, (t->due_ns - now + 999) / 1000) < 0)
		t->fire(t->ctx);
}

struct cts_timer *cts_timer_create(struct cts_loop *loop, void (*fire)(void *ctx), void *ctx)
{
	struct cts_timer *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->fire = fire;
	t->ctx = ctx;
	t->ev = event_new(loop->base, -1, 0, timer_event, t);
	if (!t->ev) {
		free(t);
		errno = ENOMEM;
		return NULL;
	}
	return t;
}

int cts_timer_arm_us(struct cts_timer *t, uint64_t after_us)
{
	t->due_ns = clock_ns() + after_us * 1000;
	return timer_add(t, after_us);
}

void cts_timer_disarm(struct cts_timer *t)
{
	event_del(t->ev);
}

void cts_timer_destroy(struct cts_timer *t)
{
	if (!t)
		return;
	event_free(t->ev);
	free(t);
}

/* -- signals -- */

static void signal_event(evutil_socket_t signo, short what, void *ctx)
{
	struct cts_signal *s = ctx;

	s->fn(s->ctx, (int)signo);
}

struct cts_signal *cts_signal_create(struct cts_loop *loop, int signo,
				     void (*fn)(void *ctx, int signo), void *ctx)
{
	struct cts_signal *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->fn = fn;
	s->ctx = ctx;
	s->ev = evsignal_new(loop->base, signo, signal_event, s);
	if (!s->ev || event_add(s->ev, NULL) < 0) {
		cts_signal_destroy(s);
		errno = ENOMEM;
		return NULL;
	}
	return s;
}

void cts_signal_destroy(struct cts_signal *s)
{
	if (!s)
		return;
	if (s->ev)
		event_free(s->ev);
	free(s);
}
