/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <ctsync/log.h>

#include "core/node/job.h"

#define ABSENT_MS 1000u /* a node that is silent for less is there */

/* A job may begin and end in one turn, and takes time all the same. */
static uint64_t clock_ns(const struct work *w)
{
	return w->conf.clock_ns ? w->conf.clock_ns(w->conf.ctx) : w->now;
}

int job_begin(struct job *j, const struct work *w, enum job_kind kind, cts_takeover_done done,
	      void *ctx)
{
	if (j->kind != JOB_NONE) {
		errno = EBUSY;
		return -1;
	}
	memset(j, 0, sizeof(*j));
	j->kind = kind;
	j->done = done;
	j->ctx = ctx;
	j->begun_ns = clock_ns(w);
	return 0;
}

static uint64_t restored(const struct cts_takeover_result *r)
{
	return r->by_class[CTS_WRITE_CREATED] + r->by_class[CTS_WRITE_NO_MASTER] +
	       r->by_class[CTS_WRITE_NO_HELPER] + r->by_class[CTS_WRITE_NO_STATUS];
}

static uint64_t refused(const struct cts_takeover_result *r)
{
	return r->by_class[CTS_WRITE_FAILED] + r->by_class[CTS_WRITE_TABLE_FULL];
}

static void describe_commit(struct cts_takeover_result *r)
{
	int n = snprintf(r->text, sizeof(r->text),
			 "%" PRIu64 " committed, %" PRIu64 " already there, %" PRIu64
			 " collisions, %" PRIu64 " reversed, %" PRIu64 " refused, %" PRIu64
			 " unconfirmed, %" PRIu64 ".%06" PRIu64 " s%s",
			 restored(r), r->by_class[CTS_WRITE_UPDATED],
			 r->by_class[CTS_WRITE_COLLISION], r->by_class[CTS_WRITE_REVERSED],
			 refused(r), r->unconfirmed, r->ns / 1000000000u, r->ns / 1000u % 1000000u,
			 r->full ? ", the kernel's table is full" : "");

	if (r->brought_up)
		n += snprintf(r->text + n, sizeof(r->text) - (size_t)n,
			      ", %" PRIu64 " brought up to date", r->brought_up);
	if (r->absent_ms >= ABSENT_MS)
		snprintf(r->text + n, sizeof(r->text) - (size_t)n,
			 ", %.63s was last received from %" PRIu64 " s ago", r->absent,
			 r->absent_ms / 1000u);
}

static void describe_purge(struct cts_takeover_result *r, bool demote)
{
	int n = snprintf(r->text, sizeof(r->text), "%" PRIu64 " flows removed%s",
			 r->by_class[CTS_WRITE_DELETED], demote ? "" : " from the kernel");

	if (demote)
		snprintf(r->text + n, sizeof(r->text) - (size_t)n,
			 ", %" PRIu64 " wait for another node to take them over", r->kept);
}

void job_end(struct job *j, const struct work *w)
{
	static const char *const names[] = { "", "commit", "promote", "purge", "demote" };
	struct cts_takeover_result *r = &j->result;
	enum job_kind kind = j->kind;
	cts_takeover_done done = j->done;

	r->ns = clock_ns(w) - j->begun_ns;
	r->complete = !r->full && !refused(r) && !r->by_class[CTS_WRITE_COLLISION] &&
		      !r->by_class[CTS_WRITE_REVERSED];
	if (kind == JOB_COMMIT || kind == JOB_PROMOTE)
		describe_commit(r);
	else
		describe_purge(r, kind == JOB_DEMOTE);
	cts_info("%s: %s", names[kind], r->text);
	j->kind = JOB_NONE;
	j->done = NULL;
	if (done)
		done(j->ctx, r);
}
