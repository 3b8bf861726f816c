/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A flow as the command line that makes it again. */
#ifndef CTS_OUTPUT_SAVE_H
#define CTS_OUTPUT_SAVE_H

#include <ctsync/flow.h>

/* Room for any flow, whatever its labels are called; of usual ones. */
#define SAVE_LINE_MAX 1024u

/* command: 'A', 'U' or 'D'. Returns the length, or 0 with errno ENOSPC. */
size_t save_format(const struct cts_flow *flow, char command, const struct cts_labelmap *labels,
		   char *buf, size_t size);

#endif
