/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nodes that left. Their flows are in this kernel already (external cache off) and would
 * belong to nobody: who returns empty could not be sent them. So they become this node's
 * own. Of several nodes that stay, the one with the lowest id takes them at once, the
 * others, later, what was not taken.
 */
#ifndef CTS_NODE_LEAVE_H
#define CTS_NODE_LEAVE_H

#include "core/node/slots.h"

struct left {
	uint32_t node;
	uint32_t at;               /* ref that the walk came to */
	uint64_t due_ns;           /* UINT64_MAX: all was taken */
	uint64_t taken;
};

struct leave {
	unsigned int n;
	struct left left[CTS_NODES_MAX];
};

void leave_peer_state(struct leave *l, struct work *w, uint32_t node, enum cts_peer_state state);
bool leave_has(const struct leave *l, uint32_t node);
/* true: more to do. */
bool leave_step(struct leave *l, struct work *w, struct slots *s);
uint64_t leave_deadline(const struct leave *l);

#endif
