/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -c, --promote, --demote, -F, -t: what changes the kernel's table. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <ctsync/log.h>

#include "cli/conntrackd/daemon.h"

/* A client that waits for the end of a job. */
struct job {
	struct daemon *d;
	struct cts_request *r;         /* lent; NULL: the client has gone */
	struct cts_timer *deadline;    /* owned; promote only */
	bool promote, finished;
	struct cts_node_takeover_result result;
};

static void job_ended(void *state)
{
	struct job *j = state;

	cts_node_takeover_forget(j->d->takeover, j);
	cts_timer_destroy(j->deadline);
	free(j);
}

static bool job_waits(void *state, struct cts_request *r)
{
	return false;
}

static struct job *job_begin(struct daemon *d, struct cts_request *r)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j) {
		cts_request_finish(r, 1, "out of memory\n");
		return NULL;
	}
	j->d = d;
	j->r = r;
	cts_request_steps(r, job_waits, job_ended, j);
	return j;
}

static uint64_t not_restored(const struct cts_node_takeover_result *res)
{
	return res->by_class[CTS_WRITE_COLLISION] + res->by_class[CTS_WRITE_REVERSED] +
	       res->by_class[CTS_WRITE_TABLE_FULL] + res->by_class[CTS_WRITE_FAILED];
}

static uint64_t restored(const struct cts_node_takeover_result *res)
{
	return res->by_class[CTS_WRITE_CREATED] + res->by_class[CTS_WRITE_NO_MASTER] +
	       res->by_class[CTS_WRITE_NO_HELPER] + res->by_class[CTS_WRITE_NO_STATUS];
}

static void describe(const struct cts_node_takeover_result *res, char *buf, size_t size)
{
	snprintf(buf, size,
		 "%" PRIu64 " committed, %" PRIu64 " already there, %" PRIu64 " collisions, %" PRIu64
		 " reversed, %" PRIu64 " refused, %" PRIu64 " unconfirmed, %" PRIu64 ".%06" PRIu64 " s%s",
		 restored(res), res->by_class[CTS_WRITE_UPDATED],
		 res->by_class[CTS_WRITE_COLLISION], res->by_class[CTS_WRITE_REVERSED],
		 res->by_class[CTS_WRITE_FAILED] + res->by_class[CTS_WRITE_TABLE_FULL],
		 res->unconfirmed, res->ns / 1000000000u, res->ns / 1000u % 1000000u,
		 res->full ? ", the kernel's table is full" : "");
}

/* -- commit and promote -- */

static void commit_done(void *ctx, const struct cts_node_takeover_result *res)
{
	struct job *j = ctx;
	char text[256];

	describe(res, text, sizeof(text));
	cts_info("%s: %s", j->promote ? "promote" : "commit", text);
	if (j->promote) {
		cts_node_takeover_set_role(j->d->takeover, true);
		cts_request_printf(j->r, "%s\n", text);
	}
	cts_request_finish(j->r, j->promote && (not_restored(res) || res->full),
			   not_restored(res) || res->full ? "%s: not everything could be restored\n"
							  : "%.0s",
			   j->promote ? "promote" : "commit");
}

static void commit_begin(struct job *j)
{
	cts_node_takeover_cancel_purge(j->d->takeover);
	if (cts_node_takeover_commit(j->d->takeover, commit_done, j) < 0)
		cts_request_finish(j->r, 1, "another commit or purge is still in progress\n");
}

void cmd_commit(void *ctx, struct cts_request *r, int argc, char **argv)
{
	struct daemon *d = ctx;
	struct job *j;

	if (!d->engine || (argc > 1 && strcmp(argv[1], "expect") == 0)) {
		cts_request_finish(r, 0, NULL);
		return;
	}
	j = job_begin(d, r);
	if (j)
		commit_begin(j);
}

static void promote_late(void *ctx)
{
	struct job *j = ctx;

	cts_request_finish(j->r, 1, "promote: not finished in time, it goes on\n");
}

/* promote [seconds] */
void cmd_promote(void *ctx, struct cts_request *r, int argc, char **argv)
{
	struct daemon *d = ctx;
	struct job *j;
	double timeout = 0;
	char *end;

	if (!d->engine) {
		cts_request_finish(r, 1, "promote: no sync group is configured\n");
		return;
	}
	if (argc > 1) {
		timeout = strtod(argv[1], &end);
		if (end == argv[1] || *end || !(timeout > 0 && timeout <= 86400)) {
			cts_request_finish(r, 1, "promote: %s: not a number of seconds\n", argv[1]);
			return;
		}
	}
	j = job_begin(d, r);
	if (!j)
		return;
	j->promote = true;
	if (timeout > 0) {
		j->deadline = cts_timer_create(d->loop, promote_late, j);
		if (j->deadline)
			cts_timer_arm_us(j->deadline, (uint64_t)(timeout * 1e6));
	}
	commit_begin(j);
}

/* -- leaving -- */

static void demote_done(void *ctx, const struct cts_node_takeover_result *res)
{
	struct job *j = ctx;
	char text[128];

	snprintf(text, sizeof(text), "%" PRIu64 " flows removed, %" PRIu64
		 " wait for another node to take them over",
		 res->by_class[CTS_WRITE_DELETED], res->kept);
	cts_info("demote: %s", text);
	cts_request_printf(j->r, "%s\n", text);
	cts_request_finish(j->r, 0, NULL);
}

static void purge_done(void *ctx, const struct cts_node_takeover_result *res)
{
	struct job *j = ctx;

	cts_info("purge: %" PRIu64 " flows removed from the kernel",
		 res->by_class[CTS_WRITE_DELETED]);
	cts_request_finish(j->r, 0, NULL);
}

static void purge_begin(struct daemon *d, struct cts_request *r, bool demote)
{
	struct job *j = job_begin(d, r);

	if (!j)
		return;
	if ((demote ? cts_node_takeover_demote(d->takeover, demote_done, j)
		    : cts_node_takeover_purge(d->takeover, purge_done, j)) < 0)
		cts_request_finish(r, 1, "a commit or purge is still in progress\n");
}

void cmd_flush_kernel(void *ctx, struct cts_request *r, int argc, char **argv)
{
	struct daemon *d = ctx;

	if (!d->engine || (argc > 1 && strcmp(argv[1], "expect") == 0))
		cts_request_finish(r, 0, NULL);
	else
		purge_begin(d, r, false);
}

void cmd_demote(void *ctx, struct cts_request *r, int argc, char **argv)
{
	struct daemon *d = ctx;

	if (!d->engine) {
		cts_request_finish(r, 1, "demote: no sync group is configured\n");
		return;
	}
	purge_begin(d, r, true);
}

void cmd_purge(void *ctx, struct cts_request *r, int argc, char **argv)
{
	struct daemon *d = ctx;

	if (d->engine)
		cts_node_takeover_plan_purge(d->takeover);
	cts_request_finish(r, 0, NULL);
}
