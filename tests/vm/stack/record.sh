#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Records guests of one kind and hands the trace out through the report, as lines "#@ KIND BASE64" of its gzip.
#   record.sh once|hot|mixed|linux
# once: guests that convert in most of their regions four times while they start, then rest; hot: one that never rests, some
# regions a second, and one that converts all the time; mixed: all of these, coming and going. linux: a distribution's kernel as a
# software TD, from its boot to its kexec and the end of what that started.
. "$(dirname "$0")/lib.sh"

kind=$1
file=/run/$kind.lptrace

# Seconds of nothing but the guests' own doings: time is what is recorded.
during() { say "$1 s: $2"; sleep "$1"; }

configure
sed -i '/^  policy:/d' /etc/tdx-lpage.yaml
systemctl enable --now tdx-lpaged.service
tdx-lpctl -o json record --max-size 190K "$file" >/run/summary.json &
recorder=$!

# NAME ARGUMENT...: a guest that has touched all its memory.
up() {
	guest_start "$@"
	guest_filled "$1"
	wait_for "guest $1: under the daemon" 60 managed "$1"
}

case $kind in
once)
	up web --vcpus 2 --memory 64M --seed 1
	up db --vcpus 2 --memory 128M --seed 2
	for g in web db; do
		guest_to $g convert
		guest_to $g quiet
	done
	during 20 "the guests rest"
	# They have converted for the last time: what they say is what has to be in the trace.
	for g in web db; do
		converted=$((${converted-0} + $(guest_counts $g | jq -er .to_shared_events)))
	done
	guest_end web db
	;;
hot)
	up busy --pattern thrash --memory 4M --seed 3
	up dma --pattern periodic --memory 32M --seed 4
	guest_signal busy USR2
	guest_signal dma USR2
	during 20 "the guests convert all the time"
	guest_end busy dma
	;;
mixed)
	up web --vcpus 2 --memory 64M --seed 6
	guest_to web convert
	guest_to web quiet
	up dma --pattern periodic --memory 16M --seed 7
	guest_signal dma USR2
	# Last and not for long: its conversions are most of the trace.
	up busy --pattern thrash --memory 4M --seed 5
	guest_signal busy USR2
	during 8 "one rests, two convert"
	guest_end busy
	during 10 "one rests, one converts"
	guest_end web dma
	;;
linux)
	td_start linux
	wait_for "Linux has booted" 600 td_said linux 'td: working'
	during 60 "it writes and reads its disk, loads and unloads the driver, and rests now and then"
	td_stop linux
	wait_for "kexec" 600 td_said linux 'td: kexec'
	wait_for "phase 2 ended with its data intact" 900 td_said linux 'td: OK'
	wait_for "the guest has reset itself" 60 guest_has_ended linux
	systemctl stop guest-linux.service
	;;
*) fail "$kind: no such kind" ;;
esac
systemctl is-active --quiet tdx-lpaged.service
kill -INT $recorder || fail "the recording ended early: $(cat /run/summary.json)"
wait $recorder
say "recorded: $(cat /run/summary.json)"
expect "observations that were lost" "$(jq .lost /run/summary.json)" = 0
[ -z "${converted-}" ] || expect "conversions in the trace" "$(grep -c '^[0-9]* S ' "$file")" = "$converted"
tdx-lpctl simulate --trace "$file" --observe 100ms --compare | sed 's/^/# /' >/dev/ttyS1
gzip -9n <"$file" | base64 -w 200 | sed "s/^/#@ $kind /" >/dev/ttyS1
systemctl stop tdx-lpaged.service
rm -f "$file"
