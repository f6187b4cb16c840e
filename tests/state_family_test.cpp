// SPDX-License-Identifier: BSD-2-Clause
// Tests state.h with connections of both families, and with servers of the other family behind tunnels.
#include "state_world.h"

namespace rawvs {
namespace {

using namespace test;

void set_up(World& w) {
  for (const Family family : kBothFamilies) {
    w.family = family;
    w.server_family = family == Family::ipv4 ? Family::ipv6 : Family::ipv4;
    for (const Method method : {Method::route, Method::tunnel, Method::masq}) w.web(method);
    w.shop(Mark(10), {80, 443});
  }
}
void populate(World& w) {
  for (uint8_t service = 0; service < 8; ++service) {
    Connection& client_template = w.client_template(service, service % 2, 300);
    for (uint16_t n = 0; n < 5; ++n) {
      Connection& c =
          w.open(service, service % 2, Port(static_cast<uint16_t>(2000 + n)), n % 2 == 0 ? &client_template : nullptr);
      w.set_state(c, static_cast<uint8_t>(n % 2 == 0 ? TcpState::established : TcpState::fin_wait));
    }
  }
}

TEST(StateFamilies, BothAreTakenBack) {
  World before, after;
  set_up(before), set_up(after);
  populate(before);
  EXPECT_EQ(before.connections.places(), 8u * 6 + 4 * 6 + 6);  // IPv6, and one service of IPv4 has servers of IPv6
  EXPECT_EQ(text(after.restore(before.state(7))), "40 connections and 8 templates taken back");
  EXPECT_EQ(after.picture(), before.picture());
  EXPECT_EQ(after.connections.places(), before.connections.places());
  EXPECT_EQ(after.report.uncontrolled, 0u);
  EXPECT_EQ(after.connections.two_sided(), 10u);
  after.end_all();
}

TEST(StateFamilies, WithoutIpv6TheBytesHaveNoWideRows) {
  World before;
  before.web(Method::route);
  before.open(0, 0, Port(2000));
  const std::vector<uint8_t> bytes = before.state();
  EXPECT_EQ(bytes.size(), 72u + 3 * 28 + 48 + 44 + 4);
  before.family = Family::ipv6;
  before.web(Method::route);
  before.open(1, 0, Port(2000));
  EXPECT_EQ(before.state().size(), bytes.size() + 2 * 28 + 80 + 76);
}

TEST(StateFamilies, AChosenMarkIsRecognisedInItsOwnFamilyOnly) {
  for (const Family family : kBothFamilies) {
    World before, after, other;
    before.family = after.family = family;
    other.family = family == Family::ipv4 ? Family::ipv6 : Family::ipv4;
    before.shop(Mark(0x52560001), {80, 443});
    after.shop(Mark(0x52560007), {80, 443});
    other.shop(Mark(0x52560001), {80, 443});
    Connection& shop = before.client_template(0, 1, 300);
    before.open(0, 1, Port(2000), &shop);
    const std::vector<uint8_t> bytes = before.state();
    EXPECT_EQ(text(after.restore(bytes)), "1 connection and 1 template taken back");
    const ServiceKey key = mark_key(Mark(0x52560007), family);
    const FlowKey stays{after.client_of(0), mark_address(key.mark, family), Port(0), Port(0), Protocol::any, true};
    EXPECT_TRUE(after.connections.find(Side::client, stays, after.connections.hash(stays)));
    EXPECT_EQ(other.restore(bytes).of(Untaken::no_service), 2u);
  }
}

// Rows of another shape than their kind has, with right checksums.
TEST(StateFamilies, ImpossibleAddressesAreNotTakenBack) {
  World before;
  before.family = Family::ipv6;
  before.web(Method::route);
  before.open(0, 0, Port(2000));
  const auto with = [&](size_t at, uint64_t hi, uint64_t lo) {
    std::vector<uint8_t> bytes = before.state();
    const size_t row = World::block(bytes, 1) + 28 + at;
    store_be64(bytes, row, hi), store_be64(bytes, row + 8, lo);
    World::seal(bytes);
    World after;
    after.family = Family::ipv6;
    after.web(Method::route);
    return text(after.restore(bytes));
  };
  const Ip client = before.client_of(0), vip = before.keys[0].vip.addr;
  EXPECT_EQ(with(44, client.hi(), client.lo()), "1 connection and 0 templates taken back");
  EXPECT_EQ(with(60, vip.hi(), vip.lo()), "1 connection and 0 templates taken back");
  const std::string malformed = "0 connections and 0 templates taken back, 1 not: 1 malformed";
  EXPECT_EQ(with(44, 0, 0xffffc6336401), malformed);  // ::ffff:198.51.100.1
  EXPECT_EQ(with(60, 0, 0xffffc0000264), malformed);
  EXPECT_EQ(with(60, vip.hi(), vip.lo() + 1), malformed);
}

TEST(StateFamilies, AreTakenBackWhateverThePortionsSize) {
  World before;
  set_up(before);
  populate(before);
  for (const uint32_t places : {1u, 2u, 3u, 50u, 4096u}) {
    World after;
    set_up(after);
    after.restore(before.state(places));
    EXPECT_EQ(after.picture(), before.picture()) << places;
  }
}

}  // namespace
}  // namespace rawvs
