/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * address: accepts or ignores flows by the hosts and networks at their ends. See
 * ctsync-address(5). The ends are the original source and the reply source (where
 * the packets really go): of each the longest network counts.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ctsync/filter.h>
#include <ctsync/log.h>

#include "plugins/filter/netset.h"

enum { NONE, ACCEPT, IGNORE }; /* verdicts; netset takes the highest of equals */

static int check_network(const char *value, char *why, size_t size)
{
	struct netset_net net;

	if (strcmp(value, "local") == 0)
		return 0;
	return netset_parse(value, &net, why, size);
}

static const struct cts_option address_options[] = {
	{ .name = "accept",
	  .type = CTS_OPT_LIST,
	  .check = check_network,
	  .help = "hosts, networks or \"local\" (this node's own); if given, flows need an end in "
		  "one of them" },
	{ .name = "ignore",
	  .type = CTS_OPT_LIST,
	  .check = check_network,
	  .help = "hosts, networks or \"local\"; flows with an end in one of them are refused" },
	{ .name = NULL },
};

struct address {
	struct netset_net *net; /* owned; what the lists say, without local */
	size_t n;
	struct netset set;     /* of net */
	struct netset local;   /* this node's addresses: whole ones, so they beat networks */
	uint8_t local_verdict; /* NONE: the lists do not say "local" */
	bool only_accepted;    /* there is a list of what to accept */
};

static void address_destroy(void *priv)
{
	struct address *a = priv;

	netset_fini(&a->set);
	netset_fini(&a->local);
	free(a->net);
	free(a);
}

static int add_list(struct address *a, const struct cts_options *opt, const char *name,
		    uint8_t verdict)
{
	size_t n = cts_options_count(opt, name);

	for (size_t i = 0; i < n; i++) {
		const char *text = cts_options_item(opt, name, i);
		struct netset_net *net = &a->net[a->n];
		char why[256];

		if (strcmp(text, "local") == 0) {
			a->local_verdict = verdict;
			continue;
		}
		if (netset_parse(text, net, why, sizeof(why)) < 0) {
			cts_options_error(opt, name, (int)i, "%s", why);
			errno = EINVAL;
			return -1;
		}
		net->verdict = verdict;
		a->n++;
	}
	return 0;
}

static void *address_create(const struct cts_options *opt)
{
	size_t n = cts_options_count(opt, "accept") + cts_options_count(opt, "ignore");
	struct address *a = calloc(1, sizeof(*a));
	int saved;

	if (!a)
		return NULL;
	a->only_accepted = cts_options_count(opt, "accept") > 0;
	a->net = calloc(n + 1, sizeof(*a->net));
	if (!a->net || add_list(a, opt, "accept", ACCEPT) < 0 ||
	    add_list(a, opt, "ignore", IGNORE) < 0 || netset_init(&a->set, a->net, a->n) < 0)
		goto err;
	return a;
err:
	saved = errno;
	if (saved == ENOMEM)
		cts_err("address: out of memory");
	address_destroy(a);
	errno = saved;
	return NULL;
}

static uint8_t verdict(const struct address *a, int family, const union cts_addr *addr)
{
	if (a->local.n4 && netset_lookup(&a->local, family, addr))
		return a->local_verdict;
	return netset_lookup(&a->set, family, addr);
}

static bool refused(const struct address *a, const struct cts_flow *flow)
{
	uint8_t source, target = NONE;

	if (!cts_flow_has(flow, CTS_FLOW_ORIG))
		return false;
	source = verdict(a, flow->orig.family, &flow->orig.src);
	if (cts_flow_has(flow, CTS_FLOW_REPLY))
		target = verdict(a, flow->reply.family, &flow->reply.src);
	if (source == IGNORE || target == IGNORE)
		return true;
	return a->only_accepted && source != ACCEPT && target != ACCEPT &&
	       cts_flow_has(flow, CTS_FLOW_REPLY);
}

static void address_apply(void *priv, const struct cts_batch *batch)
{
	const struct address *a = priv;
	const struct cts_event *ev;
	size_t i;

	cts_batch_for_each (i, ev, batch)
		if (ev->flow && refused(a, ev->flow))
			cts_batch_drop(batch, i);
}

static bool lies_in(const struct netset_net *inner, const struct netset_net *outer)
{
	return inner->family == outer->family && inner->prefix_len >= outer->prefix_len &&
	       netset_contains(outer, inner);
}

/* May the kernel refuse all of this network? Not where something in it is accepted. */
static bool has_exception(const struct address *a, const struct netset_net *ignored)
{
	if (a->local_verdict == ACCEPT)
		return true;
	for (size_t i = 0; i < a->n; i++)
		if (a->net[i].verdict == ACCEPT && lies_in(&a->net[i], ignored))
			return true;
	return false;
}

/* The kernel knows no longest match: a network that is ignored refuses, then one
 * that is accepted passes, then the rest is refused if anything was accepted. */
static int address_push(void *priv, struct cts_push *push)
{
	const struct address *a = priv;
	union cts_addr addr;

	for (size_t i = 0; i < a->n; i++) {
		const struct netset_net *net = &a->net[i];
		bool accept = net->verdict == ACCEPT;

		/* With "local" the list of what is accepted is never complete. */
		if (accept ? a->local_verdict == ACCEPT : has_exception(a, net))
			continue;
		netset_addr(net, &addr);
		if (cts_push_network(push, net->family, &addr, net->prefix_len, accept) < 0)
			return -1;
	}
	return 0;
}

static void address_local(void *priv, const struct cts_address *addr, size_t n)
{
	struct netset_net *net = calloc(n + 1, sizeof(*net));
	struct address *a = priv;
	struct netset local;

	for (size_t i = 0; net && i < n; i++) {
		netset_host((int)addr[i].family, &addr[i].addr, &net[i]);
		net[i].verdict = ACCEPT; /* whatever: what counts is that it is in */
	}
	if (a->local_verdict == NONE || !net || netset_init(&local, net, n) < 0) {
		if (a->local_verdict != NONE)
			cts_warn("address: keeps the former local addresses: %s", strerror(errno));
	} else {
		netset_fini(&a->local);
		a->local = local;
	}
	free(net);
}

extern const struct cts_filter_ops address_LTX_cts_plugin;
const struct cts_filter_ops address_LTX_cts_plugin = {
	.plugin = CTS_PLUGIN(CTS_KIND_FILTER, struct cts_filter_ops, "address", PACKAGE_VERSION,
			     "accepts or ignores flows by their hosts and networks",
			     address_options),
	.create = address_create,
	.destroy = address_destroy,
	.apply = address_apply,
	.push = address_push,
	.local_addresses = address_local,
};
