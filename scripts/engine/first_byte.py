"""How long the second of two commands takes to its first byte, beside curl over HTTPS.

Usage: first_byte.py PROGRAM [RUNS [BYTES]]

A file of BYTES bytes (65536) is sent on loopback by `PROGRAM send`, and served over HTTPS (TLS 1.3)
by Python's own server. `PROGRAM get LINE -` and `curl` fetch it by turns, RUNS times each (40),
after one of each that is not counted. Each `get` is another receiver, with a home in which it makes
its identity: one and the same may come once a second, after five at once. Timed from before the process is made to the first byte of
its standard output. `get` prints nothing that it has not verified to its end, so for it this is the
last byte as well. Prints both medians, the quartiles, and the ratio of the medians, in milliseconds.
"""

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


def first_byte(command, environment, size):
    """Milliseconds to the first byte of what `command` prints, and to its last."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    got = len(process.stdout.read(1))
    first = time.perf_counter()
    got += len(process.stdout.read())
    if process.wait() != 0 or got != size:
        sys.exit(f"{command[0]}: {got} of {size} bytes, code {process.returncode}")
    return 1000 * (first - begun)


def told(name, times):
    """One row, and the median."""
    low, middle, high = statistics.quantiles(times, n=4)
    print(f"{name:<14} {middle:7.1f} ms  ({low:.1f} to {high:.1f}), {len(times)} runs")
    return middle


def main():
    program = os.path.abspath(sys.argv[1])
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 40
    size = int(sys.argv[3]) if len(sys.argv) > 3 else 65536
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        file = folder / "file"
        file.write_bytes(os.urandom(size))
        environment = dict(os.environ, XDG_DATA_HOME=str(folder / "home"), HOME=name)
        send = [program, "send", str(file), "--address", "127.0.0.1", "--keep", "1 h"]
        send += ["--for", str(runs + 1)]
        sender = subprocess.Popen(
            send, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        line = sender.stdout.readline().split()[-1]
        url = f"https://127.0.0.1:{serve(folder)}/file"
        get, curl = [program, "get", line, "-"], ["curl", "--silent", "--insecure", url]
        times = {"get": [], "curl": []}
        for run in range(runs + 1):
            for name, command in (("get", get), ("curl", curl)):
                home = str(folder / f"home-{run}")
                took = first_byte(command, dict(environment, XDG_DATA_HOME=home), size)
                if run > 0:
                    times[name].append(took)
        sender.terminate()
        sender.wait()
    ours = told("fairhaul get", times["get"])
    theirs = told("curl", times["curl"])
    print(f"ratio          {ours / theirs:7.2f}")


main()
