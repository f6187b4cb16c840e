# SPDX-License-Identifier: BSD-2-Clause
"""rawvsd as a program: its options, its files, its refusals."""
import os
import pathlib
import re
import resource
import signal
import stat
import subprocess

from case import all_answered, case, same, true
from lab.director import Director, program, virtual
from lab.frames import Capture, arp_request
from lab.namespaces import eventually
from lab.topology import ADDRESS, VIP, mac_of


def rawvsd(lab, *arguments):
    return lab["director"].run(program("rawvsd"), *arguments, check=False)


def no_process(pid):
    """True if the process is gone, also if nobody has collected its status."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@case()
def as_a_daemon_it_writes_its_pid_serves_and_cleans_up(lab):
    lab.serve_web()
    director = Director(lab)
    pid_file = lab.directory / "rawvs.pid"
    done = rawvsd(lab, "-c", str(director.ini), "-p", str(pid_file))
    same((done.returncode, done.stdout), (0, ""), "exit status and output of the start")
    eventually(director.ready, 5, "the control socket")
    eventually(lambda: pid_file.exists() and pid_file.read_text().strip(), 5, "the pid file")
    pid = int(pid_file.read_text())
    same(pathlib.Path(f"/proc/{pid}/comm").read_text().strip(), "rawvsd", "the program behind the pid")
    same(os.getsid(pid) != os.getsid(0), True, "it has left our session")
    all_answered(lab.request("client", 10), 10)
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: no_process(pid), 5, "its end")
    same((pid_file.exists(), director.control.exists()), (False, False), "pid file and control socket afterwards")


@case()
def started_with_its_standard_descriptors_closed_it_serves_all_the_same(lab):
    lab.serve_web()
    director = Director(lab)
    pid_file = lab.directory / "rawvs.pid"
    lab["director"].run("sh", "-c", 'exec "$0" -c "$1" -p "$2" <&- >&- 2>&-', program("rawvsd"), str(director.ini),
                        str(pid_file))
    eventually(director.ready, 5, "the control socket")
    pid = int(pid_file.read_text())
    same([os.readlink(f"/proc/{pid}/fd/{number}") for number in range(3)], ["/dev/null"] * 3, "its descriptors 0 to 2")
    all_answered(lab.request("client", 10), 10)
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: no_process(pid), 5, "its end")


@case()
def a_wrong_file_is_refused_with_its_line_and_nothing_starts(lab):
    ini = lab.directory / "wrong.ini"
    control = lab.directory / "wrong.sock"
    ini.write_text(f"[director]\ninterface = eth0\ncontrol = {control}\n\n[virtual web]\naddress = 192.0.2.300\n"
                   "ports = tcp/80\n")
    for arguments in (("-t",), ("-f",), ()):
        done = rawvsd(lab, *arguments, "-c", str(ini))
        true(done.returncode != 0, f"{arguments}: the file was taken")
        true(f"{ini}:6: [virtual web] address: " in done.stderr, f"{arguments}: {done.stderr.strip()}")
        true("192.0.2.300" in done.stderr, f"{arguments}: the message does not say what was found: {done.stderr}")
    true(not control.exists(), "a control socket was made")


@case()
def a_misspelt_key_is_refused_and_the_right_one_named(lab):
    ini = lab.directory / "wrong.ini"
    ini.write_text("[director]\ninterface = eth0\n\n" + virtual(schedular="rr"))
    done = rawvsd(lab, "-t", "-c", str(ini))
    true(done.returncode != 0, "the file was taken")
    true(re.search(r"wrong\.ini:7: \[virtual web\] schedular: .*scheduler", done.stderr), done.stderr.strip())


@case()
def a_right_file_passes_the_check_and_nothing_starts(lab):
    director = Director(lab)
    done = rawvsd(lab, "-t", "-c", str(director.ini))
    same(done.returncode, 0, f"exit status ({done.stderr.strip()})")
    true("192.0.2.100" in done.stdout, f"-t does not print what it understood: {done.stdout!r}")
    true(not director.control.exists(), "a control socket was made")


@case()
def a_start_logs_that_every_user_can_read_its_secret(lab):
    director = Director(lab, "[sync]\nrole = backup\nkey = a secret of ours\n")
    text = f"{director.ini}: every user can read this file, and it holds a secret: chmod 600 {director.ini}"
    director.ini.chmod(0o644)
    director.start().wait_for_log(text, 10)
    same(director.log().count(text), 1, "times it was logged")
    director.stop()
    director.ini.chmod(0o600)
    director.start()
    same(director.log().count(text), 0, "times it was logged, with a file for root only")


@case()
def a_missing_file_is_named(lab):
    done = rawvsd(lab, "-f", "-c", "/nowhere/rawvs.ini")
    true(done.returncode != 0 and "/nowhere/rawvs.ini" in done.stderr, f"{done.returncode} {done.stderr.strip()}")


@case()
def a_second_one_on_the_same_control_socket_is_refused_and_the_first_goes_on(lab):
    lab.serve_web()
    director = Director(lab).start()
    done = rawvsd(lab, "-f", "-c", str(director.ini))
    true(done.returncode != 0, "a second rawvsd started")
    true(str(director.control) in done.stderr, f"the message does not name the socket: {done.stderr.strip()}")
    true(director.control.exists(), "the second one removed the first one's socket")
    all_answered(lab.request("client", 10), 10)


@case()
def a_second_one_on_the_same_interface_is_refused_and_the_first_goes_on(lab):
    lab.serve_web()
    lab.add_inside("in1")
    director = Director(lab, inside="eth1").start()
    for settings in ({"interface": "eth0"}, {"interface": "eth1"}, {"interface": "dummy0", "inside": "eth0"}):
        second = Director(lab, name="second", **settings)
        lab["director"].run("ip", "link", "add", "dummy0", "type", "dummy", check=False)
        done = rawvsd(lab, "-f", "-c", str(second.ini))
        same(done.returncode, 1, f"exit status of a second rawvsd with {settings}")
        shared = "eth1" if settings["interface"] == "eth1" else "eth0"
        true(f"interface {shared}: another rawvsd (process {director.program.pid}) serves it" in done.stderr,
             done.stderr)
        true(not second.control.exists(), "the second one has made its control socket")
    all_answered(lab.request("client", 10), 10)
    same(director.exits()["forwarded"] > 0, True, "the first one forwards")
    director.stop()
    Director(lab, name="second").start()  # now it may
    all_answered(lab.request("client", 10), 10)


@case(seconds=60)
def an_interface_that_appears_later_is_served_by_one_alone(lab):
    host = lab["director"]
    first = Director(lab, interface="late0", auto_interfaces=0).start()
    second = Director(lab, name="second", interface="late0", auto_interfaces=0).start()
    host.ip("link add late0 type veth peer name late1", "link set late1 up", "link set late0 up")

    def serving():
        return [d for d in (first, second) if "late0: frames are read by" in d.log()]
    eventually(lambda: len(serving()) == 1 and any("another rawvsd" in d.log() for d in (first, second)), 20,
               "one that serves it, and one that says that another does")
    one = serving()[0]
    other = second if one is first else first
    same(other.log().count("another rawvsd"), 1, "times that it was said")
    one.stop()
    eventually(lambda: "late0: frames are read by" in other.log(), 20, "the other one to take over")


@case(seconds=60)
def a_reload_without_memory_is_refused_and_changes_nothing(lab):
    lab.serve_web()
    director = Director(lab, user="root").start()  # whose limits root may set
    right, table = director.ini.read_text(), director.admin("-S", "-n")
    director.ini.write_text(right + "\n" + virtual("more", ports="tcp/81") + "; a long comment\n" * 50_000)
    pid = director.program.pid
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[0])
    no_limit = resource.prlimit(pid, resource.RLIMIT_AS)
    resource.prlimit(pid, resource.RLIMIT_AS, (pages * resource.getpagesize() + (4 << 20), no_limit[1]))
    done = director.admin("reload", check=False)
    true(done.returncode != 0 and "no memory to read it" in done.stderr, f"{done.returncode}: {done.stderr}")
    true("no memory to read it" in director.log(), "the log does not say so")
    same(director.admin("-S", "-n"), table, "the table")
    all_answered(lab.request("client", 10), 10)
    resource.prlimit(pid, resource.RLIMIT_AS, no_limit)
    director.admin("reload")
    true(f"{VIP}:81" in director.admin("-S", "-n"), "the table after a reload with memory")


@case(seconds=60)
def a_log_that_nobody_reads_stops_nothing(lab):
    lab.serve_web()
    director = Director(lab)
    command = ["ip", "netns", "exec", lab["director"].namespace, program("rawvsd"), "-f", "-c", str(director.ini)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as daemon:
        try:
            eventually(director.ready, 10, "the director")
            for weight in range(1, 1500):  # a line of the log for each, and more than a pipe holds
                director.ini.write_text(director.ini.read_text() + "\n" * (weight % 2))
                daemon.send_signal(signal.SIGHUP)
                director.ask("exits")
            all_answered(lab.request("client", 10), 10)
            os.set_blocking(daemon.stderr.fileno(), False)
            while daemon.stderr.read(1 << 16):
                pass
            daemon.send_signal(signal.SIGHUP)
            said = []
            eventually(lambda: said.append(daemon.stderr.read() or b"") or b"lines before this one were lost" in
                       b"".join(said), 10, "how many lines were lost")
        finally:
            daemon.terminate()
            daemon.wait(10)


@case()
def when_the_control_socket_exists_the_first_arp_request_is_answered(lab):
    director = Director(lab, garp_count=0)
    capture, asker = Capture(lab["local"]), lab["local"].packet_socket("eth0")
    daemon = lab["director"].start(program("rawvsd"), "-f", "-c", str(director.ini))
    while daemon.running() and not director.control.exists():
        pass  # to the millisecond: scripts rely on this
    asker.send(arp_request(mac_of("local"), ADDRESS["local"], VIP))
    eventually(lambda: [f for f in capture.frames() if f.op == 2 and f.source == VIP], 5, "an ARP reply")


@case()
def the_control_socket_is_for_its_owner_and_group(lab):
    director = Director(lab).start()
    mode = director.control.stat().st_mode
    same((stat.S_ISSOCK(mode), oct(stat.S_IMODE(mode))), (True, "0o660"), "the control socket")


@case()
def both_stop_signals_end_it_cleanly(lab):
    for number in (signal.SIGTERM, signal.SIGINT):
        director = Director(lab).start()
        same(director.stop(number), 0, f"exit status after {number.name}")
        true(not director.control.exists(), f"the control socket is still there after {number.name}")


@case()
def rawvsadm_without_a_director_says_so(lab):
    done = Director(lab).admin("-Ln", check=False)
    true(done.returncode != 0, "exit status 0 without a director")
    true("rawvs.sock" in done.stderr, f"the message does not name the socket: {done.stderr.strip()}")


@case()
def the_listings_show_what_happened(lab):
    lab.serve_web()
    director = Director(lab, virtual(scheduler="rr")).start()
    all_answered(lab.request("client", 10), 10)
    eventually(lambda: all(row["active"] == "0" for row in director.servers().values()), 5, "all connections ended")
    listing = director.admin("-Ln")
    true(re.search(rf"TCP +{VIP}:80 rr", listing), listing)
    for name in ("rs1", "rs2"):
        true(re.search(rf"-> {ADDRESS[name]}:80 +Route +1 +0 +5", listing), listing)
    connections = director.admin("-Lnc")
    row = rf"TCP .* {ADDRESS['client']}:\d+ +{VIP}:80 +192\.0\.2\.1[12]:80"
    same(len(re.findall(row, connections)), 10, "connections")
    statistics = director.admin("-Ln", "--stats")
    true(re.search(rf"TCP +{VIP}:80 +10 ", statistics), statistics)
