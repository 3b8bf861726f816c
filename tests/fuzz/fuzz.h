/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fuzzer is one function that takes bytes (libFuzzer's entry point) and one
 * that makes a good input. Built with clang's libFuzzer only the first is used;
 * else tests/fuzz/fuzz_main.c mutates good inputs for a short time.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/flow_gen.h"

#define FUZZ_INPUT_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Write a well-formed input and return its length. */
size_t fuzz_seed(struct rng *r, uint8_t buf[FUZZ_INPUT_MAX]);

/* Unlike assert(), there in every build. */
#define fuzz_check(cond)                                                          \
	do {                                                                      \
		if (!(cond)) {                                                    \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			abort();                                                  \
		}                                                                 \
	} while (0)

#endif
