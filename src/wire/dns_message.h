// SPDX-License-Identifier: BSD-2-Clause
// dns_message.h: a DNS query with one question, and what an answer says of it. RFC 1035 section 4.1.
// In:  a name, a type, an id; bytes from a server.   Out: the query's bytes; the answer's rcode.
// Not: sockets (probes.h), the records of an answer: whether a name server is well shows in the rcode.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "rawvs/bytes.h"

namespace rawvs {

// A, AAAA, SOA, ... in any case, and TYPE65 for any number (RFC 3597 section 5). Empty: there is no such type.
std::optional<uint16_t> dns_type(std::string_view word);

// Class IN, recursion desired. Empty when the name is none: labels have 1 to 63 bytes, all of it at most 255 on the
// wire. "." is the root; a dot at the end changes nothing.
std::optional<std::vector<uint8_t>> dns_query(uint16_t id, std::string_view name, uint16_t type);

struct DnsAnswer {
  uint8_t rcode = 0;
  uint16_t answers = 0;  // records, as the server counts them
};
enum class DnsFault : uint8_t {
  foreign,    // not an answer to this query: other id, other question, or no answer at all
  malformed,  // an answer to it, but cut short
};
// REQUIRES: query is what dns_query() made.
std::variant<DnsAnswer, DnsFault> parse_dns_answer(Bytes message, Bytes query);

std::string dns_rcode_text(uint8_t rcode);  // 2 (SERVFAIL)

}  // namespace rawvs
