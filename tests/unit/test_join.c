/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What two kernels know of one flow, put together. */
#include "config.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/node/join.h"

#define BIT CTS_FLOW_BIT

static void flow_init(struct cts_flow_store *s, uint8_t state, uint32_t status, uint32_t mark)
{
	struct cts_flow *f = &s->flow;

	memset(s, 0, sizeof(*s));
	f->orig.family = AF_INET;
	f->orig.proto = IPPROTO_TCP;
	f->orig.src.v4 = htonl(0x0a000001);
	f->orig.dst.v4 = htonl(0x0a000002);
	cts_tuple_invert(&f->orig, &f->reply);
	f->present = BIT(CTS_FLOW_ORIG) | BIT(CTS_FLOW_REPLY) | BIT(CTS_FLOW_STATUS) |
		     BIT(CTS_FLOW_TIMEOUT) | BIT(CTS_FLOW_TCP_STATE);
	f->status = status;
	f->timeout = 100u + state;
	f->tcp_state = state;
	f->mark = mark;
	f->present |= mark ? BIT(CTS_FLOW_MARK) : 0;
}

/* State a, then joined with state b of an older, equal or newer version. */
static uint8_t joined(uint8_t a, uint8_t b, int order)
{
	struct cts_flow_store f, o;

	flow_init(&f, a, 0, 0);
	flow_init(&o, b, 0, 0);
	join_flows(&f, &o.flow, order);
	return f.flow.tcp_state;
}

static void tcp_goes_forward_alone(void **state)
{
	static const uint8_t way[] = {
		TCP_CONNTRACK_SYN_SENT, TCP_CONNTRACK_SYN_SENT2, TCP_CONNTRACK_SYN_RECV,
		TCP_CONNTRACK_ESTABLISHED, TCP_CONNTRACK_FIN_WAIT, TCP_CONNTRACK_CLOSE_WAIT,
		TCP_CONNTRACK_LAST_ACK, TCP_CONNTRACK_TIME_WAIT, TCP_CONNTRACK_CLOSE,
	};

	for (size_t i = 0; i < sizeof(way); i++)
		for (size_t k = i; k < sizeof(way); k++)
			for (int order = -1; order <= 1; order++) {
				/* the end of an earlier connection: see below */
				if (i < 3 && k >= 7)
					continue;
				assert_int_equal(joined(way[i], way[k], order), way[k]);
				assert_int_equal(joined(way[k], way[i], order), way[k]);
			}
}

static void a_connection_that_begins_again_is_a_new_one(void **state)
{
	assert_int_equal(joined(TCP_CONNTRACK_TIME_WAIT, TCP_CONNTRACK_SYN_SENT, 1),
			 TCP_CONNTRACK_SYN_SENT);
	assert_int_equal(joined(TCP_CONNTRACK_SYN_SENT, TCP_CONNTRACK_TIME_WAIT, -1),
			 TCP_CONNTRACK_SYN_SENT);
	assert_int_equal(joined(TCP_CONNTRACK_SYN_SENT, TCP_CONNTRACK_CLOSE, 1),
			 TCP_CONNTRACK_CLOSE);
	assert_int_equal(joined(TCP_CONNTRACK_ESTABLISHED, TCP_CONNTRACK_TIME_WAIT, -1),
			 TCP_CONNTRACK_TIME_WAIT);
}

static void the_timeout_goes_with_the_state(void **state)
{
	struct cts_flow_store f, o;

	flow_init(&f, TCP_CONNTRACK_SYN_SENT, 0, 0);
	flow_init(&o, TCP_CONNTRACK_ESTABLISHED, 0, 0);
	o.flow.timeout = 432000;
	assert_true(join_flows(&f, &o.flow, 0));
	assert_int_equal(f.flow.timeout, 432000);

	/* but a timeout alone is no knowledge */
	o.flow.timeout = 431000;
	assert_false(join_flows(&f, &o.flow, 1));
	assert_int_equal(f.flow.timeout, 432000);
}

static void what_is_only_ever_set_stays_set(void **state)
{
	struct cts_flow_store f, o;

	flow_init(&f, TCP_CONNTRACK_ESTABLISHED, IPS_CONFIRMED | IPS_ASSURED, 0);
	flow_init(&o, TCP_CONNTRACK_ESTABLISHED, IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_SRC_NAT, 0);
	assert_true(join_flows(&f, &o.flow, -1));
	/* bits of NAT and the like are each kernel's own */
	assert_int_equal(f.flow.status, IPS_CONFIRMED | IPS_ASSURED | IPS_SEEN_REPLY);
	assert_false(join_flows(&f, &o.flow, -1));
}

static void the_newer_mark_counts_and_any_before_none(void **state)
{
	struct cts_flow_store f, o;

	flow_init(&f, TCP_CONNTRACK_ESTABLISHED, 0, 1);
	flow_init(&o, TCP_CONNTRACK_ESTABLISHED, 0, 2);
	assert_false(join_flows(&f, &o.flow, -1));
	assert_true(join_flows(&f, &o.flow, 1));
	assert_int_equal(f.flow.mark, 2);
	flow_init(&o, TCP_CONNTRACK_ESTABLISHED, 0, 0);
	assert_false(join_flows(&f, &o.flow, 1));
	assert_true(join_flows(&o, &f.flow, -1));
	assert_int_equal(o.flow.mark, 2);
	assert_true(cts_flow_has(&o.flow, CTS_FLOW_MARK));
}

static void labels_are_put_together(void **state)
{
	const uint32_t theirs[4] = { 0x1, 0, 0x80000000, 0 };
	struct cts_flow_store f, o;

	flow_init(&f, TCP_CONNTRACK_ESTABLISHED, 0, 0);
	flow_init(&o, TCP_CONNTRACK_ESTABLISHED, 0, 0);
	o.flow.labels = theirs;
	o.flow.labels_len = sizeof(theirs);
	o.flow.present |= BIT(CTS_FLOW_LABELS);
	assert_true(join_flows(&f, &o.flow, 0));
	assert_memory_equal(f.flow.labels, theirs, sizeof(theirs));
	assert_ptr_equal(f.flow.labels, f.labels);
	assert_false(join_flows(&f, &o.flow, 1));
}

static void window_scales_come_from_who_saw_them(void **state)
{
	struct cts_flow_store f, o;

	flow_init(&f, TCP_CONNTRACK_SYN_RECV, 0, 0);
	flow_init(&o, TCP_CONNTRACK_SYN_RECV, 0, 0);
	f.flow.present |= BIT(CTS_FLOW_TCP_WSCALE);
	o.flow.present |= BIT(CTS_FLOW_TCP_WSCALE);
	f.flow.tcp_wscale[0] = 7;
	o.flow.tcp_wscale[1] = 9;
	assert_true(join_flows(&f, &o.flow, -1));
	assert_int_equal(f.flow.tcp_wscale[0], 7);
	assert_int_equal(f.flow.tcp_wscale[1], 9);
	assert_false(join_flows(&f, &o.flow, -1));
}

/* -- two nodes that send each other what they joined -- */

struct end {
	struct cts_flow_store flow;
	uint32_t version;
};

static uint32_t below(uint64_t *rng, uint32_t n)
{
	*rng = *rng * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*rng >> 33) % n;
}

static void end_make(struct end *e, uint64_t *rng)
{
	flow_init(&e->flow, (uint8_t)(1 + below(rng, 9)), below(rng, 0x800), below(rng, 4));
	for (unsigned int d = 0; d < 2; d++) {
		if (below(rng, 2))
			e->flow.flow.present |= BIT(CTS_FLOW_SEQADJ_ORIG + d);
		e->flow.flow.seqadj_pos[d] = below(rng, 3);
		e->flow.flow.tcp_flags[d] = (uint8_t)below(rng, 256);
	}
	if (below(rng, 2))
		e->flow.flow.present |= BIT(CTS_FLOW_TCP_FLAGS);
	e->version = 1 + below(rng, 4);
}

/* to receives what from has. true: it learned something, and would send. */
static bool end_receive(struct end *to, const struct end *from)
{
	int order = (from->version > to->version) - (from->version < to->version);

	if (!join_flows(&to->flow, &from->flow.flow, order))
		return false;
	to->version = (from->version > to->version ? from->version : to->version) + 1;
	return true;
}

static void two_nodes_come_to_rest_and_agree(void **state)
{
	uint64_t rng = 7;

	for (unsigned int round = 0; round < 100000; round++) {
		struct end a, b;
		unsigned int messages = 0;
		bool a_sends = true, b_sends = true;

		end_make(&a, &rng);
		end_make(&b, &rng);
		while (a_sends || b_sends) {
			struct end sent_a = a, sent_b = b;

			/* both at once, as they cross on the wire */
			bool a_learned = b_sends && end_receive(&a, &sent_b);
			bool b_learned = a_sends && end_receive(&b, &sent_a);

			a_sends = a_learned;
			b_sends = b_learned;
			assert_true(++messages < 6);
		}
		assert_int_equal(a.flow.flow.tcp_state, b.flow.flow.tcp_state);
		assert_int_equal(a.flow.flow.mark, b.flow.flow.mark);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_goes_forward_alone),
		cmocka_unit_test(a_connection_that_begins_again_is_a_new_one),
		cmocka_unit_test(the_timeout_goes_with_the_state),
		cmocka_unit_test(what_is_only_ever_set_stays_set),
		cmocka_unit_test(the_newer_mark_counts_and_any_before_none),
		cmocka_unit_test(labels_are_put_together),
		cmocka_unit_test(window_scales_come_from_who_saw_them),
		cmocka_unit_test(two_nodes_come_to_rest_and_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
