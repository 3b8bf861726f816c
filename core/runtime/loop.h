/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The event loop (libevent) as the programs see it; plugins see ctsync/loop.h. */
#ifndef CTS_RUNTIME_LOOP_H
#define CTS_RUNTIME_LOOP_H

#include <stdbool.h>

#include <ctsync/loop.h>

struct event_base;

struct cts_loop *cts_loop_create(void); /* NULL, errno */
/* Watches, timers and signals must be gone before. Takes NULL. */
void cts_loop_destroy(struct cts_loop *loop);

/* Run until cts_loop_stop(). 0, or -1 when the loop itself fails. */
int cts_loop_run(struct cts_loop *loop);
/* From a callback: the turn is finished, its end-of-turn hook included. */
void cts_loop_stop(struct cts_loop *loop);

/*
 * Called once at the end of every turn, after all callbacks of the turn. true:
 * there is more to do, the next turn does not wait for anything.
 */
void cts_loop_on_turn(struct cts_loop *loop, bool (*turn)(void *ctx), void *ctx);

/*
 * Let descriptors gather: after this turn nothing is looked at before the time until_ns
 * of cts_loop_now_ns()'s clock. Once, and not when there is more to do.
 */
void cts_loop_pause(struct cts_loop *loop, uint64_t until_ns);
/* A pause that was asked for in this turn ends by then: a timer alone cannot end it. */
void cts_loop_wake_by(struct cts_loop *loop, uint64_t when_ns);

/* How long the longest turn took so far, waiting for events left out: nothing else
 * could be served meanwhile. */
uint64_t cts_loop_longest_ns(const struct cts_loop *loop);

/* Signals arrive as calls from the loop, not from the handler. NULL, errno. */
struct cts_signal;
struct cts_signal *cts_signal_create(struct cts_loop *loop, int signo,
				     void (*fn)(void *ctx, int signo), void *ctx);
void cts_signal_destroy(struct cts_signal *s); /* takes NULL */

/* For libevent's bufferevents and listeners. */
struct event_base *cts_loop_base(struct cts_loop *loop);

#endif
