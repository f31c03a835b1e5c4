#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# setup.sh:       fills the toolchain image; runs inside it, once, as root.
# setup.sh tests: adds what only tests and checks need.
# setup.sh arm64: adds what boards of 64 bits need.
set -eu
here=$(dirname "$0")
export DEBIAN_FRONTEND=noninteractive

# section NAME: the words of that section of the package list
section() {
	sed -n "/^\\[$1\\]/,/^\\[/{/^[[#]/!p}" "$here/packages"
}
# unpack SECTION ARCHITECTURE: its packages, without running anything of theirs
unpack() (
	mkdir -p "/opt/$1-$2/debs"
	cd "/opt/$1-$2/debs"
	# shellcheck disable=SC2046 # words are what is wanted
	apt-get -q download $(section "$1" | tr ' ' '\n' | sed "/./s/\$/:$2/")
	for deb in *.deb; do dpkg-deb -x "$deb" ..; done
	cd ..
	rm -rf debs usr/share/doc usr/share/man usr/share/locale
)
# add SECTION: installs its packages.
add() {
	apt-get -q update
	# shellcheck disable=SC2046 # words are what is wanted
	apt-get -qy install $(section "$1")
}
# fbsplash ARCHITECTURE: the one client that Debian leaves out of its BusyBox, from the same source
fbsplash() (
	case $1 in
	armhf) prefix=arm-linux-gnueabihf- ;;
	arm64) prefix=aarch64-linux-gnu- ;;
	esac
	mkdir /tmp/busybox
	cd /tmp/busybox
	apt-get -q source --download-only busybox
	tar -xf busybox_*.orig.tar.* --strip-components 1
	make -s allnoconfig
	# Debian's armhf has large files only.
	sed -i 's/^# CONFIG_\(FBSPLASH\|LFS\) is not set/CONFIG_\1=y/' .config
	yes '' | make -s oldconfig >/dev/null
	make -s -j "$(nproc)" "CROSS_COMPILE=$prefix" busybox
	# The name it is called by says which applet it is.
	cp busybox "/opt/clients-$1/usr/bin/fbsplash"
	rm -rf /tmp/busybox
)

case ${1:-} in
tests)
	add tests
	unpack clients armhf
	fbsplash armhf
	;;
arm64)
	sed -i 's/arch=amd64,armhf/&,arm64/' /etc/apt/sources.list
	dpkg --add-architecture arm64
	add arm64
	unpack guest arm64
	unpack clients arm64
	fbsplash arm64
	;;
esac
if [ -n "${1:-}" ]; then
	rm -rf /var/lib/apt/lists/*
	exit
fi

# The mirror is the one the base image already uses. armhf comes from the release itself only:
# mirrors of the other suites often lack it, and multi-arch packages must have one version on both
# architectures.
mirror=$(apt-get --print-uris update | sed -n "s|^'\(.*\)/dists/trixie/.*|\1|p" | head -n 1)
[ -n "$mirror" ] || { echo "setup: the base image names no mirror with Debian trixie" >&2; exit 1; }
key=/usr/share/keyrings/debian-archive-keyring.gpg
rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*
cat > /etc/apt/sources.list <<END
deb [arch=amd64,armhf signed-by=$key] $mirror trixie main
deb [arch=amd64 signed-by=$key] $mirror trixie-backports main
deb-src [signed-by=$key] $mirror trixie main
END
# The package files stay in the cache until the image is whole, so that a failed attempt need not
# fetch them again.
rm -f /etc/apt/apt.conf.d/docker-clean
cat > /etc/apt/apt.conf.d/90fanlight <<END
Acquire::Languages "none";
Acquire::Retries "3";
APT::Install-Recommends "false";
APT::Keep-Downloaded-Packages "true";
END
# Parts of packages that nothing here uses: over a gigabyte, which would take a minute to store.
cat > /etc/dpkg/dpkg.cfg.d/90fanlight <<END
force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/man/*
path-exclude=/usr/bin/qemu-*
path-include=/usr/bin/qemu-arm
path-include=/usr/bin/qemu-aarch64
path-include=/usr/bin/qemu-system-arm
path-include=/usr/bin/qemu-system-aarch64
path-exclude=/usr/lib/llvm-*/lib/*.a
path-exclude=/usr/lib/arm-linux-gnueabihf/libLLVM*
path-exclude=/usr/lib/arm-linux-gnueabihf/libz3*
path-exclude=/usr/lib/aarch64-linux-gnu/libLLVM*
path-exclude=/usr/lib/aarch64-linux-gnu/libz3*
path-exclude=/usr/src/rustc-*/*
path-include=/usr/src/rustc-*/library/*
END

dpkg --add-architecture armhf
apt-get -q update

kernel=
for package in $(section kernel); do
	if apt-cache show "$package" >/dev/null 2>&1; then kernel=$package; break; fi
done
[ -n "$kernel" ] || { echo "setup: the mirror has none of: $(section kernel)" >&2; exit 1; }
# Packages that are not installed but unpacked do not have to wait for those that are.
unpack guest armhf &
# shellcheck disable=SC2046 # words are what is wanted
apt-get -qy install "$kernel" $(section image)
wait $!
rm -rf /var/lib/apt/lists/*
