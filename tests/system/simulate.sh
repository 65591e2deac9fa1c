#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# tdx-lpctl simulate against the second scorer, and its command line. Prints TAP.
set -eu

generate=$TDX_LPAGE_BUILD/tests/traces/generate
score=$TDX_LPAGE_SRC/tests/traces/score.py
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
nr=0

ok() {
	nr=$((nr + 1))
	echo "ok $nr - $1"
}

not_ok() {
	nr=$((nr + 1))
	echo "not ok $nr - $1"
	shift
	printf '# %s\n' "$@"
}

# same NAME JSON JSON: the figures that both have to give, to 0.1 %; counts exactly
same() {
	if jq -ne --argjson a "$2" --argjson b "$3" '
		def near(x; y): x == y or ((x - y) / y | fabs) < 0.001;
		near($a.ratio; $b.ratio) and near($a.cost_ns; $b.cost_ns) and near($a.opt_ns; $b.opt_ns)
		and $a.merges == $b.merges and $a.splits == $b.splits and $a.fails == $b.fails
		and $a.forced_split_ns == $b.forced_split_ns and $b.opt_ns > 0' >/dev/null; then
		ok "$1"
	else
		not_ok "$1" "$2" "$3"
	fi
}

echo 1..31

for kind in boot database fleet whole slow; do
	"$generate" $kind 11 0.02 >t.lptrace
	for run in 'adaptive exact' 'eager 100ms'; do
		set -- $run
		ours=$("$TDX_LPCTL" simulate --trace t.lptrace --policy "$1" --observe "$2" --decisions log -o json)
		theirs=$(python3 "$score" t.lptrace log)
		same "$kind, $run: both scorers agree" "$ours" "$theirs"
	done
done

# The worked example of the format.
cat >example.lptrace <<'END'
lptrace 1
cost merge_ns=30000 split_ns=45000 fail_ns=12000
vm 1 name=a regions=8 walk_ns_per_s=12000
0 S 1 0 1
500 P 1 0 1
1000 A 1 0 1
5000000000 W 1 0 0
6000000000 N 2 name=b regions=1 walk_ns_per_s=12000
7000000000 S 2 0 512
7000001000 P 2 0 512
7000002000 A 2 0 512
8000000000 S 2 3 1
8000001000 P 2 3 1
8000002000 A 2 3 1
12000000000 X 2
end 20000000000
END
printf '1 M 1 0\n6000000000 M 1 5\n9000000000 M 2 0\n13000000000 M 2 0\n' >log
got=$(python3 "$score" example.lptrace log | jq -c '[.cost_ns, .opt_ns, .merges, .splits, .fails, .forced_split_ns]')
[ "$got" = '[137999,60000,1,0,3,90000]' ] && ok 'worked example' || not_ok 'worked example' "$got"

got=$("$TDX_LPCTL" simulate --trace - --policy never -o json <example.lptrace | jq -r .cost_ns)
[ "$got" = 107999 ] && ok 'standard input' || not_ok 'standard input' "$got"

"$TDX_LPCTL" simulate --trace example.lptrace --compare -o json >out
got=$(jq -c '[.policy, .observe, (.runs | length), (.runs | map(.policy) | unique | length)]' out)
[ "$got" = '["adaptive","exact",8,4]' ] && ok compare || not_ok compare "$got"
got=$("$TDX_LPCTL" simulate --trace example.lptrace --compare | wc -l)
[ "$got" = 9 ] && ok 'compare as a table' || not_ok 'compare as a table' "$got"

# holds NAME FILE JQ-CONDITION
holds() {
	if jq -e "$3" "$2" >/dev/null; then
		ok "$1"
	else
		not_ok "$1" "$(cat "$2")"
	fi
}

# Two configurations, decision by decision. Both VMs are quiet for 4 s or more: a merge after a second saves 18 and 6 us.
printf 'version: 1\ndefaults: {policy: threshold, quiet-time: 1s}\n' >one.yaml
printf 'version: 1\ndefaults: {policy: threshold, quiet-time: 2s}\n' >two.yaml
printf 'version: 1\ndefaults: {policy: never}\n' >never.yaml
against() { "$TDX_LPCTL" simulate --trace "$1" --config "$2" --against "$3" -o json >out; }
near='def near(x; y): x - y | fabs < 100;'
against example.lptrace one.yaml never.yaml
holds 'merges that only one makes are added' out "$near"'
	.added.merges == 2 and near(.added.cost_ns; -24000) and .dropped.merges == 0 and .moved.merges == 0
	and [.decisions[] | .change, .vm, .rfn, .against_time_ns] == ["added", 1, 0, null, "added", 2, 0, null]
	and near(.decisions[0].cost_ns; -18000) and near(.decisions[1].cost_ns; -6000)'
against example.lptrace never.yaml one.yaml
holds 'and dropped the other way round, for the opposite' out "$near"'
	.dropped.merges == 2 and near(.dropped.cost_ns; 24000) and .added.merges == 0
	and near(.cost_change_ns; 24000) and .decisions[0].time_ns == null'
against example.lptrace two.yaml one.yaml
holds 'a longer quiet time moves them, and costs the walks in between' out "$near"'
	.moved.merges == 2 and .later == 2 and .earlier == 0 and near(.moved.cost_ns; 24000) and .changed == 2
	and (.decisions[0].time_ns - .decisions[0].against_time_ns - 1000000000 | fabs) < 10000000'
against example.lptrace one.yaml one.yaml
holds 'a configuration against itself changes nothing' out '
	.same.merges == 2 and .changed == 0 and .cost_change_ns == 0 and .refused_change == 0 and .decisions == []'
"$generate" database 11 0.02 >t.lptrace
adds_up='(.added.cost_ns + .dropped.cost_ns + .moved.cost_ns + .same.cost_ns + .refused_cost_ns - .cost_change_ns | fabs) < 8
	and .added.merges + .moved.merges + .same.merges == .run.merges and .same.cost_ns == 0
	and .dropped.merges + .moved.merges + .same.merges == .against_run.merges
	and .added.merges + .dropped.merges + .moved.merges == .changed and .earlier + .later == .moved.merges'
printf 'version: 1\ndefaults: {policy: adaptive}\n' >adaptive.yaml
printf 'version: 1\ndefaults: {policy: eager}\n' >eager.yaml
against t.lptrace adaptive.yaml one.yaml
holds 'the costs of the decisions add up to the difference' out "$adds_up and .dropped.merges > 0 and .moved.merges > 0"
holds 'ten of them are listed, the weightiest first' out '
	[.decisions[].cost_ns | fabs] as $costs | ($costs | length) == 10 and $costs == ($costs | sort | reverse)'
# A guest that is slow to accept its pages has attempts refused.
"$generate" slow 11 0.02 >slow.lptrace
"$TDX_LPCTL" simulate --trace slow.lptrace --config eager.yaml --against adaptive.yaml --limit 100000 -o json >out
holds 'refused attempts count, too, and all decisions can be listed' out "$adds_up"' and .refused_change != 0
	and (.decisions | length) == .changed and ([.decisions[].cost_ns] | add) - (.cost_change_ns - .refused_cost_ns) < .changed'
"$TDX_LPCTL" simulate --trace example.lptrace --config one.yaml --against never.yaml >out
got=$(grep -c '^added  *[12] .*-' out) && [ "$got" = 3 ] && grep -q '^one.yaml costs .* against never.yaml ' out &&
	ok 'the same as a table' || not_ok 'the same as a table' "$(cat out)"

printf 'lptrace 1\ncost merge_ns=1 split_ns=1 fail_ns=1\nend 5\n' >empty.lptrace
got=$("$TDX_LPCTL" simulate --trace empty.lptrace -o json | jq -r .ratio)
[ "$got" = null ] && ok 'nothing to do has no ratio' || not_ok 'nothing to do has no ratio' "$got"

# fails NAME WORDS... : exit status 2 and one line with those words
fails() {
	name=$1 want=$2
	shift 2
	status=0
	"$TDX_LPCTL" simulate "$@" >out 2>err || status=$?
	if [ $status -eq 2 ] && [ ! -s out ] && grep -qF -- "$want" err; then
		ok "$name"
	else
		not_ok "$name" "status $status" "$(cat err)"
	fi
}

sed 's/^5000000000 W/999 W/' example.lptrace >bad.lptrace
fails 'malformed trace' 'bad.lptrace:7: time 999 is before that of an earlier record, 1000' --trace bad.lptrace
[ "$(wc -l <err)" -eq 1 ] && ok 'one line' || not_ok 'one line' "$(cat err)"
printf 'defaults: {batch: 99}\n' >bad.yaml
fails 'malformed configuration' 'bad.yaml:1:' --trace example.lptrace --config bad.yaml
fails 'unknown policy' '--policy lazy: must be adaptive' --trace example.lptrace --policy lazy
fails 'no trace' 'simulate requires --trace FILE'
fails 'a malformed configuration to compare with' 'bad.yaml:1:' --trace example.lptrace --against bad.yaml
fails 'comparing twice' '--against excludes --compare and --report' --trace example.lptrace --against one.yaml --compare
fails 'comparing standard input' '--against reads the trace several times' --trace - --against one.yaml
