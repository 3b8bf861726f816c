/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a failure that names no reason may come from. Scripts know the failures'
 * texts; this is a line of its own after them. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/conntrack/conntrack.h"
#include "core/kernel/table.h"

#define EVENTS_SYSCTL "net.netfilter.nf_conntrack_events"
#define EVENTS_FILE "/proc/sys/net/netfilter/nf_conntrack_events"

static bool has_net_admin(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	return syscall(SYS_capget, &head, data) == 0 &&
	       data[CAP_TO_INDEX(CAP_NET_ADMIN)].effective & CAP_TO_MASK(CAP_NET_ADMIN);
}

/* Is this the user namespace that the machine began with, where ids are themselves? */
static bool first_user_namespace(void)
{
	uint32_t inside, outside, count;
	FILE *fp = fopen("/proc/self/uid_map", "re");
	bool first = true;

	if (!fp)
		return true;
	if (fscanf(fp, "%" SCNu32 " %" SCNu32 " %" SCNu32, &inside, &outside, &count) == 3)
		first = !inside && !outside && count == UINT32_MAX;
	fclose(fp);
	return first;
}

static void advise_rights(const struct command *command)
{
	if (has_net_admin() && !first_user_namespace())
		report("--%s needs CAP_NET_ADMIN where this network namespace belongs to, which is "
		       "another user namespace: enter that (nsenter -U -n -t PID), or make a network "
		       "namespace too (unshare -n)", command->name);
	else if (has_net_admin())
		report("--%s was refused although CAP_NET_ADMIN is there: by a security module or "
		       "a seccomp filter", command->name);
	else if (geteuid() == 0)
		report("--%s needs CAP_NET_ADMIN, which this root does not have: it was taken away, "
		       "as containers and service managers do", command->name);
	else
		report("--%s needs CAP_NET_ADMIN, which user %u does not have: try sudo",
		       command->name, (unsigned int)geteuid());
}

/* true: said what the kernel lacks. */
static bool advise_modules(void)
{
	const char *module = cts_table_lacks();

	if (module)
		report("this kernel has no %s, or may not load it: try `modprobe %s' as root of "
		       "the machine", module, module);
	return module;
}

void advise(const struct command *command, int err)
{
	switch (err) {
	case EPERM:
		advise_rights(command);
		break;
	case EINVAL: case EPROTONOSUPPORT: case ENOPROTOOPT: case EOPNOTSUPP: case EAFNOSUPPORT:
		advise_modules();
		break;
	default:
		break;
	}
}

void advise_helper(void)
{
	report("the kernel may have no helper of that name for this protocol; and an entry that is "
	       "there without one cannot be given one");
}

void advise_events(void)
{
	char value[4] = "";
	FILE *fp;

	if (advise_modules())
		return;
	fp = fopen(EVENTS_FILE, "re");
	if (!fp)
		return;
	if (fgets(value, sizeof(value), fp) && value[0] == '0')
		report("no events will come: " EVENTS_SYSCTL " is 0 in this network namespace; "
		       "1 or 2 turns them on, for flows that begin after that");
	fclose(fp);
}
