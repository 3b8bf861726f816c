/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One connection: greeting, framing, a bounded buffer of what is to be sent. It
 * knows nothing of peers; which connection stays is decided by tcp_peer.c.
 *
 * On the wire, in network order: each side says one greeting, 24 bytes: "ctsT",
 * u8 version 1, u8 role (0: it connected, 1: it accepts), u16 0, u64 life, u64
 * serial. Then frames: u32 length, 1 to TCP_FRAME_MAX, and as many bytes.
 */
#ifndef CTS_TRANSPORT_TCP_CONN_H
#define CTS_TRANSPORT_TCP_CONN_H

#include <sys/uio.h>

#include <ctsync/loop.h>

#include "plugins/transport/net.h"

#define TCP_FRAME_MAX 65535u /* taken from others */
#define TCP_FRAME_HEADER 4u
#define TCP_DEAD_MS 2000u     /* what is sent or asked is acknowledged by then */
#define TCP_GREET_US 2500000u /* from connect() or accept() to the other's greeting */

enum tcp_role { TCP_CONNECTS, TCP_ACCEPTS };

struct tcp_greeting {
	uint64_t life;   /* random, one for each instance */
	uint64_t serial; /* of the sender's attempts to connect to this peer */
};

struct tcp_conn;

struct tcp_conn_conf {
	struct cts_loop *loop;
	const char *device;          /* to bind to, or NULL; lent while it connects */
	const union net_addr *local; /* to bind to, port 0; lent: its scope may change */
	int send_buffer;             /* bytes: of ours; the kernel's is small */
	int receive_buffer;
	void *ctx;
	/* The other's greeting is there and well formed. */
	void (*greeted)(void *ctx, struct tcp_conn *c, const struct tcp_greeting *g);
	/* n whole messages, lent. Must not destroy the connection. */
	void (*messages)(void *ctx, struct tcp_conn *c, const struct iovec *msg, unsigned int n);
	/* After tcp_conn_want_room(): half the buffer is free. Must not destroy it. */
	void (*room)(void *ctx, struct tcp_conn *c);
	/* It is of no use any more: destroy it. Never from within a tcp_conn_*() call. */
	void (*closed)(void *ctx, struct tcp_conn *c, const char *why);
};

/* Begin to connect; my greeting is said as soon as that is done. NULL, errno. */
struct tcp_conn *tcp_conn_connect(const struct tcp_conn_conf *conf, const union net_addr *to,
				  const struct tcp_greeting *mine);
/* Take over fd, that accept() gave. NULL, errno: fd is closed. */
struct tcp_conn *tcp_conn_accepted(const struct tcp_conn_conf *conf, int fd);
/* Orderly: what is in the buffer is offered to the kernel once more. Takes NULL. */
void tcp_conn_destroy(struct tcp_conn *c);
/* At once, unsent bytes are thrown away in the kernel too. Takes NULL. */
void tcp_conn_abort(struct tcp_conn *c);

/* Within greeted(): it is the one. mine: the answer of an accepting side, else NULL.
 * 0, or -1 and errno. */
int tcp_conn_open(struct tcp_conn *c, const struct tcp_greeting *mine);
enum tcp_role tcp_conn_role(const struct tcp_conn *c); /* ours */
bool tcp_conn_is_connected(const struct tcp_conn *c);  /* TCP's handshake is done */

bool tcp_conn_is_damaged(const struct tcp_conn *c); /* by what it received */

/* Bytes of buffer that are free. */
size_t tcp_conn_room(const struct tcp_conn *c);
/* Append a message: room for it and TCP_FRAME_HEADER must be there. */
void tcp_conn_put(struct tcp_conn *c, const struct iovec *msg);
/* Offer the buffer to the kernel. A failure is reported by closed(), later. */
void tcp_conn_flush(struct tcp_conn *c);
void tcp_conn_want_room(struct tcp_conn *c);

#endif
