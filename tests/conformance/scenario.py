# SPDX-License-Identifier: BSD-2-Clause
"""The language of a scenario (README.md describes it): a file's lines, and the packets that a step sends."""
import os
import re

import packets as P
from lab import Spoken, address

NAMES = r"(?<![\w.:\[])(vip2?(?:v[46])?|rs\d(?:v[46])?|ns\d(?:v[46])?|\d+\.\d+\.\d+\.\d+)(:\d+)?(?![\w./])"
# What an IPv4 error is called in ICMPv6: a scenario of both families is written in IPv4's numbers.
# (A source quench has no counterpart: an error of an unknown type.)
ERRORS6 = {(3, 0): (1, 0), (3, 1): (1, 3), (3, 2): (4, 1), (3, 3): (1, 4), (3, 4): (2, 0), (3, 13): (1, 1),
           (4, 0): (127, 0), (11, 0): (3, 0), (11, 1): (3, 1), (12, 0): (4, 0)}
TUNNELS = ("ipip", "gue", "gre")
ONLY = re.compile(r"^(\s*)([46]): +")
OPTIONS = re.compile(r" (ttl|size|df|seq|ack|mtu|id|at|last|of|tos|type|code|quote|port|show|via|csum|order|ext|"
                     r"from|to)=(\S+)")


def source(path):
    """The file that a scenario is in: NAME-6.scn may be NAME.scn, played in IPv6."""
    if not os.path.exists(path) and path.endswith("-6.scn"):
        return path[:-6] + ".scn"
    return path


def families(path):
    """The names that a file's scenario has: NAME, and NAME-6 where its line `families` says so."""
    name = os.path.basename(path)[:-4]
    with open(path) as f:
        return [name] + [name + "-6"] * bool(re.search(r"^families 4 6$", f.read(), re.M))


def spoken(raw):
    """A file's line as the scenario's family has it: without comment, `6: ` before it, `size=1440|1400` in it."""
    line = raw.split("#")[0].rstrip()
    only = ONLY.match(line)
    if only and int(only[2]) != Spoken.family:
        return ""
    return re.sub(r"=(\d+)\|(\d+)", lambda m: "=" + m[1 if Spoken.family == 4 else 2], ONLY.sub(r"\1", line))


def translated(text):
    """A command line with names replaced by addresses, in brackets where IPv6 needs them; -6, -M are the family's."""
    def one(m):
        ip = address(m[1])
        return (f"[{ip}]" if ":" in ip else ip) + (m[2] or "")

    if Spoken.family == 6:     # ipvsadm takes an IPv6 address in brackets only, and these with a port only
        service = re.search(r" -[tu] \S+:(\d+)", text)
        text = re.sub(r"( -r [\w.]+)(?= |$)", r"\1:" + (service[1] if service else "0"), text)
    text = re.sub(r"-M (\d+\.\d+\.\d+\.\d+)", mask, text) if Spoken.family == 6 else text
    if Spoken.family == 6 and re.search(r" -f \d", text) and not re.search(r" -[46]\b", text):
        text = re.sub(r"( -f \d+)", r"\1 -6", text)
    return re.sub(NAMES, one, text) if "-M" not in text else re.sub(r"(?<!-M )" + NAMES, one, text)


def mask(m):
    bits = sum(bin(int(part)).count("1") for part in m[1].split("."))
    return f"-M {bits + 96}"


class Scenario:
    def __init__(self, path):
        self.name = os.path.basename(path)[:-4]
        Spoken.family = 6 if source(path) != path else 4
        Spoken.translated = Spoken.family == 6
        self.rules, self.marks, self.settings, self.steps, self.timeouts = [], [], [], [], None
        self.only = {"kernel": [], "rawvs": []}   # settings and commands of one of the two
        self.routes, self.links = [], {}
        with open(source(path)) as f:
            text = f.read()
        if re.search(r"^family 6$", text, re.M):
            Spoken.family = 6
        self.both = Spoken.family == 6 or bool(re.search(r"\b[a-z]+\d?v6\b", text))
        inside = False
        for raw in text.splitlines():
            line = spoken(raw)
            if not line:
                continue
            if line == "rules:":
                inside = True
            elif inside and line[0] == " ":
                self.rules.append(translated(line.strip()))
            else:
                inside = False
                self.line(line)
        self.hosts = sorted(set(re.findall(r"\b((?:rs|ns)\d)(?:v[46])?\b", text)))

    def line(self, line):
        w = line.split()
        if w[0] in ("family", "families"):
            pass
        elif w[0] == "mark":
            self.marks.append((int(w[1]), address(w[2]), w[3], w[4]))
        elif w[0] == "set":
            self.settings.append((w[1], w[2]))
        elif w[0] in self.only:
            self.only[w[0]].append(w[1:])
        elif w[0] == "timeouts":
            self.timeouts = w[1:]
        elif w[0] == "route":           # route ADDRESS via HOST
            self.routes.append((address(w[1]), address(w[3])))
        elif w[0] == "link":            # link eth0 mtu N
            self.links[w[1]] = w[3]
        else:
            self.steps.append(line.strip())

    def seconds(self):
        return sum(float(s.split()[1]) for s in self.steps if s.startswith("sleep "))


def endpoint(text):
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return host, host, int(port[1:] or 0)
    host, _, port = text.partition(":")
    return host, address(host), int(port or 0)


def clients(text):
    """c1..c9:1001 -> c1:1001 to c9:1001; c1:1..9 -> c1:1 to c1:9; c1v4..c9v4:1 likewise."""
    host, _, port = text.partition(":")
    names = [re.fullmatch(r"c(\d+)(v[46])?", name) for name in host.split("..")]
    low, _, high = port.partition("..")
    hosts = [f"c{n}{names[0][2] or ''}" for n in range(int(names[0][1]), int(names[-1][1]) + 1)]
    return [f"{h}:{p}" for h in hosts for p in range(int(low), int(high or low) + 1)]


def unescape(text):
    return text.encode().decode("unicode_escape").encode("latin-1")


class Step:
    """One packet step: its options, and (sending host, IP packet) for everything that it sends."""

    def __init__(self, text, macs=None):
        self.text, self.macs = text, macs
        self.opt = dict(OPTIONS.findall(text))
        words = OPTIONS.sub("", text)
        words, _, data = words.partition(" data ")
        self.data = unescape(data) if data else b""
        self.w = words.split()
        self.show = self.opt.get("show", "").split(",")
        self.many = self.w[0] == "each"

    def number(self, key, default):
        return int(self.opt.get(key, default))

    def header(self):
        ip = {"ttl": self.number("ttl", 64), "df": self.opt.get("df", "1") == "1", "tos": self.number("tos", 0)}
        if "id" in self.opt:
            ip["ident"] = self.number("id", 0)
        if "ext" in self.opt:
            ip["ext"] = self.opt["ext"].split("+")
        return ip

    def fill(self):
        return self.data or b"x" * self.number("size", 0)

    def sends(self):
        kind = self.w[0]
        if self.many:                                          # each [udp] c1..c9:1001 > vip:80 S
            at = 2 if self.w[1] == "udp" else 1
            return [self.plain(self.w[1:at] + [c] + self.w[at + 1:]) for c in clients(self.w[at])]
        if kind == "ping":
            src, dst = address(self.w[1]), address(self.w[3])
            echo = P.icmp_echo(kind=128 if ":" in src else 8)
            return [(self.sender(self.w[1]), P.ip(src, dst, P.ICMP, echo, **self.header()))]
        if kind == "solicit":
            return [self.solicitation()]
        if kind == "unreach":
            return [self.icmp_error()]
        if kind == "frag":
            return [self.fragment()]
        if kind == "frags":
            return self.fragments()
        return [self.plain(self.w)]

    def sender(self, host):
        return self.opt.get("via", host)

    def plain(self, w):
        """[udp|sctp] A > B [FLAGS or CHUNKS]"""
        proto = w[0] if w[0] in ("udp", "sctp") else "tcp"
        w = w if proto == "tcp" else w[1:]
        host, src, _ = endpoint(w[0])
        number, body = self.transport(proto, w)
        return self.sender(host), P.ip(src, endpoint(w[2])[1], number, body, **self.header())

    def transport(self, proto, w, data=None):
        (_, src, sp), (_, dst, dp) = endpoint(w[0]), endpoint(w[2])
        data = self.fill() if data is None else data
        if proto == "udp":
            return P.UDP, P.udp(src, sp, dst, dp, data or b"hello", self.opt.get("csum", "1") == "1")
        if proto == "sctp":
            return P.SCTP, P.sctp(sp, dp, w[3].split("+"), data)
        flags = w[3] if len(w) > 3 else "A"
        flags = "" if flags == "-" else flags
        return P.TCP, P.tcp(src, sp, dst, dp, flags, data, self.number("seq", 1000), self.number("ack", 0))

    def solicitation(self):
        """solicit HOST for TARGET [from=::] [to=unicast]"""
        target, source = address(self.w[3]), self.opt.get("from", address(self.w[1]))
        body = P.solicitation(target, source != "::" and P.mac(self.macs[self.w[1]]))
        to = target if self.opt.get("to") == "unicast" else P.solicited_node(target)
        return self.w[1], P.ip(source, to, P.ICMP, body, **{**self.header(), "ttl": self.number("ttl", 255)})

    def quoted(self, w):
        """The packet that an ICMP error quotes: [udp|sctp] A > B, or ipip|gue|gre DIRECTOR > SERVER [the same]"""
        if w[0] in TUNNELS:
            inner = " ".join(w[4:]).strip("[]").split()
            return P.tunnelled(w[0], address(w[1]), address(w[3]), self.quoted(inner), self.number("port", 6080))
        proto = w[0] if w[0] in ("udp", "sctp") else "tcp"
        w = w[1:] if proto != "tcp" else w
        number, body = self.transport(proto, w + (["DATA"] if proto == "sctp" else []))
        return P.ip(endpoint(w[0])[1], endpoint(w[2])[1], number, body, ttl=63)

    def icmp_error(self):
        """unreach FROM to TO about QUOTED: type 3, code 3, or 4 with mtu=; others with type= and code="""
        at = self.w.index("about") + 1
        inner = self.quoted(self.w[at:])
        quote = self.opt.get("quote", "28")
        six = ":" in address(self.w[1])
        if quote != "all":
            headers = 2 if self.w[at] in TUNNELS and int(quote) > 40 else 1
            longer = 20 * headers if six and ("quote" not in self.opt or Spoken.translated) else 0
            inner = inner[:int(quote) + longer]
        kind = self.number("type", 3)
        code = self.number("code", 4 if "mtu" in self.opt else 0 if "type" in self.opt else 3)
        if six and (Spoken.translated or "type" not in self.opt):
            kind, code = ERRORS6[(kind, code)]
        error = P.icmp_error(kind, code, inner, self.number("mtu", 0))
        host = self.w[1]
        return self.sender(host), P.ip(address(host), address(self.w[3]), P.ICMP, error, **self.header())

    def fragments(self):
        """frags [tcp|sctp] A > B [FLAGS or CHUNKS] of=BYTES [size=BYTES of one] [order=reverse]: all at once"""
        proto = self.w[1] if self.w[1] in ("tcp", "sctp") else "udp"
        w = self.w[1:] if proto == "udp" else self.w[2:]
        number, whole = self.transport(proto, w, b"x" * self.number("of", 1200))
        host, src, piece = w[0].partition(":")[0], endpoint(w[0])[1], self.number("size", 1480)
        piece = min(piece, 1448) if ":" in src else piece
        ip = {**self.header(), "df": self.opt.get("df", "0") == "1", "ident": self.number("id", 77)}
        every = [(self.sender(host), P.ip(src, endpoint(w[2])[1], number, whole[at:at + piece], frag=at // 8,
                                            more=at + piece < len(whole), **ip)) for at in range(0, len(whole), piece)]
        return every[::-1] if self.opt.get("order") == "reverse" else every

    def fragment(self):
        """frag A > B first|rest, or at=BYTES size=BYTES last=0|1 of a UDP datagram with of=BYTES of content"""
        (host, src, sp), (_, dst, dp) = endpoint(self.w[1]), endpoint(self.w[3])
        whole = P.udp(src, sp, dst, dp, b"x" * self.number("of", 1200))
        if len(self.w) > 4:
            begin, end, more = {"first": (0, 800, True), "rest": (800, len(whole), False)}[self.w[4]]
        else:
            begin = self.number("at", 0)
            end, more = begin + self.number("size", len(whole)), self.opt.get("last", "0") == "0"
        ip = {**self.header(), "df": self.opt.get("df", "0") == "1", "ident": self.number("id", 77)}
        return self.sender(host), P.ip(src, dst, P.UDP, whole[begin:end], frag=begin // 8, more=more, **ip)
