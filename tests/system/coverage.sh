#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What make coverage makes of the counts of two boots: a program of two functions takes the kernel's place. Prints TAP.
set -u
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
. "${TDX_LPAGE_SRC:-.}/tests/lib/tap.sh"
coverage=${TDX_LPAGE_SRC:-.}/tests/vm/coverage.py

# The layout of a kernel: sources above the folder of the build, names of the objects from there.
mkdir -p tree/virt/kvm tree/out-gcov/virt/kvm image counts/kunit counts/td
cat >tree/virt/kvm/both.c <<'END'
static int called(int x)
{
	if (x)
		return 1;
	return 2;
}

int idle(int x);
int idle(int x)
{
	return x + 1;
}

int main(int argc, char **argv)
{
	(void)argv;
	return called(argc - 1) == 3;
}
END
# Lines 3 to 5 and 11: all of called(), and what idle() does.
printf '+++ b/virt/kvm/both.c\n@@ -1,0 +3,3 @@\n@@ -9,0 +11 @@\n' >image/series.diff

# A boot of the "kernel" with these arguments. $1: world and name of the archive
boot() {
	local name=$1
	shift
	find . -name '*.gcda' -delete
	(cd tree/out-gcov && virt/kvm/both "$@") || return 1
	tar -c -f "counts/$name.tar" --transform "s,^tree,.$dir/tree," tree/out-gcov/virt/kvm/both.gcda
}

builds() {
	(cd tree/out-gcov && gcc -O0 --coverage -c -o virt/kvm/both.o ../virt/kvm/both.c && gcc --coverage -o virt/kvm/both virt/kvm/both.o) &&
		tar -c -C tree/out-gcov -f image/gcno.tar virt/kvm/both.gcno
}

# WORD FIELD VALUE: of the table's row for all files
shares() {
	python3 "$coverage" image counts out.json >table || return 1
	cat table
	python3 - "$@" <<'END'
import json, sys
result = json.load(open("out.json"))
row = result["files"][-1]
idle = [one["function"] for one in result["never_executed"]]
want = dict(word.split("=") for word in sys.argv[1:] if "=" in word)
names = [word for word in sys.argv[1:] if "=" not in word]
got = {key: str(row[key]) for key in want}
sys.exit(0 if got == want and idle == names else f"{got} {idle}, wanted {want} {names}")
END
}

no_counts() {
	tar -c -f counts/td/linux.tar -T /dev/null
	! python3 "$coverage" image counts out.json 2>err && grep -q 'td/linux.tar: holds no counts' err
}

check 'a program that counts its lines is built' builds
check 'it runs as KUnit' boot kunit/kunit
check 'and on another path, as a software TD' boot td/selftests argument
check 'lines are told apart by world, what nothing executes is named' shares lines=4 kunit=2 direct=0 td=2 any=3 idle
check 'a second boot of a world adds to the first' boot td/linux
check 'with it, that world has executed both paths' shares lines=4 kunit=2 direct=0 td=3 any=3 idle
check 'a boot that left no counts is an error that names it' no_counts
echo "1..$n"
