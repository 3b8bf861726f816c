/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands on the expectation table. It is small: no selection, no batches. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/conntrack/conntrack.h"
#include "core/kernel/expect.h"

static void print_batch(void *ctx, const struct cts_event *const *ev, size_t n)
{
	struct printer *p = ctx;

	for (size_t i = 0; i < n; i++)
		printer_event(p, ev[i]);
}

static int print_rest(struct printer *p, int status)
{
	if (printer_flush(p) == 0)
		return status;
	report("standard output: %s", strerror(errno));
	return EXIT_OTHER;
}

/* All of the table through fn. 0, or the exit status of what was reported. */
static int dump_table(struct cmdline *cl, cts_batch_fn fn, void *ctx)
{
	const struct cts_dump_conf conf = { .table = CTS_TABLE_EXPECT, .family = cl->family };
	struct cts_dump *dump = cts_dump_open(&conf);
	int status = EXIT_OK;

	if (!dump)
		return report_failure(cl->command, errno);
	if (cts_dump_run(dump, fn, ctx) < 0) {
		if (errno == EINTR)
			report("the table changed while it was read: entries may be missing");
		else
			status = report_failure(cl->command, errno);
	}
	cts_dump_close(dump);
	return status;
}

int expect_list(struct cmdline *cl)
{
	struct printer *p = printer_open(cl);
	int status = print_rest(p, dump_table(cl, print_batch, p));
	uint64_t shown = printer_shown(p);

	printer_close(p);
	if (status == EXIT_OK)
		report("%" PRIu64 " expectations have been shown.", shown);
	return status;
}

static void count_batch(void *ctx, const struct cts_event *const *ev, size_t n)
{
	uint64_t *count = ctx;

	(void)ev;
	*count += n;
}

int expect_count(struct cmdline *cl)
{
	uint64_t n = 0;
	int status = dump_table(cl, count_batch, &n);

	if (status == EXIT_OK)
		printf(cl->output & OUT_JSON ? "{\"entries\":%" PRIu64 "}\n" : "%" PRIu64 "\n", n);
	return status;
}

/* -- one expectation from the command line -- */

static void family_or_ipv4(struct cmdline *cl)
{
	if (cl->family == AF_UNSPEC)
		cl->family = AF_INET;
	cl->store.flow.orig.family = (uint8_t)cl->family;
}

/* -D and -G name it by the tuple that is expected. */
static void expect_key(struct cmdline *cl, struct cts_expect *exp)
{
	family_or_ipv4(cl);
	*exp = (struct cts_expect){ .present = CTS_EXPECT_BIT(CTS_EXPECT_EXPECTED),
				    .expected = cl->store.flow.orig };
}

static void expect_whole(struct cmdline *cl, struct cts_expect *exp)
{
	family_or_ipv4(cl);
	*exp = (struct cts_expect){
		.present = CTS_EXPECT_BIT(CTS_EXPECT_EXPECTED) | CTS_EXPECT_BIT(CTS_EXPECT_MASK) |
			   CTS_EXPECT_BIT(CTS_EXPECT_MASTER) | CTS_EXPECT_BIT(CTS_EXPECT_TIMEOUT),
		.master = cl->store.flow.orig,
		.expected = cl->expected,
		.mask = { .src = cl->src_mask, .dst = cl->dst_mask, .sport = cl->mask_sport,
			  .dport = cl->mask_dport },
		.timeout = cl->store.flow.timeout,
	};
	exp->expected.family = exp->mask.family = exp->master.family;
	exp->expected.proto = exp->mask.proto = exp->master.proto;
}

static int report_expect(const struct cmdline *cl, int err)
{
	bool create = cl->command->id == CMD_CREATE;

	if (err != ENOENT && err != EEXIST && err != EOPNOTSUPP)
		return report_failure(cl->command, err);
	report("Operation failed: %s", create && err == ENOENT ? "master conntrack not found"
							       : strerror(err));
	if (err == EOPNOTSUPP)
		report("the master has no helper, which it gets when it is made: by a ruleset, or "
		       "by conntrack -I --helper NAME");
	return EXIT_OTHER;
}

int expect_create(struct cmdline *cl)
{
	struct cts_expect exp;

	expect_whole(cl, &exp);
	if (cts_expect_request(CTS_EXPECT_OP_CREATE, &exp, NULL, NULL) < 0)
		return report_expect(cl, errno);
	return EXIT_OK;
}

int expect_delete(struct cmdline *cl)
{
	struct cts_expect exp;

	expect_key(cl, &exp);
	if (cts_expect_request(CTS_EXPECT_OP_DELETE, &exp, NULL, NULL) < 0)
		return report_expect(cl, errno);
	report("1 expectations have been deleted.");
	return EXIT_OK;
}

static void print_found(void *ctx, const struct cts_expect *exp)
{
	const struct cts_event ev = { .type = CTS_EVENT_NEW, .origin = CTS_ORIGIN_DUMP,
				      .expect = exp, .time_ns = time_now_ns() };

	printer_event(ctx, &ev);
}

int expect_get(struct cmdline *cl)
{
	struct printer *p = printer_open(cl);
	int status = EXIT_OK;
	struct cts_expect exp;

	expect_key(cl, &exp);
	if (cts_expect_request(CTS_EXPECT_OP_GET, &exp, print_found, p) < 0)
		status = report_expect(cl, errno);
	status = print_rest(p, status);
	printer_close(p);
	return status;
}

int expect_flush(struct cmdline *cl)
{
	if (cts_expect_request(CTS_EXPECT_OP_FLUSH, NULL, NULL, NULL) < 0)
		return report_failure(cl->command, errno);
	report("expectation table has been emptied.");
	return EXIT_OK;
}

/* -- events -- */

static int watch_expectations(struct cts_events *src, int sigfd, struct printer *p)
{
	struct pollfd fds[] = { { .fd = sigfd, .events = POLLIN },
				{ .fd = cts_events_fd(src), .events = POLLIN } };
	uint64_t lost, said = 0;
	int n;

	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return -1;
		while ((n = cts_events_read(src, print_batch, p)) > 0)
			;
		if ((n < 0 && errno != EAGAIN && errno != EINTR) || printer_flush(p) < 0)
			return -1;
		lost = cts_events_lost(src);
		if (lost != said)
			report("lost %" PRIu64 " events: the receive buffer was full", lost - said);
		said = lost;
		if (fds[0].revents)
			return 0;
	}
}

int expect_event(struct cmdline *cl)
{
	const struct cts_events_conf conf = { .expectations = true, .no_flows = true };
	struct printer *p = printer_open(cl);
	int status = EXIT_OK, sigfd = signals_open();   /* before it is seen to listen */
	struct cts_events *src = sigfd < 0 ? NULL : cts_events_open(&conf);

	if (!src) {
		status = report_failure(cl->command, errno);
		printer_close(p);
		return status;
	}
	advise_events();
	if (watch_expectations(src, sigfd, p) < 0)
		status = report_failure(cl->command, errno);
	report("%" PRIu64 " expectation events have been shown.", printer_shown(p));
	close(sigfd);
	cts_events_close(src);
	printer_close(p);
	return status;
}
