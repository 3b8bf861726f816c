/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading files of command lines: blocks, lines in them, words in those. */
#include "config.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/conntrack/lines.h"

#define LINES_HALVE_MIN (512 << 10)   /* bytes: a thread is worth it */

struct lines {
	int fd;
	struct place at;
	uint64_t left;                  /* bytes that may still be read */
	uint64_t taken;                 /* where the next ones are read: bytes of the file */
	size_t start, end;              /* buf[start..end) is not split yet */
	struct saved_words saved;       /* of the last line */
	char *argv[LINES_WORDS_MAX + 1];
	/* Room for the NUL of a last line without line feed, and to read words at a time. */
	char buf[LINES_BYTES_MAX + 1 + sizeof(uint64_t)];
};

static int spool_open(void)
{
	const char *dir = getenv("TMPDIR");
	char path[4096];
	int fd;

	if (!dir || !*dir)
		dir = "/tmp";
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	if (snprintf(path, sizeof(path), "%s/conntrack.XXXXXX", dir) >= (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static ssize_t read_some(int fd, char *buf, size_t size)
{
	ssize_t n;

	do
		n = read(fd, buf, size);
	while (n < 0 && errno == EINTR);
	return n;
}

static ssize_t read_at(int fd, char *buf, size_t size, uint64_t at)
{
	ssize_t n;

	do
		n = pread(fd, buf, size, (off_t)at);
	while (n < 0 && errno == EINTR);
	return n;
}

/* Put a copy of what l->fd still gives in its place. 0, or -1 and errno. */
static int spool(struct lines *l)
{
	int copy = spool_open();
	ssize_t n;

	if (copy < 0)
		return -1;
	while ((n = read_some(l->fd, l->buf, sizeof(l->buf))) > 0) {
		if (write_all(copy, l->buf, (size_t)n) < 0)
			n = -1;
		if (n < 0)
			break;
	}
	if (n < 0) {
		int saved = errno;

		close(copy);
		errno = saved;
		return -1;
	}
	close(l->fd);
	l->fd = copy;
	return 0;
}

struct lines *lines_open(const char *path)
{
	struct lines *l = malloc(sizeof(*l));
	bool input = !strcmp(path, "-");
	struct stat st;
	int saved;

	if (!l)
		return NULL;
	l->fd = input ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : open(path, O_RDONLY | O_CLOEXEC);
	l->at = (struct place){ .file = input ? "standard input" : path };
	l->left = UINT64_MAX;
	l->taken = 0;
	l->start = l->end = 0;
	if (l->fd < 0 || fstat(l->fd, &st) < 0)
		goto err;
	if ((input || !S_ISREG(st.st_mode)) && spool(l) < 0)
		goto err;
	return l;
err:
	saved = errno;
	lines_close(l);
	errno = saved;
	return NULL;
}

void lines_close(struct lines *l)
{
	if (l && l->fd >= 0)
		close(l->fd);
	free(l);
}

const struct place *lines_place(const struct lines *l)
{
	return &l->at;
}

void lines_rewind(struct lines *l)
{
	l->left = l->taken;
	l->taken = 0;
	l->start = l->end = 0;
	l->at.line = 0;
	l->at.again = true;
}

/* -- halves -- */

/* Where a line begins near the middle of the file; 0: nowhere. */
static uint64_t middle(struct lines *l)
{
	struct stat st;
	uint64_t at;
	ssize_t n;
	char *feed;

	if (fstat(l->fd, &st) < 0 || st.st_size < LINES_HALVE_MIN)
		return 0;
	at = (uint64_t)st.st_size / 2;
	n = read_at(l->fd, l->buf, LINES_BYTES_MAX, at);
	feed = n > 0 ? memchr(l->buf, '\n', (size_t)n) : NULL;
	return feed ? at + (uint64_t)(feed - l->buf) + 1 : 0;
}

struct lines *lines_halve(struct lines *l)
{
	uint64_t at = middle(l);
	struct lines *second = at ? malloc(sizeof(*second)) : NULL;

	if (!second)
		return NULL;
	second->fd = fcntl(l->fd, F_DUPFD_CLOEXEC, 0);
	second->at = l->at;
	second->left = UINT64_MAX;
	second->taken = at;
	second->start = second->end = 0;
	if (second->fd < 0) {
		free(second);
		return NULL;
	}
	l->left = at;
	return second;
}

void lines_join(struct lines *l, const struct lines *second)
{
	if (second)
		l->taken = second->taken;
	l->left = second ? 0 : UINT64_MAX;
}

void lines_on_trial(struct lines *l, jmp_buf *end)
{
	l->at.trial = end;
}

/* More bytes behind those that are there. 1: some came, 0: there are no more. */
static int fill(struct lines *l)
{
	size_t room;
	ssize_t n;

	if (l->start) {
		memmove(l->buf, l->buf + l->start, l->end - l->start);
		l->end -= l->start;
		l->start = 0;
	}
	room = LINES_BYTES_MAX - l->end;
	if (!room) {
		l->at.line++;
		die_at(&l->at, EXIT_PARAMETER, "line is longer than %u bytes", LINES_BYTES_MAX - 1);
	}
	if (room > l->left)
		room = (size_t)l->left;
	n = room ? read_at(l->fd, l->buf + l->end, room, l->taken) : 0;
	if (n <= 0)
		return (int)n;
	l->end += (size_t)n;
	l->taken += (uint64_t)n;
	l->left -= (uint64_t)n;
	return 1;
}

/* The next line, NUL in the place of its line feed. 1, 0 or -1 as lines_next(). */
static int next_line(struct lines *l, char **line, size_t *len)
{
	char *feed = NULL;
	size_t seen = 0;

	for (;;) {
		int more;

		if (l->end - l->start > seen)
			feed = memchr(l->buf + l->start + seen, '\n', l->end - l->start - seen);
		if (feed)
			break;
		seen = l->end - l->start;
		more = fill(l);
		if (more < 0)
			return -1;
		if (!more)
			break;
	}
	if (!feed && l->start == l->end)
		return 0;
	if (!feed)
		feed = l->buf + l->end;
	*feed = '\0';
	*line = l->buf + l->start;
	*len = (size_t)(feed - *line);
	l->start = feed == l->buf + l->end ? l->end : l->start + *len + 1;
	l->at.line++;
	return 1;
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r' && c != '\n');
}

/* How many bytes at p are above the blank and no quote, eight at a time: words are many. */
static size_t plain_bytes(const char *p)
{
	const uint64_t ones = UINT64_MAX / 255, tops = ones << 7;
	const char *start = p;

	for (;; p += sizeof(uint64_t)) {
		uint64_t v, quotes, ends;

		memcpy(&v, p, sizeof(v));
		v = le64toh(v);
		quotes = v ^ ones * '"';
		/* A byte below the subtrahend borrows into its top bit. The first is exact. */
		ends = (((v - ones * (' ' + 1)) & ~v) | ((quotes - ones) & ~quotes)) & tops;
		if (ends)
			return (size_t)(p - start) + (size_t)__builtin_ctzll(ends) / 8;
	}
}

/* Take quotes and backslashes out of the word at from and end it. Returns where the
 * search for the next one goes on. */
static char *take_word(const struct lines *l, char *from)
{
	bool quoted = false;
	char *to;

	from += plain_bytes(from);
	for (to = from; *from; from++) {
		if (!quoted && is_blank(*from))
			break;
		if (*from == '"') {
			if (quoted) {
				*to = '\0';
				return from + 1;
			}
			quoted = true;
			continue;
		}
		if (quoted && *from == '\\' && from[1])
			from++;
		*to++ = *from;
	}
	if (quoted)
		die_at(&l->at, EXIT_PARAMETER, "a quote is not closed");
	if (*from)
		from++;
	*to = '\0';
	return from;
}

/* A comment behind a line; only what `-o save' writes there has a meaning. */
static void read_comment(struct lines *l, char *p)
{
	char *state, *word;

	for (word = strtok_r(p, " \t\r\v\f", &state); word;
	     word = strtok_r(NULL, " \t\r\v\f", &state)) {
		if (!strncmp(word, "labels=", 7))
			l->saved.labels = word + 7;
		else if (!strncmp(word, "helper=", 7))
			l->saved.helper = word + 7;
		else if (!strcmp(word, "vtags"))
			l->saved.tags = true;
	}
}

const struct saved_words *lines_saved(const struct lines *l)
{
	return &l->saved;
}

/* Words of a line into l->argv. Returns their number with that of the program. */
static int split(struct lines *l, char *p)
{
	static char program[] = "conntrack";
	int n = 0;

	l->saved = (struct saved_words){ NULL };
	l->argv[n++] = program;
	for (;;) {
		while (is_blank(*p))
			p++;
		if (*p == '#')
			read_comment(l, p + 1);
		if (!*p || *p == '#')
			break;
		if (n == (int)LINES_WORDS_MAX)
			die_at(&l->at, EXIT_PARAMETER, "more than %u words", LINES_WORDS_MAX - 1);
		l->argv[n++] = p;
		p = take_word(l, p);
	}
	l->argv[n] = NULL;
	return n;
}

int lines_next(struct lines *l, int *argc, char ***argv)
{
	char *line;
	size_t len;
	int more;

	while ((more = next_line(l, &line, &len)) > 0) {
		if (memchr(line, '\0', len))
			die_at(&l->at, EXIT_PARAMETER, "a NUL byte is no text");
		while (is_blank(*line))
			line++;
		if (!*line || *line == '#')
			continue;
		*argc = split(l, line);
		*argv = l->argv;
		return 1;
	}
	return more;
}
