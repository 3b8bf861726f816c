/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commit: the newest replica of each flow goes into the kernel, and what the kernel
 * took becomes this node's own. Where it is newer than what this node's kernel has, the
 * kernel's entry is brought up to it. */
#ifndef CTS_NODE_COMMIT_H
#define CTS_NODE_COMMIT_H

#include "core/node/walk.h"
#include "core/node/work.h"

struct commit {
	struct walk walk;
	unsigned int pass; /* 0: masters, 1: flows that are related to one */
};

void commit_begin(struct commit *c, struct work *w);
/* Replicas of other nodes, all in all. */
uint64_t commit_size(const struct commit *c);
/* true: more to do. */
bool commit_step(struct commit *c, struct work *w, struct cts_takeover_result *res);
void commit_written(struct commit *c, struct work *w, uint64_t cookie, enum cts_write_class cls);

#endif
