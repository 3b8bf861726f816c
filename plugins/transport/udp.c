/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udp: unicast datagrams to a list of peers. */
#include "config.h"

#include "plugins/transport/unicast.h"

static const struct cts_option udp_options[] = {
	UNICAST_OPTIONS,
	{ .name = NULL },
};

static void *udp_create(const struct cts_options *opt, const struct cts_transport_host *host)
{
	return unicast_create("udp", opt, host);
}

const struct cts_transport_ops udp_LTX_cts_plugin = {
	.plugin = CTS_PLUGIN(CTS_KIND_TRANSPORT, struct cts_transport_ops, "udp", PACKAGE_VERSION,
			     "unicast datagrams to a list of peers", udp_options),
	.caps = CTS_CAP_ADDRESSED,
	.create = udp_create,
	.destroy = unicast_destroy,
	.send = unicast_send,
	.max_message = unicast_max_message,
	.status = unicast_status,
	.own_flows = unicast_own_flows,
	.peer_name = unicast_peer_name,
};
