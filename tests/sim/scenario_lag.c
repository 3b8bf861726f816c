/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Row 7: a healthy pair is not kept waiting by a third node. Node 0 changes 20,000
 * entries a second; how old is each change when node 2 has it?
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

#include "tests/sim/scenario.h"

#define FLOWS 50000u
#define RATE 20000u
#define SECONDS 20u
#define BUCKETS 100000u              /* of 10 us: a second */

struct lag {
	uint64_t *changed;           /* of each flow, since when its newest change waits; 0: it does not */
	uint32_t *version;
	uint64_t bucket[BUCKETS];
	uint64_t n;
	unsigned int owner, at;
};

static void lag_applied(struct world *w, struct sim_node *n, struct sim_node *owner,
			const struct cts_applied *list, size_t len)
{
	struct lag *l = w->scenario;
	struct cts_flow_store s;
	uint32_t key;
	uint64_t late;

	if (!owner || n->index != l->at || owner->index != l->owner)
		return;
	for (; len; list++, len--) {
		if (list->gone || cts_flow_unpack(list->packed, list->len, &s, NULL) < 0)
			continue;
		key = (ntohl(s.flow.orig.src.v4) & 0x3ffffu) << 14 |
		      (uint32_t)(ntohs(s.flow.orig.sport) - 1024u);
		if (key >= FLOWS || !l->changed[key] || s.flow.mark != l->version[key])
			continue;
		late = (w->now - l->changed[key]) / 10000;
		l->bucket[late < BUCKETS ? late : BUCKETS - 1]++;
		l->n++;
		l->changed[key] = 0;
	}
}

static double percentile_ms(const struct lag *l, double p)
{
	uint64_t want = (uint64_t)((double)l->n * p), have = 0;
	unsigned int i;

	for (i = 0; i < BUCKETS && have <= want; i++)
		have += l->bucket[i];
	return (double)i / 100;
}

static void lag_begin(struct world *w, struct lag *l, unsigned int owner, unsigned int at)
{
	memset(l, 0, sizeof(*l));
	l->changed = calloc(FLOWS, sizeof(*l->changed));
	l->version = calloc(FLOWS, sizeof(*l->version));
	if (!l->changed || !l->version)
		abort();
	l->owner = owner;
	l->at = at;
	up_all(w);
	fill(&w->node[owner], 0, FLOWS, 0);
	await_sync(w, &w->node[owner], &w->node[at], 20000);
	run_ms(w, 1000);
	w->scenario = l;
	w->applied = lag_applied;
}

static void lag_end(struct world *w, struct lag *l)
{
	uint64_t waiting = 0;
	uint32_t i;

	for (i = 0; i < FLOWS; i++)
		waiting += l->changed[i] && w->now - l->changed[i] > 1000 * MS;
	w->applied = NULL;
	expect_at_most(w, "p99 of the lag, ms", percentile_ms(l, 0.99), 5);
	expect_at_most(w, "p99.9, ms", percentile_ms(l, 0.999), 200);
	expect_at_most(w, "changes that wait for more than a second", (double)waiting, 0);
	expect(w, l->n > (uint64_t)RATE * SECONDS / 2, "most changes were seen");
	free(l->changed);
	free(l->version);
}

/* other: changes a second of node 0, when it is not the owner that is measured. */
static void lag_traffic(struct world *w, struct lag *l, uint32_t other)
{
	uint64_t began = w->now, sent = 0, others = 0, due;
	struct sim_node *n = &w->node[l->owner];
	uint32_t version = 0;

	while (w->now - began < SECONDS * SECOND && !*w->failure) {
		due = (w->now - began) * RATE / SECOND;
		for (; sent < due; sent++) {
			uint32_t key = (uint32_t)(sent % FLOWS);

			l->version[key] = ++version;
			if (!l->changed[key])
				l->changed[key] = w->now;
			put(n, key, version);
		}
		due = (w->now - began) * other / SECOND;
		for (; others < due; others++)
			put(&w->node[0], (uint32_t)(others % 5000), ++version);
		world_run(w, w->now + MS / 2);
	}
}

static void receives_nothing(struct world *w)
{
	struct lag l;

	lag_begin(w, &l, 0, 2);
	net_path(&w->net, 0, 0, 1)->cut = true;
	lag_traffic(w, &l, 0);
	lag_end(w, &l);
}

static void mute(struct world *w)
{
	struct lag l;

	lag_begin(w, &l, 0, 2);
	net_path(&w->net, 0, 1, 0)->cut = true;
	lag_traffic(w, &l, 0);
	lag_end(w, &l);
}

static void slow_link(struct world *w)
{
	struct sim_path *p;
	struct lag l;

	lag_begin(w, &l, 0, 2);
	p = net_path(&w->net, 0, 0, 1);
	p->rate = 5 * 125000;
	p->queue = 65536;
	lag_traffic(w, &l, 0);
	lag_end(w, &l);
}

static void lossy_link(struct world *w)
{
	struct lag l;

	lag_begin(w, &l, 0, 2);
	net_path(&w->net, 0, 0, 1)->loss = 300;
	lag_traffic(w, &l, 0);
	lag_end(w, &l);
}

/* Node 0's transport takes a message in 20 ms, and it has much to send; node 1 is measured. */
static void slow_sender(struct world *w)
{
	struct lag l;

	lag_begin(w, &l, 1, 2);
	fill(&w->node[0], 0, 5000, 0);
	run_ms(w, 2000);
	w->node[0].gap_us = 20000;
	bytes_zero(w);
	lag_traffic(w, &l, 5000);
	expect_at_most(w, "seconds for each of its acknowledgements",
		       SECONDS / (1.0 + (double)w->node[0].sent_messages[CTS_MSG_ACK]), 1);
	expect_at_most(w, "seconds for each of its hellos",
		       SECONDS / (1.0 + (double)w->node[0].sent_messages[CTS_MSG_HELLO]), 1);
	lag_end(w, &l);
}

const struct scenario lag_scenarios[] = {
	{ "lag_receives_nothing", "20,000 changes a second, node 1 receives nothing", receives_nothing, 3, false,
	  CTS_MODE_FTFW },
	{ "lag_mute", "nothing of node 1 arrives", mute, 3, false, CTS_MODE_FTFW },
	{ "lag_slow_link", "node 1 has 5 Mbit/s", slow_link, 3, false, CTS_MODE_FTFW },
	{ "lag_lossy", "node 1 loses 30 %", lossy_link, 3, false, CTS_MODE_FTFW },
	{ "lag_slow_sender", "node 0 can hardly send", slow_sender, 3, false, CTS_MODE_FTFW },
	{ NULL, NULL, NULL, 0, false, CTS_MODE_FTFW },
};
