# SPDX-License-Identifier: BSD-2-Clause
"""init/rawvs-realserver's other modes, tunnels and NAT, under busybox ash and under dash.

The kernel that the lab runs on need not have IP-in-IP: tunl0 is a TUN device, with tests/lab/decapsulate behind it
where packets come.
"""
import pathlib
import shutil
import sys

from case import Skip, all_answered, case, each_of, same, true
from init_scripts import SHELLS
from ipv6 import six_virtual
from lab.director import Director, virtual
from lab.namespaces import eventually
from lab.topology import ADDRESS, ADDRESS6, DIRECTOR_INSIDE, IPV6, VIP, VIP2, VIP6, six
from programs import HERE
from realserver import bare, changed_since, realserver_script, same_as_before, settings_of

GATE = ADDRESS["director"]
TUNL0 = "tuntap add dev tunl0 mode tun"


def tunnel_script(lab, shell, *modprobe):
    """The script with MODE=tun, and a modprobe of these lines.  Busybox's shell has its own, which nothing replaces."""
    own = [name for name in ("ipip", "sit", "ip6_tunnel") if pathlib.Path("/sys/module", name).exists()]
    if own:
        raise Skip(f"this kernel has tunnels of its own: {' '.join(own)}")
    script, state = realserver_script(lab, shell)
    script.settings["MODE"] = "tun"
    script.program("modprobe", *modprobe)
    return script, state


def nat_script(lab, shell, **settings):
    script, state = realserver_script(lab, shell)
    script.settings.update({"MODE": "nat", "VIPS": "", "GATEWAY": GATE, **settings})
    return script, state


def routes(host):
    return host.run("ip", "route").stdout


# --- MODE=tun ---


@case(seconds=60, needs=("dash",), servers=("rs1",))
def a_real_server_of_a_tunnel_serves_on_tunl0_however_strict_rp_filter_was(lab):
    host = lab["rs1"]
    bare(host)
    host.sysctl(conf__all__rp_filter=1, conf__eth0__rp_filter=0)
    lab.serve_web()
    unwrapping = host.start(sys.executable, str(HERE / "decapsulate"), "ipip", "tunl0")
    eventually(lambda: "ready" in unwrapping.text(), 10, "the tunnel's end")
    host.sysctl(conf__tunl0__rp_filter=1)
    Director(lab, virtual(servers=("rs1 forward=tun",))).start()
    for shell in SHELLS:
        script, state = tunnel_script(lab, shell, "exit 1")
        before = settings_of(host, "tunl0")
        true("not started" in script.gives(3, "status"), "status before")
        for _ in range(2):
            script.gives(0, "start")
            others = ("default/rp_filter", "eth0/rp_filter", "lo/rp_filter")
            kept = {name: "1" for name in others if before[0][name] == "0"}
            same(changed_since(before, host), {
                "all/arp_ignore": "1", "all/arp_announce": "2", "eth0/arp_ignore": "1", "eth0/arp_announce": "2",
                "all/rp_filter": "0", "tunl0/rp_filter": "0", **kept}, "settings that start has changed")
            same("eth0/rp_filter" in kept, True, "eth0 stays as strict as all was")
        found = host.run("ip", "addr", "show", "tunl0").stdout
        for number, vip in enumerate((VIP, VIP2), 1):
            true(f"inet {vip}/32 scope host tunl0:rawvs{number}\n" in found, found)
        expected = "".join(f"{vip} on tunl0: yes\n{vip} answered for in ARP: no\n" for vip in (VIP, VIP2))
        expected += ("arp_ignore: 1 on all, 1 on eth0\narp_announce: 2 on all, 2 on eth0\n"
                     "rp_filter: 0 on all, 0 on tunl0\nrawvs-realserver: everything is right\n")
        same(script.gives(0, "status"), expected, "status")
        all_answered(lab.request("client", 10), 10)
        host.sysctl(conf__tunl0__rp_filter=1)
        text = script.gives(1, "status")
        true("rp_filter: 0 on all, 1 on tunl0; expected 0\n" in text, text)
        true(lab.request("client", 1, patience=1).failures, "rp_filter changes nothing: nothing is tested")
        script.gives(0, "reload")
        all_answered(lab.request("client", 10), 10)
        script.gives(0, "stop")
        same_as_before(before, host, "after the stop", "tunl0")
        true(not state.exists(), "the state file is still there")


@case(seconds=60, needs=("dash",), servers=("rs1",))
def tunl0_comes_with_the_kernels_module_and_goes_down_again(lab):
    host = lab["rs1"]
    bare(host)
    for shell in SHELLS:
        script, _ = tunnel_script(lab, shell, f"[ $1 = ipip ] && exec {shutil.which('ip')} {TUNL0}")
        true("tunl0: not up; expected up\n" in script.gives(3, "status"), "status does not miss tunl0")
        if shell[0] == "busybox":
            host.run("ip", *TUNL0.split())
        script.gives(0, "start")
        script.gives(0, "status")
        true(",UP" in host.run("ip", "link", "show", "tunl0").stdout, "tunl0 is down")
        host.ip("link set tunl0 down")
        true("tunl0: not up; expected up\n" in script.gives(1, "status"), "status does not tell that tunl0 is down")
        script.gives(0, "start")
        script.gives(0, "stop")
        shown = host.run("ip", "addr", "show", "tunl0").stdout
        true(",UP" not in shown and "inet " not in shown, shown)
        script.gives(0, "start")
        host.ip("addr add 192.0.2.77/32 dev tunl0")
        text = script.gives(0, "stop")
        true("tunl0: has an address that start had not added: left up\n" in text, text)
        true("192.0.2.77" in host.run("ip", "addr", "show", "tunl0").stdout, "an address of somebody else is gone")
        host.ip("addr del 192.0.2.77/32 dev tunl0", "link set tunl0 up")
        script.gives(0, "start")
        script.gives(0, "stop")
        true(",UP" in host.run("ip", "link", "show", "tunl0").stdout, "tunl0 was up before start, and is not now")
        host.ip("link del tunl0")


@case(needs=("dash",), servers=("rs1",))
def a_kernel_without_ip_in_ip_is_told_and_nothing_is_changed(lab):
    bare(lab["rs1"])
    for shell in SHELLS[:1]:
        script, state = tunnel_script(lab, shell, "echo no ipip here >&2; exit 1")
        before = settings_of(lab["rs1"])
        for action in ("start", "restart"):
            text = script.gives(1, action)
            true("there is no interface tunl0, and modprobe ipip has made none (no ipip here): " in text, text)
        same_as_before(before, lab["rs1"], "after the refusal")
        true(not state.exists(), "there is a state file")


IN_TUNNELS = {  # the VIP, the server as the director knows it, OUTER, the tunnel's interface
    "ipv6_in_ipv6": (VIP6, ADDRESS6["rs1"], "", "ip6tnl0"),
    "ipv6_in_ipv4": (VIP6, ADDRESS["rs1"], "ipv4", "sit0"),
    "ipv4_in_ipv6": (VIP, ADDRESS6["rs1"], "ipv6", "ip6tnl0"),
}


@each_of(IN_TUNNELS, seconds=60, needs=("dash",), servers=("rs1",), family=IPV6)
def the_script_sets_up_a_real_server_of_a_tunnel_for(lab, kind):
    (vip, server, outer, place), host = kind, lab["rs1"]
    bare(host)
    host.ip(*[f"addr del {one}/128 dev lo" for one in (VIP6, six(VIP2))])
    lab.serve_web()
    unwrapping = host.start(sys.executable, str(HERE / "decapsulate"), "ipip", place)
    eventually(lambda: "ready" in unwrapping.text(), 10, "the tunnel's end")
    director = Director(lab, f"[virtual web]\naddress = {vip}\nports = tcp/80\nserver = {server} forward=tun\n").start()
    url = f"http://[{vip}]/" if vip == VIP6 else f"http://{vip}/"
    answered = "neighbour discovery" if vip == VIP6 else "ARP"
    for shell in SHELLS:
        script, state = tunnel_script(lab, shell, "exit 1")
        script.settings.update(VIPS=vip, OUTER=outer)
        before = settings_of(host, place)
        true("not started" in script.gives(3, "status"), "status before")
        true(lab.request("client", 1, url=url, patience=1).failures, "it answers without the VIP: nothing is tested")
        for _ in range(2):
            script.gives(0, "start")
        text = script.gives(0, "status")
        true(text.startswith(f"{vip} on {place}: yes\n{vip} answered for in {answered}: no\n"), text)
        all_answered(lab.request("client", 10, url=url), 10)
        host.run("ip", "addr", "del", f"{vip}/{128 if vip == VIP6 else 32}", "dev", place)
        true(f"{vip} on {place}: no; expected yes\n" in script.gives(1, "status"), "status does not miss the VIP")
        script.gives(0, "reload")
        all_answered(lab.request("client", 10, url=url), 10)
        script.gives(0, "stop")
        same_as_before(before, host, "after the stop", place)
        true(not state.exists(), "the state file is still there")
    same(director.dropped(), {}, "frames dropped")


# --- MODE=nat ---


@case(seconds=60, needs=("dash",), servers=("rs1",))
def a_nat_server_answers_by_the_director_once_it_is_the_gateway(lab):
    host = lab["rs1"]
    bare(host)
    lab.serve_web()
    Director(lab, virtual(servers=("rs1 forward=nat",))).start()
    for shell in SHELLS:
        script, state = nat_script(lab, shell)
        before, settings = routes(host), settings_of(host)
        true("not started" in script.gives(3, "status"), "status before")
        true(lab.request("client", 1, patience=1).failures, "it answers without the gateway: nothing is tested")
        for _ in range(2):
            true(f"started: default via {GATE}\n" in script.gives(0, "start"), "start")
            found = routes(host)
            true(f"default via {GATE} dev eth0" in found and "via 192.0.2.1 " not in found, found)
        expected = f"gateway {GATE}: on eth0\nroute default via {GATE}: yes\nrawvs-realserver: everything is right\n"
        same(script.gives(0, "status"), expected, "status")
        true(f"{VIP} on this host: no\n" in script.gives(0, "status", VIPS=VIP), "status with a VIP")
        all_answered(lab.request("client", 10), 10)
        script.gives(0, "restart")
        all_answered(lab.request("client", 10), 10)
        script.gives(0, "stop")
        same(routes(host), before, "the routes after the stop")
        same_as_before(settings, host, "after the stop")
        true(not state.exists(), "the state file is still there")


def routes6(host):
    return sorted(host.run("ip", "-6", "route").stdout.splitlines())


@case(seconds=60, needs=("dash",), servers=("rs1",), family=IPV6)
def a_nat_server_of_both_families_has_a_gateway_of_each(lab):
    host = lab["rs1"]
    bare(host)
    for vip in (VIP6, six(VIP2)):
        host.run("ip", "addr", "del", f"{vip}/128", "dev", "lo", check=False)
    lab.serve_web("rs1")
    Director(lab, six_virtual(servers=("rs1 forward=nat",))).start()
    for shell in SHELLS:
        script, state = nat_script(lab, shell, GATEWAY=f"{GATE} {six(GATE).upper()}")
        before, before6 = routes(host), routes6(host)
        true("not started" in script.gives(3, "status"), "status before")
        true(lab.request("client", 1, patience=1).failures, "it answers without the gateway")
        for _ in range(2):
            script.gives(0, "start")
            true(any(f"default via {six(GATE)} dev eth0 metric 82" in line for line in routes6(host)), routes6(host))
            true(set(before6) <= set(routes6(host)), "a route of before is gone")
        same(script.gives(0, "status"),
             f"gateway {GATE}: on eth0\ngateway {six(GATE)}: on eth0\nroute default via {GATE}: yes\n"
             f"route ::/0 via {six(GATE)}: yes\nrawvs-realserver: everything is right\n", "status")
        all_answered(lab.request("client", 10), 10)
        host.run("ip", "-6", "route", "del", "default", "via", six(GATE))
        true(f"route ::/0 via {six(GATE)}: no, but none; expected yes\n" in script.gives(1, "status"), "status")
        script.gives(0, "start")
        script.gives(0, "restart", GATEWAY=six(GATE), NETS="2001:DB8:2::/48 2001:db8:77::1/128")
        same(routes(host), before, "the routes of IPv4 after a restart with a gateway of IPv6 alone")
        found = routes6(host)
        for target in ("2001:db8:2::/48", "2001:db8:77::1"):
            true(any(line.startswith(f"{target} via {six(GATE)} ") for line in found), f"{target}: {found}")
        true(not any(line.startswith(f"default via {six(GATE)}") for line in found), f"NETS are set: {found}")
        script.gives(0, "stop")
        same((routes(host), routes6(host)), (before, before6), "the routes after the stop")
        true(not state.exists(), "the state file is still there")
        for code, word, settings in ((6, "2001:db8::1/32", {"NETS": "2001:db8::1/32"}),
                                     (6, "no address of its family", {"NETS": "2001:db8::/32", "GATEWAY": GATE}),
                                     (6, "one of each", {"GATEWAY": f"{six(GATE)} 2001:db8:1::31"}),
                                     (1, "own address", {"GATEWAY": ADDRESS6["rs1"]}),
                                     (1, "on no network of this host", {"GATEWAY": "2001:db8:99::1"})):
            text = script.gives(code, "start", **settings)
            true(word in text, f"{settings}: {text}")
        same((routes(host), routes6(host)), (before, before6), "the routes after the refusals")


@case(needs=("dash",), servers=("rs1",))
def every_kind_of_route_comes_back_as_it_was(lab):
    host = lab["rs1"]
    bare(host)
    host.ip("route add 198.51.100.7/32 via 192.0.2.32")
    for shell in SHELLS:
        mtu = "mtu 1400" if shell[0] == "dash" else ""  # busybox's ip does not show it
        host.ip(f"route replace 203.0.113.0/24 via 192.0.2.31 {mtu}")
        script, _ = nat_script(lab, shell)
        for default in ("via 192.0.2.1", "via 192.0.2.1 metric 100", "via 192.0.2.1 src 192.0.2.11",
                        "dev eth0 scope link", ""):
            host.run("ip", "route", "del", "default", check=False)
            if default:
                host.ip(f"route add default {default}")
            before = routes(host)
            script.gives(0, "start")
            true(f"default via {GATE} dev eth0" in routes(host), routes(host))
            same("metric 100" in routes(host), "metric" in default, "a route that another one goes before is left")
            script.gives(0, "stop")
            same(routes(host), before, f"the routes after the stop, with default {default}")
        script.settings["NETS"] = "203.0.113.0/24 198.51.100.7/32 198.51.100.128/25"
        script.gives(0, "start")
        for target in ("203.0.113.0/24", "198.51.100.7", "198.51.100.128/25"):
            true(f"{target} via {GATE} dev eth0" in routes(host), routes(host))
        true(f"default via {GATE}" not in routes(host), "NETS are set, and the default route is changed")
        script.gives(0, "status")
        script.gives(1, "status", NETS="203.0.113.0/24")
        script.gives(0, "stop")
        same(routes(host), before, "the routes after the stop, with NETS")


@case(needs=("dash",), servers=("rs1",))
def a_route_that_somebody_has_changed_is_left_and_told(lab):
    host = lab["rs1"]
    bare(host)
    for shell in SHELLS:
        script, state = nat_script(lab, shell)
        script.gives(0, "start")
        host.ip("route replace default via 192.0.2.31")
        text = script.gives(1, "status")
        true(f"route default via {GATE}: no, but via 192.0.2.31 dev eth0; expected yes\n" in text, text)
        text = script.gives(0, "stop")
        true(f"route default: found via 192.0.2.31 dev eth0, but start had set via {GATE}: left as it is "
             f"(before: via 192.0.2.1 dev eth0)\n" in text, text)
        true("default via 192.0.2.31 dev eth0" in routes(host) and not state.exists(), routes(host))
        host.ip(f"route replace default via {GATE}")
        true("was there before: stop will leave it there" in script.gives(0, "start"), "start does not say so")
        script.gives(0, "stop")
        true(f"default via {GATE}" in routes(host), "a route that was there before start is gone")
        host.ip("route replace default via 192.0.2.1")


@case(needs=("dash",), servers=("rs1",))
def a_gateway_or_a_route_that_cannot_serve_is_refused_and_nothing_is_changed(lab):
    host = lab["rs1"]
    bare(host)
    host.ip("route add blackhole 203.0.113.128/25",
            "route add 203.0.113.0/26 nexthop via 192.0.2.31 nexthop via 192.0.2.32")
    for shell in SHELLS:
        script, state = nat_script(lab, shell)
        before = routes(host)
        for code, word, settings in ((6, 'GATEWAY: found ""', {"GATEWAY": ""}), (6, '"gate1"', {"GATEWAY": "gate1"}),
                                     (1, "own address", {"GATEWAY": ADDRESS["rs1"]}),
                                     (1, "on no network of this host", {"GATEWAY": DIRECTOR_INSIDE}),
                                     (6, '"203.0.113.1/24"', {"NETS": "203.0.113.1/24"}),
                                     (6, '"203.0.113.0"', {"NETS": "203.0.113.0"}),
                                     (6, '"203.0.113.0/33"', {"NETS": "203.0.113.0/33"}),
                                     (1, "expected one by a gateway", {"NETS": "192.0.2.0/24"}),
                                     (1, "blackhole", {"NETS": "203.0.113.128/25"}),
                                     (1, "route 203.0.113.0/26: found", {"NETS": "203.0.113.0/26"}),
                                     (1, "found on eth0; expected nowhere", {"VIPS": ADDRESS["rs1"]})):
            for action in ("check", "start"):
                text = script.gives(code, action, **settings)
                true(word in text, f"{settings}: {text}")
        same(routes(host), before, "the routes after the refusals")
        true(not state.exists(), "there is a state file")


@case(needs=("dash",), servers=("rs1",))
def another_mode_or_gateway_takes_a_restart(lab):
    host = lab["rs1"]
    bare(host)
    host.run("ip", *TUNL0.split())
    for shell in SHELLS:
        script, _ = realserver_script(lab, shell)
        before, its_routes = settings_of(host), routes(host)
        script.gives(0, "start")
        text = script.gives(1, "start", MODE="tun")
        true("MODE: found tun, but this host was started with MODE=dr: restart changes that" in text, text)
        true("mode: dr, by an earlier start; expected tun\n" in script.gives(1, "status", MODE="tun"), "status")
        script.gives(0, "restart", MODE="tun")
        script.gives(0, "status", MODE="tun")
        true(VIP not in host.run("ip", "addr", "show", "lo").stdout, "the VIP is still on lo")
        script.gives(0, "restart", MODE="nat", VIPS="", GATEWAY=GATE)
        script.gives(0, "status", MODE="nat", VIPS="", GATEWAY=GATE)
        text = script.gives(1, "start", MODE="nat", VIPS="", GATEWAY="192.0.2.31")
        said = f"GATEWAY: found 192.0.2.31, but this host was started with GATEWAY={GATE}: restart changes that"
        true(said in text, text)
        script.gives(0, "restart", MODE="nat", VIPS="", GATEWAY="192.0.2.31")
        script.gives(0, "stop")
        same(routes(host), its_routes, "the routes after the stop")
        same_as_before(before, host, "after the stop")
        shown = host.run("ip", "addr", "show", "tunl0").stdout
        true("inet " not in shown and ",UP" not in shown, shown)
