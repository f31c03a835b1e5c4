# SPDX-License-Identifier: MIT OR Apache-2.0
#
# The files that only tests use, for /lib/fanlight-test of the quick image: a kernel module, device
# trees that are applied to the running system, the examples of the library, and C programs: ours,
# which use only the ABI's header, and the kernel's selftest of PFN mappings. Part of mk/build.mk.

test-module := build/$(flavour)/fanlight_test.ko
test-files := $(test-module) build/$(flavour)/runtime.dtbo $(examples) \
	$(userspace)/examples/read_log

$(test-module): $(module) $(wildcard tests/module/*)
	+@mkdir -p $(@D)/test-module
	+@$(step) "test module for $(flavour)" $(logs)/test-module-$(flavour).log \
		$(MAKE) -C $(kernel) $(kbuild) \
		M=$(CURDIR)/tests/module MO=$(CURDIR)/$(@D)/test-module \
		KBUILD_EXTRA_SYMBOLS=$(CURDIR)/$(@D)/driver/Module.symvers modules
	@cp $(@D)/test-module/fanlight_test.ko $@

build/$(flavour)/%.dtbo: tests/dts/%.dtso board/$(board)/machine.conf dts/board.h
	@mkdir -p $(@D)
	@scripts/dtc $(board) $< $@

test-programs := $(userspace)/fanlight-uapi $(userspace)/fanlight-log build/$(flavour)/pfnmap
board-cc := $(call arch-of,$(board),gnu)-gcc -O1

$(userspace)/fanlight-uapi: tests/c/fanlight-uapi.c driver/uapi/fanlight.h
	@mkdir -p $(@D)
	@$(board-cc) -std=c89 -pedantic -Wall -Wextra -Werror -I driver/uapi -o $@ $<

# The functions in the comments of the header: their lines begin with a tab.
$(userspace)/fanlight-comment.h: driver/uapi/fanlight.h
	@mkdir -p $(@D)
	@sed -n '/^ \*\tstatic /,/^ \*\t}/s/^ \*\t//p' $< >$@

$(userspace)/fanlight-log: tests/c/fanlight-log.c $(userspace)/fanlight-comment.h \
		driver/uapi/fanlight.h
	@$(board-cc) -Wall -Wextra -Werror -I driver/uapi -I $(userspace) -o $@ $<

$(userspace)/examples/%: userspace/fanlight/examples/%.c driver/uapi/fanlight.h
	@mkdir -p $(@D)
	@$(board-cc) -std=gnu99 -Wall -Wextra -Werror -I driver/uapi -o $@ $<

selftests = $(kernel)/source/tools/testing/selftests
build/$(flavour)/pfnmap: $(kernel)/ready
	@mkdir -p $(@D)
	@$(step) "pfnmap selftest" $(logs)/pfnmap.log $(board-cc) -w -D_GNU_SOURCE \
		-I $(selftests) -I $(selftests)/../../include/uapi \
		-o $@ $(selftests)/mm/pfnmap.c $(selftests)/mm/vm_util.c
