// SPDX-License-Identifier: BSD-2-Clause
// Tests dns_message.h: queries byte for byte; answers whole, cut and to other queries.
#include "wire/dns_message.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace rawvs {
namespace {

using Message = std::vector<uint8_t>;

Message query() { return *dns_query(0x1234, "www.Example.com", 1); }

Message answer_to(const Message& asked, uint8_t rcode, uint16_t records = 0) {
  Message answer = asked;
  store_be16(answer, 2, static_cast<uint16_t>(0x8180 | rcode));
  store_be16(answer, 6, records);
  return answer;
}

DnsFault fault_of(Bytes message, Bytes asked) {
  const auto parsed = parse_dns_answer(message, asked);
  const auto* const fault = std::get_if<DnsFault>(&parsed);
  EXPECT_TRUE(fault);
  return fault ? *fault : DnsFault{0xff};
}

TEST(DnsQuery, IsAHeaderAndAQuestion) {
  const Message expected = {0x12, 0x34, 0x01, 0,   0,   1,   0,   0, 0,   0,   0,   0, 3, 'w', 'w', 'w', 7,
                            'E',  'x',  'a',  'm', 'p', 'l', 'e', 3, 'c', 'o', 'm', 0, 0, 1,   0,   1};
  EXPECT_EQ(query(), expected);
  EXPECT_EQ(*dns_query(0x1234, "www.Example.com.", 1), expected);
}

TEST(DnsQuery, CanAskForTheRoot) {
  const Message expected = {0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 1};
  EXPECT_EQ(*dns_query(1, ".", *dns_type("soa")), expected);
}

TEST(DnsQuery, RefusesWhatIsNoName) {
  const std::string label(63, 'a');
  EXPECT_TRUE(dns_query(1, label + ".b", 1));
  for (const std::string& name : {std::string(), std::string(".."), std::string(".a"), std::string("a..b"),
                                  std::string("a.."), label + "a", label + "a.b"}) {
    EXPECT_FALSE(dns_query(1, name, 1)) << name;
  }
  const std::string three = label + "." + label + "." + label + ".";  // 3 * 64 bytes on the wire, and 1 for the root
  EXPECT_TRUE(dns_query(1, three + std::string(61, 'b'), 1)) << "255 bytes";
  EXPECT_FALSE(dns_query(1, three + std::string(62, 'b'), 1)) << "256 bytes";
  EXPECT_FALSE(dns_query(1, std::string(100000, '.'), 1));
}

TEST(DnsType, KnowsWordsAndNumbers) {
  EXPECT_EQ(dns_type("A"), 1);
  EXPECT_EQ(dns_type("aaaa"), 28);
  EXPECT_EQ(dns_type("TYPE65"), 65);
  EXPECT_EQ(dns_type("type65535"), 65535);
  for (const std::string word : {"", "B", "TYPE", "TYPE0", "TYPE65536", "TYPE-1", "1"})
    EXPECT_FALSE(dns_type(word)) << word;
}

TEST(DnsAnswer, HasItsRcode) {
  for (uint8_t rcode = 0; rcode < 16; ++rcode) {
    const auto parsed = parse_dns_answer(answer_to(query(), rcode, 2), query());
    const auto* const answer = std::get_if<DnsAnswer>(&parsed);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->rcode, rcode);
    EXPECT_EQ(answer->answers, 2);
  }
}

TEST(DnsAnswer, MayWriteTheNameInAnotherCaseAndHaveRecordsBehindIt) {
  Message answer = answer_to(*dns_query(0x1234, "WWW.example.COM", 1), 0, 1);
  answer.insert(answer.end(), {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1});
  const auto parsed = parse_dns_answer(answer, query());
  EXPECT_TRUE(std::holds_alternative<DnsAnswer>(parsed));
}

TEST(DnsAnswer, ToSomethingElseIsForeign) {
  const Message asked = query();
  EXPECT_EQ(fault_of(asked, asked), DnsFault::foreign) << "a query is no answer";
  EXPECT_EQ(fault_of({}, asked), DnsFault::foreign);
  EXPECT_EQ(fault_of(answer_to(*dns_query(0x1235, "www.example.com", 1), 0), asked), DnsFault::foreign);
  EXPECT_EQ(fault_of(answer_to(*dns_query(0x1234, "wwx.example.com", 1), 0), asked), DnsFault::foreign);
  EXPECT_EQ(fault_of(answer_to(*dns_query(0x1234, "www.example.com", 2), 0), asked), DnsFault::foreign);
  Message notify = answer_to(asked, 0);
  notify[2] = static_cast<uint8_t>(notify[2] | 4 << 3);
  EXPECT_EQ(fault_of(notify, asked), DnsFault::foreign);
}

TEST(DnsAnswer, IsNeverReadPastItsEnd) {  // under ASan: each copy has exactly `keep` bytes
  const Message whole = answer_to(query(), 0);
  for (size_t keep = 0; keep < whole.size(); ++keep) {
    const Message cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(keep));
    EXPECT_EQ(fault_of(cut, query()), keep < 4 ? DnsFault::foreign : DnsFault::malformed) << keep;
  }
}

TEST(DnsAnswer, MayLeaveTheQuestionOutWhenItRefuses) {
  Message refused = answer_to(query(), 1);
  refused.resize(12);
  refused[5] = 0;
  const auto parsed = parse_dns_answer(refused, query());
  ASSERT_TRUE(std::holds_alternative<DnsAnswer>(parsed));
  EXPECT_EQ(std::get<DnsAnswer>(parsed).rcode, 1);
  refused[3] = 0x80;  // NOERROR to no question
  EXPECT_EQ(fault_of(refused, query()), DnsFault::malformed);
  Message two = answer_to(query(), 0);
  two[5] = 2;
  EXPECT_EQ(fault_of(two, query()), DnsFault::malformed);
}

TEST(DnsRcode, HasANameWhereThereIsOne) {
  EXPECT_EQ(dns_rcode_text(0), "0 (NOERROR)");
  EXPECT_EQ(dns_rcode_text(2), "2 (SERVFAIL)");
  EXPECT_EQ(dns_rcode_text(5), "5 (REFUSED)");
  EXPECT_EQ(dns_rcode_text(15), "15");
}

}  // namespace
}  // namespace rawvs
