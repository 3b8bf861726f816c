/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef HAVE_SYSTEMD
#define SD_JOURNAL_SUPPRESS_LOCATION /* cts_log()'s own place tells nothing */
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>
#endif

#include <ctsync/log.h>

#include "cli/conntrackd/env.h"
#include "core/log/log.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* since Linux 5.14 */
#endif

#define EVENTS_SYSCTL "/proc/sys/net/netfilter/nf_conntrack_events"
#define BOOT_ID "/proc/sys/kernel/random/boot_id"

/* -- small files -- */

static int read_text(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, buf, size - 1);
	close(fd);
	if (n < 0)
		return -1;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return 0;
}

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len = (ssize_t)strlen(text), n;

	if (fd < 0)
		return -1;
	n = write(fd, text, (size_t)len);
	close(fd);
	return n == len ? 0 : -1;
}

/* -- lock -- */

int env_lock(const char *path)
{
	char pid[32];
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	int len;

	if (fd < 0) {
		cts_err("lock: cannot open %s: %s", path, strerror(errno));
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			cts_err("lock: cannot lock %s: %s", path, strerror(errno));
		else if (read_text(path, pid, sizeof(pid)) == 0)
			cts_err("lock: %s is held: conntrackd is running with pid %s", path, pid);
		else
			cts_err("lock: %s is held: conntrackd is running", path);
		close(fd);
		return -1;
	}
	len = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)len, 0) != len)
		cts_warn("lock: cannot write the pid into %s: %s", path, strerror(errno));
	return fd;
}

/* -- kernel -- */

void env_events_sysctl(void)
{
	char was[16];

	if (read_text(EVENTS_SYSCTL, was, sizeof(was)) < 0) {
		cts_warn("kernel: cannot read nf_conntrack_events: %s", strerror(errno));
		return;
	}
	if (strcmp(was, "1") == 0)
		return;
	if (write_text(EVENTS_SYSCTL, "1") < 0)
		cts_warn(
			"kernel: cannot set nf_conntrack_events from %s to 1: %s; flows made while "
			"nobody listens will have no events",
			was, strerror(errno));
	else
		cts_info("kernel: nf_conntrack_events set to 1, was %s", was);
}

uint64_t env_table_id(void)
{
	struct {
		char boot[64];
		uint64_t netns;
	} id = { .netns = 0 };
	socklen_t len = sizeof(id.netns);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t hash = 0;

	memset(&id, 0, sizeof(id));
	if (read_text(BOOT_ID, id.boot, sizeof(id.boot)) < 0)
		cts_warn("kernel: no boot id: %s", strerror(errno));
	if (fd >= 0) {
		if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &id.netns, &len) < 0)
			cts_debug("kernel: no namespace cookie: %s", strerror(errno));
		close(fd);
	}
	crypto_generichash((unsigned char *)&hash, sizeof(hash), (const unsigned char *)&id,
			   sizeof(id), NULL, 0);
	return hash;
}

/* -- systemd -- */

#ifdef HAVE_SYSTEMD
static void to_journal(int priority, const char *text)
{
	sd_journal_print(priority, "%s", text);
}

void env_journal(void)
{
	cts_log_set_journal(to_journal);
}

void env_notify(const char *state)
{
	sd_notify(0, state);
}

uint64_t env_watchdog_us(void)
{
	uint64_t us = 0;

	return sd_watchdog_enabled(0, &us) > 0 ? us : 0;
}
#else
void env_journal(void)
{
}

void env_notify(const char *state)
{
}

uint64_t env_watchdog_us(void)
{
	return 0;
}
#endif

bool env_background_begin(struct env_background *b, int *status)
{
	int fd[2];
	pid_t pid;
	char byte;

	b->ready_fd = -1;
	*status = 1;
	if (pipe2(fd, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		cts_err("cannot go to the background: %s", strerror(errno));
		return true;
	}
	if (pid == 0) {
		close(fd[0]);
		b->ready_fd = fd[1];
		setsid();
		return false;
	}
	close(fd[1]);
	/* Ready, or gone: then it has said why. */
	if (read(fd[0], &byte, 1) == 1)
		*status = 0;
	else
		waitpid(pid, NULL, 0);
	close(fd[0]);
	return true;
}

void env_background_ready(struct env_background *b)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		if (null > STDERR_FILENO)
			close(null);
	}
	if (chdir("/") < 0)
		cts_warn("cannot change to /: %s", strerror(errno));
	if (write(b->ready_fd, "", 1) != 1)
		cts_warn("cannot notify systemd that the daemon is ready: %s", strerror(errno));
	close(b->ready_fd);
	b->ready_fd = -1;
}
