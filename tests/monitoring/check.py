#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What docs/monitoring.md offers, under a real Prometheus: it scrapes three daemons on simulated hosts, one of them by TLS.
Prints TAP.

check.py [BUILD_DIR [OUT_DIR]]    programs of BUILD_DIR, build/normal; logs and pictures to OUT_DIR, build/monitoring
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request

from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tests/report"))
import browser  # noqa: E402
import hosts  # noqa: E402
from hosts import wait  # noqa: E402
from tap import result  # noqa: E402

ETC = ROOT / "etc"
RULES = ETC / "prometheus/tdx-lpage.rules.yaml"
DASHBOARD = ETC / "grafana/tdx-lpage.json"
CONSOLE = "consoles/tdx-lpage.html?unit=s"
WIDTH = 1280
TYPES = {"text/plain": "text/plain; version=0.0.4", "application/openmetrics-text": "application/openmetrics-text; version=1.0.0"}

def run(*command, **options):
    """Exit status 0? And what the command said."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)
    return done.returncode == 0, done.stdout.splitlines()


# ---- files ----

def blocks(kind):
    """The blocks of a kind in docs/monitoring.md."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", (ROOT / "docs/monitoring.md").read_text(), re.S | re.M)


def check_files(promtool, directory):
    good, said = run(promtool, "check", "rules", RULES)
    result(good, "promtool finds the rules correct", *said)
    good, said = run(promtool, "test", "rules", HERE / "rules.test.yaml")
    result(good, "the alerts fire when they should, and only then", *said)
    jobs = [block for block in blocks("yaml") if "scrape_configs:" in block]
    problems = []
    for i, block in enumerate(jobs):
        path = directory / f"job-{i}.yml"
        path.write_text(block)
        good, said = run(promtool, "check", "config", "--syntax-only", path)
        problems += [] if good else said
    result(len(jobs) == 2 and not problems, "promtool finds the scrape jobs of the documentation correct", *problems)


def check_dashboard():
    """Grafana is not at hand: what it would stumble over."""
    dashboard = json.loads(DASHBOARD.read_text())
    panels = dashboard["panels"]
    problems = []
    cells = {}
    for panel in panels:
        grid = panel["gridPos"]
        for cell in ((x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])):
            if cell in cells or cell[0] >= 24:
                problems.append(f"{panel['title']} covers {cells.get(cell, 'the edge')}")
            cells[cell] = panel["title"]
        refs = [target["refId"] for target in panel["targets"]]
        if not refs or len(set(refs)) != len(refs) or not panel["description"]:
            problems.append(f"{panel['title']}: targets {refs}, description {panel['description']!r}")
    if len({panel["id"] for panel in panels}) != len(panels):
        problems.append("ids are used twice")
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    unknown = set(re.findall(r"\$\{?(\w+)", DASHBOARD.read_text())) - variables - {"__rate_interval"}
    result(not problems and not unknown, "the dashboard is well-formed", *problems, f"unknown variables: {unknown}")


# ---- formats ----

def fetch_metrics(host, accept):
    request = urllib.request.Request(host.url, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=10) as reply:
        return reply.headers["Content-Type"], reply.read().decode()


def check_formats(promtool, host):
    texts = {}
    for accept, want in TYPES.items():
        got, texts[accept] = fetch_metrics(host, accept)
        result(got == want + "; charset=utf-8", f"Accept: {accept} gets that", got)
    good, said = run(promtool, "check", "metrics", input=texts["text/plain"])
    result(good and not said, "promtool has no complaint about the text format", *said)
    names = [{line.split(" ")[0] for line in text.splitlines() if line[0] != "#"} for text in texts.values()]
    result(names[0] == names[1], "both formats have the same samples", names[0] ^ names[1])


# ---- queries ----

def metric_names():
    """The metrics of the documentation, as samples are called."""
    return re.findall(r"^\| `(tdx_lpage_\w+)` \|", (ROOT / "docs/metrics.md").read_text(), re.M)


def dashboard_queries():
    text = [target["expr"] for panel in json.loads(DASHBOARD.read_text())["panels"] for target in panel["targets"]]
    return [query.replace("$__rate_interval", "1m").replace("$instance", ".*") for query in text]


def missing(prometheus, queries):
    return [query for query in queries if not prometheus.query(query)]


def check_scrapes(prometheus, all_hosts):
    def healthy():
        targets = prometheus.get("targets")["activeTargets"]
        return len(targets) == len(all_hosts) and all(target["health"] == "up" for target in targets)

    wait(healthy, "targets that are up", lambda: prometheus.get("targets")["activeTargets"])
    types = {target["type"] for target in prometheus.get("targets/metadata?metric=tdx_lpage_build")}
    result(types == {"info"}, "Prometheus scrapes all daemons, as OpenMetrics, and one of them by TLS", types)


def check_data(prometheus):
    names = metric_names()
    wait(lambda: not missing(prometheus, names), "every metric", lambda: missing(prometheus, names))
    result(len(names) > 40, f"all {len(names)} metrics of the documentation are in Prometheus", len(names))
    queries = dashboard_queries()
    wait(lambda: not missing(prometheus, queries), "data for the dashboard", lambda: missing(prometheus, queries))
    result(len(queries) > 25, f"all {len(queries)} queries of the dashboard return data", len(queries))


# ---- the console ----

class Console:
    """Which of the queries that the page makes have ever returned data? They are told apart without their numbers and labels."""

    def __init__(self, prometheus):
        self.prometheus, self.read, self.seen, self.full = prometheus, 0, set(), set()
        self.last = ""

    def look(self):
        with urllib.request.urlopen(f"{self.prometheus.url}/{CONSOLE}", timeout=30) as reply:
            self.last = reply.read().decode()
        with open(self.prometheus.query_log, encoding="utf-8") as log:
            log.seek(self.read)
            lines = log.readlines()
            self.read = log.tell()
        for entry in map(json.loads, lines):
            if not entry.get("httpRequest", {}).get("path", "").startswith("/consoles/"):
                continue
            query = entry["params"]["query"]
            shape = re.sub(r"(job|instance|vm)=\"[^\"]*\"|offset \w+", "", query)
            self.seen.add(shape)
            if shape not in self.full and self.prometheus.query(query, entry["params"]["end"]):
                self.full.add(shape)
        return self.last

    def empty(self):
        return self.seen - self.full


def check_console(prometheus, console, all_hosts, out):
    """Draws it as it is when nothing is wrong, and looks for what every host and guest should have."""
    wait(lambda: "–" not in console.look(), "a page without gaps", lambda: console.last)
    text = console.last
    result(text.rstrip().endswith("</html>"), "the console is drawn to its end", text[-200:])
    guests = re.findall(r'<td class="name">(\d+) ([\w-]+)</td>', text)
    absent = [host.target for host in all_hosts if host.target not in text]
    result(not absent and len(guests) > len(all_hosts), "it shows every host, and guests by name", absent, guests)
    # layout.js looks at frames of pages that were saved; Prometheus' own address is drawn below.
    page = out / "console.html"
    page.write_text(text.replace('<meta http-equiv="refresh" content="30">', ""))
    frames = out / "frames.html"
    frames.write_text(browser.framed(page.read_text(), [WIDTH]))
    for scheme in browser.SCHEMES:
        layout = browser.layouts(frames.as_uri(), WIDTH, scheme)[WIDTH]
        result(not layout["problems"] and layout["lines"] > 100, f"its text fits and can be read, {scheme}", *layout["problems"])
        shot = out / f"console-{scheme}.png"
        browser.browse(f"{prometheus.url}/{CONSOLE}", WIDTH, layout["height"], scheme, f"--screenshot={shot}")
        check_picture(shot, scheme, layout)
    frames.unlink()


def check_picture(shot, scheme, layout):
    """Bars of both colours have to be there: of the chart, and of the coverage."""
    image = Image.open(shot).convert("RGB")
    colours = {colour: count for count, colour in image.getcolors(maxcolors=1 << 20)}
    page = image.getpixel((2, 2))
    bars = {"light": [(0x2f, 0x6f, 0xb3), (0xb5, 0x57, 0x0f)], "dark": [(0x6a, 0xa5, 0xe6), (0xe0, 0x9a, 0x5a)]}[scheme]
    counts = [colours.get(bar, 0) for bar in bars]
    dark = sum(page) < 384
    result(image.size[0] == WIDTH and dark == (scheme == "dark") and min(counts) > 500,
           f"Chromium draws it, {scheme}: {shot.name}", image.size, page, counts, layout["height"])


# ---- alerts ----

def firing(prometheus, alert, host=None):
    where = f',instance="{host.target}"' if host else ""
    return bool(prometheus.query(f'ALERTS{{alertname="{alert}",alertstate="firing"{where}}}'))


def check_alert(prometheus, console, alert, why, host=None):
    wait(lambda: firing(prometheus, alert, host), alert, lambda: prometheus.get("alerts"))
    console.look()
    result(not host or alert in console.last, f"{alert} fires, and the console shows it: {why}", console.last[:2000])


def check_rules(prometheus):
    rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    wait(lambda: all(rule["health"] == "ok" for group in prometheus.get("rules")["groups"] for rule in group["rules"]),
         "evaluated rules", lambda: rules)
    result(len(rules) > 6, f"Prometheus evaluates all {len(rules)} alerts", len(rules))


def check_alerts(prometheus, console, good, lossy, idle):
    check_rules(prometheus)
    for alert, host, why in (("TdxLpageEventsLost", lossy, "a host that loses events"),
                             ("TdxLpageStallGuard", lossy, "a host whose batches stall"),
                             ("TdxLpageCoverageLow", idle, "a host in dry-run")):
        check_alert(prometheus, console, alert, why, host)
    quiet = [alert for alert in ("TdxLpageDown", "TdxLpageAbsent", "TdxLpageDegraded", "TdxLpageConfigRefused", "TdxLpagePaused",
                                 "TdxLpageRetainedMemory", "TdxLpageNotWorthIt") if firing(prometheus, alert)]
    healthy = prometheus.query(f'ALERTS{{alertstate="firing",instance="{good.target}"}}')
    result(not quiet and not healthy, "nothing else fires, and nothing on the healthy host", quiet, healthy)
    idle.pause()
    check_alert(prometheus, console, "TdxLpagePaused", "a host that is paused", idle)
    good.break_config()
    check_alert(prometheus, console, "TdxLpageConfigRefused", "a configuration with an error was loaded", good)
    if lossy.restart_on_this_machine():
        check_alert(prometheus, console, "TdxLpageDegraded", "no kvm-lpage on this machine", lossy)
    else:
        result(True, "TdxLpageDegraded # SKIP this machine has kvm-lpage")
    good.kill()
    check_alert(prometheus, console, "TdxLpageDown", "a daemon was killed", good)
    result(not console.empty(), f"each of the {len(console.seen)} queries of the console has returned data", *console.empty())
    idle.kill()
    lossy.kill()
    check_alert(prometheus, console, "TdxLpageAbsent", "all were killed")


def main(build=None, out=None):
    top = pathlib.Path(os.environ.get("TDX_LPAGE_BUILD", "build/san")).parent
    build, out = pathlib.Path(build or top / "normal").resolve(), pathlib.Path(out or top / "monitoring").resolve()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    store = pathlib.Path(subprocess.run([HERE / "fetch"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip())
    promtool = store / "usr/bin/promtool"
    print("1..28")
    with tempfile.TemporaryDirectory(prefix="monitoring.") as directory, hosts.Processes() as processes:
        directory = pathlib.Path(directory)
        check_files(promtool, directory)
        check_dashboard()
        world = hosts.World(processes, build, store, directory, out)
        good, lossy, idle = world.start(blocks("ini")[0])
        check_formats(promtool, good)
        prometheus = world.prometheus(RULES, ETC / "prometheus/consoles", [good, lossy, idle])
        check_scrapes(prometheus, [good, lossy, idle])
        check_data(prometheus)
        console = Console(prometheus)
        check_console(prometheus, console, [good, lossy, idle], out)
        check_alerts(prometheus, console, good, lossy, idle)


if __name__ == "__main__":
    main(*sys.argv[1:])
