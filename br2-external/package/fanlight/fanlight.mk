################################################################################
#
# fanlight
#
################################################################################

FANLIGHT_VERSION = 0.1.0
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

# As Cargo.toml says it, whatever Buildroot's general settings are: they would
# make the programs several times as large.
FANLIGHT_CARGO_ENV = \
	CARGO_PROFILE_RELEASE_OPT_LEVEL=z \
	CARGO_PROFILE_RELEASE_LTO=true \
	CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1

define FANLIGHT_INSTALL_TARGET_CMDS
	$(foreach program,$(FANLIGHT_PROGRAMS), \
		$(INSTALL) -D -m 0755 \
			$(@D)/target/$(RUSTC_TARGET_NAME)/$(if $(BR2_ENABLE_DEBUG),debug,release)/$(program) \
			$(TARGET_DIR)/usr/bin/$(program)$(sep))
endef

ifeq ($(BR2_PACKAGE_FANLIGHT_TESTS),y)
define FANLIGHT_INSTALL_INIT_SYSV
	$(INSTALL) -D -m 0755 $(FANLIGHT_PKGDIR)/S99ask-host \
		$(TARGET_DIR)/etc/init.d/S99ask-host
endef
endif

# The group that may use windows which are neither screen nor log.
define FANLIGHT_USERS
	- - fanlight 990 - - - - fanlight windows
endef

$(eval $(cargo-package))
