/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --top without a terminal: counters of flows, and what keys do to the view. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cli/conntrack/top/top.h"

#define PAGE 10u

/* -- counters -- */

static void counters_are_those_of_the_last_pass(void **state)
{
	struct counters c;
	uint64_t bytes;

	assert_int_equal(counters_init(&c, 100000), 0);
	for (uint32_t i = 0; i < 50000; i++)
		counters_put(&c, i * 2654435761u, i);
	counters_put(&c, 0, 77);
	for (uint32_t i = 1; i < 50000; i++) {
		assert_true(counters_get(&c, i * 2654435761u, &bytes));
		assert_int_equal(bytes, i);
	}
	assert_true(counters_get(&c, 0, &bytes));
	assert_int_equal(bytes, 77);
	assert_int_equal(c.n, 50000);
	assert_false(counters_get(&c, 12345, &bytes));
	counters_clear(&c);
	assert_false(counters_get(&c, 0, &bytes));
	counters_fini(&c);
}

static void a_flow_too_many_is_remembered(void **state)
{
	struct counters c;
	uint64_t bytes;

	assert_int_equal(counters_init(&c, 2), 0);
	counters_put(&c, 1, 1);
	counters_put(&c, 2, 2);
	assert_false(c.full);
	counters_put(&c, 3, 3);
	assert_true(c.full);
	assert_false(counters_get(&c, 3, &bytes));
	assert_true(counters_get(&c, 2, &bytes));
	counters_clear(&c);
	assert_false(c.full);
	counters_fini(&c);
}

/* -- keys -- */

static struct top with_groups(size_t n)
{
	return (struct top){ .view = TOP_GROUPS, .n_groups = n, .every_ms = 2000 };
}

static void the_cursor_stays_on_the_rows(void **state)
{
	struct top t = with_groups(25);

	top_key(&t, TOP_KEY_UP, PAGE);
	assert_int_equal(t.cursor, 0);
	top_key(&t, TOP_KEY_PAGE_DOWN, PAGE);
	top_key(&t, TOP_KEY_PAGE_DOWN, PAGE);
	assert_int_equal(t.cursor, 20);
	top_key(&t, TOP_KEY_PAGE_DOWN, PAGE);
	assert_int_equal(t.cursor, 24);
	top_key(&t, 'j', PAGE);
	assert_int_equal(t.cursor, 24);
	top_key(&t, TOP_KEY_PAGE_UP, PAGE);
	assert_int_equal(t.cursor, 14);
	top_key(&t, 'G', PAGE);
	assert_int_equal(t.cursor, 24);
	top_key(&t, TOP_KEY_HOME, PAGE);
	assert_int_equal(t.cursor, 0);
	t.n_groups = 0;
	top_key(&t, TOP_KEY_DOWN, PAGE);
	assert_int_equal(t.cursor, 0);
	assert_int_equal(top_key(&t, TOP_KEY_ENTER, PAGE), TOP_NOTHING);
	assert_int_equal(t.view, TOP_GROUPS);
}

static void enter_goes_into_and_escape_comes_back(void **state)
{
	struct groups *g = groups_create(10);
	struct top t = with_groups(2);
	const uint64_t sum[GROUP_SUMS] = { 1 };

	groups_add(g, "first", 5, sum);
	groups_add(g, "second", 6, sum);
	t.group = groups_top(g, 0, &t.n_groups);
	t.flow = calloc(3, sizeof(*t.flow));
	t.flow[1].store.flow.id = 42;
	t.flow[1].store.flow.present = CTS_FLOW_BIT(CTS_FLOW_ID);

	top_key(&t, TOP_KEY_DOWN, PAGE);
	assert_int_equal(top_key(&t, TOP_KEY_ENTER, PAGE), TOP_REFRESH);
	assert_int_equal(t.view, TOP_FLOWS);
	assert_true(t.in_group);
	assert_int_equal(t.group_len, 6);
	assert_memory_equal(t.group_key, "second", 6);
	t.n_flows = 3;
	top_key(&t, TOP_KEY_DOWN, PAGE);
	top_key(&t, TOP_KEY_ENTER, PAGE);
	assert_int_equal(t.view, TOP_FLOW);
	assert_int_equal(top_flow_chosen(&t)->store.flow.id, 42);
	assert_int_equal(top_key(&t, 'd', PAGE), TOP_ASK_DELETE);
	t.chosen_gone = true;
	assert_null(top_flow_chosen(&t));
	assert_int_equal(top_key(&t, 'd', PAGE), TOP_NOTHING);
	assert_true(t.message[0] != '\0');
	top_key(&t, 'h', PAGE);
	top_key(&t, 'h', PAGE);
	assert_int_equal(t.view, TOP_HELP);
	top_key(&t, TOP_KEY_BACK, PAGE);
	assert_int_equal(t.view, TOP_FLOW);
	top_key(&t, TOP_KEY_BACK, PAGE);
	assert_int_equal(t.view, TOP_FLOWS);
	top_key(&t, TOP_KEY_BACK, PAGE);
	assert_int_equal(t.view, TOP_GROUPS);
	assert_int_equal(t.cursor, 1);
	assert_int_equal(top_key(&t, 'd', PAGE), TOP_NOTHING);
	free(t.group);
	free(t.flow);
	groups_destroy(g);
}

static void intervals_have_bounds_and_orders_go_round(void **state)
{
	struct top t = with_groups(1);

	for (int i = 0; i < 20; i++)
		top_key(&t, '-', PAGE);
	assert_int_equal(t.every_ms, 250);
	for (int i = 0; i < 20; i++)
		top_key(&t, '+', PAGE);
	assert_int_equal(t.every_ms, 60000);
	for (unsigned int i = 1; i <= TOP_SORT_MAX; i++) {
		assert_int_equal(top_key(&t, 's', PAGE), TOP_REFRESH);
		assert_int_equal(t.sort, i % TOP_SORT_MAX);
	}
	top_key(&t, 'p', PAGE);
	assert_true(t.paused);
	assert_int_equal(top_key(&t, 'q', PAGE), TOP_QUIT);
	assert_int_equal(top_key(&t, TOP_KEY_OTHER, PAGE), TOP_NOTHING);
}

/* -- what is typed -- */

static void mistakes_are_reported_and_change_nothing(void **state)
{
	const struct place at = { .file = NULL };
	char *argv[] = { "conntrack", "--top", NULL };
	struct parser *p = parser_create();
	struct cmdline cl;
	struct top t = with_groups(1);

	cmdline_parse(p, &cl, &at, 2, argv);
	t.cl = &cl;
	t.parser = p;
	top_set_filter(&t, "-p tcp --dport 80");
	assert_string_equal(t.message, "");
	assert_string_equal(t.filter_text, "-p tcp --dport 80");
	assert_int_equal(selections_count(t.filter), 1);
	top_set_filter(&t, "-p tcp --dport 80x");
	assert_non_null(strstr(t.message, "80x"));
	assert_string_equal(t.filter_text, "-p tcp --dport 80");
	assert_int_equal(selections_count(t.filter), 1);
	top_set_by(&t, "src/24,dport");
	assert_int_equal(t.by.n, 2);
	top_set_by(&t, "src/2400");
	assert_non_null(strstr(t.message, "bad network"));
	assert_string_equal(t.by_text, "src/24,dport");
	top_set_filter(&t, "");
	assert_null(t.filter);
	parser_destroy(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_are_those_of_the_last_pass),
		cmocka_unit_test(a_flow_too_many_is_remembered),
		cmocka_unit_test(the_cursor_stays_on_the_rows),
		cmocka_unit_test(enter_goes_into_and_escape_comes_back),
		cmocka_unit_test(intervals_have_bounds_and_orders_go_round),
		cmocka_unit_test(mistakes_are_reported_and_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
