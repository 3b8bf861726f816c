/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <string.h>

#include "core/node/commit.h"
#include "core/node/join.h"
#include "core/node/timeout.h"

#define COMMIT_AHEAD 8u         /* entries that are fetched before they are looked at */
#define COMMIT_KNOWN 0x8000000u /* in a cookie's node: this node had the flow already */

void commit_begin(struct commit *c, struct work *w)
{
	walk_begin(&c->walk, w->conf.engine, w->now);
	c->pass = 0;
}

uint64_t commit_size(const struct commit *c)
{
	uint64_t n = 0;

	for (size_t i = 0; i < c->walk.n; i++)
		n += c->walk.node[i].self ? 0 : c->walk.node[i].entries;
	return n;
}

/* The flow in hand becomes what the own, older entry and this replica know together.
 * false: the kernel knows it already. */
static bool join_own(struct work *w, uint32_t own)
{
	struct cts_flow_store replica = w->store;
	struct cts_cache *internal = cts_engine_internal(w->conf.engine);

	replica.flow.labels = replica.labels;
	replica.flow.helper = replica.helper;
	if (!work_unpack(w, internal, own) || !join_flows(&w->store, &replica.flow, 1))
		return false;
	if (cts_flow_has(&replica.flow, CTS_FLOW_TIMEOUT))
		w->store.flow.timeout = replica.flow.timeout;
	return true;
}

/* A replica is used: how old is it, and is it all that its owner had? */
static void note_owner(const struct commit *c, struct cts_takeover_result *res)
{
	const struct cts_node_info *owner = &c->walk.node[c->walk.at];
	uint64_t absent_ms = owner_absent_ms(owner, c->walk.begun_ns);

	res->unconfirmed += !owner->in_sync;
	if (absent_ms <= res->absent_ms)
		return;
	res->absent_ms = absent_ms;
	memcpy(res->absent, owner->name, sizeof(res->absent));
}

/* The kernel has the flow under this node's own name. */
static bool commit_known(struct commit *c, struct work *w, uint32_t own, uint32_t version,
			 struct cts_takeover_result *res)
{
	const struct cts_node_info *owner = &c->walk.node[c->walk.at];
	size_t len;
	const uint8_t *data = cts_cache_data(cts_engine_internal(w->conf.engine), own, &len);

	if (cts_packed_version(data, len) >= version) {
		res->by_class[CTS_WRITE_UPDATED]++;
		return false;
	}
	note_owner(c, res);
	if (!join_own(w, own)) {
		res->by_class[CTS_WRITE_UPDATED]++;
		cts_engine_adopt(w->conf.engine, owner->id, c->walk.ref, w->now);
		return false;
	}
	res->brought_up++;
	taken_over_timeout(w, owner_absent_ms(owner, c->walk.begun_ns));
	return work_write(w, CTS_OP_REFRESH,
			  cookie(FOR_COMMIT, c->walk.at | COMMIT_KNOWN, c->walk.ref));
}

/* One replica. true: an operation was made of it. */
static bool commit_entry(struct commit *c, struct work *w, struct cts_cache *cache,
			 struct cts_takeover_result *res)
{
	const struct cts_node_info *owner = &c->walk.node[c->walk.at];
	size_t len;
	const uint8_t *data = cts_cache_data(cache, c->walk.ref, &len);
	uint32_t own;

	if (!work_unpack(w, cache, c->walk.ref) ||
	    cts_flow_has(&w->store.flow, CTS_FLOW_MASTER) != (c->pass == 1))
		return false;
	if (!cts_engine_newest(w->conf.engine, owner->id, c->walk.ref))
		return false;
	res->entries++;
	own = cts_engine_find(w->conf.engine, data, cts_packed_key_len(data, len));
	if (own)
		return commit_known(c, w, own, cts_packed_version(data, len), res);
	note_owner(c, res);
	taken_over_timeout(w, owner_absent_ms(owner, c->walk.begun_ns));
	return work_write(w, CTS_OP_RESTORE, cookie(FOR_COMMIT, c->walk.at, c->walk.ref));
}

/* What the entries that follow will look up, in both caches. */
static void commit_prefetch(struct commit *c, struct work *w, struct cts_cache *cache)
{
	struct cts_cache *internal = cts_engine_internal(w->conf.engine);
	uint32_t ahead = c->walk.ref + COMMIT_AHEAD;
	const struct cts_entry *entry = cts_cache_entry(cache, ahead);
	const uint8_t *data;
	size_t len;

	if (!entry)
		return;
	data = cts_cache_data(cache, ahead, &len);
	cts_cache_prefetch_bucket(cache, entry->hash);
	cts_cache_prefetch_bucket(internal,
				  cts_cache_hash(internal, data, cts_packed_key_len(data, len)));
}

bool commit_step(struct commit *c, struct work *w, struct cts_takeover_result *res)
{
	unsigned int ops = 0, look = 0;

	while (ops < STEP_ENTRIES && look++ < STEP_LOOK && !res->full) {
		struct cts_cache *cache = walk_next(&c->walk, w->conf.engine);

		if (cache) {
			commit_prefetch(c, w, cache);
			ops += commit_entry(c, w, cache, res);
			continue;
		}
		if (c->pass == 1)
			break;
		work_flush(w); /* masters before what is related to them */
		c->pass = 1;
		walk_rewind(&c->walk);
	}
	work_flush(w);
	return !res->full && !(c->pass == 1 && walk_is_over(&c->walk));
}

/* The own, older entry that a replica is about to take the place of. */
static bool own_of(struct work *w, struct cts_cache *cache, uint32_t ref,
		   struct cts_flow_store *own)
{
	size_t len;
	const uint8_t *data = cts_cache_data(cache, ref, &len);
	uint32_t at = data ? cts_engine_find(w->conf.engine, data, cts_packed_key_len(data, len))
			   : 0;

	data = at ? cts_cache_data(cts_engine_internal(w->conf.engine), at, &len) : NULL;
	return data && cts_flow_unpack(data, len, own, NULL) == 0;
}

/* What it knew beyond the replica. */
static void keep_own(struct work *w, const struct cts_flow_store *own)
{
	uint8_t packed[CTS_PACK_MAX];
	size_t len, key_len = cts_flow_pack_key(&own->flow, packed);
	uint32_t ref = cts_engine_find(w->conf.engine, packed, key_len);

	if (!ref || !work_unpack(w, cts_engine_internal(w->conf.engine), ref) ||
	    !join_flows(&w->store, &own->flow, -1))
		return;
	len = cts_flow_pack(&w->store.flow, cts_engine_attrs(w->conf.engine), packed,
			    sizeof(packed));
	if (len)
		cts_engine_put(w->conf.engine, packed, len, true, w->now);
}

void commit_written(struct commit *c, struct work *w, uint64_t cookie, enum cts_write_class cls)
{
	uint32_t node = c->walk.node[cookie_node(cookie) & ~COMMIT_KNOWN].id;
	uint32_t ref = (uint32_t)cookie;
	struct cts_flow_store own;
	bool known;

	if (!work_in_kernel(cls))
		return;
	known = cookie_node(cookie) & COMMIT_KNOWN &&
		own_of(w, cts_engine_external(w->conf.engine, node), ref, &own);
	cts_engine_adopt(w->conf.engine, node, ref, w->now);
	if (known)
		keep_own(w, &own);
}
