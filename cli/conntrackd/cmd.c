/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words of the control socket, and the commands that are one call. */
#include "config.h"

#include <string.h>

#include <ctsync/log.h>

#include "cli/conntrackd/daemon.h"

static void cmd_stop(void *ctx, struct cts_request *r, int argc, char **argv)
{
	cts_info("stop: asked for");
	cts_request_finish(r, 0, NULL);
	daemon_stop(ctx);
}

static void cmd_bulk(void *ctx, struct cts_request *r, int argc, char **argv)
{
	struct daemon *d = ctx;

	if (d->engine)
		cts_engine_bulk(d->engine, cts_loop_now_ns(d->loop));
	cts_request_finish(r, 0, NULL);
}

static void cmd_resync(void *ctx, struct cts_request *r, int argc, char **argv)
{
	struct daemon *d = ctx;

	if (d->engine)
		cts_engine_resync(d->engine, cts_loop_now_ns(d->loop));
	cts_request_finish(r, 0, NULL);
}

/* Expectations have no cache yet: a command for them alone does nothing. */
static bool expectations_only(int argc, char **argv)
{
	return argc > 1 && strcmp(argv[1], "expect") == 0;
}

static void cmd_resync_kernel(void *ctx, struct cts_request *r, int argc, char **argv)
{
	struct daemon *d = ctx;

	if (!expectations_only(argc, argv))
		cts_node_reader_reconcile(d->reader);
	cts_request_finish(r, 0, NULL);
}

static void cmd_flush(void *ctx, struct cts_request *r, int argc, char **argv)
{
	struct daemon *d = ctx;
	bool internal = argc < 2 || strcmp(argv[1], "internal") == 0;
	bool external = argc < 2 || strcmp(argv[1], "external") == 0;
	uint64_t now = cts_loop_now_ns(d->loop);

	if (!d->engine) {
		cts_request_finish(r, 0, NULL);
		return;
	}
	if (cts_takeover_busy(d->takeover)) {
		cts_request_finish(r, 1, "flush: a commit is still in progress\n");
		return;
	}
	cts_takeover_cancel_purge(d->takeover);
	if (internal)
		cts_node_flush_internal(d->node);
	if (external)
		cts_engine_flush_external(d->engine, now);
	cts_info("flush: %s", argc < 2   ? "both caches"
			      : internal ? "internal cache"
					 : "external cache");
	cts_request_finish(r, 0, NULL);
}

const struct cts_control_command daemon_commands[] = {
	{ "bulk", true, cmd_bulk },       { "commit", true, cmd_commit },
	{ "demote", true, cmd_demote },   { "dump", false, cmd_dump },
	{ "flush", true, cmd_flush },     { "flush-kernel", true, cmd_flush_kernel },
	{ "promote", true, cmd_promote }, { "purge", true, cmd_purge },
	{ "resync", true, cmd_resync },   { "resync-kernel", true, cmd_resync_kernel },
	{ "stats", false, cmd_stats },    { "status", false, cmd_status },
	{ "stop", true, cmd_stop },       { NULL, false, NULL }
};
