/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conntrackd: the assembly of all parts around one event loop. */
#ifndef CONNTRACKD_DAEMON_H
#define CONNTRACKD_DAEMON_H

#include "core/node/node.h"
#include "core/pipeline/pipeline.h"
#include "core/runtime/control.h"

#include "cli/conntrackd/env.h"
#include "cli/conntrackd/instances.h"

struct daemon {
	struct cts_config *conf; /* lent */
	struct cts_loop *loop;   /* owned, as all that follows */
	struct cts_signal *sigterm, *sigint, *sighup;
	struct cts_pipeline *pipeline;
	struct instances *instances;
	struct cts_node *node;
	struct cts_control *control;
	struct cts_timer *watchdog;
	int lock_fd;

	/* Parts of the node, lent; all but the reader are NULL without a sync group. */
	struct cts_node_reader *reader;
	struct cts_engine *engine;
	struct cts_links *links;
	struct cts_takeover *takeover;

	struct cts_consumer traffic;
	uint64_t filtered;                       /* kernel events that a filter refused */
	uint64_t traffic_bytes, traffic_packets; /* of destroyed flows */
	uint64_t destroyed, created;             /* events, without a sync group */
	uint64_t started_ns;                     /* CLOCK_MONOTONIC */
	uint64_t watchdog_us;
	bool stopping;
};

/* NULL: logged. */
struct daemon *daemon_create(struct cts_config *conf);
/* Until a signal or the command to stop. 0, or -1. */
int daemon_run(struct daemon *d);
void daemon_destroy(struct daemon *d); /* takes NULL */
void daemon_stop(struct daemon *d);

/* The commands of the control socket; ctx is a struct daemon. */
extern const struct cts_control_command daemon_commands[];

/* cmd_*.c: one command each */
void cmd_commit(void *ctx, struct cts_request *r, int argc, char **argv);
void cmd_demote(void *ctx, struct cts_request *r, int argc, char **argv);
void cmd_dump(void *ctx, struct cts_request *r, int argc, char **argv);
void cmd_flush_kernel(void *ctx, struct cts_request *r, int argc, char **argv);
void cmd_promote(void *ctx, struct cts_request *r, int argc, char **argv);
void cmd_purge(void *ctx, struct cts_request *r, int argc, char **argv);
void cmd_stats(void *ctx, struct cts_request *r, int argc, char **argv);
void cmd_status(void *ctx, struct cts_request *r, int argc, char **argv);

/* cmd_status.c: as -s network shows them too */
void status_print_peers(struct daemon *d, struct cts_request *r);

#endif
