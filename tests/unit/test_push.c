/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What filters push down into the kernel must never refuse what they accept: random
 * lists, random flows, and the kernel's own verdict on the netlink messages (the
 * program is attached to a UNIX socket, so no rights are needed).
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "core/flow/codec.h"
#include "core/kernel/bpf.h"
#include "core/kernel/events.h"
#include "core/plugin/loader.h"
#include "core/plugin/option_table.h"

#define ROUNDS 150u
#define FLOWS 60u

static struct cts_loader *loader;
static uint32_t seed = 4711;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

/* Few addresses, so that networks nest and flows hit them. */
static void random_address(char *buf, size_t size, bool v6, unsigned int len)
{
	if (v6)
		snprintf(buf, size, "2001:db8:%x:%x::", len > 32 ? rnd(3) : 0, len > 48 ? rnd(3) : 0);
	else
		snprintf(buf, size, "10.%u.%u.%u", len > 8 ? rnd(3) : 0, len > 16 ? rnd(3) : 0,
			 len > 24 ? rnd(3) : 0);
}

static size_t random_list(char *buf, size_t size, const char *name, unsigned int n)
{
	static const unsigned int lengths[2][4] = { { 8, 16, 24, 32 }, { 32, 48, 64, 128 } };
	size_t used = (size_t)snprintf(buf, size, "%s=", name);

	for (unsigned int i = 0; i < n; i++) {
		bool v6 = rnd(2);
		unsigned int len = lengths[v6][rnd(4)];
		char addr[64];

		random_address(addr, sizeof(addr), v6, len);
		used += (size_t)snprintf(buf + used, size - used, "%s%s/%u", i ? "+" : "", addr, len);
		if (rnd(12) == 0)
			used += (size_t)snprintf(buf + used, size - used, "+local");
	}
	return used;
}

static void random_flow(struct cts_flow *flow)
{
	bool v6 = rnd(2);
	int family = v6 ? AF_INET6 : AF_INET;
	char text[64];

	memset(flow, 0, sizeof(*flow));
	flow->present = CTS_FLOW_BIT(CTS_FLOW_ORIG) | CTS_FLOW_BIT(CTS_FLOW_REPLY);
	flow->orig.family = flow->reply.family = (uint8_t)family;
	flow->orig.proto = flow->reply.proto = (uint8_t)(rnd(2) ? IPPROTO_TCP : rnd(256));
	random_address(text, sizeof(text), v6, 128);
	inet_pton(family, text, &flow->orig.src);
	random_address(text, sizeof(text), v6, 128);
	inet_pton(family, text, &flow->reply.src);
	inet_pton(family, v6 ? "fd00::1" : "203.0.113.1", &flow->orig.dst);
	inet_pton(family, v6 ? "fd00::2" : "203.0.113.2", &flow->reply.dst);
	if (rnd(4) == 0)
		memset(&flow->orig.src, 0x55, v6 ? 16 : 4);   /* in none of the networks */
	if (rnd(4) == 0)
		memset(&flow->reply.src, 0x55, v6 ? 16 : 4);
}

static bool kernel_passes(const int fd[2], const struct cts_flow *flow)
{
	union {
		struct nlmsghdr nlh;
		char bytes[1024];
	} msg;
	struct nfgenmsg *nfg;
	char back[1024];

	memset(&msg, 0, sizeof(msg));
	msg.nlh.nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
	msg.nlh.nlmsg_len = NLMSG_LENGTH(sizeof(*nfg));
	nfg = NLMSG_DATA(&msg.nlh);
	nfg->nfgen_family = flow->orig.family;
	assert_int_equal(cts_flow_encode(&msg.nlh, sizeof(msg), flow, ~UINT64_C(0)), 0);
	/* a socket's filter refuses silently: send() succeeds or says EPERM */
	if (send(fd[1], &msg, msg.nlh.nlmsg_len, 0) < 0)
		assert_int_equal(errno, EPERM);
	return recv(fd[0], back, sizeof(back), MSG_DONTWAIT) > 0;
}

static bool filter_passes(const struct cts_filter_ops *ops, void *priv, const struct cts_flow *flow)
{
	struct cts_event ev = { .flow = flow };
	const struct cts_event *list[] = { &ev };
	uint64_t drop = 0;
	struct cts_batch batch = { .size = sizeof(batch), .n = 1, .ev = list, .drop = &drop };

	ops->apply(priv, &batch);
	return !drop;
}

/* Returns how many flows were refused in the kernel already. */
static unsigned int compare(const char *plugin, const char *text)
{
	const struct cts_filter_ops *ops = cts_loader_get(loader, CTS_KIND_FILTER, plugin);
	struct cts_options *opt = cts_options_parse_text(ops->plugin.options, text, plugin, NULL);
	struct cts_address local = { .family = AF_INET, .addr.v4 = htonl(0x0a000101) };
	struct cts_push *push = cts_push_create();
	unsigned int refused = 0;
	void *priv;
	int fd[2];

	assert_non_null(opt);
	priv = ops->create(opt);
	assert_non_null(priv);
	if (ops->local_addresses)
		ops->local_addresses(priv, &local, 1);
	assert_int_equal(ops->push(priv, push), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fd), 0);
	assert_int_equal(cts_bpf_attach(fd[0], NULL, 0, push), 0);
	for (unsigned int i = 0; i < FLOWS; i++) {
		struct cts_flow flow;

		random_flow(&flow);
		if (kernel_passes(fd, &flow))
			continue;
		refused++;
		if (filter_passes(ops, priv, &flow))
			fail_msg("the kernel refuses what %s accepts with %s", plugin, text);
	}
	close(fd[0]);
	close(fd[1]);
	cts_push_destroy(push);
	ops->destroy(priv);
	cts_options_free(opt);
	return refused;
}

static void the_kernel_refuses_no_address_that_the_filter_accepts(void **state)
{
	unsigned int refused = 0;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		unsigned int accept = rnd(3) ? rnd(5) : 0, ignore = rnd(4);
		char text[1024] = "";
		size_t used = 0;

		if (accept)
			used = random_list(text, sizeof(text), "accept", accept);
		if (ignore) {
			if (used)
				text[used++] = ',';
			random_list(text + used, sizeof(text) - used, "ignore", ignore);
		}
		refused += compare("address", text);
	}
	print_message("%u of %u flows were refused in the kernel\n", refused, ROUNDS * FLOWS);
	assert_true(refused > ROUNDS);
}

static void the_kernel_refuses_no_protocol_that_the_filter_accepts(void **state)
{
	assert_true(compare("protocol", "accept=tcp") > 0);
	assert_true(compare("protocol", "ignore=tcp") > 0);
	assert_true(compare("protocol", "accept=tcp+1+17+200+201,ignore=17") > 0);
	assert_int_equal(compare("protocol", ""), 0);
}

static void too_many_networks_are_left_to_the_filter(void **state)
{
	const struct cts_filter_ops *ops = cts_loader_get(loader, CTS_KIND_FILTER, "address");
	struct cts_push *push = cts_push_create();
	struct cts_options *opt;
	char text[4096] = "accept=";
	size_t used = strlen(text);
	void *priv;

	for (unsigned int i = 0; i <= CTS_PUSH_NETWORKS_MAX; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s10.%u.0.0/16",
					 i ? "+" : "", i);
	opt = cts_options_parse_text(ops->plugin.options, text, "address", NULL);
	priv = ops->create(opt);
	assert_int_equal(ops->push(priv, push), -1);
	assert_int_equal(errno, ENOSPC);
	ops->destroy(priv);
	cts_options_free(opt);
	cts_push_destroy(push);
}

static int setup(void **state)
{
	loader = cts_loader_create(NULL, 0);
	return loader ? 0 : -1;
}

static int teardown(void **state)
{
	cts_loader_destroy(loader);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernel_refuses_no_address_that_the_filter_accepts),
		cmocka_unit_test(the_kernel_refuses_no_protocol_that_the_filter_accepts),
		cmocka_unit_test(too_many_networks_are_left_to_the_filter),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
