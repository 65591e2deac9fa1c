#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs a program as systemd runs the daemon: with its sockets, a socket for notifications, and a watchdog.

as_service.py RUNTIME_DIR PROGRAM [ARGUMENT...]

WATCHDOG_USEC is the caller's. Nobody reads the notifications.
"""
import os
import socket
import sys

NAMES = ["control", "read"]


def bind(kind, path):
    s = socket.socket(socket.AF_UNIX, kind)
    s.bind(path)
    return s


def main():
    runtime, program = sys.argv[1], sys.argv[2:]
    sockets = [bind(socket.SOCK_STREAM, os.path.join(runtime, name)) for name in NAMES]
    for s in sockets:
        s.listen()
    sockets.append(bind(socket.SOCK_DGRAM, os.path.join(runtime, "notify")))
    # Out of the way first: a socket may have the number that another is to get.
    for fd, high in enumerate([os.dup2(s.fileno(), 20 + i) for i, s in enumerate(sockets)], 3):
        os.dup2(high, fd, inheritable=True)
        os.close(high)
    environment = os.environ | {
        "LISTEN_FDS": str(len(NAMES)),
        "LISTEN_FDNAMES": ":".join(NAMES),
        "LISTEN_PID": str(os.getpid()),
        "WATCHDOG_PID": str(os.getpid()),
        "NOTIFY_SOCKET": os.path.join(runtime, "notify"),
    }
    os.execvpe(program[0], program, environment)


if __name__ == "__main__":
    main()
