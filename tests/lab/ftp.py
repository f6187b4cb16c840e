# SPDX-License-Identifier: BSD-2-Clause
"""FTP for real: vsftpd on two servers, curl and lftp as clients, by all three methods; and clients and servers that cut
their commands into single bytes."""
import os
import re
import socket
import sys

from case import case, same, true
from lab.director import Director, virtual
from lab.frames import SYN, Capture
from lab.namespaces import eventually
from lab.topology import ADDRESS, IPV6, VIP
from programs import HERE, loud, unwrap_at

IN = ("in1", "in2")
PASSIVE = (30000, 30400)
FILES = 75  # on each server, the same: f1 ...
MODES = {"EPSV": (), "PASV": ("--disable-epsv",), "EPRT": ("--ftp-port", "-"),
         "PORT": ("--ftp-port", "-", "--disable-eprt")}
OF_IPV4 = ("PASV", "PORT")  # whose addresses have four bytes


def modes(lab, *some):
    """Those of these modes that the lab's family has."""
    return [mode for mode in some or MODES if lab.family is not IPV6 or mode not in OF_IPV4]


def url(lab, path=""):
    return f"ftp://{lab.family.place(lab.family.vip)}/{path}"


def content(number):
    """Of file number N: from a few bytes to some 300 KB."""
    return (f"file {number}\n" * (number ** 3 // 6 + 1)).encode()


def vsftpd(lab, *names, **settings):
    """An anonymous server on each host: /pub has the files, /up takes some."""
    empty = lab.directory / "empty"
    empty.mkdir(exist_ok=True)
    for name in names:
        root = lab.directory / f"ftp-{name}"
        for folder in ("pub", "up"):
            (root / folder).mkdir(parents=True)
        for number in range(1, FILES + 1):
            (root / "pub" / f"f{number}").write_bytes(content(number))
        (root / name).write_text(name)
        (root / "up").chmod(0o777)
        keys = {"listen": "NO", "listen_ipv6": "YES"} if lab.family is IPV6 else {"listen": "YES"}
        keys |= {"background": "NO", "anonymous_enable": "YES", "local_enable": "NO",
                "write_enable": "YES", "anon_upload_enable": "YES", "anon_mkdir_write_enable": "YES",
                "anon_umask": "022", "no_anon_password": "YES", "anon_root": root, "secure_chroot_dir": empty,
                "isolate": "NO", "isolate_network": "NO", "seccomp_sandbox": "NO", "connect_from_port_20": "YES",
                "pasv_min_port": PASSIVE[0], "pasv_max_port": PASSIVE[1], **settings}
        file = lab.directory / f"vsftpd-{name}.conf"
        file.write_text("".join(f"{key}={value}\n" for key, value in keys.items()))
        server = lab[name].start("sh", "-c", f"exec vsftpd {file} 0>&1")  # it complains to its standard input
        eventually(lambda program=server: not program.running() or program.listens_on(21), 5, f"vsftpd of {name}")
        true(server.running(), f"vsftpd of {name}: {server.text()}")


def curl(lab, *arguments, client="client"):
    return lab[client].run("curl", "--silent", "--show-error", "--fail", "--connect-timeout", "60", "--max-time", "120",
                           *arguments, timeout=50).stdout


def fetch_and_send(lab, client, mode, downloads=12, uploads=6):
    """This many files down and up, on one control connection each, and listings; compares them.  Returns their number.

    Few: on a busy machine, curl 7.88 often sleeps for a second before it opens a passive data connection (with any
    server, without any director).  mirror() transfers many with lftp."""
    flags = MODES[mode]
    got, put = lab.directory / f"got-{mode}", lab.directory / f"put-{mode}"
    for folder in (got, put):
        folder.mkdir(exist_ok=True)
    curl(lab, *flags, url(lab, f"pub/f[1-{downloads}]"), "--output", f"{got}/f#1", client=client)
    for number in range(1, downloads + 1):
        same((got / f"f{number}").read_bytes(), content(number), f"{mode}: file {number} at the client")
        (got / f"f{number}").unlink()
    for number in range(1, uploads + 1):
        (put / f"{mode}-{client}-{number}").write_bytes(content(number + 30))
    curl(lab, *flags, "--upload-file", f"{put}/{mode}-{client}-[1-{uploads}]", url(lab, "up/"), client=client)
    for number in range(1, uploads + 1):
        found = [f.read_bytes() for f in lab.directory.glob(f"ftp-*/up/{mode}-{client}-{number}")]
        same(found, [content(number + 30)], f"{mode}: file {number} sent by {client}, at the servers")
    names = curl(lab, *flags, "--list-only", url(lab, "pub/"), client=client).split()
    same(sorted(names), sorted(f"f{n}" for n in range(1, FILES + 1)), f"{mode}: names listed")
    listing = curl(lab, *flags, url(lab, "pub/"), client=client).splitlines()
    sizes = sorted(int(line.split()[4]) for line in listing)
    same(sizes, sorted(len(content(n)) for n in range(1, FILES + 1)), f"{mode}: sizes listed")
    return downloads + uploads + 2


def mirror(lab, client, passive):
    """lftp, with four connections at once: a folder down, and up again under another name.  Returns the transfers."""
    here = lab.directory / f"mirror-{client}-{passive}"
    there = f"up/{client}-{passive}"
    mode = "on" if passive else "off"
    script = (f"set net:max-retries 1; set net:timeout 5; set ftp:passive-mode {mode}; set ftp:use-feat off; "
              f"open {url(lab)}; mirror --parallel=4 pub {here}; mirror -R --parallel=4 {here} {there}")
    lab[client].run("lftp", "--norc", "-c", script, timeout=50)
    for number in range(1, FILES + 1):
        same((here / f"f{number}").read_bytes(), content(number), f"lftp: file {number} at {client}")
        found = [f.read_bytes() for f in lab.directory.glob(f"ftp-*/{there}/f{number}")]
        same(found, [content(number)], f"lftp: file {number} from {client}, at the servers")
    return 2 * FILES


def with_addresses(lab, director, count):
    """The servers of clients with this many addresses: each asks one server and stays there."""
    sources = [lab.family.of(f"198.51.100.{100 + n}") for n in range(count)]
    lab["client"].ip(*[f"addr add {source}/{24 if lab.family.version == 4 else 64} dev eth0" for source in sources])
    seen = []
    for source in sources:
        names = {name for _ in range(2) for name in curl(lab, "--list-only", "--interface", source, url(lab)).split()}
        names -= {"pub", "up"}
        same(len(names), 1, f"servers that {source} met")
        seen += names
    same(director.dropped(), {}, "frames dropped")
    return {name: seen.count(name) for name in seen}


GROUP = {"ports": f"tcp/20-21,{PASSIVE[0]}-{PASSIVE[1]}", "persistence": 360, "scheduler": "rr"}


@case(seconds=60, needs=("vsftpd", "lftp"))
def files_go_down_and_up_passively_by_direct_routing(lab):
    vsftpd(lab, "rs1", "rs2", pasv_address=VIP)
    director = Director(lab, virtual("ftp", family=lab.family, **GROUP)).start()
    total = sum(fetch_and_send(lab, "client", mode) for mode in modes(lab, "EPSV", "PASV"))
    total += sum(mirror(lab, client, passive=True) for client in ("client", "local"))
    true(total >= 300 + 20 * len(modes(lab, "EPSV", "PASV")), f"only {total} transfers")
    same(with_addresses(lab, director, 6), {"rs1": 3, "rs2": 3}, "clients of each server")


@case(seconds=60, needs=("vsftpd", "lftp"))
def files_go_down_and_up_passively_through_a_tunnel(lab):
    vsftpd(lab, "rs1", "rs2", pasv_address=VIP)
    unwrap_at(lab, "rs1", "rs2")
    section = virtual("ftp", servers=("rs1 forward=tun", "rs2 forward=tun"), family=lab.family, **GROUP)
    director = Director(lab, section).start()
    total = sum(fetch_and_send(lab, "client", mode) for mode in modes(lab, "EPSV", "PASV"))
    total += sum(mirror(lab, client, passive=True) for client in ("client", "local"))
    true(total >= 300 + 20 * len(modes(lab, "EPSV", "PASV")), f"only {total} transfers")
    same(with_addresses(lab, director, 6), {"rs1": 3, "rs2": 3}, "clients of each server")


@case(seconds=60, needs=("vsftpd", "lftp"))
def files_go_down_and_up_actively_by_direct_routing(lab):
    vsftpd(lab, "rs1", "rs2", pasv_address=VIP)
    director = Director(lab, virtual("ftp", family=lab.family, **GROUP)).start()
    for mode in modes(lab, "EPRT", "PORT"):
        fetch_and_send(lab, "client", mode)
    same(director.dropped(), {}, "frames dropped")


def nat_service(lab, **keys):
    section = virtual("ftp", ports="tcp/21", scheduler="rr", servers=[f"{name} forward=nat" for name in IN],
                      family=lab.family, **keys)
    return Director(lab, section, inside="eth1").start()


@case(seconds=60, needs=("vsftpd",))
def files_go_down_and_up_in_all_modes_through_nat(lab):
    lab.add_inside(*IN)
    vsftpd(lab, *IN)
    director = nat_service(lab)
    at_client = Capture(lab["client"])
    total = sum(fetch_and_send(lab, "client", mode) for mode in modes(lab))
    total += sum(fetch_and_send(lab, "local", mode) for mode in modes(lab, "EPRT", "PORT"))
    true(total >= 30 * len(modes(lab)), f"only {total} transfers")
    same(loud(at_client.frames(), *map(lab.family.address.get, IN)), [],
         "frames that show a server's own address to the client")
    same(director.dropped(), {}, "frames dropped")
    eventually(lambda: all(row["active"] == "0" for row in director.servers().values()), 10, "all connections closed")


@case(seconds=60, needs=("vsftpd", "lftp"))
def folders_go_down_and_up_by_lftp_through_nat_over_several_connections_at_once(lab):
    lab.add_inside(*IN)
    vsftpd(lab, *IN)
    director = nat_service(lab, persistence=360)
    total = sum(mirror(lab, client, passive) for client in ("client", "local") for passive in (True, False))
    same(total, 8 * FILES, "transfers")
    same(director.dropped(), {}, "frames dropped")


@case(seconds=60, needs=("vsftpd",))
def by_one_arm_ftp_works_passively_and_actively_as_well(lab):
    for name in lab.servers:
        lab[name].ip(f"route replace default via {ADDRESS['director']}")
    lab.add_ipv6(*lab.servers)
    vsftpd(lab, *lab.servers)
    section = virtual("ftp", ports="tcp/21", scheduler="rr", servers=[f"{name} forward=nat" for name in lab.servers],
                      family=lab.family)
    director = Director(lab, section).start()
    for mode in modes(lab, "EPSV", "EPRT", "PORT"):
        fetch_and_send(lab, "client", mode)
    same(director.dropped(), {}, "frames dropped")


@case(seconds=60, needs=("vsftpd",))
def passive_ports_that_no_service_names_are_opened_through_nat(lab):
    lab.add_inside(*IN)
    vsftpd(lab, *IN, pasv_min_port=50000, pasv_max_port=60000)
    director = nat_service(lab)
    for mode in modes(lab, "EPSV", "PASV"):
        fetch_and_send(lab, "client", mode)
    same(director.dropped(), {}, "frames dropped")


@case(seconds=60, needs=("vsftpd",))
def segments_of_thirty_six_bytes_carry_the_commands_and_files_through_nat(lab):
    lab.add_inside(*IN)
    vsftpd(lab, *IN)
    director = nat_service(lab)
    lab["client"].ip("route replace default via 198.51.100.1 advmss 48")
    lab["in1"].ip("route replace default via 203.0.113.10 advmss 48")
    lab["in2"].ip("route replace default via 203.0.113.10 advmss 48")
    at_client = Capture(lab["client"])
    for mode in modes(lab, "PASV", "EPSV", "EPRT", "PORT"):
        fetch_and_send(lab, "client", mode)
    offers = [f.data for f in at_client.frames() if f.flags & SYN and 21 in (f.source_port, f.target_port)]
    true(offers and all(b"\2\4\0\60" in syn for syn in offers), "no MSS of 48, which timestamps make 36")
    same(director.dropped(), {}, "frames dropped")


def small_ftp(lab, *names):
    for name in names:
        server = lab[name].start(sys.executable, str(HERE / "small_server"), "ftp", ADDRESS[name], name)
        eventually(lambda program=server: "ready" in program.text() or not program.running(), 10, f"ftp of {name}")
        true(server.running(), server.text())


class ByteClient:
    """An FTP client that sends each byte in a segment of its own."""

    def __init__(self, host):
        self.host = host
        with host.inside():
            self.control = socket.socket()
        self.control.settimeout(60)
        self.control.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.control.connect((VIP, 21))
        self.address = self.control.getsockname()[0]
        self.lines = self.control.makefile("r", newline="\r\n")
        self.expect("220")
        self.say("USER anonymous", "230")

    def expect(self, status):
        line = self.lines.readline().strip()
        true(line.startswith(status), f"the server said {line!r}, expected {status}")
        return line

    def say(self, text, status):
        for byte in text.encode() + b"\r\n":
            self.control.send(bytes([byte]))
        return self.expect(status)

    def passive(self, mode):
        if mode == "PASV":
            numbers = re.search(r"\((\d+(?:,\d+){5})\)", self.say("PASV", "227")).group(1).split(",")
            address, port = ".".join(numbers[:4]), int(numbers[4]) * 256 + int(numbers[5])
        else:
            address, port = VIP, int(re.search(r"\|\|\|(\d+)\|", self.say("EPSV", "229")).group(1))
        same(address, VIP, "the address in the answer to PASV")
        with self.host.inside():
            data = socket.socket()
        data.settimeout(60)
        data.connect((address, port))
        return lambda: data

    def active(self, mode, port=0):
        with self.host.inside():
            listener = socket.create_server((self.address, port))
        listener.settimeout(60)
        port = listener.getsockname()[1]
        if mode == "PORT":
            self.say(f"PORT {self.address.replace('.', ',')},{port >> 8},{port & 255}", "200")
        else:
            self.say(f"EPRT |1|{self.address}|{port}|", "200")

        def accept():
            data, peer = listener.accept()
            same(peer[0], VIP, "who opened the data connection")
            listener.close()
            return data
        return accept

    def transfer(self, mode, verb, name, body=b"", **options):
        open_data = (self.passive if mode in ("PASV", "EPSV") else self.active)(mode, **options)
        self.say(f"{verb} {name}", "150")
        text = b""
        with open_data() as data:
            data.settimeout(60)
            if verb == "STOR":
                data.sendall(body)
                data.shutdown(socket.SHUT_WR)
            while piece := data.recv(1 << 16):
                text += piece
        return text.decode(), self.expect("226")

    def close(self):
        self.say("QUIT", "221")
        self.control.close()


@case(seconds=60)
def commands_and_answers_of_single_bytes_are_understood_through_nat(lab):
    lab.add_inside(*IN)
    small_ftp(lab, *IN)
    director = nat_service(lab)
    clients = [ByteClient(lab[name]) for name in ("client", "local")]
    servers = set()
    for mode in MODES:
        for number, client in enumerate(clients):
            for turn in range(5):
                text, _ = client.transfer(mode, "RETR", f"{mode}-{turn}")
                servers.add((number, text.split()[0]))
                same(text.split()[1:], [f"{mode}-{turn}"], f"{mode}: what was sent")
                _, said = client.transfer(mode, "STOR", "s", os.urandom(1000 * turn + 1))
                same(said, f"226 s has {1000 * turn + 1} bytes", f"{mode}: the answer after it was sent")
    for client in clients:
        client.close()
    met = [[name for who, name in servers if who == number] for number in (0, 1)]
    same(sorted(met), [["in1"], ["in2"]],
         "the servers that each client met")
    same(director.dropped(), {}, "frames dropped")


@case()
def a_clients_port_that_one_server_called_may_be_called_by_another_soon_after(lab):
    lab.add_inside(*IN)
    small_ftp(lab, *IN)
    nat_service(lab)
    at_client = Capture(lab["client"])
    for turn, mode in enumerate(("PORT", "EPRT", "PORT", "EPRT")):  # one after another, in1 and in2 by turns
        client = ByteClient(lab["client"])
        client.transfer(mode, "RETR", f"turn-{turn}", port=40001)
        client.close()
    same(loud(at_client.frames(), *map(ADDRESS.get, IN)), [], "frames that show a server's own address to the client")
