/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A deterministic simulation of 2 to 64 nodes: the real engines, model kernels and a
 * network that fails in every way, all from one seed. A run is a script of steps;
 * a failing script is made shorter while it still fails. Scenarios are larger tables
 * and single questions, with bounds on time, bytes and lag.
 */
#ifndef TESTS_SIM_H
#define TESTS_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include <ctsync/event.h>

#include "core/sync/engine.h"
#include "tests/sim/net.h"

#define SIM_NODES 64u
#define SIM_KEYS 64u             /* of each node's kernel */
#define SIM_VERSIONS 1024u       /* of each key */
#define SIM_STEPS 4096u
#define SIM_EVENTS 256u          /* of a kernel, not read yet */
#define SIM_SOCKET 512u          /* messages that wait for a node that is stopped */
#define SIM_PURGE_S 3u
#define SIM_REFRESH_S 2u         /* in mode ALARM */
#define SIM_EXPIRE_S 5u
#define SIM_DEAD_MS 2000u
#define SIM_TOKEN_MS 300u        /* so soon a transport with membership misses a node */
#define SIM_LEFT 8u              /* versions of a key whose ends are remembered */

#ifdef SIM_SMALL
#define SIM_FLAVOUR "tiny constants"
#else
#define SIM_FLAVOUR "real constants"
#endif

#define FAILURE_LEN 256u

enum step_kind {
	STEP_CHANGE, STEP_DELETE, STEP_BURST, STEP_CLEAR, STEP_LOSE_EVENT, STEP_RECONCILE,
	STEP_FAULTS, STEP_PATH, STEP_CUT, STEP_HEAL, STEP_CRASH, STEP_REBOOT, STEP_BYE,
	STEP_START, STEP_BLOCK, STEP_STRAIN, STEP_JUMP, STEP_RESYNC, STEP_BULK, STEP_PROMOTE,
	STEP_AWAY, STEP_PAUSE, STEP_REVERT, STEP_CLONE, STEP_RENAME, STEP_LIMIT, STEP_FILTER,
	STEP_FLUSH, STEP_HOURS, STEP_QUIET, STEP_KINDS
};

struct step {
	uint32_t wait_us;        /* since the step before */
	enum step_kind kind;
	uint32_t node, a, b, c;
};

struct script {
	uint64_t seed;
	unsigned int n_nodes, n_links, n_steps;
	size_t max_message;
	bool mirror;             /* kernels tell by events and dumps, not at once */
	bool membership;         /* the transport has membership, keeps order and loses nothing */
	uint32_t min_age_ms;
	size_t small_limit;      /* of the last node's caches; 0: as large as the others' */
	enum cts_sync_mode mode;
	bool differ;             /* the last node replicates fewer attributes */
	bool listed;             /* nodes have a static list */
	bool stranger;           /* ... that the last one is not on */
	struct step step[SIM_STEPS];
};

struct model_key {
	uint32_t version;        /* of the last change or deletion */
	bool exists, refused;    /* refused: by a filter, the entry is not replicated */
	uint8_t deleted[SIM_VERSIONS / 8];  /* versions that were deletions */
};

/* What a node's own cache has of a key, and until when it had what it had before. */
struct had {
	uint32_t version;        /* 0: nothing */
	uint64_t since;          /* of this life: when it came, or went */
	unsigned int next;
	struct { uint32_t version; uint64_t until; } left[SIM_LEFT];
};

struct shown {
	uint32_t last;           /* version that was shown last */
	uint32_t above;          /* older ones, and this one, must not be shown again */
	uint32_t version;        /* in the replica now; 0: nothing */
	uint64_t since;
};

/* What a node knows of one owner, as the checks saw it. */
struct seen {
	/* where it was last equal to it */
	uint64_t equal_epoch, equal_started, equal_start, equal_at, former_at;
	bool trimmed;                        /* lately; what left was not deleted by the owner */
	struct shown key[SIM_KEYS];
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
	struct world *w;
	unsigned int index;
	char name[16];
	uint32_t id;
	uint64_t table_id;
	size_t limit;
	bool twin;                   /* another node has its name, or had it lately */
	bool alias;                  /* ... and it is this one that took it */
	bool limit_changed;          /* of the running engine */
	struct sim_rng rng;          /* its random numbers... */
	uint64_t born_rng;           /* ... and where they began when it started */
	uint64_t started, stopped;
	uint64_t reused_epoch;       /* of two lives with the same numbers */
	struct model_key *kernel;    /* SIM_KEYS; NULL: in scenarios */
	struct had *had;
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
	/* time and transport */
	uint64_t deadline;
	bool touched;
	uint64_t blocked_until;
	uint64_t stopped_until;      /* SIGSTOP */
	uint64_t excused_until;      /* what it reads now came while it was stopped */
	unsigned int backlog;        /* messages that wait for its end */
	uint32_t gap_us;             /* its transport takes one message in this time; 0: all */
	unsigned int active;         /* link */
	uint64_t active_since, held_until[SIM_LINKS], standby_ns, links_ns;
	uint64_t *received_ns;       /* [link][node]: when */
	bool *member;                /* with membership: whom the transport has reported up */
	uint64_t *apart;             /* ... and since when nothing passes; 0: it does */
	uint32_t *leaving;           /* ... ids of who left while this node was stopped; 0: nobody */
	uint16_t *joined;            /* ... the life of each that may be received from */
	uint64_t sent_messages[16], sent_bytes[16];    /* by type */
	unsigned int reports[CTS_REPORT_MAX];
	struct seen *seen;           /* of each node */
	bool adopting;               /* what leaves a replica now was not deleted */
};

struct world {
	uint64_t now, next_table;
	struct sim_rng rng;
	struct sim_net net;
	unsigned int n_nodes;
	size_t max_message, small_limit;
	struct sim_node *node;       /* owned */
	bool mirror, listed, stranger, membership, differ;
	enum cts_sync_mode mode;
	uint32_t min_age_ms;
	bool trace, asked;           /* asked: a command asked for comparison */
	bool limited;                /* a cache is, or was, too small */
	bool renamed;                /* names are about that nobody has */
	bool bulk;                   /* tables are a scenario's: no model kernels */
	uint64_t check_ns;           /* when the status is checked next */
	uint64_t tolerant_until;     /* it may be wrong for longer until then */
	void (*applied)(struct world *w, struct sim_node *n, struct sim_node *owner,
			const struct cts_applied *list, size_t len);
	/* A packet on its way: extra delay, UINT64_MAX: it is lost. */
	uint64_t (*tap)(struct world *w, unsigned int from, unsigned int to, const uint8_t *msg,
			size_t len);
	void *scenario;              /* the scenario's own */
	const struct cts_faults *faults;
	char failure[FAILURE_LEN];   /* empty: none */
};

/* script.c, run.c, shrink.c */
void script_make(struct script *s, uint64_t seed, unsigned int n_nodes);
const char *step_name(enum step_kind kind);
void script_print(const struct script *s);
/* 0: all invariants held. */
int script_run(const struct script *s, const struct cts_faults *faults, bool trace,
	       char failure[FAILURE_LEN]);
void script_shrink(struct script *s, const struct cts_faults *faults);
void step_run(struct world *w, const struct step *s);
void world_quiet(struct world *w);

/* world.c */
void world_init(struct world *w, const struct script *s);
void world_fini(struct world *w);
uint32_t world_below(struct world *w, uint32_t n);
void world_run(struct world *w, uint64_t until);
void world_fail(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The node with this id that is up, or the first one; NULL: there is none. */
struct sim_node *world_node(struct world *w, uint32_t id);
/* Is it on the others' lists? */
bool node_known(const struct world *w, unsigned int node);
bool node_running(const struct world *w, const struct sim_node *n);

/* node.c: its life, and its kernel's table */
void node_start(struct world *w, struct sim_node *n);
void node_stop(struct sim_node *n);
void node_rename(struct world *w, struct sim_node *n, const char *name);
/* As a snapshot of the virtual machine: the random numbers of its start once more. */
void node_revert(struct world *w, struct sim_node *n, uint64_t born_rng);
void node_change(struct world *w, struct sim_node *n, unsigned int key, bool reported);
void node_delete(struct world *w, struct sim_node *n, unsigned int key, bool reported);
void node_filter(struct world *w, struct sim_node *n, unsigned int key, bool refuse);
void node_reconcile(struct world *w, struct sim_node *n);
void node_lose_table(struct world *w, struct sim_node *n);
void node_promote(struct world *w, struct sim_node *n);
void node_dump_step(struct world *w, struct sim_node *n);

/* transport.c: sending, several links, membership */
int transport_send(void *ctx, const struct iovec *msg, unsigned int n, uint32_t to);
/* Its connections end, and others learn it. */
void transport_stop(struct world *w, struct sim_node *n);
void transport_start(struct world *w, struct sim_node *n);
void transport_received(struct sim_node *n, unsigned int link, uint32_t node);
/* May it be delivered to n? With membership nothing comes of who has left. */
bool transport_delivers(const struct sim_node *n, const struct sim_packet *p);
void transport_undelivered(struct sim_node *n);
/* From time to time: choose the link, report who came and went. */
void transport_turn(struct world *w, struct sim_node *n);

/* kernel.c */
void kernel_flow(const struct sim_node *n, unsigned int key, uint32_t version,
		 struct cts_flow *f);
unsigned int kernel_key(const struct cts_flow *f);   /* SIM_KEYS or more: not of a model */
void kernel_start(struct sim_node *n, uint64_t now);
void kernel_stop(struct sim_node *n);
/* The engine has forgotten its table: all of it is read again. */
void kernel_again(struct sim_node *n, uint64_t now);
void kernel_dump(struct sim_node *n, uint64_t now);
void kernel_event(struct world *w, struct sim_node *n, unsigned int key, enum cts_event_type type);
void kernel_turn(struct world *w, struct sim_node *n);
bool kernel_busy(const struct sim_node *n);

/* truth.c: what is so, and what nodes say of it */
void truth_note(struct world *w, struct sim_node *n, unsigned int key);
void truth_shown(struct world *w, struct sim_node *n, struct seen *of, unsigned int key,
		 uint32_t version);
void truth_forget(struct world *w, struct seen *of);
/* What n's replica of x is now, whatever was seen to happen. */
void truth_look(struct world *w, struct sim_node *n, struct sim_node *x);
void truth_restart(struct world *w, struct sim_node *n);
void truth_check(struct world *w);

/* check.c */
/* Does n hold what the owner has, but for orphans? NULL: yes. */
const char *replica_differs(struct sim_node *owner, struct sim_node *n);
void check_applied(struct world *w, struct sim_node *n, uint32_t owner,
		   const struct cts_applied *list, size_t len);
void check_node(struct world *w, struct sim_node *n);
/* Of the replicas of one flow one is the newest. */
void check_newest(struct world *w, struct sim_node *n);
/* In mode ALARM, undisturbed: every entry was sent again in time. */
void check_refresh(struct world *w, struct sim_node *n);
/* Nothing changes: few messages, few bytes. */
void idle_begin(struct world *w);
void idle_end(struct world *w, uint64_t began);

/* converge.c: is every replica equal to its owner's cache, and that to the kernel?
 * why: what is not. */
bool mirror_right(struct world *w, struct sim_node *n, char why[FAILURE_LEN]);
bool converged(struct world *w, char why[FAILURE_LEN]);

/* scenario*.c. 0: within its bounds; -1: there is none of this name. */
int scenario_run(const char *name, const struct cts_faults *faults, bool trace);
void scenario_list(void);

#endif
