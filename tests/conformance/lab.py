# SPDX-License-Identifier: BSD-2-Clause
"""A small network of namespaces for one director, its clients and its real servers.

    LAN A 192.0.2.0/24      lan (bridge): client, director eth0, rs1..rs8
    LAN B 203.0.113.0/24    in  (bridge): director eth1, ns1..ns8 (their gateway is the director)

Clients c1..c254 are 198.51.100.1..254, routed through the client host (192.0.2.1), so one interface plays them all. No
host but the director forwards, answers TCP or UDP, or sends ICMP: the frames that arrive are read raw.
"""
import collections
import contextlib
import ctypes
import os
import re
import select
import socket
import subprocess
import sys
import time

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3
PACKET_OUTGOING = 4
SOL_PACKET, PACKET_AUXDATA, CSUM_NOT_READY = 263, 8, 8
IGMP = 2
VIP = "192.0.2.100"
VIP2 = "192.0.2.101"
NETS = (("c", "198.51.100.", 0), ("rs", "192.0.2.", 10), ("ns", "203.0.113.", 10))
COMMAND_SECONDS = float(os.environ.get("COMMAND_SECONDS", "60"))
GRACE = 0.01     # after the last frame that was expected: is there one more?
PATIENCE = 1.5   # seconds that an expected frame may take on a busy machine
NAMESPACE = re.compile(r"cfm(\d+)-")


def sh(cmd, ns=None, check=True, **kw):
    cmd = cmd.split() if isinstance(cmd, str) else cmd
    if ns:
        cmd = ["ip", "netns", "exec", ns] + cmd
    r = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=COMMAND_SECONDS, **kw)
    if check and r.returncode:
        raise RuntimeError(f"{' '.join(cmd)}: rc={r.returncode}: {r.stdout}")
    return r


def ip_batch(lines, ns=None):
    sh(["ip"] + (["-n", ns] if ns else []) + ["-batch", "-"], input="\n".join(lines) + "\n")


@contextlib.contextmanager
def inside(ns):
    """A with block in which this thread is in namespace `ns`: what it opens there stays there."""
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{ns}", os.O_RDONLY)
    try:
        if LIBC.setns(there, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        yield
    finally:
        LIBC.setns(here, CLONE_NEWNET)
        os.close(here)
        os.close(there)


def sysctl(ns, values):
    with inside(ns):
        for key, value in values.items():
            with contextlib.suppress(FileNotFoundError), open("/proc/sys/" + key.replace(".", "/"), "w") as f:
                f.write(f"{value}\n")


def address(name):
    """c7 -> 198.51.100.7, vip -> 192.0.2.100, rs2 -> 192.0.2.12, ns3 -> 203.0.113.13; an address stays itself."""
    known = {"vip": VIP, "vip2": VIP2, "director": "192.0.2.10", "director-in": "203.0.113.10"}
    if name in known:
        return known[name]
    for prefix, net, base in NETS:
        if name.startswith(prefix) and name[len(prefix):].isdigit():
            return net + str(base + int(name[len(prefix):]))
    return name


def label(ip):
    """The inverse of address(); both of the director's addresses are `director`."""
    known = {VIP: "vip", VIP2: "vip2", "192.0.2.10": "director", "203.0.113.10": "director"}
    if ip in known:
        return known[ip]
    net, _, host = ip.rpartition(".")
    n = int(host)
    if net == "198.51.100":
        return f"c{n}"
    for prefix, of, base in NETS[1:]:
        if net + "." == of and base < n <= base + 9:
            return f"{prefix}{n - base}"
    return ip


def sweep():
    """Removes what a killed run left."""
    for name in os.listdir("/run/netns") if os.path.isdir("/run/netns") else []:
        owner = NAMESPACE.match(name)
        if owner and not os.path.exists(f"/proc/{owner[1]}"):
            sh(f"ip netns del {name}", check=False)


# `unready`: a kernel left the outermost checksum to hardware, which these links do not have.
Arrival = collections.namedtuple("Arrival", "host frame unready")


class Lab:
    serial = 0

    def __init__(self, hosts=("rs1", "rs2"), links=()):
        Lab.serial += 1
        self.tag = f"cfm{os.getpid()}-{Lab.serial}"
        self.hosts = hosts
        self.links = dict(links)   # the director's interface -> MTU
        self.ns = {}
        self.sock = {}
        self.mac = {}

    def _wire(self, host, bridge, ip, mac, dev="eth0"):
        """Lines of two batches: the link itself, and what the host does with its end."""
        port = f"{host}-{dev}"[:15]
        self.mac[(host, dev)] = mac
        self.across.append(f"link add {dev} netns {self.ns[host]} address {mac} type veth "
                           f"peer name {port} netns {self.ns[bridge]}")
        self.within[bridge].append(f"link set {port} master br0 up")
        self.within[host] += [f"addr add {ip}/24 dev {dev}", f"link set {dev} up"]

    def up(self):
        names = ["lan", "in", "client", "director"] + list(self.hosts)
        self.ns = {h: f"{self.tag}-{h}" for h in names}
        self.across = [f"netns add {n}" for n in self.ns.values()]
        self.within = {h: ["link set lo up"] for h in names}
        for b in ("lan", "in"):
            self.within[b] += ["link add name br0 type bridge mcast_snooping 0", "link set br0 up"]
        self._wire("client", "lan", "192.0.2.1", "02:00:00:00:00:01")
        self._wire("director", "lan", "192.0.2.10", "02:00:00:00:00:10")
        self._wire("director", "in", "203.0.113.10", "02:00:00:00:01:10", "eth1")
        self.within["director"] += ["route add 198.51.100.0/24 via 192.0.2.1"]
        self.within["director"] += [f"link set {dev} mtu {mtu}" for dev, mtu in self.links.items()]
        for h in self.hosts:
            kind, n = h[:-1], int(h[-1])
            bridge, lan = ("lan", "00") if kind == "rs" else ("in", "01")
            self._wire(h, bridge, address(h), f"02:00:00:00:{lan}:{10+n}")
            self.within[h] += [f"route add default via {'192.0.2.1' if kind == 'rs' else '203.0.113.10'}"]
        ip_batch(self.across)
        for host, ns in self.ns.items():
            values = {f"net.{key}": value for which in ("all", "default") for key, value in (
                (f"ipv6.conf.{which}.disable_ipv6", 1), (f"ipv4.conf.{which}.rp_filter", 0),
                (f"ipv4.conf.{which}.send_redirects", 0))}
            sysctl(ns, values)
        for host, ns in self.ns.items():
            ip_batch(self.within[host], ns)
        for h in ["client"] + list(self.hosts):
            self._silence(h)
            self.sock[h] = self._tap(h)
        return self

    def _silence(self, host):
        rules = ("table inet quiet {\n"
                 " chain i {\n type filter hook input priority 0; policy drop;\n }\n"
                 " chain o {\n type filter hook output priority 0; policy drop;\n }\n}\n")
        sh(["nft", "-f", "-"], self.ns[host], input=rules)

    def _tap(self, host):
        """A raw socket on the host's eth0, opened inside its namespace."""
        with inside(self.ns[host]):
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            s.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            s.bind(("eth0", ETH_P_ALL))
            s.setblocking(False)
        return s

    def warm(self):
        """Makes the director resolve its neighbours, so that no packet waits for ARP."""
        lines = []
        for (host, dev), mac in self.mac.items():
            if host in self.hosts or host == "client":
                out = "eth1" if host.startswith("ns") else "eth0"
                ip = "192.0.2.1" if host == "client" else address(host)
                lines.append(f"neigh replace {ip} lladdr {mac} dev {out} nud permanent")
        ip_batch(lines, self.ns["director"])
        self.drain(0.1, limit=1.0)

    def send(self, host, frame):
        self.sock[host].send(frame)

    def drain(self, quiet, expected=None, limit=3.0, patience=PATIENCE):
        """The frames that arrive, host by host: until `quiet` seconds pass without one; or, where it is
        known how many to expect, until they are there (that is faster, and waits longer on a busy machine)."""
        got, begin = [], time.monotonic()
        last = begin
        while True:
            now = time.monotonic()
            if expected and len(got) >= expected:
                wait = last + GRACE - now
            elif expected:
                wait = max(begin + patience, last + GRACE) - now
            else:
                wait = last + quiet - now
            wait = min(wait, begin + limit - now)
            if wait <= 0:
                order = list(self.sock)
                return sorted(got, key=lambda arrival: order.index(arrival.host))
            select.select(self.sock.values(), [], [], wait)
            for h, s in self.sock.items():
                arrived = self._read(h, s)
                if arrived:
                    got += arrived
                    last = time.monotonic()

    def _read(self, host, sock):
        got = []
        while True:
            try:
                frame, about, _, origin = sock.recvmsg(65536, 64)
            except BlockingIOError:
                return got
            if origin[2] != PACKET_OUTGOING and frame[12:14] == b"\x08\x00" and self._is_for(host, frame):
                status = [int.from_bytes(data[:4], sys.byteorder) for _, what, data in about if what == PACKET_AUXDATA]
                got.append(Arrival(host, frame, any(s & CSUM_NOT_READY for s in status)))

    def _is_for(self, host, frame):
        """False for what a bridge floods before it has learned, and for its multicast reports."""
        mine = bytes(int(x, 16) for x in self.mac[(host, "eth0")].split(":"))
        return frame[23] != IGMP and (frame[:6] == mine or frame[0] & 1)

    def down(self):
        for s in self.sock.values():
            s.close()
        for n in self.ns.values():
            sh(f"ip netns del {n}", check=False)
        self.ns, self.sock = {}, {}
