/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The public structs of ABI 1, frozen: members are added at the end alone. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <ctsync/filter.h>
#include <ctsync/output.h>
#include <ctsync/transport.h>

#define AT(type, member, offset) assert_int_equal(offsetof(struct type, member), offset)

static void events_and_batches(void **state)
{
	AT(cts_batch, n, 8);
	AT(cts_batch, ev, 16);
	AT(cts_batch, drop, 24);
	AT(cts_event, origin, 1);
	AT(cts_event, portid, 4);
	AT(cts_event, node, 8);
	AT(cts_event, time_ns, 16);
	AT(cts_event, flow, 24);
	AT(cts_event, expect, 32);
	AT(cts_event, raw, 40);
	assert_int_equal(CTS_BATCH_MAX, 1024);
}

static void flows(void **state)
{
	AT(cts_tuple, dst, 16);
	AT(cts_tuple, sport, 32);
	AT(cts_tuple, dport, 34);
	AT(cts_tuple, icmp_type, 36);
	AT(cts_tuple, family, 38);
	AT(cts_tuple, proto, 39);
	AT(cts_flow, orig, 8);
	AT(cts_flow, reply, 56);
	AT(cts_flow, master, 104);
	AT(cts_flow, nat, 152);
	AT(cts_flow, status, 200);
	AT(cts_flow, mark, 208);
	AT(cts_flow, use, 220);
	AT(cts_flow, zone, 224);
	AT(cts_flow, tcp_state, 230);
	AT(cts_flow, packets, 256);
	AT(cts_flow, secctx_len, 390);
	/* numbers that are compiled into plugins */
	assert_int_equal(CTS_FLOW_STATUS, 3);
	assert_int_equal(CTS_FLOW_TCP_STATE, 9);
	assert_int_equal(CTS_FLOW_COUNTERS_ORIG, 17);
	assert_int_equal(CTS_FLOW_LABELS, 22);
	assert_int_equal(CTS_FLOW_DNAT, 33);
	assert_int_equal(CTS_EVENT_DESTROY, 2);
	assert_int_equal(CTS_ORIGIN_COMMAND, 3);
}

static void plugins_and_options(void **state)
{
	assert_int_equal(CTS_PLUGIN_ABI, 1);
	AT(cts_plugin, size, 4);
	AT(cts_plugin, kind, 8);
	AT(cts_plugin, name, 16);
	AT(cts_plugin, options, 40);
	assert_int_equal(sizeof(struct cts_plugin), 48);
	AT(cts_option, def, 16);
	AT(cts_option, min, 24);
	AT(cts_option, choices, 40);
	AT(cts_option, help, 48);
	AT(cts_option, check, 56);
	assert_int_equal(sizeof(struct cts_option), 72);
	assert_int_equal(CTS_OPT_BOOL, 1);
	assert_int_equal(CTS_OPT_LIST, 8);
}

static void functions(void **state)
{
	AT(cts_filter_ops, create, 48);
	AT(cts_filter_ops, apply, 64);
	AT(cts_filter_ops, local_addresses, 80);
	AT(cts_output_ops, create, 48);
	AT(cts_output_ops, consume, 64);
	AT(cts_output_ops, snapshot, 88);
	AT(cts_transport_ops, caps, 48);
	AT(cts_transport_ops, create, 56);
	AT(cts_transport_ops, send, 72);
	AT(cts_transport_ops, own_flows, 96);
	AT(cts_transport_ops, peer_name, 104);
	AT(cts_transport_host, deliver, 24);
	AT(cts_transport_host, writable, 48);
	AT(cts_transport_status, up, 72);
	AT(cts_transport_status, sent_errors, 80);
	AT(cts_transport_status, refused, 104);
	AT(cts_flow_pattern, dport, 4);
	AT(cts_flow_pattern, src, 8);
	assert_int_equal(sizeof(struct cts_flow_pattern), 40);
	AT(cts_address, family, 16);
	assert_int_equal(sizeof(struct cts_address), 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_and_batches),
		cmocka_unit_test(flows),
		cmocka_unit_test(plugins_and_options),
		cmocka_unit_test(functions),
	};

	if (sizeof(void *) != 8)
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
