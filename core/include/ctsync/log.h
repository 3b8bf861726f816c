/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Log lines: `subject: what failed: strerror`, lower case, no full stop. errno is
 * kept. err: cannot do what was asked; warn: goes on with less; info: start, stop,
 * peers; debug: per message, off by default. Nothing per event above debug.
 */
#ifndef CTS_LOG_H
#define CTS_LOG_H

#ifdef __cplusplus
extern "C" {
#endif

enum cts_log_level { CTS_LOG_ERR, CTS_LOG_WARN, CTS_LOG_INFO, CTS_LOG_DEBUG };

void cts_log(enum cts_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define cts_err(...) cts_log(CTS_LOG_ERR, __VA_ARGS__)
#define cts_warn(...) cts_log(CTS_LOG_WARN, __VA_ARGS__)
#define cts_info(...) cts_log(CTS_LOG_INFO, __VA_ARGS__)
#define cts_debug(...) cts_log(CTS_LOG_DEBUG, __VA_ARGS__)

#ifdef __cplusplus
}
#endif
#endif /* CTS_LOG_H */
