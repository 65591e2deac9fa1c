# SPDX-License-Identifier: GPL-2.0-or-later
# The guest: its initramfs, its QEMU, and how it is told what to do. Sourced by run.

qemu_pid='' guest_in='' guest_out=''

# Makes the module, the program and the initramfs in the work directory.
guest_build() {
	local root=$work/initramfs applet
	say "building the guest's module against $build, and its initramfs"
	mkdir -p "$work/module" "$root"/{bin,dev,proc,sys}
	cp "$hw"/guest-module/{Makefile,lpage_convert.c} "$work/module/"
	make -C "$build" M="$work/module" modules >"$work/module.log" 2>&1 ||
		{ tail -n 20 "$work/module.log" >&2; broken "the guest's module does not build against $build"; }
	gcc -std=c17 -D_GNU_SOURCE -O2 -Wall -Wextra -static -o "$root/bin/lpage_fill" "$hw/guest/lpage_fill.c"
	cp "$(command -v busybox)" "$root/bin/busybox"
	for applet in $(busybox --list); do
		[ "$applet" = busybox ] || ln -sf busybox "$root/bin/$applet"
	done
	cp "$work/module/lpage_convert.ko" "$root/"
	install -m 755 "$hw/guest/init" "$root/init"
	(cd "$root" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) >"$work/initramfs.cpio"
}

# Sets the array `command`.
guest_command() {
	local append="console=ttyS0 ignore_loglevel printk.time=1 panic=-1 accept_memory=$accept"
	command=("$qemu" -name "$name" -nodefaults -nographic -no-reboot -smp "$cpus" -m "$((memory >> 20))M")
	if [ "$guest_only" = yes ]; then
		command+=(-accel "tcg,thread=multi" -cpu max -machine q35)
		append+=" no_timer_check"
	else
		# RAM without a file behind it: QEMU aligns its addresses to 2 MiB, as large mappings need them. Private
		# memory comes from a guest_memfd, which QEMU makes by itself for a TD.
		command+=(-accel kvm -cpu host -object "tdx-guest,id=tdx" -object "memory-backend-ram,id=ram,size=$((memory >> 20))M"
			-machine "q35,kernel-irqchip=split,confidential-guest-support=tdx,memory-backend=ram" -bios "${firmware:-OVMF.fd}")
	fi
	command+=(-serial "file:$report/console.log" -chardev "pipe,id=control,path=$work/control" -serial chardev:control
		-kernel "$image" -initrd "$work/initramfs.cpio"
		-append "$append LPAGE_REGIONS=$regions LPAGE_HOT=$hot")
}

guest_start() {
	mkfifo "$work/control.in" "$work/control.out"
	exec {guest_in}<>"$work/control.in" {guest_out}<>"$work/control.out"
	: >"$report/guest.log"
	say "starting the guest: $name, $((memory >> 20)) MiB, $cpus vCPUs"
	"${command[@]}" </dev/null >"$report/qemu.log" 2>&1 {guest_in}>&- {guest_out}>&- &
	qemu_pid=$!
}

# Until there is a guest, nothing is wrong with it.
guest_lives() { [ -z "$qemu_pid" ] || kill -0 "$qemu_pid" 2>/dev/null; }

# WHAT SECONDS: waits for the guest's answer to it, and prints the answer.
guest_answer() {
	local line='' from=$SECONDS status
	while [ $((SECONDS - from)) -lt "$2" ]; do
		status=0
		IFS= read -r -t 1 -u "$guest_out" line || status=$?
		if [ $status -ne 0 ]; then
			[ $status -gt 128 ] || break
			guest_lives || { broken "the guest ended early, while it was to do: $1 (see console.log, qemu.log)"; }
			continue
		fi
		printf '%s\n' "$line" >>"$report/guest.log"
		case $line in *"{\"done\": \"$1\""*) printf '%s\n' "${line#"${line%%\{*}"}"; return ;; esac
	done
	broken "the guest did not answer within $2 s: $1 (see console.log, guest.log)"
}

# COMMAND [ARGUMENT]: has the guest do it. Its answer goes to $work/answer; one that is not ok is noted, for the report.
guest_do() {
	printf '%s\n' "$*" >&"$guest_in"
	guest_answer "$1" "$((duration + 120))" >"$work/answer"
	jq -e .ok "$work/answer" >/dev/null || { say "the guest says that this went wrong: $*"; jq -c . "$work/answer" >>"$work/guest-failures"; }
}

# Makes the guest go through all its memory so many times, and verify it.
guest_passes() {
	local i
	for ((i = 0; i < $1; i++)); do
		guest_do fill-pass
		cp "$work/answer" "$work/fill"
	done
	guest_do verify
}
