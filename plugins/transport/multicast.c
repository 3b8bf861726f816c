/* SPDX-License-Identifier: GPL-2.0-or-later */
/* multicast: one datagram reaches all nodes on a link. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ctsync/log.h>

#include "plugins/transport/dgram.h"

#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29 /* since Linux 4.20; older C libraries lack it */
#endif

static bool is_multicast(const union net_addr *a)
{
	return a->sa.sa_family == AF_INET ? IN_MULTICAST(ntohl(a->in.sin_addr.s_addr))
					  : IN6_IS_ADDR_MULTICAST(&a->in6.sin6_addr);
}

static int check_group(const char *value, char *why, size_t size)
{
	union net_addr a;

	net_addr_set(&a, value, 0, 0);
	if (is_multicast(&a))
		return 0;
	snprintf(why, size, "\"%.64s\" is no multicast address, allowed: 224.0.0.0/4 and ff00::/8",
		 value);
	return -1;
}

static const struct cts_option multicast_options[] = {
	{ .name = "group",
	  .type = CTS_OPT_ADDRESS,
	  .flags = CTS_OPT_REQUIRED,
	  .check = check_group,
	  .help = "multicast group, IPv4 or IPv6" },
	{ .name = "port",
	  .type = CTS_OPT_INT,
	  .min = 1,
	  .max = 65535,
	  .def = "3780",
	  .help = "UDP port, the same on all nodes" },
	{ .name = "interface",
	  .type = CTS_OPT_INTERFACE,
	  .flags = CTS_OPT_REQUIRED,
	  .help = "device to send on and accept from" },
	{ .name = "ttl",
	  .type = CTS_OPT_INT,
	  .min = 1,
	  .max = 255,
	  .def = "1",
	  .help = "routers that a datagram may pass, plus one" },
	{ .name = "send_buffer",
	  .type = CTS_OPT_INT,
	  .min = 4096,
	  .max = 1073741823,
	  .def = "1048576",
	  .help = "bytes that may wait for the device" },
	{ .name = "receive_buffer",
	  .type = CTS_OPT_INT,
	  .min = 4096,
	  .max = 1073741823,
	  .def = "8388608",
	  .help = "bytes that may wait for the daemon" },
	{ .name = NULL },
};

#define SENDERS 16u /* of IPv6 whose addresses are kept, for messages */

struct multicast {
	struct dgram *dgram; /* owned */
	union net_addr group;
	int ttl;
	struct in6_addr sender[SENDERS]; /* by peer number */
};

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

static int setup_v4(struct multicast *m, int fd, unsigned int ifindex)
{
	struct ip_mreqn mreq = {
		.imr_multiaddr = m->group.in.sin_addr,
		.imr_ifindex = (int)ifindex,
	};

	if (set_int(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0) < 0 ||
	    set_int(fd, IPPROTO_IP, IP_MULTICAST_LOOP, 0) < 0 ||
	    set_int(fd, IPPROTO_IP, IP_MULTICAST_TTL, m->ttl) < 0 ||
	    setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &mreq, sizeof(mreq)) < 0)
		return -1;
	return setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mreq, sizeof(mreq));
}

static int setup_v6(struct multicast *m, int fd, unsigned int ifindex)
{
	struct ipv6_mreq mreq = {
		.ipv6mr_multiaddr = m->group.in6.sin6_addr,
		.ipv6mr_interface = ifindex,
	};

	m->group.in6.sin6_scope_id = ifindex;
	set_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0); /* bound to the group anyhow */
	if (set_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0) < 0 ||
	    set_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, m->ttl) < 0 ||
	    set_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, (int)ifindex) < 0)
		return -1;
	return setsockopt(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &mreq, sizeof(mreq));
}

static int multicast_setup(void *ctx, int fd, unsigned int ifindex)
{
	struct multicast *m = ctx;
	bool v4 = m->group.sa.sa_family == AF_INET;

	/* Several daemons of one machine may share a group and port. */
	if (set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0 ||
	    (v4 ? setup_v4(m, fd, ifindex) : setup_v6(m, fd, ifindex)) < 0)
		return -1;
	return bind(fd, &m->group.sa, net_addr_len(&m->group));
}

/* Peers are not configured: the address itself makes the number, so that no
 * table can be filled by made-up senders. */
static uint32_t number_of(const struct in6_addr *addr)
{
	const uint32_t *w = (const uint32_t *)addr;
	uint32_t n = w[0] ^ w[1] * 0x9e3779b1u ^ w[2] * 0x85ebca77u ^ w[3] * 0xc2b2ae3du;

	return n ? n : 1;
}

static uint32_t multicast_peer_of(void *ctx, const union net_addr *from)
{
	struct multicast *m = ctx;
	uint32_t n;

	if (from->in.sin_port != m->group.in.sin_port)
		return 0;
	if (from->sa.sa_family == AF_INET)
		return ntohl(from->in.sin_addr.s_addr);
	n = number_of(&from->in6.sin6_addr);
	m->sender[n % SENDERS] = from->in6.sin6_addr;
	return n;
}

static void multicast_destroy(void *priv)
{
	struct multicast *m = priv;

	dgram_destroy(m->dgram);
	free(m);
}

static void *multicast_create(const struct cts_options *opt, const struct cts_transport_host *host)
{
	struct multicast *m = calloc(1, sizeof(*m));
	struct dgram_conf conf;
	int saved;

	if (!m)
		return NULL;
	m->ttl = (int)cts_options_int(opt, "ttl");
	net_addr_set(&m->group, cts_options_string(opt, "group"),
		     (uint16_t)cts_options_int(opt, "port"), 0);
	conf = (struct dgram_conf){
		.name = "multicast",
		.device = cts_options_string(opt, "interface"),
		.family = m->group.sa.sa_family,
		.send_buffer = (int)cts_options_int(opt, "send_buffer"),
		.receive_buffer = (int)cts_options_int(opt, "receive_buffer"),
		.ctx = m,
		.setup = multicast_setup,
		.peer_of = multicast_peer_of,
	};
	m->dgram = dgram_create(&conf, host);
	if (!m->dgram) {
		saved = errno;
		multicast_destroy(m);
		errno = saved;
		return NULL;
	}
	return m;
}

static int multicast_send(void *priv, const struct iovec *msg, unsigned int n, uint32_t to)
{
	struct multicast *m = priv;

	return dgram_send(m->dgram, msg, n, &m->group, 1);
}

static size_t multicast_max_message(void *priv)
{
	const struct multicast *m = priv;

	return dgram_max_message(m->dgram);
}

static void multicast_status(void *priv, struct cts_transport_status *st)
{
	struct multicast *m = priv;

	dgram_status(m->dgram, st);
}

static unsigned int multicast_own_flows(void *priv, struct cts_flow_pattern *t, unsigned int max)
{
	const struct multicast *m = priv;

	if (!max)
		return 0;
	memset(t, 0, sizeof(*t));
	net_addr_tuple(&m->group, &t->dst, &t->family);
	t->proto = IPPROTO_UDP;
	t->dport = m->group.in.sin_port;
	return 1;
}

static int multicast_peer_name(void *priv, uint32_t peer, char *buf, size_t size)
{
	const struct multicast *m = priv;
	const struct in6_addr *v6 = &m->sender[peer % SENDERS];
	struct in_addr v4 = { .s_addr = htonl(peer) };

	if (m->group.sa.sa_family == AF_INET)
		return inet_ntop(AF_INET, &v4, buf, (socklen_t)size) ? 0 : -1;
	/* another sender may have come to its place */
	if (number_of(v6) != peer)
		return -1;
	return inet_ntop(AF_INET6, v6, buf, (socklen_t)size) ? 0 : -1;
}

const struct cts_transport_ops multicast_LTX_cts_plugin = {
	.plugin = CTS_PLUGIN(CTS_KIND_TRANSPORT, struct cts_transport_ops, "multicast",
			     PACKAGE_VERSION, "one datagram reaches all nodes on a link",
			     multicast_options),
	.create = multicast_create,
	.destroy = multicast_destroy,
	.send = multicast_send,
	.max_message = multicast_max_message,
	.status = multicast_status,
	.own_flows = multicast_own_flows,
	.peer_name = multicast_peer_name,
};
