// SPDX-License-Identifier: BSD-2-Clause
// clients.h: the clients' connections: which of them have to end, so that slow ones leave room for others.
// In:  connections that begin, ask and end; the time.
// Out: descriptors to shut down.
// Not: sockets (server.h).
//
// A connection carries one request. The oldest ones give way: of the client with too many connections, or of all when
// there are too many. One that has asked counts as kGrace younger, and has that long to take its answer. A client that
// asks at once, and reads what it is told, is served, however many do not.
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <vector>

#include "rawvs/time.h"

namespace rawvs::web {

class Clients {
 public:
  static constexpr size_t kMost = 100, kMostEach = 50;
  static constexpr Duration kToAsk = 10s, kToEnd = 60s, kGrace = 5s;

  // Connections that have to end, since this one begins.
  std::vector<int> begun(int fd, const std::string& address, Instant now);
  void asked(int fd);
  void ended(int fd);
  std::vector<int> overdue(Instant now);  // each once
  size_t size() const { return all_.size(); }

 private:
  struct One {
    int fd = -1;
    std::string address{};
    Instant begun{};
    bool asked = false, ending = false;
    Instant rank() const { return asked ? begun + kGrace : begun; }
  };
  One* find(int fd);
  std::list<One> all_{};  // the oldest first
};

}  // namespace rawvs::web
