/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A deterministic simulation of 2 to 5 nodes: the real engines, model kernels and a
 * network that fails in every way, all from one seed. A run is a script of steps;
 * a failing script is made shorter while it still fails.
 */
#ifndef TESTS_SIM_H
#define TESTS_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include <ctsync/event.h>

#include "core/sync/engine_int.h"

#define SIM_NODES 5u
#define SIM_KEYS 64u             /* of each node's kernel */
#define SIM_VERSIONS 1024u       /* of each key */
#define SIM_STEPS 4096u
#define SIM_EVENTS 256u          /* of a kernel, not read yet */
#define SIM_PURGE_S 3u
#define SIM_REFRESH_S 2u         /* in mode ALARM */
#define SIM_EXPIRE_S 5u

enum step_kind {
	STEP_CHANGE, STEP_DELETE, STEP_BURST, STEP_CLEAR, STEP_LOSE_EVENT, STEP_RECONCILE,
	STEP_FAULTS, STEP_CUT, STEP_HEAL, STEP_CRASH, STEP_REBOOT, STEP_BYE, STEP_START,
	STEP_BLOCK, STEP_STRAIN, STEP_JUMP, STEP_RESYNC, STEP_BULK, STEP_PROMOTE, STEP_AWAY,
	STEP_QUIET, STEP_KINDS
};

struct step {
	uint32_t wait_us;        /* since the step before */
	enum step_kind kind;
	uint32_t node, a, b, c;
};

struct script {
	uint64_t seed;
	unsigned int n_nodes, n_steps;
	size_t max_message;
	bool mirror;             /* kernels tell by events and dumps, not at once */
	uint32_t min_age_ms;
	size_t small_limit;      /* of the last node's caches; 0: as large as the others' */
	enum cts_sync_mode mode;
	bool listed;             /* nodes have a static list */
	bool stranger;           /* ... that the last one is not on */
	struct step step[SIM_STEPS];
};

struct model_key {
	uint32_t version;        /* of the last change or deletion */
	bool exists;
	uint8_t deleted[SIM_VERSIONS / 8];  /* versions that were deletions */
};

struct shown {
	uint32_t last;           /* version that was shown last */
	uint32_t above;          /* older ones, and this one, must not be shown again */
};

struct kernel_event {
	uint64_t time;
	enum cts_event_type type;
	unsigned int key;
	uint32_t version;
	bool partial;
};

struct sim_node {
	struct cts_engine *engine;   /* NULL: down */
	char name[8];
	uint32_t id;
	uint64_t table_id;
	struct model_key kernel[SIM_KEYS];
	unsigned int dump_next;      /* key that the start-up dump comes to; SIM_KEYS: done */
	/* with a mirror */
	struct cts_mirror *mirror;
	struct kernel_event events[SIM_EVENTS];
	unsigned int n_events;
	bool ready;
	bool doubt;                  /* an event was lost or late since the last dump began */
	bool asked[SIM_KEYS];
	struct { unsigned int key; uint32_t version; } chunk[SIM_KEYS];
	unsigned int chunk_n;
	uint64_t deadline;
	bool touched;
	uint64_t blocked_until;
	uint32_t gap_ms;             /* its transport takes one message in this time; 0: all */
	struct shown shown[SIM_NODES][SIM_KEYS];
	/* of each owner: where this node was last equal to it */
	struct { uint64_t epoch, join, at; } equal[SIM_NODES];
	/* of each owner that has left: what there was of it, and was heard of it */
	struct { uint64_t left_ns, heard, high, count; } left[SIM_NODES];
	bool adopting;               /* what leaves a replica now was not deleted */
};

struct packet {
	uint64_t time, order;
	uint8_t from, to;
	uint16_t len;
	uint8_t *data;               /* owned */
};

struct world {
	uint64_t rng, now, order, next_table;
	unsigned int n_nodes;
	size_t max_message, small_limit;
	struct sim_node node[SIM_NODES];
	struct packet *heap;
	size_t n_heap, max_heap;
	uint32_t loss, repeat, damage, stale;   /* per mille */
	uint32_t delay_us;
	bool cut[SIM_NODES][SIM_NODES];
	bool mirror, listed, stranger;
	enum cts_sync_mode mode;
	uint32_t min_age_ms;
	bool trace, asked;           /* asked: a command asked for comparison */
	const struct cts_engine_breaks *breaks;
	char failure[256];           /* empty: none */
};

/* script.c */
void script_make(struct script *s, uint64_t seed, unsigned int n_nodes);
void script_print(const struct script *s);
/* 0: all invariants held. */
int script_run(const struct script *s, const struct cts_engine_breaks *breaks, bool trace,
	       char failure[256]);
void script_shrink(struct script *s, const struct cts_engine_breaks *breaks);

/* world.c */
void world_init(struct world *w, const struct script *s);
void world_fini(struct world *w);
uint32_t world_below(struct world *w, uint32_t n);
void world_run(struct world *w, uint64_t until);
void node_start(struct world *w, struct sim_node *n);
void node_stop(struct sim_node *n);
void node_change(struct world *w, struct sim_node *n, unsigned int key, bool told);
void node_delete(struct world *w, struct sim_node *n, unsigned int key, bool told);
void node_reconcile(struct world *w, struct sim_node *n);
void node_lose_table(struct world *w, struct sim_node *n);
void node_promote(struct world *w, struct sim_node *n);
/* Is it on the others' lists? */
bool node_known(const struct world *w, unsigned int node);
void world_fail(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* kernel.c */
void kernel_flow(const struct world *w, const struct sim_node *n, unsigned int key,
		 uint32_t version, struct cts_flow *f);
void kernel_start(struct sim_node *n, uint64_t now);
void kernel_stop(struct sim_node *n);
void kernel_dump(struct sim_node *n, uint64_t now);
void kernel_event(struct world *w, struct sim_node *n, unsigned int key, enum cts_event_type type);
void kernel_turn(struct world *w, struct sim_node *n);
bool kernel_busy(const struct sim_node *n);

/* check.c */
void check_applied(struct world *w, struct sim_node *n, uint32_t owner,
		   const struct cts_applied *list, size_t len);
void check_bounds(struct world *w, struct sim_node *n);
void check_digests(struct world *w, struct sim_node *n);
/* Orphans: all there until purge_timeout, none after it. Strangers: not believed. */
void check_orphans(struct world *w, struct sim_node *n);
void check_members(struct world *w, struct sim_node *n);
/* Of the replicas of one flow one is the newest. */
void check_newest(struct world *w, struct sim_node *n);
/* In mode ALARM, undisturbed: every entry was told again in time. */
void check_refresh(struct world *w, struct sim_node *n);
/* Is every replica equal to its owner's cache, and that to the kernel? why: what is not. */
/* I0, with a mirror: each entry as the kernel has it. */
bool mirror_right(struct world *w, struct sim_node *n, char why[256]);
bool converged(struct world *w, char why[256]);

#endif
