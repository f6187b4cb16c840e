// SPDX-License-Identifier: BSD-2-Clause
// Tests ini_servers.h with many servers in another order than the file's: each step writes one server at most.
#include "control/ini_servers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "frames.h"

namespace rawvs {
namespace {

using namespace test;

constexpr uint32_t kServers = 65'000;
constexpr Port kOwn{80};

// Every fourth has the virtual's port, which the file does not name.
ServerSpec server(uint32_t n, int32_t weight = 1) {
  const Port port = n % 4 == 0 ? kOwn : Port(static_cast<uint16_t>(1000 + n % 4));
  return {.at = {Ip(ip("203.0.113.0").v4() + n / 4), port}, .weight = weight};
}

struct Drawn {
  VirtualConfig file;
  TableServers table;

  Drawn() {
    std::vector<uint32_t> order(kServers);
    for (uint32_t n = 0; n < kServers; ++n) order[n] = n;
    std::mt19937 random(5);
    std::ranges::shuffle(order, random);
    file.check = "tcp";
    for (const uint32_t n : order) {
      file.servers.push_back({server(n), n % 3 == 0 ? "ping" : ""});
      if (n % 4 == 0) file.servers.back().at.port = Port();
    }
    std::ranges::shuffle(order, random);
    for (const uint32_t n : order) table.in.push_back(server(n, 7));
  }
  std::vector<ServerConfig> written() {
    IniServers writer(&file, kOwn, std::move(table));
    std::vector<ServerConfig> all;
    for (size_t n = 0; n < writer.steps(); ++n) {
      const size_t before = all.size();
      writer.step(n, all);
      EXPECT_LE(all.size(), before + 1);
    }
    return all;
  }
};

std::string told(const ServerConfig& s) { return text(s.at) + ' ' + std::to_string(s.weight) + ' ' + s.check; }
std::string told(const ServerConfig& in_file, int32_t weight) {
  return text(in_file.at) + ' ' + std::to_string(weight) + ' ' + in_file.check;
}

TEST(IniServers, AreWrittenOneByOneInTheTablesOrder) {
  Drawn drawn;
  const std::vector<ServerSpec> table = drawn.table.in;
  const std::vector<ServerConfig> written = drawn.written();
  ASSERT_EQ(written.size(), kServers);
  for (size_t n = 0; n < kServers; ++n) {
    ASSERT_EQ(written[n].at.addr, table[n].at.addr);
    ASSERT_EQ(written[n].at.port, table[n].at.port == kOwn ? Port() : table[n].at.port);
    ASSERT_EQ(written[n].weight, 7);
  }
}

TEST(IniServers, HaveTheFilesOrderWhenChecksHaveTakenSomeOut) {
  Drawn drawn;
  for (int n = 0; n < 1000; ++n) {
    drawn.table.taken_out.push_back(drawn.table.in.back());
    drawn.table.in.pop_back();
  }
  const ServerSpec added{.at = {ip("192.0.2.77"), Port(7)}, .weight = 5}, sorry{.at = {ip("192.0.2.78"), kOwn}};
  drawn.file.sorry = sorry;
  drawn.table.in.insert(drawn.table.in.begin(), {added, sorry});
  const std::vector<ServerConfig> written = drawn.written();
  ASSERT_EQ(written.size(), kServers + 1);
  for (size_t n = 0; n < kServers; ++n) ASSERT_EQ(told(written[n]), told(drawn.file.servers[n], 7));
  EXPECT_EQ(told(written.back()), "192.0.2.77:7 5 none");
}

TEST(IniServers, OfTwoServicesAreTheSameInAnyOrder) {
  Drawn one, other;
  std::ranges::reverse(other.table.in);
  other.table.taken_out.push_back(other.table.in.back());
  other.table.in.pop_back();
  EXPECT_TRUE(same_servers(one.table, other.table));
  other.table.taken_out[0].weight = 8;
  EXPECT_FALSE(same_servers(one.table, other.table));
  other.table.taken_out.clear();
  EXPECT_FALSE(same_servers(one.table, other.table));
}

}  // namespace
}  // namespace rawvs
