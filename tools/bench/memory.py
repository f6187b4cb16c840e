# SPDX-License-Identifier: BSD-2-Clause
"""An idle director: resident memory, wake-ups, the size of its program."""
import contextlib
import pathlib
import re
import socket
import subprocess
import tempfile
import time

from bench.lanes import VIP
from lab.director import program

HELD = 1000  # idle connections through a proxy


def resident(lane):
    """VmRSS and Pss of a lane's programs, in KB."""
    rss = pss = 0
    for pid in lane.processes():
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        rss += int(re.search(r"^Rss:\s+(\d+)", text, re.M)[1])
        pss += int(re.search(r"^Pss:\s+(\d+)", text, re.M)[1])
    return rss, pss


def wakeups(lane, seconds=3):
    """How often its programs were scheduled in this many seconds."""
    def switches():
        texts = [pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii") for pid in lane.processes()]
        return sum(int(n) for text in texts for n in re.findall(r"voluntary_ctxt_switches:\s+(\d+)", text))
    before = switches()
    time.sleep(seconds)
    return switches() - before


def bytes_per_connection(lane):
    """Of a proxy: the growth of its memory when clients hold connections."""
    before, _ = resident(lane)
    with contextlib.ExitStack() as held:
        with lane.client.inside():
            sockets = [held.enter_context(socket.create_connection((VIP, 80), 5)) for _ in range(HELD)]
        for s in sockets:
            s.send(b"GET / HTTP/1.1\r\nHost: vip\r\n")  # half a request: both connections of the proxy are in use
        time.sleep(0.3)
        after, _ = resident(lane)
    return (after - before) * 1024 / HELD


def stripped_size():
    """The size of rawvsd, bytes."""
    with tempfile.NamedTemporaryFile() as copy:
        subprocess.run(["strip", "-o", copy.name, program("rawvsd")], check=True)
        return pathlib.Path(copy.name).stat().st_size
