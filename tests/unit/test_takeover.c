/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commit, promote, purge, demote and injection with two real engines and a model of
 * each one's kernel: core/node/kernel.h says how it is driven.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/flow/pack.h"
#include "core/node/takeover.h"
#include "core/sync/engine.h"

#define MS UINT64_C(1000000)
#define KEYS 2000u
#define MESSAGES 1024u
#define MESSAGE_MAX 1400u

struct message {
	size_t len;
	uint8_t data[MESSAGE_MAX];
};

struct node {
	struct pair *pair;
	struct node *peer;
	struct cts_engine *engine;       /* NULL: it is dead */
	struct cts_takeover *takeover;
	struct cts_flow_store kernel[KEYS];
	bool exists[KEYS];
	unsigned int count, max;         /* entries that the kernel's table holds, may hold */
	unsigned int ops;                /* operations, all in all */
	bool cut_off;                       /* nothing gets through to the other one */
	struct message *out;             /* owned */
	unsigned int n_out;
	uint64_t rng;
};

struct pair {
	struct node a, b;
	uint64_t now;
	unsigned int done;               /* jobs that said so */
	struct cts_takeover_result result;
	bool inject;
};

/* -- the model of a kernel -- */

static unsigned int number(const struct cts_flow *f)
{
	return ntohs(f->orig.sport) - 1000u;
}

static enum cts_write_class kernel_put(struct node *n, const struct cts_flow *f)
{
	struct cts_flow_store *s = &n->kernel[number(f)];
	bool there = n->exists[number(f)];

	if (!there && n->count >= n->max)
		return CTS_WRITE_TABLE_FULL;
	n->count += !there;
	n->exists[number(f)] = true;
	s->flow = *f;
	return there ? CTS_WRITE_UPDATED : CTS_WRITE_CREATED;
}

static int kernel_add(void *ctx, enum cts_write_op op, const struct cts_flow *f, uint64_t cookie)
{
	struct node *n = ctx;
	enum cts_write_class cls;

	n->ops++;
	assert_true(number(f) < KEYS);
	if (op == CTS_OP_DELETE) {
		cls = n->exists[number(f)] ? CTS_WRITE_DELETED : CTS_WRITE_ABSENT;
		n->count -= n->exists[number(f)];
		n->exists[number(f)] = false;
	} else {
		cls = kernel_put(n, f);
	}
	cts_takeover_written(n->takeover, cookie, cls, cls == CTS_WRITE_TABLE_FULL ? ENOMEM : 0);
	return 0;
}

static int kernel_flush(void *ctx)
{
	return 0;
}

static uint64_t kernel_room(void *ctx)
{
	const struct node *n = ctx;

	return n->max > n->count ? n->max - n->count : 0;
}

static const struct cts_node_kernel kernel = { kernel_add, kernel_flush, kernel_room };

/* -- the wire -- */

static int node_send(void *ctx, const struct iovec *msg, unsigned int n_msg, uint32_t to)
{
	struct node *n = ctx;

	for (unsigned int i = 0; i < n_msg; i++) {
		assert_true(n->n_out < MESSAGES && msg[i].iov_len <= MESSAGE_MAX);
		if (n->cut_off || !n->peer->engine)
			continue;
		memcpy(n->out[n->n_out].data, msg[i].iov_base, msg[i].iov_len);
		n->out[n->n_out++].len = msg[i].iov_len;
	}
	return (int)n_msg;
}

static size_t node_max_message(void *ctx)
{
	return MESSAGE_MAX;
}

static void node_random(void *ctx, void *buf, size_t len)
{
	struct node *n = ctx;
	uint8_t *p = buf;

	while (len--) {
		n->rng = n->rng * 6364136223846793005u + 1442695040888963407u;
		*p++ = (uint8_t)(n->rng >> 56);
	}
}

static void node_received(void *ctx, unsigned int link, uint32_t peer, uint32_t node)
{
}

static void node_applied(void *ctx, uint32_t node, const struct cts_applied *list, size_t n)
{
	struct node *self = ctx;

	if (self->pair->inject)
		cts_takeover_applied(self->takeover, node, list, n, self->pair->now);
}

static void node_peer_state(void *ctx, uint32_t node, enum cts_peer_state state, const char *why)
{
	struct node *n = ctx;

	cts_takeover_peer_state(n->takeover, node, state, n->pair->now);
}

static void node_start(struct node *n, const char *name)
{
	static const struct cts_engine_ops ops = {
		.send = node_send, .max_message = node_max_message, .random = node_random,
		.received = node_received, .applied = node_applied, .peer_state = node_peer_state,
	};
	const struct cts_engine_conf conf = {
		.mode = CTS_MODE_FTFW, .cluster = "", .node_name = name,
		.table_id = n->rng, .cache_limit = KEYS * 2, .dead_after_ms = 500,
		.purge_timeout_s = 5, .startup_resync = true,
	};
	struct cts_takeover_conf takeover = {
		.kernel = &kernel, .ctx = n, .inject = n->pair->inject, .purge_timeout_s = 5,
	};

	n->max = KEYS;
	n->engine = cts_engine_create(&conf, &ops, n, n->pair->now);
	assert_non_null(n->engine);
	takeover.engine = n->engine;
	n->takeover = cts_takeover_create(&takeover);
	assert_non_null(n->takeover);
	cts_engine_table_ready(n->engine, n->pair->now);
}

static void node_die(struct node *n)
{
	cts_engine_destroy(n->engine);
	cts_takeover_destroy(n->takeover);
	n->engine = NULL;
	n->takeover = NULL;
	n->n_out = n->peer->n_out = 0;
}

static void node_turn(struct node *n)
{
	uint64_t now = n->pair->now;

	if (!n->engine)
		return;
	for (unsigned int i = 0; i < n->peer->n_out; i++) {
		struct iovec iov = { n->peer->out[i].data, n->peer->out[i].len };

		cts_engine_receive(n->engine, 0, 1, &iov, 1, now);
	}
	n->peer->n_out = 0;
	cts_takeover_step(n->takeover, now);
	cts_engine_run(n->engine, now);
}

static void run(struct pair *p, unsigned int ms)
{
	for (unsigned int i = 0; i < ms; i++) {
		p->now += MS;
		node_turn(&p->a);
		node_turn(&p->b);
	}
}

static struct pair *pair_make(bool inject)
{
	struct pair *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->now = UINT64_C(1000000) * MS;
	p->inject = inject;
	p->a.pair = p->b.pair = p;
	p->a.peer = &p->b;
	p->b.peer = &p->a;
	p->a.rng = 1;
	p->b.rng = 2;
	p->a.out = calloc(MESSAGES, sizeof(*p->a.out));
	p->b.out = calloc(MESSAGES, sizeof(*p->b.out));
	node_start(&p->a, "a");
	node_start(&p->b, "b");
	run(p, 1000);
	return p;
}

static void pair_free(struct pair *p)
{
	node_die(&p->a);
	node_die(&p->b);
	free(p->a.out);
	free(p->b.out);
	free(p);
}

/* -- flows -- */

static void flow_make(struct cts_flow *f, unsigned int i, uint8_t state, uint32_t mark)
{
	memset(f, 0, sizeof(*f));
	f->present = CTS_FLOW_BIT(CTS_FLOW_ORIG) | CTS_FLOW_BIT(CTS_FLOW_REPLY) |
		     CTS_FLOW_BIT(CTS_FLOW_STATUS) | CTS_FLOW_BIT(CTS_FLOW_TIMEOUT) |
		     CTS_FLOW_BIT(CTS_FLOW_TCP_STATE) | CTS_FLOW_BIT(CTS_FLOW_MARK);
	f->orig.family = AF_INET;
	f->orig.proto = IPPROTO_TCP;
	f->orig.src.v4 = htonl(0x0a000001);
	f->orig.dst.v4 = htonl(0x0a000002);
	f->orig.sport = htons((uint16_t)(1000 + i));
	f->orig.dport = htons(80);
	cts_tuple_invert(&f->orig, &f->reply);
	f->status = IPS_CONFIRMED;
	f->timeout = 3600;
	f->tcp_state = state;
	f->mark = mark;
}

/* The node's kernel has the flow so, and its mirror says so. */
static void kernel_event(struct node *n, unsigned int i, uint8_t state, uint32_t mark)
{
	uint8_t packed[CTS_PACK_MAX], joined[CTS_PACK_MAX];
	struct cts_flow f;
	uint32_t above;
	size_t len, n_joined = 0;

	flow_make(&f, i, state, mark);
	kernel_put(n, &f);
	len = cts_flow_pack(&f, CTS_PACK_ATTRS, packed, sizeof(packed));
	if (!cts_engine_find(n->engine, packed, cts_packed_key_len(packed, len)))
		n_joined = cts_takeover_join(n->takeover, packed, len, joined, &above);
	if (n_joined)
		cts_engine_put_above(n->engine, joined, n_joined, above, n->pair->now);
	else
		cts_engine_put(n->engine, packed, len, true, n->pair->now);
}

static void kernel_events(struct node *n, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		kernel_event(n, i, TCP_CONNTRACK_ESTABLISHED, 1);
}

static size_t replicas(struct node *n, const char *owner)
{
	struct cts_cache *cache = cts_engine_external(n->engine, cts_node_id(owner));

	return cache ? cts_cache_count(cache) : 0;
}

static size_t own(struct node *n)
{
	return cts_cache_count(cts_engine_internal(n->engine));
}

static void job_done(void *ctx, const struct cts_takeover_result *res)
{
	struct pair *p = ctx;

	p->done++;
	p->result = *res;
}

/* -- takeovers -- */

static void a_promote_ends_for_a_client_that_left(void **state)
{
	struct pair *p = pair_make(false);

	kernel_events(&p->a, 1500);
	run(p, 500);
	assert_int_equal(replicas(&p->b, "a"), 1500);
	assert_string_equal(cts_takeover_role(p->b.takeover), "unknown");
	assert_int_equal(cts_takeover_promote(p->b.takeover, job_done, p, p->now), 0);
	assert_int_equal(cts_takeover_commit(p->b.takeover, job_done, p, p->now), -1);
	assert_int_equal(errno, EBUSY);
	cts_takeover_forget(p->b.takeover, p);
	run(p, 200);
	assert_int_equal(p->done, 0);
	assert_false(cts_takeover_busy(p->b.takeover));
	assert_string_equal(cts_takeover_role(p->b.takeover), "active");
	assert_int_equal(p->b.count, 1500);
	assert_int_equal(replicas(&p->a, "b"), 1500);
	pair_free(p);
}

static void a_silent_owner_is_used_and_its_age_is_said(void **state)
{
	struct pair *p = pair_make(false);

	kernel_events(&p->a, 10);
	run(p, 500);
	node_die(&p->a);
	run(p, 30000);   /* six times the purge timeout */
	assert_int_equal(cts_takeover_promote(p->b.takeover, job_done, p, p->now), 0);
	run(p, 10);
	assert_int_equal(p->done, 1);
	assert_int_equal(p->b.count, 10);
	assert_int_equal(p->result.by_class[CTS_WRITE_CREATED], 10);
	assert_int_equal(p->result.unconfirmed, 10);
	assert_in_range(p->result.absent_ms, 29000, 31500);
	assert_string_equal(p->result.absent, "a");
	assert_non_null(strstr(p->result.text, "a was last received from"));
	/* the age counts, but no more than is left to a flow at least */
	assert_in_range(p->b.kernel[0].flow.timeout, 3600 - 32, 3600 - 28);
	pair_free(p);
}

static void the_newer_version_wins_and_tcp_does_not_go_back(void **state)
{
	struct pair *p = pair_make(false);

	kernel_event(&p->a, 0, TCP_CONNTRACK_SYN_RECV, 1);
	kernel_event(&p->a, 1, TCP_CONNTRACK_SYN_RECV, 1);
	kernel_event(&p->a, 2, TCP_CONNTRACK_ESTABLISHED, 1);
	run(p, 200);
	cts_takeover_promote(p->b.takeover, NULL, NULL, p->now);
	run(p, 200);
	kernel_event(&p->b, 0, TCP_CONNTRACK_ESTABLISHED, 2);
	kernel_event(&p->b, 1, TCP_CONNTRACK_ESTABLISHED, 3);
	kernel_event(&p->a, 1, TCP_CONNTRACK_CLOSE_WAIT, 1);
	run(p, 200);
	assert_int_equal(p->a.kernel[0].flow.mark, 1);

	cts_takeover_promote(p->a.takeover, job_done, p, p->now);
	run(p, 200);
	assert_int_equal(p->done, 1);
	assert_int_equal(p->result.brought_up, 2);
	assert_int_equal(p->a.kernel[0].flow.mark, 2);
	assert_int_equal(p->a.kernel[0].flow.tcp_state, TCP_CONNTRACK_ESTABLISHED);
	assert_int_equal(p->a.kernel[1].flow.mark, 3);
	assert_int_equal(p->a.kernel[1].flow.tcp_state, TCP_CONNTRACK_CLOSE_WAIT);

	/* a's word is the last one now */
	p->done = 0;
	cts_takeover_promote(p->b.takeover, job_done, p, p->now);
	run(p, 200);
	assert_int_equal(p->done, 1);
	assert_int_equal(p->result.brought_up, 1);
	assert_int_equal(p->b.kernel[1].flow.tcp_state, TCP_CONNTRACK_CLOSE_WAIT);
	pair_free(p);
}

static void a_demote_gives_up_only_what_another_has(void **state)
{
	struct pair *p = pair_make(false);

	kernel_events(&p->a, 20);
	run(p, 300);
	cts_takeover_demote(p->a.takeover, job_done, p, p->now);
	run(p, 5);
	assert_int_equal(p->done, 1);
	assert_int_equal(p->result.kept, 20);
	assert_int_equal(p->a.count, 20);
	assert_string_equal(cts_takeover_role(p->a.takeover), "standby");
	cts_takeover_promote(p->b.takeover, NULL, NULL, p->now);
	run(p, 2000);
	assert_int_equal(p->a.count, 0);
	assert_int_equal(p->b.count, 20);
	assert_int_equal(own(&p->b), 20);
	pair_free(p);
}

static void a_planned_purge_is_cancelled_by_a_promote(void **state)
{
	struct pair *p = pair_make(false);

	kernel_events(&p->a, 5);
	run(p, 100);
	cts_takeover_plan_purge(p->a.takeover, p->now);
	assert_int_equal(cts_takeover_deadline(p->a.takeover), p->now + 5000 * MS);
	cts_takeover_promote(p->a.takeover, NULL, NULL, p->now);
	run(p, 6000);
	assert_int_equal(p->a.count, 5);
	cts_takeover_plan_purge(p->a.takeover, p->now);
	run(p, 4900);
	assert_int_equal(p->a.count, 5);
	run(p, 200);
	assert_int_equal(p->a.count, 0);
	assert_int_equal(cts_takeover_kernel_flushes(p->a.takeover), 1);
	pair_free(p);
}

/* -- injection -- */

static void two_kernels_that_see_one_flow_come_to_rest(void **state)
{
	struct pair *p = pair_make(true);
	unsigned int ops;

	kernel_event(&p->a, 7, TCP_CONNTRACK_SYN_SENT, 4);
	run(p, 100);
	assert_true(p->b.exists[7]);
	assert_int_equal(own(&p->b), 0);

	/* the answer passes b, which learns more than a knows */
	kernel_event(&p->b, 7, TCP_CONNTRACK_SYN_RECV, 0);
	run(p, 100);
	assert_int_equal(p->a.kernel[7].flow.tcp_state, TCP_CONNTRACK_SYN_RECV);
	assert_int_equal(p->a.kernel[7].flow.mark, 4);
	assert_int_equal(p->b.kernel[7].flow.mark, 4);
	kernel_event(&p->a, 7, TCP_CONNTRACK_ESTABLISHED, 4);
	run(p, 100);
	assert_int_equal(p->b.kernel[7].flow.tcp_state, TCP_CONNTRACK_ESTABLISHED);

	ops = p->a.ops + p->b.ops;
	run(p, 5000);
	assert_int_equal(p->a.ops + p->b.ops, ops);
	pair_free(p);
}

static void of_two_marks_the_newer_one_stays(void **state)
{
	struct pair *p = pair_make(true);

	kernel_event(&p->a, 5, TCP_CONNTRACK_ESTABLISHED, 1);
	run(p, 100);
	kernel_event(&p->b, 5, TCP_CONNTRACK_FIN_WAIT, 1);
	run(p, 100);
	/* both change it before they have each other's word: b twice, a four times */
	for (uint32_t mark = 6; mark <= 7; mark++)
		kernel_event(&p->b, 5, TCP_CONNTRACK_FIN_WAIT, mark);
	for (uint32_t mark = 2; mark <= 5; mark++)
		kernel_event(&p->a, 5, TCP_CONNTRACK_FIN_WAIT, mark);
	run(p, 500);
	assert_int_equal(p->a.kernel[5].flow.mark, 5);
	assert_int_equal(p->b.kernel[5].flow.mark, 5);

	/* the other way round: b receives an older word than its own */
	for (uint32_t mark = 10; mark <= 11; mark++)
		kernel_event(&p->a, 5, TCP_CONNTRACK_FIN_WAIT, mark);
	for (uint32_t mark = 12; mark <= 16; mark++)
		kernel_event(&p->b, 5, TCP_CONNTRACK_FIN_WAIT, mark);
	run(p, 500);
	assert_int_equal(p->a.kernel[5].flow.mark, 16);
	assert_int_equal(p->b.kernel[5].flow.mark, 16);
	pair_free(p);
}

static void the_same_flow_is_nobodys_news(void **state)
{
	struct pair *p = pair_make(true);
	uint8_t key[CTS_PACK_KEY_MAX];
	struct cts_flow f;
	size_t len;

	kernel_event(&p->a, 3, TCP_CONNTRACK_ESTABLISHED, 1);
	run(p, 100);
	flow_make(&f, 3, TCP_CONNTRACK_SYN_RECV, 0);   /* an old chunk of a dump */
	f.timeout = 5;
	len = cts_flow_pack_key(&f, key);
	assert_true(cts_takeover_foreign(p->b.takeover, key, len, &f));
	f.tcp_state = TCP_CONNTRACK_FIN_WAIT;
	assert_false(cts_takeover_foreign(p->b.takeover, key, len, &f));
	f.orig.sport = htons(1999);
	len = cts_flow_pack_key(&f, key);
	assert_false(cts_takeover_foreign(p->b.takeover, key, len, &f));
	pair_free(p);
}

static void what_a_full_table_refuses_comes_when_there_is_room(void **state)
{
	struct cts_node_info info[CTS_NODES_MAX + 1];
	struct pair *p = pair_make(true);
	unsigned int ops;

	p->b.max = 300;
	kernel_events(&p->a, 1000);
	run(p, 500);
	assert_int_equal(p->b.count, 300);
	assert_int_equal(cts_takeover_lacking(p->b.takeover), 700);
	run(p, 1000);
	assert_int_equal(cts_engine_nodes(p->a.engine, info, CTS_NODES_MAX + 1, p->now), 2);
	assert_non_null(info[1].holds_mine);
	assert_int_equal(cts_engine_nodes(p->b.engine, info, CTS_NODES_MAX + 1, p->now), 2);
	assert_non_null(info[1].held_here);

	ops = p->b.ops;
	run(p, 5000);
	assert_int_equal(p->b.ops, ops);   /* no room: not even tried */

	p->b.max = 800;
	run(p, 70000);
	assert_int_equal(p->b.count, 800);
	assert_int_equal(cts_takeover_lacking(p->b.takeover), 200);
	p->b.max = KEYS;
	run(p, 130000);
	assert_int_equal(p->b.count, 1000);
	assert_int_equal(cts_takeover_lacking(p->b.takeover), 0);
	assert_int_equal(cts_engine_nodes(p->a.engine, info, CTS_NODES_MAX + 1, p->now), 2);
	assert_null(info[1].holds_mine);
	pair_free(p);
}

static void flows_of_a_node_that_left_are_taken_over(void **state)
{
	struct pair *p = pair_make(true);

	kernel_events(&p->a, 1200);
	run(p, 500);
	assert_int_equal(own(&p->b), 0);
	node_die(&p->a);
	memset(p->a.exists, 0, sizeof(p->a.exists));
	p->a.count = 0;
	run(p, 1500);
	assert_int_equal(own(&p->b), 1200);
	assert_int_equal(p->b.count, 1200);

	p->a.rng = 99;   /* another table, an empty one */
	node_start(&p->a, "a");
	for (unsigned int ms = 0; ms < 10000 && p->a.count < 1200; ms++) {
		struct cts_node_info info[CTS_NODES_MAX + 1];
		size_t n = cts_engine_nodes(p->a.engine, info, CTS_NODES_MAX + 1, p->now);

		assert_false(n > 1 && info[1].in_sync && p->a.count < 1200);
		run(p, 1);
	}
	assert_int_equal(p->a.count, 1200);
	pair_free(p);
}

static void a_node_that_comes_back_with_its_flows_owns_them_alone(void **state)
{
	struct pair *p = pair_make(true);
	uint8_t key[CTS_PACK_KEY_MAX];
	struct cts_flow f;
	size_t len;

	kernel_events(&p->a, 900);
	run(p, 500);
	node_die(&p->a);   /* the daemon, not the kernel */
	run(p, 1500);
	assert_int_equal(own(&p->b), 900);

	p->a.rng = 1;
	node_start(&p->a, "a");
	kernel_events(&p->a, 900);
	run(p, 5000);
	assert_int_equal(replicas(&p->b, "a"), 900);
	assert_int_equal(own(&p->b), 0);
	assert_int_equal(own(&p->a), 900);

	/* what ends there ends here */
	flow_make(&f, 0, TCP_CONNTRACK_ESTABLISHED, 1);
	len = cts_flow_pack_key(&f, key);
	cts_engine_gone(p->a.engine, cts_engine_find(p->a.engine, key, len), p->now);
	run(p, 200);
	assert_false(p->b.exists[0]);
	assert_int_equal(p->b.count, 899);
	pair_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_promote_ends_for_a_client_that_left),
		cmocka_unit_test(a_silent_owner_is_used_and_its_age_is_said),
		cmocka_unit_test(the_newer_version_wins_and_tcp_does_not_go_back),
		cmocka_unit_test(a_demote_gives_up_only_what_another_has),
		cmocka_unit_test(a_planned_purge_is_cancelled_by_a_promote),
		cmocka_unit_test(two_kernels_that_see_one_flow_come_to_rest),
		cmocka_unit_test(of_two_marks_the_newer_one_stays),
		cmocka_unit_test(the_same_flow_is_nobodys_news),
		cmocka_unit_test(what_a_full_table_refuses_comes_when_there_is_room),
		cmocka_unit_test(flows_of_a_node_that_left_are_taken_over),
		cmocka_unit_test(a_node_that_comes_back_with_its_flows_owns_them_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
