/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <ctsync/log.h>

#include "core/follow/resync.h"
#include "core/kernel/coalesce.h"

#include "core/node/reader.h"

#define READ_ROUNDS 8u          /* recvmmsg a turn: others want their turn */
#define LOSS_CHECK_NS 10000000u /* how often at least it is asked for while events come */
#define READ_FULL 64            /* so many came at once: more may have come meanwhile */
#define READ_SOME 2             /* the same, where events do not wait for each other */
#define RECONCILE_SHARE 100u    /* a dump's CPU time is at most 1/100 of what follows */
#define LOSS_DELAY_MS 100u      /* after a loss: first read what is left */
#define START_DELAY_MS 5u       /* peers first: they send while the table is read */

struct cts_node_reader {
	struct cts_node_reader_conf conf;
	struct cts_events *events; /* owned */
	struct cts_watch *watch;   /* owned; on events */
	struct cts_timer *timer;   /* owned; the next reconciliation */
	struct cts_resync *resync; /* owned */
	struct cts_mirror *mirror; /* lent */
	void (*ready)(void *ctx);
	void *ready_ctx;
	struct cts_coalesce coalesce;
	uint64_t loss_check_ns; /* of the last one */
	bool loss_unchecked;    /* events were read since */
	unsigned int last_read; /* events of the last turn that read some */
	uint64_t lost, losses;
	uint64_t dump_cpu_ns; /* of the one in progress */
	uint64_t due_ns;      /* of the next one; 0: not planned */
	bool wanted;          /* a dump as soon as possible */
	bool is_ready, readable;
	bool stale;      /* the running dump began before a restart */
	bool unanswered; /* a question, since the last dump */
	bool undrained;  /* what was sent before a loss may still be unread */
	bool suppressed; /* no NEW events are sent; a dump follows */
};

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t reader_now(void *ctx)
{
	const struct cts_node_reader *r = ctx;

	return cts_loop_now_ns(r->conf.loop);
}

static void push_batch(void *ctx, const struct cts_event *const *ev, size_t n)
{
	struct cts_node_reader *r = ctx;

	cts_pipeline_push(r->conf.pipeline, ev, n);
}

/* -- events -- */

static void events_readable(void *ctx, unsigned int flags)
{
	struct cts_node_reader *r = ctx;

	r->readable = true;
}

/*
 * After events that came in a load, the next are left to gather for a moment; the first
 * after a pause is read at once. The loop sleeps, not a timer, which would cost more calls
 * than it saves.
 */
static void coalesce(struct cts_node_reader *r)
{
	uint64_t now = cts_loop_now_ns(r->conf.loop), wait;

	if (cts_coalesce_count(&r->coalesce, r->last_read, now))
		cts_coalesce_measure(&r->coalesce, now, cpu_ns());
	wait = cts_coalesce_wait_ns(&r->coalesce);
	if (wait)
		cts_loop_pause(r->conf.loop, now + wait);
}

static bool read_events(struct cts_node_reader *r)
{
	const int again = cts_coalesce_wait_ns(&r->coalesce) ? READ_FULL : READ_SOME;
	bool more = true;

	r->readable = false;
	r->last_read = 0;
	for (unsigned int i = 0; i < READ_ROUNDS && more; i++) {
		int n = cts_events_read(r->events, push_batch, r);

		if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
			cts_err("events: cannot read: %s", strerror(errno));
		if (n > 0)
			r->last_read += (unsigned int)n;
		more = n >= again;
	}
	r->loss_unchecked = true;
	r->readable = more;
	r->undrained &= more;
	if (r->last_read)
		coalesce(r);
	return more;
}

static void plan(struct cts_node_reader *r, uint64_t after_ms)
{
	r->due_ns = cts_loop_now_ns(r->conf.loop) + after_ms * 1000000u;
	cts_timer_arm_us(r->timer, after_ms * 1000u);
}

/* What was lost was lost before something could be read. To ask is a system call:
 * not after every few events, but always within a moment. */
static void check_loss(struct cts_node_reader *r)
{
	uint64_t now = cts_loop_now_ns(r->conf.loop), lost;

	if (!r->loss_unchecked ||
	    (r->last_read < READ_FULL && now - r->loss_check_ns < LOSS_CHECK_NS))
		return;
	r->loss_unchecked = false;
	r->loss_check_ns = now;
	lost = cts_events_lost(r->events);
	if (lost == r->lost)
		return;
	cts_warn("events: %llu lost, %llu in all; the kernel's table is read again",
		 (unsigned long long)(lost - r->lost), (unsigned long long)lost);
	r->lost = lost;
	r->losses++;
	r->undrained = true;
	plan(r, LOSS_DELAY_MS);
}

/* -- dumps -- */

static void dump_begin(struct cts_node_reader *r)
{
	r->wanted = r->unanswered = r->stale = false;
	r->due_ns = 0;
	r->dump_cpu_ns = 0;
	if (cts_resync_begin(r->resync) == 0)
		return;
	cts_err("dump: cannot begin: %s", strerror(errno));
	plan(r, 1000);
}

/* The dump and all it asked for are through. */
static void dump_done(struct cts_node_reader *r)
{
	unsigned int interval = r->conf.poll_s ? r->conf.poll_s : r->conf.reconcile_s;
	uint64_t ms = (uint64_t)interval * 1000u;
	uint64_t stretched = r->dump_cpu_ns * RECONCILE_SHARE / 1000000u;

	if (!r->stale) {
		r->is_ready = true;
		r->ready(r->ready_ctx);
	}
	if (interval && !r->due_ns)
		plan(r, ms > stretched || r->conf.poll_s ? ms : stretched);
}

static void timer_fired(void *ctx)
{
	struct cts_node_reader *r = ctx;

	r->wanted = true;
}

/* A chunk of the dump, or single entries. true: more to do at once. */
static bool resync_step(struct cts_node_reader *r)
{
	bool running = cts_resync_running(r->resync);
	uint64_t before = running ? cpu_ns() : 0;
	enum cts_resync_state state = cts_resync_step(r->resync);
	int err = errno;

	if (running)
		r->dump_cpu_ns += cpu_ns() - before;
	if (state == CTS_RESYNC_BROKEN) {
		cts_warn("dump: broke off: %s", strerror(err));
		plan(r, 1000);
	} else if (state == CTS_RESYNC_DONE) {
		dump_done(r);
	}
	return state == CTS_RESYNC_BUSY || state == CTS_RESYNC_BROKEN;
}

static void question_failed(void *ctx, int err)
{
	struct cts_node_reader *r = ctx;

	if (r->unanswered)
		return;
	r->unanswered = true;
	cts_warn("kernel: a question for an entry got no answer: %s; the table is read again",
		 strerror(err));
	plan(r, 1000);
}

void cts_node_reader_get(void *ctx, const struct cts_flow *key)
{
	struct cts_node_reader *r = ctx;

	if (!r->suppressed && cts_resync_get(r->resync, key) < 0)
		cts_node_reader_reconcile(r);
}

/* -- the turn -- */

bool cts_node_reader_turn(struct cts_node_reader *r)
{
	bool more = false;

	if (r->events) {
		if (r->readable)
			more |= read_events(r);
		check_loss(r);
	}
	if (!r->mirror)
		return more;
	more |= resync_step(r);
	if (r->wanted && !cts_resync_running(r->resync) && !r->suppressed) {
		if (r->undrained)
			read_events(r);
		if (!r->undrained)
			dump_begin(r);
		more = true;
	}
	return more;
}

void cts_node_reader_reconcile(struct cts_node_reader *r)
{
	r->wanted = true;
	cts_timer_arm_us(r->timer, 0); /* wakes the loop */
}

void cts_node_reader_restart(struct cts_node_reader *r)
{
	r->is_ready = false;
	r->stale = cts_resync_running(r->resync);
	cts_node_reader_reconcile(r);
}

void cts_node_reader_suppress_new(struct cts_node_reader *r, bool on)
{
	if (!r->events || !r->mirror || on == r->suppressed)
		return;
	if (cts_events_subscribe_new(r->events, !on) < 0) {
		cts_warn("events: cannot %s new flows: %s", on ? "suppress" : "listen to",
			 strerror(errno));
		return;
	}
	r->suppressed = on;
	r->undrained = true;
	if (!on)
		cts_node_reader_reconcile(r);
}

/* -- making -- */

static int open_events(struct cts_node_reader *r)
{
	const struct cts_node_reader_conf *c = &r->conf;
	struct cts_events_conf conf;
	uint32_t own[8];
	unsigned int n = c->n_own_portids < 7 ? c->n_own_portids : 7;

	if (n)
		memcpy(own, c->own_portids, n * sizeof(own[0]));
	own[n++] = cts_resync_portid(r->resync);
	conf = (struct cts_events_conf){
		.receive_buffer = c->event_buffer,
		.reliable = c->reliable,
		.own_portids = own,
		.n_own_portids = n,
		.push = c->push,
	};
	r->events = cts_events_open(&conf);
	if (!r->events) {
		cts_err("events: cannot open: %s", strerror(errno));
		return -1;
	}
	r->watch = cts_watch_create(c->loop, cts_events_fd(r->events), CTS_WATCH_READ,
				    events_readable, r);
	return r->watch ? 0 : -1;
}

struct cts_node_reader *cts_node_reader_create(const struct cts_node_reader_conf *conf)
{
	struct cts_node_reader *r = calloc(1, sizeof(*r));
	const struct cts_resync_conf resync = {
		.push = push_batch, .failed = question_failed, .ctx = r, .now_ns = reader_now
	};

	if (!r)
		return NULL;
	r->conf = *conf;
	cts_coalesce_init(&r->coalesce, conf->coalesce, cts_loop_now_ns(conf->loop), cpu_ns());
	r->resync = cts_resync_open(&resync);
	if (!r->resync) {
		cts_err("kernel: cannot open a netlink socket: %s", strerror(errno));
		goto err;
	}
	r->timer = cts_timer_create(conf->loop, timer_fired, r);
	if (!r->timer || (!conf->poll_s && open_events(r) < 0))
		goto err;
	return r;
err:
	cts_node_reader_destroy(r);
	return NULL;
}

void cts_node_reader_destroy(struct cts_node_reader *r)
{
	if (!r)
		return;
	cts_watch_destroy(r->watch);
	cts_timer_destroy(r->timer);
	cts_events_close(r->events);
	cts_resync_close(r->resync);
	free(r);
}

void cts_node_reader_set_mirror(struct cts_node_reader *r, struct cts_mirror *m,
				void (*ready)(void *ctx), void *ctx)
{
	r->mirror = m;
	cts_resync_set_follow(r->resync, cts_mirror_follow(m));
	r->ready = ready;
	r->ready_ctx = ctx;
	plan(r, START_DELAY_MS);
}

void cts_node_reader_get_stats(struct cts_node_reader *r, struct cts_node_reader_stats *st)
{
	uint64_t now = cts_loop_now_ns(r->conf.loop);
	struct cts_resync_stats resync;

	cts_resync_get_stats(r->resync, &resync);
	*st = (struct cts_node_reader_stats){
		.lost = r->lost,
		.losses = r->losses,
		.reconciliations = resync.done,
		.broken_dumps = resync.broken,
		.gets = resync.answers,
		.malformed_dump = resync.malformed,
		.dumping = cts_resync_running(r->resync),
		.ready = r->is_ready,
		.next_ms = r->due_ns > now ? (r->due_ns - now) / 1000000u : 0,
	};
	if (r->mirror)
		st->follow = *cts_follow_stats(cts_mirror_follow(r->mirror));
	if (!r->events)
		return;
	cts_events_get_stats(r->events, &st->events);
	st->buffer_size = cts_events_buffer_size(r->events);
}
