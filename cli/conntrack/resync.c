/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The dumps and questions that the mirror needs, between reads of events. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "cli/conntrack/conntrack.h"
#include "cli/conntrack/resync.h"
#include "core/kernel/dump.h"
#include "core/kernel/writer.h"

/* Reads between two chunks of a dump (256 events each), and for as long before it:
 * who never reads all leaves no time to the dump. */
#define READS_MAX 64u
#define DRAIN_NS UINT64_C(2000000000)
/* At most half of the time goes into dumps. */
#define PAUSE_MIN_NS UINT64_C(100000000)

struct resync {
	struct cts_events *src;      /* lent */
	struct mirror *mirror;       /* owned */
	struct cts_writer *getter;   /* owned */
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

	mirror_events(r->mirror, ev, n);
	r->fn(r->ctx, ev, n);
}

int resync_read(struct resync *r)
{
	return cts_events_read(r->src, resync_events, r);
}

/* 0, or -1 and errno. */
static int read_some(struct resync *r, unsigned int max)
{
	int n = 1;

	while (n > 0 && max--)
		n = resync_read(r);
	return n < 0 ? -1 : 0;
}

/* All that was told until now: what is older than the dump must not come after it. */
static int drain(struct resync *r)
{
	uint64_t end = now_ns() + DRAIN_NS;
	int n;

	while ((n = resync_read(r)) > 0 && now_ns() < end)
		;
	return n < 0 ? -1 : 0;
}

/* -- the table -- */

static void resync_dumped(void *ctx, const struct cts_event *const *ev, size_t n)
{
	struct resync *r = ctx;

	mirror_dumped(r->mirror, ev, n);
}

/* What an incomplete dump lacks is asked for entry by entry. */
static int dump_table(struct resync *r)
{
	const struct cts_dump_conf conf = { .table = CTS_TABLE_CONNTRACK };
	struct cts_dump *dump = cts_dump_open(&conf);
	int more, err = 0;

	if (!dump)
		return -1;
	while ((more = cts_dump_step(dump, resync_dumped, r)) > 0)
		if (read_some(r, READS_MAX) < 0)
			break;
	if (more != 0 && errno != EINTR)
		err = errno;
	cts_dump_close(dump);
	errno = err;
	return err ? -1 : 0;
}

static void question_found(void *ctx, uint64_t cookie, const struct cts_flow *flow)
{
	struct resync *r = ctx;

	mirror_answer(r->mirror, cookie, flow);
}

static void question_done(void *ctx, uint64_t cookie, enum cts_write_class cls, int err)
{
	struct resync *r = ctx;

	if (cls == CTS_WRITE_ABSENT)
		mirror_answer(r->mirror, cookie, NULL);
	else if (cls != CTS_WRITE_UPDATED && !r->error)
		r->error = err ? err : EIO;
}

static int ask_open(struct resync *r)
{
	struct cts_flow_store key;
	uint64_t question;

	while (mirror_ask(r->mirror, &key, &question))
		if (cts_writer_add(r->getter, CTS_OP_GET, &key.flow, question) < 0)
			return -1;
	if (cts_writer_flush(r->getter) < 0)
		return -1;
	errno = r->error ? r->error : mirror_error(r->mirror);
	return errno ? -1 : 0;
}

static int resync_table(struct resync *r, bool quiet)
{
	uint64_t began = now_ns(), pause;

	if (drain(r) < 0)
		return -1;
	r->covered = cts_events_lost(r->src);
	r->pending = false;
	mirror_begin(r->mirror, quiet);
	if (dump_table(r) < 0 || drain(r) < 0 || ask_open(r) < 0)
		return -1;
	pause = now_ns() - began;
	r->next_ns = now_ns() + (pause > PAUSE_MIN_NS ? pause : PAUSE_MIN_NS);
	return 0;
}

struct resync *resync_open(struct cts_events *src, cts_batch_fn fn, void *ctx)
{
	struct resync *r = calloc(1, sizeof(*r));
	const struct cts_writer_conf conf = { .ctx = r, .done = question_done,
					      .found = question_found };
	int saved;

	if (!r)
		return NULL;
	r->src = src;
	r->fn = fn;
	r->ctx = ctx;
	r->mirror = mirror_create(fn, ctx);
	r->getter = cts_writer_open(&conf);
	if (r->mirror && r->getter && resync_table(r, true) == 0)
		return r;
	saved = errno;
	resync_close(r);
	errno = saved;
	return NULL;
}

void resync_close(struct resync *r)
{
	if (!r)
		return;
	cts_writer_close(r->getter);
	mirror_destroy(r->mirror);
	free(r);
}

int resync_run(struct resync *r, bool at_once)
{
	if (cts_events_lost(r->src) != r->covered)
		r->pending = true;
	if (mirror_error(r->mirror)) {
		errno = mirror_error(r->mirror);
		return -1;
	}
	if (!r->pending || (!at_once && now_ns() < r->next_ns))
		return 0;
	return resync_table(r, false) < 0 ? -1 : 1;
}

void resync_say(const struct resync *r)
{
	const struct mirror_counts *c = mirror_counts(r->mirror);

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
