/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one numbered stream to all peers: builds messages of what waits and hands
 * them to the transport, as long as both ring and transport have room.
 */
#include "config.h"

#include <errno.h>

#include "core/sync/engine_int.h"

static void stream_put_digest(struct cts_engine *e, struct cts_wire_out *out)
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
static void stream_put_sums(struct cts_engine *e, struct cts_wire_out *out)
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

static void stream_put_controls(struct cts_engine *e, struct cts_wire_out *out, struct slot *s,
			 bool digest)
{
	ring_put_repaired(e, out);
	if (digest)
		stream_put_digest(e, out);
	if (e->own.sums_due)
		stream_put_sums(e, out);
	if (e->own.transfer.end_due)
		transfer_put_end(e, out, s);
}

static bool digest_due(const struct cts_engine *e)
{
	const struct owner *o = &e->own;

	if (!engine_reliable(e) || !o->ready || o->digest_ns > e->now || !ring_peers(e))
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

static bool work_waiting(struct cts_engine *e)
{
	bool from_urgent;

	return owner_next(e, &from_urgent) || e->own.sums_due || e->own.transfer.end_due ||
	       ring_repairs_waiting(e);
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
	s->built_ns = e->now;
	s->owing = engine_reliable(e) ? ring_peers(e) : 0;
	s->listed = 0;
	s->n = 0;
	s->requeued = s->has_end = false;
	cts_wire_begin(&out, buf, size);
	stream_put_controls(e, &out, s, digest);
	while ((ref = owner_next(e, &from_urgent)) && owner_put_entry(e, &out, s, ref))
		owner_sent(o, ref, from_urgent);
	if (!s->owing)
		ring_release(e, s);
	return cts_wire_finish(&out, &h);
}

/* Hand on what is built. false: the transport is full. */
static bool flush_unsent(struct cts_engine *e)
{
	struct owner *o = &e->own;

	while (o->unsent_n) {
		const struct iovec *msg = &o->unsent[o->unsent_first];
		uint64_t bytes = 0;
		int i, taken = e->ops.send(e->ctx, msg, o->unsent_n, CTS_NODE_ALL);

		if (taken < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return false;
		if (taken <= 0)
			taken = 1;  /* the first is lost: a gap, that will be asked for */
		for (i = 0; i < taken; i++)
			bytes += msg[i].iov_len;
		engine_count_sent(e, CTS_NODE_ALL, (unsigned int)taken, bytes);
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

void stream_run(struct cts_engine *e)
{
	struct owner *o = &e->own;
	bool digest, heard = ring_peers(e) || !engine_reliable(e);
	size_t size = message_size(e);

	owner_young(e);
	transfer_refresh(e);
	ring_stuck(e);
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

uint64_t stream_deadline(const struct cts_engine *e)
{
	const struct owner *o = &e->own;
	uint64_t t = NEVER;

	if (o->unsent_n)
		return NEVER;  /* writable() comes */
	if (engine_reliable(e) && o->ready && ring_peers(e))
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
