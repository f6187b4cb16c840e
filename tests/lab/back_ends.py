# SPDX-License-Identifier: BSD-2-Clause
"""Each back end ([director] io) does the same: DR and NAT, small requests and large files, UDP, fragments."""
import subprocess

from case import Skip, all_answered, each_of, same, true
from forwarding import dns_servers
from lab.director import Director, program, virtual
from lab.frames import TCP, Capture
from lab.topology import VIP
from nat import IN, direct_url, inside_web, nat
from programs import (a_thousand_requests, askers_spread, download, loud, names_by_udp_and_tcp, serve_names, upload,
                      upload_page)

BACK_ENDS = ("ring", "socket", "xdp")


def with_io(lab, io, *sections, **settings):
    """A director with this back end; checks that it is in use."""
    if io == "xdp":
        ini = lab.directory / "asked.ini"
        ini.write_text("[director]\ninterface = eth0\nio = xdp\n")
        asked = subprocess.run([program("rawvsd"), "-t", "-c", str(ini)], capture_output=True, text=True, check=False)
        if asked.returncode != 0:
            true("built with XDP=no" in asked.stderr, f"io = xdp is refused: {asked.stderr}")
            raise Skip("rawvsd was built with XDP=no")
    director = Director(lab, *sections, io=io, **settings).start()
    true(f"eth0: frames are read by {io}\n" in director.log(), f"another back end was taken: {director.log()}")
    return director


each = each_of({f"by_{io}": io for io in BACK_ENDS}, seconds=60)


@each
def two_thousand_requests_are_answered(lab, io):
    lab.serve_web()
    director = with_io(lab, io, virtual(family=lab.family))
    for client in ("client", "local"):
        answers = lab.request(client, 1000, parallel=50)
        all_answered(answers, 1000)
        true(min(answers.of["rs1"], answers.of["rs2"]) > 50, f"one server got nearly nothing: {dict(answers.of)}")
    same(director.dropped(), {}, "frames dropped")


@each
def nat_serves_a_thousand_requests_on_another_port_and_the_kernel_sees_none(lab, io):
    inside_web(lab)
    director = with_io(lab, io, nat(*IN, scheduler="rr", family=lab.family), inside="eth1")
    at_client = Capture(lab["client"])
    a_thousand_requests(lab, director, {"in1": 1, "in2": 1})
    same(loud(at_client.frames(), *map(lab.family.address.get, IN)), [],
         "frames that show a server's own address to the client")
    same(lab["director"].routed(), 0, "packets that the director's kernel routed")


def large_files(lab, director, *servers):
    """Twenty megabytes each way arrive unchanged, from both sides of the router, and nothing is dropped."""
    content = bytes(range(256)) * (20 << 12)
    upload_page(lab, *servers)
    for client in ("client", "local"):
        upload(lab, client, content)
        download(lab, client, content, *servers)
    same(director.dropped(), {}, "frames dropped")


@each
def large_files_pass_unchanged_by_direct_routing_with_default_offloads(lab, io):
    lab.serve_web("rs1")
    large_files(lab, with_io(lab, io, virtual(servers=("rs1",), family=lab.family)), "rs1")


@each
def large_files_pass_unchanged_through_nat_with_default_offloads(lab, io):
    inside_web(lab)
    large_files(lab, with_io(lab, io, nat("in1", family=lab.family), inside="eth1"), "in1")


@each
def udp_queries_are_spread_over_two_name_servers_again(lab, io):
    dns_servers(lab, "rs1", "rs2")
    director = with_io(lab, io, virtual(name="dns", ports="udp/53", scheduler="rr"))
    askers_spread(lab, 20, "rs1", "rs2")
    same(director.dropped(), {}, "frames dropped")


@each
def fragmented_answers_of_nat_servers_arrive_whole(lab, io):
    lab.add_inside(*IN)
    serve_names(lab, *IN, address=lab.family.address.get)
    servers = [f"{name} forward=nat" for name in IN]
    section = virtual(name="dns", ports="udp/53 tcp/53", scheduler="rr", servers=servers,
                      family=lab.family)
    director = with_io(lab, io, section, inside="eth1")
    names_by_udp_and_tcp(lab, director, *IN)


@each
def the_host_itself_still_talks_to_its_servers(lab, io):
    lab.serve_web()
    with_io(lab, io, virtual(family=lab.family))
    at_client = Capture(lab["client"])
    answers = lab.request("director", 5, url=direct_url(lab, "rs1", 80))
    same(dict(answers.of), {"rs1": 5}, "answers to the director's own requests")
    all_answered(lab.request("client", 20), 20)
    resets = [f for f in at_client.frames() if f.protocol == TCP and f.is_reset and not f.outgoing]
    same(resets, [], "resets that the client got")
