// SPDX-License-Identifier: BSD-2-Clause
// reload_fixture.h: a director that has read a file and then reads others, for tests of reload.h.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "control/reload.h"
#include "rawvs/control.h"
#include "whole_director.h"

namespace rawvs {

inline Config parsed_file(const std::string& text) {
  auto config = parse_config(text, "test.ini");
  EXPECT_TRUE(config) << (config ? "" : config.error().text);
  return config ? *config : Config{};
}

inline const std::string kDirector = "[director]\ninterface = eth0\n";
inline const std::string kWeb = "[virtual web]\naddress = 192.0.2.100\nports = tcp/80\n";
inline const std::string kShop = "[virtual shop]\naddress = 192.0.2.101\nports = tcp/80,443\npersistence = 300\n";

class ReloadTest : public testing::Test {
 protected:
  explicit ReloadTest(uint32_t max_servers = 1024)
      : director_({.max_servers = max_servers, .timeouts = {}}, HashKey{1, 2}, now_) {}
  void start(const std::string& text) {
    config_ = parsed_file(text);
    const WantedTables tables = wanted_tables(config_);
    director_.set_groups(tables.groups, {now_, out_});
    for (const WantedService& service : tables.services) {
      director_.set_from_file(service.spec.key, service.said);
      ASSERT_FALSE(director_.add(service.spec, {now_, out_}));
      for (const ServerSpec& server : service.servers) {
        ASSERT_FALSE(director_.add_server(service.spec.key, server, {now_, out_}));
      }
    }
    out_.clear();
  }
  // The changes, a line each, and pending ones after "later: ". A plan before it says the same, and changes nothing.
  std::string reload(const std::string& text, bool reset = false) {
    const std::string before = table(), planned = plan(text, reset);
    EXPECT_EQ(table(), before) << "after a plan";
    Reload work(config_, parsed_file(text), reset);
    while (!step(work)) {
    }
    const Reloaded done = work.so_far();
    config_ = work.take_next();
    const std::string all = lines_of(done);
    if (all.find(": refused: ") == std::string::npos) {
      EXPECT_EQ(planned, all) << "what a plan says";
    }
    return all;
  }
  std::string plan(const std::string& text, bool reset = false) {
    Reload work(config_, parsed_file(text), reset, true);
    while (!step(work)) {
    }
    return lines_of(work.so_far());
  }
  static std::string lines_of(const Reloaded& done) {
    std::string all;
    for (const std::string& line : done.changes) all += line + '\n';
    for (const std::string& line : done.pending) all += "later: " + line + '\n';
    return all;
  }
  bool step(Reload& work, size_t portion = Reload::kPortion) {
    return work.step(
        director_, {now_, out_}, [&] { out_.clear(); }, portion);
  }
  // The servers that could serve a client's packet: "11 12".
  std::string decision(const char* vip, uint16_t port) {
    const Service* const service =
        director_.services().classify({Ip(0xc6336401), *parse_ip(vip), Port(1000), Port(port), Protocol::tcp, false});
    if (!service) return "none";
    std::string all;
    for (const ServerSlot slot : service->servers) {
      all += ' ' + text(director_.services().server(slot).spec.at.addr).substr(8);
    }
    return all;
  }
  std::string table() {
    std::string all;
    for (const Service& service : director_.services().services()) {
      if (!service.used) continue;
      all += text(service.spec.key) + ' ' + name(service.spec.scheduler) + ':';
      for (const ServerSlot slot : service.servers) {
        const ServerSpec& s = director_.services().server(slot).spec;
        all += ' ' + text(s.at) + '=' + std::to_string(s.weight);
      }
      all += '\n';
    }
    return all;
  }
  std::string ask(const std::string& request) {
    ControlContext context{.config = &config_};
    Conversation c = answer("rawvs/1 " + request, director_, {now_, out_}, context);
    std::string all;
    for (int i = 0; i < 100 && !c.over(); ++i) all += c.next(director_, now_).text();
    out_.clear();
    return all;
  }

  Instant now_{1000s};
  Director director_;
  Outbox out_;
  Config config_;
};

}  // namespace rawvs
