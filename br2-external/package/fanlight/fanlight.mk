################################################################################
#
# fanlight
#
################################################################################

FANLIGHT_VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' \
	$(BR2_EXTERNAL_FANLIGHT_PATH)/../Cargo.toml)
# Not the repository itself: `make crates` there makes this tree, which has the
# crates from the registry in it. Buildroot vendors crates of downloads only.
FANLIGHT_SITE = $(BR2_EXTERNAL_FANLIGHT_PATH)/../build/crates
FANLIGHT_SITE_METHOD = local
FANLIGHT_LICENSE = MIT or Apache-2.0
FANLIGHT_LICENSE_FILES = LICENSES/MIT.txt LICENSES/Apache-2.0.txt

FANLIGHT_PROGRAMS = fanlight
FANLIGHT_CARGO_BUILD_OPTS = -p fanlight-cli

ifeq ($(BR2_PACKAGE_FANLIGHT_TESTS),y)
FANLIGHT_PROGRAMS += fanlight-guest-tests ask-host
FANLIGHT_CARGO_BUILD_OPTS += -p fanlight-guest-tests -p fanlight-runner-link
endif

# The programs do not contain the path of the output directory. cargo appends
# these flags to those of the environment, which Buildroot sets.
FANLIGHT_CARGO_BUILD_OPTS += --config \
	"target.$(RUSTC_TARGET_NAME).rustflags=['--remap-path-prefix=$(@D)=/fanlight']"

# The profile of Cargo.toml instead of Buildroot's general settings, which would
# make the programs several times as large.
FANLIGHT_CARGO_ENV = \
	CARGO_PROFILE_RELEASE_OPT_LEVEL=z \
	CARGO_PROFILE_RELEASE_LTO=true \
	CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1

# Man pages and completions, made by a program that runs here. Buildroot removes
# what the image has no shell or reader for.
define FANLIGHT_BUILD_MANUAL
	cd $(@D) && $(HOST_MAKE_ENV) $(HOST_CONFIGURE_OPTS) $(HOST_PKG_CARGO_ENV) \
		cargo run --offline --locked --target-dir target/manual \
			-p fanlight-manual -- share
endef
FANLIGHT_POST_BUILD_HOOKS += FANLIGHT_BUILD_MANUAL

define FANLIGHT_INSTALL_MANUAL
	mkdir -p $(TARGET_DIR)/usr/share
	cp -R $(@D)/share/. $(TARGET_DIR)/usr/share/
endef
FANLIGHT_POST_INSTALL_TARGET_HOOKS += FANLIGHT_INSTALL_MANUAL

FANLIGHT_PROFILE = $(if $(BR2_ENABLE_DEBUG),debug,release)

define FANLIGHT_INSTALL_TARGET_CMDS
	$(foreach program,$(FANLIGHT_PROGRAMS), \
		$(INSTALL) -D -m 0755 \
			$(@D)/target/$(RUSTC_TARGET_NAME)/$(FANLIGHT_PROFILE)/$(program) \
			$(TARGET_DIR)/usr/bin/$(program)$(sep))
endef

# The quick image has the same files.
FANLIGHT_ROOTFS = $(BR2_EXTERNAL_FANLIGHT_PATH)/../board/common/rootfs

# Where the logs of earlier boots are filed, by either service.
define FANLIGHT_INSTALL_DEFAULTS
	$(INSTALL) -D -m 0644 $(FANLIGHT_ROOTFS)/etc/default/fanlight \
		$(TARGET_DIR)/etc/default/fanlight
endef
FANLIGHT_POST_INSTALL_TARGET_HOOKS += FANLIGHT_INSTALL_DEFAULTS

ifeq ($(BR2_PACKAGE_FANLIGHT_TESTS),y)
define FANLIGHT_INSTALL_TESTS_SYSV
	$(INSTALL) -D -m 0755 $(FANLIGHT_PKGDIR)/S99ask-host \
		$(TARGET_DIR)/etc/init.d/S99ask-host
endef
endif

define FANLIGHT_INSTALL_INIT_SYSV
	$(INSTALL) -D -m 0755 $(FANLIGHT_ROOTFS)/etc/init.d/S20fanlight-archive \
		$(TARGET_DIR)/etc/init.d/S20fanlight-archive
	$(FANLIGHT_INSTALL_TESTS_SYSV)
endef

# They give the nodes to their groups, and start the service when the log of an
# earlier boot is there. BusyBox's mdev has rules of its own (post-build.sh).
ifeq ($(BR2_PACKAGE_HAS_UDEV),y)
define FANLIGHT_INSTALL_UDEV_RULES
	$(INSTALL) -D -m 0644 \
		$(BR2_EXTERNAL_FANLIGHT_PATH)/../board/common/udev/60-fanlight.rules \
		$(TARGET_DIR)/usr/lib/udev/rules.d/60-fanlight.rules
endef
FANLIGHT_POST_INSTALL_TARGET_HOOKS += FANLIGHT_INSTALL_UDEV_RULES
endif

define FANLIGHT_INSTALL_INIT_SYSTEMD
	$(INSTALL) -D -m 0644 $(FANLIGHT_PKGDIR)/fanlight-archive@.service \
		$(TARGET_DIR)/usr/lib/systemd/system/fanlight-archive@.service
endef

# The group that may use windows which are neither screen nor log.
define FANLIGHT_USERS
	- - fanlight 990 - - - - fanlight windows
endef

$(eval $(cargo-package))
