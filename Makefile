# SPDX-License-Identifier: GPL-2.0-or-later
# tdx-lpage: every entry point. `make help` lists them.
#
# Sources are found by wildcard:
#   daemon/ROOM/*.c, ROOM one of lpage_ROOMS below              libtdx-lpage.a
#   daemon/main.c                                               tdx-lpaged
#   daemon/ROOM/*.c, ROOM one of lpctl_ROOMS, but main.c        libtdx-lpctl.a
#   daemon/ctl/main.c                                           tdx-lpctl
#   tests/lib/*.c                                               libtest.a, linked to every test
#   tests/{unit,property,system}/*.c                            one program each, linked to all libraries
#   tests/bench/*.c                                             bench, one program, linked to all libraries
# Objects go to build/VARIANT/: `normal` is what is installed, `san` (ASan, UBSan) is what the tests run. BUILD=/a/folder
# puts them elsewhere; the sources may be read-only then.
# CPPFLAGS, CFLAGS, LDFLAGS and LDLIBS are the user's, and come after ours. WERROR= turns -Werror off.

MAKEFLAGS += --no-builtin-rules --no-print-directory
# A make within a make has the jobs of that one.
ifeq ($(MAKELEVEL):$(filter -j%,$(MAKEFLAGS))$(findstring jobserver,$(MAKEFLAGS)),0:)
MAKEFLAGS += -j$(shell nproc)
endif
SHELL := /bin/sh
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := all

VERSION := 0.1.0
PREFIX ?= /usr/local
DESTDIR ?=
sysconfdir ?= /etc
bindir ?= $(PREFIX)/bin
datadir ?= $(PREFIX)/share
mandir ?= $(datadir)/man
# Where Debian's zsh looks for what packages bring; elsewhere for what is local.
zshdir ?= $(datadir)/zsh/$(if $(filter /usr,$(PREFIX)),vendor-completions,site-functions)

CC := gcc
AR := ar
BUILD := build
WERROR := -Werror
VARIANTS := normal san
PKGS := libevent libnl-3.0 libnl-genl-3.0 yaml-0.1 jansson libsystemd ncurses

PROJECT_CPPFLAGS = -I. -Iinclude -Iinclude/uapi -D_GNU_SOURCE -DTDX_LPAGE_VERSION='"$(VERSION)"'
# The same sources give the same objects, wherever they are.
PROJECT_CFLAGS = -std=c17 -ffile-prefix-map=$(CURDIR)=. -Wall -Wextra $(WERROR) -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wformat=2 -Wvla -fno-common -fstack-protector-strong -fPIE -g
# A compiler or a packager may have a value of their own, and a second one is an error.
normal_CFLAGS := -O2 $(if $(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
normal_LDFLAGS := -pie -Wl,-z,relro,-z,now
san_CFLAGS := -U_FORTIFY_SOURCE -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
san_LDFLAGS := -pie -fsanitize=address,undefined

# Tests find what they need here, wherever they are started from.
export TDX_LPAGE_SRC := $(CURDIR)
export TDX_LPAGE_BUILD := $(abspath $(BUILD))/san
export TDX_LPAGED := $(TDX_LPAGE_BUILD)/tdx-lpaged
export TDX_LPCTL := $(TDX_LPAGE_BUILD)/tdx-lpctl
export ASAN_OPTIONS ?= detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1:abort_on_error=0
export UBSAN_OPTIONS ?= print_stacktrace=1

lpage_ROOMS := base config policy trace link core control metrics process
lpctl_ROOMS := rebuild replay report ctl
sources = $(sort $(filter-out %/main.c,$(foreach d,$(1),$(wildcard daemon/$(d)/*.c))))
lpage_SRCS := $(call sources,$(lpage_ROOMS))
lpctl_SRCS := $(call sources,$(lpctl_ROOMS))
testlib_SRCS := $(sort $(wildcard tests/lib/*.c))
unit_SRCS := $(sort $(wildcard tests/unit/test_*.c))
property_SRCS := $(sort $(wildcard tests/property/*.c))
system_SRCS := $(sort $(wildcard tests/system/*.c))
system_SCRIPTS := $(sort $(wildcard tests/system/*.sh))
PROGRAMS := $(if $(wildcard daemon/main.c),tdx-lpaged) $(if $(wildcard daemon/ctl/main.c),tdx-lpctl)

# DEPS=skip: do not look for missing packages.
deps = $(if $(filter skip,$(DEPS)),:,scripts/deps -q $(1))

##@ Everyday

.PHONY: all
all: $(PROGRAMS:%=$(BUILD)/normal/%) $(PROGRAMS:%=$(BUILD)/%) man ## Build daemon, CLI and man pages

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { section = substr($$0, 5); if (!(section in text)) order[++n] = section } \
		/^[a-zA-Z0-9_-]+:.*## / { text[section] = text[section] sprintf("  %-15s %s\n", $$1, $$2) } \
		END { for (i = 1; i <= n; i++) printf "\n%s\n%s", order[i], text[order[i]] }' $(MAKEFILE_LIST)
	@printf '\nKernel targets (make -C kernel help): fetch, apply, export, build, boot, shell, deb\n'

.PHONY: deps
deps: ## Install the Debian packages that are missing (FOR=build,check,kernel,vm,...: only these)
	@scripts/deps $(subst $(comma), ,$(FOR))

comma := ,

.PHONY: format
format: ## Format the C files in place
	@$(call deps,check)
	@scripts/check-style --fix

.PHONY: clean
clean: ## Remove what was built here (caches under ~/.cache/tdx-lpage stay)
	rm -rf $(BUILD)

-include daemon/build.mk tests/build.mk docs/build.mk

# What pkg-config says, asked once, after the packages are there.
BUILD_GOALS := $(filter-out help deps clean format style check-vm demo-vm demo-td soak coverage check-patches deb check-debian13 kernel-%,$(or $(MAKECMDGOALS),all))
ifneq ($(BUILD_GOALS),)
include $(BUILD)/config.mk
endif

$(BUILD)/config.mk: Makefile scripts/config-mk scripts/packages
	@$(call deps,build)
	@mkdir -p $(@D)
	@scripts/config-mk $(PKGS) >$@.tmp
	@mv $@.tmp $@

# ---- compile and link, once per variant ----

objs = $(patsubst %.c,$(BUILD)/$(1)/%.o,$(2))

# Rewrites a list only when it changed, so that a source that went away leaves its library too.
$(BUILD)/%.list: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' $(LIST) | cmp -s - $@ || printf '%s\n' $(LIST) >$@

.PHONY: FORCE
FORCE:

# variant, library, sources
define library
$(BUILD)/$(1)/$(2).list: LIST = $$(call objs,$(1),$(3))
$(BUILD)/$(1)/$(2).a: $$(call objs,$(1),$(3)) $(BUILD)/$(1)/$(2).list
	@echo "  AR      $$@"
	@rm -f $$@
	@$$(AR) rcsD $$@ $$(filter %.o,$$^)
endef

# variant, program, its own source, libraries in link order
define program
$(BUILD)/$(1)/$(2): $$(call objs,$(1),$(3)) $(4:%=$(BUILD)/$(1)/%.a)
	@echo "  LINK    $$@"
	@mkdir -p $$(@D)
	@$$(CC) $$($(1)_LDFLAGS) $$(LDFLAGS) -o $$@ $$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group \
		$(5) $$(PKG_LIBS) -lm $$(LDLIBS)
endef

define variant
$(BUILD)/$(1)/%.o: %.c Makefile $(BUILD)/config.mk $(if $(filter san,$(1)),| check-deps)
	@echo "  CC      $$@"
	@mkdir -p $$(@D)
	@$$(CC) $$(PROJECT_CPPFLAGS) $$(CPPFLAGS) $$(PROJECT_CFLAGS) $$($(1)_CFLAGS) $$(PKG_CFLAGS) $$(CFLAGS) \
		-MMD -MP -c -o $$@ $$<
$(call library,$(1),libtdx-lpage,$(lpage_SRCS))
$(call library,$(1),libtdx-lpctl,$(lpctl_SRCS))
$(call library,$(1),libtest,$(testlib_SRCS))
$(call program,$(1),tdx-lpaged,daemon/main.c,libtdx-lpage)
$(call program,$(1),tdx-lpctl,daemon/ctl/main.c,libtdx-lpctl libtdx-lpage)
endef
$(foreach v,$(VARIANTS),$(eval $(call variant,$(v))))

TEST_LIBS := libtest libtdx-lpctl libtdx-lpage
$(foreach s,$(unit_SRCS) $(property_SRCS) $(system_SRCS),$(eval $(call program,san,$(s:%.c=%),$(s),$(TEST_LIBS),-lcmocka)))

$(PROGRAMS:%=$(BUILD)/%): $(BUILD)/%: $(BUILD)/normal/%
	@ln -sf normal/$* $@

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# ---- man pages ----

MAN_SRCS := $(sort $(wildcard docs/man/*.scd))
MAN_PAGES := $(patsubst docs/man/%.scd,$(BUILD)/man/%,$(MAN_SRCS))

.PHONY: man
man: $(MAN_PAGES)

# The first line is the name of the page; what follows it there is the footer. What a page takes from the uapi header is filled in.
$(BUILD)/man/%: docs/man/%.scd scripts/man-uapi include/uapi/linux/kvm_lpage.h Makefile
	@echo "  SCDOC   $@"
	@mkdir -p $(@D)
	@scripts/man-uapi include/uapi/linux/kvm_lpage.h $< >$@.scd
	@sed '1s/$$/ "tdx-lpage $(VERSION)"/' $@.scd | scdoc >$@
	@rm $@.scd

##@ Tests

test_program = $(patsubst %.c,$(BUILD)/san/%,$(1))
# In tests/system a C file is a test when its name says so, else a tool of the scripts.
SYSTEM_TESTS = $(call test_program,$(filter tests/system/test_%,$(system_SRCS))) $(system_SCRIPTS)
# T=WORD: only the tests whose path holds this word, e.g. T=policy.
T ?=
run_tests = scripts/run-tests -l $(BUILD)/test-logs
only = $(if $(T),$(foreach t,$(1),$(if $(findstring $(T),$(t)),$(t))),$(1))
DAEMONS = $(PROGRAMS:%=$(BUILD)/san/%) $(call test_program,$(system_SRCS))
-include tests/fuzz/build.mk tests/soak/build.mk
-include tests/traces/build.mk tests/bench/build.mk tests/tdx-hw/build.mk tests/tdx-model/build.mk

.PHONY: check-deps
check-deps:
	@$(call deps,check)

.PHONY: check
check: check-deps man $(DAEMONS) $(call test_program,$(unit_SRCS) $(property_SRCS)) $(FUZZ_TESTS) $(tdx_model_TESTS) ## Everything that needs no kernel build (T=word: only tests with it in their path)
	@$(run_tests) $(call only,scripts/check-style scripts/check-spdx scripts/check-tower \
		$(call test_program,$(unit_SRCS) $(property_SRCS)) $(FUZZ_TESTS) $(TDX_MODEL_TESTS) $(SYSTEM_TESTS))

.PHONY: check-unit
check-unit: check-deps $(call test_program,$(unit_SRCS)) ## Unit tests only (T=word)
	@$(run_tests) $(call only,$(call test_program,$(unit_SRCS)))

.PHONY: syscalls
syscalls: $(PROGRAMS:%=$(BUILD)/normal/%) $(BUILD)/san/tdx-lpctl $(BUILD)/normal/tests/traces/generate $(BUILD)/san/tests/traces/generate ## The system calls that the daemon makes, beside those that its unit allows
	@$(call deps,build check syscalls)
	@scripts/syscalls

.PHONY: check-report
check-report: $(BUILD)/normal/tdx-lpctl $(BUILD)/normal/tests/traces/generate ## The page of simulate --report, drawn by a browser (to build/report)
	@$(call deps,build report)
	@$(run_tests) tests/report/draw.py

.PHONY: check-monitoring
check-monitoring: $(PROGRAMS:%=$(BUILD)/normal/%) $(BUILD)/normal/tests/traces/generate ## Alerts, console and dashboard under Debian's Prometheus (to build/monitoring)
	@$(call deps,build monitoring)
	@$(run_tests) tests/monitoring/check.py

.PHONY: check-vm
check-vm: ## Build the patched kernels, run them in QEMU
	@$(call deps,build kernel vm)
	@$(MAKE) -C tests/vm check

.PHONY: demo-vm
demo-vm: ## The whole stack in one QEMU machine, to look at
	@$(call deps,build kernel vm)
	@$(MAKE) -C tests/vm demo

.PHONY: soak
soak: ## Software TDs whose memory never rests, in QEMU (MINUTES=10, SEED=1)
	@$(call deps,kernel vm)
	@$(MAKE) -C tests/vm soak

.PHONY: coverage
coverage: ## Which lines of the series KUnit, guests and software TDs execute, in QEMU (long)
	@$(call deps,build kernel vm)
	@$(MAKE) -C tests/vm coverage

.PHONY: demo-td
demo-td: ## An unmodified Linux as a software TD under the daemon, in one QEMU machine, to look at
	@$(call deps,build kernel vm)
	@$(MAKE) -C tests/vm demo-td

.PHONY: check-patches
check-patches: ## checkpatch, build and description of every kernel patch
	@$(call deps,kernel patches)
	@$(MAKE) -C kernel check-patches

.PHONY: bench
bench: ## Every benchmark that needs no kernel

.PHONY: style
style: ## Sizes of functions and files (a guide, not a gate)
	@$(call deps,style)
	@scripts/style-table

##@ Install

# Copies files to a folder under DESTDIR; nothing to copy is fine. $(1) mode, $(2) folder, $(3) files
put = $(if $(strip $(3)),install -d "$(DESTDIR)$(2)" && install -m $(1) $(3) "$(DESTDIR)$(2)/")
UNITS := $(wildcard $(addprefix systemd/*.,service socket target slice path timer))

.PHONY: install
install: all ## Install (DESTDIR=, PREFIX=/usr/local)
	$(call put,755,$(bindir),$(PROGRAMS:%=$(BUILD)/normal/%))
	$(if $(UNITS),install -d "$(DESTDIR)$(unitdir)")
	@# The units name /usr/bin; they must name where the programs are.
	$(foreach u,$(UNITS),sed 's|/usr/bin/tdx-lp|$(bindir)/tdx-lp|g' $(u) >"$(DESTDIR)$(unitdir)/$(notdir $(u))" && chmod 644 "$(DESTDIR)$(unitdir)/$(notdir $(u))" &&) :
	$(call put,644,$(sysusersdir),$(wildcard systemd/sysusers.d/*.conf))
	$(call put,644,$(tmpfilesdir),$(wildcard systemd/tmpfiles.d/*.conf))
	$(call put,644,$(catalogdir),$(wildcard systemd/catalog/*.catalog))
	$(call put,644,$(presetdir),$(wildcard systemd/*.preset systemd/preset/*.preset))
	$(call put,644,$(datadir)/doc/tdx-lpage,README.md NEWS.md $(wildcard docs/*.varlink docs/*.md docs/*.png docs/*.svg))
	$(call put,644,$(datadir)/doc/tdx-lpage/modprobe.d,$(wildcard etc/modprobe.d/*.conf))
	$(call put,755,$(datadir)/doc/tdx-lpage/examples,etc/examples/libvirt-hook etc/examples/tdx-lpage-held)
	$(call put,644,$(datadir)/doc/tdx-lpage/examples,etc/examples/kubernetes-node.yaml)
	$(call put,644,$(datadir)/doc/tdx-lpage/examples/ansible,etc/examples/ansible/tdx-lpage.yaml)
	$(call put,644,$(datadir)/doc/tdx-lpage/examples/ansible/templates,etc/examples/ansible/templates/50-site.yaml.j2)
	$(call put,644,$(datadir)/doc/tdx-lpage/systemd,$(wildcard systemd/examples/*.conf))
	$(foreach n,1 5 7 8,$(if $(filter %.$(n),$(MAN_PAGES)),$(call put,644,$(mandir)/man$(n),$(filter %.$(n),$(MAN_PAGES))) &&)) :
	$(call put,644,$(datadir)/tdx-lpage/prometheus,$(wildcard etc/prometheus/*.yaml))
	$(call put,644,$(datadir)/tdx-lpage/prometheus/consoles,$(wildcard etc/prometheus/consoles/*.html))
	$(call put,644,$(datadir)/tdx-lpage/grafana,$(wildcard etc/grafana/*.json))
	$(call put,644,$(datadir)/bash-completion/completions,$(wildcard etc/bash-completion/*))
	$(call put,644,$(zshdir),$(wildcard etc/zsh-completions/*))
	$(foreach f,$(wildcard etc/tdx-lpage.yaml),scripts/install-config $(f) "$(DESTDIR)$(sysconfdir)" &&) :
	@# On this very host: what a package's postinst would do, so that the units can be started.
	@[ -n "$(DESTDIR)" ] || [ ! -d /run/systemd/system ] || \
		{ systemd-sysusers "$(sysusersdir)/tdx-lpage.conf" && journalctl --update-catalog && systemctl daemon-reload; }

.PHONY: deb
deb: ## Build the Debian package (to build/deb)
	@$(call deps,build deb)
	@scripts/deb $(BUILD)/deb

.PHONY: check-deb
check-deb: all ## Build the package, install, upgrade and purge it in a minimal root of this Debian
	@$(call deps,build deb check-deb)
	@$(run_tests) -t 1800 tests/deb/check

.PHONY: check-debian13
check-debian13: ## The same in a Debian 13 root, where a tarball is built with Debian's flags; demo, unit tests
	@$(call deps,deb check-deb)
	@$(run_tests) -t 1800 tests/deb/debian13

.PHONY: uninstall
uninstall: ## Remove what install has put there, but the configuration (DESTDIR=, PREFIX= as then)
	@tmp=$$(mktemp -d) && trap 'rm -rf "$$tmp"' EXIT && \
		$(MAKE) install DESTDIR="$$tmp" >/dev/null && rm -rf "$$tmp$(sysconfdir)" && \
		(cd "$$tmp" && find . -type f) | while IFS= read -r f; do rm -fv "$(DESTDIR)$${f#.}"; done
