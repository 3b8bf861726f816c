/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/config/conf.h"
#include "core/config/conf_socket.h"

#define DEPTH_MAX 10u  /* libconfig's own limit of nested @include */
#define WORD_MAX 4096u /* longer ones are no path */

enum token { END, WORD, STRING, SIGN };

struct words {
	const char *p, *end;
	enum token token;
	char word[WORD_MAX]; /* of WORD and STRING */
	char sign;
};

/* What is looked for, over all files. */
struct search {
	char *buf;
	size_t size;
	unsigned int depth;
	unsigned int braces; /* open since that of control; 0: outside */
	int found;           /* 0: not yet; 1; -1 with errno ENAMETOOLONG */
};

/* -- words of a file -- */

static void skip_to(struct words *w, const char *what)
{
	const char *at = memmem(w->p, (size_t)(w->end - w->p), what, strlen(what));

	w->p = at ? at + strlen(what) : w->end;
}

static bool begins(const struct words *w, const char *what)
{
	size_t len = strlen(what);

	return (size_t)(w->end - w->p) >= len && !memcmp(w->p, what, len);
}

static void skip_blanks_and_comments(struct words *w)
{
	while (w->p < w->end) {
		if (isspace((unsigned char)*w->p))
			w->p++;
		else if (*w->p == '#' || begins(w, "//"))
			skip_to(w, "\n");
		else if (begins(w, "/*"))
			skip_to(w, "*/");
		else
			return;
	}
}

/* Up to the closing quote, or to the end of a line on which it is missing. */
static void read_string(struct words *w)
{
	size_t len = 0;

	for (w->p++; w->p < w->end && *w->p != '"' && *w->p != '\n'; w->p++) {
		if (*w->p == '\\' && w->p + 1 < w->end)
			w->p++;
		if (len < WORD_MAX - 1)
			w->word[len++] = *w->p;
	}
	w->p += w->p < w->end;
	w->word[len] = '\0';
	w->token = STRING;
}

static bool in_word(char c)
{
	return isalnum((unsigned char)c) || memchr("_-*@", c, 4);
}

static void read_word(struct words *w)
{
	size_t len = 0;

	for (; w->p < w->end && in_word(*w->p); w->p++)
		if (len < WORD_MAX - 1)
			w->word[len++] = *w->p;
	w->word[len] = '\0';
	w->token = WORD;
}

static enum token next(struct words *w)
{
	skip_blanks_and_comments(w);
	if (w->p == w->end) {
		w->token = END;
	} else if (*w->p == '"') {
		read_string(w);
	} else if (in_word(*w->p)) {
		read_word(w);
	} else {
		w->token = SIGN;
		w->sign = *w->p++;
	}
	return w->token;
}

static bool is_word(const struct words *w, const char *word)
{
	return w->token == WORD && strcmp(w->word, word) == 0;
}

static bool is_sign(const struct words *w, const char *signs)
{
	return w->token == SIGN && w->sign && strchr(signs, w->sign);
}

/* -- the search -- */

static int search_file(struct search *s, const char *path);

static void found(struct search *s, const char *value)
{
	size_t len = strlen(value);

	s->found = len < s->size ? 1 : -1;
	if (s->found > 0)
		memcpy(s->buf, value, len + 1);
	else
		errno = ENAMETOOLONG;
}

/* control = { ... socket = "PATH" ... }, at whatever depth a missing brace puts it. */
static void search_words(struct search *s, struct words *w)
{
	next(w);
	while (w->token != END && !s->found) {
		bool control = is_word(w, "control"), socket = s->braces && is_word(w, "socket");
		bool include = is_word(w, "@include");

		if (s->braces && is_sign(w, "{}"))
			s->braces += w->sign == '{' ? 1 : -1u;
		next(w);
		if (include && w->token == STRING)
			search_file(s, w->word);
		if ((!control && !socket) || !is_sign(w, "=:"))
			continue;
		next(w);
		if (control && is_sign(w, "{")) {
			s->braces = 1;
			next(w);
		} else if (socket && s->braces == 1 && w->token == STRING) {
			found(s, w->word);
		}
	}
}

static char *read_file(const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	char *text = NULL;
	ssize_t n = -1;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) < 0)
		goto out;
	if (!S_ISREG(st.st_mode) || st.st_size > CTS_CONFIG_FILE_MAX) {
		errno = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
		goto out;
	}
	text = malloc((size_t)st.st_size + 1);
	n = text ? read(fd, text, (size_t)st.st_size) : -1;
	*len = n > 0 ? (size_t)n : 0;
out:
	if (n < 0) {
		int error = errno;

		free(text);
		text = NULL;
		close(fd);
		errno = error;
		return NULL;
	}
	close(fd);
	return text;
}

static int search_file(struct search *s, const char *path)
{
	struct words *w;
	size_t len;
	char *text;

	if (s->depth == DEPTH_MAX)
		return 0;
	text = read_file(path, &len);
	w = text ? malloc(sizeof(*w)) : NULL;
	if (w) {
		w->p = text;
		w->end = text + len;
		s->depth++;
		search_words(s, w);
		s->depth--;
	}
	free(w);
	free(text);
	return w ? 0 : -1;
}

static const char *default_socket(void)
{
	const struct cts_option *o = cts_config_table("control");

	while (strcmp(o->name, "socket") != 0)
		o++;
	return o->def;
}

int cts_conf_socket(const char *path, char *buf, size_t size)
{
	struct search s = { .buf = buf, .size = size };

	if (path && search_file(&s, path) < 0)
		return -1;
	if (!s.found)
		found(&s, default_socket());
	return s.found > 0 ? 0 : -1;
}
