/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sender: what changed goes once on a queue and is encoded as it is at the
 * moment of sending (rules S1 to S7). One numbered stream to all peers.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "core/sync/engine_int.h"

#define DEAD_MIN 65536u     /* S7: at least so many DEAD entries may wait */

static struct slot *slot_of(struct owner *o, uint64_t number)
{
	return &o->ring[number % RING_SIZE];
}

/* -- queues -- */

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

static bool urgent_push(struct owner *o, uint32_t ref)
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
static void young_run(struct cts_engine *e)
{
	struct owner *o = &e->own;
	uint32_t age_s = (e->conf.min_age_ms + 999) / 1000;
	uint32_t now_s = (uint32_t)(e->now / (1000 * MS));
	struct cts_entry *entry;
	uint32_t ref;

	while ((ref = o->young.head)) {
		entry = cts_cache_entry(o->cache, ref);
		if (now_s - entry->created < age_s && !(entry->flags & F_DEAD))
			return;
		queue_pop(o, &o->young);
		entry->flags = (entry->flags & ~F_YOUNG) | F_LINKED;
		queue_push(o, &o->dirty, ref);
	}
}

/* -- entries -- */

static uint64_t entry_hash(const struct owner *o, uint32_t ref)
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

static void entry_free(struct cts_engine *e, uint32_t ref)
{
	struct owner *o = &e->own;
	struct cts_entry *entry = cts_cache_entry(o->cache, ref);

	entry_settle(o, entry);
	if (entry->flags & F_TERM)
		digest_sub(o->sums, entry_hash(o, ref), entry->seq);
	if (entry->flags & F_DEAD)
		o->dead--;
	cts_cache_remove(o->cache, ref);
}

/* DEAD, told, acknowledged by all who must, and in no queue. */
static void entry_free_if_done(struct cts_engine *e, uint32_t ref)
{
	const struct cts_entry *entry = cts_cache_entry(e->own.cache, ref);

	if ((entry->flags & (F_DEAD | F_DIRTY | F_LINKED | F_YOUNG)) == F_DEAD &&
	    slot_of(&e->own, entry->seq)->number != entry->seq)
		entry_free(e, ref);
}

static bool slot_note(struct slot *s, uint32_t ref)
{
	uint32_t max = s->max ? s->max * 2 : 64;
	uint32_t *refs;

	if (s->n == s->max) {
		refs = realloc(s->refs, max * sizeof(*refs));
		if (!refs)
			return false;
		s->refs = refs;
		s->max = max;
	}
	s->refs[s->n++] = ref;
	return true;
}

/* Append the entry as it is now. false: it does not fit, nothing has changed. */
static bool entry_send(struct cts_engine *e, struct cts_wire_out *out, struct slot *s, uint32_t ref)
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
	if (out->size - out->len < len + 2 || !slot_note(s, ref))
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

/* -- ring -- */

static void slot_free(struct cts_engine *e, struct slot *s)
{
	struct owner *o = &e->own;
	uint64_t number = s->number;
	uint32_t i;

	s->number = 0;
	for (i = 0; i < s->n; i++) {
		struct cts_entry *entry = cts_cache_entry(o->cache, s->refs[i]);

		if (entry && entry->seq == number)
			entry_free_if_done(e, s->refs[i]);
	}
	s->n = 0;
	s->owing = s->listed = 0;
	while (o->lowest <= o->last && slot_of(o, o->lowest)->number != o->lowest)
		o->lowest++;
}

static uint64_t ring_len(const struct owner *o)
{
	return o->last + 1 - o->lowest;
}

static bool ring_room(const struct cts_engine *e)
{
	uint64_t limit = e->own.urgent.waiting ? RING_SIZE : RING_SIZE - RING_RESERVE;

	return ring_len(&e->own) < limit;
}

static uint16_t node_bit(const struct cts_engine *e, const struct node *n)
{
	return (uint16_t)(1u << (n - e->nodes));
}

static uint16_t peers_owing(const struct cts_engine *e)
{
	uint16_t bits = 0;
	unsigned int i;

	for (i = 0; i < e->n_nodes; i++)
		if (e->nodes[i].state != CTS_PEER_DOWN)
			bits |= (uint16_t)(1u << i);
	return bits;
}

static void ring_forgive(struct cts_engine *e, const struct node *n)
{
	struct owner *o = &e->own;
	uint16_t bit = node_bit(e, n);
	uint64_t s, last = o->last;

	for (s = o->lowest; s <= last; s++) {
		struct slot *slot = slot_of(o, s);

		if (slot->number != s)
			continue;
		slot->owing &= (uint16_t)~bit;
		slot->listed &= (uint16_t)~bit;
		if (!slot->owing)
			slot_free(e, slot);
	}
}

void owner_peer_enters(struct cts_engine *e, struct node *n)
{
	ring_forgive(e, n);
	n->join = e->own.last + 1;
	n->acked = e->own.last;
	e->own.digest_ns = e->now;
	e->hello_due = true;
}

void owner_peer_leaves(struct cts_engine *e, struct node *n)
{
	ring_forgive(e, n);
	n->join = 0;
}

/* S5: whoever holds the ring up starts over. */
static void ring_reset(struct cts_engine *e, uint16_t who, const char *why)
{
	unsigned int i;

	for (i = 0; i < e->n_nodes; i++) {
		struct node *n = &e->nodes[i];

		if (!(who & 1u << i) || n->state == CTS_PEER_DOWN)
			continue;
		e->st.ring_resets++;
		owner_peer_enters(e, n);
		session_peer_state(e, n, CTS_PEER_JOINING, why);
	}
}

static void slot_requeue(struct cts_engine *e, struct slot *s)
{
	struct owner *o = &e->own;
	uint32_t i;

	s->requeued = true;
	s->repaired_ns = 0;
	if (s->has_end && !o->transfer.active)
		o->transfer.end_due = true;  /* else the next END, or a digest, does it */
	for (i = 0; i < s->n; i++) {
		struct cts_entry *entry = cts_cache_entry(o->cache, s->refs[i]);

		if (!entry || entry->seq != s->number || entry->flags & F_URGENT)
			continue;
		if (!urgent_push(o, s->refs[i]))
			return;  /* no memory: the digest finds it */
		entry->flags |= F_URGENT | F_DIRTY;
	}
}

static bool in_ranges(const struct cts_range *r, unsigned int n, unsigned int *at, uint64_t number)
{
	while (*at < n && r[*at].to < number)
		(*at)++;
	return *at < n && r[*at].from <= number;
}

void owner_ack(struct cts_engine *e, struct node *n, uint64_t high, const struct cts_range *gaps,
	       unsigned int n_gaps)
{
	struct owner *o = &e->own;
	uint16_t bit = node_bit(e, n);
	unsigned int at = 0;
	uint64_t s;

	if (high > o->last)
		high = o->last;
	n->acked = high > n->acked ? high : n->acked;
	if (n_gaps && gaps[0].from >= n->join && gaps[0].from < o->lowest) {
		ring_reset(e, bit, "it misses more than can be repeated");
		return;
	}
	for (s = o->lowest; s <= high; s++) {
		struct slot *slot = slot_of(o, s);

		if (slot->number != s || !(slot->owing & bit))
			continue;
		if (in_ranges(gaps, n_gaps, &at, s)) {
			slot->listed |= bit;
			o->gaps_listed = true;
			if (!slot->requeued)
				slot_requeue(e, slot);
			continue;
		}
		slot->owing &= (uint16_t)~bit;
		slot->listed &= (uint16_t)~bit;
		if (!slot->owing)
			slot_free(e, slot);
	}
}

/* -- records other than entries -- */

static bool repair_due(const struct cts_engine *e, const struct slot *s)
{
	return s->number && s->listed && s->requeued &&
	       (!s->repaired_ns || s->repaired_ns + REPAIR_NS <= e->now);
}

/* S4: runs of slots whose entries are all out again. */
static void put_repaired(struct cts_engine *e, struct cts_wire_out *out)
{
	struct owner *o = &e->own;
	uint64_t s, to;

	if (o->urgent.waiting || !o->gaps_listed)
		return;
	for (s = o->lowest; s <= o->last; s = to + 1) {
		to = s;
		if (slot_of(o, s)->number != s || !repair_due(e, slot_of(o, s)))
			continue;
		if (out->size - out->len < 18)
			return;
		while (to < o->last && slot_of(o, to + 1)->number == to + 1 &&
		       repair_due(e, slot_of(o, to + 1)))
			to++;
		cts_put_u8(out, CTS_REC_REPAIRED);
		cts_put_u8(out, 16);
		cts_put_u64(out, s);
		cts_put_u64(out, to);
		e->st.repaired++;
		for (uint64_t i = s; i <= to; i++)
			slot_of(o, i)->repaired_ns = e->now;
	}
}

static bool repairs_waiting(struct cts_engine *e)
{
	struct owner *o = &e->own;
	bool listed = false, due = false;
	uint64_t s;

	if (o->urgent.waiting || !o->gaps_listed)
		return false;
	for (s = o->lowest; s <= o->last && !due; s++) {
		const struct slot *slot = slot_of(o, s);

		if (slot->number != s)
			continue;
		listed |= slot->listed;
		due = repair_due(e, slot);
	}
	o->gaps_listed = due || listed;
	return due;
}

static void put_digest(struct cts_engine *e, struct cts_wire_out *out)
{
	struct cts_digest d = digest_total(e, e->own.sums, e->own.cache);

	if (out->size - out->len < 18)
		return;
	cts_put_u8(out, CTS_REC_DIGEST);
	cts_put_u8(out, 16);
	cts_put_u64(out, d.count);
	cts_put_u64(out, d.sum);
	e->st.digests_sent++;
}

/* As many buckets as fit; the rest goes with the next messages. */
static void put_sums(struct cts_engine *e, struct cts_wire_out *out)
{
	struct owner *o = &e->own;
	size_t room = out->size - out->len;
	unsigned int n = CTS_BUCKETS - o->sums_next, i;

	if (room < 5 + 12)
		return;
	if (n > (room - 5) / 12)
		n = (unsigned int)((room - 5) / 12);
	cts_put_u8(out, CTS_REC_SUMS);
	cts_put_u16(out, (uint16_t)(2 + n * 12));
	cts_put_u16(out, (uint16_t)o->sums_next);
	for (i = 0; i < n; i++) {
		cts_put_u32(out, o->sums[o->sums_next + i].count);
		cts_put_u64(out, o->sums[o->sums_next + i].sum);
	}
	o->sums_next += n;
	if (o->sums_next == CTS_BUCKETS) {
		o->sums_due = false;
		e->st.sums_sent++;
	}
}

static void transfer_begin(struct cts_engine *e, const uint8_t *bitmap);

static void put_end(struct cts_engine *e, struct cts_wire_out *out, struct slot *s)
{
	struct transfer *t = &e->own.transfer;

	if (out->size - out->len < 3 + 8 + CTS_BITMAP_BYTES)
		return;
	cts_put_u8(out, CTS_REC_END);
	cts_put_u16(out, 8 + CTS_BITMAP_BYTES);
	cts_put_u64(out, t->begin);
	cts_put_bytes(out, t->bitmap, sizeof(t->bitmap));
	s->has_end = true;
	t->end_due = false;
	t->active = false;
	if (t->pending) {
		t->pending = false;
		transfer_begin(e, t->pending_map);
	}
}

static void put_controls(struct cts_engine *e, struct cts_wire_out *out, struct slot *s,
			 bool digest)
{
	put_repaired(e, out);
	if (digest)
		put_digest(e, out);
	if (e->own.sums_due)
		put_sums(e, out);
	if (e->own.transfer.end_due)
		put_end(e, out, s);
}

/* -- transfers (D2) -- */

static void transfer_begin(struct cts_engine *e, const uint8_t *bitmap)
{
	struct transfer *t = &e->own.transfer;
	uint8_t copy[CTS_BITMAP_BYTES];

	memcpy(copy, bitmap, sizeof(copy));
	memset(t->pending_map, 0, sizeof(t->pending_map));
	memcpy(t->bitmap, copy, sizeof(copy));
	t->active = true;
	t->walked = t->end_due = false;
	t->cursor = 0;
	t->begin = e->own.last;
}

void owner_need(struct cts_engine *e, const uint8_t *bitmap)
{
	struct transfer *t = &e->own.transfer;
	unsigned int i;

	if (!e->own.ready)
		return;  /* it is asked again each second */
	if (!bitmap) {
		e->own.sums_due = true;
		e->own.sums_next = 0;
		return;
	}
	if (!t->active) {
		transfer_begin(e, bitmap);
		return;
	}
	for (i = 0; i < CTS_BITMAP_BYTES; i++)
		if (bitmap[i] & ~t->bitmap[i])
			break;
	if (i == CTS_BITMAP_BYTES)
		return;  /* a repeated NEED: its answer is on the way */
	t->pending = true;
	for (i = 0; i < CTS_BITMAP_BYTES; i++)
		t->pending_map[i] |= bitmap[i];
}

static bool bitmap_full(const uint8_t *map)
{
	unsigned int i;

	for (i = 0; i < CTS_BITMAP_BYTES; i++)
		if (map[i] != 0xff)
			return false;
	return true;
}

static void transfer_run(struct cts_engine *e)
{
	struct owner *o = &e->own;
	struct transfer *t = &o->transfer;
	bool all = bitmap_full(t->bitmap);
	unsigned int i;

	if (!t->active || t->end_due)
		return;
	for (i = 0; !t->walked && i < STEP_ENTRIES && o->dirty.len < BULK_QUEUE; i++) {
		struct cts_entry *entry;

		t->cursor = cts_cache_next(o->cache, t->cursor);
		if (!t->cursor) {
			t->walked = true;
			break;
		}
		entry = cts_cache_entry(o->cache, t->cursor);
		if (entry->flags & (F_DEAD | F_YOUNG | F_BULK) || entry->seq > t->begin)
			continue;
		if (!all && !cts_bitmap_get(t->bitmap, digest_bucket(entry_hash(o, t->cursor))))
			continue;
		entry->flags |= F_BULK;
		t->outstanding++;
		owner_dirty(e, t->cursor);
	}
	if (t->walked && !t->outstanding)
		t->end_due = true;
}

/* ALARM: every entry again within refresh_s. */
static void refresh_run(struct cts_engine *e)
{
	struct owner *o = &e->own;
	uint64_t passed, quota;

	if (e->conf.mode != CTS_MODE_ALARM || !e->conf.refresh_s)
		return;
	passed = e->now - o->refresh_ns;
	quota = cts_cache_count(o->cache) * (passed / MS) / (e->conf.refresh_s * 1000u);
	if (passed < 100 * MS)
		return;
	o->refresh_ns = e->now;
	for (quota = quota ? quota : 1; quota && o->dirty.len < BULK_QUEUE; quota--) {
		o->refresh_cursor = cts_cache_next(o->cache, o->refresh_cursor);
		if (!o->refresh_cursor)
			return;
		owner_dirty(e, o->refresh_cursor);
	}
}

/* -- sending -- */

static bool digest_due(const struct cts_engine *e)
{
	const struct owner *o = &e->own;

	if (!engine_reliable(e) || !o->ready || o->digest_ns > e->now || !peers_owing(e))
		return false;
	return (!o->dirty.len && !o->transfer.active) || o->digest_ns + DIGEST_NS <= e->now;
}

static void digest_schedule(struct cts_engine *e)
{
	uint64_t wait = DIGEST_NS;
	unsigned int i;

	for (i = 0; i < e->n_nodes; i++)
		if (e->nodes[i].state == CTS_PEER_JOINING)
			wait = DIGEST_JOIN_NS;
	e->own.digest_ns = e->now + wait;
}

/* The next entry to send: what gaps wait for first. 0: none. */
static uint32_t next_entry(struct cts_engine *e, bool *from_urgent)
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
			entry_free(e, ref);  /* died before anybody heard of it */
		else
			entry_free_if_done(e, ref);
	}
	return 0;
}

static void entry_sent(struct owner *o, uint32_t ref, bool from_urgent)
{
	if (from_urgent) {
		o->urgent.first = (o->urgent.first + 1) & (o->urgent.max - 1);
		o->urgent.len--;
		return;
	}
	queue_pop(o, &o->dirty);
	cts_cache_entry(o->cache, ref)->flags &= ~F_LINKED;
}

static bool work_waiting(struct cts_engine *e)
{
	bool from_urgent;

	return next_entry(e, &from_urgent) || e->own.sums_due || e->own.transfer.end_due ||
	       repairs_waiting(e);
}

/* Build the next message of the stream. Returns its length. */
static size_t message_build(struct cts_engine *e, uint8_t *buf, size_t size, bool digest)
{
	struct owner *o = &e->own;
	struct cts_wire_header h = { .type = CTS_MSG_DATA, .cluster = e->cluster, .node = e->id,
				     .epoch = e->epoch, .number = ++o->last };
	struct slot *s = slot_of(o, h.number);
	struct cts_wire_out out;
	bool from_urgent;
	uint32_t ref;

	s->number = h.number;
	s->owing = engine_reliable(e) ? peers_owing(e) : 0;
	s->listed = 0;
	s->n = 0;
	s->requeued = s->has_end = false;
	cts_wire_begin(&out, buf, size);
	put_controls(e, &out, s, digest);
	while ((ref = next_entry(e, &from_urgent)) && entry_send(e, &out, s, ref))
		entry_sent(o, ref, from_urgent);
	if (!s->owing)
		slot_free(e, s);
	return cts_wire_finish(&out, &h);
}

/* Hand on what is built. false: the transport is full. */
static bool flush_unsent(struct cts_engine *e)
{
	struct owner *o = &e->own;

	while (o->unsent_n) {
		const struct iovec *msg = &o->unsent[o->unsent_first];
		int i, taken = e->ops.send(e->ctx, msg, o->unsent_n, CTS_NODE_ALL);

		if (taken < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return false;
		if (taken <= 0)
			taken = 1;  /* the first is lost: a gap, that will be asked for */
		for (i = 0; i < taken; i++)
			e->st.sent_bytes += msg[i].iov_len;
		e->st.sent_messages += (unsigned int)taken;
		o->unsent_first += (unsigned int)taken;
		o->unsent_n -= (unsigned int)taken;
	}
	o->unsent_first = 0;
	return true;
}

static size_t message_size(const struct cts_engine *e)
{
	size_t size = e->ops.max_message(e->ctx);

	return size < CTS_WIRE_MIN_MAX ? CTS_WIRE_MIN_MAX : size < e->out_size ? size : e->out_size;
}

static void stuck_check(struct cts_engine *e)
{
	struct owner *o = &e->own;

	if (ring_room(e)) {
		o->full_since_ns = 0;
		return;
	}
	if (!o->full_since_ns)
		o->full_since_ns = e->now;
	if (e->now - o->full_since_ns < RING_STUCK_NS)
		return;
	o->full_since_ns = 0;
	ring_reset(e, slot_of(o, o->lowest)->owing, "it did not acknowledge in time");
}

void owner_run(struct cts_engine *e)
{
	struct owner *o = &e->own;
	bool digest, heard = peers_owing(e) || !engine_reliable(e);
	size_t size = message_size(e);

	young_run(e);
	refresh_run(e);
	stuck_check(e);
	for (;;) {
		if (!flush_unsent(e))
			return;
		transfer_run(e);
		digest = digest_due(e);
		if (!digest && !work_waiting(e))
			return;
		while (o->unsent_n < SEND_BATCH && ring_room(e) && (digest || work_waiting(e))) {
			uint8_t *buf = e->out + o->unsent_n * e->out_size;
			size_t len = message_build(e, buf, size, digest);

			if (digest)
				digest_schedule(e);
			digest = false;
			/* Without peers the entries are numbered, and that is all. */
			if (len && heard)
				o->unsent[o->unsent_n++] = (struct iovec){ buf, len };
			if (ring_len(o) > e->st.ring_max)
				e->st.ring_max = ring_len(o);
		}
		if (!o->unsent_n && !ring_room(e))
			return;
	}
}

uint64_t owner_deadline(const struct cts_engine *e)
{
	const struct owner *o = &e->own;
	uint64_t t = NEVER;

	if (o->unsent_n)
		return NEVER;  /* writable() comes */
	if (engine_reliable(e) && o->ready && peers_owing(e))
		t = o->digest_ns > e->now ? o->digest_ns : e->now + 100 * MS;
	if (ring_len(o) && t > e->now + REPAIR_NS)
		t = e->now + REPAIR_NS;
	if (o->young.head && t > e->now + 100 * MS)
		t = e->now + 100 * MS;
	if (e->conf.mode == CTS_MODE_ALARM && t > e->now + 100 * MS)
		t = e->now + 100 * MS;
	if (o->transfer.active && ring_room(e))
		t = e->now;
	return t;
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

/* -- local changes -- */

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
	uint32_t now_s = (uint32_t)(e->now / (1000 * MS));
	uint32_t ref = cts_cache_insert_hashed(e->own.cache, hash, packed, len, now_s);

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
		entry->created = (uint32_t)(now_ns / (1000 * MS));
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
		entry_free(e, ref);
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
