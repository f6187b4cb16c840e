# SPDX-License-Identifier: BSD-2-Clause
"""A router's only public address is the VIP: the services' ports are the director's, all else is the host's.

The director's host masquerades its inside LAN by nftables, has a web server on port 22 and a name server, and rawvsd
balances 80 and 443 of that same address over servers on that LAN."""
import pathlib
import signal
import socket

from back_ends import BACK_ENDS, with_io
from case import all_answered, case, each_of, over_ipv6, same, true
from ftp import PASSIVE, content, curl, vsftpd
from lab.director import Director, virtual
from lab.frames import ARP, Capture
from lab.namespaces import eventually
from nat import IN
from programs import fifty_megabytes_each_way, serve_names

GUARDS = ("tcx", "clsact", "classic")
GONE_IN = 2  # seconds


def own(lab):
    return lab.family.address["director"]


def url(lab, port=80):
    return f"http://{lab.family.place(own(lab), port)}"


def who_asks(lab, name):
    """At /cgi-bin/who this web server returns the address that it sees."""
    page = lab.page_root(name) / "cgi-bin" / "who"
    page.parent.mkdir(exist_ok=True)
    page.write_text('#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\n%s\\n" "$REMOTE_ADDR"\n')
    page.chmod(0o755)


def router(lab):
    """Everything of the router but rawvsd."""
    lab.add_inside(*IN)
    for port in (80, 443):
        lab.serve_web(*IN, port=port)
    lab.serve_web("director", port=22)
    lab.serve_web("client", port=8000)
    who_asks(lab, "client")
    serve_names(lab, "director", address=lab.family.address.get)
    family = "ip" if lab.family.version == 4 else "ip6"
    lab["director"].run("nft", "-f", "-", stdin=f"""
        table {family} nat {{
            chain post {{ type nat hook postrouting priority 100; oifname "eth0" masquerade; }}
        }}
        table {family} seen {{
            chain in {{
                type filter hook prerouting priority 0;
                ct state invalid tcp sport {{ 80, 443 }} counter name halves
                iifname "eth0" tcp dport {{ 80, 443 }} counter name requests
            }}
            counter halves {{ }}
            counter requests {{ }}
        }}
        """)


def balanced(lab, **keys):
    return virtual(address=own(lab), ports="tcp/80,443", servers=[f"{name} forward=nat" for name in IN],
                   scheduler="rr", family=lab.family, **keys)


def counted(lab, name):
    family = "ip" if lab.family.version == 4 else "ip6"
    words = lab["director"].run("nft", "list", "counter", family, "seen", name).stdout.split()
    return int(words[words.index("packets") + 1])


def tracked(lab):
    """The director's kernel's connections with the VIP's balanced ports."""
    with lab["director"].inside():
        rows = pathlib.Path("/proc/thread-self/net/nf_conntrack").read_text().splitlines()
    return [row for row in rows if any(f"{side}port={port} " in row for side in "sd" for port in (80, 443))]


def the_services_work(lab, count=20):
    for port in (80, 443):
        answers = lab.request("client", count, url=f"{url(lab, port)}/")
        all_answered(answers, count)
        same(set(answers.of), set(IN), f"who answered on port {port}")


def the_host_works(lab, askers=("inner", IN[0], "director")):
    """What is the host's own at its address."""
    answers = lab.request("client", 5, url=f"{url(lab, 22)}/")
    same(dict(answers.of), {"director": 5}, f"who answered on port 22 ({answers.failures[:1]})")
    lab["client"].run("ping", "-c", "1", "-W", "10", own(lab))
    asked = lab["client"].run("dig", f"@{own(lab)}", "who.example", "TXT", "+short", "+tries=1", "+time=60")
    same(asked.stdout.split(), ['"director"'], "what the name server said")
    large = lab["client"].run("dig", f"@{own(lab)}", "large.example", "A", "+short", "+tries=1", "+time=60",
                              "+bufsize=4096", "+ignore")
    same(len(large.stdout.split()), 100, "addresses in the large answer")
    there = f"http://{lab.family.place(lab.family.address['client'], 8000)}/cgi-bin/who"
    for name in askers:
        seen = lab[name].run("curl", "--silent", "--show-error", "--max-time", "60", there).stdout.split()
        same([address.replace("::ffff:", "").strip("[]") for address in seen], [own(lab)],
             f"whom the client sees when {name} asks")
    for size in (100, 4000):  # the larger one comes in fragments, which the host puts together
        lab["client"].run("ping", "-c", "1", "-W", "10", "-s", str(size), own(lab))


def all_works(lab):
    the_services_work(lab)
    the_host_works(lab)


def the_kernel_saw_nothing(lab, before=0):
    same(counted(lab, "requests") - before, 0, "packets of the services that the kernel saw")
    same(counted(lab, "halves"), 0, "packets that conntrack could not place")
    same(tracked(lab), [], "the services' connections in conntrack")


def refused(lab, port=80):
    """Whether the host answers with RST."""
    with lab["client"].inside(), lab.family.socket() as s:
        s.settimeout(1)
        try:
            s.connect((own(lab), port))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False


each = each_of({f"by_{guard}": guard for guard in GUARDS}, seconds=90, needs=("nft", "dnsmasq", "dig"))


@each
def a_router_with_one_address_masquerades_serves_and_balances_at_once(lab, guard):
    router(lab)
    the_host_works(lab)
    same(lab.request("client", 1, url=f"{url(lab)}/", patience=5).of, {}, "answers on port 80 without rawvsd")
    before = counted(lab, "requests")
    director = Director(lab, balanced(lab), inside="eth1", guard=guard).start()
    loud = Capture(lab["local"])
    all_works(lab)
    director.program.send(signal.SIGHUP)
    director.wait_for_log("nothing is different")
    all_works(lab)
    said = [f for f in loud.frames() if f.kind == ARP and f.source == f.target == own(lab)]
    same(said, [], "announcements of the VIP")
    same(director.exits()["arp-answered"] + director.exits()["nd-answered"], 0, "ARP and ND that the director answered")
    same(director.exits()["echo-answered"], 0, "pings that the director answered")
    the_kernel_saw_nothing(lab, before)
    director.stop()
    the_host_works(lab)
    true(refused(lab), "the host does not refuse port 80 when rawvsd has ended")


@each
def its_connections_survive_a_restart_and_the_hosts_never_notice(lab, guard):
    router(lab)
    state = lab.directory / "rawvs.state"
    with lab["client"].inside():
        ssh = socket.create_connection((own(lab), 22), timeout=60)
    director = Director(lab, balanced(lab), inside="eth1", guard=guard, state=state).start()
    with lab["client"].inside():
        web = socket.create_connection((own(lab), 80), timeout=60)
    director.stop()
    director = Director(lab, balanced(lab), inside="eth1", guard=guard, state=state).start()
    for s in (ssh, web):
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        true(s.recv(4096).startswith(b"HTTP/1."), "what the open connection got")
    all_works(lab)


@each
def when_rawvsd_is_killed_the_host_refuses_or_the_next_one_takes_over(lab, guard):
    router(lab)
    director = Director(lab, balanced(lab), inside="eth1", guard=guard).start()
    the_services_work(lab, 2)
    director.program.send(signal.SIGKILL)
    director.program.wait()
    if guard == "tcx":  # it ends with its descriptor
        eventually(lambda: refused(lab), GONE_IN, "the host's RST on port 80")
    # A classic guard cannot tell a server's own connections from its answers, and nobody gives them back.
    the_host_works(lab, ("inner", "director") if guard == "classic" else ("inner", IN[0], "director"))
    Director(lab, balanced(lab), inside="eth1", guard=guard).start()
    all_works(lab)


@each_of({f"by_{io}": io for io in BACK_ENDS}, seconds=90, needs=("nft", "dnsmasq", "dig"))
def every_back_end_tells_the_hosts_packets_from_the_services(lab, io):
    router(lab)
    director = with_io(lab, io, balanced(lab), inside="eth1")
    all_works(lab)
    the_kernel_saw_nothing(lab)
    director.stop()


@case(seconds=90)
def fifty_megabytes_go_each_way_at_the_hosts_own_address(lab):
    lab.add_inside(*IN)
    lab.serve_web(*IN, port=80)
    director = Director(lab, balanced(lab), inside="eth1").start()
    fifty_megabytes_each_way(lab, "client", *IN, url=url(lab))
    same(director.dropped(), {}, "frames dropped")


@case(seconds=60, needs=("vsftpd",))
def ftp_works_at_the_hosts_own_address_if_its_passive_ports_are_a_service(lab):
    lab.add_inside(*IN)
    vsftpd(lab, *IN)
    servers = [f"{name} forward=nat" for name in IN]
    first, last = PASSIVE
    director = Director(lab, virtual("ftp", address=own(lab), ports="tcp/21", servers=servers),
                        virtual("ftp-data", address=own(lab), ports=f"tcp/{first}-{last}", servers=servers),
                        inside="eth1").start()
    for way in ("--disable-epsv",), ("--ftp-pasv",), ("--ftp-port", "-"):
        for number in (3, 20):
            same(curl(lab, *way, f"ftp://{own(lab)}/pub/f{number}").encode(), content(number), f"{way[0]}: f{number}")
    same(director.dropped(), {}, "frames dropped")


@case(seconds=60)
def an_address_that_the_host_gets_and_loses_changes_hands_without_a_break(lab):
    lab.serve_web()
    director = Director(lab, virtual(family=lab.family)).start()
    idle = lab.connect("client")
    bits = "32" if lab.family.version == 4 else "128"
    for step, has in enumerate((True, False, True)):
        lab["director"].ip(f"addr {'add' if has else 'del'} {lab.family.vip}/{bits} dev eth0"
                           + (" nodad" if has and lab.family.version == 6 else ""))
        eventually(lambda has=has: own_vips(director) == ([lab.family.vip] if has else []), 10, "the director's notice")
        all_answered(lab.request("client", 10), 10)
        all_answered(lab.request("local", 10), 10)
        true(refused_at(lab, lab.family.vip, 81), f"step {step}: port 81 is not refused")
    idle.sendall(b"GET / HTTP/1.0\r\n\r\n")
    true(idle.recv(4096).startswith(b"HTTP/1."), "what the idle connection got")


@case(seconds=90)
def a_service_at_an_interface_follows_its_address(lab):
    lab.add_inside(*IN)
    lab.serve_web(*IN, port=80)
    section = balanced(lab, check="tcp").replace(f"address = {own(lab)}", "address = eth0")
    if lab.family.version == 6:
        section += "family = ipv6\n"
    director = Director(lab, section, inside="eth1").start()
    bits, other = ("24", "192.0.2.99") if lab.family.version == 4 else ("64", "2001:db8:1::99")
    director.wait_for_health(IN[0], "up")
    director.wait_for_health(IN[1], "up")
    addresses = [own(lab), other, own(lab)]
    for here, there in zip(addresses, addresses[1:]):
        all_answered(lab.request("local", 10, url=f"http://{lab.family.place(here)}/"), 10)
        lab["director"].ip(f"addr del {here}/{bits} dev eth0")
        eventually(lambda: own_vips(director) == [], 10, "the end of the old VIP")
        lab["director"].ip(f"addr add {there}/{bits} dev eth0" + (" nodad" if lab.family.version == 6 else ""))
        eventually(lambda there=there: own_vips(director) == [there], 10, "the new VIP")
        director.wait_for_health(IN[0], "up")
        director.wait_for_health(IN[1], "up")
    all_answered(lab.request("local", 10, url=f"http://{lab.family.place(addresses[-1])}/"), 10)
    true("an interface's address:" in director.log(), "the log does not tell of the move")


def own_vips(director):
    return [row["address"] for row in director.ask("arp") if row["row"] == "vip" and row.get("own") == "1"]


def refused_at(lab, address, port):
    with lab["local"].inside(), lab.family.socket() as s:
        s.settimeout(10)
        try:
            s.connect((address, port))
        except ConnectionRefusedError:
            return True
    return False


over_ipv6(__name__, a_router_with_one_address_masquerades_serves_and_balances_at_once,
          every_back_end_tells_the_hosts_packets_from_the_services,
          an_address_that_the_host_gets_and_loses_changes_hands_without_a_break,
          a_service_at_an_interface_follows_its_address)
