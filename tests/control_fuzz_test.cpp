// SPDX-License-Identifier: BSD-2-Clause
// Random requests, valid, nearly valid and broken, in many conversations at once. Replies keep the protocol's form and
// limits, a refused request changes nothing, and every conversation ends. RAWVS_FUZZ_ROUNDS sets the number of requests
// (default 10,000).
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "control/control_values.h"
#include "control_fixture.h"

namespace rawvs {
namespace {

class Chance {
 public:
  explicit Chance(uint32_t seed) : engine_(seed) {}
  uint32_t below(uint32_t n) { return static_cast<uint32_t>(engine_() % n); }
  bool one_in(uint32_t n) { return below(n) == 0; }
  template <size_t N>
  std::string of(const char* const (&words)[N]) {
    return words[below(N)];
  }

 private:
  std::mt19937 engine_;
};

constexpr const char* kWords[] = {"add-service",
                                  "edit-service",
                                  "delete-service",
                                  "add-server",
                                  "edit-server",
                                  "delete-server",
                                  "set-order",
                                  "clear",
                                  "zero",
                                  "set-timeouts",
                                  "list",
                                  "connections",
                                  "timeouts",
                                  "exits",
                                  "arp",
                                  "explain",
                                  "trace",
                                  "reload",
                                  "ini",
                                  "",
                                  "LIST",
                                  "list ",
                                  "\xff"};
constexpr const char* kServices[] = {"tcp:192.0.2.100:80",
                                     "udp:192.0.2.100:53",
                                     "sctp:192.0.2.101:9",
                                     "mark:10",
                                     "tcp:192.0.2.100:0",
                                     "tcp:0.0.0.0:80",
                                     "mark:0",
                                     "tcp:192.0.2.100",
                                     "mark:4294967296"};
constexpr const char* kPlaces[] = {"192.0.2.11",      "192.0.2.12:80",     "192.0.2.13:0", "198.51.100.1:1001",
                                   "198.51.100.0/24", "198.51.100.0/24:5", "1.2.3",        ":80",
                                   "224.0.0.1:1",     "192.0.2.100:80"};
constexpr const char* kOthers[] = {"0",
                                   "1",
                                   "2",
                                   "7",
                                   "300",
                                   "4294967295",
                                   "99999999999999999999",
                                   "-1",
                                   "rr",
                                   "mh",
                                   "wlc",
                                   "sh-port",
                                   "mh-port,mh-fallback",
                                   "flag-1,flag-2",
                                   "route",
                                   "tunnel",
                                   "masq",
                                   "gue",
                                   "gre",
                                   "ipip",
                                   "none",
                                   "remote",
                                   "255.255.255.0",
                                   "24",
                                   "02:00:00:00:00:01",
                                   "tcp",
                                   "udp",
                                   "ESTABLISHED",
                                   "",
                                   "=",
                                   "a=b",
                                   "8192"};

std::string value_of(std::string_view key, Chance& chance) {
  if (chance.one_in(20)) return chance.of(kOthers);
  if (key == "service") return chance.of(kServices);
  if (key == "protocol") return chance.of({"tcp", "udp", "sctp"});
  if (key == "scheduler") return chance.of({"rr", "wlc", "mh", "lblc"});
  if (key == "persistence" || key == "weight" || key == "upper" || key == "count") return chance.of({"0", "1", "300"});
  if (key == "order" || key == "was") return chance.of({"none", "drained", "disabled", "out"});
  if (key == "server" || key == "client" || key == "virtual") return chance.of(kPlaces);
  return chance.of(kOthers);
}

struct Form {  // of a request that may be valid
  const char* word;
  std::vector<std::string_view> needs, takes;
};
const std::vector<Form> kForms = {
    {"add-service", {"service"}, {"scheduler", "persistence", "flags", "ops"}},
    {"edit-service", {"service"}, {"scheduler", "persistence", "netmask"}},
    {"delete-service", {"service"}, {}},
    {"add-server", {"service", "server"}, {"method", "weight", "upper", "lower", "mac", "tun-type"}},
    {"edit-server", {"service", "server"}, {"method", "weight", "upper"}},
    {"delete-server", {"service", "server"}, {}},
    {"set-order", {"service", "order"}, {"server", "was"}},
    {"list", {}, {"service"}},
    {"connections", {}, {"client", "state", "server", "virtual"}},
    {"explain", {"protocol", "client", "virtual"}, {}},
    {"trace", {}, {"client", "count", "snap"}},
    {"zero", {}, {"service"}},
    {"set-timeouts", {}, {"tcp", "udp"}},
    {"ini", {}, {}},
    {"arp", {}, {}},
    {"exits", {}, {}}};

std::string formed(Chance& chance) {
  const Form& form = kForms[chance.below(static_cast<uint32_t>(kForms.size()))];
  std::string out = std::string("rawvs/1 ") + form.word;
  const auto add = [&](std::string_view key) { out.append(" ").append(key).append("=").append(value_of(key, chance)); };
  for (const std::string_view key : form.needs) add(key);
  for (const std::string_view key : form.takes) {
    if (chance.one_in(3)) add(key);
  }
  return out;
}

std::string request(Chance& chance) {
  if (!chance.one_in(3)) return formed(chance);
  std::string out = chance.one_in(50) ? "rawvs/2" : "rawvs/1";
  out += ' ' + chance.of(kWords);
  if (!chance.one_in(6)) out += " service=" + value_of("service", chance);
  if (chance.one_in(2)) out += " server=" + value_of("server", chance);
  for (uint32_t n = chance.below(4); n > 0; --n) {
    const std::string key(kKeyNames[chance.below(kKeys)]);
    out += ' ' + key + '=' + value_of(key, chance);
  }
  if (chance.one_in(8)) {  // damage
    for (uint32_t n = 1 + chance.below(3); n > 0 && !out.empty(); --n) {
      const uint32_t at = chance.below(static_cast<uint32_t>(out.size()));
      switch (chance.below(4)) {
        case 0: out[at] = static_cast<char>(chance.below(256)); break;
        case 1: out.erase(at, 1 + chance.below(5)); break;
        case 2: out.insert(at, 1 + chance.below(3), static_cast<char>(chance.below(256))); break;
        default: out.insert(at, out.substr(chance.below(static_cast<uint32_t>(out.size())))); break;
      }
    }
  }
  if (chance.one_in(500)) out.append(kRequestMost, 'x');
  return out;
}

// A conversation and its replies so far.
struct Talk {
  std::string request;
  Conversation conversation;
  std::string reply{};
};

bool changes_nothing(const std::string& request) {
  for (const char* word : {"list", "connections", "timeouts", "exits", "arp", "explain", "trace", "ini", "reload"}) {
    if (request.starts_with(std::string("rawvs/1 ") + word)) return true;
  }
  return false;
}

void check_form(const Talk& talk) {
  const std::string& reply = talk.reply;
  ASSERT_TRUE(reply.ends_with("\nend\n")) << talk.request;
  ASSERT_TRUE(reply.starts_with("ok\n") || reply.starts_with("error ")) << talk.request;
  if (reply.starts_with("error ")) {
    EXPECT_EQ(count(reply, "\n"), 2u) << talk.request << ": " << reply;
    EXPECT_LT(reply.size(), 1000u) << talk.request;
    for (const char c : reply) EXPECT_TRUE(c == '\n' || (c >= ' ' && c <= '~')) << talk.request << ": " << reply;
  }
}

TEST(ControlFuzz, WhateverIsAskedIsAnsweredInFormAndRefusalsChangeNothing) {
  const char* const set = std::getenv("RAWVS_FUZZ_ROUNDS");
  const int rounds = set ? std::atoi(set) : 10'000;
  Chance chance(20'261);
  Table t;
  t.serve_web();
  for (uint16_t i = 1; i < 300; ++i) t.connect(i, 0, 1h);
  std::vector<Talk> talks;
  int refused = 0, done = 0;
  for (int round = 0; round < rounds; ++round) {
    const std::string asked = request(chance);
    const bool compare = round % 10 == 0;
    const std::string before = compare ? t.everything() : "";
    t.out.clear();
    talks.push_back({asked, answer(asked, t.director, {t.now, t.out}, t.context), {}});
    t.out.clear();
    const bool error = talks.back().conversation.refused();
    error ? ++refused : ++done;
    if (compare && (error || changes_nothing(asked))) {
      ASSERT_EQ(t.everything(), before) << asked;
    }
    // Some conversations go on by one step; those that only wait for packets are ended, as when the client disconnects.
    for (uint32_t n = chance.below(6); n > 0 && !talks.empty(); --n) {
      const size_t at = chance.below(static_cast<uint32_t>(talks.size()));
      Talk& talk = talks[at];
      const Piece next = talk.conversation.next(t.director, t.now);
      const std::string_view piece = next.text();
      ASSERT_LE(piece.size(), kPieceMost) << talk.request;
      talk.reply += piece;
      const bool waiting = talk.conversation.waiting();
      if (!talk.conversation.over() && !waiting) continue;
      if (!waiting) check_form(talk);
      talks.erase(talks.begin() + static_cast<std::ptrdiff_t>(at));
    }
    if (chance.one_in(50)) t.now += 1s;
    t.director.time_passed({t.now, t.out});
    t.out.clear();
  }
  EXPECT_GT(refused, rounds / 4);
  EXPECT_GT(done, rounds / 20) << "chance made hardly anything that is right";
}

}  // namespace
}  // namespace rawvs
