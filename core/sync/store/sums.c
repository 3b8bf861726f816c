/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sums over what was sent, in leaves: see sums.h. */
#include "config.h"

#include <endian.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/sync/store/sums.h"

_Static_assert(sizeof(((struct sums *)0)->key) == crypto_shorthash_KEYBYTES, "key of SipHash");

static void set_key(struct sums *s, uint64_t epoch)
{
	uint64_t half[2] = { htobe64(epoch), htobe64(~epoch) };

	memcpy(s->key, half, sizeof(half));
}

int sums_init(struct sums *s, uint64_t epoch)
{
	memset(s, 0, sizeof(*s));
	set_key(s, epoch);
	s->leaf = calloc(CTS_SUMS_LEAVES, sizeof(*s->leaf));
	return s->leaf ? 0 : -1;
}

void sums_fini(struct sums *s)
{
	free(s->leaf);
	s->leaf = NULL;
}

void sums_clear(struct sums *s)
{
	s->count = s->total = 0;
	memset(s->leaf, 0, CTS_SUMS_LEAVES * sizeof(*s->leaf));
	memset(s->late, 0, sizeof(s->late));
}

void sums_reset(struct sums *s, uint64_t epoch)
{
	set_key(s, epoch);
	sums_clear(s);
}

uint64_t sums_hash(const struct sums *s, const uint8_t *key, size_t key_len)
{
	uint8_t out[crypto_shorthash_BYTES];
	uint64_t hash;

	crypto_shorthash(out, key, key_len, s->key);
	memcpy(&hash, out, sizeof(hash));
	return le64toh(hash);
}

/* Spreads over all bits, so that differences do not cancel each other in a sum. */
static uint64_t mix(uint64_t hash, uint64_t seq)
{
	uint64_t x = hash + seq * UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static void leaf_change(struct sums *s, unsigned int leaf, uint64_t term)
{
	unsigned int i = s->late_next++ % CTS_SUMS_LATE;

	__builtin_prefetch(&s->leaf[leaf], 1);
	s->leaf[s->late[i].leaf] += s->late[i].term;
	s->late[i].leaf = leaf;
	s->late[i].term = term;
}

void sums_add(struct sums *s, uint64_t hash, uint64_t seq)
{
	uint64_t term = mix(hash, seq);

	s->count++;
	s->total += term;
	leaf_change(s, sums_leaf(hash), term);
}

void sums_sub(struct sums *s, uint64_t hash, uint64_t seq)
{
	uint64_t term = mix(hash, seq);

	s->count--;
	s->total -= term;
	leaf_change(s, sums_leaf(hash), -term);
}

unsigned int sums_nodes(unsigned int level)
{
	unsigned int nodes = CTS_SUMS_LEAVES;

	for (; level < CTS_SUMS_LEVELS; level++)
		nodes /= CTS_SUMS_FANOUT;
	return nodes;
}

uint64_t sums_node(const struct sums *s, unsigned int level, unsigned int node)
{
	unsigned int leaves = CTS_SUMS_LEAVES / sums_nodes(level);
	const uint64_t *leaf = s->leaf + (size_t)node * leaves;
	uint64_t sum = 0;

	for (unsigned int i = 0; i < leaves; i++)
		sum += leaf[i];
	for (unsigned int i = 0; i < CTS_SUMS_LATE; i++)
		if (s->late[i].leaf - node * leaves < leaves)
			sum += s->late[i].term;
	return sum & ((UINT64_C(1) << CTS_SUM_BYTES * 8) - 1);
}
