# SPDX-License-Identifier: BSD-2-Clause
"""The director's own host is a client: what it sends to a VIP is balanced as if it came from the LAN."""
import os
import pathlib
import signal

from case import Skip, all_answered, case, each_of, over_ipv6, same, true
from interfaces import cable
from lab.director import Director, program, virtual
from lab.namespaces import eventually
from lab.topology import Load
from nat import IN
from programs import MEGABYTE, download, serve_names, unwrap_at, upload, upload_page
from vrrp import directors, wait_for_state

TUN = "rawvs0"
METHODS = {"by_direct_routing": "dr", "by_tunnels": "tun", "by_nat": "nat", "by_full_nat": "fullnat"}


def servers_for(lab, method):
    """Servers of this method; the director's host is the gateway of those inside."""
    if not pathlib.Path("/dev/net/tun").exists():
        raise Skip("/dev/net/tun is missing")
    if method in ("nat", "fullnat"):
        lab.add_inside(*IN)
        return IN
    if method == "tun":
        unwrap_at(lab, *lab.servers)
    return lab.servers


def section_for(lab, method, servers, **keys):
    return virtual(servers=[f"{name} forward={method}" for name in servers], scheduler="rr", family=lab.family, **keys)


def start(lab, *sections, **keys):
    director = Director(lab, *sections, local_clients=1, inside="eth1", **keys).start()
    eventually(lambda: lab.family.vip in routed(lab), 10, "a route to the VIP")
    return director


def routed(lab, host="director"):
    """The addresses that the host routes to its director, and the source of each."""
    lines = lab[host].run("ip", f"-{lab.family.version}", "route", "show", "table", "main").stdout.splitlines()
    words = [line.split() for line in lines if f"dev {TUN} " in line]
    return {line[0]: line[line.index("src") + 1] for line in words if "src" in line}


def wait_for_routes(lab, *vips):
    wanted = dict.fromkeys(vips, lab.family.address["director"])
    eventually(lambda: routed(lab) == wanted, 10, f"routes to {vips}")


def served_again(lab):
    wait_for_routes(lab, lab.family.vip)
    all_answered(lab.request("director", 10), 10)


def interfaces(lab):
    return lab["director"].run("ip", "-o", "link").stdout


@each_of(METHODS, seconds=60)
def the_host_is_a_client_of_servers(lab, method):
    servers = servers_for(lab, method)
    lab.serve_web(*servers)
    director = start(lab, section_for(lab, method, servers))
    answers = lab.request("director", 40, parallel=4)
    all_answered(answers, 40)
    same(dict(answers.of), dict.fromkeys(servers, 20), "who answered")
    all_answered(lab.request("client", 10), 10)
    true(f"this host is a client, too: 1 VIP routed by {TUN}" in director.admin("status"), director.admin("status"))
    content = os.urandom(MEGABYTE) * 20
    upload_page(lab, *servers)
    upload(lab, "director", content)
    download(lab, "director", content, *servers)
    lab["director"].run("ping", "-n", "-c", "2", "-i", "0.2", lab.family.vip)
    same(director.dropped(), {}, "frames dropped")


@each_of(METHODS, seconds=60)
def the_host_is_a_client_by_udp_of_servers(lab, method):
    servers = servers_for(lab, method)
    listens = lab.family.vip if method in ("dr", "tun") else None
    serve_names(lab, *servers, address=lambda name: listens or lab.family.address[name])
    start(lab, section_for(lab, method, servers, ports="udp/53 tcp/53"))
    for words in ((), ("+tcp",)):
        got = [lab["director"].run("dig", f"@{lab.family.vip}", "who.example", "TXT", "+short", "+tries=1", "+time=5",
                                   *words).stdout.strip().strip('"') for _ in range(4)]
        same(set(got), set(servers), f"who answered dig {words}")
    long = lab["director"].run("dig", f"@{lab.family.vip}", "large.example", "+short", "+tries=1", "+time=5", "+notcp",
                               "+bufsize=4096").stdout.split()
    same(len(long), 100, "addresses in a datagram of several fragments")


@case(seconds=60)
def a_reload_adds_and_removes_the_routes_and_the_end_leaves_nothing(lab):
    vip, vip2 = lab.family.vip, lab.family.vip2
    lab.serve_web()
    servers_for(lab, "dr")
    one, two = virtual(family=lab.family), virtual(name="two", address=vip2, family=lab.family)
    director = start(lab, one)
    before = director.ini.read_text()
    director.ini.write_text(f"{before}\n{two}")
    director.admin("reload")
    wait_for_routes(lab, vip, vip2)
    all_answered(lab.request("director", 10, url=f"http://{lab.family.place(vip2)}/"), 10)
    director.ini.write_text(before)
    director.admin("reload")
    wait_for_routes(lab, vip)
    all_answered(lab.request("director", 10), 10)
    same(director.stop(), 0, "exit status")
    same(routed(lab), {}, "routes that are left")
    true(TUN not in interfaces(lab), interfaces(lab))


@case(seconds=60)
def a_killed_director_leaves_neither_interface_nor_route(lab):
    lab.serve_web()
    servers_for(lab, "dr")
    director = start(lab, virtual(family=lab.family))
    director.stop(signal.SIGKILL)
    same(routed(lab), {}, "routes that are left")
    true(TUN not in interfaces(lab), interfaces(lab))
    director.start()
    served_again(lab)


@case(seconds=60)
def the_next_program_takes_over_interface_and_routes(lab):
    servers_for(lab, "nat")
    lab.serve_web(*IN)
    director = start(lab, section_for(lab, "nat", IN))
    idle = lab.connect("director")
    index = interfaces(lab).partition(f": {TUN}")[0].splitlines()[-1]
    load = Load(lab, "director", parallel=4)
    load.wait_for(20)
    director.program.send(signal.SIGUSR2)
    director.wait_for_log("rawvsd", 10)
    eventually(lambda: director.log().count(" runs on ") == 2, 20, "the next program")
    load.wait_for(20)
    answers = load.stop()
    same(answers.failures, [], "failed requests")
    same(interfaces(lab).partition(f": {TUN}")[0].splitlines()[-1], index, "the interface's index")
    idle.sendall(b"GET / HTTP/1.0\r\n\r\n")
    true(b"200 OK" in idle.recv(4096), "the old connection goes on")
    idle.close()
    director.stop()
    true(TUN not in interfaces(lab), interfaces(lab))


@case()
def without_the_tun_device_the_log_and_doctor_say_so_and_the_lan_is_served(lab):
    lab.serve_web()
    director = Director(lab, virtual(family=lab.family), local_clients=1)
    daemon = f"mount -t tmpfs none /dev/net && exec {program('rawvsd')} -f -c {director.ini}"
    director.program = lab["director"].start("unshare", "--mount", "sh", "-c", daemon)
    director.wait_for_log("local_clients: what this host sends to a VIP is not balanced: /dev/net/tun: No such file or "
                          "directory: the kernel's tun driver is not here")
    eventually(director.ready, 10, "an answer")
    all_answered(lab.request("client", 10), 10)
    said = director.admin("doctor", check=False).stdout
    true("local_clients = 1, but there is no tun interface" in said, said)


@case()
def without_the_key_nothing_is_made(lab):
    director = Director(lab, virtual(family=lab.family)).start()
    same(routed(lab), {}, "routes")
    true(TUN not in interfaces(lab), interfaces(lab))
    true(TUN not in director.log(), director.log())


@case(seconds=60)
def a_masquerading_firewall_beside_it_changes_nothing(lab):
    servers_for(lab, "nat")
    lab.serve_web(*IN)
    family = "ip" if lab.family.version == 4 else "ip6"
    lab["director"].run("nft", "-f", "-", stdin=f"""
        table {family} nat {{
            chain post {{ type nat hook postrouting priority 100; masquerade; }}
        }}
        table {family} wall {{
            chain in {{
                type filter hook input priority 0; policy drop;
                iifname "lo" accept
                ct state established,related accept
                meta l4proto {{ icmp, ipv6-icmp }} accept
            }}
        }}
        """)
    start(lab, section_for(lab, "nat", IN))
    all_answered(lab.request("director", 40, parallel=4), 40)
    all_answered(lab.request("client", 10), 10)


@case(seconds=60)
def an_address_of_the_host_stays_its_own(lab):
    """The kernel delivers to itself before it looks for routes: doctor says so."""
    lab.serve_web()
    servers_for(lab, "dr")
    lab["director"].ip(f"addr add {lab.family.vip}/32 dev lo")
    director = Director(lab, virtual(family=lab.family), local_clients=1).start()
    true("local-own" in director.admin("doctor", "--json", check=False).stdout,
         director.admin("doctor", check=False).stdout)
    lab["director"].ip(f"addr del {lab.family.vip}/32 dev lo")
    served_again(lab)


@case(seconds=60)
def routes_that_others_removed_come_back_with_the_interface(lab):
    lab.serve_web()
    servers_for(lab, "dr")
    start(lab, virtual(family=lab.family))
    lab["director"].ip(f"link set {TUN} down")
    same(routed(lab), {}, "routes of an interface that is down")
    lab["director"].ip(f"link set {TUN} up")
    served_again(lab)


@case(seconds=60)
def a_deleted_interface_is_made_again(lab):
    lab.serve_web()
    servers_for(lab, "dr")
    start(lab, virtual(family=lab.family))
    lab["director"].ip(f"link del {TUN}")
    served_again(lab)


@case(seconds=60)
def what_the_host_routes_to_a_vip_from_other_interfaces_is_balanced_too(lab):
    """A guest behind an interface that rawvsd does not know."""
    guest = cable(lab, "guest", "port0")
    near, far = "198.51.100.65", "198.51.100.66"
    lab["director"].ip(f"addr add {near}/28 dev port0")
    guest.ip(f"addr add {far}/28 dev eth0", f"route add default via {near}")
    servers = servers_for(lab, "nat")
    lab.serve_web(*servers)
    director = start(lab, section_for(lab, "nat", servers))
    all_answered(lab.request("guest", 20, parallel=4), 20)
    true("port0" not in director.log(), director.log())


@case(seconds=60)
def a_vip_on_none_of_the_hosts_networks_is_asked_from_the_clients_side(lab):
    servers = servers_for(lab, "nat")
    lab.serve_web(*servers)
    far = "198.51.100.200"
    section = section_for(lab, "nat", servers).replace(lab.family.vip, far)
    Director(lab, section, local_clients=1, inside="eth1").start()
    wait_for_routes(lab, far)
    all_answered(lab.request("director", 10, url=f"http://{far}/"), 10)


@case(seconds=60)
def doctor_names_a_strict_rp_filter_that_nat_does_not_mind(lab):
    servers = servers_for(lab, "nat")
    lab.serve_web(*servers)
    lab.serve_web()
    lab["director"].run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1")
    director = start(lab, section_for(lab, "nat", servers), virtual(name="two", address=lab.family.vip2))
    all_answered(lab.request("director", 10), 10)
    said = director.admin("doctor", check=False).stdout
    true("rp_filter is strict on eth0" in said and "sysctl -w net.ipv4.conf.eth0.rp_filter=2" in said, said)
    lab["director"].run("sysctl", "-qw", "net.ipv4.conf.eth0.rp_filter=2")
    all_answered(lab.request("director", 10, url=f"http://{lab.family.vip2}/"), 10)
    said = director.admin("doctor", check=False).stdout
    true("rp_filter is strict" not in said and f"comes to rawvsd by {TUN}" in said, said)


@case(seconds=60)
def checks_with_via_vip_and_explanations_know_the_host(lab):
    lab.serve_web()
    servers_for(lab, "dr")
    section = virtual(family=lab.family, check="c") + "[check c]\ntype = http\nvia = vip\ninterval = 1s\n"
    director = start(lab, section)
    up = {lab.family.address[name]: "up" for name in lab.servers}
    eventually(lambda: {at: row[0] for at, row in director.health().items()} == up, 10, "all servers up")
    all_answered(lab.request("director", 10), 10)
    own = lab.family.place(lab.family.address["director"], 40000)
    told = director.admin("explain", own, lab.family.place(lab.family.vip, 80))
    true(any(address in told.splitlines()[-1] for address in up), told)
    trace = lab["director"].start(*director.command("trace", "--count", "1"))
    eventually(lambda: lab.request("director").of and f"{TUN} in:" in trace.text(), 10, "a traced packet of the host")


@case(seconds=90)
def only_a_vrrp_master_takes_its_hosts_packets(lab):
    servers_for(lab, "dr")
    one, other = directors(lab, settings={"local_clients": 1})
    vip = lab.family.vip
    wait_for_routes(lab, vip)
    same(routed(lab, "other"), {}, "routes of the backup's host")
    all_answered(lab.request("other", 10), 10)  # by the master, over the LAN
    one.stop()
    wait_for_state(other, "master")
    eventually(lambda: vip in routed(lab, "other"), 10, "a route of the new master's host")
    same(routed(lab), {}, "routes of the old one's")
    for host in ("director", "other", "client"):
        all_answered(lab.request(host, 10), 10)


over_ipv6("local_clients",
          the_host_is_a_client_of_servers,
          a_reload_adds_and_removes_the_routes_and_the_end_leaves_nothing,
          the_next_program_takes_over_interface_and_routes,
          a_masquerading_firewall_beside_it_changes_nothing,
          an_address_of_the_host_stays_its_own,
          a_deleted_interface_is_made_again,
          only_a_vrrp_master_takes_its_hosts_packets)
