# SPDX-License-Identifier: BSD-2-Clause
"""rawvsadm as ipvsadm, ipvsadm-save and ipvsadm-restore: symlinks, as LVS's scripts use them."""
import difflib
import os
import pathlib
import re
import sys

from case import all_answered, case, same, true
from lab.director import Director, program
from lab.namespaces import Trouble, eventually
from lab.topology import ADDRESS, VIP, Load

RECORDINGS = pathlib.Path(__file__).resolve().parents[1] / "rawvsadm"
NAMES = ("ipvsadm", "ipvsadm-save", "ipvsadm-restore")
EMPTY = "; no service yet\n"
GROUP = f"[group web]\nmark = 10\nmatch = {VIP} tcp/80,443\n"
# Deliberately different answers of rawvsadm.
NOT_UNICAST = "! Invalid operation.  Possibly wrong module version, address not unicast, ...\n= 255\n"
NOT_AN_ADDRESS = "! illegal virtual server address[:port] specified\n= 2\n"
OTHERWISE = {
    # ipvsadm takes the mark for a signed number, lists it as -1, and cannot read back what it saved.
    "ipvsadm -Ln -f 4294967295": "| Prot LocalAddress:Port Scheduler Flags\n"
                                 "|   -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n"
                                 "| FWM  4294967295 nq\n= 0\n",
    # The kernel takes a VIP that no client can reach; rawvs answers for its VIPs on the LAN, and cannot for these.
    **{f"ipvsadm -A -t {vip}:80{more} && ipvsadm -D -t {vip}:80": NOT_UNICAST
       for vip, more in (("0.0.0.0", " -s rr"), ("255.255.255.255", ""), ("224.0.0.1", ""), ("127.0.0.1", ""),
                         ("[::]", ""), ("[ff02::1]", ""), ("[::1]", ""))},
    # No packet may have an address that is mapped from an IPv4 address: the IPv4 address itself is meant.
    "ipvsadm -A -t [::ffff:192.0.2.200]:81 && ipvsadm -D -t [::ffff:192.0.2.200]:81": NOT_AN_ADDRESS,
    # ipvsadm loses the port after an IPv4 address in brackets; with -p the service would be that of every port.
    "ipvsadm -A -t [192.0.2.200]:80": NOT_AN_ADDRESS,
    # The recording's kernel has no twos, rawvs has no persistence engine.
    "ipvsadm -A -t 192.0.2.201:80 -s twos && ipvsadm -D -t 192.0.2.201:80": "= 0\n",
    "ipvsadm -A -u 192.0.2.201:5060 --pe sip -p 60 && ipvsadm -D -u 192.0.2.201:5060":
        "! Scheduler or persistence engine not found\n= 255\n",
}


class Symlinks:
    """A folder with LVS's programs, all of them rawvsadm; and a shell in the director that finds them first."""

    def __init__(self, lab, director):
        self.lab, self.director = lab, director
        self.folder = lab.directory / "sbin"
        self.folder.mkdir()
        for name in NAMES:
            (self.folder / name).symlink_to(program("rawvsadm"))

    def run(self, *command, **options):
        path = f"PATH={self.folder}:{os.environ['PATH']}"
        return self.lab["director"].run("env", path, f"RAWVS_SOCKET={self.director.control}", *command, **options)

    def sh(self, script, check=True):
        done = self.run("sh", "-c", f"cd {self.lab.directory} && {script}", check=check)
        return done.stdout if check else done

    def in_place(self, script):
        """A shell's words for it: the same programs where the machine has LVS's own, for that shell alone.

        ip-netns(8) gives what it starts a mount namespace, so nothing of this is seen outside."""
        mounts = [f"mount --bind {program('rawvsadm')} /usr/sbin/{name}" for name in NAMES]
        return " && ".join([*mounts, f"mount --bind {self.lab.directory} /run", script])


def blocks(session):
    """A session's command lines, with their standard input, and the answer to each."""
    parts = re.split(r"^(?=\$ )", session, flags=re.M)[1:]
    for part in parts:
        lines = part.splitlines(keepends=True)
        asked = "".join(line for line in lines if line[0] in "$<")
        yield asked, "".join(line for line in lines if line[0] not in "$<")


def answers_apart(recorded, found):
    """The answers that differ.  The size in the head is the connection table's, which differs."""
    def plain(text):
        return re.sub(r"\(size=\d+\)", "(size=N)", text)
    pairs = list(zip(blocks(recorded), blocks(found), strict=True))
    true(len(pairs) >= 470, f"only {len(pairs)} command lines")
    complaints, met = [], set()
    for (asked, expected), (_, answer) in pairs:
        line = asked.splitlines()[0][2:]
        if line in OTHERWISE:
            met.add(line)
            expected = OTHERWISE[line]
        if plain(expected) != plain(answer):
            before, after = (plain(text).splitlines(keepends=True) for text in (expected, answer))
            complaints += [asked, *difflib.unified_diff(before, after, "ipvsadm", "rawvsadm", n=0)]
    same(met, set(OTHERWISE), "the lines that are answered otherwise")
    return "".join(complaints)


@case(seconds=180)
def command_lines_of_both_families_are_answered_as_by_ipvsadm_to_the_byte(lab):
    symlinks = Symlinks(lab, Director(lab, EMPTY).start())
    session = RECORDINGS / "session.txt"
    done = symlinks.run(sys.executable, str(RECORDINGS / "record"), "--play", str(session), timeout=150)
    apart = answers_apart(session.read_text(encoding="utf-8"), done.stdout)
    if apart:
        raise Trouble(f"answers that are not ipvsadm's:\n{apart}")


def two_servers(symlinks, *options):
    for name, weight in (("rs1", 2), ("rs2", 1)):
        symlinks.run("ipvsadm", "-a", *options, "-r", ADDRESS[name], "-g", "-w", str(weight))


@case(seconds=60)
def the_how_tos_first_commands_balance_and_survive_save_clear_and_restore(lab):
    lab.serve_web()
    director = Director(lab, EMPTY).start()
    symlinks = Symlinks(lab, director)
    symlinks.sh(f"ipvsadm -C && ipvsadm -A -t {VIP}:80 -s wlc")
    two_servers(symlinks, "-t", f"{VIP}:80")
    all_answered(lab.request("client", 30), 30)
    table = symlinks.sh("ipvsadm -L -n")
    rows = rf"\n  -> {ADDRESS['rs1']}:80 +Route   2 .*\n  -> {ADDRESS['rs2']}:80 +Route   1 "
    true(re.search(rf"\nTCP  {VIP}:80 wlc{rows}", table), f"ipvsadm -L -n: {table}")
    true(re.search(rf"\nTCP  {VIP}:80 +30 ", symlinks.sh("ipvsadm -L -n --stats --exact")), "30 connections counted")
    row = rf"\nTCP \d\d:\d\d +\w+ +{ADDRESS['client']}:\d+ +{VIP}:80 +192\.0\.2\.1[12]:80"
    same(len(re.findall(row, symlinks.sh("ipvsadm -L -c -n"))), 30, "connections in ipvsadm -L -c -n")
    symlinks.sh("ipvsadm -Z")
    true(re.search(rf"\nTCP  {VIP}:80 +0 +0 +0 +0 +0\n", symlinks.sh("ipvsadm -L -n --stats")), "counters after -Z")

    before = symlinks.sh("ipvsadm-save -n")
    same(symlinks.sh("ipvsadm-save -n > saved; ipvsadm -C; ipvsadm-save -n"), "", "the table after -C")
    true(lab.request("client", patience=2).failures, "a request after -C was answered")
    same(symlinks.sh("ipvsadm-restore < saved; ipvsadm-save -n"), before, "the table after ipvsadm-restore")
    all_answered(lab.request("client", 30), 30)


@case(seconds=60)
def a_mark_of_the_files_groups_is_balanced_with_persistence_by_two_commands(lab):
    lab.serve_web()
    lab.serve_web(port=443)
    director = Director(lab, GROUP).start()
    symlinks = Symlinks(lab, director)
    symlinks.sh("ipvsadm -A -f 10 -p 360")
    two_servers(symlinks, "-f", "10")
    answers = [lab.request("client", 10, url=f"http://{VIP}:{port}/") for port in (80, 443)]
    for one in answers:
        all_answered(one, 10)
    same(len({name for one in answers for name in one.of}), 1, "servers that one client met on both ports")
    listing = symlinks.sh("ipvsadm -L -n")
    true("\nFWM  10 wlc persistent 360\n" in listing, listing)
    same(symlinks.sh("ipvsadm-save -n").splitlines()[0], "-A -f 10 -s wlc -p 360", "what is saved")
    true(re.search(rf"\nIP  0[56]:\d\d  \w+ +{ADDRESS['client']}:0 +0\.0\.0\.10:0 +192\.0\.2\.1[12]:0",
                   symlinks.sh("ipvsadm -L -n -c")), "the template in ipvsadm -L -n -c")


@case(seconds=60)
def rates_rise_with_traffic_and_are_bytes_per_second(lab):
    lab.serve_web()
    director = Director(lab).start()
    symlinks = Symlinks(lab, director)
    load = Load(lab, "client", parallel=4)

    def rates():
        row = re.search(rf"\nTCP  {VIP}:80((?: +\d+){{5}})\n", symlinks.sh("ipvsadm -L -n --rate"))
        true(row, "no row of the service in ipvsadm -L -n --rate")
        cps, in_packets, out_packets, in_bytes, out_bytes = map(int, row[1].split())
        return cps > 0 and in_packets > cps and in_bytes > 40 * in_packets and (out_packets, out_bytes) == (0, 0)

    eventually(rates, 20, "rates above zero, of inbound traffic alone: replies go past a director that routes directly")
    same(load.stop().failures, [], "requests that failed")


@case(seconds=60, needs=("ipvsadm",))
def debians_init_script_of_ipvsadm_saves_and_loads(lab):
    director = Director(lab, EMPTY).start()
    symlinks = Symlinks(lab, director)
    rules = lab.directory / "ipvsadm.rules"
    rules.write_text("")

    def service(action):
        script = f"mount --bind {rules} /etc/ipvsadm.rules && exec sh /etc/init.d/ipvsadm {action}"
        return symlinks.run("sh", "-c", symlinks.in_place(script)).stdout

    symlinks.sh(f"ipvsadm -A -t {VIP}:80 -s wlc")
    two_servers(symlinks, "-t", f"{VIP}:80")
    saved = symlinks.sh("ipvsadm -S -n")
    service("save")
    same(rules.read_text(), f"# ipvsadm.rules\n{saved}", "the file that the init script wrote")
    symlinks.sh("ipvsadm -C")
    service("load")
    same(symlinks.sh("ipvsadm -S -n"), saved, "the table that it loaded")
    same(service("status"), symlinks.sh("ipvsadm -L -n"), "its status")
