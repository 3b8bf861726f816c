/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/kernel_net.h"

void kernel_net_enter(void)
{
	struct mnl_socket *nl;

	if (unshare(CLONE_NEWNET) < 0) {
		printf("SKIP: no network namespace of our own: %s\n", strerror(errno));
		exit(77);
	}
	nl = mnl_socket_open(NETLINK_NETFILTER);
	if (!nl) {
		printf("SKIP: no NETLINK_NETFILTER: %s\n", strerror(errno));
		exit(77);
	}
	mnl_socket_close(nl);
}

int kernel_net_sysctl(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len = (ssize_t)strlen(text);
	int ret;

	if (fd < 0)
		return -1;
	ret = write(fd, text, (size_t)len) == len ? 0 : -1;
	close(fd);
	return ret;
}

static uint32_t flow_source(uint32_t i)
{
	return htonl(UINT32_C(0x0a000000) + i / 16);
}

static uint16_t flow_port(uint32_t i)
{
	return htons((uint16_t)(1024 + i % 16));
}

static void flow_common(struct cts_flow *f)
{
	cts_tuple_invert(&f->orig, &f->reply);
	f->status = IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED;
	f->timeout = 1000;
	f->tcp_state = TCP_CONNTRACK_ESTABLISHED;
	f->present = CTS_FLOW_BIT(CTS_FLOW_ORIG) | CTS_FLOW_BIT(CTS_FLOW_REPLY) |
		     CTS_FLOW_BIT(CTS_FLOW_STATUS) | CTS_FLOW_BIT(CTS_FLOW_TIMEOUT) |
		     CTS_FLOW_BIT(CTS_FLOW_TCP_STATE);
}

void kernel_flow(struct cts_flow *f, uint32_t i)
{
	memset(f, 0, sizeof(*f));
	f->orig.family = AF_INET;
	f->orig.proto = IPPROTO_TCP;
	f->orig.src.v4 = flow_source(i);
	f->orig.dst.v4 = htonl(UINT32_C(0xc0000201));
	f->orig.sport = flow_port(i);
	f->orig.dport = htons(80);
	flow_common(f);
}

void kernel_flow6(struct cts_flow *f, uint32_t i)
{
	memset(f, 0, sizeof(*f));
	f->orig.family = AF_INET6;
	f->orig.proto = IPPROTO_TCP;
	f->orig.src.v6[0] = f->orig.dst.v6[0] = htonl(UINT32_C(0x20010db8));
	f->orig.src.v6[3] = flow_source(i);
	f->orig.dst.v6[1] = htonl(1);
	f->orig.dst.v6[3] = htonl(1);
	f->orig.sport = flow_port(i);
	f->orig.dport = htons(80);
	flow_common(f);
}

static void raw_tuple(struct nlmsghdr *nlh, uint16_t type, uint32_t src, uint32_t dst,
		      uint16_t sport, uint16_t dport)
{
	struct nlattr *tuple = mnl_attr_nest_start(nlh, type), *nest;

	nest = mnl_attr_nest_start(nlh, CTA_TUPLE_IP);
	mnl_attr_put_u32(nlh, CTA_IP_V4_SRC, src);
	mnl_attr_put_u32(nlh, CTA_IP_V4_DST, dst);
	mnl_attr_nest_end(nlh, nest);
	nest = mnl_attr_nest_start(nlh, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(nlh, CTA_PROTO_NUM, IPPROTO_TCP);
	mnl_attr_put_u16(nlh, CTA_PROTO_SRC_PORT, sport);
	mnl_attr_put_u16(nlh, CTA_PROTO_DST_PORT, dport);
	mnl_attr_nest_end(nlh, nest);
	mnl_attr_nest_end(nlh, tuple);
}

static struct nlmsghdr *raw_header(void *buf, unsigned int type, uint16_t flags, uint32_t seq)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));

	nlh->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = seq;
	nfg->nfgen_family = AF_INET;
	return nlh;
}

static size_t raw_create_message(void *buf, uint32_t i, uint16_t ack)
{
	struct nlmsghdr *nlh = raw_header(buf, IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL | ack, i);
	uint32_t src = flow_source(i), dst = htonl(UINT32_C(0xc0000201));
	struct nlattr *info, *tcp;
	uint8_t liberal[2] = { IP_CT_TCP_FLAG_BE_LIBERAL, IP_CT_TCP_FLAG_BE_LIBERAL };

	raw_tuple(nlh, CTA_TUPLE_ORIG, src, dst, flow_port(i), htons(80));
	raw_tuple(nlh, CTA_TUPLE_REPLY, dst, src, htons(80), flow_port(i));
	mnl_attr_put_u32(nlh, CTA_STATUS, htonl(IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED));
	mnl_attr_put_u32(nlh, CTA_TIMEOUT, htonl(1000));
	info = mnl_attr_nest_start(nlh, CTA_PROTOINFO);
	tcp = mnl_attr_nest_start(nlh, CTA_PROTOINFO_TCP);
	mnl_attr_put_u8(nlh, CTA_PROTOINFO_TCP_STATE, TCP_CONNTRACK_ESTABLISHED);
	mnl_attr_put(nlh, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, sizeof(liberal), liberal);
	mnl_attr_put(nlh, CTA_PROTOINFO_TCP_FLAGS_REPLY, sizeof(liberal), liberal);
	mnl_attr_nest_end(nlh, tcp);
	mnl_attr_nest_end(nlh, info);
	return NLMSG_ALIGN(nlh->nlmsg_len);
}

static struct mnl_socket *raw_open(void)
{
	struct mnl_socket *nl = mnl_socket_open(NETLINK_NETFILTER);

	assert_non_null(nl);
	assert_int_equal(mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID), 0);
	return nl;
}

static void raw_wait_ack(struct mnl_socket *nl)
{
	char reply[4096];
	ssize_t len = mnl_socket_recvfrom(nl, reply, sizeof(reply));

	assert_true(len > 0);
	assert_int_equal(mnl_cb_run(reply, (size_t)len, 0, 0, NULL, NULL), MNL_CB_STOP);
}

uint32_t kernel_raw_create(uint32_t first, uint32_t n)
{
	static uint8_t buf[64 * 512];
	struct mnl_socket *nl = raw_open();
	uint32_t portid = mnl_socket_get_portid(nl);

	for (uint32_t done = 0; done < n;) {
		uint32_t batch = n - done < 64 ? n - done : 64;
		size_t used = 0;

		for (uint32_t i = 0; i < batch; i++)
			used += raw_create_message(buf + used, first + done + i,
						   i == batch - 1 ? NLM_F_ACK : 0);
		assert_true(mnl_socket_sendto(nl, buf, used) > 0);
		raw_wait_ack(nl);
		done += batch;
	}
	mnl_socket_close(nl);
	return portid;
}

void kernel_raw_expect(uint32_t src, uint32_t dst, uint16_t sport, uint16_t dport)
{
	uint8_t buf[1024] = { 0 };   /* libmnl leaves padding as it was */
	struct mnl_socket *nl = raw_open();
	struct nlmsghdr *nlh = raw_header(buf, IPCTNL_MSG_EXP_NEW,
					  NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, 1);

	nlh->nlmsg_type = NFNL_SUBSYS_CTNETLINK_EXP << 8 | IPCTNL_MSG_EXP_NEW;
	raw_tuple(nlh, CTA_EXPECT_MASTER, src, dst, sport, dport);
	raw_tuple(nlh, CTA_EXPECT_TUPLE, dst, src, 0, htons(2021));
	raw_tuple(nlh, CTA_EXPECT_MASK, UINT32_MAX, UINT32_MAX, 0, UINT16_MAX);
	mnl_attr_put_u32(nlh, CTA_EXPECT_TIMEOUT, htonl(100));
	assert_true(mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) > 0);
	raw_wait_ack(nl);
	mnl_socket_close(nl);
}

void kernel_raw_flush(void)
{
	uint8_t buf[64];
	struct mnl_socket *nl = raw_open();
	struct nlmsghdr *nlh = raw_header(buf, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, 1);

	((struct nfgenmsg *)mnl_nlmsg_get_payload(nlh))->nfgen_family = AF_UNSPEC;
	assert_true(mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) > 0);
	raw_wait_ack(nl);
	mnl_socket_close(nl);
}

uint64_t kernel_cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}
