/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACK_ENTRY_H
#define CONNTRACK_ENTRY_H

#include "cli/conntrack/conntrack.h"

/* Complete cl->store.flow's tuples; IPv4 where no family is known. */
void entry_key(struct cmdline *cl);
/* ... and everything that can be set. */
void entry_values(struct cmdline *cl);

#endif
