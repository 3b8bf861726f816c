/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines to /dev/log in batches: syslog(3) makes a system call a line and waits for
 * a stuck daemon. */
#ifndef CTS_OUTPUT_LOG_SYSLOG_H
#define CTS_OUTPUT_LOG_SYSLOG_H

#include <stddef.h>
#include <sys/types.h>

#define SYSLOG_OUT_PATH "/dev/log"

struct syslog_out;
/* path is lent. A daemon that is not there (yet) is no error. NULL, errno. */
struct syslog_out *syslog_out_create(const char *path, int facility);
void syslog_out_destroy(struct syslog_out *s); /* takes NULL */

/* Send whole lines of text, which ends with a line feed. Returns how many bytes of
 * it are done (some lines), or -1 and errno EAGAIN: none for now. Never waits. */
ssize_t syslog_out_write(struct syslog_out *s, const char *text, size_t len);

#endif
