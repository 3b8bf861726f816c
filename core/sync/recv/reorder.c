/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages that came before their turn: see reorder.h. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "core/sync/recv/reorder.h"

/* seq 0: a free place. */
static struct held *find(struct reorder *r, uint64_t seq)
{
	for (unsigned int i = 0; i < REORDER_MAX; i++)
		if (r->held[i].seq == seq)
			return &r->held[i];
	return NULL;
}

static void empty(struct reorder *r, struct held *h)
{
	r->n--;
	r->bytes -= h->len;
	memset(h, 0, sizeof(*h));
}

enum reorder_put reorder_put(struct reorder *r, uint64_t seq, const uint8_t *body, size_t len)
{
	struct held *h;
	uint8_t *copy;

	if (!seq || (r->n && find(r, seq)))
		return REORDER_DUPLICATE;
	if (r->n == REORDER_MAX || len > REORDER_BYTES_MAX - r->bytes)
		return REORDER_FULL;
	h = find(r, 0);
	copy = malloc(len ? len : 1);
	if (!copy)
		return REORDER_NOMEM;
	if (len)
		memcpy(copy, body, len);
	*h = (struct held){ seq, len, copy };
	r->n++;
	r->bytes += len;
	return REORDER_KEPT;
}

uint64_t reorder_lowest(const struct reorder *r)
{
	uint64_t lowest = 0;

	for (unsigned int i = 0; r->n && i < REORDER_MAX; i++) {
		uint64_t seq = r->held[i].seq;

		if (seq && (!lowest || seq < lowest))
			lowest = seq;
	}
	return lowest;
}

bool reorder_take(struct reorder *r, uint64_t seq, uint8_t **body, size_t *len)
{
	struct held *h = seq && r->n ? find(r, seq) : NULL;

	if (!h)
		return false;
	*body = h->body;
	*len = h->len;
	empty(r, h);
	return true;
}

void reorder_drop(struct reorder *r, uint64_t seq)
{
	for (unsigned int i = 0; r->n && i < REORDER_MAX; i++) {
		struct held *h = &r->held[i];

		if (!h->seq || h->seq > seq)
			continue;
		free(h->body);
		empty(r, h);
	}
}
