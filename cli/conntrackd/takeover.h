/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the daemon writes into the kernel, in steps: commit of the external caches,
 * injection (external cache off), purge of what is in the internal cache.
 */
#ifndef CONNTRACKD_TAKEOVER_H
#define CONNTRACKD_TAKEOVER_H

#include "core/kernel/writer.h"
#include "core/runtime/loop.h"
#include "core/sync/engine.h"

struct takeover_conf {
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

struct takeover;
struct takeover *takeover_create(const struct takeover_conf *conf);   /* NULL: logged */
void takeover_destroy(struct takeover *t);                            /* takes NULL */
uint32_t takeover_portid(const struct takeover *t);

/* A bounded piece of what is to be done. true: more at once. */
bool takeover_step(struct takeover *t);
bool takeover_busy(const struct takeover *t);   /* a commit or purge is running */

struct takeover_result {
	uint64_t by_class[CTS_WRITE_CLASS_MAX];
	uint64_t entries;             /* looked at */
	uint64_t unconfirmed;         /* of owners that are not in sync: may be older than theirs */
	uint64_t kept;                /* demote: no other node has them yet */
	uint64_t ns;                  /* from begin to end */
	bool full;                    /* the kernel's table is full: stopped */
};

/* Begin; done() is called once from a step. -1 and EBUSY: something runs already. */
int takeover_commit(struct takeover *t, void (*done)(void *ctx, const struct takeover_result *res),
		    void *ctx);
/* Remove from the kernel what the internal cache has. */
int takeover_purge(struct takeover *t, void (*done)(void *ctx, const struct takeover_result *res),
		   void *ctx);
/* The role is standby; what another node has taken over leaves the kernel now, the
 * rest as soon as one has, but in purge_timeout seconds at the latest. */
int takeover_demote(struct takeover *t, void (*done)(void *ctx, const struct takeover_result *res),
		    void *ctx);
/* done() is not called any more; the work goes on. */
void takeover_forget(struct takeover *t, void *ctx);

/* -t: a purge in purge_timeout seconds, unless cancelled. */
void takeover_plan_purge(struct takeover *t);
void takeover_cancel_purge(struct takeover *t);

/* The engine's applied(): with inject, changes of replicas go to the kernel. */
void takeover_applied(struct takeover *t, uint32_t node, const struct cts_applied *list, size_t n);
bool takeover_foreign(struct takeover *t, const uint8_t *key, size_t key_len);

/* "active" after a promote, "standby" after a demote, "unknown" before either. */
const char *takeover_role(const struct takeover *t);
void takeover_set_role(struct takeover *t, bool active);
uint64_t takeover_kernel_flushes(const struct takeover *t);
void takeover_counters(const struct takeover *t, uint64_t by_class[CTS_WRITE_CLASS_MAX]);

#endif
