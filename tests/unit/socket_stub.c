/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/unit/socket_stub.h"

struct socket_stub stub;

void stub_reset(void)
{
	for (unsigned int i = 0; i < stub.queued; i++)
		free(stub.queue[i].bytes);
	memset(&stub, 0, sizeof(stub));
}

void stub_fail(enum stub_call call, int error, unsigned int after)
{
	stub.fail[call].error = error;
	stub.fail[call].after = after;
}

static bool fails(enum stub_call call)
{
	if (!stub.fail[call].error)
		return false;
	if (stub.fail[call].after) {
		stub.fail[call].after--;
		return false;
	}
	errno = stub.fail[call].error;
	stub.fail[call].error = 0;
	return true;
}

/* -- what a test queues and sees -- */

struct stub_datagram *stub_queue(const void *bytes, size_t len)
{
	struct stub_datagram *d = &stub.queue[stub.queued++];

	assert_true(stub.queued <= sizeof(stub.queue) / sizeof(stub.queue[0]));
	memset(d, 0, sizeof(*d));
	d->bytes = realloc(NULL, len ? len : 1);   /* malloc() may be about to fail */
	assert_non_null(d->bytes);
	memcpy(d->bytes, bytes, len);
	d->len = len;
	return d;
}

void stub_queue_error(int error)
{
	stub_queue("", 0)->error = error;
}

struct nlmsghdr *stub_message(uint16_t type, uint16_t flags, uint32_t seq)
{
	static uint8_t buf[8192] __attribute__((aligned(8)));
	struct nlmsghdr *nlh;

	memset(buf, 0, sizeof(buf));
	nlh = mnl_nlmsg_put_header(buf);
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct nfgenmsg));
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	nlh->nlmsg_seq = seq;
	return nlh;
}

struct stub_datagram *stub_queue_message(const struct nlmsghdr *nlh)
{
	return stub_queue(nlh, nlh->nlmsg_len);
}

struct stub_datagram *stub_queue_result(uint16_t type, uint32_t seq, int err)
{
	struct {
		struct nlmsghdr nlh;
		struct nlmsgerr e;
	} m = { .nlh = { .nlmsg_len = sizeof(m), .nlmsg_type = type, .nlmsg_seq = seq },
		.e = { .error = -err } };

	return stub_queue(&m, sizeof(m));
}

uint32_t stub_sent_seq(void)
{
	return ((const struct nlmsghdr *)stub.sent)->nlmsg_seq;
}

/* -- the calls -- */

#define WRAP(type, name, ...)          \
	type __real_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__)

WRAP(void *, calloc, size_t n, size_t size)
{
	return fails(STUB_CALLOC) ? NULL : __real_calloc(n, size);
}

WRAP(void *, malloc, size_t size)
{
	return fails(STUB_MALLOC) ? NULL : __real_malloc(size);
}

WRAP(FILE *, fopen, const char *path, const char *mode)
{
	if (fails(STUB_FOPEN))
		return NULL;
	if (!stub.file)
		return __real_fopen(path, mode);
	/* an empty buffer cannot be opened */
	return *stub.file ? fmemopen((void *)(uintptr_t)stub.file, strlen(stub.file), "r")
			  : __real_fopen("/dev/null", "r");
}

WRAP(struct mnl_socket *, mnl_socket_open2, int bus, int flags)
{
	return fails(STUB_OPEN) ? NULL : __real_mnl_socket_open2(bus, flags);
}

WRAP(int, mnl_socket_bind, struct mnl_socket *nl, unsigned int groups, pid_t pid)
{
	stub.bound = groups;
	return fails(STUB_BIND) ? -1 : __real_mnl_socket_bind(nl, groups, pid);
}

WRAP(int, mnl_socket_setsockopt, const struct mnl_socket *nl, int type, void *data, socklen_t len)
{
	stub.option = type;
	return fails(STUB_SETSOCKOPT) ? -1 : __real_mnl_socket_setsockopt(nl, type, data, len);
}

WRAP(int, setsockopt, int fd, int level, int name, const void *value, socklen_t len)
{
	return fails(STUB_SETSOCKOPT) ? -1 : __real_setsockopt(fd, level, name, value, len);
}

WRAP(int, getsockopt, int fd, int level, int name, void *value, socklen_t *len)
{
	int ret = fails(STUB_GETSOCKOPT) ? -1 : __real_getsockopt(fd, level, name, value, len);

	if (ret == 0 && name == SO_MEMINFO && stub.has_drops)
		((uint32_t *)value)[SK_MEMINFO_DROPS] = stub.drops;
	if (ret == 0 && name == SO_RCVBUF && stub.has_rcvbuf)
		*(int *)value = stub.rcvbuf;
	return ret;
}

WRAP(ssize_t, mnl_socket_sendto, const struct mnl_socket *nl, const void *buf, size_t size)
{
	if (fails(STUB_SEND))
		return -1;
	stub.sent_len = size < sizeof(stub.sent) ? size : sizeof(stub.sent);
	memcpy(stub.sent, buf, stub.sent_len);
	return (ssize_t)size;
}

/* The next datagram, or NULL and errno. */
static const struct stub_datagram *take(void)
{
	const struct stub_datagram *d = &stub.queue[stub.taken];

	if (fails(STUB_RECEIVE))
		return NULL;
	if (stub.taken == stub.queued) {
		errno = EAGAIN;
		return NULL;
	}
	stub.taken++;
	if (d->error)
		errno = d->error;
	return d->error ? NULL : d;
}

static size_t deliver(const struct stub_datagram *d, struct msghdr *msg)
{
	struct sockaddr_nl *from = msg->msg_name;
	size_t len = d->len < msg->msg_iov->iov_len ? d->len : msg->msg_iov->iov_len;

	memcpy(msg->msg_iov->iov_base, d->bytes, len);
	memset(from, 0, sizeof(*from));
	from->nl_family = AF_NETLINK;
	from->nl_pid = d->portid;
	msg->msg_flags = d->flags;
	return len;
}

WRAP(ssize_t, recvmsg, int fd, struct msghdr *msg, int flags)
{
	const struct stub_datagram *d = take();

	return d ? (ssize_t)deliver(d, msg) : -1;
}

/* All that is queued up to the next error. */
WRAP(int, recvmmsg, int fd, struct mmsghdr *msg, unsigned int n, int flags, void *timeout)
{
	unsigned int i = 0;

	do {
		const struct stub_datagram *d = take();

		if (!d)
			return -1;
		msg[i].msg_len = (unsigned int)deliver(d, &msg[i].msg_hdr);
	} while (++i < n && stub.taken < stub.queued && !stub.queue[stub.taken].error);
	return (int)i;
}

WRAP(ssize_t, mnl_socket_recvfrom, const struct mnl_socket *nl, void *buf, size_t size)
{
	struct sockaddr_nl from;
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov, .msg_name = &from };
	const struct stub_datagram *d = take();

	return d ? (ssize_t)deliver(d, &msg) : -1;
}
