// SPDX-License-Identifier: BSD-2-Clause
// Tests director_links.cpp through director.h: frames on the LAN, and what remains of removed servers.
#include <set>

#include "director_fixture.h"
#include "links.h"

namespace rawvs {
namespace {

class DirectorOnItsLinks : public DirectorTest {
 protected:
  std::set<std::string> announced() {  // VIPs, by both forms of the announcement
    std::set<std::string> requests, vips;
    for (const Departure& d : out_.departures()) {
      Discovery arp;
      if (parse_arp(d.frame, arp) || arp.sender != arp.target) continue;
      (arp.what == Discovery::What::asks ? requests : vips).insert(text(arp.sender));
    }
    EXPECT_EQ(requests, vips);
    return vips;
  }
  ServiceKey service_at(int i) {
    static const char* const kNets[] = {"192.0.2.", "198.51.100.", "203.0.113."};
    return {Protocol::tcp, {ip(kNets[i / 250] + std::to_string(1 + i % 250)), Port(80)}, {}};
  }
  std::string nat_servers() {
    std::string s;
    for (const Ip addr : director_->watch().nat_servers) s += text(addr) + ' ';
    return s;
  }
};

TEST_F(DirectorOnItsLinks, AnnouncesEveryVipWhenThereAreMoreThanOneTurnCanTellOf) {
  constexpr int kVips = 700, kOwn = 2;  // 1400 frames; two are the host's own addresses
  director_->hold_arp(true);
  for (int i = 0; i < kVips; ++i) {
    out_.clear();
    ASSERT_FALSE(director_->add({service_at(i), Scheduler::rr}, {now_, out_}));
    EXPECT_TRUE(out_.departures().empty()) << i;
  }
  director_->hold_arp(false);
  std::set<std::string> all;
  int turns = 0;
  for (; turns < 10 && director_->next_deadline() <= now_; ++turns) {
    pass(0ms);
    EXPECT_LE(out_.departures().size(), Outbox::kBuffers);
    all.merge(announced());
  }
  EXPECT_EQ(all.size(), static_cast<size_t>(kVips - kOwn));
  EXPECT_EQ(turns, 3);
}

TEST_F(DirectorOnItsLinks, ForgetsARemovedNatServerWithoutConnectionsSomeMinutesLater) {
  nat(2);
  ASSERT_FALSE(director_->remove_server(key_, {ip("203.0.113.11"), Port(8080)}, {now_, out_}));
  EXPECT_EQ(nat_servers(), "203.0.113.11 203.0.113.12 ");
  pass(100s);
  EXPECT_EQ(nat_servers(), "203.0.113.11 203.0.113.12 ") << "it may come back";
  const uint32_t version = director_->watch_version();
  for (int minute = 0; minute < 3; ++minute) pass(60s);
  EXPECT_EQ(nat_servers(), "203.0.113.12 ");
  EXPECT_NE(director_->watch_version(), version);
}

TEST_F(DirectorOnItsLinks, KeepsARemovedNatServerAsLongAsItHasConnections) {
  nat(1);
  arrive(frame(Tcp{}));
  ASSERT_EQ(director_->services().server(0).references(), 1u);
  ASSERT_FALSE(director_->remove_server(key_, {ip("203.0.113.11"), Port(8080)}, {now_, out_}));
  table_of(*director_).arm(*table_of(*director_).at(1), now_, 600s);
  for (int minute = 0; minute < 9; ++minute) pass(60s);
  EXPECT_EQ(nat_servers(), "203.0.113.11 ");
  for (int minute = 0; minute < 3; ++minute) pass(60s);
  EXPECT_EQ(nat_servers(), "");
}

TEST_F(DirectorOnItsLinks, NoLongerWatchesAServerThatWasNatBeforeAnEdit) {
  nat(1);
  ASSERT_FALSE(
      director_->edit_server(key_, {.at = {ip("203.0.113.11"), Port(8080)}, .method = Method::tunnel}, {now_, out_}));
  EXPECT_EQ(nat_servers(), "203.0.113.11 ");
  for (int minute = 0; minute < 3; ++minute) pass(60s);
  EXPECT_EQ(nat_servers(), "");
}

TEST_F(DirectorOnItsLinks, WakesNobodyForServersThatAreThere) {
  Settings silent;
  silent.garp_count = 0, silent.arp_probe_interval = 0ms;
  make(silent);
  key_ = {Protocol::tcp, {ip("192.0.2.100"), Port(80)}, {}};
  ASSERT_FALSE(director_->add({key_, Scheduler::rr}, {now_, out_}));
  ServerSpec spec = server(1);
  spec.mac = Mac{{2, 0, 0, 0, 0, 0x11}};
  ASSERT_FALSE(director_->add_server(key_, spec, {now_, out_}));
  pass(1s);  // the first probe is left out
  EXPECT_EQ(director_->next_deadline(), kNever);
}

TEST_F(DirectorOnItsLinks, AsksForAnAddressAgainWhenTheServerThatFixedItIsRemoved) {
  constexpr Mac kFixed{{2, 0, 0, 0, 0, 0x77}};
  for (const bool fixed_first : {true, false}) {
    make({});
    const ServiceKey fixed{Protocol::tcp, {ip("192.0.2.100"), Port(80)}, {}};
    const ServiceKey others[] = {{Protocol::tcp, {ip("192.0.2.100"), Port(81)}, {}},
                                 {Protocol::tcp, {ip("192.0.2.100"), Port(82)}, {}}};
    const auto add = [&](const ServiceKey& key, std::optional<Mac> mac) {
      ASSERT_FALSE(director_->add({key, Scheduler::rr}, {now_, out_}));
      ASSERT_FALSE(director_->add_server(key, {.at = {ip("192.0.2.11"), key.vip.port}, .mac = mac}, {now_, out_}));
      out_.clear();
    };
    if (fixed_first) add(fixed, kFixed);
    for (const ServiceKey& key : others) add(key, std::nullopt);
    if (!fixed_first) add(fixed, kFixed);
    const auto slot = director_->neighbors().find(ip("192.0.2.11"), kOutLink);
    ASSERT_TRUE(slot);
    EXPECT_EQ(director_->neighbors().at(*slot).state, Neighbors::State::fixed);
    ASSERT_FALSE(director_->remove(fixed, {now_, out_}));
    EXPECT_EQ(director_->neighbors().at(*slot).state, Neighbors::State::asking) << fixed_first;
    EXPECT_NE(left().find("who-has 192.0.2.11"), std::string::npos) << left();
    out_.clear();
  }
}

}  // namespace
}  // namespace rawvs
