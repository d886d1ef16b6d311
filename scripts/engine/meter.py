"""Samples what leaves sockets, from outside the programs.

Asks the kernel (inet_diag, what `ss -ti` reads) for every established TCP socket of this network
namespace with the given port at either end, and prints one row for each remote address and sample:
bytes_sent without bytes_retrans, so that TLS and framing are included and nothing is counted twice.
Sockets that have closed keep their last count. Times are of the monotonic clock.

Usage: meter.py PORT SECONDS INTERVAL_MS
"""

import socket
import struct
import sys
import time

SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST, NLM_F_DUMP = 0x1, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
INET_DIAG_INFO = 2
NETLINK_SOCK_DIAG = 4
ESTABLISHED_AND_CLOSING = 0xFFF & ~(1 << 10)  # All states but LISTEN.
# Offsets in struct tcp_info.
UNACKED, RTT_US, CWND, NOTSENT, SENT, RETRANS = 24, 68, 80, 144, 200, 208
# struct inet_diag_msg is 72 bytes; the attributes follow.
MESSAGE = 72


def sockets(netlink, port):
    """Yields (cookie, remote address, tcp_info) of each socket with `port` at either end."""
    for family in (socket.AF_INET,):
        request = struct.pack("=BBBxI", family, socket.IPPROTO_TCP, 1 << (INET_DIAG_INFO - 1),
                              ESTABLISHED_AND_CLOSING) + bytes(48)
        head = struct.pack("=IHHII", 16 + len(request), SOCK_DIAG_BY_FAMILY,
                           NLM_F_REQUEST | NLM_F_DUMP, 1, 0)
        netlink.send(head + request)
        done = False
        while not done:
            data = netlink.recv(1 << 20)
            at = 0
            while at < len(data):
                length, kind = struct.unpack_from("=IH", data, at)
                if kind == NLMSG_DONE:
                    done = True
                    break
                if kind == NLMSG_ERROR:
                    raise OSError("the kernel refuses inet_diag")
                body = data[at + 16:at + length]
                at += (length + 3) & ~3
                source, destination = struct.unpack_from(">HH", body, 4)
                if port not in (source, destination):
                    continue
                remote = socket.inet_ntop(family, body[24:28])
                cookie = body[44:52]
                place = MESSAGE
                while place + 4 <= len(body):
                    size, attribute = struct.unpack_from("=HH", body, place)
                    if attribute == INET_DIAG_INFO:
                        yield cookie, remote, body[place + 4:place + size]
                    place += (size + 3) & ~3


def main():
    port, seconds, interval = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]) / 1e3
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)
    known = {}
    print("time_s,remote,sent_bytes,notsent_bytes,unacked_packets,cwnd_packets,rtt_us")
    start = time.monotonic()
    due = start
    while due - start < seconds:
        time.sleep(max(0.0, due - time.monotonic()))
        before = time.monotonic()
        queues = {}
        for cookie, remote, info in sockets(netlink, port):
            if len(info) < RETRANS + 8:
                continue
            sent, retrans = struct.unpack_from("=QQ", info, SENT)
            known[cookie] = (remote, sent - retrans)
            unacked, = struct.unpack_from("=I", info, UNACKED)
            notsent, = struct.unpack_from("=I", info, NOTSENT)
            rtt, = struct.unpack_from("=I", info, RTT_US)
            cwnd, = struct.unpack_from("=I", info, CWND)
            old = queues.get(remote, (0, 0, 0, 0))
            queues[remote] = (old[0] + notsent, old[1] + unacked, old[2] + cwnd, max(old[3], rtt))
        now = (before + time.monotonic()) / 2
        totals = {}
        for remote, sent in known.values():
            totals[remote] = totals.get(remote, 0) + sent
        for remote, sent in totals.items():
            queue = queues.get(remote, (0, 0, 0, 0))
            print(f"{now:.6f},{remote},{sent},{queue[0]},{queue[1]},{queue[2]},{queue[3]}")
        sys.stdout.flush()
        due = max(due + interval, time.monotonic())


main()
