#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs a program under the SystemCallFilter= of a unit; a call that the filter refuses ends it, so that none is missed.

in_filter.py UNIT PROGRAM [ARGUMENT...]
in_filter.py UNIT --list

What groups have in them is asked of systemd-analyze. Exit status 77 where it, or libseccomp, is not installed.
"""
import ctypes
import os
import re
import subprocess
import sys

ALLOW, KILL = 0x7FFF0000, 0x80000000  # SCMP_ACT_*


def members(word):
    """The calls of a group, or the call itself."""
    if not word.startswith("@"):
        return {word}
    text = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", word], capture_output=True, text=True, check=True).stdout
    words = [line.strip() for line in text.splitlines()[1:] if line.strip() and not line.strip().startswith("#")]
    return set().union(*(members(w) for w in words))


def allowed(unit):
    """The first line says what is allowed, later ones add or, with ~, take away; @default always is."""
    names = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", open(unit).read(), re.M):
        words = set().union(*(members(w) for w in line.lstrip("~").split()))
        names = names - words if line.startswith("~") else names | words
    return names | members("@default")


def load(names):
    lib = ctypes.CDLL("libseccomp.so.2")
    lib.seccomp_init.restype = ctypes.c_void_p
    lib.seccomp_rule_add.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint]
    lib.seccomp_load.argtypes = [ctypes.c_void_p]
    context = lib.seccomp_init(KILL)
    for name in names:
        number = lib.seccomp_syscall_resolve_name(name.encode())
        # Negative: not of this machine.
        if number >= 0 and lib.seccomp_rule_add(context, ALLOW, number, 0):
            sys.exit(f"{name} cannot be allowed")
    if lib.seccomp_load(context):
        sys.exit("the filter cannot be loaded")


def main():
    try:
        names = allowed(sys.argv[1])
        if sys.argv[2] == "--list":
            print(*sorted(names), sep="\n")
            return
        load(names)
    except (OSError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        sys.exit(77)
    os.execv(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
