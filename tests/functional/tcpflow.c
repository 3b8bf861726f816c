/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcpflow: one long TCP transfer, every byte of it checked.
 *   tcpflow serve ADDR PORT            send numbered words to whoever connects, paced
 *   tcpflow fetch ADDR PORT BYTES MS   take BYTES; fail when nothing comes for MS
 * fetch prints bytes, seconds and the longest silence in ms.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK 16384u         /* bytes sent at once */
#define PACE_US 2000         /* between chunks: 8 MB/s */

static void fail(const char *what)
{
	fprintf(stderr, "tcpflow: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

struct address {
	struct sockaddr_storage sa;
	socklen_t len;
};

static struct address resolve(const char *addr, const char *port)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
					.ai_socktype = SOCK_STREAM };
	struct address out = { .len = 0 };
	struct addrinfo *ai;

	if (getaddrinfo(addr, port, &hints, &ai)) {
		errno = EINVAL;
		fail(addr);
	}
	memcpy(&out.sa, ai->ai_addr, ai->ai_addrlen);
	out.len = ai->ai_addrlen;
	freeaddrinfo(ai);
	return out;
}

/* Word i of the stream is i. */
static void fill(uint32_t *words, size_t n, uint32_t *next)
{
	size_t i;

	for (i = 0; i < n; i++)
		words[i] = (*next)++;
}

static void serve_one(int fd)
{
	static uint32_t words[CHUNK / sizeof(uint32_t)];
	uint32_t next = 0;

	for (;;) {
		size_t at = 0;

		fill(words, CHUNK / sizeof(uint32_t), &next);
		while (at < CHUNK) {
			ssize_t n = send(fd, (const char *)words + at, CHUNK - at, MSG_NOSIGNAL);

			if (n <= 0)
				return;
			at += (size_t)n;
		}
		usleep(PACE_US);
	}
}

static int serve(const char *addr, const char *port)
{
	const struct address a = resolve(addr, port);
	int fd = socket(a.sa.ss_family, SOCK_STREAM, 0), one = 1, conn;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (const struct sockaddr *)&a.sa, a.len) < 0 || listen(fd, 16) < 0)
		fail("listen");
	while ((conn = accept(fd, NULL, NULL)) >= 0) {
		if (fork() == 0) {
			close(fd);
			serve_one(conn);
			_exit(0);
		}
		close(conn);
	}
	return 1;
}

static int check(const uint8_t *buf, size_t n, uint64_t at)
{
	size_t i;

	for (i = 0; i < n; i++) {
		uint32_t word = (uint32_t)((at + i) / 4);

		if (buf[i] != ((const uint8_t *)&word)[(at + i) % 4])
			return -1;
	}
	return 0;
}

static int fetch(const char *addr, const char *port, uint64_t total, int patience)
{
	const struct address a = resolve(addr, port);
	int fd = socket(a.sa.ss_family, SOCK_STREAM, 0);
	uint64_t at = 0, start, last, silence = 0;
	static uint8_t buf[65536];

	if (fd < 0 || connect(fd, (const struct sockaddr *)&a.sa, a.len) < 0)
		fail("connect");
	start = last = now_ms();
	while (at < total) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n = poll(&p, 1, patience) > 0 ? recv(fd, buf, sizeof(buf), 0) : -2;

		if (n <= 0) {
			printf("bytes=%" PRIu64 " dead=%s\n", at, n == -2 ? "silence" :
			       n == 0 ? "closed" : strerror(errno));
			return 1;
		}
		if (check(buf, (size_t)n, at) < 0) {
			printf("bytes=%" PRIu64 " dead=damaged\n", at);
			return 1;
		}
		if (now_ms() - last > silence)
			silence = now_ms() - last;
		last = now_ms();
		at += (uint64_t)n;
	}
	printf("bytes=%" PRIu64 " seconds=%.2f silence_ms=%" PRIu64 "\n", at,
	       (double)(last - start) / 1000, silence);
	return 0;
}

int main(int argc, char *argv[])
{
	if (argc == 4 && !strcmp(argv[1], "serve"))
		return serve(argv[2], argv[3]);
	if (argc == 6 && !strcmp(argv[1], "fetch"))
		return fetch(argv[2], argv[3], strtoull(argv[4], NULL, 0),
			     (int)strtoul(argv[5], NULL, 0));
	fputs("Usage: tcpflow serve ADDR PORT | fetch ADDR PORT BYTES MS\n", stderr);
	return 2;
}
