/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Single requests to the kernel's expectation table; dump.h lists it. */
#ifndef CTS_KERNEL_EXPECT_H
#define CTS_KERNEL_EXPECT_H

#include <ctsync/expect.h>

enum cts_expect_op {
	CTS_EXPECT_OP_CREATE, /* expected, mask, master and timeout; EEXIST: it is there */
	CTS_EXPECT_OP_GET,    /* by expected */
	CTS_EXPECT_OP_DELETE, /* by expected, and id where it has one */
	CTS_EXPECT_OP_FLUSH,  /* all; exp is NULL */
};

/* Ask and wait for the answer, 10 s at most. found is called for what GET finds (lent).
 * 0, or -1 and errno: the kernel's, ETIMEDOUT. */
int cts_expect_request(enum cts_expect_op op, const struct cts_expect *exp,
		       void (*found)(void *ctx, const struct cts_expect *exp), void *ctx);

#endif
