/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ring of what was sent and is not acknowledged by all: which entries each
 * message told of, who misses it, what is sent again (rules S2 to S5).
 */
#include "config.h"

#include <stdlib.h>

#include "core/sync/engine_int.h"

bool ring_note(struct slot *s, uint32_t ref)
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

void ring_release(struct cts_engine *e, struct slot *s)
{
	struct owner *o = &e->own;
	uint64_t number = s->number;
	uint32_t i;

	s->number = 0;
	for (i = 0; i < s->n; i++) {
		struct cts_entry *entry = cts_cache_entry(o->cache, s->refs[i]);

		if (entry && entry->seq == number)
			owner_free_if_done(e, s->refs[i]);
	}
	s->n = 0;
	s->owing = s->listed = 0;
	while (o->lowest <= o->last && slot_of(o, o->lowest)->number != o->lowest)
		o->lowest++;
}

bool ring_room(const struct cts_engine *e)
{
	uint64_t limit = e->own.urgent.waiting ? RING_SIZE : RING_SIZE - RING_RESERVE;

	return ring_len(&e->own) < limit;
}

static uint16_t node_bit(const struct cts_engine *e, const struct node *n)
{
	return (uint16_t)(1u << (n - e->nodes));
}

uint16_t ring_peers(const struct cts_engine *e)
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
			ring_release(e, slot);
	}
}

void ring_peer_enters(struct cts_engine *e, struct node *n)
{
	ring_forgive(e, n);
	n->join = e->own.last + 1;
	n->acked = e->own.last;
	e->own.digest_ns = e->now;
	e->hello_due = true;
}

void ring_peer_leaves(struct cts_engine *e, struct node *n)
{
	ring_forgive(e, n);
	n->join = 0;
}

/* Did a peer that owes the oldest message tell since that it does not have it? One
 * that says nothing may have it: then its own messages get lost, not ours. */
static bool ring_denied(const struct cts_engine *e, const struct slot *s)
{
	unsigned int i;

	for (i = 0; i < e->n_nodes; i++)
		if (s->owing & 1u << i && e->nodes[i].acked_ns > e->own.oldest_ns + STALL_ACK_NS)
			return true;
	return false;
}

static void ring_stalled(struct cts_engine *e)
{
	struct owner *o = &e->own;

	if (o->oldest != o->lowest || !ring_len(o)) {
		o->oldest = o->lowest;
		o->oldest_ns = e->now;
		return;
	}
	if (e->now - o->oldest_ns < STALL_NS || !ring_denied(e, slot_of(o, o->lowest)))
		return;
	o->oldest_ns = e->now;
	if (e->ops.stalled)
		e->ops.stalled(e->ctx);
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
		ring_peer_enters(e, n);
		session_peer_state(e, n, CTS_PEER_JOINING, why);
	}
}

/* S5: who is silent while others have all that was sent, and wait, has left until it
 * is heard again. Only where messages are acknowledged often: the ring is full. */
static void ring_leave_silent(struct cts_engine *e)
{
	struct owner *o = &e->own;
	uint16_t owing = slot_of(o, o->lowest)->owing, wait;
	unsigned int i;

	wait = ring_peers(e) & (uint16_t)~slot_of(o, o->last)->owing;
	for (i = 0; wait && i < e->n_nodes; i++) {
		struct node *n = &e->nodes[i];

		if (owing & 1u << i && e->now - n->last_heard_ns >= RING_SILENT_NS)
			replica_left(e, n, "it is silent and others wait");
	}
}

void ring_stuck(struct cts_engine *e)
{
	struct owner *o = &e->own;

	ring_stalled(e);
	if (ring_room(e)) {
		o->full_since_ns = 0;
		return;
	}
	if (!o->full_since_ns)
		o->full_since_ns = e->now;
	ring_leave_silent(e);
	if (e->now - o->full_since_ns < RING_STUCK_NS)
		return;
	o->full_since_ns = 0;
	ring_reset(e, slot_of(o, o->lowest)->owing, "it did not acknowledge in time");
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
		if (!owner_urgent(o, s->refs[i]))
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

void ring_ack(struct cts_engine *e, struct node *n, uint64_t high, const struct cts_range *gaps,
	       unsigned int n_gaps)
{
	struct owner *o = &e->own;
	uint16_t bit = node_bit(e, n);
	unsigned int at = 0;
	uint64_t s;

	if (high > o->last)
		high = o->last;
	n->acked = high > n->acked ? high : n->acked;
	n->acked_ns = e->now;
	if (n_gaps && gaps[0].from >= n->join && gaps[0].from < o->lowest) {
		ring_reset(e, bit, "it misses more than can be repeated");
		return;
	}
	for (s = o->lowest; s <= high; s++) {
		struct slot *slot = slot_of(o, s);

		if (slot->number != s || !(slot->owing & bit))
			continue;
		if (in_ranges(gaps, n_gaps, &at, s)) {
			n->retransmitted += slot->listed & bit ? 0 : slot->n;
			slot->listed |= bit;
			o->gaps_listed = true;
			if (!slot->requeued)
				slot_requeue(e, slot);
			continue;
		}
		slot->owing &= (uint16_t)~bit;
		slot->listed &= (uint16_t)~bit;
		if (!slot->owing)
			ring_release(e, slot);
	}
}

static bool repair_due(const struct cts_engine *e, const struct slot *s)
{
	return s->number && s->listed && s->requeued &&
	       (!s->repaired_ns || s->repaired_ns + REPAIR_NS <= e->now);
}

/* S4: runs of slots whose entries are all out again. */
void ring_put_repaired(struct cts_engine *e, struct cts_wire_out *out)
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

bool ring_repairs_waiting(struct cts_engine *e)
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
