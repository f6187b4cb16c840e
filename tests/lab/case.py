# SPDX-License-Identifier: BSD-2-Clause
"""Lab tests: a function whose name is a sentence, a fresh network as its argument, and a time limit.

What it returns, if anything, is printed after its name: a time that it measured, for example."""
import dataclasses
import os
import shutil
import signal
import time
import traceback

from lab.director import program
from lab.namespaces import PATIENCE, Trouble
from lab.topology import IPV6, Topology

CASES = []


@dataclasses.dataclass
class Case:
    function: object
    file: str
    name: str
    seconds: int    # at most, when the machine is not busy
    needs: tuple    # programs
    topology: dict  # arguments of Topology
    daemon: bool    # whether rawvsd is needed
    alone: bool     # whether it runs when no other one does: it uses what all of them share, such as a kernel's limit


def over_ipv6(file, *functions):
    """These tests once more, in this file, where the lab's names stand for the hosts' IPv6 addresses."""
    for one in [one for function in functions for one in CASES
                if function in (one.function, getattr(one.function, "__wrapped__", None))]:
        CASES.append(dataclasses.replace(one, file=file, name=f"{one.name} over ipv6",
                                         topology={**one.topology, "family": IPV6}))


class Skip(Exception):
    """The test cannot run here; the text says why."""


def case(seconds=30, needs=(), daemon=True, alone=False, **topology):
    """Makes a function a lab test."""
    def add(function):
        name = function.__name__.replace("_", " ")
        CASES.append(Case(function, function.__module__, name, seconds, needs, topology, daemon, alone))
        return function
    return add


def each_of(values, **options):
    """One test for each value, which the function gets behind the lab.  values: by the words that end its name."""
    def add(function):
        for words, value in values.items():
            def one(lab, value=value):
                return function(lab, value)
            one.__name__ = f"{function.__name__}_{words}"
            one.__module__, one.__wrapped__ = function.__module__, function
            case(**options)(one)
        return function
    return add


def same(found, expected, what):
    if found != expected:
        raise Trouble(f"{what}: found {found!r}, expected {expected!r}")


def true(fact, complaint):
    if not fact:
        raise Trouble(complaint)


def all_answered(answers, count):
    """All requests were answered, without a failure."""
    true(not answers.failures, f"{len(answers.failures)} requests failed: {answers.failures[:3]}")
    same(sum(answers.of.values()), count, "requests answered")


def reason_to_skip(one):
    if os.geteuid() != 0:
        return "needs root"
    for tool in ("ip", "busybox", "curl", *one.needs):
        if not shutil.which(tool):
            return f"{tool} is not installed"
    if one.daemon and not os.access(program("rawvsd"), os.X_OK):
        return f"{program('rawvsd')} is not built"
    return None


def too_long(_number, _frame):
    raise Trouble("took too long")


def perform(one):
    """Runs a test: ("ok" | "FAIL" | "skip", message, seconds)."""
    reason = reason_to_skip(one)
    if reason:
        return "skip", reason, 0.0
    start = time.monotonic()
    signal.signal(signal.SIGALRM, too_long)
    verdict, text = "ok", ""
    try:
        with Topology(**one.topology) as network:
            signal.alarm(one.seconds * PATIENCE)
            try:
                text = one.function(network) or ""
            except Skip as skip:
                verdict, text = "skip", str(skip)
            except Exception as error:  # any error is this test's failure, and the next one runs
                verdict, text = "FAIL", f"{describe(error)}\n{last_words(network)}".rstrip()
            finally:
                signal.alarm(0)
    except Trouble as trouble:
        verdict, text = "FAIL", f"the network: {trouble}"
    return verdict, text, time.monotonic() - start


def describe(error):
    here = [step for step in traceback.extract_tb(error.__traceback__) if "/tests/lab/" in step.filename]
    place = next((f"{os.path.basename(s.filename)}:{s.lineno}: " for s in reversed(here)
                  if not s.filename.endswith("case.py")), "")
    kind = "" if isinstance(error, Trouble) else f"{type(error).__name__}: "
    return f"{place}{kind}{error}"


def last_words(network):
    """The ends of the directors' logs, which usually have the reason."""
    logs = [program.text().splitlines()[-12:] for program in network.programs if program.name == "rawvsd"]
    return "\n".join(line for log in logs for line in log)
