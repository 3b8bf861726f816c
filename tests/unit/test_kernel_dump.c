/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dumps, counts and statistics on the real kernel. */
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
#include <stdlib.h>
#include <string.h>

#include "core/kernel/dump.h"
#include "core/kernel/table.h"
#include "core/kernel/stats.h"
#include "core/kernel/writer.h"
#include "tests/unit/kernel_net.h"

struct tally {
	uint64_t n, v6, batches, expectations;
	size_t largest;
	struct cts_flow last;
};

static void tally_batch(void *ctx, const struct cts_event *const *ev, size_t n)
{
	struct tally *t = ctx;

	assert_true(n >= 1 && n <= CTS_BATCH_MAX);
	t->batches++;
	if (n > t->largest)
		t->largest = n;
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(ev[i]->origin, CTS_ORIGIN_DUMP);
		assert_int_equal(ev[i]->type, CTS_EVENT_NEW);
		assert_non_null(ev[i]->raw);
		t->n++;
		t->expectations += !ev[i]->flow;
		if (ev[i]->flow) {
			t->v6 += ev[i]->flow->orig.family == AF_INET6;
			t->last = *ev[i]->flow;
		}
	}
}

static struct tally dump_all(const struct cts_dump_conf *conf)
{
	struct cts_dump *d = cts_dump_open(conf);
	struct tally t = { 0 };

	assert_non_null(d);
	assert_int_equal(cts_dump_run(d, tally_batch, &t), 0);
	assert_int_equal(cts_dump_malformed(d), 0);
	/* done stays done */
	assert_int_equal(cts_dump_step(d, tally_batch, &t), 0);
	cts_dump_close(d);
	return t;
}

static void put(const struct cts_flow *flow)
{
	struct cts_writer_conf conf = { 0 };
	struct cts_writer *w = cts_writer_open(&conf);

	assert_non_null(w);
	assert_int_equal(cts_writer_add(w, CTS_OP_CREATE, flow, 0), 0);
	assert_int_equal(cts_writer_flush(w), 0);
	assert_int_equal(cts_writer_counters(w)[CTS_WRITE_CREATED], 1);
	cts_writer_close(w);
}

static int fresh(void **state)
{
	kernel_raw_flush();
	return 0;
}

static void every_entry_comes_once_in_chunks(void **state)
{
	struct cts_dump_conf conf = { 0 };
	struct tally t;

	kernel_raw_create(0, 5000);
	t = dump_all(&conf);
	assert_int_equal(t.n, 5000);
	print_message("largest chunk: %zu entries, %llu chunks\n", t.largest,
		      (unsigned long long)t.batches);
	/* the kernel fills 32 KiB when the reader offers as much */
	assert_true(t.largest > 100);
	assert_true(t.batches < 60);
	assert_int_equal(cts_table_count(), 5000);
}

static void an_empty_table_is_done_at_once(void **state)
{
	struct cts_dump_conf conf = { 0 };

	assert_int_equal(dump_all(&conf).n, 0);
	assert_int_equal(cts_table_count(), 0);
}

static void the_limit_is_that_of_the_kernel(void **state)
{
	char text[32];
	FILE *fp = fopen("/proc/sys/net/netfilter/nf_conntrack_max", "r");

	assert_non_null(fp);
	assert_non_null(fgets(text, sizeof(text), fp));
	fclose(fp);
	assert_int_equal(cts_table_max(), strtol(text, NULL, 10));
}

static void family_mark_status_and_zone_select(void **state)
{
	struct cts_dump_conf conf = { 0 };
	struct cts_flow f;
	struct tally t;

	kernel_raw_create(0, 50);
	kernel_flow6(&f, 1);
	f.mark = 0x15;
	f.present |= CTS_FLOW_BIT(CTS_FLOW_MARK);
	put(&f);
	kernel_flow(&f, 1);
	f.zone = 7;
	f.status = IPS_CONFIRMED;
	f.present |= CTS_FLOW_BIT(CTS_FLOW_ZONE);
	put(&f);

	assert_int_equal(dump_all(&conf).n, 52);
	conf.family = AF_INET6;
	t = dump_all(&conf);
	assert_int_equal(t.n, 1);
	assert_int_equal(t.v6, 1);

	conf = (struct cts_dump_conf){ .has_mark = true, .mark = 0x15 };
	assert_int_equal(dump_all(&conf).n, 1);
	conf = (struct cts_dump_conf){ .has_mark = true, .mark = 0x5, .mark_mask = 0xf };
	assert_int_equal(dump_all(&conf).n, 1);
	/* no mark is mark 0 */
	conf = (struct cts_dump_conf){ .has_mark = true, .mark = 0 };
	assert_int_equal(dump_all(&conf).n, 51);

	conf = (struct cts_dump_conf){ .has_zone = true, .zone = 7 };
	t = dump_all(&conf);
	assert_int_equal(t.n, 1);
	assert_int_equal(t.last.zone, 7);
	conf.zone = 0;
	assert_int_equal(dump_all(&conf).n, 51);

	conf = (struct cts_dump_conf){ .has_status = true, .status = IPS_ASSURED };
	assert_int_equal(dump_all(&conf).n, 51);
	conf = (struct cts_dump_conf){ .has_status = true, .status = 0, .status_mask = IPS_ASSURED };
	assert_int_equal(dump_all(&conf).n, 1);
}

static void members_of_the_tuples_select(void **state)
{
	struct cts_flow want = { 0 };
	struct cts_dump_conf conf = { .filter = &want };
	struct cts_flow f;

	kernel_raw_create(0, 64); /* four sources, sixteen ports each */
	kernel_flow6(&f, 1);
	put(&f);

	want.present = CTS_FLOW_BIT(CTS_FLOW_ORIG);
	want.orig.family = AF_INET;
	want.orig.src.v4 = htonl(0x0a000002);
	assert_int_equal(dump_all(&conf).n, 16);
	want.orig.proto = IPPROTO_TCP;
	want.orig.sport = htons(1030);
	assert_int_equal(dump_all(&conf).n, 1);
	want.orig.proto = IPPROTO_UDP;
	assert_int_equal(dump_all(&conf).n, 0);

	memset(&want, 0, sizeof(want));
	want.present = CTS_FLOW_BIT(CTS_FLOW_REPLY);
	want.reply.family = AF_INET;
	want.reply.dst.v4 = htonl(0x0a000002);
	assert_int_equal(dump_all(&conf).n, 16);

	/* Without a family the kernel knows no such filter; the answer is the same. */
	memset(&want, 0, sizeof(want));
	want.present = CTS_FLOW_BIT(CTS_FLOW_ORIG);
	want.orig.proto = IPPROTO_TCP;
	want.orig.sport = htons(1025);
	assert_int_equal(dump_all(&conf).n, 5);
}

static void other_tables_can_be_asked_for(void **state)
{
	struct cts_dump_conf conf = { .table = CTS_TABLE_DYING };

	kernel_raw_create(0, 3);
	assert_int_equal(dump_all(&conf).n, 0);
	conf.table = CTS_TABLE_UNCONFIRMED;
	assert_int_equal(dump_all(&conf).n, 0);
	conf.table = CTS_TABLE_EXPECT;
	assert_int_equal(dump_all(&conf).n, 0);
	conf.table = CTS_TABLE_CONNTRACK;
	conf.zero_counters = true;
	assert_int_equal(dump_all(&conf).n, 3);
}

static void count_marked(void *ctx, const struct cts_event *const *ev, size_t n)
{
	struct tally *t = ctx;

	t->n += n;
	for (size_t i = 0; i < n; i++)
		t->expectations += cts_flow_has(ev[i]->flow, CTS_FLOW_MARK) && ev[i]->flow->mark;
}

/* A step hands on what the kernel put together during the step before: older than
 * any change in between. */
static void a_chunk_is_as_old_as_the_step_before(void **state)
{
	struct cts_dump_conf conf = { 0 };
	struct cts_writer_conf wconf = { 0 };
	struct cts_writer *w = cts_writer_open(&wconf);
	struct tally t = { 0 };
	struct cts_dump *d;
	struct cts_flow f;
	uint64_t first;

	kernel_raw_create(0, 2000);
	d = cts_dump_open(&conf);
	assert_non_null(d);
	assert_int_equal(cts_dump_step(d, count_marked, &t), 1);
	for (uint32_t i = 0; i < 2000; i++) {
		kernel_flow(&f, i);
		f.present = CTS_FLOW_BIT(CTS_FLOW_ORIG) | CTS_FLOW_BIT(CTS_FLOW_MARK);
		f.mark = 1;
		assert_int_equal(cts_writer_add(w, CTS_OP_UPDATE, &f, 0), 0);
	}
	assert_int_equal(cts_writer_flush(w), 0);
	assert_int_equal(cts_writer_counters(w)[CTS_WRITE_UPDATED], 2000);
	first = t.n;
	assert_int_equal(cts_dump_step(d, count_marked, &t), 1);
	assert_true(t.n > first);
	assert_int_equal(t.expectations, 0);   /* the old marks */
	assert_int_equal(cts_dump_run(d, count_marked, &t), 0);
	assert_true(t.expectations > 0);       /* the new ones follow */
	cts_dump_close(d);
	cts_writer_close(w);
}

static void an_id_does_not_tell_incarnations_apart(void **state)
{
	struct cts_dump_conf conf = { 0 };
	uint32_t id = 0;
	unsigned int same = 0;

	for (unsigned int i = 0; i < 20; i++) {
		struct tally t;

		kernel_raw_flush();
		kernel_raw_create(7, 1);
		t = dump_all(&conf);
		assert_int_equal(t.n, 1);
		assert_true(cts_flow_has(&t.last, CTS_FLOW_ID));
		same += t.last.id == id;
		id = t.last.id;
	}
	print_message("%u of 19 re-created entries had the id of the one before\n", same);
	assert_true(same > 0);
}

struct rows {
	unsigned int n, with_insert;
};

static void count_row(void *ctx, const struct cts_cpu_stats *st)
{
	struct rows *r = ctx;

	assert_int_equal(st->cpu, r->n);
	assert_true(st->n > 3 || !strncmp(st->v[0].name, "expect_", 7));
	for (unsigned int i = 0; i < st->n; i++)
		r->with_insert += !strcmp(st->v[i].name, "insert_failed");
	r->n++;
}

static void statistics_come_in_one_row_for_each_cpu(void **state)
{
	struct rows r = { 0 };

	assert_int_equal(cts_stats_cpu(false, count_row, &r), 0);
	assert_true(r.n >= 1);
	assert_int_equal(r.with_insert, r.n);
	memset(&r, 0, sizeof(r));
	assert_int_equal(cts_stats_cpu(true, count_row, &r), 0);
	assert_true(r.n >= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_entry_comes_once_in_chunks, fresh),
		cmocka_unit_test_setup(an_empty_table_is_done_at_once, fresh),
		cmocka_unit_test_setup(the_limit_is_that_of_the_kernel, fresh),
		cmocka_unit_test_setup(family_mark_status_and_zone_select, fresh),
		cmocka_unit_test_setup(members_of_the_tuples_select, fresh),
		cmocka_unit_test_setup(other_tables_can_be_asked_for, fresh),
		cmocka_unit_test_setup(a_chunk_is_as_old_as_the_step_before, fresh),
		cmocka_unit_test_setup(an_id_does_not_tell_incarnations_apart, fresh),
		cmocka_unit_test_setup(statistics_come_in_one_row_for_each_cpu, fresh),
	};

	kernel_net_enter();
	return cmocka_run_group_tests_name("kernel dump", tests, NULL, NULL);
}
