/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernel dumps, one chunk a step, so that they merge with live events. */
#ifndef CTS_KERNEL_DUMP_H
#define CTS_KERNEL_DUMP_H

#include "core/kernel/events.h"

enum cts_dump_table {
	CTS_TABLE_CONNTRACK,
	CTS_TABLE_DYING,
	CTS_TABLE_UNCONFIRMED,
	CTS_TABLE_EXPECT
};

/*
 * What is selected is asked of the kernel, and the answer is filtered again:
 * older kernels ignore parts of a request.
 */
struct cts_dump_conf {
	enum cts_dump_table table;
	int family;         /* AF_UNSPEC: all */
	bool zero_counters; /* also resets the counters of what is dumped */
	bool read_ahead;    /* a thread receives some chunks ahead, where there is a second core:
			     * for who does not merge the table with events */
	bool has_mark, has_status, has_zone;
	uint32_t mark, mark_mask;     /* (mark of entry & mark_mask) == mark; mask 0: all bits */
	uint32_t status, status_mask; /* the same with IPS_*; mask 0: the bits of status */
	uint16_t zone;                /* of the entry, both directions */
	/* Members of orig and reply that are not zero must be equal; others do not
	 * count. NULL: no such filter. Lent during open() only. */
	const struct cts_flow *filter;
};

struct cts_dump;
struct cts_dump *cts_dump_open(const struct cts_dump_conf *conf); /* NULL, errno */
void cts_dump_close(struct cts_dump *dump);                       /* takes NULL */
/*
 * Read one chunk (up to about 300 entries) and hand it on as batches with origin
 * CTS_ORIGIN_DUMP and type NEW. 1: more to come; 0: done; -1 and errno: done too,
 * but not whole: EINTR, the table changed so that entries may be missing; anything
 * else, the dump broke off. A chunk was taken from the table at the previous step,
 * so it is older than events that were read since.
 */
int cts_dump_step(struct cts_dump *dump, cts_batch_fn fn, void *ctx);
/* All steps. 0, or -1 and errno as above. */
int cts_dump_run(struct cts_dump *dump, cts_batch_fn fn, void *ctx);
/* Entries that could not be decoded. */
uint64_t cts_dump_malformed(const struct cts_dump *dump);

#endif
