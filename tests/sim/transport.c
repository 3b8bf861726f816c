/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What stands between an engine and the network: a transport that is full now and
 * then, the choice between several links (as core/runtime/links.c makes it: the
 * first one on which all are received from who are received from at all), and the
 * word of a transport that has membership.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "tests/sim/sim.h"

#define MS UINT64_C(1000000)
#define TURN_NS (100 * MS)
#define STANDBY_NS (500 * MS)        /* a standby link carries a message */
#define SILENCE_NS (SIM_DEAD_MS * MS)
#define HOLD_NS (2000 * MS)          /* a link that failed is not used again before */
#define HOLD_ONE_WAY_NS (10000 * MS)

static uint64_t *received_at(struct sim_node *n, unsigned int link, unsigned int node)
{
	return &n->received_ns[link * n->w->n_nodes + node];
}

static void put_on_wire(struct sim_node *n, unsigned int link, unsigned int to,
			const struct iovec *msg)
{
	struct world *w = n->w;
	uint64_t extra = w->tap ? w->tap(w, n->index, to, msg->iov_base, msg->iov_len) : 0;

	if (extra != UINT64_MAX)
		net_send(&w->net, link, n->index, to, msg->iov_base, msg->iov_len, w->now + extra);
}

static void count(struct sim_node *n, const struct iovec *msg)
{
	unsigned int type = ((const uint8_t *)msg->iov_base)[3] & 15;

	n->sent_messages[type]++;
	n->sent_bytes[type] += msg->iov_len;
}

int transport_send(void *ctx, const struct iovec *msg, unsigned int n, uint32_t to)
{
	struct sim_node *from = ctx;
	struct world *w = from->w;
	unsigned int i, t;
	bool standby = w->net.n_links > 1 && to == CTS_NODE_ALL && from->standby_ns <= w->now;

	if (from->blocked_until > w->now) {
		errno = EAGAIN;
		return -1;
	}
	if (from->gap_us) {
		from->blocked_until = w->now + from->gap_us * UINT64_C(1000);
		n = 1;
	}
	if (n > 1 && !w->bulk && !world_below(w, 8))
		n = 1 + world_below(w, n - 1);  /* it takes a part */
	for (i = 0; i < n; i++) {
		count(from, &msg[i]);
		for (t = 0; t < w->n_nodes; t++)
			if (&w->node[t] != from && (to == CTS_NODE_ALL || w->node[t].id == to))
				put_on_wire(from, from->active, t, &msg[i]);
	}
	for (t = 0; t < w->n_nodes && standby; t++)
		if (&w->node[t] != from)
			put_on_wire(from, !from->active, t, &msg[0]);
	if (standby)
		from->standby_ns = w->now + STANDBY_NS;
	return (int)n;
}

/* What was sent in the life that ended does not come after that. */
static void left(struct world *w, struct sim_node *n, unsigned int t, uint32_t id)
{
	n->member[t] = false;
	n->joined[t] = (uint16_t)(w->net.life[t] + !w->node[t].engine);
	n->touched = true;
	cts_engine_peer_down(n->engine, id, w->now);
}

void transport_stop(struct world *w, struct sim_node *n)
{
	unsigned int t;

	for (t = 0; t < w->n_nodes && w->membership; t++) {
		struct sim_node *o = &w->node[t];

		if (!o->engine || !o->member[n->index])
			continue;
		/* Who is stopped reads it later, after what was sent before. */
		if (node_running(w, o))
			left(w, o, n->index, n->id);
		else if (!o->leaving[n->index])
			o->leaving[n->index] = n->id;
	}
}

bool transport_delivers(const struct sim_node *n, const struct sim_packet *p)
{
	return !n->w->membership || (n->member[p->from] && p->life >= n->joined[p->from]);
}

void transport_start(struct world *w, struct sim_node *n)
{
	memset(n->received_ns, 0, SIM_LINKS * w->n_nodes * sizeof(*n->received_ns));
	memset(n->member, 0, w->n_nodes * sizeof(*n->member));
	memset(n->apart, 0, w->n_nodes * sizeof(*n->apart));
	memset(n->leaving, 0, w->n_nodes * sizeof(*n->leaving));
	memcpy(n->joined, w->net.life, w->n_nodes * sizeof(*n->joined));
	w->net.life[n->index]++;
	memset(n->held_until, 0, sizeof(n->held_until));
	n->active = 0;
	n->blocked_until = n->gap_us = 0;
	n->standby_ns = n->links_ns = w->now;
}

void transport_received(struct sim_node *n, unsigned int link, uint32_t node)
{
	struct sim_node *from = world_node(n->w, node);

	if (!from && !n->w->renamed)
		world_fail(n->w, "%s received from a node that is none", n->name);
	else if (from)
		*received_at(n, link, from->index) = n->w->now;
}

/* What goes out on the active link does not arrive. */
void transport_undelivered(struct sim_node *n)
{
	if (n->w->net.n_links > 1 && n->w->now - n->active_since > 1000 * MS)
		n->held_until[n->active] = n->w->now + HOLD_ONE_WAY_NS;
}

static bool recent(const struct sim_node *n, uint64_t at)
{
	return at && n->w->now - at < SILENCE_NS;
}

/* Is everybody received from here who is received from anywhere? */
static bool link_good(struct sim_node *n, unsigned int link)
{
	unsigned int t;

	for (t = 0; t < n->w->n_nodes; t++)
		if (recent(n, *received_at(n, !link, t)) && !recent(n, *received_at(n, link, t)))
			return false;
	return true;
}

static void choose_link(struct sim_node *n)
{
	unsigned int link, best = SIM_LINKS;
	uint64_t now = n->w->now;

	for (link = SIM_LINKS; link--; ) {
		if (!link_good(n, link) && n->held_until[link] < now + HOLD_NS)
			n->held_until[link] = now + HOLD_NS;
		if (n->held_until[link] <= now)
			best = link;
	}
	if (best == SIM_LINKS)
		best = n->held_until[0] <= n->held_until[1] ? 0 : 1;
	if (best == n->active)
		return;
	n->active = best;
	n->active_since = now;
	cts_engine_writable(n->engine, now);
	n->touched = true;
}

/* Can n's transport reach it, both ways? */
static bool reachable(struct world *w, const struct sim_node *n, unsigned int t)
{
	return w->node[t].engine && !net_path(&w->net, n->active, n->index, t)->cut &&
	       !net_path(&w->net, n->active, t, n->index)->cut;
}

static void membership(struct world *w, struct sim_node *n)
{
	unsigned int t;

	for (t = 0; t < w->n_nodes; t++) {
		if (t == n->index)
			continue;
		if (n->leaving[t])
			left(w, n, t, n->leaving[t]);
		n->leaving[t] = 0;
		if (reachable(w, n, t)) {
			n->apart[t] = 0;
			if (!n->member[t])
				cts_engine_greet(n->engine);
			n->touched |= !n->member[t];
			n->member[t] = true;
			continue;
		}
		if (!n->apart[t])
			n->apart[t] = w->now;
		if (!n->member[t] || w->now - n->apart[t] < SIM_TOKEN_MS * MS)
			continue;
		left(w, n, t, w->node[t].id);
	}
}

void transport_turn(struct world *w, struct sim_node *n)
{
	if (n->links_ns > w->now)
		return;
	n->links_ns = w->now + TURN_NS;
	if (w->net.n_links > 1)
		choose_link(n);
	if (w->membership)
		membership(w, n);
}
