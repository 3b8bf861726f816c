/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Anti-entropy, the receiver's side. When a digest is not equal and nothing is known
 * to be missing, the sums are compared level by level, below what differs; of the
 * leaves that differ in the end, the owner gets a list of what is here. It sends again
 * what differs, and says what does not exist. So the cost follows what differs, not
 * the table. Where nearly all differs, all of it, or subtrees, are pulled.
 */
#ifndef CTS_SYNC_COMPARE_H
#define CTS_SYNC_COMPARE_H

#include "core/sync/messages.h"
#include "core/sync/recv/replica.h"

#define COMPARE_AGAIN_NS (50 * MS)   /* a question without answer is asked again... */
#define COMPARE_AGAIN_MAX_NS (400 * MS)      /* ... and later each time */
#define COMPARE_ATTEMPTS 8u          /* then the next digest begins again */
#ifndef COMPARE_SUBTREES             /* the simulation also takes few */
#define COMPARE_SUBTREES 2048u       /* so many of 4096 differ: pull them whole */
#endif
#ifndef COMPARE_LISTED
#define COMPARE_LISTED 65536u        /* entries that are listed in one round */
#endif
#define COMPARE_REST_NS (500 * MS)   /* after a repair was asked for, until it is judged */

enum compare_state {
	COMPARE_IDLE,
	COMPARE_LEVEL1, COMPARE_LEVEL2, COMPARE_LEVEL3,   /* sums of this level are awaited */
	COMPARE_COLLECT,             /* the leaves that differ are looked up here */
	COMPARE_LIST,                /* lists are to be sent */
	COMPARE_REPAIR,              /* the owner repairs, or transfers */
};

struct compare {
	enum compare_state state;
	uint64_t due_ns;             /* the next question, or the end of patience */
	unsigned int attempts;
	bool all;                    /* PULL_ALL or subtrees are what is asked for */
	bool pulled;                 /* subtrees were, and it is not equal yet */
	bool repaired;               /* a repair was asked for, and it is not equal yet */
	uint8_t seen1[256 / 8];      /* level 1: nodes whose sum has come */
	uint8_t differs1[256 / 8];   /* level 1 nodes that differ; level 2 is awaited below */
	uint8_t differs2[4096 / 8];
	uint8_t differs3[65536 / 8];
	uint64_t *item;              /* owned: leaf, key part, low bits of ref's place */
	uint32_t *ref;               /* owned: of each item */
	uint32_t n, max, sent;
	uint32_t cursor;
	uint64_t high;               /* applied when the lists were made */
	uint64_t full_ns, wait_ns;   /* a full cache is not compared before, and how long next */
};

void compare_fini(struct compare *c);
void compare_reset(struct compare *c);
/* Begin, whatever the digest says. empty: nothing of this epoch is here. */
void compare_begin(struct compare *c, bool empty, uint64_t now);
/* A digest that is not equal, with no gap open. busy: the owner repairs already. */
void compare_unequal(struct compare *c, struct replica *r, uint64_t count, bool busy,
		     uint64_t now);
void compare_equal(struct compare *c);
/* What was asked did not help: the path may drop large messages, and nobody acknowledges
 * questions. They are to be small from now on. */
bool compare_asks_small(const struct compare *c);
/* A SUMS record. false: it is damaged. */
bool compare_sums(struct compare *c, const struct replica *r, struct cts_wire_in *in,
		  uint64_t now);
/* A DROP record: the entry, if it was listed and was not sent since. */
bool compare_drop(struct compare *c, struct replica *r, struct base *b, struct cts_wire_in *in);

/* A step of looking up what is listed. true: again at once. */
bool compare_step(struct compare *c, const struct replica *r, uint64_t high, uint64_t now);
uint64_t compare_deadline(const struct compare *c);
/* Is a question due? Then build the next PULL (its fixed part is p) into o; true: there
 * is a message to send. Call until it is false. */
bool compare_ask(struct compare *c, const struct replica *r, struct pull *p,
		 struct cts_wire_out *o, uint64_t now);
static inline bool compare_running(const struct compare *c)
{
	return c->state != COMPARE_IDLE;
}

#endif
