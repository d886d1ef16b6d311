"""Nodes on loopback that know each other, each with its page."""

import socket
import subprocess
import time
from pathlib import Path


def free_ports(count):
    """Ports that are free now, all at once, so that none is given twice."""
    open_now = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in open_now]
    for one in open_now:
        one.close()
    return ports


class Node:
    """One node, which can be stopped and started again."""

    def __init__(self, program, folder, port):
        self.program, self.folder, self.port = program, folder, port
        self.process = None

    @property
    def file(self):
        """Its parameter file."""
        return self.folder / "node.toml"

    def start(self):
        """Starts it, and waits until it answers."""
        with (self.folder / "log").open("a") as log:
            command = [self.program, "run", "-c", self.file]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        end = time.monotonic() + 20
        while subprocess.run(self.command("status"), capture_output=True).returncode != 0:
            if time.monotonic() > end or self.process.poll() is not None:
                raise AssertionError((self.folder / "log").read_text())
            time.sleep(0.05)

    def stop(self):
        """Ends it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def command(self, verb, *rest):
        """The words of a command to it."""
        return [self.program, verb, "-c", self.file, *map(str, rest)]

    def ask(self, verb, *rest):
        """What a command prints."""
        done = subprocess.run(self.command(verb, *rest), capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return done.stdout.strip()

    @property
    def token(self):
        """What HTTP asks for."""
        return (self.folder / "data" / "token").read_text().strip()

    @property
    def address(self):
        """Where its page is."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def page(self):
        """The address with the token, as `fairhaul run` prints it on a terminal."""
        return f"{self.address}#token={self.token}"


def group(program, folder, names):
    """Nodes of these names, by name, that are not started yet."""
    ports = free_ports(2 * len(names))
    peers = ",".join(f"{name}=127.0.0.1:{port}" for name, port in zip(names, ports))
    made = [program, "init", folder, "--peers", peers]
    subprocess.run(made, check=True, capture_output=True)
    nodes = {}
    for name, port in zip(names, ports[len(names):]):
        node = Node(program, Path(folder) / name, port)
        text = node.file.read_text()
        control = f'[control]\nhttp = "127.0.0.1:{port}"\n'
        assert text.count("[control]\n") == 1, text
        node.file.write_text(text.replace("[control]\n", control))
        nodes[name] = node
    return nodes
