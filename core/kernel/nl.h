/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the event source, the dump source and the writer have in common. */
#ifndef CTS_KERNEL_NL_H
#define CTS_KERNEL_NL_H

#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The two halves of nlmsg_type in NETLINK_NETFILTER. */
static inline uint8_t cts_nl_subsys(const struct nlmsghdr *nlh)
{
	return nlh->nlmsg_type >> 8;
}

static inline uint8_t cts_nl_type(const struct nlmsghdr *nlh)
{
	return nlh->nlmsg_type & 0xff;
}

static inline uint16_t cts_nl_msg(unsigned int subsys, unsigned int type)
{
	return (uint16_t)(subsys << 8 | type);
}

/* A bound NETLINK_NETFILTER socket without groups. NULL and errno. */
struct mnl_socket *cts_nl_open(void);

/* Write the two headers of a request into buf. */
struct nlmsghdr *cts_nl_request(void *buf, uint16_t type, uint16_t flags, uint8_t family,
				uint32_t seq);

/* One request without attributes on a socket of its own, the answers to cb. 0, or -1
 * and errno. */
int cts_nl_ask(uint16_t type, uint16_t flags, mnl_cb_t cb, void *ctx);

/* One datagram of the kernel's: others are passed over. Its length, or -1 and errno. */
ssize_t cts_nl_receive_chunk(int fd, void *buf, size_t size);

/*
 * Let the receive queue take `bytes` of real memory (the kernel doubles what
 * setsockopt gives). It is a ceiling, not an allocation. Without CAP_NET_ADMIN
 * it ends at net.core.rmem_max, which a warning names. Returns what was granted.
 */
size_t cts_nl_set_rcvbuf(int fd, size_t bytes, const char *subject);

#endif
