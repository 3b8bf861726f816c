/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words of a command line, split at blanks and NUL bytes: refused with a message, or
 * good for all that is done with them. */
#include "config.h"

#include "tests/fuzz/fuzz_cli.h"

#define WORDS_MAX 256

size_t fuzz_seed(struct rng *r, uint8_t buf[FUZZ_INPUT_MAX])
{
	const char *text = fuzz_command_line(r);
	size_t len = strlen(text);

	memcpy(buf, text, len);
	return len;
}

/* Each word in a block of its own, so that a sanitizer sees one byte too many. */
static int split(const uint8_t *data, size_t size, char *argv[WORDS_MAX + 1])
{
	int argc = 1;
	size_t i = 0;

	argv[0] = strdup("conntrack");
	while (i < size && argc < WORDS_MAX) {
		size_t len = 0;

		while (i + len < size && data[i + len] && data[i + len] != ' ')
			len++;
		argv[argc] = malloc(len + 1);
		fuzz_check(argv[argc]);
		memcpy(argv[argc], data + i, len);
		argv[argc++][len] = '\0';
		i += len + 1;
	}
	argv[argc] = NULL;
	return argc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct parser *parser;     /* as for the lines of a file */
	const struct place at = { .file = "fuzz", .line = 1 };
	struct rng r = { size + 1 };
	char *argv[WORDS_MAX + 1];
	struct cmdline cl;
	int argc = split(data, size, argv);

	if (!parser)
		parser = parser_create();
	fuzz_check(parser);
	if (!setjmp(fuzz_mistake)) {
		cmdline_parse(parser, &cl, &at, argc, argv);
		fuzz_check(cl.command);
		fuzz_use(&cl, &r);
	}
	while (argc--)
		free(argv[argc]);
	return 0;
}
