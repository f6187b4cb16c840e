# SPDX-License-Identifier: BSD-2-Clause
"""IPv6: the director's own kernel, which routes, handles no packet of the director's, whatever kind the guard is of."""
from case import Skip, all_answered, case, each_of, same, true
from ipv6 import six_virtual
from lab.director import Director
from lab.frames import Capture
from lab.topology import ADDRESS6, IPV6, VIP6
from nat import inside_web

GUARDS = ("tcx", "clsact", "classic")
FREE6 = f"{VIP6}1"  # an address of nobody


def guarded(lab, guard, *sections, **settings):
    """A director with this guard."""
    director = Director(lab, *sections, guard=guard, **settings).start()
    if "guard attached" not in director.log():
        raise Skip(f"this kernel has no {guard}: {director.log().strip().splitlines()[-1]}")
    true(f"guard attached ({guard})" in director.log(), f"not the guard that was asked for:\n{director.log()}")
    return director


each_guard = each_of({f"with_{guard}": guard for guard in GUARDS}, seconds=60, family=IPV6)


@each_guard
def by_direct_routing_the_kernel_routes_no_ipv6_packet_again(lab, guard):
    lab.serve_web()
    guarded(lab, guard, six_virtual(scheduler="rr"))
    at_client = Capture(lab["client"])
    before = lab["director"].routed()
    all_answered(lab.request("client", 50), 50)
    same(lab["director"].routed() - before, 0, "packets that the director's kernel routed")
    same([f for f in at_client.frames() if f.is_reset and not f.outgoing], [], "resets that the client got")


@case(family=IPV6)
def without_a_guard_the_kernel_routes_them_again(lab):
    lab.serve_web("rs1")
    Director(lab, six_virtual(servers=("rs1",)), guard="off").start()
    before = lab["director"].routed()
    lab["client"].run("ping", "-6", "-c", "1", "-W", "30", VIP6)
    true(lab["director"].routed() > before, "the kernel routed nothing: what do the other tests test?")


@each_guard
def by_nat66_replies_are_the_directors_and_all_else_is_the_kernels(lab, guard):
    inside_web(lab)
    director = guarded(lab, guard, six_virtual(servers=("in1:8080 forward=nat",)), inside="eth1")
    at_client = Capture(lab["client"])
    before = lab["director"].routed()
    all_answered(lab.request("client", 50, parallel=5), 50)
    same(lab["director"].routed() - before, 0, "packets that the director's kernel routed")
    # Past the service: what the guard takes of these replies is given back to the kernel.
    direct = f"http://[{ADDRESS6['in1']}]:8080/"
    all_answered(lab.request("client", 20, parallel=5, url=direct), 20)
    all_answered(lab.request("director", 5, url=direct), 5)
    same([f for f in at_client.frames() if f.is_reset and not f.outgoing], [], "resets that the client got")
    true(lab["director"].routed() > before, "the kernel routed nothing of what passes the service")
    same({name for name in director.dropped() if name != "bad-nd"}, set(), "frames dropped")


@case(family=IPV6, needs=("tc",))
def an_ipv6_vip_that_the_kernel_does_not_guard_is_counted_in_the_log_and_guarded_later(lab):
    host = lab["director"]
    director = guarded(lab, "classic", six_virtual())
    host.run("tc", "qdisc", "del", "dev", "eth0", "clsact")  # by another program: the guard has no place any more
    director.admin("-A", "-t", f"[{FREE6}]:80")
    director.wait_for_log("eth0: 1 of 2 VIPs guarded (classic): interface eth0: guard: ")
    host.run("tc", "qdisc", "add", "dev", "eth0", "clsact")
    director.wait_for_log("eth0: 2 of 2 VIPs guarded (classic)", 20)
