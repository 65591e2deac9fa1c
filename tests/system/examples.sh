#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The examples of etc/examples: what they are written in, and what they do on a simulated host. Prints TAP.
set -u
daemon=$(realpath "${TDX_LPAGED:-build/san/tdx-lpaged}") ctl=$(realpath "${TDX_LPCTL:-build/san/tdx-lpctl}")
src=$(realpath "${TDX_LPAGE_SRC:-.}")
examples=$src/etc/examples
dir=$(mktemp -d) pid=
export TDX_LPAGE_RUNTIME_DIR=$dir/run TDX_LPCTL=$ctl
mkdir "$dir/run"

cleanup() {
	[ -z "$pid" ] || kill "$pid" 2>/dev/null
	wait
	rm -rf "$dir"
}
trap cleanup EXIT

. "$src/tests/lib/tap.sh"

skip() {
	n=$((n + 1))
	echo "ok $n - $1 # SKIP $2"
}

printf 'version: 1\n' >"$dir/c.yaml"
printf 'lptrace 1\ncost merge_ns=30000 split_ns=45000 fail_ns=12000\nvm 1 name=td-1 regions=64 walk_ns_per_s=12000\nend 1000000000000\n' >"$dir/trace"

start() {
	"$daemon" --config "$dir/c.yaml" --runtime-dir "$dir/run" "--link=sim:$dir/trace" 2>"$dir/log" &
	pid=$!
	wait_for -p $pid 'VM td-1' "$ctl" vm show td-1
}

# OWNER: does td-1 become held by it, in time?
becomes_held() { wait_for "a hold by $1" says 0 "held by.*$1" status; }

is_free() { ! "$ctl" status | grep 'is held by'; }
becomes_free() { wait_for 'the end of the hold' is_free; }

# ---- libvirt ----

# OPERATION: is the hook quick, silent, and content?
hooks() {
	local said
	said=$(echo '<domain/>' | timeout 10 "$examples/libvirt-hook" td-1 "$1" begin -) && [ -z "$said" ]
}

# The command sees the hold that it runs under; its exit status is that of all.
held_says() {
	"$examples/tdx-lpage-held" td-1 sh -c "'$ctl' status; exit 7" >"$dir/held"
	[ $? -eq 7 ] && grep 'VM .* is held by held-[0-9]* (attached)' "$dir/held"
}

runs_without_daemon() {
	TDX_LPAGE_RUNTIME_DIR=$dir/none "$examples/tdx-lpage-held" td-1 echo done >"$dir/held" 2>&1
	grep -q '^done$' "$dir/held" && grep 'cannot be held' "$dir/held"
}

check "the libvirt hook is a shell script" sh -n "$examples/libvirt-hook"
check "so is tdx-lpage-held" sh -n "$examples/tdx-lpage-held"
check "a simulated host" start
check "a guest that starts is left alone" hooks start
check "no hold" is_free
check "a guest arrives by migration" hooks migrate
check "it is held" becomes_held libvirt
"$ctl" release td-1 --owner libvirt >/dev/null
check "a command runs while the guest is held" held_says
check "then it is held no longer" becomes_free
check "without a daemon the command runs all the same" runs_without_daemon

# ---- Kubernetes ----

node=$examples/kubernetes-node.yaml
# The configuration in the ConfigMap, as the container finds it.
config_of_node() {
	awk '/^  tdx-lpage.yaml: \|$/ { here = 1; next } here && /^    / { print substr($0, 5); next } here { exit }' "$node" >"$dir/node.yaml"
	[ -s "$dir/node.yaml" ] && "$ctl" config check "$dir/node.yaml"
}

is_yaml() {
	python3 -c '
import sys, yaml
namespace, config, daemons = yaml.safe_load_all(open(sys.argv[1]))
assert (config["kind"], daemons["kind"]) == ("ConfigMap", "DaemonSet")
pod = daemons["spec"]["template"]
assert pod["metadata"]["labels"] == daemons["spec"]["selector"]["matchLabels"]
container, = pod["spec"]["containers"]
assert {m["name"] for m in container["volumeMounts"]} == {v["name"] for v in pod["spec"]["volumes"]}
assert container["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["NET_ADMIN"]}
' "$node"
}

check "the configuration of the node is valid" config_of_node
if python3 -c 'import yaml' 2>/dev/null; then
	check "the manifest is what it should be" is_yaml
else
	skip "the manifest is what it should be" "python3-yaml is not installed"
fi

# ---- Ansible ----

# CHECK OPTION...: the play against a root of our own; it connects to nobody.
plays() {
	(cd "$dir" && HOME=$dir ANSIBLE_NOCOWS=1 ANSIBLE_LOCALHOST_WARNING=0 ANSIBLE_LOCAL_TEMP=$dir/tmp ANSIBLE_REMOTE_TEMP=$dir/tmp \
		ansible-playbook -i localhost, -c local -e "tdx_lpage_root=$dir/root tdx_lpage_daemon=$daemon" "$@" \
		"$examples/ansible/tdx-lpage.yaml")
}

# In check mode, as it finds nothing there, it would change five things, and changes none.
would_change() {
	plays --check --diff >"$dir/play" 2>&1 && grep -E 'changed=5 .*unreachable=0 .*failed=0' "$dir/play" && [ ! -e "$dir/root/etc/tdx-lpage.d" ]
}

changes() { { plays >"$dir/play" 2>&1 || { cat "$dir/play"; return 1; }; } && "$ctl" config check "$dir/root/etc/tdx-lpage.d/50-site.yaml"; }
then_nothing() { plays --check >"$dir/play" 2>&1 && grep -E 'changed=0 .*failed=0' "$dir/play"; }
# Its values are those of the drop-in that the documentation has.
metrics_are_allowed() { diff <(grep -v '^#' systemd/examples/metrics.conf) "$dir/root/etc/systemd/system/tdx-lpaged.service.d/metrics.conf"; }
refuses_nonsense() {
	! plays -e '{"tdx_lpage_settings": {"global": {"nonsense": 1}}}' >"$dir/play" 2>&1 && grep -q 'unknown key' "$dir/play" &&
		! grep nonsense "$dir/root/etc/tdx-lpage.d/50-site.yaml"
}

if command -v ansible-playbook >/dev/null; then
	mkdir -p "$dir/root/etc/modprobe.d" "$dir/tmp"
	check "the play says in check mode what it would change" would_change
	check "it writes a valid configuration" changes
	check "the unit may serve the metrics that it configures" metrics_are_allowed
	check "and then there is nothing to do" then_nothing
	check "what the daemon refuses is not written" refuses_nonsense
else
	skip "the play in check mode" "ansible-core is not installed"
fi
echo "1..$n"
