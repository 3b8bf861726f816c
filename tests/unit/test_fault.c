/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fault and null: what leaves them, seen by a socket in a namespace of the test's own. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/plugin/loader.h"
#include "core/plugin/option_table.h"
#include "core/runtime/loop.h"

#define MESSAGES 1000u
#define WORDS 8u                     /* of 32 bits in a message; all say its number */
#define ADDRESSES "address=127.0.0.1,peers=127.0.0.2,interface=lo"

struct trace {
	uint32_t word[3 * MESSAGES][WORDS];
	unsigned int n;
};

static struct fixture {
	struct cts_loader *loader;
	struct cts_loop *loop;
	struct cts_timer *deadline;
	const struct cts_transport_ops *ops;
	struct cts_transport_host host;
	struct cts_options *opt;
	void *priv;
	int fd;                      /* the peer */
	unsigned int writable;
	unsigned int expected;       /* messages; the loop runs until they are here */
	bool timed_out;
	struct trace *trace;
} fx;

static void deliver(void *ctx, uint32_t from, const struct iovec *msg, unsigned int n)
{
	fail();
}

static void writable(void *ctx)
{
	fx.writable++;
}

static void take_in(struct trace *t)
{
	uint32_t m[WORDS];
	ssize_t len;

	while ((len = recv(fx.fd, m, sizeof(m), MSG_DONTWAIT)) >= 0) {
		assert_int_equal(len, sizeof(m));
		assert_true(t->n < 3 * MESSAGES);
		memcpy(t->word[t->n++], m, sizeof(m));
	}
}

static bool turn(void *ctx)
{
	take_in(fx.trace);
	if (fx.trace->n >= fx.expected)
		cts_loop_stop(fx.loop);
	return false;
}

static void give_up(void *ctx)
{
	fx.timed_out = true;
	cts_loop_stop(fx.loop);
}

static void open_plugin(const char *plugin, const char *options)
{
	fx.ops = cts_loader_get(fx.loader, CTS_KIND_TRANSPORT, plugin);
	if (!fx.ops)
		fail_msg("%s", cts_loader_error(fx.loader));
	fx.loop = cts_loop_create();
	fx.deadline = cts_timer_create(fx.loop, give_up, NULL);
	cts_loop_on_turn(fx.loop, turn, NULL);
	fx.host = (struct cts_transport_host){ .size = sizeof(fx.host), .ctx = &fx,
					       .loop = fx.loop, .deliver = deliver,
					       .writable = writable };
	fx.opt = cts_options_parse_text(fx.ops->plugin.options, options, plugin, NULL);
	assert_non_null(fx.opt);
	fx.priv = fx.ops->create(fx.opt, &fx.host);
	assert_non_null(fx.priv);
}

static void close_plugin(void)
{
	fx.ops->destroy(fx.priv);
	cts_options_free(fx.opt);
	cts_timer_destroy(fx.deadline);
	cts_loop_destroy(fx.loop);
}

static bool wait_for(struct trace *t, unsigned int n)
{
	fx.trace = t;
	fx.expected = n;
	fx.timed_out = false;
	cts_timer_arm_us(fx.deadline, 10000000);
	cts_loop_run(fx.loop);
	return !fx.timed_out;
}

/* Returns how many were taken. */
static unsigned int send_all(struct trace *t, unsigned int from)
{
	for (unsigned int i = from; i < MESSAGES; i++) {
		uint32_t m[WORDS];
		struct iovec msg = { m, sizeof(m) };

		for (unsigned int k = 0; k < WORDS; k++)
			m[k] = i;
		if (fx.ops->send(fx.priv, &msg, 1, i % 2 ? CTS_PEER_ALL : 1) != 1) {
			assert_int_equal(errno, EAGAIN);
			return i;
		}
		take_in(t);
	}
	return MESSAGES;
}

static struct cts_transport_status status(void)
{
	struct cts_transport_status st = { .size = sizeof(st) };

	fx.ops->status(fx.priv, &st);
	return st;
}

/* What comes of all messages under these options. */
static struct trace *run(const char *options, struct cts_transport_status *st)
{
	struct trace *t = calloc(1, sizeof(*t));
	char all[256];

	assert_non_null(t);
	snprintf(all, sizeof(all), ADDRESSES ",%s", options);
	open_plugin("fault", all);
	assert_int_equal(send_all(t, 0), MESSAGES);
	*st = status();
	close_plugin();
	return t;
}

static unsigned int bits_that_differ(const uint32_t *word, uint32_t number)
{
	unsigned int n = 0;

	for (unsigned int k = 0; k < WORDS; k++)
		n += (unsigned int)__builtin_popcount(word[k] ^ number);
	return n;
}

static void without_faults_it_is_a_transport(void **state)
{
	struct cts_transport_status st;
	struct trace *t = run("drop=0", &st);

	assert_int_equal(t->n, MESSAGES);
	for (unsigned int i = 0; i < MESSAGES; i++)
		assert_int_equal(bits_that_differ(t->word[i], i), 0);
	assert_int_equal(st.sent_errors, 0);
	assert_string_equal(st.device, "lo");
	free(t);
}

static void same_seed_same_faults_another_seed_others(void **state)
{
	static const char faults[] = "drop=200,duplicate=100,reorder=200,corrupt=100,seed=%d";
	struct cts_transport_status st[3];
	struct trace *t[3];

	for (int i = 0; i < 3; i++) {
		char options[128];

		snprintf(options, sizeof(options), faults, i < 2 ? 7 : 8);
		t[i] = run(options, &st[i]);
	}
	assert_int_equal(t[0]->n, t[1]->n);
	assert_memory_equal(t[0]->word, t[1]->word, sizeof(t[0]->word));
	assert_int_equal(st[0].sent_errors, st[1].sent_errors);
	assert_memory_not_equal(t[0]->word, t[2]->word, sizeof(t[0]->word));
	for (int i = 0; i < 3; i++)
		free(t[i]);
}

static void as_many_are_lost_as_asked_and_they_are_counted(void **state)
{
	struct cts_transport_status st;
	struct trace *t = run("drop=200", &st);

	assert_in_range(t->n, MESSAGES * 7 / 10, MESSAGES * 9 / 10);
	assert_int_equal(st.sent_errors, MESSAGES - t->n);
	free(t);
	t = run("drop=1000", &st);
	assert_int_equal(t->n, 0);
	assert_int_equal(st.sent_errors, MESSAGES);
	free(t);
}

static void duplicates_follow_each_other(void **state)
{
	struct cts_transport_status st;
	struct trace *t = run("duplicate=1000", &st);

	assert_int_equal(t->n, 2 * MESSAGES);
	for (unsigned int i = 0; i < t->n; i++)
		assert_int_equal(bits_that_differ(t->word[i], i / 2), 0);
	free(t);
}

static void damage_is_one_bit(void **state)
{
	struct cts_transport_status st;
	struct trace *t = run("corrupt=1000", &st);

	assert_int_equal(t->n, MESSAGES);
	for (unsigned int i = 0; i < t->n; i++)
		assert_int_equal(bits_that_differ(t->word[i], i), 1);
	free(t);
}

static void overtaken_messages_come_soon_after_and_once(void **state)
{
	struct cts_transport_status st;
	struct trace *t = run("reorder=300", &st);
	bool seen[MESSAGES] = { false };
	unsigned int late = 0;

	assert_in_range(t->n, MESSAGES - 1, MESSAGES); /* the last may still wait */
	for (unsigned int i = 0; i < t->n; i++) {
		uint32_t number = t->word[i][0];

		assert_true(number < MESSAGES && !seen[number]);
		seen[number] = true;
		if (number < i)
			late++;
		assert_true(number + 4 >= i && number <= i + 1);
	}
	assert_in_range(late, 100, 300);
	free(t);
}

static void who_is_set_aside_last_does_not_wait_for_ever(void **state)
{
	struct trace *t = calloc(1, sizeof(*t));

	open_plugin("fault", ADDRESSES ",reorder=1000");
	assert_int_equal(send_all(t, MESSAGES - 1), MESSAGES);
	assert_int_equal(t->n, 0);
	assert_true(wait_for(t, 1));
	assert_int_equal(bits_that_differ(t->word[0], MESSAGES - 1), 0);
	close_plugin();
	free(t);
}

static void late_messages_keep_their_order(void **state)
{
	struct trace *t = calloc(1, sizeof(*t));
	uint64_t start;

	open_plugin("fault", ADDRESSES ",delay_ms=50");
	start = cts_loop_now_ns(fx.loop);
	assert_int_equal(send_all(t, 0), MESSAGES);
	assert_int_equal(t->n, 0);
	assert_true(wait_for(t, MESSAGES));
	assert_true(cts_loop_now_ns(fx.loop) - start >= 50000000u);
	for (unsigned int i = 0; i < MESSAGES; i++)
		assert_int_equal(bits_that_differ(t->word[i], i), 0);
	close_plugin();
	free(t);
}

static void full_queue_gives_eagain_and_writable_follows(void **state)
{
	struct trace *t = calloc(1, sizeof(*t));
	unsigned int taken;

	open_plugin("fault", ADDRESSES ",delay_ms=20,queue=64");
	taken = send_all(t, 0);
	assert_in_range(taken, 60, 64);
	assert_true(wait_for(t, taken));
	assert_int_equal(fx.writable, 1);
	assert_int_equal(t->n, taken);
	assert_in_range(send_all(t, taken), taken + 60, taken + 64);
	close_plugin();
	free(t);
}

static void unknown_peer_is_refused(void **state)
{
	struct iovec msg = { "x", 1 };

	open_plugin("fault", ADDRESSES);
	errno = 0;
	assert_int_equal(fx.ops->send(fx.priv, &msg, 1, 2), -1);
	assert_int_equal(errno, EINVAL);
	close_plugin();
}

static void null_takes_and_counts_everything(void **state)
{
	struct iovec msg[3] = { { "abc", 3 }, { "", 0 }, { "de", 2 } };
	struct cts_transport_status st;

	open_plugin("null", "max_message=9000");
	assert_int_equal(fx.ops->max_message(fx.priv), 9000);
	assert_int_equal(fx.ops->send(fx.priv, msg, 3, CTS_PEER_ALL), 3);
	st = status();
	assert_true(st.up);
	close_plugin();
}

static int peer_open(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(3780) };
	int room = 4 << 20;

	inet_pton(AF_INET, "127.0.0.2", &a.sin_addr);
	fx.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	fx.writable = 0;
	setsockopt(fx.fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	return bind(fx.fd, (struct sockaddr *)&a, sizeof(a));
}

static int peer_close(void **state)
{
	return close(fx.fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, peer_open, peer_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_faults_it_is_a_transport),
		TEST(same_seed_same_faults_another_seed_others),
		TEST(as_many_are_lost_as_asked_and_they_are_counted),
		TEST(duplicates_follow_each_other),
		TEST(damage_is_one_bit),
		TEST(overtaken_messages_come_soon_after_and_once),
		TEST(who_is_set_aside_last_does_not_wait_for_ever),
		TEST(late_messages_keep_their_order),
		TEST(full_queue_gives_eagain_and_writable_follows),
		TEST(unknown_peer_is_refused),
		TEST(null_takes_and_counts_everything),
	};
	int ret;

	if (unshare(CLONE_NEWNET) < 0 || system("ip link set lo up") != 0) {
		printf("SKIP: no network namespace of our own: %s\n", strerror(errno));
		return 77;
	}
	fx.loader = cts_loader_create(NULL, 0);
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	cts_loader_destroy(fx.loader);
	return ret;
}
