# SPDX-License-Identifier: BSD-2-Clause
"""System calls that fail while rawvsd serves, each once: it goes on, loses no descriptor, and says what it must.

As in injected.py: RAWVS_INJECT=all tries every error of the tables, otherwise one of each row is."""
import os
import signal
import time

from case import all_answered, case, same, true
from health import check
from injected import ALL, perhaps
from lab.director import Director, program, virtual
from lab.namespaces import eventually
from nat import IN, nat
from replacement import becomes
from survival import from_a_copy, processes


def load(lab, _):
    lab.request("client", 3, patience=2)


def operator(_, director):
    director.admin("-Ln", check=False)


def address(_, director):
    director.host.ip("addr add 203.0.113.99/32 dev eth0", "addr del 203.0.113.99/32 dev eth0")


def link(_, director):
    director.host.ip("link set eth1 down", "link set eth1 up")


def wait(_lab, _director):
    """Checks and the state's writing are due by themselves."""


def reload(_, director):
    """Another virtual comes, or goes.  By a signal: a request at the control socket makes calls of its own."""
    text = director.ini.read_text()
    more = "\n[virtual more]\naddress = 192.0.2.101\nports = tcp/81\nserver = 192.0.2.11\n"
    director.ini.write_text(text.replace(more, "") if more in text else text + more)
    director.program.send(signal.SIGHUP)


def replacement(_, director):
    director.program.send(signal.SIGUSR2)


ONCE = (reload, replacement)  # the others are repeated until the call is made

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
    ("setsockopt", ("ENOMEM", "EPERM"), reload, ""),
    ("socket", ("EMFILE", "ENOBUFS"), link, "warning: "),
    ("bind", ("ENODEV", "ENOMEM"), link, "frames are read by socket: ring: interface eth1: packet socket: bind: "),
    ("mmap", ("ENOMEM",), link, "frames are read by socket: ring: interface eth1: receive ring: mmap: "),
    ("bpf", ("ENOMEM", "ENODEV"), link, ""),
    ("socketpair", ("EMFILE",), wait, "a check could not be made: "),
    ("sendmsg", ("ENOBUFS", "ETOOMANYREFS"), wait, "a check could not be made: "),
    ("pipe2", ("EMFILE",), wait, "a check could not be made: "),
    ("connect", ("EADDRNOTAVAIL", "ENETUNREACH"), wait, ""),
    ("write", ("ENOSPC", "EINTR", "EIO"), wait, ""),
    ("renameat", ("ENOSPC", "EROFS"), wait, ""),
)

# As above, where nothing else is under way: which of the calls fail, and with what.
IN_QUIET = (
    ("openat", "1", ("EMFILE", "EACCES"), reload, "reload: "),  # /proc/meminfo, from which follows nothing
    ("newfstatat", "2", ("EACCES",), reload, "reload: "),
    ("pread64", "1", ("EIO",), reload, "rawvs.ini: Input/output error"),
    ("pread64", "1", ("EINTR",), reload, "reload: "),
    ("socketpair", "1", ("EMFILE",), reload, "reload: "),  # without rawvs-helper it opens the file itself
    ("sendmsg", "1", ("ENOBUFS",), reload, "reload: "),
    ("recvmsg", "1", ("ENOMEM",), reload, "reload: "),
    ("pipe2", "1", ("EMFILE", "ENFILE"), replacement, "the program is not replaced"),
    ("openat", "1", ("EMFILE",), replacement, "the program is not replaced"),
    ("clone", "1", ("EAGAIN", "ENOMEM"), replacement, "the program is not replaced"),
    ("clone", "2", ("ENOMEM", "EAGAIN"), replacement, "clone: "),
    ("socketpair", "1", ("EMFILE",), replacement, "socketpair: Too many open files"),
    ("epoll_ctl", "1", ("ENOSPC", "ENOMEM"), replacement, "the program is not replaced"),
    ("capset", "1", ("EPERM",), replacement, "the program is not replaced"),
    ("prctl", "1+", ("EPERM",), replacement, "the program is not replaced"),
    ("recvmsg", "1", ("ENOMEM",), replacement, "the socket between both programs: Cannot allocate memory"),
    ("memfd_create", "1+", ("EMFILE", "ENOMEM"), replacement, "state in memory: memfd_create: "),
    ("memfd_create", "2+", ("ENOMEM", "EMFILE"), replacement, "state in memory: memfd_create: "),
    ("write", "2", ("ENOSPC",), replacement, "state in memory: write: No space left on device"),
    ("write", "3", ("ENOSPC",), replacement, "state in memory: write: No space left on device"),
    ("sendmsg", "1", ("ENOBUFS",), replacement, "the socket between both programs: No buffer space available"),
    ("sendmsg", "2", ("ENOBUFS",), replacement, "the socket between both programs: No buffer space available"),
)


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def usual_descriptors(pid):
    """Without those of a check or a client that is just there."""
    counts = []
    for _ in range(10):
        counts.append(descriptors(pid))
        time.sleep(0.01)
    return min(counts)


def some(errors, at):
    return errors if ALL else [errors[at % len(errors)]]


def fails_now(lab, director, row, error):
    """What is wrong when this call of the running director fails so; or nothing."""
    name, when, act, words = row
    pid, before, logged = director.program.pid, usual_descriptors(director.program.pid), len(director.log())
    others = processes(director.host)
    said = lab.directory / "strace"
    said.write_text("")
    tracer = director.host.start("strace", "-o", str(said), "-p", str(pid), "-e", f"trace={name}", "-e",
                                 f"inject={name}:error={error}:when={when}")
    eventually(lambda: "attached" in tracer.text(), 5, "strace")

    def failed():
        if act not in ONCE:
            act(lab, director)
        return "(INJECTED)" in said.read_text()
    try:
        if act in ONCE:
            act(lab, director)
        eventually(failed, 15, f"a call: is the table true? {director.log()[logged:]}")
        if act is replacement:
            eventually(lambda: "the program is not replaced" in director.log()[logged:], 5, "an end to it")
    finally:
        tracer.stop(signal.SIGINT)
    if not director.program.running():
        return f"it ended with {director.program.process.returncode}:\n{director.log()[logged:]}"
    if words:
        eventually(lambda: words in director.log()[logged:], 5, f"in the log: {words}")
    if act is link:  # without a fault it has its guard and ring again
        act(lab, director)
    eventually(lambda: not lab.request("client", 3, patience=2).failures, 5, "requests that are all answered")
    eventually(lambda: descriptors(pid) <= before, 5, f"{before} descriptors as before")
    if act is replacement:
        eventually(lambda: processes(director.host) == others, 5, "no other process is left")
    return ""


@case(seconds=900 if ALL else 90, needs=("strace",))
def while_it_serves_a_failed_call_stops_nothing_and_leaks_nothing(lab):
    lab.add_inside(*IN)
    lab.serve_web(*IN, port=8080)
    wrong, tried = [], 0
    director = None
    for at, (name, errors, act, words) in enumerate(WHILE_SERVING):
        for error in some(errors, at):
            if director is None or not director.program.running():
                other = virtual("other", ports="tcp/82", servers=["in1:8080 forward=nat"], check="exec")
                checks = check("tcp"), check("exec", type="exec", program="/bin/true")
                director = Director(lab, *checks, nat(*IN, check="tcp"), other, inside="eth1", state_interval="1s",
                                    seccomp="0", state=lab.directory / "rawvs.state").start()
                load(lab, director)
            tried += 1
            row = name, "1", act, words
            found = perhaps(lambda r=row, e=error: fails_now(lab, director, r, e), director)
            if found:
                wrong.append(f"{name}: {error}: {act.__name__}: {found}")
    true(not wrong, "\n".join(wrong))
    return f"{tried} calls failed"


@case(seconds=900 if ALL else 90, needs=("strace",))
def a_reload_or_replacement_whose_calls_fail_changes_nothing_and_says_why(lab):
    lab.serve_web()
    director = Director(lab, seccomp="0").start()
    idle = lab.connect("client")
    wrong, tried = [], 0
    for at, (name, when, errors, act, words) in enumerate(IN_QUIET):
        for error in some(errors, at):
            if not director.program.running():
                director.start()
            tried += 1
            row = name, when, act, words
            found = perhaps(lambda r=row, e=error: fails_now(lab, director, r, e), director)
            if found:
                wrong.append(f"{name} {when}: {error}: {act.__name__}: {found}")
    true(not wrong, "\n".join(wrong))
    same(director.log().count("runs on eth0"), 1, "programs that were started")
    idle.sendall(b"GET / HTTP/1.0\r\n\r\n")
    true(idle.recv(4096).startswith(b"HTTP/1."), "what a connection got that is older than all of that")
    return f"{tried} calls failed"


# Calls of the next program, before it forwards.
NEXT_PROGRAM = (
    ("recvmsg", "1", "ENOMEM"), ("socket", "1", "EMFILE"), ("epoll_create1", "1", "EMFILE"), ("bind", "1", "ENODEV"),
    ("signalfd4", "1", "EMFILE"), ("setsockopt", "1", "ENOMEM"), ("bpf", "1", "EPERM"), ("sendmsg", "1", "ENOBUFS"),
    ("sendmsg", "3", "ENOBUFS"), ("getrandom", "1", "ENOSYS"))


@case(seconds=120, needs=("strace",))
def a_next_program_whose_calls_fail_takes_over_all_the_same_or_is_refused_with_a_reason(lab):
    lab.serve_web()
    lab.directory.chmod(0o777)
    real, said, ends = f'{program("rawvsd")} "$@"', lab.directory / "strace", []
    for name, when, error in NEXT_PROGRAM:
        director, copy = from_a_copy(lab, seccomp="0")
        idle = lab.connect("client")
        said.write_text("")
        said.chmod(0o666)
        becomes(copy, f'[ -n "$RAWVS_INTERIM" ] && exec strace -D -o {said} -E ASAN_OPTIONS=detect_leaks=0 '
                      f"-e trace={name} -e inject={name}:error={error}:when={when} {real}\nexec {real}")
        pid = director.ask("list")[0]["pid"]
        director.program.send(signal.SIGUSR2)

        def refused(log):
            return "the program is not replaced" in log or "did not take over" in log
        eventually(lambda d=director: refused(d.log()) or d.log().count("runs on eth0") > 1, 40, "an end to it")
        eventually(director.ready, 10, "an answer")
        what = f"{name} {when}: {error}:\n{director.log()}"
        eventually(lambda: "(INJECTED)" in said.read_text(), 5, f"the call: is the table true? {what}")
        same(director.ask("list")[0]["pid"], pid, f"the process that serves: {what}")
        all_answered(lab.request("client", 3), 3)
        idle.sendall(b"GET / HTTP/1.0\r\n\r\n")
        true(idle.recv(4096).startswith(b"HTTP/1."), f"what an idle connection got: {what}")
        ends.append(refused(director.log()))
        same(director.stop(), 0, f"exit status: {what}")
        copy.unlink()
    return f"{sum(ends)} of {len(ends)} refused"
