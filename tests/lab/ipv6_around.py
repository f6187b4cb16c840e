# SPDX-License-Identifier: BSD-2-Clause
"""What is around the packets' path, over IPv6: checks, real servers' set-up, other hosts that want a VIP, and the words
of rawvsadm."""
import functools
import re
import signal

import arp
import doctor
import health
import via_vip
from case import all_answered, case, over_ipv6, same, true
from init_scripts import SHELLS
from lab.director import Director, virtual
from lab.frames import Capture
from lab.namespaces import eventually
from lab.topology import ADDRESS6, IPV6, VIP, VIP6, VIP6_2, mac_of
from doctor import the_one
from realserver import bare, realserver_script
from reload import change
from words import started, told

SERVICE, RS1 = f"[{VIP6}]:80", f"[{ADDRESS6['rs1']}]:80"
CLIENT = ADDRESS6["client"]
web6 = functools.partial(virtual, family=IPV6)
six_case = functools.partial(case, family=IPV6)

over_ipv6("ipv6_around",
          arp.with_arp_defend_clients_get_the_director_although_a_real_server_answers_for_the_vip,
          doctor.a_server_that_lacks_the_vip_is_found_and_given_it,
          health.checks_of_every_kind_find_their_server_well,
          via_vip.a_server_that_lost_its_vip_is_found_at_the_vip_alone,
          via_vip.each_server_gets_its_own_request_and_is_judged_by_its_own_page,
          via_vip.a_server_that_does_not_unwrap_is_found_through_its_tunnel)


# --- real servers ---


def answers_for(lab, target):
    """Whether rs1 advertises itself for an address that a host of the LAN asks for; it does for its own."""
    capture = Capture(lab["local"])
    lab["local"].run("ip", "-6", "neigh", "flush", "all")
    for address in (target, ADDRESS6["rs1"]):  # answered in order
        lab["local"].run("ping", "-c", "1", "-W", "1", address, check=False)

    def said():
        return {f.about for f in capture.frames() if f.op == 2 and f.sender == mac_of("rs1")}
    eventually(lambda: ADDRESS6["rs1"] in said(), 5, "rs1's advertisement of its own address")
    return target in said()


@six_case(seconds=60, needs=("dash",), servers=("rs1",))
def a_real_server_set_up_by_the_script_serves_ipv6_without_answering_for_the_vip(lab):
    host = lab["rs1"]
    bare(host)
    host.ip(*[f"addr del {vip}/128 dev lo" for vip in (VIP6, VIP6_2)])
    lab.serve_web()
    director = Director(lab, web6(servers=("rs1",))).start()
    for shell in SHELLS:
        script, _ = realserver_script(lab, shell)
        script.settings["VIPS"] = f"{VIP} {VIP6}"
        before = host.run("ip", "address").stdout
        script.gives(0, "start")
        script.gives(0, "status")
        same(answers_for(lab, VIP6), False, "rs1 advertises itself for the VIP")
        all_answered(lab.request("client", 10), 10)
        script.gives(0, "stop")
        same(host.run("ip", "address").stdout, before, "addresses after the stop")
    true("answers" not in director.log(), director.log())


# --- other hosts that want a VIP ---


@six_case()
def a_real_server_that_answers_solicitations_for_the_vip_is_named_once_and_listed(lab):
    lab["rs2"].ip(f"addr add {VIP6}/128 dev eth0 nodad")
    director = Director(lab, web6(), arp_probe_interval=1).start()
    text = f"real server {ADDRESS6['rs2']} ({mac_of('rs2')}) answers neighbour solicitations for VIP {VIP6}"
    director.wait_for_log(text, 15)
    rivals = [(row["address"], row["mac"], row["server"]) for row in director.ask("arp") if row["row"] == "rival"]
    same(rivals, [(VIP6, mac_of("rs2"), ADDRESS6["rs2"])], "the rivals in the listing")
    true(mac_of("rs2") in director.admin("neighbours"), director.admin("neighbours"))
    probes = director.exits()["nd-conflict"]
    eventually(lambda: director.exits()["nd-conflict"] > probes + 2, 15, "more answers of rs2")
    same(director.log().count(text), 1, "times it was logged")


@six_case()
def another_machine_that_answers_solicitations_for_the_vip_is_found(lab):
    lab["router"].ip(f"addr add {VIP6}/128 dev eth0 nodad")
    director = Director(lab, web6()).start()
    the_one(director, "rival", f"{mac_of('router')}, which is no real server, answers neighbour solicitations for "
                               f"VIP {VIP6}")


@six_case()
def a_host_that_wants_the_vip_for_itself_is_told_that_it_is_taken(lab):
    """Duplicate address detection (RFC 4862): its probe is answered, and it does not use the address."""
    lab.serve_web()
    director = Director(lab, web6(), garp_count=0, garp_interval=0).start()  # an announcement would end it, too
    at_local = Capture(lab["local"])
    lab["local"].sysctl6(conf__eth0__accept_dad=1, conf__eth0__dad_transmits=1)
    lab["local"].ip(f"addr add {VIP6}/64 dev eth0")
    eventually(lambda: "dadfailed" in lab["local"].run("ip", "-6", "address", "show", "dev", "eth0").stdout, 10,
               "the failure of its duplicate address detection")
    probes = [f for f in at_local.frames() if f.op == 1 and f.about == VIP6 and f.source == "::"]
    answers = [f for f in at_local.frames() if f.op == 2 and f.about == VIP6 and f.target == "ff02::1"]
    true(probes and answers, f"probes {probes}, answers to all hosts {answers}")
    all_answered(lab.request("client", 10), 10)
    same(director.dropped(), {}, "frames dropped")


@six_case()
def a_vip_whose_multicast_group_the_kernel_does_not_join_is_told_once_and_counted(lab):
    """The kernel has no IPv6 on an interface whose MTU is less than 1280."""
    lab.serve_web()
    lab["director"].mtu("eth0", 1000)
    director = Director(lab, web6(), web6("other", address=VIP6_2)).start()

    def missing():
        return [row["missing-groups"] for row in director.ask("exits") if row["row"] == "link"]
    text = "eth0: 2 multicast groups of IPv6 VIPs were not joined: "
    director.wait_for_log(text)
    same(missing(), ["2"], "missing groups")
    director.admin("-A", "-t", f"[{VIP6}]:81")  # what is watched for changes
    director.admin("-A", "-t", f"[{VIP6}1]:80")
    eventually(lambda: missing() == ["3"], 10, f"the third VIP's group; {missing()}")
    same(director.log().count("were not joined"), 1, "times it was logged")
    lab["director"].mtu("eth0", 1500)
    lab.add_ipv6("director")
    eventually(lambda: missing() == ["0"], 10, f"every group; {missing()}")
    all_answered(lab.request("local", 10), 10)
    same(director.log().count("were not joined"), 1, "times it was logged in the end")


# --- the words of rawvsadm ---


@six_case(servers=("rs1", "rs2", "rs3"))
def a_reload_moves_an_ipv6_service_to_another_vip(lab):
    lab.serve_web()
    director = Director(lab, web6()).start()
    change(director, web6(name="other", address=VIP6_2, servers=("rs3",)))
    director.ask("reload")
    same([row["address"] for row in director.ask("arp") if row["row"] == "vip" and row["retired"] == "0"], [VIP6_2],
         "VIPs answered for")
    answers = lab.request("client", 10, url=f"http://[{VIP6_2}]/")
    all_answered(answers, 10)
    same(dict(answers.of), {"rs3": 10}, "who answers")


@six_case()
def explain_says_beforehand_where_an_ipv6_packet_goes(lab):
    lab.serve_web()
    director = Director(lab, web6(servers=("rs1",))).start()
    all_answered(lab.request("local"), 1)
    done = director.admin("explain", f"[{CLIENT}]:4000", SERVICE, check=False)
    same(done.returncode, 0, f"exit status ({done.stderr.strip()})")
    true(re.match(r"1\. ", done.stdout) and RS1 in done.stdout.splitlines()[-1], done.stdout)
    same(told(director, "explain", f"[{CLIENT}]:4000", SERVICE)["verdict"]["server"], RS1, "the server told as JSON")


@six_case()
def trace_tells_each_ipv6_packet_in_and_out(lab):
    lab.serve_web()
    director = Director(lab, web6(servers=("rs1",))).start()
    all_answered(lab.request("local"), 1)
    trace = started(director, "trace", "--client", CLIENT, "--count", "3")
    eventually(lambda: lab.request("client").of and not trace.running(), 15, "the end of a trace of 3 packets")
    same(trace.wait(), 0, f"exit status: {trace.text()}")
    lines = trace.text().splitlines()
    true(re.match(rf"[\d:.]+ eth0 in:  \[{CLIENT}\]:\d+ > {re.escape(SERVICE)} tcp ", lines[0]), lines[0])
    true(lines[1].startswith(f"    forwarded: to {RS1} by DR"), lines[1])
    true(lines[2].endswith(f", {mac_of('director')} > {mac_of('rs1')}"), lines[2])
    same(len(lines), 9, "lines about 3 packets")


@six_case(needs=("tcpdump",))
def capture_shows_each_ipv6_packet_before_and_after_with_the_decision(lab):
    lab.serve_web()
    director = Director(lab, web6(servers=("rs1",))).start()
    all_answered(lab.request("local"), 1)
    file = lab.directory / "seen.pcapng"
    capture = started(director, "capture", str(file), "--client", CLIENT)
    eventually(lambda: lab.request("client").of and file.exists() and file.stat().st_size > 2000, 15,
               "packets in the file")
    same(capture.stop(signal.SIGINT), 0, "exit status after Ctrl-C")
    for way in ("in", "out"):
        true(f"{way}: forwarded: to {RS1} by DR, new connection".encode() in file.read_bytes(), f"no comment {way}")
    read = lab["director"].run("tcpdump", "-enr", str(file), f"ip6 and dst host {VIP6}").stdout.splitlines()
    for line, way in zip(read, (f"> {mac_of('director')}", f"{mac_of('director')} > {mac_of('rs1')}")):
        true(way in line, f"no {way!r} in tcpdump's {line!r}")
    true(len(read) > 2, f"tcpdump reads {len(read)} packets")
