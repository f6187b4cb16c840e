# SPDX-License-Identifier: BSD-2-Clause
"""Bytes of the packets that a scenario sends: IPv4, TCP, UDP, SCTP, ICMP and the tunnels that ICMP errors quote."""
import socket
import struct

TCP_FLAGS = "FSRPAU"
ICMP, IPIP, TCP, UDP, IPV6, GRE, ICMP6, SCTP = 1, 4, 6, 17, 41, 47, 58, 132
SOLICIT, ADVERT = 135, 136
HOP, ROUTING, FRAGMENT, NONE, DEST = 0, 43, 44, 59, 60
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


def multicast_mac(packet):
    """Where an IPv6 packet to a group is sent to; none for others."""
    return b"\x33\x33" + packet[36:40] if packet[0] >> 4 == 6 and packet[24] == 0xFF else b""


def ipv4(src, dst, proto, payload, ttl=64, df=True, ident=0x1234, frag=0, more=False, tos=0):
    """`frag` in units of eight bytes, as on the wire."""
    off = (0x4000 if df else 0) | (0x2000 if more else 0) | frag
    h = struct.pack("!BBHHHBBH4s4s", 0x45, tos, 20 + len(payload), ident, off, ttl, proto, 0,
                    socket.inet_aton(src), socket.inet_aton(dst))
    return h[:10] + struct.pack("!H", csum(h)) + h[12:] + payload


def extension(name, following):
    """(its number, its bytes) of an IPv6 extension header that `following` comes after."""
    number = {"hop": HOP, "dst": DEST, "route": ROUTING, "frag": FRAGMENT, "none": NONE, "unknown": 253}[name]
    body = {"hop": bytes([following, 0, 1, 4, 0, 0, 0, 0]), "dst": bytes([following, 0, 1, 4, 0, 0, 0, 0]),
            "route": bytes([following, 0, 0, 0, 0, 0, 0, 0]), "frag": bytes([following, 0, 0, 0, 0, 0, 0, 99]),
            "none": b"", "unknown": bytes([following, 0, 1, 4, 0, 0, 0, 0])}[name]
    return number, body


def ipv6(src, dst, proto, payload, ttl=64, ident=77, frag=0, more=False, tos=0, ext=()):
    """`ext`: names of extension headers, in order; `frag` in units of eight bytes."""
    if frag or more:
        payload = struct.pack("!BBHI", proto, 0, frag << 3 | more, ident) + payload
        proto = FRAGMENT
    for name in reversed(ext):
        proto, head = extension(name, proto)
        payload = head + payload
    return struct.pack("!IHBB", 6 << 28 | tos << 20, len(payload), proto, ttl) + socket.inet_pton(
        socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst) + payload


def ip(src, dst, proto, payload, **options):
    """A packet of the addresses' family."""
    if ":" not in src:
        options.pop("ext", None)
        return ipv4(src, dst, proto, payload, **options)
    options.pop("df", None)
    if proto == ICMP:
        proto = ICMP6
        payload = l4(src, dst, ICMP6, payload[:2] + bytes(2) + payload[4:], 2)
    return ipv6(src, dst, proto, payload, **options)


def pseudo(src, dst, proto, size):
    if ":" in src:
        return socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst) + struct.pack(
            "!II", size, proto)
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


def icmp_echo(data=b"ping", kind=8):
    b = struct.pack("!BBHHH", kind, 0, 0, 7, 1) + data
    return b[:2] + struct.pack("!H", csum(b)) + b[4:]


def icmp_error(kind, code, quoted, mtu=0):
    b = struct.pack("!BBHI", kind, code, 0, mtu) + quoted
    return b[:2] + struct.pack("!H", csum(b)) + b[4:]


def solicitation(target, source_mac):
    """A neighbour solicitation's ICMPv6 message; without `source_mac` a host asks whether its address is free."""
    option = bytes([1, 1]) + source_mac if source_mac else b""
    return struct.pack("!BBHI", SOLICIT, 0, 0, 0) + socket.inet_pton(socket.AF_INET6, target) + option


def solicited_node(target):
    return "ff02::1:ff" + socket.inet_pton(socket.AF_INET6, target)[13:].hex()[:2] + ":" + socket.inet_pton(
        socket.AF_INET6, target)[14:].hex()


def tunnelled(kind, src, dst, inner, port=6080):
    """`inner` as a director sends it through a tunnel: ipip, gre, or gue to `port`."""
    proto, ether = (IPIP, 0x0800) if inner[0] >> 4 == 4 else (IPV6, 0x86DD)
    if kind == "ipip":
        return ip(src, dst, proto, inner)
    if kind == "gre":
        return ip(src, dst, GRE, struct.pack("!HH", 0, ether) + inner)
    return ip(src, dst, UDP, udp(src, 50000, dst, port, struct.pack("!BBH", 0, proto, 0) + inner, csum_on=False))
