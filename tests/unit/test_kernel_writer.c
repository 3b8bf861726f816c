/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The batched writer on the real kernel: classes, batches, lost replies, order. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <stdio.h>
#include <string.h>

#include "core/kernel/table.h"
#include "tests/unit/kernel_net.h"
#include "tests/unit/kernel_write.h"

static int fresh(void **state)
{
	kernel_raw_flush();
	return 0;
}

static void each_operation_has_its_outcome(void **state)
{
	struct cts_flow f;
	struct outcome out;

	kernel_flow(&f, 1);
	assert_int_equal(kernel_write(CTS_OP_UPDATE, &f).cls, CTS_WRITE_ABSENT);
	assert_int_equal(kernel_write(CTS_OP_DELETE, &f).cls, CTS_WRITE_ABSENT);
	out = kernel_read(&f);
	assert_int_equal(out.cls, CTS_WRITE_ABSENT);
	assert_int_equal(out.err, ENOENT);
	assert_int_equal(out.found, 0);

	assert_int_equal(kernel_write(CTS_OP_CREATE, &f).cls, CTS_WRITE_CREATED);
	out = kernel_write(CTS_OP_CREATE, &f);
	assert_int_equal(out.cls, CTS_WRITE_EXISTS);
	assert_int_equal(out.err, EEXIST);
	assert_int_equal(kernel_write(CTS_OP_ADD, &f).cls, CTS_WRITE_CREATED);

	f.present = BIT(ORIG) | BIT(MARK);
	f.mark = 99;
	assert_int_equal(kernel_write(CTS_OP_UPDATE, &f).cls, CTS_WRITE_UPDATED);
	out = kernel_read(&f);
	assert_int_equal(out.cls, CTS_WRITE_UPDATED);
	assert_int_equal(out.found, 1);
	assert_int_equal(out.flow.mark, 99);

	assert_int_equal(kernel_write(CTS_OP_DELETE, &f).cls, CTS_WRITE_DELETED);
	assert_int_equal(cts_table_count(), 0);
}

static void a_lookup_by_the_reversed_tuple_hits_the_entry(void **state)
{
	struct cts_flow f, reversed;
	struct outcome out;

	kernel_flow(&f, 1);
	kernel_write(CTS_OP_CREATE, &f);
	reversed = f;
	reversed.orig = f.reply;
	out = kernel_read(&reversed);
	assert_int_equal(out.found, 1);
	assert_memory_equal(&out.flow.orig, &f.orig, sizeof(f.orig));
	assert_int_equal(kernel_write(CTS_OP_DELETE, &reversed).cls, CTS_WRITE_DELETED);
}

static void a_flow_without_a_tuple_is_refused(void **state)
{
	struct outcome out;
	struct cts_writer *w = kernel_writer(NULL, &out);
	struct cts_flow f;

	/* ctnetlink takes a delete without a tuple for "everything" */
	kernel_raw_create(0, 5);
	kernel_flow(&f, 1);
	f.present = BIT(MARK);
	for (int op = CTS_OP_RESTORE; op <= CTS_OP_GET; op++) {
		assert_int_equal(cts_writer_add(w, op, &f, 0), -1);
		assert_int_equal(errno, EINVAL);
	}
	f.present = BIT(ORIG);
	f.orig.family = 0;
	assert_int_equal(cts_writer_add(w, CTS_OP_DELETE, &f, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(cts_writer_flush(w), 0);
	assert_int_equal(out.n, 0);
	assert_int_equal(cts_table_count(), 5);
	cts_writer_close(w);
}

static void a_delete_names_tuple_and_zone_and_never_the_id(void **state)
{
	struct cts_flow f;

	kernel_flow(&f, 1);
	f.zone = 3;
	f.present |= BIT(ZONE);
	kernel_write(CTS_OP_CREATE, &f);
	f.present |= BIT(ID) | BIT(MARK);
	f.id = 1;      /* not its id */
	f.mark = 77;   /* not its mark */
	f.zone = 4;
	assert_int_equal(kernel_write(CTS_OP_DELETE, &f).cls, CTS_WRITE_ABSENT);
	f.zone = 3;
	assert_int_equal(kernel_write(CTS_OP_DELETE, &f).cls, CTS_WRITE_DELETED);
}

/* Key: original tuple and the zone that applies to the original direction. */
static void entries_differ_by_the_zone_of_the_original_direction(void **state)
{
	struct cts_flow f, other;

	kernel_flow(&f, 1);
	other = f;
	f.present |= BIT(ZONE);
	f.zone = 5;
	assert_int_equal(kernel_write(CTS_OP_CREATE, &f).cls, CTS_WRITE_CREATED);

	/* the same without a zone is another entry */
	assert_int_equal(kernel_write(CTS_OP_CREATE, &other).cls, CTS_WRITE_CREATED);
	/* original direction alone in zone 5: the first one again */
	f.present = (f.present & ~BIT(ZONE)) | BIT(ZONE_ORIG);
	f.zone_dir[CTS_DIR_ORIG] = 5;
	assert_int_equal(kernel_write(CTS_OP_CREATE, &f).cls, CTS_WRITE_EXISTS);
	/* reply direction alone: zone 0 counts, the second one */
	other.present |= BIT(ZONE_REPLY);
	other.zone_dir[CTS_DIR_REPLY] = 5;
	assert_int_equal(kernel_write(CTS_OP_CREATE, &other).cls, CTS_WRITE_EXISTS);
}

static void a_create_without_timeout_is_invalid(void **state)
{
	struct cts_flow f;
	struct outcome out;

	kernel_flow(&f, 1);
	f.present &= ~BIT(TIMEOUT);
	out = kernel_write(CTS_OP_CREATE, &f);
	assert_int_equal(out.cls, CTS_WRITE_FAILED);
	assert_int_equal(out.err, EINVAL);
}

static void mixed_outcomes_of_a_batch_find_their_operations(void **state)
{
	struct outcome out;
	struct cts_writer *w = kernel_writer(NULL, &out);
	const uint64_t *c = cts_writer_counters(w);
	struct cts_flow f;

	kernel_raw_create(0, 500);
	for (uint32_t i = 0; i < 1000; i++) {
		kernel_flow(&f, i % 2 ? i : i + 500);   /* odd below 500: there */
		assert_int_equal(cts_writer_add(w, CTS_OP_CREATE, &f, i), 0);
	}
	assert_int_equal(cts_writer_flush(w), 0);
	assert_int_equal(out.n, 1000);
	/* odd 1..499 exist; even 500..1498 and odd 501..999 are new */
	assert_int_equal(c[CTS_WRITE_EXISTS], 250);
	assert_int_equal(c[CTS_WRITE_CREATED], 750);
	cts_writer_close(w);
}

/* A queue for about two replies: each batch loses the others. */
static void lost_replies_are_made_up_for(void **state)
{
	struct cts_writer_conf conf = { .receive_buffer = 2304, .batch = 64 };
	struct outcome out;
	struct cts_writer *w = kernel_writer(&conf, &out);
	const uint64_t *c = cts_writer_counters(w);
	struct cts_flow f;

	kernel_raw_create(0, 8);
	for (uint32_t i = 0; i < 64; i++) {
		kernel_flow(&f, i);
		assert_int_equal(cts_writer_add(w, CTS_OP_RESTORE, &f, i), 0);
	}
	assert_int_equal(cts_writer_flush(w), 0);
	assert_int_equal(out.n, 64);
	print_message("created %llu, updated %llu, failed %llu\n",
		      (unsigned long long)c[CTS_WRITE_CREATED],
		      (unsigned long long)c[CTS_WRITE_UPDATED],
		      (unsigned long long)c[CTS_WRITE_FAILED]);
	assert_int_equal(c[CTS_WRITE_CREATED] + c[CTS_WRITE_UPDATED], 64);
	assert_int_equal(cts_table_count(), 64);

	/* an answer that got lost is not taken for success */
	for (uint32_t i = 0; i < 64; i++) {
		kernel_flow(&f, 1000 + i);
		assert_int_equal(cts_writer_add(w, CTS_OP_UPDATE, &f, i), 0);
	}
	assert_int_equal(cts_writer_flush(w), 0);
	assert_int_equal(c[CTS_WRITE_ABSENT], 64);
	cts_writer_close(w);
}

static void operations_on_one_key_keep_their_order(void **state)
{
	struct outcome out;
	struct cts_writer *w = kernel_writer(NULL, &out);
	struct cts_flow f, other;

	kernel_flow(&f, 1);
	kernel_flow(&other, 2);
	f.present |= BIT(MARK);
	f.mark = 9;
	kernel_write(CTS_OP_CREATE, &f);

	/* the first restore needs a second attempt, and must not overtake the rest */
	f.mark = 1;
	cts_writer_add(w, CTS_OP_RESTORE, &f, 1);
	cts_writer_add(w, CTS_OP_RESTORE, &other, 2);
	cts_writer_add(w, CTS_OP_DELETE, &f, 3);
	f.mark = 2;
	cts_writer_add(w, CTS_OP_RESTORE, &f, 4);
	assert_int_equal(cts_writer_flush(w), 0);
	assert_int_equal(out.n, 4);
	assert_int_equal(kernel_read(&f).flow.mark, 2);
	cts_writer_close(w);
}

struct reentry {
	struct cts_writer *w;
	struct cts_flow flow;
	int ret, err;
};

static void reenter(void *ctx, uint64_t cookie, enum cts_write_class cls, int err)
{
	struct reentry *r = ctx;

	r->ret = cts_writer_add(r->w, CTS_OP_GET, &r->flow, 0);
	r->err = errno;
}

static void done_may_not_call_the_writer(void **state)
{
	struct reentry r = { 0 };
	struct cts_writer_conf conf = { .ctx = &r, .done = reenter };

	kernel_flow(&r.flow, 1);
	r.w = cts_writer_open(&conf);
	assert_int_equal(cts_writer_add(r.w, CTS_OP_CREATE, &r.flow, 0), 0);
	assert_int_equal(cts_writer_flush(r.w), 0);
	assert_int_equal(r.ret, -1);
	assert_int_equal(r.err, EBUSY);
	cts_writer_close(r.w);
}

static void a_batch_larger_than_128_is_refused(void **state)
{
	struct cts_writer_conf conf = { .batch = 129 };

	assert_null(cts_writer_open(&conf));
	assert_int_equal(errno, EINVAL);
}

#define MANY 200000u

/* CPU time beside the plain libmnl loop's for the same entries. */
static void many_entries_are_written_and_a_full_table_is_said_so(void **state)
{
	struct outcome out;
	struct cts_writer *w = kernel_writer(NULL, &out);
	const uint64_t *c = cts_writer_counters(w);
	int64_t max = cts_table_max();
	uint64_t raw, ours;
	struct cts_flow f;

	raw = kernel_cpu_ns();
	kernel_raw_create(0, MANY);
	raw = kernel_cpu_ns() - raw;
	kernel_raw_flush();

	ours = kernel_cpu_ns();
	for (uint32_t i = 0; i < MANY; i++) {
		kernel_flow(&f, i);
		assert_int_equal(cts_writer_add(w, CTS_OP_RESTORE, &f, i), 0);
	}
	assert_int_equal(cts_writer_flush(w), 0);
	ours = kernel_cpu_ns() - ours;
	assert_int_equal(c[CTS_WRITE_CREATED], MANY);
	assert_int_equal(cts_table_count(), MANY);
	print_message("CPU an entry: libmnl loop %llu ns, writer %llu ns\n",
		      (unsigned long long)(raw / MANY), (unsigned long long)(ours / MANY));

	if (max <= MANY || max > 2 * MANY) {
		print_message("nf_conntrack_max is %lld: table not filled\n", (long long)max);
	} else {
		kernel_raw_create(MANY, (uint32_t)(max - MANY));
		kernel_flow(&f, (uint32_t)max);
		out = kernel_write(CTS_OP_RESTORE, &f);
		assert_int_equal(out.cls, CTS_WRITE_TABLE_FULL);
		assert_int_equal(out.err, ENOMEM);
	}
	cts_writer_close(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_operation_has_its_outcome, fresh),
		cmocka_unit_test_setup(a_lookup_by_the_reversed_tuple_hits_the_entry, fresh),
		cmocka_unit_test_setup(a_flow_without_a_tuple_is_refused, fresh),
		cmocka_unit_test_setup(a_delete_names_tuple_and_zone_and_never_the_id, fresh),
		cmocka_unit_test_setup(entries_differ_by_the_zone_of_the_original_direction, fresh),
		cmocka_unit_test_setup(a_create_without_timeout_is_invalid, fresh),
		cmocka_unit_test_setup(mixed_outcomes_of_a_batch_find_their_operations, fresh),
		cmocka_unit_test_setup(lost_replies_are_made_up_for, fresh),
		cmocka_unit_test_setup(operations_on_one_key_keep_their_order, fresh),
		cmocka_unit_test_setup(done_may_not_call_the_writer, fresh),
		cmocka_unit_test_setup(a_batch_larger_than_128_is_refused, fresh),
		cmocka_unit_test_setup(many_entries_are_written_and_a_full_table_is_said_so, fresh),
	};

	kernel_net_enter();
	return cmocka_run_group_tests_name("kernel writer", tests, NULL, fresh);
}
