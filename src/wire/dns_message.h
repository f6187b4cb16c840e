// SPDX-License-Identifier: BSD-2-Clause
// dns_message.h: builds a DNS query with one question, and reads the answer's rcode.
// In:  a name, a type, an id; bytes from a server.
// Out: the query's bytes; the answer's rcode and number of records.
// Not: sockets (sys/probe), the answer's records: the rcode shows whether a name server works.
// RFC: 1035 section 4.1.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "rawvs/bytes.h"

namespace rawvs {

// Takes A, AAAA, SOA, ... in any case, and TYPE65 for any number (RFC 3597 section 5). Empty: unknown type.
std::optional<uint16_t> dns_type(std::string_view word);

// Class IN, recursion desired. Empty when the name is not valid: labels have 1 to 63 bytes, the name at most 255 on the
// wire. "." is the root; a dot at the end changes nothing.
std::optional<std::vector<uint8_t>> dns_query(uint16_t id, std::string_view name, uint16_t type);

struct DnsAnswer {
  uint8_t rcode = 0;
  uint16_t answers = 0;  // records, by the header's count
};
enum class DnsFault : uint8_t {
  foreign,    // not an answer to this query: another id, another question, or a query
  malformed,  // an answer to this query, but cut short
};
// REQUIRES: query was made by dns_query().
std::variant<DnsAnswer, DnsFault> parse_dns_answer(Bytes message, Bytes query);

std::string dns_rcode_text(uint8_t rcode);  // 2 (SERVFAIL)

}  // namespace rawvs
