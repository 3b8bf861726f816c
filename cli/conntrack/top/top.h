/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conntrack --top: the table in groups, refreshed on a terminal. model.c reads the table
 * through the pipeline and keeps what is shown, ask.c checks what is typed, keys.c knows
 * what keys mean, screen.c draws. Only screen.c and main.c know of ncurses.
 */
#ifndef CONNTRACK_TOP_H
#define CONNTRACK_TOP_H

#include "cli/conntrack/question.h"
#include "cli/conntrack/selections.h"
#include "cli/conntrack/top/counters.h"
#include "core/flow/pack.h"

#define TOP_ROWS_MAX 1000u            /* groups and flows that can be scrolled to */
#define TOP_FLOWS_MAX (1u << 20)      /* flows whose rate is known: 64 MB at most */
#define TOP_TEXT_MAX 256u

enum top_view { TOP_GROUPS, TOP_FLOWS, TOP_FLOW, TOP_HELP };
/* What rows are sorted by. */
enum top_sort { TOP_COUNT, TOP_PACKETS, TOP_BYTES, TOP_RATE, TOP_SORT_MAX };
static_assert(TOP_SORT_MAX == GROUP_SUMS, "a group has each of them");

struct top_flow {
	struct cts_flow_store store;
	uint64_t sum[GROUP_SUMS];
};

struct top {
	struct cmdline *cl;               /* what the command line selects, lent */
	struct parser *parser;            /* lent */
	struct selections *filter;        /* owned; of key f; NULL: none */
	char filter_text[TOP_TEXT_MAX];
	char by_text[TOP_TEXT_MAX];
	struct group_by by;
	enum top_sort sort;
	uint64_t every_ms;
	bool paused;

	enum top_view view, help_over;    /* help goes back to that */
	bool in_group;                    /* TOP_FLOWS: of one group alone */
	uint8_t group_key[GROUP_KEY_MAX];
	size_t group_len;
	size_t cursor, first;             /* the row that is chosen, the first that is shown */
	size_t group_cursor;              /* where TOP_GROUPS was left */
	struct top_flow chosen;           /* TOP_FLOW */
	bool chosen_gone;

	/* As the table was read last. */
	struct groups *groups;            /* owned */
	const struct group **group;       /* owned: the largest, in order */
	size_t n_groups;
	struct top_flow *flow;            /* owned, TOP_ROWS_MAX: the largest, in order */
	size_t n_flows;
	uint64_t flows_seen;              /* of the group that is looked into */
	struct counters counters[2];      /* owned: now, before */
	unsigned int now;                 /* which of them */
	bool rates, accounted;            /* rates are known; flows have counters */
	double seconds;                   /* since it was read before */
	uint64_t read_ns;                 /* monotonic */
	int64_t table_max;
	struct cts_labelmap *labels;      /* owned */
	struct cts_consumer consumer;
	char message[TOP_TEXT_MAX];       /* shown until the next key */
};

/* -- model.c -- */

int top_init(struct top *t, struct cmdline *cl, struct parser *parser);   /* -1 and errno */
void top_fini(struct top *t);
/* Read the table. 0, or -1 and errno. */
int top_refresh(struct top *t);
/* What is chosen: rows of the view, the flow under the cursor or NULL. */
size_t top_rows(const struct top *t);
const struct top_flow *top_flow_chosen(const struct top *t);
/* Delete it from the kernel; says in message how it went. */
void top_delete(struct top *t, const struct top_flow *flow);
/* Rates begin again: what is selected has changed. */
void top_forget_rates(struct top *t);

/* -- ask.c: each says in message what is wrong, and changes nothing then -- */

void top_set_filter(struct top *t, const char *text);
void top_set_by(struct top *t, const char *text);

/* -- keys.c -- */

enum top_key { TOP_KEY_UP = 0x10000, TOP_KEY_DOWN, TOP_KEY_PAGE_UP, TOP_KEY_PAGE_DOWN, TOP_KEY_HOME,
	       TOP_KEY_END, TOP_KEY_ENTER, TOP_KEY_BACK, TOP_KEY_OTHER };
/* What is left to do by whom has the terminal. */
enum top_action { TOP_NOTHING, TOP_REFRESH, TOP_QUIT, TOP_ASK_FILTER, TOP_ASK_BY, TOP_ASK_DELETE };
enum top_action top_key(struct top *t, int key, size_t page);

/* -- screen.c -- */

int screen_open(void);                /* -1: this terminal cannot */
void screen_close(void);
void screen_draw(struct top *t);
/* Rows of a page. */
size_t screen_page(void);
/* A character or enum top_key; -1: none came within ms. */
int screen_key(int ms);
/* Ask for a line of text, which begins as what is in buf. False: it was left with escape. */
bool screen_ask(const char *question, char *buf, size_t size);
bool screen_confirm(const char *question);

#endif
