/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configured filters and outputs, in the pipeline. */
#ifndef CONNTRACKD_INSTANCES_H
#define CONNTRACKD_INSTANCES_H

#include <stdio.h>

#include "core/config/conf.h"
#include "core/kernel/events.h"
#include "core/pipeline/pipeline.h"
#include "core/runtime/loop.h"

struct instances;
/* All are lent and outlive the instances. changed: what a filter says of entries that
 * were looked at may be another now. NULL: logged. */
struct instances *instances_create(const struct cts_config *conf, struct cts_loop *loop,
				   struct cts_pipeline *pipeline, void (*changed)(void *ctx),
				   void *ctx);
void instances_destroy(struct instances *in); /* takes NULL */
/* Outputs open their files again. */
void instances_rotate(struct instances *in);
/* What filters can leave to the kernel; NULL: there are none. Lent. */
const struct cts_push *instances_push(const struct instances *in);
size_t instances_outputs(const struct instances *in);
/* What output i has to say of itself into fp; false: nothing. */
bool instances_snapshot(const struct instances *in, size_t i, FILE *fp);

#endif
