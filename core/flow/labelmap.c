/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Label names, read by the library that also defines the file's format. */
#include "config.h"

#include <libnetfilter_conntrack/libnetfilter_conntrack.h>

#include <ctsync/labelmap.h>

/* The library's getters take a pointer to non-const but change nothing. */
static struct nfct_labelmap *inner(const struct cts_labelmap *map)
{
	return (struct nfct_labelmap *)(uintptr_t)map;
}

struct cts_labelmap *cts_labelmap_load(const char *path)
{
	return (struct cts_labelmap *)nfct_labelmap_new(path);
}

void cts_labelmap_free(struct cts_labelmap *map)
{
	if (map)
		nfct_labelmap_destroy(inner(map));
}

const char *cts_labelmap_name(const struct cts_labelmap *map, unsigned int bit)
{
	return nfct_labelmap_get_name(inner(map), bit);
}

int cts_labelmap_bit(const struct cts_labelmap *map, const char *name)
{
	return nfct_labelmap_get_bit(inner(map), name);
}
