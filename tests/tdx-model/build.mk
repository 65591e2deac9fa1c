# SPDX-License-Identifier: GPL-2.0-or-later
# The software TDX module of kernel/patches, in user space.
# Its sources are taken out of the patches; TDX_MODEL_SRC=DIR takes them from a kernel tree's folder instead.
#   tests/tdx-model/test_*.c    one program each
#   tests/tdx-model/lib_*.c     linked to all of them
#   tests/tdx-model/mutations   proves that they fail if the model is broken

tdx_model_FOLDER := arch/x86/kvm/vmx/tdx_model
TDX_MODEL_SRC ?=
tdx_model_DIR := $(or $(TDX_MODEL_SRC),$(BUILD)/tdx-model)
tdx_model_TESTS := $(patsubst %.c,$(BUILD)/san/%,$(sort $(wildcard tests/tdx-model/test_*.c)))
tdx_model_LIB := $(patsubst %.c,$(BUILD)/san/%.o,$(sort $(wildcard tests/tdx-model/lib_*.c)))

# The names of the sources are known once they are there.
tdx_model_MK := $(BUILD)/tdx-model$(if $(TDX_MODEL_SRC),-src).mk
ifneq ($(filter check check-model,$(MAKECMDGOALS))$(findstring tdx-model,$(MAKECMDGOALS)),)
include $(tdx_model_MK)
endif

# Made before any other target, so it asks for git itself.
$(BUILD)/tdx-model.mk: $(wildcard kernel/patches/*.patch) scripts/patch-files
	@$(call deps,check)
	@mkdir -p $(@D)
	@scripts/patch-files $(tdx_model_FOLDER) $(BUILD)/tdx-model
	@echo "tdx_model_SRCS := $$(cd $(BUILD)/tdx-model && echo *.c)" >$@

$(BUILD)/tdx-model-src.mk: FORCE
	@mkdir -p $(@D)
	@echo "tdx_model_SRCS := $$(cd $(TDX_MODEL_SRC) && echo *.c)" >$@.tmp
	@cmp -s $@.tmp $@ && rm $@.tmp || mv $@.tmp $@

# Objects of one folder are not those of another.
$(BUILD)/tdx-model.dir: FORCE
	@mkdir -p $(@D)
	@echo $(tdx_model_DIR) | cmp -s - $@ || echo $(tdx_model_DIR) >$@

# Kernel code with the kernel's flags, as far as they matter here; -O2 because millions of calls are made.
tdx_model_CFLAGS = -std=gnu11 -ffile-prefix-map=$(CURDIR)=. -Wall -Wextra $(WERROR) -Wno-unused-parameter -Wno-sign-compare -Wvla \
	-Wmissing-prototypes -Wstrict-prototypes -Wdeclaration-after-statement -Wframe-larger-than=2048 -g
tdx_model_OBJS := $(patsubst %.c,$(BUILD)/san/tdx-model/%.o,$(filter-out kunit.c,$(tdx_model_SRCS)))

$(BUILD)/san/tdx-model/%.o: $(tdx_model_DIR)/%.c tests/tdx-model/build.mk $(BUILD)/tdx-model.dir $(BUILD)/config.mk | check-deps
	@echo "  CC      $@"
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) $(tdx_model_CFLAGS) $(san_CFLAGS) -O2 $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/san/libtdx-model.a: $(tdx_model_OBJS)
	@echo "  AR      $@"
	@rm -f $@
	@$(AR) rcsD $@ $^

$(BUILD)/san/tests/tdx-model/%.o: PROJECT_CPPFLAGS += -I$(tdx_model_DIR)
$(BUILD)/san/tests/tdx-model/%.o: PROJECT_CFLAGS += -Wno-sign-compare -Wno-missing-field-initializers -O2
$(tdx_model_TESTS:=.o) $(tdx_model_LIB): $(BUILD)/tdx-model.dir

$(tdx_model_TESTS): %: %.o $(tdx_model_LIB) $(BUILD)/san/libtdx-model.a
	@echo "  LINK    $@"
	@$(CC) $(san_LDFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS)

# The last one breaks the model on purpose and runs the others.
TDX_MODEL_TESTS := $(tdx_model_TESTS) tests/tdx-model/mutations
export TDX_MODEL_DIR := $(abspath $(tdx_model_DIR))

.PHONY: check-model
check-model: check-deps $(tdx_model_TESTS) ## The software TDX module only (T=word; TDX_MODEL_SRC=folder in a kernel tree)
	@$(run_tests) $(call only,$(TDX_MODEL_TESTS))
