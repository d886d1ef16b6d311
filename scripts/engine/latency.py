"""Fetches a small content every so often, and times each from the request to its end.

Usage: latency.py COUNT INTERVAL_MS FIRST fairhaul SOCKET TICKETS OUT
       latency.py COUNT INTERVAL_MS FIRST http HOST PORT
       latency.py COUNT INTERVAL_MS FIRST rsync URL OUT
Contents FIRST, FIRST + 1, ...: lines of the file TICKETS, or names small-N. One after another: a
fetch that takes longer than the interval delays the next, and none begins once COUNT intervals are
over: then fewer are made. Prints milliseconds, one a line.
"""

import http.client
import subprocess
import sys
import time

from control import Control


def by_fairhaul(path, tickets, out):
    """Through the control of a node; its connection is kept."""
    control = Control(path)
    with open(tickets, encoding="ascii") as lines:
        known = lines.read().split()
    control.connect()
    return lambda number: control.ask("get", ticket=known[number], dir=out)["bytes"]


def by_http(host, port):
    """Over one kept connection."""
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    connection.connect()

    def fetch(number):
        connection.request("GET", f"/small-{number}")
        return len(connection.getresponse().read())
    return fetch


def by_rsync(url, out):
    """A process for each, for it keeps no connection."""
    def fetch(number):
        subprocess.run(["rsync", f"{url}/small-{number}", out], check=True)
        return 16384
    return fetch


def main():
    count, interval, first = int(sys.argv[1]), float(sys.argv[2]) / 1e3, int(sys.argv[3])
    ways = {"fairhaul": by_fairhaul, "http": by_http, "rsync": by_rsync}
    fetch = ways[sys.argv[4]](*sys.argv[5:])
    due = time.monotonic()
    end = due + count * interval
    for number in range(first, first + count):
        time.sleep(max(0.0, due - time.monotonic()))
        begin = time.monotonic()
        if begin >= end:
            break
        got = fetch(number)
        print(f"{(time.monotonic() - begin) * 1e3:.3f}", flush=True)
        if got != 16384:
            sys.exit(f"small-{number}: {got} bytes")
        due = max(due + interval, time.monotonic())


main()
