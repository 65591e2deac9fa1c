#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Is a page of `tdx-lpctl simulate --report` what it has to be?

page.py PAGE JSON    JSON: what the same command printed with -o json. Prints what is wrong, a line each, and exits 1.
"""
import html.parser
import json
import re
import sys
import xml.etree.ElementTree as ElementTree

SIZE_MAX = 400_000
POINTS_MAX = 600
WORST_MAX = 20
PARTS = {"c-walk": "walk_ns", "c-merge": "merge_ns", "c-split": "split_ns", "c-fail": "fail_ns"}
VOID = {"meta", "br", "link", "img", "input", "hr", "base"}
# What could load, run or lead away.
FORBIDDEN = {"script", "link", "img", "image", "iframe", "object", "embed", "base", "form", "foreignObject", "use", "a",
             "audio", "video", "source", "animate", "set", "template"}
UNITS = {"(ms)": 1e6, "(µs)": 1e3}

problems = []


def expect(true, *what):
    if not true:
        problems.append(" ".join(str(word) for word in what))


class Tags(html.parser.HTMLParser):
    """The elements as a browser sees them: in the order of their beginnings, each closed where it has to be."""

    def __init__(self):
        super().__init__()
        self.begun, self.open = [], []

    def handle_starttag(self, tag, attrs):
        self.begun.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        # Outside of SVG, HTML ignores the slash.
        expect(tag in VOID or "svg" in self.open, f"<{tag}/> is not closed for HTML")
        self.begun.append(tag)

    def handle_endtag(self, tag):
        expect(self.open and self.open.pop() == tag, f"</{tag}> closes something else")


def classes(element):
    return element.get("class", "").split()


def find(root, tag, name=None):
    return [e for e in root.iter(tag) if name is None or name in classes(e)]


def text_of(element):
    return "".join(element.itertext()).strip()


def value(row, name):
    found = find(row, "data", name)
    expect(len(found) == 1, name, "stands", len(found), "times in the row", text_of(row)[:40])
    return float(found[0].get("value")) if found else None


def check_syntax(text, root):
    tags = Tags()
    tags.feed(text)
    tags.close()
    expect(not tags.open, "not closed:", tags.open)
    expect(tags.begun == [e.tag.lower() for e in root.iter()], "HTML and XML see different elements")


def check_self_contained(root):
    for e in root.iter():
        expect(e.tag not in FORBIDDEN, f"there is a <{e.tag}>")
        for name, what in e.attrib.items():
            expect(not name.startswith("on") and name not in ("src", "href", "srcset", "style", "action", "poster"),
                   f"<{e.tag} {name}>")
            expect(not re.search(r"https?:|//|url\(|javascript:", what, re.I), f"<{e.tag} {name}={what!r}>")
    style = text_of(root.find("head/style"))
    expect(not re.search(r"https?:|//|url\(|@import|expression", style, re.I), "the style sheet refers to something")
    expect("prefers-color-scheme:dark" in style and "@media print" in style, "no dark or no printed style")
    policy = [m.get("content") for m in root.iter("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    expect(policy == ["default-src 'none'; style-src 'unsafe-inline'"], "content policy", policy)


def check_accessible(root):
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    expect(len(ids) == len(set(ids)), "an id is there twice")
    expect(root.get("lang"), "no language")
    expect(text_of(root.find("head/title")), "no title")
    for svg in root.iter("svg"):
        name = svg.get("id")
        expect(svg.get("role") == "img" and svg.get("viewBox"), name, "has no role or no viewBox")
        expect([e.tag for e in svg][:2] == ["title", "desc"], name, "does not begin with title and desc")
        expect(all(text_of(e) for e in list(svg)[:2]), name, "has an empty title or desc")
        expect(svg.get("aria-labelledby", "").split() == [e.get("id") for e in list(svg)[:2]], name, "has no label")
        expect(any(text_of(e) for e in find(svg, "text", "axis")), name, "has no axis label")
        expect(len(find(svg, "text", "tick")) >= 2, name, "has no ticks")
    for table in root.iter("table"):
        heads = list(table.find("thead/tr"))
        expect(all(h.tag == "th" and h.get("scope") == "col" and text_of(h) for h in heads), "a column has no head")
        for row in table.findall("tbody/tr"):
            expect(len(row) == len(heads), "a row of", len(row), "cells under", len(heads), "heads")
            expect(row[0].tag == "th" and row[0].get("scope") == "row", "a row has no head")


def check_shown(root):
    """Is what people read what the exact numbers say?"""
    for cell in root.iter("td"):
        unit = next((u for name, u in UNITS.items() if name in cell.get("data-label", "")), 1)
        for data in cell.iter("data"):
            shown = text_of(data).replace(",", "")
            digits = len(shown.partition(".")[2])
            expect(abs(float(shown) - float(data.get("value")) / unit) <= 0.5000001 * 10 ** -digits,
                   data.get("value"), "is shown as", text_of(data), cell.get("data-label"))


def check_scores(root, runs):
    rows = find(root, "table", "scores")[0].findall("tbody/tr")
    expect(len(rows) == len(runs), len(rows), "scores for", len(runs), "runs")
    for row, run in zip(rows, runs):
        where = f"{run['policy']}, {run['observe']}:"
        expect(text_of(row[0]) == run["policy"] and text_of(row[1]) == run["observe"], where, "not where it should be")
        for name in ("cost_ns", "opt_ns", "walk_ns", "merges", "splits", "fails"):
            expect(value(row, name) == run[name], where, name, value(row, name), run[name])
        if run["ratio"] is not None:
            expect(abs(value(row, "ratio") / run["ratio"] - 1) < 1e-7, where, "ratio")
    expect(len([row for row in rows if "asked" in classes(row)]) == 1, "not one run is marked as asked for")


def check_bars(root, drawn):
    svg = next(s for s in root.iter("svg") if s.get("id") == "costs")
    bars = find(svg, "g", "bar")
    expect([b.get("data-policy") for b in bars] == [r["policy"] for r in drawn] + ["optimum"], "bars:",
           [b.get("data-policy") for b in bars])
    scales, left = [], None
    for bar, run in zip(bars, drawn + [None]):
        parts = {name: 0 for name in PARTS}
        rects = find(bar, "rect", "part")
        at = float(rects[0].get("x")) if rects else 0
        left = at if left is None else left
        expect(not rects or at == left, bar.get("data-policy"), "does not begin at the axis")
        for rect in rects:
            name = next(c for c in classes(rect) if c in PARTS)
            parts[name] = int(rect.get("data-ns"))
            expect(abs(float(rect.get("x")) - at) < 0.03, bar.get("data-policy"), name, "is not stacked")
            at = float(rect.get("x")) + float(rect.get("width"))
            if not find(bar, "path", "cut"):
                scales.append((parts[name], float(rect.get("width"))))
        if run:
            for name, field in PARTS.items():
                expect(parts[name] == run[field], run["policy"], field, parts[name], run[field])
            expect(sum(parts.values()) == run["cost_ns"], run["policy"], "does not add up")
        else:
            expect(sum(parts.values()) == drawn[0]["opt_ns"], "the optimum does not add up")
    most = max(scales, default=(0, 0))
    for ns, width in scales:
        expect(abs(width - most[1] * ns / most[0]) < 0.03, "a part of", ns, "ns is", width, "wide")


def check_regrets(root, drawn):
    rows = find(root, "table", "regrets")[0].findall("tbody/tr")
    expect([text_of(r[0]) for r in rows] == [r["policy"] for r in drawn], "regrets of the wrong runs")
    for row, run in zip(rows, drawn):
        parts = [value(row, name) for name in ("wasted_ns", "late_ns", "missed_ns", "fail_ns")]
        expect(sum(parts) == value(row, "regret_ns") == run["cost_ns"] - run["opt_ns"], run["policy"], "regret", parts)
        expect(min(parts) >= 0, run["policy"], "has a regret below 0")


def check_coverage(root, drawn):
    svg = next(s for s in root.iter("svg") if s.get("id") == "coverage")
    width, height = (float(n) for n in svg.get("viewBox").split()[2:])
    curves = [p for p in find(svg, "path", "curve") if p.find("title") is not None]
    names = sorted(text_of(p.find("title")).split(",")[0] for p in curves)
    expect(names == sorted([r["policy"] for r in drawn] + ["optimum"]), "curves:", names)
    for curve in curves:
        points = re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", curve.get("d"))
        expect(len(points) <= POINTS_MAX, "a curve of", len(points), "points")
        expect(all(0 <= float(x) <= width and 0 <= float(y) <= height for x, y in points), "a curve leaves its picture")
        xs = [float(x) for x, _ in points]
        expect(xs == sorted(xs), "a curve goes back in time")


def check_intervals(root, runs):
    svg = next(s for s in root.iter("svg") if s.get("id") == "intervals")
    total = sum(int(r.get("data-count")) for r in svg.iter("rect") if r.get("data-count"))
    expect(total == runs[0]["intervals"], total, "intervals drawn of", runs[0]["intervals"])


def check_worst(root):
    rows = [r for t in find(root, "table", "worst") for r in t.findall("tbody/tr")]
    regrets = []
    for row in rows:
        cells = {re.sub(r" \(.*", "", c.get("data-label", "")): c for c in row}
        cost, opt = (float(cells[name].find("data").get("value")) for name in ("cost", "optimum"))
        regrets.append(cost - opt)
        expect(len(find(row, "svg")) == 1, "a region without a time line")
        expect(list(cells["causes"].iter("li")), "a region without a cause")
        if text_of(cells["ratio"]) != "–":
            expect(abs(float(text_of(cells["ratio"])) - cost / opt) < 0.0051 + 2 / opt, "ratio of a region")
    expect(len(rows) <= WORST_MAX, len(rows), "worst regions")
    expect(all(a >= b - 1 for a, b in zip(regrets, regrets[1:])), "the worst regions are not in order", regrets)


def main(page, output):
    text = open(page, encoding="utf-8").read()
    result = json.load(open(output, encoding="utf-8"))
    try:
        root = ElementTree.fromstring(text.replace("<!DOCTYPE html>\n", "", 1))
    except ElementTree.ParseError as error:
        print("not well-formed:", error)
        return 1
    runs = result.get("runs") or [result]
    drawn = [r for r in runs if r["observe"] == result["observe"]]
    expect(len(text.encode()) <= SIZE_MAX, len(text), "bytes")
    expect(text.startswith("<!DOCTYPE html>\n"), "no doctype")
    check_syntax(text, root)
    check_self_contained(root)
    check_accessible(root)
    check_shown(root)
    if result.get("runs"):
        check_scores(root, runs)
        check_bars(root, drawn)
        check_regrets(root, drawn)
        check_coverage(root, drawn)
    check_intervals(root, runs)
    check_worst(root)
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
