// SPDX-License-Identifier: BSD-2-Clause
// Tests rawvsadm's command lines, requests and listings against ipvsadm 1.31. tests/rawvsadm/*.txt were recorded from
// it; each file's head explains its format, recordings.h reads them.
#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "rawvsadm/recordings.h"
#include "tools/rawvsadm/listing.h"
#include "tools/rawvsadm/texts.h"

namespace rawvs::adm {
namespace {

Parsed parsed(const std::string& line) { return parse("ipvsadm", words(line), kBook); }

Command command(const std::string& line) {
  const Parsed p = parsed(line);
  if (const auto* const ending = std::get_if<Ending>(&p)) {
    ADD_FAILURE() << line << ": " << ending->err;
    return {};
  }
  return *std::get_if<Command>(&p);
}

std::string asked(const std::string& line) {
  const auto made = request(command(line));
  const auto* const text = std::get_if<std::string>(&made);
  return text ? *text : std::get<Ending>(made).err;
}

// A request's keys are those of the rows that come back: what was asked for, as the daemon would list it.
std::string row_of(const std::string& line) {
  const std::string made = asked(line);
  const size_t keys = made.find(' ', made.find(' ') + 1);
  const bool server = made.find(" server=") != std::string::npos;
  return (server ? "server" : "service") + made.substr(keys) +
         " conns=0 inpkts=0 outpkts=0 inbytes=0 outbytes=0 cps=0 inpps=0 outpps=0 inbps=0 outbps=0";
}

TEST(Rawvsadm, DecidesByItselfWhatIpvsadmDecidesByItself) {
  const Recording recording = read("local.txt");
  ASSERT_GE(recording.runs.size(), 120u);
  for (const Recorded& run : recording.runs) {
    const Parsed p = parsed(run.line);
    const auto* const ending = std::get_if<Ending>(&p);
    ASSERT_NE(ending, nullptr) << run.line << ": taken, but ipvsadm says " << run.err;
    EXPECT_EQ(ending->out, run.out) << run.line;
    EXPECT_EQ(ending->err, run.err) << run.line;
    EXPECT_EQ(ending->status, run.status) << run.line;
  }
}

TEST(Rawvsadm, UnderstandsWhatIpvsadmUnderstands) {
  const Recording recording = read("accepted.txt");
  ASSERT_GE(recording.runs.size(), 100u);
  for (const Recorded& run : recording.runs) {
    const Command c = command(run.line);
    ServiceTable table(false);
    const bool server = c.verb == Verb::add_server;
    if (server) {  // the service that it goes into
      const std::string made = asked(run.line);
      const size_t key = made.find("service=");
      table.take(Row("service " + made.substr(key, made.find(' ', key) - key) + " scheduler=wlc"));
    }
    const std::string row = row_of(run.line);
    table.take(Row(row));
    const std::string lines = saved(table, nullptr);
    EXPECT_EQ(server ? lines.substr(lines.find('\n') + 1) : lines, run.out) << run.line;
  }
}

void expect_listings(const std::string& file, size_t least) {
  const Recording recording = read(file);
  ASSERT_GE(recording.runs.size(), least);
  for (const Recorded& run : recording.runs) {
    const Command c = command(run.line);
    const ListStyle how = style(c, kBook);
    ServiceTable table(how.columns == Columns::rate);
    table.take(Row("daemon version=0.1.0 uptime=1 size=4096"));
    const std::string wanted =
        c.has(Option::service) ? ' ' + asked(run.line).substr(asked(run.line).find("service=")) + ' ' : "";
    std::vector<std::string> servers;  // services in the given order, each followed by its servers, newest first
    std::vector<std::pair<std::string, std::vector<std::string>>> services;
    for (const std::string& line : recording.before) {
      const std::string row = row_of(line);
      if (row.find(wanted) == std::string::npos) continue;
      if (row.starts_with("service ")) {
        services.push_back({row, {}});
      } else {
        services.back().second.insert(services.back().second.begin(), row + " active=0 inactive=0 persistent=0");
      }
    }
    for (const auto& [service, of_it] : services) {
      table.take(Row(service));
      for (const std::string& server : of_it) table.take(Row(server));
    }
    table.sort();
    EXPECT_FALSE(table.lacks_rates());
    EXPECT_EQ(c.verb == Verb::save ? saved(table, how.names) : listing(table, how), run.out) << run.line;
  }
}

TEST(Rawvsadm, ListsAndSavesToTheBlankAsIpvsadmDoes) { expect_listings("listing.txt", 15); }
TEST(Rawvsadm, ListsAndSavesTunnelsSctpAndEveryPortAsIpvsadmDoes) { expect_listings("tunnels.txt", 12); }

TEST(Rawvsadm, ListsAndSavesIPv6AsIpvsadmDoes) {
  expect_listings("ipv6.txt", 9);
  expect_listings("tunnels6.txt", 2);
}

TEST(Rawvsadm, OrdersAddressesAsIpvsadmDoesAcrossHalfOfThemAll) { expect_listings("order.txt", 2); }

TEST(Rawvsadm, ReadsItsOwnSavedTableAsTheSameTable) {
  for (const char* const file : {"listing.txt", "tunnels.txt", "ipv6.txt", "tunnels6.txt"}) {
    const Recording recording = read(file);
    for (const Recorded& run : recording.runs) {
      if (run.line != "-Sn" && run.line != "-S -n") continue;
      ServiceTable table(false);
      std::istringstream lines(run.out);
      for (std::string line; std::getline(lines, line);) table.take(Row(row_of(line)));
      EXPECT_EQ(saved(table, nullptr), run.out);
    }
  }
}

TEST(Rawvsadm, SavesAFlagThatHasNoNameForTheScheduler) {  // ipvsadm saves "-b " then, and cannot read it back
  ServiceTable table(false);
  table.take(Row(row_of("-A -f 9 -s sh -b flag-3")));
  EXPECT_EQ(saved(table, nullptr), "-A -f 9 -s sh -b flag-3\n");
}

TEST(Rawvsadm, ShowsNoFlagsWhereTheDaemonNamesNone) {
  ServiceTable table(false);
  table.take(Row("service service=tcp:192.0.2.1:80 scheduler=sh flags=- persistence=0 netmask=255.255.255.255 ops=0"));
  EXPECT_EQ(saved(table, nullptr), "-A -t 192.0.2.1:80 -s sh\n");
}

// The daemon of the restore recordings: it knows which services there are.
class Restorer {
 public:
  explicit Restorer(const Recorded& run) : run_(run) {}
  int restore() {
    return adm::restore("ipvsadm", kBook,
                        {[&]() -> std::optional<std::string> {
                           return next_ < run_.in.size() ? std::optional(run_.in[next_++] + '\n') : std::nullopt;
                         },
                         [&](const Command& c) { return obey(c); }, [&](const Ending& e) { return say(e); }});
  }
  std::string out, err;

 private:
  Outcome say(const Ending& e) {
    out += e.out;
    err += e.err;
    return {e.status, e.ends_restore};
  }
  Outcome obey(const Command& c) {
    const std::string key = std::to_string(c.mark) + text(c.service.addr);
    if (c.verb == Verb::clear) services_.clear();
    if (c.verb == Verb::add_service && !services_.insert(key).second) return say(refusal(c.verb, {"exists", ""}));
    if (c.verb == Verb::delete_service && services_.erase(key) == 0) return say(refusal(c.verb, {"no-service", ""}));
    if (c.verb == Verb::list && c.has(Option::service)) return say(refusal(c.verb, {"no-service", ""}));
    return {};
  }
  const Recorded& run_;
  size_t next_ = 0;
  std::set<std::string> services_;
};

TEST(Rawvsadm, RestoresLineByLineAsIpvsadmDoes) {
  const Recording recording = read("restore.txt");
  ASSERT_GE(recording.runs.size(), 25u);
  for (const Recorded& run : recording.runs) {
    std::string lines;
    for (const std::string& line : run.in) lines += line + '\n';
    Restorer restorer(run);
    EXPECT_EQ(restorer.restore(), run.status) << lines;
    EXPECT_EQ(restorer.err, run.err) << lines;
  }
}

TEST(Rawvsadm, RestoreSaysWhichLineItObeys) {
  const std::vector<std::string> lines{"-A -t 192.0.2.1:80\n", "\n", " ipvsadm  -A -f 1\n", "-A -t x\n"};
  size_t next = 0;
  std::string at, told;
  const auto line = [&] { return next < lines.size() ? std::optional(lines[next++]) : std::nullopt; };
  adm::restore("rawvsadm", kBook,
               {line,
                [&](const Command& c) {
                  told += at + (c.mark == 1 ? ": refused\n" : ": obeyed\n");
                  return Outcome{};
                },
                [&](const Ending& e) {
                  told += at + ": " + e.err;
                  return Outcome{e.status, e.ends_restore};
                },
                [&](std::string place) { at = std::move(place); }});
  EXPECT_EQ(told,
            "stdin line 1: -A -t 192.0.2.1:80: obeyed\n"
            "stdin line 3: -A -f 1: refused\n"
            "stdin line 4: -A -t x: illegal virtual server address[:port] specified\n");
}

TEST(Rawvsadm, SaysItInTheControlProtocolsWords) {
  EXPECT_EQ(asked("-A -t 192.0.2.1:80"), "rawvs/1 add-service service=tcp:192.0.2.1:80 scheduler=wlc");
  EXPECT_EQ(asked("-A -t 192.0.2.1:0 -s sh -b sh-port -p 300 -M 255.255.255.0 --pe sip"),
            "rawvs/1 add-service service=tcp:192.0.2.1:0 scheduler=sh persistence=300 netmask=24 flags=sh-port pe=sip");
  EXPECT_EQ(asked("-E -f 7 -p -M 255.0.255.0 -o"),
            "rawvs/1 edit-service service=mark:7 scheduler=wlc persistence=360 netmask=255.0.255.0 ops=1");
  EXPECT_EQ(asked("-A -t 192.0.2.1:80 -M 255.255.255.0"), "rawvs/1 add-service service=tcp:192.0.2.1:80 scheduler=wlc");
  EXPECT_EQ(asked("-a -t 192.0.2.1:80 -r 192.0.2.11:8080"),
            "rawvs/1 add-server service=tcp:192.0.2.1:80 server=192.0.2.11:80 method=route weight=1");
  EXPECT_EQ(
      asked("-e -u 192.0.2.1:53 -r 192.0.2.11:5353 -m -w 0 -x 20 -y 10"),
      "rawvs/1 edit-server service=udp:192.0.2.1:53 server=192.0.2.11:5353 method=masq weight=0 upper=20 lower=10");
  EXPECT_EQ(asked("-d --sctp-service 192.0.2.1:9 -r 192.0.2.11"),
            "rawvs/1 delete-server service=sctp:192.0.2.1:9 server=192.0.2.11:9");
  EXPECT_EQ(asked("-a -t 192.0.2.1:80 -r 192.0.2.11:8080 -i"),
            "rawvs/1 add-server service=tcp:192.0.2.1:80 server=192.0.2.11:80 method=tunnel tun-type=ipip weight=1");
  EXPECT_EQ(asked("-a -f 7 -r 192.0.2.11 -i --tun-type gue --tun-port 6080 --tun-remcsum"),
            "rawvs/1 add-server service=mark:7 server=192.0.2.11:0 method=tunnel tun-type=gue tun-port=6080 "
            "tun-checksum=remote weight=1");
  EXPECT_EQ(asked("-e -f 7 -r 192.0.2.11 -i --tun-type gre --tun-csum"),
            "rawvs/1 edit-server service=mark:7 server=192.0.2.11:0 method=tunnel tun-type=gre tun-checksum=on "
            "weight=1");
  EXPECT_EQ(asked("-D -f 4294967295"), "rawvs/1 delete-service service=mark:4294967295");
  EXPECT_EQ(asked("-C"), "rawvs/1 clear");
  EXPECT_EQ(asked("-Z"), "rawvs/1 zero");
  EXPECT_EQ(asked("-Z -t 192.0.2.1:80"), "rawvs/1 zero service=tcp:192.0.2.1:80");
  EXPECT_EQ(asked("--set 0 30 0"), "rawvs/1 set-timeouts tcp=0 tcpfin=30 udp=0");
  EXPECT_EQ(asked(""), "rawvs/1 list");
  EXPECT_EQ(asked("-S"), "rawvs/1 list");
  EXPECT_EQ(asked("-L -n -t 192.0.2.1:80"), "rawvs/1 list service=tcp:192.0.2.1:80");
  EXPECT_EQ(asked("-Lnc"), "rawvs/1 connections");
  EXPECT_EQ(asked("-L --timeout"), "rawvs/1 timeouts");
}

TEST(Rawvsadm, NamesThatAreNotOneWordNeverReachTheDaemon) {
  EXPECT_EQ(asked("-A -t 192.0.2.1:80 -s 'rr flags=x'"), "Scheduler or persistence engine not found\n");
  EXPECT_EQ(asked("-A -t 192.0.2.1:80 -s averyveryverylongschedulername"),
            "Scheduler or persistence engine not found\n");
  EXPECT_EQ(asked("-A -t 192.0.2.1:80 -s 'rr\n'"), "Scheduler or persistence engine not found\n");
}

TEST(Rawvsadm, AsksForIPv6) {
  EXPECT_EQ(asked("-A -t [2001:db8::1]:80"), "rawvs/1 add-service service=tcp:[2001:db8::1]:80 scheduler=wlc");
  EXPECT_EQ(asked("-A -t [2001:DB8:0:0::1]:http -p 300 -M 64"),
            "rawvs/1 add-service service=tcp:[2001:db8::1]:80 scheduler=wlc persistence=300 netmask=64");
  EXPECT_EQ(asked("-A -u 2001:db8::1 -p"),
            "rawvs/1 add-service service=udp:[2001:db8::1]:0 scheduler=wlc persistence=360");
  EXPECT_EQ(asked("-A -f 1 -6"), "rawvs/1 add-service service=mark6:1 scheduler=wlc");
  EXPECT_EQ(asked("-a -f 1 -6 -r 2001:db8::11"),
            "rawvs/1 add-server service=mark6:1 server=[2001:db8::11]:0 method=route weight=1");
  EXPECT_EQ(asked("-a -t [2001:db8::1]:80 -r [2001:db8::11]:8080 -m"),
            "rawvs/1 add-server service=tcp:[2001:db8::1]:80 server=[2001:db8::11]:8080 method=masq weight=1");
  EXPECT_EQ(
      asked("-a -t 192.0.2.1:80 -r 2001:db8::11 -i"),
      "rawvs/1 add-server service=tcp:192.0.2.1:80 server=[2001:db8::11]:80 method=tunnel tun-type=ipip weight=1");
  EXPECT_EQ(asked("-d -f 1 -6 -r 2001:db8::11"), "rawvs/1 delete-server service=mark6:1 server=[2001:db8::11]:0");
  EXPECT_EQ(asked("-L -n -f 1 -6"), "rawvs/1 list service=mark6:1");
}

TEST(Rawvsadm, TakesNamesOfIPv6HostsBetweenBrackets) {
  EXPECT_EQ(asked("-A -t [six.example.net]:http"), asked("-A -t [2001:db8::6]:80"));
  EXPECT_EQ(asked("-A -t six.example.net:http"), asked("-A -t [2001:db8::6]:80"));  // it has no IPv4 address
  ServiceTable table(false);
  table.take(Row(row_of("-A -t [2001:db8::6]:80")));
  EXPECT_EQ(saved(table, &kBook), "-A -t [six.example.net]:http -s wlc\n");
}

TEST(Rawvsadm, AMappedAddressIsOfNoFamily) {  // ipvsadm takes it for one of IPv6
  for (const char* const line : {"-A -t [::ffff:192.0.2.1]:80", "-A -t ::ffff:192.0.2.1 -p"}) {
    const Parsed p = parsed(line);
    ASSERT_TRUE(std::holds_alternative<Ending>(p));
    EXPECT_EQ(std::get_if<Ending>(&p)->err, "illegal virtual server address[:port] specified\n");
  }
}

TEST(Rawvsadm, BracketsAroundAnIPv4AddressAreRefusedRatherThanLosingThePort) {  // ipvsadm takes it as port 0
  const Parsed p = parsed("-A -t [192.0.2.1]:80 -p");
  ASSERT_TRUE(std::holds_alternative<Ending>(p));
  EXPECT_EQ(std::get_if<Ending>(&p)->err, "illegal virtual server address[:port] specified\n");
}

TEST(Rawvsadm, TellsRefusalsInIpvsadmsWords) {
  const auto said = [](Verb verb, const char* code) {
    const Ending e = refusal(verb, {code, "text"});
    return std::to_string(e.status) + ' ' + e.err;
  };
  EXPECT_EQ(said(Verb::add_service, "exists"), "255 Service already exists\n");
  EXPECT_EQ(said(Verb::add_server, "exists"), "255 Destination already exists\n");
  EXPECT_EQ(said(Verb::edit_service, "no-service"), "255 No such service\n");
  EXPECT_EQ(said(Verb::zero, "no-service"), "255 No such service\n");
  EXPECT_EQ(said(Verb::list, "no-service"), "1 No such service\n");
  EXPECT_EQ(said(Verb::delete_server, "no-service"), "255 Service not defined\n");
  EXPECT_EQ(said(Verb::edit_server, "no-server"), "255 No such destination\n");
  EXPECT_EQ(said(Verb::add_service, "no-scheduler"), "255 Scheduler or persistence engine not found\n");
  EXPECT_EQ(said(Verb::add_server, "full"), "255 Memory allocation problem\n");
  EXPECT_EQ(said(Verb::add_server, "range"), "255 Numerical result out of range\n");
  EXPECT_EQ(said(Verb::add_server, "invalid"),
            "255 Invalid operation.  Possibly wrong module version, address not unicast, ...\n");
  EXPECT_EQ(said(Verb::add_server, "unsupported"), "255 rawvsadm: text\n");
  EXPECT_EQ(said(Verb::list, "usage"), "1 rawvsadm: text\n");
}

}  // namespace
}  // namespace rawvs::adm
