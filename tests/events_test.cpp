// SPDX-License-Identifier: BSD-2-Clause
// Tests of events: the list, another process's, and the control protocol's rows.
#include "core/events.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "control_fixture.h"
#include "core/state_rows.h"
#include "state_world.h"

namespace rawvs {
namespace {

using test::World;

void add(Events& events, int64_t wall, const std::string& text) {
  events.add(wall, Severity::notice, Topic::server, text);
}

std::vector<std::string> all(const Events& events) {  // number and text
  std::vector<std::string> lines;
  for (size_t at = 0; at < events.size(); ++at) {
    lines.push_back(std::to_string(events[at].number) + ' ' + std::string(events[at].text()));
  }
  return lines;
}

TEST(Events, KeepsTheLastThousandInTheirOrder) {
  Events events;
  EXPECT_EQ(events.last(), 0U);
  for (int i = 1; i <= 1203; ++i) add(events, i, "change " + std::to_string(i));
  ASSERT_EQ(events.size(), Events::kEvents);
  EXPECT_EQ(events[0].text(), "change 204");
  EXPECT_EQ(events[999].text(), "change 1203");
  EXPECT_EQ(events[999].number, 1203U);
  EXPECT_EQ(events.after(1201), 2U);
  EXPECT_EQ(events.after(1203), 0U);
  EXPECT_EQ(events.after(0), 1000U);
  EXPECT_EQ(events.after(7), 1000U);
  EXPECT_EQ(events.after(5000), 1000U) << "another process's number";
}

TEST(Events, ALineStaysOneLineAndALongOneIsCut) {
  Events events;
  add(events, 1, "a\nb\x1b[31m\xc3\xa9");
  EXPECT_EQ(events[0].text(), "a?b?[31m??");
  add(events, 2, std::string(1000, 'x'));
  EXPECT_EQ(events[1].text(), std::string(Event::kTextMost - 3, 'x') + "...");
}

TEST(Events, AnEarlierProcesssComeBeforeOurs) {
  Events before, now;
  for (int i = 1; i <= 5; ++i) add(before, i * 10, "old " + std::to_string(i));
  add(now, 60, "start");
  add(now, 61, "ready");
  for (size_t at = 2; at < before.size(); ++at) now.restore(before[at]);
  EXPECT_EQ(all(now), (std::vector<std::string>{"3 old 3", "4 old 4", "5 old 5", "6 start", "7 ready"}));
  EXPECT_EQ(now.last(), 7U);
  for (size_t at = 0; at < before.size(); ++at) now.restore(before[at]);
  EXPECT_EQ(now.size(), 7U) << "those that are here already are not taken twice";
  EXPECT_EQ(now[0].text(), "old 1");
  add(now, 62, "later");
  EXPECT_EQ(now.last(), now[now.size() - 1].number);
}

TEST(Events, AFullListTakesOnlyWhatIsNewerThanItsOldest) {
  Events full;
  for (int i = 1; i <= 1001; ++i) add(full, i, "own " + std::to_string(i));
  Event other = full[0];
  other.wall = 1;
  full.restore(other);
  EXPECT_EQ(full[0].text(), "own 2");
  other.wall = 500;
  other.number = 3;
  full.restore(other);
  EXPECT_EQ(full.size(), Events::kEvents);
  EXPECT_EQ(full[0].text(), "own 3");
  EXPECT_EQ(full[498].text(), "own 2") << "the restored one, behind own 500";
  for (size_t at = 1; at < full.size(); ++at) EXPECT_EQ(full[at].number, full[at - 1].number + 1);
}

TEST(Events, AreInTheState) {
  Events before, now;
  for (int i = 1; i <= 700; ++i) add(before, 1'000'000 + i, "change " + std::to_string(i));
  before.add(1'000'800, Severity::error, Topic::sync, "");
  World old;
  old.events = &before;
  old.clock.wall = 2'000'000;
  const std::vector<uint8_t> bytes = old.state();
  World next;
  next.events = &now;
  EXPECT_TRUE(next.restore(bytes).complete);
  EXPECT_EQ(all(now), all(before));
  EXPECT_EQ(now[700].severity, Severity::error);
  EXPECT_EQ(now[700].topic, Topic::sync);
  World without;
  EXPECT_TRUE(without.restore(bytes).complete) << "a reader that keeps none";
}

TEST(Events, ARowThatNobodyWritesIsNotTaken) {
  Events events;
  add(events, 5, "well");
  std::vector<uint8_t> row(state::kEventSize);
  state::save(events[0], row);
  EXPECT_TRUE(state::read_event(row));
  for (const size_t at : {0, 8, 16, 17, 18, 21}) {  // number, time, severity, topic, length, text
    std::vector<uint8_t> wrong = row;
    wrong[at] = 0xff;
    EXPECT_FALSE(state::read_event(wrong)) << at;
  }
  std::fill_n(row.begin(), 8, uint8_t{0});
  EXPECT_FALSE(state::read_event(row)) << "number 0";
}

TEST(Events, AreToldToWhoAsks) {
  Table t;
  EXPECT_EQ(t.ask("events"), "ok\nend\n");
  Events events;
  t.context.events = &events;
  add(events, 1'767'225'600'001, "web: server 192.0.2.11:80 is up: answers");
  events.add(1'767'225'601'050, Severity::warning, Topic::table, "full");
  const std::string second = "event number=2 time=1767225601.050 severity=warning topic=table text=full\n";
  EXPECT_EQ(t.ask("events"),
            "ok\nevent number=1 time=1767225600.001 severity=notice topic=server text=web: server 192.0.2.11:80 is up: "
            "answers\n" +
                second + "end\n");
  EXPECT_EQ(t.ask("events after=1"), "ok\n" + second + "end\n");
  EXPECT_EQ(t.ask("events after=2"), "ok\nend\n");
  EXPECT_EQ(code(t.ask("events after=x")), "usage");
}

}  // namespace
}  // namespace rawvs
