/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <string.h>

#include "core/flow/pack.h"
#include "core/sync/recv/replica.h"

#define EVICT_LOOK 64u               /* entries that are looked at to make room for one */

static uint32_t age_of(const struct base *b)
{
	return (uint32_t)(b->now / (SECOND / CTS_AGE_HZ));
}

/* -- applied() -- */

void applied_flush(struct applied *a, struct base *b)
{
	if (a->n && b->ops.applied)
		b->ops.applied(b->ctx, a->node, a->list, a->n);
	a->n = 0;
}

static void applied_note(struct replica *r, struct base *b, uint32_t ref, bool gone,
			 const uint8_t *packed, size_t len)
{
	struct applied *a = r->applied;

	if (a->n == sizeof(a->list) / sizeof(a->list[0]) || (a->n && a->node != r->node))
		applied_flush(a, b);
	a->node = r->node;
	a->list[a->n++] = (struct cts_applied){ .ref = ref, .gone = gone, .len = (uint8_t)len,
						.packed = packed };
}

/* -- entries -- */

int replica_init(struct replica *r, struct base *b, uint32_t node, struct applied *a)
{
	r->node = node;
	r->applied = a;
	r->cache = cts_cache_create(b->conf.cache_limit, b->hash_key);
	if (!r->cache)
		return -1;
	return sums_init(&r->sums, 1);
}

void replica_fini(struct replica *r)
{
	cts_cache_destroy(r->cache);
	sums_fini(&r->sums);
	r->cache = NULL;
}

uint64_t replica_hash(const struct replica *r, uint32_t ref)
{
	size_t len;
	const uint8_t *packed = cts_cache_data(r->cache, ref, &len);

	return sums_hash(&r->sums, packed, cts_packed_key_len(packed, len));
}

/* Take the entry out of the counts and the sums it is in. */
static void uncount(struct replica *r, const struct cts_entry *e, uint64_t hash)
{
	if (e->aux == r->gen) {
		sums_sub(&r->sums, hash, e->seq);
		r->live--;
	} else if (replica_is_orphan(r, e)) {
		r->orphans--;
	} else {
		r->stale--;
	}
}

void replica_remove(struct replica *r, struct base *b, uint32_t ref)
{
	uint8_t key[CTS_PACK_KEY_MAX];
	size_t len;
	const uint8_t *packed = cts_cache_data(r->cache, ref, &len);

	if (!packed)
		return;
	len = cts_packed_key_len(packed, len);
	memcpy(key, packed, len);
	uncount(r, cts_cache_entry(r->cache, ref), sums_hash(&r->sums, key, len));
	cts_cache_remove(r->cache, ref);
	applied_note(r, b, 0, true, key, len);
	applied_flush(r->applied, b);
}

void replica_trim(struct replica *r, struct base *b, uint32_t ref)
{
	r->trimmed |= cts_cache_entry(r->cache, ref)->aux == r->gen;
	replica_remove(r, b, ref);
}

void replica_clear(struct replica *r)
{
	r->trimmed = r->live;
	cts_cache_clear(r->cache);
	sums_clear(&r->sums);
	r->live = r->stale = r->orphans = r->refused = 0;
	r->purge_cursor = r->stale_cursor = r->expire_cursor = r->evict_cursor = 0;
	r->stale_ends = false;
}

/* Make room: an orphan, or what a former epoch had, goes before a live entry is refused.
 * The walk goes on where the last one stopped, so that all are looked at in turn. */
static bool evict(struct replica *r, struct base *b)
{
	uint64_t left = r->orphans ? cts_cache_count(r->cache) : EVICT_LOOK;

	if (!r->orphans && !r->stale)
		return false;
	if (left > STEP_ENTRIES)
		left = STEP_ENTRIES;
	for (; left; left--) {
		const struct cts_entry *e;

		r->evict_cursor = cts_cache_next(r->cache, r->evict_cursor);
		if (!r->evict_cursor)
			continue;
		e = cts_cache_entry(r->cache, r->evict_cursor);
		if (r->orphans ? !replica_is_orphan(r, e) : e->aux == r->gen)
			continue;
		replica_remove(r, b, r->evict_cursor);
		b->st.evicted++;
		return true;
	}
	return false;
}

static void refuse(struct replica *r, struct base *b)
{
	r->refused++;
	b->st.refused_full++;
}

static uint32_t insert(struct replica *r, struct base *b, const struct keyed *k)
{
	uint32_t ref = 0;

	if (cts_cache_count(r->cache) < cts_cache_limit(r->cache) || evict(r, b))
		ref = cts_cache_insert_hashed(r->cache, k->hash, k->rec.data, k->rec.len, age_of(b));
	if (!ref)
		refuse(r, b);
	return ref;
}

/* What is known already is replaced: whole, whatever it was. */
static uint32_t replace(struct replica *r, struct base *b, uint32_t ref, const struct keyed *k,
			uint64_t hash)
{
	uncount(r, cts_cache_entry(r->cache, ref), hash);
	if (cts_cache_replace(r->cache, ref, k->rec.data, k->rec.len) == 0)
		return ref;
	cts_cache_remove(r->cache, ref);  /* better none than an old one */
	refuse(r, b);
	return 0;
}

void replica_upsert(struct replica *r, struct base *b, uint64_t seq, const struct keyed *k)
{
	struct cts_flow_store store;
	unsigned int unknown = 0;
	struct cts_entry *e;
	uint64_t hash;
	uint32_t ref;

	if (!k->key_len || cts_flow_unpack(k->rec.data, k->rec.len, &store, &unknown) < 0) {
		b->st.bad_record++;
		return;
	}
	b->st.unknown_attributes += unknown;
	hash = sums_hash(&r->sums, k->rec.data, k->key_len);
	ref = cts_cache_find_hashed(r->cache, k->hash, k->rec.data, k->key_len);
	ref = ref ? replace(r, b, ref, k, hash) : insert(r, b, k);
	if (!ref)
		return;
	e = cts_cache_entry(r->cache, ref);
	e->aux = r->gen;
	e->seq = seq;
	e->next = age_of(b);
	sums_add(&r->sums, hash, seq);
	r->live++;
	b->st.recv_upserts++;
	applied_note(r, b, ref, false, k->rec.data, k->rec.len);
}

void replica_delete(struct replica *r, struct base *b, const struct keyed *k)
{
	uint32_t ref;

	if (!k->key_len || k->key_len != k->rec.len) {
		b->st.bad_record++;
		return;
	}
	b->st.recv_deletes++;
	ref = cts_cache_find_hashed(r->cache, k->hash, k->rec.data, k->rec.len);
	if (!ref)
		return;
	uncount(r, cts_cache_entry(r->cache, ref), sums_hash(&r->sums, k->rec.data, k->key_len));
	cts_cache_remove(r->cache, ref);
	applied_note(r, b, 0, true, k->rec.data, k->rec.len);
}

void replica_prepare(const struct replica *r, struct keyed *k)
{
	bool entry = k->rec.type == CTS_REC_UPSERT || k->rec.type == CTS_REC_DELETE;

	k->key_len = entry ? cts_packed_key_len(k->rec.data, k->rec.len) : 0;
	if (!k->key_len)
		return;
	k->hash = cts_cache_hash(r->cache, k->rec.data, k->key_len);
	cts_cache_prefetch_bucket(r->cache, k->hash);
}

/* -- epochs -- */

void replica_epoch(struct replica *r, struct base *b, uint64_t epoch, bool lost)
{
	if (lost) {  /* nobody will send these any more */
		r->orphans += r->live + r->stale;
		r->stale = 0;
		r->orphan_gen = r->gen;
		r->orphan_ns = b->now;
		r->purge_cursor = 0;
	} else {
		r->stale += r->live;
	}
	r->live = r->refused = 0;
	r->stale_ends = false;
	r->stale_cursor = 0;
	r->gen++;
	sums_reset(&r->sums, epoch);
}

/* -- what ends entries -- */

/* Of a table that was lost, purge_timeout after: the owner is alive, and does not know
 * these flows. true: more. */
static bool purge_orphans(struct replica *r, struct base *b)
{
	if (!r->orphans || b->now - r->orphan_ns < b->conf.purge_timeout_s * SECOND)
		return false;
	for (unsigned int i = 0; i < STEP_ENTRIES; i++) {
		r->purge_cursor = cts_cache_next(r->cache, r->purge_cursor);
		if (!r->purge_cursor)
			return false;
		if (replica_is_orphan(r, cts_cache_entry(r->cache, r->purge_cursor)))
			replica_remove(r, b, r->purge_cursor);
	}
	return true;
}

static bool end_stale(struct replica *r, struct base *b)
{
	for (unsigned int i = 0; r->stale_ends && i < STEP_ENTRIES; i++) {
		r->stale_cursor = cts_cache_next(r->cache, r->stale_cursor);
		if (!r->stale_cursor) {
			r->stale_ends = false;
			break;
		}
		if (!replica_is_stale(r, cts_cache_entry(r->cache, r->stale_cursor)))
			continue;
		replica_remove(r, b, r->stale_cursor);
		b->st.stale_removed++;
	}
	return r->stale_ends;
}

/* Has a flow of a node that is gone run out? Its age counts from when the owner was
 * last received from: a live owner's silence about a flow means that it lives. */
static bool ran_out(const struct replica *r, const struct base *b, uint32_t ref, uint64_t gone_ns)
{
	struct cts_flow_store store;
	size_t len;
	const uint8_t *packed = cts_cache_data(r->cache, ref, &len);

	return cts_flow_unpack(packed, len, &store, NULL) == 0 &&
	       cts_flow_has(&store.flow, CTS_FLOW_TIMEOUT) &&
	       b->now - gone_ns > store.flow.timeout * SECOND;
}

void replica_expire(struct replica *r, struct base *b, uint64_t gone_ns)
{
	bool alarm = b->conf.mode == CTS_MODE_ALARM && b->conf.expire_s && !gone_ns;

	if (!r->cache || (!alarm && !gone_ns))
		return;
	for (unsigned int i = 0; i < STEP_ENTRIES; i++) {
		const struct cts_entry *e;

		r->expire_cursor = cts_cache_next(r->cache, r->expire_cursor);
		if (!r->expire_cursor)
			return;
		e = cts_cache_entry(r->cache, r->expire_cursor);
		if (alarm ? age_of(b) - e->next <= b->conf.expire_s * CTS_AGE_HZ
			  : !ran_out(r, b, r->expire_cursor, gone_ns))
			continue;
		replica_trim(r, b, r->expire_cursor);
		b->st.expired++;
	}
}

bool replica_step(struct replica *r, struct base *b)
{
	bool more;

	if (!r->cache)
		return false;
	more = purge_orphans(r, b);
	more |= end_stale(r, b);
	return more;
}
