# SPDX-License-Identifier: BSD-2-Clause
"""SIGUSR2: whatever is wrong with the next program, the one that forwards goes on, and nothing changes."""
import os
import shutil
import signal

from case import all_answered, case, same, true
from health import check, web
from lab.director import Director, program, virtual
from lab.namespaces import eventually
from lab.topology import ADDRESS, Load
from nat import IN, inside_web, nat
from notify import lines_of, script, wait_for_lines
from survival import from_a_copy, processes, replaced
from vrrp import directors, row_of_instance


def becomes(copy, text):
    """The program's file is now a script, which tests a configuration as rawvsd does."""
    new = copy.with_name("new")
    new.write_text(f"#!/bin/sh\n[ \"$1\" = -t ] && exec {program('rawvsd')} \"$@\"\n{text}\n")
    new.chmod(0o755)
    new.rename(copy)


def refused(director, words):
    before = len(director.log())
    director.program.send(signal.SIGUSR2)
    for expected in (words, "the program is not replaced"):
        eventually(lambda expected=expected: expected in director.log()[before:], 60, f"in the log: {expected}")


@case(seconds=150)
def a_program_that_tests_well_and_does_not_start_costs_nothing(lab):
    lab.serve_web()
    director, copy = from_a_copy(lab)
    pid, before = director.ask("list")[0]["pid"], processes(lab["director"])
    load = Load(lab, "client", parallel=4)
    load.wait_for(20)
    real = f"exec {program('rawvsd')} \"$@\""
    for text, words in (("exit 3", "it has ended"), ("kill -SEGV $$", "it has ended"),
                        (f"ulimit -n 10; {real}", "no descriptor is free"),
                        ("exec sleep 600", "it is not ready in time")):
        becomes(copy, text)
        refused(director, words)
        load.wait_for(20)
        same(director.ask("list")[0]["pid"], pid, "the process that serves the control socket")
    load.stop()
    eventually(lambda: processes(lab["director"]) == before, 10, "no other process is left")
    same(director.dropped(), {}, "frames dropped")
    becomes(copy, real)
    replaced(director)
    same(director.ask("list")[0]["pid"], pid, "its process id")
    all_answered(lab.request("client", 10), 10)


PEER = """
import os, socket, struct, sys, time
BEGUN, STATE, LOADED = 1, 2, 3
peer = socket.socket(fileno=int(os.environ["RAWVS_PREDECESSOR_FD"]))
peer.setblocking(True)
def say(what, version=1):
    peer.send(struct.pack("=IIiI", version, what, os.getpid(), 0).ljust(4096, b"\\0"))
if sys.argv[1] == "version":
    say(BEGUN, 2)
elif sys.argv[1] == "short":
    peer.send(b"begun")
elif sys.argv[1] == "what":
    say(77)
else:
    for what in (BEGUN, STATE):
        say(what)
    peer.recv(4096)
    say(LOADED)
time.sleep(600)
"""


@case(seconds=90)
def a_program_that_hangs_when_it_should_forward_is_ended(lab):
    lab.serve_web()
    director, copy = from_a_copy(lab, seccomp="0")  # Python makes calls that rawvsd does not
    (lab.directory / "peer.py").write_text(PEER)
    before = processes(lab["director"])
    idle = lab.connect("client")
    load = Load(lab, "client", parallel=4)
    load.wait_for(20)
    for how, words in (("hang", "it does not answer"), ("version", "it speaks another protocol"),
                       ("short", "it speaks another protocol"), ("what", "it speaks another protocol")):
        becomes(copy, f"exec /usr/bin/python3 {lab.directory / 'peer.py'} {how}")
        refused(director, words)
        load.wait_for(20)
    load.stop()
    idle.sendall(b"GET / HTTP/1.0\r\n\r\n")
    true(idle.recv(4096).startswith(b"HTTP/1."), "what an idle connection got")
    eventually(lambda: processes(lab["director"]) == before, 10, "no other process is left")


@case(seconds=60)
def where_the_last_step_fails_the_interim_process_goes_on(lab):
    inside_web(lab)
    director, copy = from_a_copy(lab, "-p", str(lab.directory / "pid"), sections=[nat(*IN, family=lab.family)],
                                 inside="eth1")
    idle = lab.connect("client")
    becomes(copy, f"[ -n \"$RAWVS_INTERIM\" ] && exec {program('rawvsd')} \"$@\"\nexit 3")
    director.program.send(signal.SIGUSR2)
    director.program.wait(30)
    eventually(lambda: "did not take over" in director.log(), 20, "the interim process knows")
    pid = int(director.ask("list")[0]["pid"])
    try:
        true(pid != director.program.pid, "the same process")
        same((lab.directory / "pid").read_text(), f"{pid}\n", "the pid file")
        idle.sendall(b"GET / HTTP/1.0\r\n\r\n")
        true(idle.recv(4096).startswith(b"HTTP/1."), "what an idle connection got")
        all_answered(lab.request("client", 10), 10)
    finally:
        os.kill(pid, signal.SIGTERM)
        eventually(lambda: not director.control.exists(), 10, "its end")


@case(seconds=60)
def a_master_is_replaced_and_the_backup_does_not_notice(lab):
    one, other = directors(lab, interval="100ms")
    load = Load(lab, "client", parallel=4)
    load.wait_for(20)
    for _ in range(2):
        replaced(one)
        same(row_of_instance(one)["state"], "master", "the replaced master's state")
        load.wait_for(20)
    load.stop()
    same(int(row_of_instance(other)["became-master"]), 0, "times that the backup took over")
    true("taken over from the program before" in one.log(), "the reason in the log")


@case(seconds=60)
def what_only_one_process_can_have_goes_from_one_to_the_next(lab):
    lab.serve_web()
    director = Director(lab, virtual(family=lab.family), "[sync]\nkey = between us two\n").start()
    replaced(director)
    same([line for line in director.log().splitlines() if "sync" in line and "in use" in line], [], "sync's port")
    true(any(row["row"] == "sync" for row in director.ask("sync")), f"sync: {director.ask('sync')}")
    all_answered(lab.request("client", 10), 10)


@case(seconds=60)
def a_program_of_a_check_that_runs_meanwhile_is_no_reason_to_warn_of_its_helper(lab):
    lab.serve_web()
    script = lab.directory / "check-shop"
    script.write_text("#!/bin/sh\nsleep 1\n")
    script.chmod(0o755)
    lab.directory.chmod(0o755)
    checks = [check(f"slow{n}", type="exec", program=script, interval="100ms") for n in range(4)]
    director = Director(lab, *checks, *[virtual(f"v{n}", ports=f"tcp/{80 + n}", check=f"slow{n}")
                                        for n in range(4)]).start()
    for _ in range(3):
        director.wait_for_health("rs1", "up")
        replaced(director)
    director.wait_for_health("rs1", "up")
    true("restart rawvsd" not in director.log(), director.log())


@case(seconds=90)
def what_checks_have_found_is_known_to_the_next_program_and_nobody_is_told_again(lab):
    web(lab, "rs1")
    told = lab.directory / "told"
    tell = script(lab, f"echo $* >> {told}")
    shutil.copy(program("rawvs-helper"), lab.directory)
    director, _ = from_a_copy(lab, sections=[check(interval="30s"), virtual("shop", check="well", notify=tell)])
    wait_for_lines(told, f"shop up {ADDRESS['rs1']}:80", f"shop down {ADDRESS['rs2']}:80")
    before, known = lines_of(told), {at: int(row["for"]) for at, row in director.servers().items()}
    for _ in range(2):
        replaced(director)
        rows = director.servers()
        same({at: row["health"] for at, row in rows.items()}, {ADDRESS["rs1"]: "up", ADDRESS["rs2"]: "down"}, "health")
        all_answered(lab.request("client", 20), 20)
    true(all(int(rows[at]["for"]) >= known[at] - 1000 for at in rows), f"for: {known}, and now {rows}")
    same(lines_of(told), before, "what was told")


@case(seconds=60)
def a_connection_to_the_sorry_server_goes_on_with_the_next_program(lab):
    lab["local"].ip("addr add 192.0.2.100/32 dev lo")
    lab["local"].sysctl(conf__all__arp_ignore=1, conf__all__arp_announce=2)
    lab.serve_web("local")
    director, _ = from_a_copy(lab, sections=[check(), virtual(check="well", sorry=ADDRESS["local"])])
    director.wait_for_log("sorry server")
    idle = lab.connect("client")
    replaced(director)
    idle.sendall(b"GET / HTTP/1.0\r\n\r\n")
    true(idle.recv(4096).startswith(b"HTTP/1."), "what an idle connection got")
