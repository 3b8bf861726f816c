/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What scenarios share: a world of a few nodes with large tables of TCP flows. */
#ifndef TESTS_SIM_SCENARIO_H
#define TESTS_SIM_SCENARIO_H

#include "core/sync/inspect.h"
#include "tests/sim/sim.h"

struct scenario {
	const char *name, *what;
	void (*run)(struct world *w);
	unsigned int n_nodes;
	bool membership;
	enum cts_sync_mode mode;
};

extern const struct scenario transfer_scenarios[], lag_scenarios[], state_scenarios[],
	takeover_scenarios[];

/* Traffic of all nodes since the last call of bytes_zero(). */
void bytes_zero(struct world *w);
uint64_t bytes_sent(const struct sim_node *n);
uint64_t messages_sent(const struct sim_node *n);

void up(struct world *w, struct sim_node *n);             /* started, its table read */
void up_all(struct world *w);
size_t flow_packed(unsigned int owner, uint32_t key, uint32_t version,
		   uint8_t buf[CTS_PACK_MAX]);
uint32_t put(struct sim_node *n, uint32_t key, uint32_t version);
/* The flow of another owner's key space: a flow that moved. */
uint32_t put_as(struct sim_node *n, unsigned int owner, uint32_t key, uint32_t version);
void del(struct sim_node *n, uint32_t key);
void fill(struct sim_node *n, uint32_t from, uint32_t count, uint32_t version);
void run_ms(struct world *w, uint64_t ms);
struct cts_node_info info_of(struct sim_node *at, const struct sim_node *of);
/* Of what owner has, how many entries are missing or older at n. */
uint64_t wrong_entries(struct sim_node *owner, struct sim_node *n);
bool both_in_sync(struct sim_node *a, struct sim_node *b);
/* Milliseconds until both say that they are in sync and n's replica is right; fails after
 * limit_ms. */
uint64_t await_sync(struct world *w, struct sim_node *owner, struct sim_node *n,
		    uint64_t limit_ms);
void cut_between(struct world *w, unsigned int a, unsigned int b, bool cut);
/* Fails unless value <= limit; prints both. */
void expect_at_most(struct world *w, const char *what, double value, double limit);
void expect(struct world *w, bool ok, const char *what);

#endif
