// SPDX-License-Identifier: BSD-2-Clause
// settings.h: the values of [director] that the director's decisions depend on.
// Not: reading them (config.h).
//
// Settings that IPVS has as sysctls (net.ipv4.vs.*) have the same names and defaults here.
#pragma once

#include <cstdint>
#include <vector>

#include "rawvs/addr.h"
#include "rawvs/time.h"

namespace rawvs {

struct Timeouts {          // ipvsadm --set
  Duration tcp = 900s;     // an established, idle TCP connection
  Duration tcpfin = 120s;  // after the client's FIN
  Duration udp = 300s;     // an idle UDP flow
};

struct LocalPorts {  // full NAT: both ends included
  uint16_t first = 10000, last = 32767;
  constexpr uint32_t count() const { return last - first + 1u; }
  friend bool operator==(const LocalPorts&, const LocalPorts&) = default;
};

enum class SynCookieMode : uint8_t { automatic, on, off };

struct Settings {
  // Memory, fixed at the start.
  uint32_t max_connections = 262144;  // entries of the connection table, 72 to 88 bytes each
  uint32_t max_servers = 1024;        // real servers of all services, and removed ones that still have connections
  uint32_t max_services = 16384;      // virtual services
  uint32_t max_fragmented = 1024;     // fragmented datagrams waiting for fragments; reassembly.h has their memory
  uint32_t max_ftp = 1024;            // FTP control connections with NAT

  // IPVS's sysctls.
  bool expire_nodest_conn =
      false;  // a removed server's connection is scheduled anew with its next packet, instead of dropping it
  bool expire_quiescent_template = false;  // weight 0 also ends persistence
  bool sloppy_tcp = false;                 // any TCP segment but RST may open a connection, not only SYN
  uint8_t conn_reuse_mode = 1;             // 0 off; bit 0: SYN on TIME_WAIT or CLOSE; bit 1: also on FIN_WAIT (DR, TUN)
  bool sloppy_sctp = false;                // any SCTP packet but ABORT may open a connection, not only INIT
  bool pmtu_disc = true;  // TUN: DF is copied, and too large packets are refused; false: they are fragmented
  // The segment size in SYNs: 0: unchanged; kMssAuto: at most what both ways carry, where one is narrower than the
  // other; else at most this.
  static constexpr uint16_t kMssAuto = 0xffff;
  uint16_t mss_clamp = kMssAuto;
  bool schedule_icmp = false;      // an ICMP error about no connection may begin one
  Duration lblc_expiration = 24h;  // lblc: how long an unused destination is remembered
  Duration lblcr_expiration =
      24h;  // lblcr: the same; a set of servers that did not change for this long shrinks by one
  Timeouts timeouts{};

  // A connection table that fills. An unproven connection is one that no client need be behind (core/unproven.h).
  // IPVS's sysctls, which there depend on the host's free memory, and are 0 by default: 0 off; 1, 2 from three quarters
  // on; 3 always.
  uint8_t drop_entry = 1;   // unproven connections live shorter; 0: also none gives way when the table is full
  uint8_t drop_packet = 0;  // of new connections' packets one in so many is dropped, the fuller the more; 3: one in ten
  uint8_t secure_tcp = 1;   // IPVS's other table of TCP states: a client's ACK alone does not establish a connection
  // What unproven connections may take of the table, percent; beyond that they give way to each other.
  uint8_t protocol_share = 75;  // those of UDP, those of TCP and SCTP
  uint8_t service_share = 75;   // those of a service
  uint8_t client_share = 10;    // those of a client's network, /24 or /64: the ones beyond it give way first
  // DR and TUN: half-open connections; from three quarters on new ones are dropped early, at random. 0: no limit.
  uint32_t half_open_server = 0, half_open_service = 0;

  // SYNs are answered with cookies where replies pass the director: while half-open connections take a quarter of the
  // table (core/syn_alarm.h); always; never.
  SynCookieMode syn_cookies = SynCookieMode::automatic;

  uint8_t fast_after = 8;  // packets of a connection before the fast path gets it

  // Full NAT: what its servers see as the client.
  std::vector<Ip> local_addresses{};  // none of a server's family: the host's own on the route to it
  // Of each address, for each server and its port. The host's own connections begin at other ports (32768-60999,
  // net.ipv4.ip_local_port_range): both can be to one server.
  LocalPorts local_ports{};

  // ARP.
  uint32_t garp_count = 3;            // announcements of a VIP that is new here, one per second
  Duration garp_interval = 60s;       // and repeated at this interval; 0 = never
  Duration arp_timeout = 60s;         // how long an answer is valid; it is renewed by unicast before that
  uint32_t arp_hold = 8;              // packets held per real server while its MAC address is resolved
  Duration arp_probe_interval = 60s;  // how often to look for other hosts that answer for our VIPs; 0 = only listen
  bool arp_defend = false;  // where a real server answers for a VIP, too, the claim is repeated to those who asked

  // Replies of the VIPs: ping, RST, ICMP errors.
  uint32_t reply_rate = 1000;  // of each kind, per second; 0 = none
  uint32_t reply_burst = 100;  // of each kind, at once
};

}  // namespace rawvs
