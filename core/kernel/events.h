/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernel events as batches. Loss is counted exactly, our own writers' events are
 * filtered out in the kernel. Facts and tests: doc/KERNEL.md.
 */
#ifndef CTS_KERNEL_EVENTS_H
#define CTS_KERNEL_EVENTS_H

#include <ctsync/event.h>
#include <ctsync/filter.h>

/* Where batches go; the batch is lent and holds at most CTS_BATCH_MAX events. */
typedef void (*cts_batch_fn)(void *ctx, const struct cts_event *const *ev, size_t n);

struct cts_events_conf {
	unsigned int types;          /* bits 1 << CTS_EVENT_*; 0: all */
	bool expectations;           /* join the expectation groups too */
	bool no_flows;               /* ... and only those */
	size_t receive_buffer;       /* ceiling in bytes of real memory (SO_RCVBUFFORCE is given
				      * half of it); 0: 256 MiB */
	bool reliable;               /* NETLINK_BROADCAST_ERROR */
	const uint32_t *own_portids; /* whose events are dropped by BPF */
	unsigned int n_own_portids;
	const struct cts_push *push; /* what filters declared, or NULL */
};

struct cts_events;
struct cts_events *cts_events_open(const struct cts_events_conf *conf); /* NULL, errno */
void cts_events_close(struct cts_events *src);                          /* takes NULL */
int cts_events_fd(const struct cts_events *src);
size_t cts_events_buffer_size(const struct cts_events *src); /* what the kernel granted */

/*
 * Leave or join the group of NEW events, and no other. While nobody listens the
 * kernel does not build these messages, which is a third of the cost of creating
 * an entry. Who left must dump the table after joining again. 0, or -1 and errno.
 */
int cts_events_subscribe_new(struct cts_events *src, bool on);

/* One recvmmsg: decode what is there into one or more batches and hand them to
 * fn. Returns the number of messages taken from the socket (0: nothing there), or
 * -1 and errno. Never blocks. */
int cts_events_read(struct cts_events *src, cts_batch_fn fn, void *ctx);

/* Events lost since open(), read from SO_MEMINFO: exact. Call once a loop turn. */
uint64_t cts_events_lost(struct cts_events *src);

struct cts_events_stats {
	uint64_t received;  /* events handed on */
	uint64_t malformed; /* messages that could not be decoded */
	uint64_t truncated; /* longer than a slot: counted as lost too */
	uint64_t unknown;   /* not from the kernel, or of a type that is not ours */
	uint64_t batches;
};
void cts_events_get_stats(const struct cts_events *src, struct cts_events_stats *st);

/* For filters' push-down (ctsync/filter.h declares the calls that fill it). */
struct cts_push *cts_push_create(void);
void cts_push_destroy(struct cts_push *push); /* takes NULL */

#endif
