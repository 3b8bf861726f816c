/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the daemon writes into the kernel, in steps: commit of the external caches,
 * injection (external cache off), purge of what is in the internal cache.
 */
#ifndef CTS_NODE_TAKEOVER_H
#define CTS_NODE_TAKEOVER_H

#include "core/kernel/writer.h"
#include "core/runtime/loop.h"
#include "core/sync/engine.h"

struct cts_node_takeover_conf {
	struct cts_loop *loop;        /* lent */
	struct cts_engine *engine;    /* lent */
	bool inject;                  /* external cache off */
	uint32_t commit_timeout_s;    /* 0: each flow's own */
	uint32_t purge_timeout_s;
	bool tcp_window_tracking;
	bool collision_replace;
	void *ctx;
	/* Many entries are about to be created, or were. May be NULL. */
	void (*hush)(void *ctx, bool on);
};

struct cts_node_takeover;
struct cts_node_takeover *cts_node_takeover_create(const struct cts_node_takeover_conf *conf);   /* NULL: logged */
void cts_node_takeover_destroy(struct cts_node_takeover *t);                            /* takes NULL */
uint32_t cts_node_takeover_portid(const struct cts_node_takeover *t);

/* A bounded piece of what is to be done. true: more at once. */
bool cts_node_takeover_step(struct cts_node_takeover *t);
bool cts_node_takeover_busy(const struct cts_node_takeover *t);   /* a commit or purge is running */

struct cts_node_takeover_result {
	uint64_t by_class[CTS_WRITE_CLASS_MAX];
	uint64_t entries;             /* looked at */
	uint64_t unconfirmed;         /* of owners that are not in sync: may be older than theirs */
	uint64_t kept;                /* demote: no other node has them yet */
	uint64_t ns;                  /* from begin to end */
	bool full;                    /* the kernel's table is full: stopped */
};

/* Begin; done() is called once from a step. -1 and EBUSY: something runs already. */
int cts_node_takeover_commit(struct cts_node_takeover *t, void (*done)(void *ctx, const struct cts_node_takeover_result *res),
		    void *ctx);
/* Remove from the kernel what the internal cache has. */
int cts_node_takeover_purge(struct cts_node_takeover *t, void (*done)(void *ctx, const struct cts_node_takeover_result *res),
		   void *ctx);
/* The role is standby; what another node has taken over leaves the kernel now, the
 * rest as soon as one has, but in purge_timeout seconds at the latest. */
int cts_node_takeover_demote(struct cts_node_takeover *t, void (*done)(void *ctx, const struct cts_node_takeover_result *res),
		    void *ctx);
/* done() is not called any more; the work goes on. */
void cts_node_takeover_forget(struct cts_node_takeover *t, void *ctx);

/* -t: a purge in purge_timeout seconds, unless cancelled. */
void cts_node_takeover_plan_purge(struct cts_node_takeover *t);
void cts_node_takeover_cancel_purge(struct cts_node_takeover *t);

/* The engine's applied(): with inject, changes of replicas go to the kernel. */
void cts_node_takeover_applied(struct cts_node_takeover *t, uint32_t node, const struct cts_applied *list, size_t n);
bool cts_node_takeover_foreign(struct cts_node_takeover *t, const uint8_t *key, size_t key_len);

/* "active" after a promote, "standby" after a demote, "unknown" before either. */
const char *cts_node_takeover_role(const struct cts_node_takeover *t);
void cts_node_takeover_set_role(struct cts_node_takeover *t, bool active);
uint64_t cts_node_takeover_kernel_flushes(const struct cts_node_takeover *t);
void cts_node_takeover_counters(const struct cts_node_takeover *t, uint64_t by_class[CTS_WRITE_CLASS_MAX]);

#endif
