/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines to /dev/log, 64 with one system call. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "plugins/output/syslog.h"

#define BATCH 64u

struct syslog_out {
	const char *path; /* lent */
	int fd;           /* owned; -1: not connected */
	int priority;
	time_t connected; /* last attempt, CLOCK_MONOTONIC seconds */
	char prefix[128]; /* "<30>Nov 23 10:00:00 conntrackd[1]: " */
};

static time_t monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* At most once a second: a syslog daemon may be starting. */
static int syslog_connect(struct syslog_out *s)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	time_t now = monotonic();

	if (s->fd >= 0)
		return 0;
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", s->path);
	if (s->connected == now)
		goto err;
	s->connected = now;
	s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd >= 0 && connect(s->fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return 0;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
err:
	errno = EAGAIN;
	return -1;
}

struct syslog_out *syslog_out_create(const char *path, int facility)
{
	struct syslog_out *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->path = path;
	s->fd = -1;
	s->connected = monotonic() - 1;
	s->priority = facility | LOG_INFO;
	syslog_connect(s); /* not there yet: tried again */
	return s;
}

void syslog_out_destroy(struct syslog_out *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

/* Month names are the C locale's, whatever the user's is: RFC 3164. */
static size_t make_prefix(struct syslog_out *s)
{
	static const char month[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t now = time(NULL);
	struct tm tm;
	int n;

	localtime_r(&now, &tm);
	n = snprintf(s->prefix, sizeof(s->prefix),
		     "<%d>%s %2d %02d:%02d:%02d %.32s[%ld]: ", s->priority, month[tm.tm_mon],
		     tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, program_invocation_short_name,
		     (long)getpid());
	return n > 0 && (size_t)n < sizeof(s->prefix) ? (size_t)n : 0;
}

/* Lines of text as messages; returns how many. */
static unsigned int make_messages(struct syslog_out *s, const char *text, size_t len,
				  struct iovec iov[BATCH][2], struct mmsghdr msg[BATCH])
{
	size_t prefix = make_prefix(s), at = 0;
	unsigned int n;

	memset(msg, 0, BATCH * sizeof(*msg));
	for (n = 0; n < BATCH && at < len; n++) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t line = end ? (size_t)(end - text) - at : len - at;

		iov[n][0] = (struct iovec){ s->prefix, prefix };
		iov[n][1] = (struct iovec){ (void *)(text + at), line };
		msg[n].msg_hdr.msg_iov = iov[n];
		msg[n].msg_hdr.msg_iovlen = 2;
		at += line + (end != NULL);
	}
	return n;
}

ssize_t syslog_out_write(struct syslog_out *s, const char *text, size_t len)
{
	struct iovec iov[BATCH][2];
	struct mmsghdr msg[BATCH];
	size_t done = 0;
	unsigned int n;
	int sent;

	if (syslog_connect(s) < 0)
		return -1;
	n = make_messages(s, text, len, iov, msg);
	sent = sendmmsg(s->fd, msg, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent < 0 && errno == EMSGSIZE)
		sent = 1; /* never will it go: leave it out */
	if (sent < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS) {
			/* the daemon was restarted: another socket */
			close(s->fd);
			s->fd = -1;
		}
		errno = EAGAIN;
		return -1;
	}
	for (int i = 0; i < sent; i++)
		/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): sent <= n */
		done += iov[i][1].iov_len + 1;
	return (ssize_t)(done < len ? done : len);
}
