# SPDX-License-Identifier: BSD-2-Clause
"""Connections survive the daemon's restart, its replacement in place, and, as far as they were saved, its death."""
import contextlib
import ftplib
import os
import pathlib
import shutil
import signal
import socket
import sys
import threading
import time

from back_ends import with_io
from case import all_answered, case, same, true
from daemon import no_process
from ftp import content, vsftpd
from lab.director import Director, program, virtual
from lab.namespaces import NETNS, eventually
from lab.topology import VIP
from nat import IN, inside_web, nat
from programs import HERE

DOWNLOADS, SIZE = 200, 1_000_000


class Downloads:
    """Slow ones, all at once; each takes some twenty seconds, or longer if it is larger."""

    def __init__(self, lab, director, *servers, size=SIZE):
        self.size = size
        for name in servers:
            (lab.page_root(name) / "large").write_bytes(bytes(size))
        # What a client does not read yet would else wait with it, and its server would be done.
        lab["client"].sysctl(tcp_rmem="4096 65536 65536")
        before = self.count(director, "active", "inactive")
        self.program = lab["client"].start(
            "curl", "--no-progress-meter", "--parallel", "--parallel-immediate", "--parallel-max", str(DOWNLOADS),
            "--limit-rate", "50K", "--max-time", "400", "--output", "/dev/null",
            "--write-out", "%{http_code} %{size_download} %{errormsg}\\n", f"{lab.family.url}/large?[1-{DOWNLOADS}]")
        # On a busy machine the first ones may be over when the last begin, and servers let SYNs wait. A SYN that comes
        # while no director runs is the kernel's, which finds nobody with the VIP: after three seconds the client is
        # told that, and gives up.
        eventually(lambda: self.count(director, "active", "inactive") >= before + DOWNLOADS
                   and not self.program.connecting(), 20, f"{DOWNLOADS} downloads")
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
    """A client that requests an echo every millisecond or so, and records the longest time without one."""
    PORT = 7

    def __init__(self, lab, server, address=None):
        address = address or lab.family.vip
        echo = lab[server].start(sys.executable, str(HERE / "small_server"), "echo", address, str(self.PORT))
        eventually(lambda: "ready" in echo.text(), 10, f"the echo of {server}")
        with lab["client"].inside():
            self.socket = lab.family.socket(socket.SOCK_DGRAM)
        self.socket.connect((lab.family.vip, self.PORT))
        self.socket.settimeout(0.001)
        self.answers, self.longest, self.last = 0, 0.0, None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    @classmethod
    def section(cls, lab, servers):
        return virtual("echo", ports=f"udp/{cls.PORT}", servers=servers, family=lab.family)

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
        """The longest time without an echo during this action, in milliseconds, and the action's result."""
        self.longest = 0.0
        outcome = act()
        self.wait(100)
        return round(self.longest * 1000), outcome


def keeper(lab, *sections, **settings):
    """A director that keeps its connections in a file, and restores them from it."""
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
    sections = virtual(family=lab.family), Pulse.section(lab, ["rs1"])
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
    sections = nat(*IN, family=lab.family), Pulse.section(lab, [f"{IN[0]} forward=nat"])
    director = keeper(lab, *sections, inside="eth1")
    with Pulse(lab, IN[0], lab.family.address[IN[0]]) as pulse:
        downloads = Downloads(lab, director, *IN)
        pause, _ = pulse.pause(lambda: ends_and_begins(lab, director, *sections, inside="eth1"))
    downloads.all_arrive()
    return f"pause: restart {pause} ms"


@case(seconds=90)
def two_hundred_downloads_survive_the_replacement_of_the_program(lab):
    lab.serve_web()
    # No state file is needed.
    director = Director(lab, virtual(family=lab.family), Pulse.section(lab, ["rs1"])).start()
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
    sections = nat(*IN, family=lab.family), Pulse.section(lab, [f"{IN[0]} forward=nat"])
    director = Director(lab, *sections, inside="eth1").start()
    with Pulse(lab, IN[0], lab.family.address[IN[0]]) as pulse:
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


# --- a program that could not start does not take over ---


def from_a_copy(lab, *arguments, sections=None, **settings):
    """A director whose program is a file of the lab's, which a test may change; and that file."""
    copy = lab.directory / "rawvsd"
    shutil.copy(program("rawvsd"), copy)
    director = Director(lab, *(sections or [virtual()]), **settings)
    director.program = lab["director"].start(str(copy), "-f", "-c", str(director.ini), *arguments)
    eventually(director.ready, 10, "the director")
    return director, copy


def not_replaced(director, *words):
    """At SIGUSR2 the director logs these words and the reason, and continues as the old program."""
    before = director.log()
    director.program.send(signal.SIGUSR2)
    for expected in (*words, "the program is not replaced"):
        eventually(lambda expected=expected: expected in director.log()[len(before):], 20, f"in the log: {expected}")
    same(director.log().count("runs on eth0"), 1, "programs that were started")


@case(seconds=90)
def a_configuration_that_a_start_would_refuse_keeps_the_program_from_being_replaced(lab):
    lab.serve_web()
    director, _ = from_a_copy(lab)
    right = director.ini.read_text()
    for wrong, words in ((right + "\n[nonsense]\n", "nonsense"),
                         (right.replace("[director]", "[director]\ncontrol_group = no-such-group"), "no-such-group"),
                         (right.replace(str(director.control), "/nowhere/rawvs.sock"), "no folder /nowhere")):
        director.ini.write_text(wrong)
        not_replaced(director, words)
        done = director.host.run(program("rawvsd"), "-t", "-c", str(director.ini), check=False)
        true(done.returncode == 6 and words in done.stderr, f"-t: {done.returncode}, {done.stderr}")
        done = director.host.run(program("rawvsd"), "-f", "-c", str(director.ini), check=False)
        true(done.returncode != 0, "such a file was started with")
    director.ini.write_text(right)
    all_answered(lab.request("client", 10), 10)
    replaced(director)
    all_answered(lab.request("client", 10), 10)


@case(seconds=90)
def a_program_file_that_is_none_does_not_take_over(lab):
    lab.serve_web()
    director, copy = from_a_copy(lab)
    new = copy.with_name("new")

    def put(mode=0o755, text=None):
        if text is None:
            shutil.copy("/bin/true", new)
        else:
            new.write_text(text)
        new.chmod(mode)
        new.rename(copy)
    for mode, text, words in ((0o755, None, "it is no rawvsd"), (0o755, "#!/bin/sh\nexit 3\n", "it ended with 3"),
                              (0o644, "#!/bin/sh\n", "Permission denied"), (0o755, "", "Exec format error"),
                              (0o755, "#!/bin/sh\nkill -SEGV $$\n", "signal 11")):
        put(mode, text)
        not_replaced(director, words)
    copy.unlink()
    not_replaced(director, "No such file or directory")
    shutil.copy(program("rawvsd"), new)
    new.rename(copy)
    replaced(director)
    all_answered(lab.request("client", 10), 10)


@case(seconds=60)
def a_daemon_that_has_left_its_folder_is_replaced_all_the_same(lab):
    lab.serve_web()
    director = Director(lab)
    lab["director"].run("sh", "-c", f"cd {lab.directory} && exec {program('rawvsd')} -c {director.ini.name} -p pid")
    pid_file = lab.directory / "pid"
    pid = int(pid_file.read_text())
    command = pathlib.Path(f"/proc/{pid}/cmdline")
    before = command.read_bytes()
    os.kill(pid, signal.SIGUSR2)
    # Empty while the kernel executes it.
    eventually(lambda: command.read_bytes() not in (before, b"") and director.ready(), 20, "the other program")
    true(f"-c\0{director.ini}\0-p\0{pid_file}\0" in command.read_text(), f"its words: {command.read_bytes()}")
    eventually(lambda: pid_file.exists() and pid_file.read_text() == f"{pid}\n", 10, "the pid file")
    all_answered(lab.request("client", 10), 10)
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: no_process(pid) and not pid_file.exists(), 10, "its end")


@case(seconds=60)
def the_signal_to_end_wins_over_the_one_to_be_replaced(lab):
    for numbers in ((signal.SIGUSR2, signal.SIGTERM), (signal.SIGTERM, signal.SIGUSR2)):
        director = Director(lab, virtual()).start()
        director.program.send(signal.SIGSTOP)  # both at once
        for number in numbers:
            director.program.send(number)
        director.program.send(signal.SIGCONT)
        same(director.program.wait(20), 0, "exit status")
        same(director.log().count("runs on eth0"), 1, "programs that were started")
        director = Director(lab, virtual()).start()
        director.program.send(numbers[0])  # one behind the other: while the next program is tried, perhaps
        director.program.send(numbers[1])
        same(director.program.wait(20), 0, "exit status")
        true(not director.control.exists(), "the control socket is still there")


def processes(host):
    """The numbers of those in this host."""
    inode = (NETNS / host.namespace).stat().st_ino
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "ns/net").stat().st_ino == inode:
                found.append(int(process.name))
    return sorted(found)


@case(seconds=180)
def thirty_replacements_leave_no_process_and_each_reads_by_xdp_again(lab):
    lab.serve_web()
    director = with_io(lab, "xdp", virtual(), state=lab.directory / "rawvs.state")
    before = processes(lab["director"])
    for _ in range(30):
        replaced(director)
    eventually(lambda: processes(lab["director"]) == before, 10, "no other process is left in the director's host")
    same(director.log().count("eth0: frames are read by xdp\n"), 61, "starts that read by xdp: two for each")
    all_answered(lab.request("client", 10), 10)
    director.stop()
    again = with_io(lab, "xdp", virtual(), state=lab.directory / "rawvs.state")
    all_answered(lab.request("client", 10), 10)
    same(again.dropped(), {}, "frames dropped")


@case(seconds=60)
def a_crash_loses_no_connection_that_was_saved(lab):
    lab.serve_web()
    director = keeper(lab, virtual(family=lab.family), state_interval="1s")
    idle = [lab.connect("client") for _ in range(10)]
    file = lab.directory / "rawvs.state"
    for _ in range(2):  # the one that is being written may lack some
        before = file.stat().st_mtime_ns if file.exists() else 0
        eventually(lambda since=before: file.exists() and file.stat().st_mtime_ns > since, 10, "another state")
    director.program.stop(signal.SIGKILL)
    again = keeper(lab, virtual(family=lab.family), state_interval="1s")
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
