// SPDX-License-Identifier: BSD-2-Clause
// Tests what rawvsadm doctor advises where a service is IPv6's.
#include "doctor_fixture.h"

namespace rawvs::adm::test {
namespace {

// The first service and its direct server have IPv6 addresses; three clients of it get no answer.
Illness three_in_vain() {
  Illness out;
  out.changed = {{"192.0.2.100:80", "[2001:db8::100]:80"},
                 {"address=192.0.2.100 ", "address=2001:db8::100 "},
                 {"server=192.0.2.11:80", "server=[2001:db8::11]:80"},
                 {"via=192.0.2.11 ", "via=2001:db8::11 "},
                 {"address=192.0.2.11 ", "address=2001:db8::11 "},
                 {"active=4 inactive=2", "active=3 inactive=0"}};
  for (const char* const port : {"40001", "40002", "40003"}) {
    out.added.push_back("connection protocol=tcp expires=40 state=SYN_RECV client=[2001:db8:2::2]:" +
                        std::string(port) + " virtual=[2001:db8::100]:80 server=[2001:db8::11]:80");
  }
  out.host = [](HostFacts& host) { host.links[1].addresses.push_back({*parse_ip("2001:db8::10"), 64}); };
  return out;
}

TEST(DoctorIpv6, GivesADirectServerTheVipWithItsOwnPrefixAlone) {
  finds(three_in_vain(), "error:no-answer", "real server [2001:db8::11]:80 of tcp:[2001:db8::100]:80 answers no client",
        "on 2001:db8::11: ss -ltn; ip addr add 2001:db8::100/128 dev lo nodad (rawvs-realserver start)");
}

TEST(DoctorIpv6, NamesTheTunnelThatUnwrapsIt) {
  Illness tunnel = three_in_vain();
  tunnel.changed.emplace_back("80 method=route", "80 method=tunnel tun-type=ipip");
  const auto findings = examined(tunnel).findings;
  ASSERT_FALSE(findings.empty());
  EXPECT_EQ(findings[0].check, "no-answer");
  EXPECT_EQ(findings[0].type, "on 2001:db8::11: ss -ltn; ip addr show dev ip6tnl0 (rawvs-realserver start)");
  EXPECT_EQ(findings[0].why.find("rp_filter"), std::string::npos) << findings[0].why;
}

}  // namespace
}  // namespace rawvs::adm::test
