#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Makes the inputs of the capture tests: NAME.in.pcap for every function, here or in methods.py, named by a sentence.

To add a capture: write NAME.ini (its first comment says which behaviour it shows) and a function NAME; then
    tests/captures/make.py NAME
    RAWVS_REGENERATE=1 build/unit-tests --gtest_filter='*NAME'
prints every frame that leaves and writes NAME.out.pcap and NAME.counters. Read both critically: they are what the test
require from then on.  A real capture needs no function: put it here as NAME.in.pcap.

A function yields (seconds, frame).  Addresses: clients 198.51.100.N behind the router 02:..:01 (192.0.2.1), the
director 02:..:10 (192.0.2.10; inside 02:00:00:00:01:10, 203.0.113.10), VIP 192.0.2.100, real servers 192.0.2.11 ...
with MAC 02:..:11 ...  See tools/rawvs-replay/replay.h.
"""
import pathlib
import struct
import sys

from frames import *  # pylint: disable=wildcard-import,unused-wildcard-import
from methods import *  # pylint: disable=wildcard-import,unused-wildcard-import

HERE = pathlib.Path(__file__).resolve().parent
START = 1_700_000_000  # seconds since 1970 of every capture's zero


# --- Captures ---
def new_clients_take_turns_between_two_servers():
    for n in range(1, 5):
        yield n - 1, tcp(f"{n}:1001", "S")
    yield 4, tcp("1:1002", "S")  # the same client again: another connection


def a_connection_keeps_its_server_until_it_expires():
    yield 0, tcp("1:1001", "S")
    yield 0.05, tcp("1:1001", "A", ack=1)
    yield 1, tcp("2:1001", "S")
    yield 2, tcp("3:1001", "S")
    yield 2.5, tcp("1:1001", "PA", data=b"GET / HTTP/1.0\r\n\r\n", ack=1)
    yield 902.4, tcp("1:1001", "A", ack=1)   # 899.9 s later: still there
    yield 1802.6, tcp("1:1001", "A", ack=1)  # 900.2 s later: over
    yield 1802.7, tcp("1:1001", "S")         # and begins anew, with the next server


def weight_zero_gets_no_new_clients():
    for n in range(1, 5):
        yield n - 1, tcp(f"{n}:1001", "S")


def arp_for_a_vip_is_answered_once():
    yield 0, who_has(VIP)
    yield 1, who_has(VIP, to=DIRECTOR)  # a cache that refreshes its entry
    yield 2, who_has(VIP, sender="0.0.0.0", sender_mac="02:00:00:00:00:77")  # RFC 5227: does anybody have it?
    yield 3, who_has(VIP, sender="203.0.113.11", sender_mac="02:00:00:00:01:11")  # asked inside


def arp_for_an_unknown_address_is_left_alone():
    yield 0, who_has("192.0.2.10")   # the director's own: its kernel's business
    yield 1, who_has("192.0.2.101")  # no service
    yield 2, who_has("192.0.2.1", sender="192.0.2.77", sender_mac="02:00:00:00:00:77")
    yield 3, is_at("192.0.2.77", "02:00:00:00:00:77")


def a_packet_waits_for_its_servers_mac_address():
    yield nothing(0)
    yield 0.1, tcp("1:1001", "S")
    yield 0.2, tcp("1:1001", "S")  # again; both wait
    yield 0.3, is_at("192.0.2.11", server_mac(1))
    yield 0.4, tcp("1:1001", "A", ack=1)


def a_silent_server_is_asked_again_with_pauses():
    yield nothing(0)
    yield 0.5, tcp("1:1001", "S")
    yield 12, tcp("2:1001", "S")   # silent by now: dropped, but it is asked for at once, not only at 17
    yield 40, is_at("192.0.2.11", server_mac(1))
    yield 40.1, tcp("3:1001", "S")


def more_packets_than_arp_hold_do_not_wait():
    yield nothing(0)
    for n in range(1, 5):
        yield 0.1 * n, tcp(f"{n}:1001", "S")
    yield 0.9, is_at("192.0.2.11", server_mac(1))


def a_servers_address_is_asked_anew_before_it_ages():
    yield nothing(0)
    yield 0.1, is_at("192.0.2.11", server_mac(1))
    yield 45.2, is_at("192.0.2.11", server_mac(1))
    yield 50, tcp("1:1001", "S")
    yield 102, tcp("2:1001", "S")   # asked at 90.2, 91.2, 92.2 by unicast, then everybody; the old answer still serves
    yield 106, tcp("3:1001", "S")   # too old since 105.2: this one waits
    yield 106.5, is_at("192.0.2.11", server_mac(1))
    yield 107, is_at("192.0.2.11", "02:00:00:00:00:99")  # another machine claims its address: the old one is asked,
    yield 108, tcp("1:1001", "A")                        # and serves until all were asked and the other one answers
    yield 108.5, is_at("192.0.2.11", "02:00:00:00:00:99")
    yield 109, tcp("1:1001", "A")


def a_closed_port_is_reset():
    yield 0, tcp("1:1001", "S", port=81, seq=4_000_000_000)
    yield 1, tcp("1:1002", "A", ack=77)            # no connection
    yield 2, tcp("1:1003", "F", data=b"abc")       # ACK = SEQ + data + FIN
    yield 3, tcp("1:1004", "R", port=81)           # never answered
    yield 4, tcp("1:1005", "RA", port=81, ack=5)
    yield 5, broken(tcp("1:1006", "S", port=81), -1)
    yield 6, tcp("1:20", "S")                      # from an FTP data port: not scheduled


def udp_to_a_closed_port_is_unreachable():
    yield 0, udp("1:1001", port=54)
    yield 1, udp("1:1001", port=54, data=bytes(1400))  # quoted in part: 576 bytes in all
    yield 2, broken(udp("1:1001", port=54), -1)


def ping_is_answered():
    yield 0, ping()
    yield 1, ping("2", data=b"odd")
    yield 2, ping("3", data=bytes(range(256)) * 5)
    yield 3, ping(data=b"")
    yield 4, broken(ping(), -1)
    yield 5, ping(kind=0)          # an answer to nobody's question
    yield 6, ping(kind=13)         # timestamp: hosts need not
    yield 7, ping(dst=VIP2)        # not a VIP


def a_service_without_servers_says_unreachable():
    yield 0, tcp("1:1001", "S")
    yield 1, udp("1:1001")
    yield 2, tcp("1:1001", "S", port=81)  # its only server has weight 0
    yield 3, tcp("1:1001", "A")


def ttl_one_is_not_forwarded():
    yield 0, tcp("1:1001", "S", ttl=2)
    yield 1, tcp("1:1001", "A", ttl=1)
    yield 2, tcp("2:1001", "S", ttl=1)
    yield 3, tcp("2:1001", "A", ttl=0)
    yield 4, tcp("3:1001", "S", port=81, ttl=1)  # has arrived: answered as with any TTL


def a_packet_larger_than_the_mtu_is_told():
    yield 0, tcp("1:1001", "S")
    yield 1, tcp("1:1001", "A", data=bytes(1460))             # 1500: fits
    yield 2, tcp("1:1001", "A", data=bytes(1461))
    yield 3, tcp("1:1001", "A", data=bytes(1461), df=False)


def hostile_packets_are_counted_by_reason():
    good = tcp("1:1001", "S")
    frames = [
        good[:13], good[:30], good[:53],                             # truncated: Ethernet, IPv4, TCP
        broken(good, IP_LENGTH),                                      # truncated: 296 bytes said, 40 there
        good[:IP_LENGTH] + b"\0\x13" + good[IP_LENGTH + 2:],          # bad length: less than its header
        *(good[:TCP_OFFSET] + b + good[TCP_OFFSET + 1:] for b in (b"\xf0", b"\x40")),  # bad length: TCP header 60; 16
        udp("1:1001", length=7), udp("1:1001", length=14),            # bad length: UDP
        *(good[:IP_VERSION] + b + good[IP_VERSION + 1:] for b in (b"\x65", b"\x44")),  # bad header: version 6; 16 bytes
        broken(good, IP_CHECKSUM),
        tcp("1:1001", "S", port=0), tcp("1:0", "S"), udp("1:0"),      # zero ports
        tcp("1:80", "S", src=VIP),                                    # land
        *(tcp("1:1001", "S", src=src) for src in
          ("0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.255")),  # bad sources
        tcp("1:1001", "S", from_mac=BROADCAST), tcp("1:1001", "S", from_mac="01:00:5e:00:00:01"),
        tcp("1:1001", "S", from_mac=DIRECTOR),                   # our own frame
        tcp("1:1001", "S", to_mac="02:00:00:00:00:99"),        # another machine's
        tcp("1:1001", "S", df=False, fragment=0x2000), udp("1:1001", df=False, fragment=0x0010),
        arp(3, ROUTER, "192.0.2.1", ROUTER, VIP, DIRECTOR),           # bad ARP: no such operation
        arp(1, BROADCAST, "192.0.2.1", ROUTER, VIP, DIRECTOR)[:6] + mac(ROUTER)
        + arp(1, BROADCAST, "192.0.2.1", ROUTER, VIP, DIRECTOR)[12:],  # bad ARP: sender FF:..
        who_has(VIP)[:30],                                            # truncated ARP
        broken(tcp("1:1001", "S", port=81), -1),                      # bad TCP checksum: not answered
        tcp("1:1001", "S", options=b"\x44\x08\x05\0\0\0\0\0"),        # a timestamp option: legal, and forwarded
    ]
    for n, frame in enumerate(frames):
        yield n / 10, frame


def wrr_interleaves_weights():
    for n in range(1, 11):
        yield n - 1, tcp(f"1:{1000 + n}", "S")


def least_connection_counts_active_and_inactive():
    for n in range(1, 8):
        yield (n - 1) / 10, tcp(f"1:{1000 + n}", "S")
    yield 1.0, tcp("1:1001", "R")   # a SYN_RECV that is reset stays active (IPVS)
    yield 1.1, tcp("1:1002", "R")
    yield 1.2, tcp("1:1003", "FA")  # inactive
    for n in range(8, 11):
        yield 1 + n / 10, tcp(f"1:{1000 + n}", "S")


def a_rival_for_the_vip_is_reported_once():
    rival = "02:00:00:00:00:77"
    yield nothing(0)
    yield 5, is_at(VIP, rival)
    yield 6, is_at(VIP, rival)
    yield 7, who_has("192.0.2.1", sender=VIP, sender_mac=rival)  # asks in the VIP's name: as bad
    yield 8, is_at(VIP, server_mac(1))                           # a real server: named
    yield 9, is_at(VIP, server_mac(1))
    yield nothing(200)                                               # 180 s without it: over


def a_full_table_is_counted():
    for n in range(1, 5):
        yield (n - 1) / 10, udp(f"{n}:1001")
    yield 0.5, udp("1:1001")   # a known one
    yield 301, udp("5:1001")   # the others are over


def a_marked_group_is_balanced_as_one_service():
    yield 0, tcp("1:1001", "S")
    yield 1, tcp("1:1002", "S", port=22)
    yield 2, tcp("1:1003", "S", dst=VIP2)
    yield 3, tcp("1:1001", "A")
    yield 4, tcp("1:1004", "S", port=22, dst=VIP2)  # not in the group


def vlan_tagged_frames_are_left_alone():
    syn, question = tcp("1:1001", "S"), who_has(VIP)
    for kind in (0x8100, 0x88a8):
        for frame in (syn, question):
            yield 0, tagged(frame, 7, kind)
    yield 0.5, tagged(syn, 0)                   # a priority and no VLAN: as good as untagged
    yield 0.6, tagged(tagged(syn, 7), 0)        # but not with another tag behind it
    yield 1, ethernet(0x86dd, b"\x60" + bytes(39))
    yield 2, syn


def udp_expires_after_its_timeout():
    yield 0, udp("1:1001")
    yield 9, udp("1:1001")      # within 10 s
    yield 18.9, udp("1:1001")   # again
    yield 29.2, udp("1:1001")   # 10.3 s later: the next server
    yield 30, udp("2:1001")


def the_state_of_a_connection_sets_its_timeout():
    yield 0, tcp("1:1001", "S")     # SYN_RECV: 60 s
    yield 0, tcp("2:1001", "S")
    yield 0, tcp("2:1001", "A")
    yield 0, tcp("2:1001", "FA")    # FIN_WAIT: 120 s
    yield 0, tcp("3:1001", "S")
    yield 0, tcp("3:1001", "A")
    yield 0, tcp("3:1001", "R")     # CLOSE: 10 s
    yield 9.9, tcp("3:1001", "A")   # CLOSE stays CLOSE
    yield 20.2, tcp("3:1001", "A")  # over: reset
    yield 59.9, tcp("1:1001", "R")  # SYN_RECV stays SYN_RECV
    yield 119.8, tcp("2:1001", "A")
    yield 120.2, tcp("1:1001", "A")  # over
    yield 240.1, tcp("2:1001", "A")  # over


def a_syn_on_a_finished_connection_begins_another():
    yield 0, tcp("1:1001", "S")
    yield 1, tcp("1:1001", "R")  # still SYN_RECV
    yield 2, tcp("1:1001", "S")  # the same connection
    yield 3, tcp("1:1001", "A")
    yield 4, tcp("1:1001", "R")  # CLOSE
    yield 5, tcp("1:1001", "S")  # another one: the next server


def a_vip_is_announced_in_both_forms():
    yield nothing(0)
    yield nothing(130)


def servers_on_the_inside_link_get_their_frames_there():
    inside = {"to_mac": DIRECTOR_INSIDE, "from_mac": "02:00:00:00:01:07"}
    yield 0, is_at("203.0.113.11", "02:00:00:00:01:11", "203.0.113.10", DIRECTOR_INSIDE)
    yield 1, tcp("1:1001", "S")
    yield 2, tcp("2:1001", "S", **inside)  # a client inside
    yield 3, tcp("3:1001", "S", port=81, **inside)


def a_frame_that_the_capture_cut_is_truncated():
    yield 0, tcp("1:1001", "S")
    yield 1, tcp("1:1001", "A", data=bytes(100))  # 96 of 154 bytes are in the capture


def a_big_endian_capture_in_nanoseconds_is_read():
    yield 0.000000500, tcp("1:1001", "S")
    yield 0.000001999, tcp("2:1001", "S")


# --- Files ---
BYTE_ORDER = {"a_big_endian_capture_in_nanoseconds_is_read": ">"}  # of the file; others are little-endian, microseconds
SNAP = {"a_frame_that_the_capture_cut_is_truncated": 96}


def write(name, frames):
    order, snap = BYTE_ORDER.get(name, "<"), SNAP.get(name, 65535)
    magic, per_second = (0xa1b23c4d, 1_000_000_000) if order == ">" else (0xa1b2c3d4, 1_000_000)
    out = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snap, 1)  # 1: Ethernet
    for seconds, frame in frames:
        whole, part = divmod(round(seconds * per_second), per_second)
        kept = frame[:snap]
        out += struct.pack(order + "IIII", START + whole, part, len(kept), len(frame)) + kept
    (HERE / f"{name}.in.pcap").write_bytes(out)


def main():
    made = {name: function for name, function in globals().items() if name.count("_") >= 2 and callable(function)}
    for name in sys.argv[1:] or made:
        if name not in made:
            sys.exit(f"make.py: no function {name}; there are: {', '.join(made)}")
        write(name, made[name]())


if __name__ == "__main__":
    main()
