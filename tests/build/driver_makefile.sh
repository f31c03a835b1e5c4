#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Tests driver/Makefile, which builds the driver for any supported kernel. Prints KTAP.
set -u
# shellcheck source=tests/ktap.sh
. tests/ktap.sh
kernel=$(scripts/kernel dir)
out=build/driver-makefile

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
config=$scratch/include/config
ours='rustc 1.85.1 (4eb161250 2025-03-15)'
other='rustc 1.90.0 (1159e78c4 2025-09-14)'
mkdir -p "$config" "$scratch/bin"
# A kernel for which everything can be built. Kbuild is a stub that prints the compiler.
fresh() {
	echo 7.2.12-board >"$config/kernel.release"
	cat >"$config/auto.conf" <<-END
		CONFIG_ARM64=y
		CONFIG_RUST=y
		CONFIG_RUSTC_VERSION_TEXT=$ours
		CONFIG_MODULE_SIG_KEY=certs/signing_key.pem
	END
	# shellcheck disable=SC2016 # for make
	printf 'modules modules_install clean:\n\t@echo "$@ by" $(RUSTC)\n' >"$scratch/Makefile"
	rustc rustc "$ours"
}
rustc() {
	printf '#!/bin/sh\necho "%s"\n' "$2" >"$scratch/bin/$1"
	chmod +x "$scratch/bin/$1"
}
option() { echo "CONFIG_$1=y" >>"$config/auto.conf"; }
# build [ARGUMENT...]
build() {
	said=$(PATH=$scratch/bin:$PATH env -u MAKEFLAGS -u RUSTC \
		make -s --no-print-directory -C driver KDIR="$scratch" "$@" 2>&1)
}
# refused TEXT: the build has failed with one line, which has the text
refused() {
	[ $? -eq 2 ] && [ "$(echo "$said" | wc -l)" -eq 1 ] &&
		echo "$said" | grep -q "\*\*\* KDIR=$scratch: .*$1"
}

echo "KTAP version 1"
echo "1..15"

said=$(make -C driver KDIR=/nowhere 2>&1)
echo "$said" | grep -q 'KDIR=/nowhere: /nowhere has no headers of a kernel'
result build_driver_makefile_names_a_directory_that_is_no_kernel

fresh
build
[ "$said" = 'modules by rustc' ]
result build_driver_makefile_accepts_a_kernel_with_rust

fresh
sed -i /RUST=/d "$config/auto.conf"
build
refused 'CONFIG_RUST'
result build_driver_makefile_refuses_a_kernel_without_rust

fresh
echo 7.1.9 >"$config/kernel.release"
build
refused 'needs Linux 7.2 or later'
result build_driver_makefile_refuses_an_older_kernel

fresh
rustc rustc "$other"
build
refused "by \"$ours\", and this system has \"$other\": install rustc 1.85"
result build_driver_makefile_refuses_another_rustc_than_the_kernels

fresh
rustc rustc "$other"
rustc rustc-1.85 "$ours"
build
[ "$said" = 'modules by rustc-1.85' ]
result build_driver_makefile_finds_one_of_several_versions_of_rustc
rm "$scratch/bin/rustc-1.85"

# That of RUSTC= only, because the build uses it.
fresh
rustc my-rustc "$other"
build RUSTC=my-rustc
refused "this system has \"$other\""
result build_driver_makefile_checks_the_rustc_that_the_user_chose

for wanted in THUMB2_KERNEL MODVERSIONS CPU_BIG_ENDIAN MODULE_SIG_FORCE; do
	fresh
	option "$wanted"
	build
	refused "CONFIG_$wanted"
	result "build_driver_makefile_refuses_$(echo "$wanted" | tr 'A-Z' 'a-z')"
done

# modules_install signs with the key of a kernel that was built here.
fresh
option MODULE_SIG_FORCE
mkdir -p "$scratch/certs"
echo key >"$scratch/certs/signing_key.pem"
build
[ "$said" = 'modules by rustc' ]
result build_driver_makefile_accepts_enforced_signatures_with_the_kernels_key

sed -i "s#certs/signing_key.pem#$scratch/board.pem#" "$config/auto.conf"
build
refused 'CONFIG_MODULE_SIG_FORCE' && echo key >"$scratch/board.pem" && build &&
	[ "$said" = 'modules by rustc' ]
result build_driver_makefile_accepts_a_key_outside_of_the_kernels_directory

# Root may have no rustc, for example if it is that of a user's rustup.
fresh
rustc rustc "$other"
build modules_install
[ "$said" = 'modules_install by' ]
result build_driver_makefile_installs_without_the_compiler

name=build_driver_makefile_builds_the_module_for_any_kernel
if [ -e "$kernel/ready" ]; then
	# In a copy, because it builds in the directory of the sources.
	rm -rf "$out"
	mkdir -p build
	cp -r driver "$out"
	said=$(env -u MAKEFLAGS make -C "$out" KDIR="$kernel" ARCH=arm LLVM=1 2>&1 | tail -n 5)
	[ -s "$out/fanlight.ko" ]
	result "$name"
	rm -rf "$out"
else
	echo "ok 14 $name # SKIP no kernel was built: run \`make kernel\`"
fi
