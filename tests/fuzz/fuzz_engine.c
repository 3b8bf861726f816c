/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages from the network: as they come, and once more with a right header and
 * checksum, so that every parser behind them is reached. What this node owns must
 * stay as it is, and what it holds must stay within its limits.
 */
#include "config.h"

#include "core/sync/engine_int.h"
#include "tests/fuzz/fuzz.h"

#define FLOWS 50u
#define POOL_MAX 256u
#define FRESH_AFTER 5000u       /* inputs that one pair of engines takes */

struct message {
	size_t len;
	uint8_t data[1500];
};

struct end_point {
	struct cts_engine *engine;
	struct message out[POOL_MAX];
	unsigned int n_out;
	uint64_t rng;
};

static struct {
	struct end_point a, b;
	struct message pool[POOL_MAX];  /* real messages of b */
	unsigned int n_pool, inputs;
	uint64_t now;
} f;

static int fuzz_send(void *ctx, const struct iovec *msg, unsigned int n, uint32_t to)
{
	struct end_point *p = ctx;
	unsigned int i;

	(void)to;
	for (i = 0; i < n && p->n_out < POOL_MAX; i++) {
		struct message *m = &p->out[p->n_out++];

		fuzz_check(msg[i].iov_len <= sizeof(m->data));
		m->len = msg[i].iov_len;
		memcpy(m->data, msg[i].iov_base, m->len);
	}
	return (int)n;
}

static size_t fuzz_max_message(void *ctx)
{
	(void)ctx;
	return 1472;
}

static void fuzz_random(void *ctx, void *buf, size_t len)
{
	struct end_point *p = ctx;
	uint8_t *out = buf;

	while (len--) {
		p->rng = p->rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		*out++ = (uint8_t)(p->rng >> 33);
	}
}

static void fuzz_heard(void *ctx, unsigned int link, uint32_t peer, uint32_t node)
{
	(void)ctx;
	(void)link;
	(void)peer;
	(void)node;
}

static void put_flows(struct end_point *p, uint64_t seed)
{
	uint8_t packed[CTS_PACK_MAX];
	struct cts_flow_store s;
	struct rng r = { seed };
	unsigned int i;

	for (i = 0; i < FLOWS; i++) {
		size_t len;

		gen_flow(&r, &s);
		len = cts_flow_pack(&s.flow, CTS_PACK_ATTRS, packed, sizeof(packed));
		if (len)
			cts_engine_put(p->engine, packed, len, true, f.now);
	}
}

static void start(struct end_point *p, const char *name, uint64_t seed)
{
	static const struct cts_engine_ops ops = {
		.send = fuzz_send, .max_message = fuzz_max_message, .random = fuzz_random,
		.heard = fuzz_heard,
	};
	const struct cts_engine_conf conf = {
		.cluster = "fuzz", .node_name = name, .table_id = seed, .cache_limit = 200,
		.dead_after_ms = 2000, .purge_timeout_s = 5,
	};

	p->rng = seed;
	p->n_out = 0;
	p->engine = cts_engine_create(&conf, &ops, p, f.now);
	fuzz_check(p->engine);
	put_flows(p, seed);
	cts_engine_table_ready(p->engine, f.now);
}

static void carry(struct end_point *from, struct end_point *to)
{
	unsigned int i;

	for (i = 0; i < from->n_out; i++) {
		struct iovec msg = { from->out[i].data, from->out[i].len };

		if (from == &f.b && f.n_pool < POOL_MAX)
			f.pool[f.n_pool++] = from->out[i];
		cts_engine_receive(to->engine, 0, 1, &msg, 1, f.now);
	}
	from->n_out = 0;
}

/* A pair that is in sync. */
static void fresh(void)
{
	unsigned int i;

	cts_engine_destroy(f.a.engine);
	cts_engine_destroy(f.b.engine);
	f.inputs = f.n_pool = 0;
	start(&f.a, "a", 11);
	start(&f.b, "b", 22);
	for (i = 0; i < 1500; i++) {
		f.now += MS;
		if (i == 1200)
			put_flows(&f.b, 33);
		cts_engine_run(f.a.engine, f.now);
		cts_engine_run(f.b.engine, f.now);
		carry(&f.a, &f.b);
		carry(&f.b, &f.a);
	}
	fuzz_check(f.n_pool > 10);
}

size_t fuzz_seed(struct rng *r, uint8_t buf[FUZZ_INPUT_MAX])
{
	const struct message *m;

	if (!f.a.engine)
		fresh();
	m = &f.pool[rng_below(r, f.n_pool)];
	memcpy(buf, m->data, m->len);
	return m->len;
}

static void give(uint8_t *data, size_t len)
{
	struct iovec msg = { data, len };

	cts_engine_receive(f.a.engine, 0, 1, &msg, 1, f.now);
}

static const struct node *peer_b(void)
{
	unsigned int i;

	for (i = 0; i < f.a.engine->n_nodes; i++)
		if (f.a.engine->nodes[i].id == cts_node_id("b"))
			return &f.a.engine->nodes[i];
	return NULL;
}

/* The same body, as if its sender had meant it. */
static void give_sealed(const uint8_t *data, size_t size)
{
	const struct node *b = peer_b();
	struct cts_wire_header h = { .type = data[3], .cluster = f.a.engine->cluster,
				     .node = cts_node_id("b"), .epoch = b ? b->epoch : 1 };
	struct cts_wire_out out;
	uint8_t *buf = malloc(size);
	unsigned int i;

	fuzz_check(buf);
	for (i = 24; i < 32; i++)
		h.number = h.number << 8 | data[i];
	if (b && h.type == CTS_MSG_DATA && h.number % 4)  /* else all are late */
		h.number = b->high + 1 + (h.number % 4 == 3 ? data[30] : 0);
	cts_wire_begin(&out, buf, size);
	cts_put_bytes(&out, data + CTS_WIRE_HEADER, size - CTS_WIRE_HEADER);
	give(buf, cts_wire_finish(&out, &h));
	free(buf);
}

static void check_state(void)
{
	const struct cts_engine *e = f.a.engine;
	unsigned int i;

	fuzz_check(cts_cache_count(e->own.cache) == FLOWS);
	fuzz_check(!e->own.dead);
	fuzz_check(e->own.last + 1 - e->own.lowest <= RING_SIZE);
	fuzz_check(e->n_nodes < CTS_NODES_MAX);
	for (i = 0; i < e->n_nodes; i++) {
		const struct node *n = &e->nodes[i];

		fuzz_check(n->n_gaps <= CTS_GAPS_MAX && n->n_ends <= ENDS_MAX);
		if (n->cache)
			fuzz_check(cts_cache_count(n->cache) <= 200 &&
				   n->n_live + n->n_stale + n->n_orphan ==
					   cts_cache_count(n->cache));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	fuzz_check(copy);
	if (size)
		memcpy(copy, data, size);
	if (!f.a.engine || f.inputs++ > FRESH_AFTER)
		fresh();
	give(copy, size);
	if (size >= CTS_WIRE_HEADER)
		give_sealed(data, size);
	f.now += MS;
	f.a.n_out = 0;
	cts_engine_run(f.a.engine, f.now);
	check_state();
	free(copy);
	return 0;
}
