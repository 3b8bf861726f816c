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

#include "core/runtime/loop.h"
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

/* -- two instances of the transport, joined -- */

struct end {
	struct cts_transport_host host;
	struct cts_options *opt;
	void *priv;
	struct cts_loop *loop;
	unsigned int messages, expected;
	uint32_t from;
	size_t bytes;
	uint8_t sum;
};

static void end_deliver(void *ctx, uint32_t from, const struct iovec *msg, unsigned int n)
{
	struct end *e = ctx;

	for (unsigned int i = 0; i < n; i++) {
		e->messages++;
		e->bytes += msg[i].iov_len;
		for (size_t j = 0; j < msg[i].iov_len; j++)
			e->sum = (uint8_t)(e->sum + ((const uint8_t *)msg[i].iov_base)[j]);
	}
	e->from = from;
	if (e->messages >= e->expected)
		cts_loop_stop(e->loop);
}

static void end_peer(void *ctx, uint32_t peer)
{
}

static void end_writable(void *ctx)
{
}

static void end_open(struct end *e, const struct cts_transport_ops *ops, struct cts_loop *loop,
		     int self, int other)
{
	char text[256];

	e->loop = loop;
	e->host = (struct cts_transport_host){
		.size = sizeof(e->host), .ctx = e, .loop = loop, .deliver = end_deliver,
		.peer_up = end_peer, .peer_down = end_peer, .writable = end_writable,
	};
	snprintf(text, sizeof(text), "path=%s/link%d,peers=%s/nobody+%s/link%d", dir, self, dir, dir,
		 other);
	e->opt = options(ops, text);
	e->priv = ops->create(e->opt, &e->host);
	assert_non_null(e->priv);
}

static void end_close(struct end *e, const struct cts_transport_ops *ops)
{
	ops->destroy(e->priv);
	cts_options_free(e->opt);
}

static void give_up(void *ctx)
{
	cts_loop_stop(ctx);
}

static void the_transport_carries_bytes_between_two_instances(void **state)
{
	const struct cts_transport_ops *ops = load(CTS_KIND_TRANSPORT, "local");
	struct cts_loop *loop = cts_loop_create();
	struct cts_timer *limit = cts_timer_create(loop, give_up, loop);
	struct cts_transport_status st = { .size = sizeof(st) };
	static uint8_t big[10000] = { 1, 2, 3 };
	struct iovec msg[] = { { big, 3 }, { big, sizeof(big) } };
	struct end a = { 0 }, b = { .expected = 3 };

	end_open(&a, ops, loop, 1, 2);
	end_open(&b, ops, loop, 2, 1);
	assert_true(ops->max_message(a.priv) >= sizeof(big));
	assert_int_equal(ops->send(a.priv, msg, 2, CTS_PEER_ALL), 2);
	assert_int_equal(ops->send(a.priv, msg, 1, 2), 1);
	cts_timer_arm_us(limit, 20000000);
	assert_int_equal(cts_loop_run(loop), 0);

	assert_int_equal(b.messages, 3);
	assert_int_equal(b.bytes, 10006);
	assert_int_equal(b.sum, 18);
	assert_int_equal(b.from, 2);   /* the second one of its list */
	assert_int_equal(a.messages, 0);
	ops->status(a.priv, &st);
	assert_int_equal(st.sent_errors, 2);   /* to nobody */
	assert_int_equal(ops->send(a.priv, msg, 1, 99), -1);

	end_close(&a, ops);
	end_close(&b, ops);
	cts_timer_destroy(limit);
	cts_loop_destroy(loop);
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
		cmocka_unit_test(the_transport_carries_bytes_between_two_instances),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
