#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Tests which kernels the package fanlight-dkms refuses. The headers have only the files that it
# reads, and the compilers and dpkg-query are stubs. Prints KTAP.
set -u
# shellcheck source=tests/ktap.sh
. tests/ktap.sh

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
bin=$scratch/bin headers=$scratch/headers
mkdir "$bin" "$headers" "$scratch/sources"
for tool in sh cat cut dirname grep nproc sed; do ln -s "$(command -v $tool)" "$bin/"; done

# stub NAME [TEXT]: a program that prints the text
stub() {
	printf '#!/bin/sh\ncat <<"END"\n%s\nEND\n' "${2:-}" >"$bin/$1"
	chmod +x "$bin/$1"
}
ours='rustc 1.85.1 (4eb161250 2025-03-15)'
other='rustc 1.90.0 (1159e78c4 2025-09-14)'
# A system and headers with which everything can be built.
fresh() {
	rm -f "$bin/rustc-1.85"
	for tool in aarch64-linux-gnu-gcc-14 bc bindgen bison flex gcc pahole xz; do
		stub $tool
	done
	mkdir -p "$scratch/lib/rustlib/src/rust/library/core/src"
	touch "$scratch/lib/rustlib/src/rust/library/core/src/lib.rs"
	cat >"$bin/rustc" <<-END
		#!/bin/sh
		case \$1 in
		--version) echo '$ours' ;;
		--print) echo '$scratch' ;;
		esac
	END
	chmod +x "$bin/rustc"
	stub dpkg-query 7.2.12-1
	touch "$scratch/sources/linux-source-7.2.tar.xz"
	rm -rf "$headers"
	mkdir "$headers"
	touch "$headers/Makefile"
	cat >"$headers/.config" <<-END
		CONFIG_ARM64=y
		CONFIG_RUST=y
		CONFIG_RUSTC_VERSION_TEXT="$ours"
		CONFIG_CC_VERSION_TEXT="aarch64-linux-gnu-gcc-14 (Debian 14.2.0-19) 14.2.0"
		# CONFIG_MODVERSIONS is not set
	END
}
# check [KERNEL]
check() {
	said=$(PATH=$bin FANLIGHT_KERNEL_SOURCES=$scratch/sources \
		packaging/dkms/build --check "${1:-7.2.12+deb13-arm64}" "$headers" 2>&1)
}
# refused TEXT: the check has ended with DKMS's status for kernels to skip, and with one line
refused() {
	[ $? -eq 77 ] && [ "$(echo "$said" | wc -l)" -eq 1 ] && echo "$said" | grep -qF "$1"
}
option() { echo "CONFIG_$1=y" >>"$headers/.config"; }

echo "KTAP version 1"
echo "1..15"

fresh
check
[ $? -eq 0 ] && [ -z "$said" ]
result build_dkms_accepts_debians_kernel_with_its_source

fresh
rm "$headers/Makefile"
check
refused 'its headers are missing: apt install linux-headers-7.2.12+deb13-arm64'
result build_dkms_names_the_headers_that_are_missing

fresh
check 7.1.9-arm64
refused 'needs Linux 7.2 or later: install Debian'
result build_dkms_refuses_an_older_kernel

fresh
sed -i '/RUST=/d' "$headers/.config"
check 7.2.0-rpi-v8
refused 'it has no Rust (CONFIG_RUST), like all kernels of Raspberry Pi OS: install Debian'
result build_dkms_without_rust_in_the_kernel_names_debians_kernel

fresh
option MODVERSIONS
check
refused CONFIG_MODVERSIONS
result build_dkms_refuses_versions_of_symbols

fresh
option MODULE_SIG_FORCE
check
refused CONFIG_MODULE_SIG_FORCE
result build_dkms_refuses_enforced_signatures

fresh
option THUMB2_KERNEL
check
refused CONFIG_THUMB2_KERNEL
result build_dkms_refuses_a_thumb2_kernel

fresh
stub rustc "$other"
check
refused "by \"$ours\", and this system has \"$other\": install rustc 1.85"
result build_dkms_refuses_another_rustc_than_the_kernels

fresh
mv "$bin/rustc" "$bin/rustc-1.85"
stub rustc "$other"
check
[ $? -eq 0 ]
result build_dkms_finds_one_of_several_versions_of_rustc

fresh
rm "$bin/aarch64-linux-gnu-gcc-14"
check
refused 'its compiler aarch64-linux-gnu-gcc-14 is missing: apt install gcc-14'
result build_dkms_names_the_compiler_that_is_missing

fresh
rm -f "$scratch/sources"/*
check
refused 'apt install linux-source-7.2=7.2.12-1'
result build_dkms_names_the_source_that_is_missing

# The headers of one version, the source of another.
fresh
cat >"$bin/dpkg-query" <<-END
	#!/bin/sh
	case \$* in *headers*) echo 7.2.13-1 ;; *) echo 7.2.12-1 ;; esac
END
check
refused 'apt install linux-source-7.2=7.2.13-1'
result build_dkms_refuses_the_source_of_another_version

fresh
rm "$bin/pahole" "$bin/bindgen"
check
refused 'apt install bindgen pahole'
result build_dkms_names_all_programs_that_are_missing

# Ubuntu and Armbian have the metadata, so neither source nor tools are needed.
fresh
mkdir "$headers/rust"
touch "$headers/rust/libkernel.rmeta"
rm -f "$scratch/sources"/* "$bin/pahole"
check
[ $? -eq 0 ]
result build_dkms_uses_the_metadata_of_the_headers

fresh
ln -s ../linux-lib-rust-7.2.0-8-generic/rust "$headers/rust"
check 7.2.0-8-generic
refused 'apt install linux-lib-rust-7.2.0-8-generic'
result build_dkms_names_ubuntus_package_of_metadata
