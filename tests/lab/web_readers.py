# SPDX-License-Identifier: BSD-2-Clause
"""Who may read: slow clients of rawvs-web do not keep others out; read_group lets programs ask and change nothing."""
import contextlib
import os
import pathlib
import re
import resource
import signal
import socket

from case import case, same, true
from lab.big_tables import sections
from lab.director import Director, virtual
from lab.namespaces import eventually
from lab.topology import ADDRESS, VIP
from survival import from_a_copy, replaced
from web import PORT, Web, told

SLOW = 1000
ASKING = b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n"


class SlowClients:
    """Connections from as many addresses of the loopback, which ask one byte at a time, or read so."""

    def __init__(self, host, count, whole):
        self.all, self.whole = [], whole
        with host.inside():
            for number in range(count):
                s = socket.socket()
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                s.bind((f"127.1.{number // 250}.{1 + number % 250}", 0))
                s.settimeout(5)
                with contextlib.suppress(OSError):
                    s.connect(("127.0.0.1", PORT))
                    s.sendall(ASKING if whole else ASKING[:10])
                s.setblocking(False)
                self.all.append(s)

    def turn(self):
        """One more byte of each one."""
        for s in self.all:
            with contextlib.suppress(OSError):  # closed, or not ready
                if self.whole:
                    s.recv(1)
                else:
                    s.send(b"a")

    def end(self):
        for s in self.all:
            s.close()


def descriptors(site):
    return len(os.listdir(f"/proc/{site.program.pid}/fd"))


def peak_memory(site):
    status = pathlib.Path(f"/proc/{site.program.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) // 1024


@case(seconds=250)
def a_thousand_slow_clients_keep_nobody_out(lab):
    director = Director(lab, *sections(20, 100), max_servers=4096).start()
    site = Web(lab, director)
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, max(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    true(len(site.get("/api/v1/status")) > 500_000, "an answer that no socket takes as a whole")
    site.get("/")
    before, idle = peak_memory(site), descriptors(site)
    for whole in (False, True):
        slow = SlowClients(site.host, SLOW, whole)
        for _ in range(10):
            site.get("/?q=rs1")
            slow.turn()
        # Of a hundred and more the oldest are closed.
        eventually(lambda slow=slow: (slow.turn(), descriptors(site) <= idle + 110)[1], 20, "the end of the oldest")
        site.get("/api/v1/vrrp")
        # The others have ten seconds to ask, and a minute in all.
        eventually(lambda slow=slow: (slow.turn(), descriptors(site) <= idle + 3)[1], 100, "the end of all")
        slow.end()
    memory = peak_memory(site)
    true(memory < before + 40, f"{memory} MB of memory, {before} before")
    true(site.program.running(), site.program.text())
    same(director.ask("exits")[0]["row"], "exit", "the director's answer")
    return f"{memory} MB of memory, {before} before"


def as_user(director, user, *words, groups=()):
    """rawvsadm by another user: (exit status, what it says)."""
    given = ["--groups", ",".join(groups)] if groups else ["--clear-groups"]
    done = director.host.run("setpriv", "--reuid", user, "--regid", user, *given, *director.command(*words),
                             check=False)
    return done.returncode, done.stdout + done.stderr


def tables(director):
    return director.admin("save")


@case(seconds=60, needs=("setpriv",))
def the_read_group_asks_and_changes_nothing(lab):
    director = Director(lab, virtual(), read_group="daemon", control_group="bin").start()
    same(oct(os.stat(director.control).st_mode & 0o777), "0o666", "the socket's mode")
    before, rs1 = tables(director), f"{ADDRESS['rs1']}:80"
    for words in (("status",), ("drops",), ("events",), ("connections",), ("neighbours",), ("metrics",), ("-L", "-n"),
                  ("save", "--ini"), ("explain", "198.51.100.1:1001", f"{VIP}:80")):
        code, said = as_user(director, "daemon", *words)
        true(code == 0 and "permission denied" not in said, f"{words}: {code} {said}")
    denied = "permission denied: read-only (group daemon)"
    for words in (("-A", "-t", f"{VIP}:81"), ("-D", "-t", f"{VIP}:80"), ("-C",), ("-Z",), ("--set", "9", "9", "9"),
                  ("-e", "-t", f"{VIP}:80", "-r", rs1, "-w", "0"), ("reload",), ("reload", "--reset"),
                  ("save", "--ini", "--secrets")):
        code, said = as_user(director, "daemon", *words)
        true(code != 0 and denied in said, f"{words}: {code} {said}")
    same(tables(director), before, "the tables")
    true("control: daemon" not in director.log(), director.log())
    same(as_user(director, "games", "-L", groups=("daemon",))[0], 0, "a member by a further group")
    same(as_user(director, "games", "-A", "-t", f"{VIP}:82", groups=("daemon", "bin"))[0], 0, "a member of both")
    true("tcp 192.0.2.100:82: added" in director.log(), director.log())
    code, said = as_user(director, "games", "status")
    true(code != 0 and "permission denied: expected root, or a member of the group bin" in said, f"{code} {said}")
    site = Web(lab, director, user="daemon")
    same(site.json("/api/v1/status")["services"], told(director, "status")["services"], "what rawvs-web is told")
    same(site.json("/api/v1/events"), told(director, "events"), "its events")


@case(seconds=90, needs=("setpriv",))
def the_next_program_has_the_groups_of_its_file(lab):
    director, _ = from_a_copy(lab)
    text = director.ini.read_text()
    director.stop()
    director.ini.write_text(text.replace("[director]", "[director]\nread_group = daemon"))
    director.start()
    same(as_user(director, "daemon", "status")[0], 0, "a reader")
    replaced(director)
    same(as_user(director, "daemon", "status")[0], 0, "a reader of the next program")
    director.ini.write_text(text)
    replaced(director)
    same(oct(os.stat(director.control).st_mode & 0o777), "0o660", "the socket's mode without read_group")
    code, said = as_user(director, "daemon", "status")
    true(code != 0 and "Permission denied" in said, f"{code} {said}")
    director.ini.write_text(text.replace("[director]", "[director]\nread_group = no-such-group"))
    director.program.send(signal.SIGUSR2)
    director.wait_for_log('there is no group "no-such-group"')
    same(director.admin("-L", "-n").count(VIP), 1, "the director goes on")
