/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Port id -> inode of the socket (/proc/net/netlink) -> process -> its name. */
#include "config.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plugins/output/progname.h"

static bool find_inode(uint32_t portid, unsigned long *inode)
{
	FILE *fp = fopen("/proc/net/netlink", "re");
	bool found = false;
	char line[256];

	while (fp && !found && fgets(line, sizeof(line), fp)) {
		unsigned int proto;
		uint32_t pid;

		/* sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode */
		found = sscanf(line, "%*s %u %" SCNu32 " %*s %*s %*s %*s %*s %*s %lu", &proto, &pid,
			       inode) == 3 &&
			proto == NETLINK_NETFILTER && pid == portid;
	}
	if (fp)
		fclose(fp);
	return found;
}

static bool process_has(int proc, const char *pid, const char *socket)
{
	char path[300], target[64];
	bool found = false;
	DIR *dir;
	int fd;

	snprintf(path, sizeof(path), "%s/fd", pid);
	fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	for (struct dirent *d; !found && (d = readdir(dir));) {
		ssize_t n = readlinkat(fd, d->d_name, target, sizeof(target) - 1);

		if (n <= 0)
			continue;
		target[n] = '\0';
		found = strcmp(target, socket) == 0;
	}
	closedir(dir);
	return found;
}

/* The kernel's name of the process, not argv: 15 bytes at most. */
static void read_name(int proc, const char *pid, char *name, size_t size)
{
	char path[300];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/comm", pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, name, size - 1);
	if (fd >= 0)
		close(fd);
	name[n > 0 ? n : 0] = '\0';
	name[strcspn(name, "\n")] = '\0';
	/* any process may give itself any name: it must not forge lines */
	for (; *name; name++)
		if (!isgraph((unsigned char)*name))
			*name = '?';
}

/* Youngest first, and /proc lists the oldest first: who makes one change and ends
 * is among the last. */
static void search_all(DIR *dir, const char *socket, char *name, size_t size)
{
	struct {
		char text[12];
	} *pid = NULL, *grown;
	size_t n = 0;

	for (struct dirent *d; (d = readdir(dir));) {
		if (!isdigit((unsigned char)d->d_name[0]))
			continue;
		grown = n & (n - 1) ? pid : reallocarray(pid, n ? 2 * n : 1, sizeof(*pid));
		if (!grown)
			break;
		pid = grown;
		snprintf(pid[n++].text, sizeof(pid->text), "%.11s", d->d_name);
	}
	while (n-- && !name[0])
		if (process_has(dirfd(dir), pid[n].text, socket))
			read_name(dirfd(dir), pid[n].text, name, size);
	free(pid);
}

/* The first netlink socket of a process has the process's id as its port, and the
 * process may be gone in a moment: there we look first. */
static void search(uint32_t portid, char *name, size_t size)
{
	char socket[64], pid[16];
	unsigned long inode;
	DIR *dir;

	name[0] = '\0';
	if (!find_inode(portid, &inode))
		return;
	dir = opendir("/proc");
	if (!dir)
		return;
	snprintf(socket, sizeof(socket), "socket:[%lu]", inode);
	snprintf(pid, sizeof(pid), "%" PRIu32, portid);
	if (process_has(dirfd(dir), pid, socket))
		read_name(dirfd(dir), pid, name, size);
	else
		search_all(dir, socket, name, size);
	closedir(dir);
}

const char *progname_get(struct progname *p, uint32_t portid, uint64_t now_ns)
{
	struct progname_entry *e = NULL;

	for (unsigned int i = 0; i < PROGNAME_CACHE && !e; i++)
		if (p->entry[i].portid == portid)
			e = &p->entry[i];
	if (e && now_ns - e->when_ns < PROGNAME_SECONDS * UINT64_C(1000000000))
		return e->name;
	if (!e)
		e = &p->entry[p->next++ % PROGNAME_CACHE];
	e->when_ns = now_ns;
	e->portid = portid;
	search(portid, e->name, sizeof(e->name));
	return e->name;
}
