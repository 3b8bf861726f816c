/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loaded before the C library: what a kernel without ctnetlink says. NO_CTNETLINK=module:
 * requests go to a subsystem that nobody has, and the kernel answers that itself;
 * NO_CTNETLINK=protocol: there is no nfnetlink.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define NOBODY 200   /* no subsystem has that number */

ssize_t sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to,
	       socklen_t to_len);
int socket(int domain, int type, int protocol);

static int mode_is(const char *word)
{
	const char *mode = getenv("NO_CTNETLINK");

	return mode && !strcmp(mode, word);
}

int socket(int domain, int type, int protocol)
{
	int (*next)(int, int, int) = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");

	if (mode_is("protocol") && domain == AF_NETLINK && protocol == NETLINK_NETFILTER) {
		errno = EPROTONOSUPPORT;
		return -1;
	}
	return next(domain, type, protocol);
}

ssize_t sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to,
	       socklen_t to_len)
{
	ssize_t (*next)(int, const void *, size_t, int, const struct sockaddr *, socklen_t) =
		(ssize_t (*)(int, const void *, size_t, int, const struct sockaddr *,
			     socklen_t))dlsym(RTLD_NEXT, "sendto");
	struct nlmsghdr copy[256];

	if (!mode_is("module") || !to || to->sa_family != AF_NETLINK || len < sizeof(*copy) ||
	    len > sizeof(copy))
		return next(fd, buf, len, flags, to, to_len);
	memcpy(copy, buf, len);
	if (copy->nlmsg_type >> 8 == NFNL_SUBSYS_CTNETLINK)
		copy->nlmsg_type = (unsigned short)(NOBODY << 8 | (copy->nlmsg_type & 0xff));
	return next(fd, copy, len, flags, to, to_len);
}
