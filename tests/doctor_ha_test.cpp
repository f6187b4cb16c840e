// SPDX-License-Identifier: BSD-2-Clause
// Tests rawvsadm doctor's checks of availability: health checks, VRRP, sync, the place of the state.
#include "doctor_fixture.h"

namespace rawvs::adm {
namespace {

using namespace test;

// The first server of the web service as its check says.
Illness checked(const std::string& health, const std::string& why, uint32_t weight) {
  return {.changed = {{"server=192.0.2.11:80 method=route weight=1",
                       "server=192.0.2.11:80 method=route weight=" + std::to_string(weight)},
                      {"mac=02:00:00:00:00:11 conns=9 inpkts=90 outpkts=0",
                       "mac=02:00:00:00:00:11 conns=9 inpkts=90 outpkts=0 health=" + health + " why=" + why}}};
}

TEST(DoctorOfChecks, FindsAServerThatIsOutAndSaysHowToAskIt) {
  finds(
      checked("down for=70 flaps=1", "tcp 192.0.2.11:80: connection refused, 3 of 3", 0), "warning:server-down",
      "192.0.2.11:80 of tcp:192.0.2.100:80 is down for 70 s, as its check says: tcp 192.0.2.11:80: connection refused",
      "on 192.0.2.11: ss -ltnu");
  finds(checked("down for=70 flaps=1", "http 192.0.2.11:80: HTTP status 500", 0), "warning:server-down", "status 500",
        "curl -v http://192.0.2.11:80/");
  finds(checked("down for=70 flaps=1", "icmp 192.0.2.11: no answer", 0), "warning:server-down", "no answer",
        "ping -c 3 192.0.2.11");
  finds(checked("damped for=7 flaps=5", "tcp 192.0.2.11:80: well, but it went too often", 0), "warning:server-damped",
        "is held back for 7 s: it went 5 times in ten minutes", "fall = 2");
  finds(checked("up for=7 flaps=3", "tcp 192.0.2.11:80: well", 1), "note:server-flaps", "went 3 times in ten minutes",
        "ss -ltnu");
}

TEST(DoctorOfChecks, FindsAServerThatIsNeverAsked) {
  finds(checked("unknown for=60 flaps=0", "", 0), "warning:not-checked", "was not checked yet in 60 s",
        "could the check be made?");
  EXPECT_EQ(checks(examined(checked("unknown for=59 flaps=0", "", 0))), "") << "the first check may be on its way";
}

// The service's other server takes no clients either.
Illness alone(Illness illness) {
  illness.changed.push_back(
      {"server=203.0.113.21:8080 method=masq weight=1", "server=203.0.113.21:8080 method=masq weight=0"});
  return illness;
}

TEST(DoctorOfChecks, SaysWhereAllServersOfAServiceAreOutThatTheirCheckSaysSo) {
  finds(alone(checked("down for=70 flaps=1", "tcp 192.0.2.11:80: timeout, 3 of 3", 0)), "error:all-down",
        "192.0.2.11:80 is down: tcp 192.0.2.11:80: timeout, 3 of 3", "or their check in /etc/rawvs.ini");
}

TEST(DoctorOfChecks, DoNotJudgeServersBeforeTheirFirstCheckHasEnded) {
  finds(alone(checked("unknown for=5 flaps=0", "", 0)), "note:not-checked-yet",
        "the servers of tcp:192.0.2.100:80 have not been checked yet", "rawvsadm status, in a few seconds");
}

TEST(DoctorOfChecks, AreContentWithServersThatAreWell) {
  const Diagnosis diagnosis = examined(checked("up for=70 flaps=2", "tcp 192.0.2.11:80: well", 1));
  EXPECT_EQ(checks(diagnosis), "");
  EXPECT_NE(diagnosis_text(diagnosis).find("1 checked server: each is well"), std::string::npos);
}

TEST(DoctorOfChecks, FindsProgramsThatCannotBeRun) {
  const auto program = [](Runnable runnable, const char* whose = "check shop") {
    return Illness{.files = [=](FileFacts& files) {
      files.programs.push_back({"/usr/local/lib/check", "nobody", whose, runnable});
    }};
  };
  finds(program(Runnable::missing), "error:no-program", "/usr/local/lib/check of [check shop] is no file",
        "ls -l /usr/local/lib/check; correct program in /etc/rawvs.ini");
  finds(program(Runnable::not_executable), "error:not-executable", "may not be executed by nobody",
        "chmod a+rx /usr/local/lib/check");
  finds(program(Runnable::unreachable), "error:unreachable-program", "in a directory that nobody may not enter",
        "namei -l /usr/local/lib/check");
  finds(program(Runnable::missing, "vrrp web"), "error:no-program", "of [vrrp web]", "correct notify in");
  EXPECT_EQ(checks(examined(program(Runnable::yes))), "");
}

// --- VRRP ---------------------------------------------------------------------------------------------------------

Illness vrrp(const std::string& state, const std::string& counters = "", const std::string& why = "started") {
  const std::string counted =
      counters.empty() ? "other-addresses=0 other-interval=0 woke-late=0 refused=0 refused-for=-" : counters;
  return {.added = {"line text=[vrrp web]", "line text=vrid = 51", "line text=address = 192.0.2.100",
                    "vrrp name=web link=eth0 vrid=51 version=3 state=" + state + " priority=100 master=192.0.2.20 " +
                        "master-priority=150 for=9 sent=0 heard=9 became-master=0 " + counted + " why=" + why}};
}

TEST(DoctorOfVrrp, FindsAnInstanceInFaultAndSaysWhatIsMissing) {
  finds(vrrp("fault", "", "interface eth0 has no address to send adverts from"), "warning:vrrp-fault",
        "VRRP web is in fault: interface eth0 has no address to send adverts from",
        "ip addr add ADDRESS/BITS dev eth0");
  finds(vrrp("fault", "", "interface eth0 is down"), "warning:vrrp-fault", "is down", "ip link set eth0 up");
  finds(vrrp("fault", "", "web: not well"), "warning:vrrp-fault", "web: not well", "too few");
}

TEST(DoctorOfVrrp, IsContentWithABackupThatHearsItsMaster) {
  const Diagnosis diagnosis = examined(vrrp("backup"));
  EXPECT_EQ(checks(diagnosis), "");
  const std::string text = diagnosis_text(diagnosis);
  EXPECT_NE(text.find("VRRP: web is backup; every advert that came was understood"), std::string::npos) << text;
  EXPECT_NE(text.find("1 VIP: of each the master is found by VRRP"), std::string::npos) << text;
}

TEST(DoctorOfVrrp, FindsAdvertsThatAreRefusedAndNamesTheCommonestReason) {
  const auto refused = [](const std::string& why) {
    return vrrp("master", "other-addresses=0 other-interval=0 woke-late=0 refused=14 refused-for=" + why);
  };
  finds(refused("ttl:2,password:12"), "warning:vrrp-refused",
        "VRRP web has refused 14 adverts since rawvsd's start; mostly: its password is wrong",
        "give each director the same password in [vrrp web] of /etc/rawvs.ini");
  finds(refused("ttl:14"), "warning:vrrp-refused", "it has come through a router",
        "tcpdump -e -v -n -i eth0 ip proto 112");
  finds(refused("something-new:14"), "warning:vrrp-refused", "mostly: something-new", "tcpdump");
  EXPECT_EQ(checks(examined(refused("idle:14"))), "") << "it was not started then";
}

TEST(DoctorOfVrrp, FindsDirectorsThatAreNotAlike) {
  finds(vrrp("backup", "other-addresses=3 other-interval=0 woke-late=0 refused=0 refused-for=-"),
        "warning:vrrp-addresses", "3 adverts with other addresses than its own",
        "correct address or vrid in [vrrp web]");
  finds(vrrp("backup", "other-addresses=0 other-interval=3 woke-late=0 refused=0 refused-for=-"), "note:vrrp-interval",
        "3 adverts with another interval", "the same interval in [vrrp web]");
  finds(vrrp("backup", "other-addresses=0 other-interval=0 woke-late=1 refused=0 refused-for=-"), "note:vrrp-late",
        "came 1 time too late", "a longer interval");
}

TEST(DoctorOfVrrp, FindsTwoMasters) {
  Illness two = vrrp("master");
  two.added.push_back("rival address=192.0.2.100 mac=02:00:00:00:00:20 server=-");
  finds(two, "error:two-masters", "02:00:00:00:00:20 answers ARP for VIP 192.0.2.100, whose master this director is",
        "tcpdump -e -n -i eth0 ip proto 112");
  two.added.back() = "rival address=192.0.2.100 mac=02:00:00:00:00:11 server=192.0.2.11";
  EXPECT_EQ(checks(examined(two)), "error:server-answers-arp");
}

TEST(DoctorOfVrrp, FindsVipsThatOnlyHalfOfTheConfigurationKnows) {
  Illness unused = vrrp("master");
  unused.added.insert(unused.added.begin() + 3, "line text=address = 192.0.2.101");
  finds(unused, "note:vrrp-vip-unused", "VIP 192.0.2.101 of [vrrp web] belongs to no service",
        "rawvsadm -A -t 192.0.2.101:PORT");
  unused.added.insert(unused.added.begin() + 1, "line text=on = inside");
  EXPECT_EQ(checks(examined(unused)), "") << "it may be the gateway of NAT servers";
  Illness alone = vrrp("master");
  alone.added.insert(alone.added.end(), {"line text=[group g]", "line text=match = 192.0.2.102 tcp/80,443"});
  EXPECT_EQ(checks(examined(alone)), "") << "it follows the instance";
  alone.added.insert(alone.added.begin() + 3, "line text=other_vips = no");
  finds(alone, "warning:vip-without-vrrp", "VIP 192.0.2.102 is in no [vrrp] section, and each of them has",
        "address = 192.0.2.102, or other_vips = yes, in a [vrrp] section of /etc/rawvs.ini");
  alone.added.erase(alone.added.begin() + 2);  // no address: all VIPs of the file
  EXPECT_EQ(checks(examined(alone)), "");
}

// --- sync ---------------------------------------------------------------------------------------------------------

Illness sync(const std::string& counters) { return {.added = {"sync role=auto leads=0 hears=1 " + counters}}; }

TEST(DoctorOfSync, FindsMessagesThatAreRefusedWhoSendsThemAndWhy) {
  const Diagnosis well = examined(sync("refused=0 refused-for=- refused-from=- strangers=0"));
  EXPECT_EQ(checks(well), "");
  EXPECT_NE(diagnosis_text(well).find("sync: every message that came was taken"), std::string::npos);
  finds(sync("refused=5 refused-for=bad-seal:5 refused-from=192.0.2.2 strangers=0"), "warning:sync-refused",
        "sync: 5 refused since rawvsd's start; mostly: other key, or changed on its way; the last one from 192.0.2.2",
        "give each director the same key in [sync]: /etc/rawvs.ini");
  finds(sync("refused=5 refused-for=other-syncid:3,late:2 refused-from=192.0.2.2 strangers=0"), "warning:sync-refused",
        "mostly: other id", "the same id in [sync]");
  finds(sync("refused=7 refused-for=no-server:7 refused-from=- strangers=0"), "warning:sync-refused",
        "no service here has its server", "the same services and servers");
  EXPECT_EQ(checks(examined(sync("refused=9 refused-for=late:9 refused-from=- strangers=0"))), "");
  finds(sync("refused=0 refused-for=- refused-from=- strangers=2"), "warning:sync-strangers",
        "2 messages of who is no peer", "a peer = ...");
}

TEST(DoctorOfVrrp, KnowsWhatKeepalivedCannotShare) {
  const auto refused = [](const std::string& why) {
    return vrrp("master", "other-addresses=0 other-interval=0 woke-late=0 refused=14 refused-for=" + why);
  };
  finds(refused("header-auth:14"), "warning:vrrp-refused", "it has an IPsec header (auth_type AH)", "auth_type PASS");
  finds(refused("old-checksum:14"), "warning:vrrp-refused", "old_unicast_checksum", "no old_unicast_checksum");
}

// --- state --------------------------------------------------------------------------------------------------------

Illness kept(const std::function<void(StatePlace&)>& place, const std::string& interval = "0s") {
  return {.changed = {{"line text=guard = auto", "line text=state = /run/rawvs/state"},
                      {"line text=interface = eth0", "line text=state_interval = " + interval}},
          .files = [place](FileFacts& files) { place(files.state); }};
}

TEST(DoctorOfState, FindsAPlaceThatCannotKeepConnections) {
  finds(kept([](StatePlace& p) { p.there = false; }), "error:state-directory", "whose directory is not there",
        "state = /run/rawvs/state in /etc/rawvs.ini");
  finds(kept([](StatePlace& p) { p.writable = false; }), "error:state-directory", "whose directory cannot be written",
        "mount -o remount,rw");
  finds(kept([](StatePlace& p) { p.strange = true; }), "warning:state-strange", "it will not be believed",
        "rm /run/rawvs/state");
  finds(kept([](StatePlace& p) { p.free = 100; }), "warning:state-room", "would need 0 MB, and there are 0 MB free",
        "df /run/rawvs/state");
}

TEST(DoctorOfState, FindsAPlaceThatIsNotInRam) {
  const auto disk = [](StatePlace& p) { p.in_ram = false; };
  finds(kept(disk), "note:state-on-disk", "/run/rawvs/state is not in RAM", "state = /run/rawvs/state");
  finds(kept(disk, "10s"), "warning:state-on-disk", "is not in RAM, and is written every 10s", "restart rawvsd");
}

TEST(DoctorOfState, IsContentWithAFileInRamAndDoesNotLookWhereItMayNot) {
  const Diagnosis diagnosis = examined(kept([](StatePlace&) {}));
  EXPECT_EQ(checks(diagnosis), "");
  EXPECT_NE(diagnosis_text(diagnosis).find("state: /run/rawvs/state can be written, and is in RAM"), std::string::npos);
  Illness unknown = kept([](StatePlace& p) { p = {}; });
  unknown.files = [](FileFacts& files) { files = {}; };
  EXPECT_EQ(checks(examined(unknown)), "");
  EXPECT_NE(examined(unknown).unseen[0].find("files that /etc/rawvs.ini names"), std::string::npos);
}

}  // namespace
}  // namespace rawvs::adm
