/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "core/sync/health.h"

static bool older(const struct base *b, uint64_t ns, uint64_t limit)
{
	return ns && b->now - ns >= limit;
}

static const char *present_why(const struct peer *p)
{
	switch (p->state) {
	case PEER_GONE: return "it is gone";
	case PEER_KNOWN: return "it does not receive what this node sends";
	case PEER_RESTING: return "it does not keep up";
	case PEER_STARTING: return "it has not confirmed where it starts";
	default: return NULL;
	}
}

const char *health_holds_mine(const struct base *b, const struct sender *s,
			      const struct peers *ps, const struct peer *p)
{
	unsigned int i = peer_index(ps, p);
	const char *why = present_why(p);
	uint64_t messages, records;

	if (b->faults && b->faults->confirm_blindly)
		return peer_present(p) ? NULL : "it is gone";
	if (why)
		return why;
	if (b->faults && b->faults->never_withdraw && p->shown == CTS_PEER_SYNCED)
		return NULL;
	if (!s->table.ready)
		return "the kernel's table is not read yet";
	if (s->table.missing)
		return "this node's own cache is full";
	if (b->now - p->report_ns >= CONFIRMED_NS)
		return "it confirmed nothing lately";
	if (p->report.equal_at <= s->dropped_at)
		return "it was not found equal yet";
	if (p->report.flags & REPORT_REFUSED)
		return "it has no room for all";
	if (p->report.flags & REPORT_LACKING)
		return "its kernel lacks some";
	if (b->now - p->held_ns >= CONFIRMED_NS)
		return "it repairs what is missing";
	if (older(b, window_unacked_since(&s->window, i, &messages, &records), CONFIRMED_NS))
		return "it has not acknowledged what was sent";
	if (older(b, sender_waiting_since(s), CONFIRMED_NS))
		return "changes wait to be sent";
	return NULL;
}

const char *health_held_here(const struct base *b, const struct peer *p, uint64_t lacking)
{
	const struct receiver *r = &p->recv;

	if (p->state == PEER_GONE)
		return "it is gone";
	if (b->faults && (b->faults->confirm_blindly ||
			  (b->faults->never_withdraw && p->shown == CTS_PEER_SYNCED)))
		return NULL;
	if (b->now - p->last_received_ns >= CONFIRMED_NS)
		return "nothing was received from it lately";
	if (!p->hello_seen || !(p->hello.flags & HELLO_READY))
		return "it has not read its table yet";
	if (!r->start || r->detached)
		return "it does not wait for this node";
	if (!r->complete || !r->equal_at || r->replica.trimmed)
		return "it was not found equal yet";
	if (r->replica.stale)
		return "what it had before it started again is not judged yet";
	if (r->replica.refused)
		return "this node has no room for all";
	if (lacking)
		return "this node's kernel lacks some";
	if (p->hello.flags & HELLO_INCOMPLETE)
		return "its own cache is full";
	if (r->differs || r->lossy)
		return "differences are being repaired";
	if (b->now - p->current_ns < CONFIRMED_NS)
		return NULL;
	if (p->hello.waiting_ms * MS >= CONFIRMED_NS)
		return "changes wait there to be sent";
	return r->gaps.n ? "messages are missing" : "what it sent has not come";
}

void health_show(struct base *b, const struct sender *s, const struct peers *ps, struct peer *p,
		 uint64_t lacking)
{
	const char *mine = health_holds_mine(b, s, ps, p);
	const char *here = health_held_here(b, p, lacking);
	enum cts_peer_state state = !peer_present(p) ? CTS_PEER_DOWN :
				    mine || here     ? CTS_PEER_JOINING : CTS_PEER_SYNCED;

	if (state == p->shown || (p->shown == CTS_PEER_DOWN && p->state == PEER_KNOWN))
		return;
	p->shown = state;
	if (b->ops.peer_state)
		b->ops.peer_state(b->ctx, p->id, state, mine ? mine : here ? here :
				  "both hold what the other has");
}

/* -- configuration -- */

uint32_t health_differs(const struct base *b, const struct sender *s, const struct hello *h)
{
	uint32_t differs = 0;

	if (h->lowest > CTS_WIRE_VERSION || h->highest < CTS_WIRE_VERSION_MIN)
		differs |= CTS_DIFFERS_VERSION;
	if (h->mode != (uint8_t)b->conf.mode)
		differs |= CTS_DIFFERS_MODE;
	if (h->attrs != b->conf.attrs)
		differs |= CTS_DIFFERS_ATTRS;
	/* A smaller table there cannot hold what this node may have. */
	if (h->limit < s->table.limit)
		differs |= CTS_DIFFERS_LIMIT;
	return differs;
}

const char *health_differs_text(uint32_t differs)
{
	switch (differs & (CTS_DIFFERS_MODE | CTS_DIFFERS_ATTRS | CTS_DIFFERS_LIMIT)) {
	case CTS_DIFFERS_MODE: return "its sync.mode is another one";
	case CTS_DIFFERS_ATTRS: return "its sync.attributes are others";
	case CTS_DIFFERS_LIMIT: return "its cache.limit is lower than here";
	case CTS_DIFFERS_MODE | CTS_DIFFERS_ATTRS:
		return "its sync.mode and sync.attributes are others";
	case CTS_DIFFERS_MODE | CTS_DIFFERS_LIMIT:
		return "its sync.mode is another one, its cache.limit is lower";
	case CTS_DIFFERS_ATTRS | CTS_DIFFERS_LIMIT:
		return "its sync.attributes are others, its cache.limit is lower";
	default: return "its sync.mode, sync.attributes and cache.limit are others";
	}
}
