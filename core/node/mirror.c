/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine's internal cache as the store of a table follower. */
#include "config.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <stdlib.h>

#include "core/node/mirror.h"

/* Bits that say nothing to another node, or do harm there. */
#define STATUS_LOCAL (IPS_DYING | IPS_TEMPLATE | IPS_HELPER | IPS_OFFLOAD | IPS_HW_OFFLOAD)

struct cts_mirror {
	struct cts_engine *engine; /* lent */
	struct cts_cache *cache;   /* the engine's */
	struct cts_follow_ops ops;
	struct cts_follow *follow; /* owned */
	size_t (*join)(void *ctx, const uint8_t *packed, size_t len, uint8_t joined[CTS_PACK_MAX],
		       uint32_t *above);
	void *join_ctx;
};

static uint32_t mirror_put(struct cts_mirror *m, const struct cts_change *c, uint64_t now_ns)
{
	uint8_t joined[CTS_PACK_MAX];
	uint32_t above;
	size_t len = 0;

	if (m->join && !(c->ref && cts_engine_live(m->engine, c->ref)))
		len = m->join(m->join_ctx, c->packed, c->len, joined, &above);
	if (len)
		return cts_engine_put_above(m->engine, joined, len, above, now_ns);
	return cts_engine_set(m->engine, c->ref, c->hash, c->packed, c->len, true, now_ns);
}

static void mirror_apply(void *ctx, const struct cts_change *list, size_t n, uint64_t now_ns)
{
	struct cts_mirror *m = ctx;

	for (size_t i = 0; i < n; i++) {
		const struct cts_change *c = &list[i];
		uint32_t ref;

		if (!c->len) {
			cts_engine_gone(m->engine, c->ref, now_ns);
			continue;
		}
		ref = mirror_put(m, c, now_ns);
		if (ref)
			cts_cache_entry(m->cache, ref)->aux = c->mark;
	}
}

static void mirror_drop_dead(void *ctx, uint32_t *ref, size_t n)
{
	struct cts_mirror *m = ctx;

	for (size_t i = 0; i < n; i++)
		if (ref[i] && !cts_engine_live(m->engine, ref[i]))
			ref[i] = 0;
}

static const struct cts_store_ops mirror_store = {
	.apply = mirror_apply,
	.drop_dead = mirror_drop_dead,
};

struct cts_mirror *cts_mirror_create(struct cts_engine *engine, const struct cts_follow_ops *ops,
				     void *ctx)
{
	struct cts_mirror *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->engine = engine;
	m->cache = cts_engine_internal(engine);
	m->ops = *ops;
	m->follow = cts_follow_create(&(struct cts_follow_conf){
		.cache = m->cache,
		.store = &mirror_store,
		.store_ctx = m,
		.ops = &m->ops,
		.ctx = ctx,
		.attrs = cts_engine_attrs(engine),
		.status_local = STATUS_LOCAL,
	});
	if (m->follow)
		return m;
	free(m);
	return NULL;
}

void cts_mirror_destroy(struct cts_mirror *m)
{
	if (!m)
		return;
	cts_follow_destroy(m->follow);
	free(m);
}

void cts_mirror_set_join(struct cts_mirror *m,
			 size_t (*join)(void *ctx, const uint8_t *packed, size_t len,
					uint8_t joined[CTS_PACK_MAX], uint32_t *above),
			 void *ctx)
{
	m->join = join;
	m->join_ctx = ctx;
}

struct cts_follow *cts_mirror_follow(struct cts_mirror *m)
{
	return m->follow;
}
