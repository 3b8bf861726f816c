/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "plugins/filter/netset.h"

#define MANY 10000u

static uint64_t seed = 20261123;

static uint32_t rnd(void)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 32);
}

static struct netset_net net_of(const char *text, uint8_t verdict)
{
	struct netset_net net;
	char why[256];

	if (netset_parse(text, &net, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	net.verdict = verdict;
	return net;
}

static uint8_t lookup(const struct netset *set, const char *text)
{
	union cts_addr addr;
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;

	memset(&addr, 0, sizeof(addr));
	assert_int_equal(inet_pton(family, text, addr.bytes), 1);
	return netset_lookup(set, family, &addr);
}

static void the_longest_prefix_counts(void **state)
{
	struct netset_net net[] = {
		net_of("10.1.0.0/16", 2), net_of("10.0.0.0/8", 1), net_of("10.1.2.3", 3),
		net_of("192.168.0.0/16", 1), net_of("0.0.0.0/1", 4), net_of("255.255.255.255", 5),
		net_of("2001:db8::/32", 1), net_of("2001:db8::/48", 2), net_of("::1", 3),
		net_of("ffff:ffff:ffff:ffff::/64", 4),
	};
	struct netset set;

	assert_int_equal(netset_init(&set, net, sizeof(net) / sizeof(net[0])), 0);
	assert_int_equal(lookup(&set, "9.255.255.255"), 4);
	assert_int_equal(lookup(&set, "10.0.0.0"), 1);
	assert_int_equal(lookup(&set, "10.1.0.0"), 2);
	assert_int_equal(lookup(&set, "10.1.2.3"), 3);
	assert_int_equal(lookup(&set, "10.1.2.4"), 2);
	assert_int_equal(lookup(&set, "10.2.0.0"), 1);
	assert_int_equal(lookup(&set, "11.0.0.0"), 4);
	assert_int_equal(lookup(&set, "128.0.0.0"), 0);
	assert_int_equal(lookup(&set, "192.168.255.255"), 1);
	assert_int_equal(lookup(&set, "255.255.255.254"), 0);
	assert_int_equal(lookup(&set, "255.255.255.255"), 5);
	assert_int_equal(lookup(&set, "::"), 0);
	assert_int_equal(lookup(&set, "::1"), 3);
	assert_int_equal(lookup(&set, "::2"), 0);
	assert_int_equal(lookup(&set, "2001:db8::5"), 2);
	assert_int_equal(lookup(&set, "2001:db8:1::5"), 1);
	assert_int_equal(lookup(&set, "2001:db9::"), 0);
	assert_int_equal(lookup(&set, "ffff:ffff:ffff:ffff::"), 4);
	assert_int_equal(lookup(&set, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), 4);
	assert_int_equal(netset_lookup(&set, AF_UNSPEC, &(union cts_addr){ .v4 = 0 }), 0);
	netset_fini(&set);
}

static void whole_families_and_empty_sets_work(void **state)
{
	struct netset_net net[] = { net_of("0.0.0.0/0", 1), net_of("::/0", 2) };
	struct netset set;

	assert_int_equal(netset_init(&set, net, 2), 0);
	assert_int_equal(lookup(&set, "0.0.0.0"), 1);
	assert_int_equal(lookup(&set, "255.255.255.255"), 1);
	assert_int_equal(lookup(&set, "ffff::"), 2);
	netset_fini(&set);
	assert_int_equal(netset_init(&set, NULL, 0), 0);
	assert_int_equal(lookup(&set, "1.2.3.4"), 0);
	assert_int_equal(lookup(&set, "::1"), 0);
	netset_fini(&set);
}

static void of_equal_networks_the_higher_verdict_counts(void **state)
{
	struct netset_net net[] = { net_of("10.0.0.0/8", 1), net_of("10.0.0.0/8", 2),
				    net_of("10.0.0.0/8", 1), net_of("10.0.0.0/8", 2) };
	struct netset set;

	assert_int_equal(netset_init(&set, net, 4), 0);
	assert_int_equal(lookup(&set, "10.9.9.9"), 2);
	assert_int_equal(lookup(&set, "11.0.0.0"), 0);
	netset_fini(&set);
}

static void refuse(const char *text, const char *message)
{
	struct netset_net net;
	char why[256] = "";

	assert_int_equal(netset_parse(text, &net, why, sizeof(why)), -1);
	assert_string_equal(why, message);
}

static void networks_are_checked(void **state)
{
	refuse("10.0.0.0/33", "\"10.0.0.0/33\" has a wrong prefix length, allowed: 0 to 32");
	refuse("::/129", "\"::/129\" has a wrong prefix length, allowed: 0 to 128");
	refuse("10.0.0.0/", "\"10.0.0.0/\" has a wrong prefix length, allowed: 0 to 32");
	refuse("10.0.0.0/-1", "\"10.0.0.0/-1\" has a wrong prefix length, allowed: 0 to 32");
	refuse("10.0.0.0/8x", "\"10.0.0.0/8x\" has a wrong prefix length, allowed: 0 to 32");
	refuse("10.1.2.3/8", "\"10.1.2.3/8\" has bits set beyond its prefix, allowed: 10.0.0.0/8");
	refuse("2001:db8::1/64",
	       "\"2001:db8::1/64\" has bits set beyond its prefix, allowed: 2001:db8::/64");
	refuse("host", "\"host\" is not a network, allowed: an IPv4 or IPv6 address, with /LENGTH "
		       "for a network");
	refuse("", "\"\" is not a network, allowed: an IPv4 or IPv6 address, with /LENGTH for a "
		   "network");
	refuse("1.2.3", "\"1.2.3\" is not a network, allowed: an IPv4 or IPv6 address, with /LENGTH "
			"for a network");
}

/* -- against the simplest thing that can be right -- */

static bool in_network(const struct netset_net *net, int family, const uint8_t *addr)
{
	union cts_addr base;

	if (net->family != family)
		return false;
	netset_addr(net, &base);
	for (unsigned int i = 0; i < net->prefix_len; i++)
		if ((base.bytes[i / 8] ^ addr[i / 8]) >> (7 - i % 8) & 1)
			return false;
	return true;
}

static uint8_t oracle(const struct netset_net *net, size_t n, int family, const uint8_t *addr)
{
	int best = -1;
	uint8_t verdict = 0;

	for (size_t i = 0; i < n; i++)
		if (net[i].prefix_len >= best && in_network(&net[i], family, addr)) {
			if (net[i].prefix_len > best || net[i].verdict > verdict)
				verdict = net[i].verdict;
			best = net[i].prefix_len;
		}
	return verdict;
}

/* narrow: few different bits, so that networks nest deeply and collide. */
static struct netset_net random_net(bool narrow)
{
	int family = rnd() % 2 ? AF_INET : AF_INET6;
	unsigned int bits = family == AF_INET ? 32 : 128;
	union cts_addr addr = { .v6 = { rnd(), rnd(), rnd(), rnd() } };
	struct netset_net net, out;
	char text[80], name[INET6_ADDRSTRLEN], why[256];

	if (narrow)
		for (unsigned int i = 0; i < 16; i++)
			addr.bytes[i] &= i % 4 == 3 ? 0xf1 : i % 4 ? 0x80 : 0x01;
	netset_host(family, &addr, &net);
	net.prefix_len = (uint8_t)(rnd() % (bits + 1));
	for (unsigned int i = net.prefix_len; i < bits; i++)
		addr.bytes[i / 8] &= (uint8_t)~(0x80 >> (i % 8));
	inet_ntop(family, &addr, name, sizeof(name));
	snprintf(text, sizeof(text), "%s/%u", name, net.prefix_len);
	if (netset_parse(text, &out, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	out.verdict = (uint8_t)(1 + rnd() % 3);
	return out;
}

/* An address in or just beside one of the networks, or anywhere. */
static void random_address(const struct netset_net *net, int family, union cts_addr *addr)
{
	unsigned int bits = family == AF_INET ? 32 : 128;

	netset_addr(net, addr);
	switch (rnd() % 4) {
	case 0:
		for (unsigned int i = net->prefix_len; i < bits; i++)
			addr->bytes[i / 8] |= (uint8_t)(0x80 >> (i % 8));
		break;
	case 1:
		for (int i = (int)bits / 8 - 1; i >= 0 && addr->bytes[i]-- == 0; i--)
			;
		break;
	case 2:
		for (unsigned int i = 0; i < bits / 8; i++)
			addr->bytes[i] ^= (uint8_t)(rnd() & rnd() & rnd() & rnd());
		break;
	default:
		break;
	}
}

static void compare_with_oracle(size_t n, bool narrow, unsigned int lookups)
{
	struct netset_net *net = calloc(n, sizeof(*net)), *copy = calloc(n, sizeof(*net));
	struct netset set;

	assert_non_null(net);
	assert_non_null(copy);
	for (size_t i = 0; i < n; i++)
		net[i] = copy[i] = random_net(narrow);
	assert_int_equal(netset_init(&set, net, n), 0);
	for (unsigned int i = 0; i < lookups; i++) {
		const struct netset_net *near = &copy[rnd() % n];
		union cts_addr addr;
		uint8_t want, got;

		random_address(near, near->family, &addr);
		want = oracle(copy, n, near->family, addr.bytes);
		got = netset_lookup(&set, near->family, &addr);
		if (want != got)
			fail_msg("%zu networks, lookup %u: %u, the oracle says %u", n, i, got, want);
	}
	netset_fini(&set);
	free(net);
	free(copy);
}

static void ten_thousand_networks_answer_as_a_naive_search_does(void **state)
{
	compare_with_oracle(MANY, false, 2000);
	compare_with_oracle(MANY, true, 2000);
}

static void small_sets_answer_as_a_naive_search_does(void **state)
{
	for (unsigned int i = 0; i < 2000; i++)
		compare_with_oracle(1 + rnd() % 12, i % 2, 30);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double lookup_ns(size_t n, int family)
{
	enum { LOOKUPS = 200000 };
	struct netset_net *net = calloc(n, sizeof(*net));
	static union cts_addr addr[1024];
	unsigned int hits = 0;
	struct netset set;
	double begin;

	for (size_t i = 0; i < n; i++) {
		union cts_addr a = { .v6 = { rnd(), rnd(), rnd(), rnd() } };

		netset_host(family, &a, &net[i]);
		net[i].verdict = 1;
	}
	for (size_t i = 0; i < 1024; i++)
		addr[i] = (union cts_addr){ .v6 = { rnd(), rnd(), rnd(), rnd() } };
	assert_int_equal(netset_init(&set, net, n), 0);
	begin = seconds();
	for (unsigned int i = 0; i < LOOKUPS; i++)
		hits += netset_lookup(&set, family, &addr[i % 1024]);
	begin = (seconds() - begin) * 1e9 / LOOKUPS;
	print_message("%zu networks, %s: %.0f ns a lookup (%u hits)\n", n,
		      family == AF_INET ? "IPv4" : "IPv6", begin, hits);
	netset_fini(&set);
	free(net);
	return begin;
}

/* Printed, not judged: no test depends on the clock. */
static void lookups_are_measured(void **state)
{
	lookup_ns(10, AF_INET);
	lookup_ns(MANY, AF_INET);
	lookup_ns(10, AF_INET6);
	lookup_ns(MANY, AF_INET6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_prefix_counts),
		cmocka_unit_test(whole_families_and_empty_sets_work),
		cmocka_unit_test(of_equal_networks_the_higher_verdict_counts),
		cmocka_unit_test(networks_are_checked),
		cmocka_unit_test(ten_thousand_networks_answer_as_a_naive_search_does),
		cmocka_unit_test(small_sets_answer_as_a_naive_search_does),
		cmocka_unit_test(lookups_are_measured),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
