/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Real packets through restored NAT. Connections are opened through firewall A
 * (SNAT with ports, DNAT with ports, both; IPv4 and IPv6; TCP and UDP), its table
 * is dumped and restored into firewall B, which has the same NAT rules and lets
 * nothing new pass; then the routes move to B, A's links go down, and the same
 * sockets go on talking.
 *
 *   client ca---- A ----sa server      all in namespaces of this test
 *          cb---- B ----sb
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/kernel/dump.h"
#include "core/kernel/table.h"
#include "core/kernel/writer.h"

#define PATIENCE_MS 5000

static int own_pid;

/* -- the namespaces -- */

/* $N: prefix of the names. One function a line, so that sh -e stops at the first
 * that fails. */
static const char script_up[] =
	"for n in c a b s; do ip netns add $N$n; ip -n $N$n link set lo up;\n"
	" ip netns exec $N$n sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1"
	"  net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0; done\n"
	"link() { ip -n $N$1 link add $2 type veth peer name $5 netns $N$4;\n"
	" ip -n $N$1 addr add 192.168.$7.2/24 dev $2; ip -n $N$4 addr add 192.168.$7.1/24 dev $5;\n"
	" ip -n $N$1 addr add fd00:$7::2/64 dev $2 nodad; ip -n $N$4 addr add fd00:$7::1/64 dev $5 nodad;\n"
	" ip -n $N$1 link set $2 up; ip -n $N$4 link set $5 up; }\n"
	"link c ca - a ca - 1\n"
	"link c cb - b cb - 2\n"
	"link s sa - a sa - 3\n"
	"link s sb - b sb - 4\n"
	"ip -n ${N}c addr add 10.0.1.2/32 dev lo; ip -n ${N}c addr add 2001:db8:1::2/128 dev lo nodad\n"
	"ip -n ${N}s addr add 10.0.2.2/32 dev lo; ip -n ${N}s addr add 2001:db8:2::2/128 dev lo nodad\n"
	/* none of the client's own ports is in the range of snat: that would be kept */
	"ip netns exec ${N}c sysctl -q -w net.ipv4.ip_local_port_range='45000 60000'\n"
	"ways() { ip -n $N$1 route add 10.0.1.2 via 192.168.$2.2;"
	" ip -n $N$1 route add 10.0.2.2 via 192.168.$3.2;\n"
	" ip -n $N$1 -6 route add 2001:db8:1::2 via fd00:$2::2;"
	" ip -n $N$1 -6 route add 2001:db8:2::2 via fd00:$3::2; }\n"
	"ways a 1 3\n"
	"ways b 2 4\n"
	"nat() { echo \"table inet nat {"
	" chain pre { type nat hook prerouting priority dstnat;"
	"  ip daddr 198.51.100.1 meta l4proto { tcp, udp } th dport 8000 dnat ip to 10.0.2.2:80;"
	"  ip daddr 198.51.100.1 meta l4proto { tcp, udp } th dport 8002 dnat ip to 10.0.2.2:82;"
	"  ip6 daddr 2001:db8:ff::1 meta l4proto { tcp, udp } th dport 8000 dnat ip6 to [2001:db8:2::2]:80;"
	"  ip6 daddr 2001:db8:ff::1 meta l4proto { tcp, udp } th dport 8002 dnat ip6 to [2001:db8:2::2]:82; };"
	" chain post { type nat hook postrouting priority srcnat;"
	"  ip daddr 10.0.2.2 meta l4proto { tcp, udp } th dport { 81, 82 } snat ip to 203.0.113.1:40000-40099;"
	"  ip6 daddr 2001:db8:2::2 meta l4proto { tcp, udp } th dport { 81, 82 } snat ip6 to [2001:db8:fe::1]:40000-40099; };"
	" chain transit { type filter hook forward priority filter; ct state invalid drop; $2; }; }\""
	" | ip netns exec $N$1 nft -f -; }\n"
	"nat a accept\n"
	"nat b 'ct state established accept; drop'\n";

static const char script_route[] =
	"ip -n ${N}c route replace default via 192.168.$C.1 src 10.0.1.2\n"
	"ip -n ${N}s route replace default via 192.168.$S.1 src 10.0.2.2\n"
	"ip -n ${N}c -6 route replace default via fd00:$C::1 src 2001:db8:1::2\n"
	"ip -n ${N}s -6 route replace default via fd00:$S::1 src 2001:db8:2::2\n";

static const char script_a_fails[] = "ip -n ${N}a link set ca down; ip -n ${N}a link set sa down\n";

static const char script_down[] = "for n in c a b s; do ip netns del $N$n 2>/dev/null || :; done\n";

static int run(const char *vars, const char *script)
{
	char *text;
	int ret;

	if (asprintf(&text, "set -e; N=ctsnat%d; %s\n%s", own_pid, vars, script) < 0)
		return -1;
	ret = system(text);
	free(text);
	return ret;
}

static void cleanup(void)
{
	if (getpid() == own_pid)
		run("", script_down);
}

static void stopped(int sig)
{
	cleanup();
	_exit(128 + sig);
}

static void enter(char ns)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/ctsnat%d%c", own_pid, ns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(setns(fd, CLONE_NEWNET), 0);
	close(fd);
}

/* -- talking -- */

struct talk {
	const char *name;
	int family, type;
	const char *to;              /* what the client connects to */
	uint16_t port;
	uint16_t server_port;        /* where it arrives */
	const char *seen;            /* the client as the server sees it */
	bool port_changes;
	int client, server;          /* sockets; server of TCP: the accepted one */
	struct sockaddr_storage peer;/* as the server saw it first */
};

#define TALK(n, f, t, a, p, s, c, changes)                                              \
	{ .name = n, .family = f, .type = t, .to = a, .port = p, .server_port = s,        \
	  .seen = c, .port_changes = changes, .client = -1, .server = -1 }

static struct talk talks[] = {
	TALK("v4 tcp snat", AF_INET, SOCK_STREAM, "10.0.2.2", 81, 81, "203.0.113.1", true),
	TALK("v4 udp snat", AF_INET, SOCK_DGRAM, "10.0.2.2", 81, 81, "203.0.113.1", true),
	TALK("v4 tcp dnat", AF_INET, SOCK_STREAM, "198.51.100.1", 8000, 80, "10.0.1.2", false),
	TALK("v4 udp dnat", AF_INET, SOCK_DGRAM, "198.51.100.1", 8000, 80, "10.0.1.2", false),
	TALK("v4 tcp both", AF_INET, SOCK_STREAM, "198.51.100.1", 8002, 82, "203.0.113.1", true),
	TALK("v4 udp both", AF_INET, SOCK_DGRAM, "198.51.100.1", 8002, 82, "203.0.113.1", true),
	TALK("v6 tcp snat", AF_INET6, SOCK_STREAM, "2001:db8:2::2", 81, 81, "2001:db8:fe::1", true),
	TALK("v6 udp snat", AF_INET6, SOCK_DGRAM, "2001:db8:2::2", 81, 81, "2001:db8:fe::1", true),
	TALK("v6 tcp dnat", AF_INET6, SOCK_STREAM, "2001:db8:ff::1", 8000, 80, "2001:db8:1::2", false),
	TALK("v6 udp dnat", AF_INET6, SOCK_DGRAM, "2001:db8:ff::1", 8000, 80, "2001:db8:1::2", false),
	TALK("v6 tcp both", AF_INET6, SOCK_STREAM, "2001:db8:ff::1", 8002, 82, "2001:db8:fe::1", true),
	TALK("v6 udp both", AF_INET6, SOCK_DGRAM, "2001:db8:ff::1", 8002, 82, "2001:db8:fe::1", true),
};
#define TALKS (sizeof(talks) / sizeof(talks[0]))

static socklen_t address(struct sockaddr_storage *ss, int family, const char *text, uint16_t port)
{
	memset(ss, 0, sizeof(*ss));
	ss->ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)ss;

		in->sin_port = htons(port);
		assert_int_equal(inet_pton(family, text, &in->sin_addr), 1);
		return sizeof(*in);
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

	in6->sin6_port = htons(port);
	assert_int_equal(inet_pton(family, text, &in6->sin6_addr), 1);
	return sizeof(*in6);
}

static const char *host(const struct sockaddr_storage *ss, char *buf, size_t size)
{
	const void *a = ss->ss_family == AF_INET
		? (const void *)&((const struct sockaddr_in *)ss)->sin_addr
		: (const void *)&((const struct sockaddr_in6 *)ss)->sin6_addr;

	return inet_ntop(ss->ss_family, a, buf, (socklen_t)size);
}

static uint16_t port(const struct sockaddr_storage *ss)
{
	return ntohs(ss->ss_family == AF_INET ? ((const struct sockaddr_in *)ss)->sin_port
					      : ((const struct sockaddr_in6 *)ss)->sin6_port);
}

static void await(const struct talk *t, int fd, const char *what)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (poll(&p, 1, PATIENCE_MS) != 1)
		fail_msg("%s: no %s", t->name, what);
}

static int server_socket(const struct talk *t)
{
	struct sockaddr_storage ss;
	socklen_t len = address(&ss, t->family, t->family == AF_INET ? "10.0.2.2" : "2001:db8:2::2",
				t->server_port);
	int fd, one = 1;

	enter('s');
	fd = socket(t->family, t->type | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	if (t->type == SOCK_STREAM)
		assert_int_equal(listen(fd, 1), 0);
	return fd;
}

/* One byte each way; *peer is the client as the server sees it. */
static void exchange(struct talk *t, struct sockaddr_storage *peer)
{
	socklen_t len = sizeof(*peer);
	char c = 'q';

	assert_int_equal(send(t->client, &c, 1, MSG_NOSIGNAL), 1);
	await(t, t->server, "packet at the server");
	assert_int_equal(recvfrom(t->server, &c, 1, 0, (struct sockaddr *)peer, &len), 1);
	if (t->type == SOCK_STREAM) {
		len = sizeof(*peer);
		assert_int_equal(getpeername(t->server, (struct sockaddr *)peer, &len), 0);
	}
	c = 'a';
	if (t->type == SOCK_STREAM)
		assert_int_equal(send(t->server, &c, 1, MSG_NOSIGNAL), 1);
	else
		assert_int_equal(sendto(t->server, &c, 1, 0, (struct sockaddr *)peer, len), 1);
	await(t, t->client, "answer at the client");
	c = 0;
	assert_int_equal(recv(t->client, &c, 1, 0), 1);
	assert_int_equal(c, 'a');
}

static void start(struct talk *t)
{
	struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };
	struct sockaddr_storage ss;
	socklen_t len;
	char text[64];
	int listener = server_socket(t);
	uint16_t own;

	enter('c');
	t->client = socket(t->family, t->type | SOCK_CLOEXEC, 0);
	assert_true(t->client >= 0);
	setsockopt(t->client, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	len = address(&ss, t->family, t->to, t->port);
	if (connect(t->client, (struct sockaddr *)&ss, len) < 0)
		fail_msg("%s: connect: %s", t->name, strerror(errno));
	t->server = listener;
	if (t->type == SOCK_STREAM) {
		await(t, listener, "connection");
		t->server = accept(listener, NULL, NULL);
		assert_true(t->server >= 0);
		close(listener);
	}
	exchange(t, &t->peer);
	assert_string_equal(host(&t->peer, text, sizeof(text)), t->seen);
	len = sizeof(ss);
	assert_int_equal(getsockname(t->client, (struct sockaddr *)&ss, &len), 0);
	own = port(&ss);
	assert_int_equal(own != port(&t->peer), t->port_changes);
	/* a second round, so that UDP is seen both ways and assured */
	exchange(t, &ss);
}

/* -- the table of A, and what is written into B -- */

#define FLOWS_MAX 64u
static struct cts_flow flows[FLOWS_MAX];
static size_t n_flows;

static void keep(void *ctx, const struct cts_event *const *ev, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		/* our twelve, no multicast listener reports */
		if (ev[i]->flow->orig.proto != IPPROTO_TCP && ev[i]->flow->orig.proto != IPPROTO_UDP)
			continue;
		assert_true(n_flows < FLOWS_MAX);
		flows[n_flows++] = *ev[i]->flow;
	}
}

static void dump_a(void)
{
	struct cts_dump_conf conf = { 0 };
	struct cts_dump *d;

	enter('a');
	d = cts_dump_open(&conf);
	assert_non_null(d);
	assert_int_equal(cts_dump_run(d, keep, NULL), 0);
	cts_dump_close(d);
}

static void write_b(enum cts_write_op op)
{
	struct cts_writer_conf conf = { .tcp_window_tracking = false };
	struct cts_writer *w;

	enter('b');
	w = cts_writer_open(&conf);
	assert_non_null(w);
	assert_int_equal(cts_table_flush(AF_UNSPEC), 0);
	for (size_t i = 0; i < n_flows; i++) {
		struct cts_flow f = flows[i];

		if (op != CTS_OP_RESTORE)   /* a status that the kernel takes, and no NAT ranges */
			f.present &= ~CTS_FLOW_BIT(CTS_FLOW_STATUS);
		assert_int_equal(cts_writer_add(w, op, &f, i), 0);
	}
	assert_int_equal(cts_writer_flush(w), 0);
	assert_int_equal(cts_writer_counters(w)[CTS_WRITE_CREATED], n_flows);
	cts_writer_close(w);
}

static int64_t count_b(void)
{
	enter('b');
	return cts_table_count();
}

/* -- the tests, in this order -- */

static void connections_through_a_are_translated(void **state)
{
	assert_int_equal(run("C=1 S=3", script_route), 0);
	for (size_t i = 0; i < TALKS; i++)
		start(&talks[i]);
	dump_a();
	assert_int_equal(n_flows, TALKS);
	/* from here on all goes through B */
	assert_int_equal(run("C=2 S=4", script_route), 0);
	assert_int_equal(run("", script_a_fails), 0);
}

/* The fact behind the rule: entries that print the same, written with the
 * translated reply and without ranges. The packet arrives as the client sent it. */
static void entries_without_nat_ranges_do_not_translate(void **state)
{
	struct talk *t = &talks[1];
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	char c = 'x', text[64];

	assert_int_equal(t->type, SOCK_DGRAM);
	for (size_t i = 0; i < n_flows; i++)
		flows[i].present |= CTS_FLOW_BIT(CTS_FLOW_REPLY);
	write_b(CTS_OP_CREATE);
	/* B passes established packets alone: let this one through anyway */
	assert_int_equal(run("", "ip netns exec ${N}b nft insert rule inet nat transit ip saddr 10.0.1.2 "
				 "udp dport 81 accept\n"), 0);
	assert_int_equal(send(t->client, &c, 1, 0), 1);
	await(t, t->server, "packet at the server");
	assert_int_equal(recvfrom(t->server, &c, 1, 0, (struct sockaddr *)&peer, &len), 1);
	assert_string_equal(host(&peer, text, sizeof(text)), "10.0.1.2");
	assert_int_equal(run("", "h=$(ip netns exec ${N}b nft -a list chain inet nat transit |"
				 " sed -n 's/.*dport 81 accept # handle //p');"
				 " ip netns exec ${N}b nft delete rule inet nat transit handle $h\n"), 0);
}

static void restored_connections_go_on_through_b(void **state)
{
	write_b(CTS_OP_RESTORE);
	for (size_t i = 0; i < TALKS; i++) {
		struct talk *t = &talks[i];
		struct sockaddr_storage peer;
		char was[64], is[64];

		exchange(t, &peer);
		assert_string_equal(host(&t->peer, was, sizeof(was)), host(&peer, is, sizeof(is)));
		assert_int_equal(port(&t->peer), port(&peer));
		exchange(t, &peer);
		print_message("%s: goes on\n", t->name);
	}
	/* nothing new was made; neighbour discovery is not tracked */
	assert_int_equal(count_b(), TALKS);
}

static void the_table_of_b_equals_that_of_a(void **state)
{
	struct cts_flow before[FLOWS_MAX];
	struct cts_dump_conf conf = { 0 };
	struct cts_dump *d;
	size_t n = n_flows, equal = 0;

	memcpy(before, flows, sizeof(before));
	n_flows = 0;
	enter('b');
	d = cts_dump_open(&conf);
	assert_non_null(d);
	assert_int_equal(cts_dump_run(d, keep, NULL), 0);
	cts_dump_close(d);
	assert_int_equal(n_flows, n);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < n; k++)
			equal += !memcmp(&before[i].orig, &flows[k].orig, sizeof(flows[k].orig)) &&
				 !memcmp(&before[i].reply, &flows[k].reply, sizeof(flows[k].reply)) &&
				 /* UDP became ASSURED by the packets that followed */
				 (before[i].status | IPS_ASSURED) == (flows[k].status | IPS_ASSURED);
	assert_int_equal(equal, n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_through_a_are_translated),
		cmocka_unit_test(entries_without_nat_ranges_do_not_translate),
		cmocka_unit_test(restored_connections_go_on_through_b),
		cmocka_unit_test(the_table_of_b_equals_that_of_a),
	};
	int ret;

	own_pid = getpid();
	if (geteuid() != 0) {
		printf("SKIP: needs root for network namespaces\n");
		return 77;
	}
	if (system("command -v ip >/dev/null && command -v nft >/dev/null") != 0) {
		printf("SKIP: needs ip and nft\n");
		return 77;
	}
	atexit(cleanup);
	signal(SIGINT, stopped);
	signal(SIGTERM, stopped);
	signal(SIGPIPE, SIG_IGN);
	if (run("", "ip netns add ${N}c && ip netns del ${N}c\n") != 0) {
		printf("SKIP: cannot make network namespaces\n");
		return 77;
	}
	if (run("", script_up) != 0) {
		printf("cannot set up the namespaces\n");
		return 1;
	}
	ret = cmocka_run_group_tests_name("packets through restored NAT", tests, NULL, NULL);
	return ret;
}
