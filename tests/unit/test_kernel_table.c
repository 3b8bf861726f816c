/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's table as a whole: its numbers, what it lacks, and emptying it; on the
 * real kernel, and with the calls below it failing one by one (--wrap). */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/kernel/dump.h"
#include "core/kernel/nl.h"
#include "core/kernel/table.h"
#include "core/kernel/writer.h"
#include "tests/unit/kernel_net.h"

/* Which of them fail, with which errno; 0: the real ones. */
static struct {
	int ask, dump_open, dump_run, add, flush, open;
	bool mute;                /* ask: an acknowledgement and nothing else */
	uint16_t half;            /* ask: this attribute, and only two bytes of it */
	unsigned int adds;
	const char *proc;         /* what /proc holds; NULL: no such file */
	bool proc_real;
} broken;

static int fails(int error)
{
	if (error)
		errno = error;
	return error;
}

int __real_cts_nl_ask(uint16_t type, uint16_t flags, mnl_cb_t cb, void *ctx);
int __wrap_cts_nl_ask(uint16_t type, uint16_t flags, mnl_cb_t cb, void *ctx);
int __wrap_cts_nl_ask(uint16_t type, uint16_t flags, mnl_cb_t cb, void *ctx)
{
	uint8_t buf[64] __attribute__((aligned(8))) = { 0 };
	struct nlmsghdr *nlh;

	if (fails(broken.ask))
		return -1;
	if (broken.half) {
		nlh = cts_nl_request(buf, type, 0, AF_UNSPEC, 1);
		mnl_attr_put_u16(nlh, broken.half, 1);
		return cb(nlh, ctx) < 0 ? -1 : 0;
	}
	return broken.mute ? 0 : __real_cts_nl_ask(type, flags, cb, ctx);
}

struct cts_dump *__real_cts_dump_open(const struct cts_dump_conf *conf);
struct cts_dump *__wrap_cts_dump_open(const struct cts_dump_conf *conf);
struct cts_dump *__wrap_cts_dump_open(const struct cts_dump_conf *conf)
{
	return fails(broken.dump_open) ? NULL : __real_cts_dump_open(conf);
}

int __real_cts_dump_run(struct cts_dump *d, cts_batch_fn fn, void *ctx);
int __wrap_cts_dump_run(struct cts_dump *d, cts_batch_fn fn, void *ctx);
int __wrap_cts_dump_run(struct cts_dump *d, cts_batch_fn fn, void *ctx)
{
	int ret = __real_cts_dump_run(d, fn, ctx);

	return fails(broken.dump_run) ? -1 : ret;
}

struct cts_writer *__real_cts_writer_open(const struct cts_writer_conf *conf);
struct cts_writer *__wrap_cts_writer_open(const struct cts_writer_conf *conf);
struct cts_writer *__wrap_cts_writer_open(const struct cts_writer_conf *conf)
{
	return fails(broken.open) ? NULL : __real_cts_writer_open(conf);
}

int __real_cts_writer_add(struct cts_writer *w, enum cts_write_op op, const struct cts_flow *flow,
			  uint64_t cookie);
int __wrap_cts_writer_add(struct cts_writer *w, enum cts_write_op op, const struct cts_flow *flow,
			  uint64_t cookie);
int __wrap_cts_writer_add(struct cts_writer *w, enum cts_write_op op, const struct cts_flow *flow,
			  uint64_t cookie)
{
	broken.adds++;
	return fails(broken.add) ? -1 : __real_cts_writer_add(w, op, flow, cookie);
}

int __real_cts_writer_flush(struct cts_writer *w);
int __wrap_cts_writer_flush(struct cts_writer *w);
int __wrap_cts_writer_flush(struct cts_writer *w)
{
	return fails(broken.flush) ? -1 : __real_cts_writer_flush(w);
}

FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode)
{
	if (broken.proc_real)
		return __real_fopen(path, mode);
	if (!broken.proc) {
		errno = ENOENT;
		return NULL;
	}
	/* an empty buffer cannot be opened */
	return *broken.proc ? fmemopen((void *)(uintptr_t)broken.proc, strlen(broken.proc), "r")
			    : __real_fopen("/dev/null", "r");
}

static int fresh(void **state)
{
	memset(&broken, 0, sizeof(broken));
	kernel_raw_flush();
	kernel_raw_create(0, 300);
	return 0;
}

static void numbers_are_the_kernels(void **state)
{
	int64_t max = cts_table_max();

	assert_int_equal(cts_table_count(), 300);
	assert_true(max > 300);
	assert_null(cts_table_lacks());
	/* the same from /proc, when netlink does not say them */
	broken.proc_real = true;
	broken.mute = true;
	assert_int_equal(cts_table_count(), 300);
	assert_int_equal(cts_table_max(), max);
	broken.mute = false;
	broken.half = CTA_STATS_GLOBAL_ENTRIES;
	assert_int_equal(cts_table_count(), 300);
	broken.half = 0;
	broken.ask = EPERM;
	assert_int_equal(cts_table_count(), 300);
	assert_int_equal(cts_table_max(), max);
}

static void numbers_that_cannot_be_had_are_errors(void **state)
{
	static const struct { const char *text; int error; } c[] = {
		{ NULL, ENOENT }, { "", EIO }, { "none\n", EIO }, { "99999999999999999999\n", EIO },
	};

	broken.ask = EINVAL;
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		broken.proc = c[i].text;
		errno = 0;
		assert_int_equal(cts_table_count(), -1);
		assert_int_equal(errno, c[i].error);
	}
	broken.proc = "4711\n";
	assert_int_equal(cts_table_max(), 4711);
}

static void what_is_missing_has_a_name(void **state)
{
	broken.ask = EPROTONOSUPPORT;
	assert_string_equal(cts_table_lacks(), "nfnetlink");
	broken.ask = EINVAL;
	assert_string_equal(cts_table_lacks(), "nf_conntrack_netlink");
	/* no right to ask is no missing module */
	broken.ask = EPERM;
	assert_null(cts_table_lacks());
}

static void the_table_is_emptied_whole_or_by_family(void **state)
{
	struct cts_writer *w;
	struct cts_flow f;
	const struct cts_writer_conf conf = { 0 };

	w = cts_writer_open(&conf);
	assert_non_null(w);
	for (uint32_t i = 0; i < 200; i++) {
		kernel_flow6(&f, i);
		assert_int_equal(cts_writer_add(w, CTS_OP_CREATE, &f, i), 0);
	}
	assert_int_equal(cts_writer_flush(w), 0);
	cts_writer_close(w);
	assert_int_equal(cts_table_count(), 500);
	broken.adds = 0;
	assert_int_equal(cts_table_flush(AF_INET6), 0);
	assert_int_equal(broken.adds, 200);
	assert_int_equal(cts_table_count(), 300);
	assert_int_equal(cts_table_flush(AF_UNSPEC), 0);
	assert_int_equal(broken.adds, 200);   /* one message, not one for each entry */
	assert_int_equal(cts_table_count(), 0);
	assert_int_equal(cts_table_flush(AF_INET), 0);
}

static void assert_flush_fails(int family, int error)
{
	errno = 0;
	assert_int_equal(cts_table_flush(family), -1);
	assert_int_equal(errno, error);
}

static void a_table_that_cannot_be_emptied_is_an_error(void **state)
{
	broken.ask = EPERM;
	assert_flush_fails(AF_UNSPEC, EPERM);
	broken.ask = 0;
	broken.open = EMFILE;
	assert_flush_fails(AF_INET, EMFILE);
	broken.open = 0;
	broken.dump_open = ENOBUFS;
	assert_flush_fails(AF_INET, ENOBUFS);
	broken.dump_open = 0;
	assert_int_equal(cts_table_count(), 300);

	/* one that is refused ends it: no more are tried */
	broken.adds = 0;
	broken.add = EPIPE;
	assert_flush_fails(AF_INET, EPIPE);
	assert_int_equal(broken.adds, 1);
	assert_int_equal(cts_table_count(), 300);
	broken.add = 0;

	broken.flush = EPIPE;
	assert_flush_fails(AF_INET, EPIPE);
	broken.flush = 0;
	/* a dump that was cut short may have missed some; the others are gone */
	broken.dump_run = EINTR;
	assert_flush_fails(AF_INET, EINTR);
	assert_int_equal(cts_table_count(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(numbers_are_the_kernels, fresh),
		cmocka_unit_test_setup(numbers_that_cannot_be_had_are_errors, fresh),
		cmocka_unit_test_setup(what_is_missing_has_a_name, fresh),
		cmocka_unit_test_setup(the_table_is_emptied_whole_or_by_family, fresh),
		cmocka_unit_test_setup(a_table_that_cannot_be_emptied_is_an_error, fresh),
	};

	kernel_net_enter();
	return cmocka_run_group_tests_name("kernel table", tests, NULL, NULL);
}
