// SPDX-License-Identifier: BSD-2-Clause
// config_refusals.h: for tests of faulty configuration files: valid beginnings, and the message about each faulty end.
// The messages are part of the interface.
#pragma once

#include <gtest/gtest.h>

#include <span>

#include "rawvs/config.h"

namespace rawvs::test {

// Valid beginnings of files; the tested text begins in the next line.
inline constexpr std::string_view kDirector = "[director]\ninterface = eth0\n";                // next: line 3
inline constexpr std::string_view kVirtual = "[director]\ninterface = eth0\n[virtual web]\n";  // next: line 4
inline constexpr std::string_view kWeb =
    "[director]\ninterface = eth0\n[virtual web]\naddress = 192.0.2.100\nports = tcp/80\n";  // next: line 6
inline constexpr std::string_view kGroup = "[director]\ninterface = eth0\n[group g]\n";      // next: line 4

struct Wrong {
  std::string_view before, text, error;  // the error without the file's name
};

// A partial file has other faults, too; this one is among those found.
inline void refuses(const std::string& text, std::string_view error) {
  const auto config = parse_config(text, "rawvs.ini");
  if (config) {
    ADD_FAILURE() << "accepted:\n" << text;
    return;
  }
  const std::string expected = "\nrawvs.ini" + std::string(error) + '\n', found = '\n' + config.error().text + '\n';
  EXPECT_NE(found.find(expected), std::string::npos) << text << "-- expected:" << expected << "-- found:" << found;
}

inline void refuses(std::span<const Wrong> all) {
  for (const Wrong& wrong : all) refuses(std::string(wrong.before) + std::string(wrong.text), wrong.error);
}

}  // namespace rawvs::test
