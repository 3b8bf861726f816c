/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets and requests shared by the readers and the writer. */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>

#include <ctsync/log.h>

#include "core/kernel/nl.h"

#define ASK_BUFFER 8192u

struct mnl_socket *cts_nl_open(void)
{
	struct mnl_socket *nl;
	int saved;

	nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!nl)
		return NULL;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		saved = errno;
		mnl_socket_close(nl);
		errno = saved;
		return NULL;
	}
	return nl;
}

struct nlmsghdr *cts_nl_request(void *buf, uint16_t type, uint16_t flags, uint8_t family,
				uint32_t seq)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = seq;
	nfg->nfgen_family = family;
	nfg->version = NFNETLINK_V0;
	nfg->res_id = 0;
	return nlh;
}

int cts_nl_ask(uint16_t type, uint16_t flags, mnl_cb_t cb, void *ctx)
{
	uint8_t buf[ASK_BUFFER] __attribute__((aligned(8)));
	struct mnl_socket *nl = cts_nl_open();
	unsigned int portid;
	ssize_t len;
	int ret = -1, saved;

	if (!nl)
		return -1;
	portid = mnl_socket_get_portid(nl);
	struct nlmsghdr *nlh = cts_nl_request(buf, type, flags, AF_UNSPEC, 1);
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		goto out;
	do {
		len = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (len < 0)
			goto out;
		ret = mnl_cb_run(buf, (size_t)len, 1, portid, cb, ctx);
	} while (ret > MNL_CB_STOP);
out:
	saved = errno;
	mnl_socket_close(nl);
	errno = saved;
	return ret < 0 ? -1 : 0;
}

static size_t granted_rcvbuf(int fd)
{
	int real = 0;
	socklen_t len = sizeof(real);

	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &real, &len) < 0 || real < 0)
		return 0;
	return (size_t)real;
}

size_t cts_nl_set_rcvbuf(int fd, size_t bytes, const char *subject)
{
	int half = bytes / 2 > INT_MAX / 2 ? INT_MAX / 2 : (int)(bytes / 2);
	size_t real;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &half, sizeof(half)) == 0)
		return granted_rcvbuf(fd);

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &half, sizeof(half));
	real = granted_rcvbuf(fd);
	if (real < (size_t)half * 2)
		cts_warn("%s: receive buffer of %zu bytes instead of %zu: raise net.core.rmem_max "
			 "or grant CAP_NET_ADMIN",
			 subject, real, bytes);
	return real;
}

ssize_t cts_nl_receive_chunk(int fd, void *buf, size_t size)
{
	struct sockaddr_nl from = { 0 };
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct msghdr msg = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1
	};
	ssize_t len;

	do {
		len = recvmsg(fd, &msg, 0);
	} while ((len < 0 && errno == EINTR) || (len >= 0 && from.nl_pid != 0));
	if (len >= 0 && msg.msg_flags & MSG_TRUNC) {
		errno = EMSGSIZE;
		return -1;
	}
	return len;
}
