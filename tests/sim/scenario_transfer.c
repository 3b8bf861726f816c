/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Transfers and repairs: how long, how many bytes. */
#include "config.h"

#include "tests/sim/scenario.h"

#define PORT_RATE UINT64_C(12500000)     /* 100 Mbit/s in bytes */
#define PORT_QUEUE 131072u

/* What the flows cost at least: their records, a message each 1472 bytes. */
static double ideal_bytes(uint32_t flows)
{
	uint8_t buf[CTS_PACK_MAX];

	return (double)flows * (double)(flow_packed(0, flows, 1, buf) + 2 + 1);
}

static void transfer(struct world *w, uint32_t flows, double max_s, double max_factor)
{
	struct sim_node *a = &w->node[0], *b = &w->node[1];
	double ms;

	up_all(w);
	run_ms(w, 1000);
	bytes_zero(w);
	fill(a, 0, flows, 0);
	ms = (double)await_sync(w, a, b, (uint64_t)(max_s * 1000));
	expect_at_most(w, "seconds until in sync", ms / 1000, max_s);
	expect_at_most(w, "times the bytes", (double)bytes_sent(a) / ideal_bytes(flows), max_factor);
	expect_at_most(w, "resets", (double)info_of(a, b).resets, 0);
}

static void loss10(struct world *w)
{
	net_set_all(&w->net, &(struct sim_path){ .delay_us = 50, .loss = 100 });
	transfer(w, 200000, 5, 3);
}

static void loss30(struct world *w)
{
	net_set_all(&w->net, &(struct sim_path){ .delay_us = 50, .loss = 300 });
	transfer(w, 200000, 30, 6);
}

static void port(struct world *w, uint32_t flows)
{
	double link_s = ideal_bytes(flows) * 1.05 / (double)PORT_RATE;

	net_set_all(&w->net, &(struct sim_path){ .delay_us = 50, .rate = PORT_RATE,
						 .queue = PORT_QUEUE });
	transfer(w, flows, 2 * link_s + 0.3, 1.5);
}

static void slow_port(struct world *w)
{
	port(w, 200000);
}

static void slow_port_million(struct world *w)
{
	port(w, 1000000);
}

/* A path that drops large packets silently: row 20. */
static void black_hole(struct world *w)
{
	net_set_all(&w->net, &(struct sim_path){ .delay_us = 50, .hole = 1000 });
	up_all(w);
	bytes_zero(w);
	fill(&w->node[0], 0, 2000, 0);
	expect_at_most(w, "ms until in sync",
		       (double)await_sync(w, &w->node[0], &w->node[1], 15000), 10000);
	expect_at_most(w, "times the bytes",
		       (double)bytes_sent(&w->node[0]) / ideal_bytes(2000), 10);
	expect(w, w->node[0].reports[CTS_REPORT_SIZE] == 1, "it was said once");
}

/* The same path, and it is what the receiver asks that is too large: nobody acknowledges
 * that, and it has no flows of its own whose messages could show it. */
static void black_hole_repair(struct world *w)
{
	struct sim_node *a = &w->node[0], *b = &w->node[1];

	up_all(w);
	fill(a, 0, 2000, 0);
	await_sync(w, a, b, 15000);
	cut_between(w, 0, 1, true);
	run_ms(w, 3000);
	fill(a, 0, 400, 1);
	run_ms(w, 500);
	net_set_all(&w->net, &(struct sim_path){ .delay_us = 50, .hole = 1000 });
	cut_between(w, 0, 1, false);
	expect_at_most(w, "ms until in sync", (double)await_sync(w, a, b, 15000), 3000);
	expect_at_most(w, "entries that are wrong then", (double)wrong_entries(a, b), 0);
}

/* Row 21: k of 1,000,000 entries differ after the link was away. */
static void repair(struct world *w, uint32_t k)
{
	const uint32_t n = 1000000;
	struct sim_node *a = &w->node[0], *b = &w->node[1];
	uint64_t began;
	double bytes, ms;
	uint32_t i;

	net_set_all(&w->net, &(struct sim_path){ .delay_us = 100, .rate = 125000000,
						 .queue = 64 << 20 });
	up_all(w);
	fill(a, 0, n, 0);
	await_sync(w, a, b, 60000);
	run_ms(w, 6000);
	cut_between(w, 0, 1, true);
	run_ms(w, 3000);
	for (i = 0; i < k; i++)
		put(a, (uint32_t)((uint64_t)i * 2654435761u % n), 1);
	run_ms(w, 500);
	cut_between(w, 0, 1, false);
	bytes_zero(w);
	began = w->now;
	while (!both_in_sync(a, b) && !*w->failure && w->now - began < 10 * SECOND)
		run_ms(w, 1);
	ms = (double)(w->now - began) / 1e6;
	bytes = (double)(bytes_sent(a) + bytes_sent(b)) -
		(double)(a->sent_bytes[CTS_MSG_HELLO] + b->sent_bytes[CTS_MSG_HELLO]);
	expect_at_most(w, "entries that are wrong then", (double)wrong_entries(a, b), 0);
	expect_at_most(w, "ms after the link is back", ms, 300);
	expect_at_most(w, "bytes", bytes, 10 * ideal_bytes(k) + 16384);
}

static void repair_10(struct world *w)
{
	repair(w, 10);
}

static void repair_1000(struct world *w)
{
	repair(w, 1000);
}

/* Row 2: one message lost at the low end of a full window stalls nobody. */
struct lose_one {
	uint64_t seq;
	bool armed;
};

static uint64_t lose_one(struct world *w, unsigned int from, unsigned int to, const uint8_t *msg,
			 size_t len)
{
	struct lose_one *l = w->scenario;
	uint64_t seq = 0;
	unsigned int i;

	(void)to;
	(void)len;
	for (i = 24; i < 32; i++)
		seq = seq << 8 | msg[i];
	return l->armed && from == 0 && msg[3] == CTS_MSG_DATA && seq == l->seq ? UINT64_MAX : 0;
}

static void one_lost(struct world *w)
{
	struct sim_node *a = &w->node[0];
	struct lose_one l = { .armed = true };

	up_all(w);
	run_ms(w, 2000);
	l.seq = a->engine->sender.window.last + 2;
	w->scenario = &l;
	w->tap = lose_one;
	fill(a, 0, 100000, 0);
	expect_at_most(w, "ms until node 1 has all",
		       (double)await_sync(w, a, &w->node[1], 5000), 500);
	expect_at_most(w, "ms more until node 2 has all",
		       (double)await_sync(w, a, &w->node[2], 5000), 200);
	expect_at_most(w, "resets", (double)a->engine->base.st.resets, 0);
}

/* Row 16: what a former life had and this one has not is gone at once. */
static void stale_half(struct world *w)
{
	const uint32_t n = 1000000;
	struct sim_node *a = &w->node[0], *b = &w->node[1];
	uint64_t began;

	up_all(w);
	fill(a, 0, n, 0);
	await_sync(w, a, b, 60000);
	node_stop(a);
	run_ms(w, 500);
	node_start(w, a);
	fill(a, 0, n / 2, 0);
	cts_engine_table_ready(a->engine, w->now);
	began = w->now;
	await_sync(w, a, b, 60000);
	while (cts_cache_count(cts_engine_external(b->engine, a->id)) > n / 2 &&
	       w->now - began < 20 * SECOND)
		run_ms(w, 1);
	expect_at_most(w, "ms until it is right", (double)(w->now - began) / 1e6, 4000);
}

const struct scenario transfer_scenarios[] = {
	{ "loss10", "200,000 flows over 10 % loss", loss10, 2, false, CTS_MODE_FTFW },
	{ "loss30", "200,000 flows over 30 % loss", loss30, 2, false, CTS_MODE_FTFW },
	{ "slow_port", "200,000 flows over 100 Mbit/s with a queue of 128 KiB", slow_port, 2, false,
	  CTS_MODE_FTFW },
	{ "slow_port_million", "1,000,000 flows over it", slow_port_million, 2, false, CTS_MODE_FTFW },
	{ "black_hole", "messages above 1000 bytes vanish", black_hole, 2, false, CTS_MODE_FTFW },
	{ "black_hole_repair", "so do questions, when a repair is due", black_hole_repair, 2, false,
	  CTS_MODE_FTFW },
	{ "repair_10", "10 of 1,000,000 flows differ", repair_10, 2, false, CTS_MODE_FTFW },
	{ "repair_1000", "1,000 of 1,000,000 flows differ", repair_1000, 2, false, CTS_MODE_FTFW },
	{ "one_lost", "one message lost below a full window", one_lost, 3, false, CTS_MODE_FTFW },
	{ "stale_half", "an owner restarts with half of its 1,000,000 flows", stale_half, 2, false,
	  CTS_MODE_FTFW },
	{ NULL, NULL, NULL, 0, false, CTS_MODE_FTFW },
};
