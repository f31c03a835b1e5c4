################################################################################
#
# rust-src
#
################################################################################

# The kernel compiles the standard library's core and alloc itself, from the
# sources that belong to the compiler.
RUST_SRC_VERSION = $(RUST_BIN_VERSION)
RUST_SRC_SITE = $(RUST_BIN_SITE)
RUST_SRC_SOURCE = rust-src-$(RUST_SRC_VERSION).tar.xz
RUST_SRC_LICENSE = Apache-2.0 or MIT
RUST_SRC_LICENSE_FILES = LICENSE-APACHE LICENSE-MIT

HOST_RUST_SRC_DEPENDENCIES = host-rustc

# The version is up to the Buildroot tree. Buildroot's own message about a
# missing hash does not tell what to do.
define HOST_RUST_SRC_CHECK_HASH
	$(Q)grep -qs ' $(RUST_SRC_SOURCE)$$' $(HOST_RUST_SRC_HASH_FILES) || { \
		echo "error: $(RUST_SRC_SOURCE) has no hash: add a line with the one of" \
			"$(RUST_SRC_SITE)/$(RUST_SRC_SOURCE).sha256 to rust-src/rust-src.hash" \
			"in a directory of BR2_GLOBAL_PATCH_DIR" 1>&2; \
		exit 1; \
	}
endef
HOST_RUST_SRC_PRE_DOWNLOAD_HOOKS += HOST_RUST_SRC_CHECK_HASH

define HOST_RUST_SRC_INSTALL_CMDS
	$(@D)/install.sh --prefix=$(HOST_DIR) --disable-ldconfig
endef

$(eval $(host-generic-package))
