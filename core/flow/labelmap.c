/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Label names. A line is a bit and a name of letters, digits, blanks and hyphens; what is
 * no such line is passed over, as libnetfilter_conntrack does, and so is a bit or a name
 * that was there before. The library itself would cost every command its start.
 */
#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ctsync/labelmap.h>

#define LABELMAP_DEFAULT "/etc/xtables/connlabel.conf"
#define LABELMAP_BITS 1024u
#define LABELMAP_LINE 1024u

struct cts_labelmap {
	unsigned int n;
	char *name[LABELMAP_BITS]; /* owned, by bit; NULL: none */
};

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* The name in the rest of a line, without blanks around it; NULL: it is none. */
static char *take_name(char *text)
{
	char *end;

	while (is_space(*text))
		text++;
	end = text + strlen(text);
	while (end > text && is_space(end[-1]))
		end--;
	*end = '\0';
	for (const char *p = text; *p; p++)
		if (!is_alnum(*p) && *p != ' ' && *p != '-')
			return NULL;
	return *text ? text : NULL;
}

/* 0, or -1: no memory. */
static int take_line(struct cts_labelmap *map, char *line)
{
	unsigned long bit;
	char *end, *name;

	if (*line == '#')
		return 0;
	errno = 0;
	bit = strtoul(line, &end, 0);
	if (errno || end == line || bit >= LABELMAP_BITS || map->name[bit])
		return 0;
	name = take_name(end);
	if (!name || cts_labelmap_bit(map, name) >= 0)
		return 0;
	map->name[bit] = strdup(name);
	map->n += map->name[bit] != NULL;
	return map->name[bit] ? 0 : -1;
}

static int read_lines(struct cts_labelmap *map, FILE *fp)
{
	char line[LABELMAP_LINE];

	while (fgets(line, sizeof(line), fp))
		if (take_line(map, line) < 0)
			return -1;
	if (ferror(fp))
		return -1;
	errno = EINVAL;
	return map->n ? 0 : -1;
}

struct cts_labelmap *cts_labelmap_load(const char *path)
{
	FILE *fp = fopen(path ? path : LABELMAP_DEFAULT, "re");
	struct cts_labelmap *map;
	int saved;

	if (!fp)
		return NULL;
	map = calloc(1, sizeof(*map));
	if (map && read_lines(map, fp) < 0) {
		saved = errno;
		cts_labelmap_free(map);
		map = NULL;
		errno = saved;
	}
	saved = errno;
	fclose(fp);
	errno = saved;
	return map;
}

void cts_labelmap_free(struct cts_labelmap *map)
{
	for (unsigned int i = 0; map && i < LABELMAP_BITS; i++)
		free(map->name[i]);
	free(map);
}

const char *cts_labelmap_name(const struct cts_labelmap *map, unsigned int bit)
{
	return bit < LABELMAP_BITS ? map->name[bit] : NULL;
}

int cts_labelmap_bit(const struct cts_labelmap *map, const char *name)
{
	for (unsigned int i = 0; i < LABELMAP_BITS; i++)
		if (map->name[i] && !strcmp(map->name[i], name))
			return (int)i;
	return -1;
}
