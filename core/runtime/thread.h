/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CTS_RUNTIME_THREAD_H
#define CTS_RUNTIME_THREAD_H

#include <pthread.h>

/* A thread that leaves signals to the others. 0, or an errno: without a second core it is
 * ENOTSUP, as there is nothing to win. */
int cts_thread_start(pthread_t *thread, void *(*run)(void *ctx), void *ctx);

#endif
