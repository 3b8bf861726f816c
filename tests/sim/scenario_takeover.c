/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a takeover finds, and which version of a flow wins. */
#include "config.h"

#include "tests/sim/scenario.h"

static uint64_t count_of(struct sim_node *at, const struct sim_node *owner)
{
	struct cts_cache *cache = cts_engine_external(at->engine, owner->id);

	return cache ? cts_cache_count(cache) : 0;
}

/* Row 5: the link was away for longer than any timeout of ours; the only copy is there. */
static void long_silence(struct world *w)
{
	struct sim_node *a = &w->node[0], *b = &w->node[1];

	up_all(w);
	fill(a, 0, 250, 0);
	await_sync(w, a, b, 5000);
	cut_between(w, 0, 1, true);
	run_ms(w, 600000);
	expect(w, info_of(b, a).gone, "node 1 says that node 0 is gone");
	expect(w, count_of(b, a) == 250 && !wrong_entries(a, b), "and has its 250 flows after 600 s");
}

/* Row 12: -f on the active node, which dies before its table was read again. */
static void flush_and_die(struct world *w)
{
	struct sim_node *a = &w->node[0], *b = &w->node[1];

	up_all(w);
	fill(a, 0, 2000, 0);
	await_sync(w, a, b, 5000);
	cts_engine_flush_internal(a->engine, w->now);
	a->touched = true;
	run_ms(w, 3000);
	expect(w, !info_of(a, b).in_sync, "node 0 does not say that it is in sync");
	node_stop(a);
	run_ms(w, 10000);
	expect(w, count_of(b, a) == 2000, "node 1 has all 2000 flows");
}

/* The mark of the flow with the highest version that n knows. */
static uint32_t newest_mark(struct sim_node *n, uint32_t key, uint32_t *node)
{
	uint8_t buf[CTS_PACK_MAX];
	size_t len = flow_packed(0, key, 0, buf);
	uint32_t ref, version;
	struct cts_flow_store s;
	const uint8_t *packed;

	*node = cts_engine_newest_replica(n->engine, buf, cts_packed_key_len(buf, len), &ref,
					  &version);
	if (!*node)
		return 0;
	packed = cts_cache_data(cts_engine_external(n->engine, *node), ref, &len);
	return cts_flow_unpack(packed, len, &s, NULL) < 0 ? 0 : s.flow.mark;
}

/* n takes the flow over as commit does. */
static void take_over(struct world *w, struct sim_node *n, uint32_t key)
{
	uint8_t buf[CTS_PACK_MAX];
	size_t len = flow_packed(0, key, 0, buf);
	uint32_t ref, version, node;

	node = cts_engine_newest_replica(n->engine, buf, cts_packed_key_len(buf, len), &ref,
					 &version);
	if (node && version > cts_engine_own_version(n->engine, buf, cts_packed_key_len(buf, len)))
		cts_engine_adopt(n->engine, node, ref, w->now);
	n->touched = true;
}

static uint32_t own_mark(struct sim_node *n, uint32_t key)
{
	uint8_t buf[CTS_PACK_MAX];
	size_t len = flow_packed(0, key, 0, buf);
	uint32_t ref = cts_engine_find(n->engine, buf, cts_packed_key_len(buf, len));
	struct cts_flow_store s;
	const uint8_t *packed;

	if (!ref)
		return 0;
	packed = cts_cache_data(cts_engine_internal(n->engine), ref, &len);
	return cts_flow_unpack(packed, len, &s, NULL) < 0 ? 0 : s.flow.mark;
}

/* Row 8: the active role goes round; each time the flow is as its last owner left it. */
static void failback(struct world *w)
{
	unsigned int hop, wrong = 0, i;
	uint32_t mark = 1;

	up_all(w);
	put_as(&w->node[0], 0, 7, mark);
	run_ms(w, 2000);
	for (hop = 0; hop < 40; hop++) {
		struct sim_node *n = &w->node[world_below(w, w->n_nodes)];

		take_over(w, n, 7);
		wrong += own_mark(n, 7) != mark;
		for (i = world_below(w, 4); i; i--)
			put_as(n, 0, 7, ++mark);
		run_ms(w, 200 + world_below(w, 3000));
		if (world_below(w, 4) == 0)
			cts_engine_bulk(w->node[world_below(w, w->n_nodes)].engine, w->now);
	}
	expect_at_most(w, "takeovers with an older flow", wrong, 0);
}

static void newest_after_bulk(struct world *w)
{
	uint32_t node;

	up_all(w);
	put_as(&w->node[0], 0, 1, 1);
	run_ms(w, 1000);
	take_over(w, &w->node[1], 1);
	put_as(&w->node[1], 0, 1, 5);
	run_ms(w, 1000);
	cts_engine_bulk(w->node[0].engine, w->now);
	w->node[0].touched = true;
	run_ms(w, 3000);
	expect(w, newest_mark(&w->node[2], 1, &node) == 5 && node == w->node[1].id,
	       "after a -B of the former owner node 2 takes the newer one");
}

/* Each mode has truthful states; who differs is named: row 11. */
static void lossy_mode(struct world *w)
{
	struct sim_node *a = &w->node[0], *b = &w->node[1];

	up_all(w);
	fill(a, 0, 500, 0);
	expect_at_most(w, "ms until in sync", (double)await_sync(w, a, b, 15000), 12000);
	cut_between(w, 0, 1, true);
	run_ms(w, 1200);
	expect(w, !info_of(a, b).in_sync && !info_of(b, a).in_sync,
	       "they do not say so when nothing arrives");
	cut_between(w, 0, 1, false);
	await_sync(w, a, b, 30000);
}

/* A node that comes late gets what is there. */
static void late_node(struct world *w)
{
	up(w, &w->node[0]);
	fill(&w->node[0], 0, 500, 0);
	run_ms(w, 5000);
	up(w, &w->node[1]);
	await_sync(w, &w->node[0], &w->node[1], 15000);
	expect(w, count_of(&w->node[1], &w->node[0]) == 500, "it has all");
}

const struct scenario takeover_scenarios[] = {
	{ "long_silence", "a link is away for ten minutes, then a takeover", long_silence, 2, false,
	  CTS_MODE_FTFW },
	{ "flush_and_die", "-f, and the node dies", flush_and_die, 2, false, CTS_MODE_FTFW },
	{ "failback", "the active role goes round among three nodes", failback, 3, false,
	  CTS_MODE_FTFW },
	{ "newest_after_bulk", "a former owner sends everything again", newest_after_bulk, 3, false,
	  CTS_MODE_FTFW },
	{ "alarm", "mode alarm", lossy_mode, 2, false, CTS_MODE_ALARM },
	{ "notrack", "mode notrack", lossy_mode, 2, false, CTS_MODE_NOTRACK },
	{ "late_notrack", "a late node in mode notrack", late_node, 2, false, CTS_MODE_NOTRACK },
	{ "late_membership", "a late node, with membership", late_node, 2, true, CTS_MODE_FTFW },
	{ NULL, NULL, NULL, 0, false, CTS_MODE_FTFW },
};
