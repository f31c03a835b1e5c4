# SPDX-License-Identifier: MIT OR Apache-2.0
#
# fanlight's front door. It prepares the toolchain image and hands everything else to mk/build.mk, which runs inside it
# (or right here, with SDK=none).

comma := ,
BOARDS  := virt-arm raspberrypi zynq
IMAGES  := quick buildroot
KERNELS := 7.2 7.3
# board/VARIANT/kernel.config says what each one is.
VARIANTS := lpae rt lean

# `make test` is for every board, unless one is named.
ifneq ($(filter test,$(MAKECMDGOALS)),)
BOARD  ?= $(subst $() ,$(comma),$(if $(filter buildroot,$(IMAGE)),$(firstword $(BOARDS)),$(BOARDS)))
endif
BOARD  ?= virt-arm
IMAGE  ?= quick
KERNEL ?= 7.2
FANLIGHT_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/fanlight

# What a user may say on the command line; it reaches the image through the environment.
settings := BOARD KERNEL KERNEL_DEBUG KERNEL_BENCH KERNEL_VARIANT ONLY CMD OVERLAY DT SCREEN CLIENTS ICOUNT MEM SMP TIMEOUT LOGLEVEL T SLOW DEMO RESULTS IMAGE BUILDROOT BUILDROOT_EXTRA
export SDK_PASS := $(settings)
# Of these, what is outside of this tree has to be shown to the image.
export SDK_MOUNT := $(BUILDROOT) $(BUILDROOT_EXTRA) $(OVERLAY) $(subst $(comma), ,$(DT)) $(if $(SCREEN),$(dir $(SCREEN)))
export $(settings) FANLIGHT_CACHE SDK ENGINE

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

# The guest's shell expands what CMD says, not make.
override CMD := $(value CMD)

.DEFAULT_GOAL := help

# A word that is no target is reported before anything is built: `make test T` for `make test T=...`.
all-targets := $(shell sed -n 's/^\([a-z-]*\):.*$$/\1/p' Makefile)
targets := $(shell sed -n 's/^\([a-z-]*\):.*\#\# .*/\1/p' Makefile)
unknown := $(firstword $(filter-out $(all-targets),$(MAKECMDGOALS)))
ifneq ($(unknown),)
$(error no target "$(unknown)": $(if $(filter $(unknown),$(settings)),it is a setting$(comma) write $(unknown)=VALUE,choose one of $(targets)))
endif
MAKEFLAGS += --no-print-directory
MAKEFLAGS += --no-builtin-rules

help: ## list the targets
	@echo 'fanlight: board memory and the kernel log, mapped. Targets:'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | awk -F '|' '{ printf "%-14s %s\n", $$1, $$2 }'
	@echo 'Settings: BOARD=$(subst $() ,|,$(BOARDS)), IMAGE=$(subst $() ,|,$(IMAGES)), KERNEL=$(subst $() ,|,$(KERNELS)), KERNEL_DEBUG=1,'
	@echo '          KERNEL_VARIANT=$(subst $() ,|,$(VARIANTS)), SMP=n, MEM=MiB, LOGLEVEL=n, TIMEOUT=s, SDK=none,'
	@echo '          CROSS=no, FANLIGHT_CACHE=directory (now $(FANLIGHT_CACHE))'

run: toolchain ## boot the quick image: a shell on a terminal, else the demonstration (DEMO=1 forces it)
	@$(inside) run

guest: toolchain ## run CMD='...' in a booted guest [OVERLAY=dir DT=extra.dtso SCREEN=file.png CLIENTS=1 ICOUNT=1]
	@$(inside) guest

image: export SDK_FOR := buildroot
image: toolchain ## build the image of BOARD with Buildroot (BUILDROOT=dir, else upstream's release) into build/image/
	@$(inside) image

crates: toolchain ## put user space and its crates into build/crates, for a Buildroot of your own
	@$(inside) crates

flash: ## write build/image/raspberrypi/sdcard.img (or FILE=) to the SD card DEV=/dev/sdX
	@mk/flash "$(or $(FILE),build/image/raspberrypi/sdcard.img)" "$(DEV)"

test: toolchain ## run the tests; T=pattern chooses by name, SLOW=1 adds the ones that take minutes
	@$(inside) test

bench: toolchain ## fanlight and its peers doing the same work in one boot, instructions counted; BOARD=raspberrypi: for a card
	@case $(BOARD) in virt-arm | raspberrypi) ;; *) echo 'fanlight: no benchmarks for the board "$(BOARD)": choose BOARD= one of virt-arm raspberrypi' >&2; exit 2 ;; esac
	@KERNEL_BENCH=1 $(inside) bench

bench-table: toolchain ## the table of what a board's card has measured, FILE=fanlight-bench.tsv
	@[ -n "$(FILE)" ] || { echo "fanlight: say which results: make bench-table FILE=fanlight-bench.tsv" >&2; exit 2; }
	@FILE="$(abspath $(FILE))" SDK_MOUNT="$(FILE)" SDK_PASS="$$SDK_PASS FILE" $(inside) bench-table

bench-doc: toolchain ## write docs/benchmarks.md from what `make bench` has measured
	@$(inside) bench-doc

model: toolchain ## the log's ring under loom, and under miri where rustup's nightly has it; takes half an hour
	@$(inside) model
	@if cargo +nightly miri --version >/dev/null 2>&1; then \
		mk/step "ring under miri" build/log/miri.log cargo +nightly miri test --locked --target-dir $(target-dir)/miri -p fanlight-ring; \
	else \
		echo "fanlight: SKIPPED: miri, which rustup's nightly toolchain has (rustup component add miri --toolchain nightly)"; \
	fi

check: toolchain ## formatting, lints, licences, device-tree bindings
	@$(inside) check

kernel: toolchain ## build the kernel
	@$(inside) kernel

driver: toolchain ## build fanlight.ko
	@$(inside) driver

userspace: toolchain ## build the command line tool and the guest's test program
	@$(inside) userspace

manual: toolchain ## make the tool's man pages and completions in build/share, for /usr/share
	@$(inside) manual

quick-image: toolchain ## build the initramfs that run, guest and test boot
	@$(inside) quick-image

toolchain: host-deps ## build the image that holds the tools
ifneq ($(SDK),none)
	@$(MAKE) -j2 sdk-image $(if $(USERSPACE),cross-tool)
endif

sdk-image:
	@mk/sdk --ensure

# Where the host has cargo, user space is built through cross, as a Rust developer would; else by the image's own cargo.
CROSS ?= $(if $(filter none,$(SDK)),no,$(if $(shell command -v cargo),yes,no))
ifeq ($(CROSS),yes)
export USERSPACE := cross
export SDK_PASS += USERSPACE
endif
run guest test userspace quick-image: cross-userspace

cross-tool:
	@mk/cross --install

cross-userspace: toolchain
ifeq ($(USERSPACE),cross)
	@mkdir -p build && flock build/lock mk/step "user space, by cross" build/log/userspace.log mk/cross $(target-dir)/cross
endif

.PHONY: sdk-image cross-tool cross-userspace

host-deps: ## install what the host lacks (HOST_DEPS=check only names it)
ifneq ($(SDK),none)
	@HOST_DEPS=$(HOST_DEPS) mk/host-deps
endif

clean: ## remove build/ and this tree's compiled user space; kernels and the image stay cached
	rm -rf build $(target-dir)

clean-cache: ## remove the cache as well: everything is built anew next time
	rm -rf build $(FANLIGHT_CACHE)

.PHONY: manual help run guest image crates flash test bench bench-table bench-doc model check kernel driver userspace quick-image toolchain host-deps clean clean-cache

# Make's own processes share their job slots with the kernel's and cargo's.
inside = env -u MAKEFLAGS $(if $(filter none,$(SDK)),,mk/sdk) make -f mk/build.mk -j $$(nproc) --no-print-directory
target-dir = $(FANLIGHT_CACHE)/target/$(shell pwd | sha256sum | cut -c 1-12)
