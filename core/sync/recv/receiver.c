/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "core/sync/recv/receiver.h"

static void ack_at_once(struct receiver *r, const struct base *b)
{
	r->ack_ns = b->now;
}

/* -- records -- */

/* A digest is of all that was sent before it, the same message included: it is judged
 * when the message was applied and gaps are settled. */
static void digest_read(struct receiver *r, struct base *b, uint64_t seq, struct cts_wire_in in)
{
	uint8_t flags = cts_get_u8(&in);
	uint64_t count = cts_get_u64(&in), total = cts_get_u64(&in);
	bool equal = r->replica.sums.count == count && r->replica.sums.total == total;

	if (in.bad) {
		b->st.bad_record++;
		return;
	}
	if (b->faults && b->faults->equal_by_count)
		equal = r->replica.sums.count == count;
	if (equal) {
		/* Whatever is missing was sent again, or is not needed any more. */
		b->st.digests_equal++;
		r->equal_at = seq;
		r->differs = r->lossy = false;
		r->replica.refused = 0;
		r->replica.trimmed = false;
		r->complete |= flags & CTS_DIGEST_COMPLETE;
		if (flags & CTS_DIGEST_COMPLETE && r->replica.stale) {
			r->replica.stale_ends = true;
			r->replica.stale_cursor = 0;
		}
		compare_equal(&r->compare);
		ack_at_once(r, b);
		return;
	}
	if (r->gaps.n)
		return;  /* what is missing is on its way: nothing is proven */
	b->st.digests_differ++;
	if (!r->differs)
		r->differs_ns = b->now;
	r->differs = true;
	if (r->pulls)
		compare_unequal(&r->compare, &r->replica, count, flags & CTS_DIGEST_BUSY, b->now);
}

static void record_read(struct receiver *r, struct base *b, uint64_t seq, const struct keyed *k)
{
	struct cts_wire_in in = { .buf = k->rec.data, .len = k->rec.len };
	bool good = true;

	switch (k->rec.type) {
	case CTS_REC_UPSERT:
		replica_upsert(&r->replica, b, seq, k);
		break;
	case CTS_REC_DELETE:
		replica_delete(&r->replica, b, k);
		break;
	case CTS_REC_DROP:
		good = compare_drop(&r->compare, &r->replica, b, &in);
		break;
	case CTS_REC_DIGEST:
		r->digest = in;
		break;
	case CTS_REC_SUMS:
		good = compare_sums(&r->compare, &r->replica, &in, b->now);
		break;
	case CTS_REC_PAD:
		break;
	default:
		b->st.unknown_attributes++;
		break;
	}
	b->st.bad_record += !good;
}

/* The next records, and what they will look up on its way to the CPU's cache. */
static size_t records_prepare(const struct replica *r, struct cts_wire_in *in, struct keyed *k,
			      int *more)
{
	size_t count = 0;

	while (count < CTS_CACHE_GROUP && (*more = cts_record_next(in, &k[count].rec)) > 0)
		replica_prepare(r, &k[count++]);
	for (size_t i = 0; i < count; i++)
		if (k[i].key_len)
			cts_cache_prefetch_head(r->cache, k[i].hash);
	for (size_t i = 0; i < count; i++)
		if (k[i].key_len)
			cts_cache_prefetch_data(r->cache, k[i].hash);
	return count;
}

/* Everything below the floor was sent again in messages up to this one. */
static void settle(struct receiver *r, struct base *b, uint64_t seq, uint64_t floor)
{
	uint64_t first = r->gaps.range[0].from;
	unsigned int closed = gaps_settle(&r->gaps, floor);

	if (closed || r->gaps.range[0].from != first)
		r->moved = seq;
	b->st.gaps_closed += closed;
	if (closed && !r->gaps.n)
		ack_at_once(r, b);
}

static void apply(struct receiver *r, struct base *b, uint64_t seq, const uint8_t *body,
		  size_t len)
{
	struct cts_wire_in in = { .buf = body, .len = len };
	uint64_t below = cts_get_u16(&in);
	struct keyed group[CTS_CACHE_GROUP];
	size_t count;
	int more;

	if (below > seq)
		in.bad = true;
	if (b->faults && b->faults->settle_early)
		below = 0;
	r->digest.buf = NULL;
	do {
		count = records_prepare(&r->replica, &in, group, &more);
		b->st.recv_records += count;
		for (size_t i = 0; i < count; i++)
			record_read(r, b, seq, &group[i]);
	} while (more > 0);
	b->st.bad_record += more < 0;
	applied_flush(r->replica.applied, b);
	if (seq > r->high)
		r->high = seq;
	if (!in.bad && r->gaps.n)
		settle(r, b, seq, seq - below);
	if (r->digest.buf)
		digest_read(r, b, seq, r->digest);
	if (!base_reliable(b))
		return;
	if (++r->unacked >= ACK_EVERY)
		ack_at_once(r, b);
	else if (r->ack_ns == NEVER)
		r->ack_ns = b->now + ACK_NS;
}

/* -- order -- */

static void gap(struct receiver *r, struct base *b, uint64_t from, uint64_t to)
{
	b->st.gaps_opened++;
	r->gaps_opened++;
	b->st.lost_messages += to - from + 1;
	if (!base_reliable(b) || r->detached) {
		r->lossy = true;  /* nobody repairs it: the next digest decides */
		return;
	}
	if (!gaps_open(&r->gaps, from, to, b->now))
		b->st.gaps_merged++;
	ack_at_once(r, b);
}

/* What follows at once on what was applied. */
static void reorder_drain(struct receiver *r, struct base *b)
{
	uint8_t *body;
	size_t len;

	while (r->reorder.n && reorder_take(&r->reorder, r->high + 1, &body, &len)) {
		apply(r, b, r->high + 1, body, len);
		free(body);
	}
	if (r->reorder.n)
		r->reorder_ns = b->now + REORDER_NS;
	else if (r->known_last <= r->high)
		r->reorder_ns = NEVER;
}

/* Give up what is missing before the lowest message that was kept. */
static void reorder_skip(struct receiver *r, struct base *b)
{
	uint64_t lowest = reorder_lowest(&r->reorder);

	if (lowest > r->high + 1) {
		gap(r, b, r->high + 1, lowest - 1);
		r->high = lowest - 1;
	}
	reorder_drain(r, b);
}

static void reorder_expire(struct receiver *r, struct base *b)
{
	while (r->reorder.n)
		reorder_skip(r, b);
	if (r->known_last > r->high) {
		gap(r, b, r->high + 1, r->known_last);
		r->high = r->known_last;
	}
	r->reorder_ns = NEVER;
}

static void message_read(struct receiver *r, struct base *b, uint64_t seq, const uint8_t *body,
			 size_t len);

static void keep(struct receiver *r, struct base *b, uint64_t seq, const uint8_t *body,
		 size_t len)
{
	switch (reorder_put(&r->reorder, seq, body, len)) {
	case REORDER_KEPT:
		b->st.held_messages++;
		break;
	case REORDER_DUPLICATE:
		b->st.duplicates++;
		return;
	case REORDER_FULL:
		b->st.reorder_overflow++;
		reorder_expire(r, b);
		message_read(r, b, seq, body, len);
		return;
	case REORDER_NOMEM:
		return;  /* as if it was lost */
	}
	if (r->reorder_ns == NEVER)
		r->reorder_ns = b->now + REORDER_NS;
	while (r->reorder.n >= REORDER_MESSAGES)
		reorder_skip(r, b);
}

/* It cannot go on from here: ask for another start. */
static void receiver_stop(struct receiver *r)
{
	reorder_drop(&r->reorder, UINT64_MAX);
	gaps_clear(&r->gaps);
	compare_reset(&r->compare);
	r->start = r->high = r->moved = r->known_last = r->equal_at = 0;
	r->unacked = 0;
	r->differs = r->lossy = r->detached = false;
	r->reorder_ns = NEVER;
}

/* Was another message sent under this number? A number is used once in an epoch. */
static bool is_other(struct receiver *r, uint64_t seq, uint32_t sum)
{
	bool same = r->check[seq % CHECKS].seq == (uint32_t)seq;

	if (same && r->check[seq % CHECKS].sum != sum)
		return true;
	if (!same && seq > r->high) {
		r->check[seq % CHECKS].seq = (uint32_t)seq;
		r->check[seq % CHECKS].sum = sum;
	}
	return false;
}

static void message_read(struct receiver *r, struct base *b, uint64_t seq, const uint8_t *body,
			 size_t len)
{
	uint64_t ahead = base_reliable(b) ? AHEAD_MAX : AHEAD_LOSSY_MAX;

	if (seq <= r->high) {
		b->st.duplicates++;
		if (b->faults && b->faults->apply_late)
			apply(r, b, seq, body, len);
		return;
	}
	if (seq - r->high > ahead) {
		b->st.bad_record++;
		receiver_stop(r);
		ack_at_once(r, b);
		return;
	}
	if (seq > r->high + 1) {
		keep(r, b, seq, body, len);
		return;
	}
	apply(r, b, seq, body, len);
	reorder_drain(r, b);
}

void receiver_data(struct receiver *r, struct base *b, uint64_t seq, bool ack_now, uint32_t sum,
		   const uint8_t *body, size_t len)
{
	if (!r->start)
		return;
	if (is_other(r, seq, sum)) {
		receiver_fork(r, b);
		return;
	}
	if (ack_now && base_reliable(b))
		ack_at_once(r, b);
	message_read(r, b, seq, body, len);
}

/* Where messages are acknowledged, the sender asks for what nobody acknowledges. */
void receiver_last(struct receiver *r, struct base *b, uint64_t last)
{
	if (base_reliable(b) || !r->start || last <= r->high || last - r->high > AHEAD_LOSSY_MAX)
		return;
	if (last > r->known_last)
		r->known_last = last;
	if (r->reorder_ns == NEVER)
		r->reorder_ns = b->now + REORDER_NS;
}

/* -- epochs and starts -- */

int receiver_init(struct receiver *r, struct base *b, uint32_t node, struct applied *a)
{
	r->reorder_ns = r->ack_ns = NEVER;
	r->pulls = b->conf.startup_resync;
	return replica_init(&r->replica, b, node, a);
}

void receiver_fini(struct receiver *r)
{
	reorder_drop(&r->reorder, UINT64_MAX);
	compare_fini(&r->compare);
	replica_fini(&r->replica);
}

void receiver_fork(struct receiver *r, struct base *b)
{
	receiver_stop(r);
	r->forked = true;
	ack_at_once(r, b);
}

void receiver_epoch(struct receiver *r, struct base *b, uint64_t epoch, bool lost)
{
	receiver_stop(r);
	memset(r->check, 0, sizeof(r->check));
	r->complete = r->forked = false;
	r->ack_ns = b->now;
	replica_epoch(&r->replica, b, epoch, lost);
}

void receiver_start(struct receiver *r, struct base *b, uint64_t start)
{
	uint64_t high = r->high;

	ack_at_once(r, b);
	if (!start) {
		r->detached = r->start;
		return;
	}
	if (start <= r->start || r->forked)
		return;  /* the one it goes by, or one that was overtaken, or there is no way on */
	receiver_stop(r);
	r->start = start;
	r->high = high > start - 1 ? high : start - 1;
	/* What came meanwhile was applied, and perhaps not all of it: it stays in order,
	 * and the owner sends it again. */
	if (high >= start && base_reliable(b))
		gaps_open(&r->gaps, start, high, b->now);
}

void receiver_resync(struct receiver *r, const struct base *b)
{
	r->pulls = true;
	if (r->start && !compare_running(&r->compare))
		compare_begin(&r->compare, !r->replica.live, b->now);
}

bool receiver_holds(const struct receiver *r)
{
	return r->start && r->equal_at && r->complete && !r->detached && !r->differs && !r->lossy &&
	       !r->gaps.n && !r->replica.refused && !r->replica.stale && !r->replica.trimmed;
}

/* -- time -- */

void receiver_acked(struct receiver *r, const struct base *b)
{
	r->unacked = 0;
	r->ack_ns = r->gaps.n ? b->now + ACK_GAPS_NS : NEVER;
}

bool receiver_run(struct receiver *r, struct base *b)
{
	bool more;

	if (!r->replica.cache)
		return false;
	if (r->reorder_ns <= b->now)
		reorder_expire(r, b);
	if (r->replica.trimmed && r->equal_at) {
		/* An equal digest has to come first again, and the owner has to know. */
		r->equal_at = 0;
		r->complete = false;
		ack_at_once(r, b);
	}
	more = compare_step(&r->compare, &r->replica, r->high, b->now);
	more |= replica_step(&r->replica, b);
	applied_flush(r->replica.applied, b);
	return more;
}
