# SPDX-License-Identifier: BSD-2-Clause
"""The director's host as a real server (Local): alone, as sorry server, and two boxes that are both."""
import signal

from case import all_answered, case, over_ipv6, same, true
from doctor import the_one
from lab.director import Director
from lab.namespaces import eventually
from lab.topology import IPV6, Load
from vrrp import OTHER, instance, of_family, second_host, wait_for_state

BOXES = {"director": "192.0.2.10", "other": OTHER}


def at(lab, name):
    """The address of a box in the lab's family."""
    return lab.family.of(BOXES[name])


def web(lab, *servers, **keys):
    """A virtual of these servers, given as addresses with options."""
    lines = ["[virtual web]", f"address = {lab.family.vip}", "ports = tcp/80", "scheduler = rr"]
    lines += [f"{key} = {value}" for key, value in keys.items()] + [f"server = {server}" for server in servers]
    return "\n".join(lines) + "\n"


def has_the_vip(lab, name):
    """Makes a host a real server, as rawvs-realserver does."""
    lab.build_server(lab[name])


def method(director, address):
    """The method in the listing of the server at this address."""
    line = next(line for line in director.admin("-L", "-n").splitlines() if f"-> {address}:" in line.replace("[", "")
                .replace("]", ""))
    return line.split()[2]


@case(seconds=60, servers=("rs1",))
def the_host_itself_serves_by_direct_routing_and_tunnelling(lab):
    has_the_vip(lab, "director")
    lab.serve_web("director", "rs1")
    for forward in ("dr", "tun"):
        director = Director(lab, web(lab, f"{at(lab, 'director')} forward={forward}",
                                     lab.family.address["rs1"])).start()
        same(method(director, at(lab, "director")), "Local", "its method in the listing")
        for client in ("client", "local"):
            answers = lab.request(client, 20)
            all_answered(answers, 20)
            same(dict(answers.of), {"director": 10, "rs1": 10}, f"who answered {client}")
        true(director.exits()["delivered"] > 0, director.exits())
        same(director.dropped(), {}, "frames dropped")
        found = director.admin("doctor", check=False).stdout
        true("vip-on-host" not in found and "this host itself" not in found, found)
        director.stop()


@case(seconds=60, servers=("rs1",))
def a_large_page_and_a_large_upload_pass(lab):
    has_the_vip(lab, "director")
    lab.serve_web("director")
    size = 3_000_000
    (lab.page_root("director") / "large").write_bytes(b"x" * size)
    (lab.page_root("director") / "cgi-bin").mkdir()
    script = lab.page_root("director") / "cgi-bin" / "count"
    script.write_text("#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\nhead -c $CONTENT_LENGTH | wc -c\n")
    script.chmod(0o755)
    director = Director(lab, web(lab, at(lab, "director"))).start()
    said = director.admin("explain", lab.family.place(lab.family.address["client"], 4000),
                          lab.family.place(lab.family.vip, 80), check=False).stdout
    true("the server is the host itself (Local)" in said and "given to this host's kernel" in said, said)
    for client in ("client", "local"):
        got = lab[client].run("curl", "--silent", "--max-time", "30", f"{lab.family.url}/large").stdout
        same(len(got), size, f"bytes that {client} got")
        sent = lab[client].run("curl", "--silent", "--max-time", "30", "--data-binary",
                               f"@{lab.page_root('director')}/large", f"{lab.family.url}/cgi-bin/count").stdout
        same(sent.strip(), str(size), f"bytes that {client} sent")
    same(director.dropped(), {}, "frames dropped")


@case(seconds=60, servers=("rs1",))
def without_the_vip_the_host_gets_no_connections_and_log_and_doctor_name_the_cure(lab):
    lab.serve_web("director", "rs1")
    director = Director(lab, web(lab, at(lab, "director"), lab.family.address["rs1"])).start()
    director.wait_for_log("is this host itself, but the VIP of tcp")
    same(dict(lab.request("client", 10).of), {"rs1": 10}, "who answered")
    finding = the_one(director, "local-without-vip", "is none of its addresses")
    command = finding["type"].partition(" (")[0]
    lab["director"].sysctl(conf__all__arp_ignore=1, conf__all__arp_announce=2)
    lab["director"].run("sh", "-c", command)
    eventually(lambda: director.servers()[at(lab, "director")]["reach"] == "ready", 10, "the host as a server")
    same(dict(lab.request("client", 10).of), {"director": 5, "rs1": 5}, "who answered with the VIP")


@case(seconds=60, servers=("rs1",))
def nat_to_the_host_itself_is_refused_with_a_reason(lab):
    has_the_vip(lab, "director")
    lab.serve_web("director", "rs1")
    director = Director(lab, web(lab, f"{lab.family.place(at(lab, 'director'), 8080)} forward=nat",
                                 lab.family.address["rs1"])).start()
    director.wait_for_log("whose answers NAT cannot translate: use forward=dr")
    same(dict(lab.request("client", 10).of), {"rs1": 10}, "who answered")
    the_one(director, "server-is-this-host", "this host itself, with NAT")


@case(seconds=60, servers=("rs1",))
def the_host_is_the_sorry_server_while_no_other_is_well(lab):
    has_the_vip(lab, "director")
    lab.serve_web("director")
    loopback = "::1" if lab.family is IPV6 else "127.0.0.1"
    director = Director(lab, web(lab, lab.family.address["rs1"], check="fast", sorry=loopback),
                        "[check fast]\ntype = tcp\ninterval = 300ms\nretries = 0\n").start()
    director.wait_for_health("rs1", "down")
    same(dict(lab.request("client", 10).of), {"director": 10}, "who answered")
    same(method(director, loopback), "Local", "the method of the sorry server")
    lab.serve_web("rs1")
    director.wait_for_health("rs1", "up")
    same(dict(lab.request("client", 10).of), {"rs1": 10}, "who answered when rs1 was well again")


@case(seconds=60, servers=("rs1",))
def the_host_itself_is_checked_at_its_address_and_at_the_vip(lab):
    has_the_vip(lab, "director")
    lab.serve_web("director", "rs1")
    check = "[check fast]\ntype = http\ninterval = 300ms\nretries = 0\n"
    for via in ("", "via = vip\n"):
        director = Director(lab, web(lab, f"{at(lab, 'director')} check=fast", lab.family.address["rs1"]),
                            check + via).start()
        eventually(lambda: director.health()[at(lab, "director")][0] == "up", 10, "the host well")
        program = [p for p in lab.programs if str(lab.page_root("director")) in p.command and p.running()][-1]
        program.stop(signal.SIGKILL)
        eventually(lambda: director.health()[at(lab, "director")][0] == "down", 10, "the host down")
        same(dict(lab.request("client", 10).of), {"rs1": 10}, "who answered")
        lab.serve_web("director")
        eventually(lambda: director.health()[at(lab, "director")][0] == "up", 10, "the host well again")
        director.stop()


def boxes(lab, check="tcp", **settings):
    """Two boxes that are director and real server: the same file but for the priority. The first one is master."""
    second_host(lab)
    for name in BOXES:
        has_the_vip(lab, name)
    lab.serve_web(*BOXES)
    service = web(lab, *[at(lab, name) for name in BOXES], check=check)
    keys = {"interval": "100ms", **of_family(lab)}
    one = Director(lab, service, instance(150, **keys), **settings).start()
    wait_for_state(one, "master")
    other = Director(lab, service, instance(100, **keys), name="other", host="other", **settings).start()
    wait_for_state(other, "backup")
    return one, other


@case(seconds=90, servers=())
def two_boxes_are_director_and_server_at_once_and_take_over_from_each_other(lab):
    one, other = boxes(lab)
    same([method(one, at(lab, name)) for name in BOXES], ["Local", "Route"], "the methods at the master")
    same([method(other, at(lab, name)) for name in BOXES], ["Route", "Local"], "the methods at the backup")
    for director in (one, other):
        eventually(lambda d=director: all(d.health()[at(lab, name)][0] == "up" for name in BOXES), 10, "both well")
    answers = lab.request("client", 20)
    all_answered(answers, 20)
    same(dict(answers.of), {"director": 10, "other": 10}, "who answered")
    exits = other.exits()
    true(exits["peer-delivered"] > 0, exits)
    same((exits["forwarded"], exits["delivered"]), (0, 0), "what the backup scheduled")
    load = Load(lab, "client", parallel=4)
    load.wait_for(20)
    one.program.stop(signal.SIGKILL)
    wait_for_state(other, "master")
    load.wait_for(50)
    load.stop()
    answers = lab.request("client", 20)
    all_answered(answers, 20)
    same(dict(answers.of), {"director": 10, "other": 10}, "who answered at the second director")
    one.start()
    wait_for_state(one, "master")
    wait_for_state(other, "backup")
    all_answered(lab.request("client", 20), 20)


@case(seconds=90, servers=())
def nothing_goes_back_and_forth_between_two_boxes_that_are_both_master(lab):
    """Their adverts do not reach each other; each is asked by one of the clients."""
    one, other = boxes(lab)
    for name in BOXES:
        rule = "ip6 nexthdr 112" if lab.family is IPV6 else "ip protocol 112"
        lab[name].run("nft", "-f", "-", stdin="table inet t {\nchain c {\ntype filter hook input priority -300;\n"
                                             f"{rule} drop\n}}\n}}\n")
    wait_for_state(other, "master")
    for _ in range(3):
        for client in ("client", "local"):
            lab[client].run("ip", "neigh", "flush", "all", check=False)
            all_answered(lab.request(client, 10), 10)
    total = sum(director.exits()["peer-delivered"] for director in (one, other))
    true(total > 0, "no packet went from one to the other")
    for director in (one, other):
        same(director.exits().get("ttl-exceeded", 0), 0, "packets whose time to live was over")


over_ipv6("local", the_host_itself_serves_by_direct_routing_and_tunnelling,
          without_the_vip_the_host_gets_no_connections_and_log_and_doctor_name_the_cure,
          the_host_is_the_sorry_server_while_no_other_is_well,
          two_boxes_are_director_and_server_at_once_and_take_over_from_each_other)
