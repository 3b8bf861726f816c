/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The writer against a kernel of cardboard: replies that get lost, are interrupted,
 * forged, late or malformed, and a socket that fails. The linker puts send and
 * receive here (--wrap). */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/flow/codec.h"
#include "core/kernel/nl.h"
#include "core/kernel/write_op.h"

#define BIT(attr) CTS_FLOW_BIT(CTS_FLOW_##attr)
#define SENT_MAX 4096u
#define QUEUE_MAX 256u

/* A datagram in the socket's queue, or an error of recvmmsg(). */
struct datagram {
	int error;
	uint32_t portid;
	int flags;
	size_t len;
	uint8_t bytes[512];
};

struct sent {
	uint32_t seq;
	uint16_t type, flags;
	struct cts_flow flow;
	char helper[32];
};

/* The whole kernel. It lives as long as the program: --wrap has no context. */
static struct {
	unsigned int sends, per_send[64], n_sent;
	struct sent sent[SENT_MAX];
	int send_error;
	/* Called for each message of a batch, in order; queues the replies. */
	void (*answer)(const struct nlmsghdr *nlh, const struct sent *s, bool last);
	unsigned int asked;             /* for the answer functions' own use */
	unsigned int queued, taken;
	size_t receive_buffer;
	struct datagram queue[QUEUE_MAX];
} kernel;

static void note_message(const struct nlmsghdr *nlh, bool last)
{
	struct sent *s = &kernel.sent[kernel.n_sent++ % SENT_MAX];

	s->seq = nlh->nlmsg_seq;
	s->type = nlh->nlmsg_type;
	s->flags = nlh->nlmsg_flags;
	if (cts_flow_decode(nlh, &s->flow) < 0)
		memset(&s->flow, 0, sizeof(s->flow));
	memset(s->helper, 0, sizeof(s->helper));
	if (cts_flow_has(&s->flow, CTS_FLOW_HELPER))
		memcpy(s->helper, s->flow.helper, s->flow.helper_len);
	if (kernel.answer)
		kernel.answer(nlh, s, last);
}

ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *nl, const void *buf, size_t size);
ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *nl, const void *buf, size_t size)
{
	const struct nlmsghdr *nlh = buf;
	int len = (int)size;

	if (kernel.send_error) {
		errno = kernel.send_error;
		return -1;
	}
	kernel.per_send[kernel.sends % 64] = 0;
	while (mnl_nlmsg_ok(nlh, len)) {
		const struct nlmsghdr *next = mnl_nlmsg_next(nlh, &len);

		kernel.per_send[kernel.sends % 64]++;
		note_message(nlh, !mnl_nlmsg_ok(next, len));
		nlh = next;
	}
	assert_int_equal(len, 0);
	kernel.sends++;
	return (ssize_t)size;
}

int __wrap_recvmmsg(int fd, struct mmsghdr *msg, unsigned int n, int flags, void *timeout);
int __wrap_recvmmsg(int fd, struct mmsghdr *msg, unsigned int n, int flags, void *timeout)
{
	unsigned int i;

	if (kernel.taken == kernel.queued) {
		errno = EAGAIN;
		return -1;
	}
	if (kernel.queue[kernel.taken].error) {
		errno = kernel.queue[kernel.taken++].error;
		return -1;
	}
	for (i = 0; i < n && kernel.taken < kernel.queued && !kernel.queue[kernel.taken].error;
	     i++, kernel.taken++) {
		const struct datagram *d = &kernel.queue[kernel.taken];
		struct sockaddr_nl *from = msg[i].msg_hdr.msg_name;

		assert_true(d->len <= msg[i].msg_hdr.msg_iov->iov_len);
		assert_int_equal(msg[i].msg_hdr.msg_namelen, sizeof(*from));
		memcpy(msg[i].msg_hdr.msg_iov->iov_base, d->bytes, d->len);
		memset(from, 0, sizeof(*from));
		from->nl_pid = d->portid;
		msg[i].msg_len = (unsigned int)d->len;
		msg[i].msg_hdr.msg_flags = d->flags;
	}
	return (int)i;
}

size_t __wrap_cts_nl_set_rcvbuf(int fd, size_t bytes, const char *subject);
size_t __wrap_cts_nl_set_rcvbuf(int fd, size_t bytes, const char *subject)
{
	kernel.receive_buffer = bytes;
	return bytes;
}

static struct datagram *queue_datagram(void)
{
	struct datagram *d = &kernel.queue[kernel.queued++];

	assert_true(kernel.queued <= QUEUE_MAX);
	memset(d, 0, sizeof(*d));
	return d;
}

static void queue_error(int error)
{
	queue_datagram()->error = error;
}

/* An acknowledgement, or an error, of the message with this number. */
static struct datagram *queue_reply(uint32_t seq, int err)
{
	struct datagram *d = queue_datagram();
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(d->bytes);
	struct nlmsgerr *e = mnl_nlmsg_put_extra_header(nlh, sizeof(*e));

	nlh->nlmsg_type = NLMSG_ERROR;
	nlh->nlmsg_seq = seq;
	e->error = -err;
	d->len = nlh->nlmsg_len;
	return d;
}

/* What a GET finds. */
static struct nlmsghdr *queue_entry(uint32_t seq, const struct cts_flow *flow)
{
	struct datagram *d = queue_datagram();
	struct nlmsghdr *nlh = cts_nl_request(d->bytes, cts_nl_msg(NFNL_SUBSYS_CTNETLINK,
								   IPCTNL_MSG_CT_NEW),
					      0, AF_INET, seq);

	assert_int_equal(cts_flow_encode(nlh, sizeof(d->bytes), flow, flow->present), 0);
	d->len = nlh->nlmsg_len;
	return nlh;
}

/* -- a writer and what it reports -- */

struct report {
	struct cts_writer *w;
	unsigned int n, found;
	struct { uint64_t cookie; enum cts_write_class cls; int err; } done[512];
};

static void report_done(void *ctx, uint64_t cookie, enum cts_write_class cls, int err)
{
	struct report *r = ctx;

	assert_true(r->n < 512);
	r->done[r->n].cookie = cookie;
	r->done[r->n].cls = cls;
	r->done[r->n++].err = err;
	errno = 0;   /* nobody relies on it */
}

static void report_found(void *ctx, uint64_t cookie, const struct cts_flow *flow)
{
	struct report *r = ctx;

	r->found++;
}

static void make_flow(struct cts_flow *f, uint16_t port)
{
	memset(f, 0, sizeof(*f));
	f->orig.family = AF_INET;
	f->orig.proto = IPPROTO_UDP;
	f->orig.src.v4 = inet_addr("192.0.2.1");
	f->orig.dst.v4 = inet_addr("198.51.100.2");
	f->orig.sport = htons(port);
	f->orig.dport = htons(53);
	cts_tuple_invert(&f->orig, &f->reply);
	f->timeout = 30;
	f->present = BIT(ORIG) | BIT(REPLY) | BIT(TIMEOUT);
}

static void open_writer(struct report *r, unsigned int batch)
{
	struct cts_writer_conf conf = {
		.batch = batch, .ctx = r, .done = report_done, .found = report_found,
	};

	memset(r, 0, sizeof(*r));
	memset(&kernel, 0, sizeof(kernel));
	r->w = cts_writer_open(&conf);
	assert_non_null(r->w);
}

static int add(struct report *r, enum cts_write_op op, uint16_t port)
{
	struct cts_flow f;

	make_flow(&f, port);
	return cts_writer_add(r->w, op, &f, port);
}

/* What became of the only operation. */
static void assert_done(const struct report *r, enum cts_write_class cls, int err)
{
	assert_int_equal(r->n, 1);
	if (r->done[0].cls != cls || r->done[0].err != err)
		fail_msg("%s, %s", cts_write_class_name(r->done[0].cls), strerror(r->done[0].err));
}

/* -- answers -- */

static void answer_last(const struct nlmsghdr *nlh, const struct sent *s, bool last)
{
	if (last)
		queue_reply(s->seq, 0);
}

/* Each message's errno is its source port, but for the last one's acknowledgement. */
static void answer_by_port(const struct nlmsghdr *nlh, const struct sent *s, bool last)
{
	int err = ntohs(s->flow.orig.sport);

	if (err || last)
		queue_reply(s->seq, err);
}

static void only_the_last_message_asks_for_an_acknowledgement(void **state)
{
	struct report r;

	open_writer(&r, 4);
	kernel.answer = answer_last;
	for (uint16_t i = 0; i < 6; i++)
		assert_int_equal(add(&r, CTS_OP_CREATE, i), 0);
	assert_int_equal(kernel.sends, 1);
	assert_int_equal(cts_writer_pending(r.w), 2);
	assert_int_equal(cts_writer_flush(r.w), 0);
	assert_int_equal(kernel.n_sent, 6);
	for (unsigned int i = 0; i < 6; i++) {
		const struct sent *s = &kernel.sent[i];

		assert_int_equal(!!(s->flags & NLM_F_ACK), i == 3 || i == 5);
		assert_int_equal(s->flags & ~NLM_F_ACK, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL);
		/* numbers go on from batch to batch */
		assert_int_equal(s->seq, kernel.sent[0].seq + i);
		assert_int_equal(r.done[i].cookie, i);
		assert_int_equal(r.done[i].cls, CTS_WRITE_CREATED);
	}
	cts_writer_close(r.w);
}

static void each_operation_asks_for_what_it_is(void **state)
{
	enum { CREATE = NLM_F_CREATE, EXCL = NLM_F_CREATE | NLM_F_EXCL };
	static const struct {
		enum cts_write_op op;
		uint16_t type, flags;
		enum cts_write_class cls;
	} c[] = {
		{ CTS_OP_CREATE, IPCTNL_MSG_CT_NEW, EXCL, CTS_WRITE_CREATED },
		{ CTS_OP_ADD, IPCTNL_MSG_CT_NEW, CREATE, CTS_WRITE_CREATED },
		{ CTS_OP_UPDATE, IPCTNL_MSG_CT_NEW, 0, CTS_WRITE_UPDATED },
		{ CTS_OP_DELETE, IPCTNL_MSG_CT_DELETE, 0, CTS_WRITE_DELETED },
		{ CTS_OP_GET, IPCTNL_MSG_CT_GET, 0, CTS_WRITE_UPDATED },
		{ CTS_OP_RESTORE, IPCTNL_MSG_CT_NEW, EXCL, CTS_WRITE_CREATED },
		{ CTS_OP_REFRESH, IPCTNL_MSG_CT_NEW, 0, CTS_WRITE_UPDATED },
	};

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		bool by_key = c[i].op == CTS_OP_DELETE || c[i].op == CTS_OP_GET;
		struct report r;

		open_writer(&r, 0);
		kernel.answer = answer_last;
		assert_int_equal(add(&r, c[i].op, 1), 0);
		assert_int_equal(cts_writer_flush(r.w), 0);
		assert_int_equal(kernel.n_sent, 1);
		assert_int_equal(kernel.sent[0].type, cts_nl_msg(NFNL_SUBSYS_CTNETLINK, c[i].type));
		assert_int_equal(kernel.sent[0].flags, NLM_F_REQUEST | NLM_F_ACK | c[i].flags);
		assert_int_equal(cts_flow_has(&kernel.sent[0].flow, CTS_FLOW_TIMEOUT), !by_key);
		assert_done(&r, c[i].cls, 0);
		cts_writer_close(r.w);
	}
}

static void both_families_are_taken(void **state)
{
	struct cts_flow f;
	struct report r;

	open_writer(&r, 0);
	kernel.answer = answer_last;
	make_flow(&f, 1);
	f.orig.family = f.reply.family = AF_INET6;
	assert_int_equal(cts_writer_add(r.w, CTS_OP_CREATE, &f, 0), 0);
	assert_int_equal(add(&r, CTS_OP_CREATE, 1), 0);
	assert_int_equal(cts_writer_flush(r.w), 0);
	assert_int_equal(kernel.n_sent, 2);
	assert_int_equal(kernel.sent[0].flow.orig.family, AF_INET6);
	cts_writer_close(r.w);
}

static void errors_have_classes(void **state)
{
	static const struct { enum cts_write_op op; uint16_t err; enum cts_write_class cls; } c[] = {
		{ CTS_OP_CREATE, EEXIST, CTS_WRITE_EXISTS },
		{ CTS_OP_CREATE, ENOENT, CTS_WRITE_FAILED },   /* its master is not there */
		{ CTS_OP_ADD, ENOENT, CTS_WRITE_FAILED },
		{ CTS_OP_UPDATE, ENOENT, CTS_WRITE_ABSENT },
		{ CTS_OP_DELETE, ENOENT, CTS_WRITE_ABSENT },
		{ CTS_OP_GET, ENOENT, CTS_WRITE_ABSENT },
		{ CTS_OP_CREATE, ENOMEM, CTS_WRITE_TABLE_FULL },
		{ CTS_OP_CREATE, EPERM, CTS_WRITE_FAILED },
		{ CTS_OP_UPDATE, EBUSY, CTS_WRITE_FAILED },
		{ CTS_OP_DELETE, EINVAL, CTS_WRITE_FAILED },
		{ CTS_OP_RESTORE, ENOMEM, CTS_WRITE_TABLE_FULL },
		{ CTS_OP_REFRESH, EINVAL, CTS_WRITE_FAILED },
	};

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct report r;

		open_writer(&r, 0);
		kernel.answer = answer_by_port;
		assert_int_equal(add(&r, c[i].op, c[i].err), 0);
		assert_int_equal(cts_writer_flush(r.w), 0);
		assert_done(&r, c[i].cls, c[i].err);
		for (unsigned int cls = 0; cls < CTS_WRITE_CLASS_MAX; cls++)
			assert_int_equal(cts_writer_counters(r.w)[cls], cls == c[i].cls);
		cts_writer_close(r.w);
	}
}

static void an_error_in_the_middle_belongs_to_its_message(void **state)
{
	struct report r;

	open_writer(&r, 8);
	kernel.answer = answer_by_port;
	/* 0 stands for success: flows differ in the operation's place alone */
	assert_int_equal(add(&r, CTS_OP_UPDATE, EPERM), 0);
	assert_int_equal(add(&r, CTS_OP_UPDATE, 0), 0);
	assert_int_equal(add(&r, CTS_OP_UPDATE, ENOENT), 0);
	assert_int_equal(cts_writer_flush(r.w), 0);
	assert_int_equal(r.n, 3);
	assert_int_equal(r.done[0].cls, CTS_WRITE_FAILED);
	assert_int_equal(r.done[0].err, EPERM);
	assert_int_equal(r.done[1].cls, CTS_WRITE_UPDATED);
	assert_int_equal(r.done[1].err, 0);
	assert_int_equal(r.done[2].cls, CTS_WRITE_ABSENT);
	cts_writer_close(r.w);
}

/* -- lost replies -- */

static void a_kernel_that_never_answers_is_asked_five_times(void **state)
{
	static const enum cts_write_op ops[] = { CTS_OP_CREATE, CTS_OP_GET, CTS_OP_RESTORE };

	for (size_t i = 0; i < 3; i++) {
		struct report r;

		open_writer(&r, 1);
		assert_int_equal(add(&r, ops[i], 1), 0);
		assert_int_equal(cts_writer_pending(r.w), 0);
		assert_int_equal(kernel.sends, 5);
		assert_done(&r, CTS_WRITE_FAILED, ENOBUFS);
		cts_writer_close(r.w);
	}
}

static unsigned int silent;   /* batches without a reply to come */

static void answer_after_silence(const struct nlmsghdr *nlh, const struct sent *s, bool last)
{
	if (!last)
		return;
	if (silent)
		silent--;
	else
		queue_reply(s->seq, 0);
}

static void a_batch_shrinks_with_losses_and_grows_again(void **state)
{
	static const unsigned int sizes[] = { 64, 16, 4, 1, 1, 2, 4, 8, 16, 32 };
	struct report r;

	open_writer(&r, 64);
	silent = 4;
	kernel.answer = answer_after_silence;
	for (uint16_t i = 0; i < 64; i++)
		assert_int_equal(add(&r, CTS_OP_CREATE, i), 0);
	for (uint16_t i = 64; i < 127; i++)
		assert_int_equal(add(&r, CTS_OP_CREATE, i), 0);
	assert_int_equal(cts_writer_flush(r.w), 0);
	assert_int_equal(r.n, 127);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (kernel.per_send[i] != sizes[i])
			fail_msg("batch %zu has %u messages", i, kernel.per_send[i]);
	/* and no further than it may: 63 + 64 - 63 are left */
	assert_int_equal(kernel.per_send[10], 64);
	for (unsigned int i = 0; i < r.n; i++)
		assert_int_equal(r.done[i].cls, CTS_WRITE_CREATED);
	cts_writer_close(r.w);
}

static void a_batch_that_has_grown_shrinks_from_its_full_size(void **state)
{
	static const unsigned int sizes[] = { 96, 24, 6, 2, 4, 8, 16, 32, 34, 96, 24 };
	struct report r;

	open_writer(&r, 96);
	kernel.answer = answer_after_silence;
	silent = 3;
	for (uint16_t i = 0; i < 96; i++)
		assert_int_equal(add(&r, CTS_OP_CREATE, i), 0);
	assert_int_equal(cts_writer_flush(r.w), 0);
	silent = 1;
	for (uint16_t i = 0; i < 96; i++)
		assert_int_equal(add(&r, CTS_OP_CREATE, i), 0);
	assert_int_equal(cts_writer_flush(r.w), 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (kernel.per_send[i] != sizes[i])
			fail_msg("batch %zu has %u messages", i, kernel.per_send[i]);
	assert_int_equal(r.n, 192);
	cts_writer_close(r.w);
}

/* The first batch: the queue overflows after the first message's reply. */
static void answer_overflow(const struct nlmsghdr *nlh, const struct sent *s, bool last)
{
	if (kernel.sends == 0) {
		if (kernel.asked++ == 0) {
			queue_error(ENOBUFS);
			queue_reply(s->seq, EPERM);
		}
	} else if (last) {
		queue_reply(s->seq, 0);
	}
}

static void what_was_answered_before_an_overflow_is_not_sent_again(void **state)
{
	struct report r;

	open_writer(&r, 8);
	kernel.answer = answer_overflow;
	for (uint16_t i = 0; i < 3; i++)
		assert_int_equal(add(&r, CTS_OP_UPDATE, 100 + i), 0);
	assert_int_equal(cts_writer_flush(r.w), 0);
	assert_int_equal(r.n, 3);
	assert_int_equal(r.done[0].cls, CTS_WRITE_FAILED);
	assert_int_equal(r.done[0].err, EPERM);
	assert_int_equal(kernel.n_sent, 5);
	assert_int_equal(ntohs(kernel.sent[3].flow.orig.sport), 101);
	cts_writer_close(r.w);
}

static void answer_entry_alone(const struct nlmsghdr *nlh, const struct sent *s, bool last)
{
	struct cts_flow f;

	make_flow(&f, 1);
	queue_entry(s->seq, &f);
}

static void an_entry_without_its_acknowledgement_is_an_answer(void **state)
{
	struct report r;

	open_writer(&r, 8);
	kernel.answer = answer_entry_alone;
	assert_int_equal(add(&r, CTS_OP_GET, 1), 0);
	assert_int_equal(cts_writer_flush(r.w), 0);
	assert_int_equal(kernel.sends, 1);
	assert_int_equal(r.found, 1);
	assert_done(&r, CTS_WRITE_UPDATED, 0);
	cts_writer_close(r.w);
}

static void answer_absent_after_silence(const struct nlmsghdr *nlh, const struct sent *s, bool last)
{
	if (silent)
		silent--;
	else
		queue_reply(s->seq, ENOENT);
}

static void a_repeated_delete_meets_its_own_work_and_nothing_else_does(void **state)
{
	static const struct { enum cts_write_op op; enum cts_write_class cls; } c[] = {
		{ CTS_OP_DELETE, CTS_WRITE_DELETED },
		{ CTS_OP_UPDATE, CTS_WRITE_ABSENT },
		{ CTS_OP_GET, CTS_WRITE_ABSENT },
		{ CTS_OP_CREATE, CTS_WRITE_FAILED },
	};

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct report r;

		open_writer(&r, 8);
		silent = 1;
		kernel.answer = answer_absent_after_silence;
		assert_int_equal(add(&r, c[i].op, 1), 0);
		assert_int_equal(cts_writer_flush(r.w), 0);
		assert_int_equal(kernel.sends, 2);
		assert_done(&r, c[i].cls, ENOENT);
		cts_writer_close(r.w);
	}
}

/* What moves to another place takes its variable parts along. */
static void answer_first_of_first(const struct nlmsghdr *nlh, const struct sent *s, bool last)
{
	if (kernel.sends == 0 && kernel.asked++ == 0)
		queue_reply(s->seq, EPERM);
	if (kernel.sends > 1 && last)
		queue_reply(s->seq, 0);
}

static void helpers_stay_with_their_operations(void **state)
{
	static const char *const names[] = { "", "ftp", "sip", "irc" };
	struct cts_flow f;
	struct report r;

	open_writer(&r, 8);
	kernel.answer = answer_first_of_first;
	for (uint16_t i = 0; i < 4; i++) {
		make_flow(&f, i);
		f.helper = names[i];
		f.helper_len = (uint16_t)strlen(names[i]);
		f.present |= i ? BIT(HELPER) : 0;
		assert_int_equal(cts_writer_add(r.w, CTS_OP_ADD, &f, i), 0);
	}
	assert_int_equal(cts_writer_flush(r.w), 0);
	assert_int_equal(r.n, 4);
	for (unsigned int i = 4; i < kernel.n_sent; i++)
		assert_string_equal(kernel.sent[i].helper,
				    names[ntohs(kernel.sent[i].flow.orig.sport)]);
	cts_writer_close(r.w);
}

/* -- replies that are none -- */

static void answer_with_noise(const struct nlmsghdr *nlh, const struct sent *s, bool last)
{
	struct cts_flow f;
	struct datagram *d;

	queue_error(EINTR);
	d = queue_reply(s->seq, EPERM);      /* not the kernel */
	d->portid = 4711;
	d = queue_reply(s->seq, EPERM);
	d->flags = MSG_TRUNC;
	queue_reply(s->seq - 1, EPERM);      /* of a former batch */
	queue_reply(s->seq + 1, EPERM);      /* of none */
	d = queue_reply(s->seq, EPERM);      /* too short for an errno */
	d->len = ((struct nlmsghdr *)d->bytes)->nlmsg_len = NLMSG_LENGTH(sizeof(int));
	make_flow(&f, 9);
	queue_entry(s->seq, &f)->nlmsg_type = cts_nl_msg(NFNL_SUBSYS_CTNETLINK_EXP,
							 IPCTNL_MSG_CT_NEW);
	queue_entry(s->seq, &f)->nlmsg_type = cts_nl_msg(NFNL_SUBSYS_CTNETLINK,
							 IPCTNL_MSG_CT_DELETE);
	d = &kernel.queue[kernel.queued];
	queue_entry(s->seq, &f);             /* an entry cut short */
	d->len = ((struct nlmsghdr *)d->bytes)->nlmsg_len = NLMSG_LENGTH(2);
	queue_error(EINTR);
	queue_reply(s->seq, 0);
}

static void only_the_kernels_replies_to_this_batch_count(void **state)
{
	struct report r;

	open_writer(&r, 1);   /* nothing lies behind the one operation */
	kernel.answer = answer_with_noise;
	assert_int_equal(add(&r, CTS_OP_GET, 1), 0);
	assert_int_equal(kernel.sends, 1);
	assert_int_equal(r.found, 0);
	assert_done(&r, CTS_WRITE_UPDATED, 0);
	cts_writer_close(r.w);
}

/* The acknowledgement of the last message comes before an error of the first. */
static void answer_backwards(const struct nlmsghdr *nlh, const struct sent *s, bool last)
{
	if (last) {
		queue_reply(s->seq, 0);
		queue_reply(s->seq - 1, EPERM);
	}
}

static void the_rest_of_a_datagram_after_the_last_answer_counts(void **state)
{
	struct report r;

	open_writer(&r, 8);
	kernel.answer = answer_backwards;
	assert_int_equal(add(&r, CTS_OP_UPDATE, 1), 0);
	assert_int_equal(add(&r, CTS_OP_UPDATE, 2), 0);
	assert_int_equal(cts_writer_flush(r.w), 0);
	assert_int_equal(kernel.sends, 1);
	assert_int_equal(r.n, 2);
	assert_int_equal(r.done[0].err, EPERM);
	assert_int_equal(r.done[1].err, 0);
	/* nothing was lost: batches stay as large */
	kernel.answer = answer_last;
	for (uint16_t i = 0; i < 8; i++)
		assert_int_equal(add(&r, CTS_OP_UPDATE, i), 0);
	assert_int_equal(kernel.per_send[1], 8);
	cts_writer_close(r.w);
}

/* Two errors, and a signal between them. */
static void answer_in_pieces(const struct nlmsghdr *nlh, const struct sent *s, bool last)
{
	queue_reply(s->seq, last ? ENOENT : EPERM);
	queue_error(EINTR);
}

static void replies_are_read_until_the_last_ones(void **state)
{
	struct report r;

	open_writer(&r, 8);
	kernel.answer = answer_in_pieces;
	assert_int_equal(add(&r, CTS_OP_UPDATE, 1), 0);
	assert_int_equal(add(&r, CTS_OP_UPDATE, 2), 0);
	assert_int_equal(cts_writer_flush(r.w), 0);
	assert_int_equal(r.n, 2);
	assert_int_equal(r.done[0].err, EPERM);
	assert_int_equal(r.done[1].err, ENOENT);
	cts_writer_close(r.w);
}

static void nobody_has_to_listen(void **state)
{
	const struct cts_writer_conf conf = { 0 };
	struct cts_writer *w;
	struct cts_flow f;

	memset(&kernel, 0, sizeof(kernel));
	kernel.answer = answer_entry_alone;
	w = cts_writer_open(&conf);
	assert_non_null(w);
	make_flow(&f, 1);
	assert_int_equal(cts_writer_add(w, CTS_OP_GET, &f, 0), 0);
	assert_int_equal(cts_writer_flush(w), 0);
	assert_int_equal(cts_writer_counters(w)[CTS_WRITE_UPDATED], 1);
	cts_writer_close(w);
}

/* -- restoring, through the socket -- */

/* EEXIST, not found by its own tuple, found by the reply's: removed; created. */
static void answer_collision(const struct nlmsghdr *nlh, const struct sent *s, bool last)
{
	static const int err[] = { EEXIST, ENOENT, 0, 0, 0 };
	struct cts_flow other;

	assert_true(kernel.asked < 5);
	if (kernel.asked == 2) {
		make_flow(&other, 77);
		queue_entry(s->seq, &other);
	}
	queue_reply(s->seq, err[kernel.asked++]);
}

static void a_collision_asks_by_the_reply_tuple_and_creates_again(void **state)
{
	struct cts_writer_conf conf = { .collision_replace = true, .done = report_done };
	struct cts_tuple translated;
	struct cts_flow f;
	struct report r;

	open_writer(&r, 8);
	cts_writer_close(r.w);
	conf.ctx = &r;
	r.w = cts_writer_open(&conf);
	kernel.answer = answer_collision;
	make_flow(&f, 1);
	f.reply.dst.v4 = inet_addr("203.0.113.9");
	translated = f.reply;
	assert_int_equal(cts_writer_add(r.w, CTS_OP_RESTORE, &f, 0), 0);
	assert_int_equal(cts_writer_flush(r.w), 0);
	assert_done(&r, CTS_WRITE_CREATED, 0);
	assert_int_equal(kernel.n_sent, 5);
	for (unsigned int i = 0; i < 5; i++) {
		static const uint16_t type[] = { IPCTNL_MSG_CT_NEW, IPCTNL_MSG_CT_GET,
						 IPCTNL_MSG_CT_GET, IPCTNL_MSG_CT_DELETE,
						 IPCTNL_MSG_CT_NEW };
		const struct sent *s = &kernel.sent[i];
		bool by_reply = i == 2 || i == 3;

		assert_int_equal(s->type & 0xff, type[i]);
		assert_int_equal(cts_flow_has(&s->flow, CTS_FLOW_ORIG), !by_reply);
		if (by_reply)
			assert_memory_equal(&s->flow.reply, &translated, sizeof(translated));
	}
	/* the message that creates has the plain inverse, as at first */
	assert_memory_equal(&kernel.sent[4].flow.reply, &kernel.sent[0].flow.reply,
			    sizeof(translated));
	cts_writer_close(r.w);
}

/* EEXIST; the GET finds the same flow with this status; the update is taken. */
static void answer_found(const struct nlmsghdr *nlh, const struct sent *s, bool last)
{
	struct cts_flow f;

	if (kernel.asked == 1) {
		make_flow(&f, 1);
		f.status = IPS_CONFIRMED | IPS_ASSURED;
		f.present |= BIT(STATUS);
		queue_entry(s->seq, &f);
	}
	queue_reply(s->seq, kernel.asked++ == 0 ? EEXIST : 0);
}

static void what_a_restore_finds_is_not_the_callers(void **state)
{
	struct cts_flow f;
	struct report r;

	open_writer(&r, 8);
	kernel.answer = answer_found;
	make_flow(&f, 1);
	f.status = IPS_SEEN_REPLY;
	f.present |= BIT(STATUS);
	assert_int_equal(cts_writer_add(r.w, CTS_OP_RESTORE, &f, 0), 0);
	assert_int_equal(cts_writer_flush(r.w), 0);
	assert_done(&r, CTS_WRITE_UPDATED, 0);
	assert_int_equal(r.found, 0);
	assert_int_equal(kernel.n_sent, 3);
	assert_int_equal(kernel.sent[2].flow.status, IPS_CONFIRMED | IPS_ASSURED | IPS_SEEN_REPLY);
	cts_writer_close(r.w);
}

/* EEXIST, found, and the reply to the update gets lost. */
static void answer_lost_update(const struct nlmsghdr *nlh, const struct sent *s, bool last)
{
	struct cts_flow f;

	if (kernel.asked == 1) {
		make_flow(&f, 1);
		queue_entry(s->seq, &f);
	}
	if (kernel.asked++ != 2)
		queue_reply(s->seq, kernel.asked == 1 ? EEXIST : 0);
}

static void what_an_earlier_step_found_is_no_answer_to_the_next(void **state)
{
	struct report r;

	open_writer(&r, 8);
	kernel.answer = answer_lost_update;
	assert_int_equal(add(&r, CTS_OP_RESTORE, 1), 0);
	assert_int_equal(cts_writer_flush(r.w), 0);
	assert_int_equal(kernel.n_sent, 4);
	assert_int_equal(kernel.sent[3].type & 0xff, IPCTNL_MSG_CT_NEW);
	assert_done(&r, CTS_WRITE_UPDATED, 0);
	cts_writer_close(r.w);
}

/* Found once, and the second GET of the same operation finds nothing. */
static void answer_found_once(const struct nlmsghdr *nlh, const struct sent *s, bool last)
{
	static const int err[] = { EEXIST, 0, ENOENT, EEXIST };

	assert_true(kernel.asked < 4);
	if (kernel.asked == 1) {
		struct cts_flow f;

		make_flow(&f, 1);
		queue_entry(s->seq, &f);
	}
	queue_reply(s->seq, err[kernel.asked++]);
}

static void an_entry_that_comes_and_goes_ends_as_a_collision(void **state)
{
	struct report r;

	open_writer(&r, 8);
	kernel.answer = answer_found_once;
	assert_int_equal(add(&r, CTS_OP_RESTORE, 1), 0);
	assert_int_equal(cts_writer_flush(r.w), 0);
	assert_int_equal(kernel.n_sent, 4);
	assert_done(&r, CTS_WRITE_COLLISION, EEXIST);
	cts_writer_close(r.w);
}

/* -- keys, and a socket that fails -- */

static void an_operation_waits_for_the_one_before_it_on_its_key(void **state)
{
	struct report r;

	open_writer(&r, 64);
	kernel.answer = answer_last;
	for (uint16_t i = 0; i < 40; i++)
		assert_int_equal(add(&r, CTS_OP_ADD, i), 0);
	assert_int_equal(kernel.sends, 0);
	/* the first one's and the last one's */
	assert_int_equal(add(&r, CTS_OP_ADD, 0), 0);
	assert_int_equal(kernel.sends, 1);
	assert_int_equal(kernel.per_send[0], 40);
	assert_int_equal(add(&r, CTS_OP_ADD, 39), 0);
	assert_int_equal(kernel.sends, 1);
	assert_int_equal(add(&r, CTS_OP_ADD, 39), 0);
	assert_int_equal(kernel.sends, 2);
	assert_int_equal(cts_writer_flush(r.w), 0);
	assert_int_equal(r.n, 43);
	cts_writer_close(r.w);
}

static void a_socket_that_fails_fails_all_that_waits(void **state)
{
	struct report r;

	open_writer(&r, 4);
	kernel.send_error = EPIPE;
	assert_int_equal(add(&r, CTS_OP_CREATE, 1), 0);
	assert_int_equal(add(&r, CTS_OP_CREATE, 2), 0);
	errno = 0;
	assert_int_equal(cts_writer_flush(r.w), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(r.n, 2);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(r.done[i].cls, CTS_WRITE_FAILED);
		assert_int_equal(r.done[i].err, EPIPE);
	}
	assert_int_equal(cts_writer_pending(r.w), 0);

	/* a full batch, and one that waits for its key */
	for (uint16_t i = 1; i < 4; i++)
		assert_int_equal(add(&r, CTS_OP_CREATE, i), 0);
	assert_int_equal(add(&r, CTS_OP_CREATE, 4), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(add(&r, CTS_OP_CREATE, 5), 0);
	assert_int_equal(add(&r, CTS_OP_DELETE, 5), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(r.n, 7);

	/* and works again afterwards, with nothing of what failed */
	kernel.send_error = 0;
	kernel.answer = answer_last;
	assert_int_equal(add(&r, CTS_OP_CREATE, 6), 0);
	assert_int_equal(cts_writer_flush(r.w), 0);
	assert_int_equal(kernel.n_sent, 1);
	assert_int_equal(ntohs(kernel.sent[0].flow.orig.sport), 6);
	assert_int_equal(r.done[7].cls, CTS_WRITE_CREATED);
	cts_writer_close(r.w);
}

static struct report *reentered;

static void reenter_flush(void *ctx, uint64_t cookie, enum cts_write_class cls, int err)
{
	struct report *r = ctx;

	reentered = r;
	assert_int_equal(cts_writer_flush(r->w), -1);
	assert_int_equal(errno, EBUSY);
	assert_int_equal(add(r, CTS_OP_GET, 9), -1);
	assert_int_equal(errno, EBUSY);
	r->n++;
}

static void a_callback_that_calls_the_writer_is_refused_and_harmless(void **state)
{
	struct report r = { 0 };
	const struct cts_writer_conf conf = { .ctx = &r, .done = reenter_flush };

	memset(&kernel, 0, sizeof(kernel));
	kernel.answer = answer_last;
	r.w = cts_writer_open(&conf);
	assert_non_null(r.w);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(add(&r, CTS_OP_CREATE, 1), 0);
		assert_int_equal(cts_writer_flush(r.w), 0);
	}
	assert_ptr_equal(reentered, &r);
	assert_int_equal(r.n, 2);
	cts_writer_close(r.w);
}

/* Longer ones than the kernel has: an operation has room for the kernel's. */
static void variable_parts_are_cut_to_what_the_kernel_has(void **state)
{
	uint32_t labels[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	char helper[64];
	struct cts_flow f;
	struct report r;

	open_writer(&r, 2);
	kernel.answer = answer_last;
	memset(helper, 'h', sizeof(helper));
	make_flow(&f, 1);
	f.labels = f.labels_mask = labels;
	f.labels_len = f.labels_mask_len = sizeof(labels);
	f.helper = helper;
	f.helper_len = sizeof(helper);
	f.present |= BIT(LABELS) | BIT(LABELS_MASK) | BIT(HELPER);
	assert_int_equal(cts_writer_add(r.w, CTS_OP_ADD, &f, 0), 0);
	assert_int_equal(cts_writer_flush(r.w), 0);
	assert_int_equal(kernel.sent[0].flow.labels_len, 16);
	assert_int_equal(strlen(kernel.sent[0].helper), WRITE_HELPER_MAX - 1);
	cts_writer_close(r.w);
}

static void what_cannot_be_an_entry_is_not_queued(void **state)
{
	struct cts_flow f;
	struct report r;

	open_writer(&r, 2);
	make_flow(&f, 1);
	f.reply.family = AF_INET6;
	errno = 0;
	assert_int_equal(cts_writer_add(r.w, CTS_OP_RESTORE, &f, 0), -1);
	assert_int_equal(errno, EINVAL);
	make_flow(&f, 1);
	f.orig.family = AF_UNIX;
	errno = 0;
	assert_int_equal(cts_writer_add(r.w, CTS_OP_CREATE, &f, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(cts_writer_pending(r.w), 0);
	assert_int_equal(cts_writer_flush(r.w), 0);
	assert_int_equal(r.n, 0);
	cts_writer_close(r.w);
}

static void batches_have_a_size(void **state)
{
	static const struct { unsigned int batch, first; } c[] = {
		{ 0, 64 }, { 1, 1 }, { 128, 128 },
	};

	for (size_t i = 0; i < 3; i++) {
		struct report r;

		open_writer(&r, c[i].batch);
		kernel.answer = answer_last;
		for (uint16_t n = 0; n < 128; n++)
			assert_int_equal(add(&r, CTS_OP_CREATE, n), 0);
		assert_int_equal(kernel.per_send[0], c[i].first);
		assert_int_equal(cts_writer_flush(r.w), 0);
		assert_int_equal(r.n, 128);
		cts_writer_close(r.w);
	}
}

static void its_settings_reach_socket_and_rules(void **state)
{
	struct cts_writer_conf conf = { 0 };
	struct cts_flow f;

	make_flow(&f, 1);
	f.orig.proto = f.reply.proto = IPPROTO_TCP;
	for (unsigned int set = 0; set < 2; set++) {
		struct cts_writer *w;

		memset(&kernel, 0, sizeof(kernel));
		kernel.answer = answer_last;
		conf.receive_buffer = set ? 4711 : 0;
		conf.tcp_window_tracking = set;
		w = cts_writer_open(&conf);
		assert_non_null(w);
		assert_int_equal(kernel.receive_buffer, set ? 4711 : 1 << 20);
		assert_int_equal(cts_writer_add(w, CTS_OP_RESTORE, &f, 0), 0);
		assert_int_equal(cts_writer_flush(w), 0);
		assert_int_equal(kernel.sent[0].flow.tcp_flags[0],
				 set ? 0 : IP_CT_TCP_FLAG_BE_LIBERAL);
		cts_writer_close(w);
	}
}

static void classes_have_names(void **state)
{
	for (int cls = 0; cls < CTS_WRITE_CLASS_MAX; cls++) {
		assert_non_null(cts_write_class_name(cls));
		for (int other = 0; other < cls; other++)
			assert_string_not_equal(cts_write_class_name(cls),
						cts_write_class_name(other));
	}
	assert_null(cts_write_class_name(CTS_WRITE_CLASS_MAX));
	cts_writer_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_last_message_asks_for_an_acknowledgement),
		cmocka_unit_test(each_operation_asks_for_what_it_is),
		cmocka_unit_test(both_families_are_taken),
		cmocka_unit_test(errors_have_classes),
		cmocka_unit_test(an_error_in_the_middle_belongs_to_its_message),
		cmocka_unit_test(a_kernel_that_never_answers_is_asked_five_times),
		cmocka_unit_test(a_batch_shrinks_with_losses_and_grows_again),
		cmocka_unit_test(a_batch_that_has_grown_shrinks_from_its_full_size),
		cmocka_unit_test(what_was_answered_before_an_overflow_is_not_sent_again),
		cmocka_unit_test(an_entry_without_its_acknowledgement_is_an_answer),
		cmocka_unit_test(a_repeated_delete_meets_its_own_work_and_nothing_else_does),
		cmocka_unit_test(helpers_stay_with_their_operations),
		cmocka_unit_test(only_the_kernels_replies_to_this_batch_count),
		cmocka_unit_test(the_rest_of_a_datagram_after_the_last_answer_counts),
		cmocka_unit_test(replies_are_read_until_the_last_ones),
		cmocka_unit_test(nobody_has_to_listen),
		cmocka_unit_test(a_collision_asks_by_the_reply_tuple_and_creates_again),
		cmocka_unit_test(what_a_restore_finds_is_not_the_callers),
		cmocka_unit_test(what_an_earlier_step_found_is_no_answer_to_the_next),
		cmocka_unit_test(an_entry_that_comes_and_goes_ends_as_a_collision),
		cmocka_unit_test(an_operation_waits_for_the_one_before_it_on_its_key),
		cmocka_unit_test(a_socket_that_fails_fails_all_that_waits),
		cmocka_unit_test(a_callback_that_calls_the_writer_is_refused_and_harmless),
		cmocka_unit_test(variable_parts_are_cut_to_what_the_kernel_has),
		cmocka_unit_test(what_cannot_be_an_entry_is_not_queued),
		cmocka_unit_test(batches_have_a_size),
		cmocka_unit_test(its_settings_reach_socket_and_rules),
		cmocka_unit_test(classes_have_names),
	};

	return cmocka_run_group_tests_name("writer replies", tests, NULL, NULL);
}
