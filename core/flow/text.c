/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text line of a flow. Numbers and IPv4 addresses are printed by hand: a
 * listing of a million flows is mostly this file. The line is that of
 * libnetfilter_conntrack to the byte, its oddities included, because scripts
 * parse it; tests/unit/test_text.c compares the two.
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

static const char *const tcp_states[] = {
	"NONE",       "SYN_SENT", "SYN_RECV",  "ESTABLISHED", "FIN_WAIT",
	"CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE",       "SYN_SENT2",
};

static const char *const sctp_states[] = {
	"NONE",          "CLOSED",        "COOKIE_WAIT",       "COOKIE_ECHOED",  "ESTABLISHED",
	"SHUTDOWN_SENT", "SHUTDOWN_RECD", "SHUTDOWN_ACK_SENT", "HEARTBEAT_SENT", "HEARTBEAT_ACKED",
};

static const char *const dccp_states[] = {
	"NONE",     "REQUEST", "RESPOND",  "PARTOPEN", "OPEN",
	"CLOSEREQ", "CLOSING", "TIMEWAIT", "IGNORE",   "INVALID",
};

#define N_ELEMS(a) (sizeof(a) / sizeof((a)[0]))

const char *cts_tcp_state_name(uint8_t state)
{
	return state < N_ELEMS(tcp_states) ? tcp_states[state] : NULL;
}

const char *cts_sctp_state_name(uint8_t state)
{
	return state < N_ELEMS(sctp_states) ? sctp_states[state] : NULL;
}

const char *cts_dccp_state_name(uint8_t state)
{
	return state < N_ELEMS(dccp_states) ? dccp_states[state] : NULL;
}

/* enum ip_conntrack_status, by bit */
const char *cts_status_name(unsigned int bit)
{
	static const char *const names[] = {
		"EXPECTED",     "SEEN_REPLY", "ASSURED",       "CONFIRMED",
		"SRC_NAT",      "DST_NAT",    "SEQ_ADJUST",    "SRC_NAT_DONE",
		"DST_NAT_DONE", "DYING",      "FIXED_TIMEOUT", "TEMPLATE",
		"UNTRACKED",    "HELPER",     "OFFLOAD",       "HW_OFFLOAD",
	};

	return bit < N_ELEMS(names) ? names[bit] : NULL;
}

const char *cts_proto_name(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_UDPLITE:
		return "udplite";
	case IPPROTO_ICMP:
		return "icmp";
	case IPPROTO_ICMPV6:
		return "icmpv6";
	case IPPROTO_SCTP:
		return "sctp";
	case IPPROTO_GRE:
		return "gre";
	case IPPROTO_DCCP:
		return "dccp";
	default:
		return "unknown";
	}
}

/* Left-aligned to eight columns, then a blank. */
static void put_padded(struct cts_line *l, const char *text)
{
	size_t len = strlen(text);

	cts_line_text(l, text, len);
	if (len < 8)
		cts_line_text(l, "        ", 8 - len);
	cts_line_put(l, " ");
}

void cts_text_layer4(struct cts_line *l, const struct cts_tuple *t)
{
	switch (t->proto) {
	case IPPROTO_GRE:
		cts_line_put(l, "srckey=0x");
		cts_line_hex(l, ntohs(t->sport));
		cts_line_put(l, " dstkey=0x");
		cts_line_hex(l, ntohs(t->dport));
		cts_line_put(l, " ");
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		put_field(l, "type", t->icmp_type);
		put_field(l, "code", t->icmp_code);
		put_field(l, "id", ntohs(t->sport));
		break;
	default:
		if (cts_l4_kind(t->proto) != CTS_L4_PORTS)
			break;
		put_field(l, "sport", ntohs(t->sport));
		put_field(l, "dport", ntohs(t->dport));
		break;
	}
}

static void put_direction(struct cts_line *l, const struct cts_flow *f, enum cts_dir dir)
{
	const struct cts_tuple *t = dir == CTS_DIR_ORIG ? &f->orig : &f->reply;

	if (cts_flow_has(f, dir == CTS_DIR_ORIG ? CTS_FLOW_ORIG : CTS_FLOW_REPLY)) {
		cts_line_put(l, "src=");
		cts_line_addr(l, t->family, &t->src);
		cts_line_put(l, " dst=");
		cts_line_addr(l, t->family, &t->dst);
		cts_line_put(l, " ");
		cts_text_layer4(l, t);
	}
	if (dir == CTS_DIR_ORIG && cts_flow_has(f, CTS_FLOW_ZONE_ORIG))
		put_field(l, "zone-orig", f->zone_dir[dir]);
	if (dir == CTS_DIR_REPLY && cts_flow_has(f, CTS_FLOW_ZONE_REPLY))
		put_field(l, "zone-reply", f->zone_dir[dir]);
	if (cts_flow_has(f, CTS_FLOW_COUNTERS_ORIG + dir)) {
		put_field(l, "packets", f->packets[dir]);
		put_field(l, "bytes", f->bytes[dir]);
	}
}

static void put_state(struct cts_line *l, const char *name)
{
	cts_line_str(l, name ? name : "NONE");
	cts_line_put(l, " ");
}

static void put_head(struct cts_line *l, const struct cts_flow *f, unsigned int flags)
{
	static const struct cts_tuple none;
	const struct cts_tuple *t = cts_flow_has(f, CTS_FLOW_ORIG)    ? &f->orig
				    : cts_flow_has(f, CTS_FLOW_REPLY) ? &f->reply
								      : &none;

	if (flags & CTS_FORMAT_LAYER3) {
		put_padded(l, t->family == AF_INET6 ? "ipv6" : "ipv4");
		cts_line_number(l, t->family);
		cts_line_put(l, " ");
	}
	put_padded(l, cts_proto_name(t->proto));
	cts_line_number(l, t->proto);
	cts_line_put(l, " ");
	if (cts_flow_has(f, CTS_FLOW_TIMEOUT) && !(flags & CTS_FORMAT_NO_TIMEOUT)) {
		cts_line_number(l, f->timeout);
		cts_line_put(l, " ");
	}
	if (cts_flow_has(f, CTS_FLOW_TCP_STATE))
		put_state(l, cts_tcp_state_name(f->tcp_state));
	if (cts_flow_has(f, CTS_FLOW_SCTP_STATE))
		put_state(l, cts_sctp_state_name(f->sctp_state));
	if (cts_flow_has(f, CTS_FLOW_DCCP_STATE))
		put_state(l, cts_dccp_state_name(f->dccp_state));
}

static void put_assured(struct cts_line *l, uint32_t status)
{
	if (status & IPS_HW_OFFLOAD)
		cts_line_put(l, "[HW_OFFLOAD] ");
	else if (status & IPS_OFFLOAD)
		cts_line_put(l, "[OFFLOAD] ");
	else if (status & IPS_ASSURED)
		cts_line_put(l, "[ASSURED] ");
}

static void put_time(struct cts_line *l, const char *what, uint64_t ns)
{
	time_t when = (time_t)(ns / NS_PER_S);
	char buf[32];
	struct tm tm;

	if (!localtime_r(&when, &tm) || !strftime(buf, sizeof(buf), "%a %b %e %T %Y", &tm))
		return;
	cts_line_str(l, what);
	cts_line_str(l, buf);
	cts_line_put(l, "] ");
}

static void put_times(struct cts_line *l, const struct cts_flow *f, unsigned int flags,
		      uint64_t now_ns)
{
	if (cts_flow_has(f, CTS_FLOW_START)) {
		uint64_t end = cts_flow_has(f, CTS_FLOW_STOP) && f->stop_ns ? f->stop_ns : now_ns;

		/* as the library's arithmetic: a start in the future wraps */
		put_field(l, "delta-time", end / NS_PER_S - f->start_ns / NS_PER_S);
	}
	if (!(flags & CTS_FORMAT_TIMESTAMP))
		return;
	if (cts_flow_has(f, CTS_FLOW_START))
		put_time(l, "[start=", f->start_ns);
	if (cts_flow_has(f, CTS_FLOW_STOP))
		put_time(l, "[stop=", f->stop_ns);
}

static void put_labels(struct cts_line *l, const struct cts_flow *f, const struct cts_labelmap *map)
{
	bool first = true;

	cts_line_put(l, "labels");
	for (unsigned int bit = 0; bit < f->labels_len * 8u; bit++) {
		const char *name;

		if (!(f->labels[bit / 32] >> bit % 32 & 1))
			continue;
		name = cts_labelmap_name(map, bit);
		if (!name || !*name)
			continue;
		cts_line_text(l, first ? "=" : ",", 1);
		cts_line_str(l, name);
		first = false;
	}
	cts_line_put(l, " ");
}

static void put_tail(struct cts_line *l, const struct cts_flow *f, unsigned int flags,
		     uint64_t now_ns, const struct cts_labelmap *map)
{
	if (cts_flow_has(f, CTS_FLOW_STATUS))
		put_assured(l, f->status);
	if (cts_flow_has(f, CTS_FLOW_MARK))
		put_field(l, "mark", f->mark);
	if (cts_flow_has(f, CTS_FLOW_SECMARK))
		put_field(l, "secmark", f->secmark);
	if (cts_flow_has(f, CTS_FLOW_SECCTX)) {
		cts_line_put(l, "secctx=");
		cts_line_text(l, f->secctx, f->secctx_len);
		cts_line_put(l, " ");
	}
	if (cts_flow_has(f, CTS_FLOW_ZONE))
		put_field(l, "zone", f->zone);
	put_times(l, f, flags, now_ns);
	if (cts_flow_has(f, CTS_FLOW_HELPER)) {
		cts_line_put(l, "helper=");
		cts_line_text(l, f->helper, f->helper_len);
		cts_line_put(l, " ");
	}
	if (cts_flow_has(f, CTS_FLOW_USE))
		put_field(l, "use", f->use);
	if (flags & CTS_FORMAT_ID && cts_flow_has(f, CTS_FLOW_ID))
		put_field(l, "id", f->id);
	if (map && cts_flow_has(f, CTS_FLOW_LABELS))
		put_labels(l, f, map);
}

size_t cts_flow_format(const struct cts_flow *flow, unsigned int flags, uint64_t now_ns,
		       const struct cts_labelmap *labels, char *buf, size_t size)
{
	struct cts_line l = { .at = buf, .end = buf + size - 1 };

	if (!size) {
		errno = ENOSPC;
		return 0;
	}
	put_head(&l, flow, flags);
	put_direction(&l, flow, CTS_DIR_ORIG);
	if (cts_flow_has(flow, CTS_FLOW_STATUS) && !(flow->status & IPS_SEEN_REPLY))
		cts_line_put(&l, "[UNREPLIED] ");
	put_direction(&l, flow, CTS_DIR_REPLY);
	put_tail(&l, flow, flags, now_ns, labels);
	if (l.full) {
		*buf = '\0';
		errno = ENOSPC;
		return 0;
	}
	l.at--; /* every field ends in a blank; the last one's goes */
	*l.at = '\0';
	return (size_t)(l.at - buf);
}
