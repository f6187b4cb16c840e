# SPDX-License-Identifier: BSD-2-Clause
"""SYN cookies: the director answers SYNs itself, and opens the server's half when the client has come back."""
import os
import sys

from case import all_answered, case, over_ipv6, same, true
from floods import COUNT, through_a_flood
from ftp import fetch_and_send, modes, vsftpd
from fullnat import fullnat, serve_behind_proxy
from lab.director import Director, virtual
from lab.namespaces import eventually
from nat import IN, inside_web, nat
from offloads import DOWN, UP, nothing_is_lost, one_processor, serve, service
from programs import HERE, MEGABYTE, fifty_megabytes_each_way, upload
from survival import Downloads, Pulse, keeper, replaced


def director_with_cookies(lab, *sections, **settings):
    return Director(lab, *sections, inside="eth1", syn_cookies="on", **settings).start()


def every_syn_had_one(director, connections):
    exits = director.exits()
    true(exits["cookie-sent"] >= connections and exits["cookie-right"] >= connections, f"cookies: {exits}")
    same(set(director.dropped()) - {"half-waits", "half-repeated"}, set(), "why frames were dropped")


@case(seconds=60)
def a_thousand_requests_and_fifty_megabytes_each_way_pass_nat(lab):
    inside_web(lab)
    director = director_with_cookies(lab, nat(*IN, scheduler="rr", family=lab.family))
    all_answered(lab.request("client", 1000, parallel=50), 1000)
    every_syn_had_one(director, 1000)
    fifty_megabytes_each_way(lab, "client", *IN)
    every_syn_had_one(director, 1002)


@case(seconds=60)
def a_thousand_requests_and_fifty_megabytes_each_way_pass_full_nat(lab):
    inside_web(lab)
    director = director_with_cookies(lab, fullnat(*IN, scheduler="rr", family=lab.family))
    all_answered(lab.request("client", 1000, parallel=50), 1000)
    fifty_megabytes_each_way(lab, "client", *IN)
    every_syn_had_one(director, 1002)


@case(seconds=90, needs=("iperf3",))
@one_processor()
def super_frames_arrive_and_nothing_is_sent_twice(lab):
    lab.add_inside("in1")
    serve(lab, "in1")
    director = director_with_cookies(lab, service(lab, "in1 forward=nat"))
    for client in ("client", "local"):
        for way in (UP, DOWN):
            nothing_is_lost(lab, director, client, "in1", 300, *way)
    true(director.exits()["cookie-right"] >= 8, director.exits())


@case(seconds=60)
def windows_are_those_of_a_server_with_another_scale_than_was_promised(lab):
    lab.add_inside("in1")
    lab["in1"].run("sysctl", "-qw", "net.ipv4.tcp_rmem=4096 131072 67108864", "net.ipv4.tcp_window_scaling=1")
    lab.serve_web("in1", port=8080)
    director = director_with_cookies(lab, nat("in1", family=lab.family))
    fifty_megabytes_each_way(lab, "client", "in1")
    every_syn_had_one(director, 2)


@case(seconds=60)
def a_server_without_timestamps_scaling_and_sack_is_served(lab):
    lab.add_inside("in1")
    lab["in1"].run("sysctl", "-qw", "net.ipv4.tcp_timestamps=0", "net.ipv4.tcp_window_scaling=0", "net.ipv4.tcp_sack=0")
    lab.serve_web("in1", port=8080)
    director = director_with_cookies(lab, nat("in1", family=lab.family))
    fifty_megabytes_each_way(lab, "client", "in1")
    all_answered(lab.request("client", 100, parallel=10), 100)
    every_syn_had_one(director, 102)


@case(seconds=60)
def a_client_without_timestamps_is_served(lab):
    inside_web(lab)
    lab["client"].run("sysctl", "-qw", "net.ipv4.tcp_timestamps=0")
    director = director_with_cookies(lab, nat(*IN, scheduler="rr", family=lab.family))
    all_answered(lab.request("client", 100, parallel=10), 100)
    fifty_megabytes_each_way(lab, "client", *IN)
    every_syn_had_one(director, 102)


@case(seconds=90, needs=("vsftpd", "curl"))
def ftp_passes_nat(lab):
    lab.add_inside("in1")
    vsftpd(lab, "in1")
    director = director_with_cookies(lab, virtual(ports="tcp/21", servers=("in1 forward=nat",), family=lab.family))
    for mode in modes(lab, "EPSV", "PASV"):
        fetch_and_send(lab, "client", mode)
    true(director.exits()["cookie-right"] > 0, director.exits())
    same(director.exits()["reset-sent"], 0, "RSTs")


@case(seconds=60, needs=("nginx",))
def nginx_sees_the_clients_address_by_the_proxy_protocol(lab):
    lab.add_inside("in1")
    serve_behind_proxy(lab, "in1")
    director = director_with_cookies(lab, fullnat("in1", words="proxy_protocol=2", family=lab.family))
    same(set(lab.request("client", 50, parallel=5).of), {lab.family.address["client"]}, "nginx's clients")
    every_syn_had_one(director, 50)


@case(seconds=60)
def a_server_that_speaks_first_gets_the_proxy_header_too(lab):
    lab.add_inside("in1")
    server = lab["in1"].start(sys.executable, str(HERE / "proxied_server"), "8080", "2525")
    eventually(lambda: server.listens_on(2525), 10, "the server")
    words = "proxy_protocol=2"
    director = director_with_cookies(lab, fullnat("in1", words=words, family=lab.family),
                                     fullnat("in1", port=2525, words=words, name="mail", ports="tcp/25",
                                             family=lab.family))
    with lab.connect("client", port=25) as one:
        same(one.recv(100).decode().split()[:2], ["220", lab.family.address["client"]], "the server's first line")
    upload(lab, "client", os.urandom(MEGABYTE) * 20, f"{lab.family.url}/")
    every_syn_had_one(director, 2)


@case(seconds=120)
def lost_segments_of_either_handshake_are_made_up(lab):
    inside_web(lab)
    rule = ("table netdev lossy {{ chain in {{ type filter hook ingress device {device} priority 0; "
            "meta l4proto tcp numgen random mod 5 == 0 drop; }}; }}")
    lab["in1"].run("nft", rule.format(device="eth0"))
    lab["client"].run("nft", rule.format(device="eth0"))
    director = director_with_cookies(lab, nat("in1", family=lab.family))
    all_answered(lab.request("client", 60, parallel=30), 60)
    true(director.exits()["cookie-right"] >= 60, director.exits())


@case(seconds=90)
def downloads_survive_a_restart_and_the_replacement_of_the_program(lab):
    inside_web(lab)
    sections = nat(*IN, family=lab.family), Pulse.section(lab, [f"{IN[0]} forward=nat"])
    director = keeper(lab, *sections, inside="eth1", syn_cookies="on")
    downloads = Downloads(lab, director, *IN)
    true(director.exits()["cookie-right"] >= 200, director.exits())
    replaced(director)
    director.stop()
    keeper(lab, *sections, inside="eth1", syn_cookies="on")
    downloads.all_arrive()


@case(seconds=120, alone=True)
def a_flood_of_forged_syns_begins_cookies_and_harms_nobody(lab):
    inner = virtual(servers=("inner forward=nat",))
    director, new, held, sent = through_a_flood(lab, "syn", inner, server="inner", inside="eth1", client_share=100)
    exits = director.exits()
    same(held, {"living": 20, "of": 20}, "downloads that went on")
    true(new["served"] == 40, f"new clients: {new}; {director.dropped()}; {exits}")
    same(sent, COUNT, "frames of the flood")
    true(exits["cookie-sent"] > COUNT / 2, exits)
    director.wait_for_log("are answered with SYN cookies")


over_ipv6("cookies",
          a_thousand_requests_and_fifty_megabytes_each_way_pass_nat,
          a_thousand_requests_and_fifty_megabytes_each_way_pass_full_nat,
          super_frames_arrive_and_nothing_is_sent_twice,
          ftp_passes_nat,
          nginx_sees_the_clients_address_by_the_proxy_protocol,
          lost_segments_of_either_handshake_are_made_up,
          downloads_survive_a_restart_and_the_replacement_of_the_program)
