/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "core/follow/resync.h"
#include "core/kernel/dump.h"
#include "core/kernel/lookup.h"

#define VERIFY_STEP 256u  /* open entries a step */
#define LOOKUP_STEP 64u   /* questions a step: one batch */
#define LOOKUP_MAX 65536u /* more than these: a dump is cheaper */

struct cts_resync {
	struct cts_resync_conf conf;
	struct cts_follow *follow; /* lent */
	struct cts_lookup *lookup; /* owned */
	struct cts_dump *dump;     /* owned; one in progress, or NULL */
	bool running;
	struct cts_resync_stats st;
};

static void lookup_absent(void *ctx, const struct cts_flow *key)
{
	struct cts_resync *r = ctx;

	cts_follow_absent(r->follow, key, r->conf.now_ns(r->conf.ctx));
}

static void lookup_found(void *ctx, const struct cts_event *const *ev, size_t n)
{
	struct cts_resync *r = ctx;

	r->conf.push(r->conf.ctx, ev, n);
}

static void lookup_failed(void *ctx, int err)
{
	struct cts_resync *r = ctx;

	if (r->conf.failed)
		r->conf.failed(r->conf.ctx, err);
}

struct cts_resync *cts_resync_open(const struct cts_resync_conf *conf)
{
	struct cts_resync *r = calloc(1, sizeof(*r));
	const struct cts_lookup_conf lookup = {
		.max = LOOKUP_MAX,
		.ctx = r,
		.found = lookup_found,
		.absent = lookup_absent,
		.failed = lookup_failed,
	};
	int saved;

	if (!r)
		return NULL;
	r->conf = *conf;
	r->lookup = cts_lookup_open(&lookup);
	if (r->lookup)
		return r;
	saved = errno;
	cts_resync_close(r);
	errno = saved;
	return NULL;
}

void cts_resync_close(struct cts_resync *r)
{
	if (!r)
		return;
	cts_dump_close(r->dump);
	cts_lookup_close(r->lookup);
	free(r);
}

uint32_t cts_resync_portid(const struct cts_resync *r)
{
	return cts_lookup_portid(r->lookup);
}

void cts_resync_set_follow(struct cts_resync *r, struct cts_follow *f)
{
	r->follow = f;
}

int cts_resync_get(struct cts_resync *r, const struct cts_flow *key)
{
	return cts_lookup_add(r->lookup, key);
}

bool cts_resync_running(const struct cts_resync *r)
{
	return r->running;
}

/* The dump is over, well or not: what it lacks is asked for. */
static void dump_end(struct cts_resync *r, bool broken)
{
	if (r->dump)
		r->st.malformed += cts_dump_malformed(r->dump);
	cts_dump_close(r->dump);
	r->dump = NULL;
	r->st.broken += broken;
	cts_follow_dump_end(r->follow);
}

int cts_resync_begin(struct cts_resync *r)
{
	const struct cts_dump_conf conf = { .table = CTS_TABLE_CONNTRACK };
	int saved;

	r->running = true;
	cts_follow_dump_begin(r->follow);
	r->dump = cts_dump_open(&conf);
	if (r->dump)
		return 0;
	saved = errno;
	dump_end(r, true);
	errno = saved;
	return -1;
}

/* EINTR: the table was resized meanwhile and the dump lacks entries, which are asked
 * for one by one. Anything else is worth saying. */
static enum cts_resync_state dump_step(struct cts_resync *r)
{
	int ret = cts_dump_step(r->dump, r->conf.push, r->conf.ctx);
	int err = errno;

	if (ret > 0)
		return CTS_RESYNC_BUSY;
	dump_end(r, ret < 0);
	errno = err;
	return ret < 0 && err != EINTR ? CTS_RESYNC_BROKEN : CTS_RESYNC_BUSY;
}

enum cts_resync_state cts_resync_step(struct cts_resync *r)
{
	enum cts_resync_state state = CTS_RESYNC_IDLE;
	bool verifying = false, asked;
	int err = 0;

	if (r->dump) {
		state = dump_step(r);
		err = errno;
	} else if (r->running) {
		verifying = cts_follow_verify(r->follow, VERIFY_STEP);
		state = CTS_RESYNC_BUSY;
	}
	asked = cts_lookup_run(r->lookup, LOOKUP_STEP) > 0;
	if (r->running && !r->dump && !verifying && !asked && state != CTS_RESYNC_BROKEN &&
	    !cts_follow_busy(r->follow)) {
		r->running = false;
		r->st.done++;
		return CTS_RESYNC_DONE;
	}
	errno = err;
	return state == CTS_RESYNC_IDLE && asked ? CTS_RESYNC_BUSY : state;
}

void cts_resync_get_stats(const struct cts_resync *r, struct cts_resync_stats *st)
{
	*st = r->st;
	st->answers = cts_lookup_answers(r->lookup);
}
