/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines to a syslog daemon that is there, away, back again, or does not read. */
#include "config.h"

#include <errno.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "plugins/output/syslog.h"

static char dir[] = "/tmp/ctsync-syslog-XXXXXX";
static char path[64];

static int listen_syslog(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static bool receive(int fd, char *buf, size_t size)
{
	ssize_t n = recv(fd, buf, size - 1, MSG_DONTWAIT);

	buf[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static void each_line_is_a_message_with_time_and_program(void **state)
{
	int fd = listen_syslog();
	struct syslog_out *s = syslog_out_create(path, LOG_LOCAL3);
	static const char text[] = "first line\nsecond\n";
	char got[512];
	regex_t re;

	assert_int_equal(syslog_out_write(s, text, strlen(text)), strlen(text));
	assert_int_equal(regcomp(&re, "^<158>[A-Z][a-z]{2} [ 123][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2} "
				      "[^ ]*test_syslog\\[[0-9]+\\]: first line$", REG_EXTENDED), 0);
	assert_true(receive(fd, got, sizeof(got)));
	if (regexec(&re, got, 0, NULL, 0))
		fail_msg("%s", got);
	regfree(&re);
	assert_true(receive(fd, got, sizeof(got)));
	assert_string_equal(strstr(got, "]: "), "]: second");
	assert_false(receive(fd, got, sizeof(got)));
	syslog_out_destroy(s);
	close(fd);
}

static void without_a_daemon_nothing_is_done_and_nobody_waits(void **state)
{
	struct syslog_out *s;

	unlink(path);
	s = syslog_out_create(path, LOG_DAEMON);
	assert_non_null(s);
	assert_int_equal(syslog_out_write(s, "x\n", 2), -1);
	assert_int_equal(errno, EAGAIN);
	syslog_out_destroy(s);
	syslog_out_destroy(NULL);
}

static void a_daemon_that_comes_back_is_found(void **state)
{
	int fd = listen_syslog();
	struct syslog_out *s = syslog_out_create(path, LOG_DAEMON);
	char got[512];
	int tries = 0;

	assert_int_equal(syslog_out_write(s, "one\n", 4), 4);
	close(fd);
	assert_int_equal(syslog_out_write(s, "two\n", 4), -1);
	assert_int_equal(errno, EAGAIN);
	fd = listen_syslog();
	/* it is looked for once a second */
	while (syslog_out_write(s, "two\n", 4) < 0 && tries++ < 300)
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	assert_true(receive(fd, got, sizeof(got)));
	assert_string_equal(strstr(got, "]: "), "]: two");
	syslog_out_destroy(s);
	close(fd);
}

static void a_daemon_that_does_not_read_gets_whole_lines_only(void **state)
{
	int fd = listen_syslog();
	struct syslog_out *s = syslog_out_create(path, LOG_DAEMON);
	static char text[400000], got[512];
	size_t len = 0, done = 0, lines = 0, received = 0;
	ssize_t n = 0;

	while (len < sizeof(text) - 32)
		len += (size_t)snprintf(text + len, 32, "line %zu\n", lines++);
	while (done < len && (n = syslog_out_write(s, text + done, len - done)) > 0)
		done += (size_t)n;
	assert_int_equal(n, -1);
	assert_int_equal(errno, EAGAIN);
	assert_true(done > 0 && text[done - 1] == '\n');

	/* room again: it goes on where it stopped, nothing is missing or twice */
	while (done < len || n > 0) {
		char want[64];

		snprintf(want, sizeof(want), "]: line %zu", received);
		if (receive(fd, got, sizeof(got))) {
			assert_string_equal(strstr(got, "]: "), want);
			received++;
			continue;
		}
		n = done < len ? syslog_out_write(s, text + done, len - done) : 0;
		assert_true(n >= 0);
		done += (size_t)n;
	}
	assert_int_equal(received, lines);
	syslog_out_destroy(s);
	close(fd);
}

static void a_line_that_no_datagram_holds_is_left_out(void **state)
{
	int fd = listen_syslog();
	struct syslog_out *s = syslog_out_create(path, LOG_DAEMON);
	static char text[4 << 20];
	char got[512];

	memset(text, 'x', sizeof(text));
	memcpy(text + sizeof(text) - 7, "\nshort\n", 7);
	assert_int_equal(syslog_out_write(s, text, sizeof(text)), sizeof(text) - 6);
	assert_int_equal(syslog_out_write(s, text + sizeof(text) - 6, 6), 6);
	assert_true(receive(fd, got, sizeof(got)));
	assert_string_equal(strstr(got, "]: "), "]: short");
	syslog_out_destroy(s);
	close(fd);
}

static int setup(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/log", dir);
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_line_is_a_message_with_time_and_program),
		cmocka_unit_test(without_a_daemon_nothing_is_done_and_nobody_waits),
		cmocka_unit_test(a_daemon_that_comes_back_is_found),
		cmocka_unit_test(a_daemon_that_does_not_read_gets_whole_lines_only),
		cmocka_unit_test(a_line_that_no_datagram_holds_is_left_out),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
