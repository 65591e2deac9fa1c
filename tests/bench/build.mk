# SPDX-License-Identifier: GPL-2.0-or-later
# Benchmarks: one program that runs each in a process of its own. B="NAME..." runs only these.

bench_SRCS := $(sort $(wildcard tests/bench/*.c))

$(foreach s,$(filter-out tests/bench/main.c,$(bench_SRCS)),$(eval $(BUILD)/normal/tests/bench/bench: $(BUILD)/normal/$(s:%.c=%.o)))
$(eval $(call program,normal,tests/bench/bench,tests/bench/main.c,$(TEST_LIBS)))

bench: $(if $(B),,bench-policy) $(BUILD)/normal/tests/bench/bench $(BUILD)/normal/tdx-lpaged
	@TDX_LPAGED=$(BUILD)/normal/tdx-lpaged nice $(BUILD)/normal/tests/bench/bench \
		$(if $(B),,--include=policy=$(BUILD)/bench-policy.json) --output=$(BUILD)/bench.json $(B)

.PHONY: bench-mode-off
bench-mode-off: ## Instructions that the series costs a VM in mode off, counted in QEMU (needs two kernels)
	@$(call deps,check kernel vm)
	@tests/bench/mode-off/run

.PHONY: bench-vm
bench-vm: all ## What 2 MiB private pages cost and give, beside each other in QEMU; PARTS="count guests td" (some twenty minutes)
	@$(call deps,check kernel vm)
	@tests/bench/vm/run $(PARTS)

bench: $(if $(B),,bench-instructions)

.PHONY: bench-instructions
bench-instructions: $(BUILD)/normal/tdx-lpctl $(BUILD)/normal/tests/traces/generate ## Instructions per update of the policy, by callgrind
	@$(call deps,bench)
	@tests/bench/instructions $(BUILD)
