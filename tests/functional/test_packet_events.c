/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel tells of real packets, and what it does not: the facts that the
 * mirror is built on. Loopback in a namespace of its own, one nft table that
 * switches connection tracking on and sets a mark.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/kernel/dump.h"
#include "core/kernel/events.h"
#include "core/kernel/writer.h"

static const char rules[] =
	"ip link set lo up && nft 'table inet t { chain in { type filter hook input priority 0;"
	" ct state new accept; udp dport 5002 ct mark set 5 accept;"
	" }; }'";

struct seen {
	unsigned int n, type[CTS_EVENT_TYPE_MAX], refreshed;
	unsigned int without_protoinfo;  /* UPDATEs of TCP */
	unsigned int not_kernel;         /* port id other than 0 */
	struct cts_flow event[64];       /* without variable parts */
	uint8_t event_type[64];
};

static void see(void *ctx, const struct cts_event *const *ev, size_t n)
{
	struct seen *s = ctx;

	for (size_t i = 0; i < n; i++) {
		assert_true(s->n < 64);
		s->event[s->n] = *ev[i]->flow;
		s->event_type[s->n++] = ev[i]->type;
		s->type[ev[i]->type]++;
		s->not_kernel += ev[i]->portid != 0;
		s->without_protoinfo += ev[i]->type == CTS_EVENT_UPDATE &&
					ev[i]->flow->orig.proto == IPPROTO_TCP &&
					!cts_flow_has(ev[i]->flow, CTS_FLOW_TCP_STATE);
	}
}

static void drain(struct cts_events *src, struct seen *s)
{
	memset(s, 0, sizeof(*s));
	while (cts_events_read(src, see, s) > 0)
		;
	assert_int_equal(cts_events_lost(src), 0);
}

static void loopback(struct sockaddr_in *a, uint16_t port)
{
	memset(a, 0, sizeof(*a));
	a->sin_family = AF_INET;
	a->sin_port = htons(port);
	a->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

static int bound(int type, uint16_t port)
{
	struct sockaddr_in a;
	int one = 1, fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	loopback(&a, port);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void join(int fd, uint16_t port)
{
	struct sockaddr_in a;

	loopback(&a, port);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
}

static void pass(int from, int to)
{
	struct pollfd p = { .fd = to, .events = POLLIN };
	char c = 'x';

	assert_int_equal(send(from, &c, 1, 0), 1);
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(recv(to, &c, 1, 0), 1);
}

static struct cts_events *listen_to_kernel(void)
{
	struct cts_events *src = cts_events_open(&(struct cts_events_conf){ 0 });

	assert_non_null(src);
	return src;
}

static void refreshing_packets_make_no_event(void **state)
{
	struct cts_events *src = listen_to_kernel();
	int a = bound(SOCK_DGRAM, 6001), b = bound(SOCK_DGRAM, 5001);
	struct seen s;

	join(a, 5001);
	join(b, 6001);
	for (unsigned int i = 0; i < 40; i++) {
		pass(a, b);
		pass(b, a);
	}
	drain(src, &s);
	print_message("80 UDP packets made %u events\n", s.n);
	assert_int_equal(s.type[CTS_EVENT_NEW], 1);
	assert_true(s.n <= 3);
	assert_int_equal(s.not_kernel, 0);
	/* the first one knows no answer, a later one does */
	assert_false(s.event[0].status & IPS_SEEN_REPLY);
	assert_true(s.event[s.n - 1].status & IPS_SEEN_REPLY);
	assert_false(cts_flow_has(&s.event[0], CTS_FLOW_MARK));
	for (unsigned int i = 0; i < s.n; i++)
		assert_true(cts_flow_has(&s.event[i], CTS_FLOW_ORIG) &&
			    cts_flow_has(&s.event[i], CTS_FLOW_REPLY));
	close(a);
	close(b);
	cts_events_close(src);
}

static void a_mark_is_reported_when_set_changed_and_cleared(void **state)
{
	struct cts_events *src = listen_to_kernel();
	int a = bound(SOCK_DGRAM, 6002), b = bound(SOCK_DGRAM, 5002);
	struct seen s;

	join(a, 5002);
	join(b, 6002);
	pass(a, b);
	drain(src, &s);
	assert_int_equal(s.n, 1);              /* `new` is accepted before the mark is set */
	assert_false(cts_flow_has(&s.event[0], CTS_FLOW_MARK));
	pass(b, a);
	drain(src, &s);
	pass(a, b);
	drain(src, &s);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.event_type[0], CTS_EVENT_UPDATE);
	assert_true(cts_flow_has(&s.event[0], CTS_FLOW_MARK));
	assert_int_equal(s.event[0].mark, 5);
	/* set to what it is: nothing */
	pass(a, b);
	drain(src, &s);
	assert_int_equal(s.type[CTS_EVENT_NEW], 0);

	assert_int_equal(system("nft insert rule inet t in ct state established udp dport 5002"
				" ct mark set 0 accept"), 0);
	pass(a, b);
	drain(src, &s);
	assert_int_equal(s.n, 1);
	assert_true(cts_flow_has(&s.event[0], CTS_FLOW_MARK));
	assert_int_equal(s.event[0].mark, 0);
	close(a);
	close(b);
	cts_events_close(src);
}

static void the_life_of_a_tcp_connection_is_a_handful_of_events(void **state)
{
	struct cts_events *src = listen_to_kernel();
	struct cts_writer *w = cts_writer_open(&(struct cts_writer_conf){ 0 });
	int l = bound(SOCK_STREAM, 5004), a = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), b;
	struct pollfd p = { .events = POLLIN };
	struct seen s, end;
	char c;

	assert_int_equal(listen(l, 1), 0);
	join(a, 5004);
	b = accept(l, NULL, NULL);
	assert_true(b >= 0);
	for (unsigned int i = 0; i < 20; i++) {
		pass(a, b);
		pass(b, a);
	}
	shutdown(a, SHUT_WR);
	p.fd = b;
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(recv(b, &c, 1, 0), 0);
	shutdown(b, SHUT_WR);
	p.fd = a;
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(recv(a, &c, 1, 0), 0);
	drain(src, &s);
	print_message("TCP: %u events, %u updates without protocol state\n", s.n,
		      s.without_protoinfo);
	assert_int_equal(s.type[CTS_EVENT_NEW], 1);
	assert_in_range(s.n, 4, 9);

	assert_int_equal(cts_writer_add(w, CTS_OP_DELETE, &s.event[0], 0), 0);
	assert_int_equal(cts_writer_flush(w), 0);
	drain(src, &end);
	assert_int_equal(end.type[CTS_EVENT_DESTROY], 1);
	assert_int_equal(end.not_kernel, 1);   /* it names the socket that did it */
	close(a);
	close(b);
	close(l);
	cts_writer_close(w);
	cts_events_close(src);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refreshing_packets_make_no_event),
		cmocka_unit_test(a_mark_is_reported_when_set_changed_and_cleared),
		cmocka_unit_test(the_life_of_a_tcp_connection_is_a_handful_of_events),
	};

	if (unshare(CLONE_NEWNET) < 0) {
		printf("SKIP: no network namespace of our own: %s\n", strerror(errno));
		return 77;
	}
	if (system("command -v ip >/dev/null && command -v nft >/dev/null") != 0) {
		printf("SKIP: needs ip and nft\n");
		return 77;
	}
	if (system(rules) != 0)
		return 1;
	return cmocka_run_group_tests_name("events of real packets", tests, NULL, NULL);
}
