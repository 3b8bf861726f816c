/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table follower keeps invariant I0: when kernel events stop, a store equals the
 * kernel's table, as far as the filters let it. It merges partial events into whole
 * entries and dumps with live events, and asks for single entries where an event says
 * too little. The daemon's internal cache (core/node/mirror.h) and what `conntrack -E
 * --resync` knows of the table are such stores.
 *
 * No socket inside: core/follow/resync.h, the tests and the simulation carry out what
 * it asks for.
 */
#ifndef CTS_FOLLOW_FOLLOW_H
#define CTS_FOLLOW_FOLLOW_H

#include <ctsync/event.h>

#include "core/flow/pack.h"
#include "core/sync/store/cache.h"

/* What becomes of one key. */
struct cts_change {
	uint32_t ref;                /* what the store's cache has under it, 0: nothing */
	uint32_t hash;               /* of the key, in that cache */
	uint32_t mark;               /* for the entry's aux, which is the follower's */
	uint8_t len;                 /* of packed; 0: the entry is gone, and ref is not 0 */
	const struct cts_event *ev;  /* lent: origin KERNEL, or DUMP; NULL: asked for, and gone */
	const struct cts_flow *flow; /* lent: the whole entry; gone: not meant */
	uint8_t packed[CTS_PACK_MAX];
};

struct cts_store_ops {
	/* Carry out n changes, each of another key, and set aux of what is there then;
	 * with conf.ids also seq, to the kernel's id where the flow has it. */
	void (*apply)(void *ctx, const struct cts_change *list, size_t n, uint64_t now_ns);
	/* ref[i] becomes 0 where the entry is dead already and only waits to be freed.
	 * NULL: there are none. */
	void (*drop_dead)(void *ctx, uint32_t *ref, size_t n);
};

struct cts_follow_ops {
	/* Ask the kernel for one entry; key's original tuple and zones say which. Its
	 * answer comes as an event with origin DUMP and type UPDATE through
	 * cts_follow_consume(), or as cts_follow_absent(). (Entries of a dump have type
	 * NEW: they may be older than events that were read.) */
	void (*get)(void *ctx, const struct cts_flow *key);
	/* Was this entry put into the kernel for another node and not taken over by local
	 * traffic? Then a dump's entry is not ours. flow is what the dump says of it. NULL:
	 * never. */
	bool (*foreign)(void *ctx, const uint8_t *key, size_t key_len, const struct cts_flow *flow);
};

struct cts_follow_conf {
	struct cts_cache *cache; /* lent: the store's entries, packed */
	const struct cts_store_ops *store;
	void *store_ctx;
	const struct cts_follow_ops *ops;
	void *ctx;             /* of ops */
	uint64_t attrs;        /* CTS_FLOW_BIT()s that are followed */
	uint32_t status_local; /* IPS_* that say nothing to who reads the store */
	bool zero_is_absent;   /* of mark and labels */
	bool ids;              /* seq of an entry is the kernel's id, 0: not known */
};

struct cts_follow;
struct cts_follow *cts_follow_create(const struct cts_follow_conf *conf); /* NULL, errno */
void cts_follow_destroy(struct cts_follow *f);                            /* takes NULL */

/* A batch of the pipeline, drop bits set by filters; origins KERNEL and DUMP. */
void cts_follow_consume(struct cts_follow *f, const struct cts_batch *batch, uint64_t now_ns);
void cts_follow_absent(struct cts_follow *f, const struct cts_flow *key, uint64_t now_ns);

/* A dump of the whole table: begin before its first byte is asked for. After a loss of
 * events first hand on all that the kernel sent before: an event that is older than
 * the dump, but comes after its begin, is taken for news. */
void cts_follow_dump_begin(struct cts_follow *f);
/* Whether it was complete or not: every key that it lacks is asked for. */
void cts_follow_dump_end(struct cts_follow *f);
/* After the end: asks (ops.get) for keys neither dumped nor touched by events, at most
 * max a call. true: more to do. */
bool cts_follow_verify(struct cts_follow *f, unsigned int max);
bool cts_follow_busy(const struct cts_follow *f);

struct cts_follow_stats {
	uint64_t events, merged, unchanged, refused, unknown_destroy, gets, dumps, repaired_missing,
		repaired_stale;
};
const struct cts_follow_stats *cts_follow_stats(const struct cts_follow *f);

#endif
