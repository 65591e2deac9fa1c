#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An ordinary user, and root of another network namespace, get nothing out of the family: no operation, no event, no socket.
# Seen failing: mutations.tests.
. "$(dirname "$0")/lib.sh"

guest_start private --memory 16M --mode managed
guest_filled private
id=$(kernel_vm private .id)
as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all)

# Root may: so what follows is not refused for some other reason.
/vm/operations.py "$id" >/tmp/root.out
grep -v ': ok$' /tmp/root.out >&2 || :
expect "root, operations and events" "$(grep -c ': ok$' /tmp/root.out)" = 10
"${as_nobody[@]}" /vm/operations.py "$id" >/tmp/nobody.out
grep -v ': EPERM$' /tmp/nobody.out >&2 || :
expect "a user, refused with EPERM" "$(grep -c ': EPERM$' /tmp/nobody.out)" = 10
expect "a user, anything else" "$(grep -vc ': EPERM$' /tmp/nobody.out || :)" = 0

# Root of another network namespace does not even see the family.
status=0
unshare -n -- /vm/operations.py "$id" >/tmp/netns.out 2>&1 || status=$?
expect "another network namespace ($(tail -n 1 /tmp/netns.out))" $status = 3

for socket in control read; do
	if "${as_nobody[@]}" tdx-lpctl --socket "/run/tdx-lpage/$socket" status >/tmp/nobody.out 2>&1; then
		fail "a user may use /run/tdx-lpage/$socket"
	fi
	grep -qi 'permission denied' /tmp/nobody.out || fail "$socket: $(cat /tmp/nobody.out)"
	say "socket $socket: permission denied"
done
guest_end private
