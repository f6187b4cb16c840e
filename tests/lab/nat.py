# SPDX-License-Identifier: BSD-2-Clause
"""NAT: the servers have neither the VIP nor its port; the director translates both ways; its kernel forwards, too."""
import signal

from case import all_answered, case, same, true
from lab.director import Director, virtual
from lab.frames import Capture
from lab.namespaces import eventually
from lab.topology import ADDRESS, FAR_NET, FAR_SIDE, NEAR, VIP, Load
from programs import (a_thousand_requests, fifty_megabytes_each_way, loud, names_by_udp_and_tcp, serve_names,
                      shared_by_weight)

IN = ("in1", "in2")
FAR = ("far1", "far2")


def nat(*names, port=8080, **keys):
    """A service on port 80 whose servers listen on another."""
    return virtual(servers=[f"{name}:{port} forward=nat" for name in names], **keys)


def inside_web(lab, port=8080):
    lab.add_inside(*IN)
    lab.serve_web(*IN, port=port)


def direct_url(lab, name, port=8080):
    """A server by its own address, through the director as a plain router."""
    return f"http://{lab.family.place(lab.family.address[name], port)}/"


@case(seconds=60)
def a_thousand_parallel_requests_to_servers_inside_on_another_port_are_all_answered_by_weight(lab):
    inside_web(lab)
    section = virtual(scheduler="wrr", servers=("in1:8080 forward=nat weight=1", "in2:8080 forward=nat weight=3"),
                      family=lab.family)
    director = Director(lab, section, inside="eth1").start()
    at_client = Capture(lab["client"])
    a_thousand_requests(lab, director, {"in1": 1, "in2": 3})
    same(loud(at_client.frames(), *map(lab.family.address.get, IN)), [],
         "frames that show a server's own address to the client")
    same(lab["director"].routed(), 0, "packets that the director's kernel routed")


@case(seconds=60)
def fifty_megabytes_go_up_and_down_unchanged_through_nat(lab):
    inside_web(lab)
    director = Director(lab, nat("in1", family=lab.family), inside="eth1").start()
    for client in ("client", "local"):
        fifty_megabytes_each_way(lab, client, "in1")
    same(director.dropped(), {}, "frames dropped")


@case(seconds=60)
def servers_on_the_lan_with_the_director_as_gateway_are_served_by_one_arm(lab):
    for name in lab.servers:
        lab[name].ip(f"route replace default via {ADDRESS['director']}")
    lab.add_ipv6(*lab.servers)
    lab.serve_web(port=8080)
    director = Director(lab, nat("rs1", "rs2", scheduler="rr", family=lab.family)).start()
    at_client = Capture(lab["client"])
    a_thousand_requests(lab, director, {"rs1": 1, "rs2": 1})
    fifty_megabytes_each_way(lab, "client", *lab.servers)
    same(loud(at_client.frames(), *map(lab.family.address.get, lab.servers)), [], "frames from a server's own address")
    same(lab["director"].routed(), 0, "packets that the director's kernel routed")
    same(director.dropped(), {}, "frames dropped")


@case(seconds=60)
def connections_past_the_service_are_routed_by_the_kernel_at_the_same_time(lab):
    inside_web(lab)
    director = Director(lab, nat(*IN, scheduler="rr", family=lab.family), inside="eth1").start()
    at_client = Capture(lab["client"])
    direct = Load(lab, "client", url=direct_url(lab, "in1"))
    through = Load(lab, "local")
    direct.wait_for(300)
    through.wait_for(300)
    for load, servers in ((direct, {"in1"}), (through, set(IN))):
        answers = load.stop()
        same(answers.failures, [], "failures")
        same(set(answers.of), servers, "who answered")
    same([f for f in at_client.frames() if f.is_reset and not f.outgoing], [], "resets that the client got")
    true(lab["director"].routed() > 1000, "the kernel routed nothing: what was tested?")
    same(director.dropped(), {}, "frames dropped")


@case()
def a_server_inside_that_asks_the_world_itself_is_routed_by_the_kernel(lab):
    inside_web(lab)
    lab.serve_web("local")
    Director(lab, nat(*IN, scheduler="rr", family=lab.family), inside="eth1").start()
    all_answered(lab.request("client", 20), 20)
    all_answered(lab.request("in1", 20, parallel=5, url=direct_url(lab, "local", 80)), 20)
    for host, target in (("in1", "client"), ("client", "in1")):
        lab[host].run("ping", "-c", "1", "-W", "30", lab.family.address[target])


@case(seconds=60)
def servers_behind_a_router_are_reached_by_the_kernels_routes_as_they_change(lab):
    lab.add_far("inside", *FAR, gates=("gate1", "gate2"))
    lab.serve_web(*FAR, port=8080)
    director = Director(lab, nat(*FAR, scheduler="rr", family=lab.family), inside="eth1", arp_hold=64).start()
    a_thousand_requests(lab, director, {"far1": 1, "far2": 1})
    load = Load(lab, "client")
    load.wait_for(100)
    by_gate2 = Capture(lab["gate2"])
    lab["director"].ip(f"route replace {FAR_NET} via {NEAR['inside']['gate2']}")
    lab.add_ipv6("director")
    eventually(lambda: [f for f in by_gate2.frames() if f.target_port == 8080], 5, "requests by the new router")
    by_gate1 = Capture(lab["gate1"])
    load.wait_for(200)
    same([f for f in by_gate1.frames() if f.target_port == 8080], [], "requests by the old router")
    for name in FAR:  # and the way back, which is the servers' choice
        lab[name].ip(f"route replace default via {FAR_SIDE['gate2']}")
        lab.add_ipv6(name)
    lab["gate1"].ip("link set eth0 down", "link set eth1 down")
    load.wait_for(200)
    same(load.stop().failures, [], "requests that failed while the route changed")
    same(director.dropped(), {}, "frames dropped")


@case()
def a_server_without_a_route_is_said_so_and_served_when_there_is_one(lab):
    lab.add_far("inside", "far1")
    lab.serve_web("far1", port=8080)
    lab["director"].ip(f"route replace blackhole {FAR_NET}")
    director = Director(lab, nat("far1"), inside="eth1").start()
    true(not lab.request("local", patience=1).of, "an answer came without a route")
    same(director.servers()[ADDRESS["far1"]]["reach"], "no-route", "can the server be reached?")
    true(director.exits()["no-server"] > 0, f"no-server was not counted: {director.exits()}")
    lab["director"].ip(f"route del blackhole {FAR_NET}", f"route add {FAR_NET} via {NEAR['inside']['gate1']}")
    eventually(lambda: lab.request("local", patience=1).of, 10, "an answer after the route appeared")
    all_answered(lab.request("client", 20, parallel=5), 20)


@case(needs=("dnsmasq", "dig"))
def names_are_asked_by_udp_and_tcp_through_nat(lab):
    lab.add_inside(*IN)
    serve_names(lab, *IN, address=lab.family.address.get)
    servers = [f"{name} forward=nat" for name in IN]
    sections = [virtual(name, ports=ports, scheduler="rr", servers=servers, family=lab.family)
                for name, ports in (("dns", "udp/53"), ("dns-tcp", "tcp/53"))]
    names_by_udp_and_tcp(lab, Director(lab, *sections, inside="eth1").start(), *IN)


@case()
def a_service_made_by_rawvsadm_serves_as_one_from_the_file(lab):
    inside_web(lab)
    director = Director(lab, virtual(servers=("rs1",), ports="tcp/81"), inside="eth1").start()
    director.admin("-A", "-t", f"{VIP}:80", "-s", "wrr")
    for name, weight in (("in1", "1"), ("in2", "3")):
        director.admin("-a", "-t", f"{VIP}:80", "-r", f"{ADDRESS[name]}:8080", "-m", "-w", weight)
    shared_by_weight(lab, director, "client", 200, {"in1": 1, "in2": 3}, parallel=20)
    true("Masq" in director.admin("-L", "-n"), "the listing does not say Masq")


@case(seconds=60)
def a_killed_server_is_replaced_and_its_connections_end_when_it_is_removed(lab):
    inside_web(lab)
    director = Director(lab, nat(*IN, scheduler="rr", family=lab.family), inside="eth1", expire_nodest_conn=1).start()
    held = [lab.connect("client") for _ in range(2)]  # one for each server
    eventually(lambda: [row["active"] for row in director.servers().values()] == ["1", "1"], 5, "active connections")
    director.admin("-d", "-t", f"{VIP}:80", "-r", f"{ADDRESS['in1']}:8080")
    all_answered(lab.request("client", 20, parallel=5), 20)
    same(dict(lab.request("client", 10).of), {"in2": 10}, "answers after in1 was removed")
    same(sorted(answer_of(s) for s in held), ["a reset", "in2"], "how the open connections went on")


@case(seconds=60)
def a_server_that_returns_gets_its_open_connections_back(lab):
    inside_web(lab)
    director = Director(lab, nat(*IN, scheduler="rr", family=lab.family), inside="eth1").start()
    held = [lab.connect("client") for _ in range(2)]
    director.admin("-d", "-t", f"{VIP}:80", "-r", f"{ADDRESS['in1']}:8080")
    for s in held:
        s.sendall(b"GET / HTTP/1.0\r\n")
    eventually(lambda: director.exits()["server-gone"] > 0, 5, "a packet of a connection without a server")
    director.admin("-a", "-t", f"{VIP}:80", "-r", f"{ADDRESS['in1']}:8080", "-m")
    same(sorted(answer_of(s, b"\r\n") for s in held), ["in1", "in2"], "how the open connections went on")


def answer_of(s, request=b"GET / HTTP/1.0\r\n\r\n"):
    """The result of using an open connection: the page, or how it ended."""
    s.settimeout(60)
    with s:
        try:
            s.sendall(request)
            text = b""
            while piece := s.recv(4096):
                text += piece
        except ConnectionResetError:
            return "a reset"
        except TimeoutError:
            return "nothing"
    return text.decode().split()[-1] if text else "nothing"


@case(seconds=60)
def a_server_whose_program_is_killed_refuses_and_the_others_serve_when_it_is_quiesced(lab):
    inside_web(lab)
    director = Director(lab, nat(*IN, scheduler="rr", family=lab.family), inside="eth1").start()
    all_answered(lab.request("client", 20, parallel=5), 20)
    in1 = next(p for p in lab.programs if "www-in1" in p.command[-1])
    in1.stop(signal.SIGKILL)
    at_client = Capture(lab["client"])
    answers = lab.request("client", 10)
    same((answers.of["in2"], len(answers.failures)), (5, 5), "answers of in2, and failures")
    true(all("refused" in f or "connect" in f for f in answers.failures), f"not refused: {answers.failures[:2]}")
    same({f.source for f in at_client.frames() if f.is_reset and not f.outgoing}, {lab.family.vip},
         "who sent the resets")
    director.admin("-e", "-t", lab.family.place(lab.family.vip, 80), "-r",
                   lab.family.place(lab.family.address["in1"], 8080), "-m", "-w", "0")
    all_answered(lab.request("client", 20, parallel=5), 20)


@case(seconds=60)
def a_director_killed_under_nat_leaves_the_kernels_routing_to_others_as_it_was(lab):
    inside_web(lab)
    director = Director(lab, nat(*IN, scheduler="rr", family=lab.family), inside="eth1", guard="tcx")
    director.start()
    true("guard attached (tcx)" in director.log(), f"no tcx here:\n{director.log()}")
    all_answered(lab.request("client", 50, parallel=10), 50)
    direct = Load(lab, "client", url=direct_url(lab, "in1"))
    direct.wait_for(100)
    director.stop(signal.SIGKILL)
    direct.wait_for(200)
    true(not lab.request("local", patience=1).of, "the VIP answers without a director")
    director.start()
    direct.wait_for(200)
    all_answered(lab.request("local", 50, parallel=10), 50)
    same(direct.stop().failures, [], "direct requests that failed")


SHOP = "[group shop]\nmark = 10\nmatch = {0} tcp/80,443\n"


def pages(lab, source, url, count=6):
    """The servers that answer a client with this source address."""
    text = lab["client"].run("curl", "--silent", "--show-error", "--max-time", "60", "--interface", source, "--header",
                             "Connection: close", f"{url}?[1-{count}]").stdout
    return set(text.split())


@case(seconds=60)
def a_shop_of_two_ports_keeps_each_client_at_one_server(lab):
    lab.serve_web(port=80)
    lab.serve_web(port=443)
    sources = [f"198.51.100.{n}" for n in range(60, 80)]
    lab["client"].ip(*[f"addr add {source}/24 dev eth0" for source in sources])
    director = Director(lab, SHOP.format(VIP), virtual("shop", mark=10, scheduler="rr", persistence=360)).start()
    servers = []
    for source in sources:
        seen = pages(lab, source, f"http://{VIP}/") | pages(lab, source, f"http://{VIP}:443/")
        same(len(seen), 1, f"servers that {source} met on both ports")
        servers += seen
    same((servers.count("rs1"), servers.count("rs2")), (10, 10), "clients of rs1 and of rs2")
    same(director.dropped(), {}, "frames dropped")


@case(seconds=60)
def a_shop_under_nat_keeps_each_client_at_one_server_and_the_ports_apart(lab):
    lab.add_inside(*IN)
    for name in IN:
        lab.serve_web(name, port=80)
        lab.serve_web(name, port=443)
    sources = [f"198.51.100.{n}" for n in range(60, 70)]
    lab["client"].ip(*[f"addr add {source}/24 dev eth0" for source in sources])
    section = virtual("shop", ports="tcp/80,443", scheduler="rr", persistence=360,
                      servers=[f"{name} forward=nat" for name in IN])
    director = Director(lab, section, inside="eth1").start()
    servers = []
    for source in sources:
        seen = pages(lab, source, f"http://{VIP}/") | pages(lab, source, f"http://{VIP}:443/")
        same(len(seen), 1, f"servers that {source} met on both ports")
        servers += seen
    same((servers.count("in1"), servers.count("in2")), (5, 5), "clients of in1 and of in2")
    same(director.dropped(), {}, "frames dropped")


@case(servers=("rs1", "rs2", "rs3"))
def clients_of_one_network_get_servers_of_their_own_by_a_mark(lab):
    lab.serve_web()
    lab["client"].ip("addr add 198.51.100.130/24 dev eth0")
    office = f"[group office]\nmark = 11\nmatch = {VIP} tcp/80 from 198.51.100.128/25\n"
    director = Director(lab, office, virtual(servers=("rs1", "rs2"), scheduler="rr"),
                        virtual("office", mark=11, servers=("rs3",))).start()
    same(pages(lab, "198.51.100.130", f"http://{VIP}/"), {"rs3"}, "who answers the office")
    same(pages(lab, ADDRESS["client"], f"http://{VIP}/"), {"rs1", "rs2"}, "who answers the others")
    same(dict(lab.request("local", 10).of), {"rs1": 5, "rs2": 5}, "who answers the LAN")
    same(director.dropped(), {}, "frames dropped")
