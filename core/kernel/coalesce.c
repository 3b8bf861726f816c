/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * With hysteresis, and with two measures: waiting lowers the daemon's share of a core, so
 * that the share tells when to begin, and the rate of events when to end.
 */
#include "config.h"

#include "core/kernel/coalesce.h"

#define NS_PER_S 1000000000u
#define STREAK 2u /* windows that must agree: one burst is no load */
#define RATE_MIN (NS_PER_S / CTS_COALESCE_WAIT_NS * CTS_COALESCE_GATHERS)
#define RATE_OFF_PERCENT 70u /* of the rate that waiting began with */
#define SHARE_OFF_DIVISOR 5u /* or of the share: something else had used the core */

void cts_coalesce_init(struct cts_coalesce *c, enum cts_coalesce_mode mode, uint64_t now_ns,
		       uint64_t cpu_ns)
{
	*c = (struct cts_coalesce){
		.mode = mode,
		.on = mode == CTS_COALESCE_ALWAYS,
		.start_ns = now_ns,
		.start_cpu_ns = cpu_ns,
	};
}

bool cts_coalesce_count(struct cts_coalesce *c, unsigned int n, uint64_t now_ns)
{
	c->events += n;
	return c->mode == CTS_COALESCE_ADAPTIVE && now_ns - c->start_ns >= CTS_COALESCE_WINDOW_NS;
}

static bool asks_for_change(const struct cts_coalesce *c, uint64_t share, uint64_t rate)
{
	if (!c->on)
		return share >= CTS_COALESCE_SHARE && rate >= RATE_MIN;
	return rate * 100 < c->on_rate * RATE_OFF_PERCENT ||
	       share < CTS_COALESCE_SHARE / SHARE_OFF_DIVISOR;
}

void cts_coalesce_measure(struct cts_coalesce *c, uint64_t now_ns, uint64_t cpu_ns)
{
	uint64_t passed = now_ns - c->start_ns;
	uint64_t share, rate;

	if (c->mode != CTS_COALESCE_ADAPTIVE || !passed)
		return;
	share = (cpu_ns - c->start_cpu_ns) * 100 / passed;
	rate = c->events * NS_PER_S / passed;
	c->start_ns = now_ns;
	c->start_cpu_ns = cpu_ns;
	c->events = 0;
	c->streak = asks_for_change(c, share, rate) ? c->streak + 1 : 0;
	if (c->streak < STREAK)
		return;
	c->streak = 0;
	c->on = !c->on;
	c->on_rate = rate;
}

uint64_t cts_coalesce_wait_ns(const struct cts_coalesce *c)
{
	return c->on ? CTS_COALESCE_WAIT_NS : 0;
}
