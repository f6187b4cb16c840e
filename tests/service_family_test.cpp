// SPDX-License-Identifier: BSD-2-Clause
// Tests services of both families: which servers they take, their marks, and the schedulers that hash addresses.
#include <gtest/gtest.h>

#include "core/scheduler.h"
#include "core/sync.h"
#include "frames.h"

namespace rawvs {
namespace {

using namespace test;

ServiceKey tcp(const char* at) { return {Protocol::tcp, parse_endpoint(at).value(), {}}; }
ServerSpec server(const char* at, Method method = Method::route) {
  return {.at = parse_endpoint(at).value(), .method = method};
}

TEST(ServiceFamilies, AServerOfTheOtherFamilyIsReachedByATunnelOnly) {
  Services s(16);
  const ServiceKey four = tcp("192.0.2.100:80"), six = tcp("[2001:db8::100]:80"),
                   mark = mark_key(Mark(7), Family::ipv6);
  for (const ServiceKey& key : {four, six, mark}) ASSERT_FALSE(s.add({.key = key}));
  const char *const at4 = "203.0.113.11:80", *const at6 = "[2001:db8::11]:80";
  for (const Method method : {Method::masq, Method::route, Method::local}) {
    EXPECT_EQ(s.add_server(four, server(at6, method)), Refusal::unsupported);
    EXPECT_EQ(s.add_server(six, server(at4, method)), Refusal::unsupported);
    EXPECT_EQ(s.add_server(mark, server(at4, method)), Refusal::unsupported);
  }
  EXPECT_FALSE(s.add_server(four, server(at6, Method::tunnel)));
  EXPECT_FALSE(s.add_server(six, server(at4, Method::tunnel)));
  EXPECT_FALSE(s.add_server(six, server(at6)));
  EXPECT_EQ(s.edit_server(six, server(at4)), Refusal::unsupported);
  EXPECT_EQ(s.find(six, parse_endpoint(at4).value())->spec.method, Method::tunnel);
  EXPECT_FALSE(s.edit_server(six, server(at6, Method::masq)));
}

TEST(ServiceFamilies, LinkLocalAddressesOfIpv6AreInvalid) {
  Services s(16);
  const ServiceKey six = tcp("[2001:db8::100]:80");
  ASSERT_FALSE(s.add({.key = six}));
  EXPECT_EQ(s.add({.key = tcp("[fe80::100]:80")}), Refusal::invalid);
  EXPECT_EQ(s.add_server(six, server("[fe80::11]:80")), Refusal::invalid);
  EXPECT_FALSE(s.add({.key = tcp("169.254.0.1:80")}));  // as before, in IPv4
}

TEST(ServiceFamilies, AMarkHasAServiceForEach) {
  Services s(16);
  const Ip four = ip("192.0.2.100"), six = ip("2001:db8::100");
  const ServiceKey mark4 = mark_key(Mark(10), Family::ipv4), mark6 = mark_key(Mark(10), Family::ipv6);
  EXPECT_EQ(mark4, (ServiceKey{.protocol = Protocol::any, .vip = {}, .mark = Mark(10)}));
  EXPECT_EQ(text(mark4), "mark 10");
  EXPECT_EQ(text(mark6), "mark 10 (IPv6)");
  s.set_groups({{four, Protocol::tcp, {{80, 90}}, Mark(10)}, {six, Protocol::tcp, {{80, 90}}, Mark(10)}});
  const FlowKey flow4{ip("198.51.100.1"), four, Port(1), Port(85), Protocol::tcp};
  const FlowKey flow6{ip("2001:db8:c6::1"), six, Port(1), Port(85), Protocol::tcp};
  ASSERT_FALSE(s.add({.key = mark4, .persistence = 100s, .netmask = Netmask(Family::ipv4, 24)}));
  EXPECT_EQ(s.classify(flow4), s.find(mark4));
  EXPECT_EQ(s.classify(flow6), nullptr);
  EXPECT_EQ(s.vips(), std::vector{four});
  ASSERT_FALSE(s.add({.key = mark6, .persistence = 100s, .netmask = Netmask(Family::ipv6, 64)}));
  EXPECT_EQ(s.classify(flow4), s.find(mark4));
  EXPECT_EQ(s.classify(flow6), s.find(mark6));
  EXPECT_EQ(s.vips(), (std::vector{four, six}));
  EXPECT_EQ(s.vips_of(mark4), std::vector{four});
  EXPECT_EQ(s.vips_of(mark6), std::vector{six});
  ASSERT_EQ(s.ports_of(mark4).size(), 1u);
  EXPECT_EQ(s.ports_of(mark4)[0].vip, four);
  ASSERT_EQ(s.ports_of(mark6).size(), 1u);
  EXPECT_EQ(s.ports_of(mark6)[0].vip, six);

  const FlowKey stays4 = template_key(flow4, s.find(mark4)->spec), stays6 = template_key(flow6, s.find(mark6)->spec);
  EXPECT_EQ(stays4, (FlowKey{ip("198.51.100.0"), ip("0.0.0.10"), Port(), Port(), Protocol::any, true}));
  EXPECT_EQ(stays6, (FlowKey{ip("2001:db8:c6::"), ip("0:a::"), Port(), Port(), Protocol::any, true}));
  ASSERT_FALSE(s.remove(mark4, Instant{}));
  EXPECT_EQ(s.classify(flow4), nullptr);
  EXPECT_EQ(s.classify(flow6), s.find(mark6));
}

TEST(ServiceFamilies, AServiceOfEveryPortAndFtpAreFoundInIpv6) {
  Services s(16);
  ASSERT_FALSE(s.add({.key = tcp("[2001:db8::100]:0")}));
  ASSERT_FALSE(s.add({.key = tcp("[2001:db8::101]:21")}));
  const auto classify = [&](const char* vip, uint16_t port) {
    const Service* const found = s.classify({ip("2001:db8:c6::1"), ip(vip), Port(1), Port(port), Protocol::tcp, false});
    return found ? text(found->spec.key) : "-";
  };
  EXPECT_EQ(classify("2001:db8::100", 7777), "tcp [2001:db8::100]:0");
  EXPECT_EQ(classify("2001:db8::101", 20), "tcp [2001:db8::101]:21");
  EXPECT_EQ(classify("2001:db8::101", 80), "-");
  EXPECT_EQ(classify("2001:db8::102", 80), "-");
}

// An address of IPv6 whose words XORed are this number.
Ip folding_to(uint32_t n) {
  return Ip(0x20010db8'00001234u, uint64_t{0x20010db8u ^ 0x1234u ^ 0x5678u ^ n} << 32 | 0x5678u);
}

std::vector<std::optional<size_t>> choices(Scheduler scheduler, uint8_t flags, Family family) {
  const auto address = [&](uint32_t n) { return family == Family::ipv4 ? Ip(n) : folding_to(n); };
  const ServiceKey key{Protocol::tcp, {address(ip("192.0.2.100").v4()), Port(80)}, {}};
  Services s(16);
  EXPECT_FALSE(s.add({.key = key, .scheduler = scheduler, .flags = flags}));
  for (uint32_t n = 11; n < 16; ++n) {
    EXPECT_FALSE(s.add_server(
        key, {.at = {address(0xc0000200 + n), Port(80)}, .weight = static_cast<int32_t>(n != 13 ? n - 10 : 0)}));
  }
  Service& service = *s.find(key);
  std::vector<std::optional<size_t>> all;
  for (uint32_t n = 0; n < 500; ++n) {
    const Request request{address(0xc6336400 + n * 7919), Port(static_cast<uint16_t>(n)), address(0xcb007100 + n), {}};
    all.push_back(choose({scheduler, flags}, Pool(s.servers(), service.servers), service.state, request));
  }
  return all;
}

TEST(ServiceFamilies, HashingSchedulersTakeTheFoldedAddress) {
  ASSERT_EQ(folding_to(0xc0000201).folded(), 0xc0000201);
  for (const Scheduler scheduler : {Scheduler::dh, Scheduler::sh, Scheduler::mh}) {
    for (const uint8_t flags : {uint8_t{0}, uint8_t{SchedulerFlags::fallback | SchedulerFlags::port}}) {
      EXPECT_EQ(choices(scheduler, flags, Family::ipv6), choices(scheduler, flags, Family::ipv4)) << name(scheduler);
    }
  }
}

TEST(ServiceFamilies, LblcRemembersADestinationOfIpv6ByAllOfItsBits) {
  SchedulerState state;
  Services s(16);
  const ServiceKey key = mark_key(Mark(1), Family::ipv6);
  ASSERT_FALSE(s.add({.key = key, .scheduler = Scheduler::lblc}));
  ASSERT_FALSE(s.add_server(key, server("[2001:db8::11]:80")));
  Service& service = *s.find(key);
  for (const Ip destination : {folding_to(1), Ip(folding_to(1).lo(), folding_to(1).hi()), folding_to(1)}) {
    EXPECT_TRUE(choose({Scheduler::lblc}, Pool(s.servers(), service.servers), service.state,
                       {ip("2001:db8:c6::1"), Port(1), destination, Instant{1s}}));
  }
  EXPECT_EQ(service.state.affinities.size(), 2u);
}

}  // namespace
}  // namespace rawvs
