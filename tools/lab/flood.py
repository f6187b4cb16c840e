# SPDX-License-Identifier: BSD-2-Clause
"""A flood from forged addresses, and clients that live through it: each runs in a host of the lab.

The flood's source addresses are from FORGED, whose replies the lab's hosts discard, and its frames are made before it
begins; it sends a given number of them, at most, and as many a second as asked for."""
import json
import os
import pathlib
import random
import select
import socket
import struct
import sys
import time

from lab.namespaces import Trouble, eventually
from lab.topology import VIP

TOOLS = pathlib.Path(__file__).resolve().parents[1]
FORGED = "198.51.100.128/25"
DRIP_PORT, UDP_PORT = 80, 53
KINDS = ("syn", "udp", "syn-ack")

# A server that sends a line at once and then ten a second, as long as the client wants them.
DRIP = f"""import asyncio, socket
async def serve(reader, writer):
    try:
        while True:
            writer.write(b"x" * 511 + b"\\n")
            await writer.drain()
            await asyncio.sleep(0.1)
    except OSError:
        pass
    finally:
        writer.close()
async def main():
    async with await asyncio.start_server(serve, "0.0.0.0", {DRIP_PORT}, backlog=4096) as server:
        await server.serve_forever()
asyncio.run(main())
"""


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def frame(ethernet, source, port, flags):
    """TCP with these flags; without flags, UDP."""
    addresses = source + socket.inet_aton(VIP)
    protocol = 6 if flags else 17
    if flags:
        rest = struct.pack("!HHIIBBHHH", port, DRIP_PORT, 1000 + (flags == 0x10), 77 * (flags == 0x10), 0x50, flags,
                           64240, 0, 0)
        pseudo = addresses + struct.pack("!HH", protocol, len(rest))
        rest = rest[:16] + struct.pack("!H", checksum(pseudo + rest)) + rest[18:]
    else:
        rest = struct.pack("!HHHH", port, UDP_PORT, 12, 0) + b"ping"
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(rest), 0, 0x4000, 64, protocol, 0) + addresses
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return ethernet + header + rest


def frames(ethernet, kind, count):
    chance = random.Random(1)
    out = []
    for _ in range(count):
        source = bytes((198, 51, 100, chance.randrange(129, 255)))
        port = chance.randrange(1024, 65536)
        out.append(frame(ethernet, source, port, 0 if kind == "udp" else 0x02))
        if kind == "syn-ack":
            out.append(frame(ethernet, source, port, 0x10))
    return out


def flood(kind, rate, count, interface, mac):
    """Sends; prints how many, and in how many seconds."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as s:
        s.bind((interface, 0))
        own = s.getsockname()[4]
        ready = frames(bytes.fromhex(mac.replace(":", "")) + own + b"\x08\x00", kind, 60000)
        print("ready", flush=True)
        start, sent = time.monotonic(), 0
        while sent < count:
            due = min(int((time.monotonic() - start) * rate), count)
            for _ in range(sent, due):
                try:
                    s.send(ready[sent % len(ready)])
                except OSError:  # the queue is full: it was sent too fast
                    pass
                sent += 1
            time.sleep(0.001)
        print(json.dumps({"sent": sent, "seconds": time.monotonic() - start}), flush=True)


def downloads(address, count, end):
    """Keeps so many downloads open until a file of this name is there; prints how many of them live."""
    held = [socket.create_connection((address, DRIP_PORT), 30) for _ in range(count)]
    for s in held:
        for _ in range(8):  # it is a conversation
            s.recv(4096)
    print("ready", flush=True)
    alive, last = {s.fileno(): s for s in held}, {}
    poll = select.epoll()
    for fd in alive:
        poll.register(fd, select.EPOLLIN)

    def read(seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for fd, _ in poll.poll(0.1):
                try:
                    data = alive[fd].recv(65536)
                except OSError:
                    data = b""
                if data:
                    last[fd] = time.monotonic()
                else:
                    poll.unregister(fd)
                    alive.pop(fd).close()
    while not os.path.exists(end):
        read(0.2)
    since = time.monotonic()
    read(3)
    living = sum(last.get(fd, 0) > since for fd in alive)  # more has come since
    print(json.dumps({"living": living, "of": count}), flush=True)


def newcomers(address, count, seconds):
    """New clients, one after the other begins; prints how many got an answer within so many seconds."""
    waiting, served, failed = {}, 0, 0
    begun = 0
    poll = select.epoll()
    while begun < count or waiting:
        if begun < count:
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex((address, DRIP_PORT))
            waiting[s.fileno()] = (s, time.monotonic() + seconds)
            poll.register(s.fileno(), select.EPOLLIN | select.EPOLLERR | select.EPOLLHUP)
            begun += 1
        for fd, _ in poll.poll(0.02):
            s, _ = waiting.pop(fd)
            try:
                served += bool(s.recv(1))
            except OSError:
                failed += 1
            s.close()
        now = time.monotonic()
        for fd in [fd for fd, (_, until) in waiting.items() if until < now]:
            waiting.pop(fd)[0].close()
            failed += 1
    print(json.dumps({"served": served, "of": count}), flush=True)


def serve(host):
    """Starts the server of the downloads in a host."""
    program = host.start("python3", "-c", DRIP)
    eventually(lambda: program.listens_on(DRIP_PORT), 20, "the server of the downloads")


def begin(host, *words):
    """Starts one of these programs in a host; returns when it is ready."""
    program = host.start("env", f"PYTHONPATH={TOOLS}", "python3", "-B", "-m", "lab.flood", *map(str, words))
    if words[0] != "newcomers":
        eventually(lambda: "ready" in program.text() or not program.running(), 20, f"{words[0]} to begin")
    return program


def result(program, seconds=60):
    """What it printed at its end."""
    program.wait(seconds)
    lines = program.text().splitlines()
    if not lines or not lines[-1].startswith("{"):
        raise Trouble(f"no result: {program.text()!r}")
    return json.loads(lines[-1])


if __name__ == "__main__":
    word, *rest = sys.argv[1:]
    if word == "flood":
        flood(rest[0], int(rest[1]), int(rest[2]), rest[3], rest[4])
    elif word == "downloads":
        downloads(rest[0], int(rest[1]), rest[2])
    else:
        newcomers(rest[0], int(rest[1]), float(rest[2]))
