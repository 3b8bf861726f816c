/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A netlink socket of cardboard. Programs that link socket_stub.c with socket_stub_flags
 * (--wrap) get what a test queues, see what was sent, and any call may fail. Sockets are
 * real but for sending, receiving and the failures.
 */
#ifndef TESTS_SOCKET_STUB_H
#define TESTS_SOCKET_STUB_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stub_call {
	STUB_CALLOC, STUB_MALLOC, STUB_OPEN, STUB_BIND, STUB_SETSOCKOPT, STUB_GETSOCKOPT,
	STUB_SEND, STUB_RECEIVE, STUB_FOPEN, STUB_CALL_MAX
};

struct stub_datagram {
	int error;               /* errno of the receiving call instead */
	uint32_t portid;
	int flags;               /* MSG_TRUNC */
	size_t len;
	uint8_t *bytes;
};

struct socket_stub {
	/* The call number `after` from now on fails with this errno; 0: none. */
	struct { int error; unsigned int after; } fail[STUB_CALL_MAX];
	unsigned int queued, taken;
	struct stub_datagram queue[64];
	uint8_t sent[2048];      /* the last message */
	size_t sent_len;
	int option;              /* the last one set by mnl_socket_setsockopt() */
	unsigned int bound;      /* groups */
	uint32_t drops;          /* what SO_MEMINFO says; with has_drops */
	bool has_drops;
	int rcvbuf;              /* what SO_RCVBUF says; with has_rcvbuf */
	bool has_rcvbuf;
	const char *file;        /* what fopen() reads; NULL: the real file */
};
extern struct socket_stub stub;

/* Forget all, and free what was queued. */
void stub_reset(void);
/* The next call fails, or the one after `after` others. */
void stub_fail(enum stub_call call, int error, unsigned int after);

/* Datagrams to receive; the returned ones may be changed. */
struct stub_datagram *stub_queue(const void *bytes, size_t len);
void stub_queue_error(int error);
/* A message of this type: a header, nfgenmsg, and what the caller appends to it (up to
 * 4000 bytes) before stub_queue_message() is called. */
struct nlmsghdr *stub_message(uint16_t type, uint16_t flags, uint32_t seq);
struct stub_datagram *stub_queue_message(const struct nlmsghdr *nlh);
/* NLMSG_ERROR or NLMSG_DONE with an errno. */
struct stub_datagram *stub_queue_result(uint16_t type, uint32_t seq, int err);
/* The number of the last message sent. */
uint32_t stub_sent_seq(void);

#endif
