/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How large messages may be. A path may drop large packets in silence (a tunnel whose
 * ICMP is filtered, a jumbo frame through an ordinary port). When large messages are
 * lost one after the other while small ones arrive, the next smaller size is taken;
 * larger ones are tried again from time to time (the idea of RFC 8899).
 */
#ifndef CTS_SYNC_SIZE_H
#define CTS_SYNC_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIZE_LOST 8u                 /* large messages in a row, while... */
#define SIZE_PASSED 2u               /* ... so many small ones arrived */
#define SIZE_PROBE_NS UINT64_C(10000000000)        /* the first try of a larger size */
#define SIZE_PROBE_MAX_NS UINT64_C(600000000000)   /* later ones: twice as long each time */

struct size {
	size_t limit;                /* bytes; SIZE_MAX: what the transport takes */
	size_t probe;                /* that is being tried; 0: none */
	uint64_t probe_seq;          /* with this message */
	uint64_t probe_ns, wait_ns;  /* when, and how long after the last try */
	uint64_t reported_ns;        /* when that messages are smaller was reported */
};

void size_init(struct size *s);
/* What a message may have, where the transport takes transport bytes. */
size_t size_of(const struct size *s, size_t transport);
/* Large messages vanish: go down a step. false: there is none. */
bool size_shrink(struct size *s, size_t transport, uint64_t now);
/* The size to try now, 0: none is due. */
size_t size_probe_due(const struct size *s, size_t transport, uint64_t now);
void size_probing(struct size *s, size_t probe, uint64_t seq, uint64_t now);
/* A message of len bytes arrived. true: larger ones are sent from now on. */
bool size_passed(struct size *s, size_t len);

#endif
