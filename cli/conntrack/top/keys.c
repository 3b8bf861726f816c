/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What keys mean. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "cli/conntrack/top/top.h"

#define EVERY_MIN_MS 250u
#define EVERY_MAX_MS 60000u

static void move_to(struct top *t, size_t row)
{
	size_t n = top_rows(t);

	t->cursor = row < n ? row : n ? n - 1 : 0;
}

static bool move(struct top *t, int key, size_t page)
{
	switch (key) {
	case 'k': case TOP_KEY_UP:
		move_to(t, t->cursor ? t->cursor - 1 : 0);
		return true;
	case 'j': case TOP_KEY_DOWN:
		move_to(t, t->cursor + 1);
		return true;
	case TOP_KEY_PAGE_UP:
		move_to(t, t->cursor > page ? t->cursor - page : 0);
		return true;
	case TOP_KEY_PAGE_DOWN:
		move_to(t, t->cursor + page);
		return true;
	case 'g': case TOP_KEY_HOME:
		move_to(t, 0);
		return true;
	case 'G': case TOP_KEY_END:
		move_to(t, SIZE_MAX);
		return true;
	default:
		return false;
	}
}

static void list_flows(struct top *t, bool in_group)
{
	t->group_cursor = t->cursor;
	t->view = TOP_FLOWS;
	t->in_group = in_group;
	t->cursor = t->first = 0;
}

static enum top_action look_into(struct top *t)
{
	if (t->view == TOP_GROUPS && t->cursor < t->n_groups) {
		const struct group *g = t->group[t->cursor];

		memcpy(t->group_key, g->key, g->len);
		t->group_len = g->len;
		list_flows(t, true);
		return TOP_REFRESH;
	}
	if (t->view == TOP_FLOWS && t->cursor < t->n_flows) {
		memset(&t->chosen.store, 0, sizeof(t->chosen.store));
		cts_flow_merge(&t->chosen.store, &t->flow[t->cursor].store.flow);
		memcpy(t->chosen.sum, t->flow[t->cursor].sum, sizeof(t->chosen.sum));
		t->chosen_gone = false;
		t->view = TOP_FLOW;
	}
	return TOP_NOTHING;
}

static enum top_action go_back(struct top *t)
{
	if (t->view == TOP_HELP) {
		t->view = t->help_over;
		return TOP_NOTHING;
	}
	if (t->view == TOP_FLOW) {
		t->view = TOP_FLOWS;
		return TOP_REFRESH;
	}
	if (t->view == TOP_FLOWS) {
		t->view = TOP_GROUPS;
		t->in_group = false;
		t->first = 0;
		move_to(t, t->group_cursor);
	}
	return TOP_NOTHING;
}

static void help(struct top *t)
{
	if (t->view == TOP_HELP)
		return;
	t->help_over = t->view;
	t->view = TOP_HELP;
}

static void change_every(struct top *t, bool longer)
{
	t->every_ms = longer ? t->every_ms * 2 : t->every_ms / 2;
	if (t->every_ms < EVERY_MIN_MS)
		t->every_ms = EVERY_MIN_MS;
	if (t->every_ms > EVERY_MAX_MS)
		t->every_ms = EVERY_MAX_MS;
}

enum top_action top_key(struct top *t, int key, size_t page)
{
	t->message[0] = '\0';
	if (move(t, key, page))
		return TOP_NOTHING;
	switch (key) {
	case 'q':
		return TOP_QUIT;
	case TOP_KEY_ENTER:
		return look_into(t);
	case TOP_KEY_BACK:
		return go_back(t);
	case 'a':
		if (t->view == TOP_GROUPS)
			list_flows(t, false);
		return TOP_REFRESH;
	case 's':
		t->sort = (t->sort + 1) % TOP_SORT_MAX;
		return TOP_REFRESH;
	case 'p':
		t->paused = !t->paused;
		return TOP_NOTHING;
	case '+': case '-':
		change_every(t, key == '+');
		return TOP_NOTHING;
	case ' ':
		return TOP_REFRESH;
	case 'b':
		return TOP_ASK_BY;
	case 'f':
		return TOP_ASK_FILTER;
	case 'd':
		if (top_flow_chosen(t))
			return TOP_ASK_DELETE;
		snprintf(t->message, sizeof(t->message), "choose a flow first: Enter looks into a group");
		return TOP_NOTHING;
	case 'h': case '?':
		help(t);
		return TOP_NOTHING;
	default:
		return TOP_NOTHING;
	}
}
