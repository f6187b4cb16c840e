# SPDX-License-Identifier: BSD-2-Clause
"""The director's own kernel does not interfere: it forwards (ip_forward=1), but no frame of the director's."""
import signal
import time

from case import Skip, all_answered, case, same, true
from lab.director import Director, virtual
from lab.frames import ARP, ICMP, Capture
from lab.namespaces import eventually
from lab.topology import ADDRESS, VIP, VIP2, mac_of

DIRECTOR = mac_of("director")


def filters(lab):
    """What tc shows on the interface's ingress: the guard, unless it is a BPF link."""
    return lab["director"].run("tc", "filter", "show", "dev", "eth0", "ingress", check=False).stdout.strip()


def kernel_packets(lab):
    """IPv4 packets that the director's kernel has received."""
    return lab["director"].kernel_counter("InReceives")


def kernel_handles_frames_for_the_vip(lab, vip=VIP):
    """Whether a frame to the director's MAC and the VIP reaches the director's kernel."""
    local = lab["local"]
    local.ip(f"neigh replace {vip} lladdr {DIRECTOR} dev eth0 nud permanent")
    before = kernel_packets(lab)
    local.run("curl", "--silent", "--connect-timeout", "0.5", "--max-time", "1", f"http://{vip}:81/", check=False)
    local.ip(f"neigh del {vip} dev eth0")
    return kernel_packets(lab) > before


def serves_and_keeps_the_kernel_out(lab):
    before = kernel_packets(lab)
    all_answered(lab.request("local", 20), 20)
    same(kernel_packets(lab) - before, 0, "packets of the VIP that the director's kernel saw")


@case()
def with_ip_forward_no_packet_is_doubled_and_the_kernel_says_nothing(lab):
    lab.serve_web()
    Director(lab).start()
    at_servers = [Capture(lab[name]) for name in ("rs1", "rs2")]
    at_director = Capture(lab["director"])
    before = {name: lab["director"].kernel_counter(name) for name in ("InReceives", "ForwDatagrams", "OutRequests")}
    all_answered(lab.request("client", 50), 50)
    # Each as its sender made it, without what a hop changes: a busy client's second SYN has another identification.
    syns = [f.data[14:22] + f.data[26:] for capture in at_servers for f in capture.frames() if f.is_syn]
    true(len(syns) >= 50, f"{len(syns)} SYNs at the servers")
    same(len(syns) - len(set(syns)), 0, "SYNs that came to the servers twice")
    # What the client says itself is forwarded, its resets too: it resets when a FIN comes twice on a busy machine.
    loud = [f for f in at_director.frames()
            if f.outgoing and f.source != ADDRESS["client"] and (f.is_reset or f.protocol == ICMP)]
    same(loud, [], "RST and ICMP sent by the director itself")
    after = {name: lab["director"].kernel_counter(name) for name in before}
    same(after, before, "the kernel's own counters")


@case()
def other_traffic_of_the_router_flows_while_the_director_runs(lab):
    lab.serve_web("rs1", "rs2", "inner")
    Director(lab, inside="eth1").start()
    all_answered(lab.request("client", 20, parallel=5), 20)
    for client in ("client", "local"):
        answers = lab.request(client, 20, parallel=5, url=f"http://{ADDRESS['inner']}/")
        same(answers.of["inner"], 20, f"answers from the inside host to {client}")
    same(lab.request("inner", url=f"http://{ADDRESS['rs1']}/").of["rs1"], 1, "an inside host asks rs1")
    for host in ("client", "local", "inner"):
        lab[host].run("busybox", "ping", "-c", "1", "-W", "30", ADDRESS["director"])


@case()
def the_guard_is_gone_after_the_stop_and_the_kernel_routes_again(lab):
    lab.serve_web()
    director = Director(lab).start()
    serves_and_keeps_the_kernel_out(lab)
    true(not kernel_handles_frames_for_the_vip(lab), "the kernel got frames to the VIP while the director ran")
    same(director.stop(), 0, "exit status")
    same(filters(lab), "", "filters left on eth0")
    true(kernel_handles_frames_for_the_vip(lab), "the kernel does not get frames to the VIP after the stop")


@case()
def the_guard_follows_the_services_that_come_and_go(lab):
    director = Director(lab).start()
    true(kernel_handles_frames_for_the_vip(lab, VIP2), "the kernel did not get frames to an address without a service")
    director.admin("-A", "-t", f"{VIP2}:80", "-s", "rr")
    true(not kernel_handles_frames_for_the_vip(lab, VIP2), "the kernel got frames to a VIP that was added")
    director.admin("-D", "-t", f"{VIP2}:80")
    # Clients' ARP caches still know the address: its last packets are kept from the kernel, too (claim.h: retired).
    true(not kernel_handles_frames_for_the_vip(lab, VIP2), "the kernel got frames to a VIP that was just deleted")


def scattered(count):
    """VIPs of which no two make a network: the longest filters there are."""
    odd = range(1, 2 * count, 2)
    return [f"203.0.113.{number}" if number < 256 else f"198.51.100.{number - 156}" for number in odd]


def guards_put(lab, monitor, so_far):
    """The number of times that the classic guard was put on an interface, by `tc monitor`. It prints late: a change of
    our own, the n-th so far, ends what it has to print of all changes before."""
    lab["director"].run("tc", "qdisc", "replace", "dev", "lo", "root", "pfifo", "limit", str(1000 + so_far))
    eventually(lambda: f"limit {1000 + so_far}p" in monitor.text(), 10, "tc monitor's line about our own change")
    return len([line for line in monitor.text().splitlines() if "bytecode" in line and "deleted" not in line])


@case(seconds=60, needs=("tc",), inside=False)
def hundreds_of_vips_are_guarded_at_once_and_all_of_them_announced(lab):
    vips = scattered(199) + [VIP2]
    monitor = lab["director"].start("tc", "monitor")
    at_desk = Capture(lab["local"])
    sections = [virtual(f"web{number}", vip, servers=()) for number, vip in enumerate(vips[:150])]
    director = Director(lab, *sections, guard="classic", garp_count=1, garp_interval=0).start()
    if "guard attached (classic)" not in director.log():
        raise Skip(f"this kernel has no classic guard: {director.log().strip().splitlines()[-1]}")

    def announced():
        return {f.source for f in at_desk.frames() if f.kind == ARP and f.op == 2 and not f.outgoing}
    eventually(lambda: announced() >= set(vips[:150]), 5, "the announcements of all VIPs")
    at_start = guards_put(lab, monitor, 1)
    true(1 <= at_start <= 3, f"the guard was put {at_start} times for 150 VIPs\n{monitor.text()[:500]}")
    true(kernel_handles_frames_for_the_vip(lab, VIP2), "the kernel did not get frames to an address without a service")
    with director.ini.open("a") as ini:
        for number, vip in enumerate(vips[150:]):
            ini.write("\n" + virtual(f"more{number}", vip, servers=()))
    same(len(director.ask("reload")), 100, "changes that reload made: services and VIPs")
    same(guards_put(lab, monitor, 2) - at_start, 1, "guards that reload put")
    true(not kernel_handles_frames_for_the_vip(lab, VIP2), "reload answered before its VIPs were guarded")
    eventually(lambda: announced() >= set(vips), 5, "the announcements of the new VIPs")


def try_guard(lab, way, in_tc):
    """One way of the guard from start to a start after kill -9."""
    lab.serve_web()
    director = Director(lab, guard=way)
    director.start()
    if "no guard:" in director.log():
        raise Skip(f"this kernel has no {way}: {director.log().strip().splitlines()[-1]}")
    true(f"guard attached ({way})" in director.log(), f"not the guard that was asked for:\n{director.log()}")
    serves_and_keeps_the_kernel_out(lab)
    same(bool(filters(lab)), in_tc, "a filter on eth0 while it runs")
    director.stop(signal.SIGKILL)
    same(bool(filters(lab)), in_tc, "a filter on eth0 after kill -9")
    true(not kernel_handles_frames_for_the_vip(lab), "the kernel gets frames to the VIP after kill -9")
    director.start()
    serves_and_keeps_the_kernel_out(lab)
    director.stop()
    same(filters(lab), "", "filters left on eth0 after the stop")
    # The killed one's link is kept for ten seconds.
    eventually(lambda: kernel_handles_frames_for_the_vip(lab), 20, "frames to the VIP that the kernel gets")


@case()
def the_guard_as_a_tcx_link_outlives_a_killed_director_for_a_while(lab):
    try_guard(lab, "tcx", in_tc=False)


@case(needs=("tc",))
def the_guard_as_a_clsact_filter_outlives_a_killed_director_and_is_taken_over(lab):
    try_guard(lab, "clsact", in_tc=True)


@case(needs=("tc",))
def the_guard_for_kernels_without_ebpf_is_taken_over_as_well(lab):
    try_guard(lab, "classic", in_tc=True)


@case(needs=("tc",))
def vips_that_the_kernel_does_not_guard_are_counted_in_the_log_and_guarded_later(lab):
    host = lab["director"]
    director = Director(lab, guard="classic").start()
    if "guard attached (classic)" not in director.log():
        raise Skip(f"this kernel has no classic guard: {director.log().strip().splitlines()[-1]}")
    host.run("tc", "qdisc", "del", "dev", "eth0", "clsact")  # by another program: the guard has no place any more
    director.admin("-A", "-t", f"{VIP2}:80")
    director.wait_for_log("eth0: 1 of 2 VIPs guarded (classic): interface eth0: guard: ")
    true(kernel_handles_frames_for_the_vip(lab, VIP2), "the kernel did not get frames to a VIP without a guard")
    time.sleep(0.5)  # the filter is made exact a moment after a change, which would put the guard, too
    host.run("tc", "qdisc", "add", "dev", "eth0", "clsact")
    director.wait_for_log("eth0: 2 of 2 VIPs guarded (classic)", 20)
    for vip in (VIP, VIP2):
        true(not kernel_handles_frames_for_the_vip(lab, vip), f"the kernel got frames to {vip}, which is guarded again")
    same(director.log().count("VIPs guarded"), 2, "lines about guarded VIPs: each change is told once")


@case()
def a_director_without_a_guard_warns_and_still_serves(lab):
    lab.serve_web()
    director = Director(lab, guard="off").start()
    true("guard" in director.log(), f"no warning in the log:\n{director.log()}")
    true(kernel_handles_frames_for_the_vip(lab), "guard = off, but the kernel does not get frames to the VIP")
    same(filters(lab), "", "filters on eth0")
    lab["director"].sysctl(ip_forward=0)  # what the warning is about: a forwarding kernel would interfere
    all_answered(lab.request("local", 20), 20)


@case(needs=("tc",))
def filters_that_others_have_on_the_interface_are_left_alone(lab):
    host = lab["director"]
    host.run("tc", "qdisc", "add", "dev", "eth0", "clsact")
    host.run("tc", "filter", "add", "dev", "eth0", "ingress", "pref", "77", "protocol", "ip", "u32",
                      "match", "ip", "dst", "198.51.100.77/32", "flowid", "1:1")
    before = filters(lab)
    lab.serve_web()
    for way in ("auto", "clsact", "classic"):
        director = Director(lab, guard=way).start()
        serves_and_keeps_the_kernel_out(lab)
        director.stop()
        same(filters(lab), before, f"the other filters after guard = {way}")
