# SPDX-License-Identifier: BSD-2-Clause
"""frames.py: the frames of the capture tests, built byte by byte; make.py lists the hosts."""
import struct

ROUTER, DIRECTOR, DIRECTOR_INSIDE = "02:00:00:00:00:01", "02:00:00:00:00:10", "02:00:00:00:01:10"
BROADCAST = "ff:ff:ff:ff:ff:ff"
VIP, VIP2 = "192.0.2.100", "192.0.2.101"
FLAGS = "FSRPAU"


def mac(text): return bytes.fromhex(text.replace(":", ""))
def ip(text): return bytes(int(part) for part in text.split("."))


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


def ethernet(kind, payload, from_mac=ROUTER, to_mac=DIRECTOR):
    return mac(to_mac) + mac(from_mac) + struct.pack(">H", kind) + payload


def ipv4(protocol, payload, src, dst=VIP, ttl=64, df=True, fragment=0, options=b"", ident=0x1234, tos=0, **link):
    words = (20 + len(options)) // 4
    header = struct.pack(">BBHHHBBH", 0x40 | words, tos, words * 4 + len(payload), ident,
                         (0x4000 if df else 0) | fragment, ttl, protocol, 0) + ip(src) + ip(dst) + options
    return ethernet(0x0800, header[:10] + struct.pack(">H", checksum(header)) + header[12:] + payload, **link)


def with_checksum(l4, at, protocol, src, dst):
    pseudo = ip(src) + ip(dst) + struct.pack(">HH", protocol, len(l4))
    return l4[:at] + struct.pack(">H", checksum(pseudo + l4) or (0xffff if protocol == 17 else 0)) + l4[at + 2:]


def client(text):
    """"1:1001" is client 198.51.100.1, port 1001."""
    host, port = text.split(":")
    return f"198.51.100.{host}", int(port)


def tcp(who, flags, port=80, data=b"", seq=1000, ack=0, src=None, dst=VIP, **more):
    address, from_port = client(who)
    address = src or address
    bits = sum(1 << FLAGS.index(f) for f in flags)
    l4 = struct.pack(">HHIIBBHHH", from_port, port, seq, ack, 0x50, bits, 8192, 0, 0) + data
    return ipv4(6, with_checksum(l4, 16, 6, address, dst), address, dst, **more)


def udp(who, port=53, data=b"hello", dst=VIP, length=None, src=None, summed=True, **more):
    address, from_port = client(who)
    address = src or address
    l4 = struct.pack(">HHHH", from_port, port, 8 + len(data) if length is None else length, 0) + data
    return ipv4(17, with_checksum(l4, 6, 17, address, dst) if summed else l4, address, dst, **more)


def ping(who="1", data=b"ping", kind=8, **more):
    l4 = struct.pack(">BBHHH", kind, 0, 0, 7, 1) + data
    return ipv4(1, l4[:2] + struct.pack(">H", checksum(l4)) + l4[4:], f"198.51.100.{who}", **more)


def arp(op, sender_mac, sender, target_mac, target, to):
    payload = struct.pack(">HHBBH", 1, 0x0800, 6, 4, op) + mac(sender_mac) + ip(sender) + mac(target_mac) + ip(target)
    return ethernet(0x0806, payload + bytes(18), sender_mac, to)  # 18: Ethernet's padding


def who_has(target, sender="192.0.2.1", sender_mac=ROUTER, to=BROADCAST):
    return arp(1, sender_mac, sender, "00:00:00:00:00:00", target, to)


def is_at(sender, sender_mac, target="192.0.2.10", target_mac=DIRECTOR):
    return arp(2, sender_mac, sender, target_mac, target, target_mac)


def server_mac(number):
    return f"02:00:00:00:00:{10 + number}"  # of 192.0.2.(10 + number)


def tagged(frame, vlan, kind=0x8100, priority=5):
    return frame[:12] + struct.pack(">HH", kind, priority << 13 | vlan) + frame[12:]


def broken(frame, at):
    """Flips one bit of the byte at this offset."""
    return frame[:at] + bytes([frame[at] ^ 1]) + frame[at + 1:]


IP_CHECKSUM, IP_VERSION, IP_LENGTH, TCP_OFFSET = 24, 14, 16, 46  # offsets in a frame


def nothing(seconds):
    """A frame that concerns nobody: the clock starts with it, or runs until then."""
    return seconds, who_has("192.0.2.200")

def sctp(who, chunks, port=80, src=None, dst=VIP, **more):
    """chunks: pairs of a type and data."""
    address, from_port = client(who)
    body = b"".join(struct.pack(">BBH", kind, 0, 4 + len(data)) + data + bytes(-len(data) % 4) for kind, data in chunks)
    header = struct.pack(">HHI", from_port, port, 7)
    crc = 0xffffffff
    for byte in header + bytes(4) + body:  # CRC32c, RFC 9260 appendix A
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    l4 = header + struct.pack("<I", crc ^ 0xffffffff) + body
    return ipv4(132, l4, src or address, dst, **more)


def pieces(frame, *cuts):
    """The fragments of a frame: payload bytes [0, cut), [cut, next) ... in order. Cuts are multiples of 8."""
    payload = frame[34:]
    bounds = [0, *cuts, len(payload)]
    for begin, end in zip(bounds, bounds[1:]):
        word = frame[20] & 0x40 | (0x20 if end < len(payload) else 0), begin // 8
        header = frame[14:16] + struct.pack(">H", 20 + end - begin) + frame[18:20]
        header += struct.pack(">H", word[0] << 8 | word[1]) + frame[22:24] + bytes(2) + frame[26:34]
        yield frame[:14] + header[:10] + struct.pack(">H", checksum(header)) + header[12:] + payload[begin:end]


def icmp_error(about, src, dst, kind=3, code=4, mtu=1400, quoted=28, **more):
    """An ICMP error about a frame, quoting `quoted` bytes of its IP packet."""
    l4 = struct.pack(">BBHHH", kind, code, 0, 0, mtu) + about[14:14 + quoted]
    return ipv4(1, l4[:2] + struct.pack(">H", checksum(l4)) + l4[4:], src, dst, **more)


def ipip(inner, src, dst, **more):
    """A frame's packet in a tunnel packet."""
    return ipv4(4, inner[14:], src, dst, **more)


FROM_SERVER = {"from_mac": "02:00:00:00:01:11", "to_mac": DIRECTOR_INSIDE}  # 203.0.113.11, behind the inside link
