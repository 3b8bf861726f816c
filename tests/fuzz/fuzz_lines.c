/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file of command lines: both passes give the same words, which are those that a
 * plain reading of the rules gives. */
#include "config.h"

#include <sys/mman.h>
#include <unistd.h>

#include "cli/conntrack/lines.h"
#include "tests/fuzz/fuzz_cli.h"

struct words {
	char text[2 * FUZZ_INPUT_MAX];   /* each ends with 1, each line with 2 */
	size_t len;
	bool refused;
};

size_t fuzz_seed(struct rng *r, uint8_t buf[FUZZ_INPUT_MAX])
{
	static const char *const joints[] = { "\n", "\r\n", "\n\n", "\n# no\n", "\t\"x y\"\n",
					      " \"\\\"\\\\\"\n", "\"a\"b\n", "\n   " };
	size_t len = 0;
	unsigned int i;

	for (i = rng_below(r, 6) + 1; i; i--) {
		const char *part[] = { fuzz_command_line(r), joints[rng_below(r, 8)] };

		for (int k = 0; k < 2; k++) {
			memcpy(buf + len, part[k], strlen(part[k]));
			len += strlen(part[k]);
		}
	}
	return len;
}

static void put(struct words *w, char c)
{
	fuzz_check(w->len < sizeof(w->text));
	w->text[w->len++] = c;
}

/* -- a plain reading -- */

static bool blank(char c)
{
	return c && strchr(" \t\r\v\f", c);
}

static void plain_line(struct words *w, const char *p)
{
	while (blank(*p))
		p++;
	if (!*p || *p == '#')
		return;
	while (*p && *p != '#') {       /* a comment behind the words */
		bool quoted = false, over = false;

		while (*p && !over && (quoted || !blank(*p))) {
			if (*p == '"') {
				over = quoted;
				quoted = !quoted;
			} else if (quoted && *p == '\\' && p[1]) {
				put(w, *++p);
			} else {
				put(w, *p);
			}
			p++;
		}
		w->refused |= quoted;
		put(w, 1);
		while (blank(*p))
			p++;
	}
	put(w, 2);
}

static void plain(struct words *w, const uint8_t *data, size_t size)
{
	char line[FUZZ_INPUT_MAX + 1];
	size_t i = 0, len;

	while (i < size && !w->refused) {
		for (len = 0; i < size && data[i] != '\n'; len++)
			line[len] = (char)data[i++];
		line[len] = '\0';
		i++;
		w->refused |= strlen(line) != len;
		if (!w->refused)
			plain_line(w, line);
	}
}

/* -- the reader -- */

static void read_words(struct words *w, struct lines *l, struct parser *p)
{
	struct rng r = { 1 };
	struct cmdline cl;
	int argc, i, more;
	char **argv;

	while ((more = lines_next(l, &argc, &argv)) > 0) {
		fuzz_check(argc > 1 && !argv[argc]);
		for (i = 1; w && i < argc; i++) {
			for (const char *c = argv[i]; *c; c++)
				put(w, *c);
			put(w, 1);
		}
		if (w)
			put(w, 2);
		if (!p)
			continue;
		cmdline_parse(p, &cl, lines_place(l), argc, argv);
		fuzz_use(&cl, &r);
	}
	fuzz_check(!more);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct words want, got;
	static struct parser *parser;
	static struct lines *l;
	static char path[64];
	static int fd = -1;

	if (size > FUZZ_INPUT_MAX)
		return 0;
	if (fd < 0) {
		fd = memfd_create("lines", MFD_CLOEXEC);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		parser = parser_create();
	}
	fuzz_check(parser && !ftruncate(fd, 0) && pwrite(fd, data, size, 0) == (ssize_t)size);
	want.len = got.len = 0;
	want.refused = false;
	got.refused = true;
	plain(&want, data, size);
	l = lines_open(path);
	fuzz_check(l);
	if (!setjmp(fuzz_mistake)) {
		read_words(&got, l, NULL);
		got.refused = false;
		lines_rewind(l);
		read_words(NULL, l, parser);
	}
	fuzz_check(want.refused == got.refused);
	fuzz_check(want.refused || (want.len == got.len && !memcmp(want.text, got.text, want.len)));
	lines_close(l);
	return 0;
}
