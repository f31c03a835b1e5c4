#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Tests which kernels the package fanlight-dkms refuses, and how a build for DKMS ends. The headers
# have only the files that it reads, and the compilers, make and dpkg-query are stubs. Prints KTAP.
set -u
# shellcheck source=tests/ktap.sh
. tests/ktap.sh

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
bin=$scratch/bin headers=$scratch/headers root=$scratch/root
# As the package installs the files.
dkms=$scratch/source/dkms
mkdir -p "$bin" "$dkms" "$scratch/build"
cp driver/check-kernel "$scratch/source/"
for tool in cat cp diff dirname grep ln mkdir nproc od rm sed sh sort touch tr; do
	ln -s "$(command -v $tool)" "$bin/"
done

# stub NAME [TEXT]: a program that prints the text
stub() {
	printf '#!/bin/sh\ncat <<"END"\n%s\nEND\n' "${2:-}" >"$bin/$1"
	chmod +x "$bin/$1"
}
ours='rustc 1.85.1 (4eb161250 2025-03-15)'
other='rustc 1.90.0 (1159e78c4 2025-09-14)'
# A system and headers with which everything can be built.
fresh() {
	rm -f "$bin"/rustc-* "$bin"/clang*
	cp packaging/dkms/build packaging/dkms/rust-metadata "$dkms/"
	for tool in aarch64-linux-gnu-gcc-14 bc bindgen bison flex gcc pahole xz tar; do
		stub $tool
	done
	mkdir -p "$scratch/lib/rustlib/src/rust/library/core/src"
	touch "$scratch/lib/rustlib/src/rust/library/core/src/lib.rs"
	cat >"$bin/rustc" <<-END
		#!/bin/sh
		case \$1 in
		--version) echo '$ours' ;;
		--print) echo '$scratch' ;;
		-vV) echo 'host: aarch64-unknown-linux-gnu' ;;
		esac
	END
	chmod +x "$bin/rustc"
	stub dpkg-query 7.2.12-1
	rm -rf "$root" "$headers"
	mkdir -p "$root/usr/src" "$headers/include/config"
	touch "$root/usr/src/linux-source-7.2.tar.xz" "$headers/Makefile"
	cat >"$headers/include/config/auto.conf" <<-END
		CONFIG_ARM64=y
		CONFIG_RUST=y
		CONFIG_RUSTC_VERSION_TEXT=$ours
	END
	compiler 'aarch64-linux-gnu-gcc-14 (Debian 14.2.0-19) 14.2.0'
}
option() { echo "CONFIG_$1=y" >>"$headers/include/config/auto.conf"; }
no_option() { sed -i "/CONFIG_$1=/d" "$headers/include/config/auto.conf"; }
# compiler TEXT: the kernel's
compiler() {
	no_option CC_VERSION_TEXT
	echo "CONFIG_CC_VERSION_TEXT=$1" >>"$headers/include/config/auto.conf"
}
# check [KERNEL]
check() {
	said=$(PATH=$bin DPKG_ROOT=$root \
		"$dkms/build" --check "${1:-7.2.12+deb13-arm64}" "$headers" 2>&1)
}
# build: as DKMS calls it, in a copy of the source
build() {
	rm -rf "$scratch/build"
	mkdir "$scratch/build"
	said=$(cd "$scratch/build" && PATH=$bin DPKG_ROOT=$root \
		"$dkms/build" 7.2.12+deb13-arm64 "$headers" 2>&1)
}
# refused TEXT: the check has ended with DKMS's status for kernels to skip, and with one line
refused() {
	[ $? -eq 77 ] && [ "$(echo "$said" | wc -l)" -eq 1 ] && echo "$said" | grep -qF "$1"
}
# metadata [E_MACHINE]: headers with the metadata of the Rust crates, whose macros are for arm64, or
# for the processor that the byte of ELF's header names
metadata() {
	mkdir "$headers/rust"
	touch "$headers/rust/libkernel.rmeta"
	# shellcheck disable=SC2059 # an escape
	printf "\\177ELF............\\003.${1:-\\267}" | tr . '\0' >"$headers/rust/libmacros.so"
}
# makes [STATUS]: a make that writes its arguments to $scratch/made and makes the module, or fails
makes() {
	cat >"$bin/make" <<-END
		#!/bin/sh
		echo "\$*" >>"$scratch/made"
		cat "\$2/Makefile" >>"$scratch/made"
		[ ! -e "\$2/rust/libkernel.rmeta" ] || echo "has metadata" >>"$scratch/made"
		[ ${1:-0} -eq 0 ] || { echo 'error[E0425]: cannot find function'; exit ${1:-0}; }
		: >fanlight.ko
	END
	chmod +x "$bin/make"
	rm -f "$scratch/made"
}
# metadata_by COMMAND: a rust-metadata
metadata_by() {
	cat >"$dkms/rust-metadata" <<-END
		#!/bin/sh
		mkdir -p "\$3/rust"
		$1
	END
}
# prepared: headers as Debian's, and a rust-metadata that makes what is kept
prepared() {
	echo KBUILD_OUTPUT=/usr/src/linux-headers-7.2.12+deb13-arm64 >"$headers/Makefile"
	touch "$headers/Module.symvers"
	metadata_by 'cd "$3/rust" && touch libkernel.rmeta libmacros.so core.o'
}
# last TEXT: the build has ended with DKMS's status for kernels to skip. The last line has the
# text, and no file of the gigabytes is left.
last() {
	[ $? -eq 77 ] && echo "$said" | tail -n 1 | grep -F 'fanlight-dkms: ' | grep -qF "$1" &&
		[ ! -e "$scratch/build/kernel" ] && [ ! -e "$scratch/build/kernel-source" ]
}
echo "KTAP version 1"
echo "1..38"

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
no_option RUST
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
rm "$root/usr/src"/*
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
metadata
rm "$root/usr/src"/* "$bin/pahole"
check
[ $? -eq 0 ]
result build_dkms_uses_the_metadata_of_the_headers

fresh
ln -s ../linux-lib-rust-7.2.0-8-generic/rust "$headers/rust"
check 7.2.0-8-generic
refused 'apt install linux-lib-rust-7.2.0-8-generic'
result build_dkms_names_ubuntus_package_of_metadata

# Kernels that Armbian builds on x86-64: rustc of the board cannot load the macros.
fresh
metadata '\076'
check 7.2.0-current-arm64
refused 'rust/libmacros.so) are not for the processor of this system'
result build_dkms_refuses_macros_for_another_processor

# x86-64 with CONFIG_RUST
fresh
no_option ARM64
option X86_64
check 7.2.12+deb13-amd64
refused 'the driver supports arm64, and ARMv7'
result build_dkms_refuses_a_kernel_that_is_not_for_arm

fresh
no_option ARM64
option CPU_V7
check 7.2.12-armmp
[ $? -eq 0 ]
result build_dkms_accepts_a_kernel_for_armv7

fresh
no_option ARM64
option CPU_V7
option CPU_V6K
check 7.2.12-armmp
refused 'ARMv7 without ARMv6'
result build_dkms_refuses_a_kernel_for_armv6

fresh
option CPU_BIG_ENDIAN
check
refused CONFIG_CPU_BIG_ENDIAN
result build_dkms_refuses_a_big_endian_kernel

fresh
rm "$headers/include/config/auto.conf"
check
refused 'apt install --reinstall linux-headers-7.2.12+deb13-arm64'
result build_dkms_names_headers_without_a_configuration

fresh
metadata
compiler 'Debian clang version 19.1.7 (3+b1)'
check
refused 'its compiler clang 19 is missing: apt install clang-19 lld-19 llvm-19'
result build_dkms_names_the_clang_that_is_missing

# made ARGUMENT: make had it
made() { grep -q -e "$1" "$scratch/made"; }
for text in Debian Ubuntu; do
	fresh
	metadata
	compiler "$text clang version 19.1.7 (3+b1)"
	stub clang-19
	makes
	build
	[ $? -eq 0 ] && made 'ARCH=arm64 LLVM=-19 RUSTC=rustc'
	result "build_dkms_uses_the_clang_of_a_kernel_of_$(echo "$text" | tr 'DU' 'du')"
done

fresh
metadata
compiler 'clang version 19.1.7'
stub clang
makes
build
[ $? -eq 0 ] && made 'LLVM=1 '
result build_dkms_uses_a_clang_without_a_version_in_its_name

fresh
metadata
makes
build
[ $? -eq 0 ] && made "^-C $headers ARCH=arm64 CC=aarch64-linux-gnu-gcc-14 .* RUSTC=rustc M=" &&
	[ -e "$scratch/build/fanlight.ko" ]
result build_dkms_builds_with_the_metadata_of_the_headers

# A later kernel with another interface for Rust must not break its installation.
fresh
metadata
makes 2
build
last 'the driver does not compile for it'
result build_dkms_skips_a_kernel_for_which_the_driver_does_not_compile

fresh
metadata_by 'exit 0'
makes
build
[ $? -eq 0 ] && made '^-C kernel ARCH=arm64' && [ ! -e "$scratch/build/kernel" ] &&
	[ ! -e "$scratch/build/kernel-source" ]
result build_dkms_builds_with_the_metadata_of_the_source

fresh
metadata_by 'exit 0'
makes 2
build
last 'the driver does not compile for it'
result build_dkms_frees_the_disk_after_a_failed_build

# The source moves on before fanlight-dkms is updated.
fresh
prepared
makes
build
kept=$root/var/lib/fanlight-dkms/7.2.12+deb13-arm64
rm "$root/usr/src"/* "$bin/pahole"
metadata_by 'exit 2'
makes
build
[ $? -eq 0 ] && [ -e "$scratch/build/fanlight.ko" ] && made 'has metadata' &&
	made "KBUILD_OUTPUT=$scratch/build/kernel" && made '^-C kernel ARCH=arm64' &&
	[ ! -e "$scratch/build/kernel" ] && [ -e "$headers/Makefile" ]
result build_dkms_builds_again_without_the_source

said=$(ls "$kept/rust" "$kept") && [ ! -e "$kept/rust/core.o" ]
result build_dkms_keeps_the_metadata_only

# The headers have been updated.
stub dpkg-query 7.2.13-1
check
refused 'apt install linux-source-7.2=7.2.13-1'
result build_dkms_does_not_use_the_metadata_of_another_version

# The metadata is kept when the driver itself does not compile.
fresh
prepared
makes 2
build
rm "$root/usr/src"/*
check
[ $? -eq 0 ]
result build_dkms_keeps_the_metadata_of_a_failed_build

fresh
metadata_by 'exit 2'
build
last 'the metadata of its Rust crates cannot be made'
result build_dkms_skips_a_kernel_whose_crates_do_not_compile

fresh
printf '#!/bin/sh\necho "No space left on device"\nexit 2\n' >"$bin/tar"
build
last 'cannot be unpacked'
result build_dkms_frees_the_disk_if_it_is_full

# DKMS skips a kernel by the status of PRE_BUILD only.
said=$(cat packaging/dkms/dkms.conf)
grep -q "^PRE_BUILD='dkms/build \$kernelver \$kernel_source_dir'" packaging/dkms/dkms.conf &&
	grep -q "^MAKE\[0\]='test -e fanlight.ko'" packaging/dkms/dkms.conf
result build_dkms_builds_where_dkms_can_skip_a_kernel

# configured SED: olddefconfig with the tools of this system edits the configuration.
configured() {
	cat >"$headers/.config" <<-END
		CONFIG_CC_VERSION_TEXT="aarch64-linux-gnu-gcc-14 (Debian 14.2.0-19) 14.2.0"
		CONFIG_GCC_VERSION=140200
		CONFIG_PAHOLE_VERSION=130
	END
	cat >"$bin/make" <<-END
		#!/bin/sh
		case \$* in *olddefconfig*) exec sed -i '$1' prepared/.config ;; esac
	END
	chmod +x "$bin/make"
	rm -rf "$scratch/prepared"
	said=$(cd "$scratch" && PATH=$bin "$dkms/rust-metadata" . "$headers" prepared 7.2.12 2>&1)
}
fresh
configured 's/14.2.0-19/14.2.0-20/'
result build_dkms_accepts_an_update_of_the_compilers_package

fresh
configured 's/PAHOLE_VERSION=130/PAHOLE_VERSION=0/'
refused 'options would differ: CONFIG_PAHOLE_VERSION'
result build_dkms_names_the_options_that_another_tool_sets
