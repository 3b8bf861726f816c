/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udp and multicast between two network namespaces of the test's own. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/plugin/loader.h"
#include "core/plugin/option_table.h"
#include "core/runtime/loop.h"

#define MESSAGES 500u

struct node {
	struct cts_transport_host host;
	struct cts_options *opt;
	void *priv;
	unsigned int received, changed, writable;
	uint32_t from;
	size_t last_len;
	uint8_t first;
};

static struct net {
	int ns[2];
	struct cts_loader *loader;
	struct cts_loop *loop;
	struct cts_timer *deadline;
	struct node node[2];
	const struct cts_transport_ops *ops;
	bool (*until)(void);
	bool timed_out;
} net;

/* -- the two namespaces -- */

static int run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int run(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	return system(cmd);
}

static int enter(unsigned int i)
{
	return setns(net.ns[i], CLONE_NEWNET);
}

static void make_namespaces(void)
{
	for (unsigned int i = 0; i < 2; i++) {
		if (unshare(CLONE_NEWNET) < 0) {
			printf("SKIP: no network namespace of our own: %s\n", strerror(errno));
			exit(77);
		}
		net.ns[i] = open("/proc/self/ns/net", O_RDONLY);
	}
	if (run("ip link add v0 type veth peer name v0 netns /proc/%d/fd/%d", (int)getpid(),
		net.ns[0]) != 0) {
		printf("SKIP: cannot make a pair of devices\n");
		exit(77);
	}
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(enter(i), 0);
		assert_int_equal(run("ip addr add 10.9.0.%u/24 dev v0 && "
				     "ip -6 addr add fd00::%u/64 dev v0 nodad && "
				     "ip addr add 10.9.0.1%u/24 dev v0 && ip link set v0 up",
				     i + 1, i + 1, i), 0);
	}
}

/* -- waiting for a condition -- */

static bool turn(void *ctx)
{
	if (net.until && net.until())
		cts_loop_stop(net.loop);
	return false;
}

static void give_up(void *ctx)
{
	net.timed_out = true;
	cts_loop_stop(net.loop);
}

/* Each test waits once: a stopped loop stays stopped. */
static bool await(bool (*until)(void))
{
	net.until = until;
	net.timed_out = false;
	cts_timer_arm_us(net.deadline, 10000000);
	cts_loop_run(net.loop);
	cts_timer_disarm(net.deadline);
	return !net.timed_out;
}

/* -- the host's side -- */

static void deliver(void *ctx, uint32_t from, const struct iovec *msg, unsigned int n)
{
	struct node *node = ctx;

	node->received += n;
	node->from = from;
	node->last_len = msg[n - 1].iov_len;
	node->first = n && msg[n - 1].iov_len ? *(const uint8_t *)msg[n - 1].iov_base : 0;
}

static void writable(void *ctx)
{
	((struct node *)ctx)->writable++;
}

static void link_changed(void *ctx)
{
	((struct node *)ctx)->changed++;
}

static void open_node(unsigned int i, const char *plugin, const char *options)
{
	struct node *node = &net.node[i];

	memset(node, 0, sizeof(*node));
	node->host = (struct cts_transport_host){
		.size = sizeof(node->host), .ctx = node, .loop = net.loop, .deliver = deliver,
		.writable = writable, .link_changed = link_changed,
	};
	net.ops = cts_loader_get(net.loader, CTS_KIND_TRANSPORT, plugin);
	if (!net.ops)
		fail_msg("%s", cts_loader_error(net.loader));
	node->opt = cts_options_parse_text(net.ops->plugin.options, options, plugin, NULL);
	assert_non_null(node->opt);
	assert_int_equal(enter(i), 0);
	node->priv = net.ops->create(node->opt, &node->host);
}

static void close_nodes(void)
{
	for (unsigned int i = 0; i < 2; i++) {
		if (net.node[i].priv)
			net.ops->destroy(net.node[i].priv);
		cts_options_free(net.node[i].opt);
		net.node[i] = (struct node){ 0 };
	}
}

static int setup(void **state)
{
	net.loop = cts_loop_create();
	net.deadline = cts_timer_create(net.loop, give_up, NULL);
	cts_loop_on_turn(net.loop, turn, NULL);
	return 0;
}

static int teardown(void **state)
{
	close_nodes();
	cts_timer_destroy(net.deadline);
	cts_loop_destroy(net.loop);
	return 0;
}

static bool all_received(void)
{
	return net.node[1].received >= MESSAGES;
}

static bool one_received(void)
{
	return net.node[1].received >= 1;
}

static bool reported_writable(void)
{
	return net.node[0].writable >= 1;
}

static bool one_refused(void)
{
	struct cts_transport_status st = { .size = sizeof(st) };

	net.ops->status(net.node[1].priv, &st);
	return st.refused >= 1;
}

static bool link_is_down(void)
{
	struct cts_transport_status st = { .size = sizeof(st) };

	net.ops->status(net.node[1].priv, &st);
	return !st.up && net.node[1].changed;
}

/* Sends MESSAGES messages of all lengths up to the largest; returns the last length. */
static size_t send_many(unsigned int from, uint32_t to)
{
	static uint8_t bytes[65536];
	struct iovec msg[MESSAGES];
	size_t max = net.ops->max_message(net.node[from].priv);
	unsigned int done = 0;

	memset(bytes, 0x5a, sizeof(bytes));
	for (unsigned int i = 0; i < MESSAGES; i++)
		msg[i] = (struct iovec){ bytes, max - (MESSAGES - 1 - i) };
	while (done < MESSAGES) {
		int n = net.ops->send(net.node[from].priv, msg + done, MESSAGES - done, to);

		assert_true(n > 0);
		done += (unsigned int)n;
	}
	return max;
}

static void check_status(unsigned int node)
{
	struct cts_transport_status st = { .size = sizeof(st) };

	net.ops->status(net.node[node].priv, &st);
	assert_string_equal(st.device, "v0");
	assert_true(st.up);
	assert_true(st.carrier);
	assert_int_equal(st.sent_errors, 0);
	assert_int_equal(st.recv_dropped, 0);
}

static void carries(const char *plugin, const char *a, const char *b, size_t max, uint32_t from)
{
	open_node(0, plugin, a);
	open_node(1, plugin, b);
	assert_non_null(net.node[0].priv);
	assert_non_null(net.node[1].priv);
	assert_int_equal(net.ops->max_message(net.node[0].priv), max);
	assert_int_equal(send_many(0, CTS_PEER_ALL), max);
	assert_true(await(all_received));
	assert_int_equal(net.node[1].received, MESSAGES);
	assert_int_equal(net.node[1].last_len, max);
	assert_int_equal(net.node[1].first, 0x5a);
	assert_int_equal(net.node[0].received, 0); /* nobody receives his own */
	if (from)
		assert_int_equal(net.node[1].from, from);
	else
		assert_int_not_equal(net.node[1].from, 0);
	check_status(0);
	check_status(1);
}

/* What the second node calls who sent to it; NULL: it cannot say. */
static void names(uint32_t peer, const char *expected)
{
	char text[64] = "";
	int rc = net.ops->peer_name(net.node[1].priv, peer, text, sizeof(text));

	assert_int_equal(rc, expected ? 0 : -1);
	if (expected)
		assert_string_equal(text, expected);
}

static void udp_carries_messages_over_ipv4(void **state)
{
	carries("udp", "address=10.9.0.1,peers=10.9.0.2,interface=v0",
		"address=10.9.0.2,peers=10.9.0.7+10.9.0.1", 1500 - 28, 2);
	names(2, "10.9.0.1");
	names(3, NULL);
	names(0, NULL);
}

static void udp_carries_messages_over_ipv6_with_its_larger_header(void **state)
{
	carries("udp", "address=fd00::1,peers=fd00::2,interface=v0",
		"address=fd00::2,peers=fd00::1,interface=v0", 1500 - 48, 1);
}

static void multicast_carries_messages_over_ipv4(void **state)
{
	carries("multicast", "group=225.0.0.50,interface=v0", "group=225.0.0.50,interface=v0",
		1500 - 28, 0x0a090001);
	names(0x0a090001, "10.9.0.1");
}

static void multicast_carries_messages_over_ipv6(void **state)
{
	carries("multicast", "group=ff02::50,interface=v0", "group=ff02::50,interface=v0",
		1500 - 48, 0);
	/* the address that sent is known by its number, and no other */
	names(net.node[1].from, "fd00::1");
	names(net.node[1].from + 1, NULL);
	names(net.node[1].from + 16, NULL);
}

static void udp_sends_to_one_peer_or_to_each_of_several(void **state)
{
	struct iovec msg = { "x", 1 };

	open_node(0, "udp", "address=10.9.0.1,peers=10.9.0.2+10.9.0.11,interface=v0");
	open_node(1, "udp", "address=10.9.0.2,peers=10.9.0.1,interface=v0");
	assert_int_equal(net.ops->send(net.node[0].priv, &msg, 1, CTS_PEER_ALL), 1);
	assert_int_equal(net.ops->send(net.node[0].priv, &msg, 1, 2), 1);
	errno = 0;
	assert_int_equal(net.ops->send(net.node[0].priv, &msg, 1, 3), -1);
	assert_int_equal(errno, EINVAL);
	assert_true(await(one_received));
	assert_int_equal(net.node[1].received, 1);
}

static void udp_refuses_and_counts_strangers(void **state)
{
	struct iovec msg = { "x", 1 };

	open_node(0, "udp", "address=10.9.0.10,peers=10.9.0.2,interface=v0");
	open_node(1, "udp", "address=10.9.0.2,peers=10.9.0.1,interface=v0");
	assert_int_equal(net.ops->send(net.node[0].priv, &msg, 1, CTS_PEER_ALL), 1);
	assert_true(await(one_refused));
	assert_int_equal(net.node[1].received, 0);
}

static void link_state_is_followed(void **state)
{
	open_node(1, "udp", "address=10.9.0.2,peers=10.9.0.1,interface=v0");
	assert_int_equal(enter(0), 0);
	assert_int_equal(run("ip link set v0 down"), 0);
	assert_true(await(link_is_down)); /* the other end is down: no carrier here */
	assert_int_equal(run("ip -6 addr flush dev v0; ip link set v0 up && "
			     "ip -6 addr add fd00::1/64 dev v0 nodad"), 0);
}

static void device_that_is_missing_is_waited_for(void **state)
{
	struct cts_transport_status st = { .size = sizeof(st) };
	struct iovec msg = { "x", 1 };

	open_node(0, "multicast", "group=225.0.0.51,interface=later");
	assert_non_null(net.node[0].priv);
	net.ops->status(net.node[0].priv, &st);
	assert_false(st.up);
	errno = 0;
	assert_int_equal(net.ops->send(net.node[0].priv, &msg, 1, CTS_PEER_ALL), -1);
	assert_int_equal(errno, ENETDOWN);
}

static void udp_refuses_peers_of_another_family(void **state)
{
	open_node(0, "udp", "address=10.9.0.1,peers=fd00::2,interface=v0");
	assert_null(net.node[0].priv);
	assert_int_equal(errno, EINVAL);
}

static void multicast_refuses_a_group_that_is_none(void **state)
{
	const struct cts_transport_ops *ops;

	ops = cts_loader_get(net.loader, CTS_KIND_TRANSPORT, "multicast");
	assert_non_null(ops);
	assert_null(cts_options_parse_text(ops->plugin.options, "group=10.0.0.1,interface=v0",
					   "multicast", NULL));
}

static void full_buffer_gives_eagain_and_writable_follows(void **state)
{
	static uint8_t bytes[1400];
	struct iovec msg[64];
	int n;

	for (unsigned int i = 0; i < 64; i++)
		msg[i] = (struct iovec){ bytes, sizeof(bytes) };
	/* Without an answer to ARP the packets wait in the socket's buffer. */
	open_node(0, "udp", "address=10.9.0.1,peers=10.9.0.99,interface=v0,send_buffer=8192");
	for (int i = 0; i < 20; i++) {
		n = net.ops->send(net.node[0].priv, msg, 64, CTS_PEER_ALL);
		if (n != 64)
			break;
	}
	assert_true(n < 64);
	if (n > 0)
		n = net.ops->send(net.node[0].priv, msg, 64, CTS_PEER_ALL);
	assert_int_equal(n, -1);
	assert_int_equal(errno, EAGAIN);
	assert_true(await(reported_writable)); /* when the kernel gives up ARP, after 3 s */
}

static void own_traffic_is_named(void **state)
{
	struct cts_flow_pattern t[4];

	open_node(0, "udp", "address=10.9.0.1,peers=10.9.0.2,interface=v0");
	assert_int_equal(net.ops->own_flows(net.node[0].priv, t, 4), 2);
	assert_int_equal(t[0].src.v4, htonl(0x0a090001));
	assert_int_equal(t[0].dst.v4, htonl(0x0a090002));
	assert_int_equal(t[1].src.v4, htonl(0x0a090002));
	assert_int_equal(t[1].dport, htons(3780));
	assert_int_equal(t[1].proto, IPPROTO_UDP);
	assert_int_equal(net.ops->own_flows(net.node[0].priv, t, 1), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(udp_carries_messages_over_ipv4),
		TEST(udp_carries_messages_over_ipv6_with_its_larger_header),
		TEST(multicast_carries_messages_over_ipv4),
		TEST(multicast_carries_messages_over_ipv6),
		TEST(udp_sends_to_one_peer_or_to_each_of_several),
		TEST(udp_refuses_and_counts_strangers),
		TEST(link_state_is_followed),
		TEST(device_that_is_missing_is_waited_for),
		TEST(udp_refuses_peers_of_another_family),
		TEST(multicast_refuses_a_group_that_is_none),
		TEST(full_buffer_gives_eagain_and_writable_follows),
		TEST(own_traffic_is_named),
	};
	int ret;

	make_namespaces();
	net.loader = cts_loader_create(NULL, 0);
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	cts_loader_destroy(net.loader);
	return ret;
}
