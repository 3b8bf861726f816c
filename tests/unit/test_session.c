/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The handshake and what is said beside the stream, message by message: what is
 * believed, and of whom. core/sync/session.h. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/sync/engine.h"
#include "tests/unit/sync_node.h"

#define US 1u                        /* as gen_base() has it */
#define B 77u
#define C 78u
#define EPOCH_B UINT64_C(0xb1)
#define TABLE_B UINT64_C(0x7ab1eb)

static struct hello hello_of(const char *name)
{
	struct hello h = { .table_id = TABLE_B, .token = 99, .limit = 1000, .highest = 1,
			   .lowest = 1, .flags = HELLO_READY };

	h.name_len = (uint8_t)strlen(name);
	memcpy(h.name, name, h.name_len + 1u);
	return h;
}

static void hello(struct node *x, uint32_t node, uint64_t epoch, const struct hello *as,
		  const struct report *r)
{
	struct hello h = as ? *as : hello_of("there");
	struct letter l;

	build_hello(letter_begin(&l), &h);
	if (r)
		build_report(&l.o, r);
	letter_deliver(&l, x, header(CTS_MSG_HELLO, node, epoch));
}

/* The nonce of the last challenge. */
static const uint8_t *nonce_of(struct node *x, struct challenge *c)
{
	struct sent_message *m = node_sent(x, CTS_MSG_CHALLENGE);
	struct cts_wire_in in;

	assert_non_null(m);
	in = (struct cts_wire_in){ .buf = m->body, .len = m->len };
	assert_true(parse_challenge(&in, c));
	return c->nonce;
}

static void prove(struct node *x, uint32_t node, uint64_t epoch, uint32_t to,
		  const uint8_t nonce[NONCE_LEN])
{
	struct letter l;

	build_proof(letter_begin(&l), TABLE_B);
	build_proof_for(&l.o, to, nonce);
	letter_deliver(&l, x, header(CTS_MSG_PROOF, node, epoch));
}

/* The whole handshake. */
static struct peer *meet(struct node *x, uint32_t node, uint64_t epoch)
{
	struct challenge c;
	struct peer *p;

	hello(x, node, epoch, NULL, NULL);
	prove(x, node, epoch, US, nonce_of(x, &c));
	p = peers_find(&x->peers, node);
	assert_non_null(p);
	assert_int_equal(p->epoch, epoch);
	return p;
}

static struct report report_on_us(struct node *x, uint64_t start, uint64_t high)
{
	return (struct report){ .node = US, .epoch = x->b.epoch, .start = start, .high = high };
}

static void ack(struct node *x, uint32_t node, uint64_t epoch, const struct report *r)
{
	static const struct gaps none;
	struct letter l;

	build_ack(letter_begin(&l), r, &none);
	letter_deliver(&l, x, header(CTS_MSG_ACK, node, epoch));
}

/* ... and it is in the window, and has confirmed where it starts. */
static struct peer *follow(struct node *x, uint32_t node, uint64_t epoch)
{
	struct peer *p = meet(x, node, epoch);
	struct report r = report_on_us(x, 0, 0);
	uint64_t start;

	ack(x, node, epoch, &r);
	assert_int_equal(p->state, PEER_STARTING);
	start = x->sender.window.view[peer_index(&x->peers, p)].start;
	r = report_on_us(x, start, start - 1);
	ack(x, node, epoch, &r);
	assert_int_equal(p->state, PEER_FOLLOWING);
	return p;
}

/* ---- who is believed ---- */

static void a_stranger_is_asked_and_nothing_is_believed(void **state)
{
	struct node *x = node_create(NULL, 0);
	struct challenge c;

	hello(x, B, EPOCH_B, NULL, NULL);
	assert_null(peers_find(&x->peers, B));
	assert_int_equal(x->b.st.wrong_epoch, 1);
	nonce_of(x, &c);
	assert_int_equal(c.to, B);
	assert_int_equal(c.epoch, EPOCH_B);
	assert_int_equal(node_sent(x, CTS_MSG_CHALLENGE)->to, B);
	node_destroy(x);
}

static void who_proves_its_epoch_is_accepted_and_greeted(void **state)
{
	struct node *x = node_create(NULL, 0);
	struct peer *p = meet(x, B, EPOCH_B);

	assert_int_equal(p->table_id, TABLE_B);
	assert_int_equal(p->state, PEER_KNOWN);
	assert_int_equal(x->b.st.epochs_accepted, 1);
	node_run(x);
	assert_non_null(node_sent(x, CTS_MSG_HELLO));
	assert_non_null(node_sent(x, CTS_MSG_ACK));
	node_destroy(x);
}

static void a_proof_answers_one_question_of_one_node_about_one_epoch(void **state)
{
	struct node *x = node_create(NULL, 0);
	uint8_t nonce[NONCE_LEN], wrong[NONCE_LEN];
	struct challenge c;

	hello(x, B, EPOCH_B, NULL, NULL);
	memcpy(nonce, nonce_of(x, &c), NONCE_LEN);
	for (unsigned int i = 0; i < NONCE_LEN; i++) {
		memcpy(wrong, nonce, NONCE_LEN);
		wrong[i] ^= 1;
		prove(x, B, EPOCH_B, US, wrong);
	}
	memset(wrong, 0, NONCE_LEN);
	prove(x, B, EPOCH_B, US, wrong);
	prove(x, C, EPOCH_B, US, nonce);             /* another node's answer */
	prove(x, B, EPOCH_B + 1, US, nonce);         /* about another epoch */
	prove(x, B, 0, US, nonce);
	prove(x, B, EPOCH_B, C, nonce);              /* meant for another node */
	assert_null(peers_find(&x->peers, B));
	assert_null(peers_find(&x->peers, C));
	assert_int_equal(x->b.st.epochs_accepted, 0);
	prove(x, B, EPOCH_B, US, nonce);
	assert_non_null(peers_find(&x->peers, B));
	prove(x, B, EPOCH_B, US, nonce);             /* twice is once */
	assert_int_equal(x->b.st.epochs_accepted, 1);
	node_destroy(x);
}

static void a_nonce_is_good_for_some_seconds(void **state)
{
	struct node *x = node_create(NULL, 0);
	uint8_t nonce[NONCE_LEN];
	struct challenge c;

	x->b.now = 50 * NONCE_SLOT_NS;
	hello(x, B, EPOCH_B, NULL, NULL);
	memcpy(nonce, nonce_of(x, &c), NONCE_LEN);
	x->b.now += 2 * NONCE_SLOT_NS;
	prove(x, B, EPOCH_B, US, nonce);
	assert_null(peers_find(&x->peers, B));
	x->b.now -= 1;
	prove(x, B, EPOCH_B, US, nonce);
	assert_non_null(peers_find(&x->peers, B));
	node_destroy(x);
}

static void a_proof_for_several_holds_for_each(void **state)
{
	struct node *x = node_create(NULL, 0);
	uint8_t other[NONCE_LEN] = { 9 };
	struct challenge c;
	struct letter l;

	hello(x, B, EPOCH_B, NULL, NULL);
	build_proof(letter_begin(&l), TABLE_B);
	for (uint32_t node = 100; node < 110; node++)
		build_proof_for(&l.o, node, other);
	build_proof_for(&l.o, US, nonce_of(x, &c));
	letter_deliver(&l, x, header(CTS_MSG_PROOF, B, EPOCH_B));
	assert_non_null(peers_find(&x->peers, B));
	node_destroy(x);
}

static void strangers_are_asked_within_limits(void **state)
{
	struct node *x = node_create(NULL, 0);

	for (uint32_t node = 100; node < 100 + 2 * CHALLENGES_A_SECOND; node++)
		hello(x, node, EPOCH_B, NULL, NULL);
	assert_int_equal(x->b.st.challenges_sent, CHALLENGES_A_SECOND);
	assert_int_equal(x->b.st.challenges_limited, CHALLENGES_A_SECOND);
	x->b.now += SECOND;
	hello(x, 100, EPOCH_B, NULL, NULL);
	assert_int_equal(x->b.st.challenges_sent, CHALLENGES_A_SECOND + 1);
	node_destroy(x);
}

static void messages_of_another_cluster_are_not_listened_to(void **state)
{
	struct node *x = node_create(NULL, 0);
	struct cts_wire_header h = header(CTS_MSG_HELLO, B, EPOCH_B);
	struct hello as = hello_of("there");
	struct letter l;

	h.cluster = CLUSTER + 1;
	for (int i = 0; i < 3; i++) {
		build_hello(letter_begin(&l), &as);
		letter_deliver(&l, x, h);
	}
	assert_int_equal(x->n_sent, 0);
	assert_int_equal(x->b.st.wrong_cluster, 3);
	assert_int_equal(x->reports[CTS_REPORT_CLUSTER], 1);
	x->b.now += REPORT_NS;
	build_hello(letter_begin(&l), &as);
	letter_deliver(&l, x, h);
	assert_int_equal(x->reports[CTS_REPORT_CLUSTER], 2);
	node_destroy(x);
}

/* The peer is known: a message of another cluster under its name changes nothing. */
static void nor_are_those_under_a_known_name(void **state)
{
	struct node *x = node_create(NULL, 0);
	struct cts_wire_header h = header(CTS_MSG_BYE, B, EPOCH_B);
	struct peer *p = follow(x, B, EPOCH_B);
	struct letter l;

	h.cluster = CLUSTER + 1;
	letter_begin(&l);
	letter_deliver(&l, x, h);
	assert_int_equal(p->state, PEER_FOLLOWING);
	node_destroy(x);
}

static void only_listed_nodes_take_part(void **state)
{
	static const uint32_t list[] = { 5, C };
	struct node *x = node_create(list, 2);

	hello(x, B, EPOCH_B, NULL, NULL);
	hello(x, 0, EPOCH_B, NULL, NULL);
	assert_int_equal(x->n_sent, 0);
	assert_int_equal(x->b.st.not_in_list, 2);
	assert_int_equal(x->reports[CTS_REPORT_REFUSED], 1);
	assert_int_equal(x->reported_node, B);
	hello(x, C, EPOCH_B, NULL, NULL);
	assert_non_null(node_sent(x, CTS_MSG_CHALLENGE));
	node_destroy(x);
}

static void there_is_no_epoch_zero_and_no_node_zero(void **state)
{
	struct node *x = node_create(NULL, 0);

	hello(x, B, 0, NULL, NULL);
	hello(x, 0, EPOCH_B, NULL, NULL);
	assert_int_equal(x->n_sent, 0);
	node_destroy(x);
}

static void one_node_too_many_is_refused_and_named(void **state)
{
	struct node *x = node_create(NULL, 0);

	for (uint32_t node = 100; node < 100 + PEERS_MAX; node++)
		meet(x, node, EPOCH_B);
	x->b.now += SECOND;
	hello(x, B, EPOCH_B, NULL, NULL);
	{
		struct challenge c;

		prove(x, B, EPOCH_B, US, nonce_of(x, &c));
	}
	assert_null(peers_find(&x->peers, B));
	assert_int_equal(x->b.st.no_room, 1);
	assert_int_equal(x->reports[CTS_REPORT_REFUSED], 1);
	node_destroy(x);
}

/* ---- epochs of others ---- */

static void a_live_epoch_is_not_replaced(void **state)
{
	struct node *x = node_create(NULL, 0);
	struct peer *p = meet(x, B, EPOCH_B);
	unsigned int asked = node_count(x, CTS_MSG_CHALLENGE);
	uint64_t begin = x->b.now;

	/* Both are received from: two nodes of one name. */
	while (x->b.now < begin + 3 * SECOND) {
		hello(x, B, EPOCH_B, NULL, NULL);
		hello(x, B, EPOCH_B + 1, NULL, NULL);
		x->b.now += 100 * MS;
	}
	assert_int_equal(node_count(x, CTS_MSG_CHALLENGE), asked);
	assert_int_equal(p->epoch, EPOCH_B);
	assert_true(x->b.st.conflicts > 0);
	assert_int_equal(x->reports[CTS_REPORT_CONFLICT], 1);
	node_destroy(x);
}

static void a_restarted_node_is_accepted_when_its_former_epoch_is_silent(void **state)
{
	struct node *x = node_create(NULL, 0);
	struct peer *p = meet(x, B, EPOCH_B);
	unsigned int asked = node_count(x, CTS_MSG_CHALLENGE);
	struct challenge c;

	x->b.now += SECOND;
	hello(x, B, EPOCH_B + 1, NULL, NULL);
	assert_int_equal(node_count(x, CTS_MSG_CHALLENGE), asked);
	x->b.now += CANDIDATE_NS - 1;
	hello(x, B, EPOCH_B + 1, NULL, NULL);
	assert_int_equal(node_count(x, CTS_MSG_CHALLENGE), asked);
	x->b.now += 1;
	hello(x, B, EPOCH_B + 1, NULL, NULL);
	assert_int_equal(node_count(x, CTS_MSG_CHALLENGE), asked + 1);
	prove(x, B, EPOCH_B + 1, US, nonce_of(x, &c));
	assert_int_equal(p->epoch, EPOCH_B + 1);
	assert_int_equal(x->b.st.epochs_accepted, 2);
	assert_int_equal(x->b.st.conflicts, 0);
	node_destroy(x);
}

static void a_former_epoch_is_dead_for_ever(void **state)
{
	struct node *x = node_create(NULL, 0);
	uint8_t old[NONCE_LEN];
	struct challenge c;
	struct peer *p = meet(x, B, EPOCH_B);

	memcpy(old, nonce_of(x, &c), NONCE_LEN);
	peer_event(&x->peers, p, PEER_LEAVES, "gone");
	x->b.now += 300 * MS;
	meet(x, B, EPOCH_B + 1);
	peer_event(&x->peers, p, PEER_LEAVES, "gone");
	x->b.now += 300 * MS;
	prove(x, B, EPOCH_B, US, old);               /* replayed, and the nonce is good still */
	assert_int_equal(p->epoch, EPOCH_B + 1);
	hello(x, B, EPOCH_B, NULL, NULL);
	assert_int_equal(node_count(x, CTS_MSG_CHALLENGE), 2);
	node_destroy(x);
}

static void a_known_name_is_asked_only_so_often(void **state)
{
	struct node *x = node_create(NULL, 0);
	struct peer *p = meet(x, B, EPOCH_B);

	peer_event(&x->peers, p, PEER_LEAVES, "gone");
	for (int i = 0; i < 100; i++) {
		hello(x, B, EPOCH_B + 1, NULL, NULL);
		x->b.now += 10 * MS;
	}
	assert_in_range(node_count(x, CTS_MSG_CHALLENGE), 1 + 4, 1 + 6);
	assert_true(x->b.st.challenges_limited > 80);
	node_destroy(x);
}

static void goodbye_is_believed_of_a_known_epoch_alone(void **state)
{
	struct node *x = node_create(NULL, 0);
	struct peer *p = follow(x, B, EPOCH_B);
	struct letter l;

	letter_begin(&l);
	letter_deliver(&l, x, header(CTS_MSG_BYE, B, EPOCH_B + 1));
	assert_int_equal(p->state, PEER_FOLLOWING);
	assert_int_equal(node_count(x, CTS_MSG_CHALLENGE), 1);
	letter_begin(&l);
	letter_deliver(&l, x, header(CTS_MSG_BYE, B, EPOCH_B));
	assert_int_equal(p->state, PEER_GONE);
	assert_int_equal(x->shown, CTS_PEER_DOWN);
	letter_begin(&l);                            /* again: it does not come back by that */
	letter_deliver(&l, x, header(CTS_MSG_BYE, B, EPOCH_B));
	assert_int_equal(p->state, PEER_GONE);
	hello(x, B, EPOCH_B, NULL, NULL);
	assert_int_equal(p->state, PEER_KNOWN);
	node_destroy(x);
}

static void silence_means_gone_unless_the_transport_knows_better(void **state)
{
	for (int membership = 0; membership < 2; membership++) {
		struct node *x = node_create(NULL, 0);
		struct peer *p = follow(x, B, EPOCH_B);

		x->b.conf.membership = membership;
		node_wait(x, 1999 * MS);
		assert_int_not_equal(p->state, PEER_GONE);
		node_wait(x, 100 * MS);
		assert_int_equal(p->state == PEER_GONE, !membership);
		node_destroy(x);
	}
}

/* ---- this node's own name and epoch ---- */

static void what_asks_for_us_gets_a_proof(void **state)
{
	struct node *x = node_create(NULL, 0);
	struct challenge c = { .to = US, .epoch = x->b.epoch, .nonce = { 1, 2, 3 } };
	struct cts_wire_in in;
	const uint8_t *nonce;
	struct letter l;
	uint64_t table;

	node_wait(x, SECOND);
	c.to = US + 1;                               /* another node */
	build_challenge(letter_begin(&l), &c);
	letter_deliver(&l, x, header(CTS_MSG_CHALLENGE, B, EPOCH_B));
	c.to = US;
	c.epoch++;                                   /* an epoch we do not have */
	build_challenge(letter_begin(&l), &c);
	letter_deliver(&l, x, header(CTS_MSG_CHALLENGE, B, EPOCH_B));
	node_wait(x, SECOND);
	assert_null(node_sent(x, CTS_MSG_PROOF));
	c.epoch = x->b.epoch;
	for (uint32_t node = 100; node < 103; node++) {      /* all in one message */
		c.nonce[0] = (uint8_t)node;
		build_challenge(letter_begin(&l), &c);
		letter_deliver(&l, x, header(CTS_MSG_CHALLENGE, node, EPOCH_B));
	}
	c.nonce[1] = 77;                             /* asks again: the newer question counts */
	build_challenge(letter_begin(&l), &c);
	letter_deliver(&l, x, header(CTS_MSG_CHALLENGE, 102, EPOCH_B));
	node_wait(x, PROOF_NS);
	assert_int_equal(node_count(x, CTS_MSG_PROOF), 1);
	for (uint32_t node = 100; node < 103; node++) {
		const struct sent_message *m = node_sent(x, CTS_MSG_PROOF);

		in = (struct cts_wire_in){ .buf = m->body, .len = m->len };
		assert_true(parse_proof(&in, node, &table, &nonce));
		assert_int_equal(table, x->b.conf.table_id);
		assert_int_equal(nonce[0], node);
		assert_int_equal(nonce[1], node == 102 ? 77 : 2);
	}
	node_wait(x, SECOND);
	assert_int_equal(node_count(x, CTS_MSG_PROOF), 1);
	node_destroy(x);
}

static void questions_of_many_are_answered_in_parts(void **state)
{
	struct node *x = node_create(NULL, 0);
	struct challenge c = { .to = US, .epoch = x->b.epoch };
	unsigned int proofs = 0;
	struct letter l;

	for (uint32_t node = 100; node < 200; node++) {
		build_challenge(letter_begin(&l), &c);
		letter_deliver(&l, x, header(CTS_MSG_CHALLENGE, node, EPOCH_B));
	}
	for (int i = 0; i < 10; i++)
		node_wait(x, PROOF_NS);
	for (unsigned int i = 0; i < x->n_sent; i++)
		if (x->sent[i].h.type == CTS_MSG_PROOF)
			proofs += (unsigned int)(x->sent[i].len - 8) / PROOF_FOR_BYTES;
	assert_int_equal(proofs, CTS_NODES_MAX);
	node_destroy(x);
}

static void a_copy_of_this_node_starts_a_new_epoch(void **state)
{
	struct node *x = node_create(NULL, 0);
	struct peer *p = follow(x, B, EPOCH_B);
	struct hello as = hello_of("here");
	uint64_t was = x->b.epoch;

	node_run(x);
	as.token = x->session.tokens[(x->session.token_next - 1) % TOKENS];
	hello(x, US, was, &as, NULL);                /* our own, sent back by the network */
	node_run(x);
	assert_int_equal(x->b.epoch, was);
	as.token++;
	hello(x, US, was, &as, NULL);
	node_run(x);
	assert_int_not_equal(x->b.epoch, was);
	assert_int_not_equal(x->b.epoch, 0);
	assert_int_equal(x->reports[CTS_REPORT_EPOCH], 1);
	assert_int_equal(p->state, PEER_KNOWN);      /* nobody receives the new one yet */
	assert_int_equal(x->sender.window.members, 0);
	node_destroy(x);
}

static void who_was_there_first_keeps_the_name(void **state)
{
	struct node *x = node_create(NULL, 0);
	struct hello as = hello_of("here");
	unsigned int sent;

	x->b.now += 100 * SECOND;
	as.uptime_s = 50;
	hello(x, US, 0xdead, &as, NULL);             /* a newcomer: it stays out, not we */
	node_run(x);
	assert_non_null(node_sent(x, CTS_MSG_HELLO));
	assert_int_equal(x->reports[CTS_REPORT_CONFLICT], 1);
	as.uptime_s = 500;
	hello(x, US, 0xdead, &as, NULL);
	sent = x->n_sent;
	hello(x, B, EPOCH_B, NULL, NULL);
	for (int i = 0; i < 40; i++)
		node_wait(x, 100 * MS);
	assert_int_equal(x->n_sent, sent);           /* not a word */
	for (int i = 0; i < 12; i++)
		node_wait(x, 100 * MS);
	assert_true(x->n_sent > sent);               /* it is not received from any more */
	node_destroy(x);
}

static void at_the_same_uptime_the_lower_epoch_keeps_it(void **state)
{
	struct node *x = node_create(NULL, 0);
	struct hello as = hello_of("here");

	hello(x, US, x->b.epoch + 1, &as, NULL);
	assert_false(x->session.out);
	hello(x, US, x->b.epoch - 1, &as, NULL);
	assert_true(x->session.out);
	node_destroy(x);
}

/* ---- reports on our stream ---- */

static void send_some(struct node *x, unsigned int n)
{
	struct window *w = &x->sender.window;

	while (n--)
		window_close(w, &x->sender.table, window_open(w, true, x->b.now), 100, false);
}

static void a_report_counts_for_our_stream_and_epoch_and_its_start(void **state)
{
	struct node *x = node_create(NULL, 0);
	struct peer *p = follow(x, B, EPOCH_B);
	struct report r;

	send_some(x, 5);
	r = report_on_us(x, 1, 5);
	r.node = C;
	ack(x, B, EPOCH_B, &r);
	r = report_on_us(x, 1, 5);
	r.epoch++;
	ack(x, B, EPOCH_B, &r);
	assert_int_equal(window_len(&x->sender.window), 5);
	r = report_on_us(x, 0, 5);                   /* goes by another start */
	ack(x, B, EPOCH_B, &r);
	assert_int_equal(window_len(&x->sender.window), 5);
	assert_int_equal(x->b.st.acks_ignored, 2);   /* ... and the first one of follow() */
	assert_int_equal(p->state, PEER_FOLLOWING);
	r = report_on_us(x, 1, 5);
	ack(x, B, EPOCH_B, &r);
	assert_int_equal(window_len(&x->sender.window), 0);
	assert_int_equal(p->mismatches, 0);
	assert_int_equal(p->report.high, 5);
	node_destroy(x);
}

static void who_lost_its_place_gets_a_new_one(void **state)
{
	struct node *x = node_create(NULL, 0);
	struct peer *p = follow(x, B, EPOCH_B);
	struct report r;
	struct start start;
	struct cts_wire_in in;

	send_some(x, 5);
	r = report_on_us(x, 0, 0);
	ack(x, B, EPOCH_B, &r);
	assert_int_equal(p->state, PEER_FOLLOWING);
	ack(x, B, EPOCH_B, &r);
	assert_int_equal(p->state, PEER_STARTING);
	node_run(x);
	assert_non_null(node_sent(x, CTS_MSG_START));
	in = (struct cts_wire_in){ .buf = node_sent(x, CTS_MSG_START)->body,
				   .len = node_sent(x, CTS_MSG_START)->len };
	assert_true(parse_start(&in, &start));
	assert_int_equal(start.to, B);
	assert_int_equal(start.epoch, EPOCH_B);
	assert_int_equal(start.start, 6);
	r = report_on_us(x, 1, 5);                   /* what it said before means nothing now */
	ack(x, B, EPOCH_B, &r);
	assert_int_equal(p->state, PEER_STARTING);
	assert_int_equal(p->report.high, 0);
	node_destroy(x);
}

static void more_than_was_sent_means_that_we_were_reverted(void **state)
{
	for (int start = 0; start < 2; start++) {
		struct node *x = node_create(NULL, 0);
		uint64_t was = x->b.epoch;
		struct report r;

		follow(x, B, EPOCH_B);
		send_some(x, 5);
		r = start ? report_on_us(x, 7, 6) : report_on_us(x, 1, 6);
		r.epoch = was - 1;                   /* of another epoch it says nothing */
		ack(x, B, EPOCH_B, &r);
		node_run(x);
		assert_int_equal(x->b.epoch, was);
		r.epoch = was;
		ack(x, B, EPOCH_B, &r);
		node_run(x);
		assert_int_not_equal(x->b.epoch, was);
		assert_int_equal(x->reports[CTS_REPORT_EPOCH], 1);
		assert_int_equal(x->sender.window.last, 0);
		node_destroy(x);
	}
}

static void a_hello_reports_like_an_ack_but_for_gaps(void **state)
{
	struct node *x = node_create(NULL, 0);
	struct peer *p = follow(x, B, EPOCH_B);
	struct report r;

	send_some(x, 5);
	r = report_on_us(x, 1, 5);
	r.flags = REPORT_GAPS;                       /* which ones it does not say */
	hello(x, B, EPOCH_B, NULL, &r);
	assert_int_equal(window_len(&x->sender.window), 5);
	assert_int_equal(p->report.high, 5);
	r.flags = 0;
	hello(x, B, EPOCH_B, NULL, &r);
	assert_int_equal(window_len(&x->sender.window), 0);
	node_destroy(x);
}

static void when_it_held_all_is_remembered(void **state)
{
	struct node *x = node_create(NULL, 0);
	struct peer *p = follow(x, B, EPOCH_B);
	struct report r = report_on_us(x, 1, 0);

	assert_int_equal(p->held_ns, 0);
	r.flags = REPORT_HOLDS;
	ack(x, B, EPOCH_B, &r);
	assert_int_equal(p->held_ns, x->b.now);
	x->b.now += 100 * MS;
	r.flags = 0;
	ack(x, B, EPOCH_B, &r);
	assert_int_equal(p->held_ns, x->b.now - 100 * MS);
	assert_int_equal(p->report_ns, x->b.now);
	node_destroy(x);
}

/* ---- their stream ---- */

static void start_at(struct node *x, uint32_t to, uint64_t epoch, uint64_t start)
{
	struct start s = { .to = to, .epoch = epoch, .start = start };
	struct letter l;

	build_start(letter_begin(&l), &s);
	letter_deliver(&l, x, header(CTS_MSG_START, B, EPOCH_B));
}

static void a_start_is_meant_for_one_node_in_one_epoch(void **state)
{
	struct node *x = node_create(NULL, 0);
	struct peer *p = meet(x, B, EPOCH_B);

	start_at(x, C, x->b.epoch, 9);
	start_at(x, US, x->b.epoch + 1, 9);
	assert_int_equal(p->recv.start, 0);
	start_at(x, US, x->b.epoch, 9);
	assert_int_equal(p->recv.start, 9);
	assert_int_equal(p->recv.high, 8);
	start_at(x, US, x->b.epoch, 5);              /* one that was overtaken */
	assert_int_equal(p->recv.start, 9);
	node_destroy(x);
}

static void data(struct node *x, uint64_t epoch, uint64_t number, uint32_t i, uint16_t value)
{
	struct cts_wire_header h = header(CTS_MSG_DATA, B, epoch);
	uint8_t packed[GEN_LEN_MAX];
	size_t len = gen_entry(packed, i, value);
	struct letter l;

	h.number = number;
	cts_put_u16(letter_begin(&l), 0);
	cts_put_u8(&l.o, CTS_REC_UPSERT);
	cts_put_u8(&l.o, (uint8_t)len);
	cts_put_bytes(&l.o, packed, len);
	letter_deliver(&l, x, h);
}

static void data_counts_from_the_start_in_the_accepted_epoch(void **state)
{
	struct node *x = node_create(NULL, 0);
	struct peer *p = meet(x, B, EPOCH_B);
	struct cts_cache *cache = p->recv.replica.cache;

	data(x, EPOCH_B, 1, 1, 1);                   /* no start yet */
	assert_int_equal(cts_cache_count(cache), 0);
	start_at(x, US, x->b.epoch, 3);
	data(x, EPOCH_B, 2, 1, 1);
	data(x, EPOCH_B + 1, 3, 1, 1);
	data(x, EPOCH_B, 0, 1, 1);
	data(x, EPOCH_B, SEQUENCE_MAX, 1, 1);
	assert_int_equal(cts_cache_count(cache), 0);
	assert_int_equal(p->recv.start, 3);
	assert_int_equal(x->b.st.bad_record, 2);
	data(x, EPOCH_B, 3, 1, 1);
	assert_int_equal(cts_cache_count(cache), 1);
	node_destroy(x);
}

static void pull(struct node *x, uint32_t to, uint64_t epoch)
{
	struct pull p = { .to = to, .epoch = epoch, .start = 1, .what = PULL_ALL };
	struct letter l;

	build_pull(letter_begin(&l), &p);
	letter_deliver(&l, x, header(CTS_MSG_PULL, B, EPOCH_B));
}

static void a_pull_is_meant_for_one_node_in_one_epoch(void **state)
{
	struct node *x = node_create(NULL, 0);

	follow(x, B, EPOCH_B);
	sender_ready(&x->sender);
	pull(x, C, x->b.epoch);
	pull(x, US, x->b.epoch + 1);
	assert_false(transfer_active(&x->sender.transfer));
	pull(x, US, x->b.epoch);
	assert_true(transfer_active(&x->sender.transfer));
	node_destroy(x);
}

/* A new table of the owner: what the former one had is nobody's. */
static void another_table_makes_orphans_and_the_same_one_does_not(void **state)
{
	for (int lost = 0; lost < 2; lost++) {
		struct node *x = node_create(NULL, 0);
		struct peer *p = meet(x, B, EPOCH_B);
		struct challenge c;
		struct letter l;

		start_at(x, US, x->b.epoch, 1);
		data(x, EPOCH_B, 1, 1, 1);
		peer_event(&x->peers, p, PEER_LEAVES, "gone");
		x->b.now += SECOND;
		hello(x, B, EPOCH_B + 1, NULL, NULL);
		build_proof(letter_begin(&l), TABLE_B + (uint64_t)lost);
		build_proof_for(&l.o, US, nonce_of(x, &c));
		letter_deliver(&l, x, header(CTS_MSG_PROOF, B, EPOCH_B + 1));
		assert_int_equal(p->recv.replica.orphans, lost);
		assert_int_equal(p->recv.replica.stale, !lost);
		assert_int_equal(p->recv.replica.live, 0);
		assert_int_equal(p->recv.start, 0);
		node_destroy(x);
	}
}

/* ---- what differs ---- */

static void differences_are_reported_and_kept(void **state)
{
	static const struct {
		uint32_t differs;
		uint8_t mode;
		uint64_t attrs;
		uint32_t limit;
	} cases[] = {
		{ 0, 0, 0, 1000 },
		{ 0, 0, 0, 2000 },
		{ CTS_DIFFERS_LIMIT, 0, 0, 999 },
		{ CTS_DIFFERS_MODE, 1, 0, 1000 },
		{ CTS_DIFFERS_ATTRS, 0, 4, 1000 },
		{ CTS_DIFFERS_MODE | CTS_DIFFERS_ATTRS | CTS_DIFFERS_LIMIT, 2, 1, 1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct node *x = node_create(NULL, 0);
		struct peer *p = meet(x, B, EPOCH_B);
		struct hello as = hello_of("there");

		as.mode = cases[i].mode;
		as.attrs = cases[i].attrs;
		as.limit = cases[i].limit;
		hello(x, B, EPOCH_B, &as, NULL);
		hello(x, B, EPOCH_B, &as, NULL);
		assert_int_equal(p->differs, cases[i].differs);
		assert_string_equal(p->name, "there");
		assert_int_equal(x->reports[CTS_REPORT_DIFFERS], cases[i].differs != 0);
		node_destroy(x);
	}
}

static void without_a_common_version_it_is_not_listened_to(void **state)
{
	struct node *x = node_create(NULL, 0);
	struct peer *p = meet(x, B, EPOCH_B);
	struct report r = report_on_us(x, 0, 0);
	struct hello as = hello_of("there");

	as.highest = 9;
	as.lowest = 2;
	hello(x, B, EPOCH_B, &as, &r);
	assert_int_equal(p->state, PEER_KNOWN);
	assert_true(p->differs & CTS_DIFFERS_VERSION);
	assert_int_equal(x->reports[CTS_REPORT_VERSION], 1);
	as.lowest = 1;
	hello(x, B, EPOCH_B, &as, &r);
	assert_int_equal(p->state, PEER_STARTING);
	node_destroy(x);
}

/* ---- the transport ---- */

static void what_the_transport_does_not_take_stays_due(void **state)
{
	struct node *x = node_create(NULL, 0);
	struct challenge c = { .to = US, .epoch = x->b.epoch };
	struct peer *p = follow(x, B, EPOCH_B);
	struct letter l;
	unsigned int was;

	node_run(x);
	x->full = true;
	x->b.now += SECOND;
	build_challenge(letter_begin(&l), &c);
	letter_deliver(&l, x, header(CTS_MSG_CHALLENGE, B, EPOCH_B));
	start_at(x, US, x->b.epoch, 3);              /* an ACK is due */
	node_run(x);
	assert_true(session_deadline(&x->session) <= x->b.now + AGAIN_NS);
	was = x->n_sent;
	x->full = false;
	x->b.now += AGAIN_NS;
	node_run(x);
	assert_non_null(node_sent(x, CTS_MSG_PROOF));
	assert_true(x->n_sent >= was + 3);           /* PROOF, ACK, HELLO */
	assert_true(p->sent_messages > 0);
	node_destroy(x);
}

static void who_receives_and_acknowledges_nothing_is_out_of_step(void **state)
{
	struct node *x = node_create(NULL, 0);
	struct peer *p = follow(x, B, EPOCH_B);

	send_some(x, 1);
	for (int i = 0; i < 9; i++) {
		hello(x, B, EPOCH_B, NULL, NULL);
		node_wait(x, 100 * MS);
	}
	assert_int_equal(p->state, PEER_FOLLOWING);
	hello(x, B, EPOCH_B, NULL, NULL);
	node_wait(x, 200 * MS);
	assert_int_equal(p->state, PEER_RESTING);
	assert_int_equal(x->b.st.resets, 1);
	for (int i = 0; i < 3; i++)
		node_wait(x, 100 * MS);
	assert_int_equal(p->state, PEER_STARTING);
	node_destroy(x);
}

static void damaged_messages_are_counted_by_kind(void **state)
{
	struct node *x = node_create(NULL, 0);
	struct cts_wire_header h = header(CTS_MSG_HELLO, B, EPOCH_B);
	struct hello as = hello_of("there");
	struct letter l;
	size_t len;

	build_hello(letter_begin(&l), &as);
	len = cts_wire_finish(&l.o, &h);
	session_receive(&x->session, 0, 0, l.buf, len - 1);
	assert_int_equal(x->b.st.bad_length, 1);
	l.buf[0] ^= 1;
	session_receive(&x->session, 0, 0, l.buf, len);
	assert_int_equal(x->b.st.bad_magic, 1);
	l.buf[0] ^= 1;
	l.buf[len - 1] ^= 1;
	session_receive(&x->session, 0, 0, l.buf, len);
	assert_int_equal(x->b.st.bad_crc, 1);
	l.buf[len - 1] ^= 1;
	assert_int_equal(x->n_sent, 0);
	session_receive(&x->session, 0, 0, l.buf, len);
	assert_int_equal(x->b.st.recv_messages, 4);
	assert_int_equal(x->n_sent, 1);
	node_destroy(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stranger_is_asked_and_nothing_is_believed),
		cmocka_unit_test(who_proves_its_epoch_is_accepted_and_greeted),
		cmocka_unit_test(a_proof_answers_one_question_of_one_node_about_one_epoch),
		cmocka_unit_test(a_nonce_is_good_for_some_seconds),
		cmocka_unit_test(a_proof_for_several_holds_for_each),
		cmocka_unit_test(strangers_are_asked_within_limits),
		cmocka_unit_test(messages_of_another_cluster_are_not_listened_to),
		cmocka_unit_test(nor_are_those_under_a_known_name),
		cmocka_unit_test(only_listed_nodes_take_part),
		cmocka_unit_test(there_is_no_epoch_zero_and_no_node_zero),
		cmocka_unit_test(one_node_too_many_is_refused_and_named),
		cmocka_unit_test(a_live_epoch_is_not_replaced),
		cmocka_unit_test(a_restarted_node_is_accepted_when_its_former_epoch_is_silent),
		cmocka_unit_test(a_former_epoch_is_dead_for_ever),
		cmocka_unit_test(a_known_name_is_asked_only_so_often),
		cmocka_unit_test(goodbye_is_believed_of_a_known_epoch_alone),
		cmocka_unit_test(silence_means_gone_unless_the_transport_knows_better),
		cmocka_unit_test(what_asks_for_us_gets_a_proof),
		cmocka_unit_test(questions_of_many_are_answered_in_parts),
		cmocka_unit_test(a_copy_of_this_node_starts_a_new_epoch),
		cmocka_unit_test(who_was_there_first_keeps_the_name),
		cmocka_unit_test(at_the_same_uptime_the_lower_epoch_keeps_it),
		cmocka_unit_test(a_report_counts_for_our_stream_and_epoch_and_its_start),
		cmocka_unit_test(who_lost_its_place_gets_a_new_one),
		cmocka_unit_test(more_than_was_sent_means_that_we_were_reverted),
		cmocka_unit_test(a_hello_reports_like_an_ack_but_for_gaps),
		cmocka_unit_test(when_it_held_all_is_remembered),
		cmocka_unit_test(a_start_is_meant_for_one_node_in_one_epoch),
		cmocka_unit_test(data_counts_from_the_start_in_the_accepted_epoch),
		cmocka_unit_test(a_pull_is_meant_for_one_node_in_one_epoch),
		cmocka_unit_test(another_table_makes_orphans_and_the_same_one_does_not),
		cmocka_unit_test(differences_are_reported_and_kept),
		cmocka_unit_test(without_a_common_version_it_is_not_listened_to),
		cmocka_unit_test(what_the_transport_does_not_take_stays_due),
		cmocka_unit_test(who_receives_and_acknowledges_nothing_is_out_of_step),
		cmocka_unit_test(damaged_messages_are_counted_by_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
