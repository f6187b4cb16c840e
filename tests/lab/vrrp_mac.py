# SPDX-License-Identifier: BSD-2-Clause
"""VRRP with a virtual MAC address: no neighbour table has to change; and the gateway address of NAT servers, which
moves as the VIPs do."""
import signal

from arp import neighbour
from back_ends import each, with_io
from case import Skip, all_answered, case, same, true
from datagrams import echo, service
from lab.director import Director, virtual
from lab.frames import ARP, Capture, arp_request
from lab.namespaces import eventually
from lab.topology import ADDRESS, VIP, VIP2, mac_of
from nat import IN, nat
from vrrp import OTHER, directors, instance, keepalived, second_host, wait_for_state
from vrrp_times import FAST, GATEWAY, VRRP, Asking, inside_of_other

VIRTUAL_MAC, INSIDE_MAC = "00:00:5e:00:01:33", "00:00:5e:00:01:34"  # of virtual router ids 51 and 52
DIRECTOR_MAC = mac_of("director")
CALM = "300ms"  # between adverts, where a backup must not take the master for dead because the machine is busy
QUIET = {"garp_count": 0}  # no gratuitous ARP: nobody is told of another director
LOCAL = (mac_of("local"), ADDRESS["local"])


def said_of(capture, address):
    """ARP of hosts that claim an address, or probe for it."""
    return [f for f in capture.frames()
            if f.kind == ARP and not f.outgoing and (f.source == address or f.source == "0.0.0.0")]


@case(seconds=60)
def with_a_virtual_mac_clients_keep_their_neighbour_entry_when_the_master_dies(lab):
    echo(lab, *lab.servers)
    at_desk = Capture(lab["local"])
    one, other = directors(lab, service=service(*lab.servers), settings=QUIET, interval=FAST, virtual_mac=1)
    asking = Asking(lab, "local")
    asking.wait_for(20)
    same(neighbour(lab["local"], VIP), VIRTUAL_MAC, "the VIP's MAC address for a client")
    since = asking.answers[-1]
    one.program.stop(signal.SIGKILL)
    wait_for_state(other, "master")
    asking.wait_for(20)
    asking.stop()
    print(f"      no answer for {asking.longest_silence(since):.3f} s, without gratuitous ARP", flush=True)
    same(neighbour(lab["local"], VIP), VIRTUAL_MAC, "the VIP's MAC address for a client, after the master died")
    said = said_of(at_desk, VIP)
    same({(f.sender, f.sender_mac) for f in said}, {(VIRTUAL_MAC, VIRTUAL_MAC)}, "who says or asks anything of the VIP")
    same([f for f in said if f.to == "ff:ff:ff:ff:ff:ff" and f.source == VIP], [], "gratuitous ARP")
    adverts = [f for f in at_desk.frames() if f.protocol == VRRP]
    same({f.sender for f in adverts}, {VIRTUAL_MAC}, "Ethernet sources of adverts")
    same({f.source for f in adverts}, {ADDRESS["director"], OTHER}, "IPv4 sources of adverts")
    same({(f.to, f.ttl) for f in adverts}, {("01:00:5e:00:00:12", 255)}, "where adverts go, and their TTL")


@case(seconds=60)
def announcements_and_probes_say_the_virtual_mac_and_own_addresses_keep_the_interfaces(lab):
    second_host(lab)
    lab.serve_web()
    at_desk = Capture(lab["local"])
    one = Director(lab, nat("in1"), instance(150, interval=FAST, virtual_mac=1), inside="eth1",
                   arp_probe_interval="1s").start()
    wait_for_state(one, "master")
    eventually(lambda: [f for f in said_of(at_desk, VIP) if f.source == "0.0.0.0"], 10, "a probe for the VIP")
    same({f.op for f in said_of(at_desk, VIP) if f.source == VIP}, {1, 2}, "kinds of announcements")
    same({(f.sender, f.sender_mac) for f in said_of(at_desk, VIP)}, {(VIRTUAL_MAC, VIRTUAL_MAC)}, "who speaks of it")
    ping(lab, "local", ADDRESS["director"])
    same(neighbour(lab["local"], ADDRESS["director"]), DIRECTOR_MAC, "the MAC address of the director's own address")
    # Another machine that has the address is found by the probe, whose answer comes to the virtual MAC address.
    lab["local"].ip(f"addr add {VIP}/32 dev eth0")
    one.wait_for_log(f"another machine ({mac_of('local')}) answers ARP for VIP {VIP}")


@case(seconds=60)
def a_backup_neither_answers_nor_takes_frames_to_the_virtual_mac(lab):
    one, other = directors(lab, interval=CALM, virtual_mac=1)
    at_desk, asker = Capture(lab["local"]), lab["local"].packet_socket("eth0")
    asker.send(arp_request(*LOCAL, VIP))
    eventually(lambda: [f for f in said_of(at_desk, VIP) if f.op == 2 and f.to == LOCAL[0]], 5, "the master's answer")
    all_answered(lab.request("local", 10), 10)
    same(other.exits()["arp-answered"], 0, "ARP requests that the backup answered")
    same(sum(other.exits()[name] for name in ("forwarded", "standby")), 0, "packets that the backup took")
    same(members(lab, "director"), [VIRTUAL_MAC], "MAC addresses that the master's interface takes beside its own")
    same(members(lab, "other"), [], "MAC addresses that the backup's interface takes beside its own")
    one.stop()
    wait_for_state(other, "master")
    same(members(lab, "other"), [VIRTUAL_MAC], "the same of the new master")
    same(members(lab, "director"), [], "the same of the one that has stopped")
    all_answered(lab.request("local", 10), 10)


@each
def every_back_end_takes_frames_to_the_virtual_mac(lab, io):
    lab.serve_web()
    one = with_io(lab, io, virtual(), instance(150, interval=FAST, virtual_mac=1), **QUIET)
    wait_for_state(one, "master")
    all_answered(lab.request("local", 20), 20)
    same(neighbour(lab["local"], VIP), VIRTUAL_MAC, "the VIP's MAC address for a client")
    same(lab["director"].routed(), 0, "packets that the director's kernel routed")


@case(seconds=60)
def another_mac_by_reload_is_announced(lab):
    one, _ = directors(lab, interval=FAST)
    all_answered(lab.request("local", 5), 5)
    same(neighbour(lab["local"], VIP), DIRECTOR_MAC, "the VIP's MAC address at first")
    one.ini.write_text(one.ini.read_text().replace("[vrrp web]\n", "[vrrp web]\nvirtual_mac = 1\n"))
    one.admin("reload")
    eventually(lambda: neighbour(lab["local"], VIP) == VIRTUAL_MAC, 10, "the virtual MAC address in a client's table")
    all_answered(lab.request("local", 5), 5)
    same(members(lab, "director"), [VIRTUAL_MAC], "MAC addresses that the interface takes beside its own")


@case(seconds=60)
def an_address_without_a_virtual_is_the_masters_outside_too(lab):
    address = f"{VIP} {VIP2}"
    one, other = directors(lab, interval=FAST, address=address)
    ping(lab, "local", VIP2)
    same(neighbour(lab["local"], VIP2), DIRECTOR_MAC, "its MAC address")
    one.stop()
    wait_for_state(other, "master")
    ping(lab, "local", VIP2)
    same(neighbour(lab["local"], VIP2), "02:00:00:00:00:20", "its MAC address when the other is master")
    same(lab["other"].routed(), 0, "packets that the other director's kernel routed")


def ping(lab, host, address):
    """One reply is enough."""
    lab[host].run("ping", "-c", "3", "-i", "0.2", "-W", "5", address)


def members(lab, host, interface="eth0"):
    """Unicast addresses that were added to an interface."""
    lines = lab[host].run("bridge", "fdb", "show", "dev", interface, "self").stdout.splitlines()
    return [line.split()[0] for line in lines if line.startswith("00:00:5e:")]


def two_gateways(lab, **keys):
    """NAT servers inside, whose gateway is an address shared by the directors, in one group with the VIP."""
    second_host(lab)
    inside_of_other(lab)
    lab.add_inside(*IN)
    lab.serve_web(*IN, port=8080)
    for name in IN:
        lab[name].ip(f"route replace default via {GATEWAY}")

    def sections(priority):
        common = {"group": "both", "interval": CALM, **keys}
        return (nat(*IN), instance(priority, address=VIP, **common),
                instance(priority, "gate", vrid=52, on="inside", address=GATEWAY, **common))
    one = Director(lab, *sections(150), inside="eth1").start()
    wait_for_state(one, "master", name="gate")
    other = Director(lab, *sections(100), name="other", host="other", inside="eth1").start()
    wait_for_state(other, "backup", name="gate")
    return one, other


def gateway_dies(lab, one, other, first_mac, second_mac):
    at_inside = Capture(lab["in1"])
    all_answered(lab.request("client", 20), 20)
    same(neighbour(lab["in1"], GATEWAY), first_mac, "the gateway's MAC address for a server")
    ping(lab, "in1", GATEWAY)
    same(other.exits()["arp-answered"] + other.exits()["echo-answered"], 0, "what the backup answered")
    one.program.stop(signal.SIGKILL)
    wait_for_state(other, "master", name="gate")
    wait_for_state(other, "master")
    all_answered(lab.request("client", 20), 20)
    same(neighbour(lab["in1"], GATEWAY), second_mac, "the gateway's MAC address for a server, after the master died")
    ping(lab, "in1", GATEWAY)
    same([f.source for f in at_inside.frames() if f.kind == ARP and f.source == VIP], [], "ARP of the VIP inside")
    same(lab["other"].routed(), 0, "packets that the other director's kernel routed")
    one.start()
    wait_for_state(one, "master", name="gate")
    wait_for_state(other, "backup", name="gate")
    all_answered(lab.request("client", 20), 20)


@case(seconds=90)
def the_gateway_of_nat_servers_moves_with_the_vips(lab):
    one, other = two_gateways(lab)
    at_inside, at_desk = Capture(lab["in1"]), Capture(lab["local"])
    gateway_dies(lab, one, other, "02:00:00:00:01:10", "02:00:00:00:01:11")
    announced = {f.sender_mac for f in at_inside.frames() if f.kind == ARP and f.source == f.target == GATEWAY}
    true("02:00:00:00:01:11" in announced, f"the gateway was announced inside by {announced}")
    same([f for f in at_desk.frames() if f.kind == ARP and GATEWAY in (f.source, f.target)], [], "ARP of it outside")
    rows = {row["address"]: row for row in other.ask("arp") if row["row"] == "vip"}
    same((rows[GATEWAY]["link"], rows[GATEWAY]["standby"]), ("eth1", "1"), "what the backup says of the gateway")
    true("standby: another director has it (VRRP)" in other.admin("arp"), other.admin("arp"))


@case(seconds=90)
def the_gateway_of_nat_servers_keeps_its_virtual_mac_and_the_kernel_routes_for_it(lab):
    one, other = two_gateways(lab, virtual_mac=1)
    gateway_dies(lab, one, other, INSIDE_MAC, INSIDE_MAC)
    # What is no answer of the service is routed by the host's kernel, as from any server whose gateway it is.
    before = lab["director"].routed()
    ping(lab, "in1", ADDRESS["local"])
    true(lab["director"].routed() > before, "the director's kernel routed nothing")


def needs_macvlan(lab):
    """keepalived needs it for use_vmac."""
    if lab["local"].run("ip", "link", "add", "probe", "link", "eth0", "type", "macvlan", check=False).returncode != 0:
        raise Skip("this kernel has no macvlan")
    lab["local"].ip("link del probe")


@case(seconds=60, needs=("keepalived",))
def keepalived_with_a_virtual_mac_follows_and_yields(lab):
    needs_macvlan(lab)
    second_host(lab)
    # As keepalived's documents ask: else its kernel answers for the VIP on eth0, too, with that one's MAC address.
    lab["other"].sysctl(conf__all__arp_ignore=1, conf__all__arp_announce=2)
    lab.serve_web()
    at_desk = Capture(lab["local"])
    keys = {"interval": FAST, "virtual_mac": 1}
    one = Director(lab, virtual(), instance(150, **keys), **QUIET).start()
    wait_for_state(one, "master")
    other = keepalived(lab, 100, 3, 0.1, "use_vmac")
    eventually(lambda: "BACKUP STATE" in other.text(), 10, f"keepalived's backup state: {other.text()}")
    all_answered(lab.request("local", 10), 10)
    one.program.stop(signal.SIGKILL)
    eventually(lambda: VIP in lab["other"].run("ip", "-4", "addr").stdout, 10, f"keepalived's VIP: {other.text()}")
    ping(lab, "local", VIP)
    same(neighbour(lab["local"], VIP), VIRTUAL_MAC, "the VIP's MAC address with keepalived as master")
    one.start()
    wait_for_state(one, "master")
    eventually(lambda: VIP not in lab["other"].run("ip", "-4", "addr").stdout, 10,
               f"keepalived as backup: {other.text()}")
    all_answered(lab.request("local", 10), 10)
    same(neighbour(lab["local"], VIP), VIRTUAL_MAC, "the VIP's MAC address with ours as master again")
    adverts = [f for f in at_desk.frames() if f.protocol == VRRP]
    same({(f.sender, f.source) for f in adverts}, {(VIRTUAL_MAC, ADDRESS["director"]), (VIRTUAL_MAC, OTHER)},
         "whose adverts were heard")
    same([row["refused"] for row in one.ask("vrrp")], ["0"], "adverts of keepalived that were refused")
