# SPDX-License-Identifier: GPL-2.0-or-later
# Shared by the steps of the stack test, in the guest. Sourced by bash.
set -euo pipefail
# The report (see guest/run): progress of a step, while it runs.
say() { printf '# %s\n' "$*" >/dev/ttyS1; }
fail() { printf '%s\n' "$*" >&2; exit 1; }
trap 'echo "${BASH_SOURCE[0]##*/}:$LINENO: \"$BASH_COMMAND\" failed" >&2' ERR
shopt -s inherit_errexit

# WHAT ACTUAL OPERATOR EXPECTED, operators of `[`: reports the figure, fails unless it holds.
expect() {
	[ "$2" "$3" "$4" ] || fail "$1: is \"$2\", expected $3 \"$4\""
	say "$1: $2 ($3 $4)"
}

# WHAT SECONDS COMMAND...: waits until the command succeeds, at most so long.
wait_for() {
	local what=$1 limit=$2 begin=$SECONDS
	shift 2
	until "$@" >/tmp/wait.out 2>&1; do
		if [ $((SECONDS - begin)) -ge "$limit" ]; then
			cat /tmp/wait.out >&2
			fail "$what: not within $limit s"
		fi
		sleep 0.2 # between two looks at the condition
	done
	say "$what ($((SECONDS - begin)) s)"
}
