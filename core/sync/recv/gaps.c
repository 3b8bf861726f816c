/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ranges of sequence numbers that are missing from a stream: see gaps.h. */
#include "config.h"

#include <string.h>

#include "core/sync/recv/gaps.h"

/* Of the ranges and from, the one whose distance to its successor is the smallest. */
static unsigned int closest(const struct gaps *g, uint64_t from)
{
	unsigned int best = g->n - 1;
	uint64_t least = from - g->range[best].to;

	for (unsigned int i = 0; i + 1 < g->n; i++) {
		uint64_t distance = g->range[i + 1].from - g->range[i].to;

		if (distance < least) {
			least = distance;
			best = i;
		}
	}
	return best;
}

/* The n-th range disappears; those above it move down. */
static void take_out(struct gaps *g, unsigned int at)
{
	g->n--;
	memmove(&g->range[at], &g->range[at + 1], (g->n - at) * sizeof(g->range[0]));
}

static void append(struct gaps *g, uint64_t from, uint64_t to)
{
	g->range[g->n++] = (struct cts_range){ from, to };
}

bool gaps_open(struct gaps *g, uint64_t from, uint64_t to, uint64_t now_ns)
{
	unsigned int at;

	if (!g->n)
		g->since_ns = now_ns;
	if (g->n && g->range[g->n - 1].to + 1 >= from) {
		g->range[g->n - 1].to = to;
		return true;
	}
	if (g->n < GAPS_MAX) {
		append(g, from, to);
		return true;
	}
	at = closest(g, from);
	if (at == g->n - 1) {
		g->range[at].to = to;
		return false;
	}
	g->range[at].to = g->range[at + 1].to;
	take_out(g, at + 1);
	append(g, from, to);
	return false;
}

unsigned int gaps_settle(struct gaps *g, uint64_t floor)
{
	unsigned int closed = 0;

	while (closed < g->n && g->range[closed].to < floor)
		closed++;
	g->n -= closed;
	memmove(&g->range[0], &g->range[closed], g->n * sizeof(g->range[0]));
	if (g->n && g->range[0].from < floor)
		g->range[0].from = floor;
	return closed;
}

void gaps_clear(struct gaps *g)
{
	g->n = 0;
}
