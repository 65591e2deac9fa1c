#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What `make` compiles for somebody who only wants to use it, and what it installs. Prints TAP.
set -u
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$TDX_LPAGE_SRC" || exit 1
# Those of the make that runs this test are not for the one asked here.
unset MAKEFLAGS MFLAGS MAKELEVEL

# TARGET: do all the sources that it compiles from nothing do without the packages of `make check`?
builds_alone() {
	make -n DEPS=skip BUILD="$dir/build" "$1" |
		sed -nE 's/^(gcc .*) -MMD -MP -c -o [^ ]+ ([^ ]+\.c)$/\1 -M \2/p' >"$dir/commands"
	grep -q 'daemon/main\.c$' "$dir/commands" || { echo "make -n $1 does not say what it compiles"; return 1; }
	sh -e "$dir/commands" >"$dir/includes" || return 1
	! grep -w 'cmocka\.h' "$dir/includes"
}

# TARGET: of make, with $dir/root as the system
make_root() {
	make DEPS=skip "$1" DESTDIR="$dir/root" PREFIX=/usr
}

# Whatever the folders of systemd are: from lib/systemd on, and the rest below /usr and /etc.
installed() {
	(cd "$dir/root" && find . -type f -printf '%m %P\n' | sed 's|[^ ]*lib/systemd/|systemd/|; s|[^ ]*sysusers\.d|sysusers.d|') |
		LC_ALL=C sort -k 2
}

installs_all() {
	make_root install || return 1
	installed | diff -u - /dev/fd/3 3<<-'END'
		644 etc/tdx-lpage.yaml
		644 systemd/system-preset/90-tdx-lpage.preset
		644 systemd/system/tdx-lpaged-control.socket
		644 systemd/system/tdx-lpaged-read.socket
		644 systemd/system/tdx-lpaged.service
		644 sysusers.d/tdx-lpage.conf
		755 usr/bin/tdx-lpaged
		755 usr/bin/tdx-lpctl
		644 usr/share/bash-completion/completions/tdx-lpctl
		644 usr/share/doc/tdx-lpage/NEWS.md
		644 usr/share/doc/tdx-lpage/README.md
		644 usr/share/doc/tdx-lpage/host.md
		644 usr/share/doc/tdx-lpage/metrics.md
		644 usr/share/doc/tdx-lpage/modprobe.d/tdx-lpage.conf
		644 usr/share/doc/tdx-lpage/org.tdxlpage.Control.varlink
		644 usr/share/doc/tdx-lpage/performance.md
		644 usr/share/doc/tdx-lpage/policy-scores.svg
		644 usr/share/doc/tdx-lpage/policy.md
		644 usr/share/doc/tdx-lpage/simulate-report.png
		644 usr/share/doc/tdx-lpage/tdx.md
		644 usr/share/doc/tdx-lpage/upstream.md
		644 usr/share/man/man1/tdx-lpctl.1
		644 usr/share/man/man5/tdx-lpage.yaml.5
		644 usr/share/man/man8/tdx-lpaged.8
	END
}

keeps_what_was_edited() {
	echo '# mine' >>"$dir/root/etc/tdx-lpage.yaml"
	make_root install | grep '^keeping ' && tail -n 1 "$dir/root/etc/tdx-lpage.yaml" | grep -x '# mine' &&
		cmp etc/tdx-lpage.yaml "$dir/root/etc/tdx-lpage.yaml.new"
}

goes_away() {
	make_root uninstall || return 1
	installed | diff -u - /dev/fd/3 3<<-'END'
		644 etc/tdx-lpage.yaml
		644 etc/tdx-lpage.yaml.new
	END
}

# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
echo 1..5
check 'make needs no package of the tests' builds_alone all
check 'nor does make demo' builds_alone demo
check 'make install installs what there is' installs_all
check 'an edited configuration stays' keeps_what_was_edited
check 'make uninstall leaves nothing but that' goes_away
