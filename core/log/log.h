/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where cts_log() (ctsync/log.h) writes. Before cts_log_open() lines go to stderr
 * as they are, debug lines nowhere. The target is the process's, as stderr is: the
 * one piece of state that belongs to no instance.
 */
#ifndef CTS_LOG_LOG_H
#define CTS_LOG_LOG_H

#include <ctsync/log.h>

/* Lines with one format string that are let through within a window; the rest is
 * counted, and the count is written with the first line after it. */
#define CTS_LOG_BURST 20u
#define CTS_LOG_WINDOW_S 10u

/* target: "stderr", "syslog", "journal" or a path (appended to, mode 0640). ident
 * is lent for ever. 0, or -1 and errno: the former target stays. */
int cts_log_open(const char *target, const char *ident, enum cts_log_level level);
/* Open the file again: it was rotated. 0, or -1 and errno: goes on with the old. */
int cts_log_reopen(void);
/* Back to how it was before cts_log_open(). */
void cts_log_close(void);
/* Who writes what goes to the journal (priority of syslog(3)): the daemon, so that no
 * other program opens libsystemd and all that it needs. NULL: syslog. */
void cts_log_set_journal(void (*write)(int priority, const char *text));
/* "err", "warn", "info" or "debug", else info. */
enum cts_log_level cts_log_level_of(const char *word);

#endif
