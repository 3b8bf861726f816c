/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CTS_TRANSPORT_H
#define CTS_TRANSPORT_H

#include <stddef.h>
#include <sys/uio.h>

#include <ctsync/event.h>
#include <ctsync/loop.h>
#include <ctsync/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a transport is able to do. */
enum cts_transport_caps {
	CTS_CAP_RELIABLE = 1 << 0, /* what send() took arrives, or peer_down() is called */
	CTS_CAP_ORDERED = 1 << 1,
	CTS_CAP_ADDRESSED = 1 << 2,  /* `to` may name one peer; else everybody gets it */
	CTS_CAP_MEMBERSHIP = 1 << 3, /* peer_up() and peer_down() are the truth */
};

/* Everybody, as `to`; nobody in particular, as `from`. */
#define CTS_PEER_ALL 0u

/*
 * What the core offers to one instance; lent, lives as long as the instance.
 * A peer is the transport's own number for it (an index in its list of peers, a
 * corosync node id): never 0, stable while the instance lives. The core learns
 * from the messages themselves which node is behind it.
 */
struct cts_transport_host {
	size_t size;           /* of this struct, in bytes */
	void *ctx;             /* first argument of all calls */
	struct cts_loop *loop; /* for descriptors and timers: ctsync/loop.h */
	/* n whole messages from one peer; they are lent for the call. */
	void (*deliver)(void *ctx, uint32_t from, const struct iovec *msg, unsigned int n);
	void (*peer_up)(void *ctx, uint32_t peer);
	void (*peer_down)(void *ctx, uint32_t peer);
	/* After a send() that took less than it was given: try again. */
	void (*writable)(void *ctx);
	/* The link came up, went down or has another MTU: status() and
	 * max_message() tell. Not there when size is too small for it. */
	void (*link_changed)(void *ctx);
};

/* For the transport: says so to hosts that know of it. */
static inline void cts_transport_link_changed(const struct cts_transport_host *host)
{
	if (host->size > offsetof(struct cts_transport_host, link_changed) && host->link_changed)
		host->link_changed(host->ctx);
}

/* State of one instance and what only the transport can count, for `conntrackd -s link`
 * and -s network. What passes send() and deliver() is counted by the core. */
struct cts_transport_status {
	size_t size;           /* of this struct as the core knows it; fill no more */
	char device[64];       /* interface name, or what stands for it */
	bool up;               /* the link can carry traffic now */
	bool carrier;          /* false: NO-CARRIER; true and not up: DOWN */
	uint64_t sent_errors;  /* messages that were lost on their way out */
	uint64_t recv_errors;  /* reads that failed, messages that are damaged */
	uint64_t recv_dropped; /* by the kernel: the socket buffer was full */
	uint64_t refused;      /* from a wrong source: not on the list of peers */
};

/* Flows of which every member that is not 0 is so; ports in network order. */
struct cts_flow_pattern {
	uint8_t family; /* AF_INET, AF_INET6 */
	uint8_t proto;
	uint16_t sport, dport;
	uint16_t reserved;
	union cts_addr src, dst;
};

/*
 * A transport carries bytes between nodes. create(), destroy(), caps, send() and
 * max_message() are mandatory. All calls come from the main loop and must not
 * block; nor may a transport call the host from within create() or destroy().
 */
struct cts_transport_ops {
	struct cts_plugin plugin;
	uint32_t caps; /* enum cts_transport_caps */
	uint32_t reserved;
	void *(*create)(const struct cts_options *opt, const struct cts_transport_host *host);
	void (*destroy)(void *priv);
	/*
	 * Send n whole messages, msg[i] each, to one peer or CTS_PEER_ALL. The
	 * bytes are lent. Returns how many were taken, from the front; when this
	 * is less than n, writable() follows once there is room. -1 and errno
	 * EAGAIN: none was taken, writable() follows; any other errno: the first
	 * message was lost (counted), do not repeat it.
	 */
	int (*send)(void *priv, const struct iovec *msg, unsigned int n, uint32_t to);
	/* Largest message in bytes; may change while running (MTU). */
	size_t (*max_message)(void *priv);
	/* Fill in st up to st->size. */
	void (*status)(void *priv, struct cts_transport_status *st);
	/*
	 * Which flows, by their original tuple, are this transport's own traffic: at
	 * most max patterns. The core ignores these flows. Returns how many.
	 */
	unsigned int (*own_flows)(void *priv, struct cts_flow_pattern *p, unsigned int max);
	/*
	 * Where a peer's messages come from, for people: its address as far as this
	 * is known, with a NUL. 0, or -1: the core shows the number, as it does for
	 * NULL.
	 */
	int (*peer_name)(void *priv, uint32_t peer, char *buf, size_t size);
};

#ifdef __cplusplus
}
#endif
#endif /* CTS_TRANSPORT_H */
