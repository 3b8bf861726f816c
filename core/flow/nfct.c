/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bridge to libnetfilter_conntrack. To an object: the library's own parser
 * reads the message that we would send. From one: its getters, by table.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <ctsync/nfct.h>

#include "core/flow/codec.h"
#include "core/flow/tuple.h"

#define MESSAGE_SIZE (64u + 3 * 65536u) /* the rest, labels and the two strings */

static void set_nat(struct nf_conntrack *ct, const struct cts_flow *flow)
{
	const struct cts_tuple *nat = &flow->nat;
	bool v6 = nat->family == AF_INET6;

	if (cts_flow_has(flow, CTS_FLOW_SNAT)) {
		nfct_set_attr(ct, v6 ? ATTR_SNAT_IPV6 : ATTR_SNAT_IPV4, &nat->src);
		if (nat->sport)
			nfct_set_attr_u16(ct, ATTR_SNAT_PORT, nat->sport);
	}
	if (cts_flow_has(flow, CTS_FLOW_DNAT)) {
		nfct_set_attr(ct, v6 ? ATTR_DNAT_IPV6 : ATTR_DNAT_IPV4, &nat->dst);
		if (nat->dport)
			nfct_set_attr_u16(ct, ATTR_DNAT_PORT, nat->dport);
	}
}

static int set_labels_mask(struct nf_conntrack *ct, const struct cts_flow *flow)
{
	unsigned int bits = flow->labels_mask_len * 8u;
	struct nfct_bitmask *mask;

	if (!cts_flow_has(flow, CTS_FLOW_LABELS_MASK) || !bits)
		return 0;
	mask = nfct_bitmask_new(bits - 1);
	if (!mask)
		return -1;
	for (unsigned int i = 0; i < bits; i++)
		if (flow->labels_mask[i / 32] >> i % 32 & 1)
			nfct_bitmask_set_bit(mask, i);
	nfct_set_attr(ct, ATTR_CONNLABELS_MASK, mask); /* takes the mask over */
	return 0;
}

struct nf_conntrack *cts_flow_to_nfct(const struct cts_flow *flow)
{
	struct nlmsghdr *nlh = calloc(1, MESSAGE_SIZE);
	struct nf_conntrack *ct = nfct_new();
	struct nfgenmsg *nfg;

	if (!nlh || !ct)
		goto err;
	nlh->nlmsg_len = NLMSG_LENGTH(sizeof(*nfg));
	nlh->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
	nfg = NLMSG_DATA(nlh);
	nfg->nfgen_family = flow->orig.family;
	nfg->version = NFNETLINK_V0;
	if (cts_flow_encode(nlh, MESSAGE_SIZE, flow, ~UINT64_C(0)) < 0)
		goto err;
	if (nfct_nlmsg_parse(nlh, ct) < 0) {
		errno = EINVAL;
		goto err;
	}
	set_nat(ct, flow);
	if (set_labels_mask(ct, flow) < 0)
		goto err;
	free(nlh);
	return ct;
err:
	free(nlh);
	if (ct)
		nfct_destroy(ct);
	return NULL;
}

/* Members whose form is the same on both sides: host order, or both network order. */
static const struct {
	enum nf_conntrack_attr from;
	enum cts_flow_attr attr;
	uint16_t offset;
	uint8_t size;
} plain[] = {
/* clang-format off */
#define PLAIN(from_, attr_, member) \
	{ from_, attr_, offsetof(struct cts_flow, member), sizeof(((struct cts_flow *)0)->member) }
	/* clang-format on */
	PLAIN(ATTR_STATUS, CTS_FLOW_STATUS, status),
	PLAIN(ATTR_TIMEOUT, CTS_FLOW_TIMEOUT, timeout),
	PLAIN(ATTR_MARK, CTS_FLOW_MARK, mark),
	PLAIN(ATTR_ZONE, CTS_FLOW_ZONE, zone),
	PLAIN(ATTR_ORIG_ZONE, CTS_FLOW_ZONE_ORIG, zone_dir[CTS_DIR_ORIG]),
	PLAIN(ATTR_REPL_ZONE, CTS_FLOW_ZONE_REPLY, zone_dir[CTS_DIR_REPLY]),
	PLAIN(ATTR_TCP_STATE, CTS_FLOW_TCP_STATE, tcp_state),
	PLAIN(ATTR_TCP_FLAGS_ORIG, CTS_FLOW_TCP_FLAGS, tcp_flags[CTS_DIR_ORIG]),
	PLAIN(ATTR_TCP_FLAGS_REPL, CTS_FLOW_TCP_FLAGS, tcp_flags[CTS_DIR_REPLY]),
	PLAIN(ATTR_TCP_MASK_ORIG, CTS_FLOW_TCP_FLAGS, tcp_flags_mask[CTS_DIR_ORIG]),
	PLAIN(ATTR_TCP_MASK_REPL, CTS_FLOW_TCP_FLAGS, tcp_flags_mask[CTS_DIR_REPLY]),
	PLAIN(ATTR_TCP_WSCALE_ORIG, CTS_FLOW_TCP_WSCALE, tcp_wscale[CTS_DIR_ORIG]),
	PLAIN(ATTR_TCP_WSCALE_REPL, CTS_FLOW_TCP_WSCALE, tcp_wscale[CTS_DIR_REPLY]),
	PLAIN(ATTR_SCTP_STATE, CTS_FLOW_SCTP_STATE, sctp_state),
	PLAIN(ATTR_SCTP_VTAG_ORIG, CTS_FLOW_SCTP_VTAG, sctp_vtag[CTS_DIR_ORIG]),
	PLAIN(ATTR_SCTP_VTAG_REPL, CTS_FLOW_SCTP_VTAG, sctp_vtag[CTS_DIR_REPLY]),
	PLAIN(ATTR_DCCP_STATE, CTS_FLOW_DCCP_STATE, dccp_state),
	PLAIN(ATTR_DCCP_ROLE, CTS_FLOW_DCCP_ROLE, dccp_role),
	PLAIN(ATTR_DCCP_HANDSHAKE_SEQ, CTS_FLOW_DCCP_SEQ, dccp_seq),
	PLAIN(ATTR_ORIG_COUNTER_PACKETS, CTS_FLOW_COUNTERS_ORIG, packets[CTS_DIR_ORIG]),
	PLAIN(ATTR_ORIG_COUNTER_BYTES, CTS_FLOW_COUNTERS_ORIG, bytes[CTS_DIR_ORIG]),
	PLAIN(ATTR_REPL_COUNTER_PACKETS, CTS_FLOW_COUNTERS_REPLY, packets[CTS_DIR_REPLY]),
	PLAIN(ATTR_REPL_COUNTER_BYTES, CTS_FLOW_COUNTERS_REPLY, bytes[CTS_DIR_REPLY]),
	PLAIN(ATTR_TIMESTAMP_START, CTS_FLOW_START, start_ns),
	PLAIN(ATTR_TIMESTAMP_STOP, CTS_FLOW_STOP, stop_ns),
	PLAIN(ATTR_ORIG_NAT_SEQ_CORRECTION_POS, CTS_FLOW_SEQADJ_ORIG, seqadj_pos[CTS_DIR_ORIG]),
	PLAIN(ATTR_ORIG_NAT_SEQ_OFFSET_BEFORE, CTS_FLOW_SEQADJ_ORIG, seqadj_before[CTS_DIR_ORIG]),
	PLAIN(ATTR_ORIG_NAT_SEQ_OFFSET_AFTER, CTS_FLOW_SEQADJ_ORIG, seqadj_after[CTS_DIR_ORIG]),
	PLAIN(ATTR_REPL_NAT_SEQ_CORRECTION_POS, CTS_FLOW_SEQADJ_REPLY, seqadj_pos[CTS_DIR_REPLY]),
	PLAIN(ATTR_REPL_NAT_SEQ_OFFSET_BEFORE, CTS_FLOW_SEQADJ_REPLY, seqadj_before[CTS_DIR_REPLY]),
	PLAIN(ATTR_REPL_NAT_SEQ_OFFSET_AFTER, CTS_FLOW_SEQADJ_REPLY, seqadj_after[CTS_DIR_REPLY]),
	PLAIN(ATTR_SYNPROXY_ISN, CTS_FLOW_SYNPROXY, synproxy_isn),
	PLAIN(ATTR_SYNPROXY_ITS, CTS_FLOW_SYNPROXY, synproxy_its),
	PLAIN(ATTR_SYNPROXY_TSOFF, CTS_FLOW_SYNPROXY, synproxy_tsoff),
	PLAIN(ATTR_SECMARK, CTS_FLOW_SECMARK, secmark),
	PLAIN(ATTR_ID, CTS_FLOW_ID, id),
	PLAIN(ATTR_USE, CTS_FLOW_USE, use),
	PLAIN(ATTR_SNAT_PORT, CTS_FLOW_ATTR_MAX, nat.sport),
	PLAIN(ATTR_DNAT_PORT, CTS_FLOW_ATTR_MAX, nat.dport),
#undef PLAIN
};

static void get_plain(struct cts_flow *flow, const struct nf_conntrack *ct)
{
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		if (nfct_attr_is_set(ct, plain[i].from) <= 0)
			continue;
		memcpy((char *)flow + plain[i].offset, nfct_get_attr(ct, plain[i].from),
		       plain[i].size);
		if (plain[i].attr < CTS_FLOW_ATTR_MAX)
			flow->present |= CTS_FLOW_BIT(plain[i].attr);
	}
}

/* The library's attributes that make a tuple. */
struct tuple_attrs {
	enum cts_flow_attr attr;
	enum nf_conntrack_attr v4_src, v4_dst, v6_src, v6_dst, l4proto, sport, dport;
};

static const struct tuple_attrs tuple_attrs[] = {
	{ CTS_FLOW_ORIG, ATTR_ORIG_IPV4_SRC, ATTR_ORIG_IPV4_DST, ATTR_ORIG_IPV6_SRC,
	  ATTR_ORIG_IPV6_DST, ATTR_ORIG_L4PROTO, ATTR_ORIG_PORT_SRC, ATTR_ORIG_PORT_DST },
	{ CTS_FLOW_REPLY, ATTR_REPL_IPV4_SRC, ATTR_REPL_IPV4_DST, ATTR_REPL_IPV6_SRC,
	  ATTR_REPL_IPV6_DST, ATTR_REPL_L4PROTO, ATTR_REPL_PORT_SRC, ATTR_REPL_PORT_DST },
	{ CTS_FLOW_MASTER, ATTR_MASTER_IPV4_SRC, ATTR_MASTER_IPV4_DST, ATTR_MASTER_IPV6_SRC,
	  ATTR_MASTER_IPV6_DST, ATTR_MASTER_L4PROTO, ATTR_MASTER_PORT_SRC, ATTR_MASTER_PORT_DST },
};

static bool get_tuple(struct cts_tuple *t, const struct nf_conntrack *ct,
		      const struct tuple_attrs *a)
{
	bool v4 = nfct_attr_is_set(ct, a->v4_src) > 0 && nfct_attr_is_set(ct, a->v4_dst) > 0;
	bool v6 = nfct_attr_is_set(ct, a->v6_src) > 0 && nfct_attr_is_set(ct, a->v6_dst) > 0;

	memset(t, 0, sizeof(*t));
	if (v4 == v6)
		return false;
	t->family = v6 ? AF_INET6 : AF_INET;
	memcpy(&t->src, nfct_get_attr(ct, v6 ? a->v6_src : a->v4_src), cts_addr_len(t->family));
	memcpy(&t->dst, nfct_get_attr(ct, v6 ? a->v6_dst : a->v4_dst), cts_addr_len(t->family));
	if (nfct_attr_is_set(ct, a->l4proto) > 0)
		t->proto = nfct_get_attr_u8(ct, a->l4proto);
	else if (nfct_attr_is_set(ct, ATTR_ORIG_L4PROTO) > 0)
		t->proto = nfct_get_attr_u8(ct, ATTR_ORIG_L4PROTO);
	if (cts_l4_kind(t->proto) == CTS_L4_PORTS) {
		t->sport = nfct_get_attr_u16(ct, a->sport);
		t->dport = nfct_get_attr_u16(ct, a->dport);
	}
	return true;
}

static void get_tuples(struct cts_flow *flow, const struct nf_conntrack *ct)
{
	struct cts_tuple *tuples[] = { &flow->orig, &flow->reply, &flow->master };

	for (size_t i = 0; i < 3; i++)
		if (get_tuple(tuples[i], ct, &tuple_attrs[i]))
			flow->present |= CTS_FLOW_BIT(tuple_attrs[i].attr);
	/* one set of ICMP attributes: that of the original direction */
	if (cts_l4_kind(flow->orig.proto) == CTS_L4_ICMP) {
		struct cts_tuple inv;

		flow->orig.sport = nfct_get_attr_u16(ct, ATTR_ICMP_ID);
		flow->orig.icmp_type = nfct_get_attr_u8(ct, ATTR_ICMP_TYPE);
		flow->orig.icmp_code = nfct_get_attr_u8(ct, ATTR_ICMP_CODE);
		cts_tuple_invert(&flow->orig, &inv);
		flow->reply.sport = inv.sport;
		flow->reply.icmp_type = inv.icmp_type;
		flow->reply.icmp_code = inv.icmp_code;
	}
}

static void get_nat(struct cts_flow *flow, const struct nf_conntrack *ct)
{
	struct cts_tuple *nat = &flow->nat;
	bool v6 = flow->orig.family == AF_INET6;
	enum nf_conntrack_attr snat = v6 ? ATTR_SNAT_IPV6 : ATTR_SNAT_IPV4;
	enum nf_conntrack_attr dnat = v6 ? ATTR_DNAT_IPV6 : ATTR_DNAT_IPV4;

	nat->family = flow->orig.family;
	nat->proto = flow->orig.proto;
	if (nfct_attr_is_set(ct, snat) > 0) {
		memcpy(&nat->src, nfct_get_attr(ct, snat), cts_addr_len(nat->family));
		flow->present |= CTS_FLOW_BIT(CTS_FLOW_SNAT);
	}
	if (nfct_attr_is_set(ct, dnat) > 0) {
		memcpy(&nat->dst, nfct_get_attr(ct, dnat), cts_addr_len(nat->family));
		flow->present |= CTS_FLOW_BIT(CTS_FLOW_DNAT);
	}
}

/* The words of an object's bitmask; false when it has none. */
static bool get_bitmask(const struct nf_conntrack *ct, enum nf_conntrack_attr attr,
			uint32_t words[4])
{
	const struct nfct_bitmask *mask;
	unsigned int max;

	if (nfct_attr_is_set(ct, attr) <= 0)
		return false;
	mask = nfct_get_attr(ct, attr);
	if (!mask)
		return false;
	memset(words, 0, 4 * sizeof(*words));
	max = nfct_bitmask_maxbit(mask);
	for (unsigned int bit = 0; bit < 128 && bit <= max; bit++)
		if (nfct_bitmask_test_bit(mask, bit))
			words[bit / 32] |= UINT32_C(1) << bit % 32;
	return true;
}

static void get_labels(struct cts_flow *flow, const struct nf_conntrack *ct,
		       struct cts_nfct_labels *room)
{
	if (get_bitmask(ct, ATTR_CONNLABELS, room->set)) {
		flow->labels = room->set;
		flow->labels_len = sizeof(room->set);
		flow->present |= CTS_FLOW_BIT(CTS_FLOW_LABELS);
	}
	if (get_bitmask(ct, ATTR_CONNLABELS_MASK, room->mask)) {
		flow->labels_mask = room->mask;
		flow->labels_mask_len = sizeof(room->mask);
		flow->present |= CTS_FLOW_BIT(CTS_FLOW_LABELS_MASK);
	}
}

int cts_flow_from_nfct(struct cts_flow *flow, const struct nf_conntrack *ct,
		       struct cts_nfct_labels *room)
{
	memset(flow, 0, sizeof(*flow));
	get_tuples(flow, ct);
	get_plain(flow, ct);
	get_nat(flow, ct);
	if (nfct_attr_is_set(ct, ATTR_HELPER_NAME) > 0) {
		flow->helper = nfct_get_attr(ct, ATTR_HELPER_NAME);
		flow->helper_len = (uint16_t)strlen(flow->helper);
		flow->present |= CTS_FLOW_BIT(CTS_FLOW_HELPER);
	}
	if (nfct_attr_is_set(ct, ATTR_SECCTX) > 0) {
		flow->secctx = nfct_get_attr(ct, ATTR_SECCTX);
		flow->secctx_len = (uint16_t)strlen(flow->secctx);
		flow->present |= CTS_FLOW_BIT(CTS_FLOW_SECCTX);
	}
	if (room)
		get_labels(flow, ct, room);
	if (!flow->present) {
		errno = EINVAL;
		return -1;
	}
	return 0;
}
