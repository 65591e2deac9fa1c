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

echo 1..20

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
