#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The sync protocol between a kernel's IPVS and rawvsd: connections continue when the other director takes over.

Needs a kernel with IPVS, so it is run on the oracle:  make conformance-sync
which is    tests/conformance/oracle/boot env RAWVS_BIN=build tests/conformance/kernel_sync.py [4|6]

A client has connections through one director; then its frames and the servers' go to the other one, which has these
connections by the sync protocol alone.  Both families; 4 or 6: only this one.  One line per case, and a closing line
`N passed, N failed, N skipped`.
"""
import itertools
import pathlib
import sys
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE.parent / "lab"), str(HERE.parents[1] / "tools")]

from case import same, true  # noqa: E402
from lab.director import Director  # noqa: E402
from lab.namespaces import eventually  # noqa: E402
from lab.topology import ADDRESS, IPV4, IPV6, Topology  # noqa: E402

KERNEL, RAWVS = "192.0.2.20", ADDRESS["director"]
MAC = {"kernel": "02:00:00:00:00:20", "rawvs": "02:00:00:00:00:10"}
GATEWAY = {"kernel": KERNEL, "rawvs": RAWVS}
COUNT = 20


def known_to_rawvs(director):
    return sum(row["state"] == "ESTABLISHED" for row in director.ask("connections"))


def known_to_kernel(lab):
    return lab["kernel"].run("ipvsadm", "-Lnc").stdout.count("ESTABLISHED")


def point_to(lab, method, who):
    """Sends frames to the VIP, and NAT servers' replies, to this director."""
    family = lab.family
    gateway = family.of(GATEWAY[who])
    lab["local"].ip(f"neigh replace {family.vip} lladdr {MAC[who]} dev eth0 nud permanent")
    for name in lab.servers if method == "nat" else ():
        lab[name].ip(f"route replace default via {gateway}",
                     f"route replace {family.address['local']}/{family.bits} via {gateway}")


def follow_no_redirects(host):
    """Answers go through the director, not straight to the client on the same LAN."""
    host.sysctl(conf__all__accept_redirects=0, conf__eth0__accept_redirects=0)
    with host.inside():
        for scope in ("all", "eth0"):
            pathlib.Path(f"/proc/sys/net/ipv6/conf/{scope}/accept_redirects").write_text("0\n")


def set_up(lab, method, port, persistence, role):
    lab.host("kernel").wire("eth0", MAC["kernel"], f"{KERNEL}/24")
    lab["kernel"].sysctl(ip_forward=1, conf__all__send_redirects=0, conf__eth0__send_redirects=0)
    lab.add_ipv6("kernel")
    family = lab.family
    lab["kernel"].ip(f"addr add {family.vip}/{family.bits} dev eth0")
    kernel = lambda *words: lab["kernel"].run("ipvsadm", *words)
    kernel("-A", "-t", family.place(family.vip, 80), "-s", "rr", *(["-p", "300"] if persistence else []))
    for name in lab.servers:
        if method == "nat":
            follow_no_redirects(lab[name])
        kernel("-a", "-t", family.place(family.vip, 80), "-r", family.place(family.address[name], port),
               "-m" if method == "nat" else "-g")
    kernel("--start-daemon", role["kernel"], "--mcast-interface", "eth0", "--syncid", "7")
    lab["director"].sysctl(ip_forward=0)
    section = [f"[virtual web]\naddress = {family.vip}\nports = tcp/80\nscheduler = rr"]
    section += [f"persistence = {300 if persistence else 0}"]
    section += [f"server = {family.place(family.address[name], port)} forward={method}" for name in lab.servers]
    sync = f"[sync]\nrole = {role['rawvs']}\nid = 7\n"
    return Director(lab, "\n".join(section) + "\n", sync, arp_probe_interval=0, garp_count=0, garp_interval=0).start()


def talk(sockets):
    for s in sockets:
        s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        true(b"200 OK" in s.recv(4096), "what a connection got")


def goes_on(family, method, first, second, persistence=False):
    port = 8080 if method == "nat" else 80
    with Topology(behind_router=False, inside=False, family=family) as lab:
        role = {first: "master", second: "backup"}
        director = set_up(lab, method, port, persistence, role)
        lab.serve_web_kept_open(port)
        point_to(lab, method, first)
        sockets = [lab.connect("local") for _ in range(COUNT)]
        talk(sockets)
        known = (lambda: known_to_kernel(lab)) if second == "kernel" else (lambda: known_to_rawvs(director))
        eventually(lambda: known() >= COUNT, 20, f"{COUNT} connections at the backup; it has {known()}")
        before = director.ask("sync")[0]
        point_to(lab, method, second)
        talk(sockets)
        talk(sockets)
        if persistence and second == "rawvs":
            same([row["state"] for row in director.ask("connections") if row["state"] in ("NONE", "ASSURED")],
                 ["ASSURED"], "templates")
        if second == "rawvs":
            same(director.exits()["reset-sent"], 0, "RSTs of rawvsd")
            true(int(before["taken"]) >= COUNT and before["refused"] == "0", f"what was heard: {before}")
        for s in sockets:
            s.close()


SERVER = r"""
import socket, socketserver, sys
class Kept(socketserver.StreamRequestHandler):
    def handle(self):
        while self.rfile.readline():
            while self.rfile.readline() not in (b"\r\n", b""): pass
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET if sys.argv[2] == "4" else socket.AF_INET6
    allow_reuse_address, request_queue_size, daemon_threads = True, 64, True
Server(("", int(sys.argv[1])), Kept).serve_forever()
"""


def serve_web_kept_open(self, port):
    for name in self.servers:
        program = self[name].start("python3", "-c", SERVER, str(port), str(self.family.version))
        eventually(lambda server=program: server.listens_on(port), 20, f"the server of {name}")


Topology.serve_web_kept_open = serve_web_kept_open


def main(families):
    passed = failed = 0
    ways = (("kernel", "rawvs"), ("rawvs", "kernel"))
    for family, method, (first, second), persistence in itertools.product(families, ("dr", "nat"), ways, (False, True)):
        way = f"{method} in IPv{family.version}{', persistent,' if persistence else ''}"
        name = f"{COUNT} connections by {way} from {first} to {second}"
        try:
            goes_on(family, method, first, second, persistence)
            passed += 1
            print(f"ok    {name}", flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print(f"FAIL  {name}\n{traceback.format_exc()}", flush=True)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main([one for one in (IPV4, IPV6) if str(one.version) in (sys.argv[1:] or ("4", "6"))]))
