// SPDX-License-Identifier: BSD-2-Clause
// Tests rawvs-web's events: which are asked for and kept, how they are shown.
#include <gtest/gtest.h>

#include "tools/rawvs-web/assets.h"
#include "tools/rawvs-web/event_list.h"
#include "tools/rawvs-web/site.h"
#include "tools/rawvsadm/json.h"
#include "tools/rawvsadm/texts.h"

namespace rawvs::web {
namespace {

constexpr time_t kEventsWall = 1'767'225'600;

std::string web_event(uint64_t number, const std::string& text = "web: server 192.0.2.11:80 is up",
                      const std::string& severity = "notice", const std::string& topic = "server") {
  return "event number=" + std::to_string(number) +
         " time=" + std::to_string(kEventsWall + static_cast<time_t>(number)) + ".500 severity=" + severity +
         " topic=" + topic + " text=" + text;
}

TEST(WebEvents, AsksForNewOnesAndKeepsTheLast) {
  EventList list;
  EXPECT_EQ(list.after(1), 0u);
  EXPECT_TRUE(list.take({web_event(7), web_event(8)}, 0, 1));
  EXPECT_EQ(list.after(1), 8u);
  EXPECT_TRUE(list.take({}, 8, 1));
  EXPECT_EQ(list.after(1), 8u);
  adm::Rows many;
  for (uint64_t i = 9; i < 9 + EventList::kMost; ++i) many.push_back(web_event(i));
  EXPECT_TRUE(list.take(many, 8, 1));
  EXPECT_EQ(list.rows(), many);
}

TEST(WebEvents, AsksAnotherDirectorForAll) {
  EventList list;
  ASSERT_TRUE(list.take({web_event(7), web_event(8)}, 0, 1));
  EXPECT_EQ(list.after(2), 0u);  // it is known before
  EXPECT_TRUE(list.take({web_event(1)}, 0, 2));
  EXPECT_EQ(list.rows(), adm::Rows{web_event(1)});
  EXPECT_FALSE(list.take({web_event(5)}, 1, 3));  // it is known afterwards
  EXPECT_EQ(list.rows(), adm::Rows{web_event(1)});
  EXPECT_EQ(list.after(3), 0u);
  EXPECT_TRUE(list.take({web_event(4), web_event(5)}, 0, 3));
  EXPECT_EQ(list.rows().size(), 2u);
  EXPECT_TRUE(list.take({}, 0, 4));
  EXPECT_TRUE(list.rows().empty());
}

struct EventsOnPage {
  explicit EventsOnPage(adm::Rows rows) : site(Options{}, std::nullopt, "box") {
    Snapshot snapshot;
    snapshot.taken = kEventsWall;
    snapshot.replies["list"] = {"daemon version=0.1.0 uptime=90 size=4096 pid=17 entries-used=1 entries-most=262144"};
    snapshot.replies["events"] = std::move(rows);
    site.update(std::move(snapshot), 5000);
  }
  std::string body(const std::string& path, std::map<std::string, std::string> args = {}) {
    const Request request{.method = "GET", .path = path, .host = "localhost", .args = std::move(args)};
    return *site.answer(request, Instant(1000s), kEventsWall).body;
  }
  Site site;
};

TEST(WebEvents, AreOnThePageNewestFirst) {
  EventsOnPage shown(
      {web_event(1), web_event(2, "web: <b>down</b>", "warning"), web_event(3, "reload failed", "error", "reload")});
  const std::string page = shown.body("/");
  const std::string rows = "<tr><th scope=row>" + adm::clock_text(kEventsWall + 3) +
                           "</th><td>reload</td><td class=bad>error: reload failed</td></tr>\n<tr><th scope=row>" +
                           adm::clock_text(kEventsWall + 2) +
                           "</th><td>server</td><td class=warn>warning: web: &lt;b&gt;down&lt;/b&gt;</td></tr>\n"
                           "<tr><th scope=row>" +
                           adm::clock_text(kEventsWall + 1) +
                           "</th><td>server</td><td>web: server 192.0.2.11:80 is up</td></tr>\n";
  EXPECT_NE(page.find(rows), std::string::npos) << page;
  EXPECT_NE(page.find("<h2 id=h-events>Events</h2>"), std::string::npos);
  EXPECT_EQ(page.find("all of them"), std::string::npos);
  EXPECT_NE(EventsOnPage({}).body("/").find("<p>No event is known.</p>"), std::string::npos);
  EXPECT_EQ(shown.body("/", {{"service", "tcp:192.0.2.100:80"}}).find("h-events"), std::string::npos);
}

TEST(WebEvents, AreFoundByTheSearchHoweverMany) {
  adm::Rows rows;
  for (uint64_t i = 1; i <= EventList::kMost; ++i)
    rows.push_back(web_event(i, "server number " + std::to_string(i) + " e"));
  EventsOnPage shown(rows);
  const std::string page = shown.body("/"), found = shown.body("/", {{"q", "NUMBER 17 e"}});
  EXPECT_NE(page.find("<p>40 of 1,000 events: search for others, or see <a href=api/v1/events>all of them</a>.</p>"),
            std::string::npos);
  EXPECT_NE(page.find("server number 961 e"), std::string::npos);
  EXPECT_EQ(page.find("server number 960 e"), std::string::npos);
  EXPECT_LT(page.size() + kStyleSheet.size() + kScript.size(), 60'000u);
  EXPECT_NE(found.find("server number 17 e"), std::string::npos);
  EXPECT_EQ(found.find("server number 18 e"), std::string::npos);
  EXPECT_EQ(shown.body("/", {{"q", "nothing like it"}}).find("h-events"), std::string::npos);
  EXPECT_EQ(shown.body("/api/v1/events"), adm::json_of(rows, {"event"}).line());
}

}  // namespace
}  // namespace rawvs::web
