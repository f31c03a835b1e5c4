# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Checks the settings, prepares the toolchain image, and runs mk/build.mk in it (or on this machine,
# with SDK=none).

comma := ,
# A board is a directory that describes a machine.
BOARDS  := $(patsubst board/%/machine.conf,%,$(wildcard board/*/machine.conf))
BOARDS  := virt-arm $(filter-out virt-arm,$(BOARDS))
IMAGES  := quick buildroot
KERNELS := $(shell scripts/kernel versions)
# board/common/variants/VARIANT.config describes each variant.
VARIANTS := kasan lpae rt lean
# KERNEL_DEBUG=kasan chooses a variant. A make that this one calls gets both settings.
ifeq ($(KERNEL_DEBUG),kasan)
override KERNEL_DEBUG :=
override KERNEL_VARIANT := $(sort kasan $(KERNEL_VARIANT))
endif

# `make test` is for every board that can run the kernel, unless one is named. Boards whose machine
# description has `slow = yes` are among them with SLOW=1 only, since all boards together take much
# more than an hour. The kernel of a distribution is downloaded only if its board is named.
ifneq ($(filter test,$(MAKECMDGOALS)),)
wanted := $(strip $(if $(KERNEL_DEBUG),debug) $(KERNEL_VARIANT))
of-board = $(shell sed -n 's/^$(2) = //p' board/$(1)/machine.conf)
left-out = $(call of-board,$(1),kernel-from)$(if $(SLOW)$(wanted),,$(call of-board,$(1),slow))
lacks  = $(filter-out $(call of-board,$(1),variants),$(wanted))
able   := $(strip $(foreach board,$(BOARDS),\
	$(if $(call left-out,$(board))$(call lacks,$(board)),,$(board))))
BOARD  ?= $(subst $() ,$(comma),$(if $(filter buildroot,$(IMAGE)),$(firstword $(BOARDS)),$(able)))
endif
# The packages have the tool for both architectures.
ifneq ($(filter deb,$(MAKECMDGOALS)),)
BOARD  := virt-arm,virt-arm64
endif
BOARD  ?= virt-arm
IMAGE  ?= quick
KERNEL ?= $(firstword $(KERNELS))
FANLIGHT_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/fanlight

# The settings of the command line. The environment passes them to the image.
settings := BOARD KERNEL KERNEL_DEBUG KERNEL_BENCH KERNEL_VARIANT ONLY CMD OVERLAY APPEND DT \
	SCREEN CLIENTS ICOUNT MEM SMP TIMEOUT LOGLEVEL T SLOW DEMO RESULTS IMAGE BUILDROOT \
	BUILDROOT_EXTRA CHECKS DEB_VERSION
# SHOW has the choice that DISPLAY= makes.
export SDK_PASS := $(settings) SHOW
# Settings of other scripts.
others := SDK ENGINE CROSS HOST_DEPS FANLIGHT_CACHE DISPLAY FILE DEV FORCE YES
# Those of these paths that are outside of this tree have to be mounted in the image.
export SDK_MOUNT := $(BUILDROOT) $(BUILDROOT_EXTRA) $(OVERLAY) $(subst $(comma), ,$(DT)) \
	$(if $(SCREEN),$(dir $(SCREEN)))
export $(settings) FANLIGHT_CACHE SDK ENGINE
# The toolchain image has what `make run` needs. Other images are built over it: one for everything
# but the following targets, and one over that for boards of 64 bits.
architectures := $(foreach board,$(subst $(comma), ,$(BOARD)),$(shell BOARD=$(board) \
	scripts/arch name 2>/dev/null))
small := $(if $(filter run,$(MAKECMDGOALS)),run,kernel driver userspace) sdk-image cross-tool \
	cross-userspace
ifeq ($(filter sdk-image cross-tool,$(MAKECMDGOALS)),)
export SDK_FOR := $(if $(filter arm64,$(architectures)),tests arm64,$(if $(filter-out \
	$(small),$(MAKECMDGOALS)),tests))
endif

# Without these checks make would ignore a misspelt setting, and report a misspelt target only after
# the others are built.
given := $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name)))
unknown := $(filter-out $(settings) $(others),$(given))
ifneq ($(strip $(unknown)),)
$(error no setting "$(firstword $(unknown))": choose one of $(settings) $(others))
endif
targets := $(shell sed -n 's/^\([a-z-]*\):.*\#\# .*/\1/p' $(firstword $(MAKEFILE_LIST)))
hidden := sdk-image cross-tool cross-userspace overlays arguments
unknown := $(firstword $(filter-out $(targets) $(hidden),$(MAKECMDGOALS)))
ifneq ($(unknown),)
ifeq ($(filter $(unknown),$(settings) $(others)),)
$(error no target "$(unknown)": choose one of $(targets))
endif
$(error no target "$(unknown)": it is a setting, write $(unknown)=VALUE)
endif
ifneq ($(filter-out $(BOARDS),$(subst $(comma), ,$(BOARD))),)
$(error no board "$(BOARD)": choose BOARD= one of $(BOARDS))
endif
ifeq ($(filter $(IMAGE),$(IMAGES)),)
$(error no image "$(IMAGE)": choose IMAGE= one of $(IMAGES))
endif
ifeq ($(filter $(KERNEL),$(KERNELS)),)
$(error no kernel "$(KERNEL)": choose KERNEL= one of $(KERNELS))
endif
ifneq ($(filter-out $(VARIANTS),$(KERNEL_VARIANT))$(word 2,$(KERNEL_VARIANT)),)
$(error no variant "$(KERNEL_VARIANT)" of the kernel: choose KERNEL_VARIANT= one of $(VARIANTS))
endif

# The shell of the guest expands CMD, not make.
override CMD := $(value CMD)

# DISPLAY is also the variable of X: in the environment of a desktop it is ":0" or so. Only gtk, vnc
# and none are settings; without one of them a desktop shows the screen in a window of QEMU, if QEMU
# runs on this machine and supports it, else through a viewer. The value for X is that of the
# environment that make was called with.
displays := gtk vnc none
ifneq ($(filter command,$(origin DISPLAY)),)
ifeq ($(filter $(displays),$(DISPLAY)),)
$(error no display "$(DISPLAY)": choose DISPLAY= one of $(displays))
endif
endif
export X_DISPLAY := $(shell tr '\0' '\n' </proc/$$PPID/environ | sed -n 's/^DISPLAY=//p' | \
	grep -vxE 'gtk|vnc|none')
desktop := $(or $(X_DISPLAY),$(WAYLAND_DISPLAY))
window :=
ifeq ($(SDK),none)
machine := board/$(firstword $(subst $(comma), ,$(BOARD)))/machine.conf
emulator := $(or $(shell sed -n 's/^emulator = //p' $(machine)),qemu-system-arm)
window := $(shell $(emulator) -display help 2>/dev/null | grep -x gtk)
endif
export SHOW := $(or $(filter $(displays),$(DISPLAY)),$(if $(desktop),$(or $(window),vnc),none))

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
MAKEFLAGS += --no-builtin-rules

help: ## list the targets
	@echo 'fanlight: board memory and the kernel log, mapped. Targets:'
	@sed -n -e ':join; /\\$$/ { N; s/\\\n[[:blank:]]*//; b join }' \
		-e 's/^\([a-z-]*\):.*## \(.*\)/\1 \2/p' Makefile | \
	while read -r target what; do printf '  %-12s %s\n' "$$target" "$$what"; done
	@echo 'Settings: BOARD=$(subst $() ,|,$(BOARDS)), IMAGE=$(subst $() ,|,$(IMAGES)),' \
		'SDK=none (build without a container), CROSS=no (do'
	@echo '          not use the cargo of this machine), FANLIGHT_CACHE=directory' \
		'(now $(FANLIGHT_CACHE))'
	@echo 'The kernel: KERNEL=$(subst $() ,|,$(KERNELS)), KERNEL_DEBUG=1|kasan,' \
		'KERNEL_VARIANT=$(subst $() ,|,$(VARIANTS))'
	@echo 'Each boot: OVERLAY=directory (files for the guest), DT=file.dtso[,file.dtso],' \
		'APPEND="words of the command line",'
	@echo '          SMP=n, MEM=MiB, LOGLEVEL=n, TIMEOUT=seconds'

run: toolchain ## boot the quick image: a shell on a terminal [DISPLAY=gtk|vnc|none], \
		else the demonstration (DEMO=1 forces it)
	@$(inside) run

guest: toolchain ## run CMD='...' in a booted guest [SCREEN=file.png CLIENTS=1 ICOUNT=1]; \
		scripts/guest exits with its status
	@$(inside) guest

image: export SDK_FOR := buildroot
image: toolchain ## build the image of BOARD with Buildroot \
		(BUILDROOT=dir, else upstream's release) into build/image/
	@$(inside) image

crates: toolchain ## put user space and its crates into build/crates, for a Buildroot of your own
	@$(inside) crates

card = build/image/$(or $(filter raspberrypi64,$(BOARD)),raspberrypi)/sdcard.img
flash: ## write build/image/raspberrypi/sdcard.img (or FILE=) to the SD card DEV=/dev/sdX
	@scripts/flash "$(or $(FILE),$(card))" "$(DEV)"

test: toolchain ## run the tests; T=text runs those with it in their names, \
		SLOW=1 also those that take minutes
	@$(inside) test

bench: toolchain ## run the benchmarks (instruction counts in QEMU); \
		BOARD=raspberrypi also prepares files for an SD card
	@KERNEL_BENCH=1 $(inside) bench

bench-table: toolchain ## print the table of results that a board has measured, \
		FILE=fanlight-bench.tsv
	@FILE="$(abspath $(FILE))" SDK_MOUNT="$(FILE)" SDK_PASS="$$SDK_PASS FILE" \
		$(inside) bench-table

bench-doc: toolchain ## write docs/benchmarks.md from the results of `make bench`
	@$(inside) bench-doc

model: toolchain ## run the log's ring under loom, and under Miri if rustup's nightly has it; \
		takes half an hour
	@$(inside) model
	@if cargo +nightly miri --version >/dev/null 2>&1; then \
		scripts/step "ring under miri" build/log/miri.log cargo +nightly miri test \
			--locked --target-dir $(target-dir)/miri -p fanlight-ring; \
	else \
		echo "fanlight: SKIPPED: miri, which rustup's nightly toolchain has" \
			"(rustup component add miri --toolchain nightly)"; \
	fi

check: toolchain ## run the static checks; CHECKS='format shell' selects some
	@$(inside) check

rust-analyzer: toolchain ## write driver/rust-project.json, for \
		an editor with rust-analyzer
	@$(inside) rust-analyzer

kernel: toolchain ## build the kernel
	@$(inside) kernel

driver: toolchain ## build fanlight.ko
	@$(inside) driver

userspace: toolchain ## build the command line tool and the guest's test program
	@$(inside) userspace

manual: toolchain ## make the tool's man pages and completions in build/share, for /usr/share
	@$(inside) manual

dist: toolchain ## make the files of a release, with checksums, in build/dist
	@$(inside) dist

deb: toolchain ## make the Debian packages in build/deb: fanlight (armhf, arm64), fanlight-dkms, \
		fanlight-doc
	@$(inside) deb

quick-image: toolchain ## build the initramfs that guest and test boot
	@$(inside) quick-image

toolchain: host-deps ## build the image that holds the tools
ifneq ($(SDK),none)
	@$(MAKE) -j2 sdk-image $(if $(USERSPACE),cross-tool)
endif

sdk-image:
	@scripts/sdk --ensure

# If the host has cargo, cross builds user space, as a Rust developer would; else the cargo of the
# image does.
CROSS ?= $(if $(filter none,$(SDK)),no,$(if $(shell command -v cargo),yes,no))
ifeq ($(CROSS),yes)
export USERSPACE := cross
export SDK_PASS += USERSPACE
endif
# The images of Buildroot contain their own user space.
$(if $(filter buildroot,$(IMAGE)),,run guest) test bench userspace dist deb quick-image: \
	cross-userspace

cross-tool:
	@scripts/cross --install

# `make run` alone does not need the tests. Without them a first run takes less time.
WITHOUT_TESTS := $(if $(filter-out run,$(MAKECMDGOALS)),,$(filter run,$(MAKECMDGOALS)))
export WITHOUT_TESTS
export SDK_PASS += WITHOUT_TESTS

# The user's device trees are compiled before anything is built, to find mistakes early.
overlays: toolchain
ifneq ($(DT),)
	@$(if $(filter none,$(SDK)),,scripts/sdk) scripts/arguments --trees
endif
run guest test: overlays

cross-userspace: toolchain overlays
ifeq ($(CROSS),yes)
	@mkdir -p build && flock build/lock scripts/step "user space, by cross" \
		build/log/userspace.log scripts/cross $(target-dir)/cross
endif

.PHONY: sdk-image cross-tool cross-userspace overlays arguments

host-deps: arguments ## install missing host packages (HOST_DEPS=check only names them)
ifneq ($(SDK),none)
	@HOST_DEPS=$(HOST_DEPS) scripts/host-deps
endif

arguments:
	@scripts/arguments $(MAKECMDGOALS)

clean: ## remove build/ and this tree's compiled user space; the cache keeps kernels and the image
	rm -rf build $(target-dir)

clean-cache: ## remove the cache as well: the next build starts from nothing
	rm -rf build $(FANLIGHT_CACHE)

.PHONY: help run guest image crates flash test bench bench-table bench-doc model check \
	rust-analyzer kernel driver userspace manual dist deb quick-image toolchain host-deps \
	clean clean-cache

# One jobserver for the processes of make, of the kernel's build and of cargo.
inside = env -u MAKEFLAGS $(if $(filter none,$(SDK)),,scripts/sdk) make -f mk/build.mk \
	-j $$(nproc) --no-print-directory
target-dir = $(FANLIGHT_CACHE)/target/$(shell pwd | sha256sum | cut -c 1-12)
