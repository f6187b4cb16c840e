// SPDX-License-Identifier: BSD-2-Clause
// config_keys_check.cpp: the keys of [check NAME]: how the health of a real server is checked.

#include <algorithm>
#include <array>

#include "config/config_forms.h"

namespace rawvs {
namespace {

constexpr std::array<std::string_view, 4> kTypes{"A", "NS", "SOA", "TXT"};
constexpr std::array<std::string_view, 2> kVia{"server", "vip"};  // by CheckSpec::Via
constexpr size_t kNameMost = 32;
constexpr size_t kTextMost = 128;  // inih cuts lines at 200 bytes
constexpr uint16_t kLeastStatus = 100, kMostStatus = 599;

Result<CheckSpec::Range> read_status_range(std::string_view text) {
  const auto ends = pieces(text, '-');
  const auto first = read_number(ends[0], kLeastStatus, kMostStatus);
  if (!first || ends.size() > 2) return Error{quoted(text) + " is not an HTTP status or a range of them: 200, 200-299"};
  const auto last = ends.size() == 1 ? first : read_number(ends[1], *first, kMostStatus);
  if (!last) return Error{quoted(text) + ": a range goes from the lower status to the higher one, at most 599"};
  return CheckSpec::Range{static_cast<uint16_t>(*first), static_cast<uint16_t>(*last)};
}

using Ranges = std::vector<CheckSpec::Range>;

Result<Ranges> read_status(std::string_view text) {
  Ranges all;
  for (const std::string_view piece : pieces(text, ',')) {
    const auto range = read_status_range(piece);
    if (!range) return range.error();
    all.push_back(*range);
  }
  return all;
}

std::string text_of(const Ranges& ranges) {
  std::string all;
  for (const CheckSpec::Range& r : ranges) {
    if (!all.empty()) all += ',';
    all += std::to_string(r.first);
    if (r.last != r.first) all.append(1, '-').append(std::to_string(r.last));
  }
  return all;
}

std::optional<Error> length_fault(std::string_view text) {
  if (text.size() <= kTextMost) return std::nullopt;
  return Error{"has " + std::to_string(text.size()) + " bytes; at most " + std::to_string(kTextMost) + " are allowed"};
}

std::optional<Error> http_path_fault(std::string_view text) {
  if (text.starts_with('/') && text.size() <= kTextMost && words(text).size() == 1) return std::nullopt;
  return Error{quoted(text) + " is not a path of HTTP: it begins with \"/\" and has no blank"};
}

// A label has 1 to 63 bytes, a name 253 at most (RFC 1035 section 2.3.4).
std::optional<Error> domain_fault(std::string_view text) {
  if (text == ".") return std::nullopt;
  const std::string_view name = text.ends_with('.') ? text.substr(0, text.size() - 1) : text;
  bool sound = !name.empty() && text.size() <= kTextMost && words(text).size() == 1;
  for (const std::string_view label : pieces(name, '.')) sound = sound && !label.empty() && label.size() <= 63;
  if (sound) return std::nullopt;
  return Error{quoted(text) + " is not a domain name, such as www.example.org"};
}

std::optional<Error> user_fault(std::string_view text) {
  if (!text.empty()) return group_name_fault(text);
  return Error{"no value; expected the name of a user"};
}

std::optional<Error> program_fault(std::string_view text) {
  if (text.starts_with('/') && text.size() <= kTextMost) return std::nullopt;
  return Error{quoted(text) + " is not a program: an absolute path, arguments behind it with blanks between"};
}

std::optional<Error> query_type_fault(std::string_view text) {
  if (std::ranges::find(kTypes, text) != kTypes.end()) return std::nullopt;
  return Error{quoted(text) + " is not a type of query: " + listed({kTypes.begin(), kTypes.end()})};
}

Result<bool> read_start(std::string_view text) {
  if (text == "up" || text == "down") return text == "up";
  return Error{quoted(text) + " is not how a server starts: up, down"};
}
const char* start_word(bool up) { return up ? "up" : "down"; }

// As the table has it.
constexpr std::string_view kind_word(std::string_view text) {
  return text == kNeighborCheck ? kCheckKinds[static_cast<size_t>(CheckKind::arp)] : text;
}
std::optional<Error> read_kind(const KeyRow& row, std::string_view text, void* field) {
  return read_choice(row, kind_word(text), field);
}
constexpr FormFor<CheckKind> kKind{
    {.read = read_kind, .write = write_choice, .words = kCheckKinds, .complaint = " is not a kind of check: nd, "}};
constexpr auto kWay = choice<CheckSpec::Via>(kVia, " is not a path for checks: ");
constexpr auto kText = text_or_none(length_fault);
constexpr auto kHttpPath = text_or_none(http_path_fault);
constexpr auto kDomain = text_or_none(domain_fault);
constexpr auto kQueryType = text_or_none(query_type_fault);
constexpr auto kProgram = text_or_none(program_fault);
constexpr auto kUser = text_or_none(user_fault);

constexpr FormFor<Port> kPort{
    {.read = [](const KeyRow&, std::string_view t,
                void* f) { return take(read_number(t, 1, UINT16_MAX), static_cast<Port*>(f)->value); },
     .write = [](const KeyRow&, const void* f, size_t) { return std::to_string(static_cast<const Port*>(f)->value); },
     .count = [](const void* f) { return size_t{static_cast<const Port*>(f)->value != 0}; }}};

constexpr Row<CheckConfig> kRows[] = {
    row<&CheckSpec::kind>("type", kKind, "arp, icmp, tcp, tls, http, udp, dns or exec. Default tcp"),
    row<&CheckSpec::port>("port", kPort, "where to ask, 1-65535. Default: where the service is"),
    row<&CheckSpec::via>(
        "via", kWay,
        "server: its own address is asked; vip: the VIP on it, by the way that clients' packets take. Default server"),
    duration<&CheckSpec::interval>("interval", {kTenth, kDay}, "how often, from begin to begin, 100ms-24h. Default 5s"),
    number<&CheckSpec::jitter>("jitter", {0, 50}, "how much the interval may differ, percent, 0-50. Default 10"),
    duration<&CheckSpec::timeout>("timeout", {kTenth, kMinute}, "of one attempt, 100ms-60s. Default 2s"),
    number<&CheckSpec::retries>("retries", {0, 20}, "further attempts before a check has failed, 0-20. Default 2"),
    duration<&CheckSpec::retry_delay>("retry_delay", {kTenth, kMinute}, "before each of them, 100ms-60s. Default 1s"),
    number<&CheckSpec::rise>("rise", {1, 100}, "successes in a row that bring a server back, 1-100. Default 1"),
    number<&CheckSpec::fall>("fall", {1, 100}, "failed checks in a row that take it out, 1-100. Default 1"),
    row<&CheckSpec::starts_up>("start", kValue<bool, read_start, start_word>,
                               "down: it gets nothing before its first success; up. Default down"),
    row<&CheckSpec::path>("path", kHttpPath, "http: what is asked for. Default /"),
    row<&CheckSpec::host>("host", kText, "http: its Host line; tls: the server's name. Default: the address"),
    row<&CheckSpec::status>("status", kValue<Ranges, read_status, text_of>,
                            "http: what is well, such as 200-299,301. Default 200-299"),
    row<&CheckSpec::body>("body", kText, "http: text within the first 4 KB of the answer. Default: any"),
    row<&CheckSpec::send>("send", kText, "udp: the datagram's text. Default: an empty one"),
    row<&CheckSpec::expect>("expect", kText,
                            "udp: text within the answer. Default: none needed, unless the port is refused"),
    row<&CheckSpec::query>("query", kDomain, "dns: the name asked for. Default ."),
    row<&CheckSpec::type>("query_type", kQueryType, "dns: A, NS, SOA or TXT. Default A"),
    number<&CheckSpec::rcode>("rcode", {0, 15}, "dns: the answer's rcode that is well, 0-15 (3 = NXDOMAIN). Default 0"),
    row<&CheckSpec::program>("program", kProgram,
                             "exec: absolute path and arguments; exit status 0 is well. Required with type = exec"),
    row<&CheckSpec::user>("user", kUser, "exec: whose rights the program has. Default nobody"),
};

}  // namespace

std::span<const Row<CheckConfig>> check_rows() { return kRows; }

std::optional<CheckKind> find_check_kind(std::string_view word) {
  const auto* const found = std::ranges::find(kCheckKinds, kind_word(word));
  return found == kCheckKinds.end() ? std::nullopt : std::optional(static_cast<CheckKind>(found - kCheckKinds.begin()));
}

std::optional<Error> check_name_fault(std::string_view text) {
  if (!text.empty() && words(text).size() == 1 && text.size() <= kNameMost) return std::nullopt;
  return Error{quoted(text) + " is not the name of a check: that of a [check], or " +
               listed({kCheckKinds.begin(), kCheckKinds.end()}) + ", or none"};
}

const char* name(OnDown what) { return kOnDownWords[static_cast<size_t>(what)].data(); }
const char* name(CheckKind kind) { return kCheckKinds[static_cast<size_t>(kind)].data(); }

}  // namespace rawvs
