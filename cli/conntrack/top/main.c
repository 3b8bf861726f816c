/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conntrack-top: what `conntrack --top` becomes. A program of its own, so that no other
 * command opens ncurses; it reads the same command line.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/conntrack/top/top.h"

#define MS_PER_S 1000

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * MS_PER_S + ts.tv_nsec / 1000000;
}

static void ask_delete(struct top *t)
{
	const struct top_flow *chosen = top_flow_chosen(t);
	struct top_flow flow;

	if (!chosen)
		return;
	/* A copy: reading the table moves the rows. */
	memset(&flow, 0, sizeof(flow));
	cts_flow_merge(&flow.store, &chosen->store.flow);
	if (screen_confirm("delete this flow? (y/n)"))
		top_delete(t, &flow);
	else
		snprintf(t->message, sizeof(t->message), "not deleted");
}

static bool act(struct top *t, enum top_action action)
{
	char text[TOP_TEXT_MAX];

	switch (action) {
	case TOP_ASK_FILTER:
		snprintf(text, sizeof(text), "%s", t->filter_text);
		if (screen_ask("filter:", text, sizeof(text)))
			top_set_filter(t, text);
		return true;
	case TOP_ASK_BY:
		snprintf(text, sizeof(text), "%s", t->by_text);
		if (screen_ask("group by:", text, sizeof(text)))
			top_set_by(t, text);
		return true;
	case TOP_ASK_DELETE:
		ask_delete(t);
		return true;
	default:
		return action == TOP_REFRESH;
	}
}

/* Keys until the next interval is due. 1: read the table, 0: quit. */
static int keys_until(struct top *t, int64_t due_ms)
{
	for (;;) {
		int64_t left = due_ms - now_ms();
		enum top_action action;
		int key;

		screen_draw(t);
		key = screen_key(t->paused ? -1 : left > 0 ? (int)left : 0);
		if (key < 0)
			return 1;
		action = top_key(t, key, screen_page());
		if (action == TOP_QUIT)
			return 0;
		if (act(t, action))
			return 1;
	}
}

static int run(struct top *t)
{
	for (;;) {
		if (top_refresh(t) < 0)
			return -1;
		if (!keys_until(t, now_ms() + (int64_t)t->every_ms))
			return 0;
	}
}

static int top_main(struct cmdline *cl, struct parser *parser)
{
	struct top t;
	int err = 0;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		die(EXIT_OTHER, "--top needs a terminal; -L --by shows the same once");
	if (top_init(&t, cl, parser) < 0)
		die(EXIT_OTHER, "not enough memory");
	t.sort = (enum top_sort)tally_sort(cl);
	/* Missing rights are reported on a whole screen. */
	if (top_refresh(&t) < 0)
		return report_failure(cl->command, errno);
	if (screen_open() < 0)
		die(EXIT_OTHER, "the terminal `%s' is not known here", getenv("TERM") ?: "");
	if (run(&t) < 0)
		err = errno;
	screen_close();
	top_fini(&t);
	return err ? report_failure(cl->command, err) : EXIT_OK;
}

int main(int argc, char *argv[])
{
	const struct place at = { .file = NULL };
	struct parser *p = parser_create();
	struct cmdline cl;
	int status;

	if (!p)
		die(EXIT_OTHER, "not enough memory");
	cmdline_parse(p, &cl, &at, argc, argv);
	if (cl.command->id != CMD_TOP)
		die(EXIT_PARAMETER, "this is what `conntrack --top' starts");
	if (cl.filter_path)
		filter_file_load(p, &cl);
	status = top_main(&cl, p);
	selections_destroy(cl.any_of);
	parser_destroy(p);
	return status;
}
