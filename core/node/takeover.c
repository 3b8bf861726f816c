/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include <ctsync/log.h>

#include "core/node/commit.h"
#include "core/node/inject.h"
#include "core/node/job.h"
#include "core/node/purge.h"

#define SUPPRESS_ENTRIES 4096u /* a commit of so many is worth a dump after it */

struct cts_takeover {
	struct work work;
	struct job job;
	struct commit commit;
	struct purge purge;
	struct inject inject; /* in use: conf.inject */
	int role;             /* -1: standby, 0: unknown, 1: active */
	bool suppressed;      /* conf.suppress_new(true) was called */
	uint64_t kernel_flushes;
};

/* -- making -- */

struct cts_takeover *cts_takeover_create(const struct cts_takeover_conf *conf)
{
	struct cts_takeover *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->work.conf = *conf;
	purge_init(&t->purge);
	if (conf->inject && inject_init(&t->inject, &t->work) < 0) {
		cts_takeover_destroy(t);
		errno = ENOMEM;
		return NULL;
	}
	return t;
}

void cts_takeover_destroy(struct cts_takeover *t)
{
	if (!t)
		return;
	inject_fini(&t->inject);
	free(t);
}

/* -- jobs -- */

static int takeover_begin(struct cts_takeover *t, enum job_kind kind, cts_takeover_done done,
			  void *ctx, uint64_t now_ns)
{
	t->work.now = now_ns;
	return job_begin(&t->job, &t->work, kind, done, ctx);
}

static int commit(struct cts_takeover *t, enum job_kind kind, cts_takeover_done done, void *ctx,
		  uint64_t now_ns)
{
	/* Whoever takes over does not want to be emptied by an earlier command. */
	purge_cancel(&t->purge);
	if (takeover_begin(t, kind, done, ctx, now_ns) < 0)
		return -1;
	commit_begin(&t->commit, &t->work);
	t->suppressed = t->work.conf.suppress_new && commit_size(&t->commit) >= SUPPRESS_ENTRIES;
	if (t->suppressed)
		t->work.conf.suppress_new(t->work.conf.ctx, true);
	return 0;
}

int cts_takeover_commit(struct cts_takeover *t, cts_takeover_done done, void *ctx, uint64_t now_ns)
{
	return commit(t, JOB_COMMIT, done, ctx, now_ns);
}

int cts_takeover_promote(struct cts_takeover *t, cts_takeover_done done, void *ctx, uint64_t now_ns)
{
	return commit(t, JOB_PROMOTE, done, ctx, now_ns);
}

int cts_takeover_purge(struct cts_takeover *t, cts_takeover_done done, void *ctx, uint64_t now_ns)
{
	if (takeover_begin(t, JOB_PURGE, done, ctx, now_ns) < 0)
		return -1;
	purge_begin(&t->purge, false);
	return 0;
}

int cts_takeover_demote(struct cts_takeover *t, cts_takeover_done done, void *ctx, uint64_t now_ns)
{
	if (takeover_begin(t, JOB_DEMOTE, done, ctx, now_ns) < 0)
		return -1;
	t->role = -1;
	purge_handover(&t->purge, &t->work);
	purge_begin(&t->purge, true);
	return 0;
}

void cts_takeover_forget(struct cts_takeover *t, void *ctx)
{
	if (t->job.ctx == ctx)
		t->job.done = NULL;
}

void cts_takeover_plan_purge(struct cts_takeover *t, uint64_t now_ns)
{
	t->work.now = now_ns;
	purge_plan(&t->purge, &t->work);
}

void cts_takeover_cancel_purge(struct cts_takeover *t)
{
	purge_cancel(&t->purge);
}

static void planned_purge(struct cts_takeover *t)
{
	bool handover = t->purge.left_s > 0;

	purge_cancel(&t->purge);
	if (takeover_begin(t, JOB_PURGE, NULL, NULL, t->work.now) == 0)
		purge_begin(&t->purge, handover);
	else
		cts_warn("purge: left out, a commit is in progress");
}

/* -- steps -- */

void cts_takeover_written(struct cts_takeover *t, uint64_t c, enum cts_write_class cls, int err)
{
	if (cookie_for(c) == FOR_INJECT) {
		inject_written(&t->inject, &t->work, c, cls);
		return;
	}
	t->job.result.by_class[cls]++;
	if (cls == CTS_WRITE_TABLE_FULL)
		t->job.result.full = true;
	if (cookie_for(c) == FOR_COMMIT)
		commit_written(&t->commit, &t->work, c, cls);
	else
		purge_written(&t->work, c, cls);
}

static void takeover_end(struct cts_takeover *t)
{
	if (t->suppressed)
		t->work.conf.suppress_new(t->work.conf.ctx, false);
	t->suppressed = false;
	if (t->job.kind == JOB_PROMOTE)
		t->role = 1;
	if (t->job.kind == JOB_PURGE || t->job.kind == JOB_DEMOTE) {
		t->kernel_flushes++;
		purge_ended(&t->purge, &t->work, &t->job.result);
	}
	job_end(&t->job, &t->work);
}

static void job_step(struct cts_takeover *t)
{
	bool more = t->job.kind == JOB_COMMIT || t->job.kind == JOB_PROMOTE
			    ? commit_step(&t->commit, &t->work, &t->job.result)
			    : purge_step(&t->purge, &t->work, &t->job.result);

	if (!more)
		takeover_end(t);
}

bool cts_takeover_step(struct cts_takeover *t, uint64_t now_ns)
{
	bool more = false;

	t->work.now = now_ns;
	if (now_ns >= t->purge.due_ns)
		planned_purge(t);
	if (t->work.conf.inject)
		more = inject_step(&t->inject, &t->work);
	if (t->job.kind != JOB_NONE)
		job_step(t);
	return more || t->job.kind != JOB_NONE;
}

uint64_t cts_takeover_deadline(const struct cts_takeover *t)
{
	uint64_t due = t->work.conf.inject ? inject_deadline(&t->inject) : UINT64_MAX;

	return t->purge.due_ns < due ? t->purge.due_ns : due;
}

bool cts_takeover_busy(const struct cts_takeover *t)
{
	return t->job.kind != JOB_NONE;
}

/* -- injection -- */

void cts_takeover_applied(struct cts_takeover *t, uint32_t node, const struct cts_applied *list,
			  size_t n, uint64_t now_ns)
{
	t->work.now = now_ns;
	inject_applied(&t->inject, &t->work, node, list, n);
}

void cts_takeover_peer_state(struct cts_takeover *t, uint32_t node, enum cts_peer_state state,
			     uint64_t now_ns)
{
	t->work.now = now_ns;
	if (t->work.conf.inject)
		inject_peer_state(&t->inject, &t->work, node, state);
}

bool cts_takeover_foreign(struct cts_takeover *t, const uint8_t *key, size_t key_len,
			  const struct cts_flow *flow)
{
	return t->work.conf.inject && inject_foreign(&t->work, key, key_len, flow);
}

size_t cts_takeover_join(struct cts_takeover *t, const uint8_t *packed, size_t len,
			 uint8_t joined[CTS_PACK_MAX], uint32_t *above)
{
	return t->work.conf.inject ? inject_join(&t->inject, &t->work, packed, len, joined, above)
				   : 0;
}

uint64_t cts_takeover_lacking(const struct cts_takeover *t)
{
	return lack_count(&t->inject.lack);
}

/* -- what it is -- */

const char *cts_takeover_role(const struct cts_takeover *t)
{
	return t->role > 0 ? "active" : t->role < 0 ? "standby" : "unknown";
}

uint64_t cts_takeover_kernel_flushes(const struct cts_takeover *t)
{
	return t->kernel_flushes;
}
