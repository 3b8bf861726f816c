/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The packed form of a flow: core/flow/pack.h. */
#include "config.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <stdlib.h>

#include <cmocka.h>

#include <linux/netfilter/nf_conntrack_tcp.h>

#include "tests/unit/flow_gen.h"

#define FLOWS 50000

/* Equal in all that is present; variable parts by content. */
static void assert_same(const struct cts_flow_store *a, const struct cts_flow_store *b)
{
	assert_int_equal(a->flow.present, b->flow.present);
#define SAME(attr, member)                                                              \
	do {                                                                            \
		if (cts_flow_has(&a->flow, attr))                                       \
			assert_memory_equal(&a->flow.member, &b->flow.member,           \
					    sizeof(a->flow.member));                    \
	} while (0)
	SAME(CTS_FLOW_ORIG, orig);
	SAME(CTS_FLOW_REPLY, reply);
	SAME(CTS_FLOW_MASTER, master);
	SAME(CTS_FLOW_STATUS, status);
	SAME(CTS_FLOW_TIMEOUT, timeout);
	SAME(CTS_FLOW_MARK, mark);
	SAME(CTS_FLOW_ZONE, zone);
	SAME(CTS_FLOW_ZONE_ORIG, zone_dir[0]);
	SAME(CTS_FLOW_ZONE_REPLY, zone_dir[1]);
	SAME(CTS_FLOW_TCP_STATE, tcp_state);
	SAME(CTS_FLOW_TCP_FLAGS, tcp_flags);
	SAME(CTS_FLOW_TCP_FLAGS, tcp_flags_mask);
	SAME(CTS_FLOW_TCP_WSCALE, tcp_wscale);
	SAME(CTS_FLOW_SCTP_STATE, sctp_state);
	SAME(CTS_FLOW_SCTP_VTAG, sctp_vtag);
	SAME(CTS_FLOW_DCCP_STATE, dccp_state);
	SAME(CTS_FLOW_DCCP_ROLE, dccp_role);
	SAME(CTS_FLOW_DCCP_SEQ, dccp_seq);
	for (int dir = 0; dir < 2; dir++) {
		SAME(CTS_FLOW_SEQADJ_ORIG + dir, seqadj_pos[dir]);
		SAME(CTS_FLOW_SEQADJ_ORIG + dir, seqadj_before[dir]);
		SAME(CTS_FLOW_SEQADJ_ORIG + dir, seqadj_after[dir]);
	}
	SAME(CTS_FLOW_SYNPROXY, synproxy_isn);
	SAME(CTS_FLOW_SYNPROXY, synproxy_its);
	SAME(CTS_FLOW_SYNPROXY, synproxy_tsoff);
	if (cts_flow_has(&a->flow, CTS_FLOW_LABELS))
		assert_memory_equal(a->labels, b->labels, sizeof(a->labels));
	if (cts_flow_has(&a->flow, CTS_FLOW_HELPER))
		assert_string_equal(a->flow.helper, b->flow.helper);
#undef SAME
}

static void unpacking_gives_back_what_was_packed(void **state)
{
	struct rng r = { 1 };

	for (int i = 0; i < FLOWS; i++) {
		struct cts_flow_store in, out;
		uint8_t buf[CTS_PACK_MAX], again[CTS_PACK_MAX], key[CTS_PACK_KEY_MAX];
		unsigned int unknown = 0;
		size_t len, key_len;

		gen_flow(&r, &in);
		len = cts_flow_pack(&in.flow, ~UINT64_C(0), buf, sizeof(buf));
		assert_true(len > 0);
		key_len = cts_flow_pack_key(&in.flow, key);
		assert_true(key_len > 0 && key_len <= len);
		assert_memory_equal(key, buf, key_len);
		assert_int_equal(cts_packed_key_len(buf, len), key_len);
		memset(&out, 0xa5, sizeof(out));
		assert_int_equal(cts_flow_unpack(buf, len, &out, &unknown), 0);
		assert_int_equal(unknown, 0);
		assert_same(&in, &out);
		assert_int_equal(cts_flow_pack(&out.flow, ~UINT64_C(0), again, sizeof(again)), len);
		assert_memory_equal(buf, again, len);
	}
}

static void every_truncation_is_refused_or_is_a_shorter_flow(void **state)
{
	struct rng r = { 2 };

	for (int i = 0; i < 500; i++) {
		struct cts_flow_store in, out;
		uint8_t buf[CTS_PACK_MAX], again[CTS_PACK_MAX];
		size_t len, key_len;

		gen_flow(&r, &in);
		len = cts_flow_pack(&in.flow, ~UINT64_C(0), buf, sizeof(buf));
		key_len = cts_packed_key_len(buf, len);
		for (size_t cut = 0; cut < len; cut++) {
			uint8_t *exact = malloc(cut ? cut : 1); /* for the sanitizer */

			memcpy(exact, buf, cut);
			if (cut < key_len) {
				assert_int_equal(cts_packed_key_len(exact, cut), 0);
				assert_int_equal(cts_flow_unpack(exact, cut, &out, NULL), -1);
				assert_int_equal(errno, EBADMSG);
			} else if (!cts_flow_unpack(exact, cut, &out, NULL)) {
				assert_int_equal(cts_flow_pack(&out.flow, ~UINT64_C(0), again,
							       sizeof(again)), cut);
			}
			free(exact);
		}
	}
}

/* A flow and the version of the bytes that it came from. */
static size_t packed_again(const struct cts_flow_store *s, const uint8_t *from, size_t from_len,
			   uint8_t *buf, size_t size)
{
	size_t len = cts_flow_pack(&s->flow, ~UINT64_C(0), buf, size);

	return cts_packed_set_version(buf, len, size, cts_packed_version(from, from_len));
}

static void mutated_bytes_unpack_to_themselves_or_not_at_all(void **state)
{
	struct rng r = { 3 };
	unsigned int accepted = 0;

	for (int i = 0; i < 200000; i++) {
		struct cts_flow_store in, out;
		uint8_t buf[CTS_PACK_MAX], again[CTS_PACK_MAX];
		unsigned int unknown = 0;
		size_t len;

		if (i % 8 == 0)
			gen_flow(&r, &in);
		len = cts_flow_pack(&in.flow, ~UINT64_C(0), buf, sizeof(buf));
		for (uint32_t n = 1 + rng_below(&r, 3); n; n--)
			buf[rng_below(&r, (uint32_t)len)] = (uint8_t)rng_next(&r);
		if (cts_flow_unpack(buf, len, &out, &unknown) < 0 || unknown)
			continue;
		accepted++;
		assert_int_equal(packed_again(&out, buf, len, again, sizeof(again)), len);
		assert_memory_equal(buf, again, len);
	}
	assert_true(accepted > 1000);
}

/* An established IPv4 TCP flow as a kernel shows it. */
static void tcp_flow(struct cts_flow_store *s)
{
	struct cts_flow *f = &s->flow;

	memset(s, 0, sizeof(*s));
	f->orig.family = AF_INET;
	f->orig.proto = IPPROTO_TCP;
	f->orig.src.v4 = inet_addr("192.0.2.1");
	f->orig.dst.v4 = inet_addr("198.51.100.2");
	f->orig.sport = htons(40000);
	f->orig.dport = htons(443);
	cts_tuple_invert(&f->orig, &f->reply);
	f->status = 0x18e;
	f->timeout = 432000;
	f->tcp_state = TCP_CONNTRACK_ESTABLISHED;
	f->tcp_flags[0] = 0x23;
	f->tcp_flags[1] = 0x23;
	f->tcp_wscale[0] = 7;
	f->tcp_wscale[1] = 8;
	f->present = CTS_FLOW_BIT(CTS_FLOW_ORIG) | CTS_FLOW_BIT(CTS_FLOW_REPLY) |
		     CTS_FLOW_BIT(CTS_FLOW_STATUS) | CTS_FLOW_BIT(CTS_FLOW_TIMEOUT) |
		     CTS_FLOW_BIT(CTS_FLOW_MARK) | CTS_FLOW_BIT(CTS_FLOW_TCP_STATE) |
		     CTS_FLOW_BIT(CTS_FLOW_TCP_FLAGS) | CTS_FLOW_BIT(CTS_FLOW_TCP_WSCALE);
}

static void a_plain_tcp_flow_has_its_thirty_bytes(void **state)
{
	static const uint8_t golden[] = {
		0x00, 6, 192, 0, 2, 1, 198, 51, 100, 2, 0x9c, 0x40, 0x01, 0xbb, /* key */
		1 << 3 | 2, 0x01, 0x8e,          /* status */
		2 << 3 | 3, 0x06, 0x97, 0x80,    /* timeout */
		3 << 3 | 0,                      /* mark */
		4 << 3 | 1, 3,                   /* state */
		5 << 3 | 2, 0x23, 0x23,          /* flags */
		6 << 3 | 2, 7, 8,                /* window scale */
	};
	struct cts_flow_store s;
	uint8_t buf[CTS_PACK_MAX];

	tcp_flow(&s);
	assert_int_equal(cts_flow_pack(&s.flow, CTS_PACK_ATTRS, buf, sizeof(buf)), sizeof(golden));
	assert_int_equal(sizeof(golden), 30);
	assert_memory_equal(buf, golden, sizeof(golden));
}

static void nat_adds_only_what_differs(void **state)
{
	static const uint8_t golden[] = {
		13 << 3 | 5, 203, 0, 113, 9, 0x27, 0x10, /* reply destination: address, port */
	};
	struct cts_flow_store s;
	uint8_t buf[CTS_PACK_MAX];

	tcp_flow(&s);
	s.flow.reply.dst.v4 = inet_addr("203.0.113.9");
	s.flow.reply.dport = htons(10000);
	assert_int_equal(cts_flow_pack(&s.flow, CTS_PACK_ATTRS, buf, sizeof(buf)), 37);
	assert_memory_equal(buf + 30, golden, 7);
}

static void zone_kinds_survive_and_share_a_key(void **state)
{
	struct cts_flow_store both, orig, out;
	uint8_t a[CTS_PACK_MAX], b[CTS_PACK_MAX];
	size_t alen, blen;

	tcp_flow(&both);
	both.flow.zone = 5;
	both.flow.present |= CTS_FLOW_BIT(CTS_FLOW_ZONE);
	tcp_flow(&orig);
	orig.flow.zone_dir[CTS_DIR_ORIG] = 5;
	orig.flow.present |= CTS_FLOW_BIT(CTS_FLOW_ZONE_ORIG);
	alen = cts_flow_pack(&both.flow, CTS_PACK_ATTRS, a, sizeof(a));
	blen = cts_flow_pack(&orig.flow, CTS_PACK_ATTRS, b, sizeof(b));
	assert_int_equal(alen, 32);
	assert_int_equal(blen, 33);
	assert_int_equal(cts_packed_key_len(a, alen), 16);
	assert_memory_equal(a, b, 16);
	assert_int_equal(b[32], 16 << 3);
	assert_int_equal(cts_flow_unpack(b, blen, &out, NULL), 0);
	assert_false(cts_flow_has(&out.flow, CTS_FLOW_ZONE));
	assert_true(cts_flow_has(&out.flow, CTS_FLOW_ZONE_ORIG));
	assert_int_equal(cts_flow_key_zone(&out.flow), 5);
}

static void unknown_attributes_are_skipped_and_counted(void **state)
{
	struct cts_flow_store s, out;
	uint8_t buf[CTS_PACK_MAX];
	unsigned int unknown = 0;
	size_t len;

	tcp_flow(&s);
	len = cts_flow_pack(&s.flow, CTS_PACK_ATTRS, buf, sizeof(buf));
	buf[len++] = 25 << 3 | 2;
	buf[len++] = 1;
	buf[len++] = 2;
	buf[len++] = 31 << 3 | 7;
	buf[len++] = 9;
	memset(buf + len, 0xff, 9);
	len += 9;
	assert_int_equal(cts_flow_unpack(buf, len, &out, &unknown), 0);
	assert_int_equal(unknown, 2);
	assert_same(&s, &out);
}

static const uint32_t versions[] = { 2, 0xff, 0x100, 0xffff, 0x10000, 0xffffff, 0x1000000,
				     UINT32_MAX };
#define N_VERSIONS (sizeof(versions) / sizeof(versions[0]))

static void a_version_is_one_until_it_is_set(void **state)
{
	static const size_t bytes[N_VERSIONS] = { 2, 2, 3, 3, 4, 4, 5, 5 };
	struct rng r = { 4 };

	for (int i = 0; i < 2000; i++) {
		struct cts_flow_store s, out;
		uint8_t plain[CTS_PACK_MAX], buf[CTS_PACK_MAX + 5];
		unsigned int unknown = 0;
		size_t body, len;

		gen_flow(&r, &s);
		len = body = cts_flow_pack(&s.flow, ~UINT64_C(0), plain, sizeof(plain));
		memcpy(buf, plain, body);
		assert_int_equal(cts_packed_version(buf, len), 1);
		assert_int_equal(cts_packed_body_len(buf, len), body);
		for (size_t v = 0; v < 2 * N_VERSIONS; v++) {
			size_t at = v < N_VERSIONS ? v : rng_below(&r, N_VERSIONS);

			len = cts_packed_set_version(buf, len, sizeof(buf), versions[at]);
			assert_int_equal(len, body + bytes[at]);
			assert_int_equal(cts_packed_version(buf, len), versions[at]);
			assert_int_equal(cts_packed_body_len(buf, len), body);
			assert_memory_equal(buf, plain, body);
			assert_int_equal(cts_flow_unpack(buf, len, &out, &unknown), 0);
			assert_same(&s, &out);
		}
		assert_int_equal(unknown, 0);
		assert_int_equal(cts_packed_set_version(buf, len, sizeof(buf), 1), body);
		assert_memory_equal(buf, plain, body);
	}
}

static void a_version_goes_ahead_of_what_is_unknown(void **state)
{
	struct cts_flow_store s, out;
	uint8_t buf[CTS_PACK_MAX], plain[CTS_PACK_MAX];
	static const uint8_t later[] = { 25 << 3 | 1, 7, 30 << 3 | 7, 5, 1, 2, 3, 4, 5 };
	unsigned int unknown = 0;
	size_t body, len;

	tcp_flow(&s);
	body = cts_flow_pack(&s.flow, CTS_PACK_ATTRS, plain, sizeof(plain));
	memcpy(plain + body, later, sizeof(later));
	len = body + sizeof(later);
	memcpy(buf, plain, len);
	assert_int_equal(cts_packed_version(buf, len), 1);
	assert_int_equal(cts_packed_body_len(buf, len), body);
	len = cts_packed_set_version(buf, len, sizeof(buf), 70000);
	assert_int_equal(len, body + 4 + sizeof(later));
	assert_int_equal(cts_packed_version(buf, len), 70000);
	assert_int_equal(cts_packed_body_len(buf, len), body);
	assert_memory_equal(buf + len - sizeof(later), later, sizeof(later));
	assert_int_equal(cts_flow_unpack(buf, len, &out, &unknown), 0);
	assert_int_equal(unknown, 2);
	assert_same(&s, &out);
	len = cts_packed_set_version(buf, len, sizeof(buf), 1);
	assert_int_equal(len, body + sizeof(later));
	assert_memory_equal(buf, plain, len);
}

static void a_version_in_another_form_is_refused(void **state)
{
	static const struct {
		uint8_t bytes[8];
		size_t len;
	} bad[] = {
		{ { 24 << 3 | 0 }, 1 },                  /* 0 */
		{ { 24 << 3 | 1, 0 }, 2 },
		{ { 24 << 3 | 1, 1 }, 2 },               /* 1 */
		{ { 24 << 3 | 2, 0, 9 }, 3 },            /* not minimal */
		{ { 24 << 3 | 5, 0, 0, 0, 0, 0, 9 }, 7 },
		{ { 24 << 3 | 5, 1, 0, 0, 0, 0, 9 }, 7 },    /* more than 32 bits */
		{ { 24 << 3 | 3, 1, 2 }, 3 },            /* cut off */
		{ { 24 << 3 | 1, 2, 24 << 3 | 1, 3 }, 4 },   /* twice */
		{ { 24 << 3 | 1, 2, 23 << 3 | 1, 3 }, 4 },   /* not the last */
	};
	struct cts_flow_store s, out;
	uint8_t buf[CTS_PACK_MAX];
	size_t body;

	tcp_flow(&s);
	body = cts_flow_pack(&s.flow, CTS_PACK_ATTRS, buf, sizeof(buf));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memcpy(buf + body, bad[i].bytes, bad[i].len);
		errno = 0;
		assert_int_equal(cts_flow_unpack(buf, body + bad[i].len, &out, NULL), -1);
		assert_int_equal(errno, EBADMSG);
	}
	assert_int_equal(cts_packed_set_version(buf, body, sizeof(buf), 0), 0);
	assert_int_equal(errno, EINVAL);
	for (size_t v = 0; v < N_VERSIONS; v++) {
		size_t len = cts_packed_set_version(buf, body, sizeof(buf), versions[v]);

		errno = 0;
		assert_int_equal(cts_packed_set_version(buf, body, len - 1, versions[v]), 0);
		assert_int_equal(errno, ENOSPC);
		assert_int_equal(cts_packed_set_version(buf, body, len, versions[v]), len);
	}
}

/* Bytes that nobody checked: no meaning, but nothing beyond them is touched. */
static void a_version_is_looked_for_within_the_bytes(void **state)
{
	struct rng r = { 5 };

	for (int i = 0; i < 100000; i++) {
		struct cts_flow_store s;
		uint8_t buf[CTS_PACK_MAX];
		uint8_t *exact;
		size_t len, room;

		if (i % 8 == 0)
			gen_flow(&r, &s);
		len = cts_flow_pack(&s.flow, ~UINT64_C(0), buf, sizeof(buf));
		buf[rng_below(&r, (uint32_t)len)] = (uint8_t)rng_next(&r);
		len = 1 + rng_below(&r, (uint32_t)len);
		room = len + rng_below(&r, 6);
		exact = malloc(room); /* for the sanitizer */
		memcpy(exact, buf, len);
		assert_true(cts_packed_body_len(exact, len) <= len);
		cts_packed_version(exact, len);
		assert_true(cts_packed_set_version(exact, len, room, (uint32_t)rng_next(&r) | 1) <=
			    room);
		free(exact);
	}
}

/* As long as a kernel can make it: with a version it still fits. */
static void the_longest_flow_has_room_for_a_version(void **state)
{
	struct cts_flow_store s;
	uint8_t buf[CTS_PACK_MAX];
	size_t len;

	tcp_flow(&s);
	s.flow.present = CTS_PACK_ATTRS &
			 ~(CTS_FLOW_BIT(CTS_FLOW_ZONE) | CTS_FLOW_BIT(CTS_FLOW_SCTP_STATE) |
			   CTS_FLOW_BIT(CTS_FLOW_SCTP_VTAG) | CTS_FLOW_BIT(CTS_FLOW_DCCP_STATE) |
			   CTS_FLOW_BIT(CTS_FLOW_DCCP_ROLE) | CTS_FLOW_BIT(CTS_FLOW_DCCP_SEQ));
	memset(&s.flow.orig.src, 1, 16);
	memset(&s.flow.orig.dst, 2, 16);
	memset(&s.flow.reply.src, 3, 16);
	memset(&s.flow.reply.dst, 4, 16);
	s.flow.orig.family = s.flow.reply.family = AF_INET6;
	s.flow.reply.sport = s.flow.reply.dport = 0x5555;
	s.flow.master = s.flow.orig;
	s.flow.status = s.flow.timeout = s.flow.mark = UINT32_MAX;
	s.flow.zone_dir[0] = s.flow.zone_dir[1] = 0xffff;
	memset(s.flow.tcp_flags_mask, 0xff, 2);
	memset(s.labels, 0xff, sizeof(s.labels));
	s.flow.labels = s.labels;
	s.flow.labels_len = sizeof(s.labels);
	memset(s.helper, 'h', 31);
	s.flow.helper = s.helper;
	s.flow.helper_len = 31;
	s.flow.seqadj_pos[0] = s.flow.seqadj_pos[1] = s.flow.synproxy_isn = 1;
	len = cts_flow_pack(&s.flow, CTS_PACK_ATTRS, buf, sizeof(buf));
	assert_int_equal(len, 242);
	assert_int_equal(cts_packed_set_version(buf, len, sizeof(buf), UINT32_MAX), len + 5);
}

static void what_cannot_be_packed_is_refused(void **state)
{
	struct cts_flow_store s;
	uint8_t buf[CTS_PACK_MAX];

	tcp_flow(&s);
	for (size_t size = 0; size < 30; size++) {
		assert_int_equal(cts_flow_pack(&s.flow, CTS_PACK_ATTRS, buf, size), 0);
		assert_int_equal(errno, ENOSPC);
	}
	s.flow.reply.family = AF_INET6;
	assert_int_equal(cts_flow_pack(&s.flow, CTS_PACK_ATTRS, buf, sizeof(buf)), 0);
	assert_int_equal(errno, EINVAL);
	s.flow.present &= ~CTS_FLOW_BIT(CTS_FLOW_ORIG);
	assert_int_equal(cts_flow_pack(&s.flow, CTS_PACK_ATTRS, buf, sizeof(buf)), 0);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(cts_flow_pack_key(&s.flow, buf), 0);
	assert_int_equal(errno, EINVAL);
}

static void merging_keeps_what_an_event_does_not_tell(void **state)
{
	struct cts_flow_store known, event;
	uint32_t labels[4] = { 1, 0, 0, 0x80000000 };

	tcp_flow(&known);
	memset(&event, 0, sizeof(event));
	event.flow.orig = known.flow.orig;
	event.flow.mark = 7;
	event.flow.labels = labels;
	event.flow.labels_len = sizeof(labels);
	event.flow.helper = "ftp";
	event.flow.helper_len = 3;
	event.flow.present = CTS_FLOW_BIT(CTS_FLOW_ORIG) | CTS_FLOW_BIT(CTS_FLOW_MARK) |
			     CTS_FLOW_BIT(CTS_FLOW_LABELS) | CTS_FLOW_BIT(CTS_FLOW_HELPER);
	cts_flow_merge(&known, &event.flow);
	assert_int_equal(known.flow.mark, 7);
	assert_int_equal(known.flow.timeout, 432000);
	assert_int_equal(known.flow.tcp_state, TCP_CONNTRACK_ESTABLISHED);
	labels[0] = 2; /* merged by copy */
	assert_int_equal(known.flow.labels[0], 1);
	assert_string_equal(known.flow.helper, "ftp");
	assert_ptr_equal(known.flow.helper, known.helper);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unpacking_gives_back_what_was_packed),
		cmocka_unit_test(every_truncation_is_refused_or_is_a_shorter_flow),
		cmocka_unit_test(mutated_bytes_unpack_to_themselves_or_not_at_all),
		cmocka_unit_test(a_plain_tcp_flow_has_its_thirty_bytes),
		cmocka_unit_test(nat_adds_only_what_differs),
		cmocka_unit_test(zone_kinds_survive_and_share_a_key),
		cmocka_unit_test(unknown_attributes_are_skipped_and_counted),
		cmocka_unit_test(a_version_is_one_until_it_is_set),
		cmocka_unit_test(a_version_goes_ahead_of_what_is_unknown),
		cmocka_unit_test(a_version_in_another_form_is_refused),
		cmocka_unit_test(a_version_is_looked_for_within_the_bytes),
		cmocka_unit_test(the_longest_flow_has_room_for_a_version),
		cmocka_unit_test(what_cannot_be_packed_is_refused),
		cmocka_unit_test(merging_keeps_what_an_event_does_not_tell),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
