/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lag: from kernel to kernel. Makes flows in this namespace at a pace and listens
 * for them in another (external cache off), prints p50 and p99 in microseconds.
 *   lag NETNS N PACE
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack_tcp.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#define BASE 0x0b000000u /* 11.0.0.0: source address of flow 0 */

static uint64_t *made_ns, *seen_ns;
static uint32_t total;

static void fail(const char *what)
{
	fprintf(stderr, "lag: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static struct mnl_socket *open_socket(unsigned int groups)
{
	struct mnl_socket *nl = mnl_socket_open(NETLINK_NETFILTER);
	int size = 128 << 20;

	if (!nl || mnl_socket_bind(nl, groups, MNL_SOCKET_AUTOPID) < 0)
		fail("netlink");
	setsockopt(mnl_socket_get_fd(nl), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return nl;
}

static void make(struct mnl_socket *nl, uint32_t i)
{
	struct nf_conntrack *ct = nfct_new();
	uint8_t buf[1024];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfh;

	if (!ct)
		fail("nfct_new");
	nfct_set_attr_u8(ct, ATTR_L3PROTO, AF_INET);
	nfct_set_attr_u32(ct, ATTR_IPV4_SRC, htonl(BASE + i));
	nfct_set_attr_u32(ct, ATTR_IPV4_DST, htonl(0xc0a80001));
	nfct_set_attr_u8(ct, ATTR_L4PROTO, IPPROTO_TCP);
	nfct_set_attr_u16(ct, ATTR_PORT_SRC, htons(1024));
	nfct_set_attr_u16(ct, ATTR_PORT_DST, htons(80));
	nfct_setobjopt(ct, NFCT_SOPT_SETUP_REPLY);
	nfct_set_attr_u8(ct, ATTR_TCP_STATE, TCP_CONNTRACK_ESTABLISHED);
	nfct_set_attr_u32(ct, ATTR_STATUS, IPS_SEEN_REPLY | IPS_ASSURED | IPS_CONFIRMED);
	nfct_set_attr_u32(ct, ATTR_TIMEOUT, 600);
	nlh->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL;
	nfh = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfh));
	nfh->nfgen_family = AF_INET;
	nfct_nlmsg_build(nlh, ct);
	nfct_destroy(ct);
	made_ns[i] = now_ns();
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		fail("send");
}

/* The source address of an event, found without the library: CTA_TUPLE_ORIG,
 * CTA_TUPLE_IP, CTA_IP_V4_SRC. */
static int event_attr(const struct nlattr *attr, void *data)
{
	if (mnl_attr_get_type(attr) == CTA_TUPLE_ORIG) {
		const struct nlattr *ip, *src;

		mnl_attr_for_each_nested (ip, attr)
			if (mnl_attr_get_type(ip) == CTA_TUPLE_IP)
				mnl_attr_for_each_nested (src, ip)
					if (mnl_attr_get_type(src) == CTA_IP_V4_SRC)
						*(uint32_t *)data = ntohl(mnl_attr_get_u32(src));
	}
	return MNL_CB_OK;
}

static uint32_t drain(struct mnl_socket *nl)
{
	static uint8_t buf[65536];
	uint32_t n = 0;
	ssize_t len;

	while ((len = recv(mnl_socket_get_fd(nl), buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)buf;
		int left = (int)len;

		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			uint32_t src = 0;

			mnl_attr_parse(nlh, sizeof(struct nfgenmsg), event_attr, &src);
			if (src < BASE || src - BASE >= total || seen_ns[src - BASE])
				continue;
			seen_ns[src - BASE] = now_ns();
			n++;
		}
	}
	return n;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int main(int argc, char *argv[])
{
	struct mnl_socket *maker, *listener;
	uint64_t start, gap, end;
	uint32_t i = 0, seen = 0, n = 0;
	char path[256];
	int fd;

	if (argc != 4) {
		fputs("Usage: lag NETNS N PACE\n", stderr);
		return 2;
	}
	total = (uint32_t)strtoul(argv[2], NULL, 0);
	gap = 1000000000u / strtoul(argv[3], NULL, 0);
	made_ns = calloc(total, sizeof(*made_ns));
	seen_ns = calloc(total, sizeof(*seen_ns));
	if (!made_ns || !seen_ns)
		fail("calloc");
	maker = open_socket(0);
	snprintf(path, sizeof(path), "/run/netns/%s", argv[1]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		fail(path);
	listener = open_socket(1u << (NFNLGRP_CONNTRACK_NEW - 1));
	start = now_ns();
	end = start + gap * total + 2000000000u;
	while (seen < total && now_ns() < end) {
		struct pollfd p = { .fd = mnl_socket_get_fd(listener), .events = POLLIN };
		struct timespec wait = { 0, 20000 };

		while (i < total && now_ns() >= start + gap * i)
			make(maker, i++);
		if (ppoll(&p, 1, &wait, NULL) > 0)
			seen += drain(listener);
	}
	for (i = 0; i < total; i++)
		if (seen_ns[i])
			made_ns[n++] = seen_ns[i] - made_ns[i];
	if (!n) {
		puts("seen=0");
		return 1;
	}
	qsort(made_ns, n, sizeof(*made_ns), compare);
	printf("seen=%u of %u p50_us=%.0f p99_us=%.0f max_us=%.0f\n", n, total,
	       (double)made_ns[n / 2] / 1e3, (double)made_ns[n * 99ul / 100] / 1e3,
	       (double)made_ns[n - 1] / 1e3);
	return 0;
}
