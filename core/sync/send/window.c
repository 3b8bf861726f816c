/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <stdlib.h>

#include "core/sync/send/window.h"

static uint64_t bit_of(unsigned int i)
{
	return UINT64_C(1) << i;
}

void window_init(struct window *w)
{
	w->lowest = 1;
}

void window_fini(struct window *w)
{
	for (unsigned int i = 0; i < WINDOW_MESSAGES; i++)
		free(w->ring[i].refs);
}

void window_reset(struct window *w)
{
	for (unsigned int i = 0; i < WINDOW_MESSAGES; i++)
		w->ring[i] = (struct sent){ .refs = w->ring[i].refs, .max = w->ring[i].max };
	w->last = w->members = w->holding_ns = w->ack_now_bytes = 0;
	w->lowest = 1;
	w->large_lost = w->small_acked = 0;
	for (unsigned int i = 0; i < CTS_NODES_MAX; i++)
		w->view[i] = (struct receiver_view){ .retransmitted = w->view[i].retransmitted };
}

/* -- settling -- */

static void settle(struct window *w, struct table *t, struct sent *s)
{
	uint64_t seq = s->seq, who = s->unacked_by;

	for (unsigned int i = 0; who; i++, who >>= 1)
		if (who & 1)
			pace_forget(&w->view[i].pace, s->bytes);
	s->seq = 0;
	s->unacked_by = 0;
	for (uint32_t i = 0; i < s->n; i++)
		table_settled(t, s->refs[i], seq);
	s->n = 0;
	while (w->lowest <= w->last && window_slot(w, w->lowest)->seq != w->lowest)
		w->lowest++;
}

static void settle_if_done(struct window *w, struct table *t, struct sent *s)
{
	if (s->lost ? !s->resending : !s->unacked_by)
		settle(w, t, s);
}

/* -- members -- */

uint64_t window_enter(struct window *w, unsigned int i, uint64_t max_bytes, uint64_t now)
{
	struct receiver_view *v = &w->view[i];

	v->start = w->last + 1;
	v->acked = w->last;
	v->confirmed = false;
	v->progress_ns = now;
	pace_init(&v->pace, max_bytes);
	w->members |= bit_of(i);
	return v->start;
}

void window_leave(struct window *w, struct table *t, unsigned int i)
{
	uint64_t last = w->last;

	for (uint64_t seq = w->lowest; seq <= last; seq++) {
		struct sent *s = window_slot(w, seq);

		if (s->seq != seq || !(s->unacked_by & bit_of(i)))
			continue;
		s->unacked_by &= ~bit_of(i);
		settle_if_done(w, t, s);
	}
	w->members &= ~bit_of(i);
	w->view[i].start = 0;
	w->view[i].confirmed = false;
	w->holding_ns = 0;
}

/* -- sending -- */

bool window_free(const struct window *w, bool urgent)
{
	return window_len(w) < WINDOW_MESSAGES - (urgent ? WINDOW_RESCUE : WINDOW_RESERVE);
}

const struct sent *window_to_rescue(const struct window *w)
{
	const struct sent *s = &w->ring[w->lowest % WINDOW_MESSAGES];

	if (window_free(w, true) || window_len(w) >= WINDOW_MESSAGES || !s->lost || !s->resending)
		return NULL;
	return s;
}

void window_abandon(struct window *w, struct table *t)
{
	for (uint64_t seq = w->lowest, last = w->last; seq <= last; seq++) {
		struct sent *s = window_slot(w, seq);

		if (s->seq == seq)
			settle(w, t, s);
	}
}

uint64_t window_holding(struct window *w)
{
	uint64_t who = w->members, holding = 0;

	for (unsigned int i = 0; who; i++, who >>= 1)
		if (who & 1 && !pace_room(&w->view[i].pace, 1))
			holding |= bit_of(i);
	return holding;
}

uint64_t window_lowest_holders(const struct window *w)
{
	const struct sent *s = &w->ring[w->lowest % WINDOW_MESSAGES];

	return s->lost ? 0 : s->unacked_by;
}

struct sent *window_open(struct window *w, bool reliable, uint64_t now)
{
	struct sent *s = window_slot(w, ++w->last);

	*s = (struct sent){ .seq = w->last, .refs = s->refs, .max = s->max, .sent_ns = now,
			    .since_ns = now, .unacked_by = reliable ? w->members : 0 };
	return s;
}

bool window_note(struct sent *s, uint32_t ref)
{
	if (s->n == s->max) {
		uint32_t max = s->max ? s->max * 2 : 64;
		uint32_t *refs = realloc(s->refs, max * sizeof(*refs));

		if (!refs)
			return false;
		s->refs = refs;
		s->max = max;
	}
	s->refs[s->n++] = ref;
	return true;
}

void window_resent(struct window *w, struct table *t, uint64_t before)
{
	struct sent *s = window_slot(w, before), *again = window_slot(w, w->last);

	if (s->seq != before || !s->resending)
		return;
	if (s->since_ns < again->since_ns)
		again->since_ns = s->since_ns;
	s->resending--;
	settle_if_done(w, t, s);
}

void window_close(struct window *w, struct table *t, struct sent *s, size_t len, bool ack_now)
{
	uint64_t who = s->unacked_by;

	s->bytes = (uint32_t)len + PACE_OVERHEAD;
	s->ack_now = ack_now;
	for (unsigned int i = 0; who; i++, who >>= 1) {
		struct receiver_view *v = &w->view[i];

		if (!(who & 1))
			continue;
		if (!v->pace.in_flight)
			v->progress_ns = s->sent_ns;
		pace_sent(&v->pace, s->bytes);
	}
	w->last_sent_ns = s->sent_ns;
	w->ack_now_bytes = ack_now ? 0 : w->ack_now_bytes + s->bytes;
	if (!s->unacked_by)
		settle(w, t, s);
}

/* -- acknowledgements -- */

static void note_size(struct window *w, const struct sent *s, bool lost)
{
	uint32_t len = s->bytes - PACE_OVERHEAD;

	if (len <= SIZE_SMALL) {
		w->small_acked += !lost;
	} else if (lost) {
		w->large_lost++;
	} else {
		w->large_lost = w->small_acked = 0;
		if (len > w->largest_acked)
			w->largest_acked = len;
	}
}

static void message_lost(struct window *w, struct table *t, struct receiver_view *v,
			 struct sent *s)
{
	v->retransmitted += s->n;
	pace_lost(&v->pace, s->bytes, s->seq, w->last);
	note_size(w, s, true);
	if (s->lost)
		return;
	s->lost = true;
	for (uint32_t i = 0; i < s->n; i++) {
		const struct cts_entry *e = cts_cache_entry(t->cache, s->refs[i]);

		if (e && e->seq == s->seq && !(e->flags & F_LOST) && table_lost(t, s->refs[i]))
			s->resending++;
	}
}

static bool in_gaps(const struct gaps *g, unsigned int *at, uint64_t seq)
{
	while (*at < g->n && g->range[*at].to < seq)
		(*at)++;
	return *at < g->n && g->range[*at].from <= seq;
}

bool window_ack(struct window *w, struct table *t, unsigned int i, uint64_t high,
		const struct gaps *gaps, uint64_t now)
{
	struct receiver_view *v = &w->view[i];
	const struct sent *newest = NULL;
	unsigned int at = 0;
	uint64_t first = v->acked + 1 > w->lowest ? v->acked + 1 : w->lowest;

	if (high > w->last)
		return false;
	v->confirmed = true;
	if (high <= v->acked)
		return true;  /* nothing new: one that was overtaken, or repeated */
	v->acked = high;
	v->progress_ns = now;
	for (uint64_t seq = first; seq <= high; seq++) {
		struct sent *s = window_slot(w, seq);

		if (s->seq != seq || !(s->unacked_by & bit_of(i)))
			continue;
		s->unacked_by &= ~bit_of(i);
		if (in_gaps(gaps, &at, seq)) {
			v->missed++;
			message_lost(w, t, v, s);
		} else {
			pace_acked(&v->pace, s->bytes);
			v->arrived++;
			note_size(w, s, false);
			newest = s;
			if (s->ack_now && seq == high)
				pace_rtt(&v->pace, now - s->sent_ns);
		}
		settle_if_done(w, t, s);
	}
	if (newest)
		v->pace.probes = 0;
	return true;
}

/* -- time -- */

uint64_t window_probe_at(const struct window *w)
{
	uint64_t who = w->members, at = NEVER;
	const struct sent *s = &w->ring[w->last % WINDOW_MESSAGES];
	uint64_t delay = s->ack_now ? ACK_DELAY_NOW_NS : ACK_DELAY_NS + ACK_DELAY_NOW_NS;

	for (unsigned int i = 0; who; i++, who >>= 1) {
		const struct receiver_view *v = &w->view[i];
		uint64_t since, due;

		if (!(who & 1) || !v->pace.in_flight)
			continue;
		since = w->last_sent_ns > v->progress_ns ? w->last_sent_ns : v->progress_ns;
		due = since + pace_probe_after(&v->pace, delay);
		at = due < at ? due : at;
	}
	return at;
}

void window_probed(struct window *w, uint64_t now)
{
	uint64_t who = w->members;

	w->last_sent_ns = now;
	for (unsigned int i = 0; who; i++, who >>= 1)
		if (who & 1 && w->view[i].pace.in_flight)
			pace_probed(&w->view[i].pace);
}

bool window_probe_unanswered(const struct window *w)
{
	uint64_t who = w->members;

	for (unsigned int i = 0; who; i++, who >>= 1)
		if (who & 1 && w->view[i].pace.in_flight && w->view[i].pace.probes & 1)
			return true;
	return false;
}

int window_unanswered(const struct window *w, uint64_t now)
{
	uint64_t who = w->members;

	for (unsigned int i = 0; who; i++, who >>= 1)
		if (who & 1 && w->view[i].pace.in_flight &&
		    now - w->view[i].progress_ns >= UNANSWERED_NS)
			return (int)i;
	return -1;
}

uint64_t window_unacked_since(const struct window *w, unsigned int i, uint64_t *messages,
			      uint64_t *records)
{
	uint64_t since = 0;

	*messages = *records = 0;
	for (uint64_t seq = w->lowest; seq <= w->last; seq++) {
		const struct sent *s = &w->ring[seq % WINDOW_MESSAGES];

		if (s->seq != seq || !(s->lost || s->unacked_by & bit_of(i)))
			continue;
		(*messages)++;
		*records += s->lost ? s->resending : s->n;
		if (!since || s->since_ns < since)
			since = s->since_ns;
	}
	return since;
}
