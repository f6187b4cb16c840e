# SPDX-License-Identifier: BSD-2-Clause
"""Faults of the box: a full disk, no memory for a ring, a box that sleeps."""
import contextlib
import signal
import subprocess

from case import all_answered, case, same, true
from injected import ring_call, stopped, traced
from lab.director import Director, virtual
from lab.frames import Capture
from lab.namespaces import eventually, run


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
