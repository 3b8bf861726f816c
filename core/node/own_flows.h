/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The first filter of the pipeline: the sync links' own traffic is never looked at. */
#ifndef CTS_NODE_OWN_FLOWS_H
#define CTS_NODE_OWN_FLOWS_H

#include <ctsync/filter.h>
#include <ctsync/transport.h>

#define CTS_NODE_OWN_FLOWS_MAX 64u

struct cts_node_own_flows {
	struct cts_flow_pattern pattern[CTS_NODE_OWN_FLOWS_MAX];
	unsigned int n;
};

extern const struct cts_filter_ops cts_node_own_flows_filter; /* priv: struct cts_node_own_flows */

#endif
