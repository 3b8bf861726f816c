/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options that -p brings in. */
#include "config.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <ctsync/text.h>

#include "cli/conntrack/conntrack.h"
#include "cli/conntrack/scan.h"

#define P_TCP     (1u << 0)
#define P_UDP     (1u << 1)
#define P_UDPLITE (1u << 2)
#define P_SCTP    (1u << 3)
#define P_DCCP    (1u << 4)
#define P_GRE     (1u << 5)
#define P_ICMP    (1u << 6)
#define P_ICMPV6  (1u << 7)
#define P_PORTS   (P_TCP | P_UDP | P_UDPLITE | P_SCTP | P_DCCP)

static unsigned int proto_bit(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP: return P_TCP;
	case IPPROTO_UDP: return P_UDP;
	case IPPROTO_UDPLITE: return P_UDPLITE;
	case IPPROTO_SCTP: return P_SCTP;
	case IPPROTO_DCCP: return P_DCCP;
	case IPPROTO_GRE: return P_GRE;
	case IPPROTO_ICMP: return P_ICMP;
	case IPPROTO_ICMPV6: return P_ICMPV6;
	default: return 0;
	}
}

/* The rows of one id stand together; the first name of each protocol is the one
 * that messages use. */
static const struct proto_row {
	const char *name;
	unsigned int protos;
	enum proto_option_id id;
	const char *help;
} proto_rows[] = {
	{ "sport", P_PORTS, PO_SPORT, "original source port" },
	{ "orig-port-src", P_PORTS, PO_SPORT, "the same" },
	{ "dport", P_PORTS, PO_DPORT, "original destination port" },
	{ "orig-port-dst", P_PORTS, PO_DPORT, "the same" },
	{ "reply-port-src", P_PORTS, PO_REPLY_SPORT, "reply source port" },
	{ "reply-port-dst", P_PORTS, PO_REPLY_DPORT, "reply destination port" },
	{ "mask-port-src", P_PORTS, PO_MASK_SPORT, "mask of an expectation's source port" },
	{ "mask-port-dst", P_PORTS, PO_MASK_DPORT, "mask of its destination port" },
	{ "tuple-port-src", P_PORTS, PO_TUPLE_SPORT, "expected source port" },
	{ "tuple-port-dst", P_PORTS, PO_TUPLE_DPORT, "expected destination port" },
	{ "srckey", P_GRE, PO_SPORT, "original source key" },
	{ "orig-key-src", P_GRE, PO_SPORT, "the same" },
	{ "dstkey", P_GRE, PO_DPORT, "original destination key" },
	{ "orig-key-dst", P_GRE, PO_DPORT, "the same" },
	{ "reply-key-src", P_GRE, PO_REPLY_SPORT, "reply source key" },
	{ "reply-key-dst", P_GRE, PO_REPLY_DPORT, "reply destination key" },
	{ "mask-key-src", P_GRE, PO_MASK_SPORT, "mask of an expectation's source key" },
	{ "mask-key-dst", P_GRE, PO_MASK_DPORT, "mask of its destination key" },
	{ "tuple-key-src", P_GRE, PO_TUPLE_SPORT, "expected source key" },
	{ "tuple-key-dst", P_GRE, PO_TUPLE_DPORT, "expected destination key" },
	{ "state", P_TCP | P_SCTP | P_DCCP, PO_STATE, NULL /* states_help() */ },
	{ "orig-vtag", P_SCTP, PO_ORIG_VTAG, "original verification tag" },
	{ "reply-vtag", P_SCTP, PO_REPLY_VTAG, "reply verification tag" },
	{ "role", P_DCCP, PO_ROLE, "one of: client, server" },
	{ "icmp-type", P_ICMP, PO_ICMP_TYPE, "ICMP type" },
	{ "icmp-code", P_ICMP, PO_ICMP_CODE, "ICMP code" },
	{ "icmp-id", P_ICMP, PO_ICMP_ID, "ICMP id" },
	{ "icmpv6-type", P_ICMPV6, PO_ICMP_TYPE, "ICMPv6 type" },
	{ "icmpv6-code", P_ICMPV6, PO_ICMP_CODE, "ICMPv6 code" },
	{ "icmpv6-id", P_ICMPV6, PO_ICMP_ID, "ICMPv6 id" },
};
#define N_PROTO_ROWS (sizeof(proto_rows) / sizeof(proto_rows[0]))

void proto_options_add(uint8_t proto, struct scan_table *table, int base)
{
	size_t i;

	for (i = 0; i < N_PROTO_ROWS; i++)
		if (proto_rows[i].protos & proto_bit(proto))
			scan_table_add(table, 0, proto_rows[i].name, required_argument,
				       base + (int)proto_rows[i].id);
}

/* linux/netfilter/nf_conntrack_dccp.h, enum ct_dccp_states */
static const char *dccp_state_word(unsigned int state)
{
	static const char *const names[] = { "NONE", "REQUEST", "RESPOND", "PARTOPEN", "OPEN",
					     "CLOSEREQ", "CLOSING", "TIMEWAIT", "IGNORE", "INVALID" };

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : NULL;
}

/* The word for a state of the protocol; NULL: it has no more. */
static const char *state_word(uint8_t proto, unsigned int state)
{
	switch (proto) {
	case IPPROTO_TCP: return cts_tcp_state_name((uint8_t)state);
	case IPPROTO_SCTP: return cts_sctp_state_name((uint8_t)state);
	case IPPROTO_DCCP: return dccp_state_word(state);
	default: return NULL;
	}
}

/* -- help -- */

static void states_help(uint8_t proto)
{
	const char *word;
	unsigned int i;

	fputs("protocol state:", stdout);
	for (i = 0; (word = state_word(proto, i)); i++)
		printf(i % 4 ? "%s %s" : "%s\n                         %s", i ? "," : "", word);
	putchar('\n');
}

void proto_options_help(uint8_t proto)
{
	size_t i;

	if (!proto_bit(proto))
		return;
	printf("\nOptions of protocol `%s':\n", cts_proto_name(proto));
	for (i = 0; i < N_PROTO_ROWS; i++) {
		const struct proto_row *row = &proto_rows[i];

		if (!(row->protos & proto_bit(proto)))
			continue;
		printf("  --%-20s ", row->name);
		if (row->id == PO_STATE)
			states_help(proto);
		else
			puts(row->help);
	}
}

/* -- values -- */

static void parse_state(struct cmdline *cl, const char *arg)
{
	struct cts_flow *f = &cl->store.flow;
	uint8_t proto = f->orig.proto;
	const char *word;
	unsigned int i;

	if (proto == IPPROTO_TCP && !strcmp(arg, "LISTEN"))  /* the former name */
		arg = "SYN_SENT2";
	for (i = 0; (word = state_word(proto, i)) && strcmp(word, arg); i++)
		;
	if (!word)
		die_at(&cl->at, EXIT_PARAMETER, "unknown %s state `%s'",
		       proto == IPPROTO_TCP ? "TCP" : proto == IPPROTO_SCTP ? "SCTP" : "DCCP", arg);
	switch (proto) {
	case IPPROTO_TCP:
		f->tcp_state = (uint8_t)i;
		f->present |= CTS_FLOW_BIT(CTS_FLOW_TCP_STATE);
		break;
	case IPPROTO_SCTP:
		f->sctp_state = (uint8_t)i;
		f->present |= CTS_FLOW_BIT(CTS_FLOW_SCTP_STATE);
		break;
	default:
		f->dccp_state = (uint8_t)i;
		f->present |= CTS_FLOW_BIT(CTS_FLOW_DCCP_STATE);
		break;
	}
}

static void parse_role(struct cmdline *cl, const char *arg)
{
	static const char *const names[] = { "client", "server" };
	size_t i;

	for (i = 0; i < 2; i++) {
		if (!*arg || strncasecmp(names[i], arg, strlen(arg)))
			continue;
		cl->store.flow.dccp_role = (uint8_t)i;
		cl->store.flow.present |= CTS_FLOW_BIT(CTS_FLOW_DCCP_ROLE);
		return;
	}
	die_at(&cl->at, EXIT_PARAMETER, "unknown DCCP role `%s'", arg);
}

/* What a number is put into. */
enum value_kind {
	VALUE_U8,
	VALUE_BE16,      /* ports, ids; of GRE: keys, in which 0 in front means octal */
	VALUE_VTAG,
};

static const struct value_row {
	size_t at;                       /* in struct cmdline */
	enum value_kind kind;
} value_rows[PO_MAX] = {
#define FLOW(member) offsetof(struct cmdline, store.flow.member)
	[PO_SPORT] = { FLOW(orig.sport), VALUE_BE16 },
	[PO_DPORT] = { FLOW(orig.dport), VALUE_BE16 },
	[PO_REPLY_SPORT] = { FLOW(reply.sport), VALUE_BE16 },
	[PO_REPLY_DPORT] = { FLOW(reply.dport), VALUE_BE16 },
	[PO_ICMP_TYPE] = { FLOW(orig.icmp_type), VALUE_U8 },
	[PO_ICMP_CODE] = { FLOW(orig.icmp_code), VALUE_U8 },
	[PO_ICMP_ID] = { FLOW(orig.sport), VALUE_BE16 },
	[PO_ORIG_VTAG] = { FLOW(sctp_vtag[CTS_DIR_ORIG]), VALUE_VTAG },
	[PO_REPLY_VTAG] = { FLOW(sctp_vtag[CTS_DIR_REPLY]), VALUE_VTAG },
	[PO_MASK_SPORT] = { offsetof(struct cmdline, mask_sport), VALUE_BE16 },
	[PO_MASK_DPORT] = { offsetof(struct cmdline, mask_dport), VALUE_BE16 },
	[PO_TUPLE_SPORT] = { offsetof(struct cmdline, expected.sport), VALUE_BE16 },
	[PO_TUPLE_DPORT] = { offsetof(struct cmdline, expected.dport), VALUE_BE16 },
#undef FLOW
};

static void parse_value(struct cmdline *cl, const struct value_row *row, const char *name,
			const char *arg)
{
	bool key = cl->store.flow.orig.proto == IPPROTO_GRE;
	void *at = (char *)cl + row->at;

	switch (row->kind) {
	case VALUE_U8:
		*(uint8_t *)at = (uint8_t)parse_number(&cl->at, arg, UINT8_MAX, name);
		break;
	case VALUE_BE16:
		*(uint16_t *)at = htons(key ? parse_key(&cl->at, arg, name) :
				(uint16_t)parse_number(&cl->at, arg, UINT16_MAX, name));
		break;
	case VALUE_VTAG:
		*(uint32_t *)at = (uint32_t)parse_number(&cl->at, arg, UINT32_MAX, name);
		cl->store.flow.present |= CTS_FLOW_BIT(CTS_FLOW_SCTP_VTAG);
		break;
	}
}

void proto_option_parse(struct cmdline *cl, enum proto_option_id id, const char *name,
			const char *arg)
{
	cl->proto_given |= PO_BIT(id);
	if (id == PO_STATE)
		parse_state(cl, arg);
	else if (id == PO_ROLE)
		parse_role(cl, arg);
	else
		parse_value(cl, &value_rows[id], name, arg);
}

/* -- which are needed, which are refused -- */

static const char *proto_option_name(uint8_t proto, enum proto_option_id id)
{
	size_t i;

	for (i = 0; i < N_PROTO_ROWS; i++)
		if (proto_rows[i].id == id && proto_rows[i].protos & proto_bit(proto))
			return proto_rows[i].name;
	return NULL;
}

static void need(const struct cmdline *cl, enum proto_option_id id)
{
	const char *name;

	if (cl->proto_given & PO_BIT(id))
		return;
	/* A protocol that has no such option needs none. */
	name = proto_option_name(cl->store.flow.orig.proto, id);
	if (name)
		die_at(&cl->at, EXIT_PARAMETER,
		       "You need to supply the `--%s' option for this command", name);
}

static void refuse(const struct cmdline *cl, enum proto_option_id id)
{
	if (cl->proto_given & PO_BIT(id))
		die_at(&cl->at, EXIT_PARAMETER, "Illegal option `--%s' with this command",
		       proto_option_name(cl->store.flow.orig.proto, id));
}

static void need_ports(const struct cmdline *cl)
{
	uint32_t orig = PO_BIT(PO_SPORT) | PO_BIT(PO_DPORT);
	uint32_t reply = PO_BIT(PO_REPLY_SPORT) | PO_BIT(PO_REPLY_DPORT);
	uint8_t proto = cl->store.flow.orig.proto;
	enum proto_option_id first = cl->proto_given & reply ? PO_REPLY_SPORT : PO_SPORT;

	if ((cl->proto_given & orig) == orig || (cl->proto_given & reply) == reply)
		return;
	die_at(&cl->at, EXIT_PARAMETER, "you have to specify `--%s' and `--%s'",
	       proto_option_name(proto, first), proto_option_name(proto, first + 1));
}

/* Of an expectation: -I needs all, -D and -G name it by the expected ports, which stand
 * where those of a flow do. What cannot mean anything there is refused. */
static void expect_check(const struct cmdline *cl)
{
	static const enum proto_option_id ports[] = { PO_SPORT, PO_DPORT, PO_MASK_SPORT,
						      PO_MASK_DPORT, PO_TUPLE_SPORT,
						      PO_TUPLE_DPORT };
	bool create = cl->command->id == CMD_CREATE;

	for (size_t i = 0; i < (create ? 6u : 2u); i++)
		need(cl, ports[i]);
	for (enum proto_option_id id = 0; id < PO_MAX; id++) {
		bool names = id == PO_SPORT || id == PO_DPORT, reply = id == PO_REPLY_SPORT ||
								       id == PO_REPLY_DPORT;

		if (!names && !(reply && !create) && !(create && id >= PO_MASK_SPORT))
			refuse(cl, id);
	}
}

/* What an entry cannot be made without. */
static void need_values(const struct cmdline *cl, unsigned int proto)
{
	if (proto & (P_TCP | P_SCTP | P_DCCP))
		need(cl, PO_STATE);
	if (proto & P_SCTP) {
		need(cl, PO_ORIG_VTAG);
		need(cl, PO_REPLY_VTAG);
	}
	if (proto & P_DCCP)
		need(cl, PO_ROLE);
}

void proto_options_check(struct cmdline *cl)
{
	enum command_id id = cl->command->id;
	bool create = id == CMD_CREATE || id == CMD_ADD, whole = create || id == CMD_GET;
	unsigned int proto = proto_bit(cl->store.flow.orig.proto);

	if (!cmdline_has(cl, OPT_PROTO))
		return;
	if (cl->table == CTS_TABLE_EXPECT) {
		expect_check(cl);
		return;
	}
	for (enum proto_option_id po = PO_MASK_SPORT; po <= PO_TUPLE_DPORT; po++)
		refuse(cl, po);
	if (create)
		need_values(cl, proto);
	if (whole && proto & (P_PORTS | P_GRE))
		need_ports(cl);
	if (whole && proto & (P_ICMP | P_ICMPV6)) {
		need(cl, PO_ICMP_TYPE);
		need(cl, PO_ICMP_CODE);
	}
	if (create)
		return;
	refuse(cl, PO_ROLE);
	if (id == CMD_UPDATE && cl->selection_only)  /* there it is a value to set */
		refuse(cl, PO_STATE);
	if (id != CMD_UPDATE && id != CMD_GET) {
		refuse(cl, PO_ORIG_VTAG);
		refuse(cl, PO_REPLY_VTAG);
	}
}
