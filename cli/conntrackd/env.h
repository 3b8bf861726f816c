/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the daemon finds and sets around itself: lock, sysctl, identity, readiness. */
#ifndef CONNTRACKD_ENV_H
#define CONNTRACKD_ENV_H

#include <stdbool.h>
#include <stdint.h>

/* Lock path for this process and write the pid into it. The descriptor keeps the
 * lock, which the kernel releases however the process ends. -1: logged. */
int env_lock(const char *path);

/* Set nf_conntrack_events to 1 in this network namespace: flows that are made while
 * nobody listens then have events too. Says what it did; a failure is a warning. */
void env_events_sysctl(void);

/* Identity of the kernel's table: another one after a reboot or in another
 * namespace. */
uint64_t env_table_id(void);

/* Let the log's target journal be written by libsystemd, where it is there. */
void env_journal(void);

/* sd_notify(3); nothing without libsystemd. */
void env_notify(const char *state);
/* Interval in which the watchdog expects a sign of life, in microseconds; 0: it does not. */
uint64_t env_watchdog_us(void);

/* Go to the background once the daemon is ready. begin() forks: the parent waits
 * and returns its exit status in *status (true); the child returns false. */
struct env_background {
	int ready_fd;
};
bool env_background_begin(struct env_background *b, int *status);
void env_background_ready(struct env_background *b);

#endif
