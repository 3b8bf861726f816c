/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tests ask of a list of gaps, and nobody else. */
#ifndef CTS_TESTS_GAPS_LOOK_H
#define CTS_TESTS_GAPS_LOOK_H

#include "core/sync/recv/gaps.h"

static inline bool gaps_has(const struct gaps *g, uint64_t seq)
{
	for (unsigned int i = 0; i < g->n && g->range[i].from <= seq; i++)
		if (seq <= g->range[i].to)
			return true;
	return false;
}

/* How many messages are missing. */
static inline uint64_t gaps_messages(const struct gaps *g)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < g->n; i++)
		n += g->range[i].to - g->range[i].from + 1;
	return n;
}

#endif
