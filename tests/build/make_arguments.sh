#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# The Makefile reports a mistake in one line, with the valid choices. Prints KTAP.
set -u
# shellcheck source=tests/ktap.sh
. tests/ktap.sh

# ask ARGUMENT...: stores the output of make in $said. Fails if make succeeds.
ask() {
	said=$(SDK='' MAKEFLAGS='' make -s "$@" 2>&1 </dev/null) && return 1
	return 0
}
# refused TEXT ARGUMENT...: make fails with one line that contains TEXT, before it builds or
# installs anything, and with its own line about the failed target.
refused() {
	text=$1
	shift
	ask BOARD=virt-arm "$@" && lines 2 && says "$text"
}
lines() { [ "$(echo "$said" | wc -l)" -le "$1" ]; }
says() { echo "$said" | grep -qF "$1"; }

echo "KTAP version 1"
# The environment of the tests may have these settings.
unset DT OVERLAY SCREEN APPEND CMD IMAGE SMP MEM TIMEOUT LOGLEVEL ICOUNT DISPLAY WAYLAND_DISPLAY
plan=24
echo "1..$plan"

ask BOARD=abacus run && lines 1 && says 'no board "abacus": choose BOARD= one of virt-arm'
result build_unknown_board_is_one_line_with_the_choices

ask KERNEL=2.4 run && lines 1 && says 'no kernel "2.4": choose KERNEL= one of 7.2 7.3'
result build_unknown_kernel_is_one_line_with_the_choices

ask KERNEL_VARIANT=fat run && lines 1 &&
	says 'no variant "fat" of the kernel: choose KERNEL_VARIANT= one of kasan lpae rt lean'
result build_unknown_kernel_variant_is_one_line_with_the_choices

ask frobnicate && lines 1 && says 'no target "frobnicate": choose one of help run'
result build_unknown_target_is_one_line_with_the_choices

# Without its "=", a setting looks like a target. Make would reject it after the other targets.
ask test T && lines 1 && says 'no target "T": it is a setting, write T=VALUE'
result build_second_target_that_is_unknown_is_refused_first

refused 'no setting "OVERLY": choose one of BOARD' guest CMD=true OVERLY=/tmp
result build_setting_with_a_typing_error_is_refused

refused "no command given: make guest CMD='uname -a'" guest
result build_guest_without_command_is_refused

refused 'OVERLAY=/nowhere: no such directory' guest CMD=true OVERLAY=/nowhere
result build_overlay_that_is_not_there_is_refused

refused 'DT=nowhere.dtso: no such file' run DT=board/virt-arm/dts/virt-arm.dtso,nowhere.dtso
result build_device_tree_that_is_not_there_is_refused

refused 'SMP=many: choose a number' guest CMD=true SMP=many &&
	refused 'MEM=1: choose a number of MiB from 64' guest CMD=true MEM=1
result build_number_that_is_none_is_refused

refused 'there is no Buildroot image of virt-arm yet' run IMAGE=buildroot ||
	[ -e build/image/virt-arm/disk.img ]
result build_buildroot_image_that_is_not_there_is_refused

# These boards run another board's kernel; only the first one has an image of its own.
{ refused 'there is no Buildroot image of virt-arm64 yet' run IMAGE=buildroot BOARD=virt-arm64 ||
	[ -e build/image/virt-arm64/disk.img ]; } &&
	refused 'the Buildroot image is for BOARD=raspberrypi64' \
		run IMAGE=buildroot BOARD=virt-arm64-compat
result build_buildroot_image_of_a_board_with_another_boards_kernel_is_its_own

# image TARGET...: the image over the first toolchain image in which these targets are made
image() {
	env -u SDK_FOR MAKEFLAGS='' SDK='' make -pn "$@" 2>/dev/null </dev/null |
		sed -n 's/^SDK_FOR := *//p' | head -n 1
}
said="$(image run):$(image driver):$(image driver run):$(image guest):$(image run BOARD=virt-arm64)"
[ "$said" = "::tests:tests:tests arm64" ]
result build_run_alone_needs_the_first_toolchain_image_only

refused 'BOARD=virt-arm,zynq: choose one board' guest CMD=true BOARD=virt-arm,zynq
result build_guest_on_two_boards_is_refused

refused 'DISPLAY=gtk needs the QEMU of this machine (SDK=none)' run DISPLAY=gtk &&
	refused 'no display "x11": choose DISPLAY= one of gtk vnc none' run DISPLAY=x11
result build_display_that_cannot_be_is_refused

# A value of X's variable DISPLAY is not a setting: it means that there is a desktop with viewers.
shows() { # VALUE [ARGUMENT...]
	wanted=$1
	shift
	said=$(MAKEFLAGS='' make -n -p BOARD=virt-arm "$@" run 2>/dev/null |
		grep -m 1 '^SHOW ') && says "SHOW := $wanted"
}
(DISPLAY=:0 && export DISPLAY && shows vnc && shows none DISPLAY=none) &&
	shows none && shows vnc DISPLAY=vnc
result build_display_of_x_is_a_desktop_and_no_setting

# Each board has its emulator. Here, the one for 32 bits has a window, and the one for 64 bits has
# none.
programs=$(mktemp -d)
printf '#!/bin/sh\necho gtk\n' >"$programs/qemu-system-arm"
printf '#!/bin/sh\necho none\n' >"$programs/qemu-system-aarch64"
chmod +x "$programs"/*
window() { # BOARD
	said=$(PATH="$programs:$PATH" BOARD=$1 SDK=none SHOW=gtk scripts/arguments run 2>&1)
}
(PATH="$programs:$PATH" WAYLAND_DISPLAY=wayland-0 && export PATH WAYLAND_DISPLAY &&
	shows gtk SDK=none && shows vnc SDK=none BOARD=raspberrypi-3) &&
	window virt-arm && ! window raspberrypi-3 && lines 1 &&
	says 'qemu-system-aarch64 of this machine has no window'
result build_display_gtk_asks_the_emulator_of_the_board
rm -r "$programs"

tree=$(mktemp --suffix .dtso)
printf '/dts-v1/;\n/plugin/;\n&{/} {\n\tfanlight {\n\t\tsize = <0x1000>\n\t};\n};\n' >"$tree"
said=$(DT="board/virt-arm/dts/virt-arm.dtso,$tree" scripts/arguments --trees 2>&1) ||
	lines 1 && says "DT: $tree does not compile" && says "$tree:6"
result build_device_tree_that_does_not_compile_is_named
rm -f "$tree"

status() { # STATUS COMMAND
	said=$(MAKEFLAGS='' scripts/guest SDK=none BOARD=virt-arm RESULTS=arguments "$2" \
		2>&1 </dev/null)
	[ $? -eq "$1" ]
}
status 3 'exit 3' && status 0 true
result build_mk_guest_exits_with_the_status_of_the_command

status 125 ''
result build_mk_guest_without_a_command_is_125

said=$(make -s help 2>&1) && says 'run CMD=' && says 'DISPLAY=gtk|vnc|none' &&
	says 'boot the quick image'
result build_help_lists_the_targets

# The image has no container engine: make must name it and install nothing.
said=$(SDK='' HOST_DEPS=check MAKEFLAGS='' make -s host-deps 2>&1) &&
	says 'host packages missing:' && lines 1
result build_host_deps_check_only_names

log=$(mktemp)
said=$(HINT='try the other way' scripts/step brewing "$log" \
	sh -c 'echo "error: no water"; echo more; exit 3' 2>&1)
[ $? -eq 3 ] && lines 1 && says 'brewing failed after' && says 'error: no water' &&
	says 'try the other way' && says "$log"
result build_failed_step_names_step_reason_remedy_and_log

# Buildroot prints its reason before make's own messages.
said=$(scripts/step brewing "$log" sh -c '
	echo "checking for a library... not found"
	echo "make: Entering directory"
	echo "OpenMP is not selected"
	echo "make: *** [pkg.mk:2: stamp] Error 1"
	echo "make: Leaving directory"
	exit 2' 2>&1)
[ $? -eq 2 ] && lines 1 && says 'OpenMP is not selected;'
result build_failed_step_prints_the_messages_before_the_error_of_make
rm -f "$log"
