# SPDX-License-Identifier: BSD-2-Clause
"""Hundreds of TCP connections to a VIP, and their servers, in one loop of this process.

A client sends one byte, and its server answers with its own number.  A broken connection shows by a reset, an end, or
no answer.
"""
import contextlib
import pathlib
import random
import resource
import selectors
import socket
import time

from lab.namespaces import PATIENCE, Trouble

FIRST_HOST, HOSTS = 10, 100  # clients' addresses: 198.51.100.10 and so on


class Flow:
    """A client's connection."""

    def __init__(self, s):
        self.socket = s
        self.connected = False
        self.server = None   # its number: 1 is rs1
        self.waiting = True  # for an answer
        self.broken = ""     # why

    @property
    def whole(self):
        return not self.broken


class ManyFlows:
    def __init__(self, lab, vip):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < 8192:
            resource.setrlimit(resource.RLIMIT_NOFILE, (8192 if hard < 0 else min(hard, 8192), hard))
        self.lab, self.vip = lab, vip
        # Between namespaces a router hashes by a number of the sender's socket, which changes when a segment is sent
        # again.  On a real network a connection's hash does not change.
        with contextlib.suppress(OSError), lab["client"].inside():
            pathlib.Path("/proc/sys/net/core/txrehash").write_text("0\n")
        self.selector = selectors.DefaultSelector()
        lab["client"].ip(*[f"addr add 198.51.100.{FIRST_HOST + n}/24 dev eth0" for n in range(HOSTS)])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()

    def serve(self, name, port):
        """A real server answers on this port."""
        with self.lab[name].inside():
            s = self.lab.family.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("", port))
        s.listen(1024)
        s.setblocking(False)
        self.selector.register(s, selectors.EVENT_READ, lambda _: self.accept(s, int(name[-1])))

    def accept(self, listener, number):
        with contextlib.suppress(OSError):
            s, _ = listener.accept()
            s.setblocking(False)
            self.selector.register(s, selectors.EVENT_READ, lambda _: self.answer(s, number))

    def answer(self, s, number):
        try:
            asked = s.recv(64)
            if asked:
                s.send(b"%d" % number * len(asked))
        except BlockingIOError:
            return
        except OSError:
            asked = b""
        if not asked:
            self.forget(s)

    def forget(self, s):
        self.selector.unregister(s)
        s.close()

    def open(self, port, count):
        """So many connections, all answered once."""
        flows = []
        for n in range(count):
            with self.lab["client"].inside():
                s = socket.socket()
            s.setblocking(False)
            s.bind((f"198.51.100.{FIRST_HOST + n % HOSTS}", 0))
            s.connect_ex((self.vip, port))
            flow = Flow(s)
            flows.append(flow)
            self.selector.register(s, selectors.EVENT_READ | selectors.EVENT_WRITE,
                                   lambda mask, f=flow: self.client_event(f, mask))
            if n % 50 == 0:
                self.turn(0)
        self.until_answered(flows, 30)
        bad = [flow.broken for flow in flows if not flow.whole]
        if bad:
            raise Trouble(f"{len(bad)} of {count} connections to port {port} were not made: {bad[:3]}")
        return flows

    def client_event(self, flow, mask):
        try:
            if mask & selectors.EVENT_WRITE and not flow.connected:
                flow.connected = True
                self.selector.modify(flow.socket, selectors.EVENT_READ, self.selector.get_key(flow.socket).data)
                flow.socket.send(b"?")
            if mask & selectors.EVENT_READ:
                said = flow.socket.recv(64)
                if not said:
                    raise ConnectionError("the server ended it")
                flow.server, flow.waiting = int(said[-1:]), False
        except BlockingIOError:
            pass
        except OSError as error:
            self.give_up(flow, str(error))

    def give_up(self, flow, why):
        flow.broken, flow.waiting = why, False
        self.forget(flow.socket)

    def turn(self, seconds):
        for key, mask in self.selector.select(seconds):
            if key.fileobj.fileno() >= 0:  # it may have been closed in this very turn
                key.data(mask)

    def until_answered(self, flows, seconds):
        deadline = time.monotonic() + seconds * PATIENCE
        while any(flow.waiting for flow in flows) and time.monotonic() < deadline:
            self.turn(0.1)
        for flow in flows:
            if flow.waiting:
                self.give_up(flow, "no answer")

    def exchange(self, flows, seconds=30):
        """Every working connection sends a byte; returns the number of those that broke."""
        before = [flow for flow in flows if flow.whole]
        # In the order of creation, two schedulers in turn would place all of them alike, or none.
        for flow in random.sample(before, len(before)):
            flow.waiting = True
            try:
                flow.socket.send(b"?")
            except OSError as error:
                self.give_up(flow, str(error))
        self.until_answered(before, seconds)
        return sum(not flow.whole for flow in before)
