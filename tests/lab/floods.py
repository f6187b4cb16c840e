# SPDX-License-Identifier: BSD-2-Clause
"""A connection table that a flood fills: conversations go on, and new clients come in."""
import json

from case import case, same, true
from lab.director import Director, virtual
from lab.flood import FORGED, begin, result, serve
from lab.topology import VIP, mac_of

COUNT = 30000  # frames: the table has 2,000 entries


def through_a_flood(lab, kind, *sections, server, rate=10000, **settings):
    """A flood of this kind while 20 downloads go on and 40 new clients come."""
    lab["router"].ip(f"route add blackhole {FORGED}")  # where servers send their replies to forgers
    serve(lab[server])
    director = Director(lab, *sections, max_connections=2000, **settings).start()
    end = lab.directory / "end"
    held = begin(lab["client"], "downloads", VIP, 20, end)
    flood = begin(lab["local"], "flood", kind, rate, COUNT, "eth0", mac_of("director"))
    new = result(begin(lab["client"], "newcomers", VIP, 40, 3))
    sent = result(flood, 120)["sent"]
    end.touch()
    return director, new, result(held), sent


def unharmed(director, new, held, sent, kind):
    table = next(row for row in director.ask("list") if row["row"] == "daemon")
    same(held, {"living": 20, "of": 20}, "downloads that went on")
    true(new["served"] == 40, f"new clients: {new}; {director.dropped()}; {table}")
    true(sent == COUNT and int(table["gave-way"]) > COUNT / 4, f"what gave way: {table}")
    true(kind in table["gave-way-kinds"], table["gave-way-kinds"])
    true(director.dropped().get("table-full", 0) == 0, f"newcomers refused: {director.dropped()}")
    director.wait_for_log("unproven connections gave way to others")
    status = director.admin("status")
    true("gave way to others" in status and " of 2,000" in status, status)
    findings = json.loads(director.admin("doctor", "--json", check=False).stdout)["findings"]
    true(any(one["check"] == "gave-way" for one in findings), findings)


@case(seconds=120, alone=True)
def a_flood_of_forged_syns_fills_the_table_and_harms_nobody_by_direct_routing(lab):
    unharmed(*through_a_flood(lab, "syn", virtual(servers=("rs1",)), server="rs1", client_share=100), "half-open")


@case(seconds=120, alone=True)
def a_flood_of_forged_handshakes_fills_the_table_and_harms_nobody_by_direct_routing(lab):
    unharmed(*through_a_flood(lab, "syn-ack", virtual(servers=("rs1",)), server="rs1", rate=5000, client_share=100),
             "quiet")


@case(seconds=120, alone=True)
def a_flood_of_forged_syns_fills_the_table_and_harms_nobody_with_nat(lab):
    inner = virtual(servers=("inner forward=nat",))
    # Slower: the replies to forgers pass the director, too, and a client has to be proven before it gives way.
    flooded = through_a_flood(lab, "syn", inner, server="inner", rate=2500, inside="eth1", client_share=100,
                              syn_cookies="off")
    unharmed(*flooded, "half-open")


@case(seconds=120, alone=True)
def a_flood_of_udp_fills_the_table_and_harms_nobody(lab):
    both = [virtual(servers=("rs1",)), virtual("dns", ports="udp/53", servers=("rs1",))]
    unharmed(*through_a_flood(lab, "udp", *both, server="rs1", client_share=100), "one-way")
