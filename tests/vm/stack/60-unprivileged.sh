#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An ordinary user, and root of another network namespace, get nothing out of the family: no operation, no event, no socket.
. "$(dirname "$0")/lib.sh"

guest_start private --pattern boot --vcpus 1 --memory 16M --seed 1 --duration 600s
guest_phase private quiet
id=$(kernel_vm private .id)
as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all)
range='"vm-id": '$id', "range": [{"start-rfn": 0}]'

# refused WHAT ARGUMENT...: root may, a user gets EPERM and not another error.
refused() {
	local what=$1
	shift
	ynl "$@" >/tmp/root.out 2>&1 || fail "$what: root may not either: $(cat /tmp/root.out)"
	if "${as_nobody[@]}" "${ynl_cli[@]}" "$@" >/tmp/nobody.out 2>&1; then
		fail "$what: a user may: $(cat /tmp/nobody.out)"
	fi
	grep -q 'Operation not permitted' /tmp/nobody.out || fail "$what: not EPERM: $(cat /tmp/nobody.out)"
	say "$what: EPERM"
}
refused "vm-get, do" --do vm-get --json "{\"id\": $id}"
refused "vm-get, dump" --dump vm-get
refused "region-get" --dump region-get --json "{\"vm-id\": $id}"
refused "policy-set" --do policy-set --json "{\"vm-id\": $id, \"policy\": {\"rate\": 1000}}"
refused "merge" --do merge --json "{$range}"
refused "split" --do split --json "{$range}"
refused "hold" --do hold --json "{$range, \"ttl-ns\": 1000000000}"
refused "release" --do release --json "{$range}"
refused "events" --subscribe events --duration 1

# Root of another network namespace does not even see the family.
if unshare -n -- "${ynl_cli[@]}" --dump vm-get >/tmp/netns.out 2>&1; then
	fail "another network namespace may: $(cat /tmp/netns.out)"
fi
grep -q "'kvm-lpage' not supported\|kvm-lpage.*not" /tmp/netns.out || fail "another network namespace: $(tail -n 3 /tmp/netns.out)"
say "another network namespace: no such family"

for socket in control read; do
	if "${as_nobody[@]}" tdx-lpctl --socket "/run/tdx-lpage/$socket" status >/tmp/nobody.out 2>&1; then
		fail "a user may use /run/tdx-lpage/$socket"
	fi
	grep -qi 'permission denied' /tmp/nobody.out || fail "$socket: $(cat /tmp/nobody.out)"
	say "socket $socket: permission denied"
done
systemctl kill -s TERM guest-private.service
guest_end private 60
