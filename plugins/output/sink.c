/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One buffer, one write for each flush or whenever it is full. Nobody may stop the
 * daemon by not reading: a pipe or terminal is written in pieces that poll() has
 * found room for, since O_NONBLOCK on an inherited stdout would hit the shell too.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ctsync/log.h>

#include "plugins/output/sink.h"
#include "plugins/output/syslog.h"

#define SINK_BUFFER (256u << 10)   /* handed on when this much has come together */
#define SINK_BUFFER_MAX (4u << 20) /* kept for a reader that is late, without wait */

struct sink {
	struct sink_conf conf;
	int fd;                    /* owned unless stdout; -1: syslog */
	bool regular;              /* a file: a write never waits for a reader */
	struct syslog_out *syslog; /* owned, or NULL */
	char *buf;                 /* owned */
	size_t len, size;
	bool stuck;    /* nobody takes anything: not tried again in this turn */
	bool dropping; /* said so in the log already */
	struct sink_stats st;
};

static bool sink_is_stdout(const struct sink *s)
{
	return strcmp(s->conf.file, "-") == 0;
}

/* O_NONBLOCK: a fifo without a reader is an error, not a wait. */
static int sink_open(struct sink *s, int *fd)
{
	struct stat st;

	if (sink_is_stdout(s))
		*fd = STDOUT_FILENO;
	else
		*fd = open(s->conf.file,
			   O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
	if (*fd < 0 || fstat(*fd, &st) < 0) {
		int saved = errno;

		cts_err("log: cannot open %s: %s", s->conf.file, strerror(saved));
		if (*fd > STDOUT_FILENO)
			close(*fd);
		errno = saved;
		return -1;
	}
	s->regular = S_ISREG(st.st_mode);
	return 0;
}

static void sink_close(struct sink *s)
{
	if (s->fd >= 0 && !sink_is_stdout(s))
		close(s->fd);
	s->fd = -1;
}

struct sink *sink_create(const struct sink_conf *conf)
{
	struct sink *s = calloc(1, sizeof(*s));
	int saved;

	if (!s)
		return NULL;
	s->conf = *conf;
	s->fd = -1;
	s->size = SINK_BUFFER;
	s->buf = malloc(s->size);
	if (!s->buf)
		goto err;
	if (strcmp(conf->file, "syslog") == 0) {
		s->conf.wait = false; /* for a syslog daemon nobody waits */
		s->syslog = syslog_out_create(SYSLOG_OUT_PATH, conf->facility);
		if (!s->syslog)
			goto err;
	} else if (sink_open(s, &s->fd) < 0) {
		goto err;
	}
	return s;
err:
	saved = errno;
	sink_destroy(s);
	errno = saved;
	return NULL;
}

void sink_destroy(struct sink *s)
{
	if (!s)
		return;
	if (s->fd >= 0 || s->syslog)
		sink_flush(s);
	sink_close(s);
	syslog_out_destroy(s->syslog);
	free(s->buf);
	free(s);
}

/* -- writing -- */

static ssize_t write_some(struct sink *s, const char *p, size_t len)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLOUT };
	int ready;

	if (s->regular)
		return write(s->fd, p, len);
	ready = poll(&pfd, 1, s->conf.wait ? -1 : 0);
	if (ready < 0)
		return -1;
	if (ready == 0) {
		errno = EAGAIN;
		return -1;
	}
	/* POLLOUT on a pipe promises PIPE_BUF bytes, no more. */
	return write(s->fd, p, s->conf.wait || len < PIPE_BUF ? len : PIPE_BUF);
}

/* Write as much as goes; the rest moves to the front. */
static int sink_drain(struct sink *s)
{
	size_t done = 0;
	int err = 0;

	while (!err && done < s->len) {
		ssize_t n = s->syslog ? syslog_out_write(s->syslog, s->buf + done, s->len - done)
				      : write_some(s, s->buf + done, s->len - done);

		if (n >= 0) {
			done += (size_t)n;
			s->st.bytes += (size_t)n;
		} else if (errno != EINTR) {
			err = errno;
		}
	}
	s->len -= done;
	if (done)
		memmove(s->buf, s->buf + done, s->len);
	s->stuck = err != 0;
	if (!err && s->dropping) {
		s->dropping = false;
		cts_info("log: %s: goes on, %llu lines were dropped so far", s->conf.file,
			 (unsigned long long)s->st.dropped);
	}
	if (!err || (err == EAGAIN && !s->conf.wait))
		return 0;
	errno = err;
	return -1;
}

int sink_flush(struct sink *s)
{
	s->stuck = false;
	return s->len ? sink_drain(s) : 0;
}

static bool sink_grow(struct sink *s, size_t need)
{
	size_t size = s->size;
	char *grown;

	while (size < need)
		size *= 2;
	if (size > SINK_BUFFER_MAX)
		return false;
	grown = realloc(s->buf, size);
	if (!grown)
		return false;
	s->buf = grown;
	s->size = size;
	return true;
}

static void sink_drop(struct sink *s)
{
	s->st.dropped++;
	if (s->dropping)
		return;
	s->dropping = true;
	cts_warn("log: %s: nobody takes the lines, they are dropped", s->conf.file);
}

char *sink_reserve(struct sink *s, size_t size)
{
	if (s->size - s->len >= size)
		return s->buf + s->len;
	if (s->len && !s->stuck && sink_drain(s) < 0 && s->conf.wait)
		return NULL;
	if (s->size - s->len >= size || sink_grow(s, s->len + size))
		return s->buf + s->len;
	sink_drop(s);
	errno = ENOBUFS;
	return NULL;
}

void sink_commit(struct sink *s, size_t len)
{
	s->len += len;
	s->st.lines++;
}

int sink_rotate(struct sink *s)
{
	int fd;

	sink_flush(s);
	if (s->syslog || sink_is_stdout(s))
		return 0;
	if (sink_open(s, &fd) < 0)
		return -1;
	sink_close(s);
	s->fd = fd;
	return 0;
}

void sink_get_stats(const struct sink *s, struct sink_stats *st)
{
	*st = s->st;
}
