/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two engines, joined by a queue of messages: the plain course of things. */
#include "config.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/sync/engine.h"
#include "core/sync/wire.h"

#define MS UINT64_C(1000000)

struct wire_msg {
	size_t len;
	uint8_t data[1500];
};

struct side {
	struct cts_engine *engine;
	struct wire_msg *queue;      /* towards the other side */
	size_t n, max;
	uint64_t seed;
	unsigned int applied, gone;
	bool blocked;
	unsigned int drop_every;     /* lose each n-th message; 0: none */
	unsigned int sent;
	uint8_t lowest;              /* version that HELLOs are made to tell; 0: as they are */
	unsigned int joined, refused;
	unsigned int stalls;
};

/* As a later release would send it: versions at 24 of the body, then the checksum. */
static void tell_versions(struct wire_msg *m, uint8_t lowest)
{
	uint8_t *crc = m->data + 32;
	uint32_t sum;

	if (!lowest || m->data[3] != CTS_MSG_HELLO)
		return;
	m->data[CTS_WIRE_HEADER + 24] = (uint8_t)(lowest + 1);
	m->data[CTS_WIRE_HEADER + 25] = lowest;
	memset(crc, 0, 4);
	sum = htonl(cts_crc32c(0, m->data, m->len));
	memcpy(crc, &sum, sizeof(sum));
}

static int side_send(void *ctx, const struct iovec *msg, unsigned int n, uint32_t to)
{
	struct side *s = ctx;
	unsigned int i;

	(void)to;
	if (s->blocked) {
		errno = EAGAIN;
		return -1;
	}
	for (i = 0; i < n; i++) {
		if (s->drop_every && ++s->sent % s->drop_every == 0)
			continue;
		if (s->n == s->max) {
			s->max = s->max ? s->max * 2 : 64;
			s->queue = realloc(s->queue, s->max * sizeof(*s->queue));
			assert_non_null(s->queue);
		}
		assert_true(msg[i].iov_len <= sizeof(s->queue[0].data));
		s->queue[s->n].len = msg[i].iov_len;
		memcpy(s->queue[s->n].data, msg[i].iov_base, msg[i].iov_len);
		tell_versions(&s->queue[s->n++], s->lowest);
	}
	return (int)n;
}

static size_t side_max_message(void *ctx)
{
	(void)ctx;
	return 1472;
}

static void side_random(void *ctx, void *buf, size_t len)
{
	struct side *s = ctx;
	uint8_t *p = buf;

	while (len--) {
		s->seed = s->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		*p++ = (uint8_t)(s->seed >> 33);
	}
}

static void side_heard(void *ctx, unsigned int link, uint32_t peer, uint32_t node)
{
	(void)ctx;
	(void)link;
	(void)peer;
	(void)node;
}

static void side_applied(void *ctx, uint32_t node, const struct cts_applied *list, size_t n)
{
	struct side *s = ctx;

	(void)node;
	while (n--)
		(*(list[n].gone ? &s->gone : &s->applied))++;
}

static void side_peer_state(void *ctx, uint32_t node, enum cts_peer_state state, const char *why)
{
	struct side *s = ctx;

	s->joined += state == CTS_PEER_JOINING;
	s->refused += strstr(why, "version") != NULL;
}

static void side_stalled(void *ctx)
{
	struct side *s = ctx;

	s->stalls++;
}

static const struct cts_engine_ops ops = {
	.send = side_send, .max_message = side_max_message, .random = side_random,
	.heard = side_heard, .applied = side_applied, .peer_state = side_peer_state,
	.stalled = side_stalled,
};

static uint64_t now, seeds;

static void side_start(struct side *s, const char *name, uint64_t table)
{
	const struct cts_engine_conf conf = {
		.cluster = "test", .node_name = name, .table_id = table, .cache_limit = 300000,
		.dead_after_ms = 2000, .purge_timeout_s = 60,
	};

	s->seed = ++seeds;  /* every start has an epoch of its own */
	s->engine = cts_engine_create(&conf, &ops, s, now);
	assert_non_null(s->engine);
	cts_engine_table_ready(s->engine, now);
}

static void side_stop(struct side *s)
{
	cts_engine_destroy(s->engine);
	free(s->queue);
	memset(s, 0, sizeof(*s));
}

static void deliver(struct side *from, struct side *to)
{
	struct wire_msg *queue = from->queue;
	size_t i, n = from->n;

	from->queue = NULL;
	from->n = from->max = 0;
	for (i = 0; i < n; i++) {
		struct iovec msg = { queue[i].data, queue[i].len };

		cts_engine_receive(to->engine, 0, 1, &msg, 1, now);
	}
	free(queue);
}

static void run_ms(struct side *a, struct side *b, unsigned int ms)
{
	for (; ms; ms--) {
		now += MS;
		cts_engine_run(a->engine, now);
		cts_engine_run(b->engine, now);
		deliver(a, b);
		deliver(b, a);
	}
}

static size_t flow_packed(uint8_t buf[CTS_PACK_MAX], uint32_t i, uint32_t mark)
{
	struct cts_flow f = { 0 };
	size_t len;

	f.present = CTS_FLOW_BIT(CTS_FLOW_ORIG) | CTS_FLOW_BIT(CTS_FLOW_REPLY) |
		    CTS_FLOW_BIT(CTS_FLOW_STATUS) | CTS_FLOW_BIT(CTS_FLOW_TIMEOUT) |
		    CTS_FLOW_BIT(CTS_FLOW_MARK) | CTS_FLOW_BIT(CTS_FLOW_TCP_STATE);
	f.orig.family = AF_INET;
	f.orig.proto = IPPROTO_TCP;
	f.orig.src.v4 = htonl(0x0a000000 + i);
	f.orig.dst.v4 = htonl(0xc0a80001);
	f.orig.sport = htons((uint16_t)(1024 + i % 60000));
	f.orig.dport = htons(80);
	cts_tuple_invert(&f.orig, &f.reply);
	f.status = 0x18e;
	f.timeout = 432000;
	f.mark = mark;
	f.tcp_state = 3;
	len = cts_flow_pack(&f, CTS_PACK_ATTRS, buf, CTS_PACK_MAX);
	assert_true(len > 0);
	return len;
}

static void put_flows(struct side *s, uint32_t from, uint32_t to, uint32_t mark)
{
	uint8_t buf[CTS_PACK_MAX];

	for (; from < to; from++) {
		size_t len = flow_packed(buf, from, mark);

		assert_int_not_equal(cts_engine_put(s->engine, buf, len, true, now), 0);
	}
}

static void remove_flows(struct side *s, uint32_t from, uint32_t to)
{
	uint8_t buf[CTS_PACK_MAX];

	for (; from < to; from++) {
		size_t len = flow_packed(buf, from, 0);
		uint32_t ref = cts_engine_find(s->engine, buf, cts_packed_key_len(buf, len));

		assert_int_not_equal(ref, 0);
		cts_engine_gone(s->engine, ref, now);
	}
}

/* b's replica of a holds exactly a's live entries, byte for byte. */
static void assert_replica(struct side *a, const char *name, struct side *b)
{
	struct cts_cache *have = cts_engine_external(b->engine, cts_node_id(name));
	struct cts_cache *own = cts_engine_internal(a->engine);
	uint32_t ref = 0, live = 0;

	assert_non_null(have);
	while ((ref = cts_cache_next(own, ref))) {
		size_t len, have_len;
		const uint8_t *packed = cts_cache_data(own, ref, &len), *other;
		uint32_t found;

		if (!cts_engine_find(a->engine, packed, cts_packed_key_len(packed, len)))
			continue;
		live++;
		found = cts_cache_find(have, packed, cts_packed_key_len(packed, len));
		assert_int_not_equal(found, 0);
		other = cts_cache_data(have, found, &have_len);
		assert_int_equal(have_len, len);
		assert_memory_equal(other, packed, len);
	}
	assert_int_equal(cts_cache_count(have), live);
}

static bool synced(struct side *s, const char *peer)
{
	struct cts_node_info info[CTS_NODES_MAX];
	size_t i, n = cts_engine_nodes(s->engine, info, CTS_NODES_MAX, now);

	for (i = 0; i < n; i++)
		if (info[i].id == cts_node_id(peer))
			return info[i].in_sync;
	return false;
}

static void two_nodes_join_and_replicate(void **state)
{
	struct side a = { 0 }, b = { 0 };

	(void)state;
	side_start(&a, "a", 11);
	side_start(&b, "b", 22);
	run_ms(&a, &b, 1500);
	assert_true(synced(&a, "b"));
	assert_true(synced(&b, "a"));
	put_flows(&a, 0, 1000, 0);
	run_ms(&a, &b, 50);
	assert_replica(&a, "a", &b);
	remove_flows(&a, 0, 500);
	put_flows(&a, 500, 1000, 7);
	run_ms(&a, &b, 50);
	assert_replica(&a, "a", &b);
	assert_int_equal(cts_cache_count(cts_engine_external(b.engine, cts_node_id("a"))), 500);
	side_stop(&a);
	side_stop(&b);
}

static void a_late_comer_gets_everything(void **state)
{
	struct side a = { 0 }, b = { 0 };

	(void)state;
	side_start(&a, "a", 11);
	put_flows(&a, 0, 200000, 0);
	cts_engine_run(a.engine, now);
	side_start(&b, "b", 22);
	run_ms(&a, &b, 6000);
	assert_replica(&a, "a", &b);
	assert_true(synced(&a, "b"));
	side_stop(&a);
	side_stop(&b);
}

static void losses_are_repaired(void **state)
{
	struct cts_engine_stats st;
	struct side a = { 0 }, b = { 0 };
	uint32_t i;

	(void)state;
	side_start(&a, "a", 11);
	side_start(&b, "b", 22);
	run_ms(&a, &b, 1500);
	a.drop_every = 5;
	b.drop_every = 7;
	for (i = 0; i < 100; i++) {
		put_flows(&a, i * 500, (i + 1) * 500, 0);
		if (i > 10)
			remove_flows(&a, (i - 10) * 500, (i - 10) * 500 + 200);
		run_ms(&a, &b, 5);
	}
	a.drop_every = b.drop_every = 0;
	run_ms(&a, &b, 3000);
	cts_engine_get_stats(b.engine, &st);
	assert_true(st.gaps_opened > 0);
	cts_engine_get_stats(a.engine, &st);
	assert_true(st.repaired > 0);
	assert_replica(&a, "a", &b);
	assert_true(synced(&a, "b"));
	assert_int_equal(st.dead_entries == 0 || st.ring_len > 0, 1);
	side_stop(&a);
	side_stop(&b);
}

static void back_pressure_collapses_updates(void **state)
{
	struct cts_engine_stats st;
	struct side a = { 0 }, b = { 0 };
	uint32_t i;

	(void)state;
	side_start(&a, "a", 11);
	side_start(&b, "b", 22);
	run_ms(&a, &b, 1500);
	a.blocked = true;
	for (i = 1; i <= 50; i++) {
		put_flows(&a, 0, 5000, i);
		cts_engine_run(a.engine, now);
	}
	a.blocked = false;
	cts_engine_writable(a.engine, now);
	run_ms(&a, &b, 500);
	cts_engine_get_stats(a.engine, &st);
	assert_true(st.sent_state < 3 * 5000);
	assert_replica(&a, "a", &b);
	side_stop(&a);
	side_stop(&b);
}

static void a_restart_sweeps_what_is_gone(void **state)
{
	struct side a = { 0 }, b = { 0 };

	(void)state;
	side_start(&a, "a", 11);
	side_start(&b, "b", 22);
	put_flows(&a, 0, 3000, 0);
	run_ms(&a, &b, 1500);
	assert_replica(&a, "a", &b);
	side_stop(&a);  /* killed; the table lives on, less 1000 entries */
	side_start(&a, "a", 11);
	put_flows(&a, 1000, 3000, 0);
	run_ms(&a, &b, 6000);
	assert_replica(&a, "a", &b);
	assert_true(synced(&b, "a"));
	side_stop(&a);
	side_stop(&b);
}

static void a_reboot_leaves_the_only_copy_alone(void **state)
{
	struct side a = { 0 }, b = { 0 };
	struct cts_cache *have;

	(void)state;
	side_start(&a, "a", 11);
	side_start(&b, "b", 22);
	put_flows(&a, 0, 3000, 0);
	run_ms(&a, &b, 1500);
	side_stop(&a);
	side_start(&a, "a", 12);  /* another table: it lost everything */
	run_ms(&a, &b, 3000);
	have = cts_engine_external(b.engine, cts_node_id("a"));
	assert_int_equal(cts_cache_count(have), 3000);
	run_ms(&a, &b, 61000);    /* purge_timeout */
	assert_int_equal(cts_cache_count(have), 0);
	side_stop(&a);
	side_stop(&b);
}

static void a_node_of_another_version_does_not_join(void **state)
{
	struct side a = { 0 }, b = { .lowest = CTS_WIRE_VERSION + 1 };
	struct cts_engine_stats st;

	(void)state;
	side_start(&a, "a", 1);
	side_start(&b, "b", 2);
	b.lowest = CTS_WIRE_VERSION + 1;
	run_ms(&a, &b, 2000);
	cts_engine_get_stats(a.engine, &st);
	assert_int_equal(a.joined, 0);
	assert_int_equal(a.refused, 1);  /* told once */
	assert_true(st.bad_version > 1);
	b.lowest = CTS_WIRE_VERSION_MIN;  /* up to one that a does not know */
	run_ms(&a, &b, 2000);
	assert_true(a.joined);
	side_stop(&a);
	side_stop(&b);
}

static bool is_hello(const struct wire_msg *m)
{
	return m->data[3] == CTS_MSG_HELLO;
}

/* What is queued for the other side, less all but its HELLOs: a standby link. */
static void lose_all_but_hello(struct side *s)
{
	size_t i, n = 0;

	for (i = 0; i < s->n; i++)
		if (is_hello(&s->queue[i]))
			s->queue[n++] = s->queue[i];
	s->n = n;
}

/* One way gets nothing but HELLOs for a while, the other is whole. */
static void run_one_way(struct side *narrow, struct side *whole, unsigned int ms)
{
	for (; ms; ms--) {
		now += MS;
		cts_engine_run(narrow->engine, now);
		cts_engine_run(whole->engine, now);
		lose_all_but_hello(narrow);
		deliver(narrow, whole);
		deliver(whole, narrow);
	}
}

/* a's messages do not arrive and b says so: a is told. When b's answers are what gets
 * lost, or nothing is, it is not. */
static void one_way_loss_is_told(void **state)
{
	struct side a = { 0 }, b = { 0 };

	(void)state;
	side_start(&a, "a", 1);
	side_start(&b, "b", 2);
	run_ms(&a, &b, 1000);
	put_flows(&a, 0, 100, 1);
	run_ms(&a, &b, 2000);
	assert_int_equal(a.stalls, 0);
	put_flows(&a, 0, 100, 2);
	run_one_way(&b, &a, 1200);
	assert_int_equal(a.stalls, 0);
	run_ms(&a, &b, 1000);
	put_flows(&a, 0, 100, 3);
	run_one_way(&a, &b, 1200);
	assert_in_range(a.stalls, 1, 3);
	side_stop(&a);
	side_stop(&b);
}

/* c hears a and b; what c says reaches both. */
static void run_three(struct side *a, struct side *b, struct side *c, unsigned int ms)
{
	for (; ms; ms--) {
		size_t i;

		now += MS;
		cts_engine_run(a->engine, now);
		cts_engine_run(b->engine, now);
		cts_engine_run(c->engine, now);
		deliver(a, c);
		deliver(b, c);
		for (i = 0; i < c->n; i++) {
			struct iovec msg = { c->queue[i].data, c->queue[i].len };

			cts_engine_receive(a->engine, 0, 1, &msg, 1, now);
		}
		deliver(c, b);
	}
}

static bool newest_of(struct side *s, const char *owner, uint32_t flow)
{
	uint8_t buf[CTS_PACK_MAX];
	size_t len = flow_packed(buf, flow, 0);
	uint32_t ref = cts_cache_find(cts_engine_external(s->engine, cts_node_id(owner)), buf,
				      cts_packed_key_len(buf, len));

	assert_int_not_equal(ref, 0);
	return cts_engine_newest(s->engine, cts_node_id(owner), ref);
}

static void of_two_owners_the_last_word_counts(void **state)
{
	struct side a = { 0 }, b = { 0 }, c = { 0 };

	(void)state;
	side_start(&a, "a", 1);
	side_start(&b, "b", 2);
	side_start(&c, "c", 3);
	run_three(&a, &b, &c, 1000);
	put_flows(&a, 0, 2, 1);
	run_three(&a, &b, &c, 1000);
	put_flows(&b, 0, 1, 2);         /* flow 0 moved from a to b */
	run_three(&a, &b, &c, 1000);
	assert_false(newest_of(&c, "a", 0));
	assert_true(newest_of(&c, "b", 0));
	assert_true(newest_of(&c, "a", 1));
	put_flows(&a, 0, 1, 3);         /* and back */
	run_three(&a, &b, &c, 1000);
	assert_true(newest_of(&c, "a", 0));
	assert_false(newest_of(&c, "b", 0));
	put_flows(&a, 5, 6, 1);         /* at the same time: one of both */
	put_flows(&b, 5, 6, 1);
	run_three(&a, &b, &c, 20);
	assert_int_equal(newest_of(&c, "a", 5) + newest_of(&c, "b", 5), 1);
	side_stop(&a);
	side_stop(&b);
	side_stop(&c);
}

/* a speaks to b and c; c may stand still. */
static void run_one_to_two(struct side *a, struct side *b, struct side *c, bool still)
{
	struct side copy = *a;

	now += MS;
	cts_engine_run(a->engine, now);
	cts_engine_run(b->engine, now);
	if (!still)
		cts_engine_run(c->engine, now);
	copy.n = copy.max = a->n;
	copy.queue = malloc((a->n + 1) * sizeof(*a->queue));
	assert_non_null(copy.queue);
	if (a->n)
		memcpy(copy.queue, a->queue, a->n * sizeof(*a->queue));
	if (still)
		free(copy.queue);
	else
		deliver(&copy, c);
	deliver(a, b);
	deliver(b, a);
	deliver(c, a);
}

static void who_stands_still_holds_nobody_up(void **state)
{
	unsigned int waits = 0, most = 0, before;
	struct side a = { 0 }, b = { 0 }, c = { 0 };
	uint32_t i;

	side_start(&a, "a", 1);
	side_start(&b, "b", 2);
	side_start(&c, "c", 3);
	for (i = 0; i < 1000; i++)
		run_one_to_two(&a, &b, &c, false);
	assert_true(synced(&a, "b") && synced(&a, "c"));
	/* A change and so a message each 0.5 ms: the ring is full after 0.5 s. */
	for (i = 0; i < 3000; i++) {
		before = b.applied;
		put_flows(&a, 2 * i, 2 * i + 1, 1);
		cts_engine_run(a.engine, now);
		put_flows(&a, 2 * i + 1, 2 * i + 2, 1);
		run_one_to_two(&a, &b, &c, true);
		waits = b.applied == before ? waits + 1 : 0;
		most = waits > most ? waits : most;
	}
	assert_true(most < 50);
	for (i = 0; i < 3000; i++)
		run_one_to_two(&a, &b, &c, false);
	assert_replica(&a, "a", &b);
	assert_replica(&a, "a", &c);
	assert_true(synced(&a, "c"));
	side_stop(&a);
	side_stop(&b);
	side_stop(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_nodes_join_and_replicate),
		cmocka_unit_test(a_late_comer_gets_everything),
		cmocka_unit_test(losses_are_repaired),
		cmocka_unit_test(back_pressure_collapses_updates),
		cmocka_unit_test(a_restart_sweeps_what_is_gone),
		cmocka_unit_test(a_reboot_leaves_the_only_copy_alone),
		cmocka_unit_test(a_node_of_another_version_does_not_join),
		cmocka_unit_test(of_two_owners_the_last_word_counts),
		cmocka_unit_test(one_way_loss_is_told),
		cmocka_unit_test(who_stands_still_holds_nobody_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
