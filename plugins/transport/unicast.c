/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ctsync/log.h>

#include "plugins/transport/dgram.h"
#include "plugins/transport/unicast.h"

struct unicast {
	struct dgram *dgram; /* owned */
	union net_addr local;
	union net_addr peers[UNICAST_PEERS_MAX];
	unsigned int n_peers;
	uint16_t port;
	const struct cts_options *opt; /* lent */
};

/* Link-local addresses need the device's number, which may change. */
static void resolve(struct unicast *u, unsigned int ifindex)
{
	net_addr_set(&u->local, cts_options_string(u->opt, "address"), u->port, ifindex);
	for (unsigned int i = 0; i < u->n_peers; i++)
		net_addr_set(&u->peers[i], cts_options_item(u->opt, "peers", i), u->port, ifindex);
}

static int socket_setup(void *ctx, int fd, unsigned int ifindex)
{
	struct unicast *u = ctx;

	resolve(u, ifindex);
	return bind(fd, &u->local.sa, net_addr_len(&u->local));
}

static uint32_t peer_of(void *ctx, const union net_addr *from)
{
	const struct unicast *u = ctx;

	for (unsigned int i = 0; i < u->n_peers; i++)
		if (net_addr_equal(&u->peers[i], from))
			return i + 1;
	return 0;
}

static bool families_agree(const struct unicast *u)
{
	for (unsigned int i = 0; i < u->n_peers; i++) {
		if (u->peers[i].sa.sa_family == u->local.sa.sa_family)
			continue;
		cts_options_error(u->opt, "peers", (int)i,
				  "is of another family than address, allowed: %s addresses",
				  u->local.sa.sa_family == AF_INET ? "IPv4" : "IPv6");
		errno = EINVAL;
		return false;
	}
	return true;
}

void unicast_destroy(void *priv)
{
	struct unicast *u = priv;

	if (!u)
		return;
	dgram_destroy(u->dgram);
	free(u);
}

void *unicast_create(const char *name, const struct cts_options *opt,
		     const struct cts_transport_host *host)
{
	struct unicast *u = calloc(1, sizeof(*u));
	char device[IFNAMSIZ] = "";
	struct dgram_conf conf;
	int saved;

	if (!u)
		return NULL;
	u->opt = opt;
	u->port = (uint16_t)cts_options_int(opt, "port");
	u->n_peers = (unsigned int)cts_options_count(opt, "peers");
	resolve(u, 0);
	conf = (struct dgram_conf){
		.name = name,
		.device = cts_options_string(opt, "interface"),
		.family = u->local.sa.sa_family,
		.send_buffer = (int)cts_options_int(opt, "send_buffer"),
		.receive_buffer = (int)cts_options_int(opt, "receive_buffer"),
		.ctx = u,
		.setup = socket_setup,
		.peer_of = peer_of,
	};
	if (!conf.device && net_find_device(&u->local, device))
		conf.device = device;
	if (!families_agree(u))
		goto err;
	u->dgram = dgram_create(&conf, host);
	if (!u->dgram)
		goto err;
	return u;
err:
	saved = errno;
	unicast_destroy(u);
	errno = saved;
	return NULL;
}

int unicast_send(void *priv, const struct iovec *msg, unsigned int n, uint32_t to)
{
	struct unicast *u = priv;

	if (to == CTS_PEER_ALL)
		return dgram_send(u->dgram, msg, n, u->peers, u->n_peers);
	if (to > u->n_peers) {
		errno = EINVAL;
		return -1;
	}
	return dgram_send(u->dgram, msg, n, &u->peers[to - 1], 1);
}

size_t unicast_max_message(void *priv)
{
	const struct unicast *u = priv;

	return dgram_max_message(u->dgram);
}

void unicast_status(void *priv, struct cts_transport_status *st)
{
	struct unicast *u = priv;

	dgram_status(u->dgram, st);
}

unsigned int unicast_own_flows(void *priv, struct cts_flow_pattern *t, unsigned int max)
{
	const struct unicast *u = priv;
	unsigned int n = 0;

	for (unsigned int i = 0; i < u->n_peers && n + 2 <= max; i++, n += 2) {
		struct cts_flow_pattern *out = &t[n], *in = &t[n + 1];

		memset(out, 0, 2 * sizeof(*out));
		net_addr_tuple(&u->local, &out->src, &out->family);
		net_addr_tuple(&u->peers[i], &out->dst, &out->family);
		net_addr_tuple(&u->peers[i], &in->src, &in->family);
		net_addr_tuple(&u->local, &in->dst, &in->family);
		out->proto = in->proto = IPPROTO_UDP;
		out->dport = in->dport = htons(u->port);
	}
	return n;
}

int unicast_peer_name(void *priv, uint32_t peer, char *buf, size_t size)
{
	const struct unicast *u = priv;

	if (!peer || peer > u->n_peers)
		return -1;
	snprintf(buf, size, "%s", cts_options_item(u->opt, "peers", peer - 1));
	return 0;
}

unsigned int unicast_peers(const void *priv)
{
	const struct unicast *u = priv;

	return u->n_peers;
}
