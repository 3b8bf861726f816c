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

#include <sys/uio.h>

#include "core/flow/pack.h"
#include "core/sync/store/cache.h"

enum cts_sync_mode { CTS_MODE_FTFW, CTS_MODE_ALARM, CTS_MODE_NOTRACK };

#define CTS_NODES_MAX 16u   /* PROTOCOL: nodes of a cluster */
#define CTS_NODE_ALL 0u

struct cts_engine_conf {
	enum cts_sync_mode mode;
	const char *cluster;        /* name; nodes of another cluster are not heard */
	const char *node_name;      /* its 32-bit hash is the node id: cts_node_id() */
	const uint32_t *nodes;      /* static list of node ids, or NULL: whoever completes the handshake */
	size_t n_nodes;
	uint64_t table_id;          /* identity of the kernel's table: changes when it was lost */
	size_t cache_limit;         /* entries, of each cache */
	uint64_t attrs;             /* CTS_FLOW_BIT()s that are replicated */
	uint32_t dead_after_ms;     /* 2000 */
	uint32_t purge_timeout_s;   /* 60 */
	uint32_t refresh_s;         /* ALARM: each entry is sent again within this time */
	uint32_t expire_s;          /* ALARM: replicas expire */
	uint32_t min_age_ms;        /* younger flows are not replicated yet */
	bool startup_resync;
	bool membership;            /* the transport has membership: slow hellos */
};

/* One change of a replica, as told to applied(). */
struct cts_applied {
	uint32_t ref;               /* in the owner's external cache; gone: not valid any more */
	bool gone;
	uint8_t len;
	const uint8_t *packed;      /* lent: the record, or its key when gone */
};

enum cts_peer_state { CTS_PEER_DOWN, CTS_PEER_JOINING, CTS_PEER_SYNCED };

struct cts_engine_ops {
	/* n whole messages to one node or all; as send() in ctsync/transport.h. */
	int (*send)(void *ctx, const struct iovec *msg, unsigned int n, uint32_t to_node);
	size_t (*max_message)(void *ctx);
	void (*random)(void *ctx, void *buf, size_t len);
	/* A valid message of node came over this link from this transport peer. */
	void (*heard)(void *ctx, unsigned int link, uint32_t peer, uint32_t node);
	/* Replicas of node changed; one call for each received message. May be NULL. */
	void (*applied)(void *ctx, uint32_t node, const struct cts_applied *list, size_t n);
	/* A peer says for long that it lacks what was sent: it gets lost. May be NULL. */
	void (*stalled)(void *ctx);
	/* A transition worth a log line. May be NULL. */
	void (*peer_state)(void *ctx, uint32_t node, enum cts_peer_state state, const char *why);
};

struct cts_engine;
struct cts_engine *cts_engine_create(const struct cts_engine_conf *conf,
				     const struct cts_engine_ops *ops, void *ctx, uint64_t now_ns);
void cts_engine_destroy(struct cts_engine *e);
uint32_t cts_node_id(const char *name);
uint64_t cts_engine_attrs(const struct cts_engine *e);   /* conf.attrs; 0 there: all */

/* -- local changes: the mirror (core/node/mirror.h) calls these -- */

/* The live entry with this key, 0: none (DEAD ones, that wait for their GONE, are none). */
uint32_t cts_engine_find(struct cts_engine *e, const uint8_t *key, size_t key_len);
struct cts_cache *cts_engine_internal(struct cts_engine *e);
/* The entry is now as packed says: made, changed (DIRTY), or nothing when equal.
 * replicate false: a change that peers need not hear of (a timeout that only ran
 * on). Returns its ref, 0 when refused by the limit (counted). */
uint32_t cts_engine_put(struct cts_engine *e, const uint8_t *packed, size_t len, bool replicate,
			uint64_t now_ns);
/* The same for who has looked the key up in the internal cache already: ref, which
 * may be DEAD, or 0, and the cache's hash. */
uint32_t cts_engine_set(struct cts_engine *e, uint32_t ref, uint32_t hash, const uint8_t *packed,
			size_t len, bool replicate, uint64_t now_ns);
bool cts_engine_live(struct cts_engine *e, uint32_t ref);
void cts_engine_gone(struct cts_engine *e, uint32_t ref, uint64_t now_ns);
/* The start-up dump is done: digests may be sent and answered (rule D5). */
void cts_engine_table_ready(struct cts_engine *e, uint64_t now_ns);

/* -- network -- */

/* n whole messages as they came; damaged, foreign and repeated ones are counted. */
void cts_engine_receive(struct cts_engine *e, unsigned int link, uint32_t peer,
			const struct iovec *msg, unsigned int n, uint64_t now_ns);
/* Somebody new may listen: say hello with the next run. */
void cts_engine_greet(struct cts_engine *e);
void cts_engine_peer_down(struct cts_engine *e, uint32_t node, uint64_t now_ns);
void cts_engine_writable(struct cts_engine *e, uint64_t now_ns);

/* Do what is due and send what may be sent. Returns when to be called next
 * (absolute; UINT64_MAX: not before something happens). Call it at the end of
 * every loop turn in which anything else was called. */
uint64_t cts_engine_run(struct cts_engine *e, uint64_t now_ns);

/* -- external caches -- */

struct cts_node_info {
	uint32_t id;
	char name[64];
	bool self;
	enum cts_peer_state state;
	bool orphaned;              /* its replicas wait for it to come back or be purged */
	bool in_sync;               /* rule E4 */
	uint64_t epoch, table_id;
	uint64_t last_heard_ns;     /* 0: never */
	uint64_t entries;           /* in its external cache */
	uint64_t refused;           /* ... that did not fit */
	bool complete;              /* its whole table has been here once, in this epoch */
	/* What it has not acknowledged: records, also those that wait to be sent, and
	 * how old the oldest message is. A node that is down: since it was heard. */
	uint64_t lag_records, lag_messages, lag_ms;
	unsigned int open_gaps;
	uint64_t gaps_opened;
	uint64_t retransmitted;     /* entries that it missed */
	uint64_t sent_messages, sent_bytes, recv_messages, recv_bytes;
	unsigned int link;
};
/* Fill in info[]; returns how many. The first is this node itself. */
size_t cts_engine_nodes(struct cts_engine *e, struct cts_node_info *info, size_t max, uint64_t now_ns);
struct cts_cache *cts_engine_external(struct cts_engine *e, uint32_t node);  /* NULL: unknown */
/* Is there a replica with this key of any other node? */
bool cts_engine_replica_exists(struct cts_engine *e, const uint8_t *key, size_t key_len);
/* A flow that moved may have replicas of several nodes: is this the one that was told
 * of last? (Of equals, to a sixteenth of a second, one is.) */
bool cts_engine_newest(struct cts_engine *e, uint32_t node, uint32_t ref);
/* This node's kernel now holds the entry (commit): it leaves the external cache
 * of node, enters the internal one and is told to the others (rule E3). */
int cts_engine_adopt(struct cts_engine *e, uint32_t node, uint32_t ref, uint64_t now_ns);

/* -- commands -- */
void cts_engine_resync(struct cts_engine *e, uint64_t now_ns);       /* -n: compare digests now, ask */
void cts_engine_bulk(struct cts_engine *e, uint64_t now_ns);         /* -B: send everything again */
void cts_engine_flush_internal(struct cts_engine *e, uint64_t now_ns);
void cts_engine_flush_external(struct cts_engine *e, uint64_t now_ns);
void cts_engine_bye(struct cts_engine *e, uint64_t now_ns);          /* before a clean stop */

/* Everything that is counted, for -s and --status; names are in engine_stats.c's table. */
struct cts_engine_stats {
	uint64_t sent_messages, sent_bytes, sent_records, sent_state, sent_gone;
	uint64_t recv_messages, recv_bytes, recv_records, recv_state, recv_gone;
	uint64_t bad_length, bad_magic, bad_version, bad_crc, bad_type, bad_record;
	uint64_t wrong_cluster, wrong_epoch, not_in_list, own_id;
	uint64_t duplicates, gaps_opened, gaps_closed, lost_messages, held_messages, hold_overflow;
	uint64_t acks_sent, acks_received, repaired, retransmitted_entries;
	uint64_t ring_resets, dead_dropped, unknown_attributes;
	uint64_t digests_sent, digests_equal, digests_differ, sums_sent, needs_sent, sweeps, swept;
	uint64_t challenges_sent, proofs_sent, epochs_accepted;
	uint64_t refused_full;
	uint64_t dirty_queue_len, dirty_queue_max, ring_len, ring_max, dead_entries;
};
void cts_engine_get_stats(const struct cts_engine *e, struct cts_engine_stats *st);

#endif
