/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's inside, for engine.c, the simulation and the fuzzers alone. Calls go
 * one way: engine -> session -> peer -> send/ and recv/ -> store/, wire, base.
 */
#ifndef CTS_SYNC_INSPECT_H
#define CTS_SYNC_INSPECT_H

#include "core/sync/engine.h"
#include "core/sync/session.h"

struct cts_engine {
	struct base base;
	struct sender sender;
	struct peers peers;
	struct session session;
};

/* Break a rule on purpose; NULL: none. f is lent. */
void cts_engine_break(struct cts_engine *e, const struct cts_faults *f);
/* The version of the own live entry, 0: there is none. */
uint32_t cts_engine_own_version(struct cts_engine *e, const uint8_t *key, size_t key_len);

#endif
