# SPDX-License-Identifier: BSD-2-Clause
"""Interfaces come and go; the director waits for them and resumes."""
import fcntl
import os
import struct
import time

from case import all_answered, case, same, true
from lab.director import Director, program, virtual
from lab.frames import ARP, Capture
from lab.namespaces import eventually
from lab.topology import ADDRESS, VIP, mac_of

OTHER_MAC = "02:00:00:00:00:77"
TUNSETIFF, TUNSETPERSIST, TUNSETLINK, IFF_TUN_NO_PI, INFINIBAND = 0x400454ca, 0x400454cb, 0x400454cd, 0x1001, 32


def cpu_seconds(program):
    """Processor time that a program has used."""
    with open(f"/proc/{program.pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def does_not_spin(director):
    """Waiting costs next to nothing: a second, ten replies of the control socket, hardly any processor time."""
    before = cpu_seconds(director.program)
    time.sleep(1)  # a director that spins uses all of it
    for _ in range(10):
        director.ask("exits")
    true(cpu_seconds(director.program) - before < 0.2, "the director is busy while it waits for its interface")


def rewire(lab, mac):
    lab["director"].wire("eth0", mac, f"{ADDRESS['director']}/24")


@case()
def an_interface_missing_at_start_is_waited_for_and_then_used(lab):
    lab.serve_web()
    lab["director"].unwire("eth0")
    director = Director(lab).start()
    director.wait_for_log("interface eth0 does not exist: waiting for it", 2)
    does_not_spin(director)
    rewire(lab, mac_of("director"))
    eventually(lambda: lab.request("local", patience=1).of, 15, "an answer after the interface appeared")
    all_answered(lab.request("local", 20, parallel=5), 20)


@case()
def an_interface_that_goes_down_and_comes_back_serves_again(lab):
    lab.serve_web()
    director = Director(lab).start()
    all_answered(lab.request("local", 5), 5)
    said = len(director.log())
    lab["director"].ip("link set eth0 down")
    eventually(lambda: "eth0" in director.log()[said:], 5, "a log line about eth0 going down")
    does_not_spin(director)
    said = len(director.log())
    capture = Capture(lab["local"])
    lab["director"].ip("link set eth0 up")
    eventually(lambda: "eth0" in director.log()[said:], 5, "a log line about eth0 coming back")
    eventually(lambda: [f for f in capture.frames() if f.kind == ARP and f.source == VIP], 5, "the VIP announced again")
    all_answered(lab.request("local", 20, parallel=5), 20)


@case()
def an_interface_that_goes_down_right_after_a_server_was_added_does_not_keep_the_director_awake(lab):
    director = Director(lab, virtual(servers=("rs1",))).start()
    # The filter's update for the new server is due a moment later, when its socket is gone.
    director.admin("-a", "-t", f"{VIP}:80", "-r", ADDRESS["rs2"])
    lab["director"].ip("link set eth0 down")
    director.wait_for_log("interface eth0 is down: waiting for it to come back", 5)
    does_not_spin(director)


@case()
def a_cable_pulled_and_put_back_is_survived(lab):
    lab.serve_web()
    director = Director(lab).start()
    lab["switch"].ip("link set director-eth0 down")
    does_not_spin(director)
    lab["switch"].ip("link set director-eth0 up")
    eventually(lambda: lab.request("local", patience=1).of, 15, "an answer after the cable was put back")
    all_answered(lab.request("local", 20, parallel=5), 20)


@case()
def an_interface_deleted_and_made_anew_with_another_mac_serves_again(lab):
    lab.serve_web()
    director = Director(lab).start()
    all_answered(lab.request("local", 5), 5)
    said = len(director.log())
    lab["director"].unwire("eth0")
    eventually(lambda: "eth0" in director.log()[said:], 5, "a log line about eth0")
    does_not_spin(director)
    capture = Capture(lab["local"])
    rewire(lab, OTHER_MAC)
    eventually(lambda: [f for f in capture.frames() if f.source == VIP and f.sender_mac == OTHER_MAC], 10,
               "the VIP announced from the new MAC")
    all_answered(lab.request("local", 20, parallel=5), 20)
    before = lab["director"].kernel_counter("InReceives")
    all_answered(lab.request("local", 20), 20)
    same(lab["director"].kernel_counter("InReceives"), before, "packets at the kernel: is the new interface guarded?")


@case()
def an_inside_interface_that_is_missing_does_not_keep_the_others_from_working(lab):
    lab.serve_web()
    lab["director"].unwire("eth1")
    director = Director(lab, inside="eth1").start()
    director.wait_for_log("interface eth1 does not exist: waiting for it", 2)
    all_answered(lab.request("local", 20, parallel=5), 20)


def tun_of_type(host, name, hardware):
    """A tun interface that says that it is of this hardware type (ARPHRD_)."""
    with host.inside():
        device = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN_NO_PI))
        fcntl.ioctl(device, TUNSETPERSIST, 1)
        fcntl.ioctl(device, TUNSETLINK, hardware)
        os.close(device)
    host.ip(f"link set {name} up")


@case()
def an_interface_of_no_use_is_refused_by_name(lab):
    tun_of_type(lab["director"], "ib7", INFINIBAND)
    for name, kind in (("lo", "the loopback interface"), ("ib7", "InfiniBand")):
        for settings in ({"interface": name}, {"interface": "eth0", "inside": name}):
            director = Director(lab, name=f"on-{name}", **settings)
            started = lab["director"].run(program("rawvsd"), "-f", "-c", str(director.ini), check=False)
            same(started.returncode, 6, "exit status")
            true(f"{name} cannot serve: it has no Ethernet: {kind}" in started.stderr, started.stderr)
            for command in ([program("rawvsd"), "-t", "-c", str(director.ini)],
                            [program("rawvsadm"), "check", str(director.ini)]):
                checked = lab["director"].run(*command, check=False)
                true(checked.returncode != 0, f"{command} finds nothing")
                true(f"{name} cannot serve: it has no Ethernet: {kind}" in checked.stderr, checked.stderr)


@case(seconds=40)
def an_interface_that_comes_back_as_one_of_no_use_is_told_of_and_waited_for(lab):
    lab.serve_web()
    director = Director(lab).start()
    all_answered(lab.request("local", 5), 5)
    lab["director"].unwire("eth0")
    tun_of_type(lab["director"], "eth0", INFINIBAND)
    director.wait_for_log("interface eth0 cannot serve: it has no Ethernet", 10)
    does_not_spin(director)
    done = director.admin("doctor", check=False)
    true("rawvsd cannot serve on interface eth0" in done.stdout, done.stdout)
    lab["director"].ip("link del eth0")
    rewire(lab, mac_of("director"))
    eventually(lambda: lab.request("local", patience=1).of, 15, "an answer with Ethernet again")
