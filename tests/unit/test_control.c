/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control socket: requests in every shape, many clients, those that do not read. */
#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/runtime/control.h"

#define NOBODY 65534
#define DEADLINE_S 30
#define CHUNK 1000u

struct fixture {
	char folder[40], path[64];
	struct cts_loop *loop;
	struct cts_control *control;
	unsigned int changed, ended, steps;
	size_t most_waiting;
};

/* -- commands -- */

static void cmd_echo(void *ctx, struct cts_request *r, int argc, char **argv)
{
	int i;

	(void)ctx;
	assert_null(argv[argc]);
	for (i = 1; i < argc; i++)
		cts_request_printf(r, "%s\n", argv[i]);
	cts_request_finish(r, 0, NULL);
}

static void cmd_change(void *ctx, struct cts_request *r, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	((struct fixture *)ctx)->changed++;
	cts_request_finish(r, 3, "changed %u\n", 1u);
}

static void flood_ended(void *state)
{
	((struct fixture *)state)->ended++;
}

/* Without end: as fast as the client reads. */
static bool flood_step(void *state, struct cts_request *r)
{
	struct fixture *f = state;

	f->steps++;
	cts_request_printf(r, "%0*d", (int)CHUNK, 1);
	if (cts_request_waiting(r) > f->most_waiting)
		f->most_waiting = cts_request_waiting(r);
	return true;
}

static void cmd_flood(void *ctx, struct cts_request *r, int argc, char **argv)
{
	struct fixture *f = ctx;

	(void)argc;
	(void)argv;
	cts_request_steps(r, flood_step, flood_ended, f);
}

/* Ends from within a step, after as many as it was asked for. */
static bool some_step(void *state, struct cts_request *r)
{
	struct fixture *f = state;

	cts_request_printf(r, "%0*d", (int)CHUNK, 2);
	if (++f->steps == 300)
		cts_request_finish(r, 0, "done\n");
	return true;
}

static void cmd_some(void *ctx, struct cts_request *r, int argc, char **argv)
{
	struct fixture *f = ctx;

	(void)argc;
	(void)argv;
	f->steps = 0;
	cts_request_steps(r, some_step, flood_ended, f);
}

static const struct cts_control_command commands[] = {
	{ "echo", false, cmd_echo }, { "change", true, cmd_change },
	{ "flood", false, cmd_flood }, { "some", false, cmd_some }, { NULL, false, NULL },
};

/* -- fixture -- */

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	signal(SIGPIPE, SIG_IGN);   /* as the daemon does */
	alarm(4 * DEADLINE_S);      /* a turn that never ends */
	strcpy(f->folder, "/tmp/ctsync-control-XXXXXX");
	if (!mkdtemp(f->folder) || chmod(f->folder, 0755) < 0)
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/socket", f->folder);
	f->loop = cts_loop_create();
	f->control = f->loop ? cts_control_create(f->loop, f->path, 0666, commands, f) : NULL;
	*state = f;
	return f->control ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	cts_control_destroy(f->control);
	cts_loop_destroy(f->loop);
	assert_int_equal(access(f->path, F_OK), -1);
	rmdir(f->folder);
	free(f);
	return 0;
}

/* One turn of the daemon, without waiting. */
static void serve(struct fixture *f)
{
	event_base_loop(cts_loop_base(f->loop), EVLOOP_NONBLOCK);
	cts_control_step(f->control);
}

static time_t seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static struct cts_control_stats stats(const struct fixture *f)
{
	struct cts_control_stats st;

	cts_control_get_stats(f->control, &st);
	return st;
}

/* A sweep of those that ended comes with the next turn. */
static void await_clients(struct fixture *f, unsigned int n)
{
	time_t until = seconds() + DEADLINE_S;

	while (stats(f).clients != n && seconds() < until)
		serve(f);
	assert_int_equal(stats(f).clients, n);
}

/* -- clients -- */

static int client(const struct fixture *f)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", f->path);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

static void say(int fd, const void *data, size_t len)
{
	assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), len);
}

/* All that comes until the end of the connection, which is closed. */
static size_t receive_all(struct fixture *f, int fd, char *buf, size_t size)
{
	time_t until = seconds() + DEADLINE_S;
	size_t len = 0;

	while (seconds() < until) {
		ssize_t n = recv(fd, buf + len, size - 1 - len, 0);

		if (n > 0)
			len += (size_t)n;
		else if (n == 0 || errno != EAGAIN)
			break;
		serve(f);
	}
	assert_true(seconds() < until);
	buf[len] = '\0';
	close(fd);
	return len;
}

/* Text, then status and message, as one: "text|0\nmessage". */
static void expect_answer(struct fixture *f, int fd, const char *want)
{
	char buf[4096];
	size_t len = receive_all(f, fd, buf, sizeof(buf));
	char *nul = memchr(buf, '\0', len);

	if (nul)
		*nul = '|';
	assert_string_equal(buf, want);
}

static void expect(struct fixture *f, const void *data, size_t len, const char *want)
{
	int fd = client(f);

	say(fd, data, len);
	expect_answer(f, fd, want);
}

/* -- requests -- */

static void a_request_in_pieces_is_one_request(void **state)
{
	static const char text[] = "echo one two  three\n";
	struct fixture *f = *state;
	size_t cut, i;
	int fd;

	for (cut = 1; cut < sizeof(text) - 1; cut++) {
		fd = client(f);
		say(fd, text, cut);
		serve(f);
		serve(f);
		say(fd, text + cut, sizeof(text) - 1 - cut);
		expect_answer(f, fd, "one\ntwo\nthree\n|0\n");
	}
	fd = client(f);
	for (i = 0; i < sizeof(text) - 1; i++) {
		say(fd, text + i, 1);
		serve(f);
	}
	expect_answer(f, fd, "one\ntwo\nthree\n|0\n");
	await_clients(f, 0);
	assert_int_equal(stats(f).requests, sizeof(text) - 1);
	assert_int_equal(stats(f).garbage, 0);
}

static void only_the_first_request_of_a_connection_counts(void **state)
{
	struct fixture *f = *state;
	static const char two[] = "echo a\nchange\nchange\n";

	expect(f, two, sizeof(two) - 1, "a\n|0\n");
	assert_int_equal(stats(f).requests, 1);
	assert_int_equal(f->changed, 0);
}

static void a_status_and_a_message_come_back(void **state)
{
	struct fixture *f = *state;

	expect(f, "change\n", 7, "|3\nchanged 1\n");
	assert_int_equal(f->changed, 1);
}

static void a_client_that_closed_its_half_gets_the_answer(void **state)
{
	struct fixture *f = *state;
	char buf[512 * 1024];
	int fd = client(f);
	size_t len;

	say(fd, "some\n", 5);
	shutdown(fd, SHUT_WR);
	len = receive_all(f, fd, buf, sizeof(buf));
	assert_int_equal(len, 300 * CHUNK + 1 + strlen("0\ndone\n"));
	assert_string_equal(buf + 300 * CHUNK + 1, "0\ndone\n");
	assert_int_equal(f->ended, 1);
	await_clients(f, 0);
}

static void the_longest_request_and_one_that_is_longer(void **state)
{
	char line[4 * CTS_CONTROL_LINE_MAX], want[CTS_CONTROL_LINE_MAX + 8];
	struct fixture *f = *state;
	const size_t max = CTS_CONTROL_LINE_MAX;
	int fd;

	memset(line, 'x', sizeof(line));
	memcpy(line, "echo ", 5);
	line[max - 1] = '\n';
	snprintf(want, sizeof(want), "%.*s\n|0\n", (int)(max - 6), line + 5);
	expect(f, line, max, want);
	assert_int_equal(stats(f).garbage, 0);
	line[max - 1] = 'x';
	line[max] = '\n';
	expect(f, line, max + 1, "|1\nrequest too long\n");
	expect(f, line, sizeof(line), "|1\nrequest too long\n");
	fd = client(f);
	say(fd, line, max - 1);
	serve(f);
	say(fd, line, max);
	expect_answer(f, fd, "|1\nrequest too long\n");
	assert_int_equal(stats(f).garbage, 3);
	await_clients(f, 0);
}

static void garbage_is_counted_and_refused(void **state)
{
	static const struct { const char *text; size_t len; const char *want; } bad[] = {
		{ "\n", 1, "|1\nunknown request\n" },
		{ "   \n", 4, "|1\nunknown request\n" },
		{ "ech\n", 4, "|1\nunknown request\n" },
		{ "echoo\n", 6, "|1\nunknown request\n" },
		{ "ECHO\n", 5, "|1\nunknown request\n" },
		{ "echo\r\n", 6, "|1\nunknown request\n" },
		{ "echo\ta\n", 7, "|1\nunknown request\n" },
		{ "echo \0a\n", 8, "|1\nnot a request\n" },
		{ "\0\n", 2, "|1\nnot a request\n" },
		{ "echo 1 2 3 4 5 6 7 8\n", 21, "|1\nunknown request\n" },
		{ "%n%s%n%s\n", 9, "|1\nunknown request\n" },
		{ "\xff\xfe\xfd\n", 4, "|1\nunknown request\n" },
	};
	struct fixture *f = *state;
	unsigned int i;
	int fd;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect(f, bad[i].text, bad[i].len, bad[i].want);
	assert_int_equal(stats(f).garbage, i);
	/* An end without a line, and one at once. */
	fd = client(f);
	say(fd, "echo a", 6);
	close(fd);
	close(client(f));
	serve(f);
	await_clients(f, 0);
	assert_int_equal(stats(f).garbage, i + 2);
	assert_int_equal(stats(f).requests, 0);
	expect(f, "echo %s%n\n", 10, "%s%n\n|0\n");
}

static void random_bytes_leave_nothing_behind(void **state)
{
	struct fixture *f = *state;
	unsigned int i, seed = 1;
	char buf[4096], in[4096];

	for (i = 0; i < 3000; i++) {
		size_t len = (size_t)(rand_r(&seed) % (i % 10 ? 60 : 3000)), at, n;
		int fd = client(f);

		for (at = 0; at < len; at++)
			buf[at] = (char)rand_r(&seed);
		if (i % 3 == 0 && len > 12)
			memcpy(buf, "echo a b c\n", 11);
		for (at = 0; at < len; at += n) {
			n = (size_t)(rand_r(&seed) % 700) + 1;
			n = n < len - at ? n : len - at;
			if (send(fd, buf + at, n, MSG_NOSIGNAL) < 0)
				break;  /* answered and closed already */
			if (rand_r(&seed) % 2)
				serve(f);
		}
		shutdown(fd, SHUT_WR);
		if (i % 4)
			receive_all(f, fd, in, sizeof(in));
		else
			close(fd);
	}
	await_clients(f, 0);
	assert_int_equal(stats(f).requests + stats(f).garbage, i);
	assert_int_equal(f->changed, 0);
}

/* -- clients at once -- */

static void as_many_clients_as_allowed_and_one_more(void **state)
{
	struct fixture *f = *state;
	int fd[CTS_CONTROL_CLIENTS_MAX], more;
	unsigned int i;
	char buf[64];

	for (i = 0; i < CTS_CONTROL_CLIENTS_MAX; i++) {
		fd[i] = client(f);
		say(fd[i], "echo ", 5);
		serve(f);
	}
	await_clients(f, CTS_CONTROL_CLIENTS_MAX);
	more = client(f);
	assert_int_equal(receive_all(f, more, buf, sizeof(buf)), 0);
	assert_int_equal(stats(f).refused, 1);
	assert_int_equal(stats(f).clients, CTS_CONTROL_CLIENTS_MAX);
	/* The last that came is the first that asks. */
	for (i = CTS_CONTROL_CLIENTS_MAX; i-- > 0; ) {
		char line[16], want[16];
		int len = snprintf(line, sizeof(line), "n%u\n", i);

		snprintf(want, sizeof(want), "n%u\n|0\n", i);
		say(fd[i], line, (size_t)len);
		expect_answer(f, fd[i], want);
	}
	await_clients(f, 0);
	expect(f, "echo b\n", 7, "b\n|0\n");
}

/* -- clients that do not read -- */

static void who_never_reads_does_not_stop_the_others_or_take_memory(void **state)
{
	struct fixture *f = *state;
	int fd[20];
	unsigned int i, turn, steps;

	for (i = 0; i < 20; i++) {
		fd[i] = client(f);
		say(fd[i], "flood\n", 6);
		serve(f);
	}
	/* Until none of them gets any more: the kernel's buffers are full, and ours. */
	for (turn = 0; turn < 5000; turn++)
		serve(f);
	steps = f->steps;
	for (turn = 0; turn < 100; turn++)
		serve(f);
	assert_int_equal(f->steps, steps);
	assert_in_range(f->most_waiting, CTS_CONTROL_BUFFER / 2, CTS_CONTROL_BUFFER + CHUNK);
	assert_int_equal(f->ended, 0);
	for (i = 0; i < 50; i++)
		expect(f, "echo still here\n", 16, "still\nhere\n|0\n");
	/* They go: their work ends, once each. */
	for (i = 0; i < 20; i++)
		close(fd[i]);
	await_clients(f, 0);
	assert_int_equal(f->ended, 20);
}

static void who_reads_slowly_gets_it_all(void **state)
{
	struct fixture *f = *state;
	time_t until = seconds() + DEADLINE_S;
	size_t len = 0, want = 300 * CHUNK + 8;
	int fd = client(f);
	char buf[777];

	say(fd, "some\n", 5);
	while (len < want && seconds() < until) {
		ssize_t n;

		serve(f);
		n = recv(fd, buf, sizeof(buf), 0);
		len += n > 0 ? (size_t)n : 0;
	}
	assert_int_equal(len, want);
	await_clients(f, 0);
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), 0);
	close(fd);
}

static void who_says_ever_more_is_not_listened_to(void **state)
{
	struct fixture *f = *state;
	static const char noise[65536];
	unsigned int turn;
	int fd = client(f);

	say(fd, "flood\n", 6);
	for (turn = 0; turn < 2000; turn++) {
		ssize_t n = send(fd, noise, sizeof(noise), MSG_NOSIGNAL);

		assert_true(n > 0 || errno == EAGAIN);
		serve(f);
	}
	expect(f, "echo a\n", 7, "a\n|0\n");
	assert_int_equal(f->ended, 0);
	close(fd);
	await_clients(f, 0);
	assert_int_equal(f->ended, 1);
}

/* -- permission -- */

/* What another user gets; in a process of its own. */
static void as_nobody(struct fixture *f, const char *line, const char *want, int want_errno)
{
	int status, fd = -1, go[2];
	char done;
	pid_t pid;

	assert_int_equal(pipe(go), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		struct sockaddr_un sun = { .sun_family = AF_UNIX };
		char buf[256];
		ssize_t n, len = 0;

		alarm(DEADLINE_S);
		if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
			_exit(77);
		snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", f->path);
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
			_exit(errno == want_errno ? 0 : 1);
		if (want_errno || write(fd, line, strlen(line)) < 0)
			_exit(2);
		while ((n = read(fd, buf + len, sizeof(buf) - 1 - (size_t)len)) > 0)
			len += n;
		buf[len] = '\0';
		if (strlen(buf) < (size_t)len)
			buf[strlen(buf)] = '|';
		_exit(strcmp(buf, want) ? 3 : 0);
	}
	close(go[1]);
	fcntl(go[0], F_SETFL, O_NONBLOCK);
	while (read(go[0], &done, 1) < 0 && errno == EAGAIN)
		serve(f);   /* until its end closes the pipe */
	close(go[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void changes_are_for_root_and_the_own_user(void **state)
{
	struct fixture *f = *state;

	if (geteuid()) {
		print_message("root is needed to be somebody else\n");
		skip();
	}
	as_nobody(f, "echo a\n", "a\n|0\n", 0);
	as_nobody(f, "change\n", "|1\nchange: Operation not permitted\n", 0);
	assert_int_equal(f->changed, 0);
	assert_int_equal(stats(f).refused, 1);
	expect(f, "change\n", 7, "|3\nchanged 1\n");
	assert_int_equal(f->changed, 1);
}

static void the_mode_of_the_file_keeps_others_out(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	mode_t mask;

	if (geteuid()) {
		print_message("root is needed to be somebody else\n");
		skip();
	}
	cts_control_destroy(f->control);
	mask = umask(0);
	f->control = cts_control_create(f->loop, f->path, 0600, commands, f);
	umask(mask);
	assert_non_null(f->control);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	as_nobody(f, "echo a\n", "", EACCES);
	expect(f, "echo a\n", 7, "a\n|0\n");
}

/* -- making and ending -- */

static void what_cannot_be_listened_at_is_refused(void **state)
{
	struct fixture *f = *state;
	char path[512];

	memset(path, 'p', sizeof(path));
	path[0] = '/';
	path[sizeof(((struct sockaddr_un *)0)->sun_path)] = '\0';
	errno = 0;
	assert_null(cts_control_create(f->loop, path, 0600, commands, f));
	assert_int_equal(errno, ENAMETOOLONG);
	snprintf(path, sizeof(path), "%s/none/socket", f->folder);
	assert_null(cts_control_create(f->loop, path, 0600, commands, f));
	assert_int_equal(errno, ENOENT);
	cts_control_destroy(NULL);
}

static void a_socket_that_was_left_is_replaced(void **state)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct fixture *f = *state;
	int fd;

	cts_control_destroy(f->control);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", f->path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(fd);
	f->control = cts_control_create(f->loop, f->path, 0666, commands, f);
	assert_non_null(f->control);
	expect(f, "echo a\n", 7, "a\n|0\n");
}

static void at_the_end_clients_are_cut_off_and_their_work_ends(void **state)
{
	struct fixture *f = *state;
	int idle = client(f), flooded = client(f);
	char buf[1024];
	ssize_t n;

	say(flooded, "flood\n", 6);
	await_clients(f, 2);
	while (!f->steps)
		serve(f);
	cts_control_destroy(f->control);
	f->control = NULL;
	assert_int_equal(f->ended, 1);
	event_base_loop(cts_loop_base(f->loop), EVLOOP_NONBLOCK);   /* libevent closes then */
	assert_int_equal(recv(idle, buf, sizeof(buf), 0), 0);
	while ((n = recv(flooded, buf, sizeof(buf), 0)) > 0)
		;
	assert_int_equal(n, 0);
	close(idle);
	close(flooded);
}

static void a_last_answer_can_be_drained(void **state)
{
	struct fixture *f = *state;
	char buf[64];
	int fd = client(f);
	ssize_t n;

	say(fd, "change\n", 7);
	while (!f->changed)   /* in the turn's callbacks; nothing is written yet */
		event_base_loop(cts_loop_base(f->loop), EVLOOP_NONBLOCK | EVLOOP_ONCE);
	cts_control_drain(f->control);
	n = recv(fd, buf, sizeof(buf), 0);
	assert_int_equal(n, 1 + strlen("3\nchanged 1\n"));
	close(fd);
}

#define with(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with(a_request_in_pieces_is_one_request),
		with(only_the_first_request_of_a_connection_counts),
		with(a_status_and_a_message_come_back),
		with(a_client_that_closed_its_half_gets_the_answer),
		with(the_longest_request_and_one_that_is_longer),
		with(garbage_is_counted_and_refused),
		with(random_bytes_leave_nothing_behind),
		with(as_many_clients_as_allowed_and_one_more),
		with(who_never_reads_does_not_stop_the_others_or_take_memory),
		with(who_reads_slowly_gets_it_all),
		with(who_says_ever_more_is_not_listened_to),
		with(changes_are_for_root_and_the_own_user),
		with(the_mode_of_the_file_keeps_others_out),
		with(what_cannot_be_listened_at_is_refused),
		with(a_socket_that_was_left_is_replaced),
		with(at_the_end_clients_are_cut_off_and_their_work_ends),
		with(a_last_answer_can_be_drained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
