# SPDX-License-Identifier: BSD-2-Clause
"""Connections copied to other directors: the master is killed, and none of them breaks."""
import errno
import signal
import socket

from case import all_answered, case, same, true
from lab.director import Director, virtual
from lab.namespaces import eventually
from nat import IN, inside_web, nat
from programs import unwrap_at
from survival import DOWNLOADS, SIZE, Downloads
from tunnel import tun
from vrrp import OTHER, instance, of_family, second_host, wait_for_state
from vrrp_times import GATEWAY, inside_of_other

CALM = "300ms"  # between adverts: a backup must not take over because the machine is busy
PAGE = b"GET / HTTP/1.0\r\n\r\n"


def sync(**keys):
    return "[sync]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())


def counters(director):
    return director.ask("sync")[0]


def pair(lab, service, **keys):
    """Two directors, the first one master by VRRP (version 3, three adverts a second)."""
    second_host(lab)
    sections = (service, sync(**keys))
    keys = {"interval": CALM, **of_family(lab)}
    one = Director(lab, *sections, instance(150, **keys)).start()
    wait_for_state(one, "master")
    other = Director(lab, *sections, instance(100, **keys), name="other", host="other").start()
    wait_for_state(other, "backup")
    return one, other


def known(director, count):
    """Waits until the director has this many connections whose handshake is over."""
    # Some may be on their way out already: NAT sees a server's FIN, whose data is still to come.
    before = ("NONE", "ASSURED", "LISTEN", "SYN_SENT", "SYN_RECV")
    eventually(lambda: sum(row["state"] not in before for row in director.ask("connections")) >= count, 20,
               f"{count} connections that are established")


def talks(s):
    s.sendall(PAGE)
    true(s.recv(4096).startswith(b"HTTP/1."), "what an idle connection got")
    s.close()


def master_dies(one, other, downloads, idle):
    known(other, DOWNLOADS + 1)
    one.program.stop(signal.SIGKILL)
    wait_for_state(other, "master")
    downloads.all_arrive()
    talks(idle)
    same(other.exits()["reset-sent"], 0, "RSTs of the new master")


@case(seconds=120)
def two_hundred_downloads_and_an_idle_session_survive_the_master_by_direct_routing(lab):
    lab.serve_web()
    one, other = pair(lab, virtual(family=lab.family))
    idle = lab.connect("client")
    downloads = Downloads(lab, one, "rs1", "rs2", size=2 * SIZE)
    master_dies(one, other, downloads, idle)


@case(seconds=120)
def two_hundred_downloads_and_an_idle_session_survive_the_master_through_tunnels(lab):
    lab.serve_web()
    unwrap_at(lab, "rs1", "rs2")
    one, other = pair(lab, tun("rs1", "rs2", family=lab.family))
    idle = lab.connect("client")
    downloads = Downloads(lab, one, "rs1", "rs2", size=2 * SIZE)
    master_dies(one, other, downloads, idle)


@case(seconds=120)
def two_hundred_downloads_and_an_idle_session_survive_the_master_through_nat(lab):
    second_host(lab)
    inside_of_other(lab)
    inside_web(lab)
    for name in ("director", "other"):  # a kernel that routes on without its director would send answers as they are
        lab[name].sysctl(ip_forward=0)
        lab[name].sysctl6(conf__all__forwarding=0)
    for name in IN:
        lab[name].ip(f"route replace default via {lab.family.of(GATEWAY)}")
    sections, both = (nat(*IN, family=lab.family), sync()), {"group": "both", "interval": CALM}
    one, other = (Director(lab, *sections, instance(priority, address=lab.family.vip, **both),
                           instance(priority, "gate", vrid=52, on="inside", address=lab.family.of(GATEWAY), **both),
                           name=host, host=host, inside="eth1")
                  for host, priority in (("director", 150), ("other", 100)))
    wait_for_state(one.start(), "master")
    wait_for_state(other.start(), "backup")
    idle = lab.connect("client")
    downloads = Downloads(lab, one, *IN, size=2 * SIZE)
    master_dies(one, other, downloads, idle)


@case(seconds=120)
def a_director_that_joins_is_told_all_and_can_die_for_the_other(lab):
    lab.serve_web()
    one, other = pair(lab, virtual(persistence="300s", family=lab.family))
    idle = [lab.connect("client") for _ in range(20)]
    known(other, 20)
    other.program.stop(signal.SIGKILL)
    again = Director(lab, virtual(persistence="300s", family=lab.family), sync(),
                     instance(100, interval=CALM, **of_family(lab)), name="other", host="other").start()
    eventually(lambda: counters(again)["complete"] == "1", 10, "all connections")
    known(again, 20)
    servers = {row["server"] for row in one.ask("connections")}
    same({row["server"] for row in again.ask("connections")}, servers, "servers of the connections")
    same(len([row for row in again.ask("connections") if row["state"] == "ASSURED"]), 1, "templates")
    one.program.stop(signal.SIGKILL)
    wait_for_state(again, "master")
    for s in idle:
        talks(s)


@case(seconds=60)
def who_has_another_key_or_none_is_not_believed(lab):
    lab.serve_web()
    one, other = pair(lab, virtual(), key="a secret of ours")
    idle = lab.connect("client")
    known(other, 1)
    same(counters(one)["sealed"], "1", "sealed")
    other.stop()
    for wrong in ({}, {"key": "another secret"}):
        stranger = Director(lab, virtual(), sync(**wrong), name="other", host="other").start()  # tells: has no VRRP
        refused = int(counters(one)["refused"])
        eventually(lambda: int(counters(one)["refused"]) > refused, 10, "its request to be refused")
        stranger.stop()
    talks(idle)


@case(seconds=60)
def peers_are_told_by_unicast_and_nobody_else_is_heard(lab):
    second_host(lab)
    lab.serve_web()
    one = Director(lab, virtual(), sync(role="master", peer=OTHER), instance(150, start="master")).start()
    wait_for_state(one, "master")
    other = Director(lab, virtual(), sync(role="backup", peer="192.0.2.10"), instance(100), name="other",
                     host="other").start()
    idle = lab.connect("client")
    known(other, 1)
    same(counters(one)["entries"] != "0", True, "entries that were told")
    with lab["local"].inside():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.sendto(bytes(8), (OTHER, 8848))
    eventually(lambda: counters(other)["strangers"] == "1", 5, "the stranger's message to be counted")
    talks(idle)


# What ipvsadm 1.31 prints about Linux 6.1's daemons: status, text.  Recorded with the oracle.
DAEMONS = (
    ("-L --daemon", 0, ""),
    ("--start-daemon master", 255, "No such device"),
    ("--start-daemon master --mcast-interface nosuch", 255, "No such device"),
    ("--stop-daemon master", 255, "No daemon is running"),
    ("--start-daemon master --mcast-interface eth0 --syncid 5 --sync-maxlen 1400 --mcast-group 224.0.0.82 "
     "--mcast-port 9000 --mcast-ttl 3", 0, ""),
    ("-L --daemon", 0, "master sync daemon (mcast=eth0, syncid=5, maxlen=1400, group=224.0.0.82, port=9000, ttl=3)"),
    ("--start-daemon master --mcast-interface eth0", 255, "Daemon has already run"),
    ("--start-daemon backup --mcast-interface eth0", 0, ""),
    ("-L --daemon -n", 0, "master sync daemon (mcast=eth0, syncid=5, maxlen=1400, group=224.0.0.82, port=9000, ttl=3)\n"
     "backup sync daemon (mcast=eth0, syncid=5, maxlen=1400, group=224.0.0.82, port=9000, ttl=3)"),
    ("--stop-daemon master", 0, ""),
    ("-L --daemon", 0, "backup sync daemon (mcast=eth0, syncid=5, maxlen=1400, group=224.0.0.82, port=9000, ttl=3)"),
    ("--stop-daemon backup --syncid 9", 0, ""),
    ("-L --daemon", 0, ""),
)


@case(seconds=60)
def ipvsadms_daemons_are_started_listed_and_stopped_as_ipvsadm_does(lab):
    director = Director(lab, virtual()).start()
    for words, status, text in DAEMONS:
        done = director.admin(*words.split(), check=False)
        same((done.returncode, (done.stdout + done.stderr).strip()), (status, text), words)


@case(seconds=60)
def a_connection_is_told_by_daemons_that_were_started_by_hand_and_a_reload_leaves_them(lab):
    second_host(lab)
    lab.serve_web()
    one = Director(lab, virtual(), instance(150, start="master")).start()
    wait_for_state(one, "master")
    other = Director(lab, virtual(), instance(100), name="other", host="other").start()
    one.admin("--start-daemon", "master", "--mcast-interface", "eth0", "--syncid", "3")
    other.admin("--start-daemon", "backup", "--mcast-interface", "eth0", "--syncid", "3")
    one.admin("reload")
    true("master sync daemon" in one.admin("-L", "--daemon"), "what a reload has left")
    true("[sync]\nrole = master" in one.admin("save", "--ini"), one.admin("save", "--ini"))
    idle = lab.connect("client")
    known(other, 1)
    one.admin("reload", "--reset")
    same(one.admin("-L", "--daemon"), "", "what a reset has left")
    talks(idle)


def refusals(lab, first, second, words, finding):
    """Two directors that refuse each other's messages: logged once, with the reason and the sender."""
    second_host(lab)
    lab.serve_web()
    pair_of = [Director(lab, virtual(), sync(full_every="1s", **keys), name=host, host=host).start()
               for host, keys in (("director", first), ("other", second))]
    for director, peer in zip(pair_of, (OTHER, "192.0.2.10")):
        said = f"sync: messages from {peer} are refused: {words}"
        eventually(lambda: int(counters(director)["refused"]) >= 3, 20, "three messages that are refused")
        same(director.log().count(said), 1, f"lines that say {said!r} in {director.log()}")
        status = director.admin("status")
        true(f" refused: {words}" in status and f", from {peer}" in status, status)
        found = director.admin("doctor", check=False).stdout
        true(finding in found, found)
    return pair_of


@case(seconds=90)
def another_key_is_said_once_with_its_reason_and_found_by_the_doctor(lab):
    one, other = refusals(lab, {"key": "the-first-secret"}, {"key": "another-secret"}, "other key",
                          "give each director the same key in [sync]")
    other.ini.write_text(other.ini.read_text().replace("another-secret", "the-first-secret"))
    other.admin("reload")
    eventually(lambda: f"sync: messages from {OTHER} are taken now" in one.log(), 20, "the end of it")


@case(seconds=90)
def another_id_is_said_once_with_its_reason_and_found_by_the_doctor(lab):
    refusals(lab, {"id": 1}, {"id": 2}, "other id", "give each director the same id in [sync]")


THIEF = """
import os, socket, sys
os.setgid(65534)
os.setuid(65534)
for address in ("", "192.0.2.20", "224.0.0.81"):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        s.bind((address, 8848))
        print("bound", address or "any")
    except OSError as error:
        print(error.errno)
"""


@case(seconds=90)
def no_other_user_of_the_host_can_take_the_port_of_unicast_messages(lab):
    second_host(lab)
    lab.serve_web()
    one = Director(lab, virtual(), sync(peer=OTHER, role="master"), instance(150, interval=CALM)).start()
    wait_for_state(one, "master")
    other = Director(lab, virtual(), sync(peer="192.0.2.10", role="backup"), instance(100, interval=CALM),
                     name="other", host="other").start()
    wait_for_state(other, "backup")
    same(lab["other"].run("python3", "-c", THIEF).stdout.split("\n")[:3],
         [str(errno.EADDRINUSE)] * 2 + [str(errno.EADDRINUSE)], "what another user's bind(2) says")
    idle = [lab.connect("client") for _ in range(10)]
    known(other, 10)
    for s in idle:
        talks(s)
