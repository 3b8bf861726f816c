/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>

#include "core/node/commit.h"

#define COMMIT_AHEAD 8u            /* entries that are fetched before they are looked at */
#define TIMEOUT_MIN_S 60u          /* of a committed flow... */
#define TIMEOUT_MIN_OPENING_S 10u  /* ... of a TCP connection that is not established */

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

/* An owner's silence about a flow means that it lives: its age counts only from
 * when the owner itself was last heard. */
static void set_timeout(struct work *w, const struct cts_node_info *owner)
{
	struct cts_flow *f = &w->store.flow;
	uint64_t absent_s = owner->last_received_ns && w->now > owner->last_received_ns
				    ? (w->now - owner->last_received_ns) / 1000000000u : 0;
	bool opening = f->orig.proto == IPPROTO_TCP && cts_flow_has(f, CTS_FLOW_TCP_STATE) &&
		       f->tcp_state != TCP_CONNTRACK_ESTABLISHED;
	uint32_t least = opening ? TIMEOUT_MIN_OPENING_S : TIMEOUT_MIN_S;

	if (!cts_flow_has(f, CTS_FLOW_TIMEOUT)) {
		if (!w->conf.commit_timeout_s)
			return; /* the writer knows the protocol's default */
		f->present |= CTS_FLOW_BIT(CTS_FLOW_TIMEOUT);
		f->timeout = w->conf.commit_timeout_s;
	}
	if (w->conf.commit_timeout_s && f->timeout > w->conf.commit_timeout_s)
		f->timeout = w->conf.commit_timeout_s;
	f->timeout = f->timeout > absent_s ? f->timeout - (uint32_t)absent_s : 0;
	if (f->timeout < least)
		f->timeout = least;
}

/* One replica. true: an operation was made of it. */
static bool commit_entry(struct commit *c, struct work *w, struct cts_cache *cache,
			 struct cts_takeover_result *res)
{
	const struct cts_node_info *owner = &c->walk.node[c->walk.at];
	size_t len;
	const uint8_t *data = cts_cache_data(cache, c->walk.ref, &len);

	if (!work_unpack(w, cache, c->walk.ref) ||
	    cts_flow_has(&w->store.flow, CTS_FLOW_MASTER) != (c->pass == 1))
		return false;
	if (!cts_engine_newest(w->conf.engine, owner->id, c->walk.ref))
		return false;
	res->entries++;
	if (cts_engine_find(w->conf.engine, data, cts_packed_key_len(data, len))) {
		res->by_class[CTS_WRITE_UPDATED]++; /* the kernel has it already */
		return false;
	}
	res->unconfirmed += !owner->in_sync;
	set_timeout(w, owner);
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
	cts_cache_prefetch_bucket(internal, cts_cache_hash(internal, data,
							   cts_packed_key_len(data, len)));
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

void commit_written(struct commit *c, struct work *w, uint64_t cookie, enum cts_write_class cls)
{
	if (work_in_kernel(cls))
		cts_engine_adopt(w->conf.engine, c->walk.node[cookie_node(cookie)].id,
				 (uint32_t)cookie, w->now);
}
