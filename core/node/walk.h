/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A walk through the external caches, in steps: entries may come and go between them. */
#ifndef CTS_NODE_WALK_H
#define CTS_NODE_WALK_H

#include "core/sync/engine.h"

struct walk {
	struct cts_node_info node[CTS_NODES_MAX + 1]; /* as they were when it began */
	uint64_t begun_ns;
	size_t n, at;
	uint32_t ref;
};

void walk_begin(struct walk *w, struct cts_engine *e, uint64_t now_ns);
void walk_rewind(struct walk *w);
/* The next replica: entry w->ref of node w->node[w->at]. NULL: this was all. */
struct cts_cache *walk_next(struct walk *w, struct cts_engine *e);
bool walk_is_over(const struct walk *w);

#endif
