/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "tests/sim/net.h"

#define US UINT64_C(1000)
#define MILLI UINT64_C(1000000)
#define WIRE_NS (50 * US)            /* the least that anything takes */

uint64_t rng_next(struct sim_rng *r)
{
	uint64_t x = r->state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

uint32_t rng_below(struct sim_rng *r, uint32_t n)
{
	return n ? (uint32_t)(rng_next(r) % n) : 0;
}

void net_init(struct sim_net *net, unsigned int n_nodes, unsigned int n_links, uint64_t seed)
{
	memset(net, 0, sizeof(*net));
	net->n_nodes = n_nodes;
	net->n_links = n_links;
	net->rng.state = seed;
	net->path = calloc((size_t)n_links * n_nodes * n_nodes, sizeof(*net->path));
	net->life = calloc(n_nodes, sizeof(*net->life));
	if (!net->path || !net->life)
		abort();
}

void net_fini(struct sim_net *net)
{
	while (net->n_heap)
		free(net->heap[--net->n_heap].data);
	free(net->heap);
	free(net->path);
	free(net->life);
}

struct sim_path *net_path(const struct sim_net *net, unsigned int link, unsigned int from,
			  unsigned int to)
{
	return &net->path[(link * net->n_nodes + from) * net->n_nodes + to];
}

void net_set_all(struct sim_net *net, const struct sim_path *model)
{
	size_t i, n = (size_t)net->n_links * net->n_nodes * net->n_nodes;

	for (i = 0; i < n; i++) {
		struct sim_path was = net->path[i];

		net->path[i] = *model;
		net->path[i].cut = was.cut;
		net->path[i].busy_until = was.busy_until;
		net->path[i].last_ns = was.last_ns;
	}
}

void net_heal(struct sim_net *net)
{
	size_t i, n = (size_t)net->n_links * net->n_nodes * net->n_nodes;

	for (i = 0; i < n; i++)
		net->path[i] = (struct sim_path){ .last_ns = net->path[i].last_ns };
}

/* -- packets under way -- */

static bool sooner(const struct sim_packet *a, const struct sim_packet *b)
{
	return a->time != b->time ? a->time < b->time : a->order < b->order;
}

static void heap_push(struct sim_net *net, struct sim_packet p)
{
	size_t i;

	if (net->n_heap == net->max_heap) {
		net->max_heap = net->max_heap ? net->max_heap * 2 : 256;
		net->heap = realloc(net->heap, net->max_heap * sizeof(*net->heap));
		if (!net->heap)
			abort();
	}
	for (i = net->n_heap++; i && sooner(&p, &net->heap[(i - 1) / 2]); i = (i - 1) / 2)
		net->heap[i] = net->heap[(i - 1) / 2];
	net->heap[i] = p;
}

struct sim_packet net_take(struct sim_net *net)
{
	struct sim_packet top = net->heap[0], last = net->heap[--net->n_heap];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < net->n_heap) {
		if (child + 1 < net->n_heap && sooner(&net->heap[child + 1], &net->heap[child]))
			child++;
		if (!sooner(&net->heap[child], &last))
			break;
		net->heap[i] = net->heap[child];
		i = child;
	}
	net->heap[i] = last;
	return top;
}

void net_later(struct sim_net *net, struct sim_packet p, uint64_t time)
{
	p.time = time;
	heap_push(net, p);
}

/* -- what happens to one on its way -- */

/* When it has left the sender's queue; 0: there was no room in it. */
static uint64_t queue_pass(struct sim_path *path, size_t len, uint64_t now)
{
	if (!path->rate)
		return now;
	if (path->busy_until < now)
		path->busy_until = now;
	/* In parts of a second, as 2^64 ns are soon reached by a product. */
	if ((path->busy_until - now) / US * path->rate / 1000000 + len > path->queue)
		return 0;
	path->busy_until += (len + SIM_OVERHEAD) * UINT64_C(1000000000) / path->rate;
	return path->busy_until;
}

static bool lost(struct sim_net *net, struct sim_path *path, size_t len)
{
	if (path->burst)
		path->burst = !rng_chance(&net->rng, path->burst_ends);
	else
		path->burst = rng_chance(&net->rng, path->burst_begins);
	return path->burst || (path->hole && len > path->hole) || rng_chance(&net->rng, path->loss);
}

static void damage(struct sim_net *net, struct sim_packet *p)
{
	if (rng_below(&net->rng, 4))
		p->data[rng_below(&net->rng, p->len)] ^= (uint8_t)(1u << rng_below(&net->rng, 8));
	else
		p->len = rng_below(&net->rng, p->len);
}

static void packet_put(struct sim_net *net, struct sim_path *path, struct sim_packet p,
		       const void *msg, uint64_t now)
{
	p.order = net->order++;
	p.time += WIRE_NS + path->delay_us * US + rng_below(&net->rng, path->jitter_us + 1) * US;
	if (!net->reliable && rng_chance(&net->rng, path->late)) {
		p.time += rng_below(&net->rng, SIM_LATE_MS) * MILLI;
		if (net->late_until < now + SIM_LATE_MS * MILLI)
			net->late_until = now + SIM_LATE_MS * MILLI;
	}
	if (net->reliable && p.time < path->last_ns)
		p.time = path->last_ns;
	path->last_ns = p.time;
	p.data = malloc(p.len);
	if (!p.data)
		abort();
	memcpy(p.data, msg, p.len);
	if (!net->reliable && rng_chance(&net->rng, path->damage))
		damage(net, &p);
	heap_push(net, p);
}

void net_send(struct sim_net *net, unsigned int link, unsigned int from, unsigned int to,
	      const void *msg, size_t len, uint64_t now)
{
	struct sim_path *path = net_path(net, link, from, to);
	struct sim_packet p = { .from = (uint16_t)from, .to = (uint16_t)to,
				.link = (uint16_t)link, .life = net->life[from],
				.len = (uint32_t)len };

	if (!path->cut)
		p.time = queue_pass(path, len, now);
	if (!p.time || (!net->reliable && lost(net, path, len))) {
		net->dropped++;
		return;
	}
	packet_put(net, path, p, msg, now);
	if (!net->reliable && rng_chance(&net->rng, path->repeat))
		packet_put(net, path, p, msg, now);
}

uint64_t net_delay_ns(const struct sim_net *net)
{
	size_t i, n = (size_t)net->n_links * net->n_nodes * net->n_nodes;
	uint64_t most = 0;

	for (i = 0; i < n; i++) {
		const struct sim_path *path = &net->path[i];
		uint64_t delay = (path->delay_us + path->jitter_us) * US;

		if (path->rate)
			delay += path->queue * MILLI / (path->rate / 1000 + 1);
		if (delay > most)
			most = delay;
	}
	return most;
}
