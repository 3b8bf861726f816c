/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <string.h>

#include "core/node/walk.h"

void walk_begin(struct walk *w, struct cts_engine *e, uint64_t now_ns)
{
	memset(w, 0, sizeof(*w));
	w->begun_ns = now_ns;
	w->n = cts_engine_nodes(e, w->node, CTS_NODES_MAX + 1, now_ns);
}

void walk_rewind(struct walk *w)
{
	w->at = 0;
	w->ref = 0;
}

struct cts_cache *walk_next(struct walk *w, struct cts_engine *e)
{
	for (; w->at < w->n; w->at++, w->ref = 0) {
		struct cts_cache *cache = w->node[w->at].self
						  ? NULL
						  : cts_engine_external(e, w->node[w->at].id);

		w->ref = cache ? cts_cache_next(cache, w->ref) : 0;
		if (w->ref)
			return cache;
	}
	return NULL;
}

bool walk_is_over(const struct walk *w)
{
	return w->at >= w->n;
}
