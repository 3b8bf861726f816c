/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The mirror keeps invariant I0: when kernel events stop, the internal cache equals
 * the kernel's table, as far as the filters let it. It merges partial events into
 * whole entries and dumps with live events, and asks for single entries where an
 * event says too little. No socket inside: the daemon and the simulation carry
 * out what it asks for.
 */
#ifndef CTS_SYNC_MIRROR_H
#define CTS_SYNC_MIRROR_H

#include <ctsync/event.h>

#include "core/sync/engine.h"

struct cts_mirror_ops {
	/* Ask the kernel for one entry; key's original tuple and zones say which.
	 * Its answer comes as an event with origin DUMP and type UPDATE through
	 * cts_mirror_consume(), or as cts_mirror_absent(). (Entries of a dump have
	 * type NEW: they may be older than events that were read.) */
	void (*get)(void *ctx, const struct cts_flow *key);
	/* Was this key put into the kernel for another node (external cache off) and
	 * not taken over by local traffic? Then a dump's entry is not ours. NULL: never. */
	bool (*foreign)(void *ctx, const uint8_t *key, size_t key_len);
};

struct cts_mirror;
struct cts_mirror *cts_mirror_create(struct cts_engine *engine, const struct cts_mirror_ops *ops,
				     void *ctx);
void cts_mirror_destroy(struct cts_mirror *m);

/* A batch of the pipeline, drop bits set by filters; origins KERNEL and DUMP. */
void cts_mirror_consume(struct cts_mirror *m, const struct cts_batch *batch, uint64_t now_ns);
void cts_mirror_absent(struct cts_mirror *m, const struct cts_flow *key, uint64_t now_ns);

/* A dump of the whole table: begin before its first byte is asked for. After a loss of
 * events first hand on all that the kernel told before: an event that is older than
 * the dump, but comes after its begin, is taken for news. */
void cts_mirror_dump_begin(struct cts_mirror *m, uint64_t now_ns);
void cts_mirror_dump_end(struct cts_mirror *m, bool complete, uint64_t now_ns);
/* After the end: asks (ops.get) for keys neither dumped nor touched, at most max a
 * call. true: more to do. */
bool cts_mirror_settle(struct cts_mirror *m, unsigned int max, uint64_t now_ns);
bool cts_mirror_busy(const struct cts_mirror *m);

struct cts_mirror_stats {
	uint64_t events, merged, unchanged, refused, unknown_destroy, gets, dumps, repaired_missing,
		 repaired_stale, repaired_changed;
};
void cts_mirror_get_stats(const struct cts_mirror *m, struct cts_mirror_stats *st);

#endif
