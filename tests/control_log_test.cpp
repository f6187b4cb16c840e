// SPDX-License-Identifier: BSD-2-Clause
// Tests that operators' changes are logged, with the old and the new value; many changes give a few lines.
#include "control_fixture.h"

namespace rawvs {
namespace {

constexpr char kService[] = "service=tcp:192.0.2.100:80";

class ControlLogTest : public testing::Test {
 protected:
  ControlLogTest() { t_.context.log = &log_; }
  std::string said() {
    std::string all;
    for (const Notice& notice : t_.out.notices()) {
      if (notice.text.starts_with("control: ")) all += notice.text + '\n';
    }
    t_.out.clear();
    return all;
  }
  std::string does(const std::string& request, const Operator& who = {0, "root (pid 7, rawvsadm)"}) {
    t_.out.clear();
    t_.now += ControlLog::kQuiet;  // by hand
    answer("rawvs/1 " + request, t_.director, {t_.now, t_.out}, t_.context, who);
    return said();
  }
  Table t_;
  ControlLog log_;
};

TEST_F(ControlLogTest, NamesWhoAndWhatEachCommandChanged) {
  const std::string root = "control: root (pid 7, rawvsadm): ";
  const std::string service = std::string(" ") + kService, server = service + " server=192.0.2.11:80";
  EXPECT_EQ(does("add-service" + service + " scheduler=rr"), root + "tcp 192.0.2.100:80: added: scheduler=rr\n");
  EXPECT_EQ(does("edit-service" + service + " scheduler=wlc persistence=300"),
            root + "tcp 192.0.2.100:80: scheduler rr -> wlc, persistence 0s -> 300s\n");
  EXPECT_EQ(does("add-server" + server),
            root + "tcp 192.0.2.100:80: server 192.0.2.11:80 weight=1 forward=dr: added\n");
  EXPECT_EQ(does("edit-server" + server + " weight=0 upper=9"),
            root + "tcp 192.0.2.100:80: server 192.0.2.11:80: weight 1 -> 0, upper 0 -> 9\n");
  EXPECT_EQ(does("set-timeouts tcp=60"), root + "timeouts: tcp 900s -> 60s\n");
  EXPECT_EQ(does("zero"), root + "the counters of all services set to zero\n");
  EXPECT_EQ(does("zero" + service), root + "tcp 192.0.2.100:80: counters set to zero\n");
  EXPECT_EQ(does("delete-server" + server),
            root + "tcp 192.0.2.100:80: server 192.0.2.11:80 weight=0 forward=dr upper=9: removed\n");
  EXPECT_EQ(does("delete-service" + service), root + "tcp 192.0.2.100:80: removed, with 0 servers\n");
  does("add-service" + service), does("add-server" + server);
  EXPECT_EQ(does("clear", {1000, "ann (pid 8, ldirectord)"}),
            "control: ann (pid 8, ldirectord): everything removed: 1 service, 1 server\n");
}

TEST_F(ControlLogTest, SaysNothingAboutWhatIsTheSameOrRefusedOrOnlyLookedAt) {
  const std::string service = std::string(" ") + kService, server = service + " server=192.0.2.11:80";
  does("add-service" + service), does("add-server" + server);
  const std::vector<std::string> requests{"edit-service" + service,
                                          "edit-server" + server,
                                          "set-timeouts tcp=900",
                                          "set-timeouts",
                                          "add-server" + server,
                                          "add-service" + service,
                                          "list",
                                          "connections",
                                          "exits"};
  for (const std::string& request : requests) {
    EXPECT_EQ(does(request), "") << request;
  }
  does("clear");
  EXPECT_EQ(does("clear"), "") << "there was nothing";
}

TEST_F(ControlLogTest, SaysThatThereIsNoRoom) {
  Settings settings = Table::settings(64);
  settings.max_servers = 1;
  Table small(settings);
  small.context.log = &log_;
  for (const char* request :
       {"add-service service=tcp:192.0.2.100:80", "add-server service=tcp:192.0.2.100:80 server=192.0.2.11:80",
        "add-server service=tcp:192.0.2.100:80 server=192.0.2.12:80"}) {
    small.out.clear();
    answer(std::string("rawvs/1 ") + request, small.director, {small.now, small.out}, small.context, {0, "root"});
  }
  ASSERT_FALSE(small.out.notices().empty());
  EXPECT_EQ(small.out.notices().back().text,
            "control: root: refused: service tcp:192.0.2.100:80, server 192.0.2.12:80: no room for another server: see "
            "max_servers");
}

TEST(ControlLog, ManyChangesAreTheFirstTenAndANumberWhenTheyAreOver) {
  ControlLog log;
  Outbox out;
  Instant now{1h};
  const Operator root{0, "root (pid 7, rawvsadm)"}, ann{1000, "ann (pid 8, rawvsadm)"};
  for (int i = 0; i < 50'000; ++i) {
    log.changed(root, i % 10 == 0 ? "add-service" : "add-server", "one", {now, out});
    if (i % 5'000 == 0) log.changed(ann, "clear", "another's", {now, out});
    now += 1ms;
  }
  EXPECT_EQ(out.notices().size(), ControlLog::kTold + 10);
  out.clear();
  EXPECT_EQ(log.next_deadline(), now - 1ms + ControlLog::kQuiet);
  now += ControlLog::kQuiet;
  log.time_passed({now, out});
  ASSERT_EQ(out.notices().size(), 1u);
  EXPECT_EQ(out.notices()[0].text,
            "control: root (pid 7, rawvsadm): 49990 more changes: 4999 add-service, 44991 add-server");
  EXPECT_EQ(log.next_deadline(), kNever);
  log.changed(root, "add-server", "again one by one", {now, out});
  EXPECT_EQ(out.notices().back().text, "control: root (pid 7, rawvsadm): again one by one");
}

TEST(ControlLog, ChangesWithoutEndAreToldByTheirNumberOnceAMinuteAndAtTheEnd) {
  ControlLog log;
  Outbox out;
  Instant now{1h};
  const Operator root{0, "root"};
  for (int i = 0; i < 130; ++i) {
    log.changed(root, "edit-server", "x", {now, out});
    now += 1s;
  }
  EXPECT_EQ(out.notices().size(), ControlLog::kTold + 1);
  EXPECT_EQ(out.notices().back().text, "control: root: 60 more changes: 60 edit-server");
  log.end(out);
  EXPECT_EQ(out.notices().back().text, "control: root: 60 more changes: 60 edit-server");
  EXPECT_EQ(out.notices().size(), ControlLog::kTold + 2);
}

}  // namespace
}  // namespace rawvs
