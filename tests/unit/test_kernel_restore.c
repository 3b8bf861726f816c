/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules of restoring a peer's entry, each with the fact behind it, on the real
 * kernel. */
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

#include "core/kernel/table.h"
#include "core/kernel/write_op.h"
#include "tests/unit/kernel_net.h"
#include "tests/unit/kernel_write.h"

static int fresh(void **state)
{
	kernel_raw_flush();
	return 0;
}

static void set_addr(union cts_addr *a, uint8_t family, const char *text)
{
	memset(a, 0, sizeof(*a));
	assert_int_equal(inet_pton(family, text, a), 1);
}

static enum cts_write_class restore(const struct cts_flow *f)
{
	return kernel_write(CTS_OP_RESTORE, f).cls;
}

/* -- created, updated, reversed, collision -- */

static void what_is_not_there_is_created(void **state)
{
	struct cts_flow f;
	struct outcome out;

	kernel_flow(&f, 1);
	f.present |= BIT(MARK);
	f.mark = 3;
	assert_int_equal(restore(&f), CTS_WRITE_CREATED);
	out = kernel_read(&f);
	assert_int_equal(out.found, 1);
	assert_memory_equal(&out.flow.orig, &f.orig, sizeof(f.orig));
	assert_memory_equal(&out.flow.reply, &f.reply, sizeof(f.reply));
	assert_int_equal(out.flow.mark, 3);
	assert_int_equal(out.flow.tcp_state, TCP_CONNTRACK_ESTABLISHED);
	assert_in_range(out.flow.timeout, 990, 1000);
	assert_int_equal(out.flow.status & (IPS_SEEN_REPLY | IPS_ASSURED | IPS_CONFIRMED),
			 IPS_SEEN_REPLY | IPS_ASSURED | IPS_CONFIRMED);
}

static void what_is_there_is_updated(void **state)
{
	struct cts_flow f;
	struct outcome out;

	kernel_flow(&f, 1);
	restore(&f);
	f.present |= BIT(MARK);
	f.mark = 8;
	f.timeout = 500;
	f.tcp_state = TCP_CONNTRACK_CLOSE_WAIT;
	assert_int_equal(restore(&f), CTS_WRITE_UPDATED);
	out = kernel_read(&f);
	assert_int_equal(out.flow.mark, 8);
	assert_int_equal(out.flow.tcp_state, TCP_CONNTRACK_CLOSE_WAIT);
	assert_in_range(out.flow.timeout, 490, 500);
}

static void what_is_there_the_other_way_round_stays(void **state)
{
	struct cts_flow f, reversed;

	kernel_flow(&f, 1);
	f.present |= BIT(MARK);
	f.mark = 1;
	restore(&f);
	reversed = f;
	reversed.orig = f.reply;
	reversed.reply = f.orig;
	reversed.mark = 2;
	assert_int_equal(restore(&reversed), CTS_WRITE_REVERSED);
	assert_int_equal(kernel_read(&f).flow.mark, 1);
	assert_int_equal(cts_table_count(), 1);
}

/* Two sources masqueraded to one address and port. */
static void make_clash(struct cts_flow *first, struct cts_flow *second)
{
	kernel_flow(first, 1);
	set_addr(&first->reply.dst, AF_INET, "203.0.113.1");
	first->reply.dport = htons(5000);
	kernel_flow(second, 40);
	second->reply = first->reply;
}

static void a_taken_reply_tuple_is_a_collision(void **state)
{
	struct cts_flow first, second;
	struct outcome out;

	make_clash(&first, &second);
	assert_int_equal(restore(&first), CTS_WRITE_CREATED);
	out = kernel_write(CTS_OP_RESTORE, &second);
	assert_int_equal(out.cls, CTS_WRITE_COLLISION);
	assert_int_equal(out.err, EEXIST);
	assert_int_equal(kernel_read(&first).found, 1);
	assert_int_equal(kernel_read(&second).found, 0);
}

static void a_collision_may_replace_the_other_entry(void **state)
{
	struct cts_writer_conf conf = { .collision_replace = true };
	struct cts_flow first, second;

	make_clash(&first, &second);
	restore(&first);
	assert_int_equal(kernel_write_with(&conf, CTS_OP_RESTORE, &second).cls, CTS_WRITE_CREATED);
	assert_int_equal(kernel_read(&first).found, 0);
	assert_int_equal(kernel_read(&second).found, 1);
	assert_int_equal(cts_table_count(), 1);
}

/* -- NAT -- */

struct nat_case {
	const char *name;
	uint8_t family, proto;
	const char *snat, *dnat;
	uint16_t snat_port, dnat_port;   /* 0: as it was */
};

static const struct nat_case nat_cases[] = {
	{ "snat, v4, tcp", AF_INET, IPPROTO_TCP, "203.0.113.1", NULL, 0, 0 },
	{ "snat with port, v4, tcp", AF_INET, IPPROTO_TCP, "203.0.113.1", NULL, 40000, 0 },
	{ "dnat, v4, udp", AF_INET, IPPROTO_UDP, NULL, "10.9.9.9", 0, 0 },
	{ "dnat with port, v4, tcp", AF_INET, IPPROTO_TCP, NULL, "10.9.9.9", 0, 8080 },
	{ "port only, v4, udp", AF_INET, IPPROTO_UDP, NULL, NULL, 0, 5353 },
	{ "both, v4, tcp", AF_INET, IPPROTO_TCP, "203.0.113.1", "10.9.9.9", 40001, 8080 },
	{ "both, v4, sctp", AF_INET, IPPROTO_SCTP, "203.0.113.1", "10.9.9.9", 40001, 8080 },
	{ "snat, v4, icmp", AF_INET, IPPROTO_ICMP, "203.0.113.1", NULL, 0, 0 },
	{ "snat with id, v4, icmp", AF_INET, IPPROTO_ICMP, "203.0.113.1", NULL, 77, 0 },
	{ "dnat, v4, icmp", AF_INET, IPPROTO_ICMP, NULL, "10.9.9.9", 0, 0 },
	{ "snat, v4, esp", AF_INET, IPPROTO_ESP, "203.0.113.1", NULL, 0, 0 },
	{ "snat, v4, gre", AF_INET, IPPROTO_GRE, "203.0.113.1", NULL, 0, 0 },
	{ "both, v4, udplite", AF_INET, IPPROTO_UDPLITE, "203.0.113.1", "10.9.9.9", 40001, 8080 },
	{ "snat, v6, tcp", AF_INET6, IPPROTO_TCP, "2001:db8:f::1", NULL, 40000, 0 },
	{ "dnat, v6, udp", AF_INET6, IPPROTO_UDP, NULL, "2001:db8:e::1", 0, 5353 },
	{ "both, v6, tcp", AF_INET6, IPPROTO_TCP, "2001:db8:f::1", "2001:db8:e::1", 0, 8080 },
	{ "snat, v6, icmp", AF_INET6, IPPROTO_ICMPV6, "2001:db8:f::1", NULL, 0, 0 },
};

static void nat_flow(const struct nat_case *c, struct cts_flow *f)
{
	bool icmp = c->proto == IPPROTO_ICMP || c->proto == IPPROTO_ICMPV6;

	if (c->family == AF_INET)
		kernel_flow(f, 1);
	else
		kernel_flow6(f, 1);
	f->orig.proto = c->proto;
	if (c->proto != IPPROTO_TCP)
		f->present &= ~BIT(TCP_STATE);
	if (icmp) {
		f->orig.dport = 0;
		f->orig.icmp_type = c->proto == IPPROTO_ICMP ? 8 : 128;
	}
	if (c->proto == IPPROTO_ESP)
		f->orig.sport = f->orig.dport = 0;
	cts_tuple_invert(&f->orig, &f->reply);
	if (c->snat)
		set_addr(&f->reply.dst, c->family, c->snat);
	if (c->snat_port)
		*(icmp ? &f->reply.sport : &f->reply.dport) = htons(c->snat_port);
	if (c->dnat)
		set_addr(&f->reply.src, c->family, c->dnat);
	if (c->dnat_port)
		f->reply.sport = htons(c->dnat_port);
}

static void a_translation_is_restored_as_the_peer_had_it(void **state)
{
	for (size_t i = 0; i < sizeof(nat_cases) / sizeof(nat_cases[0]); i++) {
		const struct nat_case *c = &nat_cases[i];
		bool snat = c->snat || c->snat_port, dnat = c->dnat || c->dnat_port;
		struct cts_flow f;
		struct outcome out;

		kernel_raw_flush();
		nat_flow(c, &f);
		out = kernel_write(CTS_OP_RESTORE, &f);
		if (out.cls != CTS_WRITE_CREATED)
			fail_msg("%s: %s, %s", c->name, cts_write_class_name(out.cls),
				 strerror(out.err));
		out = kernel_read(&f);
		if (!out.found || memcmp(&out.flow.reply, &f.reply, sizeof(f.reply)) ||
		    !!(out.flow.status & IPS_SRC_NAT) != snat ||
		    !!(out.flow.status & IPS_DST_NAT) != dnat ||
		    (out.flow.status & IPS_NAT_DONE_MASK) != IPS_NAT_DONE_MASK)
			fail_msg("%s: not as it was, status %x", c->name, out.flow.status);
		/* and again: it is there, the same way round */
		assert_int_equal(restore(&f), CTS_WRITE_UPDATED);
	}
}

/* Only the destination is translated, and the reply tuple that results is taken. */
static void dnat_clash(struct cts_flow *direct, struct cts_flow *f)
{
	static const struct nat_case c = { "", AF_INET, IPPROTO_TCP, NULL, "10.9.9.9", 0, 8080 };

	nat_flow(&c, f);
	*direct = *f;
	set_addr(&direct->orig.dst, AF_INET, "10.9.9.9");
	direct->orig.dport = htons(8080);
	cts_tuple_invert(&direct->orig, &direct->reply);
}

static void the_untranslated_side_is_not_left_to_the_kernel(void **state)
{
	struct cts_flow direct, f, plain;
	struct outcome out;

	dnat_clash(&direct, &f);
	assert_int_equal(restore(&direct), CTS_WRITE_CREATED);

	/* The fact: with CTA_NAT_DST alone another source port is picked in silence. */
	plain = f;
	plain.nat = f.orig;
	plain.nat.dst = f.reply.src;
	plain.nat.dport = f.reply.sport;
	cts_tuple_invert(&plain.orig, &plain.reply);
	plain.present |= BIT(DNAT);
	assert_int_equal(kernel_write(CTS_OP_CREATE, &plain).cls, CTS_WRITE_CREATED);
	out = kernel_read(&plain);
	assert_int_not_equal(out.flow.reply.dport, f.reply.dport);
	kernel_write(CTS_OP_DELETE, &plain);

	/* The rule: both sides are pinned, so it is a collision. */
	assert_int_equal(restore(&f), CTS_WRITE_COLLISION);
}

static void an_address_without_a_port_lets_the_kernel_pick_one(void **state)
{
	struct cts_flow first, second;
	struct outcome out;

	make_clash(&first, &second);
	second.orig.sport = first.reply.dport;
	restore(&first);
	cts_tuple_invert(&second.orig, &second.reply);
	second.nat = second.orig;
	set_addr(&second.nat.src, AF_INET, "203.0.113.1");
	second.nat.sport = 0;
	second.present |= BIT(SNAT);
	assert_int_equal(kernel_write(CTS_OP_CREATE, &second).cls, CTS_WRITE_CREATED);
	out = kernel_read(&second);
	assert_int_not_equal(out.flow.reply.dport, second.orig.sport);
}

/* It prints as if it were translated; test_nat_packets shows that it is not. */
static void a_translated_reply_without_ranges_is_not_nat(void **state)
{
	struct cts_flow f;
	struct outcome out;

	nat_flow(&nat_cases[0], &f);
	assert_int_equal(kernel_write(CTS_OP_CREATE, &f).cls, CTS_WRITE_CREATED);
	out = kernel_read(&f);
	assert_memory_equal(&out.flow.reply, &f.reply, sizeof(f.reply));
	assert_int_equal(out.flow.status & (IPS_SRC_NAT | IPS_NAT_DONE_MASK), 0);
}

static void nat_of_an_existing_entry_cannot_be_changed(void **state)
{
	struct cts_flow f;
	struct outcome out;

	kernel_flow(&f, 1);
	restore(&f);
	f.nat = f.orig;
	f.present = BIT(ORIG) | BIT(SNAT);
	out = kernel_write(CTS_OP_UPDATE, &f);
	assert_int_equal(out.cls, CTS_WRITE_FAILED);
	assert_int_equal(out.err, EOPNOTSUPP);
}

/* -- status -- */

static void status_bits_that_harm_are_not_written(void **state)
{
	struct cts_flow f;
	struct outcome out;

	/* the fact */
	kernel_flow(&f, 1);
	f.status = IPS_CONFIRMED | IPS_EXPECTED;
	out = kernel_write(CTS_OP_CREATE, &f);
	assert_int_equal(out.cls, CTS_WRITE_FAILED);
	assert_int_equal(out.err, EBUSY);
	f.status = IPS_CONFIRMED | IPS_DYING;
	assert_int_equal(kernel_write(CTS_OP_CREATE, &f).err, EBUSY);

	/* the rule */
	f.status = IPS_EXPECTED | IPS_DYING | IPS_SEEN_REPLY | IPS_ASSURED | IPS_HELPER |
		   IPS_HW_OFFLOAD | IPS_OFFLOAD | IPS_SEQ_ADJUST | IPS_SRC_NAT | IPS_NAT_DONE_MASK;
	assert_int_equal(restore(&f), CTS_WRITE_CREATED);
	assert_int_equal(kernel_read(&f).flow.status,
			 IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED);
}

static void an_update_adds_status_bits_and_takes_none_away(void **state)
{
	struct cts_flow f;

	kernel_flow(&f, 1);
	f.status = IPS_CONFIRMED;
	restore(&f);
	assert_int_equal(kernel_read(&f).flow.status, IPS_CONFIRMED);

	f.status = IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED;
	assert_int_equal(restore(&f), CTS_WRITE_UPDATED);
	assert_int_equal(kernel_read(&f).flow.status,
			 IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED);

	/* the fact: clearing them is refused */
	f.status = IPS_CONFIRMED;
	f.present = BIT(ORIG) | BIT(STATUS);
	assert_int_equal(kernel_write(CTS_OP_UPDATE, &f).err, EBUSY);
	/* the rule */
	assert_int_equal(restore(&f), CTS_WRITE_UPDATED);
	assert_int_equal(kernel_read(&f).flow.status,
			 IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED);
}

/* No kernel refuses a status that restore() makes; the answer is made up here. */
static void a_refused_status_is_left_out_once(void **state)
{
	struct restore_rules rules = { 0 };
	struct write_op op = { .op = CTS_OP_RESTORE };
	enum cts_write_class cls;

	kernel_flow(&op.flow, 1);
	assert_int_equal(restore_prepare(&op, &rules), 0);
	assert_true(op.attrs & BIT(STATUS));
	op.err = EBUSY;
	assert_false(restore_next(&op, &rules, &cls));
	assert_int_equal(op.step, STEP_CREATE);
	assert_false(op.attrs & BIT(STATUS));
	op.err = 0;
	assert_true(restore_next(&op, &rules, &cls));
	assert_int_equal(cls, CTS_WRITE_NO_STATUS);

	op.err = EBUSY;
	assert_true(restore_next(&op, &rules, &cls));
	assert_int_equal(cls, CTS_WRITE_FAILED);
}

static void a_fixed_timeout_is_left_alone(void **state)
{
	struct cts_flow f;
	struct outcome out;

	kernel_flow(&f, 1);
	f.status |= IPS_FIXED_TIMEOUT;
	assert_int_equal(restore(&f), CTS_WRITE_CREATED);
	assert_true(kernel_read(&f).flow.status & IPS_FIXED_TIMEOUT);

	f.timeout = 10;
	f.present |= BIT(MARK);
	f.mark = 5;
	out = kernel_write(CTS_OP_UPDATE, &(struct cts_flow){ .present = BIT(ORIG) | BIT(TIMEOUT),
							      .orig = f.orig, .timeout = 10 });
	assert_int_equal(out.err, EPERM);
	assert_int_equal(restore(&f), CTS_WRITE_UPDATED);
	out = kernel_read(&f);
	assert_int_equal(out.flow.mark, 5);
	assert_true(out.flow.timeout > 10);
}

/* -- timeouts, TCP -- */

static void a_missing_timeout_is_the_protocols_default(void **state)
{
	static const struct { uint8_t proto, tcp_state; uint32_t status, timeout; } c[] = {
		{ IPPROTO_TCP, TCP_CONNTRACK_ESTABLISHED, IPS_ASSURED, 432000 },
		{ IPPROTO_TCP, TCP_CONNTRACK_CLOSE_WAIT, IPS_ASSURED, 60 },
		{ IPPROTO_TCP, TCP_CONNTRACK_LAST_ACK, IPS_ASSURED, 30 },
		{ IPPROTO_UDP, 0, 0, 30 },
		{ IPPROTO_UDP, 0, IPS_SEEN_REPLY | IPS_ASSURED, 120 },
		{ 200, 0, 0, 600 },
	};

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct cts_flow f;

		kernel_raw_flush();
		kernel_flow(&f, 1);
		f.orig.proto = c[i].proto;
		f.tcp_state = c[i].tcp_state;
		f.status = IPS_CONFIRMED | c[i].status;
		f.present &= ~BIT(TIMEOUT);
		if (c[i].proto != IPPROTO_TCP)
			f.present &= ~BIT(TCP_STATE);
		if (c[i].proto == 200)
			f.orig.sport = f.orig.dport = 0;
		cts_tuple_invert(&f.orig, &f.reply);
		assert_int_equal(restore(&f), CTS_WRITE_CREATED);
		assert_in_range(kernel_read(&f).flow.timeout, c[i].timeout - 5, c[i].timeout);
	}
}

static void tcp_is_liberal_unless_windows_are_tracked(void **state)
{
	struct cts_writer_conf strict = { .tcp_window_tracking = true };
	const uint8_t shared = IP_CT_TCP_FLAG_WINDOW_SCALE | IP_CT_TCP_FLAG_SACK_PERM;
	struct cts_flow f;
	struct outcome out;

	kernel_flow(&f, 1);
	f.present |= BIT(TCP_FLAGS) | BIT(TCP_WSCALE);
	f.tcp_flags[0] = f.tcp_flags[1] = shared | IP_CT_TCP_FLAG_MAXACK_SET;
	f.tcp_wscale[0] = 7;
	f.tcp_wscale[1] = 9;
	assert_int_equal(restore(&f), CTS_WRITE_CREATED);
	out = kernel_read(&f);
	assert_int_equal(out.flow.tcp_flags[0], shared | IP_CT_TCP_FLAG_BE_LIBERAL);
	assert_int_equal(out.flow.tcp_flags[1], shared | IP_CT_TCP_FLAG_BE_LIBERAL);
	assert_int_equal(out.flow.tcp_wscale[0], 7);
	assert_int_equal(out.flow.tcp_wscale[1], 9);

	kernel_flow(&f, 2);
	f.present |= BIT(TCP_FLAGS);
	f.tcp_flags[0] = f.tcp_flags[1] = shared;
	assert_int_equal(kernel_write_with(&strict, CTS_OP_RESTORE, &f).cls, CTS_WRITE_CREATED);
	assert_int_equal(kernel_read(&f).flow.tcp_flags[0], shared);
}

/* -- master, helper, labels, sequence adjustment -- */

static void an_absent_master_is_left_out_and_counted(void **state)
{
	struct cts_flow master, f;

	kernel_flow(&master, 1);
	kernel_flow(&f, 40);
	f.master = master.orig;
	f.present |= BIT(MASTER);
	assert_int_equal(restore(&f), CTS_WRITE_NO_MASTER);
	assert_false(kernel_read(&f).flow.status & IPS_EXPECTED);

	kernel_raw_flush();
	restore(&master);
	assert_int_equal(restore(&f), CTS_WRITE_CREATED);
	assert_true(kernel_read(&f).flow.status & IPS_EXPECTED);
}

static void an_unknown_helper_is_left_out_and_counted(void **state)
{
	struct cts_flow f;
	struct outcome out;

	kernel_flow(&f, 1);
	f.present |= BIT(HELPER);
	f.helper = "no-such-helper";
	f.helper_len = 14;
	assert_int_equal(restore(&f), CTS_WRITE_NO_HELPER);
	out = kernel_read(&f);
	assert_int_equal(out.found, 1);
	assert_false(cts_flow_has(&out.flow, CTS_FLOW_HELPER));

	/* master and helper may both be refused */
	kernel_flow(&f, 40);
	f.present |= BIT(HELPER) | BIT(MASTER);
	f.helper = "no-such-helper";
	f.helper_len = 14;
	f.master = f.orig;
	f.master.sport = htons(1);
	assert_int_equal(restore(&f), CTS_WRITE_NO_MASTER);
	assert_int_equal(kernel_read(&f).found, 1);
}

static void a_known_helper_is_restored(void **state)
{
	struct cts_flow f;
	struct outcome out;

	kernel_flow(&f, 1);
	f.orig.dport = htons(21);
	cts_tuple_invert(&f.orig, &f.reply);
	f.present |= BIT(HELPER);
	f.helper = "ftp";
	f.helper_len = 3;
	out = kernel_write(CTS_OP_RESTORE, &f);
	if (out.cls == CTS_WRITE_NO_HELPER) {
		print_message("this kernel has no ftp helper\n");
		return;
	}
	assert_int_equal(out.cls, CTS_WRITE_CREATED);
	assert_string_equal(kernel_read(&f).helper, "ftp");
}

static void labels_that_no_rule_uses_do_not_stop_an_update(void **state)
{
	uint32_t labels[4] = { 1 };
	struct cts_flow f;
	struct outcome out;

	kernel_flow(&f, 1);
	f.present |= BIT(LABELS);
	f.labels = labels;
	f.labels_len = sizeof(labels);
	/* created without a word, and without labels */
	assert_int_equal(restore(&f), CTS_WRITE_CREATED);
	out = kernel_read(&f);
	assert_false(cts_flow_has(&out.flow, CTS_FLOW_LABELS));
	/* the fact */
	assert_int_equal(kernel_write(CTS_OP_UPDATE, &f).err, ENOSPC);
	/* the rule */
	f.present |= BIT(MARK);
	f.mark = 6;
	assert_int_equal(restore(&f), CTS_WRITE_UPDATED);
	assert_int_equal(kernel_read(&f).flow.mark, 6);
}

static void sequence_adjustment_is_restored(void **state)
{
	struct cts_flow f;
	struct outcome out;

	kernel_flow(&f, 1);
	f.present |= BIT(SEQADJ_ORIG) | BIT(SEQADJ_REPLY);
	f.seqadj_pos[0] = 100;
	f.seqadj_before[0] = 3;
	f.seqadj_after[0] = 5;
	f.seqadj_pos[1] = 200;
	f.seqadj_after[1] = 7;
	assert_int_equal(restore(&f), CTS_WRITE_CREATED);
	out = kernel_read(&f);
	assert_true(out.flow.status & IPS_SEQ_ADJUST);
	assert_int_equal(out.flow.seqadj_pos[0], 100);
	assert_int_equal(out.flow.seqadj_before[0], 3);
	assert_int_equal(out.flow.seqadj_after[0], 5);
	assert_int_equal(out.flow.seqadj_after[1], 7);
}

static void what_cannot_be_restored_does_not_disturb(void **state)
{
	struct cts_flow f;

	kernel_flow(&f, 1);
	f.present |= BIT(COUNTERS_ORIG) | BIT(COUNTERS_REPLY) | BIT(START) | BIT(STOP) | BIT(ID) |
		     BIT(USE) | BIT(SECMARK);
	f.packets[0] = f.bytes[0] = 5;
	f.id = 17;
	f.use = 3;
	f.secmark = 1;
	assert_int_equal(restore(&f), CTS_WRITE_CREATED);
	assert_int_equal(restore(&f), CTS_WRITE_UPDATED);
}

/* A second flow with the same unknown helper is not tried with it again; another
 * protocol's is. */
static void a_refused_helper_is_remembered(void **state)
{
	struct restore_rules rules = { 0 };
	struct write_op op = { .op = CTS_OP_RESTORE, .helper = "no-such-helper" };
	enum cts_write_class cls;

	kernel_flow(&op.flow, 1);
	op.flow.present |= BIT(HELPER);
	assert_int_equal(restore_prepare(&op, &rules), 0);
	assert_true(op.attrs & BIT(HELPER));
	op.err = EOPNOTSUPP;
	assert_false(restore_next(&op, &rules, &cls));

	op.left_out = 0;
	op.flow.present |= BIT(HELPER);
	assert_int_equal(restore_prepare(&op, &rules), 0);
	assert_false(op.attrs & BIT(HELPER));
	op.err = 0;
	assert_true(restore_next(&op, &rules, &cls));
	assert_int_equal(cls, CTS_WRITE_NO_HELPER);

	op.left_out = 0;
	op.flow.orig.proto = op.flow.reply.proto = IPPROTO_UDP;
	assert_int_equal(restore_prepare(&op, &rules), 0);
	assert_true(op.attrs & BIT(HELPER));
	/* and not for ever */
	op.flow.orig.proto = op.flow.reply.proto = IPPROTO_TCP;
	rules.refused[0].until_s -= REFUSED_HELPER_S + 1;
	op.left_out = 0;
	assert_int_equal(restore_prepare(&op, &rules), 0);
	assert_true(op.attrs & BIT(HELPER));
}

static void a_refresh_updates_and_falls_back_to_restoring(void **state)
{
	struct cts_flow f;
	struct outcome out;

	kernel_flow(&f, 1);
	f.status = IPS_CONFIRMED | IPS_SEEN_REPLY;
	f.present |= BIT(MARK);
	f.mark = 1;
	assert_int_equal(kernel_write(CTS_OP_REFRESH, &f).cls, CTS_WRITE_CREATED);
	f.mark = 2;
	f.status |= IPS_ASSURED;
	assert_int_equal(kernel_write(CTS_OP_REFRESH, &f).cls, CTS_WRITE_UPDATED);
	/* the kernel's status is ahead: looked at, and kept */
	f.mark = 3;
	f.status = IPS_CONFIRMED;
	assert_int_equal(kernel_write(CTS_OP_REFRESH, &f).cls, CTS_WRITE_UPDATED);
	out = kernel_read(&f);
	assert_int_equal(out.flow.mark, 3);
	assert_int_equal(out.flow.status, IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED);

	/* with NAT: the update leaves it alone */
	kernel_raw_flush();
	nat_flow(&nat_cases[5], &f);
	assert_int_equal(kernel_write(CTS_OP_REFRESH, &f).cls, CTS_WRITE_CREATED);
	assert_int_equal(kernel_write(CTS_OP_REFRESH, &f).cls, CTS_WRITE_UPDATED);
	out = kernel_read(&f);
	assert_memory_equal(&out.flow.reply, &f.reply, sizeof(f.reply));
}

static void mixed_families_are_refused(void **state)
{
	struct outcome out;
	struct cts_writer *w = kernel_writer(NULL, &out);
	struct cts_flow f, g;

	kernel_flow(&f, 1);
	kernel_flow6(&g, 1);
	f.reply = g.reply;
	assert_int_equal(cts_writer_add(w, CTS_OP_RESTORE, &f, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(cts_writer_pending(w), 0);
	cts_writer_close(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_is_not_there_is_created, fresh),
		cmocka_unit_test_setup(what_is_there_is_updated, fresh),
		cmocka_unit_test_setup(what_is_there_the_other_way_round_stays, fresh),
		cmocka_unit_test_setup(a_taken_reply_tuple_is_a_collision, fresh),
		cmocka_unit_test_setup(a_collision_may_replace_the_other_entry, fresh),
		cmocka_unit_test_setup(a_translation_is_restored_as_the_peer_had_it, fresh),
		cmocka_unit_test_setup(the_untranslated_side_is_not_left_to_the_kernel, fresh),
		cmocka_unit_test_setup(an_address_without_a_port_lets_the_kernel_pick_one, fresh),
		cmocka_unit_test_setup(a_translated_reply_without_ranges_is_not_nat, fresh),
		cmocka_unit_test_setup(nat_of_an_existing_entry_cannot_be_changed, fresh),
		cmocka_unit_test_setup(status_bits_that_harm_are_not_written, fresh),
		cmocka_unit_test_setup(an_update_adds_status_bits_and_takes_none_away, fresh),
		cmocka_unit_test_setup(a_refused_status_is_left_out_once, fresh),
		cmocka_unit_test_setup(a_fixed_timeout_is_left_alone, fresh),
		cmocka_unit_test_setup(a_missing_timeout_is_the_protocols_default, fresh),
		cmocka_unit_test_setup(tcp_is_liberal_unless_windows_are_tracked, fresh),
		cmocka_unit_test_setup(an_absent_master_is_left_out_and_counted, fresh),
		cmocka_unit_test_setup(an_unknown_helper_is_left_out_and_counted, fresh),
		cmocka_unit_test_setup(a_known_helper_is_restored, fresh),
		cmocka_unit_test_setup(labels_that_no_rule_uses_do_not_stop_an_update, fresh),
		cmocka_unit_test_setup(sequence_adjustment_is_restored, fresh),
		cmocka_unit_test_setup(what_cannot_be_restored_does_not_disturb, fresh),
		cmocka_unit_test_setup(a_refused_helper_is_remembered, fresh),
		cmocka_unit_test_setup(a_refresh_updates_and_falls_back_to_restoring, fresh),
		cmocka_unit_test_setup(mixed_families_are_refused, fresh),
	};

	kernel_net_enter();
	return cmocka_run_group_tests_name("kernel restore", tests, NULL, NULL);
}
