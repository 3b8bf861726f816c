/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is said of nodes, and who they are. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "tests/sim/scenario.h"

static void table(struct world *w, uint32_t flows)
{
	up_all(w);
	fill(&w->node[0], 0, flows, 0);
	await_sync(w, &w->node[0], &w->node[1], 20000);
}

static uint64_t ms_until_not_in_sync(struct world *w, struct sim_node *a, struct sim_node *b)
{
	uint64_t began = w->now;

	while (info_of(a, b).in_sync && w->now - began < 100 * SECOND)
		run_ms(w, 10);
	return (w->now - began) / MS;
}

/* Row 4: what node 0 sends does not arrive any more, and nothing changes, or much. */
static void one_way(struct world *w)
{
	table(w, 1000);
	net_path(&w->net, 0, 0, 1)->cut = true;
	put(&w->node[0], 5, 1);
	expect_at_most(w, "ms until node 0 says so",
		       (double)ms_until_not_in_sync(w, &w->node[0], &w->node[1]), 1000);
	expect_at_most(w, "ms more until node 1 says so",
		       (double)ms_until_not_in_sync(w, &w->node[1], &w->node[0]), 1000);
}

static void own_full(struct world *w)
{
	w->node[0].limit = 1000;
	table(w, 900);
	fill(&w->node[0], 900, 2100, 0);
	run_ms(w, 1000);
	expect(w, !both_in_sync(&w->node[0], &w->node[1]), "a full cache of its own is said");
	expect(w, !info_of(&w->node[1], &w->node[0]).in_sync, "the other one says it, too");
}

/* Row 15: node 1 has no room for all; it is quiet, and whole again when there is. */
static void refused(struct world *w)
{
	struct sim_node *a = &w->node[0], *b = &w->node[1];
	uint32_t key;

	b->limit = 1000;
	up_all(w);
	fill(a, 0, 3000, 0);
	run_ms(w, 20000);
	expect(w, !info_of(a, b).in_sync && !info_of(b, a).in_sync, "both say that it is not all");
	bytes_zero(w);
	run_ms(w, 60000);
	expect_at_most(w, "messages a second with nothing to say",
		       (double)(messages_sent(a) + messages_sent(b)) / 60, 20);
	for (key = 0; key < 3000; key++)
		if (key % 6)
			del(a, key);
	expect_at_most(w, "ms until it is whole again", (double)await_sync(w, a, b, 90000), 70000);
}

/* Row 13: a virtual machine is put back, or cloned. */
static void churn(struct world *w, struct sim_node *n, uint32_t *version, uint64_t ms)
{
	uint64_t end = w->now + ms * MS;

	while (w->now < end && !*w->failure) {
		put(n, *version % 2000, *version);
		++*version;
		run_ms(w, 10);
	}
}

static void reverted(struct world *w)
{
	struct sim_node *a = &w->node[0], *b = &w->node[1];
	uint64_t epoch, began, lied = 0;
	uint32_t version = 1, i;

	table(w, 2000);
	churn(w, a, &version, 20000);
	epoch = a->engine->base.epoch;
	node_revert(w, a, a->born_rng);
	expect(w, a->engine->base.epoch == epoch, "it begins as it was");
	fill(a, 1000, 2000, 7);
	cts_engine_table_ready(a->engine, w->now);
	began = w->now;
	for (i = 0; i < 2000 && (wrong_entries(a, b) || !both_in_sync(a, b)); i++) {
		lied += wrong_entries(a, b) && info_of(b, a).in_sync && info_of(a, b).in_sync;
		run_ms(w, 10);
	}
	expect(w, a->engine->base.epoch != epoch, "it took a new epoch");
	expect(w, a->reports[CTS_REPORT_EPOCH] == 1, "it said so once");
	expect_at_most(w, "ms until it is right", (double)(w->now - began) / 1e6, 5000);
	expect_at_most(w, "ms that both said so too early", (double)lied * 10, 1000);
}

static void twin_names(struct world *w, bool clone)
{
	struct sim_node *a = &w->node[0], *x = &w->node[1], *y = &w->node[2];
	uint64_t accepted, end;
	uint32_t version = 0;

	up(w, a);
	up(w, x);
	fill(x, 0, 1000, 0);
	run_ms(w, 5000);
	node_rename(w, y, x->name);
	if (clone)
		node_revert(w, y, x->born_rng);
	else
		node_start(w, y);
	fill(y, 5000, 1000, 5);
	cts_engine_table_ready(y->engine, w->now);
	run_ms(w, 5000);
	accepted = a->engine->base.st.epochs_accepted;
	bytes_zero(w);
	for (end = w->now + 60 * SECOND; w->now < end; run_ms(w, 100)) {
		put(x, version % 1000, version + 1);
		version++;
	}
	expect_at_most(w, "epochs accepted in a minute",
		       (double)(a->engine->base.st.epochs_accepted - accepted), 1);
	expect(w, a->reports[CTS_REPORT_CONFLICT] || y->reports[CTS_REPORT_CONFLICT] ||
		  x->reports[CTS_REPORT_CONFLICT], "it was said");
	if (!clone)
		expect_at_most(w, "entries of the elder that are wrong", (double)wrong_entries(x, a), 2);
}

static void same_name(struct world *w)
{
	twin_names(w, false);
}

static void cloned(struct world *w)
{
	twin_names(w, true);
}

/* Row 14: names come and go; the table of nodes has room for those who are there. */
static void many_names(struct world *w)
{
	struct sim_node *n = &w->node[1];
	char name[16];
	uint32_t i;

	up_all(w);
	for (i = 0; i < 100 && !*w->failure; i++) {
		cts_engine_bye(n->engine, w->now);
		run_ms(w, 10);
		snprintf(name, sizeof(name), "fw-%u", i);
		node_rename(w, n, name);
		up(w, n);  /* without flows: what a name that is gone had is kept */
		await_sync(w, n, &w->node[0], 5000);
	}
	expect(w, i == 100, "a hundred names were accepted, one after the other");
}

static void sixty_four(struct world *w)
{
	uint64_t messages = 0;
	unsigned int i;

	up_all(w);
	for (i = 0; i < w->n_nodes; i++)
		fill(&w->node[i], 0, 50, 0);
	run_ms(w, 5000);
	for (i = 1; i < w->n_nodes; i++)
		await_sync(w, &w->node[0], &w->node[i], 30000);
	bytes_zero(w);
	run_ms(w, 10000);
	for (i = 0; i < w->n_nodes; i++)
		messages += messages_sent(&w->node[i]);
	expect_at_most(w, "messages a second of a node, idle",
		       (double)messages / 10 / w->n_nodes, 25);
}

/* Row 19: one HELLO that names a number far ahead. */
static void far_ahead(struct world *w)
{
	struct sim_node *a = &w->node[0], *b = &w->node[1];
	struct cts_wire_header h = { .type = CTS_MSG_HELLO };
	struct hello hello;
	struct cts_wire_out o;
	uint8_t buf[600];
	struct iovec v = { .iov_base = buf };

	table(w, 1000);
	hello = peers_find(&b->engine->peers, a->id)->hello;
	hello.last = UINT64_C(1) << 47;
	h.cluster = a->engine->base.cluster;
	h.node = a->id;
	h.epoch = a->engine->base.epoch;
	cts_wire_begin(&o, buf, sizeof(buf));
	build_hello(&o, &hello);
	v.iov_len = cts_wire_finish(&o, &h);
	cts_engine_receive(b->engine, 0, 0, &v, 1, w->now);
	b->touched = true;
	fill(a, 1000, 1000, 0);
	expect_at_most(w, "ms until both hold all", (double)await_sync(w, a, b, 20000), 15000);
}

static void overtaking_acks(struct world *w)
{
	struct sim_node *a = &w->node[0];
	uint64_t began, sent = 0;

	table(w, 20000);
	net_path(&w->net, 0, 0, 1)->loss = 10;
	net_path(&w->net, 0, 1, 0)->jitter_us = 5000;
	for (began = w->now; w->now - began < 20 * SECOND; run_ms(w, 1))
		for (; sent < (w->now - began) * 5000 / SECOND; sent++)
			put(a, (uint32_t)(sent % 20000), (uint32_t)(sent / 20000 + 1));
	expect_at_most(w, "resets", (double)info_of(a, &w->node[1]).resets, 0);
	expect_at_most(w, "ms until in sync", (double)await_sync(w, a, &w->node[1], 5000), 1000);
}

/* Row 18: flows that came and went keep no live ones out. */
static void tombstones(struct world *w)
{
	struct sim_node *a = &w->node[0];
	uint32_t oldest = 0, newest, key, lost = 0;
	uint64_t began;

	w->node[0].limit = w->node[1].limit = 20000;
	table(w, 18000);
	newest = 18000;
	net_path(&w->net, 0, 1, 0)->cut = true;
	for (began = w->now; w->now - began < 900 * MS; run_ms(w, 1))
		for (; newest - 18000 < (w->now - began) * 20000 / SECOND; newest++) {
			del(a, oldest++);
			lost += !put(a, newest, 0);
		}
	net_path(&w->net, 0, 1, 0)->cut = false;
	for (key = oldest; key < newest; key++) {
		uint8_t buf[CTS_PACK_MAX];
		size_t len = flow_packed(0, key, 0, buf);

		lost += !cts_engine_find(a->engine, buf, cts_packed_key_len(buf, len));
	}
	expect_at_most(w, "live flows that found no room", lost, 0);
	await_sync(w, a, &w->node[1], 20000);
}

const struct scenario state_scenarios[] = {
	{ "one_way", "what node 0 sends is lost", one_way, 2, false, CTS_MODE_FTFW },
	{ "own_full", "node 0 has more flows than its cache", own_full, 2, false, CTS_MODE_FTFW },
	{ "refused", "node 1 has less room than node 0 has flows", refused, 2, false, CTS_MODE_FTFW },
	{ "reverted", "a virtual machine is put back to a snapshot", reverted, 2, false,
	  CTS_MODE_FTFW },
	{ "same_name", "two live nodes of one name", same_name, 3, false, CTS_MODE_FTFW },
	{ "cloned", "a virtual machine is cloned", cloned, 3, false, CTS_MODE_FTFW },
	{ "many_names", "a node that is renamed a hundred times", many_names, 2, false,
	  CTS_MODE_FTFW },
	{ "sixty_four", "64 nodes", sixty_four, 64, false, CTS_MODE_FTFW },
	{ "far_ahead", "a HELLO with a number far ahead", far_ahead, 2, false, CTS_MODE_FTFW },
	{ "overtaking_acks", "acknowledgements overtake each other", overtaking_acks, 2, false,
	  CTS_MODE_FTFW },
	{ "tombstones", "20,000 flows a second come and go without acknowledgement", tombstones, 2,
	  false, CTS_MODE_FTFW },
	{ NULL, NULL, NULL, 0, false, CTS_MODE_FTFW },
};
