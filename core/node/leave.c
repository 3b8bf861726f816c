/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <inttypes.h>

#include <ctsync/log.h>

#include "core/node/leave.h"
#include "core/node/timeout.h"

#define LEAVE_RANK_NS UINT64_C(1000000000)   /* the next node's turn to take them */

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
			return true;
	return false;
}

/* How many nodes that are there come before this one? */
static unsigned int rank(const struct work *w)
{
	struct cts_node_info info[CTS_NODES_MAX + 1];
	size_t n = cts_engine_nodes(w->conf.engine, info, CTS_NODES_MAX + 1, w->now);
	unsigned int before = 0;

	for (size_t i = 1; i < n; i++)   /* the first is this node */
		before += !info[i].gone && info[i].id < info[0].id;
	return before;
}

void leave_peer_state(struct leave *l, struct work *w, uint32_t node, enum cts_peer_state state)
{
	struct left *left = leave_find(l, node);

	if (state != CTS_PEER_DOWN) {
		if (left)
			*left = l->left[--l->n];
		return;
	}
	if (left || l->n == CTS_NODES_MAX)
		return;
	l->left[l->n++] = (struct left){
		.node = node, .due_ns = w->now + rank(w) * LEAVE_RANK_NS,
	};
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
static bool leave_take(struct left *left, struct work *w, struct slots *s,
		       struct cts_cache *cache, uint64_t absent)
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

bool leave_step(struct leave *l, struct work *w, struct slots *s)
{
	unsigned int i = 0, ops = 0, look = 0;
	struct cts_cache *cache;
	struct left *left;
	uint64_t absent;

	while (i < l->n && w->now < l->left[i].due_ns)
		i++;
	if (i == l->n)
		return false;
	left = &l->left[i];
	if (!has_left(w, left->node, &absent)) {
		left->due_ns = w->now + LEAVE_RANK_NS;
		return false;
	}
	cache = cts_engine_external(w->conf.engine, left->node);
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
	left->due_ns = UINT64_MAX;
	return false;
}

uint64_t leave_deadline(const struct leave *l)
{
	uint64_t due = UINT64_MAX;

	for (unsigned int i = 0; i < l->n; i++)
		due = l->left[i].due_ns < due ? l->left[i].due_ns : due;
	return due;
}
