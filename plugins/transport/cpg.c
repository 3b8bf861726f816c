/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cpg: messages through a closed process group of corosync. See ctsync-cpg(5). */
#include "config.h"

#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <corosync/cpg.h>

#include <ctsync/log.h>
#include <ctsync/transport.h>

#include "plugins/transport/cpg_pack.h"

#define CPG_ROUNDS 8           /* containers a wake-up: others want their turn */
#define CPG_BUSY_US 2000u      /* until corosync is asked again after TRY_AGAIN */
#define CPG_BACKOFF_US 100000u /* first wait for a corosync that is not there */
#define CPG_BACKOFF_MAX_US 1000000u
#define CPG_MESSAGE_MAX 7168u           /* of the smallest container, less its headers */
#define CPG_ACK_EVERY (64u << 10)       /* bytes read from a member */
#define CPG_FULL_NS UINT64_C(300000000) /* a window so long full: the others go on */
#define CPG_FULL_CHECK_US 100000u
/* Containers that are not full leave once in this time. Longer while a member is behind,
 * for its corosync pays by container. */
#define CPG_GATHER_NS UINT64_C(1000000)
#define CPG_GATHER_BEHIND_NS UINT64_C(10000000)
#define CPG_COST 512u /* of a container in corosync's memory, beside its bytes */

static const struct cts_option cpg_options[] = {
	{ .name = "group",
	  .type = CTS_OPT_STRING,
	  .def = "ctsync",
	  .help = "name of the process group, the same on all nodes" },
	{ .name = "pack",
	  .type = CTS_OPT_INT,
	  .min = 8192,
	  .max = 65536,
	  .def = "32768",
	  .help = "bytes of small messages that go as one message of corosync" },
	{ .name = "window",
	  .type = CTS_OPT_INT,
	  .min = 262144,
	  .max = 67108864,
	  .def = "2097152",
	  .help = "bytes sent that a member may have left unread before senders wait for it" },
	{ .name = "limit",
	  .type = CTS_OPT_INT,
	  .min = 1048576,
	  .max = 1073741824,
	  .def = "12582912",
	  .help = "the same for a member that does not read at all, while the others go on" },
	{ .name = "port",
	  .type = CTS_OPT_INT,
	  .min = 0,
	  .max = 65535,
	  .def = "5405",
	  .help = "UDP port of corosync's own traffic, which is not tracked; 0: unknown" },
	{ .name = NULL },
};

struct cpg_member {
	uint32_t node, pid;
	uint32_t peer;               /* number of this membership for the host */
	bool stuck;                  /* does not read: nobody waits for it up to the limit */
	uint64_t full_ns;            /* since when its window is full; 0: it is not */
	uint64_t acked;              /* of our bytes: what it has read */
	uint64_t received, reported; /* of its bytes: read, and acknowledged */
};

struct cpg {
	const struct cts_transport_host *host; /* lent */
	struct cts_watch *watch;               /* owned */
	struct cts_timer *join_timer;          /* owned */
	struct cts_timer *flush_timer;         /* owned */
	cpg_handle_t handle;                   /* owned while open */
	struct cpg_name group;
	bool open, joined, broken, blocked, ack_due;
	bool behind;        /* a member has much to read */
	uint32_t node, pid; /* this process as a member */
	uint64_t backoff_us;
	uint64_t window, limit; /* of all senders together */
	uint64_t total;         /* bytes that containers sent cost a reader */
	uint64_t sent_ns;       /* when the last one left */
	uint32_t last_peer;
	uint16_t port; /* network order */
	size_t pack;
	uint8_t *buf; /* owned; the container being filled */
	size_t used;  /* bytes in it, headers included */
	unsigned int n_packed, n_members;
	struct cpg_member members[CPG_MEMBERS_MAX];
	uint64_t sent_errors, recv_errors, refused;
};

/* Have the handle taken down from the loop: no host call from within send(). */
static void cpg_break(struct cpg *c)
{
	c->broken = true;
	cts_timer_arm_us(c->join_timer, 0);
}

/* -- members -- */

static struct cpg_member *find_member(struct cpg *c, uint32_t node, uint32_t pid)
{
	for (unsigned int i = 0; i < c->n_members; i++)
		if (c->members[i].node == node && c->members[i].pid == pid)
			return &c->members[i];
	return NULL;
}

static void drop_member(struct cpg *c, struct cpg_member *m)
{
	struct cpg_member gone = *m;

	*m = c->members[--c->n_members];
	cts_info("cpg: node %u, process %u left", gone.node, gone.pid);
	c->host->peer_down(c->host->ctx, gone.peer);
}

static void add_member(struct cpg *c, uint32_t node, uint32_t pid)
{
	if ((node == c->node && pid == c->pid) || c->n_members == CPG_MEMBERS_MAX ||
	    find_member(c, node, pid))
		return;
	if (!++c->last_peer)
		c->last_peer = 1;
	c->members[c->n_members++] = (struct cpg_member){
		.node = node,
		.pid = pid,
		.peer = c->last_peer,
		.acked = c->total,
	};
	cts_info("cpg: node %u, process %u is here", node, pid);
	c->host->peer_up(c->host->ctx, c->last_peer);
}

static bool listed(const struct cpg_address *list, size_t n, uint32_t node, uint32_t pid)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].nodeid == node && list[i].pid == pid)
			return true;
	return false;
}

static void cpg_confchg(cpg_handle_t handle, const struct cpg_name *group,
			const struct cpg_address *list, size_t n_list,
			const struct cpg_address *left, size_t n_left,
			const struct cpg_address *joined, size_t n_joined)
{
	struct cpg *c;
	void *ctx;

	if (cpg_context_get(handle, &ctx) != CS_OK)
		return;
	c = ctx;
	/* Who left and is back at once missed something all the same; and who joins
	 * while we know it comes from the other side of a partition. */
	for (unsigned int i = c->n_members; i-- > 0;) {
		struct cpg_member *m = &c->members[i];

		if (listed(left, n_left, m->node, m->pid) ||
		    listed(joined, n_joined, m->node, m->pid) ||
		    !listed(list, n_list, m->node, m->pid))
			drop_member(c, m);
	}
	if (!listed(list, n_list, c->node, c->pid)) {
		cts_warn("cpg: corosync put this node out of the group");
		cpg_break(c);
		return;
	}
	for (size_t i = 0; i < n_list; i++)
		add_member(c, list[i].nodeid, list[i].pid);
	cts_timer_arm_us(c->flush_timer, 0);
}

/* -- receiving -- */

/* It reads again: what it has read says nothing of what it missed, so compare again. */
static void member_reads(struct cpg *c, struct cpg_member *m)
{
	if ((c->total - m->acked) * c->n_members > c->window / 2)
		return;
	m->full_ns = 0;
	if (!m->stuck)
		return;
	m->stuck = false;
	cts_info("cpg: node %u reads again", m->node);
	c->host->peer_up(c->host->ctx, m->peer);
}

static void cpg_read_acks(struct cpg *c, struct cpg_member *m, const uint8_t *p, size_t len)
{
	struct cpg_ack a;

	while (cpg_parse_ack(&p, &len, &a))
		if (a.node == c->node && a.pid == c->pid && a.bytes > m->acked &&
		    a.bytes <= c->total)
			m->acked = a.bytes;
	member_reads(c, m);
	cts_timer_arm_us(c->flush_timer, 0);
}

static void cpg_read_data(struct cpg *c, struct cpg_member *m, const struct cpg_header *h,
			  const uint8_t *p, size_t len)
{
	struct iovec msg[CPG_PACK_MESSAGES];
	int n = cpg_parse_messages(p, len, msg, CPG_PACK_MESSAGES);

	if (n < 0) {
		c->recv_errors++;
		return;
	}
	m->received = h->total;
	if ((m->received - m->reported) * c->n_members > CPG_ACK_EVERY) {
		c->ack_due = true;
		cts_timer_arm_us(c->flush_timer, 0);
	}
	if (n > 0)
		c->host->deliver(c->host->ctx, m->peer, msg, (unsigned int)n);
}

static void cpg_delivered(cpg_handle_t handle, const struct cpg_name *group, uint32_t node,
			  uint32_t pid, void *data, size_t len)
{
	struct cpg_member *m;
	struct cpg_header h;
	struct cpg *c;
	void *ctx;

	if (cpg_context_get(handle, &ctx) != CS_OK)
		return;
	c = ctx;
	if (node == c->node && pid == c->pid)
		return;
	m = find_member(c, node, pid);
	if (!m) {
		c->refused++;
	} else if (!cpg_parse_header(data, len, &h)) {
		c->recv_errors++;
	} else if (h.kind == CPG_KIND_ACK) {
		cpg_read_acks(c, m, (uint8_t *)data + CPG_HEADER, len - CPG_HEADER);
	} else {
		cpg_read_data(c, m, &h, (uint8_t *)data + CPG_HEADER, len - CPG_HEADER);
	}
}

static void cpg_ready(void *ctx, unsigned int flags)
{
	struct cpg *c = ctx;

	for (int i = 0; i < CPG_ROUNDS && !c->broken; i++) {
		cs_error_t err = cpg_dispatch(c->handle, CS_DISPATCH_ONE_NONBLOCKING);

		if (err == CS_ERR_TRY_AGAIN)
			return;
		if (err != CS_OK) {
			cpg_break(c);
			return;
		}
	}
}

/* -- sending -- */

/* Hand a container to corosync. false: not now (the timer is armed), or broken. */
static bool cpg_mcast(struct cpg *c, const void *data, size_t len)
{
	struct iovec iov = { .iov_base = (void *)data, .iov_len = len };
	cs_error_t err = cpg_mcast_joined(c->handle, CPG_TYPE_AGREED, &iov, 1);

	if (err == CS_OK)
		return true;
	if (err == CS_ERR_TRY_AGAIN)
		cts_timer_arm_us(c->flush_timer, CPG_BUSY_US);
	else
		cpg_break(c);
	return false;
}

static bool send_acks(struct cpg *c)
{
	uint8_t out[CPG_HEADER + CPG_MEMBERS_MAX * CPG_ACK];
	size_t len = cpg_build_header(out, CPG_KIND_ACK, 0);

	for (unsigned int i = 0; i < c->n_members; i++) {
		const struct cpg_member *m = &c->members[i];

		len += cpg_build_ack(out + len, &(struct cpg_ack){ m->node, m->pid, m->received });
	}
	if (!cpg_mcast(c, out, len))
		return false;
	for (unsigned int i = 0; i < c->n_members; i++)
		c->members[i].reported = c->members[i].received;
	c->ack_due = false;
	return true;
}

/* Its window was full for long: it is taken for gone, so that nobody waits for it. */
static void member_stuck(struct cpg *c, struct cpg_member *m)
{
	m->stuck = true;
	cts_warn("cpg: node %u does not read: it is not waited for up to %llu bytes", m->node,
		 (unsigned long long)c->limit);
	c->host->peer_down(c->host->ctx, m->peer);
}

/* corosync queues without limit for a member that does not read: we do not. Each
 * sender has its share of what may wait there. */
static bool member_takes(struct cpg *c, struct cpg_member *m, uint64_t now)
{
	uint64_t unread = (c->total + CPG_COST + c->used - m->acked) * c->n_members;

	c->behind |= unread > c->window / 4;
	if (unread <= c->window)
		return true;
	if (m->stuck)
		return unread <= c->limit;
	if (!m->full_ns)
		m->full_ns = now;
	if (now - m->full_ns < CPG_FULL_NS)
		return false;
	member_stuck(c, m);
	return unread <= c->limit;
}

static bool window_open(struct cpg *c)
{
	uint64_t now = cts_loop_now_ns(c->host->loop);
	bool open = true;

	c->behind = false;
	for (unsigned int i = 0; i < c->n_members; i++)
		open &= member_takes(c, &c->members[i], now);
	return open;
}

/* true: the container is empty now. */
static bool send_packed(struct cpg *c)
{
	if (!c->n_packed)
		return true;
	if (c->n_members) {
		/* An acknowledgement or a change of members opens it again, or time. */
		if (!window_open(c)) {
			cts_timer_arm_us(c->flush_timer, CPG_FULL_CHECK_US);
			return false;
		}
		cpg_build_header(c->buf, CPG_KIND_DATA, c->total + CPG_COST + c->used);
		if (!cpg_mcast(c, c->buf, c->used))
			return false;
		c->total += CPG_COST + c->used;
		c->sent_ns = cts_loop_now_ns(c->host->loop);
	}
	c->used = CPG_HEADER;
	c->n_packed = 0;
	return true;
}

static void cpg_flush(void *ctx)
{
	struct cpg *c = ctx;

	if (!c->joined || c->broken || (c->ack_due && !send_acks(c)) || !send_packed(c))
		return;
	if (c->blocked) {
		c->blocked = false;
		c->host->writable(c->host->ctx);
	}
}

/* At once after a rest, else together with what comes in the next moment. */
static void send_soon(struct cpg *c)
{
	uint64_t least = c->behind ? CPG_GATHER_BEHIND_NS : CPG_GATHER_NS;
	uint64_t since = cts_loop_now_ns(c->host->loop) - c->sent_ns;

	cts_timer_arm_us(c->flush_timer, since < least ? (least - since) / 1000 : 0);
}

static int cpg_send(void *priv, const struct iovec *msg, unsigned int n, uint32_t to)
{
	struct cpg *c = priv;
	unsigned int taken;

	if (!c->joined || c->broken) {
		c->sent_errors++;
		errno = ENETDOWN;
		return -1;
	}
	for (taken = 0; taken < n; taken++) {
		size_t len = msg[taken].iov_len;

		if (len > CPG_MESSAGE_MAX && !taken) {
			c->sent_errors++;
			errno = EMSGSIZE;
			return -1;
		}
		if (len > CPG_MESSAGE_MAX)
			return (int)taken;
		if ((c->used + CPG_FRAME + len > c->pack || c->n_packed == CPG_PACK_MESSAGES) &&
		    !send_packed(c))
			break;
		c->used += cpg_build_message(c->buf + c->used, msg[taken].iov_base, len);
		c->n_packed++;
	}
	c->blocked = taken < n;
	if (!c->blocked && c->n_packed)
		send_soon(c);
	if (n && !taken) {
		errno = EAGAIN;
		return -1;
	}
	return (int)taken;
}

/* -- the group -- */

static void cpg_close(struct cpg *c)
{
	cts_watch_destroy(c->watch);
	c->watch = NULL;
	if (c->open)
		cpg_finalize(c->handle);
	c->open = c->joined = c->broken = c->ack_due = false;
	c->used = CPG_HEADER;
	c->n_packed = 0;
}

static bool cpg_open(struct cpg *c)
{
	cpg_model_v1_data_t model = {
		.cpg_deliver_fn = cpg_delivered,
		.cpg_confchg_fn = cpg_confchg,
	};
	unsigned int node;
	int fd;

	if (cpg_model_initialize(&c->handle, CPG_MODEL_V1, (cpg_model_data_t *)&model, c) != CS_OK)
		return false;
	c->open = true;
	if (cpg_local_get(c->handle, &node) != CS_OK || cpg_fd_get(c->handle, &fd) != CS_OK)
		return false;
	c->node = node;
	c->pid = (uint32_t)getpid();
	if (cpg_join(c->handle, &c->group) != CS_OK)
		return false;
	c->watch = cts_watch_create(c->host->loop, fd, CTS_WATCH_READ, cpg_ready, c);
	return c->watch != NULL;
}

/* Join, or take a broken handle down and join again, at growing intervals. */
static void cpg_rejoin(void *ctx)
{
	struct cpg *c = ctx;

	if (c->broken) {
		cts_warn("cpg: the connection to corosync is lost");
		cpg_close(c);
		while (c->n_members)
			drop_member(c, &c->members[c->n_members - 1]);
		cts_transport_link_changed(c->host);
	}
	if (c->open)
		return;
	if (!cpg_open(c)) {
		cpg_close(c);
		if (c->backoff_us == CPG_BACKOFF_US)
			cts_warn("cpg: cannot join group %.*s, trying again", (int)c->group.length,
				 c->group.value);
		cts_timer_arm_us(c->join_timer, c->backoff_us);
		c->backoff_us *= 2;
		if (c->backoff_us > CPG_BACKOFF_MAX_US)
			c->backoff_us = CPG_BACKOFF_MAX_US;
		return;
	}
	c->backoff_us = CPG_BACKOFF_US;
	c->joined = true;
	cts_info("cpg: node %u joined group %.*s", c->node, (int)c->group.length, c->group.value);
	cts_transport_link_changed(c->host);
	cpg_flush(c);
}

static void cpg_destroy(void *priv)
{
	struct cpg *c = priv;

	cpg_close(c);
	cts_timer_destroy(c->join_timer);
	cts_timer_destroy(c->flush_timer);
	free(c->buf);
	free(c);
}

static void *cpg_create(const struct cts_options *opt, const struct cts_transport_host *host)
{
	const char *group = cts_options_string(opt, "group");
	struct cpg *c = calloc(1, sizeof(*c));
	int saved;

	if (!c)
		return NULL;
	c->host = host;
	c->backoff_us = CPG_BACKOFF_US;
	c->used = CPG_HEADER;
	c->pack = (size_t)cts_options_int(opt, "pack");
	c->window = (uint64_t)cts_options_int(opt, "window");
	c->limit = (uint64_t)cts_options_int(opt, "limit");
	c->port = htobe16((uint16_t)cts_options_int(opt, "port"));
	if (c->limit < c->window)
		c->limit = c->window;
	c->group.length = (uint32_t)strlen(group);
	if (!c->group.length || c->group.length >= sizeof(c->group.value)) {
		cts_options_error(opt, "group", -1, "is %u bytes long, allowed: 1 to %zu",
				  c->group.length, sizeof(c->group.value) - 1);
		errno = EINVAL;
		goto err;
	}
	memcpy(c->group.value, group, c->group.length);
	c->buf = malloc(c->pack);
	c->join_timer = cts_timer_create(host->loop, cpg_rejoin, c);
	c->flush_timer = cts_timer_create(host->loop, cpg_flush, c);
	if (!c->buf || !c->join_timer || !c->flush_timer || cts_timer_arm_us(c->join_timer, 0) < 0)
		goto err;
	return c;
err:
	saved = errno;
	cpg_destroy(c);
	errno = saved;
	return NULL;
}

static size_t cpg_max_message(void *priv)
{
	return CPG_MESSAGE_MAX;
}

static void cpg_status(void *priv, struct cts_transport_status *st)
{
	const struct cpg *c = priv;
	struct cts_transport_status s = {
		.size = st->size,
		.up = c->joined && !c->broken,
		.carrier = true,
		.sent_errors = c->sent_errors,
		.recv_errors = c->recv_errors,
		.refused = c->refused,
	};

	memcpy(s.device, c->group.value, sizeof(s.device) - 1);
	memcpy(st, &s, st->size < sizeof(s) ? st->size : sizeof(s));
}

static unsigned int cpg_own_flows(void *priv, struct cts_flow_pattern *t, unsigned int max)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	const struct cpg *c = priv;
	unsigned int n = 0;

	for (; c->port && n < sizeof(families) && n < max; n++)
		t[n] = (struct cts_flow_pattern){
			.family = families[n],
			.proto = IPPROTO_UDP,
			.dport = c->port,
		};
	return n;
}

/* Its address is corosync's affair: corosync-cfgtool -s shows it under this number. */
static int cpg_peer_name(void *priv, uint32_t peer, char *buf, size_t size)
{
	snprintf(buf, size, "corosync node %u", peer);
	return 0;
}

const struct cts_transport_ops cpg_LTX_cts_plugin = {
	.plugin = CTS_PLUGIN(CTS_KIND_TRANSPORT, struct cts_transport_ops, "cpg", PACKAGE_VERSION,
			     "through a process group of corosync", cpg_options),
	.caps = CTS_CAP_RELIABLE | CTS_CAP_ORDERED | CTS_CAP_MEMBERSHIP,
	.create = cpg_create,
	.destroy = cpg_destroy,
	.send = cpg_send,
	.max_message = cpg_max_message,
	.status = cpg_status,
	.own_flows = cpg_own_flows,
	.peer_name = cpg_peer_name,
};
