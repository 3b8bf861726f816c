/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nodes with model kernels, and the network between them. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

/* The engine's context: which node of which world. */
struct sim_ctx {
	struct world *w;
	struct sim_node *n;
};

void world_fail(struct world *w, const char *fmt, ...)
{
	va_list ap;

	if (*w->failure)
		return;  /* the first one counts */
	va_start(ap, fmt);
	vsnprintf(w->failure, sizeof(w->failure), fmt, ap);
	va_end(ap);
}

static uint64_t world_random(struct world *w)
{
	uint64_t x = w->rng += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

uint32_t world_below(struct world *w, uint32_t n)
{
	return n ? (uint32_t)(world_random(w) % n) : 0;
}

static bool chance(struct world *w, uint32_t per_mille)
{
	return per_mille && world_below(w, 1000) < per_mille;
}

/* -- packets under way: a heap by time -- */

static bool sooner(const struct packet *a, const struct packet *b)
{
	return a->time != b->time ? a->time < b->time : a->order < b->order;
}

static void heap_push(struct world *w, struct packet p)
{
	size_t i;

	if (w->n_heap == w->max_heap) {
		w->max_heap = w->max_heap ? w->max_heap * 2 : 256;
		w->heap = realloc(w->heap, w->max_heap * sizeof(*w->heap));
		if (!w->heap)
			abort();
	}
	for (i = w->n_heap++; i && sooner(&p, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		w->heap[i] = w->heap[(i - 1) / 2];
	w->heap[i] = p;
}

static struct packet heap_pop(struct world *w)
{
	struct packet top = w->heap[0], last = w->heap[--w->n_heap];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < w->n_heap) {
		if (child + 1 < w->n_heap && sooner(&w->heap[child + 1], &w->heap[child]))
			child++;
		if (!sooner(&w->heap[child], &last))
			break;
		w->heap[i] = w->heap[child];
		i = child;
	}
	w->heap[i] = last;
	return top;
}

static void packet_put(struct world *w, const struct sim_node *from, unsigned int to,
		       const struct iovec *msg)
{
	struct packet p = { .from = (uint8_t)(from - w->node), .to = (uint8_t)to,
			    .len = (uint16_t)msg->iov_len, .order = w->order++ };

	p.time = w->now + 50000 + (uint64_t)world_below(w, w->delay_us + 1) * 1000;
	if (chance(w, w->stale))  /* as a router's queue, or an attacker, may do */
		p.time += (uint64_t)world_below(w, 6000) * MS;
	p.data = malloc(msg->iov_len);
	if (!p.data)
		abort();
	memcpy(p.data, msg->iov_base, msg->iov_len);
	if (chance(w, w->damage)) {
		if (world_below(w, 4))
			p.data[world_below(w, p.len)] ^= (uint8_t)(1u << world_below(w, 8));
		else
			p.len = (uint16_t)world_below(w, p.len);
	}
	heap_push(w, p);
}

static int sim_send(void *ctx, const struct iovec *msg, unsigned int n, uint32_t to)
{
	const struct sim_ctx *c = ctx;
	struct world *w = c->w;
	unsigned int i, t;

	if (c->n->blocked_until > w->now) {
		errno = EAGAIN;
		return -1;
	}
	if (c->n->gap_ms) {
		c->n->blocked_until = w->now + c->n->gap_ms * MS;
		n = 1;
	}
	if (n > 1 && !world_below(w, 8))
		n = 1 + world_below(w, n - 1);  /* it takes a part */
	for (i = 0; i < n; i++)
		for (t = 0; t < w->n_nodes; t++) {
			if (&w->node[t] == c->n || (to != CTS_NODE_ALL && w->node[t].id != to))
				continue;
			if (w->cut[c->n - w->node][t] || chance(w, w->loss))
				continue;
			packet_put(w, c->n, t, &msg[i]);
			if (chance(w, w->repeat))
				packet_put(w, c->n, t, &msg[i]);
		}
	return (int)n;
}

static size_t sim_max_message(void *ctx)
{
	return ((const struct sim_ctx *)ctx)->w->max_message;
}

static void sim_random(void *ctx, void *buf, size_t len)
{
	uint8_t *p = buf;

	while (len--)
		*p++ = (uint8_t)world_random(((const struct sim_ctx *)ctx)->w);
}

static void sim_heard(void *ctx, unsigned int link, uint32_t peer, uint32_t node)
{
	(void)ctx;
	(void)link;
	(void)peer;
	(void)node;
}

static void sim_applied(void *ctx, uint32_t node, const struct cts_applied *list, size_t n)
{
	const struct sim_ctx *c = ctx;

	check_applied(c->w, c->n, node, list, n);
}

static void sim_peer_state(void *ctx, uint32_t node, enum cts_peer_state state, const char *why)
{
	static const char *const names[] = { "down", "joining", "synced" };
	const struct sim_ctx *c = ctx;

	if (c->w->trace)
		printf("%10.3f ms  %s: peer %08x is %s: %s\n", (double)c->w->now / 1e6, c->n->name,
		       node, names[state], why);
}

/* -- model kernels: each node has SIM_KEYS keys of its own -- */

static size_t key_packed(const struct world *w, const struct sim_node *n, unsigned int key,
			 uint8_t buf[CTS_PACK_MAX])
{
	struct cts_flow f;

	kernel_flow(w, n, key, n->kernel[key].version, &f);
	return cts_flow_pack(&f, CTS_PACK_ATTRS, buf, CTS_PACK_MAX);
}

/* Tell the engine what the kernel has. */
static void key_tell(struct world *w, struct sim_node *n, unsigned int key)
{
	uint8_t buf[CTS_PACK_MAX];
	size_t len = key_packed(w, n, key, buf);
	uint32_t ref;

	if (!n->engine)
		return;
	n->touched = true;
	if (n->kernel[key].exists) {
		cts_engine_put(n->engine, buf, len, true, w->now);
		return;
	}
	ref = cts_engine_find(n->engine, buf, cts_packed_key_len(buf, len));
	if (ref)
		cts_engine_gone(n->engine, ref, w->now);
}

void node_change(struct world *w, struct sim_node *n, unsigned int key, bool told)
{
	struct model_key *k = &n->kernel[key];
	bool known = k->exists;

	if (k->version + 2 >= SIM_VERSIONS)
		return;
	k->version++;
	k->exists = true;
	if (told && w->mirror)
		kernel_event(w, n, key, known ? CTS_EVENT_UPDATE : CTS_EVENT_NEW);
	else if (told)
		key_tell(w, n, key);
	else
		n->doubt = true;
}

void node_delete(struct world *w, struct sim_node *n, unsigned int key, bool told)
{
	struct model_key *k = &n->kernel[key];

	if (!k->exists)
		return;
	k->version++;
	k->exists = false;
	cts_bitmap_set(k->deleted, k->version);
	if (told && w->mirror)
		kernel_event(w, n, key, CTS_EVENT_DESTROY);
	else if (told)
		key_tell(w, n, key);
	else
		n->doubt = true;
}

void node_reconcile(struct world *w, struct sim_node *n)
{
	unsigned int key;

	if (w->mirror)
		kernel_dump(n, w->now);
	for (key = 0; key < SIM_KEYS && !w->mirror; key++)
		key_tell(w, n, key);
}

void node_lose_table(struct world *w, struct sim_node *n)
{
	unsigned int key;

	for (key = 0; key < SIM_KEYS; key++)
		node_delete(w, n, key, false);
	n->table_id = w->next_table++;
}

/* -- takeover -- */

bool node_known(const struct world *w, unsigned int node)
{
	return !w->stranger || node + 1 < w->n_nodes;
}

/* The kernel takes the flow as the replica has it; the engine is told, and so is the
 * mirror, by the kernel's event. Versions of a key only go up in this model, so an older
 * one is left. */
static void key_adopt(struct world *w, struct sim_node *n, uint32_t owner, uint32_t ref,
		      const struct cts_flow *f, unsigned int key)
{
	struct model_key *k = &n->kernel[key];

	if (k->exists || f->mark <= k->version || f->mark + 2 >= SIM_VERSIONS)
		return;
	k->exists = true;
	k->version = f->mark;
	n->adopting = true;
	cts_engine_adopt(n->engine, owner, ref, w->now);
	n->adopting = false;
	n->touched = true;
	if (w->mirror)
		kernel_event(w, n, key, CTS_EVENT_NEW);
}

/* Even keys are those that any node's kernel may have. */
static void adopt_all(struct world *w, struct sim_node *n, unsigned int owner)
{
	struct cts_cache *cache = cts_engine_external(n->engine, w->node[owner].id);
	struct cts_flow_store s;
	const uint8_t *packed;
	uint32_t ref = 0;
	unsigned int key;
	size_t len;

	memset(&n->left[owner], 0, sizeof(n->left[owner]));
	while (cache && (ref = cts_cache_next(cache, ref))) {
		packed = cts_cache_data(cache, ref, &len);
		if (cts_flow_unpack(packed, len, &s, NULL) < 0)
			continue;  /* told of where it was applied */
		key = ntohs(s.flow.orig.sport) - 1024u;
		if (key % 2 == 0 && key < SIM_KEYS &&
		    cts_engine_newest(n->engine, w->node[owner].id, ref))
			key_adopt(w, n, w->node[owner].id, ref, &s.flow, key);
	}
}

void node_promote(struct world *w, struct sim_node *n)
{
	unsigned int i;

	if (!n->engine)
		return;
	check_newest(w, n);
	for (i = 0; i < w->n_nodes; i++)
		if (&w->node[i] != n)
			adopt_all(w, n, i);
}

/* -- life of a node -- */

void node_start(struct world *w, struct sim_node *n)
{
	static const struct cts_engine_ops ops = {
		.send = sim_send, .max_message = sim_max_message, .random = sim_random,
		.heard = sim_heard, .applied = sim_applied, .peer_state = sim_peer_state,
	};
	struct cts_engine_conf conf = {
		.mode = w->mode, .cluster = "sim", .node_name = n->name,
		.table_id = n->table_id, .cache_limit = 4 * SIM_KEYS, .dead_after_ms = 2000,
		.purge_timeout_s = SIM_PURGE_S, .attrs = CTS_PACK_ATTRS,
		.min_age_ms = w->min_age_ms, .refresh_s = SIM_REFRESH_S, .expire_s = SIM_EXPIRE_S,
	};
	uint32_t list[SIM_NODES];
	struct sim_ctx *c;
	unsigned int i;

	if (n->engine)
		return;
	if (w->small_limit && n == &w->node[w->n_nodes - 1])
		conf.cache_limit = w->small_limit;
	for (i = 0; i < w->n_nodes; i++)
		if (node_known(w, i))
			list[conf.n_nodes++] = w->node[i].id;
	conf.nodes = w->listed ? list : NULL;
	conf.n_nodes = w->listed && node_known(w, (unsigned int)(n - w->node)) ? conf.n_nodes : 0;
	c = malloc(sizeof(*c));
	if (!c)
		abort();
	*c = (struct sim_ctx){ w, n };
	n->engine = cts_engine_create(&conf, &ops, c, w->now);
	if (!n->engine)
		abort();
	cts_engine_break(n->engine, w->breaks);
	memset(n->shown, 0, sizeof(n->shown));
	memset(n->equal, 0, sizeof(n->equal));
	memset(n->left, 0, sizeof(n->left));
	n->dump_next = 0;
	if (w->mirror)
		kernel_start(n, w->now);
	n->deadline = w->now;
	n->blocked_until = n->gap_ms = 0;
}

void node_stop(struct sim_node *n)
{
	void *ctx;

	if (!n->engine)
		return;
	ctx = n->engine->ctx;
	kernel_stop(n);
	cts_engine_destroy(n->engine);
	free(ctx);
	n->engine = NULL;
}

void world_init(struct world *w, const struct script *s)
{
	unsigned int i;

	memset(w, 0, sizeof(*w));
	w->rng = s->seed;
	w->now = 1000 * MS;
	w->next_table = 1;
	w->n_nodes = s->n_nodes;
	w->max_message = s->max_message;
	w->small_limit = s->small_limit;
	w->mirror = s->mirror;
	w->min_age_ms = s->min_age_ms;
	w->mode = s->mode;
	w->listed = s->listed;
	w->stranger = s->stranger;
	for (i = 0; i < w->n_nodes; i++) {
		struct sim_node *n = &w->node[i];

		snprintf(n->name, sizeof(n->name), "n%u", i);
		n->id = cts_node_id(n->name);
		n->table_id = w->next_table++;
	}
}

void world_fini(struct world *w)
{
	unsigned int i;

	for (i = 0; i < w->n_nodes; i++)
		node_stop(&w->node[i]);
	while (w->n_heap)
		free(w->heap[--w->n_heap].data);
	free(w->heap);
}

/* -- time -- */

static void packet_deliver(struct world *w)
{
	struct packet p = heap_pop(w);
	struct sim_node *n = &w->node[p.to];
	struct iovec msg = { p.data, p.len };

	if (n->engine) {
		if (w->trace)
			printf("%10.3f ms  n%u -> %s: type %u number %llu, %u bytes\n",
			       (double)w->now / 1e6, p.from, n->name, p.len > 3 ? p.data[3] : 0,
			       p.len > 31 ? (unsigned long long)p.data[31] | p.data[30] << 8 : 0, p.len);
		cts_engine_receive(n->engine, 0, p.from, &msg, 1, w->now);
		n->touched = true;
	}
	free(p.data);
}

static void dump_step(struct world *w, struct sim_node *n)
{
	unsigned int i;

	if (n->dump_next >= SIM_KEYS)
		return;
	for (i = 0; i < 8; i++)
		key_tell(w, n, n->dump_next++);
	if (n->dump_next >= SIM_KEYS)
		cts_engine_table_ready(n->engine, w->now);
}

static void node_turn(struct world *w, struct sim_node *n)
{
	if (n->blocked_until && n->blocked_until <= w->now) {
		n->blocked_until = 0;
		cts_engine_writable(n->engine, w->now);
	}
	if (w->mirror)
		kernel_turn(w, n);
	else
		dump_step(w, n);
	n->touched = false;
	n->deadline = cts_engine_run(n->engine, w->now);
	if (n->deadline < w->now + 100000)
		n->deadline = w->now + 100000;
	if (w->mirror ? kernel_busy(n) && n->deadline > w->now + MS : n->dump_next < SIM_KEYS)
		n->deadline = w->now + MS;
	check_bounds(w, n);
	check_digests(w, n);
	check_orphans(w, n);
	check_members(w, n);
}

static uint64_t next_time(const struct world *w, uint64_t until)
{
	unsigned int i;

	if (w->n_heap && w->heap[0].time < until)
		until = w->heap[0].time;
	for (i = 0; i < w->n_nodes; i++) {
		const struct sim_node *n = &w->node[i];

		if (!n->engine)
			continue;
		if (n->deadline < until)
			until = n->deadline;
		if (n->blocked_until && n->blocked_until < until)
			until = n->blocked_until;
		if (n->touched)
			return w->now;
	}
	return until < w->now ? w->now : until;
}

void world_run(struct world *w, uint64_t until)
{
	unsigned int i;

	while (!*w->failure) {
		w->now = next_time(w, until);
		while (w->n_heap && w->heap[0].time <= w->now)
			packet_deliver(w);
		for (i = 0; i < w->n_nodes; i++) {
			struct sim_node *n = &w->node[i];

			if (n->engine && (n->touched || n->deadline <= w->now ||
					  (n->blocked_until && n->blocked_until <= w->now)))
				node_turn(w, n);
		}
		if (w->now >= until)
			return;
	}
}
