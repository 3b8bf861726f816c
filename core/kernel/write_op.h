/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One operation of the writer on its way through its attempts. writer.c moves
 * messages and knows no rules; restore.c knows the rules and no socket.
 */
#ifndef CTS_KERNEL_WRITE_OP_H
#define CTS_KERNEL_WRITE_OP_H

#include "core/kernel/writer.h"

/* What the next message asks for. */
enum write_step {
	STEP_CREATE, /* NLM_F_CREATE | NLM_F_EXCL */
	STEP_ADD,    /* NLM_F_CREATE */
	STEP_UPDATE,
	STEP_DELETE,
	STEP_GET,          /* by the original tuple */
	STEP_GET_REPLY,    /* who holds the reply tuple? */
	STEP_DELETE_REPLY, /* ... remove it */
};

#define WRITE_LABEL_WORDS 4u
#define WRITE_HELPER_MAX 32u

struct write_op {
	struct cts_flow flow;        /* a copy; its variable parts are below */
	struct cts_tuple peer_reply; /* restore: the reply tuple before it became the inverse */
	uint64_t attrs;              /* what a create or update carries */
	uint64_t cookie;
	uint64_t hash;               /* of the key */
	struct cts_tuple found_orig; /* answer to STEP_GET */
	uint32_t found_status;
	uint8_t op;        /* enum cts_write_op */
	uint8_t step;      /* enum write_step */
	uint8_t repeats;   /* sent again because replies were lost */
	bool found;        /* the last GET was answered */
	bool answered;     /* a reply came; without one, and no loss: success */
	bool recreated;    /* restore: create was tried again after EEXIST */
	bool looked;       /* restore: the kernel's entry was looked at */
	uint64_t left_out; /* CTS_FLOW_BIT()s the kernel refused */
	int err;           /* errno of the last answer */
	uint32_t labels[WRITE_LABEL_WORDS];
	uint32_t labels_mask[WRITE_LABEL_WORDS];
	char helper[WRITE_HELPER_MAX];
};

/*
 * Helpers that the kernel refused. Each such attempt may run modprobe, which takes
 * milliseconds; so what was refused is left out from the start for a while.
 */
#define REFUSED_HELPERS_MAX 8u
#define REFUSED_HELPER_S 60

struct refused_helper {
	char name[WRITE_HELPER_MAX];
	uint8_t family, proto;
	int64_t until_s; /* CLOCK_MONOTONIC */
};

struct restore_rules {
	bool collision_replace;
	bool tcp_window_tracking;
	unsigned int n_refused; /* ever written; the oldest gives way */
	struct refused_helper refused[REFUSED_HELPERS_MAX];
};

/* Copy flow, variable parts too, and set the first step. 0, or -1 and EINVAL. The
 * caller gives cookie and hash. */
int write_op_init(struct write_op *op, enum cts_write_op what, const struct cts_flow *flow,
		  const struct restore_rules *rules);
/* The flow alone, with its variable parts. */
void write_op_copy(struct write_op *op, const struct cts_flow *flow);
/* After op itself was copied: point at the copy's variable parts. */
void write_op_adopt_parts(struct write_op *op);
/* The key: original tuple and zone of the original direction. */
uint64_t write_op_hash(const struct cts_flow *flow);
bool write_op_same_key(const struct cts_flow *a, const struct cts_flow *b);

/* Make the first attempt's message out of the copy in op. 0, or -1 and EINVAL. */
int restore_prepare(struct write_op *op, const struct restore_rules *rules);

/* Judge the answer to op->step. true: op is over, *cls says how; false: it goes
 * on with the new op->step. */
bool restore_next(struct write_op *op, struct restore_rules *rules, enum cts_write_class *cls);

#endif
