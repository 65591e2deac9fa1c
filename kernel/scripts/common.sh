# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What the kernel scripts share: places, messages, base and build tree. Sourced by bash scripts.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)	# kernel/
cache=${TDX_LPAGE_CACHE:-$HOME/.cache/tdx-lpage}
patches=$here/patches
tree=$cache/tree	# the automated build tree; nobody edits it

. "$here/linux.version"

# Our own settings only: a make above, or a user's git and grep options, must not leak in.
unset MAKEFLAGS MFLAGS MAKELEVEL GREP_OPTIONS GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
# Debian's own tools, not a newer python of the user's without Debian's modules.
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin

me=${0##*/}
say() { printf '%s: %s\n' "$me" "$*" >&2; }
die() { say "$*"; exit 1; }

sha256_of() { sha256sum "$1" | cut -d' ' -f1; }

# git without the user's taste: no signing, no line-end games, no hooks, no external diff.
plain_git() {
	git -c commit.gpgsign=false -c core.autocrlf=false -c core.hooksPath=/dev/null -c core.fileMode=true \
		-c advice.detachedHead=false -c gc.auto=0 -c diff.noprefix=false -c color.ui=false "$@"
}

# A name for commits that tools make; the user's own stays where there is one.
export_identity() {
	local dir=$1
	if [ "${2-}" = always ] || ! git -C "$dir" config user.email >/dev/null; then
		export GIT_COMMITTER_NAME=tdx-lpage GIT_COMMITTER_EMAIL=tdx-lpage@localhost
	fi
}

# The patches in order, one path a line; nothing when there are none, or SERIES=none asks for the bare base. EXTRA_PATCH names
# one more, to try something on top.
series() {
	[ -d "$patches" ] && [ "${SERIES-}" != none ] || return 0
	find "$patches" -maxdepth 1 -name '[0-9]*.patch' | sort
	[ -z "${EXTRA_PATCH-}" ] || echo "$EXTRA_PATCH"
}

# Waits for the lock on the build tree and holds it until the script ends.
lock_tree() {
	mkdir -p "$cache"
	exec 9>"$cache/tree.lock"
	flock -n 9 || {
		say "waiting for another build (lock $cache/tree.lock)"
		flock 9
	}
}

# Unpacks a source tarball as a git tree with one commit, tagged `base`. $1: tarball, $2: folder (must not exist).
make_base() {
	local tarball=$1 dir=$2 found
	say "unpacking $(basename "$tarball") and recording it in git (about two minutes, once for each base)"
	rm -rf "$dir.new"
	mkdir -p "$dir.new"
	case $tarball in
	*.xz) xz -dc -T0 "$tarball" ;;
	*.gz) gzip -dc "$tarball" ;;
	*) cat "$tarball" ;;
	esac | tar -x --strip-components=1 --no-same-owner -C "$dir.new" -f -
	found=$(awk -F' *= *' '/^VERSION/ { v = $2 } /^PATCHLEVEL/ { p = $2 } /^SUBLEVEL/ { print v "." p "." $2; exit }' \
		"$dir.new/Makefile") || die "$tarball holds no kernel source"
	case $found in
	"$version" | "$version".*) ;;
	*) rm -rf "$dir.new"; die "$tarball is Linux ${found:-?}, the series is for $version.y" ;;
	esac
	# Debian's .gitignore hides everything at the top level: new files would silently miss in commits.
	sed -i '/^\/\*$/d; /^!\/debian\/$/d' "$dir.new/.gitignore"
	plain_git -C "$dir.new" init -q -b source
	printf '%s\n' '/out-*/' '*.orig' '*.rej' >>"$dir.new/.git/info/exclude"
	plain_git -C "$dir.new" add -f -A .
	GIT_AUTHOR_NAME=tdx-lpage GIT_AUTHOR_EMAIL=tdx-lpage@localhost GIT_AUTHOR_DATE='2026-01-01T00:00:00Z' \
	GIT_COMMITTER_NAME=tdx-lpage GIT_COMMITTER_EMAIL=tdx-lpage@localhost GIT_COMMITTER_DATE='2026-01-01T00:00:00Z' \
		plain_git -C "$dir.new" commit -q -m "Linux $found"
	plain_git -C "$dir.new" tag base
	rm -rf "$dir"
	mv "$dir.new" "$dir"
}

# Makes sure that $tree holds the base that LINUX_SRC or linux.version names. Sets base_sha256. Needs the lock.
ensure_base() {
	local tarball
	tarball=$("$here/scripts/fetch")
	base_sha256=$(basename "$tarball")
	base_sha256=${base_sha256%%.*}
	[ "$(cat "$tree/.git/lpage-base" 2>/dev/null)" = "$base_sha256" ] && return
	make_base "$tarball" "$tree"
	echo "$base_sha256" >"$tree/.git/lpage-base"
}

# ---- the series as commits, made without touching a work tree ----

# Adds one patch on top of commit $1 in $tree; prints the new commit. Says which file does not fit when it fails.
commit_patch() {
	local parent=$1 patch=$2 tmp subject commit
	tmp=$(mktemp -d)
	git mailinfo --encoding=UTF-8 "$tmp/msg" "$tmp/diff" <"$patch" >"$tmp/info" || die "$patch: not a mail patch"
	GIT_INDEX_FILE=$tmp/index plain_git -C "$tree" read-tree "$parent" || return 1
	if ! GIT_INDEX_FILE=$tmp/index plain_git -C "$tree" apply --cached --whitespace=nowarn "$tmp/diff" 2>"$tmp/err"; then
		say "patch $(basename "$patch") does not apply on $(git -C "$tree" log -1 --format=%s "$parent"):"
		sed -n 's/^error: patch failed: /  does not fit: /p; s/^error: \(.*does not .*\)/  \1/p; s/^error: \(corrupt.*\)/  \1/p' \
			"$tmp/err" >&2
		rm -rf "$tmp"
		return 1
	fi
	subject=$(sed -n 's/^Subject: //p' "$tmp/info")
	{ printf '%s\n\n' "$subject"; cat "$tmp/msg"; } >"$tmp/message"
	commit=$(GIT_AUTHOR_NAME=$(sed -n 's/^Author: //p' "$tmp/info") \
	GIT_AUTHOR_EMAIL=$(sed -n 's/^Email: //p' "$tmp/info") \
	GIT_AUTHOR_DATE=$(sed -n 's/^Date: //p' "$tmp/info") \
	GIT_COMMITTER_NAME=tdx-lpage GIT_COMMITTER_EMAIL=tdx-lpage@localhost \
	GIT_COMMITTER_DATE=$(sed -n 's/^Date: //p' "$tmp/info") \
		plain_git -C "$tree" commit-tree -p "$parent" -F "$tmp/message" \
		"$(GIT_INDEX_FILE=$tmp/index plain_git -C "$tree" write-tree)") || return 1
	rm -rf "$tmp"
	echo "$commit"
}

# Turns the series into commits on base; prints "content-hash commit patch" lines, in order. Commits of a prefix that
# was seen before are taken from the list kept beside them. The content hash covers base and all patches so far.
series_commits() {
	local known=$tree/.git/lpage-series hash=$base_sha256 commit patch found
	commit=$(git -C "$tree" rev-parse base)
	touch "$known"
	while IFS= read -r patch; do
		hash=$({ echo "$hash"; cat "$patch"; } | sha256sum | cut -d' ' -f1)
		found=$(awk -v h="$hash" '$1 == h { c = $2 } END { print c }' "$known")
		if [ -n "$found" ] && git -C "$tree" cat-file -e "$found^{commit}" 2>/dev/null; then
			commit=$found
		else
			commit=$(commit_patch "$commit" "$patch") || return 1
			echo "$hash $commit" >>"$known"
			# A ref for each keeps them from garbage collection.
			plain_git -C "$tree" update-ref "refs/lpage/series/$hash" "$commit"
		fi
		echo "$hash $commit $patch"
	done < <(series)
}

# Checks the series out in $tree, touching only files that differ. Sets tip_hash and tip. Needs the lock.
prepare_tree() {
	local list
	ensure_base
	list=$(series_commits) || exit 1
	tip_hash=$(tail -n 1 <<<"$list" | cut -d' ' -f1)
	tip_hash=${tip_hash:-$base_sha256}
	tip=$(tail -n 1 <<<"$list" | cut -d' ' -f2)
	tip=${tip:-$(git -C "$tree" rev-parse base)}
	checkout_tree "$tip"
}

checkout_tree() {
	# A file that someone edited here by mistake must not end in an image.
	plain_git -C "$tree" checkout -q -f --detach "$1"
	plain_git -C "$tree" clean -q -d -f
}

# ---- the cover letter: written by hand down to the shortlog, from there on made of the series ----

cover=$patches/0000-cover-letter

# The part that is written by hand, without the empty lines at its end. $1: letter
cover_text() {
	awk -v line='^[^ ].* \\([0-9]+\\):$' '$0 ~ line && NR > 5 { exit } { text = text $0 "\n"; if (NF) keep = text } END { printf "%s", keep }' "$1"
}

# The whole letter as it should be. $1 letter, $2 tree, $3 tip
cover_letter() {
	local count
	count=$(git -C "$2" rev-list --count "base..$3")
	cover_text "$1" | sed "1,/^$/s,^Subject: \[PATCH [0-9]*/[0-9]*\],Subject: [PATCH 00/$count],"
	echo
	git -C "$2" log --reverse --format=%an%x09%s "base..$3" | awk -F'\t' '!($1 in n) { order[++authors] = $1 }
		{ n[$1]++; list[$1] = list[$1] "  " $2 "\n" }
		END { for (i = 1; i <= authors; i++) printf "%s (%d):\n%s\n", order[i], n[order[i]], list[order[i]] }'
	plain_git -C "$2" -c diff.renames=true diff --no-ext-diff --stat=72 --summary "base..$3"
}

# ---- builds ----

export CCACHE_DIR=$cache/ccache CCACHE_MAXSIZE=${CCACHE_MAXSIZE:-8G} CCACHE_BASEDIR=$cache CCACHE_NOHASHDIR=1 \
	CCACHE_COMPILERCHECK=content CCACHE_SLOPPINESS=time_macros

# make in a kernel tree. One fixed CC string and O= as direct child of the tree: then srctree is relative, objects of
# different trees are the same, and ccache finds them. $1 tree, $2 out-NAME, rest: goals.
kernel_make() {
	local dir=$1 out=$2
	shift 2
	make -C "$dir" O="$dir/$out" -j"${JOBS:-$(nproc)}" CC='ccache gcc' HOSTCC='ccache gcc' LOCALVERSION= \
		KBUILD_BUILD_USER=tdx-lpage KBUILD_BUILD_HOST=tdx-lpage KBUILD_BUILD_TIMESTAMP=2026-01-01T00:00:00Z "$@"
}

# What configuration fragments ask for: "SYMBOL=value" lines, the last one of each symbol.
requested() {
	awk -F= '/^CONFIG_[A-Za-z0-9_]+=/ { if (!($1 in v)) order[++n] = $1; v[$1] = substr($0, length($1) + 2) }
		END { for (i = 1; i <= n; i++) print order[i] "=" v[order[i]] }' "$@"
}

# tinyconfig with fragments over it, in $tree/OUT. An equal result keeps its time stamp. $1 OUT, rest: fragments
make_config() {
	local out=$1 config=$tree/$1/.config
	shift
	mkdir -p "$tree/$out"
	[ ! -f "$config" ] || cp -p "$config" "$config.before"
	kernel_make "$tree" "$out" tinyconfig
	requested "$@" >"$config.requested"
	awk -F= 'NR == FNR { want[$1]; next }
		{ s = $1; if ($0 ~ /^# CONFIG_.* is not set$/) { split($0, w, " "); s = w[2] } }
		!(s in want)' "$config.requested" "$config" >"$config.merged"
	cat "$config.requested" >>"$config.merged"
	mv "$config.merged" "$config"
	kernel_make "$tree" "$out" olddefconfig
	if cmp -s "$config" "$config.before"; then
		mv "$config.before" "$config"
	fi
}

# Names every symbol that Kconfig did not give us. $1 OUT
lost_symbols() {
	awk -F= 'NR == FNR { if ($0 ~ /^CONFIG_/) have[$1] = substr($0, length($1) + 2); next }
		{ got = ($1 in have) ? have[$1] : "n"; want = substr($0, length($1) + 2)
		  if (got != want) printf "  %s: asked for %s, got %s\n", $1, want, got }' \
		"$tree/$1/.config" "$tree/$1/.config.requested"
}

# Runs a command with its output going to $log; shows the end of it when the command fails, and dies.
run_quiet() {
	"$@" >>"$log" 2>&1 || { tail -n 30 "$log" >&2; die "failed: $* (whole output: $log)"; }
}

# Runs a command whose output is kbuild's, showing progress instead: a counter every few seconds (redrawn on a terminal,
# plain lines elsewhere); what is no build step (warnings, errors) is shown as it is.
# $1: log file, $2: expected number of steps, 0 when not known; rest: the command. Sets steps_done.
with_progress() {
	local log=$1 expected=$2 line tty='' every=15 next=0 begin=$SECONDS status
	shift 2
	[ -t 2 ] && tty=1 every=2
	steps_done=0
	: >"$log"
	local fd pid
	exec {fd}< <("$@" 2>&1)
	pid=$!
	next=$((SECONDS + every))
	while IFS= read -r line <&"$fd"; do
		printf '%s\n' "$line" >>"$log"
		case $line in
		'  '[A-Z]*)
			steps_done=$((steps_done + 1))
			if [ $SECONDS -ge $next ]; then
				next=$((SECONDS + every))
				show_progress "$tty" "$expected" "$line" $((SECONDS - begin))
			fi
			;;
		make* | '' | '#'* | Kernel:* | *'is up to date.'*) ;;
		*) printf '%s%s\n' "${tty:+$'\r\033[K'}" "$line" >&2 ;;
		esac
	done
	exec {fd}<&-
	status=0
	wait "$pid" || status=$?
	[ -z "$tty" ] || printf '\r\033[K' >&2
	return $status
}

show_progress() {
	local tty=$1 expected=$2 line=$3 took=$4 count=$steps_done left=''
	if [ "$expected" -ne 0 ]; then
		count="$((steps_done * 100 / expected > 99 ? 99 : steps_done * 100 / expected))% $steps_done/$expected"
		# From the pace so far, once there is one.
		[ $((steps_done * 50)) -lt "$expected" ] || [ "$steps_done" -ge "$expected" ] ||
			left=", about $((took * (expected - steps_done) / steps_done / 60 + 1))m left"
	fi
	set -- $line
	if [ -n "$tty" ]; then
		printf '\r\033[K%s: %s  %s  %dm%02ds%s' "$me" "$count" "${*: -1}" $((took / 60)) $((took % 60)) "$left" >&2
	else
		printf '%s: %s  %s  %dm%02ds%s\n' "$me" "$count" "${*: -1}" $((took / 60)) $((took % 60)) "$left" >&2
	fi
}
