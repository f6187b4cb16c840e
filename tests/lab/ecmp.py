# SPDX-License-Identifier: BSD-2-Clause
"""etc/examples/ecmp: two directors behind a router with BIRD, which spreads connections over them.  Measures how many
connections break when a director or server goes: a line with the number, per scheduler.

    client ──── router ──┬── director   192.0.2.10      all three with BIRD; the router has the VIPs' routes from the
                         ├── other      192.0.2.20      directors, by BGP
                         └── rs1 ... rs4                the VIPs, 203.0.113.100 and 2001:db8:4::100, on lo
"""
import functools
import json
import pathlib
import signal

from case import all_answered, case, same, true
from lab.director import TOP, Director, program, virtual
from lab.namespaces import Trouble, eventually
from lab.topology import ADDRESS, IPV6, six
from many_flows import ManyFlows
from vrrp import OTHER, second_host

EXAMPLE = TOP / "etc" / "examples" / "ecmp"
VIP = "203.0.113.100"
VIP6 = six(VIP)
SERVERS = ("rs1", "rs2", "rs3", "rs4")
COUNT = 500
ONE, BOTH = ADDRESS["director"], {ADDRESS["director"], OTHER}
ecmp_case = functools.partial(case, seconds=150, needs=("bird", "birdc"), servers=SERVERS, inside=False,
                              family=IPV6)


def measured(text):
    print(f"      measured: {text}", flush=True)


class Bird:
    def __init__(self, lab, host, file):
        self.lab, self.host = lab, lab[host]
        self.socket = lab.directory / f"{host}.bird.ctl"
        self.configuration = lab.directory / f"{host}.bird.conf"
        text = (EXAMPLE / file).read_text().replace("log syslog all", "log stderr all")
        self.configuration.write_text(text.replace("multiplier 5", "multiplier 20"))  # the machine may be busy
        self.start()

    def start(self):
        self.program = self.host.start("bird", "-f", "-c", str(self.configuration), "-s", str(self.socket))
        eventually(lambda: "up and running" in self.ask("show", "status"), 10, "BIRD")

    def ask(self, *words):
        return self.host.run("birdc", "-s", str(self.socket), *words, check=False).stdout


class Node:
    """A director with everything else of the example."""

    def __init__(self, lab, host, *sections, shell=("sh",), check=None, **settings):
        self.lab = lab
        self.director = Director(lab, name=host, host=host)
        text = (EXAMPLE / "director.ini").read_text()
        for key, value in {"control": self.director.control, **settings}.items():
            text = "".join(line for line in text.splitlines(True) if not line.startswith(f"{key} = "))
            text = text.replace("[director]\n", f"[director]\n{key} = {value}\n")
        if check:  # another way to ask, with all that the example says besides
            text = text.replace("type = tcp\n", f"type = exec\nprogram = {check}\n")
        self.director.ini.write_text("\n".join((text, *sections)))
        self.bird = Bird(lab, host, "director.bird.conf")
        self.director.start()
        self.script = ("env", "DEFAULTS=/nowhere", f"ADMIN={program('rawvsadm')}", f"SOCKET={self.director.control}",
                       f"BIRD_SOCKET={self.bird.socket}", f"PIDFILE={lab.directory / host}.pid", "INTERVAL=0.2",
                       "PATIENCE=4", *shell, str(EXAMPLE / "rawvs-announce"))
        self.announce = lab[host].start(*self.script, "run")

    def die(self):
        self.director.program.stop(signal.SIGKILL)

    def connections(self, port=80, vip=VIP):
        """How many it has sent on to servers."""
        rows = [row for row in self.director.ask("list") if row.get("service") == f"tcp:{vip}:{port}"]
        return sum(int(row["active"]) + int(row["inactive"]) for row in rows if row["row"] == "server")


def site(lab, *sections, **settings):
    """The router and both directors, with the route to both."""
    second_host(lab)
    Bird(lab, "router", "router.bird.conf")
    nodes = [Node(lab, host, *sections, shell=shell, **settings)
             for host, shell in (("director", ("dash",)), ("other", ("busybox", "ash")))]
    wait_for_route(lab, BOTH, nodes)
    return nodes


def next_hops(lab, vip=VIP):
    """The router's next hops to the VIP."""
    family = "-6" if ":" in vip else "-4"
    routes = json.loads(lab["router"].run("ip", family, "-j", "route", "show", vip).stdout or "[]")
    return {hop["gateway"] for route in routes for hop in route.get("nexthops", [route])}


def wait_for_route(lab, hops, nodes):
    """The routes of both families."""
    try:
        eventually(lambda: next_hops(lab) == hops and next_hops(lab, VIP6) == set(map(six, hops)), 40,
                   f"a route over {sorted(hops)}")
    except Trouble as trouble:
        said = "; ".join(node.announce.text()[-300:] + node.bird.program.text()[-300:] for node in nodes)
        raise Trouble(f"{trouble}; it goes over {sorted(next_hops(lab) | next_hops(lab, VIP6))}: {said}") from None


def plain(name, port, scheduler):
    return virtual(name, address=VIP, ports=f"tcp/{port}", servers=SERVERS, scheduler=scheduler)


def flows_to(lab, *ports):
    """Every server has the VIP, and answers on these ports of it."""
    lab["router"].sysctl(fib_multipath_hash_policy=1)
    for name in SERVERS:
        lab[name].ip(f"addr add {VIP}/32 dev lo", f"addr add {VIP6}/128 dev lo nodad")
    many = ManyFlows(lab, VIP)
    for port in ports:
        for name in SERVERS:
            many.serve(name, port)
    return many


@ecmp_case()
def with_mh_no_connection_breaks_when_a_director_dies_and_comes_back_and_with_wlc_most_do(lab):
    with flows_to(lab, 80, 81) as many:
        one, other = site(lab, plain("plain", 81, "wlc"))
        flows, others = many.open(80, COUNT), many.open(81, COUNT)
        moved, plain_moved = one.connections(80), one.connections(81)
        true(100 < moved < 400, f"the router sent {moved} of {COUNT} to one director")
        one.die()
        broken, plain_broken = many.exchange(flows), many.exchange(others)
        same(next_hops(lab), {OTHER}, "the way that is left")
        measured(f"a director of two dies, {moved} of {COUNT} connections move: {broken} break with mh; "
                 f"with wlc {plain_broken} of {plain_moved}")
        same(broken, 0, "connections that broke with mh")
        true(plain_broken > plain_moved / 2 > 50, f"with wlc {plain_broken} broke of {plain_moved}")

        others = many.open(81, COUNT)
        one.director.start()
        wait_for_route(lab, BOTH, (one, other))
        broken, plain_broken = many.exchange(flows), many.exchange(others)
        back, plain_back = one.connections(80), one.connections(81)
        measured(f"it comes back, {back} of {COUNT} connections move: {broken} break with mh; "
                 f"with wlc {plain_broken} of {plain_back}")
        same(broken, 0, "connections that broke with mh")
        true(back > 50, f"{back} of {COUNT} came back to the director")
        true(plain_broken > plain_back / 2 > 25, f"with wlc {plain_broken} broke of {plain_back}")


@ecmp_case()
def without_sloppy_tcp_every_connection_that_moves_breaks(lab):
    with flows_to(lab, 80) as many:
        one, _ = site(lab, sloppy_tcp=0)
        flows = many.open(80, COUNT)
        moved = one.connections()
        one.die()
        broken = many.exchange(flows)
        measured(f"without sloppy_tcp {broken} of {moved} break")
        true(broken >= moved > 100, f"{broken} broke of {moved}")


@ecmp_case()
def with_mh_no_connection_breaks_when_a_whole_box_dies(lab):
    with flows_to(lab, 80) as many:
        one, other = site(lab)
        flows = many.open(80, COUNT)
        true(one.connections() > 100, f"{one.connections()} connections of one director")
        lab["director"].ip("link set eth0 down")  # BFD notices that, no program says so
        for gone in (one.announce, one.director.program, one.bird.program):
            gone.stop(signal.SIGKILL)
        same(many.exchange(flows), 0, "connections that broke")
        wait_for_route(lab, {OTHER}, (one, other))


@ecmp_case()
def with_mh_no_connection_breaks_when_rawvsd_is_started_anew_and_its_route_stays(lab):
    check = lab.directory / "check"  # of one server the director knows later than of the others
    check.write_text(f"#!/bin/sh\n[ $RAWVS_SERVER != {ADDRESS['rs2']} ] || sleep 1\n")
    check.chmod(0o755)
    with flows_to(lab, 80) as many:
        one, _ = site(lab, check=check)
        flows = many.open(80, COUNT)
        one.announce.stop(signal.SIGKILL)  # nobody withdraws the route
        one.die()
        one.director.start()
        same(many.exchange(flows), 0, "connections that broke")
        same(next_hops(lab), BOTH, "the ways to the VIP")
        true(one.connections() > 100, f"{one.connections()} connections of the director that was started anew")


@ecmp_case()
def a_director_that_cannot_serve_has_no_route(lab):
    with flows_to(lab, 80):
        one, other = nodes = site(lab)
        one.director.program.send(signal.SIGSTOP)  # the program lives, and answers nobody
        wait_for_route(lab, {OTHER}, nodes)
        one.director.program.send(signal.SIGCONT)
        wait_for_route(lab, BOTH, nodes)
        for name in SERVERS:  # no server is left
            other.director.admin("-e", "-t", f"{VIP}:80", "-r", ADDRESS[name], "-w", "0")
        wait_for_route(lab, {ONE}, nodes)
        true(f"tcp:{VIP}:80: servers of weight 0 are well, expected 1" in other.announce.text(), other.announce.text())
        other.director.admin("-e", "-t", f"{VIP}:80", "-r", ADDRESS["rs1"], "-w", "1")
        wait_for_route(lab, BOTH, nodes)
        one.bird.program.stop(signal.SIGKILL)  # BIRD alone; its protocol is off when it starts
        wait_for_route(lab, {OTHER}, nodes)
        one.bird.start()
        wait_for_route(lab, BOTH, nodes)
        one.announce.stop()
        wait_for_route(lab, {OTHER}, nodes)


@ecmp_case()
def the_announcement_starts_and_stops_as_a_service_does(lab):
    with flows_to(lab, 80):
        nodes = site(lab)
        for node, left in zip(nodes, ({OTHER}, {ONE})):
            def service(action, node=node):
                return node.director.host.run(*node.script, action, check=False).returncode

            node.announce.stop()
            wait_for_route(lab, left, nodes)
            same([service(action) for action in ("status", "start", "start", "status")], [3, 0, 0, 0], "exit codes")
            wait_for_route(lab, BOTH, nodes)
            same([service(action) for action in ("stop", "status", "stop", "nonsense")], [0, 3, 0, 2], "exit codes")
            wait_for_route(lab, left, nodes)
            same(service("start"), 0, "exit code")
            wait_for_route(lab, BOTH, nodes)


@ecmp_case()
def a_server_that_drains_costs_its_own_moving_connections_and_no_others(lab):
    with flows_to(lab, 80) as many:
        one, other = site(lab)
        flows = many.open(80, COUNT)
        moved = {name: int(one.director.servers()[ADDRESS[name]]["active"]) for name in SERVERS}
        for node in (one, other):
            node.director.admin("-e", "-t", f"{VIP}:80", "-r", ADDRESS["rs2"], "-w", "0")
        same(many.exchange(flows), 0, "connections that broke when the server drained")
        one.die()
        many.exchange(flows)
        of_drained = sum(not flow.whole for flow in flows if flow.server == 2)
        of_others = sum(not flow.whole for flow in flows if flow.server != 2)
        measured(f"one server of four drains, then a director dies: {of_drained} of its {moved['rs2']} connections "
                 f"that move break, {of_others} of the others' {sum(moved.values()) - moved['rs2']}")
        same(of_others, 0, "other servers' connections that broke")
        true(of_drained > 0, "no connection broke of the server that drained: rawvs-ecmp(7) says that they do")


@ecmp_case()
def a_server_less_moves_few_connections_of_the_others_with_mh_and_most_with_sh(lab):
    with flows_to(lab, 80, 82) as many:
        one, other = site(lab, plain("sources", 82, "sh") + "scheduler_flags = sh-port\n")
        flows, others = many.open(80, COUNT), many.open(82, COUNT)
        for node in (one, other):
            for port in (80, 82):
                node.director.admin("-d", "-t", f"{VIP}:{port}", "-r", f"{ADDRESS['rs2']}:{port}")
        flows, others = ([flow for flow in some if flow.server != 2] for some in (flows, others))
        broken, plain_broken = many.exchange(flows), many.exchange(others)
        same((broken, plain_broken), (0, 0), "other servers' connections that broke when the server went")
        moved, plain_moved = one.connections(80), one.connections(82)
        one.die()
        broken, plain_broken = many.exchange(flows), many.exchange(others)
        measured(f"one server of four is removed: no other's connection breaks; then a director dies, and with mh "
                 f"{broken} of {moved} that move break; with sh {plain_broken} of {plain_moved}")
        true(broken * 4 < plain_broken, f"{broken} broke with mh, {plain_broken} with sh")


@ecmp_case(daemon=False)
def a_router_alone_breaks_connections_of_other_servers_when_one_goes(lab):
    with flows_to(lab, 80) as many:
        ways = [f"nexthop via {ADDRESS[name]}" for name in SERVERS]
        lab["router"].ip(f"route replace {VIP}/32 {' '.join(ways)}")
        flows = many.open(80, COUNT)
        lab["router"].ip(f"route replace {VIP}/32 {' '.join(ways[1:])}")
        others = [flow for flow in flows if flow.server != 1]
        broken = many.exchange(others)
        measured(f"no director, the router spreads over four servers and one goes: of the others' {len(others)} "
                 f"connections {broken} break")
        true(broken > len(others) / 10, f"{broken} of {len(others)} broke")


@ecmp_case()
def ipv6_is_spread_over_both_directors_and_goes_on_when_one_dies(lab):
    lab.serve_web(*SERVERS)
    for name in SERVERS:
        lab[name].ip(f"addr add {VIP}/32 dev lo", f"addr add {VIP6}/128 dev lo nodad")
    with lab["router"].inside():
        pathlib.Path("/proc/sys/net/ipv6/fib_multipath_hash_policy").write_text("1\n")
    one, other = nodes = site(lab)
    url = f"http://[{VIP6}]/"
    all_answered(lab.request("client", 200, parallel=10, url=url), 200)
    for node in nodes:
        true(node.connections(vip=f"[{VIP6}]") > 20, f"a director had {node.connections(vip=f'[{VIP6}]')} of 200")
    one.die()
    wait_for_route(lab, {OTHER}, nodes)
    all_answered(lab.request("client", 50, parallel=10, url=url), 50)
    one.director.start()
    wait_for_route(lab, BOTH, nodes)
    all_answered(lab.request("client", 50, parallel=10, url=url), 50)
