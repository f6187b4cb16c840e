// SPDX-License-Identifier: BSD-2-Clause
// Tests what rawvsadm doctor says of servers that operators have drained or disabled.
#include "doctor_fixture.h"

namespace rawvs::adm {
namespace {

using namespace test;

const std::pair<std::string, std::string> kDrained = {
    "server=192.0.2.11:80 method=route weight=1",
    "server=192.0.2.11:80 method=route weight=0 wanted=1 order=drained order-by=0 order-at=1800000000"};

TEST(DoctorOrders, AServerThatWasDrainedADayAgoIsMentionedAndALaterOneIsNot) {
  const auto at = [](int64_t now) { return [now](HostFacts& host) { host.now = now; }; };
  EXPECT_EQ(checks(examined({.changed = {kDrained}, .host = at(1'800'000'100)})), "");
  finds({.changed = {kDrained}, .host = at(1'800'000'000 + 3 * 86400)}, "note:ordered-out",
        "real server 192.0.2.11:80 of tcp:192.0.2.100:80 is drained by root since ",
        "rawvsadm enable 192.0.2.11:80; rawvsadm status --state drained");
}

TEST(DoctorOrders, AServerIsCalledByItsName) {
  finds({.changed = {{kDrained.first, kDrained.second + " name=web1"}},
         .host = [](HostFacts& host) { host.now = 1'800'000'000 + 3 * 86400; }},
        "note:ordered-out", "real server web1 (192.0.2.11:80) of tcp:192.0.2.100:80 is drained by root since ",
        "rawvsadm enable 192.0.2.11:80");
}

TEST(DoctorOrders, AServiceWithoutAnotherServerIsAnError) {
  finds({.changed =
             {{"server=192.0.2.12:0 method=route weight=1",
               "server=192.0.2.12:0 method=route weight=0 wanted=1 order=disabled order-by=0 order-at=1800000000"}},
         .host = [](HostFacts& host) { host.now = 1'800'000'100; }},
        "error:all-ordered-out",
        "every real server of mark:10 is drained or disabled: 192.0.2.12:0 is disabled by root",
        "rawvsadm enable 192.0.2.12:0");
}

}  // namespace
}  // namespace rawvs::adm
