/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ctsync/log.h>

#include "core/runtime/links.h"
#include "core/runtime/loop.h"

#define LINK_NODES_MAX 64u /* nodes and their peer numbers that are remembered */
/* A link that failed has to be good for so long before it comes first again: twice
 * as long each time, so that one that comes and goes does not take the traffic along. */
#define LINK_HOLD_NS UINT64_C(2000000000)          /* it was down, or silent */
#define LINK_HOLD_ONE_WAY_NS UINT64_C(10000000000) /* what was sent did not arrive */
#define LINK_HOLD_MAX_NS UINT64_C(320000000000)
/* What is found missing so soon after a switch may have been sent before it. */
#define LINK_ATTRIBUTE_NS UINT64_C(1000000000)
#define LINK_MESSAGE_MIN 548u /* what any IPv4 path carries: 576 less headers */

struct link {
	struct cts_links *links; /* whose it is */
	unsigned int index;
	const struct cts_config_block *block;
	const struct cts_transport_ops *ops;
	struct cts_transport_host host; /* lent to the instance */
	void *priv;                     /* owned */
	bool up;
	bool used;        /* messages go out here */
	bool good;        /* up, and receives from all that are received anywhere */
	bool held_down;   /* it failed and was not good for long enough since */
	uint64_t hold_ns; /* how long that is; 0: it never failed */
	uint64_t good_since_ns, failed_ns;
	uint64_t sent_messages, sent_bytes, recv_messages, recv_bytes;
};

/* What is known of a node: where it was received, and as which peer. */
struct link_node {
	uint32_t node;
	uint32_t peer[CTS_CONFIG_TRANSPORTS_MAX];
	uint64_t received_ns[CTS_CONFIG_TRANSPORTS_MAX];
};

struct cts_links {
	struct cts_loop *loop;           /* lent */
	struct cts_timer *timer;         /* owned */
	const struct cts_links_ops *ops; /* lent */
	void *ctx;
	uint64_t silence_ns;
	uint64_t probe_ns; /* when standby links get a message again */
	uint64_t switches, switched_ns;
	int active;   /* index, or -1: no link is up */
	bool several; /* more than one link is used */
	size_t n, n_nodes;
	struct link link[CTS_CONFIG_TRANSPORTS_MAX];
	struct link_node nodes[LINK_NODES_MAX];
};

static const char *link_device(const struct link *k, struct cts_transport_status *st)
{
	*st = (struct cts_transport_status){ .size = sizeof(*st) };
	if (k->ops->status)
		k->ops->status(k->priv, st);
	st->device[sizeof(st->device) - 1] = '\0';
	return st->device;
}

static bool link_is_up(const struct link *k)
{
	struct cts_transport_status st;

	link_device(k, &st);
	return !k->ops->status || st.up;
}

/* -- who is received where -- */

static struct link_node *find_node(struct cts_links *l, uint32_t node)
{
	for (size_t i = 0; i < l->n_nodes; i++)
		if (l->nodes[i].node == node)
			return &l->nodes[i];
	return NULL;
}

static bool received_on(const struct cts_links *l, const struct link_node *n, size_t link,
			uint64_t now)
{
	return n->received_ns[link] && now - n->received_ns[link] < l->silence_ns;
}

static bool received_anywhere(const struct cts_links *l, const struct link_node *n, uint64_t now)
{
	for (size_t i = 0; i < l->n; i++)
		if (received_on(l, n, i, now))
			return true;
	return false;
}

/* Is every node that any link receives received on this one, and at least one? */
static bool link_covers(const struct cts_links *l, size_t link, uint64_t now)
{
	bool any = false;

	for (size_t i = 0; i < l->n_nodes; i++) {
		if (!received_anywhere(l, &l->nodes[i], now))
			continue;
		if (!received_on(l, &l->nodes[i], link, now))
			return false;
		any = true;
	}
	return any;
}

static bool link_receives(const struct cts_links *l, size_t link, uint64_t now)
{
	for (size_t i = 0; i < l->n_nodes; i++)
		if (received_on(l, &l->nodes[i], link, now))
			return true;
	return false;
}

/* -- choosing -- */

static void link_hold(struct link *k, uint64_t least, uint64_t now)
{
	uint64_t hold = k->hold_ns * 2;

	/* Once it was right for long enough, the next time counts as the first. What it
	 * shows while it is held down belongs to the failure that holds it: silence is found
	 * later than the loss of what is sent. */
	if (now - k->failed_ns > k->hold_ns + LINK_HOLD_MAX_NS)
		hold = 0;
	else if (k->held_down)
		hold = k->hold_ns;
	k->hold_ns = hold > least ? hold : least;
	if (k->hold_ns > LINK_HOLD_MAX_NS)
		k->hold_ns = LINK_HOLD_MAX_NS;
	k->failed_ns = k->good_since_ns = now;
	k->held_down = true;
}

/* Is any node received on any link that is up? */
static bool anybody_received(const struct cts_links *l, uint64_t now)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->link[i].up && link_receives(l, i, now))
			return true;
	return false;
}

/* How good each link is now; only the one in use can fail. When nobody is received
 * any more, on no link, then that is no fault of a link that is up. */
static void links_judge(struct cts_links *l, uint64_t now)
{
	bool anybody = anybody_received(l, now);

	for (size_t i = 0; i < l->n; i++) {
		struct link *k = &l->link[i];
		bool good = k->up && link_covers(l, i, now);

		if (k->good && !good && (int)i == l->active && (!k->up || anybody))
			link_hold(k, LINK_HOLD_NS, now);
		if (good && !k->good)
			k->good_since_ns = now;
		k->good = good;
		if (k->held_down && good && now - k->good_since_ns >= k->hold_ns)
			k->held_down = false;
	}
}

/* The first good link; those that are held down only when no other is. */
static int choose_good(const struct cts_links *l)
{
	int second = -1;

	for (size_t i = 0; i < l->n; i++) {
		if (!l->link[i].good)
			continue;
		if (!l->link[i].held_down)
			return (int)i;
		if (second < 0)
			second = (int)i;
	}
	return second;
}

static int first_used(const struct cts_links *l)
{
	int second = -1;

	for (size_t i = 0; i < l->n; i++) {
		if (!l->link[i].used)
			continue;
		if (!l->link[i].held_down)
			return (int)i;
		if (second < 0)
			second = (int)i;
	}
	return second;
}

static void report_switch(struct cts_links *l, int to)
{
	struct cts_transport_status st;

	if (to < 0) {
		cts_warn("links: no link is up");
	} else {
		const struct link *k = &l->link[to];

		cts_info("links: %s (%s) carries the traffic%s", k->block->plugin,
			 link_device(k, &st), l->n > 1 && l->active >= 0 ? " now" : "");
	}
	if (l->active >= 0)
		l->switches++;
	l->active = to;
	l->switched_ns = cts_loop_now_ns(l->loop);
}

/* Which links messages go out on. When no single one reaches all nodes, all that
 * reach any are used; when nobody is received, all that are up: receivers drop what
 * comes twice. */
static void links_choose(struct cts_links *l)
{
	uint64_t now = cts_loop_now_ns(l->loop);
	int one, was = l->active;
	bool anybody = anybody_received(l, now);

	links_judge(l, now);
	one = choose_good(l);
	l->several = false;
	for (size_t i = 0; i < l->n; i++) {
		struct link *k = &l->link[i];

		k->used = one >= 0 ? (int)i == one
				   : k->up && (!anybody || link_receives(l, i, now));
		l->several |= k->used && one < 0;
	}
	if (one < 0) {
		/* How much it takes is how much the others get: it must be one in use. */
		one = was >= 0 && l->link[was].used ? was : first_used(l);
	}
	if (one != was) {
		report_switch(l, one);
		if (one >= 0)
			l->ops->writable(l->ctx);
	}
}

static void links_tick(void *ctx)
{
	struct cts_links *l = ctx;

	links_choose(l);
	cts_timer_arm_us(l->timer, l->silence_ns / 8000);
}

/* -- what transports call -- */

static uint64_t bytes_of(const struct iovec *msg, unsigned int n)
{
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < n; i++)
		bytes += msg[i].iov_len;
	return bytes;
}

static void host_deliver(void *ctx, uint32_t from, const struct iovec *msg, unsigned int n)
{
	struct link *k = ctx;

	k->recv_messages += n;
	k->recv_bytes += bytes_of(msg, n);
	k->links->ops->received(k->links->ctx, k->index, from, msg, n);
}

static void host_writable(void *ctx)
{
	struct link *k = ctx;

	if (k->used)
		k->links->ops->writable(k->links->ctx);
}

static void host_link_changed(void *ctx)
{
	struct link *k = ctx;
	struct cts_transport_status st;
	bool up = link_is_up(k);

	if (up != k->up) {
		const char *device = link_device(k, &st); /* fills st, so before it is read */

		cts_info("links: %s (%s) is %s", k->block->plugin, device,
			 up           ? "up"
			 : st.carrier ? "down"
				      : "without carrier");
		k->up = up;
	}
	links_choose(k->links);
}

static void host_peer_up(void *ctx, uint32_t peer)
{
	struct link *k = ctx;

	/* Which node it is will be known from its messages; so send the first one. */
	k->links->ops->announce(k->links->ctx);
}

static void host_peer_down(void *ctx, uint32_t peer)
{
	struct link *k = ctx;
	struct cts_links *l = k->links;
	uint64_t now = cts_loop_now_ns(l->loop);

	for (size_t i = 0; i < l->n_nodes; i++) {
		struct link_node *n = &l->nodes[i];

		if (n->peer[k->index] != peer || !n->received_ns[k->index])
			continue;
		n->received_ns[k->index] = 0;
		if (!received_anywhere(l, n, now))
			l->ops->node_down(l->ctx, n->node);
	}
	links_choose(l);
}

void cts_links_received(struct cts_links *l, unsigned int link, uint32_t peer, uint32_t node)
{
	uint64_t now = cts_loop_now_ns(l->loop);
	struct link_node *n = find_node(l, node);
	bool fresh;

	if (link >= l->n)
		return;
	if (!n) {
		if (l->n_nodes == LINK_NODES_MAX)
			return; /* it is answered through everybody */
		n = &l->nodes[l->n_nodes++];
		*n = (struct link_node){ .node = node };
	}
	fresh = !received_on(l, n, link, now);
	n->peer[link] = peer;
	n->received_ns[link] = now;
	if (fresh)
		links_choose(l);
}

void cts_links_peer(const struct cts_links *l, unsigned int link, uint32_t peer,
		    char buf[CTS_LINK_PEER_LEN])
{
	const struct link *k = link < l->n ? &l->link[link] : NULL;
	char name[CTS_LINK_PEER_LEN / 2];

	if (k && k->ops->peer_name && k->ops->peer_name(k->priv, peer, name, sizeof(name)) == 0)
		snprintf(buf, CTS_LINK_PEER_LEN, "%s (%s)", name, k->block->plugin);
	else
		snprintf(buf, CTS_LINK_PEER_LEN, "peer %u (%s)", peer,
			 k ? k->block->plugin : "link");
}

void cts_links_undelivered(struct cts_links *l)
{
	uint64_t now = cts_loop_now_ns(l->loop);
	struct cts_transport_status st;
	struct link *k;

	if (l->active < 0 || l->n < 2 || now - l->switched_ns < LINK_ATTRIBUTE_NS)
		return;
	k = &l->link[l->active];
	link_hold(k, LINK_HOLD_ONE_WAY_NS, now);
	cts_warn("links: %s (%s): what is sent does not arrive; it is used last for %u s",
		 k->block->plugin, link_device(k, &st), (unsigned int)(k->hold_ns / 1000000000u));
	links_choose(l);
}

/* -- sending -- */

static int link_send(struct cts_links *l, struct link *k, const struct iovec *msg, unsigned int n,
		     uint32_t node)
{
	uint32_t to = CTS_PEER_ALL;
	int taken;

	if (node && k->ops->caps & CTS_CAP_ADDRESSED) {
		const struct link_node *ln = find_node(l, node);

		if (ln && ln->received_ns[k->index])
			to = ln->peer[k->index];
	}
	taken = k->ops->send(k->priv, msg, n, to);
	if (taken > 0) {
		k->sent_messages += (unsigned int)taken;
		k->sent_bytes += bytes_of(msg, (unsigned int)taken);
	}
	return taken;
}

/* One message on each link that stands by: who receives it knows that the link works. */
static void probe_standby(struct cts_links *l, const struct iovec *msg, uint32_t node)
{
	uint64_t now = cts_loop_now_ns(l->loop);

	if (now < l->probe_ns)
		return;
	l->probe_ns = now + l->silence_ns / 4;
	for (size_t i = 0; i < l->n; i++)
		if (l->link[i].up && !l->link[i].used)
			link_send(l, &l->link[i], msg, 1, node);
}

int cts_links_send(struct cts_links *l, const struct iovec *msg, unsigned int n, uint32_t node)
{
	int ret;

	if (l->active < 0) {
		errno = EAGAIN; /* nothing is lost: writable() comes with the first link */
		return -1;
	}
	ret = link_send(l, &l->link[l->active], msg, n, node);
	if (l->n == 1)
		return ret;
	/* Others get what the active one took, as far as they have room: they are
	 * in use only while it is not clear which one works. */
	if (l->several && ret > 0)
		for (size_t i = 0; i < l->n; i++)
			if (l->link[i].used && (int)i != l->active)
				link_send(l, &l->link[i], msg, (unsigned int)ret, node);
	if (n > 0)
		probe_standby(l, msg, node);
	return ret;
}

size_t cts_links_max_message(const struct cts_links *l)
{
	size_t up = 0, all = 0;

	for (size_t i = 0; i < l->n; i++) {
		size_t m = l->link[i].ops->max_message(l->link[i].priv);

		if (!all || m < all)
			all = m;
		if (l->link[i].up && (!up || m < up))
			up = m;
	}
	/* None is up yet, as with connections at the start: what all of them carry. */
	return up ? up : all ? all : LINK_MESSAGE_MIN;
}

/* -- making -- */

static int link_open(struct cts_links *l, size_t i, const struct cts_config_block *block)
{
	struct link *k = &l->link[i];

	*k = (struct link){
		.links = l,
		.index = (unsigned int)i,
		.block = block,
		.ops = block->ops,
		.host = {
			.size = sizeof(k->host),
			.ctx = k,
			.loop = l->loop,
			.deliver = host_deliver,
			.peer_up = host_peer_up,
			.peer_down = host_peer_down,
			.writable = host_writable,
			.link_changed = host_link_changed,
		},
	};
	k->priv = k->ops->create(block->options, &k->host);
	if (!k->priv)
		return -1;
	l->n++;
	k->up = link_is_up(k);
	return 0;
}

struct cts_links *cts_links_create(struct cts_loop *loop, const struct cts_config_block *blocks,
				   size_t n, unsigned int silence_ms,
				   const struct cts_links_ops *ops, void *ctx)
{
	struct cts_links *l = calloc(1, sizeof(*l));
	int saved;

	if (!l)
		return NULL;
	l->loop = loop;
	l->ops = ops;
	l->ctx = ctx;
	l->active = -1;
	l->silence_ns = (uint64_t)silence_ms * 1000000u;
	l->timer = cts_timer_create(loop, links_tick, l);
	if (!l->timer)
		goto err;
	for (size_t i = 0; i < n && i < CTS_CONFIG_TRANSPORTS_MAX; i++)
		if (link_open(l, i, &blocks[i]) < 0)
			goto err;
	/* The first choice comes with the first turn: nobody may be called yet. */
	if (cts_timer_arm_us(l->timer, 0) < 0)
		goto err;
	return l;
err:
	saved = errno;
	cts_links_destroy(l);
	errno = saved;
	return NULL;
}

void cts_links_destroy(struct cts_links *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++)
		l->link[i].ops->destroy(l->link[i].priv);
	cts_timer_destroy(l->timer);
	free(l);
}

/* -- what others ask -- */

size_t cts_links_count(const struct cts_links *l)
{
	return l->n;
}

void cts_links_info(const struct cts_links *l, size_t link, struct cts_link_info *info)
{
	const struct link *k = &l->link[link];

	info->plugin = k->block->plugin;
	info->active = (int)link == l->active;
	info->received = link_receives(l, link, cts_loop_now_ns(l->loop));
	info->sent_messages = k->sent_messages;
	info->sent_bytes = k->sent_bytes;
	info->recv_messages = k->recv_messages;
	info->recv_bytes = k->recv_bytes;
	link_device(k, &info->status);
	info->status.up = k->up;
}

unsigned int cts_links_own_flows(const struct cts_links *l, struct cts_flow_pattern *p,
				 unsigned int max)
{
	unsigned int n = 0;

	for (size_t i = 0; i < l->n; i++)
		if (l->link[i].ops->own_flows)
			n += l->link[i].ops->own_flows(l->link[i].priv, p + n, max - n);
	return n;
}

bool cts_links_membership(const struct cts_links *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (!(l->link[i].ops->caps & CTS_CAP_MEMBERSHIP))
			return false;
	return l->n > 0;
}

uint64_t cts_links_switches(const struct cts_links *l)
{
	return l->switches;
}
