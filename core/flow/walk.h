/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walking over netlink attributes from outside: each length is checked before use. */
#ifndef CTS_FLOW_WALK_H
#define CTS_FLOW_WALK_H

#include <endian.h>
#include <string.h>

#include <linux/netlink.h>

#include <ctsync/flow.h>

/* A walk over attributes: data and len belong to the current one. */
struct walk {
	const uint8_t *next;
	size_t left;
	const uint8_t *data;
	size_t len;
	bool bad;           /* an attribute claims more than there is */
};

static inline struct walk walk_bytes(const void *data, size_t len)
{
	return (struct walk){ .next = data, .left = len };
}

/* Step to the next attribute and give its type, or -1 at the end. */
static inline int walk_next(struct walk *w)
{
	struct nlattr nla;
	size_t step;

	if (w->left < sizeof(nla)) /* alignment may leave up to 3 bytes */
		return -1;
	memcpy(&nla, w->next, sizeof(nla));
	if (nla.nla_len < sizeof(nla) || nla.nla_len > w->left) {
		w->bad = true;
		return -1;
	}
	w->data = w->next + NLA_HDRLEN;
	w->len = nla.nla_len - NLA_HDRLEN;
	step = NLA_ALIGN(nla.nla_len);
	if (step > w->left)
		step = w->left;
	w->next += step;
	w->left -= step;
	return nla.nla_type & NLA_TYPE_MASK;
}

static inline bool get_u8(const struct walk *w, uint8_t *v)
{
	if (w->len < 1)
		return false;
	*v = *w->data;
	return true;
}

static inline bool get_be16(const struct walk *w, uint16_t *v) /* stays in network order */
{
	if (w->len < sizeof(*v))
		return false;
	memcpy(v, w->data, sizeof(*v));
	return true;
}

static inline bool get_u16(const struct walk *w, uint16_t *v)
{
	if (!get_be16(w, v))
		return false;
	*v = be16toh(*v);
	return true;
}

static inline bool get_u32(const struct walk *w, uint32_t *v)
{
	if (w->len < sizeof(*v))
		return false;
	memcpy(v, w->data, sizeof(*v));
	*v = be32toh(*v);
	return true;
}

static inline bool get_u64(const struct walk *w, uint64_t *v)
{
	if (w->len < sizeof(*v))
		return false;
	memcpy(v, w->data, sizeof(*v));
	*v = be64toh(*v);
	return true;
}

static inline bool get_addr(const struct walk *w, union cts_addr *addr, size_t size)
{
	if (w->len < size)
		return false;
	memcpy(addr->bytes, w->data, size);
	return true;
}

/* A NUL terminated string; lent, it points into the message. */
static inline bool get_string(const struct walk *w, const char **str, uint16_t *len)
{
	const uint8_t *nul = memchr(w->data, '\0', w->len);

	if (!nul)
		return false;
	*str = (const char *)w->data;
	*len = (uint16_t)(nul - w->data);
	return true;
}

/* A nested tuple (decode.c). has_zone may be NULL: the zone of a master is not kept. */
bool cts_tuple_decode(const struct walk *outer, struct cts_tuple *t, uint16_t *zone,
		      bool *has_zone);

#endif
