# SPDX-License-Identifier: BSD-2-Clause
"""Plays one scenario against a director and records what happened to every packet."""
import os
import re
import time

import packets as P
import reading
from directors import Kernel, Rawvs
from lab import PATIENCE, Lab, ip_batch, sh, sysctl
from scenario import Scenario, Step, translated

QUIET = float(os.environ.get("QUIET", "0.05"))
ARRIVED = "  => "


def expected_arrivals(golden):
    """The golden text's steps, in order: (the step's line, how many frames arrive)."""
    steps = []
    for line in golden.splitlines():
        if not line.startswith(" "):
            steps.append([line, 0])
        elif steps and line.startswith(ARRIVED):
            many = steps[-1][0].startswith("each ") and re.search(r"<- (.*)", line)
            steps[-1][1] += len(many[1].split()) if many else 1
    return [tuple(s) for s in steps if not s[0].startswith("rules:")]


class Play:
    def __init__(self, lab, director, scenario, golden=None):
        self.lab, self.director, self.scenario = lab, director, scenario
        self.expected = expected_arrivals(golden) if golden is not None else None
        self.joiner, self.out, self.missed = reading.Joiner(), [], 0
        self.macs = {P.mac(m): h for (h, _), m in lab.mac.items()}

    def begin(self):
        sc, ns = self.scenario, self.lab.ns["director"]
        # The director's box is often a router.
        forwarding = {"net.ipv6.conf.all.forwarding": 1} if sc.both else {}
        sysctl(ns, {"net.ipv4.ip_forward": 1, **forwarding})
        for to, via in sc.routes:
            ip_batch([f"route add {to} via {via}"], ns)
        for key, value in sc.settings:
            self.director.setting(key, value)
        for word in sc.only[self.director.name]:
            if word[0] == "set":
                self.director.setting(word[1], word[2])
            else:                                      # run COMMAND
                sh(word[1:], ns)
        self.director.start(sc.marks)
        r = self.director.admin(["-R"], "\n".join(sc.rules) + "\n")
        if r.returncode or r.stdout.strip():
            self.out.append(f"rules: rc={r.returncode} {r.stdout.strip()}")
        if sc.timeouts:
            self.director.admin(["--set"] + sc.timeouts)
        self.lab.warm()

    def run(self):
        self.begin()
        for number, text in enumerate(self.scenario.steps):
            self.out.append(text)
            word = text.split()[0]
            if word == "sleep":
                time.sleep(float(text.split()[1]))
            elif word in ("adm", "list"):
                self.command(text)
            else:
                macs = {host: mac for (host, dev), mac in self.lab.mac.items() if dev == "eth0"}
                self.packets(Step(text, macs), self.frames_expected(number, text))
            if self.director.trouble():
                raise RuntimeError(self.director.trouble())
        late = self.lab.drain(QUIET)
        if late:
            self.out += ["after the last step"] + self.plain(late, reading.Reader())
        return "\n".join(self.out) + "\n"

    def frames_expected(self, number, text):
        if self.expected is None or number >= len(self.expected) or self.expected[number][0] != text:
            return None
        return self.expected[number][1]

    def command(self, text):
        rounded = re.search(r" round=(\d+)", text)
        w = translated(re.sub(r" round=\d+", "", text)).split()
        args = w[1:]
        r = self.director.admin(args)

        def expiry(m):
            if not rounded:
                return f"{m[1]}mm:ss "
            step = int(rounded[1])
            return f"{m[1]}{round((int(m[2]) * 60 + int(m[3])) / step) * step}s "

        out = re.sub(r"^(\w+ +)(\d+):(\d\d) ", expiry, r.stdout, flags=re.M)
        lines = [re.sub(r"\s+", " ", l).strip() for l in out.splitlines()]
        if any(re.match(r"-[a-zA-Z]*c", a) for a in args):
            lines = lines[:2] + sorted(lines[2:])
        self.out += [f"  | {l}" for l in lines if l and not l.startswith("IP Virtual Server version")]
        if w[0] == "adm":
            self.out.append(f"  rc {r.returncode}")

    def packets(self, step, expected):
        sent = step.sends()
        self.lab.heard = {P.ADVERT} if step.w[0] == "solicit" else set()
        for host, ip in sent:
            sender = host if host in self.lab.sock else "client"
            dev = "eth1" if sender.startswith("ns") else "eth0"
            to = P.multicast_mac(ip) or P.mac(self.lab.mac[("director", dev)])
            mac = to + P.mac(self.lab.mac[(sender, "eth0")])
            self.lab.send(sender, mac + (b"\x08\x00" if ip[0] >> 4 == 4 else b"\x86\xdd") + ip)
        # A director that missed three packets will fail anyway: do not wait for more.
        arrived = self.lab.drain(QUIET, expected, patience=PATIENCE if self.missed < 3 else QUIET)
        self.missed += len(arrived) < (expected or 0)
        reader = reading.Reader(step.show, [reading.Head(ip).ident for _, ip in sent])
        self.out += self.placement(arrived, reader) if step.many else self.plain(arrived, reader)

    def plain(self, arrived, reader):
        out = []
        for at, got, unready in arrived:
            sender = self.macs.get(got[6:12], got[6:12].hex(":"))
            out.append(f"{ARRIVED}{at}: {reader.ip(got[14:], unready=unready)} (from {sender})")
            for whole in self.joiner.whole(at, got[14:]):
                out.append(f"  whole at {at}: {reader.ip(whole)}")
        return out

    def placement(self, arrived, reader):
        """The clients of each server, one line per server; what the clients themselves got is written in full."""
        servers, rest = {}, []
        for arrival in arrived:
            at, ip = arrival.host, arrival.frame[14:]
            tunnel = reading.inner_of(ip)
            text = reader.ip(tunnel[0] if tunnel else ip)
            if at == "client" or "BAD" in reader.ip(ip, unready=arrival.unready):
                rest.append(arrival)
            else:
                servers.setdefault(at, []).append(text.split()[0])
        out = [f"{ARRIVED}{at} <- {' '.join(names)}" for at, names in sorted(servers.items())]
        return out + self.plain(rest, reader)


def play(mode, path, golden=None):
    """The text of the scenario in file `path`; `mode` says against which director."""
    scenario = Scenario(path)
    lab, director = Lab(scenario.hosts, scenario.links, scenario.both), None
    try:
        lab.up()
        director = (Kernel if mode == "kernel" else Rawvs)(lab)
        return Play(lab, director, scenario, golden).run()
    except (RuntimeError, OSError, ValueError, LookupError) as e:
        return f"error: {e}\n"
    finally:
        if director:
            director.stop()
        lab.down()
