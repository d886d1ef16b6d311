"""The control of a node, over its Unix socket, without starting a process for each command.

Usage: control.py SOCKET COMMAND JSON         prints the answer
       control.py SOCKET tickets FILE...      shares each, prints a ticket a line
"""

import http.client
import json
import socket
import sys


class Control(http.client.HTTPConnection):
    """One kept connection to a node."""

    def __init__(self, path):
        super().__init__("localhost", timeout=600)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)

    def ask(self, command, **members):
        """The answer of `command`, after its progress lines."""
        body = json.dumps(members)
        self.request("POST", f"/v1/{command}", body, {"content-type": "application/json"})
        answer = self.getresponse()
        end = None
        for line in answer:
            reply = json.loads(line)
            if "done" in reply:
                end = reply["done"]
            elif "progress" not in reply:
                raise RuntimeError(f"{command}: {line.decode().strip()}")
        if end is None:
            raise RuntimeError(f"{command}: HTTP {answer.status} without an end")
        return end


def main():
    control = Control(sys.argv[1])
    if sys.argv[2] == "tickets":
        for path in sys.argv[3:]:
            print(control.ask("share", path=path)["ticket"])
    else:
        print(json.dumps(control.ask(sys.argv[2], **json.loads(sys.argv[3]))))


if __name__ == "__main__":
    main()
