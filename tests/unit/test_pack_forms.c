/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one packed form of each thing, byte by byte, and everything beside it that is
 * refused. test_pack has the properties of flows at random. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/flow/pack.h"
#include "core/flow/tuple.h"

#define BIT(attr) CTS_FLOW_BIT(CTS_FLOW_##attr)
#define ALL UINT64_MAX

/* Keys of 192.0.2.1 -> 198.51.100.2, as bytes. */
#define ADDRESSES 192, 0, 2, 1, 198, 51, 100, 2
#define TCP_KEY 0, 6, ADDRESSES, 0x9c, 0x40, 0x01, 0xbb
#define TCP_ZONE_KEY 2, 6, ADDRESSES, 0x9c, 0x40, 0x01, 0xbb, 0, 5
#define ICMP_KEY 0, 1, ADDRESSES, 0, 77, 8, 0
#define ESP_KEY 0, 50, ADDRESSES
#define TAG(type, class) ((type) << 3 | (class))

struct bytes {
	size_t len;
	const uint8_t *at;
};
#define BYTES(...) { sizeof((const uint8_t[]){ __VA_ARGS__ }), (const uint8_t[]){ __VA_ARGS__ } }

struct form {
	const char *name;
	struct bytes b;
};

/* A copy on the heap, so that the sanitizer sees a read past its end. */
static int unpack(struct bytes b, struct cts_flow_store *store)
{
	uint8_t *copy = malloc(b.len ? b.len : 1);
	int ret;

	assert_non_null(copy);
	memcpy(copy, b.at, b.len);
	memset(store, 0xa5, sizeof(*store));
	errno = 0;
	ret = cts_flow_unpack(copy, b.len, store, NULL);
	if (ret < 0) {
		assert_int_equal(errno, EBADMSG);
		assert_int_equal(store->flow.present, 0);
	}
	free(copy);
	return ret;
}

#define TEN 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
#define ZEROS_12 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0

static const struct form malformed[] = {
	{ "nothing", { 0, (const uint8_t[]){ 0 } } },
	{ "one byte", BYTES(0) },
	{ "unknown flags of a key", BYTES(4, 6, ADDRESSES, 0, 1, 0, 2) },
	{ "half an address", BYTES(0, 6, 192, 0, 2, 1, 198, 51) },
	{ "half the ports", BYTES(0, 6, ADDRESSES, 0, 1, 0) },
	{ "no room for a zone", BYTES(2, 6, ADDRESSES, 0, 1, 0, 2, 0) },
	{ "a zone of 0", BYTES(2, 6, ADDRESSES, 0, 1, 0, 2, 0, 0) },

	{ "type 0", BYTES(TCP_KEY, TAG(0, 0)) },
	{ "no data", BYTES(TCP_KEY, TAG(1, 1)) },
	{ "no length", BYTES(TCP_KEY, TAG(19, 7)) },
	{ "a length that has a class", BYTES(TCP_KEY, TAG(19, 7), 3, 'f', 't', 'p') },
	{ "a length beyond the end", BYTES(TCP_KEY, TAG(19, 7), 5, 'h', '3', '2', '3') },
	{ "twice", BYTES(TCP_KEY, TAG(3, 0), TAG(3, 0)) },
	{ "the wrong order", BYTES(TCP_KEY, TAG(3, 0), TAG(1, 0)) },
	{ "unknown ones twice", BYTES(TCP_KEY, TAG(26, 0), TAG(26, 0)) },

	{ "a leading zero", BYTES(TCP_KEY, TAG(1, 2), 0, 5) },
	{ "a zero of one byte", BYTES(TCP_KEY, TAG(3, 1), 0) },
	{ "a status of 33 bits", BYTES(TCP_KEY, TAG(1, 5), 0, 1, 0, 0, 0, 0) },
	{ "a timeout of 33 bits", BYTES(TCP_KEY, TAG(2, 5), 0, 1, 0, 0, 0, 0) },
	{ "a mark of 64 bits", BYTES(TCP_KEY, TAG(3, 6), 1, 0, 0, 0, 0, 0, 0, 0) },
	{ "a TCP state of 9 bits", BYTES(TCP_KEY, TAG(4, 2), 1, 0) },
	{ "an SCTP state of 9 bits", BYTES(TCP_KEY, TAG(7, 2), 1, 0) },
	{ "a DCCP state of 9 bits", BYTES(TCP_KEY, TAG(9, 2), 1, 0) },
	{ "a DCCP role of 9 bits", BYTES(TCP_KEY, TAG(10, 2), 1, 0) },
	{ "a DCCP number of 10 bytes", BYTES(TCP_KEY, TAG(11, 7), 10, TEN) },
	{ "one TCP flag", BYTES(TCP_KEY, TAG(5, 1), 1) },
	{ "three TCP flags", BYTES(TCP_KEY, TAG(5, 3), 1, 1, 1) },
	{ "TCP masks that are 0", BYTES(TCP_KEY, TAG(5, 4), 1, 1, 0, 0) },
	{ "one window scale", BYTES(TCP_KEY, TAG(6, 1), 7) },
	{ "four window scales", BYTES(TCP_KEY, TAG(6, 4), 7, 7, 7, 7) },
	{ "one vtag", BYTES(TCP_KEY, TAG(8, 4), 0, 0, 0, 1) },
	{ "two vtags and a half", BYTES(TCP_KEY, TAG(8, 7), 10, TEN) },

	{ "the inverse's source", BYTES(TCP_KEY, TAG(12, 4), 198, 51, 100, 2) },
	{ "the inverse's port", BYTES(TCP_KEY, TAG(12, 2), 0x01, 0xbb) },
	{ "the inverse's destination", BYTES(TCP_KEY, TAG(13, 4), 192, 0, 2, 1) },
	{ "another address, the inverse's port",
	  BYTES(TCP_KEY, TAG(12, 5), 10, 9, 9, 9, 0x01, 0xbb) },
	{ "the inverse's address, another port",
	  BYTES(TCP_KEY, TAG(12, 5), 198, 51, 100, 2, 0x1f, 0x90) },
	{ "half a reply address", BYTES(TCP_KEY, TAG(12, 3), 10, 9, 9) },
	{ "an address and half a port", BYTES(TCP_KEY, TAG(13, 7), 5, 10, 9, 9, 9, 1) },
	{ "an address and two ports", BYTES(TCP_KEY, TAG(13, 6), 10, 9, 9, 9, 1, 1, 2, 2) },
	{ "no reply end at all", BYTES(TCP_KEY, TAG(12, 0)) },
	{ "ICMP of a TCP reply", BYTES(TCP_KEY, TAG(14, 2), 3, 0) },
	{ "a port of an ESP reply", BYTES(ESP_KEY, TAG(12, 2), 0, 1) },
	{ "a destination port of an ESP reply", BYTES(ESP_KEY, TAG(13, 2), 0, 1) },
	{ "a destination port of an ICMP reply", BYTES(ICMP_KEY, TAG(13, 2), 0, 1) },
	{ "the inverse's ICMP type", BYTES(ICMP_KEY, TAG(14, 2), 0, 0) },
	{ "ICMP type without code", BYTES(ICMP_KEY, TAG(14, 1), 3) },
	{ "ICMP type, code and more", BYTES(ICMP_KEY, TAG(14, 3), 3, 0, 0) },
	{ "no reply, with data", BYTES(TCP_KEY, TAG(15, 1), 1) },
	{ "no reply after its source", BYTES(TCP_KEY, TAG(12, 2), 0, 1, TAG(15, 0)) },
	{ "no reply after its destination", BYTES(TCP_KEY, TAG(13, 2), 0, 1, TAG(15, 0)) },
	{ "no reply after its type", BYTES(ICMP_KEY, TAG(14, 2), 3, 0, TAG(15, 0)) },

	{ "a zone's kind with data", BYTES(TCP_ZONE_KEY, TAG(16, 1), 1) },
	{ "a zone's kind without zone", BYTES(TCP_KEY, TAG(16, 0)) },
	{ "a reply zone beside a whole one", BYTES(TCP_ZONE_KEY, TAG(17, 1), 7) },
	{ "a reply zone of 0", BYTES(TCP_KEY, TAG(17, 0)) },
	{ "a reply zone of 17 bits", BYTES(TCP_KEY, TAG(17, 3), 1, 0, 0) },

	{ "136 labels", BYTES(TCP_KEY, TAG(18, 7), 17, TEN, 1, 2, 3, 4, 5, 6, 7) },
	{ "labels that end in none", BYTES(TCP_KEY, TAG(18, 2), 1, 0) },
	{ "a helper without name", BYTES(TCP_KEY, TAG(19, 0)) },
	{ "a helper with a NUL", BYTES(TCP_KEY, TAG(19, 3), 'f', 0, 'p') },
	{ "a helper of 32", BYTES(TCP_KEY, TAG(19, 7), 32, TEN, TEN, TEN, 1, 2) },
	{ "an adjustment of zeros", BYTES(TCP_KEY, TAG(20, 7), 12, ZEROS_12) },
	{ "an adjustment of 11 bytes", BYTES(TCP_KEY, TAG(21, 7), 11, TEN, 1) },
	{ "an adjustment of one word", BYTES(TCP_KEY, TAG(20, 4), 1, 2, 3, 4) },
	{ "a SYN proxy of zeros", BYTES(TCP_KEY, TAG(22, 7), 12, ZEROS_12) },
	{ "a version of 0", BYTES(TCP_KEY, TAG(24, 0)) },
	{ "a version of 1", BYTES(TCP_KEY, TAG(24, 1), 1) },
	{ "a version of 33 bits", BYTES(TCP_KEY, TAG(24, 5), 0, 1, 0, 0, 0, 0) },
	{ "a master of nothing", BYTES(TCP_KEY, TAG(23, 0)) },
	{ "a master and more", BYTES(TCP_KEY, TAG(23, 7), 15, TCP_KEY, 0) },
	{ "a master cut short", BYTES(TCP_KEY, TAG(23, 7), 13, 0, 6, ADDRESSES, 0, 1, 0) },
	{ "a master with a zone", BYTES(TCP_KEY, TAG(23, 7), 16, TCP_ZONE_KEY) },
};

static void every_other_form_is_refused(void **state)
{
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		struct cts_flow_store store;

		if (unpack(malformed[i].b, &store) == 0)
			fail_msg("accepted: %s", malformed[i].name);
	}
}

/* As far as the forms go. */
static const struct form extreme[] = {
	{ "a key alone", BYTES(TCP_KEY) },
	{ "the largest numbers",
	  BYTES(TCP_KEY, TAG(1, 4), 255, 255, 255, 255, TAG(2, 4), 255, 255, 255, 255, TAG(3, 4), 255,
		255, 255, 255, TAG(4, 1), 255, TAG(7, 1), 255, TAG(9, 1), 255, TAG(10, 1), 255,
		TAG(11, 6), 255, 255, 255, 255, 255, 255, 255, 255, TAG(17, 2), 255, 255) },
	{ "zeros", BYTES(TCP_KEY, TAG(1, 0), TAG(2, 0), TAG(3, 0), TAG(4, 0), TAG(7, 0), TAG(9, 0),
			 TAG(10, 0), TAG(11, 0), TAG(18, 0), TAG(20, 0), TAG(21, 0), TAG(22, 0)) },
	{ "five bytes are six", BYTES(TCP_KEY, TAG(11, 5), 0, 1, 2, 3, 4, 5) },
	{ "seven bytes are eight", BYTES(TCP_KEY, TAG(11, 6), 0, 1, 2, 3, 4, 5, 6, 7) },
	{ "a mask of either direction", BYTES(TCP_KEY, TAG(5, 4), 1, 2, 0, 4) },
	{ "a mask of the other", BYTES(TCP_KEY, TAG(5, 4), 1, 2, 4, 0) },
	{ "vtags", BYTES(TCP_KEY, TAG(8, 6), 1, 2, 3, 4, 5, 6, 7, 8) },
	{ "both ends", BYTES(TCP_KEY, TAG(12, 5), 10, 9, 9, 9, 0x1f, 0x90, TAG(13, 2), 0x13, 0x88) },
	{ "another id", BYTES(ICMP_KEY, TAG(12, 2), 0, 78) },
	{ "another type", BYTES(ICMP_KEY, TAG(14, 2), 3, 0) },
	{ "another code", BYTES(ICMP_KEY, TAG(14, 2), 0, 1) },
	{ "no reply", BYTES(TCP_KEY, TAG(15, 0)) },
	{ "a zone of one direction", BYTES(TCP_ZONE_KEY, TAG(16, 0)) },
	{ "zones of both", BYTES(TCP_ZONE_KEY, TAG(16, 0), TAG(17, 1), 7) },
	{ "128 labels", BYTES(TCP_KEY, TAG(18, 7), 16, TEN, 1, 2, 3, 4, 5, 6) },
	{ "a helper of 31", BYTES(TCP_KEY, TAG(19, 7), 31, TEN, TEN, TEN, 1) },
	{ "one word of three", BYTES(TCP_KEY, TAG(20, 7), 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
				     TAG(21, 7), 12, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0,
				     TAG(22, 7), 12, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0) },
	{ "an ESP master", BYTES(TCP_KEY, TAG(23, 7), 10, ESP_KEY) },
};

static void what_is_accepted_packs_to_the_same_bytes(void **state)
{
	for (size_t i = 0; i < sizeof(extreme) / sizeof(extreme[0]); i++) {
		const struct form *f = &extreme[i];
		struct cts_flow_store store;
		uint8_t again[CTS_PACK_MAX];

		if (unpack(f->b, &store) < 0)
			fail_msg("refused: %s", f->name);
		/* it fits exactly, and into one byte less it does not */
		if (cts_flow_pack(&store.flow, ALL, again, f->b.len) != f->b.len ||
		    memcmp(again, f->b.at, f->b.len) != 0)
			fail_msg("packs to something else: %s", f->name);
		assert_int_equal(cts_flow_pack(&store.flow, ALL, again, f->b.len - 1), 0);
		assert_int_equal(errno, ENOSPC);
	}
}

static void values_stand_where_they_belong(void **state)
{
	struct cts_flow_store s;

	assert_int_equal(unpack((struct bytes)BYTES(ICMP_KEY, TAG(12, 2), 0, 78), &s), 0);
	assert_int_equal(ntohs(s.flow.reply.sport), 78);
	assert_int_equal(s.flow.orig.icmp_type, 8);
	assert_int_equal(unpack((struct bytes)BYTES(TCP_ZONE_KEY, TAG(16, 0), TAG(17, 1), 7), &s), 0);
	assert_int_equal(s.flow.zone_dir[CTS_DIR_ORIG], 5);
	assert_int_equal(s.flow.zone_dir[CTS_DIR_REPLY], 7);
	assert_int_equal(unpack((struct bytes)BYTES(2, 6, ADDRESSES, 0, 1, 0, 2, 1, 2), &s), 0);
	assert_int_equal(s.flow.zone, 0x102);
	assert_int_equal(unpack((struct bytes)BYTES(TCP_KEY, TAG(5, 2), 1, 2), &s), 0);
	assert_int_equal(s.flow.tcp_flags[1], 2);
	assert_int_equal(s.flow.tcp_flags_mask[0] | s.flow.tcp_flags_mask[1], 0);
	assert_int_equal(unpack((struct bytes)BYTES(TCP_KEY, TAG(8, 6), 0, 0, 0, 1, 0, 0, 0, 2), &s),
			 0);
	assert_int_equal(s.flow.sctp_vtag[0], 1);
	assert_int_equal(s.flow.sctp_vtag[1], 2);
	assert_int_equal(unpack((struct bytes)BYTES(TCP_KEY, TAG(18, 1), 3), &s), 0);
	assert_int_equal(s.flow.labels_len, 16);
	assert_int_equal(s.flow.labels[0], 3);
	assert_int_equal(s.flow.labels[1] | s.flow.labels[2] | s.flow.labels[3], 0);
	assert_int_equal(unpack((struct bytes)BYTES(TCP_KEY, TAG(19, 3), 's', 'i', 'p'), &s), 0);
	assert_string_equal(s.flow.helper, "sip");
	assert_int_equal(s.flow.helper_len, 3);
}

static void only_known_types_count_as_known(void **state)
{
	const struct bytes b = BYTES(TCP_KEY, TAG(3, 1), 9, TAG(25, 1), 1, TAG(31, 7), 5, 1, 2, 3, 4, 5);
	struct cts_flow_store s;
	unsigned int unknown = 40;

	assert_int_equal(cts_flow_unpack(b.at, b.len, &s, &unknown), 0);
	assert_int_equal(unknown, 42);
	assert_int_equal(s.flow.mark, 9);
	assert_int_equal(s.flow.present, BIT(ORIG) | BIT(REPLY) | BIT(MARK));
	assert_int_equal(cts_flow_unpack(b.at, b.len, &s, NULL), 0);
}

static void the_length_of_a_key_is_that_of_its_flow(void **state)
{
	const struct { struct bytes b; size_t len; } c[] = {
		{ BYTES(TCP_KEY), 14 }, { BYTES(TCP_KEY, TAG(1, 0)), 14 },
		{ BYTES(TCP_ZONE_KEY), 16 }, { BYTES(TCP_ZONE_KEY, TAG(16, 0)), 16 },
		{ BYTES(ESP_KEY), 10 }, { BYTES(ESP_KEY, TAG(1, 0)), 10 }, { BYTES(ICMP_KEY), 14 },
		{ BYTES(1, 50, 1, TEN, TEN, TEN, 2), 34 },
		{ BYTES(1, 6, 1, TEN, TEN, TEN, 2, 0, 1, 0, 2), 38 },
		{ BYTES(0), 0 }, { BYTES(0, 50, 192, 0, 2, 1, 198, 51, 100), 0 },
		{ BYTES(4, 6, ADDRESSES, 0, 1, 0, 2), 0 }, { BYTES(0, 6, ADDRESSES, 0, 1, 0), 0 },
		{ BYTES(2, 6, ADDRESSES, 0, 1, 0, 2, 0), 0 },
		{ BYTES(2, 6, ADDRESSES, 0, 1, 0, 2, 0, 0), 0 },
		{ BYTES(2, 6, ADDRESSES, 0, 1, 0, 2, 1, 0), 16 },
		{ BYTES(1, 50, 1, TEN, TEN, TEN), 0 },
	};

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		uint8_t *copy = malloc(c[i].b.len);

		assert_non_null(copy);
		memcpy(copy, c[i].b.at, c[i].b.len);
		if (cts_packed_key_len(copy, c[i].b.len) != c[i].len)
			fail_msg("case %zu: %zu", i, cts_packed_key_len(copy, c[i].b.len));
		free(copy);
	}
	assert_int_equal(cts_packed_key_len(NULL, 0), 0);
}

/* -- packing -- */

static void make_flow(struct cts_flow *f, uint8_t proto)
{
	memset(f, 0, sizeof(*f));
	f->orig.family = AF_INET;
	f->orig.proto = proto;
	f->orig.src.v4 = inet_addr("192.0.2.1");
	f->orig.dst.v4 = inet_addr("198.51.100.2");
	cts_tuple_invert(&f->orig, &f->reply);
	f->present = BIT(ORIG) | BIT(REPLY);
}

static void assert_refused(const struct cts_flow *f)
{
	uint8_t buf[CTS_PACK_MAX];

	errno = 0;
	assert_int_equal(cts_flow_pack(f, ALL, buf, sizeof(buf)), 0);
	assert_int_equal(errno, EINVAL);
}

static void what_has_no_form_is_refused(void **state)
{
	uint32_t labels[8] = { 0 };
	uint8_t key[CTS_PACK_KEY_MAX];
	char helper[40];
	struct cts_flow f;

	make_flow(&f, IPPROTO_UDP);
	f.orig.family = f.reply.family = AF_UNIX;
	assert_refused(&f);
	errno = 0;
	assert_int_equal(cts_flow_pack_key(&f, key), 0);
	assert_int_equal(errno, EINVAL);

	make_flow(&f, IPPROTO_UDP);
	f.present &= ~BIT(ORIG);
	assert_refused(&f);
	assert_int_equal(cts_flow_pack_key(&f, key), 0);

	make_flow(&f, IPPROTO_UDP);
	f.reply.proto = IPPROTO_TCP;
	assert_refused(&f);
	make_flow(&f, IPPROTO_UDP);
	f.reply.family = AF_INET6;
	assert_refused(&f);

	make_flow(&f, IPPROTO_UDP);
	f.master.family = AF_UNIX;
	f.present |= BIT(MASTER);
	assert_refused(&f);

	make_flow(&f, IPPROTO_UDP);
	f.labels = labels;
	f.labels_len = sizeof(labels);
	f.present |= BIT(LABELS);
	labels[4] = 1;
	assert_refused(&f);

	make_flow(&f, IPPROTO_UDP);
	memset(helper, 'h', sizeof(helper));
	f.helper = helper;
	f.helper_len = 32;
	f.present |= BIT(HELPER);
	assert_refused(&f);
}

/* What attrs and present leave, in bytes. */
static void assert_packs(const struct cts_flow *f, uint64_t attrs, struct bytes want)
{
	uint8_t buf[CTS_PACK_MAX];

	assert_int_equal(cts_flow_pack(f, attrs, buf, sizeof(buf)), want.len);
	assert_memory_equal(buf, want.at, want.len);
}

static void only_what_is_asked_for_and_there_is_packed(void **state)
{
	uint32_t labels[8] = { 0x00010000 };
	struct cts_flow f;

	make_flow(&f, IPPROTO_ESP);
	f.mark = 9;
	f.timeout = 30;
	f.present |= BIT(MARK);
	assert_packs(&f, ALL, (struct bytes)BYTES(ESP_KEY, TAG(3, 1), 9));
	assert_packs(&f, BIT(REPLY), (struct bytes)BYTES(ESP_KEY));
	assert_packs(&f, BIT(MARK), (struct bytes)BYTES(ESP_KEY, TAG(3, 1), 9, TAG(15, 0)));

	/* zones are identity, and always in */
	make_flow(&f, IPPROTO_ESP);
	f.zone_dir[CTS_DIR_REPLY] = 7;
	f.present |= BIT(ZONE_REPLY);
	assert_packs(&f, BIT(REPLY), (struct bytes)BYTES(ESP_KEY, TAG(17, 1), 7));
	f.zone_dir[CTS_DIR_REPLY] = 0;
	assert_packs(&f, BIT(REPLY), (struct bytes)BYTES(ESP_KEY));
	f.zone = 5;
	f.zone_dir[CTS_DIR_REPLY] = 7;
	f.present |= BIT(ZONE);
	assert_packs(&f, BIT(REPLY), (struct bytes)BYTES(2, 50, ADDRESSES, 0, 5));

	/* labels beyond the last that is set, and a helper without name, are nothing */
	make_flow(&f, IPPROTO_ESP);
	f.labels = labels;
	f.labels_len = sizeof(labels);
	f.helper = "";
	f.present |= BIT(LABELS) | BIT(HELPER);
	assert_packs(&f, ALL, (struct bytes)BYTES(ESP_KEY, TAG(18, 3), 0, 0, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_other_form_is_refused),
		cmocka_unit_test(what_is_accepted_packs_to_the_same_bytes),
		cmocka_unit_test(values_stand_where_they_belong),
		cmocka_unit_test(only_known_types_count_as_known),
		cmocka_unit_test(the_length_of_a_key_is_that_of_its_flow),
		cmocka_unit_test(what_has_no_form_is_refused),
		cmocka_unit_test(only_what_is_asked_for_and_there_is_packed),
	};

	return cmocka_run_group_tests_name("packed forms", tests, NULL, NULL);
}
