#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""plot.py JSON [costs]: draws what `make bench-policy` wrote as an SVG, on standard output: the
scores, or the heat map of other costs."""

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


def draw(width, height, lines):
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
          'font-family="sans-serif" font-size="11">')
    print("<!-- SPDX-License-Identifier: GPL-2.0-or-later -->")
    print(f'<rect width="{width}" height="{height}" fill="#fff"/>')
    print("\n".join(lines))
    print("</svg>")


def draw_scores(scores):
    rows = [row for family in scores.values() for row in family["kinds"]]
    for name, family in scores.items():
        family["kinds"][-1]["kind"] = f"mix, {name}"
    lines = [*legend(), *grid(HEAD + ROW * len(rows))]
    for i, row in enumerate(rows):
        lines += bars(row, HEAD + i * ROW)
    draw(WIDTH, HEAD + ROW * len(rows), lines)


# ---- the heat map ----

PANELS = [("fixed", "% above the best fixed threshold"), ("kinds", "% above knowing the kinds")]
CELL_W, CELL_H, TEXTS = 44, 15, 70


def heat(percent):
    """Blue where adaptive costs less, red where more; full at 25 %."""
    strength = min(abs(percent) / 25, 1)
    low = round(255 - 140 * strength)
    return f"rgb({low},{low},255)" if percent < 0 else f"rgb(255,{low},{low})"


def panel(rows, settings, key, title, left):
    yield text(left, 14, title)
    for i, setting in enumerate(settings):
        x = left + i * CELL_W + CELL_W / 2
        yield (f'<text transform="translate({x + 4:.0f},{TEXTS - 4}) rotate(-50)" '
               f'fill="#222">{setting}</text>')
    for n, row in enumerate(rows):
        y = TEXTS + n * CELL_H
        for i, setting in enumerate(settings):
            cell = row[setting]
            percent = 100 * (cell["adaptive"] / cell[key] - 1)
            yield (f'<rect x="{left + i * CELL_W}" y="{y}" width="{CELL_W - 1}" '
                   f'height="{CELL_H - 1}" fill="{heat(percent)}"/>')
            yield text(left + i * CELL_W + CELL_W / 2, y + 11, f"{percent:+.0f}", "middle")


def draw_costs(rows):
    settings = [name for name in rows[0] if name != "kind"]
    wide = CELL_W * len(settings) + 20
    lines = [text(LEFT - 8, TEXTS + n * CELL_H + 11, row["kind"], "end")
             for n, row in enumerate(rows)]
    for i, (key, title) in enumerate(PANELS):
        lines += panel(rows, settings, key, title, LEFT + i * wide)
    draw(LEFT + len(PANELS) * wide + 20, TEXTS + CELL_H * len(rows) + 10, lines)


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["costs"]):
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as f:
        numbers = json.load(f)
    if len(sys.argv) == 3:
        draw_costs(numbers["costs"])
    else:
        draw_scores(numbers["scores"])


if __name__ == "__main__":
    main()
