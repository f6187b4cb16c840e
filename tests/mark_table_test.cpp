// SPDX-License-Identifier: BSD-2-Clause
// mark_table_test.cpp: mark_table.h beside a walk over all matches, with random tables; what a look-up costs.
#include "core/mark_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "core/service.h"
#include "frames.h"

namespace rawvs {
namespace {

using namespace test;

constexpr uint64_t kDocumentation = 0x20010db8ull << 32;  // 2001:db8::
constexpr Network kEveryone{Ip(), 0};

std::optional<uint32_t> first_by_walk(const std::vector<GroupMatch>& matches, const FlowKey& flow) {
  for (uint32_t place = 0; place < matches.size(); ++place) {
    const GroupMatch& m = matches[place];
    const bool in = std::ranges::any_of(
        m.ports, [&](PortRange r) { return r.first <= flow.vport.value && flow.vport.value <= r.last; });
    if (in && m.vip == flow.vip && m.protocol == flow.protocol && m.sources().holds(flow.client)) return place;
  }
  return std::nullopt;
}

class Drawn {
 public:
  explicit Drawn(uint32_t seed) : engine_(seed) {}
  uint32_t below(uint32_t limit) { return static_cast<uint32_t>(engine_()) % limit; }
  Ip vip(Family f) { return f == Family::ipv4 ? Ip(ip("192.0.2.0").v4() + below(2)) : Ip(kDocumentation, below(2)); }
  Ip client(Family f) {
    if (f == Family::ipv4) return Ip(ip("198.51.100.0").v4() + below(8));
    return Ip(kDocumentation | below(2), below(4));
  }
  Family family() { return below(2) == 0 ? Family::ipv4 : Family::ipv6; }
  Protocol protocol() { return below(2) == 0 ? Protocol::tcp : Protocol::udp; }
  // Small ports, and the ends of all ports: ranges overlap, touch, and contain each other.
  uint16_t port() { return static_cast<uint16_t>(below(4) == 0 ? 0xffff - below(3) : below(40)); }
  PortRange range() {
    const uint16_t a = port(), b = port();
    switch (below(4)) {
      case 0: return {a, a};
      case 1: return {0, 0xffff};
      default: return {std::min(a, b), std::max(a, b)};
    }
  }
  GroupMatch match() {
    const Family f = family(), of_clients = below(8) == 0 ? family() : f;
    GroupMatch m{vip(f), protocol(), {range()}, Mark(1 + below(9)), kEveryone};
    while (below(3) == 0) m.ports.push_back(range());
    if (below(2) == 0)
      m.clients = {client(of_clients),
                   static_cast<uint8_t>(below(address_bits(of_clients) + 1u))};  // bits after the prefix, too
    return m;
  }

 private:
  std::mt19937 engine_;
};

TEST(MarkTable, FindsWhatAWalkOverAllMatchesFinds) {
  uint32_t found = 0;
  for (uint32_t seed = 1; seed <= 2000 && !testing::Test::HasFailure(); ++seed) {
    Drawn drawn(seed);
    std::vector<GroupMatch> matches;
    for (uint32_t n = drawn.below(12); n > 0; --n) matches.push_back(drawn.match());
    MarkTable table;
    table.fill(matches);
    for (int n = 0; n < 100; ++n) {
      const Family f = drawn.family();
      const FlowKey flow{drawn.client(f), drawn.vip(f), Port(1), Port(drawn.port()), drawn.protocol(), false};
      uint64_t looked_at = 0;
      const auto place = table.find(flow, looked_at);
      EXPECT_EQ(place, first_by_walk(matches, flow)) << "seed " << seed << " port " << flow.vport.value;
      if (place) ++found;
    }
  }
  EXPECT_GT(found, 50'000u);
}

TEST(MarkTable, ALookUpCostsTheSameWithThousandsOfRangesAtOneVip) {
  const Ip vip = ip("192.0.2.100");
  std::vector<GroupMatch> matches;
  for (uint16_t n = 0; n < 10'000; ++n) {  // ranges of two ports, each of one client
    const auto port = static_cast<uint16_t>(1000 + 4 * n);
    matches.push_back({vip,
                       Protocol::tcp,
                       {{port, static_cast<uint16_t>(port + 1)}},
                       Mark(n + 1u),
                       {Ip(ip("198.51.100.0").v4() + n % 200), 32}});
  }
  matches.push_back({vip, Protocol::tcp, {PortRange()}, Mark(20'000), kEveryone});
  Services services(16);
  services.set_groups(matches);
  ASSERT_FALSE(services.add({{.vip = {}, .mark = Mark(9'999)}}));
  ASSERT_FALSE(services.add({{.vip = {}, .mark = Mark(20'000)}}));
  const auto mark = [&](const char* client, uint16_t port) {
    const uint64_t before = services.looked_at();
    const Service* const service = services.classify({ip(client), vip, Port(1), Port(port), Protocol::tcp, false});
    EXPECT_LE(services.looked_at() - before, 4u);
    return service ? service->spec.key.mark.value : 0;
  };
  EXPECT_EQ(mark("198.51.100.198", 1000 + 4 * 9'998), 9'999u);
  EXPECT_EQ(mark("198.51.100.198", 1001 + 4 * 9'998), 9'999u);
  EXPECT_EQ(mark("198.51.100.198", 1002 + 4 * 9'998), 20'000u);
  EXPECT_EQ(mark("198.51.100.7", 1000 + 4 * 9'998), 20'000u);
}

// The first match decides, whether or not a service has its mark.
TEST(MarkTable, AMarkWithoutAServiceIsNotReplacedByALaterOne) {
  Services services(16);
  const Ip vip = ip("192.0.2.100");
  services.set_groups(
      {{vip, Protocol::tcp, {{80, 80}}, Mark(1), kEveryone}, {vip, Protocol::tcp, {PortRange()}, Mark(2), kEveryone}});
  ASSERT_FALSE(services.add({{.vip = {}, .mark = Mark(2)}}));
  const FlowKey flow{ip("198.51.100.1"), vip, Port(1), Port(80), Protocol::tcp, false};
  EXPECT_EQ(services.classify(flow), nullptr);
}

}  // namespace
}  // namespace rawvs
