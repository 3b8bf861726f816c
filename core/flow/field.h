/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fields of a flow as one table: what each is called, where it stands, how its
 * value reads, and what the kernel can compare for a dump. Matching, push-down, hash
 * classes, groups and the words that a shell completes all follow from it.
 */
#ifndef CTS_FLOW_FIELD_H
#define CTS_FLOW_FIELD_H

#include <ctsync/flow.h>
#include <ctsync/line.h>

enum cts_field_id {
	CTS_FIELD_FAMILY,
	CTS_FIELD_PROTO,
	CTS_FIELD_SRC,
	CTS_FIELD_DST,
	CTS_FIELD_SPORT,
	CTS_FIELD_DPORT,
	CTS_FIELD_REPLY_SRC,
	CTS_FIELD_REPLY_DST,
	CTS_FIELD_REPLY_SPORT,
	CTS_FIELD_REPLY_DPORT,
	CTS_FIELD_ICMP_TYPE,
	CTS_FIELD_ICMP_CODE,
	CTS_FIELD_ICMP_ID,
	CTS_FIELD_STATE,
	CTS_FIELD_STATUS,
	CTS_FIELD_MARK,
	CTS_FIELD_SECMARK,
	CTS_FIELD_ZONE,
	CTS_FIELD_ZONE_ORIG,
	CTS_FIELD_ZONE_REPLY,
	CTS_FIELD_LABEL,
	CTS_FIELD_HELPER,
	CTS_FIELD_TIMEOUT,
	CTS_FIELD_ID,
	CTS_FIELD_VTAG_ORIG,
	CTS_FIELD_VTAG_REPLY,
	CTS_FIELD_MAX
};

enum cts_field_type {
	CTS_FIELD_TYPE_NUMBER, /* host order */
	CTS_FIELD_TYPE_BE16,   /* ports, keys, ICMP ids: network order in the flow */
	CTS_FIELD_TYPE_ADDR,
	CTS_FIELD_TYPE_FAMILY,
	CTS_FIELD_TYPE_PROTO,
	CTS_FIELD_TYPE_STATE, /* TCP's, SCTP's or DCCP's */
	CTS_FIELD_TYPE_STATUS,
	CTS_FIELD_TYPE_LABEL, /* 128 bits */
	CTS_FIELD_TYPE_TEXT,  /* 15 bytes at most */
};

/* How a dump's request can ask for it. */
enum cts_field_push {
	CTS_FIELD_PUSH_NONE,
	CTS_FIELD_PUSH_FAMILY,
	CTS_FIELD_PUSH_TUPLE,
	CTS_FIELD_PUSH_MARK,
	CTS_FIELD_PUSH_STATUS,
	CTS_FIELD_PUSH_ZONE,
};

/* What a flow without the attribute counts as. */
enum cts_field_absent { CTS_FIELD_ABSENT_ZERO, CTS_FIELD_ABSENT_NEVER };

struct cts_field {
	const char *name; /* on the command line */
	const char *json; /* path in doc/JSON.md's object */
	enum cts_field_type type;
	uint16_t offset; /* in struct cts_flow */
	uint8_t width;   /* bytes there */
	uint8_t attr;    /* enum cts_flow_attr that it belongs to */
	enum cts_field_absent absent;
	enum cts_field_push push;
	bool hashed; /* selections can be found by it */
};
extern const struct cts_field cts_fields[CTS_FIELD_MAX];

/*
 * A value of any field, in 24 bytes without padding: equal values have equal bytes, so
 * that they can be hashed and compared whole. Numbers are in host order (bits.word[0]);
 * addresses as in the tuple, in bits.addr; text and labels in bits.bytes.
 */
struct cts_field_value {
	union {
		uint64_t word[2];
		uint32_t label[4];
		union cts_addr addr;
		uint8_t bytes[16];
		char text[16];
	} bits;
	uint8_t kind;        /* addresses: the family; states: the protocol; else 0 */
	uint8_t present;     /* 1: the flow has it; 0: all other bytes are 0 */
	uint8_t reserved[6]; /* 0 */
};
static_assert(sizeof(struct cts_field_value) == 24, "a value has no padding");

/* By its whole name, which has len bytes. NULL: no such field. */
const struct cts_field *cts_field_find(const char *name, size_t len);

/* Read it. Returns whether the flow has it; ports only where the protocol has ports or
 * keys, ICMP's fields only of ICMP. */
bool cts_field_read(const struct cts_field *field, const struct cts_flow *flow,
		    struct cts_field_value *value);

/* As people read it, `-` for what is absent. labels: names of label bits, or NULL. */
void cts_field_put(struct cts_line *l, const struct cts_field *field,
		   const struct cts_field_value *value, const struct cts_labelmap *labels);

/* The bits of a field under a mask: what a selection asks of it. */
struct cts_condition {
	const struct cts_field *field;
	uint64_t want[2], mask[2]; /* as cts_field_value.bits.word; want lies within mask */
};

/* The field has to equal value in the bits of mask; NULL: in all of them. */
void cts_condition_set(struct cts_condition *c, const struct cts_field *field,
		       const struct cts_field_value *value, const struct cts_field_value *mask);

static inline bool cts_condition_holds(const struct cts_condition *c, const struct cts_flow *flow)
{
	struct cts_field_value v;

	if (!cts_field_read(c->field, flow, &v) && c->field->absent == CTS_FIELD_ABSENT_NEVER)
		return false;
	return !(((v.bits.word[0] ^ c->want[0]) & c->mask[0]) |
		 ((v.bits.word[1] ^ c->want[1]) & c->mask[1]));
}

/* Does it fix every bit of its field? */
bool cts_condition_is_exact(const struct cts_condition *c);

#endif
