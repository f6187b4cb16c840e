// SPDX-License-Identifier: BSD-2-Clause
// json.cpp: rows of the control protocol as JSON, written by json-c.
#include "json.h"

#include <json-c/json_object.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "rawvs/addr.h"

namespace rawvs::adm {

namespace {

// Keys whose values are numbers. Values of other keys are text.
constexpr std::array kNumbers = {"uptime",
                                 "size",
                                 "pid",
                                 "calls",
                                 "persistence",
                                 "ops",
                                 "conns",
                                 "inpkts",
                                 "outpkts",
                                 "inbytes",
                                 "outbytes",
                                 "cps",
                                 "inpps",
                                 "outpps",
                                 "inbps",
                                 "outbps",
                                 "tun-port",
                                 "weight",
                                 "upper",
                                 "lower",
                                 "active",
                                 "inactive",
                                 "persistent",
                                 "overloaded",
                                 "fixed",
                                 "expires",
                                 "tcp",
                                 "tcpfin",
                                 "udp",
                                 "count",
                                 "received",
                                 "kernel-dropped",
                                 "cut",
                                 "sent",
                                 "send-failed",
                                 "returned",
                                 "return-failed",
                                 "unguarded",
                                 "mtu",
                                 "retired",
                                 "servers",
                                 "frames",
                                 "vips",
                                 "guarded",
                                 "missing-groups",
                                 "entries-used",
                                 "syn-cookies",
                                 "entries-most",
                                 "entries-unproven",
                                 "filling",
                                 "servers-used",
                                 "servers-most",
                                 "services-used",
                                 "services-most",
                                 "fragments-used",
                                 "fragments-most",
                                 "ftp-used",
                                 "ftp-most",
                                 "order-by",
                                 "order-at",
                                 "sorry",
                                 "gave-way",
                                 "without-entry",
                                 "implausible",
                                 "disputed",
                                 "max-connections",
                                 "max-rate",
                                 "client-connections",
                                 "client-rate",
                                 "allow-lists",
                                 "allow-networks",
                                 "deny-lists",
                                 "deny-networks",
                                 "counted",
                                 "number"};
constexpr std::array kNumbersOfCare = {"wanted",
                                       "for",
                                       "flaps",
                                       "vrid",
                                       "priority",
                                       "heard",
                                       "refused",
                                       "became-master",
                                       "master-priority",
                                       "slow-start",
                                       "standby",
                                       "own",
                                       "woke-late",
                                       "other-addresses",
                                       "other-interval",
                                       "leads",
                                       "hears",
                                       "id",
                                       "port",
                                       "ttl",
                                       "maxlen",
                                       "peers",
                                       "sealed",
                                       "messages",
                                       "entries",
                                       "unsent",
                                       "overflows",
                                       "taken",
                                       "lost",
                                       "capped",
                                       "strangers",
                                       "ours",
                                       "no-room",
                                       "complete",
                                       "attempts",
                                       "attempts-failed",
                                       "latency",
                                       "latency-sum",
                                       "check-latency-sum",
                                       "cpu",
                                       "memory-most",
                                       "turns",
                                       "turns-busy",
                                       "turns-slow",
                                       "turns-longest",
                                       "past-conns",
                                       "past-inpkts",
                                       "past-outpkts",
                                       "past-inbytes",
                                       "past-outbytes",
                                       "on",
                                       "flows",
                                       "capacity",
                                       "chosen",
                                       "packets",
                                       "packet-bytes"};  // checks, VRRP, sync, the daemon, the fast path
constexpr std::array kRestOfLine = {"text", "meaning", "config", "why"};  // may contain blanks and =

template <size_t N>
bool holds(const std::array<const char*, N>& keys, std::string_view key) {
  return std::ranges::find(keys, key) != keys.end();
}

json_object* string(std::string_view text) {
  return json_object_new_string_len(text.data(), static_cast<int>(text.size()));
}

json_object* value_of(const std::string& key, const std::string& value) {
  if (holds(kRestOfLine, key)) return key == "config" && value == "-" ? nullptr : string(value);
  if (value == "-" || value.empty()) return nullptr;
  if (key == "fast") return json_object_new_boolean(value == "1");
  const bool counts = holds(kNumbers, key) || holds(kNumbersOfCare, key);
  const auto number = counts ? parse_number(value, UINT64_MAX) : std::nullopt;
  if (number) return json_object_new_uint64(*number);
  // The digits as they are: a time with decimals has more of them than a double prints.
  if (key == "time") return json_object_new_double_s(std::strtod(value.c_str(), nullptr), value.c_str());
  return string(value);
}

constexpr int kStyle = JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE;

}  // namespace

Json::Json(json_object* value) : value_(value, [](json_object* v) { json_object_put(v); }) {}
Json Json::object() { return Json(json_object_new_object()); }
Json Json::list() { return Json(json_object_new_array()); }
Json Json::text(std::string_view value) { return Json(string(value)); }
Json Json::number(uint64_t value) { return Json(json_object_new_uint64(value)); }
Json Json::nothing() { return Json(nullptr); }
Json Json::truth(bool value) { return Json(json_object_new_boolean(value)); }

Json Json::fraction(double value) {  // three decimals are enough for rates and seconds
  char digits[64];
  std::snprintf(digits, sizeof digits, "%.3f", value);
  return Json(json_object_new_double_s(value, digits));
}

Json Json::of(const Row& row) {
  Json out = object();
  const std::string_view line = row.line();
  for (size_t at = std::min(row.word().size() + 1, line.size()); at < line.size();) {
    const size_t equals = std::min(line.find('=', at), line.size());
    const std::string key(line.substr(at, equals - at));
    const bool rest = holds(kRestOfLine, key);
    const size_t begin = std::min(equals + 1, line.size());
    const size_t end = rest ? line.size() : std::min(line.find(' ', begin), line.size());
    if (!key.empty()) {
      json_object_object_add(out.value_.get(), key.c_str(),
                             value_of(key, std::string(line.substr(begin, end - begin))));
    }
    at = end + 1;
  }
  return out;
}

Json& Json::set(const char* key, const Json& value) {
  json_object_object_add(value_.get(), key, json_object_get(value.value_.get()));
  return *this;
}

Json& Json::add(const Json& value) {
  json_object_array_add(value_.get(), json_object_get(value.value_.get()));
  return *this;
}

std::string Json::line() const { return json_object_to_json_string_ext(value_.get(), kStyle) + std::string(1, '\n'); }

Json json_of(const std::vector<std::string>& rows, std::initializer_list<const char*> lists) {
  constexpr std::array kSingle = {"daemon", "fast", "timeouts", "verdict"};
  const std::map<std::string_view, const char*> owned = {
      {"service", "servers"}, {"vip", "rivals"}, {"packet", "frames"}};
  Json out = Json::object();
  std::map<std::string, Json> open;  // by row word: the list for the next such row
  const auto list = [&](Json& holder, const std::string& name) -> Json& {
    Json& made = open.insert_or_assign(name, Json::list()).first->second;
    holder.set(name.c_str(), made);
    return made;
  };
  for (const char* const word : lists) list(out, word + std::string(1, 's'));
  for (const std::string& line : rows) {
    const Row row(line);
    Json one = Json::of(row);
    const std::string word(row.word());
    if (holds(kSingle, word)) {
      out.set(word.c_str(), one);
      continue;
    }
    const auto found = open.find(word + 's');
    (found == open.end() ? list(out, word + 's') : found->second).add(one);
    if (const auto its = owned.find(word); its != owned.end()) list(one, its->second);
  }
  return out;
}

}  // namespace rawvs::adm
