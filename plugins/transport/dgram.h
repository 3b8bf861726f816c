/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A datagram socket on a device: what udp and multicast have in common. Batches
 * both ways, back-pressure, link state, counters; the socket is opened again
 * when its device went away and came back.
 */
#ifndef CTS_TRANSPORT_DGRAM_H
#define CTS_TRANSPORT_DGRAM_H

#include <ctsync/transport.h>

#include "plugins/transport/net.h"
#include "plugins/transport/rtlink.h"

struct dgram_conf {
	const char *name;   /* of the plugin, for messages; lent for ever */
	const char *device; /* NULL: none, the link counts as up; copied */
	int family;
	int send_buffer; /* bytes, as for SO_SNDBUF; 0: the system's */
	int receive_buffer;
	void *ctx;
	/* A socket of this family to be bound and set up. 0, or -1, errno; ENODEV and
	 * EADDRNOTAVAIL mean that it may work later. */
	int (*setup)(void *ctx, int fd, unsigned int ifindex);
	/* The peer behind an address; 0: refuse. */
	uint32_t (*peer_of)(void *ctx, const union net_addr *from);
};

struct dgram;
/* NULL, errno: logged. A device or address that is not there yet is only warned of. */
struct dgram *dgram_create(const struct dgram_conf *conf, const struct cts_transport_host *host);
void dgram_destroy(struct dgram *d); /* takes NULL */

/* Each message to each address, in this order; returns as send() in transport.h. */
int dgram_send(struct dgram *d, const struct iovec *msg, unsigned int n, const union net_addr *to,
	       unsigned int n_to);
size_t dgram_max_message(const struct dgram *d);
void dgram_status(struct dgram *d, struct cts_transport_status *st);

#endif
