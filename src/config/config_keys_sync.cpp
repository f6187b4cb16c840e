// SPDX-License-Identifier: BSD-2-Clause
// config_keys_sync.cpp: the keys of [sync]: connections sent to other directors and received from them.

#include <algorithm>

#include "config/config_check.h"
#include "config/config_values.h"
#include "config/spec_words.h"

namespace rawvs {
namespace {

constexpr size_t kLeastKey = 8, kMostKey = 64;
constexpr SyncRole kRoles[] = {SyncRole::automatic, SyncRole::master, SyncRole::backup, SyncRole::both};

// A field of [sync] in the struct that has it; Any is SyncConfig or const SyncConfig.
template <class Any, class M>
auto& in(Any& config, M SyncConfig::*field) {
  return config.*field;
}
template <class Any, class M>
auto& in(Any& config, M SyncSettings::*field) {
  return config.settings.*field;
}

template <auto kField, uint64_t kLeast, uint64_t kMost>
constexpr Row<SyncConfig> number(std::string_view key, const char* help) {
  return {key, help,
          [](SyncConfig& s, std::string_view t) { return take(read_number(t, kLeast, kMost), in(s, kField)); },
          [](const SyncConfig& s) { return std::vector{std::to_string(in(s, kField))}; }};
}

template <auto kField, Duration::rep kMost>
constexpr Row<SyncConfig> duration(std::string_view key, const char* help) {
  return {key, help,
          [](SyncConfig& s, std::string_view t) {
            return take(read_duration(t, 1s, Duration(kMost), Zero::allowed), in(s, kField));
          },
          [](const SyncConfig& s) { return std::vector{text(in(s, kField))}; }};
}

constexpr Duration::rep kHour = 3'600'000, kDay = 24 * kHour;

constexpr Row<SyncConfig> kRows[] = {
    {"role", "auto, master (tells), backup (hears) or both. Default auto: both, and tells while it is master by VRRP",
     [](SyncConfig& s, std::string_view t) -> std::optional<Error> {
       const auto found = std::ranges::find_if(kRoles, [&](SyncRole role) { return t == name(role); });
       if (found == std::end(kRoles))
         return Error{quoted(t) + " is not one of " + listed({"auto", "master", "backup", "both"})};
       s.role = *found;
       return std::nullopt;
     },
     [](const SyncConfig& s) { return std::vector<std::string>{name(s.role)}; }},
    {"on", "the link to the other directors: outside (interface) or inside. Default outside",
     [](SyncConfig& s, std::string_view t) -> std::optional<Error> {
       if (t != "outside" && t != "inside") return Error{quoted(t) + " is not one of " + listed({"outside", "inside"})};
       s.link = t == "inside" ? Link::inside : Link::outside;
       return std::nullopt;
     },
     [](const SyncConfig& s) { return std::vector<std::string>{s.link == Link::inside ? "inside" : "outside"}; }},
    number<&SyncSettings::id, 0, 255>("id", "of the group of directors, 0-255; 0 hears every group. Default 0"),
    {"group", "multicast address. Default 224.0.0.81",
     [](SyncConfig& s, std::string_view t) -> std::optional<Error> {
       const auto group = parse_ip(t);
       if (!group || !group->multicast()) return Error{quoted(t) + " is not a multicast address"};
       s.group = *group;
       return std::nullopt;
     },
     [](const SyncConfig& s) { return std::vector{text(s.group)}; }},
    number<&SyncConfig::port, 1, 65535>("port", "UDP port, 1-65535. Default 8848"),
    number<&SyncConfig::ttl, 1, 255>("ttl", "of multicast, 1-255. Default 1"),
    {"peer", "other directors, blanks between: unicast, from them alone; repeatable. Default: none, multicast",
     [](SyncConfig& s, std::string_view t) -> std::optional<Error> {
       if (words(t).empty()) return Error{"no value; expected addresses with blanks between"};
       for (const std::string_view word : words(t)) {
         const auto peer = read_unicast(word);
         if (!peer) return peer.error();
         s.peers.push_back(*peer);
       }
       return std::nullopt;
     },
     [](const SyncConfig& s) {
       std::vector<std::string> all;
       for (const Ip peer : s.peers) all.push_back(text(peer));
       return all;
     },
     [](const SyncConfig& s) { return s.peers.size(); }},
    {"key", "secret of 8 to 64 characters: messages have an HMAC-SHA256 seal, others are refused. Default: none",
     [](SyncConfig& s, std::string_view t) -> std::optional<Error> {
       if (auto hidden = hidden_secret(t)) return hidden;
       if (t.size() < kLeastKey || t.size() > kMostKey) {
         return Error{"has " + std::to_string(t.size()) + " characters; 8 to 64 are allowed"};
       }
       s.key = t;
       return std::nullopt;
     },
     [](const SyncConfig& s) { return s.key.empty() ? std::vector<std::string>() : std::vector{s.key}; }, nullptr,
     nullptr, true},
    number<&SyncSettings::share, 1, 100>(
        "share",
        "without key: others' connections are taken up to so many percent of max_connections, 1-100. Default 75"),
    duration<&SyncSettings::window, kHour>(
        "window", "with key: how far the directors' clocks may differ, 1s-1h; 0 = any. Default 30s"),
    number<&SyncSettings::threshold, 0, 255>("threshold",
                                             "a connection is told from so many packets on, 0-255. Default 2"),
    number<&SyncSettings::period, 0, 255>("period", "and with so many more each time, 0-255; 0 = once. Default 50"),
    duration<&SyncSettings::refresh_period, kDay>("refresh_period",
                                                  "not 0: told when its time has moved by so much, 1s-24h. Default 0"),
    number<&SyncSettings::retries, 0, 3>("retries", "with refresh_period: told so often again, 0-3. Default 0"),
    {"templates_only", "1: persistence templates, without their connections. Default 0",
     [](SyncConfig& s, std::string_view t) { return take(read_switch(t), s.settings.persist_mode); },
     [](const SyncConfig& s) { return std::vector<std::string>{s.settings.persist_mode ? "1" : "0"}; }},
    duration<&SyncSettings::full_every, kDay>(
        "full_every", "all connections are told again so often, 1s-24h; 0 = to who asks. Default 120s"),
    number<&SyncSettings::max_length, kSyncLeast, kSyncMost>("max_length",
                                                             "bytes of a message, 160-65507. Default 1472"),
};

}  // namespace

std::span<const Row<SyncConfig>> sync_rows() { return kRows; }

const char* name(SyncRole role) {
  switch (role) {
    case SyncRole::automatic: return "auto";
    case SyncRole::master: return "master";
    case SyncRole::backup: return "backup";
    case SyncRole::both: return "both";
  }
  return "?";
}

void add_sync_checks(Checking& c, Portions& walks) {
  walks.once([&c] {
    if (!c.config.sync || c.config.sync->link != Link::inside || !c.config.inside.empty()) return;
    if (c.places.director.bad("inside")) return;
    c.report.wrong(c.places.sync, "on", "inside: there is no inside interface");
  });
}

}  // namespace rawvs
