/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parts of the table that are sent once more: what a receiver needs (rule D2), and
 * in ALARM mode everything, from time to time.
 */
#include "config.h"

#include "core/sync/engine_int.h"

static void transfer_begin(struct cts_engine *e, const uint8_t *bitmap)
{
	struct transfer *t = &e->own.transfer;
	uint8_t copy[CTS_BITMAP_BYTES];

	memcpy(copy, bitmap, sizeof(copy));
	memset(t->pending_map, 0, sizeof(t->pending_map));
	memcpy(t->bitmap, copy, sizeof(copy));
	t->active = true;
	t->walked = t->end_due = false;
	t->cursor = 0;
	t->begin = e->own.last;
}

void transfer_need(struct cts_engine *e, const uint8_t *bitmap)
{
	struct transfer *t = &e->own.transfer;
	unsigned int i;

	if (!e->own.ready)
		return;  /* it is asked again each second */
	if (!bitmap) {
		e->own.sums_due = true;
		e->own.sums_next = 0;
		return;
	}
	if (!t->active) {
		transfer_begin(e, bitmap);
		return;
	}
	for (i = 0; i < CTS_BITMAP_BYTES; i++)
		if (bitmap[i] & ~t->bitmap[i])
			break;
	if (i == CTS_BITMAP_BYTES)
		return;  /* a repeated NEED: its answer is on the way */
	t->pending = true;
	for (i = 0; i < CTS_BITMAP_BYTES; i++)
		t->pending_map[i] |= bitmap[i];
}

static bool bitmap_full(const uint8_t *map)
{
	unsigned int i;

	for (i = 0; i < CTS_BITMAP_BYTES; i++)
		if (map[i] != 0xff)
			return false;
	return true;
}

void transfer_run(struct cts_engine *e)
{
	struct owner *o = &e->own;
	struct transfer *t = &o->transfer;
	bool all = bitmap_full(t->bitmap);
	unsigned int i;

	if (!t->active || t->end_due)
		return;
	for (i = 0; !t->walked && i < STEP_ENTRIES && o->dirty.len < BULK_QUEUE; i++) {
		struct cts_entry *entry;

		t->cursor = cts_cache_next(o->cache, t->cursor);
		if (!t->cursor) {
			t->walked = true;
			break;
		}
		entry = cts_cache_entry(o->cache, t->cursor);
		if (entry->flags & (F_DEAD | F_YOUNG | F_BULK) || entry->seq > t->begin)
			continue;
		if (!all && !cts_bitmap_get(t->bitmap, digest_bucket(owner_hash(o, t->cursor))))
			continue;
		entry->flags |= F_BULK;
		t->outstanding++;
		owner_dirty(e, t->cursor);
	}
	if (t->walked && !t->outstanding)
		t->end_due = true;
}

void transfer_put_end(struct cts_engine *e, struct cts_wire_out *out, struct slot *s)
{
	struct transfer *t = &e->own.transfer;

	if (out->size - out->len < 3 + 8 + CTS_BITMAP_BYTES)
		return;
	cts_put_u8(out, CTS_REC_END);
	cts_put_u16(out, 8 + CTS_BITMAP_BYTES);
	cts_put_u64(out, t->begin);
	cts_put_bytes(out, t->bitmap, sizeof(t->bitmap));
	s->has_end = true;
	t->end_due = false;
	t->active = false;
	if (t->pending) {
		t->pending = false;
		transfer_begin(e, t->pending_map);
	}
}

/* ALARM: every entry again within refresh_s. */
void transfer_refresh(struct cts_engine *e)
{
	struct owner *o = &e->own;
	uint64_t passed, quota, period_ms = e->conf.refresh_s * UINT64_C(1000);

	if (e->conf.mode != CTS_MODE_ALARM || !e->conf.refresh_s)
		return;
	passed = e->now - o->refresh_ns;
	/* Rounded up: one entry less each time can be twice the time for all. */
	quota = (cts_cache_count(o->cache) * (passed / MS) + period_ms - 1) / period_ms;
	if (passed < 100 * MS)
		return;
	o->refresh_ns = e->now;
	for (; quota && o->dirty.len < BULK_QUEUE; quota--) {
		o->refresh_cursor = cts_cache_next(o->cache, o->refresh_cursor);
		if (!o->refresh_cursor)
			o->refresh_cursor = cts_cache_next(o->cache, 0);
		if (!o->refresh_cursor)
			return;
		owner_dirty(e, o->refresh_cursor);
	}
}
