/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A transport that carries nothing, for tests of configurations. */
#include "config.h"

#include <ctsync/transport.h>

static void *link_create(const struct cts_options *opt, const struct cts_transport_host *host)
{
	static char instance;

	return &instance;
}

static void link_destroy(void *priv)
{
}

static int link_send(void *priv, const struct iovec *msg, unsigned int n, uint32_t to)
{
	return (int)n;
}

static size_t link_max_message(void *priv)
{
	return 1400;
}

static const struct cts_option link_options[] = {
	{ .name = "port", .type = CTS_OPT_INT, .min = 1, .max = 65535, .flags = CTS_OPT_REQUIRED,
	  .help = "a port" },
	{ .name = NULL }
};

extern const struct cts_transport_ops t_link_LTX_cts_plugin;
const struct cts_transport_ops t_link_LTX_cts_plugin = {
	.plugin = CTS_PLUGIN(CTS_KIND_TRANSPORT, struct cts_transport_ops, "t_link", "1",
			     "carries nothing", link_options),
	.create = link_create,
	.destroy = link_destroy,
	.send = link_send,
	.max_message = link_max_message,
};
