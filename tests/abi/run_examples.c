/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loads the examples from CTS_PLUGIN_PATH and lets each do its work: see test_examples.sh. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/unit/output_fixture.h"

static char dir[] = "/tmp/ctsync-examples-XXXXXX";
static struct cts_loader *loader;

static const void *load(enum cts_plugin_kind kind, const char *name)
{
	const void *ops = cts_loader_get(loader, kind, name);

	if (!ops)
		fail_msg("%s", cts_loader_error(loader));
	return ops;
}

static struct cts_options *options(const void *ops, const char *text)
{
	const struct cts_plugin *p = ops;
	struct cts_options *opt = cts_options_parse_text(p->options, text, p->name, NULL);

	assert_non_null(opt);
	return opt;
}

static void the_filter_refuses_what_it_was_told_to(void **state)
{
	const struct cts_filter_ops *ops = load(CTS_KIND_FILTER, "dport");
	struct cts_options *opt = options(ops, "ignore=80+53");
	struct cts_flow web = tcp_flow(), ssh = tcp_flow();
	struct cts_event a = { .flow = &web }, b = { .flow = &ssh }, c = { .flow = NULL };
	const struct cts_event *list[] = { &a, &b, &c, &a };
	uint64_t drop = 0;
	struct cts_batch batch = { .size = sizeof(batch), .n = 4, .ev = list, .drop = &drop };
	void *priv = ops->create(opt);

	assert_non_null(priv);
	ssh.orig.dport = htons(22);
	ops->apply(priv, &batch);
	assert_int_equal(drop, 9);
	assert_null(ops->push);
	ops->destroy(priv);
	cts_options_free(opt);
	assert_null(cts_options_parse_text(ops->plugin.options, "ignore=http", "dport", NULL));
	assert_null(cts_options_parse_text(ops->plugin.options, "", "dport", NULL));
}

static void the_output_prints_what_it_is_given(void **state)
{
	const struct cts_output_ops *ops = load(CTS_KIND_OUTPUT, "csv");
	char text[256], path[128];
	struct cts_options *opt;
	struct cts_flow flow = tcp_flow();
	struct cts_event ev = { .flow = &flow, .type = CTS_EVENT_DESTROY };
	const struct cts_event *list[] = { &ev };
	uint64_t drop = 0;
	struct cts_batch batch = { .size = sizeof(batch), .n = 1, .ev = list, .drop = &drop };
	void *priv;
	FILE *fp;

	snprintf(path, sizeof(path), "%s/flows.csv", dir);
	snprintf(text, sizeof(text), "file=%s,header", path);
	opt = options(ops, text);
	priv = ops->create(opt);
	assert_non_null(priv);
	assert_int_equal(ops->consume(priv, &batch), 0);
	assert_int_equal(ops->flush(priv), 0);
	assert_int_equal(ops->rotate(priv), 0);
	ops->destroy(priv);
	cts_options_free(opt);

	fp = fopen(path, "re");
	assert_non_null(fp);
	assert_non_null(fgets(text, sizeof(text), fp));
	assert_string_equal(text, "event,protocol,source,sport,destination,dport\n");
	assert_non_null(fgets(text, sizeof(text), fp));
	assert_string_equal(text, "destroy,tcp,10.0.0.1,1024,10.0.0.2,80\n");
	assert_null(fgets(text, sizeof(text), fp));
	fclose(fp);
	unlink(path);
}

static int setup(void **state)
{
	loader = cts_loader_create(NULL, 0);
	return loader && mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	cts_loader_destroy(loader);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_filter_refuses_what_it_was_told_to),
		cmocka_unit_test(the_output_prints_what_it_is_given),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
