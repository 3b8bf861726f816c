/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Modules for test_loader, right and wrong in one way each: see Makefile.am.inc. */
#include "config.h"

#include <stddef.h>

#include <ctsync/output.h>

#ifndef MODULE_ABI
#define MODULE_ABI CTS_PLUGIN_ABI
#endif
#ifndef MODULE_SIZE
#define MODULE_SIZE sizeof(struct cts_output_ops)
#endif
#ifndef MODULE_KIND
#define MODULE_KIND CTS_KIND_OUTPUT
#endif

static void *module_create(const struct cts_options *opt)
{
	static char instance;

	return &instance;
}

static void module_destroy(void *priv)
{
}

#ifdef MODULE_UNRESOLVED
int cts_there_is_no_such_function(void);
#define MODULE_RESULT cts_there_is_no_such_function()
#else
#define MODULE_RESULT 0
#endif

static __attribute__((unused)) int module_consume(void *priv, const struct cts_batch *batch)
{
	return MODULE_RESULT;
}

static int module_flush(void *priv)
{
	return 42;
}

static const struct cts_option module_options[] = {
	{ .name = "colour", .type = CTS_OPT_CHOICE, .choices = "red blue", .def = "red",
	  .help = "what it looks like" },
	{ .name = "depth", .type = CTS_OPT_INT, .min = 1, .max = 9, .flags = CTS_OPT_REQUIRED,
	  .help = "how deep it goes" },
	{ .name = NULL }
};

#define GLUE_(a, b) a##b
#define GLUE(a, b) GLUE_(a, b)

extern const struct cts_output_ops GLUE(MODULE, _LTX_cts_plugin);
const struct cts_output_ops GLUE(MODULE, _LTX_cts_plugin) = {
	.plugin = { .abi = MODULE_ABI, .size = MODULE_SIZE, .kind = MODULE_KIND,
		    .name = MODULE_NAME, .version = "7.1", .summary = "a module for tests",
		    .options = module_options },
	.create = module_create,
	.destroy = module_destroy,
#ifndef MODULE_LACKS_CONSUME
	.consume = module_consume,
#endif
	.flush = module_flush,
};
