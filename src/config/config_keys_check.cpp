// SPDX-License-Identifier: BSD-2-Clause
// config_keys_check.cpp: the keys of [check NAME]: how the health of a real server is checked.

#include <algorithm>
#include <array>

#include "config/config_rows.h"
#include "config/config_values.h"

namespace rawvs {
namespace {

constexpr std::array<std::string_view, 8> kKinds{"arp", "icmp", "tcp", "tls", "http", "udp", "dns", "exec"};
constexpr std::array<std::string_view, 4> kTypes{"A", "NS", "SOA", "TXT"};
constexpr std::array<std::string_view, 3> kOnDown{"keep", "drain", "reset"};
constexpr size_t kNameMost = 32;
constexpr size_t kTextMost = 128;  // inih cuts lines at 200 bytes
constexpr uint16_t kLeastStatus = 100, kMostStatus = 599;

template <class Value>
std::optional<Error> take(Result<Value> read, Value& field) {
  if (!read) return read.error();
  field = std::move(*read);
  return std::nullopt;
}

Result<CheckSpec::Range> read_status_range(std::string_view text) {
  const auto ends = pieces(text, '-');
  const auto first = read_number(ends[0], kLeastStatus, kMostStatus);
  if (!first || ends.size() > 2) return Error{quoted(text) + " is not an HTTP status or a range of them: 200, 200-299"};
  const auto last = ends.size() == 1 ? first : read_number(ends[1], *first, kMostStatus);
  if (!last) return Error{quoted(text) + ": a range goes from the lower status to the higher one, at most 599"};
  return CheckSpec::Range{static_cast<uint16_t>(*first), static_cast<uint16_t>(*last)};
}

Result<std::vector<CheckSpec::Range>> read_status(std::string_view text) {
  std::vector<CheckSpec::Range> all;
  for (const std::string_view piece : pieces(text, ',')) {
    const auto range = read_status_range(piece);
    if (!range) return range.error();
    all.push_back(*range);
  }
  return all;
}

std::string text_of(const std::vector<CheckSpec::Range>& ranges) {
  std::string all;
  for (const CheckSpec::Range& r : ranges) {
    if (!all.empty()) all += ',';
    all += std::to_string(r.first);
    if (r.last != r.first) all.append(1, '-').append(std::to_string(r.last));
  }
  return all;
}

Result<std::string> read_text(std::string_view text) {
  if (text.size() <= kTextMost) return std::string(text);
  return Error{"has " + std::to_string(text.size()) + " bytes; at most " + std::to_string(kTextMost) + " are allowed"};
}

Result<std::string> read_http_path(std::string_view text) {
  if (text.starts_with('/') && text.size() <= kTextMost && words(text).size() == 1) return std::string(text);
  return Error{quoted(text) + " is not a path of HTTP: it begins with \"/\" and has no blank"};
}

// A label has 1 to 63 bytes, a name 253 at most (RFC 1035 section 2.3.4).
Result<std::string> read_domain(std::string_view text) {
  if (text == ".") return std::string(text);
  const std::string_view name = text.ends_with('.') ? text.substr(0, text.size() - 1) : text;
  bool sound = !name.empty() && text.size() <= kTextMost && words(text).size() == 1;
  for (const std::string_view label : pieces(name, '.')) sound = sound && !label.empty() && label.size() <= 63;
  if (sound) return std::string(text);
  return Error{quoted(text) + " is not a domain name, such as www.example.org"};
}

Result<std::string> read_user(std::string_view text) {
  if (!text.empty()) return read_group_name(text);
  return Error{"no value; expected the name of a user"};
}

Result<std::string> read_program(std::string_view text) {
  if (text.starts_with('/') && text.size() <= kTextMost) return std::string(text);
  return Error{quoted(text) + " is not a program: an absolute path, arguments behind it with blanks between"};
}

template <auto kField, auto kRead>
constexpr Row<CheckConfig> word(std::string_view key, const char* help) {
  return {key, help, [](CheckConfig& c, std::string_view t) { return take(kRead(t), c.spec.*kField); },
          [](const CheckConfig& c) {
            return (c.spec.*kField).empty() ? std::vector<std::string>() : std::vector{c.spec.*kField};
          }};
}

template <auto kField, uint64_t kLeast, uint64_t kMost>
constexpr Row<CheckConfig> number(std::string_view key, const char* help) {
  return {key, help,
          [](CheckConfig& c, std::string_view t) -> std::optional<Error> {
            const auto found = read_number(t, kLeast, kMost);
            if (!found) return found.error();
            c.spec.*kField = static_cast<uint8_t>(*found);
            return std::nullopt;
          },
          [](const CheckConfig& c) { return std::vector{std::to_string(c.spec.*kField)}; }};
}

template <auto kField, Duration::rep kLeast, Duration::rep kMost>
constexpr Row<CheckConfig> duration(std::string_view key, const char* help) {
  return {key, help,
          [](CheckConfig& c, std::string_view t) {
            return take(read_duration(t, Duration(kLeast), Duration(kMost), Zero::refused), c.spec.*kField);
          },
          [](const CheckConfig& c) { return std::vector{text(c.spec.*kField)}; }};
}

constexpr Duration::rep kTenth = 100, kMinute = 60'000, kDay = 86'400'000;

constexpr Row<CheckConfig> kRows[] = {
    {"type", "arp, icmp, tcp, tls, http, udp, dns or exec. Default tcp",
     [](CheckConfig& c, std::string_view t) -> std::optional<Error> {
       const auto kind = read_check_kind(t);
       if (!kind) return kind.error();
       c.spec.kind = *kind;
       return std::nullopt;
     },
     [](const CheckConfig& c) { return std::vector<std::string>{name(c.spec.kind)}; }},
    {"port", "where to ask, 1-65535. Default: where the service is",
     [](CheckConfig& c, std::string_view t) -> std::optional<Error> {
       const auto found = read_number(t, 1, UINT16_MAX);
       if (!found) return found.error();
       c.spec.port = Port(static_cast<uint16_t>(*found));
       return std::nullopt;
     },
     [](const CheckConfig& c) {
       return c.spec.port.value == 0 ? std::vector<std::string>() : std::vector{std::to_string(c.spec.port.value)};
     }},
    {"via",
     "server: its own address is asked; vip: the VIP on it, by the way that clients' packets take. Default server",
     [](CheckConfig& c, std::string_view t) -> std::optional<Error> {
       if (t != "server" && t != "vip") return Error{quoted(t) + " is not a way to ask a server: server, vip"};
       c.spec.via = t == "vip" ? CheckSpec::Via::vip : CheckSpec::Via::server;
       return std::nullopt;
     },
     [](const CheckConfig& c) {
       return std::vector<std::string>{c.spec.via == CheckSpec::Via::vip ? "vip" : "server"};
     }},
    duration<&CheckSpec::interval, kTenth, kDay>("interval", "how often, from begin to begin, 100ms-24h. Default 5s"),
    number<&CheckSpec::jitter, 0, 50>("jitter", "how much the interval may differ, percent, 0-50. Default 10"),
    duration<&CheckSpec::timeout, kTenth, kMinute>("timeout", "of one attempt, 100ms-60s. Default 2s"),
    number<&CheckSpec::retries, 0, 20>("retries", "further attempts before a check has failed, 0-20. Default 2"),
    duration<&CheckSpec::retry_delay, kTenth, kMinute>("retry_delay", "before each of them, 100ms-60s. Default 1s"),
    number<&CheckSpec::rise, 1, 100>("rise", "successes in a row that bring a server back, 1-100. Default 1"),
    number<&CheckSpec::fall, 1, 100>("fall", "failed checks in a row that take it out, 1-100. Default 1"),
    {"start", "down: it gets nothing before its first success; up. Default down",
     [](CheckConfig& c, std::string_view t) -> std::optional<Error> {
       if (t != "up" && t != "down") return Error{quoted(t) + " is not how a server starts: up, down"};
       c.spec.starts_up = t == "up";
       return std::nullopt;
     },
     [](const CheckConfig& c) { return std::vector<std::string>{c.spec.starts_up ? "up" : "down"}; }},
    word<&CheckSpec::path, read_http_path>("path", "http: what is asked for. Default /"),
    word<&CheckSpec::host, read_text>("host", "http: its Host line; tls: the server's name. Default: the address"),
    {"status", "http: what is well, such as 200-299,301. Default 200-299",
     [](CheckConfig& c, std::string_view t) { return take(read_status(t), c.spec.status); },
     [](const CheckConfig& c) { return std::vector{text_of(c.spec.status)}; }},
    word<&CheckSpec::body, read_text>("body", "http: text within the first 4 KB of the answer. Default: any"),
    word<&CheckSpec::send, read_text>("send", "udp: the datagram's text. Default: an empty one"),
    word<&CheckSpec::expect, read_text>(
        "expect", "udp: text within the answer. Default: none needed, unless the port is refused"),
    word<&CheckSpec::query, read_domain>("query", "dns: the name asked for. Default ."),
    {"query_type", "dns: A, NS, SOA or TXT. Default A",
     [](CheckConfig& c, std::string_view t) -> std::optional<Error> {
       if (std::ranges::find(kTypes, t) == kTypes.end())
         return Error{quoted(t) + " is not a type of query: " + listed({kTypes.begin(), kTypes.end()})};
       c.spec.type = t;
       return std::nullopt;
     },
     [](const CheckConfig& c) { return std::vector{c.spec.type}; }},
    number<&CheckSpec::rcode, 0, 15>("rcode", "dns: the answer's rcode that is well, 0-15 (3 = NXDOMAIN). Default 0"),
    word<&CheckSpec::program, read_program>(
        "program", "exec: absolute path and arguments; exit status 0 is well. Required with type = exec"),
    word<&CheckSpec::user, read_user>("user", "exec: whose rights the program has. Default nobody"),
};

}  // namespace

std::span<const Row<CheckConfig>> check_rows() { return kRows; }

Result<CheckKind> read_check_kind(std::string_view text) {
  const auto* const found = std::find(kKinds.begin(), kKinds.end(), text);
  if (found != kKinds.end()) return static_cast<CheckKind>(found - kKinds.begin());
  return Error{quoted(text) + " is not a kind of check: " + listed({kKinds.begin(), kKinds.end()})};
}

Result<std::string> read_check_name(std::string_view text) {
  if (!text.empty() && words(text).size() == 1 && text.size() <= kNameMost) return std::string(text);
  return Error{quoted(text) + " is not the name of a check: that of a [check], or " +
               listed({kKinds.begin(), kKinds.end()}) + ", or none"};
}

Result<OnDown> read_on_down(std::string_view text) {
  const auto* const found = std::find(kOnDown.begin(), kOnDown.end(), text);
  if (found != kOnDown.end()) return static_cast<OnDown>(found - kOnDown.begin());
  return Error{quoted(text) + " is not what becomes of connections: " + listed({kOnDown.begin(), kOnDown.end()})};
}

const char* name(OnDown what) { return kOnDown[static_cast<size_t>(what)].data(); }
const char* name(CheckKind kind) { return kKinds[static_cast<size_t>(kind)].data(); }

}  // namespace rawvs
