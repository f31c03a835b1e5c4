#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Tests the maintainer scripts of the Debian packages. dkms, udevadm and mokutil are stubs, and so
# is the check of a kernel, which tests/build/dkms.sh tests. Prints KTAP.
set -u
# shellcheck source=tests/ktap.sh
. tests/ktap.sh

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
bin=$scratch/bin root=$scratch/root
dkms=$root/usr/src/fanlight-1.0/dkms
mkdir "$bin"

# stub NAME: a program with the text of stdin
stub() {
	{ echo '#!/bin/sh'; cat; } >"$bin/$1"
	chmod +x "$bin/$1"
}
echo 'echo 7.2.12-running' | stub uname
echo "echo \"udevadm \$*\" >>'$scratch/calls'" | stub udevadm
# kernel NAME: one that is installed with its headers
kernel() { mkdir -p "$root/lib/modules/$1/build"; }
# A system with two kernels, and the package unpacked.
fresh() {
	rm -rf "$root" "$scratch/calls" "$scratch/installed" "$scratch/failing"
	mkdir -p "$dkms" "$root/run/udev" "$root/sys/module"
	cp packaging/dkms/build-all "$dkms/"
	printf '#!/bin/sh\nexit 0\n' >"$dkms/build"
	chmod +x "$dkms/build"
	kernel 7.2.12-running
	kernel 7.2.13-next
	touch "$scratch/calls" "$scratch/installed" "$scratch/failing"
	stub dkms <<-END
		[ \$1 = status ] || echo "dkms \$*" >>'$scratch/calls'
		while [ \$# -gt 0 ]; do
			case \$1 in
			-k) kernel=\$2 ;;
			add) echo fanlight/1.0: added >>'$scratch/installed' ;;
			install) install=yes ;;
			remove) : >'$scratch/installed' ;;
			status) status=yes ;;
			esac
			shift
		done
		if [ -n "\${status:-}" ]; then grep "\${kernel:-.}" '$scratch/installed'; fi
		if [ -n "\${install:-}" ]; then
			if grep -qx "\$kernel" '$scratch/failing'; then
				cd '$root' && mkdir -p var/lib/dkms/fanlight/1.0/build
				cd var/lib/dkms/fanlight/1.0/build
				echo "fanlight-dkms: kernel \$kernel: does not compile" >make.log
				exit 77
			fi
			echo "fanlight/1.0, \$kernel, aarch64: installed" >>'$scratch/installed'
		fi
		exit 0
	END
}
# run PACKAGE SCRIPT ARGUMENT...: a maintainer script
run() {
	sed s/@VERSION@/1.0/g "packaging/deb/$1/$2" >"$scratch/script"
	shift 2
	said=$(PATH=$bin:$PATH DPKG_ROOT=$root sh "$scratch/script" "$@" 2>&1)
}
called() { grep -qxF -e "$1" "$scratch/calls" || { cat "$scratch/calls"; false; }; }
install='dkms install -m fanlight -v 1.0 -k'

echo "KTAP version 1"
echo "1..19"

for action in configure abort-upgrade abort-remove abort-deconfigure; do
	fresh
	run fanlight-dkms postinst $action
	[ $? -eq 0 ] && called 'dkms add -m fanlight -v 1.0' && called "$install 7.2.12-running" &&
		called "$install 7.2.13-next"
	result "build_deb_builds_the_driver_for_all_kernels_on_$(echo $action | tr - _)"
done

said=$(cat packaging/deb/fanlight-dkms/triggers)
echo "$said" | grep -qx 'interest-noawait /usr/src'
result build_deb_is_called_when_sources_and_headers_change

fresh
run fanlight-dkms postinst configure
: >"$scratch/calls"
kernel 7.2.14-new
run fanlight-dkms postinst triggered /usr/src
[ $? -eq 0 ] && [ "$(cat "$scratch/calls")" = "$install 7.2.14-new" ]
result build_deb_builds_for_a_new_kernel_only

# A refusal, and a build that fails.
fresh
cat >"$dkms/build" <<-'END'
	#!/bin/sh
	case $2 in *next) echo "fanlight-dkms: kernel $2: has no Rust" >&2; exit 77 ;; esac
END
run fanlight-dkms postinst triggered /usr/src
[ $? -eq 0 ] && [ "$said" = 'fanlight-dkms: kernel 7.2.13-next: has no Rust' ] &&
	called "$install 7.2.12-running" && ! grep -q next "$scratch/calls"
result build_deb_prints_why_a_kernel_is_refused

fresh
echo 7.2.12-running >"$scratch/failing"
run fanlight-dkms postinst configure
[ $? -eq 0 ] && [ "$said" = 'fanlight-dkms: kernel 7.2.12-running: does not compile' ] &&
	called "$install 7.2.13-next"
result build_deb_prints_why_a_build_has_failed

fresh
run fanlight-dkms postinst triggered /usr/src
match="--subsystem-match=platform --attr-match=modalias=of:*Cfanlight,windows*"
called "udevadm trigger --action=add $match" &&
	[ "$(grep -c udevadm "$scratch/calls")" -eq 1 ]
result build_deb_loads_the_driver_of_the_running_kernel

fresh
mkdir -p "$root/etc/dkms"
touch "$root/etc/dkms/no-autoinstall"
run fanlight-dkms postinst configure
! grep -q install "$scratch/calls"
result build_deb_builds_nothing_where_dkms_is_not_to_install

# signed KEY: what prints which kernels need a key that is not enrolled
key=$root/var/lib/dkms/mok.pub
signed() {
	mkdir -p "$root/var/lib/dkms"
	touch "$key"
	echo "echo '$key is $1'" | stub mokutil
	run fanlight-dkms postinst configure
}
fresh
mkdir -p "$root/sys/module/module/parameters"
echo Y >"$root/sys/module/module/parameters/sig_enforce"
signed 'not enrolled'
[ "$(echo "$said" | grep -c "7.2.12-running .*: run mokutil --import $key")" -eq 1 ]
result build_deb_names_the_key_where_signatures_are_enforced

fresh
mkdir -p "$root/sys/kernel/security"
echo 'none [integrity] confidentiality' >"$root/sys/kernel/security/lockdown"
signed 'not enrolled'
echo "$said" | grep -q "mokutil --import $key"
result build_deb_names_the_key_under_lockdown

signed 'already enrolled'
[ -z "$said" ]
result build_deb_names_no_key_that_is_enrolled

fresh
signed 'not enrolled'
[ -z "$said" ]
result build_deb_names_no_key_where_signatures_are_not_enforced

loaded='fanlight-dkms: the loaded driver stays until reboot or rmmod fanlight'
fresh
mkdir "$root/sys/module/fanlight"
run fanlight-dkms postinst configure 0.9
[ "$said" = "$loaded" ]
result build_deb_upgrade_names_the_driver_that_is_loaded

run fanlight-dkms prerm remove
[ "$said" = "$loaded" ] && called 'dkms remove -m fanlight -v 1.0 --all'
result build_deb_removal_names_the_driver_that_is_loaded

fresh
mkdir -p "$root/var/lib/fanlight-dkms/7.2.12-running" "$root/var/lib/fanlight-dkms/7.2.9-gone"
run fanlight-dkms postinst triggered /usr/src
said=$(ls "$root/var/lib/fanlight-dkms")
[ "$said" = 7.2.12-running ]
result build_deb_removes_the_metadata_of_kernels_that_have_gone

for package in fanlight fanlight-dkms; do
	fresh
	mkdir -p "$root/var/lib/$package/file"
	run $package postrm remove
	[ $? -eq 0 ] && [ -e "$root/var/lib/$package/file" ] && run $package postrm purge &&
		[ ! -e "$root/var/lib/$package" ]
	result "build_deb_purge_of_$(echo $package | tr - _)_removes_its_state"
done
