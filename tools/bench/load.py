# SPDX-License-Identifier: BSD-2-Clause
"""Packets through a lane: the highest rate without loss, the rate under overload, latency, the director's CPU time."""
import dataclasses
import os
import random

from bench.lanes import DIRECTOR_CORE, LOAD_CORE, on_core
from lab.director import program
from lab.namespaces import Trouble, run

LOSSLESS = 0.001  # largest loss: a virtual machine loses some when its host takes the core away
SLOWEST, FASTEST = 20_000, 2_000_000
TICK = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass
class Trial:
    sent: float
    received: float
    in_time: float
    seconds: float
    stamped: float = 0
    p50: float = 0
    p99: float = 0
    p999: float = 0

    @property
    def offered(self):
        return self.sent / self.seconds

    @property
    def forwarded(self):
        """Packets per second while packets were sent: a queue that is emptied later does not count."""
        return self.in_time / self.seconds

    @property
    def lost(self):
        return 1 - self.received / self.sent


def trial(lane, rate, seconds, *words, size=None, flows=None):
    if flows:  # as many as are new: another part of them each time
        words = (*words, f"first={random.randrange(flows)}")
    done = run(*on_core(LOAD_CORE), program("bench-load"), lane.client.namespace, lane.server.namespace,
               f"rate={rate}", f"seconds={seconds}", f"flows={flows or lane.flows}", f"size={size or lane.small}",
               f"to={lane.target}", *words, timeout=120)
    return Trial(**{key: float(value) for key, value in (word.split("=") for word in done.stdout.split())})


def fill(lane):
    """Sends every flow once, until the director has them all."""
    for rate in (150_000, 100_000, 60_000, 30_000, 2_000):
        trial(lane, rate, 1, "in-order")
        if not lane.rawvs or lane.known() >= lane.flows:
            for _ in range(lane.warm_up):
                trial(lane, max(150_000, lane.flows), 1, "in-order")
            return
    raise Trouble(f"{lane.name}: {lane.known()} connections, expected {lane.flows}")


def fastest(lane, seconds):
    """The generator's highest rate."""
    return trial(lane, FASTEST, seconds).offered


def lossless(lane, limit, seconds, steps=8, slowest=SLOWEST, **options):
    """The highest rate at which at most LOSSLESS is lost; a failure counts when it repeats."""
    def passes(rate):
        for _ in range(2):
            one = trial(lane, rate, seconds, **options)
            if one.lost <= LOSSLESS and one.offered > 0.97 * rate:
                return True
        return False

    low, high = slowest, limit
    for _ in range(steps):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if passes(middle) else (low, middle)
    return low


def busy_seconds():
    """Busy time of the director's core: programs, interrupts, the kernel's threads."""
    with open("/proc/stat", encoding="ascii") as stat:
        row = next(line.split() for line in stat if line.startswith(f"cpu{DIRECTOR_CORE} "))
    user, nice, system, _, _, irq, softirq = (int(word) for word in row[1:8])  # without idle, iowait
    return (user + nice + system + irq + softirq) / TICK


def cpu_per_packet(lane, rate, seconds, **options):
    """Microseconds of the director's core per packet."""
    before = busy_seconds()
    one = trial(lane, rate, seconds, **options)
    return (busy_seconds() - before) / one.received * 1e6


def alone(lane, seconds):
    """The latency of one packet at a time."""
    return trial(lane, 100_000, seconds, "alone")


def loaded(lane, rate, seconds):
    return trial(lane, rate, seconds, "stamps")
