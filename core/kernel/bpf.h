/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel drops before it reaches the event socket (classic BPF). */
#ifndef CTS_KERNEL_BPF_H
#define CTS_KERNEL_BPF_H

#include <ctsync/filter.h>

/* Networks that all filters together may declare: the program runs in the path
 * of packets, once for each event, and tests them one after the other. */
#define CTS_PUSH_NETWORKS_MAX 64u

/*
 * Attach a program to the netlink socket fd that drops events caused by own[]
 * and what push refuses; replaces the former program at once. Without either
 * the socket is left without a program. 0, or -1 and errno.
 */
int cts_bpf_attach(int fd, const uint32_t *own, unsigned int n_own, const struct cts_push *push);

#endif
