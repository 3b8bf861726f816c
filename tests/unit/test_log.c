/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include <linux/netlink.h>

#include "tests/unit/output_fixture.h"

static char dir[] = "/tmp/ctsync-log-XXXXXX";

static const char *in_dir(const char *name)
{
	static char path[2][128];
	static int turn;

	turn = !turn;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", dir, name);
	return path[turn];
}

static char *read_text(const char *path)
{
	static char text[1 << 20];
	FILE *fp = fopen(path, "re");
	size_t n;

	assert_non_null(fp);
	n = fread(text, 1, sizeof(text) - 1, fp);
	text[n] = '\0';
	fclose(fp);
	return text;
}

/* What the plugin writes for one event with these options. */
static const char *line_of(const char *options, const struct cts_event *ev)
{
	char text[512];
	struct output o;

	unlink(in_dir("log"));
	snprintf(text, sizeof(text), "file=%s%s%s", in_dir("log"), *options ? "," : "", options);
	o = output_open("log", text);
	assert_non_null(o.priv);
	assert_int_equal(output_event(&o, ev), 0);
	assert_int_equal(o.ops->flush(o.priv), 0);
	output_close(&o);
	return read_text(in_dir("log"));
}

static void events_have_their_name_in_front_and_entries_have_not(void **state)
{
	struct cts_flow flow = tcp_flow();
	struct cts_event ev = { .flow = &flow, .origin = CTS_ORIGIN_KERNEL };

	assert_string_equal(line_of("", &ev), "    [NEW] " TCP_LINE "\n");
	ev.type = CTS_EVENT_UPDATE;
	assert_string_equal(line_of("", &ev), " [UPDATE] " TCP_LINE "\n");
	ev.type = CTS_EVENT_DESTROY;
	assert_string_equal(line_of("", &ev), "[DESTROY] " TCP_LINE "\n");
	ev.origin = CTS_ORIGIN_DUMP;
	assert_string_equal(line_of("timestamp", &ev), TCP_LINE "\n");
	ev.origin = CTS_ORIGIN_COMMAND;
	assert_string_equal(line_of("", &ev), TCP_LINE "\n");
}

static bool ends_in(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);

	return len >= n && strcmp(text + len - n, end) == 0;
}

static void saved_lines_are_commands_without_anything_around(void **state)
{
	struct cts_flow flow = tcp_flow();
	struct cts_event ev = { .flow = &flow, .origin = CTS_ORIGIN_KERNEL, .portid = 7 };
	const char *line = line_of("format=save,timestamp,id", &ev);

	assert_memory_equal(line, "-A ", 3);
	assert_null(strstr(line, "USERSPACE"));
	ev.type = CTS_EVENT_DESTROY;
	assert_memory_equal(line_of("format=save", &ev), "-D ", 3);
	ev.origin = CTS_ORIGIN_DUMP;
	assert_memory_equal(line_of("format=save", &ev), "-A ", 3);
}

static void saved_updates_take_marks_away_and_deletes_have_none(void **state)
{
	struct cts_flow flow = tcp_flow();
	struct cts_event ev = { .flow = &flow, .origin = CTS_ORIGIN_KERNEL };

	flow.present |= CTS_FLOW_BIT(CTS_FLOW_MARK);
	flow.mark = 0;
	assert_null(strstr(line_of("format=save", &ev), " -m "));
	ev.type = CTS_EVENT_UPDATE;
	assert_memory_equal(line_of("format=save", &ev), "-U ", 3);
	assert_true(ends_in(line_of("format=save", &ev), " -m 0\n"));
	flow.mark = 9;
	ev.type = CTS_EVENT_NEW;
	assert_true(ends_in(line_of("format=save", &ev), " -m 9\n"));
	ev.type = CTS_EVENT_DESTROY;
	assert_null(strstr(line_of("format=save", &ev), " -m "));
}

static void options_add_their_fields(void **state)
{
	struct cts_flow flow = tcp_flow();
	struct cts_event ev = { .flow = &flow, .origin = CTS_ORIGIN_DUMP };

	assert_string_equal(line_of("format=extended", &ev), "ipv4     2 " TCP_LINE "\n");
	assert_string_equal(line_of("id", &ev), TCP_LINE " id=42\n");
}

static void the_time_is_the_kernels_if_it_gave_one(void **state)
{
	struct cts_flow flow = tcp_flow();
	struct cts_event ev = { .flow = &flow, .origin = CTS_ORIGIN_KERNEL,
				.time_ns = UINT64_C(1795429286264194999) };

	assert_string_equal(line_of("timestamp", &ev),
			    "[1795429286.264194]\t    [NEW] " TCP_LINE "\n");
	flow.present |= CTS_FLOW_BIT(CTS_FLOW_EVENT_TIME);
	flow.event_ns = UINT64_C(7000001000);
	assert_string_equal(line_of("timestamp", &ev),
			    "[00000007.000001]\t    [NEW] " TCP_LINE "\n");
}

static void only_the_chosen_events_are_written(void **state)
{
	struct cts_flow flow = tcp_flow();
	struct cts_event ev = { .flow = &flow, .origin = CTS_ORIGIN_KERNEL };

	assert_string_equal(line_of("events=destroy", &ev), "");
	ev.type = CTS_EVENT_DESTROY;
	assert_string_equal(line_of("events=new+destroy", &ev), "[DESTROY] " TCP_LINE "\n");
	ev.flow = NULL;   /* an expectation */
	assert_string_equal(line_of("", &ev), "");
}

static void events_that_a_program_caused_say_so(void **state)
{
	struct cts_flow flow = tcp_flow();
	struct cts_event ev = { .flow = &flow, .origin = CTS_ORIGIN_KERNEL, .portid = 4711 };

	assert_string_equal(line_of("", &ev), "    [NEW] " TCP_LINE " [USERSPACE] portid=4711\n");
	assert_string_equal(line_of("userspace=no", &ev), "    [NEW] " TCP_LINE "\n");
	/* nobody has this port: the name is left out */
	ev.portid = 4294967290u;
	assert_string_equal(line_of("userspace=name", &ev),
			    "    [NEW] " TCP_LINE " [USERSPACE] portid=4294967290\n");
	ev.origin = CTS_ORIGIN_DUMP;
	assert_string_equal(line_of("userspace=name", &ev), TCP_LINE "\n");
}

static void the_program_behind_a_port_is_found(void **state)
{
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK };
	socklen_t len = sizeof(sa);
	struct cts_flow flow = tcp_flow();
	struct cts_event ev = { .flow = &flow, .origin = CTS_ORIGIN_KERNEL };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	char want[512], comm[17] = "";
	FILE *fp;

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	fp = fopen("/proc/self/comm", "re");
	assert_non_null(fp);
	assert_int_equal(fscanf(fp, "%16s", comm), 1);
	fclose(fp);
	ev.portid = sa.nl_pid;
	snprintf(want, sizeof(want), "    [NEW] " TCP_LINE " [USERSPACE] portid=%u progname=%s\n",
		 sa.nl_pid, comm);
	assert_string_equal(line_of("userspace=name", &ev), want);
	close(fd);
}

static void many_lines_leave_in_few_writes_and_whole(void **state)
{
	enum { LINES = 20000 };
	struct cts_flow flow = tcp_flow();
	struct cts_event ev = { .flow = &flow, .origin = CTS_ORIGIN_DUMP };
	char text[256];
	struct output o;
	FILE *fp;
	size_t n = 0;

	unlink(in_dir("log"));
	snprintf(text, sizeof(text), "file=%s", in_dir("log"));
	o = output_open("log", text);
	for (unsigned int i = 0; i < LINES; i++) {
		flow.mark = i;
		assert_int_equal(output_event(&o, &ev), 0);
	}
	assert_int_equal(o.ops->flush(o.priv), 0);
	output_close(&o);

	fp = fopen(in_dir("log"), "re");
	while (fgets(text, sizeof(text), fp)) {
		char want[32];

		snprintf(want, sizeof(want), " mark=%zu\n", n++);
		assert_string_equal(strrchr(text, ' '), want);
	}
	fclose(fp);
	assert_int_equal(n, LINES);
}

static void rotation_writes_on_into_a_new_file(void **state)
{
	struct cts_flow flow = tcp_flow();
	struct cts_event ev = { .flow = &flow, .origin = CTS_ORIGIN_DUMP };
	char text[256];
	struct output o;

	unlink(in_dir("log"));
	snprintf(text, sizeof(text), "file=%s", in_dir("log"));
	o = output_open("log", text);
	assert_int_equal(output_event(&o, &ev), 0);
	assert_int_equal(rename(in_dir("log"), in_dir("log.1")), 0);
	/* what was buffered still belongs to the old file */
	assert_int_equal(o.ops->rotate(o.priv), 0);
	assert_int_equal(output_event(&o, &ev), 0);
	assert_int_equal(output_event(&o, &ev), 0);
	assert_int_equal(o.ops->flush(o.priv), 0);
	assert_string_equal(read_text(in_dir("log.1")), TCP_LINE "\n");
	assert_string_equal(read_text(in_dir("log")), TCP_LINE "\n" TCP_LINE "\n");

	/* a folder that is gone: goes on with the old file */
	output_close(&o);
	snprintf(text, sizeof(text), "file=%s/sub/log", dir);
	assert_int_equal(mkdir(in_dir("sub"), 0700), 0);
	o = output_open("log", text);
	assert_int_equal(unlink(in_dir("sub/log")), 0);
	assert_int_equal(rmdir(in_dir("sub")), 0);
	assert_int_equal(o.ops->rotate(o.priv), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(output_event(&o, &ev), 0);
	assert_int_equal(o.ops->flush(o.priv), 0);
	output_close(&o);
}

static void a_file_that_cannot_be_opened_is_refused(void **state)
{
	static char text[256];
	struct output o = output_open("log", "file=/nonexistent/log");

	assert_null(o.priv);
	assert_int_equal(errno, ENOENT);
	output_close(&o);

	/* a fifo that nobody reads would be waited for */
	assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
	snprintf(text, sizeof(text), "file=%s", in_dir("fifo"));
	o = output_open("log", text);
	assert_null(o.priv);
	assert_int_equal(errno, ENXIO);
	output_close(&o);
}

static void a_reader_that_stands_still_costs_lines_not_time(void **state)
{
	struct cts_flow flow = tcp_flow();
	struct cts_event ev = { .flow = &flow, .origin = CTS_ORIGIN_DUMP };
	unsigned long long lines = 0, dropped = 0;
	static char buf[1 << 16];
	char text[256], *snapshot, *last = NULL;
	struct output o;
	size_t got = 0, feeds = 0;
	ssize_t n;
	int fd;

	unlink(in_dir("fifo"));
	assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
	fd = open(in_dir("fifo"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	snprintf(text, sizeof(text), "file=%s", in_dir("fifo"));
	o = output_open("log", text);
	assert_non_null(o.priv);

	/* far more than pipe and buffer hold; an alarm would end a write that waits */
	alarm(30);
	for (unsigned int i = 0; i < 60000; i++)
		assert_int_equal(output_event(&o, &ev), 0);
	assert_int_equal(o.ops->flush(o.priv), 0);
	for (int idle = 0; idle < 3;) {
		n = read(fd, buf, sizeof(buf));
		if (n <= 0) {
			idle++;
			o.ops->flush(o.priv);
			continue;
		}
		idle = 0;
		got += (size_t)n;
		for (ssize_t i = 0; i < n; i++)
			feeds += buf[i] == '\n';
		last = &buf[n - 1];
	}
	alarm(0);
	snapshot = output_snapshot(&o);
	assert_int_equal(sscanf(strstr(snapshot, "lines:"), "lines: %llu", &lines), 1);
	assert_int_equal(sscanf(strstr(snapshot, "dropped lines:"), "dropped lines: %llu", &dropped),
			 1);
	free(snapshot);
	/* lines are lost whole, and every one is counted */
	assert_int_equal(lines + dropped, 60000);
	assert_true(dropped > 0);
	assert_int_equal(feeds, lines);
	assert_int_equal(*last, '\n');
	assert_int_equal(got, lines * (sizeof(TCP_LINE "\n") - 1));
	output_close(&o);
	close(fd);
}

/* The standard output is inherited and blocks: it is not ours to make non-blocking. */
static void a_standard_output_that_nobody_reads_does_not_stop_us(void **state)
{
	struct cts_flow flow = tcp_flow();
	struct cts_event ev = { .flow = &flow, .origin = CTS_ORIGIN_DUMP };
	int fd[2], saved = dup(STDOUT_FILENO);
	static char piece[8192];
	struct output o;

	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	fflush(stdout);
	dup2(fd[1], STDOUT_FILENO);
	o = output_open("log", "full=drop");
	alarm(30);
	for (unsigned int i = 0; i < 20000; i++)
		output_event(&o, &ev);
	o.ops->flush(o.priv);
	/* room for a part of what is waiting */
	assert_int_equal(read(fd[0], piece, sizeof(piece)), sizeof(piece));
	o.ops->flush(o.priv);
	alarm(0);
	assert_int_equal(fcntl(STDOUT_FILENO, F_GETFL) & O_NONBLOCK, 0);
	close(fd[0]);
	output_close(&o);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	close(fd[1]);
}

static void without_a_reader_left_writing_fails(void **state)
{
	struct cts_flow flow = tcp_flow();
	struct cts_event ev = { .flow = &flow, .origin = CTS_ORIGIN_DUMP };
	char text[256];
	struct output o;
	int fd;

	unlink(in_dir("fifo"));
	assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
	fd = open(in_dir("fifo"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	snprintf(text, sizeof(text), "file=%s,full=wait", in_dir("fifo"));
	o = output_open("log", text);
	close(fd);
	assert_int_equal(output_event(&o, &ev), 0);
	assert_int_equal(o.ops->flush(o.priv), -1);
	assert_int_equal(errno, EPIPE);
	output_close(&o);
}

static int setup(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	unlink(in_dir("log"));
	unlink(in_dir("log.1"));
	unlink(in_dir("fifo"));
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_have_their_name_in_front_and_entries_have_not),
		cmocka_unit_test(saved_lines_are_commands_without_anything_around),
		cmocka_unit_test(saved_updates_take_marks_away_and_deletes_have_none),
		cmocka_unit_test(options_add_their_fields),
		cmocka_unit_test(the_time_is_the_kernels_if_it_gave_one),
		cmocka_unit_test(only_the_chosen_events_are_written),
		cmocka_unit_test(events_that_a_program_caused_say_so),
		cmocka_unit_test(the_program_behind_a_port_is_found),
		cmocka_unit_test(many_lines_leave_in_few_writes_and_whole),
		cmocka_unit_test(rotation_writes_on_into_a_new_file),
		cmocka_unit_test(a_file_that_cannot_be_opened_is_refused),
		cmocka_unit_test(a_reader_that_stands_still_costs_lines_not_time),
		cmocka_unit_test(a_standard_output_that_nobody_reads_does_not_stop_us),
		cmocka_unit_test(without_a_reader_left_writing_fails),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
