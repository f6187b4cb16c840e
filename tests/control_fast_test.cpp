// SPDX-License-Identifier: BSD-2-Clause
// Tests what the control protocol says of the fast path. The program is not there: the test writes its counts.
#include "core/fast_flows.h"
#include "director_fixture.h"
#include "rawvs/control.h"

namespace rawvs {
namespace {

constexpr uint16_t kFastServers = 16;
constexpr size_t kFastPlaces = 8;

class ControlFast : public DirectorTest {
 protected:
  ControlFast() {
    Settings settings;
    settings.max_servers = kFastServers;
    settings.fast_after = 1;
    make(settings);
  }
  void use() {
    director_->use_fast_path({.head = &head_,
                              .buckets = buckets_,
                              .flows = flows_,
                              .servers = servers_,
                              .hops = hops_,
                              .owns = owns_,
                              .counts = counts_},
                             HashKey{3, 4});
    for (const Link link : {kOutLink, kInLink}) director_->fast_on(link, true);
  }
  Conversation begin(const std::string& request) {
    out_.clear();
    return answer("rawvs/1 " + request, *director_, {now_, out_}, context_);
  }
  // The rows of this word.
  std::string rows(const std::string& request, const std::string& word) {
    std::string all, out;
    for (Conversation c = begin(request); !c.over();) all += c.next(*director_, now_).text();
    for (size_t at = 0, end = 0; at < all.size(); at = end + 1) {
      end = all.find('\n', at);
      if (all.compare(at, word.size() + 1, word + ' ') == 0) out += all.substr(at, end + 1 - at);
    }
    return out;
  }
  void two_questions() {  // two packets of one connection, which then goes over
    nat(1, 53, {.key = {Protocol::udp, {ip("192.0.2.100"), Port(53)}, {}}});
    for (int i = 0; i < 2; ++i) arrive(frame(Udp{}));
    director_->caught_up(true, now_);
  }

  fast_head head_{};
  std::vector<fast_bucket> buckets_ = std::vector<fast_bucket>(FastMemory::buckets_for(kFastPlaces));
  std::vector<fast_flow> flows_ = std::vector<fast_flow>(kFastPlaces + 1);
  std::vector<fast_server> servers_ = std::vector<fast_server>(kFastServers);
  std::vector<fast_hop> hops_ = std::vector<fast_hop>(kMostLinks + kFastServers);
  std::vector<fast_own> owns_ = std::vector<fast_own>(FAST_OWNS);
  std::vector<fast_counts> counts_ = std::vector<fast_counts>(kFastServers);
  ControlContext context_{};
};

TEST_F(ControlFast, HasNoRowWithoutTheProgram) {
  two_questions();
  EXPECT_EQ(rows("list", "fast"), "");
  EXPECT_EQ(rows("connections", "connection").find("fast"), std::string::npos);
}

TEST_F(ControlFast, TellsWhatTheProgramForwards) {
  use();
  two_questions();
  counts_[0] = {.in_packets = 3, .in_bytes = 300, .out_packets = 2, .out_bytes = 250};
  EXPECT_EQ(rows("list", "fast"), "fast on=1 flows=1 capacity=8 chosen=1 no-room=0 packets=5 packet-bytes=550\n");
  EXPECT_NE(rows("exits", "exit").find("exit name=answer-forwarded fate=forwarded count=2 "), std::string::npos);
}

TEST_F(ControlFast, TellsWhyTheProgramForwardsNothing) {
  use();
  const auto says = [&](const std::string& what) {
    const std::string row = rows("list", "fast");
    EXPECT_TRUE(row.starts_with("fast " + what + ' ')) << row;
  };
  says("on=1 flows=0");
  {
    const Conversation trace = begin("trace");
    says("on=0 off-for=watched");
  }
  pass(1ms);
  says("on=1 flows=0");
  director_->hold_fast_path(true);
  pass(1ms);
  says("on=0 off-for=held");
  director_->hold_fast_path(false);
  pass(1ms);
  says("on=1 flows=0");
  for (const Link link : {kOutLink, kInLink}) director_->fast_on(link, false);
  says("on=0 off-for=no-link");
}

TEST_F(ControlFast, MarksTheConnectionsThatTheProgramHas) {
  use();
  two_questions();
  arrive(frame(Udp{.sport = 1002}));
  const std::string all = rows("connections", "connection");
  EXPECT_NE(all.find(" client=198.51.100.1:1001 virtual=192.0.2.100:53 server=203.0.113.11:53 fast=1\n"),
            std::string::npos)
      << all;
  EXPECT_NE(all.find(" client=198.51.100.1:1002 virtual=192.0.2.100:53 server=203.0.113.11:53\n"), std::string::npos)
      << all;
  const std::string why = rows("explain protocol=udp client=198.51.100.1:1001 virtual=192.0.2.100:53", "step");
  EXPECT_NE(why.find("The fast path has it"), std::string::npos) << why;
}

}  // namespace
}  // namespace rawvs
