# SPDX-License-Identifier: BSD-2-Clause
"""init/rawvs, the director's script, under busybox ash and under dash.

Namespaces share the machine's /run: every path is in the lab's own folder.
"""
import os
import pathlib
import re
import signal

from case import all_answered, case, same, true
from daemon import no_process
from lab.director import TOP, Director, program, virtual
from lab.namespaces import eventually
from lab.topology import ADDRESS, VIP

SHELLS = (("dash",), ("busybox", "ash"))


class Script:
    """One of the scripts, under one shell, in a host.  Programs in its folder have precedence, such as busybox's ip."""

    def __init__(self, lab, host, name, shell, **settings):
        self.host, self.shell = lab[host], shell
        self.path = TOP / "init" / name
        self.folder = lab.directory / "-".join((name, *shell))
        self.folder.mkdir()
        self.settings = {"DEFAULTS": self.folder / "default", "LSB_FUNCTIONS": "/nowhere",
                         "PATH": f"{self.folder}:{os.environ['PATH']}", **settings}
        if shell[0] == "busybox":
            (self.folder / "ip").symlink_to("/bin/busybox" if os.path.exists("/bin/busybox") else "/usr/bin/busybox")

    def __call__(self, *arguments, **settings):
        environment = [f"{key}={value}" for key, value in {**self.settings, **settings}.items()]
        return self.host.run("env", *environment, *self.shell, str(self.path), *arguments, check=False)

    def gives(self, code, *arguments, **settings):
        """Runs it, and returns its whole output if it ends with this code."""
        done = self(*arguments, **settings)
        text = done.stdout + done.stderr
        same(done.returncode, code, f"{' '.join(self.shell)} {self.path.name} {' '.join(arguments)} ({text.strip()})")
        return text

    def program(self, name, *lines):
        """A stub for a program: a script of these lines."""
        path = self.folder / name
        path.write_text("\n".join(("#!/bin/sh", *lines, "")))
        path.chmod(0o755)
        return path


def director_script(lab, shell):
    director = Director(lab, name="-".join(("rawvs", *shell)))
    pid_file = lab.directory / f"{'-'.join(shell)}.pid"
    script = Script(lab, "director", "rawvs", shell, DAEMON=program("rawvsd"), CONFIG=director.ini, PIDFILE=pid_file)
    return script, director, pid_file


def pid_in(file):
    return int(file.read_text())


@case(seconds=60, needs=("dash",))
def the_script_starts_shows_restarts_and_stops_the_director(lab):
    lab.serve_web()
    for shell in SHELLS:
        script, director, pid_file = director_script(lab, shell)
        same(script.gives(3, "status"), "rawvsd is not running\n", "status before")
        script.gives(0, "stop")
        for action in ("try-restart", "force-reload"):
            same(script.gives(0, action), "rawvsd: not running, and left so\n", action)
        same(script.gives(7, "reload"), "rawvs: reload: rawvsd is not running\n", "reload of what does not run")
        true(not pid_file.exists(), "something started the director")
        script.gives(0, "start")
        first = pid_in(pid_file)
        same(script.gives(0, "status"), f"rawvsd is running, process {first}\n", "status")
        all_answered(lab.request("client", 10), 10)
        true("already running" in script.gives(0, "start"), "a second start does not say so")
        same(pid_in(pid_file), first, "the process after a second start")
        for action in ("restart", "try-restart"):
            before = pid_in(pid_file)
            script.gives(0, action)
            true(no_process(before), f"{action} left the old process")
            true(pid_in(pid_file) != before, f"{action} started no new process")
            all_answered(lab.request("client", 10), 10)
        last = pid_in(pid_file)
        script.gives(0, "stop")
        true(no_process(last), "the process still runs after the stop")
        same((pid_file.exists(), director.control.exists()), (False, False), "pid file and control socket afterwards")
        script.gives(3, "status")
        script.gives(0, "stop")
        script.gives(0, "restart")
        script.gives(0, "stop")


@case(seconds=60, needs=("dash",))
def a_wrong_configuration_is_refused_at_restart_and_the_old_director_goes_on(lab):
    lab.serve_web()
    for shell in SHELLS:
        script, director, pid_file = director_script(lab, shell)
        script.gives(0, "start")
        before, right = pid_in(pid_file), director.ini.read_text()
        director.ini.write_text(right + "schedular = rr\n")
        for action, words in (("restart", "was left running"), ("try-restart", "was left running"),
                              ("reload", "goes on with"), ("force-reload", "goes on with"), ("check", "")):
            text = script.gives(6, action)
            true(re.search(rf"{director.ini}:\d+: \[virtual web\] schedular: ", text), text)
            true(not words or f"process {before} {words}" in text, text)
            same(pid_in(pid_file), before, "the process afterwards")
        all_answered(lab.request("client", 10), 10)
        director.ini.write_text(right.replace("[director]", "[director]\ncontrol_group = no-such-group"))
        true("no-such-group" in script.gives(6, "restart"), "what only a start could have found is not named")
        same(pid_in(pid_file), before, "the process afterwards")
        director.ini.write_text(right)
        pid_file.rename(pid_file.with_suffix(".moved"))
        pid_file.symlink_to(pid_file.with_suffix(".moved"))
        true("symbolic link" in script.gives(1, "restart"), "a pid file that a start would refuse is not named")
        same(pid_in(pid_file), before, "the process afterwards")
        pid_file.with_suffix(".moved").rename(pid_file)
        script.gives(0, "restart")
        director.ini.write_text(right + "schedular = rr\n")
        script.gives(0, "stop")
        true("schedular" in script.gives(6, "start"), "start does not name what is wrong")
        true(not pid_file.exists() and not director.control.exists(), "the director was started")


@case(seconds=60, needs=("dash",))
def an_old_pid_file_is_told_and_nobody_else_is_killed(lab):
    for shell in SHELLS:
        script, _, pid_file = director_script(lab, shell)
        script.gives(0, "start")
        killed = pid_in(pid_file)
        os.kill(killed, signal.SIGKILL)
        eventually(lambda pid=killed: no_process(pid), 5, "its end")
        true(str(pid_file) in script.gives(1, "status"), "status does not name the pid file")
        script.gives(0, "start")
        script.gives(0, "status")
        script.gives(0, "stop")
        stranger = lab["director"].start("sleep", "60")
        pid_file.write_text(f"{stranger.pid}\n")
        script.gives(1, "status")
        script.gives(0, "stop")
        true(stranger.running() and not pid_file.exists(), "the stranger was killed, or the pid file is still there")
        for content, status, stop in (("", 1, 0), ("rawvsd\n", 4, 1)):
            pid_file.write_text(content)
            script.gives(status, "status")
            script.gives(stop, "stop")
        pid_file.unlink()


@case(needs=("dash",))
def a_start_that_cannot_work_has_its_own_exit_code(lab):
    for shell in SHELLS:
        script, _, pid_file = director_script(lab, shell)
        true("/nowhere/rawvsd" in script.gives(5, "start", DAEMON="/nowhere/rawvsd"), "the program is not named")
        true("/nowhere/rawvs.ini" in script.gives(6, "start", CONFIG="/nowhere/rawvs.ini"), "the file is not named")
        script.gives(1, "start", PIDFILE="/nowhere/rawvs.pid")
        script.gives(6, "start", START_WAIT="soon")
        for arguments in ((), ("begin",), ("start", "now")):
            true("usage: " in script.gives(2, *arguments), "no usage")
        for action in ("save", "load"):
            true("there is no such socket" in script.gives(7, action), f"{action} without a director")
            true("/nowhere/rawvsadm" in script.gives(5, action, ADMIN="/nowhere/rawvsadm"), "the program is not named")
        script.gives(5, "check", DAEMON="/nowhere/rawvsd")
        text = script.gives(0, "check")
        true("the configuration is valid" in text, text)
        true(not pid_file.exists(), "something was started")


@case(needs=("dash",))
def waiting_for_a_start_or_a_stop_has_an_end(lab):
    """A stub for a daemon that hangs: no configuration makes rawvsd do so."""
    for shell in SHELLS:
        script, _, pid_file = director_script(lab, shell)
        hanging = script.program(
            "hanging", "case $1 in", "-t) exit 0 ;;", "stays) trap '' TERM; while :; do sleep 0.2; done ;;", "esac",
            "[ -e $0.ready ] || exec sleep 60", "$0 stays >/dev/null 2>&1 &", "echo $! >$4")
        text = script.gives(1, "start", DAEMON=hanging, START_WAIT=1)
        true("was not ready within 1 s" in text, text)
        (script.folder / "hanging.ready").touch()
        script.gives(0, "start", DAEMON=hanging)
        pid = pid_in(pid_file)
        text = script.gives(0, "stop", DAEMON=hanging, STOP_WAIT=1)
        true(f"process {pid} has not ended within 1 s: killing it" in text, text)
        true(no_process(pid) and not pid_file.exists(), "the process or its pid file is still there")


@case(needs=("dash",))
def settings_come_from_the_default_file_and_the_environment_goes_first(lab):
    for shell in SHELLS:
        script, _, pid_file = director_script(lab, shell)
        other = lab.directory / "other.pid"
        script.settings["DEFAULTS"].write_text(f"PIDFILE={other}\nDAEMON_OPTS=-v\n")
        text = script.gives(1, "start")
        true("rawvsd 0." in text and f"pid file {pid_file} names no running rawvsd" in text, text)
        other.write_text("")
        script.gives(3, "status")
        del script.settings["PIDFILE"]
        script.gives(1, "status")


# --- reload ---


@case(needs=("dash",))
def a_reload_asks_rawvsadm_and_ends_as_it_does(lab):
    for shell in SHELLS:
        script, director, pid_file = director_script(lab, shell)
        script.gives(0, "start")
        for number, (code, expected) in enumerate(((0, 0), (2, 1), (255, 1))):
            admin = script.program(f"admin-{number}", "echo \"$@\" >$0.said", f"echo words {number}; exit {code}")
            for action in ("reload", "force-reload"):
                text = script.gives(expected, action, ADMIN=admin)
                same(pathlib.Path(f"{admin}.said").read_text(), f"--socket {director.control} reload\n", "arguments")
                true(f"words {number}\n" in text, text)
                said = "goes on with the configuration that it has" if code else f"has read {director.ini} again"
                true(f"process {pid_in(pid_file)} {said}" in text, text)
        script.gives(0, "stop")


@case(needs=("dash",))
def without_rawvsadm_a_reload_is_a_signal_and_the_log_is_named(lab):
    for shell in SHELLS:
        script, _, pid_file = director_script(lab, shell)
        daemon = script.program(
            "signalled", "case $1 in", "-t) exit 0 ;;",
            "stays) trap 'echo hup >>$0.got' HUP; echo $$ >$2; while :; do sleep 0.1; done ;;", "esac",
            "$0 stays $4 >/dev/null 2>&1 &", "until [ -s $4 ]; do sleep 0.1; done")
        script.gives(0, "start", DAEMON=daemon)
        text = script.gives(0, "reload", DAEMON=daemon)
        true("what became of that is in its log" in text and str(pid_in(pid_file)) in text, text)
        got = pathlib.Path(f"{daemon}.got")
        eventually(got.exists, 5, "the signal")
        script.gives(0, "stop", DAEMON=daemon)
        same(got.read_text(), "hup\n", "signals")


@case(seconds=60, needs=("dash",))
def a_reload_changes_what_the_file_changed_and_connections_go_on(lab):
    lab.serve_web()
    for shell in SHELLS:
        script, director, pid_file = director_script(lab, shell)
        director.ini.write_text(director.ini.read_text().replace("192.0.2.12", "192.0.2.12 weight=0"))
        script.gives(0, "start")
        pid = pid_in(pid_file)
        with lab.connect("client") as connection:
            weight = {address: row["weight"] for address, row in director.servers().items()}
            same(weight, {ADDRESS["rs1"]: "1", ADDRESS["rs2"]: "0"}, "weights before")
            right = director.ini.read_text()
            changed = right.replace(" weight=0", " weight=3").replace("192.0.2.11", "192.0.2.11 weight=0")
            director.ini.write_text(changed)
            text = script.gives(0, "reload")
            true(f"process {pid} has read {director.ini} again" in text, text)
            weight = {address: row["weight"] for address, row in director.servers().items()}
            same(weight, {ADDRESS["rs1"]: "0", ADDRESS["rs2"]: "3"}, "weights after the reload")
            same(lab.request("client", 5).of["rs2"], 5, "new connections at rs2")
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            page = b"".join(iter(lambda: connection.recv(4096), b""))
            true(page.endswith(b"rs1\n"), f"the connection of before is answered by {page!r}")
        same(pid_in(pid_file), pid, "the process")
        script.gives(0, "stop")


# --- save and load ---


@case(seconds=60, needs=("dash",))
def save_and_load_keep_the_table_in_a_file(lab):
    for shell in SHELLS:
        script, director, _ = director_script(lab, shell)
        rules = lab.directory / f"{'-'.join(shell)}.rules"
        script.settings["RULES"] = rules
        script.gives(0, "start")
        director.admin("-A", "-u", f"{VIP}:53", "-s", "wrr", "-o")
        director.admin("-a", "-u", f"{VIP}:53", "-r", ADDRESS["rs2"], "-m", "-w", "7")
        table = director.admin("-S", "-n")
        script.gives(0, "save")
        comment, _, saved = rules.read_text().partition("\n")
        true(comment.startswith("# "), comment)
        same(saved, table, "the file's lines")
        director.admin("-D", "-u", f"{VIP}:53")
        script.gives(0, "load")
        same(director.admin("-S", "-n"), table, "the table that was loaded")
        rules.write_text(f"# by hand\n\n-A -t {VIP}:99 -s rr\n")
        script.gives(0, "load")
        same(director.admin("-S", "-n"), f"-A -t {VIP}:99 -s rr\n", "the table that was written by hand")
        director.admin("-C")
        true("the table is empty" in script.gives(1, "save"), "save of nothing")
        true("99" in rules.read_text(), "save of an empty table has changed the file")
        script.gives(0, "stop")


@case(seconds=60, needs=("dash",))
def what_cannot_be_loaded_or_saved_changes_nothing(lab):
    for shell in SHELLS:
        script, director, _ = director_script(lab, shell)
        rules = lab.directory / f"{'-'.join(shell)}.rules"
        script.settings["RULES"] = rules
        script.gives(0, "start")
        table = director.admin("-S", "-n")
        true(str(rules) in script.gives(6, "load"), "a missing file is not named")
        for content, code, words in (("", 6, "found no rule"), ("# nothing\n \n", 6, "found no rule"),
                                     (f"-A -t {VIP}:99 -s rr\n-a -t {VIP}:98 -r 192.0.2.11\n-A -t {VIP}:97 -s rr\n", 1,
                                      "Service not defined"),
                                     (f"-A -t {VIP}:99 -s rr\nnonsense\n", 1, "the table of before is put back")):
            rules.write_text(content)
            text = script.gives(code, "load")
            true(words in text, f"{words}: not in {text}")
            same(director.admin("-S", "-n"), table, f"the table after {content!r}")
        true("cannot be written" in script.gives(4, "save", RULES="/nowhere/rules"), "a folder that is not there")
        before = rules.read_text()
        rules.with_name(rules.name + ".new").mkdir()
        true("cannot be written" in script.gives(4, "save"), "a new file that cannot be written")
        same(rules.read_text(), before, "the file after a save that failed")
        script.gives(0, "stop")


@case(seconds=60, needs=("dash",))
def the_words_of_lvs_own_script_work(lab):
    for shell in SHELLS:
        script, director, _ = director_script(lab, shell)
        rules = lab.directory / f"{'-'.join(shell)}.rules"
        script.gives(0, "start")
        environment = {**script.settings, "RULES": rules, "SOCKET": director.control, "ADMIN": program("rawvsadm"),
                       "RAWVS": script.program("rawvs", f"exec {' '.join(shell)} {script.path} \"$@\"")}
        ipvsadm = Script(lab, "director", "ipvsadm", shell, **environment)
        ipvsadm.settings["IPVSADM_DEFAULTS"] = ipvsadm.folder / "default"
        table = director.admin("-S", "-n")
        ipvsadm.gives(0, "save")
        for action in ("load", "restore"):
            ipvsadm.gives(0, "clear")
            same(director.admin("-S", "-n"), "", "the table after clear")
            ipvsadm.gives(0, action)
            same(director.admin("-S", "-n"), table, f"the table after {action}")
        same(ipvsadm.gives(0, "status"), director.admin("-L", "-n"), "status")
        for action in ("stop", "start", "reload"):
            true("nothing to do" in ipvsadm.gives(0, action), f"{action} without AUTO")
        same(director.admin("-S", "-n"), table, "the table without AUTO")
        ipvsadm.settings["IPVSADM_DEFAULTS"].write_text("AUTO=true\n")
        ipvsadm.gives(0, "stop")
        same(director.admin("-S", "-n"), "", "the table after stop")
        ipvsadm.gives(0, "start")
        same(director.admin("-S", "-n"), table, "the table after start")
        true("usage: " in ipvsadm.gives(2, "begin") and "usage: " in ipvsadm.gives(2), "no usage")
        script.gives(0, "stop")
