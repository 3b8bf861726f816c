/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The flow record: one entry of the kernel's connection tracking table, decoded.
 *
 * Flows are allocated by the core, read-only for plugins, and grow only at the
 * end; test cts_flow_has() before reading a member. All addresses, ports, ICMP
 * ids and GRE keys are in network byte order, everything else in host order.
 * Numbers come from linux/netfilter/nf_conntrack_common.h (status),
 * nf_conntrack_tcp.h, nf_conntrack_sctp.h and nfnetlink_conntrack.h.
 */
#ifndef CTS_FLOW_H
#define CTS_FLOW_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

union cts_addr {
	uint32_t v4; /* network order; the other 12 bytes are zero */
	uint32_t v6[4];
	uint8_t bytes[16];
};

struct cts_address {
	union cts_addr addr;
	uint32_t family; /* AF_INET, AF_INET6 */
};

/*
 * One direction of a flow. Unused members are zero, so that two tuples are
 * equal exactly when their bytes are. The size is frozen.
 */
struct cts_tuple {
	union cts_addr src;
	union cts_addr dst;
	uint16_t sport;    /* tcp, udp, udplite, sctp, dccp; GRE: source key; ICMP: id */
	uint16_t dport;    /* ...; GRE: destination key; ICMP: 0 */
	uint8_t icmp_type; /* ICMP and ICMPv6 only */
	uint8_t icmp_code;
	uint8_t family; /* AF_INET or AF_INET6; 0: not known */
	uint8_t proto;  /* IPPROTO_* */
	uint8_t reserved[8];
};
static_assert(sizeof(struct cts_tuple) == 48, "the ABI freezes struct cts_tuple");

/* Directions, as in the kernel's enum ip_conntrack_dir. */
enum cts_dir { CTS_DIR_ORIG = 0, CTS_DIR_REPLY = 1, CTS_DIR_MAX = 2 };

/* What is present: one bit each in struct cts_flow.present. */
enum cts_flow_attr {
	CTS_FLOW_ORIG,   /* orig */
	CTS_FLOW_REPLY,  /* reply */
	CTS_FLOW_MASTER, /* master: the original tuple of the flow this one is related to */
	CTS_FLOW_STATUS,
	CTS_FLOW_TIMEOUT,
	CTS_FLOW_MARK,
	CTS_FLOW_ZONE,      /* zone for both directions (CTA_ZONE) */
	CTS_FLOW_ZONE_ORIG, /* zone of the original direction alone (CTA_TUPLE_ZONE) */
	CTS_FLOW_ZONE_REPLY,
	CTS_FLOW_TCP_STATE,
	CTS_FLOW_TCP_FLAGS, /* tcp_flags[], tcp_flags_mask[] */
	CTS_FLOW_TCP_WSCALE,
	CTS_FLOW_SCTP_STATE,
	CTS_FLOW_SCTP_VTAG,
	CTS_FLOW_DCCP_STATE,
	CTS_FLOW_DCCP_ROLE,
	CTS_FLOW_DCCP_SEQ,
	CTS_FLOW_COUNTERS_ORIG,  /* packets[0], bytes[0] */
	CTS_FLOW_COUNTERS_REPLY, /* packets[1], bytes[1] */
	CTS_FLOW_START,
	CTS_FLOW_STOP,
	CTS_FLOW_EVENT_TIME, /* CTA_TIMESTAMP_EVENT */
	CTS_FLOW_LABELS,
	CTS_FLOW_LABELS_MASK, /* only towards the kernel */
	CTS_FLOW_HELPER,
	CTS_FLOW_SEQADJ_ORIG,
	CTS_FLOW_SEQADJ_REPLY,
	CTS_FLOW_SYNPROXY,
	CTS_FLOW_SECMARK, /* the old numeric form, CTA_SECMARK */
	CTS_FLOW_SECCTX,
	CTS_FLOW_ID,
	CTS_FLOW_USE,
	CTS_FLOW_SNAT, /* nat_src, nat_sport: only towards the kernel */
	CTS_FLOW_DNAT, /* nat_dst, nat_dport: only towards the kernel */
	CTS_FLOW_ATTR_MAX
};
#define CTS_FLOW_BIT(attr) (UINT64_C(1) << (attr))

struct cts_flow {
	uint64_t present; /* CTS_FLOW_BIT() of each attribute that is there */
	struct cts_tuple orig;
	struct cts_tuple reply;
	struct cts_tuple master;
	/* SNAT target: nat.src and nat.sport; DNAT target: nat.dst and nat.dport.
	 * A port of 0 means: do not translate the port. */
	struct cts_tuple nat;
	uint32_t status;  /* IPS_* */
	uint32_t timeout; /* seconds left */
	uint32_t mark;
	uint32_t secmark;
	uint32_t id;
	uint32_t use;
	uint16_t zone;
	uint16_t zone_dir[2]; /* by enum cts_dir */
	uint8_t tcp_state;    /* enum tcp_conntrack */
	uint8_t tcp_flags[2]; /* IP_CT_TCP_FLAG_* */
	uint8_t tcp_flags_mask[2];
	uint8_t tcp_wscale[2];
	uint8_t sctp_state; /* enum sctp_conntrack */
	uint8_t dccp_state;
	uint8_t dccp_role;
	uint32_t sctp_vtag[2]; /* host order */
	uint64_t dccp_seq;
	uint64_t packets[2];
	uint64_t bytes[2];
	uint64_t start_ns; /* nanoseconds since the epoch */
	uint64_t stop_ns;
	uint64_t event_ns;
	uint32_t seqadj_pos[2]; /* CTA_SEQADJ_CORRECTION_POS, by direction */
	uint32_t seqadj_before[2];
	uint32_t seqadj_after[2];
	uint32_t synproxy_isn;
	uint32_t synproxy_its;
	uint32_t synproxy_tsoff;
	/* The variable parts: lent, valid as long as the flow. Label bit n is
	 * bit n % 32 of word n / 32. Strings are NUL terminated, the length
	 * does not count the NUL. */
	const uint32_t *labels;
	const uint32_t *labels_mask;
	const char *helper;
	const char *secctx;
	uint16_t labels_len; /* bytes, a multiple of 4, at most 16 from a kernel */
	uint16_t labels_mask_len;
	uint16_t helper_len;
	uint16_t secctx_len;
};

static inline bool cts_flow_has(const struct cts_flow *flow, enum cts_flow_attr attr)
{
	return flow->present & CTS_FLOW_BIT(attr);
}

/* The zone that applies to the original direction: part of a flow's identity. */
static inline uint16_t cts_flow_key_zone(const struct cts_flow *flow)
{
	if (cts_flow_has(flow, CTS_FLOW_ZONE))
		return flow->zone;
	return cts_flow_has(flow, CTS_FLOW_ZONE_ORIG) ? flow->zone_dir[CTS_DIR_ORIG] : 0;
}

/* The tuple that answers t: addresses and ports swapped, ICMP type inverted. */
void cts_tuple_invert(const struct cts_tuple *t, struct cts_tuple *inverse);

#ifdef __cplusplus
}
#endif
#endif /* CTS_FLOW_H */
