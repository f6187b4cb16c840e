// SPDX-License-Identifier: BSD-2-Clause
// Tests that what a reload and a written file need is made and freed in portions. Items and steps are counted.

#include <gtest/gtest.h>

#include <set>

#include "config/config_tables.h"
#include "control/ini_writer.h"
#include "control/kept_marks.h"
#include "control/reload.h"
#include "control/server_index.h"
#include "frames.h"

namespace rawvs {
namespace {

using test::ip;

constexpr size_t kWork = 100;  // of a portion

std::string file(size_t virtuals, size_t servers, const char* ports = "80", uint32_t first_vip = 0x0a000000) {
  std::string all = "[director]\ninterface = eth0\nmax_servers = 65534\n";
  for (size_t v = 0; v < virtuals; ++v) {
    const uint32_t vip = first_vip + static_cast<uint32_t>(v);
    all += "[virtual v" + std::to_string(vip) + "]\naddress = " + text(Ip(vip)) + "\nports = tcp/" + ports +
           "\ncheck = tcp\n";
    for (size_t s = 0; s < servers; ++s) {
      all += "server = " + text(Ip(0x0b000000 + static_cast<uint32_t>(v * servers + s))) + "\n";
    }
  }
  return all;
}

Config config_of(const std::string& text) {
  auto config = parse_config(text, "test.ini");
  EXPECT_TRUE(config) << (config ? "" : config.error().text);
  return config ? std::move(*config) : Config{};
}

TEST(ServerIndex, FindsWhatWasAdded) {
  std::vector<Endpoint> all;
  for (uint32_t n = 0; n < 65'000; ++n) all.push_back({Ip(0x0a000000 + n / 2), Port(static_cast<uint16_t>(n % 2))});
  ServerIndex index(all.size());
  const auto at_of = [&](Slot n) { return all[n]; };
  EXPECT_EQ(index.find(all[0], at_of), kNoSlot);
  for (size_t n = 0; n < all.size(); ++n) index.add(all[n], n);
  for (size_t n = 0; n < all.size(); n += 999) EXPECT_EQ(index.find(all[n], at_of), n);
  EXPECT_EQ(index.find({all[0].addr, Port(2)}, at_of), kNoSlot);
  EXPECT_EQ(ServerIndex(0).find(all[0], at_of), kNoSlot);
}

TEST(ConfigTables, ArePutTogetherAndFreedInPortions) {
  Config config = config_of(file(1'000, 3));
  std::vector<Mark> marks;
  WantedTables tables;
  std::vector<WantedChecks> checks;
  Portions walks;
  add_marks(config, marks, walks);
  add_tables(config, marks, tables, walks);
  add_checks(config, marks, checks, walks);
  for (bool done = false; !done;) {
    const size_t services = tables.services.size(), checked = checks.size();
    done = walks.step(kWork);
    EXPECT_LE(tables.services.size() - services, kWork);
    EXPECT_LE(checks.size() - checked, kWork);
  }
  EXPECT_EQ(tables.services.size(), 1'000u);
  EXPECT_EQ(checks.size(), 1'000u);
  add_freeing(config, walks);
  for (bool done = false; !done;) {
    const size_t before = config.virtuals.size();
    done = walks.step(kWork);
    EXPECT_LE(before - config.virtuals.size(), kWork);
  }
  EXPECT_TRUE(config.virtuals.empty());
}

// The number of portions that a reload of the same file takes. filled: the tables have what the file asks for.
size_t portions_of(const std::string& text, bool filled = false) {
  const Config was = config_of(text);
  const Instant now(1000s);
  Director director(was.settings, HashKey{1, 2}, now);
  Outbox out;
  for (const WantedService& service : filled ? wanted_tables(was).services : std::vector<WantedService>()) {
    director.set_from_file(service.spec.key, service.said);
    EXPECT_FALSE(director.add(service.spec, {now, out}));
    for (const ServerSpec& server : service.servers)
      EXPECT_FALSE(director.add_server(service.spec.key, server, {now, out}));
  }
  Reload work(was, config_of(text), false);
  size_t portions = 1;
  while (!work.step(
      director, {now, out}, [] {}, kWork))
    ++portions;
  EXPECT_TRUE(work.so_far().changes.empty());
  EXPECT_EQ(work.take_next().virtuals.size(), was.virtuals.size());
  return portions;
}

TEST(ReloadPortions, WhatItLooksAtIsDividedAmongThem) {
  EXPECT_GT(portions_of(file(2'000, 0)) - portions_of(file(1'000, 0)), 1'000 * (10 + Reload::kChange) / kWork);
}

TEST(ReloadPortions, TheServersOfOneServiceAreFoundAnewInPortions) {
  EXPECT_GE(portions_of(file(1, 4'000), true), 4 * 4'000 / kWork)
      << "each of the old and the new servers is indexed, and then examined";
}

TEST(ReloadPortions, OtherVirtualsGetOtherMarks) {
  const Config was = config_of(file(500, 0, "80,443"));
  Config next = config_of(file(500, 0, "80,443", 0x0a100000));
  KeptMarks marks(was, next);
  Portions walks;
  marks.add_to(walks);
  while (!walks.step(kWork)) continue;
  std::set<Mark> all(marks.old_marks().begin(), marks.old_marks().end());
  all.insert(marks.marks().begin(), marks.marks().end());
  EXPECT_EQ(all.size(), 1'000u);
  for (size_t i = 0; i < next.virtuals.size(); ++i) EXPECT_EQ(next.virtuals[i].kept, marks.marks()[i]);
}

TEST(IniWriterPortions, MemoryIsFreedAfterTheLastLineInPortions) {
  const Config config = config_of(file(1'000, 1));
  const Instant now(1000s);
  Director director(config.settings, HashKey{1, 2}, now);
  Outbox out;
  for (const WantedService& service : wanted_tables(config).services) {
    director.set_from_file(service.spec.key, service.said);
    ASSERT_FALSE(director.add(service.spec, {now, out}));
  }
  IniWriter writer(config, Secrets::shown);
  size_t pauses = 0;
  for (IniWriter::Next next{}; next != IniWriter::Next::end;) {
    std::string line;
    next = writer.next(kWork, line, director);
    next == IniWriter::Next::line ? pauses = 0 : ++pauses;
  }
  EXPECT_TRUE(writer.faults().empty());
  EXPECT_GE(pauses, 3 * 1'000 / kWork);
}

}  // namespace
}  // namespace rawvs
