// SPDX-License-Identifier: BSD-2-Clause
// control_fixture.h: a director and an operator who sends requests.
#pragma once

#include <gtest/gtest.h>

#include "rawvs/control.h"
#include "whole_director.h"

namespace rawvs {

inline constexpr Instant kAnHour{1h};

struct Table {  // a director and an operator who sends requests
  explicit Table(uint32_t max_connections = 1024) : Table(settings(max_connections)) {}
  explicit Table(const Settings& settings) : director(settings, HashKey{1, 2}, kAnHour) {}

  static Settings settings(uint32_t max_connections) { return {.max_connections = max_connections, .timeouts = {}}; }
  std::vector<std::string> pieces(std::string_view request) {
    out.clear();
    Conversation c = answer(request, director, {now, out}, context);
    std::vector<std::string> all;
    for (int i = 0; i < 100'000 && !c.over(); ++i) all.emplace_back(c.next(director, now).text());
    EXPECT_TRUE(c.over());
    return all;
  }
  std::string raw(std::string_view request) {
    std::string all;
    for (const std::string& piece : pieces(request)) all += piece;
    return all;
  }
  std::string ask(const std::string& request) { return raw("rawvs/1 " + request); }

  Connection& connect(uint16_t cport, ServerSlot server, Duration timeout, Protocol protocol = Protocol::tcp) {
    const FlowKey key{Ip(0xc6336401), Ip(0xc0000264), Port(cport), Port(80), protocol};
    Connection* const c = test::table_of(director).create(key, test::table_of(director).hash(key));
    c->server = server;
    c->set_server_address(Ip(0xc000020b));
    c->rport = Port(80);
    c->state = static_cast<uint8_t>(protocol == Protocol::tcp ? TcpState::established : TcpState::none);
    test::table_of(director).arm(*c, now, timeout);
    return *c;
  }
  void serve_web() {
    EXPECT_EQ(ask("add-service service=tcp:192.0.2.100:80"), "ok\nend\n");
    EXPECT_EQ(ask("add-server service=tcp:192.0.2.100:80 server=192.0.2.11:80"), "ok\nend\n");
  }
  std::string everything() { return ask("list") + ask("connections") + ask("timeouts") + ask("arp") + ask("exits"); }

  Instant now = kAnHour;
  ControlContext context{.started = kAnHour, .pid = 7};
  Director director;
  Outbox out;
};

inline std::string code(const std::string& reply) {  // "ok", or the code of the error
  if (!reply.starts_with("error ")) return reply.substr(0, reply.find('\n'));
  return reply.substr(6, reply.find(' ', 6) - 6);
}

inline size_t count(const std::string& text, std::string_view what) {
  size_t n = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

}  // namespace rawvs
