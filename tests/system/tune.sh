#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tdx-lpctl tune: finds what is known to be better, proposes nothing where nothing is, is not taken in by a trace that it was
# fitted to, and writes what the daemon takes. Prints TAP.
set -u
ctl=$TDX_LPCTL generate=$TDX_LPAGE_BUILD/tests/traces/generate
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1

. "${TDX_LPAGE_SRC:-.}/tests/lib/tap.sh"

# JQ-CONDITION ARGUMENT...: holds it for the JSON output? What it proposes goes to fragment.yaml.
json() {
	local condition=$1
	shift
	"$ctl" -o json tune "$@" >out || return 1
	cat out
	jq -j .yaml out >fragment.yaml
	jq -e "$condition" out
}

# TRACE CONFIG: what simulate says that it costs.
cost() { "$ctl" simulate --trace "$1" --config "$2" --observe 100ms -o json | jq .cost_ns; }

good() { "$TDX_LPAGED" --check-config --config "$1"; }
same() { cmp "$1" "$2"; }

# VM KIND...: conversions of a VM's 20 regions: once (one each, then quiet) or hot (ten a second, for ever).
conversions() {
	awk -v vm="$1" -v kind="$2" 'BEGIN {
		for (r = 0; r < 20; r++)
			for (i = 0; i < (kind == "hot" ? 600 : 1); i++) {
				t = 1e9 + i * 1e8 + r * 1e6
				printf "%.0f S %d %d 1\n%.0f P %d %d 1\n%.0f A %d %d 1\n",
					t, vm, r * 512, t + 1000, vm, r * 512, t + 2000, vm, r * 512
			}
	}'
}

# KIND...: a trace with one VM of each.
trace() {
	local vm=0 kind
	printf 'lptrace 1\ncost merge_ns=30000 split_ns=45000 fail_ns=12000\n'
	for kind; do
		echo "vm $((vm += 1)) name=$kind-$vm regions=32 walk_ns_per_s=12000"
	done
	vm=0
	for kind; do
		conversions $((vm += 1)) "$kind"
	done | sort -n -s -k 1,1
	echo "end 61000000000"
}

# A configuration that waits far too long for the guests of these traces.
echo 'version: 1
defaults: {policy: threshold, quiet-time: 30s, min-quiet: 2s}' >slow.yaml
"$generate" web 9 0.05 >web.lptrace
check 'it finds what is better' json '.verdict == "better" and .check_gain_percent > 50 and .keys[0].key == "policy"' --trace web.lptrace --config slow.yaml
check 'the daemon takes it' good fragment.yaml
check 'and it costs less than half' test $((2 * $(cost web.lptrace fragment.yaml))) -lt "$(cost web.lptrace slow.yaml)"
cp fragment.yaml first.yaml
check 'for people' says 0 'reverting it costs \+' tune --trace web.lptrace --config slow.yaml
check 'the same' same out first.yaml
echo 'version: 1
rules: [{name: all, match: {vm-name: "*"}, policy: threshold, quiet-time: 30s, min-quiet: 2s, hold-after: false, hold-for: 60s}]' >rule.yaml
names_the_file() {
	"$ctl" tune --trace "$PWD/web.lptrace" --config slow.yaml --budget 1 >named && grep -q 'runs over web.lptrace$' named
}
check 'the trace has its name, without a folder' names_the_file
check 'a rule that says all itself is left alone' json '.verdict == "as_good"' --trace web.lptrace --config rule.yaml

for kind in thrash periodic; do
	"$generate" $kind 9 0.05 >$kind.lptrace
	check "$kind: nothing to gain" says 0 'nothing better than the defaults' tune --trace $kind.lptrace
	check "$kind: proposes nothing" bash -c '[ "$(grep -v "^#" out)" = "version: 1" ]'
	check "$kind: the daemon takes that too" good out
done

trace once hot once hot >mixed.lptrace
check 'a gain on half of the VMs that the others do not have' json '.verdict == "overfitted" and .split == "vms" and .fit_gain_percent > 50 and .check_gain_percent < 2 and .keys == []' --trace mixed.lptrace --config slow.yaml
check 'is told' grep -q 'nothing proposed (overfitting)' fragment.yaml
check 'and not proposed' bash -c '[ "$(grep -v "^#" fragment.yaml)" = "version: 1" ]'
trace once once once once >alike.lptrace
check 'one that they all have is' json '.verdict == "better" and .split == "vms"' --trace alike.lptrace --config slow.yaml

{ trace once | sed '$d'; echo 'end 300000000000'; } >early.lptrace
echo 'version: 1
defaults: {policy: threshold, quiet-time: 10s}' >ten.yaml
check 'nothing happens in the part that it is checked on' json '.verdict == "unchecked" and .keys == []' --trace early.lptrace --config ten.yaml
check 'that is told' grep -q 'record for longer' fragment.yaml

check 'a budget of runs' json '.runs == 7 and .cut' --trace web.lptrace --config slow.yaml --budget 7
check 'a budget of time' json '.runs > 0 and (.cut | not)' --trace web.lptrace --budget 1h
check 'neither' says 2 '--budget 0: must be a number of runs or a time' tune --trace web.lptrace --budget 0
check 'another objective' says 2 '--objective speed: must be cost' tune --trace web.lptrace --objective speed
check 'no trace' says 2 'tune requires --trace FILE' tune
echo nonsense >bad.lptrace
check 'no trace at all' says 2 '^bad.lptrace:1: not a trace' tune --trace bad.lptrace
check 'standard input' says 2 'needs a file' tune --trace -
echo 'defaults: {batch: 99}' >bad.yaml
check 'a bad configuration' says 2 '^bad.yaml:1:' tune --trace web.lptrace --config bad.yaml
echo "1..$n"
