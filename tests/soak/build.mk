# SPDX-License-Identifier: GPL-2.0-or-later
# The daemon in use for long: what creeps shows only then.

$(BUILD)/normal/tests/soak/heap.so: tests/soak/heap.c
	@mkdir -p $(@D)
	@$(CC) -std=c17 -O2 -Wall -Wextra $(WERROR) -D_GNU_SOURCE -fno-builtin -fPIC -shared -pthread -o $@ $<

.PHONY: soak-daemon
soak-daemon: $(BUILD)/normal/tdx-lpaged $(BUILD)/normal/tests/soak/heap.so $(BUILD)/normal/tests/traces/generate ## An hour of the daemon in use, 100 times as fast as real time: does its memory grow? (HOURS=1 or MINUTES=60)
	@$(call deps,build check)
	@tests/soak/daemon.py $(BUILD)/normal $(or $(MINUTES),$$(($(or $(HOURS),1) * 60))) $(BUILD)/soak-daemon.json
