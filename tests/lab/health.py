# SPDX-License-Identifier: BSD-2-Clause
"""Health checks: servers whose service fails get no connections, and come back; real programs on both sides."""
import re
import socket

from case import all_answered, case, same, true
from lab.director import Director, virtual
from lab.namespaces import eventually
from lab.topology import ADDRESS, VIP
from programs import serve_names

# A DNS question: who.example, TXT.
WHO_IS_IT = bytes.fromhex("123401000001000000000000") + b"\x03who\x07example\x00" + bytes.fromhex("00100001")


def check(name="well", **keys):
    """A [check] section that is quick."""
    keys = {"interval": "300ms", "timeout": "3s", "retries": 0, **keys}
    return f"[check {name}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())


def web(lab, name):
    """A web server on this host that can be stopped."""
    root = lab.directory / f"www-{name}"
    root.mkdir(exist_ok=True)
    (root / "index.html").write_text(f"{name}\n")
    httpd = lab[name].start("busybox", "httpd", "-f", "-p", "0.0.0.0:80", "-h", str(root))
    eventually(lambda: httpd.listens_on(80), 5, f"the web server of {name}")
    return httpd


def drop(host, chain, what):
    """This host's firewall drops these packets from now on: chain is input or output."""
    host.run("sh", "-c", f"echo 'table ip f {{ chain c {{ type filter hook {chain} priority 0; {what} drop; }}; }}' "
                         "| nft -f -")


def all_up(director, *names):
    for name in names:
        director.wait_for_health(name, "up")


@case(seconds=60)
def a_server_whose_service_dies_gets_nothing_until_it_answers_again(lab):
    web(lab, "rs1")
    second = web(lab, "rs2")
    director = Director(lab, check(), virtual(check="well", scheduler="rr")).start()
    all_up(director, "rs1", "rs2")
    same(set(lab.request("client", 10).of), {"rs1", "rs2"}, "servers that answer")
    second.stop()
    director.wait_for_health("rs2", "down")
    same(director.health()[ADDRESS["rs2"]][1], "tcp 192.0.2.12:80: connection refused, 1 of 1", "the reason")
    answers = lab.request("client", 40, parallel=5)
    all_answered(answers, 40)
    same(dict(answers.of), {"rs1": 40}, "answers while rs2 is down")
    status = director.admin("status")
    true(re.search(r"\n  192.0.2.12:80 .*\n    down, \d+ s: tcp 192.0.2.12:80: connection refused", status),
         f"status: {status}")
    true("web (tcp 192.0.2.100:80): server 192.0.2.12:80 is down: tcp 192.0.2.12:80: connection refused"
         in director.log(), director.log())
    web(lab, "rs2")
    all_up(director, "rs2")
    same(set(lab.request("client", 10).of), {"rs1", "rs2"}, "servers that answer")


@case(seconds=60)
def a_page_with_another_status_takes_its_server_out(lab):
    lab.serve_web()
    (lab.page_root("rs1") / "alive").write_text("all is well\n")
    page = check(type="http", path="/alive", body="well")
    director = Director(lab, page, virtual(check="well", scheduler="rr")).start()
    all_up(director, "rs1")
    director.wait_for_health("rs2", "down")
    same(director.health()[ADDRESS["rs2"]][1],
         "http 192.0.2.12:80: HTTP status 404, expected 200-299, 1 of 1", "the reason")
    answers = lab.request("client", 10)
    same(dict(answers.of), {"rs1": 10}, "answers")
    (lab.page_root("rs2") / "alive").write_text("all is well here, too\n")
    all_up(director, "rs2")


@case(seconds=60)
def nothing_goes_to_a_server_before_its_first_success_unless_it_starts_up(lab):
    web(lab, "rs1")
    drop(lab["rs2"], "input", "tcp dport 80")
    director = Director(lab, check("slow", interval="60s", timeout="20s"), virtual(check="slow")).start()

    def facts(service, name):
        row = next(row for row in director.ask("list")
                   if row.get("server") and row["service"] == service and row["server"].startswith(ADDRESS[name]))
        return row["health"], row["weight"], row.get("wanted", row["weight"])
    eventually(lambda: facts("tcp:192.0.2.100:80", "rs1") == ("up", "1", "1"), 10, "rs1 up")
    same(facts("tcp:192.0.2.100:80", "rs2"), ("unknown", "0", "1"), "rs2 while it has not answered yet")
    same(dict(lab.request("client", 6).of), {"rs1": 6}, "answers")
    director.admin("reload")
    same(facts("tcp:192.0.2.100:80", "rs2"), ("unknown", "0", "1"), "the same after a reload")


@case(seconds=60)
def a_server_whose_check_trusts_it_gets_connections_before_the_first_answer(lab):
    drop(lab["rs1"], "input", "tcp dport 81")
    trusting = check("trusting", interval="60s", timeout="20s", port=81, start="up")
    lab.serve_web("rs1")
    director = Director(lab, trusting, virtual(servers=("rs1",), check="trusting")).start()
    same(director.servers()[ADDRESS["rs1"]]["health"], "unknown", "its condition")
    all_answered(lab.request("client", 3), 3)


def outcomes(idle):
    """What clients get, sorted, who now ask on connections that were idle."""
    found = []
    for s in idle:
        try:
            s.sendall(b"GET / HTTP/1.0\r\n\r\n")
            found.append("answered" if s.recv(4096).startswith(b"HTTP/1.") else "something else")
        except ConnectionResetError:
            found.append("reset")
        s.close()
    return sorted(found)


@case(seconds=60)
def connections_of_a_server_that_went_are_reset_when_that_is_wanted(lab):
    web(lab, "rs1")
    second = web(lab, "rs2")
    director = Director(lab, check(), virtual(check="well", scheduler="rr", on_down="reset")).start()
    all_up(director, "rs1", "rs2")
    idle = [lab.connect("client") for _ in range(4)]
    eventually(lambda: [int(row["active"]) for row in director.servers().values()] == [2, 2], 5, "two on each server")
    drop(lab["rs2"], "output", "tcp sport 80")  # it is gone without a word
    second.stop()
    director.wait_for_health("rs2", "down")
    same(outcomes(idle), ["answered"] * 2 + ["reset"] * 2, "what clients got")


@case(seconds=60)
def the_sorry_server_is_used_while_too_few_are_well(lab):
    first, second = web(lab, "rs1"), web(lab, "rs2")
    lab["local"].ip("addr add 192.0.2.100/32 dev lo")
    lab["local"].sysctl(conf__all__arp_ignore=1, conf__all__arp_announce=2)
    lab.serve_web("local")
    director = Director(lab, check(), virtual(check="well", quorum=2, sorry=ADDRESS["local"])).start()
    all_up(director, "rs1", "rs2")
    eventually(lambda: director.servers()[ADDRESS["rs1"]]["weight"] == "1", 5, "the servers in use")
    same(set(lab.request("client", 10).of) - {"rs1", "rs2"}, set(), "others that answer")
    second.stop()
    director.wait_for_log("too few servers are well (")
    same(dict(lab.request("client", 10).of), {"local": 10}, "answers while only rs1 is well")
    web(lab, "rs2")
    director.wait_for_log("enough servers are well (")
    same(set(lab.request("client", 10).of) - {"rs1", "rs2"}, set(), "others that answer")
    first.stop()


def tls_servers(lab, *names):
    """On port 443 of these hosts; with a certificate that nobody has signed."""
    key, certificate = lab.directory / "key.pem", lab.directory / "certificate.pem"
    lab[names[0]].run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=lab.example", "-keyout",
                      str(key), "-out", str(certificate))
    for name in names:
        server = lab[name].start("openssl", "s_server", "-quiet", "-accept", "443", "-key", str(key), "-cert",
                                 str(certificate))
        eventually(lambda program=server: program.listens_on(443), 10, f"the TLS server of {name}")


@case(seconds=60, needs=("dnsmasq", "openssl"))
def checks_of_every_kind_find_their_server_well(lab):
    lab.serve_web()
    at, second = lab.family.place, lab.family.address["rs2"]
    serve_names(lab, "rs1", "rs2", address=lab.family.address.get)
    tls_servers(lab, "rs1", "rs2")
    script = lab.directory / "check-shop"
    script.write_text(f"#!/bin/sh\necho $RAWVS_SERVER $RAWVS_PORT\n[ $RAWVS_SERVER != {second} ]\n")
    script.chmod(0o755)
    lab.directory.chmod(0o755)
    kinds = {"arp": {}, "icmp": {}, "tcp": {"port": 80}, "http": {"port": 80}, "udp": {"port": 53},
             "dns": {"query": "who.example", "query_type": "TXT", "port": 53}, "exec": {"program": script},
             "tls": {"port": 443}}
    sections = [check(kind, type=kind, **keys) for kind, keys in kinds.items()]
    sections += [virtual(name=f"v{n}", ports=f"tcp/{8000 + n}", check=kind, family=lab.family)
                 for n, kind in enumerate(kinds)]
    director = Director(lab, *sections).start()
    wanted = {(kind, name): "down" if (kind, name) == ("exec", "rs2") else "up"
              for kind in kinds for name in ("rs1", "rs2")}

    def found():
        rows = {(row["service"], row["server"].rpartition(":")[0].strip("[]")): row.get("health")
                for row in director.ask("list") if row["row"] == "server"}
        return {(kind, name): rows[f"tcp:{at(lab.family.vip, 8000 + n)}", lab.family.address[name]]
                for n, kind in enumerate(kinds) for name in ("rs1", "rs2")}
    eventually(lambda: found() == wanted, 15, "every verdict")
    whys = [row.get("why", "") for row in director.ask("list") if row.get("health") == "down"]
    same(whys, [f"exec {at(second, 8006)}: exit status 1: {second} 8006, 1 of 1"], "the program's reason")


def fixed_port(lab):
    """A UDP client that keeps its port."""
    with lab["client"].inside():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(1)
    s.connect((VIP, 53))

    def who():
        try:
            s.send(WHO_IS_IT)
            answer = s.recv(1500)
            return next((name for name in ("rs1", "rs2") if name.encode() in answer), "somebody else")
        except OSError:
            return "nobody"
    return who


@case(seconds=90)
def a_udp_client_with_a_fixed_port_gets_another_server_when_its_own_is_taken_out_and_connections_are_reset(lab):
    serve_names(lab, "rs1", "rs2", address=lambda _: VIP)
    section = virtual(ports="udp/53", scheduler="rr", check="alive", on_down="reset", inhibit=0)
    director = Director(lab, check("alive", type="icmp"), section).start()
    all_up(director, "rs1", "rs2")
    who = fixed_port(lab)
    first = eventually(lambda: next((name for name in [who()] if name in ("rs1", "rs2")), None), 10, "an answer")
    lab[first].ip("link set eth0 down")
    eventually(lambda: ADDRESS[first] not in director.servers(), 20, f"{first} taken out of the table")
    other = "rs2" if first == "rs1" else "rs1"
    eventually(lambda: who() == other, 10, f"an answer of {other}")
    same(director.dropped().get("server-gone", 0), 0, "server-gone")


@case(seconds=90)
def connections_of_a_server_that_was_taken_out_are_reset_and_its_clients_served_by_others(lab):
    web(lab, "rs1")
    second = web(lab, "rs2")
    director = Director(lab, check(), virtual(check="well", scheduler="rr", on_down="reset", inhibit=0)).start()
    all_up(director, "rs1", "rs2")
    idle = [lab.connect("client") for _ in range(4)]
    eventually(lambda: [int(row["active"]) for row in director.servers().values()] == [2, 2], 5, "two on each server")
    drop(lab["rs2"], "output", "tcp sport 80")
    second.stop()
    eventually(lambda: ADDRESS["rs2"] not in director.servers(), 20, "rs2 taken out of the table")
    same(outcomes(idle), ["answered"] * 2 + ["reset"] * 2, "what clients got")
    same(director.dropped().get("server-gone", 0), 0, "server-gone")


@case(seconds=90)
def a_server_that_cannot_be_reached_gets_nothing_is_told_of_and_comes_back(lab):
    lab.serve_web("rs1", "director")
    lab.serve_web("rs2")
    director = Director(lab, virtual(scheduler="rr", servers=("director", "rs1")), auto_interfaces=0).start()
    all_answered(lab.request("client", 6), 6)
    same(director.servers()[ADDRESS["director"]]["reach"], "vip-missing", "can the director itself be a server?")
    true("not used: this host itself, which lacks the VIP" in director.admin("status"), director.admin("status"))
    lab["director"].ip(f"route add {ADDRESS['rs1']} dev eth1")
    eventually(lambda: director.servers()[ADDRESS["rs1"]]["reach"] == "other-interface", 10, "another interface")
    true("not used: its route is through another interface" in director.admin("status"), director.admin("status"))
    director.admin("-a", "-t", f"{VIP}:80", "-r", ADDRESS["rs2"])
    answers = lab.request("client", 6)
    all_answered(answers, 6)
    same(set(answers.of), {"rs2"}, "who answers")
    lab["director"].ip(f"route del {ADDRESS['rs1']} dev eth1")
    eventually(lambda: director.servers()[ADDRESS["rs1"]]["reach"] in ("asking", "ready"), 10, "rs1 used again")
    answers = lab.request("client", 6)
    all_answered(answers, 6)
    same(set(answers.of), {"rs1", "rs2"}, "who answers")
    same(director.dropped(), {}, "frames dropped")


@case(seconds=90)
def a_sorry_server_that_cannot_be_reached_is_not_used_and_says_so(lab):
    first = web(lab, "rs1")
    director = Director(lab, check(), virtual(check="well", servers=("rs1",), sorry=ADDRESS["director"])).start()
    all_up(director, "rs1")
    first.stop()
    director.wait_for_log(f"sorry server {ADDRESS['director']}:80 is not used: packets cannot be sent to it", 20)
    true("is used" not in director.log(), director.log())


@case(seconds=90)
def a_sorry_server_that_is_one_of_the_servers_serves_and_is_given_back(lab):
    lab.serve_web()
    for inhibit in (1, 0):
        alive = {name: lab[name].start("busybox", "httpd", "-f", "-p", "0.0.0.0:81", "-h", "/tmp")
                 for name in ("rs1", "rs2")}
        section = virtual(scheduler="rr", check="well", sorry=ADDRESS["rs2"], inhibit=inhibit, flaps_allowed=0)
        director = Director(lab, check(port=81), section, name=f"inhibit{inhibit}").start()
        all_up(director, "rs1", "rs2")
        same(set(lab.request("client", 6).of), {"rs1", "rs2"}, "servers that answer")
        for program in alive.values():
            program.stop()
        director.wait_for_log(f"sorry server {ADDRESS['rs2']}:80 is used", 20)
        answers = lab.request("client", 6)
        all_answered(answers, 6)
        same(dict(answers.of), {"rs2": 6}, "answers while neither check succeeds")
        again = lab["rs1"].start("busybox", "httpd", "-f", "-p", "0.0.0.0:81", "-h", "/tmp")
        director.wait_for_log("sorry server is not used any more", 20)
        answers = lab.request("client", 6)
        all_answered(answers, 6)
        same(dict(answers.of), {"rs1": 6}, "answers when rs1 is back")
        director.stop()
        again.stop()
