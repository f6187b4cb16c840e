# SPDX-License-Identifier: BSD-2-Clause
"""rawvsadm init: its file is accepted, and its commands make the servers serve."""
import os
import pty
import re
import sys

from case import all_answered, case, each_of, same, true
from lab.director import Director, program
from lab.namespaces import eventually
from lab.topology import ADDRESS, IPV4, IPV6, VIP, VIP2
from programs import HERE

PLAN = {"dr": ("rs1", "rs2"), "nat": ("in1", "in2"), "tun": ("far1", "far2"), "fullnat": ("rs1", "rs2")}


def flags(method, family, *more):
    """The command line that answers the five questions for the lab's network."""
    def place(address):
        return family.place(address, 8080) if method in ("nat", "fullnat") else address
    servers = [word for name in PLAN[method] for word in ("--server", f"{name}={place(family.address[name])}")]
    inside = ["--inside", "eth1"] if method == "nat" else []
    return ["init", "--method", method, "--vip", family.place(family.vip, 80), *servers, "--interface", "eth0", *inside,
            *more]


def bare(host):
    """Takes away what makes the lab's servers servers."""
    host.ip(*[f"addr del {vip}/32 dev lo" for vip in (VIP, VIP2)])
    host.sysctl(conf__all__arp_ignore=0, conf__all__arp_announce=0)


def typed(lab, name, commands):
    """Types the commands at a host.  Its kernel need not have tunnels: a program unwraps, and modprobe does nothing."""
    folder = lab.directory / "typed"
    folder.mkdir(exist_ok=True)
    for tool in ("modprobe",):
        (folder / tool).write_text("#!/bin/sh\nexit 0\n")
        (folder / tool).chmod(0o755)
    for line in commands:
        lab[name].run("env", f"PATH={folder}:{os.environ['PATH']}", "sh", "-ec", line)


def commands_for_servers(text):
    """The commands behind "On each server"; none if the servers need nothing."""
    behind = text.partition("\nOn each server")[2]
    return [line[2:] for line in behind.splitlines() if re.match(r"  \S", line)]


@each_of({"dr": "dr", "nat": "nat", "tun": "tun", "fullnat": "fullnat"}, seconds=60)
def a_file_and_the_commands_of_init_serve_clients(lab, method):
    if method == "tun":
        lab.add_far("lan", *PLAN[method])
    if method == "nat":
        lab.add_inside(*PLAN[method])
    for name in PLAN[method]:
        host = lab[name]
        if name in lab.servers:
            bare(host)
        if method == "nat":
            host.ip("route del default")
        if method == "tun":
            host.sysctl(conf__all__rp_filter=1)
            end = host.start(sys.executable, str(HERE / "decapsulate"), "ipip", "tunl0")
            eventually(lambda program=end: "ready" in program.text(), 10, "the tunnel's end")
    lab.serve_web(*PLAN[method], port=8080 if method in ("nat", "fullnat") else 80)
    director = Director(lab)
    written = lab["director"].run(program("rawvsadm"), *flags(method, IPV4), "-o", str(director.ini), "--force").stdout
    check = director.admin("check", str(director.ini), check=False)
    same((check.returncode, check.stderr), (0, ""), "what check says of it")
    commands = commands_for_servers(written)
    same(bool(commands), method != "fullnat", f"whether servers need something: {written}")
    for name in PLAN[method]:
        typed(lab, name, commands)
    text = director.ini.read_text()
    director.ini.write_text(text.replace("[director]\n", f"[director]\ncontrol = {director.control}\nseccomp = kill\n"))
    director.start()
    for name in PLAN[method]:
        director.wait_for_health(name, "up")
    answers = lab.request("client", 40, parallel=10)
    all_answered(answers, 40)
    same(set(answers.of), set(PLAN[method]), "who answered")
    true(f"web/{PLAN[method][0]}" in director.admin("status", "--names"), "no names in the table")


@case()
def every_method_and_family_is_accepted_by_check_and_rawvsd(lab):
    for method in PLAN:
        for family in (IPV4, IPV6):
            gateway = ("--gateway", family.of("203.0.113.1")) if method == "nat" else ()
            for more in ((), ("--check", "none"), ("--pair", *gateway)):
                what = f"{method} IPv{family.version} {' '.join(more)}"
                file = lab.directory / re.sub(r"\W", "-", f"{what}.ini")
                lab["director"].run(program("rawvsadm"), *flags(method, family, *more), "-o", str(file))
                for command in ([program("rawvsadm"), "check", str(file)], [program("rawvsd"), "-t", "-c", str(file)]):
                    done = lab["director"].run(*command, check=False)
                    said = [line for line in done.stderr.splitlines() if ".ini:" in line and "is valid" not in line]
                    same((done.returncode, said), (0, []), f"{what}: {command[0]}")


@case()
def without_a_terminal_what_is_missing_is_said_and_a_file_is_not_replaced(lab):
    done = lab["director"].run(program("rawvsadm"), "init", "--method", "dr", check=False, stdin="")
    same((done.returncode, done.stdout), (2, ""), "status and output without flags")
    same(done.stderr, "rawvsadm: init: missing: --vip --server --interface; without a terminal nobody can be asked: "
                      "rawvsadm help init\n", "what is missing")
    file = lab.directory / "mine.ini"
    file.write_text("; mine\n")
    done = lab["director"].run(program("rawvsadm"), *flags("dr", IPV4, "-o", str(file)), check=False)
    same((done.returncode, file.read_text()), (2, "; mine\n"), "status, and the file that was there")
    same(done.stderr, f"rawvsadm: init: {file}: there is such a file; --force replaces it\n", "why not")
    wrong = lab["director"].run(program("rawvsadm"), *flags("dr", IPV4, "--check", "ping"), check=False)
    same(wrong.stderr, 'rawvsadm: init: --check: found "ping", expected arp, icmp, tcp, tls, http, dns or none\n', "a "
         "wrong flag")
    one = ADDRESS["rs1"]
    for more, why in ((("--vip", "192.0.2.101:80"), "--vip: found several times, expected once"),
                      (("--server", one), f"--server: found {one} twice, expected each server once"),
                      (("-o", "/dev/null", "--force"), "/dev/null: found something that is not a file, expected a "
                       "file")):
        wrong = lab["director"].run(program("rawvsadm"), *flags("dr", IPV4, *more), check=False)
        same((wrong.returncode, wrong.stderr), (2, f"rawvsadm: init: {why}\n"), f"with {more}")
    printed = lab["director"].run(program("rawvsadm"), *flags("dr", IPV4, "-o", "-")).stdout
    true("[virtual" in printed and not os.path.exists("-"), printed)
    pair = lab.directory / "pair.ini"
    lab["director"].run(program("rawvsadm"), *flags("dr", IPV4, "--pair", "-o", str(pair)))
    same(pair.stat().st_mode & 0o777, 0o600, "the mode of a file with a key")


@case()
def on_a_terminal_it_asks_says_what_is_wrong_and_asks_again(lab):
    file = lab.directory / "asked.ini"
    keyboard, terminal = pty.openpty()
    answers = ["natt", "", f"{VIP}", f"{VIP}:80", f"{VIP} web1={ADDRESS['rs1']}", f"web1={ADDRESS['rs1']}", "", "tcp"]
    with lab["director"].inside():
        asked = os.fork()
        if asked == 0:
            os.setsid()
            for number in (0, 1, 2):
                os.dup2(terminal, number)
            os.execv(program("rawvsadm"), ["rawvsadm", "init", "-o", str(file)])
    os.close(terminal)
    text = ""
    for answer in answers:
        text += until_prompt(keyboard)
        os.write(keyboard, f"{answer}\n".encode())
    text += rest_of(keyboard)
    same(os.waitstatus_to_exitcode(os.waitpid(asked, 0)[1]), 0, f"exit status: {text}")
    os.close(keyboard)
    for words in ('found "natt", expected dr, nat, tun or fullnat; did you mean "nat"?',
                  "expected an address and a port", f"{VIP} is a VIP of this file", "[eth0] > ", "Written: "):
        true(words in text, f"no {words!r} in:\n{text}")
    own = [line for line in text.splitlines() if not line.startswith("   found") and str(file) not in line]
    true(all(len(line) <= 80 for line in own), [line for line in own if len(line) > 80])
    same(re.findall(r"(?m)^(?:interface|address|server) .*", file.read_text()),
         ["interface = eth0", f"address = {VIP}", f"server  = {ADDRESS['rs1']} name=web1"], "what was written")


def until_prompt(keyboard):
    text = b""
    while not text.endswith(b"> "):
        text += os.read(keyboard, 4096)
    return text.decode().replace("\r", "")


def rest_of(keyboard):
    text = b""
    try:
        while piece := os.read(keyboard, 4096):
            text += piece
    except OSError:  # it has ended
        pass
    return text.decode().replace("\r", "")
