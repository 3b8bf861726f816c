/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "tests/fuzz/fuzz_pair.h"

#define MEET_MS 7000u

static int fuzz_send(void *ctx, const struct iovec *msg, unsigned int n, uint32_t to)
{
	struct pair_end *p = ctx;
	unsigned int i;

	(void)to;
	for (i = 0; i < n && p->n_out < PAIR_POOL; i++) {
		struct pair_message *m = &p->out[p->n_out++];

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
	struct pair_end *p = ctx;
	uint8_t *out = buf;

	while (len--) {
		p->rng = p->rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		*out++ = (uint8_t)(p->rng >> 33);
	}
}

static void fuzz_received(void *ctx, unsigned int link, uint32_t peer, uint32_t node)
{
	(void)ctx;
	(void)link;
	(void)peer;
	(void)node;
}

static void put_flows(const struct pair *p, struct pair_end *end, uint64_t seed)
{
	uint8_t packed[CTS_PACK_MAX];
	struct cts_flow_store s;
	struct rng r = { seed };
	unsigned int i;

	for (i = 0; i < PAIR_FLOWS; i++) {
		size_t len;

		gen_flow(&r, &s);
		len = cts_flow_pack(&s.flow, CTS_PACK_ATTRS, packed, sizeof(packed));
		if (len)
			cts_engine_put(end->engine, packed, len, true, p->now);
	}
}

static void gone_flow(const struct pair *p, struct pair_end *end)
{
	cts_engine_gone(end->engine, cts_cache_next(cts_engine_internal(end->engine), 0), p->now);
}

static void start(const struct pair *p, struct pair_end *end, const char *name, uint64_t seed)
{
	static const struct cts_engine_ops ops = {
		.send = fuzz_send, .max_message = fuzz_max_message, .random = fuzz_random,
		.received = fuzz_received,
	};
	const struct cts_engine_conf conf = {
		.cluster = "fuzz", .node_name = name, .table_id = seed, .cache_limit = PAIR_LIMIT,
		.dead_after_ms = 2000, .purge_timeout_s = 5, .startup_resync = true,
	};

	end->rng = seed;
	end->n_out = 0;
	end->engine = cts_engine_create(&conf, &ops, end, p->now);
	fuzz_check(end->engine);
	put_flows(p, end, seed);
	cts_engine_table_ready(end->engine, p->now);
}

/* One message of each number of its kind, and the others while there is room. */
static void pool_add(struct pair *p, const struct pair_message *m)
{
	struct cts_wire_header h;
	struct cts_wire_in in;
	struct cts_record rec;
	uint32_t kinds = 0;

	fuzz_check(cts_wire_open(m->data, m->len, &h, &in) == CTS_WIRE_OK);
	kinds |= 1u << h.type;
	if (h.type == CTS_MSG_DATA)
		cts_get_u16(&in); /* the floor, before the records */
	while (h.type == CTS_MSG_DATA && cts_record_next(&in, &rec) > 0)
		kinds |= 1u << (16 + (rec.type & 0x7f) + (rec.type & 0x80 ? 4 : 0));
	if (p->n_pool >= PAIR_POOL || (!(kinds & ~p->kinds) && p->n_pool >= PAIR_POOL / 2))
		return;
	p->kinds |= kinds;
	p->pool[p->n_pool++] = *m;
}

static void carry(struct pair *p, struct pair_end *from, struct pair_end *to, bool lost)
{
	unsigned int i;

	for (i = 0; i < from->n_out; i++) {
		struct iovec msg = { from->out[i].data, from->out[i].len };

		if (from == &p->b)
			pool_add(p, &from->out[i]);
		if (!lost)
			cts_engine_receive(to->engine, 0, 1, &msg, 1, p->now);
	}
	from->n_out = 0;
}

/* b's second flows are lost once, so are a's first ones, and later all for 2.1 s: the
 * pool gets gaps, repairs, sums and parts of tables too. */
static void meet(struct pair *p)
{
	unsigned int i;

	for (i = 0; i < MEET_MS; i++) {
		bool cut = i >= 2000 && i < 4100;

		p->now += MS;
		if (i == 1000 || i == 2500)
			put_flows(p, &p->b, i);
		if (i == 1200 || i == 2600)
			gone_flow(p, &p->b);
		cts_engine_run(p->a.engine, p->now);
		cts_engine_run(p->b.engine, p->now);
		carry(p, &p->a, &p->b, cut || (i >= 10 && i < 300 && i % 3 == 0));
		carry(p, &p->b, &p->a, cut || i == 1000);
	}
}

static void fresh(struct pair *p)
{
	cts_engine_destroy(p->a.engine);
	cts_engine_destroy(p->b.engine);
	p->inputs = p->n_pool = 0;
	p->kinds = 0;
	start(p, &p->a, "a", 11);
	start(p, &p->b, "b", 22);
	meet(p);
	fuzz_check(pair_peer_b(p) && pair_peer_b(p)->shown == CTS_PEER_SYNCED);
	/* HELLO to PULL; UPSERT, DELETE, DIGEST, SUMS. */
	fuzz_check((p->kinds & 0x3600fe) == 0x3600fe);
}

void pair_ready(struct pair *p)
{
	if (!p->a.engine || p->inputs++ > PAIR_FRESH_AFTER)
		fresh(p);
}

void pair_give(struct pair *p, uint8_t *data, size_t len)
{
	struct iovec msg = { data, len };

	cts_engine_receive(p->a.engine, 0, 1, &msg, 1, p->now);
}

const struct peer *pair_peer_b(const struct pair *p)
{
	return peers_find(&p->a.engine->peers, cts_node_id("b"));
}

static void check_peer(const struct peer *peer)
{
	const struct replica *r = &peer->recv.replica;

	fuzz_check(peer->recv.gaps.n <= GAPS_MAX && peer->recv.reorder.n <= REORDER_MAX);
	fuzz_check(cts_cache_count(r->cache) <= PAIR_LIMIT);
	fuzz_check(r->live + r->stale + r->orphans == cts_cache_count(r->cache));
	fuzz_check(r->live == r->sums.count);
}

void pair_check(const struct pair *p)
{
	const struct sender *s = &p->a.engine->sender;
	const struct peer *peer;

	fuzz_check(cts_cache_count(s->table.cache) == PAIR_FLOWS);
	fuzz_check(!s->table.tombstones);
	fuzz_check(window_len(&s->window) <= WINDOW_MESSAGES);
	peers_for_each(peer, &p->a.engine->peers)
		check_peer(peer);
}
