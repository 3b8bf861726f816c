/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A flow as XML: libnetfilter_conntrack's element to the byte, but for what is wrong
 * there (states of SCTP and DCCP, text that is not escaped).
 * tests/unit/test_text.c compares the two.
 */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include <linux/netfilter/nf_conntrack_common.h>

#include <ctsync/labelmap.h>
#include <ctsync/line.h>
#include <ctsync/text.h>

#include "core/flow/text.h"
#include "core/flow/tuple.h"

#define NS_PER_S UINT64_C(1000000000)

/* What the last <meta> has. */
#define INDEPENDENT                                                                               \
	(CTS_FLOW_BIT(CTS_FLOW_TCP_STATE) | CTS_FLOW_BIT(CTS_FLOW_SCTP_STATE) |                   \
	 CTS_FLOW_BIT(CTS_FLOW_DCCP_STATE) | CTS_FLOW_BIT(CTS_FLOW_TIMEOUT) |                     \
	 CTS_FLOW_BIT(CTS_FLOW_MARK) | CTS_FLOW_BIT(CTS_FLOW_SECMARK) |                           \
	 CTS_FLOW_BIT(CTS_FLOW_SECCTX) | CTS_FLOW_BIT(CTS_FLOW_ZONE) |                            \
	 CTS_FLOW_BIT(CTS_FLOW_USE) | CTS_FLOW_BIT(CTS_FLOW_ID) | CTS_FLOW_BIT(CTS_FLOW_STATUS) | \
	 CTS_FLOW_BIT(CTS_FLOW_START) | CTS_FLOW_BIT(CTS_FLOW_STOP) |                             \
	 CTS_FLOW_BIT(CTS_FLOW_LABELS))

void cts_xml_escaped(struct cts_line *l, const char *text, size_t len)
{
	for (; len; text++, len--) {
		switch (*text) {
		case '<':
			cts_line_put(l, "&lt;");
			break;
		case '>':
			cts_line_put(l, "&gt;");
			break;
		case '&':
			cts_line_put(l, "&amp;");
			break;
		default:
			cts_line_text(l, text, 1);
			break;
		}
	}
}

void cts_xml_layer3_name(struct cts_line *l, uint8_t family)
{
	cts_line_put(l, " protonum=\"");
	cts_line_number(l, family);
	cts_line_put(l, "\" protoname=\"");
	cts_line_str(l, family == AF_INET ? "ipv4" : family == AF_INET6 ? "ipv6" : "unknown");
	cts_line_put(l, "\">");
}

static void put_layer3(struct cts_line *l, const struct cts_tuple *t)
{
	bool known = t->family == AF_INET || t->family == AF_INET6;

	cts_line_put(l, "<layer3");
	cts_xml_layer3_name(l, t->family);
	cts_line_put(l, "<src>");
	if (known)
		cts_line_addr(l, t->family, &t->src);
	cts_line_put(l, "</src><dst>");
	if (known)
		cts_line_addr(l, t->family, &t->dst);
	cts_line_put(l, "</dst></layer3>");
}

void cts_xml_layer4_name(struct cts_line *l, uint8_t proto)
{
	cts_line_put(l, " protonum=\"");
	cts_line_number(l, proto);
	cts_line_put(l, "\" protoname=\"");
	cts_line_str(l, cts_proto_name(proto));
	cts_line_put(l, "\">");
}

void cts_xml_layer4(struct cts_line *l, const struct cts_tuple *t)
{
	if (t->proto == IPPROTO_GRE) {
		cts_line_put(l, "<srckey>0x");
		cts_line_hex(l, ntohs(t->sport));
		cts_line_put(l, "</srckey><dstkey>0x");
		cts_line_hex(l, ntohs(t->dport));
		cts_line_put(l, "</dstkey>");
	} else if (cts_l4_kind(t->proto) == CTS_L4_PORTS) {
		put_element(l, "sport", ntohs(t->sport));
		put_element(l, "dport", ntohs(t->dport));
	}
}

static void put_layer4(struct cts_line *l, const struct cts_tuple *t)
{
	cts_line_put(l, "<layer4");
	cts_xml_layer4_name(l, t->proto);
	cts_xml_layer4(l, t);
	cts_line_put(l, "</layer4>");
}

static void put_direction(struct cts_line *l, const struct cts_flow *f, enum cts_dir dir)
{
	static const struct cts_tuple none;
	bool orig = dir == CTS_DIR_ORIG;
	const struct cts_tuple *t = !cts_flow_has(f, orig ? CTS_FLOW_ORIG : CTS_FLOW_REPLY) ? &none
				    : orig ? &f->orig
					   : &f->reply;

	cts_line_put(l, "<meta direction=\"");
	cts_line_str(l, orig ? "original" : "reply");
	cts_line_put(l, "\">");
	put_layer3(l, t);
	put_layer4(l, t);
	if (cts_flow_has(f, orig ? CTS_FLOW_ZONE_ORIG : CTS_FLOW_ZONE_REPLY))
		put_element(l, "zone", f->zone_dir[dir]);
	if (cts_flow_has(f, CTS_FLOW_COUNTERS_ORIG + dir)) {
		cts_line_put(l, "<counters>");
		put_element(l, "packets", f->packets[dir]);
		put_element(l, "bytes", f->bytes[dir]);
		cts_line_put(l, "</counters>");
	}
	cts_line_put(l, "</meta>");
}

static void put_state(struct cts_line *l, const char *name)
{
	cts_line_put(l, "<state>");
	cts_line_str(l, name ? name : "NONE");
	cts_line_put(l, "</state>");
}

static void put_labels(struct cts_line *l, const struct cts_flow *f, const struct cts_labelmap *map)
{
	cts_line_put(l, "<labels>");
	for (unsigned int bit = 0; bit < f->labels_len * 8u; bit++) {
		const char *name = f->labels[bit / 32] >> bit % 32 & 1 ? cts_labelmap_name(map, bit)
								       : NULL;

		if (!name || !*name)
			continue;
		cts_line_put(l, "<label>");
		cts_xml_escaped(l, name, strlen(name));
		cts_line_put(l, "</label>");
	}
	cts_line_put(l, "</labels>");
}

static void put_times(struct cts_line *l, const struct cts_flow *f, unsigned int flags,
		      uint64_t now_ns)
{
	bool start = cts_flow_has(f, CTS_FLOW_START), stop = cts_flow_has(f, CTS_FLOW_STOP);

	if (flags & CTS_FORMAT_TIMESTAMP && (start || stop)) {
		cts_line_put(l, "<timestamp>");
		if (start)
			put_element(l, "start", f->start_ns);
		if (stop)
			put_element(l, "stop", f->stop_ns);
		cts_line_put(l, "</timestamp>");
	}
	/* The library's arithmetic, wrapping and all. */
	if (start)
		put_element(l, "deltatime",
			    stop && f->stop_ns ? (f->stop_ns - f->start_ns) / NS_PER_S
					       : now_ns / NS_PER_S - f->start_ns / NS_PER_S);
}

static void put_independent(struct cts_line *l, const struct cts_flow *f, unsigned int flags,
			    uint64_t now_ns, const struct cts_labelmap *map)
{
	if (cts_flow_has(f, CTS_FLOW_TCP_STATE))
		put_state(l, cts_tcp_state_name(f->tcp_state));
	if (cts_flow_has(f, CTS_FLOW_SCTP_STATE))
		put_state(l, cts_sctp_state_name(f->sctp_state));
	if (cts_flow_has(f, CTS_FLOW_DCCP_STATE))
		put_state(l, cts_dccp_state_name(f->dccp_state));
	if (cts_flow_has(f, CTS_FLOW_TIMEOUT))
		put_element(l, "timeout", f->timeout);
	if (cts_flow_has(f, CTS_FLOW_MARK))
		put_element(l, "mark", f->mark);
	if (map && cts_flow_has(f, CTS_FLOW_LABELS))
		put_labels(l, f, map);
	if (cts_flow_has(f, CTS_FLOW_SECMARK))
		put_element(l, "secmark", f->secmark);
	if (cts_flow_has(f, CTS_FLOW_SECCTX)) {
		cts_line_put(l, "<secctx>");
		cts_xml_escaped(l, f->secctx, f->secctx_len);
		cts_line_put(l, "</secctx>");
	}
	if (cts_flow_has(f, CTS_FLOW_ZONE))
		put_element(l, "zone", f->zone);
	if (cts_flow_has(f, CTS_FLOW_USE))
		put_element(l, "use", f->use);
	if (cts_flow_has(f, CTS_FLOW_ID))
		put_element(l, "id", f->id);
	if (cts_flow_has(f, CTS_FLOW_STATUS)) {
		if (f->status & IPS_ASSURED)
			cts_line_put(l, "<assured/>");
		if (!(f->status & IPS_SEEN_REPLY))
			cts_line_put(l, "<unreplied/>");
	}
	put_times(l, f, flags, now_ns);
}

#define put_two_digits(l, name, v)                 \
	do {                                       \
		cts_line_put(l, "<" name ">");     \
		if ((v) < 10)                      \
			cts_line_put(l, "0");      \
		cts_line_number(l, (uint64_t)(v)); \
		cts_line_put(l, "</" name ">");    \
	} while (0)

void cts_xml_when(struct cts_line *l, uint64_t ns)
{
	time_t when = (time_t)(ns / NS_PER_S);
	struct tm tm;

	if (!localtime_r(&when, &tm))
		return;
	cts_line_put(l, "<when>");
	put_element(l, "hour", (uint64_t)tm.tm_hour);
	put_two_digits(l, "min", tm.tm_min);
	put_two_digits(l, "sec", tm.tm_sec);
	put_element(l, "wday", (uint64_t)tm.tm_wday + 1);
	put_element(l, "day", (uint64_t)tm.tm_mday);
	put_element(l, "month", (uint64_t)tm.tm_mon + 1);
	put_element(l, "year", (uint64_t)tm.tm_year + 1900);
	cts_line_put(l, "</when>");
}

void cts_xml_type(struct cts_line *l, int type)
{
	static const char *const names[] = { "new", "update", "destroy" };

	cts_line_put(l, "<flow");
	if (type >= 0 && type < (int)(sizeof(names) / sizeof(names[0]))) {
		cts_line_put(l, " type=\"");
		cts_line_str(l, names[type]);
		cts_line_put(l, "\"");
	}
	cts_line_put(l, ">");
}

size_t cts_flow_format_xml(const struct cts_flow *f, int type, unsigned int flags, uint64_t now_ns,
			   const struct cts_labelmap *labels, char *buf, size_t size)
{
	struct cts_line l = { .at = buf, .end = size ? buf + size - 1 : buf };

	cts_xml_type(&l, type);
	put_direction(&l, f, CTS_DIR_ORIG);
	put_direction(&l, f, CTS_DIR_REPLY);
	if (f->present & INDEPENDENT) {
		cts_line_put(&l, "<meta direction=\"independent\">");
		put_independent(&l, f, flags, now_ns, labels);
		cts_line_put(&l, "</meta>");
	}
	if (flags & CTS_FORMAT_WHEN)
		cts_xml_when(&l, now_ns);
	if (cts_flow_has(f, CTS_FLOW_HELPER)) {
		cts_line_put(&l, "<helper>");
		cts_xml_escaped(&l, f->helper, f->helper_len);
		cts_line_put(&l, "</helper>");
	}
	cts_line_put(&l, "</flow>");
	if (l.full || !size) {
		errno = ENOSPC;
		return 0;
	}
	*l.at = '\0';
	return (size_t)(l.at - buf);
}
