/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "core/flow/pack.h"
#include "core/sync/send/table.h"

#ifndef TOMBSTONES_MIN              /* the simulation also takes few */
#define TOMBSTONES_MIN 65536u       /* so many may wait, however small the limit is */
#endif

/* As cts_entry.created has it. */
static uint32_t age_of(const struct base *b)
{
	return (uint32_t)(b->now / (SECOND / CTS_AGE_HZ));
}

static struct cts_entry *entry_of(const struct table *t, uint32_t ref)
{
	return cts_cache_entry(t->cache, ref);
}

/* -- queues -- */

static void queue_push(struct table *t, struct queue *q, uint32_t ref)
{
	entry_of(t, ref)->next = 0;
	if (q->tail)
		entry_of(t, q->tail)->next = ref;
	else
		q->head = ref;
	q->tail = ref;
	q->len++;
}

static void queue_pop(struct table *t, struct queue *q)
{
	q->head = entry_of(t, q->head)->next;
	if (!q->head)
		q->tail = 0;
	q->len--;
}

static void dirty_push(struct table *t, struct base *b, uint32_t ref)
{
	if (!t->dirty.len)
		t->drained_ns = b->now;
	entry_of(t, ref)->flags |= F_LINKED;
	queue_push(t, &t->dirty, ref);
	if (t->dirty.len > b->st.dirty_queue_max)
		b->st.dirty_queue_max = t->dirty.len;
}

void table_dirty(struct table *t, struct base *b, uint32_t ref)
{
	struct cts_entry *e = entry_of(t, ref);

	e->flags |= F_DIRTY;
	if (e->flags & (F_LINKED | F_HELD_BACK))
		return;
	/* What the first reading of the table shows is not held back: peers may have it
	 * from before, and would take it for deleted. */
	if (t->min_age && t->ready && !e->seq && !(e->flags & F_TOMBSTONE)) {
		e->flags |= F_HELD_BACK;
		t->unsent--;
		queue_push(t, &t->held_back, ref);
		return;
	}
	dirty_push(t, b, ref);
}

/* It was due then: this process may have been stopped since. */
static void waits_since(struct table *t, const struct base *b, uint32_t due)
{
	int32_t late = (int32_t)(age_of(b) - due);
	uint64_t since = due * (SECOND / CTS_AGE_HZ);

	if (late > 0 && since < t->drained_ns)
		t->drained_ns = since;
}

/* Entries come here in the order in which they were made. One that was deleted meanwhile and
 * made again is younger than those behind it, and goes to the end. */
void table_release_held_back(struct table *t, struct base *b)
{
	uint32_t ref;

	while ((ref = t->held_back.head)) {
		struct cts_entry *e = entry_of(t, ref);

		if (age_of(b) - e->created < t->min_age && !(e->flags & F_TOMBSTONE)) {
			if (!(e->flags & F_REVIVED))
				return;
			e->flags &= ~F_REVIVED;
			queue_pop(t, &t->held_back);
			queue_push(t, &t->held_back, ref);
			continue;
		}
		queue_pop(t, &t->held_back);
		e->flags &= ~(F_HELD_BACK | F_REVIVED);
		if (!(e->flags & F_TOMBSTONE))
			t->unsent++;
		dirty_push(t, b, ref);
		waits_since(t, b, e->created + t->min_age);
	}
}

static bool retransmit_push(struct retransmit *r, uint32_t ref)
{
	uint32_t max = r->max ? r->max * 2 : 1024;

	if (r->len == r->max) {
		uint32_t *refs = malloc(max * sizeof(*refs));

		if (!refs)
			return false;
		for (uint32_t i = 0; i < r->len; i++)
			refs[i] = r->refs[(r->first + i) & (r->max - 1)];
		free(r->refs);
		r->refs = refs;
		r->first = 0;
		r->max = max;
	}
	r->refs[(r->first + r->len++) & (r->max - 1)] = ref;
	return true;
}

static void retransmit_pop(struct retransmit *r)
{
	r->first = (r->first + 1) & (r->max - 1);
	r->len--;
}

bool table_lost(struct table *t, uint32_t ref)
{
	if (!retransmit_push(&t->retransmit, ref))
		return false;
	entry_of(t, ref)->flags |= F_LOST | F_DIRTY;
	t->retransmit.waiting++;
	return true;
}

/* -- entries -- */

uint64_t table_hash(const struct table *t, uint32_t ref)
{
	size_t len;
	const uint8_t *packed = cts_cache_data(t->cache, ref, &len);

	return sums_hash(&t->sums, packed, cts_packed_key_len(packed, len));
}

/* It is in no queue that counts any more. */
static void entry_settle(struct table *t, struct cts_entry *e)
{
	if (e->flags & F_LOST)
		t->retransmit.waiting--;
	e->flags &= ~(F_DIRTY | F_LOST | F_SETTLED);
}

static void entry_free(struct table *t, uint32_t ref)
{
	struct cts_entry *e = entry_of(t, ref);

	entry_settle(t, e);
	if (e->flags & F_SUMMED)
		sums_sub(&t->sums, table_hash(t, ref), e->seq);
	if (e->flags & F_TOMBSTONE)
		t->tombstones--;
	cts_cache_remove(t->cache, ref);
}

void table_settled(struct table *t, uint32_t ref, uint64_t seq)
{
	struct cts_entry *e = entry_of(t, ref);

	if (!e || e->seq != seq || (e->flags & (F_TOMBSTONE | F_DIRTY)) != F_TOMBSTONE)
		return;
	if (e->flags & (F_LINKED | F_HELD_BACK))
		e->flags |= F_SETTLED;
	else
		entry_free(t, ref);
}

bool table_is_live(const struct table *t, uint32_t ref)
{
	const struct cts_entry *e = entry_of(t, ref);

	return e && !(e->flags & F_TOMBSTONE);
}

uint32_t table_version(const struct table *t, uint32_t ref)
{
	size_t len;
	const uint8_t *packed = cts_cache_data(t->cache, ref, &len);

	return packed ? cts_packed_version(packed, len) : 0;
}

static void refuse(struct table *t, struct base *b)
{
	b->st.refused_full++;
	t->missing++;
	t->missing_now++;
}

static uint32_t set_new(struct table *t, struct base *b, uint32_t hash, const uint8_t *packed,
			size_t len)
{
	uint32_t ref = 0;

	if (table_live(t) < t->limit)
		ref = cts_cache_insert_hashed(t->cache, hash, packed, len, age_of(b));
	if (!ref) {
		refuse(t, b);
		return 0;
	}
	t->unsent++;
	table_dirty(t, b, ref);
	return ref;
}

/* The content as it is to be kept: with the version, where there is room for it. */
static size_t versioned(uint8_t buf[CTS_PACK_MAX], const uint8_t *packed, size_t len,
			uint32_t version)
{
	size_t n;

	memcpy(buf, packed, len);
	n = cts_packed_set_version(buf, len, CTS_PACK_MAX, version);
	return n ? n : len;
}

static void revive(struct table *t, struct base *b, struct cts_entry *e)
{
	e->flags &= ~(F_TOMBSTONE | F_SETTLED);
	e->created = age_of(b);
	if (e->flags & F_HELD_BACK)
		e->flags |= F_REVIVED;
	t->tombstones--;
	if (!e->seq && !(e->flags & F_HELD_BACK))
		t->unsent++;
}

uint32_t table_set(struct table *t, struct base *b, uint32_t ref, uint32_t hash,
		   const uint8_t *packed, size_t len, bool replicate, uint32_t above)
{
	uint8_t buf[CTS_PACK_MAX];
	struct cts_entry *e;
	const uint8_t *have;
	uint32_t version;
	size_t have_len;

	if (!ref)
		return set_new(t, b, hash, buf, versioned(buf, packed, len, above + 1));
	e = entry_of(t, ref);
	have = cts_cache_data(t->cache, ref, &have_len);
	version = cts_packed_version(have, have_len);
	if (!(e->flags & F_TOMBSTONE) && above < version &&
	    cts_packed_body_len(have, have_len) == len && !memcmp(have, packed, len))
		return ref;
	if (e->flags & F_TOMBSTONE) {
		if (table_live(t) >= t->limit) {
			refuse(t, b);
			return 0;
		}
		revive(t, b, e);  /* the same entry, alive again */
		replicate = true;
	}
	if (replicate)
		version = (version > above ? version : above) + 1;
	if (cts_cache_replace(t->cache, ref, buf, versioned(buf, packed, len, version)) < 0) {
		refuse(t, b);
		return ref;
	}
	if (replicate)
		table_dirty(t, b, ref);
	return ref;
}

void table_delete(struct table *t, struct base *b, uint32_t ref)
{
	struct cts_entry *e = entry_of(t, ref);

	if (!e || e->flags & F_TOMBSTONE)
		return;
	e->flags |= F_TOMBSTONE;
	t->tombstones++;
	if (!e->seq && !(e->flags & F_HELD_BACK))
		t->unsent--;
	if (t->tombstones > t->tombstones_max && !(e->flags & (F_LINKED | F_HELD_BACK | F_LOST))) {
		b->st.tombstones_dropped++;  /* not in the sums any more: the comparison finds it */
		t->dropped = true;
		entry_free(t, ref);
		return;
	}
	table_dirty(t, b, ref);
}

/* -- sending -- */

static uint32_t next_lost(struct table *t)
{
	struct retransmit *r = &t->retransmit;

	while (r->len) {
		uint32_t ref = r->refs[r->first];
		const struct cts_entry *e = entry_of(t, ref);

		if (e && e->flags & F_LOST)
			return ref;
		retransmit_pop(r);
	}
	return 0;
}

uint32_t table_next(struct table *t, struct base *b, bool *lost)
{
	uint32_t ref = next_lost(t);

	*lost = ref;
	if (ref)
		return ref;
	while ((ref = t->dirty.head)) {
		struct cts_entry *e = entry_of(t, ref);

		if (e->flags & F_DIRTY && !(e->flags & F_TOMBSTONE && !e->seq))
			return ref;
		queue_pop(t, &t->dirty);
		e->flags &= ~F_LINKED;
		/* It was gone before anybody knew of it, or everybody knows. */
		if (e->flags & (F_DIRTY | F_SETTLED))
			entry_free(t, ref);
	}
	t->drained_ns = b->now;
	return 0;
}

void table_taken(struct table *t, uint32_t ref, bool lost)
{
	if (lost) {
		retransmit_pop(&t->retransmit);
		return;
	}
	queue_pop(t, &t->dirty);
	entry_of(t, ref)->flags &= ~F_LINKED;
}

bool table_put(struct table *t, struct base *b, struct cts_wire_out *out, uint64_t seq,
	       uint32_t ref, uint64_t *before)
{
	struct cts_entry *e = entry_of(t, ref);
	bool dead = e->flags & F_TOMBSTONE;
	size_t len, key_len;
	const uint8_t *packed = cts_cache_data(t->cache, ref, &len);
	uint64_t hash;

	key_len = cts_packed_key_len(packed, len);
	if (dead)
		len = key_len;
	if (out->size - out->len < len + 2)
		return false;
	cts_put_u8(out, dead ? CTS_REC_DELETE : CTS_REC_UPSERT);
	cts_put_u8(out, (uint8_t)len);
	cts_put_bytes(out, packed, len);
	hash = sums_hash(&t->sums, packed, key_len);
	if (e->flags & F_SUMMED)
		sums_sub(&t->sums, hash, e->seq);
	if (!dead)
		sums_add(&t->sums, hash, seq);
	*before = e->flags & F_LOST ? e->seq : 0;
	b->st.retransmitted_entries += *before != 0;
	if (!e->seq && !dead)
		t->unsent--;
	entry_settle(t, e);
	e->flags = dead ? e->flags & ~F_SUMMED : e->flags | F_SUMMED;
	e->seq = seq;
	*(dead ? &b->st.sent_deletes : &b->st.sent_upserts) += 1;
	return true;
}

/* -- making -- */

void table_set_limit(struct table *t, size_t limit)
{
	t->limit = limit;
	t->tombstones_max = limit / 2 > TOMBSTONES_MIN ? limit / 2 : TOMBSTONES_MIN;
	/* Tombstones have room of their own: they never keep a live entry out. */
	cts_cache_set_limit(t->cache, limit + t->tombstones_max + 1);
}

void table_read(struct table *t)
{
	t->ready = true;
	t->missing = t->missing_now;
	t->missing_now = 0;
}

int table_init(struct table *t, const struct base *b)
{
	t->cache = cts_cache_create(b->conf.cache_limit, b->hash_key);
	if (!t->cache || sums_init(&t->sums, b->epoch) < 0)
		return -1;
	table_set_limit(t, b->conf.cache_limit);
	t->min_age = (b->conf.min_age_ms * CTS_AGE_HZ + 999) / 1000;
	t->drained_ns = b->now;
	return 0;
}

void table_fini(struct table *t)
{
	sums_fini(&t->sums);
	free(t->retransmit.refs);
	cts_cache_destroy(t->cache);
}

/* Every entry as if it was made now; tombstones go: no peer of this epoch has them. */
static void renew_entries(struct table *t, const struct base *b)
{
	uint32_t ref = 0;

	while ((ref = cts_cache_next(t->cache, ref))) {
		struct cts_entry *e = entry_of(t, ref);

		if (e->flags & F_TOMBSTONE) {
			cts_cache_remove(t->cache, ref);
			continue;
		}
		e->seq = 0;
		e->flags = F_DIRTY | F_LINKED;
		queue_push(t, &t->dirty, ref);
		t->unsent++;
	}
	t->drained_ns = b->now;
}

void table_renew(struct table *t, const struct base *b, bool forget)
{
	t->dirty = t->held_back = (struct queue){ 0 };
	t->retransmit.first = t->retransmit.len = t->retransmit.waiting = 0;
	t->tombstones = t->unsent = t->missing = t->missing_now = 0;
	sums_reset(&t->sums, b->epoch);
	if (forget)
		cts_cache_clear(t->cache);
	else
		renew_entries(t, b);
}
