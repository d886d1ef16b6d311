#!/usr/bin/env python3
"""How long the second of two commands takes to its first byte, beside curl over HTTPS.

Usage: first_byte.py [OUT [RUNS]]      OUT: results/engine/first-byte; RUNS: 40, at most 249

FAIRHAUL names the program [target/release/fairhaul]. A file of 64 KiB is sent on loopback by
`fairhaul send`, and served over HTTPS (TLS 1.3) by Python's own server. `fairhaul get LINE -` and
`curl` fetch it by turns, RUNS times each, after one of each that is not counted. Each `get` is
another receiver, with a home in which it makes its identity: one and the same may come once a
second, after five at once. Timed from before the process is made to the first byte of its standard
output. `get` prints nothing that it has not verified to its end, so for it this is the last byte as
well. Written are runs.csv, a row a fetch; summary.csv with medians and quartiles, and how many
times curl's median each is; and manifest.toml.
"""

import csv
import http.server
import os
import pathlib
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SIZE = 64 << 10


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files, and keeps no log."""

    def log_message(self, *_):
        pass


def serve(folder):
    """An HTTPS server for `folder`; its port."""
    key, certificate = folder / "key.pem", folder / "cert.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=localhost"]
    made += ["-keyout", str(key), "-out", str(certificate), "-days", "2"]
    subprocess.run(made, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate, key)
    handler = lambda *a: Quiet(*a, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def first_byte(command, environment):
    """Milliseconds to the first byte of what `command` prints."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    got = len(process.stdout.read(1))
    first = time.perf_counter()
    got += len(process.stdout.read())
    if process.wait() != 0 or got != SIZE:
        sys.exit(f"{command[0]}: {got} of {SIZE} bytes, code {process.returncode}")
    return 1000 * (first - begun)


def main():
    program = os.path.abspath(os.environ.get("FAIRHAUL", ROOT / "target/release/fairhaul"))
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "results/engine/first-byte")
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 40
    load = pathlib.Path("/proc/loadavg").read_text(encoding="utf-8").split()[:3]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        file = folder / "file"
        file.write_bytes(os.urandom(SIZE))
        environment = dict(os.environ, XDG_DATA_HOME=str(folder / "home"), HOME=name)
        send = [program, "send", str(file), "--address", "127.0.0.1", "--keep", "1 h"]
        send += ["--for", str(runs + 1)]
        sender = subprocess.Popen(
            send, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        line = sender.stdout.readline().split()[-1]
        url = f"https://127.0.0.1:{serve(folder)}/file"
        get, curl = [program, "get", line, "-"], ["curl", "--silent", "--insecure", url]
        rows = []
        for run in range(runs + 1):
            for name, command in (("fairhaul", get), ("curl", curl)):
                home = str(folder / f"home-{run}")
                took = first_byte(command, dict(environment, XDG_DATA_HOME=home))
                rows.append((run, name, took))
        sender.terminate()
        sender.wait()
    write(out, [row for row in rows if row[0] > 0], " ".join(load))


def write(out, rows, load):
    """The tables, and how they were made."""
    out.mkdir(parents=True, exist_ok=True)
    with open(out / "runs.csv", "w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table)
        writer.writerow(["run", "program", "first_byte_ms"])
        writer.writerows((run, name, f"{took:.3f}") for run, name, took in rows)
    of = {name: [took for _, other, took in rows if other == name] for _, name, _ in rows[:2]}
    median = {name: statistics.median(times) for name, times in of.items()}
    with open(out / "summary.csv", "w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table)
        writer.writerow(["program", "runs", "median_ms", "q1_ms", "q3_ms", "median_over_curl"])
        for name, times in of.items():
            low, _, high = statistics.quantiles(times, n=4)
            times_curl = median[name] / median["curl"]
            numbers = (median[name], low, high, times_curl)
            writer.writerow([name, len(times), *(f"{number:.3f}" for number in numbers)])
    print((out / "summary.csv").read_text(encoding="utf-8"), end="")
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()
    curl = subprocess.run(["curl", "--version"], check=True, capture_output=True, text=True).stdout
    lines = {
        "command": "scripts/engine/first_byte.py",
        "commit": commit,
        "kernel": f"{os.uname().sysname} {os.uname().release}",
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "load": load,
        "curl": " ".join(curl.split()[:2]),
    }
    text = "".join(f'{key} = "{value}"\n' for key, value in lines.items())
    (out / "manifest.toml").write_text(text + f"cores = {os.cpu_count()}\n", encoding="utf-8")


main()
