/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Labels by name: the map is read when the first label is named, and kept for the
 * command lines that follow. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/conntrack/conntrack.h"

#define DEFAULT_MAP "/etc/xtables/connlabel.conf"

void label_maps_fini(struct label_maps *maps)
{
	cts_labelmap_free(maps->map);
	free(maps->path);
	*maps = (struct label_maps){ NULL, NULL };
}

/* The map of this path, the default one's without. */
static const struct cts_labelmap *label_maps_get(struct label_maps *maps, const char *path)
{
	if (!path)
		path = DEFAULT_MAP;
	if (maps->map && !strcmp(maps->path, path))
		return maps->map;
	label_maps_fini(maps);
	maps->path = strdup(path);
	if (maps->path)
		maps->map = cts_labelmap_load(path);
	return maps->map;
}

/* A bit that has no name, as `-o save` writes it; -1: no number. */
static int bit_number(const char *text)
{
	char *end;
	unsigned long v;

	if (*text < '0' || *text > '9')
		return -1;
	v = strtoul(text, &end, 10);
	return *end || v > 0xffff ? -1 : (int)v;
}

struct label_words {
	const char *path;
	int err;                    /* why there is no map */
	const struct place *at;
	const struct cts_labelmap *map;
	uint32_t *words;
};

static void label_word(void *ctx, const char *text, size_t len)
{
	struct label_words *lw = ctx;
	char name[256];
	int bit = -1;

	if (len < sizeof(name)) {
		memcpy(name, text, len);
		name[len] = '\0';
		bit = lw->map ? cts_labelmap_bit(lw->map, name) : -1;
		if (bit < 0)
			bit = bit_number(name);
	}
	if (bit < 0 && !lw->map)
		die_at(lw->at, EXIT_PARAMETER, "label map %s: %s", lw->path, strerror(lw->err));
	if (bit < 0)
		die_at(lw->at, EXIT_PARAMETER, "unknown label '%.*s'", (int)len, text);
	if (bit >= LABEL_WORDS * 32)
		die_at(lw->at, EXIT_PARAMETER, "label '%s' is bit %d, kernels have 128", name, bit);
	lw->words[bit / 32] |= UINT32_C(1) << bit % 32;
}

void parse_labels(struct cmdline *cl, const char *text, uint32_t words[LABEL_WORDS])
{
	struct label_words lw = {
		.path = cl->labelmap_path ? cl->labelmap_path : DEFAULT_MAP, .at = &cl->at,
		.map = label_maps_get(cl->maps, cl->labelmap_path), .words = words,
	};

	lw.err = errno;
	cl->labels_named = true;
	each_word(&cl->at, text, label_word, &lw);
}
