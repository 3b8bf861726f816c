/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this node's kernel should hold for others and does not: the table was full, or
 * another entry is in the way. It is said once, peers and status see it
 * (cts_engine_set_lacking()), and it is tried again, seldom while nothing changes.
 */
#ifndef CTS_NODE_LACK_H
#define CTS_NODE_LACK_H

#include "core/node/slots.h"

struct lack {
	struct cts_cache *keys; /* owned; NULL: nothing was ever refused */
	uint32_t at;            /* where the running attempt is */
	bool trying;
	uint64_t try_ns, wait_ns; /* when it is tried again, and how long that was */
	size_t before;            /* how many there were when the attempt began */
	uint64_t said;            /* to the engine */
};

void lack_fini(struct lack *l);
size_t lack_count(const struct lack *l);
/* The kernel has refused the entry with this key. */
void lack_add(struct lack *l, const struct work *w, const uint8_t *key, size_t key_len);
/* It has it now, or nobody has it any more. */
void lack_remove(struct lack *l, const uint8_t *key, size_t key_len);
/* A bounded piece of an attempt; adopt(): are the flows of this node to become ours?
 * true: more to do at once. */
bool lack_step(struct lack *l, struct work *w, struct slots *s,
	       bool (*adopt)(void *ctx, uint32_t node), void *ctx);
/* Tell the engine and the log how many there are, if that changed. */
void lack_tell(struct lack *l, struct work *w);
uint64_t lack_deadline(const struct lack *l);

#endif
