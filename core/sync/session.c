/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <sodium.h>
#include <stdlib.h>

#include "core/sync/health.h"
#include "core/sync/session.h"

/* -- sending -- */

static bool send_message(struct session *s, struct cts_wire_out *o, uint8_t type, uint32_t to)
{
	struct base *b = s->base;
	struct cts_wire_header h = { .type = type, .cluster = b->cluster, .node = b->id,
				     .epoch = b->epoch };
	struct iovec msg = { .iov_base = o->buf };
	struct peer *p;

	msg.iov_len = cts_wire_finish(o, &h);
	if (!msg.iov_len || b->ops.send(b->ctx, &msg, 1, to) != 1) {
		s->blocked_ns = b->now + AGAIN_NS;
		return false;  /* it stays due, and goes before data when there is room */
	}
	b->st.sent_messages++;
	b->st.sent_bytes += msg.iov_len;
	peers_for_each(p, s->peers)
		if (to ? p->id == to : peer_present(p)) {
			p->sent_messages++;
			p->sent_bytes += msg.iov_len;
		}
	return true;
}

static void report(struct session *s, enum cts_sync_report what, uint32_t node, unsigned int link,
		   uint32_t peer, const char *text)
{
	struct base *b = s->base;

	if (s->reported_ns[what] && b->now - s->reported_ns[what] < REPORT_NS)
		return;
	s->reported_ns[what] = b->now;
	if (b->ops.report)
		b->ops.report(b->ctx, what, node, link, peer, text);
}

static void report_of(const struct session *s, const struct peer *p, struct report *r)
{
	const struct receiver *v = &p->recv;

	/* Out of step it goes by no start. So who sent it that lately, and counts it in
	 * again by now, sees that it does not know. */
	*r = (struct report){ .node = p->id, .epoch = p->epoch,
			      .start = v->detached ? 0 : v->start, .high = v->high,
			      .equal_at = v->equal_at };
	r->flags = (receiver_holds(v) ? REPORT_HOLDS : 0) |
		   (v->replica.refused ? REPORT_REFUSED : 0) | (s->lacking ? REPORT_LACKING : 0) |
		   (v->gaps.n ? REPORT_GAPS : 0) | (v->forked ? REPORT_FORKED : 0);
}

static void hello_fill(struct session *s, struct hello *h)
{
	const struct table *t = &s->sender->table;
	struct base *b = s->base;
	uint64_t since, ms;

	table_release_held_back(&s->sender->table, b);  /* what is due waits from now on */
	since = sender_waiting_since(s->sender);
	ms = since ? (b->now - since) / MS : 0;
	*h = (struct hello){
		.table_id = b->conf.table_id, .last = sender_last_handed(s->sender),
		.attrs = b->conf.attrs, .waiting = t->dirty.len + t->retransmit.waiting,
		.waiting_ms = (uint16_t)(ms < UINT16_MAX ? ms : UINT16_MAX),
		.limit = (uint32_t)(t->limit < UINT32_MAX ? t->limit : UINT32_MAX),
		.uptime_s = (uint32_t)((b->now - s->started_ns) / SECOND),
		.highest = CTS_WIRE_VERSION, .lowest = CTS_WIRE_VERSION_MIN,
		.mode = (uint8_t)b->conf.mode, .name_len = (uint8_t)strlen(s->name),
		.flags = (t->ready ? HELLO_READY : 0) | (t->missing ? HELLO_INCOMPLETE : 0),
	};
	memcpy(h->name, s->name, sizeof(h->name));
	b->ops.random(b->ctx, &h->token, sizeof(h->token));
	s->tokens[s->token_next++ % TOKENS] = h->token;
}

/* Reports on the streams of the peers from *next on, as many as fit. */
static void build_reports(const struct session *s, struct cts_wire_out *o, unsigned int *next)
{
	for (; *next < s->peers->n && o->size - o->len >= REPORT_BYTES; (*next)++) {
		const struct peer *p = s->peers->list[*next];
		struct report r;

		if (!p || !p->epoch || !peer_present(p))
			continue;
		report_of(s, p, &r);
		build_report(o, &r);
	}
}

/* Where the reports do not fit into one message several go out, with the same HELLO: who
 * is reported on more seldom takes what was confirmed for old. */
static void send_hello(struct session *s)
{
	size_t size = size_of(&s->sender->size, 1472);
	uint8_t buf[1472];
	struct cts_wire_out o;
	unsigned int next = 0;
	struct hello h;

	if (size > s->base->ops.max_message(s->base->ctx))
		size = CTS_WIRE_MIN_MAX;
	hello_fill(s, &h);
	do {
		cts_wire_begin(&o, buf, size);
		build_hello(&o, &h);
		build_reports(s, &o, &next);
		if (!send_message(s, &o, CTS_MSG_HELLO, CTS_NODE_ALL))
			return;
	} while (next < s->peers->n);
	s->hello_due = false;
	s->hello_ns = s->base->now + (s->base->conf.membership ? HELLO_MEMBER_NS : HELLO_NS);
}

static void send_ack(struct session *s, struct peer *p)
{
	uint8_t buf[ACK_BYTES_MAX];
	struct cts_wire_out o;
	struct report r;

	report_of(s, p, &r);
	cts_wire_begin(&o, buf, sizeof(buf));
	build_ack(&o, &r, &p->recv.gaps);
	if (!send_message(s, &o, CTS_MSG_ACK, p->id))
		return;
	receiver_acked(&p->recv, s->base);
	s->base->st.acks_sent++;
}

static void send_start(struct session *s, struct peer *p)
{
	uint8_t buf[CTS_WIRE_MIN_MAX];
	struct cts_wire_out o;
	struct start start = { .to = p->id, .epoch = p->epoch };

	start.start = s->sender->window.view[peer_index(s->peers, p)].start;
	cts_wire_begin(&o, buf, sizeof(buf));
	build_start(&o, &start);
	if (send_message(s, &o, CTS_MSG_START, p->id))
		p->start_ns = s->base->now + START_AGAIN_NS;
}

/* A peer in the window has to confirm its start; one that is out of step has to know. */
static bool start_due(const struct session *s, const struct peer *p)
{
	if (p->start_ns > s->base->now)
		return false;
	return p->state == PEER_STARTING || (p->state == PEER_RESTING && p->report.start);
}

static void send_pulls(struct session *s, struct peer *p)
{
	size_t size = size_of(&s->sender->size, 1232);
	struct base *b = s->base;
	uint8_t buf[1232];

	if (size > b->ops.max_message(b->ctx) || compare_asks_small(&p->recv.compare))
		size = CTS_WIRE_MIN_MAX;
	for (;;) {
		struct pull pull = { .to = p->id, .epoch = p->epoch, .start = p->recv.start };
		struct cts_wire_out o;

		cts_wire_begin(&o, buf, size);
		if (!compare_ask(&p->recv.compare, &p->recv.replica, &pull, &o, b->now))
			return;
		if (!send_message(s, &o, CTS_MSG_PULL, p->id))
			return;  /* the rest is asked for again */
		b->st.pulls_sent++;
	}
}

/* -- epochs -- */

/* No state is kept for who is challenged: a nonce is made of a secret and the time. */
static void make_nonce(const struct session *s, uint32_t node, uint64_t epoch, uint64_t slot,
		       uint8_t nonce[NONCE_LEN])
{
	struct { uint64_t epoch, slot, half; uint64_t node; } in = { epoch, slot, 0, node };

	crypto_shorthash(nonce, (const uint8_t *)&in, sizeof(in), s->secret);
	in.half = 1;
	crypto_shorthash(nonce + 8, (const uint8_t *)&in, sizeof(in), s->secret);
}

static bool nonce_valid(const struct session *s, uint32_t node, uint64_t epoch,
			const uint8_t nonce[NONCE_LEN])
{
	uint64_t slot = s->base->now / NONCE_SLOT_NS + 1;
	uint8_t now[NONCE_LEN], before[NONCE_LEN];

	make_nonce(s, node, epoch, slot, now);
	make_nonce(s, node, epoch, slot - 1, before);
	return !sodium_memcmp(nonce, now, NONCE_LEN) || !sodium_memcmp(nonce, before, NONCE_LEN);
}

static bool challenge_allowed(struct session *s, struct peer *p)
{
	uint64_t now = s->base->now;

	if (p) {
		if (now < p->challenge_ns)
			return false;
		p->challenge_ns = now + CHALLENGE_NS;
		return true;
	}
	if (now - s->challenges_ns >= SECOND) {
		s->challenges_ns = now;
		s->challenges_left = CHALLENGES_A_SECOND;
	}
	if (!s->challenges_left)
		return false;
	s->challenges_left--;
	return true;
}

static void send_challenge(struct session *s, struct peer *p, uint32_t node, uint64_t epoch)
{
	struct challenge c = { .to = node, .epoch = epoch };
	uint8_t buf[CTS_WIRE_MIN_MAX];
	struct cts_wire_out o;

	if (!challenge_allowed(s, p)) {
		s->base->st.challenges_limited++;
		return;
	}
	make_nonce(s, node, epoch, s->base->now / NONCE_SLOT_NS + 1, c.nonce);
	cts_wire_begin(&o, buf, sizeof(buf));
	build_challenge(&o, &c);
	if (send_message(s, &o, CTS_MSG_CHALLENGE, node))
		s->base->st.challenges_sent++;
	else if (p)
		p->challenge_ns = 0;
}

static void send_proofs(struct session *s)
{
	uint8_t buf[CTS_WIRE_MIN_MAX];
	struct cts_wire_out o;
	unsigned int n = 0;

	if (!s->n_proof)
		return;
	cts_wire_begin(&o, buf, sizeof(buf));
	build_proof(&o, s->base->conf.table_id);
	while (n < s->n_proof && o.size - o.len >= PROOF_FOR_BYTES) {
		build_proof_for(&o, s->proof[n].node, s->proof[n].nonce);
		n++;
	}
	if (!send_message(s, &o, CTS_MSG_PROOF, CTS_NODE_ALL))
		return;
	s->proof_ns = s->base->now + PROOF_NS;
	memmove(s->proof, s->proof + n, (s->n_proof - n) * sizeof(s->proof[0]));
	s->n_proof -= n;
	s->base->st.proofs_sent++;
}

void session_renew(struct session *s, bool forget)
{
	struct base *b = s->base;
	struct peer *p;

	b->ops.random(b->ctx, &b->epoch, sizeof(b->epoch));
	b->epoch |= 1;  /* never 0 */
	peers_for_each(p, s->peers)
		peer_event(s->peers, p, PEER_RENEWED, "this node starts a new epoch");
	sender_renew(s->sender, forget);
	s->hello_due = true;
	s->renew = false;
}

/* That epoch is dead here, and who is in it does not know: it was reverted to a snapshot of
 * that time. Say so in the form of a report on it, that it takes once it believes us. */
static void send_dead(struct session *s, struct peer *p, uint64_t epoch)
{
	struct report r = { .node = p->id, .epoch = epoch, .flags = REPORT_FORKED };
	static const struct gaps none;
	uint8_t buf[ACK_BYTES_MAX];
	struct cts_wire_out o;

	if (!challenge_allowed(s, p))
		return;
	cts_wire_begin(&o, buf, sizeof(buf));
	build_ack(&o, &r, &none);
	send_message(s, &o, CTS_MSG_ACK, p->id);
}

static bool is_former(const struct peer *p, uint64_t epoch)
{
	for (unsigned int i = 0; i < FORMER_EPOCHS; i++)
		if (p->former[i] == epoch)
			return true;
	return false;
}

/* May another epoch take this name? Not while the one that has it is reachable: then there
 * are two nodes of one name, and the newcomer stays out. */
static bool may_replace(struct session *s, struct peer *p, uint64_t epoch)
{
	uint64_t now = s->base->now, since;

	if (is_former(p, epoch))
		return false;
	if (!peer_present(p) || !p->epoch)
		return true;
	if (p->candidate != epoch) {
		p->candidate = epoch;
		p->candidate_ns = now;
	}
	since = p->candidate_ns > p->last_received_ns ? p->candidate_ns : p->last_received_ns;
	return now - since >= CANDIDATE_NS;
}

static void other_epoch(struct session *s, struct peer *p, const struct cts_wire_header *h,
			unsigned int link, uint32_t peer)
{
	struct base *b = s->base;

	b->st.wrong_epoch++;
	if (h->type == CTS_MSG_BYE || !h->epoch)
		return;
	if (p && is_former(p, h->epoch)) {
		send_dead(s, p, h->epoch);
		return;
	}
	if (p && !may_replace(s, p, h->epoch)) {
		if (p->candidate == h->epoch && p->last_received_ns > p->candidate_ns + SECOND) {
			b->st.conflicts++;
			report(s, CTS_REPORT_CONFLICT, p->id, link, peer,
			       "two nodes have this name: the newer one stays out");
		}
		return;
	}
	send_challenge(s, p, h->node, h->epoch);
}

static void accept_epoch(struct session *s, struct peer *p, uint64_t epoch, uint64_t table_id)
{
	bool lost = p->epoch && p->table_id != table_id;

	memmove(p->former + 1, p->former, (FORMER_EPOCHS - 1) * sizeof(p->former[0]));
	p->former[0] = p->epoch;
	p->epoch = epoch;
	p->table_id = table_id;
	p->candidate = 0;
	p->hello_seen = false;
	p->claim_ns = p->current_ns = p->said_last = p->said_less = 0;
	p->last_received_ns = s->base->now;
	receiver_epoch(&p->recv, s->base, epoch, lost);
	peer_event(s->peers, p, PEER_ACCEPTED, "it started again");
	s->base->st.epochs_accepted++;
	s->hello_due = true;
}

static void proof_received(struct session *s, const struct cts_wire_header *h,
			   struct cts_wire_in *in, unsigned int link, uint32_t peer)
{
	struct peer *p = peers_find(s->peers, h->node);
	const uint8_t *nonce;
	uint64_t table_id;

	if (!h->epoch || (p && p->epoch == h->epoch) ||
	    !parse_proof(in, s->base->id, &table_id, &nonce) ||
	    !nonce_valid(s, h->node, h->epoch, nonce) || (p && !may_replace(s, p, h->epoch)))
		return;
	if (!p)
		p = peers_add(s->peers, h->node);
	if (p) {
		accept_epoch(s, p, h->epoch, table_id);
		return;
	}
	s->base->st.no_room++;
	report(s, CTS_REPORT_REFUSED, h->node, link, peer, "there is no room for another node");
}

static void challenge_received(struct session *s, const struct cts_wire_header *h,
			       struct cts_wire_in *in)
{
	struct challenge c;
	unsigned int i;

	if (!parse_challenge(in, &c) || c.to != s->base->id || c.epoch != s->base->epoch)
		return;
	for (i = 0; i < s->n_proof && s->proof[i].node != h->node; i++)
		;
	if (i == CTS_NODES_MAX)
		return;
	s->proof[i].node = h->node;
	memcpy(s->proof[i].nonce, c.nonce, NONCE_LEN);
	if (i == s->n_proof)
		s->n_proof++;
}

/* -- reports on our stream -- */

static void report_received(struct session *s, struct peer *p, const struct report *r,
			    const struct gaps *gaps)
{
	unsigned int i = peer_index(s->peers, p);
	struct window *w = &s->sender->window;
	struct base *b = s->base;

	if (r->node != b->id || r->epoch != b->epoch)
		return;
	/* What this node did not send, in its epoch. */
	if (r->flags & REPORT_FORKED || r->high > w->last || r->start > p->given) {
		s->renew = true;
		report(s, CTS_REPORT_EPOCH, 0, 0, 0,
		       "a peer has what was not sent: this node was reverted or cloned, a new epoch begins");
		return;
	}
	p->named_ns = b->now;
	peer_event(s->peers, p, PEER_NAMES_US, "it receives, and is received");
	if (!peer_in_window(p) ||
	    (r->start != w->view[i].start && !(b->faults && b->faults->any_start))) {
		/* One that was overtaken says the same once, not again and again. */
		if (p->state == PEER_FOLLOWING && ++p->mismatches > 1)
			peer_event(s->peers, p, PEER_RESTARTS, "it lost its place in the stream");
		if (p->state == PEER_RESTING)
			p->report.start = r->start;
		b->st.acks_ignored++;
		return;
	}
	p->mismatches = 0;
	if (r->high < p->report.high)
		return;  /* one that was overtaken: what it lacked then has come since */
	peer_event(s->peers, p, PEER_CONFIRMS, NULL);
	p->report = *r;
	p->report_ns = b->now;
	if (r->flags & REPORT_HOLDS)
		p->held_ns = b->now;
	if (base_reliable(b) && gaps)
		window_ack(w, &s->sender->table, i, r->high, gaps, b->now);
	else
		w->view[i].confirmed = true;
}

/* -- what is received -- */

/* Has all come that had been sent when the HELLO was that is waited for? Then what was
 * changed before is here, too, but for what waited to be sent. What was in gaps that are
 * settled came again in messages up to moved. */
static void note_current(struct peer *p)
{
	const struct receiver *r = &p->recv;
	uint64_t needed = p->claim_seq > r->moved ? p->claim_seq : r->moved;

	if (!p->claim_ns || !r->start || r->high < needed ||
	    (r->gaps.n && r->gaps.range[0].from <= needed))
		return;
	if (p->claim_ns > p->current_ns)
		p->current_ns = p->claim_ns;
	p->claim_ns = 0;
}

/* Does it say that less was sent than it said before? That is one that was overtaken; or
 * that node was reverted to a snapshot, and has to know. */
static bool says_less(struct session *s, struct peer *p)
{
	if (p->hello.last >= p->said_last) {
		p->said_last = p->hello.last;
		p->said_ns = s->base->now;
		p->said_less = 0;
		return false;
	}
	if (p->hello.token == p->less_token)
		return true;
	p->less_token = p->hello.token;
	if (++p->said_less >= REVERTED_HELLOS && s->base->now - p->said_ns >= REVERTED_NS)
		receiver_fork(&p->recv, s->base);
	return true;
}

/* One HELLO at a time, so that a stream in which something is always missing does not
 * look as if nothing ever came. */
static void note_claim(struct session *s, struct peer *p)
{
	uint64_t waited;

	if (says_less(s, p))
		return;
	note_current(p);
	if (p->claim_ns)
		return;
	waited = p->hello.waiting_ms * MS;
	p->claim_ns = s->base->now > waited ? s->base->now - waited : 1;
	p->claim_seq = p->hello.last;
	note_current(p);
}

static void note_differences(struct session *s, struct peer *p)
{
	uint32_t differs = health_differs(s->base, s->sender, &p->hello);
	struct base *b = s->base;

	p->differs = differs;
	if (!differs || (p->reported_ns && b->now - p->reported_ns < REPORT_NS))
		return;
	p->reported_ns = b->now;
	if (differs & CTS_DIFFERS_VERSION) {
		b->st.bad_version++;
		report(s, CTS_REPORT_VERSION, p->id, p->link, p->transport_peer,
		       "it speaks no version of the protocol that is spoken here");
	} else if (b->ops.report) {
		b->ops.report(b->ctx, CTS_REPORT_DIFFERS, p->id, p->link, p->transport_peer,
			      health_differs_text(differs));
	}
}

static void hello_received(struct session *s, struct peer *p, struct cts_wire_in *in)
{
	static const struct gaps none;
	struct report r;
	int more;

	if (!parse_hello(in, &p->hello)) {
		s->base->st.bad_record++;
		return;
	}
	p->hello_seen = true;
	memcpy(p->name, p->hello.name, sizeof(p->name));
	note_differences(s, p);
	if (p->differs & CTS_DIFFERS_VERSION)
		return;
	while ((more = parse_report(in, &r)) > 0)
		report_received(s, p, &r, r.flags & REPORT_GAPS ? NULL : &none);
	s->base->st.bad_record += more < 0;
	note_claim(s, p);
	receiver_last(&p->recv, s->base, p->hello.last);
}

static void ack_received(struct session *s, struct peer *p, struct cts_wire_in *in)
{
	struct gaps gaps;
	struct report r;

	if (!parse_ack(in, &r, &gaps)) {
		s->base->st.bad_record++;
		return;
	}
	s->base->st.acks_received++;
	report_received(s, p, &r, &gaps);
}

static void start_received(struct session *s, struct peer *p, struct cts_wire_in *in)
{
	struct start start;

	if (!parse_start(in, &start))
		s->base->st.bad_record++;
	else if (start.to == s->base->id && start.epoch == s->base->epoch)
		receiver_start(&p->recv, s->base, start.start);
}

static void pull_received(struct session *s, struct cts_wire_in *in)
{
	struct pull pull;

	if (!parse_pull(in, &pull)) {
		s->base->st.bad_record++;
		return;
	}
	if (pull.to != s->base->id || pull.epoch != s->base->epoch)
		return;
	s->base->st.lists_received += pull.what == PULL_LISTS;
	s->base->st.bad_record += !sender_pull(s->sender, &pull, in);
}

static void accepted_received(struct session *s, struct peer *p, const struct cts_wire_header *h,
			      struct cts_wire_in *in)
{
	/* It may have gone on without this node meanwhile, and settled what did not come. */
	if (base_reliable(s->base) && s->base->now - p->last_received_ns >= CONFIRMED_NS)
		receiver_start(&p->recv, s->base, 0);
	p->last_received_ns = s->base->now;
	if (!peer_present(p) && h->type != CTS_MSG_BYE) {
		peer_event(s->peers, p, PEER_RECEIVED, NULL);
		p->recv.ack_ns = s->base->now;  /* it is to know that it is received again */
	}
	switch (h->type) {
	case CTS_MSG_HELLO:
		hello_received(s, p, in);
		break;
	case CTS_MSG_DATA:
		if (!h->number || h->number >= SEQUENCE_MAX)
			s->base->st.bad_record++;
		else
			receiver_data(&p->recv, s->base, h->number, h->flags & CTS_WIRE_ACK_NOW,
				      h->sum, in->buf + in->pos, cts_wire_left(in));
		note_current(p);
		break;
	case CTS_MSG_ACK:
		ack_received(s, p, in);
		break;
	case CTS_MSG_START:
		start_received(s, p, in);
		break;
	case CTS_MSG_PULL:
		pull_received(s, in);
		break;
	default:
		peer_event(s->peers, p, PEER_LEAVES, "it said goodbye");
		break;
	}
}

static bool is_own_token(const struct session *s, uint64_t token)
{
	for (unsigned int i = 0; i < TOKENS; i++)
		if (s->tokens[i] == token)
			return true;
	return false;
}

/*
 * Which of two nodes of one name stays? Who is there for longer; of equals the lower epoch.
 * Each sees the other's uptime as it was when it was sent, in whole seconds. Who finds the
 * other clearly older (OLDER_S) can be sure that the other finds itself older, so never
 * both go. Both stay when one thinks them equal and the other does not; so who is a little
 * older and still receives from the other, which could have gone by then, takes them for
 * equal, too.
 */
static bool other_stays(const struct session *s, const struct hello *h, uint64_t epoch)
{
	int64_t older = h->uptime_s - (int64_t)((s->base->now - s->started_ns) / SECOND);

	if (older >= OLDER_S)
		return true;
	if (older <= -OLDER_MUCH_S ||
	    (older <= 1 - OLDER_S && s->base->now - s->conflict_since_ns < CONTEST_NS))
		return false;
	return epoch < s->base->epoch;
}

/* Somebody has our name. In our epoch: a copy of this node, unless a switch sent our own
 * message back. In another one: one of both stays out. */
static void own_name_received(struct session *s, const struct cts_wire_header *h,
			      struct cts_wire_in *in, unsigned int link, uint32_t peer)
{
	struct base *b = s->base;
	struct hello hello;

	b->st.own_id++;
	if (h->type != CTS_MSG_HELLO || !parse_hello(in, &hello) || is_own_token(s, hello.token))
		return;
	if (h->epoch == b->epoch) {
		s->renew = true;
		report(s, CTS_REPORT_EPOCH, 0, link, peer,
		       "a copy of this node is alive: a new epoch begins");
		return;
	}
	b->st.conflicts++;
	if (!s->conflict_ns || b->now - s->conflict_ns >= CONFLICT_NS)
		s->conflict_since_ns = b->now;
	s->conflict_ns = b->now;
	s->out = other_stays(s, &hello, h->epoch);
	report(s, CTS_REPORT_CONFLICT, b->id, link, peer,
	       s->out ? "another node has this node's name and was there first: this one stays out"
		      : "another node has this node's name");
}

/* -- who it comes from -- */

static bool listed(const struct session *s, uint32_t id)
{
	for (size_t i = 0; i < s->n_list; i++)
		if (s->list[i] == id)
			return true;
	return !s->n_list;
}

static uint64_t *error_counter(struct base *b, enum cts_wire_error error)
{
	switch (error) {
	case CTS_WIRE_BAD_LENGTH: return &b->st.bad_length;
	case CTS_WIRE_BAD_MAGIC: return &b->st.bad_magic;
	case CTS_WIRE_BAD_VERSION: return &b->st.bad_version;
	case CTS_WIRE_BAD_CRC: return &b->st.bad_crc;
	default: return &b->st.bad_type;
	}
}

/* Is it of this cluster, and of another node that may take part? */
static bool admissible(struct session *s, const struct cts_wire_header *h, struct cts_wire_in *in,
		       unsigned int link, uint32_t peer)
{
	struct base *b = s->base;

	if (h->cluster != b->cluster) {
		b->st.wrong_cluster++;
		report(s, CTS_REPORT_CLUSTER, h->node, link, peer, "it is of another cluster");
		return false;
	}
	if (h->node == b->id) {
		own_name_received(s, h, in, link, peer);
		return false;
	}
	if (!h->node || !listed(s, h->node)) {
		b->st.not_in_list++;
		report(s, CTS_REPORT_REFUSED, h->node, link, peer, "it is not one of sync.nodes");
		return false;
	}
	return !s->out;
}

void session_receive(struct session *s, unsigned int link, uint32_t peer, const uint8_t *msg,
		     size_t len)
{
	struct base *b = s->base;
	struct cts_wire_header h;
	struct cts_wire_in in;
	enum cts_wire_error error = cts_wire_open(msg, len, &h, &in);
	struct peer *p;

	b->st.recv_messages++;
	b->st.recv_bytes += len;
	if (error) {
		(*error_counter(b, error))++;
		if (error == CTS_WIRE_BAD_VERSION)
			report(s, CTS_REPORT_VERSION, 0, link, peer,
			       "a message of a version of the protocol that is not spoken here");
		return;
	}
	if (!admissible(s, &h, &in, link, peer))
		return;
	p = peers_find(s->peers, h.node);
	/* An answer needs an address before anything is believed. */
	b->ops.received(b->ctx, link, peer, h.node);
	if (h.type == CTS_MSG_CHALLENGE) {
		challenge_received(s, &h, &in);
	} else if (h.type == CTS_MSG_PROOF) {
		proof_received(s, &h, &in, link, peer);
	} else if (!p || p->epoch != h.epoch) {
		other_epoch(s, p, &h, link, peer);
	} else {
		p->link = link;
		p->transport_peer = peer;
		p->recv_messages++;
		p->recv_bytes += len;
		accepted_received(s, p, &h, &in);
	}
}

/* -- time -- */

/* Does what is sent to p get lost? It is received from and acknowledges nothing for long,
 * or most of what it reports on is missing: a link that stands by may carry a message now
 * and then. */
static bool is_undelivered(const struct session *s, const struct peer *p,
			   const struct receiver_view *v)
{
	uint64_t now = s->base->now;

	if (!peer_in_window(p))
		return false;
	if (v->missed > 1 && v->missed > v->arrived)
		return true;
	return now - v->progress_ns >= UNDELIVERED_NS &&
	       p->named_ns >= v->progress_ns + UNDELIVERED_NS / 5 &&
	       (p->state != PEER_FOLLOWING || v->pace.in_flight);
}

static void check_undelivered(struct session *s)
{
	struct base *b = s->base;
	bool undelivered = false;
	struct peer *p;

	if (!base_reliable(b) || !b->ops.undelivered || b->now < s->undelivered_ns)
		return;
	s->undelivered_ns = b->now + UNDELIVERED_NS;
	peers_for_each(p, s->peers) {
		struct receiver_view *v = &s->sender->window.view[peer_index(s->peers, p)];

		undelivered |= is_undelivered(s, p, v);
		v->arrived = v->missed = 0;
	}
	if (undelivered)
		b->ops.undelivered(b->ctx);
}

static void check_peer(struct session *s, struct peer *p)
{
	struct base *b = s->base;
	uint64_t limit = b->conf.dead_after_ms * MS, gone;

	if (!b->conf.membership && peer_present(p) && b->now - p->last_received_ns >= limit)
		peer_event(s->peers, p, PEER_LEAVES, "nothing was received from it in time");
	if (p->state == PEER_RESTING && p->rest_until_ns <= b->now)
		peer_event(s->peers, p, PEER_RESTED, "it catches up");
	gone = peer_present(p) ? 0 : p->gone_ns > p->last_received_ns ? p->gone_ns
								      : p->last_received_ns;
	replica_expire(&p->recv.replica, b, gone);
	if (gone)
		peer_drop_superseded(s->peers, p);
	health_show(s->base, s->sender, s->peers, p, s->lacking);
}

/* Nothing can be sent any more, not even what was lost: all begin again. */
static void abandon(struct session *s)
{
	struct peer *p;

	peers_for_each(p, s->peers)
		peer_event(s->peers, p, PEER_SILENT, "what it lacks cannot be sent again");
	window_abandon(&s->sender->window, &s->sender->table);
}

static void check(struct session *s)
{
	struct base *b = s->base;
	struct peer *p;
	bool wanted = false;
	int silent;

	if (s->out && b->now - s->conflict_ns >= CONFLICT_NS) {
		/* To peers the former epoch is dead since the other one had the name. */
		s->out = false;
		s->renew = true;
	}
	check_undelivered(s);
	while (base_reliable(b) && (silent = window_unanswered(&s->sender->window, b->now)) >= 0)
		peer_event(s->peers, s->peers->list[silent], PEER_SILENT,
			   "it did not acknowledge in time");
	if (!window_stuck(&s->sender->window))
		s->stuck_ns = b->now;
	else if (b->now - s->stuck_ns >= UNANSWERED_NS)
		abandon(s);
	s->sender->listeners = false;
	peers_for_each(p, s->peers) {
		check_peer(s, p);
		s->sender->listeners |= peer_present(p);
		/* One that is full does not need to know more often; one that has not confirmed
		 * its start, or says nothing more, cannot judge. */
		wanted |= p->state == PEER_FOLLOWING && b->now - p->report_ns < CONFIRMED_NS &&
			  !(p->report.flags & REPORT_REFUSED) &&
			  (!(p->report.flags & REPORT_HOLDS) ||
			   p->report.equal_at <= s->sender->dropped_at);
	}
	if (wanted && !s->sender->digest_wanted)
		s->sender->digest_ns = b->now;
	s->sender->digest_wanted = wanted;
}

static bool can_send(const struct session *s)
{
	return !s->out && s->blocked_ns <= s->base->now;
}

void session_writable(struct session *s)
{
	s->blocked_ns = 0;
	session_run(s);
}

void session_run(struct session *s)
{
	struct base *b = s->base;
	struct peer *p;

	if (s->renew)
		session_renew(s, false);
	if (s->check_ns <= b->now) {
		s->check_ns = b->now + CHECK_NS;
		check(s);
	}
	/* Once the transport is full, the rest waits for room. */
	if (can_send(s) && s->proof_ns <= b->now)
		send_proofs(s);
	if (can_send(s) && (s->hello_due || s->hello_ns <= b->now))
		send_hello(s);
	peers_for_each(p, s->peers) {
		if (can_send(s) && start_due(s, p))
			send_start(s, p);
		if (can_send(s) && peer_present(p) && receiver_ack_due(&p->recv, b))
			send_ack(s, p);
		if (can_send(s) && peer_present(p))
			send_pulls(s, p);
	}
}

/* When something is due to be sent. */
static uint64_t send_deadline(const struct session *s)
{
	uint64_t t = s->hello_due ? 0 : s->hello_ns;
	const struct peer *p;

	if (s->n_proof && s->proof_ns < t)
		t = s->proof_ns;
	peers_for_each(p, s->peers) {
		if (peer_present(p) && p->recv.ack_ns < t)
			t = p->recv.ack_ns;
		if (peer_present(p) && compare_deadline(&p->recv.compare) < t)
			t = compare_deadline(&p->recv.compare);
		if (p->state == PEER_STARTING && p->start_ns < t)
			t = p->start_ns;
	}
	return t > s->blocked_ns ? t : s->blocked_ns;
}

uint64_t session_deadline(const struct session *s)
{
	uint64_t t = s->check_ns, at = s->out ? NEVER : send_deadline(s);
	const struct peer *p;

	t = at < t ? at : t;
	peers_for_each(p, s->peers) {
		if (p->recv.reorder_ns < t)
			t = p->recv.reorder_ns;
		if (p->state == PEER_RESTING && p->rest_until_ns < t)
			t = p->rest_until_ns;
	}
	return t;
}

void session_bye(struct session *s)
{
	uint8_t buf[CTS_WIRE_HEADER];
	struct cts_wire_out o;

	cts_wire_begin(&o, buf, sizeof(buf));
	send_message(s, &o, CTS_MSG_BYE, CTS_NODE_ALL);
}

int session_init(struct session *s, struct base *b, struct sender *sender, struct peers *peers)
{
	s->base = b;
	s->sender = sender;
	s->peers = peers;
	s->started_ns = s->hello_ns = s->check_ns = s->challenges_ns = b->now;
	s->challenges_left = CHALLENGES_A_SECOND;
	b->ops.random(b->ctx, s->secret, sizeof(s->secret));
	memcpy(s->name, b->conf.node_name, strlen(b->conf.node_name) + 1);
	if (!b->conf.n_nodes)
		return 0;
	s->list = malloc(b->conf.n_nodes * sizeof(*s->list));
	if (!s->list)
		return -1;
	memcpy(s->list, b->conf.nodes, b->conf.n_nodes * sizeof(*s->list));
	s->n_list = b->conf.n_nodes;
	return 0;
}

void session_fini(struct session *s)
{
	free(s->list);
}
