// SPDX-License-Identifier: BSD-2-Clause
// check.h: how a real server is asked whether it is well: what [check] sections say, as values. Who decides when to ask
// and what the answers mean: health.h. Who asks: probes.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rawvs/addr.h"
#include "rawvs/time.h"

namespace rawvs {

enum class CheckKind : uint8_t {
  arp,   // its address answers on the LAN
  icmp,  // it answers a ping
  tcp,   // it accepts a connection
  tls,   // and speaks TLS
  http,  // and answers a request as wanted
  udp,   // it answers a datagram, or at least does not refuse it
  dns,   // it answers a query with the wanted rcode
  exec,  // a program says so
};

struct CheckSpec {
  struct Range {  // both ends belong to it
    uint16_t first = 0, last = 0;
    friend bool operator==(const Range&, const Range&) = default;
  };
  enum class Via : uint8_t { server, vip };

  std::string name{};  // of its section, for messages
  CheckKind kind = CheckKind::tcp;
  Via via = Via::server;                  // vip: to the VIP, by the way that clients' packets go to this server
  Port port{};                            // 0: where the service is on the server
  Duration interval = 5s;                 // from one check's begin to the next one's
  uint8_t jitter = 10;                    // percent of the interval, more or less, so that checks do not march in step
  Duration timeout = 2s;                  // of one attempt
  uint8_t retries = 2;                    // further attempts before a check has failed
  Duration retry_delay = 1s;              // before each of them
  uint8_t rise = 1, fall = 1;             // checks in a row that make a server come back, and go
  bool starts_up = false;                 // false: it gets nothing before its first success
  std::string path = "/";                 // http
  std::string host{};                     // http: Host; tls: server name; empty: the address
  std::vector<Range> status{{200, 299}};  // http: what is well
  std::string body{};                     // http: text that has to be in the answer's first 4 KB
  std::string send{}, expect{};           // udp: bytes; expect empty: any answer will do, and none, too
  std::string query = ".";                // dns: name
  std::string type = "A";                 // dns
  uint8_t rcode = 0;                      // dns: the wanted one
  std::string program{};                  // exec: absolute path, and arguments with blanks between
  std::string user = "nobody";            // exec: whose rights it has

  friend bool operator==(const CheckSpec&, const CheckSpec&) = default;
};

}  // namespace rawvs
