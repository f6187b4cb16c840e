# SPDX-License-Identifier: BSD-2-Clause
"""Forged frames of a host on the LAN that sees nothing of the clients' connections, and what they do not change: a
connection's end, a server's MAC address, the master, what other directors tell."""
import json
import socket
import struct
import time

from case import case, over_ipv6, same, true
from lab.director import Director, virtual
from lab.flood import checksum
from lab.frames import Capture, arp_request, mac_bytes
from lab.namespaces import eventually
from lab.topology import ADDRESS, IPV6, mac_of
from vrrp import OTHER, instance, of_family, second_host, wait_for_state

FORGER = mac_of("local")
LINK_LOCAL = {"director": "fe80::ff:fe00:10", "other": "fe80::ff:fe00:20"}  # of their MAC addresses
TENTH_MEGABYTE = 10 << 20
SEGMENTS = {"RST": 0x04, "RST and ACK": 0x14, "no flags": 0x00, "FIN": 0x11}
TCP, UDP, ICMPV6, VRRP = 6, 17, 58, 112

# Answers each line with the same line.
ECHO = """import asyncio
async def serve(reader, writer):
    while line := await reader.readline():
        writer.write(line)
async def main():
    async with await asyncio.start_server(serve, "{host}", 80) as server:
        await server.serve_forever()
asyncio.run(main())
"""


def packet(to, source, destination, protocol, payload, ttl=64, checksum_at=None):
    """A frame of the forger's, with the payload's checksum, where it has one with a pseudo-header."""
    six = ":" in source
    kind = socket.AF_INET6 if six else socket.AF_INET
    addresses = socket.inet_pton(kind, source) + socket.inet_pton(kind, destination)
    if checksum_at is not None:
        total = checksum(addresses + struct.pack("!II", len(payload), protocol) + payload + bytes(len(payload) % 2))
        payload = payload[:checksum_at] + struct.pack("!H", total) + payload[checksum_at + 2:]
    if six:
        header = struct.pack("!IHBB", 6 << 28, len(payload), protocol, ttl) + addresses
    else:
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, ttl, protocol, 0) + addresses
        header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return mac_bytes(to) + mac_bytes(FORGER) + (b"\x86\xdd" if six else b"\x08\x00") + header + payload


def segment(lab, client_port, flags, number):
    """As if it came from the client, through the router."""
    tcp = struct.pack("!HHIIBBHHH", client_port, 80, number, number, 0x50, flags, 64240, 0, 0)
    return packet(mac_of("director"), lab.family.address["client"], lab.family.vip, TCP, tcp, checksum_at=16)


def talk(s, lines=8):
    for number in range(lines):
        s.sendall(f"line {number}\n".encode())
        true(s.recv(100).startswith(b"line"), "what the client got")


def survives(lab, server, section, **settings):
    echo = lab[server].start("python3", "-c", ECHO.format(host=lab.everywhere.strip("[]")))
    eventually(lambda: echo.listens_on(80), 20, "the server")
    director = Director(lab, section, **settings).start()
    sent = Capture(lab["client"])
    s = lab.connect("client")
    talk(s)
    port, forger = s.getsockname()[1], lab["local"].packet_socket("eth0")
    # Every tenth megabyte of all numbers but those near the client's: one that happens to be the client's is believed.
    own = [frame.sequence for frame in sent.frames() if frame.target_port == 80 and frame.outgoing][-1]
    flags = list(SEGMENTS.values())
    for at in range(400):
        forger.send(segment(lab, port, flags[at % len(flags)], (own + (at + 1) * TENTH_MEGABYTE) % (1 << 32)))
    eventually(lambda: int(daemon(director)["implausible"]) >= 380, 10, "segments that ended nothing")
    states = [row["state"] for row in director.ask("connections")]
    true(states.count("ESTABLISHED") == 1 and "CLOSE" not in states, f"states: {states}")
    talk(s)
    true("ended nothing" in director.admin("status"), "the status tells of them")
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()  # by RST: its own
    eventually(lambda: "CLOSE" in [row["state"] for row in director.ask("connections")], 5, "the client's own RST")


def daemon(director):
    return next(row for row in director.ask("list") if row["row"] == "daemon")


@case(seconds=60)
def forged_ends_of_a_connection_are_not_believed_by_direct_routing(lab):
    survives(lab, "rs1", virtual(servers=("rs1",), family=lab.family))


@case(seconds=60)
def forged_ends_of_a_connection_are_not_believed_with_nat(lab):
    survives(lab, "inner", virtual(servers=("inner forward=nat",), family=lab.family), inside="eth1")


def claim(lab, victim):
    """What a host sends that says, without being asked, that it has the victim's address."""
    if lab.family is not IPV6:
        return arp_request(FORGER, ADDRESS[victim], ADDRESS[victim])
    address = lab.family.address[victim]
    target = socket.inet_pton(socket.AF_INET6, address)
    advert = struct.pack("!BBHI", 136, 0, 0, 0x20000000) + target + b"\x02\x01" + mac_bytes(FORGER)
    return packet("33:33:00:00:00:01", address, "ff02::1", ICMPV6, advert, ttl=255, checksum_at=2)


@case(seconds=60)
def a_host_that_claims_a_servers_address_gets_none_of_its_packets(lab):
    lab.serve_web("rs1")
    director = Director(lab, virtual(servers=("rs1",), family=lab.family), arp_probe_interval=0).start()
    same(lab.request("client", 3).of["rs1"], 3, "answers before")
    forger = lab["local"].packet_socket("eth0")
    for _ in range(40):
        forger.send(claim(lab, "rs1"))
        same(lab.request("client", 1).of["rs1"], 1, "answers while another host claims the server's address")
        time.sleep(0.1)
    rows = [row for row in director.ask("arp") if row.get("disputed", "0") != "0"]
    same([(row["mac"], row["disputant"]) for row in rows], [(mac_of("rs1"), FORGER)], "who has it, who wants it")
    director.wait_for_log("says that it has its address")
    same(director.log().count("says that it has its address"), 1, "log lines about it")
    findings = json.loads(director.admin("doctor", "--json", check=False).stdout)["findings"]
    true(any(one["check"] == "disputed" for one in findings), findings)


@case(seconds=60)
def a_server_that_moves_to_another_mac_address_is_followed_within_seconds(lab):
    lab.serve_web("rs1")
    Director(lab, virtual(servers=("rs1",), family=lab.family)).start()
    same(lab.request("client", 3).of["rs1"], 3, "answers before")
    lab["rs1"].run("ip", "link", "set", "eth0", "address", "02:00:00:00:00:99")
    address = lab.family.address["rs1"]
    for host in ("router", "director", "client"):  # their kernels learn it at once: this is about rawvsd
        lab[host].run("ip", "neigh", "flush", "to", address, check=False)
    lab["rs1"].run("ping", "-c", "1", "-W", "2", lab.family.address["director"], check=False)
    begun = time.monotonic()
    s = lab["local"].packet_socket("eth0")
    moved = claim(lab, "rs1").replace(mac_bytes(FORGER), mac_bytes("02:00:00:00:00:99"))
    s.send(moved if lab.family is not IPV6 else claim(lab, "rs1"))
    eventually(lambda: lab.request("client", 1, patience=1).of["rs1"] == 1, 15, "an answer from the moved server")
    true(time.monotonic() - begun < 15, "how long it took")


def advert(lab, priority, interval, ttl, source=OTHER):
    """Of VRRP version 3, from the peer's address."""
    vip = socket.inet_aton(lab.family.vip)
    payload = struct.pack("!BBBBHH", 0x31, 51, priority, 1, interval, 0) + vip
    return packet(mac_of("director"), source, ADDRESS["director"], VRRP, payload, ttl=ttl, checksum_at=6)


def row_of(director):
    return director.ask("vrrp")[0]


@case(seconds=60)
def an_advert_of_a_peer_that_came_through_a_router_does_not_take_the_vip_away(lab):
    second_host(lab)
    director = Director(lab, virtual(), instance(150, peer=OTHER, interval="200ms")).start()
    wait_for_state(director, "master")
    forger = lab["local"].packet_socket("eth0")
    for _ in range(10):
        forger.send(advert(lab, 255, 4095, ttl=3))
    eventually(lambda: row_of(director)["refused"] == "10", 5, "adverts that were refused")
    same(row_of(director)["state"], "master", "the state")
    same(director.log().count("vrrp web: adverts from"), 1, "log lines about it")


UNICAST = """vrrp_instance web {{
  state BACKUP
  interface eth0
  version 3
  virtual_router_id 51
  priority 200
  advert_int 0.2
  unicast_src_ip {own}
  unicast_peer {{ {peer} }}
  virtual_ipaddress {{ {vip} }}
}}
"""


@case(seconds=60, needs=("keepalived",))
def keepalived_as_a_unicast_peer_sends_what_is_believed(lab):
    second_host(lab)
    own, peer = (LINK_LOCAL["other"], LINK_LOCAL["director"]) if lab.family is IPV6 else (OTHER, ADDRESS["director"])
    file = lab.directory / "keepalived.conf"
    file.write_text(UNICAST.format(own=own, peer=peer, vip=lab.family.vip))
    service = virtual(family=lab.family)
    director = Director(lab, service, instance(150, peer=own, interval="200ms", **of_family(lab))).start()
    other = lab["other"].start("keepalived", "-n", "-l", "-P", "-f", str(file), "-p", str(lab.directory / "k.pid"),
                               "-r", str(lab.directory / "kv.pid"))
    eventually(lambda: int(row_of(director)["heard"]) > 5, 20, f"adverts: {other.text()} {director.log()}")
    same(row_of(director)["refused"], "0", "adverts of keepalived that were refused")
    wait_for_state(director, "backup")


@case(seconds=90)
def adverts_that_take_the_vip_and_give_it_back_all_the_time_fill_neither_log_nor_notify(lab):
    second_host(lab)
    told, program = lab.directory / "told", lab.directory / "notify"
    program.write_text(f'#!/bin/sh\necho "$@" >> {told}\n')
    program.chmod(0o755)
    told.touch()
    told.chmod(0o666)
    director = Director(lab, virtual(), instance(150, peer=OTHER, interval="100ms", notify=program)).start()
    wait_for_state(director, "master")
    before = int(row_of(director)["became-master"])
    forger = lab["local"].packet_socket("eth0")
    for _ in range(80):  # 8 s
        forger.send(advert(lab, 200, 10, ttl=255))
        forger.send(advert(lab, 0, 10, ttl=255))
        time.sleep(0.1)
    changes = int(row_of(director)["became-master"]) - before
    true(changes > 30, f"it became master {changes} times")
    wait_for_state(director, "master")
    director.wait_for_log("changes came too fast to be told", 15)
    lines = [line for line in director.log().splitlines() if "vrrp web: " in line and " -> " in line]
    true(len(lines) <= 10, f"log lines: {lines}")
    eventually(lambda: told.read_text().splitlines()[-1:] == ["web MASTER 150"], 15, "the last state, told to notify")
    true(len(told.read_text().splitlines()) <= 10, f"notify: {told.read_text()}")


def sync_message(vip, first, count):
    """Of IPVS's version 1: connections to rs1 that are to live for 31 days."""
    entries = b""
    for n in range(count):
        client = struct.pack("!I", 0xc6336480 + (first + n) % 100)
        entries += struct.pack("!BBHIHHHHII", 0, TCP, 36, 0x100 | 3, 1, 1024 + (first + n) // 100, 80, 80, 0,
                               31 * 86400) + client + socket.inet_aton(vip) + socket.inet_aton(ADDRESS["rs1"])
    return struct.pack("!BBHBbH", 0, 0, 8 + len(entries), count, 1, 0) + entries


@case(seconds=60)
def connections_that_anyone_tells_of_live_no_longer_than_ours_and_leave_room_for_ours(lab):
    lab.serve_web("rs1")
    sections = virtual(servers=("rs1",)), "[sync]\nrole = backup\n"
    director = Director(lab, *sections, max_connections=1000, timeout_tcp="60s").start()
    director.wait_for_log("sync: there is no key: whoever reaches port 8848 can put connections into the table")
    with lab["local"].inside():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(ADDRESS["local"]))
    for first in range(0, 3000, 30):
        s.sendto(sync_message(lab.family.vip, first, 30), ("224.0.0.81", 8848))
    eventually(lambda: int(daemon(director)["entries-used"]) >= 750, 10, f"entries: {director.ask('sync')}")
    counted = director.ask("sync")[0]
    true(int(counted["capped"]) >= 750, f"what was capped: {counted}")
    true(int(daemon(director)["entries-used"]) <= 751, f"the table: {daemon(director)}")
    lives = [float(row["expires"].rstrip("s")) for row in director.ask("connections")]
    true(max(lives) <= 60000, f"the longest life: {max(lives)}")
    same(lab.request("client", 5).of["rs1"], 5, "clients that came then")


over_ipv6(__name__, forged_ends_of_a_connection_are_not_believed_by_direct_routing,
          forged_ends_of_a_connection_are_not_believed_with_nat,
          a_host_that_claims_a_servers_address_gets_none_of_its_packets,
          a_server_that_moves_to_another_mac_address_is_followed_within_seconds,
          keepalived_as_a_unicast_peer_sends_what_is_believed)
