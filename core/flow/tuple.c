/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inversion of tuples, as the kernel does it. */
#include "config.h"

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <string.h>

#include "core/flow/tuple.h"

/* The ICMP type that answers; other types are not tracked and stay. */
static uint8_t icmp_answer(uint8_t type)
{
	switch (type) {
	case ICMP_ECHO:
		return ICMP_ECHOREPLY;
	case ICMP_ECHOREPLY:
		return ICMP_ECHO;
	case ICMP_TIMESTAMP:
	case ICMP_INFO_REQUEST:
	case ICMP_ADDRESS:
		return type + 1;
	case ICMP_TIMESTAMPREPLY:
	case ICMP_INFO_REPLY:
	case ICMP_ADDRESSREPLY:
		return type - 1;
	default:
		return type;
	}
}

static uint8_t icmpv6_answer(uint8_t type)
{
	switch (type) {
	case ICMP6_ECHO_REQUEST:
	case 139: /* node information query, RFC 4620 */
		return type + 1;
	case ICMP6_ECHO_REPLY:
	case 140:
		return type - 1;
	default:
		return type;
	}
}

void cts_tuple_invert(const struct cts_tuple *t, struct cts_tuple *inverse)
{
	struct cts_tuple inv = {
		.src = t->dst,
		.dst = t->src,
		.family = t->family,
		.proto = t->proto,
	};

	switch (t->proto) {
	case IPPROTO_ICMP:
		inv.icmp_type = icmp_answer(t->icmp_type);
		inv.icmp_code = t->icmp_code;
		inv.sport = t->sport;
		break;
	case IPPROTO_ICMPV6:
		inv.icmp_type = icmpv6_answer(t->icmp_type);
		inv.icmp_code = t->icmp_code;
		inv.sport = t->sport;
		break;
	default:
		inv.sport = t->dport;
		inv.dport = t->sport;
		break;
	}
	*inverse = inv; /* last: both may be the same */
}
