/* SPDX-License-Identifier: GPL-2.0-or-later */
/* This node's own addresses, and word of it when they change (rtnetlink(7)). */
#ifndef CTS_NODE_LOCAL_ADDRS_H
#define CTS_NODE_LOCAL_ADDRS_H

#include <ctsync/flow.h>

#include "core/runtime/loop.h"

struct cts_node_local_addrs;
/* list[n], each family and src, is lent for the call. First from within create(). */
struct cts_node_local_addrs *
cts_node_local_addrs_create(struct cts_loop *loop,
			    void (*changed)(void *ctx, const struct cts_address *list, size_t n),
			    void *ctx);                             /* NULL, errno */
void cts_node_local_addrs_destroy(struct cts_node_local_addrs *la); /* takes NULL */

#endif
