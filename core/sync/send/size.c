/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "core/sync/send/size.h"

/* Payloads that paths are made for: what every IPv4 path carries, IPv6's least, Ethernet,
 * jumbo frames, and what a datagram can have. */
static const size_t steps[] = { 512, 1232, 1472, 4096, 8972, 16384, 32768, 65507 };
#define STEPS (sizeof(steps) / sizeof(steps[0]))

void size_init(struct size *s)
{
	*s = (struct size){ .limit = SIZE_MAX, .wait_ns = SIZE_PROBE_NS };
}

size_t size_of(const struct size *s, size_t transport)
{
	return s->limit < transport ? s->limit : transport;
}

bool size_shrink(struct size *s, size_t transport, uint64_t now)
{
	size_t current = size_of(s, transport), below = 0;

	for (size_t i = 0; i < STEPS && steps[i] < current; i++)
		below = steps[i];
	if (!below)
		return false;
	s->limit = below;
	s->probe = 0;
	s->probe_ns = now + s->wait_ns;
	return true;
}

size_t size_probe_due(const struct size *s, size_t transport, uint64_t now)
{
	if (s->limit >= transport || now < s->probe_ns)
		return 0;
	for (size_t i = 0; i < STEPS; i++)
		if (steps[i] > s->limit)
			return steps[i] < transport ? steps[i] : transport;
	return 0;
}

void size_probing(struct size *s, size_t probe, uint64_t seq, uint64_t now)
{
	s->probe = probe;
	s->probe_seq = seq;
	s->probe_ns = now + s->wait_ns;
	s->wait_ns = s->wait_ns * 2 < SIZE_PROBE_MAX_NS ? s->wait_ns * 2 : SIZE_PROBE_MAX_NS;
}

bool size_passed(struct size *s, size_t len)
{
	if (len <= s->limit)
		return false;
	s->limit = len;
	s->probe = 0;
	s->wait_ns = SIZE_PROBE_NS;
	s->probe_ns = 0;  /* the next step at once */
	return true;
}
