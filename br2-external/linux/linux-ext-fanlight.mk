################################################################################
#
# linux-ext-fanlight
#
################################################################################

# Rust for the kernel, and a kernel of nothing but what the fragments name.
# linux.mk includes this before it evaluates the package, so what is set here
# still counts; in external.mk it would be too late.
#
# Not in LINUX_EXTENSIONS: linux.mk would make the kernel depend on a package of
# that name, and there is one, the command line tool.

ifeq ($(BR2_LINUX_KERNEL_EXT_FANLIGHT),y)

ifeq ($(BR2_LINUX_KERNEL_EXT_FANLIGHT_RUST_MACHINE),y)
FANLIGHT_RUST_DIR = $(call qstrip,$(BR2_LINUX_KERNEL_EXT_FANLIGHT_RUST_DIR))
else
FANLIGHT_RUST_DIR = $(HOST_DIR)/bin
# Kconfig runs rustc and bindgen to find out whether CONFIG_RUST can be had, so
# they are needed as early as that.
LINUX_KCONFIG_DEPENDENCIES += host-rustc host-rust-bindgen host-rust-src
LINUX_MAKE_ENV += LIBCLANG_PATH=$(HOST_DIR)/lib
endif

# Absolute paths, since menuconfig and its like run without host/bin in PATH.
# HOSTCC has to be one word: rust/Makefile hands it to rustc as the linker.
# It is linux.mk's own HOSTCC otherwise, with the flags where flags belong.
LINUX_MAKE_FLAGS += \
	RUSTC=$(FANLIGHT_RUST_DIR)/rustc \
	HOSTRUSTC=$(FANLIGHT_RUST_DIR)/rustc \
	RUSTDOC=$(FANLIGHT_RUST_DIR)/rustdoc \
	BINDGEN=$(FANLIGHT_RUST_DIR)/bindgen \
	HOSTCC="$(firstword $(HOSTCC_NOCCACHE))" \
	HOSTCFLAGS="$(subst -I/,-isystem /,$(subst -I /,-isystem /,$(HOST_CFLAGS)))" \
	HOSTLDFLAGS="$(HOST_LDFLAGS)"

# The messages of a panic contain paths of sources. Without this, a module has
# the path of the output directory in it. Modules are built with these flags,
# too.
LINUX_MAKE_FLAGS += KRUSTFLAGS=--remap-path-prefix=$(BASE_DIR)/=

# allnoconfig reads the fragments, so that choices (an MMU, the machine) are
# made before the options that depend on them. If a fragment was merged over a
# finished allnoconfig, these options would get their defaults.
FANLIGHT_SEED = $(LINUX_DIR)/.fanlight-seed.config
LINUX_KCONFIG_DEFCONFIG = KCONFIG_ALLCONFIG=$(FANLIGHT_SEED) allnoconfig

define FANLIGHT_SEED_CONFIG
	cat $(LINUX_KCONFIG_FRAGMENT_FILES) > $(FANLIGHT_SEED)
endef
LINUX_POST_PATCH_HOOKS += FANLIGHT_SEED_CONFIG

# Kconfig drops CONFIG_RUST silently when a tool is missing or too old.
define FANLIGHT_CHECK_RUST
	$(Q)grep -q '^CONFIG_RUST=y' $(LINUX_DIR)/.config || { \
		echo "fanlight: the kernel's configuration lost CONFIG_RUST:" 1>&2; \
		$(LINUX_MAKE_ENV) $(BR2_MAKE) -C $(LINUX_DIR) $(LINUX_MAKE_FLAGS) rustavailable; \
		exit 1; \
	}
endef
LINUX_POST_CONFIGURE_HOOKS += FANLIGHT_CHECK_RUST

# Kbuild makes an overlay only where the directory has a device tree of its
# own, or the name of one: the directory that Buildroot copies ours to has none.
define FANLIGHT_OVERLAY_RULE
	$(Q)grep -q fanlight $(LINUX_ARCH_PATH)/boot/dts/Makefile || \
		echo 'dtb- += fanlight.dtb' >> $(LINUX_ARCH_PATH)/boot/dts/Makefile
endef
LINUX_PRE_BUILD_HOOKS += FANLIGHT_OVERLAY_RULE

endif
