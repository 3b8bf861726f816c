/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One job at a time, what came of it, and who waits for its end. */
#ifndef CTS_NODE_JOB_H
#define CTS_NODE_JOB_H

#include "core/node/work.h"

enum job_kind { JOB_NONE, JOB_COMMIT, JOB_PROMOTE, JOB_PURGE, JOB_DEMOTE };

struct job {
	enum job_kind kind;
	uint64_t begun_ns; /* on the clock that goes on within a turn */
	struct cts_takeover_result result;
	cts_takeover_done done; /* NULL: nobody waits, or not any more */
	void *ctx;
};

/* -1 and EBUSY: one is running. */
int job_begin(struct job *j, const struct work *w, enum job_kind kind, cts_takeover_done done,
	      void *ctx);
/* Logs what it did and says so to who waits. */
void job_end(struct job *j, const struct work *w);

#endif
