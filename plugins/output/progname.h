/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which program has the netlink port that caused an event. */
#ifndef CTS_OUTPUT_LOG_PROGNAME_H
#define CTS_OUTPUT_LOG_PROGNAME_H

#include <stdint.h>

#define PROGNAME_CACHE 32u
#define PROGNAME_SECONDS 5 /* so long is an answer believed: port ids are used again */

struct progname {
	struct progname_entry {
		uint32_t portid;
		uint64_t when_ns;
		char name[32];
	} entry[PROGNAME_CACHE];
	unsigned int next;
};

/* The name, or "" when nobody has the port (any more). A new port costs a walk
 * through /proc: nothing for a daemon's loop. */
const char *progname_get(struct progname *p, uint32_t portid, uint64_t now_ns);

#endif
