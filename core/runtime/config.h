/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's configuration (libconfig), parsed and checked: DESIGN of conf/. */
#ifndef CTS_RUNTIME_CONFIG_H
#define CTS_RUNTIME_CONFIG_H

#include "core/plugin/loader.h"
#include "core/plugin/option_table.h"

/* One block of transports, filters or outputs. */
struct cts_config_block {
	const char *plugin;          /* its name */
	const void *ops;             /* struct cts_*_ops, from the loader */
	struct cts_options *options; /* owned */
};

/* cts_options_*() read the groups: names as in conf/, e.g.
 * cts_options_int(c->kernel, "reconcile_interval"). */
struct cts_config {
	char *path;
	struct cts_loader *loader;
	struct cts_options *top;      /* node, lock, plugin_path */
	struct cts_options *control;  /* socket, mode */
	struct cts_options *log;      /* target, level */
	struct cts_options *kernel;
	struct cts_options *cache;    /* limit */
	struct cts_options *sync;     /* NULL: statistics collector */
	struct cts_config_block *transports, *filters, *outputs;
	size_t n_transports, n_filters, n_outputs;
	void *libconfig;              /* keeps lent strings alive */
};

/* Load and check all of it, plugins' options included. NULL: reported. */
struct cts_config *cts_config_load(const char *path, struct cts_report *report);
void cts_config_free(struct cts_config *c);   /* takes NULL */

#endif
