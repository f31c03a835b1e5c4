#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Tests driver/Makefile, which builds the driver for any supported kernel. Prints KTAP.
set -u
# shellcheck source=tests/ktap.sh
. tests/ktap.sh
kernel=$(scripts/kernel dir)
out=build/driver-makefile

echo "KTAP version 1"
echo "1..2"

said=$(make -C driver KDIR=/nowhere 2>&1)
echo "$said" | grep -q 'KDIR=/nowhere: not the build directory of a kernel with CONFIG_RUST=y'
result build_driver_makefile_names_a_directory_that_is_no_kernel

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
	echo "ok 2 $name # SKIP no kernel was built: run \`make kernel\`"
fi
