/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules by which a peer's entry becomes one of this kernel: doc/KERNEL.md has
 * the facts behind each of them, and the tests that show them. */
#include "config.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <time.h>

#include "core/kernel/write_op.h"

#define BIT(attr) CTS_FLOW_BIT(CTS_FLOW_##attr)

/* What can be restored at all. */
#define RESTORE_ATTRS                                                                            \
	(BIT(ORIG) | BIT(REPLY) | BIT(MASTER) | BIT(STATUS) | BIT(TIMEOUT) | BIT(MARK) |         \
	 BIT(ZONE) | BIT(ZONE_ORIG) | BIT(ZONE_REPLY) | BIT(TCP_STATE) | BIT(TCP_FLAGS) |        \
	 BIT(TCP_WSCALE) | BIT(SCTP_STATE) | BIT(SCTP_VTAG) | BIT(DCCP_STATE) | BIT(DCCP_ROLE) | \
	 BIT(DCCP_SEQ) | BIT(LABELS) | BIT(HELPER) | BIT(SEQADJ_ORIG) | BIT(SEQADJ_REPLY) |      \
	 BIT(SYNPROXY) | BIT(SNAT) | BIT(DNAT))

/* An existing entry refuses these (EOPNOTSUPP), or keeps its own. */
#define CREATE_ONLY (BIT(REPLY) | BIT(MASTER) | BIT(HELPER) | BIT(SNAT) | BIT(DNAT))

/* Of a peer's status bits: what may be written without harm. */
#define STATUS_SHARED ((uint32_t)(IPS_SEEN_REPLY | IPS_ASSURED | IPS_FIXED_TIMEOUT))

/* TCP flags that describe the connection rather than a packet under way. */
#define TCP_FLAGS_SHARED \
	(IP_CT_TCP_FLAG_WINDOW_SCALE | IP_CT_TCP_FLAG_SACK_PERM | IP_CT_TCP_FLAG_CLOSE_INIT)

/* -- timeouts: the kernel refuses a create without one -- */

static uint32_t tcp_timeout(uint8_t state)
{
	switch (state) {
	case TCP_CONNTRACK_ESTABLISHED:
		return 432000;
	case TCP_CONNTRACK_SYN_RECV:
	case TCP_CONNTRACK_CLOSE_WAIT:
		return 60;
	case TCP_CONNTRACK_LAST_ACK:
		return 30;
	case TCP_CONNTRACK_CLOSE:
		return 10;
	default: /* SYN_SENT, SYN_SENT2, FIN_WAIT, TIME_WAIT */
		return 120;
	}
}

/* The kernel's defaults. */
static uint32_t default_timeout(const struct cts_flow *flow)
{
	bool assured = cts_flow_has(flow, CTS_FLOW_STATUS) && flow->status & IPS_ASSURED;

	switch (flow->orig.proto) {
	case IPPROTO_TCP:
		return cts_flow_has(flow, CTS_FLOW_TCP_STATE) ? tcp_timeout(flow->tcp_state) : 120;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		return assured ? 120 : 30;
	case IPPROTO_SCTP:
		return assured ? 210 : 30;
	case IPPROTO_DCCP:
		return assured ? 43200 : 240;
	case IPPROTO_GRE:
		return assured ? 180 : 30;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return 30;
	default:
		return 600;
	}
}

/* -- NAT -- */

static bool addr_equal(const union cts_addr *a, const union cts_addr *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/*
 * The reply tuple tells what was translated. The entry is written with the plain
 * inverse as reply and with the translation as NAT ranges of one element, address
 * and port: only then are packets translated. When one side is translated, the
 * other one is pinned too: the kernel would otherwise choose it freely, and where
 * the reply tuple is taken it would pick another port without a word.
 */
static void restore_nat(struct write_op *op)
{
	struct cts_flow *f = &op->flow;
	const struct cts_tuple *reply = &op->peer_reply;
	struct cts_tuple plain;
	bool icmp = f->orig.proto == IPPROTO_ICMP || f->orig.proto == IPPROTO_ICMPV6;

	cts_tuple_invert(&f->orig, &plain);
	f->reply = plain;
	if (addr_equal(&reply->src, &plain.src) && addr_equal(&reply->dst, &plain.dst) &&
	    reply->sport == plain.sport && reply->dport == plain.dport)
		return;

	memset(&f->nat, 0, sizeof(f->nat));
	f->nat.family = f->orig.family;
	f->nat.proto = f->orig.proto;
	f->nat.src = reply->dst;
	f->nat.dst = reply->src;
	/* ICMP has one id, which stands in sport in both directions. The kernel
	 * sets up the destination first: that must not touch it yet. */
	f->nat.sport = icmp ? reply->sport : reply->dport;
	f->nat.dport = icmp ? f->orig.sport : reply->sport;
	f->present |= BIT(SNAT) | BIT(DNAT);
}

/* -- status and TCP -- */

static void restore_tcp(struct cts_flow *f, const struct restore_rules *rules)
{
	bool known = f->present & BIT(TCP_FLAGS);

	if (f->orig.proto != IPPROTO_TCP)
		return;
	for (unsigned int d = 0; d < CTS_DIR_MAX; d++) {
		uint8_t flags = known ? f->tcp_flags[d] & TCP_FLAGS_SHARED : 0;

		/* This firewall has not seen the windows: packets in flight
		 * during the takeover would be invalid. */
		if (!rules->tcp_window_tracking)
			flags |= IP_CT_TCP_FLAG_BE_LIBERAL;
		f->tcp_flags[d] = flags;
		f->tcp_flags_mask[d] = flags;
	}
	f->present |= BIT(TCP_FLAGS);
}

/* -- helpers that are not here -- */

static int64_t now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return ts.tv_sec;
}

static bool helper_refused(const struct restore_rules *rules, const struct write_op *op)
{
	for (unsigned int i = 0; i < REFUSED_HELPERS_MAX && i < rules->n_refused; i++) {
		const struct refused_helper *r = &rules->refused[i];

		if (r->family == op->flow.orig.family && r->proto == op->flow.orig.proto &&
		    !strcmp(r->name, op->helper) && now_s() < r->until_s)
			return true;
	}
	return false;
}

static void helper_remember(struct restore_rules *rules, const struct write_op *op)
{
	struct refused_helper *r = &rules->refused[rules->n_refused % REFUSED_HELPERS_MAX];

	if (helper_refused(rules, op))
		return;
	rules->n_refused++;
	memcpy(r->name, op->helper, sizeof(r->name));
	r->family = op->flow.orig.family;
	r->proto = op->flow.orig.proto;
	r->until_s = now_s() + REFUSED_HELPER_S;
}

/* The message of an update: what can be changed of an entry that exists. */
static void prepare_update(struct write_op *op)
{
	op->attrs = op->flow.present & ~(op->left_out | CREATE_ONLY);
	op->step = STEP_UPDATE;
}

int restore_prepare(struct write_op *op, const struct restore_rules *rules)
{
	struct cts_flow *f = &op->flow;

	f->present &= RESTORE_ATTRS & ~(BIT(SNAT) | BIT(DNAT));
	if (!(f->present & BIT(REPLY)))
		cts_tuple_invert(&f->orig, &f->reply);
	if (f->reply.family != f->orig.family || f->reply.proto != f->orig.proto) {
		errno = EINVAL;
		return -1;
	}
	f->present |= BIT(REPLY);
	op->peer_reply = f->reply;
	restore_nat(op);

	if (!(f->present & BIT(TIMEOUT)))
		f->timeout = default_timeout(f);
	f->present |= BIT(TIMEOUT);
	if (f->present & BIT(STATUS))
		f->status = IPS_CONFIRMED | (f->status & STATUS_SHARED);
	restore_tcp(f, rules);

	if (f->present & BIT(HELPER) && helper_refused(rules, op))
		op->left_out |= BIT(HELPER);
	op->step = STEP_CREATE;
	op->attrs = f->present & ~op->left_out;
	if (op->op == CTS_OP_REFRESH)
		prepare_update(op);
	return 0;
}

/* -- second attempts -- */

/* Leave out what the kernel refused, if that was part of the message. */
static bool leave_out(struct write_op *op, uint64_t attrs)
{
	if (!(op->attrs & attrs))
		return false;
	op->left_out |= op->attrs & attrs;
	op->attrs &= ~attrs;
	return true;
}

static enum cts_write_class created_class(const struct write_op *op)
{
	if (op->left_out & BIT(MASTER))
		return CTS_WRITE_NO_MASTER;
	if (op->left_out & BIT(HELPER))
		return CTS_WRITE_NO_HELPER;
	return op->left_out & BIT(STATUS) ? CTS_WRITE_NO_STATUS : CTS_WRITE_CREATED;
}

static bool over(enum cts_write_class *cls, enum cts_write_class value)
{
	*cls = value;
	return true;
}

static bool go_on(struct write_op *op, enum write_step step)
{
	op->step = step;
	return false;
}

static bool refused_class(int err, enum cts_write_class *cls)
{
	return over(cls, err == ENOMEM ? CTS_WRITE_TABLE_FULL : CTS_WRITE_FAILED);
}

/* Create once more: the entry in the way vanished, or was removed. */
static bool create_again(struct write_op *op)
{
	op->recreated = true;
	op->attrs = op->flow.present & ~op->left_out;
	return go_on(op, STEP_CREATE);
}

static bool after_create(struct write_op *op, struct restore_rules *rules,
			 enum cts_write_class *cls)
{
	uint64_t culprit = 0;

	switch (op->err) {
	case 0:
		return over(cls, created_class(op));
	case EEXIST:
		if (op->recreated)
			return over(cls, CTS_WRITE_COLLISION);
		return go_on(op, STEP_GET);
	case ENOENT:
		culprit = BIT(MASTER);
		break;
	case EOPNOTSUPP:
		culprit = BIT(HELPER);
		if (op->attrs & culprit)
			helper_remember(rules, op);
		break;
	case EBUSY:
		culprit = BIT(STATUS);
		break;
	}
	if (leave_out(op, culprit))
		return go_on(op, STEP_CREATE);
	return refused_class(op->err, cls);
}

/* The entry is there: tell it what it does not know. */
static bool begin_update(struct write_op *op)
{
	uint32_t status = op->found_status;

	prepare_update(op);
	op->looked = true;
	if (op->attrs & BIT(STATUS)) {
		op->flow.status = status | (op->flow.status & STATUS_SHARED);
		if (op->flow.status == status)
			op->attrs &= ~BIT(STATUS);
	}
	/* EPERM on such an entry */
	if (status & IPS_FIXED_TIMEOUT)
		op->attrs &= ~BIT(TIMEOUT);
	return false;
}

static bool after_get(struct write_op *op, enum cts_write_class *cls)
{
	if (op->found) {
		if (memcmp(&op->found_orig, &op->flow.orig, sizeof(op->found_orig)))
			return over(cls, CTS_WRITE_REVERSED);
		return begin_update(op);
	}
	if (op->err == ENOENT)
		return go_on(op, STEP_GET_REPLY);
	return refused_class(op->err, cls);
}

static bool after_get_reply(struct write_op *op, const struct restore_rules *rules,
			    enum cts_write_class *cls)
{
	if (op->found) {
		op->err = EEXIST;
		if (!rules->collision_replace)
			return over(cls, CTS_WRITE_COLLISION);
		return go_on(op, STEP_DELETE_REPLY);
	}
	if (op->err == ENOENT)
		return create_again(op);
	return refused_class(op->err, cls);
}

static bool after_update(struct write_op *op, enum cts_write_class *cls)
{
	/* A refresh that went ahead: start from the beginning. */
	if (!op->looked && (op->err == EBUSY || op->err == EPERM))
		return go_on(op, STEP_GET);
	if (!op->looked && op->err == ENOENT) {
		op->attrs = op->flow.present & ~op->left_out;
		return go_on(op, STEP_CREATE);
	}
	switch (op->err) {
	case 0:
		return over(cls, CTS_WRITE_UPDATED);
	case ENOENT:
		if (op->recreated)
			return over(cls, CTS_WRITE_FAILED);
		return create_again(op);
	case EBUSY: /* it got another bit since the GET */
		if (leave_out(op, BIT(STATUS)))
			return go_on(op, STEP_UPDATE);
		break;
	case ENOSPC: /* labels, where no rule uses them */
		if (leave_out(op, BIT(LABELS)))
			return go_on(op, STEP_UPDATE);
		break;
	}
	return refused_class(op->err, cls);
}

bool restore_next(struct write_op *op, struct restore_rules *rules, enum cts_write_class *cls)
{
	switch (op->step) {
	case STEP_CREATE:
		return after_create(op, rules, cls);
	case STEP_GET:
		return after_get(op, cls);
	case STEP_GET_REPLY:
		return after_get_reply(op, rules, cls);
	case STEP_DELETE_REPLY:
		if (op->err && op->err != ENOENT)
			return refused_class(op->err, cls);
		return create_again(op);
	case STEP_UPDATE:
		return after_update(op, cls);
	}
	return refused_class(op->err, cls);
}
