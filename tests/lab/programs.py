# SPDX-License-Identifier: BSD-2-Clause
"""Real programs used by several files of lab tests: a tunnel's far end, large files by HTTP, names by DNS."""
import hashlib
import itertools
import os
import pathlib
import sys

from case import all_answered, same, true
from lab.frames import Capture
from lab.namespaces import eventually

HERE = pathlib.Path(__file__).resolve().parent
MEGABYTE = 1 << 20
CLIENT_PORTS = itertools.count(20000)  # none that the kernel chooses


def unwrap_at(lab, *names, kind="ipip"):
    """The named servers get the VIPs, and a program that unwraps what comes through the tunnel."""
    for name in names:
        host = lab[name]
        if name not in lab.servers:
            lab.build_server(host)
        end = host.start(sys.executable, str(HERE / "decapsulate"), kind)
        eventually(lambda program=end: "ready" in program.text() or not program.running(), 10, "the tunnel's end")
        true(end.running(), f"decapsulate: {end.text()}")


def upload_page(lab, *names):
    """At /cgi-bin/sum these servers return the SHA-256 of an upload."""
    for name in names:
        page = lab.page_root(name) / "cgi-bin" / "sum"
        page.parent.mkdir(exist_ok=True)
        page.write_text('#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\n"; head -c "$CONTENT_LENGTH" | '
                        'sha256sum\n')
        page.chmod(0o755)


def upload(lab, client, content, url=None):
    file = lab.directory / "upload"
    file.write_bytes(content)
    done = lab[client].run("curl", "--silent", "--show-error", "--fail", "--max-time", "120", "--header", "Expect:",
                           "--data-binary", f"@{file}", url or f"{lab.family.url}/cgi-bin/sum")
    same(done.stdout.split()[:1], [hashlib.sha256(content).hexdigest()], f"{client} sends: sha256")


def download(lab, client, content, *names, url=None):
    got = lab.directory / "got"
    for name in names:
        (lab.page_root(name) / "large").write_bytes(content)
    lab[client].run("curl", "--silent", "--show-error", "--fail", "--max-time", "120", "--output", str(got),
                      url or f"{lab.family.url}/large")
    same(hashlib.sha256(got.read_bytes()).hexdigest(), hashlib.sha256(content).hexdigest(), f"{client} gets: sha256")


def fifty_megabytes_each_way(lab, client, *names, url=None):
    """Unchanged, with the kernel's default offloads: super-frames are among the frames."""
    upload_page(lab, *names)
    url = url or lab.family.url
    content = os.urandom(MEGABYTE) * 50
    at_director = Capture(lab["director"])
    upload(lab, client, content, f"{url}/cgi-bin/sum")
    true(max(len(f.data) for f in at_director.frames()) > 1514, "no super-frame came: this shows nothing of offloads")
    at_director.close()
    download(lab, client, content, *names, url=f"{url}/large")


def shared_by_weight(lab, director, client, count, weights, parallel=1):
    """This many requests, all answered; each server got its weight's share of their connections."""
    def connections():
        rows = director.servers()
        return {name: int(rows[lab.family.address[name]]["conns"]) for name in weights}
    before = connections()
    all_answered(lab.request(client, count, parallel=parallel), count)
    got = {name: now - before[name] for name, now in connections().items()}
    made, all_weights = sum(got.values()), sum(weights.values())
    # A port that the client takes again soon, which happens to one or two in a hundred, continues its old connection.
    true(made >= 0.9 * count, f"{made} connections for {count} requests")
    for name, weight in weights.items():  # a turn of the scheduler may have begun before
        true(abs(got[name] - made * weight / all_weights) <= weight, f"{name} got {got[name]} of {made}: {got}")


def a_thousand_requests(lab, director, weights):
    """Forty at a time; each server gets its weight's share, and nothing is dropped."""
    shared_by_weight(lab, director, "client", 1000, weights, parallel=40)
    same(director.dropped(), {}, "frames dropped")


def serve_names(lab, *names, address):
    """A name server on each host: the answer to who.example is the host's name; large.example has 100 addresses."""
    for name in names:
        addresses = [f"--host-record=large.example,198.51.100.{n}" for n in range(100, 200)]
        server = lab[name].start("dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
                                 "--user=root", "--pid-file=", "--bind-interfaces", f"--listen-address={address(name)}",
                                 f"--txt-record=who.example,{name}", "--edns-packet-max=4096", *addresses)
        for protocol in ("udp", "tcp"):
            eventually(lambda program=server, p=protocol: program.listens_on(53, p), 5, f"the name server of {name}")


def dig(lab, name, *options):
    """The answer's words.  Each question has a port of its own: one from a port that was used before, as random ports
    are now and then, would continue the old connection."""
    client = f"{lab.family.address['client']}#{next(CLIENT_PORTS)}"
    return lab["client"].run("dig", "-b", client, f"@{lab.family.vip}", name, "+short", "+tries=1", "+time=60",
                             *options).stdout.split()


def askers_spread(lab, count, *names, options=()):
    """So many questions; each name server has answered as many as the others."""
    same(sorted(dig(lab, "who.example", "TXT", *options)[0] for _ in range(count)),
         sorted([f'"{name}"' for name in names] * (count // len(names))), f"who answered {' '.join(options)}".strip())


def names_by_udp_and_tcp(lab, director, *names):
    """Twenty questions by each, spread evenly; an answer of 1.6 KB comes in fragments by UDP, and whole by TCP."""
    for way in ("+notcp", "+tcp"):
        askers_spread(lab, 20, *names, options=(way,))
        same(len(dig(lab, "large.example", "A", way, "+bufsize=4096", "+ignore")), 100, f"addresses {way}")
    same(director.dropped(), {}, "frames dropped")


def loud(frames, *addresses):
    """Frames that a client must never see: a reset, or anything from a server's own address."""
    return [f for f in frames if f.source in addresses and not f.outgoing]
