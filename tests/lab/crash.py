# SPDX-License-Identifier: BSD-2-Clause
"""rawvsd is killed where its host routes: what its kernel does until the next start, and what the next start finds."""
import pathlib
import signal

from case import case, each_of, same, true
from lab.director import Director
from lab.frames import Capture
from lab.namespaces import eventually
from nat import IN, inside_web, nat
from programs import loud
from survival import Downloads, keeper, processes


def two_states(lab):
    """Waits until all present connections are saved: a state that is being written may lack some."""
    file = lab.directory / "rawvs.state"
    for _ in range(2):
        before = file.stat().st_mtime_ns if file.exists() else 0
        eventually(lambda since=before: file.exists() and file.stat().st_mtime_ns > since, 10, "another state")


def answers_arrive(lab, number):
    """Waits until so many packets of the servers have come to the director's host."""
    at_director = Capture(lab["director"], "eth1")
    servers = {lab.family.address[name] for name in IN}
    eventually(lambda: sum(f.source in servers and not f.outgoing for f in at_director.frames()) >= number, 20,
               f"{number} packets of the servers")
    at_director.close()


def survives_a_death(lab, die, **settings):
    """Downloads through NAT go on after this end of the director, without a packet that its kernel has routed."""
    inside_web(lab)
    section = nat(*IN, family=lab.family)
    settings |= {"inside": "eth1", "state_interval": "1s"}
    director = keeper(lab, section, **settings)
    downloads = Downloads(lab, director, *IN)
    two_states(lab)
    at_client = Capture(lab["client"])
    die(director)
    answers_arrive(lab, 200)
    true(not director.ready(), "the director answers")
    again = keeper(lab, section, **settings)
    downloads.all_arrive()
    frames = at_client.frames()
    same(loud(frames, *map(lab.family.address.get, IN)), [], "frames that show a server's own address to the client")
    same([f for f in frames if f.is_reset and not f.outgoing], [], "resets that the client got")
    same(lab["director"].routed(), 0, "packets that the director's kernel routed")
    return again


def name_of(pid):
    return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()


def killed(director):
    director.stop(signal.SIGKILL)


@each_of({way: way for way in ("tcx", "clsact", "classic")}, seconds=90)
def downloads_through_nat_survive_a_crash_and_no_answer_is_routed_untranslated_with(lab, way):
    again = survives_a_death(lab, killed, guard=way)
    true(f"guard attached ({way})" in again.log(), again.log())


@case(seconds=90)
def downloads_through_nat_survive_a_stop_during_which_answers_arrive(lab):
    survives_a_death(lab, lambda director: same(director.stop(), 0, "exit status"), guard="tcx")


@case(seconds=60)
def after_a_crash_the_guard_ends_by_itself_and_nothing_is_left(lab):
    inside_web(lab)
    director = keeper(lab, nat(*IN, family=lab.family), inside="eth1", guard="tcx")
    killed(director)
    eventually(lambda: [name_of(pid) for pid in processes(lab["director"])] == ["rawvs-helper"], 5, "one that is left")
    eventually(lambda: not processes(lab["director"]), 20, "its end")


@case()
def after_a_stop_without_state_nothing_is_left(lab):
    inside_web(lab)
    director = Director(lab, nat(*IN, family=lab.family), inside="eth1", guard="tcx").start()
    same(director.stop(), 0, "exit status")
    same([name_of(pid) for pid in processes(lab["director"])], [], "processes in the director's host")
