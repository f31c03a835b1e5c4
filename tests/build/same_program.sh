#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Checks that cross on the host and the cargo of the image build the same program, byte for byte.
# Prints KTAP.
set -u
name=build_cross_and_cargo_make_the_same_program
echo "KTAP version 1"
echo "1..1"
if [ "${USERSPACE:-}" != cross ]; then
	why='user space was not built through cross here: the host has no cargo, or CROSS=no'
	echo "ok 1 $name # SKIP $why"
	exit
fi
# It compiles all of user space, with the standard library, once more.
if [ -z "${SLOW:-}" ]; then
	echo "ok 1 $name # SKIP it takes minutes: SLOW=1"
	exit
fi
if ! scripts/userspace cargo "$PWD" "${CARGO_TARGET_DIR%/host}/board" build/userspace-cargo \
	>build/log/userspace-cargo.log 2>&1; then
	echo "# full log: build/log/userspace-cargo.log"
	echo "not ok 1 $name"
elif said=$(cmp build/userspace/arm/fanlight build/userspace-cargo/arm/fanlight 2>&1); then
	echo "ok 1 $name"
else
	echo "# $said"
	echo "not ok 1 $name"
fi
