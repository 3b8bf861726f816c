/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's own log: targets, levels, lines that come too often, files that are
 * rotated. log.c is compiled in, and the linker puts clock and calls here (--wrap). */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <ctsync/log.h>

#include "core/log/log.h"

static struct {
	time_t now;
	unsigned int writes, interrupted, split, lines;
	bool fails;
	int priority;
	char text[4096], syslog[256];
	const char *ident;
} seen;

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	*ts = (struct timespec){ .tv_sec = seen.now, .tv_nsec = 7000000 };
	return 0;
}

ssize_t __real_write(int fd, const void *buf, size_t len);
ssize_t __wrap_write(int fd, const void *buf, size_t len);
ssize_t __wrap_write(int fd, const void *buf, size_t len)
{
	seen.writes++;
	if (seen.interrupted) {
		seen.interrupted--;
		errno = EINTR;
		return -1;
	}
	if (seen.fails) {
		errno = ENOSPC;
		return -1;
	}
	if (seen.split && len > seen.split)
		len = seen.split;
	strncat(seen.text, buf, len);
	return fd == STDERR_FILENO ? (ssize_t)len : __real_write(fd, buf, len);
}

void __wrap_syslog(int priority, const char *fmt, ...);
void __wrap_syslog(int priority, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(seen.syslog, sizeof(seen.syslog), fmt, ap);
	va_end(ap);
	seen.priority = priority;
	seen.lines++;
}

int __wrap_sd_journal_print(int priority, const char *fmt, ...);
int __wrap_sd_journal_print(int priority, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(seen.syslog, sizeof(seen.syslog), fmt, ap);
	va_end(ap);
	seen.priority = priority;
	seen.lines++;
	return 0;
}

void __wrap_openlog(const char *ident, int option, int facility);
void __wrap_openlog(const char *ident, int option, int facility)
{
	seen.ident = ident;
}

static int fresh(void **state)
{
	cts_log_close();
	memset(&seen, 0, sizeof(seen));
	seen.now = 1000;
	return 0;
}

static void a_line_says_when_who_and_how_bad(void **state)
{
	char want[64];

	assert_int_equal(cts_log_open("stderr", "me", CTS_LOG_DEBUG), 0);
	snprintf(want, sizeof(want), ".007 me[%d] warn: link x: down\n", (int)getpid());
	errno = EBADF;
	cts_log(CTS_LOG_WARN, "link %s: down", "x");
	assert_int_equal(errno, EBADF);
	assert_int_equal(seen.writes, 1);
	assert_non_null(strstr(seen.text, want));
	assert_memory_equal(seen.text, "1970-01-01T", 11);
	errno = ENOENT;
	cts_log(CTS_LOG_ERR, "file: %m");
	assert_non_null(strstr(seen.text, " err: file: No such file or directory\n"));
}

static void a_line_is_one_line(void **state)
{
	char longer[4000];
	size_t len;

	assert_int_equal(cts_log_open("stderr", "me", CTS_LOG_INFO), 0);
	cts_log(CTS_LOG_INFO, "name %s", "a\nb\x1b\x7f");
	assert_non_null(strstr(seen.text, "name a?b??\n"));
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	seen.text[0] = '\0';
	cts_log(CTS_LOG_INFO, "%s", longer);
	len = strlen(seen.text);
	assert_in_range(len, 1000, 1200);
	assert_int_equal(seen.text[len - 1], '\n');
}

static void levels_below_the_limit_are_left_out(void **state)
{
	assert_int_equal(cts_log_open("stderr", "me", CTS_LOG_WARN), 0);
	cts_log(CTS_LOG_INFO, "started");
	assert_int_equal(seen.writes, 0);
	cts_log(CTS_LOG_WARN, "less");
	assert_int_equal(seen.writes, 1);
	assert_int_equal(cts_log_level_of("err"), CTS_LOG_ERR);
	assert_int_equal(cts_log_level_of("warn"), CTS_LOG_WARN);
	assert_int_equal(cts_log_level_of("debug"), CTS_LOG_DEBUG);
	assert_int_equal(cts_log_level_of("info"), CTS_LOG_INFO);
	assert_int_equal(cts_log_level_of("loud"), CTS_LOG_INFO);
}

static void repeat(unsigned int times)
{
	for (unsigned int i = 0; i < times; i++)
		cts_log(CTS_LOG_INFO, "again %u", i);
}

static void a_line_that_comes_too_often_is_counted(void **state)
{
	assert_int_equal(cts_log_open("stderr", "me", CTS_LOG_INFO), 0);
	repeat(CTS_LOG_BURST + 7);
	assert_int_equal(seen.writes, CTS_LOG_BURST);
	/* another one is not concerned */
	cts_log(CTS_LOG_INFO, "something else");
	assert_int_equal(seen.writes, CTS_LOG_BURST + 1);
	seen.now += CTS_LOG_WINDOW_S;
	seen.text[0] = '\0';
	repeat(1);
	assert_int_equal(seen.writes, CTS_LOG_BURST + 3);
	assert_non_null(strstr(seen.text, "log: 7 lines like the last one were left out\n"));
	/* and the count begins again */
	seen.now += CTS_LOG_WINDOW_S;
	repeat(1);
	assert_int_equal(seen.writes, CTS_LOG_BURST + 4);
}

static void before_it_is_opened_lines_are_plain_and_all_there(void **state)
{
	int saved = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	/* through stdio, and none is left out: a program says what it has to say */
	assert_true(saved >= 0 && null >= 0 && dup2(null, STDERR_FILENO) >= 0);
	repeat(CTS_LOG_BURST + 7);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
	close(null);
	assert_int_equal(seen.writes, 0);
}

static void syslog_and_the_journal_have_their_own_priorities(void **state)
{
	static const char *const targets[] = { "syslog", "journal" };
	static const int priorities[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(cts_log_open(targets[i], "me", CTS_LOG_DEBUG), 0);
		assert_string_equal(seen.ident, "me");
		for (int level = CTS_LOG_ERR; level <= (int)CTS_LOG_DEBUG; level++) {
			seen.lines = 0;
			cts_log((enum cts_log_level)level, "level %d 100%%", level);
			assert_int_equal(seen.lines, 1);
			assert_int_equal(seen.priority, priorities[level]);
			assert_non_null(strstr(seen.syslog, "100%"));
		}
		assert_int_equal(cts_log_reopen(), 0);
	}
	assert_int_equal(seen.writes, 0);
}

static void a_file_is_appended_to_and_opened_again(void **state)
{
	char path[] = "/tmp/cts_log_XXXXXX", other[64], line[256];
	int fd = mkstemp(path);
	FILE *fp;

	assert_true(fd >= 0);
	close(fd);
	snprintf(other, sizeof(other), "%s.1", path);
	assert_int_equal(cts_log_open(path, "me", CTS_LOG_INFO), 0);
	seen.interrupted = 1;
	seen.split = 10;   /* the file takes a little at a time */
	cts_log(CTS_LOG_INFO, "first");
	assert_int_equal(rename(path, other), 0);
	assert_int_equal(cts_log_reopen(), 0);
	cts_log(CTS_LOG_INFO, "second");
	for (int i = 0; i < 2; i++) {
		fp = fopen(i ? path : other, "re");
		assert_non_null(fp);
		assert_non_null(fgets(line, sizeof(line), fp));
		assert_non_null(strstr(line, i ? "info: second\n" : "info: first\n"));
		assert_null(fgets(line, sizeof(line), fp));
		fclose(fp);
	}
	/* a full disk stops nothing */
	seen.fails = true;
	cts_log(CTS_LOG_INFO, "third");
	seen.fails = false;
	/* no folder any more: on with the old one */
	unlink(path);
	unlink(other);
	assert_int_equal(cts_log_open("/nonexistent/folder/log", "me", CTS_LOG_INFO), -1);
	assert_int_equal(errno, ENOENT);
	seen.text[0] = '\0';
	cts_log(CTS_LOG_INFO, "still there");
	assert_non_null(strstr(seen.text, "still there"));
	cts_log_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_line_says_when_who_and_how_bad, fresh),
		cmocka_unit_test_setup(a_line_is_one_line, fresh),
		cmocka_unit_test_setup(levels_below_the_limit_are_left_out, fresh),
		cmocka_unit_test_setup(a_line_that_comes_too_often_is_counted, fresh),
		cmocka_unit_test_setup(before_it_is_opened_lines_are_plain_and_all_there, fresh),
		cmocka_unit_test_setup(syslog_and_the_journal_have_their_own_priorities, fresh),
		cmocka_unit_test_setup(a_file_is_appended_to_and_opened_again, fresh),
	};

	return cmocka_run_group_tests_name("daemon log", tests, NULL, fresh);
}
