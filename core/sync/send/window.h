/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The retransmission window: what was sent and is not settled, which entries each
 * message carried, who has not acknowledged it; and of each receiver how much may be
 * under way to it. Settled is a message that all who must have acknowledged, or that
 * was lost and whose entries were sent again: responsibility moved to the messages
 * that carry them now. So one lost message never holds the window for longer than it
 * takes to send its entries once more.
 */
#ifndef CTS_SYNC_WINDOW_H
#define CTS_SYNC_WINDOW_H

#include "core/sync/recv/gaps.h"
#include "core/sync/send/pace.h"
#include "core/sync/send/table.h"

#ifndef WINDOW_MESSAGES              /* the simulation also takes few */
#define WINDOW_MESSAGES 1024u
#endif
#ifndef WINDOW_RESERVE
#define WINDOW_RESERVE 8u            /* of them: for what was lost, and for probes */
#endif
#define WINDOW_RESCUE 4u             /* ... of these: for what the lowest message carried */
#define ACK_DELAY_NS (20 * MS)       /* a receiver acknowledges by then */
#define ACK_DELAY_NOW_NS (2 * MS)    /* ... and so soon when it is asked to */
#define UNANSWERED_NS SECOND         /* so long nothing acknowledged: out of step */
#define HOLDING_NS (2 * MS)          /* one receiver alone keeps changes from the others */
#define HOLDING_BULK_NS (200 * MS)   /* ... or a transfer */
#define SIZE_SMALL 700u              /* bytes: passes wherever anything does */

struct sent {
	uint64_t seq;                /* 0: free */
	uint64_t unacked_by;         /* receivers, by index */
	uint64_t sent_ns;
	uint64_t since_ns;           /* nothing in it was changed before */
	uint32_t bytes;              /* with PACE_OVERHEAD */
	uint32_t n, max;
	uint32_t *refs;              /* owned: entries that it carried */
	uint32_t resending;          /* lost: of these, still to be sent again */
	bool lost, ack_now;
};

struct receiver_view {
	uint64_t start;              /* it is in the window from this sequence number; 0: not */
	uint64_t acked;              /* cumulative, but for gaps */
	uint64_t progress_ns;        /* last acknowledgement of something new, or nothing was due */
	bool confirmed;              /* it goes by start */
	uint32_t arrived, missed;    /* messages acknowledged and lost since this was looked at */
	struct pace pace;
	uint64_t retransmitted;      /* entries that it missed */
};

struct window {
	struct sent ring[WINDOW_MESSAGES];
	uint64_t last;               /* highest sequence number */
	uint64_t lowest;             /* not settled; last + 1: all is */
	uint64_t members;            /* receivers in the window, by index */
	struct receiver_view view[CTS_NODES_MAX];
	uint64_t holding_ns;         /* since when some of several receivers hold it up; 0: none */
	uint64_t last_sent_ns;
	uint64_t ack_now_bytes;      /* sent since an acknowledgement was asked for */
	/* black holes for large messages */
	unsigned int large_lost, small_acked;
	uint32_t largest_acked;      /* bytes, without overhead */
};

void window_init(struct window *w);
void window_fini(struct window *w);
/* Another epoch: all is forgotten, nobody is in it. */
void window_reset(struct window *w);

static inline struct sent *window_slot(struct window *w, uint64_t seq)
{
	return &w->ring[seq % WINDOW_MESSAGES];
}

static inline uint64_t window_len(const struct window *w)
{
	return w->last + 1 - w->lowest;
}

/* Receiver i is in the window from the next message on. Returns its start sequence. */
uint64_t window_enter(struct window *w, unsigned int i, uint64_t max_bytes, uint64_t now);
void window_leave(struct window *w, struct table *t, unsigned int i);

/* -- sending -- */

/* Is there a free sequence number? urgent: for what was lost, or a probe. */
bool window_free(const struct window *w, bool urgent);
/* The lowest message holds the window up, and was lost: to send again what it carried,
 * and nothing else, is what frees numbers. NULL: that is not so. */
const struct sent *window_to_rescue(const struct window *w);
/* There is no number left, not even for that: give up what was lost. Who was in the
 * window has to compare. */
void window_abandon(struct window *w, struct table *t);
static inline bool window_stuck(const struct window *w)
{
	return window_len(w) >= WINDOW_MESSAGES && w->ring[w->lowest % WINDOW_MESSAGES].lost;
}
/* Receivers that have as much under way as they may. */
uint64_t window_holding(struct window *w);
/* Of a window without free numbers: who has not acknowledged the lowest message. */
uint64_t window_lowest_holders(const struct window *w);
/* A new message; note what it carries, then close it. */
struct sent *window_open(struct window *w, bool reliable, uint64_t now);
bool window_note(struct sent *s, uint32_t ref);
/* An entry that was lost with message before is in a message again: the last one. */
void window_resent(struct window *w, struct table *t, uint64_t before);
void window_close(struct window *w, struct table *t, struct sent *s, size_t len, bool ack_now);

/* -- acknowledgements -- */

/* Receiver i has all up to high but for the gaps. Returns false when it names more
 * than was ever sent. */
bool window_ack(struct window *w, struct table *t, unsigned int i, uint64_t high,
		const struct gaps *gaps, uint64_t now);

/* -- time -- */

/* When to ask for an acknowledgement, as nothing comes; NEVER: nobody has to answer. */
uint64_t window_probe_at(const struct window *w);
void window_probed(struct window *w, uint64_t now);
/* Was one sent that nobody answers yet? Every other one counts. */
bool window_probe_unanswered(const struct window *w);
/* A receiver that did not acknowledge for UNANSWERED_NS; -1: none. */
int window_unanswered(const struct window *w, uint64_t now);
/* When receiver i may have begun to lack something that was sent by now: the oldest change
 * in what it has not acknowledged; 0: it has acknowledged all. */
uint64_t window_unacked_since(const struct window *w, unsigned int i, uint64_t *messages,
			      uint64_t *records);

#endif
