#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""plot.py JSON: draws the scores that `make bench-policy` wrote as an SVG, on standard output."""

import json
import sys

SERIES = [
    ("adaptive", "adaptive", "#1b6ca8"),
    ("adaptive_100ms", "adaptive, seen at 100 ms", "#7fb3d5"),
    ("threshold", "threshold 5 s", "#d98324"),
    ("knowing_kinds", "knowing kinds", "#4d4d4d"),
]
TOP = 1.6  # higher bars are cut, with their number
LEFT, RIGHT, ROW, BAR, HEAD = 130, 60, 42, 9, 50
WIDTH = 760


def bar_end(value):
    """Where a bar of @value ends; 1 is at its left."""
    return LEFT + (min(value, TOP) - 1) / (TOP - 1) * (WIDTH - LEFT - RIGHT)


def text(x, y, what, anchor="start", colour="#222"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{what}</text>'


def grid(height):
    for tenth in range(10, int(TOP * 10) + 1):
        x = bar_end(tenth / 10)
        yield f'<line x1="{x:.1f}" y1="{HEAD - 8}" x2="{x:.1f}" y2="{height}" stroke="#ddd"/>'
        yield text(x, HEAD - 12, f"{tenth / 10:.1f}", "middle", "#666")


def bars(row, top):
    yield text(LEFT - 8, top + 2.5 * BAR, row["kind"], "end")
    for i, (key, _, colour) in enumerate(SERIES):
        y = top + i * BAR
        width = max(bar_end(row[key]) - LEFT, 0.5)
        yield f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR - 1}" fill="{colour}"/>'
        if row[key] > TOP:
            yield text(bar_end(row[key]) + 4, y + BAR - 1, f"{row[key]:.1f}")


def legend():
    x = LEFT
    for _, name, colour in SERIES:
        yield f'<rect x="{x}" y="8" width="10" height="10" fill="{colour}"/>'
        yield text(x + 14, 17, name)
        x += 30 + 7 * len(name)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as f:
        scores = json.load(f)["scores"]
    rows = [row for family in scores.values() for row in family["kinds"]]
    for name, family in scores.items():
        family["kinds"][-1]["kind"] = f"mix, {name}"
    height = HEAD + ROW * len(rows)
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
          'font-family="sans-serif" font-size="11">')
    print("<!-- SPDX-License-Identifier: GPL-2.0-or-later -->")
    print(f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>')
    print("\n".join([*legend(), *grid(height)]))
    for i, row in enumerate(rows):
        print("\n".join(bars(row, HEAD + i * ROW)))
    print("</svg>")


if __name__ == "__main__":
    main()
