#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Draws reports in headless Chromium and looks at them: does text fit, is everything there? Prints TAP.

draw.py [BUILD_DIR [OUT_DIR]]    programs of BUILD_DIR, build/normal; pages and pictures to OUT_DIR, build/report
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

from PIL import Image

sys.dont_write_bytecode = True
import browser  # noqa: E402
from tap import result  # noqa: E402

WIDTHS = (1280, 420)
HEIGHT_MAX = 16000
NEAR = 24  # by which a channel of a colour may differ
PIXELS = 4  # of each colour, at least
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*/>')

# What is drawn: kind, seed and scale of the trace, options of the run, colours of the page.
PAGES = {
    "fleet": (("fleet", "5", "0.05"), ["--compare"], ["light", "dark"]),
    "boot": (("boot", "3", "0.1"), ["--policy", "threshold", "--observe", "100ms"], ["dark"]),
    "names": (("slow", "8", "0.02"), ["--policy", "eager"], ["light"]),
}
LONG_NAME = "W" * 63

def make_page(ctl, generate, name, out):
    kind, options, _ = PAGES[name]
    trace = out / f"{name}.lptrace"
    text = subprocess.run([generate, *kind], check=True, capture_output=True, text=True).stdout
    if name == "names":
        text = re.sub(r" name=\S+", f" name={LONG_NAME}", text)
    trace.write_text(text)
    page = out / f"{name}.html"
    subprocess.run([ctl, "simulate", "--trace", trace, "--report", page, *options], check=True, capture_output=True)
    trace.unlink()
    return page


def make_frames(page):
    """The page in every width, each with the script that looks at it."""
    text = page.read_text()
    if len(POLICY.findall(text)) != 1:
        raise ValueError("no content policy that would have to be taken out")
    ret = page.with_suffix(".frames.html")
    ret.write_text(browser.framed(POLICY.sub("", text), WIDTHS))
    return ret


def rgb(text):
    return tuple(int(n) for n in re.findall(r"\d+", text)[:3])


def shows(pixel, colour, page):
    """Is this the colour, or the smooth edge of something thin that has it? Then it lies between colour and page."""
    if len(colour) < 3:
        return False  # "none"
    ink = [c - p for c, p in zip(colour, page)]
    seen = [c - p for c, p in zip(pixel, page)]
    size = sum(c * c for c in ink)
    part = min(1, sum(a * b for a, b in zip(ink, seen)) / size) if size else 1
    return part >= 0.5 and all(abs(s - part * i) <= NEAR for s, i in zip(seen, ink))


def look_at_picture(image, picture, page_colour):
    """Which of the colours of a picture cannot be seen?"""
    box, page = [round(n) for n in picture["box"]], rgb(page_colour)
    counts = image.crop(box).getcolors(maxcolors=1 << 16) or []
    ret = [f"{picture['id']}: {colour} is not there" for colour in picture["colours"] + [page_colour]
           if sum(count for count, pixel in counts if shows(pixel, rgb(colour), page)) < PIXELS]
    ret += [f"{picture['id']}: no bar of {bar['colour']} at {bar['x']}, {bar['y']}" for bar in picture["bars"]
            if not shows(image.getpixel((int(bar["x"]), int(bar["y"]))), rgb(bar["colour"]), page)]
    drawn = sum(count for count, pixel in counts if not shows(pixel, page, page))
    if drawn < 0.01 * (box[2] - box[0]) * (box[3] - box[1]) or len(counts) < 4:
        ret.append(f"{picture['id']}: nearly nothing is drawn, {drawn} pixels, {len(counts)} colours")
    return ret


def check_layout(name, layout, width, scheme):
    result(layout["width"] == width and layout["dark"] == (scheme == "dark"), f"{name}: drawn as asked",
           json.dumps(layout)[:200])
    result(not layout["problems"] and layout["lines"] > 100, f"{name}: text fits, is apart, and can be read",
           *layout["problems"][:20])
    ids = {picture["id"] for picture in layout["pictures"]}
    result({"coverage", "costs", "intervals", "time-1"} <= ids, f"{name}: all pictures", ids)


def check_image(name, layout, image):
    result(image.size == (layout["width"], layout["height"]), f"{name}: the whole page", image.size, layout["height"])
    missing = [line for p in layout["pictures"] for line in look_at_picture(image, p, layout["page"])]
    result(not missing, f"{name}: every picture shows its colours", *missing[:20])


def check(page, scheme, out):
    frames = make_frames(page)
    window = sum(WIDTHS)
    layouts = browser.layouts(frames.as_uri(), window, scheme)
    result(set(layouts) == set(WIDTHS), f"{page.stem}, {scheme}: the browser looked at every width", sorted(layouts))
    height = max((layout["height"] for layout in layouts.values()), default=1000)
    shot = page.with_suffix(".png")
    browser.browse(frames.as_uri(), window, min(height, HEIGHT_MAX), scheme, f"--screenshot={shot}")
    image, left = Image.open(shot).convert("RGB"), 0
    for width in WIDTHS:
        name = f"{page.stem}-{width}-{scheme}"
        if width in layouts:
            check_layout(name, layouts[width], width, scheme)
            part = image.crop((left, 0, left + width, min(layouts[width]["height"], image.height)))
            part.save(out / f"{name}.png")
            check_image(name, layouts[width], part)
        left += width
    shot.unlink()
    frames.unlink()


def main(build=None, out=None):
    top = pathlib.Path(os.environ.get("TDX_LPAGE_BUILD", "build/san")).parent
    build, out = pathlib.Path(build or top / "normal"), pathlib.Path(out or top / "report").resolve()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    print(f"1..{sum(len(schemes) for _, _, schemes in PAGES.values()) * (1 + 5 * len(WIDTHS))}")
    for name, (_, _, schemes) in PAGES.items():
        page = make_page(build / "tdx-lpctl", build / "tests/traces/generate", name, out)
        for scheme in schemes:
            check(page, scheme, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
