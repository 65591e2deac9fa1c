#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon on a simulated fleet, 100 times as fast as real time, in use all along: does its memory grow?

daemon.py BUILD_DIR MINUTES OUT.json

Prints over time, and writes to OUT.json, the resident set and the least that was in use on the heap: that is when all
VMs are gone, as they are whenever the trace begins anew, and it has to return to what it was. The first ten minutes (or the
first half of a shorter run) are left aside; exit status 1 when from one half of the rest to the other the mean of the
resident set grew by more than SLACK_KIB, or the least in use by more than SLACK_USED_BYTES.
"""
import itertools
import json
import mmap
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from statistics import mean

SPEED = 100
SCALE = "0.05"  # of the trace: 10 VMs that come and go, in 2 % of a CPU
SETTLE_S = 600
SLACK_KIB = 128  # between two halves of a run; 0.5 MiB in an hour would be 200
SLACK_USED_BYTES = 2048  # all VMs come and go every five seconds, three hundred times in a half: seven bytes each time
ROWS = 20
INTERFACE = "org.tdxlpage.Control."
CONFIG = "version: 1\nglobal: {{metrics: \"127.0.0.1:{port}\", log-interval: {interval}}}\n{rest}"
BROKEN = "defaults: {quiet-time: perhaps}\n"
RULES = "rules:\n" + "".join(f"  - {{name: r{i}, match: {{vm-name: \"w{i}-*\"}}, quiet-time: {i + 1}s}}\n" for i in range(50))


class Client:
    """A connection to one of the sockets."""

    def __init__(self, run, name):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(str(run / name))
        self.buffer = b""

    def send(self, method, more=False, **parameters):
        call = {"method": INTERFACE + method, "parameters": parameters}
        self.socket.sendall(json.dumps(call | ({"more": True} if more else {})).encode() + b"\0")

    def receive(self):
        while b"\0" not in self.buffer:
            data = self.socket.recv(1 << 16)
            if not data:
                raise ConnectionError("the daemon closed the connection")
            self.buffer += data
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, **parameters):
        self.send(method, **parameters)
        return self.receive()

    def close(self):
        self.socket.close()


class Soak:
    def __init__(self, build, directory):
        self.build, self.directory = build, directory
        self.config, self.run, self.trace = directory / "config.yaml", directory / "run", directory / "trace"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        with open(self.trace, "w") as out:
            subprocess.run([build / "tests/traces/generate", "fleet", "1", SCALE], stdout=out, check=True)
        self.configure("")
        self.calls = 0
        self.turns = itertools.cycle([self.look, self.reload, self.scrape, self.pause, self.watch, self.record])

    def configure(self, rest, interval="60s"):
        new = self.directory / "config.new"
        new.write_text(CONFIG.format(port=self.port, interval=interval, rest=rest))
        os.replace(new, self.config)

    def start(self):
        link = f"--link=sim:{self.trace},speed={SPEED},loop"
        counts = self.directory / "counts"
        counts.write_bytes(bytes(16))
        with open(counts, "r+b") as file:
            self.counts = mmap.mmap(file.fileno(), 16)
        environment = os.environ | {"LD_PRELOAD": str(self.build / "tests/soak/heap.so"), "HEAP_COUNTS": str(counts)}
        with open(self.directory / "log", "w") as log:
            self.daemon = subprocess.Popen([self.build / "tdx-lpaged", "--config", self.config, "--runtime-dir", self.run, link],
                                           stderr=log, env=environment)
        while not (self.run / "control").exists():
            if self.daemon.poll() is not None:
                sys.exit((self.directory / "log").read_text())
            time.sleep(0.01)
        self.client = Client(self.run, "control")

    def call(self, method, **parameters):
        self.calls += 1
        return self.client.call(method, **parameters)

    # ---- what clients do ----

    def vms(self):
        return [vm["id"] for vm in self.call("ListVms")["parameters"]["vms"]]

    def look(self):
        self.call("Status", fresh=True)
        self.call("GetConfig", origins=True)
        for vm in self.vms()[:3]:
            for method in "ShowVm", "ListRegions", "ExplainVm":
                self.call(method, vm=str(vm))

    def reload(self):
        for rest, good in (RULES, True), (BROKEN, False), ("", True):
            self.configure(rest)
            if ("error" not in self.call("Reload")) != good:
                sys.exit("a reload was " + ("refused" if good else "accepted"))

    def scrape(self):
        urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=60).read()

    def pause(self):
        for vm in self.vms()[:2]:
            for method in "Pause", "Resume":
                self.call(method, vm=str(vm))
        for on in True, False:
            self.call("SetDryRun", on=on)

    def stream(self, method, replies):
        client = Client(self.run, "control")
        client.send(method, more=True)
        for _ in range(replies):
            client.receive()
        client.close()
        self.calls += 1

    def watch(self):
        self.stream("Watch", 3)

    def record(self):
        self.stream("Record", 20)

    # ---- what is measured ----

    def resident_kib(self):
        for line in (pathlib.Path("/proc") / str(self.daemon.pid) / "status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        sys.exit((self.directory / "log").read_text())

    def least_used(self):
        """Bytes, since it was asked last."""
        used, least = struct.unpack("qq", self.counts[:])
        self.counts[8:] = struct.pack("q", used)
        return least

    def measure(self, seconds):
        """(seconds, KiB, least bytes in use), about one a second."""
        begin, samples = time.monotonic(), []
        while not samples or samples[-1][0] < seconds:
            next(self.turns)()
            samples.append((time.monotonic() - begin, self.resident_kib(), self.least_used()))
            time.sleep(1)
        return samples

    def stop(self):
        self.client.close()
        self.daemon.terminate()
        return self.daemon.wait(60)


def rows(samples):
    """Lowest, mean and highest of each part of the run."""
    length = samples[-1][0] / ROWS
    for i in range(ROWS):
        part = [sample for sample in samples if i * length <= sample[0] < (i + 1) * length]
        if part:
            kib = [k for _, k, _ in part]
            yield {"until_s": round((i + 1) * length), "min_kib": min(kib), "mean_kib": round(mean(kib)), "max_kib": max(kib),
                   "least_used_bytes": min(used for _, _, used in part)}


def judge(samples, calls):
    """
    Compares the mean of the first half after SETTLE_S with that of the second. Not peaks: they grow with the number of
    samples. Not the last value: it depends on what the last client asked for.
    """
    settle_s = min(SETTLE_S, samples[-1][0] / 2)
    middle_s = (settle_s + samples[-1][0]) / 2
    first = [sample for sample in samples if settle_s <= sample[0] < middle_s]
    second = [sample for sample in samples if sample[0] >= middle_s]
    kib = [mean(k for _, k, _ in half) for half in (first, second)]
    used = [min(u for _, _, u in half) for half in (first, second)]
    return {"speed": SPEED, "seconds": round(samples[-1][0]), "calls": calls, "settle_s": round(settle_s),
            "mean_first_kib": round(kib[0]), "mean_second_kib": round(kib[1]), "least_used_first_bytes": used[0],
            "least_used_second_bytes": used[1],
            "flat": kib[1] <= kib[0] + SLACK_KIB and used[1] <= used[0] + SLACK_USED_BYTES, "rows": list(rows(samples))}


def print_table(result):
    print("   minutes  RSS min KiB  mean KiB   max KiB  least in use, bytes")
    for row in result["rows"]:
        print(f"{row['until_s'] / 60:10.1f}  {row['min_kib']:11}  {row['mean_kib']:8}  {row['max_kib']:8}  {row['least_used_bytes']:19}")
    print(f"{result['calls']} calls; after {result['settle_s'] / 60:.1f} minutes a mean of {result['mean_first_kib']} KiB, "
          f"then of {result['mean_second_kib']} KiB; at least {result['least_used_first_bytes']} bytes in use, then "
          f"{result['least_used_second_bytes']}: {'flat' if result['flat'] else 'NOT flat'}")


def main():
    build, minutes, out = pathlib.Path(sys.argv[1]).resolve(), float(sys.argv[2]), pathlib.Path(sys.argv[3])
    with tempfile.TemporaryDirectory() as directory:
        soak = Soak(build, pathlib.Path(directory))
        soak.start()
        try:
            samples = soak.measure(minutes * 60)
        finally:
            status = soak.stop()
    result = judge(samples, soak.calls)
    out.write_text(json.dumps(result, indent=1) + "\n")
    print_table(result)
    return 0 if result["flat"] and status == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
