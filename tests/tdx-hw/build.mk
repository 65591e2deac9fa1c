# SPDX-License-Identifier: GPL-2.0-or-later
# What a person with TDX hardware runs, and the test of it that needs none.

system_SCRIPTS += tests/tdx-hw/selftest

##@ Tests

.PHONY: check-tdx-hw
check-tdx-hw: all ## On a host with TDX: boot a TD, drive conversions, check coverage (ARGS="--memory 16G ...")
	@$(call deps,tdx-hw)
	@tests/tdx-hw/run $(ARGS)
