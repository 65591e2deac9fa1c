#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# tdx-lpctl simulate --report: the page's structure and numbers, its file, and the check itself. Prints TAP.
set -u

generate=$TDX_LPAGE_BUILD/tests/traces/generate
page=$TDX_LPAGE_SRC/tests/report/page.py
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
nr=0

# check WHAT COMMAND...: one test
check() {
	what=$1
	shift
	nr=$((nr + 1))
	if "$@" >said 2>&1; then
		echo "ok $nr - $what"
	else
		echo "not ok $nr - $what"
		sed 's/^/# /' said
	fi
}

simulate() {
	"$TDX_LPCTL" simulate -o json "$@" >out.json
}

# drawn TRACE OPTION...: the page of a run, and what it has to be
drawn() {
	trace=$1
	shift
	simulate --trace "$trace" --report page.html "$@" && "$page" page.html out.json
}

# refused STATUS WORDS OPTION...: the exit status, one line with these words (usage: a second one), and no page
refused() {
	status=$1 words=$2 got=0
	shift 2
	rm -f page.html
	"$TDX_LPCTL" simulate "$@" >out 2>err || got=$?
	cat err
	[ $got -eq "$status" ] && [ ! -s out ] && grep -qF -- "$words" err && [ "$(grep -vc '^Try:' err)" -eq 1 ] &&
		[ ! -e page.html ]
}

# spoilt EDIT: does the check see what this edit does to a good page?
spoilt() {
	sed "$1" good.html >bad.html
	! cmp -s good.html bad.html && ! "$page" bad.html good.json
}

for kind in boot database fleet whole thrash; do
	"$generate" $kind 4 0.02 >$kind.lptrace
	check "$kind: every policy" drawn $kind.lptrace --compare
done
check 'eager, at ticks' drawn fleet.lptrace --compare --policy eager --observe 100ms
cp page.html first.html
check 'once more' drawn fleet.lptrace --compare --policy eager --observe 100ms
check 'the same to the byte' cmp page.html first.html
check 'without --compare' drawn boot.lptrace --policy threshold
check 'four policies and the optimum' [ "$(grep -c '<g class="bar"' page.html)" -eq 5 ]

# Rules that give VMs different policies are a run of their own.
printf 'version: 1\nrules: [{name: a, match: {vm-name: "boot*"}, policy: eager}]\n' >rules.yaml
check 'different policies by rules' drawn fleet.lptrace --config rules.yaml
check 'are drawn beside the four' [ "$(grep -o 'data-policy="[a-z ]*"' page.html | head -n 1)" = 'data-policy="by rules"' ]
simulate --trace fleet.lptrace --report other.html --config rules.yaml --policy never
check 'the digest tells configurations apart' [ "$(grep -c "$(grep -o '<dd>[0-9a-f]\{16\}<' page.html)" other.html)" -eq 1 ]
simulate --trace fleet.lptrace --report other.html
check 'another configuration, another digest' [ "$(grep -c "$(grep -o '<dd>[0-9a-f]\{16\}<' page.html)" other.html)" -eq 0 ]

# Names that could be taken for markup or break a line: the VM's within the format, the files' beyond it.
name=$(printf '%063d' 0 | sed 's/0000000/:@.+--_/g')
sed "1,/^vm/s/name=[^ ]*/name=$name/" boot.lptrace >'a"><script>alert(1)<&'"'é.lptrace"
check 'hostile names' drawn 'a"><script>alert(1)<&'"'é.lptrace" --compare
check 'the VM is named in full' grep -qF "$name" page.html
check 'no script' [ "$(grep -c '<script' page.html)" -eq 0 ]
check 'the name of the file is text' grep -qF 'a&quot;&gt;&lt;script&gt;alert(1)&lt;&amp;&#39;é.lptrace' page.html
mv 'a"><script>alert(1)<&'"'é.lptrace" "$(printf 'b\377\001.lptrace')"
check 'bytes that are no text' drawn "$(printf 'b\377\001.lptrace')" --compare

# Next to nothing.
printf 'lptrace 1\ncost merge_ns=1 split_ns=1 fail_ns=1\nend 0\n' >empty.lptrace
check 'an empty trace' drawn empty.lptrace --compare
printf 'lptrace 1\ncost merge_ns=0 split_ns=0 fail_ns=0\nvm 7 name=x regions=1 walk_ns_per_s=0\n0 S 7 0 1\n0 P 7 0 1\n0 A 7 0 1\nend 1\n' >free.lptrace
check 'a trace without costs' drawn free.lptrace --compare
printf 'lptrace 1\ncost merge_ns=1000000000000 split_ns=1000000000000 fail_ns=1000000000000\nvm 1 name=x regions=2147483647 walk_ns_per_s=1\n0 S 1 0 1\n1 P 1 0 1\n2 A 1 0 1\nend 4611686018427387904\n' >huge.lptrace
check 'a century' drawn huge.lptrace --compare

# The file.
echo old >old.html
ln -s old.html link.html
check 'through a symbolic link' simulate --trace boot.lptrace --report link.html
check 'which stays one' [ -L link.html ]
check 'and leads to the page' grep -q '</html>' old.html
(umask 027 && simulate --trace boot.lptrace --report mode.html)
check 'readable as the umask says' [ "$(stat -c %a mode.html)" = 640 ]
names_the_file() {
	"$TDX_LPCTL" simulate --trace "$PWD/boot.lptrace" --report named.html >said 2>&1 && grep -q 'boot.lptrace' named.html &&
		! grep -qF "$PWD" named.html
}
check 'the trace has its name, without a folder' names_the_file
check 'no such directory' refused 1 '--report none/page.html: No such file or directory' --trace boot.lptrace --report none/page.html
check 'a directory' refused 1 '--report .: Is a directory' --trace boot.lptrace --report .
check 'a device' refused 1 '--report /dev/null: is not a regular file' --trace boot.lptrace --report /dev/null
check 'the device is still one' [ -c /dev/null ]
check 'the trace itself' refused 2 'is the trace' --trace boot.lptrace --report ./boot.lptrace
check 'standard input' refused 2 '--report reads the trace several times' --trace - --report page.html
sed '5s/.*/nonsense/' boot.lptrace >bad.lptrace
check 'a malformed trace' refused 2 'bad.lptrace:5' --trace bad.lptrace --report page.html
full() {
	got=0
	(trap '' XFSZ && ulimit -f 16 && exec "$TDX_LPCTL" simulate --trace boot.lptrace --report old.html) >out 2>err || got=$?
	cat err
	[ $got -eq 1 ] && grep -qF -- '--report old.html: File too large' err && grep -q '</html>' old.html
}
check 'no room: told, and the old page stays' full
check 'nothing is left behind' [ -z "$(find . -name '*.tmp*')" ]

# What the check is worth.
cp boot.lptrace good.lptrace
simulate --trace database.lptrace --compare --report good.html && mv out.json good.json
check 'a good page' "$page" good.html good.json
while IFS='|' read -r what edit; do
	check "a page is refused for $what" spoilt "$edit"
done <<'END'
a section that is not closed|0,/<\/section>/s///
an element in the title|s/<h1>/<h1><b>/
an ampersand|0,/<h2>/s//<h2>\& /
a script|s/<main>/<main><script>1<\/script>/
a handler|0,/<rect /s//<rect onclick="x" /
a reference|0,/<rect /s//<rect fill="url(https:\/\/x)" /
a style sheet from elsewhere|s/^:root/@import "x";:root/
no content policy|s/default-src 'none'/default-src */
axes without names|s/class="axis/class="/
a picture without a description|0,/<desc[^<]*<\/desc>/s///
an id that is there twice|s/id="costs"/id="coverage"/
a column without a head|0,/<th scope="col"/s//<th/
a cell too few|0,/<td data-label="observed">[^<]*<\/td>/s///
a wrong cost|0,/class="cost_ns" value="/s//&1/
a cost that is shown wrongly|0,/\(class="merges" value="[0-9]*">\)/s//\11/
a wrong number of merges|0,/class="merges" value="\([0-9]*\)">[0-9,]*/s//class="merges" value="17">17/
a bar too few|/<g class="bar" data-policy="eager"/,/<\/g>/d
a part that is too wide|s/\(class="part c-merge".* width="\)/\11/
a part of the wrong cost|0,/c-split" data-ns="/s//&1/
a curve too few|0,/<path class="curve.*<title>never.*<\/path>/s///
a curve out of its picture|s/L\([0-9.]*\) \([0-9.]*\)L/L\1 -\2L/
a lost interval|0,/b-converted" data-count="[0-9]*"/s//b-converted" data-count="0"/
regrets that do not add up|0,/class="wasted_ns" value="\([0-9]*\)">[0-9,.]*/s//class="wasted_ns" value="0">0.000/
a region without a cause|0,/<li>[0-9][^<]*<\/li>\(<li>[^<]*<\/li>\)*/s///
END
echo "1..$nr"
