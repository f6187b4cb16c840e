# SPDX-License-Identifier: BSD-2-Clause
"""Connections survive the daemon's restart, its replacement in place, and, as far as they were saved, its death."""
import ftplib
import signal
import socket
import sys
import threading
import time

from case import all_answered, case, same, true
from ftp import content, vsftpd
from lab.director import Director, virtual
from lab.namespaces import eventually
from lab.topology import ADDRESS, VIP
from nat import IN, inside_web, nat
from programs import HERE

DOWNLOADS, SIZE = 200, 600_000


class Downloads:
    """Slow ones, all at once; each takes some twelve seconds, or longer if it is larger."""

    def __init__(self, lab, director, *servers, size=SIZE):
        self.size = size
        for name in servers:
            (lab.page_root(name) / "large").write_bytes(bytes(size))
        self.program = lab["client"].start(
            "curl", "--no-progress-meter", "--parallel", "--parallel-immediate", "--parallel-max", str(DOWNLOADS),
            "--limit-rate", "50K", "--max-time", "400", "--output", "/dev/null",
            "--write-out", "%{http_code} %{size_download} %{errormsg}\\n", f"http://{VIP}/large?[1-{DOWNLOADS}]")
        # On a busy machine the first ones may be over when the last begin.
        eventually(lambda: self.count(director, "active", "inactive") >= DOWNLOADS, 20, f"{DOWNLOADS} downloads")
        true(self.count(director, "active") >= DOWNLOADS // 2, "the downloads are too fast to be under way")

    @staticmethod
    def count(director, *kinds):
        rows = [row for row in director.ask("list") if row["row"] == "server" and row["service"].startswith("tcp:")]
        return sum(int(row[kind]) for row in rows for kind in kinds)

    def all_arrive(self):
        true(self.program.running(), f"the downloads ended too soon: {self.program.text()[:300]}")
        self.program.wait(60)
        found = [line.strip() for line in self.program.text().splitlines()]
        broken = [line for line in found if line != f"200 {self.size}"]
        true(not broken, f"{len(broken)} downloads broke: {broken[:3]}")
        same(len(found), DOWNLOADS, "downloads")


class Pulse:
    """A client that asks a server for an echo every millisecond or so, and notes how long it got none."""
    PORT = 7

    def __init__(self, lab, server, address=VIP):
        echo = lab[server].start(sys.executable, str(HERE / "small_server"), "echo", address, str(self.PORT))
        eventually(lambda: "ready" in echo.text(), 10, f"the echo of {server}")
        with lab["client"].inside():
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect((VIP, self.PORT))
        self.socket.settimeout(0.001)
        self.answers, self.longest, self.last = 0, 0.0, None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    @classmethod
    def section(cls, servers):
        return virtual("echo", ports=f"udp/{cls.PORT}", servers=servers)

    def __enter__(self):
        self.thread.start()
        self.wait(10)
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join(5)
        self.socket.close()

    def run(self):
        while not self.over.is_set():
            try:
                self.socket.send(b"?")
                self.socket.recv(64)
            except OSError:
                continue
            now = time.monotonic()
            self.longest = max(self.longest, now - (self.last or now))
            self.last = now
            self.answers += 1
            self.over.wait(0.001)

    def wait(self, more):
        until = self.answers + more
        eventually(lambda: self.answers >= until, 20, f"{more} more echoes")

    def pause(self, act):
        """The longest time without an answer while this happens, in milliseconds, and what it returns."""
        self.longest = 0.0
        outcome = act()
        self.wait(100)
        return round(self.longest * 1000), outcome


def keeper(lab, *sections, **settings):
    """A director that keeps its connections in a file, and takes back what is in it."""
    return Director(lab, *sections, state=lab.directory / "rawvs.state", **settings).start()


def ends_and_begins(lab, director, *sections, **settings):
    director.program.send(signal.SIGTERM)
    director.program.process.wait()  # without a limit, which the test has itself, it returns at once
    return keeper(lab, *sections, **settings)


def replaced(director):
    """By itself, in place."""
    runs = director.log().count("runs on eth0")
    director.program.send(signal.SIGUSR2)
    eventually(lambda: director.log().count("runs on eth0") > runs and director.ready(), 10, "the other program")


@case(seconds=90)
def two_hundred_downloads_survive_a_restart_by_direct_routing(lab):
    lab.serve_web()
    sections = virtual(), Pulse.section(["rs1"])
    director = keeper(lab, *sections)
    idle = lab.connect("client")
    with Pulse(lab, "rs1") as pulse:
        downloads = Downloads(lab, director, "rs1", "rs2")
        without, _ = pulse.pause(lambda: pulse.wait(200))
        pause, again = pulse.pause(lambda: ends_and_begins(lab, director, *sections))
    downloads.all_arrive()
    idle.sendall(b"GET / HTTP/1.0\r\n\r\n")
    true(idle.recv(4096).startswith(b"HTTP/1."), "what the idle connection got")
    same(again.exits()["reset-sent"], 0, "RSTs")
    return f"pause: restart {pause} ms; {without} ms before"


@case(seconds=90)
def two_hundred_downloads_survive_a_restart_through_nat(lab):
    inside_web(lab)
    sections = nat(*IN), Pulse.section([f"{IN[0]} forward=nat"])
    director = keeper(lab, *sections, inside="eth1")
    with Pulse(lab, IN[0], ADDRESS[IN[0]]) as pulse:
        downloads = Downloads(lab, director, *IN)
        pause, _ = pulse.pause(lambda: ends_and_begins(lab, director, *sections, inside="eth1"))
    downloads.all_arrive()
    return f"pause: restart {pause} ms"


@case(seconds=90)
def two_hundred_downloads_survive_the_replacement_of_the_program(lab):
    lab.serve_web()
    director = Director(lab, virtual(), Pulse.section(["rs1"])).start()  # no state file is needed
    with Pulse(lab, "rs1") as pulse:
        downloads = Downloads(lab, director, "rs1", "rs2")
        pid = director.ask("list")[0]["pid"]
        pause, _ = pulse.pause(lambda: replaced(director))
    same(director.ask("list")[0]["pid"], pid, "its process id")
    downloads.all_arrive()
    all_answered(lab.request("client", 10), 10)
    return f"pause: in place {pause} ms"


@case(seconds=90)
def two_hundred_downloads_survive_the_replacement_of_the_program_through_nat(lab):
    inside_web(lab)
    director = Director(lab, nat(*IN), Pulse.section([f"{IN[0]} forward=nat"]), inside="eth1").start()
    with Pulse(lab, IN[0], ADDRESS[IN[0]]) as pulse:
        downloads = Downloads(lab, director, *IN)
        pause, _ = pulse.pause(lambda: replaced(director))
    downloads.all_arrive()
    return f"pause: in place {pause} ms"


@case(seconds=60, needs=("vsftpd",))
def an_ftp_session_through_nat_goes_on_after_a_restart_and_after_a_replacement(lab):
    lab.add_inside(*IN)
    vsftpd(lab, *IN)
    section = virtual("ftp", ports="tcp/21", servers=[f"{name} forward=nat" for name in IN])
    director = keeper(lab, section, inside="eth1")
    with lab["client"].inside():
        session = ftplib.FTP(VIP, timeout=60)
        session.login()
    session.trust_server_pasv_ipv4_address = True  # else it would not matter what the answer to PASV says
    number = 20

    def fetch(passive_at=None):
        """A file; by the answer to PASV that came earlier, or to a new one."""
        nonlocal number
        number += 1
        with lab["client"].inside():
            host, port = passive_at or session.makepasv()
            same(host, VIP, "the address in the answer to PASV")
            data = socket.create_connection((host, port), 60)
        session.sendcmd(f"RETR /pub/f{number}")
        with data:
            data.settimeout(60)
            same(b"".join(iter(lambda: data.recv(1 << 16), b"")), content(number), f"file {number}")
        session.voidresp()

    fetch()
    asked_before = session.makepasv()
    director = ends_and_begins(lab, director, section, inside="eth1")
    fetch(asked_before)
    fetch()
    asked_before = session.makepasv()
    replaced(director)
    fetch(asked_before)
    fetch()
    session.quit()
    same(director.dropped(), {}, "frames dropped")


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
    eventually(lambda: Downloads.count(again, "active") == 10, 5, "ten connections taken back")
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
