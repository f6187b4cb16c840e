// SPDX-License-Identifier: BSD-2-Clause
// dns_message.cpp: DNS messages: a header of twelve bytes, one question.
#include "wire/dns_message.h"

#include <array>

#include "rawvs/addr.h"

namespace rawvs {
namespace {

constexpr size_t kHeader = 12, kMostLabel = 63, kMostName = 255,
                 kQuestionTail = 4;  // bytes; the tail is type and class
constexpr uint16_t kResponse = 0x8000, kOpcode = 0x7800, kRecursionDesired = 0x0100, kRcode = 0x000f;
constexpr uint16_t kClassIn = 1;

struct Type {
  std::string_view word;
  uint16_t number;
};
constexpr Type kTypes[] = {
    {"A", 1},    {"NS", 2},    {"CNAME", 5}, {"SOA", 6}, {"PTR", 12},    {"HINFO", 13}, {"MX", 15},
    {"TXT", 16}, {"AAAA", 28}, {"SRV", 33},  {"DS", 43}, {"DNSKEY", 48}, {"HTTPS", 65}, {"ANY", 255},
};

constexpr std::array<std::string_view, 11> kRcodes = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN",
                                                      "NOTIMP",  "REFUSED", "YXDOMAIN", "YXRRSET",
                                                      "NXRRSET", "NOTAUTH", "NOTZONE"};

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }

std::string upper(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = upper(c);
  return out;
}

void append_be16(std::vector<uint8_t>& out, uint16_t v) {
  out.resize(out.size() + 2);
  store_be16(out, out.size() - 2, v);
}

// Names compare without case (RFC 1035 section 2.3.3). A length byte is below 'A', so lowering does not change it.
bool same_question(Bytes a, Bytes b) {
  const size_t name = b.size() - kQuestionTail;
  for (size_t i = 0; i < b.size(); ++i) {
    const bool same = i < name ? upper(static_cast<char>(a[i])) == upper(static_cast<char>(b[i])) : a[i] == b[i];
    if (!same) return false;
  }
  return true;
}

}  // namespace

std::optional<uint16_t> dns_type(std::string_view word) {
  const std::string wanted = upper(word);
  for (const Type& type : kTypes) {
    if (wanted == type.word) return type.number;
  }
  constexpr std::string_view kAny = "TYPE";
  if (!wanted.starts_with(kAny)) return std::nullopt;
  const auto number = parse_number(std::string_view(wanted).substr(kAny.size()), UINT16_MAX);
  if (!number || *number == 0) return std::nullopt;
  return static_cast<uint16_t>(*number);
}

std::optional<std::vector<uint8_t>> dns_query(uint16_t id, std::string_view name, uint16_t type) {
  std::vector<uint8_t> query;
  query.reserve(kHeader + kMostName + kQuestionTail);
  for (const uint16_t word : {id, kRecursionDesired, uint16_t{1}, uint16_t{0}, uint16_t{0}, uint16_t{0}}) {
    append_be16(query, word);
  }
  if (name.empty()) return std::nullopt;
  if (name.back() == '.') name.remove_suffix(1);
  while (!name.empty()) {
    const size_t dot = name.find('.');
    const std::string_view label = name.substr(0, dot);
    if (label.empty() || label.size() > kMostLabel) return std::nullopt;
    query.push_back(static_cast<uint8_t>(label.size()));
    query.insert(query.end(), label.begin(), label.end());
    if (dot == std::string_view::npos) break;
    name.remove_prefix(dot + 1);
    if (name.empty()) return std::nullopt;  // two dots at the end
    if (query.size() > kHeader + kMostName) return std::nullopt;
  }
  query.push_back(0);
  if (query.size() > kHeader + kMostName) return std::nullopt;
  append_be16(query, type);
  append_be16(query, kClassIn);
  return query;
}

std::variant<DnsAnswer, DnsFault> parse_dns_answer(Bytes message, Bytes query) {
  if (message.size() < 4 || load_be16(message, 0) != load_be16(query, 0)) return DnsFault::foreign;
  const uint16_t flags = load_be16(message, 2);
  if ((flags & kResponse) == 0 || (flags & kOpcode) != 0) return DnsFault::foreign;
  if (message.size() < kHeader) return DnsFault::malformed;
  const DnsAnswer answer{static_cast<uint8_t>(flags & kRcode), load_be16(message, 6)};
  const uint16_t questions = load_be16(message, 4);
  // A server that refuses may leave out the question, above all when it could not read it (FORMERR).
  if (questions == 0) return answer.rcode != 0 ? std::variant<DnsAnswer, DnsFault>(answer) : DnsFault::malformed;
  if (questions != 1) return DnsFault::malformed;
  const Bytes asked = query.subspan(kHeader), repeated = message.subspan(kHeader);
  if (repeated.size() < asked.size()) return DnsFault::malformed;
  if (!same_question(repeated, asked)) return DnsFault::foreign;
  return answer;
}

std::string dns_rcode_text(uint8_t rcode) {
  std::string out = std::to_string(rcode);
  if (rcode < kRcodes.size()) (out += " (").append(kRcodes[rcode]) += ')';
  return out;
}

}  // namespace rawvs
