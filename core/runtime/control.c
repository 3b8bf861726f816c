/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server's side of the control socket, on libevent's bufferevents. */
#include "config.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <ctsync/log.h>

#include "core/runtime/control.h"

#define CONTROL_REQUEST_S 10 /* for a client to say what it wants */
#define CONTROL_READ_S 60    /* for it to read some of the answer */

struct cts_request {
	struct cts_control *control;
	struct bufferevent *bev; /* owned */
	struct cts_request *next;
	bool may_change; /* root, or the daemon's own user */
	bool started, finished;
	bool gone; /* to be freed by the next sweep */
	bool (*step)(void *state, struct cts_request *r);
	void (*ended)(void *state);
	void *state;
};

struct cts_control {
	struct evconnlistener *listener; /* owned */
	struct event_base *base;
	const struct cts_control_command *commands;
	void *ctx;
	struct cts_request *requests; /* owned */
	struct cts_control_stats stats;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

/* -- requests -- */

static void request_end(struct cts_request *r)
{
	void (*ended)(void *state) = r->ended;

	r->step = NULL;
	r->ended = NULL;
	if (ended)
		ended(r->state);
}

/* Freed later: the caller may be in the middle of a call that uses it. */
static void request_drop(struct cts_request *r)
{
	request_end(r);
	r->gone = true;
	bufferevent_disable(r->bev, EV_READ | EV_WRITE);
}

static void sweep(struct cts_control *c)
{
	struct cts_request **p = &c->requests;

	while (*p) {
		struct cts_request *r = *p;

		if (!r->gone) {
			p = &r->next;
			continue;
		}
		*p = r->next;
		bufferevent_free(r->bev);
		free(r);
		c->stats.clients--;
	}
}

void cts_request_steps(struct cts_request *r, bool (*step)(void *state, struct cts_request *r),
		       void (*ended)(void *state), void *state)
{
	r->step = step;
	r->ended = ended;
	r->state = state;
}

void cts_request_write(struct cts_request *r, const void *text, size_t len)
{
	bufferevent_write(r->bev, text, len);
}

void cts_request_printf(struct cts_request *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	evbuffer_add_vprintf(bufferevent_get_output(r->bev), fmt, ap);
	va_end(ap);
}

size_t cts_request_waiting(const struct cts_request *r)
{
	return evbuffer_get_length(bufferevent_get_output(r->bev));
}

void cts_request_finish(struct cts_request *r, int status, const char *fmt, ...)
{
	struct evbuffer *out = bufferevent_get_output(r->bev);
	va_list ap;

	request_end(r);
	r->finished = true;
	evbuffer_add(out, "", 1);
	evbuffer_add_printf(out, "%d\n", status);
	if (fmt) {
		va_start(ap, fmt);
		evbuffer_add_vprintf(out, fmt, ap);
		va_end(ap);
	}
}

/* Split at spaces, in place. -1: too many words. */
static int split(char *line, char **argv, int max)
{
	int argc = 0;

	for (char *word = strtok_r(line, " ", &line); word; word = strtok_r(NULL, " ", &line)) {
		if (argc == max)
			return -1;
		argv[argc++] = word;
	}
	argv[argc] = NULL;
	return argc;
}

static const struct cts_control_command *find_command(const struct cts_control *c, const char *word)
{
	for (const struct cts_control_command *cmd = c->commands; cmd->word; cmd++)
		if (strcmp(cmd->word, word) == 0)
			return cmd;
	return NULL;
}

static void garbage(struct cts_request *r, const char *why)
{
	r->control->stats.garbage++;
	cts_request_finish(r, 1, "%s\n", why);
}

static void request_start(struct cts_request *r, char *line, size_t len)
{
	const struct timeval writing = { CONTROL_READ_S, 0 };
	const struct cts_control_command *cmd;
	char *argv[CTS_CONTROL_ARGS_MAX + 1];
	int argc;

	r->started = true;
	bufferevent_disable(r->bev, EV_READ);
	/* It has said what it wants: from now on it may wait as long as the work takes. */
	bufferevent_set_timeouts(r->bev, NULL, &writing);
	if (strlen(line) != len) {
		garbage(r, "not a request");
		return;
	}
	argc = split(line, argv, CTS_CONTROL_ARGS_MAX);
	cmd = argc > 0 ? find_command(r->control, argv[0]) : NULL;
	if (!cmd) {
		garbage(r, "unknown request");
		return;
	}
	if (cmd->changes && !r->may_change) {
		r->control->stats.refused++;
		cts_request_finish(r, 1, "%s: %s\n", argv[0], strerror(EPERM));
		return;
	}
	r->control->stats.requests++;
	cmd->start(r->control->ctx, r, argc, argv);
	/* A client that closes is noticed through its end of file. */
	if (!r->finished)
		bufferevent_enable(r->bev, EV_READ);
}

/* -- what libevent calls -- */

static void client_read(struct bufferevent *bev, void *ctx)
{
	struct cts_request *r = ctx;
	struct evbuffer *in = bufferevent_get_input(bev);
	size_t len;
	char *line;

	if (r->started) {
		evbuffer_drain(in, evbuffer_get_length(in));
		return;
	}
	line = evbuffer_readln(in, &len, EVBUFFER_EOL_LF);
	if (line) {
		request_start(r, line, len);
		free(line);
	} else if (evbuffer_get_length(in) >= CTS_CONTROL_LINE_MAX) {
		r->started = true;
		garbage(r, "request too long");
	}
}

static void client_written(struct bufferevent *bev, void *ctx)
{
	struct cts_request *r = ctx;

	/* Below the low mark: either there is more to make, or this was all. */
	if (r->finished && cts_request_waiting(r) == 0)
		request_drop(r);
	else if (r->finished)
		bufferevent_setwatermark(bev, EV_WRITE, 0, 0);
}

static void client_event(struct bufferevent *bev, short what, void *ctx)
{
	struct cts_request *r = ctx;

	/* Half-closed: it has said all and still reads the answer. One that has gone
	 * makes the next write fail. */
	if (what & BEV_EVENT_EOF && r->started)
		return;
	if (!r->started)
		r->control->stats.garbage++;
	request_drop(r);
}

static bool may_change(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
	       (cred.uid == 0 || cred.uid == geteuid());
}

static void accepted(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *addr,
		     int len, void *ctx)
{
	const struct timeval reading = { CONTROL_REQUEST_S, 0 }, writing = { CONTROL_READ_S, 0 };
	struct cts_control *c = ctx;
	struct cts_request *r;

	sweep(c);
	r = c->stats.clients < CTS_CONTROL_CLIENTS_MAX ? calloc(1, sizeof(*r)) : NULL;
	if (r)
		r->bev = bufferevent_socket_new(c->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!r || !r->bev) {
		c->stats.refused++;
		free(r);
		close(fd);
		return;
	}
	r->control = c;
	r->may_change = may_change(fd);
	r->next = c->requests;
	c->requests = r;
	c->stats.clients++;
	bufferevent_setcb(r->bev, client_read, client_written, client_event, r);
	bufferevent_setwatermark(r->bev, EV_READ, 0, CTS_CONTROL_LINE_MAX);
	bufferevent_setwatermark(r->bev, EV_WRITE, CTS_CONTROL_BUFFER / 2, 0);
	bufferevent_set_timeouts(r->bev, &reading, &writing);
	bufferevent_enable(r->bev, EV_READ | EV_WRITE);
}

/* -- the socket -- */

bool cts_control_step(struct cts_control *c)
{
	bool more = false;

	for (struct cts_request *r = c->requests; r; r = r->next) {
		if (r->step && cts_request_waiting(r) < CTS_CONTROL_BUFFER)
			more |= r->step(r->state, r) && r->step;
		/* Nothing waits and no callback will come: the end, seen here. */
		if (r->finished && !r->gone) {
			bufferevent_setwatermark(r->bev, EV_WRITE, 0, 0);
			if (cts_request_waiting(r) == 0)
				request_drop(r);
		}
	}
	sweep(c);
	return more;
}

void cts_control_drain(struct cts_control *c)
{
	for (struct cts_request *r = c->requests; r; r = r->next) {
		struct evbuffer *out = bufferevent_get_output(r->bev);

		if (r->gone || !evbuffer_get_length(out))
			continue;
		/* A bufferevent keeps its output frozen but for its own writes: an
		 * evbuffer_write() would just fail. */
		evbuffer_unfreeze(out, 1);
		evbuffer_write(out, bufferevent_getfd(r->bev));
		evbuffer_freeze(out, 1);
	}
}

static int listen_at(const char *path, mode_t mode)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	mode_t before;
	int fd, ret, saved;

	if (len >= sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(sun.sun_path, path, len + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	unlink(path); /* the lock says that nobody serves it */
	before = umask(0777 & ~mode);
	ret = bind(fd, (struct sockaddr *)&sun, sizeof(sun));
	umask(before);
	if (ret == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

struct cts_control *cts_control_create(struct cts_loop *loop, const char *path, mode_t mode,
				       const struct cts_control_command *commands, void *ctx)
{
	struct cts_control *c = calloc(1, sizeof(*c));
	int fd, saved;

	if (!c)
		return NULL;
	c->base = cts_loop_base(loop);
	c->commands = commands;
	c->ctx = ctx;
	fd = listen_at(path, mode);
	if (fd < 0)
		goto err;
	memcpy(c->path, path, strlen(path) + 1);
	c->listener = evconnlistener_new(c->base, accepted, c,
					 LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 64, fd);
	if (c->listener)
		return c;
	unlink(path);
	close(fd);
	errno = ENOMEM;
err:
	saved = errno;
	free(c);
	errno = saved;
	return NULL;
}

void cts_control_destroy(struct cts_control *c)
{
	if (!c)
		return;
	for (struct cts_request *r = c->requests; r; r = r->next)
		if (!r->gone)
			request_drop(r);
	sweep(c);
	evconnlistener_free(c->listener);
	unlink(c->path);
	free(c);
}

void cts_control_get_stats(const struct cts_control *c, struct cts_control_stats *st)
{
	*st = c->stats;
}
