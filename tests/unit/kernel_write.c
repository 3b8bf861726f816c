/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "tests/unit/kernel_write.h"

static void outcome_done(void *ctx, uint64_t cookie, enum cts_write_class cls, int err)
{
	struct outcome *out = ctx;

	out->n++;
	out->cookie = cookie;
	out->cls = cls;
	out->err = err;
}

static void outcome_found(void *ctx, uint64_t cookie, const struct cts_flow *flow)
{
	struct outcome *out = ctx;

	out->found++;
	out->flow = *flow;
	memset(out->helper, 0, sizeof(out->helper));
	if (cts_flow_has(flow, CTS_FLOW_HELPER) && flow->helper_len < sizeof(out->helper))
		memcpy(out->helper, flow->helper, flow->helper_len);
}

struct cts_writer *kernel_writer(const struct cts_writer_conf *conf, struct outcome *out)
{
	struct cts_writer_conf c = { 0 };
	struct cts_writer *w;

	if (conf)
		c = *conf;
	c.ctx = out;
	c.done = outcome_done;
	c.found = outcome_found;
	memset(out, 0, sizeof(*out));
	w = cts_writer_open(&c);
	assert_non_null(w);
	return w;
}

struct outcome kernel_write_with(const struct cts_writer_conf *conf, enum cts_write_op op,
				 const struct cts_flow *flow)
{
	struct outcome out;
	struct cts_writer *w = kernel_writer(conf, &out);

	assert_int_equal(cts_writer_add(w, op, flow, 4711), 0);
	assert_int_equal(cts_writer_flush(w), 0);
	assert_int_equal(cts_writer_pending(w), 0);
	assert_int_equal(out.n, 1);
	assert_int_equal(out.cookie, 4711);
	assert_int_equal(cts_writer_counters(w)[out.cls], 1);
	cts_writer_close(w);
	return out;
}

struct outcome kernel_write(enum cts_write_op op, const struct cts_flow *flow)
{
	return kernel_write_with(NULL, op, flow);
}

struct outcome kernel_read(const struct cts_flow *flow)
{
	return kernel_write(CTS_OP_GET, flow);
}
