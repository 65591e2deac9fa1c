# SPDX-License-Identifier: GPL-2.0-or-later
"""The Test Anything Protocol, as scripts/run-tests reads it."""
import sys

number = 0


def result(good, what, *why):
    global number
    number += 1
    print(f"{'ok' if good else 'not ok'} {number} - {what}")
    if not good:
        for line in why:
            print(f"# {line}")
    sys.stdout.flush()
