/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Status against the truth. "P holds X's table" is so when each key is in P's replica of
 * X as it is in X's own cache, or was within the last second (a change takes time on
 * its way): for each key it is known since when P's has not been X's. Whoever says it of a
 * replica with a key that has been wrong for longer has said it for too long.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "core/sync/inspect.h"
#include "tests/sim/sim.h"

#define MS UINT64_C(1000000)
#define CHECK_NS (100 * MS)
#define WRONG_NS (1000 * MS)         /* status is never wrong for longer... */
#define SLACK_NS (250 * MS)          /* ... but for the turns that notice it */

static uint32_t own_version(struct sim_node *n, unsigned int key)
{
	uint8_t buf[CTS_PACK_KEY_MAX];
	struct cts_flow_store have;
	const uint8_t *packed;
	struct cts_flow f;
	uint32_t ref;
	size_t len;

	kernel_flow(n, key, 0, &f);
	len = cts_flow_pack_key(&f, buf);
	ref = cts_engine_find(n->engine, buf, len);
	if (!ref)
		return 0;
	packed = cts_cache_data(cts_engine_internal(n->engine), ref, &len);
	return cts_flow_unpack(packed, len, &have, NULL) < 0 ? 0 : have.flow.mark;
}

static void had_set(struct had *h, uint32_t version, uint64_t now)
{
	if (h->version == version)
		return;
	if (h->version) {
		h->left[h->next % SIM_LEFT].version = h->version;
		h->left[h->next % SIM_LEFT].until = now;
		h->next++;
	}
	if (!h->version || !version)
		h->since = now;
	h->version = version;
}

void truth_note(struct world *w, struct sim_node *n, unsigned int key)
{
	if (n->had && n->engine)
		had_set(&n->had[key], own_version(n, key), w->now);
}

void truth_shown(struct world *w, struct sim_node *n, struct seen *of, unsigned int key,
		 uint32_t version)
{
	(void)n;
	if (of->key[key].version == version)
		return;
	of->key[key].version = version;
	of->key[key].since = w->now;
}

void truth_forget(struct world *w, struct seen *of)
{
	unsigned int key;

	memset(of, 0, sizeof(*of));
	for (key = 0; key < SIM_KEYS; key++)
		of->key[key].since = w->now;
}

void truth_restart(struct world *w, struct sim_node *n)
{
	unsigned int key, i;

	if (!n->had)
		return;
	for (i = 0; i < w->n_nodes; i++)
		truth_forget(w, &n->seen[i]);
	for (key = 0; key < SIM_KEYS; key++)
		had_set(&n->had[key], 0, w->now);
}

void truth_look(struct world *w, struct sim_node *n, struct sim_node *x)
{
	struct cts_cache *cache = cts_engine_external(n->engine, x->id);
	struct cts_flow_store have;
	const uint8_t *packed;
	uint32_t ref = 0;
	size_t len;

	truth_forget(w, &n->seen[x->index]);
	while (cache && (ref = cts_cache_next(cache, ref))) {
		packed = cts_cache_data(cache, ref, &len);
		if (!cts_flow_unpack(packed, len, &have, NULL) && kernel_key(&have.flow) < SIM_KEYS)
			truth_shown(w, n, &n->seen[x->index], kernel_key(&have.flow),
				    have.flow.mark);
	}
}

/* Since when what is shown is not what the owner has; UINT64_MAX: it is. */
static uint64_t wrong_since(const struct had *h, const struct shown *s)
{
	uint64_t oldest = UINT64_MAX, until = 0;
	unsigned int i;

	if (h->version == s->version)
		return UINT64_MAX;
	if (!s->version)
		return h->since > s->since ? h->since : s->since;
	for (i = 0; i < SIM_LEFT; i++) {
		if (h->left[i].version == s->version && h->left[i].until > until)
			until = h->left[i].until;
		if (h->left[i].version && h->left[i].until < oldest)
			oldest = h->left[i].until;
	}
	if (until)
		return until;
	/* It was left before all that is remembered. */
	return oldest == UINT64_MAX ? s->since : oldest;
}

static uint64_t tolerance(const struct world *w)
{
	uint64_t young = w->min_age_ms ? w->min_age_ms * MS + SLACK_NS : 0;

	return WRONG_NS + SLACK_NS + 2 * net_delay_ns(&w->net) + young;
}

/* Is what p shows of a former table of x? */
static bool orphaned(struct sim_node *p, struct sim_node *x, unsigned int key)
{
	const struct peer *peer = peers_find(&p->engine->peers, x->id);
	const struct replica *r = peer ? &peer->recv.replica : NULL;
	uint8_t buf[CTS_PACK_KEY_MAX];
	struct cts_flow f;
	uint32_t ref;

	if (!r || !r->cache)
		return false;
	kernel_flow(x, key, 0, &f);
	ref = cts_cache_find(r->cache, buf, cts_flow_pack_key(&f, buf));
	return ref && replica_is_orphan(r, cts_cache_entry(r->cache, ref));
}

/* Is P's replica of X wrong for too long? Then the key, else SIM_KEYS. */
static unsigned int wrong_key(const struct world *w, struct sim_node *p, struct sim_node *x)
{
	uint64_t allowed = tolerance(w);
	unsigned int key;

	for (key = 0; key < SIM_KEYS; key++) {
		uint64_t since = wrong_since(&x->had[key], &p->seen[x->index].key[key]);

		if (since != UINT64_MAX && w->now - since > allowed && !orphaned(p, x, key))
			return key;
	}
	return SIM_KEYS;
}

static void compare(struct world *w, const struct sim_node *says, struct sim_node *p,
		    struct sim_node *x)
{
	unsigned int key = wrong_key(w, p, x);
	const struct shown *s;
	uint64_t since;

	if (key == SIM_KEYS)
		return;
	s = &p->seen[x->index].key[key];
	since = wrong_since(&x->had[key], s);
	world_fail(w, "status: %s says that %s holds %s's table, but key %u is %u there, not %u, for "
		   "%.2f s", says->name, p->name, x->name, key, s->version, x->had[key].version,
		   (double)(w->now - since) / 1e9);
}

/* What n says of node i. */
static void check_info(struct world *w, struct sim_node *n, const struct cts_node_info *info)
{
	struct sim_node *x = world_node(w, info->id);

	if (!x || x == n || x->twin || n->twin)
		return;
	if (info->in_sync != (!info->holds_mine && !info->held_here))
		world_fail(w, "status: %s contradicts itself on %s", n->name, x->name);
	if (!x->engine && w->now - x->stopped > tolerance(w) && info->in_sync)
		world_fail(w, "status: %s says that %s is in sync, which stopped %.2f s ago", n->name,
			   x->name, (double)(w->now - x->stopped) / 1e9);
	if (!x->engine)
		return;
	if (!info->holds_mine && (x->started != w->now || n->started != w->now))
		compare(w, n, x, n);
	if (!info->held_here)
		compare(w, n, n, x);
}

void truth_check(struct world *w)
{
	struct cts_node_info info[SIM_NODES + 1];
	unsigned int i;
	size_t k, len;

	w->check_ns = w->now + CHECK_NS;
	if (w->net.late_until > w->now || w->tolerant_until > w->now || w->mode != CTS_MODE_FTFW)
		return;
	for (i = 0; i < w->n_nodes; i++) {
		struct sim_node *n = &w->node[i];

		if (!node_running(w, n) || n->touched || n->excused_until > w->now)
			continue;
		len = cts_engine_nodes(n->engine, info, SIM_NODES + 1, w->now);
		for (k = 0; k < len; k++)
			if (!info[k].self)
				check_info(w, n, &info[k]);
	}
}
