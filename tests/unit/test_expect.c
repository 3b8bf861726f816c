/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Expectations, with libnetfilter_conntrack as the oracle: what it builds we decode, what
 * we encode it parses, and its text and XML are ours, byte for byte.
 */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>

#include <libnetfilter_conntrack/libnetfilter_conntrack.h>

#include <ctsync/text.h>

#include "core/flow/expect.h"
#include "tests/unit/flow_gen.h"

#define RECORDS 20000
#define ALL UINT64_MAX

union message {
	struct nlmsghdr nlh;
	uint8_t bytes[2048];
};

static void message_init(union message *m, uint8_t family)
{
	struct nfgenmsg *nfg;

	memset(m, 0, sizeof(*m));
	m->nlh.nlmsg_len = NLMSG_LENGTH(sizeof(*nfg));
	m->nlh.nlmsg_type = NFNL_SUBSYS_CTNETLINK_EXP << 8 | IPCTNL_MSG_EXP_NEW;
	nfg = NLMSG_DATA(&m->nlh);
	nfg->nfgen_family = family;
}

/* One of the protocols that helpers expect. */
static void gen_expect_tuple(struct rng *r, struct cts_tuple *t, uint8_t family, uint8_t proto)
{
	memset(t, 0, sizeof(*t));
	t->family = family;
	t->proto = proto;
	gen_addr(r, family, &t->src);
	gen_addr(r, family, &t->dst);
	if (cts_l4_kind(proto) == CTS_L4_PORTS) {
		t->sport = (uint16_t)rng_number(r, 16);
		t->dport = (uint16_t)rng_number(r, 16);
	} else if (cts_l4_kind(proto) == CTS_L4_ICMP) {
		t->sport = (uint16_t)rng_number(r, 16);
		t->icmp_type = 8;
	}
}

static bool coin(struct rng *r, struct cts_expect *e, enum cts_expect_attr attr)
{
	bool has = rng_below(r, 2);

	e->present |= has ? CTS_EXPECT_BIT(attr) : 0;
	return has;
}

static void gen_expect(struct rng *r, struct cts_expect *e)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_GRE,
					  IPPROTO_ICMP, 99 };
	static const char *const helpers[] = { "ftp", "sip-5060", "Q.931", "" };
	uint8_t family = rng_below(r, 2) ? AF_INET : AF_INET6, proto = protos[rng_below(r, 6)];

	memset(e, 0, sizeof(*e));
	e->present = CTS_EXPECT_BIT(CTS_EXPECT_EXPECTED) | CTS_EXPECT_BIT(CTS_EXPECT_MASK) |
		     CTS_EXPECT_BIT(CTS_EXPECT_MASTER);
	gen_expect_tuple(r, &e->expected, family, proto);
	gen_expect_tuple(r, &e->mask, family, proto);
	gen_expect_tuple(r, &e->master, family, proto);
	if (coin(r, e, CTS_EXPECT_TIMEOUT))
		e->timeout = (uint32_t)rng_number(r, 31);
	if (coin(r, e, CTS_EXPECT_ZONE))
		e->zone = (uint16_t)rng_number(r, 16);
	if (coin(r, e, CTS_EXPECT_FLAGS))
		e->flags = rng_below(r, 8);
	if (coin(r, e, CTS_EXPECT_CLASS))
		e->class_id = (uint32_t)rng_number(r, 32);
	if (coin(r, e, CTS_EXPECT_HELPER))
		e->helper = helpers[rng_below(r, 3)];
	if (coin(r, e, CTS_EXPECT_ID))
		e->id = (uint32_t)rng_number(r, 32);
	if (coin(r, e, CTS_EXPECT_NAT)) {
		gen_expect_tuple(r, &e->nat, family, proto);
		e->nat_dir = rng_below(r, 2);
	}
	if (coin(r, e, CTS_EXPECT_FN))
		e->fn = "nat-follow-master";
	e->helper_len = e->helper ? (uint16_t)strlen(e->helper) : 0;
	e->fn_len = e->fn ? (uint16_t)strlen(e->fn) : 0;
}

static void assert_same(const struct cts_expect *a, const struct cts_expect *b)
{
	assert_true(a->present == b->present);
	assert_memory_equal(&a->expected, &b->expected, sizeof(a->expected));
	assert_memory_equal(&a->mask, &b->mask, sizeof(a->mask));
	assert_memory_equal(&a->master, &b->master, sizeof(a->master));
	if (cts_expect_has(a, CTS_EXPECT_TIMEOUT))
		assert_int_equal(a->timeout, b->timeout);
	if (cts_expect_has(a, CTS_EXPECT_ZONE))
		assert_int_equal(a->zone, b->zone);
	if (cts_expect_has(a, CTS_EXPECT_FLAGS))
		assert_int_equal(a->flags, b->flags);
	if (cts_expect_has(a, CTS_EXPECT_CLASS))
		assert_int_equal(a->class_id, b->class_id);
	if (cts_expect_has(a, CTS_EXPECT_ID))
		assert_int_equal(a->id, b->id);
	if (cts_expect_has(a, CTS_EXPECT_HELPER))
		assert_string_equal(a->helper, b->helper);
	if (cts_expect_has(a, CTS_EXPECT_FN))
		assert_string_equal(a->fn, b->fn);
	if (!cts_expect_has(a, CTS_EXPECT_NAT))
		return;
	assert_memory_equal(&a->nat, &b->nat, sizeof(a->nat));
	assert_int_equal(a->nat_dir, b->nat_dir);
}

static void decoding_gives_back_what_was_encoded(void **state)
{
	struct cts_expect in, out;
	struct rng r = { 1 };
	union message m;

	(void)state;
	for (int i = 0; i < RECORDS; i++) {
		gen_expect(&r, &in);
		message_init(&m, in.expected.family);
		assert_int_equal(cts_expect_encode(&m.nlh, sizeof(m), &in, ALL), 0);
		assert_int_equal(cts_expect_decode(&m.nlh, &out), 0);
		assert_same(&in, &out);
	}
}

/* The library's blanks and ours, for every type of event. */
static void assert_forms(const struct cts_expect *e, const struct nf_expect *exp)
{
	static const unsigned int types[] = { NFCT_T_UNKNOWN, NFCT_T_NEW, NFCT_T_UPDATE,
					      NFCT_T_DESTROY };
	char want[2048], got[2048];
	uint64_t now = (uint64_t)time(NULL) * 1000000000u;

	assert_true(nfexp_snprintf(want, sizeof(want), exp, NFCT_T_UNKNOWN, NFCT_O_DEFAULT, 0) > 0);
	assert_int_equal(cts_expect_format(e, got, sizeof(got)), strlen(want));
	assert_string_equal(got, want);
	for (int t = 0; t < 4; t++) {
		nfexp_snprintf(want, sizeof(want), exp, types[t], NFCT_O_XML, 0);
		assert_int_equal(cts_expect_format_xml(e, t - 1, 0, now, got, sizeof(got)),
				 strlen(want));
		assert_string_equal(got, want);
	}
}

static void text_and_xml_are_those_of_the_library(void **state)
{
	struct cts_expect e;
	struct rng r = { 2 };
	union message m;

	(void)state;
	for (int i = 0; i < RECORDS; i++) {
		struct nf_expect *exp = nfexp_new();

		gen_expect(&r, &e);
		message_init(&m, e.expected.family);
		assert_int_equal(cts_expect_encode(&m.nlh, sizeof(m), &e, ALL), 0);
		assert_int_equal(nfexp_nlmsg_parse(&m.nlh, exp), 0);
		assert_forms(&e, exp);
		nfexp_destroy(exp);
	}
}

/* Both clocks are read: the second may have changed between them. */
static void the_moment_is_that_of_the_library(void **state)
{
	static const char *const zones[] = { "UTC0", "A-3:07", "B5:51", "C-11:59" };
	struct nf_expect *exp = nfexp_new();
	char want[2048], got[2048];
	struct cts_expect e;
	struct rng r = { 3 };
	union message m;
	time_t before;

	(void)state;
	gen_expect(&r, &e);
	message_init(&m, e.expected.family);
	assert_int_equal(cts_expect_encode(&m.nlh, sizeof(m), &e, ALL), 0);
	assert_int_equal(nfexp_nlmsg_parse(&m.nlh, exp), 0);
	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
		setenv("TZ", zones[i], 1);
		tzset();
		do {
			before = time(NULL);
			nfexp_snprintf(want, sizeof(want), exp, NFCT_T_NEW, NFCT_O_XML,
				       NFCT_OF_TIME);
		} while (time(NULL) != before);
		cts_expect_format_xml(&e, 0, CTS_FORMAT_WHEN, (uint64_t)before * 1000000000u, got,
				      sizeof(got));
		assert_string_equal(got, want);
	}
	/* What falls on a minute and second below ten. */
	setenv("TZ", "UTC0", 1);
	tzset();
	cts_expect_format_xml(&e, 0, CTS_FORMAT_WHEN, UINT64_C(1795471449000000000), got,
			      sizeof(got));
	assert_non_null(strstr(got, "<min>04</min><sec>09</sec>"));
	nfexp_destroy(exp);
}

static void a_form_that_does_not_fit_is_refused(void **state)
{
	char buf[2048];
	struct cts_expect e;
	struct rng r = { 4 };
	size_t len, xml;

	(void)state;
	gen_expect(&r, &e);
	len = cts_expect_format(&e, buf, sizeof(buf));
	xml = cts_expect_format_xml(&e, 0, 0, 0, buf, sizeof(buf));
	for (size_t size = 0; size <= len; size++) {
		errno = 0;
		assert_int_equal(cts_expect_format(&e, buf, size), 0);
		assert_int_equal(errno, ENOSPC);
	}
	for (size_t size = 0; size <= xml; size++)
		assert_int_equal(cts_expect_format_xml(&e, 0, 0, 0, buf, size), 0);
	assert_int_equal(cts_expect_format_xml(&e, 0, 0, 0, buf, xml + 1), xml);
}

/* In memory of exactly their size, where a sanitizer sees what is read behind it. */
static void damaged_messages_never_read_past_their_end(void **state)
{
	struct cts_expect e, out;
	struct rng r = { 5 };
	unsigned int refused = 0;
	union message m;

	(void)state;
	for (int i = 0; i < RECORDS; i++) {
		size_t len;
		struct nlmsghdr *copy;

		gen_expect(&r, &e);
		message_init(&m, e.expected.family);
		assert_int_equal(cts_expect_encode(&m.nlh, sizeof(m), &e, ALL), 0);
		len = 16 + rng_below(&r, m.nlh.nlmsg_len - 15);
		copy = malloc(len);
		assert_non_null(copy);
		m.nlh.nlmsg_len = (uint32_t)len;
		memcpy(copy, &m, len);
		for (unsigned int n = rng_below(&r, 3); n && len > 20; n--)
			((uint8_t *)copy)[20 + rng_below(&r, (uint32_t)len - 20)] ^=
				(uint8_t)(1 + rng_below(&r, 255));
		refused += cts_expect_decode(copy, &out) < 0;
		free(copy);
	}
	assert_in_range(refused, RECORDS / 4, RECORDS - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decoding_gives_back_what_was_encoded),
		cmocka_unit_test(text_and_xml_are_those_of_the_library),
		cmocka_unit_test(the_moment_is_that_of_the_library),
		cmocka_unit_test(a_form_that_does_not_fit_is_refused),
		cmocka_unit_test(damaged_messages_never_read_past_their_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
