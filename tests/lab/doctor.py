# SPDX-License-Identifier: BSD-2-Clause
"""rawvsadm doctor: each fault for real, the finding, and that the command which it shows helps."""
import json
import re

from case import all_answered, case, same, true
from health import check
from lab.director import Director, virtual
from lab.namespaces import eventually
from lab.topology import ADDRESS, DIRECTOR_INSIDE, VIP, VIP2, mac_of
from programs import unwrap_at
from vrrp import instance, second_host, wait_for_state

INSIDE = {"inside": "eth1"}


def examine(director):
    """The exit status and the output."""
    done = director.admin("doctor", "--json", check=False)
    same(done.stderr, "", "standard error")
    report = json.loads(done.stdout)
    bad = [one for one in report["findings"] if one["severity"] != "note"]
    same(done.returncode, 1 if bad else 0, f"exit status with {report['findings']}")
    return report


def checks(director):
    return [one["check"] for one in examine(director)["findings"]]


def healthy(director):
    same(examine(director)["findings"], [], "findings")


def the_one(director, check, words):
    """The only finding, as soon as it is this one."""
    eventually(lambda: checks(director) == [check], 15, f"the finding {check} and no other")
    finding = examine(director)["findings"][0]
    true(words in finding["what"], f"{words!r} is not in {finding['what']!r}")
    return finding


def type_it(lab, finding):
    """Runs the finding's command on the host it names (the director's, if it names none)."""
    where, at, command = re.fullmatch(r"(on (\S+): )?(.*?)(?: \(.*\)|, and have .*)?", finding["type"]).groups()
    name = next(n for n, address in lab.family.address.items() if address == at) if where else "director"
    if command.startswith("rawvsadm "):
        return command.split()[1:]
    lab[name].run("sh", "-c", command)
    return None


def in_vain(lab, client, count=3, patience=0.5):
    answers = lab.request(client, count, parallel=count, patience=patience)
    same(len(answers.failures), count, f"requests of {client} that failed")


@case()
def a_healthy_director_has_no_finding_and_is_told_what_was_looked_at(lab):
    lab.serve_web()
    director = Director(lab).start()
    all_answered(lab.request("client", 20), 20)
    healthy(director)
    text = director.admin("doctor")
    for words in ("eth0 is up, with a carrier", f"{VIP} is on no interface of this host", "Not looked at:",
                  "1 service: each has a server", "2 real servers: none is silent", "LRO is off at eth0",
                  "0 errors, 0 warnings, 0 notes"):
        true(words in text, f"{words!r} is not in:\n{text}")


@case()
def a_healthy_nat_has_no_finding(lab):
    lab.add_inside("in1", "in2")
    lab.serve_web("in1", "in2", port=8080)
    director = Director(lab, virtual(servers=("in1:8080 forward=nat", "in2:8080 forward=nat")), **INSIDE).start()
    all_answered(lab.request("client", 20), 20)
    healthy(director)


@case()
def without_rawvsd_its_exit_status_is_2(lab):
    director = Director(lab).start()
    director.stop()
    done = director.admin("doctor", check=False)
    same((done.returncode, done.stdout), (2, ""), "exit status and output")
    true("cannot reach rawvsd at" in done.stderr, done.stderr)


@case()
def a_vip_on_the_directors_host_is_found_and_taken_away(lab):
    director = Director(lab).start()
    lab["director"].ip(f"addr add {VIP}/32 dev lo")
    finding = the_one(director, "vip-on-host", f"VIP {VIP} is configured on this host, on lo")
    type_it(lab, finding)
    healthy(director)


@case()
def a_program_on_a_services_port_of_the_hosts_own_address_is_named(lab):
    lab.add_inside("in1")
    lab["director"].sysctl(ip_local_port_range="32768 39999")
    section = virtual(address=ADDRESS["director"], ports="tcp/80,40000", servers=["in1 forward=nat"])
    director = Director(lab, section, inside="eth1").start()
    healthy(director)
    program = lab["director"].start("busybox", "httpd", "-f", "-p", f"{ADDRESS['director']}:80", "-h", "/")
    eventually(lambda: program.listens_on(80), 5, "the program")
    the_one(director, "own-listener", f"a program of this host listens on tcp/80 of {ADDRESS['director']}")
    program.stop()
    healthy(director)
    lab["director"].sysctl(ip_local_port_range="32768 60999")
    finding = the_one(director, "own-port-range", f"tcp/40000 of {ADDRESS['director']}")
    same(finding["type"].partition(";")[0], "sysctl -w net.ipv4.ip_local_reserved_ports=40000", "what to type")


@case()
def a_director_without_a_guard_is_told_so_where_its_kernel_forwards(lab):
    director = Director(lab, guard="off").start()
    finding = the_one(director, "no-guard", "eth0 has no guard (guard = off), and this host forwards")
    true(f"iptables -t raw -I PREROUTING -i eth0 -d {VIP} -j DROP" in finding["type"], finding["type"])
    lab["director"].sysctl(ip_forward=0)
    healthy(director)


@case(seconds=40)
def a_strict_rp_filter_that_drops_direct_servers_answers_is_found_and_loosened(lab):
    lab.add_inside("in1")
    lab.build_server(lab["in1"])
    lab.serve_web("in1")
    director = Director(lab, virtual(servers=("in1",)), **INSIDE).start()
    all_answered(lab.request("client", 5), 5)
    healthy(director)
    lab["director"].sysctl(conf__eth1__rp_filter=1, conf__eth0__rp_filter=1)
    in_vain(lab, "client")
    finding = the_one(director, "rp-filter",
                      f"rp_filter is strict on eth1, where servers of DR or TUN are, and VIP {VIP}")
    type_it(lab, finding)
    all_answered(lab.request("client", 5), 5)
    healthy(director)


@case(seconds=40)
def redirects_that_lead_nat_servers_past_the_director_are_found_and_stopped(lab):
    rs1, director_host = lab["rs1"], lab["director"]
    rs1.ip(f"route replace default via {ADDRESS['director']}")
    lab.serve_web("rs1", port=8080)
    director = Director(lab, virtual(servers=("rs1:8080 forward=nat",))).start()
    all_answered(lab.request("client", 5), 5)
    finding = the_one(director, "redirects", "ICMP redirects on eth0")
    rs1.run("busybox", "ping", "-c", "2", "-i", "0.2", "-W", "30", ADDRESS["client"])
    true(f"via {ADDRESS['router']}" in rs1.run("ip", "route", "get", ADDRESS["client"]).stdout,
         "the server was not told another way: what was tested?")
    in_vain(lab, "client")
    type_it(lab, finding)
    same(director_host.run("sysctl", "-n", "net.ipv4.conf.eth0.send_redirects").stdout, "0\n", "send_redirects")
    rs1.ip("route flush cache")
    rs1.run("busybox", "ping", "-c", "2", "-i", "0.2", "-W", "30", ADDRESS["client"])
    all_answered(lab.request("client", 5), 5)
    true("redirects" not in checks(director), "it is still found")


@case()
def interfaces_that_are_down_or_without_a_cable_or_missing_are_found(lab):
    director = Director(lab, **INSIDE).start()
    lab["director"].ip("link set eth0 down")
    findings = eventually(lambda: [one for one in examine(director)["findings"] if one["check"] == "interface-down"],
                          10, "interface-down")
    type_it(lab, findings[0])
    lab["director"].ip(f"route replace default via {ADDRESS['router']}")  # it went with the interface
    eventually(lambda: checks(director) == [], 10, "health")
    lab["switch"].ip("link set director-eth1 down")
    the_one(director, "no-carrier", "interface eth1 has no carrier")
    lab["director"].unwire("eth1")
    the_one(director, "no-interface", "there is no interface eth1")


@case()
def a_server_that_answers_arp_for_the_vip_is_found_and_silenced(lab):
    lab["rs2"].sysctl(conf__all__arp_ignore=0, conf__eth0__arp_ignore=0)
    director = Director(lab).start()
    finding = the_one(director, "server-answers-arp",
                      f"real server {ADDRESS['rs2']} ({mac_of('rs2')}) answers ARP for VIP {VIP}")
    type_it(lab, finding)
    same(lab["rs2"].run("sysctl", "-n", "net.ipv4.conf.all.arp_ignore").stdout, "1\n", "arp_ignore of rs2")


@case()
def another_machine_that_answers_arp_for_the_vip_is_found(lab):
    lab["router"].ip(f"addr add {VIP}/32 dev eth0")
    director = Director(lab).start()
    the_one(director, "rival", f"{mac_of('router')}, which is no real server, answers ARP for VIP {VIP}")


@case(seconds=40)
def a_silent_server_is_found(lab):
    lab["switch"].ip("link set rs2-eth0 down")
    director = Director(lab).start()
    finding = the_one(director, "silent", f"real server {ADDRESS['rs2']} does not answer ARP on eth0")
    true(f"rawvsadm drain {ADDRESS['rs2']}" in finding["type"], finding["type"])
    lab["switch"].ip("link set rs2-eth0 up")
    eventually(lambda: checks(director) == [], 20, "health")


@case()
def a_server_without_a_route_and_one_behind_a_router_are_found(lab):
    director = Director(lab).start()
    healthy(director)
    lab["director"].ip(f"route add unreachable {ADDRESS['rs2']}/32")
    the_one(director, "no-route", f"this host has no route to real server {ADDRESS['rs2']} through eth0")
    lab["director"].ip(f"route del unreachable {ADDRESS['rs2']}/32")
    director.admin("-a", "-t", f"{VIP}:80", "-r", ADDRESS["client"])
    the_one(director, "dr-through-router", f"{ADDRESS['client']} is behind a router ({ADDRESS['router']})")


@case()
def a_router_that_answers_arp_for_direct_servers_is_found(lab):
    for name in lab.servers:
        lab["switch"].ip(f"link set {name}-eth0 down")
        lab["router"].ip(f"route add {ADDRESS[name]} via {ADDRESS['client']}",
                         f"neigh add proxy {ADDRESS[name]} dev eth0")
    director = Director(lab).start()
    finding = the_one(director, "same-mac", f"{ADDRESS['rs1']} and {ADDRESS['rs2']} have the same MAC address")
    true("proxy_arp" in finding["type"], finding["type"])


@case(seconds=40)
def a_nat_server_with_another_gateway_is_found_and_mended(lab):
    lab.add_inside("in1")
    lab["in1"].ip(f"route replace default via {ADDRESS['inner']}")
    lab.serve_web("in1", port=8080)
    director = Director(lab, virtual(servers=("in1:8080 forward=nat",)), **INSIDE).start()
    in_vain(lab, "client", 10)
    finding = the_one(director, "nat-gateway", f"NAT server {ADDRESS['in1']}:8080 got ")
    same(finding["type"], f"on {ADDRESS['in1']}: ip route replace default via {DIRECTOR_INSIDE}", "what to type")
    type_it(lab, finding)
    all_answered(lab.request("client", 5), 5)
    healthy(director)


@case(seconds=40)
def clients_in_a_nat_servers_own_network_are_found(lab):
    lab.add_inside("in1")
    lab.serve_web("in1", port=8080)
    director = Director(lab, virtual(servers=("in1:8080 forward=nat",)), **INSIDE).start()
    all_answered(lab.request("client", 5), 5)
    healthy(director)
    in_vain(lab, "inner")
    finding = the_one(director, "nat-near-clients",
                      f"clients in 203.0.113.0/24 get no answer from NAT server {ADDRESS['in1']}:8080")
    lab["director"].sysctl(conf__all__send_redirects=0, conf__eth1__send_redirects=0)
    type_it(lab, finding)
    all_answered(lab.request("inner", 5), 5)


@case(seconds=40)
def a_server_that_lacks_the_vip_is_found_and_given_it(lab):
    family = lab.family
    server, service = family.place(family.address["rs1"], 80), family.place(family.vip, 80)
    lab["rs1"].ip(f"addr del {family.vip}/{family.bits} dev lo")
    lab.serve_web()
    director = Director(lab, virtual(servers=("rs1",), family=family)).start()
    in_vain(lab, "client")
    finding = the_one(director, "no-answer", f"real server {server} of web (tcp:{service}) answers no client")
    type_it(lab, finding)
    all_answered(lab.request("client", 5), 5)
    healthy(director)


@case(seconds=40)
def a_server_that_lacks_the_vip_is_found_by_the_first_client(lab):
    lab["rs1"].ip(f"addr del {VIP}/32 dev lo")
    lab.serve_web()
    director = Director(lab, virtual(servers=("rs1",))).start()
    in_vain(lab, "client", 1, patience=2)
    finding = the_one(director, "no-answer", f"real server {ADDRESS['rs1']}:80 of web (tcp:{VIP}:80) answers no client")
    same(finding["severity"], "error", "severity")


@case(seconds=40)
def a_server_without_a_tunnel_is_found_by_the_first_client(lab):
    lab.serve_web()
    director = Director(lab, virtual(servers=("rs1 forward=tun",))).start()
    in_vain(lab, "client", 1, patience=2)
    eventually(lambda: "no-answer" in checks(director), 15, "the finding no-answer")
    finding = next(one for one in examine(director)["findings"] if one["check"] == "no-answer")
    true("about tunnel packets came back, so it may have no tunnel at all" in finding["why"], finding["why"])


@case(seconds=90)
def a_silent_server_that_its_check_took_out_is_not_to_be_drained(lab):
    lab.serve_web()
    lab["switch"].ip("link set rs2-eth0 down")
    director = Director(lab, check(), virtual(check="well")).start()
    director.wait_for_health("rs1", "up")
    director.wait_for_health("rs2", "down")
    findings = eventually(lambda: [one for one in examine(director)["findings"] if one["check"] == "silent"], 40,
                          "the finding silent")
    true("drain" not in findings[0]["type"], findings[0]["type"])


@case()
def services_that_nobody_serves_are_found_and_mended(lab):
    director = Director(lab, virtual(servers=("rs1 weight=0",))).start()
    finding = the_one(director, "no-weight", f"every real server of web (tcp:{VIP}:80) has weight 0")
    director.admin(*type_it(lab, finding))
    healthy(director)
    director.admin("-d", "-t", f"{VIP}:80", "-r", ADDRESS["rs1"])
    the_one(director, "no-server", f"service web (tcp:{VIP}:80) has no real server")


@case()
def what_a_tunnel_leaves_is_noted_and_a_narrow_one_is_warned_of(lab):
    lab.add_inside("in1")
    unwrap_at(lab, "in1")
    director = Director(lab, virtual(servers=("in1 forward=tun",)), **INSIDE).start()
    finding = the_one(director, "tunnel-mtu", "carries packets of 1480 bytes, clients' may have 1500")
    same(finding["severity"], "note", "severity")
    lab["director"].mtu("eth1", 1290)
    eventually(lambda: examine(director)["findings"][0]["severity"] == "warning", 5, "a warning")
    lab["director"].mtu("eth1", 1520)
    healthy(director)


@case()
def a_full_connection_table_is_found(lab):
    lab.serve_web()
    director = Director(lab, max_connections=4, drop_entry=0).start()
    lab.request("client", 20, patience=0.3)
    finding = next(one for one in examine(director)["findings"] if one["check"] == "table-full")
    same(finding["severity"], "warning", "severity")
    true("set max_connections = " in finding["type"], finding["type"])


@case()
def from_another_network_namespace_it_says_how_to_get_into_rawvsds(lab):
    director = Director(lab).start()
    lab["director"].ip(f"addr add {VIP}/32 dev lo")
    director.host = lab["local"]  # the socket is a file: it can be reached from here, too
    report = examine(director)
    same(report["findings"], [], "findings")
    true(f"nsenter -t {director.program.pid} -n rawvsadm doctor" in report["not-looked-at"][0], report["not-looked-at"])


@case(seconds=40)
def a_check_whose_program_is_missing_or_may_not_be_run_is_found_with_the_servers_it_takes_out(lab):
    lab.serve_web()
    lab.directory.chmod(0o755)
    program = lab.directory / "check-shop"
    director = Director(lab, check("shop", type="exec", program=program), virtual(check="shop")).start()
    eventually(lambda: sorted(checks(director)) == ["no-program", "not-checked-yet"], 15, "no program")
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o700)
    eventually(lambda: sorted(checks(director)) == ["not-checked-yet", "not-executable"], 15, "a program for root")
    finding = next(one for one in examine(director)["findings"] if one["check"] == "not-executable")
    true("may not be executed by nobody" in finding["what"], finding["what"])
    type_it(lab, finding)
    eventually(lambda: checks(director) == [], 15, "health")


@case(seconds=40)
def a_server_that_its_check_takes_out_is_found_until_it_is_back(lab):
    lab.serve_web("rs1")
    director = Director(lab, check(), virtual(check="well")).start()
    finding = the_one(director, "server-down", f"real server {ADDRESS['rs2']}:80 of web (tcp:{VIP}:80) is down")
    true(f"tcp {ADDRESS['rs2']}:80: connection refused, 1 of 1" in finding["what"], finding["what"])
    lab.serve_web("rs2")
    eventually(lambda: checks(director) == [], 15, "health")


@case(seconds=40)
def two_directors_that_do_not_believe_each_other_are_found(lab):
    second_host(lab)
    one = Director(lab, virtual(), instance(150, version=2, password="one", address=f"{VIP} {VIP2}")).start()
    the_one(one, "vrrp-vip-unused", f"VIP {VIP2} of [vrrp web] belongs to no service")
    other = Director(lab, virtual(), instance(100, version=2, password="other"), name="other", host="other").start()
    wait_for_state(one, "master")
    wait_for_state(other, "master")
    for director in (one, other):
        eventually(lambda d=director: {"two-masters", "vrrp-refused"} <= set(checks(d)), 15, "both findings")
    refused = next(f for f in examine(other)["findings"] if f["check"] == "vrrp-refused")
    true("mostly: its password is wrong" in refused["what"], refused["what"])
    true("the same password in [vrrp web]" in refused["type"], refused["type"])


@case()
def a_place_where_connections_cannot_be_kept_is_found(lab):
    place = lab.directory / "later"
    director = Director(lab, state=place / "rawvs.state").start()
    the_one(director, "state-directory", f"to be kept in {place}/rawvs.state, whose directory is not there")
    place.mkdir()
    found = checks(director)
    true(found in ([], ["state-on-disk"]), f"findings: {found}")
