/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How this node stands in the cluster: what --status and --eligible say. */
#ifndef CTS_NODE_HEALTH_H
#define CTS_NODE_HEALTH_H

#include "core/node/node.h"

struct cts_node_health {
	struct cts_node_info node[CTS_NODES_MAX + 1];
	size_t n;
	size_t peers, in_sync;
	size_t missing; /* listed in sync.nodes, never received from */
	struct cts_node_reader_stats reader;
	const char *role, *state;
	const char *why_not;     /* this node should not take over; NULL: it may */
	int code;                /* 0: in sync, 1: degraded, 2: not in sync */
	bool link_up, link_down; /* one at least */
};

void cts_node_get_health(struct cts_node *n, struct cts_node_health *h);

#endif
