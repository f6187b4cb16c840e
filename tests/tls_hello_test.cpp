// SPDX-License-Identifier: BSD-2-Clause
// Tests tls_hello.h: the client's hello byte for byte; servers' answers whole, cut at every place, hostile.
#include "wire/tls_hello.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace rawvs {
namespace {

using Stage = TlsAnswer::Stage;
using Message = std::vector<uint8_t>;

Message operator+(Message a, const Message& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Message with_size16(const Message& m) { return Message{uint8_t(m.size() >> 8), uint8_t(m.size())} + m; }
Message record(uint8_t type, const Message& m) { return Message{type, 3, 3} + with_size16(m); }
Message alert(uint8_t level, uint8_t number) { return record(21, {level, number}); }

Message hello_message(uint8_t minor, const Message& extensions) {
  Message body = Message{3, minor} + Message(32, 0xaa) + Message{4, 1, 2, 3, 4, 0x13, 0x01, 0};
  if (!extensions.empty()) body = body + with_size16(extensions);
  return Message{2, 0} + with_size16(body);
}
const Message kVersion13 = {0, 51, 0, 2, 0, 29, 0, 43, 0, 2, 3, 4};

TlsAnswer heard(const Message& bytes, size_t piece = SIZE_MAX) {
  TlsAnswer answer;
  for (size_t at = 0; at < bytes.size(); at += std::min(piece, bytes.size() - at)) {
    const Bytes next = Bytes(bytes).subspan(at, std::min(piece, bytes.size() - at));
    const Message copy(next.begin(), next.end());  // so that the sanitizer sees every read beyond it
    answer.take(copy);
  }
  return answer;
}

TEST(TlsHello, OffersWhatServersHave) {
  std::array<uint8_t, kTlsRandom> random{};
  for (size_t i = 0; i < random.size(); ++i) random[i] = static_cast<uint8_t>(i);
  const Message hello = tls_client_hello(random, "a.example");
  ASSERT_GT(hello.size(), 80u);
  EXPECT_EQ(load_be16(hello, 3), hello.size() - 5);
  EXPECT_EQ(load_be32(hello, 5), 0x01000000u + hello.size() - 9);
  EXPECT_EQ(Message(hello.begin() + 9, hello.begin() + 15), (Message{3, 3, 0, 1, 2, 3}));
  EXPECT_EQ(hello[43], 32) << "session";
  const size_t ciphers = load_be16(hello, 76), extensions = 78 + ciphers + 2;
  EXPECT_EQ(load_be16(hello, extensions), hello.size() - extensions - 2);
  const Message name = {0, 0, 0, 14, 0, 12, 0, 0, 9, 'a', '.', 'e', 'x', 'a', 'm', 'p', 'l', 'e'};
  const Message share = {0, 51, 0, 38, 0, 36, 0, 29, 0, 32, 64, 65};
  EXPECT_EQ(std::search(hello.begin(), hello.end(), name.begin(), name.end()) - hello.begin(),
            static_cast<ptrdiff_t>(extensions) + 2);
  EXPECT_NE(std::search(hello.begin(), hello.end(), share.begin(), share.end()), hello.end());
  EXPECT_EQ(tls_client_hello(random, "").size(), hello.size() - name.size());
  EXPECT_EQ(tls_client_hello(random, std::string(256, 'a')).size(), hello.size() - name.size());
}

TEST(TlsAnswer, HasTheVersionThatTheServerChoseHoweverItsBytesCome) {
  const Message certificate = record(22, Message(3000, 11));
  for (size_t piece = 1; piece < 60; ++piece) {
    const TlsAnswer old = heard(record(22, hello_message(3, {})) + certificate, piece);
    EXPECT_EQ(old.stage(), Stage::hello);
    EXPECT_EQ(old.version(), 0x0303);
    EXPECT_EQ(heard(record(22, hello_message(3, kVersion13)), piece).version(), 0x0304);
    EXPECT_EQ(heard(record(22, hello_message(1, {0xff, 1, 0, 1, 0})), piece).version(), 0x0301);
  }
  // In one record with what follows, and in two.
  EXPECT_EQ(heard(record(22, hello_message(3, {}) + Message(2000, 11))).stage(), Stage::hello);
  const Message whole = hello_message(3, kVersion13);
  const Message half(whole.begin(), whole.begin() + 20), rest(whole.begin() + 20, whole.end());
  EXPECT_EQ(heard(record(22, half) + record(22, rest)).version(), 0x0304);
}

TEST(TlsAnswer, IsAwaitedUntilItIsComplete) {
  const Message whole = record(22, hello_message(3, kVersion13));
  for (size_t keep = 0; keep < whole.size(); ++keep) {
    EXPECT_EQ(heard(Message(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(keep))).stage(), Stage::awaited)
        << keep;
  }
  EXPECT_EQ(heard({21, 3, 3, 0, 2, 2}).stage(), Stage::awaited);
}

TEST(TlsAnswer, MayBeAnAlert) {
  const TlsAnswer refused = heard(alert(2, 40));
  EXPECT_EQ(refused.stage(), Stage::refused);
  EXPECT_EQ(refused.alert(), 40);
  EXPECT_EQ(heard(alert(1, 0)).stage(), Stage::refused) << "it closes";
  EXPECT_EQ(heard(alert(1, 112)).stage(), Stage::awaited) << "a warning";
  EXPECT_EQ(heard(alert(1, 112) + record(22, hello_message(3, {}))).stage(), Stage::hello);
}

TEST(TlsAnswer, IsBadWhenItIsSomethingElse) {
  const Message rows[] = {
      {'H'},
      {22, 2},
      {20, 3, 3},
      {23, 3, 3},
      {22, 3, 3, 0, 0},
      {22, 3, 3, 0xff, 0xff},
      {21, 3, 3, 0, 3},
      record(22, {1}),
      record(22, {2, 0, 0, 34}),
      record(22, {2, 1, 0, 0}),
      record(22, Message{2, 0, 0, 40, 3, 3} + Message(32, 0) + Message(6, 3)),  // the session ends behind the message
      record(22, Message{2, 0, 0, 40, 2, 3} + Message(32, 0) + Message(6, 0)),
  };
  for (const Message& row : rows) EXPECT_EQ(heard(row).stage(), Stage::bad) << testing::PrintToString(row);
  Message warnings;
  while (warnings.size() < TlsAnswer::kMost) warnings = warnings + alert(1, 90);
  EXPECT_EQ(heard(warnings, 100).stage(), Stage::bad) << "without end";
}

TEST(TlsAnswer, LooksAtHostileExtensionsWithinTheirBounds) {
  for (const Message& extensions : {Message{0, 43}, Message{0, 43, 0, 2}, Message{0, 43, 0, 1, 3},
                                    Message{0, 43, 0xff, 0xff, 3, 4}, Message{0, 1, 0, 9, 3, 4}}) {
    const TlsAnswer answer = heard(record(22, hello_message(3, extensions)));
    EXPECT_EQ(answer.stage(), Stage::hello);
    EXPECT_EQ(answer.version(), 0x0303);
  }
}

TEST(TlsText, NamesVersionsAndAlerts) {
  EXPECT_EQ(tls_version_text(0x0300), "SSLv3");
  EXPECT_EQ(tls_version_text(0x0301), "TLSv1.0");
  EXPECT_EQ(tls_version_text(0x0304), "TLSv1.3");
  EXPECT_EQ(tls_alert_text(112), "112 (unrecognized_name)");
  EXPECT_EQ(tls_alert_text(255), "255");
}

}  // namespace
}  // namespace rawvs
