/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's insides. Data flow: local changes -> owner.c (dirty queue) ->
 * stream.c (messages) -> ring.c (until acknowledged). Messages -> session.c (who,
 * which epoch) -> replica.c (order, gaps, entries), ring.c (acknowledgements) and
 * transfer.c (what is needed again); digest.c compares both ends.
 */
#ifndef CTS_SYNC_ENGINE_INT_H
#define CTS_SYNC_ENGINE_INT_H

#include "core/sync/engine.h"
#include "core/sync/wire.h"

#define MS UINT64_C(1000000)         /* nanoseconds */
#define NEVER UINT64_MAX

/* Numbers of the protocol; doc/WIRE.md gives the reasons. */
#ifndef RING_SIZE                    /* the simulation takes a small one */
#define RING_SIZE 1024u              /* S2: unacknowledged messages */
#define RING_RESERVE 128u            /* of them: for repairs alone, lest a full ring blocks them */
#endif
#define RING_STUCK_NS (1000 * MS)    /* S5 */
#define RING_SILENT_NS (400 * MS)    /* S5: when others wait */
#define STALL_NS (500 * MS)          /* the oldest message waits so long: is the link one-way? */
#define STALL_ACK_NS (100 * MS)      /* an acknowledgement this much later should have it */
#define HELLO_NS (200 * MS)
#define HELLO_MEMBER_NS (5000 * MS)
#define HELLO_SETTLE_NS (10000 * MS) /* who was heard so lately and is not in sync is expected */
#define AGAIN_NS (50 * MS)           /* the transport did not take a message */
#define REPAIR_NS (50 * MS)          /* S4 */
#define HOLD_NS (10 * MS)            /* R2 */
#define HOLD_MAX 64u
#define ACK_EVERY 32u                /* R4 */
#define ACK_NS (20 * MS)
#define DIGEST_NS (5000 * MS)        /* D1 */
#define DIGEST_JOIN_NS (50 * MS)     /* a joining node should not wait */
#define NEED_NS (1000 * MS)          /* D2 */
#define CHALLENGE_NS (200 * MS)      /* at most 5/s */
#define PROOF_NS (100 * MS)          /* one answer for all of this time */
#define IN_SYNC_NS (1000 * MS)       /* E4 */
#define BULK_QUEUE 4096u             /* D2: a transfer fills the queue up to here */
#define STEP_ENTRIES 4096u           /* entries that one step looks at */
#define SEND_BATCH 32u               /* messages handed to send() at once */
#define ENDS_MAX 4u
#define NONCE_LEN 16u

/* Flags of an internal entry. */
#define F_DIRTY 0x01u                /* is to be sent */
#define F_DEAD  0x02u
#define F_TERM  0x04u                /* has a digest term: a STATE was the last thing sent */
#define F_BULK  0x08u                /* the transfer waits for it */
#define F_YOUNG 0x10u                /* is in the queue of the young */
#define F_LINKED 0x20u               /* is in the dirty queue, DIRTY or not any more */
#define F_URGENT 0x40u               /* is in the urgent queue: a gap waits for it */

struct sum {
	uint32_t count;
	uint64_t sum;
};

/* -- sender -- */

struct slot {
	uint64_t number;             /* 0: free */
	uint16_t owing;              /* peers, by index, that have not acknowledged */
	uint16_t listed;             /* peers that list it as a gap */
	bool requeued;
	bool has_end;
	uint32_t n, max;
	uint32_t *refs;              /* owned: entries that it told of */
	uint64_t repaired_ns;        /* when REPAIRED was sent for it, 0: not yet */
	uint64_t built_ns;
};

/* First in, first out, linked by entry.next. */
struct queue {
	uint32_t head, tail, len;
};

/* Entries that gaps wait for: a ring of refs, as they may be in a queue already. */
struct urgent {
	uint32_t *refs;              /* owned */
	uint32_t first, len, max;    /* max: power of two */
	uint32_t waiting;            /* entries with F_URGENT */
};

struct transfer {
	bool active, walked;
	uint8_t bitmap[CTS_BITMAP_BYTES];
	uint64_t begin;
	uint32_t cursor;
	uint64_t outstanding;        /* entries that are still to be sent */
	bool end_due;
	bool pending;                /* a NEED that came meanwhile */
	uint8_t pending_map[CTS_BITMAP_BYTES];
};

struct owner {
	struct cts_cache *cache;
	struct queue dirty, young;
	struct urgent urgent;
	struct slot ring[RING_SIZE];
	uint64_t last;               /* last number given out */
	uint64_t lowest;             /* lowest number in the ring; last + 1: empty */
	uint64_t full_since_ns;      /* 0: not full */
	uint64_t oldest, oldest_ns;  /* what lowest was, and since when */
	bool gaps_listed;            /* perhaps a slot is listed as a gap */
	uint64_t dead;               /* DEAD entries */
	uint64_t dead_max;
	struct sum sums[CTS_BUCKETS];
	uint8_t digest_key[16];      /* from the epoch */
	struct transfer transfer;
	bool sums_due;
	unsigned int sums_next;      /* next bucket to send */
	uint64_t digest_ns;          /* when the next DIGEST is due */
	uint32_t refresh_cursor;     /* ALARM */
	uint64_t refresh_ns;
	unsigned int unsent_first, unsent_n;  /* built messages that the transport did not take */
	struct iovec unsent[SEND_BATCH];
	bool ready;                  /* D5 */
};

/* -- receiver, and what is known of the other node -- */

struct held {
	uint64_t number;
	size_t len;
	uint8_t *msg;                /* owned; NULL: free */
};

struct end {
	uint64_t begin;
	uint8_t bitmap[CTS_BITMAP_BYTES];
};

enum need { NEED_NONE, NEED_SUMS, NEED_STALE, NEED_BUCKETS };

struct node {
	uint32_t id;                 /* 0: slot not in use */
	char name[CTS_NAME_MAX + 1];
	unsigned int link;
	uint64_t last_heard_ns;
	/* its stream */
	uint64_t epoch;              /* accepted; 0: none */
	uint64_t table_id;
	bool joined;                 /* its HELLO told our join number */
	uint64_t my_join;
	uint64_t high;               /* applied, but for gaps */
	uint64_t known_last;         /* highest number that it is known to have sent */
	struct cts_range gaps[CTS_GAPS_MAX];
	unsigned int n_gaps;
	uint64_t lost;               /* without acknowledgements: the last number that is missing */
	bool overflow;               /* more gaps than can be listed: to be told */
	struct held hold[HOLD_MAX];
	uint64_t hold_ns;            /* deadline; NEVER: nothing is missing */
	unsigned int unacked;
	uint64_t ack_ns;             /* deadline */
	struct cts_cache *cache;
	uint32_t gen;                /* entry.aux of what this epoch told */
	uint32_t orphan_gen;         /* entry.aux up to here: orphans of a lost table */
	uint64_t n_live, n_stale, n_orphan;
	bool orphaned;               /* it left: all is orphaned until it is back */
	uint64_t left_ns, orphan_ns;
	struct sum sums[CTS_BUCKETS];
	uint8_t digest_key[16];
	uint8_t refused_map[CTS_BITMAP_BYTES];
	uint64_t refused;
	uint64_t equal_at;           /* last number at which digests were equal */
	bool equal_due;
	enum need need;
	uint64_t need_ns;
	uint8_t need_map[CTS_BITMAP_BYTES];
	uint32_t stale_cursor;
	struct end ends[ENDS_MAX];
	unsigned int n_ends;
	uint32_t sweep_cursor;       /* 0: the first END has not begun */
	uint32_t purge_cursor;
	bool purging;
	uint32_t expire_cursor;
	/* handshake */
	uint64_t challenged_epoch;
	uint8_t nonce[NONCE_LEN];
	uint64_t challenge_ns;       /* not before */
	bool proof_due;
	uint8_t proof_nonce[NONCE_LEN];
	/* it as a receiver of our stream */
	enum cts_peer_state state;
	bool version_told;           /* that it speaks no version of ours */
	uint64_t join;
	uint64_t acked;
	uint64_t acked_ns;           /* when it last acknowledged anything */
	/* counted since the node was first heard */
	uint64_t sent_messages, sent_bytes;      /* to it, or to all while it listened */
	uint64_t recv_messages, recv_bytes;
	uint64_t retransmitted;                  /* entries that it missed */
	uint64_t gaps_opened;
};

struct cts_engine {
	struct cts_engine_conf conf;
	struct cts_engine_ops ops;
	void *ctx;
	char name[CTS_NAME_MAX + 1];
	uint32_t *list;              /* owned: static list of nodes, or NULL */
	uint32_t id, cluster;
	uint64_t epoch;
	uint64_t now;
	uint8_t hash_key[16];
	struct owner own;
	struct node nodes[CTS_NODES_MAX];
	unsigned int n_nodes;
	uint64_t hello_ns;
	bool hello_due;
	uint64_t proof_ns;
	uint64_t check_ns;           /* silence, purges */
	struct cts_engine_stats st;
	uint8_t *out;                /* owned: SEND_BATCH messages of out_size bytes */
	size_t out_size;
	struct cts_applied applied[256];
	unsigned int n_applied;
	struct node *applied_node;
	const struct cts_engine_breaks *breaks;
};

/* Rules that the simulation breaks on purpose, to show that it would find it. */
struct cts_engine_breaks {
	bool apply_late;             /* R2: apply DATA that is older than what was applied */
	bool sweep_open_gap;         /* D3: do not wait for gaps */
	bool digest_content;         /* D1: digest over the record instead of its number */
};
void cts_engine_break(struct cts_engine *e, const struct cts_engine_breaks *b);

/* As cts_entry.created has it. */
static inline uint32_t engine_age(uint64_t now_ns)
{
	return (uint32_t)(now_ns / (1000 * MS / CTS_AGE_HZ));
}

static inline bool engine_reliable(const struct cts_engine *e)
{
	return e->conf.mode == CTS_MODE_FTFW;
}

/* owner.c: entries and their queues */
bool owner_urgent(struct owner *o, uint32_t ref);
void owner_dirty(struct cts_engine *e, uint32_t ref);
void owner_young(struct cts_engine *e);
uint64_t owner_hash(const struct owner *o, uint32_t ref);
void owner_free_if_done(struct cts_engine *e, uint32_t ref);
bool owner_put_entry(struct cts_engine *e, struct cts_wire_out *out, struct slot *s, uint32_t ref);
uint32_t owner_next(struct cts_engine *e, bool *from_urgent);
void owner_sent(struct owner *o, uint32_t ref, bool from_urgent);
int owner_init(struct cts_engine *e);
void owner_fini(struct cts_engine *e);

/* ring.c: what was sent and is not acknowledged */
static inline struct slot *slot_of(struct owner *o, uint64_t number)
{
	return &o->ring[number % RING_SIZE];
}

static inline uint64_t ring_len(const struct owner *o)
{
	return o->last + 1 - o->lowest;
}

bool ring_note(struct slot *s, uint32_t ref);
void ring_release(struct cts_engine *e, struct slot *s);
bool ring_room(const struct cts_engine *e);
uint16_t ring_peers(const struct cts_engine *e);
void ring_peer_enters(struct cts_engine *e, struct node *n);
void ring_peer_leaves(struct cts_engine *e, struct node *n);
void ring_stuck(struct cts_engine *e);
void ring_ack(struct cts_engine *e, struct node *n, uint64_t high, const struct cts_range *gaps,
	       unsigned int n_gaps);
void ring_put_repaired(struct cts_engine *e, struct cts_wire_out *out);
bool ring_repairs_waiting(struct cts_engine *e);

/* transfer.c: parts of the table once more */
void transfer_need(struct cts_engine *e, const uint8_t *bitmap);
void transfer_run(struct cts_engine *e);
void transfer_put_end(struct cts_engine *e, struct cts_wire_out *out, struct slot *s);
void transfer_refresh(struct cts_engine *e);

/* stream.c: messages */
void stream_run(struct cts_engine *e);
uint64_t stream_deadline(const struct cts_engine *e);

/* replica.c */
int replica_init(struct cts_engine *e, struct node *n);
void replica_fini(struct node *n);
void replica_epoch(struct cts_engine *e, struct node *n, uint64_t epoch, uint64_t table_id);
void replica_join(struct cts_engine *e, struct node *n, uint64_t join);
void replica_data(struct cts_engine *e, struct node *n, uint64_t number, const uint8_t *msg,
		  size_t len);
void replica_last(struct cts_engine *e, struct node *n, uint64_t last);
void replica_run(struct cts_engine *e, struct node *n);
uint64_t replica_deadline(const struct cts_engine *e, const struct node *n);
void replica_left(struct cts_engine *e, struct node *n, const char *why);
void replica_forget(struct cts_engine *e, struct node *n, uint32_t ref);
void replica_clear(struct cts_engine *e, struct node *n);
bool replica_orphan(const struct node *n, const struct cts_entry *entry);

/* digest.c */
void digest_key(uint64_t epoch, uint8_t key[16]);
uint64_t digest_hash(const uint8_t key[16], const uint8_t *packed, size_t key_len);
static inline unsigned int digest_bucket(uint64_t hash)
{
	return (unsigned int)(hash >> 54);
}
uint64_t digest_mix(uint64_t hash, uint64_t seq);
void digest_add(struct sum *sums, uint64_t hash, uint64_t seq);
void digest_sub(struct sum *sums, uint64_t hash, uint64_t seq);
struct cts_digest { uint64_t count, sum; };
/* What is compared; sums are those of cache. */
struct cts_digest digest_total(const struct cts_engine *e, const struct sum *sums,
			       struct cts_cache *cache);
void digest_received(struct cts_engine *e, struct node *n, uint64_t number, uint64_t count,
		     uint64_t sum);
void digest_sums_received(struct node *n, const struct cts_record *rec);
void digest_end_received(struct cts_engine *e, struct node *n, const struct cts_record *rec);
/* Ask for what is needed, sweep: a step. true: at once again. */
bool digest_step(struct cts_engine *e, struct node *n);

/* session.c */
void session_receive(struct cts_engine *e, unsigned int link, uint32_t peer, const uint8_t *msg,
		     size_t len);
void session_run(struct cts_engine *e);
uint64_t session_deadline(const struct cts_engine *e);
void session_ack(struct cts_engine *e, struct node *n);
void session_need(struct cts_engine *e, struct node *n);
void session_peer_state(struct cts_engine *e, struct node *n, enum cts_peer_state state,
			const char *why);
void engine_count_sent(struct cts_engine *e, uint32_t to, unsigned int messages, uint64_t bytes);
int engine_send(struct cts_engine *e, struct cts_wire_out *o, uint8_t type, uint32_t to);
struct node *engine_node(struct cts_engine *e, uint32_t id);

#endif
