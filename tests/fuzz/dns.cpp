// SPDX-License-Identifier: BSD-2-Clause
// dns.cpp: a name server's answer to a DNS check: to a query of which the input chooses name and type.
#include "input.h"
#include "wire/dns_message.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rawvs;
  fuzz::Input in({data, size});
  const std::string name(fuzz::text_of(in.take(in.byte())));
  const auto type = dns_type(fuzz::text_of(in.take(in.below(12)))).value_or(1);
  auto query = dns_query(0x1234, name, type);
  if (!query) query = dns_query(0x1234, "www.example.com", type);
  MUST(query && query->size() <= 12 + 255 + 4);
  Bytes rest = in.rest();
  // The answer repeats the question, or is what the input says it is.
  std::vector<uint8_t> answer;
  if (!rest.empty() && rest[0] % 2 == 0) {
    answer = *query;
    rest = rest.subspan(1);
    for (size_t i = 0; i < rest.size() && i < 10; ++i) answer[2 + i] ^= rest[i];
    if (rest.size() > 10) answer.insert(answer.end(), rest.begin() + 10, rest.end());
  } else {
    answer.assign(rest.begin(), rest.end());
  }
  const auto said = parse_dns_answer(answer, *query);
  if (const auto* const known = std::get_if<DnsAnswer>(&said)) {
    MUST(answer.size() >= 12 && known->rcode <= 15 && !dns_rcode_text(known->rcode).empty());
    MUST(answer[0] == 0x12 && answer[1] == 0x34);
  }
  return 0;
}
