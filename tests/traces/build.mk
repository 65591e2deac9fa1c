# SPDX-License-Identifier: GPL-2.0-or-later
# The trace generator: `build/normal/tests/traces/generate KIND SEED [SCALE]`; the tests have their own.

# Not linked to libtest, which wants cmocka: `make demo` shall need no more than what the daemon needs.
tracegen_SRCS := $(addprefix tests/lib/,tracegen.c tracelinux.c traceplain.c traffic.c)
$(foreach v,normal san,$(eval $(call program,$(v),tests/traces/generate,tests/traces/generate.c $(tracegen_SRCS),libtdx-lpage)))

# Benchmarks and some tests link the rest, in the normal variant too.
$(call objs,normal,$(filter-out $(tracegen_SRCS),$(testlib_SRCS))): | check-deps

check: $(BUILD)/san/tests/traces/generate

.PHONY: traces
traces: $(BUILD)/normal/tests/traces/generate ## Generate a trace of every kind to build/traces (SEED=1)
	@mkdir -p $(BUILD)/traces
	@for kind in $$($< --help | awk '/^  / { print $$1 }'); do \
		$< $$kind $(or $(SEED),1) >$(BUILD)/traces/$$kind.lptrace || exit 1; done
	@ls -l $(BUILD)/traces

.PHONY: demo
demo: $(PROGRAMS:%=$(BUILD)/normal/%) ## The daemon on a simulated host, to look at (half a minute)
	@scripts/demo $(BUILD)/normal

# Scores and speed; SEEDS= and FIRST_SEED= choose the traces.
$(eval $(call program,normal,tests/traces/scores,$(addprefix tests/traces/,scores.c sweep.c budget.c hindsight.c),$(TEST_LIBS)))

.PHONY: bench-policy
bench-policy: $(BUILD)/normal/tests/traces/scores ## Scores of every policy on generated traces, speed of the engine
	@$< $(BUILD)/bench-policy.json $(or $(SEEDS),2) $(or $(FIRST_SEED),1)

# The resident set means nothing under ASan: tests/system/memory.sh runs these builds of the tests.
$(foreach t,policy_memory core_memory,$(eval $(call program,normal,tests/property/$(t),tests/property/$(t).c,$(TEST_LIBS),-lcmocka)))
check: $(BUILD)/normal/tests/property/policy_memory $(BUILD)/normal/tests/property/core_memory

# What was recorded from real guests.
bench: | bench-recorded

.PHONY: bench-recorded
bench-recorded: $(BUILD)/normal/tdx-lpctl ## Scores of every policy on the recorded traces
	@for t in tests/traces/recorded/*.lptrace; do echo "$$t"; $< simulate --trace $$t --compare || exit 1; done

# What a constant of the policy trades: NAME= and VALUE=; T= names a unit test to run instead of the traces.
.PHONY: bench-constant
bench-constant: $(BUILD)/normal/tdx-lpctl $(BUILD)/normal/tests/traces/generate $(TEST_LIBS:%=$(BUILD)/normal/%.a) \
		$(if $(T),$(BUILD)/normal/tests/unit/$(T).o) ## Scores with another value of a constant of the policy (NAME=, VALUE=)
	@CC='$(CC)' COMPILE='$(filter-out -DTDX_LPAGE_VERSION=%,$(PROJECT_CPPFLAGS)) $(CPPFLAGS) $(PROJECT_CFLAGS) $(normal_CFLAGS) $(PKG_CFLAGS) $(CFLAGS)' \
		LINK='$(normal_LDFLAGS) -Wl,--start-group $(TEST_LIBS:%=$(BUILD)/normal/%.a) -Wl,--end-group $(PKG_LIBS) -lm' \
		tests/traces/constant $(BUILD) '$(NAME)' '$(VALUE)' $(T)
