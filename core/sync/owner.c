/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sender's entries: what changed goes once on a queue and is encoded as it is
 * at the moment of sending (rules S1, S6, S7). ring.c numbers and repeats, stream.c
 * makes messages, transfer.c sends parts of the table again.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "core/sync/engine_int.h"

#define DEAD_MIN 65536u     /* S7: at least so many DEAD entries may wait */

static void queue_push(struct owner *o, struct queue *q, uint32_t ref)
{
	struct cts_entry *entry = cts_cache_entry(o->cache, ref);

	entry->next = 0;
	if (q->tail)
		cts_cache_entry(o->cache, q->tail)->next = ref;
	else
		q->head = ref;
	q->tail = ref;
	q->len++;
}

static uint32_t queue_pop(struct owner *o, struct queue *q)
{
	uint32_t ref = q->head;

	if (!ref)
		return 0;
	q->head = cts_cache_entry(o->cache, ref)->next;
	if (!q->head)
		q->tail = 0;
	q->len--;
	return ref;
}

bool owner_urgent(struct owner *o, uint32_t ref)
{
	struct urgent *u = &o->urgent;
	uint32_t i, max = u->max ? u->max * 2 : 1024;
	uint32_t *refs;

	if (u->len == u->max) {
		refs = malloc(max * sizeof(*refs));
		if (!refs)
			return false;
		for (i = 0; i < u->len; i++)
			refs[i] = u->refs[(u->first + i) & (u->max - 1)];
		free(u->refs);
		*u = (struct urgent){ .refs = refs, .len = u->len, .max = max,
				      .waiting = u->waiting };
	}
	u->refs[(u->first + u->len++) & (u->max - 1)] = ref;
	u->waiting++;
	return true;
}

void owner_dirty(struct cts_engine *e, uint32_t ref)
{
	struct owner *o = &e->own;
	struct cts_entry *entry = cts_cache_entry(o->cache, ref);

	entry->flags |= F_DIRTY;
	if (entry->flags & (F_LINKED | F_YOUNG))
		return;
	/* What the start-up dump shows is not young: peers may have it from before,
	 * and would sweep what a transfer passes over. */
	if (e->conf.min_age_ms && o->ready && !entry->seq && !(entry->flags & F_DEAD)) {
		entry->flags |= F_YOUNG;
		queue_push(o, &o->young, ref);
		return;
	}
	entry->flags |= F_LINKED;
	queue_push(o, &o->dirty, ref);
	if (o->dirty.len > e->st.dirty_queue_max)
		e->st.dirty_queue_max = o->dirty.len;
}

/* Entries come here in the order in which they were made. */
void owner_young(struct cts_engine *e)
{
	struct owner *o = &e->own;
	uint32_t age = (e->conf.min_age_ms * CTS_AGE_HZ + 999) / 1000;
	uint32_t now = engine_age(e->now);
	struct cts_entry *entry;
	uint32_t ref;

	while ((ref = o->young.head)) {
		entry = cts_cache_entry(o->cache, ref);
		if (now - entry->created < age && !(entry->flags & F_DEAD))
			return;
		queue_pop(o, &o->young);
		entry->flags = (entry->flags & ~F_YOUNG) | F_LINKED;
		queue_push(o, &o->dirty, ref);
	}
}

uint64_t owner_hash(const struct owner *o, uint32_t ref)
{
	size_t len;
	const uint8_t *packed = cts_cache_data(o->cache, ref, &len);

	return digest_hash(o->digest_key, packed, cts_packed_key_len(packed, len));
}

static void entry_settle(struct owner *o, struct cts_entry *entry)
{
	if (entry->flags & F_BULK)
		o->transfer.outstanding--;
	if (entry->flags & F_URGENT)
		o->urgent.waiting--;
	entry->flags &= ~(F_DIRTY | F_BULK | F_URGENT);
}

static void owner_free(struct cts_engine *e, uint32_t ref)
{
	struct owner *o = &e->own;
	struct cts_entry *entry = cts_cache_entry(o->cache, ref);

	entry_settle(o, entry);
	if (entry->flags & F_TERM)
		digest_sub(o->sums, owner_hash(o, ref), entry->seq);
	if (entry->flags & F_DEAD)
		o->dead--;
	cts_cache_remove(o->cache, ref);
}

/* DEAD, told, acknowledged by all who must, and in no queue. */
void owner_free_if_done(struct cts_engine *e, uint32_t ref)
{
	const struct cts_entry *entry = cts_cache_entry(e->own.cache, ref);

	if ((entry->flags & (F_DEAD | F_DIRTY | F_LINKED | F_YOUNG)) == F_DEAD &&
	    slot_of(&e->own, entry->seq)->number != entry->seq)
		owner_free(e, ref);
}

/* Append the entry as it is now. false: it does not fit, nothing has changed. */
bool owner_put_entry(struct cts_engine *e, struct cts_wire_out *out, struct slot *s, uint32_t ref)
{
	struct owner *o = &e->own;
	struct cts_entry *entry = cts_cache_entry(o->cache, ref);
	bool dead = entry->flags & F_DEAD;
	const uint8_t *packed;
	size_t len, key_len;
	uint64_t hash;

	packed = cts_cache_data(o->cache, ref, &len);
	key_len = cts_packed_key_len(packed, len);
	if (dead)
		len = key_len;
	if (out->size - out->len < len + 2 || !ring_note(s, ref))
		return false;
	cts_put_u8(out, dead ? CTS_REC_GONE : CTS_REC_STATE);
	cts_put_u8(out, (uint8_t)len);
	cts_put_bytes(out, packed, len);
	hash = digest_hash(o->digest_key, packed, key_len);
	if (entry->flags & F_TERM)
		digest_sub(o->sums, hash, entry->seq);
	if (!dead)
		digest_add(o->sums, hash, s->number);
	if (entry->flags & F_URGENT)
		e->st.retransmitted_entries++;
	entry_settle(o, entry);
	entry->flags = dead ? entry->flags & ~F_TERM : entry->flags | F_TERM;
	entry->seq = s->number;
	*(dead ? &e->st.sent_gone : &e->st.sent_state) += 1;
	return true;
}

/* The next entry to send: what gaps wait for first. 0: none. */
uint32_t owner_next(struct cts_engine *e, bool *from_urgent)
{
	struct owner *o = &e->own;
	struct urgent *u = &o->urgent;

	while (u->len) {
		uint32_t ref = u->refs[u->first];
		const struct cts_entry *entry = cts_cache_entry(o->cache, ref);

		*from_urgent = true;
		if (entry && entry->flags & F_URGENT)
			return ref;
		u->first = (u->first + 1) & (u->max - 1);
		u->len--;
	}
	*from_urgent = false;
	while (o->dirty.head) {
		uint32_t ref = o->dirty.head;
		struct cts_entry *entry = cts_cache_entry(o->cache, ref);

		if (entry->flags & F_DIRTY && !(entry->flags & F_DEAD && !entry->seq))
			return ref;
		queue_pop(o, &o->dirty);
		entry->flags &= ~F_LINKED;
		if (entry->flags & F_DIRTY)
			owner_free(e, ref);  /* died before anybody heard of it */
		else
			owner_free_if_done(e, ref);
	}
	return 0;
}

void owner_sent(struct owner *o, uint32_t ref, bool from_urgent)
{
	if (from_urgent) {
		o->urgent.first = (o->urgent.first + 1) & (o->urgent.max - 1);
		o->urgent.len--;
		return;
	}
	queue_pop(o, &o->dirty);
	cts_cache_entry(o->cache, ref)->flags &= ~F_LINKED;
}

int owner_init(struct cts_engine *e)
{
	struct owner *o = &e->own;

	o->cache = cts_cache_create(e->conf.cache_limit, e->hash_key);
	if (!o->cache)
		return -1;
	o->lowest = 1;
	o->dead_max = e->conf.cache_limit / 2 > DEAD_MIN ? e->conf.cache_limit / 2 : DEAD_MIN;
	o->refresh_ns = e->now;
	digest_key(e->epoch, o->digest_key);
	return 0;
}

void owner_fini(struct cts_engine *e)
{
	unsigned int i;

	for (i = 0; i < RING_SIZE; i++)
		free(e->own.ring[i].refs);
	free(e->own.urgent.refs);
	cts_cache_destroy(e->own.cache);
}

bool cts_engine_live(struct cts_engine *e, uint32_t ref)
{
	const struct cts_entry *entry = cts_cache_entry(e->own.cache, ref);

	return entry && !(entry->flags & F_DEAD);
}

uint32_t cts_engine_find(struct cts_engine *e, const uint8_t *key, size_t key_len)
{
	uint32_t ref = cts_cache_find(e->own.cache, key, key_len);

	return cts_engine_live(e, ref) ? ref : 0;
}

static uint32_t put_new(struct cts_engine *e, uint32_t hash, const uint8_t *packed, size_t len)
{
	uint32_t ref = cts_cache_insert_hashed(e->own.cache, hash, packed, len,
					       engine_age(e->now));

	if (ref)
		owner_dirty(e, ref);
	else
		e->st.refused_full++;
	return ref;
}

uint32_t cts_engine_put(struct cts_engine *e, const uint8_t *packed, size_t len, bool replicate,
			uint64_t now_ns)
{
	size_t key_len = cts_packed_key_len(packed, len);
	uint32_t hash, ref;

	if (!key_len) {
		errno = EINVAL;
		return 0;
	}
	hash = cts_cache_hash(e->own.cache, packed, key_len);
	ref = cts_cache_find_hashed(e->own.cache, hash, packed, key_len);
	return cts_engine_set(e, ref, hash, packed, len, replicate, now_ns);
}

uint32_t cts_engine_set(struct cts_engine *e, uint32_t ref, uint32_t hash, const uint8_t *packed,
			size_t len, bool replicate, uint64_t now_ns)
{
	struct owner *o = &e->own;
	struct cts_entry *entry;
	const uint8_t *have;
	size_t have_len;

	e->now = now_ns;
	if (!ref)
		return put_new(e, hash, packed, len);
	entry = cts_cache_entry(o->cache, ref);
	have = cts_cache_data(o->cache, ref, &have_len);
	if (entry->flags & F_DEAD) {  /* S1: alive again, the same entry */
		entry->flags &= ~F_DEAD;
		entry->created = engine_age(now_ns);
		o->dead--;
		replicate = true;
	} else if (have_len == len && !memcmp(have, packed, len)) {
		return ref;
	}
	if (cts_cache_replace(o->cache, ref, packed, len) < 0) {
		e->st.refused_full++;
		return ref;
	}
	if (replicate)
		owner_dirty(e, ref);
	return ref;
}

void cts_engine_gone(struct cts_engine *e, uint32_t ref, uint64_t now_ns)
{
	struct owner *o = &e->own;
	struct cts_entry *entry = cts_cache_entry(o->cache, ref);

	e->now = now_ns;
	if (!entry || entry->flags & F_DEAD)
		return;
	entry->flags |= F_DEAD;
	o->dead++;
	if (o->dead > o->dead_max && !(entry->flags & (F_LINKED | F_YOUNG | F_URGENT))) {
		e->st.dead_dropped++;  /* S7: not in the digest any more, END sweeps it */
		owner_free(e, ref);
		return;
	}
	owner_dirty(e, ref);
}

void cts_engine_table_ready(struct cts_engine *e, uint64_t now_ns)
{
	e->now = now_ns;
	e->own.ready = true;
	e->own.digest_ns = now_ns;
}

struct cts_cache *cts_engine_internal(struct cts_engine *e)
{
	return e->own.cache;
}
