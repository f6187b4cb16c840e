// SPDX-License-Identifier: BSD-2-Clause
// settings.h: the numbers of [director] that decisions read. What was written in the file is config.h's business.
// Names that IPVS has as sysctls (net.ipv4.vs.*) are the same here, and so are their defaults.
#pragma once

#include <cstdint>

#include "rawvs/time.h"

namespace rawvs {

struct Timeouts {          // as ipvsadm --set: the three that operators change
  Duration tcp = 900s;     // an established TCP connection that is silent
  Duration tcpfin = 120s;  // after the client's FIN
  Duration udp = 300s;     // a UDP conversation that is silent
};

struct Settings {
  // Memory, decided at start
  uint32_t max_connections = 262144;  // entries of the connection table, 64 to 80 bytes each
  uint32_t max_servers = 1024;        // real servers of all services, removed ones that still have connections included
  uint32_t max_services = 16384;      // virtual services
  uint32_t max_fragmented = 1024;     // fragmented datagrams being put together; their memory is reassembly.h's
  uint32_t max_ftp = 1024;            // FTP control connections behind NAT whose commands are followed

  // IPVS's sysctls
  bool expire_nodest_conn = false;         // a packet of a removed server's connection is scheduled anew, not dropped
  bool expire_quiescent_template = false;  // weight 0 also ends persistence
  bool sloppy_tcp = false;                 // any TCP segment but RST may open a connection, not only SYN
  uint8_t conn_reuse_mode = 1;             // 0 off; bit 0: SYN on TIME_WAIT or CLOSE; bit 1: also on FIN_WAIT (DR, TUN)
  bool sloppy_sctp = false;                // any SCTP packet but ABORT may open a connection, not only INIT
  bool pmtu_disc = true;                   // TUN: DF is copied and too large packets are refused; else they are cut
  bool schedule_icmp = false;              // an ICMP error about no connection may begin one
  Duration lblc_expiration = 24h;          // lblc: how long an unused destination is remembered
  Duration lblcr_expiration = 24h;         // lblcr: the same, and how long its set of servers grows unchecked
  Timeouts timeouts{};

  // ARP
  uint32_t garp_count = 3;            // announcements of a VIP that appears, one per second
  Duration garp_interval = 60s;       // and again, as long as it is there; 0 = never again
  Duration arp_timeout = 60s;         // how long an answer is believed; asked again by unicast before that
  uint32_t arp_hold = 8;              // packets held per real server while its MAC address is being asked for
  Duration arp_probe_interval = 60s;  // how often to look for others who answer for our VIPs; 0 = only listen

  // What the VIPs say themselves: ping, RST, ICMP errors
  uint32_t reply_rate = 1000;  // of each kind, per second; 0 = none
  uint32_t reply_burst = 100;  // of each kind, at once
};

}  // namespace rawvs
