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

/* A bit that has no name, as `-o save' writes it; -1: no number. */
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
	bool saved;                 /* numbers stand for bits */
	struct cmdline *cl;
	const struct cts_labelmap *map;
	const char *path;
	int err;                    /* why there is no map */
	uint32_t *words;
};

/* Kernels have 128 bits: no entry can have one above, and none can be set. */
static void label_too_high(struct label_words *lw, const char *text, size_t len, int bit)
{
	if (lw->words != lw->cl->labels)
		die_at(&lw->cl->at, EXIT_PARAMETER, "label '%.*s' is bit %d, kernels have 128",
		       (int)len, text, bit);
	lw->cl->label_impossible = true;
}

static void label_word(void *ctx, const char *text, size_t len)
{
	struct label_words *lw = ctx;
	char name[256];
	int bit = -1;

	if (len < sizeof(name)) {
		memcpy(name, text, len);
		name[len] = '\0';
		bit = lw->map ? cts_labelmap_bit(lw->map, name) : -1;
		if (bit < 0 && lw->saved)
			bit = bit_number(name);
	}
	if (bit < 0 && !lw->map)
		die_at(&lw->cl->at, EXIT_PARAMETER, "label map %s: %s", lw->path,
		       strerror(lw->err));
	if (bit < 0)
		die_at(&lw->cl->at, EXIT_PARAMETER, "unknown label '%.*s'", (int)len, text);
	if (bit >= LABEL_WORDS * 32)
		label_too_high(lw, text, len, bit);
	else
		lw->words[bit / 32] |= UINT32_C(1) << bit % 32;
}

void labels_note(struct cmdline *cl, const char *text, uint32_t *words)
{
	if (cl->n_label_lists == LABEL_LISTS_MAX)
		die_at(&cl->at, EXIT_PARAMETER, "more than %u options that name labels",
		       LABEL_LISTS_MAX);
	cl->label_lists[cl->n_label_lists++] = (struct label_list){ text, words };
}

static void label_words_init(struct label_words *lw, struct cmdline *cl, bool saved)
{
	*lw = (struct label_words){ .cl = cl, .saved = saved };
	lw->path = cl->labelmap_path ? cl->labelmap_path : DEFAULT_MAP;
	lw->map = label_maps_get(cl->maps, cl->labelmap_path);
	lw->err = errno;
}

void labels_take_saved(struct cmdline *cl, const char *text)
{
	struct label_words lw;

	label_words_init(&lw, cl, true);
	lw.words = cl->label_add;
	cl->given |= OPT_BIT(OPT_LABEL_ADD);
	each_word(&cl->at, text, label_word, &lw);
}

void labels_resolve(struct cmdline *cl)
{
	struct label_words lw;

	if (!cl->n_label_lists)
		return;
	label_words_init(&lw, cl, false);
	cl->output |= OUT_LABELS;   /* who names labels wants to see them */
	for (unsigned int i = 0; i < cl->n_label_lists; i++) {
		lw.words = cl->label_lists[i].words;
		each_word(&cl->at, cl->label_lists[i].text, label_word, &lw);
	}
}
