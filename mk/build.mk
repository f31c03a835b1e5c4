# SPDX-License-Identifier: MIT OR Apache-2.0
#
# The build. The Makefile runs it where the tools are: in the toolchain image, or on this machine.
# Results and logs are in build/, files that other trees can use, too, in the cache. Independent
# steps run in parallel.

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:

comma := ,
KERNEL ?= $(firstword $(shell scripts/kernel versions))
BOARD ?= virt-arm
FANLIGHT_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/fanlight
export BOARD KERNEL KERNEL_DEBUG KERNEL_BENCH KERNEL_VARIANT FANLIGHT_CACHE

step := scripts/step
logs := build/log
# `make test` may have several boards. This file builds for the first one; see `media` for the
# others.
boards := $(subst $(comma), ,$(BOARD))
board := $(firstword $(boards))
# Files that depend on the kernel are in a directory named by version, board and variants.
variants := $(if $(KERNEL_DEBUG),-debug)$(if $(KERNEL_BENCH),-bench)$(addprefix -,$(KERNEL_VARIANT))
flavour-of = $(KERNEL)-$(1)$(variants)
kernel-of = $(shell BOARD=$(1) scripts/kernel dir)
arch-of = $(shell BOARD=$(1) scripts/arch $(2))
# The image of `make run` does not have the files that only tests use, so a first run does not build
# them.
run-image-of = build/$(call flavour-of,$(1))/run.cpio
test-image-of = build/$(call flavour-of,$(1))/quick.cpio
image-of = $(if $(WITHOUT_TESTS),$(run-image-of),$(test-image-of))
flavour := $(call flavour-of,$(board))
kernel := $(call kernel-of,$(board))
arch := $(call arch-of,$(board),name)
kbuild := $(shell scripts/kernel make)
programs-arch := $(call arch-of,$(board),programs)
userspace := build/userspace/$(programs-arch)
module := build/$(flavour)/fanlight.ko
image := $(call image-of,$(board))

target := $(FANLIGHT_CACHE)/target/$(shell pwd | sha256sum | cut -c 1-12)
# Two directories: cargo locks a target directory, and these two builds run in parallel.
export CARGO_TARGET_DIR := $(target)/host
board-target := $(target)/board
cargo := cargo build --locked
programs := $(userspace)/fanlight $(userspace)/ask-host
guest-tests := $(userspace)/fanlight-guest-tests
# The examples of the library, which the guest's tests run.
examples := $(wildcard userspace/fanlight/examples/*.rs)
examples := $(patsubst userspace/fanlight/examples/%.rs,$(userspace)/examples/%,$(examples))
# Not optimized: the runner mostly waits for QEMU, and the user waits for its build.
runner := $(CARGO_TARGET_DIR)/debug/fanlight-runner

.PHONY: run guest test model check rust-analyzer kernel driver userspace quick-image runner media
kernel: $(kernel)/ready
driver: $(module)
quick-image: $(image)
	@:

# --- the kernel and its module

# One jobserver: the kernel's jobs and ours together do not exceed the number of processors.
$(kernel)/ready:
	+@$(step) "kernel $(flavour)" $(logs)/kernel-$(flavour).log scripts/kernel build

driver-sources := $(shell find driver -name Kbuild -o -name '*.rs' -o -name '*.c' -o -name '*.h')
$(module): $(kernel)/ready $(driver-sources)
	+@mkdir -p $(@D)/driver
	+@$(step) "driver for $(flavour)" $(logs)/driver-$(flavour).log \
		$(MAKE) -C $(kernel) $(kbuild) \
		M=$(CURDIR)/driver MO=$(CURDIR)/$(@D)/driver modules
	@cp $(@D)/driver/fanlight.ko $@

# --- user space; cargo decides what is out of date

# If the host has cargo, the Makefile has built it by cross before it runs this file
# (scripts/cross).
ifeq ($(USERSPACE),)
userspace:
	+@$(step) "user space for $(programs-arch)" \
		$(logs)/userspace-$(programs-arch).log \
		scripts/userspace cargo $(CURDIR) $(board-target)
else
userspace:
endif
$(programs) $(guest-tests) $(examples): userspace ;

runner:
	+@$(step) "runner" $(logs)/runner.log $(cargo) -p fanlight-runner

# --- the tool's man pages and completions, as a package installs them in /usr/share

.PHONY: manual
manual:
	@$(step) "man pages and completions" $(logs)/manual.log \
		cargo run --locked -p fanlight-manual -- build/share

.PHONY: dist
dist: manual $(programs)
	@$(step) "release" $(logs)/dist.log scripts/dist build/dist
	@cat build/dist/SHA256SUMS

.PHONY: deb
deb: manual
	+@for board in $(boards); do $(MAKE) -f mk/build.mk BOARD=$$board userspace; done
	@$(step) "Debian packages" $(logs)/deb.log scripts/deb build/deb

# --- the quick image

include mk/test-module.mk
include mk/bench.mk
include mk/image.mk

run-image := $(call run-image-of,$(board))
test-image := $(call test-image-of,$(board))
image-sources := $(module) scripts/quick-image board/$(board)/machine.conf \
	$(shell find board/common/rootfs)
.PHONY: run-image
run-image: $(run-image)
$(run-image): $(image-sources) $(programs)
	@$(step) "image" $(logs)/run-image.log scripts/quick-image $@ $(module) $(programs)
test-programs := $(programs) $(guest-tests) $(test-programs)
$(test-image): $(image-sources) $(test-programs) $(test-files)
	@TEST_FILES="$(test-files)" $(step) "quick image" $(logs)/quick-image.log \
		scripts/quick-image $@ $(module) $(test-programs)

# --- booting it

# The settings of every boot: see scripts/arguments.
option = $(if $(2),$(1) $(2))
boot = $(runner) $(1) \
	$(foreach board,$(boards),--board $(board) $(call media-of,$(board))) \
	$(call option,--smp,$(SMP)) $(call option,--memory,$(MEM)) \
	$(if $(ICOUNT),--icount) $(call option,--timeout,$(TIMEOUT)) \
	$(call option,--loglevel,$(LOGLEVEL)) $(call option,--files,$(OVERLAY)) \
	$(addprefix --dt ,$(subst $(comma), ,$(DT))) $(if $(APPEND),--append "$$APPEND") \
	--results build/$(2)

# Only one build runs in this tree at a time; any number of machines may run from its results. The
# boards are built one after another, since the build of a kernel uses all processors.
busy := another build is at work in this tree: waiting for it
ready = mkdir -p build && { flock -n build/lock true || echo "fanlight: $(busy)" >&2; } && \
	flock build/lock sh -ec \
	'for board in $(boards); do $(MAKE) -f mk/build.mk BOARD=$$board media $(1); done'

# For QEMU's own window, DISPLAY is set to the value of X.
run:
	+@$(call ready)
	@if [ -t 0 ] && [ -t 1 ] && [ -z "$(DEMO)" ]; then \
		[ -z "$$X_DISPLAY" ] || export DISPLAY="$$X_DISPLAY"; \
		exec $(call boot,shell,shell) --display $(or $(SHOW),none); \
	else \
		exec $(call boot,demo,demo); \
	fi

guest: $(if $(CLIENTS),clients)
	+@$(call ready)
	@exec $(call boot,guest,$(or $(RESULTS),guest)) $(call option,--screen,$(SCREEN)) \
		$(if $(CLIENTS),--data $(clients)) -- "$$CMD"

check: $(kernel)/ready
	@scripts/check $(kernel)

# By the kernel's script, which writes to the directory of the objects.
rust-analyzer: $(module)
	@$(step) "rust-analyzer" $(logs)/rust-analyzer.log \
		$(MAKE) -C $(kernel) $(kbuild) M=$(CURDIR)/driver \
		MO=$(CURDIR)/$(dir $(module))driver rust-analyzer
	@python3 -c 'import json, sys; p = json.load(sys.stdin); \
		[c["cfg"].append("fanlight_driver") for c in p["crates"] \
			if c["display_name"] == "fanlight_main"]; \
		json.dump(p, sys.stdout)' \
		<$(dir $(module))driver/rust-project.json >driver/rust-project.json

model:
	@RUSTFLAGS='--cfg loom' $(step) "ring under loom" $(logs)/loom.log \
		cargo test --locked --release --target-dir $(CARGO_TARGET_DIR)/loom \
		-p fanlight-ring --test loom

# Third-party programs, for the slow tests.
clients := $(shell scripts/clients file)
.PHONY: clients
clients:
	@$(step) "client programs" $(logs)/clients.log scripts/clients build

# The documents' commands are for users of the image of `make run`.
test: $(if $(SLOW),clients)
	+@$(call ready,$(if $(filter buildroot,$(IMAGE)),,run-image))
	@exec $(call boot,test,$(or $(RESULTS),test)) \
		--filter '$(T)' $(if $(SLOW),--slow --data $(clients))
