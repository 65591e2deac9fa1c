/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The second family of traces, made independently of the first one: guests are sums of populations
 * of regions, each of one plain behaviour whose numbers are drawn once per trace.
 */
#ifndef TDX_LPAGE_TESTS_TRACEPLAIN_H
#define TDX_LPAGE_TESTS_TRACEPLAIN_H

#include "tests/lib/tracegen.h"
#include "tests/lib/traffic.h"

/* @kind: one of TRACEGEN_PLAIN_KINDS. */
void traceplain_fill(struct traffic *traffic, enum tracegen_kind kind);

#endif
