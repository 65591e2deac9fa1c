# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Packages of the suite in linux.version, or of the suites that a script sets, from the mirror that this machine's sources name.
# Lists and state are private (CACHE/apt): the system's sources and lists stay as they are. Sourced by bash scripts, after common.sh.

# The Debian mirror of this machine's own sources, as apt itself reads them (both formats, mirror lists, options).
mirror() {
	apt-get indextargets --format '$(CREATED_BY) $(REPO_URI) $(RELEASE) $(COMPONENT)' 2>/dev/null |
		awk '$1 == "Packages" && $4 == "main" && $3 !~ /security|updates|backports/ && $2 ~ /\/debian\/?$/ { print $2; exit }'
}

# Makes the private state and reads the suite's list of packages; APT_CONFIG=CACHE/apt/etc/apt.conf makes apt use it.
# Prints why, and fails, if it cannot.
private_apt() {
	local uri dir=$cache/apt keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	command -v apt-get >/dev/null || { echo "no apt on this system"; return 1; }
	uri=$(mirror)
	[ -n "$uri" ] || { echo "this machine's apt sources name no Debian mirror"; return 1; }
	[ -f $keyring ] || { echo "$keyring is missing (package debian-archive-keyring)"; return 1; }
	mkdir -p "$dir"/{etc,state/lists/partial,cache/archives/partial,download}
	: >"$dir/state/status"
	# shellcheck disable=SC2086
	printf "deb [signed-by=$keyring] $uri %s main\n" $suite >"$dir/etc/sources.list"
	# Of the system's settings only how to reach the network; hooks after an update would change the system.
	{
		apt-config dump | grep '^Acquire' || :
		cat <<-CONF
			Dir::Etc::sourcelist "$dir/etc/sources.list";
			Dir::Etc::sourceparts "/dev/null";
			Dir::Etc::main "/dev/null";
			Dir::Etc::parts "/dev/null";
			Dir::State "$dir/state";
			Dir::State::status "$dir/state/status";
			Dir::Cache "$dir/cache";
			APT::Sandbox::User "$(id -un)";
			APT::Get::List-Cleanup "true";
		CONF
	} >"$dir/etc/apt.conf"
	say "asking $uri for the packages of $suite"
	APT_CONFIG=$dir/etc/apt.conf apt-get -q --error-on=any update >"$dir/update.log" 2>&1 || {
		sed 's/^/  /' "$dir/update.log" | grep -E '^  (E|W|Err)' >&2 || :
		echo "could not read the package list of $suite: no network, or the mirror lacks that suite"
		return 1
	}
}
