/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conntrack -E under load, in a network namespace of its own: with its defaults it
 * shows each of 200,000 events that come as fast as the kernel makes them; with a
 * buffer that is too small it goes on and says exactly how many were lost.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netlink.h>

#include "core/kernel/table.h"
#include "core/kernel/writer.h"

#define BURST 200000
#define TRIES 1500 /* of 20 ms */

struct watcher {
	pid_t pid;
	char out[64], err[64];
};

static void redirect(const char *path, int to)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || dup2(fd, to) < 0)
		_exit(126);
}

/* A socket that listens to groups of NETLINK_NETFILTER. */
static bool someone_listens(void)
{
	FILE *fp = fopen("/proc/self/net/netlink", "re");
	char line[256];
	bool found = false;

	assert_non_null(fp);
	while (!found && fgets(line, sizeof(line), fp)) {
		unsigned int proto, portid, groups;

		found = sscanf(line, "%*s %u %u %x", &proto, &portid, &groups) == 3 &&
			proto == NETLINK_NETFILTER && groups;
	}
	fclose(fp);
	return found;
}

static void await(bool (*condition)(void))
{
	const struct timespec pause = { .tv_nsec = 20000000 };

	for (int i = 0; !condition(); i++) {
		assert_true(i < TRIES);
		nanosleep(&pause, NULL);
	}
}

static void watch(struct watcher *w, const char *option, const char *value)
{
	const char *build = getenv("CTS_BUILD");
	char program[512];

	snprintf(program, sizeof(program), "%s/conntrack", build ? build : ".");
	w->pid = fork();
	assert_true(w->pid >= 0);
	if (!w->pid) {
		redirect(w->out, STDOUT_FILENO);
		redirect(w->err, STDERR_FILENO);
		execl(program, program, "-E", option, value, (char *)NULL);
		_exit(127);
	}
	await(someone_listens);
}

/* End it as a user would. What was queued before the signal is still shown. */
static void stop(struct watcher *w)
{
	int status;

	assert_int_equal(kill(w->pid, SIGTERM), 0);
	assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
	w->pid = 0;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static uint64_t count_lines(const char *path)
{
	FILE *fp = fopen(path, "re");
	char line[1024];
	uint64_t n = 0;

	assert_non_null(fp);
	while (fgets(line, sizeof(line), fp)) {
		assert_non_null(strstr(line, "[NEW] tcp      6 "));
		n++;
	}
	fclose(fp);
	return n;
}

/* What standard error says: the sum of all losses, and the number shown. */
static void read_reports(const char *path, uint64_t *lost, uint64_t *shown)
{
	FILE *fp = fopen(path, "re");
	char line[512];

	*lost = *shown = 0;
	assert_non_null(fp);
	while (fgets(line, sizeof(line), fp)) {
		const char *text = strstr(line, "(conntrack-tools): ");
		uint64_t n;

		if (strncmp(line, "NOTICE: ", 8) == 0)
			continue;  /* the size of the buffer, as -b was given */
		assert_non_null(text);
		text += strlen("(conntrack-tools): ");
		if (sscanf(text, "lost %" SCNu64, &n) == 1)
			*lost += n;
		else
			assert_int_equal(sscanf(text, "%" SCNu64 " flow events have", shown), 1);
	}
	fclose(fp);
}

static void count_failures(void *ctx, uint64_t cookie, enum cts_write_class cls, int err)
{
	*(unsigned int *)ctx += cls != CTS_WRITE_CREATED;
}

static void burst(void)
{
	unsigned int failures = 0;
	const struct cts_writer_conf conf = { .batch = 128, .ctx = &failures,
					      .done = count_failures };
	struct cts_writer *w = cts_writer_open(&conf);

	assert_non_null(w);
	assert_int_equal(cts_table_flush(AF_UNSPEC), 0);
	for (uint32_t i = 0; i < BURST; i++) {
		struct cts_flow f = {
			.orig = { .family = AF_INET, .proto = IPPROTO_TCP,
				  .src.v4 = htonl(0x0a000000 + i),
				  .dst.v4 = htonl(0xc0000201),
				  .sport = htons(1024), .dport = htons(443) },
			.status = IPS_CONFIRMED, .timeout = 3000, .tcp_state = 3,
			.present = CTS_FLOW_BIT(CTS_FLOW_ORIG) | CTS_FLOW_BIT(CTS_FLOW_REPLY) |
				   CTS_FLOW_BIT(CTS_FLOW_STATUS) | CTS_FLOW_BIT(CTS_FLOW_TIMEOUT) |
				   CTS_FLOW_BIT(CTS_FLOW_TCP_STATE),
		};

		cts_tuple_invert(&f.orig, &f.reply);
		assert_int_equal(cts_writer_add(w, CTS_OP_CREATE, &f, i), 0);
	}
	assert_int_equal(cts_writer_flush(w), 0);
	assert_int_equal(failures, 0);
	cts_writer_close(w);
}

static void a_burst_is_shown_whole_with_default_settings(void **state)
{
	struct watcher *w = *state;
	uint64_t lost, shown;

	watch(w, "-e", "NEW");
	burst();
	stop(w);
	read_reports(w->err, &lost, &shown);
	assert_int_equal(lost, 0);
	assert_int_equal(shown, BURST);
	assert_int_equal(count_lines(w->out), BURST);
}

static void an_overrun_does_not_end_it_and_is_reported_exactly(void **state)
{
	struct watcher *w = *state;
	uint64_t lost, shown;

	watch(w, "-eNEW", "-b65536");
	assert_int_equal(kill(w->pid, SIGSTOP), 0); /* it cannot keep up */
	burst();
	assert_int_equal(kill(w->pid, SIGCONT), 0);
	stop(w);
	read_reports(w->err, &lost, &shown);
	assert_true(lost > 0);
	assert_true(shown > 0);
	assert_int_equal(lost + shown, BURST);
	assert_int_equal(count_lines(w->out), shown);
}

static int set_up(void **state)
{
	struct watcher *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	snprintf(w->out, sizeof(w->out), "/tmp/test_cli_events.%d.out", (int)getpid());
	snprintf(w->err, sizeof(w->err), "/tmp/test_cli_events.%d.err", (int)getpid());
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct watcher *w = *state;

	if (w->pid > 0) {
		kill(w->pid, SIGKILL);
		waitpid(w->pid, NULL, 0);
	}
	unlink(w->out);
	unlink(w->err);
	free(w);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_burst_is_shown_whole_with_default_settings,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_overrun_does_not_end_it_and_is_reported_exactly,
						set_up, tear_down),
	};

	if (unshare(CLONE_NEWNET) < 0) {
		printf("cannot make a network namespace: %s\n", strerror(errno));
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
