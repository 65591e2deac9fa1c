#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A distribution's own kernel runs as a TD on KVM's TDX code. It loses coverage by its I/O and gets it back from the daemon; the
# administrator merges, splits, holds and probes its memory; it starts anew by kexec. Its data stay intact all along.
. "$(dirname "$0")/lib.sh"

daemon_with "quiet-time: 2s"
td_start linux
wait_for "Linux says that it is a TDX guest" 400 td_said linux 'is a TDX guest, phase 1'
say "$(td_words linux | grep -m 1 'is a TDX guest')"
processors() { td_words linux | sed -n "s/.* phase $1, processors: \([0-9]*\),.*/\1/p"; }
expect "processors of the guest" "$(processors 1)" -eq 2
wait_for "under the daemon" 60 managed linux
wait_for "it works" 120 td_said linux 'td: working'
# Whole regions, as the bounce buffers are, are not counted.
expect "pages that MapGPA made shared one by one" "$(vm linux .to_shared_pages)" -ge 1

# Its drivers convert single pages, which splits regions; what was converted back is merged.
lost() { [ "$(vm linux .splits)" -ge 1 ]; }
wait_for "a conversion has split a region" 120 lost
administer_td linux
rounds() { td_words linux | awk '/td: round/ { n++ } END { print n + 0 }'; }
seen=$(rounds)
goes_on() { [ "$(rounds)" -gt $((seen + 2)) ]; }
wait_for "it still works" 300 goes_on

td_stop linux
wait_for "phase 1 ended with its data intact" 300 td_said linux 'td: kexec'
wait_for "the kernel was started anew by kexec" 400 td_said linux 'is a TDX guest, phase 2'
expect "processors that the new kernel has woken" "$(processors 2)" -eq 2
wait_for "phase 2 ended with its data intact" 400 td_said linux 'td: OK'
wait_for "the guest has reset itself" 60 guest_has_ended linux
expect "its VMM" "$(guest_unit linux Result)" = success
td_words linux | grep -E 'memory:|network:|rounds' | sed 's/^/# /' >/dev/ttyS1
# What its VMM counted: bounce buffers and their way back by kexec, and a register that is reached by #VE only.
vmm() { sed -n "s/.*td-linux: reset;.* $1.*/\\1/p" "$guests/linux.out"; }
expect "pages made shared by MapGPA" "$(vmm '\([0-9]*\) pages to shared')" -ge 4096
expect "pages made private by MapGPA" "$(vmm '\([0-9]*\) to private')" -ge 4096
expect "datagrams to the peer and back" "$(vmm '\([0-9]*\) datagrams echoed')" -ge 256
expect "reads of memory-mapped registers" "$(vmm '\([0-9]*\) MMIO reads')" -ge 1
systemctl stop guest-linux.service
