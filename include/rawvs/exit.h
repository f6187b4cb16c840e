// SPDX-License-Identifier: BSD-2-Clause
// exit.h: every way a frame can leave the director, by name. A frame that vanishes without a counter is a fault.
//
// The names are part of the interface: `rawvsadm drops` prints them, capture tests compare them. A new exit is one line
// in RAWVS_EXITS: identifier, fate of the frame, printed name, meaning for people.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace rawvs {

enum class Fate : uint8_t { forwarded, answered, noted, passed, dropped };

// clang-format off
#define RAWVS_EXITS(X)                                                                                               \
  X(forwarded,           forwarded, "forwarded",           "sent on to a real server")                                \
  X(ftp_refused,         forwarded, "ftp-refused",         "sent on, but FTP in it names another host: no data connection is expected there") \
  X(answer_forwarded,    forwarded, "answer-forwarded",    "a NAT server's answer: translated and sent on to its client") \
  X(delivered,           forwarded, "delivered",           "for this host itself, as a real server (Local): given to its kernel") \
  X(peer_delivered,      forwarded, "peer-delivered",      "from another director, for this host as a real server: given to its kernel") \
  X(check_sent,          forwarded, "check-sent",          "the director's own check (via = vip): sent to its server like a client's packet") \
  X(fragment_held,       forwarded, "fragment-held",       "a fragment: kept until its datagram is complete")         \
  X(held,                forwarded, "held",                "kept until its real server's MAC address is known") \
  X(echo_answered,       answered,  "echo-answered",       "ping of a VIP: echo reply sent")                          \
  X(reset_sent,          answered,  "reset-sent",          "TCP to a closed port, or without a connection: RST sent") \
  X(cookie_sent,         answered,  "cookie-sent",         "TCP SYN while half-open connections fill the table: answered with a SYN cookie") \
  X(cookie_right,        forwarded, "cookie-right",        "from a client that has answered a SYN cookie: its SYN was sent to a real server") \
  X(port_unreachable,    answered,  "port-unreachable",    "UDP to a closed port: ICMP port unreachable sent")        \
  X(no_server,           answered,  "no-server",           "the service has no available server: ICMP port unreachable sent") \
  X(protocol_unreachable, answered, "protocol-unreachable", "a protocol that no service has: ICMP protocol unreachable sent") \
  X(ttl_exceeded,        answered,  "ttl-exceeded",        "its time to live has expired: ICMP time exceeded sent")    \
  X(too_big,             answered,  "too-big",             "larger than the MTU to its server, and must not be fragmented: ICMP fragmentation needed sent") \
  X(tunnel_error,        answered,  "tunnel-error",        "ICMP error about a tunnel packet: passed on to its client")   \
  X(arp_answered,        answered,  "arp-answered",        "ARP request for a VIP: answered")                         \
  X(arp_defended,        answered,  "arp-defended",        "ARP request for a VIP for which a real server answers, too: answered, and the claim repeated (arp_defend)") \
  X(arp_learned,         noted,     "arp-learned",         "ARP of a real server: its MAC address noted")             \
  X(arp_conflict,        noted,     "arp-conflict",        "ARP of another machine that claims a VIP")       \
  X(arp_other,           passed,    "arp-other",           "ARP that is about none of our addresses")                 \
  X(nd_answered,         answered,  "nd-answered",         "neighbour solicitation for a VIP: answered")              \
  X(nd_defended,         answered,  "nd-defended",         "neighbour solicitation for a VIP for which a real server answers, too: answered, and the claim repeated (arp_defend)") \
  X(nd_learned,          noted,     "nd-learned",          "neighbour discovery of a real server: its MAC address noted") \
  X(nd_conflict,         noted,     "nd-conflict",         "neighbour discovery of another machine that claims a VIP") \
  X(nd_other,            passed,    "nd-other",            "neighbour discovery that is about none of our addresses") \
  X(not_vip,             passed,    "not-vip",             "an IP packet, but not to a VIP, or at an own address not to a service: left to the host's kernel") \
  X(given_back,          passed,    "given-back",          "from a NAT server, but of no connection: given back to the host's kernel to route") \
  X(not_ip,              passed,    "not-ip",              "neither IP nor ARP: left to the host's kernel")           \
  X(other_mac,           passed,    "other-mac",           "sent to another machine's MAC address")                   \
  X(vlan_tagged,         passed,    "vlan-tagged",         "carries a VLAN tag: left to the VLAN's own interface")    \
  X(truncated,           dropped,   "truncated",           "shorter than its headers say")                            \
  X(bad_ip_header,       dropped,   "bad-ip-header",       "IP version or header length is impossible")               \
  X(bad_extension,       dropped,   "bad-extension",       "IPv6 extension headers that are impossible, out of order, too many, or followed by nothing") \
  X(bad_ip_checksum,     dropped,   "bad-ip-checksum",     "IPv4 header checksum is wrong")                           \
  X(bad_length,          dropped,   "bad-length",          "a length field contradicts another, or the frame")        \
  X(bad_l4_checksum,     dropped,   "bad-l4-checksum",     "TCP, UDP or ICMP checksum is wrong, so it is not answered") \
  X(bad_arp,             dropped,   "bad-arp",             "ARP with impossible sizes, operation or addresses")       \
  X(bad_nd,              dropped,   "bad-nd",              "neighbour discovery with impossible sizes, hop limit, options or addresses") \
  X(bad_source,          dropped,   "bad-source",          "source address or MAC cannot be a host's: zero, loopback, multicast, broadcast") \
  X(land,                dropped,   "land",                "source address is the VIP itself (land attack)")          \
  X(zero_port,           dropped,   "zero-port",           "source or destination port is 0")                         \
  X(fragment_bad,        dropped,   "fragment-bad",        "a fragment with an impossible length or place")            \
  X(fragment_overlap,    dropped,   "fragment-overlap",    "a fragment that contradicts others: their datagram was discarded") \
  X(fragment_flood,      dropped,   "fragment-flood",      "a fragment beyond what max_fragmented allows") \
  X(fragment_expired,    dropped,   "fragment-expired",    "was kept, and counted so, but its datagram never became complete") \
  X(own_frame,           dropped,   "own-frame",           "sent by this interface itself: a loop, or a copied MAC address") \
  X(stray_reset,         dropped,   "stray-reset",         "RST that belongs to no connection: never answered")       \
  X(stray_icmp,          dropped,   "stray-icmp",          "ICMP that is neither a ping nor an error about a connection, or cannot be sent on: never answered")                     \
  X(standby,             dropped,   "standby",             "to a VIP whose master is another director (VRRP)")        \
  X(server_gone,         dropped,   "server-gone",         "its connection's real server was removed from the service") \
  X(server_silent,       dropped,   "server-silent",       "its real server does not answer ARP or neighbour solicitations")                     \
  X(hold_full,           dropped,   "hold-full",           "as many packets as arp_hold allows were already waiting for this server's MAC address") \
  X(hold_expired,        dropped,   "hold-expired",        "was held, and counted so, but its real server never answered ARP or neighbour solicitations") \
  X(no_link,             dropped,   "no-link",             "the interface towards its real server is missing or down") \
  X(tunnel_narrow,       dropped,   "tunnel-narrow",       "the MTU to its tunnel server is too small for any packet") \
  X(hairpin,             dropped,   "hairpin",             "NAT would send it back to the server it comes from: a real server cannot be its own client") \
  X(no_route,            dropped,   "no-route",            "the host has no route to its real server, or one through another interface") \
  X(no_local,            dropped,   "no-local",            "its real server is this host itself, and cannot take it: the VIP is no address of the host, or NAT would have to translate") \
  X(outbox_full,         dropped,   "outbox-full",         "it needs more pieces than can be sent at once") \
  X(half_waits,          dropped,   "half-waits",          "began with a SYN cookie, and its real server has not answered the SYN yet: the SYN was repeated") \
  X(half_repeated,       dropped,   "half-repeated",       "of the handshake of a connection that began with a SYN cookie, and not the first of its kind") \
  X(ftp_disorder,        dropped,   "ftp-disorder",        "FTP commands with NAT are read in order: its sender repeats it") \
  X(ftp_full,            dropped,   "ftp-full",            "no room for another FTP control connection with NAT: see max_ftp") \
  X(table_full,          dropped,   "table-full",          "no room for another connection: see max_connections")     \
  X(shed,                dropped,   "shed",                "one of the new connections that drop_packet drops while the table fills") \
  X(half_open_full,      dropped,   "half-open-full",      "its real server or service has too many half-open connections: see half_open_server, half_open_service") \
  X(denied,              dropped,   "denied",              "its client is in a network that its service denies, or in none that it allows: see allow, deny") \
  X(service_full,        dropped,   "service-full",        "its service has as many connections as its max_connections allows") \
  X(service_rate,        dropped,   "service-rate",        "its service began as many connections per second as its max_rate allows") \
  X(client_full,         dropped,   "client-full",         "its client's network has as many connections of its service as client_connections allows") \
  X(client_rate,         dropped,   "client-rate",         "its client's network began as many connections per second as client_rate allows") \
  X(local_ports_full,    dropped,   "local-ports-full",    "full NAT: no local port is free for another connection to this real server: see local_ports") \
  X(answer_limited,      dropped,   "answer-limited",      "not answered: reply_rate was reached")                    \
  X(replies_off,         dropped,   "replies-off",         "not answered: reply_rate is 0")
// clang-format on

enum class Exit : uint8_t {
#define RAWVS_EXIT(id, fate, name, meaning) id,
  RAWVS_EXITS(RAWVS_EXIT)
#undef RAWVS_EXIT
      count_
};
inline constexpr size_t kExits = static_cast<size_t>(Exit::count_);

struct ExitWords {
  Fate fate;
  const char* name;
  const char* meaning;
};
inline constexpr std::array<ExitWords, kExits> kExitWords = {{
#define RAWVS_EXIT(id, fate, name, meaning) {Fate::fate, name, meaning},
    RAWVS_EXITS(RAWVS_EXIT)
#undef RAWVS_EXIT
}};
inline constexpr const ExitWords& words(Exit e) { return kExitWords[static_cast<size_t>(e)]; }

class ExitCounters {
 public:
  void count(Exit e, uint64_t packets = 1) { n_[static_cast<size_t>(e)] += packets; }
  uint64_t of(Exit e) const { return n_[static_cast<size_t>(e)]; }
  void zero() { n_.fill(0); }

 private:
  std::array<uint64_t, kExits> n_{};
};

}  // namespace rawvs
