// SPDX-License-Identifier: BSD-2-Clause
// Tests that files of any size are read and checked in portions, and that the work grows as the file does. Work is
// counted in lines and items, not in time.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "config/config_reader.h"
#include "config_same.h"

namespace rawvs {
namespace {

constexpr std::string_view kLarge = "[director]\ninterface = eth0\ninside = eth1\nmax_servers = 65534\n";

std::string ip(size_t n) {
  return std::to_string(10 + (n >> 16)) + '.' + std::to_string(n >> 8 & 255) + '.' + std::to_string(n & 255) + ".1";
}

std::string servers(size_t count, size_t virtuals) {
  std::string text(kLarge);
  for (size_t v = 0; v < virtuals; ++v) {
    text += "[virtual v" + std::to_string(v) + "]\naddress = 192.0.2.100\nports = tcp/" + std::to_string(v + 1) +
            "\ncheck = tcp\n";
    for (size_t n = 0; n < count / virtuals; ++n) text += "server = " + ip(n) + " weight=7\n";
  }
  return text;
}

std::string instances(size_t count, size_t vips) {
  std::string text(kLarge);
  for (size_t i = 0; i < count; ++i) {
    const std::string n = std::to_string(i + 1);
    text += "[virtual v" + n + "]\naddress = " + ip(i) + "\nports = tcp/80,443\n";
    text += "[vrrp i" + n + "]\nvrid = " + n + "\ntrack = v" + n + "\naddress =";
    for (size_t a = 0; a < vips; ++a) text += ' ' + ip((a << 8) + i);
    text += '\n';
  }
  return text;
}

std::string groups(size_t networks) {  // each network of clients has its own group, of the same port
  std::string text(kLarge);
  for (size_t i = 0; i < networks; ++i) {
    const std::string n = std::to_string(i + 1);
    text += "[group g" + n + "]\nmark = " + n + "\nmatch = 192.0.2.100 tcp/80 from " + ip(i) + "\n";
    text += "[virtual v" + n + "]\nmark = " + n + "\n";
  }
  return text;
}

// The work, done in portions of 100.
size_t work_of(const std::string& text, size_t expected_faults = 0) {
  ConfigReader reader("rawvs.ini");
  size_t fed = 0;
  for (bool done = false; !done;) {
    if (reader.wants_text() && fed == text.size()) reader.end();
    if (reader.wants_text()) {
      const std::string_view piece = std::string_view(text).substr(fed, 4096);
      reader.feed(piece);
      fed += piece.size();
    }
    const size_t before = reader.worked();
    done = reader.step(100);
    EXPECT_LE(reader.worked() - before, 200u) << "a portion was larger than was asked for";
  }
  EXPECT_EQ(reader.findings().count(), expected_faults)
      << (expected_faults == 0 && reader.findings().count() != 0 ? reader.findings().faults[0] : std::string());
  return reader.worked();
}

void expect_linear(size_t one, size_t ten) {
  EXPECT_LT(ten, 11 * one);
  EXPECT_GT(ten, 9 * one);
}

TEST(ConfigPortions, WorkGrowsAsTheFileDoes) {
  expect_linear(work_of(servers(6'500, 1)), work_of(servers(65'000, 1)));
  expect_linear(work_of(servers(6'500, 1'000)), work_of(servers(65'000, 10'000)));
  expect_linear(work_of(groups(1'000)), work_of(groups(10'000)));
  expect_linear(work_of(instances(25, 10)), work_of(instances(250, 10)));
}

TEST(ConfigPortions, TwoHundredAndFiftyFiveInstancesAreRead) {
  std::string text = instances(255, 1);
  work_of(text);
  text += "[vrrp one.too.many]\nvrid = 255\naddress = 192.0.2.9\n";
  EXPECT_EQ(parse_config(text, "rawvs.ini").error().text,
            "rawvs.ini:1790: vrrp one.too.many: vrid 255 is that of i255, on the same interface");
}

TEST(ConfigPortions, FaultsTakeNoMoreWorkThanTheirLines) {
  std::string text(kLarge);
  text += "[virtual v]\naddress = 192.0.2.100\nports = tcp/80\n";
  const auto wrong = [&](size_t count) {
    std::string all = text;
    for (size_t n = 0; n < count; ++n) all += "server = " + ip(n) + " wieght=7\n";
    return all;
  };
  expect_linear(work_of(wrong(1'000), 1'000), work_of(wrong(10'000), 10'000));
}

TEST(ConfigPortions, WhereTheTextIsCutMakesNoDifference) {
  std::mt19937 random(7);
  for (const std::string_view text : {kEverything, kEverythingElse, std::string_view("[director]\nwrong\n\n[x]\n y")}) {
    ConfigReader whole("rawvs.ini");
    whole.feed(text);
    whole.end();
    while (!whole.step(1)) continue;
    const Result<Config> expected = whole.take();
    for (int round = 0; round < 50; ++round) {
      ConfigReader reader("rawvs.ini");
      for (std::string_view rest = text; !rest.empty();) {
        const std::string_view piece = rest.substr(0, 1 + random() % 60);
        reader.feed(piece);
        rest.remove_prefix(piece.size());
        while (!reader.wants_text()) ASSERT_FALSE(reader.step(1));
      }
      reader.end();
      while (!reader.step(1 + random() % 9)) continue;
      EXPECT_EQ(reader.findings().faults, whole.findings().faults);
      const Result<Config> config = reader.take();
      ASSERT_EQ(static_cast<bool>(config), static_cast<bool>(expected));
      if (config) {
        EXPECT_TRUE(same(*config, *expected));
      }
    }
  }
}

TEST(ConfigPortions, WhoNamesNoAddressesGetsAllOfTheFileIfTheyFit) {
  std::string text = instances(1, 1);
  const auto with_virtuals = [&](size_t count) {
    std::string all = text;
    for (size_t n = 0; n < count; ++n) {
      all += "[virtual w" + std::to_string(n) + "]\naddress = " + ip((n << 8) + 77) + "\nports = udp/53\n";
    }
    return all + "[vrrp all]\nvrid = 9\n";
  };
  const auto refused = parse_config(with_virtuals(300), "rawvs.ini");
  ASSERT_FALSE(refused);
  EXPECT_NE(
      refused.error().text.find("[vrrp all] address: missing, and this file has 301 VIPs; an instance has at most "
                                "255: name those of each"),
      std::string::npos)
      << refused.error().text;
}

}  // namespace
}  // namespace rawvs
