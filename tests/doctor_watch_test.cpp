// SPDX-License-Identifier: BSD-2-Clause
// Tests what rawvsadm doctor --watch prints: new findings and those that are gone, not the same ones again; and names.
#include <gtest/gtest.h>

#include "tools/rawvsadm/doctor_watch.h"

namespace rawvs::adm {
namespace {

Finding found(const std::string& what, Urgency urgency = Urgency::warning) {
  return {urgency, "check", what, "why", "type"};
}

std::string changes_of(WatchedFindings& watched, const Findings& findings) {
  std::string out;
  for (const auto& change : watched.take(findings)) out += change_text(change, "now");
  return out;
}

TEST(DoctorWatch, TellsWhatIsNewAndWhatIsGoneOnce) {
  WatchedFindings watched;
  EXPECT_EQ(changes_of(watched, {found("shop/web2 (192.0.2.12:80) is down for 5 s")}),
            "now  new warning: shop/web2 (192.0.2.12:80) is down for 5 s\n    why:  why\n    type: type\n");
  EXPECT_EQ(changes_of(watched, {found("shop/web2 (192.0.2.12:80) is down for 15 s")}), "")
      << "only its number changed";
  EXPECT_EQ(changes_of(watched, {found("shop/web3 (192.0.2.13:80) is down for 1 s")}),
            "now  new warning: shop/web3 (192.0.2.13:80) is down for 1 s\n    why:  why\n    type: type\n"
            "now  gone warning: shop/web2 (192.0.2.12:80) is down for 15 s\n");
  EXPECT_EQ(changes_of(watched, {}), "now  gone warning: shop/web3 (192.0.2.13:80) is down for 1 s\n");
  EXPECT_EQ(changes_of(watched, {}), "");
}

TEST(DoctorWatch, AFindingThatIsMoreUrgentNowIsToldAgain) {
  WatchedFindings watched;
  changes_of(watched, {found("5 frames were lost", Urgency::note)});
  EXPECT_EQ(changes_of(watched, {found("50 frames were lost", Urgency::note)}), "");
  EXPECT_TRUE(changes_of(watched, {found("500 frames were lost")}).starts_with("now  new warning: 500 frames"));
}

TEST(DoctorWatch, NumbersAreNotAddresses) {
  EXPECT_EQ(identity_of(found("12 of 50: 7%, (3)")), "check # of # # (3) ");
  EXPECT_NE(identity_of(found("real server 192.0.2.11:80")), identity_of(found("real server 192.0.2.12:80")));
}

TEST(DoctorWatch, ServersAndServicesAreCalledByTheirNames) {
  DaemonFacts daemon;
  daemon.services.emplace_back().key = "tcp:192.0.2.100:80";
  ServerFacts server;
  server.at = *parse_endpoint("192.0.2.12:80");
  EXPECT_EQ(called(daemon, server), "192.0.2.12:80");
  EXPECT_EQ(called(daemon.services[0]), "tcp:192.0.2.100:80");
  server.name = "web2";
  EXPECT_EQ(called(daemon, server), "web2 (192.0.2.12:80)");
  daemon.services[0].name = "shop";
  EXPECT_EQ(called(daemon, server, true), "shop/web2 (192.0.2.12)");
  EXPECT_EQ(called(daemon.services[0]), "shop (tcp:192.0.2.100:80)");
  daemon.servers.push_back(server);
  EXPECT_EQ(called_at(daemon, "192.0.2.12"), "shop/web2 (192.0.2.12)");
  EXPECT_EQ(called_at(daemon, "192.0.2.13"), "192.0.2.13");
}

}  // namespace
}  // namespace rawvs::adm
