/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The codec and the text line, with libnetfilter_conntrack as the oracle: for
 * generated flows our message is what the library parses, and our line is what
 * the library prints, byte for byte.
 */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>

#include <ctsync/labelmap.h>
#include <ctsync/nfct.h>
#include <ctsync/text.h>

#include "core/flow/codec.h"
#include "tests/unit/flow_gen.h"

#define FLOWS 30000
#define NS_PER_S UINT64_C(1000000000)

union message {
	struct nlmsghdr nlh;
	uint8_t bytes[4096];
};

static struct nfgenmsg *message_init(union message *m, uint8_t family)
{
	struct nfgenmsg *nfg;

	memset(&m->nlh, 0, sizeof(m->nlh) + sizeof(*nfg));
	m->nlh.nlmsg_len = NLMSG_LENGTH(sizeof(*nfg));
	m->nlh.nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
	nfg = NLMSG_DATA(&m->nlh);
	nfg->nfgen_family = family;
	return nfg;
}

/* gen_flow() and what only kernels tell. Stop is always known with start: else
 * the library reads the clock. */
static void gen_reported(struct rng *r, struct cts_flow_store *s)
{
	struct cts_flow *f = &s->flow;

	gen_flow(r, s);
	if (!cts_flow_has(f, CTS_FLOW_REPLY)) /* netlink tells a direction's zone in its tuple */
		f->present &= ~CTS_FLOW_BIT(CTS_FLOW_ZONE_REPLY);
	for (int dir = 0; dir < 2; dir++) {
		if (!gen_has(r, f, CTS_FLOW_COUNTERS_ORIG + dir, 2))
			continue;
		f->packets[dir] = rng_number(r, 64);
		f->bytes[dir] = rng_number(r, 64);
	}
	if (gen_has(r, f, CTS_FLOW_START, 2)) {
		f->start_ns = rng_number(r, 61);
		f->stop_ns = rng_number(r, 61) + 1;
		f->present |= CTS_FLOW_BIT(CTS_FLOW_STOP);
	}
	if (gen_has(r, f, CTS_FLOW_SECMARK, 4))
		f->secmark = (uint32_t)rng_number(r, 32);
	if (gen_has(r, f, CTS_FLOW_SECCTX, 4)) {
		f->secctx = "system_u:object_r:ssh_server_packet_t:s0";
		f->secctx_len = (uint16_t)strlen(f->secctx);
	}
	if (gen_has(r, f, CTS_FLOW_ID, 2))
		f->id = (uint32_t)rng_number(r, 32);
	if (gen_has(r, f, CTS_FLOW_USE, 2))
		f->use = (uint32_t)rng_number(r, 32);
}

static void encode(union message *m, const struct cts_flow *f)
{
	message_init(m, f->orig.family);
	assert_int_equal(cts_flow_encode(&m->nlh, sizeof(*m), f, ~UINT64_C(0)), 0);
}

/* Attributes that CTA_* cannot tell apart from others, or not both ways. */
static void assert_decoded(const struct cts_flow *in, const struct cts_flow *out)
{
	union message a, b;

	assert_int_equal(in->present, out->present);
	encode(&a, in);
	encode(&b, out);
	assert_int_equal(a.nlh.nlmsg_len, b.nlh.nlmsg_len);
	assert_memory_equal(a.bytes, b.bytes, a.nlh.nlmsg_len);
	assert_memory_equal(&in->orig, &out->orig, sizeof(in->orig));
	if (cts_flow_has(in, CTS_FLOW_REPLY))
		assert_memory_equal(&in->reply, &out->reply, sizeof(in->reply));
}

static void decoding_gives_back_what_was_encoded(void **state)
{
	struct rng r = { 11 };

	for (int i = 0; i < FLOWS; i++) {
		struct cts_flow_store s;
		struct cts_flow out;
		union message m;

		gen_reported(&r, &s);
		encode(&m, &s.flow);
		memset(&out, 0xa5, sizeof(out));
		assert_int_equal(cts_flow_decode(&m.nlh, &out), 0);
		assert_decoded(&s.flow, &out);
	}
}

static const struct {
	unsigned int ours, theirs;
} formats[] = {
	{ 0, 0 },
	{ CTS_FORMAT_LAYER3, NFCT_OF_SHOW_LAYER3 },
	{ CTS_FORMAT_ID, NFCT_OF_ID },
	{ CTS_FORMAT_TIMESTAMP, NFCT_OF_TIMESTAMP },
	{ CTS_FORMAT_LAYER3 | CTS_FORMAT_ID | CTS_FORMAT_TIMESTAMP,
	  NFCT_OF_SHOW_LAYER3 | NFCT_OF_ID | NFCT_OF_TIMESTAMP },
};

static void assert_lines_equal(const struct cts_flow *f, struct nf_conntrack *ct,
			       struct nfct_labelmap *theirs, struct cts_labelmap *ours)
{
	char a[CTS_LINE_MAX + 2048], b[CTS_LINE_MAX + 2048];

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		size_t len = cts_flow_format(f, formats[i].ours, 0, ours, a, sizeof(a));

		nfct_snprintf_labels(b, sizeof(b), ct, NFCT_T_UNKNOWN, NFCT_O_PLAIN,
				     formats[i].theirs, theirs);
		assert_string_equal(a, b);
		assert_int_equal(len, strlen(a));
	}
}

/* In the library's XML all states are TCP's, and one direction's counters bring the
 * other's: such flows are left out. */
static void assert_xml_equal(const struct cts_flow *f, struct nf_conntrack *ct)
{
	static const unsigned int types[] = { NFCT_T_NEW, NFCT_T_UPDATE, NFCT_T_DESTROY };
	char a[2 * CTS_LINE_MAX], b[2 * CTS_LINE_MAX];

	if (f->orig.proto == IPPROTO_SCTP || f->orig.proto == IPPROTO_DCCP ||
	    cts_flow_has(f, CTS_FLOW_COUNTERS_ORIG) != cts_flow_has(f, CTS_FLOW_COUNTERS_REPLY))
		return;
	for (int type = -1; type < 3; type++) {
		size_t len = cts_flow_format_xml(f, type, CTS_FORMAT_TIMESTAMP, 0, NULL, a,
						 sizeof(a));

		nfct_snprintf(b, sizeof(b), ct, type < 0 ? NFCT_T_UNKNOWN : types[type],
			      NFCT_O_XML, NFCT_OF_TIMESTAMP);
		assert_string_equal(a, b);
		assert_int_equal(len, strlen(a));
		assert_int_equal(cts_flow_format_xml(f, type, CTS_FORMAT_TIMESTAMP, 0, NULL, a, len), 0);
	}
}

static void lines_are_those_of_the_library(void **state)
{
	struct rng r = { 12 };

	for (int i = 0; i < FLOWS; i++) {
		struct nf_conntrack *ct = nfct_new();
		struct cts_flow_store s;
		union message m;

		gen_reported(&r, &s);
		encode(&m, &s.flow);
		assert_non_null(ct);
		assert_true(nfct_nlmsg_parse(&m.nlh, ct) >= 0);
		assert_lines_equal(&s.flow, ct, NULL, NULL);
		assert_xml_equal(&s.flow, ct);
		nfct_destroy(ct);
	}
}

/* The library builds the message, from an object that the bridge has filled. */
static void messages_of_the_library_decode_to_the_same_line(void **state)
{
	struct rng r = { 13 };

	for (int i = 0; i < FLOWS / 3; i++) {
		struct nf_conntrack *ct;
		struct cts_flow_store s;
		struct cts_flow out;
		union message m;
		char a[CTS_LINE_MAX], b[CTS_LINE_MAX];

		gen_flow(&r, &s);
		ct = cts_flow_to_nfct(&s.flow);
		assert_non_null(ct);
		message_init(&m, s.flow.orig.family);
		if (nfct_nlmsg_build(&m.nlh, ct) == 0 && cts_flow_decode(&m.nlh, &out) == 0) {
			nfct_destroy(ct);
			ct = nfct_new();
			assert_true(nfct_nlmsg_parse(&m.nlh, ct) >= 0);
			cts_flow_format(&out, 0, 0, NULL, a, sizeof(a));
			nfct_snprintf(b, sizeof(b), ct, NFCT_T_UNKNOWN, NFCT_O_PLAIN, 0);
			assert_string_equal(a, b);
		}
		nfct_destroy(ct);
	}
}

static void the_bridge_keeps_every_attribute(void **state)
{
	struct rng r = { 14 };

	for (int i = 0; i < FLOWS / 3; i++) {
		struct cts_nfct_labels room;
		struct nf_conntrack *ct;
		struct cts_flow_store s;
		struct cts_flow out;

		gen_reported(&r, &s);
		/* the library has one set of ICMP attributes for both directions */
		if (cts_l4_kind(s.flow.orig.proto) == CTS_L4_ICMP &&
		    cts_flow_has(&s.flow, CTS_FLOW_REPLY)) {
			struct cts_tuple inv;

			cts_tuple_invert(&s.flow.orig, &inv);
			s.flow.reply.sport = inv.sport;
			s.flow.reply.icmp_type = inv.icmp_type;
			s.flow.reply.icmp_code = inv.icmp_code;
		}
		/* ... and none at all for a master */
		if (cts_l4_kind(s.flow.master.proto) == CTS_L4_ICMP)
			s.flow.present &= ~CTS_FLOW_BIT(CTS_FLOW_MASTER);
		ct = cts_flow_to_nfct(&s.flow);
		assert_non_null(ct);
		assert_int_equal(cts_flow_from_nfct(&out, ct, &room), 0);
		assert_decoded(&s.flow, &out);
		nfct_destroy(ct);
	}
}

static void labels_print_by_name(void **state)
{
	char path[] = "/tmp/test_text.XXXXXX";
	int fd = mkstemp(path);
	struct nfct_labelmap *theirs;
	struct cts_labelmap *ours;
	struct rng r = { 15 };
	unsigned int seen = 0;

	assert_true(fd >= 0);
	assert_true(dprintf(fd, "# names\n0 zero\n1 one\n31 word end\n32 next-word\n127 last\n") > 0);
	close(fd);
	theirs = nfct_labelmap_new(path);
	ours = cts_labelmap_load(path);
	unlink(path);
	assert_non_null(theirs);
	assert_non_null(ours);
	assert_int_equal(cts_labelmap_bit(ours, "next-word"), 32);
	assert_int_equal(cts_labelmap_bit(ours, "nothing"), -1);
	assert_string_equal(cts_labelmap_name(ours, 127), "last");
	assert_null(cts_labelmap_load("/nonexistent/labels"));
	assert_int_equal(errno, ENOENT);
	for (int i = 0; i < 5000; i++) {
		struct nf_conntrack *ct = nfct_new();
		struct cts_flow_store s;
		union message m;

		gen_reported(&r, &s);
		seen += cts_flow_has(&s.flow, CTS_FLOW_LABELS);
		encode(&m, &s.flow);
		assert_true(nfct_nlmsg_parse(&m.nlh, ct) >= 0);
		assert_lines_equal(&s.flow, ct, theirs, ours);
		nfct_destroy(ct);
	}
	assert_true(seen > 100);
	nfct_labelmap_destroy(theirs);
	cts_labelmap_free(ours);
	cts_labelmap_free(NULL);
}

static void delta_time_counts_to_now_while_a_flow_lives(void **state)
{
	struct cts_flow f = {
		.present = CTS_FLOW_BIT(CTS_FLOW_ORIG) | CTS_FLOW_BIT(CTS_FLOW_START),
		.orig = { .family = AF_INET, .proto = IPPROTO_UDP },
		.start_ns = 10 * NS_PER_S + 900000000,
	};
	char line[CTS_LINE_MAX];

	assert_true(cts_flow_format(&f, 0, 17 * NS_PER_S, NULL, line, sizeof(line)) > 0);
	assert_non_null(strstr(line, "delta-time=7"));
}

static void the_timeout_of_a_cached_copy_can_be_left_out(void **state)
{
	struct cts_flow f = {
		.present = CTS_FLOW_BIT(CTS_FLOW_ORIG) | CTS_FLOW_BIT(CTS_FLOW_TIMEOUT),
		.orig = { .family = AF_INET, .proto = 200 },
		.timeout = 30,
	};
	char line[CTS_LINE_MAX];

	cts_flow_format(&f, CTS_FORMAT_NO_TIMEOUT, 0, NULL, line, sizeof(line));
	assert_string_equal(line, "unknown  200 src=0.0.0.0 dst=0.0.0.0");
	cts_flow_format(&f, 0, 0, NULL, line, sizeof(line));
	assert_string_equal(line, "unknown  200 30 src=0.0.0.0 dst=0.0.0.0");
}

static void a_line_that_does_not_fit_is_refused(void **state)
{
	struct rng r = { 16 };

	for (int i = 0; i < 50; i++) {
		char line[CTS_LINE_MAX];
		struct cts_flow_store s;
		size_t len;

		gen_reported(&r, &s);
		len = cts_flow_format(&s.flow, CTS_FORMAT_ID, 0, NULL, line, sizeof(line));
		assert_true(len > 0);
		for (size_t size = 0; size <= len; size++) {
			char *exact = malloc(size ? size : 1); /* for the sanitizer */

			assert_int_equal(cts_flow_format(&s.flow, CTS_FORMAT_ID, 0, NULL, exact,
							 size), 0);
			assert_int_equal(errno, ENOSPC);
			free(exact);
		}
	}
}

static void a_message_that_does_not_fit_is_refused_and_unchanged(void **state)
{
	struct rng r = { 17 };

	for (int i = 0; i < 50; i++) {
		struct cts_flow_store s;
		union message m, small;

		gen_reported(&r, &s);
		encode(&m, &s.flow);
		for (size_t size = 0; size < m.nlh.nlmsg_len; size += 4) {
			message_init(&small, AF_INET);
			memset(small.bytes + 64, 0xa5, sizeof(small) - 64);
			assert_int_equal(cts_flow_encode(&small.nlh, size, &s.flow, ~UINT64_C(0)), -1);
			assert_int_equal(errno, ENOSPC);
			assert_int_equal(small.nlh.nlmsg_len, NLMSG_LENGTH(sizeof(struct nfgenmsg)));
			for (size_t at = size > 64 ? size : 64; at < sizeof(small); at++)
				assert_int_equal(small.bytes[at], 0xa5);
		}
	}
}

static void truncated_and_mutated_messages_never_read_past_their_end(void **state)
{
	struct rng r = { 18 };
	unsigned int refused = 0;

	for (int i = 0; i < 60000; i++) {
		struct cts_flow_store s;
		struct cts_flow out;
		union message m;
		size_t len;
		struct nlmsghdr *exact;
		char line[CTS_LINE_MAX];

		gen_reported(&r, &s);
		encode(&m, &s.flow);
		len = m.nlh.nlmsg_len;
		if (i % 2)
			len = sizeof(m.nlh) + rng_below(&r, (uint32_t)(len - sizeof(m.nlh)));
		for (uint32_t n = rng_below(&r, 4); n; n--)
			m.bytes[sizeof(m.nlh) + rng_below(&r, (uint32_t)(m.nlh.nlmsg_len -
				sizeof(m.nlh)))] = (uint8_t)rng_next(&r);
		m.nlh.nlmsg_len = (uint32_t)len;
		exact = malloc(len); /* for the sanitizer */
		memcpy(exact, &m, len);
		if (cts_flow_decode(exact, &out) < 0) {
			assert_int_equal(errno, EBADMSG);
			refused++;
		} else {
			cts_flow_format(&out, CTS_FORMAT_ID, 0, NULL, line, sizeof(line));
		}
		free(exact);
	}
	assert_true(refused > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decoding_gives_back_what_was_encoded),
		cmocka_unit_test(lines_are_those_of_the_library),
		cmocka_unit_test(messages_of_the_library_decode_to_the_same_line),
		cmocka_unit_test(the_bridge_keeps_every_attribute),
		cmocka_unit_test(labels_print_by_name),
		cmocka_unit_test(delta_time_counts_to_now_while_a_flow_lives),
		cmocka_unit_test(the_timeout_of_a_cached_copy_can_be_left_out),
		cmocka_unit_test(a_line_that_does_not_fit_is_refused),
		cmocka_unit_test(a_message_that_does_not_fit_is_refused_and_unchanged),
		cmocka_unit_test(truncated_and_mutated_messages_never_read_past_their_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
