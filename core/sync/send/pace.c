/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Congestion control towards one peer: see pace.h. */
#include "config.h"

#include <string.h>

#include "core/sync/send/pace.h"

#define STEP 1500u                   /* bytes: what the window grows by in a round */

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void pace_init(struct pace *p, uint64_t max)
{
	memset(p, 0, sizeof(*p));
	p->max = max;
	p->window = smaller(PACE_START, max);
	p->threshold = UINT64_MAX;
}

bool pace_room(struct pace *p, uint64_t len)
{
	bool room = !p->in_flight || p->in_flight + len <= p->window;

	p->limited = !room;
	return room;
}

void pace_sent(struct pace *p, uint64_t len)
{
	p->in_flight += len;
}

void pace_forget(struct pace *p, uint64_t len)
{
	p->in_flight -= smaller(len, p->in_flight);
}

static void grow(struct pace *p, uint64_t len)
{
	if (p->window < p->threshold) {
		p->window += len;
	} else {
		p->acked += len;
		if (p->acked >= p->window) {
			p->acked -= p->window;
			p->window += STEP;
		}
	}
	p->window = smaller(p->window, p->max);
}

void pace_acked(struct pace *p, uint64_t len)
{
	pace_forget(p, len);
	p->probes = 0;
	if (p->limited)
		grow(p, len);
}

void pace_lost(struct pace *p, uint64_t len, uint64_t seq, uint64_t last)
{
	uint64_t least = smaller(PACE_MIN, p->max);

	pace_forget(p, len);
	if (seq <= p->recover)
		return;
	p->recover = last;
	p->window = p->window * PACE_KEEP_PERCENT / 100;
	if (p->window < least)
		p->window = least;
	p->threshold = p->window;
	p->acked = 0;
}

void pace_rtt(struct pace *p, uint64_t rtt_ns)
{
	uint64_t off = rtt_ns > p->srtt_ns ? rtt_ns - p->srtt_ns : p->srtt_ns - rtt_ns;

	if (!p->srtt_ns) {
		p->srtt_ns = rtt_ns ? rtt_ns : 1;
		p->rttvar_ns = rtt_ns / 2;
		return;
	}
	p->rttvar_ns = p->rttvar_ns - p->rttvar_ns / 4 + off / 4;
	p->srtt_ns = p->srtt_ns - p->srtt_ns / 8 + rtt_ns / 8;
	if (!p->srtt_ns)
		p->srtt_ns = 1;
}

uint64_t pace_probe_after(const struct pace *p, uint64_t delay_ns)
{
	uint64_t after = p->srtt_ns ? p->srtt_ns + 4 * p->rttvar_ns : 3 * PACE_RTT_START_NS;

	after += delay_ns;
	for (unsigned int i = 0; i < p->probes / 2 && after < PACE_PROBE_MAX_NS; i++)
		after *= 2;
	if (after < PACE_PROBE_MIN_NS)
		return PACE_PROBE_MIN_NS;
	return smaller(after, PACE_PROBE_MAX_NS);
}

void pace_probed(struct pace *p)
{
	p->probes++;
}
