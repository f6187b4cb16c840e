# SPDX-License-Identifier: BSD-2-Clause
"""The fast path's program on the interfaces: before the guard, while the director forwards; and gone afterwards."""
import contextlib
import pathlib
import re
import shutil
import signal

from case import Skip, all_answered, case, each_of, same, true
from lab.director import Director, program
from lab.namespaces import eventually
from lab.topology import Load
from nat import IN, inside_web, nat
from replacement import PEER, becomes, refused
from survival import from_a_copy, processes, replaced


def programs(director):
    """The names of the programs that the director's tcx links attach: sorted, one for each interface."""
    if not shutil.which("bpftool"):
        raise Skip("no bpftool")
    folder = pathlib.Path(f"/proc/{director.ask('list')[0]['pid']}/fdinfo")
    facts = []
    for file in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # a client that has left meanwhile
            facts.append(file.read_text())
    numbers = [re.search(r"^prog_id:\t(\d+)", fact, re.MULTILINE)[1] for fact in facts if "link_type:\ttcx" in fact]
    shown = [director.host.run("bpftool", "prog", "show", "id", number).stdout for number in numbers]
    return sorted(re.search(r"name (\w+)", text)[1] for text in shown)


def started(lab, *sections, **settings):
    director = Director(lab, *sections, **settings).start()
    if "fast path: on" not in director.log():
        said = [line for line in director.log().splitlines() if "fast path" in line]
        raise Skip(said[-1] if said else "this rawvsd was built without the fast path")
    return director


@each_of({f"with_guard_{guard}": guard for guard in ("tcx", "clsact", "classic", "off")}, seconds=60)
def it_is_on_every_interface_and_gone_at_the_end_whatever_the_guard(lab, guard):
    inside_web(lab)
    director = started(lab, nat(*IN), inside="eth1", guard=guard)
    for interface in ("eth0", "eth1"):
        director.wait_for_log(f"{interface}: fast path attached (tcx)", 10)
    same(programs(director), ["fast_path"] * 2 + ["rawvs_guard"] * (2 if guard == "tcx" else 0), "programs")
    if guard != "off":  # this host's kernel refuses them
        all_answered(lab.request("client", 20, parallel=2), 20)
        same(director.dropped(), {}, "frames dropped")
    same(director.stop(), 0, "exit status")
    for interface in ("eth0", "eth1"):
        same(lab["director"].run("tc", "filter", "show", "dev", interface, "ingress").stdout, "", "filters afterwards")


@case()
def off_means_that_nothing_is_attached_and_nothing_said(lab):
    director = Director(lab, fast_path="off", guard="tcx").start()
    true("fast path" not in director.log(), director.log())
    same(programs(director), ["rawvs_guard"], "programs")


@case()
def what_it_forwards_is_shown(lab):
    inside_web(lab)
    director = started(lab, nat(*IN), inside="eth1", fast_after=1)

    def row():
        return next(row for row in director.ask("list") if "chosen" in row)

    load = Load(lab, "client", parallel=4)
    eventually(lambda: int(row()["packets"]) > 0, 20, "packets of the fast path")
    eventually(lambda: " (fast)\n" in director.admin("connections"), 20, "a connection of the fast path")
    true("fast" not in director.admin("-L", "-n", "-c"), "ipvsadm's list of connections")
    load.stop()
    same(row()["on"], "1", "on")
    shown = re.search(r"\nFast path: [\d,]+ of 16,384 connections, \d+ % of packets\n", director.admin("status"))
    true(shown, director.admin("status"))
    true(re.search(r"^rawvs_fast_path_packets_total [1-9]", director.admin("metrics"), re.MULTILINE), "metrics")


@case()
def without_the_right_to_load_it_the_log_says_why_and_all_works(lab):
    lab.serve_web()
    started(lab).stop()
    without = ["setpriv", "--bounding-set=-bpf,-perfmon,-sys_admin", "--inh-caps=-bpf,-perfmon,-sys_admin"]
    for mode, begin in (("auto", ""), ("on", "warning: ")):
        director = Director(lab, fast_path=mode, user="root")
        director.program = lab["director"].start(*without, program("rawvsd"), "-f", "-c", str(director.ini))
        eventually(director.ready, 10, "the director")
        said = [line for line in director.log().splitlines() if "fast path" in line]
        same(len(said), 1, f"lines about it: {said}")
        true(f"rawvsd: {begin}fast path: off: program: " in said[0], said[0])
        all_answered(lab.request("client", 10), 10)
        director.stop()


@case(seconds=90)
def the_next_program_has_one_of_its_own_and_one_that_stays_attaches_it_again(lab):
    lab.serve_web()
    started(lab).stop()
    director, copy = from_a_copy(lab, seccomp="0")  # Python makes calls that rawvsd does not
    before = processes(lab["director"])
    replaced(director)
    same(programs(director).count("fast_path"), 1, "programs of the fast path")
    all_answered(lab.request("client", 10), 10)
    (lab.directory / "peer.py").write_text(PEER)
    load = Load(lab, "client", parallel=4)
    load.wait_for(20)
    attached = director.log().count("fast path attached")
    becomes(copy, f"exec /usr/bin/python3 {lab.directory / 'peer.py'} hang")
    refused(director, "it does not answer")
    eventually(lambda: director.log().count("fast path attached") > attached, 10, "it is attached again")
    load.wait_for(20)
    load.stop()
    same(programs(director).count("fast_path"), 1, "programs of the fast path")
    eventually(lambda: processes(lab["director"]) == before, 10, "no other process is left")


@case()
def a_killed_one_leaves_nothing_that_the_next_start_does_not_replace(lab):
    for guard in ("clsact", "tcx"):
        started(lab, guard=guard).stop(signal.SIGKILL)
        director = started(lab, guard=guard)
        same(programs(director).count("fast_path"), 1, "programs of the fast path")
        director.stop()
