################################################################################
#
# fanlight-driver
#
################################################################################

FANLIGHT_DRIVER_VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' \
	$(BR2_EXTERNAL_FANLIGHT_PATH)/../Cargo.toml)
FANLIGHT_DRIVER_SITE = $(BR2_EXTERNAL_FANLIGHT_PATH)/../driver
FANLIGHT_DRIVER_SITE_METHOD = local
FANLIGHT_DRIVER_LICENSE = \
	GPL-2.0, \
	GPL-2.0 or MIT or Apache-2.0 (log format), \
	GPL-2.0 with Linux-syscall-note (header for user space)
FANLIGHT_DRIVER_LICENSE_FILES = \
	LICENSES/GPL-2.0-only.txt \
	LICENSES/Linux-syscall-note.txt \
	LICENSES/MIT.txt \
	LICENSES/Apache-2.0.txt

# The texts of the licences are beside the driver's directory.
define FANLIGHT_DRIVER_COPY_LICENSES
	mkdir -p $(@D)/LICENSES
	cp $(BR2_EXTERNAL_FANLIGHT_PATH)/../LICENSES/*.txt $(@D)/LICENSES/
endef
FANLIGHT_DRIVER_POST_RSYNC_HOOKS += FANLIGHT_DRIVER_COPY_LICENSES

# What the module can't do without; the rest is up to the board's fragments.
define FANLIGHT_DRIVER_LINUX_CONFIG_FIXUPS
	$(call KCONFIG_ENABLE_OPT,CONFIG_RUST)
	$(call KCONFIG_ENABLE_OPT,CONFIG_OF)
	$(call KCONFIG_ENABLE_OPT,CONFIG_PRINTK)
	$(call KCONFIG_ENABLE_OPT,CONFIG_CRC32)
	$(call KCONFIG_DISABLE_OPT,CONFIG_THUMB2_KERNEL)
endef

define FANLIGHT_DRIVER_INSTALL_INIT_SYSV
	$(INSTALL) -D -m 0755 $(FANLIGHT_DRIVER_PKGDIR)/S00fanlight \
		$(TARGET_DIR)/etc/init.d/S00fanlight
endef

$(eval $(kernel-module))
$(eval $(generic-package))
