/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tcp: one connection to each of a list of peers. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <ctsync/log.h>
#include <ctsync/transport.h>

#include "plugins/transport/rtlink.h"
#include "plugins/transport/tcp_listen.h"
#include "plugins/transport/tcp_peer.h"

#define TCP_PEERS_MAX 16u
#define TCP_MESSAGE 16384u /* larger ones save nothing more */
#define TCP_BEHIND_NS UINT64_C(1000000000)
#define TCP_BEHIND_LOOK_US 250000u

static int check_peer(const char *value, char *why, size_t size)
{
	uint8_t addr[sizeof(struct in6_addr)];
	size_t len = strlen(value);

	if (inet_pton(AF_INET, value, addr) == 1 || inet_pton(AF_INET6, value, addr) == 1)
		return 0;
	if (len && len <= 253 &&
	    strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			  "0123456789.-_") == len)
		return 0;
	snprintf(why, size, "is no peer, allowed: an address or a host name");
	return -1;
}

static const struct cts_option tcp_options[] = {
	{ .name = "address",
	  .type = CTS_OPT_ADDRESS,
	  .flags = CTS_OPT_REQUIRED,
	  .help = "this node's address on the link" },
	{ .name = "port",
	  .type = CTS_OPT_INT,
	  .min = 1,
	  .max = 65535,
	  .def = "3780",
	  .help = "TCP port, the same on all nodes" },
	{ .name = "peers",
	  .type = CTS_OPT_LIST,
	  .flags = CTS_OPT_REQUIRED,
	  .max = TCP_PEERS_MAX,
	  .check = check_peer,
	  .help = "the other nodes' addresses or names, of the same family" },
	{ .name = "interface",
	  .type = CTS_OPT_INTERFACE,
	  .help = "device to connect through and accept from; else the one that has address" },
	{ .name = "send_buffer",
	  .type = CTS_OPT_INT,
	  .min = 131072,
	  .max = 1073741823,
	  .def = "1048576",
	  .help = "bytes that may wait for each peer" },
	{ .name = "receive_buffer",
	  .type = CTS_OPT_INT,
	  .min = 4096,
	  .max = 1073741823,
	  .def = "1048576",
	  .help = "bytes that may wait for the daemon, from each peer" },
	{ .name = NULL },
};

struct peer {
	struct tcp_peer *peer; /* owned */
	uint64_t full_ns;      /* since when it has no room for what waits; 0: it has */
};

struct tcp {
	const struct cts_transport_host *host; /* lent */
	const struct cts_options *opt;         /* lent */
	union net_addr local;
	uint16_t port;
	uint64_t life; /* random: tells this instance from any other */
	char device[IFNAMSIZ];
	struct rtlink *link;       /* owned; NULL: no device */
	struct tcp_listen *listen; /* owned */
	struct cts_timer *behind;  /* owned: looks for peers that hold up the others */
	struct peer peers[TCP_PEERS_MAX];
	unsigned int n_peers, n_up;
	bool blocked; /* send() took less than all: writable() is owed */
	uint64_t sent_errors, recv_errors, refused;
};

static struct tcp_conn *conn_of(const struct tcp *t, unsigned int i)
{
	return tcp_peer_conn(t->peers[i].peer);
}

/* -- sending -- */

static void unblock(struct tcp *t)
{
	if (!t->blocked)
		return;
	for (unsigned int i = 0; i < t->n_peers; i++)
		if (t->peers[i].full_ns)
			return;
	t->blocked = false;
	t->host->writable(t->host->ctx);
}

/* How many of the messages fit into each of the buffers. */
static unsigned int fitting(const struct tcp *t, const unsigned int *to, unsigned int n_to,
			    const struct iovec *msg, unsigned int n)
{
	size_t room = SIZE_MAX;
	unsigned int fit;

	for (unsigned int i = 0; i < n_to; i++) {
		size_t r = tcp_conn_room(conn_of(t, to[i]));

		room = r < room ? r : room;
	}
	for (fit = 0; fit < n && msg[fit].iov_len + TCP_FRAME_HEADER <= room; fit++)
		room -= msg[fit].iov_len + TCP_FRAME_HEADER;
	return fit;
}

static void pass_on(struct tcp *t, const unsigned int *to, unsigned int n_to,
		    const struct iovec *msg, unsigned int n)
{
	for (unsigned int i = 0; i < n_to; i++) {
		struct tcp_conn *c = conn_of(t, to[i]);

		for (unsigned int k = 0; k < n; k++)
			tcp_conn_put(c, &msg[k]);
		tcp_conn_flush(c);
	}
}

/* This message did not fit: who has no room for it calls back. */
static void set_blocked(struct tcp *t, const unsigned int *to, unsigned int n_to, size_t len)
{
	t->blocked = true;
	for (unsigned int i = 0; i < n_to; i++) {
		struct peer *p = &t->peers[to[i]];
		struct tcp_conn *c = tcp_peer_conn(p->peer);

		if (tcp_conn_room(c) >= len + TCP_FRAME_HEADER || p->full_ns)
			continue;
		p->full_ns = cts_loop_now_ns(t->host->loop);
		tcp_conn_want_room(c);
		if (t->n_up > 1)
			cts_timer_arm_us(t->behind, TCP_BEHIND_LOOK_US);
	}
}

static unsigned int receivers(const struct tcp *t, uint32_t to, unsigned int *list)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < t->n_peers; i++)
		if ((to == CTS_PEER_ALL || to == i + 1) && conn_of(t, i))
			list[n++] = i;
	return n;
}

static bool sendable(const struct iovec *msg, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (!msg[i].iov_len || msg[i].iov_len > TCP_FRAME_MAX)
			return false;
	return true;
}

static int tcp_send(void *priv, const struct iovec *msg, unsigned int n, uint32_t to)
{
	struct tcp *t = priv;
	unsigned int list[TCP_PEERS_MAX], taken = 0, fit, n_to = receivers(t, to, list);

	if (to > t->n_peers || !sendable(msg, n)) {
		errno = to > t->n_peers ? EINVAL : EMSGSIZE;
		return -1;
	}
	if (!n_to) {
		t->sent_errors++;
		errno = ENOTCONN;
		return -1;
	}
	while (taken < n && (fit = fitting(t, list, n_to, msg + taken, n - taken))) {
		pass_on(t, list, n_to, msg + taken, fit);
		taken += fit;
	}
	if (taken < n)
		set_blocked(t, list, n_to, msg[taken].iov_len);
	if (!taken && n) {
		errno = EAGAIN;
		return -1;
	}
	return (int)taken;
}

/* -- peers -- */

static void peer_up(void *ctx, uint32_t number)
{
	struct tcp *t = ctx;

	t->n_up++;
	t->host->peer_up(t->host->ctx, number);
	cts_transport_link_changed(t->host);
}

static void peer_down(void *ctx, uint32_t number)
{
	struct tcp *t = ctx;

	t->n_up--;
	t->peers[number - 1].full_ns = 0;
	t->host->peer_down(t->host->ctx, number);
	cts_transport_link_changed(t->host);
	unblock(t);
}

static void peer_messages(void *ctx, uint32_t number, const struct iovec *msg, unsigned int n)
{
	struct tcp *t = ctx;

	t->host->deliver(t->host->ctx, number, msg, n);
}

static void peer_room(void *ctx, uint32_t number)
{
	struct tcp *t = ctx;

	t->peers[number - 1].full_ns = 0;
	unblock(t);
}

static void peer_damaged(void *ctx, uint32_t number)
{
	((struct tcp *)ctx)->recv_errors++;
}

static unsigned int ifindex_now(void *ctx)
{
	const struct tcp *t = ctx;

	return t->link ? rtlink_state(t->link)->ifindex : 0;
}

/* Who takes nothing while others wait is cut off: it joins again when it is able to. */
static void look_behind(void *ctx)
{
	struct tcp *t = ctx;
	uint64_t now = cts_loop_now_ns(t->host->loop);
	unsigned int i, full = 0;

	for (i = 0; i < t->n_peers; i++)
		full += t->peers[i].full_ns != 0;
	for (i = 0; i < t->n_peers && full && full < t->n_up; i++) {
		if (!t->peers[i].full_ns || now - t->peers[i].full_ns < TCP_BEHIND_NS)
			continue;
		tcp_peer_cut(t->peers[i].peer, "it does not take what is sent and holds up others");
		full--;
	}
	if (full)
		cts_timer_arm_us(t->behind, TCP_BEHIND_LOOK_US);
}

static int create_peer(struct tcp *t, unsigned int i)
{
	const struct tcp_peer_conf conf = {
		.text = cts_options_item(t->opt, "peers", i),
		.number = i + 1,
		.port = t->port,
		.life = t->life,
		.conn = {
			.loop = t->host->loop,
			.device = t->device[0] ? t->device : NULL,
			.local = &t->local,
			.send_buffer = (int)cts_options_int(t->opt, "send_buffer"),
			.receive_buffer = (int)cts_options_int(t->opt, "receive_buffer"),
		},
		.ctx = t,
		.ifindex = ifindex_now,
		.up = peer_up,
		.down = peer_down,
		.messages = peer_messages,
		.room = peer_room,
		.damaged = peer_damaged,
	};

	t->peers[i].peer = tcp_peer_create(&conf);
	return t->peers[i].peer ? 0 : -1;
}

/* -- the device -- */

static void arrived(void *ctx, int fd, const union net_addr *from)
{
	struct tcp *t = ctx;

	for (unsigned int i = 0; i < t->n_peers; i++)
		if (tcp_peer_is(t->peers[i].peer, from)) {
			tcp_peer_accept(t->peers[i].peer, fd);
			return;
		}
	t->refused++;
	close(fd);
}

static void set_local(struct tcp *t)
{
	net_addr_set(&t->local, cts_options_string(t->opt, "address"), 0, ifindex_now(t));
}

static void device_changed(void *ctx)
{
	struct tcp *t = ctx;

	set_local(t);
	tcp_listen_device_changed(t->listen);
	cts_transport_link_changed(t->host);
}

static int listen_at(struct tcp *t)
{
	const struct tcp_listen_conf conf = {
		.loop = t->host->loop,
		.device = t->device[0] ? t->device : NULL,
		.address = cts_options_string(t->opt, "address"),
		.port = t->port,
		.receive_buffer = (int)cts_options_int(t->opt, "receive_buffer"),
		.ctx = t,
		.ifindex = ifindex_now,
		.accepted = arrived,
	};

	t->listen = tcp_listen_create(&conf);
	return t->listen ? 0 : -1;
}

/* -- making -- */

static void tcp_destroy(void *priv)
{
	struct tcp *t = priv;

	for (unsigned int i = 0; i < t->n_peers; i++)
		tcp_peer_destroy(t->peers[i].peer);
	tcp_listen_destroy(t->listen);
	rtlink_destroy(t->link);
	cts_timer_destroy(t->behind);
	free(t);
}

static bool peers_are_right(const struct tcp *t)
{
	uint8_t addr[sizeof(struct in6_addr)];
	bool v4 = t->local.sa.sa_family == AF_INET;

	for (unsigned int i = 0; i < t->n_peers; i++) {
		const char *text = cts_options_item(t->opt, "peers", i);

		if (inet_pton(v4 ? AF_INET6 : AF_INET, text, addr) == 1) {
			cts_options_error(
				t->opt, "peers", (int)i,
				"is of another family than address, allowed: %s addresses",
				v4 ? "IPv4" : "IPv6");
			return false;
		}
		if (!strcmp(text, cts_options_string(t->opt, "address"))) {
			cts_options_error(t->opt, "peers", (int)i, "is this node's own address");
			return false;
		}
		for (unsigned int k = 0; k < i; k++)
			if (!strcmp(text, cts_options_item(t->opt, "peers", k))) {
				cts_options_error(t->opt, "peers", (int)i, "stands there twice");
				return false;
			}
	}
	return true;
}

static int find_device(struct tcp *t)
{
	const char *name = cts_options_string(t->opt, "interface");

	if (name)
		memcpy(t->device, name, strnlen(name, sizeof(t->device) - 1));
	else if (!net_find_device(&t->local, t->device))
		return 0;
	t->link = rtlink_create(t->host->loop, t->device, device_changed, t);
	return t->link ? 0 : -1;
}

static int open_all(struct tcp *t)
{
	t->behind = cts_timer_create(t->host->loop, look_behind, t);
	if (!t->behind || find_device(t) < 0)
		return -1;
	set_local(t);
	if (listen_at(t) < 0)
		return -1;
	for (unsigned int i = 0; i < t->n_peers; i++)
		if (create_peer(t, i) < 0)
			return -1;
	return 0;
}

static void *tcp_create(const struct cts_options *opt, const struct cts_transport_host *host)
{
	struct tcp *t = calloc(1, sizeof(*t));
	int saved = EINVAL;

	if (!t)
		return NULL;
	t->opt = opt;
	t->host = host;
	t->port = (uint16_t)cts_options_int(opt, "port");
	t->n_peers = (unsigned int)cts_options_count(opt, "peers");
	net_addr_set(&t->local, cts_options_string(opt, "address"), 0, 0);
	if (!peers_are_right(t))
		goto err;
	if (getrandom(&t->life, sizeof(t->life), 0) != sizeof(t->life) || open_all(t) < 0) {
		saved = errno;
		cts_err("tcp: %s: cannot open: %s", t->device, strerror(saved));
		goto err;
	}
	return t;
err:
	tcp_destroy(t);
	errno = saved;
	return NULL;
}

/* -- what others ask -- */

static size_t tcp_max_message(void *priv)
{
	return TCP_MESSAGE;
}

static void tcp_status(void *priv, struct cts_transport_status *st)
{
	const struct tcp *t = priv;
	struct cts_transport_status s = { .size = st->size, .up = t->n_up > 0, .carrier = true };

	memcpy(s.device, t->device, sizeof(t->device));
	if (t->link) {
		const struct rtlink_state *l = rtlink_state(t->link);

		s.up = s.up && l->up && l->running;
		s.carrier = !l->up || l->running;
	}
	s.sent_errors = t->sent_errors;
	s.recv_errors = t->recv_errors;
	s.refused = t->refused;
	memcpy(st, &s, st->size < sizeof(s) ? st->size : sizeof(s));
}

/* Peers may be names: all that comes to or leaves for the port is ours. */
static unsigned int tcp_own_flows(void *priv, struct cts_flow_pattern *tuple, unsigned int max)
{
	const struct tcp *t = priv;

	if (max < 2)
		return 0;
	memset(tuple, 0, 2 * sizeof(*tuple));
	net_addr_tuple(&t->local, &tuple[0].src, &tuple[0].family);
	net_addr_tuple(&t->local, &tuple[1].dst, &tuple[1].family);
	tuple[0].proto = tuple[1].proto = IPPROTO_TCP;
	tuple[0].dport = tuple[1].dport = htons(t->port);
	return 2;
}

static int tcp_peer_name(void *priv, uint32_t peer, char *buf, size_t size)
{
	const struct tcp *t = priv;

	if (!peer || peer > t->n_peers)
		return -1;
	snprintf(buf, size, "%s", cts_options_item(t->opt, "peers", peer - 1));
	return 0;
}

const struct cts_transport_ops tcp_LTX_cts_plugin = {
	.plugin = CTS_PLUGIN(CTS_KIND_TRANSPORT, struct cts_transport_ops, "tcp", PACKAGE_VERSION,
			     "a connection to each of a list of peers", tcp_options),
	/* Not membership: a peer that is stopped keeps its connection. */
	.caps = CTS_CAP_RELIABLE | CTS_CAP_ORDERED | CTS_CAP_ADDRESSED,
	.create = tcp_create,
	.destroy = tcp_destroy,
	.send = tcp_send,
	.max_message = tcp_max_message,
	.status = tcp_status,
	.own_flows = tcp_own_flows,
	.peer_name = tcp_peer_name,
};
