/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flow record -> ctnetlink attributes: the twin of decode.c. */
#include "config.h"

#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "core/flow/build.h"
#include "core/flow/codec.h"
#include "core/flow/tuple.h"

static void put_l4(struct build *b, const struct cts_tuple *t)
{
	bool v6 = t->proto == IPPROTO_ICMPV6;

	put_u8(b, CTA_PROTO_NUM, t->proto);
	switch (cts_l4_kind(t->proto)) {
	case CTS_L4_PORTS:
		put(b, CTA_PROTO_SRC_PORT, &t->sport, sizeof(t->sport));
		put(b, CTA_PROTO_DST_PORT, &t->dport, sizeof(t->dport));
		break;
	case CTS_L4_ICMP:
		put(b, v6 ? CTA_PROTO_ICMPV6_ID : CTA_PROTO_ICMP_ID, &t->sport, sizeof(t->sport));
		put_u8(b, v6 ? CTA_PROTO_ICMPV6_TYPE : CTA_PROTO_ICMP_TYPE, t->icmp_type);
		put_u8(b, v6 ? CTA_PROTO_ICMPV6_CODE : CTA_PROTO_ICMP_CODE, t->icmp_code);
		break;
	case CTS_L4_NONE:
		break;
	}
}

void cts_tuple_encode(struct build *b, uint16_t type, const struct cts_tuple *t,
		      const uint16_t *zone)
{
	size_t tuple = nest_open(b, type);
	size_t ip = nest_open(b, CTA_TUPLE_IP), proto;
	bool v6 = t->family == AF_INET6;

	if (v6) {
		put(b, CTA_IP_V6_SRC, &t->src, 16);
		put(b, CTA_IP_V6_DST, &t->dst, 16);
	} else {
		put(b, CTA_IP_V4_SRC, &t->src, 4);
		put(b, CTA_IP_V4_DST, &t->dst, 4);
	}
	nest_close(b, ip);
	proto = nest_open(b, CTA_TUPLE_PROTO);
	put_l4(b, t);
	nest_close(b, proto);
	if (zone)
		put_u16(b, CTA_TUPLE_ZONE, *zone);
	nest_close(b, tuple);
}

/* A range of one element: only so the kernel keeps what the peer's kernel chose. */
static void put_nat(struct build *b, uint16_t type, uint8_t family, const union cts_addr *addr,
		    uint16_t port)
{
	size_t nat = nest_open(b, type), proto;
	bool v6 = family == AF_INET6;

	put(b, v6 ? CTA_NAT_V6_MINIP : CTA_NAT_V4_MINIP, addr, cts_addr_len(family));
	put(b, v6 ? CTA_NAT_V6_MAXIP : CTA_NAT_V4_MAXIP, addr, cts_addr_len(family));
	if (port) {
		proto = nest_open(b, CTA_NAT_PROTO);
		put(b, CTA_PROTONAT_PORT_MIN, &port, sizeof(port));
		put(b, CTA_PROTONAT_PORT_MAX, &port, sizeof(port));
		nest_close(b, proto);
	}
	nest_close(b, nat);
}

static void put_tcp(struct build *b, const struct cts_flow *f, uint64_t attrs)
{
	size_t tcp = nest_open(b, CTA_PROTOINFO_TCP);

	if (attrs & CTS_FLOW_BIT(CTS_FLOW_TCP_STATE))
		put_u8(b, CTA_PROTOINFO_TCP_STATE, f->tcp_state);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_TCP_WSCALE)) {
		put_u8(b, CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, f->tcp_wscale[CTS_DIR_ORIG]);
		put_u8(b, CTA_PROTOINFO_TCP_WSCALE_REPLY, f->tcp_wscale[CTS_DIR_REPLY]);
	}
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_TCP_FLAGS)) {
		for (int dir = 0; dir < CTS_DIR_MAX; dir++) {
			struct nf_ct_tcp_flags flags = {
				.flags = f->tcp_flags[dir],
				.mask = f->tcp_flags_mask[dir],
			};

			put(b, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL + dir, &flags, sizeof(flags));
		}
	}
	nest_close(b, tcp);
}

static void put_sctp(struct build *b, const struct cts_flow *f, uint64_t attrs)
{
	size_t sctp = nest_open(b, CTA_PROTOINFO_SCTP);

	if (attrs & CTS_FLOW_BIT(CTS_FLOW_SCTP_STATE))
		put_u8(b, CTA_PROTOINFO_SCTP_STATE, f->sctp_state);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_SCTP_VTAG)) {
		put_u32(b, CTA_PROTOINFO_SCTP_VTAG_ORIGINAL, f->sctp_vtag[CTS_DIR_ORIG]);
		put_u32(b, CTA_PROTOINFO_SCTP_VTAG_REPLY, f->sctp_vtag[CTS_DIR_REPLY]);
	}
	nest_close(b, sctp);
}

static void put_dccp(struct build *b, const struct cts_flow *f, uint64_t attrs)
{
	size_t dccp = nest_open(b, CTA_PROTOINFO_DCCP);

	if (attrs & CTS_FLOW_BIT(CTS_FLOW_DCCP_STATE))
		put_u8(b, CTA_PROTOINFO_DCCP_STATE, f->dccp_state);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_DCCP_ROLE))
		put_u8(b, CTA_PROTOINFO_DCCP_ROLE, f->dccp_role);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_DCCP_SEQ))
		put_u64(b, CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ, f->dccp_seq);
	nest_close(b, dccp);
}

#define TCP_ATTRS                                                              \
	(CTS_FLOW_BIT(CTS_FLOW_TCP_STATE) | CTS_FLOW_BIT(CTS_FLOW_TCP_FLAGS) | \
	 CTS_FLOW_BIT(CTS_FLOW_TCP_WSCALE))
#define SCTP_ATTRS (CTS_FLOW_BIT(CTS_FLOW_SCTP_STATE) | CTS_FLOW_BIT(CTS_FLOW_SCTP_VTAG))
#define DCCP_ATTRS                                                              \
	(CTS_FLOW_BIT(CTS_FLOW_DCCP_STATE) | CTS_FLOW_BIT(CTS_FLOW_DCCP_ROLE) | \
	 CTS_FLOW_BIT(CTS_FLOW_DCCP_SEQ))

static void put_protoinfo(struct build *b, const struct cts_flow *f, uint64_t attrs)
{
	size_t info;

	if (!(attrs & (TCP_ATTRS | SCTP_ATTRS | DCCP_ATTRS)))
		return;
	info = nest_open(b, CTA_PROTOINFO);
	if (attrs & TCP_ATTRS)
		put_tcp(b, f, attrs);
	if (attrs & SCTP_ATTRS)
		put_sctp(b, f, attrs);
	if (attrs & DCCP_ATTRS)
		put_dccp(b, f, attrs);
	nest_close(b, info);
}

static void put_seqadj(struct build *b, uint16_t type, const struct cts_flow *f, enum cts_dir dir)
{
	size_t seqadj = nest_open(b, type);

	put_u32(b, CTA_SEQADJ_CORRECTION_POS, f->seqadj_pos[dir]);
	put_u32(b, CTA_SEQADJ_OFFSET_BEFORE, f->seqadj_before[dir]);
	put_u32(b, CTA_SEQADJ_OFFSET_AFTER, f->seqadj_after[dir]);
	nest_close(b, seqadj);
}

static void put_synproxy(struct build *b, const struct cts_flow *f)
{
	size_t synproxy = nest_open(b, CTA_SYNPROXY);

	put_u32(b, CTA_SYNPROXY_ISN, f->synproxy_isn);
	put_u32(b, CTA_SYNPROXY_ITS, f->synproxy_its);
	put_u32(b, CTA_SYNPROXY_TSOFF, f->synproxy_tsoff);
	nest_close(b, synproxy);
}

static void put_counters(struct build *b, uint16_t type, const struct cts_flow *f, enum cts_dir dir)
{
	size_t counters = nest_open(b, type);

	put_u64(b, CTA_COUNTERS_PACKETS, f->packets[dir]);
	put_u64(b, CTA_COUNTERS_BYTES, f->bytes[dir]);
	nest_close(b, counters);
}

static void put_timestamp(struct build *b, const struct cts_flow *f, uint64_t attrs)
{
	size_t timestamp = nest_open(b, CTA_TIMESTAMP);

	if (attrs & CTS_FLOW_BIT(CTS_FLOW_START))
		put_u64(b, CTA_TIMESTAMP_START, f->start_ns);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_STOP))
		put_u64(b, CTA_TIMESTAMP_STOP, f->stop_ns);
	nest_close(b, timestamp);
}

static void put_name(struct build *b, uint16_t nest, uint16_t type, const char *str, size_t len)
{
	size_t name = nest_open(b, nest);

	put_string(b, type, str, len);
	nest_close(b, name);
}

/* What the kernel takes. */
static void put_settable(struct build *b, const struct cts_flow *f, uint64_t attrs)
{
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_STATUS))
		put_u32(b, CTA_STATUS, f->status);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_TIMEOUT))
		put_u32(b, CTA_TIMEOUT, f->timeout);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_MARK))
		put_u32(b, CTA_MARK, f->mark);
	put_protoinfo(b, f, attrs);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_SNAT))
		put_nat(b, CTA_NAT_SRC, f->nat.family, &f->nat.src, f->nat.sport);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_DNAT))
		put_nat(b, CTA_NAT_DST, f->nat.family, &f->nat.dst, f->nat.dport);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_HELPER))
		put_name(b, CTA_HELP, CTA_HELP_NAME, f->helper, f->helper_len);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_SEQADJ_ORIG))
		put_seqadj(b, CTA_SEQ_ADJ_ORIG, f, CTS_DIR_ORIG);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_SEQADJ_REPLY))
		put_seqadj(b, CTA_SEQ_ADJ_REPLY, f, CTS_DIR_REPLY);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_SYNPROXY))
		put_synproxy(b, f);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_LABELS))
		put(b, CTA_LABELS, f->labels, f->labels_len);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_LABELS_MASK))
		put(b, CTA_LABELS_MASK, f->labels_mask, f->labels_mask_len);
}

/* What the kernel only tells (and takes no offence at, but for CTA_ID in a query). */
static void put_reported(struct build *b, const struct cts_flow *f, uint64_t attrs)
{
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_COUNTERS_ORIG))
		put_counters(b, CTA_COUNTERS_ORIG, f, CTS_DIR_ORIG);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_COUNTERS_REPLY))
		put_counters(b, CTA_COUNTERS_REPLY, f, CTS_DIR_REPLY);
	if (attrs & (CTS_FLOW_BIT(CTS_FLOW_START) | CTS_FLOW_BIT(CTS_FLOW_STOP)))
		put_timestamp(b, f, attrs);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_EVENT_TIME))
		put_u64(b, CTS_CTA_TIMESTAMP_EVENT, f->event_ns);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_SECMARK))
		put_u32(b, CTA_SECMARK, f->secmark);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_SECCTX))
		put_name(b, CTA_SECCTX, CTA_SECCTX_NAME, f->secctx, f->secctx_len);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_USE))
		put_u32(b, CTA_USE, f->use);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_ID))
		put_u32(b, CTA_ID, f->id);
}

int cts_flow_encode(struct nlmsghdr *nlh, size_t size, const struct cts_flow *flow, uint64_t attrs)
{
	struct build b = { .base = (uint8_t *)nlh, .len = nlh->nlmsg_len, .size = size };

	if (b.len > size) {
		errno = ENOSPC;
		return -1;
	}
	attrs &= flow->present;
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_ORIG))
		cts_tuple_encode(&b, CTA_TUPLE_ORIG, &flow->orig,
				 attrs & CTS_FLOW_BIT(CTS_FLOW_ZONE_ORIG)
					 ? &flow->zone_dir[CTS_DIR_ORIG]
					 : NULL);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_REPLY))
		cts_tuple_encode(&b, CTA_TUPLE_REPLY, &flow->reply,
				 attrs & CTS_FLOW_BIT(CTS_FLOW_ZONE_REPLY)
					 ? &flow->zone_dir[CTS_DIR_REPLY]
					 : NULL);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_ZONE))
		put_u16(&b, CTA_ZONE, flow->zone);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_MASTER))
		cts_tuple_encode(&b, CTA_TUPLE_MASTER, &flow->master, NULL);
	put_settable(&b, flow, attrs);
	put_reported(&b, flow, attrs);
	if (b.full) {
		errno = ENOSPC;
		return -1;
	}
	nlh->nlmsg_len = (uint32_t)b.len;
	return 0;
}
