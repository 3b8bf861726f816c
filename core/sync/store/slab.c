/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "core/sync/store/slab.h"

#define PAGES_MAX (1u << 19)   /* 19 bits of page, 13 of slot */

static unsigned int page_slots(const struct cts_slab_page *p)
{
	return CTS_SLAB_PAGE / (8u * (p->class + 1u));
}

void cts_slab_init(struct cts_slab *s)
{
	memset(s, 0, sizeof(*s));
}

void cts_slab_fini(struct cts_slab *s)
{
	uint32_t i;

	for (i = 0; i < s->n_pages; i++)
		free(s->pages[i].data);
	free(s->pages);
	cts_slab_init(s);
}

static void partial_add(struct cts_slab *s, uint32_t page)
{
	struct cts_slab_page *p = &s->pages[page];
	uint32_t *head = &s->partial[p->class];

	p->prev = 0;
	p->next = *head;
	if (*head)
		s->pages[*head - 1].prev = page + 1;
	*head = page + 1;
}

static void partial_del(struct cts_slab *s, uint32_t page)
{
	struct cts_slab_page *p = &s->pages[page];

	if (p->prev)
		s->pages[p->prev - 1].next = p->next;
	else
		s->partial[p->class] = p->next;
	if (p->next)
		s->pages[p->next - 1].prev = p->prev;
}

/* A page number without data, making room in the page table where needed. */
static int page_number(struct cts_slab *s, uint32_t *page)
{
	struct cts_slab_page *pages;
	uint32_t max = s->max_pages ? s->max_pages * 2 : 64;

	if (s->unused) {
		*page = s->unused - 1;
		s->unused = s->pages[*page].next;
		return 0;
	}
	if (s->n_pages == s->max_pages) {
		if (max > PAGES_MAX)
			return -1;
		pages = realloc(s->pages, max * sizeof(*pages));
		if (!pages)
			return -1;
		s->bytes += (max - s->max_pages) * sizeof(*pages);
		s->pages = pages;
		s->max_pages = max;
	}
	*page = s->n_pages++;
	memset(&s->pages[*page], 0, sizeof(s->pages[0]));
	return 0;
}

static int page_create(struct cts_slab *s, unsigned int class)
{
	uint8_t *data = malloc(CTS_SLAB_PAGE);
	uint32_t page;

	if (!data || page_number(s, &page) < 0) {
		free(data);
		return -1;
	}
	s->pages[page] = (struct cts_slab_page){ .data = data, .class = (uint8_t)class };
	s->bytes += CTS_SLAB_PAGE;
	partial_add(s, page);
	return 0;
}

static void page_destroy(struct cts_slab *s, uint32_t page)
{
	partial_del(s, page);
	free(s->pages[page].data);
	s->pages[page].data = NULL;
	s->pages[page].next = s->unused;
	s->unused = page + 1;
	s->bytes -= CTS_SLAB_PAGE;
}

uint32_t cts_slab_alloc(struct cts_slab *s, size_t len)
{
	unsigned int class = cts_slab_class(len);
	struct cts_slab_page *p;
	uint32_t page, slot;

	if (!s->partial[class] && page_create(s, class) < 0)
		return UINT32_MAX;
	page = s->partial[class] - 1;
	p = &s->pages[page];
	if (p->free) {
		uint16_t next;

		slot = p->free - 1u;
		memcpy(&next, p->data + (size_t)slot * 8u * (class + 1u), sizeof(next));
		p->free = next;
	} else {
		slot = p->fresh++;
	}
	if (++p->used == page_slots(p))
		partial_del(s, page);
	return page << 13 | slot;
}

void cts_slab_free(struct cts_slab *s, uint32_t ref)
{
	uint32_t page = ref >> 13;
	struct cts_slab_page *p = &s->pages[page];

	if (p->used == page_slots(p))
		partial_add(s, page);
	memcpy(cts_slab_data(s, ref), &p->free, sizeof(p->free));
	p->free = (uint16_t)((ref & 8191) + 1);
	if (--p->used == 0)
		page_destroy(s, page);
}
