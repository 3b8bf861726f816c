/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Longest prefix match over a fixed set of networks. Networks nest and never
 * overlap otherwise, so a set of n of them is at most 2n + 1 disjoint ranges, each
 * with the verdict of the longest network around it. A lookup is a binary search
 * without branches in one array: 80 kB for 10,000 IPv4 networks, where a trie
 * takes megabytes and a cache miss a level.
 */
#ifndef CTS_FILTER_NETSET_H
#define CTS_FILTER_NETSET_H

#include <stddef.h>
#include <stdint.h>

#include <ctsync/flow.h>

struct netset_net {
	uint64_t hi, lo; /* host order; IPv4 in the first 32 bits */
	uint8_t family;  /* AF_INET or AF_INET6 */
	uint8_t prefix_len;
	uint8_t verdict; /* the caller's; 0 stands for "in none of them" */
};

/* "10.0.0.0/8", "::1": 0, or -1 with what is wrong and allowed in why. */
int netset_parse(const char *text, struct netset_net *net, char *why, size_t size);
/* A host. */
void netset_host(int family, const union cts_addr *addr, struct netset_net *net);
/* The address of net as flows have it. */
void netset_addr(const struct netset_net *net, union cts_addr *addr);

/* Is inner's first address in net? Both of one family. */
bool netset_contains(const struct netset_net *net, const struct netset_net *inner);

struct netset_point {
	uint64_t hi, lo;
};

struct netset {
	uint32_t *start4;  /* owned; first address of each range, [0] is 0 */
	uint8_t *verdict4; /* owned */
	size_t n4;
	struct netset_point *start6; /* owned */
	uint8_t *verdict6;           /* owned */
	size_t n6;
};

/* Sorts net. Of equal networks the highest verdict counts. 0, or -1 with ENOMEM
 * (set is then empty: fini() is possible but not needed). */
int netset_init(struct netset *set, struct netset_net *net, size_t n);
void netset_fini(struct netset *set);

uint8_t netset_lookup(const struct netset *set, int family, const union cts_addr *addr);

#endif
