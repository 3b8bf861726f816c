/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When the snapshot is held against the table, between reads of events. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "cli/conntrack/conntrack.h"
#include "cli/conntrack/resync.h"
#include "cli/conntrack/snapshot.h"
#include "core/follow/resync.h"

/* Reads between two steps of a dump (256 events each), and for as long before it:
 * who never reads all leaves no time to the dump. */
#define READS_MAX 64u
#define DRAIN_NS UINT64_C(2000000000)
/* At most half of the time goes into dumps. */
#define PAUSE_MIN_NS UINT64_C(100000000)

struct resync {
	struct cts_events *src;      /* lent */
	struct snapshot *snapshot;   /* owned */
	struct cts_resync *core;     /* owned */
	cts_batch_fn fn;
	void *ctx;
	uint64_t covered;            /* losses before the last dump */
	uint64_t next_ns;            /* no dump before that */
	bool pending;
	int error;                   /* errno of a question */
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* -- events -- */

static void resync_events(void *ctx, const struct cts_event *const *ev, size_t n)
{
	struct resync *r = ctx;

	snapshot_consume(r->snapshot, ev, n);
	r->fn(r->ctx, ev, n);
}

static void resync_show(void *ctx, const struct cts_event *const *ev, size_t n)
{
	struct resync *r = ctx;

	r->fn(r->ctx, ev, n);
}

int resync_read(struct resync *r)
{
	int n = cts_events_read(r->src, resync_events, r);

	/* What an event says too little of is asked for. */
	if (!cts_resync_running(r->core))
		while (cts_resync_step(r->core) == CTS_RESYNC_BUSY)
			;
	return n;
}

/* 0, or -1 and errno. */
static int read_some(struct resync *r, unsigned int max)
{
	int n = 1;

	while (n > 0 && max--)
		n = resync_read(r);
	return n < 0 ? -1 : 0;
}

/* All that was sent until now: what is older than the dump must not come after it. */
static int drain(struct resync *r)
{
	uint64_t end = now_ns() + DRAIN_NS;
	int n;

	while ((n = resync_read(r)) > 0 && now_ns() < end)
		;
	return n < 0 ? -1 : 0;
}

/* -- the table -- */

static void resync_said(void *ctx, const struct cts_event *const *ev, size_t n)
{
	struct resync *r = ctx;

	snapshot_consume(r->snapshot, ev, n);
}

static void question(void *ctx, const struct cts_flow *key)
{
	struct resync *r = ctx;

	if (cts_resync_get(r->core, key) < 0)
		r->pending = true;
}

static void question_failed(void *ctx, int err)
{
	struct resync *r = ctx;

	if (!r->error)
		r->error = err;
}

static uint64_t resync_clock(void *ctx)
{
	return now_ns();
}

/* A dump and the questions after it, with reads of events between their steps. */
static int resync_steps(struct resync *r)
{
	enum cts_resync_state state;

	if (cts_resync_begin(r->core) < 0)
		return -1;
	while ((state = cts_resync_step(r->core)) == CTS_RESYNC_BUSY)
		if (read_some(r, READS_MAX) < 0)
			return -1;
	if (state == CTS_RESYNC_BROKEN)
		return -1;
	errno = r->error ? r->error : snapshot_error(r->snapshot);
	return errno ? -1 : 0;
}

static int resync_table(struct resync *r, bool quiet)
{
	uint64_t began = now_ns(), pause;

	if (drain(r) < 0)
		return -1;
	r->covered = cts_events_lost(r->src);
	r->pending = false;
	snapshot_begin(r->snapshot, quiet);
	if (resync_steps(r) < 0)
		return -1;
	snapshot_end(r->snapshot);
	pause = now_ns() - began;
	r->next_ns = now_ns() + (pause > PAUSE_MIN_NS ? pause : PAUSE_MIN_NS);
	return 0;
}

struct resync *resync_open(struct cts_events *src, cts_batch_fn fn, void *ctx)
{
	struct resync *r = calloc(1, sizeof(*r));
	const struct snapshot_conf snapshot = { .show = resync_show, .get = question, .ctx = r };
	const struct cts_resync_conf core = { .push = resync_said, .failed = question_failed,
					      .ctx = r, .now_ns = resync_clock };
	int saved;

	if (!r)
		return NULL;
	r->src = src;
	r->fn = fn;
	r->ctx = ctx;
	r->snapshot = snapshot_create(&snapshot);
	r->core = cts_resync_open(&core);
	if (!r->snapshot || !r->core)
		goto err;
	cts_resync_set_follow(r->core, snapshot_follow(r->snapshot));
	if (resync_table(r, true) == 0)
		return r;
err:
	saved = errno;
	resync_close(r);
	errno = saved;
	return NULL;
}

void resync_close(struct resync *r)
{
	if (!r)
		return;
	cts_resync_close(r->core);
	snapshot_destroy(r->snapshot);
	free(r);
}

int resync_run(struct resync *r, bool at_once)
{
	if (cts_events_lost(r->src) != r->covered)
		r->pending = true;
	errno = r->error ? r->error : snapshot_error(r->snapshot);
	if (errno)
		return -1;
	if (!r->pending || (!at_once && now_ns() < r->next_ns))
		return 0;
	return resync_table(r, false) < 0 ? -1 : 1;
}

void resync_say(const struct resync *r)
{
	const struct snapshot_counts *c = snapshot_counts(r->snapshot);

	report("the table was read again: %" PRIu64 " new entries, %" PRIu64 " changed, %" PRIu64
	       " gone", c->created, c->changed, c->gone);
}

int resync_wait_ms(const struct resync *r)
{
	uint64_t now = now_ns();

	if (!r->pending)
		return -1;
	return now < r->next_ns ? (int)((r->next_ns - now) / 1000000u) + 1 : 0;
}
