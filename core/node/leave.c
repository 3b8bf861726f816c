/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <inttypes.h>
#include <sodium.h>

#include <ctsync/log.h>

#include "core/node/join.h"
#include "core/node/leave.h"
#include "core/node/timeout.h"

#define LEAVE_RANK_NS UINT64_C(1000000000) /* the next node's turn to take them */

static struct left *leave_find(struct leave *l, uint32_t node)
{
	for (unsigned int i = 0; i < l->n; i++)
		if (l->left[i].node == node)
			return &l->left[i];
	return NULL;
}

bool leave_has(const struct leave *l, uint32_t node)
{
	for (unsigned int i = 0; i < l->n; i++)
		if (l->left[i].node == node)
			return l->left[i].state == LEFT_GONE;
	return false;
}

void leave_fini(struct leave *l)
{
	for (unsigned int i = 0; i < l->n; i++)
		cts_cache_destroy(l->left[i].keys);
}

void leave_taken(struct leave *l, const struct work *w, uint32_t node, const uint8_t *key,
		 size_t key_len)
{
	struct left *left = leave_find(l, node);
	uint8_t hash_key[16];

	if (!left)
		return;
	if (!left->keys) {
		randombytes_buf(hash_key, sizeof(hash_key));
		left->keys = cts_cache_create(cts_cache_limit(cts_engine_internal(w->conf.engine)),
					      hash_key);
	}
	if (left->keys && !cts_cache_find(left->keys, key, key_len))
		cts_cache_insert(left->keys, key, key_len, 0);
}

/* How many nodes that are there come before this one? */
static unsigned int rank(const struct work *w)
{
	struct cts_node_info info[CTS_NODES_MAX + 1];
	size_t n = cts_engine_nodes(w->conf.engine, info, CTS_NODES_MAX + 1, w->now);
	unsigned int before = 0;

	for (size_t i = 1; i < n; i++) /* the first is this node */
		before += !info[i].gone && info[i].id < info[0].id;
	return before;
}

void leave_peer_state(struct leave *l, struct work *w, uint32_t node, enum cts_peer_state state)
{
	struct left *left = leave_find(l, node);

	if (!left && (state != CTS_PEER_DOWN || l->n == CTS_NODES_MAX))
		return;
	if (!left) {
		left = &l->left[l->n++];
		*left = (struct left){ .node = node };
	}
	left->at = 0;
	left->state = state == CTS_PEER_DOWN      ? LEFT_GONE
		      : state == CTS_PEER_JOINING ? LEFT_RETURNING
						  : LEFT_BACK;
	left->due_ns = UINT64_MAX;
	if (left->state == LEFT_GONE)
		left->due_ns = w->now + rank(w) * LEAVE_RANK_NS;
}

/* A node that only does not receive this one is down, too, but there: it has its flows.
 * true: it has left, absent_ms ago. */
static bool has_left(const struct work *w, uint32_t node, uint64_t *absent_ms)
{
	struct cts_node_info info[CTS_NODES_MAX + 1];
	size_t n = cts_engine_nodes(w->conf.engine, info, CTS_NODES_MAX + 1, w->now);

	for (size_t i = 0; i < n; i++) {
		if (info[i].id != node)
			continue;
		*absent_ms = owner_absent_ms(&info[i], w->now);
		return info[i].gone;
	}
	return false;
}

/* One entry of the node that left. true: an operation was made. */
static bool leave_take(struct left *left, struct work *w, struct slots *s, struct cts_cache *cache,
		       uint64_t absent)
{
	struct cts_engine *e = w->conf.engine;
	struct slot slot = { .node = left->node, .ref = left->at, .adopt = true };
	size_t len;
	const uint8_t *data = cts_cache_data(cache, left->at, &len);

	/* Another node that is there may have taken it over. */
	if (cts_engine_find(e, data, cts_packed_key_len(data, len)) ||
	    !cts_engine_newest(e, left->node, left->at) || !work_unpack(w, cache, left->at))
		return false;
	taken_over_timeout(w, absent);
	left->taken++;
	return slots_write(s, w, CTS_OP_REFRESH, slot);
}

/* true: more to do. */
static bool take_step(struct left *left, struct work *w, struct slots *s)
{
	struct cts_cache *cache = cts_engine_external(w->conf.engine, left->node);
	unsigned int ops = 0, look = 0;
	uint64_t absent;

	if (!has_left(w, left->node, &absent)) {
		left->due_ns = w->now + LEAVE_RANK_NS;
		return false;
	}
	while (cache && ops < STEP_ENTRIES && look++ < STEP_LOOK) {
		left->at = cts_cache_next(cache, left->at);
		if (!left->at)
			break;
		ops += leave_take(left, w, s, cache, absent);
	}
	slots_flush(s, w);
	if (cache && left->at)
		return true;
	if (left->taken)
		cts_info("inject: %" PRIu64 " flows of %08x, which left, are this node's now",
			 left->taken, left->node);
	left->taken = 0;
	left->due_ns = UINT64_MAX;
	return false;
}

/* Has the owner, which is back, this flow itself, and knows as much of it? */
static bool has_it_again(struct work *w, struct cts_cache *cache, uint32_t theirs, uint32_t own)
{
	struct cts_flow_store mine, other;
	size_t len, own_len;
	const uint8_t *data = cts_cache_data(cache, theirs, &len);
	const uint8_t *own_data = cts_cache_data(cts_engine_internal(w->conf.engine), own,
						 &own_len);

	return cts_flow_unpack(data, len, &other, NULL) == 0 &&
	       cts_flow_unpack(own_data, own_len, &mine, NULL) == 0 &&
	       !join_flows(&other, &mine.flow, 0) && !join_flows(&mine, &other.flow, 0);
}

/* true: more to do. */
static bool release_step(struct left *left, struct work *w)
{
	struct cts_engine *e = w->conf.engine;
	struct cts_cache *cache = cts_engine_external(e, left->node);

	for (unsigned int i = 0; cache && left->keys && i < STEP_ENTRIES; i++) {
		uint32_t own, theirs;
		const uint8_t *key;
		size_t len;

		left->at = cts_cache_next(left->keys, left->at);
		if (!left->at)
			return false;
		key = cts_cache_data(left->keys, left->at, &len);
		own = cts_engine_find(e, key, len);
		theirs = own ? cts_cache_find(cache, key, len) : 0;
		if (theirs && has_it_again(w, cache, theirs, own))
			cts_engine_gone(e, own, w->now);
	}
	return cache && left->keys;
}

bool leave_step(struct leave *l, struct work *w, struct slots *s)
{
	for (unsigned int i = 0; i < l->n; i++) {
		struct left *left = &l->left[i];

		if (left->state == LEFT_GONE && w->now >= left->due_ns)
			return take_step(left, w, s);
		if (left->state != LEFT_BACK)
			continue;
		if (release_step(left, w))
			return true;
		cts_cache_destroy(left->keys);
		*left = l->left[--l->n];
		return true;
	}
	return false;
}

uint64_t leave_deadline(const struct leave *l)
{
	uint64_t due = UINT64_MAX;

	for (unsigned int i = 0; i < l->n; i++)
		due = l->left[i].due_ns < due ? l->left[i].due_ns : due;
	return due;
}
