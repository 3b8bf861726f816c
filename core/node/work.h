/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the jobs share: whom they work for, the time, and the flow in hand. */
#ifndef CTS_NODE_WORK_H
#define CTS_NODE_WORK_H

#include "core/flow/pack.h"
#include "core/node/takeover.h"

#define STEP_ENTRIES 512u /* kernel operations a step: 1 to 2 ms */
#define STEP_LOOK 8192u   /* entries a step that need no operation */

/* What an operation was for: the first four bits of its cookie. */
enum work_for { FOR_COMMIT, FOR_PURGE, FOR_INJECT };

struct work {
	struct cts_takeover_conf conf;
	uint64_t now;                /* CLOCK_MONOTONIC, of this call */
	struct cts_flow_store store; /* the flow in hand */
};

static inline uint64_t cookie(enum work_for what, size_t node, uint32_t ref)
{
	return (uint64_t)what << 60 | (uint64_t)node << 32 | ref;
}

static inline enum work_for cookie_for(uint64_t c)
{
	return (enum work_for)(c >> 60);
}

static inline size_t cookie_node(uint64_t c)
{
	return c >> 32 & 0xfffffff;
}

/* The kernel's entry of the flow in hand is to change. true: an operation was made. */
static inline bool work_write(struct work *w, enum cts_write_op op, uint64_t c)
{
	return w->conf.kernel->add(w->conf.ctx, op, &w->store.flow, c) == 0;
}

static inline void work_flush(struct work *w)
{
	w->conf.kernel->flush(w->conf.ctx);
}

/* Take the entry in hand. false: there is none. */
static inline bool work_unpack(struct work *w, struct cts_cache *cache, uint32_t ref)
{
	size_t len;
	const uint8_t *data = cts_cache_data(cache, ref, &len);

	return data && cts_flow_unpack(data, len, &w->store, NULL) == 0;
}

/* Does the kernel hold the entry after this answer? */
static inline bool work_in_kernel(enum cts_write_class cls)
{
	return cls == CTS_WRITE_CREATED || cls == CTS_WRITE_UPDATED || cls == CTS_WRITE_NO_MASTER ||
	       cls == CTS_WRITE_NO_HELPER || cls == CTS_WRITE_NO_STATUS;
}

#endif
