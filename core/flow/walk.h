/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walking over netlink attributes from outside: each length is checked before use. */
#ifndef CTS_FLOW_WALK_H
#define CTS_FLOW_WALK_H

#include <endian.h>
#include <string.h>

#include <linux/netlink.h>

#include <ctsync/flow.h>

/* What an attribute carries. By value: it fits into two registers. */
struct payload {
	const uint8_t *data;
	size_t len;
};

struct walk {
	const uint8_t *next;
	ptrdiff_t left;         /* below 0: the last attribute had no padding */
	struct payload payload; /* of the current attribute */
	bool bad;               /* an attribute claims more than there is */
};

static inline struct walk walk_payload(struct payload p)
{
	return (struct walk){ .next = p.data, .left = (ptrdiff_t)p.len };
}

/* Step to the next attribute and give its type, or -1 at the end. */
static inline int walk_next(struct walk *w)
{
	struct nlattr nla;
	ptrdiff_t step;

	if (w->left < (ptrdiff_t)sizeof(nla))
		return -1;
	memcpy(&nla, w->next, sizeof(nla));
	if (nla.nla_len < sizeof(nla) || nla.nla_len > w->left) {
		w->bad = true;
		return -1;
	}
	w->payload.data = w->next + NLA_HDRLEN;
	w->payload.len = nla.nla_len - NLA_HDRLEN;
	step = NLA_ALIGN(nla.nla_len);
	w->next += step;
	w->left -= step;
	return nla.nla_type & NLA_TYPE_MASK;
}

static inline bool get_u8(struct payload p, uint8_t *v)
{
	if (p.len < 1)
		return false;
	*v = *p.data;
	return true;
}

static inline bool get_be16(struct payload p, uint16_t *v) /* stays in network order */
{
	if (p.len < sizeof(*v))
		return false;
	memcpy(v, p.data, sizeof(*v));
	return true;
}

static inline bool get_u16(struct payload p, uint16_t *v)
{
	if (!get_be16(p, v))
		return false;
	*v = be16toh(*v);
	return true;
}

static inline bool get_u32(struct payload p, uint32_t *v)
{
	if (p.len < sizeof(*v))
		return false;
	memcpy(v, p.data, sizeof(*v));
	*v = be32toh(*v);
	return true;
}

static inline bool get_u64(struct payload p, uint64_t *v)
{
	if (p.len < sizeof(*v))
		return false;
	memcpy(v, p.data, sizeof(*v));
	*v = be64toh(*v);
	return true;
}

static inline bool get_addr(struct payload p, union cts_addr *addr, size_t size)
{
	if (p.len < size)
		return false;
	memcpy(addr->bytes, p.data, size);
	return true;
}

/* A NUL terminated string; lent, it points into the message. */
static inline bool get_string(struct payload p, const char **str, uint16_t *len)
{
	const uint8_t *nul = memchr(p.data, '\0', p.len);

	if (!nul)
		return false;
	*str = (const char *)p.data;
	*len = (uint16_t)(nul - p.data);
	return true;
}

/* A nested tuple (decode.c). has_zone may be NULL: the zone of a master is not kept. */
bool cts_tuple_decode(struct payload p, struct cts_tuple *t, uint16_t *zone, bool *has_zone);

#endif
