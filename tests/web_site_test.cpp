// SPDX-License-Identifier: BSD-2-Clause
// Tests rawvs-web's answers: paths, methods, names, passwords, escaping, the page. tests/lab/web.py tests a whole one.
#include "tools/rawvs-web/site.h"

#include <gtest/gtest.h>

#include <limits>

#include "tools/metrics/metrics.h"
#include "tools/rawvs-web/assets.h"
#include "tools/rawvs-web/html.h"
#include "tools/rawvsadm/json.h"
#include "tools/rawvsadm/texts.h"

namespace rawvs::web {
namespace {

constexpr time_t kWall = 1'767'225'600;
constexpr Instant kNow{1000s};

const std::string kService =
    "service service=tcp:192.0.2.100:80 scheduler=wlc flags=- persistence=0 netmask=255.255.255.255 ops=0 conns=1234 "
    "inpkts=9 outpkts=0 inbytes=900 outbytes=0 cps=5 inpps=50 outpps=0 inbps=12000 outbps=7";
const std::string kServer12 =
    "server service=tcp:192.0.2.100:80 server=192.0.2.12:80 method=route weight=2 upper=0 lower=0 active=5 inactive=1 "
    "persistent=0 overloaded=0 reach=ready via=192.0.2.12 mac=02:00:00:00:00:12 conns=6 inpkts=6 outpkts=0 "
    "inbytes=600 outbytes=0 cps=3 inpps=30 outpps=0 inbps=8000 outbps=0 health=up for=70 flaps=0 attempts=20 "
    "attempts-failed=0 latency=15 latency-sum=300 why=tcp 192.0.2.12:80: connected";
const std::string kServer11 =
    "server service=tcp:192.0.2.100:80 server=192.0.2.11:80 method=route weight=0 upper=0 lower=0 active=1 inactive=1 "
    "persistent=3 overloaded=0 reach=ready via=192.0.2.11 mac=02:00:00:00:00:11 conns=4 inpkts=3 outpkts=0 "
    "inbytes=300 outbytes=0 cps=2 inpps=20 outpps=0 inbps=4000 outbps=0 health=down for=7 flaps=1 attempts=20 "
    "attempts-failed=3 latency=15 latency-sum=300 why=http: <script>alert(1)</script> & \"more\"";

Snapshot snapshot() {
  Snapshot out;
  out.taken = kWall;
  out.replies["list"] = {
      "daemon version=0.1.0 uptime=90 size=4096 pid=17 entries-used=1204 entries-most=262144 "
      "entries-unproven=3 filling=0 config=/etc/rawvs.ini",
      kService, kServer12, kServer11};
  out.replies["exits"] = {"exit name=forwarded fate=forwarded count=20 meaning=sent on to a real server",
                          "exit name=land fate=dropped count=2 meaning=source address is the VIP itself",
                          "exit name=hairpin fate=dropped count=0 meaning=never",
                          "link name=eth0 received=62 kernel-dropped=3 cut=0 sent=20 send-failed=1 vips=5 guarded=3"};
  out.replies["vrrp"] = {
      "vrrp name=gw link=eth0 vrid=51 version=3 state=backup priority=100 master=192.0.2.2 "
      "master-priority=200 for=9 sent=1 heard=80 became-master=1 refused=0 refused-for=- why=heard"};
  out.replies["arp"] = {"vip address=192.0.2.100 link=eth0 mac=02:00:00:00:00:01 retired=0 standby=0 for=60",
                        "rival address=192.0.2.100 mac=02:00:00:00:00:11 server=192.0.2.11"};
  out.replies["sync"] = {};
  return out;
}

Request get(const std::string& path, std::map<std::string, std::string> args = {}) {
  return {.method = "GET", .path = path, .host = "127.0.0.1:8080", .args = std::move(args)};
}

struct Served {
  explicit Served(std::optional<Passwords> passwords = std::nullopt)
      : site(Options{.names = {"Status.example"}}, std::move(passwords), "box") {
    site.update(snapshot(), 5000);
  }
  Answer answer(const Request& request) { return site.answer(request, kNow, kWall); }
  std::string body(const Request& request) {
    const Answer a = answer(request);
    EXPECT_EQ(a.status, 200u) << *a.body;
    return *a.body;
  }
  Site site;
};

TEST(WebSite, TellsTheJsonOfRawvsadm) {
  Served s;
  const Snapshot all = snapshot();
  EXPECT_EQ(s.body(get("/api/v1/status")), adm::json_of(all.rows(adm::kStatusView), adm::kStatusView.lists).line());
  EXPECT_EQ(s.body(get("/api/v1/vrrp")), adm::json_of(all.replies.at("vrrp"), {"vrrp"}).line());
  EXPECT_EQ(s.body(get("/api/v1/drops")), adm::json_of(all.replies.at("exits"), {"exit", "link"}).line());
  EXPECT_EQ(s.body(get("/api/v1/neighbours")), adm::json_of(all.replies.at("arp"), {"vip", "neighbor"}).line());
  EXPECT_EQ(s.body(get("/api/v1/sync")), "{ \"syncs\": [ ] }\n");
  EXPECT_EQ(s.body(get("/metrics")), adm::metrics_text(all.rows(adm::kStatusView)));
  EXPECT_STREQ(s.answer(get("/metrics")).type, "text/plain; version=0.0.4; charset=utf-8");
}

TEST(WebSite, KnowsNoOtherPaths) {
  Served s;
  for (const char* const path : {"", "/index.html", "//", "/../etc/passwd", "/metrics/", "/api/", "/api/v2/status"}) {
    EXPECT_EQ(s.answer(get(path)).status, 404u) << path;
  }
  EXPECT_STREQ(s.answer(get("/api/v1/none")).type, "application/json");
}

TEST(WebSite, ListsThePathsOfItsJson) {
  Served s;
  const std::string paths = s.body(get("/api/v1/"));
  EXPECT_EQ(paths.find("{ \"paths\": [ \"/api/v1/"), 0u) << paths;
  size_t count = 0;
  for (size_t at = 0; (at = paths.find("\"/api/v1/", at)) != std::string::npos; ++count) {
    const std::string path = paths.substr(at + 1, paths.find('"', at + 1) - at - 1);
    EXPECT_EQ(s.answer(get(path)).status, 200u) << path;
    at += path.size();
  }
  EXPECT_EQ(count, 8u);
}

TEST(WebSite, OnlyReads) {
  Served s;
  for (const char* const method : {"POST", "PUT", "DELETE", "OPTIONS", "get", "", "PATCH"}) {
    Request request = get("/");
    request.method = method;
    const Answer no = s.answer(request);
    EXPECT_EQ(no.status, 405u) << method;
    EXPECT_STREQ(no.value, "GET, HEAD");
  }
  Request head = get("/");
  head.method = "HEAD";
  EXPECT_EQ(s.answer(head).status, 200u);
  Request with_body = get("/");
  with_body.body = true;
  EXPECT_EQ(s.answer(with_body).status, 413u);
}

TEST(WebSite, AnswersToItsOwnNamesOnly) {
  Served s;
  for (const char* const host : {"127.0.0.1", "127.0.0.1:8080", "[::1]:8080", "[2001:db8::1]", "localhost:8080",
                                 "LOCALHOST", "box:8080", "status.example"}) {
    Request request = get("/");
    request.host = host;
    EXPECT_EQ(s.answer(request).status, 200u) << host;
  }
  for (const char* const host :
       {"", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "[::1", "box2", ":8080", "[evil]"}) {
    Request request = get("/");
    request.host = host;
    EXPECT_EQ(s.answer(request).status, 421u) << host;
  }
}

TEST(WebSite, EscapesWhatTheDirectorAndTheReaderSay) {
  Served s;
  const std::string page = s.body(get("/"));
  EXPECT_EQ(page.find("<script>"), std::string::npos);
  EXPECT_NE(page.find("http: &lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;more&quot;"), std::string::npos);
  const std::string found = s.body(get("/", {{"q", "\"><img src=x onerror='a'>"}}));
  EXPECT_EQ(found.find("<img"), std::string::npos);
  EXPECT_NE(found.find("value=\"&quot;&gt;&lt;img src=x onerror=&#39;a&#39;&gt;\""), std::string::npos);
  EXPECT_EQ(s.body(get("/", {{"service", "<b>"}})).find("<b>"), std::string::npos);
}

TEST(WebSite, ThePageHasWhatAnOperatorLooksFor) {
  Served s;
  const std::string page = s.body(get("/"));
  for (const char* const text :
       {"<li class=bad>192.0.2.11:80 of TCP 192.0.2.100:80 is down: http: ",
        "<li class=bad>warning: real server 192.0.2.11 (02:00:00:00:00:11) answers ARP for VIP 192.0.2.100: ",
        "<dd>1,204 of 262,144, 3 of them unproven</dd>",
        ">TCP 192.0.2.100:80 wlc</a></h3>\n<p>1 of 2 servers take new connections; 1,234 connections so far",
        "<th scope=row>192.0.2.12:80</th><td class=good>up</td>",
        "<th scope=row>192.0.2.11:80</th><td class=bad>down, 7 s</td>", "<td class=n>15 ms</td>",
        "<th scope=row>land</th><td class=warn>dropped</td><td class=n>2</td>", "<th scope=row>gw</th>",
        "<h2 id=h-plots>History</h2>", "<th scope=col>Reason</th>", "<html lang=en>", "<label for=q>"}) {
    EXPECT_NE(page.find(text), std::string::npos) << text << '\n' << page;
  }
  EXPECT_NE(page.find("<td class=good>answered for</td><td>" + adm::clock_text(kWall - 60) +
                      " (60 s ago)</td><td>it has services here</td>"),
            std::string::npos);
  EXPECT_EQ(page.find("hairpin"), std::string::npos);
  EXPECT_EQ(page.find("http://"), std::string::npos);
  EXPECT_EQ(page.find("style="), std::string::npos);  // the policy forbids it
  EXPECT_LT(page.size() + kStyleSheet.size() + kScript.size(), 60'000u);
}

TEST(WebSite, TheSearchShowsWhatFits) {
  Served s;
  const std::string found = s.body(get("/", {{"q", "0.2.12:80"}}));
  EXPECT_NE(found.find("<th scope=row>192.0.2.12:80"), std::string::npos);
  EXPECT_EQ(found.find("<th scope=row>192.0.2.11:80"), std::string::npos);
  EXPECT_NE(s.body(get("/", {{"q", "WLC"}})).find("<th scope=row>192.0.2.11:80"), std::string::npos);
  EXPECT_NE(s.body(get("/", {{"q", "nothing has this"}})).find("Nothing here fits."), std::string::npos);
}

TEST(WebSite, APageOfVeryManyServersIsBounded) {
  Served s;
  Snapshot many = snapshot();
  for (size_t i = 0; i < 20'000; ++i) many.replies["list"].push_back(kServer12);
  for (size_t i = 0; i < 5000; ++i) many.replies["list"].push_back("service service=mark:" + std::to_string(i + 1));
  s.site.update(many, 5001);
  const std::string page = s.body(get("/"));
  EXPECT_LT(page.size(), 400'000u);
  EXPECT_NE(page.find("services are not shown"), std::string::npos);
}

TEST(WebSite, SaysWhenTheDirectorDoesNotAnswer) {
  Site site(Options{}, std::nullopt, "");
  EXPECT_EQ(site.answer(get("/api/v1/status"), kNow, kWall).status, 503u);
  Served s;
  s.site.update({.trouble = "cannot reach rawvsd at /run/x"}, 5001);
  EXPECT_EQ(s.answer(get("/api/v1/vrrp")).status, 503u);
  EXPECT_NE(s.body(get("/")).find("<li class=bad>cannot reach rawvsd at /run/x</li>"), std::string::npos);
  EXPECT_NE(s.body(get("/")).find("192.0.2.12:80"), std::string::npos);  // the last answer
  EXPECT_NE(s.body(get("/metrics")).find("rawvs_up 0\n"), std::string::npos);
  s.site.update(snapshot(), 5002);
  EXPECT_EQ(s.answer(get("/api/v1/vrrp")).status, 200u);
}

TEST(WebSite, TellsTheHistoryAsJson) {
  Served s;
  const std::string all = s.body(get("/api/v1/history"));
  EXPECT_NE(all.find("\"hour\": { \"step\": 10, \"connections-per-second\": [ null, null, "), std::string::npos);
  EXPECT_NE(all.find("5.000 ]"), std::string::npos);
  const auto one = s.body(get("/api/v1/history", {{"service", "tcp:192.0.2.100:80"}, {"server", "192.0.2.12:80"}}));
  EXPECT_NE(one.find("15.000 ]"), std::string::npos);
  EXPECT_EQ(s.answer(get("/api/v1/history", {{"service", "tcp:192.0.2.101:80"}})).status, 404u);
}

// `openssl passwd -6 -salt ab secret`
constexpr char kHash[] = "$6$ab$2lDVylRMp48hlYZZFOCx/xnhJEsGPynJ17rt2um9Gb8wX6ygI4uDxg3Bg43pp/Hv397hwWfT8mciHws9eE4sR/";

TEST(WebPasswords, AreReadFromLines) {
  EXPECT_TRUE(Passwords::read("f", std::string("# who\n\nann:") + kHash + "\n"));
  EXPECT_EQ(Passwords::read("f", "").error().text, "f: expected at least one line NAME:HASH");
  for (const char* const line : {"ann", ":x", "ann:", "ann:short"}) {
    EXPECT_EQ(Passwords::read("f", line).error().text, "f:1: expected NAME:HASH, as printed by: openssl passwd -6");
  }
}

TEST(WebPasswords, TooManyTriesAreNotLookedAt) {
  auto passwords = Passwords::read("f", std::string("ann:") + kHash);
  ASSERT_TRUE(passwords);
  constexpr char kWrong[] = "Basic YW5uOndyb25n";  // ann:wrong
  for (uint32_t i = 0; i < Passwords::kTries; ++i) {
    EXPECT_EQ(passwords->check(kWrong, kNow), Passwords::Answer::wrong);
  }
  EXPECT_EQ(passwords->check(kWrong, kNow), Passwords::Answer::busy);
  EXPECT_EQ(passwords->check(kWrong, kNow + 1s), Passwords::Answer::wrong);
  for (const char* const header :
       {"", "Basic", "Basic ", "Basic !!", "Bearer YW5uOndyb25n", "Basic YW5u", "Basic AAAA"}) {
    EXPECT_EQ(passwords->check(header, kNow + 9s), Passwords::Answer::wrong) << header;
  }
}

TEST(WebPasswords, AreAskedForByThePage) {
  Served s(*Passwords::read("f", std::string("ann:") + kHash));
  Request known = get("/metrics");
  known.authorization = "Basic YW5uOnNlY3JldA==";  // ann:secret
  EXPECT_EQ(s.answer(known).status, 200u);
  const Answer no = s.answer(get("/metrics"));
  EXPECT_EQ(no.status, 401u);
  EXPECT_STREQ(no.header, "WWW-Authenticate");
  EXPECT_EQ(no.body->find("rawvs_"), std::string::npos);
}

TEST(WebHtml, EscapesAllThatCouldBeMarkup) {
  EXPECT_EQ(escaped("<a href=\"x\">'&\x01\x7f"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;  ");
  EXPECT_EQ(url_part("tcp:[2001:db8::1]:80&<"), "tcp%3A%5B2001%3Adb8%3A%3A1%5D%3A80%26%3C");
  EXPECT_TRUE(contains("ABC", "bc"));
  EXPECT_FALSE(contains("ABC", "abcd"));
}

TEST(WebHtml, DrawsGapsWhereNothingIsKnown) {
  const float none = std::numeric_limits<float>::quiet_NaN();
  const std::string svg = plot("Rate", {{"in", {none, 1, 2, none, 4}}, {"out", {}}}, "then", " B/s");
  EXPECT_NE(svg.find("d=\"M150 89h-2L300 60M600 2h-2\""), std::string::npos) << svg;
  EXPECT_NE(svg.find("aria-label=\"Rate: in now 4.0, at most 4.0 B/s; out not known yet\""), std::string::npos);
}

}  // namespace
}  // namespace rawvs::web
