/* SPDX-License-Identifier: GPL-2.0-or-later */
/* state: accepts or ignores TCP flows by their state. See ctsync-state(5). */
#include "config.h"

#include <linux/netfilter/nf_conntrack_tcp.h>
#include <stdlib.h>
#include <string.h>

#include <ctsync/filter.h>
#include <ctsync/log.h>

/* As `conntrack -L` shows them, and the two other names that configurations of the
 * established daemon use: CLOSED and LISTEN. */
#define STATE_NAMES                                                                        \
	"NONE SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT CLOSE_WAIT LAST_ACK TIME_WAIT CLOSE " \
	"SYN_SENT2 CLOSED LISTEN"

static const struct {
	const char *name;
	uint8_t state;
} states[] = {
	{ "NONE", TCP_CONNTRACK_NONE },           { "SYN_SENT", TCP_CONNTRACK_SYN_SENT },
	{ "SYN_RECV", TCP_CONNTRACK_SYN_RECV },   { "ESTABLISHED", TCP_CONNTRACK_ESTABLISHED },
	{ "FIN_WAIT", TCP_CONNTRACK_FIN_WAIT },   { "CLOSE_WAIT", TCP_CONNTRACK_CLOSE_WAIT },
	{ "LAST_ACK", TCP_CONNTRACK_LAST_ACK },   { "TIME_WAIT", TCP_CONNTRACK_TIME_WAIT },
	{ "CLOSE", TCP_CONNTRACK_CLOSE },         { "CLOSED", TCP_CONNTRACK_CLOSE },
	{ "SYN_SENT2", TCP_CONNTRACK_SYN_SENT2 }, { "LISTEN", TCP_CONNTRACK_LISTEN },
};

static const struct cts_option state_options[] = {
	{ .name = "accept",
	  .type = CTS_OPT_LIST,
	  .choices = STATE_NAMES,
	  .help = "TCP states; if given, TCP flows in all other states are refused" },
	{ .name = "ignore",
	  .type = CTS_OPT_LIST,
	  .choices = STATE_NAMES,
	  .help = "TCP states; TCP flows in them are refused" },
	{ .name = NULL },
};

struct state {
	bool refused[256]; /* by TCP state */
};

static void set_list(struct state *s, const struct cts_options *opt, const char *name, bool refuse)
{
	for (size_t i = 0; i < cts_options_count(opt, name); i++)
		for (size_t j = 0; j < sizeof(states) / sizeof(states[0]); j++)
			if (strcmp(states[j].name, cts_options_item(opt, name, i)) == 0)
				s->refused[states[j].state] = refuse;
}

static void *state_create(const struct cts_options *opt)
{
	struct state *s = calloc(1, sizeof(*s));

	if (!s) {
		cts_err("state: out of memory");
		return NULL;
	}
	if (cts_options_count(opt, "accept") > 0)
		memset(s->refused, true, sizeof(s->refused));
	set_list(s, opt, "accept", false);
	set_list(s, opt, "ignore", true);
	return s;
}

static void state_destroy(void *priv)
{
	free(priv);
}

static void state_apply(void *priv, const struct cts_batch *batch)
{
	const struct state *s = priv;
	const struct cts_event *ev;
	size_t i;

	cts_batch_for_each (i, ev, batch) {
		/* A state changes: the end of a flow is never refused for it. */
		if (ev->type == CTS_EVENT_DESTROY || !ev->flow ||
		    !cts_flow_has(ev->flow, CTS_FLOW_TCP_STATE))
			continue;
		if (s->refused[ev->flow->tcp_state])
			cts_batch_drop(batch, i);
	}
}

extern const struct cts_filter_ops state_LTX_cts_plugin;
const struct cts_filter_ops state_LTX_cts_plugin = {
	.plugin = CTS_PLUGIN(CTS_KIND_FILTER, struct cts_filter_ops, "state", PACKAGE_VERSION,
			     "accepts or ignores TCP flows by their state", state_options),
	.create = state_create,
	.destroy = state_destroy,
	.apply = state_apply,
};
