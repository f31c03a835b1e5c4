#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# The Makefile answers mistakes with one line that says what would be right. KTAP.
set -u
number=0

# result NAME: reports the status of the command before it, with what the front door said
result() {
	status=$?
	number=$((number + 1))
	if [ "$status" -eq 0 ]; then
		echo "ok $number $1"
	else
		echo "$said" | sed 's/^/# /'
		echo "not ok $number $1"
	fi
}
# ask ARGUMENT...: what make says, into $said; fails where make succeeds
ask() {
	said=$(SDK='' MAKEFLAGS='' make -s "$@" 2>&1 </dev/null) && return 1
	return 0
}
lines() { [ "$(echo "$said" | wc -l)" -le "$1" ]; }
says() { echo "$said" | grep -qF "$1"; }

echo "KTAP version 1"
echo "1..9"

ask BOARD=abacus run && lines 1 && says 'no board "abacus": choose BOARD= one of virt-arm'
result build_unknown_board_is_one_line_with_the_choices

ask KERNEL=2.4 run && lines 1 && says 'no kernel "2.4": choose KERNEL= one of 7.2 7.3'
result build_unknown_kernel_is_one_line_with_the_choices

ask KERNEL_VARIANT=fat run && lines 1 && says 'no variant "fat" of the kernel: choose KERNEL_VARIANT= one of lpae rt lean'
result build_unknown_kernel_variant_is_one_line_with_the_choices

ask frobnicate && lines 1 && says 'no target "frobnicate": choose one of help run'
result build_unknown_target_is_one_line_with_the_choices

# Before anything is built.
ask test T && lines 1 && says 'no target "T": it is a setting, write T=VALUE'
result build_setting_without_a_value_is_refused

said=$(make -s help 2>&1) && says 'run CMD=' && says 'boot the quick image'
result build_help_lists_the_targets

# Here, in the image, there is no engine: it must be named, and nothing installed.
said=$(SDK='' HOST_DEPS=check MAKEFLAGS='' make -s host-deps 2>&1) && says 'host packages missing:' && lines 1
result build_host_deps_check_only_names

log=$(mktemp)
said=$(HINT='try the other way' mk/step brewing "$log" sh -c 'echo "error: no water"; echo more; exit 3' 2>&1)
[ $? -eq 3 ] && lines 1 && says 'brewing failed after' && says 'error: no water' && says 'try the other way' && says "$log"
result build_failed_step_says_which_why_what_to_do_and_where

# Buildroot explains, and then make adds its lines.
said=$(mk/step brewing "$log" sh -c 'echo "make: Entering directory"; echo "OpenMP is not selected"; echo "make: *** [pkg.mk:2: stamp] Error 1"; echo "make: Leaving directory"; exit 2' 2>&1)
[ $? -eq 2 ] && lines 1 && says 'OpenMP is not selected;'
result build_failed_step_says_what_was_said_before_make_gave_up
rm -f "$log"
