# SPDX-License-Identifier: BSD-2-Clause
"""System calls of a start that fail, each once: rawvsd serves all the same, or says why not.  strace(1) injects.

RAWVS_INJECT=all in the environment fails every call with every error of the table, which takes some minutes; otherwise
some calls of each kind, spread over the start.  With seccomp = 0: a call that strace fails has no number, and is on no
list."""
import collections
import contextlib
import os
import re
import signal

from case import each_of, true
from lab.director import Director, program
from lab.namespaces import Trouble, eventually
from nat import IN, nat
from survival import processes

ALL = os.environ.get("RAWVS_INJECT") == "all"
MOST = 3  # calls of a kind at a start, otherwise
NOT_MADE = "the call was not made: is the table true?"
FIRST = 'openat(AT_FDCWD, "/dev/null", O_RDWR)'  # rawvsd's own first call; those before are the dynamic loader's

# The calls of a start, and how each can fail.
AT_START = {
    "accept4": ("EMFILE", "ECONNABORTED"),
    "bind": ("EADDRINUSE", "ENODEV", "EPERM", "ENOMEM"),
    "bpf": ("EPERM", "ENOMEM", "EINVAL", "ENOSYS"),
    "capget": ("EPERM",),
    "capset": ("EPERM",),
    "chmod": ("EPERM", "ENOENT"),
    "clone": ("EAGAIN", "ENOMEM"),
    "close_range": ("ENOSYS",),
    "epoll_create1": ("EMFILE", "ENOMEM"),
    "epoll_ctl": ("ENOSPC", "ENOMEM"),
    "fchmod": ("EPERM",),
    "fcntl": ("EMFILE",),
    "flock": ("EINTR", "ENOLCK"),
    "getrandom": ("EINTR", "ENOSYS"),
    "getsockname": ("ENOBUFS",),
    "getsockopt": ("ENOBUFS",),
    "ioctl": ("ENODEV", "EPERM"),
    "listen": ("EADDRINUSE",),
    "mmap": ("ENOMEM",),
    "newfstatat": ("ENOENT", "EACCES"),
    "openat": ("EMFILE", "ENFILE", "EACCES", "ENOMEM"),
    "poll": ("EINTR", "ENOMEM"),
    "prctl": ("EPERM", "EINVAL"),
    "read": ("EIO", "EINTR"),
    "readlink": ("ENOENT",),
    "recvmsg": ("ENOBUFS", "ENOMEM", "EINTR"),
    "sendmsg": ("ENOBUFS", "EPIPE"),
    "sendto": ("ENOBUFS", "EPERM", "ENOMEM"),
    "setgroups": ("EPERM",),
    "setresgid": ("EPERM",),
    "setresuid": ("EAGAIN", "EPERM"),
    "setsockopt": ("ENOMEM", "ENOPROTOOPT", "EPERM"),
    "signalfd4": ("EMFILE", "ENOMEM"),
    "socket": ("EMFILE", "ENOBUFS", "EPERM", "EAFNOSUPPORT"),
    "socketpair": ("EMFILE", "ENOMEM"),
}


def traced(director, *options):
    """Starts it under strace, which fails calls as the options say, and tells of them in a file."""
    said = director.network.directory / "strace"
    said.write_text("")
    director.program = director.host.start(
        "strace", "-o", str(said), "-E", "ASAN_OPTIONS=detect_leaks=0", *options, program("rawvsd"), "-f", "-c",
        str(director.ini))
    eventually(lambda: answers(director) or not director.program.running(), 10, f"a start or its refusal: {options}")
    return said


def answers(director):
    """Also if the first answer is cut off: its client may be the one whose call fails."""
    try:
        return director.ready()
    except Trouble:
        return False


def stopped(director):
    """Ends it; strace ends with its exit status.  The signal goes past strace, which would keep it."""
    os.kill(int(director.ask("list")[0]["pid"]), signal.SIGTERM)
    return director.program.wait(20)


def calls_of_a_start(director):
    """The number of each call until it is ready, and of those among them that the dynamic loader makes."""
    calls = traced(director, "-e", "trace=all").read_text()
    stopped(director)
    loading, own, _ = calls.partition(FIRST)
    true(own, f"rawvsd's first call is not {FIRST}")
    return [collections.Counter(re.findall(r"^(\w+)\(", text, re.M)) for text in (calls, loading)]


def ring_call(director):
    """Which setsockopt(2) of a start allocates the first ring."""
    calls = traced(director, "-e", "trace=setsockopt").read_text().splitlines()
    stopped(director)
    return next(at for at, call in enumerate(calls, 1) if "PACKET_RX_RING" in call)


def numbers(first, last):
    """Those of the calls that are to fail."""
    count = last - first + 1
    if ALL or count <= MOST:
        return list(range(first, last + 1))
    return [first + at * (count - 1) // (MOST - 1) for at in range(MOST)]


def fails_once(lab, director, name, number, error):
    """What is wrong when this call of a start fails so; or nothing."""
    said = traced(director, "-e", f"trace={name}", "-e", f"inject={name}:error={error}:when={number}")
    if "(INJECTED)" not in said.read_text():
        stopped(director)
        return NOT_MADE
    if not director.program.running():
        status, log = director.program.process.returncode, director.log()
        return "" if 0 < status < 126 and "rawvsd: " in log else f"exit status {status}, said: {log}"
    if lab.request("client", 1, patience=5).failures and not re.search("warning: |error: ", director.log()):
        return f"it serves nobody and does not say why:\n{director.log()}"
    status = stopped(director)
    return f"exit status {status} at its end:\n{director.log()}" if status != 0 else ""


def perhaps(act, director):
    """What act() says is wrong.  Whatever it leaves is removed."""
    try:
        return act()
    except (Trouble, OSError) as trouble:
        for pid in processes(director.host):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        director.program.wait()
        return f"{trouble}\n{director.log()}"


@each_of({"a_to_f": "abcdef", "g_to_r": "ghijklmnopqr", "s_to_z": "stuvwxyz"}, seconds=3600 if ALL else 90,
         needs=("strace",))
def a_start_whose_calls_fail_serves_or_ends_with_a_reason(lab, letters):
    lab.add_inside(*IN)
    lab.serve_web(*IN, port=8080)
    director = Director(lab, nat(*IN), inside="eth1", state=lab.directory / "rawvs.state", seccomp="0")
    last, loading = calls_of_a_start(director)
    wrong, tried = [], 0
    for name, errors in [row for row in AT_START.items() if row[0][0] in letters]:
        true(last[name] > loading[name], f"a start does not call {name}: take it out of the table")
        for at, number in enumerate(numbers(loading[name] + 1, last[name])):
            for error in errors if ALL else [errors[at % len(errors)]]:
                tried += 1
                found = perhaps(lambda n=name, i=number, e=error: fails_once(lab, director, n, i, e), director)
                # The kernel's messages and partial reads vary: a later start may make fewer calls than the first one.
                if found and not (found == NOT_MADE and number > loading[name] + 1):
                    wrong.append(f"{name} {number}: {error}: {found}")
    true(not wrong, "\n".join(wrong))
    return f"{tried} calls failed"
