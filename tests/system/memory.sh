#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The memory of the policy without sanitizers, where the resident set is what users get.
exec "${TDX_LPAGE_BUILD%/san}/normal/tests/property/policy_memory"
