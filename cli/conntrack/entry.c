/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One entry from the command line's own words: for -I, -A and -G. */
#include "config.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>
#include <string.h>

#include "cli/conntrack/entry.h"

/* The direction that was not given answers the one that was, member by member. */
static void complete_tuples(struct cmdline *cl)
{
	struct cts_flow *f = &cl->store.flow;
	struct cts_tuple inverse;
	bool orig = cmdline_has(cl, OPT_ORIG_SRC) && cmdline_has(cl, OPT_ORIG_DST);
	bool ports = (cl->proto_given & (PO_BIT(PO_SPORT) | PO_BIT(PO_DPORT))) ==
		     (PO_BIT(PO_SPORT) | PO_BIT(PO_DPORT));
	bool reply_ports = cl->proto_given & PO_BIT(PO_REPLY_SPORT) &&
			   cl->proto_given & PO_BIT(PO_REPLY_DPORT);

	if (!orig) {
		f->orig.src = f->reply.dst;
		f->orig.dst = f->reply.src;
	}
	if (!ports && reply_ports) {
		f->orig.sport = f->reply.dport;
		f->orig.dport = f->reply.sport;
	}
	cts_tuple_invert(&f->orig, &inverse);
	if (cmdline_has(cl, OPT_REPLY_SRC))
		inverse.src = f->reply.src;
	if (cmdline_has(cl, OPT_REPLY_DST))
		inverse.dst = f->reply.dst;
	if (cl->proto_given & PO_BIT(PO_REPLY_SPORT))
		inverse.sport = f->reply.sport;
	if (cl->proto_given & PO_BIT(PO_REPLY_DPORT))
		inverse.dport = f->reply.dport;
	f->reply = inverse;
	f->present |= CTS_FLOW_BIT(CTS_FLOW_ORIG) | CTS_FLOW_BIT(CTS_FLOW_REPLY);
}

bool entry_is_possible(const struct cmdline *cl)
{
	const struct cts_tuple *t = &cl->store.flow.orig;

	return t->proto != (t->family == AF_INET ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
}

void entry_key(struct cmdline *cl)
{
	if (cl->family == AF_UNSPEC)
		cl->family = AF_INET;
	cl->store.flow.orig.family = cl->store.flow.reply.family = (uint8_t)cl->family;
	complete_tuples(cl);
}

/* Made by hand: no packet has shown the windows, so they are not looked at. */
static void liberal_tcp(struct cts_flow *f)
{
	uint8_t flags = IP_CT_TCP_FLAG_BE_LIBERAL | IP_CT_TCP_FLAG_SACK_PERM;

	if (f->tcp_state >= TCP_CONNTRACK_TIME_WAIT)
		flags |= IP_CT_TCP_FLAG_CLOSE_INIT;
	f->tcp_flags[0] = f->tcp_flags[1] = flags;
	f->tcp_flags_mask[0] = f->tcp_flags_mask[1] = flags;
	f->present |= CTS_FLOW_BIT(CTS_FLOW_TCP_FLAGS);
}

static void entry_nat(struct cmdline *cl)
{
	struct cts_flow *f = &cl->store.flow;

	f->nat.family = (uint8_t)cl->family;
	f->nat.proto = f->orig.proto;
	if (cl->snat.has_addr) {
		f->nat.src = cl->snat.addr;
		f->nat.sport = cl->snat.port;
		f->present |= CTS_FLOW_BIT(CTS_FLOW_SNAT);
	}
	if (cl->dnat.has_addr) {
		f->nat.dst = cl->dnat.addr;
		f->nat.dport = cl->dnat.port;
		f->present |= CTS_FLOW_BIT(CTS_FLOW_DNAT);
	}
}

void entry_values(struct cmdline *cl)
{
	struct cts_flow *f = &cl->store.flow;

	if (cts_flow_has(f, CTS_FLOW_TCP_STATE))
		liberal_tcp(f);
	if (cmdline_has(cl, OPT_MARK)) {
		f->mark = cl->mark;
		f->present |= CTS_FLOW_BIT(CTS_FLOW_MARK);
	}
	if (cmdline_has(cl, OPT_STATUS)) {
		f->status = cl->status_set | IPS_CONFIRMED;
		f->present |= CTS_FLOW_BIT(CTS_FLOW_STATUS);
	}
	if (cmdline_has(cl, OPT_LABEL_ADD)) {
		f->labels = cl->label_add;
		f->labels_len = sizeof(cl->label_add);
		f->present |= CTS_FLOW_BIT(CTS_FLOW_LABELS);
	}
	if (cmdline_has(cl, OPT_HELPER)) {
		f->helper = cl->store.helper;
		f->helper_len = (uint16_t)strlen(f->helper);
		f->present |= CTS_FLOW_BIT(CTS_FLOW_HELPER);
	}
	entry_nat(cl);
}
