/* SPDX-License-Identifier: GPL-2.0-or-later */
/* null: takes every message and sends none, for measuring and for drills. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <ctsync/transport.h>

static const struct cts_option null_options[] = {
	{ .name = "max_message",
	  .type = CTS_OPT_INT,
	  .min = 548,
	  .max = 65507,
	  .def = "1472",
	  .help = "largest message in bytes that it pretends to carry" },
	{ .name = NULL },
};

struct null {
	size_t max_message;
};

static void *null_create(const struct cts_options *opt, const struct cts_transport_host *host)
{
	struct null *n = calloc(1, sizeof(*n));

	if (n)
		n->max_message = (size_t)cts_options_int(opt, "max_message");
	return n;
}

static void null_destroy(void *priv)
{
	free(priv);
}

static int null_send(void *priv, const struct iovec *msg, unsigned int n, uint32_t to)
{
	return (int)n;
}

static size_t null_max_message(void *priv)
{
	return ((struct null *)priv)->max_message;
}

static void null_status(void *priv, struct cts_transport_status *st)
{
	const struct cts_transport_status s = {
		.size = st->size,
		.device = "null",
		.up = true,
		.carrier = true,
	};

	memcpy(st, &s, st->size < sizeof(s) ? st->size : sizeof(s));
}

const struct cts_transport_ops null_LTX_cts_plugin = {
	.plugin = CTS_PLUGIN(CTS_KIND_TRANSPORT, struct cts_transport_ops, "null", PACKAGE_VERSION,
			     "takes every message and sends none", null_options),
	.create = null_create,
	.destroy = null_destroy,
	.send = null_send,
	.max_message = null_max_message,
	.status = null_status,
};
