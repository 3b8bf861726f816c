/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keys of groups. Each kind of value says its own length, so that different flows
 * never make the same bytes, and numbers are in network order, so that keys sort as
 * people expect.
 */
#include "config.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/conntrack/group_key.h"
#include "cli/conntrack/groups.h"
#include "core/flow/tuple.h"

enum kind {
	KIND_ADDR, KIND_PORT, KIND_PROTO, KIND_STATE, KIND_ZONE, KIND_MARK, KIND_LABEL,
	KIND_HELPER, KIND_STATUS, KIND_FAMILY,
};

struct group_field {
	const char *name;
	enum kind kind;
	uint16_t tuple, member;      /* KIND_ADDR, KIND_PORT: where it stands in a flow */
};

#define ORIG offsetof(struct cts_flow, orig)
#define REPLY offsetof(struct cts_flow, reply)
#define MEMBER(name) offsetof(struct cts_tuple, name)

static const struct group_field fields[] = {
	{ "src", KIND_ADDR, ORIG, MEMBER(src) },
	{ "dst", KIND_ADDR, ORIG, MEMBER(dst) },
	{ "sport", KIND_PORT, ORIG, MEMBER(sport) },
	{ "dport", KIND_PORT, ORIG, MEMBER(dport) },
	{ "reply-src", KIND_ADDR, REPLY, MEMBER(src) },
	{ "reply-dst", KIND_ADDR, REPLY, MEMBER(dst) },
	{ "reply-sport", KIND_PORT, REPLY, MEMBER(sport) },
	{ "reply-dport", KIND_PORT, REPLY, MEMBER(dport) },
	{ "proto", KIND_PROTO, 0, 0 },
	{ "state", KIND_STATE, 0, 0 },
	{ "zone", KIND_ZONE, 0, 0 },
	{ "mark", KIND_MARK, 0, 0 },
	{ "label", KIND_LABEL, 0, 0 },
	{ "helper", KIND_HELPER, 0, 0 },
	{ "status", KIND_STATUS, 0, 0 },
	{ "family", KIND_FAMILY, 0, 0 },
};
#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

#define PREFIX_HOST_V4 32u
#define PREFIX_HOST_V6 128u
#define PREFIX_SITE_V6 64u       /* what one host of IPv6 may call its own */

const char *group_field_names(void)
{
	return "src, dst, sport, dport, reply-src, reply-dst, reply-sport, reply-dport, proto, "
	       "state, zone, mark, label, helper, status, family; of addresses networks too: "
	       "src/24, src/24/56";
}

/* -- the words of --by -- */

struct by_words {
	struct group_by *by;
	const struct place *at;
};

static const struct group_field *field_find(const char *name, size_t len)
{
	for (size_t i = 0; i < N_FIELDS; i++)
		if (strlen(fields[i].name) == len && memcmp(fields[i].name, name, len) == 0)
			return &fields[i];
	return NULL;
}

static bool prefix_read(const char **text, const char *end, unsigned int max, uint8_t *prefix)
{
	unsigned int value = 0;
	const char *p = *text;

	while (p < end && *p >= '0' && *p <= '9' && p - *text < 3)
		value = value * 10 + (unsigned int)(*p++ - '0');
	if (p == *text || value > max)
		return false;
	*prefix = (uint8_t)value;
	*text = p;
	return true;
}

/* LEN of either family, or LEN of IPv4 / LEN of IPv6. */
static bool prefixes_read(const char *text, const char *end, uint8_t prefix[2])
{
	if (!prefix_read(&text, end, PREFIX_HOST_V6, &prefix[0]))
		return false;
	if (text == end && prefix[0] > PREFIX_HOST_V4) {
		prefix[1] = prefix[0];
		prefix[0] = PREFIX_HOST_V4;
		return true;
	}
	prefix[1] = PREFIX_SITE_V6;
	if (text == end)
		return true;
	return prefix[0] <= PREFIX_HOST_V4 && *text++ == '/' &&
	       prefix_read(&text, end, PREFIX_HOST_V6, &prefix[1]) && text == end;
}

static void by_word(void *ctx, const char *word, size_t len)
{
	const struct by_words *w = ctx;
	struct group_by *by = w->by;
	const char *slash = memchr(word, '/', len);
	const struct group_field *f = field_find(word, slash ? (size_t)(slash - word) : len);
	uint8_t prefix[2] = { PREFIX_HOST_V4, PREFIX_HOST_V6 };

	if (!f || len >= sizeof(by->field[0].name))
		die_at(w->at, EXIT_PARAMETER, "`%.*s' is no field for `--by': there are %s",
		       (int)len, word, group_field_names());
	if (slash && (f->kind != KIND_ADDR || !prefixes_read(slash + 1, word + len, prefix)))
		die_at(w->at, EXIT_PARAMETER, "bad network `%.*s' for `--by': an address and the "
		       "bits of it that count, as in src/24, src/64 (IPv6), src/24/56 (both)",
		       (int)len, word);
	for (unsigned int i = 0; i < by->n; i++)
		if (strlen(by->field[i].name) == len && memcmp(by->field[i].name, word, len) == 0)
			die_at(w->at, EXIT_PARAMETER, "`%.*s' stands twice in `--by'", (int)len,
			       word);
	if (by->n == GROUP_FIELDS_MAX)
		die_at(w->at, EXIT_PARAMETER, "more than %u fields for `--by'", GROUP_FIELDS_MAX);
	by->field[by->n].field = f;
	memcpy(by->field[by->n].name, word, len);
	by->field[by->n].name[len] = '\0';
	memcpy(by->field[by->n].prefix, prefix, sizeof(prefix));
	by->field[by->n++].network = slash != NULL;
}

void group_by_parse(struct group_by *by, const struct place *at, const char *text)
{
	struct by_words w = { by, at };

	memset(by, 0, sizeof(*by));
	each_word(at, text, by_word, &w);
}

bool group_by_labels(const struct group_by *by)
{
	for (unsigned int i = 0; i < by->n; i++)
		if (by->field[i].field->kind == KIND_LABEL)
			return true;
	return false;
}

/* -- from a flow -- */

static uint8_t *put_addr(uint8_t *at, const struct cts_tuple *t, const union cts_addr *addr,
			 const uint8_t prefix[2])
{
	bool v6 = t->family == AF_INET6;
	unsigned int bits = prefix[v6], whole = bits / 8;
	size_t len = cts_addr_len(t->family);

	*at++ = t->family;
	if (!t->family)
		return at;
	memcpy(at, addr->bytes, len);
	if (whole < len) {
		at[whole] &= (uint8_t)(0xff00u >> bits % 8);
		memset(at + whole + 1, 0, len - whole - 1);
	}
	return at + len;
}

static bool has_ports(uint8_t proto)
{
	return cts_l4_kind(proto) == CTS_L4_PORTS && proto != IPPROTO_GRE;
}

static uint8_t *put_port(uint8_t *at, const struct cts_tuple *t, const uint16_t *port)
{
	*at++ = has_ports(t->proto);
	if (!at[-1])
		return at;
	memcpy(at, port, sizeof(*port));
	return at + sizeof(*port);
}

static uint8_t *put_state(uint8_t *at, const struct cts_flow *f)
{
	at[0] = at[1] = 0;
	if (cts_flow_has(f, CTS_FLOW_TCP_STATE)) {
		at[0] = IPPROTO_TCP;
		at[1] = f->tcp_state;
	} else if (cts_flow_has(f, CTS_FLOW_SCTP_STATE)) {
		at[0] = IPPROTO_SCTP;
		at[1] = f->sctp_state;
	} else if (cts_flow_has(f, CTS_FLOW_DCCP_STATE)) {
		at[0] = IPPROTO_DCCP;
		at[1] = f->dccp_state;
	}
	return at + 2;
}

static uint8_t *put_u32(uint8_t *at, uint32_t value)
{
	value = htonl(value);
	memcpy(at, &value, sizeof(value));
	return at + sizeof(value);
}

static uint8_t *put_zone(uint8_t *at, uint16_t zone)
{
	zone = htons(zone);
	memcpy(at, &zone, sizeof(zone));
	return at + sizeof(zone);
}

static uint8_t *put_labels(uint8_t *at, const struct cts_flow *f)
{
	const size_t size = LABEL_WORDS * sizeof(uint32_t);

	memset(at, 0, size);
	if (cts_flow_has(f, CTS_FLOW_LABELS))
		memcpy(at, f->labels, f->labels_len < size ? f->labels_len : size);
	return at + size;
}

static uint8_t *put_helper(uint8_t *at, const struct cts_flow *f)
{
	size_t len = cts_flow_has(f, CTS_FLOW_HELPER) ? f->helper_len : 0;

	if (len > HELPER_NAME_MAX)
		len = HELPER_NAME_MAX;
	*at++ = (uint8_t)len;
	if (len)
		memcpy(at, f->helper, len);
	return at + len;
}

size_t group_key(const struct group_by *by, const struct cts_flow *f, uint8_t *key)
{
	uint8_t *at = key;

	for (unsigned int i = 0; i < by->n; i++) {
		const struct group_field *field = by->field[i].field;
		const struct cts_tuple *t =
			(const struct cts_tuple *)((const char *)f + field->tuple);
		const void *member = (const char *)t + field->member;

		switch (field->kind) {
		case KIND_ADDR:
			at = put_addr(at, t, member, by->field[i].prefix);
			break;
		case KIND_PORT:
			at = put_port(at, t, member);
			break;
		case KIND_PROTO:
			*at++ = f->orig.proto;
			break;
		case KIND_STATE:
			at = put_state(at, f);
			break;
		case KIND_ZONE:
			at = put_zone(at, cts_flow_key_zone(f));
			break;
		case KIND_MARK:
			at = put_u32(at, cts_flow_has(f, CTS_FLOW_MARK) ? f->mark : 0);
			break;
		case KIND_LABEL:
			at = put_labels(at, f);
			break;
		case KIND_HELPER:
			at = put_helper(at, f);
			break;
		case KIND_STATUS:
			at = put_u32(at, cts_flow_has(f, CTS_FLOW_STATUS) ? f->status : 0);
			break;
		case KIND_FAMILY:
			*at++ = f->orig.family;
			break;
		}
	}
	return (size_t)(at - key);
}

/* -- to text -- */

static void quote(struct cts_line *l, enum group_form form)
{
	if (form == GROUP_JSON)
		cts_line_put(l, "\"");
}

static void value_none(struct cts_line *l, enum group_form form)
{
	if (form != GROUP_CSV)
		cts_line_str(l, form == GROUP_JSON ? "null" : "-");
}

static void value_word(struct cts_line *l, enum group_form form, const char *word)
{
	quote(l, form);
	cts_line_str(l, word);
	quote(l, form);
}

/* Quotes for what would be taken for several fields (RFC 4180). */
static void value_text(struct cts_line *l, enum group_form form, const char *text, size_t len)
{
	if (form == GROUP_JSON) {
		cts_line_json(l, text, len);
		return;
	}
	if (form == GROUP_TEXT || (!memchr(text, ',', len) && !memchr(text, '"', len) &&
				   !memchr(text, '\n', len) && !memchr(text, '\r', len))) {
		cts_line_text(l, text, len);
		return;
	}
	cts_line_put(l, "\"");
	for (; len; text++, len--)
		cts_line_text(l, *text == '"' ? "\"\"" : text, *text == '"' ? 2 : 1);
	cts_line_put(l, "\"");
}

static const uint8_t *value_addr(struct cts_line *l, enum group_form form, const uint8_t *at,
				 bool network, const uint8_t prefix[2])
{
	uint8_t family = *at++;
	union cts_addr addr = { .v4 = 0 };
	size_t len = cts_addr_len(family);

	if (!family) {
		value_none(l, form);
		return at;
	}
	memcpy(addr.bytes, at, len);
	quote(l, form);
	cts_line_addr(l, family, &addr);
	if (network) {
		cts_line_put(l, "/");
		cts_line_number(l, prefix[family == AF_INET6]);
	}
	quote(l, form);
	return at + len;
}

static const uint8_t *value_port(struct cts_line *l, enum group_form form, const uint8_t *at)
{
	if (!*at++) {
		value_none(l, form);
		return at;
	}
	cts_line_number(l, (unsigned int)at[0] << 8 | at[1]);
	return at + 2;
}

static const uint8_t *value_proto(struct cts_line *l, enum group_form form, const uint8_t *at)
{
	const char *name = cts_proto_name(*at);

	if (strcmp(name, "unknown") != 0) {
		value_word(l, form, name);
		return at + 1;
	}
	quote(l, form);
	cts_line_number(l, *at);
	quote(l, form);
	return at + 1;
}

static const uint8_t *value_state(struct cts_line *l, enum group_form form, const uint8_t *at)
{
	const char *name = at[0] == IPPROTO_TCP ? cts_tcp_state_name(at[1]) :
			   at[0] == IPPROTO_SCTP ? cts_sctp_state_name(at[1]) :
						   cts_dccp_state_name(at[1]);

	if (at[0])
		value_word(l, form, name ? name : "NONE");
	else
		value_none(l, form);
	return at + 2;
}

static uint32_t read_u32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return ntohl(value);
}

/* Names of bits in a list; a bit without a name is its number. */
static void value_bit(struct cts_line *l, enum group_form form, const char *name,
		      unsigned int bit, bool first)
{
	if (!first)
		cts_line_put(l, ",");
	if (!name || !*name)
		cts_line_number(l, bit);
	else if (form == GROUP_JSON)
		cts_line_json(l, name, strlen(name));
	else
		cts_line_str(l, name);
}

static const char *bit_name(unsigned int bit, const struct cts_labelmap *labels, bool status)
{
	if (status)
		return cts_status_name(bit);
	return labels ? cts_labelmap_name(labels, bit) : NULL;
}

static void value_bits(struct cts_line *l, enum group_form form, const uint32_t *words,
		       unsigned int n, const struct cts_labelmap *labels, bool status)
{
	char buf[GROUP_VALUE_MAX];
	struct cts_line list = { .at = buf, .end = buf + sizeof(buf) };
	bool first = true;

	for (unsigned int bit = 0; bit < n * 32; bit++) {
		if (!(words[bit / 32] >> bit % 32 & 1))
			continue;
		value_bit(&list, form, bit_name(bit, labels, status), bit, first);
		first = false;
	}
	l->full |= list.full;
	if (form == GROUP_JSON) {
		cts_line_put(l, "[");
		cts_line_text(l, buf, (size_t)(list.at - buf));
		cts_line_put(l, "]");
	} else if (first) {
		value_none(l, form);
	} else {
		value_text(l, form, buf, (size_t)(list.at - buf));
	}
}

static const uint8_t *value_labels(struct cts_line *l, enum group_form form, const uint8_t *at,
				   const struct cts_labelmap *labels)
{
	uint32_t words[LABEL_WORDS];

	memcpy(words, at, sizeof(words));
	value_bits(l, form, words, LABEL_WORDS, labels, false);
	return at + sizeof(words);
}

static const uint8_t *value_status(struct cts_line *l, enum group_form form, const uint8_t *at)
{
	uint32_t status = read_u32(at);

	value_bits(l, form, &status, 1, NULL, true);
	return at + sizeof(status);
}

static const uint8_t *value_helper(struct cts_line *l, enum group_form form, const uint8_t *at)
{
	size_t len = *at++;

	if (len)
		value_text(l, form, (const char *)at, len);
	else
		value_none(l, form);
	return at + len;
}

void group_key_value(const struct group_by *by, unsigned int i, const uint8_t **at,
		     enum group_form form, const struct cts_labelmap *labels,
		     struct cts_line *l)
{
	const uint8_t *key = *at;

	switch (by->field[i].field->kind) {
	case KIND_ADDR:
		*at = value_addr(l, form, key, by->field[i].network, by->field[i].prefix);
		break;
	case KIND_PORT:
		*at = value_port(l, form, key);
		break;
	case KIND_PROTO:
		*at = value_proto(l, form, key);
		break;
	case KIND_STATE:
		*at = value_state(l, form, key);
		break;
	case KIND_ZONE:
		cts_line_number(l, (unsigned int)key[0] << 8 | key[1]);
		*at = key + 2;
		break;
	case KIND_MARK:
		cts_line_number(l, read_u32(key));
		*at = key + 4;
		break;
	case KIND_LABEL:
		*at = value_labels(l, form, key, labels);
		break;
	case KIND_HELPER:
		*at = value_helper(l, form, key);
		break;
	case KIND_STATUS:
		*at = value_status(l, form, key);
		break;
	case KIND_FAMILY:
		value_word(l, form, *key == AF_INET6 ? "ipv6" : "ipv4");
		*at = key + 1;
		break;
	}
}
