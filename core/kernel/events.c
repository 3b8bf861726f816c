/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The event source: recvmmsg -> decode -> batches. No malloc and one syscall for
 * up to EVENTS_VLEN events. */
#include "config.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <ctsync/log.h>

#include "core/flow/codec.h"
#include "core/flow/expect.h"
#include "core/kernel/bpf.h"
#include "core/kernel/events.h"
#include "core/kernel/nl.h"

#define EVENTS_BUFFER_DEFAULT ((size_t)256 << 20)
/* Messages a recvmmsg: the syscall's own cost is spread over them, and what they
 * decode to (about 130 KiB) still stays in a core's second level cache. */
#define EVENTS_VLEN 256u
/* The kernel sizes an event's skb after the entry, one message in each: below
 * 1 KiB but for long security contexts. Not a multiple of 4096, so that the
 * messages' first lines do not all fall into the same cache sets. */
#define EVENTS_SLOT (4096u + 320u)

struct cts_events {
	struct mnl_socket *nl; /* owned */
	int fd;
	bool flows_only;
	size_t buffer_size;
	uint32_t drops_seen; /* the kernel's 32-bit counter when last read */
	uint64_t drops;      /* the same, widened */
	struct cts_events_stats stats;
	size_t n; /* events of the batch being built */
	uint64_t now_ns;
	uint8_t *buf; /* owned: EVENTS_VLEN slots */
	struct mmsghdr msg[EVENTS_VLEN];
	struct iovec iov[EVENTS_VLEN];
	struct sockaddr_nl from[EVENTS_VLEN];
	struct cts_event event[EVENTS_VLEN];
	const struct cts_event *list[EVENTS_VLEN];
	struct cts_flow flow[EVENTS_VLEN];
	struct cts_expect expect[EVENTS_VLEN]; /* untouched where none come */
};

static_assert(EVENTS_VLEN <= CTS_BATCH_MAX, "a recvmmsg fits one batch");

static unsigned int events_groups(const struct cts_events_conf *conf)
{
	static const struct {
		unsigned int type, ct, exp;
	} group[] = {
		{ CTS_EVENT_NEW, NFNLGRP_CONNTRACK_NEW, NFNLGRP_CONNTRACK_EXP_NEW },
		{ CTS_EVENT_UPDATE, NFNLGRP_CONNTRACK_UPDATE, NFNLGRP_CONNTRACK_EXP_UPDATE },
		{ CTS_EVENT_DESTROY, NFNLGRP_CONNTRACK_DESTROY, NFNLGRP_CONNTRACK_EXP_DESTROY },
	};
	unsigned int groups = 0;

	for (size_t i = 0; i < sizeof(group) / sizeof(group[0]); i++) {
		if (conf->types && !(conf->types & 1u << group[i].type))
			continue;
		if (!conf->no_flows)
			groups |= 1u << (group[i].ct - 1);
		if (conf->expectations)
			groups |= 1u << (group[i].exp - 1);
	}
	return groups;
}

static void events_init_vector(struct cts_events *src)
{
	for (unsigned int i = 0; i < EVENTS_VLEN; i++) {
		src->iov[i].iov_base = src->buf + (size_t)i * EVENTS_SLOT;
		src->iov[i].iov_len = EVENTS_SLOT;
		src->msg[i].msg_hdr.msg_iov = &src->iov[i];
		src->msg[i].msg_hdr.msg_iovlen = 1;
		src->msg[i].msg_hdr.msg_name = &src->from[i];
		src->msg[i].msg_hdr.msg_namelen = sizeof(src->from[i]);
		src->list[i] = &src->event[i];
	}
}

static int events_drop_counter(const struct cts_events *src, uint32_t *drops)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(src->fd, SOL_SOCKET, SO_MEMINFO, info, &len) < 0)
		return -1;
	*drops = info[SK_MEMINFO_DROPS];
	return 0;
}

/* Everything that must be in place before the first event comes; joining the
 * groups is the last step. */
static int events_setup(struct cts_events *src, const struct cts_events_conf *conf)
{
	size_t want = conf->receive_buffer ? conf->receive_buffer : EVENTS_BUFFER_DEFAULT;
	int one = 1;

	src->buffer_size = cts_nl_set_rcvbuf(src->fd, want, "kernel events");
	/* Without this a full queue stays closed until it was read empty. */
	if (mnl_socket_setsockopt(src->nl, NETLINK_NO_ENOBUFS, &one, sizeof(one)) < 0)
		return -1;
	if (conf->reliable &&
	    mnl_socket_setsockopt(src->nl, NETLINK_BROADCAST_ERROR, &one, sizeof(one)) < 0)
		return -1;
	if (cts_bpf_attach(src->fd, conf->own_portids, conf->n_own_portids, conf->push) < 0)
		return -1;
	if (events_drop_counter(src, &src->drops_seen) < 0)
		return -1;
	return mnl_socket_bind(src->nl, events_groups(conf), MNL_SOCKET_AUTOPID);
}

struct cts_events *cts_events_open(const struct cts_events_conf *conf)
{
	struct cts_events *src;
	int saved;

	src = calloc(1, sizeof(*src));
	if (!src)
		return NULL;
	src->buf = malloc((size_t)EVENTS_VLEN * EVENTS_SLOT);
	if (!src->buf)
		goto err;
	src->nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!src->nl)
		goto err;
	src->fd = mnl_socket_get_fd(src->nl);
	events_init_vector(src);
	if (events_setup(src, conf) < 0)
		goto err;
	return src;
err:
	saved = errno;
	cts_events_close(src);
	errno = saved;
	return NULL;
}

void cts_events_close(struct cts_events *src)
{
	if (!src)
		return;
	if (src->nl)
		mnl_socket_close(src->nl);
	free(src->buf);
	free(src);
}

int cts_events_fd(const struct cts_events *src)
{
	return src->fd;
}

size_t cts_events_buffer_size(const struct cts_events *src)
{
	return src->buffer_size;
}

int cts_events_subscribe_new(struct cts_events *src, bool on)
{
	int group = NFNLGRP_CONNTRACK_NEW;

	return mnl_socket_setsockopt(src->nl, on ? NETLINK_ADD_MEMBERSHIP : NETLINK_DROP_MEMBERSHIP,
				     &group, sizeof(group));
}

static void events_hand_on(struct cts_events *src, cts_batch_fn fn, void *ctx)
{
	if (!src->n)
		return;
	src->stats.received += src->n;
	src->stats.batches++;
	fn(ctx, src->list, src->n);
	src->n = 0;
}

/* Both subsystems number NEW 0 and DELETE 2; NLM_F_CREATE tells new from changed. */
static int events_type(const struct nlmsghdr *nlh)
{
	static_assert(IPCTNL_MSG_CT_NEW == (int)IPCTNL_MSG_EXP_NEW &&
			      IPCTNL_MSG_CT_DELETE == (int)IPCTNL_MSG_EXP_DELETE,
		      "same numbers");

	switch (cts_nl_type(nlh)) {
	case IPCTNL_MSG_CT_NEW:
		return nlh->nlmsg_flags & NLM_F_CREATE ? CTS_EVENT_NEW : CTS_EVENT_UPDATE;
	case IPCTNL_MSG_CT_DELETE:
		return CTS_EVENT_DESTROY;
	default:
		return -1;
	}
}

/* One message -> one event of the batch; what cannot be used is counted. */
static void events_add(struct cts_events *src, const struct nlmsghdr *nlh)
{
	struct cts_event *ev = &src->event[src->n];
	int type = events_type(nlh);

	if (type < 0 || nlh->nlmsg_len < NLMSG_LENGTH(sizeof(struct nfgenmsg))) {
		src->stats.unknown++;
		return;
	}
	switch (cts_nl_subsys(nlh)) {
	case NFNL_SUBSYS_CTNETLINK:
		if (cts_flow_decode(nlh, &src->flow[src->n]) < 0) {
			src->stats.malformed++;
			return;
		}
		ev->flow = &src->flow[src->n];
		ev->expect = NULL;
		break;
	case NFNL_SUBSYS_CTNETLINK_EXP:
		if (cts_expect_decode(nlh, &src->expect[src->n]) < 0) {
			src->stats.malformed++;
			return;
		}
		ev->flow = NULL;
		ev->expect = &src->expect[src->n];
		break;
	default:
		src->stats.unknown++;
		return;
	}
	ev->type = (uint8_t)type;
	ev->origin = CTS_ORIGIN_KERNEL;
	ev->portid = nlh->nlmsg_pid;
	ev->time_ns = src->now_ns;
	ev->raw = nlh;
	ev->raw_len = nlh->nlmsg_len;
	src->n++;
}

/* A datagram holds one message today; nothing here relies on it. */
static void events_datagram(struct cts_events *src, unsigned int i, cts_batch_fn fn, void *ctx)
{
	const struct nlmsghdr *nlh = src->iov[i].iov_base;
	int len = (int)src->msg[i].msg_len;

	/* Port 0 is the kernel; a process may send to our port, too. */
	if (src->from[i].nl_pid != 0) {
		src->stats.unknown++;
		return;
	}
	if (src->msg[i].msg_hdr.msg_flags & MSG_TRUNC) {
		src->stats.truncated++;
		return;
	}
	if (!mnl_nlmsg_ok(nlh, len)) {
		src->stats.malformed++;
		return;
	}
	for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
		if (src->n == EVENTS_VLEN)
			events_hand_on(src, fn, ctx);
		events_add(src, nlh);
	}
}

static uint64_t events_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int cts_events_read(struct cts_events *src, cts_batch_fn fn, void *ctx)
{
	int n = recvmmsg(src->fd, src->msg, EVENTS_VLEN, MSG_DONTWAIT, NULL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;

	src->now_ns = events_now_ns();
	for (int i = 0; i < n; i++)
		events_datagram(src, (unsigned int)i, fn, ctx);
	events_hand_on(src, fn, ctx);
	return n;
}

uint64_t cts_events_lost(struct cts_events *src)
{
	uint32_t now;

	if (events_drop_counter(src, &now) == 0) {
		src->drops += (uint32_t)(now - src->drops_seen);
		src->drops_seen = now;
	}
	return src->drops + src->stats.truncated;
}

void cts_events_get_stats(const struct cts_events *src, struct cts_events_stats *st)
{
	*st = src->stats;
}
