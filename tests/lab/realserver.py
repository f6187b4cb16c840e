# SPDX-License-Identifier: BSD-2-Clause
"""init/rawvs-realserver under busybox ash and under dash: direct routing, and what all modes have in common."""
import pathlib

from case import all_answered, case, same, true
from init_scripts import SHELLS, Script
from lab.director import Director, virtual
from lab.frames import ARP, Capture, arp_request
from lab.namespaces import eventually
from lab.topology import ADDRESS, VIP, VIP2, mac_of



def bare(host):
    """Undoes what the lab's topology has set on a real server."""
    host.ip(*[f"addr del {vip}/32 dev lo" for vip in (VIP, VIP2)])
    host.sysctl(conf__all__arp_ignore=0, conf__all__arp_announce=0)


def realserver_script(lab, shell):
    state = lab.directory / f"{'-'.join(shell)}.state"
    return Script(lab, "rs1", "rawvs-realserver", shell, STATE=state, VIPS=f"{VIP} {VIP2}"), state


def settings_of(host, device="lo"):
    """Every IPv4 setting of every interface, and what is on lo, or on another one."""
    with host.inside():
        files = sorted(pathlib.Path("/proc/sys/net/ipv4/conf").glob("*/*"))
        values = {f"{file.parent.name}/{file.name}": file.read_text().strip() for file in files}
    return values, host.run("ip", "addr", "show", device).stdout


def changed_since(before, host):
    """The settings that have other values than before: those values."""
    return {key: value for key, value in settings_of(host)[0].items() if value != before[0].get(key)}


def same_as_before(before, host, what, device="lo"):
    same(changed_since(before, host), {}, f"settings that differ {what}")
    same(settings_of(host, device)[1], before[1], f"{device} {what}")


def answers_arp(lab, target):
    """Whether rs1 answers the local client's ARP request.  It answers in order, and always for its own address."""
    capture, asker = Capture(lab["local"]), lab["local"].packet_socket("eth0")
    for address in (target, ADDRESS["rs1"]):
        asker.send(arp_request(mac_of("local"), ADDRESS["local"], address))

    def from_rs1():
        return [f.source for f in capture.frames() if f.kind == ARP and f.op == 2 and f.sender == mac_of("rs1")]

    eventually(lambda: ADDRESS["rs1"] in from_rs1(), 5, "rs1's ARP reply for its own address")
    return target in from_rs1()


@case(seconds=60, needs=("dash",), servers=("rs1",))
def a_real_server_serves_without_answering_for_the_vip_and_stop_undoes_exactly_that(lab):
    bare(lab["rs1"])
    lab["rs1"].sysctl(conf__eth0__arp_announce=1)  # not everything stands at its default
    lab.serve_web()
    director = Director(lab, virtual(servers=("rs1",))).start()
    for shell in SHELLS:
        script, state = realserver_script(lab, shell)
        before = settings_of(lab["rs1"])
        true("not started" in script.gives(3, "status"), "status before")
        for _ in range(2):
            script.gives(0, "start")
            same(changed_since(before, lab["rs1"]), {
                "all/arp_ignore": "1", "all/arp_announce": "2", "eth0/arp_ignore": "1", "eth0/arp_announce": "2"},
                "settings that start has changed")
            for number, vip in enumerate((VIP, VIP2), 1):
                found = lab["rs1"].run("ip", "addr", "show", "lo").stdout
                true(f"inet {vip}/32 scope host lo:rawvs{number}\n" in found, found)
        same([answers_arp(lab, vip) for vip in (VIP, VIP2)], [False, False], "answers ARP for the VIPs")
        expected = "".join(f"{vip} on lo: yes\n{vip} answered for in ARP: no\n" for vip in (VIP, VIP2))
        expected += "arp_ignore: 1 on all, 1 on eth0\narp_announce: 2 on all, 2 on eth0\n"
        same(script.gives(0, "status"), expected + "rawvs-realserver: everything is right\n", "status")
        all_answered(lab.request("client", 10), 10)
        script.gives(0, "restart")
        all_answered(lab.request("client", 10), 10)
        script.gives(0, "stop")
        same_as_before(before, lab["rs1"], "after the stop")
        true(not state.exists(), "the state file is still there")
        script.gives(0, "stop")
        script.gives(0, "try-restart")
        same_as_before(before, lab["rs1"], "after try-restart")
    true("answers ARP for VIP" not in director.log(), director.log())


@case(seconds=60, needs=("dash",), servers=("rs1",))
def what_was_changed_by_hand_in_between_is_left_and_told(lab):
    bare(lab["rs1"])
    for shell in SHELLS:
        script, _ = realserver_script(lab, shell)
        before = settings_of(lab["rs1"])
        lab["rs1"].ip(f"addr add {VIP2}/32 dev lo")
        true(f"VIP {VIP2} was on lo before" in script.gives(0, "start"), "start does not say that a VIP was there")
        lab["rs1"].sysctl(conf__all__arp_ignore=8, conf__eth0__arp_announce=1)
        lab["rs1"].ip(f"addr del {VIP}/32 dev lo")
        true(f"{VIP} on lo: no; expected yes\n" in script.gives(1, "status"), "status does not tell the missing VIP")
        text = script.gives(0, "stop")
        for words in (f"VIP {VIP}: was not on lo any more",
                      "arp_ignore of all: found 8, but start had set 1: left as it is (before: 0)",
                      "arp_announce of eth0: found 1, but start had set 2: left as it is (before: 0)"):
            true(words in text, f"{words}: not in {text}")
        same(changed_since(before, lab["rs1"]), {"all/arp_ignore": "8", "eth0/arp_announce": "1"},
             "what is not as before")
        true(VIP2 in settings_of(lab["rs1"])[1], "the VIP that was there before start is gone")
        lab["rs1"].ip(f"addr del {VIP2}/32 dev lo")
        lab["rs1"].sysctl(conf__all__arp_ignore=0, conf__eth0__arp_announce=0)


@case(seconds=60, needs=("dash",), servers=("rs1",))
def a_second_start_makes_right_what_was_changed_by_hand(lab):
    bare(lab["rs1"])
    for shell in SHELLS:
        script, _ = realserver_script(lab, shell)
        before = settings_of(lab["rs1"])
        script.gives(0, "start", VIPS=VIP)
        lab["rs1"].sysctl(conf__all__arp_ignore=0, conf__eth0__arp_ignore=0)
        lab["rs1"].ip(f"addr del {VIP}/32 dev lo")
        script.gives(1, "status", VIPS=VIP)
        script.gives(0, "start", VIP2, VIP, VIPS="")
        script.gives(0, "status")
        script.gives(1, "status", VIPS=VIP)
        script.gives(0, "restart", VIPS=VIP)
        same(script.gives(0, "status", VIPS=""), script.gives(0, "status", VIPS=VIP), "status without VIPS")
        script.gives(0, "stop", VIPS="")
        same_as_before(before, lab["rs1"], "after the stop")


@case(seconds=60, needs=("dash",), servers=("rs1",))
def status_says_who_answers_arp_as_the_kernel_does(lab):
    host = lab["rs1"]
    bare(host)
    for shell in SHELLS:
        script, _ = realserver_script(lab, shell)
        for place in ("lo", "lo scope host", "eth0"):
            host.ip(f"addr add {VIP}/32 dev {place}")
            for on_all, on_eth0 in ((0, 0), (1, 0), (0, 1), (2, 0), (0, 3), (5, 0), (8, 0)):
                host.sysctl(conf__all__arp_ignore=on_all, conf__eth0__arp_ignore=on_eth0)
                # With 8, it does not answer even for its own address: there is nothing to wait for.
                answers = False if on_all == 8 else answers_arp(lab, VIP)
                text = script.gives(3 if place == "eth0" else 1, "status", VIPS=VIP)
                said = "yes, on eth0; expected no" if answers else "no"
                true(f"{VIP} answered for in ARP: {said}\n" in text,
                     f"on {place}, arp_ignore {on_all} and {on_eth0}: answers {answers}, but status says:\n{text}")
            host.ip(f"addr del {VIP}/32 dev {place.split()[0]}")
        host.sysctl(conf__all__arp_ignore=0, conf__eth0__arp_ignore=0)


@case(seconds=60, needs=("dash",), servers=("rs1",))
def what_the_script_cannot_do_is_refused_and_nothing_is_changed(lab):
    bare(lab["rs1"])
    for shell in SHELLS:
        script, state = realserver_script(lab, shell)
        before = settings_of(lab["rs1"])
        for code, word, settings in ((6, '"dsr"', {"MODE": "dsr"}), (6, "no VIP", {"VIPS": ""}),
                                     (6, '"192.0.2.256"', {"VIPS": f"{VIP} 192.0.2.256"}),
                                     (6, '"192.0.2.100/24"', {"VIPS": "192.0.2.100/24"}),
                                     (6, '"eth9"', {"INTERFACE": "eth9"}),
                                     (1, "found on eth0", {"VIPS": ADDRESS["rs1"]}),
                                     (4, "/nowhere/state", {"STATE": "/nowhere/state"})):
            for action in ("check", "start") if "STATE" not in settings else ("start",):
                text = script.gives(code, action, **settings)
                true(word in text, f"{settings}: {text}")
        script.gives(2, "stop", VIP)
        script.gives(2, "begin")
        script.gives(7, "reload")
        same(script.gives(0, "check"), "rawvs-realserver: the settings are right\n", "check")
        same_as_before(before, lab["rs1"], "after the refusals")
        true(not state.exists(), "there is a state file")
