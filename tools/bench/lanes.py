# SPDX-License-Identifier: BSD-2-Clause
"""Lanes: each forwarder has its own network, all of the same form, which stays up while rounds go from one to the next.

    client ────────────────── director ────────────────── server
   192.0.2.1       192.0.2.10          203.0.113.10      203.0.113.11, .12
                   VIP 192.0.2.100
       └───────────────────────────────────────────────────┘
                 the replies' path with DR, which bypasses the director

The director has one core for itself.  How the packets that its interfaces receive get there:
  steered  by RPS: the sender's core interrupts it, for each packet when they are few.  XDP runs before that, on the
           sender's core, as with a card that interrupts another core than the director's.
  polled   by a kernel thread on the director's core that empties the interface's queue, as a card's driver does (veth
           with GRO, NAPI threaded).  Here XDP, too, costs the director's core; and a virtual interface has to make an
           XDP buffer of each packet first, which a card does not.
The packets end at the server's ingress hook, still on the director's core: without the interrupt that a card would not
need.  With whole connections the server receives on its own core.  Client and server have the other core.
All run at nice -20, so other programs disturb less, and all lanes alike.  On a shared machine, BENCH_REALTIME=1 uses
real-time scheduling for the directors and for single packets; the kernel's threads then wait for them, so overload
behaves differently.
"""
import contextlib
import os
import pathlib
import subprocess
import tempfile

from lab.director import Director, program
from lab.namespaces import Network, Trouble, eventually

CLIENT, VIP, SERVERS = "192.0.2.1", "192.0.2.100", ("203.0.113.11", "203.0.113.12")
OUTSIDE, INSIDE = "192.0.2.10", "203.0.113.10"
CLIENT6, VIP6, SERVERS6 = "2001:db8:a::1", "2001:db8:a::64", ("2001:db8:b::b", "2001:db8:b::c")
OUTSIDE6, INSIDE6 = "2001:db8:a::a", "2001:db8:b::a"
SMALL, SMALL6 = 60, 80  # bytes of a small frame: the same datagram in either family
MAC = {"client": "02:00:00:00:00:01", "director": "02:00:00:00:00:10", "inside": "02:00:00:00:01:10",
       "server": "02:00:00:00:01:11", "short cut": "02:00:00:00:02:11"}
LOAD_CORE, DIRECTOR_CORE = 0, 1
LONG = 7200  # seconds: connections last as long as the benchmark
SINK = ("table netdev sink { chain in { type filter hook ingress device eth0 priority 0; "
        "ip protocol { 4, 17 } drop; ip6 nexthdr { 17, 41 } drop; }; }")


class Lane:
    """Client, director and server of one forwarder.  whole: for whole connections instead of packets."""

    def __init__(self, network, name, short_cut=False, whole=False, polled=False):
        self.network, self.name, self.directory = network, name, network.directory
        self.polled = polled
        self.key = f"{len(network.hosts)}"
        self.client, self.director, self.server = (network.host(f"{self.key}{part}") for part in "cds")
        self.target, self.small = VIP, SMALL  # the destination of the load, and its frames' least size
        self.flows = 1000
        self.programs = []  # of the director
        self.warm_up = 0    # how often each flow is sent again before it counts
        self.rawvs = None
        cable(self.client, "eth0", MAC["client"], self.director, "eth0", MAC["director"])
        cable(self.director, "eth1", MAC["inside"], self.server, "eth0", MAC["server"])
        self.client.ip(f"addr add {CLIENT}/24 dev eth0", f"route add 203.0.113.0/24 via {OUTSIDE}")
        self.director.ip(f"addr add {OUTSIDE}/24 dev eth0", f"addr add {INSIDE}/24 dev eth1",
                         f"route add 198.51.100.0/24 via {CLIENT}")
        self.server.ip(*[f"addr add {address}/24 dev eth0" for address in SERVERS],
                       f"route add default via {INSIDE}")
        for host in (self.client, self.director, self.server):
            host.enable_ipv6()
        self.client.ip(f"addr add {CLIENT6}/64 dev eth0")
        self.director.ip(f"addr add {OUTSIDE6}/64 dev eth0", f"addr add {INSIDE6}/64 dev eth1",
                         f"route add 2001:db8:c::/64 via {CLIENT6}")
        self.server.ip(*[f"addr add {address}/64 dev eth0" for address in SERVERS6])
        # Some directors are no hosts and do not answer ARP for the VIP.
        self.client.ip(*[f"neigh replace {vip} lladdr {MAC['director']} dev eth0 nud permanent" for vip in (VIP, VIP6)])
        if short_cut:
            cable(self.client, "eth1", "02:00:00:00:02:01", self.server, "eth1", MAC["short cut"])
            self.server.ip(f"addr add {VIP}/32 dev lo", f"route add {CLIENT}/32 dev eth1")
            if whole:
                receive_on(self.client, "eth1", LOAD_CORE)
        if whole:
            receive_on(self.client, "eth0", LOAD_CORE)
            receive_on(self.server, "eth0", LOAD_CORE)
        if polled:
            poll_on(self.client, self.director, "eth0", DIRECTOR_CORE)
        else:
            for interface in ("eth0", "eth1"):
                receive_on(self.director, interface, DIRECTOR_CORE)
        for host in (self.client, self.director, self.server):
            host.sysctl(ip_local_port_range="1024 65535", tcp_tw_reuse=1)
        self.server.run("nft", SINK)

    def __getitem__(self, name):  # for lab's Director, which asks its network
        return getattr(self, name)

    @property
    def ring_frames(self):
        """Frames for the ring: it fills for some milliseconds while the kernel's thread runs."""
        return 4096 if self.polled else 1024

    def start(self, *command, ready=None):
        """Starts a program of the director, on the director's core."""
        started = self.director.start(*on_core(DIRECTOR_CORE), *command)
        self.programs.append(started)
        if ready:
            eventually(lambda: not started.running() or ready(started), 10, f"{self.name}: {command[0]}")
            if not started.running():
                raise Trouble(f"{self.name}: {command[0]} ended at once: {started.text().strip()}")
        return started

    def processes(self):
        """The ids of the director's processes, with their children."""
        found = [started.pid for started in self.programs]
        for pid in found:
            with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
                found += [int(word) for word in children.read().split()]
        return found

    def known(self):
        """The number of connections that rawvsd has."""
        rows = [row for row in self.rawvs.ask("list") if row["row"] == "server"]
        return sum(int(row["active"]) + int(row["inactive"]) for row in rows)


REALTIME = os.environ.get("BENCH_REALTIME", "0") not in ("", "0")


def on_core(core, realtime=REALTIME):
    return [*(["chrt", "-f", "1"] if realtime else ["nice", "-n", "-20"]), "taskset", "-c", str(core)]


def cable(one, one_end, one_mac, other, other_end, other_mac):
    one.ip(f"link add {one_end} address {one_mac} type veth peer name {other_end} address {other_mac} "
           f"netns {other.namespace}", f"link set {one_end} up")
    other.ip(f"link set {other_end} up")


def receive_on(host, interface, core):
    """RPS: this core handles arriving packets, not the sender's."""
    host.run("sh", "-c", f"echo {1 << core:x} > /sys/class/net/{interface}/queues/rx-0/rps_cpus")


def poll_on(sender, receiver, interface, core):
    """NAPI in a thread on this core, for packets from the sender's eth0."""
    sender.run("ethtool", "-K", "eth0", "tso", "off")  # or veth does not queue them
    before = napi_threads()
    receiver.run("ethtool", "-K", interface, "gro", "on")
    receiver.run("sh", "-c", f"echo 1 > /sys/class/net/{interface}/threaded")
    for pid in napi_threads() - before:
        os.sched_setaffinity(pid, {core})


def napi_threads():
    found = set()
    for comm in pathlib.Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):  # it has ended
            if comm.read_text(encoding="ascii", errors="replace").startswith("napi/"):
                found.add(int(comm.parent.name))
    return found


def bare(network, polled=False):
    lane = Lane(network, named("bare ring forwarder", polled), short_cut=True, polled=polled)
    lane.start(program("bench-bare"), "eth0", "eth1", VIP, MAC["server"], str(lane.ring_frames),
               ready=lambda p: "ready" in p.text())
    return lane


def named(name, polled):
    return f"{name}, polled" if polled else name


def kernel(network, whole=False, polled=False):
    lane = Lane(network, named("kernel forwarding", polled), whole=whole, polled=polled)
    lane.director.sysctl(ip_forward=1)
    lane.target = SERVERS[0]
    return lane


def nft(network, udp_seconds=LONG, whole=False, polled=False, flows=1000, note=""):
    lane = Lane(network, named("nftables DNAT" + note, polled), whole=whole, polled=polled)
    lane.flows = flows
    lane.director.sysctl(ip_forward=1)
    lane.director.run("nft", f"table ip nat {{ chain in {{ type nat hook prerouting priority dstnat; ip daddr {VIP} "
                             f"dnat to numgen inc mod 2 map {{ 0: {SERVERS[0]}, 1: {SERVERS[1]} }}; }}; }}")
    lane.director.run("sh", "-c", f"for f in udp_timeout udp_timeout_stream; do "
                                  f"echo {udp_seconds} > /proc/sys/net/netfilter/nf_conntrack_$f; done")
    return lane


def has_fast():
    """Returns whether rawvsd forwards by a program in the kernel here."""
    with Network() as network:
        return "fast path: on" in rawvs(network, "dr", io=FAST).rawvs.log()


def has_xdp():
    """Returns whether rawvsd is built with AF_XDP."""
    with tempfile.NamedTemporaryFile("w", suffix=".ini", encoding="ascii") as file:
        file.write("[director]\ninterface = eth0\nio = xdp\n")
        file.flush()
        done = subprocess.run([program("rawvsd"), "-t", "-c", file.name], capture_output=True, check=False)
        return done.returncode == 0


BEFORE = ", before"
OWN = "own address"
METHODS = {"dr": "DR", "tun": "TUN", "nat": "NAT", "fullnat": "full NAT"}
FAST = "fast"  # beside the back ends: ring with the fast path, which others go without


def methods_of(io):
    return [method for method in METHODS if io != FAST or method != "tun"]


def ipvs(network, method):
    """The kernel's IPVS, if it has one."""
    lane = Lane(network, f"kernel IPVS {METHODS[method]}", short_cut=method == "dr")
    lane.director.sysctl(ip_forward=1)
    lane.director.ip(f"addr add {VIP}/32 dev eth0")
    flag = {"dr": "-g", "tun": "-i", "nat": "-m"}[method]
    lane.director.run("ipvsadm", "--set", "0", "0", str(LONG))
    for service in ("-u", f"{VIP}:80"), ("-t", f"{VIP}:80"):
        lane.director.run("ipvsadm", "-A", *service, "-s", "rr")
        for address in SERVERS:
            lane.director.run("ipvsadm", "-a", *service, "-r", f"{address}:80", flag)
    return lane


def rawvs(network, method, flows=1000, io=None, udp_seconds=LONG, note="", whole=False, polled=False, ipv6=False,
          own=False, folder=None):
    """note: what the name says of the lane in the end; own: the VIP is an address of the director's host; folder: of
    another rawvsd than this build's."""
    name = " ".join(filter(None, (f"rawvs {METHODS[method]}", io, "IPv6" if ipv6 else "", OWN if own else ""))) + note
    lane = Lane(network, named(name, polled), short_cut=method == "dr", whole=whole, polled=polled)
    lane.flows = flows
    if ipv6:
        lane.target, lane.small = VIP6, SMALL6
    if own:
        lane.director.ip(f"addr add {lane.target}/{128 if ipv6 else 32} dev eth0")
    servers = "\n".join(f"server = {address} forward={method}" for address in (SERVERS6 if ipv6 else SERVERS))
    sections = [f"[virtual {protocol}{port}]\naddress = {lane.target}\nports = {protocol}/{port}\n"
                f"scheduler = rr\n{servers}\n" for protocol, port in (("udp", 80), ("tcp", 80), ("tcp", 5201))]
    places = 2 if ipv6 or method == "fullnat" else 1  # of the table, for each connection
    settings = {"inside": "eth1", "timeout_udp": f"{udp_seconds}s", "ring_frames": lane.ring_frames,
                "max_connections": max(262144, (flows + flows // 16) * places)}
    settings["fast_path"] = "on" if io == FAST else "off"
    if io == FAST:  # what many connections begin with is not what is measured
        settings |= {"fast_flows": max(16384, 2 * flows), "fast_after": 8 if flows <= 1000 else 1}
    elif io:
        settings["io"] = io
    lane.warm_up = 8 if io == FAST else 0  # an unproven connection stays with the director
    lane.rawvs = Director(lane, *sections, name=f"rawvs{lane.key}", folder=folder, **settings)
    lane.rawvs.start()
    os.sched_setaffinity(lane.rawvs.program.pid, {DIRECTOR_CORE})
    if REALTIME:
        os.sched_setscheduler(lane.rawvs.program.pid, os.SCHED_FIFO, os.sched_param(1))
    else:
        os.setpriority(os.PRIO_PROCESS, lane.rawvs.program.pid, -20)
    lane.programs.append(lane.rawvs.program)
    return lane


HAPROXY = """global
  nbthread 1
  maxconn 5000
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
"""
NGINX_STREAM = """worker_processes 1; daemon off; pid {pid}; error_log stderr;
include /etc/nginx/modules-enabled/*stream*.conf;
events {{ worker_connections 8000; }}
stream {{
{rest}
}}
"""


def haproxy(network):
    lane = Lane(network, "HAProxy, mode tcp", whole=True)
    text = HAPROXY
    for port in (80, 5201):
        text += f"listen port{port}\n  bind {VIP}:{port}\n" + "".join(
            f"  server s{number} {address}:{port}\n" for number, address in enumerate(SERVERS))
    return proxy(lane, text, ["haproxy", "-db", "-f"])


def nginx_stream(network):
    lane = Lane(network, "nginx stream", whole=True)
    rest = ""
    for port in (80, 5201):
        servers = " ".join(f"server {address}:{port};" for address in SERVERS)
        rest += f"upstream s{port} {{ {servers} }}\nserver {{ listen {VIP}:{port}; proxy_pass s{port}; }}\n"
    return proxy(lane, NGINX_STREAM.format(pid=lane.directory / f"stream{lane.key}.pid", rest=rest), ["nginx", "-c"])


def proxy(lane, text, command):
    """A proxy, which has the VIP and its own sockets."""
    lane.director.ip(f"addr add {VIP}/32 dev eth0")
    file = lane.directory / f"proxy{lane.key}.conf"
    file.write_text(text)
    lane.start(*command, str(file), ready=lambda p: p.listens_on(80))
    return lane
