/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The replication engine: a plain state machine. Time, received bytes and local
 * changes in; messages, replica changes and the time of the next deadline out. No
 * socket, clock, random source or global inside, so that the simulation, the
 * fuzzers and the daemon drive the same code. Rules: doc/WIRE.md.
 *
 * now_ns is CLOCK_MONOTONIC and never runs backwards.
 */
#ifndef CTS_SYNC_ENGINE_H
#define CTS_SYNC_ENGINE_H

#include "core/flow/pack.h"
#include "core/sync/store/cache.h"
#include "core/sync/types.h"

struct cts_engine;
struct cts_engine *cts_engine_create(const struct cts_engine_conf *conf,
				     const struct cts_engine_ops *ops, void *ctx, uint64_t now_ns);
void cts_engine_destroy(struct cts_engine *e);
uint32_t cts_node_id(const char *name);
uint64_t cts_engine_attrs(const struct cts_engine *e);   /* conf.attrs; 0 there: all */

/*
 * -- local changes --
 *
 * Each entry has a version, which grows by one with each change of its content and
 * with each adoption; it is part of the packed bytes (cts_packed_version()). Packed
 * bytes that are handed in here have none: the engine counts.
 */

/* The live entry with this key, 0: none (tombstones, that wait for their delete, are none). */
uint32_t cts_engine_find(struct cts_engine *e, const uint8_t *key, size_t key_len);
struct cts_cache *cts_engine_internal(struct cts_engine *e);
/* The entry is now as packed says: made, changed, or nothing when equal. replicate
 * false: a change that peers need not know (a timeout that only ran on). Returns its
 * ref, 0 when refused by the limit (counted). */
uint32_t cts_engine_put(struct cts_engine *e, const uint8_t *packed, size_t len, bool replicate,
			uint64_t now_ns);
/* As put(), and its version becomes greater than above: what a replica had whose
 * knowledge was merged in. */
uint32_t cts_engine_put_above(struct cts_engine *e, const uint8_t *packed, size_t len,
			      uint32_t above, uint64_t now_ns);
/* As put(), for who has looked the key up in the internal cache already: ref, which
 * may be a tombstone, or 0, and the cache's hash. */
uint32_t cts_engine_set(struct cts_engine *e, uint32_t ref, uint32_t hash, const uint8_t *packed,
			size_t len, bool replicate, uint64_t now_ns);
bool cts_engine_live(struct cts_engine *e, uint32_t ref);
void cts_engine_gone(struct cts_engine *e, uint32_t ref, uint64_t now_ns);
/* The kernel's whole table was read, for the first time or once more: digests may be sent
 * and answered, and what found no room since the reading before is what is missing. */
void cts_engine_table_ready(struct cts_engine *e, uint64_t now_ns);
/* The limit of entries follows the kernel's. What is above a lower one stays. */
void cts_engine_set_limit(struct cts_engine *e, size_t limit);
/* n entries that peers own did not get into this node's kernel: it does not hold all. */
void cts_engine_set_lacking(struct cts_engine *e, uint64_t n);

/* -- network -- */

/* n whole messages as they came; damaged, foreign and repeated ones are counted. */
void cts_engine_receive(struct cts_engine *e, unsigned int link, uint32_t peer,
			const struct iovec *msg, unsigned int n, uint64_t now_ns);
/* Somebody new may listen: say hello with the next run. */
void cts_engine_greet(struct cts_engine *e);
void cts_engine_peer_down(struct cts_engine *e, uint32_t node, uint64_t now_ns);
void cts_engine_writable(struct cts_engine *e, uint64_t now_ns);

/* Do what is due and send what may be sent. Returns when to be called next
 * (absolute; now_ns: at once; UINT64_MAX: not before something happens). Call it at
 * the end of every loop turn in which anything else was called. */
uint64_t cts_engine_run(struct cts_engine *e, uint64_t now_ns);

/* -- external caches -- */

#define CTS_DIFFERS_MODE    0x01u
#define CTS_DIFFERS_ATTRS   0x02u
#define CTS_DIFFERS_LIMIT   0x04u    /* lower there than here */
#define CTS_DIFFERS_VERSION 0x08u    /* of the protocol: none in common */

struct cts_node_info {
	uint32_t id;
	char name[64];
	bool self;
	enum cts_peer_state state;   /* SYNCED: in_sync; DOWN: gone */
	/* What was confirmed, in each direction; NULL: it is so, else why not (static text). */
	const char *holds_mine;      /* the peer holds what this node owns */
	const char *held_here;       /* this node holds what the peer owns */
	bool in_sync;                /* both */
	bool complete;               /* its whole table has been here once, in this epoch */
	bool gone;                   /* silent, or it said goodbye: its replica is all there is */
	uint64_t gone_ms;            /* since when */
	uint32_t differs;            /* CTS_DIFFERS_*: configured in another way than this node */
	uint64_t epoch, table_id;
	uint64_t last_received_ns;   /* 0: never */
	uint64_t entries;            /* in its external cache, orphans included */
	uint64_t orphans;            /* of a table that it lost */
	uint64_t refused;            /* that did not fit */
	/* What it has not acknowledged: records, also those that wait to be sent, and how
	 * old the oldest message is. A node that is gone: since it was last received from. */
	uint64_t lag_records, lag_messages, lag_ms;
	unsigned int open_gaps;
	uint64_t gaps_opened;
	uint64_t retransmitted;      /* entries that it missed */
	uint64_t resets;             /* how often it fell out of step */
	uint64_t sent_messages, sent_bytes, recv_messages, recv_bytes;
	unsigned int link;
	uint32_t rtt_us, window_bytes;
};
/* Fill in info[]; returns how many. The first is this node itself. */
size_t cts_engine_nodes(struct cts_engine *e, struct cts_node_info *info, size_t max,
			uint64_t now_ns);
struct cts_cache *cts_engine_external(struct cts_engine *e, uint32_t node);  /* NULL: unknown */
/* Is there a replica with this key of any other node? */
bool cts_engine_replica_exists(struct cts_engine *e, const uint8_t *key, size_t key_len);
/* A flow that moved may have replicas of several nodes. The newest is that of the highest
 * version; of equals one of a node that is there, then of the lowest id. Returns the node,
 * 0: there is none. ref, version: of its replica; may be NULL. */
uint32_t cts_engine_newest_replica(struct cts_engine *e, const uint8_t *key, size_t key_len,
				   uint32_t *ref, uint32_t *version);
bool cts_engine_newest(struct cts_engine *e, uint32_t node, uint32_t ref);
/* This node's kernel now holds the entry (commit): it enters the internal cache, in
 * place of an older one, under a version above both, and is sent to the others. A
 * replica of a node that is gone, and an orphan, leaves its external cache. 0, or -1
 * and errno. */
int cts_engine_adopt(struct cts_engine *e, uint32_t node, uint32_t ref, uint64_t now_ns);

/* -- commands -- */
void cts_engine_resync(struct cts_engine *e, uint64_t now_ns);       /* -n: compare now */
void cts_engine_bulk(struct cts_engine *e, uint64_t now_ns);         /* -B: send everything again */
/* -f: forget the own entries; nothing is said about the kernel, and peers keep what they
 * have. The caller reads the kernel's table again and calls cts_engine_table_ready(). */
void cts_engine_flush_internal(struct cts_engine *e, uint64_t now_ns);
void cts_engine_flush_external(struct cts_engine *e, uint64_t now_ns);
void cts_engine_bye(struct cts_engine *e, uint64_t now_ns);          /* before a clean stop */

void cts_engine_get_stats(const struct cts_engine *e, struct cts_engine_stats *st);

#endif
