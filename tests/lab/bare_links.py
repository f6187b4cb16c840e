# SPDX-License-Identifier: BSD-2-Clause
"""Interfaces without Ethernet: clients and servers behind PPP, tun, WireGuard, GRE and ipip.

The guest is a client at the other end of such a link; what carries it is a cable with addresses of its own:
guest LINK ═══ LINK director, over guest eth0 ─── port0 director."""
import pathlib
import shutil

from case import Skip, all_answered, case, each_of, same, true
from interfaces import cable, make, megabytes_each_way
from lab.director import Director, virtual
from lab.frames import Capture
from lab.namespaces import eventually
from lab.topology import IPV6, VIP
from programs import HERE

NEAR, FAR = "198.51.100.65", "198.51.100.66"      # the ends of the link
NEAR6, FAR6 = "2001:db8:9::1", "2001:db8:9::2"
OUTER = {"director": "198.51.100.81", "guest": "198.51.100.82"}  # of the cable below it
NAT = virtual(servers=("in1:8080 forward=nat",))


def carrier(lab):
    """The cable on which tunnels are carried."""
    guest = cable(lab, "guest", "port0")
    lab["director"].ip(f"addr add {OUTER['director']}/28 dev port0")
    guest.ip(f"addr add {OUTER['guest']}/28 dev eth0")
    return guest


def tunnel(lab, kind):
    guest = carrier(lab)
    for host, far in ((lab["director"], OUTER["guest"]), (guest, OUTER["director"])):
        local = OUTER["director" if host is lab["director"] else "guest"]
        make(host, f"link add link9 type {kind} remote {far} local {local}")
    return guest


def ipip(lab):
    return tunnel(lab, "ipip")


def gre(lab):
    return tunnel(lab, "gre")


def wireguard(lab):
    if not shutil.which("wg"):
        raise Skip("wg is not installed")
    guest = carrier(lab)
    keys = {}
    for host in (lab["director"], guest):
        make(host, "link add link9 type wireguard")
        secret = host.run("wg", "genkey").stdout
        keys[host.name] = (secret, host.run("wg", "pubkey", stdin=secret).stdout.strip())
    for host, far in ((lab["director"], guest), (guest, lab["director"])):
        file = lab.directory / f"{host.name}.key"
        file.write_text(keys[host.name][0])
        host.run("wg", "set", "link9", "private-key", str(file), "listen-port", "51820", "peer", keys[far.name][1],
                 "allowed-ips", "0.0.0.0/0,::/0", "endpoint", f"{OUTER[far.name]}:51820")
    return guest


def tun(lab):
    """A program at each end, and a pair of sockets between them."""
    guest = lab.host("guest")
    if not pathlib.Path("/dev/net/tun").exists():
        raise Skip("/dev/net/tun is missing")
    for host in (lab["director"], guest):
        make(host, "tuntap add link9 mode tun")
    program = guest.start(str(HERE / "tun_pair"), lab["director"].namespace, guest.namespace, "link9")
    eventually(lambda: "ready" in program.text() or not program.running(), 10, "the tun pair")
    true(program.running(), f"tun_pair: {program.text()}")
    return guest


def ppp(lab):
    """pppd at both ends; the one in the director's host starts the guest's on a pseudo-terminal."""
    if not shutil.which("pppd"):
        raise Skip("pppd is not installed")
    if not pathlib.Path("/dev/ppp").exists():
        raise Skip("/dev/ppp is missing")
    guest = lab.host("guest")
    options = "nodetach noauth local nocrtscts ifname link9 noipdefault nodefaultroute mtu 1492 mru 1492".split()
    other = f"ip netns exec {guest.namespace} pppd notty {' '.join(options)} {FAR}:{NEAR}"
    program = lab["director"].start("pppd", *options, f"{NEAR}:{FAR}", "pty", other)
    for host in (lab["director"], guest):
        eventually(lambda host=host: "inet" in host.run("ip", "address", "show", "link9", check=False).stdout
                   or not program.running(), 15, "the PPP link")
    true(program.running(), f"pppd: {program.text()}")
    return guest


def set_up(lab, kind, mtu=None):
    """The link with its addresses; the VIP is behind it for the guest.  mtu: at the director's end."""
    guest = kind(lab)
    if mtu:
        lab["director"].ip(f"link set link9 mtu {mtu}")
    if kind is not ppp:
        lab["director"].ip(f"addr add {NEAR} peer {FAR} dev link9", "link set link9 up")
        guest.ip(f"addr add {FAR} peer {NEAR} dev link9", "link set link9 up")
    eventually(lambda: guest.run("ping", "-c1", "-W1", NEAR, check=False).returncode == 0, 20, "the link to answer")
    guest.ip(f"route add {VIP}/32 dev link9")
    return guest


KINDS = {"ipip": ipip, "gre": gre, "wireguard": wireguard, "tun": tun, "ppp": ppp}


@each_of(KINDS, seconds=60)
def clients_behind_a_link_without_ethernet_are_served_by_nat(lab, kind):
    lab.add_inside("in1")
    lab.serve_web("in1", port=8080)
    set_up(lab, kind)
    director = Director(lab, NAT, interface="eth0 link9", inside="eth1").start()
    all_answered(lab.request("guest", 40, parallel=5), 40)
    all_answered(lab.request("client", 10), 10)
    megabytes_each_way(lab, "guest", "in1")
    same(lab["director"].routed(), 0, "packets that the director's kernel routed")
    true("frames are read by" in director.log() and "link9" in director.log(), director.log())


@case(seconds=60, family=IPV6)
def ipv6_clients_behind_such_a_link_are_served_by_nat(lab):
    lab.add_inside("in1")
    lab.serve_web("in1", port=8080)
    guest = tun(lab)
    guest.enable_ipv6()
    for host, near, far in ((lab["director"], NEAR6, FAR6), (guest, FAR6, NEAR6)):
        host.ip(f"addr add {near} peer {far} dev link9 nodad", "link set link9 up")
    guest.ip(f"route add {lab.family.vip}/128 dev link9")
    section = virtual(servers=("in1:8080 forward=nat",), family=IPV6)
    Director(lab, section, interface="eth0 link9", inside="eth1").start()
    all_answered(lab.request("guest", 20, parallel=5), 20)
    megabytes_each_way(lab, "guest", "in1")
    same(lab["director"].routed(), 0, "packets that the director's kernel routed")


@each_of({name: kind for name, kind in KINDS.items() if name != "ppp"}, seconds=60)
def a_server_behind_a_link_without_ethernet_is_reached_by_nat(lab, kind):
    guest = set_up(lab, kind)
    guest.ip(f"route replace default via {NEAR} dev link9", f"route del {VIP}/32 dev link9")
    lab.serve_web("guest", port=8080)
    section = f"[virtual web]\naddress = {VIP}\nports = tcp/80\nserver = {FAR}:8080 forward=nat\n"
    director = Director(lab, section).start()  # auto_interfaces
    director.wait_for_log("interface link9 is used, too")
    all_answered(lab.request("client", 20, parallel=5), 20)
    megabytes_each_way(lab, "client", "guest")
    same(lab["director"].routed(), 0, "packets that the director's kernel routed")


@each_of({way: way for way in ("tcx", "clsact", "classic")}, seconds=60)
def the_kernel_is_kept_out_on_such_a_link_by(lab, way):
    lab.add_inside("in1")
    lab.serve_web("in1", port=8080)
    set_up(lab, tun)
    director = Director(lab, NAT, interface="eth0 link9", inside="eth1", guard=way).start()
    if f"eth0: guard attached ({way})" not in director.log():
        raise Skip(f"this kernel has no {way}")
    director.wait_for_log(f"link9: guard attached ({way})")
    all_answered(lab.request("guest", 40, parallel=5), 40)
    same(lab["director"].routed(), 0, "packets that the director's kernel routed")


@case()
def direct_routing_to_such_a_link_is_refused_and_the_log_says_why(lab):
    set_up(lab, tun)
    section = f"[virtual web]\naddress = {VIP}\nports = tcp/80\nserver = {FAR}\n"
    director = Director(lab, section).start()
    director.wait_for_log(f"real server {FAR}: its route leaves through a link without Ethernet")
    same(director.servers()[FAR]["reach"], "no-ethernet", "whether it can be reached")


def segment_sizes(capture, flags):
    """The TCP segment sizes that SYNs (0x02) or SYN-ACKs (0x12) to or from port 80 state."""
    sizes = set()
    for frame in capture.frames():
        data = frame.data[14:]
        if len(data) < 40 or data[0] >> 4 != 4 or data[9] != 6:
            continue
        tcp = data[(data[0] & 15) * 4:]
        if tcp[13] & 0x3f == flags and tcp[20:22] == b"\x02\x04":
            sizes.add(int.from_bytes(tcp[22:24], "big"))
    return sizes


@each_of({"auto": ("auto", {1440}), "off": ("off", {1460}), "a_number": (1000, {1000})})
def the_segment_size_of_syns_is_lowered_to_the_narrower_way(lab, wanted):
    clamp, sizes = wanted
    lab.add_inside("in1")
    lab.serve_web("in1", port=8080)
    set_up(lab, tun, 1480)
    Director(lab, NAT, interface="eth0 link9", inside="eth1", mss_clamp=clamp).start()
    at_server = Capture(lab["in1"])
    all_answered(lab.request("guest", 3), 3)
    same(segment_sizes(at_server, 2), sizes, "segment sizes in SYNs at the server")


@case()
def vrrp_on_such_a_link_is_refused_with_the_reason(lab):
    set_up(lab, tun)
    director = Director(lab, virtual(), "[vrrp v]\nvrid = 7\non = link9\n", interface="eth0 link9").start()
    director.wait_for_log("interface link9 has no Ethernet")
