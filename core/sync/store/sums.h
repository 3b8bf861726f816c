/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sums over a set of (key, sequence number) pairs: what anti-entropy compares.
 * The key's hash under the owner's epoch names one of 65536 leaves; a leaf's sum
 * is the sum, modulo 2^64, of a mix of hash and sequence number. Levels above are
 * sums of 16 children each, made when they are asked for: level 1 has 256 nodes,
 * level 2 has 4096, level 3 are the leaves.
 */
#ifndef CTS_SYNC_SUMS_H
#define CTS_SYNC_SUMS_H

#include <stddef.h>
#include <stdint.h>

#define CTS_SUMS_LEAVES 65536u
#define CTS_SUMS_LEVELS 3u
#define CTS_SUMS_FANOUT 16u
#define CTS_SUM_BYTES 6u             /* of a sum on the wire: its low 48 bits */

#define CTS_SUMS_LATE 16u

struct sums {
	uint8_t key[16];             /* from the owner's epoch */
	uint64_t count, total;       /* of all */
	uint64_t *leaf;              /* owned; CTS_SUMS_LEAVES */
	/* The last changes are not in their leaves yet: these are on the way to the CPU's
	 * cache meanwhile. */
	struct { uint64_t term; unsigned int leaf; } late[CTS_SUMS_LATE];
	unsigned int late_next;
};

int sums_init(struct sums *s, uint64_t epoch);         /* 0, or -1 with ENOMEM */
void sums_fini(struct sums *s);
void sums_clear(struct sums *s);                       /* empty */
void sums_reset(struct sums *s, uint64_t epoch);       /* empty, under another epoch's key */

/* Hash of a key (the first bytes of a packed flow, CTS_PACK_KEY_MAX at most). */
uint64_t sums_hash(const struct sums *s, const uint8_t *key, size_t key_len);
static inline unsigned int sums_leaf(uint64_t hash)
{
	return (unsigned int)(hash >> 48);
}
/* The 24 bits below the leaf: they name a key within its leaf. */
static inline uint32_t sums_key_part(uint64_t hash)
{
	return (uint32_t)(hash >> 24) & 0xffffffu;
}
void sums_add(struct sums *s, uint64_t hash, uint64_t seq);
void sums_sub(struct sums *s, uint64_t hash, uint64_t seq);

unsigned int sums_nodes(unsigned int level);           /* 256, 4096, 65536 */
/* The low 48 bits of a node's sum. */
uint64_t sums_node(const struct sums *s, unsigned int level, unsigned int node);

#endif
