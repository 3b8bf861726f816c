/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules of restoring without a kernel: what the first message says, and what
 * follows from each answer. test_kernel_restore shows the facts behind them. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <stdio.h>
#include <string.h>

#include "core/flow/tuple.h"
#include "core/kernel/write_op.h"

#define BIT(attr) CTS_FLOW_BIT(CTS_FLOW_##attr)

/* -- the first message -- */

static void make_flow(struct cts_flow *f, uint8_t proto)
{
	memset(f, 0, sizeof(*f));
	f->orig.family = AF_INET;
	f->orig.proto = proto;
	f->orig.src.v4 = inet_addr("192.0.2.1");
	f->orig.dst.v4 = inet_addr("198.51.100.2");
	if (cts_l4_kind(proto) == CTS_L4_PORTS) {
		f->orig.sport = htons(40000);
		f->orig.dport = htons(443);
	}
	if (proto == IPPROTO_ICMP) {
		f->orig.sport = htons(77);
		f->orig.icmp_type = 8;
	}
	cts_tuple_invert(&f->orig, &f->reply);
	f->present = BIT(ORIG) | BIT(REPLY);
}

static void prepare(struct write_op *op, const struct cts_flow *f,
		    const struct restore_rules *rules)
{
	memset(op, 0xa5, sizeof(*op));
	assert_int_equal(write_op_init(op, CTS_OP_RESTORE, f, rules), 0);
}

static const uint64_t restored = BIT(MARK) | BIT(ZONE) | BIT(ZONE_ORIG) | BIT(ZONE_REPLY) |
				 BIT(TCP_STATE) | BIT(TCP_WSCALE) | BIT(SCTP_STATE) |
				 BIT(SCTP_VTAG) | BIT(DCCP_STATE) | BIT(DCCP_ROLE) |
				 BIT(DCCP_SEQ) | BIT(LABELS) | BIT(HELPER) | BIT(SEQADJ_ORIG) |
				 BIT(SEQADJ_REPLY) | BIT(SYNPROXY) | BIT(MASTER) | BIT(STATUS);

static void all_that_the_kernel_takes_is_in_the_first_message(void **state)
{
	static const struct restore_rules rules = { .tcp_window_tracking = true };
	const uint64_t everything = BIT(ATTR_MAX) - 1;
	uint32_t labels[4] = { 1 };
	struct write_op op;
	struct cts_flow f;

	make_flow(&f, IPPROTO_UDP);
	f.labels = f.labels_mask = labels;
	f.labels_len = f.labels_mask_len = sizeof(labels);
	f.helper = "ftp";
	f.helper_len = 3;
	f.present = everything;
	prepare(&op, &f, &rules);
	assert_int_equal(op.step, STEP_CREATE);
	assert_int_equal(op.attrs, restored | BIT(ORIG) | BIT(REPLY) | BIT(TIMEOUT) |
				   BIT(TCP_FLAGS));
	/* an entry that is there is not asked to become another one */
	assert_int_equal(write_op_init(&op, CTS_OP_REFRESH, &f, &rules), 0);
	assert_int_equal(op.step, STEP_UPDATE);
	assert_int_equal(op.attrs, (restored & ~(BIT(MASTER) | BIT(HELPER))) | BIT(ORIG) |
				   BIT(TIMEOUT) | BIT(TCP_FLAGS));
}

static void a_missing_timeout_is_the_kernels_default(void **state)
{
	enum { ASSURED = IPS_ASSURED };
	static const struct { uint8_t proto, tcp; uint32_t status, timeout; } c[] = {
		{ IPPROTO_TCP, TCP_CONNTRACK_SYN_SENT, 0, 120 },
		{ IPPROTO_TCP, TCP_CONNTRACK_SYN_RECV, 0, 60 },
		{ IPPROTO_TCP, TCP_CONNTRACK_ESTABLISHED, ASSURED, 432000 },
		{ IPPROTO_TCP, TCP_CONNTRACK_FIN_WAIT, ASSURED, 120 },
		{ IPPROTO_TCP, TCP_CONNTRACK_CLOSE_WAIT, ASSURED, 60 },
		{ IPPROTO_TCP, TCP_CONNTRACK_LAST_ACK, ASSURED, 30 },
		{ IPPROTO_TCP, TCP_CONNTRACK_TIME_WAIT, ASSURED, 120 },
		{ IPPROTO_TCP, TCP_CONNTRACK_CLOSE, ASSURED, 10 },
		{ IPPROTO_UDP, 0, 0, 30 }, { IPPROTO_UDP, 0, ASSURED, 120 },
		{ IPPROTO_UDP, 0, IPS_SEEN_REPLY, 30 },
		{ IPPROTO_UDPLITE, 0, 0, 30 }, { IPPROTO_UDPLITE, 0, ASSURED, 120 },
		{ IPPROTO_SCTP, 0, 0, 30 }, { IPPROTO_SCTP, 0, ASSURED, 210 },
		{ IPPROTO_DCCP, 0, 0, 240 }, { IPPROTO_DCCP, 0, ASSURED, 43200 },
		{ IPPROTO_GRE, 0, 0, 30 }, { IPPROTO_GRE, 0, ASSURED, 180 },
		{ IPPROTO_ICMP, 0, 0, 30 }, { IPPROTO_ICMPV6, 0, 0, 30 },
		{ IPPROTO_ESP, 0, 0, 600 },
	};
	const struct restore_rules rules = { 0 };

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct write_op op;
		struct cts_flow f;

		make_flow(&f, c[i].proto);
		f.present |= BIT(STATUS) | (c[i].proto == IPPROTO_TCP ? BIT(TCP_STATE) : 0);
		f.status = c[i].status;
		f.tcp_state = c[i].tcp;
		prepare(&op, &f, &rules);
		assert_true(op.attrs & BIT(TIMEOUT));
		if (op.flow.timeout != c[i].timeout)
			fail_msg("case %zu: timeout %u", i, op.flow.timeout);
	}
}

static void what_is_not_known_of_a_flow_is_not_guessed_from(void **state)
{
	const struct restore_rules rules = { 0 };
	struct write_op op;
	struct cts_flow f;

	/* neither status nor state nor flags are there, whatever the members hold */
	make_flow(&f, IPPROTO_UDP);
	f.status = IPS_ASSURED;
	prepare(&op, &f, &rules);
	assert_int_equal(op.flow.timeout, 30);
	assert_false(op.attrs & (BIT(STATUS) | BIT(TCP_FLAGS)));

	make_flow(&f, IPPROTO_TCP);
	f.tcp_state = TCP_CONNTRACK_ESTABLISHED;
	f.tcp_flags[0] = f.tcp_flags[1] = IP_CT_TCP_FLAG_SACK_PERM;
	prepare(&op, &f, &rules);
	assert_int_equal(op.flow.timeout, 120);
	assert_true(op.attrs & BIT(TCP_FLAGS));
	assert_int_equal(op.flow.tcp_flags[0], IP_CT_TCP_FLAG_BE_LIBERAL);
	assert_int_equal(op.flow.tcp_flags[1], IP_CT_TCP_FLAG_BE_LIBERAL);

	/* a timeout that is there stays, 0 too */
	f.timeout = 0;
	f.present |= BIT(TIMEOUT);
	prepare(&op, &f, &rules);
	assert_int_equal(op.flow.timeout, 0);
}

static void tcp_flags_describe_the_connection_alone(void **state)
{
	const uint8_t shared = IP_CT_TCP_FLAG_WINDOW_SCALE | IP_CT_TCP_FLAG_SACK_PERM |
			       IP_CT_TCP_FLAG_CLOSE_INIT;
	struct restore_rules rules = { .tcp_window_tracking = true };
	struct write_op op;
	struct cts_flow f;

	make_flow(&f, IPPROTO_TCP);
	f.present |= BIT(TCP_FLAGS);
	f.tcp_flags[0] = 0xff;
	f.tcp_flags[1] = 0xff & ~IP_CT_TCP_FLAG_SACK_PERM;
	f.tcp_flags_mask[0] = f.tcp_flags_mask[1] = 0xff;
	for (int tracking = 1; tracking >= 0; tracking--) {
		uint8_t liberal = tracking ? 0 : IP_CT_TCP_FLAG_BE_LIBERAL;

		rules.tcp_window_tracking = tracking;
		prepare(&op, &f, &rules);
		assert_int_equal(op.flow.tcp_flags[0], shared | liberal);
		assert_int_equal(op.flow.tcp_flags[1],
				 (shared & ~IP_CT_TCP_FLAG_SACK_PERM) | liberal);
		assert_memory_equal(op.flow.tcp_flags_mask, op.flow.tcp_flags, 2);
	}
}

static void only_harmless_status_bits_are_written(void **state)
{
	const struct restore_rules rules = { 0 };
	struct write_op op;
	struct cts_flow f;

	make_flow(&f, IPPROTO_UDP);
	f.present |= BIT(STATUS);
	f.status = UINT32_MAX;
	prepare(&op, &f, &rules);
	assert_int_equal(op.flow.status, IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED |
					 IPS_FIXED_TIMEOUT);
	f.status = 0;
	prepare(&op, &f, &rules);
	assert_int_equal(op.flow.status, IPS_CONFIRMED);
}

struct nat_case {
	uint8_t proto;
	bool src, dst;              /* reply source, destination address changed */
	uint16_t sport, dport;      /* of the reply; 0: as they were */
	uint16_t nat_sport, nat_dport;
};

static void a_translation_pins_both_sides(void **state)
{
	static const struct nat_case c[] = {
		{ IPPROTO_UDP, false, true, 0, 0, 40000, 443 },
		{ IPPROTO_UDP, true, false, 0, 0, 40000, 443 },
		{ IPPROTO_UDP, false, false, 8443, 0, 40000, 8443 },
		{ IPPROTO_UDP, false, false, 0, 5000, 5000, 443 },
		{ IPPROTO_TCP, true, true, 8443, 5000, 5000, 8443 },
		/* the id stands in sport in both directions */
		{ IPPROTO_ICMP, false, true, 78, 0, 78, 77 },
		{ IPPROTO_ICMP, true, false, 0, 0, 77, 77 },
	};
	const struct restore_rules rules = { 0 };

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct cts_tuple plain, reply;
		struct write_op op;
		struct cts_flow f;

		make_flow(&f, c[i].proto);
		f.nat.src.v6[3] = f.nat.icmp_type = 1;   /* of no use */
		plain = f.reply;
		if (c[i].src)
			f.reply.src.v4 = inet_addr("10.9.9.9");
		if (c[i].dst)
			f.reply.dst.v4 = inet_addr("203.0.113.1");
		f.reply.sport = c[i].sport ? htons(c[i].sport) : f.reply.sport;
		f.reply.dport = c[i].dport ? htons(c[i].dport) : f.reply.dport;
		reply = f.reply;
		prepare(&op, &f, &rules);
		assert_true(op.attrs & BIT(SNAT) && op.attrs & BIT(DNAT));
		assert_memory_equal(&op.flow.reply, &plain, sizeof(plain));
		assert_memory_equal(&op.peer_reply, &reply, sizeof(reply));
		assert_int_equal(op.flow.nat.family, AF_INET);
		assert_int_equal(op.flow.nat.proto, c[i].proto);
		assert_memory_equal(&op.flow.nat.src, &reply.dst, sizeof(reply.dst));
		assert_memory_equal(&op.flow.nat.dst, &reply.src, sizeof(reply.src));
		assert_int_equal(op.flow.nat.icmp_type, 0);
		if (ntohs(op.flow.nat.sport) != c[i].nat_sport ||
		    ntohs(op.flow.nat.dport) != c[i].nat_dport)
			fail_msg("case %zu: ports %u and %u", i, ntohs(op.flow.nat.sport),
				 ntohs(op.flow.nat.dport));
	}
}

static void a_reply_that_is_the_inverse_or_unknown_is_no_translation(void **state)
{
	const struct restore_rules rules = { 0 };
	struct cts_tuple plain;
	struct write_op op;
	struct cts_flow f;

	for (int known = 0; known < 2; known++) {
		make_flow(&f, IPPROTO_TCP);
		plain = f.reply;
		if (!known) {
			f.present &= ~BIT(REPLY);
			memset(&f.reply, 0x11, sizeof(f.reply));
		}
		prepare(&op, &f, &rules);
		assert_false(op.attrs & (BIT(SNAT) | BIT(DNAT)));
		assert_true(op.attrs & BIT(REPLY));
		assert_memory_equal(&op.flow.reply, &plain, sizeof(plain));
		assert_memory_equal(&op.peer_reply, &plain, sizeof(plain));
	}
}

static void a_reply_of_another_kind_is_refused(void **state)
{
	const struct restore_rules rules = { 0 };
	struct write_op op;
	struct cts_flow f;

	for (int i = 0; i < 2; i++) {
		make_flow(&f, IPPROTO_UDP);
		if (i)
			f.reply.proto = IPPROTO_TCP;
		else
			f.reply.family = AF_INET6;
		errno = 0;
		assert_int_equal(write_op_init(&op, CTS_OP_RESTORE, &f, &rules), -1);
		assert_int_equal(errno, EINVAL);
	}
}

/* -- helpers that were refused -- */

/* Is the helper still tried with this flow? */
static bool tries_helper(const struct restore_rules *rules, const struct cts_flow *f)
{
	struct write_op op;

	prepare(&op, f, rules);
	assert_int_equal(!(op.attrs & BIT(HELPER)), !!(op.left_out & BIT(HELPER)));
	return op.attrs & BIT(HELPER);
}

static void name_helper(struct cts_flow *f, const char *name)
{
	f->helper = name;
	f->helper_len = (uint16_t)strlen(name);
	f->present |= BIT(HELPER);
}

/* The kernel refuses the flow's helper. */
static void refuse_helper(struct restore_rules *rules, const struct cts_flow *f)
{
	enum cts_write_class cls;
	struct write_op op;

	prepare(&op, f, rules);
	op.attrs |= BIT(HELPER);   /* one that was under way already */
	op.err = EOPNOTSUPP;
	assert_false(restore_next(&op, rules, &cls));
	assert_int_equal(op.step, STEP_CREATE);
	assert_false(op.attrs & BIT(HELPER));
}

static void a_refused_helper_is_left_out_for_its_protocol_and_family(void **state)
{
	struct restore_rules rules = { 0 };
	struct cts_flow f, other;
	struct write_op op;

	make_flow(&f, IPPROTO_TCP);
	name_helper(&f, "ftp");
	assert_true(tries_helper(&rules, &f));
	refuse_helper(&rules, &f);
	assert_false(tries_helper(&rules, &f));

	other = f;
	name_helper(&other, "sip");
	assert_true(tries_helper(&rules, &other));
	other = f;
	other.orig.proto = other.reply.proto = IPPROTO_UDP;
	assert_true(tries_helper(&rules, &other));
	other = f;
	other.orig.family = other.reply.family = AF_INET6;
	assert_true(tries_helper(&rules, &other));
	/* a flow without a helper lacks none, whatever the place held before */
	other = f;
	other.present &= ~BIT(HELPER);
	prepare(&op, &f, &rules);
	assert_int_equal(write_op_init(&op, CTS_OP_RESTORE, &other, &rules), 0);
	assert_int_equal(op.left_out, 0);
}

static void a_refusal_is_forgotten_after_its_time(void **state)
{
	struct restore_rules rules = { 0 };
	struct cts_flow f;

	make_flow(&f, IPPROTO_TCP);
	name_helper(&f, "ftp");
	refuse_helper(&rules, &f);
	rules.refused[0].until_s -= REFUSED_HELPER_S - 5;
	assert_false(tries_helper(&rules, &f));
	rules.refused[0].until_s -= 5;
	assert_true(tries_helper(&rules, &f));
}

static void the_latest_refusals_are_remembered_once_each(void **state)
{
	struct restore_rules rules = { 0 };
	char name[REFUSED_HELPERS_MAX + 1][8];
	struct cts_flow f;

	make_flow(&f, IPPROTO_TCP);
	for (unsigned int i = 0; i <= REFUSED_HELPERS_MAX; i++) {
		snprintf(name[i], sizeof(name[i]), "h%u", i);
		name_helper(&f, name[i]);
		refuse_helper(&rules, &f);
		refuse_helper(&rules, &f);
		assert_int_equal(rules.n_refused, i + 1);
	}
	/* the oldest gave way */
	for (unsigned int i = 0; i <= REFUSED_HELPERS_MAX; i++) {
		name_helper(&f, name[i]);
		assert_int_equal(tries_helper(&rules, &f), i == 0);
	}
}

/* -- answers -- */

/* What an operation may carry when the answer comes, and what follows. */
struct answer_case {
	const char *name;
	enum write_step step;
	int err;
	enum { RECREATED = 1, LOOKED = 2, REPLACE = 4, FOUND = 8, REVERSED = 16,
	       NO_ATTRS = 32 } flags;
	uint64_t left_out;
	/* over: cls; else step, and what is no longer in the message */
	bool over;
	enum cts_write_class cls;
	enum write_step next;
	uint64_t dropped;
};

#define OVER(c) .over = true, .cls = CTS_WRITE_##c
#define CREATED_IF(out, c) { "created without " #out, STEP_CREATE, 0, 0, out, OVER(c) }

static const struct answer_case answers[] = {
	{ "created", STEP_CREATE, 0, 0, 0, OVER(CREATED) },
	CREATED_IF(BIT(MASTER), NO_MASTER),
	CREATED_IF(BIT(HELPER), NO_HELPER),
	CREATED_IF(BIT(STATUS), NO_STATUS),
	CREATED_IF(BIT(MASTER) | BIT(HELPER) | BIT(STATUS), NO_MASTER),
	CREATED_IF(BIT(HELPER) | BIT(STATUS), NO_HELPER),
	{ "exists", STEP_CREATE, EEXIST, .next = STEP_GET },
	{ "exists again", STEP_CREATE, EEXIST, RECREATED, OVER(COLLISION) },
	{ "no master", STEP_CREATE, ENOENT, .next = STEP_CREATE, .dropped = BIT(MASTER) },
	{ "no master, not asked", STEP_CREATE, ENOENT, NO_ATTRS, OVER(FAILED) },
	{ "no helper", STEP_CREATE, EOPNOTSUPP, .next = STEP_CREATE, .dropped = BIT(HELPER) },
	{ "no helper, not asked", STEP_CREATE, EOPNOTSUPP, NO_ATTRS, OVER(FAILED) },
	{ "status refused", STEP_CREATE, EBUSY, .next = STEP_CREATE, .dropped = BIT(STATUS) },
	{ "busy without status", STEP_CREATE, EBUSY, NO_ATTRS, OVER(FAILED) },
	{ "full", STEP_CREATE, ENOMEM, OVER(TABLE_FULL) },
	{ "invalid", STEP_CREATE, EINVAL, OVER(FAILED) },
	{ "no permission", STEP_CREATE, EPERM, OVER(FAILED) },

	{ "got it", STEP_GET, 0, FOUND, .next = STEP_UPDATE },
	{ "got the reverse", STEP_GET, 0, FOUND | REVERSED, OVER(REVERSED) },
	{ "gone by now", STEP_GET, ENOENT, .next = STEP_GET_REPLY },
	{ "get fails", STEP_GET, EPERM, OVER(FAILED) },
	{ "get out of memory", STEP_GET, ENOMEM, OVER(TABLE_FULL) },

	{ "reply taken", STEP_GET_REPLY, 0, FOUND, OVER(COLLISION) },
	{ "reply taken, replace", STEP_GET_REPLY, 0, FOUND | REPLACE, .next = STEP_DELETE_REPLY },
	{ "reply free by now", STEP_GET_REPLY, ENOENT, .next = STEP_CREATE },
	{ "get of the reply fails", STEP_GET_REPLY, EPERM, OVER(FAILED) },

	{ "removed", STEP_DELETE_REPLY, 0, .next = STEP_CREATE },
	{ "vanished before it was removed", STEP_DELETE_REPLY, ENOENT, .next = STEP_CREATE },
	{ "cannot be removed", STEP_DELETE_REPLY, EPERM, OVER(FAILED) },

	{ "updated", STEP_UPDATE, 0, LOOKED, OVER(UPDATED) },
	{ "vanished", STEP_UPDATE, ENOENT, LOOKED, .next = STEP_CREATE },
	{ "vanished twice", STEP_UPDATE, ENOENT, LOOKED | RECREATED, OVER(FAILED) },
	{ "another bit since", STEP_UPDATE, EBUSY, LOOKED, .next = STEP_UPDATE,
	  .dropped = BIT(STATUS) },
	{ "busy without status", STEP_UPDATE, EBUSY, LOOKED | NO_ATTRS, OVER(FAILED) },
	{ "labels that nobody uses", STEP_UPDATE, ENOSPC, LOOKED, .next = STEP_UPDATE,
	  .dropped = BIT(LABELS) },
	{ "no space without labels", STEP_UPDATE, ENOSPC, LOOKED | NO_ATTRS, OVER(FAILED) },
	{ "not permitted", STEP_UPDATE, EPERM, LOOKED, OVER(FAILED) },
	{ "update out of memory", STEP_UPDATE, ENOMEM, LOOKED, OVER(TABLE_FULL) },
	{ "refreshed", STEP_UPDATE, 0, OVER(UPDATED) },
	{ "refresh, status ahead", STEP_UPDATE, EBUSY, .next = STEP_GET },
	{ "refresh, fixed timeout", STEP_UPDATE, EPERM, .next = STEP_GET },
	{ "refresh, not there", STEP_UPDATE, ENOENT, .next = STEP_CREATE },
	{ "refresh, labels", STEP_UPDATE, ENOSPC, .next = STEP_UPDATE, .dropped = BIT(LABELS) },

	{ "a step that restoring has not", STEP_ADD, 0, OVER(FAILED) },
};

static const uint64_t carried = BIT(ORIG) | BIT(REPLY) | BIT(MASTER) | BIT(HELPER) | BIT(STATUS) |
				BIT(LABELS) | BIT(TIMEOUT) | BIT(MARK) | BIT(TCP_STATE) |
				BIT(TCP_FLAGS);

static void make_op(struct write_op *op, const struct answer_case *c)
{
	const struct restore_rules rules = { 0 };
	uint32_t labels[4] = { 1 };
	struct cts_flow f;

	make_flow(&f, IPPROTO_TCP);
	name_helper(&f, "ftp");
	f.labels = labels;
	f.labels_len = sizeof(labels);
	f.present = carried;
	f.status = IPS_SEEN_REPLY;
	prepare(op, &f, &rules);
	assert_int_equal(op->attrs, carried);
	op->step = (uint8_t)c->step;
	op->err = c->err;
	op->left_out = c->left_out;
	op->attrs &= c->flags & NO_ATTRS ? BIT(ORIG) : ~c->left_out;
	op->recreated = c->flags & RECREATED;
	op->looked = c->flags & LOOKED;
	op->found = c->flags & FOUND;
	op->found_orig = c->flags & REVERSED ? op->flow.reply : op->flow.orig;
	op->found_status = IPS_CONFIRMED;
}

static void each_answer_has_what_follows(void **state)
{
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		const struct answer_case *c = &answers[i];
		struct restore_rules rules = { .collision_replace = c->flags & REPLACE };
		enum cts_write_class cls = CTS_WRITE_CLASS_MAX;
		struct write_op op;
		bool over;

		make_op(&op, c);
		over = restore_next(&op, &rules, &cls);
		if (over != c->over || (over && cls != c->cls) || (!over && op.step != c->next))
			fail_msg("%s: over %d, class %d, step %d", c->name, over, cls, op.step);
		if (!over && (op.left_out != c->dropped || op.attrs & c->dropped))
			fail_msg("%s: leaves out %llx", c->name, (unsigned long long)op.left_out);
		if (c->dropped && (op.attrs | c->dropped) != carried)
			fail_msg("%s: leaves out more than that", c->name);
		/* nobody faults a helper that was not asked for */
		assert_int_equal(rules.n_refused, c->dropped == BIT(HELPER));
	}
}

static void a_collision_is_said_so_whatever_the_get_answered(void **state)
{
	const struct answer_case c = { .step = STEP_GET_REPLY, .flags = FOUND };
	struct restore_rules rules = { 0 };
	enum cts_write_class cls;
	struct write_op op;

	make_op(&op, &c);
	assert_true(restore_next(&op, &rules, &cls));
	assert_int_equal(op.err, EEXIST);
}

static void creating_again_brings_all_back_but_what_was_refused(void **state)
{
	static const struct answer_case again[] = {
		{ .step = STEP_GET_REPLY, .err = ENOENT },
		{ .step = STEP_DELETE_REPLY },
		{ .step = STEP_UPDATE, .err = ENOENT, .flags = LOOKED },
		{ .step = STEP_UPDATE, .err = ENOENT },
	};

	for (size_t i = 0; i < sizeof(again) / sizeof(again[0]); i++) {
		struct restore_rules rules = { 0 };
		enum cts_write_class cls;
		struct write_op op;

		make_op(&op, &again[i]);
		op.left_out = BIT(HELPER);
		op.attrs = BIT(ORIG) | BIT(MARK);   /* an update's */
		assert_false(restore_next(&op, &rules, &cls));
		assert_int_equal(op.step, STEP_CREATE);
		assert_int_equal(op.attrs, carried & ~BIT(HELPER));
		/* the second EEXIST ends it; a refresh that has only begun may look */
		op.err = EEXIST;
		assert_int_equal(restore_next(&op, &rules, &cls), i < 3);
	}
}

static void refusals_add_up(void **state)
{
	const struct answer_case c = { .step = STEP_CREATE, .err = ENOENT };
	struct restore_rules rules = { 0 };
	enum cts_write_class cls;
	struct write_op op;

	make_op(&op, &c);
	assert_false(restore_next(&op, &rules, &cls));
	op.err = EOPNOTSUPP;
	assert_false(restore_next(&op, &rules, &cls));
	op.err = EBUSY;
	assert_false(restore_next(&op, &rules, &cls));
	assert_int_equal(op.left_out, BIT(MASTER) | BIT(HELPER) | BIT(STATUS));
	assert_int_equal(op.attrs, carried & ~op.left_out);
	/* the same refusals once more: there is nothing left to give in */
	assert_true(restore_next(&op, &rules, &cls));
	assert_int_equal(cls, CTS_WRITE_FAILED);
}

/* found: the kernel's status; ours: the peer's; said: what the update writes, or 0
 * when it leaves the status alone. */
static void an_update_adds_to_the_status_that_is_there(void **state)
{
	static const struct { uint32_t found, ours, said; } c[] = {
		{ IPS_CONFIRMED, IPS_SEEN_REPLY, IPS_CONFIRMED | IPS_SEEN_REPLY },
		{ IPS_CONFIRMED | IPS_SEEN_REPLY, IPS_SEEN_REPLY, 0 },
		{ IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED, IPS_SEEN_REPLY, 0 },
		{ IPS_CONFIRMED | IPS_SRC_NAT | IPS_EXPECTED, IPS_ASSURED,
		  IPS_CONFIRMED | IPS_SRC_NAT | IPS_EXPECTED | IPS_ASSURED },
	};
	const struct answer_case got = { .step = STEP_GET, .flags = FOUND };

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct restore_rules rules = { 0 };
		enum cts_write_class cls;
		struct write_op op;

		make_op(&op, &got);
		op.found_status = c[i].found;
		op.flow.status = IPS_CONFIRMED | c[i].ours;
		assert_false(restore_next(&op, &rules, &cls));
		assert_int_equal(op.step, STEP_UPDATE);
		assert_true(op.looked);
		assert_int_equal(!!(op.attrs & BIT(STATUS)), c[i].said != 0);
		if (c[i].said)
			assert_int_equal(op.flow.status, c[i].said);
		assert_false(op.attrs & (BIT(REPLY) | BIT(MASTER) | BIT(HELPER)));
		assert_true(op.attrs & BIT(TIMEOUT));
	}
}

static void an_update_leaves_a_fixed_timeout_and_an_unknown_status_alone(void **state)
{
	const struct answer_case got = { .step = STEP_GET, .flags = FOUND };
	struct restore_rules rules = { 0 };
	enum cts_write_class cls;
	struct write_op op;

	make_op(&op, &got);
	op.found_status = IPS_CONFIRMED | IPS_FIXED_TIMEOUT;
	assert_false(restore_next(&op, &rules, &cls));
	assert_false(op.attrs & BIT(TIMEOUT));
	assert_true(op.attrs & BIT(MARK));

	/* a status that the kernel refused once is not offered again */
	make_op(&op, &got);
	op.left_out = BIT(STATUS) | BIT(LABELS);
	op.flow.status = 0;
	assert_false(restore_next(&op, &rules, &cls));
	assert_false(op.attrs & (BIT(STATUS) | BIT(LABELS)));
	assert_int_equal(op.flow.status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_the_kernel_takes_is_in_the_first_message),
		cmocka_unit_test(a_missing_timeout_is_the_kernels_default),
		cmocka_unit_test(what_is_not_known_of_a_flow_is_not_guessed_from),
		cmocka_unit_test(tcp_flags_describe_the_connection_alone),
		cmocka_unit_test(only_harmless_status_bits_are_written),
		cmocka_unit_test(a_translation_pins_both_sides),
		cmocka_unit_test(a_reply_that_is_the_inverse_or_unknown_is_no_translation),
		cmocka_unit_test(a_reply_of_another_kind_is_refused),
		cmocka_unit_test(a_refused_helper_is_left_out_for_its_protocol_and_family),
		cmocka_unit_test(a_refusal_is_forgotten_after_its_time),
		cmocka_unit_test(the_latest_refusals_are_remembered_once_each),
		cmocka_unit_test(each_answer_has_what_follows),
		cmocka_unit_test(a_collision_is_said_so_whatever_the_get_answered),
		cmocka_unit_test(creating_again_brings_all_back_but_what_was_refused),
		cmocka_unit_test(refusals_add_up),
		cmocka_unit_test(an_update_adds_to_the_status_that_is_there),
		cmocka_unit_test(an_update_leaves_a_fixed_timeout_and_an_unknown_status_alone),
	};

	return cmocka_run_group_tests_name("restore rules", tests, NULL, NULL);
}
