#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Can each step of the stack test fail? Breaks one thing, runs the step, wants it to fail with the right words.
#   mutate.sh STEP SED WORDS       SED: what is changed in a copy of the step, or
#   mutate.sh STEP @KEY=VALUE WORDS  a line for the unit's [Service] section (an empty KEY= is written first)
set -u
step=/vm/$1 change=$2 words=$3
dropin=/run/systemd/system/tdx-lpaged.service.d/mutation.conf
copy=/vm/mutated-$1

cp "$step" "$copy"
case $change in
@*)
	mkdir -p "$(dirname $dropin)"
	printf '[Service]\n%s=\n%s\n' "$(echo "${change#@}" | cut -d = -f 1)" "${change#@}" >$dropin
	;;
*)
	sed -i -E "$change" "$copy"
	! cmp -s "$step" "$copy" || { echo "\"$change\" changes nothing in $1" >&2; exit 1; }
	;;
esac
systemctl daemon-reload
"$copy" >/tmp/mutated.out 2>&1
status=$?
rm -f $dropin
systemctl daemon-reload
systemctl reset-failed
systemctl stop tdx-lpaged.service
if [ $status -eq 0 ]; then
	echo "$1 passes with \"$change\"" >&2
	exit 1
fi
grep -qE "$words" /tmp/mutated.out || { echo "$1 with \"$change\": failed, but without \"$words\":" >&2; cat /tmp/mutated.out >&2; exit 1; }
echo "# with $change: $(grep -m 1 -E "$words" /tmp/mutated.out)" >/dev/ttyS1
