/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * This machine in the cluster: the kernel's reader, the mirror, the engine, the links
 * and what is done to the kernel, assembled as configured around one event loop.
 * Without a sync group there is the reader alone.
 */
#ifndef CTS_NODE_NODE_H
#define CTS_NODE_NODE_H

#include "core/config/conf.h"
#include "core/node/reader.h"
#include "core/node/takeover.h"
#include "core/runtime/links.h"
#include "core/runtime/loop.h"

struct cts_node_conf {
	const struct cts_config *config; /* lent, as all that follows */
	struct cts_loop *loop;
	struct cts_pipeline *pipeline;
	uint64_t table_id; /* identity of the kernel's table */
};

struct cts_node;
/* Links and engine; the first filter of the pipeline becomes the one that leaves out
 * the links' own flows. NULL: logged. */
struct cts_node *cts_node_create(const struct cts_node_conf *conf);
/* Begin to read the kernel, after all filters and outputs were added to the pipeline:
 * the mirror is its last consumer. push: what filters let the kernel leave out, or
 * NULL. events: somebody but the mirror wants each of them. 0, or -1: logged. */
int cts_node_start(struct cts_node *n, const struct cts_push *push, bool events);
void cts_node_destroy(struct cts_node *n); /* takes NULL; the pipeline first */

/* At the end of each turn of the loop. true: more to do at once. */
bool cts_node_turn(struct cts_node *n);
/* The internal cache forgets what it has and learns it again from the kernel; nothing is
 * said about the kernel's table, and peers keep what they have. */
void cts_node_flush_internal(struct cts_node *n);
/* What the kernel answered since the start, by enum cts_write_class. */
const uint64_t *cts_node_written(const struct cts_node *n);
/* Before a clean stop. */
void cts_node_bye(struct cts_node *n);

/* The parts; all but the reader are NULL without a sync group. */
struct cts_engine *cts_node_engine(struct cts_node *n);
struct cts_links *cts_node_links(struct cts_node *n);
struct cts_takeover *cts_node_takeover(struct cts_node *n);
struct cts_node_reader *cts_node_reader(struct cts_node *n);
const struct cts_config *cts_node_config(const struct cts_node *n);
uint64_t cts_node_now_ns(const struct cts_node *n);
uint64_t cts_node_started_ns(const struct cts_node *n);

#endif
