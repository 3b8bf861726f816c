/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nodes, the network between them, and time. */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

#define MS UINT64_C(1000000)
#define TURN_NS UINT64_C(50000)      /* what comes so soon is read in one turn of the loop */

void world_fail(struct world *w, const char *fmt, ...)
{
	va_list ap;

	if (*w->failure)
		return;  /* the first one counts */
	va_start(ap, fmt);
	vsnprintf(w->failure, sizeof(w->failure), fmt, ap);
	va_end(ap);
}

uint32_t world_below(struct world *w, uint32_t n)
{
	return rng_below(&w->rng, n);
}

struct sim_node *world_node(struct world *w, uint32_t id)
{
	struct sim_node *found = NULL;
	unsigned int i;

	for (i = 0; i < w->n_nodes; i++) {
		struct sim_node *n = &w->node[i];

		if (n->id == id && (!found || (!found->engine && n->engine)))
			found = n;
	}
	return found;
}

bool node_known(const struct world *w, unsigned int node)
{
	return !w->stranger || node + 1 < w->n_nodes;
}

bool node_running(const struct world *w, const struct sim_node *n)
{
	return n->engine && n->stopped_until <= w->now;
}

static void *zeroed(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p)
		abort();
	return p;
}

static void node_init(struct world *w, unsigned int i)
{
	struct sim_node *n = &w->node[i];

	n->w = w;
	n->index = i;
	snprintf(n->name, sizeof(n->name), "n%u", i);
	n->id = cts_node_id(n->name);
	n->table_id = w->next_table++;
	n->rng.state = rng_next(&w->rng);
	n->received_ns = zeroed(SIM_LINKS * w->n_nodes, sizeof(*n->received_ns));
	n->member = zeroed(w->n_nodes, sizeof(*n->member));
	n->apart = zeroed(w->n_nodes, sizeof(*n->apart));
	n->leaving = zeroed(w->n_nodes, sizeof(*n->leaving));
	n->joined = zeroed(w->n_nodes, sizeof(*n->joined));
	n->limit = 4 * SIM_KEYS;
	if (w->bulk)
		return;
	n->kernel = zeroed(SIM_KEYS, sizeof(*n->kernel));
	n->had = zeroed(SIM_KEYS, sizeof(*n->had));
	n->seen = zeroed(w->n_nodes, sizeof(*n->seen));
}

void world_init(struct world *w, const struct script *s)
{
	bool bulk = w->bulk;
	unsigned int i;

	memset(w, 0, sizeof(*w));
	w->bulk = bulk;
	w->rng.state = s->seed;
	w->now = 1000 * MS;
	w->next_table = 1;
	w->n_nodes = s->n_nodes;
	w->max_message = s->max_message;
	w->small_limit = s->small_limit;
	w->limited = s->small_limit != 0;
	w->mirror = s->mirror;
	w->membership = s->membership;
	w->min_age_ms = s->min_age_ms;
	w->mode = s->mode;
	w->listed = s->listed;
	w->differ = s->differ;
	w->stranger = s->stranger;
	net_init(&w->net, s->n_nodes, s->n_links ? s->n_links : 1, s->seed ^ 0x6e6574);
	w->net.reliable = s->membership;
	w->node = zeroed(w->n_nodes, sizeof(*w->node));
	for (i = 0; i < w->n_nodes; i++)
		node_init(w, i);
}

void world_fini(struct world *w)
{
	unsigned int i;

	for (i = 0; i < w->n_nodes; i++) {
		struct sim_node *n = &w->node[i];

		node_stop(n);
		free(n->received_ns);
		free(n->member);
		free(n->apart);
		free(n->leaving);
		free(n->joined);
		free(n->kernel);
		free(n->had);
		free(n->seen);
	}
	free(w->node);
	net_fini(&w->net);
}

/* -- time -- */

static void trace_packet(const struct world *w, const struct sim_packet *p)
{
	printf("%10.3f ms  %s -> %s link %u: type %u number %u, %u bytes\n", (double)w->now / 1e6,
	       w->node[p->from].name, w->node[p->to].name, p->link, p->len > 3 ? p->data[3] : 0,
	       p->len > 31 ? (unsigned int)(p->data[31] | p->data[30] << 8) : 0, p->len);
}

static void packet_deliver(struct world *w)
{
	struct sim_packet p = net_take(&w->net);
	struct sim_node *n = &w->node[p.to];
	struct iovec msg = { p.data, p.len };

	if (n->engine && n->stopped_until > w->now && n->backlog < SIM_SOCKET) {
		n->backlog++;
		p.read_by = w->net.life[p.to];
		net_later(&w->net, p, n->stopped_until);
		return;
	}
	if (node_running(w, n) && transport_delivers(n, &p) &&
	    (!p.read_by || p.read_by == w->net.life[p.to])) {
		if (w->trace)
			trace_packet(w, &p);
		cts_engine_receive(n->engine, p.link, p.from, &msg, 1, w->now);
		n->touched = true;
	}
	free(p.data);
}

static void node_turn(struct world *w, struct sim_node *n)
{
	n->backlog = 0;
	if (n->blocked_until && n->blocked_until <= w->now) {
		n->blocked_until = 0;
		cts_engine_writable(n->engine, w->now);
	}
	transport_turn(w, n);
	if (w->mirror)
		kernel_turn(w, n);
	else
		node_dump_step(w, n);
	n->touched = false;
	n->deadline = cts_engine_run(n->engine, w->now);
	if (n->deadline < w->now + TURN_NS)
		n->deadline = w->now + TURN_NS;
	if (w->mirror ? kernel_busy(n) && n->deadline > w->now + MS : n->dump_next < SIM_KEYS)
		n->deadline = w->now + MS;
	if ((w->net.n_links > 1 || w->membership) && n->deadline > n->links_ns)
		n->deadline = n->links_ns;
	if (!w->bulk)
		check_node(w, n);
}

static bool node_due(const struct world *w, const struct sim_node *n)
{
	return node_running(w, n) &&
	       (n->touched || n->deadline <= w->now ||
		(n->blocked_until && n->blocked_until <= w->now));
}

static uint64_t node_next(const struct world *w, const struct sim_node *n)
{
	uint64_t next = n->deadline;

	if (!n->engine)
		return UINT64_MAX;
	if (n->touched)
		next = w->now;
	else if (n->blocked_until && n->blocked_until < next)
		next = n->blocked_until;
	return n->stopped_until > next ? n->stopped_until : next;
}

static uint64_t next_time(const struct world *w, uint64_t until)
{
	unsigned int i;

	if (net_next(&w->net) < until)
		until = net_next(&w->net);
	if (!w->bulk && w->check_ns < until)
		until = w->check_ns;
	for (i = 0; i < w->n_nodes; i++)
		if (node_next(w, &w->node[i]) < until)
			until = node_next(w, &w->node[i]);
	return until < w->now ? w->now : until;
}

void world_run(struct world *w, uint64_t until)
{
	unsigned int i;

	while (!*w->failure) {
		w->now = next_time(w, until);
		while (net_next(&w->net) <= w->now)
			packet_deliver(w);
		for (i = 0; i < w->n_nodes; i++)
			if (node_due(w, &w->node[i]))
				node_turn(w, &w->node[i]);
		if (!w->bulk && w->check_ns <= w->now)
			truth_check(w);
		if (w->now >= until)
			return;
	}
}
