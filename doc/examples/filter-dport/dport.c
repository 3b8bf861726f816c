/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dport: an example of a filter. Refuses flows to the destination ports of a list:
 *
 *   filters = ( { plugin = "dport"; ignore = ( "22", "53" ); } );
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include <ctsync/filter.h>
#include <ctsync/log.h>

/* 0: not a port */
static unsigned int port_number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	return *end || n > 65535 ? 0 : (unsigned int)n;
}

/* Called when the file is checked, for each word of the list: no instance yet. */
static int check_port(const char *value, char *why, size_t size)
{
	if (port_number(value))
		return 0;
	snprintf(why, size, "\"%.20s\" is not a port, allowed: 1 to 65535", value);
	return -1;
}

static const struct cts_option dport_options[] = {
	{ .name = "ignore",
	  .type = CTS_OPT_LIST,
	  .flags = CTS_OPT_REQUIRED,
	  .check = check_port,
	  .help = "destination ports of flows that are refused" },
	{ .name = NULL }
};

/* State belongs to the instance: two blocks of the configuration are two of these. */
struct dport {
	uint64_t refused[65536 / 64];
};

static void *dport_create(const struct cts_options *opt)
{
	struct dport *d = calloc(1, sizeof(*d));

	if (!d) {
		cts_err("dport: out of memory");
		return NULL;
	}
	for (size_t i = 0; i < cts_options_count(opt, "ignore"); i++) {
		unsigned int port = port_number(cts_options_item(opt, "ignore", i));

		d->refused[port / 64] |= UINT64_C(1) << (port % 64);
	}
	return d;
}

static void dport_destroy(void *priv)
{
	free(priv);
}

/* The whole batch in one call; no allocation and no system call for an event. */
static void dport_apply(void *priv, const struct cts_batch *batch)
{
	const struct dport *d = priv;
	const struct cts_event *ev;
	size_t i;

	cts_batch_for_each (i, ev, batch) {
		unsigned int port;

		/* What an event does not carry is no reason to refuse it. */
		if (!ev->flow || !cts_flow_has(ev->flow, CTS_FLOW_ORIG))
			continue;
		port = ntohs(ev->flow->orig.dport);
		if (d->refused[port / 64] >> (port % 64) & 1)
			cts_batch_drop(batch, i);
	}
}

extern const struct cts_filter_ops dport_LTX_cts_plugin;
const struct cts_filter_ops dport_LTX_cts_plugin = {
	.plugin = CTS_PLUGIN(CTS_KIND_FILTER, struct cts_filter_ops, "dport", "1.0",
			     "refuses flows by their destination port", dport_options),
	.create = dport_create,
	.destroy = dport_destroy,
	.apply = dport_apply,
};
