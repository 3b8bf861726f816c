/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * This node's own entries, and which of them are to be sent: what changed goes once
 * on the dirty queue and is encoded as it is at the moment of sending. What was lost
 * on its way goes on the retransmit queue, ahead of all else. A deleted entry stays
 * as a tombstone until its delete is acknowledged by all who must.
 */
#ifndef CTS_SYNC_TABLE_H
#define CTS_SYNC_TABLE_H

#include "core/sync/base.h"
#include "core/sync/store/cache.h"
#include "core/sync/store/sums.h"
#include "core/sync/wire.h"

/* Flags of an entry. */
#define F_DIRTY     0x01u            /* changed since it was last sent */
#define F_TOMBSTONE 0x02u            /* deleted */
#define F_SUMMED    0x04u            /* is in the sums: an upsert was the last thing sent */
#define F_HELD_BACK 0x08u            /* in the queue of those below the minimum age */
#define F_LINKED    0x10u            /* in the dirty queue, DIRTY or not any more */
#define F_LOST      0x20u            /* in the retransmit queue: its message was lost */
#define F_SETTLED   0x40u            /* a tombstone that goes when it leaves the queue */
#define F_REVIVED   0x80u            /* held back, and younger than its place in the queue */

/* First in, first out, linked by entry.next. */
struct queue {
	uint32_t head, tail, len;
};

/* A ring of refs, as they may be in a queue by entry.next already. */
struct retransmit {
	uint32_t *refs;              /* owned */
	uint32_t first, len, max;    /* max: power of two */
	uint32_t waiting;            /* entries with F_LOST */
};

struct table {
	struct cts_cache *cache;     /* owned */
	struct sums sums;
	struct queue dirty, held_back;
	struct retransmit retransmit;
	size_t limit;                /* live entries */
	uint64_t tombstones, tombstones_max;
	uint64_t unsent;             /* live entries that were in no message yet */
	uint64_t missing;            /* entries that found no room when the table was read, or since */
	uint64_t missing_now;        /* ... since the last reading ended: what the next one begins with */
	uint64_t drained_ns;         /* when the dirty queue was last empty */
	uint32_t min_age;            /* in 1/CTS_AGE_HZ s */
	bool dropped;                /* a tombstone was, and nobody knows that yet */
	bool ready;                  /* the kernel's table was read */
};

int table_init(struct table *t, const struct base *b);   /* 0, or -1 and errno */
void table_fini(struct table *t);
/* Another epoch: nothing was sent yet. forget: nor is anything known. */
void table_renew(struct table *t, const struct base *b, bool forget);
void table_set_limit(struct table *t, size_t limit);
/* A reading of the kernel's whole table ended: what found no room since the one before
 * is what is missing now. */
void table_read(struct table *t);

static inline uint64_t table_live(const struct table *t)
{
	return cts_cache_count(t->cache) - t->tombstones;
}

bool table_is_live(const struct table *t, uint32_t ref);
/* packed has no version: it becomes one more than what the entry had, and than above.
 * ref: of the key, tombstones included, or 0. Returns the ref, 0 when refused. */
uint32_t table_set(struct table *t, struct base *b, uint32_t ref, uint32_t hash,
		   const uint8_t *packed, size_t len, bool replicate, uint32_t above);
void table_delete(struct table *t, struct base *b, uint32_t ref);
uint32_t table_version(const struct table *t, uint32_t ref);

void table_dirty(struct table *t, struct base *b, uint32_t ref);
/* The message that carried it is lost. false: no memory, the comparison finds it. */
bool table_lost(struct table *t, uint32_t ref);
/* Those that are old enough now may be sent. */
void table_release_held_back(struct table *t, struct base *b);

/* The next entry to send. lost: of the retransmit queue. 0: none. */
uint32_t table_next(struct table *t, struct base *b, bool *lost);
static inline bool table_waiting(const struct table *t)
{
	return t->dirty.head || t->retransmit.waiting;
}
/* It was put into a message (table_put()); take it off its queue. */
void table_taken(struct table *t, uint32_t ref, bool lost);
/* Append the entry as it is now to message seq. false: it does not fit, nothing has
 * changed. *before: the message that carried it last, of which it was lost (0: not). */
bool table_put(struct table *t, struct base *b, struct cts_wire_out *out, uint64_t seq,
	       uint32_t ref, uint64_t *before);
/* Message seq, that carried it, is acknowledged by all who must: a tombstone goes. */
void table_settled(struct table *t, uint32_t ref, uint64_t seq);
uint64_t table_hash(const struct table *t, uint32_t ref);

#endif
