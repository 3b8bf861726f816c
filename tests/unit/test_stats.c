/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/output_fixture.h"

static void expect_line(struct output *o, const char *line)
{
	char *text = output_snapshot(o);

	if (!strstr(text, line))
		fail_msg("no line \"%s\" in:\n%s", line, text);
	free(text);
}

static void events_are_counted_by_protocol_state_and_kind(void **state)
{
	struct output o = output_open("stats", "");
	struct cts_flow tcp = tcp_flow(), odd = tcp_flow();
	struct cts_event a = { .flow = &tcp }, b = { .flow = &tcp, .type = CTS_EVENT_UPDATE };
	struct cts_event c = { .flow = &tcp, .type = CTS_EVENT_DESTROY, .portid = 9 };
	struct cts_event d = { .flow = &odd }, e = { .flow = NULL };
	struct cts_event f = { .flow = &tcp, .origin = CTS_ORIGIN_DUMP };
	const struct cts_event *list[] = { &a, &a, &b, &c, &d, &e, &f };

	tcp.present |= CTS_FLOW_BIT(CTS_FLOW_COUNTERS_ORIG) | CTS_FLOW_BIT(CTS_FLOW_COUNTERS_REPLY);
	tcp.packets[0] = 10;
	tcp.packets[1] = 5;
	tcp.bytes[0] = UINT64_C(5000000000);
	tcp.bytes[1] = 1;
	odd.orig.family = AF_INET6;
	odd.orig.proto = 200;
	odd.tcp_state = 250;
	assert_int_equal(output_events(&o, list, 7), 0);

	expect_line(&o, "tcp        6              2              1              1"
			"                 15           5000000001\n");
	expect_line(&o, "unknown  200              1              0              0"
			"                  0                    0\n");
	expect_line(&o, "tcp state ESTABLISHED                     3\n");
	expect_line(&o, "tcp state unknown                         1\n");
	expect_line(&o, "new IPv4 flows                            2\n");
	expect_line(&o, "new IPv6 flows                            1\n");
	expect_line(&o, "caused by programs                        1\n");
	expect_line(&o, "expectation events                        1\n");
	expect_line(&o, "entries of dumps                          1\n");
	output_close(&o);
}

static void two_instances_count_apart(void **state)
{
	struct output a = output_open("stats", ""), b = output_open("stats", "");
	struct cts_flow tcp = tcp_flow();
	struct cts_event ev = { .flow = &tcp };

	output_event(&a, &ev);
	expect_line(&a, "new IPv4 flows                            1\n");
	expect_line(&b, "new IPv4 flows                            0\n");
	output_close(&a);
	output_close(&b);
}

static void refused_events_do_not_count(void **state)
{
	struct output o = output_open("stats", "");
	struct cts_flow tcp = tcp_flow();
	struct cts_event ev = { .flow = &tcp };
	const struct cts_event *list[] = { &ev, &ev };
	uint64_t drop = 2;
	struct cts_batch batch = { .size = sizeof(batch), .n = 2, .ev = list, .drop = &drop };

	assert_int_equal(o.ops->consume(o.priv, &batch), 0);
	expect_line(&o, "new IPv4 flows                            1\n");
	output_close(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_are_counted_by_protocol_state_and_kind),
		cmocka_unit_test(two_instances_count_apart),
		cmocka_unit_test(refused_events_do_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
