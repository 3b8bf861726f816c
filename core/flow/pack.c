/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flow record <-> packed bytes; pack.h has the layout. Packing and unpacking of
 * each attribute stand side by side. What unpacks also packs to the same bytes,
 * so that caches compare flows by memcmp().
 */
#include "config.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "core/flow/pack.h"
#include "core/flow/tuple.h"

enum {
	KEY_IPV6 = 1 << 0,
	KEY_ZONE = 1 << 1,
};

enum pack_type {
	PACK_STATUS = 1,
	PACK_TIMEOUT,
	PACK_MARK,
	PACK_TCP_STATE,
	PACK_TCP_FLAGS,
	PACK_TCP_WSCALE,
	PACK_SCTP_STATE,
	PACK_SCTP_VTAG,
	PACK_DCCP_STATE,
	PACK_DCCP_ROLE,
	PACK_DCCP_SEQ,
	PACK_REPLY_SRC,
	PACK_REPLY_DST,
	PACK_REPLY_ICMP,
	PACK_NO_REPLY,
	PACK_ZONE_ORIG_ONLY,
	PACK_ZONE_REPLY,
	PACK_LABELS,
	PACK_HELPER,
	PACK_SEQADJ_ORIG,
	PACK_SEQADJ_REPLY,
	PACK_SYNPROXY,
	PACK_MASTER,
	PACK_VERSION,
	PACK_KNOWN /* types from here on are skipped and counted */
};

#define CLASS_EXPLICIT 7
static const uint8_t class_len[CLASS_EXPLICIT] = { 0, 1, 2, 3, 4, 6, 8 };

/* The class of a length, CLASS_EXPLICIT when it has none. */
static inline unsigned int length_class(size_t len)
{
	static const uint8_t class_of[9] = { 0, 1, 2, 3, 4, CLASS_EXPLICIT, 5, CLASS_EXPLICIT, 6 };

	return len < sizeof(class_of) ? class_of[len] : CLASS_EXPLICIT;
}

/* ---- writing ---- */

struct packer {
	uint8_t *at;
	uint8_t *end;
	bool full;
};

static inline uint8_t *take(struct packer *p, size_t len)
{
	uint8_t *at = p->at;

	if ((size_t)(p->end - at) < len) {
		p->full = true;
		return NULL;
	}
	p->at += len;
	return at;
}

static inline void put_bytes(struct packer *p, const void *data, size_t len)
{
	uint8_t *at = take(p, len);

	if (at)
		memcpy(at, data, len);
}

static void put_attr(struct packer *p, enum pack_type type, const void *data, size_t len)
{
	unsigned int class = length_class(len);
	uint8_t head[2] = { (uint8_t)(type << 3 | class), (uint8_t)len };

	put_bytes(p, head, class == CLASS_EXPLICIT ? 2 : 1);
	if (len)
		put_bytes(p, data, len);
}

/* Bytes that v needs, rounded up to one that has a class. */
static inline size_t int_len(uint64_t v)
{
	size_t len = v ? 8 - (size_t)__builtin_clzll(v) / 8 : 0;

	return len == 5 || len == 7 ? len + 1 : len;
}

static void put_int(struct packer *p, enum pack_type type, uint64_t v)
{
	size_t len = int_len(v);
	uint64_t be = htobe64(v);

	put_attr(p, type, (const uint8_t *)&be + sizeof(be) - len, len);
}

/* Three words that are often all zero. */
static void put_triple(struct packer *p, enum pack_type type, uint32_t a, uint32_t b, uint32_t c)
{
	uint32_t be[3] = { htobe32(a), htobe32(b), htobe32(c) };

	put_attr(p, type, be, a | b | c ? sizeof(be) : 0);
}

static bool put_key(struct packer *p, const struct cts_tuple *t, uint16_t zone)
{
	size_t addr = cts_addr_len(t->family);
	uint8_t head[2] = { 0, t->proto };

	if (t->family != AF_INET && t->family != AF_INET6)
		return false;
	if (t->family == AF_INET6)
		head[0] |= KEY_IPV6;
	if (zone)
		head[0] |= KEY_ZONE;
	put_bytes(p, head, sizeof(head));
	put_bytes(p, &t->src, addr);
	put_bytes(p, &t->dst, addr);
	switch (cts_l4_kind(t->proto)) {
	case CTS_L4_PORTS:
		put_bytes(p, &t->sport, sizeof(t->sport));
		put_bytes(p, &t->dport, sizeof(t->dport));
		break;
	case CTS_L4_ICMP:
		put_bytes(p, &t->sport, sizeof(t->sport));
		put_bytes(p, &t->icmp_type, 1);
		put_bytes(p, &t->icmp_code, 1);
		break;
	case CTS_L4_NONE:
		break;
	}
	zone = htobe16(zone);
	if (zone)
		put_bytes(p, &zone, sizeof(zone));
	return true;
}

/* ---- reading ---- */

struct reader {
	const uint8_t *at;
	const uint8_t *end;
};

static inline const uint8_t *get_bytes(struct reader *r, size_t len)
{
	const uint8_t *at = r->at;

	if ((size_t)(r->end - at) < len)
		return NULL;
	r->at += len;
	return at;
}

static inline uint32_t load_u32(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return be32toh(v);
}

/* One attribute; its data lie within the buffer. */
struct attr {
	unsigned int type;
	size_t len;
	const uint8_t *data;
};

static bool get_attr(struct reader *r, struct attr *a)
{
	const uint8_t *at = get_bytes(r, 1);
	unsigned int class;

	if (!at)
		return false;
	a->type = *at >> 3;
	class = *at & 7;
	if (class == CLASS_EXPLICIT) {
		at = get_bytes(r, 1);
		if (!at || length_class(*at) != CLASS_EXPLICIT)
			return false;
		a->len = *at;
	} else {
		a->len = class_len[class];
	}
	a->data = get_bytes(r, a->len);
	return a->data;
}

/* An int of at most max, stored as short as can be. */
static bool get_int(const struct attr *a, uint64_t max, uint64_t *v)
{
	uint64_t value = 0;

	if (a->len > sizeof(value))
		return false;
	for (size_t i = 0; i < a->len; i++)
		value = value << 8 | a->data[i];
	*v = value;
	return value <= max && int_len(value) == a->len;
}

static bool get_u8(const struct attr *a, uint8_t *v)
{
	uint64_t value;

	if (!get_int(a, UINT8_MAX, &value))
		return false;
	*v = (uint8_t)value;
	return true;
}

static bool get_u16(const struct attr *a, uint16_t *v)
{
	uint64_t value;

	if (!get_int(a, UINT16_MAX, &value))
		return false;
	*v = (uint16_t)value;
	return true;
}

static bool get_u32(const struct attr *a, uint32_t *v)
{
	uint64_t value;

	if (!get_int(a, UINT32_MAX, &value))
		return false;
	*v = (uint32_t)value;
	return true;
}

/* The version is no part of a flow: it is checked and skipped. */
static bool version_is_sound(const struct attr *a)
{
	uint32_t version;

	return get_u32(a, &version) && version > 1;
}

static bool get_triple(const struct attr *a, uint32_t *x, uint32_t *y, uint32_t *z)
{
	*x = *y = *z = 0;
	if (!a->len)
		return true;
	if (a->len != 12)
		return false;
	*x = load_u32(a->data);
	*y = load_u32(a->data + 4);
	*z = load_u32(a->data + 8);
	return *x | *y | *z;
}

static bool get_key(struct reader *r, struct cts_tuple *t, uint16_t *zone)
{
	const uint8_t *head = get_bytes(r, 2), *at;
	size_t addr;

	memset(t, 0, sizeof(*t));
	*zone = 0;
	if (!head || head[0] & ~(KEY_IPV6 | KEY_ZONE))
		return false;
	t->family = head[0] & KEY_IPV6 ? AF_INET6 : AF_INET;
	t->proto = head[1];
	addr = cts_addr_len(t->family);
	at = get_bytes(r, 2 * addr);
	if (!at)
		return false;
	memcpy(&t->src, at, addr);
	memcpy(&t->dst, at + addr, addr);
	if (cts_l4_kind(t->proto) != CTS_L4_NONE) {
		at = get_bytes(r, 4);
		if (!at)
			return false;
		memcpy(&t->sport, at, 2);
		if (cts_l4_kind(t->proto) == CTS_L4_PORTS) {
			memcpy(&t->dport, at + 2, 2);
		} else {
			t->icmp_type = at[2];
			t->icmp_code = at[3];
		}
	}
	if (head[0] & KEY_ZONE) {
		at = get_bytes(r, sizeof(*zone));
		if (!at)
			return false;
		*zone = (uint16_t)(at[0] << 8 | at[1]);
		return *zone;
	}
	return true;
}

/* ---- the reply: what differs from the inverse ---- */

static void put_end(struct packer *p, enum pack_type type, uint8_t family,
		    const union cts_addr *addr, const union cts_addr *inv_addr, uint16_t port,
		    uint16_t inv_port)
{
	uint8_t data[sizeof(*addr) + sizeof(port)];
	size_t len = 0;

	if (memcmp(addr, inv_addr, sizeof(*addr))) {
		len = cts_addr_len(family);
		memcpy(data, addr, len);
	}
	if (port != inv_port) {
		memcpy(data + len, &port, sizeof(port));
		len += sizeof(port);
	}
	if (len)
		put_attr(p, type, data, len);
}

static bool get_end(const struct attr *a, uint8_t family, union cts_addr *addr, uint16_t *port)
{
	size_t addr_len = cts_addr_len(family);
	union cts_addr was_addr = *addr;
	uint16_t was_port = *port;
	bool has_addr = a->len >= addr_len;
	bool has_port = a->len == 2 || a->len == addr_len + 2;

	if (!has_port && a->len != addr_len)
		return false;
	if (has_addr)
		memcpy(addr, a->data, addr_len);
	if (has_port)
		memcpy(port, a->data + a->len - 2, 2);
	return (!has_addr || memcmp(addr, &was_addr, sizeof(*addr))) &&
	       (!has_port || *port != was_port);
}

static bool put_reply(struct packer *p, const struct cts_flow *f)
{
	const struct cts_tuple *r = &f->reply;
	struct cts_tuple inv;

	if (r->family != f->orig.family || r->proto != f->orig.proto)
		return false;
	cts_tuple_invert(&f->orig, &inv);
	if (!memcmp(r, &inv, sizeof(inv)))
		return true;
	put_end(p, PACK_REPLY_SRC, r->family, &r->src, &inv.src, r->sport, inv.sport);
	put_end(p, PACK_REPLY_DST, r->family, &r->dst, &inv.dst, r->dport, inv.dport);
	if (r->icmp_type != inv.icmp_type || r->icmp_code != inv.icmp_code) {
		uint8_t icmp[2] = { r->icmp_type, r->icmp_code };

		put_attr(p, PACK_REPLY_ICMP, icmp, sizeof(icmp));
	}
	return true;
}

static bool get_reply_icmp(const struct attr *a, struct cts_tuple *r)
{
	if (cts_l4_kind(r->proto) != CTS_L4_ICMP || a->len != 2 ||
	    (r->icmp_type == a->data[0] && r->icmp_code == a->data[1]))
		return false;
	r->icmp_type = a->data[0];
	r->icmp_code = a->data[1];
	return true;
}

/* A port where the protocol has none would not survive packing. */
static bool reply_is_sound(const struct cts_tuple *r)
{
	switch (cts_l4_kind(r->proto)) {
	case CTS_L4_PORTS:
		return true;
	case CTS_L4_ICMP:
		return !r->dport;
	default:
		return !r->sport && !r->dport;
	}
}

/* ---- labels, TCP flags ---- */

static bool put_labels(struct packer *p, const struct cts_flow *f)
{
	uint8_t bytes[16];
	size_t len = 0;

	for (unsigned int i = 0; i < f->labels_len; i++) {
		uint8_t byte = (uint8_t)(f->labels[i / 4] >> i % 4 * 8);

		if (i < sizeof(bytes))
			bytes[i] = byte;
		else if (byte)
			return false;
		if (byte)
			len = i + 1;
	}
	put_attr(p, PACK_LABELS, bytes, len);
	return true;
}

static bool get_labels(const struct attr *a, struct cts_flow_store *store)
{
	memset(store->labels, 0, sizeof(store->labels));
	store->flow.labels = store->labels;
	store->flow.labels_len = sizeof(store->labels);
	if (a->len > sizeof(store->labels))
		return false;
	for (size_t i = 0; i < a->len; i++)
		store->labels[i / 4] |= (uint32_t)a->data[i] << i % 4 * 8;
	return !a->len || a->data[a->len - 1];
}

static bool get_helper(const struct attr *a, struct cts_flow_store *store)
{
	if (!a->len || a->len >= sizeof(store->helper) || memchr(a->data, '\0', a->len))
		return false;
	memcpy(store->helper, a->data, a->len);
	store->helper[a->len] = '\0';
	store->flow.helper = store->helper;
	store->flow.helper_len = (uint16_t)a->len;
	return true;
}

static void put_tcp_flags(struct packer *p, const struct cts_flow *f)
{
	uint8_t data[4] = { f->tcp_flags[0], f->tcp_flags[1], f->tcp_flags_mask[0],
			    f->tcp_flags_mask[1] };

	put_attr(p, PACK_TCP_FLAGS, data, data[2] | data[3] ? 4 : 2);
}

static bool get_tcp_flags(const struct attr *a, struct cts_flow *f)
{
	if (a->len != 2 && a->len != 4)
		return false;
	memcpy(f->tcp_flags, a->data, 2);
	memset(f->tcp_flags_mask, 0, 2);
	if (a->len == 2)
		return true;
	memcpy(f->tcp_flags_mask, a->data + 2, 2);
	return f->tcp_flags_mask[0] | f->tcp_flags_mask[1];
}

/* ---- the whole ---- */

static void put_states(struct packer *p, const struct cts_flow *f, uint64_t attrs)
{
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_STATUS))
		put_int(p, PACK_STATUS, f->status);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_TIMEOUT))
		put_int(p, PACK_TIMEOUT, f->timeout);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_MARK))
		put_int(p, PACK_MARK, f->mark);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_TCP_STATE))
		put_int(p, PACK_TCP_STATE, f->tcp_state);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_TCP_FLAGS))
		put_tcp_flags(p, f);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_TCP_WSCALE))
		put_attr(p, PACK_TCP_WSCALE, f->tcp_wscale, sizeof(f->tcp_wscale));
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_SCTP_STATE))
		put_int(p, PACK_SCTP_STATE, f->sctp_state);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_SCTP_VTAG)) {
		uint32_t vtag[2] = { htobe32(f->sctp_vtag[0]), htobe32(f->sctp_vtag[1]) };

		put_attr(p, PACK_SCTP_VTAG, vtag, sizeof(vtag));
	}
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_DCCP_STATE))
		put_int(p, PACK_DCCP_STATE, f->dccp_state);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_DCCP_ROLE))
		put_int(p, PACK_DCCP_ROLE, f->dccp_role);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_DCCP_SEQ))
		put_int(p, PACK_DCCP_SEQ, f->dccp_seq);
}

static void put_zone_kind(struct packer *p, const struct cts_flow *f)
{
	if (cts_flow_has(f, CTS_FLOW_ZONE))
		return;
	if (cts_flow_key_zone(f))
		put_attr(p, PACK_ZONE_ORIG_ONLY, NULL, 0);
	if (cts_flow_has(f, CTS_FLOW_ZONE_REPLY) && f->zone_dir[CTS_DIR_REPLY])
		put_int(p, PACK_ZONE_REPLY, f->zone_dir[CTS_DIR_REPLY]);
}

static bool put_rest(struct packer *p, const struct cts_flow *f, uint64_t attrs)
{
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_LABELS) && !put_labels(p, f))
		return false;
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_HELPER)) {
		if (f->helper_len >= sizeof(((struct cts_flow_store *)0)->helper))
			return false;
		if (f->helper_len)
			put_attr(p, PACK_HELPER, f->helper, f->helper_len);
	}
	for (int dir = 0; dir < CTS_DIR_MAX; dir++)
		if (attrs & CTS_FLOW_BIT(CTS_FLOW_SEQADJ_ORIG + dir))
			put_triple(p, PACK_SEQADJ_ORIG + dir, f->seqadj_pos[dir],
				   f->seqadj_before[dir], f->seqadj_after[dir]);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_SYNPROXY))
		put_triple(p, PACK_SYNPROXY, f->synproxy_isn, f->synproxy_its, f->synproxy_tsoff);
	if (attrs & CTS_FLOW_BIT(CTS_FLOW_MASTER)) {
		uint8_t key[CTS_PACK_KEY_MAX];
		struct packer k = { .at = key, .end = key + sizeof(key) };

		if (!put_key(&k, &f->master, 0))
			return false;
		put_attr(p, PACK_MASTER, key, (size_t)(k.at - key));
	}
	return true;
}

size_t cts_flow_pack(const struct cts_flow *flow, uint64_t attrs, uint8_t *buf, size_t size)
{
	struct packer p = { .at = buf, .end = buf + size };

	attrs &= flow->present;
	if (!cts_flow_has(flow, CTS_FLOW_ORIG) ||
	    !put_key(&p, &flow->orig, cts_flow_key_zone(flow)))
		goto invalid;
	put_states(&p, flow, attrs);
	if (!(attrs & CTS_FLOW_BIT(CTS_FLOW_REPLY)))
		put_attr(&p, PACK_NO_REPLY, NULL, 0);
	else if (!put_reply(&p, flow))
		goto invalid;
	put_zone_kind(&p, flow);
	if (!put_rest(&p, flow, attrs))
		goto invalid;
	if (p.full) {
		errno = ENOSPC;
		return 0;
	}
	return (size_t)(p.at - buf);
invalid:
	errno = EINVAL;
	return 0;
}

size_t cts_flow_pack_key(const struct cts_flow *flow, uint8_t key[CTS_PACK_KEY_MAX])
{
	struct packer p = { .at = key, .end = key + CTS_PACK_KEY_MAX };

	if (!cts_flow_has(flow, CTS_FLOW_ORIG) ||
	    !put_key(&p, &flow->orig, cts_flow_key_zone(flow))) {
		errno = EINVAL;
		return 0;
	}
	return (size_t)(p.at - key);
}

size_t cts_packed_key_len(const uint8_t *buf, size_t len)
{
	size_t need;

	if (len < 2 || buf[0] & ~(KEY_IPV6 | KEY_ZONE))
		return 0;
	need = 2 + (buf[0] & KEY_IPV6 ? 32 : 8);
	if (cts_l4_kind(buf[1]) != CTS_L4_NONE)
		need += 4;
	if (!(buf[0] & KEY_ZONE))
		return need <= len ? need : 0;
	need += 2;
	if (need > len || !(buf[need - 2] | buf[need - 1]))
		return 0;
	return need;
}

/* ---- the version of an entry ---- */

/* Length of the attribute that at begins with; more than left when it is cut off. */
static inline size_t attr_len(const uint8_t *at, size_t left)
{
	unsigned int class = *at & 7;

	if (class != CLASS_EXPLICIT)
		return 1 + (size_t)class_len[class];
	return left < 2 ? 2 : 2 + (size_t)at[1];
}

/* Where the version is, or where it would have to be put. */
size_t cts_packed_body_len(const uint8_t *buf, size_t len)
{
	size_t at = cts_packed_key_len(buf, len);

	while (at < len && buf[at] < PACK_VERSION << 3)
		at += attr_len(buf + at, len - at);
	return at < len ? at : len;
}

/* Length of the version's attribute at that place; 0: there is none. */
static size_t version_len(const uint8_t *buf, size_t len, size_t at)
{
	size_t own;

	if (at == len || buf[at] >> 3 != PACK_VERSION)
		return 0;
	own = attr_len(buf + at, len - at);
	return own < len - at ? own : len - at;
}

uint32_t cts_packed_version(const uint8_t *buf, size_t len)
{
	size_t at = cts_packed_body_len(buf, len);
	size_t own = version_len(buf, len, at);
	uint32_t version = 0;

	if (!own)
		return 1;
	for (size_t i = 1; i < own; i++)
		version = version << 8 | buf[at + i];
	return version;
}

size_t cts_packed_set_version(uint8_t *buf, size_t len, size_t size, uint32_t version)
{
	size_t at = cts_packed_body_len(buf, len);
	size_t was = version_len(buf, len, at);
	size_t tail = len - at - was;
	uint8_t attr[1 + sizeof(version)];
	struct packer p = { .at = attr, .end = attr + sizeof(attr) };
	size_t own;

	if (!version) {
		errno = EINVAL;
		return 0;
	}
	if (version > 1)
		put_int(&p, PACK_VERSION, version);
	own = (size_t)(p.at - attr);
	if (at + own + tail > size) {
		errno = ENOSPC;
		return 0;
	}
	if (tail)
		memmove(buf + at + own, buf + at + was, tail);
	memcpy(buf + at, attr, own);
	return at + own + tail;
}

/* Attributes of the zone come last to be judged: they depend on each other. */
static bool unpack_zone_kind(struct cts_flow *f, uint16_t zone, bool orig_only, uint16_t reply)
{
	if (orig_only && !zone)
		return false;
	if (reply && zone && !orig_only)
		return false;
	if (zone) {
		f->present |= CTS_FLOW_BIT(orig_only ? CTS_FLOW_ZONE_ORIG : CTS_FLOW_ZONE);
		if (orig_only)
			f->zone_dir[CTS_DIR_ORIG] = zone;
		else
			f->zone = zone;
	}
	if (reply) {
		f->zone_dir[CTS_DIR_REPLY] = reply;
		f->present |= CTS_FLOW_BIT(CTS_FLOW_ZONE_REPLY);
	}
	return true;
}

static bool get_vtags(const struct attr *a, struct cts_flow *f)
{
	if (a->len != 8)
		return false;
	f->sctp_vtag[0] = load_u32(a->data);
	f->sctp_vtag[1] = load_u32(a->data + 4);
	return true;
}

static bool get_master(const struct attr *a, struct cts_flow *f)
{
	struct reader r = { .at = a->data, .end = a->data + a->len };
	uint16_t zone;

	return get_key(&r, &f->master, &zone) && !zone && r.at == r.end;
}

/* Where an attribute that is one number goes, and what is present with each. */
struct unpack_row {
	uint16_t offset;  /* in struct cts_flow */
	uint8_t width;    /* bytes there; 0: it is no number, or none of a flow */
	uint64_t present; /* 0: nothing that unpack_attr() knows */
};

/* clang-format off */
#define NUMBER_OF(member, attr) \
	{ offsetof(struct cts_flow, member), sizeof(((struct cts_flow *)0)->member), \
	  CTS_FLOW_BIT(attr) }
#define OTHER_OF(attr) { .present = CTS_FLOW_BIT(attr) }
/* clang-format on */

static const struct unpack_row unpack_rows[PACK_KNOWN] = {
	[PACK_STATUS] = NUMBER_OF(status, CTS_FLOW_STATUS),
	[PACK_TIMEOUT] = NUMBER_OF(timeout, CTS_FLOW_TIMEOUT),
	[PACK_MARK] = NUMBER_OF(mark, CTS_FLOW_MARK),
	[PACK_TCP_STATE] = NUMBER_OF(tcp_state, CTS_FLOW_TCP_STATE),
	[PACK_SCTP_STATE] = NUMBER_OF(sctp_state, CTS_FLOW_SCTP_STATE),
	[PACK_DCCP_STATE] = NUMBER_OF(dccp_state, CTS_FLOW_DCCP_STATE),
	[PACK_DCCP_ROLE] = NUMBER_OF(dccp_role, CTS_FLOW_DCCP_ROLE),
	[PACK_DCCP_SEQ] = NUMBER_OF(dccp_seq, CTS_FLOW_DCCP_SEQ),
	[PACK_TCP_FLAGS] = OTHER_OF(CTS_FLOW_TCP_FLAGS),
	[PACK_TCP_WSCALE] = OTHER_OF(CTS_FLOW_TCP_WSCALE),
	[PACK_SCTP_VTAG] = OTHER_OF(CTS_FLOW_SCTP_VTAG),
	[PACK_LABELS] = OTHER_OF(CTS_FLOW_LABELS),
	[PACK_HELPER] = OTHER_OF(CTS_FLOW_HELPER),
	[PACK_SEQADJ_ORIG] = OTHER_OF(CTS_FLOW_SEQADJ_ORIG),
	[PACK_SEQADJ_REPLY] = OTHER_OF(CTS_FLOW_SEQADJ_REPLY),
	[PACK_SYNPROXY] = OTHER_OF(CTS_FLOW_SYNPROXY),
	[PACK_MASTER] = OTHER_OF(CTS_FLOW_MASTER),
};

static bool unpack_number(const struct attr *a, struct cts_flow *f, const struct unpack_row *row)
{
	void *at = (char *)f + row->offset;

	switch (row->width) {
	case sizeof(uint8_t):
		return get_u8(a, at);
	case sizeof(uint32_t):
		return get_u32(a, at);
	default:
		return get_int(a, UINT64_MAX, at);
	}
}

static bool get_wscale(const struct attr *a, struct cts_flow *f)
{
	if (a->len != sizeof(f->tcp_wscale))
		return false;
	memcpy(f->tcp_wscale, a->data, sizeof(f->tcp_wscale));
	return true;
}

static bool get_seqadj(const struct attr *a, struct cts_flow *f, enum cts_dir dir)
{
	return get_triple(a, &f->seqadj_pos[dir], &f->seqadj_before[dir], &f->seqadj_after[dir]);
}

static bool unpack_other(const struct attr *a, struct cts_flow_store *store)
{
	struct cts_flow *f = &store->flow;

	switch (a->type) {
	case PACK_TCP_FLAGS:
		return get_tcp_flags(a, f);
	case PACK_TCP_WSCALE:
		return get_wscale(a, f);
	case PACK_SCTP_VTAG:
		return get_vtags(a, f);
	case PACK_LABELS:
		return get_labels(a, store);
	case PACK_HELPER:
		return get_helper(a, store);
	case PACK_SEQADJ_ORIG:
		return get_seqadj(a, f, CTS_DIR_ORIG);
	case PACK_SEQADJ_REPLY:
		return get_seqadj(a, f, CTS_DIR_REPLY);
	case PACK_SYNPROXY:
		return get_triple(a, &f->synproxy_isn, &f->synproxy_its, &f->synproxy_tsoff);
	case PACK_MASTER:
		return get_master(a, f);
	default:
		return false;
	}
}

/* One known attribute other than reply and zone: gives its present bit, 0: malformed. */
static uint64_t unpack_attr(const struct attr *a, struct cts_flow_store *store)
{
	const struct unpack_row *row = &unpack_rows[a->type];
	bool ok = row->width ? unpack_number(a, &store->flow, row) : unpack_other(a, store);

	return ok ? row->present : 0;
}

static bool unpack_attrs(struct reader *r, struct cts_flow_store *store, uint16_t zone,
			 unsigned int *unknown)
{
	struct cts_flow *f = &store->flow;
	bool orig_only = false, no_reply = false, differs = false;
	uint16_t reply_zone = 0;
	unsigned int last = 0;
	struct attr a;

	while (r->at < r->end) {
		bool ok = true;
		uint64_t bit = 0;

		if (!get_attr(r, &a) || a.type <= last)
			return false;
		last = a.type;
		switch (a.type) {
		case PACK_REPLY_SRC:
			differs = ok = get_end(&a, f->reply.family, &f->reply.src, &f->reply.sport);
			break;
		case PACK_REPLY_DST:
			differs = ok = get_end(&a, f->reply.family, &f->reply.dst, &f->reply.dport);
			break;
		case PACK_REPLY_ICMP:
			differs = ok = get_reply_icmp(&a, &f->reply);
			break;
		case PACK_NO_REPLY:
			no_reply = ok = !a.len && !differs;
			break;
		case PACK_ZONE_ORIG_ONLY:
			orig_only = ok = !a.len;
			break;
		case PACK_ZONE_REPLY:
			ok = get_u16(&a, &reply_zone) && reply_zone;
			break;
		case PACK_VERSION:
			ok = version_is_sound(&a);
			break;
		default:
			if (a.type >= PACK_KNOWN) {
				if (unknown)
					++*unknown;
				break;
			}
			bit = unpack_attr(&a, store);
			ok = bit;
			break;
		}
		if (!ok)
			return false;
		f->present |= bit;
	}
	if (!no_reply)
		f->present |= CTS_FLOW_BIT(CTS_FLOW_REPLY);
	return reply_is_sound(&f->reply) && unpack_zone_kind(f, zone, orig_only, reply_zone);
}

int cts_flow_unpack(const uint8_t *buf, size_t len, struct cts_flow_store *store,
		    unsigned int *unknown)
{
	struct reader r = { .at = buf, .end = buf + len };
	struct cts_flow *f = &store->flow;
	uint16_t zone;

	f->present = 0;
	if (get_key(&r, &f->orig, &zone)) {
		f->present = CTS_FLOW_BIT(CTS_FLOW_ORIG);
		cts_tuple_invert(&f->orig, &f->reply);
		if (unpack_attrs(&r, store, zone, unknown))
			return 0;
	}
	f->present = 0;
	errno = EBADMSG;
	return -1;
}
