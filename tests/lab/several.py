# SPDX-License-Identifier: BSD-2-Clause
"""Several lab tests at a time, each in its own process: names of networks and folders contain the process id."""
import contextlib
import ctypes
import io
import json
import os
import selectors
import signal
import sys

from case import perform
from lab.namespaces import LIBC, NETNS, PR_SET_PDEATHSIG, interrupted

CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 0x40000


def perform_all(cases, jobs):
    """Each case with its result and output, in the order of the cases; at most `jobs` at a time."""
    waiting, running, done = list(enumerate(cases)), selectors.DefaultSelector(), {}
    said = 0
    try:
        while said < len(cases):
            while waiting and len(running.get_map()) < jobs and may_start(waiting[0][1], running):
                start(*waiting.pop(0), running)
            for key, _ in running.select():
                collect(key, running, done)
            while said in done:
                yield cases[said], done.pop(said)
                said += 1
    finally:
        end(running)


def own_names():
    """The names of namespaces (/run/netns) are this process's own: ip(8) reads all names there, and reports errors
    about those that another test is removing."""
    if os.geteuid() != 0:
        return
    for call in (lambda: LIBC.unshare(CLONE_NEWNS), lambda: LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None),
                 lambda: NETNS.mkdir(exist_ok=True), lambda: LIBC.mount(b"none", bytes(NETNS), b"tmpfs", 0, None)):
        if call():
            raise OSError(ctypes.get_errno(), "a mount namespace of a test's own")


def may_start(one, running):
    """A case with `alone` runs when no other one does."""
    others = [key.data[1] for key in running.get_map().values()]
    return not others or not (one.alone or any(other.alone for other in others))


def start(number, one, running):
    reader, writer = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(reader)
            LIBC.prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGTERM))
            own_names()
            signal.signal(signal.SIGTERM, interrupted)
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                verdict = perform(one)
            with os.fdopen(writer, "w") as out:
                json.dump((*verdict, said.getvalue()), out)
            status = 0
        except KeyboardInterrupt:
            pass
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    os.close(writer)
    running.register(reader, selectors.EVENT_READ, (number, one, pid, []))


def collect(key, running, done):
    """Reads a process's output; at its end that is its result."""
    number, _, pid, parts = key.data
    part = os.read(key.fd, 65536)
    if part:
        parts.append(part)
        return
    running.unregister(key.fd)
    os.close(key.fd)
    _, status = os.waitpid(pid, 0)
    text = b"".join(parts)
    done[number] = tuple(json.loads(text)) if text else ("FAIL", f"its process ended without a word: {status}", 0.0, "")


def end(running):
    """Asks running tests to remove their networks, and waits for that."""
    for key in running.get_map().values():
        with contextlib.suppress(ProcessLookupError):
            os.kill(key.data[2], signal.SIGTERM)
    for key in list(running.get_map().values()):
        os.waitpid(key.data[2], 0)
