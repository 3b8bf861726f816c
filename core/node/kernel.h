/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's table as the jobs of this folder write it. The daemon stands a
 * cts_writer behind it (core/node/node.c); the simulation and the unit tests stand a
 * model behind it and so run the real commit, purge, inject, promote and demote:
 *
 *	static int add(void *ctx, enum cts_write_op op, const struct cts_flow *flow,
 *		       uint64_t cookie);           // change the model's table
 *	static int flush(void *ctx);               // answer what was not answered yet
 *	const struct cts_node_kernel kernel = { add, flush, room };
 *	t = cts_takeover_create(&(struct cts_takeover_conf){ .engine = e,
 *		.kernel = &kernel, .ctx = my_node, .inject = true, ... });
 *
 * Each operation is answered once by cts_takeover_written(t, cookie, class, error),
 * from within add() or flush() and in any order. Then, with the time of the loop:
 *
 *	cts_takeover_promote(t, done, ctx, now);
 *	while (cts_takeover_step(t, now))          // bounded pieces
 *		now = ...;
 *	next = cts_takeover_deadline(t);           // call step() again then
 *
 * What is written here causes no kernel event for the mirror of the same node: the
 * event socket leaves the writer's changes out.
 */
#ifndef CTS_NODE_KERNEL_H
#define CTS_NODE_KERNEL_H

#include "core/kernel/writer.h"

struct cts_node_kernel {
	/* As cts_writer_add(): RESTORE, REFRESH or DELETE. flow is lent. */
	int (*add)(void *ctx, enum cts_write_op op, const struct cts_flow *flow, uint64_t cookie);
	/* As cts_writer_flush(): returns when all operations are answered. */
	int (*flush)(void *ctx);
	/* Entries that the table has room for, UINT64_MAX: nobody knows. May be NULL. */
	uint64_t (*room)(void *ctx);
};

#endif
