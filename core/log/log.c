/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Log lines to stderr, syslog, the journal or a file, with a limit for each message. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "core/log/log.h"

#define LOG_TEXT_MAX 1024u
#define LOG_SLOTS 64u

enum log_target { LOG_TO_PLAIN, LOG_TO_STDERR, LOG_TO_SYSLOG, LOG_TO_JOURNAL, LOG_TO_FILE };

/* A format string and how often it came lately. Strings that share a slot push
 * each other out: then a line too many is written, never one too few. */
struct log_slot {
	const char *fmt;
	time_t since; /* CLOCK_MONOTONIC */
	unsigned int n;
	unsigned int suppressed;
};

static struct {
	enum log_target target;
	enum cts_log_level level;
	int fd;     /* owned; LOG_TO_FILE */
	char *path; /* owned; LOG_TO_FILE */
	const char *ident;
	void (*journal)(int priority, const char *text); /* NULL: through syslog */
	struct log_slot slots[LOG_SLOTS];
} lg = { .target = LOG_TO_PLAIN, .level = CTS_LOG_INFO, .fd = -1, .ident = "ctsync" };

static const char *const words[] = { "err", "warn", "info", "debug" };
static const int priorities[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* -- how often -- */

static time_t monotonic_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/* May a line with this format be written? *missed: how many were not before it. */
static bool log_admit(const char *fmt, unsigned int *missed)
{
	struct log_slot *s = &lg.slots[((uintptr_t)fmt >> 3) % LOG_SLOTS];
	time_t now = monotonic_s();

	*missed = 0;
	if (s->fmt != fmt || now - s->since >= (time_t)CTS_LOG_WINDOW_S) {
		*missed = s->fmt == fmt ? s->suppressed : 0;
		*s = (struct log_slot){ .fmt = fmt, .since = now, .n = 1 };
		return true;
	}
	if (s->n < CTS_LOG_BURST) {
		s->n++;
		return true;
	}
	s->suppressed++;
	return false;
}

/* -- where to -- */

static void write_all(int fd, const char *buf, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, buf, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		buf += n;
		len -= (size_t)n;
	}
}

/* One write for the whole line: others may append to the same file. */
static void to_descriptor(int fd, enum cts_log_level level, const char *text)
{
	char line[LOG_TEXT_MAX + 128], when[40] = "";
	struct timespec ts;
	struct tm tm;
	int n;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (localtime_r(&ts.tv_sec, &tm))
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	n = snprintf(line, sizeof(line), "%s.%03ld %s[%d] %s: %s\n", when, ts.tv_nsec / 1000000,
		     lg.ident, (int)getpid(), words[level], text);
	if (n > 0)
		write_all(fd, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

static void to_journal(enum cts_log_level level, const char *text)
{
	if (lg.journal)
		lg.journal(priorities[level], text);
	else
		syslog(priorities[level], "%s", text); /* journald reads this too */
}

static void log_line(enum cts_log_level level, const char *text)
{
	switch (lg.target) {
	case LOG_TO_PLAIN:
		fprintf(stderr, "%s\n", text);
		break;
	case LOG_TO_STDERR:
		to_descriptor(STDERR_FILENO, level, text);
		break;
	case LOG_TO_FILE:
		to_descriptor(lg.fd, level, text);
		break;
	case LOG_TO_SYSLOG:
		syslog(priorities[level], "%s", text);
		break;
	case LOG_TO_JOURNAL:
		to_journal(level, text);
		break;
	}
}

/* Names from files and peers may hold anything: a log line is one line. */
static void mask_controls(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

void cts_log(enum cts_log_level level, const char *fmt, ...)
{
	char text[LOG_TEXT_MAX];
	unsigned int missed = 0;
	int saved = errno;
	va_list ap;

	if (level > lg.level)
		return;
	if (lg.target != LOG_TO_PLAIN && !log_admit(fmt, &missed))
		return;
	va_start(ap, fmt);
	errno = saved; /* %m */
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	mask_controls(text);
	log_line(level, text);
	if (missed) {
		snprintf(text, sizeof(text), "log: %u lines like the last one were left out",
			 missed);
		log_line(level, text);
	}
	errno = saved;
}

/* -- choosing -- */

static int open_file(const char *path)
{
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
}

void cts_log_close(void)
{
	if (lg.fd >= 0)
		close(lg.fd);
	if (lg.target == LOG_TO_SYSLOG || lg.target == LOG_TO_JOURNAL)
		closelog();
	free(lg.path);
	lg.path = NULL;
	lg.fd = -1;
	lg.target = LOG_TO_PLAIN;
	lg.level = CTS_LOG_INFO;
	memset(lg.slots, 0, sizeof(lg.slots));
}

int cts_log_open(const char *target, const char *ident, enum cts_log_level level)
{
	enum log_target to = strcmp(target, "stderr") == 0    ? LOG_TO_STDERR
			     : strcmp(target, "syslog") == 0  ? LOG_TO_SYSLOG
			     : strcmp(target, "journal") == 0 ? LOG_TO_JOURNAL
							      : LOG_TO_FILE;
	char *path = NULL;
	int fd = -1;

	if (to == LOG_TO_FILE) {
		path = strdup(target);
		fd = path ? open_file(target) : -1;
		if (fd < 0) {
			free(path);
			return -1;
		}
	}
	cts_log_close();
	lg.target = to;
	lg.level = level;
	lg.fd = fd;
	lg.path = path;
	lg.ident = ident;
	if (to == LOG_TO_SYSLOG || to == LOG_TO_JOURNAL)
		openlog(ident, LOG_PID | LOG_NDELAY, LOG_DAEMON);
	return 0;
}

int cts_log_reopen(void)
{
	int fd;

	if (lg.target != LOG_TO_FILE)
		return 0;
	fd = open_file(lg.path);
	if (fd < 0)
		return -1;
	close(lg.fd);
	lg.fd = fd;
	return 0;
}

void cts_log_set_journal(void (*write)(int priority, const char *text))
{
	lg.journal = write;
}

enum cts_log_level cts_log_level_of(const char *word)
{
	for (unsigned int i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i], word) == 0)
			return (enum cts_log_level)i;
	return CTS_LOG_INFO;
}
