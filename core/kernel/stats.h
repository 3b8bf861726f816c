/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's own counters, one row for each CPU (`conntrack -S`). */
#ifndef CTS_KERNEL_STATS_H
#define CTS_KERNEL_STATS_H

#include <stdbool.h>
#include <stdint.h>

#define CTS_STATS_VALUES_MAX 32u

struct cts_cpu_stats {
	unsigned int cpu;
	unsigned int n; /* values that the kernel sent, in its order */
	struct {
		char name[24]; /* "found"; "unknown1"... for newer kernels */
		uint32_t value;
	} v[CTS_STATS_VALUES_MAX];
};

/*
 * One call of row for each CPU; the row is lent. expect: of the expectation
 * table. Without the netlink interface /proc/net/stat/nf_conntrack is read.
 * 0, or -1 and errno.
 */
int cts_stats_cpu(bool expect, void (*row)(void *ctx, const struct cts_cpu_stats *st), void *ctx);

#endif
