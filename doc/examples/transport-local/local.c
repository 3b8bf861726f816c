/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * local: an example of a transport. Datagrams between daemons on one machine (say,
 * in network namespaces that share a file system) over UNIX sockets:
 *
 *   transports = ( { plugin = "local"; path = "/run/fw1.link"; peers = ( "/run/fw2.link" ); } );
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <ctsync/log.h>
#include <ctsync/transport.h>

#define LOCAL_MESSAGE_MAX 16384u
#define LOCAL_PEERS_MAX 16u
#define LOCAL_READS_MAX 64u /* of one wake-up: others want their turn */

static int check_path(const char *value, char *why, size_t size)
{
	const size_t max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

	if (strlen(value) <= max)
		return 0;
	snprintf(why, size, "is too long for a socket, allowed: %zu bytes", max);
	return -1;
}

static const struct cts_option local_options[] = { { .name = "path",
						     .type = CTS_OPT_PATH,
						     .flags = CTS_OPT_REQUIRED,
						     .check = check_path,
						     .help = "this node's socket" },
						   { .name = "peers",
						     .type = CTS_OPT_LIST_OF(CTS_OPT_PATH),
						     .flags = CTS_OPT_REQUIRED,
						     .max = LOCAL_PEERS_MAX,
						     .check = check_path,
						     .help = "the other nodes' sockets" },
						   { .name = NULL } };

struct local {
	int fd;                                /* owned */
	const struct cts_transport_host *host; /* lent */
	struct cts_watch *watch;               /* owned */
	struct sockaddr_un self, peer[LOCAL_PEERS_MAX];
	unsigned int n_peers;
	uint64_t sent_errors, recv_errors, refused;
	uint8_t buf[LOCAL_MESSAGE_MAX + 1];
};

static void local_destroy(void *priv)
{
	struct local *l = priv;

	cts_watch_destroy(l->watch);
	if (l->fd >= 0) {
		close(l->fd);
		unlink(l->self.sun_path);
	}
	free(l);
}

/* A peer's number is its place in the list, from 1: 0 means everybody or nobody. */
static uint32_t peer_number(const struct local *l, const struct sockaddr_un *from)
{
	for (unsigned int i = 0; i < l->n_peers; i++)
		if (strcmp(l->peer[i].sun_path, from->sun_path) == 0)
			return i + 1;
	return 0;
}

static void local_readable(void *ctx, unsigned int flags)
{
	struct local *l = ctx;

	(void)flags;
	for (unsigned int i = 0; i < LOCAL_READS_MAX; i++) {
		struct sockaddr_un from = { .sun_family = AF_UNIX };
		socklen_t len = sizeof(from) - 1;
		ssize_t n = recvfrom(l->fd, l->buf, sizeof(l->buf), 0, (struct sockaddr *)&from,
				     &len);
		struct iovec msg = { l->buf, n > 0 ? (size_t)n : 0 };
		uint32_t peer;

		if (n < 0) {
			l->recv_errors += errno != EAGAIN && errno != EINTR;
			return;
		}
		peer = peer_number(l, &from);
		if (!peer || (size_t)n > LOCAL_MESSAGE_MAX) {
			l->refused++;
			continue;
		}
		l->host->deliver(l->host->ctx, peer, &msg, 1);
	}
}

static void set_path(struct sockaddr_un *sa, const char *path)
{
	sa->sun_family = AF_UNIX;
	snprintf(sa->sun_path, sizeof(sa->sun_path), "%s", path);
}

static void *local_create(const struct cts_options *opt, const struct cts_transport_host *host)
{
	struct local *l = calloc(1, sizeof(*l));
	int saved;

	if (!l)
		return NULL;
	l->host = host;
	l->n_peers = (unsigned int)cts_options_count(opt, "peers");
	for (unsigned int i = 0; i < l->n_peers; i++)
		set_path(&l->peer[i], cts_options_item(opt, "peers", i));
	set_path(&l->self, cts_options_string(opt, "path"));

	l->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		goto err;
	unlink(l->self.sun_path); /* of a daemon that did not stop cleanly */
	if (bind(l->fd, (struct sockaddr *)&l->self, sizeof(l->self)) < 0)
		goto err;
	l->watch = cts_watch_create(host->loop, l->fd, CTS_WATCH_READ, local_readable, l);
	if (!l->watch)
		goto err;
	return l;
err:
	saved = errno;
	cts_err("local: %s: %s", l->self.sun_path, strerror(saved));
	local_destroy(l);
	errno = saved;
	return NULL;
}

/* One message to one peer. A peer that is not there is no error of ours: the core
 * notices its silence. A full queue of a datagram socket is a lost datagram. */
static void send_one(struct local *l, const struct iovec *msg, const struct sockaddr_un *to)
{
	ssize_t n = sendto(l->fd, msg->iov_base, msg->iov_len, MSG_DONTWAIT | MSG_NOSIGNAL,
			   (const struct sockaddr *)to, sizeof(*to));

	if (n < 0)
		l->sent_errors++;
}

static int local_send(void *priv, const struct iovec *msg, unsigned int n, uint32_t to)
{
	struct local *l = priv;

	if (to > l->n_peers) {
		errno = EINVAL;
		return -1;
	}
	for (unsigned int i = 0; i < n; i++)
		for (uint32_t p = 1; p <= l->n_peers; p++)
			if (to == CTS_PEER_ALL || to == p)
				send_one(l, &msg[i], &l->peer[p - 1]);
	return (int)n;
}

static size_t local_max_message(void *priv)
{
	(void)priv;
	return LOCAL_MESSAGE_MAX;
}

/* The core may be older and its struct smaller: st->size says what there is. */
static void local_status(void *priv, struct cts_transport_status *st)
{
	const struct local *l = priv;
	struct cts_transport_status mine = {
		.size = st->size,
		.device = "local",
		.up = true,
		.carrier = true,
		.sent_errors = l->sent_errors,
		.recv_errors = l->recv_errors,
		.refused = l->refused,
	};

	memcpy(st, &mine, st->size < sizeof(mine) ? st->size : sizeof(mine));
}

extern const struct cts_transport_ops local_LTX_cts_plugin;
const struct cts_transport_ops local_LTX_cts_plugin = {
	.plugin = CTS_PLUGIN(CTS_KIND_TRANSPORT, struct cts_transport_ops, "local", "1.0",
			     "datagrams between daemons on one machine", local_options),
	.caps = CTS_CAP_ADDRESSED,
	.create = local_create,
	.destroy = local_destroy,
	.send = local_send,
	.max_message = local_max_message,
	.status = local_status,
};
