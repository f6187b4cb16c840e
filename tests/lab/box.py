# SPDX-License-Identifier: BSD-2-Clause
"""Faults of the box: a full disk, no memory for a ring, no descriptors, no answer of DNS, a box that sleeps."""
import contextlib
import pathlib
import resource
import signal
import socket
import subprocess

from case import Skip, all_answered, case, same, true
from health import check
from injected import ring_call, stopped, traced
from lab.director import Director, program, virtual
from lab.frames import Capture
from lab.namespaces import eventually, run
from lab.topology import ADDRESS


@contextlib.contextmanager
def small_disk(lab, size):
    place = lab.directory / "disk"
    place.mkdir()
    run("mount", "-t", "tmpfs", "-o", f"size={size},mode=1777", "none", str(place))
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


@case(seconds=60)
def a_full_disk_is_told_and_stops_nothing_and_the_state_is_written_when_there_is_room(lab):
    lab.serve_web()
    with small_disk(lab, "16k") as disk:
        state = disk / "rawvs.state"
        director = Director(lab, state=state, state_interval="1s").start()
        filler = disk / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        director.wait_for_log("No space left on device", 10)
        all_answered(lab.request("client", 10), 10)
        before = state.stat().st_mtime_ns if state.exists() else 0
        filler.unlink()
        eventually(lambda: state.exists() and state.stat().st_mtime_ns > before, 10, "a state, when there is room")
        same(director.log().count("No space left on device"), 1, f"times that it was said:\n{director.log()}")
        all_answered(lab.request("client", 10), 10)
        director.stop()


@case(seconds=60, needs=("strace",))
def where_no_ring_can_be_allocated_the_socket_serves_and_the_reason_is_told(lab):
    lab.serve_web()
    director = Director(lab, seccomp="0")  # as in injected.py
    traced(director, "-e", "trace=setsockopt", "-e", f"inject=setsockopt:error=ENOMEM:when={ring_call(director)}")
    true("eth0: frames are read by socket: ring: interface eth0: receive ring of " in director.log() and
         "Cannot allocate memory" in director.log(), director.log())
    true("TCP may stall" not in director.log(), director.log())
    all_answered(lab.request("client", 10), 10)
    stopped(director)


@case(seconds=60)
def after_a_sleep_of_the_box_connections_go_on_and_new_ones_begin(lab):
    lab.serve_web()
    director = Director(lab).start()
    idle = lab.connect("client")
    arrived = Capture(lab["director"])
    director.program.send(signal.SIGSTOP)
    client = lab["client"].start("curl", "-sS", "--max-time", "60", f"{lab.family.url}/")
    eventually(lambda: sum(f.is_syn and not f.outgoing for f in arrived.frames()) >= 2, 20, "a SYN, and the same again")
    director.program.send(signal.SIGCONT)
    same(client.wait(30), 0, f"what a client got that came meanwhile: {client.text()}")
    idle.sendall(b"GET / HTTP/1.0\r\n\r\n")
    true(idle.recv(4096).startswith(b"HTTP/1."), "what an idle connection got")
    all_answered(lab.request("client", 10), 10)


@case(seconds=60)
def a_name_server_that_does_not_answer_delays_nobody_but_who_asks(lab):
    """rawvsd looks up no host; rawvsadm does, without -n.  The file is this test's own: it has a mount namespace."""
    if not pathlib.Path("/etc/resolv.conf").exists():
        raise Skip("/etc/resolv.conf is missing")
    lab.serve_web()
    (lab.directory / "resolv.conf").write_text(f"nameserver {ADDRESS['local']}\noptions timeout:30\n")
    run("mount", "--bind", str(lab.directory / "resolv.conf"), "/etc/resolv.conf")
    with lab["local"].inside():
        silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind((ADDRESS["local"], 53))
    silent.setblocking(False)

    def asked():
        with contextlib.suppress(BlockingIOError):
            return bool(silent.recv(512))
        return False
    with silent:
        director = Director(lab, check(type="exec", program="/bin/true"), virtual(check="well"),
                            control_group="root").start()
        for name in ("rs1", "rs2"):
            director.wait_for_health(name, "up")
        director.ini.write_text(director.ini.read_text() + virtual("more", ports="tcp/81"))
        director.admin("reload")
        director.admin("-Ln")
        all_answered(lab.request("client", 10), 10)
        same(asked(), False, "a question from rawvsd")
        listing = lab["director"].start(*director.command("-L"))
        eventually(asked, 10, "a question from rawvsadm -L")
        all_answered(lab.request("client", 10), 10)
        true(":81 " in director.admin("-Ln"), "what another client of the control socket gets")
        true(listing.running(), f"rawvsadm -L has ended: {listing.text()}")
        listing.stop(signal.SIGKILL)


@case(seconds=120)
def with_few_descriptors_a_start_serves_or_ends_with_a_reason(lab):
    lab.serve_web()
    served = []
    for most in range(4, 64, 2):
        director = Director(lab, check(), virtual(check="well"))
        director.program = lab["director"].start("sh", "-c", f'ulimit -n {most}; exec "$0" -f -c "$1"',
                                                 program("rawvsd"), str(director.ini))
        eventually(lambda d=director: not d.program.running() or d.control.exists(), 10, "a start or its refusal")
        if director.program.running():
            if not lab.request("client", 1, patience=5).failures:
                served.append(most)
            true(director.stop() == 0, f"exit status with {most} descriptors:\n{director.log()}")
        else:
            status = director.program.process.returncode
            true(0 < status < 126 and "rawvsd: " in director.log(), f"{most}: exit status {status}: {director.log()}")
    true(served and served == list(range(served[0], 64, 2)), f"it serves with these numbers of descriptors: {served}")
    return f"{served[0]} suffice"


@case(seconds=60)
def without_a_descriptor_left_it_forwards_and_answers_when_there_is_one(lab):
    lab.serve_web()
    director = Director(lab, check(), virtual(check="well"), user="root").start()
    for name in ("rs1", "rs2"):
        director.wait_for_health(name, "up")
    pid = director.program.pid
    usual = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (8, usual[1]))
    asking = lab["director"].start(*director.command("--wait", "60", "-Ln"))
    director.wait_for_log("a check could not be made: socket: Too many open files")
    all_answered(lab.request("client", 10), 10)
    same(asking.running(), True, "the client of the control socket waits")
    resource.prlimit(pid, resource.RLIMIT_NOFILE, usual)
    same(asking.wait(20), 0, f"its exit status: {asking.text()}")
    same({health for health, _ in director.health().values()}, {"up"}, "servers: a check that is not made says nothing")
    all_answered(lab.request("client", 10), 10)
