/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The event source, requests to the expectation table and the statistics against a
 * socket of cardboard: calls that fail, messages that are none, sockets that are full. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <limits.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "core/kernel/events.h"
#include "core/kernel/expect.h"
#include "core/kernel/nl.h"
#include "core/kernel/stats.h"
#include "tests/unit/socket_stub.h"

#define CT(type) (NFNL_SUBSYS_CTNETLINK << 8 | (type))
#define EXP(type) (NFNL_SUBSYS_CTNETLINK_EXP << 8 | (type))

static int fresh(void **state)
{
	stub_reset();
	return 0;
}

/* -- events -- */

struct seen {
	size_t n, batches;
	struct { int type; bool expect; uint32_t portid; } ev[600];
};

static void see(void *ctx, const struct cts_event *const *ev, size_t n)
{
	struct seen *s = ctx;

	s->batches++;
	for (size_t i = 0; i < n; i++, s->n++) {
		assert_true(s->n < 600);
		s->ev[s->n].type = ev[i]->type;
		s->ev[s->n].expect = ev[i]->expect;
		s->ev[s->n].portid = ev[i]->portid;
		assert_int_equal(!ev[i]->flow, !!ev[i]->expect);
		assert_int_equal(ev[i]->origin, CTS_ORIGIN_KERNEL);
	}
}

static struct cts_events *open_events(void)
{
	const struct cts_events_conf conf = { .receive_buffer = 1 << 20 };
	struct cts_events *e = cts_events_open(&conf);

	assert_non_null(e);
	return e;
}

static void each_call_that_fails_is_reported(void **state)
{
	static const struct { enum stub_call call; unsigned int after; int error; } c[] = {
		{ STUB_CALLOC, 0, ENOMEM }, { STUB_MALLOC, 0, ENOMEM }, { STUB_OPEN, 0, EMFILE },
		/* buffer; no ENOBUFS; broadcast errors; the program */
		{ STUB_SETSOCKOPT, 1, ENOPROTOOPT }, { STUB_SETSOCKOPT, 2, EOPNOTSUPP },
		{ STUB_SETSOCKOPT, 3, EACCES },
		/* what was granted; drops */
		{ STUB_GETSOCKOPT, 1, EINVAL }, { STUB_BIND, 0, EPERM },
	};
	static const uint32_t own[] = { 1 };
	const struct cts_events_conf conf = { .reliable = true, .own_portids = own,
					      .n_own_portids = 1 };
	struct cts_events *e;

	e = cts_events_open(&conf);
	assert_non_null(e);
	cts_events_close(e);
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		stub_fail(c[i].call, c[i].error, c[i].after);
		errno = 0;
		if (cts_events_open(&conf) || errno != c[i].error)
			fail_msg("case %zu: %s", i, strerror(errno));
	}
	cts_events_close(NULL);
}

static void groups_follow_types_and_tables(void **state)
{
	enum { N = 1 << 0, U = 1 << 1, D = 1 << 2, XN = 1 << 3, XU = 1 << 4, XD = 1 << 5 };
	static const struct { struct cts_events_conf conf; unsigned int groups; } c[] = {
		{ { 0 }, N | U | D },
		{ { .expectations = true }, N | U | D | XN | XU | XD },
		{ { .expectations = true, .no_flows = true }, XN | XU | XD },
		{ { .types = 1 << CTS_EVENT_NEW }, N },
		{ { .types = 1 << CTS_EVENT_UPDATE, .expectations = true }, U | XU },
		{ { .types = 1 << CTS_EVENT_DESTROY | 1 << CTS_EVENT_NEW }, N | D },
	};

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct cts_events *e = cts_events_open(&c[i].conf);

		assert_non_null(e);
		assert_int_equal(stub.bound, c[i].groups);
		cts_events_close(e);
	}
}

static void queue_event(uint16_t type, uint16_t flags, uint32_t portid)
{
	struct nlmsghdr *nlh = stub_message(type, flags, 0);

	nlh->nlmsg_pid = portid;
	stub_queue_message(nlh);
}

static void messages_become_events_of_their_kind(void **state)
{
	static const struct { uint16_t type, flags; int event; } c[] = {
		{ CT(IPCTNL_MSG_CT_NEW), NLM_F_CREATE | NLM_F_EXCL, CTS_EVENT_NEW },
		{ CT(IPCTNL_MSG_CT_NEW), 0, CTS_EVENT_UPDATE },
		{ CT(IPCTNL_MSG_CT_DELETE), 0, CTS_EVENT_DESTROY },
		{ EXP(IPCTNL_MSG_EXP_NEW), NLM_F_CREATE, CTS_EVENT_NEW },
		{ EXP(IPCTNL_MSG_EXP_NEW), 0, CTS_EVENT_UPDATE },
		{ EXP(IPCTNL_MSG_EXP_DELETE), 0, CTS_EVENT_DESTROY },
	};
	struct cts_events *e = open_events();
	struct seen s = { 0 };

	for (size_t i = 0; i < 6; i++)
		queue_event(c[i].type, c[i].flags, 100 + (uint32_t)i);
	assert_int_equal(cts_events_read(e, see, &s), 6);
	assert_int_equal(s.n, 6);
	assert_int_equal(s.batches, 1);
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(s.ev[i].type, c[i].event);
		assert_int_equal(s.ev[i].expect, i > 2);
		assert_int_equal(s.ev[i].portid, 100 + i);
	}
	cts_events_close(e);
}

static void what_is_no_event_is_counted(void **state)
{
	static const uint8_t half[] = { 200, 0, 1, 0 };   /* an attribute beyond the end */
	struct cts_events *e = open_events();
	struct cts_events_stats st;
	struct seen s = { 0 };
	struct nlmsghdr *nlh;

	queue_event(CT(IPCTNL_MSG_CT_GET_STATS), 0, 0);                  /* unknown */
	queue_event(NFNL_SUBSYS_QUEUE << 8 | IPCTNL_MSG_CT_NEW, 0, 0);   /* unknown */
	nlh = stub_message(CT(IPCTNL_MSG_CT_NEW), 0, 0);
	nlh->nlmsg_len = NLMSG_LENGTH(2);
	stub_queue_message(nlh);                                         /* unknown */
	nlh = stub_message(CT(IPCTNL_MSG_CT_NEW), 0, 0);
	stub_queue_message(nlh)->portid = 4711;                          /* unknown */
	stub_queue_message(nlh)->flags = MSG_TRUNC;
	stub_queue_message(nlh)->len = 8;                                /* malformed */
	for (int i = 0; i < 2; i++) {
		nlh = stub_message(i ? EXP(IPCTNL_MSG_EXP_NEW) : CT(IPCTNL_MSG_CT_NEW), 0, 0);
		memcpy((uint8_t *)nlh + nlh->nlmsg_len, half, sizeof(half));
		nlh->nlmsg_len += sizeof(half);
		stub_queue_message(nlh);                                 /* malformed */
	}
	queue_event(CT(IPCTNL_MSG_CT_NEW), 0, 0);
	assert_int_equal(cts_events_read(e, see, &s), 9);
	assert_int_equal(s.n, 1);
	cts_events_get_stats(e, &st);
	assert_int_equal(st.unknown, 4);
	assert_int_equal(st.truncated, 1);
	assert_int_equal(st.malformed, 3);
	assert_int_equal(st.received, 1);
	assert_int_equal(st.batches, 1);
	cts_events_close(e);
}

static void many_messages_of_a_datagram_are_several_batches(void **state)
{
	struct nlmsghdr *nlh = stub_message(CT(IPCTNL_MSG_CT_NEW), 0, 0);
	struct cts_events *e = open_events();
	uint8_t bytes[200 * 20];
	struct seen s = { 0 };

	for (size_t i = 0; i < 200; i++)
		memcpy(bytes + i * 20, nlh, 20);
	for (size_t i = 0; i < 3; i++)
		stub_queue(bytes, sizeof(bytes));
	assert_int_equal(cts_events_read(e, see, &s), 3);
	assert_int_equal(s.n, 600);
	assert_true(s.batches > 1);
	cts_events_close(e);
}

static void reading_ends_without_an_error_when_there_is_nothing(void **state)
{
	struct cts_events *e = open_events();
	struct seen s = { 0 };

	assert_int_equal(cts_events_read(e, see, &s), 0);   /* EAGAIN */
	stub_queue_error(EINTR);
	assert_int_equal(cts_events_read(e, see, &s), 0);
	stub_queue_error(ENOBUFS);
	assert_int_equal(cts_events_read(e, see, &s), -1);
	assert_int_equal(errno, ENOBUFS);
	assert_int_equal(s.batches, 0);
	cts_events_close(e);
}

static void the_kernels_counter_of_drops_may_wrap(void **state)
{
	struct cts_events *e;

	stub.has_drops = true;
	stub.drops = UINT32_MAX - 1;
	e = open_events();
	assert_int_equal(cts_events_lost(e), 0);
	stub.drops = 3;
	assert_int_equal(cts_events_lost(e), 5);
	assert_int_equal(cts_events_lost(e), 5);
	/* what is not known has not happened */
	stub.drops = 10;
	stub_fail(STUB_GETSOCKOPT, EINVAL, 0);
	assert_int_equal(cts_events_lost(e), 5);
	assert_int_equal(cts_events_lost(e), 12);
	cts_events_close(e);
}

static void new_flows_are_left_and_joined_again(void **state)
{
	struct cts_events *e = open_events();

	assert_int_equal(cts_events_subscribe_new(e, false), 0);
	assert_int_equal(stub.option, NETLINK_DROP_MEMBERSHIP);
	assert_int_equal(cts_events_subscribe_new(e, true), 0);
	assert_int_equal(stub.option, NETLINK_ADD_MEMBERSHIP);
	stub_fail(STUB_SETSOCKOPT, EPERM, 0);
	assert_int_equal(cts_events_subscribe_new(e, true), -1);
	cts_events_close(e);
}

/* -- what all sockets share -- */

static void a_receive_buffer_is_what_the_kernel_grants(void **state)
{
	struct mnl_socket *nl = cts_nl_open();
	int fd;

	assert_non_null(nl);
	fd = mnl_socket_get_fd(nl);
	stub.has_rcvbuf = true;
	stub.rcvbuf = 100000;
	assert_int_equal(cts_nl_set_rcvbuf(fd, 100000, "test"), 100000);
	assert_int_equal(cts_nl_set_rcvbuf(fd, SIZE_MAX, "test"), 100000);
	/* without CAP_NET_ADMIN: up to rmem_max, and a warning */
	stub_fail(STUB_SETSOCKOPT, EPERM, 0);
	assert_int_equal(cts_nl_set_rcvbuf(fd, 100000, "test"), 100000);
	stub_fail(STUB_SETSOCKOPT, EPERM, 0);
	stub.rcvbuf = 5000;
	assert_int_equal(cts_nl_set_rcvbuf(fd, 100000, "test"), 5000);
	stub_fail(STUB_GETSOCKOPT, EINVAL, 0);
	assert_int_equal(cts_nl_set_rcvbuf(fd, 100000, "test"), 0);
	stub.rcvbuf = -1;
	assert_int_equal(cts_nl_set_rcvbuf(fd, 100000, "test"), 0);
	mnl_socket_close(nl);
}

static int ask(void)
{
	errno = 0;
	return cts_nl_ask(CT(IPCTNL_MSG_CT_GET_STATS), NLM_F_ACK, NULL, NULL) < 0 ? errno : 0;
}

static void a_question_has_an_answer_or_an_error(void **state)
{
	stub_queue_result(NLMSG_ERROR, 1, 0);
	assert_int_equal(ask(), 0);
	stub_queue_result(NLMSG_ERROR, 1, EPERM);
	assert_int_equal(ask(), EPERM);
	stub_fail(STUB_OPEN, EMFILE, 0);
	assert_int_equal(ask(), EMFILE);
	stub_fail(STUB_BIND, EADDRINUSE, 0);
	assert_int_equal(ask(), EADDRINUSE);
	stub_fail(STUB_SEND, EACCES, 0);
	assert_int_equal(ask(), EACCES);
	stub_fail(STUB_RECEIVE, ENOBUFS, 0);
	assert_int_equal(ask(), ENOBUFS);
}

/* -- expectations -- */

struct found {
	unsigned int n;
	uint32_t timeout;
};

static void found(void *ctx, const struct cts_expect *exp)
{
	struct found *f = ctx;

	f->n++;
	f->timeout = exp->timeout;
}

static void make_expect(struct cts_expect *exp)
{
	memset(exp, 0, sizeof(*exp));
	exp->expected.family = exp->master.family = exp->mask.family = AF_INET;
	exp->expected.proto = exp->master.proto = exp->mask.proto = IPPROTO_TCP;
	exp->expected.src.v4 = inet_addr("192.0.2.1");
	exp->expected.dst.v4 = inet_addr("198.51.100.2");
	exp->expected.dport = htons(2021);
	exp->timeout = 300;
	exp->present = CTS_EXPECT_BIT(CTS_EXPECT_EXPECTED) | CTS_EXPECT_BIT(CTS_EXPECT_MASK) |
		       CTS_EXPECT_BIT(CTS_EXPECT_MASTER) | CTS_EXPECT_BIT(CTS_EXPECT_TIMEOUT);
}

/* The next request's number is the time of day, which is not known before. */
static void queue_for_any(struct stub_datagram *d, uint32_t now)
{
	((struct nlmsghdr *)d->bytes)->nlmsg_seq = now;
}

/* One request; the socket answers it with err after what else is queued. 0 or errno. */
static int request(enum cts_expect_op op, int err, struct found *f)
{
	uint32_t now = (uint32_t)time(NULL);
	struct cts_expect exp;

	make_expect(&exp);
	/* the clock may tick meanwhile: an answer for either second, the other is ignored */
	for (uint32_t i = 0; i < 2; i++)
		queue_for_any(stub_queue_result(NLMSG_ERROR, 0, err), now + i);
	memset(f, 0, sizeof(*f));
	errno = 0;
	return cts_expect_request(op, op == CTS_EXPECT_OP_FLUSH ? NULL : &exp, found, f) < 0 ?
	       errno : 0;
}

static void each_request_says_what_it_needs(void **state)
{
	static const struct { enum cts_expect_op op; uint16_t type, flags; bool timeout; } c[] = {
		{ CTS_EXPECT_OP_CREATE, IPCTNL_MSG_EXP_NEW, NLM_F_CREATE | NLM_F_EXCL, true },
		{ CTS_EXPECT_OP_GET, IPCTNL_MSG_EXP_GET, 0, false },
		{ CTS_EXPECT_OP_DELETE, IPCTNL_MSG_EXP_DELETE, 0, false },
		{ CTS_EXPECT_OP_FLUSH, IPCTNL_MSG_EXP_DELETE, 0, false },
	};

	for (size_t i = 0; i < 4; i++) {
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)stub.sent;
		struct nlattr *attr;
		bool timeout = false;
		struct found f;

		stub_reset();
		assert_int_equal(request(c[i].op, 0, &f), 0);
		assert_int_equal(nlh->nlmsg_type, EXP(c[i].type));
		assert_int_equal(nlh->nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK | c[i].flags);
		mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
			timeout |= mnl_attr_get_type(attr) == CTA_EXPECT_TIMEOUT;
		assert_int_equal(timeout, c[i].timeout);
		/* emptying the table names no entry */
		assert_int_equal(nlh->nlmsg_len == NLMSG_LENGTH(sizeof(struct nfgenmsg)),
				 c[i].op == CTS_EXPECT_OP_FLUSH);
	}
}

static void queue_expect(uint16_t type, uint32_t timeout, uint32_t seq)
{
	struct nlmsghdr *nlh = stub_message(type, 0, seq);

	mnl_attr_put_u32(nlh, CTA_EXPECT_TIMEOUT, htonl(timeout));
	stub_queue_message(nlh);
}

static void only_an_expectation_of_this_request_is_found(void **state)
{
	static const uint8_t half[] = { 200, 0, 1, 0 };
	uint32_t now = (uint32_t)time(NULL);
	struct nlmsghdr *nlh;
	struct found f;

	stub_queue_error(EINTR);
	for (uint32_t i = 0; i < 2; i++) {
		queue_expect(CT(IPCTNL_MSG_CT_NEW), 1, now + i);
		queue_expect(EXP(IPCTNL_MSG_EXP_NEW), 2, now + i + 1000);
		nlh = stub_message(EXP(IPCTNL_MSG_EXP_NEW), 0, now + i);
		memcpy((uint8_t *)nlh + nlh->nlmsg_len, half, sizeof(half));
		nlh->nlmsg_len += sizeof(half);
		stub_queue_message(nlh);
		queue_expect(EXP(IPCTNL_MSG_EXP_NEW), 3, now + i);
	}
	assert_int_equal(request(CTS_EXPECT_OP_GET, 0, &f), 0);
	assert_int_equal(f.n, 1);
	assert_int_equal(f.timeout, 3);
}

static void a_refused_or_unanswered_request_is_an_error(void **state)
{
	struct found f;

	assert_int_equal(request(CTS_EXPECT_OP_CREATE, EEXIST, &f), EEXIST);
	assert_int_equal(f.n, 0);
	stub_reset();
	stub_fail(STUB_OPEN, EMFILE, 0);
	assert_int_equal(request(CTS_EXPECT_OP_GET, 0, &f), EMFILE);
	stub_fail(STUB_SETSOCKOPT, EPERM, 0);
	assert_int_equal(request(CTS_EXPECT_OP_GET, 0, &f), EPERM);
	stub_fail(STUB_SEND, EACCES, 0);
	assert_int_equal(request(CTS_EXPECT_OP_GET, 0, &f), EACCES);
	stub_fail(STUB_RECEIVE, EAGAIN, 0);
	assert_int_equal(request(CTS_EXPECT_OP_GET, 0, &f), ETIMEDOUT);
	stub_fail(STUB_RECEIVE, ENOBUFS, 0);
	assert_int_equal(request(CTS_EXPECT_OP_GET, 0, &f), ENOBUFS);
}

static void an_answer_without_errno_is_none(void **state)
{
	uint32_t now = (uint32_t)time(NULL);
	struct stub_datagram *d;
	struct found f;

	for (uint32_t i = 0; i < 2; i++) {
		d = stub_queue_result(NLMSG_ERROR, now + i, EPERM);
		d->len = ((struct nlmsghdr *)d->bytes)->nlmsg_len = NLMSG_LENGTH(0);
	}
	assert_int_equal(request(CTS_EXPECT_OP_GET, EPERM, &f), 0);
}

/* -- statistics -- */

struct rows {
	unsigned int n;
	struct cts_cpu_stats st[4];
};

static void row(void *ctx, const struct cts_cpu_stats *st)
{
	struct rows *r = ctx;

	assert_true(r->n < 4);
	r->st[r->n++] = *st;
}

static void queue_cpu(uint16_t type, uint16_t cpu, unsigned int first, unsigned int n)
{
	struct nlmsghdr *nlh = stub_message(type, NLM_F_MULTI, 1);

	((struct nfgenmsg *)mnl_nlmsg_get_payload(nlh))->res_id = htons(cpu);
	for (unsigned int i = 0; i < n; i++)
		mnl_attr_put_u32(nlh, (uint16_t)(first + i), htonl(100 + i));
	stub_queue_message(nlh);
}

static void values_have_the_kernels_names_or_numbers(void **state)
{
	uint16_t type = CT(IPCTNL_MSG_CT_GET_STATS_CPU);
	struct rows r = { 0 };
	struct nlmsghdr *nlh;

	queue_cpu(type, 0, CTA_STATS_SEARCHED, 2);
	queue_cpu(type, 1, 200, 1);                              /* of a newer kernel */
	nlh = stub_message(type, NLM_F_MULTI, 1);
	mnl_attr_put_u16(nlh, CTA_STATS_FOUND, 1);               /* not a number of ours */
	mnl_attr_put_u32(nlh, 0, 1);
	mnl_attr_put_u32(nlh, CTA_STATS_INSERT, htonl(9));
	stub_queue_message(nlh);
	stub_queue_result(NLMSG_DONE, 1, 0);
	assert_int_equal(cts_stats_cpu(false, row, &r), 0);
	assert_int_equal(r.n, 3);
	assert_int_equal(r.st[0].n, 2);
	assert_string_equal(r.st[0].v[0].name, "searched");
	assert_string_equal(r.st[0].v[1].name, "found");
	assert_int_equal(r.st[0].v[1].value, 101);
	assert_int_equal(r.st[1].cpu, 1);
	assert_memory_equal(r.st[1].v[0].name, "unknown", 7);
	assert_int_equal(r.st[2].n, 1);
	assert_string_equal(r.st[2].v[0].name, "insert");
	assert_int_equal(r.st[2].v[0].value, 9);
}

static void more_values_than_there_is_room_for_are_left_out(void **state)
{
	struct rows r = { 0 };

	queue_cpu(CT(IPCTNL_MSG_CT_GET_STATS_CPU), 0, 1, CTS_STATS_VALUES_MAX + 3);
	stub_queue_result(NLMSG_DONE, 1, 0);
	assert_int_equal(cts_stats_cpu(false, row, &r), 0);
	assert_int_equal(r.st[0].n, CTS_STATS_VALUES_MAX);
}

static void statistics_of_expectations_have_names_of_their_own(void **state)
{
	struct rows r = { 0 };

	queue_cpu(EXP(IPCTNL_MSG_EXP_GET_STATS_CPU), 0, CTA_STATS_EXP_NEW, 3);
	stub_queue_result(NLMSG_DONE, 1, 0);
	assert_int_equal(cts_stats_cpu(true, row, &r), 0);
	assert_string_equal(r.st[0].v[2].name, "expect_delete");
	/* without rights /proc says all it has, whichever table was asked for */
	r.n = 0;
	stub.file = "entries expect_new\n0a 02\n";
	stub_fail(STUB_OPEN, EPERM, 0);
	assert_int_equal(cts_stats_cpu(true, row, &r), 0);
	assert_int_equal(r.st[0].n, 2);
	assert_string_equal(r.st[0].v[1].name, "expect_new");
}

/* The file of /proc instead of netlink. */
static int from_proc(const char *text, struct rows *r)
{
	memset(r, 0, sizeof(*r));
	stub.file = text;
	stub_fail(STUB_OPEN, EPROTONOSUPPORT, 0);
	errno = 0;
	return cts_stats_cpu(false, row, r) < 0 ? errno : 0;
}

static void without_netlink_the_file_of_proc_is_read(void **state)
{
	struct rows r;

	assert_int_equal(from_proc("entries  searched found\n0000000a 00000001 000000ff\n"
				   "0000000a 00000002 00000003\n", &r), 0);
	assert_int_equal(r.n, 2);
	assert_int_equal(r.st[0].n, 3);
	assert_string_equal(r.st[0].v[0].name, "entries");
	assert_int_equal(r.st[0].v[0].value, 10);
	assert_string_equal(r.st[0].v[2].name, "found");
	assert_int_equal(r.st[0].v[2].value, 255);
	assert_int_equal(r.st[1].cpu, 1);
	assert_int_equal(r.st[1].v[1].value, 2);

	/* fewer numbers than names, and names that are too long */
	assert_int_equal(from_proc("entries found drop\n0a 01\n", &r), 0);
	assert_int_equal(r.st[0].n, 2);
	assert_int_equal(from_proc("found\n01 02\n", &r), 0);
	assert_int_equal(r.st[0].n, 1);
	assert_int_equal(from_proc("a_name_that_is_much_too_long_for_a_row found\n01 02\n", &r), 0);
	assert_int_equal(r.st[0].n, 1);
	assert_string_equal(r.st[0].v[0].name, "found");

	assert_int_equal(from_proc("", &r), EIO);
	stub_fail(STUB_FOPEN, EACCES, 0);
	assert_int_equal(from_proc("entries\n", &r), EACCES);
}

static void no_more_columns_than_there_is_room_for(void **state)
{
	char text[1024] = "";
	struct rows r;

	for (unsigned int i = 0; i < 2 * CTS_STATS_VALUES_MAX; i++)
		strcat(text, "a ");
	strcat(text, "\n");
	for (unsigned int i = 0; i < 2 * CTS_STATS_VALUES_MAX; i++)
		strcat(text, "1 ");
	strcat(text, "\n");
	assert_int_equal(from_proc(text, &r), 0);
	assert_int_equal(r.st[0].n, CTS_STATS_VALUES_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_call_that_fails_is_reported, fresh),
		cmocka_unit_test_setup(groups_follow_types_and_tables, fresh),
		cmocka_unit_test_setup(messages_become_events_of_their_kind, fresh),
		cmocka_unit_test_setup(what_is_no_event_is_counted, fresh),
		cmocka_unit_test_setup(many_messages_of_a_datagram_are_several_batches, fresh),
		cmocka_unit_test_setup(reading_ends_without_an_error_when_there_is_nothing, fresh),
		cmocka_unit_test_setup(the_kernels_counter_of_drops_may_wrap, fresh),
		cmocka_unit_test_setup(new_flows_are_left_and_joined_again, fresh),
		cmocka_unit_test_setup(a_receive_buffer_is_what_the_kernel_grants, fresh),
		cmocka_unit_test_setup(a_question_has_an_answer_or_an_error, fresh),
		cmocka_unit_test_setup(each_request_says_what_it_needs, fresh),
		cmocka_unit_test_setup(only_an_expectation_of_this_request_is_found, fresh),
		cmocka_unit_test_setup(a_refused_or_unanswered_request_is_an_error, fresh),
		cmocka_unit_test_setup(an_answer_without_errno_is_none, fresh),
		cmocka_unit_test_setup(values_have_the_kernels_names_or_numbers, fresh),
		cmocka_unit_test_setup(more_values_than_there_is_room_for_are_left_out, fresh),
		cmocka_unit_test_setup(statistics_of_expectations_have_names_of_their_own, fresh),
		cmocka_unit_test_setup(without_netlink_the_file_of_proc_is_read, fresh),
		cmocka_unit_test_setup(no_more_columns_than_there_is_room_for, fresh),
	};

	return cmocka_run_group_tests_name("event replies", tests, NULL, fresh);
}
