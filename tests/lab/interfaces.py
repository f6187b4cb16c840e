# SPDX-License-Identifier: BSD-2-Clause
"""Several interfaces, of several kinds: clients by any of them, servers by whichever their route says.

A guest is a client at the other end of a cable of its own:  guest eth0 ─── NEAR director."""
import os

from case import Skip, all_answered, case, each_of, same, true
from lab.director import Director, virtual
from lab.namespaces import Trouble, eventually
from lab.topology import VIP, Load
from programs import MEGABYTE, download, upload, upload_page

NAT = virtual(servers=("in1:8080 forward=nat",))


def serve(lab):
    lab.add_inside("in1")
    lab.serve_web("in1", port=8080)


def cable(lab, name, near):
    """A guest and its cable, which has no addresses yet."""
    guest = lab.hosts.get(name) or lab.host(name)
    lab["director"].ip(f"link add {near} type veth peer name eth0 netns {guest.namespace}", f"link set {near} up")
    guest.ip("link set eth0 up")
    return guest


def address(lab, guest, near, number, far="eth0"):
    """Addresses at both ends; the guest takes the VIP for a neighbour."""
    lab["director"].ip(f"addr add 198.51.100.{number}/28 dev {near}", f"link set {near} up")
    guest.ip(f"addr add 198.51.100.{number + 1}/28 dev {far}", f"link set {far} up", f"route add {VIP}/32 dev {far}")


def make(host, line):
    """ip(8), on a kernel that may not know this kind of interface."""
    try:
        host.ip(line)
    except Trouble as trouble:
        raise Skip(f"this kernel cannot do it: ip {line}") from trouble


def megabytes_each_way(lab, client, server):
    """Unchanged, with the kernel's default offloads."""
    content = os.urandom(MEGABYTE) * 20
    upload_page(lab, server)
    upload(lab, client, content)
    download(lab, client, content, server)


def vlan(lab, guest):
    make(lab["director"], "link add link port0 name port0.20 type vlan id 20")
    guest.ip("link add link eth0 name eth0.20 type vlan id 20")
    return "port0.20", "eth0.20"


def bridge(lab, _):
    make(lab["director"], "link add br0 type bridge mcast_snooping 0")
    lab["director"].ip("link set port0 master br0")
    return "br0", "eth0"


def bond(lab, guest):
    make(lab["director"], "link add bond0 type bond mode active-backup miimon 100")
    lab["director"].ip(f"link add port1 type veth peer name eth1 netns {guest.namespace}", "link set port0 down",
                       "link set port0 master bond0", "link set port1 master bond0")
    guest.ip("link add br0 type bridge mcast_snooping 0", "link set eth0 master br0", "link set eth1 master br0",
             "link set eth1 up")
    return "bond0", "br0"


def macvlan(lab, _):
    make(lab["director"], "link add link port0 name mac0 type macvlan mode bridge")
    return "mac0", "eth0"


@each_of({"a_vlan_interface": vlan, "a_bridge": bridge, "a_bond": bond, "a_macvlan_interface": macvlan}, seconds=60)
def clients_are_served_by(lab, kind):
    serve(lab)
    guest = cable(lab, "guest", "port0")
    near, far = kind(lab, guest)
    address(lab, guest, near, 65, far)
    director = Director(lab, NAT, interface=f"eth0 {near}", inside="eth1").start()
    eventually(lambda: lab.request("guest", patience=1).of, 15, "an answer")  # a bond chooses its port first
    all_answered(lab.request("guest", 40, parallel=5), 40)
    megabytes_each_way(lab, "guest", "in1")
    all_answered(lab.request("client", 10), 10)
    same(lab["director"].routed(), 0, "packets that the director's kernel routed")
    links = [row["name"] for row in director.ask("exits") if row["row"] == "link"]
    same(links, ["eth0", near, "eth1"], "links listed")


@case(seconds=60)
def clients_of_three_interfaces_are_served_at_once_each_by_its_own(lab):
    serve(lab)
    for n, name in enumerate(("one", "two")):
        address(lab, cable(lab, name, f"wan{n}"), f"wan{n}", 65 + 16 * n)
    director = Director(lab, NAT, interface="eth0 wan0 wan1", inside="eth1").start()
    loads = {name: Load(lab, name) for name in ("one", "two", "client")}
    for load in loads.values():
        load.wait_for(100)
    for name, load in loads.items():
        same(load.stop().failures, [], f"failures of {name}")
    same(director.dropped(), {}, "frames dropped")
    links = {row["name"]: row["role"] for row in director.ask("exits") if row["row"] == "link"}
    same(links, {"eth0": "clients", "wan0": "clients", "wan1": "clients", "eth1": "servers"}, "links and roles")


@case(seconds=60)
def an_interface_that_matches_a_pattern_may_come_go_and_come_back(lab):
    serve(lab)
    director = Director(lab, NAT, interface="eth0 wan*", inside="eth1").start()
    for round_of in range(2):
        guest = cable(lab, "guest", "wan7")
        address(lab, guest, "wan7", 65)
        eventually(lambda: lab.request("guest", patience=1).of, 15, f"an answer by the new interface ({round_of})")
        all_answered(lab.request("guest", 20, parallel=5), 20)
        lab["director"].unwire("wan7")
        director.wait_for_log("interface wan7 is gone: waiting for it to come back")
    all_answered(lab.request("client", 10), 10)


@case()
def an_interface_of_a_pattern_is_there_at_the_start_and_none_is_waited_for(lab):
    serve(lab)
    director = Director(lab, NAT, interface="wan*", inside="eth1").start()
    director.wait_for_log("interface eth1 is up")
    director.stop()
    address(lab, cable(lab, "guest", "wan0"), "wan0", 65)
    director.start()
    all_answered(lab.request("guest", 10), 10)


@case(seconds=60)
def a_server_by_an_interface_that_is_not_named_is_reached_by_it(lab):
    serve(lab)
    director = Director(lab, NAT).start()
    director.wait_for_log("interface eth1 is used, too: the route to real server 203.0.113.21 leaves by it")
    eventually(lambda: director.servers()["203.0.113.21"]["reach"] == "ready", 10, "the server's MAC address")
    megabytes_each_way(lab, "client", "in1")
    same(lab["director"].routed(), 0, "packets that the director's kernel routed")


@case()
def without_auto_interfaces_such_a_server_gets_no_connections_and_the_log_names_the_interface(lab):
    serve(lab)
    director = Director(lab, NAT, auto_interfaces=0).start()
    director.wait_for_log("real server 203.0.113.21: its route leaves through eth1, which rawvsd does not serve: "
                          "name it as interface or inside; it gets no connections")
    same(director.servers()["203.0.113.21"]["reach"], "other-interface", "whether it can be reached")


@case()
def a_vip_is_announced_on_every_interface_of_clients_and_on_no_other(lab):
    guest = cable(lab, "guest", "wan0")
    address(lab, guest, "wan0", 65)
    lab.add_inside("in1")
    Director(lab, NAT, interface="eth0 wan0", inside="eth1").start()
    for name in ("local", "guest"):
        done = lab[name].run("busybox", "arping", "-c", "1", "-w", "5", "-I", "eth0", VIP, check=False)
        true("reply from" in done.stdout.lower(), f"{name}: {done.stdout}")
    done = lab["in1"].run("busybox", "arping", "-c", "1", "-w", "1", "-I", "eth0", VIP, check=False)
    true("reply from" not in done.stdout.lower(), f"in1: {done.stdout}")
