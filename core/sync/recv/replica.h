/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The replica of one other node's entries. entry.aux is the generation (epoch) of the
 * owner that sent it last: what a former epoch sent is stale until this one sends or
 * disowns it; what a table that was lost had is an orphan. entry.next is when it was
 * last received, in 1/CTS_AGE_HZ s.
 */
#ifndef CTS_SYNC_REPLICA_H
#define CTS_SYNC_REPLICA_H

#include "core/sync/base.h"
#include "core/sync/store/cache.h"
#include "core/sync/store/sums.h"
#include "core/sync/wire.h"

/* Changes are handed to applied() in lists; one serves all replicas. */
struct applied {
	struct cts_applied list[256];
	unsigned int n;
	uint32_t node;
};
void applied_flush(struct applied *a, struct base *b);

struct replica {
	uint32_t node;
	struct cts_cache *cache;     /* owned; NULL: nothing was ever received */
	struct sums sums;            /* of what this epoch sent */
	struct applied *applied;     /* lent */
	uint32_t gen;                /* of this epoch */
	uint32_t orphan_gen;         /* up to here: orphans */
	uint64_t live, stale, orphans;
	uint64_t refused;            /* entries without room since the last comparison */
	uint64_t orphan_ns;          /* when the table was lost */
	uint32_t purge_cursor, stale_cursor, expire_cursor, evict_cursor;
	bool trimmed;                /* entries of this epoch were taken out, not by the owner's word */
	bool stale_ends;             /* what is stale does not exist at the owner any more */
};

int replica_init(struct replica *r, struct base *b, uint32_t node, struct applied *a);
void replica_fini(struct replica *r);

/* A record as it was read, and of entries the key with its hash in the cache. */
struct keyed {
	struct cts_record rec;
	size_t key_len;              /* 0: no key */
	uint32_t hash;
};
void replica_prepare(const struct replica *r, struct keyed *k);
void replica_upsert(struct replica *r, struct base *b, uint64_t seq, const struct keyed *k);
void replica_delete(struct replica *r, struct base *b, const struct keyed *k);
/* Take one out by the owner's word. */
void replica_remove(struct replica *r, struct base *b, uint32_t ref);
/* Take one out for another reason: the replica may not be equal any more. */
void replica_trim(struct replica *r, struct base *b, uint32_t ref);
/* All of it, with nothing said to applied(): an explicit flush. */
void replica_clear(struct replica *r);

/* The owner starts a new epoch; lost: its table is a new one. */
void replica_epoch(struct replica *r, struct base *b, uint64_t epoch, bool lost);
static inline bool replica_is_orphan(const struct replica *r, const struct cts_entry *e)
{
	return e->aux <= r->orphan_gen;
}
static inline bool replica_is_stale(const struct replica *r, const struct cts_entry *e)
{
	return e->aux != r->gen && !replica_is_orphan(r, e);
}
uint64_t replica_hash(const struct replica *r, uint32_t ref);

/* A step of what ends entries: orphans after purge_timeout, stale ones that the owner
 * disowned. true: again at once. */
bool replica_step(struct replica *r, struct base *b);
/* A step, from time to time: in ALARM what was not sent again, and what a node that is
 * gone since gone_ns (0: it is there) has had for longer than its timeout. */
void replica_expire(struct replica *r, struct base *b, uint64_t gone_ns);

#endif
