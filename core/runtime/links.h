/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sync links: up to four transport instances. The first healthy one carries
 * the traffic, the rest stand by. Healthy: its device can carry traffic, and all
 * nodes that are received at all are received on it. One that failed comes first again
 * when it was healthy for a while, longer each time. Standby links carry one message
 * now and then, so that their health is known before they are needed. Receiving
 * works on all links at all times, and the engine's numbered stream repairs what
 * a switch loses.
 */
#ifndef CTS_RUNTIME_LINKS_H
#define CTS_RUNTIME_LINKS_H

#include <ctsync/transport.h>

#include "core/config/conf.h"

struct cts_links_ops {
	/* As they came, from any link; lent. */
	void (*received)(void *ctx, unsigned int link, uint32_t peer, const struct iovec *msg,
			 unsigned int n);
	/* There is room again, or another link carries the traffic now. */
	void (*writable)(void *ctx);
	/* A transport with membership says that node has left, and it is received on no other link.
	 */
	void (*node_down)(void *ctx, uint32_t node);
	/* A transport with membership met somebody who does not know us yet: announce. */
	void (*announce)(void *ctx);
};

struct cts_links;
/* One instance for each of blocks[n], which are lent and outlive the links. NULL,
 * errno; the cause is logged. silence_ms: after which a node counts as not received. */
struct cts_links *cts_links_create(struct cts_loop *loop, const struct cts_config_block *blocks,
				   size_t n, unsigned int silence_ms,
				   const struct cts_links_ops *ops, void *ctx);
void cts_links_destroy(struct cts_links *l); /* takes NULL */

/* n whole messages to the node, 0: to all; as send() in ctsync/transport.h. */
int cts_links_send(struct cts_links *l, const struct iovec *msg, unsigned int n, uint32_t node);
/* Largest message that every link in use can carry. */
size_t cts_links_max_message(const struct cts_links *l);

/* A valid message of node came over this link from this transport peer. */
void cts_links_received(struct cts_links *l, unsigned int link, uint32_t peer, uint32_t node);
/* A receiver denies that it has what was sent, although it is received: what goes out on
 * the active link is lost on its way. That link is held down for a while. */
void cts_links_undelivered(struct cts_links *l);

struct cts_link_info {
	const char *plugin; /* lent */
	bool active;        /* carries the traffic */
	bool received;      /* from somebody, lately */
	/* Messages of the nodes and their bytes, as the transport took and brought them:
	 * one to all of several peers counts once. */
	uint64_t sent_messages, sent_bytes, recv_messages, recv_bytes;
	struct cts_transport_status status;
};
/* Where messages of this transport peer come from, for people: what the transport
 * calls it, or its number for it. */
#define CTS_LINK_PEER_LEN 128u
void cts_links_peer(const struct cts_links *l, unsigned int link, uint32_t peer,
		    char buf[CTS_LINK_PEER_LEN]);

size_t cts_links_count(const struct cts_links *l);
void cts_links_info(const struct cts_links *l, size_t link, struct cts_link_info *info);
unsigned int cts_links_own_flows(const struct cts_links *l, struct cts_flow_pattern *p,
				 unsigned int max);
/* Do all transports have membership? */
bool cts_links_membership(const struct cts_links *l);
uint64_t cts_links_switches(const struct cts_links *l);

#endif
