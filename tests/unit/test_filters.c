/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The filter modules, loaded as the daemon loads them. */
#include "config.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/netfilter/nf_conntrack_tcp.h>

#include "core/pipeline/pipeline.h"
#include "core/plugin/loader.h"
#include "core/plugin/option_table.h"

static struct cts_loader *loader;

struct instance {
	const struct cts_filter_ops *ops;
	struct cts_options *opt;
	void *priv;
};

static struct instance open_filter(const char *name, const char *options)
{
	struct instance f = { .ops = cts_loader_get(loader, CTS_KIND_FILTER, name) };

	if (!f.ops)
		fail_msg("%s", cts_loader_error(loader));
	f.opt = cts_options_parse_text(f.ops->plugin.options, options, name, NULL);
	assert_non_null(f.opt);
	f.priv = f.ops->create(f.opt);
	assert_non_null(f.priv);
	return f;
}

static void close_filter(struct instance *f)
{
	f->ops->destroy(f->priv);
	cts_options_free(f->opt);
}

static bool passes_event(const struct instance *f, const struct cts_event *ev)
{
	uint64_t drop = 0;
	struct cts_batch batch = { .size = sizeof(batch), .n = 1, .ev = &ev, .drop = &drop };

	f->ops->apply(f->priv, &batch);
	return drop == 0;
}

static bool passes(const struct instance *f, const struct cts_flow *flow)
{
	struct cts_event ev = { .type = CTS_EVENT_NEW, .flow = flow };

	return passes_event(f, &ev);
}

static void set_addr(struct cts_tuple *t, union cts_addr *addr, const char *text)
{
	t->family = strchr(text, ':') ? AF_INET6 : AF_INET;
	assert_int_equal(inet_pton(t->family, text, addr->bytes), 1);
}

static void set_own(struct cts_address *a, const char *text)
{
	a->family = strchr(text, ':') ? AF_INET6 : AF_INET;
	assert_int_equal(inet_pton((int)a->family, text, a->addr.bytes), 1);
}

/* A flow from src whose packets end up at target. */
static struct cts_flow between(const char *src, const char *target)
{
	struct cts_flow flow = { .present = CTS_FLOW_BIT(CTS_FLOW_ORIG) |
					    CTS_FLOW_BIT(CTS_FLOW_REPLY) };

	set_addr(&flow.orig, &flow.orig.src, src);
	set_addr(&flow.reply, &flow.reply.src, target);
	flow.orig.proto = flow.reply.proto = IPPROTO_TCP;
	return flow;
}

static bool passes_between(const struct instance *f, const char *src, const char *target)
{
	struct cts_flow flow = between(src, target);

	return passes(f, &flow);
}

static void address_ignores_flows_with_an_end_in_the_list(void **state)
{
	struct instance f = open_filter("address", "ignore=127.0.0.0/8+::1+192.168.7.0/24");

	assert_false(passes_between(&f, "127.0.0.1", "127.0.0.1"));
	assert_false(passes_between(&f, "192.168.7.9", "8.8.8.8"));
	/* the reply's source is where DNAT really sends the packets */
	assert_false(passes_between(&f, "8.8.8.8", "192.168.7.9"));
	assert_true(passes_between(&f, "192.168.8.9", "8.8.8.8"));
	assert_false(passes_between(&f, "::1", "::1"));
	assert_true(passes_between(&f, "::2", "::3"));
	close_filter(&f);
}

static void address_accepts_only_flows_with_an_end_in_the_list(void **state)
{
	struct instance f = open_filter("address",
					"accept=10.0.0.0/8+2001:db8::/32,ignore=10.1.0.0/16");

	assert_true(passes_between(&f, "10.0.0.1", "8.8.8.8"));
	assert_true(passes_between(&f, "8.8.8.8", "10.0.0.1"));
	assert_false(passes_between(&f, "8.8.8.8", "9.9.9.9"));
	assert_true(passes_between(&f, "2001:db8::1", "2001::"));
	assert_false(passes_between(&f, "2002::1", "2001::"));
	/* a longer network that is ignored beats the shorter one, and either end does */
	assert_false(passes_between(&f, "10.1.0.1", "8.8.8.8"));
	assert_false(passes_between(&f, "10.2.0.1", "10.1.0.1"));
	close_filter(&f);
}

static void a_longer_accepted_network_beats_an_ignored_one(void **state)
{
	struct instance f = open_filter("address", "accept=10.1.0.0/16,ignore=10.0.0.0/8");

	assert_true(passes_between(&f, "10.1.0.1", "8.8.8.8"));
	assert_false(passes_between(&f, "10.2.0.1", "8.8.8.8"));
	close_filter(&f);
}

static void address_passes_what_it_does_not_know(void **state)
{
	struct instance f = open_filter("address", "accept=10.0.0.0/8");
	struct cts_flow flow = between("8.8.8.8", "10.0.0.1");

	flow.present = CTS_FLOW_BIT(CTS_FLOW_ORIG);   /* a partial event: no reply tuple */
	assert_true(passes(&f, &flow));
	flow.present = 0;
	assert_true(passes(&f, &flow));
	assert_true(passes(&f, NULL));                /* an expectation */
	close_filter(&f);
}

static void local_follows_the_nodes_own_addresses(void **state)
{
	struct instance f = open_filter("address", "ignore=local");
	struct cts_address own[2] = { 0 };

	assert_true(passes_between(&f, "10.0.0.1", "10.0.0.2"));
	set_own(&own[0], "10.0.0.1");
	set_own(&own[1], "fe80::1");
	f.ops->local_addresses(f.priv, own, 2);
	assert_false(passes_between(&f, "10.0.0.1", "10.0.0.2"));
	assert_false(passes_between(&f, "fe80::1", "fe80::2"));
	assert_true(passes_between(&f, "10.0.0.3", "10.0.0.2"));
	set_own(&own[0], "10.0.0.3");
	f.ops->local_addresses(f.priv, own, 1);
	assert_true(passes_between(&f, "10.0.0.1", "10.0.0.2"));
	assert_false(passes_between(&f, "10.0.0.3", "10.0.0.2"));
	assert_true(passes_between(&f, "fe80::1", "fe80::2"));
	f.ops->local_addresses(f.priv, NULL, 0);
	assert_true(passes_between(&f, "10.0.0.3", "10.0.0.2"));
	close_filter(&f);
}

static void two_instances_share_nothing(void **state)
{
	struct instance a = open_filter("address", "ignore=10.0.0.0/8");
	struct instance b = open_filter("address", "ignore=11.0.0.0/8");

	assert_false(passes_between(&a, "10.0.0.1", "8.8.8.8"));
	assert_true(passes_between(&b, "10.0.0.1", "8.8.8.8"));
	close_filter(&a);
	assert_false(passes_between(&b, "11.0.0.1", "8.8.8.8"));
	close_filter(&b);
}

static bool passes_proto(const struct instance *f, uint8_t proto)
{
	struct cts_flow flow = between("10.0.0.1", "10.0.0.2");

	flow.orig.proto = proto;
	return passes(f, &flow);
}

static void protocols_are_named_or_numbered(void **state)
{
	struct instance f = open_filter("protocol", "accept=tcp+UDP+icmpv6+47");

	assert_true(passes_proto(&f, IPPROTO_TCP));
	assert_true(passes_proto(&f, IPPROTO_UDP));
	assert_true(passes_proto(&f, IPPROTO_ICMPV6));
	assert_true(passes_proto(&f, IPPROTO_GRE));
	assert_false(passes_proto(&f, IPPROTO_ICMP));
	assert_false(passes_proto(&f, 255));
	close_filter(&f);

	f = open_filter("protocol", "ignore=tcp+255");
	assert_false(passes_proto(&f, IPPROTO_TCP));
	assert_false(passes_proto(&f, 255));
	assert_true(passes_proto(&f, IPPROTO_UDP));
	close_filter(&f);
}

static bool passes_state(const struct instance *f, uint8_t tcp_state, uint8_t type)
{
	struct cts_flow flow = between("10.0.0.1", "10.0.0.2");
	struct cts_event ev = { .type = type, .flow = &flow };

	flow.present |= CTS_FLOW_BIT(CTS_FLOW_TCP_STATE);
	flow.tcp_state = tcp_state;
	return passes_event(f, &ev);
}

static void tcp_states_are_accepted_or_ignored(void **state)
{
	struct instance f = open_filter("state", "accept=ESTABLISHED+CLOSED+LISTEN");
	struct cts_flow udp = between("10.0.0.1", "10.0.0.2");

	assert_true(passes_state(&f, TCP_CONNTRACK_ESTABLISHED, CTS_EVENT_UPDATE));
	assert_true(passes_state(&f, TCP_CONNTRACK_CLOSE, CTS_EVENT_UPDATE));
	assert_true(passes_state(&f, TCP_CONNTRACK_SYN_SENT2, CTS_EVENT_UPDATE));
	assert_false(passes_state(&f, TCP_CONNTRACK_SYN_SENT, CTS_EVENT_NEW));
	assert_false(passes_state(&f, 200, CTS_EVENT_NEW));
	assert_true(passes_state(&f, TCP_CONNTRACK_SYN_SENT, CTS_EVENT_DESTROY));
	assert_true(passes(&f, &udp));   /* no state in it: another protocol, or a partial event */
	close_filter(&f);

	f = open_filter("state", "ignore=SYN_SENT+SYN_RECV");
	assert_false(passes_state(&f, TCP_CONNTRACK_SYN_RECV, CTS_EVENT_NEW));
	assert_true(passes_state(&f, TCP_CONNTRACK_ESTABLISHED, CTS_EVENT_NEW));
	close_filter(&f);
}

static void wrong_values_are_refused_before_an_instance_is_made(void **state)
{
	static const struct { const char *plugin, *text; } wrong[] = {
		{ "address", "accept=10.0.0.0/33" }, { "address", "ignore=here" },
		{ "address", "accept=10.0.0.1/8" },
		{ "protocol", "accept=nonsense" }, { "protocol", "accept=256" },
		{ "protocol", "ignore=-1" },
		{ "state", "accept=established" }, { "state", "ignore=SYN" },
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		const struct cts_filter_ops *ops =
			cts_loader_get(loader, CTS_KIND_FILTER, wrong[i].plugin);

		assert_null(cts_options_parse_text(ops->plugin.options, wrong[i].text,
						   wrong[i].plugin, NULL));
	}
}

static void already_dropped_events_stay_dropped(void **state)
{
	struct instance f = open_filter("protocol", "accept=tcp");
	struct cts_flow flow = between("10.0.0.1", "10.0.0.2");
	struct cts_event ev = { .flow = &flow };
	const struct cts_event *list[70];
	uint64_t drop[2] = { 5, 1 };
	struct cts_batch batch = { .size = sizeof(batch), .n = 70, .ev = list, .drop = drop };

	for (size_t i = 0; i < 70; i++)
		list[i] = &ev;
	f.ops->apply(f.priv, &batch);
	assert_int_equal(drop[0], 5);
	assert_int_equal(drop[1], 1);
	flow.orig.proto = IPPROTO_UDP;
	f.ops->apply(f.priv, &batch);
	assert_true(drop[0] == UINT64_MAX);
	assert_int_equal(drop[1], 0x3f);
	close_filter(&f);
}

static int setup(void **state)
{
	loader = cts_loader_create(NULL, 0);
	return loader ? 0 : -1;
}

static int teardown(void **state)
{
	cts_loader_destroy(loader);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address_ignores_flows_with_an_end_in_the_list),
		cmocka_unit_test(address_accepts_only_flows_with_an_end_in_the_list),
		cmocka_unit_test(a_longer_accepted_network_beats_an_ignored_one),
		cmocka_unit_test(address_passes_what_it_does_not_know),
		cmocka_unit_test(local_follows_the_nodes_own_addresses),
		cmocka_unit_test(two_instances_share_nothing),
		cmocka_unit_test(protocols_are_named_or_numbered),
		cmocka_unit_test(tcp_states_are_accepted_or_ignored),
		cmocka_unit_test(wrong_values_are_refused_before_an_instance_is_made),
		cmocka_unit_test(already_dropped_events_stay_dropped),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
