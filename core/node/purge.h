/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Purge: this node's own flows leave the kernel. In a handover only those that another
 * node has taken over; the rest is looked at again after 1, 2, 4... seconds, because
 * whoever takes over may be about to, and leaves in the end.
 */
#ifndef CTS_NODE_PURGE_H
#define CTS_NODE_PURGE_H

#include "core/node/work.h"

struct purge {
	uint32_t ref;    /* where the running one is */
	bool handover;   /* it takes only what another node has */
	uint32_t wait_s; /* until the next look */
	uint32_t left_s; /* until everything leaves */
	uint64_t due_ns; /* of a planned one, UINT64_MAX: none */
};

void purge_init(struct purge *p);
void purge_begin(struct purge *p, bool handover);
/* true: more to do. */
bool purge_step(struct purge *p, struct work *w, struct cts_takeover_result *res);
void purge_written(struct work *w, uint64_t cookie, enum cts_write_class cls);

/* A handover begins: everything leaves after the purge timeout. */
void purge_handover(struct purge *p, const struct work *w);
/* A purge of everything after the purge timeout. */
void purge_plan(struct purge *p, const struct work *w);
void purge_cancel(struct purge *p);
/* The running one is over: plans the next one, if a handover has left something. */
void purge_ended(struct purge *p, const struct work *w, const struct cts_takeover_result *res);

#endif
