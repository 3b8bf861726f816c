/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The event source on the real kernel. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/kernel/bpf.h"
#include "core/kernel/dump.h"
#include "core/kernel/events.h"
#include "core/kernel/writer.h"
#include "tests/unit/kernel_net.h"

struct tally {
	uint64_t n, type[CTS_EVENT_TYPE_MAX], v4, v6, proto[256], expectations;
	uint32_t portid;
	struct cts_flow last;
	bool last_raw;
};

static void tally_batch(void *ctx, const struct cts_event *const *ev, size_t n)
{
	struct tally *t = ctx;

	assert_true(n >= 1 && n <= CTS_BATCH_MAX);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(ev[i]->origin, CTS_ORIGIN_KERNEL);
		assert_true(ev[i]->time_ns > 0);
		assert_int_equal(ev[i]->time_ns, ev[0]->time_ns);
		t->n++;
		t->type[ev[i]->type]++;
		t->portid = ev[i]->portid;
		t->last_raw = ev[i]->raw && ev[i]->raw_len;
		if (!ev[i]->flow) {
			t->expectations++;
			continue;
		}
		t->last = *ev[i]->flow;
		t->proto[ev[i]->flow->orig.proto]++;
		t->v4 += ev[i]->flow->orig.family == AF_INET;
		t->v6 += ev[i]->flow->orig.family == AF_INET6;
	}
}

static struct cts_events *open_or_fail(const struct cts_events_conf *conf)
{
	struct cts_events *src = cts_events_open(conf);

	assert_non_null(src);
	return src;
}

static void drain(struct cts_events *src, struct tally *t)
{
	int n;

	memset(t, 0, sizeof(*t));
	while ((n = cts_events_read(src, tally_batch, t)) > 0)
		;
	assert_int_equal(n, 0);
}

static int fresh(void **state)
{
	kernel_raw_flush();
	return 0;
}

static struct cts_writer *writer_or_fail(void)
{
	struct cts_writer_conf conf = { 0 };
	struct cts_writer *w = cts_writer_open(&conf);

	assert_non_null(w);
	return w;
}

static void write_one(struct cts_writer *w, enum cts_write_op op, const struct cts_flow *flow)
{
	assert_int_equal(cts_writer_add(w, op, flow, 0), 0);
	assert_int_equal(cts_writer_flush(w), 0);
}

static void tells_new_update_and_destroy_apart(void **state)
{
	struct cts_events *src = open_or_fail(&(struct cts_events_conf){ 0 });
	struct cts_writer *w = writer_or_fail();
	struct cts_flow f;
	struct tally t;

	kernel_flow(&f, 1);
	write_one(w, CTS_OP_CREATE, &f);
	drain(src, &t);
	assert_int_equal(t.n, 1);
	assert_int_equal(t.type[CTS_EVENT_NEW], 1);
	assert_int_equal(t.portid, cts_writer_portid(w));
	assert_true(t.last_raw);
	assert_memory_equal(&t.last.orig, &f.orig, sizeof(f.orig));
	assert_int_equal(t.last.tcp_state, f.tcp_state);

	f.mark = 7;
	f.present = CTS_FLOW_BIT(CTS_FLOW_ORIG) | CTS_FLOW_BIT(CTS_FLOW_MARK);
	write_one(w, CTS_OP_UPDATE, &f);
	drain(src, &t);
	assert_int_equal(t.type[CTS_EVENT_UPDATE], 1);
	assert_int_equal(t.last.mark, 7);

	write_one(w, CTS_OP_DELETE, &f);
	drain(src, &t);
	assert_int_equal(t.n, 1);
	assert_int_equal(t.type[CTS_EVENT_DESTROY], 1);

	assert_int_equal(cts_events_lost(src), 0);
	cts_writer_close(w);
	cts_events_close(src);
}

static void joins_only_the_groups_that_were_asked_for(void **state)
{
	struct cts_events_conf conf = { .types = 1u << CTS_EVENT_DESTROY };
	struct cts_events *src = open_or_fail(&conf);
	struct tally t;

	kernel_raw_create(0, 10);
	drain(src, &t);
	assert_int_equal(t.n, 0);
	kernel_raw_flush();
	drain(src, &t);
	assert_int_equal(t.n, 10);
	assert_int_equal(t.type[CTS_EVENT_DESTROY], 10);
	cts_events_close(src);
}

/* 60,000 events into a buffer for about fifty of them. */
static void what_was_read_and_what_was_lost_make_up_all_events(void **state)
{
	struct cts_events_conf conf = { .receive_buffer = 64 << 10 };
	struct cts_events *src = open_or_fail(&conf);
	struct tally t, more;
	uint64_t lost;

	kernel_raw_create(0, 60000);
	drain(src, &t);
	lost = cts_events_lost(src);
	print_message("read %llu, lost %llu\n", (unsigned long long)t.n, (unsigned long long)lost);
	assert_true(t.n > 0);
	assert_true(lost > 0);
	assert_int_equal(t.n + lost, 60000);

	/* Not congested: the next event comes through, the count stands. */
	kernel_raw_create(60000, 1);
	drain(src, &more);
	assert_int_equal(more.n, 1);
	assert_int_equal(cts_events_lost(src), lost);
	cts_events_close(src);
}

static void the_default_buffer_takes_a_burst_nobody_reads(void **state)
{
	struct cts_events *src = open_or_fail(&(struct cts_events_conf){ 0 });
	struct tally t;
	uint64_t cpu;

	assert_int_equal(cts_events_buffer_size(src), 256 << 20);
	kernel_raw_create(0, 100000);
	cpu = kernel_cpu_ns();
	drain(src, &t);
	cpu = kernel_cpu_ns() - cpu;
	assert_int_equal(t.n, 100000);
	assert_int_equal(cts_events_lost(src), 0);
	print_message("reading and decoding: %llu ns of CPU an event\n",
		      (unsigned long long)(cpu / t.n));
	cts_events_close(src);
}

/* In a user namespace CAP_NET_ADMIN is ours, SO_RCVBUFFORCE is not: exit status
 * 0 opened with a smaller buffer, 77 no user namespaces, else wrong. */
static int open_in_user_namespace(void)
{
	struct cts_events *src;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return 77;
	src = cts_events_open(&(struct cts_events_conf){ 0 });
	if (!src)
		return 1;
	return cts_events_buffer_size(src) > 0 && cts_events_buffer_size(src) < 256 << 20 ? 0 : 2;
}

static void without_the_right_to_force_it_the_buffer_is_smaller(void **state)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(open_in_user_namespace());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		print_message("no user namespaces here\n");
	else
		assert_int_equal(WEXITSTATUS(status), 0);
}

static void our_own_changes_make_no_event_and_no_loss(void **state)
{
	struct cts_writer *w = writer_or_fail();
	uint32_t own = cts_writer_portid(w);
	/* a buffer that the writer's own events would overflow */
	struct cts_events_conf conf = { .receive_buffer = 64 << 10, .own_portids = &own,
					.n_own_portids = 1 };
	struct cts_events *src = open_or_fail(&conf);
	struct cts_flow f;
	struct tally t;

	for (uint32_t i = 0; i < 5000; i++) {
		kernel_flow(&f, i);
		assert_int_equal(cts_writer_add(w, CTS_OP_CREATE, &f, i), 0);
	}
	assert_int_equal(cts_writer_flush(w), 0);
	assert_int_equal(cts_writer_counters(w)[CTS_WRITE_CREATED], 5000);
	kernel_raw_create(5000, 3);
	drain(src, &t);
	assert_int_equal(t.n, 3);
	assert_int_equal(cts_events_lost(src), 0);

	/* The filter may be exchanged on the open socket. */
	assert_int_equal(cts_bpf_attach(cts_events_fd(src), NULL, 0, NULL), 0);
	kernel_flow(&f, 0);
	write_one(w, CTS_OP_DELETE, &f);
	drain(src, &t);
	assert_int_equal(t.n, 1);
	cts_writer_close(w);
	cts_events_close(src);
}

/* One flow of each protocol number in list. */
static void create_protocols(const uint8_t *list, size_t n)
{
	struct cts_writer *w = writer_or_fail();
	struct cts_flow f;

	for (size_t i = 0; i < n; i++) {
		kernel_flow(&f, (uint32_t)i);
		f.orig.proto = f.reply.proto = list[i];
		f.present &= ~CTS_FLOW_BIT(CTS_FLOW_TCP_STATE);
		if (list[i] != IPPROTO_TCP && list[i] != IPPROTO_UDP) {
			f.orig.sport = f.orig.dport = 0;
			cts_tuple_invert(&f.orig, &f.reply);
		}
		write_one(w, CTS_OP_CREATE, &f);
	}
	assert_int_equal(cts_writer_counters(w)[CTS_WRITE_CREATED], n);
	cts_writer_close(w);
}

static void protocols_are_dropped_in_the_kernel(void **state)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, 50, 89, 200, 255 };
	uint8_t bitmap[32] = { 0 };
	struct cts_push *push = cts_push_create();
	struct cts_events_conf conf = { .push = push };
	struct cts_events *src;
	struct tally t;

	bitmap[IPPROTO_TCP / 8] |= 1 << IPPROTO_TCP % 8;
	bitmap[50 / 8] |= 1 << 50 % 8;
	bitmap[200 / 8] |= 1 << 200 % 8;
	bitmap[255 / 8] |= 1 << 255 % 8;
	assert_int_equal(cts_push_protocols(push, bitmap, true), 0);
	src = open_or_fail(&conf);
	create_protocols(protocols, sizeof(protocols));
	drain(src, &t);
	assert_int_equal(t.n, 4);
	assert_int_equal(t.proto[IPPROTO_TCP] + t.proto[50] + t.proto[200] + t.proto[255], 4);
	assert_int_equal(cts_events_lost(src), 0);

	/* A second declaration narrows it down: not 50 either. */
	memset(bitmap, 0, sizeof(bitmap));
	bitmap[50 / 8] |= 1 << 50 % 8;
	assert_int_equal(cts_push_protocols(push, bitmap, false), 0);
	assert_int_equal(cts_bpf_attach(cts_events_fd(src), NULL, 0, push), 0);
	kernel_raw_flush();
	drain(src, &t);
	assert_int_equal(t.n, 3);
	assert_int_equal(t.proto[50], 0);
	cts_push_destroy(push);
	cts_events_close(src);
}

static void push_text(struct cts_push *push, int family, const char *text, unsigned int len, bool accept)
{
	union cts_addr a = { 0 };

	assert_int_equal(inet_pton(family, text, &a), 1);
	assert_int_equal(cts_push_network(push, family, &a, len, accept), 0);
}

static uint64_t events_for(const char *src, const char *dst, struct cts_events *events)
{
	struct cts_writer *w = writer_or_fail();
	struct cts_flow f;
	struct tally t;

	if (strchr(src, ':'))
		kernel_flow6(&f, 0);
	else
		kernel_flow(&f, 0);
	assert_int_equal(inet_pton(f.orig.family, src, &f.orig.src), 1);
	assert_int_equal(inet_pton(f.orig.family, dst, &f.orig.dst), 1);
	cts_tuple_invert(&f.orig, &f.reply);
	write_one(w, CTS_OP_CREATE, &f);
	assert_int_equal(cts_writer_counters(w)[CTS_WRITE_CREATED], 1);
	drain(events, &t);
	cts_writer_close(w);
	return t.n;
}

static void ignored_networks_are_dropped_in_the_kernel(void **state)
{
	struct cts_push *push = cts_push_create();
	struct cts_events_conf conf = { .push = push };
	struct cts_events *src;

	push_text(push, AF_INET, "10.1.2.99", 24, false);
	push_text(push, AF_INET, "198.51.100.7", 32, false);
	push_text(push, AF_INET6, "2001:db8:8::", 45, false);
	push_text(push, AF_INET6, "2001:db8:ff::1", 128, false);
	src = open_or_fail(&conf);

	assert_int_equal(events_for("10.1.2.3", "192.0.2.1", src), 0);
	assert_int_equal(events_for("10.1.3.3", "192.0.2.1", src), 1);
	/* the real destination is the source of the reply */
	assert_int_equal(events_for("10.1.3.3", "10.1.2.1", src), 0);
	assert_int_equal(events_for("198.51.100.7", "192.0.2.1", src), 0);
	assert_int_equal(events_for("198.51.100.8", "192.0.2.1", src), 1);
	assert_int_equal(events_for("2001:db8:7::1", "2001:db8:1::1", src), 1);
	assert_int_equal(events_for("2001:db8:f:ffff::1", "2001:db8:10::1", src), 0);
	assert_int_equal(events_for("2001:db8:10::1", "2001:db8:10::1", src), 1);
	assert_int_equal(events_for("2001:db8:20::1", "2001:db8:ff::1", src), 0);
	assert_int_equal(events_for("2001:db8:20::1", "2001:db8:ff::2", src), 1);
	cts_push_destroy(push);
	cts_events_close(src);
}

static void only_accepted_networks_pass(void **state)
{
	struct cts_push *push = cts_push_create();
	struct cts_events_conf conf = { .push = push };
	struct cts_events *src;

	push_text(push, AF_INET, "10.0.0.0", 8, true);
	push_text(push, AF_INET, "172.16.0.0", 12, true);
	push_text(push, AF_INET, "10.9.0.0", 16, false);
	src = open_or_fail(&conf);
	assert_int_equal(events_for("10.1.2.3", "192.0.2.1", src), 1);
	assert_int_equal(events_for("192.0.2.9", "172.31.0.1", src), 1);
	assert_int_equal(events_for("192.0.2.9", "172.32.0.1", src), 0);
	assert_int_equal(events_for("10.9.2.3", "192.0.2.1", src), 0);
	/* nothing was said about IPv6 */
	assert_int_equal(events_for("2001:db8::1", "2001:db8:1::1", src), 1);
	cts_push_destroy(push);
	cts_events_close(src);
}

static void more_networks_than_fit_are_left_to_userspace(void **state)
{
	struct cts_push *push = cts_push_create();
	union cts_addr a = { 0 };
	struct cts_events *src;

	for (uint32_t i = 0; i < CTS_PUSH_NETWORKS_MAX; i++) {
		a.v6[3] = htonl(i);
		assert_int_equal(cts_push_network(push, AF_INET6, &a, 128, false), 0);
	}
	assert_int_equal(cts_push_network(push, AF_INET, &a, 33, false), -1);
	assert_int_equal(errno, EINVAL);
	/* what does fit is a valid program */
	src = open_or_fail(&(struct cts_events_conf){ .push = push });
	assert_int_equal(events_for("::7", "2001:db8::1", src), 0);
	/* one more, and all are left to userspace */
	assert_int_equal(cts_push_network(push, AF_INET6, &a, 128, false), -1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(cts_push_network(push, AF_INET6, &a, 128, false), -1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(cts_bpf_attach(cts_events_fd(src), NULL, 0, push), 0);
	assert_int_equal(events_for("::8", "2001:db8::1", src), 1);
	cts_push_destroy(push);
	cts_events_close(src);
}

static void another_process_cannot_make_up_events(void **state)
{
	struct cts_events *src = open_or_fail(&(struct cts_events_conf){ 0 });
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	socklen_t len = sizeof(to);
	struct mnl_socket *nl = mnl_socket_open(NETLINK_NETFILTER);
	struct { struct nlmsghdr nlh; struct nfgenmsg nfg; } fake = {
		.nlh = { .nlmsg_len = sizeof(fake), .nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL,
			 .nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW },
		.nfg = { .nfgen_family = AF_INET },
	};
	struct cts_events_stats st;
	struct tally t;

	assert_int_equal(mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID), 0);
	assert_int_equal(getsockname(cts_events_fd(src), (struct sockaddr *)&to, &len), 0);
	to.nl_groups = 0;
	assert_int_equal(sendto(mnl_socket_get_fd(nl), &fake, sizeof(fake), 0,
				(struct sockaddr *)&to, sizeof(to)), sizeof(fake));
	drain(src, &t);
	assert_int_equal(t.n, 0);
	cts_events_get_stats(src, &st);
	assert_int_equal(st.unknown, 1);
	assert_int_equal(st.received, 0);
	mnl_socket_close(nl);
	cts_events_close(src);
}

static void count_expectations(void *ctx, const struct cts_event *const *ev, size_t n)
{
	struct tally *t = ctx;

	for (size_t i = 0; i < n; i++)
		t->expectations += !ev[i]->flow && ev[i]->raw && ev[i]->raw_len;
}

/* -- what the mirror relies on (I0) -- */

static void a_mark_that_became_zero_is_reported(void **state)
{
	struct cts_events *src = open_or_fail(&(struct cts_events_conf){ 0 });
	struct cts_writer *w = writer_or_fail();
	struct cts_flow f;
	struct tally t;

	kernel_flow(&f, 1);
	write_one(w, CTS_OP_CREATE, &f);
	f.present = CTS_FLOW_BIT(CTS_FLOW_ORIG) | CTS_FLOW_BIT(CTS_FLOW_MARK);
	f.mark = 5;
	write_one(w, CTS_OP_UPDATE, &f);
	drain(src, &t);
	f.mark = 0;
	write_one(w, CTS_OP_UPDATE, &f);
	drain(src, &t);
	assert_int_equal(t.n, 1);
	assert_true(cts_flow_has(&t.last, CTS_FLOW_MARK));
	assert_int_equal(t.last.mark, 0);
	cts_writer_close(w);
	cts_events_close(src);
}

static void an_update_tells_only_what_changed(void **state)
{
	struct cts_events *src = open_or_fail(&(struct cts_events_conf){ 0 });
	struct cts_writer *w = writer_or_fail();
	struct cts_flow f;
	struct tally t;

	kernel_flow(&f, 1);
	write_one(w, CTS_OP_CREATE, &f);
	f.present = CTS_FLOW_BIT(CTS_FLOW_ORIG) | CTS_FLOW_BIT(CTS_FLOW_TIMEOUT);
	f.timeout = 77;
	drain(src, &t);
	write_one(w, CTS_OP_UPDATE, &f);
	drain(src, &t);
	/* ctnetlink tells of its own updates, whatever they change, with all but
	 * counters; the tuples are always there */
	assert_true(t.n <= 1);
	write_one(w, CTS_OP_DELETE, &f);
	drain(src, &t);
	assert_int_equal(t.type[CTS_EVENT_DESTROY], 1);
	assert_true(cts_flow_has(&t.last, CTS_FLOW_ORIG) && cts_flow_has(&t.last, CTS_FLOW_REPLY));
	cts_writer_close(w);
	cts_events_close(src);
}

/* A master made with its helper, and an expectation of it: raw, for whoever decodes. */
static void expectations_come_raw(void **state)
{
	struct cts_events_conf conf = { .expectations = true, .no_flows = true };
	struct cts_dump_conf dconf = { .table = CTS_TABLE_EXPECT };
	struct cts_events *src = open_or_fail(&conf);
	struct cts_writer *w = writer_or_fail();
	struct cts_flow f;
	struct tally t;

	kernel_flow(&f, 1);
	f.orig.dport = htons(21);
	cts_tuple_invert(&f.orig, &f.reply);
	f.present |= CTS_FLOW_BIT(CTS_FLOW_HELPER);
	f.helper = "ftp";
	f.helper_len = 3;
	write_one(w, CTS_OP_CREATE, &f);
	if (!cts_writer_counters(w)[CTS_WRITE_CREATED]) {
		print_message("this kernel has no ftp helper\n");
		goto out;
	}
	kernel_raw_expect(f.orig.src.v4, f.orig.dst.v4, f.orig.sport, f.orig.dport);
	drain(src, &t);
	assert_int_equal(t.n, 1);
	assert_int_equal(t.expectations, 1);
	assert_int_equal(t.type[CTS_EVENT_NEW], 1);
	assert_true(t.last_raw);

	memset(&t, 0, sizeof(t));
	struct cts_dump *d = cts_dump_open(&dconf);
	assert_non_null(d);
	assert_int_equal(cts_dump_run(d, count_expectations, &t), 0);
	assert_int_equal(t.expectations, 1);
	cts_dump_close(d);
out:
	cts_writer_close(w);
	cts_events_close(src);
}

#define EVENTS_SYSCTL "/proc/sys/net/netfilter/nf_conntrack_events"

static void a_flow_made_while_nobody_listens_is_not_reported_later_unless_the_sysctl_says_so(void **state)
{
	struct cts_events *src;
	struct tally t;

	assert_int_equal(kernel_net_sysctl(EVENTS_SYSCTL, "2"), 0);
	kernel_raw_create(0, 4);
	src = open_or_fail(&(struct cts_events_conf){ 0 });
	kernel_raw_flush();
	drain(src, &t);
	print_message("nf_conntrack_events=2: %llu of 4 reported\n", (unsigned long long)t.n);
	/* None, unless a program somewhere else listens: tests run side by side, and
	 * the kernel looks for listeners on the whole machine. */
	assert_true(t.n == 0 || t.n == 4);
	cts_events_close(src);

	assert_int_equal(kernel_net_sysctl(EVENTS_SYSCTL, "1"), 0);
	kernel_raw_create(0, 4);
	src = open_or_fail(&(struct cts_events_conf){ 0 });
	kernel_raw_flush();
	drain(src, &t);
	assert_int_equal(t.n, 4);
	cts_events_close(src);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(tells_new_update_and_destroy_apart, fresh),
		cmocka_unit_test_setup(joins_only_the_groups_that_were_asked_for, fresh),
		cmocka_unit_test_setup(what_was_read_and_what_was_lost_make_up_all_events, fresh),
		cmocka_unit_test_setup(the_default_buffer_takes_a_burst_nobody_reads, fresh),
		cmocka_unit_test_setup(without_the_right_to_force_it_the_buffer_is_smaller, fresh),
		cmocka_unit_test_setup(our_own_changes_make_no_event_and_no_loss, fresh),
		cmocka_unit_test_setup(protocols_are_dropped_in_the_kernel, fresh),
		cmocka_unit_test_setup(ignored_networks_are_dropped_in_the_kernel, fresh),
		cmocka_unit_test_setup(only_accepted_networks_pass, fresh),
		cmocka_unit_test_setup(more_networks_than_fit_are_left_to_userspace, fresh),
		cmocka_unit_test_setup(another_process_cannot_make_up_events, fresh),
		cmocka_unit_test_setup(a_mark_that_became_zero_is_reported, fresh),
		cmocka_unit_test_setup(an_update_tells_only_what_changed, fresh),
		cmocka_unit_test_setup(expectations_come_raw, fresh),
		cmocka_unit_test_setup(
			a_flow_made_while_nobody_listens_is_not_reported_later_unless_the_sysctl_says_so, fresh),
	};

	kernel_net_enter();
	return cmocka_run_group_tests_name("kernel events", tests, NULL, NULL);
}
