# SPDX-License-Identifier: BSD-2-Clause
"""The targets: ratios within one run, wanted and measured."""
from bench.lanes import BEFORE, FAST, OWN
from bench.report import BARE, HAPROXY, KERNEL, NFT, POLLED, STREAM

MEGABYTE = 1024  # KB


def targets(samples, io):
    """(text, measured or None, wanted, whether more is better)"""
    for back_end in io:
        if back_end == FAST:
            yield from fast_targets(samples)
            continue
        for kind in ("", POLLED):
            yield from packet_targets(samples, back_end, kind)
        for kind in ("", POLLED):
            yield from own_targets(samples, f"rawvs NAT {back_end}", kind)
        for method in ("DR", "TUN", "NAT"):
            lane = f"rawvs {method} {back_end}"
            cost = of(samples, f"{lane}, 1,000,000", lane, "cpu_60")
            yield f"{lane}: CPU per packet with 1,000,000 connections, of that with 1,000", cost, 1.3, False
            few = of(samples, lane, BARE, "alone_p50")
            yield f"{lane}: latency of one packet, of the bare forwarder's", few, 1.2, False
            for kind in ("", POLLED):
                yield from family_targets(samples, lane, kind)
                yield from before_targets(samples, lane, kind)
    yield from whole_targets(samples, f" {io[0]}")  # AF_XDP is for packets: rawvs.ini(5) has its limits
    yield "rawvsd stripped, KB", value(samples, "rawvsd", "stripped_bytes", 1000), 780, False


def fast_targets(samples):
    """The fast path beside the kernel's own ways."""
    for method, polled in (("DR", 1.25), ("NAT", 1.15)):
        lane = f"rawvs {method} {FAST}"
        yield f"{lane}{POLLED}: lossless rate, of {NFT}'s", of(samples, lane + POLLED, NFT + POLLED), polled, True
        yield f"{lane}{POLLED}: of the bare ring forwarder's", of(samples, lane + POLLED, BARE + POLLED), 2.2, True
        yield f"{lane}: lossless rate, of {NFT}'s", of(samples, lane, NFT), 1.5, True
        for many in ("300,000", "1,000,000"):
            yield f"{lane}, {many} connections: of {NFT}'s", of(samples, f"{lane}, {many}", f"{NFT}, {many}"), 1.0, True
        for kind in ("", POLLED):
            kept = of(samples, lane + kind, lane + kind, "overload_60", "lossless_60")
            yield f"{lane}{kind}: rate under overload, of its own lossless one", kept, 0.9, True
        yield f"{lane}: TCP throughput, of {KERNEL}'s", of(samples, lane, KERNEL, "gbits"), 1.0, True
        yield f"{lane}: CPU per gigabyte, of {KERNEL}'s", of(samples, lane, KERNEL, "cpu_gigabyte"), 1.0, False
        more = of(samples, lane, KERNEL, "alone_p50")
        yield f"{lane}: latency of one packet, of {KERNEL}'s", more, 1.1, False
        http = of(samples, lane, lane.replace(FAST, "ring"), "requests_new")
        yield f"{lane}: HTTP requests/s on new connections, of the ring's", http, 1.0, True
    dr = f"rawvs DR {FAST}{POLLED}"
    yield f"{dr}: lossless rate, of {KERNEL}'s", of(samples, dr, KERNEL + POLLED), 0.95, True


def whole_targets(samples, end):
    dr, nat = (f"rawvs {method}{end}" for method in ("DR", "NAT"))
    for lane in (dr, nat):
        for other, wanted in ((HAPROXY, 2), (STREAM, 2), (NFT, 0.9)):
            yield f"{lane}: HTTP requests/s, of {other}", of(samples, lane, other, "requests_new"), wanted, True
        for other in (HAPROXY, STREAM):
            could = of(samples, other, lane, "cpu_request")
            yield f"{lane}: HTTP requests that its CPU time would do, of {other}", could, 2, True
        yield f"{lane}: TCP throughput, of {KERNEL}", of(samples, lane, KERNEL, "gbits"), 0.8, True
    yield f"{dr}: memory (Pss) of HAProxy's", of(samples, dr, HAPROXY, "idle_pss_kb"), 0.1, False
    yield f"{dr}: memory per connection, of HAProxy's", per_connection(samples, dr), 0.1, False
    many = value(samples, f"{dr}, 1,000,000", "resident_kb", MEGABYTE)
    yield f"{dr}: resident, 1,000,000 connections, MB", many, 80, False
    yield f"{dr}: wake-ups in 3 s without a packet", value(samples, dr, "wakeups_3s"), 0, False


def family_targets(samples, lane, kind):
    """IPv6 beside IPv4."""
    rate = of(samples, f"{lane} IPv6{kind}", lane + kind)
    yield f"{lane} IPv6{kind}: lossless rate, of IPv4's", rate, 0.95, True
    if not kind:
        many = of(samples, f"{lane} IPv6, 1,000,000", f"{lane}, 1,000,000")
        yield f"{lane} IPv6, 1,000,000 connections: the same", many, 0.95, True


def own_targets(samples, lane, kind):
    """The host's own address as the VIP, beside a free one."""
    rate = of(samples, f"{lane} {OWN}{kind}", lane + kind)
    yield f"{lane} {OWN}{kind}: lossless rate, of a free VIP's", rate, 0.97, True


def before_targets(samples, lane, kind):
    """This rawvsd beside an earlier one, if there is one in this run."""
    before = f"{lane}{BEFORE}{kind}"
    if not samples.has(before, "lossless_60"):
        return
    for words, quantity, more in (("lossless rate", "lossless_60", True), ("rate under overload", "overload_60", True),
                                  ("CPU per packet", "cpu_60", False), ("latency", "alone_p50", False)):
        wanted = 0.98 if more else 1.02
        yield f"{lane}{kind}: {words}, of the one before", of(samples, lane + kind, before, quantity), wanted, more


def packet_targets(samples, back_end, kind):
    """kind: steered or polled, as lanes.py explains."""
    dr, tun, nat = (f"rawvs {method} {back_end}{kind}" for method in ("DR", "TUN", "NAT"))
    if back_end == "xdp":
        for lane in (dr, nat):
            yield f"{lane}: lossless rate, of {NFT}", of(samples, lane, NFT + kind), 1.0, True
            yield f"{lane}: rate under overload, of {NFT}", of(samples, lane, NFT + kind, "overload_60"), 1.0, True
            yield f"{lane}: lossless rate, of the ring's", of(samples, lane, lane.replace("xdp", "ring")), 1.5, True
    else:
        for lane, few in ((dr, 0.90), (tun, 0.85), (nat, 0.85)):
            yield f"{lane}: lossless rate, of the bare ring forwarder's", of(samples, lane, BARE + kind), few, True
        if not kind:
            got = of(samples, f"{dr}, 1,000,000", BARE)
            yield f"{dr}, 1,000,000 connections: the same", got, 0.75, True
    full = nat.replace("NAT", "full NAT")
    yield f"{full}: lossless rate, of NAT's", of(samples, full, nat), 0.95, True
    for lane in (dr, tun, nat, full):
        kept = of(samples, lane, lane, "overload_60", "lossless_60")
        yield f"{lane}: rate under overload, of its own lossless one", kept, 0.8, True


def per_connection(samples, lane):
    full, idle = value(samples, f"{lane}, 1,000,000", "pss_kb"), value(samples, lane, "idle_pss_kb")
    proxy = value(samples, HAPROXY, "bytes_per_connection")
    return (full - idle) * 1024 / 1_000_000 / proxy if full and idle and proxy else None


def of(samples, lane, other, quantity="lossless_60", of_other=None):
    if not samples.has(lane, quantity) or not samples.has(other, of_other or quantity):
        return None
    return samples.ratio(lane, other, quantity, of_other)


def value(samples, lane, quantity, scale=1.0):
    return samples.median(lane, quantity) / scale if samples.has(lane, quantity) else None


def say_targets(samples, io):
    print("\nTargets\n")
    for sentence, got, wanted, more in targets(samples, io):
        if got is None:
            print(f"  {'-':<7} {sentence}: not measured in this run")
            continue
        met = got >= wanted if more else got <= wanted
        print(f"  {'met' if met else 'MISSED':<7} {sentence}: {got:.2f}, wanted {'>=' if more else '<='} {wanted}")
