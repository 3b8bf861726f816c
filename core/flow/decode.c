/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ctnetlink message -> flow record: one pass over the attributes, which tables name;
 * no allocation. Every length is checked against what is left before
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

bool cts_tuple_decode(struct payload p, struct cts_tuple *t, uint16_t *zone, bool *has_zone)
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

/* -- the attributes as tables -- */

/*
 * An attribute: a number, a nest of attributes, or what a function of its own reads.
 * Numbers are read where they are found, by the few functions below that the compiler
 * has to inline: with a call for each attribute a table costs a sixth more than a switch.
 */
#define IN_PLACE static inline __attribute__((always_inline))

struct attr {
	uint64_t bits;   /* of cts_flow.present */
	uint16_t offset; /* in struct cts_flow */
	uint8_t width;   /* of a number; 0: it is none, or nothing is known of it */
	uint8_t nest_len;
	const struct attr *nest;
	bool (*read)(const struct attr *attr, struct payload p, struct cts_flow *f);
};

IN_PLACE void *attr_at(const struct attr *attr, struct cts_flow *f)
{
	return (uint8_t *)f + attr->offset;
}

IN_PLACE bool read_number(const struct attr *attr, struct payload p, struct cts_flow *f)
{
	switch (attr->width) {
	case sizeof(uint32_t):
		return get_u32(p, attr_at(attr, f));
	case sizeof(uint8_t):
		return get_u8(p, attr_at(attr, f));
	case sizeof(uint16_t):
		return get_u16(p, attr_at(attr, f));
	case sizeof(uint64_t):
		return get_u64(p, attr_at(attr, f));
	default:
		return true;
	}
}

/* The widths that are frequent come first. */
IN_PLACE bool read_attr(const struct attr *attr, struct payload p, struct cts_flow *f)
{
	f->present |= attr->bits;
	if (attr->width == sizeof(uint32_t))
		return get_u32(p, attr_at(attr, f));
	if (attr->read)
		return attr->read(attr, p, f);
	if (attr->width == sizeof(uint8_t))
		return get_u8(p, attr_at(attr, f));
	return read_number(attr, p, f);
}

IN_PLACE bool read_table(const struct attr *table, unsigned int len, struct payload p,
			 struct cts_flow *f)
{
	struct walk w = walk_payload(p);
	int type;

	while ((type = walk_next(&w)) >= 0)
		if ((unsigned int)type < len && !read_attr(&table[type], w.payload, f))
			return false;
	return !w.bad;
}

static bool read_nest(const struct attr *attr, struct payload p, struct cts_flow *f)
{
	return read_table(attr->nest, attr->nest_len, p, f);
}

/* What a nest of numbers does not name is 0. */
static bool read_numbers(const struct attr *attr, struct payload p, struct cts_flow *f)
{
	static const uint8_t zero[sizeof(uint64_t)];

	for (unsigned int i = 0; i < attr->nest_len; i++)
		read_number(&attr->nest[i], (struct payload){ zero, sizeof(zero) }, f);
	return read_nest(attr, p, f);
}

static bool read_tuple(const struct attr *attr, struct payload p, struct cts_flow *f)
{
	enum cts_dir dir = attr->bits & CTS_FLOW_BIT(CTS_FLOW_REPLY) ? CTS_DIR_REPLY : CTS_DIR_ORIG;
	bool zone = false;

	if (!cts_tuple_decode(p, attr_at(attr, f), &f->zone_dir[dir], &zone))
		return false;
	if (zone)
		f->present |= CTS_FLOW_BIT(CTS_FLOW_ZONE_ORIG + dir);
	return true;
}

static bool read_master(const struct attr *attr, struct payload p, struct cts_flow *f)
{
	return cts_tuple_decode(p, attr_at(attr, f), NULL, NULL);
}

static bool read_tcp(const struct attr *attr, struct payload p, struct cts_flow *f)
{
	memset(f->tcp_flags, 0, sizeof(f->tcp_flags));
	memset(f->tcp_flags_mask, 0, sizeof(f->tcp_flags_mask));
	memset(f->tcp_wscale, 0, sizeof(f->tcp_wscale));
	return read_nest(attr, p, f);
}

static bool read_tcp_flags(const struct attr *attr, struct payload p, struct cts_flow *f)
{
	const size_t to_mask = offsetof(struct cts_flow, tcp_flags_mask) -
			       offsetof(struct cts_flow, tcp_flags);
	uint8_t *flags = attr_at(attr, f);

	if (p.len < sizeof(struct nf_ct_tcp_flags))
		return false;
	flags[0] = p.data[0];
	flags[to_mask] = p.data[1];
	return true;
}

static bool read_helper(const struct attr *attr, struct payload p, struct cts_flow *f)
{
	(void)attr;
	return get_string(p, &f->helper, &f->helper_len);
}

static bool read_secctx(const struct attr *attr, struct payload p, struct cts_flow *f)
{
	(void)attr;
	return get_string(p, &f->secctx, &f->secctx_len);
}

/* Label words are in host order and the message is aligned to 4 bytes. */
static bool get_labels(struct payload p, const uint32_t **labels, uint16_t *len)
{
	if (p.len % sizeof(uint32_t))
		return false;
	*labels = (const void *)p.data;
	*len = (uint16_t)p.len;
	return true;
}

static bool read_labels(const struct attr *attr, struct payload p, struct cts_flow *f)
{
	(void)attr;
	return get_labels(p, &f->labels, &f->labels_len);
}

static bool read_labels_mask(const struct attr *attr, struct payload p, struct cts_flow *f)
{
	(void)attr;
	return get_labels(p, &f->labels_mask, &f->labels_mask_len);
}

#define BIT(attr) .bits = CTS_FLOW_BIT(CTS_FLOW_##attr)
#define AT(member) .offset = offsetof(struct cts_flow, member)
#define NUMBER(member) AT(member), .width = sizeof(((struct cts_flow *)0)->member)
#define NEST(table, function) \
	.nest = table, .nest_len = sizeof(table) / sizeof((table)[0]), .read = function

static const struct attr tcp[] = {
	[CTA_PROTOINFO_TCP_STATE] = { BIT(TCP_STATE), NUMBER(tcp_state) },
	[CTA_PROTOINFO_TCP_WSCALE_ORIGINAL] = { BIT(TCP_WSCALE), NUMBER(tcp_wscale[0]) },
	[CTA_PROTOINFO_TCP_WSCALE_REPLY] = { BIT(TCP_WSCALE), NUMBER(tcp_wscale[1]) },
	[CTA_PROTOINFO_TCP_FLAGS_ORIGINAL] = { BIT(TCP_FLAGS), AT(tcp_flags[0]),
					       .read = read_tcp_flags },
	[CTA_PROTOINFO_TCP_FLAGS_REPLY] = { BIT(TCP_FLAGS), AT(tcp_flags[1]),
					    .read = read_tcp_flags },
};

static const struct attr sctp[] = {
	[CTA_PROTOINFO_SCTP_STATE] = { BIT(SCTP_STATE), NUMBER(sctp_state) },
	[CTA_PROTOINFO_SCTP_VTAG_ORIGINAL] = { BIT(SCTP_VTAG), NUMBER(sctp_vtag[0]) },
	[CTA_PROTOINFO_SCTP_VTAG_REPLY] = { BIT(SCTP_VTAG), NUMBER(sctp_vtag[1]) },
};

static const struct attr dccp[] = {
	[CTA_PROTOINFO_DCCP_STATE] = { BIT(DCCP_STATE), NUMBER(dccp_state) },
	[CTA_PROTOINFO_DCCP_ROLE] = { BIT(DCCP_ROLE), NUMBER(dccp_role) },
	[CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ] = { BIT(DCCP_SEQ), NUMBER(dccp_seq) },
};

static const struct attr protoinfo[] = {
	[CTA_PROTOINFO_TCP] = { NEST(tcp, read_tcp) },
	[CTA_PROTOINFO_DCCP] = { NEST(dccp, read_nest) },
	[CTA_PROTOINFO_SCTP] = { NEST(sctp, read_numbers) },
};

static const struct attr counters[CTS_DIR_MAX][CTA_COUNTERS_BYTES + 1] = {
	{ [CTA_COUNTERS_PACKETS] = { NUMBER(packets[0]) },
	  [CTA_COUNTERS_BYTES] = { NUMBER(bytes[0]) } },
	{ [CTA_COUNTERS_PACKETS] = { NUMBER(packets[1]) },
	  [CTA_COUNTERS_BYTES] = { NUMBER(bytes[1]) } },
};

static const struct attr seqadj[CTS_DIR_MAX][CTA_SEQADJ_OFFSET_AFTER + 1] = {
	{ [CTA_SEQADJ_CORRECTION_POS] = { NUMBER(seqadj_pos[0]) },
	  [CTA_SEQADJ_OFFSET_BEFORE] = { NUMBER(seqadj_before[0]) },
	  [CTA_SEQADJ_OFFSET_AFTER] = { NUMBER(seqadj_after[0]) } },
	{ [CTA_SEQADJ_CORRECTION_POS] = { NUMBER(seqadj_pos[1]) },
	  [CTA_SEQADJ_OFFSET_BEFORE] = { NUMBER(seqadj_before[1]) },
	  [CTA_SEQADJ_OFFSET_AFTER] = { NUMBER(seqadj_after[1]) } },
};

static const struct attr timestamp[] = {
	[CTA_TIMESTAMP_START] = { BIT(START), NUMBER(start_ns) },
	[CTA_TIMESTAMP_STOP] = { BIT(STOP), NUMBER(stop_ns) },
};

static const struct attr synproxy[] = {
	[CTA_SYNPROXY_ISN] = { NUMBER(synproxy_isn) },
	[CTA_SYNPROXY_ITS] = { NUMBER(synproxy_its) },
	[CTA_SYNPROXY_TSOFF] = { NUMBER(synproxy_tsoff) },
};

static const struct attr help[] = { [CTA_HELP_NAME] = { BIT(HELPER), .read = read_helper } };
static const struct attr secctx[] = { [CTA_SECCTX_NAME] = { BIT(SECCTX), .read = read_secctx } };

static const struct attr message[] = {
	[CTA_TUPLE_ORIG] = { BIT(ORIG), AT(orig), .read = read_tuple },
	[CTA_TUPLE_REPLY] = { BIT(REPLY), AT(reply), .read = read_tuple },
	[CTA_TUPLE_MASTER] = { BIT(MASTER), AT(master), .read = read_master },
	[CTA_STATUS] = { BIT(STATUS), NUMBER(status) },
	[CTA_PROTOINFO] = { NEST(protoinfo, read_nest) },
	[CTA_HELP] = { NEST(help, read_nest) },
	[CTA_TIMEOUT] = { BIT(TIMEOUT), NUMBER(timeout) },
	[CTA_MARK] = { BIT(MARK), NUMBER(mark) },
	[CTA_COUNTERS_ORIG] = { BIT(COUNTERS_ORIG), NEST(counters[0], read_numbers) },
	[CTA_COUNTERS_REPLY] = { BIT(COUNTERS_REPLY), NEST(counters[1], read_numbers) },
	[CTA_USE] = { BIT(USE), NUMBER(use) },
	[CTA_ID] = { BIT(ID), NUMBER(id) },
	[CTA_SEQ_ADJ_ORIG] = { BIT(SEQADJ_ORIG), NEST(seqadj[0], read_numbers) },
	[CTA_SEQ_ADJ_REPLY] = { BIT(SEQADJ_REPLY), NEST(seqadj[1], read_numbers) },
	[CTA_SECMARK] = { BIT(SECMARK), NUMBER(secmark) },
	[CTA_ZONE] = { BIT(ZONE), NUMBER(zone) },
	[CTA_SECCTX] = { NEST(secctx, read_nest) },
	[CTA_TIMESTAMP] = { NEST(timestamp, read_nest) },
	[CTA_LABELS] = { BIT(LABELS), .read = read_labels },
	[CTA_LABELS_MASK] = { BIT(LABELS_MASK), .read = read_labels_mask },
	[CTA_SYNPROXY] = { BIT(SYNPROXY), NEST(synproxy, read_numbers) },
	[CTS_CTA_TIMESTAMP_EVENT] = { BIT(EVENT_TIME), NUMBER(event_ns) },
};

int cts_flow_decode(const struct nlmsghdr *nlh, struct cts_flow *flow)
{
	const size_t fixed = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(struct nfgenmsg));
	const size_t known = sizeof(message) / sizeof(message[0]);
	struct payload all = { (const uint8_t *)nlh + fixed, nlh->nlmsg_len - fixed };

	flow->present = 0;
	if (nlh->nlmsg_len >= fixed && read_table(message, known, all, flow))
		return 0;
	flow->present = 0;
	errno = EBADMSG;
	return -1;
}
