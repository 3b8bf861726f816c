/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two engines in sync, for fuzzers of what the network says: a is under test, b's
 * messages are the good inputs. Of every kind that there is: the two met with losses.
 */
#ifndef TESTS_FUZZ_PAIR_H
#define TESTS_FUZZ_PAIR_H

#include "core/sync/inspect.h"
#include "tests/fuzz/fuzz.h"

#define PAIR_FLOWS 50u          /* that a has */
#define PAIR_LIMIT 200u         /* of each cache */
#define PAIR_POOL 256u
#define PAIR_FRESH_AFTER 5000u  /* inputs that one pair of engines takes */

struct pair_message {
	size_t len;
	uint8_t data[1500];
};

struct pair_end {
	struct cts_engine *engine;
	struct pair_message out[PAIR_POOL];
	unsigned int n_out;
	uint64_t rng;
};

struct pair {
	struct pair_end a, b;
	struct pair_message pool[PAIR_POOL];  /* real messages of b */
	unsigned int n_pool, inputs;
	uint64_t now;
	uint32_t kinds;         /* in the pool: bits of types, and of records from bit 16 */
};

/* Before each input: a pair that is in sync, another one after many inputs. */
void pair_ready(struct pair *p);
void pair_give(struct pair *p, uint8_t *data, size_t len);
/* What a knows of b; NULL: nothing. */
const struct peer *pair_peer_b(const struct pair *p);
/* What a owns is as it was, and what it holds is within its limits. */
void pair_check(const struct pair *p);

#endif
