/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The invariants, looked at from outside and inside the engines. */
#include "config.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/sim.h"

static unsigned int node_index(const struct world *w, uint32_t id)
{
	unsigned int i;

	for (i = 0; i < w->n_nodes && w->node[i].id != id; i++)
		;
	return i;
}

/* I2: what is shown never gets older, and what is taken away was deleted. */
static void check_one(struct world *w, struct sim_node *n, unsigned int owner,
		      const struct cts_applied *a)
{
	struct cts_flow_store s;
	unsigned int key;
	struct shown *shown;
	uint32_t v;

	if (cts_flow_unpack(a->packed, a->len, &s, NULL) < 0) {
		world_fail(w, "%s applied a record of n%u that does not unpack", n->name, owner);
		return;
	}
	key = ntohs(s.flow.orig.sport) - 1024u;
	if (key >= SIM_KEYS) {
		world_fail(w, "%s applied an unknown key of n%u", n->name, owner);
		return;
	}
	if (w->mirror)
		return;  /* the owner itself may read an older event late */
	shown = &n->shown[owner][key];
	if (a->gone && (n->adopting || w->mode == CTS_MODE_ALARM))
		return;  /* it is this node's now; what was not told again expires */
	if (a->gone) {
		for (v = shown->last + 1; v <= w->node[owner].kernel[key].version; v++)
			if (cts_bitmap_get(w->node[owner].kernel[key].deleted, v))
				break;
		if (v > w->node[owner].kernel[key].version && w->small_limit)
			return;  /* the owner's own cache had no room for it */
		if (v > w->node[owner].kernel[key].version)
			world_fail(w, "I2: %s removed key %u of n%u, version %u, that was not deleted",
				   n->name, key, owner, shown->last);
		shown->above = v;
		return;
	}
	v = s.flow.mark;
	if (v < shown->last || v <= shown->above)
		world_fail(w, "I2: %s shows version %u of key %u of n%u after %u (deleted %u)", n->name,
			   v, key, owner, shown->last, shown->above);
	shown->last = v;
}

void check_applied(struct world *w, struct sim_node *n, uint32_t id,
		   const struct cts_applied *list, size_t len)
{
	unsigned int owner = node_index(w, id);

	if (owner == w->n_nodes) {
		world_fail(w, "%s applied records of a node that is none", n->name);
		return;
	}
	for (; len; list++, len--)
		check_one(w, n, owner, list);
}

/* I4 */
void check_bounds(struct world *w, struct sim_node *n)
{
	const struct owner *o = &n->engine->own;
	unsigned int i;

	if (o->last + 1 - o->lowest > RING_SIZE)
		world_fail(w, "I4: %s has %llu messages in its ring", n->name,
			   (unsigned long long)(o->last + 1 - o->lowest));
	if (o->dirty.len + o->young.len > cts_cache_count(o->cache))
		world_fail(w, "I4: %s has more in its queue than in its cache", n->name);
	for (i = 0; i < n->engine->n_nodes; i++) {
		const struct node *p = &n->engine->nodes[i];

		if (p->n_gaps > CTS_GAPS_MAX || p->n_ends > ENDS_MAX)
			world_fail(w, "I4: %s has %u gaps", n->name, p->n_gaps);
		if (p->cache && cts_cache_count(p->cache) > cts_cache_limit(p->cache))
			world_fail(w, "I4: %s holds more than its limit", n->name);
	}
}

/* Does the replica hold what the owner has, but for orphans? NULL: yes. */
static const char *replica_differs(struct sim_node *owner, struct node *p)
{
	struct cts_cache *own = owner->engine->own.cache;
	uint32_t ref = 0;
	size_t live = 0, have = 0, len, other_len;

	while ((ref = cts_cache_next(own, ref))) {
		const uint8_t *packed = cts_cache_data(own, ref, &len), *other;
		uint32_t found;

		if (cts_cache_entry(own, ref)->flags & F_DEAD)
			continue;
		live++;
		found = cts_cache_find(p->cache, packed, cts_packed_key_len(packed, len));
		if (!found)
			return "it lacks an entry";
		if (replica_orphan(p, cts_cache_entry(p->cache, found)))
			return "an entry is an orphan";
		other = cts_cache_data(p->cache, found, &other_len);
		if (other_len != len || memcmp(packed, other, len))
			return "an entry is not the same";
	}
	while ((ref = cts_cache_next(p->cache, ref)))
		have += !replica_orphan(p, cts_cache_entry(p->cache, ref));
	return have == live ? NULL : "it has entries too many";
}

static bool all_sent(const struct owner *o)
{
	return !o->dirty.len && !o->young.len && !o->urgent.waiting && !o->unsent_n;
}

/*
 * Where digests are equal the replica is equal; and once it was, the stream and
 * its repairs keep it so: a later difference means a silent loss (I3), or a digest
 * that cries without need.
 */
static void check_digest(struct world *w, struct sim_node *n, struct node *p, unsigned int owner)
{
	struct sim_node *x = &w->node[owner];
	const char *why;

	if (p->equal_at && p->equal_at != n->equal[owner].at && x->engine && !p->orphaned &&
	    x->engine->epoch == p->epoch && x->engine->own.last == p->equal_at &&
	    p->high == p->equal_at && all_sent(&x->engine->own)) {
		why = replica_differs(x, p);
		if (why && !p->refused)
			world_fail(w, "I1: %s took its replica of n%u for equal: %s", n->name, owner,
				   why);
	}
	if (p->need != NEED_NONE && !w->asked && !w->small_limit && n->equal[owner].at &&
	    n->equal[owner].epoch == p->epoch && n->equal[owner].join == p->my_join && x->engine &&
	    x->engine->epoch == p->epoch && !x->engine->st.dead_dropped)
		world_fail(w, "I3: %s was equal to n%u at %llu and differs with nothing missing at %llu",
			   n->name, owner, (unsigned long long)n->equal[owner].at,
			   (unsigned long long)p->high);
	if (p->equal_at && p->equal_at != n->equal[owner].at) {
		n->equal[owner].epoch = p->epoch;
		n->equal[owner].join = p->my_join;
		n->equal[owner].at = p->equal_at;
	}
	if (!p->equal_at)
		n->equal[owner].at = 0;
}

void check_digests(struct world *w, struct sim_node *n)
{
	unsigned int i;

	for (i = 0; i < n->engine->n_nodes; i++) {
		struct node *p = &n->engine->nodes[i];
		unsigned int owner = node_index(w, p->id);

		if (p->cache && p->epoch && owner < w->n_nodes)
			check_digest(w, n, p, owner);
	}
}

/* -- orphans, members, takeover -- */

void check_orphans(struct world *w, struct sim_node *n)
{
	const uint64_t wait = SIM_PURGE_S * 1000 * MS, late = wait + 300 * MS;
	unsigned int i, x;

	for (i = 0; i < n->engine->n_nodes; i++) {
		const struct node *p = &n->engine->nodes[i];
		uint64_t count = p->cache ? cts_cache_count(p->cache) - p->n_orphan : 0;

		x = node_index(w, p->id);
		if (x == w->n_nodes || !p->cache)
			continue;
		if (p->n_orphan && !p->orphaned && w->now - p->orphan_ns > late)
			world_fail(w, "%s keeps orphans of n%u's former table", n->name, x);
		if (!p->orphaned) {
			n->left[x].left_ns = 0;
			continue;
		}
		if (count && w->now - p->left_ns > late && w->now - p->last_heard_ns > late)
			world_fail(w, "%s keeps %llu orphans of n%u", n->name, (unsigned long long)count, x);
		if (n->left[x].left_ns == p->left_ns && n->left[x].heard == p->recv_messages &&
		    n->left[x].high == p->high && w->mode != CTS_MODE_ALARM && w->now - p->left_ns < wait &&
		    n->left[x].count != count)
			world_fail(w, "%s had %llu orphans of n%u, and has %llu too early", n->name,
				   (unsigned long long)n->left[x].count, x, (unsigned long long)count);
		n->left[x].left_ns = p->left_ns;
		n->left[x].heard = p->recv_messages;
		n->left[x].high = p->high;   /* what was held for order is applied later */
		n->left[x].count = count;
	}
}

/* Who is not on the list is not known; and who knows only such is believed by nobody. */
void check_members(struct world *w, struct sim_node *n)
{
	bool known = node_known(w, (unsigned int)(n - w->node));
	unsigned int i;

	for (i = 0; i < n->engine->n_nodes; i++) {
		const struct node *p = &n->engine->nodes[i];
		unsigned int x = node_index(w, p->id);

		if (x == w->n_nodes)
			world_fail(w, "%s knows a node that is none", n->name);
		else if (known && !node_known(w, x))
			world_fail(w, "%s knows n%u, that is not on its list", n->name, x);
		else if (!known && (p->epoch || p->cache || p->state != CTS_PEER_DOWN))
			world_fail(w, "%s is not on n%u's list and believes it", n->name, x);
	}
}

void check_newest(struct world *w, struct sim_node *n)
{
	unsigned int key, x, have, newest;
	uint8_t buf[CTS_PACK_KEY_MAX];
	struct cts_cache *cache;
	struct cts_flow flow;
	uint32_t ref;
	size_t len;

	for (key = 0; key < SIM_KEYS; key += 2) {
		kernel_flow(w, n, key, 0, &flow);
		len = cts_flow_pack_key(&flow, buf);
		for (x = have = newest = 0; x < w->n_nodes; x++) {
			cache = &w->node[x] == n ? NULL : cts_engine_external(n->engine, w->node[x].id);
			ref = cache ? cts_cache_find(cache, buf, len) : 0;
			have += ref != 0;
			newest += ref && cts_engine_newest(n->engine, w->node[x].id, ref);
		}
		if (have && newest != 1)
			world_fail(w, "%s: of %u replicas of key %u %u are the newest", n->name, have, key,
				   newest);
	}
}

void check_refresh(struct world *w, struct sim_node *n)
{
	const uint32_t late = SIM_REFRESH_S * CTS_AGE_HZ + CTS_AGE_HZ / 2;
	unsigned int i;
	uint32_t ref;

	for (i = 0; i < n->engine->n_nodes; i++) {
		struct cts_cache *cache = n->engine->nodes[i].cache;

		for (ref = 0; cache && (ref = cts_cache_next(cache, ref)); )
			if (engine_age(w->now) - cts_cache_entry(cache, ref)->next > late)
				world_fail(w, "%s was told of an entry %.2f s ago", n->name,
					   (engine_age(w->now) - cts_cache_entry(cache, ref)->next) /
						   (double)CTS_AGE_HZ);
	}
}

/* I0, as far as the model goes: the cache holds what the kernel has. */
static size_t kernel_count(const struct sim_node *n)
{
	size_t count = 0;
	unsigned int key;

	for (key = 0; key < SIM_KEYS; key++)
		count += n->kernel[key].exists;
	return count;
}

/* With a mirror: each entry as the kernel has it, not only as many. */
bool mirror_right(struct world *w, struct sim_node *n, char why[256])
{
	struct cts_flow_store have;
	uint8_t key[CTS_PACK_KEY_MAX];
	struct cts_flow flow;
	const uint8_t *packed;
	unsigned int i;
	uint32_t ref;
	size_t len;

	for (i = 0; i < SIM_KEYS; i++) {
		kernel_flow(w, n, i, n->kernel[i].version, &flow);
		len = cts_flow_pack_key(&flow, key);
		ref = cts_engine_find(n->engine, key, len);
		packed = ref ? cts_cache_data(n->engine->own.cache, ref, &len) : NULL;
		if (!ref != !n->kernel[i].exists ||
		    (ref && (cts_flow_unpack(packed, len, &have, NULL) < 0 ||
			     have.flow.mark != flow.mark || have.flow.status != flow.status))) {
			snprintf(why, 256, "I0: %s: key %u is not as in the kernel", n->name, i);
			return false;
		}
	}
	return true;
}

static bool pair_converged(struct world *w, struct sim_node *n, unsigned int owner, char why[256])
{
	struct sim_node *x = &w->node[owner];
	struct node *p = engine_node(n->engine, x->id);
	const char *differs;

	if (!p || !p->cache || p->epoch != x->engine->epoch) {
		snprintf(why, 256, "I1: %s does not know n%u", n->name, owner);
		return false;
	}
	if (kernel_count(x) * 100 >= cts_cache_limit(p->cache) * 80)
		return p->n_gaps == 0;  /* more than it may hold */
	differs = replica_differs(x, p);
	if (!differs && p->orphan_gen && p->n_orphan)
		differs = "orphans are not purged";
	if (!differs && w->mode == CTS_MODE_FTFW && (p->state != CTS_PEER_SYNCED || !p->equal_at || p->n_gaps ||
			 p->need != NEED_NONE))
		differs = "it is not in sync";
	if (differs)
		snprintf(why, 256, "I1: %s, replica of n%u: %s (state %u, %u gaps, high %llu of %llu, "
			 "need %u, live %llu, stale %llu, refused %llu)",
			 n->name, owner, differs, p->state, p->n_gaps,
			 (unsigned long long)p->high, (unsigned long long)x->engine->own.last, p->need,
			 (unsigned long long)p->n_live, (unsigned long long)p->n_stale,
			 (unsigned long long)p->refused);
	return !differs;
}

bool converged(struct world *w, char why[256])
{
	unsigned int i, j;

	for (i = 0; i < w->n_nodes; i++) {
		struct sim_node *n = &w->node[i];
		const struct owner *o = &n->engine->own;

		if (kernel_count(n) * 100 < cts_cache_limit(o->cache) * 80 &&
		    cts_cache_count(o->cache) - o->dead != kernel_count(n)) {
			snprintf(why, 256, "I0: %s has %zu of %zu entries", n->name,
				 cts_cache_count(o->cache) - (size_t)o->dead, kernel_count(n));
			return false;
		}
		if (w->mirror && (kernel_busy(n) || (!w->small_limit && !mirror_right(w, n, why))))
			return false;
		for (j = 0; j < w->n_nodes; j++)
			if (i != j && node_known(w, i) && node_known(w, j) && !pair_converged(w, n, j, why))
				return false;
	}
	return true;
}
