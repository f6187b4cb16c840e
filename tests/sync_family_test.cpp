// SPDX-License-Identifier: BSD-2-Clause
// Tests that a backup gets the connections of both families.
#include <gtest/gtest.h>

#include "sync_node.h"

namespace rawvs {
namespace {

ServiceKey tcp(const char* at) { return {Protocol::tcp, parse_endpoint(at).value(), {}}; }

void add_ipv6(Node& n) {
  n.add({.key = tcp("[2001:db8::100]:80")}, {"[2001:db8::11]:80", "[2001:db8::12]:80"});
  n.add({.key = tcp("[2001:db8::100]:82")}, {"[2001:db8:cb::11]:8080"}, Method::masq);
  n.add({.key = tcp("[2001:db8::100]:83")}, {"203.0.113.11:83"}, Method::tunnel);
  n.add({.key = mark_key(Mark(10), Family::ipv6), .persistence = 300s, .netmask = Netmask(Family::ipv6, 64)},
        {"[2001:db8::11]:0"});
  std::vector<GroupMatch> groups = n.services.groups();
  groups.push_back({ip("2001:db8::100"), Protocol::tcp, {{90, 91}}, Mark(10)});
  n.services.set_groups(groups);
}
FlowKey flow6(uint16_t n, uint16_t vport) {
  return {ip("2001:db8:c6::1"), ip("2001:db8::100"), Port(n), Port(vport), Protocol::tcp, false};
}

TEST_F(SyncTest, ConnectionsOfBothFamiliesReachTheBackup) {
  for (Node* const n : {master_.get(), backup_.get()}) add_ipv6(*n);
  for (uint16_t n = 1; n <= 40; ++n) {
    master_->established(master_->open(flow(n)));
    master_->established(master_->open(flow6(n, 80), n % 2));
  }
  master_->established(master_->open(flow6(1, 82)));
  master_->established(master_->open(flow6(1, 90)));
  master_->established(master_->open(flow(50, Port(90))));
  deliver();
  deliver();
  EXPECT_EQ(backup_->listing(), master_->listing());
  EXPECT_EQ(backup_->listing().size(), 85u);
  EXPECT_EQ(backup_->counts(), master_->counts());
  EXPECT_TRUE(backup_->listing().contains("ip [2001:db8:c6::]:0 [0:a::]:0 [2001:db8::11]:0 ASSURED 300") ||
              backup_->listing().contains("ip [2001:db8:c6::]:0 [0:a::]:0 [2001:db8::11]:0 NONE 300"));
  EXPECT_EQ(backup_->table.two_sided(), 1u);

  backup_ = std::make_unique<Node>(3);  // another one asks for all
  add_ipv6(*backup_);
  backup_->now = master_->now;
  master_->sender.tell_all(master_->now);
  for (int n = 0; n < 20; ++n) {
    wait(10ms);
    for (const Datagram& d : master_->speak()) EXPECT_FALSE(backup_->hear(d));
  }
  EXPECT_EQ(backup_->listing(), master_->listing());
}

TEST_F(SyncTest, AConnectionWhoseServerHasTheOtherFamilyIsNotSent) {
  for (Node* const n : {master_.get(), backup_.get()}) add_ipv6(*n);
  master_->established(master_->open(flow6(1, 83)));
  EXPECT_EQ(said(), "");
  master_->established(master_->open(flow6(2, 80)));
  EXPECT_EQ(said(), "[2001:db8:c6::1]:2 ESTABLISHED");
}

TEST_F(SyncTest, OneOfIpv6GoesToAnotherServerAndIsReplaced) {
  for (Node* const n : {master_.get(), backup_.get()}) add_ipv6(*n);
  backup_->established(backup_->open(flow6(1, 80), 1));
  master_->established(master_->open(flow6(1, 80), 0));
  deliver();
  EXPECT_EQ(backup_->listing(), master_->listing());
  EXPECT_EQ(backup_->table.places(), 2u);
}

TEST_F(SyncTest, TheShareOfTheTableCountsPlaces) {
  add_ipv6(*backup_);
  SyncEntry e = plain_entry();
  e.client.addr = ip("2001:db8:c6::1"), e.vip.addr = ip("2001:db8::100"), e.server.addr = ip("2001:db8::11");
  uint32_t taken = 0;
  for (uint16_t port = 1; port < 2000; ++port) {
    e.client.port = Port(port);
    EXPECT_FALSE(backup_->hear(message_of({e})));
    taken = backup_->table.size();
  }
  EXPECT_EQ(taken, kCapacity * 75 / 100 / 2);
}

TEST_F(SyncTest, AMarkIsLookedUpInTheEntrysFamily) {
  SyncEntry e = plain_entry();
  e.protocol = Protocol::any, e.state = 0, e.flags = 3 | SyncFlags::persistence;
  e.client = {ip("2001:db8:c6::"), Port(0)}, e.vip = {ip("0:a::"), Port(0)}, e.server = {ip("2001:db8::11"), Port(0)};
  EXPECT_FALSE(backup_->hear(message_of({e})));
  EXPECT_EQ(backup_->receiver.counters().of(SyncRefusal::no_server), 1u);  // mark 10 balances IPv4 only
  add_ipv6(*backup_);
  EXPECT_FALSE(backup_->hear(message_of({e})));
  EXPECT_EQ(backup_->table.size(), 1u);
  e.vip.addr = ip("0:a::1");  // no mark
  EXPECT_FALSE(backup_->hear(message_of({e})));
  EXPECT_EQ(backup_->receiver.counters().of(SyncRefusal::no_server), 2u);
}

}  // namespace
}  // namespace rawvs
