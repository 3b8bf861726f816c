/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The driver where there is no libFuzzer: reproducible mutations of good inputs.
 *   fuzz_x [SEED [ROUNDS]]   or   fuzz_x FILE...   to repeat a finding
 *   fuzz_x -w FOLDER         writes good inputs there, for another fuzzer to begin with
 */
#include "config.h"

#include "tests/fuzz/fuzz.h"

#define ROUNDS 300000
#define WRITTEN 200

static void mutate(struct rng *r, uint8_t *buf, size_t *len)
{
	for (uint32_t n = 1 + rng_below(r, 4); n && *len; n--) {
		size_t at = rng_below(r, (uint32_t)*len);

		switch (rng_below(r, 5)) {
		case 0: /* one bit */
			buf[at] ^= (uint8_t)(1 << rng_below(r, 8));
			break;
		case 1:
			buf[at] = (uint8_t)rng_number(r, 8);
			break;
		case 2: /* cut */
			*len = at;
			break;
		case 3: /* take out a piece */
			memmove(buf + at, buf + at + 1, *len - at - 1);
			--*len;
			break;
		default: /* copy one place over another */
			buf[at] = buf[rng_below(r, (uint32_t)*len)];
			break;
		}
	}
}

/* In a block of exactly its size, so that a sanitizer sees one byte too many. */
static void run(const uint8_t *data, size_t len)
{
	uint8_t *exact = malloc(len ? len : 1);

	fuzz_check(exact);
	if (len)
		memcpy(exact, data, len);
	LLVMFuzzerTestOneInput(exact, len);
	free(exact);
}

static int repeat(const char *path)
{
	uint8_t buf[FUZZ_INPUT_MAX];
	FILE *fp = fopen(path, "rbe");

	if (!fp) {
		perror(path);
		return 1;
	}
	run(buf, fread(buf, 1, sizeof(buf), fp));
	fclose(fp);
	return 0;
}

static int write_seeds(const char *folder)
{
	uint8_t buf[FUZZ_INPUT_MAX];
	struct rng r = { 1 };

	for (unsigned int i = 0; i < WRITTEN; i++) {
		size_t len = fuzz_seed(&r, buf);
		char path[4096];
		FILE *fp;

		snprintf(path, sizeof(path), "%s/seed%u", folder, i);
		fp = fopen(path, "wbe");
		if (!fp || fwrite(buf, 1, len, fp) != len || fclose(fp)) {
			perror(path);
			return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	char *end = NULL;
	uint64_t seed = argc > 1 ? strtoull(argv[1], &end, 0) : 1;
	uint64_t rounds = argc > 2 ? strtoull(argv[2], NULL, 0) : ROUNDS;
	struct rng r = { seed ? seed : 1 };
	uint8_t buf[FUZZ_INPUT_MAX];

	if (argc == 3 && !strcmp(argv[1], "-w"))
		return write_seeds(argv[2]);
	if (end && *end) {
		int failed = 0;

		for (int i = 1; i < argc; i++)
			failed |= repeat(argv[i]);
		return failed;
	}
	for (uint64_t i = 0; i < rounds; i++) {
		size_t len = fuzz_seed(&r, buf);

		mutate(&r, buf, &len);
		run(buf, len);
	}
	printf("%llu inputs from seed %llu\n", (unsigned long long)rounds,
	       (unsigned long long)seed);
	return 0;
}
