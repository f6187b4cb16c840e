// SPDX-License-Identifier: BSD-2-Clause
// check.h: how the health of a real server is checked: the values of a [check] section.
// Not: when to check, and what results mean (health.h); the checks themselves (probes.h).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rawvs/addr.h"
#include "rawvs/time.h"

namespace rawvs {

enum class CheckKind : uint8_t {
  arp,   // its address answers on the LAN
  icmp,  // it answers a ping
  tcp,   // it accepts a connection
  tls,   // and speaks TLS
  http,  // and answers a request as expected
  udp,   // it answers a datagram, or at least does not refuse it
  dns,   // it answers a query with the expected rcode
  exec,  // a program's exit status is 0
};
// By CheckKind: as configuration and reasons name them.
inline constexpr std::array<std::string_view, 8> kCheckKinds{"arp", "icmp", "tcp", "tls", "http", "udp", "dns", "exec"};
inline constexpr std::string_view kNeighborCheck = "nd";  // another word for arp: it asks in the server's own family

struct CheckSpec {
  struct Range {  // both ends belong to it
    uint16_t first = 0, last = 0;
    friend bool operator==(const Range&, const Range&) = default;
  };
  enum class Via : uint8_t { server, vip };

  std::string name{};  // the section's name, for messages
  CheckKind kind = CheckKind::tcp;
  Via via = Via::server;                  // vip: to the VIP, forwarded to this server as clients' packets are
  Port port{};                            // 0: the service's port on the server
  Duration interval = 5s;                 // from the beginning of one check to the next
  uint8_t jitter = 10;                    // percent of the interval, more or less: checks spread over time
  Duration timeout = 2s;                  // of one attempt
  uint8_t retries = 2;                    // further attempts before a check has failed
  Duration retry_delay = 1s;              // before each of them
  uint8_t rise = 1, fall = 1;             // consecutive successful checks to come up, failed ones to go down
  bool starts_up = false;                 // false: no connections before its first success
  std::string path = "/";                 // http
  std::string host{};                     // http: Host; tls: server name; empty: the address
  std::vector<Range> status{{200, 299}};  // http: codes of success
  std::string body{};                     // http: text that has to be in the answer's first 4 KB
  std::string send{}, expect{};           // udp: bytes; expect empty: any answer is a success, and so is none
  std::string query = ".";                // dns: name
  std::string type = "A";                 // dns
  uint8_t rcode = 0;                      // dns: the expected one
  std::string program{};                  // exec: absolute path, and arguments separated by blanks
  std::string user = "nobody";            // exec: the user that it runs as

  friend bool operator==(const CheckSpec&, const CheckSpec&) = default;
};

}  // namespace rawvs
