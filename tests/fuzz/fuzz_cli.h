/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For fuzzers of the command line: mistakes come back instead of ending the program,
 * and no file that an input names is opened.
 */
#ifndef TESTS_FUZZ_CLI_H
#define TESTS_FUZZ_CLI_H

#include <setjmp.h>

#include "cli/conntrack/conntrack.h"
#include "tests/fuzz/fuzz.h"

/* Where die_at() goes: set by `if (!setjmp(fuzz_mistake))` before anything that
 * may report one. */
extern jmp_buf fuzz_mistake;

/* A command line as a user could have written it, words split by blanks. */
const char *fuzz_command_line(struct rng *r);
/* A checked command line: use all that follows from it. */
void fuzz_use(struct cmdline *cl, struct rng *r);

#endif
