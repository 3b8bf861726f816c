/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The dump against a socket of cardboard: what it asks for, which answers count, how
 * it ends, and entries that an old kernel sends although they were not asked for. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/flow/codec.h"
#include "core/kernel/dump.h"
#include "core/kernel/nl.h"
#include "tests/unit/socket_stub.h"

#define BIT(attr) CTS_FLOW_BIT(CTS_FLOW_##attr)
#define CT_NEW (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW)
#define EXP_NEW (NFNL_SUBSYS_CTNETLINK_EXP << 8 | IPCTNL_MSG_EXP_NEW)

static int fresh(void **state)
{
	stub_reset();
	return 0;
}

static struct cts_dump *open_dump(const struct cts_dump_conf *conf)
{
	static const struct cts_dump_conf all = { .table = CTS_TABLE_CONNTRACK };
	struct cts_dump *d = cts_dump_open(conf ? conf : &all);

	assert_non_null(d);
	return d;
}

struct seen {
	size_t n, batches;
	struct cts_flow flow;    /* the last one */
	bool expect;
};

static void see(void *ctx, const struct cts_event *const *ev, size_t n)
{
	struct seen *s = ctx;

	s->batches++;
	s->n += n;
	s->expect = ev[n - 1]->expect;
	if (ev[n - 1]->flow)
		s->flow = *ev[n - 1]->flow;
	assert_int_equal(ev[n - 1]->type, CTS_EVENT_NEW);
	assert_int_equal(ev[n - 1]->origin, CTS_ORIGIN_DUMP);
	errno = 0;   /* nobody relies on it */
}

/* The whole dump: 0, or its errno. */
static int run_dump(struct cts_dump *d, struct seen *s)
{
	memset(s, 0, sizeof(*s));
	errno = 0;
	return cts_dump_run(d, see, s) < 0 ? errno : 0;
}

static void make_flow(struct cts_flow *f)
{
	memset(f, 0, sizeof(*f));
	f->orig.family = AF_INET;
	f->orig.proto = IPPROTO_TCP;
	f->orig.src.v4 = inet_addr("192.0.2.1");
	f->orig.dst.v4 = inet_addr("198.51.100.2");
	f->orig.sport = htons(40000);
	f->orig.dport = htons(443);
	cts_tuple_invert(&f->orig, &f->reply);
	f->status = IPS_CONFIRMED | IPS_ASSURED;
	f->mark = 0x17;
	f->present = BIT(ORIG) | BIT(REPLY) | BIT(STATUS) | BIT(MARK);
}

static struct stub_datagram *queue_entry(const struct cts_flow *f)
{
	struct nlmsghdr *nlh = stub_message(CT_NEW, 0, stub_sent_seq());

	assert_int_equal(cts_flow_encode(nlh, 4096, f, f->present), 0);
	return stub_queue_message(nlh);
}

static void queue_done(void)
{
	stub_queue_result(NLMSG_DONE, stub_sent_seq(), 0);
}

/* -- opening -- */

static void each_call_that_fails_is_reported(void **state)
{
	static const struct { enum stub_call call; int error; } c[] = {
		{ STUB_CALLOC, ENOMEM }, { STUB_MALLOC, ENOMEM }, { STUB_OPEN, EMFILE },
		{ STUB_BIND, ENOBUFS }, { STUB_SETSOCKOPT, EPERM }, { STUB_SEND, EACCES },
	};
	const struct cts_dump_conf conf = { .table = CTS_TABLE_CONNTRACK };

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		stub_fail(c[i].call, c[i].error, 0);
		errno = 0;
		assert_null(cts_dump_open(&conf));
		assert_int_equal(errno, c[i].error);
	}
	cts_dump_close(NULL);
}

static uint16_t sent_type(void)
{
	return ((const struct nlmsghdr *)stub.sent)->nlmsg_type;
}

static void each_table_has_its_request(void **state)
{
	static const struct { struct cts_dump_conf conf; unsigned int subsys, type; } c[] = {
		{ { .table = CTS_TABLE_CONNTRACK }, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET },
		{ { .table = CTS_TABLE_CONNTRACK, .zero_counters = true }, NFNL_SUBSYS_CTNETLINK,
		  IPCTNL_MSG_CT_GET_CTRZERO },
		{ { .table = CTS_TABLE_DYING }, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET_DYING },
		{ { .table = CTS_TABLE_UNCONFIRMED }, NFNL_SUBSYS_CTNETLINK,
		  IPCTNL_MSG_CT_GET_UNCONFIRMED },
		{ { .table = CTS_TABLE_EXPECT }, NFNL_SUBSYS_CTNETLINK_EXP, IPCTNL_MSG_EXP_GET },
	};

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		cts_dump_close(open_dump(&c[i].conf));
		assert_int_equal(sent_type(), cts_nl_msg(c[i].subsys, c[i].type));
		assert_true(((const struct nlmsghdr *)stub.sent)->nlmsg_flags & NLM_F_DUMP);
		/* without conditions: nothing but the two headers */
		assert_int_equal(stub.sent_len, NLMSG_LENGTH(sizeof(struct nfgenmsg)));
	}
}

/* -- conditions that the kernel is asked for -- */

struct asked {
	bool mark, status, zone, filter;
	uint32_t mark_mask, status_mask, orig, reply;
	uint8_t family;
};

static int read_filter(const struct nlattr *attr, void *ctx)
{
	struct asked *a = ctx;

	if (mnl_attr_get_type(attr) == CTA_FILTER_ORIG_FLAGS)
		a->orig = mnl_attr_get_u32(attr);
	if (mnl_attr_get_type(attr) == CTA_FILTER_REPLY_FLAGS)
		a->reply = mnl_attr_get_u32(attr);
	return MNL_CB_OK;
}

static int read_request(const struct nlattr *attr, void *ctx)
{
	struct asked *a = ctx;

	switch (mnl_attr_get_type(attr)) {
	case CTA_MARK:
		a->mark = true;
		break;
	case CTA_MARK_MASK:
		a->mark_mask = ntohl(mnl_attr_get_u32(attr));
		break;
	case CTA_STATUS:
		a->status = true;
		break;
	case CTA_STATUS_MASK:
		a->status_mask = ntohl(mnl_attr_get_u32(attr));
		break;
	case CTA_ZONE:
		a->zone = true;
		break;
	case CTA_FILTER:
		a->filter = true;
		mnl_attr_parse_nested(attr, read_filter, a);
		break;
	}
	return MNL_CB_OK;
}

static struct asked ask(const struct cts_dump_conf *conf)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)stub.sent;
	struct asked a = { 0 };

	cts_dump_close(open_dump(conf));
	a.family = ((const struct nfgenmsg *)mnl_nlmsg_get_payload(nlh))->nfgen_family;
	mnl_attr_parse(nlh, sizeof(struct nfgenmsg), read_request, &a);
	return a;
}

static void masks_are_all_bits_unless_given(void **state)
{
	struct cts_dump_conf conf = {
		.has_mark = true, .mark = 1, .has_status = true, .status = IPS_ASSURED,
		.has_zone = true, .zone = 5,
	};
	struct asked a = ask(&conf);

	assert_true(a.mark && a.status && a.zone && !a.filter);
	assert_int_equal(a.mark_mask, UINT32_MAX);
	assert_int_equal(a.status_mask, IPS_ASSURED);
	conf.mark_mask = 0xff;
	conf.status_mask = IPS_ASSURED | IPS_SEEN_REPLY;
	a = ask(&conf);
	assert_int_equal(a.mark_mask, 0xff);
	assert_int_equal(a.status_mask, IPS_ASSURED | IPS_SEEN_REPLY);
	/* a status without bits would select all there: it is not sent */
	conf.status = 0;
	assert_false(ask(&conf).status);
	/* and other tables know no conditions */
	conf.table = CTS_TABLE_DYING;
	a = ask(&conf);
	assert_false(a.mark || a.status || a.zone || a.filter);
}

enum { SRC = 1, DST = 2, PROTO = 8, SPORT = 16, DPORT = 32, TYPE = 64, CODE = 128, ID = 256,
       TYPE6 = 512, CODE6 = 1024, ID6 = 2048 };

static void each_member_of_a_tuple_has_its_flag(void **state)
{
	static const struct { struct cts_tuple t; uint32_t flags; } c[] = {
		{ { .family = AF_INET }, 0 },
		{ { .family = AF_INET, .proto = IPPROTO_UDP }, PROTO },
		{ { .family = AF_INET, .src.v6 = { 1 } }, SRC },
		{ { .family = AF_INET, .dst.v6 = { 1 } }, DST },
		/* ports without a protocol mean nothing to the kernel */
		{ { .family = AF_INET, .src.v6 = { 1 }, .sport = 1, .dport = 1 }, SRC },
		{ { .family = AF_INET, .proto = IPPROTO_TCP, .sport = 1 }, PROTO | SPORT },
		{ { .family = AF_INET, .proto = IPPROTO_TCP, .dport = 1 }, PROTO | DPORT },
		{ { .family = AF_INET, .proto = IPPROTO_ICMP }, PROTO },
		{ { .family = AF_INET, .proto = IPPROTO_ICMP, .icmp_type = 8 }, PROTO | TYPE },
		{ { .family = AF_INET, .proto = IPPROTO_ICMP, .icmp_code = 1 }, PROTO | CODE },
		{ { .family = AF_INET, .proto = IPPROTO_ICMP, .sport = 1 }, PROTO | ID },
		{ { .family = AF_INET6, .proto = IPPROTO_ICMPV6, .icmp_type = 128 }, PROTO | TYPE6 },
		{ { .family = AF_INET6, .proto = IPPROTO_ICMPV6, .icmp_code = 1 }, PROTO | CODE6 },
		{ { .family = AF_INET6, .proto = IPPROTO_ICMPV6, .sport = 1 }, PROTO | ID6 },
		/* kernels compare IPv6 addresses the wrong way round */
		{ { .family = AF_INET6, .src.v6 = { 0, 0, 0, 1 }, .dst.v6 = { 1 } }, 0 },
		{ { .family = AF_INET6, .proto = IPPROTO_UDP, .src.v6 = { 1 } }, PROTO },
	};

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		for (int reply = 0; reply < 2; reply++) {
			struct cts_flow f = { .present = reply ? BIT(REPLY) : BIT(ORIG) };
			const struct cts_dump_conf conf = { .filter = &f };
			struct asked a;

			*(reply ? &f.reply : &f.orig) = c[i].t;
			a = ask(&conf);
			assert_int_equal(a.family, c[i].t.family);
			if (a.filter != (c[i].flags != 0) || (reply ? a.reply : a.orig) != c[i].flags ||
			    (reply ? a.orig : a.reply) != 0)
				fail_msg("case %zu: flags %x and %x", i, a.orig, a.reply);
		}
	}
}

static void a_filter_needs_a_family(void **state)
{
	struct cts_flow f = { .present = BIT(ORIG), .orig.proto = IPPROTO_TCP };
	struct cts_dump_conf conf = { .filter = &f };

	assert_false(ask(&conf).filter);
	conf.family = AF_INET6;
	assert_int_equal(ask(&conf).orig, PROTO);
	/* a filter of nothing else than its family */
	f.present = BIT(MARK);
	conf.family = AF_UNSPEC;
	assert_false(ask(&conf).filter);
}

/* -- entries that were not asked for -- */

/* Does the dump hand on this entry? */
static bool hands_on(const struct cts_dump_conf *conf, const struct cts_flow *f)
{
	struct cts_dump *d = open_dump(conf);
	struct seen s;

	queue_entry(f);
	queue_done();
	assert_int_equal(run_dump(d, &s), 0);
	assert_int_equal(cts_dump_malformed(d), 0);
	cts_dump_close(d);
	stub_reset();
	return s.n;
}

static void conditions_hold_for_what_the_kernel_sends(void **state)
{
	struct cts_flow f, plain;

	make_flow(&f);
	plain = f;
	plain.present &= ~BIT(MARK);
	assert_true(hands_on(&(struct cts_dump_conf){ .family = AF_INET }, &f));
	assert_false(hands_on(&(struct cts_dump_conf){ .family = AF_INET6 }, &f));
	assert_true(hands_on(&(struct cts_dump_conf){ .has_mark = true, .mark = 0x17 }, &f));
	assert_false(hands_on(&(struct cts_dump_conf){ .has_mark = true, .mark = 0x07 }, &f));
	assert_true(hands_on(&(struct cts_dump_conf){ .has_mark = true, .mark = 0x07,
						      .mark_mask = 0x0f }, &f));
	assert_false(hands_on(&(struct cts_dump_conf){ .has_mark = true, .mark = 0x17 }, &plain));
	assert_true(hands_on(&(struct cts_dump_conf){ .has_mark = true }, &plain));
	assert_true(hands_on(&(struct cts_dump_conf){ .has_status = true, .status = IPS_ASSURED },
			     &f));
	assert_false(hands_on(&(struct cts_dump_conf){ .has_status = true,
						       .status = IPS_SEEN_REPLY }, &f));
	assert_true(hands_on(&(struct cts_dump_conf){ .has_zone = true }, &f));
	assert_false(hands_on(&(struct cts_dump_conf){ .has_zone = true, .zone = 5 }, &f));
	f.zone = 5;
	f.present |= BIT(ZONE);
	assert_true(hands_on(&(struct cts_dump_conf){ .has_zone = true, .zone = 5 }, &f));
	assert_false(hands_on(&(struct cts_dump_conf){ .has_zone = true }, &f));
}

static void each_member_of_a_filter_counts(void **state)
{
	struct cts_flow f, icmp, filter;
	const struct cts_dump_conf conf = { .filter = &filter };

	make_flow(&f);
	icmp = f;
	icmp.orig.proto = IPPROTO_ICMP;
	icmp.orig.dport = 0;
	icmp.orig.icmp_type = 8;
	icmp.orig.icmp_code = 1;
	cts_tuple_invert(&icmp.orig, &icmp.reply);
#define FILTER(member, same, other, flow)                                               \
	do {                                                                            \
		memset(&filter, 0, sizeof(filter));                                     \
		filter.present = BIT(ORIG);                                             \
		filter.orig.member = (same);                                            \
		assert_true(hands_on(&conf, flow));                                     \
		filter.orig.member = (other);                                           \
		assert_false(hands_on(&conf, flow));                                    \
	} while (0)
	FILTER(family, AF_INET, AF_INET6, &f);
	FILTER(proto, IPPROTO_TCP, IPPROTO_UDP, &f);
	FILTER(src.v4, inet_addr("192.0.2.1"), inet_addr("192.0.2.2"), &f);
	FILTER(dst.v4, inet_addr("198.51.100.2"), inet_addr("192.0.2.1"), &f);
	FILTER(sport, htons(40000), htons(443), &f);
	FILTER(dport, htons(443), htons(40000), &f);
	FILTER(icmp_type, 8, 3, &icmp);
	FILTER(icmp_code, 1, 2, &icmp);
#undef FILTER
	memset(&filter, 0, sizeof(filter));
	filter.present = BIT(REPLY);
	filter.reply.sport = htons(443);
	assert_true(hands_on(&conf, &f));
	filter.reply.sport = htons(40000);
	assert_false(hands_on(&conf, &f));
}

/* -- answers -- */

static void a_dump_ends_as_the_kernel_says(void **state)
{
	static const struct { uint16_t type; int kernel, error; } c[] = {
		{ NLMSG_DONE, 0, 0 }, { NLMSG_DONE, EINVAL, EINVAL }, { NLMSG_ERROR, EPERM, EPERM },
		{ NLMSG_ERROR, 0, 0 }, { NLMSG_ERROR, -5, EPROTO },
	};

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct cts_dump *d = open_dump(NULL);
		struct seen s;

		stub_queue_result(c[i].type, stub_sent_seq(), c[i].kernel);
		assert_int_equal(run_dump(d, &s), c[i].error);
		/* what is over stays over */
		assert_int_equal(cts_dump_step(d, see, &s), 0);
		cts_dump_close(d);
		stub_reset();
	}
}

static void an_end_without_a_result_is_a_good_one(void **state)
{
	struct cts_dump *d = open_dump(NULL);
	struct stub_datagram *end = stub_queue_result(NLMSG_DONE, stub_sent_seq(), 7);
	struct seen s;

	end->len = ((struct nlmsghdr *)end->bytes)->nlmsg_len = NLMSG_LENGTH(0);
	assert_int_equal(run_dump(d, &s), 0);
	cts_dump_close(d);
}

static void an_interrupted_dump_is_reported_at_its_end(void **state)
{
	struct cts_dump *d = open_dump(NULL);
	struct cts_flow f;
	struct seen s;

	make_flow(&f);
	queue_entry(&f);
	((struct nlmsghdr *)stub.queue[0].bytes)->nlmsg_flags |= NLM_F_DUMP_INTR;
	queue_entry(&f);
	queue_done();
	assert_int_equal(run_dump(d, &s), EINTR);
	assert_int_equal(s.n, 2);
	cts_dump_close(d);
}

static void the_end_of_a_chunk_comes_after_its_entries(void **state)
{
	struct cts_dump *d = open_dump(NULL);
	uint8_t both[8192];
	struct stub_datagram *entry, *end;
	struct cts_flow f;
	struct seen s;

	make_flow(&f);
	entry = queue_entry(&f);
	end = stub_queue_result(NLMSG_DONE, stub_sent_seq(), EBADF);
	memcpy(both, entry->bytes, entry->len);
	memcpy(both + entry->len, end->bytes, end->len);
	memcpy(both + entry->len + end->len, entry->bytes, entry->len);
	stub.taken = 2;
	stub_queue(both, 2 * entry->len + end->len);
	/* the entry is handed on, the errno survives that, and nothing follows an end */
	assert_int_equal(run_dump(d, &s), EBADF);
	assert_int_equal(s.n, 1);
	cts_dump_close(d);
}

static void only_the_kernels_answers_to_this_request_count(void **state)
{
	struct cts_dump *d = open_dump(NULL);
	struct cts_flow f;
	struct seen s;

	make_flow(&f);
	stub_queue_error(EINTR);
	queue_entry(&f)->portid = 4711;
	((struct nlmsghdr *)queue_entry(&f)->bytes)->nlmsg_seq++;
	((struct nlmsghdr *)queue_entry(&f)->bytes)->nlmsg_type = NLMSG_NOOP;
	queue_entry(&f);
	queue_done();
	assert_int_equal(run_dump(d, &s), 0);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.flow.mark, 0x17);
	cts_dump_close(d);
}

static void a_socket_that_fails_ends_the_dump(void **state)
{
	struct cts_dump *d = open_dump(NULL);
	struct cts_flow f;
	struct seen s;

	make_flow(&f);
	queue_entry(&f);
	stub_queue_error(ENOBUFS);
	assert_int_equal(run_dump(d, &s), ENOBUFS);
	assert_int_equal(s.n, 1);
	assert_int_equal(cts_dump_step(d, see, &s), 0);
	cts_dump_close(d);

	stub_reset();
	d = open_dump(NULL);
	queue_entry(&f)->flags = MSG_TRUNC;
	assert_int_equal(run_dump(d, &s), EMSGSIZE);
	cts_dump_close(d);
}

/* Three that are no entries, and one. */
static void queue_broken(uint16_t type)
{
	static const uint8_t half[] = { 200, 0, 1, 0 };   /* an attribute beyond the end */
	struct nlmsghdr *nlh = stub_message(type, 0, stub_sent_seq());

	memcpy((uint8_t *)nlh + nlh->nlmsg_len, half, sizeof(half));
	nlh->nlmsg_len += sizeof(half);
	stub_queue_message(nlh);
	nlh->nlmsg_len = NLMSG_LENGTH(2);
	stub_queue_message(nlh);
	stub_queue_message(stub_message(type, 0, stub_sent_seq()));
}

static void malformed_entries_are_counted(void **state)
{
	static const uint16_t type[] = { CT_NEW, EXP_NEW };

	for (int i = 0; i < 2; i++) {
		struct cts_dump *d = open_dump(NULL);
		struct seen s;

		queue_broken(type[i]);
		queue_done();
		assert_int_equal(run_dump(d, &s), 0);
		assert_int_equal(s.n, 1);
		assert_int_equal(s.expect, i);
		assert_int_equal(cts_dump_malformed(d), 2);
		cts_dump_close(d);
		stub_reset();
	}
}

static void a_chunk_of_many_entries_is_several_batches(void **state)
{
	struct cts_dump *d = open_dump(NULL);
	struct nlmsghdr *nlh = stub_message(CT_NEW, 0, stub_sent_seq());
	static uint8_t chunk[1100 * 20];
	struct seen s;

	for (size_t i = 0; i < 1100; i++)
		memcpy(chunk + i * 20, nlh, 20);
	stub_queue(chunk, sizeof(chunk));
	queue_done();
	assert_int_equal(run_dump(d, &s), 0);
	assert_int_equal(s.n, 1100);
	assert_int_equal(s.batches, 3);
	cts_dump_close(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_call_that_fails_is_reported, fresh),
		cmocka_unit_test_setup(each_table_has_its_request, fresh),
		cmocka_unit_test_setup(masks_are_all_bits_unless_given, fresh),
		cmocka_unit_test_setup(each_member_of_a_tuple_has_its_flag, fresh),
		cmocka_unit_test_setup(a_filter_needs_a_family, fresh),
		cmocka_unit_test_setup(conditions_hold_for_what_the_kernel_sends, fresh),
		cmocka_unit_test_setup(each_member_of_a_filter_counts, fresh),
		cmocka_unit_test_setup(a_dump_ends_as_the_kernel_says, fresh),
		cmocka_unit_test_setup(an_end_without_a_result_is_a_good_one, fresh),
		cmocka_unit_test_setup(an_interrupted_dump_is_reported_at_its_end, fresh),
		cmocka_unit_test_setup(the_end_of_a_chunk_comes_after_its_entries, fresh),
		cmocka_unit_test_setup(only_the_kernels_answers_to_this_request_count, fresh),
		cmocka_unit_test_setup(a_socket_that_fails_ends_the_dump, fresh),
		cmocka_unit_test_setup(malformed_entries_are_counted, fresh),
		cmocka_unit_test_setup(a_chunk_of_many_entries_is_several_batches, fresh),
	};

	return cmocka_run_group_tests_name("dump replies", tests, NULL, fresh);
}
