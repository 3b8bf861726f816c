/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <string.h>

#include "core/node/health.h"

static size_t count_missing(const struct cts_config *c, const struct cts_node_health *h)
{
	size_t n = cts_options_count(c->sync, "nodes"), missing = 0;

	for (size_t i = 0; i < n; i++) {
		uint32_t id = cts_node_id(cts_options_item(c->sync, "nodes", i));
		bool known = false;

		for (size_t k = 0; k < h->n; k++)
			known |= h->node[k].id == id;
		missing += !known;
	}
	return missing;
}

static void collect_links(const struct cts_links *links, struct cts_node_health *h)
{
	for (size_t i = 0; i < cts_links_count(links); i++) {
		struct cts_link_info info;

		cts_links_info(links, i, &info);
		h->link_up |= info.status.up;
		h->link_down |= !info.status.up;
	}
}

/* Is anybody there whose flows this node does not know yet? Somebody who left does
 * not count: what is here of it is the best there is. */
static const char *why_not_eligible(struct cts_node *n, const struct cts_node_health *h)
{
	const struct cts_options *sync = cts_node_config(n)->sync;
	uint64_t grace_ms = 2 * (uint64_t)cts_options_int(sync, "dead_after_ms") + 1000;
	uint64_t up_ms = (cts_node_now_ns(n) - cts_node_started_ns(n)) / 1000000u;

	if (!h->reader.ready)
		return "the kernel's table is not read yet";
	if (strcmp(h->role, "active") == 0)
		return NULL;
	for (size_t i = 0; i < h->n; i++) {
		const struct cts_node_info *p = &h->node[i];

		if (!p->self && !p->gone && !p->complete)
			return "not all flows of a node that is there are here yet";
	}
	if (!h->peers && up_ms < grace_ms)
		return "there was no time to receive from other nodes yet";
	return NULL;
}

void cts_node_get_health(struct cts_node *n, struct cts_node_health *h)
{
	struct cts_engine *e = cts_node_engine(n);

	memset(h, 0, sizeof(*h));
	cts_node_reader_get_stats(cts_node_reader(n), &h->reader);
	if (!e) {
		h->role = "statistics";
		h->why_not = "no sync group is configured";
		h->state = "running";
		return;
	}
	h->n = cts_engine_nodes(e, h->node, CTS_NODES_MAX + 1, cts_node_now_ns(n));
	for (size_t i = 0; i < h->n; i++) {
		if (h->node[i].self)
			continue;
		h->peers++;
		h->in_sync += h->node[i].in_sync;
	}
	h->missing = count_missing(cts_node_config(n), h);
	collect_links(cts_node_links(n), h);
	h->role = cts_takeover_role(cts_node_takeover(n));
	h->why_not = why_not_eligible(n, h);
	if (!h->peers || !h->in_sync || !h->reader.ready || !h->link_up)
		h->code = 2;
	else if (h->in_sync < h->peers || h->missing || h->link_down)
		h->code = 1;
	h->state = h->code == 0 ? "in sync" : h->code == 1 ? "degraded" : "not in sync";
}
