#!/usr/bin/env python3
"""What a swarm of aria2 needs beside it: a metainfo file, a tracker, and the counters.

tracker.py torrent FILE ANNOUNCE OUT   writes the metainfo of FILE, in pieces of 256 KiB
tracker.py serve ADDRESS PORT          an HTTP tracker (BEP 3 and 23) that forgets nobody
tracker.py counters ADDRESS PORT       bytes that the aria2 there has sent and received
"""

import hashlib
import http.server
import json
import os
import socket
import struct
import sys
import urllib.parse
import urllib.request

PIECE_BYTES = 256 * 1024
ANNOUNCE_EVERY_S = 5


def encode(value):
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l" + b"".join(map(encode, value)) + b"e"
    return b"d" + b"".join(encode(k) + encode(value[k]) for k in sorted(value)) + b"e"


def torrent(path, announce, out):
    hashes = b""
    with open(path, "rb") as file:
        while part := file.read(PIECE_BYTES):
            hashes += hashlib.sha1(part).digest()
    info = {
        "length": os.path.getsize(path),
        "name": os.path.basename(path),
        "piece length": PIECE_BYTES,
        "pieces": hashes,
    }
    with open(out, "wb") as file:
        file.write(encode({"announce": announce, "info": info}))


class Tracker(http.server.BaseHTTPRequestHandler):
    peers = {}

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        peer = (self.client_address[0], int(query["port"][0]))
        self.peers[peer] = True
        known = b"".join(
            socket.inet_aton(host) + struct.pack(">H", port)
            for host, port in self.peers
            if (host, port) != peer
        )
        body = encode({"interval": ANNOUNCE_EVERY_S, "min interval": 1, "peers": known})
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def counters(address, port):
    call = {"jsonrpc": "2.0", "id": "1", "method": "aria2.tellActive"}
    url = f"http://{address}:{port}/jsonrpc"
    with urllib.request.urlopen(url, json.dumps(call).encode(), timeout=5) as reply:
        transfer = json.load(reply)["result"][0]
    print(transfer["uploadLength"], transfer["completedLength"])


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["torrent", path, announce, out]:
            torrent(path, announce, out)
        case ["serve", address, port]:
            http.server.ThreadingHTTPServer((address, int(port)), Tracker).serve_forever()
        case ["counters", address, port]:
            counters(address, port)
        case _:
            sys.exit(__doc__)
