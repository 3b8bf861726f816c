/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Heads in chunks, packed bytes in slabs, a linear hash table over the heads. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/flow/keyed_hash.h"
#include "core/flow/pack.h"
#include "core/sync/store/cache.h"
#include "core/sync/store/slab.h"

#define CHUNK_BITS 12u                   /* heads of one chunk */
#define CHUNK_SIZE (1u << CHUNK_BITS)
#define SEGMENT_BITS 12u                 /* buckets of one segment */
#define SEGMENT_SIZE (1u << SEGMENT_BITS)
#define SPLIT_DEPTH 3u                   /* entries of a chain that are fetched before a split */
#define SPLIT_AHEAD 4u                   /* ... and how many splits before the next of them */

_Static_assert(sizeof(struct cts_entry) == 32, "the memory figures count on 32 bytes");

struct cts_cache {
	struct cts_entry **chunks;   /* owned */
	uint32_t n_chunks, max_chunks;
	uint32_t free_head;          /* ref of the first free head, by hash_next */
	uint32_t last_ref;           /* highest ref ever used */
	uint32_t **segments;         /* owned: buckets, each the ref of its first entry */
	uint32_t n_segments, max_segments;
	uint32_t n_buckets;          /* in use; all of level and some of its double */
	uint32_t level;              /* power of two <= n_buckets */
	size_t limit;
	uint8_t key[CTS_HASH_KEY];
	struct cts_slab slab;
	struct cts_cache_stats st;   /* bytes is computed */
};

_Static_assert(CTS_HASH_KEY == 16, "cts_cache_create() takes 16 bytes");

uint32_t cts_cache_hash(const struct cts_cache *c, const uint8_t *key, size_t len)
{
	return (uint32_t)cts_keyed_hash(c->key, key, len);
}

static struct cts_entry *head_of(const struct cts_cache *c, uint32_t ref)
{
	return &c->chunks[ref >> CHUNK_BITS][ref & (CHUNK_SIZE - 1)];
}

static uint32_t *bucket_at(const struct cts_cache *c, uint32_t b)
{
	return &c->segments[b >> SEGMENT_BITS][b & (SEGMENT_SIZE - 1)];
}

static uint32_t *bucket_of(const struct cts_cache *c, uint32_t hash)
{
	uint32_t b = hash & (c->level * 2 - 1);

	return bucket_at(c, b < c->n_buckets ? b : b & (c->level - 1));
}

/* Append a zeroed block to an array of pointers. */
static int blocks_grow(void ***blocks, uint32_t *n, uint32_t *max, size_t size)
{
	uint32_t more = *max ? *max * 2 : 16;
	void **bigger;

	if (*n == *max) {
		bigger = realloc(*blocks, more * sizeof(*bigger));
		if (!bigger)
			return -1;
		*blocks = bigger;
		*max = more;
	}
	(*blocks)[*n] = calloc(1, size);
	if (!(*blocks)[*n])
		return -1;
	(*n)++;
	return 0;
}

static int segments_grow(struct cts_cache *c)
{
	return blocks_grow((void ***)&c->segments, &c->n_segments, &c->max_segments,
			   SEGMENT_SIZE * sizeof(uint32_t));
}

static void blocks_free(void **blocks, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		free(blocks[i]);
	free(blocks);
}

static void cache_release(struct cts_cache *c)
{
	blocks_free((void **)c->chunks, c->n_chunks);
	blocks_free((void **)c->segments, c->n_segments);
	cts_slab_fini(&c->slab);
	c->chunks = NULL;
	c->segments = NULL;
	c->n_chunks = c->max_chunks = c->n_segments = c->max_segments = 0;
	c->free_head = c->last_ref = 0;
	c->n_buckets = c->level = SEGMENT_SIZE;
	c->st.active = 0;
}

struct cts_cache *cts_cache_create(size_t limit, const uint8_t key[16])
{
	struct cts_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	memcpy(c->key, key, sizeof(c->key));
	c->limit = limit;
	cts_slab_init(&c->slab);
	c->n_buckets = c->level = SEGMENT_SIZE;
	return c;
}

void cts_cache_destroy(struct cts_cache *c)
{
	if (!c)
		return;
	cache_release(c);
	free(c);
}

void cts_cache_clear(struct cts_cache *c)
{
	c->st.destroyed += c->st.active;
	cache_release(c);
}

size_t cts_cache_count(const struct cts_cache *c)
{
	return c->st.active;
}

size_t cts_cache_limit(const struct cts_cache *c)
{
	return c->limit;
}

void cts_cache_set_limit(struct cts_cache *c, size_t limit)
{
	c->limit = limit;
}

/* -- index -- */

uint32_t cts_cache_find_hashed(const struct cts_cache *c, uint32_t hash, const uint8_t *key,
			       size_t key_len)
{
	const struct cts_entry *h;
	uint32_t ref;

	if (!c->n_segments)
		return 0;
	for (ref = *bucket_of(c, hash); ref; ref = h->hash_next) {
		h = head_of(c, ref);
		if (h->hash == hash && h->len >= key_len &&
		    !memcmp(cts_slab_data(&c->slab, h->data), key, key_len))
			return ref;
	}
	return 0;
}

uint32_t cts_cache_find(const struct cts_cache *c, const uint8_t *key, size_t key_len)
{
	return cts_cache_find_hashed(c, cts_cache_hash(c, key, key_len), key, key_len);
}

void cts_cache_prefetch_bucket(const struct cts_cache *c, uint32_t hash)
{
	if (c->n_segments)
		__builtin_prefetch(bucket_of(c, hash));
}

void cts_cache_prefetch_head(const struct cts_cache *c, uint32_t hash)
{
	uint32_t ref = c->n_segments ? *bucket_of(c, hash) : 0;

	if (ref)
		__builtin_prefetch(head_of(c, ref));
}

void cts_cache_prefetch_data(const struct cts_cache *c, uint32_t hash)
{
	uint32_t ref = c->n_segments ? *bucket_of(c, hash) : 0;
	const struct cts_entry *h;

	if (!ref)
		return;
	h = head_of(c, ref);
	if (h->hash == hash && h->len)
		__builtin_prefetch(cts_slab_data(&c->slab, h->data));
	else if (h->hash_next)
		__builtin_prefetch(head_of(c, h->hash_next));
}

/*
 * Buckets are taken apart in order, so what will be touched is known before: an
 * entry further down the chain of each of the next ones, every time.
 */
static void prefetch_split(const struct cts_cache *c)
{
	uint32_t next = c->n_buckets - c->level, depth, step, ref;

	for (depth = 0; depth < SPLIT_DEPTH; depth++) {
		uint32_t b = next + SPLIT_AHEAD * (SPLIT_DEPTH - depth);

		if (b >= c->level)
			continue;
		ref = *bucket_at(c, b);
		for (step = 0; ref && step < depth; step++)
			ref = head_of(c, ref)->hash_next;
		if (ref)
			__builtin_prefetch(head_of(c, ref), 1);
	}
}

/* Take one bucket apart: its entries go to it and to the one that is added. */
static void split_bucket(struct cts_cache *c)
{
	uint32_t added = c->n_buckets, *from = bucket_at(c, added - c->level);
	uint32_t *to = bucket_at(c, added), ref = *from, next;
	struct cts_entry *h;

	*from = *to = 0;
	for (; ref; ref = next) {
		uint32_t *bucket;

		h = head_of(c, ref);
		next = h->hash_next;
		bucket = (h->hash & (c->level * 2 - 1)) == added ? to : from;
		h->hash_next = *bucket;
		*bucket = ref;
	}
	if (++c->n_buckets == c->level * 2)
		c->level *= 2;
	prefetch_split(c);
}

/* At most one entry a bucket on average; without memory it only gets slower. */
static void index_grow(struct cts_cache *c)
{
	if (c->st.active <= c->n_buckets || c->level > UINT32_MAX / 4)
		return;
	if (c->n_buckets >> SEGMENT_BITS == c->n_segments && segments_grow(c) < 0)
		return;
	split_bucket(c);
}

static void index_del(struct cts_cache *c, uint32_t ref, const struct cts_entry *h)
{
	uint32_t *link = bucket_of(c, h->hash);

	while (*link != ref)
		link = &head_of(c, *link)->hash_next;
	*link = h->hash_next;
}

/* -- entries -- */

static uint32_t head_alloc(struct cts_cache *c)
{
	uint32_t ref = c->free_head;

	if (ref) {
		c->free_head = head_of(c, ref)->hash_next;
		return ref;
	}
	if (c->last_ref == UINT32_MAX - 1)
		return 0;
	ref = c->last_ref + 1;
	if (ref >> CHUNK_BITS >= c->n_chunks &&
	    blocks_grow((void ***)&c->chunks, &c->n_chunks, &c->max_chunks,
			CHUNK_SIZE * sizeof(struct cts_entry)) < 0)
		return 0;
	c->last_ref = ref;
	return ref;
}

static void head_free(struct cts_cache *c, uint32_t ref)
{
	struct cts_entry *h = head_of(c, ref);

	memset(h, 0, sizeof(*h));
	h->hash_next = c->free_head;
	c->free_head = ref;
}

static uint32_t insert_failed(uint64_t *counter, int err)
{
	(*counter)++;
	errno = err;
	return 0;
}

uint32_t cts_cache_insert(struct cts_cache *c, const uint8_t *packed, size_t len, uint32_t created)
{
	size_t key_len = cts_packed_key_len(packed, len);

	if (!key_len) {
		errno = EINVAL;
		return 0;
	}
	return cts_cache_insert_hashed(c, cts_cache_hash(c, packed, key_len), packed, len, created);
}

uint32_t cts_cache_insert_hashed(struct cts_cache *c, uint32_t hash, const uint8_t *packed,
				 size_t len, uint32_t created)
{
	struct cts_entry *h;
	uint32_t ref, data, *bucket;

	if (!len || len > CTS_PACK_MAX) {
		errno = EINVAL;
		return 0;
	}
	if (c->st.active >= c->limit)
		return insert_failed(&c->st.create_full, ENOSPC);
	if (!c->n_segments && segments_grow(c) < 0)
		return insert_failed(&c->st.create_nomem, ENOMEM);
	data = cts_slab_alloc(&c->slab, len);
	if (data == UINT32_MAX)
		return insert_failed(&c->st.create_nomem, ENOMEM);
	ref = head_alloc(c);
	if (!ref) {
		cts_slab_free(&c->slab, data);
		return insert_failed(&c->st.create_nomem, ENOMEM);
	}
	memcpy(cts_slab_data(&c->slab, data), packed, len);
	h = head_of(c, ref);
	*h = (struct cts_entry){ .hash = hash, .data = data,
				 .created = created, .len = len };
	bucket = bucket_of(c, h->hash);
	h->hash_next = *bucket;
	*bucket = ref;
	c->st.active++;
	c->st.created++;
	index_grow(c);
	return ref;
}

int cts_cache_replace(struct cts_cache *c, uint32_t ref, const uint8_t *packed, size_t len)
{
	struct cts_entry *h = cts_cache_entry(c, ref);
	uint32_t data;

	if (!h || !len || len > CTS_PACK_MAX) {
		c->st.update_absent += !h;
		errno = h ? EINVAL : ENOENT;
		return -1;
	}
	if (cts_slab_class(len) != cts_slab_class(h->len)) {
		data = cts_slab_alloc(&c->slab, len);
		if (data == UINT32_MAX) {
			errno = ENOMEM;
			return -1;
		}
		cts_slab_free(&c->slab, h->data);
		h->data = data;
	}
	memcpy(cts_slab_data(&c->slab, h->data), packed, len);
	h->len = len;
	c->st.updated++;
	return 0;
}

void cts_cache_remove(struct cts_cache *c, uint32_t ref)
{
	struct cts_entry *h = cts_cache_entry(c, ref);

	if (!h) {
		c->st.destroy_absent++;
		return;
	}
	index_del(c, ref, h);
	cts_slab_free(&c->slab, h->data);
	head_free(c, ref);
	c->st.active--;
	c->st.destroyed++;
}

struct cts_entry *cts_cache_entry(struct cts_cache *c, uint32_t ref)
{
	struct cts_entry *h;

	if (!ref || ref > c->last_ref)
		return NULL;
	h = head_of(c, ref);
	return h->len ? h : NULL;
}

const uint8_t *cts_cache_data(const struct cts_cache *c, uint32_t ref, size_t *len)
{
	const struct cts_entry *h;

	if (!ref || ref > c->last_ref)
		return NULL;
	h = head_of(c, ref);
	if (!h->len)
		return NULL;
	*len = h->len;
	return cts_slab_data(&c->slab, h->data);
}

uint32_t cts_cache_next(const struct cts_cache *c, uint32_t after)
{
	uint32_t ref;

	for (ref = after + 1; ref && ref <= c->last_ref; ref++)
		if (head_of(c, ref)->len)
			return ref;
	return 0;
}

void cts_cache_get_stats(const struct cts_cache *c, struct cts_cache_stats *st)
{
	*st = c->st;
	st->bytes = sizeof(*c) + c->slab.bytes + (size_t)c->n_chunks * CHUNK_SIZE *
		    sizeof(struct cts_entry) + (size_t)c->n_segments * SEGMENT_SIZE *
		    sizeof(uint32_t) + (c->max_chunks + c->max_segments) * sizeof(void *);
}
