/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where connections arrive; waits for its address or device and follows the latter. */
#ifndef CTS_TRANSPORT_TCP_LISTEN_H
#define CTS_TRANSPORT_TCP_LISTEN_H

#include <ctsync/loop.h>

#include "plugins/transport/net.h"

struct tcp_listen;

struct tcp_listen_conf {
	struct cts_loop *loop;
	const char *device;  /* or NULL; lent */
	const char *address; /* lent */
	uint16_t port;
	int receive_buffer;
	void *ctx;
	unsigned int (*ifindex)(void *ctx); /* of the device; 0: it is not there */
	void (*accepted)(void *ctx, int fd, const union net_addr *from); /* fd: the taker's */
};

/* NULL, errno. An address or device that is not there yet is only warned of. */
struct tcp_listen *tcp_listen_create(const struct tcp_listen_conf *conf);
void tcp_listen_destroy(struct tcp_listen *l); /* takes NULL */
/* The device may be another one of the same name. */
void tcp_listen_device_changed(struct tcp_listen *l);

#endif
