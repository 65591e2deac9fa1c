#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Tries every operation of the family, and its events, with the kernel's own netlink client.

operations.py VM-ID: prints a line for each, `OPERATION: ok` or the error's name. Exits 3 when there is no such family."""

import errno
import sys

sys.path.insert(0, "/vm/linux/tools/net/ynl/pyynl")
from lib import NlError, YnlException, YnlFamily  # noqa: E402

VM = int(sys.argv[1])
RANGE = {"vm-id": VM, "range": [{"start-rfn": 0}]}
# An operation that is not in here ends the test: one of the spec's was forgotten.
REQUESTS = {
    ("vm-get", "do"): {"id": VM},
    ("vm-get", "dump"): {},
    ("region-get", "dump"): {"vm-id": VM},
    ("policy-set", "do"): {"vm-id": VM, "policy": {"rate": 1000}},
    ("merge", "do"): RANGE,
    ("split", "do"): RANGE,
    ("hold", "do"): RANGE | {"ttl-ns": 1000000000},
    ("release", "do"): RANGE,
    ("probe", "do"): RANGE | {"window-ns": 10000},
}


def outcome(call, *args):
    """Calls; returns `ok` or the error's name."""
    try:
        call(*args)
        return "ok"
    except NlError as error:
        return errno.errorcode[error.error]
    except OSError as error:
        return errno.errorcode[error.errno]


try:
    # One of its own: the client binds a socket to subscribe, which can be done only once.
    print(f"events: {outcome(YnlFamily(family='kvm_lpage').ntf_subscribe, 'events')}")
    family = YnlFamily(family="kvm_lpage")
except YnlException as error:
    print(error)
    sys.exit(3)
for name, operation in family.ops.items():
    for mode in operation.modes:
        call = family.dump if mode == "dump" else family.do
        print(f"{name} {mode}: {outcome(call, name, REQUESTS[name, mode])}")
