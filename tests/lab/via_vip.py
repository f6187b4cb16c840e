# SPDX-License-Identifier: BSD-2-Clause
"""Checks through the forwarding path (via = vip): servers' answers at the VIP, not at their own addresses."""
import signal
import sys

from case import all_answered, case, same, true
from health import check, web
from lab.director import Director, virtual
from lab.frames import TCP, Capture
from lab.namespaces import eventually
from lab.topology import ADDRESS, ADDRESS6, IPV4, IPV6, VIP, VIP2, Load, mac_of
from programs import HERE, serve_names, unwrap_at

NOBODY_ANSWERS = "no answer within 3 s, 1 of 1"


def through(name="through", **keys):
    return check(name, **{"via": "vip", "timeout": "3s", **keys})


def verdicts(director, service):
    """The results of the checks of one service's servers, by address, with the reasons."""
    rows = [row for row in director.ask("list") if row["row"] == "server" and row["service"] == service]
    return {row["server"].rpartition(":")[0].strip("[]"): (row.get("health"), row.get("why", "")) for row in rows}


def wait_for(director, service, **wanted):
    names = {director.network.family.address[name]: condition for name, condition in wanted.items()}
    eventually(lambda: {address: said[0] for address, said in verdicts(director, service).items()} == names, 20,
               f"{service}: {wanted}")


def rules(lab):
    return lab["director"].run("ip", "rule", "show", "priority", "82").stdout.splitlines()


def own_packets(frames):
    """Frames that left by lo and came back there, each once, as received."""
    return [f for f in frames if f.target == VIP and not f.outgoing]


WEB = f"tcp:{VIP}:80"


def services_of(lab):
    """The two that a test may have, as listings name them."""
    return [f"tcp:{lab.family.place(vip, 80)}" for vip in (lab.family.vip, lab.family.vip2)]


def asked(lab, name):
    """A check's words for the service at one server."""
    return f"{lab.family.place(lab.family.vip, 80)} on {lab.family.address[name]}"


@case(seconds=90)
def a_server_that_lost_its_vip_is_found_at_the_vip_alone(lab):
    lab.serve_web()
    family, (web_service, same_service) = lab.family, services_of(lab)
    director = Director(lab, through(), check("own", port=80), virtual(check="through", scheduler="rr", family=family),
                        virtual("same", address=family.vip2, check="own", family=family)).start()
    wait_for(director, web_service, rs1="up", rs2="up")
    lab["rs2"].ip(f"addr del {family.vip}/{family.bits} dev lo")
    wait_for(director, web_service, rs1="up", rs2="down")
    same(verdicts(director, web_service)[family.address["rs2"]][1], f"tcp {asked(lab, 'rs2')}: {NOBODY_ANSWERS}",
         "the reason")
    true(f"{asked(lab, 'rs2')}: no answer" in director.admin("status"), director.admin("status"))
    same({said[0] for said in verdicts(director, same_service).values()}, {"up"}, "at the servers' own addresses")
    answers = lab.request("client", 20)
    all_answered(answers, 20)
    same(dict(answers.of), {"rs1": 20}, "answers while rs2 has no VIP")
    lab["rs2"].ip(f"addr add {family.vip}/{family.bits} dev lo")
    wait_for(director, web_service, rs1="up", rs2="up")


@case(seconds=90)
def a_server_that_listens_on_its_own_address_alone_is_refused_at_the_vip(lab):
    web(lab, "rs1")
    (lab.directory / "www-rs2").mkdir()
    (lab.directory / "www-rs2" / "index.html").write_text("rs2\n")
    lab["rs2"].start("busybox", "httpd", "-f", "-p", f"{ADDRESS['rs2']}:80", "-h", str(lab.directory / "www-rs2"))
    # The director's own web server listens on every address, and is nobody's.
    (lab.directory / "www-director").mkdir()
    (lab.directory / "www-director" / "index.html").write_text("rs2\n")
    lab["director"].start("busybox", "httpd", "-f", "-p", "0.0.0.0:80", "-h", str(lab.directory / "www-director"))
    for guard in ("auto", "classic", "off"):
        director = Director(lab, through(), check("own"), virtual(check="through"),
                            virtual("same", address=VIP2, check="own"), guard=guard).start()
        wait_for(director, WEB, rs1="up", rs2="down")
        same(verdicts(director, WEB)[ADDRESS["rs2"]][1], f"tcp {VIP}:80 on 192.0.2.12: connection refused, 1 of 1",
             f"the reason (guard = {guard})")
        wait_for(director, f"tcp:{VIP2}:80", rs1="up", rs2="up")
        same(director.stop(), 0, "exit status")
        same(rules(lab), [], "rules afterwards")


@case(seconds=60)
def each_server_gets_its_own_request_and_is_judged_by_its_own_page(lab):
    lab.serve_web()
    service = services_of(lab)[0]
    pages = [through(f"page-{n}", type="http", body=n) for n in ("rs1", "rs2")]
    right = virtual(servers=("rs1 check=page-rs1", "rs2 check=page-rs2"), family=lab.family)
    director = Director(lab, *pages, right).start()
    wait_for(director, service, rs1="up", rs2="up")
    director.stop()
    wrong = virtual(servers=("rs1 check=page-rs2", "rs2 check=page-rs1"), family=lab.family)
    director = Director(lab, *pages, wrong).start()
    wait_for(director, service, rs1="down", rs2="down")
    same(verdicts(director, service)[lab.family.address["rs1"]][1],
         f'http {asked(lab, "rs1")}: HTTP: body does not contain "rs2", 1 of 1', "the reason")


def through_a_tunnel(lab, kind, options=""):
    lab.serve_web()
    unwrap_at(lab, "rs1", kind=kind)
    family, (web_service, same_service) = lab.family, services_of(lab)
    servers = [f"{name} forward=tun {options}" for name in ("rs1", "rs2")]
    director = Director(lab, through(type="http", body="rs"), check("own", port=80),
                        virtual(check="through", servers=servers, family=family),
                        virtual("same", address=family.vip2, check="own", servers=servers, family=family)).start()
    wait_for(director, web_service, rs1="up", rs2="down")  # rs2 does not unwrap
    same(verdicts(director, web_service)[family.address["rs2"]][1], f"http {asked(lab, 'rs2')}: {NOBODY_ANSWERS}",
         "the reason")
    wait_for(director, same_service, rs1="up", rs2="up")
    unwrap_at(lab, "rs2", kind=kind)
    wait_for(director, web_service, rs1="up", rs2="up")
    same(set(lab.request("client", 10).of), {"rs1", "rs2"}, "servers that answer")


@case(seconds=60)
def a_server_that_does_not_unwrap_is_found_through_its_tunnel(lab):
    through_a_tunnel(lab, "ipip")


@case(seconds=60)
def it_is_found_through_gre_as_well(lab):
    through_a_tunnel(lab, "gre", "tun_type=gre tun_checksum=on")


@case(seconds=60)
def it_is_found_through_gue_as_well(lab):
    through_a_tunnel(lab, "gue:6080", "tun_type=gue tun_port=6080")


@case(seconds=60, family=IPV6)
def a_server_of_the_other_family_is_asked_at_the_vip_through_its_tunnel(lab):
    lab.serve_web()
    url = f"{IPV4.url}/"
    unwrap_at(lab, "rs1")
    section = virtual(check="through", servers=())
    section += "".join(f"server = {ADDRESS6[name]} forward=tun\n" for name in ("rs1", "rs2"))
    director = Director(lab, through(type="http", body="rs"), section).start()

    def wait(**wanted):
        servers = {f"[{ADDRESS6[name]}]:80": condition for name, condition in wanted.items()}
        eventually(lambda: {row["server"]: row.get("health") for row in director.ask("list") if row["row"] == "server"}
                   == servers, 20, f"{wanted}")
    wait(rs1="up", rs2="down")  # rs2 does not unwrap
    all_answered(lab.request("client", 5, url=url), 5)
    unwrap_at(lab, "rs2")
    wait(rs1="up", rs2="up")
    same(set(lab.request("client", 10, url=url).of), {"rs1", "rs2"}, "servers that answer")


@case(seconds=60, needs=("dnsmasq",))
def name_servers_are_asked_at_the_vip(lab):
    serve_names(lab, "rs1", "rs2", address=lambda _: VIP)
    names = through("names", type="dns", query="who.example", query_type="TXT")
    director = Director(lab, names, check("own", type="dns"),
                        virtual("dns", ports="udp/53", check="names"),
                        virtual("same", address=VIP2, ports="udp/53", check="own")).start()
    service = f"udp:{VIP}:53"
    wait_for(director, service, rs1="up", rs2="up")
    wait_for(director, f"udp:{VIP2}:53", rs1="down", rs2="down")  # nobody listens on the servers' own addresses
    lab["rs2"].ip(f"addr del {VIP}/32 dev lo")
    wait_for(director, service, rs1="up", rs2="down")


@case(seconds=90)
def a_dead_host_is_found_by_arp_though_no_answer_would_do(lab):
    lab["rs1"].start(sys.executable, str(HERE / "small_server"), "echo", "0.0.0.0", "7")
    silence = through(type="udp", send="x")
    director = Director(lab, silence, virtual(ports="udp/7", check="through"), arp_timeout="2s").start()
    service = f"udp:{VIP}:7"
    wait_for(director, service, rs1="up", rs2="down")
    same(verdicts(director, service)[ADDRESS["rs2"]][1], f"udp {VIP}:7 on 192.0.2.12: port unreachable, 1 of 1",
         "why rs2 is down")
    lab["rs1"].ip("link set eth0 down")
    wait_for(director, service, rs1="down", rs2="down")
    same(verdicts(director, service)[ADDRESS["rs1"]][1],
         f"udp {VIP}:7 on 192.0.2.11: 192.0.2.11 does not answer ARP, 1 of 1", "why rs1 is")


@case(seconds=60)
def nothing_goes_round_on_lo_though_this_host_routes_and_looks_at_return_paths(lab):
    lab["director"].sysctl(ip_forward=1, conf__all__rp_filter=1, conf__eth0__rp_filter=1)
    lab.serve_web()
    on_lo, at_server = Capture(lab["director"], "lo"), Capture(lab["rs1"])
    director = Director(lab, through(), virtual(check="through")).start()
    wait_for(director, WEB, rs1="up", rs2="up")
    eventually(lambda: director.exits()["check-sent"] > 40, 20, "forty packets of checks")
    same(director.stop(), 0, "exit status")
    came = own_packets(on_lo.frames())
    true(len(came) > 40, f"{len(came)} packets on lo")
    same(len({f.data for f in came}), len(came), "different ones among them")
    same({f.ttl for f in came}, {64}, "their times to live")
    same(lab["director"].routed(), 0, "packets that the director's kernel routed")
    to_vip = [f for f in at_server.frames()
              if f.protocol == TCP and f.target == VIP and f.source == ADDRESS["director"]]
    same({f.to for f in to_vip}, {mac_of("rs1")}, "the MAC addresses that checks of rs1 went to")
    begun, ended = [f for f in to_vip if f.is_syn], [f for f in to_vip if f.is_reset]
    true(len(ended) >= len(begun) - 1, f"{len(begun)} connections were begun at rs1, {len(ended)} were ended")


@case(seconds=90)
def clients_are_served_meanwhile_and_checks_are_not_counted_as_theirs(lab):
    lab.serve_web()
    director = Director(lab, through(interval="100ms", timeout="5s"), virtual(check="through", scheduler="rr")).start()
    wait_for(director, WEB, rs1="up", rs2="up")
    before = director.exits()["check-sent"]
    load = Load(lab, "client", parallel=10)
    load.wait_for(500)
    answers = load.stop()
    same(answers.failures, [], "requests that failed")
    true(director.exits()["check-sent"] > before, "no check was made meanwhile")
    same(sum(int(row["conns"]) for row in director.servers().values()), sum(answers.of.values()), "connections counted")
    same(director.dropped(), {}, "frames dropped")
    same({said[0] for said in verdicts(director, WEB).values()}, {"up"}, "the servers")


@case(seconds=90)
def a_killed_director_leaves_a_rule_that_the_next_one_takes_over_and_removes(lab):
    lab.serve_web()
    sections = (through(timeout="5s"), virtual(check="through"))
    director = Director(lab, *sections).start()
    wait_for(director, WEB, rs1="up", rs2="up")
    director.program.stop(signal.SIGKILL)
    same(len(rules(lab)), 1, "rules after its death")
    director = Director(lab, *sections).start()
    wait_for(director, WEB, rs1="up", rs2="up")
    same(len(rules(lab)), 1, "rules of the next one")
    lab["director"].ip("rule del priority 82")
    eventually(lambda: len(rules(lab)) == 1, 10, "the rule that somebody has removed")
    same({said[0] for said in verdicts(director, WEB).values()}, {"up"}, "the servers meanwhile")
    director.program.send(signal.SIGUSR2)
    eventually(lambda: director.log().count("runs on eth0") == 2 and director.ready(), 10, "the other program")
    wait_for(director, WEB, rs1="up", rs2="up")
    same(len(rules(lab)), 1, "rules of the program in its place")
    same(director.stop(), 0, "exit status")
    same(rules(lab), [], "rules at the end")
    same(lab["director"].run("ip", "route", "show", "table", "21078", check=False).stdout, "", "routes at the end")


@case(seconds=60)
def a_reload_brings_the_path_and_takes_it_away(lab):
    lab.serve_web()
    director = Director(lab, check("c"), virtual(check="c")).start()
    wait_for(director, WEB, rs1="up", rs2="up")
    same(rules(lab), [], "rules without such a check")
    text = director.ini.read_text()
    director.ini.write_text(text.replace("[check c]\n", "[check c]\nvia = vip\n"))
    director.admin("reload")
    same(len(rules(lab)), 1, "rules with one")
    eventually(lambda: director.exits()["check-sent"] > 0, 10, "a check through the path")
    director.ini.write_text(text)
    director.admin("reload")
    same(rules(lab), [], "rules without one again")
    wait_for(director, WEB, rs1="up", rs2="up")


@case(seconds=60)
def a_check_that_cannot_be_made_is_told_once_and_takes_no_server_out(lab):
    lab.serve_web()
    lab["director"].ip("link set lo down")
    director = Director(lab, through(start="up"), virtual(check="through")).start()
    director.wait_for_log("a check could not be made: via = vip: ")
    all_answered(lab.request("client", 10), 10)
    same({said[0] for said in verdicts(director, WEB).values()}, {"unknown"}, "what is said of the servers")
    same(director.log().count("a check could not be made"), 1, "lines of the log")
    lab["director"].ip("link set lo up")
    wait_for(director, WEB, rs1="up", rs2="up")
