/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Holds a follower's store against the kernel's table, in steps between reads of
 * events: the dump chunk by chunk, then the entries that it left open, one question
 * each. Questions of the follower between dumps are asked, too.
 *
 * The caller reads events, and all that were sent before a dump begins: what is older
 * than the dump must not come after its begin.
 */
#ifndef CTS_FOLLOW_RESYNC_H
#define CTS_FOLLOW_RESYNC_H

#include "core/follow/follow.h"
#include "core/kernel/events.h"

struct cts_resync_conf {
	/* What the kernel said, for the pipeline or cts_follow_consume(); lent. */
	cts_batch_fn push;
	/* A question without an answer: the store may be wrong until the next dump. May
	 * be NULL. */
	void (*failed)(void *ctx, int err);
	void *ctx;
	uint64_t (*now_ns)(void *ctx); /* the follower's clock */
};

enum cts_resync_state {
	CTS_RESYNC_IDLE,   /* nothing to do */
	CTS_RESYNC_BUSY,   /* call again */
	CTS_RESYNC_DONE,   /* with this step the store equals the table */
	CTS_RESYNC_BROKEN, /* the dump broke off, errno; what it lacks is verified */
};

struct cts_resync;
struct cts_resync *cts_resync_open(const struct cts_resync_conf *conf); /* NULL, errno */
void cts_resync_close(struct cts_resync *r);                            /* takes NULL */
/* Events of this port are ours: there are none, but filters like to know. */
uint32_t cts_resync_portid(const struct cts_resync *r);
/* Lent; before the first step. */
void cts_resync_set_follow(struct cts_resync *r, struct cts_follow *f);

/* The follower's question; with its ops. -1 and ENOBUFS: too many wait, a dump is
 * cheaper. */
int cts_resync_get(struct cts_resync *r, const struct cts_flow *key);
/* Begin a dump. 0, or -1 and errno; the store is verified all the same. */
int cts_resync_begin(struct cts_resync *r);
enum cts_resync_state cts_resync_step(struct cts_resync *r);
/* From begin() until DONE. */
bool cts_resync_running(const struct cts_resync *r);

struct cts_resync_stats {
	uint64_t done, broken; /* dumps */
	uint64_t answers;      /* to single questions */
	uint64_t malformed;    /* entries of dumps */
};
void cts_resync_get_stats(const struct cts_resync *r, struct cts_resync_stats *st);

#endif
