/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks as sorted ranges: see netset.h. */
#include "config.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/filter/netset.h"

/* -- networks -- */

static void set_address(struct netset_net *net, int family, const void *bytes)
{
	uint64_t word[2] = { 0, 0 };

	memcpy(word, bytes, family == AF_INET ? 4 : 16);
	net->hi = be64toh(word[0]);
	net->lo = be64toh(word[1]);
	net->family = (uint8_t)family;
}

void netset_host(int family, const union cts_addr *addr, struct netset_net *net)
{
	memset(net, 0, sizeof(*net));
	set_address(net, family, addr);
	net->prefix_len = family == AF_INET ? 32 : 128;
}

void netset_addr(const struct netset_net *net, union cts_addr *addr)
{
	uint64_t word[2] = { htobe64(net->hi), htobe64(net->lo) };

	memset(addr, 0, sizeof(*addr));
	memcpy(addr, word, net->family == AF_INET ? 4 : 16);
}

static uint64_t mask64(unsigned int bits)
{
	return bits == 0 ? 0 : bits >= 64 ? UINT64_MAX : UINT64_MAX << (64 - bits);
}

static void mask_network(struct netset_net *net)
{
	net->hi &= mask64(net->prefix_len);
	net->lo &= mask64(net->prefix_len < 64 ? 0 : net->prefix_len - 64u);
}

static int parse_prefix_len(const char *text, unsigned int max, uint8_t *len)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long value;

	if (!digits || digits > 3 || text[digits])
		return -1;
	value = strtoul(text, NULL, 10);
	if (value > max)
		return -1;
	*len = (uint8_t)value;
	return 0;
}

static int parse_address(const char *text, size_t len, struct netset_net *net)
{
	char addr[INET6_ADDRSTRLEN];
	unsigned char bytes[16];
	int family = memchr(text, ':', len) ? AF_INET6 : AF_INET;

	if (len >= sizeof(addr))
		return -1;
	memcpy(addr, text, len);
	addr[len] = '\0';
	if (inet_pton(family, addr, bytes) != 1)
		return -1;
	set_address(net, family, bytes);
	return 0;
}

int netset_parse(const char *text, struct netset_net *net, char *why, size_t size)
{
	size_t len = strcspn(text, "/");
	char right[INET6_ADDRSTRLEN];
	struct netset_net whole;
	union cts_addr addr;

	memset(net, 0, sizeof(*net));
	if (parse_address(text, len, net) < 0) {
		snprintf(why, size,
			 "\"%.64s\" is not a network, allowed: an IPv4 or IPv6 address, "
			 "with /LENGTH for a network",
			 text);
		return -1;
	}
	net->prefix_len = net->family == AF_INET ? 32 : 128;
	if (text[len] && parse_prefix_len(text + len + 1, net->prefix_len, &net->prefix_len) < 0) {
		snprintf(why, size, "\"%.64s\" has a wrong prefix length, allowed: 0 to %u", text,
			 net->prefix_len);
		return -1;
	}
	whole = *net;
	mask_network(net);
	if (whole.hi == net->hi && whole.lo == net->lo)
		return 0;
	netset_addr(net, &addr);
	inet_ntop(net->family, &addr, right, sizeof(right));
	snprintf(why, size, "\"%.64s\" has bits set beyond its prefix, allowed: %s/%u", text, right,
		 net->prefix_len);
	return -1;
}

/* -- ranges -- */

/* By family, then outer networks before inner ones, then the higher verdict. */
static int compare(const void *a, const void *b)
{
	const struct netset_net *x = a, *y = b;

	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	if (x->hi != y->hi)
		return x->hi < y->hi ? -1 : 1;
	if (x->lo != y->lo)
		return x->lo < y->lo ? -1 : 1;
	if (x->prefix_len != y->prefix_len)
		return x->prefix_len < y->prefix_len ? -1 : 1;
	return x->verdict > y->verdict ? -1 : x->verdict < y->verdict;
}

/* First address beyond net. false: there is none. IPv4 sits in the top 32 bits. */
static bool net_end(const struct netset_net *net, struct netset_point *end)
{
	unsigned int len = net->prefix_len;

	*end = (struct netset_point){ net->hi, net->lo };
	if (len == 0)
		return false;
	if (len > 64) {
		uint64_t lo = net->lo + (UINT64_C(1) << (128 - len));

		end->lo = lo;
		if (lo)
			return true;
		len = 64;
	}
	end->hi += UINT64_C(1) << (64 - len);
	end->lo = 0;
	return end->hi != 0;
}

bool netset_contains(const struct netset_net *net, const struct netset_net *inner)
{
	uint64_t hi = mask64(net->prefix_len);
	uint64_t lo = mask64(net->prefix_len < 64 ? 0 : net->prefix_len - 64u);

	return (inner->hi & hi) == net->hi && (inner->lo & lo) == net->lo;
}

struct build {
	struct netset_point *start;
	uint8_t *verdict;
	size_t n;
	const struct netset_net *stack[130]; /* the networks around us */
	unsigned int depth;
};

static void build_point(struct build *b, uint64_t hi, uint64_t lo, uint8_t verdict)
{
	struct netset_point *last = &b->start[b->n - 1];

	/* An inner network that begins where the outer one does takes its place. */
	if (last->hi == hi && last->lo == lo) {
		b->verdict[b->n - 1] = verdict;
		return;
	}
	b->start[b->n] = (struct netset_point){ hi, lo };
	b->verdict[b->n++] = verdict;
}

static void build_leave(struct build *b)
{
	const struct netset_net *net = b->stack[--b->depth];
	struct netset_point end;

	if (net_end(net, &end))
		build_point(b, end.hi, end.lo, b->depth ? b->stack[b->depth - 1]->verdict : 0);
}

static void build_ranges(struct build *b, const struct netset_net *net, size_t n)
{
	b->n = 1;
	b->start[0] = (struct netset_point){ 0, 0 };
	b->verdict[0] = 0;
	for (size_t i = 0; i < n; i++) {
		if (i && compare(&net[i - 1], &net[i]) != 0 && net[i - 1].hi == net[i].hi &&
		    net[i - 1].lo == net[i].lo && net[i - 1].prefix_len == net[i].prefix_len)
			continue; /* the same network, a lower verdict */
		while (b->depth && !netset_contains(b->stack[b->depth - 1], &net[i]))
			build_leave(b);
		if (b->depth && b->stack[b->depth - 1]->prefix_len == net[i].prefix_len)
			continue; /* given twice */
		b->stack[b->depth++] = &net[i];
		build_point(b, net[i].hi, net[i].lo, net[i].verdict);
	}
	while (b->depth)
		build_leave(b);
}

/* Neighbours with one verdict are one range. */
static size_t merge_ranges(struct build *b)
{
	size_t out = 1;

	for (size_t i = 1; i < b->n; i++) {
		if (b->verdict[i] == b->verdict[out - 1])
			continue;
		b->start[out] = b->start[i];
		b->verdict[out++] = b->verdict[i];
	}
	return b->n = out;
}

static int build_family(struct build *b, const struct netset_net *net, size_t n)
{
	memset(b, 0, sizeof(*b));
	b->start = calloc(2 * n + 1, sizeof(*b->start));
	b->verdict = calloc(2 * n + 1, sizeof(*b->verdict));
	if (!b->start || !b->verdict)
		return -1;
	build_ranges(b, net, n);
	merge_ranges(b);
	return 0;
}

int netset_init(struct netset *set, struct netset_net *net, size_t n)
{
	struct build b4 = { 0 }, b6 = { 0 };
	size_t n4 = 0;

	memset(set, 0, sizeof(*set));
	if (n)
		qsort(net, n, sizeof(*net), compare);
	while (n4 < n && net[n4].family == AF_INET)
		n4++;

	if (build_family(&b4, net, n4) < 0 || build_family(&b6, net + n4, n - n4) < 0)
		goto err;
	set->start4 = calloc(b4.n, sizeof(*set->start4));
	if (!set->start4)
		goto err;
	for (size_t i = 0; i < b4.n; i++)
		set->start4[i] = (uint32_t)(b4.start[i].hi >> 32);
	free(b4.start);
	set->verdict4 = b4.verdict;
	set->n4 = b4.n;
	set->start6 = b6.start;
	set->verdict6 = b6.verdict;
	set->n6 = b6.n;
	return 0;
err:
	free(b4.start);
	free(b4.verdict);
	free(b6.start);
	free(b6.verdict);
	return -1;
}

void netset_fini(struct netset *set)
{
	free(set->start4);
	free(set->verdict4);
	free(set->start6);
	free(set->verdict6);
	memset(set, 0, sizeof(*set));
}

/* Index of the last start that is not beyond the key. */
static size_t search4(const uint32_t *start, size_t n, uint32_t key)
{
	size_t base = 0;

	while (n > 1) {
		size_t half = n / 2;

		base += start[base + half] <= key ? half : 0;
		n -= half;
	}
	return base;
}

static size_t search6(const struct netset_point *start, size_t n, uint64_t hi, uint64_t lo)
{
	size_t base = 0;

	while (n > 1) {
		const struct netset_point *p = &start[base + n / 2];
		bool beyond = p->hi > hi || (p->hi == hi && p->lo > lo);

		base += beyond ? 0 : n / 2;
		n -= n / 2;
	}
	return base;
}

uint8_t netset_lookup(const struct netset *set, int family, const union cts_addr *addr)
{
	uint64_t word[2];

	if (family == AF_INET)
		return set->n4 < 2
			       ? (set->n4 ? set->verdict4[0] : 0)
			       : set->verdict4[search4(set->start4, set->n4, be32toh(addr->v4))];
	if (family != AF_INET6 || set->n6 == 0)
		return 0;
	memcpy(word, addr->bytes, sizeof(word));
	return set->verdict6[search6(set->start6, set->n6, be64toh(word[0]), be64toh(word[1]))];
}
