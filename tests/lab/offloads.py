# SPDX-License-Identifier: BSD-2-Clause
"""Offloads as the kernel sets them, at full speed: iperf3 through each method, both ways.

TCP gives its network card super-frames of up to 64 KB, and partial checksums.  A director that loses a frame, breaks a
checksum or cuts without need shows here: by a gap at the receiver, a checksum that tcpdump calls incorrect, or small
frames at the server.

All of it runs on one processor: between two of them a kernel may reorder frames of one connection, and TCP sends again
what was only late.
"""
import contextlib
import json
import os

from back_ends import with_io
from case import case, same, true
from lab.director import Director, program, virtual
from lab.namespaces import Trouble, eventually
from programs import HERE, MEGABYTE, unwrap_at

PORT = 5201
WIRE = 1514  # bytes of the longest frame that a card would send
LOST = ("kernel-dropped", "cut", "send-failed", "return-failed")
UP, DOWN = (), ("--reverse",)
# Few enough bytes in flight that no queue of the kernel, 1,000 frames, can overflow with small frames.
GENTLY = ("--window", "256K")


def service(lab, server, **keys):
    return virtual("speed", ports=f"tcp/{PORT}", servers=(server,), family=lab.family, **keys)


def serve(lab, name):
    program = lab[name].start("iperf3", "--server", f"--version{lab.family.version}", "--port", str(PORT))
    eventually(lambda: program.listens_on(PORT), 5, f"iperf3 of {name}")


@contextlib.contextmanager
def one_processor():
    """In this block, for the lab and the programs that it starts."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def tcp_counters(host):
    with host.inside(), open("/proc/thread-self/net/netstat", encoding="ascii") as file:
        names, values = [line.split()[1:] for line in file if line.startswith("TcpExt:")]
    return dict(zip(names, map(int, values)))


def interfaces(host):
    """The kernel's counters of a host's interfaces, as `ip -s link` shows them, by name."""
    return {row["ifname"]: row["stats64"] for row in json.loads(host.run("ip", "-json", "-s", "link").stdout)}


def queues_dropped(lab):
    """Frames that the lab's interfaces, and the machine's own input queues, have dropped for lack of room."""
    with open("/proc/net/softnet_stat", encoding="ascii") as file:
        total = sum(int(line.split()[1], 16) for line in file)
    return total + sum(row[way]["dropped"] for host in lab.hosts.values() for row in interfaces(host).values()
                       for way in ("rx", "tx"))


def transfer(lab, client, megabytes, *options):
    """iperf3 from a client to the VIP; what it reports at its end."""
    done = lab[client].run("iperf3", "--client", lab.family.vip, "--port", str(PORT), "--bytes", f"{megabytes}M",
                           "--json", "--connect-timeout", "5000", *options, check=False, timeout=50)
    report = json.loads(done.stdout or "{}")
    if done.returncode != 0 or "error" in report:
        raise Trouble(f"iperf3 {client} {' '.join(options)}: {report.get('error') or done.stderr.strip()}")
    wanted = megabytes * MEGABYTE
    true(report["end"]["sum_sent"]["bytes"] >= wanted, f"sent: {report['end']['sum_sent']}")
    true(report["end"]["sum_received"]["bytes"] >= wanted * 9 // 10, f"received: {report['end']['sum_received']}")
    return report["end"]


def lost_by(lab, director):
    """What the director has dropped, or failed to receive or send: {} for nothing.

    What it could not send because the interface's own queue was full is not its fault: the kernel counts that, too."""
    lost = director.dropped()
    for link in (row for row in director.ask("exits") if row["row"] == "link"):
        full = interfaces(lab["director"])[link["name"]]["tx"]["dropped"]
        counts = {key: int(link[key]) for key in LOST}
        counts["send-failed"] = max(0, counts["send-failed"] - full)
        lost |= {f"{link['name']} {key}": count for key, count in counts.items() if count}
    return lost


# At the sender: it took something for lost, rightly or not.  Probes (TLP), which a busy machine provokes, do not count:
# they repeat the last frames of a burst, and a loss is the director's only if it has counted it.
SENT_AGAIN = ("TCPFastRetrans", "TCPSlowStartRetrans")
# At the receiver: something was missing, or came late.
GAPS = ("TCPOFOQueue",)


def nothing_is_lost(lab, director, client, server, megabytes, *options):
    """One transfer: nothing is dropped, nothing is missing at the receiver, no checksum is found wrong.

    Frames that another queue has dropped excuse a gap, but nothing that the director counts."""
    sender, receiver = (server, client) if "--reverse" in options else (client, server)
    looks = [(lab[sender], SENT_AGAIN), (lab[receiver], GAPS)]
    before, dropped = [tcp_counters(host) for host, _ in looks], queues_dropped(lab)
    report = transfer(lab, client, megabytes, *options)
    what = f"{client} {' '.join(options) or 'up'}"
    same(lost_by(lab, director), {}, f"{what}: lost by the director")
    after = [tcp_counters(host) for host, _ in looks]
    found = {f"{host.name} {name}": now[name] - was[name]
             for (host, names), was, now in zip(looks, before, after) for name in names if now[name] != was[name]}
    if queues_dropped(lab) == dropped:
        same(found, {}, f"{what}: sent again (iperf3 says {report['sum_sent'].get('retransmits')}), and gaps")
    for host in (sender, receiver):
        for counter in ("InErrs", "InCsumErrors"):
            same(lab[host].kernel_counter(counter, "Tcp"), 0, f"{what}: {counter} of {host}")


def arrives_whole(lab, name, action):
    """During an action, frames longer than the MTU arrive at a host: they were forwarded as one."""
    before = interfaces(lab[name])["eth0"]["rx"]
    action()
    after = interfaces(lab[name])["eth0"]["rx"]
    size = (after["bytes"] - before["bytes"]) / max(1, after["packets"] - before["packets"])
    true(size > WIRE, f"frames that came to {name} have {size:.0f} bytes on average: super-frames did not travel")


@case(seconds=90, needs=("iperf3",))
@one_processor()
def by_direct_routing_super_frames_arrive_whole_and_nothing_is_sent_twice(lab):
    serve(lab, "rs1")
    director = Director(lab, service(lab, "rs1")).start()
    for client in ("client", "local"):
        arrives_whole(lab, "rs1", lambda name=client: nothing_is_lost(lab, director, name, "rs1", 300, *UP))
        nothing_is_lost(lab, director, client, "rs1", 300, *DOWN)


@case(seconds=90, needs=("iperf3",))
@one_processor()
def through_nat_super_frames_arrive_whole_both_ways_and_nothing_is_sent_twice(lab):
    lab.add_inside("in1")
    serve(lab, "in1")
    director = Director(lab, service(lab, "in1 forward=nat"), inside="eth1").start()
    for client in ("client", "local"):
        arrives_whole(lab, "in1", lambda name=client: nothing_is_lost(lab, director, name, "in1", 300, *UP))
        arrives_whole(lab, client, lambda name=client: nothing_is_lost(lab, director, name, "in1", 300, *DOWN))


def room_for_a_tunnel(lab, name):
    """The server asks its clients for segments that fit the tunnel; else each client learns it by a first loss."""
    address, size = lab.family.address, 1440 if lab.family.version == 4 else 1400
    lan = f"src {address[name]}" if lab.family.version == 4 else "proto kernel metric 256"  # as the kernel's own route
    lab[name].ip(f"route replace default via {address['router']} advmss {size}",
                 f"route replace {lab.family.of('192.0.2.0/24')} dev eth0 {lan} advmss {size}")


@case(seconds=90, needs=("iperf3",))
@one_processor()
def through_a_tunnel_super_frames_are_cut_right_and_nothing_is_sent_twice(lab):
    room_for_a_tunnel(lab, "rs1")
    unwrap_at(lab, "rs1")
    serve(lab, "rs1")
    director = Director(lab, service(lab, "rs1 forward=tun")).start()
    for client in ("client", "local"):  # gently: the tunnel's far end is a script
        def go_up(name=client):
            nothing_is_lost(lab, director, name, "rs1", 50, *UP, *GENTLY)
        arrives_whole(lab, "director", go_up)
        nothing_is_lost(lab, director, client, "rs1", 50, *DOWN, *GENTLY)


def by_a_plain_card(lab, host, name="eth0"):
    """Frames from the switch to a host leave as from a card without offloads: segments with full checksums."""
    lab.switch.run("ethtool", "-K", lab[host].switch_port(name), "tx", "off")


def watch(lab, host):
    file = lab.directory / f"{host}.pcap"
    program = lab[host].start("tcpdump", "-Z", "root", "-nni", "eth0", "-Q", "in", "-B", "65536", "-w", str(file),
                              f"tcp port {PORT} or ip proto 4 or ip6 proto 41")
    eventually(lambda: "listening on" in program.text() or not program.running(), 10, "tcpdump")
    true(program.running(), f"tcpdump: {program.text()}")
    return program, file


def checksums_are_right(lab, host, action, least):
    """tcpdump at a host sees at least so many segments during an action, and finds no checksum wrong in them."""
    program, file = watch(lab, host)
    action()
    program.stop()
    lines = lab[host].run("tcpdump", "-Z", "root", "-nnvvr", str(file)).stdout.splitlines()
    wrong = [line.strip() for line in lines if "incorrect" in line or "bad cksum" in line]
    same(wrong[:3], [], f"{host}: checksums that are wrong, {len(wrong)} in all")
    right = sum("(correct)" in line for line in lines)
    true(right >= least, f"{host}: tcpdump found {right} segments with a right checksum, expected {least} or more")
    file.unlink()


def segments(megabytes):
    """Nearly as many as that takes: tcpdump does not tell the last that it saw before it was stopped."""
    return megabytes * MEGABYTE // 1460 * 9 // 10


@case(seconds=90, needs=("iperf3", "ethtool", "tcpdump"))
@one_processor()
def by_direct_routing_every_checksum_is_right_behind_a_card_without_offloads(lab):
    by_a_plain_card(lab, "rs1")
    serve(lab, "rs1")
    director = Director(lab, service(lab, "rs1")).start()
    for client in ("client", "local"):
        for way, least in ((UP, segments(20)), (DOWN, 10)):
            checksums_are_right(lab, "rs1", lambda name=client, options=way: nothing_is_lost(
                lab, director, name, "rs1", 20, *options, *GENTLY), least)


@case(seconds=90, needs=("iperf3", "ethtool", "tcpdump"))
@one_processor()
def through_nat_every_checksum_is_right_both_ways_behind_cards_without_offloads(lab):
    lab.add_inside("in1")
    by_a_plain_card(lab, "in1")
    by_a_plain_card(lab, "local")
    serve(lab, "in1")
    director = Director(lab, service(lab, "in1 forward=nat"), inside="eth1").start()
    for host, way, least in (("in1", UP, segments(20)), ("local", UP, 10), ("in1", DOWN, 10),
                             ("local", DOWN, segments(20))):
        checksums_are_right(lab, host, lambda options=way: nothing_is_lost(
            lab, director, "local", "in1", 20, *options, *GENTLY), least)


@case(seconds=90, needs=("iperf3", "ethtool", "tcpdump"))
@one_processor()
def through_a_tunnel_every_checksum_is_right(lab):
    room_for_a_tunnel(lab, "rs1")
    unwrap_at(lab, "rs1")
    serve(lab, "rs1")
    director = Director(lab, service(lab, "rs1 forward=tun")).start()
    for way, least in ((UP, segments(20)), (DOWN, 10)):
        checksums_are_right(lab, "rs1", lambda options=way: nothing_is_lost(
            lab, director, "local", "rs1", 20, *options, *GENTLY), least)


def start_on_old_kernel(lab, director, lacks):
    """rawvsd as on a kernel whose packet sockets lack something."""
    director.program = lab["director"].start(str(HERE / "old_kernel"), lacks, program("rawvsd"), "-f", "-c",
                                             str(director.ini))
    eventually(lambda: director.ready() or not director.program.running(), 10, "an answer of rawvsd")
    true(director.program.running(), f"rawvsd ended: {director.log()}")
    return director


def both_ways_whole(lab, director):
    """Super-frames through NAT, which has the director in both directions."""
    for host, way in (("in1", UP), ("local", DOWN)):
        arrives_whole(lab, host, lambda options=way: nothing_is_lost(lab, director, "local", "in1", 300, *options))


@case(seconds=90, needs=("iperf3",))
@one_processor()
def plain_sockets_carry_super_frames_whole_as_well(lab):
    lab.add_inside("in1")
    serve(lab, "in1")
    director = Director(lab, service(lab, "in1 forward=nat"), inside="eth1", io="socket").start()
    both_ways_whole(lab, director)


@case(seconds=90, needs=("iperf3",))
@one_processor()
def by_af_xdp_nothing_is_lost_by_direct_routing(lab):
    serve(lab, "rs1")
    director = with_io(lab, "xdp", service(lab, "rs1"))
    for client in ("client", "local"):
        for way in (UP, DOWN):
            nothing_is_lost(lab, director, client, "rs1", 50, *way, *GENTLY)


@case(seconds=90, needs=("iperf3",))
@one_processor()
def by_af_xdp_nothing_is_lost_through_nat(lab):
    lab.add_inside("in1")
    serve(lab, "in1")
    director = with_io(lab, "xdp", service(lab, "in1 forward=nat"), inside="eth1")
    for client in ("client", "local"):
        for way in (UP, DOWN):
            nothing_is_lost(lab, director, client, "in1", 50, *way, *GENTLY)


@case(seconds=90, needs=("iperf3",))
@one_processor()
def where_the_kernel_has_no_rings_plain_sockets_are_taken_and_the_log_says_why(lab):
    lab.add_inside("in1")
    serve(lab, "in1")
    director = start_on_old_kernel(lab, Director(lab, service(lab, "in1 forward=nat"), inside="eth1"), "ring")
    for name in ("eth0", "eth1"):
        true(f"{name}: frames are read by socket: ring: " in director.log(), f"the log:\n{director.log()}")
    both_ways_whole(lab, director)


@case(seconds=90, needs=("iperf3", "ethtool"))
@one_processor()
def where_the_kernel_carries_no_offload_facts_the_log_says_what_to_type_and_plain_cards_serve(lab):
    lab.add_inside("in1")
    serve(lab, "in1")
    for name in ("eth0", "eth1"):
        by_a_plain_card(lab, "director", name)
    director = start_on_old_kernel(lab, Director(lab, service(lab, "in1 forward=nat"), inside="eth1"), "vnet-header")
    for name in ("eth0", "eth1"):
        true(f"ethtool -K {name} " in director.log(), f"the log does not say what to type:\n{director.log()}")
    for way in (UP, DOWN):
        nothing_is_lost(lab, director, "local", "in1", 20, *way, *GENTLY)
