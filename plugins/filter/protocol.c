/* SPDX-License-Identifier: GPL-2.0-or-later */
/* protocol: accepts or ignores flows by their layer 4 protocol. See ctsync-protocol(5). */
#include "config.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <ctsync/filter.h>
#include <ctsync/log.h>

/* What conntrack knows by name; the rest comes from /etc/protocols, which a small
 * system may not have and which calls icmpv6 "ipv6-icmp". */
static const struct {
	const char *name;
	uint8_t number;
} known[] = {
	{ "tcp", IPPROTO_TCP },       { "udp", IPPROTO_UDP },         { "icmp", IPPROTO_ICMP },
	{ "icmpv6", IPPROTO_ICMPV6 }, { "sctp", IPPROTO_SCTP },       { "dccp", IPPROTO_DCCP },
	{ "gre", IPPROTO_GRE },       { "udplite", IPPROTO_UDPLITE },
};

/* -1: nobody knows this protocol */
static int protocol_number(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	const struct protoent *pe;

	if (digits && !text[digits]) {
		unsigned long n = digits <= 3 ? strtoul(text, NULL, 10) : 256;

		return n <= 255 ? (int)n : -1;
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcasecmp(known[i].name, text) == 0)
			return known[i].number;
	pe = getprotobyname(text);
	return pe && pe->p_proto >= 0 && pe->p_proto <= 255 ? pe->p_proto : -1;
}

static int check_protocol(const char *value, char *why, size_t size)
{
	if (protocol_number(value) >= 0)
		return 0;
	snprintf(why, size,
		 "\"%.64s\" is not a protocol, allowed: a name from /etc/protocols or 0 "
		 "to 255",
		 value);
	return -1;
}

static const struct cts_option protocol_options[] = {
	{ .name = "accept",
	  .type = CTS_OPT_LIST,
	  .check = check_protocol,
	  .help = "names or numbers of protocols; if given, all others are refused" },
	{ .name = "ignore",
	  .type = CTS_OPT_LIST,
	  .check = check_protocol,
	  .help = "names or numbers of protocols that are refused" },
	{ .name = NULL },
};

struct protocol {
	uint8_t refused[32]; /* bit n % 8 of byte n / 8: protocol n */
};

static void set_list(struct protocol *p, const struct cts_options *opt, const char *name,
		     bool refuse)
{
	for (size_t i = 0; i < cts_options_count(opt, name); i++) {
		/* /etc/protocols may have changed since the check: 0 is nobody's protocol */
		int n = protocol_number(cts_options_item(opt, name, i));
		uint8_t bit = (uint8_t)(1u << (n & 7));

		if (n < 0)
			cts_options_error(opt, name, (int)i, "is not a protocol any more");
		else if (refuse)
			p->refused[n / 8] |= bit;
		else
			p->refused[n / 8] &= (uint8_t)~bit;
	}
}

static void *protocol_create(const struct cts_options *opt)
{
	struct protocol *p = calloc(1, sizeof(*p));

	if (!p) {
		cts_err("protocol: out of memory");
		return NULL;
	}
	if (cts_options_count(opt, "accept") > 0)
		memset(p->refused, 0xff, sizeof(p->refused));
	set_list(p, opt, "accept", false);
	set_list(p, opt, "ignore", true);
	return p;
}

static void protocol_destroy(void *priv)
{
	free(priv);
}

static void protocol_apply(void *priv, const struct cts_batch *batch)
{
	const struct protocol *p = priv;
	const struct cts_event *ev;
	size_t i;

	cts_batch_for_each (i, ev, batch) {
		uint8_t n;

		if (!ev->flow || !cts_flow_has(ev->flow, CTS_FLOW_ORIG))
			continue;
		n = ev->flow->orig.proto;
		if (p->refused[n / 8] >> (n % 8) & 1)
			cts_batch_drop(batch, i);
	}
}

static int protocol_push(void *priv, struct cts_push *push)
{
	const struct protocol *p = priv;

	return cts_push_protocols(push, p->refused, false);
}

extern const struct cts_filter_ops protocol_LTX_cts_plugin;
const struct cts_filter_ops protocol_LTX_cts_plugin = {
	.plugin = CTS_PLUGIN(CTS_KIND_FILTER, struct cts_filter_ops, "protocol", PACKAGE_VERSION,
			     "accepts or ignores flows by their layer 4 protocol",
			     protocol_options),
	.create = protocol_create,
	.destroy = protocol_destroy,
	.apply = protocol_apply,
	.push = protocol_push,
};
