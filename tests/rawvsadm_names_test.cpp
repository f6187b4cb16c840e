// SPDX-License-Identifier: BSD-2-Clause
// Tests the names of services and servers in rawvsadm's words: what they stand for, and how they are shown.
#include "tools/rawvsadm/table_names.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "rawvsadm/recordings.h"
#include "tools/rawvsadm/texts.h"
#include "tools/rawvsadm/top.h"

namespace rawvs::adm {
namespace {

const Rows kNamedTable = {
    "daemon version=0.1.0",
    "service service=tcp:192.0.2.100:80 name=shop scheduler=wlc",
    "server service=tcp:192.0.2.100:80 server=192.0.2.12:80 name=web2 weight=1 active=1",
    "server service=tcp:192.0.2.100:80 server=192.0.2.11:80 weight=1 active=3",
    "service service=tcp:192.0.2.101:0 name=all scheduler=rr",
    "server service=tcp:192.0.2.101:0 server=192.0.2.12:0 name=web2 weight=1",
    "service service=udp:192.0.2.101:0 name=all scheduler=rr",
    "server service=udp:192.0.2.101:0 server=192.0.2.12:0 name=web2 weight=1",
    "service service=mark6:10 name=media scheduler=rr",
    "service service=mark:11 scheduler=rr",
    "server service=mark:11 server=192.0.2.13:0 name=all weight=1",
};

class TheNames : public testing::Test {
 protected:
  // The rows' numbers, or the error.
  std::string servers(const std::string& typed) { return shown(names_.servers(typed, hosts_)); }
  std::string services(const std::string& typed) { return shown(names_.services(typed)); }
  std::string only(const std::vector<std::string>& typed) { return shown(names_.only(typed, hosts_)); }
  static std::string shown(const Result<Rows>& rows) {
    if (!rows) return rows.error().text;
    std::string all;
    for (const std::string& row : *rows) {
      const auto at = std::ranges::find(kNamedTable, row) - kNamedTable.begin();
      all += (all.empty() ? "" : " ") + std::to_string(at);
    }
    return all;
  }
  const TableNames names_{kNamedTable};
  const Book hosts_{};
};

TEST_F(TheNames, StandForServices) {
  EXPECT_EQ(services("shop"), "1");
  EXPECT_EQ(services("all"), "4 6") << "a virtual of every port has a service per protocol";
  EXPECT_EQ(services("mark:11"), "9");
  EXPECT_EQ(services("shpo"),
            "\"shpo\" names nothing here: there are the virtuals all, media, shop, and the servers all, web2; see: "
            "rawvsadm status");
}

TEST_F(TheNames, StandForServers) {
  EXPECT_EQ(servers("shop/web2"), "2");
  EXPECT_EQ(servers("web2"), "2 5 7") << "in every virtual, as an address";
  EXPECT_EQ(servers("192.0.2.12"), "2 5 7");
  EXPECT_EQ(servers("192.0.2.12:80"), "2");
  EXPECT_EQ(servers("shop/192.0.2.11"), "3");
  EXPECT_EQ(servers("all/192.0.2.12"), "5 7");
  EXPECT_EQ(servers("shop"), "2 3") << "all of its servers";
  EXPECT_EQ(servers("all/"), "5 7");
  EXPECT_EQ(servers("mark:11/all"), "10");
  EXPECT_EQ(servers("192.0.2.99"), "no service has a server 192.0.2.99; see: rawvsadm -Ln");
  EXPECT_EQ(servers("all"),
            "\"all\" is a virtual and a server: write all/ for the virtual, or VIRTUAL/all for the server");
  EXPECT_TRUE(servers("shop/web3").starts_with("\"shop/web3\" names nothing here")) << servers("shop/web3");
  EXPECT_TRUE(servers("").starts_with("\"\" names nothing here")) << servers("");
}

TEST_F(TheNames, SelectPartsOfTheListing) {
  EXPECT_EQ(only({"web2"}), "1 2 4 5 6 7");
  EXPECT_EQ(only({"shop/192.0.2.11", "media"}), "1 3 8") << "a virtual without servers";
}

TEST_F(TheNames, AreListedForCompletion) {
  EXPECT_EQ(names_.all_typed(), (std::vector<std::string>{"shop", "shop/web2", "shop/192.0.2.11:80", "all", "all/web2",
                                                          "all", "all/web2", "media"}));
}

TEST_F(TheNames, StandForMarks) {
  const auto media = names_.mark("media");
  ASSERT_TRUE(media);
  EXPECT_EQ(media->number, "10");
  EXPECT_TRUE(media->ipv6);
  EXPECT_EQ(names_.mark("shop").error().text, "\"shop\" has no mark: it is TCP 192.0.2.100:80");
}

TEST_F(TheNames, AnErrorNamesTheFirstFew) {
  Rows rows;
  for (int n = 10; n < 40; ++n) {
    rows.push_back("service service=tcp:192.0.2.100:" + std::to_string(n) + " name=v" + std::to_string(n));
  }
  EXPECT_EQ(
      TableNames(rows).services("x").error().text,
      "\"x\" names nothing here: there are the virtuals v10, v11, v12, v13, v14, v15, v16, v17, v18, v19, v20, v21 "
      "and 18 more; see: rawvsadm status");
  EXPECT_EQ(TableNames({}).services("x").error().text,
            "\"x\" names nothing here: there is no virtual with a name; see: rawvsadm status");
}

TEST_F(TheNames, AreInTheStatus) {
  const std::string text = services_text(kNamedTable);
  EXPECT_NE(text.find("\nshop: TCP 192.0.2.100:80 wlc\n  web2 192.0.2.12:80 "), std::string::npos) << text;
  EXPECT_NE(text.find("\n  192.0.2.11:80 "), std::string::npos) << text;
  EXPECT_NE(text.find("\nFWM 11 rr\n"), std::string::npos) << text;
}

TEST_F(TheNames, StateIsBeneathTheServerAndColouredOnATerminal) {
  const Rows rows = {
      "service service=tcp:192.0.2.100:80 name=shop scheduler=wlc",
      "server service=tcp:192.0.2.100:80 server=192.0.2.11:80 weight=3 active=3 inactive=0 reach=ready health=up for=9",
      "server service=tcp:192.0.2.100:80 server=192.0.2.12:80 weight=0 reach=ready health=down for=12 why=tcp: refused",
      "server service=tcp:192.0.2.100:80 server=192.0.2.13:80 weight=0 reach=ready",
      "server service=tcp:192.0.2.100:80 server=[2001:db8:1111:2222:3333:4444:5555:6666]:80 name=a-long-name weight=1",
  };
  const std::string head =
      "  Server         Weight  Share  Active  Inact  Conn/s  In B/s  Out B/s\n"
      "shop: TCP 192.0.2.100:80 wlc\n"
      "  192.0.2.11:80       3   100%       3      0       -       -        -\n"
      "  192.0.2.12:80       0     0%       0      0       -       -        -\n";
  EXPECT_EQ(services_text(rows), head +
                                     "    down, 12 s: tcp: refused\n"
                                     "  192.0.2.13:80       0     0%       0      0       -       -        -\n"
                                     "    quiesced (weight 0)\n"
                                     "  a-long-name [2001:db8:1111:2222:3333:4444:5555:6666]:80\n"
                                     "                      1     0%       0      0       -       -        -\n");
  const std::string coloured = services_text(rows, true);
  EXPECT_TRUE(coloured.starts_with(head + "\033[31m    down, 12 s: tcp: refused\033[0m\n")) << coloured;
  EXPECT_NE(coloured.find("\033[33m    quiesced (weight 0)\033[0m\n"), std::string::npos) << coloured;
  EXPECT_EQ(in_state(rows, "down"), (Rows{rows[0], rows[2]}));
  EXPECT_EQ(in_state(rows, "up"), (Rows{rows[0], rows[1], rows[4]}));
  EXPECT_EQ(in_state(rows, "x"), Rows{});
}

TEST_F(TheNames, AreInTop) {
  Top top;
  top.take(kNamedTable, 1);
  top.take(kNamedTable, 2);
  const std::string text = top.text(Top::Key::active, SIZE_MAX, "");
  EXPECT_NE(text.find("\nweb2           shop "), std::string::npos) << text;
  EXPECT_NE(text.find("\n192.0.2.11:80  shop "), std::string::npos) << text;
  EXPECT_NE(text.find("\nall            FWM 11 "), std::string::npos) << text;
  const std::string json = top.json(Top::Key::active).line();
  EXPECT_NE(json.find("\"virtual-name\": \"shop\", \"server-name\": \"web2\""), std::string::npos) << json;
}

TEST(MayBeName, IsNoAddress) {
  for (const char* const name : {"shop", "shop/web2", "shop/192.0.2.11", "a.b"}) EXPECT_TRUE(may_be_name(name)) << name;
  for (const char* const other :
       {"192.0.2.1", "192.0.2.1:80", "192.0.2.0/24", "[2001:db8::1]", "2001:db8::1", "", "a b"})
    EXPECT_FALSE(may_be_name(other)) << other;
}

}  // namespace
}  // namespace rawvs::adm
