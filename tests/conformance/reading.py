# SPDX-License-Identifier: BSD-2-Clause
"""One line of text for a packet that arrived, checksums checked, and the joining of fragments.

What differs from run to run (source port of gue, a fresh IP id) is masked; `show` names what is printed beyond the
usual: seq (TCP sequence and acknowledgement), id, tos, quote (what an ICMP error quotes), addr (addresses, not
names)."""
import socket
import struct

import packets as P
from lab import label

CHUNK_NAMES = {number: name for name, number in P.CHUNKS.items()}
QUOTING = (3, 4, 5, 11, 12)
MOST_DATA = 400


def header_size(p):
    return (p[0] & 15) * 4


def fragment_of(p):
    """(offset in bytes, whether more follow) of an IPv4 packet."""
    off = struct.unpack("!H", p[6:8])[0]
    return (off & 0x1FFF) * 8, bool(off & 0x2000)


def inner_of(p, unready=False):
    """The IPv4 packet inside a tunnel packet, and the words that describe the tunnel; None where there is no tunnel.
    `unready`: the tunnel's checksum was left to hardware."""
    body = p[header_size(p):struct.unpack("!H", p[2:4])[0]]
    if p[9] == P.IPIP:
        return body, ""
    if p[9] == P.GRE and len(body) >= 4 and body[2:4] == b"\x08\x00":
        if body[0] & 0x80:
            return body[8:], " csum" if unready or P.csum(body) == 0 else " BAD-GRE-CSUM"
        return body[4:], ""
    if p[9] == P.UDP and label(socket.inet_ntoa(p[12:16])) == "director" and len(body) >= 12:
        ports = f" port {struct.unpack('!H', body[2:4])[0]}"
        words = f" options {(body[8] & 31) * 4} proto {body[9]}" if body[8] & 31 or body[9] != P.IPIP else ""
        whole = p[12:20] + struct.pack("!BBH", 0, P.UDP, len(body)) + body
        sums = "" if body[6:8] == b"\0\0" else " csum" if unready or P.csum(whole) == 0 else " BAD-L4-CSUM"
        return body[12 + (body[8] & 31) * 4:], ports + words + sums
    return None


class Reader:
    """Reads the packets of one step. `sent` are the IP ids that the step itself sent."""

    def __init__(self, show=(), sent=()):
        self.show, self.sent, self.fresh = show, sent, []

    def name(self, packed):
        ip = socket.inet_ntoa(packed)
        return ip if "addr" in self.show else label(ip)

    def extras(self, p):
        out = ""
        if "tos" in self.show:
            out += f" tos {p[1]}"
        if "id" in self.show:
            out += f" id {self.ident(struct.unpack('!H', p[4:6])[0])}"
        return out

    def ident(self, number):
        if number == 0:
            return "0"
        if number in self.sent:
            return "as-sent"
        if number not in self.fresh:
            self.fresh.append(number)
        return f"fresh{self.fresh.index(number) + 1}"

    def ip(self, p, cut=False, unready=False):
        """`cut`: the end is missing (a fragment's content, an ICMP error's quotation), so checksums cannot be right;
        `unready`: the outermost one need not be."""
        ihl, total = header_size(p), struct.unpack("!H", p[2:4])[0]
        offset, more = fragment_of(p)
        bad = "" if P.csum(p[:ihl]) == 0 else " BAD-IP-CSUM"
        body = p[ihl:total]
        src, dst = self.name(p[12:16]), self.name(p[16:20])
        cut = cut or len(p) < total
        tail = f"ttl {p[8]}{self.extras(p)}{bad}"
        if offset:
            mf = " more-frags" if more else ""
            return f"{src} > {dst} proto {p[9]} frag {offset // 8} len {len(body)}{mf} {tail}"
        mf = " more-frags" if more else ""
        tunnel = inner_of(p, unready)
        if tunnel:
            kind = {P.IPIP: "ipip", P.GRE: "gre", P.UDP: "gue"}[p[9]]
            inner, words = tunnel
            df = " df" if p[6] & 0x40 else ""
            words = "" if more else words
            size = f" cut to {len(inner)}" if more else ""
            return f"{kind} {src} > {dst}{words}{df} [{self.ip(inner, more or cut)}{size}]{mf} {tail}"
        reader = {P.TCP: self.tcp, P.UDP: self.udp, P.SCTP: self.sctp}.get(p[9])
        if reader and len(body) >= 8:
            sp, dp = struct.unpack("!HH", body[:4])
            what, ok = reader(p, body, more or cut or unready)
            return f"{src}:{sp} > {dst}:{dp} {what}{mf} {tail}{'' if ok else ' BAD-L4-CSUM'}"
        if p[9] == P.ICMP:
            return f"{src} > {dst} icmp {self.icmp(body, tail, more or cut)}"
        return f"{src} > {dst} proto {p[9]} {tail}"

    def tcp(self, p, body, cut):
        if len(body) < 20:
            return f"tcp cut to {len(body)}", True
        what = "".join(f for i, f in enumerate(P.TCP_FLAGS) if body[13] >> i & 1)
        if "seq" in self.show:
            what += " seq %d ack %d" % struct.unpack("!II", body[4:12])
        whole = p[12:20] + struct.pack("!BBH", 0, P.TCP, len(body)) + body
        return what + payload(body[(body[12] >> 4) * 4:]), cut or P.csum(whole) == 0

    def udp(self, p, body, cut):
        whole = p[12:20] + struct.pack("!BBH", 0, P.UDP, len(body)) + body
        ok = cut or P.csum(whole) == 0 or body[6:8] == b"\0\0"
        return "udp" + payload(body[8:]), ok

    def sctp(self, p, body, cut):
        names, at, carried = [], 12, b""
        while at + 4 <= len(body):
            kind, _, size = struct.unpack("!BBH", body[at:at + 4])
            names.append(CHUNK_NAMES.get(kind, str(kind)))
            if names[-1] == "DATA":
                carried += body[at + 16:at + size]
            at += max(4, size + -size % 4)
        ok = cut or P.crc32c(body[:8] + bytes(4) + body[12:]) == struct.unpack("<I", body[8:12])[0]
        return "sctp " + "+".join(names) + payload(carried), ok

    def icmp(self, body, tail, cut):
        ok = "" if cut or P.csum(body) == 0 else " BAD-ICMP-CSUM"
        about = ""
        if body[0] in QUOTING and len(body) >= 36:
            quoted = body[8:]
            if "quote" in self.show:
                about = f" about [{self.ip(quoted, True)}] quoting {len(quoted)}"
            elif inner_of(quoted) and quoted[9] != P.UDP:
                about = f" about proto {quoted[9]} {self.name(quoted[12:16])} > {self.name(quoted[16:20])}"
            else:
                sp, dp = struct.unpack("!HH", quoted[20:24])
                about = f" about {self.name(quoted[12:16])}:{sp} > {self.name(quoted[16:20])}:{dp}"
            if body[0] == 3 and body[1] == 4:
                about += f" mtu {struct.unpack('!H', body[6:8])[0]}"
        return f"{body[0]}/{body[1]}{about} {tail}{ok}"


def payload(data):
    if not data:
        return ""
    if not data.strip(b"x"):
        return f" len {len(data)}"
    return f" data {data[:MOST_DATA]!r}"


class Joiner:
    """Joins the fragments that arrive, inside tunnels as well, as the receiving host would."""

    def __init__(self):
        self.parts = {}

    def whole(self, host, p):
        """The packets that `p` completes: none, or one, or one and what was fragmented inside it."""
        offset, more = fragment_of(p)
        if not offset and not more:
            tunnel = inner_of(p)
            return self.whole(host, tunnel[0]) if tunnel and len(tunnel[0]) >= 20 else []
        ihl, total = header_size(p), struct.unpack("!H", p[2:4])[0]
        key = (host, p[12:20], p[9], p[4:6])
        known = self.parts.setdefault(key, {"first": None, "end": None, "body": {}})
        known["body"][offset] = p[ihl:total]
        if not more:
            known["end"] = offset + total - ihl
        if not offset:
            known["first"] = p[:ihl]
        body = b""
        while len(body) in known["body"]:
            body += known["body"][len(body)]
        if known["first"] is None or known["end"] is None or len(body) < known["end"]:
            return []
        del self.parts[key]
        h = known["first"]
        df = bytes([h[6] & 0x40, 0])
        h = h[:2] + struct.pack("!H", ihl + len(body)) + h[4:6] + df + h[8:10] + b"\0\0" + h[12:]
        packet = h[:10] + struct.pack("!H", P.csum(h)) + h[12:] + body
        return [packet] + self.whole(host, packet)
