/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACK_ENTRY_H
#define CONNTRACK_ENTRY_H

#include "cli/conntrack/conntrack.h"

/* Complete cl->store.flow's tuples; IPv4 where no family is known. */
void entry_key(struct cmdline *cl);
/* Some kernels take ICMP over IPv6, and ICMPv6 over IPv4; no packet could fit that. */
bool entry_is_possible(const struct cmdline *cl);
/* ... and everything that can be set. */
void entry_values(struct cmdline *cl);

#endif
