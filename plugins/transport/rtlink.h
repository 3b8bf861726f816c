/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state of one network interface, followed through rtnetlink. */
#ifndef CTS_TRANSPORT_RTLINK_H
#define CTS_TRANSPORT_RTLINK_H

#include <net/if.h>
#include <stdbool.h>

#include <ctsync/loop.h>

struct rtlink_state {
	unsigned int ifindex; /* 0: there is no such interface */
	bool up;              /* administratively */
	bool running;         /* has a carrier */
	unsigned int mtu;     /* bytes */
};

struct rtlink;
/* name is copied; changed() is called from the loop, never from create(). NULL, errno. */
struct rtlink *rtlink_create(struct cts_loop *loop, const char *name, void (*changed)(void *ctx),
			     void *ctx);
void rtlink_destroy(struct rtlink *r); /* takes NULL */
const struct rtlink_state *rtlink_state(const struct rtlink *r);

#endif
