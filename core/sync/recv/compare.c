/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "core/sync/recv/compare.h"

#define FULL_WAIT_NS (5 * SECOND)
#define FULL_WAIT_MAX_NS (60 * SECOND)

static unsigned int bits_of(const uint8_t *map, unsigned int size)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < size; i++)
		n += (unsigned int)__builtin_popcount(map[i]);
	return n;
}

static void enter(struct compare *c, enum compare_state state, uint64_t now)
{
	c->state = state;
	c->due_ns = now;
	c->attempts = 0;
	c->cursor = 0;
}

void compare_reset(struct compare *c)
{
	c->state = COMPARE_IDLE;
	c->n = c->sent = c->attempts = 0;
	c->full_ns = c->wait_ns = 0;
	c->pulled = c->repaired = false;
}

void compare_fini(struct compare *c)
{
	free(c->item);
	free(c->ref);
	c->item = NULL;
	c->ref = NULL;
}

void compare_begin(struct compare *c, bool empty, uint64_t now)
{
	c->all = empty;
	memset(c->seen1, 0, sizeof(c->seen1));
	memset(c->differs1, 0, sizeof(c->differs1));
	memset(c->differs2, 0, sizeof(c->differs2));
	memset(c->differs3, 0, sizeof(c->differs3));
	enter(c, empty ? COMPARE_REPAIR : COMPARE_LEVEL1, now);
}

/* Where a full cache refused entries, to pull them again is of no use while the owner has
 * more than fits; and if it did not last the last time, not so soon. What is here counts for
 * nothing: it may be what the owner has no more. */
static bool is_full(struct compare *c, struct replica *r, uint64_t count, uint64_t now)
{
	if (!r->refused)
		return false;
	if (count > cts_cache_limit(r->cache) || now < c->full_ns)
		return true;
	c->wait_ns = c->wait_ns ? c->wait_ns * 2 : FULL_WAIT_NS;
	c->wait_ns = c->wait_ns < FULL_WAIT_MAX_NS ? c->wait_ns : FULL_WAIT_MAX_NS;
	c->full_ns = now + c->wait_ns;
	r->refused = 0;
	return false;
}

void compare_unequal(struct compare *c, struct replica *r, uint64_t count, bool busy,
		     uint64_t now)
{
	if (busy || is_full(c, r, count, now))
		return;
	if (c->state == COMPARE_REPAIR ? now < c->due_ns : c->state != COMPARE_IDLE)
		return;
	compare_begin(c, !r->live && count, now);
}

void compare_equal(struct compare *c)
{
	c->state = COMPARE_IDLE;
	c->wait_ns = c->full_ns = 0;
	c->pulled = c->repaired = false;
}

bool compare_asks_small(const struct compare *c)
{
	return c->repaired || c->attempts > 1;
}

/* -- sums -- */

static void level_done(struct compare *c, uint64_t now)
{
	static const uint8_t none[256 / 8];

	if (c->state == COMPARE_LEVEL1) {
		for (unsigned int i = 0; i < sizeof(c->seen1); i++)
			if (c->seen1[i] != 0xff)
				return;
		if (memcmp(c->differs1, none, sizeof(none)))
			enter(c, COMPARE_LEVEL2, now);
		else
			c->state = COMPARE_IDLE;  /* it is equal by now */
	} else if (c->state == COMPARE_LEVEL2 && !memcmp(c->differs1, none, sizeof(none))) {
		/* What still differs after that is what does not exist there: lists alone
		 * find it. */
		c->all = !c->pulled &&
			 bits_of(c->differs2, sizeof(c->differs2)) > COMPARE_SUBTREES;
		enter(c, c->all ? COMPARE_REPAIR : COMPARE_LEVEL3, now);
	}
	if (c->state == COMPARE_LEVEL3 && !bits_of(c->differs2, sizeof(c->differs2))) {
		c->n = c->sent = 0;
		enter(c, bits_of(c->differs3, sizeof(c->differs3)) ? COMPARE_COLLECT : COMPARE_IDLE,
		      now);
	}
}

static void sums_level1(struct compare *c, unsigned int node, bool differs)
{
	cts_bitmap_set(c->seen1, node);
	if (differs)
		cts_bitmap_set(c->differs1, node);
}

/* The sums below one node of the level above: it is answered. */
static void sums_below(struct compare *c, const struct replica *r, struct cts_wire_in *in,
		       unsigned int level, unsigned int first)
{
	uint8_t *parent = level == 2 ? c->differs1 : c->differs2;
	uint8_t *differs = level == 2 ? c->differs2 : c->differs3;

	if (!cts_bitmap_get(parent, first / CTS_SUMS_FANOUT))
		return;
	for (unsigned int i = 0; i < CTS_SUMS_FANOUT; i++)
		if (cts_get_u48(in) != sums_node(&r->sums, level, first + i))
			cts_bitmap_set(differs, first + i);
	cts_bitmap_clear(parent, first / CTS_SUMS_FANOUT);
}

bool compare_sums(struct compare *c, const struct replica *r, struct cts_wire_in *in,
		  uint64_t now)
{
	unsigned int level = cts_get_u8(in), first = cts_get_u16(in);
	size_t n = cts_wire_left(in) / CTS_SUM_BYTES;

	if (in->bad || level < 1 || level > CTS_SUMS_LEVELS || first + n > sums_nodes(level) ||
	    cts_wire_left(in) % CTS_SUM_BYTES ||
	    (level > 1 && (n != CTS_SUMS_FANOUT || first % CTS_SUMS_FANOUT)))
		return false;
	if ((int)level != (int)c->state - COMPARE_LEVEL1 + 1)
		return true;  /* an answer to an earlier question, or another receiver's */
	if (level == 1)
		for (unsigned int i = 0; i < n; i++)
			sums_level1(c, first + i,
				    cts_get_u48(in) != sums_node(&r->sums, 1, first + i));
	else
		sums_below(c, r, in, level, first);
	c->attempts = 0;
	level_done(c, now);
	return true;
}

/* -- lists -- */

static bool collect(struct compare *c, uint64_t key, uint32_t ref)
{
	if (c->n == c->max) {
		uint32_t max = c->max ? c->max * 2 : 1024;
		uint64_t *item = realloc(c->item, max * sizeof(*item));
		uint32_t *refs;

		if (!item)
			return false;
		c->item = item;
		refs = realloc(c->ref, max * sizeof(*refs));
		if (!refs)
			return false;
		c->ref = refs;
		c->max = max;
	}
	c->item[c->n] = key;
	c->ref[c->n++] = ref;
	return true;
}

/* By leaf: a list is of whole leaves. */
static void sift(struct compare *c, uint32_t root, uint32_t n)
{
	uint32_t child;

	while ((child = 2 * root + 1) < n) {
		uint64_t item;
		uint32_t ref;

		child += child + 1 < n && c->item[child] < c->item[child + 1];
		if (c->item[root] >= c->item[child])
			return;
		item = c->item[root];
		c->item[root] = c->item[child];
		c->item[child] = item;
		ref = c->ref[root];
		c->ref[root] = c->ref[child];
		c->ref[child] = ref;
		root = child;
	}
}

static void sort_items(struct compare *c)
{
	for (uint32_t i = c->n / 2; i-- > 0; )
		sift(c, i, c->n);
	for (uint32_t n = c->n; n-- > 1; ) {
		uint64_t item = c->item[0];
		uint32_t ref = c->ref[0];

		c->item[0] = c->item[n];
		c->item[n] = item;
		c->ref[0] = c->ref[n];
		c->ref[n] = ref;
		sift(c, 0, n);
	}
}

static void collect_entry(struct compare *c, const struct replica *r, uint32_t ref)
{
	const struct cts_entry *e = cts_cache_entry(r->cache, ref);
	uint64_t hash;

	if (e->aux != r->gen)
		return;
	hash = replica_hash(r, ref);
	if (!cts_bitmap_get(c->differs3, sums_leaf(hash)))
		return;
	if (c->n >= COMPARE_LISTED) {
		/* Another round takes this leaf; what was collected of it stays out. */
		cts_bitmap_clear(c->differs3, sums_leaf(hash));
		return;
	}
	if (!collect(c, (uint64_t)sums_leaf(hash) << 48 | (uint64_t)sums_key_part(hash) << 24 |
			(e->seq & 0xffffff), ref))
		cts_bitmap_clear(c->differs3, sums_leaf(hash));
}

bool compare_step(struct compare *c, const struct replica *r, uint64_t high, uint64_t now)
{
	if (c->state != COMPARE_COLLECT)
		return false;
	if (!c->cursor)
		c->high = high;
	for (unsigned int i = 0; i < STEP_ENTRIES; i++) {
		c->cursor = cts_cache_next(r->cache, c->cursor);
		if (!c->cursor) {
			sort_items(c);
			enter(c, COMPARE_LIST, now);
			return true;
		}
		collect_entry(c, r, c->cursor);
	}
	return true;
}

bool compare_drop(struct compare *c, struct replica *r, struct base *b, struct cts_wire_in *in)
{
	uint64_t key = (uint64_t)cts_get_u16(in) << 48;
	uint32_t low = 0, high = c->n;

	key |= (uint64_t)cts_get_u24(in) << 24;
	if (in->bad || cts_wire_left(in))
		return false;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (c->item[middle] < key)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < c->n && c->item[low] >> 24 == key >> 24; low++) {
		const struct cts_entry *e = cts_cache_entry(r->cache, c->ref[low]);

		/* Still the one that was listed, and not sent since? */
		if (!e || e->aux != r->gen || e->seq > c->high ||
		    replica_hash(r, c->ref[low]) >> 24 != key >> 24)
			continue;
		replica_remove(r, b, c->ref[low]);
		b->st.dropped++;
	}
	return true;
}

/* -- questions -- */

static bool ask_bitmap(struct pull *p, struct cts_wire_out *o, const uint8_t *map,
		       unsigned int size, uint32_t *at)
{
	unsigned int first = *at, len;

	while (first < size && !map[first])
		first++;
	if (first == size)
		return false;
	len = size - first;
	build_pull(o, p);
	if (len > o->size - o->len - 4)
		len = (unsigned int)(o->size - o->len - 4);
	build_bitmap(o, map, first, len);
	*at = first + len;
	return true;
}

/* The next leaves, as many as fit. c->sent is an item; leaves without items are sent
 * first: c->cursor is the next of these. */
static bool ask_lists(struct compare *c, struct pull *p, struct cts_wire_out *o)
{
	bool any = false;

	p->high = c->high;
	p->flags = 0;
	build_pull(o, p);
	while (c->cursor < CTS_SUMS_LEAVES) {
		if (!cts_bitmap_get(c->differs3, c->cursor)) {
			c->cursor++;
			continue;
		}
		uint32_t first = c->sent, n = 0;

		while (first < c->n && c->item[first] >> 48 < c->cursor)
			first++;  /* of a leaf that is left out */
		while (n < 255 && first + n < c->n && c->item[first + n] >> 48 == c->cursor)
			n++;
		if (o->size - o->len < 3 + n * 6)
			return any;
		cts_put_u16(o, (uint16_t)c->cursor);
		cts_put_u8(o, (uint8_t)n);
		for (uint32_t i = first; i < first + n; i++) {
			cts_put_u24(o, (uint32_t)(c->item[i] >> 24) & 0xffffff);
			cts_put_u24(o, (uint32_t)c->item[i] & 0xffffff);
		}
		any = true;
		c->sent = first + n;
		if (first + n == c->n || c->item[first + n] >> 48 != c->cursor)
			c->cursor++;
	}
	if (any)
		pull_mark_last(o);
	return any;
}

static bool ask_level(struct compare *c, struct pull *p, struct cts_wire_out *o)
{
	p->what = PULL_SUMS;
	p->level = (uint8_t)(c->state - COMPARE_LEVEL1 + 1);
	if (c->state == COMPARE_LEVEL1) {
		build_pull(o, p);
		return !c->cursor++;
	}
	return c->state == COMPARE_LEVEL2
		       ? ask_bitmap(p, o, c->differs1, sizeof(c->differs1), &c->cursor)
		       : ask_bitmap(p, o, c->differs2, sizeof(c->differs2), &c->cursor);
}

static bool ask_all(struct compare *c, const struct replica *r, struct pull *p,
		    struct cts_wire_out *o)
{
	if (r->live) {
		p->what = PULL_SUBTREES;
		c->pulled = true;
		return ask_bitmap(p, o, c->differs2, sizeof(c->differs2), &c->cursor);
	}
	p->what = PULL_ALL;
	build_pull(o, p);
	return !c->cursor++;
}

/* The round of questions is over: wait for the answers. */
static bool asked(struct compare *c, uint64_t now)
{
	uint64_t wait;

	c->cursor = 0;
	if (c->state == COMPARE_LIST || c->state == COMPARE_REPAIR) {
		c->state = COMPARE_REPAIR;
		c->repaired = true;
		c->all = false;
		c->due_ns = now + COMPARE_REST_NS;
		return false;
	}
	wait = COMPARE_AGAIN_NS << c->attempts;
	c->due_ns = now + (wait < COMPARE_AGAIN_MAX_NS ? wait : COMPARE_AGAIN_MAX_NS);
	if (++c->attempts > COMPARE_ATTEMPTS)
		c->state = COMPARE_IDLE;
	return false;
}

bool compare_ask(struct compare *c, const struct replica *r, struct pull *p,
		 struct cts_wire_out *o, uint64_t now)
{
	bool any = false;

	/* A repair that was asked for is awaited: the next digest judges it. */
	if (now < c->due_ns || (c->state == COMPARE_REPAIR && !c->all))
		return false;
	switch (c->state) {
	case COMPARE_LEVEL1:
	case COMPARE_LEVEL2:
	case COMPARE_LEVEL3:
		any = ask_level(c, p, o);
		break;
	case COMPARE_LIST:
		p->what = PULL_LISTS;
		any = ask_lists(c, p, o);
		break;
	case COMPARE_REPAIR:
		any = ask_all(c, r, p, o);
		break;
	default:
		return false;
	}
	return any || asked(c, now);
}

uint64_t compare_deadline(const struct compare *c)
{
	if (c->state == COMPARE_IDLE || (c->state == COMPARE_REPAIR && !c->all))
		return NEVER;
	return c->due_ns;
}
