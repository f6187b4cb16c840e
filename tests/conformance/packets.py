# SPDX-License-Identifier: BSD-2-Clause
"""Bytes of the packets that a scenario sends: IPv4, TCP, UDP, SCTP, ICMP and the tunnels that ICMP errors quote."""
import socket
import struct

TCP_FLAGS = "FSRPAU"
ICMP, IPIP, TCP, UDP, GRE, SCTP = 1, 4, 6, 17, 47, 132
CHUNKS = {"DATA": 0, "INIT": 1, "INIT-ACK": 2, "SACK": 3, "HEARTBEAT": 4, "HEARTBEAT-ACK": 5, "ABORT": 6, "SHUTDOWN": 7,
          "SHUTDOWN-ACK": 8, "ERROR": 9, "COOKIE-ECHO": 10, "COOKIE-ACK": 11, "SHUTDOWN-COMPLETE": 14}
# What follows a chunk's four bytes of type, flags and length; the least that a stack takes for whole.
CHUNK_BODY = {"DATA": struct.pack("!IHHI", 1, 0, 0, 0), "INIT": struct.pack("!IIHHI", 9, 65536, 1, 1, 1),
              "INIT-ACK": struct.pack("!IIHHIHHI", 9, 65536, 1, 1, 1, 7, 8, 0),
              "SACK": struct.pack("!IIHH", 1, 65536, 0, 0),
              "HEARTBEAT": struct.pack("!HHI", 1, 8, 0), "HEARTBEAT-ACK": struct.pack("!HHI", 1, 8, 0),
              "SHUTDOWN": struct.pack("!I", 1), "ERROR": struct.pack("!HH", 10, 4), "COOKIE-ECHO": bytes(4)}


def csum(b):
    """The Internet checksum; 0 over bytes that include a right one."""
    if len(b) % 2:
        b += b"\0"
    s = sum(struct.unpack(f"!{len(b)//2}H", b))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


def _crc32c_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


_CRC32C = _crc32c_table()


def crc32c(b):
    crc = 0xFFFFFFFF
    for byte in b:
        crc = crc >> 8 ^ _CRC32C[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def mac(s):
    return bytes(int(x, 16) for x in s.split(":"))


def ipv4(src, dst, proto, payload, ttl=64, df=True, ident=0x1234, frag=0, more=False, tos=0):
    """`frag` in units of eight bytes, as on the wire."""
    off = (0x4000 if df else 0) | (0x2000 if more else 0) | frag
    h = struct.pack("!BBHHHBBH4s4s", 0x45, tos, 20 + len(payload), ident, off, ttl, proto, 0,
                    socket.inet_aton(src), socket.inet_aton(dst))
    return h[:10] + struct.pack("!H", csum(h)) + h[12:] + payload


def pseudo(src, dst, proto, size):
    return socket.inet_aton(src) + socket.inet_aton(dst) + struct.pack("!BBH", 0, proto, size)


def l4(src, dst, proto, body, at):
    c = csum(pseudo(src, dst, proto, len(body)) + body)
    if proto == UDP and c == 0:
        c = 0xFFFF
    return body[:at] + struct.pack("!H", c) + body[at + 2:]


def tcp(src, sport, dst, dport, flags, data=b"", seq=1000, ack=0):
    bits = sum(1 << TCP_FLAGS.index(f) for f in flags)
    body = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, 5 << 4, bits, 8192, 0, 0) + data
    return l4(src, dst, TCP, body, 16)


def udp(src, sport, dst, dport, data=b"hello", csum_on=True):
    body = struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data
    return l4(src, dst, UDP, body, 6) if csum_on else body


def sctp(sport, dport, chunks, data=b""):
    """`chunks` by name, in order; `data` is what each DATA chunk carries."""
    body = b""
    for name in chunks:
        part = CHUNK_BODY.get(name, b"") + (data if name == "DATA" else b"")
        flags = 3 if name == "DATA" else 0     # a whole message: its beginning and its end
        body += struct.pack("!BBH", CHUNKS[name], flags, 4 + len(part)) + part + bytes(-len(part) % 4)
    tag = 0 if chunks[0] == "INIT" else 0x01020304
    head = struct.pack("!HHI", sport, dport, tag)
    return head + struct.pack("<I", crc32c(head + bytes(4) + body)) + body


def icmp_echo(data=b"ping"):
    b = struct.pack("!BBHHH", 8, 0, 0, 7, 1) + data
    return b[:2] + struct.pack("!H", csum(b)) + b[4:]


def icmp_error(kind, code, quoted, mtu=0):
    b = struct.pack("!BBHHH", kind, code, 0, 0, mtu) + quoted
    return b[:2] + struct.pack("!H", csum(b)) + b[4:]


def tunnelled(kind, src, dst, inner, port=6080):
    """`inner` as a director sends it through a tunnel: ipip, gre, or gue to `port`."""
    if kind == "ipip":
        return ipv4(src, dst, IPIP, inner)
    if kind == "gre":
        return ipv4(src, dst, GRE, struct.pack("!HH", 0, 0x0800) + inner)
    return ipv4(src, dst, UDP, udp(src, 50000, dst, port, struct.pack("!BBH", 0, IPIP, 0) + inner, csum_on=False))
