/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One peer: its address, looked up again for each attempt where it is a name; attempts
 * with back-off and jitter; and which connection stays when both sides connect.
 *
 * The rule. Who accepts, decides: it answers a greeting or closes. While its own
 * attempt has connected too, the attempt of the lower life stays. An answer names the
 * last attempt that its sender made: this one and all before are void, so that one
 * which is read late cannot drive out what was agreed upon since. Any other greeting
 * replaces the connection that is there: who has one does not connect, so its other
 * end is gone, whether we know it yet or not.
 */
#ifndef CTS_TRANSPORT_TCP_PEER_H
#define CTS_TRANSPORT_TCP_PEER_H

#include "plugins/transport/tcp_conn.h"

struct tcp_peer;

struct tcp_peer_conf {
	const char *text; /* address or name; lent for the peer's life */
	uint32_t number;
	uint16_t port;
	uint64_t life;             /* ours */
	struct tcp_conn_conf conn; /* loop, device, local, buffers; the rest is set here */
	void *ctx;
	unsigned int (*ifindex)(void *ctx); /* of the device, for link-local addresses */
	void (*up)(void *ctx, uint32_t number);
	void (*down)(void *ctx, uint32_t number);
	void (*messages)(void *ctx, uint32_t number, const struct iovec *msg, unsigned int n);
	void (*room)(void *ctx, uint32_t number);    /* of the connection that is up */
	void (*damaged)(void *ctx, uint32_t number); /* what came was not ours; closed */
};

/* Attempts start with the loop. NULL, errno. */
struct tcp_peer *tcp_peer_create(const struct tcp_peer_conf *conf);
void tcp_peer_destroy(struct tcp_peer *p); /* takes NULL; down() is not called */

/* Is this where it connects from? The port does not matter. */
bool tcp_peer_is(const struct tcp_peer *p, const union net_addr *from);
void tcp_peer_accept(struct tcp_peer *p, int fd); /* fd is the peer's from now on */
/* The connection that is up, or NULL. */
struct tcp_conn *tcp_peer_conn(const struct tcp_peer *p);
/* Drop it; the next attempt comes late. Not from within a callback. */
void tcp_peer_cut(struct tcp_peer *p, const char *why);

#endif
