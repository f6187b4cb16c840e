# SPDX-License-Identifier: BSD-2-Clause
"""The list of allowed system calls (src/sys/rights/calls.h) against the calls that rawvsd makes; strace(1) shows them.

A life of rawvsd under strace, with seccomp = log: every call that it makes from the filter on is on the list; and what
is on the list is made there, or has a reason in NOT_SEEN."""
import os
import pathlib
import re
import signal

from case import all_answered, case, true
from health import check
from injected import stopped
from lab.director import TOP, Director, program, virtual
from lab.namespaces import eventually
from nat import IN, nat
from rights import is_filtered, need_filter
from vrrp import instance, wait_for_state

RIGHTS = TOP / "src/sys/rights"

# Calls on the list that this life need not show, and why they are there.
NOT_SEEN = {
    "another form of a call that is made here: other machines and C libraries choose differently": """
        accept accept4 access arch_prctl chmod chown chown32 clock_getres clock_getres_time64 clock_gettime
        clock_gettime64 clock_nanosleep_time64 dup dup2 dup3 epoll_create epoll_create1 epoll_pwait epoll_wait faccessat
        faccessat2 fchmodat fchown32 fchownat fcntl64 fork fstat fstat64 fstatat64 fstatfs64 ftruncate64 futex_time64
        getcwd getdents getegid32 geteuid32 getgid32 getgroups32 getresgid32 getresuid32 getrlimit gettimeofday getuid32
        lchown lchown32 _llseek lseek lstat lstat64 mkdirat mmap2 nanosleep newfstatat open pipe pipe2 poll ppoll
        ppoll_time64 prlimit64 readlink readlinkat readv recv recvmmsg recvmmsg_time64 rename renameat renameat2 rseq
        send setrlimit set_robust_list signalfd signalfd4 stat stat64 statfs64 statx time tkill ugetrlimit unlink
        unlinkat vfork waitid waitpid writev""",
    "of one kind of machine": """
        breakpoint cacheflush riscv_flush_icache riscv_hwprobe set_thread_area set_tls sigreturn""",
    "at an abort, where a process was stopped, where a lock is not free": """
        exit futex restart_syscall rt_sigpending rt_sigreturn sched_yield sigaltstack tgkill""",
    "where memory grows or is given back": "madvise mremap",
    "processes that do not end by themselves: kill(2), and usleep(3) until they have": "clock_nanosleep kill",
    "starts without -f; folders that are missing": "chdir fchown getppid mkdir setsid umask",
    "io = xdp; libbpf, libpcap and libcap-ng on other kernels": """
        fstatfs getdents64 mlock munlock perf_event_open sched_getaffinity statfs sysinfo uname""",
    "harmless, and for a later version, which SIGUSR2 starts under this list": """
        fdatasync fsync getegid getgid getgroups getpeername getresgid getresuid getrusage gettid getuid""",
}


def names_in(text):
    return set(re.findall(r"\w+", text))


def listed():
    """The names on the director's list, those with conditions for their arguments among them."""
    text = (RIGHTS / "calls.h").read_text()
    lists = re.findall(r"kDirectorCalls\[\] = \{(.*?)\n\};|kProgramCalls\[\] = \{(.*?)\};", text, re.S)
    plain = " ".join(re.findall(r'\{"([^"]*)"', " ".join(a + b for a, b in lists)))
    conditions = re.findall(r'rules\.add\("(\w+)", \{', (RIGHTS / "call_filter.cpp").read_text())
    return names_in(plain) | set(conditions)


LINE = re.compile(r"^(\d+) +(?:(\w+)\(|<\.\.\. (\w+) resumed>)(.*)$")


def calls_of(trace):
    """The calls by rawvsd's processes after each had its filter, from strace -f's lines."""
    rows = [match.groups() for match in map(LINE.match, trace) if match]
    parent = {}
    for pid, name, resumed, rest in rows:
        made = re.search(r"= (\d+)$", rest)
        if (name or resumed) in ("clone", "clone3", "fork", "vfork") and made:
            parent[made.group(1)] = pid
    programs, filtered, seen = {}, {}, set()
    for pid, name, resumed, rest in rows:
        if pid not in programs:
            programs[pid] = programs.get(parent.get(pid), "rawvsd")
            filtered[pid] = filtered.get(parent.get(pid), False)
        if name and filtered[pid] and programs[pid] == "rawvsd":
            seen.add(name)
        if name == "execve":
            programs[pid] = os.path.basename(re.match(r'"([^"]*)"', rest).group(1))
        if (name or resumed) == "seccomp" and (resumed or "SECCOMP_SET_MODE_FILTER" in rest):
            filtered[pid] = True
    return seen


def live(lab, director):
    """What operators, servers and clients lead it to."""
    all_answered(lab.request("client", 10), 10)
    for words in (("-Ln",), ("-Lnc",), ("status",), ("doctor",), ("vrrp",), ("arp",), ("drops",), ("save", "--ini")):
        director.admin(*words, check=False)
    director.admin("-e", "-t", "192.0.2.100:80", "-r", "203.0.113.21:8080", "-m", "-w", "3")
    director.ini.write_text(director.ini.read_text() + virtual("more", ports="udp/53", servers=["rs1"]))
    director.admin("reload")
    director.host.ip("link set eth1 down", "link set eth1 up")
    eventually(lambda: not lab.request("client", 3, patience=2).failures, 20, "answers by the interface again")
    wait_for_state(director, "master")


@case(seconds=120, needs=("strace",))
def the_list_of_system_calls_is_what_it_needs(lab):
    lab.add_inside(*IN)
    lab.serve_web(*IN, port=8080)
    kinds = {"tcp": {}, "http": {}, "udp": {"port": 9}, "icmp": {}, "arp": {}, "tls": {},
             "exec": {"program": "/bin/true"}, "dns": {"query": "who.example", "port": 53}}
    checks = [check(kind, type=kind, **keys) for kind, keys in kinds.items()]
    more = [virtual(f"v{kind}", ports=f"tcp/{9000 + n}", servers=["in1:8080 forward=nat"], check=kind)
            for n, kind in enumerate(kinds)]
    director = Director(lab, *checks, nat(*IN), *more, "[sync]\nkey = between us two\n",
                        instance(150, interval="100ms"), inside="eth1", seccomp="log",
                        state=lab.directory / "rawvs.state", state_interval="1s",
                        local_clients=int(pathlib.Path("/dev/net/tun").exists()))
    said = lab.directory / "strace"
    director.program = director.host.start("strace", "-f", "-o", str(said), "-E", "ASAN_OPTIONS=detect_leaks=0",
                                           program("rawvsd"), "-f", "-c", str(director.ini), "-p",
                                           str(lab.directory / "pid"))
    eventually(lambda: "runs on eth0" in director.log() and director.ready(), 20, "the director")
    if not is_filtered(director):
        stopped(director)
        need_filter(director)
    eventually(lambda: (lab.directory / "rawvs.state").exists(), 20, "the state")
    live(lab, director)
    pid = int(director.ask("list")[0]["pid"])
    os.kill(pid, signal.SIGUSR2)
    eventually(lambda: director.log().count("runs on eth0") == 2 and director.ready(), 30, "the next program")
    live_again = lab.request("client", 10)
    os.kill(pid, signal.SIGTERM)
    director.program.wait(30)
    all_answered(live_again, 10)
    seen, allowed = calls_of(said.read_text(errors="replace").splitlines()), listed()
    explained = names_in(" ".join(NOT_SEEN.values()))
    true(len(seen) > 40, f"few calls: is the trace read rightly? {sorted(seen)}")
    true(not seen - allowed, f"rawvsd makes calls that are not on the list: {sorted(seen - allowed)}")
    true(not allowed - seen - explained, f"on the list, and no reason known: {sorted(allowed - seen - explained)}")
    true(not explained - allowed, f"reasons for calls that are not on the list: {sorted(explained - allowed)}")
    return f"{len(seen)} of {len(allowed)} calls made"
