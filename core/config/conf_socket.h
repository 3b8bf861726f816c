/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the daemon takes commands, out of a file that may be broken otherwise. */
#ifndef CTS_CONFIG_CONF_SOCKET_H
#define CTS_CONFIG_CONF_SOCKET_H

#include <stddef.h>

/*
 * control.socket of the file at path, or its default, into buf. Only that one key is
 * looked for, in included files, too (relative to the current folder): a mistake
 * elsewhere must not keep anybody from asking a daemon that runs. path NULL: the default. 0; -1
 * with errno: the file cannot be read; ENAMETOOLONG: the value does not fit.
 */
int cts_conf_socket(const char *path, char *buf, size_t size);

#endif
