# SPDX-License-Identifier: BSD-2-Clause
"""Two directors over IPv6: VRRP with each other and with keepalived, one instance per family in one group; connections
that survive a director's end."""
import functools
import itertools
import signal

import survival
import sync
import vrrp
from arp import neighbour
from case import all_answered, case, over_ipv6, same, true
from lab.director import Director, virtual
from lab.frames import Capture
from lab.namespaces import eventually
from lab.topology import IPV4, IPV6, VIP, VIP6, mac_of
from vrrp import OTHER_MAC, instance, second_host, wait_for_state
from vrrp_mac import CALM, QUIET, members
from vrrp_times import VRRP

DIRECTOR_MAC = mac_of("director")
IDS = {"four": 51, "six": 52}
VIRTUAL_MAC = {"four": "00:00:5e:00:01:33", "six": "00:00:5e:00:02:34"}
LINK_LOCAL = {"director": "fe80::ff:fe00:10", "other": "fe80::ff:fe00:20"}  # of their MAC addresses
ALL_ROUTERS, ALL_ROUTERS_MAC = "ff02::12", "33:33:00:00:00:12"  # VRRP's own group
KEEPALIVED = """global_defs {{ router_id other }}
vrrp_sync_group both {{ group {{ four six }} }}
vrrp_instance four {{
  state BACKUP
  interface eth0
  version 3
  virtual_router_id 51
  priority {priority}
  advert_int 0.3
  virtual_ipaddress {{ 192.0.2.100/32 }}
}}
vrrp_instance six {{
  state BACKUP
  interface eth0
  version 3
  virtual_router_id 52
  priority {priority}
  advert_int 0.3
  virtual_ipaddress {{ 2001:db8:1::100/128 }}
}}
"""
six_case = functools.partial(case, seconds=90, family=IPV6)


def both_families(priority, **keys):
    """A service of each family, and an instance for each in one group."""
    keys = {"group": "both", "interval": CALM, **keys}
    return (virtual("web4", family=IPV4), virtual("web6", family=IPV6),
            instance(priority, "four", vrid=IDS["four"], **keys),
            instance(priority, "six", vrid=IDS["six"], family="ipv6", **keys))


def director(lab, priority, host="director", settings=None, **keys):
    return Director(lab, *both_families(priority, **keys), name=host, host=host, **(settings or {})).start()


def wait_for_both(one, wanted):
    for name in IDS:
        wait_for_state(one, wanted, name=name)


def both_serve(lab, *clients):
    for name in clients:
        for family in (IPV4, IPV6):
            all_answered(lab.request(name, 5, url=f"{family.url}/"), 5)


def claims(capture):
    """Who has said in turn, by advertisements, that VIP6 is theirs."""
    said = [f for f in capture.frames() if f.op == 2 and f.about == VIP6]
    same([f for f in said if f.ttl != 255], [], "advertisements that have passed a router, by their hop limit")
    return [mac for mac, _ in itertools.groupby(f.data[-6:].hex(":") for f in said)]


def adverts6(capture):
    return [f for f in capture.frames() if f.protocol == VRRP and ":" in f.source]


def neighbours_are(lab, mac4, mac6):
    """A client that asks nobody has learned at once who has the VIPs."""
    eventually(lambda: (neighbour(lab["local"], VIP), neighbour(lab["local"], VIP6)) == (mac4, mac6), 10,
               f"{mac4} and {mac6} for the VIPs; there are {neighbour(lab['local'], VIP)} and "
               f"{neighbour(lab['local'], VIP6)}")


@six_case()
def both_families_move_together_when_the_master_dies_and_clients_learn_it_at_once(lab):
    second_host(lab)
    lab.serve_web()
    at_local = Capture(lab["local"])
    one = director(lab, 150)
    wait_for_both(one, "master")
    other = director(lab, 100, host="other")
    wait_for_both(other, "backup")
    both_serve(lab, "client", "local")
    neighbours_are(lab, DIRECTOR_MAC, DIRECTOR_MAC)
    same(vrrp.answered(other), 0, "questions for a VIP that the backup answered")
    one.program.stop(signal.SIGKILL)
    wait_for_both(other, "master")
    neighbours_are(lab, OTHER_MAC, OTHER_MAC)
    both_serve(lab, "client", "local")
    one.start()
    wait_for_both(one, "master")
    wait_for_both(other, "backup")
    neighbours_are(lab, DIRECTOR_MAC, DIRECTOR_MAC)
    both_serve(lab, "client", "local")
    same(claims(at_local), [DIRECTOR_MAC, OTHER_MAC, DIRECTOR_MAC], "who had VIP6, one after another")
    heard = adverts6(at_local)
    same({(f.target, f.to, f.ttl) for f in heard}, {(ALL_ROUTERS, ALL_ROUTERS_MAC, 255)}, "where adverts go")
    same({(f.source, f.sender) for f in heard},
         {(LINK_LOCAL["director"], DIRECTOR_MAC), (LINK_LOCAL["other"], OTHER_MAC)}, "sources of adverts")


@six_case()
def with_virtual_macs_clients_keep_their_neighbour_entries_of_both_families(lab):
    second_host(lab)
    lab.serve_web()
    at_local = Capture(lab["local"])
    keys = {"settings": QUIET, "virtual_mac": 1}  # nobody is told of another director
    one = director(lab, 150, **keys)
    wait_for_both(one, "master")
    other = director(lab, 100, host="other", **keys)
    wait_for_both(other, "backup")
    both_serve(lab, "local", "client")
    neighbours_are(lab, *VIRTUAL_MAC.values())
    same(sorted(members(lab, "director")), sorted(VIRTUAL_MAC.values()), "MAC addresses that the master's card takes")
    same(members(lab, "other"), [], "MAC addresses that the backup's card takes")
    one.program.stop(signal.SIGKILL)
    wait_for_both(other, "master")
    both_serve(lab, "local", "client")
    neighbours_are(lab, *VIRTUAL_MAC.values())
    same(claims(at_local), [VIRTUAL_MAC["six"]], "link-layer addresses in advertisements of VIP6")
    same({f.sender for f in at_local.frames() if f.op == 2 and f.about == VIP6}, {VIRTUAL_MAC["six"]}, "their senders")
    same({(f.sender, f.source) for f in adverts6(at_local)},
         {(VIRTUAL_MAC["six"], address) for address in LINK_LOCAL.values()}, "sources of adverts")
    same(lab["director"].routed() + lab["other"].routed(), 0, "packets that a director's kernel routed")


def keepalived(lab, priority):
    file = lab.directory / "keepalived.conf"
    file.write_text(KEEPALIVED.format(priority=priority))
    return lab["other"].start("keepalived", "-n", "-l", "-P", "-f", str(file), "-p", str(lab.directory / "k.pid"),
                              "-r", str(lab.directory / "kv.pid"))


def wait_for_vips(lab, wanted, program):
    """Until keepalived has both VIPs on its interface, or neither."""
    def has():
        found = lab["other"].run("ip", "-o", "address", "show", "dev", "eth0").stdout
        return [f" {vip}/" in found for vip in (VIP, VIP6)]
    eventually(lambda: has() == [wanted] * 2, 20, f"keepalived's VIPs: {wanted}; {program.text()[-600:]}")


def understood(one, other):
    """Neither side has refused an advert."""
    same({row["name"]: row["refused"] for row in one.ask("vrrp")}, {"four": "0", "six": "0"}, "adverts refused by ours")
    for word in ("bogus", "invalid", "mismatch"):
        true(word not in other.text().lower(), other.text())


@six_case(needs=("keepalived",))
def keepalived_with_an_instance_per_family_in_a_group_follows_and_yields(lab):
    second_host(lab)
    lab.serve_web()
    at_local = Capture(lab["local"])
    one = director(lab, 150)
    wait_for_both(one, "master")
    other = keepalived(lab, 100)
    eventually(lambda: other.text().count("BACKUP STATE") >= 2, 20, f"keepalived's backup state: {other.text()}")
    both_serve(lab, "client", "local")
    wait_for_vips(lab, False, other)
    one.program.stop(signal.SIGKILL)
    wait_for_vips(lab, True, other)
    neighbours_are(lab, OTHER_MAC, OTHER_MAC)
    one.start()
    wait_for_both(one, "master")
    wait_for_vips(lab, False, other)
    neighbours_are(lab, DIRECTOR_MAC, DIRECTOR_MAC)
    both_serve(lab, "client", "local")
    same(claims(at_local), [DIRECTOR_MAC, OTHER_MAC, DIRECTOR_MAC], "who had VIP6, one after another")
    understood(one, other)


@six_case(needs=("keepalived",))
def ours_is_the_backup_of_keepalived_in_both_families_and_takes_over(lab):
    second_host(lab)
    lab.serve_web()
    other = keepalived(lab, 200)
    wait_for_vips(lab, True, other)
    at_local = Capture(lab["local"])
    one = director(lab, 150)
    wait_for_both(one, "backup")
    masters = {"four": vrrp.OTHER, "six": LINK_LOCAL["other"]}
    eventually(lambda: {row["name"]: row["master"] for row in one.ask("vrrp")} == masters, 10, f"the masters {masters}")
    same(claims(at_local), [], "advertisements of VIP6 from the backup")
    other.stop()  # it says so
    wait_for_both(one, "master")
    both_serve(lab, "client", "local")
    neighbours_are(lab, DIRECTOR_MAC, DIRECTOR_MAC)
    same(claims(at_local), [DIRECTOR_MAC], "who advertises VIP6 afterwards")
    again = keepalived(lab, 200)
    wait_for_vips(lab, True, again)
    wait_for_both(one, "backup")
    neighbours_are(lab, OTHER_MAC, OTHER_MAC)
    understood(one, again)


over_ipv6("ipv6_ha",
          vrrp.the_backup_takes_over_from_a_master_that_is_killed,
          vrrp.a_master_that_stops_hands_over_at_once_and_takes_back_what_is_its_own,
          vrrp.a_master_that_was_stopped_for_a_while_finds_another_and_yields,
          vrrp.a_cut_cable_makes_two_masters_and_a_mended_one_makes_one,
          vrrp.too_few_servers_well_is_a_reason_to_let_the_other_be_master,
          sync.two_hundred_downloads_and_an_idle_session_survive_the_master_by_direct_routing,
          sync.two_hundred_downloads_and_an_idle_session_survive_the_master_through_nat,
          sync.two_hundred_downloads_and_an_idle_session_survive_the_master_through_tunnels,
          sync.a_director_that_joins_is_told_all_and_can_die_for_the_other,
          survival.two_hundred_downloads_survive_a_restart_by_direct_routing,
          survival.two_hundred_downloads_survive_a_restart_through_nat,
          survival.two_hundred_downloads_survive_the_replacement_of_the_program_through_nat,
          survival.a_crash_loses_no_connection_that_was_saved)
