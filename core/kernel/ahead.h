/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread that receives the chunks of a dump before they are asked for: while one
 * core makes something of a chunk, the kernel walks its table on another one.
 */
#ifndef CTS_KERNEL_AHEAD_H
#define CTS_KERNEL_AHEAD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct cts_ahead;
/* Begin to receive what the dump's socket has. NULL and errno; without a second core that
 * is ENOTSUP. */
struct cts_ahead *cts_ahead_start(int fd, size_t chunk_size);
/* The next chunk, lent until the next call. Its length, or -1 and errno. Not to be called
 * again after the chunk that ends the dump, or an error. */
ssize_t cts_ahead_next(struct cts_ahead *a, uint8_t **chunk);
void cts_ahead_stop(struct cts_ahead *a); /* takes NULL; the socket is the caller's again */

#endif
