/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text line of a flow. Numbers and IPv4 addresses are printed by hand: a
 * listing of a million flows is mostly this file. The line is that of
 * libnetfilter_conntrack to the byte, its oddities included, because scripts
 * parse it; tests/unit/test_text.c compares the two.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include <linux/netfilter/nf_conntrack_common.h>

#include <ctsync/labelmap.h>

#include "core/flow/tuple.h"

#define NS_PER_S UINT64_C(1000000000)

static const char *const tcp_states[] = {
	"NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT",
	"LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2",
};

static const char *const sctp_states[] = {
	"NONE", "CLOSED", "COOKIE_WAIT", "COOKIE_ECHOED", "ESTABLISHED", "SHUTDOWN_SENT",
	"SHUTDOWN_RECD", "SHUTDOWN_ACK_SENT", "HEARTBEAT_SENT", "HEARTBEAT_ACKED",
};

static const char *const dccp_states[] = {
	"NONE", "REQUEST", "RESPOND", "PARTOPEN", "OPEN", "CLOSEREQ", "CLOSING", "TIMEWAIT",
	"IGNORE", "INVALID",
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

static const char *dccp_state_name(uint8_t state)
{
	return state < N_ELEMS(dccp_states) ? dccp_states[state] : NULL;
}

const char *cts_proto_name(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP: return "tcp";
	case IPPROTO_UDP: return "udp";
	case IPPROTO_UDPLITE: return "udplite";
	case IPPROTO_ICMP: return "icmp";
	case IPPROTO_ICMPV6: return "icmpv6";
	case IPPROTO_SCTP: return "sctp";
	case IPPROTO_GRE: return "gre";
	case IPPROTO_DCCP: return "dccp";
	default: return "unknown";
	}
}

/* The line under construction; what does not fit is refused and remembered. */
struct line {
	char *at;
	char *end;      /* one before the last byte: the NUL's place */
	bool full;
};

static inline bool room(struct line *l, size_t n)
{
	if ((size_t)(l->end - l->at) >= n)
		return true;
	l->full = true;
	return false;
}

static inline void put_text(struct line *l, const char *text, size_t len)
{
	if (!room(l, len))
		return;
	memcpy(l->at, text, len);
	l->at += len;
}

#define put_literal(l, text) put_text(l, text, sizeof(text) - 1)

static inline void put_str(struct line *l, const char *text)
{
	put_text(l, text, strlen(text));
}

static const char digit_pairs[] =
	"00010203040506070809101112131415161718192021222324"
	"25262728293031323334353637383940414243444546474849"
	"50515253545556575859606162636465666768697071727374"
	"75767778798081828384858687888990919293949596979899";

/* Decimal digits of v, right-aligned before end; gives the first. */
static inline char *digits(char *end, uint64_t v)
{
	while (v >= 100) {
		end -= 2;
		memcpy(end, digit_pairs + v % 100 * 2, 2);
		v /= 100;
	}
	if (v >= 10) {
		end -= 2;
		memcpy(end, digit_pairs + v * 2, 2);
	} else {
		*--end = (char)('0' + v);
	}
	return end;
}

static inline void put_number(struct line *l, uint64_t v)
{
	char buf[20], *first = digits(buf + sizeof(buf), v);

	put_text(l, first, (size_t)(buf + sizeof(buf) - first));
}

static void put_hex(struct line *l, uint32_t v)
{
	char buf[8], *first = buf + sizeof(buf);

	do {
		*--first = "0123456789abcdef"[v % 16];
		v /= 16;
	} while (v);
	put_text(l, first, (size_t)(buf + sizeof(buf) - first));
}

/* "name=value " */
#define put_field(l, name, v) do {              \
		put_literal(l, name "=");       \
		put_number(l, v);               \
		put_literal(l, " ");            \
	} while (0)

/* Left-aligned to eight columns, then a blank. */
static void put_padded(struct line *l, const char *text)
{
	size_t len = strlen(text);

	put_text(l, text, len);
	if (len < 8)
		put_text(l, "        ", 8 - len);
	put_literal(l, " ");
}

static inline void put_ipv4(struct line *l, const uint8_t *byte)
{
	char buf[15], *at = buf;

	for (int i = 0; i < 4; i++) {
		unsigned int v = byte[i];

		if (i)
			*at++ = '.';
		if (v >= 100) {
			*at++ = (char)('0' + v / 100);
			v %= 100;
			memcpy(at, digit_pairs + v * 2, 2);
			at += 2;
		} else if (v >= 10) {
			memcpy(at, digit_pairs + v * 2, 2);
			at += 2;
		} else {
			*at++ = (char)('0' + v);
		}
	}
	put_text(l, buf, (size_t)(at - buf));
}

static void put_ipv6(struct line *l, const union cts_addr *addr)
{
	char buf[INET6_ADDRSTRLEN];

	put_str(l, inet_ntop(AF_INET6, addr, buf, sizeof(buf)));
}

static inline void put_addr(struct line *l, uint8_t family, const union cts_addr *addr)
{
	if (family == AF_INET)
		put_ipv4(l, addr->bytes);
	else
		put_ipv6(l, addr);
}

static void put_l4(struct line *l, const struct cts_tuple *t)
{
	switch (t->proto) {
	case IPPROTO_GRE:
		put_literal(l, "srckey=0x");
		put_hex(l, ntohs(t->sport));
		put_literal(l, " dstkey=0x");
		put_hex(l, ntohs(t->dport));
		put_literal(l, " ");
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

static void put_direction(struct line *l, const struct cts_flow *f, enum cts_dir dir)
{
	const struct cts_tuple *t = dir == CTS_DIR_ORIG ? &f->orig : &f->reply;

	if (cts_flow_has(f, dir == CTS_DIR_ORIG ? CTS_FLOW_ORIG : CTS_FLOW_REPLY)) {
		put_literal(l, "src=");
		put_addr(l, t->family, &t->src);
		put_literal(l, " dst=");
		put_addr(l, t->family, &t->dst);
		put_literal(l, " ");
		put_l4(l, t);
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

static void put_state(struct line *l, const char *name)
{
	put_str(l, name ? name : "NONE");
	put_literal(l, " ");
}

static void put_head(struct line *l, const struct cts_flow *f, unsigned int flags)
{
	static const struct cts_tuple none;
	const struct cts_tuple *t = cts_flow_has(f, CTS_FLOW_ORIG) ? &f->orig :
				    cts_flow_has(f, CTS_FLOW_REPLY) ? &f->reply : &none;

	if (flags & CTS_FORMAT_LAYER3) {
		put_padded(l, t->family == AF_INET6 ? "ipv6" : "ipv4");
		put_number(l, t->family);
		put_literal(l, " ");
	}
	put_padded(l, cts_proto_name(t->proto));
	put_number(l, t->proto);
	put_literal(l, " ");
	if (cts_flow_has(f, CTS_FLOW_TIMEOUT) && !(flags & CTS_FORMAT_NO_TIMEOUT)) {
		put_number(l, f->timeout);
		put_literal(l, " ");
	}
	if (cts_flow_has(f, CTS_FLOW_TCP_STATE))
		put_state(l, cts_tcp_state_name(f->tcp_state));
	if (cts_flow_has(f, CTS_FLOW_SCTP_STATE))
		put_state(l, cts_sctp_state_name(f->sctp_state));
	if (cts_flow_has(f, CTS_FLOW_DCCP_STATE))
		put_state(l, dccp_state_name(f->dccp_state));
}

static void put_assured(struct line *l, uint32_t status)
{
	if (status & IPS_HW_OFFLOAD)
		put_literal(l, "[HW_OFFLOAD] ");
	else if (status & IPS_OFFLOAD)
		put_literal(l, "[OFFLOAD] ");
	else if (status & IPS_ASSURED)
		put_literal(l, "[ASSURED] ");
}

static void put_time(struct line *l, const char *what, uint64_t ns)
{
	time_t when = (time_t)(ns / NS_PER_S);
	char buf[32];
	struct tm tm;

	if (!localtime_r(&when, &tm) || !strftime(buf, sizeof(buf), "%a %b %e %T %Y", &tm))
		return;
	put_str(l, what);
	put_str(l, buf);
	put_literal(l, "] ");
}

static void put_times(struct line *l, const struct cts_flow *f, unsigned int flags,
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

static void put_labels(struct line *l, const struct cts_flow *f, const struct cts_labelmap *map)
{
	bool first = true;

	put_literal(l, "labels");
	for (unsigned int bit = 0; bit < f->labels_len * 8u; bit++) {
		const char *name;

		if (!(f->labels[bit / 32] >> bit % 32 & 1))
			continue;
		name = cts_labelmap_name(map, bit);
		if (!name || !*name)
			continue;
		put_text(l, first ? "=" : ",", 1);
		put_str(l, name);
		first = false;
	}
	put_literal(l, " ");
}

static void put_tail(struct line *l, const struct cts_flow *f, unsigned int flags,
		     uint64_t now_ns, const struct cts_labelmap *map)
{
	if (cts_flow_has(f, CTS_FLOW_STATUS))
		put_assured(l, f->status);
	if (cts_flow_has(f, CTS_FLOW_MARK))
		put_field(l, "mark", f->mark);
	if (cts_flow_has(f, CTS_FLOW_SECMARK))
		put_field(l, "secmark", f->secmark);
	if (cts_flow_has(f, CTS_FLOW_SECCTX)) {
		put_literal(l, "secctx=");
		put_text(l, f->secctx, f->secctx_len);
		put_literal(l, " ");
	}
	if (cts_flow_has(f, CTS_FLOW_ZONE))
		put_field(l, "zone", f->zone);
	put_times(l, f, flags, now_ns);
	if (cts_flow_has(f, CTS_FLOW_HELPER)) {
		put_literal(l, "helper=");
		put_text(l, f->helper, f->helper_len);
		put_literal(l, " ");
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
	struct line l = { .at = buf, .end = buf + size - 1 };

	if (!size) {
		errno = ENOSPC;
		return 0;
	}
	put_head(&l, flow, flags);
	put_direction(&l, flow, CTS_DIR_ORIG);
	if (cts_flow_has(flow, CTS_FLOW_STATUS) && !(flow->status & IPS_SEEN_REPLY))
		put_literal(&l, "[UNREPLIED] ");
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
