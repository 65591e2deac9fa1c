/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fuzz target is a file tests/fuzz/fuzz_NAME.c with this function, and a folder fuzz_NAME of
 * inputs to begin with. libFuzzer runs it (make fuzz), and so does replay.c without clang.
 */
#ifndef TDX_LPAGE_TESTS_FUZZ_H
#define TDX_LPAGE_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Returns 0; aborts when something that always has to hold does not. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
