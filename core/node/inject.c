/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "core/node/inject.h"
#include "core/node/join.h"

#define QUEUE_MIN 4096u /* changes that wait; a power of two, as what follows */
#define QUEUE_MAX (1u << 22)
#define REARM_EVERY_NS UINT64_C(10000000000)
#define REARM_SOON_S 60u   /* timeouts shorter than this: in each round, */
#define REARM_LATER_S 600u /* than this: in every sixth; others: in every 36th */

int inject_init(struct inject *in, const struct work *w)
{
	memset(in, 0, sizeof(*in));
	in->rearm_ns = w->now + REARM_EVERY_NS;
	in->size = QUEUE_MIN;
	in->queue = malloc(in->size * sizeof(*in->queue));
	return in->queue ? 0 : -1;
}

void inject_fini(struct inject *in)
{
	free(in->queue);
	lack_fini(&in->lack);
	leave_fini(&in->leave);
}

/* -- what this kernel and a replica both know -- */

static size_t repack(const struct work *w, const struct cts_flow *flow,
		     uint8_t packed[CTS_PACK_MAX])
{
	return cts_flow_pack(flow, cts_engine_attrs(w->conf.engine), packed, CTS_PACK_MAX);
}

static bool unpack_into(struct cts_cache *cache, uint32_t ref, struct cts_flow_store *store)
{
	size_t len;
	const uint8_t *data = cts_cache_data(cache, ref, &len);

	return data && cts_flow_unpack(data, len, store, NULL) == 0;
}

bool inject_foreign(struct work *w, const uint8_t *key, size_t key_len, const struct cts_flow *flow)
{
	uint32_t ref, node = cts_engine_newest_replica(w->conf.engine, key, key_len, &ref, NULL);
	struct cts_flow masked = *flow; /* to what is replicated */
	struct cts_flow_store replica;

	if (!node || !unpack_into(cts_engine_external(w->conf.engine, node), ref, &replica))
		return false;
	masked.present &= cts_engine_attrs(w->conf.engine);
	return !join_flows(&replica, &masked, -1);
}

size_t inject_join(struct inject *in, struct work *w, const uint8_t *packed, size_t len,
		   uint8_t joined[CTS_PACK_MAX], uint32_t *above)
{
	struct cts_flow_store replica;
	uint32_t ref, node;

	node = cts_engine_newest_replica(w->conf.engine, packed, cts_packed_key_len(packed, len),
					 &ref, above);
	if (!node || !unpack_into(cts_engine_external(w->conf.engine, node), ref, &replica) ||
	    cts_flow_unpack(packed, len, &w->store, NULL) < 0)
		return 0;
	if (join_flows(&w->store, &replica.flow, -1))
		slots_write(&in->slots, w, CTS_OP_REFRESH, (struct slot){ 0 });
	return repack(w, &w->store.flow, joined);
}

/* A replica of a flow that this node has, too. */
static void inject_own(struct inject *in, struct work *w, uint32_t own, uint32_t version)
{
	struct cts_cache *cache = cts_engine_internal(w->conf.engine);
	struct cts_flow_store replica = w->store;
	uint8_t packed[CTS_PACK_MAX];
	uint32_t own_version;
	size_t len;
	const uint8_t *data = cts_cache_data(cache, own, &len);

	own_version = cts_packed_version(data, len);
	replica.flow.labels = replica.labels;
	replica.flow.helper = replica.helper;
	if (!work_unpack(w, cache, own) ||
	    !join_flows(&w->store, &replica.flow,
			(version > own_version) - (version < own_version)))
		return;
	len = repack(w, &w->store.flow, packed);
	if (len && cts_engine_put_above(w->conf.engine, packed, len, version, w->now))
		slots_write(&in->slots, w, CTS_OP_REFRESH, (struct slot){ 0 });
}

/* -- changes -- */

static void inject_replica(struct inject *in, struct work *w, const struct change *c)
{
	struct cts_cache *cache = cts_engine_external(w->conf.engine, c->node);
	const uint8_t *data;
	uint32_t own;
	size_t len;

	/* As the replica is now; what it was in between does not matter. */
	if (!cache || !work_unpack(w, cache, c->ref))
		return;
	data = cts_cache_data(cache, c->ref, &len);
	own = cts_engine_find(w->conf.engine, data, cts_packed_key_len(data, len));
	if (own)
		inject_own(in, w, own, cts_packed_version(data, len));
	else if (cts_engine_newest(w->conf.engine, c->node, c->ref))
		slots_write(&in->slots, w, CTS_OP_RESTORE,
			    (struct slot){ .node = c->node, .ref = c->ref });
}

static void inject_gone(struct inject *in, struct work *w, const struct change *c)
{
	struct cts_engine *e = w->conf.engine;

	/* Not if it is ours by now, or another node has it too. */
	if (cts_engine_find(e, c->key, c->key_len) ||
	    cts_engine_replica_exists(e, c->key, c->key_len))
		return;
	lack_remove(&in->lack, c->key, c->key_len);
	if (cts_flow_unpack(c->key, c->key_len, &w->store, NULL) == 0)
		slots_write(&in->slots, w, CTS_OP_DELETE, (struct slot){ 0 });
}

static void queue_step(struct inject *in, struct work *w)
{
	for (unsigned int i = 0; i < STEP_ENTRIES && in->len; i++) {
		const struct change *c = &in->queue[in->at];

		if (c->ref)
			inject_replica(in, w, c);
		else
			inject_gone(in, w, c);
		in->at = (in->at + 1) & (in->size - 1);
		in->len--;
	}
	slots_flush(&in->slots, w);
}

static void queue_grow(struct inject *in, struct work *w)
{
	struct change *queue = in->size < QUEUE_MAX ? malloc(2 * in->size * sizeof(*queue)) : NULL;

	if (!queue) {
		queue_step(in, w);
		return;
	}
	for (uint32_t i = 0; i < in->len; i++)
		queue[i] = in->queue[(in->at + i) & (in->size - 1)];
	free(in->queue);
	in->queue = queue;
	in->at = 0;
	in->size *= 2;
}

void inject_applied(struct inject *in, struct work *w, uint32_t node,
		    const struct cts_applied *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct change *c;

		if (in->len == in->size)
			queue_grow(in, w);
		c = &in->queue[(in->at + in->len++) & (in->size - 1)];
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

void inject_peer_state(struct inject *in, struct work *w, uint32_t node, enum cts_peer_state state)
{
	leave_peer_state(&in->leave, w, node, state);
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

/* true: an operation was made. What this node has, too, its own packets keep alive. */
static bool rearm_entry(struct inject *in, struct work *w, struct cts_cache *cache)
{
	const struct cts_node_info *owner = &in->rearm.node[in->rearm.at];
	struct slot slot = { .node = owner->id, .ref = in->rearm.ref };
	size_t len;
	const uint8_t *data = cts_cache_data(cache, slot.ref, &len);

	if (!owner->in_sync || !work_unpack(w, cache, slot.ref) || !rearm_due(in, &w->store.flow) ||
	    cts_engine_find(w->conf.engine, data, cts_packed_key_len(data, len)) ||
	    !cts_engine_newest(w->conf.engine, slot.node, slot.ref))
		return false;
	return slots_write(&in->slots, w, CTS_OP_REFRESH, slot);
}

static void rearm_step(struct inject *in, struct work *w)
{
	unsigned int ops = 0, look = 0;

	while (in->rearming && ops < STEP_ENTRIES && look++ < STEP_LOOK) {
		struct cts_cache *cache = walk_next(&in->rearm, w->conf.engine);

		if (cache)
			ops += rearm_entry(in, w, cache);
		else
			in->rearming = false;
	}
	slots_flush(&in->slots, w);
}

/* -- answers and steps -- */

void inject_written(struct inject *in, struct work *w, uint64_t cookie, enum cts_write_class cls)
{
	const struct slot *slot = &in->slots.slot[(uint32_t)cookie % STEP_ENTRIES];
	struct cts_cache *cache = slot->ref ? cts_engine_external(w->conf.engine, slot->node)
					    : NULL;
	size_t len, key_len;
	const uint8_t *data = cache ? cts_cache_data(cache, slot->ref, &len) : NULL;

	if (!data)
		return;
	key_len = cts_packed_key_len(data, len);
	if (cls == CTS_WRITE_TABLE_FULL || cls == CTS_WRITE_FAILED || cls == CTS_WRITE_COLLISION) {
		lack_add(&in->lack, w, data, key_len);
		return;
	}
	lack_remove(&in->lack, data, key_len);
	if (!slot->adopt || !work_in_kernel(cls))
		return;
	leave_taken(&in->leave, w, slot->node, data, key_len);
	cts_engine_adopt(w->conf.engine, slot->node, slot->ref, w->now);
}

static bool has_left(void *ctx, uint32_t node)
{
	const struct inject *in = ctx;

	return leave_has(&in->leave, node);
}

bool inject_step(struct inject *in, struct work *w)
{
	bool more;

	if (in->slots.n)
		slots_flush(&in->slots, w); /* what inject_join() wrote */
	if (!in->rearming && w->now >= in->rearm_ns)
		rearm_begin(in, w);
	if (in->len)
		queue_step(in, w);
	else if (in->rearming)
		rearm_step(in, w);
	more = leave_step(&in->leave, w, &in->slots);
	more |= lack_step(&in->lack, w, &in->slots, has_left, in);
	lack_tell(&in->lack, w);
	return more || in->len || in->rearming;
}

uint64_t inject_deadline(const struct inject *in)
{
	uint64_t due = in->rearm_ns, leave = leave_deadline(&in->leave);
	uint64_t lack = lack_deadline(&in->lack);

	due = leave < due ? leave : due;
	return lack < due ? lack : due;
}
