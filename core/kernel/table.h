/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's table as a whole. */
#ifndef CTS_KERNEL_TABLE_H
#define CTS_KERNEL_TABLE_H

#include <stdint.h>

/* Number of entries in the kernel's table, or -1 and errno. */
int64_t cts_table_count(void);
/* nf_conntrack_max of this namespace, or -1. */
int64_t cts_table_max(void);

/* The module without which the kernel has no table to ask about; NULL: nothing is
 * missing, or nobody with our rights can tell. */
const char *cts_table_lacks(void);

/* Empty it; family AF_UNSPEC: all, one message; else entry by entry, because older
 * kernels ignore the family. Operations that wait in a writer are its caller's to
 * flush before. 0, or -1 and errno. */
int cts_table_flush(int family);

#endif
