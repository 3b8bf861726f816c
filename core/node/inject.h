/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Injection (external cache off): what changes in a replica changes in this kernel at
 * once. The owner's kernel keeps a flow alive without an event, so entries here are
 * armed again before they run out.
 */
#ifndef CTS_NODE_INJECT_H
#define CTS_NODE_INJECT_H

#include "core/node/walk.h"
#include "core/node/work.h"

/* A change of a replica that waits to go into the kernel. */
struct change {
	uint32_t node;
	uint32_t ref;              /* 0: gone, key says what */
	uint8_t key_len;
	uint8_t key[CTS_PACK_KEY_MAX];
};

struct inject {
	struct change *queue;      /* owned; a ring */
	uint32_t at, len;
	struct walk rearm;
	bool rearming;
	unsigned int round;
	uint64_t rearm_ns;         /* when the next round begins */
};

int inject_init(struct inject *in, uint64_t now_ns);   /* 0, or -1 with ENOMEM */
void inject_fini(struct inject *in);
void inject_applied(struct inject *in, struct work *w, uint32_t node,
		    const struct cts_applied *list, size_t n);
/* true: more to do. */
bool inject_step(struct inject *in, struct work *w);

#endif
