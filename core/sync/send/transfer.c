/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <string.h>

#include "core/sync/send/transfer.h"

#define REFRESH_EVERY_NS (100 * MS)
#define REFRESH_QUEUE 4096u          /* entries that may wait when more are refreshed */

static void select_more(struct selection *s, const uint8_t *map)
{
	s->any = true;
	s->all |= !map;
	for (unsigned int i = 0; map && i < TRANSFER_MAP; i++)
		s->map[i] |= map[i];
}

static void begin(struct transfer *x, uint64_t last)
{
	x->now = x->later;
	memset(&x->later, 0, sizeof(x->later));
	x->begin = last;
	x->cursor = x->candidate = 0;
}

void transfer_pull(struct transfer *x, const uint8_t *map, uint64_t last)
{
	select_more(&x->later, map);
	if (!x->now.any)
		begin(x, last);
}

static bool selected(const struct transfer *x, const struct table *t, uint32_t ref)
{
	const struct cts_entry *e = cts_cache_entry(t->cache, ref);

	if (e->flags & (F_TOMBSTONE | F_HELD_BACK) || e->seq > x->begin)
		return false;
	/* 16 leaves are one subtree. */
	return x->now.all ||
	       cts_bitmap_get(x->now.map, sums_leaf(table_hash(t, ref)) / CTS_SUMS_FANOUT);
}

uint32_t transfer_next(struct transfer *x, struct table *t, uint64_t last, unsigned int *looked)
{
	if (x->candidate && cts_cache_entry(t->cache, x->candidate) &&
	    selected(x, t, x->candidate))
		return x->candidate;
	x->candidate = 0;
	while (x->now.any && *looked < STEP_ENTRIES) {
		x->cursor = cts_cache_next(t->cache, x->cursor);
		(*looked)++;
		if (!x->cursor) {
			begin(x, last);  /* what was pulled meanwhile, if anything */
			break;
		}
		if (selected(x, t, x->cursor))
			return x->candidate = x->cursor;
	}
	return 0;
}

void transfer_reset(struct transfer *x)
{
	memset(&x->now, 0, sizeof(x->now));
	memset(&x->later, 0, sizeof(x->later));
	x->candidate = x->cursor = x->refresh_cursor = 0;
}

void transfer_refresh(struct transfer *x, struct table *t, struct base *b)
{
	uint64_t passed, quota, period_ms = b->conf.refresh_s * UINT64_C(1000);

	if (b->conf.mode != CTS_MODE_ALARM || !b->conf.refresh_s)
		return;
	passed = b->now - x->refresh_ns;
	if (passed < REFRESH_EVERY_NS)
		return;
	/* Rounded up: one entry less each time can be twice the time for all. */
	quota = (cts_cache_count(t->cache) * (passed / MS) + period_ms - 1) / period_ms;
	x->refresh_ns = b->now;
	for (; quota && t->dirty.len < REFRESH_QUEUE; quota--) {
		x->refresh_cursor = cts_cache_next(t->cache, x->refresh_cursor);
		if (!x->refresh_cursor)
			x->refresh_cursor = cts_cache_next(t->cache, 0);
		if (!x->refresh_cursor)
			return;
		table_dirty(t, b, x->refresh_cursor);
	}
}
