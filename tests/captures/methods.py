# SPDX-License-Identifier: BSD-2-Clause
"""methods.py: captures of NAT and tunnels, persistence, fragments, and the choice of servers; see make.py."""
from frames import *  # pylint: disable=wildcard-import,unused-wildcard-import

SERVER = "203.0.113.11"
INIT, INIT_ACK, COOKIE_ECHO, COOKIE_ACK, DATA = 1, 2, 10, 11, 0


def answer(port, flags, to="1:1001", **more):
    """From the inside server's port to a client."""
    address, to_port = client(to)
    return tcp(f"1:{port}", flags, to_port, src=SERVER, dst=address, **more, **FROM_SERVER)


def udp_answer(port, to="1:1001", **more):
    address, to_port = client(to)
    return udp(f"1:{port}", to_port, src=SERVER, dst=address, **more, **FROM_SERVER)


# --- NAT ---
def nat_translates_both_ways():
    yield 0, tcp("1:1001", "S")
    yield 0.1, answer(8080, "SA", ack=1001)
    yield 0.2, tcp("1:1001", "A", seq=1001, ack=1001)
    yield 0.3, tcp("1:1001", "PA", data=b"GET / HTTP/1.0\r\n\r\n", seq=1001, ack=1001)
    yield 0.4, answer(8080, "PA", data=bytes(1460), ack=1019)
    yield 0.5, answer(8080, "FA", ack=1019)
    yield 0.6, tcp("1:1001", "FA", ack=2462)
    yield 0.7, answer(8080, "A", ack=1020)
    yield 1, answer(8080, "SA", to="2:1001")           # of no connection: the kernel routes it
    yield 2, answer(8081, "SA")                          # another port of the server
    yield 3, answer(8080, "A", ttl=1)                    # told by the director itself, to the server
    yield 4, icmp_error(tcp("1:80", "A", 1001, src=VIP, dst="198.51.100.1"), "198.51.100.1", VIP)  # to the server
    sent = tcp("1:1001", "A", 8080, dst=SERVER)
    yield 5, icmp_error(sent, SERVER, "198.51.100.1", code=3, quoted=40, **FROM_SERVER)           # to the client


def nat_leaves_a_udp_checksum_of_zero_alone():
    yield 0, udp("1:1001")
    yield 1, udp("1:1001", summed=False)
    yield 2, udp_answer(5353)
    yield 3, udp_answer(5353, summed=False)


def sctp_passes_through_nat():
    def back(*chunks):
        return sctp("1:8080", chunks, 1001, src=SERVER, dst="198.51.100.1", **FROM_SERVER)
    yield 0, sctp("1:1001", [(INIT, bytes(16))])
    yield 1, back((INIT_ACK, bytes(24)))
    yield 2, sctp("1:1001", [(COOKIE_ECHO, b"cookie"), (DATA, bytes(12) + b"hello")])
    yield 3, back((COOKIE_ACK, b""))
    yield 4, back((DATA, bytes(12) + bytes(999)))


def ftp_is_followed_through_nat_when_its_reply_is_split():
    def says(flags, seq, ack, data=b""):
        return tcp("1:1001", flags, 21, data, seq, ack)

    def hears(flags, seq, ack, data=b""):
        return answer(21, flags, seq=seq, ack=ack, data=data)
    yield 0, says("S", 1000, 0)
    yield 1, hears("SA", 5000, 1001)
    yield 2, says("PA", 1001, 5001, b"PASV\r\n")
    yield 3, hears("PA", 5001, 1007, b"227 Entering Passive Mode (203,0,")
    yield 4, hears("PA", 5034, 1007, b"113,11,39,17).\r\n")
    yield 5, says("A", 1007, 5049)
    yield 6, tcp("1:2001", "S", 10001)                   # the data connection
    yield 7, answer(10001, "SA", to="1:2001")
    yield 8, hears("PA", 5050, 1007, b"226 done\r\n")
    yield 9, tcp("2:2001", "S", 10001)                   # announced to another client


# --- Tunnels ---
def a_tunnel_keeps_dont_fragment():
    yield 0, tcp("1:1001", "S")
    yield 1, tcp("1:1001", "A", data=bytes(1440), tos=187)  # 1480: fits; ECN's CE becomes ECT(0) outside
    yield 2, tcp("1:1001", "A", data=bytes(1441))            # told: 1480
    yield 3, tcp("1:1001", "A", ttl=2)


def a_tunnel_packet_without_df_is_cut():
    yield 0, tcp("1:1001", "S", df=False)
    yield 1, tcp("1:1001", "A", data=bytes(1440), df=False)
    yield 2, tcp("1:1001", "A", data=bytes(1441), df=False)


def gue_wraps_in_udp():
    yield 0, tcp("1:1001", "S")
    yield 1, tcp("1:1001", "A", data=bytes(1428))
    yield 2, tcp("1:1001", "A", data=bytes(1429))  # told: 1468
    yield 3, udp("1:1001")                         # with an outer checksum


def gre_wraps_with_and_without_a_checksum():
    yield 0, tcp("1:1001", "S")
    yield 1, tcp("1:1001", "A", data=bytes(1437))  # told: 1476
    yield 2, udp("1:1001")
    yield 3, udp("1:1001", data=bytes(1445))       # told: 1472


def an_error_about_a_tunnel_is_told_to_the_client():
    def about(frame, quoted, **more):
        outer = ipip(frame, "192.0.2.10", "192.0.2.11", df=True)
        return icmp_error(outer, "192.0.2.1", "192.0.2.10", quoted=quoted, **more)
    segment = tcp("1:1001", "A", data=bytes(1440), ttl=63)
    yield 0, tcp("1:1001", "S")
    yield 1, about(segment, 28)                               # too little: nothing
    yield 2, about(segment, 48, mtu=0, code=1)                # host unreachable
    yield 3, about(segment, 548)                              # the path's MTU is 1400: the client hears of the old one
    yield 4, tcp("1:1001", "A", data=bytes(1440))             # told: 1380
    yield 5, about(tcp("9:1001", "A"), 48)                    # about no connection: the kernel's
    yield 606, tcp("1:1001", "A", data=bytes(1440))           # ten minutes later it is tried again


# --- Persistence ---
def persistence_of_a_port_is_the_ports_own():
    for second, port in enumerate((80, 80, 443, 443, 80)):
        yield second, tcp(f"1:{1001 + second}", "S", port)
    yield 5, tcp("2:1001", "S", 443)
    yield 6, tcp("2:1002", "S", 80)


def persistence_of_every_port_keeps_a_network_together():
    yield 0, tcp("1:1001", "S", 80)
    yield 1, tcp("1:1002", "S", 22)
    yield 2, tcp("14:1001", "S", 443)      # of the same /28
    yield 3, tcp("17:1001", "S", 80)       # of the next one
    yield 4, udp("1:1001")                 # another protocol


def persistence_of_a_mark_holds_across_protocols():
    yield 0, tcp("1:1001", "S", 80)
    yield 1, tcp("1:1002", "S", 443)
    yield 2, udp("1:1001", 5000)
    yield 3, tcp("2:1001", "S", 443)
    yield 4, udp("2:1001", 5000)
    yield 5, udp("2:1001", 5001)           # not in the group


def persistence_of_ftp_takes_the_passive_ports():
    yield 0, tcp("1:1001", "S", 21)
    yield 1, tcp("2:1001", "S", 21)
    yield 2, tcp("1:1002", "S", 30000)     # a data connection: to the same server
    yield 3, tcp("2:1002", "S", 20)
    yield 4, tcp("3:1001", "S", 30000)     # a client that begins so is placed, too
    yield 5, tcp("1:1003", "S", 1023)      # no data port


def a_template_lives_as_long_as_its_connections():
    yield 0, tcp("1:1001", "S")            # persistence 10 s; SYN_RECV lives for 60 s
    yield 30, tcp("1:1002", "S")           # still its server: it controls a connection
    yield 89, tcp("1:1003", "S")
    yield 152, tcp("2:1001", "S")          # in turn
    yield 153, tcp("3:1001", "S")
    yield 220, tcp("1:1004", "S")          # everything is over: its turn, not its old server


# --- Fragments ---
def fragments_in_reverse_order_pass_through_nat():
    asked = list(pieces(udp("1:1001", data=bytes(range(200)) * 6, df=False, ident=1), 808, 1000))
    answered = list(pieces(udp_answer(5353, data=bytes(2000), df=False, ident=2), 1480))
    for n, piece in enumerate(reversed(asked)):
        yield n / 10, piece
    for n, piece in enumerate(reversed(answered)):
        yield 1 + n / 10, piece
    yield 2, asked[0]                      # its rest never comes: over after 30 s, and said so to its sender
    strangers = list(pieces(udp_answer(5354, data=bytes(1200), df=False, ident=3), 808))
    for n, piece in enumerate(strangers):  # of no connection: the kernel gets them back
        yield 3 + n / 10, piece
    yield nothing(40)


def a_datagram_of_64_kb_leaves_in_the_pieces_it_came_in():
    whole = udp("1:1001", data=bytes(n * 7 % 251 for n in range(65507)), df=False)
    fragments = list(pieces(whole, *range(1480, 65515, 1480)))
    for n, piece in enumerate(fragments):
        yield n / 100, piece


def overlapping_fragments_are_thrown_away_with_their_datagram():
    whole = udp("1:1001", data=bytes(1200), df=False)
    first, second, third = pieces(whole, 400, 800)
    _, overlap = pieces(whole, 392)
    yield 0, first
    yield 0.1, first                       # a duplicate is ignored
    yield 0.2, overlap
    yield 0.3, second                      # begins another, which stays incomplete
    yield 0.4, third


# --- Placing ---
def hashing_places_clients_as_ipvs_does():
    for n in range(1, 9):
        yield n, tcp(f"{n}:1", "S", 80)                 # dh
        yield n + 0.1, tcp(f"{n}:1", "S", 81)           # sh
        yield n + 0.2, tcp(f"{n}:1", "S", 80, dst=VIP2)  # mh
        yield n + 0.3, tcp(f"1:{n}", "S", 82)           # mh with the client's port


def a_full_server_gets_no_new_clients():
    for n in range(1, 6):
        yield n, tcp(f"{n}:1001", "S")     # each takes two, the fifth is refused
    yield 6, tcp("1:1001", "A")
    yield 7, tcp("1:1001", "R")            # closed, and over ten seconds later: one left, and open only below lower=1
    yield 20, tcp("6:1001", "S")
    yield 63.5, tcp("7:1001", "S")         # SYN_RECV of 192.0.2.12's other one is over, too


def a_group_may_be_for_clients_of_one_network():
    yield 0, tcp("1:1001", "S")
    yield 1, tcp("200:1001", "S")          # 198.51.100.192/26
    yield 2, tcp("1:1002", "S")
    yield 3, tcp("201:1001", "S")
    yield 4, tcp("200:1001", "A")


def one_packet_scheduling_leaves_no_connection():
    for n in range(4):
        yield n, udp("1:1001")
    yield 4, udp("2:1001", data=bytes(1472))
