/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many bytes each flow had when the table was read last: rates are the difference. */
#ifndef CONNTRACK_TOP_COUNTERS_H
#define CONNTRACK_TOP_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct counter {
	uint64_t bytes;
	uint32_t id;                  /* the kernel's, which nobody outside can choose */
	uint32_t used;
};

struct counters {
	struct counter *slot;         /* owned; n_slots is a power of two */
	size_t n_slots, n, limit;
	bool full;                    /* a flow had no room */
};

/* 0, or -1 and errno. Takes up to limit flows, 32 bytes each. */
int counters_init(struct counters *c, size_t limit);
void counters_fini(struct counters *c);
void counters_clear(struct counters *c);
/* What has no room is left out and remembered in full. */
void counters_put(struct counters *c, uint32_t id, uint64_t bytes);
bool counters_get(const struct counters *c, uint32_t id, uint64_t *bytes);

#endif
