/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The first filter of the pipeline: the sync links' own traffic is never looked at. */
#ifndef CONNTRACKD_OWN_FLOWS_H
#define CONNTRACKD_OWN_FLOWS_H

#include <ctsync/filter.h>

#define OWN_FLOWS_MAX 64u

struct own_flows {
	struct cts_tuple pattern[OWN_FLOWS_MAX];   /* zero members match anything */
	unsigned int n;
};

extern const struct cts_filter_ops own_flows_filter;   /* priv: struct own_flows */

#endif
