/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -E --by: how many flows began and ended, by group, at every interval. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "cli/conntrack/question.h"

#define EVERY_DEFAULT_MS 1000u
#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

struct rates {
	struct cmdline *cl;
	struct cts_events *src;      /* owned */
	struct cts_pipeline *pipe;   /* owned */
	struct tally tally;
	int sigfd, timerfd;
	uint64_t since_ns;           /* begin of the interval, monotonic */
	uint64_t shown;              /* intervals */
	uint64_t lost;               /* events, said already */
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static int timer_open(uint64_t every_ms)
{
	const struct timespec every = { .tv_sec = (time_t)(every_ms / 1000),
					.tv_nsec = (long)(every_ms % 1000 * NS_PER_MS) };
	const struct itimerspec spec = { .it_interval = every, .it_value = every };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd >= 0 && timerfd_settime(fd, 0, &spec, NULL) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void rates_push(void *ctx, const struct cts_event *const *ev, size_t n)
{
	const struct rates *r = ctx;

	cts_pipeline_push(r->pipe, ev, n);
}

/* Text for people, numbers that sum up for programs. */
static void rate_columns(struct group_listing *gl)
{
	if (gl->form == GROUP_TEXT) {
		gl->column[gl->n_columns++] = (struct group_column){ "new/s", 0, COLUMN_RATE };
		gl->column[gl->n_columns++] = (struct group_column){ "destroyed/s", 1, COLUMN_RATE };
		return;
	}
	gl->column[gl->n_columns++] = (struct group_column){ "new", 0, COLUMN_SUM };
	gl->column[gl->n_columns++] = (struct group_column){ "destroyed", 1, COLUMN_SUM };
	gl->column[gl->n_columns++] = (struct group_column){ "new_per_s", 0, COLUMN_RATE };
	gl->column[gl->n_columns++] = (struct group_column){ "destroyed_per_s", 1, COLUMN_RATE };
}

static void report_lost(struct rates *r)
{
	uint64_t lost = cts_events_lost(r->src);

	if (lost != r->lost)
		report("lost %" PRIu64 " events: the receive buffer was full, see -b",
		       lost - r->lost);
	r->lost = lost;
}

/* End of an interval. 0, or -1 and errno: standard output is gone. */
static int rates_show(struct rates *r)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	struct group_listing gl = { .by = &r->tally.by, .form = tally_form(r->cl),
				    .labels = r->tally.labels,
				    .total = groups_total(r->tally.groups),
				    .time_ns = clock_ns(CLOCK_REALTIME),
				    .seconds = (double)(now - r->since_ns) / (double)NS_PER_S,
				    .head = !r->shown };

	rate_columns(&gl);
	tally_print(&r->tally, r->cl, &gl);
	tally_report_refused(&r->tally);
	report_lost(r);
	groups_clear(r->tally.groups);
	r->since_ns = now;
	r->shown++;
	return fflush(stdout) ? -1 : 0;
}

/* All that is there. 0, or -1 and errno. */
static int rates_read(struct rates *r)
{
	int n;

	while ((n = cts_events_read(r->src, rates_push, r)) > 0)
		;
	return n < 0 && errno != EAGAIN && errno != EINTR ? -1 : 0;
}

/* Until a signal or the last interval. What has begun is shown at a signal. */
static int rates_loop(struct rates *r)
{
	struct pollfd fds[] = { { .fd = r->sigfd, .events = POLLIN },
				{ .fd = r->timerfd, .events = POLLIN },
				{ .fd = cts_events_fd(r->src), .events = POLLIN } };
	uint64_t intervals = r->cl->question.intervals, ticks;

	for (r->since_ns = clock_ns(CLOCK_MONOTONIC); !intervals || r->shown < intervals;) {
		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			return -1;
		if (rates_read(r) < 0)
			return -1;
		if (fds[0].revents)
			return rates_show(r);
		if (read(r->timerfd, &ticks, sizeof(ticks)) == sizeof(ticks) && rates_show(r) < 0)
			return -1;
	}
	return 0;
}

static int rates_run(struct rates *r)
{
	const unsigned int known = 1u << CTS_EVENT_NEW | 1u << CTS_EVENT_DESTROY;
	const struct cts_events_conf conf = { .types = r->cl->events & known,
					      .receive_buffer = 2 * r->cl->buffer_size };
	uint64_t every_ms = r->cl->question.every_ms ? r->cl->question.every_ms : EVERY_DEFAULT_MS;

	r->sigfd = signals_open();
	r->timerfd = timer_open(every_ms);
	if (r->sigfd < 0 || r->timerfd < 0)
		return -1;
	r->src = cts_events_open(&conf);
	if (!r->src)
		return -1;
	advise_events();
	return rates_loop(r);
}

int cmd_rates(struct cmdline *cl)
{
	struct rates r = { .cl = cl, .sigfd = -1, .timerfd = -1 };
	int status = EXIT_OK;

	if (!(cl->events & ~(1u << CTS_EVENT_UPDATE)))
		die_at(&cl->at, EXIT_PARAMETER, "updates are not counted: -e NEW or DESTROY");
	tally_open_events(&r.tally, cl);
	r.pipe = assemble(cl, &r.tally.consumer);
	if (rates_run(&r) < 0)
		status = report_failure(cl->command, errno);
	cts_events_close(r.src);
	if (r.timerfd >= 0)
		close(r.timerfd);
	if (r.sigfd >= 0)
		close(r.sigfd);
	cts_pipeline_destroy(r.pipe);
	tally_close(&r.tally);
	return status;
}
