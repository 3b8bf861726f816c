/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Injection (external cache off): what changes in a replica changes in this kernel at
 * once. The owner's kernel keeps a flow alive without an event, so entries here are
 * armed again before they run out.
 *
 * - A flow that passes both nodes (asymmetric routes) is known to both kernels in part:
 *   what they know is joined (join.h), in this kernel and under this node's name.
 * - The flows of a node that leaves become this node's own (leave.c).
 * - What the kernel refuses is remembered, said to the engine, and tried again when
 *   there is room (lack.c).
 */
#ifndef CTS_NODE_INJECT_H
#define CTS_NODE_INJECT_H

#include "core/node/lack.h"
#include "core/node/leave.h"
#include "core/node/slots.h"
#include "core/node/walk.h"
#include "core/node/work.h"

/* A change of a replica that waits to go into the kernel. */
struct change {
	uint32_t node;
	uint32_t ref; /* 0: gone, key says what */
	uint8_t key_len;
	uint8_t key[CTS_PACK_KEY_MAX];
};

struct inject {
	struct change *queue; /* owned; a ring */
	uint32_t at, len, size;
	struct slots slots;
	struct lack lack;
	struct leave leave;
	struct walk rearm;
	bool rearming;
	unsigned int round;
	uint64_t rearm_ns; /* when the next round begins */
};

int inject_init(struct inject *in, const struct work *w); /* 0, or -1 with ENOMEM */
void inject_fini(struct inject *in);
void inject_applied(struct inject *in, struct work *w, uint32_t node,
		    const struct cts_applied *list, size_t n);
void inject_peer_state(struct inject *in, struct work *w, uint32_t node, enum cts_peer_state state);
void inject_written(struct inject *in, struct work *w, uint64_t cookie, enum cts_write_class cls);
/* true: more to do. */
bool inject_step(struct inject *in, struct work *w);
uint64_t inject_deadline(const struct inject *in);

/* This kernel has flow, of which other nodes have replicas: does it know no more than
 * they do? Then the flow is theirs. */
bool inject_foreign(struct work *w, const uint8_t *key, size_t key_len,
		    const struct cts_flow *flow);
/* The kernel's entry becomes this node's own: packed, joined with what the newest replica
 * knows. Returns the length of joined, which may be more than the kernel has and then
 * goes there; above: the replica's version. 0: there is no replica, or nothing to join. */
size_t inject_join(struct inject *in, struct work *w, const uint8_t *packed, size_t len,
		   uint8_t joined[CTS_PACK_MAX], uint32_t *above);

#endif
