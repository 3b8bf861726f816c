/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "core/node/inject.h"

#define QUEUE_MAX 65536u           /* changes that wait */
#define REARM_EVERY_NS UINT64_C(10000000000)
#define REARM_SOON_S 60u           /* timeouts shorter than this: in each round, */
#define REARM_LATER_S 600u         /* than this: in every sixth; others: in every 36th */

int inject_init(struct inject *in, uint64_t now_ns)
{
	memset(in, 0, sizeof(*in));
	in->rearm_ns = now_ns + REARM_EVERY_NS;
	/* Not calloc: pages are made when they are first used. */
	in->queue = malloc(QUEUE_MAX * sizeof(*in->queue));
	return in->queue ? 0 : -1;
}

void inject_fini(struct inject *in)
{
	free(in->queue);
}

/* -- changes -- */

static void inject(struct work *w, const struct change *c)
{
	struct cts_engine *e = w->conf.engine;

	if (c->ref) {
		struct cts_cache *cache = cts_engine_external(e, c->node);

		/* As the replica is now; what it was in between does not matter. */
		if (cache && work_unpack(w, cache, c->ref))
			work_write(w, CTS_OP_RESTORE, cookie(FOR_INJECT, 0, 0));
		return;
	}
	/* Not if it is ours by now, or another node has it too. */
	if (cts_engine_find(e, c->key, c->key_len) ||
	    cts_engine_replica_exists(e, c->key, c->key_len))
		return;
	if (cts_flow_unpack(c->key, c->key_len, &w->store, NULL) == 0)
		work_write(w, CTS_OP_DELETE, cookie(FOR_INJECT, 0, 0));
}

static void queue_step(struct inject *in, struct work *w)
{
	for (unsigned int i = 0; i < STEP_ENTRIES && in->len; i++) {
		inject(w, &in->queue[in->at]);
		in->at = (in->at + 1) % QUEUE_MAX;
		in->len--;
	}
	work_flush(w);
}

void inject_applied(struct inject *in, struct work *w, uint32_t node,
		    const struct cts_applied *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct change *c;

		while (in->len == QUEUE_MAX)
			queue_step(in, w);
		c = &in->queue[(in->at + in->len++) % QUEUE_MAX];
		c->node = node;
		c->ref = list[i].gone ? 0 : list[i].ref;
		c->key_len = 0;
		if (list[i].gone) {
			size_t len = cts_packed_key_len(list[i].packed, list[i].len);

			c->key_len = (uint8_t)len;
			memcpy(c->key, list[i].packed, len);
		}
	}
}

/* -- arming again -- */

static bool rearm_due(const struct inject *in, const struct cts_flow *f)
{
	uint32_t timeout = cts_flow_has(f, CTS_FLOW_TIMEOUT) ? f->timeout : 0;

	return timeout < REARM_SOON_S || (timeout < REARM_LATER_S && in->round % 6 == 0) ||
	       in->round % 36 == 0;
}

static void rearm_begin(struct inject *in, struct work *w)
{
	in->rearming = true;
	in->round++;
	in->rearm_ns = w->now + REARM_EVERY_NS;
	walk_begin(&in->rearm, w->conf.engine, w->now);
}

static void rearm_step(struct inject *in, struct work *w)
{
	unsigned int ops = 0, look = 0;

	while (ops < STEP_ENTRIES && look++ < STEP_LOOK) {
		struct cts_cache *cache = walk_next(&in->rearm, w->conf.engine);

		if (!cache) {
			in->rearming = false;
			break;
		}
		if (!in->rearm.node[in->rearm.at].in_sync || !work_unpack(w, cache, in->rearm.ref) ||
		    !rearm_due(in, &w->store.flow))
			continue;
		ops += work_write(w, CTS_OP_RESTORE, cookie(FOR_INJECT, 0, 0));
	}
	work_flush(w);
}

bool inject_step(struct inject *in, struct work *w)
{
	if (!in->rearming && w->now >= in->rearm_ns)
		rearm_begin(in, w);
	if (in->len)
		queue_step(in, w);
	else if (in->rearming)
		rearm_step(in, w);
	return in->len || in->rearming;
}
