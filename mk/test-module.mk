# SPDX-License-Identifier: MIT OR Apache-2.0
#
# What only tests use, for the quick image's /lib/fanlight-test: a kernel module, and device trees that are applied to
# the running system. Part of mk/build.mk.

test-module := build/$(flavour)/fanlight_test.ko
test-files := $(test-module) build/runtime.dtbo

$(test-module): $(module) $(wildcard tests/module/*)
	+@mkdir -p $(@D)/test-module
	+@$(step) "test module for $(flavour)" $(logs)/test-module-$(flavour).log \
		$(MAKE) -C $(kernel) ARCH=arm LLVM=1 M=$(CURDIR)/tests/module MO=$(CURDIR)/$(@D)/test-module \
		KBUILD_EXTRA_SYMBOLS=$(CURDIR)/$(@D)/driver/Module.symvers modules
	@cp $(@D)/test-module/fanlight_test.ko $@

build/%.dtbo: tests/dts/%.dtso
	@dtc -q -@ -I dts -O dtb -o $@ $<
