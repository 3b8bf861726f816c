/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who is there, in which epoch: HELLO, CHALLENGE, PROOF, BYE, and the messages
 * that answer a stream, ACK and NEED (rules S6, R4, R5, E1).
 */
#include "config.h"

#include <stdlib.h>

#include "core/sync/engine_int.h"

void engine_count_sent(struct cts_engine *e, uint32_t to, unsigned int messages, uint64_t bytes)
{
	unsigned int i;

	e->st.sent_messages += messages;
	e->st.sent_bytes += bytes;
	for (i = 0; i < e->n_nodes; i++) {
		struct node *n = &e->nodes[i];

		if (to ? n->id != to : n->state == CTS_PEER_DOWN)
			continue;
		n->sent_messages += messages;
		n->sent_bytes += bytes;
	}
}

int engine_send(struct cts_engine *e, struct cts_wire_out *o, uint8_t type, uint32_t to)
{
	struct cts_wire_header h = { .type = type, .cluster = e->cluster, .node = e->id,
				     .epoch = e->epoch };
	struct iovec msg = { .iov_base = o->buf };

	msg.iov_len = cts_wire_finish(o, &h);
	if (!msg.iov_len || e->ops.send(e->ctx, &msg, 1, to) != 1)
		return -1;  /* repeated by its own timer */
	engine_count_sent(e, to, 1, msg.iov_len);
	return 0;
}

void session_peer_state(struct cts_engine *e, struct node *n, enum cts_peer_state state,
			const char *why)
{
	if (n->state == state && state != CTS_PEER_JOINING)
		return;
	n->state = state;
	e->hello_due = true;
	if (e->ops.peer_state)
		e->ops.peer_state(e->ctx, n->id, state, why);
}

/* -- nodes -- */

static bool listed(const struct cts_engine *e, uint32_t id)
{
	size_t i;

	for (i = 0; i < e->conf.n_nodes; i++)
		if (e->list[i] == id)
			return true;
	return !e->conf.n_nodes;
}

struct node *engine_node(struct cts_engine *e, uint32_t id)
{
	unsigned int i;

	for (i = 0; i < e->n_nodes; i++)
		if (e->nodes[i].id == id)
			return &e->nodes[i];
	return NULL;
}

/* A slot for a node that is heard for the first time. Those that never proved
 * anything make room for others. */
static struct node *node_add(struct cts_engine *e, uint32_t id)
{
	struct node *n = NULL;
	unsigned int i;

	if (e->n_nodes < CTS_NODES_MAX - 1) {
		n = &e->nodes[e->n_nodes++];
	} else {
		for (i = 0; i < e->n_nodes; i++)
			if (!e->nodes[i].epoch &&
			    (!n || e->nodes[i].last_heard_ns < n->last_heard_ns))
				n = &e->nodes[i];
	}
	if (!n)
		return NULL;
	memset(n, 0, sizeof(*n));
	n->id = id;
	n->hold_ns = n->ack_ns = NEVER;
	return n;
}

/* -- building -- */

static void build_hello(struct cts_engine *e, struct cts_wire_out *o)
{
	size_t name_len = strlen(e->name);
	unsigned int i;

	cts_put_u64(o, e->conf.table_id);
	cts_put_u64(o, e->own.last);
	cts_put_u64(o, e->own.lowest);
	cts_put_u8(o, CTS_WIRE_VERSION);
	cts_put_u8(o, CTS_WIRE_VERSION_MIN);
	cts_put_u16(o, 0);  /* capabilities */
	cts_put_u32(o, (uint32_t)e->conf.cache_limit);
	cts_put_u8(o, (uint8_t)name_len);
	cts_put_bytes(o, e->name, name_len);
	cts_put_u8(o, (uint8_t)e->n_nodes);
	for (i = 0; i < e->n_nodes; i++) {
		cts_put_u32(o, e->nodes[i].id);
		cts_put_u64(o, e->nodes[i].epoch);
		cts_put_u8(o, (uint8_t)e->nodes[i].state);
		cts_put_u64(o, e->nodes[i].join);
	}
}

/* Is somebody on its way in? Then it should not have to wait for the next HELLO. */
static bool hello_settling(const struct cts_engine *e)
{
	unsigned int i;

	for (i = 0; i < e->n_nodes; i++)
		if (e->nodes[i].state != CTS_PEER_SYNCED &&
		    e->now - e->nodes[i].last_heard_ns < HELLO_SETTLE_NS)
			return true;
	return false;
}

static void send_hello(struct cts_engine *e)
{
	bool seldom = e->conf.membership && !hello_settling(e);
	uint8_t buf[CTS_WIRE_MIN_MAX];
	struct cts_wire_out o;

	cts_wire_begin(&o, buf, sizeof(buf));
	build_hello(e, &o);
	e->hello_due = false;
	e->hello_ns = e->now + (seldom ? HELLO_MEMBER_NS : HELLO_NS);
	if (engine_send(e, &o, CTS_MSG_HELLO, CTS_NODE_ALL) < 0)
		e->hello_ns = e->now + AGAIN_NS;
}

static void send_challenge(struct cts_engine *e, struct node *n, uint64_t epoch)
{
	uint8_t buf[CTS_WIRE_MIN_MAX];
	struct cts_wire_out o;

	if (n->challenge_ns > e->now)
		return;
	n->challenge_ns = e->now + CHALLENGE_NS;
	if (n->challenged_epoch != epoch)
		e->ops.random(e->ctx, n->nonce, sizeof(n->nonce));
	n->challenged_epoch = epoch;
	cts_wire_begin(&o, buf, sizeof(buf));
	cts_put_u32(&o, n->id);
	cts_put_u64(&o, epoch);
	cts_put_bytes(&o, n->nonce, sizeof(n->nonce));
	if (engine_send(e, &o, CTS_MSG_CHALLENGE, n->id) < 0)
		n->challenge_ns = e->now + AGAIN_NS;
	else
		e->st.challenges_sent++;
}

static void send_proof(struct cts_engine *e)
{
	uint8_t buf[CTS_WIRE_MIN_MAX];
	struct cts_wire_out o;
	unsigned int i, n = 0;

	for (i = 0; i < e->n_nodes; i++)
		n += e->nodes[i].proof_due;
	if (!n)
		return;
	cts_wire_begin(&o, buf, sizeof(buf));
	cts_put_u64(&o, e->conf.table_id);
	cts_put_u8(&o, (uint8_t)n);
	for (i = 0; i < e->n_nodes; i++) {
		if (!e->nodes[i].proof_due)
			continue;
		cts_put_u32(&o, e->nodes[i].id);
		cts_put_bytes(&o, e->nodes[i].proof_nonce, NONCE_LEN);
	}
	e->proof_ns = e->now + PROOF_NS;
	if (engine_send(e, &o, CTS_MSG_PROOF, CTS_NODE_ALL) < 0)
		return;  /* they stay due */
	for (i = 0; i < e->n_nodes; i++)
		e->nodes[i].proof_due = false;
	e->st.proofs_sent++;
}

void session_ack(struct cts_engine *e, struct node *n)
{
	uint8_t buf[CTS_WIRE_HEADER + 64 + CTS_GAPS_MAX * 16];
	struct cts_wire_out o;
	unsigned int i;

	cts_wire_begin(&o, buf, sizeof(buf));
	cts_put_u32(&o, n->id);
	cts_put_u64(&o, n->epoch);
	cts_put_u64(&o, n->high);
	cts_put_u64(&o, n->equal_due ? n->equal_at : 0);
	cts_put_u8(&o, n->overflow);
	cts_put_u8(&o, (uint8_t)n->n_gaps);
	for (i = 0; i < n->n_gaps; i++) {
		cts_put_u64(&o, n->gaps[i].from);
		cts_put_u64(&o, n->gaps[i].to);
	}
	n->unacked = 0;
	n->ack_ns = n->n_gaps || n->overflow ? e->now + REPAIR_NS : NEVER;
	if (engine_send(e, &o, CTS_MSG_ACK, n->id) < 0) {
		n->ack_ns = e->now + ACK_NS;
		return;
	}
	n->equal_due = false;
	e->st.acks_sent++;
}

void session_need(struct cts_engine *e, struct node *n)
{
	uint8_t buf[CTS_WIRE_MIN_MAX];
	struct cts_wire_out o;
	bool buckets = n->need == NEED_BUCKETS;

	cts_wire_begin(&o, buf, sizeof(buf));
	cts_put_u32(&o, n->id);
	cts_put_u64(&o, n->epoch);
	cts_put_u8(&o, buckets);
	if (buckets)
		cts_put_bytes(&o, n->need_map, sizeof(n->need_map));
	engine_send(e, &o, CTS_MSG_NEED, n->id);
	e->st.needs_sent++;
}

/* -- parsing -- */

/* It names our epoch: it hears us, so it may receive. */
static void node_enters(struct cts_engine *e, struct node *n)
{
	if (n->state != CTS_PEER_DOWN)
		return;
	n->orphaned = false;
	n->state = CTS_PEER_JOINING;
	ring_peer_enters(e, n);
	session_peer_state(e, n, CTS_PEER_JOINING, "it is heard and hears us");
}

/* Is there a version that both speak? With one version there is nothing to choose
 * yet; with more, a stream is in the highest that all its receivers know. */
static bool version_common(struct cts_engine *e, struct node *n, uint8_t lowest, uint8_t highest)
{
	if (lowest <= CTS_WIRE_VERSION && highest >= CTS_WIRE_VERSION_MIN && lowest <= highest)
		return true;
	e->st.bad_version++;
	if (!n->version_told && e->ops.peer_state)
		e->ops.peer_state(e->ctx, n->id, CTS_PEER_DOWN,
				  "no version of the protocol in common");
	n->version_told = true;
	return false;
}

static void parse_hello(struct cts_engine *e, struct node *n, struct cts_wire_in *in)
{
	uint64_t last, my_epoch, join = 0;
	const uint8_t *name;
	unsigned int i, peers;
	uint8_t name_len, highest, lowest;

	cts_get_u64(in);  /* table id: PROOF told it */
	last = cts_get_u64(in);
	cts_get_u64(in);
	highest = cts_get_u8(in);
	lowest = cts_get_u8(in);
	cts_get_u16(in);
	cts_get_u32(in);
	name_len = cts_get_u8(in);
	name = cts_get_bytes(in, name_len);
	if (!name || name_len > CTS_NAME_MAX) {
		e->st.bad_record++;
		return;
	}
	memcpy(n->name, name, name_len);
	n->name[name_len] = '\0';
	if (!version_common(e, n, lowest, highest))
		return;
	peers = cts_get_u8(in);
	for (i = 0; i < peers && !in->bad; i++) {
		bool me = cts_get_u32(in) == e->id;
		uint8_t state;

		my_epoch = cts_get_u64(in);
		state = cts_get_u8(in);
		join = cts_get_u64(in);
		if (!me || in->bad || my_epoch != e->epoch)
			continue;
		node_enters(e, n);
		if (state != CTS_PEER_DOWN)
			replica_join(e, n, join);
	}
	if (in->bad)
		e->st.bad_record++;
	replica_last(e, n, last);
}

static bool addressed(const struct cts_engine *e, struct cts_wire_in *in)
{
	uint32_t to = cts_get_u32(in);
	uint64_t epoch = cts_get_u64(in);

	return !in->bad && to == e->id && epoch == e->epoch;
}

static void parse_challenge(struct cts_engine *e, struct node *n, struct cts_wire_in *in)
{
	const uint8_t *nonce;

	if (!addressed(e, in) || !(nonce = cts_get_bytes(in, NONCE_LEN)))
		return;
	memcpy(n->proof_nonce, nonce, NONCE_LEN);
	n->proof_due = true;
}

static void accept_epoch(struct cts_engine *e, struct node *n, uint64_t epoch, uint64_t table_id)
{
	if (!n->cache && replica_init(e, n) < 0)
		return;
	if (n->state != CTS_PEER_DOWN) {
		ring_peer_leaves(e, n);
		session_peer_state(e, n, CTS_PEER_DOWN, "it started again");
	}
	replica_epoch(e, n, epoch, table_id);
	n->challenged_epoch = 0;
	e->hello_due = true;
}

static void parse_proof(struct cts_engine *e, struct node *n, uint64_t epoch,
			struct cts_wire_in *in)
{
	uint64_t table_id = cts_get_u64(in);
	unsigned int i, count = cts_get_u8(in);

	if (epoch == n->epoch || epoch != n->challenged_epoch)
		return;
	for (i = 0; i < count && !in->bad; i++) {
		uint32_t to = cts_get_u32(in);
		const uint8_t *nonce = cts_get_bytes(in, NONCE_LEN);

		if (nonce && to == e->id && !memcmp(nonce, n->nonce, NONCE_LEN)) {
			accept_epoch(e, n, epoch, table_id);
			return;
		}
	}
}

static void parse_ack(struct cts_engine *e, struct node *n, struct cts_wire_in *in)
{
	struct cts_range gaps[CTS_GAPS_MAX];
	uint64_t high, equal_at;
	unsigned int i, n_gaps;
	bool overflow;

	if (!addressed(e, in))
		return;
	high = cts_get_u64(in);
	equal_at = cts_get_u64(in);
	overflow = cts_get_u8(in);
	n_gaps = cts_get_u8(in);
	for (i = 0; i < n_gaps && i < CTS_GAPS_MAX; i++) {
		gaps[i].from = cts_get_u64(in);
		gaps[i].to = cts_get_u64(in);
		if (gaps[i].from > gaps[i].to || (i && gaps[i].from <= gaps[i - 1].to))
			in->bad = true;
	}
	if (in->bad || n_gaps > CTS_GAPS_MAX) {
		e->st.bad_record++;
		return;
	}
	e->st.acks_received++;
	node_enters(e, n);
	if (overflow) {
		e->st.ring_resets++;
		ring_peer_enters(e, n);
		session_peer_state(e, n, CTS_PEER_JOINING, "it missed too much");
		return;
	}
	ring_ack(e, n, high, gaps, n_gaps);
	if (equal_at && equal_at >= n->join && n->state == CTS_PEER_JOINING)
		session_peer_state(e, n, CTS_PEER_SYNCED, "digests are equal");
}

static void parse_need(struct cts_engine *e, struct node *n, struct cts_wire_in *in)
{
	const uint8_t *map = NULL;

	if (!addressed(e, in))
		return;
	if (cts_get_u8(in))
		map = cts_get_bytes(in, CTS_BITMAP_BYTES);
	if (in->bad) {
		e->st.bad_record++;
		return;
	}
	node_enters(e, n);
	transfer_need(e, map);
}

static void parse_accepted(struct cts_engine *e, struct node *n, const struct cts_wire_header *h,
			   struct cts_wire_in *in)
{
	n->last_heard_ns = e->now;
	switch (h->type) {
	case CTS_MSG_HELLO:
		parse_hello(e, n, in);
		break;
	case CTS_MSG_DATA:
		replica_data(e, n, h->number, in->buf + in->pos, cts_wire_left(in));
		break;
	case CTS_MSG_ACK:
		parse_ack(e, n, in);
		break;
	case CTS_MSG_NEED:
		parse_need(e, n, in);
		break;
	case CTS_MSG_BYE:
		replica_left(e, n, "it said goodbye");
		break;
	default:
		break;
	}
}

static uint64_t *error_counter(struct cts_engine *e, enum cts_wire_error error)
{
	switch (error) {
	case CTS_WIRE_BAD_LENGTH: return &e->st.bad_length;
	case CTS_WIRE_BAD_MAGIC: return &e->st.bad_magic;
	case CTS_WIRE_BAD_VERSION: return &e->st.bad_version;
	case CTS_WIRE_BAD_CRC: return &e->st.bad_crc;
	default: return &e->st.bad_type;
	}
}

static struct node *sender(struct cts_engine *e, const struct cts_wire_header *h)
{
	struct node *n;

	if (h->cluster != e->cluster) {
		e->st.wrong_cluster++;
		return NULL;
	}
	if (h->node == e->id || !h->node) {
		e->st.own_id++;
		return NULL;
	}
	if (!listed(e, h->node)) {
		e->st.not_in_list++;
		return NULL;
	}
	n = engine_node(e, h->node);
	return n ? n : node_add(e, h->node);
}

void session_receive(struct cts_engine *e, unsigned int link, uint32_t peer, const uint8_t *msg,
		     size_t len)
{
	struct cts_wire_header h;
	struct cts_wire_in in;
	enum cts_wire_error error = cts_wire_open(msg, len, &h, &in);
	struct node *n;

	e->st.recv_messages++;
	e->st.recv_bytes += len;
	if (error) {
		(*error_counter(e, error))++;
		return;
	}
	n = sender(e, &h);
	if (!n)
		return;
	n->link = link;
	n->recv_messages++;
	n->recv_bytes += len;
	if (h.type == CTS_MSG_CHALLENGE || h.type == CTS_MSG_PROOF) {
		/* Needs an answer's address before anything is believed. */
		e->ops.heard(e->ctx, link, peer, n->id);
		if (h.type == CTS_MSG_CHALLENGE)
			parse_challenge(e, n, &in);
		else
			parse_proof(e, n, h.epoch, &in);
		return;
	}
	if (h.epoch != n->epoch || !n->epoch) {
		e->st.wrong_epoch++;
		e->ops.heard(e->ctx, link, peer, n->id);
		if (h.type != CTS_MSG_BYE)
			send_challenge(e, n, h.epoch);
		return;
	}
	e->ops.heard(e->ctx, link, peer, n->id);
	parse_accepted(e, n, &h, &in);
}

/* -- time -- */

static void check_silence(struct cts_engine *e)
{
	uint64_t limit = e->conf.dead_after_ms * MS;
	unsigned int i;

	if (e->conf.membership)
		return;
	for (i = 0; i < e->n_nodes; i++) {
		struct node *n = &e->nodes[i];

		if (n->epoch && !n->orphaned && e->now - n->last_heard_ns >= limit)
			replica_left(e, n, "it was not heard in time");
	}
}

void session_run(struct cts_engine *e)
{
	if (e->check_ns <= e->now) {
		e->check_ns = e->now + 100 * MS;
		check_silence(e);
	}
	if (e->proof_ns <= e->now)
		send_proof(e);
	if (e->hello_due || e->hello_ns <= e->now)
		send_hello(e);
}

uint64_t session_deadline(const struct cts_engine *e)
{
	uint64_t t = e->hello_ns < e->check_ns ? e->hello_ns : e->check_ns;
	unsigned int i;

	for (i = 0; i < e->n_nodes; i++)
		if (e->nodes[i].proof_due && e->proof_ns < t)
			t = e->proof_ns;
	return t;
}
