/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Datagrams to a list of peers: what udp and fault have in common. The functions
 * are those of struct cts_transport_ops.
 */
#ifndef CTS_TRANSPORT_UNICAST_H
#define CTS_TRANSPORT_UNICAST_H

#include <ctsync/transport.h>

#define UNICAST_PEERS_MAX 16

/* The rows that unicast_create() reads. */
#define UNICAST_OPTIONS                                                                         \
	{ .name = "address",                                                                    \
	  .type = CTS_OPT_ADDRESS,                                                              \
	  .flags = CTS_OPT_REQUIRED,                                                            \
	  .help = "this node's address on the link" },                                          \
		{ .name = "port",                                                               \
		  .type = CTS_OPT_INT,                                                          \
		  .min = 1,                                                                     \
		  .max = 65535,                                                                 \
		  .def = "3780",                                                                \
		  .help = "UDP port, the same on all nodes" },                                  \
		{ .name = "peers",                                                              \
		  .type = CTS_OPT_LIST_OF(CTS_OPT_ADDRESS),                                     \
		  .flags = CTS_OPT_REQUIRED,                                                    \
		  .max = UNICAST_PEERS_MAX,                                                     \
		  .help = "the other nodes' addresses, of the same family" },                   \
		{ .name = "interface",                                                          \
		  .type = CTS_OPT_INTERFACE,                                                    \
		  .help = "device to send on and accept from; else the one that has address" }, \
		{ .name = "send_buffer",                                                        \
		  .type = CTS_OPT_INT,                                                          \
		  .min = 4096,                                                                  \
		  .max = 1073741823,                                                            \
		  .def = "1048576",                                                             \
		  .help = "bytes that may wait for the device" },                               \
	{                                                                                       \
		.name = "receive_buffer", .type = CTS_OPT_INT, .min = 4096, .max = 1073741823,  \
		.def = "8388608", .help = "bytes that may wait for the daemon"                  \
	}

/* name is the plugin's, for messages; lent for ever. */
void *unicast_create(const char *name, const struct cts_options *opt,
		     const struct cts_transport_host *host);
void unicast_destroy(void *priv); /* takes NULL */
int unicast_send(void *priv, const struct iovec *msg, unsigned int n, uint32_t to);
size_t unicast_max_message(void *priv);
void unicast_status(void *priv, struct cts_transport_status *st);
unsigned int unicast_own_flows(void *priv, struct cts_flow_pattern *t, unsigned int max);
int unicast_peer_name(void *priv, uint32_t peer, char *buf, size_t size);
unsigned int unicast_peers(const void *priv); /* they are numbered from 1 */

#endif
