# SPDX-License-Identifier: BSD-2-Clause
"""Debian's ldirectord, unmodified, with rawvsadm in ipvsadm's place: it creates and maintains the table."""
import re
import signal

from case import all_answered, case, same
from ipvsadm import EMPTY, Symlinks
from lab.director import Director
from lab.namespaces import Trouble, eventually
from lab.topology import IPV6, Load
from programs import shared_by_weight

PATIENCE = 40  # seconds for ldirectord to notice; it looks each second, and starts slowly
TWO_SERVICES = """\
checktimeout = 2
negotiatetimeout = 2
checkinterval = 1
quiescent = yes
supervised = yes
logfile = "LOG"
virtual{6} = {vip}:80
\treal{6} = {rs1}:80 gate 1
\treal{6} = {rs2}:80 gate 3
\tfallback{6} = {rs3}:80 gate
\tservice = http
\tscheduler = wrr
\tprotocol = tcp
\tchecktype = negotiate
\trequest = "index.html"
\treceive = "^rs"
virtual{6} = {vip2}:80
\treal{6} = {in1}:8080 masq
\treal{6} = {in2}:8080 masq 2
\tservice = http
\tscheduler = rr
\tpersistent = 600
\tnetmask = {mask}
\tprotocol = tcp
\tchecktype = connect
"""
OF_A_MARK = """\
checkinterval = 1
quiescent = no
supervised = yes
logfile = "LOG"
virtual{6} = 10
\treal{6} = {rs1}:80 gate
\treal{6} = {rs2}:80 gate
\tservice = http
\tscheduler = wlc
\tpersistent = 600
\tprotocol = fwm
\tchecktype = connect
\tcheckport = 80
"""
FALLBACK_HERE = """\
checktimeout = 2
checkinterval = 1
quiescent = no
supervised = yes
logfile = "LOG"
virtual{6} = {vip}:80
\treal{6} = {rs1}:80 gate
\tfallback{6} = {here}:80 gate
\tservice = http
\tscheduler = rr
\tprotocol = tcp
\tchecktype = connect
"""


def route(lab, rs1, rs2):
    return [(lab.family.address["rs1"], "Route", rs1), (lab.family.address["rs2"], "Route", rs2)]


def masq(lab, in1, in2):
    return [(lab.family.address["in1"], "Masq", in1), (lab.family.address["in2"], "Masq", in2)]


def configured(lab, text):
    """ldirectord's file with the addresses of the lab's family, whose keywords end in 6 for IPv6."""
    family = lab.family
    places = {name: family.place(address) for name, address in
              {**family.address, "vip": family.vip, "vip2": family.vip2}.items()}
    mask, here = ("64", "[::1]") if family is IPV6 else ("255.255.255.0", "127.0.0.1")
    for name, value in {**places, "mask": mask, "here": here, "6": "6" if family is IPV6 else ""}.items():
        text = text.replace(f"{{{name}}}", value)
    if family is IPV6:  # to ask a web server there, ldirectord needs a module that Debian does not install with it
        text = text.replace("checktype = negotiate", "checktype = connect")
    return text.replace("LOG", str(lab.directory / "ldirectord.log"))


class Watched:
    """A director whose table is ldirectord's."""

    def __init__(self, lab, configuration=TWO_SERVICES, sections=EMPTY):
        # A client port that is used again would else go to the server that its old connection remembers, dead or not.
        self.director = Director(lab, sections, inside="eth1", expire_nodest_conn=1).start()
        symlinks = Symlinks(lab, self.director)
        file = lab.directory / "ldirectord.cf"
        file.write_text(configured(lab, configuration))
        script = symlinks.in_place(f"exec env RAWVS_SOCKET={self.director.control} ldirectord {file} start")
        self.program = lab["director"].start("sh", "-c", script)

    def table(self):
        """{VIP or mark: [(server, method, weight), ...]} by rawvsadm -L -n."""
        table = {}
        for line in self.director.admin("-L", "-n").splitlines():
            if service := re.match(r"(?:TCP|FWM)  (\[\S+\]|[\d.]+)(?::\d+)? ", line):
                table[service[1].strip("[]")] = []
            if server := re.match(r"  -> (\S+):\d+ +(\w+) +(\d+) ", line):
                list(table.values())[-1].append((server[1].strip("[]"), server[2], int(server[3])))
        return table

    def wait_for(self, wanted, what):
        wanted = {service: sorted(servers) for service, servers in wanted.items()}
        try:
            eventually(lambda: self.table() == wanted, PATIENCE, what)
        except Trouble:
            same(self.table(), wanted, f"the table, where ldirectord has {what}\n{self.program.text()[-800:]}")


def web_server(lab, name):
    root = str(lab.page_root(name))
    return [p for p in lab.programs if root in p.command and p.running()][-1]


def answered_by(lab, expected, count=40, **options):
    answers = lab.request("client", count, **options)
    all_answered(answers, count)
    same(sorted(answers.of), expected, "who answered")


@case(seconds=240, needs=("ldirectord", "ipvsadm"), servers=("rs1", "rs2", "rs3"))
def ldirectord_makes_the_table_quiesces_dead_servers_and_uses_the_fallback(lab):
    lab.add_inside("in1", "in2")
    lab.serve_web("rs1", "rs2", "rs3")
    lab.serve_web("in1", "in2", port=8080)
    watched = Watched(lab)
    vip, vip2 = lab.family.vip, lab.family.vip2
    fallback = (lab.family.address["rs3"], "Route", 1)
    watched.wait_for({vip: route(lab, 1, 3), vip2: masq(lab, 1, 2)}, "made the table")
    listing = watched.director.admin("-L", "-n").splitlines()
    mask = "64" if lab.family is IPV6 else "255.255.255.0"
    same([line for line in listing if line.startswith("TCP")],
         [f"TCP  {lab.family.place(vip, 80)} wrr", f"TCP  {lab.family.place(vip2, 80)} rr persistent 600 mask {mask}"],
         "the services")
    shared_by_weight(lab, watched.director, "client", 40, {"rs1": 1, "rs2": 3})

    web_server(lab, "rs1").stop(signal.SIGKILL)
    watched.wait_for({vip: route(lab, 0, 3), vip2: masq(lab, 1, 2)}, "quiesced rs1")
    load = Load(lab, "client", parallel=4)
    load.wait_for(100)
    lab.serve_web("rs1")
    watched.wait_for({vip: route(lab, 1, 3), vip2: masq(lab, 1, 2)}, "brought rs1 back")
    load.wait_for(10, "rs1")
    same(load.stop().failures, [], "requests that failed while rs1 was quiesced, and as it came back")

    for name in ("rs1", "rs2"):
        web_server(lab, name).stop(signal.SIGKILL)
    watched.wait_for({vip: [*route(lab, 0, 0), fallback], vip2: masq(lab, 1, 2)}, "turned to the fallback server")
    answered_by(lab, ["rs3"])
    lab.serve_web("rs2")
    watched.wait_for({vip: route(lab, 0, 3), vip2: masq(lab, 1, 2)}, "left the fallback server")
    answered_by(lab, ["rs2"])

    web_server(lab, "in2").stop(signal.SIGKILL)
    watched.wait_for({vip: route(lab, 0, 3), vip2: masq(lab, 1, 0)}, "quiesced in2")
    answered_by(lab, ["in1"], url=f"http://{lab.family.place(vip2)}/")
    same(watched.director.dropped(), {}, "frames dropped")

    same(watched.program.stop(), 0, f"ldirectord's exit status ({watched.program.text()[-300:]})")
    same(watched.table(), {}, "what it leaves in the table")


@case(seconds=120, needs=("ldirectord", "ipvsadm"))
def ldirectord_removes_and_adds_the_servers_of_a_mark_without_quiescing(lab):
    lab.serve_web()
    watched = Watched(lab, OF_A_MARK, f"[group web]\nmark = 10\nmatch = {lab.family.vip} tcp/80,443\n")
    both = route(lab, 1, 1)
    watched.wait_for({"10": both}, "made the table")
    same([line for line in watched.director.admin("-L", "-n").splitlines() if line.startswith("FWM")],
         ["FWM  10 IPv6 wlc persistent 600" if lab.family is IPV6 else "FWM  10 wlc persistent 600"], "the service")
    first = next(iter(lab.request("client").of))
    answered_by(lab, [first], 10)
    web_server(lab, first).stop(signal.SIGKILL)
    watched.wait_for({"10": [row for row in both if row[0] != lab.family.address[first]]}, f"removed {first}")
    answered_by(lab, [{"rs1": "rs2", "rs2": "rs1"}[first]], 10)
    lab.serve_web(first)
    watched.wait_for({"10": both}, f"added {first} again")


@case(seconds=180, needs=("ldirectord", "ipvsadm"), servers=("rs1",))
def ldirectord_falls_back_to_the_directors_host_itself(lab):
    lab.build_server(lab["director"])  # with the VIP on lo
    lab.serve_web("director", "rs1")

    def all_by(name):  # ldirectord takes the one server before it adds the other, and does so twice as it starts
        eventually(lambda: dict(lab.request("client", 10).of) == {name: 10}, PATIENCE, f"ten answers of {name}")
    watched = Watched(lab, FALLBACK_HERE)
    vip, rs1 = lab.family.vip, (lab.family.address["rs1"], "Route", 1)
    watched.wait_for({vip: [rs1]}, "made the table")
    all_by("rs1")
    web_server(lab, "rs1").stop(signal.SIGKILL)
    here = "::1" if lab.family is IPV6 else "127.0.0.1"
    watched.wait_for({vip: [(here, "Local", 1)]}, "turned to the fallback server")
    all_by("director")
    lab.serve_web("rs1")
    watched.wait_for({vip: [rs1]}, "left the fallback server")
    all_by("rs1")
