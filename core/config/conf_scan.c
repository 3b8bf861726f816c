/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A look at configuration files before libconfig reads them: it would wait at a
 * fifo, read a device for ever, and take 4294967297 for 1. */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/config/conf.h"
#include "core/config/conf_scan.h"

#define SCAN_DEPTH_MAX 10u /* libconfig's own limit of nested @include */

struct scan {
	struct cts_report *report;
	size_t total; /* bytes of all files so far */
	unsigned int depth;
};

struct scan_file {
	const char *path, *p;
	unsigned int line;
};

static int scan_path(struct scan *sc, const char *path, const char *from, unsigned int line);

/* -- reading -- */

static int fail(struct scan *sc, const char *path, const char *from, unsigned int line,
		const char *why)
{
	if (from)
		cts_report_error(sc->report, from, line, "@include %s: %s", path, why);
	else
		cts_report_error(sc->report, sc->report->file, 0, "%s", why);
	return -1;
}

static char *read_all(int fd, size_t size)
{
	char *text = malloc(size + 1);
	size_t have = 0;

	while (text && have < size) {
		ssize_t n = read(fd, text + have, size - have);

		if (n < 0) {
			free(text);
			return NULL;
		}
		if (n == 0)
			break;
		have += (size_t)n;
	}
	if (text)
		text[have] = '\0';
	return text;
}

/* NULL and *why. Non-blocking, because a fifo's open() would wait for a writer. */
static char *read_file(struct scan *sc, const char *path, const char **why, size_t *size)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	char *text = NULL;

	*why = NULL;
	if (fd < 0 || fstat(fd, &st) < 0)
		*why = strerror(errno);
	else if (S_ISDIR(st.st_mode))
		*why = "is a directory, allowed: a regular file";
	else if (!S_ISREG(st.st_mode))
		*why = "is not a regular file";
	else if ((uint64_t)st.st_size > CTS_CONFIG_FILE_MAX - sc->total)
		*why = "is too large, allowed: 8 MiB with all included files";
	else
		text = read_all(fd, (size_t)st.st_size);
	if (!text && !*why)
		*why = strerror(errno);
	else if (text)
		*size = (size_t)st.st_size;
	if (fd >= 0)
		close(fd);
	return text;
}

/* -- tokens -- */

static void skip_comment(struct scan_file *f)
{
	if (f->p[0] == '/' && f->p[1] == '*') {
		for (f->p += 2; *f->p && !(f->p[0] == '*' && f->p[1] == '/'); f->p++)
			f->line += *f->p == '\n';
		f->p += *f->p ? 2 : 0;
		return;
	}
	f->p += strcspn(f->p, "\n");
}

static void skip_string(struct scan_file *f)
{
	for (f->p++; *f->p && *f->p != '"'; f->p++) {
		if (*f->p == '\\' && f->p[1])
			f->p++;
		f->line += *f->p == '\n';
	}
	f->p += *f->p ? 1 : 0;
}

static int scan_number(struct scan *sc, struct scan_file *f)
{
	const char *begin = f->p;
	bool hex = begin[0] == '0' && (begin[1] | 0x20) == 'x';
	long long number;
	char *end;

	errno = 0;
	number = strtoll(begin, &end, hex ? 16 : 10);
	f->p = end;
	if (*end == '.' || (*end | 0x20) == 'e') {
		f->p += strspn(f->p, "0123456789.eE+-");
		return 0;
	}
	f->p += strspn(f->p, "L");
	if (errno == ERANGE) {
		cts_report_error(sc->report, f->path, f->line, "%.*s is too large a number",
				 (int)(end - begin), begin);
		return -1;
	}
	if (*end != 'L' && (number > INT32_MAX || number < INT32_MIN)) {
		cts_report_error(sc->report, f->path, f->line,
				 "%.*s is too large without a suffix, write %.*sL",
				 (int)(end - begin), begin, (int)(end - begin), begin);
		return -1;
	}
	return 0;
}

static int scan_include(struct scan *sc, struct scan_file *f)
{
	const char *begin = f->p + strlen("@include");
	char path[PATH_MAX];
	size_t len;

	begin += strspn(begin, " \t");
	f->p = begin;
	if (*begin++ != '"')
		return 0; /* a syntax error, which libconfig reports */
	len = strcspn(begin, "\"\n");
	if (len >= sizeof(path))
		return fail(sc, "...", f->path, f->line, "the path is too long");
	memcpy(path, begin, len);
	path[len] = '\0';
	f->p = begin + len + (begin[len] == '"');
	return scan_path(sc, path, f->path, f->line);
}

static int scan_token(struct scan *sc, struct scan_file *f)
{
	const char *p = f->p;

	if (*p == '#' || (*p == '/' && (p[1] == '/' || p[1] == '*'))) {
		skip_comment(f);
	} else if (*p == '"') {
		skip_string(f);
	} else if (strncmp(p, "@include", 8) == 0) {
		return scan_include(sc, f);
	} else if (isalpha((unsigned char)*p) || *p == '*') {
		for (; isalnum((unsigned char)*f->p) || (*f->p && strchr("-_*", *f->p)); f->p++)
			;
	} else if (isdigit((unsigned char)*p) ||
		   ((*p == '-' || *p == '+') && isdigit((unsigned char)p[1]))) {
		return scan_number(sc, f);
	} else {
		f->line += *p == '\n';
		f->p++;
	}
	return 0;
}

static int scan_path(struct scan *sc, const char *path, const char *from, unsigned int line)
{
	struct scan_file f = { .path = from ? path : sc->report->file, .line = 1 };
	const char *why;
	size_t size = 0;
	char *text;
	int rc = 0;

	if (sc->depth > SCAN_DEPTH_MAX)
		return fail(sc, path, from, line, "files include each other too deeply");
	text = read_file(sc, path, &why, &size);
	if (!text)
		return fail(sc, path, from, line, why);

	sc->total += size;
	sc->depth++;
	for (f.p = text; rc == 0 && *f.p;)
		rc = scan_token(sc, &f);
	if (rc == 0 && f.p != text + size) {
		cts_report_error(sc->report, f.path, f.line, "there is a NUL byte in it");
		rc = -1;
	}
	sc->depth--;
	free(text);
	return rc;
}

int cts_conf_scan(const char *path, struct cts_report *report)
{
	struct scan sc = { .report = report };

	return scan_path(&sc, path, NULL, 0);
}
