/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Moves operations to the kernel in batches: one sendmsg for up to 64 messages, an
 * acknowledgement asked of the last one only, one recvmmsg for the replies.
 * Operations that need another attempt stay queued and go with the next batch.
 */
#include "config.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdlib.h>
#include <string.h>

#include <ctsync/log.h>

#include "core/flow/codec.h"
#include "core/kernel/nl.h"
#include "core/kernel/write_op.h"

#define WRITER_BATCH 64u
#define WRITER_BATCH_MAX 128u
#define WRITER_RCVBUF ((size_t)1 << 20)
#define WRITER_SNDBUF (512 << 10)
#define WRITER_MESSAGE_MAX 1024u /* the longest message, twice over */
#define WRITER_REPLIES 32u       /* datagrams a recvmmsg */
#define WRITER_REPLY_MAX 4096u   /* a reply; the longest is an entry */
#define WRITER_REPEATS 4u        /* of an operation whose reply got lost: 128, 32, 8, 2, 1 */
#define SEEN_WORDS 32u           /* a filter of 2048 bits over the pending keys */

struct cts_writer {
	struct cts_writer_conf conf;
	struct restore_rules rules;
	struct mnl_socket *nl; /* owned */
	int fd;
	uint32_t seq;        /* of the first message of the batch */
	unsigned int window; /* messages a sendmsg: fewer after a loss of replies */
	unsigned int sent;   /* ops[0..sent) are under way */
	bool busy;           /* a callback runs */
	bool lost;           /* replies of this batch got lost */
	bool complete;       /* the last message was answered */
	uint64_t counters[CTS_WRITE_CLASS_MAX];
	uint64_t seen[SEEN_WORDS];

	unsigned int n;       /* ops[0..n) are pending, encoded in this order */
	struct write_op *ops; /* owned, conf.batch of them */
	size_t used;
	uint8_t *buf; /* owned, conf.batch * WRITER_MESSAGE_MAX */

	struct mmsghdr msg[WRITER_REPLIES];
	struct iovec iov[WRITER_REPLIES];
	struct sockaddr_nl from[WRITER_REPLIES];
	uint8_t *replies; /* owned */
};

static void writer_init_vector(struct cts_writer *w)
{
	for (unsigned int i = 0; i < WRITER_REPLIES; i++) {
		w->iov[i].iov_base = w->replies + (size_t)i * WRITER_REPLY_MAX;
		w->iov[i].iov_len = WRITER_REPLY_MAX;
		w->msg[i].msg_hdr.msg_iov = &w->iov[i];
		w->msg[i].msg_hdr.msg_iovlen = 1;
		w->msg[i].msg_hdr.msg_name = &w->from[i];
		w->msg[i].msg_hdr.msg_namelen = sizeof(w->from[i]);
	}
}

static int writer_setup_socket(struct cts_writer *w)
{
	size_t want = w->conf.receive_buffer ? w->conf.receive_buffer : WRITER_RCVBUF;
	int one = 1, snd = WRITER_SNDBUF;

	w->nl = cts_nl_open();
	if (!w->nl)
		return -1;
	w->fd = mnl_socket_get_fd(w->nl);
	/* Error replies without a copy of what was asked. */
	if (mnl_socket_setsockopt(w->nl, NETLINK_CAP_ACK, &one, sizeof(one)) < 0)
		return -1;
	cts_nl_set_rcvbuf(w->fd, want, "kernel writer");
	if (setsockopt(w->fd, SOL_SOCKET, SO_SNDBUFFORCE, &snd, sizeof(snd)) < 0)
		return setsockopt(w->fd, SOL_SOCKET, SO_SNDBUF, &snd, sizeof(snd));
	return 0;
}

struct cts_writer *cts_writer_open(const struct cts_writer_conf *conf)
{
	struct cts_writer *w;
	int saved;

	if (conf->batch > WRITER_BATCH_MAX) {
		errno = EINVAL;
		return NULL;
	}
	w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	w->conf = *conf;
	if (!w->conf.batch)
		w->conf.batch = WRITER_BATCH;
	w->rules.collision_replace = conf->collision_replace;
	w->rules.tcp_window_tracking = conf->tcp_window_tracking;
	w->seq = 1;
	w->window = w->conf.batch;
	w->ops = calloc(w->conf.batch, sizeof(*w->ops));
	w->buf = malloc((size_t)w->conf.batch * WRITER_MESSAGE_MAX);
	w->replies = malloc((size_t)WRITER_REPLIES * WRITER_REPLY_MAX);
	if (!w->ops || !w->buf || !w->replies)
		goto err;
	writer_init_vector(w);
	if (writer_setup_socket(w) < 0)
		goto err;
	return w;
err:
	saved = errno;
	cts_writer_close(w);
	errno = saved;
	return NULL;
}

void cts_writer_close(struct cts_writer *w)
{
	if (!w)
		return;
	if (w->nl)
		mnl_socket_close(w->nl);
	free(w->replies);
	free(w->buf);
	free(w->ops);
	free(w);
}

uint32_t cts_writer_portid(const struct cts_writer *w)
{
	return mnl_socket_get_portid(w->nl);
}

unsigned int cts_writer_pending(const struct cts_writer *w)
{
	return w->n;
}

const uint64_t *cts_writer_counters(const struct cts_writer *w)
{
	return w->counters;
}

const char *cts_write_class_name(enum cts_write_class cls)
{
	static const char *const name[CTS_WRITE_CLASS_MAX] = {
		[CTS_WRITE_CREATED] = "created",       [CTS_WRITE_UPDATED] = "updated",
		[CTS_WRITE_DELETED] = "deleted",       [CTS_WRITE_ABSENT] = "absent",
		[CTS_WRITE_EXISTS] = "exists",         [CTS_WRITE_REVERSED] = "reversed",
		[CTS_WRITE_COLLISION] = "collision",   [CTS_WRITE_NO_MASTER] = "no-master",
		[CTS_WRITE_NO_HELPER] = "no-helper",   [CTS_WRITE_NO_STATUS] = "no-status",
		[CTS_WRITE_TABLE_FULL] = "table-full", [CTS_WRITE_FAILED] = "failed",
	};

	return cls < CTS_WRITE_CLASS_MAX ? name[cls] : NULL;
}

/* -- messages -- */

static const struct {
	uint8_t type;
	uint16_t flags;
} step_message[] = {
	[STEP_CREATE] = { IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL },
	[STEP_ADD] = { IPCTNL_MSG_CT_NEW, NLM_F_CREATE },
	[STEP_UPDATE] = { IPCTNL_MSG_CT_NEW, 0 },
	[STEP_DELETE] = { IPCTNL_MSG_CT_DELETE, 0 },
	[STEP_GET] = { IPCTNL_MSG_CT_GET, 0 },
	[STEP_GET_REPLY] = { IPCTNL_MSG_CT_GET, 0 },
	[STEP_DELETE_REPLY] = { IPCTNL_MSG_CT_DELETE, 0 },
};

static uint64_t step_attrs(const struct write_op *op)
{
	switch (op->step) {
	case STEP_DELETE:
	case STEP_GET:
		return CTS_FLOW_KEY_ATTRS;
	case STEP_GET_REPLY:
	case STEP_DELETE_REPLY:
		return (CTS_FLOW_KEY_ATTRS & ~CTS_FLOW_BIT(CTS_FLOW_ORIG)) |
		       CTS_FLOW_BIT(CTS_FLOW_REPLY);
	default:
		return op->attrs;
	}
}

/* Append the message that op->step asks for. 0, or -1 and errno. */
static int writer_encode(struct cts_writer *w, struct write_op *op)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)(w->buf + w->used);
	unsigned int i = (unsigned int)(op - w->ops);
	struct cts_tuple plain = op->flow.reply;
	bool by_reply = op->step == STEP_GET_REPLY || op->step == STEP_DELETE_REPLY;
	int ret;

	nlh = cts_nl_request(nlh, cts_nl_msg(NFNL_SUBSYS_CTNETLINK, step_message[op->step].type),
			     step_message[op->step].flags, op->flow.orig.family, w->seq + i);
	if (by_reply)
		op->flow.reply = op->peer_reply;
	ret = cts_flow_encode(nlh, WRITER_MESSAGE_MAX, &op->flow, step_attrs(op));
	op->flow.reply = plain;
	if (ret < 0)
		return -1;
	op->answered = op->found = false;
	op->err = 0;
	w->used += NLMSG_ALIGN(nlh->nlmsg_len);
	return 0;
}

static int writer_send(struct cts_writer *w)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)w->buf;
	int len = (int)w->used;
	size_t bytes;

	w->sent = w->n < w->window ? w->n : w->window;
	for (unsigned int i = 1; i < w->sent; i++)
		nlh = mnl_nlmsg_next(nlh, &len);
	nlh->nlmsg_flags |= NLM_F_ACK;
	bytes = (size_t)((uint8_t *)nlh - w->buf) + NLMSG_ALIGN(nlh->nlmsg_len);
	w->lost = w->complete = false;
	return mnl_socket_sendto(w->nl, w->buf, bytes) < 0 ? -1 : 0;
}

/* -- replies -- */

static void writer_found(struct cts_writer *w, struct write_op *op, const struct nlmsghdr *nlh)
{
	struct cts_flow flow;

	if (cts_flow_decode(nlh, &flow) < 0)
		return;
	op->found = true;
	op->found_orig = flow.orig;
	op->found_status = cts_flow_has(&flow, CTS_FLOW_STATUS) ? flow.status : 0;
	if (op->op == CTS_OP_GET && w->conf.found)
		w->conf.found(w->conf.ctx, op->cookie, &flow);
}

static void writer_message(struct cts_writer *w, const struct nlmsghdr *nlh)
{
	uint32_t i = nlh->nlmsg_seq - w->seq;
	const struct nlmsgerr *e;

	if (i >= w->sent)
		return; /* of a former batch whose replies were given up */
	if (nlh->nlmsg_type == NLMSG_ERROR) {
		if (nlh->nlmsg_len < NLMSG_LENGTH(sizeof(*e)))
			return;
		e = mnl_nlmsg_get_payload(nlh);
		w->ops[i].answered = true;
		w->ops[i].err = -e->error;
		w->complete |= i == w->sent - 1;
	} else if (cts_nl_subsys(nlh) == NFNL_SUBSYS_CTNETLINK &&
		   cts_nl_type(nlh) == IPCTNL_MSG_CT_NEW) {
		writer_found(w, &w->ops[i], nlh);
	}
}

/*
 * The kernel has worked off the whole batch when sendmsg returns, so all replies
 * are in the queue: an empty queue before the last answer means that it overflowed.
 */
static void writer_receive(struct cts_writer *w)
{
	while (!w->complete) {
		int n = recvmmsg(w->fd, w->msg, WRITER_REPLIES, MSG_DONTWAIT, NULL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			w->lost = true;
			if (errno == ENOBUFS)
				continue; /* said once; what did fit is still there */
			return;
		}
		for (int i = 0; i < n; i++) {
			const struct nlmsghdr *nlh = w->iov[i].iov_base;
			int len = (int)w->msg[i].msg_len;

			if (w->from[i].nl_pid != 0 || w->msg[i].msg_hdr.msg_flags & MSG_TRUNC)
				continue;
			for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len))
				writer_message(w, nlh);
		}
	}
}

/* -- outcomes -- */

static bool plain_next(struct write_op *op, enum cts_write_class *cls)
{
	static const enum cts_write_class success[] = {
		[CTS_OP_CREATE] = CTS_WRITE_CREATED, [CTS_OP_ADD] = CTS_WRITE_CREATED,
		[CTS_OP_UPDATE] = CTS_WRITE_UPDATED, [CTS_OP_DELETE] = CTS_WRITE_DELETED,
		[CTS_OP_GET] = CTS_WRITE_UPDATED,
	};

	switch (op->err) {
	case 0:
		*cls = success[op->op];
		break;
	case EEXIST:
		*cls = CTS_WRITE_EXISTS;
		break;
	case ENOENT:
		/* A repeated delete meets its own work. */
		if (op->op == CTS_OP_DELETE && op->repeats)
			*cls = CTS_WRITE_DELETED;
		else if (op->op == CTS_OP_CREATE || op->op == CTS_OP_ADD)
			*cls = CTS_WRITE_FAILED; /* its master is not there */
		else
			*cls = CTS_WRITE_ABSENT;
		break;
	case ENOMEM:
		*cls = CTS_WRITE_TABLE_FULL;
		break;
	default:
		*cls = CTS_WRITE_FAILED;
	}
	return true;
}

/* true: over. */
static bool writer_judge(struct cts_writer *w, struct write_op *op, enum cts_write_class *cls)
{
	if (w->lost && !op->answered && !op->found) {
		if (op->repeats++ < WRITER_REPEATS)
			return false;
		op->err = ENOBUFS;
		*cls = CTS_WRITE_FAILED;
		return true;
	}
	if (op->op == CTS_OP_RESTORE || op->op == CTS_OP_REFRESH)
		return restore_next(op, &w->rules, cls);
	return plain_next(op, cls);
}

static void writer_report(struct cts_writer *w, const struct write_op *op, enum cts_write_class cls)
{
	w->counters[cls]++;
	if (w->conf.done)
		w->conf.done(w->conf.ctx, op->cookie, cls, op->err);
}

static uint64_t seen_bit(uint64_t hash, unsigned int *word)
{
	*word = (unsigned int)(hash >> 6) % SEEN_WORDS;
	return UINT64_C(1) << (hash & 63);
}

static void writer_mark_seen(struct cts_writer *w, const struct write_op *op)
{
	unsigned int word;
	uint64_t bit = seen_bit(op->hash, &word);

	w->seen[word] |= bit;
}

/* Keep ops[i] as the new ops[w->n] and encode its next message. */
static void writer_keep(struct cts_writer *w, unsigned int i)
{
	struct write_op *op = &w->ops[w->n];

	if (w->n != i) {
		*op = w->ops[i];
		write_op_adopt_parts(op);
	}
	if (writer_encode(w, op) < 0) {
		op->err = errno;
		writer_report(w, op, CTS_WRITE_FAILED);
		return;
	}
	writer_mark_seen(w, op);
	w->n++;
}

/* Report what is over, keep what needs another attempt. */
static void writer_settle(struct cts_writer *w)
{
	unsigned int n = w->n;

	/* Few replies fit: ask for fewer, down to one, whose reply always fits. */
	if (w->lost)
		w->window = (w->window + 3) / 4;
	else if (w->window < w->conf.batch)
		w->window = w->window * 2 < w->conf.batch ? w->window * 2 : w->conf.batch;
	w->seq += n;
	w->n = 0;
	w->used = 0;
	memset(w->seen, 0, sizeof(w->seen));
	for (unsigned int i = 0; i < n; i++) {
		enum cts_write_class cls;

		if (i < w->sent && writer_judge(w, &w->ops[i], &cls))
			writer_report(w, &w->ops[i], cls);
		else
			writer_keep(w, i);
	}
}

/* The socket itself failed: nothing of the batch was done. */
static void writer_fail(struct cts_writer *w, int err)
{
	for (unsigned int i = 0; i < w->n; i++) {
		w->ops[i].err = err;
		writer_report(w, &w->ops[i], CTS_WRITE_FAILED);
	}
	w->n = 0;
	w->used = 0;
	memset(w->seen, 0, sizeof(w->seen));
}

/* One batch. 0, or -1 and errno. */
static int writer_run(struct cts_writer *w)
{
	int ret = 0, saved = 0;

	w->busy = true;
	if (writer_send(w) < 0) {
		saved = errno;
		writer_fail(w, saved);
		ret = -1;
	} else {
		writer_receive(w);
		writer_settle(w);
	}
	w->busy = false;
	errno = saved;
	return ret;
}

int cts_writer_flush(struct cts_writer *w)
{
	if (w->busy) {
		errno = EBUSY;
		return -1;
	}
	/* Ends: each operation has a bounded number of attempts. */
	while (w->n)
		if (writer_run(w) < 0)
			return -1;
	return 0;
}

/* -- new operations -- */

/* Would this operation have to wait for a pending one on the same key? */
static bool writer_conflicts(const struct cts_writer *w, uint64_t hash, const struct cts_flow *flow)
{
	unsigned int word;
	uint64_t bit = seen_bit(hash, &word);

	if (!(w->seen[word] & bit))
		return false;
	for (unsigned int i = 0; i < w->n; i++)
		if (w->ops[i].hash == hash && write_op_same_key(&w->ops[i].flow, flow))
			return true;
	return false;
}

static int writer_add(struct cts_writer *w, enum cts_write_op what, const struct cts_flow *flow,
		      uint64_t cookie)
{
	uint64_t hash = write_op_hash(flow);
	struct write_op *op;

	if (writer_conflicts(w, hash, flow) && cts_writer_flush(w) < 0)
		return -1;
	op = &w->ops[w->n];
	if (write_op_init(op, what, flow, &w->rules) < 0)
		return -1;
	op->cookie = cookie;
	op->hash = hash;
	if (writer_encode(w, op) < 0)
		return -1;
	writer_mark_seen(w, op);
	w->n++;
	while (w->n == w->conf.batch)
		if (writer_run(w) < 0)
			return -1;
	return 0;
}

int cts_writer_add(struct cts_writer *w, enum cts_write_op op, const struct cts_flow *flow,
		   uint64_t cookie)
{
	if (w->busy) {
		errno = EBUSY;
		return -1;
	}
	/* A delete without a tuple would empty the table. */
	if (!cts_flow_has(flow, CTS_FLOW_ORIG) ||
	    (flow->orig.family != AF_INET && flow->orig.family != AF_INET6)) {
		errno = EINVAL;
		return -1;
	}
	return writer_add(w, op, flow, cookie);
}
