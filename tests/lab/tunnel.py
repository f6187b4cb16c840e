# SPDX-License-Identifier: BSD-2-Clause
"""TUN: the servers are anywhere, unwrap packets, and answer the clients directly."""
import os
import re

from case import all_answered, case, same, true
from lab.director import Director, virtual
from lab.frames import ICMP, Capture
from lab.namespaces import eventually
from lab.topology import DIRECTOR_INSIDE, FAR_NET, FAR_SIDE, NEAR, VIP, Load
from programs import (MEGABYTE, a_thousand_requests, fifty_megabytes_each_way, names_by_udp_and_tcp, serve_names,
                      shared_by_weight, unwrap_at, upload, upload_page)

FAR = ("far1", "far2")
IPIP, GRE, UDP = {4: 4, 6: 41}, 47, 17  # IP in IP by the inner family
NEEDED = 4  # the code of "fragmentation needed"


def is_ipip(lab, frame):
    return frame.protocol == IPIP[lab.family.version]


def tun(*names, options="", **keys):
    return virtual(servers=[f"{name} forward=tun {options}" for name in names], **keys)


@case(seconds=60)
def a_thousand_parallel_requests_to_servers_on_the_lan_are_all_answered_by_weight(lab):
    lab.serve_web()
    unwrap_at(lab, "rs1", "rs2")
    section = virtual(scheduler="wrr", servers=("rs1 forward=tun weight=1", "rs2 forward=tun weight=3"),
                      family=lab.family)
    director = Director(lab, section).start()
    at_server = Capture(lab["rs1"])
    a_thousand_requests(lab, director, {"rs1": 1, "rs2": 3})
    arrived = [f for f in at_server.frames() if f.target == lab.family.address["rs1"] and is_ipip(lab, f)]
    same({(f.source, f.ttl) for f in arrived}, {(lab.family.address["director"], 62)},
         "outer source addresses and TTLs")
    same(lab["director"].routed(), 0, "packets that the director's kernel routed")


@case(seconds=60)
def fifty_megabytes_go_up_and_down_unchanged_through_a_tunnel(lab):
    lab.serve_web()
    unwrap_at(lab, "rs1")
    Director(lab, tun("rs1", family=lab.family)).start()
    for client in ("client", "local"):
        fifty_megabytes_each_way(lab, client, "rs1")


@case(seconds=60)
def servers_behind_a_router_are_reached_by_the_kernels_routes_as_they_change(lab):
    lab.add_far("lan", *FAR, gates=("gate1", "gate2"))
    lab.serve_web(*FAR)
    unwrap_at(lab, *FAR)
    director = Director(lab, tun(*FAR, scheduler="rr", family=lab.family), arp_hold=64).start()
    a_thousand_requests(lab, director, {"far1": 1, "far2": 1})
    load = Load(lab, "client")
    load.wait_for(100)
    by_gate2 = Capture(lab["gate2"])
    lab["director"].ip(f"route replace {FAR_NET} via {NEAR['lan']['gate2']}")
    lab.add_ipv6("director")
    eventually(lambda: [f for f in by_gate2.frames() if is_ipip(lab, f)], 5, "tunnel packets by the new router")
    by_gate1 = Capture(lab["gate1"])
    load.wait_for(200)
    same([f for f in by_gate1.frames() if is_ipip(lab, f)], [], "tunnel packets by the old router")
    same(load.stop().failures, [], "requests that failed while the route changed")
    same(director.dropped(), {}, "frames dropped")


@case(seconds=60)
def servers_behind_a_router_on_the_inside_are_reached_from_the_inside_address(lab):
    lab.add_far("inside", *FAR)
    lab.serve_web(*FAR)
    unwrap_at(lab, *FAR)
    director = Director(lab, tun(*FAR, scheduler="rr", family=lab.family), inside="eth1").start()
    at_server = Capture(lab["far1"])
    a_thousand_requests(lab, director, {"far1": 1, "far2": 1})
    same({f.source for f in at_server.frames() if is_ipip(lab, f)}, {lab.family.of(DIRECTOR_INSIDE)},
         "outer source addresses")


def other_tunnel(lab, options, kind, protocol):
    lab.serve_web()
    unwrap_at(lab, "rs1", "rs2", kind=kind)
    director = Director(lab, tun("rs1", "rs2", options=options, scheduler="rr", family=lab.family)).start()
    at_server = Capture(lab["rs1"])
    a_thousand_requests(lab, director, {"rs1": 1, "rs2": 1})
    frames = [f for f in at_server.frames() if f.source == lab.family.address["director"] and not f.op]
    same({f.protocol for f in frames}, {protocol}, "protocols of what the director sent")
    upload_page(lab, "rs1", "rs2")
    upload(lab, "client", os.urandom(MEGABYTE) * 10)


@case(seconds=60)
def gre_carries_it_as_well(lab):
    other_tunnel(lab, "tun_type=gre", "gre", GRE)


@case(seconds=60)
def gre_with_a_checksum_carries_it_as_well(lab):
    other_tunnel(lab, "tun_type=gre tun_checksum=on", "gre", GRE)


@case(seconds=60)
def gue_carries_it_as_well(lab):
    other_tunnel(lab, "tun_type=gue tun_port=6080", "gue:6080", UDP)


@case(seconds=60)
def gue_with_a_checksum_carries_it_as_well(lab):
    other_tunnel(lab, "tun_type=gue tun_port=6080 tun_checksum=on", "gue:6080", UDP)


@case(needs=("dnsmasq", "dig"))
def names_are_asked_by_udp_and_tcp_through_a_tunnel(lab):
    serve_names(lab, "rs1", "rs2", address=lambda _: lab.family.vip)
    unwrap_at(lab, "rs1", "rs2")
    sections = [tun("rs1", "rs2", name=name, ports=ports, scheduler="rr", family=lab.family)
                for name, ports in (("dns", "udp/53"), ("dns-tcp", "tcp/53"))]
    names_by_udp_and_tcp(lab, Director(lab, *sections).start(), "rs1", "rs2")


@case(needs=("dnsmasq", "dig"))
def names_are_asked_by_udp_and_tcp_by_direct_routing(lab):
    serve_names(lab, "rs1", "rs2", address=lambda _: lab.family.vip)
    sections = [virtual(name, ports=ports, scheduler="rr", family=lab.family)
                for name, ports in (("dns", "udp/53"), ("dns-tcp", "tcp/53"))]
    names_by_udp_and_tcp(lab, Director(lab, *sections).start(), "rs1", "rs2")


def learned_mtu(host, target=VIP):
    """The path MTU to a target that a host's kernel has learned; 0: none."""
    found = re.search(r"\bmtu (\d+)", host.run("ip", "route", "get", target).stdout)
    return int(found.group(1)) if found else 0


def narrow_far_link(lab, mtu):
    """The far LAN has a smaller MTU, but its server does not announce it: its MSS is that of 1500 bytes."""
    lab["gate1"].mtu("eth1", mtu)
    lab["far1"].mtu("eth0", mtu)
    lab["far1"].ip(f"route replace default via {FAR_SIDE['gate1']} advmss 1460")


@case(seconds=60)
def a_client_learns_the_tunnels_own_20_bytes(lab):
    lab.serve_web("rs1")
    upload_page(lab, "rs1")
    unwrap_at(lab, "rs1")
    director = Director(lab, tun("rs1")).start()
    for client in ("client", "local"):
        upload(lab, client, os.urandom(MEGABYTE) * 10)
        same(learned_mtu(lab[client]), 1480, f"the path MTU that {client} learned")
    true(director.exits()["too-big"] > 0, "too-big was not counted")
    same(director.dropped(), {}, "frames dropped")


@case(seconds=60)
def a_client_learns_a_narrow_link_behind_the_tunnel_and_ten_megabytes_go_up(lab):
    lab.add_far("lan", "far1")
    narrow_far_link(lab, 1400)
    lab.serve_web("far1")
    upload_page(lab, "far1")
    unwrap_at(lab, "far1")
    director = Director(lab, tun("far1")).start()
    at_client = Capture(lab["client"])
    upload(lab, "client", os.urandom(MEGABYTE) * 10)
    same(learned_mtu(lab["client"]), 1380, "the path MTU that the client learned")
    told = [f for f in at_client.frames() if f.protocol == ICMP and not f.outgoing]
    same({(f.source, f.data[34:36]) for f in told}, {(VIP, bytes([3, NEEDED]))}, "who told it, type and code")
    same({int.from_bytes(f.data[40:42], "big") for f in told}, {1480, 1380}, "sizes it was told")
    true(director.exits()["tunnel-error"] > 0, "tunnel-error was not counted")
    # The next client is told at once: the director has learned it, too.
    before = director.exits()["tunnel-error"]
    upload(lab, "local", os.urandom(MEGABYTE) * 10)
    same(learned_mtu(lab["local"]), 1380, "the path MTU that the next client learned")
    same(director.exits()["tunnel-error"], before, "errors from the narrow link afterwards")
    same(director.dropped(), {}, "frames dropped")


@case(seconds=60)
def a_narrow_link_behind_gue_is_learned_as_well(lab):
    lab.add_far("lan", "far1")
    narrow_far_link(lab, 1400)
    lab.serve_web("far1")
    upload_page(lab, "far1")
    unwrap_at(lab, "far1", kind="gue:6080")
    Director(lab, tun("far1", options="tun_type=gue tun_port=6080")).start()
    upload(lab, "client", os.urandom(MEGABYTE) * 10)
    same(learned_mtu(lab["client"]), 1400 - 20 - 8 - 4, "the path MTU that the client learned")


@case(seconds=60)
def without_pmtu_disc_what_is_too_large_is_cut_and_the_client_learns_nothing(lab):
    lab.serve_web("rs1")
    upload_page(lab, "rs1")
    unwrap_at(lab, "rs1")
    director = Director(lab, tun("rs1"), pmtu_disc=0).start()
    upload(lab, "client", os.urandom(MEGABYTE) * 10)
    same(learned_mtu(lab["client"]), 0, "the path MTU that the client learned")
    same(director.dropped(), {}, "frames dropped")


@case(seconds=60)
def all_three_methods_serve_one_service_together(lab):
    lab.serve_web("rs1", "rs2")
    lab.add_inside("in1")
    lab.serve_web("in1", port=8080)
    unwrap_at(lab, "rs2")
    section = virtual(scheduler="rr", servers=("rs1", "rs2 forward=tun", "in1:8080 forward=nat"),
                      family=lab.family)
    director = Director(lab, section, inside="eth1").start()
    shared_by_weight(lab, director, "client", 300, {"rs1": 1, "rs2": 1, "in1": 1}, parallel=30)
    same(director.dropped(), {}, "frames dropped")
