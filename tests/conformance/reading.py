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
QUOTING, QUOTING6 = (3, 4, 5, 11, 12), (1, 2, 3, 4)
MOST_DATA = 400



class Head:
    """The header of an IPv4 or IPv6 packet; IPv6's extension headers belong to it, in `words`."""

    def __init__(self, p):
        self.version = p[0] >> 4
        self.words, self.ident, self.offset, self.more, self.df, self.fragmented = "", 0, 0, False, False, False
        if self.version == 4:
            self.size, self.total, self.proto = (p[0] & 15) * 4, struct.unpack("!H", p[2:4])[0], p[9]
            self.ident, off = struct.unpack("!HH", p[4:8])
            self.offset, self.more, self.df = (off & 0x1FFF) * 8, bool(off & 0x2000), bool(off & 0x4000)
            self.src, self.dst, self.ttl, self.tos = p[12:16], p[16:20], p[8], p[1]
            self.bad = "" if P.csum(p[:self.size]) == 0 else " BAD-IP-CSUM"
            return
        first, length, self.proto, self.ttl = struct.unpack("!IHBB", p[:8])
        self.size, self.total, self.bad, self.tos = 40, 40 + length, "", first >> 20 & 255
        self.src, self.dst = p[8:24], p[24:40]
        self._extensions(p)

    def _extensions(self, p):
        names = {P.HOP: "hop", P.ROUTING: "route", P.DEST: "dst"}
        self.before, self.at = 6, 6    # where the number of the fragment header, and of what follows, is
        while len(p) >= self.size + 8 and not self.offset:
            if self.proto == P.FRAGMENT:
                self.fragmented, self.before = True, self.at
                off, self.ident = struct.unpack("!HI", p[self.size + 2:self.size + 8])
                self.offset, self.more = off & 0xFFF8, bool(off & 1)
                self.words += "" if self.offset or self.more else " atomic"
                size = 8
            elif self.proto in names:
                self.words += " " + names[self.proto]
                size = (p[self.size + 1] + 1) * 8
            else:
                return
            self.proto, self.at = p[self.size], self.size
            self.size += size

    def pseudo(self, proto, size):
        if self.version == 4:
            return self.src + self.dst + struct.pack("!BBH", 0, proto, size)
        return self.src + self.dst + struct.pack("!II", size, proto)


def text_of(packed):
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def inner_of(p, unready=False):
    """The packet inside a tunnel packet, and the words that describe the tunnel; None where there is no tunnel.
    `unready`: the tunnel's checksum was left to hardware."""
    h = Head(p)
    body = p[h.size:h.total]
    if h.offset:
        return None
    if h.proto in (P.IPIP, P.IPV6):
        return body, ""
    if h.proto == P.GRE and len(body) >= 4 and body[2:4] in (b"\x08\x00", b"\x86\xdd"):
        if body[0] & 0x80:
            return body[8:], " csum" if unready or P.csum(body) == 0 else " BAD-GRE-CSUM"
        return body[4:], ""
    if h.proto == P.UDP and label(text_of(h.src)).startswith("director") and len(body) >= 12:
        ports = f" port {struct.unpack('!H', body[2:4])[0]}"
        plain = body[9] in (P.IPIP, P.IPV6)
        words = f" options {(body[8] & 31) * 4} proto {body[9]}" if body[8] & 31 or not plain else ""
        whole = h.pseudo(P.UDP, len(body)) + body
        sums = "" if body[6:8] == b"\0\0" else " csum" if unready or P.csum(whole) == 0 else " BAD-L4-CSUM"
        return body[12 + (body[8] & 31) * 4:], ports + words + sums
    return None


class Reader:
    """Reads the packets of one step. `sent` are the IP ids that the step itself sent."""

    def __init__(self, show=(), sent=()):
        self.show, self.sent, self.fresh = show, sent, []

    def name(self, packed):
        ip = text_of(packed)
        return ip if "addr" in self.show else label(ip)

    def extras(self, h):
        out = ""
        if "tos" in self.show:
            out += f" tos {h.tos}"
        if "id" in self.show:
            out += f" id {self.ident(h.ident)}"
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
        if len(p) < (40 if p[:1] and p[0] >> 4 == 6 else 20):
            return f"cut to {len(p)}"
        h = Head(p)
        body = p[h.size:h.total]
        src, dst = self.name(h.src), self.name(h.dst)
        cut = cut or len(p) < h.total
        tail = f"ttl {h.ttl}{self.extras(h)}{h.words}{h.bad}"
        mf = " more-frags" if h.more else ""
        if h.offset:
            return f"{src} > {dst} proto {h.proto} frag {h.offset // 8} len {len(body)}{mf} {tail}"
        tunnel = inner_of(p, unready)
        if tunnel:
            kind = {P.IPIP: "ipip", P.IPV6: "ipip", P.GRE: "gre", P.UDP: "gue"}[h.proto]
            inner, words = tunnel
            df = " df" if h.df else ""
            words = "" if h.more else words
            size = f" cut to {len(inner)}" if h.more else ""
            return f"{kind} {src} > {dst}{words}{df} [{self.ip(inner, h.more or cut)}{size}]{mf} {tail}"
        reader = {P.TCP: self.tcp, P.UDP: self.udp, P.SCTP: self.sctp}.get(h.proto)
        if reader and len(body) >= 8:
            sp, dp = struct.unpack("!HH", body[:4])
            what, ok = reader(h, body, h.more or cut or unready)
            return f"{src}:{sp} > {dst}:{dp} {what}{mf} {tail}{'' if ok else ' BAD-L4-CSUM'}"
        if h.proto in (P.ICMP, P.ICMP6):
            return f"{src} > {dst} icmp {self.icmp(h, body, tail, h.more or cut or (unready and h.version == 6))}"
        return f"{src} > {dst} proto {h.proto} {tail}"

    def tcp(self, h, body, cut):
        if len(body) < 20:
            return f"tcp cut to {len(body)}", True
        what = "".join(f for i, f in enumerate(P.TCP_FLAGS) if body[13] >> i & 1)
        if "seq" in self.show:
            what += " seq %d ack %d" % struct.unpack("!II", body[4:12])
        whole = h.pseudo(P.TCP, len(body)) + body
        return what + payload(body[(body[12] >> 4) * 4:]), cut or P.csum(whole) == 0

    def udp(self, h, body, cut):
        whole = h.pseudo(P.UDP, len(body)) + body
        ok = cut or P.csum(whole) == 0 or body[6:8] == b"\0\0"
        return "udp" + payload(body[8:]), ok

    def sctp(self, _h, body, cut):
        names, at, carried = [], 12, b""
        while at + 4 <= len(body):
            kind, _, size = struct.unpack("!BBH", body[at:at + 4])
            names.append(CHUNK_NAMES.get(kind, str(kind)))
            if names[-1] == "DATA":
                carried += body[at + 16:at + size]
            at += max(4, size + -size % 4)
        ok = cut or P.crc32c(body[:8] + bytes(4) + body[12:]) == struct.unpack("<I", body[8:12])[0]
        return "sctp " + "+".join(names) + payload(carried), ok

    def icmp(self, h, body, tail, cut):
        six = h.version == 6
        ok = "" if cut or P.csum((h.pseudo(P.ICMP6, len(body)) if six else b"") + body) == 0 else " BAD-ICMP-CSUM"
        about = ""
        if six and body[0] == P.ADVERT:
            # Whether it is a router is the host's own affair.
            flags = [word for bit, word in ((6, "solicited"), (5, "override")) if body[4] >> bit & 1]
            return f"{body[0]}/{body[1]} for {self.name(body[8:24])} {' '.join(flags)} {tail}{ok}"
        if body[0] in (QUOTING6 if six else QUOTING) and len(body) >= (56 if six else 36):
            quoted = body[8:]
            q = Head(quoted)
            if "quote" in self.show:
                about = f" about [{self.ip(quoted, True)}] quoting {len(quoted)}"
            elif (inner_of(quoted) and q.proto != P.UDP) or len(quoted) < q.size + 4:
                about = f" about proto {q.proto} {self.name(q.src)} > {self.name(q.dst)}"
            elif six and q.offset:
                about = f" about {self.name(q.src)} > {self.name(q.dst)} frag {q.offset // 8}"
            else:
                sp, dp = struct.unpack("!HH", quoted[q.size:q.size + 4] if six else quoted[20:24])
                about = f" about {self.name(q.src)}:{sp} > {self.name(q.dst)}:{dp}"
            if (body[0], body[1]) == ((2, 0) if six else (3, 4)):
                about += f" mtu {struct.unpack('!I', body[4:8])[0] if six else struct.unpack('!H', body[6:8])[0]}"
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
        h = Head(p)
        if not h.offset and not h.more:
            tunnel = inner_of(p)
            return self.whole(host, tunnel[0]) if tunnel and len(tunnel[0]) >= 20 else []
        key = (host, h.src, h.dst, h.proto, h.ident)
        known = self.parts.setdefault(key, {"first": None, "end": None, "body": {}})
        known["body"][h.offset] = p[h.size:h.total]
        if not h.more:
            known["end"] = h.offset + h.total - h.size
        if not h.offset:
            known["first"] = p[:h.size]
        body = b""
        while len(body) in known["body"] and known["body"][len(body)]:
            body += known["body"][len(body)]
        if known["first"] is None or known["end"] is None or len(body) < known["end"]:
            return []
        del self.parts[key]
        packet = unfragmented(known["first"], h.version, body)
        return [packet] + self.whole(host, packet)


def unfragmented(h, version, body):
    """A packet of the first fragment's header and the joined content."""
    if version == 4:
        df = bytes([h[6] & 0x40, 0])
        h = h[:2] + struct.pack("!H", len(h) + len(body)) + h[4:6] + df + h[8:10] + b"\0\0" + h[12:]
        return h[:10] + struct.pack("!H", P.csum(h)) + h[12:] + body
    # Headers after the fragment header do not occur here: its eight bytes are the last.
    before, following = Head(h + bytes(8)).before, h[-8]
    h = h[:before] + bytes([following]) + h[before + 1:-8]
    return h[:4] + struct.pack("!H", len(h) - 40 + len(body)) + h[6:] + body
