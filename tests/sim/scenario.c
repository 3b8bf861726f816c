/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/scenario.h"

#define LIMIT 4000000u

void bytes_zero(struct world *w)
{
	unsigned int i;

	for (i = 0; i < w->n_nodes; i++) {
		memset(w->node[i].sent_bytes, 0, sizeof(w->node[i].sent_bytes));
		memset(w->node[i].sent_messages, 0, sizeof(w->node[i].sent_messages));
	}
}

static uint64_t sum(const uint64_t *list)
{
	uint64_t all = 0;
	unsigned int i;

	for (i = 0; i < 16; i++)
		all += list[i];
	return all;
}

uint64_t bytes_sent(const struct sim_node *n)
{
	return sum(n->sent_bytes);
}

uint64_t messages_sent(const struct sim_node *n)
{
	return sum(n->sent_messages);
}

void up(struct world *w, struct sim_node *n)
{
	node_start(w, n);
	cts_engine_table_ready(n->engine, w->now);
	n->touched = true;
}

void up_all(struct world *w)
{
	unsigned int i;

	for (i = 0; i < w->n_nodes; i++)
		up(w, &w->node[i]);
}

/* 16,384 ports of each address; an established TCP flow, as most are. */
size_t flow_packed(unsigned int owner, uint32_t key, uint32_t version,
		   uint8_t buf[CTS_PACK_MAX])
{
	struct cts_flow f = {
		.present = CTS_FLOW_BIT(CTS_FLOW_ORIG) | CTS_FLOW_BIT(CTS_FLOW_REPLY) |
			   CTS_FLOW_BIT(CTS_FLOW_STATUS) | CTS_FLOW_BIT(CTS_FLOW_TIMEOUT) |
			   CTS_FLOW_BIT(CTS_FLOW_MARK) | CTS_FLOW_BIT(CTS_FLOW_TCP_STATE) |
			   CTS_FLOW_BIT(CTS_FLOW_TCP_FLAGS) | CTS_FLOW_BIT(CTS_FLOW_TCP_WSCALE),
		.status = 0x18e, .timeout = 432000, .mark = version, .tcp_state = 3,
		.tcp_flags = { 0x23, 0x23 }, .tcp_wscale = { 7, 7 },
	};

	f.orig.family = AF_INET;
	f.orig.proto = IPPROTO_TCP;
	f.orig.src.v4 = htonl(0x0a000000u + (owner << 18) + (key >> 14));
	f.orig.dst.v4 = htonl(0xc0a80001);
	f.orig.sport = htons((uint16_t)(1024 + (key & 16383)));
	f.orig.dport = htons(443);
	cts_tuple_invert(&f.orig, &f.reply);
	return cts_flow_pack(&f, CTS_PACK_ATTRS, buf, CTS_PACK_MAX);
}

uint32_t put_as(struct sim_node *n, unsigned int owner, uint32_t key, uint32_t version)
{
	uint8_t buf[CTS_PACK_MAX];
	size_t len = flow_packed(owner, key, version, buf);

	n->touched = true;
	return cts_engine_put(n->engine, buf, len, true, n->w->now);
}

uint32_t put(struct sim_node *n, uint32_t key, uint32_t version)
{
	return put_as(n, n->index, key, version);
}

void del(struct sim_node *n, uint32_t key)
{
	uint8_t buf[CTS_PACK_MAX];
	size_t len = flow_packed(n->index, key, 0, buf);
	uint32_t ref = cts_engine_find(n->engine, buf, cts_packed_key_len(buf, len));

	n->touched = true;
	if (ref)
		cts_engine_gone(n->engine, ref, n->w->now);
}

void fill(struct sim_node *n, uint32_t from, uint32_t count, uint32_t version)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		put(n, from + i, version);
}

void run_ms(struct world *w, uint64_t ms)
{
	world_run(w, w->now + ms * MS);
}

struct cts_node_info info_of(struct sim_node *at, const struct sim_node *of)
{
	struct cts_node_info info[SIM_NODES + 1];
	size_t i, n = cts_engine_nodes(at->engine, info, SIM_NODES + 1, at->w->now);

	for (i = 0; i < n; i++)
		if (info[i].id == of->id && !info[i].self)
			return info[i];
	return (struct cts_node_info){ .holds_mine = "unknown", .held_here = "unknown" };
}

uint64_t wrong_entries(struct sim_node *owner, struct sim_node *n)
{
	struct table *t = &owner->engine->sender.table;
	struct cts_cache *cache = cts_engine_external(n->engine, owner->id);
	uint64_t wrong = 0;
	uint32_t ref = 0, at;
	size_t len, have_len;

	while ((ref = cts_cache_next(t->cache, ref))) {
		const uint8_t *packed = cts_cache_data(t->cache, ref, &len), *have;

		if (!table_is_live(t, ref))
			continue;
		at = cache ? cts_cache_find(cache, packed, cts_packed_key_len(packed, len)) : 0;
		have = at ? cts_cache_data(cache, at, &have_len) : NULL;
		wrong += !have || have_len != len || memcmp(have, packed, len);
	}
	return wrong;
}

bool both_in_sync(struct sim_node *a, struct sim_node *b)
{
	return info_of(a, b).in_sync && info_of(b, a).in_sync;
}

uint64_t await_sync(struct world *w, struct sim_node *owner, struct sim_node *n, uint64_t limit_ms)
{
	const struct sender *s = &owner->engine->sender;
	uint64_t began = w->now;

	/* The cheap questions first: to compare a million entries takes its time. */
	while (!both_in_sync(owner, n) || table_waiting(&s->table) || window_len(&s->window) ||
	       wrong_entries(owner, n)) {
		if (w->now - began > limit_ms * MS || *w->failure) {
			world_fail(w, "not in sync after %llu ms: %s; %s; %llu entries are wrong",
				   (unsigned long long)limit_ms, info_of(owner, n).holds_mine,
				   info_of(n, owner).held_here,
				   (unsigned long long)wrong_entries(owner, n));
			return limit_ms;
		}
		run_ms(w, 1);
	}
	return (w->now - began) / MS;
}

void cut_between(struct world *w, unsigned int a, unsigned int b, bool cut)
{
	unsigned int link;

	for (link = 0; link < w->net.n_links; link++) {
		net_path(&w->net, link, a, b)->cut = cut;
		net_path(&w->net, link, b, a)->cut = cut;
	}
}

void expect_at_most(struct world *w, const char *what, double value, double limit)
{
	printf("    %s: %.6g (at most %.6g)\n", what, value, limit);
	if (value > limit)
		world_fail(w, "%s: %.6g, at most %.6g", what, value, limit);
}

void expect(struct world *w, bool ok, const char *what)
{
	printf("    %s: %s\n", what, ok ? "yes" : "NO");
	if (!ok)
		world_fail(w, "%s: not so", what);
}

/* -- the list -- */

static const struct scenario *const lists[] = {
	transfer_scenarios, lag_scenarios, state_scenarios, takeover_scenarios,
};

static int run_one(const struct scenario *s, const struct cts_faults *faults, bool trace)
{
	static const struct sim_path path = { .delay_us = 50 };
	struct script script = { .seed = 1, .n_nodes = s->n_nodes, .n_links = 1,
				 .max_message = 1472, .membership = s->membership, .mode = s->mode };
	struct world *w = calloc(1, sizeof(*w));
	unsigned int i;
	int failed;

	if (!w)
		abort();
	printf("%s: %s\n", s->name, s->what);
	w->bulk = true;
	world_init(w, &script);
	w->faults = faults;
	w->trace = trace;
	net_set_all(&w->net, &path);
	for (i = 0; i < w->n_nodes; i++)
		w->node[i].limit = LIMIT;
	s->run(w);
	failed = *w->failure != '\0';
	if (failed)
		printf("    FAILED: %s\n", w->failure);
	world_fini(w);
	free(w);
	fflush(stdout);
	return failed;
}

int scenario_run(const char *name, const struct cts_faults *faults, bool trace)
{
	const struct scenario *s;
	bool list = !strcmp(name, "list"), any = false;
	unsigned int i;
	int failed = 0;

	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		for (s = lists[i]; s->name; s++) {
			if (list)
				puts(s->name);
			if (!list && (!strcmp(name, "all") || !strcmp(name, s->name)))
				failed |= run_one(s, faults, trace);
			any |= list || !strcmp(name, "all") || !strcmp(name, s->name);
		}
	if (!any)
		fprintf(stderr, "sim: no scenario %s\n", name);
	return any ? failed : 2;
}
