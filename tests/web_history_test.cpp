// SPDX-License-Identifier: BSD-2-Clause
// Tests rawvs-web's history, its bounds on clients, and its command line.
#include "tools/rawvs-web/history.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "tools/rawvs-web/clients.h"
#include "tools/rawvs-web/options.h"

namespace rawvs::web {
namespace {

using Span = History::Span;

adm::Rows rows(uint64_t rate, const std::string& port = "80") {
  const std::string key = "tcp:192.0.2.100:" + port, cps = " cps=" + std::to_string(rate);
  return {"service service=" + key + cps + " inbps=100 outbps=10",
          "server service=" + key + " server=192.0.2.11:80 active=3 inactive=2" + cps + " health=up latency=4",
          "server service=" + key + " server=192.0.2.12:80 active=1 inactive=1 cps=0 health=up latency=8",
          "server service=" + key + " server=192.0.2.13:80 active=0 inactive=0 cps=0 health=down latency=99"};
}
const std::string kWeb = "tcp:192.0.2.100:80", kWebServer = kWeb + " 192.0.2.11:80";

TEST(WebHistory, KeepsTheDirectorItsServicesAndServers) {
  History history(10);
  history.take(rows(7), 100'000);
  EXPECT_EQ(history.curve("", Measure::connection_rate, Span::hour).size(), History::kHourPoints);
  EXPECT_EQ(history.curve("", Measure::connection_rate, Span::hour).back(), 7);
  EXPECT_EQ(history.curve("", Measure::bytes_in, Span::day).back(), 100);
  EXPECT_EQ(history.curve(kWeb, Measure::connections, Span::hour).back(), 7);
  EXPECT_EQ(history.curve(kWeb, Measure::latency, Span::hour).back(), 6);  // of those that are up
  EXPECT_EQ(history.curve(kWebServer, Measure::connections, Span::hour).back(), 5);
  EXPECT_TRUE(std::isnan(history.curve(kWeb + " 192.0.2.13:80", Measure::latency, Span::hour).back()));
  EXPECT_TRUE(std::isnan(history.curve("", Measure::bytes_in, Span::day).front()));
  EXPECT_TRUE(history.curve("tcp:192.0.2.101:80", Measure::bytes_in, Span::day).empty());
}

TEST(WebHistory, HasGapsWhereNothingWasTaken) {
  History history(10);
  history.take(rows(1), 100'000);
  history.take(rows(2), 100'009);  // the same step: the later one counts
  history.take(rows(3), 100'030);
  const auto curve = history.curve("", Measure::connection_rate, Span::hour);
  EXPECT_EQ(curve[356], 2);
  EXPECT_TRUE(std::isnan(curve[357]) && std::isnan(curve[358]));
  EXPECT_EQ(curve[359], 3);
  history.take(rows(9), 99'000);  // no step back
  EXPECT_EQ(history.curve("", Measure::connection_rate, Span::hour).back(), 3);
}

TEST(WebHistory, ADayHasAverages) {
  History history(10);
  for (int64_t second = 99'900; second < 100'200; second += 10) {
    history.take(rows(second < 100'050 ? 10 : 20), second);
  }
  EXPECT_EQ(history.curve("", Measure::connection_rate, Span::day).back(), 15);
  history.take(rows(1), 100'200);
  const auto curve = history.curve("", Measure::connection_rate, Span::day);
  EXPECT_EQ(curve[286], 15);
  EXPECT_EQ(curve[287], 1);
}

TEST(WebHistory, OldValuesAreForgotten) {
  History history(10);
  history.take(rows(1), 100'000);
  history.take(rows(2), 100'000 + 5'000'000);
  for (const Span span : {Span::hour, Span::day}) {
    const auto curve = history.curve("", Measure::connection_rate, span);
    for (size_t i = 0; i + 1 < curve.size(); ++i) EXPECT_TRUE(std::isnan(curve[i]));
    EXPECT_EQ(curve.back(), 2);
  }
}

TEST(WebHistory, ItsMemoryIsFixedAndOthersTakeThePlacesOfWhatIsGone) {
  History history(4);
  history.take(rows(1), 100'000);
  history.take(rows(2, "81"), 100'010);
  EXPECT_EQ(history.items(), 5u);
  EXPECT_TRUE(history.curve("tcp:192.0.2.100:81", Measure::connection_rate, Span::hour).empty());
  history.take(rows(2, "81"), 100'000 + 3700);
  EXPECT_EQ(history.items(), 5u);
  const auto curve = history.curve("tcp:192.0.2.100:81", Measure::connection_rate, Span::hour);
  ASSERT_FALSE(curve.empty());
  EXPECT_TRUE(std::isnan(curve[358]));
  EXPECT_EQ(curve.back(), 2);
  History none(0);
  none.take(rows(5), 100'000);
  EXPECT_EQ(none.items(), 1u);
  EXPECT_EQ(none.curve("", Measure::connection_rate, Span::hour).back(), 5);
}

constexpr Instant kBegin{1000s};

TEST(WebClients, SlowOnesGiveWayToNewOnesTheOldestFirst) {
  Clients clients;
  int fd = 0;
  for (; fd < static_cast<int>(Clients::kMost); ++fd) {
    EXPECT_TRUE(clients.begun(fd, "192.0.2." + std::to_string(fd), kBegin).empty());
  }
  clients.asked(0);
  EXPECT_EQ(clients.begun(fd++, "198.51.100.1", kBegin), std::vector{1});
  EXPECT_EQ(clients.begun(fd++, "198.51.100.2", kBegin), std::vector{2});
  clients.ended(1), clients.ended(2), clients.ended(0);
  EXPECT_TRUE(clients.begun(fd++, "198.51.100.3", kBegin).empty());
}

TEST(WebClients, ThoseThatTakeTheirAnswersSlowlyGiveWay) {
  Clients clients;
  int fd = 0;
  for (; fd < static_cast<int>(Clients::kMost); ++fd) {
    (void)clients.begun(fd, "192.0.2." + std::to_string(fd), kBegin);
    clients.asked(fd);
  }
  const Instant later = kBegin + Clients::kGrace + 1ms;
  EXPECT_EQ(clients.begun(fd++, "198.51.100.1", later), std::vector{0});  // not the new one, which has not asked yet
  clients.ended(0);
  EXPECT_EQ(clients.begun(fd++, "198.51.100.2", later), std::vector{1});
}

TEST(WebClients, OneAddressHasABoundOfItsOwn) {
  Clients clients;
  EXPECT_TRUE(clients.begun(1000, "192.0.2.1", kBegin).empty());
  for (int fd = 0; fd < static_cast<int>(Clients::kMostEach); ++fd) {
    EXPECT_TRUE(clients.begun(fd, "192.0.2.2", kBegin).empty());
  }
  EXPECT_EQ(clients.begun(999, "192.0.2.2", kBegin), std::vector{0});
}

TEST(WebClients, TheTimeToAskAndTheTimeInAllAreBounded) {
  Clients clients;
  (void)clients.begun(1, "192.0.2.1", kBegin);
  (void)clients.begun(2, "192.0.2.1", kBegin);
  clients.asked(2);
  EXPECT_TRUE(clients.overdue(kBegin + Clients::kToAsk - 1ms).empty());
  EXPECT_EQ(clients.overdue(kBegin + Clients::kToAsk), std::vector{1});
  EXPECT_TRUE(clients.overdue(kBegin + Clients::kToAsk).empty());
  EXPECT_EQ(clients.overdue(kBegin + Clients::kToEnd), std::vector{2});
  clients.ended(1), clients.ended(2), clients.ended(3);
  EXPECT_EQ(clients.size(), 0u);
}

TEST(WebOptions, AreReadInBothForms) {
  const auto options = read_options({"--listen=[::1]:9090", "-s", "/tmp/x.sock", "--name", "a", "-n", "b", "-f"});
  ASSERT_TRUE(options) << options.error().text;
  EXPECT_EQ(text(options->listen), "[::1]:9090");
  EXPECT_EQ(options->control, "/tmp/x.sock");
  EXPECT_EQ(options->names, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(options->foreground);
  EXPECT_EQ(text(read_options({})->listen), "127.0.0.1:8080");
}

TEST(WebOptions, AreRefusedWithWhatWasExpected) {
  const std::map<std::string, std::vector<std::string>> wrong = {
      {"--listen: found \"127.0.0.1\", expected an address and a port, as 127.0.0.1:8080 or [::1]:8080",
       {"--listen", "127.0.0.1"}},
      {"--listen: expected ADDRESS:PORT", {"--listen"}},
      {"-l: found nothing, expected ADDRESS:PORT", {"-l", ""}},
      {"--foreground: takes no value", {"--foreground=1"}},
      {"--history: found \"10001\", expected a number, 0 to 10000", {"--history", "10001"}},
      {"--colour: no such option; see rawvs-web --help", {"--colour"}},
      {"-: no such option; see rawvs-web --help", {"-"}}};
  for (const auto& [said, args] : wrong) {
    const auto options = read_options(args);
    ASSERT_FALSE(options) << said;
    EXPECT_EQ(options.error().text, said);
  }
}

}  // namespace
}  // namespace rawvs::web
