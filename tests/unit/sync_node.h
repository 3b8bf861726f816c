/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One node without an engine around it: its session gets messages that a test makes up. */
#ifndef CTS_TESTS_SYNC_NODE_H
#define CTS_TESTS_SYNC_NODE_H

#include <errno.h>
#include <stdlib.h>

#include "core/sync/session.h"
#include "tests/unit/sync_gen.h"

#define CLUSTER 0xc1u
#define SENT_MAX 256u
#define MESSAGE 1400u

struct sent_message {
	struct cts_wire_header h;
	uint32_t to;
	size_t len;                  /* of the body */
	uint8_t body[MESSAGE];
};

struct node {
	struct base b;
	struct sender sender;
	struct peers peers;
	struct session session;
	struct rng r;
	struct sent_message sent[SENT_MAX];
	unsigned int n_sent;
	bool full;                   /* the transport takes nothing */
	unsigned int reports[CTS_REPORT_MAX];
	uint32_t reported_node;
	unsigned int n_shown, undelivered;
	enum cts_peer_state shown;
	const char *why;
};

static inline int node_send(void *ctx, const struct iovec *msg, unsigned int n, uint32_t to)
{
	struct node *x = ctx;

	if (x->full) {
		errno = EAGAIN;
		return -1;
	}
	for (unsigned int i = 0; i < n; i++) {
		struct sent_message *m = &x->sent[x->n_sent++ % SENT_MAX];
		struct cts_wire_in in;

		assert_int_equal(cts_wire_open(msg[i].iov_base, msg[i].iov_len, &m->h, &in),
				 CTS_WIRE_OK);
		m->to = to;
		m->len = cts_wire_left(&in);
		memcpy(m->body, in.buf + in.pos, m->len);
	}
	return (int)n;
}

static inline size_t node_max_message(void *ctx)
{
	return MESSAGE;
}

static inline void node_random(void *ctx, void *buf, size_t len)
{
	struct node *x = ctx;

	for (size_t i = 0; i < len; i++)
		((uint8_t *)buf)[i] = (uint8_t)rng_next(&x->r);
}

static inline void node_received(void *ctx, unsigned int link, uint32_t peer, uint32_t node)
{
}

static inline void node_undelivered(void *ctx)
{
	((struct node *)ctx)->undelivered++;
}

static inline void node_shown(void *ctx, uint32_t node, enum cts_peer_state state,
			      const char *why)
{
	struct node *x = ctx;

	x->n_shown++;
	x->shown = state;
	x->why = why;
}

static inline void node_report(void *ctx, enum cts_sync_report what, uint32_t node,
			       unsigned int link, uint32_t peer, const char *text)
{
	struct node *x = ctx;

	assert_true(text && *text);
	x->reports[what]++;
	x->reported_node = node;
}

static inline struct node *node_create(const uint32_t *list, size_t n_list)
{
	struct node *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	x->r = (struct rng){ 1 };
	gen_base(&x->b, 1000);
	x->b.ctx = x;
	x->b.ops = (struct cts_engine_ops){
		.send = node_send, .max_message = node_max_message, .random = node_random,
		.received = node_received, .undelivered = node_undelivered,
		.peer_state = node_shown, .report = node_report,
	};
	x->b.cluster = CLUSTER;
	x->b.conf.node_name = "here";
	x->b.conf.dead_after_ms = 2000;
	x->b.conf.nodes = list;
	x->b.conf.n_nodes = n_list;
	x->b.conf.table_id = 0x7ab1e;
	assert_int_equal(sender_init(&x->sender, &x->b), 0);
	x->peers.base = &x->b;
	x->peers.sender = &x->sender;
	assert_int_equal(session_init(&x->session, &x->b, &x->sender, &x->peers), 0);
	return x;
}

static inline void node_destroy(struct node *x)
{
	session_fini(&x->session);
	peers_fini(&x->peers);
	sender_fini(&x->sender);
	free(x);
}

/* As the engine does it: what is due, until nothing is. */
static inline void node_run(struct node *x)
{
	uint64_t lagging = 0;
	struct peer *p;

	session_run(&x->session);
	sender_run(&x->sender, &lagging);
	peers_for_each(p, &x->peers)
		while (receiver_run(&p->recv, &x->b))
			;
}

static inline void node_wait(struct node *x, uint64_t ns)
{
	x->b.now += ns;
	node_run(x);
}

/* The newest message of a type that went out; NULL: none. */
static inline struct sent_message *node_sent(struct node *x, uint8_t type)
{
	for (unsigned int i = x->n_sent; i-- > 0 && i + SENT_MAX > x->n_sent;)
		if (x->sent[i % SENT_MAX].h.type == type)
			return &x->sent[i % SENT_MAX];
	return NULL;
}

static inline unsigned int node_count(const struct node *x, uint8_t type)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < x->n_sent && i < SENT_MAX; i++)
		n += x->sent[i].h.type == type;
	return n;
}

/* A message to the node: begin, body by build_*(), deliver. */
struct letter {
	uint8_t buf[MESSAGE];
	struct cts_wire_out o;
};

static inline struct cts_wire_out *letter_begin(struct letter *l)
{
	cts_wire_begin(&l->o, l->buf, sizeof(l->buf));
	return &l->o;
}

static inline void letter_deliver(struct letter *l, struct node *x, struct cts_wire_header h)
{
	size_t len = cts_wire_finish(&l->o, &h);

	assert_true(len > 0);
	session_receive(&x->session, 3, 5, l->buf, len);
}

static inline struct cts_wire_header header(uint8_t type, uint32_t node, uint64_t epoch)
{
	return (struct cts_wire_header){ .type = type, .cluster = CLUSTER, .node = node,
					 .epoch = epoch };
}

#endif
