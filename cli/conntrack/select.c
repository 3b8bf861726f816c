/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line's conditions as a filter of the pipeline. */
#include "config.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <string.h>

#include "cli/conntrack/conntrack.h"
#include "core/flow/tuple.h"

/* Which option asks for which field. The value stands where the flow of the command
 * line has it. */
static const struct asked {
	enum option_id option;           /* OPT_MAX: it is one of the protocol */
	enum proto_option_id proto_option;
	enum cts_field_id field;
} asked[] = {
	{ OPT_PROTO, PO_MAX, CTS_FIELD_PROTO },
	{ OPT_ORIG_SRC, PO_MAX, CTS_FIELD_SRC },
	{ OPT_ORIG_DST, PO_MAX, CTS_FIELD_DST },
	{ OPT_MAX, PO_SPORT, CTS_FIELD_SPORT },
	{ OPT_MAX, PO_DPORT, CTS_FIELD_DPORT },
	{ OPT_MAX, PO_ICMP_TYPE, CTS_FIELD_ICMP_TYPE },
	{ OPT_MAX, PO_ICMP_CODE, CTS_FIELD_ICMP_CODE },
	{ OPT_MAX, PO_ICMP_ID, CTS_FIELD_ICMP_ID },
	{ OPT_REPLY_SRC, PO_MAX, CTS_FIELD_REPLY_SRC },
	{ OPT_REPLY_DST, PO_MAX, CTS_FIELD_REPLY_DST },
	{ OPT_MAX, PO_REPLY_SPORT, CTS_FIELD_REPLY_SPORT },
	{ OPT_MAX, PO_REPLY_DPORT, CTS_FIELD_REPLY_DPORT },
	{ OPT_MARK, PO_MAX, CTS_FIELD_MARK },
	{ OPT_MAX, PO_STATE, CTS_FIELD_STATE },
	{ OPT_STATUS, PO_MAX, CTS_FIELD_STATUS },
	{ OPT_SECMARK, PO_MAX, CTS_FIELD_SECMARK },
	{ OPT_TIMEOUT, PO_MAX, CTS_FIELD_TIMEOUT },
	{ OPT_ID, PO_MAX, CTS_FIELD_ID },
	{ OPT_ZONE, PO_MAX, CTS_FIELD_ZONE },
	{ OPT_ORIG_ZONE, PO_MAX, CTS_FIELD_ZONE_ORIG },
	{ OPT_REPLY_ZONE, PO_MAX, CTS_FIELD_ZONE_REPLY },
	{ OPT_LABEL, PO_MAX, CTS_FIELD_LABEL },
	{ OPT_HELPER, PO_MAX, CTS_FIELD_HELPER },
	{ OPT_MAX, PO_ORIG_VTAG, CTS_FIELD_VTAG_ORIG },
	{ OPT_MAX, PO_REPLY_VTAG, CTS_FIELD_VTAG_REPLY },
};

static_assert(sizeof(asked) / sizeof(asked[0]) + 3 <= CONDITIONS_MAX, "room for all at once");

/* -U's own options say what to set, not what to select. */
bool select_is_value(const struct cmdline *cl, enum option_id option, enum proto_option_id po)
{
	return cl->command->id == CMD_UPDATE &&
	       (option == OPT_MARK || option == OPT_STATUS || option == OPT_TIMEOUT ||
		po == PO_STATE || po == PO_ORIG_VTAG || po == PO_REPLY_VTAG);
}

static bool is_asked(const struct cmdline *cl, const struct asked *a)
{
	bool given = a->option < OPT_MAX ? cmdline_has(cl, a->option) :
					   (cl->proto_given & PO_BIT(a->proto_option)) != 0;

	return given && !select_is_value(cl, a->option, a->proto_option);
}

static void add_condition(struct cmdline *cl, enum cts_field_id id,
			  const struct cts_field_value *want, const struct cts_field_value *mask)
{
	cts_condition_set(&cl->condition[cl->n_conditions++], &cts_fields[id], want, mask);
}

/* The bits that count where not all do. NULL: all. */
static const struct cts_field_value *mask_of(const struct cmdline *cl, enum cts_field_id id,
					     struct cts_field_value *mask)
{
	memset(mask, 0, sizeof(*mask));
	if (id == CTS_FIELD_SRC && cl->src_masked)
		mask->bits.addr = cl->src_mask;
	else if (id == CTS_FIELD_DST && cl->dst_masked)
		mask->bits.addr = cl->dst_mask;
	else if (id == CTS_FIELD_MARK)
		mask->bits.word[0] = cl->mark_mask;
	else if (id == CTS_FIELD_STATUS)
		mask->bits.word[0] = cl->status_set | cl->status_clear;
	else if (id == CTS_FIELD_LABEL)
		memcpy(mask->bits.label, cl->labels, sizeof(cl->labels));
	else
		return NULL;
	return mask;
}

/* The command line as the flow that it asks for. */
static struct cts_flow flow_of(const struct cmdline *cl)
{
	struct cts_flow f = cl->store.flow;

	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++)
		if (asked[i].field != CTS_FIELD_STATE && is_asked(cl, &asked[i]))
			f.present |= CTS_FLOW_BIT(cts_fields[asked[i].field].attr);
	f.mark = cl->mark;
	f.status = cl->status_set;
	f.labels = cl->labels;
	f.labels_len = sizeof(cl->labels);
	f.helper = cl->store.helper;
	f.helper_len = (uint16_t)strlen(cl->store.helper);
	return f;
}

/* What is translated to an address has it in the reply tuple: that narrows a search. */
static void add_nat_address(struct cmdline *cl, enum option_id option, const struct nat_arg *nat,
			    enum cts_field_id id)
{
	struct cts_field_value want = { .bits.addr = nat->addr };

	if (cmdline_has(cl, option) && nat->has_addr)
		add_condition(cl, id, &want, NULL);
}

void select_compile(struct cmdline *cl)
{
	struct cts_field_value want = { .bits.word[0] = (uint64_t)cl->family }, mask;
	struct cts_flow flow = flow_of(cl);

	cl->n_conditions = 0;
	if (cl->family != AF_UNSPEC)
		add_condition(cl, CTS_FIELD_FAMILY, &want, NULL);
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		const struct asked *a = &asked[i];

		if (!is_asked(cl, a))
			continue;
		cts_field_read(&cts_fields[a->field], &flow, &want);
		add_condition(cl, a->field, &want, mask_of(cl, a->field, &mask));
	}
	add_nat_address(cl, OPT_SRC_NAT, &cl->snat, CTS_FIELD_REPLY_DST);
	add_nat_address(cl, OPT_DST_NAT, &cl->dnat, CTS_FIELD_REPLY_SRC);
}

/* -- translation -- */

static bool addr_equal(const union cts_addr *a, const union cts_addr *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* Other protocols have no ports: ICMP's id stands in their place. */
static bool has_ports(const struct cts_flow *f)
{
	return cts_l4_kind(f->orig.proto) == CTS_L4_PORTS;
}

static bool is_snat(const struct cts_flow *f)
{
	if (cts_flow_has(f, CTS_FLOW_STATUS) && !(f->status & IPS_SRC_NAT_DONE))
		return false;
	return !addr_equal(&f->reply.dst, &f->orig.src) ||
	       (has_ports(f) && f->reply.dport != f->orig.sport);
}

static bool is_dnat(const struct cts_flow *f)
{
	if (cts_flow_has(f, CTS_FLOW_STATUS) && !(f->status & IPS_DST_NAT_DONE))
		return false;
	return !addr_equal(&f->reply.src, &f->orig.dst) ||
	       (has_ports(f) && f->reply.sport != f->orig.dport);
}

static bool nat_arg_equal(const struct nat_arg *want, const struct cts_flow *f,
			  const union cts_addr *addr, uint16_t port)
{
	if (want->has_addr && !addr_equal(addr, &want->addr))
		return false;
	return !want->has_port || (has_ports(f) && port == want->port);
}

static bool match_snat(const struct nat_arg *want, const struct cts_flow *f)
{
	return is_snat(f) && nat_arg_equal(want, f, &f->reply.dst, f->reply.dport);
}

static bool match_dnat(const struct nat_arg *want, const struct cts_flow *f)
{
	return is_dnat(f) && nat_arg_equal(want, f, &f->reply.src, f->reply.sport);
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

bool select_matches(const struct cmdline *cl, const struct cts_flow *f)
{
	const uint64_t nat = OPT_BIT(OPT_SRC_NAT) | OPT_BIT(OPT_DST_NAT) | OPT_BIT(OPT_ANY_NAT);

	for (unsigned int i = 0; i < cl->n_conditions; i++)
		if (!cts_condition_holds(&cl->condition[i], f))
			return false;
	if (cl->label_impossible)
		return false;
	return !(cl->given & nat) || match_nat(cl, f);
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

/* -- what a dump's request can ask for -- */

/* What is asked for exactly, as tuples in which 0 stands for anything. */
static void push_tuple(struct cts_flow *f, const struct cts_condition *c)
{
	const struct cts_field *field = c->field;
	uint16_t port = htons((uint16_t)c->want[0]);
	void *at = (char *)f + field->offset;

	if (!cts_condition_is_exact(c))
		return;
	if (field->type == CTS_FIELD_TYPE_BE16)
		memcpy(at, &port, sizeof(port));
	else if (field->type == CTS_FIELD_TYPE_ADDR)
		memcpy(at, c->want, sizeof(c->want));
	else
		*(uint8_t *)at = (uint8_t)c->want[0];
	f->reply.proto = f->orig.proto;
}

static void push_condition(struct cts_dump_conf *conf, struct cts_flow *f,
			   const struct cts_condition *c)
{
	switch (c->field->push) {
	case CTS_FIELD_PUSH_FAMILY:
		conf->family = (int)c->want[0];
		f->orig.family = f->reply.family = (uint8_t)c->want[0];
		break;
	case CTS_FIELD_PUSH_TUPLE:
		push_tuple(f, c);
		break;
	case CTS_FIELD_PUSH_MARK:
		conf->has_mark = (uint32_t)c->mask[0] != 0;
		conf->mark = (uint32_t)c->want[0];
		conf->mark_mask = (uint32_t)c->mask[0];
		break;
	case CTS_FIELD_PUSH_STATUS:
		conf->has_status = c->want[0] != 0;
		conf->status = conf->status_mask = (uint32_t)c->want[0];
		break;
	case CTS_FIELD_PUSH_ZONE:
		conf->has_zone = true;
		conf->zone = (uint16_t)c->want[0];
		break;
	case CTS_FIELD_PUSH_NONE:
		break;
	}
}

void select_push(const struct cmdline *cl, struct cts_dump_conf *conf, struct cts_flow *pushed)
{
	memset(pushed, 0, sizeof(*pushed));
	conf->family = AF_UNSPEC;
	for (unsigned int i = 0; i < cl->n_conditions; i++)
		push_condition(conf, pushed, &cl->condition[i]);
	/* The kernel can look at tuples only within one family. */
	if (conf->family == AF_UNSPEC)
		return;
	pushed->present = CTS_FLOW_BIT(CTS_FLOW_ORIG) | CTS_FLOW_BIT(CTS_FLOW_REPLY);
	conf->filter = pushed;
}
