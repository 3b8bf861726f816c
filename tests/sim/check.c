/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The invariants, looked at from outside and inside the engines. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "core/sync/inspect.h"
#include "tests/sim/sim.h"

/* -- I2: what is shown never gets older, and what is taken away was deleted -- */

static bool was_deleted(const struct model_key *k, uint32_t version)
{
	return k->deleted[version / 8] >> version % 8 & 1;
}

static bool believes_gone(const struct sim_node *n, const struct sim_node *x)
{
	const struct peer *p = peers_find(&n->engine->peers, x->id);

	return p && p->state == PEER_GONE;
}

/* May an entry leave n's replica of x although x has not deleted it? */
static bool may_leave(const struct world *w, const struct sim_node *x)
{
	return w->mode == CTS_MODE_ALARM ||       /* what was not sent again expires */
	       w->limited || x->twin;             /* there is no room, here or there */
}

static void check_removed(struct world *w, struct sim_node *n, struct sim_node *x,
			  unsigned int key, struct shown *shown)
{
	const struct model_key *k = &x->kernel[key];
	uint32_t v;

	if (n->adopting || believes_gone(n, x))
		return;  /* it is this node's now, or another has a newer one */
	if (may_leave(w, x))
		return;  /* and come again, as it was */
	for (v = shown->last + 1; v <= k->version && !was_deleted(k, v); v++)
		;
	if (v > k->version)
		world_fail(w, "I2: %s removed key %u of %s, version %u, that was not deleted",
			   n->name, key, x->name, shown->last);
	shown->above = v;
}

static void check_one(struct world *w, struct sim_node *n, struct sim_node *x,
		      const struct cts_applied *a)
{
	struct cts_flow_store s;
	struct shown *shown;
	unsigned int key;
	uint32_t v;

	if (cts_flow_unpack(a->packed, a->len, &s, NULL) < 0) {
		world_fail(w, "%s applied a record of %s that does not unpack", n->name, x->name);
		return;
	}
	key = kernel_key(&s.flow);
	if (key >= SIM_KEYS) {
		world_fail(w, "%s applied an unknown key of %s", n->name, x->name);
		return;
	}
	v = a->gone ? 0 : s.flow.mark;
	n->seen[x->index].trimmed |= !v && x->had[key].version;
	truth_shown(w, n, &n->seen[x->index], key, v);
	shown = &n->seen[x->index].key[key];
	if (w->mirror || x->twin)
		return;  /* the owner itself may read an older event late */
	if (x->engine && x->engine->base.epoch == x->reused_epoch)
		return;  /* messages of its former life may be under way, under the same numbers */
	if (a->gone) {
		check_removed(w, n, x, key, shown);
		return;
	}
	if (v < shown->last || v <= shown->above)
		world_fail(w, "I2: %s shows version %u of key %u of %s after %u (deleted %u)", n->name,
			   v, key, x->name, shown->last, shown->above);
	shown->last = v;
}

void check_applied(struct world *w, struct sim_node *n, uint32_t id,
		   const struct cts_applied *list, size_t len)
{
	struct sim_node *x = world_node(w, id);

	if (!x) {
		if (!w->renamed)
			world_fail(w, "%s applied records of a node that is none", n->name);
		return;
	}
	for (; len; list++, len--)
		check_one(w, n, x, list);
}

/* -- I4 -- */

static void check_bounds(struct world *w, struct sim_node *n)
{
	struct cts_engine *e = n->engine;
	const struct sender *s = &e->sender;
	struct peer *p;

	if (window_len(&s->window) > WINDOW_MESSAGES)
		world_fail(w, "I4: %s has %llu messages in its window", n->name,
			   (unsigned long long)window_len(&s->window));
	if (s->table.dirty.len + s->table.held_back.len > cts_cache_count(s->table.cache))
		world_fail(w, "I4: %s has more in its queue than in its cache", n->name);
	/* What was in a queue when it was deleted is beside the bound, in messages, too. */
	if (!n->limit_changed && s->table.tombstones > s->table.tombstones_max + s->table.limit)
		world_fail(w, "I4: %s has %llu tombstones", n->name,
			   (unsigned long long)s->table.tombstones);
	if (s->table.retransmit.len > s->table.retransmit.max)
		world_fail(w, "I4: %s has a retransmit queue beyond its end", n->name);
	peers_for_each(p, &e->peers) {
		const struct receiver *r = &p->recv;

		if (r->gaps.n > GAPS_MAX)
			world_fail(w, "I4: %s has %u gaps", n->name, r->gaps.n);
		if (r->replica.live > n->limit && !w->limited)
			world_fail(w, "I4: %s holds %llu live entries of a node, its limit is %zu",
				   n->name, (unsigned long long)r->replica.live, n->limit);
	}
}

/* -- I1, I3: digests -- */

static bool all_sent(const struct sender *s)
{
	return !table_waiting(&s->table) && !s->table.held_back.len && !s->unsent_n;
}

/* Does the replica hold what the owner has, but for orphans? NULL: yes. */
const char *replica_differs(struct sim_node *owner, struct sim_node *n)
{
	const struct peer *p = peers_find(&n->engine->peers, owner->id);
	const struct table *t = &owner->engine->sender.table;
	const struct replica *r = p ? &p->recv.replica : NULL;
	uint32_t ref = 0, found;
	size_t live = 0, have = 0, len, other_len;

	if (!p || p->epoch != owner->engine->base.epoch)
		return "it does not know it";
	while ((ref = cts_cache_next(t->cache, ref))) {
		const uint8_t *packed = cts_cache_data(t->cache, ref, &len), *other;

		if (!table_is_live(t, ref))
			continue;
		live++;
		found = r->cache ? cts_cache_find(r->cache, packed, cts_packed_key_len(packed, len)) : 0;
		if (!found)
			return "it lacks an entry";
		if (replica_is_orphan(r, cts_cache_entry(r->cache, found)))
			return "an entry is an orphan";
		other = cts_cache_data(r->cache, found, &other_len);
		if (other_len != len || memcmp(packed, other, len))
			return "an entry is not the same";
	}
	while (r->cache && (ref = cts_cache_next(r->cache, ref)))
		have += !replica_is_orphan(r, cts_cache_entry(r->cache, ref));
	return have == live ? NULL : "it has entries too many";
}

/* Has x waited for n's acknowledgements ever since its message seq, and n counted on it?
 * Else x may go on, and what n missed is found by comparison. */
static bool waited_for(const struct sim_node *x, const struct sim_node *n,
		       const struct receiver *r, uint64_t seq)
{
	const struct peers *ps = &x->engine->peers;
	const struct peer *p = peers_find(ps, n->id);

	return p && peer_in_window(p) && !r->detached && r->start <= seq &&
	       x->engine->sender.window.view[peer_index(ps, p)].start == r->start;
}

/*
 * Where digests are equal the replica is equal; and once it was, the stream and
 * its repairs keep it so: a later difference means a silent loss (I3), or a digest
 * that cries without need.
 */
static void check_digest(struct world *w, struct sim_node *n, struct peer *p, struct sim_node *x)
{
	struct seen *seen = &n->seen[x->index];
	const struct receiver *r = &p->recv;
	struct cts_engine *e = x->engine;
	const char *why;

	if (!e || e->base.epoch != p->epoch || x->twin || e->base.epoch == x->reused_epoch)
		return;
	if (r->equal_at && r->equal_at != seen->equal_at && r->equal_at != seen->former_at &&
	    e->sender.window.last == r->equal_at &&
	    r->high == r->equal_at && all_sent(&e->sender) && p->state != PEER_GONE &&
	    !r->replica.stale) {  /* those end in steps */
		why = replica_differs(x, n);
		if (why && !r->replica.refused)
			world_fail(w, "I1: %s took its replica of %s for equal: %s", n->name, x->name,
				   why);
	}
	if (seen->equal_started != x->started || seen->trimmed) {
		seen->equal_at = 0;  /* and x may be an older one of the same epoch */
		seen->former_at = r->equal_at;
	}
	if (w->trace && (seen->trimmed || r->equal_at != seen->equal_at || r->differs))
		printf("%10.3f ms  %s of %s: high %llu, equal at %llu%s%s\n", (double)w->now / 1e6,
		       n->name, x->name, (unsigned long long)r->high,
		       (unsigned long long)r->equal_at, r->differs ? ", differs" : "",
		       seen->trimmed ? ", trimmed" : "");
	seen->trimmed = false;
	if (r->differs && waited_for(x, n, r, seen->equal_at) && !w->asked && !w->limited && w->mode == CTS_MODE_FTFW &&
	    seen->equal_at && seen->equal_epoch == p->epoch && seen->equal_start == r->start &&
	    !e->base.st.tombstones_dropped && !n->engine->base.st.evicted)
		world_fail(w, "I3: %s was equal to %s at %llu and differs with nothing missing at %llu",
			   n->name, x->name, (unsigned long long)seen->equal_at,
			   (unsigned long long)r->high);
	seen->equal_at = r->equal_at == seen->former_at ? 0 : r->equal_at;
	seen->equal_epoch = p->epoch;
	seen->equal_started = x->started;
	seen->equal_start = r->start;
}

static void check_digests(struct world *w, struct sim_node *n)
{
	struct peer *p;

	peers_for_each(p, &n->engine->peers) {
		struct sim_node *x = world_node(w, p->id);

		if (x && p->recv.replica.cache)
			check_digest(w, n, p, x);
	}
}

/* -- orphans, members, takeover -- */

static void check_orphans(struct world *w, struct sim_node *n)
{
	const uint64_t late = SIM_PURGE_S * SECOND + 300 * MS;
	struct peer *p;

	peers_for_each(p, &n->engine->peers) {
		const struct replica *r = &p->recv.replica;

		if (r->orphans && w->now - r->orphan_ns > late && w->now > n->excused_until + late &&
		    w->now > w->tolerant_until)
			world_fail(w, "%s keeps %llu orphans of %s's former table", n->name,
				   (unsigned long long)r->orphans, p->name);
	}
}

/* Who is not on the list is not known; and who knows only such is believed by nobody. */
static void check_members(struct world *w, struct sim_node *n)
{
	bool known = node_known(w, n->index);
	struct peer *p;

	peers_for_each(p, &n->engine->peers) {
		struct sim_node *x = world_node(w, p->id);

		if (!x)
			continue;  /* it had another name */
		if (known && !node_known(w, x->index))
			world_fail(w, "%s knows %s, that is not on its list", n->name, x->name);
		if (!known && w->listed && (p->epoch || p->state > PEER_GONE))
			world_fail(w, "%s is not on %s's list and believes it", n->name, x->name);
	}
}

void check_node(struct world *w, struct sim_node *n)
{
	check_bounds(w, n);
	check_digests(w, n);
	check_orphans(w, n);
	check_members(w, n);
}

void check_newest(struct world *w, struct sim_node *n)
{
	unsigned int key, have, newest;
	uint8_t buf[CTS_PACK_KEY_MAX];
	struct cts_flow flow;
	struct peer *p;
	uint32_t ref;
	size_t len;

	for (key = 0; key < SIM_KEYS; key += 2) {
		kernel_flow(n, key, 0, &flow);
		len = cts_flow_pack_key(&flow, buf);
		have = newest = 0;
		peers_for_each(p, &n->engine->peers) {
			struct cts_cache *cache = p->recv.replica.cache;

			ref = cache ? cts_cache_find(cache, buf, len) : 0;
			have += ref != 0;
			newest += ref && cts_engine_newest(n->engine, p->id, ref);
		}
		if (have && newest != 1)
			world_fail(w, "%s: of %u replicas of key %u %u are the newest", n->name, have, key,
				   newest);
	}
}

void check_refresh(struct world *w, struct sim_node *n)
{
	const uint32_t late = SIM_REFRESH_S * CTS_AGE_HZ + CTS_AGE_HZ / 2;
	uint32_t ref, age = (uint32_t)(w->now / (SECOND / CTS_AGE_HZ));
	struct peer *p;

	peers_for_each(p, &n->engine->peers) {
		struct cts_cache *cache = p->recv.replica.cache;

		for (ref = 0; cache && p->state != PEER_GONE && (ref = cts_cache_next(cache, ref)); )
			if (age - cts_cache_entry(cache, ref)->next > late)
				world_fail(w, "%s received an entry %.2f s ago", n->name,
					   (age - cts_cache_entry(cache, ref)->next) /
						   (double)CTS_AGE_HZ);
	}
}

/* -- an idle cluster -- */

#define IDLE_MESSAGES_NODE 9u        /* a second: HELLO five times, digests, what they need */
#define IDLE_MESSAGES_PEER 2u
#define IDLE_BYTES_NODE 1500u
#define IDLE_BYTES_PEER 500u

static uint64_t sum(const uint64_t *list)
{
	uint64_t all = 0;
	unsigned int i;

	for (i = 0; i < 16; i++)
		all += list[i];
	return all;
}

void idle_begin(struct world *w)
{
	unsigned int i;

	for (i = 0; i < w->n_nodes; i++) {
		memset(w->node[i].sent_messages, 0, sizeof(w->node[i].sent_messages));
		memset(w->node[i].sent_bytes, 0, sizeof(w->node[i].sent_bytes));
	}
}

void idle_end(struct world *w, uint64_t began)
{
	uint64_t s = (w->now - began) / SECOND + 1, peers = w->n_nodes - 1;
	unsigned int i;

	for (i = 0; i < w->n_nodes; i++) {
		uint64_t messages = sum(w->node[i].sent_messages), bytes = sum(w->node[i].sent_bytes);

		if (!node_known(w, i))
			continue;  /* it asks who the others are, and gets no answer */

		if (messages > s * (IDLE_MESSAGES_NODE + IDLE_MESSAGES_PEER * peers) ||
		    bytes > s * (IDLE_BYTES_NODE + IDLE_BYTES_PEER * peers))
			world_fail(w, "%s sent %llu messages, %llu bytes in %llu s with nothing to say",
				   w->node[i].name, (unsigned long long)messages,
				   (unsigned long long)bytes, (unsigned long long)s);
	}
}
