/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The event loop as plugins see it: descriptors and timers. One thread. Times
 * are CLOCK_MONOTONIC.
 */
#ifndef CTS_LOOP_H
#define CTS_LOOP_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cts_loop;
struct cts_watch;
struct cts_timer;

enum cts_watch_flags { CTS_WATCH_READ = 1, CTS_WATCH_WRITE = 2 };

/* Watch fd, level triggered. The descriptor stays the caller's. NULL and errno. */
struct cts_watch *cts_watch_create(struct cts_loop *loop, int fd, unsigned int flags,
				   void (*ready)(void *ctx, unsigned int flags), void *ctx);
/* Change what is waited for; 0: nothing for now. 0, or -1 and errno. */
int cts_watch_set(struct cts_watch *w, unsigned int flags);
void cts_watch_destroy(struct cts_watch *w); /* takes NULL */

/* A timer, at rest until armed; it fires once for each arming, never early and up
 * to some milliseconds late (a tick of the kernel's clock). NULL and errno. */
struct cts_timer *cts_timer_create(struct cts_loop *loop, void (*fire)(void *ctx), void *ctx);
int cts_timer_arm_us(struct cts_timer *t, uint64_t after_us);
void cts_timer_disarm(struct cts_timer *t);
void cts_timer_destroy(struct cts_timer *t); /* takes NULL */

/* CLOCK_MONOTONIC in nanoseconds, read once a loop turn. */
uint64_t cts_loop_now_ns(const struct cts_loop *loop);

#ifdef __cplusplus
}
#endif
#endif /* CTS_LOOP_H */
