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
IGMP, ICMP6 = 2, 58
QUIET_ICMP6 = {*range(130, 138), 143}   # MLD, router and neighbour discovery: never in a golden text
VIP = "192.0.2.100"
VIP2 = "192.0.2.101"
NETS = (("c", "198.51.100.", 0), ("rs", "192.0.2.", 10), ("ns", "203.0.113.", 10))
NETS6 = {"198.51.100.": "2001:db8:c::", "192.0.2.": "2001:db8:a::", "203.0.113.": "2001:db8:b::"}
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


class Spoken:
    """The family that names stand for; a player is a process of its own and plays one scenario."""
    family = 4


def v6(ip):
    """192.0.2.11 -> 2001:db8:a::b, and a prefix's length likewise; what is not of the lab's networks stays itself."""
    bare, _, prefix = ip.partition("/")
    net, dot, host = bare.rpartition(".")
    if net + dot not in NETS6:
        return ip
    return f"{NETS6[net + dot]}{int(host):x}" + (f"/{int(prefix) + 96}" if prefix else "")


def address(name):
    """What a name stands for in the scenario's family; rs1v4 and rs1v6 are of one family in any scenario."""
    if name[-2:] in ("v4", "v6") and address4(name[:-2]) != name[:-2]:
        return address4(name[:-2]) if name[-1] == "4" else v6(address4(name[:-2]))
    return v6(address4(name)) if Spoken.family == 6 else address4(name)


def address4(name):
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
    family = 6 if ":" in ip else 4
    name = label4(v4(ip)) if family == 6 else label4(ip)
    if ":" in name or name == ip or family == Spoken.family:
        return name
    return f"{name}v{family}"


def v4(ip):
    """The inverse of v6(), where there is one."""
    for net, net6 in NETS6.items():
        host = ip[len(net6):]
        if ip.startswith(net6) and 0 < len(host) < 3:
            return f"{net}{int(host, 16)}"
    return ip


def label4(ip):
    if ":" in ip:
        return ip
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

    def __init__(self, hosts=("rs1", "rs2"), links=(), both=False):
        Lab.serial += 1
        self.tag = f"cfm{os.getpid()}-{Lab.serial}"
        self.hosts = hosts
        self.heard = set()         # types of ICMPv6 that are shown although they are noise
        self.links = dict(links)   # the director's interface -> MTU
        self.both = both           # IPv6 as well
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
        if self.both:
            self.within[host] += [f"addr add {v6(ip)}/64 dev {dev} nodad"]

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
        if self.both:
            self.within["director"] += [f"route add {v6('198.51.100.0')}/64 via {v6('192.0.2.1')}"]
        self.within["director"] += [f"link set {dev} mtu {mtu}" for dev, mtu in self.links.items()]
        for h in self.hosts:
            kind, n = h[:-1], int(h[-1])
            bridge, lan = ("lan", "00") if kind == "rs" else ("in", "01")
            self._wire(h, bridge, address4(h), f"02:00:00:00:{lan}:{10+n}")
            gateway = "192.0.2.1" if kind == "rs" else "203.0.113.10"
            self.within[h] += [f"route add default via {a}" for a in [gateway] + [v6(gateway)] * self.both]
        ip_batch(self.across)
        for host, ns in self.ns.items():
            values = {f"net.{key}": value for which in ("all", "default") for key, value in (
                (f"ipv6.conf.{which}.disable_ipv6", int(not self.both or host in ("lan", "in"))),
                *((f"ipv6.conf.{which}.{key}", value) for key, value in (
                    ("accept_ra", 0), ("autoconf", 0), ("accept_dad", 0), ("dad_transmits", 0), ("addr_gen_mode", 1),
                    ("router_solicitations", 0))), (f"ipv4.conf.{which}.rp_filter", 0),
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
                 " chain i {\n type filter hook input priority 0; policy drop;\n"
                 "  icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept\n }\n"
                 " chain o {\n type filter hook output priority 0; policy drop;\n"
                 "  icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept\n }\n}\n")
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
                ip = "192.0.2.1" if host == "client" else address4(host)
                addresses = [ip] + [v6(ip)] * self.both
                lines += [f"neigh replace {a} lladdr {mac} dev {out} nud permanent" for a in addresses]
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
            is_ip = frame[12:14] in (b"\x08\x00", b"\x86\xdd")
            if origin[2] != PACKET_OUTGOING and is_ip and self._is_for(host, frame):
                status = [int.from_bytes(data[:4], sys.byteorder) for _, what, data in about if what == PACKET_AUXDATA]
                got.append(Arrival(host, frame, any(s & CSUM_NOT_READY for s in status)))

    def _is_for(self, host, frame):
        """False for what a bridge floods before it has learned, and for its multicast reports."""
        mine = bytes(int(x, 16) for x in self.mac[(host, "eth0")].split(":"))
        noise = frame[23] == IGMP
        if frame[12:14] == b"\x86\xdd":
            at = 54 if frame[20] else 54 + (frame[55] + 1) * 8     # a report has a hop-by-hop header
            noise = ICMP6 in (frame[20], frame[54]) and len(frame) > at and frame[at] in QUIET_ICMP6 - self.heard and (
                frame[20] == ICMP6 or not frame[20])
        return not noise and (frame[:6] == mine or frame[0] & 1)

    def down(self):
        for s in self.sock.values():
            s.close()
        for n in self.ns.values():
            sh(f"ip netns del {n}", check=False)
        self.ns, self.sock = {}, {}
