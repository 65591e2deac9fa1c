#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes a table of what gcov kernels counted.

coverage.py IMAGE COUNTS OUTPUT
  IMAGE   folder of the gcov kernel: gcno.tar, and series.diff with the lines that the series adds
  COUNTS  folder with a folder for each world, and in that an archive for each boot
  OUTPUT  JSON
"""
import glob
import gzip
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile

WORLDS = ("kunit", "direct", "td")
TREE = re.compile(r".*/out-gcov/(.*)")


def added_lines(diff):
    """Returns {file: set of lines} of a diff without context."""
    added, file = {}, None
    for line in diff:
        if line.startswith("+++ "):
            file = line[6:].rstrip("\n")
        elif line.startswith("@@ "):
            start, count = re.match(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@", line).groups()
            added.setdefault(file, set()).update(range(int(start), int(start) + int(count or 1)))
    return added


def unpack_counts(archive, folder):
    """Puts the .gcda files of a boot where their .gcno files are; returns their paths."""
    found = []
    with tarfile.open(archive) as tar:
        for member in tar:
            path = TREE.match(member.name)
            if path and member.name.endswith(".gcda"):
                # Objects of virt/kvm are named from arch/x86/kvm.
                path = os.path.normpath(os.path.join(folder, path.group(1)))
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as out:
                    out.write(tar.extractfile(member).read())
                found.append(path)
    if not found:
        sys.exit(f"{archive}: holds no counts: did the guest reach its end?")
    return found


def read_gcov(paths):
    """Runs gcov on .gcda files; yields its description of each source file."""
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            subprocess.run(["gcov", "--json-format", path], cwd=folder, check=True, capture_output=True)
            for name in os.listdir(folder):
                with gzip.open(os.path.join(folder, name)) as file:
                    yield from json.load(file)["files"]
                os.unlink(os.path.join(folder, name))


def source_name(file):
    """The name from the top of the kernel tree; gcov's is from the folder of the build, a child of it."""
    return os.path.normpath(file).removeprefix("../")


class Counts:
    """Lines and functions of the series, and the worlds that executed them."""

    def __init__(self, added):
        self.added = added
        self.lines = {}  # (file, line): set of worlds
        self.functions = {}  # (file, name): [first line, set of worlds]

    def add(self, world, source):
        file = source_name(source["file"])
        lines = self.added.get(file)
        if lines is None:
            return
        for line in source["lines"]:
            if line["line_number"] in lines:
                worlds = self.lines.setdefault((file, line["line_number"]), set())
                if line["count"]:
                    worlds.add(world)
        executed = {line["line_number"] for line in source["lines"] if line["count"]}
        for function in source["functions"]:
            body = range(function["start_line"], function["end_line"] + 1)
            # A function that the series wrote or changed.
            if lines.isdisjoint(body):
                continue
            name = re.sub(r"\.(constprop|isra|part|cold)\..*", "", function["name"])
            entry = self.functions.setdefault((file, name), [function["start_line"], set()])
            # The counter of one that was inlined stands still, its lines do not.
            if not executed.isdisjoint(body):
                entry[1].add(world)


def table(counts):
    """Returns the rows of the table: file, lines, lines by world, by any world."""
    rows = []
    for file in sorted({file for file, _ in counts.lines}) + [None]:
        worlds = [w for (f, _), w in counts.lines.items() if file in (None, f)]
        rows.append({"file": file or "all", "lines": len(worlds),
                     **{world: sum(world in w for w in worlds) for world in WORLDS},
                     "any": sum(bool(w) for w in worlds)})
    return rows


def show(rows, idle):
    """Prints both for people."""
    width = max(len(row["file"]) for row in rows)
    print(f"{'lines added by the series':{width}} {'lines':>6}" + "".join(f" {w:>7}" for w in (*WORLDS, "any")))
    for row in rows:
        shares = "".join(f" {100 * row[w] / row['lines']:6.1f}%" for w in (*WORLDS, "any"))
        print(f"{row['file']:{width}} {row['lines']:6}{shares}")
    print(f"\nfunctions of the series that nothing executed: {len(idle)}")
    for one in idle:
        print(f"  {one['file']}:{one['line']} {one['function']}()")


def main():
    image, folder, output = sys.argv[1:]
    with open(os.path.join(image, "series.diff"), encoding="utf-8") as diff:
        counts = Counts(added_lines(diff))
    with tempfile.TemporaryDirectory() as objects:
        with tarfile.open(os.path.join(image, "gcno.tar")) as tar:
            tar.extractall(objects)
        for world in WORLDS:
            for archive in sorted(glob.glob(os.path.join(folder, world, "*.tar"))):
                paths = unpack_counts(archive, objects)
                for source in read_gcov(paths):
                    counts.add(world, source)
                for path in paths:
                    os.unlink(path)
    idle = [{"file": file, "line": line, "function": name}
            for (file, name), (line, worlds) in sorted(counts.functions.items()) if not worlds]
    rows = table(counts)
    with open(output, "w", encoding="utf-8") as out:
        json.dump({"files": rows, "never_executed": idle}, out, indent=2)
        out.write("\n")
    show(rows, idle)


main()
