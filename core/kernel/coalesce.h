/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Event coalescing: when to let events gather before they are read. Who reads each event
 * as it comes has the least delay, and pays a wake-up, a read and a message for each; who
 * waits a moment pays them once for all that came meanwhile. The decision needs the time,
 * the CPU time that the daemon used and the number of events, and nothing else.
 */
#ifndef CTS_KERNEL_COALESCE_H
#define CTS_KERNEL_COALESCE_H

#include <stdbool.h>
#include <stdint.h>

enum cts_coalesce_mode {
	CTS_COALESCE_ADAPTIVE, /* wait when the load calls for it */
	CTS_COALESCE_NEVER,
	CTS_COALESCE_ALWAYS,
};

#define CTS_COALESCE_WINDOW_NS 20000000u /* load is measured over so long, at least */
#define CTS_COALESCE_WAIT_NS 1000000u    /* the longest that an event waits */
#define CTS_COALESCE_SHARE 8u            /* percent of a core that call for waiting ... */
#define CTS_COALESCE_GATHERS 12u         /* ... when a wait gathers so many events */

/* All members are private. */
struct cts_coalesce {
	enum cts_coalesce_mode mode;
	bool on;
	unsigned int streak;             /* windows in a row that ask for the other state */
	uint64_t start_ns, start_cpu_ns; /* of the window */
	uint64_t events;                 /* in it */
	uint64_t on_rate;                /* events a second that waiting began with */
};

void cts_coalesce_init(struct cts_coalesce *c, enum cts_coalesce_mode mode, uint64_t now_ns,
		       uint64_t cpu_ns);

/* n events were read. true: a window is over and measure() is wanted, for which the caller
 * reads the clock of the CPU: a system call, that is not worth one for each read. */
bool cts_coalesce_count(struct cts_coalesce *c, unsigned int n, uint64_t now_ns);
void cts_coalesce_measure(struct cts_coalesce *c, uint64_t now_ns, uint64_t cpu_ns);

/* How long after a read that brought events the next one comes; 0: as soon as there is
 * something to read. */
uint64_t cts_coalesce_wait_ns(const struct cts_coalesce *c);

#endif
