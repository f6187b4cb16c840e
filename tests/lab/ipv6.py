# SPDX-License-Identifier: BSD-2-Clause
"""IPv6 for real: curl, ping, dig, iperf3 and vsftpd by all methods, and what a VIP is on the LAN."""
import functools
import os
import socket
import struct

from case import all_answered, case, same, true
from lab.director import Director, virtual
from lab.frames import Capture
from lab.namespaces import Trouble, eventually
from lab.topology import ADDRESS6, IPV4, IPV6, VIP6, mac_of
from programs import MEGABYTE, askers_spread, download, shared_by_weight

six_virtual = functools.partial(virtual, family=IPV6)


def solicitations(frames, target):
    """The neighbour discovery messages about an address: (what, source MAC address, hop limit)."""
    return [({1: "asks", 2: "says"}[f.op], f.sender, f.ttl) for f in frames if f.about == target]


@case(family=IPV6)
def requests_over_ipv6_are_answered_by_direct_routing(lab):
    lab.serve_web()
    director = Director(lab, six_virtual(scheduler="rr")).start()
    for client in ("client", "local"):
        shared_by_weight(lab, director, client, 100, {"rs1": 1, "rs2": 1}, parallel=10)
    same(director.dropped(), {}, "frames dropped")


@case(family=IPV6)
def both_families_are_served_at_once(lab):
    lab.serve_web(port=80)
    lab.serve_web(port=8080)
    Director(lab, virtual("four"), six_virtual("six", ports="tcp/8080")).start()
    all_answered(lab.request("client", 20, parallel=4, url=f"{IPV4.url}/"), 20)
    all_answered(lab.request("client", 20, parallel=4, url=f"{IPV6.url}:8080/"), 20)


@case(family=IPV6)
def twenty_megabytes_come_down_unchanged_by_nat(lab):
    lab.add_inside("in1")
    lab.serve_web("in1", port=8080)
    director = Director(lab, six_virtual(servers=("in1:8080 forward=nat",)), inside="eth1").start()
    all_answered(lab.request("client", 50, parallel=10), 50)
    download(lab, "client", os.urandom(MEGABYTE) * 20, "in1")
    same(director.dropped(), {}, "frames dropped")


@case(family=IPV6)
def a_vip_answers_pings_of_many_sizes(lab):
    Director(lab, six_virtual()).start()
    for size in (0, 56, 1452, 1453, 8000, 60000):
        done = lab["client"].run("ping", "-6", "-c", "1", "-W", "30", "-s", str(size), VIP6, check=False)
        true(" 1 received" in done.stdout, f"{size} bytes: {done.stdout} {done.stderr}")


@case(family=IPV6)
def solicitations_for_a_vip_are_answered_and_the_kernel_keeps_silent(lab):
    at_client = Capture(lab["local"])
    director = Director(lab, six_virtual(), garp_count=2).start()
    eventually(lambda: solicitations(at_client.frames(), VIP6), 10, "an advertisement of the VIP")
    lab["local"].run("ping", "-6", "-c", "1", "-W", "30", VIP6)
    answers = [f for f in solicitations(at_client.frames(), VIP6) if f[0] == "says"]
    true(len(answers) >= 2, f"advertisements: {answers}")
    same({(mac, limit) for _, mac, limit in answers}, {(mac_of("director"), 255)}, "who advertises the VIP")
    exits = director.exits()
    true(exits["nd-answered"] >= 1, f"solicitations answered: {exits['nd-answered']}")
    same(exits["nd-conflict"], 0, "conflicts")


@case(family=IPV6)
def a_closed_port_refuses_over_ipv6(lab):
    Director(lab, six_virtual()).start()
    done = lab["client"].run("curl", "--silent", "--show-error", "--max-time", "20", f"http://[{VIP6}]:81/",
                             check=False)
    same(done.returncode, 7, f"curl's exit status ({done.stderr})")  # could not connect: refused


@case(family=IPV6, needs=("dnsmasq", "dig"))
def dns_queries_over_ipv6_are_spread(lab):
    for name in ("rs1", "rs2"):
        program = lab[name].start("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv",
                                  "--no-hosts", "--user=root", "--pid-file=", f"--txt-record=who.example,{name}")
        eventually(lambda dns=program: dns.listens_on(53, "udp"), 10, f"dnsmasq of {name}")
    Director(lab, six_virtual("dns", ports="udp/53", scheduler="rr")).start()
    askers_spread(lab, 10, "rs1", "rs2")


@case(family=IPV6)
def a_packet_too_big_for_the_path_to_a_nat_server_is_told_to_its_sender(lab):
    lab.add_inside("in1")
    lab.serve_web("in1", port=80)
    lab["director"].mtu("eth1", 1400)
    lab["in1"].mtu("eth0", 1400)
    director = Director(lab, six_virtual(servers=("in1:80 forward=nat",)), inside="eth1").start()
    page = lab.directory / "page"
    page.write_bytes(os.urandom(300000))
    # Its requests are larger than the narrow link takes in one packet.
    done = lab["client"].run("curl", "--silent", "--show-error", "--max-time", "60", "--data-binary", f"@{page}",
                             IPV6.url, check=False, timeout=60)
    true(done.returncode in (0, 22, 56) or "501" in done.stdout, f"curl: {done.returncode} {done.stderr}")
    all_answered(lab.request("client", 10), 10)
    same(director.exits()["tunnel-narrow"], 0, "packets refused for the tunnel")


@case(family=IPV6)
def a_server_is_listed_as_ipvsadm_does(lab):
    director = Director(lab).start()
    director.admin("-A", "-t", f"[{VIP6}]:80", "-s", "wlc", "-p", "60", "-M", "64")
    director.admin("-a", "-t", f"[{VIP6}]:80", "-r", f"[{ADDRESS6['rs1']}]:80", "-g", "-w", "3")
    listing = director.admin("-L", "-n")
    true(f"TCP  [{VIP6}]:80 wlc persistent 60 mask 64" in listing, listing)
    true(f"  -> [{ADDRESS6['rs1']}]:80" in listing, listing)
    saved = director.admin("-S", "-n")
    true(f"-A -t [{VIP6}]:80 -s wlc -p 60 -M 64" in saved, saved)
    same(director.admin("-D", "-t", f"[{VIP6}]:80"), "", "output of -D")


def datagram_of(size):
    return struct.pack("!I", size) + os.urandom(size - 4)


@case(family=IPV6)
def large_datagrams_come_back_over_ipv6(lab):
    with lab["rs1"].inside():
        server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        server.bind((VIP6, 7))
        server.settimeout(60)
    director = Director(lab, six_virtual("echo", ports="udp/7", servers=("rs1",))).start()
    with lab["client"].inside():
        client = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        client.settimeout(60)
        client.connect((VIP6, 7))
    with server, client:
        for size in (10, 1452, 1453, 20000, 60000):
            sent = datagram_of(size)
            client.send(sent)
            try:
                found, sender = server.recvfrom(1 << 16)
                server.sendto(found, sender)
                back = client.recv(1 << 16)
            except OSError as error:
                raise Trouble(f"a datagram of {size} bytes: {error}; {director.dropped()}") from error
            true(found == sent and back == sent, f"a datagram of {size} bytes came changed")


@case(family=IPV6)
def an_instance_that_takes_all_ipv6_vips_sends_adverts(lab):
    at_local = Capture(lab["local"])
    Director(lab, six_virtual(), "[vrrp six]\nvrid = 51\nfamily = ipv6\ninterval = 100ms\nstart = master\n").start()

    def adverts():
        return [f for f in at_local.frames() if f.to == "33:33:00:00:00:12" and f.data[20] == 112]
    eventually(adverts, 20, "an advert to ff02::12")
    same(adverts()[0].data[21], 255, "its hop limit")
    same(adverts()[0].data[62:78], socket.inet_pton(socket.AF_INET6, VIP6), "the address in it")
