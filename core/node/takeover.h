/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this node does to the kernel's table for the cluster, in bounded steps: commit
 * and promote (replicas go into the kernel), purge and demote (this node's flows leave
 * it), injection (replicas of live nodes go there at once: external cache off). Role,
 * log lines and the end of each job are its own, whoever asked for it and still waits.
 *
 * No socket, timer or clock inside: see core/node/kernel.h.
 */
#ifndef CTS_NODE_TAKEOVER_H
#define CTS_NODE_TAKEOVER_H

#include "core/node/kernel.h"
#include "core/sync/engine.h"

struct cts_takeover_conf {
	struct cts_engine *engine;            /* lent */
	const struct cts_node_kernel *kernel; /* lent */
	void *ctx;                            /* of kernel and of what follows */
	/* A clock that goes on within a turn, for the time that a job took. NULL: the
	 * time of the turn. */
	uint64_t (*clock_ns)(void *ctx);
	/* Many entries are about to be created (true), or were: events of new flows
	 * are not needed meanwhile. May be NULL. */
	void (*suppress_new)(void *ctx, bool on);
	bool inject;               /* external cache off */
	uint32_t commit_timeout_s; /* 0: each flow's own */
	uint32_t purge_timeout_s;
};

struct cts_takeover;
struct cts_takeover *cts_takeover_create(const struct cts_takeover_conf *conf); /* NULL, errno */
void cts_takeover_destroy(struct cts_takeover *t);                              /* takes NULL */

/* The kernel's answer to an operation. */
void cts_takeover_written(struct cts_takeover *t, uint64_t cookie, enum cts_write_class cls,
			  int err);

/* A bounded piece of what is to be done. true: more at once. */
bool cts_takeover_step(struct cts_takeover *t, uint64_t now_ns);
/* When step() has something to do again, UINT64_MAX: not before something is asked. */
uint64_t cts_takeover_deadline(const struct cts_takeover *t);
bool cts_takeover_busy(const struct cts_takeover *t); /* a commit or purge is running */

struct cts_takeover_result {
	uint64_t by_class[CTS_WRITE_CLASS_MAX];
	uint64_t entries;     /* looked at */
	uint64_t unconfirmed; /* of owners that are not in sync: may be older than theirs */
	uint64_t brought_up;  /* that the kernel had in an older form */
	uint64_t absent_ms;   /* how long ago the longest silent owner was received from */
	char absent[64];      /* its name */
	uint64_t kept;        /* demote: no other node has them yet */
	uint64_t ns;          /* from begin to end */
	bool full;            /* the kernel's table is full: stopped */
	bool complete;        /* all that was there could be restored */
	char text[384];       /* one line that says all this */
};

/* Who waits for the end of a job; called once, from a step. May be NULL everywhere. */
typedef void (*cts_takeover_done)(void *ctx, const struct cts_takeover_result *res);

/* Begin; -1 and EBUSY: a job is running already. */
int cts_takeover_commit(struct cts_takeover *t, cts_takeover_done done, void *ctx, uint64_t now_ns);
/* A commit after which this node's role is active. */
int cts_takeover_promote(struct cts_takeover *t, cts_takeover_done done, void *ctx,
			 uint64_t now_ns);
/* Remove from the kernel what the internal cache has. */
int cts_takeover_purge(struct cts_takeover *t, cts_takeover_done done, void *ctx, uint64_t now_ns);
/* The role is standby; what another node has taken over leaves the kernel now, the
 * rest as soon as one has, but in purge_timeout seconds at the latest. */
int cts_takeover_demote(struct cts_takeover *t, cts_takeover_done done, void *ctx, uint64_t now_ns);
/* done() is not called any more; the work goes on. */
void cts_takeover_forget(struct cts_takeover *t, void *ctx);

/* -t: a purge in purge_timeout seconds, unless cancelled or this node takes over. */
void cts_takeover_plan_purge(struct cts_takeover *t, uint64_t now_ns);
void cts_takeover_cancel_purge(struct cts_takeover *t);

/* The engine's applied(): with inject, changes of replicas go to the kernel. */
void cts_takeover_applied(struct cts_takeover *t, uint32_t node, const struct cts_applied *list,
			  size_t n, uint64_t now_ns);
/* The engine's peer_state(): with inject, the flows of a node that left are taken over. */
void cts_takeover_peer_state(struct cts_takeover *t, uint32_t node, enum cts_peer_state state,
			     uint64_t now_ns);
/* The mirror's foreign(): was this entry put into the kernel for another node, and does
 * the kernel know no more of it than that node? */
bool cts_takeover_foreign(struct cts_takeover *t, const uint8_t *key, size_t key_len,
			  const struct cts_flow *flow);
/* The mirror's join(): the kernel's entry is about to become this node's own; with inject,
 * what the newest replica knows comes with it. 0: there is none. */
size_t cts_takeover_join(struct cts_takeover *t, const uint8_t *packed, size_t len,
			 uint8_t joined[CTS_PACK_MAX], uint32_t *above);
/* Entries of other nodes that this kernel refuses. */
uint64_t cts_takeover_lacking(const struct cts_takeover *t);

/* "active" after a promote, "standby" after a demote, "unknown" before either. */
const char *cts_takeover_role(const struct cts_takeover *t);
uint64_t cts_takeover_kernel_flushes(const struct cts_takeover *t);

#endif
