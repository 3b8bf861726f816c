/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Containers of the cpg transport: what is built is read, what is damaged refused. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/transport/cpg_pack.h"

static void reads_what_it_built(void **state)
{
	uint8_t buf[128];
	size_t len = cpg_build_header(buf, CPG_KIND_DATA, 0x123456789aull);
	struct cpg_header h;
	struct iovec msg[4];

	len += cpg_build_message(buf + len, "one", 3);
	len += cpg_build_message(buf + len, "three", 5);
	assert_true(cpg_parse_header(buf, len, &h));
	assert_int_equal(h.kind, CPG_KIND_DATA);
	assert_int_equal(h.total, 0x123456789aull);
	assert_int_equal(cpg_parse_messages(buf + CPG_HEADER, len - CPG_HEADER, msg, 4), 2);
	assert_int_equal(msg[1].iov_len, 5);
	assert_memory_equal(msg[1].iov_base, "three", 5);
	/* Cut anywhere but between messages, none of it is used. */
	for (size_t cut = CPG_HEADER + 1; cut < len; cut++)
		if (cut != CPG_HEADER + CPG_FRAME + 3)
			assert_int_equal(cpg_parse_messages(buf + CPG_HEADER, cut - CPG_HEADER,
							    msg, 4), -1);
	assert_int_equal(cpg_parse_messages(buf + CPG_HEADER, len - CPG_HEADER, msg, 1), -1);
}

static void refuses_foreign_headers(void **state)
{
	uint8_t buf[CPG_HEADER];
	struct cpg_header h;

	cpg_build_header(buf, CPG_KIND_ACK, 7);
	assert_false(cpg_parse_header(buf, CPG_HEADER - 1, &h));
	for (size_t i = 0; i < 8; i++) {
		buf[i] ^= 0x55;
		assert_false(cpg_parse_header(buf, sizeof(buf), &h));
		buf[i] ^= 0x55;
	}
	assert_true(cpg_parse_header(buf, sizeof(buf), &h));
}

static void reads_whole_acknowledgements_only(void **state)
{
	uint8_t buf[2 * CPG_ACK];
	const uint8_t *p = buf;
	size_t len = sizeof(buf) - 1;
	struct cpg_ack a;

	cpg_build_ack(buf, &(struct cpg_ack){ 1, 2, 3 });
	cpg_build_ack(buf + CPG_ACK, &(struct cpg_ack){ 4, 5, 6 });
	assert_true(cpg_parse_ack(&p, &len, &a));
	assert_true(a.node == 1 && a.pid == 2 && a.bytes == 3);
	assert_false(cpg_parse_ack(&p, &len, &a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_it_built),
		cmocka_unit_test(refuses_foreign_headers),
		cmocka_unit_test(reads_whole_acknowledgements_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
