/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sending side: one numbered stream to all. The table says what is to be sent,
 * the window what may be under way, transfer and answer what receivers pulled; here
 * messages are made of it and handed to the transport, as long as both have room.
 */
#ifndef CTS_SYNC_SENDER_H
#define CTS_SYNC_SENDER_H

#include "core/sync/send/answer.h"
#include "core/sync/send/size.h"
#include "core/sync/send/table.h"
#include "core/sync/send/transfer.h"
#include "core/sync/send/window.h"

#ifndef SEND_BATCH                   /* the simulation also takes few */
#define SEND_BATCH 32u               /* messages handed to the transport at once */
#endif
#define DIGEST_NS (5 * SECOND)       /* when all is calm */
#define DIGEST_LOSSY_NS SECOND       /* where nothing is acknowledged it is all there is */
#define DIGEST_JOIN_NS (50 * MS)     /* somebody waits for it */

struct sender {
	struct base *base;           /* lent */
	struct table table;
	struct window window;
	struct transfer transfer;
	struct answer answer;
	struct size size;            /* of messages */
	uint64_t digest_ns;          /* when the next one is due */
	bool digest_wanted;          /* a receiver is not known to be equal */
	uint64_t dropped_at;         /* tombstones were dropped then: who was equal later has no such */
	bool was_busy;               /* in the last run: a repair or a transfer */
	bool blocked;                /* the window kept something from being sent */
	bool listeners;              /* somebody is there; else messages are numbered, and that is all */
	uint8_t *out;                /* owned: SEND_BATCH messages of out_size bytes */
	size_t out_size;
	unsigned int unsent_first, unsent_n;
	struct iovec unsent[SEND_BATCH];    /* built, and not taken by the transport yet */
	uint64_t sent_messages, sent_bytes; /* handed to the transport */
};

int sender_init(struct sender *s, struct base *b);      /* 0, or -1 and errno */
void sender_fini(struct sender *s);
/* Another epoch. forget: the table is to be read again, too. */
void sender_renew(struct sender *s, bool forget);
void sender_ready(struct sender *s);                    /* the kernel's table was read */

/* Send what may be sent. A receiver that keeps others waiting is put out of step:
 * *lagging has its bit set. true: call again at once. */
bool sender_run(struct sender *s, uint64_t *lagging);
uint64_t sender_deadline(struct sender *s);
/* A PULL of this node's stream. false: it is damaged. */
bool sender_pull(struct sender *s, const struct pull *p, struct cts_wire_in *in);
/* The highest sequence number that the transport has taken. */
static inline uint64_t sender_last_handed(const struct sender *s)
{
	return s->window.last - s->unsent_n;
}
/* Since when changes wait to be sent, or to be taken by the transport; 0: none do. */
uint64_t sender_waiting_since(const struct sender *s);

#endif
