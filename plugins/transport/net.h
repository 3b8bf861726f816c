/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses and socket options: what the transports over IP have in common. */
#ifndef CTS_TRANSPORT_NET_H
#define CTS_TRANSPORT_NET_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>

#include <ctsync/flow.h>

union net_addr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* text is a checked address; ifindex only goes into link-local ones. */
void net_addr_set(union net_addr *a, const char *text, uint16_t port, unsigned int ifindex);
socklen_t net_addr_len(const union net_addr *a);
bool net_addr_equal(const union net_addr *a, const union net_addr *b); /* port included */
/* Address and family into one side of a flow's tuple. */
void net_addr_tuple(const union net_addr *a, union cts_addr *addr, uint8_t *family);

/* The interface that has the address a, into name; false: none has. */
bool net_find_device(const union net_addr *a, char name[IFNAMSIZ]);

/* SO_SNDBUF or SO_RCVBUF, beyond the system's limit where allowed; 0 bytes: leave it.
 * plugin stands in the warning when it fails. */
void net_set_buffer(const char *plugin, int fd, int option, int bytes);

#endif
