/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket: a UNIX stream socket. A client sends one line, a word and
 * its arguments split by single spaces, and gets text until a NUL byte, then the
 * exit status as a decimal number, a line feed, and a message for stderr, which
 * may be empty. One request a connection. Whatever else comes is counted and
 * answered with an error.
 */
#ifndef CTS_RUNTIME_CONTROL_H
#define CTS_RUNTIME_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "core/runtime/loop.h"

#define CTS_CONTROL_LINE_MAX 512u /* bytes of a request */
#define CTS_CONTROL_ARGS_MAX 8
#define CTS_CONTROL_CLIENTS_MAX 64u
#define CTS_CONTROL_BUFFER 65536u /* answer bytes that may wait for a client, about */

struct cts_control;
struct cts_request;

struct cts_control_command {
	const char *word; /* NULL closes a table */
	bool changes;     /* only root and the daemon's own user may */
	/*
	 * Begin, and finish at once with cts_request_finish(), or go on in steps
	 * after cts_request_steps(). argv[0] is the word, argv[argc] is NULL.
	 */
	void (*start)(void *ctx, struct cts_request *r, int argc, char **argv);
};

/* commands and ctx are lent and outlive the socket. mode: of the socket file, which
 * replaces one that is there. NULL, errno. */
struct cts_control *cts_control_create(struct cts_loop *loop, const char *path, mode_t mode,
				       const struct cts_control_command *commands, void *ctx);
/* Clients are cut off, the socket file is removed. Takes NULL. */
void cts_control_destroy(struct cts_control *c);
/* Give answers a last chance: write what the kernel takes, without waiting. */
void cts_control_drain(struct cts_control *c);

/* One step of every request that goes in steps and has room for output. Call it at
 * the end of each turn; true: there is more to do at once. */
bool cts_control_step(struct cts_control *c);

struct cts_control_stats {
	uint64_t requests, garbage, refused, clients;
};
void cts_control_get_stats(const struct cts_control *c, struct cts_control_stats *st);

/* -- one request -- */

/*
 * step() is called each turn while less than CTS_CONTROL_BUFFER bytes wait for the
 * client; it is to take about a millisecond at most. It returns true when it has
 * work to do at once, false when it waits for something. ended() is called once, when
 * the request is finished or its client has gone: release state. May be NULL.
 */
void cts_request_steps(struct cts_request *r, bool (*step)(void *state, struct cts_request *r),
		       void (*ended)(void *state), void *state);
void cts_request_write(struct cts_request *r, const void *text, size_t len);
void cts_request_printf(struct cts_request *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Bytes that wait for the client. */
size_t cts_request_waiting(const struct cts_request *r);
/* The end; r is gone after this (from within step(): after it). fmt NULL: no message. */
void cts_request_finish(struct cts_request *r, int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* -- the client's side; blocks -- */

/* Send the words, copy the answer to out and the message to err. The exit status,
 * or -1 and errno: no connection; EPROTO: the answer broke off. */
int cts_control_call(const char *path, int argc, const char *const *argv, FILE *out, FILE *err);

#endif
