/* SPDX-License-Identifier: GPL-2.0-or-later */
/* This node's own addresses, and word of it when they change (rtnetlink(7)). */
#ifndef CONNTRACKD_LOCAL_ADDRS_H
#define CONNTRACKD_LOCAL_ADDRS_H

#include <ctsync/flow.h>

#include "core/runtime/loop.h"

struct local_addrs;
/* list[n], each family and src, is lent for the call. First from within create(). */
struct local_addrs *local_addrs_create(struct cts_loop *loop,
				       void (*changed)(void *ctx, const struct cts_address *list,
						       size_t n),
				       void *ctx);   /* NULL, errno */
void local_addrs_destroy(struct local_addrs *la);    /* takes NULL */

#endif
