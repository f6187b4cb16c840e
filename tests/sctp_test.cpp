// SPDX-License-Identifier: BSD-2-Clause
// Tests SCTP: parsing, CRC32c, the states, and the same packets through a kernel's IPVS.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <sstream>

#include "core/rewrite.h"
#include "core/sctp_state.h"
#include "random_packets.h"
#include "wire/crc32c.h"

namespace rawvs {
namespace {

using namespace test;

struct Chunk {
  uint8_t type;
  uint16_t length = 8;  // what its header says
  size_t room = 8;      // what it takes
};

FrameBytes sctp(const std::vector<Chunk>& chunks, uint16_t sport = 1001, uint16_t dport = 80) {
  FrameBytes l4(12);
  put_be16(l4.data(), sport), put_be16(l4.data() + 2, dport), put_be32(l4.data() + 4, 7);
  for (const Chunk& c : chunks) {
    const size_t at = l4.size();
    l4.resize(at + c.room);
    l4[at] = c.type;
    if (c.room >= 4) put_be16(l4.data() + at + 2, c.length);
  }
  put_slow_crc32c(l4.data(), l4.size());
  return ipv4_frame(kClientMac, kDirectorMac, "198.51.100.1", "192.0.2.100", 132, 64, 0x4000, l4);
}

std::optional<Exit> parsed(FrameBytes b, Packet& out) {
  b.shrink_to_fit();
  Frame f;
  f.data = b.data();
  f.size = static_cast<uint32_t>(b.size());
  return parse_ip(f, out);
}

TEST(Crc32c, GivesTheKnownValues) {  // RFC 3720 appendix B.4, and the customary check
  FrameBytes b(32, 0);
  EXPECT_EQ(crc32c(b), 0x8a9136aau);
  b.assign(32, 0xff);
  EXPECT_EQ(crc32c(b), 0x62a8ab43u);
  for (size_t i = 0; i < b.size(); ++i) b[i] = static_cast<uint8_t>(i);
  EXPECT_EQ(crc32c(b), 0x46dd794eu);
  const std::string digits = "123456789";
  EXPECT_EQ(crc32c(FrameBytes(digits.begin(), digits.end())), 0xe3069283u);
}

TEST(Crc32c, EightBytesAtOnceAreAsGoodAsBitByBit) {
  const auto plain = [](Bytes bytes) {
    uint32_t crc = ~0u;
    for (const uint8_t byte : bytes) {
      crc ^= byte;
      for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0u);
    }
    return ~crc;
  };
  std::mt19937 engine(5);
  FrameBytes b(200);
  for (uint8_t& byte : b) byte = static_cast<uint8_t>(engine());
  for (size_t from = 0; from < 9; ++from) {
    for (size_t size = 0; from + size <= b.size(); ++size) {
      const Bytes part = Bytes(b).subspan(from, size);
      ASSERT_EQ(crc32c(part), plain(part)) << from << ", " << size << " bytes";
    }
  }
}

TEST(Crc32c, UpdatedInPlaceEqualsComputedAnewAtAnyLength) {
  RandomPackets random(1);
  for (size_t size = 12; size < 3000; size += size < 100 ? 1 : 97) {
    FrameBytes b(size);
    for (uint8_t& x : b) x = static_cast<uint8_t>(random.below(256));
    const uint32_t check = sctp_checksum(b), before = be32(b.data()), after = random.below(0xffffffff);
    put_be32(b.data(), after);
    EXPECT_EQ(sctp_checksum_update(check, before, after, size - 4), sctp_checksum(b)) << size;
  }
}

TEST(ParseSctp, FindsPortsAndTheFirstChunk) {
  Packet p;
  ASSERT_FALSE(parsed(sctp({{SctpChunk::init, 20, 20}}), p));
  EXPECT_EQ(p.sport, Port(1001));
  EXPECT_EQ(p.dport, Port(80));
  EXPECT_EQ(p.sctp_chunk, SctpChunk::init);
}

TEST(ParseSctp, LetsAnAbortRightBehindACookieCount) {
  const auto chunk = [](const std::vector<Chunk>& chunks) {
    Packet p;
    EXPECT_FALSE(parsed(sctp(chunks), p));
    return p.sctp_chunk;
  };
  for (const uint8_t cookie : {SctpChunk::cookie_echo, SctpChunk::cookie_ack}) {
    EXPECT_EQ(chunk({{cookie}, {SctpChunk::abort}}), SctpChunk::abort);
    EXPECT_EQ(chunk({{cookie, 5, 8}, {SctpChunk::abort, 4, 4}}), SctpChunk::abort);  // padded to four bytes
    EXPECT_EQ(chunk({{cookie, 65535}, {SctpChunk::abort}}), cookie);                 // ends behind the packet
    EXPECT_EQ(chunk({{cookie, 3}, {SctpChunk::abort}}), cookie);                     // no chunk is so short
    EXPECT_EQ(chunk({{cookie}, {SctpChunk::data}, {SctpChunk::abort}}), cookie);     // not the next one
    EXPECT_EQ(chunk({{cookie}, {SctpChunk::abort, 4, 3}}), cookie);                  // cut
    EXPECT_EQ(chunk({{cookie, 4, 4}}), cookie);
  }
  EXPECT_EQ(chunk({{SctpChunk::data}, {SctpChunk::abort}}), SctpChunk::data);
}

TEST(ParseSctp, RefusesWhatHasNoChunkOrNoPort) {
  Packet p;
  EXPECT_EQ(parsed(sctp({}), p), Exit::truncated);
  EXPECT_EQ(parsed(sctp({{1, 8, 3}}), p), Exit::truncated);
  EXPECT_EQ(parsed(sctp({{1}}, 0), p), Exit::zero_port);
  EXPECT_EQ(parsed(sctp({{1}}, 1001, 0), p), Exit::zero_port);
}

TEST(ParseSctp, NeverReadsPastAnyTruncation) {
  const FrameBytes whole = sctp({{SctpChunk::cookie_echo}, {SctpChunk::abort}});
  for (size_t keep = 34; keep < whole.size(); ++keep) {  // the IP header agrees each time
    FrameBytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(keep));
    put_be16(cut.data() + 16, static_cast<unsigned>(keep - 14));
    fix_ip_checksum(cut);
    Packet p;
    EXPECT_EQ(parsed(cut, p).has_value(), keep < 50) << keep;
    if (keep >= 50) {
      EXPECT_EQ(p.sctp_chunk, keep < 58 ? SctpChunk::cookie_echo : SctpChunk::abort) << keep;
    }
  }
}

TEST(ParseSctp, KnowsWhetherTheChecksumIsRight) {
  RandomPackets random(2);
  for (int round = 0; round < 200; ++round) {
    Sample s = random.make(Protocol::sctp);
    EXPECT_TRUE(l4_checksum_right(s.frame, s.packet));
    s.frame.data[s.frame.size - 1 - random.below(s.packet.l4_size())] ^= static_cast<uint8_t>(1u << random.below(8));
    EXPECT_FALSE(l4_checksum_right(s.frame, s.packet));
    s.frame.offload.flags = Offload::needs_checksum;
    EXPECT_TRUE(l4_checksum_right(s.frame, s.packet));
  }
}

// lvs-facts 2.5: direction, chunk, and the next state from each state.
constexpr const char* kTable = R"(
in      DATA/SACK/HB/other EST    INIT1  INIT   CSENT  CREPL  CWAIT  COOK   CECHO  EST    SSENT  SRECV  SACKS  REJ    CLOSED
in      INIT               INIT1  INIT   INIT   CSENT  CREPL  CWAIT  COOK   CECHO  EST    SSENT  SRECV  SACKS  INIT   INIT
in      INIT-ACK           CWAIT  CWAIT  CWAIT  CSENT  CREPL  COOK   COOK   CECHO  EST    SSENT  SRECV  SACKS  REJ    CLOSED
in      COOKIE-ECHO        CREPL  INIT   INIT   CREPL  CREPL  CWAIT  COOK   CECHO  EST    SSENT  SRECV  SACKS  REJ    CLOSED
in      COOKIE-ACK         EST    INIT1  INIT   CSENT  CREPL  CWAIT  COOK   EST    EST    SSENT  SRECV  SACKS  REJ    CLOSED
in      SHUTDOWN           SRECV  INIT1  INIT   CSENT  CREPL  CWAIT  COOK   CECHO  SRECV  SSENT  SRECV  SACKS  REJ    CLOSED
in      SHUTDOWN-ACK       CLOSED INIT   INIT   CSENT  CREPL  CWAIT  COOK   CECHO  EST    CLOSED SRECV  CLOSED REJ    CLOSED
in      SHUTDOWN-COMPLETE  CLOSED CLOSED CLOSED CSENT  CREPL  CWAIT  COOK   CECHO  EST    SSENT  SRECV  CLOSED REJ    CLOSED
in      ERROR              CLOSED INIT1  INIT   CSENT  CREPL  CWAIT  COOK   CLOSED EST    SSENT  SRECV  SACKS  REJ    CLOSED
in      ABORT              CLOSED CLOSED CLOSED CLOSED CLOSED REJ    CLOSED CLOSED CLOSED CLOSED CLOSED CLOSED CLOSED CLOSED
out     DATA/SACK/HB/other EST    INIT1  INIT   CSENT  CREPL  CWAIT  COOK   CECHO  EST    SSENT  SRECV  SACKS  REJ    CLOSED
out     INIT               CWAIT  CWAIT  CWAIT  CWAIT  CWAIT  CWAIT  CWAIT  CWAIT  EST    CWAIT  CWAIT  CWAIT  CWAIT  CWAIT
out     INIT-ACK           CSENT  CSENT  CSENT  CSENT  CREPL  CWAIT  COOK   CECHO  EST    SSENT  SRECV  SACKS  REJ    CLOSED
out     COOKIE-ECHO        CECHO  CECHO  CECHO  CECHO  CECHO  CECHO  CECHO  CECHO  EST    SSENT  SRECV  SACKS  REJ    CLOSED
out     COOKIE-ACK         EST    EST    EST    EST    EST    EST    EST    EST    EST    SSENT  SRECV  SACKS  REJ    CLOSED
out     SHUTDOWN           SSENT  SSENT  SSENT  SSENT  SSENT  SSENT  SSENT  SSENT  SSENT  SSENT  SRECV  SACKS  REJ    CLOSED
out     SHUTDOWN-ACK       SACKS  SACKS  SACKS  SACKS  SACKS  CWAIT  COOK   CECHO  EST    SACKS  SACKS  SACKS  REJ    CLOSED
out     SHUTDOWN-COMPLETE  CLOSED INIT1  INIT   CSENT  CREPL  CWAIT  COOK   CECHO  EST    SSENT  SRECV  SACKS  REJ    CLOSED
out     ERROR              CLOSED CLOSED CLOSED CLOSED CLOSED CWAIT  COOK   CECHO  EST    SSENT  SRECV  SACKS  REJ    CLOSED
out     ABORT              CLOSED REJ    CLOSED CLOSED CLOSED CLOSED CLOSED CLOSED CLOSED CLOSED CLOSED CLOSED CLOSED CLOSED
in-only DATA/SACK/HB/other EST    INIT1  INIT   CSENT  CREPL  EST    COOK   CECHO  EST    SSENT  SRECV  SACKS  REJ    CLOSED
in-only INIT               INIT1  INIT   INIT   INIT   INIT   INIT   COOK   CECHO  EST    SSENT  SRECV  SACKS  INIT   INIT
in-only INIT-ACK           CECHO  CECHO  CECHO  CECHO  CECHO  CECHO  COOK   CECHO  EST    SSENT  SRECV  SACKS  REJ    CLOSED
in-only COOKIE-ECHO        EST    EST    EST    EST    EST    EST    COOK   CECHO  EST    SSENT  SRECV  SACKS  REJ    CLOSED
in-only COOKIE-ACK         EST    INIT1  INIT   EST    EST    CWAIT  EST    EST    EST    SSENT  SRECV  SACKS  REJ    CLOSED
in-only SHUTDOWN           SRECV  INIT1  INIT   CSENT  CREPL  CWAIT  COOK   CECHO  SRECV  SSENT  SRECV  SACKS  REJ    CLOSED
in-only SHUTDOWN-ACK       CLOSED INIT   INIT   CSENT  CREPL  CWAIT  COOK   CECHO  CLOSED CLOSED SRECV  CLOSED REJ    CLOSED
in-only SHUTDOWN-COMPLETE  CLOSED CLOSED CLOSED CLOSED CLOSED CWAIT  COOK   CECHO  EST    SSENT  CLOSED CLOSED REJ    CLOSED
in-only ERROR              CLOSED INIT1  INIT   CSENT  CREPL  CWAIT  COOK   CECHO  EST    SSENT  SRECV  SACKS  REJ    CLOSED
in-only ABORT              CLOSED CLOSED CLOSED CLOSED CLOSED REJ    CLOSED CLOSED CLOSED CLOSED CLOSED CLOSED CLOSED CLOSED
)";
constexpr const char* kColumns = "NONE INIT1 INIT CSENT CREPL CWAIT COOK CECHO EST SSENT SRECV SACKS REJ CLOSED";

const std::map<std::string, std::vector<int>> kChunks = {
    {"DATA/SACK/HB/other", {0, 3, 4, 5, 12, 13, 15, 64, 128, 192, 193, 255}},
    {"INIT", {1}},
    {"INIT-ACK", {2}},
    {"ABORT", {6}},
    {"SHUTDOWN", {7}},
    {"SHUTDOWN-ACK", {8}},
    {"ERROR", {9}},
    {"COOKIE-ECHO", {10}},
    {"COOKIE-ACK", {11}},
    {"SHUTDOWN-COMPLETE", {14}},
};
const std::map<std::string, Direction> kDirections = {
    {"in", Direction::input}, {"out", Direction::output}, {"in-only", Direction::input_only}};

std::vector<std::string> split(const std::string& line) {
  std::istringstream in(line);
  return {std::istream_iterator<std::string>(in), {}};
}

TEST(SctpState, StepsAsTheKernelDoesFromEveryStateOnEveryChunk) {
  const std::vector<std::string> columns = split(kColumns);
  ASSERT_EQ(columns.size(), static_cast<size_t>(SctpState::count_));
  std::istringstream lines(kTable);
  int cells = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::vector<std::string> words = split(line);
    if (words.empty()) continue;
    ASSERT_EQ(words.size(), columns.size() + 2) << line;
    for (size_t from = 0; from < columns.size(); ++from) {
      for (const int chunk : kChunks.at(words[1])) {
        const SctpState next =
            step(static_cast<SctpState>(from), kDirections.at(words[0]), static_cast<uint8_t>(chunk));
        EXPECT_EQ(columns[static_cast<size_t>(next)], words[from + 2])
            << words[0] << ' ' << words[1] << " from " << columns[from];
      }
      ++cells;
    }
  }
  EXPECT_EQ(cells, 3 * 10 * 14);
}

TEST(SctpState, IsNamedAndTimedAsTheKernelDoes) {
  std::string all;
  for (uint8_t i = 0; i < static_cast<uint8_t>(SctpState::count_); ++i) {
    const auto state = static_cast<SctpState>(i);
    all += std::string(name(state)) + ' ' + std::to_string(timeout(state).count() / 1000) + '\n';
  }
  EXPECT_EQ(all,
            "NONE 2\nINIT1 4\nINIT 61\nC-SENT 61\nC-REPLIED 61\nC-WAIT 61\nCOOKIE 61\nC-ECHOED 61\n"
            "ESTABLISHED 900\nS-SENT 61\nS-RECEIVED 61\nS-ACK-SENT 61\nREJECTED 4\nCLOSED 61\n");
  EXPECT_TRUE(active(SctpState::established));
  EXPECT_FALSE(active(SctpState::init));
}

// What a kernel's IPVS (6.1) made of these packets: 192.0.2.100:80 by NAT to 192.0.2.11:8080.
FrameBytes hex(const std::string& digits) {
  FrameBytes b(14);
  for (size_t i = 0; i < digits.size(); i += 2)
    b.push_back(static_cast<uint8_t>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  return b;
}

struct Recorded {
  FrameBytes bytes, want;
  Frame frame{};
  Packet packet{};
  Recorded(const std::string& sent, const std::string& got) : bytes(hex(sent)), want(hex(got)) {
    frame.data = bytes.data();
    frame.size = static_cast<uint32_t>(bytes.size());
    EXPECT_FALSE(parse_ip(frame, packet));
    decrement_ttl(frame, packet);
  }
};
constexpr Ip kVip(0xc0000264), kServer(0xc000020b);

TEST(SctpNat, GivesTheKernelsBytesInBothDirections) {
  Recorded in("450000280001400040844db8c6336401c000026403e9005000000007582883ee0100000800000000",
              "45000028000140003f844f11c6336401c000020b03e91f9000000007992b37880100000800000000");
  rewrite_destination(in.frame, in.packet, kServer, Port(8080));
  EXPECT_EQ(in.bytes, in.want);
  Recorded out("450000280001400040844e11c000020bc63364011f9003e9000000070ef768af0200000800000000",
               "45000028000140003f844eb8c0000264c6336401005003e900000007c4c64eab0200000800000000");
  rewrite_source(out.frame, out.packet, kVip, Port(80));
  EXPECT_EQ(out.bytes, out.want);
}

TEST(SctpNat, GivesTheKernelsErrorsInBothDirections) {
  Recorded in(
      "450000380001400040014e2bc6336401c00002640304f34300000578450000280001400040844db8c0000264c6336401005003e90000"
      "0007",
      "45000038000140003f014f84c6336401c000020b0304d40300000578450000280001400040844e11c000020bc63364011f9003e90000"
      "0007");
  const auto from_client = parse_quote(in.frame, in.packet);
  ASSERT_TRUE(from_client);
  EXPECT_EQ(in.packet.icmp_mtu, 1400);
  rewrite_error_destination(in.frame, in.packet, *from_client, kServer, Port(8080));
  EXPECT_EQ(in.bytes, in.want);
  Recorded out(
      "450000440001400040014e78c000020bc633640103030f5d0000000045000028000140003f844f11c6336401c000020b03e91f900000"
      "0007be560bc10000000800000000",
      "45000044000140003f014f1fc0000264c633640103032e9d0000000045000028000140003f844eb8c6336401c000026403e900500000"
      "0007be560bc10000000800000000");
  const auto from_server = parse_quote(out.frame, out.packet);
  ASSERT_TRUE(from_server);
  EXPECT_EQ(out.packet.icmp_mtu, 0);
  rewrite_error_source(out.frame, out.packet, *from_server, kVip, Port(80));
  EXPECT_EQ(out.bytes, out.want);
}

}  // namespace
}  // namespace rawvs
