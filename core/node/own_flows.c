/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <string.h>

#include "core/node/own_flows.h"

static bool addr_matches(const union cts_addr *want, const union cts_addr *have)
{
	static const union cts_addr any;

	return memcmp(want, &any, sizeof(any)) == 0 || memcmp(want, have, sizeof(any)) == 0;
}

static bool matches(const struct cts_flow_pattern *p, const struct cts_tuple *t)
{
	return (!p->proto || p->proto == t->proto) && (!p->dport || p->dport == t->dport) &&
	       (!p->sport || p->sport == t->sport) && (!p->family || p->family == t->family) &&
	       addr_matches(&p->src, &t->src) && addr_matches(&p->dst, &t->dst);
}

static void own_flows_apply(void *priv, const struct cts_batch *batch)
{
	const struct cts_node_own_flows *own = priv;
	const struct cts_event *ev;
	size_t i;

	if (own->n == 0)
		return;
	cts_batch_for_each (i, ev, batch)
		for (unsigned int k = 0; ev->flow && k < own->n; k++)
			if (matches(&own->pattern[k], &ev->flow->orig)) {
				cts_batch_drop(batch, i);
				break;
			}
}

/* Not a module: the daemon adds it by itself. */
const struct cts_filter_ops cts_node_own_flows_filter = {
	.plugin = CTS_PLUGIN(CTS_KIND_FILTER, struct cts_filter_ops, "own-flows", PACKAGE_VERSION,
			     "ignores the sync links' own traffic", NULL),
	.apply = own_flows_apply,
};
