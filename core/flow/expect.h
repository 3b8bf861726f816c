/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Expectation record <-> ctnetlink attributes (enum ctattr_expect). */
#ifndef CTS_FLOW_EXPECT_H
#define CTS_FLOW_EXPECT_H

#include <linux/netlink.h>

#include <ctsync/expect.h>

/* Decode a message of NFNL_SUBSYS_CTNETLINK_EXP. Strings point into nlh. 0, or -1 with
 * EBADMSG. */
int cts_expect_decode(const struct nlmsghdr *nlh, struct cts_expect *exp);

/* Append the attributes of attrs (CTS_EXPECT_BIT()) that exp has; the rest as
 * cts_flow_encode(). */
int cts_expect_encode(struct nlmsghdr *nlh, size_t size, const struct cts_expect *exp,
		      uint64_t attrs);

#endif
