# SPDX-License-Identifier: BSD-2-Clause
"""Very large tables of services and servers: configurations, rules for -R, a client that measures replies."""
import itertools
import socket
import struct
import threading
import time

from lab.director import virtual
from lab.topology import VIP, VIP2

ECHO_PORT = 53
ECHO = f"""import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("{VIP}", {ECHO_PORT}))
while True:
    data, sender = s.recvfrom(9000)
    s.sendto(data, sender)
"""


def echo_service():
    return virtual("echo", ports=f"udp/{ECHO_PORT}", servers=("rs1",))


def sections(services, servers, weight=1):
    """This many [virtual]s on VIP2, each with this many servers, without checks."""
    def one(n):
        lines = [f"[virtual v{n}]", f"address = {VIP2}", f"ports = tcp/{1000 + n}"]
        lines += [f"server = 198.51.100.{1 + (n * 7 + k) % 250} weight={weight}" for k in range(servers)]
        return "\n".join(lines) + "\n"
    return [one(n) for n in range(services)]


def nat_sections(services, servers, weight=1, address=None, more=""):
    """So many [virtual]s of so many servers each, up to 65,000 of one: at one address, or spread over 250."""
    def one(n):
        lines = [f"[virtual n{n}]", f"address = {VIP2}", f"ports = tcp/{1000 + n}", *([more] if more else [])]
        lines += [f"server = {address or f'198.51.100.{1 + k % 250}'}:{k // (1 if address else 250) + 1} "
                  f"forward=nat weight={weight}" for k in range(servers)]
        return "\n".join(lines) + "\n"
    return [one(n) for n in range(services)]


def connections(host, count, port):
    """So many datagrams to the VIP, each from another client. (198.51.100.1 is the router's own address.)"""
    with host.inside(), socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for n in range(count):
            source = socket.inet_aton(f"198.51.100.{2 + n // 50000}")
            ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28, 0, 0, 64, socket.IPPROTO_UDP, 0, source,
                             socket.inet_aton(VIP))
            raw.sendto(ip + struct.pack("!HHHH", 1000 + n % 50000, port, 8, 0), (VIP, 0))
            if n % 100 == 0:
                time.sleep(0.002)


def vips(count):
    """This many [virtual]s, each with its own address."""
    return [f"[virtual a{n}]\naddress = 203.0.{n // 250 + 1}.{n % 250 + 1}\nports = tcp/80\nserver = 192.0.2.11\n"
            for n in range(count)]


def rules(services, servers):
    """Lines for rawvsadm -R, on 200 VIPs."""
    lines = []
    for n in range(services):
        place = f"203.0.113.{1 + n % 200}:{1000 + n // 200}"
        lines.append(f"-A -t {place} -s rr")
        lines += [f"-a -t {place} -r 198.51.100.{1 + (n * 7 + k) % 250}:{80 + k} -m -w {1 + k % 3}"
                  for k in range(servers)]
    return lines


SO_TIMESTAMPNS = 35  # the kernel says when a datagram arrived: this program may be late to read it


class Echoes(threading.Thread):
    """A client that sends a datagram to the VIP every few milliseconds, each with a number."""

    def __init__(self, host):
        super().__init__(daemon=True)
        with host.inside():
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.connect((VIP, ECHO_PORT))
        self.socket.setblocking(False)
        self.sent, self.delay, self.answered = {}, {}, []
        self.over = threading.Event()
        self.start()

    def run(self):
        for number in itertools.count():
            if self.over.is_set():
                return
            self.sent[number] = time.monotonic()
            try:
                self.socket.send(str(number).encode())
            except OSError:  # an ICMP error: no server at the moment
                pass
            until = self.sent[number] + 0.002
            while time.monotonic() < until:
                self.hear()
                time.sleep(0.0002)

    def hear(self):
        try:
            data, (stamp, *_), *_ = self.socket.recvmsg(64, 64)
        except OSError:
            return
        seconds, nanoseconds = struct.unpack("@ll", stamp[2])
        arrived = time.monotonic() - (time.time() - seconds - nanoseconds / 1e9)
        self.answered.append(arrived)
        self.delay[int(data)] = arrived - self.sent[int(data)]

    def stop(self):
        """Ends after the last datagrams have had time for a reply."""
        self.over.set()
        self.join(5)
        until = time.monotonic() + 2
        while len(self.delay) < len(self.sent) and time.monotonic() < until:
            self.hear()

    def unanswered(self):
        return sorted(set(self.sent) - set(self.delay))

    def longest_delay(self, since=0.0):
        return max((delay for number, delay in self.delay.items() if self.sent[number] >= since), default=0.0)

    def longest_silence(self, since):
        times = [at for at in self.answered if at >= since]
        return max((later - at for at, later in itertools.pairwise(times)), default=0.0)
