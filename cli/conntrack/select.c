/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line's conditions as a filter of the pipeline. */
#include "config.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <string.h>

#include "cli/conntrack/conntrack.h"

static bool addr_equal(const union cts_addr *a, const union cts_addr *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static bool addr_within(const union cts_addr *addr, const union cts_addr *net,
			const union cts_addr *mask, bool masked)
{
	unsigned int i;

	if (!masked)
		return addr_equal(addr, net);
	for (i = 0; i < 4; i++)
		if ((addr->v6[i] ^ net->v6[i]) & mask->v6[i])
			return false;
	return true;
}

static bool match_addresses(const struct cmdline *cl, const struct cts_flow *f)
{
	const struct cts_flow *want = &cl->store.flow;

	if (cl->family != AF_UNSPEC && f->orig.family != cl->family)
		return false;
	if (cmdline_has(cl, OPT_ORIG_SRC) &&
	    !addr_within(&f->orig.src, &want->orig.src, &cl->src_mask, cl->src_masked))
		return false;
	if (cmdline_has(cl, OPT_ORIG_DST) &&
	    !addr_within(&f->orig.dst, &want->orig.dst, &cl->dst_mask, cl->dst_masked))
		return false;
	if (cmdline_has(cl, OPT_REPLY_SRC) && !addr_equal(&f->reply.src, &want->reply.src))
		return false;
	return !cmdline_has(cl, OPT_REPLY_DST) || addr_equal(&f->reply.dst, &want->reply.dst);
}

static bool match_proto(const struct cmdline *cl, const struct cts_flow *f)
{
	const struct cts_flow *want = &cl->store.flow;
	uint32_t given = cl->proto_given;

	if (!cmdline_has(cl, OPT_PROTO))
		return true;
	if (f->orig.proto != want->orig.proto)
		return false;
	if (!given)
		return true;
	if (given & (PO_BIT(PO_SPORT) | PO_BIT(PO_ICMP_ID)) && f->orig.sport != want->orig.sport)
		return false;
	if (given & PO_BIT(PO_DPORT) && f->orig.dport != want->orig.dport)
		return false;
	if (given & PO_BIT(PO_REPLY_SPORT) && f->reply.sport != want->reply.sport)
		return false;
	if (given & PO_BIT(PO_REPLY_DPORT) && f->reply.dport != want->reply.dport)
		return false;
	if (given & PO_BIT(PO_ICMP_TYPE) && f->orig.icmp_type != want->orig.icmp_type)
		return false;
	return !(given & PO_BIT(PO_ICMP_CODE)) || f->orig.icmp_code == want->orig.icmp_code;
}

static bool match_state(const struct cmdline *cl, const struct cts_flow *f)
{
	const struct cts_flow *want = &cl->store.flow;

	if (!(cl->proto_given & PO_BIT(PO_STATE)))
		return true;
	if (cts_flow_has(want, CTS_FLOW_TCP_STATE))
		return cts_flow_has(f, CTS_FLOW_TCP_STATE) && f->tcp_state == want->tcp_state;
	if (cts_flow_has(want, CTS_FLOW_SCTP_STATE))
		return cts_flow_has(f, CTS_FLOW_SCTP_STATE) && f->sctp_state == want->sctp_state;
	return cts_flow_has(f, CTS_FLOW_DCCP_STATE) && f->dccp_state == want->dccp_state;
}

static bool is_snat(const struct cts_flow *f)
{
	if (cts_flow_has(f, CTS_FLOW_STATUS) && !(f->status & IPS_SRC_NAT_DONE))
		return false;
	return !addr_equal(&f->reply.dst, &f->orig.src) || f->reply.dport != f->orig.sport;
}

static bool is_dnat(const struct cts_flow *f)
{
	if (cts_flow_has(f, CTS_FLOW_STATUS) && !(f->status & IPS_DST_NAT_DONE))
		return false;
	return !addr_equal(&f->reply.src, &f->orig.dst) || f->reply.sport != f->orig.dport;
}

static bool nat_arg_equal(const struct nat_arg *want, const union cts_addr *addr, uint16_t port)
{
	if (want->has_addr && !addr_equal(addr, &want->addr))
		return false;
	return !want->has_port || port == want->port;
}

static bool match_snat(const struct nat_arg *want, const struct cts_flow *f)
{
	return is_snat(f) && nat_arg_equal(want, &f->reply.dst, f->reply.dport);
}

static bool match_dnat(const struct nat_arg *want, const struct cts_flow *f)
{
	return is_dnat(f) && nat_arg_equal(want, &f->reply.src, f->reply.sport);
}

static bool match_nat(const struct cmdline *cl, const struct cts_flow *f)
{
	if (cmdline_has(cl, OPT_SRC_NAT) && !match_snat(&cl->snat, f))
		return false;
	if (cmdline_has(cl, OPT_DST_NAT) && !match_dnat(&cl->dnat, f))
		return false;
	return !cmdline_has(cl, OPT_ANY_NAT) || match_snat(&cl->anynat, f) ||
	       match_dnat(&cl->anynat, f);
}

/* An entry without the attribute is in zone 0. */
static bool match_zones(const struct cmdline *cl, const struct cts_flow *f)
{
	const struct cts_flow *want = &cl->store.flow;
	uint16_t both = cts_flow_has(f, CTS_FLOW_ZONE) ? f->zone : 0;
	uint16_t orig = cts_flow_has(f, CTS_FLOW_ZONE_ORIG) ? f->zone_dir[CTS_DIR_ORIG] : 0;
	uint16_t reply = cts_flow_has(f, CTS_FLOW_ZONE_REPLY) ? f->zone_dir[CTS_DIR_REPLY] : 0;

	if (cmdline_has(cl, OPT_ZONE) && both != want->zone)
		return false;
	if (cmdline_has(cl, OPT_ORIG_ZONE) && orig != want->zone_dir[CTS_DIR_ORIG])
		return false;
	return !cmdline_has(cl, OPT_REPLY_ZONE) || reply == want->zone_dir[CTS_DIR_REPLY];
}

static bool match_labels(const struct cmdline *cl, const struct cts_flow *f)
{
	unsigned int i;

	if (!cmdline_has(cl, OPT_LABEL))
		return true;
	if (!cts_flow_has(f, CTS_FLOW_LABELS))
		return false;
	for (i = 0; i < LABEL_WORDS; i++) {
		uint32_t word = i < f->labels_len / 4u ? f->labels[i] : 0;

		if ((word & cl->labels[i]) != cl->labels[i])
			return false;
	}
	return true;
}

static bool match_helper(const struct cmdline *cl, const struct cts_flow *f)
{
	return !cmdline_has(cl, OPT_HELPER) ||
	       (cts_flow_has(f, CTS_FLOW_HELPER) && !strcmp(f->helper, cl->store.helper));
}

/* What an update sets does not select. */
static bool match_values(const struct cmdline *cl, const struct cts_flow *f)
{
	uint32_t mark = cts_flow_has(f, CTS_FLOW_MARK) ? f->mark : 0;

	if (cl->command->id == CMD_UPDATE)
		return true;
	if (cmdline_has(cl, OPT_MARK) && (mark & cl->mark_mask) != cl->mark)
		return false;
	if (cmdline_has(cl, OPT_STATUS) &&
	    ((f->status & cl->status_set) != cl->status_set || f->status & cl->status_clear))
		return false;
	if (cmdline_has(cl, OPT_SECMARK) &&
	    (!cts_flow_has(f, CTS_FLOW_SECMARK) || f->secmark != cl->store.flow.secmark))
		return false;
	if (cmdline_has(cl, OPT_TIMEOUT) &&
	    (!cts_flow_has(f, CTS_FLOW_TIMEOUT) || f->timeout != cl->store.flow.timeout))
		return false;
	return match_state(cl, f);
}

bool select_matches(const struct cmdline *cl, const struct cts_flow *f)
{
	if (!(cl->given & ~OPT_BIT(OPT_OUTPUT)) && cl->family == AF_UNSPEC)
		return true;
	if (cmdline_has(cl, OPT_ID) &&
	    (!cts_flow_has(f, CTS_FLOW_ID) || f->id != cl->store.flow.id))
		return false;
	return match_addresses(cl, f) && match_proto(cl, f) && match_values(cl, f) &&
	       match_nat(cl, f) && match_zones(cl, f) && match_labels(cl, f) &&
	       match_helper(cl, f);
}

static void select_apply(void *priv, const struct cts_batch *batch)
{
	const struct cmdline *cl = priv;
	const struct cts_event *ev;
	size_t i;

	cts_batch_for_each(i, ev, batch)
		if (!ev->flow || !select_matches(cl, ev->flow))
			cts_batch_drop(batch, i);
}

static void *select_create(const struct cts_options *opt)
{
	(void)opt;
	return NULL;
}

static void select_destroy(void *priv)
{
	(void)priv;
}

const struct cts_filter_ops select_filter = {
	.plugin = CTS_PLUGIN(CTS_KIND_FILTER, struct cts_filter_ops, "select", PACKAGE_VERSION,
			     "the conditions of the command line", NULL),
	.create = select_create,
	.destroy = select_destroy,
	.apply = select_apply,
};

/* What is asked for exactly, as tuples in which 0 stands for anything. The kernel
 * can look at them only within one family. */
static void push_tuples(const struct cmdline *cl, struct cts_dump_conf *conf,
			struct cts_flow *f)
{
	const struct cts_flow *want = &cl->store.flow;

	memset(f, 0, sizeof(*f));
	if (cl->family == AF_UNSPEC)
		return;
	f->orig.family = f->reply.family = (uint8_t)cl->family;
	if (cmdline_has(cl, OPT_ORIG_SRC) && !cl->src_masked)
		f->orig.src = want->orig.src;
	if (cmdline_has(cl, OPT_ORIG_DST) && !cl->dst_masked)
		f->orig.dst = want->orig.dst;
	if (cmdline_has(cl, OPT_REPLY_SRC))
		f->reply.src = want->reply.src;
	if (cmdline_has(cl, OPT_REPLY_DST))
		f->reply.dst = want->reply.dst;
	if (cmdline_has(cl, OPT_PROTO)) {
		f->orig.proto = f->reply.proto = want->orig.proto;
		f->orig.sport = want->orig.sport;
		f->orig.dport = want->orig.dport;
		f->orig.icmp_type = want->orig.icmp_type;
		f->orig.icmp_code = want->orig.icmp_code;
		f->reply.sport = want->reply.sport;
		f->reply.dport = want->reply.dport;
	}
	f->present = CTS_FLOW_BIT(CTS_FLOW_ORIG) | CTS_FLOW_BIT(CTS_FLOW_REPLY);
	conf->filter = f;
}

void select_push(const struct cmdline *cl, struct cts_dump_conf *conf, struct cts_flow *pushed)
{
	conf->family = cl->family;
	push_tuples(cl, conf, pushed);
	if (cl->command->id == CMD_UPDATE)
		return;
	if (cmdline_has(cl, OPT_MARK) && cl->mark_mask) {
		conf->has_mark = true;
		conf->mark = cl->mark;
		conf->mark_mask = cl->mark_mask;
	}
	if (cl->status_set) {
		conf->has_status = true;
		conf->status = conf->status_mask = cl->status_set;
	}
	if (cmdline_has(cl, OPT_ZONE)) {
		conf->has_zone = true;
		conf->zone = cl->store.flow.zone;
	}
}
