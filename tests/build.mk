# SPDX-License-Identifier: GPL-2.0-or-later
# The netlink specification of kernel/patches, against which test_link_spec checks header, decoder and requests.

netlink_SPEC := $(BUILD)/netlink-spec/kvm_lpage.yaml

$(netlink_SPEC): $(wildcard kernel/patches/*.patch) scripts/patch-files | check-deps
	@echo "  SPEC    $@"
	@scripts/patch-files Documentation/netlink/specs $(@D)
	@touch $@

$(BUILD)/san/tests/unit/test_link_spec: | $(netlink_SPEC)

# The attacks are on the daemon as it is installed.
check: $(BUILD)/normal/tdx-lpaged
