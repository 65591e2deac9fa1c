#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The memory of policy and manager without sanitizers, where the resident set is what users get.
for test in policy_memory core_memory; do
	"${TDX_LPAGE_BUILD%/san}/normal/tests/property/$test" || exit 1
done
