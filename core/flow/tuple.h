/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a tuple holds beside addresses, by protocol. */
#ifndef CTS_FLOW_TUPLE_H
#define CTS_FLOW_TUPLE_H

#include <netinet/in.h>

#include <linux/netfilter/nfnetlink_conntrack.h>

#include <ctsync/flow.h>

/* Since Linux 6.14; a number that older headers do not have. */
#define CTS_CTA_TIMESTAMP_EVENT 27

enum cts_l4_kind {
	CTS_L4_NONE,  /* nothing */
	CTS_L4_PORTS, /* sport, dport (GRE: keys) */
	CTS_L4_ICMP,  /* id (in sport), icmp_type, icmp_code */
};

static inline enum cts_l4_kind cts_l4_kind(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
	case IPPROTO_GRE:
		return CTS_L4_PORTS;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return CTS_L4_ICMP;
	default:
		return CTS_L4_NONE;
	}
}

static inline size_t cts_addr_len(uint8_t family)
{
	return family == AF_INET6 ? 16 : 4;
}

#endif
