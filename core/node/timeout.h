/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long a flow lives that this node takes over from its owner. */
#ifndef CTS_NODE_TIMEOUT_H
#define CTS_NODE_TIMEOUT_H

#include "core/node/work.h"

/* An owner's silence about a flow means that it lives: its age counts only from when
 * the owner itself was last received from. Milliseconds since then. */
uint64_t owner_absent_ms(const struct cts_node_info *owner, uint64_t now_ns);
/* The timeout of the flow in hand, absent_ms after its owner was last received from. */
void taken_over_timeout(struct work *w, uint64_t absent_ms);

#endif
