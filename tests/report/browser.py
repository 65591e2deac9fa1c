# SPDX-License-Identifier: GPL-2.0-or-later
"""Headless Chromium: draws pages, and says with layout.js whether their text fits and can be read."""
import html
import json
import os
import pathlib
import re
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SCHEMES = ("light", "dark")
# A window cannot be as narrow as a telephone: pages are drawn in frames, side by side.
FRAMES = """<!DOCTYPE html><html lang="en"><meta charset="utf-8"/><title>frames</title>
<style>body{margin:0;display:flex;align-items:flex-start}iframe{border:0;flex:none;height:1000px}</style>
<body>%s</body></html>"""
COMMAND = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
           "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
           "--force-device-scale-factor=1"]


def browse(url, width, height, scheme, *options):
    """What the browser prints. Each time with a profile of its own, which nobody else uses."""
    with tempfile.TemporaryDirectory(prefix="browser.") as profile:
        command = [*COMMAND, f"--user-data-dir={profile}", f"--window-size={width},{height}",
                   f"--blink-settings=preferredColorScheme={SCHEMES[::-1].index(scheme)}", *options, url]
        return subprocess.run(command, check=True, timeout=60, capture_output=True, text=True,
                              env={**os.environ, "HOME": profile}).stdout


def framed(text, widths):
    """A page that shows the page @text in every width, each with the script that looks at it."""
    script = (HERE / "layout.js").read_text()
    text = html.escape(text.replace("</body>", f"<script>\n{script}</script>\n</body>"))
    return FRAMES % "".join(f'<iframe title="{width}" width="{width}" srcdoc="{text}"></iframe>' for width in widths)


def layouts(url, width, scheme):
    """What the script found on the page that framed() made, by width."""
    dom = browse(url, width, 1000, scheme, "--dump-dom")
    found = re.findall(r'<script type="application/json" class="layout">(.*?)</script>', dom, re.S)
    return {layout["width"]: layout for layout in map(json.loads, found)}
