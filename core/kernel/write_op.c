/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Operations of the writer: the copy of a flow, its key, its first step. */
#include "config.h"

#include <string.h>

#include "core/kernel/write_op.h"

void write_op_adopt_parts(struct write_op *op)
{
	op->flow.labels = op->labels;
	op->flow.labels_mask = op->labels_mask;
	op->flow.helper = op->helper;
}

uint64_t write_op_hash(const struct cts_flow *flow)
{
	uint64_t word[sizeof(struct cts_tuple) / 8], h = cts_flow_key_zone(flow);

	memcpy(word, &flow->orig, sizeof(word));
	for (size_t i = 0; i < sizeof(word) / sizeof(word[0]); i++) {
		h = (h ^ word[i]) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 29;
	}
	return h;
}

bool write_op_same_key(const struct cts_flow *a, const struct cts_flow *b)
{
	return cts_flow_key_zone(a) == cts_flow_key_zone(b) &&
	       !memcmp(&a->orig, &b->orig, sizeof(a->orig));
}

static void copy_words(uint32_t *to, const uint32_t **from, uint16_t *len)
{
	if (*len > WRITE_LABEL_WORDS * sizeof(*to))
		*len = WRITE_LABEL_WORDS * sizeof(*to);
	memcpy(to, *from, *len);
	*from = to;
}

void write_op_copy(struct write_op *op, const struct cts_flow *flow)
{
	struct cts_flow *f = &op->flow;

	*f = *flow;
	if (cts_flow_has(f, CTS_FLOW_LABELS))
		copy_words(op->labels, &f->labels, &f->labels_len);
	if (cts_flow_has(f, CTS_FLOW_LABELS_MASK))
		copy_words(op->labels_mask, &f->labels_mask, &f->labels_mask_len);
	if (cts_flow_has(f, CTS_FLOW_HELPER)) {
		if (f->helper_len >= WRITE_HELPER_MAX)
			f->helper_len = WRITE_HELPER_MAX - 1;
		memcpy(op->helper, flow->helper, f->helper_len);
		op->helper[f->helper_len] = '\0';
	}
	write_op_adopt_parts(op);
}

int write_op_init(struct write_op *op, enum cts_write_op what, const struct cts_flow *flow,
		  const struct restore_rules *rules)
{
	static const uint8_t first[] = {
		[CTS_OP_CREATE] = STEP_CREATE, [CTS_OP_ADD] = STEP_ADD,
		[CTS_OP_UPDATE] = STEP_UPDATE, [CTS_OP_DELETE] = STEP_DELETE,
		[CTS_OP_GET] = STEP_GET,
	};

	write_op_copy(op, flow);
	op->op = (uint8_t)what;
	op->repeats = 0;
	op->recreated = op->looked = false;
	op->left_out = 0;
	if (what == CTS_OP_RESTORE || what == CTS_OP_REFRESH)
		return restore_prepare(op, rules);
	op->step = first[what];
	op->attrs = op->flow.present;
	return 0;
}
