/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <ifaddrs.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <ctsync/log.h>

#include "core/node/local_addrs.h"

#define LOCAL_MAX 4096u   /* addresses; more are left out, with a warning */
#define MESSAGE_MAX 8192u /* what changed is not looked at: it may be cut off */
#define GATHER_US 20000u  /* changes come in flocks */

struct cts_node_local_addrs {
	struct mnl_socket *nl;   /* owned */
	struct cts_watch *watch; /* owned */
	struct cts_timer *timer; /* owned */
	void (*changed)(void *ctx, const struct cts_address *list, size_t n);
	void *ctx;
};

static bool take_address(const struct ifaddrs *i, struct cts_address *a)
{
	if (!i->ifa_addr)
		return false;
	memset(a, 0, sizeof(*a));
	a->family = i->ifa_addr->sa_family;
	if (a->family == AF_INET)
		a->addr.v4 = ((const struct sockaddr_in *)i->ifa_addr)->sin_addr.s_addr;
	else if (a->family == AF_INET6)
		memcpy(a->addr.v6, &((const struct sockaddr_in6 *)i->ifa_addr)->sin6_addr, 16);
	else
		return false;
	return true;
}

static void read_addresses(void *ctx)
{
	struct cts_address *list = calloc(LOCAL_MAX, sizeof(*list));
	struct cts_node_local_addrs *la = ctx;
	struct ifaddrs *all, *i;
	size_t n = 0;

	if (!list || getifaddrs(&all) < 0) {
		cts_warn("local addresses: cannot be read: %s", strerror(errno));
		free(list);
		return;
	}
	for (i = all; i && n < LOCAL_MAX; i = i->ifa_next)
		n += take_address(i, &list[n]);
	if (i)
		cts_warn("local addresses: more than %u: the rest is ignored", LOCAL_MAX);
	freeifaddrs(all);
	la->changed(la->ctx, list, n);
	free(list);
}

/* Whatever it says, and if some of it got lost (ENOBUFS): all are read again. */
static void address_changed(void *ctx, unsigned int flags)
{
	struct cts_node_local_addrs *la = ctx;
	char buf[MESSAGE_MAX];

	while (mnl_socket_recvfrom(la->nl, buf, sizeof(buf)) >= 0 || errno == ENOSPC)
		;
	cts_timer_arm_us(la->timer, GATHER_US);
}

struct cts_node_local_addrs *
cts_node_local_addrs_create(struct cts_loop *loop,
			    void (*changed)(void *ctx, const struct cts_address *list, size_t n),
			    void *ctx)
{
	struct cts_node_local_addrs *la = calloc(1, sizeof(*la));
	int saved;

	if (!la)
		return NULL;
	la->changed = changed;
	la->ctx = ctx;
	la->nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!la->nl || mnl_socket_bind(la->nl, RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
				       MNL_SOCKET_AUTOPID) < 0)
		goto err;
	la->timer = cts_timer_create(loop, read_addresses, la);
	la->watch = cts_watch_create(loop, mnl_socket_get_fd(la->nl), CTS_WATCH_READ,
				     address_changed, la);
	if (!la->timer || !la->watch)
		goto err;
	read_addresses(la);
	return la;
err:
	saved = errno;
	cts_node_local_addrs_destroy(la);
	errno = saved;
	return NULL;
}

void cts_node_local_addrs_destroy(struct cts_node_local_addrs *la)
{
	if (!la)
		return;
	cts_watch_destroy(la->watch);
	cts_timer_destroy(la->timer);
	if (la->nl)
		mnl_socket_close(la->nl);
	free(la);
}
