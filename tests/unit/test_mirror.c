/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Invariant I0: when kernel events stop, the internal cache is the kernel's table as
 * far as filters let it. A model kernel changes at random; its events come late, in
 * order, and some are lost; dumps are read in chunks that may be older than events
 * which were read before them. A failure names its seed.
 */
#include "config.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/netfilter/nf_conntrack_common.h>

#include "core/node/mirror.h"

#define KEYS 48u
#define CHUNK 6u
#define SEEDS 300u
#define STEPS 600u
#define EVENTS_MAX 4096u
#define MARK_REFUSED 90u       /* marks from here on do not pass the filter */

struct report {
	uint8_t type, origin, key;
	bool partial, of_state;          /* a part: the mark, or the TCP state */
	uint32_t mark;
	uint8_t state;
};

struct model {
	uint64_t rng;
	bool there[KEYS];
	uint32_t mark[KEYS];
	uint8_t state[KEYS];
	struct report queue[EVENTS_MAX];   /* what the kernel sent and nobody has read */
	size_t first, last;
	struct report chunk[CHUNK];        /* of a dump: read from the kernel, not looked at */
	size_t n_chunk;
	unsigned int cursor;             /* of the dump in progress */
	bool dumping, lost;
	size_t lost_at;                  /* what was sent before is to be read first */
	uint8_t asked[EVENTS_MAX];
	size_t n_asked;
	struct cts_engine *engine;
	struct cts_mirror *mirror;
	uint64_t now;
};

static uint32_t roll(struct model *m, uint32_t n)
{
	m->rng = m->rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(m->rng >> 33) % n;
}

/* -- the engine's surroundings: nobody is there -- */

static int no_send(void *ctx, const struct iovec *msg, unsigned int n, uint32_t to)
{
	return (int)n;
}

static size_t message_size(void *ctx)
{
	return 1400;
}

static void some_bytes(void *ctx, void *buf, size_t len)
{
	memset(buf, 0x5a, len);
}

static void received(void *ctx, unsigned int link, uint32_t peer, uint32_t node)
{
}

/* -- flows of the model -- */

static void flow_of(struct cts_flow *f, const struct report *t)
{
	memset(f, 0, sizeof(*f));
	f->orig.family = AF_INET;
	f->orig.proto = IPPROTO_TCP;
	f->orig.src.v4 = htonl(0x0a000001u + t->key);
	f->orig.dst.v4 = htonl(0xc0a80001u);
	f->orig.sport = htons((uint16_t)(1000 + t->key));
	f->orig.dport = htons(80);
	cts_tuple_invert(&f->orig, &f->reply);
	f->present = CTS_FLOW_BIT(CTS_FLOW_ORIG) | CTS_FLOW_BIT(CTS_FLOW_REPLY) |
		     CTS_FLOW_BIT(CTS_FLOW_MARK);
	f->mark = t->mark;
	f->tcp_state = t->state;
	if (t->partial && t->of_state)
		f->present ^= CTS_FLOW_BIT(CTS_FLOW_MARK) | CTS_FLOW_BIT(CTS_FLOW_TCP_STATE);
	if (t->partial)
		return;
	f->present |= CTS_FLOW_BIT(CTS_FLOW_STATUS) | CTS_FLOW_BIT(CTS_FLOW_TIMEOUT) |
		      CTS_FLOW_BIT(CTS_FLOW_TCP_STATE);
	f->status = IPS_CONFIRMED | IPS_SEEN_REPLY;
	f->timeout = 432000;
}

static void hand_on(struct model *m, const struct report *list, size_t n)
{
	struct cts_flow flow[CHUNK];
	struct cts_event event[CHUNK];
	const struct cts_event *ev[CHUNK];
	uint64_t drop = 0;
	struct cts_batch batch = { .size = sizeof(batch), .n = n, .ev = ev, .drop = &drop };

	for (size_t i = 0; i < n; i++) {
		flow_of(&flow[i], &list[i]);
		event[i] = (struct cts_event){ .type = list[i].type, .origin = list[i].origin,
					       .flow = &flow[i] };
		ev[i] = &event[i];
		if (list[i].mark >= MARK_REFUSED)
			cts_batch_drop(&batch, i);
	}
	cts_follow_consume(cts_mirror_follow(m->mirror), &batch, ++m->now);
}

/* -- the kernel -- */

static void report(struct model *m, uint8_t type, uint8_t key, bool partial, bool of_state)
{
	if (!roll(m, 12)) {
		m->lost = true;
		m->lost_at = m->last;
		return;
	}
	assert_true(m->last < EVENTS_MAX);
	m->queue[m->last++] = (struct report){ .type = type, .origin = CTS_ORIGIN_KERNEL, .key = key,
					     .partial = partial, .of_state = of_state,
					     .mark = m->mark[key], .state = m->state[key] };
}

static void kernel_step(struct model *m)
{
	uint8_t key = (uint8_t)roll(m, KEYS);

	if (!m->there[key]) {
		m->there[key] = true;
		m->mark[key] = roll(m, 100);
		m->state[key] = (uint8_t)(1 + roll(m, 8));
		report(m, CTS_EVENT_NEW, key, false, false);
	} else if (roll(m, 2)) {
		bool of_state = roll(m, 2);

		if (of_state)
			m->state[key] = (uint8_t)(1 + roll(m, 8));
		else
			m->mark[key] = roll(m, 100);
		report(m, CTS_EVENT_UPDATE, key, true, of_state);
	} else {
		m->there[key] = false;
		report(m, CTS_EVENT_DESTROY, key, true, false);
	}
}

static void read_events(struct model *m)
{
	size_t n = m->last - m->first;

	n = n < CHUNK ? n : CHUNK;
	if (!n)
		return;
	n = 1 + roll(m, (uint32_t)n);
	hand_on(m, &m->queue[m->first], n);
	m->first += n;
}

/* The kernel fills the next chunk when the former one is fetched: what is handed on
 * may be older than events that were read since. */
static void dump_fill(struct model *m)
{
	for (m->n_chunk = 0; m->cursor < KEYS && m->n_chunk < CHUNK; m->cursor++)
		if (m->there[m->cursor])
			m->chunk[m->n_chunk++] = (struct report){
				.type = CTS_EVENT_NEW, .origin = CTS_ORIGIN_DUMP,
				.key = (uint8_t)m->cursor, .mark = m->mark[m->cursor],
				.state = m->state[m->cursor] };
}

static void dump_step(struct model *m)
{
	if (!m->dumping) {
		if (!m->lost || m->first < m->lost_at || cts_follow_busy(cts_mirror_follow(m->mirror)))
			return;
		m->lost = false;
		m->dumping = true;
		m->cursor = 0;
		cts_follow_dump_begin(cts_mirror_follow(m->mirror));
		dump_fill(m);
		return;
	}
	if (m->n_chunk)
		hand_on(m, m->chunk, m->n_chunk);
	if (m->cursor < KEYS) {
		dump_fill(m);
		return;
	}
	m->n_chunk = 0;
	m->dumping = false;
	cts_follow_dump_end(cts_mirror_follow(m->mirror));
}

static void ask(void *ctx, const struct cts_flow *key)
{
	struct model *m = ctx;

	assert_true(m->n_asked < EVENTS_MAX);
	m->asked[m->n_asked++] = (uint8_t)(ntohl(key->orig.src.v4) - 0x0a000001u);
}

static void answer(struct model *m)
{
	struct report t = { .type = CTS_EVENT_UPDATE, .origin = CTS_ORIGIN_DUMP };
	struct cts_flow flow;

	if (!m->n_asked)
		return;
	t.key = m->asked[0];
	memmove(m->asked, m->asked + 1, --m->n_asked);
	t.mark = m->mark[t.key];
	t.state = m->state[t.key];
	if (m->there[t.key]) {
		hand_on(m, &t, 1);
		return;
	}
	flow_of(&flow, &t);
	cts_follow_absent(cts_mirror_follow(m->mirror), &flow, ++m->now);
}

/* -- the invariant -- */

static bool mirrored(struct model *m, uint8_t key)
{
	struct report t = { .key = key, .mark = m->mark[key], .state = m->state[key] };
	uint8_t packed[CTS_PACK_KEY_MAX];
	struct cts_flow_store have;
	struct cts_flow flow;
	const uint8_t *data;
	uint32_t ref;
	size_t len;

	flow_of(&flow, &t);
	len = cts_flow_pack_key(&flow, packed);
	ref = cts_engine_find(m->engine, packed, len);
	if (!m->there[key] || m->mark[key] >= MARK_REFUSED)
		return !ref;
	if (!ref)
		return false;
	data = cts_cache_data(cts_engine_internal(m->engine), ref, &len);
	return cts_flow_unpack(data, len, &have, NULL) == 0 && have.flow.mark == m->mark[key] &&
	       have.flow.tcp_state == m->state[key] && have.flow.timeout == 432000;
}

static bool at_rest(const struct model *m)
{
	return m->first == m->last && !m->dumping && !m->lost && !m->n_asked &&
	       !cts_follow_busy(cts_mirror_follow(m->mirror));
}

static void settle(struct model *m)
{
	for (unsigned int i = 0; i < 10000 && !at_rest(m); i++) {
		read_events(m);
		dump_step(m);
		cts_follow_verify(cts_mirror_follow(m->mirror), 4);
		answer(m);
	}
	assert_true(at_rest(m));
}

static void play(struct model *m)
{
	for (unsigned int i = 0; i < STEPS; i++) {
		switch (roll(m, 8)) {
		case 0: case 1: case 2: kernel_step(m); break;
		case 3: case 4: read_events(m); break;
		case 5: dump_step(m); break;
		case 6: cts_follow_verify(cts_mirror_follow(m->mirror), 1 + roll(m, 8)); break;
		default: answer(m); break;
		}
	}
}

static void model_open(struct model *m, unsigned int seed)
{
	static const struct cts_engine_ops ops = { .send = no_send, .max_message = message_size,
						   .random = some_bytes, .received = received };
	static const struct cts_engine_conf conf = { .cluster = "c", .node_name = "n",
						     .table_id = 1, .cache_limit = 1000 };
	static const struct cts_follow_ops mirror_ops = { .get = ask };

	memset(m, 0, sizeof(*m));
	m->rng = seed;
	m->engine = cts_engine_create(&conf, &ops, m, ++m->now);
	m->mirror = cts_mirror_create(m->engine, &mirror_ops, m);
	assert_non_null(m->mirror);
}

static void model_close(struct model *m)
{
	cts_mirror_destroy(m->mirror);
	cts_engine_destroy(m->engine);
}

static void when_events_stop_the_cache_is_the_table(void **state)
{
	struct model *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	for (unsigned int seed = 1; seed <= SEEDS; seed++) {
		model_open(m, seed);
		for (unsigned int round = 0; round < 3; round++) {
			m->first = m->last = 0;
			play(m);
			settle(m);
			for (uint8_t key = 0; key < KEYS; key++)
				if (!mirrored(m, key))
					fail_msg("seed %u, round %u, key %u: %s in the kernel, mark %u",
						 seed, round, key, m->there[key] ? "is" : "is not",
						 m->mark[key]);
			cts_engine_run(m->engine, ++m->now);
		}
		model_close(m);
	}
	free(m);
}

/* -- one entry by itself -- */

static void hand_on_flow(struct model *m, uint8_t type, uint8_t origin, const struct cts_flow *flow)
{
	const struct cts_event event = { .type = type, .origin = origin, .flow = flow };
	const struct cts_event *ev = &event;
	uint64_t drop = 0;
	const struct cts_batch batch = { .size = sizeof(batch), .n = 1, .ev = &ev, .drop = &drop };

	cts_follow_consume(cts_mirror_follow(m->mirror), &batch, ++m->now);
}

static struct cts_flow cached(struct model *m, const struct cts_flow *flow)
{
	uint8_t key[CTS_PACK_KEY_MAX];
	struct cts_flow_store have;
	const uint8_t *data;
	uint32_t ref;
	size_t len;

	ref = cts_engine_find(m->engine, key, cts_flow_pack_key(flow, key));
	assert_int_not_equal(ref, 0);
	data = cts_cache_data(cts_engine_internal(m->engine), ref, &len);
	assert_int_equal(cts_flow_unpack(data, len, &have, NULL), 0);
	return have.flow;
}

/* Bits of this kernel alone stay here, and an entry that was offloaded, which is dumped
 * without its state and timeout, keeps those that it had. */
static void local_status_stays_here_and_offloaded_entries_keep_their_state(void **state)
{
	const struct report t = { .key = 1, .mark = 5, .state = 3 };
	struct model *m = calloc(1, sizeof(*m));
	struct cts_flow flow, have;

	assert_non_null(m);
	model_open(m, 1);
	flow_of(&flow, &t);
	flow.status |= IPS_HELPER | IPS_ASSURED;
	hand_on_flow(m, CTS_EVENT_NEW, CTS_ORIGIN_KERNEL, &flow);
	assert_int_equal(cached(m, &flow).status, IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED);
	cts_follow_dump_begin(cts_mirror_follow(m->mirror));
	flow.status |= IPS_OFFLOAD;
	flow.mark = 6;
	flow.present &= ~(CTS_FLOW_BIT(CTS_FLOW_TCP_STATE) | CTS_FLOW_BIT(CTS_FLOW_TIMEOUT));
	hand_on_flow(m, CTS_EVENT_NEW, CTS_ORIGIN_DUMP, &flow);
	have = cached(m, &flow);
	assert_int_equal(have.mark, 6);
	assert_int_equal(have.tcp_state, 3);
	assert_int_equal(have.timeout, 432000);
	assert_int_equal(have.status, IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED);
	model_close(m);
	free(m);
}

/* Timeouts run down by themselves everywhere; what counts is that one was set again. */
static void a_timeout_counts_when_it_grew_or_fell_below_a_half(void **state)
{
	static const struct { uint32_t dumped, cached; } steps[] = {
		{ 60, 100 }, { 122, 100 }, { 123, 123 }, { 62, 123 }, { 61, 123 }, { 60, 60 },
	};
	const struct report t = { .key = 1, .mark = 5, .state = 3 };
	struct model *m = calloc(1, sizeof(*m));
	struct cts_flow flow;

	assert_non_null(m);
	model_open(m, 1);
	flow_of(&flow, &t);
	flow.timeout = 100;
	hand_on_flow(m, CTS_EVENT_NEW, CTS_ORIGIN_KERNEL, &flow);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		flow.timeout = steps[i].dumped;
		cts_follow_dump_begin(cts_mirror_follow(m->mirror));
		hand_on_flow(m, CTS_EVENT_NEW, CTS_ORIGIN_DUMP, &flow);
		assert_int_equal(cached(m, &flow).timeout, steps[i].cached);
	}
	model_close(m);
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(when_events_stop_the_cache_is_the_table),
		cmocka_unit_test(a_timeout_counts_when_it_grew_or_fell_below_a_half),
		cmocka_unit_test(local_status_stays_here_and_offloaded_entries_keep_their_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
