// SPDX-License-Identifier: BSD-2-Clause
// Tests messages of the sync protocol: a kernel's are read, and built again byte for byte; invalid ones are refused.
#include "wire/sync_message.h"

#include <gtest/gtest.h>

#include <random>

#include "core/service.h"
#include "frames.h"
#include "sync_recorded.h"

namespace rawvs {
namespace {

using namespace test;

std::string says(const SyncEntry& e) {
  const auto flag = [&](uint32_t bit, const char* word) { return (e.flags & bit) != 0 ? word : ""; };
  return std::string(name(e.protocol)) + ' ' + text(e.client) + ' ' + text(e.vip) + ' ' + text(e.server) + ' ' +
         name(static_cast<Method>(e.flags & SyncFlags::method_mask)) + " state " + std::to_string(e.state) +
         flag(0x10000, " conntrack") + flag(SyncFlags::no_output, " no-output") +
         flag(SyncFlags::inactive, " inactive") + flag(SyncFlags::persistence, " template") + " mark " +
         std::to_string(e.mark.value) + " timeout " + std::to_string(e.timeout) + '\n';
}

// Its entries, or the name of why it, or one of them, is refused.
std::string read(const Datagram& d) {
  SyncMessage m;
  if (const auto why = parse_sync(d, m)) return name(*why);
  std::string all;
  SyncEntries rest(m);
  std::optional<SyncRefusal> why;
  for (SyncEntry e; rest.next(e, why);) all += why ? std::string(name(*why)) + '\n' : says(e);
  return all;
}

SyncEntry entry() {
  return {.protocol = Protocol::tcp,
          .state = 1,
          .flags = 3 | SyncFlags::no_output,
          .client = {ip("198.51.100.1"), Port(1001)},
          .vip = {ip("192.0.2.100"), Port(80)},
          .server = {ip("192.0.2.11"), Port(80)},
          .timeout = 900};
}
Datagram built(const std::vector<SyncEntry>& entries) {
  SyncComposer composer(7, 1472, 0);
  for (const SyncEntry& e : entries) EXPECT_TRUE(composer.add(e));
  const Bytes b = composer.finish();
  return {b.begin(), b.end()};
}
SyncDigest sum(Bytes b) {  // in the place of HMAC-SHA256
  SyncDigest digest{};
  for (size_t i = 0; i < b.size(); ++i) digest[i % 32] = static_cast<uint8_t>(digest[i % 32] * 3 + b[i] + i);
  return digest;
}

TEST(SyncMessage, ReadsWhatAKernelSent) {
  for (const RecordedSync& r : kRecordedSync) {
    SyncMessage m;
    const Datagram d = from_hex(r.bytes);
    ASSERT_FALSE(parse_sync(d, m)) << r.name;
    EXPECT_EQ(m.id, 7);
    EXPECT_FALSE(m.trailer);
    EXPECT_EQ(m.version, std::string_view(r.name).starts_with("version_0") ? 0 : 1);
    EXPECT_EQ(read(d), r.says) << r.name;
  }
}

TEST(SyncMessage, BuildsTheSameBytesAsAKernel) {
  for (const RecordedSync& r : kRecordedSync) {
    const Datagram d = from_hex(r.bytes);
    SyncMessage m;
    ASSERT_FALSE(parse_sync(d, m));
    if (m.version == 0) continue;
    std::vector<SyncEntry> all;
    SyncEntries rest(m);
    std::optional<SyncRefusal> why;
    for (SyncEntry e; rest.next(e, why);) all.push_back(e);
    EXPECT_EQ(to_hex(built(all)), r.bytes) << r.name;
  }
}

// By the format's description: no kernel of today sends these of itself.
constexpr char kWithParameters[] =
    "0007008802010000"  // the header
    "0006003e"
    "00000600"
    "000103e9"
    "00500050"
    "00000000"
    "00000384"
    "c6336401"
    "c0000264"
    "c000020b"
    "0118"
    "000003e8"
    "00000001"
    "ffffffff"
    "00001388"
    "fffffffe"
    "00000000"  // shifts
    "0000"      // padding
    "00110040"
    "00000183"
    "000003e9"
    "00350035"
    "00000000"
    "0000012c"
    "c6336401"
    "c0000264"
    "c000020b"
    "0205"
    "68656c6c6f"
    "0303"
    "736970"  // engine: data, name
    "500c"
    "00001388"
    "020000000001"
    "01"
    "00"
    "6a01"
    "00";  // ours; one nobody knows

TEST(SyncMessage, ReadsParameters) {
  Datagram d = from_hex(kWithParameters);
  d[2] = static_cast<uint8_t>(d.size() >> 8), d[3] = static_cast<uint8_t>(d.size());
  d[8 + 64 + 3] = static_cast<uint8_t>(d.size() - 8 - 64);
  SyncMessage m;
  ASSERT_EQ(parse_sync(d, m), std::nullopt);
  SyncEntries rest(m);
  SyncEntry e;
  std::optional<SyncRefusal> why;
  ASSERT_TRUE(rest.next(e, why));
  EXPECT_EQ(e.shifts, (SyncShifts{{1000, 1, 0xffffffff}, {5000, 0xfffffffe, 0}}));
  EXPECT_FALSE(e.extra);
  ASSERT_TRUE(rest.next(e, why));
  EXPECT_FALSE(why);
  EXPECT_EQ(std::string(e.engine_data.begin(), e.engine_data.end()), "hello");
  EXPECT_EQ(std::string(e.engine_name.begin(), e.engine_name.end()), "sip");
  EXPECT_EQ(e.extra, (SyncExtra{5s, kClientMac, Link{1}}));
  EXPECT_FALSE(e.shifts);
  EXPECT_FALSE(rest.next(e, why));
}

TEST(SyncMessage, BuildsParametersAndPadsBetweenEntriesOnly) {
  SyncEntry first = entry();
  first.flags = SyncFlags::server_shift | SyncFlags::client_shift;
  first.shifts = SyncShifts{{1000, 1, 0xffffffff}, {5000, 0xfffffffe, 0}};
  EXPECT_EQ(to_hex(built({first})), std::string("0007004601010000") + std::string(kWithParameters).substr(16, 124));
  const Datagram both = built({first, entry()});
  EXPECT_EQ(both.size(), 8u + 64 + 36);
  EXPECT_EQ(to_hex(both).substr(2 * (8 + 62), 4), "0000");
  SyncEntry with_engine = entry();
  const Datagram data = from_hex("68656c6c6f"), engine = from_hex("736970");
  with_engine.engine_data = data, with_engine.engine_name = engine;
  EXPECT_EQ(to_hex(built({with_engine})).substr(2 * 44), "020568656c6c6f0303736970");
}

TEST(SyncMessage, ATrailerStandsBehindTheEntriesWhereAKernelDoesNotLook) {
  SyncComposer composer(7, 1472, kSyncTrailer);
  SyncEntry e = entry();
  e.extra = SyncExtra{900s, kClientMac, Link{}};
  ASSERT_TRUE(composer.add(e));
  const SyncTrailer trailer{.complete = true, .sender = 0x01020304, .number = 9};
  const Bytes b = composer.finish(trailer, {}, UnixTime(1));
  EXPECT_EQ(to_hex(b),
            "0007004c01010000"
            "0006003200000083000103e9005000500000000000000384c6336401c0000264c000020b"
            "500c000dbba0020000000001000000007276733102000000"
            "0102030400000009");
  SyncMessage m;
  ASSERT_FALSE(parse_sync(b, m));
  EXPECT_EQ(m.trailer, trailer);
  EXPECT_TRUE(m.seal.empty());
  EXPECT_TRUE(composer.empty());
  EXPECT_EQ(to_hex(composer.finish({.request = true, .sender = 1, .number = 10}, {}, UnixTime(1))),
            "0007001800010000"
            "72767331010000000000000100"
            "00000a");
}

TEST(SyncMessage, ASealIsOverAllBeforeIt) {
  SyncComposer composer(7, 1472, kSyncSealedTrailer);
  ASSERT_TRUE(composer.add(entry()));
  const Bytes b = composer.finish({.sender = 5, .number = 6}, sum, UnixTime(0x0102030405060708));
  Datagram d(b.begin(), b.end());
  ASSERT_EQ(d.size(), 8u + 36 + 56);
  SyncMessage m;
  ASSERT_FALSE(parse_sync(d, m));
  EXPECT_EQ(m.trailer, (SyncTrailer{.sender = 5, .number = 6}));
  EXPECT_EQ(m.time.value, 0x0102030405060708u);
  EXPECT_EQ(m.sealed.size(), d.size() - 32);
  EXPECT_TRUE(same(sum(m.sealed), m.seal));
  d.back() ^= 0x80;
  EXPECT_FALSE(same(sum(m.sealed), m.seal));
  EXPECT_FALSE(same(sum(m.sealed), m.seal.first(31)));
}

TEST(SyncMessage, RefusesByName) {
  const Datagram good = from_hex(kRecordedSync[0].bytes);
  const auto with = [&](size_t at, uint8_t value) {
    Datagram d = good;
    d[at] = value;
    return read(d);
  };
  const auto parameters = [&](std::string_view hexes) {
    Datagram d = good;
    const Datagram more = from_hex(hexes);
    d.insert(d.end(), more.begin(), more.end());
    d[3] = static_cast<uint8_t>(d.size());
    d[11] = static_cast<uint8_t>(d.size() - 8);
    return read(d);
  };
  const std::string fine = kRecordedSync[0].says;
  EXPECT_EQ(read({}), "truncated");
  EXPECT_EQ(read({0, 7, 0}), "truncated");
  EXPECT_EQ(with(3, 45), "bad-length");
  EXPECT_EQ(with(5, 2), "unknown-version");
  EXPECT_EQ(with(7, 1), "unknown-version");
  EXPECT_EQ(with(4, 2), "truncated");
  EXPECT_EQ(with(4, 0), "");  // what a kernel does not look at
  EXPECT_EQ(with(10, 0x10), "unknown-entry-version");
  EXPECT_EQ(with(11, 35), "bad-entry-size");
  EXPECT_EQ(with(11, 37), "bad-entry-size");
  EXPECT_EQ(with(8, 2), "unknown-entry-type");
  EXPECT_EQ(with(8, 1), "bad-entry-size");  // IPv6 is longer
  EXPECT_EQ(parameters("01"), "bad-parameter");
  EXPECT_EQ(parameters("0200"), "bad-parameter");
  EXPECT_EQ(parameters("0202aa"), "bad-parameter");
  EXPECT_EQ(parameters("0102aaaa"), "bad-parameter");
  EXPECT_EQ(parameters("0201aa0201aa"), "bad-parameter");
  EXPECT_EQ(parameters("0311"
                       "61616161616161616161616161616161"
                       "61"),
            "bad-parameter");
  EXPECT_EQ(parameters("0401aa"), "unknown-parameter\n");
  EXPECT_EQ(parameters("4401aa"), fine);
  EXPECT_EQ(parameters("5001aa"), fine);  // ours, of another length than ours
  EXPECT_EQ(parameters("0201aa"), fine);
}

// Of a client's template of mark 10, as IPVS writes it: the mark is the first word of the VIP.
constexpr const char* kIpv6Entry =
    "01000048"
    "00001183"
    "0000"
    "0000"
    "0000"
    "0000"
    "00000000"
    "00000168"
    "20010db800c600000000000000000000"
    "0000000a000000000000000000000000"
    "20010db8000000000000000000000011";

TEST(SyncMessage, ReadsAnEntryOfIpv6AndTheNextOne) {
  Datagram d = from_hex(std::string("0007007402010000") + kIpv6Entry);
  const Datagram other = from_hex(kRecordedSync[0].bytes);
  d.insert(d.end(), other.begin() + 8, other.end());
  ASSERT_EQ(d.size(), 0x74u);
  const std::string says =
      "ip [2001:db8:c6::]:0 [0:a::]:0 [2001:db8::11]:0 DR state 0 no-output inactive template mark 0 timeout 360\n";
  EXPECT_EQ(read(d), says + kRecordedSync[0].says);
  for (const size_t place : {0u, 1u, 2u}) {  // ::ffff:192.0.2.1 is no address of IPv6
    Datagram mapped = d;
    const Datagram address = from_hex("00000000000000000000ffffc0000201");
    std::ranges::copy(address, mapped.begin() + static_cast<std::ptrdiff_t>(8 + 24 + 16 * place));
    EXPECT_EQ(read(mapped), "mapped-address\n" + std::string(kRecordedSync[0].says));
  }
}

TEST(SyncMessage, AnEntryOfIpv6IsBuiltAsItWasRead) {
  const Datagram d = from_hex(std::string("0007005001010000") + kIpv6Entry);
  SyncMessage m;
  ASSERT_FALSE(parse_sync(d, m));
  SyncEntries rest(m);
  SyncEntry e;
  std::optional<SyncRefusal> why;
  ASSERT_TRUE(rest.next(e, why));
  EXPECT_EQ(built({e}), d);
  for (size_t keep = 0; keep < d.size(); ++keep) {  // each copy has exactly `keep` bytes
    Datagram cut(d.begin(), d.begin() + static_cast<std::ptrdiff_t>(keep));
    if (keep >= 4) cut[3] = static_cast<uint8_t>(keep);
    EXPECT_EQ(read(cut).find("ip"), std::string::npos) << keep;
  }
  // With all that rawvs adds it fits the shortest message; a server of the other family fits none.
  e.shifts.emplace(), e.extra.emplace();
  SyncComposer least(0, 1, kSyncSealedTrailer);
  EXPECT_TRUE(least.add(e));
  e.server.addr = ip("192.0.2.11");
  EXPECT_FALSE(least.add(e));
}

TEST(SyncMessage, Version0WithShiftsIsReadWithoutThem) {
  Datagram d = from_hex("0107001c000603e900500050c6336401c0000264c000020b02000001");
  EXPECT_EQ(read(d), "bad-entry-size");
  d.resize(28 + 24, 0xee);
  d[3] = static_cast<uint8_t>(d.size());
  EXPECT_EQ(read(d), "tcp 198.51.100.1:1001 192.0.2.100:80 192.0.2.11:80 NAT state 1 mark 0 timeout 0\n");
}

TEST(SyncMessage, AMessageHasItsLengthAndNoMoreThan255Entries) {
  for (const auto& [most, trailer, fit] : {std::tuple<size_t, size_t, size_t>{1472, 0, 40},
                                           {1472, kSyncTrailer, 40},
                                           {1472, kSyncSealedTrailer, 39},
                                           {1, 0, 4},
                                           {100000, 0, 255}}) {
    SyncComposer composer(0, most, trailer);
    size_t n = 0;
    while (n < 1000 && composer.add(entry())) ++n;
    EXPECT_EQ(n, fit) << most;
    const Bytes b =
        trailer == 0 ? composer.finish() : composer.finish({}, trailer == 56 ? SyncSeal(sum) : SyncSeal(), {});
    EXPECT_LE(b.size(), std::clamp<size_t>(most, kSyncLeast, kSyncMost));
    SyncMessage m;
    EXPECT_FALSE(parse_sync(b, m));
    EXPECT_EQ(m.count, n);
    EXPECT_TRUE(composer.add(entry()));  // begins another
  }
  SyncEntry longest = entry();
  longest.shifts.emplace(), longest.extra.emplace();
  SyncComposer least(0, 1, kSyncSealedTrailer);
  EXPECT_TRUE(least.add(longest));
  const Datagram too_long(256);
  longest.engine_data = too_long;
  EXPECT_FALSE(least.add(longest));
}

TEST(SyncMessage, NeverReadsPastAnyTruncation) {  // each copy has exactly `keep` bytes
  Datagram d = from_hex(kWithParameters);
  d[8 + 64 + 3] = static_cast<uint8_t>(d.size() - 8 - 64);
  for (size_t keep = 0; keep <= d.size(); ++keep) {
    Datagram cut(d.begin(), d.begin() + static_cast<std::ptrdiff_t>(keep));
    if (keep >= 4) cut[2] = static_cast<uint8_t>(keep >> 8), cut[3] = static_cast<uint8_t>(keep);
    const std::string said = read(cut);
    EXPECT_EQ(said.find("tcp") != std::string::npos, keep == d.size()) << keep;
  }
}

TEST(SyncMessage, WhatEverComesEveryEntryLiesInsideIt) {  // run under ASan
  std::mt19937 engine(3);
  const auto random = [&](size_t n) { return static_cast<size_t>(engine()) % n; };
  size_t sound = 0;
  for (int round = 0; round < 60000; ++round) {
    Datagram d = round % 11 == 0  ? from_hex(std::string("0007005001010000") + kIpv6Entry)
                 : round % 7 == 0 ? from_hex(kWithParameters)
                                  : from_hex(kRecordedSync[random(std::size(kRecordedSync))].bytes);
    for (size_t n = random(4); n-- > 0;) d[random(d.size())] = static_cast<uint8_t>(engine());
    if (random(3) == 0) d.resize(random(d.size()) + 1);
    if (random(4) != 0 && d.size() >= 4)
      d[2] = static_cast<uint8_t>(d.size() >> 8), d[3] = static_cast<uint8_t>(d.size());
    SyncMessage m;
    if (parse_sync(d, m)) continue;
    ++sound;
    SyncEntries rest(m);
    std::optional<SyncRefusal> why;
    unsigned count = 0;
    for (SyncEntry e; rest.next(e, why); ++count) {
      for (const Bytes b : {e.engine_data, e.engine_name}) {
        if (!b.empty()) {
          ASSERT_TRUE(b.data() >= d.data() && b.data() + b.size() <= d.data() + d.size());
        }
      }
    }
    ASSERT_EQ(count, m.count);
  }
  EXPECT_GT(sound, 6000u);
}

}  // namespace
}  // namespace rawvs
