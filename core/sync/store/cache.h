/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A cache of packed flows. One serves as internal cache (what the local kernel
 * has), one for each other node as external cache (what that node owns).
 *
 * An entry is a 32 byte head with a stable number (its ref, never 0) and the
 * packed bytes in slabs of a few sizes; the index is a linear hash table that
 * grows by one bucket at a time, so that no operation takes long however large
 * the table is. SipHash with a random key: tuples come from attackers.
 */
#ifndef CTS_SYNC_CACHE_H
#define CTS_SYNC_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CTS_AGE_HZ 16u        /* 32 bits of it are eight years of uptime */

struct cts_entry {
	uint32_t hash;        /* the cache's */
	uint32_t hash_next;   /* the cache's */
	uint32_t data;        /* the cache's: where the packed bytes are */
	uint32_t next;        /* the user's: dirty queue */
	uint32_t created;     /* CLOCK_MONOTONIC in 1/CTS_AGE_HZ s, given at insert */
	uint32_t aux;         /* the user's: e.g. generation of the dump that saw it */
	uint64_t seq : 48;    /* the user's: number of the message that last carried it, 0: none */
	uint64_t flags : 8;   /* the user's */
	uint64_t len : 8;     /* the cache's: packed bytes */
};

struct cts_cache_stats {
	uint64_t active;                        /* entries now, DEAD ones included */
	uint64_t created, create_full, create_nomem;
	uint64_t updated, update_absent;
	uint64_t destroyed, destroy_absent;
	size_t bytes;                           /* memory held, everything included */
};

struct cts_cache;
struct cts_cache *cts_cache_create(size_t limit, const uint8_t hash_key[16]); /* NULL, errno */
void cts_cache_destroy(struct cts_cache *c);
size_t cts_cache_count(const struct cts_cache *c);
size_t cts_cache_limit(const struct cts_cache *c);
void cts_cache_set_limit(struct cts_cache *c, size_t limit);

uint32_t cts_cache_find(const struct cts_cache *c, const uint8_t *key, size_t key_len); /* 0: none */
/* packed must not be there yet. 0 with ENOSPC (limit), ENOMEM or EINVAL. */
uint32_t cts_cache_insert(struct cts_cache *c, const uint8_t *packed, size_t len, uint32_t created);
/* Same key, other attributes; the ref stays. 0, or -1 and errno (ENOMEM: unchanged). */
int cts_cache_replace(struct cts_cache *c, uint32_t ref, const uint8_t *packed, size_t len);
void cts_cache_remove(struct cts_cache *c, uint32_t ref);
/* Remove everything, in time proportional to the memory, not entry by entry. */
void cts_cache_clear(struct cts_cache *c);

/* NULL: ref is not in use. Pointers stay valid until the entry is removed (head)
 * or changed (data). */
struct cts_entry *cts_cache_entry(struct cts_cache *c, uint32_t ref);
const uint8_t *cts_cache_data(const struct cts_cache *c, uint32_t ref, size_t *len);

/* Walk: the first used ref > after, or 0. Entries may come and go between calls. */
uint32_t cts_cache_next(const struct cts_cache *c, uint32_t after);

/*
 * The same in steps, for who has several keys at hand: what one step fetches into
 * the CPU's cache the next one reads, and the waits of all keys overlap. Only
 * hints: entries may come and go between the steps.
 */
#define CTS_CACHE_GROUP 16u   /* keys that are worth looking up side by side */
uint32_t cts_cache_hash(const struct cts_cache *c, const uint8_t *key, size_t key_len);
void cts_cache_prefetch_bucket(const struct cts_cache *c, uint32_t hash);
void cts_cache_prefetch_head(const struct cts_cache *c, uint32_t hash);
void cts_cache_prefetch_data(const struct cts_cache *c, uint32_t hash);
uint32_t cts_cache_find_hashed(const struct cts_cache *c, uint32_t hash, const uint8_t *key,
			       size_t key_len);
uint32_t cts_cache_insert_hashed(struct cts_cache *c, uint32_t hash, const uint8_t *packed,
				 size_t len, uint32_t created);

void cts_cache_get_stats(const struct cts_cache *c, struct cts_cache_stats *st);

#endif
