/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The client's side of the control socket; it may block. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/runtime/control.h"

static int connect_to(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	int fd, saved;

	if (len >= sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(sun.sun_path, path, len + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static int send_words(int fd, int argc, const char *const *argv)
{
	char line[CTS_CONTROL_LINE_MAX];
	size_t used = 0;

	for (int i = 0; i < argc; i++) {
		int n = snprintf(line + used, sizeof(line) - used, "%s%c", argv[i],
				 i + 1 < argc ? ' ' : '\n');

		if (n < 0 || (size_t)n >= sizeof(line) - used) {
			errno = E2BIG;
			return -1;
		}
		used += (size_t)n;
	}
	return send(fd, line, used, MSG_NOSIGNAL) == (ssize_t)used ? 0 : -1;
}

/* What follows the NUL byte: "status\nmessage". */
static int parse_trailer(char *text, FILE *err)
{
	char *end;
	long status;

	errno = 0;
	status = strtol(text, &end, 10);
	if (end == text || *end != '\n' || errno || status < 0 || status > 255) {
		errno = EPROTO;
		return -1;
	}
	fputs(end + 1, err);
	return (int)status;
}

static int read_answer(int fd, FILE *out, FILE *err)
{
	char buf[65536], trailer[1024];
	size_t kept = 0;
	bool text = true;
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0 || (n < 0 && errno == EINTR)) {
		size_t len = n > 0 ? (size_t)n : 0, plain = len;
		char *nul = text ? memchr(buf, '\0', len) : NULL;

		if (nul)
			plain = (size_t)(nul - buf);
		if (text)
			fwrite(buf, 1, plain, out);
		else
			plain = 0;
		if (nul) {
			text = false;
			plain++;
		}
		if (text)
			continue;
		len -= plain;
		if (len > sizeof(trailer) - 1 - kept)
			len = sizeof(trailer) - 1 - kept;
		memcpy(trailer + kept, buf + plain, len);
		kept += len;
	}
	if (n < 0 || text) {
		errno = n < 0 ? errno : EPROTO;
		return -1;
	}
	trailer[kept] = '\0';
	return parse_trailer(trailer, err);
}

int cts_control_call(const char *path, int argc, const char *const *argv, FILE *out, FILE *err)
{
	int fd = connect_to(path), ret = -1, saved;

	if (fd < 0)
		return -1;
	if (send_words(fd, argc, argv) == 0)
		ret = read_answer(fd, out, err);
	fflush(out);
	saved = errno;
	close(fd);
	errno = saved;
	return ret;
}
