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

# TARGET: does it ask for nothing but packages of the build?
asks_for_build_packages() {
	make -n BUILD="$dir/build" deps=': asks for $(1)' "$1" >"$dir/text" || return 1
	! grep 'asks for check' "$dir/text"
}

# Copies of what one object is made of, in two folders.
two_copies() {
	local copy
	for copy in one another/one; do
		mkdir -p "$dir/$copy"
		cp -r Makefile scripts daemon include "$dir/$copy" || return 1
	done
}

# FOLDER FLAG...: the object of main.c, compiled there
object_in() {
	make -C "$1" DEPS=skip BUILD=build "${@:2}" build/normal/daemon/main.o
}

is_the_same_elsewhere() {
	object_in "$dir/one" && object_in "$dir/another/one" &&
		cmp "$dir/one/build/normal/daemon/main.o" "$dir/another/one/build/normal/daemon/main.o"
}

# A definition in the words of a packager; with a warning, and -Werror, when ours came on top.
takes_flags() {
	rm -rf "$dir/one/build"
	object_in "$dir/one" "$@"
}

werror_goes() {
	make -n DEPS=skip BUILD="$dir/build" WERROR= all >"$dir/text" && grep -q ' -Wextra ' "$dir/text" && ! grep -e '-Werror' "$dir/text"
}

# No checkout: a check of its files has nothing to say, and says that.
skips_without_git() {
	local script
	for script in check-spdx check-style; do
		"$dir/one/scripts/$script" >"$dir/text" 2>&1
		[ $? -eq 77 ] && grep '^skip: ' "$dir/text" || { echo "$script"; cat "$dir/text"; return 1; }
	done
}

# The sources below a checkout of something else are not its files.
skips_in_another_checkout() {
	git init -q "$dir/another" && skips_without_git_in "$dir/another/one"
}

skips_without_git_in() {
	"$1/scripts/source-files" >"$dir/text" 2>&1
	[ $? -eq 77 ] && grep '^skip: not a git checkout' "$dir/text"
}

an_empty_list_fails() {
	! scripts/source-files no-such-file
}

config_mk_says() {
	! scripts/config-mk libevent no-such-library 2>"$dir/text" && grep 'does not find: no-such-library;' "$dir/text"
}

config_mk_has_default() {
	mkdir -p "$dir/bin"
	printf '#!/bin/sh\ncase $* in *" systemd") exit 1 ;; *) exec %s "$@" ;; esac\n' "$(command -v pkg-config)" >"$dir/bin/pkg-config"
	chmod +x "$dir/bin/pkg-config"
	PATH=$dir/bin:$PATH scripts/config-mk libevent | grep -x 'unitdir ?= /usr/lib/systemd/system'
}

# KNOWN INSTALLED PURPOSE WANTED: what deps would take on a release that has the names KNOWN
deps_takes() {
	local got
	mkdir -p "$dir/bin"
	printf '#!/bin/sh\nprintf "%%s\\n" %s\n' "$1" >"$dir/bin/apt-cache"
	printf '#!/bin/sh\nfor name; do :; done\ncase " %s " in *" $name "*) printf installed ;; *) exit 1 ;; esac\n' "$2" >"$dir/bin/dpkg-query"
	chmod +x "$dir/bin"/*
	got=$(PATH=$dir/bin:$PATH scripts/deps --list "$3" | grep -E '^(systemd|systemd-dev|clang-format.*)$' | xargs)
	[ "$got" = "$4" ] || { echo "took '$got', wanted '$4'"; return 1; }
}

# Has every kind of message its text in the catalog, and no other?
catalog_is_complete() {
	diff <(sed -n 's/.*"\([0-9a-f]\{32\}\)".*/\1/p' daemon/core/log.h | sort) <(sed -n 's/^-- //p' systemd/catalog/tdx-lpage.catalog | sort)
}

# Is the unit as closed as it is meant to be, and with the drop-in for metrics a little less?
unit_is_closed() {
	local unit=$dir/unit/tdx-lpaged.service
	mkdir -p "$unit.d" && cp systemd/tdx-lpaged.service "$unit" || return 1
	systemd-analyze security --offline=yes --no-pager --threshold=13 "$unit" || return 1
	cp systemd/examples/metrics.conf "$unit.d/" || return 1
	systemd-analyze security --offline=yes --no-pager "$unit" | tail -n 1 >"$dir/exposure"
	cat "$dir/exposure"
	! grep -q ': 1\.3 ' "$dir/exposure"
}

# The version stands in the Makefile and in debian/changelog.
same_version() {
	[ "$(sed -n 's/^VERSION := //p' Makefile)" = "$(sed -n '1s/.*(\(.*\)).*/\1/p' debian/changelog)" ]
}

# Does every installed manual page have the version in its footer?
pages_have_version() {
	local version page nr=0
	version=$(sed -n 's/^VERSION := //p' Makefile)
	for page in "$dir"/root/usr/share/man/man*/*; do
		grep -q "^\.TH .* \"tdx-lpage $version\"\$" "$page" || { echo "$page"; return 1; }
		nr=$((nr + 1))
	done
	[ "$nr" -eq "$(ls docs/man/*.scd | wc -l)" ]
}

# TARGET: of make, with $dir/root as the system. What is built, is where the make that runs this test was told to.
make_root() {
	local build=${TDX_LPAGE_BUILD%/san}
	make DEPS=skip BUILD="${build#"$PWD/"}" "$1" DESTDIR="$dir/root" PREFIX=/usr
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
		644 systemd/catalog/tdx-lpage.catalog
		644 systemd/system-preset/90-tdx-lpage.preset
		644 systemd/system/tdx-lpage-wait@.service
		644 systemd/system/tdx-lpaged-control.socket
		644 systemd/system/tdx-lpaged-read.socket
		644 systemd/system/tdx-lpaged.service
		644 sysusers.d/tdx-lpage.conf
		755 usr/bin/tdx-lpaged
		755 usr/bin/tdx-lpctl
		644 usr/share/bash-completion/completions/tdx-lpctl
		644 usr/share/doc/tdx-lpage/NEWS.md
		644 usr/share/doc/tdx-lpage/README.md
		644 usr/share/doc/tdx-lpage/examples/ansible/tdx-lpage.yaml
		644 usr/share/doc/tdx-lpage/examples/ansible/templates/50-site.yaml.j2
		644 usr/share/doc/tdx-lpage/examples/kubernetes-node.yaml
		755 usr/share/doc/tdx-lpage/examples/libvirt-hook
		755 usr/share/doc/tdx-lpage/examples/tdx-lpage-held
		644 usr/share/doc/tdx-lpage/host.md
		644 usr/share/doc/tdx-lpage/metrics.md
		644 usr/share/doc/tdx-lpage/modprobe.d/tdx-lpage.conf
		644 usr/share/doc/tdx-lpage/monitoring-console.png
		644 usr/share/doc/tdx-lpage/monitoring.md
		644 usr/share/doc/tdx-lpage/org.tdxlpage.Control.varlink
		644 usr/share/doc/tdx-lpage/performance.md
		644 usr/share/doc/tdx-lpage/policy-costs.svg
		644 usr/share/doc/tdx-lpage/policy-scores.svg
		644 usr/share/doc/tdx-lpage/policy.md
		644 usr/share/doc/tdx-lpage/simulate-report.png
		644 usr/share/doc/tdx-lpage/systemd/metrics.conf
		644 usr/share/doc/tdx-lpage/tdx.md
		644 usr/share/doc/tdx-lpage/upstream.md
		644 usr/share/man/man1/tdx-lpctl.1
		644 usr/share/man/man5/lptrace.5
		644 usr/share/man/man5/tdx-lpage.yaml.5
		644 usr/share/man/man7/kvm-lpage.7
		644 usr/share/man/man8/tdx-lpaged.8
		644 usr/share/tdx-lpage/grafana/tdx-lpage.json
		644 usr/share/tdx-lpage/prometheus/consoles/tdx-lpage.html
		644 usr/share/tdx-lpage/prometheus/tdx-lpage.rules.yaml
		644 usr/share/zsh/vendor-completions/_tdx-lpctl
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
check 'make needs no package of the tests' builds_alone all
check 'nor does make demo' builds_alone demo
check 'nor does it ask for one' asks_for_build_packages demo
check 'two folders of sources' two_copies
check 'give the same object' is_the_same_elsewhere
check 'a packager fortifies as he likes' takes_flags CPPFLAGS=-D_FORTIFY_SOURCE=3
check 'by either variable' takes_flags CFLAGS='-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=1'
check 'WERROR= turns -Werror off' werror_goes
check 'checks of files skip in a release tarball' skips_without_git
check 'also within a checkout of something else' skips_in_another_checkout
check 'a list of no file is an error' an_empty_list_fails
check 'config.mk says which library is missing' config_mk_says
check 'and has folders of systemd without systemd.pc' config_mk_has_default
check 'Debian 13 has systemd.pc in systemd-dev' deps_takes 'systemd systemd-dev' '' build systemd-dev
check 'Debian 12 in systemd' deps_takes 'systemd systemd-homed' '' build systemd
check 'what is installed is taken' deps_takes 'systemd systemd-dev' systemd build systemd
check 'before apt knows anything, apt is asked' deps_takes '' '' build systemd-dev
check 'a package that may be absent is' deps_takes systemd '' check systemd
check 'or is taken' deps_takes 'systemd clang-format-14' '' check 'systemd clang-format-14'
check 'every message is in the catalog' catalog_is_complete
if command -v systemd-analyze >"$dir/said"; then
	check 'the unit is closed, and says what opens it' unit_is_closed
else
	n=$((n + 1))
	echo "ok $n # SKIP without systemd-analyze"
fi
check 'the package has the version of the source' same_version
check 'make install installs what there is' installs_all
check 'every page of the manual names the version' pages_have_version
check 'an edited configuration stays' keeps_what_was_edited
check 'make uninstall leaves nothing but that' goes_away
echo "1..$n"
