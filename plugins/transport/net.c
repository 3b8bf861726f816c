/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <string.h>

#include <ctsync/log.h>

#include "plugins/transport/net.h"

void net_addr_set(union net_addr *a, const char *text, uint16_t port, unsigned int ifindex)
{
	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, text, &a->in.sin_addr) == 1) {
		a->in.sin_family = AF_INET;
		a->in.sin_port = htons(port);
		return;
	}
	inet_pton(AF_INET6, text, &a->in6.sin6_addr);
	a->in6.sin6_family = AF_INET6;
	a->in6.sin6_port = htons(port);
	if (IN6_IS_ADDR_LINKLOCAL(&a->in6.sin6_addr) || IN6_IS_ADDR_MC_LINKLOCAL(&a->in6.sin6_addr))
		a->in6.sin6_scope_id = ifindex;
}

socklen_t net_addr_len(const union net_addr *a)
{
	return a->sa.sa_family == AF_INET ? sizeof(a->in) : sizeof(a->in6);
}

bool net_addr_equal(const union net_addr *a, const union net_addr *b)
{
	if (a->sa.sa_family != b->sa.sa_family)
		return false;
	if (a->sa.sa_family == AF_INET)
		return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr &&
		       a->in.sin_port == b->in.sin_port;
	return IN6_ARE_ADDR_EQUAL(&a->in6.sin6_addr, &b->in6.sin6_addr) &&
	       a->in6.sin6_port == b->in6.sin6_port;
}

void net_addr_tuple(const union net_addr *a, union cts_addr *addr, uint8_t *family)
{
	*family = (uint8_t)a->sa.sa_family;
	if (a->sa.sa_family == AF_INET)
		addr->v4 = a->in.sin_addr.s_addr;
	else
		memcpy(addr->v6, &a->in6.sin6_addr, sizeof(addr->v6));
}

bool net_find_device(const union net_addr *a, char name[IFNAMSIZ])
{
	struct ifaddrs *list, *i;
	bool found = false;

	if (getifaddrs(&list) < 0)
		return false;
	for (i = list; i && !found; i = i->ifa_next) {
		union net_addr have;

		if (!i->ifa_addr || i->ifa_addr->sa_family != a->sa.sa_family)
			continue;
		memset(&have, 0, sizeof(have));
		memcpy(&have, i->ifa_addr, net_addr_len(a));
		have.in.sin_port = a->in.sin_port; /* at one place in both families */
		found = net_addr_equal(a, &have);
		if (found)
			memcpy(name, i->ifa_name, strnlen(i->ifa_name, IFNAMSIZ - 1));
	}
	freeifaddrs(list);
	return found;
}

void net_set_buffer(const char *plugin, int fd, int option, int bytes)
{
	int force = option == SO_SNDBUF ? SO_SNDBUFFORCE : SO_RCVBUFFORCE;

	if (!bytes || setsockopt(fd, SOL_SOCKET, force, &bytes, sizeof(bytes)) == 0)
		return;
	if (setsockopt(fd, SOL_SOCKET, option, &bytes, sizeof(bytes)) < 0)
		cts_warn("%s: cannot set a socket buffer of %d bytes: %s", plugin, bytes,
			 strerror(errno));
}
