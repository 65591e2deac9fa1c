#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# systemd came up with nothing failed, on a kernel with KVM.
# Seen failing: with a unit that runs /bin/false (degraded), and without -cpu ...,+svm (no /dev/kvm).
. "$(dirname "$0")/lib.sh"

state=$(timeout 120 systemctl is-system-running --wait) || systemctl --failed --plain >&2
expect "system state" "$state" = running
[ -n "${1-}" ] || [ -c /dev/kvm ] || fail "no /dev/kvm"
say "kernel $(uname -r), systemd $(systemctl --version | awk 'NR == 1 { print $2 }')"
