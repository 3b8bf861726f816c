/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sums by key: what --by counts. Keys are bytes of any length that the caller made
 * (group_key.h); they come from whoever sends packets, so the hash has a random key.
 * Memory is that of the groups, and there is a limit to their number.
 */
#ifndef CONNTRACK_GROUPS_H
#define CONNTRACK_GROUPS_H

#include <stddef.h>
#include <stdint.h>

/* Of a table: entries, packets, bytes, and what is new of the bytes (--top); of events: new,
 * destroyed. */
#define GROUP_SUMS 4u
#define GROUP_KEY_MAX 512u

struct group {
	uint64_t sum[GROUP_SUMS];
	uint32_t hash;
	uint32_t len;               /* of key */
	uint8_t key[];
};

struct groups;
/* NULL and errno. Holds up to limit groups. */
struct groups *groups_create(uint32_t limit);
void groups_destroy(struct groups *g);         /* takes NULL */
/* Forget all groups, keep their memory. */
void groups_clear(struct groups *g);
/*
 * Add to the sums of this key's group, which is made when it is not there. 0, or -1
 * and errno: ENOSPC, it would be one too many; ENOMEM. What was not added is in the
 * totals all the same, and in those of the refused.
 */
int groups_add(struct groups *g, const void *key, size_t len, const uint64_t sum[GROUP_SUMS]);

/* The same in two steps, so that many keys are looked up side by side: a large table is in
 * no CPU cache. groups_prefetch() fetches what groups_add_hashed() will look at. */
uint32_t groups_hash(const struct groups *g, const void *key, size_t len);
void groups_prefetch(const struct groups *g, uint32_t hash);
void groups_prefetch_group(const struct groups *g, uint32_t hash);
int groups_add_hashed(struct groups *g, uint32_t hash, const void *key, size_t len,
		      const uint64_t sum[GROUP_SUMS]);

size_t groups_count(const struct groups *g);
/* Sums of all that was added, and of what no group could be made for. */
const uint64_t *groups_total(const struct groups *g);
const uint64_t *groups_refused(const struct groups *g);

/*
 * The n groups with the largest sum[by], or all when there are fewer, the largest
 * first and equal ones in the order of their keys. *n becomes their number; the list is
 * the caller's to free and valid until the next add or clear. NULL: not enough memory.
 */
const struct group **groups_top(const struct groups *g, unsigned int by, size_t *n);

#endif
