/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of connection label bits, as in /etc/xtables/connlabel.conf. */
#ifndef CTS_LABELMAP_H
#define CTS_LABELMAP_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cts_labelmap;

/* path NULL: the default file. NULL and errno (ENOENT, EINVAL: no label in it). */
struct cts_labelmap *cts_labelmap_load(const char *path);
void cts_labelmap_free(struct cts_labelmap *map);                                /* takes NULL */
const char *cts_labelmap_name(const struct cts_labelmap *map, unsigned int bit); /* or NULL */
int cts_labelmap_bit(const struct cts_labelmap *map, const char *name);          /* or -1 */

#ifdef __cplusplus
}
#endif
#endif /* CTS_LABELMAP_H */
