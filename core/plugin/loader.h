/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The loader (libltdl). Search path: CTS_PLUGIN_PATH (unless privileges were
 * gained by exec), plugin_path of the config, $(libdir)/ctsync.
 */
#ifndef CTS_PLUGIN_LOADER_H
#define CTS_PLUGIN_LOADER_H

#include <stdio.h>

#include <ctsync/filter.h>
#include <ctsync/output.h>
#include <ctsync/transport.h>

struct cts_loader;
struct cts_loader *cts_loader_create(const char *const *path, size_t n_path);
void cts_loader_destroy(struct cts_loader *l); /* closes all modules */

/*
 * The plugin `name` of this kind: its ops, zero-filled at the end where the
 * plugin is older. Loaded once, owned by the loader. NULL and errno, with the
 * reason (path, both ABI or kind numbers, whether the file exists) in
 * cts_loader_error().
 */
const void *cts_loader_get(struct cts_loader *l, enum cts_plugin_kind kind, const char *name);
const char *cts_loader_error(const struct cts_loader *l);

/* One call for each module that can be found, broken ones with plugin NULL. */
int cts_loader_each(struct cts_loader *l,
		    void (*fn)(void *ctx, const char *path, const struct cts_plugin *plugin,
			       const char *error),
		    void *ctx);
const char *cts_kind_name(enum cts_plugin_kind kind);

/* What `--plugins [NAME]` prints. 0, or -1 when NAME was not found. */
int cts_loader_describe(struct cts_loader *l, const char *name, FILE *fp);

#endif
