# SPDX-License-Identifier: BSD-2-Clause
"""Frames captured on an interface: ARP; TCP, UDP and ICMP over IPv4 and IPv6; neighbour discovery."""
import dataclasses
import socket
import struct

ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
TOO_BIG = 2             # ICMPv6 type
DISCOVERY = {135: 1, 136: 2}  # ICMPv6 types: neighbour solicitation and advertisement
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
PACKET_OUTGOING = 4
SO_TIMESTAMPNS = 35
PCAP_MAGIC = {0xa1b2c3d4: 1e-6, 0xa1b23c4d: 1e-9}


@dataclasses.dataclass(repr=False)
class Frame:
    """One frame.  Fields that its kind does not have keep their defaults."""
    data: bytes
    time: float = 0.0       # seconds
    outgoing: bool = False  # sent by the host it was captured on; unknown in a capture file
    to: str = ""
    sender: str = ""
    kind: int = 0           # ethertype
    op: int = 0             # ARP: 1 request, 2 reply; neighbour discovery: 1 solicitation, 2 advertisement
    sender_mac: str = ""    # ARP
    target_mac: str = ""    # ARP
    source: str = ""        # IP addresses; ARP's sender and target
    target: str = ""
    about: str = ""         # neighbour discovery: the address that is asked for, or claimed
    protocol: int = 0
    ttl: int = 0
    source_port: int = 0
    target_port: int = 0
    sequence: int = 0
    flags: int = 0          # TCP
    icmp_type: int = -1

    def __repr__(self):
        what = {ARP: f"ARP {self.op}"}.get(self.kind, f"protocol {self.protocol} flags {self.flags:#x} TTL {self.ttl}")
        return (f"<{self.sender} > {self.to}: {what} {self.source}:{self.source_port} > "
                f"{self.target}:{self.target_port}, {len(self.data)} bytes>")

    @property
    def is_syn(self):
        return self.protocol == TCP and self.flags & (SYN | ACK | RST) == SYN

    @property
    def is_reset(self):
        return self.protocol == TCP and self.flags & RST != 0


def mac_text(raw):
    return raw.hex(":")


def mac_bytes(text):
    return bytes.fromhex(text.replace(":", ""))


def decode(data, time=0.0, outgoing=False):
    frame = Frame(data, time, outgoing)
    if len(data) < 14:
        return frame
    frame.to, frame.sender = mac_text(data[:6]), mac_text(data[6:12])
    frame.kind = struct.unpack_from("!H", data, 12)[0]
    if frame.kind == ARP and len(data) >= 42:
        frame.op = struct.unpack_from("!H", data, 20)[0]
        frame.sender_mac, frame.target_mac = mac_text(data[22:28]), mac_text(data[32:38])
        frame.source, frame.target = socket.inet_ntoa(data[28:32]), socket.inet_ntoa(data[38:42])
    if frame.kind == IPV4 and len(data) >= 34:
        frame.ttl, frame.protocol = data[22], data[23]
        frame.source, frame.target = socket.inet_ntoa(data[26:30]), socket.inet_ntoa(data[30:34])
        decode_layer4(frame, data, 14 + (data[14] & 15) * 4)
    if frame.kind == IPV6 and len(data) >= 54:  # without extension headers
        frame.protocol, frame.ttl = data[20], data[21]
        frame.source, frame.target = ipv6_text(data[22:38]), ipv6_text(data[38:54])
        decode_layer4(frame, data, 54)
    return frame


def ipv6_text(raw):
    return socket.inet_ntop(socket.AF_INET6, raw)


def decode_layer4(frame, data, layer4):
    if frame.protocol in (TCP, UDP) and len(data) >= layer4 + 8:
        frame.source_port, frame.target_port = struct.unpack_from("!HH", data, layer4)
    if frame.protocol == TCP and len(data) >= layer4 + 20:
        frame.sequence = struct.unpack_from("!I", data, layer4 + 4)[0]
        frame.flags = data[layer4 + 13]
    if frame.protocol in (ICMP, ICMPV6) and len(data) > layer4:
        frame.icmp_type = data[layer4]
    if frame.protocol == ICMPV6 and frame.icmp_type in DISCOVERY and len(data) >= layer4 + 24:
        frame.op, frame.about = DISCOVERY[frame.icmp_type], ipv6_text(data[layer4 + 8:layer4 + 24])


class Capture:
    """The frames on a host's interface from the object's creation on; frames() may be called repeatedly."""

    def __init__(self, host, interface="eth0"):
        self.socket = host.packet_socket(interface)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.seen = []

    def frames(self):
        while True:
            try:
                data, said, _, address = self.socket.recvmsg(1 << 17, socket.CMSG_SPACE(16))
            except BlockingIOError:
                return self.seen
            seconds, fraction = struct.unpack("qq", said[0][2]) if said else (0, 0)
            self.seen.append(decode(data, seconds + fraction * 1e-9, outgoing=address[2] == PACKET_OUTGOING))

    def close(self):
        self.socket.close()


def read_capture_file(path):
    """The frames of a file that tcpdump -w wrote, without a last record that is cut."""
    with open(path, "rb") as file:
        data = file.read()
    if len(data) < 24:
        return []
    order = "<" if struct.unpack_from("<I", data)[0] in PCAP_MAGIC else ">"
    unit = PCAP_MAGIC[struct.unpack_from(order + "I", data)[0]]
    frames, at = [], 24
    while at + 16 <= len(data):
        seconds, fraction, size, _ = struct.unpack_from(order + "IIII", data, at)
        at += 16
        if at + size <= len(data):
            frames.append(decode(data[at:at + size], seconds + fraction * unit))
        at += size
    return frames


def arp_request(sender_mac, sender, target, to="ff:ff:ff:ff:ff:ff"):
    """The bytes of an ARP request for the target's address."""
    return (mac_bytes(to) + mac_bytes(sender_mac) + struct.pack("!HHHBBH", ARP, 1, IPV4, 6, 4, 1) +
            mac_bytes(sender_mac) + socket.inet_aton(sender) + bytes(6) + socket.inet_aton(target))


def arp_reply(sender_mac, sender, target_mac, target):
    """The bytes of the ARP reply to the target's request."""
    return (mac_bytes(target_mac) + mac_bytes(sender_mac) + struct.pack("!HHHBBH", ARP, 1, IPV4, 6, 4, 2) +
            mac_bytes(sender_mac) + socket.inet_aton(sender) + mac_bytes(target_mac) + socket.inet_aton(target))
