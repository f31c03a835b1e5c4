# SPDX-License-Identifier: MIT OR Apache-2.0
#
# The benchmarks. Part of mk/build.mk; `bench` is run with KERNEL_BENCH=1, which chooses the kernel
# that has every peer.

bench-module := build/$(flavour)/fanlight_bench.ko
bench-report := $(CARGO_TARGET_DIR)/debug/fanlight-bench-report
bench-runs := build/bench$(if $(filter-out virt-arm,$(BOARD)),/$(BOARD))
armv7 := armv7-unknown-linux-gnueabihf

bench-plugin := build/bench-plugin.so

.PHONY: bench bench-doc bench-table bench-programs bench-parts

$(bench-module): $(module) $(wildcard bench/module/*)
	+@mkdir -p $(@D)/bench-module
	+@$(step) "bench module for $(flavour)" $(logs)/bench-module-$(flavour).log \
		$(MAKE) -C $(kernel) $(kbuild) \
		M=$(CURDIR)/bench/module MO=$(CURDIR)/$(@D)/bench-module \
		KBUILD_EXTRA_SYMBOLS=$(CURDIR)/$(@D)/driver/Module.symvers modules
	@cp $(@D)/bench-module/fanlight_bench.ko $@

$(bench-plugin): bench/plugin/count.c
	@mkdir -p $(@D)
	@gcc -O2 -Wall -Werror -shared -fPIC -fvisibility=hidden -o $@ $<

# Optimized for speed, like a program that reads a busy log. The profile of the tool is for size.
bench-programs:
	+@CARGO_PROFILE_RELEASE_OPT_LEVEL=3 CARGO_PROFILE_RELEASE_LTO=off \
		$(step) "bench program" $(logs)/bench-program.log \
		$(cargo) --release --target $(armv7) --target-dir $(board-target)/bench \
		-p fanlight-bench
	+@$(step) "bench report" $(logs)/bench-report.log $(cargo) -p fanlight-bench-report

bench-parts: $(image) $(bench-module) $(bench-plugin) bench-programs runner ;

bench:
	+@mkdir -p build && flock build/lock $(MAKE) -f mk/build.mk bench-parts
	@bench/run $(BOARD) $(kernel) $(image) $(module) $(bench-module) \
		$(board-target)/bench/$(armv7)/release/fanlight-bench \
		$(bench-plugin) $(runner) $(bench-runs)
	@$(bench-report) \
		$(if $(filter raspberrypi,$(BOARD)),--clock $(bench-runs)/clock.tsv,$(bench-runs))
ifeq ($(BOARD),raspberrypi)
	@echo "fanlight: these are QEMU's times, not those of a board:" \
		"copy $(bench-runs)/card onto a card (docs/boards/raspberrypi.md)"
endif

bench-table:
	+@$(step) "bench report" $(logs)/bench-report.log $(cargo) -p fanlight-bench-report
	@$(bench-report) --clock $(FILE)

bench-doc:
	+@$(step) "bench report" $(logs)/bench-report.log $(cargo) -p fanlight-bench-report
	@$(bench-report) $(bench-runs) --doc docs/benchmarks.md bench/report/notes.md
