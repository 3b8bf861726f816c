/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages that came before their turn, kept until what is missing has come or is
 * given up. At most REORDER_MAX, and at most REORDER_BYTES_MAX in all.
 */
#ifndef CTS_SYNC_REORDER_H
#define CTS_SYNC_REORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef REORDER_MAX                  /* the simulation also runs with few */
#define REORDER_MAX 64u
#endif
#define REORDER_BYTES_MAX ((size_t)1 << 20)

struct held {
	uint64_t seq;                /* 0: free */
	size_t len;
	uint8_t *body;               /* owned */
};

struct reorder {
	struct held held[REORDER_MAX];
	unsigned int n;
	size_t bytes;                /* of all bodies */
};

enum reorder_put { REORDER_KEPT, REORDER_DUPLICATE, REORDER_FULL, REORDER_NOMEM };
/* Keep a copy of body. There is no message 0: it counts as a duplicate. */
enum reorder_put reorder_put(struct reorder *r, uint64_t seq, const uint8_t *body, size_t len);
/* The lowest sequence number that is kept; 0: none. */
uint64_t reorder_lowest(const struct reorder *r);
/* Take the message out: the caller frees *body. false: it is not there. */
bool reorder_take(struct reorder *r, uint64_t seq, uint8_t **body, size_t *len);
/* Drop what is at or below seq; UINT64_MAX: all. */
void reorder_drop(struct reorder *r, uint64_t seq);

#endif
