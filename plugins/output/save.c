/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The line that `conntrack -R` reads back. Order and spelling are those of the
 * established tool, which takes it too. The mark, which it leaves out, follows the protocol;
 * labels and helper stand in a comment behind the line, which it passes over.
 */
#include "config.h"

#include <errno.h>
#include <netinet/in.h>

#include <linux/netfilter/nf_conntrack_common.h>

#include <ctsync/labelmap.h>
#include <ctsync/line.h>
#include <ctsync/text.h>

#include "plugins/output/save.h"

/* "--name value " */
#define put_option(l, name, v)             \
	do {                               \
		cts_line_put(l, name " "); \
		cts_line_number(l, v);     \
		cts_line_put(l, " ");      \
	} while (0)

static void put_status(struct cts_line *l, uint32_t status)
{
	static const uint32_t shown = IPS_EXPECTED | IPS_SEEN_REPLY | IPS_ASSURED |
				      IPS_FIXED_TIMEOUT;
	bool first = true;

	cts_line_put(l, "-u ");
	for (unsigned int bit = 0; bit < 32; bit++) {
		if (!(status & shown & UINT32_C(1) << bit))
			continue;
		if (!first)
			cts_line_put(l, ",");
		cts_line_str(l, cts_status_name(bit));
		first = false;
	}
	if (first)
		cts_line_put(l, "UNSET");
	cts_line_put(l, " ");
}

static void put_addr(struct cts_line *l, const char *option, uint8_t family,
		     const union cts_addr *addr)
{
	cts_line_str(l, option);
	cts_line_put(l, " ");
	cts_line_addr(l, family, addr);
	cts_line_put(l, " ");
}

/* Translated, as status and tuples tell. */
static bool translated(const struct cts_flow *f, uint32_t done, const union cts_addr *reply,
		       const union cts_addr *orig)
{
	return (!cts_flow_has(f, CTS_FLOW_STATUS) || f->status & done) &&
	       memcmp(reply, orig, sizeof(*reply));
}

static void put_addresses(struct cts_line *l, const struct cts_flow *f)
{
	uint8_t family = f->orig.family;

	put_addr(l, "-s", family, &f->orig.src);
	put_addr(l, "-d", family, &f->orig.dst);
	if (!cts_flow_has(f, CTS_FLOW_REPLY))
		return;
	put_addr(l, translated(f, IPS_DST_NAT_DONE, &f->reply.src, &f->orig.dst) ? "-g" : "-r",
		 family, &f->reply.src);
	put_addr(l, translated(f, IPS_SRC_NAT_DONE, &f->reply.dst, &f->orig.src) ? "-n" : "-q",
		 family, &f->reply.dst);
}

static void put_ports(struct cts_line *l, const struct cts_flow *f)
{
	put_option(l, "--sport", ntohs(f->orig.sport));
	put_option(l, "--dport", ntohs(f->orig.dport));
	if (!cts_flow_has(f, CTS_FLOW_REPLY))
		return;
	put_option(l, "--reply-port-src", ntohs(f->reply.sport));
	put_option(l, "--reply-port-dst", ntohs(f->reply.dport));
}

static void put_keys(struct cts_line *l, const struct cts_flow *f)
{
	put_option(l, "--srckey", ntohs(f->orig.sport));
	put_option(l, "--dstkey", ntohs(f->orig.dport));
	if (!cts_flow_has(f, CTS_FLOW_REPLY))
		return;
	put_option(l, "--reply-key-src", ntohs(f->reply.sport));
	put_option(l, "--reply-key-dst", ntohs(f->reply.dport));
}

static void put_state(struct cts_line *l, const char *name)
{
	cts_line_put(l, "--state ");
	cts_line_str(l, name ? name : "NONE");
	cts_line_put(l, " ");
}

static void put_states(struct cts_line *l, const struct cts_flow *f)
{
	if (cts_flow_has(f, CTS_FLOW_TCP_STATE))
		put_state(l, cts_tcp_state_name(f->tcp_state));
	if (cts_flow_has(f, CTS_FLOW_SCTP_STATE))
		put_state(l, cts_sctp_state_name(f->sctp_state));
	if (cts_flow_has(f, CTS_FLOW_SCTP_VTAG)) {
		put_option(l, "--orig-vtag", f->sctp_vtag[CTS_DIR_ORIG]);
		put_option(l, "--reply-vtag", f->sctp_vtag[CTS_DIR_REPLY]);
	}
	if (cts_flow_has(f, CTS_FLOW_DCCP_STATE))
		put_state(l, cts_dccp_state_name(f->dccp_state));
	if (cts_flow_has(f, CTS_FLOW_DCCP_ROLE))
		cts_line_str(l, f->dccp_role ? "--role server " : "--role client ");
}

static void put_protocol(struct cts_line *l, const struct cts_flow *f)
{
	const struct cts_tuple *t = &f->orig;
	const char *name = cts_proto_name(t->proto);

	cts_line_put(l, "-p ");
	if (strcmp(name, "unknown") == 0)
		cts_line_number(l, t->proto);
	else
		cts_line_str(l, name);
	cts_line_put(l, " ");
	switch (t->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		put_ports(l, f);
		break;
	case IPPROTO_GRE:
		put_keys(l, f);
		break;
	case IPPROTO_ICMP:
		put_option(l, "--icmp-type", t->icmp_type);
		put_option(l, "--icmp-code", t->icmp_code);
		put_option(l, "--icmp-id", ntohs(t->sport));
		break;
	case IPPROTO_ICMPV6:
		put_option(l, "--icmpv6-type", t->icmp_type);
		put_option(l, "--icmpv6-code", t->icmp_code);
		put_option(l, "--icmpv6-id", ntohs(t->sport));
		break;
	}
	put_states(l, f);
}

/* Bits without a name are written as their number. */
static void put_labels(struct cts_line *l, const struct cts_flow *f, const struct cts_labelmap *map)
{
	bool first = true;

	for (unsigned int bit = 0; bit < f->labels_len * 8u; bit++) {
		const char *name;

		if (!(f->labels[bit / 32] >> bit % 32 & 1))
			continue;
		cts_line_str(l, first ? "labels=" : ",");
		name = map ? cts_labelmap_name(map, bit) : NULL;
		if (name && *name && !strpbrk(name, ", \"'\\"))
			cts_line_str(l, name);
		else
			cts_line_number(l, bit);
		first = false;
	}
	if (!first)
		cts_line_put(l, " ");
}

static bool is_one_word(const char *text)
{
	return *text && !strpbrk(text, " \t\r\n\v\f\"'\\");
}

/* Only who makes an entry can give it a helper. Tags are marked as ours: those that the
 * established tool saves have their bytes swapped. */
static void put_comment(struct cts_line *l, const struct cts_flow *f, char command,
			const struct cts_labelmap *labels)
{
	char *start = l->at, *first;

	cts_line_put(l, "# ");
	first = l->at;
	if (cts_flow_has(f, CTS_FLOW_LABELS))
		put_labels(l, f, labels);
	if (cts_flow_has(f, CTS_FLOW_HELPER) && command == 'A' && is_one_word(f->helper)) {
		cts_line_put(l, "helper=");
		cts_line_str(l, f->helper);
		cts_line_put(l, " ");
	}
	if (cts_flow_has(f, CTS_FLOW_SCTP_VTAG))
		cts_line_put(l, "vtags ");
	if (l->at == first)
		l->at = start;
}

/* What only some commands take: a delete is by what makes a flow, nothing else. An
 * update that tells of a mark of 0 took another one away. */
static void put_values(struct cts_line *l, const struct cts_flow *f, char command,
		       const struct cts_labelmap *labels)
{
	if (cts_flow_has(f, CTS_FLOW_MARK) && (f->mark || command == 'U'))
		put_option(l, "-m", f->mark);
	put_comment(l, f, command, labels);
}

size_t save_format(const struct cts_flow *f, char command, const struct cts_labelmap *labels,
		   char *buf, size_t size)
{
	struct cts_line l = { .at = buf, .end = buf + size };

	cts_line_put(&l, "-");
	cts_line_text(&l, &command, 1);
	cts_line_put(&l, " ");
	if (cts_flow_has(f, CTS_FLOW_TIMEOUT))
		put_option(&l, "-t", f->timeout);
	if (cts_flow_has(f, CTS_FLOW_STATUS))
		put_status(&l, f->status);
	if (cts_flow_has(f, CTS_FLOW_ZONE))
		put_option(&l, "-w", f->zone);
	if (cts_flow_has(f, CTS_FLOW_ZONE_ORIG))
		put_option(&l, "--orig-zone", f->zone_dir[CTS_DIR_ORIG]);
	if (cts_flow_has(f, CTS_FLOW_ZONE_REPLY))
		put_option(&l, "--reply-zone", f->zone_dir[CTS_DIR_REPLY]);
	put_addresses(&l, f);
	put_protocol(&l, f);
	if (command != 'D')
		put_values(&l, f, command, labels);
	if (l.full) {
		errno = ENOSPC;
		return 0;
	}
	return (size_t)(l.at - buf) - 1; /* without the last blank */
}
