/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Congestion control towards one peer: how many bytes may be under way. A window
 * that grows with acknowledgements and shrinks with loss (RFC 5681, RFC 9002
 * section 7): slow start, congestion avoidance, one reduction for each round of
 * losses, no growth while the window is not what limits. Counts bytes, knows
 * neither messages nor peers.
 *
 * Two things differ from a TCP's, as a sync link is short and has few senders, and
 * a lost message there is as often noise as a full queue. A loss keeps 70 % of the
 * window (RFC 9438 section 4.6), not half: a queue of a few windows still drains,
 * and random loss costs less. And the smallest window is PACE_MIN: it alone moves
 * 24 MB/s at a round trip of 1 ms, whatever the loss, and still fits the queue of
 * a 10 Mbit port. test_pace prints what both do to links of several kinds.
 */
#ifndef CTS_SYNC_PACE_H
#define CTS_SYNC_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_OVERHEAD 66u            /* UDP, IPv4 and Ethernet around a message, with preamble and gap */
#define PACE_START (64u * 1500u)     /* bytes; RFC 9002 has 10 packets, for the open Internet */
#define PACE_MIN (16u * 1500u)
#define PACE_KEEP_PERCENT 70u        /* of the window, after a loss */
#define PACE_RTT_START_NS UINT64_C(5000000)
#define PACE_PROBE_MIN_NS UINT64_C(5000000)
#define PACE_PROBE_MAX_NS UINT64_C(1000000000)

struct pace {
	uint64_t window, threshold;  /* bytes; threshold: slow start ends there */
	uint64_t max;                /* bytes; the window never gets larger */
	uint64_t acked;              /* bytes since the last step of congestion avoidance */
	uint64_t in_flight;          /* bytes sent, neither acknowledged nor lost */
	uint64_t recover;            /* a loss up to this sequence number was answered already */
	uint64_t srtt_ns, rttvar_ns; /* RFC 6298; 0: not measured yet */
	bool limited;                /* the window was what kept something from being sent */
	unsigned int probes;         /* timeouts in a row: the next one comes later */
};

void pace_init(struct pace *p, uint64_t max);
/* May len more bytes go out? Notes whether the window is what limits. One message
 * may always be under way, however large. */
bool pace_room(struct pace *p, uint64_t len);
void pace_sent(struct pace *p, uint64_t len);
void pace_acked(struct pace *p, uint64_t len);
/* A message seq of len bytes is lost; last is the highest sequence number sent so far. */
void pace_lost(struct pace *p, uint64_t len, uint64_t seq, uint64_t last);
/* It is under way no more, and nothing is learnt from that (superseded, peer left). */
void pace_forget(struct pace *p, uint64_t len);
/* A round trip was measured, without the peer's delay of acknowledgements. */
void pace_rtt(struct pace *p, uint64_t rtt_ns);
/* After which silence a probe is due: srtt + 4 rttvar + delay_ns, doubled for every
 * two probes before (RFC 9002 section 6.2 sends two at once), within PACE_PROBE_MIN_NS
 * and PACE_PROBE_MAX_NS. delay_ns: how long the peer may keep its acknowledgement
 * back; 0 when the last message asked for one at once. */
uint64_t pace_probe_after(const struct pace *p, uint64_t delay_ns);
void pace_probed(struct pace *p);

#endif
