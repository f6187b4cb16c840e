# SPDX-License-Identifier: BSD-2-Clause
"""A VIP behaves like a host: it answers pings, refuses closed ports at once, says when there is no server."""
import socket

from case import case, same, true
from lab.director import Director, virtual
from lab.frames import ICMP, Capture
from lab.namespaces import eventually
from lab.topology import VIP

UNREACHABLE, TIME_EXCEEDED, PORT = 3, 11, 3


@case()
def a_closed_tcp_port_refuses_the_connection(lab):
    lab.serve_web()
    Director(lab).start()
    for client in ("client", "local"):
        done = lab[client].run("curl", "--verbose", "--max-time", "60", f"http://{VIP}:81/", check=False)
        true("Connection refused" in done.stderr, f"{client}: curl: {done.returncode} {done.stderr.strip()}")


@case()
def a_closed_udp_port_is_unreachable(lab):
    director = Director(lab).start()
    for client in ("client", "local"):
        with lab[client].inside():
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with s:
            s.settimeout(60)
            s.connect((VIP, 9))
            s.send(b"anybody there?")
            try:
                s.recv(100)
                found = "an answer"
            except ConnectionRefusedError:
                found = "refused"
            except TimeoutError:
                found = "nothing"
        same(found, "refused", f"{client}: what came back from a closed UDP port")
    same(director.exits()["port-unreachable"], 2, "port-unreachable")


@case()
def a_service_without_a_server_is_unreachable(lab):
    director = Director(lab, virtual(servers=())).start()
    capture = Capture(lab["local"])
    lab["local"].run("curl", "--silent", "--max-time", "60", f"http://{VIP}/", check=False)
    errors = [f for f in capture.frames() if f.protocol == ICMP and f.source == VIP]
    true(errors, f"no ICMP came: {director.exits()}")
    same(errors[0].data[34:36], bytes([UNREACHABLE, PORT]), "ICMP type and code")
    true(director.exits()["no-server"] > 0, "no-server was not counted")


@case()
def pings_of_the_vip_are_answered(lab):
    director = Director(lab).start()
    for client in ("client", "local"):
        for size in ("56", "1400"):
            done = lab[client].run("busybox", "ping", "-c", "3", "-s", size, "-W", "30", "-A", VIP, check=False)
            true("3 packets received" in done.stdout, f"{client}: {done.stdout}")
    same(director.exits()["echo-answered"], 12, "echo-answered")


@case()
def a_packet_whose_time_to_live_ends_at_the_director_is_answered(lab):
    lab.serve_web()
    Director(lab).start()
    capture = Capture(lab["local"])
    with lab["local"].inside():
        s = socket.socket()
    with s:
        s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
        s.setblocking(False)
        s.connect_ex((VIP, 80))
        found = eventually(lambda: [f for f in capture.frames() if f.protocol == ICMP], 5, "ICMP time exceeded")
    same((found[0].icmp_type, found[0].source), (TIME_EXCEEDED, VIP), "ICMP type, and who sent it")


@case()
def a_segment_without_a_connection_is_reset(lab):
    lab.serve_web()
    director = Director(lab)
    director.start()
    with lab["local"].inside():
        s = socket.socket()
    with s:
        s.settimeout(60)
        s.connect((VIP, 80))
        director.stop()
        director.start()  # it knows nothing of this connection
        s.send(b"GET / HTTP/1.0\r\n\r\n")
        try:
            found = s.recv(100)
        except ConnectionResetError:
            found = "a reset"
        same(found, "a reset", "what came back")


@case()
def pings_as_large_as_can_be_are_answered(lab):
    director = Director(lab).start()
    for size in ("10000", "65507"):
        lab["local"].run("busybox", "ping", "-c", "2", "-s", size, "-W", "30", VIP)
    same(director.exits()["echo-answered"], 4, "echo-answered")
    same(director.dropped(), {}, "frames dropped")
