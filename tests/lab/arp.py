# SPDX-License-Identifier: BSD-2-Clause
"""The VIPs as their LAN sees them: ARP answered, announced, and defended against servers that answer for themselves."""
import itertools
import statistics

from case import all_answered, case, same, true
from lab.director import Director, virtual
from lab.frames import ARP, Capture, arp_reply, arp_request
from lab.namespaces import eventually
from lab.topology import ADDRESS, IPV6, NOBODY, VIP, VIP2, mac_of

LOCAL = (mac_of("local"), ADDRESS["local"])
DIRECTOR = mac_of("director")


def ask(capture, asker, target, number=1):
    """The reply to the local client's request, after `number` replies for this address in all."""
    asker.send(arp_request(*LOCAL, target))
    return eventually(lambda: replies(capture, target)[number - 1:], 5, f"an ARP reply for {target}")[0]


def replies(capture, address):
    return [f for f in capture.frames() if f.kind == ARP and f.op == 2 and f.source == address and not f.outgoing]


def neighbour(host, address):
    """The MAC address in a host's neighbour table, or an empty text."""
    words = host.run("ip", "neigh", "show", address).stdout.split()
    return words[words.index("lladdr") + 1] if "lladdr" in words else ""


@case()
def the_arp_reply_for_a_vip_is_right_to_the_byte(lab):
    Director(lab, garp_count=0).start()
    capture, asker = Capture(lab["local"]), lab["local"].packet_socket("eth0")
    reply = ask(capture, asker, VIP)
    same(reply.data[:42].hex(), arp_reply(DIRECTOR, VIP, *LOCAL).hex(), "the reply's bytes")


@case()
def an_address_without_a_service_is_never_answered_for(lab):
    director = Director(lab, garp_count=0).start()
    capture, asker = Capture(lab["local"]), lab["local"].packet_socket("eth0")
    for address in (NOBODY, VIP2):
        asker.send(arp_request(*LOCAL, address))
    ask(capture, asker, VIP)  # answered in order: the others have been decided on by now
    same(replies(capture, NOBODY) + replies(capture, VIP2), [], "replies for addresses without a service")
    director.admin("-D", "-t", f"{VIP}:80")
    director.admin("-A", "-t", f"{VIP2}:80", "-s", "rr")
    before = len(replies(capture, VIP))
    asker.send(arp_request(*LOCAL, VIP))
    ask(capture, asker, VIP2)
    same(len(replies(capture, VIP)), before, "replies for a VIP whose service was deleted")


@case()
def arp_for_a_vip_is_answered_within_five_milliseconds(lab):
    Director(lab, garp_count=0).start()
    capture, asker = Capture(lab["local"]), lab["local"].packet_socket("eth0")
    numbers = itertools.count(1)

    def times():
        ask(capture, asker, VIP, next(numbers))
        asked = [f.time for f in capture.frames() if f.outgoing and f.op == 1]
        return [reply.time - question for question, reply in zip(asked, replies(capture, VIP))]
    # A busy machine delays single replies; a director that waits for something delays all of them.
    eventually(lambda: len([took for took in times() if took < 0.005]) >= 10, 10, "ten answers within 5 ms")
    return f"half of them took {statistics.median(times()) * 1000:.1f} ms at most"


@case()
def a_vip_that_appears_is_announced_in_both_forms_and_changes_stale_neighbour_tables(lab):
    director = Director(lab).start()
    lab["local"].ip(f"neigh replace {VIP2} lladdr 02:00:00:00:00:99 dev eth0 nud stale")
    capture = Capture(lab["local"])
    director.admin("-A", "-t", f"{VIP2}:80", "-s", "rr")
    eventually(lambda: {f.op for f in capture.frames() if f.source == VIP2} == {1, 2}, 5, "both forms of announcement")
    for frame in [f for f in capture.frames() if f.source == VIP2]:
        same((frame.to, frame.sender, frame.sender_mac), ("ff:ff:ff:ff:ff:ff", DIRECTOR, DIRECTOR), "its MACs")
        same(frame.target, VIP2, "its target address")
    eventually(lambda: neighbour(lab["local"], VIP2) == DIRECTOR, 5, "the director's MAC at the client")


@case()
def announcements_come_as_often_as_garp_count_says(lab):
    capture = Capture(lab["local"])
    Director(lab, garp_count=2, garp_interval=0).start()

    def forms():
        return sorted(f.op for f in capture.frames() if f.source == VIP and f.target == VIP)

    eventually(lambda: len(forms()) >= 4, 10, "two announcements")
    ask(capture, lab["local"].packet_socket("eth0"), VIP)
    same(forms(), [1, 1, 2, 2], "forms of the announcements")


@case()
def a_real_server_that_answers_arp_for_the_vip_is_named_once_in_the_log_and_listed(lab):
    lab["rs2"].sysctl(conf__all__arp_ignore=0, conf__eth0__arp_ignore=0)
    director = Director(lab).start()
    text = (f"real server {ADDRESS['rs2']} ({mac_of('rs2')}) answers ARP for VIP {VIP}: "
            "set arp_ignore=1, arp_announce=2 there, see rawvs-realserver(8)")
    director.wait_for_log(text, 15)
    capture, asker = Capture(lab["local"]), lab["local"].packet_socket("eth0")
    for number in range(1, 6):
        ask(capture, asker, VIP, number)
    same(director.log().count(text), 1, "times it was logged")
    rivals = [(row["address"], row["mac"], row["server"]) for row in director.ask("arp") if row["row"] == "rival"]
    same(rivals, [(VIP, mac_of("rs2"), ADDRESS["rs2"])], "the rivals in the listing")
    listing = director.admin("arp")
    true(mac_of("rs2") in listing and ADDRESS["rs2"] in listing, f"rawvsadm arp does not name it:\n{listing}")


@case()
def real_servers_that_are_set_up_properly_are_not_complained_of(lab):
    lab.serve_web()
    director = Director(lab, arp_probe_interval=1).start()
    capture = Capture(lab["rs1"])
    all_answered(lab.request("local", 20), 20)

    def probes():
        asked = [f for f in capture.frames() if f.op == 1 and f.target == VIP and f.sender == DIRECTOR]
        return [f for f in asked if f.source != VIP]  # announcements have the VIP as source, too

    eventually(lambda: len(probes()) > 1, 15, "two probes for the VIP")
    true("answers ARP for VIP" not in director.log(), f"a false alarm:\n{director.log()}")


@case()
def a_server_with_a_fixed_mac_is_never_asked_for(lab):
    lab.serve_web("rs1")
    capture = Capture(lab["rs1"])
    Director(lab, virtual(servers=(f"rs1 mac={mac_of('rs1')}",))).start()
    all_answered(lab.request("local", 3), 3)
    asked = [f for f in capture.frames() if f.op == 1 and f.target == ADDRESS["rs1"] and f.sender == DIRECTOR]
    same(asked, [], "questions for the server's MAC")


@case()
def packets_wait_for_a_server_whose_mac_is_not_known_yet(lab):
    lab.serve_web("rs1")
    lab["switch"].ip("link set rs1-eth0 down")
    director = Director(lab, virtual(servers=("rs1",))).start()
    client = lab["local"].start("curl", "--silent", "--max-time", "20", f"http://{VIP}/")
    eventually(lambda: director.exits()["held"] + director.exits()["server-silent"] > 0, 5, "a packet that waits")
    lab["switch"].ip("link set rs1-eth0 up")
    same(client.wait(25), 0, "exit status of curl")
    same(client.text(), "rs1\n", "the page")


def answers_for_the_vip(lab, name):
    """Lets a real server answer for the VIP, as one does that was not set up for direct routing."""
    if lab.family is IPV6:
        lab[name].ip(f"addr add {lab.family.vip}/128 dev eth0 nodad")
    else:
        lab[name].sysctl(conf__all__arp_ignore=0, conf__eth0__arp_ignore=0)


@case(seconds=60)
def with_arp_defend_clients_get_the_director_although_a_real_server_answers_for_the_vip(lab):
    lab.serve_web()
    answers_for_the_vip(lab, "rs2")
    director = Director(lab, virtual(family=lab.family), arp_defend=1, arp_probe_interval="500ms",
                        garp_interval=0).start()
    director.wait_for_log("until then the claim is repeated to those who ask (arp_defend)", 15)
    vip = lab.family.vip
    for _ in range(10):
        lab["local"].run("ip", "neigh", "flush", "to", vip, "nud", "all")
        lab["local"].run("ping", "-c", "1", "-W", "1", vip, check=False)
        eventually(lambda: neighbour(lab["local"], vip) == DIRECTOR, 5, "the director's MAC address at the client")
        before = director.exits()["forwarded"]
        all_answered(lab.request("local", 2), 2)
        true(director.exits()["forwarded"] > before, "the requests went past the director")
    exits = director.exits()
    true(exits["arp-defended"] + exits["nd-defended"] >= 10, exits)
    row = next(row for row in director.ask("arp") if row["row"] == "vip")
    true(int(row["repeats"]) > 0, row)  # those to one host are at least 100 ms apart
    true(f"claim repeated {row['repeats']}"[:14] in director.admin("arp"), director.admin("arp"))
    found = director.admin("doctor", check=False).stdout
    true("arp_defend repeats the director's claim" in found and "a stopgap" in found, found)
