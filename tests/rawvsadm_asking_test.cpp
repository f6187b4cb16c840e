// SPDX-License-Identifier: BSD-2-Clause
// Tests rawvsadm's own commands against a peer that replies as rawvsd does: their requests, output and exit status.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>

#include "own_folder.h"
#include "rawvsadm/recordings.h"
#include "tools/rawvsadm/texts.h"
#include "tools/rawvsadm/words.h"

namespace rawvs::adm {
namespace {

struct Exchange {
  std::string request, rows;
};
using Script = std::vector<Exchange>;

// A rawvsd that expects requests in order and sends the given replies; "ok" and "end" are added to rows.
class Peer {
 public:
  explicit Peer(Script script) : script_(std::move(script)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    listener_ = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    EXPECT_EQ(bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(listener_, 1), 0);
    thread_ = std::thread([this] { serve(); });
  }
  ~Peer() {
    shutdown(listener_, SHUT_RDWR);  // wakes accept(), should nobody have come
    thread_.join();
    close(listener_);
    EXPECT_EQ(next_, script_.size()) << "requests that did not come, from this on: " << script_[next_].request;
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  const std::string& path() const { return path_; }
  std::string at(const char* file) const { return own_.at(file); }

 private:
  void serve() {
    const int fd = accept(listener_, nullptr, nullptr);
    char request[4096];
    for (ssize_t size = 0; fd >= 0 && (size = recv(fd, request, sizeof request, 0)) > 0;) {
      const std::string found(request, static_cast<size_t>(size));
      if (next_ == script_.size()) {
        ADD_FAILURE() << "an unexpected request: " << found;
        break;
      }
      const auto& [wanted, rows] = script_[next_++];
      EXPECT_EQ(found, "rawvs/1 " + wanted);
      const std::string reply = (rows.starts_with("error ") ? "" : "ok\n") + rows + "end\n";
      if (send(fd, reply.data(), reply.size(), MSG_NOSIGNAL) < 0) break;
    }
    if (fd >= 0) close(fd);
  }
  test::OwnFolder own_;
  const std::string path_ = own_.at("s");
  Script script_;
  size_t next_ = 0;
  int listener_ = -1;
  std::thread thread_;
};

struct Said {
  int status = 0;
  std::string out, err;
};

Said say(const std::string& path, const std::string& word, std::vector<std::string> args, bool json = false) {
  Client client(path);
  WordCall call{std::move(args), json, client, kBook, word.c_str()};
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Said said;
  said.status = find_word(word)->run(call);
  std::fflush(stdout);
  said.out = testing::internal::GetCapturedStdout();
  said.err = testing::internal::GetCapturedStderr();
  return said;
}

Said unasked(const std::string& word, std::vector<std::string> args, bool json = false) {
  return say("/nowhere/rawvs.sock", word, std::move(args), json);
}

constexpr char kPacket[] =
    "packet time=1767225600.001 link=eth0 exit=forwarded fate=forwarded server=192.0.2.11:80 method=route "
    "connection=new frames=2 text=forwarded: to 192.0.2.11:80 by DR\n"
    "frame link=eth0 direction=in size=60 bytes=0200000000010200000000020806\n"
    "frame link=eth0 direction=out size=60 bytes=0200000000110200000000010806\n";

TEST(Asking, TraceAsksWithItsFiltersAndSaysWhatWasLost) {
  Peer peer(
      Script{{"trace protocol=tcp client=198.51.100.0/24:40000 virtual=192.0.2.100:80 server=192.0.2.11 count=2 "
              "snap=14",
              std::string(kPacket) + "lost count=7\n"}});
  const Said said = say(peer.path(), "trace",
                        {"--client", "198.51.100.0/24:40000", "--vip=192.0.2.100:http", "--server", "192.0.2.11",
                         "--protocol=tcp", "--count=2"});
  EXPECT_EQ(said.status, 0) << said.err;
  EXPECT_NE(said.out.find("    forwarded: to 192.0.2.11:80 by DR\n"), std::string::npos) << said.out;
  EXPECT_NE(said.out.find("7 packets are missing here"), std::string::npos) << said.out;
}

TEST(Asking, TraceInJsonIsAnObjectALine) {
  Peer peer(Script{{"trace snap=14", std::string(kPacket) + "lost count=7\n"}});
  const Said said = say(peer.path(), "trace", {}, true);
  EXPECT_TRUE(said.out.starts_with("{ \"packet\": { \"time\": 1767225600.001, ")) << said.out;
  EXPECT_NE(said.out.find("\"direction\": \"out\""), std::string::npos) << said.out;
  EXPECT_TRUE(said.out.ends_with("\n{ \"lost\": { \"count\": 7 } }\n")) << said.out;
}

TEST(Asking, CaptureWritesEachFrameWithItsCommentAndOverwritesWhatWasThere) {
  Peer peer(Script{{"timeouts", ""}, {"trace count=1 snap=8192", kPacket}});
  const std::string path = peer.at("file");
  std::ofstream(path) << std::string(10000, 'x');
  const Said said = say(peer.path(), "capture", {path, "--count=1"});
  std::stringstream found;
  found << std::ifstream(path, std::ios::binary).rdbuf();
  unlink(path.c_str());
  EXPECT_EQ(said.status, 0) << said.err;
  EXPECT_EQ(said.out, "1 packets, before and after: " + path + '\n');
  EXPECT_NE(found.str().find("in: forwarded: to 192.0.2.11:80 by DR"), std::string::npos);
  EXPECT_NE(found.str().find("out: forwarded: to 192.0.2.11:80 by DR"), std::string::npos);
  EXPECT_EQ(found.str().find('x'), std::string::npos);
}

TEST(Asking, CaptureLeavesAFileAloneWhenThereIsNoDirector) {
  const Said said = unasked("capture", {"/nowhere/file"});
  EXPECT_EQ(said.status, 2);
  EXPECT_NE(said.err.find("cannot reach rawvsd at /nowhere/rawvs.sock"), std::string::npos) << said.err;
}

TEST(Asking, ExplainAsksForOnePacketAndItsStatusIsTheAnswer) {
  Peer peer(Script{
      {"explain protocol=udp client=198.51.100.7:4000 virtual=192.0.2.100:53",
       "step text=A UDP datagram.\nverdict exit=no-route fate=dropped server=- method=- text=It is dropped.\n"}});
  const Said said = say(peer.path(), "explain", {"198.51.100.7:4000", "192.0.2.100:domain", "udp"});
  EXPECT_EQ(said.status, 1);
  EXPECT_EQ(said.out, "1. A UDP datagram.\n\nIt is dropped.\n");
}

TEST(Asking, ConnectionsAreFilteredByRawvsd) {
  const std::string row =
      "connection protocol=tcp expires=899 state=ESTABLISHED client=198.51.100.7:49153 virtual=192.0.2.100:80 "
      "server=192.0.2.11:80\n";
  Peer peer(Script{
      {"connections client=198.51.100.7 state=ESTABLISHED", row}, {"connections", row + row}, {"connections", ""}});
  Client client(peer.path());
  const auto run = [&](std::vector<std::string> args, bool json) {
    WordCall call{std::move(args), json, client, kBook, "connections"};
    testing::internal::CaptureStdout();
    EXPECT_EQ(connections_word(call), 0);
    std::fflush(stdout);
    return testing::internal::GetCapturedStdout();
  };
  EXPECT_EQ(run({"--client", "198.51.100.7", "--state", "established"}, false),
            "IPVS connection entries\n"
            "pro expire state       source             virtual            destination\n"
            "TCP 14:59  ESTABLISHED 198.51.100.7:49153 192.0.2.100:80     192.0.2.11:80\n");
  const std::string one =
      "{ \"protocol\": \"tcp\", \"expires\": 899, \"state\": \"ESTABLISHED\", \"client\": \"198.51.100.7:49153\", "
      "\"virtual\": \"192.0.2.100:80\", \"server\": \"192.0.2.11:80\" }";
  EXPECT_EQ(run({}, true), "{ \"connections\": [\n" + one + ",\n" + one + "\n] }\n");
  EXPECT_EQ(run({}, true), "{ \"connections\": [\n\n] }\n");
}

std::string table(const char* keys) {
  return std::string(
             "service service=tcp:192.0.2.100:80 scheduler=wlc\n"
             "server service=tcp:192.0.2.100:80 server=192.0.2.12:80 method=route weight=1 active=9\n"
             "server service=tcp:192.0.2.100:80 server=192.0.2.11:80 method=route ") +
         keys + '\n';
}

constexpr char kOrder[] = "set-order service=tcp:192.0.2.100:80 server=192.0.2.11:80 order=drained was=none";
constexpr char kUndo[] = "To give it connections again: rawvsadm undrain 192.0.2.11";
constexpr char kByRoot[] = " order=drained order-by=0 order-at=1800000000";

std::string by_root(const std::string& keys) { return table((keys + kByRoot).c_str()); }
std::string since() { return "drained by root since " + clock_text(1'800'000'000); }

TEST(Asking, DrainOrdersWaitsAndEndsWhenNoConnectionIsLeft) {
  Peer peer(Script{{"list", table("weight=2 active=1 inactive=1 persistent=1")},
                   {kOrder, ""},
                   {"list", by_root("weight=0 wanted=2 active=1 inactive=1 persistent=1")},
                   {"list", by_root("weight=0 wanted=2 active=0 inactive=1 persistent=1")},
                   {"list", by_root("weight=0 wanted=2 active=0 inactive=0 persistent=1")}});
  const Said said = say(peer.path(), "drain", {"192.0.2.11"});
  EXPECT_EQ(said.status, 0) << said.err;
  EXPECT_EQ(said.out, "TCP 192.0.2.100:80: 192.0.2.11:80 is " + since() + '\n' + kUndo +
                          "\n1 connection left (0 active, 1 inactive)\n"
                          "no connection left\n"
                          "1 persistent client still belongs to 192.0.2.11: new connections of its go there until the "
                          "template expires, or at once elsewhere with expire_quiescent_template = 1\n");
}

TEST(Asking, DrainSaysHowToUndoItWhenTimeIsUp) {
  Peer peer(Script{{"list", table("weight=2 active=1")},
                   {kOrder, ""},
                   {"list", by_root("weight=0 active=1")},
                   {"list", by_root("weight=0 active=1")}});
  const Said said = say(peer.path(), "drain", {"192.0.2.11:80", "--timeout", "0"});
  EXPECT_EQ(said.status, 1);
  EXPECT_TRUE(said.out.ends_with("Time is up: 1 connection left (1 active, 0 inactive)\n")) << said.out;
  EXPECT_NE(said.out.find(kUndo), std::string::npos) << said.out;
}

TEST(Asking, DrainEndsWhenSomebodyGivesTheServerConnectionsAgain) {
  Peer peer(Script{{"list", by_root("weight=0 active=1")},
                   {kOrder, ""},
                   {"list", by_root("weight=0 active=1")},
                   {"list", table("weight=3 active=1")}});
  const Said said = say(peer.path(), "drain", {"192.0.2.11"}, true);
  EXPECT_EQ(said.status, 1);
  EXPECT_EQ(said.out,
            "{ \"server\": \"192.0.2.11\", \"drained\": false, \"active\": 1, \"inactive\": 0, \"persistent\": 0, "
            "\"undo\": [ \"rawvsadm undrain 192.0.2.11\" ] }\n");
}

TEST(Asking, UndrainOfADisabledServerSaysWhatItFound) {
  const std::string disabled = table("weight=0 wanted=1 order=disabled order-by=0 order-at=1800000000");
  Peer peer(Script{{"list", disabled},
                   {"set-order service=tcp:192.0.2.100:80 server=192.0.2.11:80 order=none was=drained", ""},
                   {"list", disabled}});
  const Said said = say(peer.path(), "undrain", {"192.0.2.11"});
  EXPECT_EQ(said.status, 1);
  EXPECT_EQ(said.err, "rawvsadm: undrain: TCP 192.0.2.100:80: 192.0.2.11:80 is disabled by root since " +
                          clock_text(1'800'000'000) + ": expected drained; see: rawvsadm enable\n");
}

TEST(Asking, EnableSaysWhatItWasAndHowTheServerIs) {
  Peer peer(Script{{"list", by_root("weight=0 wanted=1")},
                   {"set-order service=tcp:192.0.2.100:80 server=192.0.2.11:80 order=none", ""},
                   {"list", table("weight=1 slow-start=4")}});
  const Said said = say(peer.path(), "enable", {"192.0.2.11"});
  EXPECT_EQ(said.status, 0) << said.err;
  EXPECT_EQ(said.out,
            "TCP 192.0.2.100:80: 192.0.2.11:80: in service again: up, slow start 4%; it was " + since() + '\n');
}

TEST(Asking, DrainOfAServerThatNoServiceHasSaysSo) {
  Peer peer(Script{{"list", table("weight=1")}});
  const Said said = say(peer.path(), "drain", {"192.0.2.13"});
  EXPECT_EQ(said.status, 1);
  EXPECT_EQ(said.err, "rawvsadm: drain: no service has a server 192.0.2.13; see: rawvsadm -Ln\n");
}

TEST(Asking, AFaultyFileIsNotReloadedAndItsFaultIsTold) {
  Peer peer(Script{{"reload reset=1", "error file /etc/rawvs.ini:3: [virtual web] ports: found \"tcp/8O\"\n"}});
  const Said said = say(peer.path(), "reload", {"--reset"});
  EXPECT_EQ(said.status, 1);
  EXPECT_EQ(said.err, "rawvsadm: reload: /etc/rawvs.ini:3: [virtual web] ports: found \"tcp/8O\"\n");
}

TEST(Asking, SaveIniPrintsTheLinesAsTheyAre) {
  Peer peer(Script{{"ini", "line text=[director]\nline text=interface = eth0\nline text=\nline text=[virtual a]\n"}});
  EXPECT_EQ(say(peer.path(), "save", {"--ini", "-n"}).out, "[director]\ninterface = eth0\n\n[virtual a]\n");
}

TEST(Asking, SaveIniThatCannotWriteTheTablePrintsNothingButTheReason) {
  Peer peer(Script{{"ini", "line text=[director]\nline text=interface = eth0\nunwritable text=mark 99: no group\n"}});
  const Said said = say(peer.path(), "save", {"--ini"});
  EXPECT_EQ(said.status, 1);
  EXPECT_EQ(said.out, "");
  EXPECT_NE(said.err.find("mark 99: no group"), std::string::npos) << said.err;
}

TEST(Asking, TopCountsItsBlocks) {
  Peer peer(Script{{"list", table("weight=1 conns=5")}, {"list", table("weight=1 conns=6")}});
  const Said said = say(peer.path(), "top", {"--interval", "0.1", "--count=1"}, true);
  EXPECT_EQ(said.status, 0) << said.err;
  EXPECT_TRUE(said.out.starts_with("{ \"seconds\": ")) << said.out;
  EXPECT_EQ(std::count(said.out.begin(), said.out.end(), '\n'), 1);
}

TEST(Asking, CheckNeedsNoDirector) {
  char path[] = "/tmp/rawvsadm-check-XXXXXX";
  const int fd = mkstemp(path);
  ASSERT_GE(fd, 0);
  close(fd);
  std::ofstream(path) << "[director]\ninterface = eth0\n\n[virtual web]\naddress = 192.0.2.100\nports = tcp/80\n"
                         "server = 192.0.2.11\nserver = 192.0.2.12\n";
  const std::string file = path;
  EXPECT_EQ(unasked("check", {file}).out, file +
                                              ": valid: 1 virtual service, 2 servers\n"
                                              "VIPs, answered for on eth0\n"
                                              "  192.0.2.100\n"
                                              "Services\n"
                                              "  web: 192.0.2.100 tcp/80: 2 servers by dr\n"
                                              "    no check: a server that fails gets clients still\n"
                                              "The servers need\n"
                                              "  dr: the VIP on lo, unanswered by ARP (rawvs-realserver(8))\n"
                                              "    192.0.2.11 192.0.2.12\n"
                                              "Memory: 27 MB at most, with 262144 connections\n");
  EXPECT_EQ(unasked("check", {file}, true).out,
            "{ \"file\": \"" + file +
                "\", \"valid\": true, \"faults\": [ ], \"more-faults\": 0, \"warnings\": [ ], \"more-warnings\": 0, "
                "\"services\": 1, \"servers\": 2, \"vips\": [ \"192.0.2.100\" ], \"memory\": 28311552 }\n");
  std::ofstream(path, std::ios::app) << "[sync]\n";
  const Said warned = unasked("check", {file});
  EXPECT_EQ(warned.status, 0);
  EXPECT_EQ(warned.err, "rawvsadm: warning: " + file +
                            ":9: [sync] key: none: whoever reaches the port can put connections into the table\n");
  std::ofstream(path, std::ios::app) << "sever = 192.0.2.13\nkey = short\n";
  const Said said = unasked("check", {file});
  EXPECT_EQ(said.status, 1);
  EXPECT_TRUE(said.err.starts_with("rawvsadm: " + file + ":10: [sync] sever: ")) << said.err;
  EXPECT_NE(said.err.find("rawvsadm: " + file + ":11: [sync] key: "), std::string::npos) << said.err;
  std::ofstream(path) << "[director]\ninterface = eth0\n[sync]\nkey = a secret of ours\n";
  chmod(path, 0644);
  EXPECT_EQ(unasked("check", {file}).err, "rawvsadm: warning: " + file +
                                              ": every user can read this file, and it holds a secret: chmod 600 " +
                                              file + "\n");
  chmod(path, 0640);
  EXPECT_EQ(unasked("check", {file}).err, "");
  unlink(path);
}

TEST(Asking, WrongCommandLinesSayWhatWasFoundAndWhatWasExpected) {
  const auto fault = [](const char* word, std::vector<std::string> args) {
    const Said said = unasked(word, std::move(args));
    EXPECT_EQ(said.status, 2) << word;
    return said.err;
  };
  EXPECT_EQ(fault("vrrp", {"now"}), "rawvsadm: vrrp: unexpected argument \"now\"; expected nothing more\n");
  EXPECT_EQ(fault("drops", {"--most"}), "rawvsadm: drops: --most: unknown option; expected: rawvsadm drops [--all]\n");
  EXPECT_EQ(fault("top", {"--interval", "often"}),
            "rawvsadm: top: --interval: found \"often\", expected seconds, 0.1 to 3600\n");
  EXPECT_EQ(fault("top", {"--sort", "cps"}),
            "rawvsadm: top: --sort: found \"cps\", expected conns, inpkts, outpkts, inbytes, outbytes or active\n");
  EXPECT_EQ(fault("trace", {"--count", "0"}),
            "rawvsadm: trace: --count: found \"0\", expected a number from 1 to 1000000000\n");
  EXPECT_EQ(fault("capture", {}),
            "rawvsadm: capture: something is missing; expected: rawvsadm capture FILE [filters] "
            "[--count N] [--snap BYTES]\n");
  EXPECT_EQ(fault("explain", {"198.51.100.7", "192.0.2.100:80"}),
            "rawvsadm: explain: CLIENT:PORT: found \"198.51.100.7\", expected IP:PORT, such as 192.0.2.1:80 or "
            "[2001:db8::1]:80\n");
  EXPECT_EQ(fault("connections", {"--client", "192.0.2.1/24"}),
            "rawvsadm: connections: --client: found \"192.0.2.1/24\", expected IP[/BITS][:PORT], such as "
            "192.0.2.0/24:80, 2001:db8::/64 or [2001:db8::/64]:80, no bit of IP set behind BITS\n");
  EXPECT_EQ(fault("connections", {"--client", "2001:db8::/64:80"}),
            "rawvsadm: connections: --client: found \"2001:db8::/64:80\", expected IP[/BITS][:PORT], such as "
            "192.0.2.0/24:80, 2001:db8::/64 or [2001:db8::/64]:80, no bit of IP set behind BITS\n");
  EXPECT_EQ(fault("connections", {"--vip", "[2001:db8::1]"}),
            "rawvsadm: connections: --vip: found \"[2001:db8::1]\", expected IP or IP:PORT, such as 192.0.2.1:80 or "
            "[2001:db8::1]:80\n");
}

TEST(Asking, EveryWordIsInTheHelp) {
  const std::string all = unasked("help", {}).out;
  for (const Word& word : words()) {
    EXPECT_NE(all.find(std::string("\n  rawvsadm ") + word.name), std::string::npos) << word.name;
    const Said said = unasked("help", {word.name});
    EXPECT_EQ(said.status, 0);
    EXPECT_TRUE(said.out.starts_with(std::string("rawvsadm ") + word.name)) << said.out;
    EXPECT_NE(no_such_word("x").find(word.name), std::string::npos);
  }
  EXPECT_EQ(unasked("help", {"me"}).err, no_such_word("me"));
}

}  // namespace
}  // namespace rawvs::adm
