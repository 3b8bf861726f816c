/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The mirror: a table follower (core/follow/follow.h) whose store is the engine's
 * internal cache, so that what the local kernel has is what peers are sent.
 */
#ifndef CTS_NODE_MIRROR_H
#define CTS_NODE_MIRROR_H

#include "core/follow/follow.h"
#include "core/sync/engine.h"

struct cts_mirror;
/* ops are copied; ctx is theirs. NULL, errno. */
struct cts_mirror *cts_mirror_create(struct cts_engine *engine, const struct cts_follow_ops *ops,
				     void *ctx);
void cts_mirror_destroy(struct cts_mirror *m);   /* takes NULL */
struct cts_follow *cts_mirror_follow(struct cts_mirror *m);
/* The kernel has an entry that this node does not own yet: what others know of it comes
 * with it. Writes packed, joined with that, and its version, above which the entry's
 * becomes; returns the length, 0: nobody else knows it. */
void cts_mirror_set_join(struct cts_mirror *m,
			 size_t (*join)(void *ctx, const uint8_t *packed, size_t len,
					uint8_t joined[CTS_PACK_MAX], uint32_t *above),
			 void *ctx);

/* The names that callers know. */
#define cts_mirror_ops cts_follow_ops

static inline void cts_mirror_consume(struct cts_mirror *m, const struct cts_batch *batch,
				      uint64_t now_ns)
{
	cts_follow_consume(cts_mirror_follow(m), batch, now_ns);
}

static inline void cts_mirror_absent(struct cts_mirror *m, const struct cts_flow *key,
				     uint64_t now_ns)
{
	cts_follow_absent(cts_mirror_follow(m), key, now_ns);
}

static inline void cts_mirror_dump_begin(struct cts_mirror *m, uint64_t now_ns)
{
	cts_follow_dump_begin(cts_mirror_follow(m));
}

static inline void cts_mirror_dump_end(struct cts_mirror *m, bool complete, uint64_t now_ns)
{
	cts_follow_dump_end(cts_mirror_follow(m));
}

static inline bool cts_mirror_settle(struct cts_mirror *m, unsigned int max, uint64_t now_ns)
{
	return cts_follow_verify(cts_mirror_follow(m), max);
}

static inline bool cts_mirror_busy(struct cts_mirror *m)
{
	return cts_follow_busy(cts_mirror_follow(m));
}

#endif
