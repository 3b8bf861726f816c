/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What two kernels know of one flow, put together: of TCP and SCTP the furthest state,
 * of what is only ever set all that either has set, of the rest what stands under the
 * higher version. Two nodes that send each other what they joined come to rest: who
 * knows all that it is sent learns nothing, and says nothing.
 */
#ifndef CTS_NODE_JOIN_H
#define CTS_NODE_JOIN_H

#include "core/flow/pack.h"

/* other onto into. order: of other's version against into's, as strcmp() does. true:
 * into has learned something. Timeouts are no knowledge; that of a state goes with it. */
bool join_flows(struct cts_flow_store *into, const struct cts_flow *other, int order);

#endif
