// SPDX-License-Identifier: BSD-2-Clause
// options.h: the command line of rawvs-web.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "rawvs/addr.h"
#include "rawvs/result.h"

namespace rawvs::web {

struct Options {
  Endpoint listen{Ip(0x7f000001), Port(8080)};
  std::string control = "/run/rawvs/control.sock";
  std::string auth_file{};           // empty: everyone who can connect may read
  std::vector<std::string> names{};  // this host's, for Host:
  std::string user = "rawvs-web";    // of a start as root
  std::string pidfile{};             // empty: none
  uint32_t history = 200;            // services and servers
  bool foreground = false;
  bool help = false, version = false;
};

inline constexpr uint32_t kMostHistory = 10'000;

Result<Options> read_options(const std::vector<std::string>& args);  // without the program's name
std::string usage();

}  // namespace rawvs::web
