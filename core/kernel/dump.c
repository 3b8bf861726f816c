/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The dump source: one recv -> one chunk of the table -> one batch. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "core/flow/codec.h"
#include "core/flow/expect.h"
#include "core/kernel/ahead.h"
#include "core/kernel/dump.h"
#include "core/kernel/nl.h"

/* The kernel fits the chunk to the reader's buffer, up to 32 KiB: some 150 TCP
 * entries. Never smaller than what it may send. */
#define DUMP_BUFFER ((size_t)64 << 10)
/* The smallest entry is above 100 bytes. */
#define DUMP_BATCH 512u

static_assert(DUMP_BATCH <= CTS_BATCH_MAX, "a chunk fits one batch");

/* Bits of CTA_FILTER_ORIG_FLAGS and CTA_FILTER_REPLY_FLAGS; the kernel keeps
 * their names to itself (net/netfilter/nf_conntrack_netlink.c). */
enum {
	FILTER_IP_SRC = 1 << 0,
	FILTER_IP_DST = 1 << 1,
	FILTER_PROTO_NUM = 1 << 3,
	FILTER_SRC_PORT = 1 << 4,
	FILTER_DST_PORT = 1 << 5,
	FILTER_ICMP_TYPE = 1 << 6,
	FILTER_ICMP_CODE = 1 << 7,
	FILTER_ICMP_ID = 1 << 8,
	FILTER_ICMPV6_TYPE = 1 << 9,
	FILTER_ICMPV6_CODE = 1 << 10,
	FILTER_ICMPV6_ID = 1 << 11,
};

struct cts_dump {
	struct mnl_socket *nl; /* owned */
	int fd;
	uint32_t seq;
	struct cts_dump_conf conf; /* filter points to the member below, or is NULL */
	struct cts_flow filter;
	bool interrupted, ended;
	uint64_t malformed;
	size_t n;
	uint64_t now_ns;
	uint8_t *buf;            /* owned, DUMP_BUFFER */
	struct cts_ahead *ahead; /* owned; NULL: chunks are received when they are wanted */
	bool tried_ahead;
	struct cts_event event[DUMP_BATCH];
	const struct cts_event *list[DUMP_BATCH];
	union { /* by table */
		struct cts_flow flow[DUMP_BATCH];
		struct cts_expect expect[DUMP_BATCH];
	};
};

/* -- the request -- */

static uint32_t filter_port_flags(const struct cts_tuple *t)
{
	switch (t->proto) {
	case 0:
		return 0;
	case IPPROTO_ICMP:
		/* type 0 cannot be distinguished from "any" */
		return (t->icmp_type ? FILTER_ICMP_TYPE : 0) |
		       (t->icmp_code ? FILTER_ICMP_CODE : 0) | (t->sport ? FILTER_ICMP_ID : 0);
	case IPPROTO_ICMPV6:
		return (t->icmp_type ? FILTER_ICMPV6_TYPE : 0) |
		       (t->icmp_code ? FILTER_ICMPV6_CODE : 0) | (t->sport ? FILTER_ICMPV6_ID : 0);
	default:
		return (t->sport ? FILTER_SRC_PORT : 0) | (t->dport ? FILTER_DST_PORT : 0);
	}
}

static bool addr_is_zero(const union cts_addr *a)
{
	return !(a->v6[0] | a->v6[1] | a->v6[2] | a->v6[3]);
}

/* Kernels (6.18 among them) compare IPv6 addresses the wrong way round and leave
 * out the very entries that match: these are for dump_wants() alone. */
static uint32_t filter_flags(const struct cts_tuple *t, uint8_t family)
{
	bool push_addr = family == AF_INET;

	return (push_addr && !addr_is_zero(&t->src) ? FILTER_IP_SRC : 0) |
	       (push_addr && !addr_is_zero(&t->dst) ? FILTER_IP_DST : 0) |
	       (t->proto ? FILTER_PROTO_NUM : 0) | filter_port_flags(t);
}

/* Tuple members, the kernel's CTA_FILTER. It needs a family. */
static int request_filter(struct nlmsghdr *nlh, size_t size, const struct cts_dump_conf *conf)
{
	const struct cts_flow *f = conf->filter;
	struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	bool has_orig = cts_flow_has(f, CTS_FLOW_ORIG), has_reply = cts_flow_has(f, CTS_FLOW_REPLY);
	uint8_t family = nfg->nfgen_family;
	uint32_t orig, reply;
	uint64_t attrs;
	struct nlattr *nest;

	if (family == AF_UNSPEC)
		family = has_orig ? f->orig.family : has_reply ? f->reply.family : AF_UNSPEC;
	nfg->nfgen_family = family;
	orig = has_orig ? filter_flags(&f->orig, family) : 0;
	reply = has_reply ? filter_flags(&f->reply, family) : 0;
	attrs = (orig ? CTS_FLOW_BIT(CTS_FLOW_ORIG) : 0) |
		(reply ? CTS_FLOW_BIT(CTS_FLOW_REPLY) : 0);
	if (!attrs || family == AF_UNSPEC)
		return 0;
	if (cts_flow_encode(nlh, size, f, attrs) < 0)
		return -1;
	nest = mnl_attr_nest_start(nlh, CTA_FILTER);
	mnl_attr_put_u32(nlh, CTA_FILTER_ORIG_FLAGS, orig);
	mnl_attr_put_u32(nlh, CTA_FILTER_REPLY_FLAGS, reply);
	mnl_attr_nest_end(nlh, nest);
	return 0;
}

static uint16_t request_type(const struct cts_dump_conf *conf)
{
	switch (conf->table) {
	case CTS_TABLE_DYING:
		return cts_nl_msg(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET_DYING);
	case CTS_TABLE_UNCONFIRMED:
		return cts_nl_msg(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET_UNCONFIRMED);
	case CTS_TABLE_EXPECT:
		return cts_nl_msg(NFNL_SUBSYS_CTNETLINK_EXP, IPCTNL_MSG_EXP_GET);
	default:
		return cts_nl_msg(NFNL_SUBSYS_CTNETLINK, conf->zero_counters
								 ? IPCTNL_MSG_CT_GET_CTRZERO
								 : IPCTNL_MSG_CT_GET);
	}
}

/* Attribute room is left for the tuples and the few words that follow. */
#define REQUEST_SIZE 1024u

static int dump_request(struct cts_dump *d)
{
	const struct cts_dump_conf *conf = &d->conf;
	uint8_t buf[REQUEST_SIZE] = { 0 }; /* libmnl leaves padding as it was */
	struct nlmsghdr *nlh;

	d->seq = (uint32_t)time(NULL);
	nlh = cts_nl_request(buf, request_type(conf), NLM_F_DUMP, (uint8_t)conf->family, d->seq);
	if (conf->table == CTS_TABLE_CONNTRACK) {
		if (conf->has_mark) {
			mnl_attr_put_u32(nlh, CTA_MARK, htonl(conf->mark));
			mnl_attr_put_u32(nlh, CTA_MARK_MASK, htonl(conf->mark_mask));
		}
		/* A status without bits would select everything there; kernels differ. */
		if (conf->has_status && conf->status) {
			mnl_attr_put_u32(nlh, CTA_STATUS, htonl(conf->status));
			mnl_attr_put_u32(nlh, CTA_STATUS_MASK, htonl(conf->status_mask));
		}
		if (conf->has_zone)
			mnl_attr_put_u16(nlh, CTA_ZONE, htons(conf->zone));
		if (conf->filter && request_filter(nlh, REQUEST_SIZE - 64, conf) < 0)
			return -1;
	}
	return mnl_socket_sendto(d->nl, nlh, nlh->nlmsg_len) < 0 ? -1 : 0;
}

struct cts_dump *cts_dump_open(const struct cts_dump_conf *conf)
{
	struct timeval patience = { .tv_sec = 10 };
	struct cts_dump *d;
	int saved;

	d = calloc(1, sizeof(*d));
	if (!d)
		return NULL;
	d->conf = *conf;
	if (conf->filter) {
		d->filter = *conf->filter;
		d->conf.filter = &d->filter;
	}
	if (conf->has_mark && !conf->mark_mask)
		d->conf.mark_mask = UINT32_MAX;
	if (conf->has_status && !conf->status_mask)
		d->conf.status_mask = conf->status;
	for (unsigned int i = 0; i < DUMP_BATCH; i++)
		d->list[i] = &d->event[i];

	d->buf = malloc(DUMP_BUFFER);
	d->nl = d->buf ? cts_nl_open() : NULL;
	if (!d->nl)
		goto err;
	d->fd = mnl_socket_get_fd(d->nl);
	/* The kernel answers while it is being asked; this is for the day when
	 * it cannot (out of memory) and nobody would wake us. */
	if (setsockopt(d->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    dump_request(d) < 0)
		goto err;
	return d;
err:
	saved = errno;
	cts_dump_close(d);
	errno = saved;
	return NULL;
}

void cts_dump_close(struct cts_dump *d)
{
	if (!d)
		return;
	cts_ahead_stop(d->ahead);
	if (d->nl)
		mnl_socket_close(d->nl);
	free(d->buf);
	free(d);
}

/* -- the answer -- */

static bool tuple_matches(const struct cts_tuple *want, const struct cts_tuple *have)
{
	return (!want->family || want->family == have->family) &&
	       (!want->proto || want->proto == have->proto) &&
	       (addr_is_zero(&want->src) || !memcmp(&want->src, &have->src, sizeof(want->src))) &&
	       (addr_is_zero(&want->dst) || !memcmp(&want->dst, &have->dst, sizeof(want->dst))) &&
	       (!want->sport || want->sport == have->sport) &&
	       (!want->dport || want->dport == have->dport) &&
	       (!want->icmp_type || want->icmp_type == have->icmp_type) &&
	       (!want->icmp_code || want->icmp_code == have->icmp_code);
}

/* The kernel leaves out what is 0: mark, zone. */
static bool dump_wants(const struct cts_dump_conf *conf, const struct cts_flow *flow)
{
	uint32_t mark = cts_flow_has(flow, CTS_FLOW_MARK) ? flow->mark : 0;
	uint16_t zone = cts_flow_has(flow, CTS_FLOW_ZONE) ? flow->zone : 0;

	if (conf->family != AF_UNSPEC && flow->orig.family != conf->family)
		return false;
	if (conf->has_mark && (mark & conf->mark_mask) != conf->mark)
		return false;
	if (conf->has_status && (flow->status & conf->status_mask) != conf->status)
		return false;
	if (conf->has_zone && zone != conf->zone)
		return false;
	if (!conf->filter)
		return true;
	if (cts_flow_has(conf->filter, CTS_FLOW_ORIG) &&
	    !tuple_matches(&conf->filter->orig, &flow->orig))
		return false;
	return !cts_flow_has(conf->filter, CTS_FLOW_REPLY) ||
	       tuple_matches(&conf->filter->reply, &flow->reply);
}

static void dump_hand_on(struct cts_dump *d, cts_batch_fn fn, void *ctx)
{
	if (d->n)
		fn(ctx, d->list, d->n);
	d->n = 0;
}

static void dump_add(struct cts_dump *d, const struct nlmsghdr *nlh)
{
	struct cts_event *ev = &d->event[d->n];
	struct cts_flow *flow = &d->flow[d->n];

	if (nlh->nlmsg_len < NLMSG_LENGTH(sizeof(struct nfgenmsg))) {
		d->malformed++;
		return;
	}
	if (cts_nl_subsys(nlh) == NFNL_SUBSYS_CTNETLINK) {
		if (cts_flow_decode(nlh, flow) < 0) {
			d->malformed++;
			return;
		}
		if (!dump_wants(&d->conf, flow))
			return;
		ev->flow = flow;
		ev->expect = NULL;
	} else {
		struct cts_expect *exp = &d->expect[d->n];

		if (cts_expect_decode(nlh, exp) < 0) {
			d->malformed++;
			return;
		}
		ev->flow = NULL;
		ev->expect = exp;
	}
	ev->type = CTS_EVENT_NEW;
	ev->origin = CTS_ORIGIN_DUMP;
	ev->portid = 0;
	ev->time_ns = d->now_ns;
	ev->raw = nlh;
	ev->raw_len = nlh->nlmsg_len;
	d->n++;
}

/* 0, or -1 and the errno that ends the dump. */
static int dump_end(struct cts_dump *d, const struct nlmsghdr *nlh)
{
	int err = 0;

	d->ended = true;
	if (nlh->nlmsg_len >= NLMSG_LENGTH(sizeof(int)))
		memcpy(&err, mnl_nlmsg_get_payload(nlh), sizeof(err));
	if (!err && nlh->nlmsg_type == NLMSG_DONE && d->interrupted)
		err = -EINTR;
	if (!err)
		return 0;
	errno = err < 0 ? -err : EPROTO;
	return -1;
}

/* A table of more than one chunk is worth a thread. */
static ssize_t dump_receive(struct cts_dump *d, uint8_t **chunk)
{
	*chunk = d->buf;
	if (d->ahead)
		return cts_ahead_next(d->ahead, chunk);
	return cts_nl_receive_chunk(d->fd, d->buf, DUMP_BUFFER);
}

static void dump_go_ahead(struct cts_dump *d)
{
	if (!d->conf.read_ahead || d->tried_ahead || d->ended)
		return;
	d->tried_ahead = true;
	d->ahead = cts_ahead_start(d->fd, DUMP_BUFFER);
}

int cts_dump_step(struct cts_dump *d, cts_batch_fn fn, void *ctx)
{
	const struct nlmsghdr *nlh;
	struct timespec ts;
	uint8_t *chunk;
	ssize_t got;
	int len, ret = 1;

	if (d->ended)
		return 0;
	got = dump_receive(d, &chunk);
	if (got < 0) {
		d->ended = true;
		return -1;
	}
	clock_gettime(CLOCK_REALTIME, &ts);
	d->now_ns = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;

	len = (int)got;
	nlh = (const struct nlmsghdr *)chunk;
	for (; mnl_nlmsg_ok(nlh, len) && !d->ended; nlh = mnl_nlmsg_next(nlh, &len)) {
		if (nlh->nlmsg_seq != d->seq)
			continue;
		if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
			d->interrupted = true;
		if (nlh->nlmsg_type == NLMSG_DONE || nlh->nlmsg_type == NLMSG_ERROR) {
			ret = dump_end(d, nlh);
			continue;
		}
		if (nlh->nlmsg_type < NLMSG_MIN_TYPE)
			continue;
		if (d->n == DUMP_BATCH)
			dump_hand_on(d, fn, ctx);
		dump_add(d, nlh);
	}
	int saved = errno;
	dump_go_ahead(d);
	dump_hand_on(d, fn, ctx);
	errno = saved;
	return ret;
}

int cts_dump_run(struct cts_dump *d, cts_batch_fn fn, void *ctx)
{
	int ret;

	do {
		ret = cts_dump_step(d, fn, ctx);
	} while (ret > 0);
	return ret;
}

uint64_t cts_dump_malformed(const struct cts_dump *d)
{
	return d->malformed;
}
