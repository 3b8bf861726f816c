/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of fields, reading them and writing them. */
#include "config.h"

#include <netinet/in.h>
#include <string.h>

#include <ctsync/labelmap.h>
#include <ctsync/text.h>

#include "core/flow/field.h"
#include "core/flow/tuple.h"

#define AT(member) \
	.offset = offsetof(struct cts_flow, member), .width = sizeof(((struct cts_flow *)0)->member)
#define OF_TUPLE(dir, member, kind) \
	AT(member), .attr = dir, .type = kind, .push = CTS_FIELD_PUSH_TUPLE, .hashed = true
#define OF_ORIG(member, kind) OF_TUPLE(CTS_FLOW_ORIG, orig.member, kind)
#define OF_REPLY(member, kind) OF_TUPLE(CTS_FLOW_REPLY, reply.member, kind)

const struct cts_field cts_fields[CTS_FIELD_MAX] = {
	[CTS_FIELD_FAMILY] = { "family", "family", AT(orig.family), .attr = CTS_FLOW_ORIG,
			       .type = CTS_FIELD_TYPE_FAMILY, .push = CTS_FIELD_PUSH_FAMILY,
			       .hashed = true },
	[CTS_FIELD_PROTO] = { "proto", "protocol", OF_ORIG(proto, CTS_FIELD_TYPE_PROTO) },
	[CTS_FIELD_SRC] = { "src", "orig.src", OF_ORIG(src, CTS_FIELD_TYPE_ADDR) },
	[CTS_FIELD_DST] = { "dst", "orig.dst", OF_ORIG(dst, CTS_FIELD_TYPE_ADDR) },
	[CTS_FIELD_SPORT] = { "sport", "orig.sport", OF_ORIG(sport, CTS_FIELD_TYPE_BE16) },
	[CTS_FIELD_DPORT] = { "dport", "orig.dport", OF_ORIG(dport, CTS_FIELD_TYPE_BE16) },
	[CTS_FIELD_REPLY_SRC] = { "reply-src", "reply.src", OF_REPLY(src, CTS_FIELD_TYPE_ADDR) },
	[CTS_FIELD_REPLY_DST] = { "reply-dst", "reply.dst", OF_REPLY(dst, CTS_FIELD_TYPE_ADDR) },
	[CTS_FIELD_REPLY_SPORT] = { "reply-sport", "reply.sport",
				    OF_REPLY(sport, CTS_FIELD_TYPE_BE16) },
	[CTS_FIELD_REPLY_DPORT] = { "reply-dport", "reply.dport",
				    OF_REPLY(dport, CTS_FIELD_TYPE_BE16) },
	[CTS_FIELD_ICMP_TYPE] = { "icmp-type", "orig.type",
				  OF_ORIG(icmp_type, CTS_FIELD_TYPE_NUMBER) },
	[CTS_FIELD_ICMP_CODE] = { "icmp-code", "orig.code",
				  OF_ORIG(icmp_code, CTS_FIELD_TYPE_NUMBER) },
	[CTS_FIELD_ICMP_ID] = { "icmp-id", "orig.id", OF_ORIG(sport, CTS_FIELD_TYPE_BE16) },
	[CTS_FIELD_STATE] = { "state", "state", AT(tcp_state), .attr = CTS_FLOW_TCP_STATE,
			      .type = CTS_FIELD_TYPE_STATE, .absent = CTS_FIELD_ABSENT_NEVER },
	[CTS_FIELD_STATUS] = { "status", "status", AT(status), .attr = CTS_FLOW_STATUS,
			       .type = CTS_FIELD_TYPE_STATUS, .push = CTS_FIELD_PUSH_STATUS },
	[CTS_FIELD_MARK] = { "mark", "mark", AT(mark), .attr = CTS_FLOW_MARK,
			     .push = CTS_FIELD_PUSH_MARK, .hashed = true },
	[CTS_FIELD_SECMARK] = { "secmark", "secmark", AT(secmark), .attr = CTS_FLOW_SECMARK },
	[CTS_FIELD_ZONE] = { "zone", "zone", AT(zone), .attr = CTS_FLOW_ZONE,
			     .push = CTS_FIELD_PUSH_ZONE, .hashed = true },
	[CTS_FIELD_ZONE_ORIG] = { "orig-zone", "orig.zone", AT(zone_dir[CTS_DIR_ORIG]),
				  .attr = CTS_FLOW_ZONE_ORIG, .hashed = true },
	[CTS_FIELD_ZONE_REPLY] = { "reply-zone", "reply.zone", AT(zone_dir[CTS_DIR_REPLY]),
				   .attr = CTS_FLOW_ZONE_REPLY, .hashed = true },
	[CTS_FIELD_LABEL] = { "label", "labels", AT(labels), .attr = CTS_FLOW_LABELS,
			      .type = CTS_FIELD_TYPE_LABEL, .absent = CTS_FIELD_ABSENT_NEVER },
	[CTS_FIELD_HELPER] = { "helper", "helper", AT(helper), .attr = CTS_FLOW_HELPER,
			       .type = CTS_FIELD_TYPE_TEXT, .absent = CTS_FIELD_ABSENT_NEVER },
	[CTS_FIELD_TIMEOUT] = { "timeout", "timeout", AT(timeout), .attr = CTS_FLOW_TIMEOUT,
				.absent = CTS_FIELD_ABSENT_NEVER },
	[CTS_FIELD_ID] = { "id", "id", AT(id), .attr = CTS_FLOW_ID,
			   .absent = CTS_FIELD_ABSENT_NEVER, .hashed = true },
	[CTS_FIELD_VTAG_ORIG] = { "orig-vtag", "sctp.vtag", AT(sctp_vtag[CTS_DIR_ORIG]),
				  .attr = CTS_FLOW_SCTP_VTAG, .absent = CTS_FIELD_ABSENT_NEVER },
	[CTS_FIELD_VTAG_REPLY] = { "reply-vtag", "sctp.vtag", AT(sctp_vtag[CTS_DIR_REPLY]),
				   .attr = CTS_FLOW_SCTP_VTAG, .absent = CTS_FIELD_ABSENT_NEVER },
};

const struct cts_field *cts_field_find(const char *name, size_t len)
{
	for (const struct cts_field *f = cts_fields; f < cts_fields + CTS_FIELD_MAX; f++)
		if (strlen(f->name) == len && memcmp(f->name, name, len) == 0)
			return f;
	return NULL;
}

/* -- reading -- */

static bool read_number(const struct cts_field *field, const void *at, uint64_t *number)
{
	uint16_t u16;
	uint32_t u32;

	switch (field->width) {
	case sizeof(uint8_t):
		*number = *(const uint8_t *)at;
		break;
	case sizeof(uint16_t):
		memcpy(&u16, at, sizeof(u16));
		*number = u16;
		break;
	default:
		memcpy(&u32, at, sizeof(u32));
		*number = u32;
		break;
	}
	return true;
}

/* Port and ICMP id share their place: which it is says the protocol. */
static bool read_layer4(const struct cts_field *field, const struct cts_tuple *t, const void *at,
			uint64_t *number)
{
	bool icmp = field >= &cts_fields[CTS_FIELD_ICMP_TYPE] &&
		    field <= &cts_fields[CTS_FIELD_ICMP_ID];

	if (cts_l4_kind(t->proto) != (icmp ? CTS_L4_ICMP : CTS_L4_PORTS))
		return false;
	read_number(field, at, number);
	if (field->type == CTS_FIELD_TYPE_BE16)
		*number = ntohs((uint16_t)*number);
	return true;
}

static bool read_state(const struct cts_flow *f, struct cts_field_value *v)
{
	if (cts_flow_has(f, CTS_FLOW_TCP_STATE)) {
		v->bits.word[0] = f->tcp_state;
		v->kind = IPPROTO_TCP;
	} else if (cts_flow_has(f, CTS_FLOW_SCTP_STATE)) {
		v->bits.word[0] = f->sctp_state;
		v->kind = IPPROTO_SCTP;
	} else if (cts_flow_has(f, CTS_FLOW_DCCP_STATE)) {
		v->bits.word[0] = f->dccp_state;
		v->kind = IPPROTO_DCCP;
	}
	return v->kind;
}

/* Kernels have 16 bytes at most; what else may come is cut. */
static bool read_bytes(struct cts_field_value *v, const void *from, size_t len, size_t max)
{
	memcpy(v->bits.bytes, from, len < max ? len : max);
	return true;
}

static bool read_value(const struct cts_field *field, const struct cts_flow *f,
		       struct cts_field_value *v)
{
	const void *at = (const char *)f + field->offset;
	const struct cts_tuple *t = field->attr == CTS_FLOW_REPLY ? &f->reply : &f->orig;

	switch (field->type) {
	case CTS_FIELD_TYPE_ADDR:
		memcpy(&v->bits.addr, at, sizeof(v->bits.addr));
		v->kind = t->family;
		return true;
	case CTS_FIELD_TYPE_LABEL:
		return read_bytes(v, f->labels, f->labels_len, sizeof(v->bits.bytes));
	case CTS_FIELD_TYPE_TEXT:
		return read_bytes(v, f->helper, f->helper_len, sizeof(v->bits.text) - 1);
	case CTS_FIELD_TYPE_BE16:
		return read_layer4(field, t, at, &v->bits.word[0]);
	case CTS_FIELD_TYPE_NUMBER:
		if (field->push == CTS_FIELD_PUSH_TUPLE)
			return read_layer4(field, t, at, &v->bits.word[0]);
		return read_number(field, at, &v->bits.word[0]);
	default:
		return read_number(field, at, &v->bits.word[0]);
	}
}

bool cts_field_read(const struct cts_field *field, const struct cts_flow *f,
		    struct cts_field_value *v)
{
	memset(v, 0, sizeof(*v));
	if (field->type == CTS_FIELD_TYPE_STATE)
		v->present = read_state(f, v);
	else if (cts_flow_has(f, field->attr))
		v->present = read_value(field, f, v);
	return v->present;
}

/* -- comparing -- */

void cts_condition_set(struct cts_condition *c, const struct cts_field *field,
		       const struct cts_field_value *value, const struct cts_field_value *mask)
{
	c->field = field;
	for (int i = 0; i < 2; i++) {
		c->mask[i] = mask ? mask->bits.word[i] : UINT64_MAX;
		c->want[i] = value->bits.word[i] & c->mask[i];
	}
}

bool cts_condition_is_exact(const struct cts_condition *c)
{
	return c->mask[0] == UINT64_MAX && c->mask[1] == UINT64_MAX;
}

/* -- writing -- */

static const char *state_name(uint8_t proto, uint8_t state)
{
	switch (proto) {
	case IPPROTO_TCP:
		return cts_tcp_state_name(state);
	case IPPROTO_SCTP:
		return cts_sctp_state_name(state);
	default:
		return cts_dccp_state_name(state);
	}
}

/* A name, or the number that has none. */
static void put_name(struct cts_line *l, const char *name, uint64_t number)
{
	if (name)
		cts_line_str(l, name);
	else
		cts_line_number(l, number);
}

static void put_bit(struct cts_line *l, bool *first, const char *name, unsigned int bit)
{
	if (!*first)
		cts_line_put(l, ",");
	*first = false;
	put_name(l, name, bit);
}

static void put_status(struct cts_line *l, uint32_t status)
{
	bool first = true;

	for (unsigned int bit = 0; bit < 32; bit++)
		if (status >> bit & 1)
			put_bit(l, &first, cts_status_name(bit), bit);
	if (first)
		cts_line_put(l, "NONE");
}

static void put_labels(struct cts_line *l, const uint32_t *words, const struct cts_labelmap *map)
{
	bool first = true;

	for (unsigned int bit = 0; bit < 128; bit++)
		if (words[bit / 32] >> bit % 32 & 1)
			put_bit(l, &first, map ? cts_labelmap_name(map, bit) : NULL, bit);
	if (first)
		cts_line_put(l, "-");
}

static const char *proto_name(uint8_t proto)
{
	const char *name = cts_proto_name(proto);

	return strcmp(name, "unknown") ? name : NULL;
}

void cts_field_put(struct cts_line *l, const struct cts_field *field,
		   const struct cts_field_value *v, const struct cts_labelmap *labels)
{
	uint64_t number = v->bits.word[0];

	if (!v->present) {
		cts_line_put(l, "-");
		return;
	}
	switch (field->type) {
	case CTS_FIELD_TYPE_ADDR:
		cts_line_addr(l, v->kind, &v->bits.addr);
		break;
	case CTS_FIELD_TYPE_FAMILY:
		put_name(l,
			 number == AF_INET    ? "ipv4"
			 : number == AF_INET6 ? "ipv6"
					      : NULL,
			 number);
		break;
	case CTS_FIELD_TYPE_PROTO:
		put_name(l, proto_name((uint8_t)number), number);
		break;
	case CTS_FIELD_TYPE_STATE:
		put_name(l, state_name(v->kind, (uint8_t)number), number);
		break;
	case CTS_FIELD_TYPE_STATUS:
		put_status(l, (uint32_t)number);
		break;
	case CTS_FIELD_TYPE_LABEL:
		put_labels(l, v->bits.label, labels);
		break;
	case CTS_FIELD_TYPE_TEXT:
		cts_line_str(l, v->bits.text);
		break;
	default:
		cts_line_number(l, number);
		break;
	}
}
