/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flowgen: load for the kernel's connection tracking table of this network
 * namespace. It uses libmnl and libnetfilter_conntrack alone, none of our code,
 * so that it can test and measure it.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack_tcp.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink.h>

#define BATCH 64u
#define MESSAGE 512u

enum op { OP_CREATE, OP_MARK, OP_DELETE };

struct gen {
	struct mnl_socket *nl;
	uint8_t buf[BATCH * MESSAGE];
	size_t len;
	unsigned int n;
	uint32_t seq;
	uint32_t base; /* number of the first flow */
	uint32_t pace; /* operations a second, 0: as fast as it goes */
	uint32_t tick; /* paced operations come so many at once; 0: evenly spread */
	uint32_t mark, timeout;
	uint32_t window; /* churn: flows that live at once */
	uint64_t done, failed;
	struct timespec start;
};

static void fail(const char *what)
{
	fprintf(stderr, "flowgen: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void make_flow(struct nf_conntrack *ct, const struct gen *g, uint32_t i, enum op op)
{
	uint32_t src = htonl(0x0a000000 + g->base + i), dst = htonl(0xc0a80001);
	uint16_t sport = htons((uint16_t)(1024 + (g->base + i) % 60000)), dport = htons(80);

	nfct_set_attr_u8(ct, ATTR_L3PROTO, AF_INET);
	nfct_set_attr_u32(ct, ATTR_IPV4_SRC, src);
	nfct_set_attr_u32(ct, ATTR_IPV4_DST, dst);
	nfct_set_attr_u8(ct, ATTR_L4PROTO, IPPROTO_TCP);
	nfct_set_attr_u16(ct, ATTR_PORT_SRC, sport);
	nfct_set_attr_u16(ct, ATTR_PORT_DST, dport);
	if (op == OP_MARK)
		nfct_set_attr_u32(ct, ATTR_MARK, g->mark);
	if (op != OP_CREATE)
		return;
	nfct_setobjopt(ct, NFCT_SOPT_SETUP_REPLY);
	nfct_set_attr_u8(ct, ATTR_TCP_STATE, TCP_CONNTRACK_ESTABLISHED);
	nfct_set_attr_u32(ct, ATTR_STATUS, IPS_SEEN_REPLY | IPS_ASSURED | IPS_CONFIRMED);
	nfct_set_attr_u32(ct, ATTR_TIMEOUT, g->timeout);
}

/* Replies: the error of any message, and the ACK of the last. */
static void read_replies(struct gen *g, uint32_t last)
{
	uint8_t buf[65536];

	for (;;) {
		ssize_t n = mnl_socket_recvfrom(g->nl, buf, sizeof(buf));
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)buf;
		int left = (int)n;

		if (n < 0)
			fail("recv");
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);

			if (nlh->nlmsg_type != NLMSG_ERROR)
				continue;
			g->failed += err->error != 0;
			if (nlh->nlmsg_seq == last)
				return;
		}
	}
}

static void flush(struct gen *g)
{
	if (!g->n)
		return;
	if (mnl_socket_sendto(g->nl, g->buf, g->len) < 0)
		fail("send");
	read_replies(g, g->seq);
	g->n = 0;
	g->len = 0;
}

static void keep_pace(struct gen *g)
{
	struct timespec now;
	double due, passed;

	if (!g->pace)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	passed = (double)(now.tv_sec - g->start.tv_sec) +
		 (double)(now.tv_nsec - g->start.tv_nsec) / 1e9;
	due = (double)g->done / g->pace;
	if (due > passed)
		usleep((useconds_t)((due - passed) * 1e6));
}

/* How many messages go into one system call. Paced flows come one by one, as from a
 * network: 40 us apart or more; or in ticks, as from an interrupt's worth of packets. */
static unsigned int batch_size(const struct gen *g)
{
	if (g->tick)
		return g->tick < BATCH ? g->tick : BATCH;
	return g->pace && g->pace < 25000 * BATCH ? 1 + g->pace / 25000 : BATCH;
}

static void add(struct gen *g, uint32_t i, enum op op)
{
	struct nf_conntrack *ct = nfct_new();
	struct nfgenmsg *nfh;
	struct nlmsghdr *nlh;

	if (!ct)
		fail("nfct_new");
	make_flow(ct, g, i, op);
	nlh = mnl_nlmsg_put_header(g->buf + g->len);
	nlh->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 |
			  (op == OP_DELETE ? IPCTNL_MSG_CT_DELETE : IPCTNL_MSG_CT_NEW);
	nlh->nlmsg_flags = NLM_F_REQUEST | (op == OP_CREATE ? NLM_F_CREATE | NLM_F_EXCL : 0);
	nlh->nlmsg_seq = ++g->seq;
	nfh = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfh));
	nfh->nfgen_family = AF_INET;
	nfct_nlmsg_build(nlh, ct);
	nfct_destroy(ct);
	g->len += nlh->nlmsg_len;
	g->done++;
	if (++g->n < batch_size(g) && g->len + MESSAGE <= sizeof(g->buf))
		return;
	nlh->nlmsg_flags |= NLM_F_ACK;
	flush(g);
	keep_pace(g);
}

/* The last message of a part batch asks for the acknowledgement. */
static void finish(struct gen *g)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)g->buf, *last = NULL;
	int left = (int)g->len;

	for (; g->n && mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
		last = nlh;
	if (last)
		last->nlmsg_flags |= NLM_F_ACK;
	flush(g);
}

/* Flows come and go in a window: each operation is a create or the delete of the
 * oldest. What is left at the end is window flows. */
static void churn(struct gen *g, uint32_t total)
{
	for (uint32_t i = 0; i < total; i++) {
		add(g, i, OP_CREATE);
		if (i >= g->window)
			add(g, i - g->window, OP_DELETE);
	}
}

static int usage(FILE *fp)
{
	fputs("Usage: flowgen create|mark|delete|churn N [options]\n"
	      "  -b, --base I      number of the first flow (0)\n"
	      "  -p, --pace R      operations a second (as fast as it goes)\n"
	      "  -T, --tick N      of them N at once, 64 at most (evenly spread)\n"
	      "  -m, --mark M      mark to set (1)\n"
	      "  -t, --timeout S   timeout of new flows in seconds (3600)\n"
	      "  -w, --window W    churn: how many live at once (1000)\n"
	      "Prints operations, failures and seconds.\n",
	      fp);
	return fp == stdout ? 0 : 2;
}

static uint32_t *value_of(struct gen *g, int option)
{
	switch (option) {
	case 'b':
		return &g->base;
	case 'p':
		return &g->pace;
	case 'T':
		return &g->tick;
	case 'm':
		return &g->mark;
	case 't':
		return &g->timeout;
	case 'w':
		return &g->window;
	default:
		return NULL;
	}
}

static void parse(struct gen *g, int argc, char *argv[])
{
	static const struct option longs[] = {
		{ "base", required_argument, NULL, 'b' },
		{ "pace", required_argument, NULL, 'p' },
		{ "tick", required_argument, NULL, 'T' },
		{ "mark", required_argument, NULL, 'm' },
		{ "timeout", required_argument, NULL, 't' },
		{ "window", required_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	uint32_t *value;
	int c;

	while ((c = getopt_long(argc, argv, "b:p:T:m:t:w:h", longs, NULL)) >= 0) {
		value = value_of(g, c);
		if (!value)
			exit(usage(c == 'h' ? stdout : stderr));
		*value = (uint32_t)strtoul(optarg, NULL, 0);
	}
	if (argc - optind != 2)
		exit(usage(stderr));
}

static void open_socket(struct gen *g)
{
	int size = 4 << 20;

	g->nl = mnl_socket_open(NETLINK_NETFILTER);
	if (!g->nl || mnl_socket_bind(g->nl, 0, MNL_SOCKET_AUTOPID) < 0)
		fail("netlink");
	setsockopt(mnl_socket_get_fd(g->nl), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
}

int main(int argc, char *argv[])
{
	static struct gen g = { .mark = 1, .timeout = 3600, .window = 1000 };
	struct timespec now;
	const char *what;
	uint32_t n;

	parse(&g, argc, argv);
	what = argv[optind];
	n = (uint32_t)strtoul(argv[optind + 1], NULL, 0);
	open_socket(&g);
	prctl(PR_SET_TIMERSLACK, 1); /* ns: short sleeps are to be short */
	clock_gettime(CLOCK_MONOTONIC, &g.start);
	if (!strcmp(what, "churn"))
		churn(&g, n);
	else if (!strcmp(what, "create") || !strcmp(what, "mark") || !strcmp(what, "delete"))
		for (uint32_t i = 0; i < n; i++)
			add(&g, i, *what == 'c' ? OP_CREATE : *what == 'm' ? OP_MARK : OP_DELETE);
	else
		return usage(stderr);
	finish(&g);
	clock_gettime(CLOCK_MONOTONIC, &now);
	printf("operations=%" PRIu64 " failed=%" PRIu64 " seconds=%.3f\n", g.done, g.failed,
	       (double)(now.tv_sec - g.start.tv_sec) +
		       (double)(now.tv_nsec - g.start.tv_nsec) / 1e9);
	mnl_socket_close(g.nl);
	return g.failed ? 1 : 0;
}
