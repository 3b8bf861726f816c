/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An index of 8 byte slots over one block of groups that only grows: a group is found by
 * its hash alone in nearly all cases, and growing moves no group.
 */
#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "cli/conntrack/groups.h"
#include "core/flow/keyed_hash.h"

#define SLOTS_MIN 1024u
#define BLOCK_MIN ((size_t)64 << 10)
#define UNIT 8u               /* places in the block are counted in these */

struct slot {
	uint32_t place;       /* in units, plus one; 0: free */
	uint32_t hash;
};

struct groups {
	struct slot *slot;    /* owned; a power of two of them */
	size_t n_slots;
	uint8_t *block;       /* owned */
	size_t used, room;    /* bytes */
	uint32_t n, limit;
	uint64_t total[GROUP_SUMS], refused[GROUP_SUMS];
	uint8_t key[CTS_HASH_KEY];
};

struct groups *groups_create(uint32_t limit)
{
	struct groups *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->limit = limit;
	g->n_slots = SLOTS_MIN;
	g->slot = calloc(g->n_slots, sizeof(*g->slot));
	if (!g->slot || getrandom(g->key, sizeof(g->key), 0) != (ssize_t)sizeof(g->key)) {
		groups_destroy(g);
		return NULL;
	}
	return g;
}

void groups_destroy(struct groups *g)
{
	if (!g)
		return;
	free(g->slot);
	free(g->block);
	free(g);
}

void groups_clear(struct groups *g)
{
	memset(g->slot, 0, g->n_slots * sizeof(*g->slot));
	memset(g->total, 0, sizeof(g->total));
	memset(g->refused, 0, sizeof(g->refused));
	g->used = 0;
	g->n = 0;
}

uint32_t groups_hash(const struct groups *g, const void *key, size_t len)
{
	return (uint32_t)cts_keyed_hash(g->key, key, len);
}

static struct group *group_at(const struct groups *g, uint32_t place)
{
	return (struct group *)(g->block + (size_t)(place - 1) * UNIT);
}

static size_t group_size(size_t len)
{
	return (sizeof(struct group) + len + UNIT - 1) / UNIT * UNIT;
}

/* The slot of this key, or the free one where it belongs. */
static struct slot *find(const struct groups *g, uint32_t hash, const void *key, size_t len)
{
	for (size_t i = hash & (g->n_slots - 1);; i = (i + 1) & (g->n_slots - 1)) {
		struct slot *s = &g->slot[i];

		if (!s->place)
			return s;
		if (s->hash != hash)
			continue;
		const struct group *group = group_at(g, s->place);

		if (group->len == len && memcmp(group->key, key, len) == 0)
			return s;
	}
}

static int grow_slots(struct groups *g)
{
	size_t n = g->n_slots * 2;
	struct slot *slot = calloc(n, sizeof(*slot));

	if (!slot)
		return -1;
	for (size_t k = 0; k < g->n_slots; k++) {
		size_t i = g->slot[k].hash & (n - 1);

		if (!g->slot[k].place)
			continue;
		while (slot[i].place)
			i = (i + 1) & (n - 1);
		slot[i] = g->slot[k];
	}
	free(g->slot);
	g->slot = slot;
	g->n_slots = n;
	return 0;
}

static int grow_block(struct groups *g, size_t need)
{
	size_t room = g->room ? g->room : BLOCK_MIN;
	uint8_t *block;

	while (room - g->used < need)
		room *= 2;
	if (room == g->room)
		return 0;
	/* Large blocks are moved by their page tables; what is not used yet is not there. */
	block = realloc(g->block, room);
	if (!block)
		return -1;
	g->block = block;
	g->room = room;
	return 0;
}

static struct group *group_make(struct groups *g, uint32_t hash, const void *key, size_t len)
{
	struct group *group;
	struct slot *s;

	if (g->n == g->limit) {
		errno = ENOSPC;
		return NULL;
	}
	/* At most three quarters of the slots are taken. */
	if (g->n >= g->n_slots / 4 * 3 && grow_slots(g) < 0)
		return NULL;
	if (grow_block(g, group_size(len)) < 0)
		return NULL;
	s = find(g, hash, key, len);
	*s = (struct slot){ (uint32_t)(g->used / UNIT + 1), hash };
	group = group_at(g, s->place);
	*group = (struct group){ .hash = hash, .len = (uint32_t)len };
	memcpy(group->key, key, len);
	g->used += group_size(len);
	g->n++;
	return group;
}

static void sums_add(uint64_t *to, const uint64_t *sum)
{
	for (unsigned int i = 0; i < GROUP_SUMS; i++)
		to[i] += sum[i];
}

void groups_prefetch(const struct groups *g, uint32_t hash)
{
	__builtin_prefetch(&g->slot[hash & (g->n_slots - 1)]);
}

void groups_prefetch_group(const struct groups *g, uint32_t hash)
{
	const struct slot *s = &g->slot[hash & (g->n_slots - 1)];

	if (s->place)
		__builtin_prefetch(group_at(g, s->place), 1);
}

int groups_add(struct groups *g, const void *key, size_t len, const uint64_t sum[GROUP_SUMS])
{
	return groups_add_hashed(g, groups_hash(g, key, len), key, len, sum);
}

int groups_add_hashed(struct groups *g, uint32_t hash, const void *key, size_t len,
		      const uint64_t sum[GROUP_SUMS])
{
	const struct slot *s = find(g, hash, key, len);
	struct group *group = s->place ? group_at(g, s->place) : group_make(g, hash, key, len);

	sums_add(g->total, sum);
	if (!group) {
		sums_add(g->refused, sum);
		return -1;
	}
	sums_add(group->sum, sum);
	return 0;
}

size_t groups_count(const struct groups *g)
{
	return g->n;
}

const uint64_t *groups_total(const struct groups *g)
{
	return g->total;
}

const uint64_t *groups_refused(const struct groups *g)
{
	return g->refused;
}

/* -- the largest ones: a heap whose root is the one that goes first -- */

/* Whether a stands before b in a listing. */
static bool before(const struct group *a, const struct group *b, unsigned int by)
{
	size_t len = a->len < b->len ? a->len : b->len;
	int order;

	if (a->sum[by] != b->sum[by])
		return a->sum[by] > b->sum[by];
	order = memcmp(a->key, b->key, len);
	return order ? order < 0 : a->len < b->len;
}

static void sift_down(const struct group **heap, size_t n, size_t i, unsigned int by)
{
	for (size_t child = 2 * i + 1; child < n; i = child, child = 2 * i + 1) {
		const struct group *moved = heap[i];

		if (child + 1 < n && before(heap[child], heap[child + 1], by))
			child++;
		if (!before(moved, heap[child], by))
			return;
		heap[i] = heap[child];
		heap[child] = moved;
	}
}

const struct group **groups_top(const struct groups *g, unsigned int by, size_t *n)
{
	size_t taken = 0, want = *n < g->n ? *n : g->n;
	const struct group **heap = calloc(want ? want : 1, sizeof(*heap));

	*n = want;
	if (!heap)
		return NULL;
	for (size_t at = 0; want && at < g->used;) {
		const struct group *group = (const struct group *)(g->block + at);

		at += group_size(group->len);
		if (taken < want) {
			heap[taken++] = group;
			for (size_t i = taken == want ? want / 2 : 0; i-- > 0;)
				sift_down(heap, want, i, by);
		} else if (before(group, heap[0], by)) {
			heap[0] = group;
			sift_down(heap, want, 0, by);
		}
	}
	/* The last one of what is left goes to the end of it. */
	for (size_t left = want; left > 1;) {
		const struct group *last = heap[0];

		heap[0] = heap[--left];
		heap[left] = last;
		sift_down(heap, left, 0, by);
	}
	return heap;
}
