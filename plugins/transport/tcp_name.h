/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names to addresses without blocking the loop: getaddrinfo() in a thread of its
 * own for each question. The thread may outlive the question, the instance and,
 * at the end, the daemon's use of the module (which is linked to stay loaded);
 * it shares nothing with them but one counted block of memory.
 */
#ifndef CTS_TRANSPORT_TCP_NAME_H
#define CTS_TRANSPORT_TCP_NAME_H

#include <ctsync/loop.h>

#include "plugins/transport/net.h"

#define TCP_ADDRS_MAX 8u /* of one name; what is beyond is not used */

struct tcp_name;
/*
 * Ask for the addresses of name, of one family, with this port in them. done() is
 * called once from the loop, unless the question is destroyed before; it may
 * destroy it. n 0: there is none, and why says so. NULL, errno.
 */
struct tcp_name *tcp_name_ask(struct cts_loop *loop, const char *name, int family, uint16_t port,
			      void (*done)(void *ctx, const union net_addr *addrs, unsigned int n,
					   const char *why),
			      void *ctx);
void tcp_name_destroy(struct tcp_name *q); /* takes NULL */

#endif
