/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp on the loopback of a network namespace of the test's own: between instances,
 * and against bare sockets that say what no instance would.
 */
#include "config.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/plugin/loader.h"
#include "core/plugin/option_table.h"
#include "core/runtime/loop.h"

#define NODES 3u
#define MESSAGES 2000u
#define MESSAGE_MAX 16384u
#define PORT 3780
#define GREETING 24u

/* An instance; it checks that numbered messages come whole and in order. */
struct node {
	struct cts_transport_host host;
	struct cts_options *opt;
	void *priv;
	unsigned int received, ups, downs, changed, writable;
	unsigned int in_all;             /* received over all connections */
	unsigned int connected;          /* peers */
	uint32_t from;
	bool echo;                       /* answer each delivery with a message */
};

/* A bare peer. */
struct raw {
	int fd;
	size_t have;
	unsigned int received;           /* messages that were whole and in order */
	uint8_t buf[2 * (MESSAGE_MAX + 4)];
};

static struct fixture {
	struct cts_loader *loader;
	const struct cts_transport_ops *ops;
	struct cts_loop *loop;
	struct cts_timer *deadline, *tick;
	struct node node[NODES];
	struct raw raw[2];
	bool reads[2];                   /* raw peers that read */
	bool (*until)(void);
	bool timed_out;
} fx;

/* -- waiting for a condition -- */

static void raw_read(struct raw *r);

static bool turn(void *ctx)
{
	for (unsigned int i = 0; i < 2; i++)
		if (fx.reads[i])
			raw_read(&fx.raw[i]);
	if (fx.until())
		cts_loop_stop(fx.loop);
	return false;
}

static void give_up(void *ctx)
{
	fx.timed_out = true;
	cts_loop_stop(fx.loop);
}

/* Bare sockets are not in the loop: look at them now and then. */
static void tick(void *ctx)
{
	cts_timer_arm_us(fx.tick, 1000);
}

static bool await(bool (*until)(void))
{
	fx.until = until;
	fx.timed_out = false;
	cts_timer_arm_us(fx.deadline, 10000000);
	cts_timer_arm_us(fx.tick, 1000);
	cts_loop_run(fx.loop);
	cts_timer_disarm(fx.deadline);
	return !fx.timed_out;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

/* -- numbered messages: u32 number, then its lowest byte to the end -- */

static size_t message_len(uint32_t i)
{
	return i % 10 == 9 ? MESSAGE_MAX : 4 + i * 7919 % 3000;
}

static void message_fill(uint8_t *buf, uint32_t i)
{
	memset(buf, (int)(i & 0xff), message_len(i));
	memcpy(buf, &i, sizeof(i));
}

static void message_check(const uint8_t *buf, size_t len, uint32_t i)
{
	uint32_t number;

	assert_int_equal(len, message_len(i));
	memcpy(&number, buf, sizeof(number));
	assert_int_equal(number, i);
	for (size_t k = 4; k < len; k++)
		if (buf[k] != (i & 0xff))
			fail_msg("message %u is damaged at %zu", i, k);
}

/* Returns the number of the first that was not taken. */
static uint32_t send_numbered(unsigned int node, uint32_t first, uint32_t end, uint32_t to)
{
	static uint8_t buf[8][MESSAGE_MAX];
	struct iovec msg[8];
	uint32_t i = first;

	while (i < end) {
		unsigned int n = 0;
		int ret;

		for (; n < 8 && i + n < end; n++) {
			message_fill(buf[n], i + n);
			msg[n] = (struct iovec){ buf[n], message_len(i + n) };
		}
		ret = fx.ops->send(fx.node[node].priv, msg, n, to);
		if (ret < 0) {
			assert_int_equal(errno, EAGAIN);
			break;
		}
		i += (uint32_t)ret;
		if ((unsigned int)ret < n)
			break;
	}
	return i;
}

/* -- the host's side -- */

static void deliver(void *ctx, uint32_t from, const struct iovec *msg, unsigned int n)
{
	struct node *node = ctx;

	for (unsigned int i = 0; i < n; i++)
		message_check(msg[i].iov_base, msg[i].iov_len, node->received++);
	node->in_all += n;
	node->from = from;
	if (node->echo)
		send_numbered((unsigned int)(node - fx.node), node->received - n, node->received,
			      from);
}

static void peer_up(void *ctx, uint32_t peer)
{
	((struct node *)ctx)->ups++;
	((struct node *)ctx)->connected++;
}

static void peer_down(void *ctx, uint32_t peer)
{
	struct node *node = ctx;

	node->downs++;
	node->connected--;
	node->received = 0;
}

static void writable(void *ctx)
{
	((struct node *)ctx)->writable++;
}

static void link_changed(void *ctx)
{
	((struct node *)ctx)->changed++;
}

static void open_node(unsigned int i, const char *options)
{
	struct node *node = &fx.node[i];

	memset(node, 0, sizeof(*node));
	node->host = (struct cts_transport_host){
		.size = sizeof(node->host), .ctx = node, .loop = fx.loop, .deliver = deliver,
		.peer_up = peer_up, .peer_down = peer_down, .writable = writable,
		.link_changed = link_changed,
	};
	node->opt = cts_options_parse_text(fx.ops->plugin.options, options, "tcp", NULL);
	assert_non_null(node->opt);
	node->priv = fx.ops->create(node->opt, &node->host);
}

static void close_node(unsigned int i)
{
	if (fx.node[i].priv)
		fx.ops->destroy(fx.node[i].priv);
	cts_options_free(fx.node[i].opt);
	fx.node[i] = (struct node){ 0 };
}

static struct cts_transport_status status(unsigned int i)
{
	struct cts_transport_status st = { .size = sizeof(st) };

	fx.ops->status(fx.node[i].priv, &st);
	return st;
}

/* -- bare sockets -- */

static struct sockaddr_in addr_of(unsigned int host, uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port),
				     .sin_addr.s_addr = htonl(0x7f000000 + host) };
}

static int raw_socket(unsigned int host, uint16_t port)
{
	struct sockaddr_in a = addr_of(host, port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int yes = 1, small = 8192;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

/* From 127.0.0.host to the node at 127.0.0.1. */
static void raw_connect(struct raw *r, unsigned int host)
{
	struct sockaddr_in to = addr_of(1, PORT);

	r->fd = raw_socket(host, 0);
	r->have = r->received = 0;
	assert_int_equal(connect(r->fd, (struct sockaddr *)&to, sizeof(to)), 0);
}

static void raw_greet(struct raw *r, uint8_t role, uint64_t life, uint64_t serial)
{
	uint8_t g[GREETING] = { 'c', 't', 's', 'T', 1, role };

	life = htobe64(life);
	serial = htobe64(serial);
	memcpy(g + 8, &life, 8);
	memcpy(g + 16, &serial, 8);
	assert_int_equal(send(r->fd, g, sizeof(g), MSG_NOSIGNAL), sizeof(g));
}

static bool raw_got(unsigned int i, size_t n)
{
	uint8_t buf[64];

	return recv(fx.raw[i].fd, buf, n, MSG_PEEK | MSG_DONTWAIT) == (ssize_t)n;
}

static bool raw0_greeted(void)
{
	return raw_got(0, GREETING);
}

static bool raw1_greeted(void)
{
	return raw_got(1, GREETING);
}

static bool raw_closed(unsigned int i)
{
	uint8_t byte;
	ssize_t n = recv(fx.raw[i].fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN);
}

static bool raw0_closed(void)
{
	return raw_closed(0);
}

/* Take the greeting of role; returns the serial. */
static uint64_t raw_take_greeting(struct raw *r, uint8_t role, uint64_t *life)
{
	uint8_t g[GREETING];
	uint64_t serial;

	assert_int_equal(recv(r->fd, g, sizeof(g), MSG_DONTWAIT), sizeof(g));
	assert_memory_equal(g, "ctsT\1", 5);
	assert_int_equal(g[5], role);
	memcpy(life, g + 8, 8);
	memcpy(&serial, g + 16, 8);
	*life = be64toh(*life);
	return be64toh(serial);
}

/* As a peer that connects, greets and is answered. */
static void raw_join(unsigned int i, unsigned int host, uint64_t life, uint64_t serial)
{
	uint64_t node_life;

	raw_connect(&fx.raw[i], host);
	raw_greet(&fx.raw[i], 0, life, serial);
	assert_true(await(i ? raw1_greeted : raw0_greeted));
	raw_take_greeting(&fx.raw[i], 1, &node_life);
}

static void raw_read(struct raw *r)
{
	ssize_t n;

	while ((n = recv(r->fd, r->buf + r->have, sizeof(r->buf) - r->have, MSG_DONTWAIT)) > 0) {
		size_t at = 0;
		uint32_t len;

		r->have += (size_t)n;
		while (r->have - at >= 4) {
			memcpy(&len, r->buf + at, 4);
			len = ntohl(len);
			assert_true(len && len <= MESSAGE_MAX);
			if (r->have - at - 4 < len)
				break;
			message_check(r->buf + at + 4, len, r->received++);
			at += 4 + len;
		}
		r->have -= at;
		memmove(r->buf, r->buf + at, r->have);
	}
}

static void raw_close(struct raw *r)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
}

/* -- fixture -- */

static int setup(void **state)
{
	fx.loop = cts_loop_create();
	fx.deadline = cts_timer_create(fx.loop, give_up, NULL);
	fx.tick = cts_timer_create(fx.loop, tick, NULL);
	cts_loop_on_turn(fx.loop, turn, NULL);
	for (unsigned int i = 0; i < 2; i++) {
		fx.raw[i].fd = -1;
		fx.reads[i] = false;
	}
	return 0;
}

static int teardown(void **state)
{
	for (unsigned int i = 0; i < NODES; i++)
		close_node(i);
	for (unsigned int i = 0; i < 2; i++)
		raw_close(&fx.raw[i]);
	cts_timer_destroy(fx.tick);
	cts_timer_destroy(fx.deadline);
	cts_loop_destroy(fx.loop);
	return 0;
}

static bool two_are_connected(void)
{
	return fx.node[0].connected == 1 && fx.node[1].connected == 1;
}

static bool three_are_connected(void)
{
	return fx.node[0].connected == 2 && fx.node[1].connected == 2 && fx.node[2].connected == 2;
}

static bool none_is_connected(void)
{
	return !fx.node[0].connected && !fx.node[1].connected;
}

static bool node0_is_connected(void)
{
	return fx.node[0].connected == 1;
}

static unsigned int descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

#define NODE_A "address=127.0.0.1,peers=127.0.0.2"
#define NODE_B "address=127.0.0.2,peers=127.0.0.1"

/* -- tests -- */

static uint32_t sent[2];

static bool all_arrived(void)
{
	if (sent[0] < MESSAGES)
		sent[0] = send_numbered(0, sent[0], MESSAGES, CTS_PEER_ALL);
	return fx.node[1].received >= MESSAGES;
}

static bool all_arrived_both_ways(void)
{
	if (sent[1] < MESSAGES)
		sent[1] = send_numbered(1, sent[1], MESSAGES, 1);
	return all_arrived() && fx.node[0].received >= MESSAGES;
}

static void carries(const char *a, const char *b)
{
	struct cts_transport_status st;

	open_node(0, a);
	open_node(1, b);
	assert_non_null(fx.node[0].priv);
	assert_non_null(fx.node[1].priv);
	assert_int_equal(fx.ops->max_message(fx.node[0].priv), MESSAGE_MAX);
	assert_true(await(two_are_connected));
	sent[0] = 0;
	assert_true(await(all_arrived));
	assert_int_equal(fx.node[1].received, MESSAGES);
	assert_int_equal(fx.node[0].received, 0); /* nobody receives his own */
	assert_int_equal(fx.node[1].from, 1);
	assert_int_equal(fx.node[0].downs + fx.node[1].downs, 0);
	assert_int_equal(fx.node[0].ups + fx.node[1].ups, 2);
	assert_int_equal(fx.node[0].changed, 1);
	st = status(0);
	assert_true(st.up);
	assert_int_equal(st.sent_errors, 0);
	st = status(1);
	assert_int_equal(st.recv_errors, 0);
}

static void carries_messages_over_ipv4(void **state)
{
	carries(NODE_A, NODE_B);
}

static void carries_messages_over_ipv6(void **state)
{
	carries("address=fd00::1,peers=fd00::2,interface=lo", "address=fd00::2,peers=fd00::1");
	assert_string_equal(status(1).device, "lo");
}

static void finds_peers_by_name_and_lives_without_those_that_have_no_address(void **state)
{
	carries("address=127.0.0.1,peers=no-such-host.invalid+127.0.0.2",
		"address=127.0.0.2,peers=localhost");
}

static void name_is(unsigned int host)
{
	FILE *fp = fopen("/etc/hosts", "w"); /* ours, see main() */

	assert_non_null(fp);
	fprintf(fp, "127.0.0.1 localhost\n127.0.0.%u peer-b\n", host);
	assert_int_equal(fclose(fp), 0);
}

static void finds_a_peer_that_moved_to_another_address(void **state)
{
	name_is(2);
	open_node(0, "address=127.0.0.1,peers=peer-b");
	open_node(1, NODE_B);
	assert_true(await(two_are_connected));
	close_node(1);
	name_is(3);
	open_node(1, "address=127.0.0.3,peers=127.0.0.1");
	assert_true(await(two_are_connected));
	name_is(2);
}

static void carries_both_ways_at_once(void **state)
{
	open_node(0, NODE_A);
	open_node(1, NODE_B);
	assert_true(await(two_are_connected));
	sent[0] = sent[1] = 0;
	assert_true(await(all_arrived_both_ways));
}

static bool echo_arrived(void)
{
	return fx.node[0].received >= 200;
}

static void may_be_asked_to_send_while_it_delivers(void **state)
{
	open_node(0, NODE_A);
	open_node(1, NODE_B);
	assert_true(await(two_are_connected));
	fx.node[1].echo = true;
	assert_int_equal(send_numbered(0, 0, 200, CTS_PEER_ALL), 200);
	assert_true(await(echo_arrived));
}

static void sends_to_one_peer_or_to_all(void **state)
{
	struct iovec msg = { "x", 1 }, giant = { NULL, 70000 };

	open_node(0, "address=127.0.0.1,peers=127.0.0.2+127.0.0.3");
	errno = 0;
	assert_int_equal(fx.ops->send(fx.node[0].priv, &msg, 1, CTS_PEER_ALL), -1);
	assert_int_equal(errno, ENOTCONN);
	assert_int_equal(status(0).sent_errors, 1);
	assert_false(status(0).up);
	open_node(1, "address=127.0.0.2,peers=127.0.0.1+127.0.0.3");
	open_node(2, "address=127.0.0.3,peers=127.0.0.1+127.0.0.2");
	assert_true(await(three_are_connected));
	assert_int_equal(send_numbered(0, 0, 1, CTS_PEER_ALL), 1);
	assert_int_equal(send_numbered(0, 1, 2, 1), 2);
	assert_int_equal(fx.ops->send(fx.node[0].priv, &msg, 1, 3), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(fx.ops->send(fx.node[0].priv, &giant, 1, 1), -1);
	assert_int_equal(errno, EMSGSIZE);
}

static bool reported_writable(void)
{
	return fx.node[0].writable >= 1;
}

static bool raw0_has_all(void)
{
	if (sent[0] < MESSAGES && fx.node[0].writable) {
		fx.node[0].writable = 0;
		sent[0] = send_numbered(0, sent[0], MESSAGES, 1);
	}
	return fx.raw[0].received >= MESSAGES;
}

/* The reader's buffer is small: every write is a short one. */
static void full_buffer_gives_eagain_and_loses_nothing(void **state)
{
	uint8_t full[MESSAGE_MAX] = { 0 };
	struct iovec large = { full, sizeof(full) };

	open_node(0, NODE_A ",send_buffer=131072");
	raw_join(0, 2, 7, 1);
	sent[0] = send_numbered(0, 0, MESSAGES, 1);
	assert_true(sent[0] > 20 && sent[0] < MESSAGES / 2);
	errno = 0;
	assert_int_equal(fx.ops->send(fx.node[0].priv, &large, 1, 1), -1);
	assert_int_equal(errno, EAGAIN);
	fx.reads[0] = true;
	assert_true(await(reported_writable));
	assert_true(await(raw0_has_all));
	assert_int_equal(fx.raw[0].received, MESSAGES);
	assert_int_equal(fx.node[0].downs, 0);
}

static bool raw1_has_all(void)
{
	if (sent[0] < MESSAGES && fx.node[0].writable) {
		fx.node[0].writable = 0;
		sent[0] = send_numbered(0, sent[0], MESSAGES, CTS_PEER_ALL);
	}
	return fx.raw[1].received >= MESSAGES;
}

static void peer_that_does_not_read_is_cut_off_and_holds_nobody_up(void **state)
{
	open_node(0, "address=127.0.0.1,peers=127.0.0.2+127.0.0.3,send_buffer=131072");
	raw_join(0, 2, 7, 1);
	raw_join(1, 3, 8, 1);
	fx.reads[1] = true;
	fx.node[0].writable = 1;
	sent[0] = 0;
	assert_true(await(raw1_has_all));
	assert_int_equal(fx.raw[1].received, MESSAGES);
	assert_int_equal(fx.node[0].downs, 1);
	assert_int_equal(fx.node[0].connected, 1);
	fx.reads[0] = true; /* what was on its way, then the end */
	assert_true(await(raw0_closed));
}

static bool one_refused(void)
{
	return status(0).refused == 1 && raw_closed(0);
}

static void refuses_and_counts_strangers(void **state)
{
	open_node(0, NODE_A);
	raw_connect(&fx.raw[0], 9);
	raw_greet(&fx.raw[0], 0, 7, 1);
	assert_true(await(one_refused));
	assert_int_equal(fx.node[0].ups, 0);
}

static bool one_damaged(void)
{
	return status(0).recv_errors == 1 && raw_closed(0);
}

static void closes_what_does_not_greet(const void *bytes, size_t len)
{
	open_node(0, NODE_A);
	raw_connect(&fx.raw[0], 2);
	assert_int_equal(send(fx.raw[0].fd, bytes, len, 0), len);
	assert_true(await(one_damaged));
	assert_int_equal(fx.node[0].ups, 0);
}

static void refuses_garbage_instead_of_a_greeting(void **state)
{
	closes_what_does_not_greet("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27);
}

static void refuses_a_greeting_of_another_version(void **state)
{
	closes_what_does_not_greet("ctsT\2\0\0\0\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\1", GREETING);
}

static void refuses_an_answer_to_nothing(void **state)
{
	closes_what_does_not_greet("ctsT\1\1\0\0\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\1", GREETING);
}

static void closes_who_does_not_finish_greeting(void **state)
{
	uint64_t start = now_ms();

	open_node(0, NODE_A);
	raw_connect(&fx.raw[0], 2);
	assert_int_equal(send(fx.raw[0].fd, "ctsT", 4, 0), 4);
	assert_true(await(raw0_closed));
	assert_in_range(now_ms() - start, 2000, 5000);
	assert_int_equal(fx.node[0].ups, 0);
}

static void takes_a_greeting_in_parts(void **state)
{
	static const char g[] = "ctsT\1\0\0\0\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\1";
	const int yes = 1;

	open_node(0, NODE_A);
	raw_connect(&fx.raw[0], 2);
	setsockopt(fx.raw[0].fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	assert_int_equal(send(fx.raw[0].fd, g, 10, 0), 10);
	assert_int_equal(send(fx.raw[0].fd, g + 10, GREETING - 10, 0), GREETING - 10);
	assert_true(await(node0_is_connected));
}

static void closes_at_a_frame_of(uint32_t len)
{
	open_node(0, NODE_A);
	raw_join(0, 2, 7, 1);
	assert_int_equal(fx.node[0].ups, 1);
	len = htonl(len);
	assert_int_equal(send(fx.raw[0].fd, &len, 4, 0), 4);
	assert_true(await(one_damaged));
	assert_int_equal(fx.node[0].downs, 1);
	assert_int_equal(fx.node[0].received, 0);
}

static void refuses_an_empty_frame(void **state)
{
	closes_at_a_frame_of(0);
}

static void refuses_a_giant_frame(void **state)
{
	closes_at_a_frame_of(65536);
}

/* -- which connection stays -- */

static int listener;

static bool accepted_and_greeted(void)
{
	if (fx.raw[0].fd < 0)
		fx.raw[0].fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	return fx.raw[0].fd >= 0 && raw_got(0, GREETING);
}

static bool raw1_answered_or_closed(void)
{
	return raw_got(1, GREETING) || raw_closed(1);
}

/* Both connect; the peer's life is life. Does the attempt of the peer stay? */
static bool peers_attempt_stays(uint64_t life)
{
	uint64_t node_life;
	bool answered;

	listener = raw_socket(2, PORT);
	assert_int_equal(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(listen(listener, 4), 0);
	open_node(0, NODE_A);
	assert_true(await(accepted_and_greeted));
	raw_take_greeting(&fx.raw[0], 0, &node_life);
	raw_connect(&fx.raw[1], 2);
	raw_greet(&fx.raw[1], 0, life, 1);
	assert_true(await(raw1_answered_or_closed));
	answered = raw_got(1, GREETING);
	assert_int_equal(fx.node[0].ups, answered);
	/* The other one is closed, or waits for our answer. */
	assert_int_equal(raw_closed(0), answered);
	if (!answered) {
		raw_greet(&fx.raw[0], 1, life, 1);
		assert_true(await(node0_is_connected));
	}
	close(listener);
	return answered;
}

static void attempt_of_the_lower_life_stays_the_peers(void **state)
{
	assert_true(peers_attempt_stays(1));
}

static void attempt_of_the_lower_life_stays_the_nodes(void **state)
{
	assert_false(peers_attempt_stays(UINT64_MAX));
}

static bool node0_reconnected(void)
{
	return fx.node[0].ups == 2;
}

static void peer_that_connects_again_replaces_its_dead_connection(void **state)
{
	open_node(0, NODE_A);
	raw_join(0, 2, 7, 1);
	raw_connect(&fx.raw[1], 2);
	raw_greet(&fx.raw[1], 0, 7, 2);
	assert_true(await(node0_reconnected));
	assert_int_equal(fx.node[0].downs, 1);
	assert_true(raw_closed(0));
}

static void attempt_that_was_given_up_replaces_nothing(void **state)
{
	open_node(0, NODE_A);
	raw_join(0, 2, 7, 5);
	raw_connect(&fx.raw[1], 2);
	raw_greet(&fx.raw[1], 0, 7, 5);
	assert_true(await(raw1_answered_or_closed));
	assert_true(raw_closed(1));
	assert_int_equal(fx.node[0].ups, 1);
	assert_int_equal(fx.node[0].downs, 0);
	/* Another life of the peer counts from the start. */
	raw_close(&fx.raw[1]);
	raw_connect(&fx.raw[1], 2);
	raw_greet(&fx.raw[1], 0, 8, 1);
	assert_true(await(node0_reconnected));
}

static void two_that_start_at_once_agree_on_one_connection(void **state)
{
	for (unsigned int i = 0; i < 50; i++) {
		open_node(i % 2, i % 2 ? NODE_B : NODE_A);
		open_node(1 - i % 2, i % 2 ? NODE_A : NODE_B);
		assert_true(await(two_are_connected));
		sent[0] = sent[1] = MESSAGES - 20;
		fx.node[0].received = fx.node[1].received = MESSAGES - 20;
		assert_true(await(all_arrived_both_ways));
		assert_int_equal(fx.node[0].downs + fx.node[1].downs, 0);
		close_node(0);
		close_node(1);
	}
}

/* -- reconnecting -- */

static void hundred_reconnects_leak_no_descriptor(void **state)
{
	unsigned int before = 0;

	open_node(0, NODE_A);
	for (unsigned int i = 0; i < 100; i++) {
		open_node(1, NODE_B);
		assert_true(await(two_are_connected));
		if (!before)
			before = descriptors();
		assert_int_equal(descriptors(), before);
		close_node(1);
		assert_true(await(none_is_connected));
	}
	assert_int_equal(fx.node[0].downs, 100);
}

static int link_lo(const char *state)
{
	char cmd[64];

	snprintf(cmd, sizeof(cmd), "ip link set lo %s", state);
	return system(cmd);
}

static void dead_peer_is_known_within_three_seconds(void **state)
{
	uint64_t start;

	open_node(0, NODE_A);
	open_node(1, NODE_B);
	assert_true(await(two_are_connected));
	assert_int_equal(link_lo("down"), 0);
	start = now_ms();
	assert_true(await(none_is_connected));
	assert_true(now_ms() - start < 3500);
	assert_int_equal(link_lo("up"), 0);
	assert_true(await(two_are_connected));
}

static bool node1_is_alone(void)
{
	return fx.node[1].downs && !fx.node[1].connected;
}

static void last_words_arrive(void **state)
{
	open_node(0, NODE_A);
	open_node(1, NODE_B);
	assert_true(await(two_are_connected));
	assert_int_equal(send_numbered(1, 0, 30, CTS_PEER_ALL), 30); /* unread at node 0 */
	assert_int_equal(send_numbered(0, 0, 30, CTS_PEER_ALL), 30);
	close_node(0);
	assert_true(await(node1_is_alone));
	assert_int_equal(fx.node[1].in_all, 30);
}

/* -- configuration -- */

static void refuses_peers_of_another_family(void **state)
{
	open_node(0, "address=127.0.0.1,peers=fd00::2");
	assert_null(fx.node[0].priv);
	assert_int_equal(errno, EINVAL);
}

static void refuses_a_peer_that_stands_there_twice(void **state)
{
	open_node(0, "address=127.0.0.1,peers=127.0.0.2+127.0.0.2");
	assert_null(fx.node[0].priv);
	assert_int_equal(errno, EINVAL);
}

static bool connected_and_met_itself(void)
{
	return two_are_connected() && status(0).recv_errors;
}

static void refuses_itself_as_a_peer(void **state)
{
	open_node(0, "address=127.0.0.1,peers=127.0.0.2+127.0.0.1");
	assert_null(fx.node[0].priv);
	assert_int_equal(errno, EINVAL);
	close_node(0);
	/* By a name it is only found out when it answers. */
	open_node(0, "address=127.0.0.1,peers=localhost+127.0.0.2");
	open_node(1, NODE_B);
	assert_true(await(connected_and_met_itself));
	assert_int_equal(fx.node[0].ups, 1);
	assert_int_equal(fx.node[0].downs, 0);
}

static void refuses_what_is_neither_address_nor_name(void **state)
{
	assert_null(cts_options_parse_text(fx.ops->plugin.options,
					   "address=127.0.0.1,peers=a/b", "tcp", NULL));
	assert_null(cts_options_parse_text(fx.ops->plugin.options,
					   "address=127.0.0.1,peers=fd00::zz", "tcp", NULL));
}

static bool device_is_there(void)
{
	return node0_is_connected() && status(0).up;
}

static void address_that_is_missing_is_waited_for(void **state)
{
	open_node(0, "address=10.8.0.1,peers=127.0.0.2");
	open_node(1, "address=127.0.0.2,peers=10.8.0.1");
	assert_non_null(fx.node[0].priv);
	assert_int_equal(system("ip addr add 10.8.0.1/32 dev lo"), 0);
	assert_true(await(device_is_there));
	assert_int_equal(system("ip addr del 10.8.0.1/32 dev lo"), 0);
}

static void own_traffic_is_named(void **state)
{
	struct cts_flow_pattern t[2];
	char name[32];

	open_node(0, NODE_A);
	assert_int_equal(fx.ops->own_flows(fx.node[0].priv, t, 2), 2);
	assert_int_equal(t[0].src.v4, htonl(0x7f000001));
	assert_int_equal(t[0].dst.v4, 0);
	assert_int_equal(t[1].dst.v4, htonl(0x7f000001));
	assert_int_equal(t[1].dport, htons(PORT));
	assert_int_equal(t[1].proto, IPPROTO_TCP);
	assert_int_equal(fx.ops->own_flows(fx.node[0].priv, t, 1), 0);
	assert_int_equal(fx.ops->peer_name(fx.node[0].priv, 1, name, sizeof(name)), 0);
	assert_string_equal(name, "127.0.0.2");
	assert_int_equal(fx.ops->peer_name(fx.node[0].priv, 2, name, sizeof(name)), -1);
	assert_int_equal(fx.ops->peer_name(fx.node[0].priv, 0, name, sizeof(name)), -1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* A network and an /etc/hosts that nobody else sees. */
static bool be_alone(void)
{
	char path[] = "/tmp/ctsync-hosts-XXXXXX";
	int fd = mkstemp(path);
	bool done = fd >= 0 && unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 &&
		    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
		    mount(path, "/etc/hosts", NULL, MS_BIND, NULL) == 0 &&
		    dprintf(fd, "127.0.0.1 localhost\n") > 0 &&
		    system("ip link set lo up && ip addr add fd00::1/128 dev lo nodad && "
			   "ip addr add fd00::2/128 dev lo nodad") == 0;

	if (fd >= 0) {
		close(fd);
		unlink(path); /* the mount keeps it */
	}
	return done;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(carries_messages_over_ipv4),
		TEST(carries_messages_over_ipv6),
		TEST(finds_peers_by_name_and_lives_without_those_that_have_no_address),
		TEST(finds_a_peer_that_moved_to_another_address),
		TEST(carries_both_ways_at_once),
		TEST(may_be_asked_to_send_while_it_delivers),
		TEST(sends_to_one_peer_or_to_all),
		TEST(full_buffer_gives_eagain_and_loses_nothing),
		TEST(peer_that_does_not_read_is_cut_off_and_holds_nobody_up),
		TEST(refuses_and_counts_strangers),
		TEST(refuses_garbage_instead_of_a_greeting),
		TEST(refuses_a_greeting_of_another_version),
		TEST(refuses_an_answer_to_nothing),
		TEST(closes_who_does_not_finish_greeting),
		TEST(takes_a_greeting_in_parts),
		TEST(refuses_an_empty_frame),
		TEST(refuses_a_giant_frame),
		TEST(attempt_of_the_lower_life_stays_the_peers),
		TEST(attempt_of_the_lower_life_stays_the_nodes),
		TEST(peer_that_connects_again_replaces_its_dead_connection),
		TEST(attempt_that_was_given_up_replaces_nothing),
		TEST(two_that_start_at_once_agree_on_one_connection),
		TEST(hundred_reconnects_leak_no_descriptor),
		TEST(dead_peer_is_known_within_three_seconds),
		TEST(last_words_arrive),
		TEST(refuses_peers_of_another_family),
		TEST(refuses_a_peer_that_stands_there_twice),
		TEST(refuses_itself_as_a_peer),
		TEST(refuses_what_is_neither_address_nor_name),
		TEST(address_that_is_missing_is_waited_for),
		TEST(own_traffic_is_named),
	};
	int ret;

	if (!be_alone()) {
		printf("SKIP: no namespaces of our own: %s\n", strerror(errno));
		return 77;
	}
	fx.loader = cts_loader_create(NULL, 0);
	fx.ops = cts_loader_get(fx.loader, CTS_KIND_TRANSPORT, "tcp");
	if (!fx.ops) {
		printf("%s\n", cts_loader_error(fx.loader));
		return 1;
	}
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	cts_loader_destroy(fx.loader);
	return ret;
}
