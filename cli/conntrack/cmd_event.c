/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -E: kernel events -> selection -> printer, until a signal comes. Lost events
 * are counted and said, they do not end it. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/conntrack/conntrack.h"

static void event_push(void *ctx, const struct cts_event *const *ev, size_t n)
{
	cts_pipeline_push(ctx, ev, n);
}

static int signals_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void report_lost(struct cts_events *src, uint64_t *known)
{
	uint64_t lost = cts_events_lost(src);

	if (lost == *known)
		return;
	report("lost %" PRIu64 " events: the receive buffer was full, see -b", lost - *known);
	*known = lost;
}

/* Read until the socket is empty, print, wait. */
static int event_loop(struct cts_events *src, int sigfd, struct cts_pipeline *pipe,
		      struct printer *p)
{
	struct pollfd fds[] = { { .fd = sigfd, .events = POLLIN },
				{ .fd = cts_events_fd(src), .events = POLLIN } };
	uint64_t lost = 0;
	int n;

	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return -1;
		while ((n = cts_events_read(src, event_push, pipe)) > 0)
			;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -1;
		if (printer_flush(p) < 0)
			return -1;
		report_lost(src, &lost);
		if (fds[0].revents)
			return 0;
	}
}

int cmd_event(struct cmdline *cl)
{
	const struct cts_events_conf conf = { .types = cl->events,
					      .receive_buffer = cl->buffer_size };
	struct printer *p = printer_open(cl);
	struct cts_pipeline *pipe = assemble(cl, printer_consumer(p));
	struct cts_events *src = cts_events_open(&conf);
	int status = EXIT_OK, sigfd;

	if (!src) {
		if (errno != EPERM)
			return report_failure(cl->command, errno);
		die(EXIT_OTHER, "Can't open netlink socket: %s", strerror(errno));
	}
	sigfd = signals_open();
	if (sigfd < 0 || event_loop(src, sigfd, pipe, p) < 0)
		status = report_failure(cl->command, errno);
	report("%" PRIu64 " flow events have been shown.", printer_shown(p));
	cts_events_close(src);
	close(sigfd);
	cts_pipeline_destroy(pipe);
	printer_close(p);
	return status;
}
