/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/sync/send/sender.h"

#define YOUNG_NS (100 * MS)          /* how often those below the minimum age are looked at */
#define DIGEST_BYTES 19u             /* of the record */

/* -- messages -- */

static bool is_busy(const struct sender *s)
{
	return transfer_active(&s->transfer) || answer_busy(&s->answer);
}

static void put_digest(struct sender *s, struct cts_wire_out *out)
{
	const struct sums *sums = &s->table.sums;
	uint64_t total = sums->total;
	uint8_t flags = 0;

	if (s->base->faults && s->base->faults->wrong_digest && !(sums->count & 3))
		total++;
	if (s->table.ready && !s->table.unsent && !s->table.missing)
		flags |= CTS_DIGEST_COMPLETE;
	if (is_busy(s) || s->table.unsent)
		flags |= CTS_DIGEST_BUSY;
	cts_put_u8(out, CTS_REC_DIGEST);
	cts_put_u8(out, DIGEST_BYTES - 2);
	cts_put_u8(out, flags);
	cts_put_u64(out, sums->count);
	cts_put_u64(out, total);
	s->base->st.digests_sent++;
}

static void digest_schedule(struct sender *s)
{
	uint64_t wait = base_reliable(s->base) ? DIGEST_NS : DIGEST_LOSSY_NS;

	s->digest_ns = s->base->now + (s->digest_wanted ? DIGEST_JOIN_NS : wait);
}

static bool digest_due(const struct sender *s)
{
	return s->table.ready && s->listeners && s->digest_ns <= s->base->now;
}

/* Put ref into the message. false: it does not fit. */
static bool put_entry(struct sender *s, struct cts_wire_out *out, struct sent *m, uint32_t ref,
		      bool lost)
{
	uint64_t before;

	if (!window_note(m, ref))
		return false;
	if (!table_put(&s->table, s->base, out, m->seq, ref, &before)) {
		m->n--;
		return false;
	}
	if (lost)
		table_taken(&s->table, ref, true);
	if (before)
		window_resent(&s->window, &s->table, before);
	return true;
}

static void put_entries(struct sender *s, struct cts_wire_out *out, struct sent *m,
			unsigned int *looked)
{
	uint32_t ref;
	bool lost;

	while ((ref = table_next(&s->table, s->base, &lost))) {
		if (!put_entry(s, out, m, ref, lost))
			return;
		if (!lost)
			table_taken(&s->table, ref, false);
	}
	while ((ref = transfer_next(&s->transfer, &s->table, s->window.last, looked))) {
		if (!put_entry(s, out, m, ref, false))
			return;
		transfer_taken(&s->transfer);
	}
}

/* What the lowest message carried, and nothing else: then it is settled. */
static void put_rescue(struct sender *s, struct cts_wire_out *out, struct sent *m,
		       const struct sent *lowest)
{
	uint64_t seq = lowest->seq;

	for (uint32_t i = 0; lowest->seq == seq && i < lowest->n; i++) {
		uint32_t ref = lowest->refs[i];
		const struct cts_entry *e = cts_cache_entry(s->table.cache, ref);

		if (e && e->seq == seq && e->flags & F_LOST && !put_entry(s, out, m, ref, false))
			return;
	}
}

/* A message as large as the size that is tried. */
static void put_padding(struct cts_wire_out *out, size_t size)
{
	static const uint8_t zeros[256];

	if (out->len + 3 > size || size > out->size)
		return;
	cts_put_u8(out, CTS_REC_PAD);
	cts_put_u16(out, (uint16_t)(size - out->len - 2));
	while (out->len < size)
		cts_put_bytes(out, zeros, size - out->len < sizeof(zeros) ? size - out->len
									  : sizeof(zeros));
}

struct building {
	uint8_t *buf;
	size_t size;                 /* at most */
	size_t pad;                  /* as large as this; 0: as large as it gets */
	bool digest, empty;          /* empty: nothing but the question */
	const struct sent *rescue;   /* what this message carried, and nothing else */
	bool ack_now;
};

/* Ask for an acknowledgement often enough that it opens the window before it is full. */
static bool should_ask(const struct sender *s, size_t len)
{
	const struct window *w = &s->window;
	uint64_t who = w->members, least = UINT64_MAX;

	for (unsigned int i = 0; who; i++, who >>= 1)
		if (who & 1 && w->view[i].pace.window < least)
			least = w->view[i].pace.window;
	return w->members && w->ack_now_bytes + len >= least / 4;
}

/* A broken rule of the simulation: tombstones do not wait for acknowledgements. */
static void forget_deleted(struct sender *s, const struct sent *m)
{
	for (uint32_t i = 0; i < m->n; i++)
		table_settled(&s->table, m->refs[i], m->seq);
}

static size_t message_build(struct sender *s, struct building *b, unsigned int *looked)
{
	struct base *base = s->base;
	struct cts_wire_header h = { .type = CTS_MSG_DATA, .cluster = base->cluster,
				     .node = base->id, .epoch = base->epoch };
	struct sent *m = window_open(&s->window, base_reliable(base), base->now);
	struct cts_wire_out out;
	uint64_t seq = m->seq;
	size_t len;
	bool more;

	if (table_waiting(&s->table))
		m->since_ns = s->table.drained_ns;

	/* The digest is the last record, as it is of all before it. */
	cts_wire_begin(&out, b->buf, b->size - (b->digest ? DIGEST_BYTES : 0));
	cts_put_u16(&out, 0);  /* the floor, known in the end */
	if (b->rescue) {
		put_rescue(s, &out, m, b->rescue);
	} else if (!b->empty) {
		answer_put(&s->answer, &s->table, base, &out);
		put_entries(s, &out, m, looked);
	}
	out.size = b->size;
	if (b->digest)
		put_digest(s, &out);
	if (b->pad)
		put_padding(&out, b->pad);
	more = table_waiting(&s->table) || transfer_active(&s->transfer);
	b->ack_now |= should_ask(s, out.len) || (window_len(&s->window) >= WINDOW_MESSAGES / 2 && !more);
	if (base->faults && base->faults->forget_deleted)
		forget_deleted(s, m);
	window_close(&s->window, &s->table, m, out.len, b->ack_now);
	len = out.len;
	out.len = CTS_WIRE_HEADER;
	cts_put_u16(&out, (uint16_t)(seq - (s->window.lowest < seq ? s->window.lowest : seq)));
	out.len = len;
	h.number = seq;
	h.flags = b->ack_now && base_reliable(base) ? CTS_WIRE_ACK_NOW : 0;
	return cts_wire_finish(&out, &h);
}

/* Hand on what is built. false: the transport is full. */
static bool sender_flush(struct sender *s)
{
	struct base *b = s->base;

	while (s->unsent_n) {
		const struct iovec *msg = &s->unsent[s->unsent_first];
		int taken = b->ops.send(b->ctx, msg, s->unsent_n, CTS_NODE_ALL);

		if (taken < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return false;
		if (taken <= 0)
			taken = 1;  /* the first is lost: a gap, that will be repaired */
		for (int i = 0; i < taken; i++)
			s->sent_bytes += msg[i].iov_len;
		s->sent_messages += (unsigned int)taken;
		s->unsent_first += (unsigned int)taken;
		s->unsent_n -= (unsigned int)taken;
	}
	s->unsent_first = 0;
	return true;
}

uint64_t sender_waiting_since(const struct sender *s)
{
	const struct window *w = &s->window;
	uint64_t since = table_waiting(&s->table) ? s->table.drained_ns : 0, built;

	if (!s->unsent_n)
		return since;
	built = w->ring[(w->last + 1 - s->unsent_n) % WINDOW_MESSAGES].since_ns;
	return since && since < built ? since : built;
}

static size_t transport_size(const struct sender *s)
{
	size_t size = s->base->ops.max_message(s->base->ctx);

	if (size > s->out_size)
		size = s->out_size;
	return size < CTS_WIRE_MIN_MAX ? CTS_WIRE_MIN_MAX : size;
}

/* Build one message into the batch. */
static void message_add(struct sender *s, struct building *b, unsigned int *looked)
{
	size_t len;

	b->buf = s->out + (s->unsent_first + s->unsent_n) * s->out_size;
	len = message_build(s, b, looked);
	if (len && s->listeners)
		s->unsent[s->unsent_first + s->unsent_n++] = (struct iovec){ b->buf, len };
	if (window_len(&s->window) > s->base->st.window_max)
		s->base->st.window_max = window_len(&s->window);
}

/* -- what may be sent -- */

/* Some of several receivers cannot take more: the others wait for them for a moment. */
static uint64_t who_lags(struct sender *s, uint64_t holding)
{
	struct window *w = &s->window;
	uint64_t unconfirmed = 0, who = holding, patience;

	if (!holding || holding == w->members) {
		w->holding_ns = 0;
		return 0;
	}
	for (unsigned int i = 0; who; i++, who >>= 1)
		if (who & 1 && !w->view[i].confirmed)
			unconfirmed |= UINT64_C(1) << i;
	if (unconfirmed)
		return unconfirmed;
	if (!w->holding_ns)
		w->holding_ns = s->base->now;
	patience = table_waiting(&s->table) ? HOLDING_NS : HOLDING_BULK_NS;
	return s->base->now - w->holding_ns >= patience ? holding : 0;
}

static bool work_waiting(struct sender *s, unsigned int *looked)
{
	bool lost;

	return table_next(&s->table, s->base, &lost) || answer_waiting(&s->answer) ||
	       transfer_next(&s->transfer, &s->table, s->window.last, looked);
}

/* No acknowledgement comes: ask, however full the window is. */
static void probe(struct sender *s, size_t size)
{
	struct building b = { .size = size, .ack_now = true };
	unsigned int looked = STEP_ENTRIES;

	if (s->base->now < window_probe_at(&s->window) || !window_free(&s->window, true) ||
	    s->unsent_n)
		return;
	/* Not more than a question where large messages may be what gets lost. */
	b.empty = s->window.large_lost > 0 || !s->table.retransmit.waiting ||
		  window_probe_unanswered(&s->window);
	message_add(s, &b, &looked);
	window_probed(&s->window, s->base->now);
	s->base->st.probes++;
}

static void try_size(struct sender *s, size_t transport)
{
	struct building b = { .size = transport, .ack_now = true, .empty = true };
	size_t size = size_probe_due(&s->size, transport, s->base->now);
	unsigned int looked = STEP_ENTRIES;

	if (!size || s->unsent_n || !s->window.members || !window_free(&s->window, false))
		return;
	b.pad = size;
	message_add(s, &b, &looked);
	size_probing(&s->size, size, s->window.last, s->base->now);
}

static void judge_size(struct sender *s, size_t transport)
{
	struct window *w = &s->window;
	struct base *b = s->base;

	if (w->largest_acked)
		size_passed(&s->size, w->largest_acked);
	w->largest_acked = 0;
	if (w->large_lost < SIZE_LOST || w->small_acked < SIZE_PASSED)
		return;
	w->large_lost = w->small_acked = 0;
	if (!size_shrink(&s->size, transport, b->now) || !b->ops.report ||
	    (s->size.reported_ns && b->now - s->size.reported_ns < 60 * SECOND))
		return;
	s->size.reported_ns = b->now;
	b->ops.report(b->ctx, CTS_REPORT_SIZE, 0, 0, 0,
		      "large messages do not arrive: smaller ones are sent");
}

/* The window is full but for the last numbers: they are what frees it. */
static void rescue(struct sender *s, size_t size, unsigned int *looked)
{
	struct building b = { .size = size, .ack_now = true };

	while (s->unsent_first + s->unsent_n < SEND_BATCH &&
	       (b.rescue = window_to_rescue(&s->window)))
		message_add(s, &b, looked);
}

/* One batch. Returns false when nothing more can or need be built. */
static bool batch_build(struct sender *s, size_t size, unsigned int *looked, uint64_t *lagging)
{
	struct window *w = &s->window;

	s->blocked = false;
	rescue(s, size, looked);
	while (s->unsent_first + s->unsent_n < SEND_BATCH) {
		struct building b = { .size = size, .digest = digest_due(s) };
		uint64_t holding = base_reliable(s->base) ? window_holding(w) : 0;

		if (!b.digest && !work_waiting(s, looked)) {
			w->holding_ns = 0;
			return false;
		}
		if (!window_free(w, s->table.retransmit.waiting)) {
			s->blocked = true;
			holding |= window_lowest_holders(w);
		}
		s->blocked |= holding != 0;
		*lagging |= who_lags(s, holding);
		if (s->blocked)
			return false;
		message_add(s, &b, looked);
		if (b.digest)
			digest_schedule(s);
	}
	return true;
}

bool sender_run(struct sender *s, uint64_t *lagging)
{
	size_t transport = transport_size(s), size;
	unsigned int looked = 0;
	bool again;

	table_release_held_back(&s->table, s->base);
	transfer_refresh(&s->transfer, &s->table, s->base);
	judge_size(s, transport);
	if (s->table.dropped) {
		s->table.dropped = false;
		s->dropped_at = s->window.last;
		s->digest_ns = s->base->now;
	}
	size = size_of(&s->size, transport);
	again = answer_step(&s->answer, &s->table, s->base);
	if (s->was_busy && !is_busy(s))
		s->digest_ns = s->base->now;  /* who waits for it can judge now */
	s->was_busy = is_busy(s);
	probe(s, size);
	try_size(s, transport);
	do {
		if (!sender_flush(s))
			return false;  /* writable() comes */
	} while (batch_build(s, size, &looked, lagging) || s->unsent_n);
	return again || (looked >= STEP_ENTRIES && transfer_active(&s->transfer));
}

uint64_t sender_deadline(struct sender *s)
{
	uint64_t t = answer_deadline(&s->answer), at, now = s->base->now;

	if (s->unsent_n)
		return t;
	if (s->table.ready && s->listeners && !s->blocked && s->digest_ns < t)
		t = s->digest_ns;
	at = window_probe_at(&s->window);
	t = at < t ? at : t;
	if (s->window.holding_ns && s->window.holding_ns + HOLDING_NS < t)
		t = s->window.holding_ns + HOLDING_NS;
	if ((s->table.held_back.head || s->base->conf.mode == CTS_MODE_ALARM) && now + YOUNG_NS < t)
		t = now + YOUNG_NS;
	return t;
}

bool sender_pull(struct sender *s, const struct pull *p, struct cts_wire_in *in)
{
	uint8_t map[TRANSFER_MAP] = { 0 };

	if (!s->table.ready)
		return true;  /* it is asked again */
	switch (p->what) {
	case PULL_ALL:
		transfer_pull(&s->transfer, NULL, s->window.last);
		return true;
	case PULL_SUBTREES:
		if (!parse_bitmap(in, map, sizeof(map)))
			return false;
		transfer_pull(&s->transfer, map, s->window.last);
		return true;
	default:
		return answer_pull(&s->answer, p, in, s->base->now);
	}
}

/* -- making -- */

int sender_init(struct sender *s, struct base *b)
{
	size_t size = b->ops.max_message(b->ctx);

	s->base = b;
	s->out_size = size < CTS_WIRE_MIN_MAX ? CTS_WIRE_MIN_MAX :
		      size > CTS_WIRE_MAX ? CTS_WIRE_MAX : size;
	s->out = malloc(SEND_BATCH * s->out_size);
	window_init(&s->window);
	size_init(&s->size);
	s->transfer.refresh_ns = b->now;
	return s->out && table_init(&s->table, b) == 0 ? 0 : -1;
}

void sender_fini(struct sender *s)
{
	table_fini(&s->table);
	window_fini(&s->window);
	answer_fini(&s->answer);
	free(s->out);
}

void sender_renew(struct sender *s, bool forget)
{
	table_renew(&s->table, s->base, forget);
	window_reset(&s->window);
	transfer_reset(&s->transfer);
	answer_reset(&s->answer);
	s->unsent_n = s->unsent_first = 0;
	s->dropped_at = 0;
	if (forget)
		s->table.ready = false;
}

void sender_ready(struct sender *s)
{
	table_read(&s->table);
	s->digest_ns = s->base->now;
}
