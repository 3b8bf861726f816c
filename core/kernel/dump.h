/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernel dumps, one chunk a step, so that they merge with live events. */
#ifndef CTS_KERNEL_DUMP_H
#define CTS_KERNEL_DUMP_H

#include "core/kernel/events.h"

enum cts_dump_table { CTS_TABLE_CONNTRACK, CTS_TABLE_DYING, CTS_TABLE_UNCONFIRMED, CTS_TABLE_EXPECT };

struct cts_dump_conf {
	enum cts_dump_table table;
	int family;                   /* AF_UNSPEC: all */
	bool zero_counters;
	bool has_mark, has_status, has_zone;
	uint32_t mark, mark_mask, status, status_mask;
	uint16_t zone;
	const struct cts_flow *filter;/* CTA_FILTER: exact match on tuple members, or NULL */
};

struct cts_dump;
struct cts_dump *cts_dump_open(const struct cts_dump_conf *conf);   /* NULL, errno */
void cts_dump_close(struct cts_dump *dump);
/* Read one chunk (up to a few hundred entries) and hand it on as batches with
 * origin CTS_ORIGIN_DUMP. 1: more to come; 0: done; -1 and errno (EINTR: the table
 * changed so that the dump may be incomplete; it goes on). */
int cts_dump_step(struct cts_dump *dump, cts_batch_fn fn, void *ctx);

/* Number of entries in the kernel's table, or -1 and errno. */
int64_t cts_table_count(void);
/* nf_conntrack_max of this namespace, or -1. */
int64_t cts_table_max(void);

#endif
