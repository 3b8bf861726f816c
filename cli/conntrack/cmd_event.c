/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -E: kernel events -> selection -> printer, until a signal comes. Lost events
 * are counted and said, they do not end it; --resync makes up for them. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/conntrack/question.h"
#include "cli/conntrack/resync.h"

struct watch {
	struct cmdline *cl;
	struct cts_events *src;      /* owned */
	struct cts_pipeline *pipe;   /* owned */
	struct printer *printer;     /* owned */
	struct resync *resync;       /* owned; NULL: without */
	int sigfd;
	uint64_t lost;               /* said already */
};

static void event_push(void *ctx, const struct cts_event *const *ev, size_t n)
{
	const struct watch *w = ctx;

	cts_pipeline_push(w->pipe, ev, n);
}

/* With --resync all kinds of events come, and those that were asked for are shown. */
static void event_push_wanted(void *ctx, const struct cts_event *const *ev, size_t n)
{
	const struct watch *w = ctx;
	const struct cts_event *wanted[CTS_BATCH_MAX];
	size_t i, k = 0;

	for (i = 0; i < n; i++)
		if (w->cl->events & 1u << ev[i]->type)
			wanted[k++] = ev[i];
	if (k)
		cts_pipeline_push(w->pipe, wanted, k);
}

int signals_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void report_lost(struct watch *w)
{
	uint64_t lost = cts_events_lost(w->src);

	if (lost == w->lost)
		return;
	report("lost %" PRIu64 " events: the receive buffer was full, see -b", lost - w->lost);
	w->lost = lost;
}

static void report_buffer(const struct watch *w)
{
	socklen_t len = sizeof(int);
	int bytes = 0;

	if (!cmdline_has(w->cl, OPT_BUFFER_SIZE) || getsockopt(cts_events_fd(w->src), SOL_SOCKET,
							       SO_RCVBUF, &bytes, &len) < 0)
		return;
	fprintf(stderr, "NOTICE: Netlink socket buffer size has been set to %d bytes.\n", bytes);
}

/* All that is there. 0, or -1 and errno. */
static int watch_read(struct watch *w)
{
	int n;

	while ((n = w->resync ? resync_read(w->resync) : cts_events_read(w->src, event_push, w)) > 0)
		;
	return n < 0 && errno != EAGAIN && errno != EINTR ? -1 : 0;
}

/* Read until the socket is empty, print, wait. */
static int event_loop(struct watch *w)
{
	struct pollfd fds[] = { { .fd = w->sigfd, .events = POLLIN },
				{ .fd = cts_events_fd(w->src), .events = POLLIN } };
	int again;

	for (;;) {
		if (poll(fds, 2, w->resync ? resync_wait_ms(w->resync) : -1) < 0 && errno != EINTR)
			return -1;
		if (watch_read(w) < 0)
			return -1;
		report_lost(w);
		again = w->resync ? resync_run(w->resync, fds[0].revents) : 0;
		if (again < 0 || printer_flush(w->printer) < 0)
			return -1;
		if (again)
			resync_say(w->resync);
		report_lost(w);
		if (fds[0].revents)
			return 0;
	}
}

static int watch_table(struct watch *w)
{
	if (cmdline_has(w->cl, OPT_RESYNC)) {
		w->resync = resync_open(w->src, event_push_wanted, w);
		if (!w->resync)
			return -1;
	}
	return event_loop(w);
}

static void watch_close(struct watch *w)
{
	resync_close(w->resync);
	cts_events_close(w->src);
	if (w->sigfd >= 0)
		close(w->sigfd);
	cts_pipeline_destroy(w->pipe);
	printer_close(w->printer);
}

static int watch_failed(const struct watch *w, int err)
{
	if (w->src || err != EPERM)
		return report_failure(w->cl->command, err);
	report("Can't open netlink socket: %s", strerror(err));
	advise(w->cl->command, err);
	return EXIT_OTHER;
}

static int show_events(struct cmdline *cl)
{
	const struct cts_events_conf conf = { .types = cmdline_has(cl, OPT_RESYNC) ? 0 : cl->events,
					      .receive_buffer = 2 * cl->buffer_size };
	struct watch w = { .cl = cl, .printer = printer_open(cl), .sigfd = -1 };
	int status = EXIT_OK;

	w.pipe = assemble(cl, printer_consumer(w.printer));
	/* Before anybody can see that it listens: from then on a signal ends it well. */
	w.sigfd = signals_open();
	if (w.sigfd < 0)
		return report_failure(cl->command, errno);
	w.src = cts_events_open(&conf);
	if (w.src) {
		report_buffer(&w);
		advise_events();
	}
	if (!w.src || watch_table(&w) < 0)
		status = watch_failed(&w, errno);
	if (w.src)
		report("%" PRIu64 " flow events have been shown.", printer_shown(w.printer));
	watch_close(&w);
	return status;
}

int cmd_event(struct cmdline *cl)
{
	return cmdline_has(cl, OPT_BY) ? cmd_rates(cl) : show_events(cl);
}
