/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The types of the engine's public face: configuration, callbacks, counters. */
#ifndef CTS_SYNC_TYPES_H
#define CTS_SYNC_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define CTS_NODES_MAX 64u            /* nodes of a cluster, this one included */
#define CTS_NODE_ALL 0u

enum cts_sync_mode { CTS_MODE_FTFW, CTS_MODE_ALARM, CTS_MODE_NOTRACK };

struct cts_engine_conf {
	enum cts_sync_mode mode;
	const char *cluster;         /* name; nodes of another cluster are not listened to */
	const char *node_name;       /* its 32-bit hash is the node id: cts_node_id() */
	const uint32_t *nodes;       /* static list of node ids, or NULL: whoever completes the handshake */
	size_t n_nodes;
	uint64_t table_id;           /* identity of the kernel's table: changes when it was lost */
	size_t cache_limit;          /* live entries, of each cache */
	uint64_t attrs;              /* CTS_FLOW_BIT()s that are replicated */
	uint32_t dead_after_ms;      /* 2000: silence after which a node counts as gone */
	uint32_t purge_timeout_s;    /* 60: what a table that was lost had is kept so long */
	uint32_t refresh_s;          /* ALARM: each entry is sent again within this time */
	uint32_t expire_s;           /* ALARM: replicas expire */
	uint32_t min_age_ms;         /* younger flows are not replicated yet */
	bool startup_resync;         /* false: nothing is pulled until it is asked for */
	bool membership;             /* the transport says who is there */
};

/* One change of a replica, as applied() gets it. */
struct cts_applied {
	uint32_t ref;                /* in the owner's external cache; gone: not valid any more */
	bool gone;
	uint8_t len;
	const uint8_t *packed;       /* lent: the record, or its key when gone */
};

/* DOWN: silent, or it said goodbye; its replica stays. SYNCED: in sync, both ways. */
enum cts_peer_state { CTS_PEER_DOWN, CTS_PEER_JOINING, CTS_PEER_SYNCED };

/* Something an operator should know; each is reported once a minute at most. */
enum cts_sync_report {
	CTS_REPORT_CONFLICT,         /* another live node has this name */
	CTS_REPORT_DIFFERS,          /* a node is configured in another way */
	CTS_REPORT_REFUSED,          /* a node that is not listed, or for which there is no room */
	CTS_REPORT_CLUSTER,          /* somebody of another cluster sends here */
	CTS_REPORT_VERSION,          /* no version of the protocol in common */
	CTS_REPORT_SIZE,             /* large messages do not arrive: smaller ones are sent */
	CTS_REPORT_EPOCH,            /* this node was reverted or cloned: it starts a new epoch */
	CTS_REPORT_MAX
};

struct cts_engine_ops {
	/* n whole messages to one node or all; as send() in ctsync/transport.h. */
	int (*send)(void *ctx, const struct iovec *msg, unsigned int n, uint32_t to_node);
	size_t (*max_message)(void *ctx);
	void (*random)(void *ctx, void *buf, size_t len);
	/* A valid message of node came over this link from this transport peer. */
	void (*received)(void *ctx, unsigned int link, uint32_t peer, uint32_t node);
	/* Replicas of node changed; one call for each received message. May be NULL. */
	void (*applied)(void *ctx, uint32_t node, const struct cts_applied *list, size_t n);
	/* Peers say for long that they lack what was sent: it gets lost. May be NULL. */
	void (*undelivered)(void *ctx);
	/* A transition worth a log line. May be NULL. */
	void (*peer_state)(void *ctx, uint32_t node, enum cts_peer_state state, const char *why);
	/* link and peer: where it came from, 0 where that says nothing. May be NULL. */
	void (*report)(void *ctx, enum cts_sync_report what, uint32_t node, unsigned int link,
		       uint32_t peer, const char *text);
};

/* Everything that is counted, for -s and --status. */
struct cts_engine_stats {
	uint64_t sent_messages, sent_bytes, sent_records, sent_upserts, sent_deletes;
	uint64_t recv_messages, recv_bytes, recv_records, recv_upserts, recv_deletes;
	uint64_t bad_length, bad_magic, bad_version, bad_crc, bad_type, bad_record;
	uint64_t wrong_cluster, wrong_epoch, not_in_list, own_id, no_room;
	uint64_t duplicates, gaps_opened, gaps_closed, gaps_merged, lost_messages, held_messages,
		 reorder_overflow;
	uint64_t acks_sent, acks_received, acks_ignored, retransmitted_entries, probes;
	uint64_t resets, tombstones_dropped, unknown_attributes;
	uint64_t digests_sent, digests_equal, digests_differ, sums_sent, pulls_sent, lists_received,
		 drops_sent, dropped, stale_removed;
	uint64_t challenges_sent, challenges_limited, proofs_sent, epochs_accepted, conflicts;
	uint64_t refused_full, evicted, expired;
	uint64_t dirty_queue_len, dirty_queue_max, window_len, window_max, tombstones;
};

/* Rules that the simulation breaks on purpose, to show that it would find it. */
struct cts_faults {
	bool apply_late;             /* apply DATA that is older than what was applied */
	bool settle_early;           /* take a gap for settled before its entries came again */
	bool equal_by_count;         /* take as many entries for the same entries */
	bool confirm_blindly;        /* in sync without a confirmation */
	bool never_withdraw;         /* in sync once is in sync while it is there */
	bool wrong_digest;           /* the digest of every fourth size of a table is not its own */
	bool forget_deleted;         /* free a tombstone when its DELETE was sent */
	bool any_start;              /* an acknowledgement of another start counts for this one */
};

#endif
