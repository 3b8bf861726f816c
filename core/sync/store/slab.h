/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packed flows in slabs: pages of 64 KiB, each cut into slots of one size, sizes
 * in steps of 8 bytes. A slot is named by 32 bits. An emptied page serves any
 * size again.
 */
#ifndef CTS_SYNC_SLAB_H
#define CTS_SYNC_SLAB_H

#include <stddef.h>
#include <stdint.h>

#define CTS_SLAB_CLASSES 32u       /* 8, 16, ... 256 bytes */
#define CTS_SLAB_PAGE 65536u

struct cts_slab_page {
	uint8_t *data;             /* owned; NULL: page not in use */
	uint32_t next, prev;       /* pages of the class with room, by number + 1; 0: end */
	uint16_t used, fresh;      /* slots in use; slots ever used */
	uint16_t free;             /* first of the freed slots + 1 */
	uint8_t class;
};

struct cts_slab {
	struct cts_slab_page *pages;          /* owned */
	uint32_t n_pages, max_pages;
	uint32_t unused;                      /* first page without data + 1, by next */
	uint32_t partial[CTS_SLAB_CLASSES];   /* first page with room + 1 */
	size_t bytes;                         /* memory held */
};

void cts_slab_init(struct cts_slab *s);
void cts_slab_fini(struct cts_slab *s);
/* A slot for len bytes (1 to 256). UINT32_MAX: no memory. */
uint32_t cts_slab_alloc(struct cts_slab *s, size_t len);
void cts_slab_free(struct cts_slab *s, uint32_t ref);

static inline unsigned int cts_slab_class(size_t len)
{
	return (unsigned int)((len - 1) / 8);
}

static inline uint8_t *cts_slab_data(const struct cts_slab *s, uint32_t ref)
{
	const struct cts_slab_page *p = &s->pages[ref >> 13];

	return p->data + (size_t)(ref & 8191) * 8u * (p->class + 1u);
}

#endif
