/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A writer with a thread of its own: while the kernel makes the entries of one batch,
 * the caller reads and checks what comes next. Operations are done in the order in which
 * they were added, a batch of 64 after the other.
 */
#ifndef CTS_KERNEL_BEHIND_H
#define CTS_KERNEL_BEHIND_H

#include "core/kernel/writer.h"

#define CTS_BEHIND_BATCH 64u

struct cts_behind_conf {
	bool keep_going; /* false: after a batch with a failure no other one is sent */
	void *ctx;
	/* One call for each operation whose batch was sent, in order, in the caller's own
	 * thread from within add() or flush(). last: cookie of the batch's last operation.
	 * It must not call the writer. */
	void (*done)(void *ctx, uint64_t cookie, enum cts_write_class cls, int err, uint64_t last);
};

struct cts_behind;
struct cts_behind *cts_behind_open(const struct cts_behind_conf *conf); /* NULL, errno */
void cts_behind_close(struct cts_behind *b); /* takes NULL; what was not flushed may be done */
/* flow is copied at once. 0, or -1 and errno: the socket failed. */
int cts_behind_add(struct cts_behind *b, enum cts_write_op op, const struct cts_flow *flow,
		   uint64_t cookie);
/* Returns when all is done, or was left out after a failure. 0, or -1 and errno as add(). */
int cts_behind_flush(struct cts_behind *b);

#endif
