// SPDX-License-Identifier: BSD-2-Clause
// Tests network_list.h and list_reader.h: the longest match against a slow search, building in portions, faults of
// files.
#include "core/network_list.h"

#include <gtest/gtest.h>

#include <random>

#include "config/list_reader.h"
#include "core/limits.h"

namespace rawvs {
namespace {

std::shared_ptr<const NetworkList> list_of(const std::vector<const char*>& networks, const char* name = "deny") {
  NetworkListBuilder builder;
  for (const char* network : networks) builder.add(*parse_network(network));
  while (!builder.step(3)) continue;
  return builder.take(name);
}

std::string match(const NetworkList& list, const char* address) {
  const NetworkList::Entry* const found = list.find(*parse_ip(address));
  return found ? text(found->network) : "-";
}

TEST(NetworkList, FindsTheLongestMatchOfBothFamilies) {
  const auto list = list_of({"192.0.2.0/24", "192.0.2.128/25", "192.0.2.129", "0.0.0.0/0", "::/0", "2001:db8::/32",
                             "2001:db8:1::/48", "192.0.2.0/24", "198.51.100.0/24"});
  EXPECT_EQ(list->size(), 8u) << "one stands there twice";
  EXPECT_EQ(match(*list, "192.0.2.1"), "192.0.2.0/24");
  EXPECT_EQ(match(*list, "192.0.2.128"), "192.0.2.128/25");
  EXPECT_EQ(match(*list, "192.0.2.129"), "192.0.2.129/32");
  EXPECT_EQ(match(*list, "192.0.2.255"), "192.0.2.128/25");
  EXPECT_EQ(match(*list, "192.0.3.0"), "0.0.0.0/0");
  EXPECT_EQ(match(*list, "255.255.255.255"), "0.0.0.0/0");
  EXPECT_EQ(match(*list, "2001:db8:1:2::3"), "2001:db8:1::/48");
  EXPECT_EQ(match(*list, "2001:db8:2::1"), "2001:db8::/32");
  EXPECT_EQ(match(*list, "2001:db9::"), "::/0");
  EXPECT_EQ(match(*list, "::"), "::/0");
}

TEST(NetworkList, OfOneFamilySaysNothingOfTheOther) {
  EXPECT_EQ(match(*list_of({"::/0"}), "192.0.2.1"), "-") << "IPv4 lies within ::/0 as a number only";
  EXPECT_EQ(match(*list_of({"0.0.0.0/0"}), "2001:db8::1"), "-");
  EXPECT_EQ(match(*list_of({"0.0.0.0/0"}), "::"), "-");
  EXPECT_EQ(match(*list_of({}), "192.0.2.1"), "-");
}

TEST(NetworkList, FindsWhatASlowSearchFinds) {
  std::mt19937 engine(20);
  const auto random = [&] { return static_cast<uint32_t>(engine()); };
  for (int round = 0; round < 200; ++round) {
    std::vector<Network> all;
    NetworkListBuilder builder;
    for (uint32_t n = random() % 60; n > 0; --n) {
      const bool v4 = random() % 2 == 0;
      const auto prefix = static_cast<uint8_t>(v4 ? random() % 33 : random() % 129);
      const Ip base =
          v4 ? Ip(0xc0000200u ^ (random() & 0x3ff)) : Ip(0x20010db8'00000000u ^ (random() & 7), random() & 7);
      all.push_back({Netmask(base.family(), prefix).of(base), prefix});
      builder.add(all.back(), n);
    }
    while (!builder.step(1 + random() % 9)) continue;
    const auto list = builder.take("x");
    for (int look = 0; look < 200; ++look) {
      const Ip a = look % 2 == 0 ? Ip(0xc0000200u ^ (random() & 0x7ff))
                                 : Ip(0x20010db8'00000000u ^ (random() & 15), random() & 15);
      const Network* best = nullptr;
      for (const Network& n : all) {
        if (n.holds(a) && (!best || n.prefix > best->prefix)) best = &n;
      }
      const auto* const found = list->find(a);
      ASSERT_EQ(found ? text(found->network) : "-", best ? text(*best) : "-") << text(a);
    }
  }
}

TEST(NetworkList, OfAHundredThousandIsBuiltInSmallPortions) {
  NetworkListBuilder builder;
  for (uint32_t n = 0; n < 100'000; ++n) builder.add(Network{Ip((n * 2654435761u) & ~0xffu), 24}, n + 1);
  size_t portions = 0;
  while (!builder.step(1000)) ++portions;
  EXPECT_GE(portions, 199u);
  const auto list = builder.take("big");
  for (uint32_t n = 0; n < 100'000; n += 997) EXPECT_TRUE(list->find(Ip(((n * 2654435761u) & ~0xffu) + 7))) << n;
}

TEST(AccessLists, TheLongestMatchOfAllListsDecides) {
  const AccessLists lists{{list_of({"198.51.100.0/24", "203.0.113.7"}, "allow")},
                          {list_of({"198.51.100.128/25", "203.0.113.0/24"}), list_of({"203.0.113.7"}, "more")}};
  const auto allowed = [&](const char* client) { return access_of(lists, *parse_ip(client)).allowed; };
  EXPECT_TRUE(allowed("198.51.100.1"));
  EXPECT_FALSE(allowed("198.51.100.200"));
  EXPECT_FALSE(allowed("203.0.113.7")) << "equally long: deny";
  EXPECT_FALSE(allowed("192.0.2.1")) << "there is an allow list";
  EXPECT_TRUE(access_of({{}, {list_of({"198.51.100.0/24"})}}, *parse_ip("192.0.2.1")).allowed);
  EXPECT_FALSE(access_of({{list_of({})}, {}}, *parse_ip("192.0.2.1")).allowed) << "an empty allow list allows nobody";
  EXPECT_EQ(text(access_of(lists, *parse_ip("198.51.100.200"))), "deny 198.51.100.128/25 (deny)");
  EXPECT_EQ(text(access_of(lists, *parse_ip("192.0.2.1"))), "no network of allow holds it");
}

TEST(ListReader, ReadsNetworksAndComments) {
  const auto list = parse_list(
      "\xef\xbb\xbf# robots\r\n\n198.51.100.0/24 ; a farm\n  2001:db8::/32\t# another\r\n203.0.113.7", "/etc/robots");
  ASSERT_TRUE(list) << list.error().text;
  EXPECT_EQ((*list)->size(), 3u);
  EXPECT_EQ((*list)->find(*parse_ip("198.51.100.9"))->line, 3u);
  EXPECT_EQ((*list)->find(*parse_ip("2001:db8::9"))->line, 4u);
  EXPECT_EQ((*list)->find(*parse_ip("203.0.113.7"))->line, 5u);
  EXPECT_EQ((*list)->name(), "/etc/robots");
}

TEST(ListReader, NamesEveryFaultWithItsLine) {
  const auto list =
      parse_list("198.51.100.0/24\n198.51.100.1/24\nexample.org\n192.0.2.1 192.0.2.2\n2001:db8::/129\n", "x");
  ASSERT_FALSE(list);
  EXPECT_EQ(list.error().text,
            "x:2: \"198.51.100.1/24\" has bits behind the prefix; its network is 198.51.100.0/24\n"
            "x:3: \"example.org\" is not a network, such as 198.51.100.0/24 or 2001:db8:1::/64, or one address\n"
            "x:4: \"192.0.2.2\" behind the network; a line has one, and a comment begins with \"#\"\n"
            "x:5: \"2001:db8::/129\" is not a network, such as 198.51.100.0/24 or 2001:db8:1::/64, or one address");
  std::string many;
  for (int n = 0; n < 1000; ++n) many += "x\n";
  EXPECT_NE(parse_list(many, "x").error().text.find("\nand 980 more faults"), std::string::npos);
}

TEST(ListReader, TakesTextInPiecesOfAnyLength) {
  std::string text;
  for (int n = 0; n < 300; ++n) text += "198.51." + std::to_string(n % 256) + ".0/24\n";
  for (const size_t piece : {1u, 7u, 1000u, 100000u}) {
    ListReader reader("x");
    size_t fed = 0;
    for (bool done = false; !done; done = reader.step(5)) {
      if (!reader.wants_text()) continue;
      if (fed >= text.size()) reader.end();
      reader.feed(std::string_view(text).substr(std::min(fed, text.size()), piece));
      fed += piece;
    }
    EXPECT_TRUE(reader.faults().empty());
    EXPECT_EQ(reader.take()->size(), 256u);
  }
}

}  // namespace
}  // namespace rawvs
