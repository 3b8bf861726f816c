/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SipHash-2-4 (Aumasson and Bernstein, 2012): who sends packets must not be able to
 * choose flows that all fall into one slot. It is here because the command line tool
 * needs nothing else of a library of ciphers, which would be opened at every start.
 */
#ifndef CTS_FLOW_KEYED_HASH_H
#define CTS_FLOW_KEYED_HASH_H

#include <stddef.h>
#include <stdint.h>

#define CTS_HASH_KEY 16u

uint64_t cts_keyed_hash(const uint8_t key[CTS_HASH_KEY], const void *data, size_t len);

#endif
