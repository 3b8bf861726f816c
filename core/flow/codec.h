/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flow record <-> ctnetlink attributes (linux/netfilter/nfnetlink_conntrack.h). */
#ifndef CTS_FLOW_CODEC_H
#define CTS_FLOW_CODEC_H

#include <linux/netlink.h>

#include <ctsync/flow.h>

/*
 * Decode a CTNL message (NEW or DELETE of NFNL_SUBSYS_CTNETLINK). Every length is
 * checked before use; unknown attributes are ignored. The flow's variable parts
 * point into nlh. 0, or -1 with EBADMSG. flow need not be zeroed: present says
 * what counts, tuples are whole.
 */
int cts_flow_decode(const struct nlmsghdr *nlh, struct cts_flow *flow);

/*
 * Append flow's attributes that are in attrs to the message nlh, which has room
 * for size bytes in all (header included). CTS_FLOW_SNAT/DNAT become
 * CTA_NAT_SRC/DST with address and port ranges of one element. Returns 0, or -1
 * with ENOSPC; nlh is then as it was.
 */
int cts_flow_encode(struct nlmsghdr *nlh, size_t size, const struct cts_flow *flow, uint64_t attrs);

/* What a message that names an entry carries: original tuple and zone. */
#define CTS_FLOW_KEY_ATTRS                                           \
	(CTS_FLOW_BIT(CTS_FLOW_ORIG) | CTS_FLOW_BIT(CTS_FLOW_ZONE) | \
	 CTS_FLOW_BIT(CTS_FLOW_ZONE_ORIG) | CTS_FLOW_BIT(CTS_FLOW_ZONE_REPLY))

#endif
