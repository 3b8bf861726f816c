/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests on the real kernel: a network namespace of the test's own, and entries
 * written by a plain libmnl loop that shares no code with what is tested.
 */
#ifndef TESTS_KERNEL_NET_H
#define TESTS_KERNEL_NET_H

#include <libmnl/libmnl.h>
#include <stdint.h>

#include <ctsync/flow.h>

/* Move this process into a new namespace, or exit 77 with the reason. */
void kernel_net_enter(void);

/* Write text into a file under /proc/sys; 0, or -1 and errno. */
int kernel_net_sysctl(const char *path, const char *text);

/* Flow number i: TCP, 10.x.y.z:1024.. -> 192.0.2.1:80, ESTABLISHED, SEEN_REPLY, ASSURED. */
void kernel_flow(struct cts_flow *flow, uint32_t i);
/* The same for IPv6 (2001:db8::i -> 2001:db8:1::1) and any protocol with ports. */
void kernel_flow6(struct cts_flow *flow, uint32_t i);

/* Create flows first..first + n - 1 without our code; fails the test on error.
 * Returns the port id that did it. */
uint32_t kernel_raw_create(uint32_t first, uint32_t n);
/* An expectation of the TCP flow with these ends: any port of its server to port 2021. */
void kernel_raw_expect(uint32_t src, uint32_t dst, uint16_t sport, uint16_t dport);
/* Empty the table. */
void kernel_raw_flush(void);

/* CPU time of this process, user and system, in nanoseconds. */
uint64_t kernel_cpu_ns(void);

#endif
