// SPDX-License-Identifier: BSD-2-Clause
// Tests IPv6 in requests and rows of the control protocol.

#include <gtest/gtest.h>

#include "control_fixture.h"

namespace rawvs {
namespace {

constexpr char kWeb[] = "service=tcp:[2001:db8::100]:80";

TEST(ControlIpv6, ServicesAndServersOfBothFamilies) {
  Table t;
  EXPECT_EQ(t.ask(std::string("add-service ") + kWeb + " persistence=300 netmask=64"), "ok\nend\n");
  EXPECT_EQ(t.ask(std::string("add-server ") + kWeb + " server=[2001:db8::11]:80"), "ok\nend\n");
  EXPECT_EQ(t.ask(std::string("add-server ") + kWeb + " server=2001:db8::12"), "ok\nend\n");
  EXPECT_EQ(t.ask(std::string("add-server ") + kWeb + " server=192.0.2.13 method=tunnel"), "ok\nend\n");
  const std::string rows = t.ask(std::string("list ") + kWeb);
  EXPECT_NE(rows.find("service service=tcp:[2001:db8::100]:80 scheduler=wlc flags=- persistence=300 netmask=64 "),
            std::string::npos)
      << rows;
  for (const char* const server : {"[2001:db8::11]:80", "[2001:db8::12]:80", "192.0.2.13:80"}) {
    EXPECT_NE(rows.find(std::string("server ") + kWeb + " server=" + server + ' '), std::string::npos) << rows;
  }
}

TEST(ControlIpv6, AMarkIsAServicePerFamily) {
  Table t;
  t.ask("add-service service=mark:10");
  t.ask("add-service service=mark6:10 scheduler=rr");
  EXPECT_NE(t.ask("list service=mark:10").find(" service=mark:10 scheduler=wlc "), std::string::npos);
  EXPECT_NE(t.ask("list service=mark6:10").find(" service=mark6:10 scheduler=rr "), std::string::npos);
  EXPECT_NE(t.ask("list service=mark6:10").find(" netmask=128 "), std::string::npos);
  EXPECT_EQ(t.ask("delete-service service=mark6:10"), "ok\nend\n");
  EXPECT_TRUE(t.ask("list service=mark6:10").starts_with("error no-service "));
  EXPECT_NE(t.ask("list service=mark:10").find("service=mark:10 "), std::string::npos);
}

TEST(ControlIpv6, RefusalsSayWhatIsExpected) {
  Table t;
  t.ask(std::string("add-service ") + kWeb);
  const auto refused = [&](const char* request, const char* text) {
    const std::string reply = t.ask(request);
    EXPECT_TRUE(reply.starts_with("error ")) << request;
    EXPECT_NE(reply.find(text), std::string::npos) << reply;
  };
  refused("add-service service=tcp:2001:db8::1", "or [2001:db8::100]");  // no port without brackets
  refused("add-service service=tcp:[::ffff:192.0.2.1]:80", "expected tcp:IP:PORT");
  refused("add-service service=tcp:[fe80::1]:80", "is a link-local address");
  refused("add-service service=tcp:[ff02::1]:80", "expected a unicast address");
  refused("add-service service=mark6:0", "mark6:N (N from 1)");
  refused("add-service service=mark6:1 netmask=129", "a prefix length from 0 to 128");
  refused("add-service service=mark6:1 netmask=255.255.255.0", "a prefix length from 0 to 128");
  refused("add-server service=tcp:[2001:db8::100]:80 server=192.0.2.11",
          "expected one family, or method=tunnel or fullnat");
  refused("add-server service=tcp:[2001:db8::100]:80 server=fe80::11", "is a link-local address");
  refused("explain protocol=tcp client=192.0.2.1:1024 virtual=[2001:db8::100]:80", "expected one family");
  refused("explain protocol=tcp client=[2001:db8::/64]:1024 virtual=[2001:db8::100]:80", "client=");
  refused("connections client=2001:db8::1/64", "client=");
  refused("connections client=[2001:db8::]80", "client=");
}

TEST(ControlIpv6, FiltersAreNetworksOfEitherFamily) {
  Table t;
  for (const char* const filter :
       {"client=2001:db8::/64", "client=[2001:db8::/64]:80", "client=[2001:db8::1]:80", "client=2001:db8::1",
        "virtual=[2001:db8::100]:80", "virtual=2001:db8::100", "server=[2001:db8::11]:80", "client=192.0.2.0/24:80"}) {
    EXPECT_EQ(t.ask(std::string("connections ") + filter), "ok\nend\n") << filter;
  }
}

}  // namespace
}  // namespace rawvs
