# SPDX-License-Identifier: GPL-2.0-or-later
# Fuzz targets: tests/fuzz/fuzz_*.c, each with a folder of inputs of the same name.
#   san variant:  linked with replay.c, run by `make check`
#   fuzz variant: clang's libFuzzer, run by `make fuzz` (FUZZ_RUNS=, FUZZ_SECONDS=; T=word)

fuzz_SRCS := $(sort $(wildcard tests/fuzz/fuzz_*.c))
fuzz_NAMES := $(notdir $(fuzz_SRCS:.c=))
FUZZ_RUNS ?= 20000
FUZZ_SECONDS ?= 120

fuzz_CFLAGS := -O1 -w -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
fuzz_LDFLAGS := -pie -fsanitize=fuzzer,address,undefined
$(BUILD)/fuzz/%: CC = clang
$(eval $(call variant,fuzz))
$(foreach n,$(fuzz_NAMES),$(eval $(call program,fuzz,tests/fuzz/$(n),tests/fuzz/$(n).c,$(TEST_LIBS))))
$(foreach n,$(fuzz_NAMES),$(eval $(call program,san,tests/fuzz/$(n),tests/fuzz/$(n).c tests/fuzz/replay.c,$(TEST_LIBS))))

FUZZ_TESTS := $(fuzz_NAMES:%=$(BUILD)/san/tests/fuzz/%)

##@ Tests

.PHONY: fuzz
fuzz: ## Run the fuzz targets (FUZZ_RUNS=20000, FUZZ_SECONDS=120 each)
	@$(call deps,build fuzz)
	@$(MAKE) $(addprefix fuzz-run-,$(call only,$(fuzz_NAMES)))

fuzz-run-%: $(BUILD)/fuzz/tests/fuzz/%
	@mkdir -p $(BUILD)/fuzz/corpus/$*
	@$< -runs=$(FUZZ_RUNS) -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
		-artifact_prefix=$(BUILD)/fuzz/$*- $(BUILD)/fuzz/corpus/$* tests/fuzz/$*
