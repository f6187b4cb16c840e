# SPDX-License-Identifier: BSD-2-Clause
"""Datagrams of up to 64 KB, and links of different MTUs on the path: everything arrives as it was sent."""
import os
import socket
import sys

from case import case, same, true
from lab.director import Director, virtual
from lab.frames import ICMP, IPV4, Capture
from lab.namespaces import Trouble, eventually
from lab.topology import ADDRESS, DIRECTOR_INSIDE, FAR_SIDE, VIP
from programs import HERE, MEGABYTE, download, unwrap_at, upload, upload_page

PORT = 7
LARGEST = 65507       # payload of a UDP datagram
LARGEST_IN_TUNNEL = 65507 - 20
SIZES = (1, 1372, 1373, 1452, 1453, 1472, 1473, 1480, 2952, 2953, 8972, 8973, 20000, 65000)
IP_MTU_DISCOVER, PMTUDISC_DONT, PMTUDISC_DO = 10, 0, 2


def echo(lab, *names, address=None):
    """A server that sends every datagram back, at the VIP or at its own address."""
    for name in names:
        server = lab[name].start(sys.executable, str(HERE / "small_server"), "echo",
                                 address(name) if address else lab.family.vip, str(PORT))
        eventually(lambda program=server: not program.running() or "ready" in program.text(), 10, f"echo of {name}")
        true(server.running(), server.text())


def service(*servers, **keys):
    return virtual("echo", ports=f"udp/{PORT}", scheduler="rr", servers=servers, **keys)


def client_socket(lab, name, dont_fragment=False):
    with lab[name].inside():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
    s.setsockopt(socket.SOL_SOCKET, 32, 8 << 20)  # SO_SNDBUFFORCE
    s.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_DO if dont_fragment else PMTUDISC_DONT)
    s.settimeout(60)
    s.connect((VIP, PORT))
    return s


def comes_back(s, size):
    sent = os.urandom(size)
    s.send(sent)
    try:
        found = s.recv(1 << 16)
    except OSError as error:
        raise Trouble(f"a datagram of {size} bytes: {error}") from error
    true(found == sent, f"a datagram of {size} bytes came back as {len(found)} others")


def all_sizes_come_back(lab, director, clients=("client", "local"), largest=LARGEST):
    """Each size by several clients; and several datagrams at once, from sockets of their own."""
    for name in clients:
        with client_socket(lab, name) as s:
            for size in (*SIZES, largest):
                comes_back(s, size)
    crowd = [client_socket(lab, clients[0]) for _ in range(8)]
    texts = [os.urandom(30000 + number) for number in range(len(crowd))]
    for s, text in zip(crowd, texts):
        s.send(text)
    for s, text in zip(crowd, texts):
        with s:
            true(s.recv(1 << 16) == text, "another datagram came back than was sent")
    same(director.dropped(), {}, "frames dropped")


@case()
def datagrams_of_all_sizes_come_back_by_direct_routing(lab):
    echo(lab, "rs1", "rs2")
    all_sizes_come_back(lab, Director(lab, service("rs1", "rs2")).start())


@case()
def datagrams_of_all_sizes_come_back_through_nat(lab):
    lab.add_inside("in1", "in2")
    echo(lab, "in1", "in2", address=ADDRESS.get)
    director = Director(lab, service("in1 forward=nat", "in2 forward=nat"), inside="eth1").start()
    at_client = Capture(lab["client"])
    all_sizes_come_back(lab, director)
    own = [f for f in at_client.frames() if f.source in (ADDRESS["in1"], ADDRESS["in2"])]
    same(own, [], "frames that show a server's own address")
    same(lab["director"].routed(), 0, "packets that the director's kernel routed")


@case()
def datagrams_of_all_sizes_come_back_through_a_tunnel(lab):
    echo(lab, "rs1", "rs2")
    unwrap_at(lab, "rs1", "rs2")
    director = Director(lab, service("rs1 forward=tun", "rs2 forward=tun")).start()
    all_sizes_come_back(lab, director, largest=LARGEST_IN_TUNNEL)


@case()
def datagrams_of_all_sizes_come_back_through_gue_and_gre(lab):
    echo(lab, "rs1", "rs2")
    unwrap_at(lab, "rs1", kind="gre")
    unwrap_at(lab, "rs2", kind="gue:6080")
    section = service("rs1 forward=tun tun_type=gre tun_checksum=on", "rs2 forward=tun tun_type=gue tun_port=6080")
    all_sizes_come_back(lab, Director(lab, section).start(), largest=LARGEST - 20 - 8 - 8)


@case()
def datagrams_come_back_from_jumbo_frames_inside(lab):
    lab.add_inside("in1")
    jumbo(lab)
    echo(lab, "in1", address=ADDRESS.get)
    director = Director(lab, service("in1 forward=nat"), inside="eth1").start()
    all_sizes_come_back(lab, director)


@case()
def datagrams_come_back_over_a_narrow_link_behind_a_router(lab):
    lab.add_far("inside", "far1")
    narrow(lab, 1400)
    echo(lab, "far1", address=ADDRESS.get)
    director = Director(lab, service("far1 forward=nat"), inside="eth1").start()
    all_sizes_come_back(lab, director)


@case()
def datagrams_come_back_through_a_tunnel_over_a_narrow_link(lab):
    lab.add_far("lan", "far1")
    narrow(lab, 1400)
    unwrap_at(lab, "far1")
    echo(lab, "far1")
    director = Director(lab, service("far1 forward=tun")).start()
    all_sizes_come_back(lab, director, largest=LARGEST_IN_TUNNEL)


@case()
def datagrams_come_back_when_the_inside_link_itself_is_narrow(lab):
    lab.add_inside("in1")
    for name, interface in (("director", "eth1"), ("in1", "eth0")):
        lab[name].mtu(interface, 1400)
    echo(lab, "in1", address=ADDRESS.get)
    director = Director(lab, service("in1 forward=nat"), inside="eth1").start()
    all_sizes_come_back(lab, director)


@case()
def a_datagram_that_must_not_be_cut_is_refused_with_the_size_that_fits(lab):
    lab.add_inside("in1")
    for name, interface in (("director", "eth1"), ("in1", "eth0")):
        lab[name].mtu(interface, 1400)
    echo(lab, "in1", address=ADDRESS.get)
    director = Director(lab, service("in1 forward=nat"), inside="eth1").start()
    at_client = Capture(lab["client"])
    with client_socket(lab, "client", dont_fragment=True) as s:
        comes_back(s, 1372)
        s.send(bytes(1472))
        try:
            s.recv(1 << 16)
            found = "an answer"
        except OSError as error:
            found = error.strerror
        same(found, "Message too long", "what came of 1472 bytes")
        comes_back(s, 1372)
    told = [f for f in at_client.frames() if f.protocol == ICMP and not f.outgoing]
    same([(f.source, f.data[34:36], f.data[40:42]) for f in told], [(VIP, b"\3\4", (1400).to_bytes(2, "big"))], "ICMP")
    same(director.exits()["too-big"], 1, "too-big")


def jumbo(lab):
    """The inside LAN carries 9000 bytes."""
    for name, interface in (("director", "eth1"), ("in1", "eth0")):
        lab[name].mtu(interface, 9000)


def narrow(lab, mtu):
    """The far LAN carries less than the others; its hosts' TCP does not announce that."""
    lab["gate1"].mtu("eth1", mtu)
    lab["far1"].mtu("eth0", mtu)
    lab["far1"].ip(f"route replace default via {FAR_SIDE['gate1']} advmss 1460")


def files_both_ways(lab, name, clients=("client", "local")):
    upload_page(lab, name)
    content = os.urandom(MEGABYTE) * 5
    for client in clients:
        upload(lab, client, content)
        download(lab, client, content, name)


@case(seconds=60)
def files_go_both_ways_between_jumbo_frames_inside_and_1500_outside(lab):
    lab.add_inside("in1")
    jumbo(lab)
    lab["in1"].ip(f"route replace default via {DIRECTOR_INSIDE} advmss 8960")  # it would send up to 9000 if it may
    lab.serve_web("in1", port=8080)
    director = Director(lab, virtual(servers=("in1:8080 forward=nat",)), inside="eth1").start()
    files_both_ways(lab, "in1")
    same(director.dropped(), {}, "frames dropped")


@case(seconds=60)
def a_jumbo_server_learns_by_icmp_what_the_way_to_the_client_carries(lab):
    """The client announces more than its own link carries, so the server's segments are too long for it."""
    lab.add_inside("in1")
    jumbo(lab)
    lab["client"].ip("route replace default via 198.51.100.1 advmss 8960")
    lab.serve_web("in1", port=8080)
    section = virtual(servers=("in1:8080 forward=nat",))
    director = Director(lab, section, inside="eth1", mss_clamp="off").start()
    at_server = Capture(lab["in1"])
    files_both_ways(lab, "in1", clients=("client",))
    told = [f for f in at_server.frames() if f.protocol == ICMP and f.data[34:36] == b"\3\4"]
    true(told, "the server was not told that its segments are too long")
    true(director.exits()["too-big"] > 0, "too-big was not counted")
    same(director.dropped(), {}, "frames dropped")


@case(seconds=60)
def files_go_both_ways_over_a_narrow_link_behind_a_router_through_nat(lab):
    lab.add_far("inside", "far1")
    narrow(lab, 1400)
    lab.serve_web("far1", port=8080)
    director = Director(lab, virtual(servers=("far1:8080 forward=nat",)), inside="eth1").start()
    at_client = Capture(lab["client"])
    files_both_ways(lab, "far1")
    # The router's error is about the translated packet, and is translated back: the client knows only the VIP.
    told = [f for f in at_client.frames() if f.protocol == ICMP and not f.outgoing]
    true(told, "the client was not told")
    quoted = {socket.inet_ntoa(f.data[42 + 16:42 + 20]) for f in told}
    same(quoted, {VIP}, "addresses that the errors quote")
    same(director.dropped(), {}, "frames dropped")


@case(seconds=60)
def files_go_both_ways_when_the_clients_link_is_narrow(lab):
    lab.add_inside("in1")
    jumbo(lab)
    lab["client"].ip("link set eth0 mtu 1400", "route replace default via 198.51.100.1 advmss 1460")
    lab["router"].ip("link set eth1 mtu 1400")
    lab.serve_web("in1", port=8080)
    director = Director(lab, virtual(servers=("in1:8080 forward=nat",)), inside="eth1").start()
    at_server = Capture(lab["in1"])
    files_both_ways(lab, "in1", clients=("client",))
    # The client's router sends the VIP an error about the VIP's packets: the server gets one about its own.
    told = [f for f in at_server.frames() if f.protocol == ICMP and not f.outgoing]
    true(told, "the server was not told")
    quoted = {socket.inet_ntoa(f.data[42 + 12:42 + 16]) for f in told}
    same(quoted, {ADDRESS["in1"]}, "addresses that the errors quote")
    same(director.dropped(), {}, "frames dropped")


@case(seconds=60)
def files_go_both_ways_by_direct_routing_and_tunnel_when_the_clients_link_is_narrow(lab):
    lab.serve_web("rs1", "rs2")
    unwrap_at(lab, "rs2")
    lab["client"].ip("link set eth0 mtu 1400", "route replace default via 198.51.100.1 advmss 1460")
    lab["router"].ip("link set eth1 mtu 1400")
    director = Director(lab, virtual(servers=("rs1",)), virtual("two", ports="tcp/81", servers=("rs2 forward=tun",)))
    director.start()
    lab.serve_web("rs2", port=81)
    upload_page(lab, "rs1", "rs2")
    content = os.urandom(MEGABYTE) * 5
    for port, name in ((80, "rs1"), (81, "rs2")):
        upload(lab, "client", content, f"http://{VIP}:{port}/cgi-bin/sum")
        at_server = Capture(lab[name])
        download(lab, "client", content, name, url=f"http://{VIP}:{port}/large")
        lab["client"].ip("route flush cache")
        true([f for f in at_server.frames() if not f.outgoing and f.kind == IPV4], f"{name} saw nothing")
    same(director.dropped(), {}, "frames dropped")
