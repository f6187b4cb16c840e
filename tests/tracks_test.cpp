// SPDX-License-Identifier: BSD-2-Clause
// tracks.h: virtuals' quorums and the VRRP instances that track them, and what it costs when there are many.
#include "control/tracks.h"

#include "director_fixture.h"
#include "links.h"
#include "vrrp_fixture.h"

namespace rawvs {
namespace {

using test::ip;
using test::link_facts;

VrrpSpec instance(const std::string& name, uint8_t vrid, std::vector<VrrpTrack> tracks) {
  VrrpSpec spec;
  spec.name = name;
  spec.vrid = vrid;
  spec.addresses = {Ip(0xc0000200u + vrid)};
  spec.tracks = std::move(tracks);
  return spec;
}

WantedChecks checked(const std::string& name, uint16_t port) {
  WantedChecks checks;
  checks.name = name;
  checks.service = {Protocol::tcp, {ip("192.0.2.100"), Port(port)}, Mark{}};
  return checks;
}

class TracksTest : public DirectorTest {
 protected:
  void begin(std::vector<VrrpSpec> specs) {
    vrrp_.link_changed(kOutLink, link_facts("192.0.2.10"), {now_, vrrp_out_});
    vrrp_.configure(std::move(specs), {now_, vrrp_out_});
    tracks_.follow(checks_, checked_, vrrp_, {now_, vrrp_out_});
    vrrp_.start({now_, vrrp_out_});
  }
  void change(size_t which, bool enough) {
    tracks_.changed(std::vector<CheckedServers::Quorum>{{checks_[which].service, enough}}, vrrp_, {now_, vrrp_out_});
  }
  VrrpState state(size_t which) const { return vrrp_.all()[which].state; }

  std::vector<WantedChecks> checks_;
  CheckedServers checked_{100, 1};
  Vrrp vrrp_;
  VrrpOutbox vrrp_out_;
  Tracks tracks_;
};

TEST_F(TracksTest, AnInstanceIsAtFaultWhileAVirtualThatItTracksHasTooFewServers) {
  checks_ = {checked("shop", 80), checked("mail", 25)};
  begin({instance("a", 1, {{"shop", 0}}), instance("b", 2, {{"mail", -20}})});
  change(0, false);
  EXPECT_EQ(state(0), VrrpState::fault);
  EXPECT_EQ(state(1), VrrpState::backup);
  change(1, false);
  EXPECT_EQ(vrrp_.all()[1].priority, 80);
  change(0, true);
  EXPECT_EQ(state(0), VrrpState::backup);
}

TEST_F(TracksTest, AVirtualOfSeveralServicesIsWellWhenAllOfThemAre) {
  checks_ = {checked("shop", 80), checked("shop", 443)};
  begin({instance("a", 1, {{"shop", 0}})});
  change(0, false);
  change(0, false);
  change(1, false);
  change(0, true);
  EXPECT_EQ(state(0), VrrpState::fault);
  change(1, true);
  EXPECT_EQ(state(0), VrrpState::backup);
}

TEST_F(TracksTest, AVirtualWithoutChecksIsWell) {
  checks_ = {checked("shop", 80)};
  begin({instance("a", 1, {{"shop", 0}})});
  change(0, false);
  checks_.clear();
  tracks_.follow(checks_, checked_, vrrp_, {now_, vrrp_out_});
  EXPECT_EQ(state(0), VrrpState::backup);
}

// After a reload, the new instance has the earlier findings.
TEST_F(TracksTest, WhatIsTrackedFromNowOnIsAsChecksHaveFoundIt) {
  web(1);
  WantedChecks one = checked("shop", 80);
  one.service = key_;
  one.servers.push_back({server(1).at, std::make_shared<const CheckSpec>()});
  checks_ = {one};
  checked_.follow(checks_, true, gate(), {now_, out_});
  std::vector<CheckedServers::Quorum> heard;
  for (int tries = 0; tries < 100 && heard.empty(); ++tries, now_ += 1s) {
    for (const CheckedServers::ToAsk& ask : std::vector(checked_.time_passed(gate(), {now_, out_}).start)) {
      checked_.answered(ask.id, false, "connection refused", gate(), {now_, out_});
    }
    heard = checked_.take_quorums();
  }
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].service, key_);
  EXPECT_FALSE(heard[0].enough);
  EXPECT_TRUE(checked_.take_quorums().empty()) << "it is told once";
  begin({instance("a", 1, {{"shop", 0}})});
  EXPECT_EQ(state(0), VrrpState::fault);
}

TEST_F(TracksTest, WhatChangesCostsWhatChangesHoweverManyChecksThereAre) {
  constexpr uint16_t kMany = 65'000;
  for (uint16_t i = 0; i < kMany; ++i) checks_.push_back(checked("virtual" + std::to_string(i), i));
  std::vector<VrrpTrack> tracks;
  for (size_t i = 0; i < kMostVrrpTracks; ++i) tracks.push_back({"virtual" + std::to_string(i), -1});
  std::vector<VrrpSpec> specs;
  for (int vrid = 1; vrid <= 255; ++vrid) specs.push_back(instance(std::to_string(vrid), uint8_t(vrid), tracks));
  begin(std::move(specs));
  const uint64_t before = tracks_.looked_at();
  change(1000, false);
  EXPECT_EQ(tracks_.looked_at() - before, 1u) << "nobody tracks it";
  change(1, true);
  EXPECT_EQ(tracks_.looked_at() - before, 2u) << "nothing is new";
  change(1, false);
  EXPECT_EQ(tracks_.looked_at() - before, 3u + 255u);
  EXPECT_EQ(vrrp_.all()[254].priority, 99);
}

}  // namespace
}  // namespace rawvs
