# SPDX-License-Identifier: BSD-2-Clause
"""VRRP: two directors, one of them master; with each other, and with keepalived."""
import signal

from case import all_answered, case, same, true
from lab.director import Director, virtual
from lab.frames import ARP, Capture, arp_request
from lab.namespaces import Trouble, eventually
from lab.topology import ADDRESS, IPV6, VIP, VIP2, Load, mac_of

OTHER, OTHER_MAC = "192.0.2.20", "02:00:00:00:00:20"
KEEPALIVED = """global_defs {{ router_id other }}
vrrp_instance web {{
  state BACKUP
  interface eth0
  version {version}
  virtual_router_id 51
  priority {priority}
  advert_int {interval}
  {more}
  virtual_ipaddress {{ {vip}/32 }}
}}
"""


def instance(priority, name="web", **keys):
    keys = {"vrid": 51, "priority": priority, **keys}
    return f"[vrrp {name}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())


def of_family(lab):
    """The key of an instance that has the VIPs of the lab's family."""
    return {"family": "ipv6"} if lab.family is IPV6 else {}


def second_host(lab):
    lab.host("other").wire("eth0", OTHER_MAC, f"{OTHER}/24")
    lab["other"].ip("route add default via 192.0.2.1")
    lab["other"].sysctl(ip_forward=1)
    lab.add_ipv6("other")


def directors(lab, first=150, second=100, service=None, settings=None, **keys):
    """Two of them, the first one master."""
    second_host(lab)
    if service is None:
        lab.serve_web()
    service, settings, keys = service or virtual(family=lab.family), settings or {}, {**of_family(lab), **keys}
    one = Director(lab, service, instance(first, **keys), **settings).start()
    wait_for_state(one, "master")
    other = Director(lab, service, instance(second, **keys), name="other", host="other", **settings).start()
    wait_for_state(other, "backup")
    return one, other


def answered(director):
    """ARP requests and neighbour solicitations for a VIP that it answered."""
    exits = director.exits()
    return exits["arp-answered"] + exits["nd-answered"]


def row_of_instance(director, name="web"):
    return next(row for row in director.ask("vrrp") if row["name"] == name)


def state(director, name="web"):
    return row_of_instance(director, name)["state"]


def wait_for_state(director, wanted, seconds=10, name="web"):
    def reached():
        return state(director, name) == wanted
    try:
        eventually(reached, seconds, f"the state {wanted}")
    except Trouble as trouble:
        raise Trouble(f"{trouble}; it is {row_of_instance(director, name)}") from None


@case(seconds=60)
def the_backup_takes_over_from_a_master_that_is_killed(lab):
    one, other = directors(lab)
    all_answered(lab.request("client", 20), 20)
    same(answered(other), 0, "questions for the VIP that the backup answered")
    load = Load(lab, "client", parallel=4)
    load.wait_for(20)
    one.program.stop(signal.SIGKILL)
    wait_for_state(other, "master")
    load.wait_for(50)
    load.stop()
    all_answered(lab.request("client", 20), 20)
    true("master" in other.admin("status"), other.admin("status"))


@case(seconds=60)
def a_master_that_stops_hands_over_at_once_and_takes_back_what_is_its_own(lab):
    one, other = directors(lab)
    one.stop()
    wait_for_state(other, "master", 3)
    all_answered(lab.request("client", 20), 20)
    # In IPv6 adverts come from the link-local address.
    master = "fe80::ff:fe00:10" if lab.family is IPV6 else "192.0.2.10"
    true(f"backup -> master: {master} has stopped being master" in other.log(), other.log())
    again = Director(lab, virtual(family=lab.family), instance(150, **of_family(lab))).start()
    wait_for_state(again, "master")
    wait_for_state(other, "backup")
    all_answered(lab.request("client", 20), 20)


@case(seconds=60)
def a_master_that_was_stopped_for_a_while_finds_another_and_yields(lab):
    one, other = directors(lab, interval="100ms")
    one.program.send(signal.SIGSTOP)
    wait_for_state(other, "master")
    one.program.send(signal.SIGCONT)
    wait_for_state(one, "master")  # it has the higher priority
    wait_for_state(other, "backup")
    all_answered(lab.request("client", 20), 20)


@case(seconds=60)
def a_cut_cable_makes_two_masters_and_a_mended_one_makes_one(lab):
    one, other = directors(lab, interval="100ms")
    lab["director"].ip("link set eth0 down")
    wait_for_state(one, "fault")
    wait_for_state(other, "master")
    all_answered(lab.request("local", 10), 10)
    lab["director"].ip("link set eth0 up")
    wait_for_state(one, "master")
    wait_for_state(other, "backup")
    all_answered(lab.request("local", 10), 10)


@case(seconds=60)
def unicast_peers_need_no_multicast(lab):
    second_host(lab)
    lab.serve_web()
    one = Director(lab, virtual(), instance(150, peer=OTHER)).start()
    other = Director(lab, virtual(), instance(100, peer="192.0.2.10"), name="other", host="other").start()
    wait_for_state(one, "master")
    wait_for_state(other, "backup")
    same(next(row["master"] for row in other.ask("vrrp")), "192.0.2.10", "the master that the backup knows")


@case(seconds=60)
def too_few_servers_well_is_a_reason_to_let_the_other_be_master(lab):
    second_host(lab)
    lab.serve_web("rs1")
    check = "[check well]\ninterval = 300ms\nretries = 0\n"
    one = Director(lab, check, virtual(check="well", quorum=2, family=lab.family),
                   instance(150, track="web", **of_family(lab))).start()
    other = Director(lab, virtual(family=lab.family), instance(100, **of_family(lab)), name="other",
                     host="other").start()
    wait_for_state(one, "fault")
    wait_for_state(other, "master")
    lab.serve_web("rs2")
    wait_for_state(one, "master")
    wait_for_state(other, "backup")


def who_answers(lab, address, *all_of_them):
    """The MAC addresses that answer ARP for an address, after all directors have decided about a question for it."""
    def count(director, *exits):
        counted = director.exits()
        return sum(counted[exit] for exit in exits)
    capture, asker = Capture(lab["local"]), lab["local"].packet_socket("eth0")
    before = [(director, count(director, "arp-other", "arp-answered"), count(director, "arp-answered"))
              for director in all_of_them]
    asker.send(arp_request(mac_of("local"), ADDRESS["local"], address))
    eventually(lambda: all(count(director, "arp-other", "arp-answered") > seen for director, seen, _ in before), 10,
               "every director's decision")
    answered = sum(count(director, "arp-answered") - seen for director, _, seen in before)

    def replies():
        return [f.sender_mac for f in capture.frames() if f.kind == ARP and f.op == 2 and f.source == address
                and f.to == mac_of("local")]
    return set(eventually(lambda: len(replies()) >= answered and replies(), 10, f"an answer for {address}"))


@case(seconds=90)
def a_vip_made_at_run_time_on_both_is_answered_for_by_the_master_alone(lab):
    one, other = directors(lab)
    for director in (one, other):
        director.admin("-A", "-t", f"{VIP2}:80", "-s", "rr")
        director.admin("-a", "-t", f"{VIP2}:80", "-r", "192.0.2.11", "-g")
    same(who_answers(lab, VIP2, one, other), {mac_of("director")}, "who answers ARP for the new VIP")
    lab["local"].ip(f"neigh replace {VIP2} lladdr {OTHER_MAC} dev eth0")
    lab["local"].run("ping", "-c", "1", "-W", "1", VIP2, check=False)
    eventually(lambda: other.exits()["standby"] > 0, 5, "the packet that came to the backup")
    for director in (one, other):  # a file that has it, too, changes nothing
        director.ini.write_text(director.ini.read_text() + virtual("two", address=VIP2))
        director.admin("reload")
    same(who_answers(lab, VIP2, one, other), {mac_of("director")}, "who answers ARP after the reload")
    other.admin("-D", "-t", f"{VIP2}:80")
    other.admin("-A", "-t", f"{VIP2}:80", "-s", "rr")
    same(who_answers(lab, VIP2, one, other), {mac_of("director")}, "who answers ARP when it was removed and made again")
    same(other.exits()["arp-answered"], 0, "ARP requests that the backup answered")
    one.program.stop(signal.SIGKILL)
    wait_for_state(other, "master")
    same(who_answers(lab, VIP2, other), {OTHER_MAC}, "who answers ARP when the master is dead")


@case(seconds=60)
def where_every_instance_says_no_each_director_answers_for_other_vips(lab):
    one, other = directors(lab, address=VIP, other_vips="no")
    for director in (one, other):
        director.admin("-A", "-t", f"{VIP2}:80", "-s", "rr")
    same(who_answers(lab, VIP2, one, other), {mac_of("director"), OTHER_MAC}, "who answers ARP for the new VIP")


def keepalived(lab, priority, version=2, interval=1, more=""):
    file = lab.directory / "keepalived.conf"
    file.write_text(KEEPALIVED.format(version=version, priority=priority, interval=interval, vip=VIP, more=more))
    return lab["other"].start("keepalived", "-n", "-l", "-P", "-f", str(file), "-p", str(lab.directory / "k.pid"),
                              "-r", str(lab.directory / "kv.pid"))


def has_vip(lab):
    return VIP in lab["other"].run("ip", "-4", "addr", "show", "dev", "eth0").stdout


def with_keepalived(lab, version, interval, more="", **keys):
    """Ours is master; keepalived follows when it is killed, and yields when it is back."""
    second_host(lab)
    lab.serve_web()
    keys = {"version": version, "interval": f"{interval}s" if interval >= 1 else f"{int(interval * 1000)}ms", **keys}
    one = Director(lab, virtual(), instance(150, **keys)).start()
    wait_for_state(one, "master")
    other = keepalived(lab, 100, version, interval, more)
    eventually(lambda: "BACKUP STATE" in other.text(), 10, f"keepalived's backup state: {other.text()}")
    all_answered(lab.request("client", 10), 10)
    true(not has_vip(lab), f"keepalived has the VIP: {other.text()}")
    one.program.stop(signal.SIGKILL)
    eventually(lambda: has_vip(lab), 10, f"keepalived as master: {other.text()}")
    again = Director(lab, virtual(), instance(150, **keys)).start()
    wait_for_state(again, "master")
    eventually(lambda: not has_vip(lab), 10, f"keepalived as backup: {other.text()}")
    refused = [row["refused"] for row in again.ask("vrrp")]
    same(refused, ["0"], "adverts of keepalived that were refused")
    true("bogus" not in other.text().lower() and "invalid" not in other.text().lower(), other.text())


@case(seconds=60, needs=("keepalived",))
def keepalived_follows_and_yields_in_version_2(lab):
    with_keepalived(lab, 2, 1)


@case(seconds=60, needs=("keepalived",))
def keepalived_follows_and_yields_in_version_2_with_a_password(lab):
    with_keepalived(lab, 2, 1, "authentication { auth_type PASS\n auth_pass secret }", password="secret")


@case(seconds=60, needs=("keepalived",))
def keepalived_follows_and_yields_in_version_3(lab):
    with_keepalived(lab, 3, 0.1)


@case(seconds=60, needs=("keepalived",))
def ours_is_the_backup_of_keepalived_and_takes_over(lab):
    second_host(lab)
    lab.serve_web()
    other = keepalived(lab, 200)
    eventually(lambda: has_vip(lab), 15, f"keepalived as master: {other.text()}")
    one = Director(lab, virtual(), instance(150, version=2)).start()
    wait_for_state(one, "backup")
    eventually(lambda: next(row["master"] for row in one.ask("vrrp")) == OTHER, 10, "the master that ours knows")
    other.stop()  # it says so
    wait_for_state(one, "master", 3)
    all_answered(lab.request("client", 10), 10)


def refused_once(lab, kind, words, version=2, more="", **keys):
    """keepalived sends adverts that ours refuses: logged once, counted by kind, found by the doctor."""
    second_host(lab)
    lab.serve_web()
    one = Director(lab, virtual(), instance(150, version=version, **keys)).start()
    wait_for_state(one, "master")
    other = keepalived(lab, 200, version, more=more)
    eventually(lambda: has_vip(lab), 20, f"keepalived as master: {other.text()}")
    eventually(lambda: int(row_of_instance(one)["refused"]) >= 1, 20, "an advert that is refused")
    row = row_of_instance(one)
    true(row["refused-for"].startswith(f"{kind}:"), str(row))
    same(one.log().count(f"adverts from {OTHER} are refused: "), 1, f"lines that say so in {one.log()}")
    true(words in one.log(), one.log())
    found = one.admin("doctor", check=False).stdout
    true("has refused" in found and words in found, found)


@case(seconds=90, needs=("keepalived",))
def keepalived_with_an_authentication_header_is_not_overlooked(lab):
    refused_once(lab, "header-auth", "auth_type AH", more="authentication { auth_type AH\n auth_pass secret }")


@case(seconds=90, needs=("keepalived",))
def keepalived_with_another_password_is_refused_by_name(lab):
    refused_once(lab, "password", "its password is wrong", more="authentication { auth_type PASS\n auth_pass guess }",
                 password="secret")


@case(seconds=90, needs=("keepalived",))
def keepalived_with_its_old_unicast_checksum_is_refused_by_name(lab):
    refused_once(lab, "old-checksum", "old_unicast_checksum", 3, peer=OTHER,
                 more=f"old_unicast_checksum\n unicast_src_ip {OTHER}\n unicast_peer {{ 192.0.2.10 }}")
