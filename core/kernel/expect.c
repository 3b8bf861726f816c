/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One request to the expectation table, and its answer. */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include <linux/netfilter/nfnetlink_conntrack.h>

#include "core/flow/expect.h"
#include "core/kernel/expect.h"
#include "core/kernel/nl.h"

#define BUFFER 8192u

static const struct {
	uint16_t type, flags;
	uint64_t attrs;
} ops[] = {
	[CTS_EXPECT_OP_CREATE] = { IPCTNL_MSG_EXP_NEW, NLM_F_CREATE | NLM_F_EXCL, UINT64_MAX },
	[CTS_EXPECT_OP_GET] = { IPCTNL_MSG_EXP_GET, 0,
				CTS_EXPECT_BIT(CTS_EXPECT_EXPECTED) |
					CTS_EXPECT_BIT(CTS_EXPECT_ZONE) |
					CTS_EXPECT_BIT(CTS_EXPECT_ID) },
	[CTS_EXPECT_OP_DELETE] = { IPCTNL_MSG_EXP_DELETE, 0,
				   CTS_EXPECT_BIT(CTS_EXPECT_EXPECTED) |
					   CTS_EXPECT_BIT(CTS_EXPECT_ZONE) |
					   CTS_EXPECT_BIT(CTS_EXPECT_ID) },
	[CTS_EXPECT_OP_FLUSH] = { IPCTNL_MSG_EXP_DELETE, 0, 0 },
};

struct answer {
	void (*found)(void *ctx, const struct cts_expect *exp);
	void *ctx;
	uint32_t seq;
	bool ended;
	int error; /* errno, once it has ended */
};

static void take_message(struct answer *a, const struct nlmsghdr *nlh)
{
	struct cts_expect exp;
	int err = 0;

	if (nlh->nlmsg_seq != a->seq)
		return;
	if (nlh->nlmsg_type == NLMSG_ERROR) {
		if (nlh->nlmsg_len >= NLMSG_LENGTH(sizeof(err)))
			memcpy(&err, mnl_nlmsg_get_payload(nlh), sizeof(err));
		a->ended = true;
		a->error = -err;
	} else if (cts_nl_subsys(nlh) == NFNL_SUBSYS_CTNETLINK_EXP && a->found &&
		   cts_expect_decode(nlh, &exp) == 0) {
		a->found(a->ctx, &exp);
	}
}

static int wait_answer(struct mnl_socket *nl, struct answer *a)
{
	union {
		struct nlmsghdr nlh;
		uint8_t bytes[BUFFER];
	} buf;

	while (!a->ended) {
		ssize_t got = mnl_socket_recvfrom(nl, &buf, sizeof(buf));
		const struct nlmsghdr *nlh = &buf.nlh;
		int len = (int)got;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			if (errno == EAGAIN)
				errno = ETIMEDOUT;
			return -1;
		}
		for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len))
			take_message(a, nlh);
	}
	errno = a->error;
	return a->error ? -1 : 0;
}

static int send_request(struct mnl_socket *nl, enum cts_expect_op op, const struct cts_expect *exp,
			uint32_t seq)
{
	union {
		struct nlmsghdr nlh;
		uint8_t bytes[BUFFER];
	} buf = { .bytes = { 0 } };
	struct nlmsghdr *nlh = cts_nl_request(
		&buf, cts_nl_msg(NFNL_SUBSYS_CTNETLINK_EXP, ops[op].type),
		ops[op].flags | NLM_F_ACK, exp ? exp->expected.family : AF_UNSPEC, seq);

	if (exp && cts_expect_encode(nlh, sizeof(buf), exp, ops[op].attrs) < 0)
		return -1;
	return mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0 ? -1 : 0;
}

int cts_expect_request(enum cts_expect_op op, const struct cts_expect *exp,
		       void (*found)(void *ctx, const struct cts_expect *exp), void *ctx)
{
	struct answer a = { .found = found, .ctx = ctx, .seq = (uint32_t)time(NULL) };
	const struct timeval patience = { .tv_sec = 10 };
	struct mnl_socket *nl = cts_nl_open();
	int ret = -1, saved;

	if (!nl)
		return -1;
	if (setsockopt(mnl_socket_get_fd(nl), SOL_SOCKET, SO_RCVTIMEO, &patience,
		       sizeof(patience)) == 0 &&
	    send_request(nl, op, exp, a.seq) == 0)
		ret = wait_answer(nl, &a);
	saved = errno;
	mnl_socket_close(nl);
	errno = saved;
	return ret;
}
