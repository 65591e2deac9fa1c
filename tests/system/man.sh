#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The examples of the manual pages, as they stand there: commands run on a simulated host, files are checked. Prints TAP.
set -u
daemon=${TDX_LPAGED:-build/san/tdx-lpaged} ctl=${TDX_LPCTL:-build/san/tdx-lpctl}
src=${TDX_LPAGE_SRC:-.}
dir=$(mktemp -d) pid=
export TDX_LPAGE_RUNTIME_DIR=$dir/run
mkdir "$dir/run" "$dir/bin"
ln -s "$(realpath "$ctl")" "$dir/bin/tdx-lpctl"

cleanup() {
	[ -z "$pid" ] || kill "$pid" 2>/dev/null
	wait
	rm -rf "$dir"
}
trap cleanup EXIT

. "$src/tests/lib/tap.sh"

# PAGE: what is in its literal blocks.
examples() {
	awk '/^```/ { inside = !inside; next } inside' "$src/docs/man/$1"
}

# Nothing of this machine is read, and nobody waits for ten minutes.
here() {
	sed "s|/etc/tdx-lpage.yaml|$src/etc/tdx-lpage.yaml|; s|--duration 10m|--duration 1s|"
}

start() {
	"$daemon" --config "$dir/c.yaml" --runtime-dir "$dir/run" "--link=sim:$dir/trace" 2>"$dir/log" &
	pid=$!
	wait_for -p $pid 'VM web-1' "$ctl" vm show web-1
}

runs() {
	(cd "$dir" && PATH=$dir/bin:$PATH timeout 120 bash -o pipefail -c "$1")
}

# The page shows the cost in words; the optimum is walking for 6 s.
scores_trace() {
	examples lptrace.5.scd >"$dir/page.lptrace"
	"$ctl" simulate --trace "$dir/page.lptrace" --policy never -o json | tee "$dir/out" &&
		jq -e '.cost_ns == 72000 and .opt_ns == 72000 and .merges == 0' "$dir/out"
}

# Is every example in a block whose lines are not filled? Two commands in one line cannot be typed.
lines_are_kept() {
	scdoc <"$src/docs/man/tdx-lpctl.1.scd" >"$dir/page.1" || return 1
	! awk '/^\.nf/ { kept = 1 } /^\.fi/ { kept = 0 } /^\.SH/ { here = /EXAMPLES/ }
		here && !kept && /^\\?&?tdx.{1,3}lpctl / { print; bad = 1 } END { exit !bad }' "$dir/page.1" &&
		awk '/^\.nf/ { kept = 1 } /^\.fi/ { kept = 0 } kept' "$dir/page.1" | grep -c 'lpctl doctor$'
}

# ---- kvm-lpage(7): what it takes from the header is filled in; the rest has to name all that there is ----

uapi=$src/include/uapi/linux/kvm_lpage.h

fills_in() {
	"$src/scripts/man-uapi" "$uapi" "$src/docs/man/kvm-lpage.7.scd" >"$dir/kvm-lpage.scd" && scdoc <"$dir/kvm-lpage.scd" >"$dir/kvm-lpage.7"
}

# WORD...: each is in the page, and there is one.
names_all() {
	[ $# -gt 0 ] || return 1
	for word; do
		grep -qwF -- "$word" "$dir/kvm-lpage.scd" || { echo "$word is not in the page"; return 1; }
	done
}

commands() { grep -oE '^	KVM_LPAGE_CMD_[A-Z_]+' "$uapi" | grep -v _MAX; }

# In the order of the series: what the ioctl can be asked for.
ioctls() {
	grep -hE '^\+	KVM_LPAGE_[A-Z_]+,$' "$src"/kernel/patches/*.patch | tr -d '+,\t' | grep -vE '^KVM_LPAGE_(A|CMD|STATE|MODE|LAYER|OP|REASON|INCAPABLE|NLGRP)_' | sort -u
}

# Every attribute is in one of the lists.
lists_attributes() {
	local want got
	want=$(grep -E '^	KVM_LPAGE_A_[A-Z0-9_]+' "$uapi" | grep -vcE '_MAX( |,|$)')
	got=$(awk '/^## Attributes/ { here = 1 } /^## Limits/ { here = 0 } here && /\.$/ { n += split($0, w, ", ") } END { print n }' "$dir/kvm-lpage.scd")
	echo "header $want, page $got"
	[ "$want" -eq "$got" ] && [ "$want" -gt 60 ]
}

no_such_enum() {
	printf 'page(7)\n@enum nonsense@\n' >"$dir/bad.scd"
	! "$src/scripts/man-uapi" "$uapi" "$dir/bad.scd" 2>"$dir/said" && grep -q 'enum kvm_lpage_nonsense is not in the header' "$dir/said"
}

check "kvm-lpage(7) is filled in from the header" fills_in
check "it names every netlink command" names_all $(commands)
check "it names every command of the ioctl" names_all $(ioctls)
check "it lists every attribute" lists_attributes
check "what the header does not have is an error" no_such_enum

printf 'version: 1\n' >"$dir/c.yaml"
cp "$dir/c.yaml" "$dir/new.yaml"
# A guest of 4 GiB that converts a page of the region at 3 GiB now and then.
{
	printf 'lptrace 1\ncost merge_ns=30000 split_ns=45000 fail_ns=12000\nvm 1 name=web-1 regions=2048 walk_ns_per_s=12000\n'
	for second in $(seq 600); do
		printf '%d000000000 S 1 786432 1\n%d000001000 P 1 786432 1\n%d000002000 A 1 786432 1\n' "$second" "$second" "$second"
	done
	echo 'end 1000000000000'
} >"$dir/trace"
cp "$dir/trace" "$dir/day.lptrace"

examples tdx-lpage.yaml.5.scd >"$dir/page.yaml"
check "tdx-lpage.yaml(5): the example is a valid configuration" says 0 'valid' config check "$dir/page.yaml"
check "lptrace(5): the example costs what the page says" scores_trace
check "tdx-lpctl(1): commands stand on lines of their own" lines_are_kept
check "a simulated host" start
while IFS= read -r line; do
	check "tdx-lpctl(1): $line" runs "$(here <<<"$line")"
done < <(examples tdx-lpctl.1.scd)
check "there were examples" [ "$n" -gt 12 ]
echo "1..$n"
