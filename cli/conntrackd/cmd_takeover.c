/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -c, --promote, --demote, -F, -t: what changes the kernel's table. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "cli/conntrackd/daemon.h"

/* A client that waits for the end of a job. */
struct job {
	struct daemon *d;
	struct cts_request *r;      /* lent; NULL: the client has gone */
	struct cts_timer *deadline; /* owned; promote only */
	bool promote;
};

static void job_ended(void *state)
{
	struct job *j = state;

	cts_takeover_forget(j->d->takeover, j);
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

/* -- commit and promote -- */

/* The role and the log line are the node's; a client that waits gets the result. */
static void commit_done(void *ctx, const struct cts_takeover_result *res)
{
	struct job *j = ctx;

	if (j->promote)
		cts_request_printf(j->r, "%s\n", res->text);
	cts_request_finish(j->r, j->promote && !res->complete,
			   res->complete ? "%.0s" : "%s: not everything could be restored\n",
			   j->promote ? "promote" : "commit");
}

static void commit_begin(struct job *j)
{
	uint64_t now = cts_loop_now_ns(j->d->loop);

	if ((j->promote ? cts_takeover_promote(j->d->takeover, commit_done, j, now)
			: cts_takeover_commit(j->d->takeover, commit_done, j, now)) < 0)
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

static void demote_done(void *ctx, const struct cts_takeover_result *res)
{
	struct job *j = ctx;

	cts_request_printf(j->r, "%s\n", res->text);
	cts_request_finish(j->r, 0, NULL);
}

static void purge_done(void *ctx, const struct cts_takeover_result *res)
{
	struct job *j = ctx;

	cts_request_finish(j->r, 0, NULL);
}

static void purge_begin(struct daemon *d, struct cts_request *r, bool demote)
{
	struct job *j = job_begin(d, r);
	uint64_t now = cts_loop_now_ns(d->loop);

	if (!j)
		return;
	if ((demote ? cts_takeover_demote(d->takeover, demote_done, j, now)
		    : cts_takeover_purge(d->takeover, purge_done, j, now)) < 0)
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
		cts_takeover_plan_purge(d->takeover, cts_loop_now_ns(d->loop));
	cts_request_finish(r, 0, NULL);
}
