/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opens an output module as the daemon does, and makes flows for it. */
#ifndef CTS_TEST_OUTPUT_FIXTURE_H
#define CTS_TEST_OUTPUT_FIXTURE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>

#include "core/plugin/loader.h"
#include "core/plugin/option_table.h"

struct output {
	struct cts_loader *loader;
	const struct cts_output_ops *ops;
	struct cts_options *opt;
	void *priv;
};

static inline struct output output_open(const char *name, const char *options)
{
	struct output o = { .loader = cts_loader_create(NULL, 0) };

	o.ops = cts_loader_get(o.loader, CTS_KIND_OUTPUT, name);
	if (!o.ops)
		fail_msg("%s", cts_loader_error(o.loader));
	o.opt = cts_options_parse_text(o.ops->plugin.options, options, name, NULL);
	assert_non_null(o.opt);
	o.priv = o.ops->create(o.opt);
	return o;
}

static inline void output_close(struct output *o)
{
	if (o->priv)
		o->ops->destroy(o->priv);
	cts_options_free(o->opt);
	cts_loader_destroy(o->loader);
}

static inline int output_events(struct output *o, const struct cts_event *const *ev, size_t n)
{
	uint64_t drop[CTS_BATCH_MAX / 64] = { 0 };
	struct cts_batch batch = { .size = sizeof(batch), .n = n, .ev = ev, .drop = drop };

	return o->ops->consume(o->priv, &batch);
}

static inline int output_event(struct output *o, const struct cts_event *ev)
{
	return output_events(o, &ev, 1);
}

static __attribute__((noinline, unused)) char *output_snapshot(struct output *o)
{
	char *text = NULL;
	size_t size;
	FILE *fp = open_memstream(&text, &size);

	o->ops->snapshot(o->priv, fp);
	fclose(fp);
	return text;
}

/* tcp 10.0.0.1:1024 -> 10.0.0.2:80, established and assured */
static inline struct cts_flow tcp_flow(void)
{
	struct cts_flow flow = {
		.present = CTS_FLOW_BIT(CTS_FLOW_ORIG) | CTS_FLOW_BIT(CTS_FLOW_REPLY) |
			   CTS_FLOW_BIT(CTS_FLOW_STATUS) | CTS_FLOW_BIT(CTS_FLOW_TIMEOUT) |
			   CTS_FLOW_BIT(CTS_FLOW_TCP_STATE) | CTS_FLOW_BIT(CTS_FLOW_MARK) |
			   CTS_FLOW_BIT(CTS_FLOW_ID),
		.orig = { .family = AF_INET, .proto = IPPROTO_TCP, .sport = htons(1024),
			  .dport = htons(80) },
		.reply = { .family = AF_INET, .proto = IPPROTO_TCP, .sport = htons(80),
			   .dport = htons(1024) },
		.status = IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED,
		.timeout = 300, .mark = 7, .id = 42,
		.tcp_state = TCP_CONNTRACK_ESTABLISHED,
	};

	flow.orig.src.v4 = flow.reply.dst.v4 = htonl(0x0a000001);
	flow.orig.dst.v4 = flow.reply.src.v4 = htonl(0x0a000002);
	return flow;
}
#define TCP_LINE "tcp      6 300 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1024 dport=80 " \
		 "src=10.0.0.2 dst=10.0.0.1 sport=80 dport=1024 [ASSURED] mark=7"

#endif
