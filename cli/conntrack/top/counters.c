/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes by flow, at two moments. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "cli/conntrack/top/counters.h"

#define SLOTS_MIN 1024u

int counters_init(struct counters *c, size_t limit)
{
	*c = (struct counters){ .n_slots = SLOTS_MIN, .limit = limit };
	c->slot = calloc(c->n_slots, sizeof(*c->slot));
	return c->slot ? 0 : -1;
}

void counters_fini(struct counters *c)
{
	free(c->slot);
	c->slot = NULL;
}

void counters_clear(struct counters *c)
{
	memset(c->slot, 0, c->n_slots * sizeof(*c->slot));
	c->n = 0;
	c->full = false;
}

static struct counter *find(const struct counters *c, uint32_t id)
{
	size_t i = id & (c->n_slots - 1);

	while (c->slot[i].used && c->slot[i].id != id)
		i = (i + 1) & (c->n_slots - 1);
	return &c->slot[i];
}

static bool grow(struct counters *c)
{
	struct counters grown = { .n_slots = c->n_slots * 2 };

	grown.slot = calloc(grown.n_slots, sizeof(*grown.slot));
	if (!grown.slot)
		return false;
	for (size_t i = 0; i < c->n_slots; i++)
		if (c->slot[i].used)
			*find(&grown, c->slot[i].id) = c->slot[i];
	free(c->slot);
	c->slot = grown.slot;
	c->n_slots = grown.n_slots;
	return true;
}

void counters_put(struct counters *c, uint32_t id, uint64_t bytes)
{
	struct counter *slot;

	/* Half of the slots stay free. */
	if (c->n == c->limit || (c->n >= c->n_slots / 2 && !grow(c))) {
		c->full = true;
		return;
	}
	slot = find(c, id);
	c->n += !slot->used;
	*slot = (struct counter){ .bytes = bytes, .id = id, .used = 1 };
}

bool counters_get(const struct counters *c, uint32_t id, uint64_t *bytes)
{
	const struct counter *slot = find(c, id);

	*bytes = slot->bytes;
	return slot->used;
}
