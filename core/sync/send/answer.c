/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "core/sync/send/answer.h"

/* -- what is pulled -- */

static unsigned int bits_of(const uint8_t *map, unsigned int size)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < size; i++)
		n += (unsigned int)__builtin_popcount(map[i]);
	return n;
}

static bool pull_sums(struct answer *a, const struct pull *p, struct cts_wire_in *in)
{
	bool good = true;

	if (p->level == 1) {
		a->top = true;
		a->top_next = 0;
	} else if (p->level == 2) {
		good = parse_bitmap(in, a->below1, sizeof(a->below1));
	} else {
		good = p->level == 3 && parse_bitmap(in, a->below2, sizeof(a->below2));
	}
	a->below_n = bits_of(a->below1, sizeof(a->below1)) + bits_of(a->below2, sizeof(a->below2));
	return good;
}

static bool item_add(struct lists *l, uint64_t item)
{
	if (l->n == l->max) {
		uint32_t max = l->max ? l->max * 2 : 1024;
		uint64_t *items = max <= LISTS_MAX ? realloc(l->item, max * sizeof(*items)) : NULL;

		if (!items)
			return false;
		l->item = items;
		l->max = max;
	}
	l->item[l->n++] = item;
	return true;
}

/* One leaf. It counts when there is room for all of it: what was left out would be
 * taken for missing at the receiver. */
static bool list_leaf(struct lists *l, struct cts_wire_in *in)
{
	unsigned int leaf = cts_get_u16(in), count = cts_get_u8(in);
	uint32_t before = l->n;
	bool room = true;

	for (unsigned int i = 0; i < count && !in->bad; i++) {
		uint32_t key = cts_get_u24(in);

		room = item_add(l, LISTED(leaf, key, cts_get_u24(in))) && room;
	}
	if (in->bad || !room)
		l->n = before;
	else
		cts_bitmap_set(l->leaves, leaf);
	return !in->bad;
}

static bool pull_lists(struct lists *l, const struct pull *p, struct cts_wire_in *in,
		       uint64_t now)
{
	if (l->state == LISTS_WALK)
		return true;  /* the next round takes them */
	if (l->state == LISTS_NONE) {
		l->state = LISTS_COMING;
		l->n = 0;
		l->high = p->high;
		memset(l->leaves, 0, sizeof(l->leaves));
	}
	/* What was sent after any of the lists was made is not in question. */
	l->high = p->high < l->high ? p->high : l->high;
	l->due_ns = p->flags & PULL_LAST ? now : now + LISTS_WAIT_NS;
	while (cts_wire_left(in))
		if (!list_leaf(l, in))
			return false;
	return !in->bad;
}

bool answer_pull(struct answer *a, const struct pull *p, struct cts_wire_in *in, uint64_t now)
{
	return p->what == PULL_SUMS ? pull_sums(a, p, in) : pull_lists(&a->lists, p, in, now);
}

/* -- sums -- */

static void put_sums(struct answer *a, const struct table *t, struct cts_wire_out *out,
		     unsigned int level, unsigned int first, unsigned int n)
{
	cts_put_u8(out, CTS_REC_SUMS);
	cts_put_u16(out, (uint16_t)(3 + n * CTS_SUM_BYTES));
	cts_put_u8(out, (uint8_t)level);
	cts_put_u16(out, (uint16_t)first);
	for (unsigned int i = 0; i < n; i++)
		cts_put_u48(out, sums_node(&t->sums, level, first + i));
}

#define SUMS_HEAD 6u

static void put_top(struct answer *a, const struct table *t, struct base *b,
		    struct cts_wire_out *out)
{
	size_t room = out->size - out->len;
	unsigned int n = sums_nodes(1) - a->top_next;

	if (room < SUMS_HEAD + CTS_SUM_BYTES)
		return;
	if (n > (room - SUMS_HEAD) / CTS_SUM_BYTES)
		n = (unsigned int)((room - SUMS_HEAD) / CTS_SUM_BYTES);
	put_sums(a, t, out, 1, a->top_next, n);
	a->top_next += n;
	if (a->top_next == sums_nodes(1)) {
		a->top = false;
		b->st.sums_sent++;
	}
}

/* The children of the nodes that are asked about, as many as fit. */
static void put_below(struct answer *a, const struct table *t, struct cts_wire_out *out,
		      unsigned int level, uint8_t *map, unsigned int nodes)
{
	for (unsigned int i = 0; i < nodes; i++) {
		if (!map[i / 8]) {
			i |= 7;
			continue;
		}
		if (!cts_bitmap_get(map, i))
			continue;
		if (out->size - out->len < SUMS_HEAD + CTS_SUMS_FANOUT * CTS_SUM_BYTES)
			return;
		put_sums(a, t, out, level, i * CTS_SUMS_FANOUT, CTS_SUMS_FANOUT);
		cts_bitmap_clear(map, i);
		a->below_n--;
	}
}

static void put_drops(struct answer *a, struct base *b, struct cts_wire_out *out)
{
	while (a->drop_n && out->size - out->len >= 7) {
		uint64_t item = a->drop[--a->drop_n];

		cts_put_u8(out, CTS_REC_DROP);
		cts_put_u8(out, 5);
		cts_put_u16(out, (uint16_t)(item >> 48));
		cts_put_u24(out, (uint32_t)(item >> 24) & 0xffffff);
		b->st.drops_sent++;
	}
}

void answer_put(struct answer *a, const struct table *t, struct base *b,
		struct cts_wire_out *out)
{
	if (a->top)
		put_top(a, t, b, out);
	put_below(a, t, out, 2, a->below1, sums_nodes(1));
	put_below(a, t, out, 3, a->below2, sums_nodes(2));
	put_drops(a, b, out);
}

/* -- lists -- */

static int item_order(const void *x, const void *y)
{
	uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;

	return a < b ? -1 : a > b;
}

static bool walk_begin(struct lists *l)
{
	uint8_t *found = realloc(l->found, l->n / 8 + 1);

	if (!found)
		return false;
	l->found = found;
	memset(found, 0, l->n / 8 + 1);
	if (l->n)
		qsort(l->item, l->n, sizeof(*l->item), item_order);
	l->cursor = 0;
	l->state = LISTS_WALK;
	return true;
}

/* The first item of this key; l->n: none. */
static uint32_t item_find(const struct lists *l, uint64_t key)
{
	uint32_t low = 0, high = l->n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (l->item[middle] < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low < l->n && l->item[low] >> 24 == key >> 24 ? low : l->n;
}

/* Several receivers may have listed the same key: all must have it right. */
static bool listed_right(struct lists *l, uint64_t key, uint64_t seq)
{
	uint32_t at = item_find(l, key);
	bool right = at < l->n;

	for (; at < l->n && l->item[at] >> 24 == key >> 24; at++) {
		cts_bitmap_set(l->found, at);
		right &= (l->item[at] & 0xffffff) == (seq & 0xffffff);
	}
	return right;
}

static void walk_entry(struct lists *l, struct table *t, struct base *b, uint32_t ref)
{
	const struct cts_entry *e = cts_cache_entry(t->cache, ref);
	uint64_t hash, key;

	if (e->flags & (F_TOMBSTONE | F_HELD_BACK))
		return;
	hash = table_hash(t, ref);
	if (!cts_bitmap_get(l->leaves, sums_leaf(hash)))
		return;
	key = LISTED(sums_leaf(hash), sums_key_part(hash), 0);
	if (!listed_right(l, key, e->seq) && e->seq <= l->high && !(e->flags & F_DIRTY))
		table_dirty(t, b, ref);
}

static void walk_end(struct answer *a)
{
	struct lists *l = &a->lists;

	l->state = LISTS_NONE;
	for (uint32_t i = 0; i < l->n; i++) {
		if (cts_bitmap_get(l->found, i))
			continue;
		if (a->drop_n == a->drop_max) {
			uint32_t max = a->drop_max ? a->drop_max * 2 : 256;
			uint64_t *drop = realloc(a->drop, max * sizeof(*drop));

			if (!drop)
				return;  /* the next comparison names them again */
			a->drop = drop;
			a->drop_max = max;
		}
		a->drop[a->drop_n++] = l->item[i];
	}
}

bool answer_step(struct answer *a, struct table *t, struct base *b)
{
	struct lists *l = &a->lists;

	if (l->state == LISTS_COMING && b->now >= l->due_ns && !walk_begin(l))
		l->state = LISTS_NONE;
	for (unsigned int i = 0; l->state == LISTS_WALK && i < STEP_ENTRIES; i++) {
		l->cursor = cts_cache_next(t->cache, l->cursor);
		if (l->cursor)
			walk_entry(l, t, b, l->cursor);
		else
			walk_end(a);
	}
	return l->state == LISTS_WALK;
}

uint64_t answer_deadline(const struct answer *a)
{
	return a->lists.state == LISTS_COMING ? a->lists.due_ns : NEVER;
}

void answer_reset(struct answer *a)
{
	uint64_t *item = a->lists.item, *drop = a->drop;
	uint8_t *found = a->lists.found;
	uint32_t max = a->lists.max, drop_max = a->drop_max;

	memset(a, 0, sizeof(*a));
	a->lists.item = item;
	a->lists.found = found;
	a->lists.max = max;
	a->drop = drop;
	a->drop_max = drop_max;
}

void answer_fini(struct answer *a)
{
	free(a->lists.item);
	free(a->lists.found);
	free(a->drop);
}
