#!/usr/bin/env python3
"""Two commands from file to file: fairhaul beside croc and sendme.

Usage: two_commands.py [OUT [ROUNDS]]      OUT: results/engine/two-commands; ROUNDS: 5

Needs root: the two machines are network namespaces with one link between them, as fast as the
machine, and no way out. FAIRHAUL [target/release/fairhaul], SENDME [sendme] and CROC [croc] name
the programs; of one that is not there a line is printed, and its rows are left out. Files are in
memory, and every run has a home in which nothing was prepared.

sendme and croc meet by way of servers on the internet unless told otherwise. Here they cannot, so
sendme runs without its relay, and croc by the relay that its sender opens itself. What they would
take to find each other by their servers is not in the times.

Each program moves a small file and a large one, by turns, ROUNDS times. `ready` is the time from
the first command to the line for the other machine; `fetch` that from the second command to its
end, when the file is there, which is compared. Written are runs.csv, a row a transfer; summary.csv
with medians; and manifest.toml. A command is a line that a person types, and ^C is one.
"""

import csv
import filecmp
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SIZES = {"small": 64 << 10, "large": 1 << 30}
ADDRESS = {"a": "10.86.86.1", "b": "10.86.86.2"}
WAIT_S = 120

# What is typed on each side, where the line for the other side begins, and what a person types
# beside the two commands: ^C to end a sender that goes on.
TOOLS = {
    "fairhaul": (["send", "{file}"], r"fairhaul get (fhs1-\S+)", ["get", "{line}"], 2),
    "sendme": (
        ["send", "--relay", "disabled", "--no-progress", "{file}"],
        r"sendme receive (\S+)",
        ["receive", "--relay", "disabled", "--no-progress", "{line}"],
        3,
    ),
    "croc": (
        ["--yes", "--ignore-stdin", "--local", "send", "{file}"],
        r"Code is: (\S+)",
        ["--yes", "--local", "--ip", ADDRESS["a"] + ":9009", "{line}"],
        2,
    ),
}
# How much of the second command a person copies, in front of the line.
COPIED = {"fairhaul": "fairhaul get ", "sendme": "sendme receive ", "croc": "croc "}


def run(*words):
    subprocess.run(words, check=True, capture_output=True)


def programs():
    """The programs that are there, by name."""
    usual = {"fairhaul": str(ROOT / "target/release/fairhaul"), "sendme": "sendme", "croc": "croc"}
    found = {}
    for name, path in usual.items():
        program = shutil.which(os.environ.get(name.upper(), path))
        if program is None:
            print(f"skipped: no {name} here, so it has no rows")
        else:
            found[name] = os.path.abspath(program)
    return found


class Machines:
    """Two network namespaces with a link between them."""

    def __init__(self):
        self.tag = f"fh2c{os.getpid()}"

    def __enter__(self):
        for side in ADDRESS:
            run("ip", "netns", "add", f"{self.tag}{side}")
        run("ip", "link", "add", "veth0", "netns", f"{self.tag}a", "type", "veth",
            "peer", "name", "veth0", "netns", f"{self.tag}b")
        for side, address in ADDRESS.items():
            space = ["ip", "-n", f"{self.tag}{side}"]
            run(*space, "addr", "add", f"{address}/24", "dev", "veth0")
            run(*space, "link", "set", "veth0", "up")
            run(*space, "link", "set", "lo", "up")
        return self

    def __exit__(self, *_):
        for side in ADDRESS:
            subprocess.run(["ip", "netns", "del", f"{self.tag}{side}"], check=False)

    def start(self, side, words, folder):
        """A command on one side, in a folder of a home of its own."""
        home = {"HOME": str(folder.parent), "PATH": os.environ["PATH"]}
        return subprocess.Popen(
            ["ip", "netns", "exec", f"{self.tag}{side}", *words], cwd=folder, env=home, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )


def transfer(machines, name, program, file, folder):
    """Seconds until the line was printed, and until the file was there; and the line's length."""
    send, line_is, receive, _ = TOOLS[name]
    here, there = folder / "ada/here", folder / "bob/there"
    here.mkdir(parents=True)
    there.mkdir(parents=True)
    begun = time.monotonic()
    words = [word.format(file=file) for word in send]
    sender = machines.start("a", [program, *words], here)
    said = []
    try:
        for text in sender.stdout:
            said.append(text)
            if found := re.search(line_is, text):
                break
        else:
            sys.exit(f"{name} prints no line: {''.join(said)}")
        ready = time.monotonic() - begun
        begun = time.monotonic()
        words = [word.format(line=found[1]) for word in receive]
        receiver = machines.start("b", [program, *words], there)
        talk, _ = receiver.communicate(timeout=WAIT_S)
        fetch = time.monotonic() - begun
        if receiver.returncode != 0:
            sys.exit(f"{name} ends with {receiver.returncode}: {talk}")
        if not filecmp.cmp(file, there / file.name, shallow=False):
            sys.exit(f"{name} gives another file")
    finally:
        if name == "sendme":
            sender.send_signal(signal.SIGINT)
        try:
            sender.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            sender.kill()
            sender.communicate()
    return ready, fetch, len(COPIED[name] + found[1])


def version(program):
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return said.stdout.strip()


def write(path, head, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(head)
        out.writerows(rows)


def main():
    if sys.argv[1:2] in (["-h"], ["--help"]):
        print(__doc__.strip())
        return
    if os.getuid() != 0:
        sys.exit("two_commands.py: needs root, for network namespaces")
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "results/engine/two-commands")
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    # So that the namespaces go, however it ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tools = programs()
    load = os.getloadavg()
    runs = []
    with tempfile.TemporaryDirectory(dir="/dev/shm") as scratch, Machines() as machines:
        scratch = pathlib.Path(scratch)
        for name, size in SIZES.items():
            file = scratch / f"{name}.bin"
            with open(file, "wb") as to:
                for _ in range(max(1, size >> 20)):
                    to.write(os.urandom(min(size, 1 << 20)))
        for at in range(rounds):
            for content, size in SIZES.items():
                for name, program in tools.items():
                    with tempfile.TemporaryDirectory(dir=scratch) as folder:
                        file = scratch / f"{content}.bin"
                        ready, fetch, length = transfer(
                            machines, name, program, file, pathlib.Path(folder)
                        )
                    runs.append([name, content, size, at + 1, TOOLS[name][3], length,
                                 f"{ready:.3f}", f"{fetch:.3f}", f"{ready + fetch:.3f}"])
                    print(*runs[-1], flush=True)
    out.mkdir(parents=True, exist_ok=True)
    head = ["tool", "content", "bytes", "round", "commands", "line_chars"]
    write(out / "runs.csv", [*head, "ready_s", "fetch_s", "total_s"], runs)
    summary = []
    for content, size in SIZES.items():
        for name in tools:
            own = [row for row in runs if row[:2] == [name, content]]
            medians = (statistics.median(float(row[at]) for row in own) for at in (6, 7, 8))
            ready, fetch, total = medians
            longest = max(row[5] for row in own)
            summary.append([name, content, size, rounds, TOOLS[name][3], longest, f"{ready:.3f}",
                            f"{fetch:.3f}", f"{total:.3f}", f"{size / fetch:.0f}"])
    head = ["tool", "content", "bytes", "rounds", "commands", "line_chars"]
    times = ["ready_median_s", "fetch_median_s", "total_median_s", "rate_bytes_per_s"]
    write(out / "summary.csv", [*head, *times], summary)
    commit = subprocess.run(
        ["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    lines = {
        "command": "scripts/engine/two_commands.py",
        "commit": commit,
        "kernel": f"{os.uname().sysname} {os.uname().release}",
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "load": " ".join(f"{one:.2f}" for one in load),
        **{name: version(program) for name, program in tools.items()},
    }
    text = "".join(f'{key} = "{value}"\n' for key, value in lines.items())
    (out / "manifest.toml").write_text(text + f"cores = {os.cpu_count()}\n", encoding="utf-8")


main()
