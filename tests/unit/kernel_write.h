/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing one entry in a test and looking at what became of it. */
#ifndef TESTS_KERNEL_WRITE_H
#define TESTS_KERNEL_WRITE_H

#include "core/kernel/writer.h"

#define BIT(attr) CTS_FLOW_BIT(CTS_FLOW_##attr)

struct outcome {
	unsigned int n;              /* calls of done() */
	uint64_t cookie;             /* the last one's */
	enum cts_write_class cls;
	int err;
	unsigned int found;
	struct cts_flow flow;        /* the last found; no variable parts but these: */
	char helper[32];
};

/* conf may be NULL; done and found write into out, which must live as long. */
struct cts_writer *kernel_writer(const struct cts_writer_conf *conf, struct outcome *out);
/* Add and flush with a writer of its own; the outcome of this one operation. */
struct outcome kernel_write(enum cts_write_op op, const struct cts_flow *flow);
struct outcome kernel_write_with(const struct cts_writer_conf *conf, enum cts_write_op op,
				 const struct cts_flow *flow);
/* What the kernel has under the flow's original tuple; out.found is 0 without. */
struct outcome kernel_read(const struct cts_flow *flow);

#endif
