// SPDX-License-Identifier: BSD-2-Clause
// Tests link_names.h: lists of interfaces with patterns, and roles.
#include "core/link_names.h"

#include <gtest/gtest.h>

#include "links.h"

namespace rawvs {
namespace {

TEST(LinkNamesTest, AStarStandsForAnyCharacters) {
  EXPECT_TRUE(matches("wan*", "wan"));
  EXPECT_TRUE(matches("wan*", "wan0"));
  EXPECT_TRUE(matches("*.20", "eth0.20"));
  EXPECT_TRUE(matches("e*h*0", "eth1.h0"));
  EXPECT_TRUE(matches("*", "lo"));
  EXPECT_FALSE(matches("wan*", "lan0"));
  EXPECT_FALSE(matches("*.20", "eth0.200"));
  EXPECT_FALSE(matches("wan", "wan0"));
  EXPECT_FALSE(matches("wan0*1", "wan0"));
}

TEST(LinkNamesTest, NamedInterfacesAreTheFirstLinksInTheirOrder) {
  const LinkNames names("eth0 wan*  eth0.20", "lan0\tlan*");
  ASSERT_EQ(names.named().size(), 3u);
  EXPECT_EQ(names.named()[0].name, "eth0");
  EXPECT_EQ(names.named()[1].name, "eth0.20");
  EXPECT_EQ(names.named()[2].name, "lan0");
  EXPECT_EQ(names.named()[2].role, LinkRole::servers);
  EXPECT_TRUE(names.patterns());
  EXPECT_EQ(names.link_of("outside"), kOutLink);
  EXPECT_EQ(names.link_of("inside"), Link{2});
  EXPECT_EQ(names.link_of("eth0.20"), Link{1});
  EXPECT_EQ(names.link_of("wan0"), std::nullopt);
}

TEST(LinkNamesTest, ANamePrecedesPatternsAndInterfacePrecedesInside) {
  const LinkNames names("wan* br*", "wan7 br-lan* *");
  EXPECT_EQ(names.role_of("wan0"), LinkRole::clients);
  EXPECT_EQ(names.role_of("wan7"), LinkRole::servers);
  EXPECT_EQ(names.role_of("br-lan1"), LinkRole::clients);
  EXPECT_EQ(names.role_of("eth5"), LinkRole::servers);
  EXPECT_EQ(LinkNames("eth0", "").role_of("eth1"), std::nullopt);
  EXPECT_EQ(LinkNames("wan*", "").link_of("outside"), std::nullopt);
}

TEST(LinkSetTest, GivesItsLinksFromTheFirstOn) {
  LinkSet links;
  EXPECT_TRUE(links.empty());
  links.add(Link{31}), links.add(Link{0}), links.add(Link{7}), links.remove(Link{7});
  EXPECT_EQ(links.size(), 2u);
  EXPECT_TRUE(links.has(Link{31}));
  EXPECT_FALSE(links.has(Link{7}));
  EXPECT_EQ(links.take(), Link{0});
  EXPECT_EQ(links.take(), Link{31});
  EXPECT_TRUE(links.empty());
}

}  // namespace
}  // namespace rawvs
