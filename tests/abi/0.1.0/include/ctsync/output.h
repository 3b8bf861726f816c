/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CTS_OUTPUT_H
#define CTS_OUTPUT_H

#include <stdio.h>

#include <ctsync/event.h>
#include <ctsync/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * An output consumes batches of events. create(), destroy() and consume() are
 * mandatory, any other field may be NULL. All calls come from the main loop, one
 * at a time, and must not block.
 */
struct cts_output_ops {
	struct cts_plugin plugin;
	/* One instance for each config block; opt is checked and outlives the
	 * instance. NULL: failed, with errno; the plugin has logged why. */
	void *(*create)(const struct cts_options *opt);
	/* Release what create() gave. Called once for each instance. */
	void (*destroy)(void *priv);
	/* The batch is lent: copy what must outlive the call. 0, or -1 and errno;
	 * the core counts failures and goes on. */
	int (*consume)(void *priv, const struct cts_batch *batch);
	/* End of a loop turn: hand on what is buffered. 0, or -1 and errno. */
	int (*flush)(void *priv);
	/* SIGHUP: close and open files again. 0, or -1 and errno (goes on with the old). */
	int (*rotate)(void *priv);
	/* Write what is known so far (statistics) as text to fp. */
	void (*snapshot)(void *priv, FILE *fp);
};

#ifdef __cplusplus
}
#endif
#endif /* CTS_OUTPUT_H */
