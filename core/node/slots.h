/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Injected operations under way, by the number in their cookies, until the flush. */
#ifndef CTS_NODE_SLOTS_H
#define CTS_NODE_SLOTS_H

#include "core/node/work.h"

struct slot {
	uint32_t node, ref; /* the replica that was written; ref 0: nothing to answer */
	bool adopt;         /* it becomes this node's own when the kernel has it */
};

struct slots {
	unsigned int n;
	struct slot slot[STEP_ENTRIES];
};

static inline void slots_flush(struct slots *s, struct work *w)
{
	work_flush(w);
	s->n = 0;
}

/* Write the flow in hand for a replica. true: an operation was made. */
static inline bool slots_write(struct slots *s, struct work *w, enum cts_write_op op,
			       struct slot slot)
{
	if (s->n == STEP_ENTRIES)
		slots_flush(s, w);
	s->slot[s->n] = slot;
	return work_write(w, op, cookie(FOR_INJECT, 0, s->n++));
}

#endif
