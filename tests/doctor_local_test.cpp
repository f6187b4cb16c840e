// SPDX-License-Identifier: BSD-2-Clause
// Tests what rawvsadm doctor says of this host as a client (local_clients).
#include <algorithm>

#include "doctor_fixture.h"

namespace rawvs::adm::test {
namespace {

const std::string kTun = "link name=rawvs0 role=clients guard=none-needed received=9 sent=9 vips=0 guarded=0";

Illness switched_on(const std::string& row = kTun) {
  Illness out;
  out.changed = {{"line text=guard = auto", "line text=local_clients = 1"}};
  out.added = {row};
  return out;
}

Illness with(Illness illness, std::vector<std::pair<std::string, std::string>> changed) {
  illness.changed.insert(illness.changed.end(), changed.begin(), changed.end());
  return illness;
}

TEST(DoctorLocal, SaysThatItIsRight) {
  const Diagnosis d = examined(switched_on());
  EXPECT_EQ(checks(d), "");
  EXPECT_NE(std::ranges::find(d.right, "local_clients: what this host sends to a VIP comes to rawvsd by rawvs0"),
            d.right.end());
}

TEST(DoctorLocal, SaysNothingIfItIsOff) {
  const Diagnosis d = examined({});
  EXPECT_TRUE(std::ranges::none_of(d.right, [](const std::string& s) { return s.starts_with("local_clients"); }));
}

TEST(DoctorLocal, NamesAMissingTunInterface) {
  finds(switched_on(""), "error:local-tun", "there is no tun interface", "modprobe tun; ls -l /dev/net/tun");
}

TEST(DoctorLocal, NamesAStrictReversePathFilterWhereServersAnswerThisHostThemselves) {
  Illness strict = switched_on();
  strict.host = [](HostFacts& host) { host.links[1].rp_filter = 1; };
  finds(strict, "warning:local-rp-filter", "rp_filter is strict on eth0", "sysctl -w net.ipv4.conf.eth0.rp_filter=2");
}

TEST(DoctorLocal, AStrictOneMattersNotWhereServersOfNatAre) {
  Illness strict = switched_on();
  strict.host = [](HostFacts& host) { host.links[2].rp_filter = 1; };
  EXPECT_EQ(checks(examined(strict)), "");
}

TEST(DoctorLocal, SaysThatAnAddressOfThisHostStaysItsOwn) {
  const Illness own = with(
      switched_on(), {{"192.0.2.100:80", "192.0.2.10:80"},
                      {"vip address=192.0.2.100 link=eth0 mac=02:00:00:00:00:10 retired=0",
                       "vip address=192.0.2.10 link=eth0 mac=02:00:00:00:00:10 retired=0 standby=0 own=1 ports=tcp/80"},
                      {"server=192.0.2.11:80 method=route", "server=192.0.2.11:80 method=masq"},
                      {"inpkts=90 outpkts=0", "inpkts=90 outpkts=80"}});
  finds(own, "note:local-own", "VIP 192.0.2.10 is an address of this host, on eth0, and local_clients = 1",
        "another [virtual] with the same servers");
}

TEST(DoctorLocal, NamesAGuardThatCannotTellNatServersAnswersToThisHost) {
  const Illness classic = with(switched_on(), {{"link name=eth1 guard=tcx", "link name=eth1 guard=classic"}});
  finds(classic, "warning:local-nat",
        "the guard on eth1 looks up no flows, real server 203.0.113.21:8080 is of NAT, and local_clients = 1",
        "a kernel with eBPF and guard = auto");
}

}  // namespace
}  // namespace rawvs::adm::test
