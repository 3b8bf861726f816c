/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ctnetlink message -> flow record: one pass over the attributes, no calls per
 * attribute, no allocation. Every length is checked against what is left before
 * a byte is read; attributes may be longer than we know, as netlink allows.
 */
#include "config.h"

#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "core/flow/codec.h"
#include "core/flow/tuple.h"
#include "core/flow/walk.h"

static bool decode_ip(struct payload p, struct cts_tuple *t)
{
	struct walk w = walk_payload(p);
	unsigned int v4 = 0, v6 = 0;
	bool ok = true;
	int type;

	while (ok && (type = walk_next(&w)) >= 0) {
		switch (type) {
		case CTA_IP_V4_SRC:
			ok = get_addr(w.payload, &t->src, 4);
			v4 |= 1;
			break;
		case CTA_IP_V4_DST:
			ok = get_addr(w.payload, &t->dst, 4);
			v4 |= 2;
			break;
		case CTA_IP_V6_SRC:
			ok = get_addr(w.payload, &t->src, 16);
			v6 |= 1;
			break;
		case CTA_IP_V6_DST:
			ok = get_addr(w.payload, &t->dst, 16);
			v6 |= 2;
			break;
		}
	}
	if (!ok || w.bad)
		return false;
	t->family = v4 ? AF_INET : AF_INET6;
	return v4 + v6 == 3; /* both of one family */
}

static bool decode_proto(struct payload p, struct cts_tuple *t)
{
	struct walk w = walk_payload(p);
	bool ok = true, num = false;
	uint16_t sport = 0, dport = 0, id = 0;
	uint8_t icmp_type = 0, icmp_code = 0;
	int type;

	while (ok && (type = walk_next(&w)) >= 0) {
		switch (type) {
		case CTA_PROTO_NUM:
			num = ok = get_u8(w.payload, &t->proto);
			break;
		case CTA_PROTO_SRC_PORT:
			ok = get_be16(w.payload, &sport);
			break;
		case CTA_PROTO_DST_PORT:
			ok = get_be16(w.payload, &dport);
			break;
		case CTA_PROTO_ICMP_ID:
		case CTA_PROTO_ICMPV6_ID:
			ok = get_be16(w.payload, &id);
			break;
		case CTA_PROTO_ICMP_TYPE:
		case CTA_PROTO_ICMPV6_TYPE:
			ok = get_u8(w.payload, &icmp_type);
			break;
		case CTA_PROTO_ICMP_CODE:
		case CTA_PROTO_ICMPV6_CODE:
			ok = get_u8(w.payload, &icmp_code);
			break;
		}
	}
	/* the record promises zeroes in what the protocol does not use */
	switch (cts_l4_kind(t->proto)) {
	case CTS_L4_PORTS:
		t->sport = sport;
		t->dport = dport;
		break;
	case CTS_L4_ICMP:
		t->sport = id;
		t->icmp_type = icmp_type;
		t->icmp_code = icmp_code;
		break;
	case CTS_L4_NONE:
		break;
	}
	return ok && num && !w.bad;
}

bool cts_tuple_decode(struct payload p, struct cts_tuple *t, uint16_t *zone,
		      bool *has_zone)
{
	struct walk w = walk_payload(p);
	bool ok = true, ip = false, proto = false;
	int type;

	memset(t, 0, sizeof(*t));
	while (ok && (type = walk_next(&w)) >= 0) {
		switch (type) {
		case CTA_TUPLE_IP:
			ip = ok = decode_ip(w.payload, t);
			break;
		case CTA_TUPLE_PROTO:
			proto = ok = decode_proto(w.payload, t);
			break;
		case CTA_TUPLE_ZONE:
			if (has_zone)
				*has_zone = ok = get_u16(w.payload, zone);
			break;
		}
	}
	return ok && ip && proto && !w.bad;
}

static bool decode_tcp(struct payload p, struct cts_flow *f)
{
	struct walk w = walk_payload(p);
	bool ok = true;
	int type;

	memset(f->tcp_flags, 0, sizeof(f->tcp_flags));
	memset(f->tcp_flags_mask, 0, sizeof(f->tcp_flags_mask));
	memset(f->tcp_wscale, 0, sizeof(f->tcp_wscale));
	while (ok && (type = walk_next(&w)) >= 0) {
		switch (type) {
		case CTA_PROTOINFO_TCP_STATE:
			ok = get_u8(w.payload, &f->tcp_state);
			f->present |= CTS_FLOW_BIT(CTS_FLOW_TCP_STATE);
			break;
		case CTA_PROTOINFO_TCP_WSCALE_ORIGINAL:
		case CTA_PROTOINFO_TCP_WSCALE_REPLY:
			ok = get_u8(w.payload, &f->tcp_wscale[type == CTA_PROTOINFO_TCP_WSCALE_REPLY]);
			f->present |= CTS_FLOW_BIT(CTS_FLOW_TCP_WSCALE);
			break;
		case CTA_PROTOINFO_TCP_FLAGS_ORIGINAL:
		case CTA_PROTOINFO_TCP_FLAGS_REPLY: {
			int dir = type == CTA_PROTOINFO_TCP_FLAGS_REPLY;

			ok = w.payload.len >= sizeof(struct nf_ct_tcp_flags);
			if (!ok)
				break;
			f->tcp_flags[dir] = w.payload.data[0];
			f->tcp_flags_mask[dir] = w.payload.data[1];
			f->present |= CTS_FLOW_BIT(CTS_FLOW_TCP_FLAGS);
			break;
		}
		}
	}
	return ok && !w.bad;
}

static bool decode_sctp(struct payload p, struct cts_flow *f)
{
	struct walk w = walk_payload(p);
	bool ok = true;
	int type;

	memset(f->sctp_vtag, 0, sizeof(f->sctp_vtag));
	while (ok && (type = walk_next(&w)) >= 0) {
		switch (type) {
		case CTA_PROTOINFO_SCTP_STATE:
			ok = get_u8(w.payload, &f->sctp_state);
			f->present |= CTS_FLOW_BIT(CTS_FLOW_SCTP_STATE);
			break;
		case CTA_PROTOINFO_SCTP_VTAG_ORIGINAL:
		case CTA_PROTOINFO_SCTP_VTAG_REPLY:
			ok = get_u32(w.payload, &f->sctp_vtag[type == CTA_PROTOINFO_SCTP_VTAG_REPLY]);
			f->present |= CTS_FLOW_BIT(CTS_FLOW_SCTP_VTAG);
			break;
		}
	}
	return ok && !w.bad;
}

static bool decode_dccp(struct payload p, struct cts_flow *f)
{
	struct walk w = walk_payload(p);
	bool ok = true;
	int type;

	while (ok && (type = walk_next(&w)) >= 0) {
		switch (type) {
		case CTA_PROTOINFO_DCCP_STATE:
			ok = get_u8(w.payload, &f->dccp_state);
			f->present |= CTS_FLOW_BIT(CTS_FLOW_DCCP_STATE);
			break;
		case CTA_PROTOINFO_DCCP_ROLE:
			ok = get_u8(w.payload, &f->dccp_role);
			f->present |= CTS_FLOW_BIT(CTS_FLOW_DCCP_ROLE);
			break;
		case CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ:
			ok = get_u64(w.payload, &f->dccp_seq);
			f->present |= CTS_FLOW_BIT(CTS_FLOW_DCCP_SEQ);
			break;
		}
	}
	return ok && !w.bad;
}

static bool decode_protoinfo(struct payload p, struct cts_flow *f)
{
	struct walk w = walk_payload(p);
	bool ok = true;
	int type;

	while (ok && (type = walk_next(&w)) >= 0) {
		switch (type) {
		case CTA_PROTOINFO_TCP:
			ok = decode_tcp(w.payload, f);
			break;
		case CTA_PROTOINFO_SCTP:
			ok = decode_sctp(w.payload, f);
			break;
		case CTA_PROTOINFO_DCCP:
			ok = decode_dccp(w.payload, f);
			break;
		}
	}
	return ok && !w.bad;
}

static bool decode_counters(struct payload p, struct cts_flow *f, enum cts_dir dir)
{
	struct walk w = walk_payload(p);
	bool ok = true;
	int type;

	f->packets[dir] = f->bytes[dir] = 0;
	while (ok && (type = walk_next(&w)) >= 0) {
		switch (type) {
		case CTA_COUNTERS_PACKETS:
			ok = get_u64(w.payload, &f->packets[dir]);
			break;
		case CTA_COUNTERS_BYTES:
			ok = get_u64(w.payload, &f->bytes[dir]);
			break;
		}
	}
	return ok && !w.bad;
}

static bool decode_timestamp(struct payload p, struct cts_flow *f)
{
	struct walk w = walk_payload(p);
	bool ok = true;
	int type;

	while (ok && (type = walk_next(&w)) >= 0) {
		switch (type) {
		case CTA_TIMESTAMP_START:
			ok = get_u64(w.payload, &f->start_ns);
			f->present |= CTS_FLOW_BIT(CTS_FLOW_START);
			break;
		case CTA_TIMESTAMP_STOP:
			ok = get_u64(w.payload, &f->stop_ns);
			f->present |= CTS_FLOW_BIT(CTS_FLOW_STOP);
			break;
		}
	}
	return ok && !w.bad;
}

static bool decode_seqadj(struct payload p, struct cts_flow *f, enum cts_dir dir)
{
	struct walk w = walk_payload(p);
	bool ok = true;
	int type;

	f->seqadj_pos[dir] = f->seqadj_before[dir] = f->seqadj_after[dir] = 0;
	while (ok && (type = walk_next(&w)) >= 0) {
		switch (type) {
		case CTA_SEQADJ_CORRECTION_POS:
			ok = get_u32(w.payload, &f->seqadj_pos[dir]);
			break;
		case CTA_SEQADJ_OFFSET_BEFORE:
			ok = get_u32(w.payload, &f->seqadj_before[dir]);
			break;
		case CTA_SEQADJ_OFFSET_AFTER:
			ok = get_u32(w.payload, &f->seqadj_after[dir]);
			break;
		}
	}
	return ok && !w.bad;
}

static bool decode_synproxy(struct payload p, struct cts_flow *f)
{
	struct walk w = walk_payload(p);
	bool ok = true;
	int type;

	f->synproxy_isn = f->synproxy_its = f->synproxy_tsoff = 0;
	while (ok && (type = walk_next(&w)) >= 0) {
		switch (type) {
		case CTA_SYNPROXY_ISN:
			ok = get_u32(w.payload, &f->synproxy_isn);
			break;
		case CTA_SYNPROXY_ITS:
			ok = get_u32(w.payload, &f->synproxy_its);
			break;
		case CTA_SYNPROXY_TSOFF:
			ok = get_u32(w.payload, &f->synproxy_tsoff);
			break;
		}
	}
	return ok && !w.bad;
}

/* CTA_HELP and CTA_SECCTX: one string each, both numbered 1 in their nest. */
static bool decode_name(struct payload p, const char **str, uint16_t *len, bool *found)
{
	struct walk w = walk_payload(p);
	bool ok = true;
	int type;

	static_assert((int)CTA_HELP_NAME == (int)CTA_SECCTX_NAME, "one reader for both");
	while (ok && (type = walk_next(&w)) >= 0)
		if (type == CTA_HELP_NAME)
			*found = ok = get_string(w.payload, str, len);
	return ok && !w.bad;
}

/* Label words are in host order and the message is aligned to 4 bytes. */
static bool decode_labels(struct payload p, const uint32_t **labels, uint16_t *len)
{
	if (p.len % sizeof(uint32_t))
		return false;
	*labels = (const void *)p.data;
	*len = (uint16_t)p.len;
	return true;
}

/* One top-level attribute: on success its bits, else ok is cleared. */
static inline uint64_t decode_attr(int type, struct payload p, struct cts_flow *f, bool *ok)
{
	bool found = false;

	switch (type) {
	case CTA_TUPLE_ORIG:
		*ok = cts_tuple_decode(p, &f->orig, &f->zone_dir[CTS_DIR_ORIG], &found);
		return CTS_FLOW_BIT(CTS_FLOW_ORIG) |
		       (found ? CTS_FLOW_BIT(CTS_FLOW_ZONE_ORIG) : 0);
	case CTA_TUPLE_REPLY:
		*ok = cts_tuple_decode(p, &f->reply, &f->zone_dir[CTS_DIR_REPLY], &found);
		return CTS_FLOW_BIT(CTS_FLOW_REPLY) |
		       (found ? CTS_FLOW_BIT(CTS_FLOW_ZONE_REPLY) : 0);
	case CTA_TUPLE_MASTER:
		*ok = cts_tuple_decode(p, &f->master, NULL, NULL);
		return CTS_FLOW_BIT(CTS_FLOW_MASTER);
	case CTA_STATUS:
		*ok = get_u32(p, &f->status);
		return CTS_FLOW_BIT(CTS_FLOW_STATUS);
	case CTA_PROTOINFO:
		*ok = decode_protoinfo(p, f);
		return 0;
	case CTA_HELP:
		*ok = decode_name(p, &f->helper, &f->helper_len, &found);
		return found ? CTS_FLOW_BIT(CTS_FLOW_HELPER) : 0;
	case CTA_TIMEOUT:
		*ok = get_u32(p, &f->timeout);
		return CTS_FLOW_BIT(CTS_FLOW_TIMEOUT);
	case CTA_MARK:
		*ok = get_u32(p, &f->mark);
		return CTS_FLOW_BIT(CTS_FLOW_MARK);
	case CTA_COUNTERS_ORIG:
		*ok = decode_counters(p, f, CTS_DIR_ORIG);
		return CTS_FLOW_BIT(CTS_FLOW_COUNTERS_ORIG);
	case CTA_COUNTERS_REPLY:
		*ok = decode_counters(p, f, CTS_DIR_REPLY);
		return CTS_FLOW_BIT(CTS_FLOW_COUNTERS_REPLY);
	case CTA_USE:
		*ok = get_u32(p, &f->use);
		return CTS_FLOW_BIT(CTS_FLOW_USE);
	case CTA_ID:
		*ok = get_u32(p, &f->id);
		return CTS_FLOW_BIT(CTS_FLOW_ID);
	case CTA_SEQ_ADJ_ORIG:
		*ok = decode_seqadj(p, f, CTS_DIR_ORIG);
		return CTS_FLOW_BIT(CTS_FLOW_SEQADJ_ORIG);
	case CTA_SEQ_ADJ_REPLY:
		*ok = decode_seqadj(p, f, CTS_DIR_REPLY);
		return CTS_FLOW_BIT(CTS_FLOW_SEQADJ_REPLY);
	case CTA_SECMARK:
		*ok = get_u32(p, &f->secmark);
		return CTS_FLOW_BIT(CTS_FLOW_SECMARK);
	case CTA_ZONE:
		*ok = get_u16(p, &f->zone);
		return CTS_FLOW_BIT(CTS_FLOW_ZONE);
	case CTA_SECCTX:
		*ok = decode_name(p, &f->secctx, &f->secctx_len, &found);
		return found ? CTS_FLOW_BIT(CTS_FLOW_SECCTX) : 0;
	case CTA_TIMESTAMP:
		*ok = decode_timestamp(p, f);
		return 0;
	case CTA_LABELS:
		*ok = decode_labels(p, &f->labels, &f->labels_len);
		return CTS_FLOW_BIT(CTS_FLOW_LABELS);
	case CTA_LABELS_MASK:
		*ok = decode_labels(p, &f->labels_mask, &f->labels_mask_len);
		return CTS_FLOW_BIT(CTS_FLOW_LABELS_MASK);
	case CTA_SYNPROXY:
		*ok = decode_synproxy(p, f);
		return CTS_FLOW_BIT(CTS_FLOW_SYNPROXY);
	case CTS_CTA_TIMESTAMP_EVENT:
		*ok = get_u64(p, &f->event_ns);
		return CTS_FLOW_BIT(CTS_FLOW_EVENT_TIME);
	default:
		return 0;
	}
}

int cts_flow_decode(const struct nlmsghdr *nlh, struct cts_flow *flow)
{
	const size_t fixed = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(struct nfgenmsg));
	struct walk w;
	uint64_t bits;
	bool ok = true;
	int type;

	flow->present = 0;
	if (nlh->nlmsg_len < fixed)
		goto bad;
	w = walk_payload((struct payload){ (const uint8_t *)nlh + fixed, nlh->nlmsg_len - fixed });
	while ((type = walk_next(&w)) >= 0) {
		bits = decode_attr(type, w.payload, flow, &ok); /* sets some in the flow itself */
		if (!ok)
			goto bad;
		flow->present |= bits;
	}
	if (!w.bad)
		return 0;
bad:
	flow->present = 0;
	errno = EBADMSG;
	return -1;
}
