# SPDX-License-Identifier: GPL-2.0-or-later
"""Simulated hosts with a daemon each, a TLS proxy, and the Prometheus that scrapes them; all on loopback."""
import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

LIMIT_S = 90  # for a condition that has to come true


def wait(condition, what, why=lambda: ""):
    """Until it holds; not for ever."""
    end = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"no {what} after {LIMIT_S} s: {str(why())[:4000]}")
        time.sleep(0.2)


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Processes:
    """All that were started, and end with the test."""

    def __init__(self):
        self.all = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.all):
            process.terminate()
        for process in self.all:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()

    def start(self, log, *command, **environment):
        with open(log, "a", encoding="utf-8") as output:
            self.all.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                             env={**os.environ, **environment}))
        return self.all[-1]


class Host:
    """A daemon on a simulated host."""

    def __init__(self, world, name, link, *options):
        self.world, self.name, self.options = world, name, options
        self.port = free_port()
        self.target = f"127.0.0.1:{self.port}"  # what Prometheus calls it
        self.url = f"http://127.0.0.1:{self.port}/metrics"
        self.config = world.directory / f"{name}.yaml"
        self.config.write_text(f"version: 1\nglobal: {{metrics: '127.0.0.1:{self.port}', metrics-names: true}}\n")
        self.start(f"sim:{link}")

    def start(self, link, *options):
        self.process = self.world.processes.start(
            self.world.out / f"{self.name}.log", self.world.build / "tdx-lpaged", f"--link={link}", "--config", self.config,
            "--runtime-dir", self.world.directory / self.name, *self.options, *options,
            # In place of /run/tdx-lpage, where the host's only daemon has its lock.
            TDX_LPAGE_RUNTIME_DIR=str(self.world.directory / "host"))
        wait(lambda: answers(self.url), f"answer of {self.name}", lambda: f"exit status {self.process.poll()}")

    def restart_on_this_machine(self):
        """False: it has kvm-lpage, where the daemon is to touch nothing."""
        self.process.terminate()
        self.process.wait(20)
        self.start("netlink", "--dry-run")
        with urllib.request.urlopen(self.url, timeout=10) as reply:
            return "tdx_lpage_degraded 1\n" in reply.read().decode()

    def kill(self):
        self.process.kill()
        self.process.wait(20)

    def pause(self):
        control = self.world.directory / self.name / "control"
        subprocess.run([self.world.build / "tdx-lpctl", "--socket", control, "pause"], check=True, stdout=subprocess.DEVNULL)

    def break_config(self):
        self.config.write_text("version: 1\nglobal: {metrics: everywhere}\n")
        self.process.send_signal(signal.SIGHUP)


class Prometheus:
    def __init__(self, url, query_log):
        self.url, self.query_log = url, query_log

    def get(self, path):
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}", timeout=30) as reply:
            return json.load(reply)["data"]

    def query(self, query, when=None):
        """The samples of an instant vector that are numbers."""
        options = {"query": query, **({"time": when} if when else {})}
        samples = self.get(f"query?{urllib.parse.urlencode(options)}")["result"]
        return [sample for sample in samples if sample["value"][1] != "NaN"]


class World:
    def __init__(self, processes, build, store, directory, out):
        self.processes, self.build, self.store, self.directory, self.out = processes, build, store, directory, out

    def generate(self, name, *kind):
        trace = self.directory / f"{name}.lptrace"
        with open(trace, "w", encoding="utf-8") as output:
            subprocess.run([self.build / "tests/traces/generate", *kind], check=True, stdout=output)
        return trace

    def split_trace(self):
        """Two guests, most of whose regions lose their 2 MiB mapping in the first second."""
        lines = ["lptrace 1", "cost merge_ns=30000 split_ns=45000 fail_ns=12000"]
        lines += [f"vm {vm} name=idle-{vm} regions=512 walk_ns_per_s=12000" for vm in (1, 2)]
        lines += [f"{1000000000 + 1000 * rfn + 300 * step + vm} {op} {vm} {rfn * 512 + 7} 1"
                  for rfn in range(400) for step, op in enumerate("SPA") for vm in (1, 2)]
        trace = self.directory / "idle.lptrace"
        trace.write_text("\n".join([*lines, "end 100000000000000", ""]))
        return trace

    def start(self, stunnel_config):
        """A healthy host; one that loses events and stalls, and is reached by TLS; one that merges nothing."""
        good = Host(self, "good", f"{self.generate('good', 'web', '3')},speed=2,busy=20")
        lossy = Host(self, "lossy", f"{self.generate('lossy', 'plain-web', '4', '0.5')},speed=2,lose=20,stall=5000")
        idle = Host(self, "idle", self.split_trace(), "--dry-run")
        self.add_proxy(lossy, stunnel_config)
        return good, lossy, idle

    # ---- TLS ----

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, cwd=self.directory, capture_output=True)

    def make_certificates(self):
        """Two authorities, and a certificate of each: the host's and Prometheus' own."""
        for authority, name in (("hosts-ca", "host"), ("monitoring-ca", "prometheus")):
            self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{authority}.key", "-out", f"{authority}.pem",
                         "-days", "2", "-subj", f"/CN={authority}")
            self.openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
                         "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1")
            self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key",
                         "-days", "2", "-copy_extensions", "copy", "-out", f"{name}.pem")

    def add_proxy(self, host, config):
        """Runs the documented configuration of stunnel, with other ports and folders."""
        self.make_certificates()
        port = free_port()
        config = config.replace("/etc/stunnel/", f"{self.directory}/").replace("127.0.0.1:9477", host.target)
        config = config.replace("accept = 9478", f"accept = 127.0.0.1:{port}")
        path = self.directory / "stunnel.conf"
        path.write_text(f"foreground = yes\npid =\n{config}")
        libraries = ":".join(str(p) for p in self.store.glob("usr/lib/*-linux-gnu*"))
        self.processes.start(self.out / "stunnel.log", self.store / "usr/bin/stunnel4", path, LD_LIBRARY_PATH=libraries)
        host.target = f"127.0.0.1:{port}"

    # ---- Prometheus ----

    def prometheus(self, rules, consoles, hosts):
        """By `http`, but the second host by TLS; with rules that do not wait."""
        quick = self.directory / "rules.yaml"
        quick.write_text(re.sub(r"\bfor: \w+$", "for: 1s", rules.read_text(), flags=re.M))
        query_log = self.out / "queries.log"
        config = self.directory / "prometheus.yml"
        plain = ", ".join(f"'{host.target}'" for host in (hosts[0], *hosts[2:]))
        config.write_text(f"""
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s, query_log_file: {query_log}}}
rule_files: [{quick}]
scrape_configs:
  - job_name: tdx-lpage
    static_configs: [{{targets: [{plain}]}}]
  - job_name: tls
    scheme: https
    tls_config: {{ca_file: hosts-ca.pem, cert_file: prometheus.pem, key_file: prometheus.key}}
    relabel_configs: [{{target_label: job, replacement: tdx-lpage}}]
    static_configs: [{{targets: ['{hosts[1].target}']}}]
""")
        port = free_port()
        self.processes.start(self.out / "prometheus.log", self.store / "usr/bin/prometheus", f"--config.file={config}",
                             f"--storage.tsdb.path={self.directory / 'data'}", f"--web.listen-address=127.0.0.1:{port}",
                             f"--web.console.templates={consoles}", f"--web.console.libraries={self.directory}")
        url = f"http://127.0.0.1:{port}"
        wait(lambda: answers(f"{url}/-/ready"), "Prometheus", lambda: (self.out / "prometheus.log").read_text()[-2000:])
        return Prometheus(url, query_log)
