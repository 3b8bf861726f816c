/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Does everything agree: kernels, own caches, replicas, and what is said of them? */
#include "config.h"

#include <stdio.h>

#include "core/sync/inspect.h"
#include "tests/sim/sim.h"

/* I0, as far as the model goes: the cache holds what the kernel has. */
static size_t kernel_count(const struct sim_node *n)
{
	size_t count = 0;
	unsigned int key;

	for (key = 0; key < SIM_KEYS; key++)
		count += n->kernel[key].exists && !n->kernel[key].refused;
	return count;
}

/* With a mirror: each entry as the kernel has it, not only as many. */
bool mirror_right(struct world *w, struct sim_node *n, char why[FAILURE_LEN])
{
	struct cts_cache *cache = cts_engine_internal(n->engine);
	struct cts_flow_store have;
	uint8_t key[CTS_PACK_KEY_MAX];
	struct cts_flow flow;
	const uint8_t *packed;
	unsigned int i;
	uint32_t ref;
	size_t len;

	(void)w;
	for (i = 0; i < SIM_KEYS; i++) {
		kernel_flow(n, i, n->kernel[i].version, &flow);
		len = cts_flow_pack_key(&flow, key);
		ref = cts_engine_find(n->engine, key, len);
		packed = ref ? cts_cache_data(cache, ref, &len) : NULL;
		if (!ref != !(n->kernel[i].exists && !n->kernel[i].refused) ||
		    (ref && (cts_flow_unpack(packed, len, &have, NULL) < 0 ||
			     have.flow.mark != flow.mark || have.flow.status != flow.status))) {
			snprintf(why, FAILURE_LEN, "I0: %s: key %u is not as in the kernel", n->name, i);
			return false;
		}
	}
	return true;
}

static const char *pair_differs(struct world *w, struct sim_node *n, struct sim_node *x,
				const struct peer *p)
{
	const char *differs = replica_differs(x, n);
	struct cts_node_info info[SIM_NODES + 1];
	size_t i, len;

	if (differs)
		return differs;
	if (p->recv.replica.orphans)
		return "orphans are not purged";
	len = cts_engine_nodes(n->engine, info, SIM_NODES + 1, w->now);
	for (i = 0; i < len; i++)
		if (info[i].id == x->id && !info[i].self)
			return info[i].in_sync || w->mode == CTS_MODE_NOTRACK ? NULL :
			       info[i].holds_mine ? info[i].holds_mine : info[i].held_here;
	return "it is not in the list";
}

static bool pair_converged(struct world *w, struct sim_node *n, struct sim_node *x,
			   char why[FAILURE_LEN])
{
	const struct peer *p = peers_find(&n->engine->peers, x->id);
	const char *differs;

	if (!p || p->epoch != x->engine->base.epoch) {
		snprintf(why, FAILURE_LEN, "I1: %s does not know %s", n->name, x->name);
		return false;
	}
	differs = pair_differs(w, n, x, p);
	if (differs)
		snprintf(why, FAILURE_LEN, "I1: %s, replica of %s: %s (%s, %u gaps, start %llu, high %llu of "
			 "%llu, window from %llu, %u to resend, compare %d, live %llu, stale %llu, "
			 "orphans %llu, refused %llu)",
			 n->name, x->name, differs, peer_state_name(p->state), p->recv.gaps.n,
			 (unsigned long long)p->recv.start, (unsigned long long)p->recv.high,
			 (unsigned long long)x->engine->sender.window.last,
			 (unsigned long long)x->engine->sender.window.lowest,
			 x->engine->sender.table.retransmit.waiting, p->recv.compare.state,
			 (unsigned long long)p->recv.replica.live,
			 (unsigned long long)p->recv.replica.stale,
			 (unsigned long long)p->recv.replica.orphans,
			 (unsigned long long)p->recv.replica.refused);
	return !differs;
}

static bool node_converged(struct world *w, struct sim_node *n, char why[FAILURE_LEN])
{
	const struct table *t = &n->engine->sender.table;

	if (table_live(t) != kernel_count(n)) {
		snprintf(why, FAILURE_LEN, "I0: %s has %llu of %zu entries", n->name,
			 (unsigned long long)table_live(t), kernel_count(n));
		return false;
	}
	return !w->mirror || (!kernel_busy(n) && mirror_right(w, n, why));
}

bool converged(struct world *w, char why[FAILURE_LEN])
{
	unsigned int i, j;

	for (i = 0; i < w->n_nodes; i++) {
		struct sim_node *n = &w->node[i];

		if (!node_converged(w, n, why))
			return false;
		for (j = 0; j < w->n_nodes; j++)
			if (i != j && node_known(w, i) && node_known(w, j) &&
			    !pair_converged(w, n, &w->node[j], why))
				return false;
	}
	return true;
}
