# SPDX-License-Identifier: BSD-2-Clause
"""Full NAT: servers see the director in place of the client, so their network, gateway and settings do not matter."""
import os
import signal
import socket
import sys

from case import all_answered, case, over_ipv6, same, true
from health import check
from lab.director import Director, virtual
from lab.frames import Capture
from lab.namespaces import eventually
from lab.topology import ADDRESS, ADDRESS6, DIRECTOR_INSIDE, IPV4, IPV6, VIP, VIP6, Load
from nat import IN
from programs import (HERE, MEGABYTE, a_thousand_requests, fifty_megabytes_each_way, loud, names_by_udp_and_tcp,
                      serve_names, upload)
from survival import Downloads


def fullnat(*names, port=8080, words="", **keys):
    """A service on port 80 whose servers listen on another."""
    return virtual(servers=[f"{name}:{port} forward=fullnat {words}".rstrip() for name in names], **keys)


def inside_web(lab, port=8080):
    """Servers inside without any way to the clients: their only route is to their own network."""
    lab.add_inside(*IN)
    for name in IN:
        lab[name].run("ip", "-4", "route", "del", "default")
        if lab.family.version == 6:
            lab[name].run("ip", "-6", "route", "del", "default")
    lab.serve_web(*IN, port=port)


def inside_address(lab):
    return lab.family.of(DIRECTOR_INSIDE)


@case(seconds=60)
def a_thousand_parallel_requests_to_servers_without_a_gateway_are_answered_by_weight(lab):
    inside_web(lab)
    section = virtual(scheduler="wrr", family=lab.family,
                      servers=("in1:8080 forward=fullnat weight=1", "in2:8080 forward=fullnat weight=3"))
    director = Director(lab, section, inside="eth1").start()
    at_client, at_server = Capture(lab["client"]), Capture(lab["in1"])
    a_thousand_requests(lab, director, {"in1": 1, "in2": 3})
    same(loud(at_client.frames(), *map(lab.family.address.get, IN)), [], "frames from a server's own address")
    sources = {f.source for f in at_server.frames() if f.target_port == 8080}
    same(sources, {inside_address(lab)}, "whom the server saw")
    kernels = [f for f in at_server.frames() if f.is_reset and not f.outgoing and f.ttl == 64]
    same(kernels, [], "resets by the director's own kernel")
    same(lab["director"].routed(), 0, "packets that the director's kernel routed")
    true("FullNat" in director.admin("-Ln"), director.admin("-Ln"))


@case(seconds=60)
def fifty_megabytes_go_up_and_down_unchanged_through_full_nat(lab):
    inside_web(lab)
    director = Director(lab, fullnat("in1", family=lab.family), inside="eth1").start()
    for client in ("client", "local"):
        fifty_megabytes_each_way(lab, client, "in1")
    same(director.dropped(), {}, "frames dropped")


@case(seconds=60)
def servers_on_the_clients_lan_with_another_gateway_are_served_by_one_arm(lab):
    lab.serve_web(port=8080)  # their gateway is the router
    director = Director(lab, fullnat("rs1", "rs2", scheduler="rr", family=lab.family)).start()
    a_thousand_requests(lab, director, {"rs1": 1, "rs2": 1})
    for client in ("client", "local"):  # behind the router, beside the servers
        all_answered(lab.request(client, 20), 20)
    fifty_megabytes_each_way(lab, "local", *lab.servers)
    same(director.dropped(), {}, "frames dropped")


@case(seconds=60, needs=("dnsmasq", "dig"))
def names_are_answered_by_udp_and_tcp(lab):
    lab.add_inside(*IN)
    for name in IN:
        lab[name].ip("route del default")
    serve_names(lab, *IN, address=lab.family.address.get)
    section = virtual(ports="udp/53 tcp/53", scheduler="rr", servers=[f"{name} forward=fullnat" for name in IN],
                      family=lab.family)
    director = Director(lab, section, inside="eth1").start()
    names_by_udp_and_tcp(lab, director, *IN)


@case(seconds=60)
def the_hosts_own_connections_to_the_same_servers_go_on(lab):
    inside_web(lab)
    director = Director(lab, fullnat(*IN, scheduler="rr", family=lab.family), inside="eth1").start()
    through = Load(lab, "client")
    through.wait_for(200)
    own = lab.request("director", 200, parallel=10, url=f"http://{lab.family.place(lab.family.address['in1'], 8080)}/")
    all_answered(own, 200)
    lab.serve_web("director", port=20000)  # among local_ports
    all_answered(lab.request("in1", 50, url=f"http://{lab.family.place(inside_address(lab), 20000)}/"), 50)
    through.wait_for(200)
    same(through.stop().failures, [], "failures")
    same(director.dropped(), {}, "frames dropped")


@case()
def used_up_ports_are_counted_said_and_free_again_later(lab):
    inside_web(lab)
    director = Director(lab, fullnat("in1", family=lab.family), inside="eth1", local_ports="20000-20003").start()
    open_ones = [lab.connect("client") for _ in range(4)]
    with lab["client"].inside():
        fifth = lab.family.socket()
    fifth.setblocking(False)
    fifth.connect_ex((lab.family.vip, 80))
    eventually(lambda: director.exits()["local-ports-full"] > 0, 10, "a connection without a port")
    director.wait_for_log("local-ports-full")
    for one in open_ones:
        one.close()
    fifth.close()
    lines = director.admin("-Lnc")
    true(all(f"{lab.family.place(inside_address(lab), port)} " in lines for port in range(20000, 20004)), lines)


@case(seconds=60)
def downloads_survive_a_restart_of_the_daemon(lab):
    inside_web(lab)
    director = Director(lab, fullnat(*IN, scheduler="rr", family=lab.family), inside="eth1",
                        state=lab.directory / "state").start()
    downloads = Downloads(lab, director, *IN)
    before = director.admin("-Lnc")
    same(director.stop(signal.SIGTERM), 0, "exit status")
    director.start()
    after = director.admin("-Lnc")
    ends = [sorted(line.split()[3:] for line in text.splitlines() if "ESTABLISHED" in line) for text in (before, after)]
    true(set(map(tuple, ends[1])) <= set(map(tuple, ends[0])), "connections have other local ports after the restart")
    downloads.all_arrive()
    # More than arp_hold come before the servers' MAC addresses are known again; TCP repeats them.
    same(set(director.dropped()) - {"hold-full"}, set(), "why frames were dropped")


def proxied(lab, *names):
    """Servers inside, without a gateway, that expect the PROXY protocol: for requests, and one that speaks first."""
    lab.add_inside(*names)
    for name in names:
        lab[name].run("ip", "route", "del", "default")
        server = lab[name].start(sys.executable, str(HERE / "proxied_server"), "8080", "2525")
        for port in (8080, 2525):
            eventually(lambda program=server, port=port: program.listens_on(port), 10, f"the server of {name}")


def proxied_director(lab):
    words = "proxy_protocol=2"
    return Director(lab, fullnat("in1", words=words, family=lab.family),
                    fullnat("in1", port=2525, words=words, name="mail", ports="tcp/25", family=lab.family),
                    inside="eth1").start()


@case(seconds=60)
def a_server_gets_the_clients_address_by_the_proxy_protocol(lab):
    proxied(lab, "in1")
    director = proxied_director(lab)
    answers = lab.request("client", 300, parallel=20)
    all_answered(answers, 300)
    same(set(answers.of), {lab.family.address["client"]}, "whom the server believes its clients to be")
    same(director.dropped(), {}, "frames dropped")


@case(seconds=60)
def a_server_that_speaks_first_gets_the_proxy_header_too(lab):
    proxied(lab, "in1")
    proxied_director(lab)
    with lab.connect("client", port=25) as one:
        same(one.recv(100).decode().split()[:2], ["220", lab.family.address["client"]], "the server's first line")


@case(seconds=120)
def the_proxy_header_arrives_although_segments_are_lost(lab):
    proxied(lab, "in1")
    lab["in1"].run("nft", "table netdev lossy { chain in { type filter hook ingress device eth0 priority 0; "
                          "tcp dport { 8080, 2525 } numgen random mod 4 == 0 drop; }; }")
    proxied_director(lab)
    answers = lab.request("client", 40, parallel=20)
    all_answered(answers, 40)
    same(set(answers.of), {lab.family.address["client"]}, "whom the server believes its clients to be")
    for _ in range(5):
        with lab.connect("client", port=25) as one:
            same(one.recv(100).decode().split()[:2], ["220", lab.family.address["client"]], "the server's first line")


@case(seconds=60)
def twenty_megabytes_follow_the_proxy_header_unchanged(lab):
    proxied(lab, "in1")
    director = proxied_director(lab)
    upload(lab, "client", os.urandom(MEGABYTE) * 20, f"{lab.family.url}/")
    same(director.dropped(), {}, "frames dropped")


NGINX = """daemon off; pid {folder}/nginx.pid; error_log stderr;
events {{ }}
http {{ access_log off; server {{ listen {where} proxy_protocol;
location / {{ return 200 "$proxy_protocol_addr\n"; }} }} }}
"""


def serve_behind_proxy(lab, host):
    """nginx at port 8080: it takes the PROXY protocol alone, and answers with the client's address."""
    file = lab.directory / "nginx.conf"
    file.write_text(NGINX.format(folder=lab.directory, where=f"{lab.everywhere}:8080"))
    server = lab[host].start("nginx", "-c", str(file))
    eventually(lambda: server.listens_on(8080), 10, "nginx")


@case(seconds=60, needs=("nginx",))
def nginx_sees_the_clients_address(lab):
    lab.add_inside("in1")
    serve_behind_proxy(lab, "in1")
    director = Director(lab, check(type="http", path="/"),
                        fullnat("in1", words="proxy_protocol=2", family=lab.family, check="well"),
                        inside="eth1").start()
    director.wait_for_health("in1", "up")
    same(set(lab.request("client", 50, parallel=5).of), {lab.family.address["client"]}, "nginx's clients")


HAPROXY = """defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend web
  bind {where} accept-proxy
  http-request return status 200 content-type text/plain lf-string "%[src]\\n"
"""


@case(seconds=60, needs=("haproxy",))
def haproxy_sees_the_clients_address(lab):
    lab.add_inside("in1")
    file = lab.directory / "haproxy.cfg"
    file.write_text(HAPROXY.format(where=f"{lab.everywhere}:8080"))
    server = lab["in1"].start("haproxy", "-db", "-f", str(file))
    eventually(lambda: server.listens_on(8080), 10, "HAProxy")
    Director(lab, fullnat("in1", words="proxy_protocol=2", family=lab.family), inside="eth1").start()
    same(set(lab.request("client", 50, parallel=5).of), {lab.family.address["client"]}, "HAProxy's clients")


def echoed(lab, vip, *sizes):
    """Datagrams of these sizes come back from the echo service at the VIP."""
    with lab["client"].inside():
        s = lab.family.socket(socket.SOCK_DGRAM)
    with s:
        s.settimeout(30)
        s.connect((vip, 7))
        for size in sizes:
            data = os.urandom(size)
            s.send(data)
            same(s.recv(1 << 17), data, f"the echo of {size} bytes")


def echo_server(lab, name):
    server = lab[name].start(sys.executable, str(HERE / "small_server"), "echo", lab.family.address[name], "7")
    eventually(lambda: "ready" in server.text(), 10, "the echo server")


@case(seconds=60)
def replies_in_fragments_are_not_the_kernels(lab):
    lab.add_inside("in1")
    echo_server(lab, "in1")
    section = virtual("echo", ports="udp/7", servers=("in1 forward=fullnat",), family=lab.family)
    director = Director(lab, section, inside="eth1").start()
    echoed(lab, lab.family.vip, 100, 4000, 20000)
    if lab.family is IPV4:
        same(lab["director"].kernel_counter("NoPorts", "Udp"), 0, "replies that the director's kernel refused")
    same(director.dropped(), {}, "frames dropped")


@case(seconds=60)
def replies_in_fragments_to_the_hosts_own_vip_reach_the_client(lab):
    echo_server(lab, "rs1")
    vip = ADDRESS["director"]
    director = Director(lab, virtual("echo", address=vip, ports="udp/7", servers=("rs1 forward=fullnat",))).start()
    echoed(lab, vip, 100, 4000, 20000)
    same(director.dropped(), {}, "frames dropped")


def between_families(lab, vip, server):
    """Requests and large files, from clients of one family to a server of the other."""
    lab.add_inside("in1")
    lab.serve_web("in1", port=8080)
    url = f"http://[{vip}]" if ":" in vip else f"http://{vip}"
    place = f"[{server}]:8080" if ":" in server else f"{server}:8080"
    section = virtual(address=vip, servers=()) + f"server = {place} forward=fullnat\n"
    director = Director(lab, section, inside="eth1").start()
    all_answered(lab.request("client", 100, parallel=10, url=f"{url}/"), 100)
    for client in ("client", "local"):
        fifty_megabytes_each_way(lab, client, "in1", url=url)
    same(director.dropped(), {}, "frames dropped")


@case(seconds=60, family=IPV6)
def an_ipv6_service_has_ipv4_servers(lab):
    between_families(lab, VIP6, ADDRESS["in1"])


@case(seconds=60, family=IPV6)
def an_ipv4_service_has_ipv6_servers(lab):
    between_families(lab, VIP, ADDRESS6["in1"])


over_ipv6("fullnat",
          a_server_gets_the_clients_address_by_the_proxy_protocol,
          a_thousand_parallel_requests_to_servers_without_a_gateway_are_answered_by_weight,
          fifty_megabytes_go_up_and_down_unchanged_through_full_nat,
          servers_on_the_clients_lan_with_another_gateway_are_served_by_one_arm,
          used_up_ports_are_counted_said_and_free_again_later,
          downloads_survive_a_restart_of_the_daemon,
          replies_in_fragments_are_not_the_kernels,
          nginx_sees_the_clients_address,
          haproxy_sees_the_clients_address)
