# SPDX-License-Identifier: BSD-2-Clause
"""The network of the demo and of the lab tests.

      client ─────── router                          local, a client on the LAN itself
   198.51.100.2   192.0.2.1                       192.0.2.50
                      │                               │
      ────────────────┴───────┬───────────┬───────────┼─────── LAN 192.0.2.0/24
                              │           │           │
                          director       rs1         rs2 ...
                         192.0.2.10  192.0.2.11  192.0.2.12
                              │
      ────────────────────────┴──────────────┬──────────────── inside LAN 203.0.113.0/24
                                           inner
                                        203.0.113.20

Added by single tests: in1, in2, servers on the inside LAN, whose gateway is the director; and far1, far2, servers on
their own LAN, 203.0.113.64/26, behind gate1 (or gate2), a router on one of the two others.

The director forwards as any router does (ip_forward=1) and never has a VIP configured.  The real servers have the VIPs
on lo, with arp_ignore=1 and arp_announce=2.  The last byte of a host's MAC address reads as that of its IP address.

With family=IPV6 every host also has the IPv6 address that six() makes of its IPv4 address: rs1 is 2001:db8:1::11.
What the lab's programs are told, and what is asked of them, has the addresses of lab.family.
"""
import collections
import dataclasses
import pathlib
import socket

from lab.namespaces import Network, Trouble, eventually

VIP, VIP2 = "192.0.2.100", "192.0.2.101"
ADDRESS = {"router": "192.0.2.1", "director": "192.0.2.10", "rs1": "192.0.2.11", "rs2": "192.0.2.12",
           "rs3": "192.0.2.13", "rs4": "192.0.2.14", "local": "192.0.2.50",
           "client": "198.51.100.2", "inner": "203.0.113.20",
           "in1": "203.0.113.21", "in2": "203.0.113.22", "far1": "203.0.113.71", "far2": "203.0.113.72"}
DIRECTOR_INSIDE = "203.0.113.10"
NEAR = {"lan": {"gate1": "192.0.2.31", "gate2": "192.0.2.32"},  # the gates' addresses towards the director
        "inside": {"gate1": "203.0.113.31", "gate2": "203.0.113.32"}}
FAR_NET, FAR_SIDE = "203.0.113.64/26", {"gate1": "203.0.113.65", "gate2": "203.0.113.66"}
NOBODY = "192.0.2.105"  # an address of the LAN that no host and no service has


def six(address):
    """The IPv6 address in place of an IPv4 address of this network; of a network (A/N), the network."""
    address, slash, length = address.partition("/")
    if address == "default":
        return address
    net, _, last = address.rpartition(".")
    far = net == "203.0.113" and int(last) >= 64
    number = {"192.0.2": 1, "198.51.100": 2, "203.0.113": 4 if far else 3}[net]
    if slash and length != "32":
        return f"2001:db8:{number}::/64"
    return f"2001:db8:{number}::{int(last)}" + ("/128" if slash else "")


class Family:
    """An IP family: the lab's addresses in it."""

    def __init__(self, version, of):
        self.version = version
        self.of = of  # makes an address of this family of an IPv4 address or network of the lab
        self.bits = 32 if version == 4 else 128
        self.vip, self.vip2 = of(VIP), of(VIP2)
        self.address = {name: of(address) for name, address in ADDRESS.items()}

    def place(self, address, port=None):
        """An address as it is written before a port, or in a URL."""
        text = f"[{address}]" if self.version == 6 else address
        return text if port is None else f"{text}:{port}"

    @property
    def url(self):
        """Of the VIP, without a path."""
        return f"http://{self.place(self.vip)}"

    def socket(self, kind=socket.SOCK_STREAM):
        return socket.socket(socket.AF_INET6 if self.version == 6 else socket.AF_INET, kind)


IPV4, IPV6 = Family(4, lambda address: address), Family(6, six)
VIP6, VIP6_2, ADDRESS6 = IPV6.vip, IPV6.vip2, IPV6.address


def mac_of(host):
    """The MAC address of a host's eth0: 02:00:00:00:00:11 is rs1's."""
    return f"02:00:00:00:00:{last_byte(ADDRESS[host])}"


def last_byte(address):
    return f"{int(address.rpartition('.')[2]):02d}"


@dataclasses.dataclass
class Answers:
    """The replies to a number of requests."""
    of: collections.Counter  # by the server's name
    failures: list           # curl's messages about the others


class Topology(Network):
    def __init__(self, servers=("rs1", "rs2"), behind_router=True, inside=True, family=IPV4):
        super().__init__()
        self.family = family
        self.servers = servers
        self.behind_router = behind_router
        self.inside = inside

    def __enter__(self):
        super().__enter__()
        try:
            self.build()
        except BaseException:
            self.remove()
            raise
        return self

    def __getitem__(self, name):
        return self.hosts[name]

    def build(self):
        for name in ("director", "local", *self.servers):
            self.host(name).wire("eth0", mac_of(name), f"{ADDRESS[name]}/24")
        self["director"].sysctl(ip_forward=1)
        if self.behind_router:
            self.build_client_side()
        if self.inside:
            self.build_inside()
        for name in self.servers:
            self.build_server(self[name])
        self.add_ipv6(*[name for name in self.hosts if self[name] is not self.switch])

    def add_ipv6(self, *names):
        """Gives hosts for each IPv4 address and route the IPv6 one in its place, if that is the lab's family."""
        hosts = [self[name] for name in names] if self.family is IPV6 else []
        for host in hosts:
            host.enable_ipv6()
            for line in host.run("ip", "-4", "-o", "address").stdout.splitlines():
                _, interface, _, address, *_ = line.split()
                length = "128" if address.endswith("/32") else "64"
                if not address.startswith("127."):
                    host.ip(f"addr replace {six(address.partition('/')[0])}/{length} dev {interface} nodad")
        for host in hosts:
            for line in host.run("ip", "-4", "route").stdout.splitlines():
                words = line.split()
                if "via" in words:
                    host.ip(f"route replace {six(words[0])} via {six(words[words.index('via') + 1])}")

    def build_client_side(self):
        router, client = self.host("router"), self.host("client")
        router.wire("eth0", mac_of("router"), f"{ADDRESS['router']}/24")
        run_link = f"link add eth1 type veth peer name eth0 address 02:00:00:00:02:02 netns {client.namespace}"
        router.ip(run_link, "addr add 198.51.100.1/24 dev eth1", "link set eth1 up")
        client.ip(f"addr add {ADDRESS['client']}/24 dev eth0", "link set eth0 up", "route add default via 198.51.100.1")
        router.sysctl(ip_forward=1)
        for name in ("director", "local", *self.servers):
            self[name].ip(f"route add default via {ADDRESS['router']}")

    def build_inside(self):
        self["director"].wire("eth1", "02:00:00:00:01:10", "203.0.113.10/24", lan="inside")
        self.add_inside("inner")
        for name in ("router", "local"):
            if name in self.hosts:
                self[name].ip(f"route add 203.0.113.0/24 via {ADDRESS['director']}")

    def add_inside(self, *names):
        """Adds hosts on the inside LAN.  Their gateway is the director, as NAT requires."""
        for name in names:
            host = self.host(name)
            host.wire("eth0", f"02:00:00:00:01:{last_byte(ADDRESS[name])}", f"{ADDRESS[name]}/24", lan="inside")
            host.ip(f"route add default via {DIRECTOR_INSIDE}")
        self.add_ipv6(*names)

    def add_far(self, lan, *names, gates=("gate1",)):
        """Adds hosts behind routers of a LAN.  The first router is their gateway and the director's next hop."""
        self.switch.ip("link add far up type bridge mcast_snooping 0")
        for name in gates:
            gate, near = self.host(name), NEAR[lan][name]
            gate.wire("eth0", f"02:00:00:00:02:{last_byte(near)}", f"{near}/24", lan=lan)
            gate.wire("eth1", f"02:00:00:00:03:{last_byte(FAR_SIDE[name])}", f"{FAR_SIDE[name]}/26", lan="far")
            gate.sysctl(ip_forward=1)
            gate.ip(f"route add default via {ADDRESS['router'] if lan == 'lan' else DIRECTOR_INSIDE}")
        for name in names:
            host = self.host(name)
            host.wire("eth0", f"02:00:00:00:03:{last_byte(ADDRESS[name])}", f"{ADDRESS[name]}/26", lan="far")
            host.ip(f"route add default via {FAR_SIDE[gates[0]]}")
        self["director"].ip(f"route add {FAR_NET} via {NEAR[lan][gates[0]]}")
        self.add_ipv6(*gates, *names, "director")

    def build_server(self, server):
        server.sysctl(conf__all__arp_ignore=1, conf__all__arp_announce=2)
        server.ip(*[f"addr add {vip}/32 dev lo" for vip in (VIP, VIP2)])
        self.add_ipv6(server.name)

    @property
    def everywhere(self):
        """The address that a server of every family in use binds."""
        return "[::]" if self.family is IPV6 else "0.0.0.0"

    def serve_web(self, *names, port=80):
        """Starts a web server on each of these hosts; every page is the host's name."""
        for name in names or self.servers:
            root = self.directory / f"www-{name}"
            root.mkdir(exist_ok=True)
            (root / "index.html").write_text(f"{name}\n")
            program = self[name].start("busybox", "httpd", "-f", "-p", f"{self.everywhere}:{port}", "-h", str(root))
            eventually(lambda httpd=program: httpd.listens_on(port), 5, f"the web server of {name}")

    def page_root(self, name):
        return pathlib.Path(self.directory / f"www-{name}")

    def connect(self, host, port=80, seconds=60):
        """An open, idle connection from a host to a port of the VIP."""
        with self[host].inside():
            s = self.family.socket()
        s.settimeout(seconds)
        try:
            s.connect((self.family.vip, port))
        except OSError as error:
            s.close()
            raise Trouble(f"connect: {error}") from error
        return s

    def request(self, host, count=1, parallel=1, url=None, patience=60):
        """This many requests from a host, each on a new connection; a repeated SYN is no failure."""
        command = curl(count, parallel, url or f"{self.family.url}/", patience)
        done = self[host].run(*command, check=False, timeout=20 + count * patience / parallel)
        return read_answers(done.stdout)


def curl(count, parallel, url, patience=60):
    """The command for this many requests.  Each prints the page, and a line `= HTTP-STATUS ERROR`."""
    together = ["--parallel", "--parallel-immediate", "--parallel-max", str(parallel)] if parallel > 1 else []
    return ["curl", "--no-progress-meter", "--max-time", str(patience), "--header", "Connection: close", *together,
            "--write-out", "= %{http_code} %{errormsg}\\n", f"{url}?[1-{count}]"]


def read_answers(text):
    answers = Answers(collections.Counter(), [])
    for line in text.splitlines():
        if not line.startswith("= "):
            answers.of[line] += 1
        elif not line.startswith("= 200 "):
            answers.failures.append(line[2:].strip())
    return answers


class Load:
    """Requests from a host, some in parallel, until stop()."""

    def __init__(self, network, host, parallel=20, url=None, patience=60):
        self.end = network.directory / "stop-load"
        self.end.unlink(missing_ok=True)
        command = " ".join(f"'{word}'" for word in curl(10 * parallel, parallel, url or f"{network.family.url}/",
                                                             patience))
        self.program = network[host].start("sh", "-c", f"until [ -e {self.end} ]; do {command} 2>/dev/null; done")

    def answers(self):
        return read_answers(self.program.text())

    def wait_for(self, more, server=None):
        """Waits until this many more requests have been answered (by this server)."""
        def answered():
            of = self.answers().of
            return of[server] if server else sum(of.values())
        start = answered()
        eventually(lambda: answered() >= start + more, 20, f"{more} more answers {'of ' + server if server else ''}")

    def stop(self):
        self.end.touch()
        self.program.wait(30)
        return self.answers()
