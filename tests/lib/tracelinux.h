/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The third family of traces: after what Linux does in a guest whose memory is private. Regions differ in how
 * many pages they convert at once, how long they stay shared and how late they are accepted. Sources:
 * tests/traces/README.md.
 */
#ifndef TDX_LPAGE_TESTS_TRACELINUX_H
#define TDX_LPAGE_TESTS_TRACELINUX_H

#include "tests/lib/tracegen.h"
#include "tests/lib/traffic.h"

/* @kind: one of TRACEGEN_LINUX_KINDS. */
void tracelinux_fill(struct traffic *traffic, enum tracegen_kind kind);

#endif
