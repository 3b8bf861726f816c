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

#include "plugins/output/log/progname.h"

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

static void search(uint32_t portid, char *name, size_t size)
{
	unsigned long inode;
	char socket[64];
	DIR *dir;

	name[0] = '\0';
	if (!find_inode(portid, &inode))
		return;
	snprintf(socket, sizeof(socket), "socket:[%lu]", inode);
	dir = opendir("/proc");
	if (!dir)
		return;
	for (struct dirent *d; !name[0] && (d = readdir(dir));)
		if (isdigit((unsigned char)d->d_name[0]) &&
		    process_has(dirfd(dir), d->d_name, socket))
			read_name(dirfd(dir), d->d_name, name, size);
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
