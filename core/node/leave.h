/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nodes that left. Their flows are in this kernel already (external cache off) and would
 * belong to nobody: who returns empty could not be sent them. So they become this node's
 * own. Of several nodes that stay, the one with the lowest id takes them at once, the
 * others, later, what was not taken. When the node is back and has a flow itself, as
 * after a restart of its daemon, the flow is its own alone again: what it ends, ends here.
 */
#ifndef CTS_NODE_LEAVE_H
#define CTS_NODE_LEAVE_H

#include "core/node/slots.h"

enum left_state { LEFT_GONE, LEFT_RETURNING, LEFT_BACK };

struct left {
	uint32_t node;
	enum left_state state;
	uint32_t at;     /* GONE: ref that the walk came to; BACK: in keys */
	uint64_t due_ns; /* GONE: when to go on, UINT64_MAX: all was taken */
	uint64_t taken;
	struct cts_cache *keys; /* owned: what was taken; NULL: nothing yet */
};

struct leave {
	unsigned int n;
	struct left left[CTS_NODES_MAX];
};

void leave_fini(struct leave *l);
void leave_peer_state(struct leave *l, struct work *w, uint32_t node, enum cts_peer_state state);
/* Has it left, and is not back yet? */
bool leave_has(const struct leave *l, uint32_t node);
/* The kernel has this flow of it, which becomes this node's own. */
void leave_taken(struct leave *l, const struct work *w, uint32_t node, const uint8_t *key,
		 size_t key_len);
/* true: more to do. */
bool leave_step(struct leave *l, struct work *w, struct slots *s);
uint64_t leave_deadline(const struct leave *l);

#endif
