# SPDX-License-Identifier: BSD-2-Clause
"""What the network does over IPv6: narrow links, whose routers only say Packet Too Big; tunnels of the other family;
router advertisements, by which hosts and the director itself get their addresses."""
import functools
import os
import socket

from case import all_answered, case, same, true
from health import check
from lab.director import Director, virtual
from lab.frames import ICMPV6, TOO_BIG, Capture
from lab.namespaces import eventually
from lab.topology import ADDRESS, ADDRESS6, DIRECTOR_INSIDE, IPV6, VIP, VIP6, VIP6_2, mac_of, six
from programs import MEGABYTE, download, unwrap_at, upload, upload_page
from tunnel import learned_mtu

NARROW = 1400
six_case = functools.partial(case, seconds=60, family=IPV6)


def too_big(frames):
    """Packet Too Big that came to the host: (target, MTU, source and target of the quoted packet)."""
    def address(data, at):
        return socket.inet_ntop(socket.AF_INET6, data[at:at + 16])
    return [(f.target, int.from_bytes(f.data[58:62], "big"), address(f.data, 70), address(f.data, 86))
            for f in frames if (f.protocol, f.icmp_type) == (ICMPV6, TOO_BIG) and not f.outgoing]


def five_megabytes_each_way(lab, name):
    upload_page(lab, name)
    content = os.urandom(MEGABYTE) * 5
    upload(lab, "client", content)
    download(lab, "client", content, name)


# --- a narrow link before the client: servers are told by its router, through the director ---


def narrow_client(lab):
    """The client's own link carries less than its TCP announces."""
    lab["client"].ip(f"link set eth0 mtu {NARROW}",
                     f"route replace default via {six('198.51.100.1')} advmss 1440")
    lab["router"].ip(f"link set eth1 mtu {NARROW}")


def server_learns(lab, name, director):
    """Files go both ways, and the server knows the path's MTU afterwards.  What it was told."""
    at_director, at_server = Capture(lab["director"]), Capture(lab[name])
    five_megabytes_each_way(lab, name)
    asked = {(target, mtu) for target, mtu, *_ in too_big(at_director.frames())}
    same(asked, {(VIP6, NARROW)}, "Packet Too Big at the director: to whom, and the MTU")
    same(learned_mtu(lab[name], ADDRESS6["client"]), NARROW, f"the path MTU to the client that {name} learned")
    same(director.dropped(), {}, "frames dropped")
    return at_server.frames()


@six_case()
def a_server_learns_of_the_clients_narrow_link_by_direct_routing(lab):
    lab.serve_web("rs1")
    narrow_client(lab)
    told = server_learns(lab, "rs1", Director(lab, virtual(servers=("rs1",), family=IPV6)).start())
    same(set(too_big(told)), {(VIP6, NARROW, VIP6, ADDRESS6["client"])}, "what the server was told")


@six_case()
def a_server_learns_of_the_clients_narrow_link_through_nat(lab):
    lab.add_inside("in1")
    lab.serve_web("in1", port=8080)
    narrow_client(lab)
    section = virtual(servers=("in1:8080 forward=nat",), family=IPV6)
    told = server_learns(lab, "in1", Director(lab, section, inside="eth1").start())
    expected = (ADDRESS6["in1"], NARROW, ADDRESS6["in1"], ADDRESS6["client"])
    same(set(too_big(told)), {expected}, "what the server was told: it is about its own packets")


@six_case()
def a_server_learns_of_the_clients_narrow_link_through_a_tunnel(lab):
    lab.serve_web("rs1")
    unwrap_at(lab, "rs1")
    narrow_client(lab)
    told = server_learns(lab, "rs1", Director(lab, virtual(servers=("rs1 forward=tun",), family=IPV6)).start())
    true([f for f in told if f.protocol == 41 and f.data[54 + 6] == ICMPV6 and f.data[54 + 40] == TOO_BIG],
         "no Packet Too Big came through the tunnel")


# --- a narrow link on the way to the server: clients are told ---


def client_learns(lab, name, director, mtu, told):
    """Files go both ways, and the client knows the path's MTU afterwards, from the VIP's errors alone."""
    at_client = Capture(lab["client"])
    five_megabytes_each_way(lab, name)
    same(learned_mtu(lab["client"], VIP6), mtu, "the path MTU to the VIP that the client learned")
    found = too_big(at_client.frames())
    same({size for _, size, *_ in found}, told, "MTUs that the client was told")
    same({row[2:] for row in found}, {(ADDRESS6["client"], VIP6)}, "sources and targets of the packets quoted")
    same(director.dropped(), {}, "frames dropped")


def narrow_far(lab):
    lab["gate1"].mtu("eth1", NARROW)
    lab["far1"].mtu("eth0", NARROW)
    lab["far1"].ip(f"route replace default via {six('203.0.113.65')} advmss 1440")


@six_case()
def a_client_learns_of_a_narrow_link_behind_a_router_through_nat(lab):
    lab.add_far("inside", "far1")
    narrow_far(lab)
    lab.serve_web("far1", port=8080)
    section = virtual(servers=("far1:8080 forward=nat",), family=IPV6)
    client_learns(lab, "far1", Director(lab, section, inside="eth1").start(), NARROW, {NARROW})


@six_case()
def a_client_learns_of_a_narrow_link_behind_a_router_through_a_tunnel(lab):
    lab.add_far("lan", "far1")
    narrow_far(lab)
    lab.serve_web("far1")
    unwrap_at(lab, "far1")
    director = Director(lab, virtual(servers=("far1 forward=tun",), family=IPV6)).start()
    client_learns(lab, "far1", director, NARROW - 40, {1500 - 40, NARROW - 40})
    true(director.exits()["tunnel-error"] > 0, "tunnel-error was not counted")
    # The next client is told at once: the director has learned it, too.
    before = director.exits()["tunnel-error"]
    upload(lab, "local", os.urandom(MEGABYTE) * 5)
    same(learned_mtu(lab["local"], VIP6), NARROW - 40, "the path MTU that the next client learned")
    same(director.exits()["tunnel-error"], before, "errors from the narrow link afterwards")


def narrow_inside(lab):
    """The director's own link to the servers; their TCP announces what the others carry."""
    for name, interface in (("director", "eth1"), ("in1", "eth0")):
        lab[name].mtu(interface, NARROW)
    lab["in1"].ip(f"route replace default via {six(DIRECTOR_INSIDE)} advmss 1440")


@six_case()
def a_client_learns_of_the_directors_own_narrow_link_through_nat(lab):
    lab.add_inside("in1")
    narrow_inside(lab)
    lab.serve_web("in1", port=8080)
    section = virtual(servers=("in1:8080 forward=nat",), family=IPV6)
    director = Director(lab, section, inside="eth1", mss_clamp="off").start()
    client_learns(lab, "in1", director, NARROW, {NARROW})
    true(director.exits()["too-big"] > 0, "too-big was not counted")


@six_case()
def a_client_learns_of_the_directors_own_narrow_link_by_direct_routing(lab):
    lab.add_inside("in1")
    lab.build_server(lab["in1"])
    narrow_inside(lab)
    lab.serve_web("in1")
    director = Director(lab, virtual(servers=("in1",), family=IPV6), inside="eth1").start()
    client_learns(lab, "in1", director, NARROW, {NARROW})
    true(director.exits()["too-big"] > 0, "too-big was not counted")


@six_case()
def a_client_learns_the_tunnels_own_40_bytes(lab):
    lab.serve_web("rs1")
    unwrap_at(lab, "rs1")
    director = Director(lab, virtual(servers=("rs1 forward=tun",), family=IPV6)).start()
    client_learns(lab, "rs1", director, 1460, {1460})
    true(director.exits()["too-big"] > 0, "too-big was not counted")


# --- tunnels of the other family ---


def mixed(lab, address, server, kind, options=""):
    lab.serve_web("rs1")
    unwrap_at(lab, "rs1", kind=kind)
    section = f"[virtual web]\naddress = {address}\nports = tcp/80\nserver = {server} forward=tun {options}\n"
    director = Director(lab, section).start()
    at_server = Capture(lab["rs1"])
    url = f"http://[{address}]" if ":" in address else f"http://{address}"
    all_answered(lab.request("client", 50, parallel=10, url=f"{url}/"), 50)
    upload_page(lab, "rs1")
    upload(lab, "client", os.urandom(MEGABYTE) * 5, f"{url}/cgi-bin/sum")
    same(director.dropped(), {}, "frames dropped")
    outer = {f.source for f in at_server.frames() if f.target == server and f.protocol in (4, 41, 47, 17)}
    same(outer, {(ADDRESS if "." in server else ADDRESS6)["director"]}, "outer source addresses")


@six_case()
def an_ipv6_service_goes_through_tunnels_of_ipv4(lab):
    mixed(lab, VIP6, ADDRESS["rs1"], "ipip")


@six_case()
def an_ipv4_service_goes_through_tunnels_of_ipv6(lab):
    mixed(lab, VIP, ADDRESS6["rs1"], "ipip")


@six_case()
def an_ipv6_service_goes_through_gre_of_ipv4(lab):
    mixed(lab, VIP6, ADDRESS["rs1"], "gre", "tun_type=gre")


@six_case()
def an_ipv4_service_goes_through_gue_of_ipv6(lab):
    mixed(lab, VIP, ADDRESS6["rs1"], "gue:6080", "tun_type=gue tun_port=6080")


# --- router advertisements ---

RADVD = """interface eth0 {
  AdvSendAdvert on;
  AdvLinkMTU %d;
  MinRtrAdvInterval 3;
  MaxRtrAdvInterval 4;
  prefix 2001:db8:1::/64 { AdvOnLink on; AdvAutonomous on; };
};
"""


def advertise(lab, program, mtu=0):
    """The router tells the LAN its prefix, and an MTU, if it is not 0."""
    if program == "radvd":
        file = lab.directory / "radvd.conf"
        file.write_text(RADVD % mtu)
        command = ("radvd", "--nodaemon", "--config", str(file), "--pidfile", str(lab.directory / "radvd.pid"),
                   "--logmethod", "stderr")
    else:
        command = ("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--pid-file=",
                   "--enable-ra", "--dhcp-range=2001:db8:1::,ra-only,64", "--ra-param=eth0,4,1800",
                   f"--dhcp-leasefile={lab.directory / 'leases'}")
    return lab["router"].start(*command)


def of_mac(mac):
    """The address that a host with this MAC address makes of the prefix (RFC 4291, appendix A)."""
    parts = [int(byte, 16) for byte in mac.split(":")]
    parts[0] ^= 2
    raw = bytes([*parts[:3], 0xff, 0xfe, *parts[3:]])
    return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, "2001:db8:1::")[:8] + raw)


def has_address(host, address):
    return f" {address}/" in host.run("ip", "-6", "-o", "address", "show", "dev", "eth0", "scope", "global").stdout


def newcomer(lab):
    """A host of the LAN that has no IPv6 address but by advertisements."""
    host, mac = lab.host("newcomer"), "02:00:00:00:00:60"
    host.wire("eth0", mac, "192.0.2.60/24")
    host.enable_ipv6(accept_ra=1)
    return host, of_mac(mac)


def hosts_get_their_addresses_beside_us(lab, program):
    lab.serve_web()
    director = Director(lab, virtual(scheduler="rr", family=IPV6)).start()
    lab["director"].sysctl6(conf__eth0__accept_ra=2)  # a router that takes advertisements
    daemon = advertise(lab, program)
    host, address = newcomer(lab)
    eventually(lambda: has_address(host, address), 20, f"the newcomer's address; {daemon.text()}")
    all_answered(lab.request("newcomer", 20, parallel=4), 20)
    eventually(lambda: "proto ra" in lab["director"].run("ip", "-6", "route", "show", "default").stdout, 20,
               "the advertised route in the director's kernel")
    eventually(lambda: has_address(lab["director"], of_mac(mac_of("director"))), 20, "the director's second address")
    all_answered(lab.request("client", 20, parallel=4), 20)
    true(daemon.running(), f"{program}: {daemon.text()}")
    same(director.dropped(), {}, "frames dropped")


@six_case(needs=("radvd",))
def hosts_get_their_addresses_from_radvd_beside_us(lab):
    hosts_get_their_addresses_beside_us(lab, "radvd")


@six_case(needs=("dnsmasq",))
def hosts_get_their_addresses_from_dnsmasq_beside_us(lab):
    hosts_get_their_addresses_beside_us(lab, "dnsmasq")


@six_case(needs=("radvd",), inside=False)
def a_director_that_gets_its_address_only_by_an_advertisement_serves_and_checks_from_it(lab):
    lab.serve_web()
    kinds = {"arp": {}, "icmp": {}, "tcp": {"port": 80}, "http": {"port": 80}}
    sections = [check(kind, type=kind, **keys) for kind, keys in kinds.items()]
    sections += [virtual(kind, ports=f"tcp/{80 + n}", check=kind, family=IPV6) for n, kind in enumerate(kinds)]
    lab["director"].run("ip", "-6", "address", "flush", "dev", "eth0", "scope", "global")
    lab["director"].sysctl6(conf__eth0__accept_ra=2)
    at_server, at_local = Capture(lab["rs1"]), Capture(lab["local"])
    director = Director(lab, *sections, garp_count=2).start()
    own = of_mac(mac_of("director"))
    advertise(lab, "radvd")

    def verdicts():
        return [row.get("health") for row in director.ask("list") if row["row"] == "server"]
    eventually(lambda: verdicts() == ["up"] * 8, 30, f"every check's server up; they are {verdicts()}")
    eventually(lambda: has_address(lab["director"], own), 20, "the director's address of the advertisement")
    all_answered(lab.request("client", 20, parallel=4), 20)

    def sources():  # before the advertisement the checks' packets come from the link-local address
        return {f.source for f in at_server.frames() if f.target == ADDRESS6["rs1"] and not f.outgoing and not f.op
                and f.sender == mac_of("director") and not f.source.startswith("fe80:")}
    eventually(sources, 20, "a check from the advertised address")
    same(sources(), {own}, "sources of checks")
    announced = {(f.sender, f.ttl) for f in at_local.frames() if f.op == 2 and f.about == VIP6}
    same(announced, {(mac_of("director"), 255)}, "who announces the VIP")


@six_case(needs=("radvd",))
def a_client_learns_the_mtu_that_a_router_advertises_through_a_tunnel_and_by_direct_routing(lab):
    lab.serve_web("rs1")
    unwrap_at(lab, "rs1")
    lab["director"].sysctl6(conf__eth0__accept_ra=2)
    tunnel = virtual("tunnel", servers=("rs1 forward=tun",), family=IPV6)
    route = virtual("route", address=VIP6_2, servers=("rs1",), family=IPV6)
    director = Director(lab, tunnel, route).start()

    def leaves_by(mtu):
        told = director.admin("explain", f"[{ADDRESS6['client']}]:4000", f"[{VIP6}]:80", check=False)
        return f" on eth0, MTU {mtu}, " in told.stdout
    true(leaves_by(1500), "the MTU before")
    daemon = advertise(lab, "radvd", NARROW)
    eventually(lambda: leaves_by(NARROW), 20, f"the advertised MTU; {daemon.text()}")
    lab["router"].sysctl6(conf__eth0__mtu=1500)  # radvd keeps to it itself: the router would be the one to tell clients
    client_learns(lab, "rs1", director, NARROW - 40, {NARROW - 40})
    upload(lab, "client", os.urandom(MEGABYTE) * 5, f"http://[{VIP6_2}]/cgi-bin/sum")
    same(learned_mtu(lab["client"], VIP6_2), NARROW, "the path MTU to the VIP by direct routing")
    same(director.log().count("interface eth0 is up"), 1, "times that the interface came up")
    daemon.stop()
    daemon = advertise(lab, "radvd", 1500)
    eventually(lambda: leaves_by(1500), 20, f"the larger MTU; {daemon.text()}")
