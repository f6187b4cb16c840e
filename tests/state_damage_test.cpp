// SPDX-License-Identifier: BSD-2-Clause
// Tests state.h with bytes that were cut, changed, reordered, of another version, or forged with right checksums. What
// is valid is restored, the rest is counted, and nothing else happens.
#include <random>
#include <set>

#include "state_world.h"

namespace rawvs {
namespace {

using namespace test;

// Two services of two servers, templates, what they control, an FTP session: each kind of block.
void set_up(World& w, Family family) {
  w.family = family;
  w.web(Method::route);
  w.web(Method::masq, Protocol::tcp, family == Family::ipv4 ? "192.0.2.101" : "2001:db8::101", 1, 21);
  w.shop(Mark(10), {80, 443});
}
void populate(World& w) {
  Connection& web = w.client_template(0, 1, 300);
  Connection& shop = w.client_template(2, 0, 360);
  for (uint16_t n = 0; n < 3; ++n) w.set_state(w.open(0, 1, Port(static_cast<uint16_t>(2000 + n)), &web), 1);
  w.open(2, 0, Port(2100), &shop);
  Connection& control = w.open(1, 0, Port(2000));
  control.peer.ftp = w.ftp.take(w.at(1, 0).addr, w.keys.at(1).vip.addr, w.client_of(1));
  w.open(1, 0, Port(2001), &control, Port(20));
  ++w.unknown_ports;
  w.set_state(w.open(1, 0, Port(0), &control, Port(1025)), static_cast<uint8_t>(TcpState::listen));
}

class DamagedState : public testing::Test {
 protected:
  explicit DamagedState(Family family = Family::ipv4) : family_(family) {
    set_up(before_, family_), populate(before_);
    bytes_ = before_.state(3);  // so that there are several blocks of each kind
    for (const Connection* const c : before_.all()) known_.insert(before_.identity(*c));
  }
  // Nothing but what was written may come of it, and nothing unsound.
  const StateReport& read(World& after, const std::vector<uint8_t>& bytes) {
    set_up(after, family_);
    after.restore(bytes);
    EXPECT_EQ(after.connections.size() + after.gave_way(), after.report.connections + after.report.templates);
    return after.report;
  }
  void expect_known(World& after) {
    for (const Connection* const c : after.all()) EXPECT_TRUE(known_.contains(after.identity(*c)));
  }
  Family family_;
  World before_;
  std::vector<uint8_t> bytes_;
  std::set<std::string> known_;
};

class DamagedStateOf : public DamagedState, public testing::WithParamInterface<Family> {
 protected:
  DamagedStateOf() : DamagedState(GetParam()) {}
};
INSTANTIATE_TEST_SUITE_P(BothFamilies, DamagedStateOf, testing::ValuesIn(kBothFamilies));

TEST_P(DamagedStateOf, WithoutDamageIsTakenBackWhole) {
  World after;
  EXPECT_EQ(text(read(after, bytes_)), "7 connections and 2 templates taken back");
  EXPECT_EQ(after.picture(), before_.picture());
  after.end_all();
}

TEST_P(DamagedStateOf, EachByteThatIsFlippedCostsItsBlockAtMost) {
  for (size_t at = 0; at < bytes_.size(); ++at) {
    for (const unsigned bits : {0x01u, 0x80u, 0xffu}) {
      std::vector<uint8_t> changed = bytes_;
      changed[at] = static_cast<uint8_t>(changed[at] ^ bits);
      World after;
      const StateReport& report = read(after, changed);
      expect_known(after);
      if (at < 72) {
        EXPECT_NE(after.fault, StateFault::none) << at;
        EXPECT_EQ(after.connections.size(), 0u);
      } else {
        EXPECT_EQ(after.fault, StateFault::none);
        EXPECT_TRUE(report.damaged_blocks == 1 || !report.complete) << at;
        EXPECT_EQ(report.connections + report.templates + report.left_out(), 9u) << at;
        EXPECT_EQ(report.of(Untaken::damaged) + report.of(Untaken::lost_server), report.left_out()) << at;
      }
      after.end_all();
    }
  }
}

TEST_P(DamagedStateOf, IsTakenBackUpToWhereItWasCut) {
  uint32_t last = 0;
  for (size_t size = 0; size < bytes_.size(); ++size) {
    World after;
    const std::vector<uint8_t> cut(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(size));
    const StateReport& report = read(after, cut);
    EXPECT_EQ(after.fault == StateFault::none, size >= 72);
    EXPECT_FALSE(report.complete);
    EXPECT_GE(report.connections + report.templates, last);
    last = report.connections + report.templates;
    expect_known(after);
  }
  EXPECT_EQ(last, 9u);
}

TEST_F(DamagedState, IsRefusedByName) {
  const auto fault = [&](size_t at, uint8_t value, bool seal = true) {
    std::vector<uint8_t> changed = bytes_;
    changed[at] = value;
    if (seal) World::seal(changed);
    World after;
    return std::string(name((read(after, changed), after.fault)));
  };
  EXPECT_EQ(fault(0, 'R'), "it is no state of rawvsd");
  EXPECT_EQ(fault(8, 4), "its byte order is another");
  EXPECT_EQ(fault(13, 3), "it is another version's");
  EXPECT_EQ(fault(19, 48), "its entries are another version's");
  EXPECT_EQ(fault(40, 1, false), "its header is damaged");
  World after;
  EXPECT_STREQ(name((read(after, {}), after.fault)), "it is too short");
}

TEST_F(DamagedState, ABlockThatIsMissingIsNoticed) {
  const size_t blocks = 5;
  for (size_t n = 0; n < blocks; ++n) {
    std::vector<uint8_t> changed = bytes_;
    const auto from = changed.begin() + static_cast<std::ptrdiff_t>(World::block(changed, n));
    changed.erase(from, from + static_cast<std::ptrdiff_t>(World::block(changed, n + 1) - World::block(changed, n)));
    World after;
    const StateReport& report = read(after, changed);
    EXPECT_EQ(report.damaged_blocks, 1u);
    EXPECT_TRUE(report.complete);
    EXPECT_EQ(report.connections + report.templates + report.left_out(), 9u);
    expect_known(after);
    after.end_all();
  }
}

TEST_F(DamagedState, WhatLiesBetweenTwoBlocksIsPassedOver) {
  std::vector<uint8_t> changed = bytes_;
  const std::vector<uint8_t> rubbish(100'000, 0x52);
  changed.insert(changed.begin() + static_cast<std::ptrdiff_t>(World::block(changed, 2)), rubbish.begin(),
                 rubbish.end());
  World after;
  EXPECT_EQ(text(read(after, changed)), "7 connections and 2 templates taken back");
}

TEST_F(DamagedState, ABlockThatComesAgainIsNotTakenAgain) {
  std::vector<uint8_t> changed = bytes_;
  const size_t from = World::block(bytes_, 0), to = World::block(bytes_, 4);
  changed.insert(changed.begin() + static_cast<std::ptrdiff_t>(to), bytes_.begin() + static_cast<std::ptrdiff_t>(from),
                 bytes_.begin() + static_cast<std::ptrdiff_t>(to));
  World after;
  EXPECT_EQ(text(read(after, changed)), "7 connections and 2 templates taken back; 4 blocks damaged");
  EXPECT_EQ(after.picture(), before_.picture());
}

TEST_F(DamagedState, EntriesThatMakeNoSenseAreNotTaken) {
  World before;
  set_up(before, Family::ipv4);
  before.open(0, 0, Port(2000));
  const std::vector<uint8_t> bytes = before.state();
  const auto verdict = [&](size_t at, std::vector<uint8_t> with) {
    std::vector<uint8_t> changed = bytes;
    std::ranges::copy(with, changed.begin() + static_cast<std::ptrdiff_t>(World::block(changed, 1) + 28 + at));
    World::seal(changed);
    World after;
    std::string said = text(read(after, changed));
    after.end_all();
    return said;
  };
  const std::string none = "0 connections and 0 templates taken back, 1 not: 1 ";
  EXPECT_EQ(verdict(4, {192, 0, 2, 99}), none + "malformed");  // not the service's VIP
  EXPECT_EQ(verdict(8, {0, 0}), none + "malformed");           // a client port that only FTP would not know
  EXPECT_EQ(verdict(14, {17}), none + "malformed");            // not the service's protocol
  EXPECT_EQ(verdict(14, {0}), none + "malformed");
  EXPECT_EQ(verdict(15, {11}), none + "malformed");  // no such state
  EXPECT_EQ(verdict(16, {4}), "1 connection and 0 templates taken back");
  EXPECT_EQ(verdict(16, {8}), none + "malformed");   // two-sided is nothing to be told
  EXPECT_EQ(verdict(16, {16}), none + "malformed");  // a template with a client port
  EXPECT_EQ(verdict(20, {0, 0, 0, 1}), none + "whose server's name is damaged");
  EXPECT_EQ(verdict(20, {255, 255, 255, 255}), none + "whose server's name is damaged");
  EXPECT_EQ(verdict(24, {0, 0, 0, 0}), none + "over meanwhile");
  EXPECT_EQ(verdict(24, {255, 255, 255, 255}), none + "malformed");
  EXPECT_EQ(verdict(32, {0, 0, 0, 1}), "1 connection and 0 templates taken back");  // controlled by itself: by none
  EXPECT_EQ(verdict(32, {255, 255, 255, 255}), "1 connection and 0 templates taken back");
}

TEST_F(DamagedState, BytesOfSomebodyWhoKnowsTheChecksumsLeaveTheTablesSound) {
  std::mt19937 engine(7);
  const auto random = [&](size_t below) { return static_cast<size_t>(engine() % below); };
  uint32_t taken = 0, malformed = 0, uncontrolled = 0;
  for (int round = 0; round < 3000; ++round) {
    std::vector<uint8_t> changed = bytes_;
    for (size_t n = 1 + random(6); n != 0; --n) {
      const size_t at = 72 + random(changed.size() - 72);
      changed[at] = static_cast<uint8_t>(random(3) == 0 ? engine() : changed[at] ^ 1u << random(8));
    }
    if (random(4) == 0) changed.resize(72 + random(changed.size() - 72));
    World::seal(changed);
    World after(random(2) == 0 ? 1000 : 6);
    const StateReport& report = read(after, changed);
    taken += report.connections, malformed += report.of(Untaken::malformed), uncontrolled += report.uncontrolled;
    after.end_all();
  }
  EXPECT_GT(taken, 1000u);  // else nothing was tried
  EXPECT_GT(malformed, 100u);
  EXPECT_GT(uncontrolled, 100u);
}

}  // namespace
}  // namespace rawvs
