/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is typed at --top: words as on a command line. The parser ends the program at a
 * mistake, so a child tries them first, and what it says is shown.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/conntrack/top/top.h"

#define WORDS_MAX 64

static const struct place typed = { .file = NULL };

/* Words between blanks. Returns their number, that of the program included. */
static int split(char *text, char *argv[WORDS_MAX + 1])
{
	static char program[] = "conntrack";
	char *rest = NULL;
	int n = 0;

	argv[n++] = program;
	for (char *w = strtok_r(text, " \t", &rest); w && n < WORDS_MAX; w = strtok_r(NULL, " \t", &rest))
		argv[n++] = w;
	argv[n] = NULL;
	return n;
}

static struct selections *parse_filter(struct top *t, const char *text)
{
	struct selections *s = selections_create();
	char words[TOP_TEXT_MAX], *argv[WORDS_MAX + 1];
	struct cmdline sel;
	int argc;

	snprintf(words, sizeof(words), "%s", text);
	argc = split(words, argv);
	cmdline_parse_selection(t->parser, &sel, t->cl, &typed, argc, argv);
	if (s && selections_add(s, &sel) < 0) {
		selections_destroy(s);
		s = NULL;
	}
	return s;
}

static void try_filter(struct top *t, const char *text)
{
	selections_destroy(parse_filter(t, text));
}

static void try_by(struct top *t, const char *text)
{
	struct group_by by;

	(void)t;
	group_by_parse(&by, &typed, text, "by");
}

/* The first line of what the child said, without the program's name. */
static void keep_complaint(struct top *t, int fd)
{
	char said[1024];
	size_t len = 0;
	const char *text;
	ssize_t n;

	while (len < sizeof(said) - 1 && (n = read(fd, said + len, sizeof(said) - 1 - len)) > 0)
		len += (size_t)n;
	said[len] = '\0';
	said[strcspn(said, "\n")] = '\0';
	text = strstr(said, "): ");
	snprintf(t->message, sizeof(t->message), "%.*s", (int)sizeof(t->message) - 1,
		 text ? text + 3 : said);
}

static bool is_right(struct top *t, void (*try)(struct top *, const char *), const char *text)
{
	int fds[2], status = 0;
	pid_t child;

	if (pipe(fds) < 0)
		return false;
	child = fork();
	if (child == 0) {
		dup2(fds[1], STDERR_FILENO);
		try(t, text);
		_exit(EXIT_OK);
	}
	close(fds[1]);
	if (child > 0)
		keep_complaint(t, fds[0]);
	close(fds[0]);
	if (child < 0 || waitpid(child, &status, 0) < 0)
		return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_OK;
}

void top_set_filter(struct top *t, const char *text)
{
	struct selections *filter = NULL;

	if (*text) {
		if (!is_right(t, try_filter, text))
			return;
		filter = parse_filter(t, text);
		if (!filter)
			return;
	}
	selections_destroy(t->filter);
	t->filter = filter;
	snprintf(t->filter_text, sizeof(t->filter_text), "%s", text);
	top_forget_rates(t);
}

void top_set_by(struct top *t, const char *text)
{
	if (!is_right(t, try_by, text))
		return;
	group_by_parse(&t->by, &typed, text, "by");
	snprintf(t->by_text, sizeof(t->by_text), "%s", text);
	t->view = TOP_GROUPS;
	t->in_group = false;
	t->cursor = t->first = 0;
}
