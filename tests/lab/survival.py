# SPDX-License-Identifier: BSD-2-Clause
"""Connections survive the daemon's restart, its replacement in place, and, as far as they were saved, its death."""
import signal

from case import all_answered, case, same, true
from lab.director import Director, virtual
from lab.namespaces import eventually
from lab.topology import VIP
from nat import IN, inside_web, nat

DOWNLOADS, SIZE = 200, 300_000


class Downloads:
    """Slow ones, all at once; each takes some four seconds, or longer if it is larger."""

    def __init__(self, lab, director, *servers, size=SIZE):
        self.size = size
        for name in servers:
            (lab.page_root(name) / "large").write_bytes(bytes(size))
        self.program = lab["client"].start(
            "curl", "--no-progress-meter", "--parallel", "--parallel-immediate", "--parallel-max", str(DOWNLOADS),
            "--limit-rate", "75K", "--max-time", "40", "--output", "/dev/null",
            "--write-out", "%{http_code} %{size_download} %{errormsg}\\n", f"http://{VIP}/large?[1-{DOWNLOADS}]")
        eventually(lambda: self.active(director) >= DOWNLOADS, 10, f"{DOWNLOADS} downloads under way")

    @staticmethod
    def active(director):
        return sum(int(row["active"]) for row in director.servers().values())

    def all_arrive(self):
        true(self.program.running(), f"the downloads ended too soon: {self.program.text()[:300]}")
        self.program.wait(60)
        found = [line.strip() for line in self.program.text().splitlines()]
        broken = [line for line in found if line != f"200 {self.size}"]
        true(not broken, f"{len(broken)} downloads broke: {broken[:3]}")
        same(len(found), DOWNLOADS, "downloads")


def keeper(lab, *sections, **settings):
    """A director that keeps its connections in a file, and takes back what is in it."""
    return Director(lab, *sections, state=lab.directory / "rawvs.state", **settings).start()


def ends_and_begins(lab, director, *sections, **settings):
    director.stop()
    return keeper(lab, *sections, **settings)


@case(seconds=90)
def two_hundred_downloads_survive_a_restart_by_direct_routing(lab):
    lab.serve_web()
    director = keeper(lab, virtual())
    idle = lab.connect("client")
    downloads = Downloads(lab, director, "rs1", "rs2")
    again = ends_and_begins(lab, director, virtual())
    downloads.all_arrive()
    idle.sendall(b"GET / HTTP/1.0\r\n\r\n")
    true(idle.recv(4096).startswith(b"HTTP/1."), "what the idle connection got")
    same(again.exits()["reset-sent"], 0, "RSTs")


@case(seconds=90)
def two_hundred_downloads_survive_a_restart_through_nat(lab):
    inside_web(lab)
    director = keeper(lab, nat(*IN), inside="eth1")
    downloads = Downloads(lab, director, *IN)
    ends_and_begins(lab, director, nat(*IN), inside="eth1")
    downloads.all_arrive()


@case(seconds=90)
def two_hundred_downloads_survive_the_replacement_of_the_program(lab):
    lab.serve_web()
    director = Director(lab, virtual()).start()  # no state file is needed
    downloads = Downloads(lab, director, "rs1", "rs2")
    pid = director.ask("list")[0]["pid"]
    director.program.send(signal.SIGUSR2)
    eventually(lambda: director.log().count("runs on eth0") == 2 and director.ready(), 10, "the other program")
    same(director.ask("list")[0]["pid"], pid, "its process id")
    downloads.all_arrive()
    all_answered(lab.request("client", 10), 10)


@case(seconds=90)
def two_hundred_downloads_survive_the_replacement_of_the_program_through_nat(lab):
    inside_web(lab)
    director = Director(lab, nat(*IN), inside="eth1").start()
    downloads = Downloads(lab, director, *IN)
    director.program.send(signal.SIGUSR2)
    eventually(lambda: director.log().count("runs on eth0") == 2 and director.ready(), 10, "the other program")
    downloads.all_arrive()


@case(seconds=60)
def a_program_that_could_not_start_anew_is_not_replaced(lab):
    lab.serve_web()
    director = Director(lab, virtual()).start()
    director.ini.write_text(director.ini.read_text() + "\n[nonsense]\n")
    director.program.send(signal.SIGUSR2)
    director.wait_for_log("the program is not replaced")
    all_answered(lab.request("client", 10), 10)


@case(seconds=60)
def a_crash_loses_no_connection_that_was_saved(lab):
    lab.serve_web()
    director = keeper(lab, virtual(), state_interval="1s")
    idle = [lab.connect("client") for _ in range(10)]
    before = (lab.directory / "rawvs.state").stat().st_mtime_ns if (lab.directory / "rawvs.state").exists() else 0
    eventually(lambda: (lab.directory / "rawvs.state").exists()
               and (lab.directory / "rawvs.state").stat().st_mtime_ns > before
               and (lab.directory / "rawvs.state").stat().st_size > 400, 10, "a state with connections")
    director.program.stop(signal.SIGKILL)
    again = keeper(lab, virtual(), state_interval="1s")
    same(Downloads.active(again), 10, "connections taken back")
    for s in idle:
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        true(s.recv(4096).startswith(b"HTTP/1."), "what an idle connection got")
        s.close()


@case(seconds=60)
def a_state_that_is_none_is_refused_and_the_director_serves(lab):
    lab.serve_web()
    (lab.directory / "rawvs.state").write_text("this is a letter to my aunt " * 10)
    director = keeper(lab, virtual())
    true("connections of an earlier process are not taken back: " in director.log(), director.log())
    all_answered(lab.request("client", 10), 10)
