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
void cts_mirror_destroy(struct cts_mirror *m); /* takes NULL */
struct cts_follow *cts_mirror_follow(struct cts_mirror *m);
/* The kernel has an entry that this node does not own yet: what others know of it comes
 * with it. Writes packed, joined with that, and its version, above which the entry's
 * becomes; returns the length, 0: nobody else knows it. */
void cts_mirror_set_join(struct cts_mirror *m,
			 size_t (*join)(void *ctx, const uint8_t *packed, size_t len,
					uint8_t joined[CTS_PACK_MAX], uint32_t *above),
			 void *ctx);

#endif
