#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Scores a decision log against a trace; written from the format's rules alone, as a second
opinion on `tdx-lpctl simulate`.

usage: score.py TRACE DECISIONS      prints one JSON object

Exact: fractions, whole traces in memory, no shared code. Slow on purpose.
"""
import json
import sys
from fractions import Fraction

NS_PER_S = 10**9


def fields(words):
    return dict(word.split("=", 1) for word in words)


class Region:
    """Pages by state, and the interval that is open."""

    def __init__(self, walk):
        self.shared, self.pending = set(), set()
        self.large, self.dropped = True, False
        self.start = None
        self.rates = [(0, walk)]

    def walk(self, begin, end):
        total = Fraction(0)
        for (t, rate), nxt in zip(self.rates, self.rates[1:] + [(None, 0)]):
            lo = max(begin, t)
            hi = end if nxt[0] is None else min(end, nxt[0])
            if hi > lo:
                total += Fraction(rate * (hi - lo), NS_PER_S)
        return total


def read_trace(path):
    """Returns costs, end, forced splits and, per (vm, rfn), its intervals:
    (start, stop, ended by a partial S, region)."""
    cost, end, forced = None, None, 0
    vms, regions, intervals = {}, {}, {}

    def stop(key, region, t, partial):
        if region.start is not None:
            intervals.setdefault(key, []).append((region.start, t, partial, region))
            region.start = None

    def touch(vm, rfn):
        return regions.setdefault((vm, rfn), Region(vms[vm]))

    for line in open(path):
        words = line.split()
        if not words or words[0].startswith("#") or words[0] == "lptrace":
            continue
        if words[0] == "cost":
            cost = {k: int(v) for k, v in fields(words[1:]).items()}
        elif words[0] == "vm" or (len(words) > 1 and words[1] == "N"):
            at = 1 if words[0] == "vm" else 2
            vms[int(words[at])] = int(fields(words[at + 1:])["walk_ns_per_s"])
        elif words[0] == "end":
            end = int(words[1])
            for key, region in regions.items():
                stop(key, region, end, False)
        elif words[1] == "X":
            gone = int(words[2])
            for key, region in regions.items():
                if key[0] == gone:
                    stop(key, region, int(words[0]), False)
        elif words[1] == "W":
            touch(int(words[2]), int(words[3])).rates.append((int(words[0]), int(words[4])))
        else:
            t, op, vm, gfn, npages = (int(words[0]), words[1], *map(int, words[2:]))
            for rfn in range(gfn // 512, (gfn + npages - 1) // 512 + 1):
                pages = set(range(max(gfn, rfn * 512), min(gfn + npages, rfn * 512 + 512)))
                region = touch(vm, rfn)
                if op == "S":
                    partial = len(pages) < 512
                    if region.large and partial:
                        forced += 1
                    stop((vm, rfn), region, t, partial)
                    region.dropped = region.dropped or not partial
                    region.large = False
                    region.pending -= pages
                    region.shared |= pages
                elif op == "P":
                    back = pages & region.shared
                    region.shared -= back
                    region.pending |= back
                elif pages & region.pending:
                    region.pending -= pages
                    if not region.pending and not region.shared:
                        if region.dropped:
                            region.dropped, region.large = False, True
                        else:
                            region.start = t
    return cost, end, forced, intervals


def score(trace, decisions):
    cost, end, forced, intervals = read_trace(trace)
    merge, split, fail = cost["merge_ns"], cost["split_ns"], cost["fail_ns"]
    tries = {}
    for line in open(decisions):
        words = line.split()
        if len(words) == 4 and words[1] == "M":
            tries.setdefault((int(words[2]), int(words[3])), []).append(int(words[0]))
    total, opt = Fraction(0), Fraction(0)
    merges = splits = fails = 0
    for key in set(tries) | set(intervals):
        left = sorted(tries.get(key, []))
        for begin, stop, partial, region in intervals.get(key, []):
            inside = [t for t in left if begin <= t < stop and t < end]
            whole = region.walk(begin, stop)
            opt += min(whole, merge + (split if partial else 0))
            if inside:
                left.remove(inside[0])
                merges += 1
                splits += partial
                total += region.walk(begin, inside[0]) + merge + (split if partial else 0)
            else:
                total += whole
        fails += len(left)
    total += fails * fail
    return {
        "ratio": float(total / opt) if opt else None,
        "cost_ns": int(total), "opt_ns": int(opt), "merges": merges, "splits": splits,
        "fails": fails, "forced_split_ns": forced * split,
    }


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    print(json.dumps(score(sys.argv[1], sys.argv[2])))
