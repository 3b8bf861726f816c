/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rtnetlink: one RTM_GETLINK at start, after a lost message and at every change. */
#include "config.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/transport/rtlink.h"

struct rtlink {
	char name[IFNAMSIZ];
	struct mnl_socket *events; /* owned; member of RTNLGRP_LINK */
	struct cts_watch *watch;   /* owned */
	struct rtlink_state state;
	void (*changed)(void *ctx);
	void *ctx;
};

static int link_attr(const struct nlattr *attr, void *data)
{
	struct rtlink_state *st = data;

	if (mnl_attr_get_type(attr) == IFLA_MTU && mnl_attr_get_payload_len(attr) >= 4)
		st->mtu = mnl_attr_get_u32(attr);
	return MNL_CB_OK;
}

static int link_message(const struct nlmsghdr *nlh, void *data)
{
	struct rtlink_state *st = data;
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);

	if (nlh->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(nlh) < sizeof(*info))
		return MNL_CB_OK;
	st->ifindex = (unsigned int)info->ifi_index;
	st->up = info->ifi_flags & IFF_UP;
	st->running = info->ifi_flags & IFF_RUNNING;
	return mnl_attr_parse(nlh, sizeof(*info), link_attr, st);
}

/* Ask for the interface by its name. ENODEV leaves a zeroed state. 0, or -1, errno. */
static int rtlink_query(struct rtlink *r)
{
	char buf[32768]; /* a link message with all its statistics and virtual functions */
	struct rtlink_state st = { 0 };
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	struct nlmsghdr *nlh;
	ssize_t n = -1;
	int ret = -1, saved;

	if (!nl)
		return -1;
	memset(buf, 0, 128); /* the request: libmnl leaves what pads the name as it is */
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(nlh, IFLA_IFNAME, r->name);
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) == 0 &&
	    mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) > 0)
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf)); /* the kernel answers at once */
	if (n > 0)
		ret = mnl_cb_run(buf, (size_t)n, 0, mnl_socket_get_portid(nl), link_message, &st);
	saved = errno;
	mnl_socket_close(nl);
	errno = saved;
	if (ret >= 0 || errno == ENODEV) {
		r->state = st;
		return 0;
	}
	return -1;
}

/* What the messages say does not matter, only that something happened: whatever
 * was lost or came twice, the query afterwards has the truth. */
static void rtlink_readable(void *ctx, unsigned int flags)
{
	struct rtlink *r = ctx;
	struct rtlink_state before = r->state;
	char buf[32768];

	while (mnl_socket_recvfrom(r->events, buf, sizeof(buf)) >= 0 || errno == ENOBUFS)
		;
	if (rtlink_query(r) == 0 &&
	    (before.ifindex != r->state.ifindex || before.up != r->state.up ||
	     before.running != r->state.running || before.mtu != r->state.mtu))
		r->changed(r->ctx);
}

struct rtlink *rtlink_create(struct cts_loop *loop, const char *name, void (*changed)(void *ctx),
			     void *ctx)
{
	struct rtlink *r = calloc(1, sizeof(*r));
	int saved;

	if (!r)
		return NULL;
	if (strlen(name) >= sizeof(r->name)) {
		free(r);
		errno = EINVAL;
		return NULL;
	}
	memcpy(r->name, name, strlen(name) + 1);
	r->changed = changed;
	r->ctx = ctx;
	r->events = mnl_socket_open2(NETLINK_ROUTE, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (!r->events || mnl_socket_bind(r->events, RTMGRP_LINK, MNL_SOCKET_AUTOPID) < 0)
		goto err;
	r->watch = cts_watch_create(loop, mnl_socket_get_fd(r->events), CTS_WATCH_READ,
				    rtlink_readable, r);
	if (!r->watch || rtlink_query(r) < 0)
		goto err;
	return r;
err:
	saved = errno;
	rtlink_destroy(r);
	errno = saved;
	return NULL;
}

void rtlink_destroy(struct rtlink *r)
{
	if (!r)
		return;
	cts_watch_destroy(r->watch);
	if (r->events)
		mnl_socket_close(r->events);
	free(r);
}

const struct rtlink_state *rtlink_state(const struct rtlink *r)
{
	return &r->state;
}
