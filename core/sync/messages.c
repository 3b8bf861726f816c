/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "core/sync/base.h"
#include "core/sync/messages.h"

void build_hello(struct cts_wire_out *o, const struct hello *h)
{
	cts_put_u64(o, h->table_id);
	cts_put_u64(o, h->last);
	cts_put_u64(o, h->token);
	cts_put_u64(o, h->attrs);
	cts_put_u32(o, h->waiting);
	cts_put_u16(o, h->waiting_ms);
	cts_put_u32(o, h->limit);
	cts_put_u32(o, h->uptime_s);
	cts_put_u8(o, h->highest);
	cts_put_u8(o, h->lowest);
	cts_put_u16(o, h->capabilities);
	cts_put_u8(o, h->mode);
	cts_put_u8(o, h->flags);
	cts_put_u8(o, h->name_len);
	cts_put_bytes(o, h->name, h->name_len);
}

bool parse_hello(struct cts_wire_in *in, struct hello *h)
{
	const uint8_t *name;

	h->table_id = cts_get_u64(in);
	h->last = cts_get_u64(in);
	h->token = cts_get_u64(in);
	h->attrs = cts_get_u64(in);
	h->waiting = cts_get_u32(in);
	h->waiting_ms = cts_get_u16(in);
	h->limit = cts_get_u32(in);
	h->uptime_s = cts_get_u32(in);
	h->highest = cts_get_u8(in);
	h->lowest = cts_get_u8(in);
	h->capabilities = cts_get_u16(in);
	h->mode = cts_get_u8(in);
	h->flags = cts_get_u8(in);
	h->name_len = cts_get_u8(in);
	name = cts_get_bytes(in, h->name_len);
	if (!name || !h->name_len || h->name_len > CTS_NAME_MAX || h->last >= SEQUENCE_MAX ||
	    h->lowest > h->highest)
		return false;
	memcpy(h->name, name, h->name_len);
	h->name[h->name_len] = '\0';
	return true;
}

void build_report(struct cts_wire_out *o, const struct report *r)
{
	cts_put_u32(o, r->node);
	cts_put_u64(o, r->epoch);
	cts_put_u64(o, r->start);
	cts_put_u64(o, r->high);
	cts_put_u64(o, r->equal_at);
	cts_put_u8(o, r->flags);
}

int parse_report(struct cts_wire_in *in, struct report *r)
{
	if (!cts_wire_left(in))
		return in->bad ? -1 : 0;
	r->node = cts_get_u32(in);
	r->epoch = cts_get_u64(in);
	r->start = cts_get_u64(in);
	r->high = cts_get_u64(in);
	r->equal_at = cts_get_u64(in);
	r->flags = cts_get_u8(in);
	if (in->bad || !r->epoch || r->start >= SEQUENCE_MAX || r->high >= SEQUENCE_MAX ||
	    r->equal_at > r->high || (r->start && r->high + 1 < r->start))
		return -1;
	return 1;
}

void build_challenge(struct cts_wire_out *o, const struct challenge *c)
{
	cts_put_u32(o, c->to);
	cts_put_u64(o, c->epoch);
	cts_put_bytes(o, c->nonce, NONCE_LEN);
}

bool parse_challenge(struct cts_wire_in *in, struct challenge *c)
{
	const uint8_t *nonce;

	c->to = cts_get_u32(in);
	c->epoch = cts_get_u64(in);
	nonce = cts_get_bytes(in, NONCE_LEN);
	if (!nonce || !c->epoch)
		return false;
	memcpy(c->nonce, nonce, NONCE_LEN);
	return true;
}

void build_proof(struct cts_wire_out *o, uint64_t table_id)
{
	cts_put_u64(o, table_id);
}

void build_proof_for(struct cts_wire_out *o, uint32_t node, const uint8_t nonce[NONCE_LEN])
{
	cts_put_u32(o, node);
	cts_put_bytes(o, nonce, NONCE_LEN);
}

bool parse_proof(struct cts_wire_in *in, uint32_t node, uint64_t *table_id,
		 const uint8_t **nonce)
{
	*table_id = cts_get_u64(in);
	while (cts_wire_left(in)) {
		uint32_t to = cts_get_u32(in);

		*nonce = cts_get_bytes(in, NONCE_LEN);
		if (*nonce && to == node)
			return true;
	}
	return false;
}

/* All gaps lie within a window below high, so 16 bits tell where: how far below high
 * the first missing number is, and how many follow it. */
void build_ack(struct cts_wire_out *o, const struct report *r, const struct gaps *g)
{
	build_report(o, r);
	cts_put_u8(o, (uint8_t)g->n);
	for (unsigned int i = 0; i < g->n; i++) {
		cts_put_u16(o, (uint16_t)(r->high - g->range[i].from));
		cts_put_u16(o, (uint16_t)(g->range[i].to - g->range[i].from));
	}
}

bool parse_ack(struct cts_wire_in *in, struct report *r, struct gaps *g)
{
	if (parse_report(in, r) <= 0)
		return false;
	g->n = cts_get_u8(in);
	if (g->n > GAPS_MAX)
		return false;
	for (unsigned int i = 0; i < g->n; i++) {
		uint64_t below = cts_get_u16(in), more = cts_get_u16(in);

		if (below > r->high || more > below)
			return false;
		g->range[i] = (struct cts_range){ r->high - below, r->high - below + more };
		if (i && g->range[i].from <= g->range[i - 1].to)
			return false;
	}
	return !in->bad && !cts_wire_left(in);
}

void build_start(struct cts_wire_out *o, const struct start *s)
{
	cts_put_u32(o, s->to);
	cts_put_u64(o, s->epoch);
	cts_put_u64(o, s->start);
}

bool parse_start(struct cts_wire_in *in, struct start *s)
{
	s->to = cts_get_u32(in);
	s->epoch = cts_get_u64(in);
	s->start = cts_get_u64(in);
	return !in->bad && s->start < SEQUENCE_MAX;
}

void build_pull(struct cts_wire_out *o, const struct pull *p)
{
	cts_put_u32(o, p->to);
	cts_put_u64(o, p->epoch);
	cts_put_u64(o, p->start);
	cts_put_u8(o, p->what);
	cts_put_u8(o, p->level);
	cts_put_u8(o, p->flags);
	cts_put_u64(o, p->high);
}

void pull_mark_last(struct cts_wire_out *o)
{
	o->buf[CTS_WIRE_HEADER + 4 + 8 + 8 + 1 + 1] |= PULL_LAST;
}

bool parse_pull(struct cts_wire_in *in, struct pull *p)
{
	p->to = cts_get_u32(in);
	p->epoch = cts_get_u64(in);
	p->start = cts_get_u64(in);
	p->what = cts_get_u8(in);
	p->level = cts_get_u8(in);
	p->flags = cts_get_u8(in);
	p->high = cts_get_u64(in);
	return !in->bad && p->what <= PULL_LISTS && p->high < SEQUENCE_MAX;
}

void build_bitmap(struct cts_wire_out *o, const uint8_t *map, unsigned int first,
		  unsigned int len)
{
	cts_put_u16(o, (uint16_t)first);
	cts_put_u16(o, (uint16_t)len);
	cts_put_bytes(o, map + first, len);
}

bool parse_bitmap(struct cts_wire_in *in, uint8_t *map, unsigned int size)
{
	unsigned int first = cts_get_u16(in), len = cts_get_u16(in);
	const uint8_t *bits = cts_get_bytes(in, len);

	if (!bits || first + len > size)
		return false;
	for (unsigned int i = 0; i < len; i++)
		map[first + i] |= bits[i];
	return true;
}
