#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# What `make` requires of a host, and how it calls the container engine. The tests have no engine:
# scripts with the names of engines print the arguments that matter. Prints KTAP.
set -u
root=$PWD
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# shellcheck source=tests/ktap.sh
. tests/ktap.sh
unset ENGINE CONTAINERS_CONF HOST_DEPS SDK_FOR

says() { echo "$said" | grep -qF -- "$1"; }
silent() { ! says "$1"; }

# program NAME: creates a program from the script on standard input. First it removes a link of this
# name, since writing through the link would change a program of this machine.
program() {
	rm -f "$dir/bin/$1"
	cat >"$dir/bin/$1"
	chmod +x "$dir/bin/$1"
}
# host NAME...: creates a PATH with the programs of every host, and the named ones, which succeed
tools='sh env cat cut sed grep sort head tail id uname stat mkdir rm mv dirname basename realpath
	sha256sum mktemp printf tr date sleep timeout expr'
host() {
	rm -rf "${dir:?}/bin"
	mkdir -p "$dir/bin"
	for tool in $tools; do
		path=$(command -v "$tool") && case $path in /*) ln -s "$path" "$dir/bin/" ;; esac
	done
	for name; do
		printf '#!/bin/sh\nexit 0\n' | program "$name"
	done
}
# on COMMAND...: runs the command with that PATH only. Scripts also look into /usr/sbin, so every
# host has the programs that are there.
on() { said=$(env PATH="$dir/bin" FANLIGHT_CACHE="$dir/cache" "$@" 2>&1 </dev/null); }

echo "KTAP version 1"
echo "1..12"

host git podman runc newuidmap fuse-overlayfs
on scripts/host-deps && [ -z "$said" ]
result build_host_with_git_and_podman_needs_nothing_more

! on scripts/host-deps mmdebstrap && says "this host lacks: mmdebstrap" &&
	says "it has no apt-get" && [ "$(echo "$said" | wc -l)" -eq 1 ]
result build_host_without_apt_get_gets_the_list_of_packages

host git runc newuidmap fuse-overlayfs dnf
! on scripts/host-deps && says 'lacks: podman' &&
	says '`dnf install PACKAGE...` installs them' && silent mmdebstrap
result build_host_with_dnf_gets_the_command_of_dnf

host git podman docker
printf '#!/bin/sh\n[ "$*" != -u ] || { echo 1000; exit; }\n' | program id
on scripts/engine && [ "$said" = docker ]
result build_engine_is_docker_where_podman_lacks_parts

host git podman docker newuidmap
on scripts/engine && [ "$said" = podman ]
result build_engine_is_podman_where_it_is_complete

host git docker
printf '#!/bin/sh\nexit 1\n' | program docker
! on scripts/engine && [ -z "$said" ]
result build_engine_is_not_a_docker_without_a_daemon

host git podman apt-get runc
printf '#!/bin/sh\necho 1000\n' | program id
! on scripts/host-deps && says 'lacks: newuidmap' &&
	says 'there is no sudo: as root, `apt-get install uidmap'
result build_host_without_sudo_gets_the_command_for_root

host
printf '#!/bin/sh\necho Darwin arm64\n' | program uname
! on scripts/host-deps && says 'x86-64 Linux only, and this is Darwin arm64' && says SDK=none
result build_host_of_another_kind_is_refused

# engine docker [buildx]: creates a docker, with or without that plugin, that prints its arguments,
# and for a build its recipe
engine() {
	host git
	program "$1" <<-END
		#!/bin/sh
		case "\$*" in
		info) exit 0 ;;
		"buildx version") [ "${2:-}" = buildx ]; exit ;;
		*SecurityOptions*) echo "[name=seccomp\${ROOTLESS:+ name=rootless}]"; exit ;;
		build*) echo "kit=\$DOCKER_BUILDKIT" ;;
		esac
		echo "\$*"
		while [ \$# -gt 1 ]; do
			[ "\$1" != -f ] || cat "\$2"
			shift
		done
	END
}

engine docker buildx
on scripts/sdk --build && says kit=1 && says "-f $root/toolchain/Containerfile" &&
	says '--mount=type=cache'
result build_docker_with_buildx_builds_with_the_cache_mount

engine docker
on scripts/sdk --build && says kit=0 && says ' -f - ' && silent '--mount' && says 'setup.sh'
result build_docker_without_buildx_builds_without_mounts

engine docker
on scripts/sdk true && says "-u $(id -u):$(id -g)" &&
	on env ROOTLESS=1 scripts/sdk true && silent ' -u '
result build_rootless_docker_runs_as_its_root

engine docker
mkdir -p "$dir/selinux"
on env SELINUX="$dir/selinux" scripts/sdk true && silent label && touch "$dir/selinux/enforce" &&
	on env SELINUX="$dir/selinux" scripts/sdk true &&
	says 'run --rm --security-opt label=disable' &&
	on env SELINUX="$dir/selinux" scripts/sdk --settings && says 'label=disable'
result build_containers_have_no_label_where_selinux_is
