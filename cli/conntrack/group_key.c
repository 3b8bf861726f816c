/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keys of groups: the values of the fields one behind the other, as the table of fields
 * reads them. Numbers are turned into network order, so that keys sort as people expect.
 */
#include "config.h"

#include <endian.h>
#include <string.h>

#include <ctsync/text.h>

#include "cli/conntrack/group_key.h"
#include "cli/conntrack/groups.h"

#define PREFIX_HOST_V4 32u
#define PREFIX_HOST_V6 128u
#define PREFIX_SITE_V6 64u       /* what one host of IPv6 may call its own */

static_assert(GROUP_FIELDS_MAX * sizeof(struct cts_field_value) <= GROUP_KEY_MAX,
	      "a key fits");

/* The names of all that may be grouped by. */
static void put_field_names(struct cts_line *l)
{
	for (const struct cts_field *f = cts_fields; f < cts_fields + CTS_FIELD_MAX; f++) {
		if (f > cts_fields)
			cts_line_put(l, ", ");
		cts_line_str(l, f->name);
	}
	cts_line_put(l, "; addresses as networks: src/24, src/24/56");
}

/* -- the words of --by -- */

struct by_words {
	struct group_by *by;
	const struct place *at;
	const char *option;
};

static void no_such_field(const struct by_words *w, const char *word, size_t len)
	__attribute__((noreturn));
static void no_such_field(const struct by_words *w, const char *word, size_t len)
{
	char names[1024];
	struct cts_line l = { .at = names, .end = names + sizeof(names) };

	put_field_names(&l);
	die_at(w->at, EXIT_PARAMETER, "`%.*s' is no field for `--%s': there are %.*s", (int)len, word,
	       w->option, (int)(l.at - names), names);
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
	const struct cts_field *f = cts_field_find(word, slash ? (size_t)(slash - word) : len);
	uint8_t prefix[2] = { PREFIX_HOST_V4, PREFIX_HOST_V6 };

	if (!f || len >= sizeof(by->field[0].name))
		no_such_field(w, word, len);
	if (slash && (f->type != CTS_FIELD_TYPE_ADDR || !prefixes_read(slash + 1, word + len, prefix)))
		die_at(w->at, EXIT_PARAMETER, "bad network `%.*s' for `--%s': an address and the "
		       "bits of it that count, as in src/24, src/64 (IPv6), src/24/56 (both)",
		       (int)len, word, w->option);
	for (unsigned int i = 0; i < by->n; i++)
		if (strlen(by->field[i].name) == len && memcmp(by->field[i].name, word, len) == 0)
			die_at(w->at, EXIT_PARAMETER, "`%.*s' stands twice in `--%s'", (int)len,
			       word, w->option);
	if (by->n == GROUP_FIELDS_MAX)
		die_at(w->at, EXIT_PARAMETER, "more than %u fields for `--%s'", GROUP_FIELDS_MAX,
		       w->option);
	by->field[by->n].field = f;
	memcpy(by->field[by->n].name, word, len);
	by->field[by->n].name[len] = '\0';
	memcpy(by->field[by->n].prefix, prefix, sizeof(prefix));
	by->field[by->n++].network = slash != NULL;
}

void group_by_parse(struct group_by *by, const struct place *at, const char *text,
		    const char *option)
{
	struct by_words w = { by, at, option };

	memset(by, 0, sizeof(*by));
	each_word(at, text, by_word, &w);
}

bool group_by_labels(const struct group_by *by)
{
	for (unsigned int i = 0; i < by->n; i++)
		if (by->field[i].field->type == CTS_FIELD_TYPE_LABEL)
			return true;
	return false;
}

/* -- from a flow -- */

static bool is_number(const struct cts_field *f)
{
	return f->type != CTS_FIELD_TYPE_ADDR && f->type != CTS_FIELD_TYPE_LABEL &&
	       f->type != CTS_FIELD_TYPE_TEXT;
}

static void to_network(struct cts_field_value *v, const uint8_t prefix[2])
{
	unsigned int bits = prefix[v->kind == AF_INET6], whole = bits / 8;

	if (whole >= sizeof(v->bits.addr))
		return;
	v->bits.bytes[whole] &= (uint8_t)(0xff00u >> bits % 8);
	memset(v->bits.bytes + whole + 1, 0, sizeof(v->bits.addr) - whole - 1);
}

/* The kernel leaves out a mark, a zone of 0; ports are absent because there are none. */
static bool counts_as_zero(const struct cts_field *f)
{
	return f->absent == CTS_FIELD_ABSENT_ZERO && f->push != CTS_FIELD_PUSH_TUPLE;
}

size_t group_key(const struct group_by *by, const struct cts_flow *f, uint8_t *key)
{
	for (unsigned int i = 0; i < by->n; i++) {
		const struct cts_field *field = by->field[i].field;
		struct cts_field_value v;

		if (!cts_field_read(field, f, &v))
			v.present = counts_as_zero(field);
		if (field->type == CTS_FIELD_TYPE_ADDR)
			to_network(&v, by->field[i].prefix);
		else if (is_number(field))
			v.bits.word[0] = htobe64(v.bits.word[0]);
		memcpy(key + i * sizeof(v), &v, sizeof(v));
	}
	return by->n * sizeof(struct cts_field_value);
}

/* -- to text -- */

static void put_quoted(struct cts_line *l, enum group_form form, const char *text, size_t len)
{
	if (form == GROUP_JSON) {
		cts_line_json(l, text, len);
		return;
	}
	if (form == GROUP_TEXT || !len || (!memchr(text, ',', len) && !memchr(text, '"', len))) {
		cts_line_text(l, text, len);
		return;
	}
	cts_line_put(l, "\"");                       /* RFC 4180 */
	for (; len; text++, len--)
		cts_line_text(l, *text == '"' ? "\"\"" : text, *text == '"' ? 2 : 1);
	cts_line_put(l, "\"");
}

static bool bit_is_set(const struct cts_field *f, const struct cts_field_value *v, unsigned int bit)
{
	if (f->type == CTS_FIELD_TYPE_STATUS)
		return bit < 32 && v->bits.word[0] >> bit & 1;
	return v->bits.label[bit / 32] >> bit % 32 & 1;
}

/* An array of names; a bit without a name is its number. */
static void put_bits(struct cts_line *l, const struct cts_field *f, const struct cts_field_value *v,
		     const struct cts_labelmap *labels)
{
	bool first = true;

	cts_line_put(l, "[");
	for (unsigned int bit = 0; bit < sizeof(v->bits.label) * 8; bit++) {
		const char *name = f->type == CTS_FIELD_TYPE_STATUS ? cts_status_name(bit) :
				   labels ? cts_labelmap_name(labels, bit) : NULL;

		if (!bit_is_set(f, v, bit))
			continue;
		if (!first)
			cts_line_put(l, ",");
		first = false;
		if (name && *name)
			cts_line_json(l, name, strlen(name));
		else
			cts_line_number(l, bit);
	}
	cts_line_put(l, "]");
}

static bool is_bits(const struct cts_field *f)
{
	return f->type == CTS_FIELD_TYPE_STATUS || f->type == CTS_FIELD_TYPE_LABEL;
}

static void put_json(struct cts_line *l, const struct cts_field *f,
		     const struct cts_field_value *v, const struct cts_labelmap *labels,
		     const char *text, size_t len)
{
	if (is_bits(f))
		put_bits(l, f, v, labels);
	else if (!v->present)
		cts_line_put(l, "null");
	else if (f->type == CTS_FIELD_TYPE_NUMBER || f->type == CTS_FIELD_TYPE_BE16)
		cts_line_text(l, text, len);
	else
		cts_line_json(l, text, len);
}

/* Nothing at all: an empty field is what programs expect. */
static bool is_empty(const struct cts_field *f, const struct cts_field_value *v)
{
	return !v->present || (is_bits(f) && !(v->bits.word[0] | v->bits.word[1]));
}

void group_key_value(const struct group_by *by, unsigned int i, const uint8_t *key,
		     enum group_form form, const struct cts_labelmap *labels,
		     struct cts_line *l)
{
	const struct cts_field *f = by->field[i].field;
	char text[GROUP_VALUE_MAX];
	struct cts_line value = { .at = text, .end = text + sizeof(text) };
	struct cts_field_value v;

	memcpy(&v, key + i * sizeof(v), sizeof(v));
	if (is_number(f))
		v.bits.word[0] = be64toh(v.bits.word[0]);
	cts_field_put(&value, f, &v, labels);
	if (by->field[i].network && v.present) {
		cts_line_put(&value, "/");
		cts_line_number(&value, by->field[i].prefix[v.kind == AF_INET6]);
	}
	if (form == GROUP_JSON)
		put_json(l, f, &v, labels, text, (size_t)(value.at - text));
	else if (!is_empty(f, &v) || form == GROUP_TEXT)
		put_quoted(l, form, text, (size_t)(value.at - text));
	l->full |= value.full;
}
