# SPDX-License-Identifier: BSD-2-Clause
"""System calls that fail, each once: rawvsd starts or says why not, and goes on when it serves.  strace(1) injects.

RAWVS_INJECT=all in the environment fails every call of a start with every error of the table, which takes some minutes;
otherwise some calls of each kind, spread over the start.  With seccomp = 0: a call that strace fails has no number, and
is on no list."""
import collections
import os
import re
import signal

from case import case, true
from health import check
from lab.director import Director, program, virtual
from lab.namespaces import Trouble, eventually
from nat import IN, nat
from survival import processes

ALL = os.environ.get("RAWVS_INJECT") == "all"
MOST = 3  # calls of a kind at a start, otherwise
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
        return "the call was not made: is the table true?"
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
            os.kill(pid, signal.SIGKILL)
        return f"{trouble}\n{director.log()}"


@case(seconds=90 if not ALL else 3600, needs=("strace",))
def a_start_whose_calls_fail_serves_or_ends_with_a_reason(lab):
    lab.add_inside(*IN)
    lab.serve_web(*IN, port=8080)
    director = Director(lab, nat(*IN), inside="eth1", state=lab.directory / "rawvs.state", seccomp="0")
    last, loading = calls_of_a_start(director)
    wrong, tried = [], 0
    for name, errors in AT_START.items():
        true(last[name] > loading[name], f"a start does not call {name}: take it out of the table")
        for at, number in enumerate(numbers(loading[name] + 1, last[name])):
            for error in errors if ALL else [errors[at % len(errors)]]:
                tried += 1
                found = perhaps(lambda n=name, i=number, e=error: fails_once(lab, director, n, i, e), director)
                if found:
                    wrong.append(f"{name} {number}: {error}: {found}")
    true(not wrong, "\n".join(wrong))
    return f"{tried} calls failed"


# --- while it serves ---

def load(lab, _):
    lab.request("client", 3, patience=2)


def operator(_, director):
    director.admin("-Ln", check=False)


def reload(_, director):
    """Another virtual comes, or goes."""
    text = director.ini.read_text()
    more = "\n[virtual more]\naddress = 192.0.2.101\nports = tcp/81\nserver = 192.0.2.11\n"
    director.ini.write_text(text.replace(more, "") if more in text else text + more)
    director.admin("reload", check=False)


def address(_, director):
    director.host.ip("addr add 203.0.113.99/32 dev eth0", "addr del 203.0.113.99/32 dev eth0")


def link(_, director):
    director.host.ip("link set eth1 down", "link set eth1 up")


def wait(_lab, _director):
    """Checks and the state's writing are due by themselves."""


def replacement(_, director):
    os.kill(int(director.ask("list")[0]["pid"]), signal.SIGUSR2)


# Calls, how each can fail, what leads to it, and the words that the log must have then.
WHILE_SERVING = (
    ("accept4", ("EMFILE", "ENFILE", "ECONNABORTED", "EINTR"), operator, ""),
    ("epoll_ctl", ("ENOSPC", "ENOMEM"), operator, ""),
    ("epoll_wait", ("EINTR",), operator, ""),
    ("recvfrom", ("EINTR", "ECONNRESET", "ENOMEM"), operator, ""),
    ("sendto", ("ENOBUFS", "EPIPE", "EAGAIN"), operator, ""),
    ("getsockopt", ("ENOBUFS",), operator, ""),
    ("poll", ("EINTR", "ENOMEM"), load, ""),
    ("sendmmsg", ("ENOBUFS", "ENETDOWN", "EAGAIN", "EINTR", "EPERM", "EMSGSIZE"), load, ""),
    ("bpf", ("ENOMEM", "E2BIG", "EPERM"), load, ""),
    ("recvmsg", ("ENOBUFS", "ENOMEM", "EINTR"), address, ""),
    ("openat", ("EMFILE", "ENFILE", "EACCES"), reload, "rawvs.ini: "),
    ("read", ("EIO", "EINTR"), reload, ""),
    ("setsockopt", ("ENOMEM", "EPERM"), reload, ""),
    ("socket", ("EMFILE", "ENOBUFS"), link, ""),
    ("bind", ("ENODEV", "ENOMEM"), link, ""),
    ("mmap", ("ENOMEM",), link, ""),
    ("bpf", ("ENOMEM", "ENODEV"), link, ""),
    ("socketpair", ("EMFILE",), wait, ""),
    ("sendmsg", ("ENOBUFS", "ETOOMANYREFS"), wait, ""),
    ("pipe2", ("EMFILE",), wait, ""),
    ("connect", ("EADDRNOTAVAIL", "ENETUNREACH"), wait, ""),
    ("write", ("ENOSPC", "EIO", "EINTR"), wait, ""),
    ("renameat", ("ENOSPC", "EROFS"), wait, ""),
    ("memfd_create", ("EMFILE", "ENOMEM"), replacement, "the program is not replaced"),
    ("clone", ("EAGAIN", "ENOMEM"), replacement, "the program is not replaced"),
)


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def fails_now(lab, director, name, error, act, words):
    """What is wrong when the next such call of the running director fails so; or nothing."""
    pid, before, logged = director.program.pid, descriptors(director.program.pid), len(director.log())
    said = lab.directory / "strace"
    said.write_text("")
    tracer = director.host.start("strace", "-o", str(said), "-p", str(pid), "-e", f"trace={name}", "-e",
                                 f"inject={name}:error={error}:when=1")
    eventually(lambda: "attached" in tracer.text(), 5, "strace")

    def failed():
        act(lab, director)
        return "(INJECTED)" in said.read_text()
    try:
        eventually(failed, 2, f"a call: is the table true? {director.log()[logged:]}")
    finally:
        tracer.stop(signal.SIGINT)
    if not director.program.running():
        return f"it ended with {director.program.process.returncode}:\n{director.log()[logged:]}"
    eventually(lambda: not lab.request("client", 3, patience=2).failures, 5, "requests that are all answered")
    if words:
        eventually(lambda: words in director.log()[logged:], 5, f"in the log: {words}")
    eventually(lambda: descriptors(pid) == before, 5, f"{before} descriptors as before")
    return ""


@case(seconds=90, needs=("strace",))
def while_it_serves_a_failed_call_stops_nothing_and_leaks_nothing(lab):
    lab.add_inside(*IN)
    lab.serve_web(*IN, port=8080)
    wrong, tried = [], 0
    director = None
    for name, errors, act, words in WHILE_SERVING:
        for error in errors:
            if director is None or not director.program.running():
                other = virtual("other", ports="tcp/82", servers=["in1:8080 forward=nat"], check="exec")
                checks = check("tcp"), check("exec", type="exec", program="/bin/true")
                director = Director(lab, *checks, nat(*IN, check="tcp"), other, inside="eth1", state_interval="1s",
                                    seccomp="0", state=lab.directory / "rawvs.state").start()
                load(lab, director)
            tried += 1
            found = perhaps(lambda n=name, e=error, a=act, w=words: fails_now(lab, director, n, e, a, w), director)
            if found:
                wrong.append(f"{name}: {error}: {act.__name__}: {found}")
                print(wrong[-1], flush=True)
    true(not wrong, "\n".join(wrong))
    return f"{tried} calls failed"
