/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What test_session leaves of the handshake: proofs that are damaged bit by bit, what
 * is noted of a HELLO, what this node says of itself, and what stays due. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/sync/health.h"
#include "core/sync/session.h"
#include "tests/unit/sync_gen.h"

#define US 1u
#define THEM 77u
#define CLUSTER 5u
#define E1 UINT64_C(0x1111)
#define E2 UINT64_C(0x2222)
#define LIFE (2000 * MS)

struct sent_message {
	uint32_t to;
	struct cts_wire_header h;
	size_t len;
	uint8_t bytes[1500];
};

struct fixture {
	struct base b;
	struct sender sender;
	struct peers peers;
	struct session s;
	uint64_t random;
	unsigned int n_sent, n_received, n_reports, n_undelivered;
	enum cts_sync_report report;
	struct sent_message sent[256];
	bool full;                   /* the transport takes nothing */
};

/* -- what the engine would give -- */

static int take_messages(void *ctx, const struct iovec *msg, unsigned int n, uint32_t to)
{
	struct fixture *f = ctx;

	if (f->full)
		return -1;
	for (unsigned int i = 0; i < n; i++) {
		struct sent_message *m = &f->sent[f->n_sent++ % 256];
		struct cts_wire_in in;

		m->to = to;
		m->len = msg[i].iov_len;
		assert_true(m->len <= sizeof(m->bytes));
		memcpy(m->bytes, msg[i].iov_base, m->len);
		assert_int_equal(cts_wire_open(m->bytes, m->len, &m->h, &in), CTS_WIRE_OK);
		assert_int_equal(m->h.node, US);
		assert_int_equal(m->h.cluster, CLUSTER);
		assert_int_equal(m->h.epoch, f->b.epoch);
	}
	return (int)n;
}

static size_t max_message(void *ctx)
{
	return 1400;
}

static void make_random(void *ctx, void *buf, size_t len)
{
	struct fixture *f = ctx;

	for (size_t i = 0; i < len; i++)
		((uint8_t *)buf)[i] = (uint8_t)(++f->random * 167 >> 3);
}

static void note_received(void *ctx, unsigned int link, uint32_t peer, uint32_t node)
{
	struct fixture *f = ctx;

	f->n_received++;
}

static void note_report(void *ctx, enum cts_sync_report what, uint32_t node, unsigned int link,
			uint32_t peer, const char *text)
{
	struct fixture *f = ctx;

	f->n_reports++;
	f->report = what;
}

static void note_undelivered(void *ctx)
{
	struct fixture *f = ctx;

	f->n_undelivered++;
}

static struct fixture *create_with(const uint32_t *nodes, size_t n_nodes)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	gen_base(&f->b, 1000);
	f->b.cluster = CLUSTER;
	f->b.id = US;
	f->b.conf.node_name = "us";
	f->b.conf.nodes = nodes;
	f->b.conf.n_nodes = n_nodes;
	f->b.conf.dead_after_ms = (uint32_t)(LIFE / MS);
	f->b.ops = (struct cts_engine_ops){
		.send = take_messages, .max_message = max_message, .random = make_random,
		.received = note_received, .report = note_report, .undelivered = note_undelivered,
	};
	f->b.ctx = f;
	assert_int_equal(sender_init(&f->sender, &f->b), 0);
	sender_ready(&f->sender);
	f->peers.base = &f->b;
	f->peers.sender = &f->sender;
	assert_int_equal(session_init(&f->s, &f->b, &f->sender, &f->peers), 0);
	return f;
}

static struct fixture *create(void)
{
	return create_with(NULL, 0);
}

static void destroy(struct fixture *f)
{
	session_fini(&f->s);
	peers_fini(&f->peers);
	sender_fini(&f->sender);
	free(f);
}

/* -- messages of others -- */

struct from {
	uint32_t node;
	uint64_t epoch;
	uint32_t cluster;            /* 0: ours */
	uint64_t number;
};

static const struct from them1 = { THEM, E1, 0, 0 }, them2 = { THEM, E2, 0, 0 };

static void deliver(struct fixture *f, const struct from *from, uint8_t type,
		    struct cts_wire_out *o)
{
	struct cts_wire_header h = { .type = type, .node = from->node, .epoch = from->epoch,
				     .cluster = from->cluster ? from->cluster : CLUSTER,
				     .number = from->number };
	size_t len = cts_wire_finish(o, &h);

	assert_true(len > 0);
	session_receive(&f->s, 0, 3, o->buf, len);
}

#define MESSAGE(o) \
	uint8_t buf_[1500]; \
	struct cts_wire_out o; \
	cts_wire_begin(&o, buf_, sizeof(buf_))

static const struct hello plain_hello = {
	.limit = 1000, .highest = CTS_WIRE_VERSION, .lowest = CTS_WIRE_VERSION, .name_len = 4,
	.name = "them", .flags = HELLO_READY, .token = 4711,
};

static void hello_with(struct fixture *f, const struct from *from, const struct hello *h,
		       const struct report *r)
{
	MESSAGE(o);
	build_hello(&o, h);
	if (r)
		build_report(&o, r);
	deliver(f, from, CTS_MSG_HELLO, &o);
}

static void hello(struct fixture *f, const struct from *from)
{
	hello_with(f, from, &plain_hello, NULL);
}

static void proof_for(struct fixture *f, const struct from *from, uint32_t to,
		      const uint8_t *nonce, uint64_t table_id)
{
	MESSAGE(o);
	build_proof(&o, table_id);
	build_proof_for(&o, to, nonce);
	deliver(f, from, CTS_MSG_PROOF, &o);
}

/* The challenge that was sent last. */
static struct challenge last_challenge(struct fixture *f)
{
	const struct sent_message *m = &f->sent[(f->n_sent - 1) % 256];
	struct cts_wire_header h;
	struct cts_wire_in in;
	struct challenge c;

	assert_true(f->n_sent > 0);
	assert_int_equal(m->h.type, CTS_MSG_CHALLENGE);
	assert_int_equal(cts_wire_open(m->bytes, m->len, &h, &in), CTS_WIRE_OK);
	assert_true(parse_challenge(&in, &c));
	assert_int_equal(c.to, m->to);
	return c;
}

static struct challenge be_challenged(struct fixture *f, const struct from *from)
{
	uint64_t before = f->b.st.challenges_sent;
	struct challenge c;

	hello(f, from);
	assert_int_equal(f->b.st.challenges_sent, before + 1);
	c = last_challenge(f);
	assert_int_equal(c.to, from->node);
	assert_int_equal(c.epoch, from->epoch);
	return c;
}

/* From nothing to accepted. */
static struct peer *accept_peer(struct fixture *f, const struct from *from, uint64_t table_id)
{
	struct challenge c = be_challenged(f, from);
	struct peer *p;

	proof_for(f, from, US, c.nonce, table_id);
	p = peers_find(&f->peers, from->node);
	assert_non_null(p);
	assert_int_equal(p->epoch, from->epoch);
	return p;
}

static void assert_unknown(struct fixture *f, uint32_t node)
{
	assert_null(peers_find(&f->peers, node));
	assert_int_equal(f->b.st.epochs_accepted, 0);
}

/* -- who is believed -- */

static void a_proof_with_the_right_nonce_is_accepted(void **state)
{
	struct fixture *f = create();
	struct peer *p = accept_peer(f, &them1, 9);

	assert_int_equal(p->state, PEER_KNOWN);
	assert_int_equal(p->table_id, 9);
	assert_int_equal(f->b.st.epochs_accepted, 1);
	hello(f, &them1);
	assert_true(p->hello_seen);
	assert_string_equal(p->name, "them");
	/* the same proof again changes nothing */
	proof_for(f, &them1, US, last_challenge(f).nonce, 10);
	assert_int_equal(p->table_id, 9);
	assert_int_equal(f->b.st.epochs_accepted, 1);
	/* nor when the node is gone: it is the epoch that it had */
	peer_event(&f->peers, p, PEER_LEAVES, "");
	f->b.now += SECOND;
	proof_for(f, &them1, US, last_challenge(f).nonce, 10);
	assert_int_equal(p->table_id, 9);
	assert_int_equal(f->b.st.epochs_accepted, 1);
	destroy(f);
}

static void a_proof_is_for_one_node_one_epoch_and_one_nonce(void **state)
{
	const struct from other = { THEM + 1, E1, 0, 0 }, none = { THEM, 0, 0, 0 };
	struct fixture *f = create();
	struct challenge c = be_challenged(f, &them1);
	uint8_t wrong[NONCE_LEN];

	for (unsigned int bit = 0; bit < 8 * NONCE_LEN; bit++) {
		memcpy(wrong, c.nonce, NONCE_LEN);
		wrong[bit / 8] ^= (uint8_t)(1u << bit % 8);
		proof_for(f, &them1, US, wrong, 9);
		assert_unknown(f, THEM);
	}
	proof_for(f, &them1, US + 1, c.nonce, 9);      /* for somebody else */
	proof_for(f, &them2, US, c.nonce, 9);          /* of another epoch */
	proof_for(f, &none, US, c.nonce, 9);
	assert_unknown(f, THEM);
	proof_for(f, &other, US, c.nonce, 9);          /* of another node */
	assert_unknown(f, THEM + 1);
	proof_for(f, &them1, US, c.nonce, 9);
	assert_non_null(peers_find(&f->peers, THEM));
	destroy(f);
}

static void nothing_of_an_epoch_that_is_not_proven_counts(void **state)
{
	struct fixture *f = create();
	struct peer *p;
	MESSAGE(o);

	/* a node without epoch, or one that says goodbye, is not asked */
	deliver(f, &(struct from){ THEM, E1, 0, 0 }, CTS_MSG_BYE, &o);
	hello(f, &(struct from){ THEM, 0, 0, 0 });
	assert_int_equal(f->b.st.challenges_sent, 0);
	p = accept_peer(f, &them1, 9);
	hello(f, &them2);
	assert_false(p->hello_seen);
	assert_int_equal(f->b.st.wrong_epoch, 4);
	destroy(f);
}

static void a_nodes_table_decides_what_becomes_of_its_entries(void **state)
{
	for (int lost = 0; lost < 2; lost++) {
		struct fixture *f = create();
		struct peer *p = accept_peer(f, &them1, 9);
		uint8_t entry[GEN_LEN_MAX];
		size_t len = gen_entry(entry, 1, 1);
		MESSAGE(o);

		hello(f, &them1);
		assert_true(p->hello_seen);
		receiver_start(&p->recv, &f->b, 1);
		cts_put_u16(&o, 0);
		cts_put_u8(&o, CTS_REC_UPSERT);
		cts_put_u8(&o, (uint8_t)len);
		cts_put_bytes(&o, entry, len);
		deliver(f, &(struct from){ THEM, E1, 0, 1 }, CTS_MSG_DATA, &o);
		assert_int_equal(p->recv.replica.live, 1);
		peer_event(&f->peers, p, PEER_LEAVES, "");
		f->b.now += SECOND;
		accept_peer(f, &them2, lost ? 10 : 9);
		assert_int_equal(p->recv.replica.live, 0);
		assert_int_equal(p->recv.replica.stale, !lost);
		assert_int_equal(p->recv.replica.orphans, lost);
		assert_false(p->hello_seen);
		destroy(f);
	}
}

static const struct sent_message *find_sent(struct fixture *f, uint8_t type)
{
	for (unsigned int i = f->n_sent; i-- > 0;)
		if (f->sent[i % 256].h.type == type)
			return &f->sent[i % 256];
	return NULL;
}

/* -- reports on our stream -- */

static struct report on_us(const struct fixture *f, uint64_t start, uint64_t high)
{
	return (struct report){ .node = US, .epoch = f->b.epoch, .start = start, .high = high,
				.flags = REPORT_HOLDS };
}

static void ack(struct fixture *f, const struct report *r)
{
	static const struct gaps none;
	MESSAGE(o);

	build_ack(&o, r, &none);
	deliver(f, &them1, CTS_MSG_ACK, &o);
}

/* Accepted, and it has named us. */
static struct peer *start_peer(struct fixture *f)
{
	struct peer *p = accept_peer(f, &them1, 9);
	struct report r = on_us(f, 0, 0);

	hello_with(f, &them1, &plain_hello, &r);
	assert_int_equal(p->state, PEER_STARTING);
	return p;
}

static void send_messages(struct fixture *f, unsigned int n)
{
	struct window *w = &f->sender.window;

	while (n--)
		window_close(w, &f->sender.table, window_open(w, true, f->b.now), 100, false);
}

static void only_a_report_on_this_node_and_epoch_names_us(void **state)
{
	struct fixture *f = create();
	struct peer *p = accept_peer(f, &them1, 9);
	struct report r = on_us(f, 0, 0);

	r.node++;
	hello_with(f, &them1, &plain_hello, &r);
	assert_int_equal(p->state, PEER_KNOWN);
	r = on_us(f, 0, 0);
	r.epoch += 2;
	hello_with(f, &them1, &plain_hello, &r);
	assert_int_equal(p->state, PEER_KNOWN);
	r = on_us(f, 0, 0);
	hello_with(f, &them1, &plain_hello, &r);
	assert_int_equal(p->state, PEER_STARTING);
	destroy(f);
}

static void a_report_counts_when_it_goes_by_its_start(void **state)
{
	struct fixture *f = create();
	struct peer *p;
	struct report r;
	uint64_t start;

	send_messages(f, 5);
	p = start_peer(f);
	start = f->sender.window.view[peer_index(&f->peers, p)].start;
	assert_int_equal(start, 6);
	send_messages(f, 4);
	/* of a former start, for an overflow since: it acknowledges nothing */
	r = on_us(f, 1, 9);
	ack(f, &r);
	assert_int_equal(p->state, PEER_STARTING);
	assert_int_equal(f->b.st.acks_ignored, 2);
	assert_int_equal(window_len(&f->sender.window), 4);
	r = on_us(f, start, 7);
	r.equal_at = 7;
	ack(f, &r);
	assert_int_equal(p->state, PEER_FOLLOWING);
	assert_int_equal(window_len(&f->sender.window), 2);
	assert_int_equal(p->report.equal_at, 7);
	assert_int_equal(p->report_ns, f->b.now);
	assert_int_equal(p->held_ns, f->b.now);
	/* it says that it lacks something */
	f->b.now += SECOND;
	r.flags = 0;
	ack(f, &r);
	assert_int_equal(p->report_ns, f->b.now);
	assert_int_equal(p->held_ns, f->b.now - SECOND);
	r.flags = REPORT_HOLDS;
	ack(f, &r);
	assert_int_equal(p->held_ns, f->b.now);
	/* a report with gaps, in a HELLO, does not say which: it acknowledges nothing */
	r = on_us(f, start, 9);
	r.flags = REPORT_GAPS;
	hello_with(f, &them1, &plain_hello, &r);
	assert_int_equal(window_len(&f->sender.window), 2);
	r.flags = REPORT_HOLDS;
	hello_with(f, &them1, &plain_hello, &r);
	assert_int_equal(window_len(&f->sender.window), 0);
	/* it lost its place: once is chance */
	r = on_us(f, start - 1, 9);
	ack(f, &r);
	assert_int_equal(p->state, PEER_FOLLOWING);
	ack(f, &r);
	assert_int_equal(p->state, PEER_STARTING);
	destroy(f);
}

static void who_has_more_than_was_sent_shows_that_we_were_reverted(void **state)
{
	for (int i = 0; i < 4; i++) {
		struct fixture *f = create();
		uint64_t epoch = f->b.epoch;
		struct peer *p;
		struct report r;

		send_messages(f, 3);
		p = start_peer(f);
		r = i == 1 ? on_us(f, 5, 4) : i == 2 ? on_us(f, 2, 3) : on_us(f, 4, 4);
		if (i == 2)
			p->given = 1;            /* a start that it was never given */
		if (i == 3) {
			r = on_us(f, 4, 3);
			r.flags = REPORT_FORKED; /* two messages under one number */
		}
		if (i)
			send_messages(f, 0);
		ack(f, &r);
		assert_int_equal(f->report, CTS_REPORT_EPOCH);
		assert_int_not_equal(p->state, PEER_FOLLOWING);
		session_run(&f->s);
		assert_int_not_equal(f->b.epoch, epoch);
		assert_true(f->b.epoch & 1);
		assert_int_equal(p->state, PEER_KNOWN);
		assert_int_equal(f->sender.window.last, 0);
		destroy(f);
	}
}

/* -- beside the stream -- */

static void start(struct fixture *f, uint32_t to, uint64_t epoch, uint64_t at)
{
	struct start s = { .to = to, .epoch = epoch, .start = at };
	MESSAGE(o);

	build_start(&o, &s);
	deliver(f, &them1, CTS_MSG_START, &o);
}

static void numbers_that_no_node_sends_are_refused(void **state)
{
	static const uint64_t bad[] = { 0, SEQUENCE_MAX, UINT64_C(1) << 62 };
	struct fixture *f = create();
	struct peer *p = accept_peer(f, &them1, 9);
	struct hello h = plain_hello;

	for (size_t i = 0; i < 3; i++) {
		MESSAGE(o);

		cts_put_u16(&o, 0);
		deliver(f, &(struct from){ THEM, E1, 0, bad[i] }, CTS_MSG_DATA, &o);
		assert_int_equal(f->b.st.bad_record, i + 1);
	}
	assert_int_equal(p->recv.high, 0);
	h.last = UINT64_C(1) << 62;
	hello_with(f, &them1, &h, NULL);
	assert_int_equal(f->b.st.bad_record, 4);
	assert_false(p->hello_seen);
	destroy(f);
}

/* What a HELLO says was sent is here, so what was changed before it is here, too. */
static void a_hello_counts_once_what_it_names_has_come(void **state)
{
	struct fixture *f = create();
	struct peer *p = accept_peer(f, &them1, 9);
	struct hello h = plain_hello;
	uint64_t first;

	hello_with(f, &them1, &h, NULL);
	assert_int_equal(p->current_ns, 0);   /* there is no stream yet */
	receiver_start(&p->recv, &f->b, 1);
	hello_with(f, &them1, &h, NULL);
	assert_int_equal(p->current_ns, f->b.now);
	f->b.now += 10 * MS;
	first = f->b.now;
	h.last = 5;
	h.waiting_ms = 3;
	hello_with(f, &them1, &h, NULL);
	assert_int_equal(p->current_ns, first - 10 * MS);
	f->b.now += 10 * MS;
	h.last = 9;
	hello_with(f, &them1, &h, NULL);
	assert_int_equal(p->claim_seq, 5);    /* one at a time */
	p->recv.high = 5;
	f->b.now += 10 * MS;
	hello_with(f, &them1, &h, NULL);
	assert_int_equal(p->current_ns, first - 3 * MS);
	assert_int_equal(p->claim_seq, 9);
	/* it has come, but for a message, and but for what came in its place */
	p->recv.high = 12;
	gaps_open(&p->recv.gaps, 9, 9, f->b.now);
	hello_with(f, &them1, &h, NULL);
	assert_int_equal(p->current_ns, first - 3 * MS);
	gaps_clear(&p->recv.gaps);
	gaps_open(&p->recv.gaps, 11, 11, f->b.now);
	p->recv.moved = 12;
	hello_with(f, &them1, &h, NULL);
	assert_int_equal(p->current_ns, first - 3 * MS);
	gaps_clear(&p->recv.gaps);
	hello_with(f, &them1, &h, NULL);
	assert_int_equal(p->claim_ns, f->b.now - 3 * MS > p->current_ns ? p->claim_ns : 0);
	assert_true(p->current_ns > first);
	destroy(f);
}

/* The owner may have given it up meanwhile, and settled what did not come. */
static void after_silence_a_receiver_needs_another_start(void **state)
{
	for (int late = 0; late < 2; late++) {
		struct fixture *f = create();
		struct peer *p = accept_peer(f, &them1, 9);

		receiver_start(&p->recv, &f->b, 1);
		f->b.now += CONFIRMED_NS - !late;
		hello(f, &them1);
		assert_int_equal(p->recv.detached, late);
		receiver_start(&p->recv, &f->b, 5);
		assert_false(p->recv.detached);
		destroy(f);
	}
}

static void hello_less(struct fixture *f, uint64_t last, uint64_t token)
{
	struct hello h = plain_hello;

	h.last = last;
	h.token = token;
	hello_with(f, &them1, &h, NULL);
}

/* Reverted to a snapshot, in the same epoch: its HELLOs go back, and stay so. */
static void who_says_less_for_long_was_reverted(void **state)
{
	struct fixture *f = create();
	struct peer *p = accept_peer(f, &them1, 9);

	receiver_start(&p->recv, &f->b, 1);
	hello_less(f, 7, 1);
	f->b.now += REVERTED_NS;
	hello_less(f, 3, 2);
	hello_less(f, 3, 2);              /* the same one, repeated on its way */
	hello_less(f, 4, 3);
	assert_false(p->recv.forked);
	hello_less(f, 8, 4);              /* two were overtaken, and that is all */
	hello_less(f, 5, 5);
	hello_less(f, 5, 6);
	hello_less(f, 5, 7);              /* three, but at once */
	assert_false(p->recv.forked);
	f->b.now += REVERTED_NS;
	hello_less(f, 6, 8);
	assert_true(p->recv.forked);
	assert_int_equal(p->recv.start, 0);
	receiver_start(&p->recv, &f->b, 9);
	assert_int_equal(p->recv.start, 0);   /* not before another epoch */
	destroy(f);
}

/* -- coming and going -- */

static void who_rests_starts_again_in_time(void **state)
{
	struct fixture *f = create();
	struct peer *p = start_peer(f);

	peer_event(&f->peers, p, PEER_LAGS, "");
	assert_int_equal(p->state, PEER_RESTING);
	session_run(&f->s);
	assert_int_equal(p->state, PEER_RESTING);
	f->b.now = p->rest_until_ns + CHECK_NS;
	hello(f, &them1);
	session_run(&f->s);
	assert_int_equal(p->state, PEER_STARTING);
	assert_non_null(find_sent(f, CTS_MSG_START));
	destroy(f);
}

static void a_start_is_repeated_until_it_is_confirmed(void **state)
{
	struct fixture *f = create();
	struct peer *p = start_peer(f);
	struct report r = on_us(f, 1, 0);

	for (unsigned int i = 0; i < 3; i++) {
		f->n_sent = 0;
		session_run(&f->s);
		assert_non_null(find_sent(f, CTS_MSG_START));
		assert_int_equal(find_sent(f, CTS_MSG_START)->to, THEM);
		f->n_sent = 0;
		session_run(&f->s);
		assert_null(find_sent(f, CTS_MSG_START));
		f->b.now += START_AGAIN_NS;
	}
	ack(f, &r);
	assert_int_equal(p->state, PEER_FOLLOWING);
	f->n_sent = 0;
	session_run(&f->s);
	assert_null(find_sent(f, CTS_MSG_START));
	destroy(f);
}

static void what_is_received_is_acknowledged(void **state)
{
	struct fixture *f = create();
	const struct sent_message *m;
	struct cts_wire_header h;
	struct cts_wire_in in;
	struct report r;
	struct gaps gaps;
	MESSAGE(o);

	accept_peer(f, &them1, 9);
	start(f, US, f->b.epoch, 1);
	cts_put_u16(&o, 0);
	deliver(f, &(struct from){ THEM, E1, 0, 1 }, CTS_MSG_DATA, &o);
	f->b.now += ACK_NS;
	f->n_sent = 0;
	session_run(&f->s);
	m = find_sent(f, CTS_MSG_ACK);
	assert_non_null(m);
	assert_int_equal(m->to, THEM);
	assert_int_equal(cts_wire_open(m->bytes, m->len, &h, &in), CTS_WIRE_OK);
	assert_true(parse_ack(&in, &r, &gaps));
	assert_int_equal(r.node, THEM);
	assert_int_equal(r.epoch, E1);
	assert_int_equal(r.start, 1);
	assert_int_equal(r.high, 1);
	/* the transport is full: it stays due */
	f->n_sent = 0;
	cts_wire_begin(&o, buf_, sizeof(buf_));
	cts_put_u16(&o, 0);
	deliver(f, &(struct from){ THEM, E1, 0, 2 }, CTS_MSG_DATA, &o);
	f->b.now += ACK_NS;
	f->full = true;
	session_run(&f->s);
	f->full = false;
	f->b.now += AGAIN_NS;
	session_run(&f->s);
	assert_non_null(find_sent(f, CTS_MSG_ACK));
	destroy(f);
}

/* -- our own name -- */

static const struct from us_elsewhere = { US, E2, 0, 0 };

static void of_two_nodes_of_one_name_the_older_one_stays(void **state)
{
	struct fixture *f = create();
	struct hello h = plain_hello;
	uint64_t epoch;

	f->b.now += 100 * SECOND;
	h.uptime_s = 97;             /* the newcomer: it is to give way */
	hello_with(f, &us_elsewhere, &h, NULL);
	assert_int_equal(f->report, CTS_REPORT_CONFLICT);
	f->n_sent = 0;
	session_run(&f->s);
	assert_non_null(find_sent(f, CTS_MSG_HELLO));
	h.uptime_s = 103;
	hello_with(f, &us_elsewhere, &h, NULL);
	f->n_sent = 0;
	f->b.now += HELLO_MEMBER_NS;
	session_run(&f->s);
	assert_int_equal(f->n_sent, 0);
	/* nor does it listen */
	hello(f, &them1);
	assert_int_equal(f->n_sent, 0);
	assert_true(session_deadline(&f->s) <= f->b.now + CHECK_NS);
	/* the other one is gone: here we are, in another epoch, as ours is dead to peers */
	epoch = f->b.epoch;
	f->b.now += CONFLICT_NS;
	session_run(&f->s);
	f->b.now += CHECK_NS;
	session_run(&f->s);
	assert_non_null(find_sent(f, CTS_MSG_HELLO));
	assert_int_not_equal(f->b.epoch, epoch);
	accept_peer(f, &them1, 9);
	destroy(f);
}

/* Where both started at about the same time the epochs decide; one that finds itself a
 * little older gives in to that when it still receives from the other after CONTEST_NS. */
static void of_two_as_old_the_epochs_decide(void **state)
{
	static const struct { uint32_t uptime; bool lower, late, out; } c[] = {
		{ 100, false, false, false }, { 100, true, false, true },
		{ 102, false, false, false }, { 102, true, false, true },
		{ 99, false, false, false }, { 99, true, false, true },
		{ 98, true, false, false }, { 98, true, true, true }, { 98, false, true, false },
		{ 103, false, false, true }, { 90, true, true, false }, { 91, true, true, true },
	};

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct fixture *f = create();
		struct from other = { US, 0, 0, 0 };
		struct hello h = plain_hello;

		other.epoch = c[i].lower ? f->b.epoch - 2 : f->b.epoch + 2;
		f->b.now += 100 * SECOND;
		h.uptime_s = c[i].uptime;
		hello_with(f, &other, &h, NULL);
		for (int turn = 0; turn < 2 && c[i].late; turn++) {
			f->b.now += CONTEST_NS / 2;
			h.uptime_s += CONTEST_NS / 2 / SECOND;
			hello_with(f, &other, &h, NULL);
		}
		assert_int_equal(f->s.out, c[i].out);
		destroy(f);
	}
}

/* An epoch that is dead here is in use: who is in it was reverted, and is answered. */
static void who_is_in_a_dead_epoch_is_answered(void **state)
{
	struct fixture *f = create();
	struct peer *p = accept_peer(f, &them1, 9);
	const struct sent_message *m;
	struct cts_wire_header h;
	struct cts_wire_in in;
	struct report r;
	struct gaps gaps;

	p->former[0] = E2;
	f->b.now += SECOND;
	f->n_sent = 0;
	hello(f, &(struct from){ THEM, E2, 0, 0 });
	m = find_sent(f, CTS_MSG_ACK);
	assert_non_null(m);
	assert_int_equal(m->to, THEM);
	assert_int_equal(cts_wire_open(m->bytes, m->len, &h, &in), CTS_WIRE_OK);
	assert_true(parse_ack(&in, &r, &gaps));
	assert_int_equal(r.node, THEM);
	assert_int_equal(r.epoch, E2);
	assert_int_equal(r.flags, REPORT_FORKED);
	f->n_sent = 0;
	hello(f, &(struct from){ THEM, E2, 0, 0 });   /* not for each message */
	assert_int_equal(f->n_sent, 0);
	destroy(f);
}

/* -- this node's hello -- */

static void hello_says_what_this_node_is_and_has_received(void **state)
{
	struct fixture *f = create();
	const struct sent_message *m;
	struct cts_wire_header h;
	struct cts_wire_in in;
	struct hello got;
	struct report r;

	f->b.conf.table_id = 33;
	f->b.conf.attrs = 6;
	accept_peer(f, &them1, 9);
	f->b.now += 7 * SECOND;
	hello(f, &them1);
	start(f, US, f->b.epoch, 4);
	f->n_sent = 0;
	session_run(&f->s);
	m = find_sent(f, CTS_MSG_HELLO);
	assert_non_null(m);
	assert_int_equal(m->to, CTS_NODE_ALL);
	assert_int_equal(cts_wire_open(m->bytes, m->len, &h, &in), CTS_WIRE_OK);
	assert_true(parse_hello(&in, &got));
	assert_int_equal(got.table_id, 33);
	assert_int_equal(got.attrs, 6);
	assert_int_equal(got.limit, 1000);
	assert_int_equal(got.uptime_s, 7);
	assert_int_equal(got.flags, HELLO_READY);
	assert_string_equal(got.name, "us");
	assert_int_equal(parse_report(&in, &r), 1);
	assert_int_equal(r.node, THEM);
	assert_int_equal(r.epoch, E1);
	assert_int_equal(r.start, 4);
	/* and not again at once */
	f->n_sent = 0;
	session_run(&f->s);
	assert_null(find_sent(f, CTS_MSG_HELLO));
	f->b.now += HELLO_NS;
	session_run(&f->s);
	assert_non_null(find_sent(f, CTS_MSG_HELLO));
	destroy(f);
}

static void what_peers_lack_for_long_is_said_to_the_transport(void **state)
{
	struct fixture *f = create();
	struct peer *p = start_peer(f);
	struct report r = on_us(f, 1, 0);

	ack(f, &r);
	send_messages(f, 2);
	assert_int_equal(p->state, PEER_FOLLOWING);
	for (unsigned int i = 0; i < 7; i++) {
		f->b.now += CHECK_NS;
		ack(f, &r);              /* it is there, and has nothing of it */
		session_run(&f->s);
	}
	assert_int_equal(f->n_undelivered, 1);
	destroy(f);
}

static void who_is_out_of_step_confirms_nothing(void **state)
{
	struct fixture *f = create();
	struct peer *p = start_peer(f);
	struct report r = on_us(f, 0, 0);
	uint64_t ignored;

	peer_event(&f->peers, p, PEER_LAGS, "");
	assert_int_equal(p->state, PEER_RESTING);
	ignored = f->b.st.acks_ignored;
	f->b.now += MS;
	ack(f, &r);
	assert_int_equal(f->b.st.acks_ignored, ignored + 1);
	assert_int_not_equal(p->report_ns, f->b.now);
	destroy(f);
}

/* Where nothing is acknowledged, nothing else would tell. */
static void a_hello_shows_that_the_last_messages_are_missing(void **state)
{
	struct fixture *f = create();
	struct peer *p = accept_peer(f, &them1, 9);
	struct hello h = plain_hello;

	f->b.conf.mode = CTS_MODE_NOTRACK;
	receiver_start(&p->recv, &f->b, 1);
	assert_true(p->recv.reorder_ns == NEVER && !p->recv.gaps.n);
	h.last = 3;
	hello_with(f, &them1, &h, NULL);
	assert_true(p->recv.reorder_ns != NEVER || p->recv.gaps.n);
	destroy(f);
}

static void data(struct fixture *f, uint64_t number, uint8_t type, const void *bytes, size_t len)
{
	MESSAGE(o);

	cts_put_u16(&o, 0);
	cts_put_u8(&o, type);
	cts_put_u8(&o, (uint8_t)len);
	cts_put_bytes(&o, bytes, len);
	deliver(f, &(struct from){ THEM, E1, 0, number }, CTS_MSG_DATA, &o);
}

static void flows_of_a_node_that_is_gone_end_with_their_timeouts(void **state)
{
	struct fixture *f = create();
	struct peer *p = accept_peer(f, &them1, 9);
	uint8_t entry[GEN_LEN_MAX];
	size_t len = gen_entry(entry, 1, 1);

	entry[len++] = 2 << 3 | 1;   /* a timeout of 10 s */
	entry[len++] = 10;
	receiver_start(&p->recv, &f->b, 1);
	data(f, 1, CTS_REC_UPSERT, entry, len);
	assert_int_equal(cts_cache_count(p->recv.replica.cache), 1);
	f->b.now += 60 * SECOND;
	hello(f, &them1);            /* it lives, and so does what it does not speak of */
	session_run(&f->s);
	assert_int_equal(cts_cache_count(p->recv.replica.cache), 1);
	peer_event(&f->peers, p, PEER_LEAVES, "");
	for (unsigned int i = 0; i < 2; i++) {
		f->b.now += 5 * SECOND;
		session_run(&f->s);
		assert_int_equal(cts_cache_count(p->recv.replica.cache), 1);
	}
	for (unsigned int i = 0; i < 3; i++) {
		f->b.now += SECOND;
		session_run(&f->s);
	}
	assert_int_equal(cts_cache_count(p->recv.replica.cache), 0);
	destroy(f);
}

static void what_differs_is_pulled(void **state)
{
	static const uint8_t digest[17] = { CTS_DIGEST_COMPLETE, 0, 0, 0, 0, 0, 0, 0, 5, 1 };
	struct fixture *f = create();
	struct peer *p = accept_peer(f, &them1, 9);

	receiver_start(&p->recv, &f->b, 1);
	hello(f, &them1);
	data(f, 1, CTS_REC_DIGEST, digest, sizeof(digest));
	assert_true(p->recv.differs);
	f->n_sent = 0;
	for (unsigned int i = 0; i < 10 && !find_sent(f, CTS_MSG_PULL); i++) {
		f->b.now += 100 * MS;
		hello(f, &them1);
		session_run(&f->s);
	}
	assert_non_null(find_sent(f, CTS_MSG_PULL));
	assert_int_equal(find_sent(f, CTS_MSG_PULL)->to, THEM);
	destroy(f);
}

static void a_node_that_is_gone_is_shown_as_down(void **state)
{
	struct fixture *f = create();
	struct peer *p = start_peer(f);

	assert_int_equal(p->shown, CTS_PEER_JOINING);
	peer_event(&f->peers, p, PEER_LEAVES, "");
	health_show(&f->b, &f->sender, &f->peers, p, 0);
	assert_int_equal(p->shown, CTS_PEER_DOWN);
	destroy(f);
}

static void other_configurations_are_distinguished(void **state)
{
	static const uint32_t all = CTS_DIFFERS_MODE | CTS_DIFFERS_ATTRS | CTS_DIFFERS_LIMIT;
	struct fixture *f = create();
	const struct hello same = plain_hello;
	struct hello h = same;

	assert_int_equal(health_differs(&f->b, &f->sender, &h), 0);
	h.lowest = h.highest = CTS_WIRE_VERSION + 1;
	assert_int_equal(health_differs(&f->b, &f->sender, &h), CTS_DIFFERS_VERSION);
	h = same;
	h.lowest = h.highest = CTS_WIRE_VERSION_MIN - 1;
	assert_int_equal(health_differs(&f->b, &f->sender, &h), CTS_DIFFERS_VERSION);
	h = same;
	h.mode++;
	assert_int_equal(health_differs(&f->b, &f->sender, &h), CTS_DIFFERS_MODE);
	h = same;
	h.attrs ^= 2;
	assert_int_equal(health_differs(&f->b, &f->sender, &h), CTS_DIFFERS_ATTRS);
	h = same;
	h.limit = 999;
	assert_int_equal(health_differs(&f->b, &f->sender, &h), CTS_DIFFERS_LIMIT);
	h.limit = 1001;
	assert_int_equal(health_differs(&f->b, &f->sender, &h), 0);
	for (uint32_t a = 1; a <= all; a++)
		for (uint32_t b = 1; b < a; b++)
			if (!(a & ~all) && !(b & ~all))
				assert_string_not_equal(health_differs_text(a),
							health_differs_text(b));
	destroy(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_proof_with_the_right_nonce_is_accepted),
		cmocka_unit_test(a_proof_is_for_one_node_one_epoch_and_one_nonce),
		cmocka_unit_test(nothing_of_an_epoch_that_is_not_proven_counts),
		cmocka_unit_test(a_nodes_table_decides_what_becomes_of_its_entries),
		cmocka_unit_test(only_a_report_on_this_node_and_epoch_names_us),
		cmocka_unit_test(a_report_counts_when_it_goes_by_its_start),
		cmocka_unit_test(who_has_more_than_was_sent_shows_that_we_were_reverted),
		cmocka_unit_test(numbers_that_no_node_sends_are_refused),
		cmocka_unit_test(a_hello_counts_once_what_it_names_has_come),
		cmocka_unit_test(after_silence_a_receiver_needs_another_start),
		cmocka_unit_test(who_says_less_for_long_was_reverted),
		cmocka_unit_test(who_rests_starts_again_in_time),
		cmocka_unit_test(a_start_is_repeated_until_it_is_confirmed),
		cmocka_unit_test(what_is_received_is_acknowledged),
		cmocka_unit_test(of_two_nodes_of_one_name_the_older_one_stays),
		cmocka_unit_test(of_two_as_old_the_epochs_decide),
		cmocka_unit_test(who_is_in_a_dead_epoch_is_answered),
		cmocka_unit_test(hello_says_what_this_node_is_and_has_received),
		cmocka_unit_test(who_is_out_of_step_confirms_nothing),
		cmocka_unit_test(a_hello_shows_that_the_last_messages_are_missing),
		cmocka_unit_test(flows_of_a_node_that_is_gone_end_with_their_timeouts),
		cmocka_unit_test(what_differs_is_pulled),
		cmocka_unit_test(a_node_that_is_gone_is_shown_as_down),
		cmocka_unit_test(other_configurations_are_distinguished),
		cmocka_unit_test(what_peers_lack_for_long_is_said_to_the_transport),
	};

	return cmocka_run_group_tests_name("handshake", tests, NULL, NULL);
}
