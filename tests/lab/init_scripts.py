# SPDX-License-Identifier: BSD-2-Clause
"""init/rawvs and init/rawvs-realserver, each under busybox ash and under dash.

Namespaces share the machine's /run: every path is in the lab's own folder.
"""
import os
import pathlib
import re
import signal

from case import all_answered, case, same, true
from daemon import no_process
from lab.director import TOP, Director, program, virtual
from lab.frames import ARP, Capture, arp_request
from lab.namespaces import eventually
from lab.topology import ADDRESS, VIP, VIP2, mac_of

SHELLS = (("dash",), ("busybox", "ash"))
SETTINGS = ("arp_ignore", "arp_announce")


class Script:
    """One of the scripts, under one shell, in a host.  Busybox's shell also gets busybox's ip."""

    def __init__(self, lab, host, name, shell, **settings):
        self.host, self.shell = lab[host], shell
        self.path = TOP / "init" / name
        self.folder = lab.directory / "-".join((name, *shell))
        self.folder.mkdir()
        self.settings = {"DEFAULTS": self.folder / "default", "LSB_FUNCTIONS": "/nowhere", **settings}
        if shell[0] == "busybox":
            (self.folder / "ip").symlink_to("/bin/busybox" if os.path.exists("/bin/busybox") else "/usr/bin/busybox")
            self.settings["PATH"] = f"{self.folder}:{os.environ['PATH']}"

    def __call__(self, *arguments, **settings):
        environment = [f"{key}={value}" for key, value in {**self.settings, **settings}.items()]
        return self.host.run("env", *environment, *self.shell, str(self.path), *arguments, check=False)

    def gives(self, code, *arguments, **settings):
        """Runs it, and returns its whole output if it ends with this code."""
        done = self(*arguments, **settings)
        text = done.stdout + done.stderr
        same(done.returncode, code, f"{' '.join(self.shell)} {self.path.name} {' '.join(arguments)} ({text.strip()})")
        return text


# --- the director's script ---


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
        script.gives(0, "try-restart")
        true(not pid_file.exists(), "try-restart or stop started the director")
        script.gives(0, "start")
        first = pid_in(pid_file)
        same(script.gives(0, "status"), f"rawvsd is running, process {first}\n", "status")
        all_answered(lab.request("client", 10), 10)
        true("already running" in script.gives(0, "start"), "a second start does not say so")
        same(pid_in(pid_file), first, "the process after a second start")
        for action in ("restart", "force-reload", "try-restart"):
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
        for action in ("restart", "try-restart", "force-reload"):
            text = script.gives(6, action)
            true(re.search(rf"{director.ini}:\d+: \[virtual web\] schedular: ", text), text)
            true(f"process {before} was left running" in text, text)
            same(pid_in(pid_file), before, "the process afterwards")
        all_answered(lab.request("client", 10), 10)
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
        script.gives(3, "reload")
        true(not pid_file.exists(), "something was started")


@case(needs=("dash",))
def waiting_for_a_start_or_a_stop_has_an_end(lab):
    """A stand-in for a daemon that hangs: no configuration makes rawvsd do so."""
    for shell in SHELLS:
        script, _, pid_file = director_script(lab, shell)
        hanging = script.folder / "hanging"
        hanging.write_text("#!/bin/sh\ncase $1 in\n-t) exit 0 ;;\n"
                           "stays) trap '' TERM; while :; do sleep 0.2; done ;;\nesac\n"
                           "[ -e $0.ready ] || exec sleep 60\n$0 stays >/dev/null 2>&1 &\necho $! >$4\n")
        hanging.chmod(0o755)
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


# --- the real server's script ---


def bare(host):
    """Takes back what the lab's topology has done to a real server."""
    host.ip(*[f"addr del {vip}/32 dev lo" for vip in (VIP, VIP2)])
    host.sysctl(conf__all__arp_ignore=0, conf__all__arp_announce=0)


def realserver_script(lab, shell):
    state = lab.directory / f"{'-'.join(shell)}.state"
    return Script(lab, "rs1", "rawvs-realserver", shell, STATE=state, VIPS=f"{VIP} {VIP2}"), state


def settings_of(host):
    """Every IPv4 setting of every interface, and what is on lo."""
    with host.inside():
        files = sorted(pathlib.Path("/proc/sys/net/ipv4/conf").glob("*/*"))
        values = {f"{file.parent.name}/{file.name}": file.read_text().strip() for file in files}
    return values, host.run("ip", "addr", "show", "lo").stdout


def changed_since(before, host):
    """The settings that have other values than before: those values."""
    return {key: value for key, value in settings_of(host)[0].items() if value != before[0].get(key)}


def same_as_before(before, host, what):
    same(changed_since(before, host), {}, f"settings that differ {what}")
    same(settings_of(host)[1], before[1], f"lo {what}")


def answers_arp(lab, target):
    """Whether rs1 answers the desk's question for an address.  It answers in order, and always for its own."""
    capture, asker = Capture(lab["desk"]), lab["desk"].packet_socket("eth0")
    for address in (target, ADDRESS["rs1"]):
        asker.send(arp_request(mac_of("desk"), ADDRESS["desk"], address))

    def from_rs1():
        return [f.source for f in capture.frames() if f.kind == ARP and f.op == 2 and f.sender == mac_of("rs1")]

    eventually(lambda: ADDRESS["rs1"] in from_rs1(), 5, "rs1's ARP reply for its own address")
    return target in from_rs1()


@case(seconds=60, needs=("dash",), servers=("rs1",))
def a_real_server_serves_without_answering_for_the_vip_and_stop_undoes_exactly_that(lab):
    bare(lab["rs1"])
    lab["rs1"].sysctl(conf__eth0__arp_announce=1)  # not everything stands at its default
    lab.serve_web()
    director = Director(lab, virtual(servers=("rs1",))).start()
    for shell in SHELLS:
        script, state = realserver_script(lab, shell)
        before = settings_of(lab["rs1"])
        true("not started" in script.gives(3, "status"), "status before")
        for _ in range(2):
            script.gives(0, "start")
            same(changed_since(before, lab["rs1"]), {
                "all/arp_ignore": "1", "all/arp_announce": "2", "eth0/arp_ignore": "1", "eth0/arp_announce": "2"},
                "settings that start has changed")
            for number, vip in enumerate((VIP, VIP2), 1):
                found = lab["rs1"].run("ip", "addr", "show", "lo").stdout
                true(f"inet {vip}/32 scope host lo:rawvs{number}\n" in found, found)
        same([answers_arp(lab, vip) for vip in (VIP, VIP2)], [False, False], "answers ARP for the VIPs")
        expected = "".join(f"{vip} on lo: yes\n{vip} answered for in ARP: no\n" for vip in (VIP, VIP2))
        expected += "arp_ignore: 1 on all, 1 on eth0\narp_announce: 2 on all, 2 on eth0\n"
        same(script.gives(0, "status"), expected + "rawvs-realserver: everything is right\n", "status")
        all_answered(lab.request("client", 10), 10)
        script.gives(0, "restart")
        all_answered(lab.request("client", 10), 10)
        script.gives(0, "stop")
        same_as_before(before, lab["rs1"], "after the stop")
        true(not state.exists(), "the state file is still there")
        script.gives(0, "stop")
        script.gives(0, "try-restart")
        same_as_before(before, lab["rs1"], "after try-restart")
    true("answers ARP for VIP" not in director.log(), director.log())


@case(seconds=60, needs=("dash",), servers=("rs1",))
def what_was_changed_by_hand_in_between_is_left_and_told(lab):
    bare(lab["rs1"])
    for shell in SHELLS:
        script, _ = realserver_script(lab, shell)
        before = settings_of(lab["rs1"])
        lab["rs1"].ip(f"addr add {VIP2}/32 dev lo")
        true(f"VIP {VIP2} was on lo before" in script.gives(0, "start"), "start does not say that a VIP was there")
        lab["rs1"].sysctl(conf__all__arp_ignore=8, conf__eth0__arp_announce=1)
        lab["rs1"].ip(f"addr del {VIP}/32 dev lo")
        true(f"{VIP} on lo: no; expected yes\n" in script.gives(1, "status"), "status does not tell the missing VIP")
        text = script.gives(0, "stop")
        for words in (f"VIP {VIP}: was not on lo any more",
                      "arp_ignore of all: found 8, but start had set 1: left as it is (before: 0)",
                      "arp_announce of eth0: found 1, but start had set 2: left as it is (before: 0)"):
            true(words in text, f"{words}: not in {text}")
        same(changed_since(before, lab["rs1"]), {"all/arp_ignore": "8", "eth0/arp_announce": "1"},
             "what is not as before")
        true(VIP2 in settings_of(lab["rs1"])[1], "the VIP that was there before start is gone")
        lab["rs1"].ip(f"addr del {VIP2}/32 dev lo")
        lab["rs1"].sysctl(conf__all__arp_ignore=0, conf__eth0__arp_announce=0)


@case(seconds=60, needs=("dash",), servers=("rs1",))
def a_second_start_makes_right_what_was_changed_by_hand(lab):
    bare(lab["rs1"])
    for shell in SHELLS:
        script, _ = realserver_script(lab, shell)
        before = settings_of(lab["rs1"])
        script.gives(0, "start", VIPS=VIP)
        lab["rs1"].sysctl(conf__all__arp_ignore=0, conf__eth0__arp_ignore=0)
        lab["rs1"].ip(f"addr del {VIP}/32 dev lo")
        script.gives(1, "status", VIPS=VIP)
        script.gives(0, "start", VIP2, VIP, VIPS="")
        script.gives(0, "status")
        script.gives(1, "status", VIPS=VIP)
        script.gives(0, "restart", VIPS=VIP)
        same(script.gives(0, "status", VIPS=""), script.gives(0, "status", VIPS=VIP), "status without VIPS")
        script.gives(0, "stop", VIPS="")
        same_as_before(before, lab["rs1"], "after the stop")


@case(seconds=60, needs=("dash",), servers=("rs1",))
def status_says_who_answers_arp_as_the_kernel_does(lab):
    host = lab["rs1"]
    bare(host)
    for shell in SHELLS:
        script, _ = realserver_script(lab, shell)
        for place in ("lo", "lo scope host", "eth0"):
            host.ip(f"addr add {VIP}/32 dev {place}")
            for on_all, on_eth0 in ((0, 0), (1, 0), (0, 1), (2, 0), (0, 3), (5, 0), (8, 0)):
                host.sysctl(conf__all__arp_ignore=on_all, conf__eth0__arp_ignore=on_eth0)
                # With 8, it does not answer even for its own address: there is nothing to wait for.
                answers = False if on_all == 8 else answers_arp(lab, VIP)
                text = script.gives(3 if place == "eth0" else 1, "status", VIPS=VIP)
                said = "yes, on eth0; expected no" if answers else "no"
                true(f"{VIP} answered for in ARP: {said}\n" in text,
                     f"on {place}, arp_ignore {on_all} and {on_eth0}: answers {answers}, but status says:\n{text}")
            host.ip(f"addr del {VIP}/32 dev {place.split()[0]}")
        host.sysctl(conf__all__arp_ignore=0, conf__eth0__arp_ignore=0)


@case(seconds=60, needs=("dash",), servers=("rs1",))
def what_the_script_cannot_do_is_refused_and_nothing_is_changed(lab):
    bare(lab["rs1"])
    for shell in SHELLS:
        script, state = realserver_script(lab, shell)
        before = settings_of(lab["rs1"])
        for mode in ("tun", "nat"):
            text = script.gives(3, "start", MODE=mode)
            true(f"MODE={mode}: not available in this version" in text, text)
            script.gives(4, "status", MODE=mode)
        for code, word, settings in ((6, '"dsr"', {"MODE": "dsr"}), (6, "no VIP", {"VIPS": ""}),
                                     (6, '"192.0.2.256"', {"VIPS": f"{VIP} 192.0.2.256"}),
                                     (6, '"192.0.2.100/24"', {"VIPS": "192.0.2.100/24"}),
                                     (6, '"eth9"', {"INTERFACE": "eth9"}),
                                     (1, "found on eth0", {"VIPS": ADDRESS["rs1"]}),
                                     (4, "/nowhere/state", {"STATE": "/nowhere/state"})):
            text = script.gives(code, "start", **settings)
            true(word in text, f"{settings}: {text}")
        script.gives(2, "stop", VIP)
        script.gives(2, "begin")
        script.gives(3, "reload")
        same_as_before(before, lab["rs1"], "after the refusals")
        true(not state.exists(), "there is a state file")
