/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing netlink attributes into a message of limited size. */
#ifndef CTS_FLOW_BUILD_H
#define CTS_FLOW_BUILD_H

#include <endian.h>
#include <string.h>

#include <linux/netlink.h>

#include <ctsync/flow.h>

/* The message under construction. Once full, nothing is written any more. */
struct build {
	uint8_t *base;
	size_t len;
	size_t size;
	bool full;
};

static inline void *put_space(struct build *b, uint16_t type, size_t len)
{
	struct nlattr nla = { .nla_len = (uint16_t)(NLA_HDRLEN + len), .nla_type = type };
	size_t step = NLA_ALIGN(NLA_HDRLEN + len);
	uint8_t *at = b->base + b->len;

	if (b->full || len > UINT16_MAX - NLA_HDRLEN || b->size - b->len < step) {
		b->full = true;
		return NULL;
	}
	memset(at + step - NLA_ALIGNTO, 0, NLA_ALIGNTO); /* padding, then what covers it */
	memcpy(at, &nla, sizeof(nla));
	b->len += step;
	return at + NLA_HDRLEN;
}

static inline void put(struct build *b, uint16_t type, const void *data, size_t len)
{
	void *at = put_space(b, type, len);

	if (at && len)
		memcpy(at, data, len);
}

static inline void put_u8(struct build *b, uint16_t type, uint8_t v)
{
	put(b, type, &v, sizeof(v));
}

static inline void put_u16(struct build *b, uint16_t type, uint16_t v)
{
	v = htobe16(v);
	put(b, type, &v, sizeof(v));
}

static inline void put_u32(struct build *b, uint16_t type, uint32_t v)
{
	v = htobe32(v);
	put(b, type, &v, sizeof(v));
}

static inline void put_u64(struct build *b, uint16_t type, uint64_t v)
{
	v = htobe64(v);
	put(b, type, &v, sizeof(v));
}

/* A length of 0: what str points to may lack; always written with its NUL. */
static inline void put_string(struct build *b, uint16_t type, const char *str, size_t len)
{
	char *at = put_space(b, type, len + 1);

	if (!at)
		return;
	if (len)
		memcpy(at, str, len);
	at[len] = '\0';
}

static inline size_t nest_open(struct build *b, uint16_t type)
{
	size_t at = b->len;

	put_space(b, type | NLA_F_NESTED, 0);
	return at;
}

static inline void nest_close(struct build *b, size_t at)
{
	uint16_t len = (uint16_t)(b->len - at);

	if (!b->full)
		memcpy(b->base + at + offsetof(struct nlattr, nla_len), &len, sizeof(len));
}

/* A nested tuple (encode.c); zone: of this direction alone, or NULL. */
void cts_tuple_encode(struct build *b, uint16_t type, const struct cts_tuple *t,
		      const uint16_t *zone);

#endif
